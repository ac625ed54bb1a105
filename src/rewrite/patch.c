/* patch.c - building a patch: new objects beside the live ones, changes written down.
 *
 * New nodes, values and tensors are appended to the model's arrays, not live; a change to a node is
 * kept as the node it will become (oxp_edit).  Nothing that the model's live part can see changes
 * before check.c has accepted the whole. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/safe_math.h"
#include "model/convert.h"
#include "ops/op.h"
#include "rewrite/patch_impl.h"

void oxp_patch_error(oxp_patch *p, const char *fmt, ...) {
    char text[512];
    va_list ap;
    if (p->error)
        return;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    p->error = oxp_strdup(p->run->arena, text);
}

oxp_patch *oxp_patch_new(oxp_run *run) {
    if (run->open)
        oxp_raise(run->ctx, OXP_E_INTERNAL, "%s: a patch is open already", run->pass->name);
    if (!run->patches)
        run->patches = OXP_NEW(run->arena, oxp_patch_state);
    oxp_arena *arena = oxp_arena_new(run->ctx);
    oxp_patch *p = OXP_NEW(arena, oxp_patch);
    p->run = run;
    p->m = run->model;
    p->state = run->patches;
    p->arena = arena;
    p->n_nodes = p->m->n_nodes;
    p->n_values = p->m->n_values;
    p->n_tensors = p->m->n_tensors;
    p->edit_of = oxp_map_new(arena);
    p->added_of = oxp_map_new(arena);
    run->open = p;
    return p;
}

/* ---- names ---- */
static void collect_names(oxp_patch *p) {
    oxp_patch_state *s = p->state;
    oxp_arena *arena = p->run->arena;
    const oxp_model *m = p->m;
    if (s->value_names)
        return;
    s->value_names = oxp_map_new(arena);
    s->node_names = oxp_map_new(arena);
    s->counters = oxp_map_new(arena);
    for (size_t i = 0; i < m->n_values; i++)
        oxp_map_put(s->value_names, (uintptr_t)m->values[i].name, 0);
    for (size_t i = 0; i < m->n_nodes; i++)
        oxp_map_put(s->node_names, (uintptr_t)m->nodes[i].name, 0);
}

/* The hint, or the hint with a number behind, that nobody has; taken from now on (mark). */
static const char *unique(oxp_patch *p, oxp_map *names, const char *hint, uint32_t mark) {
    const char *name = oxp_model_name(p->m, hint, strlen(hint)), *base = name;
    uint32_t number = 0;
    if (oxp_map_put(names, (uintptr_t)name, mark))
        return name;
    oxp_map_get(p->state->counters, (uintptr_t)base, &number);
    do {
        char *text = oxp_sprintf(p->run->arena, "%s_%u", base, ++number);
        name = oxp_model_name(p->m, text, strlen(text));
    } while (!oxp_map_put(names, (uintptr_t)name, mark));
    oxp_map_set(p->state->counters, (uintptr_t)base, number);
    return name;
}

enum { NAME_USED = 0, NAME_OF_TENSOR = 1 };

static const char *value_name(oxp_patch *p, const char *hint, uint32_t mark) {
    collect_names(p);
    return unique(p, p->state->value_names, hint && hint[0] ? hint : "value", mark);
}

/* ---- types ---- */
const oxp_type *oxp_type_copy(oxp_arena *arena, const oxp_type *t) {
    oxp_type *first = NULL, **link = &first;
    for (unsigned depth = 0; t && depth < 100; t = t->of, depth++) {
        oxp_type *c = OXP_NEW(arena, oxp_type);
        *c = *t;
        c->dims = NULL;
        c->of = NULL;
        if (t->rank > 0) {
            oxp_dim *dims = OXP_NEWS(arena, (size_t)t->rank, oxp_dim);
            memcpy(dims, t->dims, (size_t)t->rank * sizeof *dims);
            c->dims = dims;
        }
        *link = c;
        link = (oxp_type **)&c->of;
    }
    return first;
}

