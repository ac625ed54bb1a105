/* quant.c - quantize, dequantize, and the elementwise operators on quantized tensors. */
#include "ops/util.h"

static oxp_dtype named_type(oxp_call *c) {
    int64_t t = oxp_call_int(c, "output_dtype", 0);
    return t > 0 && t < OXP_DTYPE_COUNT ? (oxp_dtype)t : OXP_UNDEFINED;
}

/* Scales in blocks of an axis: as the input, that axis divided. */
static bool check_blocks(oxp_call *c, int axis, int64_t block) {
    const oxp_fact *x = oxp_input(c, 0), *s = oxp_input(c, 1);
    int rank = oxp_rank(x);
    for (int i = 0; i < rank && oxp_rank(s) == rank; i++) {
        oxp_dim d = oxp_dim_of(x, i);
        if (!oxp_same_size(c, 1, i, i == axis ? oxp_dim_ceildiv(c->dims, d, block) : d))
            return false;
    }
    if (oxp_rank(s) == rank)
        return true;
    oxp_op_error(c, "scale of rank %d for blocks of an input of rank %d", oxp_rank(s), rank);
    return false;
}

/* One scale, one for each index of an axis, or (block_size) one for each block of an axis. */
static void check_scale(oxp_call *c) {
    const oxp_fact *x = oxp_input(c, 0), *s = oxp_input(c, 1), *z = oxp_input(c, 2);
    int rank = oxp_rank(x), rs = oxp_rank(s);
    uint64_t n, m;
    int64_t block = oxp_call_int(c, "block_size", 0);
    if (rank < 0 || rs < 0)
        return;
    bool one = block == 0 && oxp_elements_literal(s, &n) && n == 1;
    if (!one && rank > 0) {
        int axis = oxp_axis(c, oxp_call_int(c, "axis", 1), rank);
        if (axis < 0)
            return;
        if (block > 0)
            (void)check_blocks(c, axis, block);
        else if (rs != 1)
            oxp_op_error(c, "scale of rank %d, neither one value nor one for each of an axis", rs);
        else
            (void)oxp_same_size(c, 1, 0, oxp_dim_of(x, axis));
    }
    if (z && oxp_elements_literal(z, &m) && oxp_elements_literal(s, &n) && m != n)
        oxp_op_error(c, "%llu scales, but %llu zero points", (unsigned long long)n,
                     (unsigned long long)m);
}

static void infer_quantize(oxp_call *c) {
    oxp_dtype t = oxp_elem_type(oxp_input(c, 2)), named = named_type(c);
    if (t != OXP_UNDEFINED && named != OXP_UNDEFINED && t != named)
        oxp_op_error(c, "output_dtype is %s, but the zero point is %s", oxp_dtype_name(named),
                     oxp_dtype_name(t));
    check_scale(c);
    if (t == OXP_UNDEFINED)
        t = named;
    if (t == OXP_UNDEFINED)
        t = OXP_UINT8;
    if (c->n_out)
        oxp_set_shape_of(c, 0, t, oxp_input(c, 0));
}

static void infer_dequantize(oxp_call *c) {
    check_scale(c);
    oxp_dtype t = named_type(c);
    if (t == OXP_UNDEFINED)
        t = oxp_elem_type(oxp_input(c, 1));
    if (c->n_out)
        oxp_set_shape_of(c, 0, t != OXP_UNDEFINED ? t : OXP_FLOAT, oxp_input(c, 0));
}

static void infer_dynamic(oxp_call *c) {
    if (c->n_out > 0)
        oxp_set_shape_of(c, 0, OXP_UINT8, oxp_input(c, 0));
    if (c->n_out > 1)
        oxp_set(c, 1, OXP_FLOAT, 0, NULL);
    if (c->n_out > 2)
        oxp_set(c, 2, OXP_UINT8, 0, NULL);
}

/* A, its scale and zero point, B, its scale and zero point, those of the result. */
static void infer_binary(oxp_call *c) {
    const oxp_fact *f[2] = {oxp_input(c, 0), oxp_input(c, 3)};
    int rank;
    const oxp_dim *dims;
    if (c->n_out && oxp_broadcast(c, f, 2, &rank, &dims))
        oxp_set(c, 0, oxp_elem_type(f[0]), rank, dims);
    else
        oxp_set_unknown_rank(c, 0, oxp_elem_type(f[0]));
}

static void infer_where(oxp_call *c) {
    const oxp_fact *f[3] = {oxp_input(c, 0), oxp_input(c, 1), oxp_input(c, 4)};
    int rank;
    const oxp_dim *dims;
    if (c->n_out && oxp_broadcast(c, f, 3, &rank, &dims))
        oxp_set(c, 0, oxp_elem_type(f[1]), rank, dims);
    else
        oxp_set_unknown_rank(c, 0, oxp_elem_type(f[1]));
}

/* All tensors have the rank of the first, and the type of the result's zero point. */
static bool fits_parts(oxp_call *c, uint32_t slot, int rank) {
    const oxp_fact *x = oxp_input(c, slot);
    oxp_dtype t = oxp_elem_type(x), wanted = oxp_elem_type(oxp_input(c, 1));
    if (oxp_rank(x) >= 0 && oxp_rank(x) != rank)
        oxp_op_error(c, "input %u has rank %d, another has %d", slot, oxp_rank(x), rank);
    else if (t != OXP_UNDEFINED && wanted != OXP_UNDEFINED && t != wanted)
        oxp_op_error(c, "input %u is %s, the result %s", slot, oxp_dtype_name(t),
                     oxp_dtype_name(wanted));
    else
        return true;
    return false;
}

