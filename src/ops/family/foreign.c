/* foreign.c - operators that other tools leave in ONNX files and that keep the shape of what goes
 * in.
 *
 * tf2onnx hands on what it cannot express in ONNX under TensorFlow's name, in ai.onnx or in its own
 * domain: no runtime runs such a file, but its costs are no secret.  Brevitas and QONNX mark
 * quantization to few bits by fake quantization: scale, round, clip, scale back. */
#include "ops/util.h"

/* Division, addition of the zero point, rounding, two bounds, and back. */
static void cost_fake_quant(const oxp_call *c, oxp_cost *cost) {
    oxp_cost_per_out(c, cost, 7);
}

#define U  (OXP_OP_ELEMENTWISE | OXP_OP_UNARY)
#define TF "ai.onnx.converters.tensorflow"
#define UNARY(name)                                                                                \
    {name, "", U, 0, oxp_infer_like, NULL, NULL}, {                                                \
        name, TF, U, 0, oxp_infer_like, NULL, NULL                                                 \
    }
#define QUANT(name, domain)                                                                        \
    { name, domain, U, 0, oxp_infer_like, cost_fake_quant, NULL }
static const oxp_op table[] = {
    UNARY("Erfc"),
    UNARY("Erfinv"),
    UNARY("Ndtri"),
    UNARY("Lgamma"),
    UNARY("Digamma"),
    QUANT("Quant", "onnx.brevitas"),
    QUANT("BipolarQuant", "onnx.brevitas"),
    QUANT("Trunc", "onnx.brevitas"),
    QUANT("FloatQuant", "onnx.brevitas"),
    QUANT("Quant", "qonnx.custom_op.general"),
    QUANT("IntQuant", "qonnx.custom_op.general"),
    QUANT("BipolarQuant", "qonnx.custom_op.general"),
    QUANT("Trunc", "qonnx.custom_op.general"),
    QUANT("FloatQuant", "qonnx.custom_op.general"),
};
const oxp_op_family oxp_ops_foreign = {table, OXP_COUNT(table), NULL, 0};
