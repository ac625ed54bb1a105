/* eval.c - arithmetic on propagated elements. */
#include "ops/eval.h"

#include <math.h>
#include <string.h>

bool oxp_elem_number(oxp_elem e, double *v) {
    if (!e.known)
        return false;
    if (!e.exact && oxp_dim_is_unknown(e.i)) {
        *v = e.f;
        return true;
    }
    if (!oxp_dim_is_literal(e.i))
        return false;
    *v = (double)e.i / (e.den > 1 ? (double)e.den : 1.0);
    return true;
}

oxp_elem oxp_elem_wrap(oxp_dim v, oxp_dtype t) {
    if (oxp_dim_is_unknown(v))
        return oxp_elem_unknown();
    unsigned bits = oxp_dtype_bits(t);
    if (oxp_dim_is_literal(v) && oxp_dtype_is_integer(t) && bits < 64) {
        uint64_t mask = ((uint64_t)1 << bits) - 1, low = (uint64_t)v & mask;
        bool is_signed =
            t == OXP_INT8 || t == OXP_INT16 || t == OXP_INT32 || t == OXP_INT4 || t == OXP_INT2;
        if (is_signed && (low >> (bits - 1)))
            v = (int64_t)low - (int64_t)mask - 1;
        else
            v = (int64_t)low;
    }
    if (oxp_dim_is_literal(v) && t == OXP_UINT64 && v < 0)
        return oxp_elem_unknown(); /* beyond what an oxp_dim holds */
    return oxp_elem_int(v);
}

/* ---- exact fractions ---- */
#define DEN_MAX ((int64_t)1 << 24)

/* A float element as i / den: exact ones as they are, numbers when they are short dyadic fractions.
 */
static bool fraction(oxp_elem e, oxp_dim *num, int64_t *den) {
    if (!e.known)
        return false;
    if (e.exact || !oxp_dim_is_unknown(e.i)) {
        *num = e.i;
        *den = e.den > 1 ? e.den : 1;
        return !oxp_dim_is_unknown(e.i);
    }
    for (int64_t d = 1; d <= 65536; d *= 2) {
        double v = e.f * (double)d;
        if (fabs(v) < 1099511627776.0 && v == floor(v)) {
            *num = (int64_t)v;
            *den = d;
            return true;
        }
    }
    return false;
}

static oxp_elem from_fraction(oxp_dims *p, oxp_dim num, int64_t den, oxp_dtype t) {
    if (oxp_dim_is_unknown(num) || den < 1 || den > DEN_MAX)
        return oxp_elem_unknown();
    if (oxp_dim_is_literal(num))
        return oxp_elem_float((double)num / (double)den, t);
    if (den > 1) {
        oxp_dim q = oxp_dim_floordiv(p, num, den);
        if (oxp_dim_mul(p, q, den) == num) {
            num = q;
            den = 1;
        }
    }
    oxp_elem e = oxp_elem_int(num);
    e.exact = true;
    e.den = den;
    return e;
}

static bool is_integer(oxp_dtype t) {
    return oxp_dtype_is_integer(t) || t == OXP_BOOL;
}

/* Both numbers; then the engine computes with what the type holds. */
static bool numbers(oxp_elem a, oxp_elem b, double *x, double *y) {
    return oxp_elem_number(a, x) && oxp_elem_number(b, y);
}

oxp_elem oxp_eval_add(oxp_dims *p, oxp_elem a, oxp_elem b, oxp_dtype t) {
    if (!a.known || !b.known)
        return oxp_elem_unknown();
    if (is_integer(t))
        return oxp_elem_wrap(oxp_dim_add(p, a.i, b.i), t);
    double x, y;
    if (numbers(a, b, &x, &y))
        return oxp_elem_float(x + y, t);
    oxp_dim n, m;
    int64_t d, e;
    if (!fraction(a, &n, &d) || !fraction(b, &m, &e))
        return oxp_elem_unknown();
    oxp_dim sum =
        d == e ? oxp_dim_add(p, n, m) : oxp_dim_add(p, oxp_dim_mul(p, n, e), oxp_dim_mul(p, m, d));
    return from_fraction(p, sum, d == e ? d : d * e, t);
}

