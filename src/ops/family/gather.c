/* gather.c - operators that pick, scatter or make elements by index: Gather, Scatter, OneHot,
 * NonZero, TopK, Range, ConstantOfShape. */
#include <math.h>
#include <string.h>

#include "ops/elems.h"
#include "ops/eval.h"
#include "ops/propagate.h"
#include "ops/util.h"

/* ---- Gather ---- */

typedef struct gathered {
    const oxp_fact *x, *index;
    const oxp_elem *e, *i;
    int axis;
    int64_t *at, *at_index;
} gathered;

static oxp_elem gathered_elem(const int64_t *at, const void *arg) {
    const gathered *g = arg;
    int ri = g->index->type.rank;
    for (int k = 0; k < ri; k++)
        g->at_index[k] = at[g->axis + k];
    oxp_elem i = g->i[oxp_linear(g->index, g->at_index)];
    int64_t size = g->x->type.dims[g->axis];
    if (!i.known || !oxp_dim_is_literal(i.i) || i.i < -size || i.i >= size)
        return oxp_elem_unknown();
    for (int k = 0; k < g->x->type.rank; k++)
        g->at[k] = k < g->axis ? at[k] : k == g->axis ? i.i : at[k + ri - 1];
    g->at[g->axis] += i.i < 0 ? size : 0;
    return g->e[oxp_linear(g->x, g->at)];
}

static void gather_elems(oxp_call *c, int axis) {
    const oxp_fact *x = oxp_input(c, 0), *index = oxp_input(c, 1);
    uint64_t n, m;
    gathered g = {x, index, oxp_input_elems(c, 0), NULL, axis, NULL, NULL};
    if (!g.e || !(g.i = oxp_input_elems(c, 1)))
        return;
    if (!oxp_elements_literal(x, &n) || n != x->n_elems || !oxp_elements_literal(index, &m))
        return;
    g.at = oxp_alloc(c->arena, (size_t)x->type.rank + 1, sizeof *g.at);
    g.at_index = oxp_alloc(c->arena, (size_t)index->type.rank + 1, sizeof *g.at_index);
    oxp_fill_elems(c, gathered_elem, &g);
}

/* An index that is a known number must lie within the axis. */
static void check_indices(oxp_call *c, oxp_dim size) {
    (void)oxp_indices_within(c, 1, 0, 1, size);
}

/* Indices of one axis of an input of the same rank, which they do not leave elsewhere either. */
static bool check_elements(oxp_call *c, int axis) {
    const oxp_fact *x = oxp_input(c, 0), *index = oxp_input(c, 1);
    int rank = oxp_rank(x);
    if (rank < 0 || oxp_rank(index) < 0)
        return true;
    if (rank != oxp_rank(index)) {
        oxp_op_error(c, "indices of rank %d for an input of rank %d", oxp_rank(index), rank);
        return false;
    }
    for (int k = 0; k < rank; k++) {
        oxp_dim d = oxp_dim_of(x, k), i = oxp_dim_of(index, k);
        if (k != axis && oxp_dim_is_literal(d) && oxp_dim_is_literal(i) && i > d) {
            oxp_op_error(c, "axis %d of the indices is %lld, that of the input %lld", k,
                         (long long)i, (long long)d);
            return false;
        }
    }
    return oxp_indices_within(c, 1, 0, 1, oxp_dim_of(x, axis));
}

/* Tuples that lead into the input's axes from `batch` on. */
static bool check_tuples(oxp_call *c, int64_t batch) {
    const oxp_fact *x = oxp_input(c, 0), *index = oxp_input(c, 1);
    oxp_dim depth = oxp_dim_of(index, -1);
    for (int k = 0; k < batch; k++)
        if (oxp_rank(x) > 0 && oxp_rank(index) > 0 && !oxp_same_size(c, 1, k, oxp_dim_of(x, k)))
            return false;
    if (!oxp_dim_is_literal(depth) || oxp_dim_is_unknown(depth) || oxp_rank(x) < batch + depth)
        return true;
    for (int k = 0; k < depth; k++)
        if (!oxp_indices_within(c, 1, (uint32_t)k, (uint32_t)depth, oxp_dim_of(x, (int)batch + k)))
            return false;
    return true;
}

