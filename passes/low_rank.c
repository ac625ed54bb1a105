/* low_rank.c - a layer as two thin ones.
 *
 *   before:  y = x W,  W [m, n]                       m*n        weights
 *   after:   y = (x U) V,  U [m, r], V [r, n]         r*(m + n)
 *
 * MatMul, Gemm, and Conv as the matrix [Co, Ci*k*k] (r filters of k x k, then 1 x 1 to Co; Denton
 * et al. 2014).  r = keep * m*n / (m + n): `keep` of the weights stay.  Only for what-ifs: the
 * factors are imagined; truncated singular values give them, then fine-tuning. Params: keep=X
 * (0.5); r for each node: opts->only_values. */
#include <stdlib.h>
#include <string.h>

#include "rewrite/region.h"
#include "rewrite/select.h"

typedef struct factors {
    int64_t first[8], second[8]; /* dims of the two weights */
    int rank;
} factors;

/* W [Co, Ci, k...] of Conv; [n, m] of Gemm with transB; [m, n] else. */
static bool split(const oxp_node *n, const int64_t *dims, int rank, double keep, double given,
                  factors *f) {
    bool conv = oxp_node_is(n, "Conv"),
         sideways = oxp_node_is(n, "Gemm") && oxp_attr_int(n, "transB", 0) != 0;
    double rest = 1;
    for (int i = 1; i < rank; i++)
        rest *= (double)dims[i];
    int64_t r = (int64_t)(keep * (double)dims[0] * rest / ((double)dims[0] + rest));
    if (given >= 1 && given < (double)dims[0] && given < rest)
        r = (int64_t)given;
    if (r < 1 || (!conv && rank != 2) || (conv && oxp_attr_int(n, "group", 1) != 1) ||
        (oxp_node_is(n, "Gemm") && oxp_attr_int(n, "transA", 0)))
        return false;
    f->rank = rank;
    for (int i = 0; i < rank; i++) {
        f->first[i] = dims[i];
        f->second[i] = i < 2 ? dims[i] : 1;
    }
    if (conv || sideways)
        f->first[0] = f->second[1] = r;
    else
        f->first[1] = f->second[0] = r;
    return true;
}

static bool factorize(oxp_run *run, oxp_id id, void *arg, const char **why) {
    double keep = *(const double *)arg;
    const oxp_model *m = oxp_run_model(run);
    const oxp_node *n = oxp_node_at(m, id);
    int64_t dims[8];
    factors f;
    oxp_id x = oxp_in(n, 0), bias = oxp_node_is(n, "MatMul") ? OXP_NONE : oxp_in(n, 2),
           out = oxp_out(n, 0), graph = n->graph;
    oxp_dtype type = OXP_UNDEFINED;
    int rank = oxp_weight_dims(run, n, dims, &type);
    *why = "its weight is no matrix that can be split";
    if (!rank || x == OXP_NONE || out == OXP_NONE ||
        !split(n, dims, rank, keep, oxp_run_selected_value(run, id), &f))
        return false;
    oxp_id made_by = oxp_value_at(m, n->in[1])->producer;
    bool transposed = made_by != OXP_NONE && oxp_value_at(m, n->in[1])->n_uses == 1;
    oxp_patch *p = oxp_patch_new(run);
    oxp_id t1 = oxp_patch_tensor_imagined(p, "low_rank_u", type, rank, f.first),
           t2 = oxp_patch_tensor_imagined(p, "low_rank_v", type, rank, f.second);
    oxp_id v1 = oxp_patch_initializer(p, graph, t1), v2 = oxp_patch_initializer(p, graph, t2),
           mid = oxp_patch_value(p, graph, "low_rank_out", NULL);
    oxp_id in1[2] = {x, v1}, in2[3] = {mid, v2, bias};
    const char *op = oxp_node_at(m, id)->op;
    oxp_id first = oxp_patch_node(p, graph, id, op, "", "low_rank_u", in1, 2, &mid, 1);
    oxp_id second =
        oxp_patch_node(p, graph, id, op, "", "low_rank_v", in2, bias == OXP_NONE ? 2 : 3, NULL, 0);
    n = oxp_node_at(m, id);
    bool conv = oxp_node_is(n, "Conv");
    for (uint32_t i = 0; i < n->n_attr; i++)
        oxp_patch_attr_copy(p, conv || !strcmp(n->attrs[i].name, "transB") ? first : second,
                            &n->attrs[i]);
    if (!conv && oxp_attr_int(n, "transB", 0))
        oxp_patch_attr_int(p, second, "transB", 1);
    oxp_patch_drop(p, id);
    if (transposed) /* the weight stood on its side */
        oxp_patch_drop(p, made_by);
    oxp_patch_output(p, second, 0, out);
    return oxp_patch_apply(p, why);
}

static void run_pass(oxp_run *run) {
    static const char *const ops[] = {"Conv", "Gemm", "MatMul", NULL};
    double keep = strtod(oxp_run_param(run, "keep", "0.5"), NULL);
    size_t changed = oxp_run_each(run, ops, factorize, &keep);
    if (changed)
        oxp_run_summary(run, "%zu layer%s as two thin ones each", changed, changed == 1 ? "" : "s");
}

static const oxp_pass_param params[] = {{.name = "keep", .least = 0.01, .most = 1}, {.name = NULL}};

const oxp_pass oxp_pass_low_rank = {.name = "low-rank",
                                    .summary = "what-if: layers as two thin ones",
                                    .fidelity = OXP_RETRAINING,
                                    .flags = OXP_PASS_BY_NODE | OXP_PASS_NEEDS_ANALYSIS |
                                             OXP_PASS_RETRAINING | OXP_PASS_WHAT_IF,
                                    .run = run_pass,
                                    .params = params,
                                    .of_each = true};
