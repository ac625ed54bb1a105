/* util.c - what the operator families share. */
#include "ops/util.h"

#include <math.h>
#include <string.h>

oxp_dim *oxp_dims_dup(oxp_call *c, const oxp_fact *f, int extra) {
    int rank = oxp_rank(f);
    size_t n = rank < 0 ? 0 : (size_t)rank;
    oxp_dim *d = OXP_NEWS(c->scratch, n + (size_t)extra + 1, oxp_dim);
    if (n)
        memcpy(d, f->type.dims, n * sizeof *d);
    return d;
}

oxp_dtype oxp_first_type(const oxp_call *c, uint32_t n) {
    for (uint32_t i = 0; i < n && i < c->n_in; i++) {
        oxp_dtype t = oxp_elem_type(oxp_input(c, i));
        if (t != OXP_UNDEFINED)
            return t;
    }
    return OXP_UNDEFINED;
}

void oxp_infer_like(oxp_call *c) {
    const oxp_fact *x = oxp_input(c, 0);
    if (x && c->n_out)
        oxp_set_like(c, 0, x);
}

void oxp_infer_like_all(oxp_call *c) {
    const oxp_fact *x = oxp_input(c, 0);
    for (uint32_t i = 0; x && i < c->n_out; i++)
        oxp_set_like(c, i, x);
}

void oxp_infer_rankless(oxp_call *c) {
    if (c->n_out)
        oxp_set_unknown_rank(c, 0, oxp_elem_type(oxp_input(c, 0)));
}

bool oxp_in_count(const oxp_call *c, uint32_t slot, uint64_t *n) {
    const oxp_fact *f = oxp_input(c, slot);
    return f && oxp_elements_literal(f, n);
}

bool oxp_out_count(const oxp_call *c, uint32_t slot, uint64_t *n) {
    return slot < c->n_out && oxp_elements_literal(&c->out[slot], n);
}

bool oxp_dim_count(oxp_dim d, uint64_t *n) {
    if (!oxp_dim_is_literal(d) || d < 0)
        return false;
    *n = (uint64_t)d;
    return true;
}

bool oxp_dims_product(const oxp_dim *d, int n, uint64_t *out) {
    *out = 1;
    for (int i = 0; i < n; i++) {
        uint64_t v;
        if (!oxp_dim_count(d[i], &v))
            return false;
        *out = oxp_sat_mul(*out, v);
    }
    return true;
}

oxp_dim oxp_input_scalar(const oxp_call *c, uint32_t slot) {
    const oxp_dim *v;
    return oxp_input_ints(c, slot, &v) >= 1 ? v[0] : OXP_DIM_UNKNOWN;
}

oxp_dtype oxp_call_dtype(const oxp_call *c, const char *name, oxp_dtype otherwise) {
    int64_t t = oxp_call_int(c, name, 0);
    return t > 0 && t < OXP_DTYPE_COUNT ? (oxp_dtype)t : otherwise;
}

size_t oxp_call_length(const oxp_call *c, const char *name) {
    const oxp_attr *a = oxp_call_attr(c, name);
    return a ? a->n : 0;
}

bool oxp_is_quantized(const oxp_call *c, uint32_t slot) {
    oxp_dtype t = oxp_elem_type(oxp_input(c, slot));
    return oxp_dtype_is_integer(t);
}

void oxp_cost_flops(oxp_cost *cost, uint64_t n) {
    cost->known = true;
    cost->flops = n;
}

void oxp_cost_int(oxp_cost *cost, uint64_t n) {
    cost->known = true;
    cost->int_ops = n;
}

void oxp_cost_moved(oxp_cost *cost, uint64_t n) {
    cost->known = true;
    cost->moved = n;
}

void oxp_cost_macs(oxp_cost *cost, uint64_t macs, uint64_t extra) {
    cost->known = true;
    cost->macs = macs;
    cost->flops = oxp_sat_add(oxp_sat_mul(macs, 2), extra);
}

void oxp_cost_int_macs(oxp_cost *cost, uint64_t macs, uint64_t extra) {
    cost->known = true;
    cost->int_ops = oxp_sat_add(oxp_sat_mul(macs, 2), extra);
}

void oxp_cost_per_in(const oxp_call *c, oxp_cost *cost, uint64_t per) {
    uint64_t n;
    if (oxp_in_count(c, 0, &n))
        oxp_cost_flops(cost, oxp_sat_mul(n, per));
}

void oxp_cost_per_out(const oxp_call *c, oxp_cost *cost, uint64_t per) {
    uint64_t n;
    if (oxp_out_count(c, 0, &n))
        oxp_cost_flops(cost, oxp_sat_mul(n, per));
}

void oxp_cost_none(const oxp_call *c, oxp_cost *cost) {
    (void)c;
    cost->known = true;
}

void oxp_cost_move_out(const oxp_call *c, oxp_cost *cost) {
    uint64_t n;
    if (oxp_out_count(c, 0, &n))
        oxp_cost_moved(cost, n);
}

void oxp_cost_read_in(const oxp_call *c, oxp_cost *cost) {
    oxp_cost_per_in(c, cost, 1);
}

oxp_range oxp_range_all(void) {
    return (oxp_range){-INFINITY, INFINITY};
}

oxp_range oxp_range_of(double lo, double hi) {
    /* NaN from inf - inf or 0 * inf: nothing can be said */
    if (isnan(lo))
        lo = -INFINITY;
    if (isnan(hi))
        hi = INFINITY;
    return (oxp_range){lo, hi};
}

oxp_range oxp_range_fix(oxp_range r) {
    return r.lo <= r.hi ? r : oxp_range_all();
}

oxp_range oxp_range_same(const oxp_call *c, const oxp_range *in, uint32_t slot) {
    (void)slot;
    return c->n_in ? oxp_range_fix(in[0]) : oxp_range_all();
}

oxp_range oxp_range_unit(const oxp_call *c, const oxp_range *in, uint32_t slot) {
    (void)c, (void)in, (void)slot;
    return oxp_range_of(0, 1);
}

bool oxp_axes_mark(oxp_call *c, const int64_t *axes, size_t n, int rank, bool *set) {
    for (size_t i = 0; i < n; i++) {
        int a = oxp_axis(c, axes[i], rank);
        if (a < 0)
            return false;
        set[a] = true;
    }
    return true;
}

bool oxp_indices_within(oxp_call *c, uint32_t slot, uint32_t first, uint32_t step, oxp_dim size) {
    const oxp_elem *e = oxp_input_elems(c, slot);
    if (!e || !oxp_dim_is_literal(size) || oxp_dim_is_unknown(size))
        return true;
    for (uint32_t i = first; i < oxp_input(c, slot)->n_elems; i += step)
        if (e[i].known && oxp_dim_is_literal(e[i].i) && !oxp_dim_is_unknown(e[i].i) &&
            (e[i].i < -size || e[i].i >= size)) {
            oxp_op_error(c, "index %lld is outside of an axis of size %lld", (long long)e[i].i,
                         (long long)size);
            return false;
        }
    return true;
}

bool oxp_same_size(oxp_call *c, uint32_t slot, int axis, oxp_dim size) {
    oxp_dim d = oxp_dim_of(oxp_input(c, slot), axis);
    if (oxp_dim_is_unknown(d) || oxp_dim_is_unknown(size) || !oxp_dim_is_literal(d) ||
        !oxp_dim_is_literal(size) || d == size)
        return true;
    oxp_op_error(c, "axis %d of input %u (%s) is %lld, not %lld", axis, slot,
                 oxp_input_name(c, slot), (long long)d, (long long)size);
    return false;
}
