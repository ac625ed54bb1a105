/* contrib.c - ONNX Runtime's com.microsoft operators that belong to no other family. */
#include "ops/util.h"

#define MS "com.microsoft"

static void infer_two(oxp_call *c) {
    int rank;
    const oxp_dim *dims;
    if (c->n_out && c->n_in >= 2 && oxp_broadcast(c, c->in, 2, &rank, &dims))
        oxp_set(c, 0, oxp_first_type(c, 2), rank, dims);
}

static void infer_split_gelu(oxp_call *c) {
    const oxp_fact *x = oxp_input(c, 0);
    int rank = oxp_rank(x);
    if (rank < 1) {
        oxp_infer_rankless(c);
        return;
    }
    oxp_dim *d = oxp_dims_dup(c, x, 0);
    d[rank - 1] = oxp_dim_floordiv(c->dims, d[rank - 1], 2);
    oxp_set(c, 0, oxp_elem_type(x), rank, d);
}

static void infer_expand_dims(oxp_call *c) {
    const oxp_fact *x = oxp_input(c, 0);
    int rank = oxp_rank(x);
    oxp_dim axis = oxp_input_scalar(c, 1);
    if (rank < 0 || !oxp_dim_is_literal(axis)) {
        oxp_infer_rankless(c);
        return;
    }
    int a = oxp_axis(c, axis, rank + 1);
    if (a < 0)
        return;
    oxp_dim *d = OXP_NEWS(c->scratch, (size_t)rank + 1, oxp_dim);
    for (int i = 0, k = 0; i <= rank; i++)
        d[i] = i == a ? 1 : x->type.dims[k++];
    oxp_set(c, 0, oxp_elem_type(x), rank + 1, d);
}

/* Rows of a table: data's other axes around the indices' shape. */
static void gather(oxp_call *c, oxp_dtype t, const oxp_fact *data, const oxp_fact *index,
                   int axis) {
    int r = oxp_rank(data), q = oxp_rank(index), n = 0;
    if (r < 1 || q < 0 || axis < 0) {
        oxp_set_unknown_rank(c, 0, t);
        return;
    }
    oxp_dim *d = OXP_NEWS(c->scratch, (size_t)r + (size_t)q, oxp_dim);
    for (int i = 0; i < axis; i++)
        d[n++] = data->type.dims[i];
    for (int i = 0; i < q; i++)
        d[n++] = index->type.dims[i];
    for (int i = axis + 1; i < r; i++)
        d[n++] = data->type.dims[i];
    oxp_set(c, 0, t, n, d);
}

/* Scales and zero points: as the data, the quantized axis in blocks. */
static void check_block_scales(oxp_call *c, const oxp_fact *data) {
    const oxp_fact *s = oxp_input(c, 2);
    int rank = oxp_rank(data);
    int64_t block = oxp_call_int(c, "block_size", 128);
    if (rank < 1 || oxp_rank(s) < 0 || block < 1)
        return;
    if (oxp_rank(s) != rank) {
        oxp_op_error(c, "scales of rank %d for data of rank %d", oxp_rank(s), rank);
        return;
    }
    int axis = oxp_axis(c, oxp_call_int(c, "quantize_axis", 1), rank);
    for (int k = 0; k < rank && axis >= 0; k++) {
        oxp_dim d = oxp_dim_of(data, k);
        if (!oxp_same_size(c, 2, k, k == axis ? oxp_dim_ceildiv(c->dims, d, block) : d))
            return;
    }
}

static void infer_gather_quantized(oxp_call *c) {
    const oxp_fact *data = oxp_input(c, 0);
    int rank = oxp_rank(data);
    oxp_dtype t = oxp_elem_type(oxp_input(c, 2));
    int64_t bits = oxp_call_int(c, "bits", 4);
    oxp_fact wide = data ? *data : (oxp_fact){0};
    if (rank > 0 && oxp_elem_type(data) == OXP_UINT8 && bits > 0 && bits < 8) {
        /* several values packed in a byte of the last axis */
        oxp_dim *d = oxp_dims_dup(c, data, 0);
        d[rank - 1] = oxp_dim_mul(c->dims, d[rank - 1], 8 / bits);
        wide.type.dims = d;
    }
    int axis = rank > 0 ? oxp_axis(c, oxp_call_int(c, "gather_axis", 0), rank) : -1;
    check_block_scales(c, &wide);
    if (axis > 0 && oxp_elem_type(data) == OXP_UINT8)
        oxp_op_invalid(c, "gather_axis is %d, for packed bytes it must be 0", axis);
    gather(c, t, data ? &wide : NULL, oxp_input(c, 1), axis);
}

static void infer_embedding(oxp_call *c) {
    const oxp_fact *w = oxp_input(c, 0);
    gather(c, oxp_elem_type(w), w, oxp_input(c, 1), 0);
}

