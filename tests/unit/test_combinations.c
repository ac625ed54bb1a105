/* What holds for every roadmap: a combination never loses to one of its own items on the metric
 * that matters most, no phase to the one before it, and the batch settings at the end are those of
 * the combination. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "onnxpert/onnxpert.h"
#include "rules/roadmap.h"

static const char *const models[] = {
    "skeletons/resnet18",    "skeletons/cxr_resnet18",   "skeletons/mobilenet_v2",
    "skeletons/bert_qa",     "models/resnet_mini",       "models/yolov8_mini",
    "models/unet_mini",      "models/cxr_upsample_mini", "models/vit_mini",
    "models/bert_mini_op12", "models/gpt2_kv_mini",      "models/lstm_tagger",
    "models/mnist8",         "models/mobilenetv2_mini",  "networks/segformer",
    "networks/clip"};
static const char *const devices[] = {"t4", "x86-server", "raspberry-pi-5"};
static const char *const goals[] = {"latency=1us", "memory=1kB", "throughput=1000000"};

/* How good it is on what matters most, as a factor of today. */
static double good(const oxp_roadmap *r, const oxp_metrics *m) {
    return oxp_target_kind_factor(r->focus, &r->baseline, m);
}

static void check_phases(const oxp_roadmap *r, const char *where) {
    double best = 1;
    for (size_t k = 0; k < r->n_phases; k++) {
        const oxp_phase *p = &r->phases[k];
        for (size_t i = 0; i < p->n_items; i++)
            if (p->items[i].projected)
                best = fmax(best, good(r, &p->items[i].after));
        if (good(r, &p->combined) < best * (1 - 1.1e-3))
            fail_msg("%s: phase %zu has %.6g, one of its items %.6g", where, k + 1,
                     good(r, &p->combined), best);
        best = fmax(best, good(r, &p->combined));
        assert_false(p->combined.lost);
        assert_true(isfinite(p->combined.latency) && p->combined.latency > 0);
    }
    assert_memory_equal(&r->final, &r->phases[r->n_phases - 1].combined, sizeof r->final);
}

/* One setting has one figure in a report. */
static void check_batches(const oxp_batch_sweep *s, int64_t batch, const oxp_metrics *m,
                          const char *where) {
    for (size_t i = 0; s && i < s->n_points; i++) {
        const oxp_batch_point *p = &s->points[i];
        if (!p->valid || p->batch != batch || !m->batch_runs)
            continue;
        if (fabs(p->throughput / m->throughput - 1) > 1e-3)
            fail_msg("%s: batch %d has %g samples/s and %g", where, (int)batch, p->throughput,
                     m->throughput);
        if (fabs((double)p->memory_bytes / (double)m->memory - 1) > 1e-3)
            fail_msg("%s: batch %d has %g bytes and %g", where, (int)batch, (double)p->memory_bytes,
                     (double)m->memory);
    }
}

static void check(const char *model, const char *device, size_t round) {
    oxp_ctx *c = oxp_ctx_new(0);
    oxp_model *m;
    const oxp_roadmap *r;
    oxp_arena *arena = oxp_arena_new(c);
    oxp_advise_opts o = OXP_ADVISE_OPTS_INIT;
    const char *where = oxp_sprintf(arena, "%s on %s, round %zu", model, device, round);
    o.device = device;
    o.batch = round % 2 ? 4 : 0;
    o.targets = &goals[round % 3];
    o.n_targets = round < 3;
    assert_int_equal(oxp_open(&m, c, oxp_sprintf(arena, "fixtures/%s/model.onnx", model)), OXP_OK);
    assert_int_equal(oxp_advise(&r, m, &o, arena), OXP_OK);
    check_phases(r, where);
    check_batches(r->sweep, r->batch, &r->baseline, where);
    check_batches(r->final_sweep, r->batch, &r->final, where);
    oxp_ctx_free(c);
}

/* Every model with another goal and another device in turn, and with none. */
static void test_never_loses(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof models / sizeof *models; i++)
        for (size_t k = 0; k < sizeof devices / sizeof *devices; k++) {
            check(models[i], devices[k], (i + k) % 3);
            check(models[i], devices[k], 3 + i % 2);
        }
}

/* Two ways to compute or store in fewer bits are never combined. */
static void check_alternatives(const char *model, const char *device) {
    oxp_ctx *c = oxp_ctx_new(0);
    oxp_model *m;
    const oxp_roadmap *r;
    oxp_advise_opts o = OXP_ADVISE_OPTS_INIT;
    oxp_arena *arena = oxp_arena_new(c);
    o.device = device;
    assert_int_equal(oxp_open(&m, c, oxp_sprintf(arena, "fixtures/%s/model.onnx", model)), OXP_OK);
    assert_int_equal(oxp_advise(&r, m, &o, arena), OXP_OK);
    for (size_t k = 0; k < r->n_phases; k++) {
        size_t imagined = 0;
        for (size_t i = 0; i < r->phases[k].n_items; i++) {
            const oxp_item *it = &r->phases[k].items[i];
            const oxp_rule_projection *p = &it->rule->projection;
            imagined += !it->alone && (p->weights || p->precision || p->products);
            assert_true(!it->instead || it->alone);
        }
        assert_true(imagined <= 1);
    }
    oxp_ctx_free(c);
}

static void test_alternatives(void **state) {
    (void)state;
    check_alternatives("skeletons/llama3_8b", "x86-server");
    check_alternatives("skeletons/bert_qa", "x86-server");
    check_alternatives("skeletons/resnet18", "t4");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_never_loses),
                                       cmocka_unit_test(test_alternatives)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
