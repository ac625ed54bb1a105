/* view.c - operators whose output is the input's bytes under another shape or type: Reshape and its
 * kin, Identity, Cast; and Shape and Size, which look at the shape alone. */
#include <string.h>

#include "ops/eval.h"
#include "ops/util.h"

/* The elements of input 0 in the same order, when they are known. */
static void pass_elems(oxp_call *c) {
    uint64_t n;
    const oxp_elem *e = oxp_input_elems(c, 0);
    if (e && oxp_out_count(c, 0, &n) && n == c->in[0]->n_elems)
        oxp_set_elems(c, 0, e, c->in[0]->n_elems);
}

static void infer_identity(oxp_call *c) {
    const oxp_fact *x = oxp_input(c, 0);
    if (!x || !oxp_has_out(c, 0))
        return;
    c->out[0].type = x->type;
    if (x->type.kind == OXP_KIND_SEQUENCE) {
        c->out[0].items = x->items;
        c->out[0].n_elems = x->n_elems;
        return;
    }
    const oxp_elem *e = oxp_input_elems(c, 0);
    if (e)
        oxp_set_elems(c, 0, e, x->n_elems);
}

/* ---- Reshape ---- */

/* What -1 stands for: the input's dims over the other output dims, equal ones cancelled first so
 * that symbols need no division. */
static oxp_dim missing_dim(oxp_call *c, const oxp_fact *x, const oxp_dim *out, int rank, int at) {
    int rx = oxp_rank(x);
    if (rx < 0)
        return OXP_DIM_UNKNOWN;
    bool *used = oxp_alloc(c->arena, (size_t)rx + 1, sizeof *used);
    oxp_dim below = 1, above = 1;
    for (int k = 0; k < rank; k++) {
        int same = 0;
        if (k == at)
            continue;
        while (same < rx && (used[same] || x->type.dims[same] != out[k]))
            same++;
        if (same < rx && !oxp_dim_is_unknown(out[k]) && out[k] != 0)
            used[same] = true;
        else
            below = oxp_dim_mul(c->dims, below, out[k]);
    }
    for (int k = 0; k < rx; k++)
        if (!used[k])
            above = oxp_dim_mul(c->dims, above, x->type.dims[k]);
    if (oxp_dim_is_literal(above) && oxp_dim_is_literal(below)) {
        if (below == 0)
            return above == 0 ? 0 : OXP_DIM_UNKNOWN;
        if (above % below != 0) {
            oxp_op_error(c, "%lld elements cannot be split into groups of %lld", (long long)above,
                         (long long)below);
            return OXP_DIM_UNKNOWN;
        }
    }
    return oxp_dim_floordiv(c->dims, above, below);
}

static void check_count(oxp_call *c, const oxp_fact *x, const oxp_dim *out, int rank) {
    uint64_t n, m = 1;
    if (!oxp_elements_literal(x, &n))
        return;
    for (int k = 0; k < rank; k++) {
        if (!oxp_dim_is_literal(out[k]) || out[k] < 0)
            return;
        m = oxp_sat_mul(m, (uint64_t)out[k]);
    }
    if (n != m)
        oxp_op_error(c, "%llu elements cannot be reshaped into %llu", (unsigned long long)n,
                     (unsigned long long)m);
}

static void reshape_to(oxp_call *c, const oxp_fact *x, const oxp_elem *target, int rank) {
    bool keep_zero = oxp_call_int(c, "allowzero", 0) != 0;
    oxp_dim *out = oxp_alloc(c->arena, (size_t)rank + 1, sizeof *out);
    int missing = -1;
    bool empty = false;
    for (int k = 0; k < rank; k++) {
        out[k] = target[k].known ? target[k].i : OXP_DIM_UNKNOWN;
        if (out[k] == 0 && !keep_zero) {
            if (oxp_rank(x) >= 0 && k >= oxp_rank(x)) {
                oxp_op_error(c, "target dimension %d is 0, the input has rank %d", k, oxp_rank(x));
                return;
            }
            out[k] = oxp_dim_of(x, k);
        } else if (out[k] == -1) {
            if (missing >= 0) {
                oxp_op_error(c, "the target has more than one -1");
                return;
            }
            missing = k;
        } else if (oxp_dim_is_literal(out[k]) && out[k] < 0) {
            oxp_op_error(c, "target dimension %d is %lld", k, (long long)out[k]);
            return;
        }
    }
    for (int k = 0; k < rank && keep_zero; k++)
        empty = empty || out[k] == 0;
    if (missing >= 0 && empty) {
        oxp_op_error(c, "the target has -1 and, with allowzero, 0");
        return;
    }
    if (missing >= 0)
        out[missing] = missing_dim(c, x, out, rank, missing);
    else
        check_count(c, x, out, rank);
    oxp_set(c, 0, oxp_elem_type(x), rank, out);
    pass_elems(c);
}

