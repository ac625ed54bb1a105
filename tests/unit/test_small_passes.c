/* The passes that tidy up: what each leaves of a model of a few nodes, and what it must not touch.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
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
    {"no_ops_more", "eliminate-no-ops", "Relu Resize", 0},
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

static oxp_id weight_named(const oxp_model *m, const char *name) {
    for (oxp_id i = 0; i < oxp_value_count(m); i++)
        if (oxp_value_at(m, i)->live && !strcmp(oxp_value_at(m, i)->name, name))
            return oxp_value_at(m, i)->tensor;
    fail_msg("no %s", name);
    return OXP_NONE;
}

/* Passes that want fine-tuning say so first; then they start from the nearest weights: what is
 * separable already comes out whole, and a flat kernel of 7 x 7 keeps its sum. */
static void test_retraining(void **state) {
    (void)state;
    static double w[6 * 8 * 9], depth[8 * 9], point[6 * 8], stem[4 * 3 * 49], small[4 * 3 * 9];
    oxp_ctx *ctx = oxp_ctx_new(0);
    oxp_model *m;
    oxp_pass_opts opts = OXP_PASS_OPTS_INIT;
    const oxp_pass_result *result;
    const char *names[] = {"depthwise", "light-stem"};
    size_t n;
    char text[256];
    assert_int_equal(oxp_open(&m, ctx, "fixtures/passes/separable_conv/model.onnx"), OXP_OK);
    oxp_tensor_doubles(m, weight_named(m, "w"), 0, 6 * 8 * 9, w);
    oxp_tensor_doubles(m, weight_named(m, "w0"), 0, 4 * 3 * 49, stem);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(oxp_run_passes(m, names + i, 1, &opts, &result, &n), OXP_E_UNSUPPORTED);
        assert_non_null(strstr(oxp_error_text(ctx), "--allow-retraining"));
        oxp_error_clear(ctx);
    }
    opts.allow_retraining = true;
    assert_int_equal(oxp_run_passes(m, names, 2, &opts, &result, &n), OXP_OK);
    operators(m, text, sizeof text);
    assert_string_equal(text, "Conv Conv Conv Conv Conv");
    assert_int_equal(result[0].changed, 1);
    assert_int_equal(result[0].n_skipped, 1); /* the stem: 3 channels */
    assert_int_equal(result[1].changed, 1);
    oxp_tensor_doubles(m, weight_named(m, "w_depthwise"), 0, 8 * 9, depth);
    oxp_tensor_doubles(m, weight_named(m, "w_pointwise"), 0, 6 * 8, point);
    for (size_t i = 0; i < 6 * 8 * 9; i++) {
        double now = point[i / 9] * depth[i / 9 % 8 * 9 + i % 9];
        if (!(fabs(now - w[i]) <= 2e-6))
            fail_msg("element %zu: %g became %g", i, w[i], now);
    }
    oxp_tensor_doubles(m, weight_named(m, "w0_3x3"), 0, 4 * 3 * 9, small);
    for (size_t k = 0; k < 4 * 3 * 9; k++) /* 49 equal taps in 9 equal parts */
        assert_true(fabs(small[k] - stem[k / 9 * 49] * 49 / 9) <= 1e-5);
    oxp_ctx_free(ctx);
}

static bool has_value(const oxp_model *m, const char *name) {
    for (oxp_id i = 0; i < oxp_value_count(m); i++)
        if (oxp_value_at(m, i)->live && !strcmp(oxp_value_at(m, i)->name, name))
            return true;
    return false;
}

/* Initializers that nothing reads go, and in old models their input entries; what a caller may set
 * stays. */
static void test_dead_initializers(void **state) {
    static const char *const models[] = {"dead_initializers", "dead_initializers_ir3"};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        char path[256];
        oxp_ctx *ctx = oxp_ctx_new(0);
        oxp_model *m;
        oxp_pass_opts opts = OXP_PASS_OPTS_INIT;
        const oxp_pass_result *result;
        const char *name = "eliminate-dead";
        size_t n;
        snprintf(path, sizeof path, "fixtures/passes/%s/model.onnx", models[i]);
        assert_int_equal(oxp_open(&m, ctx, path), OXP_OK);
        assert_true(has_value(m, "never"));
        assert_int_equal(oxp_run_passes(m, &name, 1, &opts, &result, &n), OXP_OK);
        assert_int_equal(result->changed, 1);
        assert_false(has_value(m, "never"));
        assert_true(has_value(m, "used"));
        assert_int_equal(has_value(m, "asked"), i == 0);
        assert_int_equal(oxp_graph_at(m, OXP_MAIN_GRAPH)->n_inputs, 2); /* x; asked or used */
        oxp_ctx_free(ctx);
    }
}

/* Shape arithmetic is computed or not as the budget says. */
static void test_budget(void **state) {
    static const struct {
        const char *budget;
        bool folds;
    } budgets[] = {{NULL, true}, {"budget=1", false}};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        oxp_ctx *ctx = oxp_ctx_new(0);
        oxp_model *m;
        oxp_pass_opts opts = OXP_PASS_OPTS_INIT;
        const oxp_pass_result *result;
        const char *name = "fold-constants";
        size_t n;
        opts.params = &budgets[i].budget;
        opts.n_params = budgets[i].budget != NULL;
        assert_int_equal(oxp_open(&m, ctx, "fixtures/passes/shape_arithmetic/model.onnx"), OXP_OK);
        assert_int_equal(oxp_run_passes(m, &name, 1, &opts, &result, &n), OXP_OK);
        assert_int_equal(result->changed > 0, budgets[i].folds);
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
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each), cmocka_unit_test(test_retraining),
        cmocka_unit_test(test_dead_initializers), cmocka_unit_test(test_budget),
        cmocka_unit_test(test_joined_perm)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
