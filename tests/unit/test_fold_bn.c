/* Folding BatchNormalization: which models lose theirs, what the weights become, which reasons
 * remain. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "onnxpert/pass.h"

typedef struct fixture {
    oxp_ctx *ctx;
    oxp_model *m;
    const oxp_pass_result *result;
} fixture;

static size_t count(const oxp_model *m, const char *op) {
    size_t n = 0;
    for (oxp_id i = 0; i < oxp_node_count(m); i++)
        n += oxp_node_at(m, i)->live && oxp_node_is(oxp_node_at(m, i), op);
    return n;
}

static size_t live_nodes(const oxp_model *m) {
    size_t n = 0;
    for (oxp_id i = 0; i < oxp_node_count(m); i++)
        n += oxp_node_at(m, i)->live;
    return n;
}

static oxp_id named(const oxp_model *m, const char *name) {
    for (oxp_id i = 0; i < oxp_value_count(m); i++)
        if (oxp_value_at(m, i)->live && strcmp(oxp_value_at(m, i)->name, name) == 0)
            return i;
    return OXP_NONE;
}

static fixture open_case(const char *name) {
    char path[512];
    fixture f = {oxp_ctx_new(0), NULL, NULL};
    snprintf(path, sizeof path, "fixtures/battery/bn/%s/model.onnx", name);
    assert_int_equal(oxp_open(&f.m, f.ctx, path), OXP_OK);
    return f;
}

static void fold(fixture *f, bool allow_overridable) {
    const char *names[] = {"fold-bn"};
    oxp_pass_opts opts = OXP_PASS_OPTS_INIT;
    size_t n = 0;
    opts.allow_overridable = allow_overridable;
    oxp_status s = oxp_run_passes(f->m, names, 1, &opts, &f->result, &n);
    if (s != OXP_OK)
        fail_msg("%s", oxp_error_text(f->ctx));
    assert_int_equal(n, 1);
}

static fixture folded(const char *name) {
    fixture f = open_case(name);
    fold(&f, false);
    return f;
}

/* Every case of the battery with the number of BatchNormalizations that must be left. */
static void test_counts(void **state) {
    static const struct {
        const char *name;
        size_t left, nodes; /* nodes 0: any number */
    } cases[] = {
        {"01_conv_bn", 0, 1},
        {"03_conv_emptybias_bn", 0, 1},
        {"05_eps_0_1", 0, 1},
        {"07_depthwise", 0, 1},
        {"09_conv3d", 0, 1},
        {"11_convt_bias", 0, 1},
        {"13_gemm_bn", 0, 1},
        {"15_gemm_nobias_bn", 0, 1},
        {"17_matmul_add_bn", 0, 2},
        {"19_bn_conv_nopad", 0, 1},
        {"21_bn_gemm", 0, 1},
        {"23_bn_bn_after_conv", 0, 1},
        {"25_conv_relu_bn_must_not_fold_back", 1, 3},
        {"27_conv_out_used_twice", 1, 3},
        {"29_shared_conv_weight", 0, 3},
        {"31_shared_bias", 0, 3},
        {"33_bn_scale_var_same_init", 0, 1},
        {"35_fp16_all", 0, 1},
        {"37_weights_constant_nodes", 0, 0},
        {"39_weights_via_reshape", 0, 1},
        {"41_identity_between", 0, 2},
        {"43_ir3_init_in_inputs", 0, 1},
        {"45_opset9_bn", 0, 1},
        {"49_opset9_5outputs_unused", 1, 2},
        {"51_dynamic_bn_scale_input", 1, 2},
        {"53_mul_add_affine", 0, 1},
        {"55_reshape_bn_reshape_gemm1d", 0, 3},
        {"57_concat_bn_split_fold", 0, 3},
        {"59_if_branch_outer_weights", 0, 0},
        {"61_weight_also_captured_by_if", 0, 0},
        {"65_unnamed_two_convbn", 0, 3},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fixture f = folded(cases[i].name);
        if (count(f.m, "BatchNormalization") != cases[i].left)
            fail_msg("%s: %zu left: %s", cases[i].name, count(f.m, "BatchNormalization"),
                     f.result->n_skipped ? f.result->skipped[0].reason : "no reason");
        if (cases[i].nodes && live_nodes(f.m) != cases[i].nodes)
            fail_msg("%s: %zu nodes", cases[i].name, live_nodes(f.m));
        assert_int_equal(f.result->n_skipped, cases[i].left);
        oxp_ctx_free(f.ctx);
    }
}

