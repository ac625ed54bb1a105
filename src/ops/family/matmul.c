/* matmul.c - matrix products: numpy's rules, Gemm, and their quantized, packed and fused kin. */
#include "ops/util.h"

#include <string.h>

/* An operand seen as a stack of matrices. */
typedef struct operand {
    bool known;  /* the rank is */
    bool vector; /* rank 1: a row on the left, a column on the right; the axis leaves the result */
    oxp_fact batch; /* the leading axes, for broadcasting */
    oxp_dim rows, cols;
} operand;

static operand matrix(oxp_call *c, const oxp_fact *f, bool left, bool transposed,
                      bool trans_batch) {
    operand m = {0};
    int rank = oxp_rank(f);
    m.batch.type.kind = OXP_KIND_TENSOR;
    m.batch.type.rank = -1;
    if (rank < 1) {
        if (rank == 0)
            oxp_op_error(c, "a factor is a scalar");
        return m;
    }
    m.known = true;
    m.vector = rank == 1;
    if (m.vector) {
        m.rows = left ? 1 : f->type.dims[0];
        m.cols = left ? f->type.dims[0] : 1;
        m.batch.type.rank = 0;
        return m;
    }
    const oxp_dim *d = f->type.dims;
    m.batch.type.rank = rank - 2;
    m.batch.type.dims = trans_batch ? d + 1 : d;
    oxp_dim first = trans_batch ? d[0] : d[rank - 2];
    m.rows = transposed ? d[rank - 1] : first;
    m.cols = transposed ? first : d[rank - 1];
    return m;
}

static void product(oxp_call *c, oxp_dtype t, const operand *a, const operand *b) {
    if (c->n_out == 0)
        return;
    if (!a->known || !b->known) {
        oxp_set_unknown_rank(c, 0, t);
        return;
    }
    (void)oxp_unify(c, a->cols, b->rows, "inner dimension");
    const oxp_fact *batch[2] = {&a->batch, &b->batch};
    int rank;
    const oxp_dim *dims;
    if (!oxp_broadcast(c, batch, 2, &rank, &dims)) {
        oxp_set_unknown_rank(c, 0, t);
        return;
    }
    oxp_dim *d = OXP_NEWS(c->scratch, (size_t)rank + 2, oxp_dim);
    if (rank)
        memcpy(d, dims, (size_t)rank * sizeof *d);
    if (!a->vector)
        d[rank++] = a->rows;
    if (!b->vector)
        d[rank++] = b->cols;
    oxp_set(c, 0, t, rank, d);
}

static void infer_slots(oxp_call *c, uint32_t ia, uint32_t ib, oxp_dtype t) {
    operand a = matrix(c, oxp_input(c, ia), true, false, false);
    operand b = matrix(c, oxp_input(c, ib), false, false, false);
    product(c, t, &a, &b);
}

static void infer_matmul(oxp_call *c) {
    infer_slots(c, 0, 1, oxp_first_type(c, 2));
}

static void infer_matmul_integer(oxp_call *c) {
    infer_slots(c, 0, 1, OXP_INT32);
}

static void infer_qlinear_matmul(oxp_call *c) {
    oxp_dtype t = oxp_elem_type(oxp_input(c, 7));
    infer_slots(c, 0, 3, t != OXP_UNDEFINED ? t : oxp_elem_type(oxp_input(c, 0)));
}

static void infer_to_float(oxp_call *c) {
    oxp_dtype t = oxp_elem_type(oxp_input(c, 2));
    infer_slots(c, 0, 1, t != OXP_UNDEFINED ? t : OXP_FLOAT);
}

static void infer_dynamic(oxp_call *c) {
    infer_slots(c, 0, 1, oxp_elem_type(oxp_input(c, 0)));
}

static void infer_fused(oxp_call *c) {
    operand a = matrix(c, oxp_input(c, 0), true, oxp_call_int(c, "transA", 0) != 0,
                       oxp_call_int(c, "transBatchA", 0) != 0);
    operand b = matrix(c, oxp_input(c, 1), false, oxp_call_int(c, "transB", 0) != 0,
                       oxp_call_int(c, "transBatchB", 0) != 0);
    product(c, oxp_first_type(c, 2), &a, &b);
}

static void gemm(oxp_call *c, uint32_t ia, uint32_t ib, oxp_dtype t) {
    const oxp_fact *a = oxp_input(c, ia), *b = oxp_input(c, ib);
    if (c->n_out == 0)
        return;
    if ((oxp_rank(a) >= 0 && oxp_rank(a) != 2) || (oxp_rank(b) >= 0 && oxp_rank(b) != 2)) {
        oxp_op_error(c, "factors of rank %d and %d", oxp_rank(a), oxp_rank(b));
        oxp_set_unknown_rank(c, 0, t);
        return;
    }
    int ta = oxp_call_int(c, "transA", 0) != 0, tb = oxp_call_int(c, "transB", 0) != 0;
    oxp_dim d[2] = {oxp_dim_of(a, ta), oxp_dim_of(b, !tb)};
    (void)oxp_unify(c, oxp_dim_of(a, !ta), oxp_dim_of(b, tb), "inner dimension");
    oxp_set(c, 0, t, 2, d);
}

