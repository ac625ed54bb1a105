/* legacy.c - experimental operators of the first opsets that ONNX Runtime still runs and old files
 * hold; their schemas are among those of ONNX Runtime 1.31. */
#include "ops/util.h"

/* [N, C, H, W] without the borders left, top, right, bottom; or, from the left and top border, of
 * the size `scale` (height, width). */
static void infer_crop(oxp_call *c) {
    const oxp_fact *x = oxp_input(c, 0);
    size_t n_border, n_scale;
    const int64_t *border = oxp_call_ints(c, "border", &n_border);
    const int64_t *scale = oxp_call_ints(c, "scale", &n_scale);
    if (oxp_rank(x) != 4 || !border || n_border != 4) {
        if (oxp_rank(x) >= 0 || (border && n_border != 4))
            oxp_op_error(c, "input of rank %d, %zu borders", oxp_rank(x), border ? n_border : 0);
        oxp_infer_rankless(c);
        return;
    }
    oxp_dim *d = oxp_dims_dup(c, x, 0);
    for (int i = 0; i < 2; i++) { /* height, width */
        if (scale && n_scale == 2)
            d[2 + i] = oxp_dim_literal(scale[i]);
        else
            d[2 + i] =
                oxp_dim_sub(c->dims, oxp_dim_sub(c->dims, d[2 + i], border[1 - i]), border[3 - i]);
    }
    oxp_set(c, 0, oxp_elem_type(x), 4, d);
}

/* Shape: the attribute, or that of the input, and extra_shape behind.  (With input_as_shape the
 * input's elements would be the shape; by the schema they are floats, which no exporter writes.) */
static void infer_given(oxp_call *c) {
    size_t n = 0, n_extra = 0;
    const int64_t *shape = oxp_call_ints(c, "shape", &n);
    const int64_t *extra = oxp_call_ints(c, "extra_shape", &n_extra);
    const oxp_fact *x = oxp_input(c, 0);
    int rank = n > 64 ? -1 : (int)n;
    if (x)
        rank = oxp_call_int(c, "input_as_shape", 0) ? -1 : oxp_rank(x);
    if (rank < 0 || rank > 64 || n_extra > 64) {
        oxp_set_unknown_rank(c, 0, OXP_FLOAT);
        return;
    }
    oxp_dim *d = OXP_NEWS(c->scratch, (size_t)rank + n_extra + 1, oxp_dim);
    for (int i = 0; i < rank; i++)
        d[i] = x ? oxp_dim_of(x, i) : oxp_dim_literal(shape[i]);
    for (size_t i = 0; i < n_extra; i++)
        d[(size_t)rank + i] = oxp_dim_literal(extra[i]);
    oxp_set(c, 0, OXP_FLOAT, rank + (int)n_extra, d);
}

/* Sigmoids of two gates, a tanh, and the mix of old and new state. */
static void cost_gru_unit(const oxp_call *c, oxp_cost *cost) {
    oxp_cost_per_out(c, cost, 8);
}

static const oxp_op table[] = {
    {"Crop", "", OXP_OP_MOVE, 0, infer_crop, oxp_cost_move_out, oxp_range_same},
    {"GivenTensorFill", "", OXP_OP_MOVE, 0, infer_given, oxp_cost_move_out, NULL},
    {"GRUUnit", "", 0, 0, oxp_infer_like, cost_gru_unit, NULL},
};
const oxp_op_family oxp_ops_legacy = {table, OXP_COUNT(table), NULL, 0};
