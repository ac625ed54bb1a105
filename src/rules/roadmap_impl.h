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

/* ---- commands (roadmap_command.c) ---- */
/* The command that applies a projected item. */
void oxp_command_for(const oxp_advice *a, oxp_item *it);

/* ---- combinations (roadmap_combine.c); a set is a bool for each item ---- */
typedef struct oxp_company oxp_company; /* a set applied to a copy, and what was measured so far */
oxp_company *oxp_company_new(const oxp_advice *a);
void oxp_company_dismiss(oxp_company *c);
/* The model with the set's items, analysed; valid until the next set or the company's end. */
const oxp_analysis *oxp_company_analysis(const oxp_advice *a, const bool *set, oxp_company *c,
                                         oxp_imagined *types);
oxp_metrics oxp_together(const oxp_advice *a, const bool *set, oxp_company *c);
bool oxp_equal_sets(const oxp_advice *a, const bool *x, const bool *y);
/* Why two items are never combined. */
typedef enum oxp_exclusive {
    OXP_COMPATIBLE,
    OXP_SAME_LAYERS, /* both give the same layers another function */
    OXP_SAME_NUMBERS /* both narrow the same numbers */
} oxp_exclusive;
oxp_exclusive oxp_exclude(const oxp_item *x, const oxp_item *y);
void oxp_note_layers(const oxp_advice *a, oxp_item *it);
/* Does the item keep the function and the types of numbers? */
bool oxp_is_exact_item(const oxp_item *it);
/* Does the item change the types of numbers? */
bool oxp_narrows(const oxp_item *it);

/* ---- which of them (roadmap_search.c) ---- */
/* Makes the set the best combination that is found of what is `among`, from what it is; it never
 * gets worse than `floor` (NULL: none). */
void oxp_combine(const oxp_advice *a, bool *set, const bool *among, const bool *floor,
                 oxp_company *c);
/* Does the item alone reach more of the targets than the model as it is? */
bool oxp_reaches_more(const oxp_advice *a, const oxp_item *it);
/* Does x reach as many targets as y, is it as near to the others, and as near to the best single
 * item on what matters? */
bool oxp_may_replace(const oxp_advice *a, const bool *x, const bool *y, const bool *among,
                     oxp_company *c);
/* Does x give away what y has reached? */
bool oxp_is_below(const oxp_advice *a, const bool *x, const bool *y, oxp_company *c);
/* All items of `set` that exclude none before them. */
void oxp_without_exclusive(const oxp_advice *a, bool *set);
/* One sentence: why the item is not part of the set. */
const char *oxp_why_not(const oxp_advice *a, const bool *set, size_t item, oxp_company *c);

/* ---- phases (roadmap_phases.c) ---- */
void oxp_make_phases(oxp_advice *a);

/* ---- sweeps (roadmap_sweeps.c) ---- */
void oxp_sweep_precision(oxp_advice *a);
void oxp_sweep_resolution(oxp_advice *a, const oxp_insight *insight);

/* The whole, in an advice that the caller began (ctx, arena, model, options). */
oxp_status oxp_advise_in(oxp_advice *a);

#endif
