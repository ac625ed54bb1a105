/* activation.c - activations: shape and type of the input, one flop per element (docs/flops.md). */
#include "ops/eval.h"
#include "ops/util.h"

#include <math.h>

static oxp_elem relu(oxp_dims *p, oxp_elem a, oxp_dtype t) {
    bool whole = oxp_dtype_is_integer(t);
    return oxp_eval_max(p, a, whole ? oxp_elem_int(0) : oxp_elem_float(0, t), t);
}

static void infer_relu(oxp_call *c) {
    oxp_infer_like(c);
    oxp_eval_unary(c, relu, oxp_elem_type(oxp_input(c, 0)));
}

static oxp_range range_relu(const oxp_call *c, const oxp_range *in, uint32_t slot) {
    oxp_range x = oxp_range_same(c, in, slot);
    return oxp_range_of(fmax(x.lo, 0), fmax(x.hi, 0));
}

static oxp_range range_swing(const oxp_call *c, const oxp_range *in, uint32_t slot) {
    (void)c, (void)in, (void)slot;
    return oxp_range_of(-1, 1);
}

static double sigmoid(double x) {
    return 1 / (1 + exp(-x));
}

static oxp_range range_sigmoid(const oxp_call *c, const oxp_range *in, uint32_t slot) {
    oxp_range x = oxp_range_same(c, in, slot);
    return oxp_range_of(sigmoid(x.lo), sigmoid(x.hi));
}

static oxp_range range_tanh(const oxp_call *c, const oxp_range *in, uint32_t slot) {
    oxp_range x = oxp_range_same(c, in, slot);
    return oxp_range_of(tanh(x.lo), tanh(x.hi));
}

/* Activations between a small negative minimum and x: SiLU, GELU, Mish, HardSwish (minimum > -1).
 */
static oxp_range range_gated(const oxp_call *c, const oxp_range *in, uint32_t slot) {
    oxp_range x = oxp_range_same(c, in, slot);
    return oxp_range_of(x.lo >= 0 ? 0 : -1, fmax(x.hi, 0));
}

static oxp_range range_softplus(const oxp_call *c, const oxp_range *in, uint32_t slot) {
    oxp_range x = oxp_range_same(c, in, slot);
    return oxp_range_of(0, fmax(x.hi, 0) + 0.6931471805599454);
}

static oxp_range range_leaky(const oxp_call *c, const oxp_range *in, uint32_t slot) {
    oxp_range x = oxp_range_same(c, in, slot);
    double a = (double)oxp_call_float(c, "alpha", 0.01f);
    if (a < 0)
        return oxp_range_all();
    return oxp_range_of(x.lo < 0 ? a * x.lo : x.lo, x.hi < 0 ? a * x.hi : x.hi);
}

static oxp_range range_elu(const oxp_call *c, const oxp_range *in, uint32_t slot) {
    oxp_range x = oxp_range_same(c, in, slot);
    double a = (double)oxp_call_float(c, "alpha", 1.0f);
    return a < 0 ? oxp_range_all() : oxp_range_of(x.lo < 0 ? -a : x.lo, fmax(x.hi, 0));
}

static oxp_range range_thresholded(const oxp_call *c, const oxp_range *in, uint32_t slot) {
    oxp_range x = oxp_range_same(c, in, slot);
    return oxp_range_of(fmin(x.lo, 0), fmax(x.hi, 0));
}

/* Swish of the first input, times the second. */
static void cost_swiglu(const oxp_call *c, oxp_cost *cost) {
    oxp_cost_per_out(c, cost, 2);
}

#define A (OXP_OP_ELEMENTWISE | OXP_OP_UNARY | OXP_OP_ACTIVATION)
static const oxp_op table[] = {
    {"Relu", "", A, 0, infer_relu, NULL, range_relu},
    {"LeakyRelu", "", A, 0, oxp_infer_like, NULL, range_leaky},
    {"PRelu", "", A, 1u << 1, oxp_infer_like, NULL, NULL},
    {"Elu", "", A, 0, oxp_infer_like, NULL, range_elu},
    {"Selu", "", A, 0, oxp_infer_like, NULL, NULL},
    {"Celu", "", A, 0, oxp_infer_like, NULL, range_elu},
    {"Gelu", "", A, 0, oxp_infer_like, NULL, range_gated},
    {"Mish", "", A, 0, oxp_infer_like, NULL, range_gated},
    {"Swish", "", A, 0, oxp_infer_like, NULL, NULL},
    {"HardSwish", "", A, 0, oxp_infer_like, NULL, range_gated},
    {"HardSigmoid", "", A, 0, oxp_infer_like, NULL, oxp_range_unit},
    {"Sigmoid", "", A, 0, oxp_infer_like, NULL, range_sigmoid},
    {"Tanh", "", A, 0, oxp_infer_like, NULL, range_tanh},
    {"Softplus", "", A, 0, oxp_infer_like, NULL, range_softplus},
    {"Softsign", "", A, 0, oxp_infer_like, NULL, range_swing},
    {"ThresholdedRelu", "", A, 0, oxp_infer_like, NULL, range_thresholded},
    {"Shrink", "", A, 0, oxp_infer_like, NULL, NULL},
    {"SwiGLU", "", OXP_OP_ELEMENTWISE | OXP_OP_ACTIVATION, 0, oxp_infer_like, cost_swiglu, NULL},
    /* of ONNX 1.0 to 1.2 and ONNX Runtime */
    {"Affine", "", A, 0, oxp_infer_like, NULL, NULL},
    {"Scale", "", A, 0, oxp_infer_like, NULL, NULL},
    {"ScaledTanh", "", A, 0, oxp_infer_like, NULL, NULL},
    {"ParametricSoftplus", "", A, 0, oxp_infer_like, NULL, NULL},
    {"ImageScaler", "", A, 0, oxp_infer_like, NULL, NULL},
    {"Gelu", "com.microsoft", A, 0, oxp_infer_like, NULL, range_gated},
    {"FastGelu", "com.microsoft", A, 1u << 1, oxp_infer_like, NULL, NULL},
    {"QuickGelu", "com.microsoft", A, 0, oxp_infer_like, NULL, NULL},
    {"BiasGelu", "com.microsoft", A, 1u << 1, oxp_infer_like, NULL, NULL},
    {"ScaledSiLU", "com.microsoft", A, 0, oxp_infer_like, NULL, NULL},
};

static const oxp_op_need needs[] = {
    {"PRelu", "7+ 1~0"},
    {"BiasGelu FastGelu", "0:*,h; 1:h"},
    {"Gelu", "approximate{none,tanh}"},
};
const oxp_op_family oxp_ops_activation = {table, OXP_COUNT(table), needs, OXP_COUNT(needs)};
