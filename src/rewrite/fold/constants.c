/* constants.c - small constants as doubles, through the nodes that exporters put in front of them.
 */
#include "rewrite/fold/fold.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/safe_math.h"

#define CHAIN 16 /* nodes between a constant and its reader */

void oxp_fold_because(oxp_fold *l, const char *fmt, ...) {
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    l->why = oxp_strdup(l->arena, text);
}

const char *oxp_fold_label(oxp_fold *l, oxp_id node) {
    return oxp_node_label(l->m, node, l->arena);
}

const char *oxp_fold_name(oxp_fold *l, oxp_id value) {
    return oxp_value_at(l->m, value)->name;
}

const oxp_attr *oxp_fold_attr(oxp_fold *l, const oxp_node *n, const char *name) {
    const oxp_attr *a = oxp_attr_find(n, name);
    if (!a || !a->ref)
        return a;
    if (l->call == OXP_NONE)
        return NULL;
    const oxp_node *call = oxp_node_at(l->m, l->call);
    const oxp_attr *given = oxp_attr_find(call, a->ref);
    if (given)
        return given;
    const oxp_function *f = oxp_function_at(l->m, call->function);
    for (uint32_t i = 0; i < f->n_defaults; i++)
        if (strcmp(f->defaults[i].name, a->ref) == 0)
            return &f->defaults[i];
    return NULL;
}

int64_t oxp_fold_int(oxp_fold *l, const oxp_node *n, const char *name, int64_t otherwise) {
    const oxp_attr *a = oxp_fold_attr(l, n, name);
    return a && a->type == OXP_ATTR_INT ? a->u.i : otherwise;
}

float oxp_fold_float(oxp_fold *l, const oxp_node *n, const char *name, float otherwise) {
    const oxp_attr *a = oxp_fold_attr(l, n, name);
    return a && a->type == OXP_ATTR_FLOAT ? a->u.f : otherwise;
}

/* What the analysis knows of a value; NULL inside functions, where each call may have other types.
 */
static const oxp_type *inferred(oxp_fold *l, oxp_id value) {
    if (value >= l->n_typed)
        return NULL;
    oxp_id graph = oxp_value_at(l->m, value)->graph;
    for (int depth = 0; depth < 100; depth++) {
        const oxp_graph *g = oxp_graph_at(l->m, graph);
        if (g->kind == OXP_GRAPH_MAIN)
            return &oxp_run_analysis(l->run)->values[value].symbolic;
        if (g->kind == OXP_GRAPH_FUNCTION)
            return NULL;
        graph = oxp_node_at(l->m, g->owner)->graph;
    }
    return NULL;
}

const oxp_type *oxp_fold_type(oxp_fold *l, oxp_id value) {
    const oxp_type *t = inferred(l, value);
    if (!t || t->kind != OXP_KIND_TENSOR || t->rank < 0)
        t = oxp_value_at(l->m, value)->declared;
    return t && t->kind == OXP_KIND_TENSOR && t->rank >= 0 ? t : NULL;
}

/* The tensor behind a value that is an initializer or a Constant's output; OXP_NONE: neither. */
static oxp_id tensor_of(oxp_fold *l, const oxp_value *v) {
    if (v->tensor != OXP_NONE)
        return v->tensor;
    if (v->producer == OXP_NONE)
        return OXP_NONE;
    const oxp_node *n = oxp_node_at(l->m, v->producer);
    const oxp_attr *a = oxp_node_is(n, "Constant") ? oxp_attr_find(n, "value") : NULL;
    return a && !a->ref && a->type == OXP_ATTR_TENSOR ? a->u.id : OXP_NONE;
}