/* ---- new objects ---- */
oxp_id oxp_patch_value(oxp_patch *p, oxp_id graph, const char *name_hint, const oxp_type *type) {
    const char *name = value_name(p, name_hint, NAME_USED);
    const oxp_type *copy = oxp_type_copy(p->m->arena, type);
    oxp_id id = oxp_model_add_value(p->m);
    oxp_value *v = &p->m->values[id];
    v->name = name;
    v->graph = graph;
    v->producer = v->tensor = v->first_use = v->last_use = OXP_NONE;
    v->declared = copy;
    v->type_dirty = copy != NULL;
    return id;
}

static uint64_t count_of(oxp_patch *p, int rank, const int64_t *dims) {
    uint64_t count = 1;
    bool zero = false, fits = true;
    for (int i = 0; i < rank; i++) {
        if (dims[i] < 0)
            oxp_patch_error(p, "a new tensor has a negative dimension");
        zero |= dims[i] == 0;
        fits &= dims[i] >= 0 && oxp_mul_u64(count, (uint64_t)dims[i], &count);
    }
    if (!fits && !zero)
        oxp_patch_error(p, "a new tensor has too many elements");
    return zero || !fits ? 0 : count;
}

static oxp_id new_tensor(oxp_patch *p, const char *hint, oxp_dtype t, int rank,
                         const int64_t *dims) {
    const char *name = value_name(p, hint, NAME_OF_TENSOR);
    uint64_t count = count_of(p, rank, dims), bytes = oxp_dtype_bytes(t, count);
    int64_t *copy = OXP_NEWS(p->m->arena, rank > 0 ? (size_t)rank : 0, int64_t);
    if (rank > 0)
        memcpy(copy, dims, (size_t)rank * sizeof *copy);
    if (bytes == UINT64_MAX)
        oxp_patch_error(p, "a new tensor cannot hold %s elements", oxp_dtype_name(t));
    oxp_id id = oxp_model_add_tensor(p->m);
    p->m->tensors[id] = (oxp_tensor){.name = name,
                                     .dtype = t,
                                     .rank = rank < 0 ? 0 : rank,
                                     .dims = copy,
                                     .count = count,
                                     .bytes = bytes,
                                     .dirty = true};
    return id;
}

oxp_id oxp_patch_tensor(oxp_patch *p, const char *name_hint, oxp_dtype t, int rank,
                        const int64_t *dims, const void *bytes, size_t n_bytes) {
    oxp_id id = new_tensor(p, name_hint, t, rank, dims);
    if (p->m->tensors[id].bytes != n_bytes) {
        oxp_patch_error(p, "new tensor '%s': %zu bytes given for %llu", p->m->tensors[id].name,
                        n_bytes, (unsigned long long)p->m->tensors[id].bytes);
        return id;
    }
    p->m->tensors[id].mem = oxp_memdup0(p->m->arena, bytes, n_bytes);
    p->m->tensors[id].storage = n_bytes ? OXP_STORE_MEMORY : OXP_STORE_NONE;
    return id;
}

oxp_id oxp_patch_tensor_doubles(oxp_patch *p, const char *name_hint, oxp_dtype t, int rank,
                                const int64_t *dims, const double *v, bool saturate) {
    oxp_id id = new_tensor(p, name_hint, t, rank, dims);
    oxp_tensor *tensor = &p->m->tensors[id];
    if (!oxp_dtype_convertible(t))
        oxp_patch_error(p, "new tensor '%s': numbers cannot become %s elements", tensor->name,
                        oxp_dtype_name(t));
    if (p->error || !tensor->bytes)
        return id;
    void *mem = oxp_alloc(p->m->arena, 1, (size_t)tensor->bytes);
    oxp_encode(t, v, (size_t)tensor->count, saturate, mem);
    tensor->mem = mem;
    tensor->storage = OXP_STORE_MEMORY;
    return id;
}

