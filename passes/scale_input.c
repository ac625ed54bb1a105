/* scale_input.c - what-if: the network on images of another size.
 *
 *   before:  x [N,3,224,224] -> ... -> y [N,1000]
 *   after:   x [N,3,112,112] -> ... -> y, its shape inferred anew
 *
 * Every graph input of rank 4 gets its last two dimensions in per cent (param percent=N), rounded
 * to a multiple of 8 at least; recorded types of all other values are forgotten.  Whether the rest
 * of the graph takes the size is for the analysis to find out: a Flatten in front of a Gemm does
 * not.  Only for projections. */
#include <stdlib.h>
#include <string.h>

#include "onnxpert/pass.h"

enum { STEP = 8 };

static oxp_dim scaled(oxp_dim d, long percent) {
    if (!oxp_dim_is_literal(d) || d < STEP || d > 1000000)
        return d;
    return (d * percent / 100 + STEP / 2) / STEP * STEP;
}

static bool resize(oxp_run *run, oxp_patch *p, oxp_id v, long percent) {
    const oxp_type *t = &oxp_run_analysis(run)->values[v].type;
    if (oxp_value_at(oxp_run_model(run), v)->tensor != OXP_NONE || t->kind != OXP_KIND_TENSOR ||
        t->rank != 4)
        return false;
    oxp_dim *dims = OXP_NEWS(oxp_model_arena(oxp_run_model(run)), 4, oxp_dim);
    memcpy(dims, t->dims, 4 * sizeof *dims);
    dims[2] = scaled(t->dims[2], percent);
    dims[3] = scaled(t->dims[3], percent);
    if (dims[2] < STEP || dims[3] < STEP || (dims[2] == t->dims[2] && dims[3] == t->dims[3]))
        return false;
    /* other dimensions stay as they are declared: the batch may be open */
    const oxp_type *declared = oxp_value_at(oxp_run_model(run), v)->declared;
    for (int i = 0; i < 2 && declared && declared->rank == 4; i++)
        dims[i] = declared->dims[i];
    oxp_type *now = OXP_NEW(oxp_model_arena(oxp_run_model(run)), oxp_type);
    *now = *t;
    now->dims = dims;
    oxp_patch_type(p, v, now);
    return true;
}

static void run_pass(oxp_run *run) {
    const oxp_graph *g = oxp_graph_at(oxp_run_model(run), OXP_MAIN_GRAPH);
    long percent = strtol(oxp_run_param(run, "percent", "100"), NULL, 10);
    oxp_patch *p = oxp_patch_new(run);
    const char *why;
    size_t changed = 0;
    if (percent < 1 || percent > 10000) {
        oxp_patch_discard(p);
        return;
    }
    oxp_patch_clear_types(p);
    for (uint32_t i = 0; i < g->n_inputs; i++)
        changed += resize(run, p, g->inputs[i], percent);
    for (uint32_t i = 0; i < g->n_outputs; i++) {
        oxp_type *open = OXP_NEW(oxp_model_arena(oxp_run_model(run)), oxp_type);
        *open = oxp_run_analysis(run)->values[g->outputs[i]].type;
        open->rank = open->kind == OXP_KIND_TENSOR ? -1 : open->rank;
        oxp_patch_type(p, g->outputs[i], open);
    }
    if (!changed) {
        oxp_patch_discard(p);
        oxp_run_summary(run, "no input is an image whose size is known");
        return;
    }
    if (!oxp_patch_apply(p, &why)) {
        oxp_run_skip(run, OXP_NONE, "%s", why);
        return;
    }
    oxp_run_changed(run, changed);
    oxp_run_summary(run, "images of %ld %% of their size", percent);
}

static const oxp_pass_param params[] = {
    {.name = "percent", .least = 1, .most = 10000, .whole = true}, {.name = NULL}};

const oxp_pass oxp_pass_scale_input = {.name = "scale-input",
                                       .summary = "what-if: images of another size",
                                       .fidelity = OXP_RETRAINING,
                                       .flags = OXP_PASS_NEEDS_ANALYSIS | OXP_PASS_MAY_RESHAPE_IO |
                                                OXP_PASS_RETRAINING | OXP_PASS_WHAT_IF,
                                       .run = run_pass,
                                       .params = params};
