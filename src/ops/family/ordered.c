/* ordered.c - ONNX Runtime's int8 operators with cuBLASLt layouts (QOrdered*), block floating
 * point, and block-scaled 4 and 8 bit weights. */
#include "ops/util.h"

#define MS "com.microsoft"

enum { ORDER_COL = 0 }; /* cublasLt's name for matrices stored column by column */

/* The second factor is given transposed when it is stored column by column. */
static void infer_matmul(oxp_call *c) {
    const oxp_fact *a = oxp_input(c, 0), *b = oxp_input(c, 2);
    int rank = oxp_rank(a);
    if (rank < 1) {
        oxp_infer_rankless(c);
        return;
    }
    bool columns = oxp_call_int(c, "order_B", ORDER_COL) == ORDER_COL;
    oxp_dim *d = oxp_dims_dup(c, a, 0);
    d[rank - 1] = oxp_dim_of(b, columns ? -2 : -1);
    oxp_set(c, 0, OXP_INT8, rank, d);
}

/* Integer products, and one flop an output for the scale, one more for the bias. */
static void cost_matmul(const oxp_call *c, oxp_cost *cost) {
    uint64_t n, k;
    if (!oxp_out_count(c, 0, &n) || !oxp_dim_count(oxp_dim_of(oxp_input(c, 0), -1), &k))
        return;
    oxp_cost_int_macs(cost, oxp_sat_mul(n, k), 0);
    cost->flops = oxp_sat_mul(n, oxp_input(c, 5) ? 2 : 1);
}

/* input [batch, sequence, in], weights [in, hidden] for query, key and value */
static void infer_attention(oxp_call *c) {
    const oxp_fact *x = oxp_input(c, 0);
    oxp_dim d[3] = {oxp_dim_of(x, 0), oxp_dim_of(x, 1), oxp_dim_of(oxp_input(c, 7), 1)};
    oxp_set(c, 0, OXP_INT8, 3, d);
}

static void cost_attention(const oxp_call *c, oxp_cost *cost) {
    const oxp_fact *x = oxp_input(c, 0);
    uint64_t n, columns = 0, scores, hidden;
    if (!oxp_in_count(c, 0, &n) || !oxp_dim_count(oxp_dim_of(oxp_input(c, 7), 1), &hidden))
        return;
    for (uint32_t slot = 5; slot <= 7; slot++) {
        uint64_t w;
        if (!oxp_dim_count(oxp_dim_of(oxp_input(c, slot), 1), &w))
            return;
        columns = oxp_sat_add(columns, w);
    }
    oxp_dim pairs[3] = {oxp_dim_of(x, 0), oxp_dim_of(x, 1), oxp_dim_of(x, 1)};
    if (!oxp_dims_product(pairs, 3, &scores))
        return;
    uint64_t heads = (uint64_t)oxp_call_int(c, "num_heads", 1);
    uint64_t macs =
        oxp_sat_add(oxp_sat_mul(n, columns), oxp_sat_mul(scores, oxp_sat_mul(2, hidden)));
    oxp_cost_int_macs(cost, macs, 0);
    cost->flops = oxp_sat_mul(oxp_sat_mul(scores, heads), 6); /* softmax and scaling */
}

static void infer_to_int8(oxp_call *c) {
    oxp_set_shape_of(c, 0, OXP_INT8, oxp_input(c, 0));
}

static void infer_from_int8(oxp_call *c) {
    oxp_set_shape_of(c, 0, oxp_call_dtype(c, "to", OXP_FLOAT), oxp_input(c, 0));
}

static void cost_gelu(const oxp_call *c, oxp_cost *cost) {
    oxp_cost_per_out(c, cost, 8);
}

static void cost_layer_norm(const oxp_call *c, oxp_cost *cost) {
    oxp_cost_per_in(c, cost, oxp_input(c, 3) ? 8 : 7);
}