/* Every index that the recipe can compute must have its scale. */
static bool recipe_is_sound(const oxp_recipe *r) {
    uint64_t largest = 0, term;
    if (r->n_scale <= 1)
        return true;
    for (int k = 0; k < 2; k++) {
        if (!r->mod[k])
            continue;
        if (!r->div[k] || !oxp_mul_u64(r->mod[k] - 1, r->mul[k], &term) ||
            !oxp_add_u64(largest, term, &largest))
            return false;
    }
    return largest < r->n_scale;
}

oxp_id oxp_patch_tensor_lazy(oxp_patch *p, const char *name_hint, oxp_dtype t, int rank,
                             const int64_t *dims, const oxp_recipe *recipe) {
    oxp_id id = new_tensor(p, name_hint, t, rank, dims);
    oxp_tensor *tensor = &p->m->tensors[id];
    if (recipe->base >= id) {
        oxp_patch_error(p, "new tensor '%s': its base does not exist", tensor->name);
        return id;
    }
    const oxp_tensor *base = &p->m->tensors[recipe->base];
    if (base->count != tensor->count)
        oxp_patch_error(p, "new tensor '%s': %llu elements from a base of %llu", tensor->name,
                        (unsigned long long)tensor->count, (unsigned long long)base->count);
    else if (!oxp_dtype_convertible(t) || !oxp_dtype_convertible(base->dtype) || base->sparse)
        oxp_patch_error(p, "new tensor '%s': %s elements cannot become %s", tensor->name,
                        oxp_dtype_name(base->dtype), oxp_dtype_name(t));
    else if (!recipe_is_sound(recipe))
        oxp_patch_error(p, "new tensor '%s': its scale indices are out of range", tensor->name);
    if (p->error)
        return id;
    oxp_recipe *copy = OXP_NEW(p->m->arena, oxp_recipe);
    *copy = *recipe;
    if (recipe->n_scale) {
        double *scale = OXP_NEWS(p->m->arena, recipe->n_scale, double);
        memcpy(scale, recipe->scale, recipe->n_scale * sizeof *scale);
        copy->scale = scale;
    }
    tensor->recipe = copy;
    return id;
}

oxp_id oxp_patch_tensor_imagined(oxp_patch *p, const char *name_hint, oxp_dtype t, int rank,
                                 const int64_t *dims) {
    return new_tensor(p, name_hint, t, rank, dims);
}

oxp_id oxp_patch_initializer(oxp_patch *p, oxp_id graph, oxp_id tensor) {
    uint32_t mark = NAME_USED;
    if (tensor >= p->m->n_tensors || graph >= p->m->n_graphs) {
        oxp_patch_error(p, "a new initializer has no tensor or graph");
        return OXP_NONE;
    }
    for (oxp_id g = graph;; g = p->m->nodes[p->m->graphs[g].owner].graph) {
        if (p->m->graphs[g].kind == OXP_GRAPH_FUNCTION && g == graph)
            oxp_patch_error(p, "a function body cannot have initializers");
        if (p->m->graphs[g].kind != OXP_GRAPH_SUB)
            break;
    }
    const char *name = p->m->tensors[tensor].name;
    collect_names(p);
    if (oxp_map_get(p->state->value_names, (uintptr_t)name, &mark) && mark == NAME_OF_TENSOR)
        oxp_map_set(p->state->value_names, (uintptr_t)name, NAME_USED);
    else
        name = value_name(p, name, NAME_USED);
    oxp_id id = oxp_model_add_value(p->m);
    oxp_value *v = &p->m->values[id];
    v->name = name;
    v->graph = graph;
    v->producer = v->first_use = v->last_use = OXP_NONE;
    v->tensor = tensor;
    return id;
}

