/* move.c - operators that lay elements out anew: Transpose, Concat, Split, Slice, Pad, Tile,
 * Expand. */

#include <string.h>

#include "ops/elems.h"
#include "ops/propagate.h"
#include "ops/util.h"

/* ---- Transpose ---- */

typedef struct permuted {
    const oxp_fact *x;
    const oxp_elem *e;
    const int64_t *perm;
    int64_t *at; /* scratch: index in x */
} permuted;

static oxp_elem permuted_elem(const int64_t *at, const void *arg) {
    const permuted *p = arg;
    for (int k = 0; k < p->x->type.rank; k++)
        p->at[p->perm ? p->perm[k] : p->x->type.rank - 1 - k] = at[k];
    return p->e[oxp_linear(p->x, p->at)];
}

static void infer_transpose(oxp_call *c) {
    const oxp_fact *x = oxp_input(c, 0);
    size_t n;
    const int64_t *perm = oxp_call_ints(c, "perm", &n);
    int rank = oxp_rank(x);
    if (rank < 0) {
        oxp_set_unknown_rank(c, 0, oxp_elem_type(x));
        return;
    }
    oxp_dim *out = oxp_alloc(c->arena, (size_t)rank + 1, sizeof *out);
    bool *seen = oxp_alloc(c->arena, (size_t)rank + 1, sizeof *seen);
    if (perm && n != (size_t)rank) {
        oxp_op_error(c, "perm has %zu entries, the input has rank %d", n, rank);
        return;
    }
    for (int k = 0; k < rank; k++) {
        int64_t from = perm ? perm[k] : rank - 1 - k;
        if (from < 0 || from >= rank || seen[from]) {
            oxp_op_error(c, "perm is no permutation of %d axes", rank);
            return;
        }
        seen[from] = true;
        out[k] = x->type.dims[from];
    }
    oxp_set(c, 0, oxp_elem_type(x), rank, out);
    permuted p = {x, oxp_input_elems(c, 0), perm, NULL};
    uint64_t count;
    if (!p.e || !oxp_elements_literal(x, &count) || count != x->n_elems)
        return;
    p.at = oxp_alloc(c->arena, (size_t)rank + 1, sizeof *p.at);
    oxp_fill_elems(c, permuted_elem, &p);
}

/* ---- Concat ---- */

static void infer_concat(oxp_call *c) {
    int rank = -1;
    oxp_dtype t = oxp_first_type(c, c->n_in);
    for (uint32_t i = 0; i < c->n_in; i++) {
        int r = oxp_rank(oxp_input(c, i));
        if (r >= 0 && rank >= 0 && r != rank) {
            oxp_op_error(c, "input %u has rank %d, another has %d", i, r, rank);
            return;
        }
        rank = r >= 0 ? r : rank;
    }
    /* opset < 4 had a default axis */
    if (rank < 0) {
        oxp_set_unknown_rank(c, 0, t);
        return;
    }
    int axis = oxp_axis(c, oxp_call_int(c, "axis", 1), rank);
    if (axis < 0)
        return;
    oxp_dim *out = oxp_alloc(c->arena, (size_t)rank + 1, sizeof *out);
    for (int k = 0; k < rank; k++)
        out[k] = k == axis ? 0 : OXP_DIM_UNKNOWN;
    for (uint32_t i = 0; i < c->n_in; i++) {
        const oxp_fact *x = oxp_input(c, i);
        for (int k = 0; k < rank; k++) {
            oxp_dim d = oxp_dim_of(x, k);
            if (k == axis)
                out[k] = oxp_dim_add(c->dims, out[k], d);
            else
                out[k] = oxp_unify(c, out[k], d, "inputs differ beside the axis");
        }
    }
    oxp_set(c, 0, t, rank, out);
    oxp_elems_concat(c, axis);
}

/* ---- Split ---- */