/* ---- block floating point: the format decides how many bytes ---- */
static void infer_to_bfp(oxp_call *c) {
    oxp_dim bytes = oxp_dim_fresh(c->dims);
    int rank = oxp_rank(oxp_input(c, 0));
    oxp_dim axes = rank >= 0 ? (oxp_dim)rank : OXP_DIM_UNKNOWN;
    if (oxp_has_out(c, 0))
        oxp_set(c, 0, OXP_UINT8, 1, &bytes);
    for (uint32_t i = 1; i < c->n_out && i < 3; i++)
        oxp_set(c, i, OXP_INT64, 1, &axes);
}

static void infer_from_bfp(oxp_call *c) {
    const oxp_dim *shape;
    int rank = oxp_input_ints(c, 1, &shape);
    oxp_dtype t = oxp_call_dtype(c, "dtype", OXP_FLOAT);
    if (rank >= 0)
        oxp_set(c, 0, t, rank, shape);
    else
        oxp_set_unknown_rank(c, 0, t);
}

/* ---- block-scaled weights [N, K]: two values a byte for 4 bits ---- */
static void infer_scaled(oxp_call *c) {
    const oxp_fact *a = oxp_input(c, 0);
    int rank = oxp_rank(a);
    if (rank < 1) {
        oxp_infer_rankless(c);
        return;
    }
    oxp_dim *d = oxp_dims_dup(c, a, 0);
    d[rank - 1] = oxp_dim_of(oxp_input(c, 1), 0);
    oxp_set(c, 0, oxp_elem_type(a), rank, d);
}

static void cost_scaled(const oxp_call *c, oxp_cost *cost, uint32_t bias) {
    uint64_t n, k;
    if (!oxp_out_count(c, 0, &n) || !oxp_dim_count(oxp_dim_of(oxp_input(c, 0), -1), &k))
        return;
    oxp_cost_macs(cost, oxp_sat_mul(n, k), oxp_input(c, bias) ? n : 0);
}

static void cost_fp4(const oxp_call *c, oxp_cost *cost) {
    cost_scaled(c, cost, 5);
}

static void cost_fp8(const oxp_call *c, oxp_cost *cost) {
    cost_scaled(c, cost, 4);
}

#define Q  OXP_OP_QUANT
#define QM (OXP_OP_QUANT | OXP_OP_MATMUL)
#define M  (OXP_OP_MATMUL | OXP_OP_ACCUMULATES)
static const oxp_op table[] = {
    {"QOrderedMatMul", MS, QM, 0x2c, infer_matmul, cost_matmul, NULL},
    {"QOrderedAttention", MS, Q | OXP_OP_ATTENTION, 0x3fe0, infer_attention, cost_attention, NULL},
    {"QOrderedLongformerAttention", MS, Q | OXP_OP_ATTENTION, 0, infer_to_int8, NULL, NULL},
    {"QOrderedGelu", MS, Q | OXP_OP_ACTIVATION, 0, infer_to_int8, cost_gelu, NULL},
    {"QOrderedLayerNormalization", MS, Q | OXP_OP_NORM, 0xc, infer_to_int8, cost_layer_norm, NULL},
    {"QuantizeWithOrder", MS, Q, 0, infer_to_int8, NULL, NULL},
    {"DequantizeWithOrder", MS, Q, 0, infer_from_int8, NULL, NULL},
    {"QuantizeBFP", MS, Q, 0, infer_to_bfp, oxp_cost_read_in, NULL},
    {"DequantizeBFP", MS, Q, 0, infer_from_bfp, NULL, NULL},
    {"MatMulBlockQuantizedFp4Weight", MS, M, 0x2e, infer_scaled, cost_fp4, NULL},
    {"MatMulBlockQuantizedFp8Weight", MS, M, 0x16, infer_scaled, cost_fp8, NULL},
};
const oxp_op_family oxp_ops_ordered = {table, OXP_COUNT(table), NULL, 0};
