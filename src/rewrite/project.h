/* project.h - what-ifs: patch a copy of the model, analyse it again, take the difference. */
#ifndef OXP_REWRITE_PROJECT_H
#define OXP_REWRITE_PROJECT_H

#include "onnxpert/pass.h"

/* A what-if: the patched copy, what the passes did to it (in the copy's arena), its analysis. */
typedef struct oxp_projection {
    oxp_model *copy; /* for oxp_close when the rest is no longer needed */
    const oxp_analysis *analysis;
    const oxp_pass_result *results;
    size_t n_results;
} oxp_projection;

/* Runs the passes on a copy of the model, with weights taken as harmless where they are absent and
 * retraining allowed, and analyses the copy under the same bindings.  The model is not touched and
 * no diagnostics remain.  The analysis lives in `arena`.  Raises what a pass raises (an impossible
 * binding, say). */
oxp_projection oxp_project(const oxp_model *m, const char *const *passes, size_t n,
                           const oxp_pass_opts *opts, oxp_arena *arena);

/* Analyses a rewritten model under those of the bindings that still bind something: fix-shapes has
 * made the others part of the model.  No symbolic shapes, but for the graph's inputs. */
const oxp_analysis *oxp_analyze_remaining(const oxp_model *m, const oxp_binding *bindings, size_t n,
                                          oxp_arena *arena);

#endif