static void infer_gemm(oxp_call *c) {
    gemm(c, 0, 1, oxp_first_type(c, 3));
}

static void infer_qgemm(oxp_call *c) {
    oxp_dtype t = oxp_elem_type(oxp_input(c, 8));
    gemm(c, 0, 3, t != OXP_UNDEFINED ? t : OXP_FLOAT);
}

static void infer_gemm8(oxp_call *c) {
    gemm(c, 0, 1, (oxp_dtype)oxp_call_int(c, "dtype", OXP_FLOAT));
}

/* MatMulNBits: N rows of ceil(K / block_size) blocks of bits * block_size / 8 bytes, a scale each.
 */
static void check_packed(oxp_call *c) {
    int64_t n = oxp_call_int(c, "N", 0), k = oxp_call_int(c, "K", 0);
    int64_t block = oxp_call_int(c, "block_size", 0), bits = oxp_call_int(c, "bits", 4);
    uint64_t bytes, scales;
    if (!oxp_call_attr(c, "bits") && strcmp(c->node->op, "MatMulNBits") != 0)
        return;
    if (n < 1 || k < 1 || block < 1 || bits < 1 || bits > 8 || k > INT64_MAX - block)
        return;
    uint64_t blocks = oxp_sat_mul((uint64_t)n, (uint64_t)((k + block - 1) / block));
    uint64_t wanted = oxp_sat_mul(blocks, (uint64_t)(block * bits / 8));
    if (oxp_elem_type(oxp_input(c, 1)) == OXP_UINT8 && oxp_in_count(c, 1, &bytes) &&
        bytes != wanted)
        oxp_op_error(c, "%llu bytes of weights, not %llu for N, K, bits and block_size",
                     (unsigned long long)bytes, (unsigned long long)wanted);
    else if (oxp_in_count(c, 2, &scales) && scales != blocks)
        oxp_op_error(c, "%llu scales, not %llu: one for each block", (unsigned long long)scales,
                     (unsigned long long)blocks);
}

/* The weight is packed; its sizes are attributes. */
static void infer_packed(oxp_call *c) {
    const oxp_fact *a = oxp_input(c, 0);
    int rank = oxp_rank(a);
    const oxp_attr *n = oxp_call_attr(c, "N"), *k = oxp_call_attr(c, "K");
    const oxp_dim *shape; /* MatMulFpQ4: [K, N] as third input */
    int listed = n ? -1 : oxp_input_ints(c, 2, &shape);
    oxp_dim cols = n ? oxp_dim_literal(oxp_call_int(c, "N", 0)) : OXP_DIM_UNKNOWN;
    if (listed == 2)
        cols = shape[1];
    if (rank < 1) {
        oxp_infer_rankless(c);
        return;
    }
    check_packed(c);
    if (k)
        (void)oxp_unify(c, oxp_dim_of(a, -1), oxp_dim_literal(oxp_call_int(c, "K", 0)), "K");
    oxp_dim *d = oxp_dims_dup(c, a, 0);
    d[rank - 1] = cols;
    oxp_set(c, 0, oxp_elem_type(a), rank, d);
}

/* Output elements times the length of a row of A. */
static bool product_macs(const oxp_call *c, bool trans_a, uint64_t *n, uint64_t *macs) {
    const oxp_fact *a = oxp_input(c, 0);
    int rank = oxp_rank(a);
    uint64_t inner;
    if (!oxp_out_count(c, 0, n) || rank < 1)
        return false;
    oxp_dim k = a->type.dims[trans_a && rank > 1 ? rank - 2 : rank - 1];
    if (trans_a && rank > 1 && oxp_call_int(c, "transBatchA", 0))
        k = a->type.dims[0];
    if (!oxp_dim_count(k, &inner))
        return false;
    *macs = oxp_sat_mul(*n, inner);
    return true;
}

static void cost_product(const oxp_call *c, oxp_cost *cost, uint32_t bias, bool ints) {
    uint64_t n, macs;
    if (!product_macs(c, oxp_call_int(c, "transA", 0) != 0, &n, &macs))
        return;
    (ints ? oxp_cost_int_macs : oxp_cost_macs)(cost, macs, oxp_input(c, bias) ? n : 0);
}

static void cost_matmul(const oxp_call *c, oxp_cost *cost) {
    cost_product(c, cost, UINT32_MAX, oxp_is_quantized(c, 0));
}

