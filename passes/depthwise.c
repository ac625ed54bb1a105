/* depthwise.c - a dense convolution as depthwise and pointwise.
 *
 *   before:  x -> Conv k x k, W [Co, Ci, k, k]                      Co*Ci*k*k  MACs a pixel
 *   after:   x -> Conv k x k, group = Ci, D [Ci, 1, k, k]           Ci*k*k
 *              -> Conv 1 x 1, P [Co, Ci, 1, 1]                      Co*Ci
 *   factor:  Co*k*k / (k*k + Co)  (Howard et al. 2017, MobileNets, section 3.1)
 *
 * Another function, so the network is to be fine-tuned; it starts from the nearest weights of the
 * new form.  For each input channel c the kernels W[., c] are a matrix of Co rows and k*k columns;
 * the best approximation of rank 1 is (W[., c] d) d' with d its first right singular vector
 * (Eckart, Young 1936), found by power iteration on the matrix of k*k by k*k.  D[c] = d,
 * P[., c] = W[., c] d.  What part of the weights' energy (sum of squares) is kept is reported.
 *
 * Condition: one group, a kernel above 1, constant weights, at least MIN_CHANNELS input channels
 * (an image's few cannot be filtered apart) unless the convolutions are named (--only-nodes).
 */
#include <math.h>
#include <string.h>

#include "onnxpert/pass.h"
#include "rewrite/select.h"

#define MIN_CHANNELS 8
#define LARGEST_TAPS 1024                /* elements of a kernel */
#define LARGEST      ((uint64_t)1 << 23) /* elements of P: they are held in memory */
#define BLOCK        ((size_t)1 << 18)   /* doubles of the blocks that are worked on */
#define ITERATIONS   200

typedef struct separation {
    oxp_run *run;
    oxp_id node, tensor; /* tensor: of W; OXP_NONE: only imagined */
    const oxp_type *w;
    size_t out, in, taps;
    double *depth, *point; /* D and P */
    double energy, kept;
} separation;

/* d := the unit eigenvector of the largest eigenvalue of the symmetric matrix a; returns that. */
static double first_eigenvector(const double *a, size_t n, double *d, double *next) {
    size_t start = 0;
    double value = 0;
    for (size_t i = 1; i < n; i++)
        if (a[i * n + i] > a[start * n + start])
            start = i;
    for (size_t i = 0; i < n; i++)
        d[i] = i == start;
    for (int step = 0; step < ITERATIONS; step++) {
        double length = 0, before = value;
        for (size_t i = 0; i < n; i++) {
            next[i] = 0;
            for (size_t j = 0; j < n; j++)
                next[i] += a[i * n + j] * d[j];
            length += next[i] * next[i];
        }
        value = sqrt(length);
        if (!(value > 0) || !isfinite(value))
            return 0;
        for (size_t i = 0; i < n; i++)
            d[i] = next[i] / value;
        if (fabs(value - before) <= 1e-12 * value)
            break;
    }
    return value;
}

/* Channels [first, first + n): their kernels lie together in each row of W. */
static void approximate(separation *s, size_t first, size_t n, double *rows, double *gram) {
    const oxp_model *m = oxp_run_model(s->run);
    size_t k = s->taps;
    double *next = gram + n * k * k;
    memset(gram, 0, n * k * k * sizeof *gram);
    for (size_t o = 0; o < s->out; o++) {
        oxp_tensor_doubles(m, s->tensor, (o * s->in + first) * k, n * k, rows);
        for (size_t c = 0; c < n; c++)
            for (size_t i = 0; i < k; i++)
                for (size_t j = 0; j < k; j++)
                    gram[(c * k + i) * k + j] += rows[c * k + i] * rows[c * k + j];
    }
    for (size_t c = 0; c < n; c++) {
        const double *a = gram + c * k * k;
        for (size_t i = 0; i < k; i++)
            s->energy += a[i * k + i];
        s->kept += first_eigenvector(a, k, s->depth + (first + c) * k, next);
    }
    for (size_t o = 0; o < s->out; o++) {
        oxp_tensor_doubles(m, s->tensor, (o * s->in + first) * k, n * k, rows);
        for (size_t c = 0; c < n; c++) {
            double sum = 0;
            for (size_t i = 0; i < k; i++)
                sum += rows[c * k + i] * s->depth[(first + c) * k + i];
            s->point[o * s->in + first + c] = sum;
        }
    }
}