/* ---- nodes ---- */
static oxp_edit *add_edit(oxp_patch *p, oxp_id node) {
    if (p->n_edits % OXP_EDITS_A_CHUNK == 0) {
        size_t chunk = p->n_edits / OXP_EDITS_A_CHUNK;
        p->edits = oxp_grow(p->arena, p->edits, &p->cap_chunks, chunk + 1, sizeof *p->edits);
        p->edits[chunk] = OXP_NEWS(p->arena, OXP_EDITS_A_CHUNK, oxp_edit);
    }
    oxp_edit *e = oxp_edit_at(p, p->n_edits);
    *e = (oxp_edit){.node = node, .now = p->m->nodes[node], .number = (uint32_t)p->n_edits};
    oxp_map_set(p->edit_of, node, (uint32_t)p->n_edits++);
    return e;
}

oxp_edit *oxp_patch_edit(oxp_patch *p, oxp_id node) {
    uint32_t i;
    if (oxp_map_get(p->edit_of, node, &i))
        return oxp_edit_at(p, i);
    if (node >= p->m->n_nodes || !p->m->nodes[node].live) {
        oxp_patch_error(p, "a node that does not exist is changed");
        return NULL;
    }
    return add_edit(p, node);
}

const oxp_node *oxp_patch_view(const oxp_patch *p, oxp_id node, bool *dropped) {
    uint32_t i;
    if (!oxp_map_get(p->edit_of, node, &i)) {
        *dropped = !p->m->nodes[node].live;
        return &p->m->nodes[node];
    }
    *dropped = oxp_edit_at(p, i)->dropped;
    return &oxp_edit_at(p, i)->now;
}

static oxp_id *copy_ids(oxp_arena *arena, const oxp_id *ids, size_t n, size_t cap) {
    oxp_id *copy = OXP_NEWS(arena, cap, oxp_id);
    if (n)
        memcpy(copy, ids, n * sizeof *copy);
    return copy;
}

/* Called functions are told by domain and name; the patch engine sets no overloads. */
static oxp_id called_function(const oxp_model *m, const char *op, const char *domain) {
    for (size_t i = 0; i < m->n_functions; i++)
        if (!strcmp(m->functions[i].name, op) && !strcmp(m->functions[i].domain, domain))
            return (oxp_id)i;
    return OXP_NONE;
}

static void set_op(oxp_patch *p, oxp_node *n, const char *op, const char *domain) {
    if (!domain || !strcmp(domain, "ai.onnx"))
        domain = "";
    n->op = oxp_model_name(p->m, op, strlen(op));
    n->domain = oxp_model_name(p->m, domain, strlen(domain));
    n->overload = oxp_model_name(p->m, "", 0);
    n->function = called_function(p->m, n->op, n->domain);
    n->def = n->function == OXP_NONE ? oxp_op_find(n->domain, n->op) : NULL;
}

static oxp_id new_node(oxp_patch *p, oxp_id graph, oxp_id anchor, bool before, const char *op,
                       const char *domain, const char *hint, const oxp_id *in, uint32_t n_in,
                       const oxp_id *out, uint32_t n_out) {
    const char *name = oxp_model_name(p->m, "", 0);
    collect_names(p);
    if (hint && hint[0])
        name = unique(p, p->state->node_names, hint, NAME_USED);
    oxp_id id = oxp_model_add_node(p->m);
    oxp_node *n = &p->m->nodes[id];
    n->name = name;
    n->graph = graph;
    n->prev = n->next = OXP_NONE;
    set_op(p, n, op, domain);
    if (anchor != OXP_NONE && anchor < id)
        n->file_index = p->m->nodes[anchor].file_index;
    else if (before && graph < p->m->n_graphs && p->m->graphs[graph].last != OXP_NONE)
        n->file_index = p->m->nodes[p->m->graphs[graph].last].file_index;
    n->in = copy_ids(p->arena, in, n_in, n_in);
    n->out = copy_ids(p->arena, out, n_out, n_out);
    n->n_in = n_in;
    n->n_out = n_out;
    oxp_edit *e = add_edit(p, id);
    e->fresh = true;
    e->cap_in = n_in;
    e->cap_out = n_out;
    e->anchor = anchor;
    e->before = before;
    return id;
}

