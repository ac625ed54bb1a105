/* elementwise.c - broadcasting operators of one, two and more inputs, with their elements. */
#include "ops/eval.h"
#include "ops/util.h"

#include <math.h>
#include <string.h>

/* Shape of a broadcasting operator; before opset 7 (`legacy` version) the second input is stretched
 * to the first one's shape. */
static bool set_broadcast(oxp_call *c, uint32_t n, oxp_dtype t, int64_t numpy_since) {
    if (n == 0 || c->n_out == 0)
        return false;
    if (c->opset < numpy_since) {
        oxp_set_shape_of(c, 0, t, oxp_input(c, 0));
        return true;
    }
    int rank;
    const oxp_dim *dims;
    if (!oxp_broadcast(c, c->in, n, &rank, &dims)) {
        oxp_set_unknown_rank(c, 0, t);
        return false;
    }
    oxp_set(c, 0, t, rank, dims);
    return true;
}

static void check_types(oxp_call *c, uint32_t first, uint32_t n) {
    oxp_dtype t = OXP_UNDEFINED;
    for (uint32_t i = first; i < n && i < c->n_in; i++) {
        oxp_dtype u = oxp_elem_type(oxp_input(c, i));
        if (t != OXP_UNDEFINED && u != OXP_UNDEFINED && t != u)
            oxp_op_error(c, "inputs of types %s and %s", oxp_dtype_name(t), oxp_dtype_name(u));
        if (u != OXP_UNDEFINED)
            t = u;
    }
}

static void binary(oxp_call *c, oxp_eval2 fn) {
    oxp_dtype t = oxp_first_type(c, 2);
    check_types(c, 0, 2);
    if (set_broadcast(c, 2, t, 7) && fn)
        oxp_eval_nary(c, fn, 2, t);
}

static void comparison(oxp_call *c, oxp_eval2 fn) {
    oxp_dtype t = oxp_first_type(c, 2);
    check_types(c, 0, 2);
    if (set_broadcast(c, 2, OXP_BOOL, 7) && fn)
        oxp_eval_nary(c, fn, 2, t);
}

/* Before opset 8 inputs of Max, Min, Sum and Mean are not broadcast. */
static void check_alike(oxp_call *c) {
    for (uint32_t i = 1; c->opset < 8 && i < c->n_in; i++)
        if (oxp_rank(c->in[i]) >= 0 && oxp_rank(c->in[0]) >= 0 &&
            oxp_rank(c->in[i]) != oxp_rank(c->in[0]))
            oxp_op_error(c, "inputs of rank %d and %d, before opset 8 they have one shape",
                         oxp_rank(c->in[0]), oxp_rank(c->in[i]));
        else
            for (int k = 0; k < oxp_rank(c->in[i]) && oxp_rank(c->in[0]) >= 0; k++)
                (void)oxp_unify(c, c->in[0]->type.dims[k], c->in[i]->type.dims[k],
                                "before opset 8 inputs have one shape");
}

static void variadic(oxp_call *c, oxp_eval2 fn) {
    oxp_dtype t = oxp_first_type(c, c->n_in);
    check_types(c, 0, c->n_in);
    check_alike(c);
    if (set_broadcast(c, c->n_in, t, 0) && fn)
        oxp_eval_nary(c, fn, c->n_in, t);
}

#define BINARY(name, fn)                                                                           \
    static void infer_##name(oxp_call *c) {                                                        \
        binary(c, fn);                                                                             \
    }
#define COMPARISON(name, fn)                                                                       \
    static void infer_##name(oxp_call *c) {                                                        \
        comparison(c, fn);                                                                         \
    }
#define VARIADIC(name, fn)                                                                         \
    static void infer_##name(oxp_call *c) {                                                        \
        variadic(c, fn);                                                                           \
    }
BINARY(add, oxp_eval_add)
BINARY(sub, oxp_eval_sub)
BINARY(mul, oxp_eval_mul)
BINARY(bitand, oxp_eval_bitand)
BINARY(bitor, oxp_eval_bitor)
BINARY(bitxor, oxp_eval_bitxor)
COMPARISON(and, oxp_eval_and)
COMPARISON(or, oxp_eval_or)
COMPARISON(xor, oxp_eval_xor)
COMPARISON(equal, oxp_eval_equal)
COMPARISON(less, oxp_eval_less)
COMPARISON(greater, oxp_eval_greater)
COMPARISON(less_equal, oxp_eval_less_equal)
COMPARISON(greater_equal, oxp_eval_greater_equal)
VARIADIC(max, oxp_eval_max)
VARIADIC(min, oxp_eval_min)
VARIADIC(sum, oxp_eval_add)
VARIADIC(mean, NULL)