static void cost_biased(const oxp_call *c, oxp_cost *cost) {
    cost_product(c, cost, 2, oxp_is_quantized(c, 0));
}

static void cost_int(const oxp_call *c, oxp_cost *cost) {
    cost_product(c, cost, UINT32_MAX, true);
}

static void cost_qgemm(const oxp_call *c, oxp_cost *cost) {
    cost_product(c, cost, 6, true);
}

/* Scaling back to floats: one flop per output, one more for the bias. */
static void cost_scaled(const oxp_call *c, oxp_cost *cost, uint32_t bias) {
    uint64_t n;
    cost_product(c, cost, UINT32_MAX, true);
    if (cost->known && oxp_out_count(c, 0, &n))
        cost->flops = oxp_sat_mul(n, oxp_input(c, bias) ? 2 : 1);
}

static void cost_to_float(const oxp_call *c, oxp_cost *cost) {
    cost_scaled(c, cost, 6);
}

static void cost_dynamic(const oxp_call *c, oxp_cost *cost) {
    cost_scaled(c, cost, 4);
}

static void cost_nbits(const oxp_call *c, oxp_cost *cost) {
    cost_product(c, cost, 5, false);
}

static void cost_fused_gemm(const oxp_call *c, oxp_cost *cost) {
    uint64_t n;
    cost_biased(c, cost);
    if (cost->known && oxp_out_count(c, 0, &n))
        cost->flops = oxp_sat_add(cost->flops, n); /* the activation */
}

#define M (OXP_OP_MATMUL | OXP_OP_ACCUMULATES)
#define Q (OXP_OP_MATMUL | OXP_OP_QUANT)
static const oxp_op table[] = {
    {"MatMul", "", M, 3, infer_matmul, cost_matmul, NULL},
    {"Gemm", "", M, 7, infer_gemm, cost_biased, NULL},
    {"MatMulInteger", "", Q, 15, infer_matmul_integer, cost_int, NULL},
    {"QLinearMatMul", "", Q, 0x7f, infer_qlinear_matmul, cost_int, NULL},
    {"FusedMatMul", "com.microsoft", M, 3, infer_fused, cost_matmul, NULL},
    {"TransposeMatMul", "com.microsoft", M, 3, infer_fused, cost_matmul, NULL},
    {"FusedMatMulActivation", "com.microsoft", M, 3, infer_fused, cost_fused_gemm, NULL},
    {"SparseToDenseMatMul", "com.microsoft", M, 3, infer_fused, cost_matmul, NULL},
    {"FusedGemm", "com.microsoft", M, 7, infer_gemm, cost_fused_gemm, NULL},
    {"GemmFastGelu", "com.microsoft", M, 6, infer_matmul, cost_fused_gemm, NULL},
    {"GemmFloat8", "com.microsoft", M, 6, infer_gemm8, cost_biased, NULL},
    {"MatMulNBits", "com.microsoft", M, 0x2e, infer_packed, cost_nbits, NULL},
    {"MatMulBnb4", "com.microsoft", M, 6, infer_packed, cost_matmul, NULL},
    {"MatMulFpQ4", "com.microsoft", M, 2, infer_packed, cost_matmul, NULL},
    {"MatMulInteger16", "com.microsoft", Q, 3, infer_matmul_integer, cost_int, NULL},
    {"MatMulIntegerToFloat", "com.microsoft", Q, 0x7e, infer_to_float, cost_to_float, NULL},
    {"DynamicQuantizeMatMul", "com.microsoft", Q, 0x1e, infer_dynamic, cost_dynamic, NULL},
    {"QGemm", "com.microsoft", Q, 0x7e, infer_qgemm, cost_qgemm, NULL},
};

static const oxp_op_need needs[] = {
    {"Gemm FusedGemm", "2~o"},
    {"MatMulInteger", "0:*,m,?|?; 1:*,?,n|?; 2:()|1|m|*,m,1; 3:()|1|n|*,1,n"},
    {"QLinearMatMul", "0:*,m,?|?; 3:*,?,n|?; 1-2:()|1|m|*,m,1; 4-5:()|1|n|*,1,n; 6-7:()|1|m|*,m,1"},
    {"MatMulIntegerToFloat", "1:*,?,n|?; 2:()|1; 3:()|1|n; 4:()|1; 5:()|1|n; 6:n|?,?"},
    {"DynamicQuantizeMatMul", "1:*,?,n|?; 2-3:()|1|n; 4:n|?,?"},
    {"MatMulNBits",
     "k=K; n=N; 0:*,k; bits{2,4,8}; block_size{16,32,64,128,256}; K>=1; N>=1; 2:?|n,?; 5:n"},
    {"QGemm", "6~o; 4-5:()|?; 1-2:()|1; 7-8:()|1"},
};
const oxp_op_family oxp_ops_matmul = {table, OXP_COUNT(table), needs, OXP_COUNT(needs)};
