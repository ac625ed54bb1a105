/* roadmap_search.c - which items go together.  docs/roadmap.md states the criterion.
 *
 * A set takes another's place where, in this order,
 *   - it reaches more of the targets;
 *   - as long as targets are missed: it is nearer to them, by more than it is slower;
 *   - once none is missed: the latency gets no worse, nor, where it gets no better, a metric with
 *     a target;
 *   - and what it gains on time, memory and arithmetic is worth the work and risk of its items.
 * No item stays without which the set is better: nearer to the targets, faster, or smaller. */
#include <math.h>
#include <string.h>

#include "rules/roadmap_impl.h"

enum { ROUNDS = 3 };
static const double same = 1e-6; /* differences of logarithms below it are rounding */
/* A factor this near to 1 is no difference: a bias more to read, say. */
static const double slack = 1e-3;
/* What an item costs, as a logarithm of the gain, by effort; retraining or a narrower type may cost
 * accuracy, too. */
static const double effort_cost[] = {0, 0.01, 0.02};
static const double accuracy_cost = 0.01;
static const double worth_telling = 0.01;
static const double never = -1e9, always = 1e9;

/* ---- how a set stands ---- */
typedef struct standing {
    oxp_metrics m;
    bool runs;
    size_t met;     /* targets */
    double missing; /* logarithms of the misses of the others, added up */
    double cost;
} standing;

typedef struct search {
    const oxp_advice *a;
    const bool *among;
    oxp_company *c;
    const standing *floor; /* what may not get worse; NULL: nothing */
    double fastest;        /* logarithms: the best single item, on the latency */
    double nearest;        /* and on the targets that are missed */
} search;

static double log_latency(const oxp_advice *a, const oxp_metrics *m) {
    return log(oxp_target_kind_factor(OXP_TARGET_LATENCY, &a->r->baseline, m));
}

static standing rate(const oxp_advice *a, const oxp_metrics *m) {
    standing s = {.m = *m, .runs = !m->lost && (m->batch_runs || !a->r->baseline.batch_runs)};
    for (size_t i = 0; i < a->r->n_targets; i++) {
        double v = oxp_target_value(&a->r->targets[i], m);
        bool met = !isnan(v) && oxp_target_met(&a->r->targets[i], v);
        s.met += met;
        if (!isnan(v) && !met)
            s.missing += log(oxp_target_miss(&a->r->targets[i], v));
    }
    return s;
}

bool oxp_reaches_more(const oxp_advice *a, const oxp_item *it) {
    return rate(a, &it->after).met > rate(a, &it->before).met;
}

static standing standing_of(const oxp_advice *a, const bool *set, oxp_company *c) {
    const oxp_metrics m = oxp_together(a, set, c);
    standing s = rate(a, &m);
    for (size_t i = 0; i < a->n_items; i++)
        if (set[i])
            s.cost += effort_cost[a->items[i].rule->effort] +
                      (oxp_is_exact_item(&a->items[i]) ? 0 : accuracy_cost);
    return s;
}

/* ---- two of them compared ---- */
static double slower(const standing *from, const standing *to) {
    return from->m.latency > 0 && to->m.latency > 0 ? log(to->m.latency / from->m.latency) : 0;
}

static double grown(uint64_t from, uint64_t to) {
    return from && to && from != UINT64_MAX && to != UINT64_MAX ? log((double)to / (double)from)
                                                                : 0;
}

/* What gets worse most: the latency, or the metric of a target that is met.  Where no target is
 * missed the latency decides: what is faster gives nothing away. */
static double loss(const oxp_advice *a, const standing *from, const standing *to,
                   const oxp_target **which) {
    double most = slower(from, to);
    *which = NULL;
    if (from->missing <= 0 && to->missing <= 0 && most < -slack)
        return most;
    for (size_t i = 0; i < a->r->n_targets; i++) {
        const oxp_target *t = &a->r->targets[i];
        double old = oxp_target_value(t, &from->m), new = oxp_target_value(t, &to->m);
        if (isnan(old) || isnan(new) || !oxp_target_met(t, old))
            continue;
        double worse = log(oxp_target_miss(t, new) / oxp_target_miss(t, old));
        if (worse <= most + same)
            continue;
        most = worse;
        *which = t;
    }
    return most;
}

/* Behind the best single item: on the targets while any is missed, else on the latency. */
static double behind(const search *s, const standing *x) {
    if (x->missing > 0)
        return fmax(0, x->missing - s->nearest - slack);
    return fmax(0, s->fastest - log_latency(s->a, &x->m) - slack);
}