/* The type is the base's; the exponent may have another. */
static void infer_pow(oxp_call *c) {
    oxp_dtype t = oxp_elem_type(oxp_input(c, 0));
    if (set_broadcast(c, 2, t, 7))
        oxp_eval_nary(c, oxp_eval_pow, 2, t);
}

/* ONNX Runtime refuses integers that are divided by a constant with a 0, others crash. */
static void check_divisor(oxp_call *c) {
    oxp_dtype t = oxp_elem_type(oxp_input(c, 1));
    const oxp_elem *e = oxp_dtype_is_integer(t) ? oxp_input_elems(c, 1) : NULL;
    for (uint32_t i = 0; e && i < c->in[1]->n_elems; i++)
        if (e[i].known && e[i].i == 0) {
            oxp_op_error(c, "an integer is divided by 0");
            return;
        }
}

static void infer_div(oxp_call *c) {
    check_divisor(c);
    binary(c, oxp_eval_div);
}

static void infer_mod(oxp_call *c) {
    check_divisor(c);
    if (c->opset < 28 && !oxp_call_int(c, "fmod", 0) && oxp_dtype_is_float(oxp_first_type(c, 2)))
        oxp_op_invalid(c, "fmod is 0, for %s it must be 1", oxp_dtype_name(oxp_first_type(c, 2)));
    binary(c, oxp_call_int(c, "fmod", 0) ? oxp_eval_fmod : oxp_eval_mod);
}

/* Bits of the type's width; to the right, negative numbers keep their sign. */
static oxp_elem shift(oxp_elem a, oxp_elem b, oxp_dtype t, bool left) {
    if (!a.known || !b.known || !oxp_dim_is_literal(a.i) || !oxp_dim_is_literal(b.i) || b.i < 0 ||
        b.i >= (int64_t)oxp_dtype_bits(t))
        return oxp_elem_unknown();
    uint64_t v = left || a.i >= 0 ? (uint64_t)a.i : ~(uint64_t)a.i;
    v = left ? v << b.i : v >> b.i;
    return oxp_elem_wrap(oxp_dim_literal((int64_t)(left || a.i >= 0 ? v : ~v)), t);
}

static oxp_elem shift_left(oxp_dims *p, oxp_elem a, oxp_elem b, oxp_dtype t) {
    (void)p;
    return shift(a, b, t, true);
}

static oxp_elem shift_right(oxp_dims *p, oxp_elem a, oxp_elem b, oxp_dtype t) {
    (void)p;
    return shift(a, b, t, false);
}

static void infer_bitshift(oxp_call *c) {
    const char *dir = oxp_call_string(c, "direction", "");
    binary(c, strcmp(dir, "LEFT") == 0 ? shift_left : shift_right);
}

static bool same_elem(oxp_elem a, oxp_elem b) {
    return a.known && b.known && a.i == b.i && a.exact == b.exact && a.den == b.den &&
           (!oxp_dim_is_unknown(a.i) || a.f == b.f);
}

static void where_elems(oxp_call *c) {
    uint64_t n;
    if (!oxp_elements_literal(&c->out[0], &n) || n > OXP_ELEMS_MAX || !oxp_elems_ready(c))
        return;
    const oxp_elem *x[3];
    for (uint32_t k = 0; k < 3; k++) {
        x[k] = oxp_input_elems(c, k);
        if (!x[k])
            return;
    }
    oxp_elem *e = OXP_NEWS(c->scratch, (size_t)n + 1, oxp_elem);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t at[3];
        for (uint32_t k = 0; k < 3; k++) {
            at[k] = oxp_broadcast_index(i, c->out[0].type.rank, c->out[0].type.dims, c->in[k]);
            if (at[k] >= c->in[k]->n_elems)
                return;
        }
        oxp_elem cond = x[0][at[0]], a = x[1][at[1]], b = x[2][at[2]];
        if (cond.known && oxp_dim_is_literal(cond.i))
            e[i] = cond.i ? a : b;
        else
            e[i] = same_elem(a, b) ? a : oxp_elem_unknown();
    }
    oxp_set_elems(c, 0, e, (uint32_t)n);
}