static void infer_gather(oxp_call *c) {
    const oxp_fact *x = oxp_input(c, 0), *index = oxp_input(c, 1);
    int rank = oxp_rank(x), ri = oxp_rank(index);
    if (rank < 0 || ri < 0) {
        oxp_set_unknown_rank(c, 0, oxp_elem_type(x));
        return;
    }
    int axis = oxp_axis(c, oxp_call_int(c, "axis", 0), rank);
    if (axis < 0)
        return;
    oxp_dim *out = oxp_alloc(c->arena, (size_t)rank + (size_t)ri + 1, sizeof *out);
    int r = 0;
    for (int k = 0; k < axis; k++)
        out[r++] = x->type.dims[k];
    for (int k = 0; k < ri; k++)
        out[r++] = index->type.dims[k];
    for (int k = axis + 1; k < rank; k++)
        out[r++] = x->type.dims[k];
    check_indices(c, x->type.dims[axis]);
    oxp_set(c, 0, oxp_elem_type(x), r, out);
    gather_elems(c, axis);
}

static void infer_gather_elements(oxp_call *c) {
    const oxp_fact *x = oxp_input(c, 0);
    oxp_set_shape_of(c, 0, oxp_elem_type(x), oxp_input(c, 1));
    if (oxp_rank(x) > 0) {
        int axis = oxp_axis(c, oxp_call_int(c, "axis", 0), oxp_rank(x));
        if (axis >= 0 && check_elements(c, axis))
            oxp_elems_gather_at(c, axis);
    }
}

static void infer_gather_nd(oxp_call *c) {
    const oxp_fact *x = oxp_input(c, 0), *index = oxp_input(c, 1);
    int rank = oxp_rank(x), ri = oxp_rank(index);
    int64_t batch = oxp_call_int(c, "batch_dims", 0);
    oxp_dim depth = oxp_dim_of(index, -1);
    if (rank < 0 || ri < 1 || !oxp_dim_is_literal(depth)) {
        oxp_set_unknown_rank(c, 0, oxp_elem_type(x));
        return;
    }
    if (batch < 0 || batch >= ri || batch + depth > rank || depth < 1) {
        oxp_op_error(c, "indices of depth %lld do not fit an input of rank %d", (long long)depth,
                     rank);
        return;
    }
    oxp_dim *out = oxp_alloc(c->arena, (size_t)rank + (size_t)ri, sizeof *out);
    int r = 0;
    for (int k = 0; k < ri - 1; k++)
        out[r++] = index->type.dims[k];
    for (int k = (int)(batch + depth); k < rank; k++)
        out[r++] = x->type.dims[k];
    oxp_set(c, 0, oxp_elem_type(x), r, out);
    if (check_tuples(c, batch))
        oxp_elems_gather_nd(c, batch);
}

/* ---- Scatter: the output is the input with some elements replaced ---- */

static void infer_scatter(oxp_call *c) {
    oxp_set_like(c, 0, oxp_input(c, 0));
}

/* How what is there and what comes are joined; false for a reduction that is not known here. */
static bool scatter_reduction(const oxp_call *c, oxp_eval2 *how) {
    static const struct {
        const char *name;
        oxp_eval2 fn;
    } known[] = {{"none", NULL},
                 {"add", oxp_eval_add},
                 {"mul", oxp_eval_mul},
                 {"min", oxp_eval_min},
                 {"max", oxp_eval_max}};
    const char *name = oxp_call_string(c, "reduction", "none");
    for (size_t i = 0; i < OXP_COUNT(known); i++) {
        *how = known[i].fn;
        if (strcmp(known[i].name, name) == 0)
            return true;
    }
    return false;
}

static void infer_scatter_elements(oxp_call *c) {
    oxp_eval2 how;
    int rank = oxp_rank(oxp_input(c, 0));
    infer_scatter(c);
    if (rank < 0)
        return;
    int axis = oxp_axis(c, oxp_call_int(c, "axis", 0), rank);
    if (axis >= 0 && check_elements(c, axis) && scatter_reduction(c, &how))
        oxp_elems_scatter_at(c, axis, how);
}

/* Updates: the shape of the indices without their last axis, then what a tuple leaves of the input.
 */
