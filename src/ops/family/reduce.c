/* reduce.c - reductions over axes, arg-reductions, running sums. */
#include "ops/propagate.h"
#include "ops/util.h"

/* Axes of a reduction: an attribute in old opsets, an input in new ones. */
typedef struct axes {
    bool known; /* set[] holds them */
    bool all;   /* no list: every axis */
    bool none;  /* noop_with_empty_axes */
    int count;  /* number of axes, -1 = unknown */
    bool *set;
} axes;

static bool read_axes(oxp_call *c, axes *a, int rank) {
    size_t n = 0;
    const int64_t *list = oxp_call_ints(c, "axes", &n);
    const oxp_dim *dims;
    bool given = list && n;
    *a = (axes){.known = true, .count = (int)n};
    if (oxp_input(c, 1)) {
        int got = oxp_input_ints(c, 1, &dims);
        oxp_dim len = oxp_dim_of(oxp_input(c, 1), 0);
        a->known = got >= 0;
        a->count = got >= 0 ? got : oxp_dim_is_literal(len) && len < 1024 ? (int)len : -1;
        given = a->count != 0;
        list = dims;
        n = got >= 0 ? (size_t)got : 0;
        for (size_t i = 0; i < n; i++)
            if (!oxp_dim_is_literal(dims[i])) {
                a->known = false;
                n = 0;
            }
    }
    if (!given) {
        a->none = oxp_call_int(c, "noop_with_empty_axes", 0) != 0;
        a->all = !a->none;
        a->known = true;
        return true;
    }
    if (rank < 0 || !a->known)
        return true;
    a->set = OXP_NEWS(c->scratch, (size_t)rank + 1, bool);
    return oxp_axes_mark(c, list, n, rank, a->set);
}

static bool reduced(const axes *a, int i) {
    return a->all || (a->set && a->set[i]);
}

static void reduce_shape(oxp_call *c, const axes *a, oxp_dtype t) {
    const oxp_fact *x = oxp_input(c, 0);
    int rank = oxp_rank(x), n = 0;
    bool keep = oxp_call_int(c, "keepdims", 1) != 0;
    if (a->none && rank >= 0) {
        oxp_set_shape_of(c, 0, t, x);
        return;
    }
    if (rank < 0) {
        if (a->all && !keep)
            oxp_set(c, 0, t, 0, NULL);
        else
            oxp_set_unknown_rank(c, 0, t);
        return;
    }
    oxp_dim *d = oxp_dims_dup(c, x, 0);
    if (!a->known) {
        if (!keep && a->count < 0) {
            oxp_set_unknown_rank(c, 0, t);
            return;
        }
        n = keep ? rank : rank - a->count;
        for (int i = 0; i < n; i++)
            d[i] = keep && a->count == rank ? 1 : OXP_DIM_UNKNOWN;
        oxp_set(c, 0, t, n < 0 ? -1 : n, d);
        return;
    }
    for (int i = 0; i < rank; i++) {
        if (!reduced(a, i))
            d[n++] = d[i];
        else if (keep)
            d[n++] = 1;
    }
    oxp_set(c, 0, t, n, d);
}

/* What happens to an element before it is folded, and to the result. */
typedef enum folding { FOLD, FOLD_ABS, FOLD_SQUARE, FOLD_MEAN } folding;

static oxp_elem before_folding(oxp_dims *p, oxp_elem e, folding how, oxp_dtype t) {
    return how == FOLD_ABS      ? oxp_eval_abs(p, e, t)
           : how == FOLD_SQUARE ? oxp_eval_mul(p, e, e, t)
                                : e;
}

