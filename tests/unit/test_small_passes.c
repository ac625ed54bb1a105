/* The passes that tidy up: what each leaves of a model of a few nodes, and what it must not touch.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "onnxpert/pass.h"

static const struct {
    const char *model, *pass;
    const char *left; /* operators of the main graph, in order */
    size_t refusals;
} cases[] = {
    {"transposes_cancel", "fuse-transposes", "Relu", 0},
    {"transposes_join", "fuse-transposes", "Transpose", 0},
    {"transposes_around_relu", "fuse-transposes", "Relu Clip", 0},
    {"transposes_read_twice", "fuse-transposes", "Transpose Relu Transpose Neg", 0},
    {"no_ops", "eliminate-no-ops", "Add Relu", 0}, /* -0 + 0 is +0: Add stays */
    {"reversed_slice", "eliminate-no-ops", "Slice", 0},
    {"input_to_output", "eliminate-no-ops", "Identity", 1},
    {"dead", "eliminate-dead", "Relu", 0},
    {"shape_arithmetic", "fold-constants", "Reshape", 0},
    {"weight_transposed", "fold-constants", "MatMul", 0},
    {"overridable_shape", "fold-constants", "Add Reshape Relu", 0},
    {"overridable_shape", "eliminate-no-ops", "Add Reshape Relu", 0},
    {"duplicates", "share-duplicates", "Gemm Relu Add", 0},
    {"casts_widened", "fuse-casts", "Relu", 0},
    {"casts_rounding", "fuse-casts", "Cast Cast Relu", 0},
    {"casts_read_twice", "fuse-casts", "Cast Cast Relu Neg", 0},
    {"cast_to_output", "fuse-casts", "Cast Cast", 1},
    {"random_twice", "share-duplicates", "RandomNormalLike RandomNormalLike Sub", 0},
};

static void operators(const oxp_model *m, char *text, size_t size) {
    size_t at = 0;
    const oxp_graph *g = oxp_graph_at(m, OXP_MAIN_GRAPH);
    text[0] = 0;
    for (oxp_id n = g->first; n != OXP_NONE && at < size; n = oxp_node_at(m, n)->next)
        at += (size_t)snprintf(text + at, size - at, "%s%s", at ? " " : "", oxp_node_at(m, n)->op);
}

static void test_each(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char path[256], text[256];
        oxp_ctx *ctx = oxp_ctx_new(0);
        oxp_model *m;
        oxp_pass_opts opts = OXP_PASS_OPTS_INIT;
        const oxp_pass_result *result;
        size_t n;
        snprintf(path, sizeof path, "fixtures/passes/%s/model.onnx", cases[i].model);
        assert_int_equal(oxp_open(&m, ctx, path), OXP_OK);
        assert_int_equal(oxp_run_passes(m, &cases[i].pass, 1, &opts, &result, &n), OXP_OK);
        operators(m, text, sizeof text);
        if (strcmp(text, cases[i].left) != 0)
            fail_msg("%s: left: %s", cases[i].model, text);
        assert_int_equal(result->n_skipped, cases[i].refusals);
        oxp_ctx_free(ctx);
    }
}

/* y's axis i is x's axis p[q[i]]. */
static void test_joined_perm(void **state) {
    (void)state;
    oxp_ctx *ctx = oxp_ctx_new(0);
    oxp_model *m;
    oxp_pass_opts opts = OXP_PASS_OPTS_INIT;
    const oxp_pass_result *result;
    const char *name = "fuse-transposes";
    size_t n;
    static const int64_t want[] = {0, 3, 2, 1};
    assert_int_equal(oxp_open(&m, ctx, "fixtures/passes/transposes_join/model.onnx"), OXP_OK);
    assert_int_equal(oxp_run_passes(m, &name, 1, &opts, &result, &n), OXP_OK);
    const int64_t *perm = oxp_attr_ints(oxp_node_at(m, oxp_graph_at(m, 0)->first), "perm", &n);
    assert_int_equal(n, 4);
    assert_memory_equal(perm, want, sizeof want);
    oxp_ctx_free(ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_each),
                                       cmocka_unit_test(test_joined_perm)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