static bool nearest_weights(separation *s, const char **why) {
    oxp_arena *arena = oxp_run_arena(s->run);
    size_t k = s->taps, block = BLOCK / (k * k) ? BLOCK / (k * k) : 1;
    block = block < s->in ? block : s->in;
    double *rows = OXP_NEWS(arena, block * k, double);
    double *gram = OXP_NEWS(arena, block * k * k + k, double);
    s->depth = OXP_NEWS(arena, s->in * k, double);
    s->point = OXP_NEWS(arena, s->out * s->in, double);
    for (size_t first = 0; first < s->in; first += block)
        approximate(s, first, block < s->in - first ? block : s->in - first, rows, gram);
    *why = "its weights are not finite";
    return isfinite(s->energy) && isfinite(s->kept);
}

/* What W is; false: the convolution is left (why NULL: it is of another kind, not worth a word). */
static bool look_at(separation *s, const char **why) {
    const oxp_model *m = oxp_run_model(s->run);
    const oxp_node *n = oxp_node_at(m, s->node);
    const oxp_pass_opts *opts = oxp_run_opts(s->run);
    oxp_id w = oxp_in(n, 1);
    s->w = w == OXP_NONE ? NULL : &oxp_run_analysis(s->run)->values[w].type;
    *why = NULL;
    if (!s->w || s->w->kind != OXP_KIND_TENSOR || s->w->rank < 3 || s->w->rank > 6 ||
        oxp_in(n, 0) == OXP_NONE || oxp_out(n, 0) == OXP_NONE || oxp_attr_int(n, "group", 1) != 1)
        return false;
    uint64_t taps = 1;
    for (int i = 0; i < s->w->rank; i++) {
        if (!oxp_dim_is_literal(s->w->dims[i]) || s->w->dims[i] < 1 || s->w->dims[i] > INT32_MAX)
            return false;
        if (i >= 2)
            taps = taps > LARGEST_TAPS ? taps : taps * (uint64_t)s->w->dims[i];
    }
    if (taps < 2)
        return false;
    s->out = (size_t)s->w->dims[0];
    s->in = (size_t)s->w->dims[1];
    s->taps = (size_t)taps;
    if (s->in < MIN_CHANNELS && !oxp_run_opts(s->run)->only_nodes) {
        *why = oxp_sprintf(oxp_run_arena(s->run), "%zu input channels are too few to filter apart",
                           s->in);
        return false;
    }
    s->tensor = OXP_NONE;
    if (opts->assume_weights)
        return true;
    s->tensor = oxp_constant_of(m, w, opts->allow_overridable);
    *why = "its weights are not constant, or cannot be read";
    if (s->tensor == OXP_NONE || !oxp_tensor_readable(m, s->tensor))
        return false;
    *why = "its weights are too large to be approximated in memory";
    return taps <= LARGEST_TAPS && (uint64_t)s->out * s->in <= LARGEST &&
           (uint64_t)s->in * taps <= LARGEST;
}

static oxp_id weight(separation *s, oxp_patch *p, const char *name, const int64_t *dims,
                     const double *v) {
    oxp_id graph = oxp_node_at(oxp_run_model(s->run), s->node)->graph;
    oxp_id t = v ? oxp_patch_tensor_doubles(p, name, s->w->elem, s->w->rank, dims, v, true)
                 : oxp_patch_tensor_imagined(p, name, s->w->elem, s->w->rank, dims);
    return oxp_patch_initializer(p, graph, t);
}

