/* project.h - what-ifs: patch a copy of the model, analyse it again, take the difference. */
#ifndef OXP_REWRITE_PROJECT_H
#define OXP_REWRITE_PROJECT_H

#include "onnxpert/pass.h"

/* Runs the passes on a copy of the model, with weights taken as harmless where they are absent and
 * retraining allowed, and analyses the copy under the same bindings.  The model is not touched and
 * no diagnostics remain.  `results` / `n_results` (may be NULL): what the passes did.  The analysis
 * lives in `arena`.  Raises what a pass raises (an impossible binding, say). */
const oxp_analysis *oxp_project(const oxp_model *m, const char *const *passes, size_t n,
                                const oxp_pass_opts *opts, oxp_arena *arena,
                                const oxp_pass_result **results, size_t *n_results);

/* Analyses a rewritten model under those of the bindings that still bind something: fix-shapes has
 * made the others part of the model. */
const oxp_analysis *oxp_analyze_remaining(const oxp_model *m, const oxp_binding *bindings, size_t n,
                                          oxp_arena *arena);

#endif