/* Arithmetic that costs no time here counts only where nobody said what matters. */
static double worth(const oxp_advice *a, const standing *from, const standing *to) {
    double here = -slower(from, to) - grown(from->m.memory, to->m.memory);
    return a->r->missed ? here / 2 : (here - grown(from->m.flops, to->m.flops)) / 3;
}

/* Once no target is missed nothing may be paid for; neither may bytes of the file for nothing. */
static bool forbidden(const search *s, const standing *from, const standing *to) {
    const oxp_target *which;
    double nearer = from->missing - to->missing, lost = loss(s->a, from, to, &which);
    if (nearer < -slack)
        return true;
    if (nearer <= slack && slower(from, to) >= -slack && grown(from->m.size, to->m.size) > slack)
        return true;
    return lost > slack && (!(from->missing > 0) || nearer <= lost);
}

/* Above 0: `to` is to take the place of `from`. */
static double advantage(const search *s, const standing *from, const standing *to) {
    if (!from->runs || !to->runs)
        return to->runs ? always : never;
    if (from->met != to->met)
        return to->met > from->met ? always * (double)(to->met - from->met) : never;
    double lead = behind(s, from) - behind(s, to);
    if (lead < -same)
        return never;
    if (from->missing > 0 && lead > same) /* the targets need it */
        return always / 2 + lead;
    if (forbidden(s, from, to))
        return never;
    if (lead > same)
        return always / 2 + lead;
    return from->missing - to->missing + worth(s->a, from, to) - (to->cost - from->cost);
}

/* Is it worse on what matters: the targets, then the latency and the other metrics with targets,
 * then the size? */
static bool worse(const oxp_advice *a, const standing *than, const standing *x) {
    const oxp_target *which;
    double farther = x->missing - than->missing;
    if (x->runs != than->runs || x->met != than->met)
        return !x->runs || x->met < than->met;
    if (fabs(farther) > slack)
        return farther > 0;
    if (loss(a, than, x, &which) > slack)
        return true;
    return slower(than, x) >= -slack && grown(than->m.size, x->m.size) > slack;
}

/* A later phase gives nothing away once an earlier one has reached the targets. */
static bool below(const search *s, const standing *x) {
    const oxp_target *which;
    if (!s->floor || !s->floor->runs)
        return false;
    return !x->runs || x->met < s->floor->met || x->missing > s->floor->missing + slack ||
           (s->floor->missing <= 0 && loss(s->a, s->floor, x, &which) > slack);
}

/* ---- the search ---- */
static bool exclusive_with(const oxp_advice *a, const bool *set, size_t item) {
    for (size_t k = 0; k < a->n_items; k++)
        if (set[k] && oxp_exclude(&a->items[k], &a->items[item]))
            return true;
    return false;
}

void oxp_without_exclusive(const oxp_advice *a, bool *set) {
    bool *kept = OXP_NEWS(a->arena, a->n_items + 1, bool);
    for (size_t i = 0; i < a->n_items; i++)
        kept[i] = set[i] && !exclusive_with(a, kept, i);
    memcpy(set, kept, a->n_items * sizeof *set);
}

/* The set becomes `with` where that is better; with exact changes only, where it is no worse. */
static bool take(const search *s, bool *set, const bool *with, bool exact, bool *lost) {
    standing then = standing_of(s->a, with, s->c), now = standing_of(s->a, set, s->c);
    double gain = advantage(s, &now, &then);
    *lost = then.m.lost;
    if (gain <= same && !(exact && gain >= -same))
        return false;
    if (below(s, &then) && !below(s, &now))
        return false;
    memcpy(set, with, s->a->n_items * sizeof *set);
    return true;
}

/* All exact changes at once: they seldom stand in each other's way. */
static bool take_exact(const search *s, bool *set) {
    const oxp_advice *a = s->a;
    bool *with = OXP_NEWS(a->arena, a->n_items + 1, bool), lost, any = false;
    for (size_t i = 0; i < a->n_items; i++) {
        bool joins = !set[i] && s->among[i] && oxp_is_exact_item(&a->items[i]);
        with[i] = set[i] || joins;
        any = any || joins;
    }
    return any && take(s, set, with, true, &lost);
}

/* The set and an item, in place of those that it excludes. */
static void join(const oxp_advice *a, const bool *set, size_t item, bool *with) {
    for (size_t k = 0; k < a->n_items; k++)
        with[k] = k == item || (set[k] && !oxp_exclude(&a->items[k], &a->items[item]));
}

