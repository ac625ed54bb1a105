/* conv.c - convolutions: Conv and its transposed, integer, quantized, deformable and fused kin. */
#include "ops/util.h"
#include "ops/window.h"

#include <string.h>

/* Where the parts of a convolution are among its inputs and axes. */
typedef struct layout {
    uint32_t x, w, bias;
    bool channels_last;
} layout;

/* ONNX Runtime refuses both, even where the pads are 0. */
static void check_padding(oxp_call *c) {
    const char *mode = oxp_call_string(c, "auto_pad", "NOTSET");
    if (*mode && strcmp(mode, "NOTSET") != 0 && oxp_call_length(c, "pads") > 0)
        oxp_op_invalid(c, "pads together with auto_pad %.40s", mode);
}

/* Kernel sizes: of the weight where they are known, else of the attribute. */
static const oxp_dim *kernel_of(oxp_call *c, const oxp_fact *w, int spatial) {
    size_t n;
    const int64_t *attr = oxp_call_ints(c, "kernel_shape", &n);
    oxp_dim *k = OXP_NEWS(c->scratch, (size_t)spatial + 1, oxp_dim);
    for (int i = 0; i < spatial; i++) {
        k[i] = oxp_rank(w) == spatial + 2 ? w->type.dims[i + 2] : OXP_DIM_UNKNOWN;
        if (!attr || n == 0)
            continue;
        if (n != (size_t)spatial) {
            oxp_op_error(c, "kernel_shape has %zu values, not %d", n, spatial);
            return NULL;
        }
        k[i] = oxp_unify(c, k[i], oxp_dim_literal(attr[i]), "kernel size");
    }
    return k;
}

static int conv_rank(oxp_call *c, const oxp_fact *x, const oxp_fact *w) {
    int rx = oxp_rank(x), rw = oxp_rank(w);
    if (rx >= 0 && rw >= 0 && rx != rw) {
        oxp_op_error(c, "input of rank %d, weight of rank %d", rx, rw);
        return -1;
    }
    int rank = rx >= 0 ? rx : rw;
    if (rank >= 0 && rank < 3) {
        oxp_op_error(c, "input of rank %d", rank);
        return -1;
    }
    return rank;
}

static void infer_forward(oxp_call *c, layout l, oxp_dtype t) {
    const oxp_fact *x = oxp_input(c, l.x), *w = oxp_input(c, l.w);
    int rank = conv_rank(c, x, w);
    check_padding(c);
    if (c->n_out == 0)
        return;
    if (rank < 0) {
        oxp_set_unknown_rank(c, 0, t);
        return;
    }
    int spatial = rank - 2, first = l.channels_last ? 1 : 2,
        channel = l.channels_last ? rank - 1 : 1;
    const oxp_dim *k = kernel_of(c, w, spatial);
    oxp_window win;
    if (!k || !oxp_window_read(c, &win, spatial, k)) {
        oxp_set_unknown_rank(c, 0, t);
        return;
    }
    oxp_dim *d = OXP_NEWS(c->scratch, (size_t)rank, oxp_dim);
    d[0] = oxp_dim_of(x, 0);
    d[channel] = oxp_dim_of(w, 0);
    int64_t group = oxp_call_int(c, "group", 1);
    if (group < 1 || (oxp_dim_is_literal(d[channel]) && d[channel] % group != 0))
        oxp_op_error(c, "group %lld does not divide the output channels", (long long)group);
    else if (x && w && oxp_rank(x) == rank && oxp_rank(w) == rank)
        (void)oxp_unify(c, oxp_dim_of(x, channel), oxp_dim_mul(c->dims, oxp_dim_of(w, 1), group),
                        "input channels");
    for (int i = 0; i < spatial; i++)
        d[first + i] = oxp_window_out(c, &win, i, oxp_dim_of(x, first + i));
    oxp_set(c, 0, t, rank, d);
}

static const layout plain = {0, 1, 2, false};
static const layout quantized = {0, 3, 8, false};
static const layout nhwc = {0, 1, 2, true};

