/* project.c - what-ifs: patch a copy, analyse it again. */
#include <string.h>

#include "rewrite/project.h"

static const oxp_analysis *analyze(const oxp_model *m, const oxp_analyze_opts *opts,
                                   oxp_arena *arena) {
    const oxp_analysis *a;
    oxp_status s = oxp_analyze(&a, m, opts, arena);
    if (s != OXP_OK)
        oxp_reraise(oxp_model_ctx(m), s);
    return a;
}

/* Does some input of the main graph still have what this binding binds? */
static bool binds(const oxp_model *m, const oxp_binding *b) {
    const oxp_graph *g = oxp_graph_at(m, OXP_MAIN_GRAPH);
    oxp_dim symbol = b->rank < 0 ? oxp_dim_symbol(oxp_model_dims(m), b->name) : OXP_DIM_UNKNOWN;
    for (uint32_t i = 0; i < g->n_inputs; i++) {
        const oxp_value *v = oxp_value_at(m, g->inputs[i]);
        if (b->rank >= 0) {
            if (!strcmp(v->name, b->name))
                return true;
            continue;
        }
        for (int k = 0; v->declared && k < v->declared->rank; k++)
            if (v->declared->dims[k] == symbol)
                return true;
    }
    return false;
}

const oxp_analysis *oxp_analyze_remaining(const oxp_model *m, const oxp_binding *bindings, size_t n,
                                          oxp_arena *arena) {
    oxp_analyze_opts opts = OXP_ANALYZE_OPTS_INIT;
    oxp_binding *left = OXP_NEWS(arena, n + 1, oxp_binding);
    for (size_t i = 0; i < n; i++)
        if (binds(m, &bindings[i]))
            left[opts.n_bindings++] = bindings[i];
    opts.bindings = left;
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