static void infer_reshape(oxp_call *c) {
    const oxp_fact *x = oxp_input(c, 0), *s = oxp_input(c, 1);
    size_t n = 0;
    const int64_t *attr = oxp_call_ints(c, "shape", &n);
    if (!x)
        return;
    if (c->opset < 5) {
        oxp_elem *e = oxp_alloc(c->arena, n + 1, sizeof *e);
        for (size_t k = 0; k < n && n <= OXP_ELEMS_MAX; k++)
            e[k] = oxp_elem_int(oxp_dim_literal(attr[k]));
        if (n <= OXP_ELEMS_MAX)
            reshape_to(c, x, e, (int)n);
        return;
    }
    const oxp_elem *e = oxp_input_elems(c, 1);
    oxp_dim rank = oxp_dim_of(s, 0);
    if (e && oxp_rank(s) == 1)
        reshape_to(c, x, e, (int)s->n_elems);
    else if (oxp_rank(s) == 1 && oxp_dim_is_literal(rank) && rank <= OXP_ELEMS_MAX) {
        oxp_dim *out = oxp_alloc(c->arena, (size_t)rank + 1, sizeof *out);
        for (int k = 0; k < rank; k++)
            out[k] = OXP_DIM_UNKNOWN;
        oxp_set(c, 0, oxp_elem_type(x), (int)rank, out);
    } else {
        oxp_set_unknown_rank(c, 0, oxp_elem_type(x));
    }
}

static void infer_flatten(oxp_call *c) {
    const oxp_fact *x = oxp_input(c, 0);
    int rank = oxp_rank(x);
    int64_t axis = oxp_call_int(c, "axis", 1);
    oxp_dim out[2] = {OXP_DIM_UNKNOWN, OXP_DIM_UNKNOWN};
    if (rank >= 0 && (axis < -rank || axis > rank)) {
        oxp_op_error(c, "axis %lld is outside of rank %d", (long long)axis, rank);
        return;
    }
    if (rank >= 0) {
        axis += axis < 0 ? rank : 0;
        out[0] = out[1] = 1;
        for (int k = 0; k < rank; k++)
            out[k >= axis] = oxp_dim_mul(c->dims, out[k >= axis], x->type.dims[k]);
    }
    oxp_set(c, 0, oxp_elem_type(x), 2, out);
    pass_elems(c);
}

/* Axes of Squeeze and Unsqueeze: an attribute before opset 13, then an input.  -1: not known. */
static int axes_of(oxp_call *c, const int64_t **axes) {
    size_t n;
    const int64_t *a = oxp_call_ints(c, "axes", &n);
    if (a || c->opset < 13 || !oxp_input(c, 1)) {
        *axes = a;
        return a ? (int)n : 0;
    }
    return oxp_input_ints(c, 1, axes);
}

static void infer_squeeze(oxp_call *c) {
    const oxp_fact *x = oxp_input(c, 0);
    const int64_t *axes = NULL;
    int rank = oxp_rank(x), n = axes_of(c, &axes);
    bool all = n == 0; /* none are listed */
    if (rank < 0 || n < 0) {
        oxp_set_unknown_rank(c, 0, oxp_elem_type(x));
        return;
    }
    bool *gone = oxp_alloc(c->arena, (size_t)rank + 1, sizeof *gone);
    if (!all && !oxp_axes_mark(c, axes, (size_t)n, rank, gone))
        return;
    oxp_dim *out = oxp_alloc(c->arena, (size_t)rank + 1, sizeof *out);
    int r = 0;
    for (int k = 0; k < rank; k++) {
        oxp_dim d = x->type.dims[k];
        if (all && !oxp_dim_is_literal(d)) { /* whether it goes depends on the size */
            oxp_set_unknown_rank(c, 0, oxp_elem_type(x));
            return;
        }
        if (gone[k] && oxp_dim_is_literal(d) && d != 1) {
            oxp_op_error(c, "axis %d has size %lld, only 1 can be squeezed", k, (long long)d);
            return;
        }
        if (all ? d != 1 : !gone[k])
            out[r++] = d;
    }
    oxp_set(c, 0, oxp_elem_type(x), r, out);
    pass_elems(c);
}

