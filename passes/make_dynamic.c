/* make_dynamic.c - the pass 'make-dynamic': a fixed batch becomes a dimension with a name.
 *
 * Before:  x [1,3,224,224] -> ... -> Reshape(., [1,-1]) -> Gemm -> y [1,1000]
 * After:   x [N,3,224,224] -> ... -> Reshape(., [0,-1]) -> Gemm -> y [N,1000]
 *
 * All inputs whose first dimension is the first input's follow; the name is the parameter `dim`, N
 * by default.  A constant that only the old size satisfies ends the pass with the name of its node.
 */
#include "rewrite/shapes/shapes.h"

static void run(oxp_run *r) {
    oxp_shape_job j = {.run = r, .m = oxp_run_model(r), .arena = oxp_run_arena(r)};
    const char *name = oxp_run_param(r, "dim", "N");
    int64_t size;
    if (!oxp_shape_free_batch(&j, name, &size)) {
        oxp_run_summary(r, "no input has a fixed first dimension: nothing to do");
        return;
    }
    oxp_run_changed(r, 1 + j.repaired);
    oxp_run_summary(r, "the batch of %lld is now %s; %zu Reshape targets follow it",
                    (long long)size, name, j.repaired);
}

const oxp_pass oxp_pass_make_dynamic = {
    .name = "make-dynamic",
    .summary =
        "gives a model of fixed batch a batch dimension with a name, or says what forbids it",
    .fidelity = OXP_EXACT,
    .flags = OXP_PASS_MAY_RESHAPE_IO,
    .run = run,
};