static void infer_conv(oxp_call *c) {
    infer_forward(c, plain, oxp_first_type(c, 2));
}

static void infer_nhwc_conv(oxp_call *c) {
    infer_forward(c, nhwc, oxp_first_type(c, 2));
}

static void infer_conv_integer(oxp_call *c) {
    infer_forward(c, plain, OXP_INT32);
}

static void infer_qlinear_conv(oxp_call *c) {
    layout l = quantized;
    l.channels_last = oxp_call_int(c, "channels_last", 0) != 0;
    oxp_dtype t = oxp_elem_type(oxp_input(c, 7));
    infer_forward(c, l, t != OXP_UNDEFINED ? t : oxp_elem_type(oxp_input(c, 0)));
}

/* The offset input has the output's spatial sizes: the formula gives the same. */
static void infer_deform(oxp_call *c) {
    infer_forward(c, plain, oxp_first_type(c, 2));
}

/* Output size of a transposed convolution:
 *   stride (x - 1) + output_padding + dilation (k - 1) + 1 - pads;  with SAME: x * stride, the
 *   padding follows and is never negative (a kernel shorter than the stride leaves less); with
 * output_shape: what it says. */
static oxp_dim transposed(oxp_call *c, const oxp_window *w, int i, oxp_dim x, int64_t extra) {
    oxp_dims *p = c->dims;
    oxp_dim reach = oxp_dim_mul(p, oxp_dim_sub(p, w->kernel[i], 1), w->dilation[i]);
    if (w->mode == OXP_PAD_SAME) {
        int64_t gap = oxp_dim_is_literal(reach) ? w->stride[i] - reach - 1 - extra : 0;
        return oxp_dim_sub(p, oxp_dim_mul(p, x, w->stride[i]), gap > 0 ? gap : 0);
    }
    int64_t pads = w->mode == OXP_PAD_VALID ? 0 : w->pad_begin[i] + w->pad_end[i];
    oxp_dim out = oxp_dim_mul(p, oxp_dim_sub(p, x, 1), w->stride[i]);
    return oxp_dim_add(p, out, oxp_dim_add(p, reach, 1 + extra - pads));
}

static void check_transposed(oxp_call *c, const oxp_window *w, const int64_t *extra,
                             int64_t group) {
    oxp_dim in = oxp_dim_of(oxp_input(c, 0), 1);
    if (group > 0 && oxp_dim_is_literal(in) && !oxp_dim_is_unknown(in) && in % group != 0)
        oxp_op_error(c, "group %lld does not divide %lld input channels", (long long)group,
                     (long long)in);
    for (int i = 0; extra && i < w->spatial; i++)
        if (extra[i] >= w->stride[i] && extra[i] >= w->dilation[i])
            oxp_op_error(c, "output_padding %lld is not less than the stride %lld or dilation %lld",
                         (long long)extra[i], (long long)w->stride[i], (long long)w->dilation[i]);
}