oxp_elem oxp_eval_neg(oxp_dims *p, oxp_elem a, oxp_dtype t) {
    if (!a.known)
        return a;
    double x;
    if (!is_integer(t) && oxp_elem_number(a, &x))
        return oxp_elem_float(-x, t);
    oxp_dim n = oxp_dim_sub(p, 0, a.i);
    return is_integer(t) ? oxp_elem_wrap(n, t) : from_fraction(p, n, a.den > 1 ? a.den : 1, t);
}

oxp_elem oxp_eval_sub(oxp_dims *p, oxp_elem a, oxp_elem b, oxp_dtype t) {
    if (!a.known || !b.known)
        return oxp_elem_unknown();
    if (is_integer(t))
        return oxp_elem_wrap(oxp_dim_sub(p, a.i, b.i), t);
    return oxp_eval_add(p, a, oxp_eval_neg(p, b, t), t);
}

oxp_elem oxp_eval_mul(oxp_dims *p, oxp_elem a, oxp_elem b, oxp_dtype t) {
    if (!a.known || !b.known)
        return oxp_elem_unknown();
    if (is_integer(t))
        return oxp_elem_wrap(oxp_dim_mul(p, a.i, b.i), t);
    double x, y;
    if (numbers(a, b, &x, &y))
        return oxp_elem_float(x * y, t);
    oxp_dim n, m;
    int64_t d, e;
    if (!fraction(a, &n, &d) || !fraction(b, &m, &e) || d * e > DEN_MAX)
        return oxp_elem_unknown();
    return from_fraction(p, oxp_dim_mul(p, n, m), d * e, t);
}

/* C's division, toward zero, also when the sign of a symbolic dividend is open. */
static oxp_dim trunc_div(oxp_dims *p, oxp_dim a, oxp_dim b) {
    if (b == 0 || oxp_dim_is_unknown(a) || oxp_dim_is_unknown(b))
        return OXP_DIM_UNKNOWN;
    if (oxp_dim_is_literal(b) && b < 0)
        return oxp_dim_sub(p, 0, trunc_div(p, a, -b));
    if (oxp_dim_lower_bound(p, a) >= 0)
        return oxp_dim_floordiv(p, a, b);
    oxp_dim minus = oxp_dim_sub(p, 0, a);
    if (oxp_dim_is_literal(a))
        return oxp_dim_sub(p, 0, oxp_dim_floordiv(p, minus, b));
    return oxp_dim_sub(p, oxp_dim_floordiv(p, oxp_dim_max(p, a, 0), b),
                       oxp_dim_floordiv(p, oxp_dim_max(p, minus, 0), b));
}

oxp_elem oxp_eval_div(oxp_dims *p, oxp_elem a, oxp_elem b, oxp_dtype t) {
    if (!a.known || !b.known)
        return oxp_elem_unknown();
    if (is_integer(t)) {
        if (a.i == b.i && oxp_dim_lower_bound(p, b.i) > 0)
            return oxp_elem_int(1);
        return oxp_elem_wrap(trunc_div(p, a.i, b.i), t);
    }
    double x, y;
    if (numbers(a, b, &x, &y))
        return oxp_elem_float(x / y, t);
    oxp_dim n, m;
    int64_t d, e;
    if (!fraction(a, &n, &d) || !fraction(b, &m, &e))
        return oxp_elem_unknown();
    if (oxp_dim_is_literal(m)) {
        if (m <= 0 || m > DEN_MAX || d > DEN_MAX / m)
            return oxp_elem_unknown();
        return from_fraction(p, oxp_dim_mul(p, n, e), d * m, t);
    }
    oxp_dim top = oxp_dim_mul(p, n, e), bottom = oxp_dim_mul(p, m, d);
    oxp_dim q = oxp_dim_floordiv(p, top, bottom);
    if (!oxp_dim_is_unknown(q) && oxp_dim_mul(p, q, bottom) == top)
        return from_fraction(p, q, 1, t);
    return oxp_elem_unknown();
}

