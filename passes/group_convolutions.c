/* group_convolutions.c - a dense convolution in groups.
 *
 *   before:  Conv, W [Co, Ci, k, k]                Co*Ci*k*k    MACs a pixel
 *   after:   Conv, group = g, W [Co, Ci/g, k, k]   Co*Ci*k*k/g
 *
 * Only for what-ifs: the weights are imagined and to be trained.
 * Params: groups=N (4) */
#include <stdlib.h>

#include "rewrite/region.h"
#include "rewrite/select.h"

static bool regroup(oxp_run *run, oxp_id id, void *arg, const char **why) {
    int64_t groups = *(const int64_t *)arg;
    const oxp_model *m = oxp_run_model(run);
    const oxp_node *n = oxp_node_at(m, id);
    int64_t dims[8];
    oxp_dtype type = OXP_UNDEFINED;
    int rank = oxp_weight_dims(run, n, dims, &type);
    *why = "it is no dense convolution whose channels divide into the groups";
    if (rank < 3 || groups < 2 || oxp_attr_int(n, "group", 1) != 1 || dims[0] % groups ||
        dims[1] % groups)
        return false;
    oxp_patch *p = oxp_patch_new(run);
    dims[1] /= groups;
    oxp_id t = oxp_patch_tensor_imagined(p, "grouped_w", type, rank, dims);
    oxp_patch_input(p, id, 1, oxp_patch_initializer(p, n->graph, t));
    oxp_patch_attr_int(p, id, "group", groups);
    return oxp_patch_apply(p, why);
}

static void run_pass(oxp_run *run) {
    static const char *const ops[] = {"Conv", NULL};
    int64_t groups = strtol(oxp_run_param(run, "groups", "4"), NULL, 10);
    size_t changed = oxp_run_each(run, ops, regroup, &groups);
    if (changed)
        oxp_run_summary(run, "%zu convolution%s in %lld groups", changed, changed == 1 ? "" : "s",
                        (long long)groups);
}

static const oxp_pass_param params[] = {{.name = "groups", .least = 2, .most = 1024, .whole = true},
                                        {.name = NULL}};

const oxp_pass oxp_pass_group_convolutions = {.name = "group-convolutions",
                                              .summary = "what-if: dense convolutions in groups",
                                              .fidelity = OXP_RETRAINING,
                                              .flags = OXP_PASS_BY_NODE | OXP_PASS_NEEDS_ANALYSIS |
                                                       OXP_PASS_RETRAINING | OXP_PASS_WHAT_IF,
                                              .run = run_pass,
                                              .params = params};