static void infer_where(oxp_call *c) {
    oxp_dtype t = oxp_elem_type(oxp_input(c, 1));
    if (t == OXP_UNDEFINED)
        t = oxp_elem_type(oxp_input(c, 2));
    check_types(c, 1, 3);
    if (c->n_in == 3 && set_broadcast(c, 3, t, 0) && c->in[0] && c->in[1] && c->in[2])
        where_elems(c);
}

static void infer_clip(oxp_call *c) {
    if (c->opset < 11 && oxp_call_float(c, "min", -INFINITY) > oxp_call_float(c, "max", INFINITY))
        oxp_op_invalid(c, "min is more than max");
    const oxp_fact *x = oxp_input(c, 0);
    oxp_infer_like(c);
    uint64_t n;
    if (c->opset < 11 || !x || !oxp_elements_literal(x, &n) || n > OXP_ELEMS_MAX ||
        !oxp_elems_ready(c))
        return;
    const oxp_elem *v = oxp_input_elems(c, 0);
    const oxp_elem *lo = oxp_input_elems(c, 1), *hi = oxp_input_elems(c, 2);
    if (!v || x->n_elems != n || (oxp_input(c, 1) && !lo) || (oxp_input(c, 2) && !hi))
        return;
    oxp_dtype t = oxp_elem_type(x);
    oxp_elem *e = OXP_NEWS(c->scratch, (size_t)n + 1, oxp_elem);
    for (uint32_t i = 0; i < n; i++) {
        e[i] = v[i];
        if (lo && oxp_input(c, 1)->n_elems == 1)
            e[i] = oxp_eval_max(c->dims, e[i], lo[0], t);
        if (hi && oxp_input(c, 2)->n_elems == 1)
            e[i] = oxp_eval_min(c->dims, e[i], hi[0], t);
    }
    oxp_set_elems(c, 0, e, (uint32_t)n);
}

/* ---- unary ---- */
static oxp_elem real(oxp_elem a, oxp_dtype t, double (*fn)(double)) {
    double x;
    return oxp_elem_number(a, &x) ? oxp_elem_float(fn(x), t) : oxp_elem_unknown();
}

static double reciprocal(double x) {
    return 1 / x;
}

static oxp_elem bitnot(oxp_dims *p, oxp_elem a, oxp_dtype t) {
    (void)p;
    return a.known && oxp_dim_is_literal(a.i) ? oxp_elem_wrap(~a.i, t) : oxp_elem_unknown();
}

static oxp_elem is_nan(oxp_dims *p, oxp_elem a, oxp_dtype t) {
    double x;
    (void)p, (void)t;
    return oxp_elem_number(a, &x) ? oxp_elem_int(isnan(x) != 0) : oxp_elem_unknown();
}

#define REAL(name, fn)                                                                             \
    static oxp_elem real_##name(oxp_dims *p, oxp_elem a, oxp_dtype t) {                            \
        (void)p;                                                                                   \
        return real(a, t, fn);                                                                     \
    }                                                                                              \
    UNARY(name, real_##name)
#define UNARY(name, fn)                                                                            \
    static void infer_##name(oxp_call *c) {                                                        \
        oxp_infer_like(c);                                                                         \
        oxp_eval_unary(c, fn, oxp_elem_type(oxp_input(c, 0)));                                     \
    }
UNARY(abs, oxp_eval_abs)
UNARY(neg, oxp_eval_neg)
UNARY(sign, oxp_eval_sign)
UNARY(floor, oxp_eval_floor)
UNARY(ceil, oxp_eval_ceil)
UNARY(round, oxp_eval_round)
UNARY(not, oxp_eval_not)
UNARY(bitnot, bitnot)
REAL(sqrt, sqrt)
REAL(exp, exp)
REAL(log, log)
REAL(sin, sin)
REAL(cos, cos)
REAL(reciprocal, reciprocal)

static void infer_isnan(oxp_call *c) {
    oxp_set_shape_of(c, 0, OXP_BOOL, oxp_input(c, 0));
    oxp_eval_unary(c, is_nan, OXP_BOOL);
}

static void infer_isinf(oxp_call *c) {
    oxp_set_shape_of(c, 0, OXP_BOOL, oxp_input(c, 0));
}

/* n inputs take n - 1 operations per output element, the mean one more. */
static void cost_variadic(const oxp_call *c, oxp_cost *cost) {
    oxp_cost_per_out(c, cost, c->n_in > 1 ? c->n_in - 1 : 1);
}

static void cost_mean(const oxp_call *c, oxp_cost *cost) {
    oxp_cost_per_out(c, cost, c->n_in ? c->n_in : 1);
}

