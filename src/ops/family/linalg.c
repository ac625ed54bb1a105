/* linalg.c - determinants, inverses, distances, folding of columns. */
#include "ops/util.h"

static void infer_det(oxp_call *c) {
    const oxp_fact *x = oxp_input(c, 0);
    int rank = oxp_rank(x);
    if (rank < 2) {
        if (rank >= 0)
            oxp_op_error(c, "input of rank %d", rank);
        oxp_infer_rankless(c);
        return;
    }
    oxp_set(c, 0, oxp_elem_type(x), rank - 2, x->type.dims);
}

/* [N, C * prod(block), L] to [N, C, image...] */
static void infer_col2im(oxp_call *c) {
    const oxp_fact *x = oxp_input(c, 0);
    const oxp_dim *image, *block;
    int n = oxp_input_ints(c, 1, &image), m = oxp_input_ints(c, 2, &block);
    oxp_dim spatial = oxp_dim_of(oxp_input(c, 1), 0);
    if (n < 0 && !(oxp_dim_is_literal(spatial) && spatial > 0 && spatial < 64)) {
        oxp_infer_rankless(c);
        return;
    }
    int rank = (n >= 0 ? n : (int)spatial) + 2;
    oxp_dim *d = OXP_NEWS(c->scratch, (size_t)rank, oxp_dim);
    oxp_dim area = m >= 0 ? 1 : OXP_DIM_UNKNOWN;
    for (int i = 0; i < m; i++)
        area = oxp_dim_mul(c->dims, area, block[i]);
    d[0] = oxp_dim_of(x, 0);
    d[1] = oxp_dim_floordiv(c->dims, oxp_dim_of(x, 1), area);
    for (int i = 2; i < rank; i++)
        d[i] = n >= 0 ? image[i - 2] : OXP_DIM_UNKNOWN;
    oxp_set(c, 0, oxp_elem_type(x), rank, d);
}

static void infer_cdist(oxp_call *c) {
    oxp_dim d[2] = {oxp_dim_of(oxp_input(c, 0), 0), oxp_dim_of(oxp_input(c, 1), 0)};
    oxp_set(c, 0, oxp_first_type(c, 2), 2, d);
}

static void cost_cdist(const oxp_call *c, oxp_cost *cost) {
    uint64_t n, k;
    if (oxp_out_count(c, 0, &n) && oxp_dim_count(oxp_dim_of(oxp_input(c, 0), 1), &k))
        oxp_cost_flops(cost, oxp_sat_mul(oxp_sat_mul(n, k), 3));
}

/* Elimination: n^3 / 3 multiply-accumulates for a determinant, n^3 for an inverse. */
static void cost_cubic(const oxp_call *c, oxp_cost *cost, uint64_t divisor) {
    uint64_t all, n;
    const oxp_fact *x = oxp_input(c, 0);
    if (!oxp_in_count(c, 0, &all) || oxp_rank(x) < 2 || !oxp_dim_count(oxp_dim_of(x, -1), &n))
        return;
    oxp_cost_macs(cost, oxp_sat_mul(all, n) / divisor, 0);
}

static void cost_det(const oxp_call *c, oxp_cost *cost) {
    cost_cubic(c, cost, 3);
}

static void cost_inverse(const oxp_call *c, oxp_cost *cost) {
    cost_cubic(c, cost, 1);
}

#define A OXP_OP_ACCUMULATES
static const oxp_op table[] = {
    {"Det", "", A, 0, infer_det, cost_det, NULL},
    {"Col2Im", "", A, 0, infer_col2im, oxp_cost_read_in, NULL},
    {"Inverse", "com.microsoft", A, 0, oxp_infer_like, cost_inverse, NULL},
    {"CDist", "com.microsoft", A, 0, infer_cdist, cost_cdist, NULL},
};

static const oxp_op_need needs[] = {
    {"Det Inverse", "0:*,n,n"},
    {"Col2Im", "0:?,?,?; 1:s; 2:s; 1-2>=1; strides>=1; dilations>=1; pads>=0"},
    {"CDist", "0:?,k; 1:?,k; metric{euclidean,sqeuclidean}"},
};
const oxp_op_family oxp_ops_linalg = {table, OXP_COUNT(table), needs, OXP_COUNT(needs)};