/* With neither, ONNX Runtime runs what it does not know the size of: published models have that. */
static void refuse_split(oxp_call *c, oxp_dim whole, bool both) {
    if (both)
        oxp_op_invalid(c, "both split and num_outputs, one of them is wanted");
    else if (oxp_dim_is_literal(whole) && !oxp_dim_is_unknown(whole))
        oxp_op_invalid(c, "neither split nor num_outputs, one of them is wanted");
    else
        oxp_op_warn(c, "neither split nor num_outputs, one of them is wanted");
}

/* Sizes of the parts along the axis, n_out of them. */
static void split_sizes(oxp_call *c, oxp_dim whole, oxp_dim *size) {
    size_t n = 0;
    const int64_t *given = oxp_call_ints(c, "split", &n);
    const oxp_dim *input = NULL;
    bool as_input = !given && oxp_input(c, 1) != NULL;
    if (c->opset >= 18 && as_input == (oxp_call_attr(c, "num_outputs") != NULL))
        refuse_split(c, whole, as_input);
    int m = as_input ? oxp_input_ints(c, 1, &input) : -1;
    for (uint32_t i = 0; i < c->n_out; i++)
        size[i] = OXP_DIM_UNKNOWN;
    if (given || m >= 0) {
        if ((given ? n : (size_t)m) != c->n_out) {
            oxp_op_error(c, "has %u outputs and %zu sizes", c->n_out, given ? n : (size_t)m);
            return;
        }
        oxp_dim sum = 0;
        for (uint32_t i = 0; i < c->n_out; i++) {
            size[i] = given ? oxp_dim_literal(given[i]) : input[i];
            sum = oxp_dim_add(c->dims, sum, size[i]);
        }
        oxp_unify(c, whole, sum, "the sizes do not add up to the axis");
        return;
    }
    uint64_t listed;
    if (as_input && oxp_in_count(c, 1, &listed) && listed != c->n_out)
        oxp_op_error(c, "has %u outputs and %llu sizes", c->n_out, (unsigned long long)listed);
    if (as_input || !c->n_out)
        return; /* sizes that are not known */
    int64_t parts = oxp_call_int(c, "num_outputs", c->n_out);
    if (parts < c->n_out)
        oxp_op_error(c, "has %u outputs, num_outputs is %lld", c->n_out, (long long)parts);
    else if (parts > c->n_out)
        oxp_op_warn(c, "has %u outputs, num_outputs is %lld; ONNX Runtime divides by the outputs",
                    c->n_out, (long long)parts);
    oxp_dim part = oxp_dim_ceildiv(c->dims, whole, (oxp_dim)c->n_out);
    for (uint32_t i = 0; i + 1 < c->n_out; i++)
        size[i] = part;
    size[c->n_out - 1] =
        oxp_dim_sub(c->dims, whole, oxp_dim_mul(c->dims, part, (oxp_dim)c->n_out - 1));
    if (c->opset < 18 && oxp_dim_is_literal(whole) && whole % (int64_t)c->n_out != 0)
        oxp_op_error(c, "%lld cannot be split into %u equal parts", (long long)whole, c->n_out);
}

static void infer_split(oxp_call *c) {
    const oxp_fact *x = oxp_input(c, 0);
    int rank = oxp_rank(x);
    if (rank < 0) {
        for (uint32_t i = 0; i < c->n_out; i++)
            oxp_set_unknown_rank(c, i, oxp_elem_type(x));
        return;
    }
    int axis = oxp_axis(c, oxp_call_int(c, "axis", 0), rank);
    if (axis < 0)
        return;
    oxp_dim *size = oxp_alloc(c->arena, c->n_out + 1u, sizeof *size);
    split_sizes(c, x->type.dims[axis], size);
    oxp_dim *out = oxp_dims_dup(c, x, 0);
    const oxp_elem *e = rank == 1 ? oxp_input_elems(c, 0) : NULL;
    int64_t at = 0;
    for (uint32_t i = 0; i < c->n_out; i++) {
        out[axis] = size[i];
        oxp_set(c, i, oxp_elem_type(x), rank, out);
        bool fits = size[i] >= 0 && size[i] <= (oxp_dim)x->n_elems - at;
        if (e && fits)
            oxp_set_elems(c, i, e + at, (uint32_t)size[i]);
        at = fits ? at + size[i] : OXP_ELEMS_MAX + 1;
    }
}