static void infer_unsqueeze(oxp_call *c) {
    const oxp_fact *x = oxp_input(c, 0);
    const int64_t *axes = NULL;
    int rank = oxp_rank(x), n = axes_of(c, &axes);
    if (rank < 0 || n < 0) {
        oxp_set_unknown_rank(c, 0, oxp_elem_type(x));
        return;
    }
    bool *added = oxp_alloc(c->arena, (size_t)rank + (size_t)n + 1, sizeof *added);
    if (!oxp_axes_mark(c, axes, (size_t)n, rank + n, added))
        return;
    oxp_dim *out = oxp_alloc(c->arena, (size_t)rank + (size_t)n + 1, sizeof *out);
    int from = 0, marked = 0;
    for (int k = 0; k < rank + n; k++)
        marked += added[k];
    if (marked != n) {
        oxp_op_error(c, "an axis is listed twice");
        return;
    }
    for (int k = 0; k < rank + n; k++)
        out[k] = added[k] ? 1 : x->type.dims[from++];
    oxp_set(c, 0, oxp_elem_type(x), rank + n, out);
    pass_elems(c);
}

/* ---- Shape, Size ---- */

static void infer_shape(oxp_call *c) {
    c->out[0].shape_derived = true;
    const oxp_fact *x = oxp_input(c, 0);
    int rank = oxp_rank(x);
    oxp_dim length = OXP_DIM_UNKNOWN;
    if (rank < 0) {
        oxp_set(c, 0, OXP_INT64, 1, &length);
        return;
    }
    int64_t from = oxp_call_int(c, "start", 0), to = oxp_call_int(c, "end", rank);
    from += from < 0 ? rank : 0;
    to += to < 0 ? rank : 0;
    from = from < 0 ? 0 : from > rank ? rank : from;
    to = to < from ? from : to > rank ? rank : to;
    length = to - from;
    oxp_set(c, 0, OXP_INT64, 1, &length);
    if (length > OXP_ELEMS_MAX)
        return;
    oxp_elem *e = oxp_alloc(c->arena, (size_t)length + 1, sizeof *e);
    for (int64_t k = 0; k < length; k++)
        e[k] = oxp_elem_int(x->type.dims[from + k]);
    oxp_set_elems(c, 0, e, (uint32_t)length);
}

static void infer_size(oxp_call *c) {
    c->out[0].shape_derived = true;
    oxp_set(c, 0, OXP_INT64, 0, NULL);
    oxp_elem e = oxp_elem_int(oxp_elements(c->dims, oxp_input(c, 0)));
    if (e.known)
        oxp_set_elems(c, 0, &e, 1);
}

/* ---- Cast ---- */

/* One element in another type, as C does it: integers wrap, floats are cut toward zero. */
/* Is a whole number provably within [lo, hi]? */
static bool within(oxp_dims *p, oxp_dim v, int64_t lo, int64_t hi) {
    return oxp_dim_lower_bound(p, v) >= lo && oxp_dim_lower_bound(p, oxp_dim_sub(p, 0, v)) >= -hi;
}

/* A symbolic number in another type.  Sizes fit 32 bits; in fewer they may wrap or be rounded. */
static oxp_elem cast_symbol(oxp_dims *p, oxp_elem e, oxp_dtype to) {
    int64_t lo = INT64_MIN, hi = INT64_MAX;
    unsigned bits = oxp_dtype_bits(to);
    if (to == OXP_FLOAT16)
        lo = -(hi = 1 << 11); /* whole numbers up to here are exact */
    else if (to == OXP_BFLOAT16)
        lo = -(hi = 1 << 8);
    else if (oxp_dtype_is_float(to) && bits < 16)
        return oxp_elem_unknown();
    else if (oxp_dtype_is_integer(to) && bits < 32) {
        bool is_signed = oxp_elem_wrap(-1, to).i < 0;
        hi = ((int64_t)1 << (bits - is_signed)) - 1;
        lo = is_signed ? -hi - 1 : 0;
    }
    bool narrow = lo != INT64_MIN;
    return narrow && (e.den > 1 || !within(p, e.i, lo, hi)) ? oxp_elem_unknown() : e;
}

