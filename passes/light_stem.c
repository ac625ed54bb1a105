/* light_stem.c - a 3 x 3 kernel in place of a large one.
 *
 *   before:  x -> Conv 7 x 7, stride 2, W [Co, Ci, 7, 7]     49 * Co*Ci MACs a pixel
 *   after:   x -> Conv 3 x 3, stride 2, W [Co, Ci, 3, 3]      9 * Co*Ci
 *
 * With pads that keep the output's shape (symmetric ones of an odd kernel).  Only for what-ifs: the
 * weights are imagined and to be trained.  Params: nodes=ID,... */
#include <string.h>

#include "onnxpert/pass.h"
#include "rewrite/select.h"

static bool lighten(oxp_run *run, oxp_id id, const char **why) {
    const oxp_model *m = oxp_run_model(run);
    const oxp_analysis *a = oxp_run_analysis(run);
    const oxp_node *n = oxp_node_at(m, id);
    const oxp_type *w = oxp_in(n, 1) == OXP_NONE ? NULL : &a->values[oxp_in(n, 1)].type;
    size_t n_pads = 0;
    const int64_t *pads = oxp_attr_ints(n, "pads", &n_pads);
    const char *mode = oxp_attr_string(n, "auto_pad", "NOTSET");
    int64_t dims[8], new_pads[8] = {0}, kernel[8];
    *why = "its kernel or padding is of another kind";
    if (!w || w->kind != OXP_KIND_TENSOR || w->rank < 3 || w->rank > 6)
        return false;
    int spatial = w->rank - 2;
    for (int i = 0; i < w->rank; i++) {
        if (!oxp_dim_is_literal(w->dims[i]))
            return false;
        dims[i] = i < 2 ? w->dims[i] : 3;
        kernel[i] = 3;
        if (i >= 2 && (w->dims[i] < 4 || w->dims[i] % 2 == 0))
            return false;
    }
    bool explicit_pads = !strcmp(mode, "NOTSET");
    if (explicit_pads && n_pads != (size_t)(2 * spatial))
        return false;
    for (size_t i = 0; explicit_pads && i < n_pads && i < 8; i++) {
        new_pads[i] = pads[i] - (w->dims[2 + i % (size_t)spatial] - 3) / 2;
        if (new_pads[i] < 0)
            return false;
    }
    oxp_patch *p = oxp_patch_new(run);
    oxp_id t = oxp_patch_tensor_imagined(p, "stem_w", w->elem, w->rank, dims);
    oxp_patch_input(p, id, 1, oxp_patch_initializer(p, n->graph, t));
    oxp_patch_attr_ints(p, id, "kernel_shape", kernel, (size_t)spatial);
    if (explicit_pads)
        oxp_patch_attr_ints(p, id, "pads", new_pads, n_pads);
    return oxp_patch_apply(p, why);
}

static void run_pass(oxp_run *run) {
    const oxp_model *m = oxp_run_model(run);
    size_t n = oxp_node_count(m);
    for (oxp_id i = 0; i < n; i++) {
        const oxp_node *node = oxp_node_at(m, i);
        const char *why;
        if (!node->live || !oxp_node_is(node, "Conv") || !oxp_selected(run, i))
            continue;
        if (lighten(run, i, &why)) {
            oxp_run_changed(run, 1);
            oxp_run_summary(run, "the stem with a 3x3 kernel");
        } else
            oxp_run_skip(run, i, "%s", why);
    }
}

const oxp_pass oxp_pass_light_stem = {.name = "light-stem",
                                      .summary = "what-if: a 3x3 kernel in place of a large one",
                                      .fidelity = OXP_RETRAINING,
                                      .flags = OXP_PASS_NEEDS_ANALYSIS | OXP_PASS_RETRAINING |
                                               OXP_PASS_WHAT_IF,
                                      .run = run_pass};
