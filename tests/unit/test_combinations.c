/* What holds for every roadmap: a combination never loses to one of its own items on the metric
 * that matters most, no phase to the one before it, none is better without one of its items, none
 * gives away what an earlier one had reached, and the batch settings at the end are those of
 * the combination. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "onnxpert/onnxpert.h"
#include "rules/roadmap_impl.h"

static const char *const models[] = {
    "skeletons/resnet18",    "skeletons/cxr_resnet18",   "skeletons/mobilenet_v2",
    "skeletons/bert_qa",     "models/resnet_mini",       "models/yolov8_mini",
    "models/unet_mini",      "models/cxr_upsample_mini", "models/vit_mini",
    "models/bert_mini_op12", "models/gpt2_kv_mini",      "models/lstm_tagger",
    "models/mnist8",         "models/mobilenetv2_mini",  "networks/segformer",
    "networks/clip"};
static const char *const devices[] = {"t4", "x86-server", "raspberry-pi-5"};
static const char *const goals[] = {"latency=1us", "memory=1kB", "throughput=1000000"};

#ifdef OXP_ARENA_DEBUG
enum { STEP = 5 }; /* memory is watched, the decisions are the same: a sample will do */
#else
enum { STEP = 1 };
#endif

/* How good it is on what matters most, as a factor of today. */
static double good(const oxp_roadmap *r, const oxp_metrics *m) {
    return oxp_target_kind_factor(r->focus, &r->baseline, m);
}

/* ---- what matters, told apart from the search ---- */
typedef struct verdict {
    size_t met;
    double missing, latency, size;
} verdict;

static verdict judge(const oxp_roadmap *r, const oxp_metrics *m) {
    verdict v = {0, 0, m->latency, (double)m->size};
    for (size_t i = 0; i < r->n_targets; i++) {
        double value = oxp_target_value(&r->targets[i], m);
        if (isnan(value))
            continue;
        if (oxp_target_met(&r->targets[i], value))
            v.met++;
        else
            v.missing += log(oxp_target_miss(&r->targets[i], value));
    }
    return v;
}