/* Replaces the convolution; the first of the two takes its place, kernel, strides and pads. */
static bool separate(separation *s, const char **why) {
    const oxp_model *m = oxp_run_model(s->run);
    int64_t dw[8] = {0}, pw[8] = {0};
    if (!look_at(s, why) || (s->tensor != OXP_NONE && !nearest_weights(s, why)))
        return false;
    const oxp_node *n = oxp_node_at(m, s->node);
    oxp_id graph = n->graph, out = n->out[0], bias = oxp_in(n, 2), x = n->in[0];
    const char *base = oxp_value_at(m, n->in[1])->name;
    for (int i = 0; i < s->w->rank; i++) {
        dw[i] = i == 0 ? s->w->dims[1] : i == 1 ? 1 : s->w->dims[i];
        pw[i] = i < 2 ? s->w->dims[i] : 1;
    }
    oxp_arena *arena = oxp_run_arena(s->run);
    oxp_patch *p = oxp_patch_new(s->run);
    oxp_id v1 = weight(s, p, oxp_sprintf(arena, "%s_depthwise", base), dw, s->depth);
    oxp_id v2 = weight(s, p, oxp_sprintf(arena, "%s_pointwise", base), pw, s->point);
    const char *hint = oxp_sprintf(arena, "%s_depthwise", oxp_value_at(m, out)->name);
    oxp_id mid = oxp_patch_value(p, graph, hint, NULL);
    oxp_id in1[2] = {x, v1}, in2[3] = {mid, v2, bias};
    n = oxp_node_at(m, s->node);
    oxp_id first = oxp_patch_node(p, graph, s->node, "Conv", "",
                                  oxp_sprintf(arena, "%s_depthwise", *n->name ? n->name : "conv"),
                                  in1, 2, &mid, 1);
    n = oxp_node_at(m, s->node);
    for (uint32_t i = 0; i < n->n_attr; i++)
        if (strcmp(n->attrs[i].name, "group") != 0)
            oxp_patch_attr_copy(p, first, &n->attrs[i]);
    oxp_patch_attr_int(p, first, "group", dw[0]);
    oxp_id second = oxp_patch_node(p, graph, s->node, "Conv", "",
                                   oxp_sprintf(arena, "%s_pointwise", *n->name ? n->name : "conv"),
                                   in2, bias == OXP_NONE ? 2 : 3, NULL, 0);
    oxp_patch_drop(p, s->node);
    oxp_patch_output(p, second, 0, out);
    return oxp_patch_apply(p, why);
}

typedef struct energies {
    double all, kept; /* of the weights replaced so far */
} energies;

static bool separate_one(oxp_run *run, oxp_id id, void *arg, const char **why) {
    energies *sum = arg;
    separation s = {.run = run, .node = id, .tensor = OXP_NONE};
    const char *label = oxp_node_label(oxp_run_model(run), id, oxp_run_arena(run)); /* it goes */
    if (!separate(&s, why))
        return false;
    if (s.energy > 0)
        oxp_run_note(run, OXP_NONE,
                     "%s: %.0f %% of the weights' energy kept, %.1fx fewer operations", label,
                     100 * s.kept / s.energy, (double)(s.out * s.taps) / (double)(s.taps + s.out));
    sum->all += s.energy;
    sum->kept += s.kept;
    return true;
}

static void run_pass(oxp_run *run) {
    static const char *const ops[] = {"Conv", NULL};
    energies sum = {0, 0};
    size_t changed = oxp_run_each(run, ops, separate_one, &sum);
    if (sum.all > 0)
        oxp_run_summary(run,
                        "%zu convolution%s made depthwise separable; the nearest weights of that "
                        "form keep %.0f %% of the energy",
                        changed, changed == 1 ? "" : "s", 100 * sum.kept / sum.all);
    else if (changed)
        oxp_run_summary(run, "%zu convolution%s made depthwise separable", changed,
                        changed == 1 ? "" : "s");
}

const oxp_pass oxp_pass_depthwise = {
    .name = "depthwise",
    .summary = "dense convolutions as depthwise and pointwise ones, with the nearest weights",
    .fidelity = OXP_RETRAINING,
    .flags =
        OXP_PASS_BY_NODE | OXP_PASS_NEEDS_ANALYSIS | OXP_PASS_NEEDS_WEIGHTS | OXP_PASS_RETRAINING,
    .run = run_pass};