static bool grow(const search *s, bool *set) {
    const oxp_advice *a = s->a;
    bool *with = OXP_NEWS(a->arena, a->n_items + 1, bool), changed = take_exact(s, set);
    for (size_t i = 0; i < a->n_items; i++) {
        bool lost;
        if (set[i] || !s->among[i])
            continue;
        join(a, set, i, with);
        changed |= take(s, set, with, oxp_is_exact_item(&a->items[i]), &lost);
        a->items[i].lost = a->items[i].lost || lost;
    }
    return changed;
}

/* How much better the set is without the item; 0: it is not. */
static double better_without(const search *s, bool *set, size_t item, const standing *with) {
    const oxp_item *it = &s->a->items[item];
    standing alone = rate(s->a, &it->after), today = rate(s->a, &it->before);
    if (oxp_is_exact_item(it) && !worse(s->a, &today, &alone)) /* it does no harm */
        return 0;
    set[item] = false;
    standing without = standing_of(s->a, set, s->c);
    set[item] = true;
    if (worse(s->a, &without, with))
        return always;
    double gain = advantage(s, with, &without);
    return oxp_is_exact_item(it) || gain <= same ? 0 : gain;
}

/* As long as it is better without one of them, the one whose absence is best goes. */
static bool shrink(const search *s, bool *set) {
    bool changed = false;
    for (;;) {
        standing with = standing_of(s->a, set, s->c);
        size_t out = s->a->n_items;
        double best = 0;
        for (size_t i = s->a->n_items; i-- > 0;) { /* of equals the one of lower priority goes */
            double gain = set[i] ? better_without(s, set, i, &with) : 0;
            if (gain <= best)
                continue;
            best = gain;
            out = i;
        }
        if (out == s->a->n_items)
            return changed;
        set[out] = false;
        changed = true;
    }
}

static void improve(const search *s, bool *set) {
    for (int round = 0; round < ROUNDS; round++) {
        bool grown_now = grow(s, set), shrunk = shrink(s, set);
        if (!grown_now && !shrunk)
            return;
    }
}

/* ---- where it starts ---- */
/* The single item that is nearest to the targets, or else the fastest; n_items: none. */
static size_t strongest(search *s) {
    const oxp_advice *a = s->a;
    size_t best = a->n_items;
    double lead = 0;
    s->nearest = rate(a, &a->r->baseline).missing;
    bool missed = s->nearest > 0;
    for (size_t i = 0; i < a->n_items; i++) {
        if (!s->among[i])
            continue;
        double near = rate(a, &a->items[i].after).missing;
        double fast = log_latency(a, &a->items[i].after);
        double this_lead = missed ? s->nearest - near : fast - s->fastest;
        if (this_lead > same || (best == a->n_items && lead >= 0)) {
            best = i;
            lead = this_lead;
        }
        s->nearest = fmin(s->nearest, near);
        s->fastest = fmax(s->fastest, fast);
    }
    return best;
}

/* From `start`; the result replaces the set where it is better. */
static void try_from(const search *s, bool *start, bool *set) {
    bool lost;
    improve(s, start);
    take(s, set, start, false, &lost);
}

/* All that helps with the targets that are missed, as the second start. */
static void all_that_help(const search *s, bool *start) {
    const oxp_advice *a = s->a;
    double today = rate(a, &a->r->baseline).missing;
    for (size_t i = 0; i < a->n_items; i++)
        start[i] = s->among[i] && rate(a, &a->items[i].after).missing < today - slack;
    oxp_without_exclusive(a, start);
}

void oxp_combine(const oxp_advice *a, bool *set, const bool *among, const bool *floor,
                 oxp_company *c) {
    search s = {.a = a, .among = among, .c = c};
    standing low;
    if (floor) {
        low = standing_of(a, floor, c);
        s.floor = &low;
    }
    size_t first = strongest(&s);
    improve(&s, set);
    standing now = standing_of(a, set, c);
    bool *other = OXP_NEWS(a->arena, a->n_items + 1, bool);
    if (first < a->n_items && behind(&s, &now) > same) {
        other[first] = true;
        try_from(&s, other, set);
        now = standing_of(a, set, c);
    }
    if (now.missing > 0) {
        all_that_help(&s, other);
        try_from(&s, other, set);
        now = standing_of(a, set, c);
    }
    if (floor && below(&s, &now))
        memcpy(set, floor, a->n_items * sizeof *set);
}

bool oxp_may_replace(const oxp_advice *a, const bool *x, const bool *y, const bool *among,
                     oxp_company *c) {
    search s = {.a = a, .among = among, .c = c};
    (void)strongest(&s);
    standing to = standing_of(a, x, c), from = standing_of(a, y, c);
    return to.runs && to.met >= from.met && to.missing <= from.missing + slack &&
           behind(&s, &to) <= behind(&s, &from) + same;
}