/* Where chooses, it computes nothing. */
#define cost_where oxp_cost_move_out

/* ---- intervals ---- */
static double least(const double *v) {
    return fmin(fmin(v[0], v[1]), fmin(v[2], v[3]));
}

static double most(const double *v) {
    return fmax(fmax(v[0], v[1]), fmax(v[2], v[3]));
}

static bool pair(const oxp_call *c, const oxp_range *in, oxp_range *a, oxp_range *b) {
    if (c->n_in < 2)
        return false;
    *a = oxp_range_fix(in[0]);
    *b = oxp_range_fix(in[1]);
    return true;
}

static oxp_range range_add(const oxp_call *c, const oxp_range *in, uint32_t slot) {
    (void)slot;
    oxp_range a, b;
    if (!pair(c, in, &a, &b))
        return oxp_range_all();
    return oxp_range_of(a.lo + b.lo, a.hi + b.hi);
}

static oxp_range range_sub(const oxp_call *c, const oxp_range *in, uint32_t slot) {
    (void)slot;
    oxp_range a, b;
    if (!pair(c, in, &a, &b))
        return oxp_range_all();
    return oxp_range_of(a.lo - b.hi, a.hi - b.lo);
}

/* 0 times an unbounded value is 0 as far as finite values go. */
static double times(double a, double b) {
    return a == 0 || b == 0 ? 0 : a * b;
}

static oxp_range range_mul(const oxp_call *c, const oxp_range *in, uint32_t slot) {
    (void)slot;
    oxp_range a, b;
    if (!pair(c, in, &a, &b))
        return oxp_range_all();
    double v[4] = {times(a.lo, b.lo), times(a.lo, b.hi), times(a.hi, b.lo), times(a.hi, b.hi)};
    bool square = c->node->n_in == 2 && c->node->in[0] == c->node->in[1];
    return oxp_range_of(square ? fmax(0, least(v)) : least(v), most(v));
}

static oxp_range range_div(const oxp_call *c, const oxp_range *in, uint32_t slot) {
    (void)slot;
    oxp_range a, b;
    if (!pair(c, in, &a, &b) || (b.lo <= 0 && b.hi >= 0))
        return oxp_range_all();
    double v[4] = {a.lo / b.lo, a.lo / b.hi, a.hi / b.lo, a.hi / b.hi};
    for (int i = 0; i < 4; i++)
        if (isnan(v[i]))
            return oxp_range_all();
    return oxp_range_of(least(v), most(v));
}

static oxp_range range_max(const oxp_call *c, const oxp_range *in, uint32_t slot) {
    (void)slot;
    oxp_range r = {-INFINITY, -INFINITY};
    for (uint32_t i = 0; i < c->n_in; i++) {
        oxp_range x = oxp_range_fix(in[i]);
        r = (oxp_range){fmax(r.lo, x.lo), fmax(r.hi, x.hi)};
    }
    return r;
}

static oxp_range range_min(const oxp_call *c, const oxp_range *in, uint32_t slot) {
    (void)slot;
    oxp_range r = {INFINITY, INFINITY};
    for (uint32_t i = 0; i < c->n_in; i++) {
        oxp_range x = oxp_range_fix(in[i]);
        r = (oxp_range){fmin(r.lo, x.lo), fmin(r.hi, x.hi)};
    }
    return r;
}

static oxp_range range_sum(const oxp_call *c, const oxp_range *in, uint32_t slot) {
    (void)slot;
    oxp_range r = {0, 0};
    for (uint32_t i = 0; i < c->n_in; i++) {
        oxp_range x = oxp_range_fix(in[i]);
        r = (oxp_range){r.lo + x.lo, r.hi + x.hi};
    }
    return oxp_range_of(r.lo, r.hi);
}

static oxp_range range_mean(const oxp_call *c, const oxp_range *in, uint32_t slot) {
    oxp_range r = range_sum(c, in, slot);
    double n = c->n_in ? c->n_in : 1;
    return oxp_range_of(r.lo / n, r.hi / n);
}

static oxp_range range_where(const oxp_call *c, const oxp_range *in, uint32_t slot) {
    (void)slot;
    if (c->n_in < 3)
        return oxp_range_all();
    oxp_range a = oxp_range_fix(in[1]), b = oxp_range_fix(in[2]);
    return oxp_range_of(fmin(a.lo, b.lo), fmax(a.hi, b.hi));
}

