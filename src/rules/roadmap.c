/* roadmap.c - the baseline, and matches into items; see roadmap_rank.c and roadmap_phases.c. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/safe_math.h"
#include "onnxpert/pass.h"
#include "rules/roadmap_impl.h"

/* ---- items ---- */
/* False: the what-if found nothing to do, so the advice would be empty. */
static bool project(oxp_advice *a, oxp_item *it) {
    const oxp_rule_projection *p = &it->rule->projection;
    if (!p->pass && !p->precision && !p->weights && !p->products)
        return true;
    oxp_imagined types = {OXP_UNDEFINED, OXP_UNDEFINED, OXP_UNDEFINED};
    oxp_model *copy = p->pass ? oxp_model_clone(a->m) : NULL;
    bool changed = oxp_whatif_apply(&a->w, copy, it->result, &types, &it->done);
    if (changed) {
        it->before = a->r->baseline;
        it->after = oxp_whatif_measure(&a->w, copy, types);
        it->lost = it->after.lost;
        it->projected = !it->lost;
        it->summary = p->pass ? it->done.why : NULL;
    } else {
        oxp_skip *s = &a->dropped[a->r->n_dropped++];
        s->node = it->rule->id;
        s->reason = it->done.why;
    }
    oxp_close(copy);
    return changed;
}

/* Items are projected while the worker evaluates the rules after theirs. */
static void collect(oxp_advice *a, const oxp_rules *rules, oxp_evaluation *rest) {
    a->items = OXP_NEWS(a->arena, rules->n + 1, oxp_item);
    a->dropped = OXP_NEWS(a->arena, rules->n + 1, oxp_skip);
    for (const oxp_rule_result *r; (r = oxp_rules_next(rest)) != NULL;) {
        if (r->failed)
            oxp_diagnose(a->ctx, OXP_WARNING, "rule-failed", r->rule->id,
                         "%s:%d: the rule was left out: %s", r->rule->file, r->rule->line,
                         r->failed);
        if (!r->matched)
            continue;
        if (r->odd_gain)
            oxp_diagnose(a->ctx, OXP_WARNING, "rule-gain", r->rule->id,
                         "%s:%d: the gain of the rule was left out: it is %s, and a factor above 0 "
                         "and below a million is wanted",
                         r->rule->file, r->rule->gain_line, r->odd_gain);
        oxp_item *it = &a->items[a->n_items];
        *it = (oxp_item){.result = r, .rule = r->rule}; /* one that was dropped may have had it */
        size_t told = oxp_diag_count(a->ctx);
        bool useful = project(a, it);
        oxp_diag_truncate(a->ctx, told);
        if (!useful)
            continue;
        oxp_rank_item(a->r, it);
        oxp_note_layers(a, it);
        oxp_command_for(a, it);
        if (it->projected && it->effect == OXP_EFFECT_LOSS && it->gain <= 0) {
            oxp_skip *s = &a->dropped[a->r->n_dropped++];
            s->node = it->rule->id;
            s->reason = oxp_sprintf(a->arena,
                                    "its projection on this device is worse than what is there. %s",
                                    r->message);
            continue;
        }
        a->n_items++;
    }
    a->r->dropped = a->dropped;
    qsort(a->items, a->n_items, sizeof *a->items, oxp_by_priority);
}

/* ---- the whole ---- */
static const oxp_device *device(const oxp_advice *a) {
    const char *id = a->opts->device ? a->opts->device : "t4";
    const oxp_device *d = oxp_device_find(a->arena, id);
    if (!d)
        oxp_raise(a->ctx, OXP_E_USAGE, "no device is called \"%s\" (onnxpert devices lists them)",
                  id);
    return d;
}

static void baseline(oxp_advice *a) {
    oxp_roadmap *r = a->r;
    const oxp_analysis *an;
    oxp_status s = oxp_analyze(&an, a->m, &a->base, a->arena);
    if (s != OXP_OK)
        oxp_reraise(a->ctx, s);
    r->model = a->m;
    r->analysis = an;
    r->device = device(a);
    r->batch = a->opts->batch > 0 ? a->opts->batch : oxp_batch_of(an, a->arena);
    a->w = (oxp_whatif){.model = a->m,
                        .analysis = an,
                        .base = &a->base,
                        .device = r->device,
                        .batch = r->batch,
                        .arena = a->arena};
    oxp_scenarios(r->device, a->arena, a->w.scenarios);
    for (size_t i = 0; i < r->n_targets; i++)
        if (r->targets[i].batch > 0)
            a->w.latency_batches[r->targets[i].slot] = r->targets[i].batch;
    uint64_t files = oxp_sat_add(oxp_model_file_bytes(a->m), oxp_model_external_bytes(a->m));
    uint64_t weights = an->totals.weight_bytes;
    /* weights that are absent here still are part of what is shipped */
    a->w.overhead = files >= weights ? files - weights : oxp_model_file_bytes(a->m);
    oxp_node_latency *nodes = OXP_NEWS(a->arena, oxp_node_count(a->m) + 1, oxp_node_latency);
    oxp_latency(an, r->device, OXP_UNDEFINED, &r->latency, nodes);
    r->nodes = nodes;
    size_t told = oxp_diag_count(a->ctx);
    r->sweep = oxp_sweep_batch(an, &a->base, r->device, OXP_UNDEFINED, NULL, 0, a->arena);
    oxp_diag_truncate(a->ctx, told);
}