oxp_dtype oxp_fold_dtype(oxp_fold *l, oxp_id value) {
    oxp_id id = tensor_of(l, oxp_value_at(l->m, value));
    if (id != OXP_NONE)
        return oxp_tensor_at(l->m, id)->dtype;
    const oxp_type *t = inferred(l, value);
    if (t && t->kind == OXP_KIND_TENSOR && t->elem != OXP_UNDEFINED)
        return t->elem;
    const oxp_type *d = oxp_value_at(l->m, value)->declared;
    return d && d->kind == OXP_KIND_TENSOR ? d->elem : OXP_UNDEFINED;
}

bool oxp_fold_dims(oxp_fold *l, oxp_id value, int *rank, const int64_t **dims) {
    oxp_id id = tensor_of(l, oxp_value_at(l->m, value));
    if (id != OXP_NONE) {
        *rank = oxp_tensor_at(l->m, id)->rank;
        *dims = oxp_tensor_at(l->m, id)->dims;
        return true;
    }
    const oxp_type *t = oxp_fold_type(l, value);
    if (!t)
        return oxp_fold_fail(l, "shape of %s is not known", oxp_fold_name(l, value));
    for (int i = 0; i < t->rank; i++)
        if (!oxp_dim_is_literal(t->dims[i]) || t->dims[i] < 0)
            return oxp_fold_fail(l, "shape of %s is not known", oxp_fold_name(l, value));
    *rank = t->rank;
    *dims = t->dims;
    return true;
}

int oxp_fold_formal(oxp_fold *l, oxp_id value) {
    const oxp_value *v = oxp_value_at(l->m, value);
    const oxp_graph *g = oxp_graph_at(l->m, v->graph);
    if (g->kind != OXP_GRAPH_FUNCTION || v->producer != OXP_NONE)
        return -1;
    for (uint32_t i = 0; i < g->n_inputs; i++)
        if (g->inputs[i] == value)
            return (int)i;
    return -1;
}

oxp_id oxp_fold_actual(oxp_fold *l, oxp_id value) {
    int i = oxp_fold_formal(l, value);
    if (i < 0)
        return value;
    if (l->call == OXP_NONE) {
        l->needs_call = true;
        return value;
    }
    return oxp_in(oxp_node_at(l->m, l->call), (uint32_t)i);
}

/* An input that a caller may override is no constant unless the user says so. */
static bool settled(oxp_fold *l, const oxp_value *v) {
    return !v->overridable || oxp_run_opts(l->run)->allow_overridable ||
           oxp_fold_fail(l,
                         "%s is also a graph input, which a caller may set (--allow-overridable)",
                         v->name);
}

static bool read_tensor(oxp_fold *l, oxp_id id, const char *name, oxp_const *out) {
    const oxp_tensor *t = oxp_tensor_at(l->m, id);
    if (t->count > OXP_FOLD_ELEMENTS)
        return oxp_fold_fail(l, "%s has %llu elements", name, (unsigned long long)t->count);
    *out = (oxp_const){t->dtype, t->rank, t->dims, (size_t)t->count, NULL, false};
    out->imagined = !oxp_tensor_readable(l->m, id);
    if (out->imagined && !oxp_run_opts(l->run)->assume_weights)
        return oxp_fold_fail(l, "values of %s cannot be read", name);
    if (t->dtype == OXP_STRING || t->sparse)
        return oxp_fold_fail(l, "%s is no dense numeric tensor", name);
    out->v = OXP_NEWS(l->arena, out->n ? out->n : 1, double);
    if (out->imagined)
        l->imagined = true;
    for (size_t i = 0; out->imagined && i < out->n; i++)
        out->v[i] = 1.0;
    if (!out->imagined)
        oxp_tensor_doubles(l->m, id, 0, t->count, out->v);
    return true;
}

