/* opts->only_nodes: each pass that can be limited looks at these nodes and at no other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "onnxpert/onnxpert.h"
#include "onnxpert/pass.h"

static const char *const models[] = {"resnet_mini", "yolov8_mini",       "preact_mini",
                                     "unet_mini",   "bert_tf2onnx_mini", "cxr_upsample_mini",
                                     "tf2onnx_cnn", "vit_mini"};

static const oxp_pass_result *run_on(oxp_model *m, const char *pass, const oxp_id *only, size_t n) {
    oxp_pass_opts o = OXP_PASS_OPTS_INIT;
    const oxp_pass_result *r;
    size_t n_r;
    o.allow_retraining = o.assume_weights = o.keep_decisions = true;
    o.only_nodes = only;
    o.n_only_nodes = n;
    assert_int_equal(oxp_run_passes(m, &pass, 1, &o, &r, &n_r), OXP_OK);
    return r;
}

static oxp_model *opened(oxp_ctx *c, const char *name) {
    oxp_model *m;
    oxp_arena *arena = oxp_arena_new(c);
    assert_int_equal(oxp_open(&m, c, oxp_sprintf(arena, "fixtures/models/%s/model.onnx", name)),
                     OXP_OK);
    return m;
}

/* Of the nodes that it decides upon when it is free, one alone: that one changes, or none (it may
 * depend on another that is left), and the nodes of the same kind that are left out are counted. */
static size_t check(const char *name, const oxp_pass *pass) {
    oxp_ctx *c = oxp_ctx_new(0);
    const oxp_pass_result *free_run = run_on(opened(c, name), pass->name, NULL, 0);
    static const oxp_id none;
    const oxp_pass_result *no_run = run_on(opened(c, name), pass->name, &none, 0);
    if (no_run->changed || no_run->n_decisions || no_run->passed_over < (free_run->changed > 0))
        fail_msg("%s on %s: limited to nothing it changes %zu", pass->name, name, no_run->changed);
    assert_int_equal(free_run->passed_over, 0);
    size_t alone = 0;
    for (size_t i = 0; i < free_run->n_decisions && i < 3; i++) {
        oxp_model *m = opened(c, name);
        oxp_arena *arena = oxp_arena_new(c);
        oxp_id id = 0;
        while (id < oxp_node_count(m) &&
               strcmp(oxp_node_label(m, id, arena), free_run->decisions[i].node) != 0)
            id++;
        if (id == oxp_node_count(m)) /* an earlier change made it */
            continue;
        const oxp_pass_result *one = run_on(m, pass->name, &id, 1);
        if (one->changed > 1)
            fail_msg("%s on %s: limited to %s it changes %zu places", pass->name, name,
                     free_run->decisions[i].node, one->changed);
        alone += one->changed;
    }
    oxp_ctx_free(c);
    return alone;
}

static void test_each_pass(void **state) {
    (void)state;
    for (size_t p = 0; p < oxp_pass_count(); p++) {
        const oxp_pass *pass = oxp_pass_at(p);
        size_t alone = 0;
        if (!(pass->flags & OXP_PASS_BY_NODE))
            continue;
        for (size_t i = 0; i < sizeof models / sizeof *models; i++)
            alone += check(models[i], pass);
        if (!alone && strcmp(pass->name, "fuse-casts") != 0 &&
            strcmp(pass->name, "inverted-residual") != 0 &&
            strcmp(pass->name, "fuse-transposes") != 0)
            fail_msg("%s: limited to one node it never changed that", pass->name);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_each_pass)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