/* ---- Slice ---- */

typedef struct cut {
    oxp_dim start, end, step; /* UNKNOWN when they are not known */
} cut;

/* An end or start within [0, dim], from numpy's conventions; exact for literals, and for symbols
 * where their bounds decide. */
static oxp_dim clamp_bound(oxp_call *c, oxp_dim v, oxp_dim dim, int64_t low, oxp_dim high) {
    if (oxp_dim_is_unknown(v) || oxp_dim_is_unknown(dim))
        return OXP_DIM_UNKNOWN;
    if (oxp_dim_is_literal(v)) {
        if (v <= -INT32_MAX)
            return low;
        if (v >= INT32_MAX)
            return high;
        if (v < 0) {
            v = oxp_dim_add(c->dims, dim, v);
            /* a symbolic dim is taken to be at least what is cut from its end */
            return oxp_dim_is_literal(v) && v < low ? low : v;
        }
    }
    if (oxp_dim_is_literal(v) && oxp_dim_is_literal(high))
        return v < high ? v : high;
    if (oxp_dim_lower_bound(c->dims, oxp_dim_sub(c->dims, high, v)) >= 0)
        return v;
    return oxp_dim_min(c->dims, v, high);
}

/* Both bounds count from the same end, the far one not beyond the near one: [3:1], [-1:-3]. */
static bool is_empty(const cut *s, bool back) {
    if (!oxp_dim_is_literal(s->start) || !oxp_dim_is_literal(s->end) ||
        (s->start < 0) != (s->end < 0))
        return false;
    return back ? s->start <= s->end : s->end <= s->start;
}

/* One bound counts from the front, the other from the end: they may have passed each other. */
static bool meets(const cut *s, bool back) {
    if (!oxp_dim_is_literal(s->start) || !oxp_dim_is_literal(s->end))
        return false;
    oxp_dim first = back ? s->end : s->start, last = back ? s->start : s->end;
    return first < 0 ? last >= 0 : first > 0 && last < 0;
}

static oxp_dim cut_size(oxp_call *c, const cut *s, oxp_dim dim) {
    if (!oxp_dim_is_literal(s->step)) {
        return OXP_DIM_UNKNOWN;
    }
    if (s->step == 0) {
        oxp_op_error(c, "a step is 0");
        return OXP_DIM_UNKNOWN;
    }
    bool back = s->step < 0;
    if (is_empty(s, back))
        return 0;
    oxp_dim last = oxp_dim_sub(c->dims, dim, 1);
    oxp_dim a = clamp_bound(c, s->start, dim, 0, back ? last : dim);
    oxp_dim b = clamp_bound(c, s->end, dim, back ? -1 : 0, back ? last : dim);
    oxp_dim span = back ? oxp_dim_sub(c->dims, a, b) : oxp_dim_sub(c->dims, b, a);
    if (oxp_dim_is_unknown(span) || s->step <= -INT32_MAX)
        return OXP_DIM_UNKNOWN;
    if (!oxp_dim_is_literal(span) && meets(s, back)) /* [2:-2] of fewer than 4 is empty */
        span = oxp_dim_max(c->dims, span, 0);
    oxp_dim n = oxp_dim_ceildiv(c->dims, span, back ? -s->step : s->step);
    return oxp_dim_is_literal(n) && n < 0 ? 0 : n;
}

/* Starts, ends, axes and steps from inputs (opset 10) or attributes into one cut an axis; false
 * when even the axes are not known or something is wrong. */