oxp_id oxp_patch_node(oxp_patch *p, oxp_id graph, oxp_id before, const char *op, const char *domain,
                      const char *name_hint, const oxp_id *in, uint32_t n_in, const oxp_id *out,
                      uint32_t n_out) {
    return new_node(p, graph, before, true, op, domain, name_hint, in, n_in, out, n_out);
}

oxp_id oxp_patch_node_after(oxp_patch *p, oxp_id graph, oxp_id after, const char *op,
                            const char *domain, const char *name_hint, const oxp_id *in,
                            uint32_t n_in, const oxp_id *out, uint32_t n_out) {
    return new_node(p, graph, after, false, op, domain, name_hint, in, n_in, out, n_out);
}

void oxp_patch_op(oxp_patch *p, oxp_id node, const char *op, const char *domain) {
    oxp_edit *e = oxp_patch_edit(p, node);
    if (e)
        set_op(p, &e->now, op, domain);
}

/* Slot `slot` of a list that may have to become ours, and longer; new slots are OXP_NONE. */
static oxp_id *own_slot(oxp_patch *p, const oxp_id **list, uint32_t *n, uint32_t *cap,
                        uint32_t slot) {
    uint32_t need = slot >= *n ? slot + 1 : *n;
    if (need > *cap) {
        uint32_t room = need + (need > 8 ? need / 2 : 0);
        *list = copy_ids(p->arena, *list, *n, room);
        *cap = room;
    }
    oxp_id *ids = (oxp_id *)*list; /* in the patch's arena: ours to write */
    for (; *n < need; ++*n)
        ids[*n] = OXP_NONE;
    return &ids[slot];
}

enum { SLOT_MAX = 1 << 20 };

static void set_input(oxp_patch *p, oxp_edit *e, uint32_t slot, oxp_id value) {
    oxp_id *at = own_slot(p, &e->now.in, &e->now.n_in, &e->cap_in, slot);
    uint32_t head = UINT32_MAX;
    *at = value;
    if (e->fresh || value == OXP_NONE)
        return;
    oxp_map_get(p->added_of, value, &head);
    p->added = oxp_grow(p->arena, p->added, &p->cap_added, p->n_added + 1, sizeof *p->added);
    p->added[p->n_added] = (struct oxp_added_use){e->number, head};
    oxp_map_set(p->added_of, value, (uint32_t)p->n_added++);
}

void oxp_patch_input(oxp_patch *p, oxp_id node, uint32_t slot, oxp_id value) {
    oxp_edit *e = oxp_patch_edit(p, node);
    if (!e || slot > SLOT_MAX || (value != OXP_NONE && value >= p->m->n_values)) {
        oxp_patch_error(p, "an input is set that cannot be");
        return;
    }
    set_input(p, e, slot, value);
}

void oxp_patch_output(oxp_patch *p, oxp_id node, uint32_t slot, oxp_id value) {
    oxp_edit *e = oxp_patch_edit(p, node);
    if (!e || slot > SLOT_MAX || value >= p->m->n_values) {
        oxp_patch_error(p, "an output is set that cannot be");
        return;
    }
    oxp_id old = slot < e->now.n_out ? e->now.out[slot] : OXP_NONE;
    *own_slot(p, &e->now.out, &e->now.n_out, &e->cap_out, slot) = value;
    if (old == OXP_NONE || old == value)
        return;
    p->outputs =
        oxp_grow(p->arena, p->outputs, &p->cap_outputs, p->n_outputs + 1, sizeof *p->outputs);
    p->outputs[p->n_outputs++] = (oxp_pair){old, value};
}

