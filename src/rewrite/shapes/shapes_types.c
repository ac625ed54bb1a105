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

/* The record as the bindings make it. */
static oxp_type *rebound(oxp_shape_job *j, const oxp_type *declared) {
    oxp_type *w = OXP_NEW(j->arena, oxp_type);
    oxp_dim *dims = OXP_NEWS(j->arena, declared->rank > 0 ? (size_t)declared->rank : 1, oxp_dim);
    *w = *declared;
    for (int k = 0; k < w->rank; k++)
        dims[k] = oxp_bound_dim(j->bound, declared->dims[k], true);
    w->dims = dims;
    return w;
}

/* What of the record the walk with the bindings does not contradict: its sizes that are those of
 * the facts, which took them from it where nothing else tells (behind unknown operators).  NULL:
 * nothing. */
static const oxp_type *confirmed(oxp_shape_job *j, const oxp_type *declared, const oxp_type *t) {
    if (declared->kind != OXP_KIND_TENSOR || t->kind != OXP_KIND_TENSOR ||
        declared->rank != t->rank || declared->elem != t->elem)
        return NULL;
    oxp_type *w = rebound(j, declared);
    oxp_dim *dims = OXP_NEWS(j->arena, w->rank > 0 ? (size_t)w->rank : 1, oxp_dim);
    bool any = w->rank == 0;
    for (int k = 0; k < w->rank; k++) {
        bool holds = oxp_dim_is_literal(w->dims[k]) && w->dims[k] == t->dims[k];
        dims[k] = holds ? w->dims[k] : OXP_DIM_UNKNOWN;
        any |= holds;
    }
    w->dims = dims;
    return any ? w : NULL;
}

/* An output as it is found; a size that stays open keeps a name that is no input's. */
static const oxp_type *output_type(oxp_shape_job *j, const oxp_type *declared, const oxp_type *t) {
    bool fixed;
    const oxp_type *w = written(j, t, &fixed);
    if (w->kind != OXP_KIND_TENSOR || declared->kind != OXP_KIND_TENSOR ||
        declared->rank != w->rank)
        return w;
    oxp_type *named = OXP_NEW(j->arena, oxp_type);
    oxp_dim *dims = OXP_NEWS(j->arena, w->rank > 0 ? (size_t)w->rank : 1, oxp_dim);
    *named = *w;
    for (int k = 0; k < w->rank; k++) {
        oxp_dim d = declared->dims[k];
        bool keeps = oxp_dim_is_unknown(w->dims[k]) && !oxp_dim_is_literal(d) &&
                     oxp_dim_is_unknown(oxp_bound_dim(j->bound, d, true));
        dims[k] = keeps ? d : w->dims[k];
    }
    named->dims = dims;
    return named;
}

/* Records but those of inputs are made anew: of the old ones stays, seen through the bindings, what
 * inference does not contradict. */
static void renew_records(oxp_shape_job *j, oxp_patch *p) {
    size_t count = oxp_value_count(j->m);
    oxp_patch_clear_types(p);
    for (oxp_id v = 0; v < count; v++) {
        const oxp_value *x = oxp_value_at(j->m, v);
        if (!x->live || x->is_input || !x->declared || in_function(j->m, v))
            continue;
        const oxp_type *t = &j->facts->facts[v].type, *w = NULL;
        bool known = t->kind != OXP_KIND_UNKNOWN && (t->kind != OXP_KIND_TENSOR || t->rank >= 0);
        if (known && x->outputs)
            w = output_type(j, x->declared, t);
        else if (known)
            w = confirmed(j, x->declared, t);
        else if (x->declared->kind == OXP_KIND_TENSOR)
            w = rebound(j, x->declared);
        if (w)
            oxp_patch_type(p, v, w);
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
        renew_records(j, p);
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