static bool check_updates(oxp_call *c) {
    const oxp_fact *x = oxp_input(c, 0), *index = oxp_input(c, 1), *u = oxp_input(c, 2);
    oxp_dim depth = oxp_dim_of(index, -1);
    int rank = oxp_rank(x), ri = oxp_rank(index);
    if (rank < 0 || ri < 1 || oxp_rank(u) < 0 || !oxp_dim_is_literal(depth) ||
        oxp_dim_is_unknown(depth))
        return true;
    if (depth > rank || depth < 1) {
        oxp_op_error(c, "indices of depth %lld do not fit an input of rank %d", (long long)depth,
                     rank);
        return false;
    }
    int wanted = ri - 1 + rank - (int)depth;
    if (oxp_rank(u) != wanted) {
        oxp_op_error(c, "updates of rank %d, not %d", oxp_rank(u), wanted);
        return false;
    }
    for (int k = 0; k < wanted; k++)
        if (!oxp_same_size(c, 2, k,
                           k < ri - 1 ? oxp_dim_of(index, k)
                                      : oxp_dim_of(x, (int)depth + k - (ri - 1))))
            return false;
    return true;
}

static void infer_scatter_nd(oxp_call *c) {
    oxp_eval2 how;
    infer_scatter(c);
    if (check_updates(c) && check_tuples(c, 0) && scatter_reduction(c, &how))
        oxp_elems_scatter_nd(c, how);
}

/* ---- OneHot, EyeLike ---- */

static void infer_one_hot(oxp_call *c) {
    const oxp_fact *x = oxp_input(c, 0);
    const oxp_elem *depth = oxp_input_elems(c, 1);
    int rank = oxp_rank(x);
    oxp_dtype t = oxp_elem_type(oxp_input(c, 2));
    if (rank < 0) {
        oxp_set_unknown_rank(c, 0, t);
        return;
    }
    int axis = oxp_axis(c, oxp_call_int(c, "axis", -1), rank + 1);
    if (axis < 0)
        return;
    oxp_dim *out = oxp_alloc(c->arena, (size_t)rank + 2, sizeof *out);
    double v;
    oxp_dim size = OXP_DIM_UNKNOWN;
    if (depth && depth[0].known) /* the depth may come as a float */
        size = oxp_dim_is_unknown(depth[0].i) && oxp_elem_number(depth[0], &v) && fabs(v) < 1e15
                   ? (oxp_dim)v
                   : depth[0].i;
    for (int k = 0, from = 0; k <= rank; k++)
        out[k] = k == axis ? size : x->type.dims[from++];
    oxp_set(c, 0, t, rank + 1, out);
    oxp_elems_one_hot(c, axis);
}

static oxp_dtype type_attr(const oxp_call *c, const char *name, oxp_dtype otherwise) {
    int64_t t = oxp_call_int(c, name, otherwise);
    return t > 0 && t < OXP_DTYPE_COUNT ? (oxp_dtype)t : OXP_UNDEFINED;
}

static void infer_eye_like(oxp_call *c) {
    const oxp_fact *x = oxp_input(c, 0);
    oxp_set_shape_of(c, 0, type_attr(c, "dtype", oxp_elem_type(x)), x);
}

/* ---- ConstantOfShape, Range ---- */

static oxp_elem same_elem(const int64_t *at, const void *arg) {
    (void)at;
    return *(const oxp_elem *)arg;
}

/* The value to fill with: attribute `value`, a tensor of one element, else float 0. */
static oxp_elem fill_value(oxp_call *c, oxp_dtype *t) {
    const oxp_attr *a = oxp_call_attr(c, "value");
    *t = OXP_FLOAT;
    if (!a || a->type != OXP_ATTR_TENSOR)
        return oxp_elem_float(0, OXP_FLOAT);
    const oxp_tensor *v = oxp_tensor_at(c->model, a->u.id);
    *t = v->dtype;
    if (v->count != 1)
        oxp_op_error(c, "value has %llu elements, one is wanted", (unsigned long long)v->count);
    if (v->count != 1 || v->dtype == OXP_STRING || !oxp_tensor_readable(c->model, a->u.id))
        return oxp_elem_unknown();
    if (oxp_dtype_is_float(v->dtype)) {
        double d;
        oxp_tensor_doubles(c->model, a->u.id, 0, 1, &d);
        return oxp_elem_float(d, v->dtype);
    }
    int64_t i;
    oxp_tensor_ints(c->model, a->u.id, 0, 1, &i);
    return oxp_elem_int(oxp_dim_literal(i));
}