static bool read_cuts(oxp_call *c, int rank, cut *cuts, bool *cut_here) {
    size_t n[4] = {0, 0, 0, 0};
    static const char *const names[] = {"starts", "ends", "axes"};
    const oxp_elem *e[4] = {NULL, NULL, NULL, NULL};
    for (uint32_t i = 0; i < 4; i++) {
        if (c->opset >= 10) {
            const oxp_fact *f = oxp_input(c, i + 1);
            e[i] = oxp_input_elems(c, i + 1);
            n[i] = e[i] ? f->n_elems : 0;
            if (f && !e[i] && i == 2)
                return false;
            oxp_dim len = oxp_dim_of(f, 0);
            if (f && !e[i] && oxp_dim_is_literal(len) && len <= rank)
                n[i] = (size_t)len;
        } else if (i < 3) {
            const int64_t *v = oxp_call_ints(c, names[i], &n[i]);
            oxp_elem *copy = oxp_alloc(c->arena, n[i] + 1, sizeof *copy);
            for (size_t k = 0; k < n[i]; k++)
                copy[k] = oxp_elem_int(oxp_dim_literal(v[k]));
            e[i] = n[i] ? copy : NULL;
        }
    }
    size_t count = n[2] ? n[2] : n[0] > n[1] ? n[0] : n[1];
    bool odd = count > (size_t)rank;
    for (int i = 0; i < 3; i++) /* known values may be none at all */
        odd = odd || ((n[i] || e[i]) && n[i] != count);
    if (odd) {
        oxp_op_error(c, "%zu starts, %zu ends and %zu axes for rank %d", n[0], n[1], n[2], rank);
        return false;
    }
    for (size_t k = 0; k < count; k++) {
        if (e[2] && !e[2][k].known)
            return false;
        int axis = oxp_axis(c, e[2] ? e[2][k].i : (int64_t)k, rank);
        if (axis < 0)
            return false;
        cut_here[axis] = true;
        cuts[axis].start = e[0] && e[0][k].known ? e[0][k].i : OXP_DIM_UNKNOWN;
        cuts[axis].end = e[1] && e[1][k].known ? e[1][k].i : OXP_DIM_UNKNOWN;
        cuts[axis].step = !oxp_input(c, 4) && !e[3]           ? 1
                          : e[3] && k < n[3] && e[3][k].known ? e[3][k].i
                                                              : OXP_DIM_UNKNOWN;
    }
    return count > 0 || !oxp_input(c, 1) || (e[0] && e[1]); /* none: the input as it is */
}

typedef struct sliced {
    const oxp_fact *x;
    const oxp_elem *e;
    int64_t *first, *step, *at;
} sliced;

static oxp_elem sliced_elem(const int64_t *at, const void *arg) {
    const sliced *s = arg;
    for (int k = 0; k < s->x->type.rank; k++)
        s->at[k] = s->first[k] + at[k] * s->step[k];
    return s->e[oxp_linear(s->x, s->at)];
}

static void slice_elems(oxp_call *c, const oxp_fact *x, const cut *cuts, const bool *cut_here) {
    sliced s = {x, oxp_input_elems(c, 0), NULL, NULL, NULL};
    uint64_t n;
    size_t rank = (size_t)x->type.rank;
    if (!s.e || !oxp_elements_literal(x, &n) || n != x->n_elems || !oxp_out_count(c, 0, &n))
        return;
    s.first = oxp_alloc(c->arena, rank + 1, sizeof *s.first);
    s.step = oxp_alloc(c->arena, rank + 1, sizeof *s.step);
    s.at = oxp_alloc(c->arena, rank + 1, sizeof *s.at);
    for (size_t k = 0; k < rank; k++) {
        int64_t d = x->type.dims[k];
        s.step[k] = 1;
        if (!cut_here[k])
            continue;
        s.step[k] = cuts[k].step;
        s.first[k] = clamp_bound(c, cuts[k].start, d, 0, cuts[k].step < 0 ? d - 1 : d);
        if (!oxp_dim_is_literal(s.first[k]))
            return;
    }
    oxp_fill_elems(c, sliced_elem, &s);
}

