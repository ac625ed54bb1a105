/* remove_upsampling.c - run at the resolution of the input.
 *
 *   before:  x [N,3,64,64] -> (rescaling) -> Resize x3.5 -> [N,3,224,224] -> Conv ...
 *   after:   x [N,3,64,64] -> (rescaling) ----------------> [N,3,64,64]  -> Conv ...
 *
 * For an upsampling that is fed by a graph input through nothing but elementwise or moving nodes.
 * The network must take the smaller images: global pooling makes that so; where a Flatten fixes the
 * size of a Gemm, the new shapes do not fit and the patch is refused.  Another function, so the
 * network is to be fine-tuned. */
#include <stdlib.h>
#include <string.h>

#include "onnxpert/pass.h"
#include "ops/op.h"
#include "rewrite/select.h"

static bool dims_of(const oxp_analysis *a, oxp_id v, const oxp_type **t) {
    *t = v == OXP_NONE ? NULL : &a->values[v].type;
    return *t && (*t)->kind == OXP_KIND_TENSOR && (*t)->rank >= 3;
}

/* Elements out per element in; 0 when not known. */
static double growth(const oxp_analysis *a, const oxp_node *n) {
    const oxp_type *x, *y;
    double g = 1;
    if (!dims_of(a, oxp_in(n, 0), &x) || !dims_of(a, oxp_out(n, 0), &y) || x->rank != y->rank)
        return 0;
    for (int i = 0; i < x->rank; i++) {
        if (x->dims[i] == y->dims[i]) /* the batch may have no number */
            continue;
        if (!oxp_dim_is_literal(x->dims[i]) || !oxp_dim_is_literal(y->dims[i]) || x->dims[i] < 1)
            return 0;
        g *= (double)y->dims[i] / (double)x->dims[i];
    }
    return g;
}

static bool from_input(const oxp_model *m, const oxp_analysis *a, oxp_id v) {
    const uint32_t easy = OXP_OP_VIEW | OXP_OP_MOVE | OXP_OP_ELEMENTWISE | OXP_OP_UNARY;
    for (int step = 0; step < 8 && v != OXP_NONE; step++) {
        const oxp_value *value = oxp_value_at(m, v);
        if (value->producer == OXP_NONE)
            return value->is_input;
        const oxp_node *n = oxp_node_at(m, value->producer);
        if (!n->def || !(n->def->flags & easy))
            return false;
        v = OXP_NONE;
        for (uint32_t i = 0; i < n->n_in; i++)
            if (n->in[i] != OXP_NONE && !a->values[n->in[i]].constant &&
                !a->values[n->in[i]].shape_role)
                v = v == OXP_NONE || v == n->in[i] ? n->in[i] : OXP_NONE;
    }
    return false;
}

static void bypass(oxp_run *run, oxp_id id) {
    const oxp_model *m = oxp_run_model(run);
    const oxp_node *n = oxp_node_at(m, id);
    const oxp_analysis *a = oxp_run_analysis(run);
    double times = growth(a, n);
    oxp_id from = oxp_in(n, 0), to = oxp_out(n, 0);
    bool was_partial = a->totals.partial;
    const char *why;
    if (!(times > 1)) {
        oxp_run_skip(run, id, "it does not enlarge its input, as far as sizes are known");
        return;
    }
    if (!from_input(m, a, from)) {
        oxp_run_skip(run, id, "it does not enlarge the model's own input but something computed");
        return;
    }
    if (oxp_value_at(m, to)->outputs) {
        oxp_run_skip(run, id, "its output is an output of the model");
        return;
    }
    oxp_patch *p = oxp_patch_new(run);
    oxp_patch_clear_types(p);
    oxp_patch_replace_uses(p, to, from);
    oxp_patch_drop(p, id);
    if (!oxp_patch_apply(p, &why)) {
        oxp_run_skip(run, id, "%s", why);
        return;
    }
    if (oxp_run_reanalyze(run)->totals.partial && !was_partial)
        oxp_run_impossible(run, id,
                           "without it some sizes behind it no longer fit: the network "
                           "is built for the enlarged image");
    oxp_run_changed(run, 1);
    oxp_run_summary(run, "%.4gx the pixels: no longer enlarged", times);
}

static void run_pass(oxp_run *run) {
    const oxp_model *m = oxp_run_model(run);
    size_t n = oxp_node_count(m);
    for (oxp_id i = 0; i < n; i++) {
        const oxp_node *node = oxp_node_at(m, i);
        if (node->live && node->graph == OXP_MAIN_GRAPH &&
            (oxp_node_is(node, "Resize") || oxp_node_is(node, "Upsample")) &&
            oxp_run_selected(run, i))
            bypass(run, i);
    }
}

const oxp_pass oxp_pass_remove_upsampling = {
    .name = "remove-upsampling",
    .summary = "run at the input's own resolution: drop an upsampling right behind an input",
    .fidelity = OXP_RETRAINING,
    .flags =
        OXP_PASS_BY_NODE | OXP_PASS_NEEDS_ANALYSIS | OXP_PASS_MAY_RESHAPE_IO | OXP_PASS_RETRAINING,
    .run = run_pass,
    .caveat = "The network sees smaller images now: fine-tune it before use."};