/* Constant with value_float, value_floats, value_int or value_ints. */
static bool read_attribute(oxp_fold *l, const oxp_node *n, oxp_const *out) {
    for (uint32_t k = 0; k < n->n_attr; k++) {
        const oxp_attr *a = &n->attrs[k];
        bool list = a->type == OXP_ATTR_FLOATS || a->type == OXP_ATTR_INTS;
        bool real = a->type == OXP_ATTR_FLOATS || a->type == OXP_ATTR_FLOAT;
        if (a->ref || (!list && a->type != OXP_ATTR_FLOAT && a->type != OXP_ATTR_INT))
            continue;
        int64_t *dims = OXP_NEWS(l->arena, 1, int64_t);
        dims[0] = list ? (int64_t)a->n : 1;
        *out = (oxp_const){
            real ? OXP_FLOAT : OXP_INT64, list ? 1 : 0, dims, list ? a->n : 1, NULL, false};
        out->v = OXP_NEWS(l->arena, out->n ? out->n : 1, double);
        for (size_t i = 0; i < out->n; i++) {
            if (real)
                out->v[i] = list ? a->u.floats[i] : a->u.f;
            else
                out->v[i] = (double)(list ? a->u.ints[i] : a->u.i);
        }
        return true;
    }
    return oxp_fold_fail(l, "%s has no value that can be read", oxp_fold_name(l, oxp_out(n, 0)));
}

static bool reshaped(oxp_fold *l, oxp_id value, oxp_const *c) {
    int rank;
    const int64_t *dims;
    if (!oxp_fold_dims(l, value, &rank, &dims))
        return false;
    uint64_t n = 1;
    for (int i = 0; i < rank; i++)
        n = oxp_sat_mul(n, (uint64_t)dims[i]);
    if (n != c->n)
        return oxp_fold_fail(l, "shape of %s is not known", oxp_fold_name(l, value));
    c->rank = rank;
    c->dims = dims;
    return true;
}

static bool transposed(oxp_fold *l, const oxp_node *n, oxp_const *c) {
    size_t k = 0;
    const int64_t *perm = oxp_attr_ints(n, "perm", &k);
    if (c->rank > 8 || (perm && k != (size_t)c->rank))
        return oxp_fold_fail(l, "%s cannot be evaluated",
                             oxp_fold_label(l, oxp_value_at(l->m, n->out[0])->producer));
    int64_t stride[8] = {0}, step = 1;
    for (int i = c->rank - 1; i >= 0; i--) {
        stride[i] = step;
        step *= c->dims[i];
    }
    int64_t *dims = OXP_NEWS(l->arena, (size_t)c->rank + 1, int64_t);
    int64_t from[8] = {0};
    for (int i = 0; i < c->rank; i++) {
        int64_t p = perm ? perm[i] : c->rank - 1 - i;
        if (p < 0 || p >= c->rank)
            return oxp_fold_fail(l, "perm of a Transpose is out of range");
        dims[i] = c->dims[p];
        from[i] = stride[p];
    }
    double *v = OXP_NEWS(l->arena, c->n ? c->n : 1, double);
    for (size_t i = 0; i < c->n; i++) {
        int64_t rest = (int64_t)i, at = 0;
        for (int d = c->rank - 1; d >= 0; d--) {
            at += rest % dims[d] * from[d];
            rest /= dims[d];
        }
        v[i] = c->v[at];
    }
    c->v = v;
    c->dims = dims;
    return true;
}

/* y = (x - zero_point) * scale, per tensor or along one axis. */
static bool dequantized(oxp_fold *l, const oxp_node *n, oxp_const *c, const oxp_const *scale,
                        const oxp_const *zero) {
    int64_t axis = oxp_fold_int(l, n, "axis", 1);
    if (axis < 0)
        axis += c->rank;
    size_t inner = 1;
    bool by_axis =
        scale->rank == 1 && (scale->n > 1 || (axis >= 0 && axis < c->rank && c->dims[axis] == 1));
    if (by_axis) {
        if (axis < 0 || axis >= c->rank || (uint64_t)c->dims[axis] != scale->n)
            return oxp_fold_fail(l, "a DequantizeLinear has a scale that fits no axis");
        for (int i = (int)axis + 1; i < c->rank; i++)
            inner *= (size_t)c->dims[i];
    }
    if (scale->rank > 1 || scale->n < 1 || (zero->v && zero->n != scale->n))
        return oxp_fold_fail(l, "a DequantizeLinear has blocks");
    for (size_t i = 0; i < c->n; i++) {
        size_t k = by_axis ? i / inner % scale->n : 0;
        c->v[i] = (c->v[i] - (zero->v ? zero->v[k] : 0.0)) * scale->v[k];
    }
    c->dtype = scale->dtype;
    return true;
}

