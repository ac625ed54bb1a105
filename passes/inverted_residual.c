/* inverted_residual.c - two dense convolutions of a residual block as an inverted bottleneck.
 *
 *   before:  Conv k x k, W [C, Ci, k, k] -> BN, Relu (C) -> Conv k x k, V [Co, C, k, k]
 *   after:   Conv 1 x 1 [tCi, Ci] -> Conv k x k, group = tCi -> BN, Relu (tCi) -> Conv 1 x 1 [Co,
 * tCi]
 *
 * (Sandler et al. 2018, MobileNetV2, figure 3; the normalization behind the expansion is left to
 * the one behind the depthwise convolution.)  The first convolution keeps its stride.  Only for
 * what-ifs: the weights are imagined and to be trained.  Params: expand=T (4) */
#include <stdlib.h>
#include <string.h>

#include "rewrite/region.h"
#include "rewrite/select.h"

static bool dense(oxp_run *run, const oxp_node *n, int64_t *dims, oxp_dtype *type) {
    return oxp_node_is(n, "Conv") && oxp_attr_int(n, "group", 1) == 1 &&
           oxp_weight_dims(run, n, dims, type) == 4 && dims[2] > 1 && dims[2] == dims[3];
}

/* The second convolution keeps its output's size: then it may be pointwise. */
static bool keeps_size(oxp_run *run, const oxp_node *n) {
    const oxp_type *x = &oxp_run_analysis(run)->values[n->in[0]].type,
                   *y = &oxp_run_analysis(run)->values[n->out[0]].type;
    bool same = x->rank == 4 && y->rank == 4;
    for (int i = 2; i < 4 && same; i++)
        same = x->dims[i] == y->dims[i];
    return same;
}

static bool invert(oxp_run *run, oxp_id id, void *arg, const char **why) {
    int64_t expand = *(const int64_t *)arg;
    static const int64_t one[2] = {1, 1}, none[4] = {0};
    const oxp_model *m = oxp_run_model(run);
    oxp_region r;
    oxp_dtype type = OXP_UNDEFINED;
    int64_t w[8], v[8];
    if (!oxp_region_find(run, id, &r, why))
        return false;
    const oxp_node *first = oxp_node_at(m, r.first), *last = oxp_node_at(m, r.last);
    *why = "it is not the first of two dense convolutions of a block";
    if (!dense(run, first, w, &type) || !dense(run, last, v, &type) || !keeps_size(run, last) ||
        v[1] != w[0])
        return false;
    int64_t wide = expand * w[1], d_expand[4] = {wide, w[1], 1, 1},
            d_depth[4] = {wide, 1, w[2], w[3]}, d_project[4] = {v[0], wide, 1, 1};
    oxp_id graph = first->graph, x = first->in[0];
    bool bias = oxp_in(first, 2) != OXP_NONE;
    oxp_patch *p = oxp_patch_new(run);
    oxp_id t0 = oxp_patch_tensor_imagined(p, "expand_w", type, 4, d_expand),
           t1 = oxp_patch_tensor_imagined(p, "depthwise_w", type, 4, d_depth),
           t2 = oxp_patch_tensor_imagined(p, "project_w", type, 4, d_project);
    oxp_id mid = oxp_patch_value(p, graph, "expanded", NULL),
           in0[2] = {x, oxp_patch_initializer(p, graph, t0)};
    oxp_patch_node(p, graph, id, "Conv", "", "expand", in0, 2, &mid, 1);
    oxp_patch_input(p, r.first, 0, mid);
    oxp_patch_input(p, r.first, 1, oxp_patch_initializer(p, graph, t1));
    oxp_patch_attr_int(p, r.first, "group", wide);
    if (bias) {
        oxp_id b = oxp_patch_tensor_imagined(p, "depthwise_b", type, 1, &wide);
        oxp_patch_input(p, r.first, 2, oxp_patch_initializer(p, graph, b));
    }
    oxp_patch_input(p, r.last, 1, oxp_patch_initializer(p, graph, t2));
    oxp_patch_attr_ints(p, r.last, "kernel_shape", one, 2);
    oxp_patch_attr_ints(p, r.last, "pads", none, 4);
    oxp_patch_attr_ints(p, r.last, "dilations", one, 2);
    oxp_patch_attr_remove(p, r.last, "auto_pad");
    oxp_region_resize(p, run, &r, w[0], wide);
    oxp_patch_clear_types(p);
    return oxp_patch_apply(p, why);
}

static void run_pass(oxp_run *run) {
    static const char *const ops[] = {"Conv", NULL};
    int64_t expand = strtol(oxp_run_param(run, "expand", "4"), NULL, 10);
    if (expand < 1)
        return;
    size_t changed = oxp_run_each(run, ops, invert, &expand);
    if (changed)
        oxp_run_summary(run, "%zu block%s as inverted residuals, expansion %lld", changed,
                        changed == 1 ? "" : "s", (long long)expand);
}

static const oxp_pass_param params[] = {{.name = "expand", .least = 1, .most = 64, .whole = true},
                                        {.name = NULL}};

const oxp_pass oxp_pass_inverted_residual = {
    .name = "inverted-residual",
    .summary = "what-if: residual blocks as inverted bottlenecks",
    .fidelity = OXP_RETRAINING,
    .flags = OXP_PASS_BY_NODE | OXP_PASS_NEEDS_ANALYSIS | OXP_PASS_RETRAINING | OXP_PASS_WHAT_IF |
             OXP_PASS_MAY_RESHAPE_IO,
    .run = run_pass,
    .params = params};