static oxp_range range_clip(const oxp_call *c, const oxp_range *in, uint32_t slot) {
    (void)slot;
    oxp_range x = c->n_in ? oxp_range_fix(in[0]) : oxp_range_all();
    double lo = -INFINITY, hi = INFINITY;
    if (c->opset < 11) {
        lo = (double)oxp_call_float(c, "min", -INFINITY);
        hi = (double)oxp_call_float(c, "max", INFINITY);
        return oxp_range_of(fmin(fmax(x.lo, lo), hi), fmin(fmax(x.hi, lo), hi));
    }
    if (oxp_input(c, 1)) {
        oxp_range m = oxp_range_fix(in[1]);
        x = oxp_range_of(fmax(x.lo, m.lo), fmax(x.hi, m.hi));
    }
    if (oxp_input(c, 2)) {
        oxp_range m = oxp_range_fix(in[2]);
        x = oxp_range_of(fmin(x.lo, m.lo), fmin(x.hi, m.hi));
    }
    return x;
}

static oxp_range range_abs(const oxp_call *c, const oxp_range *in, uint32_t slot) {
    oxp_range x = oxp_range_same(c, in, slot);
    double lo = x.lo <= 0 && x.hi >= 0 ? 0 : fmin(fabs(x.lo), fabs(x.hi));
    return oxp_range_of(lo, fmax(fabs(x.lo), fabs(x.hi)));
}

static oxp_range range_neg(const oxp_call *c, const oxp_range *in, uint32_t slot) {
    oxp_range x = oxp_range_same(c, in, slot);
    return oxp_range_of(-x.hi, -x.lo);
}

static oxp_range range_sqrt(const oxp_call *c, const oxp_range *in, uint32_t slot) {
    oxp_range x = oxp_range_same(c, in, slot);
    return oxp_range_of(sqrt(fmax(x.lo, 0)), sqrt(fmax(x.hi, 0)));
}

static oxp_range range_exp(const oxp_call *c, const oxp_range *in, uint32_t slot) {
    oxp_range x = oxp_range_same(c, in, slot);
    return oxp_range_of(exp(x.lo), exp(x.hi));
}

static oxp_range range_log(const oxp_call *c, const oxp_range *in, uint32_t slot) {
    oxp_range x = oxp_range_same(c, in, slot);
    return oxp_range_of(x.lo > 0 ? log(x.lo) : -INFINITY, x.hi > 0 ? log(x.hi) : INFINITY);
}

static oxp_range range_reciprocal(const oxp_call *c, const oxp_range *in, uint32_t slot) {
    oxp_range x = oxp_range_same(c, in, slot);
    return x.lo <= 0 && x.hi >= 0 ? oxp_range_all() : oxp_range_of(1 / x.hi, 1 / x.lo);
}

static oxp_range range_floor(const oxp_call *c, const oxp_range *in, uint32_t slot) {
    oxp_range x = oxp_range_same(c, in, slot);
    return oxp_range_of(floor(x.lo), floor(x.hi));
}

static oxp_range range_ceil(const oxp_call *c, const oxp_range *in, uint32_t slot) {
    oxp_range x = oxp_range_same(c, in, slot);
    return oxp_range_of(ceil(x.lo), ceil(x.hi));
}

static oxp_range range_round(const oxp_call *c, const oxp_range *in, uint32_t slot) {
    oxp_range x = oxp_range_same(c, in, slot);
    return oxp_range_of(nearbyint(x.lo), nearbyint(x.hi));
}

static oxp_range range_swing(const oxp_call *c, const oxp_range *in, uint32_t slot) {
    (void)c, (void)in, (void)slot;
    return oxp_range_of(-1, 1);
}

static oxp_range range_half_pi(const oxp_call *c, const oxp_range *in, uint32_t slot) {
    (void)c, (void)in, (void)slot;
    return oxp_range_of(-1.5707963267948966, 1.5707963267948966);
}

/* An even or positive power; a constant exponent's interval is one point. */
static oxp_range range_pow(const oxp_call *c, const oxp_range *in, uint32_t slot) {
    (void)slot;
    oxp_range x, y;
    if (!pair(c, in, &x, &y) || y.lo != y.hi || y.lo < 0)
        return oxp_range_all();
    double e = y.lo, a = pow(x.lo, e), b = pow(x.hi, e);
    if (x.lo >= 0)
        return oxp_range_of(a, b);
    if (e != floor(e))
        return oxp_range_of(0, INFINITY);
    if (fmod(e, 2) != 0)
        return oxp_range_of(a, b);
    return oxp_range_of(x.hi >= 0 ? 0 : b, fmax(a, b));
}

