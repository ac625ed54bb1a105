/* roadmap.c - matches into items, items into phases, phases against the targets. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/safe_math.h"
#include "onnxpert/pass.h"
#include "rules/roadmap.h"

/* Half a day, days, weeks: what an item's gain is divided by. */
static const double effort_cost[] = {1, 1.4, 2};
/* How much of the gain is work that is no longer done at all, whatever the device: it counts beside
 * the targets' metrics, which are estimates for one device. */
static const double work_share = 0.4;
/* A high risk halves what one may count on. */
static const double risk_factor[] = {1, 0.85, 0.6};

/* A loss below this is rounding of the estimate. */
static const double worth_saying = 0.005;

typedef struct advice {
    oxp_ctx *ctx;
    oxp_arena *arena;
    const oxp_model *m;
    const oxp_advise_opts *opts;
    oxp_analyze_opts base;
    oxp_whatif w;
    oxp_roadmap *r;
    double weight[4]; /* latency, throughput, memory, size: they add up to 1 */
    oxp_item *items;
    size_t n_items;
    oxp_skip *dropped;
} advice;

/* ---- what matters: how far each target is missed ---- */
static void weigh(advice *a) {
    double sum = 0;
    for (size_t i = 0; i < a->r->n_targets; i++) {
        const oxp_target *t = &a->r->targets[i];
        double miss = log(oxp_target_miss(t, oxp_target_value(t, &a->r->baseline)));
        if (t->kind == OXP_TARGET_ACCURACY || !(miss > 0))
            continue;
        if (a->weight[t->kind] < miss)
            a->weight[t->kind] = miss;
    }
    for (int k = 0; k < 4; k++)
        sum += a->weight[k];
    if (sum <= 0) { /* no target, or all are met: latency first, then room */
        a->weight[OXP_TARGET_LATENCY] = 0.6;
        a->weight[OXP_TARGET_MEMORY] = a->weight[OXP_TARGET_SIZE] = 0.2;
        return;
    }
    for (int k = 0; k < 4; k++)
        a->weight[k] /= sum;
}

static double factor(double before, double after) {
    return before > 0 && after > 0 && isfinite(before) && isfinite(after) ? log(before / after) : 0;
}

static double bytes_factor(uint64_t before, uint64_t after) {
    return before == UINT64_MAX || after == UINT64_MAX ? 0 : factor((double)before, (double)after);
}

static double gain_of(const advice *a, const oxp_metrics *b, const oxp_metrics *n) {
    double work = (bytes_factor(b->flops, n->flops) +
                   bytes_factor(b->peak_activation_bytes, n->peak_activation_bytes)) /
                  2;
    double metrics = a->weight[OXP_TARGET_LATENCY] * factor(b->latency, n->latency) +
                     a->weight[OXP_TARGET_THROUGHPUT] * factor(n->throughput, b->throughput) +
                     a->weight[OXP_TARGET_MEMORY] * bytes_factor(b->memory, n->memory) +
                     a->weight[OXP_TARGET_SIZE] * bytes_factor(b->size, n->size);
    return (1 - work_share) * metrics + work_share * work;
}

/* Half as much again and more is high, a tenth medium. */
static const char *impact_of(double gain) {
    return gain >= log(1.5) ? "high" : gain >= log(1.1) ? "medium" : "low";
}

static const char *command_of(const advice *a, const oxp_rule *r) {
    if (!r->fix)
        return NULL;
    const char *path = oxp_model_path(a->m);
    const char *dims = "";
    for (size_t i = 0; i < a->base.n_bindings; i++)
        if (a->base.bindings[i].rank < 0)
            dims = oxp_sprintf(a->arena, "%s --dim %s=%lld", dims, a->base.bindings[i].name,
                               (long long)a->base.bindings[i].value);
    bool all = r->fix_options && !strcmp(r->fix_options, "{dims}");
    for (size_t i = 0; all && i < a->r->analysis->n_assumed; i++)
        if (!a->r->analysis->assumed[i].bound)
            dims = oxp_sprintf(a->arena, "%s --dim %s=%lld", dims, a->r->analysis->assumed[i].name,
                               (long long)a->r->analysis->assumed[i].value);
    const char *more = r->fix_options && !all ? r->fix_options : "";
    return oxp_sprintf(a->arena, "onnxpert optimize %s -o optimized.onnx --passes %s%s%s%s", path,
                       r->fix, dims, *more ? " " : "", more);
}

