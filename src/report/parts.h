/* parts.h - pieces that several reports share. */
#ifndef OXP_REPORT_PARTS_H
#define OXP_REPORT_PARTS_H

#include "onnxpert/pass.h"
#include "onnxpert/report.h"

struct oxp_verification;

/* The keys of `totals` into the open object. */
void oxp_emit_totals(oxp_json *j, const oxp_totals *t);
/* "exact", "rounding", "lossy", "retraining". */
const char *oxp_fidelity_name(oxp_fidelity f);
/* The object, or null. */
void oxp_emit_verification(oxp_json *j, const char *key, const struct oxp_verification *v);

/* A section on what a run showed. */
void oxp_doc_add_verification(oxp_doc *d, const struct oxp_verification *v);

oxp_doc *oxp_doc_comparison(const void *source, oxp_arena *arena);

#endif