static void infer_slice(oxp_call *c) {
    const oxp_fact *x = oxp_input(c, 0);
    int rank = oxp_rank(x);
    if (rank < 0) {
        oxp_set_unknown_rank(c, 0, oxp_elem_type(x));
        return;
    }
    cut *cuts = oxp_alloc(c->arena, (size_t)rank + 1, sizeof *cuts);
    bool *cut_here = oxp_alloc(c->arena, (size_t)rank + 1, sizeof *cut_here);
    oxp_dim *out = oxp_dims_dup(c, x, 0);
    bool known = read_cuts(c, rank, cuts, cut_here);
    for (int k = 0; k < rank; k++) {
        if (!known)
            out[k] = OXP_DIM_UNKNOWN;
        else if (cut_here[k])
            out[k] = cut_size(c, &cuts[k], x->type.dims[k]);
    }
    oxp_set(c, 0, oxp_elem_type(x), rank, out);
    if (known)
        slice_elems(c, x, cuts, cut_here);
}

/* The first form of Slice with its bounds as inputs. */
static void infer_dynamic_slice(oxp_call *c) {
    oxp_call as_of_10 = *c;
    as_of_10.opset = 10;
    infer_slice(&as_of_10);
}

/* ---- Pad ---- */

/* What is padded with: an input since opset 11, else an attribute; 0 by default. */
static oxp_elem pad_value(const oxp_call *c, oxp_dtype t) {
    const oxp_elem *given = c->opset >= 11 && oxp_input(c, 2) ? oxp_input_elems(c, 2) : NULL;
    if (given)
        return given[0];
    if (c->opset >= 11 && oxp_input(c, 2))
        return oxp_elem_unknown();
    double v = c->opset < 11 ? oxp_call_float(c, "value", 0) : 0;
    return oxp_dtype_is_float(t) ? oxp_elem_float(v, t) : oxp_elem_int((oxp_dim)v);
}

/* Is the padded size a size, and are there enough elements to reflect? */
static bool check_pad(oxp_call *c, int axis, oxp_dim d, oxp_dim before, oxp_dim after) {
    int64_t size;
    const oxp_dim v[3] = {d, before, after};
    for (int i = 0; i < 3; i++)
        if (!oxp_dim_is_literal(v[i]) || oxp_dim_is_unknown(v[i]))
            return true;
    if (!oxp_add_i64(before, after, &size) || !oxp_add_i64(size, d, &size) || size < 0) {
        oxp_op_error(c, "pads %lld and %lld of axis %d of size %lld", (long long)before,
                     (long long)after, axis, (long long)d);
        return false;
    }
    if (strcmp(oxp_call_string(c, "mode", "constant"), "reflect") == 0 &&
        (before >= d || after >= d) && (before > 0 || after > 0)) {
        oxp_op_error(c, "axis %d of size %lld cannot be reflected by %lld and %lld", axis,
                     (long long)d, (long long)before, (long long)after);
        return false;
    }
    return true;
}

