/* heal.h - rewrites a model, verifies it, and leaves out what fails.
 *
 * A rewrite is a list of decisions: a normalization folded, a node converted.  When the rewritten
 * model fails the check, the decisions at which the damage starts are left out; when that does not
 * help, they are searched for by halves.  The rest stays. */
#ifndef OXP_VERIFY_HEAL_H
#define OXP_VERIFY_HEAL_H

#include "verify/verify.h"

typedef struct oxp_heal_opts {
    const char *const *passes;
    size_t n_passes;
    const oxp_pass_opts *how;
    const oxp_verify_opts *verify;
    const char *draft; /* file to write attempts to; removed afterwards */
} oxp_heal_opts;

typedef struct oxp_healed {
    oxp_model *model; /* the rewritten model */
    const oxp_pass_result *results;
    size_t n_results;
    const oxp_verification *verified; /* ok: the model may be written */
    const oxp_exclusion *left_out;    /* decisions that failed, each with its reason */
    size_t n_left_out;
    unsigned attempts; /* rewrites that were checked */
} oxp_healed;

/* Raises what the passes raise, and what oxp_verify does. */
oxp_healed oxp_heal(oxp_arena *arena, const oxp_model *original, const oxp_heal_opts *opts);

#endif
