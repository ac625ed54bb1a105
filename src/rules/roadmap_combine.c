/* roadmap_combine.c - which items go together: sets of them are applied, analysed again, compared.
 *
 * A set is better than another when, in this order,
 *   - it reaches more of the targets,
 *   - it is less far behind the best single item on the metric that matters most (the set of that
 *     item alone is none, so no choice ever loses to one of its own items there),
 *   - its weighted gain is larger, less what it lacks on time and memory to the best single item,
 *     and less a little for work and risk: what is to be trained again must show. */
#include <math.h>
#include <string.h>

#include "rewrite/project.h"
#include "rules/roadmap_impl.h"

enum { STAGES = 4, EXACT = 1, ROUNDS = 3 };
static const double same = 1e-6; /* differences of logarithms below it are rounding */
/* As little behind the best single item is none: a bias more to read, say. */
static const double slack = 1e-3;
/* What an item costs, as a logarithm of the gain, by effort; retraining or a narrower type may cost
 * accuracy, too. */
static const double effort_cost[] = {0, 0.01, 0.02};
static const double accuracy_cost = 0.01;

/* Changes of the function first, then of its form, then of its precision: a pass finds what it
 * looks for as long as the ones that rename and retype have not run. */
static int stage(const oxp_item *it) {
    const oxp_pass *pass =
        it->rule->projection.pass ? oxp_pass_find(it->rule->projection.pass) : NULL;
    if (!pass)
        return 3;
    return pass->fidelity == OXP_RETRAINING ? 0 : pass->fidelity == OXP_LOSSY ? 2 : EXACT;
}

bool oxp_alternatives(const oxp_item *x, const oxp_item *y) {
    return x != y && stage(x) >= 2 && stage(x) == stage(y);
}

bool oxp_narrows(const oxp_item *it) {
    return stage(it) >= 2;
}

/* ---- a set, applied and analysed ---- */
/* The model with the passes of a set's items, analysed, for as long as the next set has the same:
 * items without a pass change only the types that are imagined. */
struct oxp_company {
    bool *set;       /* its items, those with a pass */
    oxp_model *copy; /* NULL: none yet */
    oxp_arena *scratch;
    const oxp_analysis *analysis;
    oxp_imagined types;
    struct tried { /* sets that were measured */
        bool *set;
        oxp_metrics metrics;
    } * tried;
    size_t n_tried, cap;
};

oxp_company *oxp_company_new(const oxp_advice *a) {
    oxp_company *c = OXP_NEW(a->arena, oxp_company);
    c->set = OXP_NEWS(a->arena, a->n_items + 1, bool);
    return c;
}

void oxp_company_dismiss(oxp_company *c) {
    oxp_close(c->copy);
    oxp_arena_free(c->scratch);
    c->copy = NULL;
    c->scratch = NULL;
    c->analysis = NULL;
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
            else
                oxp_imagine(p, types);
        }
}

const oxp_analysis *oxp_company_analysis(const oxp_advice *a, const bool *set, oxp_company *c,
                                         oxp_imagined *types) {
    bool as_before = c->analysis != NULL, any = false;
    for (size_t i = 0; i < a->n_items; i++) {
        bool wanted = set[i] && has_pass(&a->items[i]);
        as_before = as_before && c->set[i] == wanted;
        any = any || wanted;
        c->set[i] = wanted;
    }
    c->types = (oxp_imagined){OXP_UNDEFINED, OXP_UNDEFINED, OXP_UNDEFINED};
    if (!as_before) {
        oxp_company_dismiss(c);
        c->copy = any ? oxp_model_clone(a->m) : NULL;
        c->analysis = any ? NULL : a->r->analysis;
    }
    apply(a, set, as_before ? NULL : c->copy, &c->types);
    if (!c->analysis) {
        c->scratch = oxp_arena_new(a->ctx);
        c->analysis =
            oxp_analyze_remaining(c->copy, a->base.bindings, a->base.n_bindings, c->scratch);
    }
    *types = c->types;
    return c->analysis;
}