static void replace_in(oxp_patch *p, oxp_edit *e, oxp_id from, oxp_id to) {
    if (e->fresh || e->dropped)
        return;
    for (uint32_t slot = 0; slot < e->now.n_in; slot++)
        if (e->now.in[slot] == from)
            set_input(p, e, slot, to);
}

void oxp_patch_replace_uses(oxp_patch *p, oxp_id from, oxp_id to) {
    uint32_t i;
    if (from >= p->m->n_values || to >= p->m->n_values || from == to) {
        oxp_patch_error(p, "uses are replaced by themselves or by nothing");
        return;
    }
    for (oxp_id u = p->m->values[from].first_use; u != OXP_NONE; u = p->m->uses[u].next) {
        oxp_edit *e = oxp_patch_edit(p, p->m->uses[u].node);
        if (e)
            replace_in(p, e, from, to);
    }
    if (oxp_map_get(p->added_of, from, &i))
        for (; i != UINT32_MAX; i = p->added[i].next)
            replace_in(p, oxp_edit_at(p, p->added[i].edit), from, to);
    p->replaced =
        oxp_grow(p->arena, p->replaced, &p->cap_replaced, p->n_replaced + 1, sizeof *p->replaced);
    p->replaced[p->n_replaced++] = (oxp_pair){from, to};
}

void oxp_patch_drop(oxp_patch *p, oxp_id node) {
    oxp_edit *e = oxp_patch_edit(p, node);
    if (e)
        e->dropped = true;
}

/* ---- attributes ---- */
static void set_attr(oxp_patch *p, oxp_id node, const oxp_attr *attr) {
    oxp_edit *e = oxp_patch_edit(p, node);
    if (!e)
        return;
    uint32_t n = e->now.n_attr, i = 0;
    if (e->cap_attr < n + 1) {
        oxp_attr *copy = OXP_NEWS(p->arena, n + 4, oxp_attr);
        if (n)
            memcpy(copy, e->now.attrs, n * sizeof *copy);
        e->now.attrs = copy;
        e->cap_attr = n + 4;
    }
    oxp_attr *attrs = (oxp_attr *)e->now.attrs; /* in the patch's arena: ours to write */
    while (i < n && strcmp(attrs[i].name, attr->name) != 0)
        i++;
    attrs[i] = *attr;
    e->now.n_attr += i == n;
}

static oxp_attr named(oxp_patch *p, const char *name, oxp_attr_type type) {
    return (oxp_attr){.name = oxp_model_name(p->m, name, strlen(name)), .type = type};
}

void oxp_patch_attr_int(oxp_patch *p, oxp_id node, const char *name, int64_t v) {
    oxp_attr a = named(p, name, OXP_ATTR_INT);
    a.u.i = v;
    set_attr(p, node, &a);
}

void oxp_patch_attr_float(oxp_patch *p, oxp_id node, const char *name, float v) {
    oxp_attr a = named(p, name, OXP_ATTR_FLOAT);
    a.u.f = v;
    set_attr(p, node, &a);
}

void oxp_patch_attr_string(oxp_patch *p, oxp_id node, const char *name, const char *v) {
    oxp_attr a = named(p, name, OXP_ATTR_STRING);
    a.u.s = (oxp_bytes){oxp_strdup(p->m->arena, v), strlen(v)};
    set_attr(p, node, &a);
}

void oxp_patch_attr_ints(oxp_patch *p, oxp_id node, const char *name, const int64_t *v, size_t n) {
    oxp_attr a = named(p, name, OXP_ATTR_INTS);
    int64_t *copy = OXP_NEWS(p->m->arena, n, int64_t);
    if (n)
        memcpy(copy, v, n * sizeof *copy);
    a.n = n;
    a.u.ints = copy;
    set_attr(p, node, &a);
}

