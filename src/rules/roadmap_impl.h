/* roadmap_impl.h - what the files of the roadmap share while it is made. */
#ifndef OXP_RULES_ROADMAP_IMPL_H
#define OXP_RULES_ROADMAP_IMPL_H

#include "rules/roadmap.h"

typedef struct oxp_advice {
    oxp_ctx *ctx;
    oxp_arena *arena;
    const oxp_model *m;
    const oxp_advise_opts *opts;
    oxp_analyze_opts base;
    oxp_whatif w;
    oxp_roadmap *r;
    oxp_item *items;
    size_t n_items;
    oxp_skip *dropped;
} oxp_advice;

/* ---- rank (roadmap_rank.c) ---- */
/* What matters: r->weight and r->focus, from how far each target is missed. */
void oxp_weigh(oxp_roadmap *r);
/* Weighted logarithms of the metrics' factors, on the device as stated (scenario 0) or deviating.
 */
double oxp_gain(const oxp_roadmap *r, const oxp_metrics *before, const oxp_metrics *after,
                int scenario);
/* The logarithm of the factor on the metric that matters most. */
double oxp_focus_gain(const oxp_roadmap *r, const oxp_metrics *before, const oxp_metrics *after);
void oxp_rank_item(const oxp_roadmap *r, oxp_item *it);
int oxp_by_priority(const void *x, const void *y);

/* ---- phases (roadmap_phases.c) ---- */
void oxp_make_phases(oxp_advice *a);

/* ---- sweeps (roadmap_sweeps.c) ---- */
void oxp_sweep_precision(oxp_advice *a);
void oxp_sweep_resolution(oxp_advice *a, const oxp_insight *insight);

#endif
