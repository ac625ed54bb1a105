/* light_stem.c - a 3 x 3 kernel in place of a large one.
 *
 *   before:  x -> Conv 7 x 7, stride 2, W [Co, Ci, 7, 7]     49 * Co*Ci MACs a pixel
 *   after:   x -> Conv 3 x 3, stride 2, V [Co, Ci, 3, 3]      9 * Co*Ci
 *
 * With pads that keep the output's shape (symmetric ones of an odd kernel).  Another function, so
 * the network is to be fine-tuned.  V starts as W shrunk by area: V[i] = sum over j of W[j] times
 * the part of tap j that lies in the i-th third, along each axis; the sum of the kernel, its answer
 * to a flat picture, stays.
 * Condition: constant weights, an odd kernel of 5 or more in each direction, at most STEM_CHANNELS
 * input channels (a picture's).  --only-nodes names the convolutions instead. */
#include <string.h>

#include "onnxpert/pass.h"
#include "rewrite/select.h"

#define STEM_CHANNELS 4
#define LARGEST       ((uint64_t)1 << 20) /* elements of a weight, held in memory */
#define SIDE          3

/* The part of [j, j + 1) that lies in the i-th of SIDE equal pieces of [0, length). */
static double overlap(int64_t i, int64_t j, int64_t length) {
    double low = (double)(i * length) / SIDE, high = (double)((i + 1) * length) / SIDE;
    double a = (double)j > low ? (double)j : low;
    double b = (double)(j + 1) < high ? (double)(j + 1) : high;
    return b > a ? b - a : 0;
}

/* Shrinks axis `axis` of v, in place of it a new array; dims are changed. */
static double *shrink(oxp_arena *arena, const double *v, int rank, int64_t *dims, int axis) {
    int64_t outer = 1, inner = 1, length = dims[axis];
    for (int i = 0; i < rank; i++)
        *(i < axis ? &outer : &inner) *= i == axis ? 1 : dims[i];
    double *out = OXP_NEWS(arena, (size_t)(outer * SIDE * inner), double);
    for (int64_t o = 0; o < outer; o++)
        for (int64_t i = 0; i < SIDE; i++)
            for (int64_t j = 0; j < length; j++) {
                double part = overlap(i, j, length);
                for (int64_t k = 0; part > 0 && k < inner; k++)
                    out[(o * SIDE + i) * inner + k] += part * v[(o * length + j) * inner + k];
            }
    dims[axis] = SIDE;
    return out;
}

typedef struct stem {
    oxp_run *run;
    oxp_id node;
    const oxp_type *w;
    int64_t pads[8];
    size_t n_pads;
    bool explicit_pads;
} stem;

/* What will be changed; false: the convolution is left (why NULL: its kernel is no large one). */
static bool look_at(stem *s, const char **why) {
    const oxp_node *n = oxp_node_at(oxp_run_model(s->run), s->node);
    const oxp_analysis *a = oxp_run_analysis(s->run);
    const int64_t *pads = oxp_attr_ints(n, "pads", &s->n_pads);
    s->w = oxp_in(n, 1) == OXP_NONE ? NULL : &a->values[oxp_in(n, 1)].type;
    *why = NULL;
    if (!s->w || s->w->kind != OXP_KIND_TENSOR || s->w->rank < 3 || s->w->rank > 6)
        return false;
    int spatial = s->w->rank - 2;
    for (int i = 0; i < s->w->rank; i++)
        if (!oxp_dim_is_literal(s->w->dims[i]) ||
            (i >= 2 && (s->w->dims[i] < 4 || s->w->dims[i] % 2 == 0)))
            return false;
    *why = "its padding is not that of a kernel in the middle";
    s->explicit_pads = !strcmp(oxp_attr_string(n, "auto_pad", "NOTSET"), "NOTSET");
    if (s->explicit_pads && s->n_pads != (size_t)2 * (size_t)spatial)
        return false;
    for (size_t i = 0; s->explicit_pads && i < s->n_pads && i < 8; i++) {
        s->pads[i] = pads[i] - (s->w->dims[2 + i % (size_t)spatial] - SIDE) / 2;
        if (s->pads[i] < 0)
            return false;
    }
    *why = "it is no stem: it has more input channels than a picture";
    return s->w->dims[1] <= STEM_CHANNELS || oxp_run_opts(s->run)->only_nodes;
}

/* The new weights; what-ifs only imagine them. */
static bool weights(stem *s, oxp_patch *p, oxp_id *tensor, const char **why) {
    const oxp_model *m = oxp_run_model(s->run);
    const oxp_pass_opts *opts = oxp_run_opts(s->run);
    oxp_arena *arena = oxp_run_arena(s->run);
    oxp_id w = oxp_in(oxp_node_at(m, s->node), 1);
    const char *name = oxp_sprintf(arena, "%s_3x3", oxp_value_at(m, w)->name);
    int rank = s->w->rank;
    int64_t dims[8];
    for (int i = 0; i < rank; i++)
        dims[i] = i < 2 || !opts->assume_weights ? s->w->dims[i] : SIDE;
    if (opts->assume_weights) {
        *tensor = oxp_patch_tensor_imagined(p, name, s->w->elem, rank, dims);
        return true;
    }
    oxp_id t = oxp_constant_of(m, w, opts->allow_overridable);
    *why = "its weights are not constant, cannot be read, or are too large";
    if (t == OXP_NONE || !oxp_tensor_readable(m, t) || oxp_tensor_at(m, t)->count > LARGEST)
        return false;
    uint64_t count = oxp_tensor_at(m, t)->count;
    double *v = OXP_NEWS(arena, count ? count : 1, double);
    oxp_tensor_doubles(m, t, 0, count, v);
    for (int i = 2; i < rank; i++)
        v = shrink(arena, v, rank, dims, i);
    *tensor = oxp_patch_tensor_doubles(p, name, s->w->elem, rank, dims, v, true);
    return true;
}

static bool lighten(oxp_run *run, oxp_id id, void *arg, const char **why) {
    (void)arg;
    stem s = {.run = run, .node = id};
    oxp_id t;
    static const int64_t kernel[4] = {SIDE, SIDE, SIDE, SIDE};
    if (!look_at(&s, why))
        return false;
    oxp_patch *p = oxp_patch_new(run);
    if (!weights(&s, p, &t, why)) {
        oxp_patch_discard(p);
        return false;
    }
    oxp_id graph = oxp_node_at(oxp_run_model(run), id)->graph;
    oxp_patch_input(p, id, 1, oxp_patch_initializer(p, graph, t));
    oxp_patch_attr_ints(p, id, "kernel_shape", kernel, (size_t)s.w->rank - 2);
    if (s.explicit_pads)
        oxp_patch_attr_ints(p, id, "pads", s.pads, s.n_pads);
    return oxp_patch_apply(p, why);
}

static void run_pass(oxp_run *run) {
    static const char *const ops[] = {"Conv", NULL};
    size_t changed = oxp_run_each(run, ops, lighten, NULL);
    if (changed)
        oxp_run_summary(run,
                        changed == 1 ? "the stem with a 3x3 kernel" : "%zu stems with 3x3 kernels",
                        changed);
}

const oxp_pass oxp_pass_light_stem = {
    .name = "light-stem",
    .summary = "a 3x3 kernel in place of the first convolution's large one, shrunk by area",
    .fidelity = OXP_RETRAINING,
    .flags =
        OXP_PASS_BY_NODE | OXP_PASS_NEEDS_ANALYSIS | OXP_PASS_NEEDS_WEIGHTS | OXP_PASS_RETRAINING,
    .run = run_pass};