/* W' = a W and b' = B - a mean, with a from the original file. */
static void test_values(void **state) {
    double p[4][4], w[108], v[108], b[4];
    const char *names[4] = {"ps", "pb", "pm", "pv"};
    (void)state;
    fixture f = open_case("01_conv_bn");
    for (int i = 0; i < 4; i++)
        oxp_tensor_doubles(f.m, oxp_value_at(f.m, named(f.m, names[i]))->tensor, 0, 4, p[i]);
    oxp_tensor_doubles(f.m, oxp_value_at(f.m, named(f.m, "w"))->tensor, 0, 108, w);
    fold(&f, false);
    oxp_id conv = oxp_graph_at(f.m, OXP_MAIN_GRAPH)->first;
    const oxp_node *n = oxp_node_at(f.m, conv);
    assert_true(oxp_node_is(n, "Conv"));
    assert_string_equal(oxp_value_at(f.m, oxp_out(n, 0))->name, "y");
    const oxp_value *weight = oxp_value_at(f.m, oxp_in(n, 1));
    assert_string_equal(weight->name, "w"); /* nobody else reads it: the name stays */
    assert_non_null(oxp_tensor_at(f.m, weight->tensor)->recipe);
    oxp_tensor_doubles(f.m, weight->tensor, 0, 108, v);
    oxp_tensor_doubles(f.m, oxp_value_at(f.m, oxp_in(n, 2))->tensor, 0, 4, b);
    for (int m = 0; m < 4; m++) {
        double a = p[0][m] / sqrt(p[3][m] + (double)1e-5f);
        for (int i = 0; i < 27; i++)
            assert_true(v[m * 27 + i] == (double)(float)(w[m * 27 + i] * a));
        assert_true(b[m] == (double)(float)(p[1][m] - p[2][m] * a));
    }
    assert_int_equal(named(f.m, "ps"), OXP_NONE);
    oxp_ctx_free(f.ctx);
}

/* Two readers of one weight get one each. */
static void test_shared_weight_is_duplicated(void **state) {
    (void)state;
    fixture f = folded("29_shared_conv_weight");
    oxp_id weights[2] = {OXP_NONE, OXP_NONE};
    size_t n = 0;
    for (oxp_id i = 0; i < oxp_node_count(f.m); i++)
        if (oxp_node_at(f.m, i)->live && oxp_node_is(oxp_node_at(f.m, i), "Conv"))
            weights[n++ & 1] = oxp_in(oxp_node_at(f.m, i), 1);
    assert_int_equal(n, 2);
    assert_int_not_equal(weights[0], weights[1]);
    oxp_ctx_free(f.ctx);
}

static void test_reasons(void **state) {
    static const struct {
        const char *name, *reason;
    } cases[] = {
        {"27_conv_out_used_twice", "also read by"},
        {"49_opset9_5outputs_unused", "training mode"},
        {"51_dynamic_bn_scale_input", "ps is not constant"},
        {"25_conv_relu_bn_must_not_fold_back", "is in between"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fixture f = folded(cases[i].name);
        assert_int_equal(f.result->n_skipped, 1);
        if (!strstr(f.result->skipped[0].reason, cases[i].reason))
            fail_msg("%s: %s", cases[i].name, f.result->skipped[0].reason);
        oxp_ctx_free(f.ctx);
    }
}

static void test_hazard_is_remarked(void **state) {
    (void)state;
    fixture f = folded("63_var_zero_eps_tiny_huge_scale");
    assert_int_equal(f.result->n_notes, 1);
    assert_non_null(strstr(f.result->notes[0].reason, "hazard"));
    oxp_ctx_free(f.ctx);
}

/* Number behind a key of a case.json; -1 when the key is not there. */
static long number_in(const char *text, const char *key) {
    const char *at = strstr(text, key);
    return at ? strtol(at + strlen(key) + 3, NULL, 10) : -1; /* `": ` */
}

/* The patterns of bn_more: each case says how many BatchNormalizations, or nodes, may be left. */
static void test_more_patterns(void **state) {
    DIR *dir = opendir("fixtures/battery/bn_more");
    size_t seen = 0;
    (void)state;
    assert_non_null(dir);
    for (struct dirent *e; (e = readdir(dir));) {
        char path[600], text[1024] = "", name[300];
        if (e->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "fixtures/battery/bn_more/%s/case.json", e->d_name);
        FILE *file = fopen(path, "r");
        assert_non_null(file);
        assert_true(fread(text, 1, sizeof text - 1, file) > 0);
        fclose(file);
        snprintf(name, sizeof name, "../bn_more/%s", e->d_name);
        fixture f = open_case(name);
        fold(&f, strstr(text, "--allow-overridable") != NULL);
        long left = number_in(text, "batch_norms"), nodes = number_in(text, "max_nodes");
        if (left >= 0 && count(f.m, "BatchNormalization") != (size_t)left)
            fail_msg("%s: %zu left: %s", e->d_name, count(f.m, "BatchNormalization"),
                     f.result->n_skipped ? f.result->skipped[0].reason : "no reason");
        if (nodes >= 0 && oxp_graph_at(f.m, OXP_MAIN_GRAPH)->n_nodes > (size_t)nodes)
            fail_msg("%s: %u nodes", e->d_name, oxp_graph_at(f.m, OXP_MAIN_GRAPH)->n_nodes);
        seen++;
        oxp_ctx_free(f.ctx);
    }
    closedir(dir);
    assert_true(seen >= 80);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counts),  cmocka_unit_test(test_more_patterns),
        cmocka_unit_test(test_values),  cmocka_unit_test(test_shared_weight_is_duplicated),
        cmocka_unit_test(test_reasons), cmocka_unit_test(test_hazard_is_remarked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
