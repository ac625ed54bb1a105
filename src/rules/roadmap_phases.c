/* roadmap_phases.c - items are applied together, on top of those of the phases before; phases
 * against the targets. */
#include <math.h>
#include <string.h>

#include "rewrite/project.h"
#include "rules/roadmap_impl.h"

enum { STAGES = 4 };

/* Changes of the function first, then of its form, then of its precision: a pass finds what it
 * looks for as long as the ones that rename and retype have not run. */
static int stage(const oxp_item *it) {
    const oxp_pass *pass =
        it->rule->projection.pass ? oxp_pass_find(it->rule->projection.pass) : NULL;
    if (!pass)
        return 3;
    return pass->fidelity == OXP_RETRAINING ? 0 : pass->fidelity == OXP_LOSSY ? 2 : 1;
}

/* The model with the passes of a set's items, analysed, for as long as the next set has the same:
 * items without a pass change only the types that are imagined. */
typedef struct company {
    bool *set;       /* its items, those with a pass */
    oxp_model *copy; /* NULL: none yet */
    oxp_arena *scratch;
    const oxp_analysis *analysis;
    oxp_imagined types;
} company;

static void dismiss(company *c) {
    oxp_close(c->copy);
    oxp_arena_free(c->scratch);
    c->copy = NULL;
    c->scratch = NULL;
}

static bool has_pass(const oxp_item *it) {
    return it->rule->projection.pass != NULL;
}

/* The items in the order of their stages: passes to the copy (NULL: none of them), the rest to the
 * types. */
static void apply(const oxp_advice *a, const bool *set, oxp_model *copy, oxp_imagined *types) {
    const char *why;
    for (int k = 0; k < STAGES; k++)
        for (size_t i = 0; i < a->n_items; i++) {
            const oxp_rule_projection *p = &a->items[i].rule->projection;
            if (!set[i] || stage(&a->items[i]) != k)
                continue;
            if (copy)
                oxp_whatif_apply(&a->w, copy, a->items[i].result, types, &why);
            types->precision = p->precision ? p->precision : types->precision;
            types->weights = p->weights ? p->weights : types->weights;
        }
}

static void bring_together(const oxp_advice *a, const bool *set, company *c) {
    bool same = c->analysis != NULL, any = false;
    for (size_t i = 0; i < a->n_items; i++) {
        bool wanted = set[i] && has_pass(&a->items[i]);
        same = same && c->set[i] == wanted;
        any = any || wanted;
        c->set[i] = wanted;
    }
    c->types = (oxp_imagined){OXP_UNDEFINED, OXP_UNDEFINED};
    if (!same) {
        dismiss(c);
        c->copy = any ? oxp_model_clone(a->m) : NULL;
        c->analysis = any ? NULL : a->r->analysis;
    }
    apply(a, set, same ? NULL : c->copy, &c->types);
    if (c->analysis)
        return;
    c->scratch = oxp_arena_new(a->ctx);
    c->analysis = oxp_analyze_remaining(c->copy, a->base.bindings, a->base.n_bindings, c->scratch);
}

/* The only item of the set; NULL: there are several, or none. */
static const oxp_item *only_one(const oxp_advice *a, const bool *set) {
    const oxp_item *it = NULL;
    for (size_t i = 0; i < a->n_items; i++) {
        if (set[i] && it)
            return NULL;
        if (set[i])
            it = &a->items[i];
    }
    return it;
}

static oxp_metrics together(const oxp_advice *a, const bool *set, company *c) {
    const oxp_item *alone = only_one(a, set);
    if (alone)
        return alone->after;
    bring_together(a, set, c);
    return oxp_measure(&a->w, c->analysis, c->types, c->scratch ? c->scratch : a->arena);
}

static double value_of(const oxp_advice *a, const oxp_metrics *m) {
    return m->lost ? -INFINITY : oxp_gain(a->r, &a->r->baseline, m, 0);
}

/* Items that change the function or the precision must pay in company, too, and some are two ways
 * to change the same layers (float16 under int8 leaves conversions): as long as the rest is no
 * worse without one of them, the one whose absence is best goes. */
