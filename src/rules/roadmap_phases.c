/* roadmap_phases.c - items in phases, each phase on top of the ones before it; phases against the
 * targets. */
#include <math.h>
#include <string.h>

#include "rules/roadmap_impl.h"

/* ---- targets that all of it does not reach ---- */
static const char *titles(const oxp_advice *a, const bool *set) {
    const char *s = "";
    for (size_t i = 0; i < a->n_items; i++)
        if (set[i])
            s = oxp_sprintf(a->arena, "%s%s%s", s, *s ? "; " : "", a->items[i].rule->title);
    return s;
}

static void take_nearer(const oxp_advice *a, const oxp_target *t, const oxp_metrics *m,
                        const bool *set, oxp_nearest *best) {
    double v = oxp_target_value(t, m);
    if (m->lost || isnan(v) || !(oxp_target_miss(t, v) < oxp_target_miss(t, best->value)))
        return;
    best->value = v;
    best->items = titles(a, set);
}

/* The combination of the phases weighs all metrics; for one metric alone another may do better:
 * every item by itself, and all of those that do not harm it. */
static oxp_nearest nearest(const oxp_advice *a, const oxp_target *t, const bool *all,
                           oxp_company *c) {
    double final = oxp_target_value(t, &a->r->final);
    oxp_nearest best = {NAN, ""};
    if (t->kind == OXP_TARGET_ACCURACY || isnan(final) || oxp_target_met(t, final))
        return best;
    bool *set = OXP_NEWS(a->arena, a->n_items + 1, bool);
    bool differs = false;
    best.value = final;
    take_nearer(a, t, &a->r->baseline, set, &best);
    for (size_t i = 0; i < a->n_items; i++) {
        const oxp_item *it = &a->items[i];
        if (!it->projected)
            continue;
        set[i] = true;
        take_nearer(a, t, &it->after, set, &best);
        set[i] = false;
    }
    for (size_t i = 0; i < a->n_items; i++) {
        const oxp_item *it = &a->items[i];
        set[i] = it->projected && !(oxp_target_miss(t, oxp_target_value(t, &it->after)) >
                                    oxp_target_miss(t, oxp_target_value(t, &it->before)));
    }
    oxp_without_exclusive(a, set);
    for (size_t i = 0; i < a->n_items; i++)
        differs |= set[i] != all[i];
    if (differs) {
        oxp_metrics m = oxp_together(a, set, c);
        take_nearer(a, t, &m, set, &best);
    }
    return best;
}

/* ---- phases ---- */
enum { PHASES = 2, CLASSES = 4 };
static const char *const ids[PHASES] = {"quick", "extra"};
static const char *const names[PHASES] = {"Quick Wins", "Extra Impact"};

static bool of_phase(const oxp_item *it, int k) {
    return !strcmp(it->rule->phase, ids[k]);
}

static bool retrains(const oxp_item *it) {
    const char *name = it->rule->projection.pass;
    const oxp_pass *pass = name ? oxp_pass_find(name) : NULL;
    return pass && pass->fidelity == OXP_RETRAINING;
}

/* What may be combined up to phase k. */
static bool *candidates(const oxp_advice *a, int k) {
    bool *among = OXP_NEWS(a->arena, a->n_items + 1, bool);
    for (size_t i = 0; i < a->n_items; i++) {
        const oxp_item *it = &a->items[i];
        among[i] = it->projected && (it->effect != OXP_EFFECT_LOSS || oxp_reaches_more(a, it)) &&
                   (of_phase(it, 0) || (k > 0 && of_phase(it, k)));
    }
    return among;
}

/* Nobody trains a network for a first phase that the second throws away: what is to be trained and
 * does not stay leaves the first, too, where that loses nothing there on what matters. */
static void only_what_stays(const oxp_advice *a, bool *first, const bool *last, oxp_company *c) {
    bool *among = candidates(a, 0), *without = OXP_NEWS(a->arena, a->n_items + 1, bool),
         any = false;
    for (size_t i = 0; i < a->n_items; i++) {
        bool leaves = first[i] && !last[i] && retrains(&a->items[i]);
        any |= leaves;
        among[i] = among[i] && (last[i] || !retrains(&a->items[i]));
        without[i] = first[i] && !leaves;
    }
    if (!any)
        return;
    oxp_combine(a, without, among, NULL, c);
    if (oxp_may_replace(a, without, first, candidates(a, 0), c) &&
        !oxp_is_below(a, last, without, c))
        memcpy(first, without, a->n_items * sizeof *first);
}

