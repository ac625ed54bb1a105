/* check.c - may a patch be applied?  Looks at what changes and its neighbours only: the rest of the
 * model was sound before and stays as it is. */
#include "rewrite/patch_impl.h"

static const char *name_of(const oxp_patch *p, oxp_id value) {
    return p->m->values[value].name;
}

static const char *label(const oxp_patch *p, oxp_id node) {
    if (node < p->n_nodes)
        return oxp_node_label(p->m, node, p->run->arena);
    return oxp_sprintf(p->run->arena, "new %s", p->m->nodes[node].op);
}

oxp_id oxp_patch_maker(const oxp_patch *p, oxp_id value) {
    uint32_t i;
    if (oxp_map_get(p->makers, value, &i))
        return oxp_edit_at(p, i)->node;
    oxp_id node = p->m->values[value].producer;
    if (node == OXP_NONE)
        return OXP_NONE;
    bool dropped;
    const oxp_node *n = oxp_patch_view(p, node, &dropped);
    uint32_t slot = p->m->values[value].slot;
    return dropped || slot >= n->n_out || n->out[slot] != value ? OXP_NONE : node;
}

/* Is the node, or one around it, gone once the patch is applied? */
static bool is_gone(const oxp_patch *p, oxp_id node) {
    for (unsigned depth = 0; depth < 200; depth++) {
        bool dropped;
        const oxp_node *n = oxp_patch_view(p, node, &dropped);
        if (dropped)
            return true;
        const oxp_graph *g = &p->m->graphs[n->graph];
        if (g->kind != OXP_GRAPH_SUB)
            return false;
        node = g->owner;
    }
    return true;
}

/* The node of graph `graph` that is, or holds, `node`; OXP_NONE when there is none. */
static oxp_id ancestor_in(const oxp_patch *p, oxp_id node, oxp_id graph) {
    for (unsigned depth = 0; depth < 200; depth++) {
        const oxp_node *n = &p->m->nodes[node];
        if (n->graph == graph)
            return node;
        if (p->m->graphs[n->graph].kind != OXP_GRAPH_SUB)
            return OXP_NONE;
        node = p->m->graphs[n->graph].owner;
    }
    return OXP_NONE;
}

/* ---- placing new nodes ---- */
static const char *link_new(oxp_patch *p) {
    oxp_model *m = p->m;
    for (size_t i = 0; i < p->n_edits; i++) {
        const oxp_edit *e = oxp_edit_at(p, i);
        if (!e->fresh)
            continue;
        oxp_id graph = e->now.graph, after = e->anchor;
        if (graph >= m->n_graphs)
            return "a new node has no graph";
        /* New nodes are in creation order, which is also that of their ids: a new anchor is linked.
         */
        bool sound =
            after == OXP_NONE || (after < p->n_nodes ? m->nodes[after].live : after < e->node);
        if (!sound || (after != OXP_NONE && m->nodes[after].graph != graph))
            return oxp_sprintf(p->run->arena, "%s: placed beside a node that is not in its graph",
                               label(p, e->node));
        if (e->before)
            after = after == OXP_NONE ? m->graphs[graph].last : m->nodes[after].prev;
        oxp_model_link_after(m, e->node, after);
        p->n_linked++;
        oxp_patch_label_new(p, e->node);
    }
    return NULL;
}

/* ---- producers ---- */
static const char *check_output(oxp_patch *p, uint32_t edit, oxp_id value) {
    const oxp_edit *e = oxp_edit_at(p, edit);
    oxp_arena *arena = p->run->arena;
    if (value >= p->m->n_values)
        return oxp_sprintf(arena, "%s: an output does not exist", label(p, e->node));
    const oxp_value *v = &p->m->values[value];
    if (v->graph != e->now.graph)
        return oxp_sprintf(arena, "%s: output '%.80s' belongs to another graph", label(p, e->node),
                           v->name);
    if (v->tensor != OXP_NONE || v->is_input)
        return oxp_sprintf(arena, "%s: output '%.80s' is a graph input or initializer",
                           label(p, e->node), v->name);
    if (!oxp_map_put(p->makers, value, edit))
        return oxp_sprintf(arena, "'%.80s' would have two producers", v->name);
    if (value >= p->n_values || v->producer == OXP_NONE || v->producer == e->node)
        return NULL;
    bool dropped;
    const oxp_node *old = oxp_patch_view(p, v->producer, &dropped);
    if (!dropped && v->slot < old->n_out && old->out[v->slot] == value)
        return oxp_sprintf(arena, "'%.80s' would have two producers", v->name);
    return NULL;
}

