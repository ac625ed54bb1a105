/* run_impl.h - one execution of a pass: for src/rewrite only; passes see include/onnxpert/pass.h.
 */
#ifndef OXP_REWRITE_RUN_IMPL_H
#define OXP_REWRITE_RUN_IMPL_H

#include "onnxpert/pass.h"

typedef struct oxp_skip_list {
    oxp_skip *items;
    size_t n, cap;
} oxp_skip_list;

struct oxp_run {
    oxp_model *model;
    oxp_ctx *ctx;
    const oxp_pass *pass;
    const oxp_pass_opts *opts;
    oxp_arena *arena; /* scratch of this run */
    oxp_arena *kept;  /* the model's: what the result points to */
    const oxp_analysis *analysis;
    size_t analysed_values;          /* values that it knows */
    oxp_patch *open;                 /* the patch being built, NULL: none */
    struct oxp_patch_state *patches; /* src/rewrite/patch_impl.h */
    size_t changed, passed_over;
    uint32_t *places; /* by node: where it is in opts->only_nodes, plus 1; NULL: not made yet */
    size_t n_places;
    const char *summary;
    oxp_skip_list skips, notes;
    oxp_decision *decisions;
    size_t n_decisions, cap_decisions;
};

#endif