#define E OXP_OP_ELEMENTWISE
#define U (OXP_OP_ELEMENTWISE | OXP_OP_UNARY)
static const oxp_op table[] = {
    {"Add", "", E, 0, infer_add, NULL, range_add},
    {"Sub", "", E, 0, infer_sub, NULL, range_sub},
    {"Mul", "", E, 0, infer_mul, NULL, range_mul},
    {"Div", "", E, 0, infer_div, NULL, range_div},
    {"Pow", "", E, 0, infer_pow, NULL, range_pow},
    {"Mod", "", E, 0, infer_mod, NULL, NULL},
    {"BitShift", "", E, 0, infer_bitshift, NULL, NULL},
    {"BitwiseAnd", "", E, 0, infer_bitand, NULL, NULL},
    {"BitwiseOr", "", E, 0, infer_bitor, NULL, NULL},
    {"BitwiseXor", "", E, 0, infer_bitxor, NULL, NULL},
    {"BitwiseNot", "", U, 0, infer_bitnot, NULL, NULL},
    {"And", "", E, 0, infer_and, NULL, NULL},
    {"Or", "", E, 0, infer_or, NULL, NULL},
    {"Xor", "", E, 0, infer_xor, NULL, NULL},
    {"Not", "", U, 0, infer_not, NULL, NULL},
    {"Equal", "", E, 0, infer_equal, NULL, NULL},
    {"Less", "", E, 0, infer_less, NULL, NULL},
    {"Greater", "", E, 0, infer_greater, NULL, NULL},
    {"LessOrEqual", "", E, 0, infer_less_equal, NULL, NULL},
    {"GreaterOrEqual", "", E, 0, infer_greater_equal, NULL, NULL},
    {"Max", "", E, 0, infer_max, cost_variadic, range_max},
    {"Min", "", E, 0, infer_min, cost_variadic, range_min},
    {"Sum", "", E, 0, infer_sum, cost_variadic, range_sum},
    {"Mean", "", E, 0, infer_mean, cost_mean, range_mean},
    {"Where", "", E, 0, infer_where, cost_where, range_where},
    {"Clip", "", U | OXP_OP_ACTIVATION, 0, infer_clip, NULL, range_clip},
    {"Abs", "", U, 0, infer_abs, NULL, range_abs},
    {"Neg", "", U, 0, infer_neg, NULL, range_neg},
    {"Sign", "", U, 0, infer_sign, NULL, range_swing},
    {"Floor", "", U, 0, infer_floor, NULL, range_floor},
    {"Ceil", "", U, 0, infer_ceil, NULL, range_ceil},
    {"Round", "", U, 0, infer_round, NULL, range_round},
    {"Sqrt", "", U, 0, infer_sqrt, NULL, range_sqrt},
    {"Exp", "", U, 0, infer_exp, NULL, range_exp},
    {"Log", "", U, 0, infer_log, NULL, range_log},
    {"Reciprocal", "", U, 0, infer_reciprocal, NULL, range_reciprocal},
    {"Sin", "", U, 0, infer_sin, NULL, range_swing},
    {"Cos", "", U, 0, infer_cos, NULL, range_swing},
    {"Tan", "", U, 0, oxp_infer_like, NULL, NULL},
    {"Asin", "", U, 0, oxp_infer_like, NULL, range_half_pi},
    {"Acos", "", U, 0, oxp_infer_like, NULL, NULL},
    {"Atan", "", U, 0, oxp_infer_like, NULL, range_half_pi},
    {"Sinh", "", U, 0, oxp_infer_like, NULL, NULL},
    {"Cosh", "", U, 0, oxp_infer_like, NULL, NULL},
    {"Asinh", "", U, 0, oxp_infer_like, NULL, NULL},
    {"Acosh", "", U, 0, oxp_infer_like, NULL, NULL},
    {"Atanh", "", U, 0, oxp_infer_like, NULL, NULL},
    {"Erf", "", U, 0, oxp_infer_like, NULL, range_swing},
    {"IsNaN", "", U, 0, infer_isnan, NULL, NULL},
    {"IsInf", "", U, 0, infer_isinf, NULL, NULL},
};

static const oxp_op_need needs[] = {
    {"BitShift", "direction{LEFT,RIGHT}"},
    {"Mod", "fmod{0,1}"},
    {"Clip", "11+ 1-2:()|1"},
};
const oxp_op_family oxp_ops_elementwise = {table, OXP_COUNT(table), needs, OXP_COUNT(needs)};
