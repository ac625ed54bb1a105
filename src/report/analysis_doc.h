/* analysis_doc.h - what the doc_*.c files of the analysis share. */
#ifndef OXP_REPORT_ANALYSIS_DOC_H
#define OXP_REPORT_ANALYSIS_DOC_H

#include "report/reports.h"

/* Sections, in the order in which they appear. */
void oxp_doc_summary(oxp_doc *d, const oxp_card *c);
void oxp_doc_blocks(oxp_doc *d, const oxp_card *c); /* the graph by blocks and their costs */
void oxp_doc_nodes(oxp_doc *d, const oxp_card *c, bool page);

const char *oxp_plural(uint64_t n); /* "" for 1, else "s" */
/* "at least " where totals are partial and this one is known, else "". */
const char *oxp_at_least(const oxp_totals *t, uint64_t total);
const char *oxp_params_text(oxp_arena *a, uint64_t n);                   /* "5,998", "11.7 M" */
const char *oxp_share_text(oxp_arena *a, uint64_t part, uint64_t whole); /* "12 %", "< 0.1 %" */
/* "yes", "no", "unknown"; a lower bound cannot say yes. */
const char *oxp_fits_text(const oxp_card *c, uint64_t needed, uint64_t there);
const char *oxp_runs_text(oxp_arena *a, double seconds); /* runs a second */
const char *oxp_family_title(const char *family);        /* "Transformer" */

#endif