/* Folds the elements of a short tensor: sizes are multiplied up with ReduceProd. */
static void reduce_elems(oxp_call *c, const axes *a, oxp_eval2 fn, folding how) {
    const oxp_fact *x = oxp_input(c, 0);
    uint64_t n, m;
    if (!x || !fn || !a->known || !oxp_elements_literal(x, &n) || n > OXP_ELEMS_MAX || n == 0 ||
        !oxp_elements_literal(&c->out[0], &m) || !oxp_elems_ready(c))
        return;
    const oxp_elem *v = oxp_input_elems(c, 0);
    if (!v || x->n_elems != n || m > n)
        return;
    oxp_elem *e = OXP_NEWS(c->scratch, (size_t)m + 1, oxp_elem);
    bool *seen = OXP_NEWS(c->scratch, (size_t)m + 1, bool);
    int rank = x->type.rank;
    for (uint64_t i = 0; i < n; i++) {
        uint64_t rest = i, at = 0, step = 1;
        for (int k = rank - 1; k >= 0; k--) {
            uint64_t d = (uint64_t)x->type.dims[k];
            if (!reduced(a, k)) {
                at += rest % d * step;
                step *= d;
            }
            rest /= d;
        }
        oxp_elem one = before_folding(c->dims, v[i], how, x->type.elem);
        e[at] = seen[at] ? fn(c->dims, e[at], one, x->type.elem) : one;
        seen[at] = true;
    }
    oxp_dtype t = x->type.elem;
    oxp_elem per =
        /* NOLINTNEXTLINE(bugprone-integer-division): n is a multiple of m */
        oxp_dtype_is_float(t) ? oxp_elem_float((double)(n / m), t) : oxp_elem_int((oxp_dim)(n / m));
    for (uint64_t i = 0; i < m && how == FOLD_MEAN; i++)
        e[i] = oxp_eval_div(c->dims, e[i], per, t);
    oxp_set_elems(c, 0, e, (uint32_t)m);
}

static void reduce(oxp_call *c, oxp_eval2 fn, folding how) {
    axes a;
    const oxp_fact *x = oxp_input(c, 0);
    if (!x || c->n_out == 0)
        return;
    if (!read_axes(c, &a, oxp_rank(x))) {
        oxp_infer_rankless(c);
        return;
    }
    reduce_shape(c, &a, oxp_elem_type(x));
    reduce_elems(c, &a, fn, how);
}

static void infer_reduce(oxp_call *c) {
    reduce(c, NULL, FOLD);
}

/* int8 in int32, uint8 in uint32 */
static void infer_sum_integer(oxp_call *c) {
    reduce(c, NULL, FOLD);
    c->out[0].type.elem = oxp_elem_type(oxp_input(c, 0)) == OXP_INT8 ? OXP_INT32 : OXP_UINT32;
}

static void infer_sum(oxp_call *c) {
    reduce(c, oxp_eval_add, FOLD);
}

static void infer_mean(oxp_call *c) {
    reduce(c, oxp_eval_add, FOLD_MEAN);
}

static void infer_l1(oxp_call *c) {
    reduce(c, oxp_eval_add, FOLD_ABS);
}

static void infer_sum_square(oxp_call *c) {
    reduce(c, oxp_eval_add, FOLD_SQUARE);
}

static void infer_prod(oxp_call *c) {
    reduce(c, oxp_eval_mul, FOLD);
}

static void infer_max(oxp_call *c) {
    reduce(c, oxp_eval_max, FOLD);
}

static void infer_min(oxp_call *c) {
    reduce(c, oxp_eval_min, FOLD);
}

static void arg_shape(oxp_call *c) {
    const oxp_fact *x = oxp_input(c, 0);
    int rank = oxp_rank(x);
    if (c->n_out == 0)
        return;
    if (rank <= 0) {
        if (rank == 0)
            (void)oxp_axis(c, oxp_call_int(c, "axis", 0), 0);
        else
            oxp_set_unknown_rank(c, 0, OXP_INT64);
        return;
    }
    int a = oxp_axis(c, oxp_call_int(c, "axis", 0), rank);
    if (a < 0) {
        oxp_set_unknown_rank(c, 0, OXP_INT64);
        return;
    }
    axes list = {.known = true, .count = 1, .set = OXP_NEWS(c->scratch, (size_t)rank, bool)};
    list.set[a] = true;
    reduce_shape(c, &list, OXP_INT64);
}

