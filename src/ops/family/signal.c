/* signal.c - Fourier transforms, windows, mel filters. */
#include "ops/util.h"

/* n / 2 + 1 bins of a one-sided spectrum. */
static oxp_dim bins(oxp_call *c, oxp_dim n) {
    return oxp_dim_add(c->dims, oxp_dim_floordiv(c->dims, n, 2), 1);
}

static oxp_dim length_of(const oxp_call *c, uint32_t slot, oxp_dim otherwise) {
    return oxp_input(c, slot) ? oxp_input_scalar(c, slot) : otherwise;
}

/* The axis is an attribute (default 1) until opset 20, then an input (default -2). */
static void infer_dft(oxp_call *c) {
    const oxp_fact *x = oxp_input(c, 0);
    int rank = oxp_rank(x);
    if (rank < 1) {
        oxp_infer_rankless(c);
        return;
    }
    int64_t axis = c->opset < 20 ? oxp_call_int(c, "axis", 1) : -2;
    bool known = true;
    if (c->opset >= 20 && oxp_input(c, 2)) {
        oxp_dim v = oxp_input_scalar(c, 2);
        known = oxp_dim_is_literal(v);
        axis = known ? v : axis;
    }
    oxp_dim *d = oxp_dims_dup(c, x, 0);
    bool one = oxp_call_int(c, "onesided", 0) != 0, inverse = oxp_call_int(c, "inverse", 0) != 0;
    d[rank - 1] = one && inverse ? 1 : 2;
    if (!known) {
        for (int i = 0; i < rank - 1; i++)
            d[i] = OXP_DIM_UNKNOWN;
        oxp_set(c, 0, oxp_elem_type(x), rank, d);
        return;
    }
    int a = oxp_axis(c, axis, rank);
    if (a == rank - 1)
        oxp_op_error(c, "axis %d holds the real and imaginary parts", a);
    if (a < 0 || a == rank - 1)
        return;
    oxp_dim whole = one && inverse ? oxp_dim_mul(c->dims, oxp_dim_sub(c->dims, d[a], 1), 2) : d[a];
    oxp_dim n = length_of(c, 1, whole);
    d[a] = one && !inverse ? bins(c, n) : n;
    oxp_set(c, 0, oxp_elem_type(x), rank, d);
}

/* [batch, frames, bins, 2] */
static void infer_stft(oxp_call *c) {
    const oxp_fact *x = oxp_input(c, 0);
    oxp_dim step = oxp_input_scalar(c, 1);
    oxp_dim window = oxp_input(c, 2) ? oxp_dim_of(oxp_input(c, 2), 0) : OXP_DIM_UNKNOWN;
    oxp_dim frame = length_of(c, 3, window);
    oxp_dim span = oxp_dim_sub(c->dims, oxp_dim_of(x, 1), frame);
    oxp_dim signal = oxp_dim_of(x, 1);
    if (oxp_dim_is_literal(signal) && oxp_dim_is_literal(frame) && !oxp_dim_is_unknown(signal) &&
        !oxp_dim_is_unknown(frame) && frame > signal)
        oxp_op_error(c, "frames of %lld in a signal of %lld", (long long)frame, (long long)signal);
    if (oxp_input(c, 2) && oxp_input(c, 3))
        (void)oxp_same_size(c, 2, 0, frame);
    bool one = oxp_call_int(c, "onesided", 1) != 0;
    oxp_dim d[4] = {oxp_dim_of(x, 0),
                    oxp_dim_add(c->dims, oxp_dim_floordiv(c->dims, span, step), 1),
                    one ? bins(c, frame) : frame, 2};
    oxp_set(c, 0, oxp_elem_type(x), 4, d);
}

static void infer_window(oxp_call *c) {
    oxp_dim n = oxp_input_scalar(c, 0);
    oxp_set(c, 0, oxp_call_dtype(c, "output_datatype", OXP_FLOAT), 1, &n);
}

static void infer_mel(oxp_call *c) {
    oxp_dim d[2] = {bins(c, oxp_input_scalar(c, 1)), oxp_input_scalar(c, 0)};
    oxp_set(c, 0, oxp_call_dtype(c, "output_datatype", OXP_FLOAT), 2, d);
}