oxp_elem oxp_eval_mod(oxp_dims *p, oxp_elem a, oxp_elem b, oxp_dtype t) {
    double x, y;
    if (!a.known || !b.known)
        return oxp_elem_unknown();
    if (is_integer(t))
        return oxp_elem_wrap(oxp_dim_mod(p, a.i, b.i), t);
    if (!numbers(a, b, &x, &y))
        return oxp_elem_unknown();
    double r = fmod(x, y);
    return oxp_elem_float(r != 0 && (r < 0) != (y < 0) ? r + y : r, t);
}

oxp_elem oxp_eval_fmod(oxp_dims *p, oxp_elem a, oxp_elem b, oxp_dtype t) {
    double x, y;
    if (!a.known || !b.known)
        return oxp_elem_unknown();
    if (is_integer(t)) {
        oxp_dim q = trunc_div(p, a.i, b.i);
        return oxp_elem_wrap(oxp_dim_sub(p, a.i, oxp_dim_mul(p, q, b.i)), t);
    }
    return numbers(a, b, &x, &y) ? oxp_elem_float(fmod(x, y), t) : oxp_elem_unknown();
}

oxp_elem oxp_eval_pow(oxp_dims *p, oxp_elem a, oxp_elem b, oxp_dtype t) {
    double x, y;
    if (!oxp_elem_number(b, &y))
        return oxp_elem_unknown();
    if (!oxp_elem_number(a, &x)) {
        if (y == 1)
            return a;
        return y == 2 ? oxp_eval_mul(p, a, a, t) : oxp_elem_unknown();
    }
    double r = pow(x, y);
    if (!is_integer(t))
        return oxp_elem_float(r, t);
    return fabs(r) < 9007199254740992.0 ? oxp_elem_wrap((int64_t)r, t) : oxp_elem_unknown();
}

/* Sign of a - b: -1, 0, 1, or 2 when it is open.  NaN is open. */
static int order(oxp_dims *p, oxp_elem a, oxp_elem b) {
    double x, y;
    if (!a.known || !b.known)
        return 2;
    bool ints = !oxp_dim_is_unknown(a.i) && !oxp_dim_is_unknown(b.i) && a.den <= 1 && b.den <= 1;
    if (ints) {
        oxp_dim d = oxp_dim_sub(p, a.i, b.i);
        if (oxp_dim_is_unknown(d))
            return 2;
        if (oxp_dim_is_literal(d))
            return d < 0 ? -1 : d > 0;
        if (oxp_dim_lower_bound(p, d) > 0)
            return 1;
        return oxp_dim_lower_bound(p, oxp_dim_sub(p, b.i, a.i)) > 0 ? -1 : 2;
    }
    if (!numbers(a, b, &x, &y) || isnan(x) || isnan(y))
        return 2;
    return x < y ? -1 : x > y;
}

/* Sign of a - b that holds at least as "not positive" or "not negative": -1, 1, or 0 for open. */
static int weak_order(oxp_dims *p, oxp_elem a, oxp_elem b) {
    int s = order(p, a, b);
    if (s != 2)
        return s > 0 ? 1 : -1;
    if (!a.known || !b.known || oxp_dim_is_unknown(a.i) || oxp_dim_is_unknown(b.i) || a.den > 1 ||
        b.den > 1)
        return 0;
    if (oxp_dim_lower_bound(p, oxp_dim_sub(p, a.i, b.i)) >= 0)
        return 1;
    return oxp_dim_lower_bound(p, oxp_dim_sub(p, b.i, a.i)) >= 0 ? -1 : 0;
}

static oxp_elem extreme(oxp_dims *p, oxp_elem a, oxp_elem b, oxp_dtype t, bool max) {
    if (!a.known || !b.known)
        return oxp_elem_unknown();
    int s = weak_order(p, a, b);
    if (s)
        return (s > 0) == max ? a : b;
    if (oxp_dim_is_unknown(a.i) || oxp_dim_is_unknown(b.i) || a.den > 1 || b.den > 1)
        return oxp_elem_unknown();
    oxp_dim m = max ? oxp_dim_max(p, a.i, b.i) : oxp_dim_min(p, a.i, b.i);
    return is_integer(t) ? oxp_elem_wrap(m, t) : from_fraction(p, m, 1, t);
}