static void infer_pad(oxp_call *c) {
    const oxp_fact *x = oxp_input(c, 0);
    int rank = oxp_rank(x), n_axes = -1;
    size_t n_attr = 0;
    const int64_t *attr = oxp_call_ints(c, c->opset < 2 ? "paddings" : "pads", &n_attr);
    const oxp_elem *e = c->opset >= 11 ? oxp_input_elems(c, 1) : NULL;
    const oxp_dim *axes = NULL;
    if (rank < 0) {
        oxp_set_unknown_rank(c, 0, oxp_elem_type(x));
        return;
    }
    if (e && oxp_rank(oxp_input(c, 1)) == 2 && !*c->node->domain)
        oxp_op_error(c, "constant pads of rank 2, not 1");
    oxp_dim *out = oxp_dims_dup(c, x, 0);
    int64_t *front = OXP_NEWS(c->scratch, (size_t)rank + 1, int64_t);
    bool limited = c->opset >= 18 && oxp_input(c, 3), all = true;
    if (limited)
        n_axes = oxp_input_ints(c, 3, &axes);
    size_t count = limited ? (size_t)(n_axes < 0 ? 0 : n_axes) : (size_t)rank;
    size_t have = c->opset >= 11 ? (e ? c->in[1]->n_elems : 0) : n_attr;
    uint64_t length;
    if (!e && !limited && c->opset >= 11 && oxp_in_count(c, 1, &length) &&
        length != 2 * (uint64_t)rank)
        oxp_op_error(c, "has %llu pads for %d axes", (unsigned long long)length, rank);
    if ((c->opset >= 11 && !e) || (limited && n_axes < 0)) {
        for (int k = 0; k < rank; k++)
            out[k] = OXP_DIM_UNKNOWN;
    } else if (have != 2 * count) {
        oxp_op_error(c, "has %zu pads for %zu axes", have, count);
        return;
    }
    for (size_t k = 0; k < count && have; k++) {
        int axis = limited ? oxp_axis(c, axes[k], rank) : (int)k;
        if (axis < 0)
            return;
        /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): what we have is in attr or e */
        oxp_dim before = attr ? oxp_dim_literal(attr[k]) : e[k].known ? e[k].i : OXP_DIM_UNKNOWN;
        oxp_dim after = attr                 ? oxp_dim_literal(attr[k + count])
                        : e[k + count].known ? e[k + count].i
                                             : OXP_DIM_UNKNOWN;
        if (!check_pad(c, axis, out[axis], before, after))
            return;
        out[axis] = oxp_dim_add(c->dims, oxp_dim_add(c->dims, out[axis], before), after);
        all = all && oxp_dim_is_literal(before);
        front[axis] = all ? before : 0;
    }
    oxp_set(c, 0, oxp_elem_type(x), rank, out);
    if (all && have && strcmp(oxp_call_string(c, "mode", "constant"), "constant") == 0)
        oxp_elems_pad(c, front, pad_value(c, oxp_elem_type(x)));
}

/* As ai.onnx has it since opset 11. */
static void infer_ms_pad(oxp_call *c) {
    oxp_call as_of_11 = *c;
    as_of_11.opset = 11;
    infer_pad(&as_of_11);
}

/* ---- Tile, Expand ---- */

typedef struct repeated {
    const oxp_fact *x;
    const oxp_elem *e;
    int skip; /* leading output axes that x does not have */
    int64_t *at;
} repeated;

static oxp_elem repeated_elem(const int64_t *at, const void *arg) {
    const repeated *r = arg;
    for (int k = 0; k < r->x->type.rank; k++)
        r->at[k] = at[k + r->skip] % r->x->type.dims[k];
    return r->e[oxp_linear(r->x, r->at)];
}

static void repeat_elems(oxp_call *c, int skip) {
    const oxp_fact *x = oxp_input(c, 0);
    repeated r = {x, oxp_input_elems(c, 0), skip, NULL};
    uint64_t n;
    if (!r.e || !oxp_elements_literal(x, &n) || n != x->n_elems || n == 0)
        return;
    r.at = oxp_alloc(c->arena, (size_t)x->type.rank + 1, sizeof *r.at);
    oxp_fill_elems(c, repeated_elem, &r);
}

