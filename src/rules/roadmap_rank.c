/* roadmap_rank.c - which item comes first.  docs/roadmap.md explains the formula:
 *
 *   priority = confidence * kept * log2(gain) / weeks
 *
 * gain: the factor on the metrics that the targets miss, each weighted by how far, at the low end
 * of its range; kept: how likely the change survives validation; weeks: its own work and the
 * validation that any change of a deployed model takes.  The unit is halvings (of time, of bytes) a
 * week. */
#include <math.h>
#include <string.h>

#include "rules/roadmap_impl.h"

/* Days of work by effort, and the week that validation and release take whatever was changed. */
static const double effort_days[] = {0.5, 3, 10};
static const double release_days = 5, days_a_week = 5;
/* How likely a change survives validation, by risk: one in seven, two in five are given up. */
static const double kept[] = {1, 0.85, 0.6};
/* A factor closer to 1 than 2 % is within the noise of any measurement: no effect. */
static const double worth_saying = 0.02;

/* ---- what matters ---- */
void oxp_weigh(oxp_roadmap *r) {
    double sum = 0;
    for (size_t i = 0; i < r->n_targets; i++) {
        const oxp_target *t = &r->targets[i];
        double miss = log(oxp_target_miss(t, oxp_target_value(t, &r->baseline)));
        if (t->kind != OXP_TARGET_ACCURACY && miss > r->weight[t->kind])
            r->weight[t->kind] = miss;
    }
    for (int k = 0; k < OXP_WEIGHTS; k++)
        sum += r->weight[k];
    r->missed = sum > 0;
    if (!r->missed) { /* nobody said what matters: time here, room, and work on any device */
        r->weight[OXP_TARGET_LATENCY] = r->weight[OXP_TARGET_MEMORY] = r->work_weight = 1;
        sum = 3;
    }
    r->work_weight /= sum;
    for (int k = 0; k < OXP_WEIGHTS; k++) {
        r->weight[k] /= sum;
        if (r->weight[k] > r->weight[r->focus])
            r->focus = (oxp_target_kind)k;
    }
}

/* ---- gains ---- */
static double factor(double before, double after) {
    return before > 0 && after > 0 && isfinite(before) && isfinite(after) ? log(before / after) : 0;
}

static double count_factor(uint64_t before, uint64_t after) {
    return before == UINT64_MAX || after == UINT64_MAX ? 0 : factor((double)before, (double)after);
}

static double gain_on(oxp_target_kind k, const oxp_metrics *b, const oxp_metrics *n, int s) {
    switch (k) {
    case OXP_TARGET_LATENCY:
        return factor(b->latency_in[s], n->latency_in[s]);
    case OXP_TARGET_THROUGHPUT:
        return factor(n->throughput_in[s], b->throughput_in[s]);
    case OXP_TARGET_MEMORY:
        return count_factor(b->memory, n->memory);
    case OXP_TARGET_SIZE:
        return count_factor(b->size, n->size);
    case OXP_TARGET_ACCURACY:
        break;
    }
    return 0;
}

double oxp_target_kind_factor(oxp_target_kind k, const oxp_metrics *before,
                              const oxp_metrics *after) {
    return exp(gain_on(k, before, after, 0));
}

double oxp_gain(const oxp_roadmap *r, const oxp_metrics *before, const oxp_metrics *after,
                int scenario) {
    double g = 0;
    for (int k = 0; k < OXP_WEIGHTS; k++)
        g += r->weight[k] * gain_on((oxp_target_kind)k, before, after, scenario);
    g += r->work_weight * count_factor(before->flops, after->flops);
    return g;
}

double oxp_focus_gain(const oxp_roadmap *r, const oxp_metrics *before, const oxp_metrics *after) {
    return gain_on(r->focus, before, after, 0);
}

/* A factor by formula is one on the time. */
static double gain_by_formula(const oxp_roadmap *r, double f) {
    return f > 1 ? (r->weight[OXP_TARGET_LATENCY] + r->weight[OXP_TARGET_THROUGHPUT]) * log(f) : 0;
}

/* ---- the item ---- */
/* Half as much again and more is high, a tenth medium. */
static const char *impact_of(double gain) {
    return gain >= log(1.5) ? "high" : gain >= log(1.1) ? "medium" : "low";
}

void oxp_rank_item(const oxp_roadmap *r, oxp_item *it) {
    const oxp_rule *rule = it->rule;
    it->gain = it->gain_low = gain_by_formula(r, it->result->gain);
    it->effect = it->gain > 0 ? OXP_EFFECT_GAIN : OXP_EFFECT_UNKNOWN;
    if (it->projected) {
        it->gain = it->gain_low = oxp_gain(r, &it->before, &it->after, 0);
        for (int s = 1; s < OXP_SCENARIOS; s++)
            it->gain_low = fmin(it->gain_low, oxp_gain(r, &it->before, &it->after, s));
        double focus = oxp_focus_gain(r, &it->before, &it->after);
        it->effect = focus < -worth_saying  ? OXP_EFFECT_LOSS
                     : focus > worth_saying ? OXP_EFFECT_GAIN
                                            : OXP_EFFECT_NONE;
    }
    double weeks = (effort_days[rule->effort] + release_days) / days_a_week, sure = it->gain_low;
    if (it->effect == OXP_EFFECT_NONE || it->effect == OXP_EFFECT_UNKNOWN)
        sure = 0; /* whatever else it saves, it comes behind what helps */
    else if (it->effect == OXP_EFFECT_LOSS)
        sure = oxp_focus_gain(r, &it->before, &it->after);
    it->priority = rule->confidence * kept[rule->risk] * sure / log(2) / weeks;
    it->impact = impact_of(it->effect == OXP_EFFECT_GAIN ? it->gain : 0);
}

int oxp_by_priority(const void *x, const void *y) {
    const oxp_item *a = x, *b = y;
    if (a->priority != b->priority)
        return a->priority < b->priority ? 1 : -1;
    if (a->gain != b->gain)
        return a->gain < b->gain ? 1 : -1;
    if (a->projected != b->projected)
        return a->projected ? -1 : 1;
    return strcmp(a->rule->id, b->rule->id);
}
