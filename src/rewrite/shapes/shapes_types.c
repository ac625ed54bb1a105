/* shapes_types.c - recorded types: of inputs as bound, of everything else as inferred. */
#include "rewrite/shapes/shapes.h"

static bool in_function(const oxp_model *m, oxp_id value) {
    oxp_id g = oxp_value_at(m, value)->graph;
    for (int depth = 0; depth < 1000; depth++) {
        const oxp_graph *x = oxp_graph_at(m, g);
        if (x->kind != OXP_GRAPH_SUB)
            return x->kind == OXP_GRAPH_FUNCTION;
        g = oxp_node_at(m, x->owner)->graph;
    }
    return false;
}

/* A type as it is written: what has no name is left open. */
static const oxp_type *written(oxp_shape_job *j, const oxp_type *t, bool *fixed) {
    if (t->kind != OXP_KIND_TENSOR) {
        *fixed = t->kind != OXP_KIND_UNKNOWN;
        return t;
    }
    *fixed = t->rank >= 0;
    oxp_type *w = OXP_NEW(j->arena, oxp_type);
    oxp_dim *dims = OXP_NEWS(j->arena, t->rank > 0 ? (size_t)t->rank : 1, oxp_dim);
    *w = *t;
    w->dims = dims;
    for (int i = 0; i < t->rank; i++) {
        dims[i] = t->dims[i];
        if (oxp_dim_is_literal(dims[i]) && dims[i] >= 0)
            continue;
        *fixed = false;
        if (oxp_dim_is_literal(dims[i]) || oxp_dim_is_unknown(dims[i]) ||
            oxp_dim_is_opaque(oxp_model_dims(j->m), dims[i]))
            dims[i] = OXP_DIM_UNKNOWN;
    }
    return w;
}

/* Dimensions that a file cannot tell apart: it has no name for either. */
static bool same_dim(const oxp_shape_job *j, oxp_dim a, oxp_dim b) {
    const oxp_dims *names = oxp_model_dims(j->m);
    bool open_a = oxp_dim_is_unknown(a) || oxp_dim_is_opaque(names, a);
    bool open_b = oxp_dim_is_unknown(b) || oxp_dim_is_opaque(names, b);
    return a == b || (open_a && open_b);
}

static bool same_type(const oxp_shape_job *j, const oxp_type *a, const oxp_type *b) {
    for (; a && b; a = a->of, b = b->of) {
        if (a->kind != b->kind || a->elem != b->elem || a->rank != b->rank)
            return false;
        for (int i = 0; i < a->rank; i++)
            if (!same_dim(j, a->dims[i], b->dims[i]))
                return false;
    }
    return a == b;
}

/* Does a recorded type of the main graph or of a body name a dimension that is a number now? */
static bool binds_records(oxp_shape_job *j) {
    size_t count = oxp_value_count(j->m);
    for (oxp_id v = 0; v < count; v++) {
        const oxp_value *x = oxp_value_at(j->m, v);
        const oxp_type *t = x->declared;
        if (!x->live || x->is_input || in_function(j->m, v))
            continue;
        for (int k = 0; t && t->kind == OXP_KIND_TENSOR && k < t->rank; k++)
            if (!oxp_dim_is_literal(t->dims[k]) &&
                oxp_dim_is_literal(oxp_bound_dim(j->bound, t->dims[k], true)))
                return true;
    }
    return false;
}

/* Every record but those of inputs is forgotten, but of values that nothing else tells about
 * (outputs of unknown operators), which are seen through the bindings. */
static void forget_records(oxp_shape_job *j, oxp_patch *p) {
    size_t count = oxp_value_count(j->m);
    oxp_patch_clear_types(p);
    for (oxp_id v = 0; v < count; v++) {
        const oxp_value *x = oxp_value_at(j->m, v);
        if (!x->live || x->is_input || !x->declared || in_function(j->m, v))
            continue;
        const oxp_type *t = &j->facts->facts[v].type;
        bool fixed,
            known = t->kind != OXP_KIND_UNKNOWN && (t->kind != OXP_KIND_TENSOR || t->rank >= 0);
        if (known && x->outputs)
            oxp_patch_type(p, v, written(j, t, &fixed));
        else if (!known && x->declared->kind == OXP_KIND_TENSOR) {
            oxp_type *w = OXP_NEW(j->arena, oxp_type);
            *w = *x->declared;
            oxp_dim *dims = OXP_NEWS(j->arena, w->rank > 0 ? (size_t)w->rank : 1, oxp_dim);
            for (int k = 0; k < w->rank; k++)
                dims[k] = oxp_bound_dim(j->bound, x->declared->dims[k], true);
            w->dims = dims;
            oxp_patch_type(p, v, w);
        }
    }
}

/* Inputs get their sizes.  Where the request binds nothing, the other records hold as they are. */
void oxp_shape_inputs(oxp_shape_job *j) {
    oxp_patch *p = oxp_patch_new(j->run);
    const oxp_graph *g = oxp_graph_at(j->m, OXP_MAIN_GRAPH);
    uint32_t n = g->n_inputs;
    for (uint32_t i = 0; i < n; i++) {
        oxp_id v = oxp_graph_at(j->m, OXP_MAIN_GRAPH)->inputs[i];
        const oxp_type *t = oxp_bound_input(j->bound, v, true);
        const oxp_value *x = oxp_value_at(j->m, v);
        bool fixed;
        if (x->tensor != OXP_NONE || !t)
            continue;
        /* Names given to unnamed dimensions on the way stay our own. */
        oxp_type *w = OXP_NEW(j->arena, oxp_type);
        *w = *written(j, t, &fixed);
        if (x->declared && x->declared->kind == OXP_KIND_TENSOR && x->declared->rank == w->rank) {
            oxp_dim *dims = OXP_NEWS(j->arena, w->rank > 0 ? (size_t)w->rank : 1, oxp_dim);
            for (int k = 0; k < w->rank; k++)
                dims[k] = oxp_dim_is_literal(w->dims[k]) ? w->dims[k] : x->declared->dims[k];
            w->dims = dims;
        }
        if (!same_type(j, w, x->declared)) {
            oxp_patch_type(p, v, w);
            j->retyped++;
        }
    }
    if (j->retyped || binds_records(j))
        forget_records(j, p);
    oxp_shape_apply(j, p);
}

/* Every value's type as the engine finds it now. */
void oxp_shape_types(oxp_shape_job *j) {
    oxp_patch *p = oxp_patch_new(j->run);
    size_t count = oxp_value_count(j->m);
    for (oxp_id v = 0; v < count; v++) {
        const oxp_value *x = oxp_value_at(j->m, v);
        const oxp_type *t = &j->facts->facts[v].type;
        bool fixed;
        if (!x->live || x->tensor != OXP_NONE || in_function(j->m, v) ||
            (x->is_input && x->graph == OXP_MAIN_GRAPH) || t->kind == OXP_KIND_UNKNOWN ||
            (t->kind == OXP_KIND_TENSOR && (t->rank < 0 || t->elem == OXP_UNDEFINED)))
            continue;
        const oxp_type *w = written(j, t, &fixed);
        if (x->graph == OXP_MAIN_GRAPH && x->producer != OXP_NONE)
            *(fixed ? &j->typed : &j->open) += 1;
        if (!same_type(j, w, x->declared)) {
            oxp_patch_type(p, v, w);
            j->retyped++;
        }
    }
    oxp_shape_apply(j, p);
}
