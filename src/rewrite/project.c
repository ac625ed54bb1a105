/* project.c - what-ifs: patch a copy, analyse it again. */
#include "rewrite/project.h"

#include "analysis/binding.h"

static const oxp_analysis *analyze(const oxp_model *m, const oxp_analyze_opts *opts,
                                   oxp_arena *arena) {
    const oxp_analysis *a;
    oxp_status s = oxp_analyze(&a, m, opts, arena);
    if (s != OXP_OK)
        oxp_reraise(oxp_model_ctx(m), s);
    return a;
}

const oxp_analysis *oxp_analyze_remaining(const oxp_model *m, const oxp_binding *bindings, size_t n,
                                          oxp_arena *arena) {
    oxp_analyze_opts opts = OXP_ANALYZE_OPTS_INIT;
    opts.bindings = oxp_bindings_left(m, bindings, n, &opts.n_bindings, arena);
    opts.symbolic = false;
    return analyze(m, &opts, arena);
}

oxp_projection oxp_project(const oxp_model *m, const char *const *passes, size_t n,
                           const oxp_pass_opts *opts, oxp_arena *arena) {
    oxp_ctx *ctx = oxp_model_ctx(m);
    size_t told = oxp_diag_count(ctx);
    oxp_projection p = {.copy = oxp_model_clone(m)};
    oxp_pass_opts imagined = *opts;
    imagined.assume_weights = true;
    imagined.allow_retraining = true;
    oxp_status s = oxp_run_passes(p.copy, passes, n, &imagined, &p.results, &p.n_results);
    if (s != OXP_OK)
        oxp_reraise(ctx, s);
    p.analysis = oxp_analyze_remaining(p.copy, opts->bindings, opts->n_bindings, arena);
    oxp_diag_truncate(ctx, told);
    return p;
}