oxp_elem oxp_eval_min(oxp_dims *p, oxp_elem a, oxp_elem b, oxp_dtype t) {
    return extreme(p, a, b, t, false);
}

oxp_elem oxp_eval_max(oxp_dims *p, oxp_elem a, oxp_elem b, oxp_dtype t) {
    return extreme(p, a, b, t, true);
}

oxp_elem oxp_eval_equal(oxp_dims *p, oxp_elem a, oxp_elem b, oxp_dtype t) {
    (void)t;
    int s = order(p, a, b);
    return s == 2 ? oxp_elem_unknown() : oxp_elem_int(s == 0);
}

oxp_elem oxp_eval_less(oxp_dims *p, oxp_elem a, oxp_elem b, oxp_dtype t) {
    (void)t;
    int s = order(p, a, b);
    if (s == 2)
        return weak_order(p, a, b) > 0 ? oxp_elem_int(0) : oxp_elem_unknown();
    return oxp_elem_int(s < 0);
}

oxp_elem oxp_eval_greater(oxp_dims *p, oxp_elem a, oxp_elem b, oxp_dtype t) {
    return oxp_eval_less(p, b, a, t);
}

oxp_elem oxp_eval_less_equal(oxp_dims *p, oxp_elem a, oxp_elem b, oxp_dtype t) {
    return oxp_eval_not(p, oxp_eval_less(p, b, a, t), OXP_BOOL);
}

oxp_elem oxp_eval_greater_equal(oxp_dims *p, oxp_elem a, oxp_elem b, oxp_dtype t) {
    return oxp_eval_not(p, oxp_eval_less(p, a, b, t), OXP_BOOL);
}

static bool literals(oxp_elem a, oxp_elem b) {
    return a.known && b.known && oxp_dim_is_literal(a.i) && oxp_dim_is_literal(b.i);
}

oxp_elem oxp_eval_and(oxp_dims *p, oxp_elem a, oxp_elem b, oxp_dtype t) {
    (void)p, (void)t;
    if ((a.known && a.i == 0) || (b.known && b.i == 0))
        return oxp_elem_int(0);
    return literals(a, b) ? oxp_elem_int(1) : oxp_elem_unknown();
}

oxp_elem oxp_eval_or(oxp_dims *p, oxp_elem a, oxp_elem b, oxp_dtype t) {
    (void)p, (void)t;
    if ((a.known && a.i == 1) || (b.known && b.i == 1))
        return oxp_elem_int(1);
    return literals(a, b) ? oxp_elem_int(a.i || b.i) : oxp_elem_unknown();
}

oxp_elem oxp_eval_xor(oxp_dims *p, oxp_elem a, oxp_elem b, oxp_dtype t) {
    (void)p, (void)t;
    return literals(a, b) ? oxp_elem_int(!a.i != !b.i) : oxp_elem_unknown();
}

oxp_elem oxp_eval_bitand(oxp_dims *p, oxp_elem a, oxp_elem b, oxp_dtype t) {
    (void)p;
    return literals(a, b) ? oxp_elem_wrap(a.i & b.i, t) : oxp_elem_unknown();
}

oxp_elem oxp_eval_bitor(oxp_dims *p, oxp_elem a, oxp_elem b, oxp_dtype t) {
    (void)p;
    return literals(a, b) ? oxp_elem_wrap(a.i | b.i, t) : oxp_elem_unknown();
}

oxp_elem oxp_eval_bitxor(oxp_dims *p, oxp_elem a, oxp_elem b, oxp_dtype t) {
    (void)p;
    return literals(a, b) ? oxp_elem_wrap(a.i ^ b.i, t) : oxp_elem_unknown();
}

oxp_elem oxp_eval_not(oxp_dims *p, oxp_elem a, oxp_dtype t) {
    (void)p, (void)t;
    return a.known && oxp_dim_is_literal(a.i) ? oxp_elem_int(!a.i) : oxp_elem_unknown();
}

