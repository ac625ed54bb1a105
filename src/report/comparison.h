/* comparison.h - the before/after report: projected, achieved and measured side by side. */
#ifndef OXP_REPORT_COMPARISON_H
#define OXP_REPORT_COMPARISON_H

#include "analysis/device.h"
#include "onnxpert/pass.h"
#include "onnxpert/report.h"

struct oxp_verification; /* src/verify/verify.h */

/* What the comparison keeps of an analysis, so that model and analysis can go: memory stays that of
 * one model at a time. */
typedef struct oxp_face {
    const char *name, *text; /* "float32 [N, 64, 56, 56]" */
    bool outside;            /* input or output of the graph */
} oxp_face;

typedef struct oxp_side {
    oxp_totals totals;
    const oxp_face *faces;         /* of inputs, outputs and activations of the main graph */
    size_t n_faces, n_activations; /* there may be more activations than faces are kept of */
    const oxp_op_total *by_op;
    size_t n_by_op;
    double latency; /* seconds on the device; NaN: none was named */
    oxp_arena *arena;
} oxp_side;

/* A copy of what is needed, in `arena`. */
const oxp_side *oxp_side_of(const oxp_analysis *a, const oxp_device *device, oxp_arena *arena);

/* An item of the roadmap that a pass can do, for --auto. */
typedef struct oxp_planned {
    const char *rule, *title, *pass;
    const char *left; /* why --auto leaves it; NULL: it applies it */
} oxp_planned;

/* The model after one pass of several, on the copy and for real. */
typedef struct oxp_step {
    const char *pass, *title; /* title: of the roadmap's items it stands for; NULL: none */
    const oxp_side *projected, *achieved;
} oxp_step;

typedef struct oxp_comparison {
    const char *before_path, *after_path; /* after_path NULL: a dry run, nothing was written */
    const oxp_side *before;
    const oxp_side *projected; /* the what-if: the passes on a copy; NULL in `compare` */
    const oxp_side *after;     /* the written file, analysed again; NULL in a dry run   */
    const oxp_pass_result *passes;
    size_t n_passes;
    const oxp_planned *plan; /* --auto; NULL: the user named the passes */
    size_t n_plan;
    const oxp_step *steps; /* one a pass; none where the user named a single one */
    size_t n_steps;
    const oxp_saved *saved;   /* NULL: nothing was written by us */
    const oxp_device *device; /* latencies for it; NULL: none */
    bool weights_assumed;     /* dry run without the weights: harmless values were taken */
    const struct oxp_verification *verified; /* NULL: not verified */
    const oxp_exclusion *left_out;           /* what failed the check, with the reasons */
    size_t n_left_out;
    unsigned attempts; /* rewrites that were checked */
} oxp_comparison;

/* Activations and shapes (doc_tensors.c). */
void oxp_side_tensors(const oxp_analysis *a, oxp_side *s, oxp_arena *arena);
void oxp_doc_add_tensors(oxp_doc *d, const oxp_comparison *c);
void oxp_emit_tensors(oxp_json *j, const oxp_comparison *c);
/* The sections and keys on plan and steps (doc_steps.c). */
void oxp_doc_add_steps(oxp_doc *d, const oxp_comparison *c);
void oxp_emit_steps(oxp_json *j, const oxp_comparison *c);

/* A report over the comparison, which must outlive it. */
oxp_report oxp_report_comparison(const oxp_comparison *c);

#endif