static void infer_constant_of_shape(oxp_call *c) {
    const oxp_fact *s = oxp_input(c, 0);
    oxp_dtype t;
    oxp_elem v = fill_value(c, &t);
    const oxp_elem *e = oxp_input_elems(c, 0);
    oxp_dim len = oxp_dim_of(s, 0);
    if (!e && (!oxp_dim_is_literal(len) || len > OXP_ELEMS_MAX)) {
        oxp_set_unknown_rank(c, 0, t);
        return;
    }
    int rank = e ? (int)s->n_elems : (int)len;
    oxp_dim *out = oxp_alloc(c->arena, (size_t)rank + 1, sizeof *out);
    for (int k = 0; k < rank; k++)
        out[k] = e && e[k].known ? e[k].i : OXP_DIM_UNKNOWN;
    oxp_set(c, 0, t, rank, out);
    if (v.known)
        oxp_fill_elems(c, same_elem, &v);
}

typedef struct progression {
    oxp_dims *dims;
    oxp_elem start, step;
    oxp_dtype t;
} progression;

static oxp_elem progression_elem(const int64_t *at, const void *arg) {
    const progression *p = arg;
    oxp_elem k =
        oxp_dtype_is_float(p->t) ? oxp_elem_float((double)at[0], p->t) : oxp_elem_int(at[0]);
    return oxp_eval_add(p->dims, p->start, oxp_eval_mul(p->dims, k, p->step, p->t), p->t);
}

/* max(0, ceil((limit - start) / delta)); for floats in double, as the reference does. */
static oxp_dim range_length(oxp_call *c, oxp_elem a, oxp_elem b, oxp_elem d, oxp_dtype t) {
    double va, vb, vd;
    if (d.known && oxp_elem_number(d, &vd) && vd == 0) {
        oxp_op_error(c, "delta is 0");
        return OXP_DIM_UNKNOWN;
    }
    if (!a.known || !b.known || !d.known)
        return OXP_DIM_UNKNOWN;
    if (oxp_elem_number(a, &va) && oxp_elem_number(b, &vb) && oxp_elem_number(d, &vd)) {
        double n = ceil((vb - va) / vd);
        return n != n || n > 9e15 ? OXP_DIM_UNKNOWN : n < 0 ? 0 : (oxp_dim)n;
    }
    if (oxp_dtype_is_float(t) && !(a.exact && b.exact && d.exact))
        return OXP_DIM_UNKNOWN;
    if (a.den > 1 || b.den > 1 || d.den > 1 || !oxp_dim_is_literal(d.i) || d.i == 0)
        return OXP_DIM_UNKNOWN;
    oxp_dim span = oxp_dim_sub(c->dims, b.i, a.i);
    if (d.i < 0)
        span = oxp_dim_sub(c->dims, 0, span);
    return oxp_dim_ceildiv(c->dims, span, d.i < 0 ? -d.i : d.i);
}

static void infer_range(oxp_call *c) {
    const oxp_elem *a = oxp_input_elems(c, 0), *b = oxp_input_elems(c, 1),
                   *d = oxp_input_elems(c, 2);
    oxp_dtype t = oxp_first_type(c, 3);
    oxp_elem one = oxp_dtype_is_float(t) ? oxp_elem_float(1, t) : oxp_elem_int(1);
    d = d || oxp_input(c, 2) ? d : &one; /* com.microsoft: the step may be left out */
    const oxp_elem unknown = oxp_elem_unknown();
    oxp_dim n = d ? range_length(c, a ? *a : unknown, b ? *b : unknown, *d, t) : OXP_DIM_UNKNOWN;
    oxp_set(c, 0, t, 1, &n);
    if (!a || !d || !oxp_dim_is_literal(n))
        return;
    progression p = {c->dims, *a, *d, t};
    oxp_fill_elems(c, progression_elem, &p);
}

/* ---- shapes that depend on values ---- */