/* ---- items ---- */
/* False: the what-if found nothing to do, so the advice would be empty. */
static bool project(advice *a, oxp_item *it) {
    const oxp_rule_projection *p = &it->rule->projection;
    if (!p->pass && !p->precision && !p->weights)
        return true;
    oxp_imagined types = {OXP_UNDEFINED, OXP_UNDEFINED};
    const char *why;
    oxp_model *copy = oxp_model_clone(a->m);
    bool changed = oxp_whatif_apply(&a->w, copy, it->result, &types, &why);
    if (changed) {
        it->projected = true;
        it->before = a->r->baseline;
        it->after = oxp_whatif_measure(&a->w, copy, types);
        it->summary = p->pass ? why : NULL;
    } else {
        oxp_skip *s = &a->dropped[a->r->n_dropped++];
        s->node = it->rule->id;
        s->reason = why;
    }
    oxp_close(copy);
    return changed;
}

static void rank(const advice *a, oxp_item *it) {
    it->gain = it->projected          ? gain_of(a, &it->before, &it->after)
               : it->result->gain > 1 ? log(it->result->gain)
                                      : 0;
    it->priority = it->gain * it->rule->confidence * risk_factor[it->rule->risk] /
                   effort_cost[it->rule->effort];
    it->impact = impact_of(it->gain);
    it->command = command_of(a, it->rule);
}

static int by_priority(const void *x, const void *y) {
    const oxp_item *a = x, *b = y;
    if (a->priority != b->priority)
        return a->priority < b->priority ? 1 : -1;
    if (a->projected != b->projected)
        return a->projected ? -1 : 1;
    return strcmp(a->rule->id, b->rule->id);
}

static void collect(advice *a, const oxp_rules *rules, const oxp_rule_result *results) {
    a->items = OXP_NEWS(a->arena, rules->n + 1, oxp_item);
    a->dropped = OXP_NEWS(a->arena, rules->n + 1, oxp_skip);
    for (size_t i = 0; i < rules->n; i++) {
        const oxp_rule_result *r = &results[i];
        if (r->failed)
            oxp_diagnose(a->ctx, OXP_WARNING, "rule-failed", r->rule->id,
                         "%s:%d: the rule was left out: %s", r->rule->file, r->rule->line,
                         r->failed);
        if (!r->matched)
            continue;
        oxp_item *it = &a->items[a->n_items];
        it->result = r;
        it->rule = r->rule;
        size_t told = oxp_diag_count(a->ctx);
        bool useful = project(a, it);
        oxp_diag_truncate(a->ctx, told);
        if (!useful)
            continue;
        rank(a, it);
        if (it->projected && it->gain < -worth_saying) {
            oxp_skip *s = &a->dropped[a->r->n_dropped++];
            s->node = it->rule->id;
            s->reason = "its projection on this device is worse than what is there";
            continue;
        }
        a->n_items++;
    }
    a->r->dropped = a->dropped;
    qsort(a->items, a->n_items, sizeof *a->items, by_priority);
}

/* ---- phases: items are applied together, on top of those of the phases before ---- */
/* Changes of the function first, then of its form, then of its precision: a pass finds what it
 * looks for as long as the ones that rename and retype have not run. */
static int stage(const oxp_item *it) {
    const oxp_pass *pass =
        it->rule->projection.pass ? oxp_pass_find(it->rule->projection.pass) : NULL;
    if (!pass)
        return 3;
    return pass->fidelity == OXP_RETRAINING ? 0 : pass->fidelity == OXP_LOSSY ? 2 : 1;
}

/* All the items of `set` on one copy, analysed again. */
static oxp_metrics together(const advice *a, const bool *set) {
    oxp_model *copy = oxp_model_clone(a->m);
    oxp_imagined types = {OXP_UNDEFINED, OXP_UNDEFINED};
    const char *why;
    for (int k = 0; k < 4; k++)
        for (size_t i = 0; i < a->n_items; i++)
            if (set[i] && stage(&a->items[i]) == k)
                oxp_whatif_apply(&a->w, copy, a->items[i].result, &types, &why);
    oxp_metrics m = oxp_whatif_measure(&a->w, copy, types);
    oxp_close(copy);
    return m;
}

/* Items that change the function must pay in company, too: one without which the rest is better is
 * left out of the combination. */
static oxp_metrics combine(const advice *a, bool *set, const char *phase) {
    oxp_metrics best = together(a, set);
    for (size_t i = a->n_items; i-- > 0;) {
        if (!set[i] || stage(&a->items[i]) != 0 || strcmp(a->items[i].rule->phase, phase) != 0)
            continue;
        set[i] = false;
        oxp_metrics without = together(a, set);
        if (gain_of(a, &a->r->baseline, &without) >= gain_of(a, &a->r->baseline, &best))
            best = without;
        else
            set[i] = true;
    }
    return best;
}

