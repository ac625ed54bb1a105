/* roadmap_page.h - what the sections of the roadmap's document share. */
#ifndef OXP_REPORT_ROADMAP_PAGE_H
#define OXP_REPORT_ROADMAP_PAGE_H

#include "rules/roadmap.h"

typedef struct oxp_page {
    const oxp_roadmap *r;
    oxp_doc *d;
    oxp_arena *a;
} oxp_page;

/* "8.3 %"; "2.71x less", "same". */
const char *oxp_page_percent(oxp_arena *a, double part, double whole);
const char *oxp_page_times(oxp_arena *a, double before, double after);
/* "2.2x to 2.9x", or "" when the range is too narrow to matter. */
const char *oxp_page_spread(oxp_arena *a, oxp_spread s);
/* "latency", "throughput at batch 16", ... */
const char *oxp_page_metric(const oxp_page *p, oxp_target_kind k);
/* "throughput (64 %), memory (36 %)": what the gain of an item is made of. */
const char *oxp_page_weights(const oxp_page *p);
/* Does the item change what is trained? */
bool oxp_page_retrains(const oxp_item *it);
/* "met", "missed by 1.98x (990 samples/s short)" */
const char *oxp_page_gap(const oxp_page *p, const oxp_target *t, double value);
void oxp_page_targets(oxp_page *p, const oxp_metrics *now, const char *title);

/* Sections. */
void oxp_page_picture(oxp_page *p);
void oxp_page_bottlenecks(oxp_page *p);
void oxp_page_checkpoints(oxp_page *p);
void oxp_page_phases(oxp_page *p);

#endif
