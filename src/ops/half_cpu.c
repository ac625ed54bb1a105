/* half_cpu.c - float16 in ONNX Runtime's CPU provider (x86-64, version 1.31), as its optimized
 * models and its profile show for a model of each operator and opset. */
#include "ops/half_cpu.h"

#include <string.h>

#include "ops/op.h"

/* Movers of data that have no kernel for float16. */
static const char *const narrow_movers[] = {"Pad",          "Resize",       "Upsample", "Tile",
                                            "DepthToSpace", "SpaceToDepth", "Trilu"};
/* Others that have one. */
static const char *const computed[] = {"Clip",
                                       "Max",
                                       "Min",
                                       "IsNaN",
                                       "LayerNormalization",
                                       "SimplifiedLayerNormalization",
                                       "Shape",
                                       "Size",
                                       "NonZero",
                                       "SkipLayerNormalization",
                                       "SkipSimplifiedLayerNormalization"};

/* Replaced by its definition, in models of these opsets. */
static const struct {
    const char *name;
    int64_t first, last;
    unsigned kernels;
} defined[] = {{"Softmax", 13, INT64_MAX, 5},
               {"LogSoftmax", 13, INT64_MAX, 6},
               {"Relu", 18, 18, 1},
               {"LeakyRelu", 16, 18, 3},
               {"PRelu", 16, 18, 3},
               {"Elu", 18, 18, 5},
               {"Selu", 18, 18, 7},
               {"Gelu", 20, INT64_MAX, 6},
               {"Mish", 18, 18, 5},
               {"Mish", 19, INT64_MAX, 3},
               {"HardSwish", 14, 17, 2},
               {"HardSwish", 18, 18, 4},
               {"HardSwish", 19, INT64_MAX, 2},
               {"HardSigmoid", 18, 18, 4},
               {"Softplus", 18, 18, 3},
               {"Softsign", 18, 18, 3},
               {"ThresholdedRelu", 18, 18, 2},
               {"ReduceSumSquare", 18, INT64_MAX, 2},
               {"ReduceL2", 18, 18, 3},
               {"GroupNormalization", 18, INT64_MAX, 24}};

static bool listed(const char *const *names, size_t n, const char *name) {
    for (size_t i = 0; i < n; i++)
        if (!strcmp(names[i], name))
            return true;
    return false;
}

bool oxp_half_on_cpu(const oxp_node *n) {
    uint32_t flags = n->def != NULL ? n->def->flags : 0;
    if (flags & OXP_OP_CONTROL)
        return true;
    if (flags & (OXP_OP_MOVE | OXP_OP_VIEW))
        return !listed(narrow_movers, sizeof narrow_movers / sizeof *narrow_movers, n->op);
    return listed(computed, sizeof computed / sizeof *computed, n->op);
}

unsigned oxp_half_kernels(const oxp_node *n, int64_t opset) {
    if (*n->domain != '\0')
        return 0;
    for (size_t i = 0; i < sizeof defined / sizeof *defined; i++)
        if (opset >= defined[i].first && opset <= defined[i].last &&
            !strcmp(n->op, defined[i].name))
            return defined[i].kernels;
    return 0;
}

bool oxp_half_is_cast(const oxp_node *n) {
    return oxp_node_is(n, "Cast") || oxp_node_is(n, "CastLike");
}
