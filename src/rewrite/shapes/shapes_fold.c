/* shapes_fold.c - Shape -> Gather -> Concat -> Reshape becomes Reshape with a constant. */
#include "rewrite/shapes/shapes.h"

static bool number(const oxp_elem *e, oxp_dtype t, double *x, int64_t *i) {
    if (!e->known)
        return false;
    if (oxp_dtype_is_float(t) && !e->exact) {
        *x = e->f;
        return true;
    }
    if (!oxp_dim_is_literal(e->i))
        return false;
    *i = e->i;
    *x = (double)e->i;
    return true;
}

static bool foldable(const oxp_shape_job *j, oxp_id v) {
    const oxp_value *x = oxp_value_at(j->m, v);
    const oxp_fact *f = &j->facts->facts[v];
    if (!x->live || x->tensor != OXP_NONE || x->producer == OXP_NONE || x->outputs || !x->n_uses ||
        f->type.kind != OXP_KIND_TENSOR || f->type.rank < 0 || !f->elems ||
        oxp_graph_at(j->m, x->graph)->kind == OXP_GRAPH_FUNCTION)
        return false;
    oxp_dtype t = f->type.elem;
    if (t != OXP_FLOAT && t != OXP_DOUBLE && t != OXP_FLOAT16 && t != OXP_INT64 && t != OXP_INT32 &&
        t != OXP_BOOL)
        return false;
    const oxp_node *n = oxp_node_at(j->m, x->producer);
    if (oxp_node_is(n, "Constant") || !n->live || (n->def && n->def->flags & OXP_OP_RANDOM))
        return false;
    uint64_t count = 1;
    for (int i = 0; i < f->type.rank; i++) {
        if (!oxp_dim_is_literal(f->type.dims[i]) || f->type.dims[i] < 0)
            return false;
        count *= (uint64_t)f->type.dims[i];
        if (count > OXP_ELEMS_MAX)
            return false;
    }
    double d;
    int64_t k;
    for (uint32_t i = 0; i < f->n_elems; i++)
        if (!number(&f->elems[i], t, &d, &k))
            return false;
    return count == f->n_elems;
}

static oxp_id constant(oxp_shape_job *j, oxp_patch *p, oxp_id v) {
    const oxp_fact *f = &j->facts->facts[v];
    oxp_dtype t = f->type.elem;
    const char *name = oxp_value_at(j->m, v)->name;
    oxp_id graph = oxp_value_at(j->m, v)->graph;
    int rank = f->type.rank;
    int64_t *dims = OXP_NEWS(j->arena, rank > 0 ? (size_t)rank : 1, int64_t);
    for (int i = 0; i < rank; i++)
        dims[i] = f->type.dims[i];
    size_t n = f->n_elems, room = n ? n : 1;
    double *x = OXP_NEWS(j->arena, room, double);
    int64_t *ints = OXP_NEWS(j->arena, room, int64_t);
    int32_t *words = OXP_NEWS(j->arena, room, int32_t);
    uint8_t *bytes = OXP_NEWS(j->arena, room, uint8_t);
    for (size_t i = 0; i < n; i++) {
        (void)number(&f->elems[i], t, &x[i], &ints[i]);
        words[i] = (int32_t)ints[i];
        bytes[i] = ints[i] != 0;
    }
    oxp_id tensor;
    if (oxp_dtype_is_float(t))
        tensor = oxp_patch_tensor_doubles(p, name, t, rank, dims, x, false);
    else if (t == OXP_INT64)
        tensor = oxp_patch_tensor(p, name, t, rank, dims, ints, n * sizeof *ints);
    else if (t == OXP_INT32)
        tensor = oxp_patch_tensor(p, name, t, rank, dims, words, n * sizeof *words);
    else
        tensor = oxp_patch_tensor(p, name, t, rank, dims, bytes, n);
    return oxp_patch_initializer(p, graph, tensor);
}

enum { KEEP = 0, FOLD = 1, DROP = 2 };

/* A node goes when nothing but folded or dropped uses of its outputs is left. */
static bool goes(const oxp_shape_job *j, oxp_id id, const uint8_t *value, const bool *dropped) {
    const oxp_node *n = oxp_node_at(j->m, id);
    bool used = false;
    if (oxp_node_is(n, "Constant"))
        return false;
    for (uint32_t i = 0; i < n->n_out; i++) {
        oxp_id v = n->out[i];
        if (v == OXP_NONE)
            continue;
        const oxp_value *x = oxp_value_at(j->m, v);
        if (x->outputs)
            return false;
        used |= x->n_uses > 0;
        if (value[v] == FOLD)
            continue;
        for (oxp_id u = x->first_use; u != OXP_NONE; u = oxp_use_at(j->m, u)->next)
            if (!dropped[oxp_use_at(j->m, u)->node])
                return false;
    }
    return used;
}

static void order_of(const oxp_model *m, oxp_id graph, oxp_id *order, size_t *n, size_t max,
                     int depth) {
    if (depth > 100)
        return;
    for (oxp_id id = oxp_graph_at(m, graph)->first; id != OXP_NONE; id = oxp_node_at(m, id)->next) {
        const oxp_node *x = oxp_node_at(m, id);
        for (uint32_t i = 0; i < x->n_attr; i++)
            if (x->attrs[i].type == OXP_ATTR_GRAPH)
                order_of(m, x->attrs[i].u.id, order, n, max, depth + 1);
        if (*n < max)
            order[(*n)++] = id;
    }
}

bool oxp_shape_fold(oxp_shape_job *j) {
    size_t n_nodes = oxp_node_count(j->m), n_values = oxp_value_count(j->m), n = 0;
    oxp_id *order = OXP_NEWS(j->arena, n_nodes + 1, oxp_id);
    uint8_t *value = OXP_NEWS(j->arena, n_values + 1, uint8_t);
    bool *dropped = OXP_NEWS(j->arena, n_nodes + 1, bool);
    order_of(j->m, OXP_MAIN_GRAPH, order, &n, n_nodes, 0);
    bool any = false;
    for (size_t k = 0; k < n; k++) {
        const oxp_node *x = oxp_node_at(j->m, order[k]);
        for (uint32_t i = 0; i < x->n_out; i++)
            if (x->out[i] != OXP_NONE && foldable(j, x->out[i])) {
                value[x->out[i]] = FOLD;
                any = true;
            }
    }
    if (!any)
        return false;
    for (size_t k = n; k-- > 0;)
        dropped[order[k]] = goes(j, order[k], value, dropped);
    oxp_patch *p = oxp_patch_new(j->run);
    for (size_t k = 0; k < n; k++) {
        uint32_t n_out = oxp_node_at(j->m, order[k])->n_out;
        for (uint32_t i = 0; i < n_out; i++) {
            oxp_id v = oxp_node_at(j->m, order[k])->out[i];
            if (v == OXP_NONE || value[v] != FOLD)
                continue;
            bool outside = false;
            for (oxp_id u = oxp_value_at(j->m, v)->first_use; u != OXP_NONE && !outside;
                 u = oxp_use_at(j->m, u)->next)
                outside = !dropped[oxp_use_at(j->m, u)->node];
            if (outside) {
                oxp_patch_replace_uses(p, v, constant(j, p, v));
                j->folded++;
            }
        }
    }
    for (size_t k = n; k-- > 0;)
        if (dropped[order[k]]) {
            oxp_patch_drop(p, order[k]);
            j->dropped++;
        }
    oxp_shape_apply(j, p);
    return true;
}
