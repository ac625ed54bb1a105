/* apply.c - makes a checked patch part of the model, and takes away what nothing uses any more. */
#include <string.h>

#include "rewrite/patch_impl.h"

/* Values that lost a use, and may be dead. */
typedef struct worklist {
    oxp_id *at;
    size_t n, cap;
} worklist;

static void push(oxp_patch *p, worklist *w, oxp_id value) {
    w->at = oxp_grow(p->arena, w->at, &w->cap, w->n + 1, sizeof *w->at);
    w->at[w->n++] = value;
}

static void lose_use(oxp_patch *p, worklist *w, oxp_id value, oxp_id node, uint32_t slot) {
    oxp_model_remove_use(p->m, value, node, slot);
    push(p, w, value);
}

/* ---- dropping ---- */
/* A node goes: its uses, its place, and the outputs that it still makes. */
static void drop_node(oxp_patch *p, worklist *w, oxp_id id) {
    oxp_node *n = &p->m->nodes[id];
    for (uint32_t slot = 0; slot < n->n_in; slot++)
        if (n->in[slot] != OXP_NONE)
            lose_use(p, w, n->in[slot], id, slot);
    for (uint32_t slot = 0; slot < n->n_out; slot++) {
        oxp_value *v = n->out[slot] == OXP_NONE ? NULL : &p->m->values[n->out[slot]];
        if (v && v->producer == id && v->slot == slot) {
            v->producer = OXP_NONE;
            v->live = false;
        }
    }
    n->live = false;
    oxp_model_unlink(p->m, id);
    p->m->graphs[n->graph].dirty = true;
}

/* The subgraphs of a node that goes, and theirs. */
static void drop_graph(oxp_patch *p, worklist *w, oxp_id id) {
    oxp_graph *g = &p->m->graphs[id];
    g->live = false;
    while (g->first != OXP_NONE)
        drop_node(p, w, g->first);
    for (uint32_t i = 0; i < g->n_outputs; i++) {
        oxp_value *v = &p->m->values[g->outputs[i]];
        if (v->outputs)
            v->outputs--;
        if (v->graph != id)
            push(p, w, g->outputs[i]);
    }
    for (uint32_t i = 0; i < g->n_inputs; i++)
        p->m->values[g->inputs[i]].live = false;
    for (uint32_t i = 0; i < g->n_inits; i++)
        p->m->values[g->inits[i]].live = false;
}

/* Graphs that are listed later than their owner's graph are visited after it: nesting needs no
 * recursion.  Only called when a node with subgraphs was dropped. */
static void drop_orphans(oxp_patch *p, worklist *w) {
    for (bool again = true; again;) {
        again = false;
        for (size_t i = 0; i < p->m->n_graphs; i++) {
            oxp_graph *g = &p->m->graphs[i];
            if (g->kind != OXP_GRAPH_SUB || !g->live || p->m->nodes[g->owner].live)
                continue;
            drop_graph(p, w, (oxp_id)i);
            again = true;
        }
    }
}

static bool has_graphs(const oxp_node *n) {
    for (uint32_t i = 0; i < n->n_attr; i++)
        if (n->attrs[i].type == OXP_ATTR_GRAPH || n->attrs[i].type == OXP_ATTR_GRAPHS)
            return true;
    return false;
}

/* ---- nodes ---- */
static void *keep(oxp_patch *p, const void *from, size_t n, size_t size) {
    void *to = oxp_alloc(p->m->arena, n, size);
    if (n)
        memcpy(to, from, n * size);
    return to;
}

/* Moves the lists that the patch made into the model's arena. */
static void keep_lists(oxp_patch *p, oxp_edit *e) {
    if (e->cap_in)
        e->now.in = keep(p, e->now.in, e->now.n_in, sizeof *e->now.in);
    if (e->cap_out)
        e->now.out = keep(p, e->now.out, e->now.n_out, sizeof *e->now.out);
    if (e->cap_attr)
        e->now.attrs = keep(p, e->now.attrs, e->now.n_attr, sizeof *e->now.attrs);
}