/* Windows of `size` every `step` along one axis: [.., (d - size) / step + 1, .., size] */
static void infer_unfold(oxp_call *c) {
    const oxp_fact *x = oxp_input(c, 0);
    int rank = oxp_rank(x);
    int64_t size = oxp_call_int(c, "size", 1), step = oxp_call_int(c, "step", 1);
    int a = rank > 0 ? oxp_axis(c, oxp_call_int(c, "dim", -1), rank) : -1;
    if (a < 0 || step < 1) {
        oxp_infer_rankless(c);
        return;
    }
    oxp_dim *d = oxp_dims_dup(c, x, 1);
    if (oxp_dim_is_literal(d[a]) && !oxp_dim_is_unknown(d[a]) && size > d[a])
        oxp_op_error(c, "windows of %lld of an axis of size %lld", (long long)size,
                     (long long)d[a]);
    oxp_dim span = oxp_dim_sub(c->dims, d[a], oxp_dim_literal(size));
    d[a] = oxp_dim_add(c->dims, oxp_dim_floordiv(c->dims, span, step), 1);
    d[rank] = oxp_dim_literal(size);
    oxp_set(c, 0, oxp_elem_type(x), rank + 1, d);
}

static void infer_unique(oxp_call *c) {
    oxp_dim n = oxp_dim_fresh(c->dims);
    oxp_set(c, 0, oxp_elem_type(oxp_input(c, 0)), 1, &n);
    if (c->n_out > 1)
        oxp_set_shape_of(c, 1, OXP_INT64, oxp_input(c, 0));
    if (c->n_out > 2)
        oxp_set(c, 2, OXP_INT64, 1, &n);
}

static void infer_finite(oxp_call *c) {
    oxp_set(c, 0, OXP_BOOL, 0, NULL);
}

static void infer_ngram(oxp_call *c) {
    const oxp_fact *scores = oxp_input(c, 1);
    if (scores)
        oxp_set_like(c, 0, scores);
}

static void infer_remove_padding(oxp_call *c) {
    const oxp_fact *x = oxp_input(c, 0);
    oxp_dim batch = oxp_dim_of(x, 0);
    oxp_dim y[2] = {oxp_dim_fresh(c->dims), oxp_dim_of(x, 2)};
    oxp_dim offset[2] = {batch, oxp_dim_of(x, 1)};
    oxp_dim ends = oxp_dim_add(c->dims, batch, 1), one = 1;
    oxp_set(c, 0, oxp_elem_type(x), 2, y);
    if (c->n_out > 1)
        oxp_set(c, 1, OXP_INT32, 2, offset);
    if (c->n_out > 2)
        oxp_set(c, 2, OXP_INT32, 1, &ends);
    if (c->n_out > 3)
        oxp_set(c, 3, OXP_INT32, 1, &one);
}

static void infer_restore_padding(oxp_call *c) {
    const oxp_fact *x = oxp_input(c, 0), *offset = oxp_input(c, 1);
    oxp_dim d[3] = {oxp_dim_of(offset, 0), oxp_dim_of(offset, 1), oxp_dim_of(x, 1)};
    oxp_set(c, 0, oxp_elem_type(x), 3, d);
}

/* Two elements are a complex number: (ac - bd, ad + bc). */
static void cost_complex(const oxp_call *c, oxp_cost *cost) {
    oxp_cost_per_out(c, cost, 3);
}

static void cost_split_gelu(const oxp_call *c, oxp_cost *cost) {
    oxp_cost_per_out(c, cost, 4);
}

static const oxp_op table[] = {
    {"ComplexMul", MS, OXP_OP_ELEMENTWISE, 0, infer_two, cost_complex, NULL},
    {"ComplexMulConj", MS, OXP_OP_ELEMENTWISE, 0, infer_two, cost_complex, NULL},
    {"GatedAdd", MS, OXP_OP_ELEMENTWISE, 0, oxp_infer_like, NULL, NULL},
    {"BiasSplitGelu", MS, OXP_OP_ACTIVATION, 2, infer_split_gelu, cost_split_gelu, NULL},
    {"ExpandDims", MS, OXP_OP_VIEW, 0, infer_expand_dims, NULL, NULL},
    {"GatherBlockQuantized", MS, OXP_OP_MOVE | OXP_OP_QUANT, 0xd, infer_gather_quantized, NULL,
     NULL},
    {"TorchEmbedding", MS, OXP_OP_MOVE, 1, infer_embedding, NULL, NULL},
    {"UnfoldTensor", MS, OXP_OP_MOVE, 0, infer_unfold, NULL, NULL},
    {"Trilu", MS, OXP_OP_MOVE, 0, oxp_infer_like, NULL, NULL},
    {"Unique", MS, OXP_OP_DATA_SHAPE, 0, infer_unique, oxp_cost_read_in, NULL},
    {"IsAllFinite", MS, OXP_OP_REDUCE, 0, infer_finite, oxp_cost_read_in, NULL},
    {"NGramRepeatBlock", MS, OXP_OP_MOVE, 0, infer_ngram, NULL, NULL},
    {"RemovePadding", MS, OXP_OP_MOVE | OXP_OP_DATA_SHAPE, 0, infer_remove_padding, NULL, NULL},
    {"RestorePadding", MS, OXP_OP_MOVE, 0, infer_restore_padding, NULL, NULL},
    {"SampleOp", MS, OXP_OP_ELEMENTWISE, 0, oxp_infer_like, NULL, NULL},
};

static const oxp_op_need needs[] = {
    {"UnfoldTensor", "size>=1; step>=1; dim@0"},
    {"ExpandDims", "1:()|1"},
    {"Trilu", "0:*,?,?; 1:()|1"},
    {"BiasSplitGelu", "0:?,?,h; 1:h"},
    {"GatherBlockQuantized", "block_size{16,32,64,128,256}; bits{2,4,8}"},
};
const oxp_op_family oxp_ops_contrib = {table, OXP_COUNT(table), needs, OXP_COUNT(needs)};
