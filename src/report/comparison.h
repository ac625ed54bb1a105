/* comparison.h - the before/after report: projected, achieved and measured side by side. */
#ifndef OXP_REPORT_COMPARISON_H
#define OXP_REPORT_COMPARISON_H

#include "analysis/device.h"
#include "onnxpert/pass.h"
#include "onnxpert/report.h"

struct oxp_verification; /* src/verify/verify.h */

typedef struct oxp_comparison {
    const char *before_path, *after_path; /* after_path NULL: a dry run, nothing was written */
    const oxp_analysis *before;
    const oxp_analysis *projected; /* the what-if: the passes on a copy; NULL in `compare` */
    const oxp_analysis *after;     /* the written file, analysed again; NULL in a dry run   */
    const oxp_pass_result *passes;
    size_t n_passes;
    const oxp_saved *saved;   /* NULL: nothing was written by us */
    const oxp_device *device; /* latencies for it; NULL: none */
    bool weights_assumed;     /* dry run without the weights: harmless values were taken */
    const struct oxp_verification *verified; /* NULL: not verified */
} oxp_comparison;

/* A report over the comparison, which must outlive it. */
oxp_report oxp_report_comparison(const oxp_comparison *c);

#endif