oxp_elem oxp_eval_abs(oxp_dims *p, oxp_elem a, oxp_dtype t) {
    double x;
    if (!is_integer(t) && oxp_elem_number(a, &x))
        return oxp_elem_float(fabs(x), t);
    if (a.known && !oxp_dim_is_unknown(a.i) && oxp_dim_lower_bound(p, a.i) >= 0)
        return a;
    if (a.known && is_integer(t) && oxp_dim_is_literal(a.i))
        return oxp_elem_wrap(oxp_dim_sub(p, 0, a.i), t);
    return oxp_elem_unknown();
}

oxp_elem oxp_eval_sign(oxp_dims *p, oxp_elem a, oxp_dtype t) {
    int s = order(p, a, is_integer(t) ? oxp_elem_int(0) : oxp_elem_float(0, t));
    if (s == 2)
        return oxp_elem_unknown();
    return is_integer(t) ? oxp_elem_int(s) : oxp_elem_float(s, t);
}

/* Floor (up 0), ceiling (up 1) or unchanged for integers. */
static oxp_elem whole(oxp_dims *p, oxp_elem a, oxp_dtype t, bool up) {
    double x;
    if (!a.known || is_integer(t))
        return a;
    if (oxp_elem_number(a, &x))
        return oxp_elem_float(up ? ceil(x) : floor(x), t);
    if (a.den <= 1)
        return a;
    oxp_dim q = up ? oxp_dim_ceildiv(p, a.i, a.den) : oxp_dim_floordiv(p, a.i, a.den);
    return from_fraction(p, q, 1, t);
}

oxp_elem oxp_eval_floor(oxp_dims *p, oxp_elem a, oxp_dtype t) {
    return whole(p, a, t, false);
}

oxp_elem oxp_eval_ceil(oxp_dims *p, oxp_elem a, oxp_dtype t) {
    return whole(p, a, t, true);
}

oxp_elem oxp_eval_round(oxp_dims *p, oxp_elem a, oxp_dtype t) {
    (void)p;
    double x;
    if (oxp_elem_number(a, &x) && !is_integer(t))
        return oxp_elem_float(nearbyint(x), t); /* half to even */
    return a.known && a.den <= 1 ? a : oxp_elem_unknown();
}

/* Number of elements of output 0 when they can be propagated, else -1. */
static int64_t count_out(const oxp_call *c) {
    uint64_t n;
    if (c->n_out == 0 || !oxp_elements_literal(&c->out[0], &n) || n > OXP_ELEMS_MAX)
        return -1;
    return (int64_t)n;
}

void oxp_eval_nary(oxp_call *c, oxp_eval2 fn, uint32_t n, oxp_dtype t) {
    int64_t count = count_out(c);
    if (count < 0 || n == 0 || n > c->n_in || !oxp_elems_ready(c))
        return;
    const oxp_fact *out = &c->out[0];
    oxp_elem *e = OXP_NEWS(c->scratch, (size_t)count + 1, oxp_elem);
    for (uint32_t k = 0; k < n; k++) {
        const oxp_elem *x = oxp_input_elems(c, k);
        const oxp_fact *f = oxp_input(c, k);
        if (!x || !f)
            return;
        for (int64_t i = 0; i < count; i++) {
            uint32_t at = oxp_broadcast_index((uint32_t)i, out->type.rank, out->type.dims, f);
            if (at >= f->n_elems)
                return;
            e[i] = k == 0 ? x[at] : fn(c->dims, e[i], x[at], t);
        }
    }
    oxp_set_elems(c, 0, e, (uint32_t)count);
}

void oxp_eval_unary(oxp_call *c, oxp_eval1 fn, oxp_dtype t) {
    int64_t count = count_out(c);
    const oxp_fact *f = oxp_input(c, 0);
    if (count < 0 || !f || !oxp_elems_ready(c))
        return;
    const oxp_elem *x = oxp_input_elems(c, 0);
    if (!x || f->n_elems != (uint64_t)count)
        return;
    oxp_elem *e = OXP_NEWS(c->scratch, (size_t)count + 1, oxp_elem);
    for (int64_t i = 0; i < count; i++)
        e[i] = fn(c->dims, x[i], t);
    oxp_set_elems(c, 0, e, (uint32_t)count);
}