static void infer_non_zero(oxp_call *c) {
    const oxp_fact *x = oxp_input(c, 0);
    oxp_dim out[2] = {oxp_rank(x) < 0 ? OXP_DIM_UNKNOWN : oxp_rank(x), OXP_DIM_UNKNOWN};
    const oxp_elem *e = oxp_input_elems(c, 0);
    uint32_t n = 0;
    double v;
    bool known = e != NULL;
    for (uint32_t i = 0; known && i < x->n_elems; i++) {
        known = oxp_elem_number(e[i], &v);
        n += known && v != 0;
    }
    if (known)
        out[1] = n;
    oxp_set(c, 0, OXP_INT64, 2, out);
    if (!known || oxp_rank(x) != 1)
        return;
    oxp_elem *r = oxp_alloc(c->arena, n + 1u, sizeof *r);
    for (uint32_t i = 0, at = 0; i < x->n_elems; i++)
        if (oxp_elem_number(e[i], &v) && v != 0)
            r[at++] = oxp_elem_int(i);
    oxp_set_elems(c, 0, r, n);
}

/* Elements of a known condition that count: what lies beyond the axis is not looked at. */
static uint32_t condition_length(const oxp_call *c, const oxp_attr *axis) {
    const oxp_fact *x = oxp_input(c, 0);
    uint64_t n = c->in[1]->n_elems, whole = n;
    int rank = oxp_rank(x);
    if (!axis)
        (void)oxp_elements_literal(x, &whole);
    else if (rank > 0 && axis->u.i >= -rank && axis->u.i < rank)
        (void)oxp_dim_count(oxp_dim_of(x, (int)axis->u.i), &whole);
    return (uint32_t)(whole < n ? whole : n);
}

static void infer_compress(oxp_call *c) {
    const oxp_fact *x = oxp_input(c, 0);
    int rank = oxp_rank(x);
    const oxp_elem *e = oxp_input_elems(c, 1);
    const oxp_attr *a = oxp_call_attr(c, "axis");
    oxp_dim kept = e ? 0 : OXP_DIM_UNKNOWN;
    uint32_t n = e ? condition_length(c, a) : 0;
    for (uint32_t i = 0; i < n; i++)
        kept = e[i].known && oxp_dim_is_literal(e[i].i) && !oxp_dim_is_unknown(kept)
                   ? kept + (e[i].i != 0)
                   : OXP_DIM_UNKNOWN;
    if (!a || rank < 0) {
        if (!a)
            oxp_set(c, 0, oxp_elem_type(x), 1, &kept);
        else
            oxp_set_unknown_rank(c, 0, oxp_elem_type(x));
        oxp_elems_compress(c);
        return;
    }
    int axis = oxp_axis(c, a->u.i, rank);
    if (axis < 0)
        return;
    oxp_dim *out = oxp_dims_dup(c, x, 0);
    out[axis] = kept;
    oxp_set(c, 0, oxp_elem_type(x), rank, out);
    oxp_elems_compress(c);
}

static void infer_unique(oxp_call *c) {
    const oxp_fact *x = oxp_input(c, 0);
    int rank = oxp_rank(x);
    const oxp_attr *a = oxp_call_attr(c, "axis");
    if (oxp_elems_unique(c, oxp_call_int(c, "sorted", 1) != 0))
        return;
    oxp_dim n = oxp_dim_fresh(c->dims);
    if (a && rank >= 0) {
        int axis = oxp_axis(c, a->u.i, rank);
        if (axis < 0)
            return;
        oxp_dim *out = oxp_dims_dup(c, x, 0);
        out[axis] = n;
        oxp_set(c, 0, oxp_elem_type(x), rank, out);
    } else if (a) {
        oxp_set_unknown_rank(c, 0, oxp_elem_type(x));
    } else {
        oxp_set(c, 0, oxp_elem_type(x), 1, &n);
    }
    oxp_dim whole = a && rank >= 0 ? oxp_dim_of(x, (int)a->u.i) : oxp_elements(c->dims, x);
    oxp_set(c, 1, OXP_INT64, 1, &n);
    oxp_set(c, 2, OXP_INT64, 1, &whole);
    oxp_set(c, 3, OXP_INT64, 1, &n);
}