static void infer_transpose(oxp_call *c) {
    const oxp_fact *x = oxp_input(c, 0), *w = oxp_input(c, 1);
    oxp_dtype t = oxp_first_type(c, 2);
    int rank = conv_rank(c, x, w);
    check_padding(c);
    if (c->n_out == 0)
        return;
    oxp_set_unknown_rank(c, 0, t);
    if (rank < 0)
        return;
    int spatial = rank - 2;
    const oxp_dim *k = kernel_of(c, w, spatial);
    oxp_window win;
    if (!k || !oxp_window_read(c, &win, spatial, k))
        return;
    size_t n_shape, n_extra;
    const int64_t *shape = oxp_call_ints(c, "output_shape", &n_shape);
    const int64_t *extra = oxp_call_ints(c, "output_padding", &n_extra);
    bool full = shape && n_shape == (size_t)rank; /* seen in old files: with batch and channels */
    if ((shape && n_shape && !full && n_shape != (size_t)spatial) ||
        (extra && n_extra && n_extra != (size_t)spatial)) {
        oxp_op_error(c, "output_shape or output_padding has not %d values", spatial);
        return;
    }
    int64_t group = oxp_call_int(c, "group", 1);
    oxp_dim *d = OXP_NEWS(c->scratch, (size_t)rank, oxp_dim);
    d[0] = oxp_dim_of(x, 0);
    d[1] = oxp_dim_mul(c->dims, oxp_dim_of(w, 1), oxp_dim_literal(group));
    for (int i = 0; i < spatial; i++) {
        int64_t add = extra && n_extra ? extra[i] : 0;
        if (shape && n_shape)
            d[i + 2] = oxp_dim_literal(shape[i + (full ? 2 : 0)]);
        else if (add < 0 || add > INT32_MAX)
            d[i + 2] = OXP_DIM_UNKNOWN;
        else
            d[i + 2] = transposed(c, &win, i, oxp_dim_of(x, i + 2), add);
    }
    if (x && w && oxp_rank(x) == rank && oxp_rank(w) == rank)
        (void)oxp_unify(c, oxp_dim_of(x, 1), oxp_dim_of(w, 0), "input channels");
    check_transposed(c, &win, extra && n_extra ? extra : NULL, group);
    oxp_set(c, 0, t, rank, d);
}

/* Its pads are an input. */
static void infer_transpose_dynamic(oxp_call *c) {
    const oxp_fact *x = oxp_input(c, 0), *w = oxp_input(c, 1);
    int rank = conv_rank(c, x, w);
    if (rank < 0) {
        oxp_infer_rankless(c);
        return;
    }
    oxp_dim *d = OXP_NEWS(c->scratch, (size_t)rank, oxp_dim);
    for (int i = 0; i < rank; i++)
        d[i] = OXP_DIM_UNKNOWN;
    d[0] = oxp_dim_of(x, 0);
    d[1] = oxp_dim_mul(c->dims, oxp_dim_of(w, 1), oxp_dim_literal(oxp_call_int(c, "group", 1)));
    oxp_set(c, 0, oxp_elem_type(x), rank, d);
}

/* Stateful causal depthwise convolution: the output as the input, the state k - 1 wide. */
static void infer_causal(oxp_call *c) {
    const oxp_fact *x = oxp_input(c, 0), *w = oxp_input(c, 1);
    oxp_infer_like(c);
    if (c->n_out < 2)
        return;
    oxp_dim d[3] = {oxp_dim_of(x, 0), oxp_dim_of(x, 1), oxp_dim_sub(c->dims, oxp_dim_of(w, -1), 1)};
    oxp_set(c, 1, oxp_elem_type(x), 3, d);
}

/* prod(w[1:]): multiplications that one element takes part in. */
static bool weight_reach(const oxp_fact *w, uint64_t *n) {
    *n = 1;
    if (oxp_rank(w) < 2)
        return false;
    for (int i = 1; i < w->type.rank; i++) {
        uint64_t d;
        if (!oxp_dim_count(w->type.dims[i], &d))
            return false;
        *n = oxp_sat_mul(*n, d);
    }
    return true;
}

static void forward_cost(const oxp_call *c, oxp_cost *cost, layout l, bool ints) {
    uint64_t n, reach;
    if (!oxp_out_count(c, 0, &n) || !weight_reach(oxp_input(c, l.w), &reach))
        return;
    uint64_t bias = oxp_input(c, l.bias) ? n : 0;
    (ints ? oxp_cost_int_macs : oxp_cost_macs)(cost, oxp_sat_mul(n, reach), bias);
}

static void cost_conv(const oxp_call *c, oxp_cost *cost) {
    forward_cost(c, cost, plain, false);
}