static void phases(advice *a) {
    static const char *const ids[] = {"quick", "extra"};
    static const char *const names[] = {"Quick Wins", "Extra Impact"};
    oxp_phase *list = OXP_NEWS(a->arena, 2, oxp_phase);
    bool *set = OXP_NEWS(a->arena, a->n_items + 1, bool);
    size_t told = oxp_diag_count(a->ctx);
    a->r->final = a->r->baseline;
    for (int k = 0; k < 2; k++) {
        oxp_phase *p = &list[k];
        oxp_item *items = OXP_NEWS(a->arena, a->n_items + 1, oxp_item);
        for (size_t i = 0; i < a->n_items; i++)
            if (!strcmp(a->items[i].rule->phase, ids[k]) && a->items[i].projected)
                p->has_combined = set[i] = true;
        if (p->has_combined)
            a->r->final = combine(a, set, ids[k]);
        for (size_t i = 0; i < a->n_items; i++) {
            a->items[i].alone = a->items[i].projected && !set[i];
            if (!strcmp(a->items[i].rule->phase, ids[k]))
                items[p->n_items++] = a->items[i];
        }
        p->name = names[k];
        p->items = items;
        p->combined = a->r->final;
    }
    oxp_diag_truncate(a->ctx, told);
    a->r->phases = list;
    a->r->n_phases = 2;
}

/* ---- the whole ---- */
static const oxp_device *device(const advice *a) {
    const char *id = a->opts->device ? a->opts->device : "t4";
    const oxp_device *d = oxp_device_find(a->arena, id);
    if (!d)
        oxp_raise(a->ctx, OXP_E_USAGE, "no device is called \"%s\" (onnxpert devices lists them)",
                  id);
    return d;
}

static void baseline(advice *a) {
    oxp_roadmap *r = a->r;
    const oxp_analysis *an;
    oxp_status s = oxp_analyze(&an, a->m, &a->base, a->arena);
    if (s != OXP_OK)
        oxp_reraise(a->ctx, s);
    r->model = a->m;
    r->analysis = an;
    r->device = device(a);
    r->batch = a->opts->batch > 0 ? a->opts->batch : 1;
    a->w = (oxp_whatif){.model = a->m,
                        .analysis = an,
                        .base = &a->base,
                        .device = r->device,
                        .batch = r->batch,
                        .arena = a->arena};
    for (size_t i = 0; i < r->n_targets; i++)
        if (r->targets[i].batch > 1)
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
    r->baseline = oxp_measure(&a->w, an, (oxp_imagined){OXP_UNDEFINED, OXP_UNDEFINED});
    oxp_diag_truncate(a->ctx, told);
}

static void do_advise(void *p) {
    advice *a = p;
    a->r = OXP_NEW(a->arena, oxp_roadmap);
    a->base = (oxp_analyze_opts)OXP_ANALYZE_OPTS_INIT;
    a->base.bindings = a->opts->bindings;
    a->base.n_bindings = a->opts->n_bindings;
    a->r->n_targets = oxp_targets_read(a->arena, a->opts, &a->r->targets);
    baseline(a);
    weigh(a);
    const oxp_rules *rules = a->opts->rules ? a->opts->rules : oxp_rules_builtin(a->arena, false);
    oxp_facts *facts = oxp_facts_new(a->r->analysis, a->r->device, a->arena);
    facts->sweep = a->r->sweep;
    facts->insight = oxp_insight_of(a->r->analysis, a->arena);
    collect(a, rules, oxp_rules_run(rules, facts, a->arena));
    phases(a);
}

oxp_status oxp_advise(const oxp_roadmap **out, const oxp_model *m, const oxp_advise_opts *opts,
                      oxp_arena *arena) {
    advice a = {.ctx = oxp_model_ctx(m), .arena = arena, .m = m, .opts = opts};
    oxp_status s = oxp_try(a.ctx, do_advise, &a);
    *out = s == OXP_OK ? a.r : NULL;
    return s;
}

oxp_status oxp_roadmap_reaches(bool *out, const oxp_roadmap *r, const char *impact) {
    static const char *const levels[] = {"low", "medium", "high"};
    int wanted = -1;
    *out = false;
    for (int i = 0; i < 3; i++)
        if (!strcmp(impact, levels[i]))
            wanted = i;
    if (wanted < 0)
        return OXP_E_USAGE;
    for (size_t p = 0; p < r->n_phases; p++)
        for (size_t i = 0; i < r->phases[p].n_items; i++)
            for (int k = wanted; k < 3; k++)
                *out |= !strcmp(r->phases[p].items[i].impact, levels[k]);
    return OXP_OK;
}
