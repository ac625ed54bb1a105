/* depthwise.c - a dense convolution as depthwise and pointwise.
 *
 *   before:  x -> Conv k x k, W [Co, Ci, k, k]                      Co*Ci*k*k  MACs a pixel
 *   after:   x -> Conv k x k, group = Ci, W [Ci, 1, k, k]           Ci*k*k
 *              -> Conv 1 x 1, W [Co, Ci, 1, 1]                      Co*Ci
 *   factor:  Co*k*k / (k*k + Co)  (Howard et al. 2017, MobileNets, section 3.1)
 *
 * Only for what-ifs: the new weights are imagined; the network is to be trained again.
 * Params: nodes=ID,... limits it to these. */
#include <string.h>

#include "onnxpert/pass.h"
#include "rewrite/select.h"

/* Replaces the convolution; the first of the two takes its place, kernel, strides and pads. */
static bool separate(oxp_run *run, oxp_id id, const char **why) {
    const oxp_model *m = oxp_run_model(run);
    const oxp_analysis *a = oxp_run_analysis(run);
    const oxp_node *n = oxp_node_at(m, id);
    oxp_id w_id = oxp_in(n, 1), out = oxp_out(n, 0), bias = oxp_in(n, 2), graph = n->graph;
    oxp_id x = oxp_in(n, 0);
    const oxp_type *w = w_id == OXP_NONE ? NULL : &a->values[w_id].type;
    int64_t dw[8], pw[8];
    *why = "it is no dense convolution with a kernel above 1";
    if (!w || w->kind != OXP_KIND_TENSOR || w->rank < 3 || w->rank > 6 || x == OXP_NONE ||
        oxp_attr_int(n, "group", 1) != 1 || out == OXP_NONE)
        return false;
    int64_t area = 1;
    for (int i = 0; i < w->rank; i++) {
        if (!oxp_dim_is_literal(w->dims[i]) || w->dims[i] < 1)
            return false;
        dw[i] = i == 0 ? w->dims[1] : i == 1 ? 1 : w->dims[i];
        pw[i] = i < 2 ? w->dims[i] : 1;
        area *= i < 2 ? 1 : w->dims[i];
    }
    if (area < 2)
        return false;
    oxp_patch *p = oxp_patch_new(run);
    oxp_id t1 = oxp_patch_tensor_imagined(p, "depthwise_w", w->elem, w->rank, dw);
    oxp_id t2 = oxp_patch_tensor_imagined(p, "pointwise_w", w->elem, w->rank, pw);
    oxp_id v1 = oxp_patch_initializer(p, graph, t1), v2 = oxp_patch_initializer(p, graph, t2);
    oxp_id mid = oxp_patch_value(p, graph, "depthwise_out", NULL);
    oxp_id in1[2] = {x, v1}, in2[3] = {mid, v2, bias};
    oxp_id first = oxp_patch_node(p, graph, id, "Conv", "", "depthwise", in1, 2, &mid, 1);
    n = oxp_node_at(m, id);
    for (uint32_t i = 0; i < n->n_attr; i++)
        if (strcmp(n->attrs[i].name, "group") != 0)
            oxp_patch_attr_copy(p, first, &n->attrs[i]);
    oxp_patch_attr_int(p, first, "group", dw[0]);
    oxp_id second = oxp_patch_node(p, graph, id, "Conv", "", "pointwise", in2,
                                   bias == OXP_NONE ? 2 : 3, NULL, 0);
    oxp_patch_drop(p, id);
    oxp_patch_output(p, second, 0, out);
    return oxp_patch_apply(p, why);
}

static void run_pass(oxp_run *run) {
    const oxp_model *m = oxp_run_model(run);
    size_t n = oxp_node_count(m), changed = 0;
    for (oxp_id i = 0; i < n; i++) {
        const oxp_node *node = oxp_node_at(m, i);
        const char *why;
        if (!node->live || !oxp_node_is(node, "Conv") || !oxp_selected(run, i))
            continue;
        if (separate(run, i, &why))
            changed++;
        else
            oxp_run_skip(run, i, "%s", why);
    }
    oxp_run_changed(run, changed);
    if (changed)
        oxp_run_summary(run, "%zu convolution%s made depthwise separable", changed,
                        changed == 1 ? "" : "s");
}

const oxp_pass oxp_pass_depthwise = {
    .name = "depthwise",
    .summary = "what-if: dense convolutions as depthwise and pointwise ones",
    .fidelity = OXP_RETRAINING,
    .flags = OXP_PASS_NEEDS_ANALYSIS | OXP_PASS_RETRAINING | OXP_PASS_WHAT_IF,
    .run = run_pass};