/* The fused residual (4th input) and the activation: one operation per element each. */
static void cost_fused(const oxp_call *c, oxp_cost *cost) {
    uint64_t n;
    forward_cost(c, cost, plain, false);
    if (!cost->known || !oxp_out_count(c, 0, &n))
        return;
    if (oxp_input(c, 3))
        cost->flops = oxp_sat_add(cost->flops, n);
    if (oxp_call_string(c, "activation", NULL))
        cost->flops = oxp_sat_add(cost->flops, n);
}

static void cost_conv_integer(const oxp_call *c, oxp_cost *cost) {
    layout l = plain;
    l.bias = UINT32_MAX;
    forward_cost(c, cost, l, true);
}

static void cost_qlinear(const oxp_call *c, oxp_cost *cost) {
    forward_cost(c, cost, quantized, true);
}

static void cost_deform(const oxp_call *c, oxp_cost *cost) {
    layout l = plain;
    l.bias = 3;
    forward_cost(c, cost, l, false);
}

static void cost_transpose(const oxp_call *c, oxp_cost *cost) {
    uint64_t n, out, reach;
    if (!oxp_in_count(c, 0, &n) || !oxp_out_count(c, 0, &out) ||
        !weight_reach(oxp_input(c, 1), &reach))
        return;
    oxp_cost_macs(cost, oxp_sat_mul(n, reach), oxp_input(c, 2) ? out : 0);
}

#define C  (OXP_OP_CONV | OXP_OP_ACCUMULATES)
#define Q  (OXP_OP_CONV | OXP_OP_QUANT)
#define W1 (1u << 1)
#define WB (1u << 1 | 1u << 2)
static const oxp_op table[] = {
    {"Conv", "", C, WB, infer_conv, cost_conv, NULL},
    {"ConvTranspose", "", C, WB, infer_transpose, cost_transpose, NULL},
    {"ConvInteger", "", Q, W1 | 1u << 3, infer_conv_integer, cost_conv_integer, NULL},
    {"QLinearConv", "", Q, 1u << 3 | 1u << 4 | 1u << 5 | 1u << 8, infer_qlinear_conv, cost_qlinear,
     NULL},
    {"DeformConv", "", C, W1 | 1u << 3, infer_deform, cost_deform, NULL},
    {"CausalConvWithState", "", C, WB, infer_causal, cost_conv, NULL},
    {"CausalConvWithState", "com.microsoft", C, WB, infer_causal, cost_conv, NULL},
    {"FusedConv", "com.microsoft", C, WB, infer_conv, cost_fused, NULL},
    {"NhwcConv", "com.microsoft", C, WB, infer_nhwc_conv, cost_conv, NULL},
    {"NhwcFusedConv", "com.microsoft", C, WB, infer_nhwc_conv, cost_fused, NULL},
    {"QLinearConv", "com.microsoft", Q, 1u << 3 | 1u << 4 | 1u << 5 | 1u << 8, infer_qlinear_conv,
     cost_qlinear, NULL},
    {"ConvTransposeWithDynamicPads", "com.microsoft", C, W1 | 1u << 3, infer_transpose_dynamic,
     cost_transpose, NULL},
};

static const oxp_op_need needs[] = {
    {"Conv NhwcConv", "1:M,*; 2:M; group>=1"},
    {"FusedConv NhwcFusedConv",
     "1:M,*; 2:M; 3=o; group>=1; "
     "activation{Relu,Tanh,Sigmoid,LeakyRelu,Clip,HardSigmoid,HardSwish}"},
    {"ConvTranspose",
     "g=group|1; 1:?,n,*; 2:gn; group>=1; output_padding>=0; output_shape>=1; 0:?,C,*; 1:C,*"},
    {"ConvInteger", "1:M,*; 2:()|1; 3:()|1|M"},
    {"QLinearConv", "3:M,*; 1-2:()|1; 4-5:()|1|M; 6-7:()|1; 8:M"},
    {"DeformConv", "1:M,*; 3:M; 0:N,*; 2:N,*; 4:N,*; offset_group>=1"},
};
const oxp_op_family oxp_ops_conv = {table, OXP_COUNT(table), needs, OXP_COUNT(needs)};