static bool is_view(const oxp_node *n) {
    return oxp_node_is(n, "Reshape") || oxp_node_is(n, "Squeeze") || oxp_node_is(n, "Unsqueeze") ||
           oxp_node_is(n, "Flatten");
}

/* Widening casts only: a narrowing one rounds, and what it feeds must see the rounded values. */
static bool cast(oxp_fold *l, const oxp_node *n, oxp_const *c) {
    oxp_dtype to = (oxp_dtype)oxp_fold_int(l, n, "to", 0);
    bool exact = to == c->dtype || (to == OXP_DOUBLE && oxp_dtype_is_float(c->dtype)) ||
                 (to == OXP_FLOAT && oxp_dtype_is_float(c->dtype) && c->dtype != OXP_DOUBLE);
    if (!exact)
        return oxp_fold_fail(l, "a constant goes through a Cast that rounds");
    c->dtype = to;
    return true;
}

static bool read_at(oxp_fold *l, oxp_id value, oxp_const *out, int depth) {
    if (value == OXP_NONE)
        return oxp_fold_fail(l, "an input is missing");
    if (depth > CHAIN)
        return oxp_fold_fail(l, "%s is computed by too many nodes", oxp_fold_name(l, value));
    const oxp_value *v = oxp_value_at(l->m, value);
    if (v->tensor != OXP_NONE)
        return settled(l, v) && read_tensor(l, v->tensor, v->name, out);
    if (v->producer == OXP_NONE) {
        oxp_id actual = oxp_fold_actual(l, value);
        if (actual != value)
            return read_at(l, actual, out, depth + 1);
        return oxp_fold_fail(l, "%s is not constant", v->name);
    }
    const oxp_node n = *oxp_node_at(l->m, v->producer);
    if (oxp_node_is(&n, "Constant")) {
        oxp_id t = tensor_of(l, v);
        return t != OXP_NONE ? read_tensor(l, t, v->name, out) : read_attribute(l, &n, out);
    }
    if (oxp_node_is(&n, "Identity"))
        return read_at(l, oxp_in(&n, 0), out, depth + 1);
    if (is_view(&n))
        return read_at(l, oxp_in(&n, 0), out, depth + 1) && reshaped(l, value, out);
    if (oxp_node_is(&n, "Transpose"))
        return read_at(l, oxp_in(&n, 0), out, depth + 1) && transposed(l, &n, out);
    if (oxp_node_is(&n, "Cast"))
        return read_at(l, oxp_in(&n, 0), out, depth + 1) && cast(l, &n, out);
    if (oxp_node_is(&n, "DequantizeLinear")) {
        oxp_const scale, zero = {0};
        return read_at(l, oxp_in(&n, 0), out, depth + 1) &&
               read_at(l, oxp_in(&n, 1), &scale, depth + 1) &&
               (oxp_in(&n, 2) == OXP_NONE || read_at(l, oxp_in(&n, 2), &zero, depth + 1)) &&
               dequantized(l, &n, out, &scale, &zero);
    }
    return oxp_fold_fail(l, "%s is computed at run time by %s", v->name,
                         oxp_fold_label(l, v->producer));
}

bool oxp_fold_read(oxp_fold *l, oxp_id value, oxp_const *out) {
    return read_at(l, value, out, 0);
}