static oxp_metrics combine(const oxp_advice *a, bool *set, const char *phase, company *c) {
    oxp_metrics best = together(a, set, c);
    for (size_t out = a->n_items; out != SIZE_MAX;) {
        oxp_metrics found = best;
        out = SIZE_MAX;
        for (size_t i = a->n_items; i-- > 0;) {
            if (!set[i] || stage(&a->items[i]) == 1 || strcmp(a->items[i].rule->phase, phase) != 0)
                continue;
            set[i] = false;
            oxp_metrics without = together(a, set, c);
            set[i] = true;
            if (value_of(a, &without) < value_of(a, out == SIZE_MAX ? &best : &found))
                continue;
            if (out != SIZE_MAX && value_of(a, &without) == value_of(a, &found))
                continue; /* the one of lower priority was seen first */
            found = without;
            out = i;
        }
        if (out != SIZE_MAX) {
            set[out] = false;
            best = found;
        }
    }
    return best;
}

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
static oxp_nearest nearest(const oxp_advice *a, const oxp_target *t, const bool *all, company *c) {
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
        differs |= set[i] != all[i];
    }
    if (differs) {
        oxp_metrics m = together(a, set, c);
        take_nearer(a, t, &m, set, &best);
    }
    return best;
}

/* The item of an earlier phase that stores the same weights in fewer bits already; NULL: none. */
static const oxp_item *quantized_by(const oxp_advice *a, const bool *set, const oxp_item *it) {
    oxp_dtype t = it->rule->projection.precision;
    for (size_t i = 0; i < a->n_items && t && !oxp_dtype_is_float(t); i++)
        if (set[i] && a->items[i].rule->projection.weights)
            return &a->items[i];
    return NULL;
}

/* Batches of the model with the whole roadmap; the types that are imagined for weights only are not
 * in it, so there is none with those. */
static const oxp_batch_sweep *final_sweep(const oxp_advice *a, const bool *set, company *c) {
    bring_together(a, set, c);
    return c->types.weights ? NULL
                            : oxp_sweep_batch(c->analysis, &a->base, a->r->device,
                                              c->types.precision, NULL, 0, a->arena);
}

/* What the items of the phase save together cannot be told. */
static void take_back(oxp_advice *a, bool *set, const char *id, oxp_phase *p) {
    p->has_combined = false;
    for (size_t i = 0; i < a->n_items; i++)
        if (set[i] && !strcmp(a->items[i].rule->phase, id)) {
            set[i] = false;
            a->items[i].lost = true;
        }
}

void oxp_make_phases(oxp_advice *a) {
    static const char *const ids[] = {"quick", "extra"};
    static const char *const names[] = {"Quick Wins", "Extra Impact"};
    oxp_phase *list = OXP_NEWS(a->arena, 2, oxp_phase);
    bool *set = OXP_NEWS(a->arena, a->n_items + 1, bool);
    company c = {.set = OXP_NEWS(a->arena, a->n_items + 1, bool)};
    size_t told = oxp_diag_count(a->ctx);
    a->r->final = a->r->baseline;
    for (int k = 0; k < 2; k++) {
        oxp_phase *p = &list[k];
        oxp_item *items = OXP_NEWS(a->arena, a->n_items + 1, oxp_item);
        for (size_t i = 0; i < a->n_items; i++) {
            oxp_item *it = &a->items[i];
            if (strcmp(it->rule->phase, ids[k]) != 0 || !it->projected ||
                it->effect == OXP_EFFECT_LOSS)
                continue;
            it->instead = quantized_by(a, set, it);
            if (!it->instead)
                p->has_combined = set[i] = true;
        }
        if (p->has_combined) {
            oxp_metrics all = combine(a, set, ids[k], &c);
            if (all.lost)
                take_back(a, set, ids[k], p);
            else
                a->r->final = all;
        }
        for (size_t i = 0; i < a->n_items; i++) {
            a->items[i].alone = a->items[i].projected && !set[i];
            if (!strcmp(a->items[i].rule->phase, ids[k]))
                items[p->n_items++] = a->items[i];
        }
        p->name = names[k];
        p->items = items;
        p->combined = a->r->final;
    }
    if (list[0].has_combined || list[1].has_combined)
        a->r->final_sweep = final_sweep(a, set, &c);
    oxp_nearest *near = OXP_NEWS(a->arena, a->r->n_targets + 1, oxp_nearest);
    for (size_t i = 0; i < a->r->n_targets; i++)
        near[i] = nearest(a, &a->r->targets[i], set, &c);
    dismiss(&c);
    oxp_diag_truncate(a->ctx, told);
    a->r->nearest = near;
    a->r->phases = list;
    a->r->n_phases = 2;
}