/* What projections are measured against; rules do not see it. */
static void measure_baseline(oxp_advice *a) {
    size_t told = oxp_diag_count(a->ctx);
    oxp_whatif_prepare(&a->w);
    a->r->baseline =
        oxp_measure(&a->w, a->r->analysis,
                    (oxp_imagined){OXP_UNDEFINED, OXP_UNDEFINED, OXP_UNDEFINED}, a->arena);
    oxp_diag_truncate(a->ctx, told);
    oxp_weigh(a->r);
}

static void do_items(void *p) {
    oxp_advice *a = p;
    a->r = OXP_NEW(a->arena, oxp_roadmap);
    a->base = (oxp_analyze_opts)OXP_ANALYZE_OPTS_INIT;
    a->base.bindings = a->opts->bindings;
    a->base.n_bindings = a->opts->n_bindings;
    a->r->n_targets = oxp_targets_read(a->arena, a->opts, &a->r->targets);
    baseline(a);
    const oxp_rules *rules = a->opts->rules ? a->opts->rules : oxp_rules_builtin(a->arena, false);
    oxp_facts *facts = oxp_facts_new(a->r->analysis, NULL, a->arena);
    facts->device = a->r->device;
    facts->latency = a->r->nodes; /* known already */
    facts->seconds = a->r->latency.seconds;
    facts->sweep = a->r->sweep;
    facts->insight = a->r->insight = oxp_insight_of(a->r->analysis, a->arena);
    size_t told = oxp_diag_count(a->ctx);
    facts->generation =
        oxp_generation_of(a->r->analysis, &a->base, a->r->insight, a->r->device, a->arena);
    oxp_diag_truncate(a->ctx, told);
    oxp_evaluation *matches = oxp_rules_start(rules, facts, a->arena);
    measure_baseline(a);
    collect(a, rules, matches);
    oxp_phase *all = OXP_NEW(a->arena, oxp_phase);
    *all = (oxp_phase){.name = "", .items = a->items, .n_items = a->n_items};
    a->r->phases = all;
    a->r->n_phases = 1;
}

static void do_advise(void *p) {
    oxp_advice *a = p;
    do_items(p);
    oxp_make_phases(a);
    oxp_sweep_precision(a);
    oxp_sweep_resolution(a, a->r->insight);
}

oxp_status oxp_advise_items(const oxp_roadmap **out, const oxp_model *m,
                            const oxp_advise_opts *opts, oxp_arena *arena) {
    oxp_advice a = {.ctx = oxp_model_ctx(m), .arena = arena, .m = m, .opts = opts};
    oxp_status s = oxp_try(a.ctx, do_items, &a);
    *out = s == OXP_OK ? a.r : NULL;
    return s;
}

oxp_status oxp_advise_in(oxp_advice *a) {
    return oxp_try(a->ctx, do_advise, a);
}

oxp_status oxp_advise(const oxp_roadmap **out, const oxp_model *m, const oxp_advise_opts *opts,
                      oxp_arena *arena) {
    oxp_advice a = {.ctx = oxp_model_ctx(m), .arena = arena, .m = m, .opts = opts};
    oxp_status s = oxp_advise_in(&a);
    *out = s == OXP_OK ? a.r : NULL;
    return s;
}

static bool misses_target(const oxp_roadmap *r) {
    for (size_t i = 0; i < r->n_targets; i++) {
        double v = oxp_target_value(&r->targets[i], &r->baseline);
        if (!isnan(v) && !oxp_target_met(&r->targets[i], v))
            return true;
    }
    return false;
}

oxp_status oxp_roadmap_reaches(bool *out, const oxp_roadmap *r, const char *impact) {
    static const char *const levels[] = {"low", "medium", "high"};
    int wanted = -1;
    *out = false;
    for (int i = 0; i < 3; i++)
        if (!strcmp(impact, levels[i]))
            wanted = i;
    if (!strcmp(impact, "targets")) {
        *out = misses_target(r);
        return OXP_OK;
    }
    if (wanted < 0)
        return OXP_E_USAGE;
    for (size_t p = 0; p < r->n_phases; p++)
        for (size_t i = 0; i < r->phases[p].n_items; i++)
            for (int k = wanted; k < 3; k++)
                *out |= !strcmp(r->phases[p].items[i].impact, levels[k]);
    return OXP_OK;
}