static void check_phases(const oxp_roadmap *r, const char *where) {
    double best = 1;
    for (size_t k = 0; k < r->n_phases; k++) {
        const oxp_phase *p = &r->phases[k];
        for (size_t i = 0; i < p->n_items; i++)
            if (p->items[i].projected)
                best = fmax(best, good(r, &p->items[i].after));
        if (judge(r, &p->combined).met > judge(r, &r->baseline).met)
            continue; /* more targets may cost what matters most */
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

/* An advice whose sets can be tried. */
static void advise(oxp_advice *a, oxp_ctx *c, const char *model, oxp_advise_opts *o) {
    oxp_model *m;
    oxp_arena *arena = oxp_arena_new(c);
    assert_int_equal(oxp_open(&m, c, oxp_sprintf(arena, "fixtures/%s/model.onnx", model)), OXP_OK);
    *a = (oxp_advice){.ctx = c, .arena = arena, .m = m, .opts = o};
    assert_int_equal(oxp_advise_in(a), OXP_OK);
}

/* Is x worse than y: missed targets first, then latency, then size? */
static bool is_worse(verdict x, verdict y) {
    static const double close = 1.5e-3;
    if (x.met != y.met)
        return x.met < y.met;
    if (fabs(x.missing - y.missing) > close)
        return x.missing > y.missing;
    if (fabs(log(x.latency / y.latency)) > close)
        return x.latency > y.latency;
    return log(x.size / y.size) > close;
}

/* The items of the phases up to k that are combined there. */
static void combined_set(const oxp_advice *a, size_t k, bool *set) {
    for (size_t i = 0; i < a->n_items; i++)
        set[i] = false;
    for (size_t p = 0; p <= k; p++)
        for (size_t n = 0; n < a->r->phases[p].n_items; n++) {
            const oxp_item *it = &a->r->phases[p].items[n];
            for (size_t i = 0; i < a->n_items; i++)
                if (a->items[i].rule == it->rule)
                    set[i] = it->phases_in & 1u << k;
        }
}

/* No phase is better without one of its items, and none holds two that exclude each other. */
static void check_items(const oxp_advice *a, const char *where) {
    oxp_company *c = oxp_company_new(a);
    bool *set = OXP_NEWS(a->arena, a->n_items + 1, bool);
    for (size_t k = 0; k < a->r->n_phases; k++) {
        combined_set(a, k, set);
        oxp_metrics all = oxp_together(a, set, c);
        assert_true(fabs(all.latency / a->r->phases[k].combined.latency - 1) < 1e-9);
        for (size_t i = 0; i < a->n_items; i++) {
            if (!set[i])
                continue;
            for (size_t n = 0; n < a->n_items; n++)
                assert_false(set[n] && oxp_exclude(&a->items[i], &a->items[n]));
            set[i] = false;
            oxp_metrics rest = oxp_together(a, set, c);
            if (is_worse(judge(a->r, &all), judge(a->r, &rest)))
                fail_msg("%s: phase %zu is better without %s", where, k + 1, a->items[i].rule->id);
            set[i] = true;
        }
    }
    oxp_company_dismiss(c);
}

/* Once an earlier phase has reached every target, a later one gives nothing away. */
static void check_later(const oxp_roadmap *r, const char *where) {
    for (size_t k = 1; k < r->n_phases; k++) {
        const oxp_metrics *old = &r->phases[k - 1].combined, *new = &r->phases[k].combined;
        if (judge(r, old).missing > 0)
            continue;
        if (new->latency > old->latency * 1.0015)
            fail_msg("%s: phase %zu makes latency worse", where, k + 1);
        if (new->latency *(1 + 1e-3) < old->latency && judge(r, new).missing <= 0)
            continue; /* within the targets the latency decides */
        for (size_t i = 0; i < r->n_targets; i++) {
            double was = oxp_target_value(&r->targets[i], old),
                   is = oxp_target_value(&r->targets[i], new);
            if (oxp_target_miss(&r->targets[i], is) > 1.0015 * oxp_target_miss(&r->targets[i], was))
                fail_msg("%s: phase %zu makes %s worse", where, k + 1, r->targets[i].name);
        }
    }
}

static void check_reasons(const oxp_roadmap *r, const char *where) {
    for (size_t k = 0; k < r->n_phases; k++)
        for (size_t i = 0; i < r->phases[k].n_items; i++)
            if (r->phases[k].items[i].alone &&
                !(r->phases[k].items[i].why && *r->phases[k].items[i].why))
                fail_msg("%s: %s is left out for no reason", where, r->phases[k].items[i].rule->id);
    for (size_t k = 0; k < r->n_phases; k++)
        for (size_t i = 0; i < r->phases[k].n_items; i++)
            if (r->phases[k].items[i].command && !r->phases[k].items[i].rule->fix)
                fail_msg("%s: %s has a command of another rule", where,
                         r->phases[k].items[i].rule->id);
}

static void check(const char *model, const char *device, size_t round) {
    oxp_ctx *c = oxp_ctx_new(0);
    oxp_advice a;
    oxp_advise_opts o = OXP_ADVISE_OPTS_INIT;
    o.device = device;
    o.batch = round % 2 ? 4 : 0;
    o.targets = &goals[round % 3];
    o.n_targets = round < 3;
    advise(&a, c, model, &o);
    const char *where = oxp_sprintf(a.arena, "%s on %s, round %zu", model, device, round);
    check_phases(a.r, where);
    check_items(&a, where);
    check_later(a.r, where);
    check_reasons(a.r, where);
    check_batches(a.r->sweep, a.r->batch, &a.r->baseline, where);
    check_batches(a.r->final_sweep, a.r->batch, &a.r->final, where);
    oxp_ctx_free(c);
}

/* Every model with another goal and another device in turn, and with none. */
static void test_never_loses(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof models / sizeof *models; i += STEP)
        for (size_t k = 0; k < sizeof devices / sizeof *devices; k++) {
            check(models[i], devices[k], (i + k) % 3);
            check(models[i], devices[k], 3 + i % 2);
        }
}

/* Targets between what the model takes today and a small part of that: some are met, some by a
 * combination only, some by none. */
static void check_within_reach(const char *model, const char *device, double part) {
    oxp_ctx *c = oxp_ctx_new(0);
    oxp_advice a;
    oxp_advise_opts o = OXP_ADVISE_OPTS_INIT;
    o.device = device;
    advise(&a, c, model, &o);
    const char *t[3];
    const char *where = oxp_sprintf(a.arena, "%s on %s, %g of today", model, device, part);
    t[0] = oxp_sprintf(a.arena, "memory=%.0fB", part * (double)a.r->baseline.memory + 1);
    t[1] = oxp_sprintf(a.arena, "latency=%.9fs", 2 * a.r->baseline.latency);
    t[2] = oxp_sprintf(a.arena, "size=%.0fB", part * 1.5 * (double)a.r->baseline.size + 1);
    o.targets = t;
    for (o.n_targets = 1; o.n_targets <= 3; o.n_targets++) {
        oxp_ctx *again = oxp_ctx_new(0);
        oxp_advice b;
        advise(&b, again, model, &o);
        check_items(&b, where);
        check_later(b.r, where);
        check_reasons(b.r, where);
        oxp_ctx_free(again);
    }
    oxp_ctx_free(c);
}

/* A target that is met already makes nothing slower than the fastest item that keeps it. */
static void check_met_target(const char *target) {
    oxp_ctx *c = oxp_ctx_new(0);
    oxp_advice a;
    oxp_advise_opts o = OXP_ADVISE_OPTS_INIT;
    o.device = "l4";
    o.targets = &target;
    o.n_targets = 1;
    advise(&a, c, "skeletons/yolov8l", &o);
    double best = a.r->baseline.latency;
    for (size_t i = 0; i < a.n_items; i++)
        if (a.items[i].projected && judge(a.r, &a.items[i].after).missing <= 0)
            best = fmin(best, a.items[i].after.latency);
    if (a.r->final.latency > best * 1.0015)
        fail_msg("%s: %g s, one item alone has %g", target, a.r->final.latency, best);
    oxp_ctx_free(c);
}

static void test_within_reach(void **state) {
    static const double parts[] = {2, 0.8, 0.45, 0.2};
    (void)state;
    for (size_t i = 0; i < sizeof models / sizeof *models; i += STEP)
        check_within_reach(models[i], devices[i % 3], parts[i % 4]);
    check_within_reach("skeletons/bert_qa", "x86-server", 0.68);
    check_within_reach("skeletons/yolov8l", "h100", 0.05);
    check_met_target("size=200MB");
    check_met_target("size=180MB");
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
                                       cmocka_unit_test(test_within_reach),
                                       cmocka_unit_test(test_alternatives)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