void oxp_patch_attr_tensor(oxp_patch *p, oxp_id node, const char *name, oxp_id tensor) {
    oxp_attr a = named(p, name, OXP_ATTR_TENSOR);
    if (tensor >= p->m->n_tensors)
        oxp_patch_error(p, "attribute '%s' is set to no tensor", name);
    a.u.id = tensor;
    set_attr(p, node, &a);
}

void oxp_patch_attr_copy(oxp_patch *p, oxp_id node, const oxp_attr *attr) {
    if (attr->type == OXP_ATTR_GRAPH || attr->type == OXP_ATTR_GRAPHS)
        oxp_patch_error(p, "attribute '%s': subgraphs cannot be copied", attr->name);
    else
        set_attr(p, node, attr);
}

void oxp_patch_attr_remove(oxp_patch *p, oxp_id node, const char *name) {
    oxp_edit *e = oxp_patch_edit(p, node);
    if (!e)
        return;
    for (uint32_t i = 0; i < e->now.n_attr; i++) {
        if (strcmp(e->now.attrs[i].name, name) != 0)
            continue;
        oxp_attr *copy = OXP_NEWS(p->arena, e->now.n_attr, oxp_attr);
        memcpy(copy, e->now.attrs, i * sizeof *copy);
        memcpy(copy + i, e->now.attrs + i + 1, (e->now.n_attr - i - 1) * sizeof *copy);
        e->now.attrs = copy;
        e->cap_attr = e->now.n_attr--;
        return;
    }
}

/* ---- types, tensors, imports ---- */
void oxp_patch_type(oxp_patch *p, oxp_id value, const oxp_type *type) {
    if (value >= p->m->n_values) {
        oxp_patch_error(p, "the type of a value that does not exist is set");
        return;
    }
    p->types = oxp_grow(p->arena, p->types, &p->cap_types, p->n_types + 1, sizeof *p->types);
    p->types[p->n_types++] = (oxp_retype){value, oxp_type_copy(p->arena, type)};
}

void oxp_patch_set_tensor(oxp_patch *p, oxp_id value, oxp_id tensor) {
    if (value >= p->m->n_values || tensor >= p->m->n_tensors ||
        p->m->values[value].tensor == OXP_NONE) {
        oxp_patch_error(p, "a tensor is given to a value that is no initializer");
        return;
    }
    p->tensors = oxp_grow(p->arena, p->tensors, &p->cap_tensor_edits, p->n_tensor_edits + 1,
                          sizeof *p->tensors);
    p->tensors[p->n_tensor_edits++] = (oxp_pair){value, tensor};
}

void oxp_patch_forget(oxp_patch *p, oxp_id value) {
    if (value >= p->n_values || p->m->values[value].tensor == OXP_NONE) {
        oxp_patch_error(p, "what is forgotten is no initializer");
        return;
    }
    p->forgotten = oxp_grow(p->arena, p->forgotten, &p->cap_forgotten, p->n_forgotten + 1,
                            sizeof *p->forgotten);
    p->forgotten[p->n_forgotten++] = (oxp_pair){value, OXP_NONE};
}

void oxp_patch_clear_types(oxp_patch *p) {
    p->clear_types = true;
}

void oxp_patch_opset(oxp_patch *p, const char *domain, int64_t version) {
    if (!strcmp(domain, "ai.onnx"))
        domain = "";
    p->opsets = oxp_grow(p->arena, p->opsets, &p->cap_opsets, p->n_opsets + 1, sizeof *p->opsets);
    p->opsets[p->n_opsets++] = (oxp_opset){oxp_model_name(p->m, domain, strlen(domain)), version};
}

void oxp_patch_discard(oxp_patch *p) {
    oxp_model *m = p->m;
    while (p->n_linked)
        oxp_model_unlink(m, (oxp_id)(p->n_nodes + --p->n_linked));
    m->n_nodes = p->n_nodes;
    m->n_values = p->n_values;
    m->n_tensors = p->n_tensors;
    p->run->open = NULL;
    oxp_arena_free(p->arena);
}