/* Transforms of the last axes, as onnxruntime.contrib's: real and complex parts behind. */
static void infer_rfft(oxp_call *c) {
    const oxp_fact *x = oxp_input(c, 0);
    int rank = oxp_rank(x);
    if (rank < 1) {
        oxp_infer_rankless(c);
        return;
    }
    oxp_dim *d = oxp_dims_dup(c, x, 1);
    if (oxp_call_int(c, "onesided", 1))
        d[rank - 1] = bins(c, d[rank - 1]);
    d[rank] = 2;
    oxp_set(c, 0, oxp_elem_type(x), rank + 1, d);
}

static void infer_irfft(oxp_call *c) {
    const oxp_fact *x = oxp_input(c, 0);
    int rank = oxp_rank(x);
    if (rank < 2) {
        oxp_infer_rankless(c);
        return;
    }
    oxp_dim *d = oxp_dims_dup(c, x, 0);
    if (oxp_call_int(c, "onesided", 1))
        d[rank - 2] = oxp_dim_mul(c->dims, oxp_dim_sub(c->dims, d[rank - 2], 1), 2);
    oxp_set(c, 0, oxp_elem_type(x), rank - 1, d);
}

/* 5 n log2 n operations for a transform of n points (radix 2), over all the output. */
static uint64_t fft(uint64_t elements, uint64_t n) {
    uint64_t log = 0;
    while (log < 63 && ((uint64_t)1 << log) < n)
        log++;
    return oxp_sat_mul(elements, 5 * (log ? log : 1));
}

static void cost_dft(const oxp_call *c, oxp_cost *cost) {
    uint64_t n, m, len = 1;
    if (!oxp_in_count(c, 0, &n) || !oxp_out_count(c, 0, &m))
        return;
    const oxp_fact *x = oxp_input(c, 0);
    for (int i = 1; i < x->type.rank - 1; i++) {
        uint64_t d = (uint64_t)x->type.dims[i];
        len = d > len ? d : len;
    }
    oxp_cost_flops(cost, fft((n > m ? n : m) / 2, len));
}

static void cost_stft(const oxp_call *c, oxp_cost *cost) {
    uint64_t m;
    if (!oxp_out_count(c, 0, &m))
        return;
    uint64_t half = oxp_call_int(c, "onesided", 1) ? m : m / 2;
    oxp_cost_flops(cost, fft(half, (uint64_t)c->out[0].type.dims[2] * 2));
}

static oxp_range range_window(const oxp_call *c, const oxp_range *in, uint32_t slot) {
    (void)c, (void)in, (void)slot;
    return oxp_range_of(-1e-6, 1); /* Blackman's ends round below 0 */
}

#define A OXP_OP_ACCUMULATES
static const oxp_op table[] = {
    {"DFT", "", A, 0, infer_dft, cost_dft, NULL},
    {"STFT", "", A, 4, infer_stft, cost_stft, NULL},
    {"HannWindow", "", 0, 0, infer_window, NULL, range_window},
    {"HammingWindow", "", 0, 0, infer_window, NULL, range_window},
    {"BlackmanWindow", "", 0, 0, infer_window, NULL, range_window},
    {"MelWeightMatrix", "", 0, 0, infer_mel, NULL, NULL},
    {"Rfft", "com.microsoft", A, 0, infer_rfft, cost_dft, NULL},
    {"Irfft", "com.microsoft", A, 0, infer_irfft, cost_dft, NULL},
};

static const oxp_op_need needs[] = {
    {"DFT", "0:*,1|*,2; 1:()|1; 2:()|1; 1>=1"},
    {"STFT", "0:b,l,1|b,l,2|b,l; 1:()|1; 3:()|1; 1>=1; 3>=1"},
    {"HannWindow HammingWindow BlackmanWindow",
     "0:()|1; 0>0; output_datatype>=1; output_datatype<=28"},
    {"MelWeightMatrix", "0-4:()|1; 0>=1; 2>=1; output_datatype>=1; output_datatype<=28"},
};
const oxp_op_family oxp_ops_signal = {table, OXP_COUNT(table), needs, OXP_COUNT(needs)};