static bool equal(const oxp_advice *a, const bool *x, const bool *y) {
    return a->n_items == 0 || memcmp(x, y, a->n_items * sizeof *x) == 0;
}

/* Is this the only item of the set? */
static bool only(const oxp_advice *a, const bool *set, size_t at) {
    for (size_t i = 0; i < a->n_items; i++)
        if (set[i] != (i == at))
            return false;
    return true;
}

oxp_metrics oxp_together(const oxp_advice *a, const bool *set, oxp_company *c) {
    for (size_t i = 0; i < a->n_items; i++)
        if (set[i] && only(a, set, i))
            return a->items[i].after;
    for (size_t i = 0; i < c->n_tried; i++)
        if (equal(a, c->tried[i].set, set))
            return c->tried[i].metrics;
    oxp_imagined types;
    const oxp_analysis *an = oxp_company_analysis(a, set, c, &types);
    c->tried = oxp_grow(a->arena, c->tried, &c->cap, c->n_tried + 1, sizeof *c->tried);
    struct tried *t = &c->tried[c->n_tried++];
    t->set = OXP_NEWS(a->arena, a->n_items + 1, bool);
    memcpy(t->set, set, a->n_items * sizeof *set);
    t->metrics = oxp_measure(&a->w, an, types, c->scratch ? c->scratch : a->arena);
    return t->metrics;
}

/* ---- sets compared ---- */
typedef struct score {
    size_t met;    /* targets */
    double behind; /* the best single item, on what matters most */
    double gain;
} score;

static double log_factor(const oxp_advice *a, oxp_target_kind k, const oxp_metrics *m) {
    return log(oxp_target_kind_factor(k, &a->r->baseline, m));
}

/* The best of the items on a metric, and of nothing at all. */
static double best_single(const oxp_advice *a, const bool *among, oxp_target_kind k) {
    double best = 0;
    for (size_t i = 0; i < a->n_items; i++)
        if (among[i])
            best = fmax(best, log_factor(a, k, &a->items[i].after));
    return best;
}

static double cost_of(const oxp_advice *a, const bool *set) {
    double cost = 0;
    for (size_t i = 0; i < a->n_items; i++)
        if (set[i])
            cost += effort_cost[a->items[i].rule->effort] +
                    (stage(&a->items[i]) == EXACT ? 0 : accuracy_cost);
    return cost;
}

static score score_of(const oxp_advice *a, const bool *set, const bool *among, oxp_company *c) {
    const oxp_metrics m = oxp_together(a, set, c);
    oxp_target_kind focus = a->r->focus;
    score s = {0, 0, 0};
    if (m.lost || (a->r->baseline.batch_runs && !m.batch_runs))
        return (score){0, INFINITY, -INFINITY};
    for (size_t i = 0; i < a->r->n_targets; i++) {
        double v = oxp_target_value(&a->r->targets[i], &m);
        s.met += !isnan(v) && oxp_target_met(&a->r->targets[i], v);
    }
    s.behind = fmax(0, best_single(a, among, focus) - log_factor(a, focus, &m) - slack);
    s.gain = oxp_gain(a->r, &a->r->baseline, &m, 0) - cost_of(a, set);
    static const oxp_target_kind always[] = {OXP_TARGET_LATENCY, OXP_TARGET_MEMORY};
    for (int k = 0; k < 2; k++)
        s.gain -= fmax(0, best_single(a, among, always[k]) - log_factor(a, always[k], &m)) / 3;
    return s;
}

static bool better(score x, score y) {
    if (x.met != y.met)
        return x.met > y.met;
    if (fabs(x.behind - y.behind) > same)
        return x.behind < y.behind;
    return x.gain > y.gain + same;
}

/* ---- the search ---- */
/* The set becomes `with` where that is better; with exact changes only, where it is no worse. */
static bool take(const oxp_advice *a, bool *set, const bool *with, bool exact, const bool *among,
                 oxp_company *c, bool *lost) {
    score then = score_of(a, with, among, c), now = score_of(a, set, among, c);
    *lost = then.behind == INFINITY;
    if (!better(then, now) && !(exact && !better(now, then)))
        return false;
    memcpy(set, with, a->n_items * sizeof *set);
    return true;
}