static void infer_arg_max(oxp_call *c) {
    arg_shape(c);
    oxp_elems_arg(c, true, oxp_call_int(c, "select_last_index", 0) != 0);
}

static void infer_arg_min(oxp_call *c) {
    arg_shape(c);
    oxp_elems_arg(c, false, oxp_call_int(c, "select_last_index", 0) != 0);
}

static void infer_cumsum(oxp_call *c) {
    oxp_infer_like(c);
    oxp_elems_cumsum(c, oxp_call_int(c, "reverse", 0) != 0, oxp_call_int(c, "exclusive", 0) != 0);
}

static oxp_range range_square(const oxp_call *c, const oxp_range *in, uint32_t slot) {
    (void)c, (void)in, (void)slot;
    return oxp_range_of(0, oxp_range_all().hi);
}

/* Sums of n values between lo and hi. */
static oxp_range range_sum(const oxp_call *c, const oxp_range *in, uint32_t slot) {
    uint64_t n, m;
    oxp_range x = oxp_range_same(c, in, slot);
    if (!oxp_in_count(c, 0, &n) || !oxp_out_count(c, 0, &m) || m == 0)
        return oxp_range_all();
    double per = (double)n / (double)m;
    return oxp_range_of(x.lo * per, x.hi * per);
}

#define R (OXP_OP_REDUCE | OXP_OP_ACCUMULATES)
static const oxp_op table[] = {
    {"ReduceSum", "", R, 0, infer_sum, oxp_cost_read_in, range_sum},
    {"ReduceMean", "", R, 0, infer_mean, oxp_cost_read_in, oxp_range_same},
    {"ReduceProd", "", R, 0, infer_prod, oxp_cost_read_in, NULL},
    {"ReduceMax", "", OXP_OP_REDUCE, 0, infer_max, oxp_cost_read_in, oxp_range_same},
    {"ReduceMin", "", OXP_OP_REDUCE, 0, infer_min, oxp_cost_read_in, oxp_range_same},
    {"ReduceL1", "", R, 0, infer_l1, oxp_cost_read_in, range_square},
    {"ReduceL2", "", R, 0, infer_reduce, oxp_cost_read_in, range_square},
    {"ReduceSumSquare", "", R, 0, infer_sum_square, oxp_cost_read_in, range_square},
    {"ReduceLogSum", "", R, 0, infer_reduce, oxp_cost_read_in, NULL},
    {"ReduceLogSumExp", "", R, 0, infer_reduce, oxp_cost_read_in, NULL},
    {"ArgMax", "", OXP_OP_REDUCE, 0, infer_arg_max, oxp_cost_read_in, NULL},
    {"ArgMin", "", OXP_OP_REDUCE, 0, infer_arg_min, oxp_cost_read_in, NULL},
    {"CumSum", "", R | OXP_OP_ROUNDS_POSITION, 0, infer_cumsum, oxp_cost_read_in, NULL},
    {"CumProd", "", R | OXP_OP_ROUNDS_POSITION, 0, oxp_infer_like, oxp_cost_read_in, NULL},
    {"ReduceSumInteger", "com.microsoft", OXP_OP_REDUCE | OXP_OP_QUANT, 0, infer_sum_integer,
     oxp_cost_read_in, NULL},
};

static const oxp_op_need needs[] = {
    {"ReduceSum ReduceMean ReduceProd ReduceMax ReduceMin ReduceL1 ReduceL2 ReduceSumSquare "
     "ReduceLogSum ReduceLogSumExp",
     "1:?"},
    {"ArgMax ArgMin", "axis@0"},
    {"CumSum CumProd", "0:?,*; 1:()|1; 1@0; exclusive{0,1}; reverse{0,1}"},
};
const oxp_op_family oxp_ops_reduce = {table, OXP_COUNT(table), needs, OXP_COUNT(needs)};