static void infer_top_k(oxp_call *c) {
    const oxp_fact *x = oxp_input(c, 0);
    int rank = oxp_rank(x);
    if (rank < 0) {
        oxp_set_unknown_rank(c, 0, oxp_elem_type(x));
        oxp_set_unknown_rank(c, 1, OXP_INT64);
        return;
    }
    int axis = oxp_axis(c, oxp_call_int(c, "axis", -1), rank);
    if (axis < 0)
        return;
    oxp_dim k = OXP_DIM_UNKNOWN;
    if (c->opset < 10) {
        k = oxp_call_int(c, "k", -1);
    } else {
        const oxp_elem *e = oxp_input_elems(c, 1);
        k = e && e[0].known ? e[0].i : OXP_DIM_UNKNOWN;
    }
    oxp_dim d = x->type.dims[axis];
    if (oxp_dim_is_literal(k) && (k < 0 || (oxp_dim_is_literal(d) && k > d))) {
        oxp_op_error(c, "k = %lld of an axis of size %lld", (long long)k, (long long)d);
        return;
    }
    oxp_dim *out = oxp_dims_dup(c, x, 0);
    out[axis] = k;
    oxp_set(c, 0, oxp_elem_type(x), rank, out);
    oxp_set(c, 1, OXP_INT64, rank, out);
    oxp_elems_top_k(c, oxp_call_int(c, "largest", 1) != 0);
}

/* Comparisons of a selection by a heap: n log2 k, here one per element read. */
static void cost_top_k(const oxp_call *c, oxp_cost *cost) {
    oxp_cost_per_in(c, cost, 1);
}

#define MOVE OXP_OP_MOVE
#define DATA (OXP_OP_MOVE | OXP_OP_DATA_SHAPE)
static const oxp_op table[] = {
    {"Gather", "", MOVE, 1, infer_gather, oxp_cost_move_out, oxp_range_same},
    {"GatherElements", "", MOVE, 0, infer_gather_elements, oxp_cost_move_out, oxp_range_same},
    {"GatherND", "", MOVE, 0, infer_gather_nd, oxp_cost_move_out, oxp_range_same},
    {"GatherND", "com.microsoft", MOVE, 0, infer_gather_nd, oxp_cost_move_out, oxp_range_same},
    {"Scatter", "", MOVE, 0, infer_scatter_elements, oxp_cost_move_out, NULL},
    {"ScatterElements", "", MOVE, 0, infer_scatter_elements, oxp_cost_move_out, NULL},
    {"ScatterND", "", MOVE, 0, infer_scatter_nd, oxp_cost_move_out, NULL},
    {"OneHot", "", MOVE, 0, infer_one_hot, oxp_cost_move_out, NULL},
    {"EyeLike", "", MOVE, 0, infer_eye_like, oxp_cost_move_out, oxp_range_unit},
    {"ConstantOfShape", "", MOVE, 0, infer_constant_of_shape, oxp_cost_move_out, NULL},
    {"Range", "", MOVE | OXP_OP_ROUNDS_POSITION, 0, infer_range, oxp_cost_move_out, NULL},
    {"Range", "com.microsoft", MOVE | OXP_OP_ROUNDS_POSITION, 0, infer_range, oxp_cost_move_out,
     NULL},
    {"NonZero", "", DATA, 0, infer_non_zero, oxp_cost_move_out, NULL},
    {"Compress", "", DATA, 0, infer_compress, oxp_cost_move_out, oxp_range_same},
    {"Unique", "", DATA, 0, infer_unique, oxp_cost_move_out, NULL},
    {"TopK", "", 0, 0, infer_top_k, cost_top_k, NULL},
};

static const oxp_op_need needs[] = {
    {"OneHot", "1:()|1; 2:2; 1>=1"},
    {"EyeLike", "0:?,?; dtype>=1; dtype<=28"},
    {"ConstantOfShape", "0:?; 0>=0"},
    {"Range", "0-2:()|1"},
    {"Compress", "0:?,*; axis@0"},
    {"GatherND", "0:?,*; 1:?,*"},
    {"TopK", "10+ 1:1; 1>=0; k>=0"},
    {"Unique", "axis@0"},
    {"Gather", "axis@0"},
    {"GatherElements", "axis@0"},
    {"ScatterElements Scatter", "axis@0; 2=1; 16+ reduction?{none,add,mul,min,max}"},
    {"ScatterND", "1:?,*; 16+ reduction?{none,add,mul,min,max}"},
};
const oxp_op_family oxp_ops_gather = {table, OXP_COUNT(table), needs, OXP_COUNT(needs)};