static void change_uses(oxp_patch *p, worklist *w, const oxp_edit *e) {
    const oxp_node *old = &p->m->nodes[e->node];
    uint32_t n_old = e->fresh ? 0 : old->n_in;
    uint32_t n = n_old > e->now.n_in ? n_old : e->now.n_in;
    const oxp_id *in = old->in;
    for (uint32_t slot = 0; slot < n; slot++) {
        oxp_id was = slot < n_old ? in[slot] : OXP_NONE;
        oxp_id is = slot < e->now.n_in ? e->now.in[slot] : OXP_NONE;
        if (was == is)
            continue;
        if (was != OXP_NONE)
            lose_use(p, w, was, e->node, slot);
        if (is != OXP_NONE)
            oxp_model_add_use(p->m, is, e->node, slot);
    }
}

/* Outputs that the node no longer makes are nobody's until another node claims them. */
static void release_outputs(oxp_patch *p, const oxp_edit *e) {
    const oxp_node *old = &p->m->nodes[e->node];
    for (uint32_t slot = 0; slot < old->n_out && !e->fresh; slot++) {
        oxp_id value = old->out[slot];
        if (value == OXP_NONE || (slot < e->now.n_out && e->now.out[slot] == value))
            continue;
        p->m->values[value].producer = OXP_NONE;
        p->m->values[value].live = false;
    }
}

static void change_node(oxp_patch *p, worklist *w, oxp_edit *e) {
    oxp_node *n = &p->m->nodes[e->node];
    change_uses(p, w, e);
    keep_lists(p, e);
    e->now.prev = n->prev; /* the place in the order is the model's */
    e->now.next = n->next;
    e->now.live = e->now.dirty = true;
    *n = e->now;
    for (uint32_t slot = 0; slot < n->n_out; slot++) {
        if (n->out[slot] == OXP_NONE)
            continue;
        oxp_value *v = &p->m->values[n->out[slot]];
        v->producer = e->node;
        v->slot = slot;
        v->live = true;
    }
    if (e->fresh)
        p->m->graphs[n->graph].dirty = true;
}

static void apply_nodes(oxp_patch *p, worklist *w) {
    bool orphans = false;
    for (size_t i = 0; i < p->n_edits; i++) {
        oxp_edit *e = oxp_edit_at(p, i);
        if (e->dropped && e->fresh) { /* made and dropped by the same patch */
            oxp_model_unlink(p->m, e->node);
        } else if (e->dropped) {
            orphans |= has_graphs(&p->m->nodes[e->node]);
            drop_node(p, w, e->node);
        } else {
            release_outputs(p, e);
        }
    }
    for (size_t i = 0; i < p->n_edits; i++)
        if (!oxp_edit_at(p, i)->dropped)
            change_node(p, w, oxp_edit_at(p, i));
    if (orphans)
        drop_orphans(p, w);
}

/* ---- initializers, types, imports ---- */
static void add_initializer(oxp_patch *p, oxp_id value) {
    oxp_patch_state *s = p->state;
    oxp_id graph = p->m->values[value].graph;
    if (s->n_rooms < p->m->n_graphs)
        s->rooms = oxp_grow(p->run->arena, s->rooms, &s->n_rooms, p->m->n_graphs, sizeof *s->rooms);
    oxp_graph *g = &p->m->graphs[graph];
    struct oxp_list_room *room = &s->rooms[graph];
    if (room->list != g->inits || room->cap <= g->n_inits) {
        /* Never into a list that was there before: clones may share it. */
        room->cap = (size_t)g->n_inits * 2 + 8;
        oxp_id *list = OXP_NEWS(p->m->arena, room->cap, oxp_id);
        if (g->n_inits)
            memcpy(list, g->inits, g->n_inits * sizeof *list);
        g->inits = room->list = list;
    }
    ((oxp_id *)g->inits)[g->n_inits++] = value;
    g->dirty = true;
}

static const oxp_type *type_of_tensor(oxp_patch *p, oxp_id tensor) {
    const oxp_tensor *t = &p->m->tensors[tensor];
    oxp_type type = {OXP_KIND_TENSOR, t->dtype, t->rank, t->dims, NULL};
    return oxp_type_copy(p->m->arena, &type);
}

/* Before IR version 4 the initializers of the main graph are graph inputs, too. */
static void add_input(oxp_patch *p, oxp_id value) {
    oxp_graph *g = &p->m->graphs[OXP_MAIN_GRAPH];
    oxp_value *v = &p->m->values[value];
    oxp_id *list = OXP_NEWS(p->m->arena, (size_t)g->n_inputs + 1, oxp_id);
    if (g->n_inputs)
        memcpy(list, g->inputs, g->n_inputs * sizeof *list);
    list[g->n_inputs++] = value;
    g->inputs = list;
    v->is_input = true;
    v->declared = type_of_tensor(p, v->tensor);
    v->type_dirty = true;
}