static void infer_tile(oxp_call *c) {
    const oxp_fact *x = oxp_input(c, 0);
    int rank = oxp_rank(x);
    if (rank < 0) {
        oxp_set_unknown_rank(c, 0, oxp_elem_type(x));
        return;
    }
    oxp_dim *out = oxp_dims_dup(c, x, 0);
    const oxp_elem *e = oxp_input_elems(c, 1);
    if (c->opset < 6) { /* inputs: tiles and axis, scalars */
        const oxp_elem *a = oxp_input_elems(c, 2);
        int axis = a && a[0].known ? oxp_axis(c, a[0].i, rank) : -1;
        for (int k = 0; k < rank; k++)
            if (axis < 0 || k == axis)
                out[k] = axis >= 0 && e && e[0].known ? oxp_dim_mul(c->dims, out[k], e[0].i)
                                                      : OXP_DIM_UNKNOWN;
        oxp_set(c, 0, oxp_elem_type(x), rank, out);
        return;
    }
    if (e && c->in[1]->n_elems != (uint32_t)rank) {
        oxp_op_error(c, "has %u repeats for rank %d", c->in[1]->n_elems, rank);
        return;
    }
    for (int k = 0; k < rank; k++) {
        oxp_dim times = e && e[k].known ? e[k].i : OXP_DIM_UNKNOWN, size = out[k];
        out[k] = oxp_dim_mul(c->dims, size, times);
        if (oxp_dim_is_literal(size) && oxp_dim_is_literal(times) && oxp_dim_is_unknown(out[k])) {
            oxp_op_error(c, "%lld repeats of an axis of size %lld", (long long)times,
                         (long long)size);
            return;
        }
    }
    oxp_set(c, 0, oxp_elem_type(x), rank, out);
    repeat_elems(c, 0);
}

static void infer_expand(oxp_call *c) {
    const oxp_fact *x = oxp_input(c, 0), *s = oxp_input(c, 1);
    const oxp_elem *e = oxp_input_elems(c, 1);
    int rx = oxp_rank(x), rs = e ? (int)s->n_elems : -1;
    oxp_dim len = oxp_dim_of(s, 0);
    if (!e && oxp_dim_is_literal(len) && len <= OXP_ELEMS_MAX)
        rs = (int)len;
    if (rx < 0 || rs < 0) {
        oxp_set_unknown_rank(c, 0, oxp_elem_type(x));
        return;
    }
    oxp_dim *want = oxp_alloc(c->arena, (size_t)rs + 1, sizeof *want);
    for (int k = 0; k < rs; k++)
        want[k] = e && e[k].known ? e[k].i : oxp_dim_fresh(c->dims);
    oxp_fact shape = {.type = {OXP_KIND_TENSOR, OXP_INT64, rs, want, NULL}};
    const oxp_fact *both[] = {x, &shape};
    int rank;
    const oxp_dim *out;
    if (!oxp_broadcast(c, both, 2, &rank, &out))
        return;
    oxp_set(c, 0, oxp_elem_type(x), rank, out);
    repeat_elems(c, rank - rx);
}

/* The first sequence_lens[i] of sequence i are turned round. */
static void infer_reverse(oxp_call *c) {
    int64_t time = oxp_call_int(c, "time_axis", 0), batch = oxp_call_int(c, "batch_axis", 1);
    const oxp_fact *x = oxp_input(c, 0);
    oxp_dim longest = oxp_dim_of(x, (int)time & 1);
    oxp_infer_like(c);
    if (time < 0 || batch < 0)
        return;
    if (time == batch)
        oxp_op_invalid(c, "time_axis and batch_axis are both %lld", (long long)time);
    if (oxp_same_size(c, 1, 0, oxp_dim_of(x, (int)batch & 1)) && oxp_dim_is_literal(longest) &&
        !oxp_dim_is_unknown(longest))
        (void)oxp_indices_within(c, 1, 0, 1, longest + 1);
}

/* ---- blocks of pixels ---- */

