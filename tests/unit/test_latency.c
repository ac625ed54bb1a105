/* test_latency.c - float16 on a processor without such arithmetic: what is computed in float32,
 * where Casts are left, what is no longer merged, and that the sign of the change follows.  The
 * figures wanted are those of the optimized models that ONNX Runtime 1.31 dumps. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "analysis/latency_impl.h"
#include "onnxpert/pass.h"
#include "ops/half_cpu.h"
#include "ops/op.h"

typedef struct outcome {
    oxp_ctx *ctx;
    oxp_arena *arena;
    oxp_model *m;
    const oxp_analysis *before, *after;
    const oxp_half_node *plan; /* of after */
} outcome;

static const oxp_analysis *analysed(outcome *o) {
    oxp_analyze_opts opts = OXP_ANALYZE_OPTS_INIT;
    const oxp_analysis *a;
    assert_int_equal(oxp_analyze(&a, o->m, &opts, o->arena), OXP_OK);
    return a;
}

static void plan(void *arg) {
    outcome *o = arg;
    o->plan = oxp_half_plan(o->after, OXP_UNDEFINED, o->arena);
}

static outcome halved(const char *model, double *before, double *after, const oxp_device *d) {
    static const char *const pass = "fp16";
    oxp_pass_opts opts = OXP_PASS_OPTS_INIT;
    const oxp_pass_result *result;
    outcome o = {.ctx = oxp_ctx_new(0)};
    size_t n;
    o.arena = oxp_arena_new(o.ctx);
    const char *path = oxp_sprintf(o.arena, "fixtures/models/%s/model.onnx", model);
    assert_int_equal(oxp_open(&o.m, o.ctx, path), OXP_OK);
    o.before = analysed(&o);
    *before = oxp_latency(o.before, d, OXP_UNDEFINED, NULL, NULL);
    if (oxp_run_passes(o.m, &pass, 1, &opts, &result, &n) != OXP_OK)
        fail_msg("%s: %s", path, oxp_error_text(o.ctx));
    o.after = analysed(&o);
    *after = oxp_latency(o.after, d, OXP_UNDEFINED, NULL, NULL);
    assert_int_equal(oxp_try(o.ctx, plan, &o), OXP_OK);
    return o;
}

static oxp_device processor(void) {
    oxp_device d = {.id = "host"};
    oxp_device_host_constants(&d);
    d.peak[OXP_FLOAT] = 2e11;
    d.bandwidth = 4e10;
    d.cache_bandwidth = d.cached_share * 2e11;
    d.cache = 16u << 20;
    return d;
}

/* Casts that are left: the runtime's own, and those of the model that do not cancel out. */
static size_t casts_left(const outcome *o) {
    size_t n = 0;
    for (oxp_id i = 0; i < oxp_node_count(o->m); i++) {
        const oxp_node *node = oxp_node_at(o->m, i);
        if (!node->live)
            continue;
        n += o->plan[i].casts;
        n += oxp_half_is_cast(node) && !o->plan[i].gone;
    }
    return n;
}

static void only_casts_at_the_ends_are_left(void **state) {
    static const char *const models[] = {"resnet_mini", "resnet_mini_op9", "mnist8", "unet_mini",
                                         "preact_mini"};
    oxp_device d = processor();
    (void)state;
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        double before, after;
        outcome o = halved(models[i], &before, &after, &d);
        assert_non_null(o.plan);
        if (casts_left(&o) != 1)
            fail_msg("%s: %zu Casts are left", models[i], casts_left(&o));
        oxp_ctx_free(o.ctx);
    }
}

/* Statistics in float32 beside data in float16 (opset 14 and later) keep a normalization from being
 * merged; in float16, too, they do not. */
static void normalizations_stand_apart(void **state) {
    oxp_device d = processor();
    double before, after;
    (void)state;
    outcome o = halved("resnet_mini", &before, &after, &d);
    size_t apart = 0;
    for (oxp_id i = 0; i < oxp_node_count(o.m); i++) {
        const oxp_node *n = oxp_node_at(o.m, i);
        if (!n->live || !n->def || !(n->def->flags & OXP_OP_RUNNING_STATS))
            continue;
        assert_true(oxp_work_of(o.after, i, OXP_UNDEFINED, NULL).times == 0);
        apart += oxp_work_of(o.after, i, OXP_UNDEFINED, &o.plan[i]).times > 0;
    }
    assert_int_equal(apart, 20);
    assert_true(after > 1.1 * before);
    oxp_ctx_free(o.ctx);
    o = halved("resnet_mini_op9", &before, &after, &d);
    assert_true(fabs(after / before - 1) < 0.03);
    oxp_ctx_free(o.ctx);
}

/* As measured: no model of these is faster in float16 on a processor without such arithmetic. */
static void nothing_becomes_faster(void **state) {
    static const char *const models[] = {
        "bert_mini_op12", "bert_mini_op17", "bert_tf2onnx_mini", "cxr_upsample_dynamo",
        "gpt2_kv_mini",   "lstm_tagger",    "mobilenetv2_mini",  "vit_mini",
        "yolov8_mini",    "tf2onnx_cnn"};
    oxp_device d = processor();
    (void)state;
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        double before, after;
        outcome o = halved(models[i], &before, &after, &d);
        if (after < 1.03 * before)
            fail_msg("%s: %g s before, %g s after", models[i], before, after);
        oxp_ctx_free(o.ctx);
    }
}

/* Where the arithmetic is there nothing of it happens. */
static void with_such_arithmetic_it_is_faster(void **state) {
    oxp_device d = processor();
    double before, after;
    (void)state;
    d.peak[OXP_FLOAT16] = 2 * d.peak[OXP_FLOAT];
    assert_false(oxp_half_is_emulated(&d));
    outcome o = halved("resnet_mini_op9", &before, &after, &d);
    assert_true(after < before);
    oxp_ctx_free(o.ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_casts_at_the_ends_are_left),
        cmocka_unit_test(normalizations_stand_apart),
        cmocka_unit_test(nothing_becomes_faster),
        cmocka_unit_test(with_such_arithmetic_it_is_faster),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