static const char *check_outputs(oxp_patch *p) {
    p->makers = oxp_map_new(p->arena);
    for (size_t i = 0; i < p->n_edits; i++) {
        const oxp_edit *e = oxp_edit_at(p, i);
        for (uint32_t slot = 0; slot < e->now.n_out && !e->dropped; slot++) {
            const char *why = e->now.out[slot] == OXP_NONE
                                  ? NULL
                                  : check_output(p, (uint32_t)i, e->now.out[slot]);
            if (why)
                return why;
        }
    }
    return NULL;
}

/* ---- uses ---- */
/* The value is made before the node reads it, in a graph that the node can see. */
static const char *check_order(oxp_patch *p, oxp_id value, oxp_id node) {
    const oxp_value *v = &p->m->values[value];
    oxp_id maker = oxp_patch_maker(p, value), at = ancestor_in(p, node, v->graph);
    if (at == OXP_NONE)
        return oxp_sprintf(p->run->arena, "%s: input '%.80s' is not visible there", label(p, node),
                           v->name);
    if (maker == OXP_NONE) {
        if (v->tensor != OXP_NONE || v->is_input)
            return NULL;
        return oxp_sprintf(p->run->arena, "%s: input '%.80s' would have no producer",
                           label(p, node), v->name);
    }
    if (at == maker || oxp_patch_label(p, maker) > oxp_patch_label(p, at))
        return oxp_sprintf(p->run->arena, "%s: input '%.80s' would be made after it is read",
                           label(p, node), v->name);
    return NULL;
}

static const char *check_inputs(oxp_patch *p) {
    for (size_t i = 0; i < p->n_edits; i++) {
        const oxp_edit *e = oxp_edit_at(p, i);
        const oxp_node *old = &p->m->nodes[e->node];
        if (e->dropped || is_gone(p, e->node))
            continue;
        for (uint32_t slot = 0; slot < e->now.n_in; slot++) {
            oxp_id value = e->now.in[slot];
            if (value == OXP_NONE || (!e->fresh && slot < old->n_in && old->in[slot] == value))
                continue; /* an unchanged input is checked if its value's producer changes */
            if (value >= p->m->n_values || (value < p->n_values && !p->m->values[value].live))
                return oxp_sprintf(p->run->arena, "%s: input %u does not exist", label(p, e->node),
                                   slot);
            const char *why = check_order(p, value, e->node);
            if (why)
                return why;
        }
    }
    return NULL;
}

/* All remaining uses of a value that gets another producer, or none. */
static const char *check_users(oxp_patch *p, oxp_id value) {
    const oxp_value *v = &p->m->values[value];
    oxp_id maker = oxp_patch_maker(p, value);
    if (maker == OXP_NONE && v->outputs)
        return oxp_sprintf(p->run->arena, "graph output '%.80s' would have no producer", v->name);
    for (oxp_id u = v->first_use; u != OXP_NONE; u = p->m->uses[u].next) {
        const oxp_use *use = &p->m->uses[u];
        bool dropped;
        const oxp_node *n = oxp_patch_view(p, use->node, &dropped);
        if (dropped || use->slot >= n->n_in || n->in[use->slot] != value || is_gone(p, use->node))
            continue;
        const char *why = check_order(p, value, use->node);
        if (why)
            return why;
    }
    return NULL;
}

static const char *check_lost_outputs(oxp_patch *p) {
    for (size_t i = 0; i < p->n_edits; i++) {
        const oxp_edit *e = oxp_edit_at(p, i);
        const oxp_node *old = &p->m->nodes[e->node];
        for (uint32_t slot = 0; slot < old->n_out && !e->fresh; slot++) {
            oxp_id value = old->out[slot];
            bool kept = !e->dropped && slot < e->now.n_out && e->now.out[slot] == value;
            const char *why = value == OXP_NONE || kept ? NULL : check_users(p, value);
            if (why)
                return why;
        }
    }
    return NULL;
}

/* A changed value_info list must not name a value twice, and every new value must be made. */
static const char *check_new_values(oxp_patch *p) {
    for (size_t v = p->n_values; v < p->m->n_values; v++)
        if (p->m->values[v].tensor == OXP_NONE && oxp_patch_maker(p, (oxp_id)v) == OXP_NONE)
            return oxp_sprintf(p->run->arena, "new value '%.80s' has no producer",
                               name_of(p, (oxp_id)v));
    return NULL;
}

const char *oxp_patch_check(oxp_patch *p) {
    const char *why = p->error;
    if (!why)
        why = link_new(p);
    if (!why)
        why = check_outputs(p);
    if (!why)
        why = check_new_values(p);
    if (!why)
        why = check_inputs(p);
    if (!why)
        why = check_lost_outputs(p);
    if (!why)
        why = oxp_patch_check_types(p);
    return why;
}