static void infer_depth_to_space(oxp_call *c) {
    const oxp_fact *x = oxp_input(c, 0);
    int64_t b = oxp_call_int(c, "blocksize", 0);
    bool to_depth = c->node->op[0] == 'S'; /* SpaceToDepth */
    if (b <= 0 || (oxp_rank(x) >= 0 && oxp_rank(x) != 4)) {
        oxp_op_error(c, "needs rank 4 and a positive blocksize");
        return;
    }
    oxp_dim out[4];
    for (int k = 0; k < 4; k++)
        out[k] = oxp_dim_of(x, k);
    oxp_dim bb = oxp_dim_mul(c->dims, b, b);
    for (int k = to_depth ? 2 : 1; k < (to_depth ? 4 : 2); k++) {
        oxp_dim by = to_depth ? b : bb;
        if (oxp_dim_is_literal(out[k]) && oxp_dim_is_literal(by) && out[k] % by != 0) {
            oxp_op_error(c, "axis %d of size %lld is no multiple of %lld", k, (long long)out[k],
                         (long long)by);
            return;
        }
    }
    out[1] = to_depth ? oxp_dim_mul(c->dims, out[1], bb) : oxp_dim_floordiv(c->dims, out[1], bb);
    for (int k = 2; k < 4; k++)
        out[k] = to_depth ? oxp_dim_floordiv(c->dims, out[k], b) : oxp_dim_mul(c->dims, out[k], b);
    oxp_set(c, 0, oxp_elem_type(x), 4, out);
}

#define MOVE OXP_OP_MOVE
static const oxp_op table[] = {
    {"Transpose", "", MOVE, 0, infer_transpose, oxp_cost_move_out, oxp_range_same},
    {"Concat", "", MOVE, 0, infer_concat, oxp_cost_move_out, NULL},
    {"Split", "", MOVE, 0, infer_split, NULL, oxp_range_same},
    {"Slice", "", MOVE, 0, infer_slice, oxp_cost_move_out, oxp_range_same},
    {"DynamicSlice", "", MOVE, 0, infer_dynamic_slice, oxp_cost_move_out, oxp_range_same},
    {"Pad", "", MOVE, 0, infer_pad, oxp_cost_move_out, NULL},
    {"Pad", "com.microsoft", MOVE, 0, infer_ms_pad, oxp_cost_move_out, NULL},
    {"Tile", "", MOVE, 0, infer_tile, oxp_cost_move_out, oxp_range_same},
    {"Expand", "", MOVE, 0, infer_expand, oxp_cost_move_out, oxp_range_same},
    {"DepthToSpace", "", MOVE, 0, infer_depth_to_space, oxp_cost_move_out, oxp_range_same},
    {"SpaceToDepth", "", MOVE, 0, infer_depth_to_space, oxp_cost_move_out, oxp_range_same},
    {"ReverseSequence", "", MOVE, 0, infer_reverse, oxp_cost_move_out, oxp_range_same},
    {"Trilu", "", MOVE, 0, oxp_infer_like, oxp_cost_move_out, NULL},
};

static const oxp_op_need needs[] = {
    {"Slice", "10+ 1:n; 10+ 2:n; 10+ 3:n; 10+ 4:n; 10+ 3@0"},
    {"Pad", "mode{constant,reflect,edge,wrap}; 1:?|1,?; 2:()|1; 3:?; 3@0"},
    {"Tile", "6+ 1:?; 6+ 1#0; 6+ 1>=0"},
    {"Expand", "1:?; 1>=0"},
    {"Split", "1:?; num_outputs>=1; split>=0; 1>=0"},
    {"ReverseSequence", "0:?,?,*; 1:?; time_axis<=1; batch_axis<=1; 1>=0"},
    {"DepthToSpace", "0:?,?,?,?; blocksize>=1; mode{DCR,CRD}"},
    {"SpaceToDepth", "0:?,?,?,?; blocksize>=1"},
    {"Trilu", "0:*,?,?; 1:()|1"},
};
const oxp_op_family oxp_ops_move = {table, OXP_COUNT(table), needs, OXP_COUNT(needs)};
