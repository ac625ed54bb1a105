/* bf16.c - the pass 'bf16'.
 *
 * Before:  x float32 -> Conv(w float32) -> Relu -> y float32
 * After:   x float32 -> Cast -> Conv(w bfloat16) -> Relu -> Cast -> y float32
 *
 * Conditions: src/rewrite/precision/precision.h. */
#include "rewrite/precision/precision.h"

static const char *const after[] = {"fold-bn", "fix-shapes", "fold-constants", NULL};

static void run(oxp_run *r) {
    oxp_precision_run(r, OXP_BFLOAT16);
}

const oxp_pass oxp_pass_bf16 = {
    .name = "bf16",
    .summary = "computes in bfloat16 where the numbers allow it, with Casts where they do not",
    .fidelity = OXP_LOSSY,
    .flags =
        OXP_PASS_NEEDS_WEIGHTS | OXP_PASS_MAY_RETYPE | OXP_PASS_MAY_RETYPE_IO | OXP_PASS_PER_NODE,
    .after = after,
    .run = run,
    .caveat =
        "ONNX Runtime's CPU provider has no bfloat16 kernels for most operators: it puts Casts "
        "around "
        "them and computes in float32, so the model is not faster there; GPUs with "
        "bfloat16 "
        "units gain.",
};
