/* random.c - random tensors: never folded, never shared. */
#include "ops/util.h"

static void infer_shaped(oxp_call *c) {
    size_t n;
    const int64_t *shape = oxp_call_ints(c, "shape", &n);
    oxp_dim *d = OXP_NEWS(c->scratch, n + 1, oxp_dim);
    for (size_t i = 0; i < n; i++)
        d[i] = oxp_dim_literal(shape[i]);
    if (n <= INT32_MAX)
        oxp_set(c, 0, oxp_call_dtype(c, "dtype", OXP_FLOAT), shape ? (int)n : -1, d);
}

static void infer_shaped_like(oxp_call *c) {
    const oxp_fact *x = oxp_input(c, 0);
    oxp_set_shape_of(c, 0, oxp_call_dtype(c, "dtype", oxp_elem_type(x)), x);
}

static void infer_multinomial(oxp_call *c) {
    oxp_dim d[2] = {oxp_dim_of(oxp_input(c, 0), 0),
                    oxp_dim_literal(oxp_call_int(c, "sample_size", 1))};
    oxp_set(c, 0, oxp_call_dtype(c, "dtype", OXP_INT32), 2, d);
}

#define R OXP_OP_RANDOM
static const oxp_op table[] = {
    {"RandomNormal", "", R, 0, infer_shaped, NULL, NULL},
    {"RandomUniform", "", R, 0, infer_shaped, NULL, NULL},
    {"RandomNormalLike", "", R, 0, infer_shaped_like, NULL, NULL},
    {"RandomUniformLike", "", R, 0, infer_shaped_like, NULL, NULL},
    {"Bernoulli", "", R, 0, infer_shaped_like, NULL, oxp_range_unit},
    {"Multinomial", "", R, 0, infer_multinomial, oxp_cost_read_in, NULL},
};

static const oxp_op_need needs[] = {
    {"RandomNormal RandomUniform", "dtype>=1; dtype<=28; shape>=0"},
    {"RandomNormalLike RandomUniformLike Bernoulli Multinomial", "dtype>=1; dtype<=28"},
};
const oxp_op_family oxp_ops_random = {table, OXP_COUNT(table), needs, OXP_COUNT(needs)};