/* All exact changes at once: they seldom stand in each other's way. */
static bool take_exact(const oxp_advice *a, bool *set, const bool *among, oxp_company *c) {
    bool *with = OXP_NEWS(a->arena, a->n_items + 1, bool), lost, any = false;
    for (size_t i = 0; i < a->n_items; i++) {
        bool joins = !set[i] && among[i] && stage(&a->items[i]) == EXACT;
        with[i] = set[i] || joins;
        any = any || joins;
    }
    return any && take(a, set, with, true, among, c, &lost);
}

/* Each item in turn joins, in place of its alternatives, where that is better. */
static bool grow(const oxp_advice *a, bool *set, const bool *among, oxp_company *c) {
    bool *with = OXP_NEWS(a->arena, a->n_items + 1, bool), changed = take_exact(a, set, among, c);
    for (size_t i = 0; i < a->n_items; i++) {
        if (set[i] || !among[i])
            continue;
        memcpy(with, set, a->n_items * sizeof *set);
        with[i] = true;
        for (size_t k = 0; k < a->n_items; k++)
            with[k] = with[k] && !oxp_alternatives(&a->items[k], &a->items[i]);
        bool exact = stage(&a->items[i]) == EXACT, lost;
        changed |= take(a, set, with, exact, among, c, &lost);
        a->items[i].lost = a->items[i].lost || lost;
    }
    return changed;
}

/* As long as it is better without one of them, the one whose absence is best goes. */
static bool shrink(const oxp_advice *a, bool *set, const bool *among, oxp_company *c) {
    score best = score_of(a, set, among, c);
    bool changed = false;
    for (size_t out = 0; out != SIZE_MAX;) {
        out = SIZE_MAX;
        for (size_t i = a->n_items; i-- > 0;) { /* of equals the one of lower priority goes */
            if (!set[i] || stage(&a->items[i]) == EXACT) /* these joined where they do no harm */
                continue;
            set[i] = false;
            score without = score_of(a, set, among, c);
            set[i] = true;
            if (!better(without, best))
                continue;
            best = without;
            out = i;
        }
        if (out != SIZE_MAX) {
            set[out] = false;
            changed = true;
        }
    }
    return changed;
}

static void improve(const oxp_advice *a, bool *set, const bool *among, oxp_company *c) {
    for (int round = 0; round < ROUNDS; round++) {
        bool grown = grow(a, set, among, c), shrunk = shrink(a, set, among, c);
        if (!grown && !shrunk)
            return;
    }
}

/* The single item that does best on what matters most; n_items: none. */
static size_t strongest(const oxp_advice *a, const bool *among) {
    size_t best = a->n_items;
    for (size_t i = 0; i < a->n_items; i++)
        if (among[i] &&
            (best == a->n_items || log_factor(a, a->r->focus, &a->items[i].after) >
                                       log_factor(a, a->r->focus, &a->items[best].after)))
            best = i;
    return best;
}

void oxp_combine(const oxp_advice *a, bool *set, const bool *among, oxp_company *c) {
    improve(a, set, among, c);
    size_t first = strongest(a, among);
    if (first == a->n_items || score_of(a, set, among, c).behind <= same)
        return;
    bool *other = OXP_NEWS(a->arena, a->n_items + 1, bool);
    other[first] = true;
    improve(a, other, among, c);
    if (better(score_of(a, other, among, c), score_of(a, set, among, c)))
        memcpy(set, other, a->n_items * sizeof *set);
}

bool oxp_may_replace(const oxp_advice *a, const bool *x, const bool *y, const bool *among,
                     oxp_company *c) {
    score new = score_of(a, x, among, c), old = score_of(a, y, among, c);
    return new.met >= old.met &&new.behind <= old.behind + same;
}