static oxp_elem cast_elem(oxp_dims *p, oxp_elem e, oxp_dtype from, oxp_dtype to) {
    double v;
    if (!e.known)
        return oxp_elem_unknown();
    if (oxp_dtype_is_float(to)) {
        if (e.exact && !oxp_dim_is_literal(e.i))
            return cast_symbol(p, e, to);
        return oxp_elem_number(e, &v) ? oxp_elem_float(v, to) : oxp_elem_unknown();
    }
    if (to == OXP_BOOL) {
        if (oxp_elem_number(e, &v))
            return oxp_elem_int(v != 0);
        return oxp_dim_lower_bound(p, e.i) > 0 ? oxp_elem_int(1) : oxp_elem_unknown();
    }
    if (!oxp_dtype_is_float(from))
        return oxp_dim_is_literal(e.i) ? oxp_elem_wrap(e.i, to) : cast_symbol(p, e, to);
    if (e.exact && !oxp_dim_is_literal(e.i)) {
        if (e.den > 1 && oxp_dim_lower_bound(p, e.i) < 0)
            return oxp_elem_unknown(); /* toward zero is not down */
        oxp_dim i = e.den > 1 ? oxp_dim_floordiv(p, e.i, e.den) : e.i;
        return cast_symbol(p, oxp_elem_int(i), to);
    }
    if (!oxp_elem_number(e, &v) || !(v > -9.2e18 && v < 9.2e18))
        return oxp_elem_unknown();
    return oxp_elem_wrap((int64_t)v, to);
}

static void cast_to(oxp_call *c, oxp_dtype to) {
    const oxp_fact *x = oxp_input(c, 0);
    oxp_set_shape_of(c, 0, to, x);
    const oxp_elem *e = oxp_input_elems(c, 0);
    if (!e || (!oxp_dtype_is_float(to) && !oxp_dtype_is_integer(to) && to != OXP_BOOL))
        return;
    oxp_elem *r = oxp_alloc(c->arena, x->n_elems + 1u, sizeof *r);
    for (uint32_t i = 0; i < x->n_elems; i++)
        r[i] = cast_elem(c->dims, e[i], x->type.elem, to);
    oxp_set_elems(c, 0, r, x->n_elems);
}

/* Opsets below 6 name the type as TensorProto.DataType does. */
static int64_t type_in_words(const char *name) {
    static const char *const words[] = {"FLOAT",  "UINT8",  "INT8",   "UINT16",    "INT16",
                                        "INT32",  "INT64",  "STRING", "BOOL",      "FLOAT16",
                                        "DOUBLE", "UINT32", "UINT64", "COMPLEX64", "COMPLEX128"};
    for (size_t i = 0; i < OXP_COUNT(words); i++)
        if (strcmp(name, words[i]) == 0)
            return (int64_t)i + 1;
    return 0;
}

static void infer_cast(oxp_call *c) {
    int64_t to = oxp_call_int(c, "to", type_in_words(oxp_call_string(c, "to", "")));
    if (to <= 0 || to >= OXP_DTYPE_COUNT) {
        oxp_op_error(c, "attribute 'to' names no type");
        return;
    }
    cast_to(c, (oxp_dtype)to);
}

static void infer_cast_like(oxp_call *c) {
    cast_to(c, oxp_elem_type(oxp_input(c, 1)));
}

static void infer_bit_cast(oxp_call *c) {
    int64_t to = oxp_call_int(c, "to", 0);
    oxp_dtype t = to > 0 && to < OXP_DTYPE_COUNT ? (oxp_dtype)to : OXP_UNDEFINED;
    oxp_set_shape_of(c, 0, t, oxp_input(c, 0));
}

#define VIEW OXP_OP_VIEW
#define MOVE OXP_OP_MOVE
static const oxp_op table[] = {
    {"Identity", "", VIEW, 0, infer_identity, oxp_cost_none, oxp_range_same},
    {"Reshape", "", VIEW, 0, infer_reshape, oxp_cost_none, oxp_range_same},
    {"Flatten", "", VIEW, 0, infer_flatten, oxp_cost_none, oxp_range_same},
    {"Squeeze", "", VIEW, 0, infer_squeeze, oxp_cost_none, oxp_range_same},
    {"Unsqueeze", "", VIEW, 0, infer_unsqueeze, oxp_cost_none, oxp_range_same},
    {"Shape", "", MOVE, 0, infer_shape, oxp_cost_move_out, NULL},
    {"Size", "", MOVE, 0, infer_size, oxp_cost_move_out, NULL},
    {"Cast", "", MOVE, 0, infer_cast, oxp_cost_move_out, oxp_range_same},
    {"CastLike", "", MOVE, 0, infer_cast_like, oxp_cost_move_out, oxp_range_same},
    {"BitCast", "", MOVE, 0, infer_bit_cast, oxp_cost_move_out, NULL},
};

static const oxp_op_need needs[] = {
    {"Reshape", "1:?"},
    {"Squeeze", "1:?"},
    {"Unsqueeze", "1:()|?"},
};
const oxp_op_family oxp_ops_view = {table, OXP_COUNT(table), needs, OXP_COUNT(needs)};
