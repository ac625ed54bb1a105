/* prune_channels.c - fewer channels inside.
 *
 *   before:  Conv W [Co, Ci, k, k] -> BN, Relu (Co) -> Conv V [Cn, Co, l, l]
 *   after:   Conv W [c, Ci, k, k]  -> BN, Relu (c)  -> Conv V [Cn, c, l, l],   c = keep * Co
 *
 * Only where nothing else sees the channels: no residual addition, concatenation or output in
 * between.  c is a multiple of 8.  Only for what-ifs: the weights are imagined and to be
 * fine-tuned. Params: keep=X (0.75); channels that stay, for each node: opts->only_values.
 */
#include <stdlib.h>

#include "rewrite/region.h"
#include "rewrite/select.h"

enum { ALIGNMENT = 8 };

static bool prune(oxp_run *run, oxp_id id, void *arg, const char **why) {
    double keep = *(const double *)arg;
    const oxp_model *m = oxp_run_model(run);
    oxp_region r;
    int64_t w[8], v[8];
    if (!oxp_region_find(run, id, &r, why))
        return false;
    const oxp_node *first = oxp_node_at(m, r.first), *last = oxp_node_at(m, r.last);
    oxp_dtype type = OXP_UNDEFINED, other = OXP_UNDEFINED;
    int rank = oxp_weight_dims(run, first, w, &type), next = oxp_weight_dims(run, last, v, &other);
    *why = "what reads it is no dense convolution";
    if (rank < 3 || next < 3 || !oxp_node_is(last, "Conv") ||
        oxp_attr_int(first, "group", 1) != 1 || oxp_attr_int(last, "group", 1) != 1 || v[1] != w[0])
        return false;
    double stay = oxp_run_selected_value(run, id);
    int64_t all = w[0], kept = (int64_t)(keep * (double)all) / ALIGNMENT * ALIGNMENT;
    if (stay >= 0 && stay < (double)all)
        kept = ((int64_t)stay + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    *why = "it has too few channels";
    if (kept < ALIGNMENT || kept >= all)
        return false;
    bool bias = oxp_in(first, 2) != OXP_NONE;
    oxp_id graph = first->graph;
    w[0] = v[1] = kept;
    oxp_patch *p = oxp_patch_new(run);
    oxp_id t = oxp_patch_tensor_imagined(p, "pruned_w", type, rank, w),
           u = oxp_patch_tensor_imagined(p, "pruned_w", other, next, v);
    oxp_patch_input(p, r.first, 1, oxp_patch_initializer(p, graph, t));
    oxp_patch_input(p, r.last, 1, oxp_patch_initializer(p, graph, u));
    if (bias) {
        oxp_id b = oxp_patch_tensor_imagined(p, "pruned_b", type, 1, &kept);
        oxp_patch_input(p, r.first, 2, oxp_patch_initializer(p, graph, b));
    }
    oxp_region_resize(p, run, &r, all, kept);
    oxp_patch_clear_types(p);
    return oxp_patch_apply(p, why);
}

static void run_pass(oxp_run *run) {
    static const char *const ops[] = {"Conv", NULL};
    double keep = strtod(oxp_run_param(run, "keep", "0.75"), NULL);
    size_t changed = oxp_run_each(run, ops, prune, &keep);
    if (changed)
        oxp_run_summary(run, "%zu convolution%s with fewer channels", changed,
                        changed == 1 ? "" : "s");
}

static const oxp_pass_param params[] = {{.name = "keep", .least = 0.01, .most = 1}, {.name = NULL}};

const oxp_pass oxp_pass_prune_channels = {
    .name = "prune-channels",
    .summary = "what-if: fewer channels where only the next layer sees them",
    .fidelity = OXP_RETRAINING,
    .flags = OXP_PASS_BY_NODE | OXP_PASS_NEEDS_ANALYSIS | OXP_PASS_RETRAINING | OXP_PASS_WHAT_IF |
             OXP_PASS_MAY_RESHAPE_IO,
    .run = run_pass,
    .params = params,
    .of_each = true};