static void apply_values(oxp_patch *p, worklist *w) {
    for (size_t i = p->n_values; i < p->m->n_values; i++) {
        oxp_value *v = &p->m->values[i];
        if (v->tensor != OXP_NONE) {
            v->live = true;
            add_initializer(p, (oxp_id)i);
            if (p->m->ir_version < 4 && v->graph == OXP_MAIN_GRAPH)
                add_input(p, (oxp_id)i);
            push(p, w, (oxp_id)i); /* a new one that nothing reads goes at once */
        }
        p->m->graphs[v->graph].dirty = true;
    }
}

static void set_type(oxp_patch *p, oxp_value *v, const oxp_type *type) {
    v->declared = type;
    v->type_dirty = true;
    p->m->graphs[v->graph].dirty = true;
}

static void apply_types(oxp_patch *p) {
    for (size_t i = 0; p->clear_types && i < p->n_values; i++) {
        oxp_value *v = &p->m->values[i];
        if (v->declared && !v->is_input && !v->outputs)
            set_type(p, v, NULL);
    }
    for (size_t i = 0; i < p->n_tensor_edits; i++) {
        oxp_value *v = &p->m->values[p->tensors[i].value];
        v->tensor = p->tensors[i].other;
        p->m->graphs[v->graph].dirty = true;
        if (v->declared)
            set_type(p, v, type_of_tensor(p, v->tensor));
    }
    for (size_t i = 0; i < p->n_types; i++)
        set_type(p, &p->m->values[p->types[i].value], oxp_type_copy(p->m->arena, p->types[i].type));
}

static void apply_opset(oxp_patch *p, const oxp_opset *o) {
    oxp_model *m = p->m;
    size_t i = 0;
    while (i < m->n_opsets && strcmp(m->opsets[i].domain, o->domain) != 0)
        i++;
    oxp_opset *list = OXP_NEWS(m->arena, m->n_opsets + 1, oxp_opset);
    if (m->n_opsets)
        memcpy(list, m->opsets, m->n_opsets * sizeof *list);
    if (i < m->n_opsets && list[i].version == o->version)
        return;
    list[i] = *o;
    m->n_opsets += i == m->n_opsets;
    m->opsets = list;
    m->opsets_dirty = true;
}

/* ---- what nothing uses any more ---- */
static void remove_dead(oxp_patch *p, worklist *w) {
    oxp_model *m = p->m;
    bool inputs = false;
    while (w->n) {
        oxp_value *v = &m->values[w->at[--w->n]];
        if (!v->live || v->n_uses || v->outputs)
            continue;
        if (v->tensor != OXP_NONE) {
            if (v->overridable)
                continue; /* part of the interface */
            v->live = false;
            inputs |= v->is_input;
            m->graphs[v->graph].dirty = true;
        } else if (v->producer != OXP_NONE && oxp_node_is(&m->nodes[v->producer], "Constant")) {
            drop_node(p, w, v->producer);
        }
    }
    if (!inputs)
        return;
    oxp_graph *g = &m->graphs[OXP_MAIN_GRAPH];
    oxp_id *list = OXP_NEWS(m->arena, g->n_inputs, oxp_id);
    uint32_t n = 0;
    for (uint32_t i = 0; i < g->n_inputs; i++)
        if (m->values[g->inputs[i]].live)
            list[n++] = g->inputs[i];
    g->inputs = list;
    g->n_inputs = n;
}

bool oxp_patch_apply(oxp_patch *p, const char **why) {
    worklist w = {0};
    const char *wrong = oxp_patch_excluded(p);
    if (!wrong)
        wrong = oxp_patch_check(p);
    if (wrong) {
        if (why)
            *why = wrong;
        oxp_patch_discard(p);
        return false;
    }
    if (why)
        *why = NULL;
    oxp_patch_record(p);
    apply_values(p, &w);
    apply_nodes(p, &w);
    apply_types(p);
    for (size_t i = 0; i < p->n_opsets; i++)
        apply_opset(p, &p->opsets[i]);
    for (size_t i = 0; i < p->n_forgotten; i++)
        push(p, &w, p->forgotten[i].value);
    remove_dead(p, &w);
    p->m->changed = true;
    p->run->open = NULL;
    oxp_arena_free(p->arena);
    return true;
}