bool oxp_is_below(const oxp_advice *a, const bool *x, const bool *y, oxp_company *c) {
    search s = {.a = a, .c = c};
    standing low = standing_of(a, y, c), set = standing_of(a, x, c);
    s.floor = &low;
    return below(&s, &set);
}

/* ---- why not ---- */
static const char *change(const oxp_advice *a, const oxp_target *t, const standing *now,
                          const standing *then) {
    static const oxp_target plain = {.name = "latency", .kind = OXP_TARGET_LATENCY};
    t = t ? t : &plain;
    double from = oxp_target_value(t, &now->m), to = oxp_target_value(t, &then->m);
    const char *old = oxp_target_show(a->arena, t, from), *new = oxp_target_show(a->arena, t, to);
    if (!strcmp(old, new))
        return oxp_sprintf(a->arena, "%s would get worse by %.2g %%", t->name,
                           100 * fabs(log(to / from)));
    return oxp_sprintf(a->arena, "%s would go from %s to %s", t->name, old, new);
}

/* A target that the set reaches and no longer would; NULL: none. */
static const char *target_lost(const oxp_advice *a, const standing *now, const standing *then) {
    for (size_t i = 0; i < a->r->n_targets; i++) {
        const oxp_target *t = &a->r->targets[i];
        double old = oxp_target_value(t, &now->m), new = oxp_target_value(t, &then->m);
        if (!isnan(old) && !isnan(new) && oxp_target_met(t, old) && !oxp_target_met(t, new))
            return oxp_sprintf(a->arena,
                               "Not combined with the other items: the target %s=%s would be "
                               "missed (%s instead of %s).",
                               t->name, t->text, oxp_target_show(a->arena, t, new),
                               oxp_target_show(a->arena, t, old));
    }
    return NULL;
}

static bool figures_equal(const oxp_metrics *x, const oxp_metrics *y) {
    return x->flops == y->flops && x->params == y->params && x->nodes == y->nodes &&
           x->weight_bytes == y->weight_bytes && x->memory == y->memory &&
           fabs(x->latency - y->latency) <= same * y->latency;
}

static const char *no_use(const oxp_advice *a, const standing *now, const standing *then) {
    const oxp_target *which;
    double lost = loss(a, now, then, &which);
    if (lost > slack)
        return oxp_sprintf(
            a->arena, "Not combined with the other items: on top of them %s%s.",
            change(a, which, now, then),
            now->missing > 0 ? ", and it brings the missed targets no nearer than that" : "");
    if (figures_equal(&now->m, &then->m))
        return "Not combined with the other items: they leave it nothing to change.";
    static const oxp_target memory = {.name = "memory", .kind = OXP_TARGET_MEMORY};
    const char *saved = "";
    if (slower(now, then) < -worth_telling)
        saved = change(a, NULL, now, then);
    if (grown(now->m.memory, then->m.memory) < -worth_telling)
        saved = oxp_sprintf(a->arena, "%s%s%s", saved, *saved ? ", and " : "",
                            change(a, &memory, now, then));
    return oxp_sprintf(a->arena,
                       "Not combined with the other items: on top of them %s, which does not pay "
                       "for its work and risk.",
                       *saved ? saved : "it gains less than 1 % on latency and on memory");
}

const char *oxp_why_not(const oxp_advice *a, const bool *set, size_t item, oxp_company *c) {
    const oxp_item *it = &a->items[item];
    if (it->effect == OXP_EFFECT_LOSS && !oxp_reaches_more(a, it))
        return oxp_sprintf(a->arena,
                           "On this device it makes %s worse: it stands behind everything that "
                           "helps, for what else it saves, and is left out of the combination.",
                           oxp_target_kind_name(a->r->focus));
    for (size_t k = 0; k < a->n_items; k++) {
        oxp_exclusive e = set[k] ? oxp_exclude(&a->items[k], it) : OXP_COMPATIBLE;
        if (e)
            return oxp_sprintf(a->arena,
                               "Not combined with \"%s\", which is in the combination and serves "
                               "it better: both %s.",
                               a->items[k].rule->title,
                               e == OXP_SAME_LAYERS ? "give the same layers another form"
                                                    : "narrow the same numbers");
    }
    bool *with = OXP_NEWS(a->arena, a->n_items + 1, bool);
    join(a, set, item, with);
    standing now = standing_of(a, set, c), then = standing_of(a, with, c);
    if (!then.runs)
        return "Not combined with the other items: once they are applied together, nodes whose "
               "cost is known today have an unknown one, and there is no figure to compare.";
    const char *lost = target_lost(a, &now, &then);
    return lost ? lost : no_use(a, &now, &then);
}