/* Scale and zero point of the result, then triples of tensor, scale, zero point. */
static void infer_concat(oxp_call *c) {
    const oxp_fact *first = oxp_input(c, 2);
    int rank = oxp_rank(first);
    oxp_dtype t = oxp_elem_type(first);
    if (c->n_out == 0)
        return;
    int axis = rank < 0 ? -1 : oxp_axis(c, oxp_call_int(c, "axis", 0), rank);
    if (axis < 0) {
        oxp_set_unknown_rank(c, 0, t);
        return;
    }
    oxp_dim *d = oxp_dims_dup(c, first, 0);
    if (c->n_in % 3 != 2)
        oxp_op_error(c, "%u inputs: they come in triples of tensor, scale and zero point after two",
                     c->n_in);
    for (uint32_t i = 2; i < c->n_in; i += 3)
        if (!fits_parts(c, i, rank))
            return;
    for (uint32_t i = 5; i < c->n_in; i += 3)
        for (int k = 0; k < rank; k++)
            if (k != axis && oxp_rank(oxp_input(c, i)) >= 0 && !oxp_same_size(c, i, k, d[k]))
                return;
    for (uint32_t i = 5; i < c->n_in; i += 3)
        d[axis] = oxp_dim_add(c->dims, d[axis], oxp_dim_of(oxp_input(c, i), axis));
    oxp_set(c, 0, t, rank, d);
}

static void infer_reduce_mean(oxp_call *c) {
    const oxp_fact *x = oxp_input(c, 0);
    int rank = oxp_rank(x), n = 0;
    size_t count;
    const int64_t *axes = oxp_call_ints(c, "axes", &count);
    bool keep = oxp_call_int(c, "keepdims", 1) != 0;
    if (rank < 0) {
        oxp_infer_rankless(c);
        return;
    }
    bool *set = OXP_NEWS(c->scratch, (size_t)rank + 1, bool);
    if (!oxp_axes_mark(c, axes, axes ? count : 0, rank, set))
        return;
    oxp_dim *d = oxp_dims_dup(c, x, 0);
    for (int i = 0; i < rank; i++) {
        if (axes && count && !set[i])
            d[n++] = d[i];
        else if (keep)
            d[n++] = 1;
    }
    oxp_set(c, 0, oxp_elem_type(x), n, d);
}

static void infer_int32(oxp_call *c) {
    const oxp_fact *f[2] = {oxp_input(c, 0), oxp_input(c, 2)};
    int rank;
    const oxp_dim *dims;
    if (c->n_out && oxp_broadcast(c, f, 2, &rank, &dims))
        oxp_set(c, 0, OXP_INT32, rank, dims);
    else
        oxp_set_unknown_rank(c, 0, OXP_INT32);
}

/* Minimum and maximum, then scaling, rounding and the zero point. */
static void cost_dynamic(const oxp_call *c, oxp_cost *cost) {
    oxp_cost_per_in(c, cost, 3);
}

static void cost_ints(const oxp_call *c, oxp_cost *cost) {
    uint64_t n;
    if (oxp_out_count(c, 0, &n))
        oxp_cost_int(cost, n);
}

static void cost_ints_in(const oxp_call *c, oxp_cost *cost) {
    uint64_t n;
    if (oxp_in_count(c, 0, &n))
        oxp_cost_int(cost, n);
}

#define Q  OXP_OP_QUANT
#define QE (OXP_OP_QUANT | OXP_OP_ELEMENTWISE)
#define MS "com.microsoft"
static const oxp_op table[] = {
    {"QuantizeLinear", "", QE, 7, infer_quantize, NULL, NULL},
    {"DequantizeLinear", "", QE, 7, infer_dequantize, NULL, NULL},
    {"DynamicQuantizeLinear", "", Q, 0, infer_dynamic, cost_dynamic, NULL},
    {"QuantizeLinear", MS, QE, 7, infer_quantize, NULL, NULL},
    {"DequantizeLinear", MS, QE, 7, infer_dequantize, NULL, NULL},
    {"QLinearAdd", MS, QE, 0, infer_binary, cost_ints, NULL},
    {"QLinearMul", MS, QE, 0, infer_binary, cost_ints, NULL},
    {"MulInteger", MS, QE, 0, infer_int32, cost_ints, NULL},
    {"QLinearSigmoid", MS, QE | OXP_OP_ACTIVATION, 0, oxp_infer_like, cost_ints, NULL},
    {"QLinearLeakyRelu", MS, QE | OXP_OP_ACTIVATION, 0, oxp_infer_like, cost_ints, NULL},
    {"QLinearSoftmax", MS, Q | OXP_OP_NORM, 0, oxp_infer_like, cost_ints, NULL},
    {"QLinearConcat", MS, Q | OXP_OP_MOVE, 0, infer_concat, oxp_cost_move_out, NULL},
    {"QLinearWhere", MS, QE | OXP_OP_MOVE, 0, infer_where, oxp_cost_move_out, NULL},
    {"QLinearReduceMean", MS, Q | OXP_OP_REDUCE, 0, infer_reduce_mean, cost_ints_in, NULL},
};

static const oxp_op_need needs[] = {
    {"QLinearAdd QLinearMul", "1-2:(); 4-5:(); 6-7:()"},
    {"QLinearSigmoid QLinearLeakyRelu", "1-4:()|1"},
    {"QLinearSoftmax", "1-4:()|1; axis@0"},
    {"QLinearReduceMean", "1-4:()|1; axes@0"},
    {"QLinearConcat", "0-1:()|1"},
    {"QuantizeLinear DequantizeLinear",
     "block_size>=0; output_dtype>=0; output_dtype<=28; saturate{0,1}"},
};
const oxp_op_family oxp_ops_quant = {table, OXP_COUNT(table), needs, OXP_COUNT(needs)};
