/* precision_rules.c - the pattern of the fp16 and bf16 passes: operators whose numbers need care.
 *
 * What is not listed is judged by its types and ranges alone. */
#include "rewrite/precision/precision.h"

#include <stdlib.h>
#include <string.h>

typedef struct rule {
    const char *op;
    unsigned bits;
    const char *why; /* for OXP_RULE_WIDE and OXP_RULE_STEP */
} rule;

#define COORDS  "coordinates need more digits than float16 has"
#define SPECTRA "sums over the whole signal"
#define POWERS  "sums of powers or exponentials leave the range of float16"
#define FLIPS   "rounding its input to float16 can flip the result"

static const rule rules[] = {
    /* sorted by name */
    {"Add", OXP_RULE_SELECT, NULL},
    {"AffineGrid", OXP_RULE_WIDE, COORDS},
    {"ArgMax", OXP_RULE_MASKED, NULL},
    {"ArgMin", OXP_RULE_MASKED, NULL},
    {"AveragePool", OXP_RULE_FILLS, NULL},
    {"BlackmanWindow", OXP_RULE_WIDE, SPECTRA},
    {"Ceil", OXP_RULE_STEP, FLIPS},
    {"CenterCropPad", OXP_RULE_FILLS, NULL},
    {"Clip", OXP_RULE_BOUND, NULL},
    {"Col2Im", OXP_RULE_FILLS, NULL},
    {"Cos", OXP_RULE_PERIODIC | OXP_RULE_WIDE, "needs the absolute precision of its argument"},
    {"Cosh", OXP_RULE_EXP, NULL},
    {"CumProd", OXP_RULE_WIDE, "a running product leaves the range of float16"},
    {"CumSum", OXP_RULE_WIDE | OXP_RULE_POSITIONS, "a running sum loses digits at every step"},
    {"DFT", OXP_RULE_WIDE, SPECTRA},
    {"Det", OXP_RULE_WIDE, "a product of many factors"},
    {"Div", OXP_RULE_DIVISOR1 | OXP_RULE_SCALE, NULL},
    {"Exp", OXP_RULE_EXP | OXP_RULE_MASKED, NULL},
    {"EyeLike", OXP_RULE_WIDE, "runtimes make it in float32; a Cast follows where needed"},
    {"Floor", OXP_RULE_STEP, FLIPS},
    {"GlobalLpPool", OXP_RULE_WIDE, POWERS},
    {"GridSample", OXP_RULE_FILLS, NULL},
    {"HammingWindow", OXP_RULE_WIDE, SPECTRA},
    {"HannWindow", OXP_RULE_WIDE, SPECTRA},
    {"Hardmax", OXP_RULE_ORDER | OXP_RULE_MASKED, NULL},
    {"Log", OXP_RULE_DIVISOR0 | OXP_RULE_LOG, NULL},
    {"LpNormalization", OXP_RULE_WIDE, POWERS},
    {"LpPool", OXP_RULE_WIDE, POWERS},
    {"Max", OXP_RULE_BOUND, NULL},
    {"MaxPool", OXP_RULE_MASKED, NULL},
    {"MaxRoiPool", OXP_RULE_WIDE, COORDS},
    {"MaxUnpool", OXP_RULE_FILLS, NULL},
    {"MeanVarianceNormalization", OXP_RULE_WIDE, POWERS},
    {"MelWeightMatrix", OXP_RULE_WIDE, SPECTRA},
    {"Min", OXP_RULE_BOUND, NULL},
    {"Mod", OXP_RULE_STEP, FLIPS},
    {"Mul", OXP_RULE_SCALE | OXP_RULE_SELECT, NULL},
    {"NegativeLogLikelihoodLoss", OXP_RULE_WIDE, POWERS},
    {"Pad", OXP_RULE_SELECT | OXP_RULE_FILLS, NULL},
    {"Pow", OXP_RULE_SQUARE, NULL},
    {"Range", OXP_RULE_WIDE | OXP_RULE_POSITIONS, "counts positions"},
    {"Reciprocal", OXP_RULE_DIVISOR0, NULL},
    {"ReduceL1", OXP_RULE_WIDE, POWERS},
    {"ReduceL2", OXP_RULE_WIDE, POWERS},
    {"ReduceLogSum", OXP_RULE_WIDE, POWERS},
    {"ReduceLogSumExp", OXP_RULE_WIDE, POWERS},
    {"ReduceMax", OXP_RULE_SELECT, NULL},
    {"ReduceMean", OXP_RULE_MEAN, NULL},
    {"ReduceMin", OXP_RULE_SELECT, NULL},
    {"ReduceProd", OXP_RULE_WIDE, POWERS},
    {"ReduceSum", OXP_RULE_SUM, NULL},
    {"ReduceSumSquare", OXP_RULE_WIDE, POWERS},
    {"Resize", OXP_RULE_FILLS, NULL},
    {"RoiAlign", OXP_RULE_WIDE, COORDS},
    {"Round", OXP_RULE_STEP, FLIPS},
    {"STFT", OXP_RULE_WIDE, SPECTRA},
    {"ScatterElements", OXP_RULE_SELECT, NULL},
    {"ScatterND", OXP_RULE_SELECT, NULL},
    {"Sigmoid", OXP_RULE_MASKED, NULL},
    {"Sin", OXP_RULE_PERIODIC | OXP_RULE_WIDE, "needs the absolute precision of its argument"},
    {"Sinh", OXP_RULE_EXP, NULL},
    {"Softmax", OXP_RULE_MASKED, NULL},
    {"SoftmaxCrossEntropyLoss", OXP_RULE_WIDE, POWERS},
    {"Sqrt", OXP_RULE_ROOT, NULL},
    {"Sub", OXP_RULE_SELECT, NULL},
    {"Tan", OXP_RULE_PERIODIC | OXP_RULE_WIDE, "needs the absolute precision of its argument"},
    {"Tanh", OXP_RULE_MASKED, NULL},
    {"ThresholdedRelu", OXP_RULE_STEP, FLIPS},
    {"TopK", OXP_RULE_ORDER | OXP_RULE_SELECT, NULL},
    {"Trilu", OXP_RULE_FILLS, NULL},
    {"Upsample", OXP_RULE_FILLS, NULL},
    {"Where", OXP_RULE_SELECT, NULL},
};

static int by_name(const void *name, const void *r) {
    return strcmp(name, ((const rule *)r)->op);
}

unsigned oxp_precision_rule(const oxp_node *n, const char **why) {
    if (n->domain[0])
        return 0;
    const rule *r = bsearch(n->op, rules, sizeof rules / sizeof *rules, sizeof *rules, by_name);
    if (!r)
        return 0;
    if (why)
        *why = r->why;
    return r->bits;
}