static bool any_of(const oxp_advice *a, const bool *set, int k) {
    for (size_t i = 0; i < a->n_items; i++)
        if (set[i] && of_phase(&a->items[i], k))
            return true;
    return false;
}

/* Nobody calls a quick win what takes weeks: of the items that help those of high effort come
 * behind the others, whatever they gain, in the first phase also behind what costs little and has
 * no figure, and in front of what does not help. */
static size_t class_of(const oxp_item *it) {
    bool helps = it->effect == OXP_EFFECT_GAIN, weeks = it->rule->effort == OXP_HIGH;
    if (helps)
        return weeks ? 2 : 0;
    return it->effect == OXP_EFFECT_UNKNOWN && !weeks && of_phase(it, 0) ? 1 : 3;
}

static oxp_phase phase_of(const oxp_advice *a, int k, bool *const *sets, oxp_company *c) {
    const bool *set = sets[k], *last = sets[PHASES - 1];
    oxp_phase p = {.name = names[k], .has_combined = any_of(a, set, k)};
    oxp_item *items = OXP_NEWS(a->arena, a->n_items + 1, oxp_item);
    bool *left = OXP_NEWS(a->arena, a->n_items + 1, bool);
    for (size_t at = 0; at < CLASSES * a->n_items; at++) {
        size_t i = at % a->n_items;
        oxp_item *it = &a->items[i];
        left[i] = k > 0 && sets[k - 1][i] && !set[i];
        if (!of_phase(it, k) || class_of(it) != at / a->n_items)
            continue;
        for (unsigned n = 0; n < PHASES; n++)
            it->phases_in |= sets[n][i] ? 1u << n : 0;
        it->alone = it->projected && !set[i];
        if (it->alone)
            it->why = last[i] ? "Not part of this phase's combination, but of the next one's: it "
                                "pays with the items there."
                              : oxp_why_not(a, set, i, c);
        it->lost = it->lost && (it->alone || !it->projected);
        items[p.n_items++] = *it;
    }
    p.items = items;
    p.left = titles(a, left);
    p.combined = oxp_together(a, set, c);
    return p;
}

/* Batches of the model with the whole roadmap, in the types that it imagines. */
static const oxp_batch_sweep *final_sweep(const oxp_advice *a, const bool *set, oxp_company *c) {
    oxp_imagined types;
    const oxp_analysis *an = oxp_company_analysis(a, set, c, &types);
    return oxp_measure_batches(&a->w, an, types, a->arena);
}

void oxp_make_phases(oxp_advice *a) {
    oxp_phase *list = OXP_NEWS(a->arena, PHASES, oxp_phase);
    bool *sets[PHASES];
    oxp_company *c = oxp_company_new(a);
    size_t told = oxp_diag_count(a->ctx);
    for (int k = 0; k < PHASES; k++) {
        sets[k] = OXP_NEWS(a->arena, a->n_items + 1, bool);
        if (k > 0)
            memcpy(sets[k], sets[k - 1], a->n_items * sizeof(bool));
        oxp_combine(a, sets[k], candidates(a, k), k ? sets[k - 1] : NULL, c);
    }
    only_what_stays(a, sets[0], sets[1], c);
    for (int k = 0; k < PHASES; k++)
        list[k] = phase_of(a, k, sets, c);
    const bool *all = sets[PHASES - 1];
    a->r->final = list[PHASES - 1].combined;
    if (list[0].has_combined || list[1].has_combined)
        a->r->final_sweep = final_sweep(a, all, c);
    oxp_nearest *near = OXP_NEWS(a->arena, a->r->n_targets + 1, oxp_nearest);
    for (size_t i = 0; i < a->r->n_targets; i++)
        near[i] = nearest(a, &a->r->targets[i], all, c);
    oxp_company_dismiss(c);
    oxp_diag_truncate(a->ctx, told);
    a->r->nearest = near;
    a->r->phases = list;
    a->r->n_phases = PHASES;
}
