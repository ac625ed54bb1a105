/* absorb.c - linear layers taking a map into their weights and bias.
 *
 *   output:  a*(W x + b) + s  =  (a W) x + (a b + s)
 *   input:   W (a x + s) + b  =  (W a) x + (b + W s)
 *
 * Which index of the weight is the channel of a map (row-major, K elements of a kernel):
 *   Conv           W[M][C/g][K]   output m = i / (C/g K);   input (m / (M/g)) C/g + j
 *   ConvTranspose  W[C][M/g][K]   output (c / (C/g)) M/g + j;  input c = i / (M/g K)
 *   Gemm           B[K][N], or [N][K] with transB;   MatMul  B[..][K][N] */
#include "rewrite/fold/fold.h"

#include <math.h>
#include <string.h>

#include "base/safe_math.h"

#define WINDOW 8192

typedef enum layer { NO_LAYER, CONV, CONV_TRANSPOSE, GEMM, MATMUL, NORM } layer;

static layer layer_of(const oxp_node *n) {
    static const struct {
        const char *op;
        layer is;
    } table[] = {
        {"Conv", CONV},     {"ConvTranspose", CONV_TRANSPOSE}, {"Gemm", GEMM},
        {"MatMul", MATMUL}, {"BatchNormalization", NORM},      {"InstanceNormalization", NORM}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (oxp_node_is(n, table[i].op))
            return table[i].is;
    return NO_LAYER;
}

bool oxp_fold_is_layer(const oxp_node *n) {
    layer k = layer_of(n);
    return k != NO_LAYER && k != NORM;
}

bool oxp_fold_is_norm(const oxp_node *n) {
    return layer_of(n) == NORM;
}

/* x W of two matrices, W an initializer: Gemm computes it too, and has a bias. */
static bool could_be_gemm(oxp_fold *l, const oxp_node *n) {
    const oxp_type *x = oxp_fold_type(l, n->in[0]), *w = oxp_fold_type(l, n->in[1]);
    return l->may_retool && x && w && x->rank == 2 && w->rank == 2 && oxp_dtype_is_float(w->elem) &&
           oxp_value_at(l->m, n->in[0])->tensor == OXP_NONE &&
           oxp_opset_of(l->m, n->graph, "") >= 7;
}

bool oxp_fold_takes_shift(oxp_fold *l, const oxp_node *n) {
    return layer_of(n) != MATMUL || could_be_gemm(l, n);
}

/* MatMul(x, W) becomes Gemm(x, W, s). */
static bool retool(oxp_fold *l, oxp_id node, const double *s, size_t n) {
    const oxp_node mm = *oxp_node_at(l->m, node);
    int64_t dims = (int64_t)n;
    const char *hint = oxp_sprintf(l->arena, "%s_bias", oxp_fold_name(l, mm.in[1]));
    oxp_dtype t = oxp_fold_dtype(l, mm.in[1]);
    oxp_patch_op(l->p, node, "Gemm", "");
    return oxp_fold_set_input(l, node, 2, hint, t, 1, &dims, s);
}

/* Sizes of a convolution's weight. */
typedef struct conv {
    int rank;
    const int64_t *dims;
    uint64_t groups, in, out; /* channels */
    uint64_t kernel;          /* elements of one */
} conv;

static bool conv_of(oxp_fold *l, const oxp_node *n, conv *c) {
    const oxp_attr *g = oxp_attr_find(n, "group");
    if (g && g->ref)
        return oxp_fold_fail(l, "group is a parameter of the function");
    int64_t groups = oxp_attr_int(n, "group", 1);
    oxp_id w = oxp_fold_actual(l, oxp_in(n, 1));
    if (w == OXP_NONE || !oxp_fold_dims(l, w, &c->rank, &c->dims))
        return false;
    if (c->rank < 3 || groups < 1 || c->dims[0] % groups)
        return oxp_fold_fail(l, "weight %s has an impossible shape", oxp_fold_name(l, w));
    bool transposed = layer_of(n) == CONV_TRANSPOSE;
    c->groups = (uint64_t)groups;
    c->kernel = 1;
    for (int i = 2; i < c->rank; i++)
        c->kernel = oxp_sat_mul(c->kernel, (uint64_t)c->dims[i]);
    uint64_t d0 = (uint64_t)c->dims[0], d1 = oxp_sat_mul((uint64_t)c->dims[1], c->groups);
    c->out = transposed ? d1 : d0;
    c->in = transposed ? d0 : d1;
    return (c->in && c->out && c->kernel && c->out <= OXP_FOLD_ELEMENTS) ||
           oxp_fold_fail(l, "weight %s is empty", oxp_fold_name(l, w));
}

/* Scale of the channels whose index runs with the weight's axis 1 within the group that axis 0
 * names. */
static void grouped_scaling(oxp_fold *l, const conv *c, const double *a, oxp_scaling *s) {
    uint64_t rows = (uint64_t)c->dims[0], per = rows / c->groups, inner = (uint64_t)c->dims[1];
    if (c->groups == 1) {
        *s = (oxp_scaling){.axis = 1, .n = (size_t)inner, .v = a};
    } else if (inner == 1) { /* depthwise: the channel is that of axis 0 */
        double *v = OXP_NEWS(l->arena, rows, double);
        for (uint64_t i = 0; i < rows; i++)
            v[i] = a[i / per];
        *s = (oxp_scaling){.axis = 0, .n = (size_t)rows, .v = v};
    } else {
        *s = (oxp_scaling){.axis = -1, .n = (size_t)(c->groups * inner), .v = a};
        s->div[0] = per * inner * c->kernel;
        s->mod[0] = c->groups;
        s->mul[0] = inner;
        s->div[1] = c->kernel;
        s->mod[1] = inner;
        s->mul[1] = 1;
    }
    if (s->n == 1)
        s->axis = -1;
}

static bool channels_fit(oxp_fold *l, oxp_id node, const oxp_affine *f, int axis, uint64_t n) {
    return f->n == 1 || (f->axis == axis && f->n == n) ||
           oxp_fold_fail(l, "the scale is not along the channels of %s", oxp_fold_label(l, node));
}

static bool conv_scaling(oxp_fold *l, oxp_id node, const oxp_node *n, const oxp_affine *f,
                         bool output, oxp_scaling *s) {
    conv c = {0};
    if (!conv_of(l, n, &c) || !channels_fit(l, node, f, 1, output ? c.out : c.in))
        return false;
    if (f->n == 1)
        *s = (oxp_scaling){.axis = -1, .n = 1, .v = f->a};
    else if ((layer_of(n) == CONV) == output)
        *s = (oxp_scaling){.axis = 0, .n = f->n, .v = f->a};
    else
        grouped_scaling(l, &c, f->a, s);
    return true;
}

/* Gemm and MatMul: axis of the weight along which the map's channel runs. */
static bool product_scaling(oxp_fold *l, oxp_id node, const oxp_node *n, const oxp_affine *f,
                            bool output, uint32_t *slot, oxp_scaling *s) {
    int rank, x_rank = 2;
    const int64_t *dims;
    bool gemm = layer_of(n) == GEMM;
    *slot = 1;
    if (!gemm) {
        const oxp_type *t = oxp_fold_type(l, output ? n->out[0] : n->in[0]);
        x_rank = t ? t->rank : -1;
        /* W x instead of x W: the rows of a constant left factor are the channels */
        bool right = oxp_value_at(l->m, n->in[1])->tensor != OXP_NONE;
        if (output && !right && oxp_value_at(l->m, n->in[0])->tensor != OXP_NONE)
            *slot = 0;
    }
    if (!oxp_fold_dims(l, oxp_fold_actual(l, n->in[*slot]), &rank, &dims))
        return false;
    *s = (oxp_scaling){.axis = -1, .n = 1, .v = f->a};
    if (f->n == 1)
        return true;
    if (x_rank < 2 || rank < 2)
        return oxp_fold_fail(l, "shape of the product %s is not known", oxp_fold_label(l, node));
    int channel = x_rank - 1, axis = output ? rank - 1 : rank - 2;
    if (gemm && oxp_attr_int(n, "transB", 0) != 0)
        axis = rank - 1 - axis;
    if (gemm && !output && oxp_attr_int(n, "transA", 0) != 0)
        channel = 0;
    if (*slot == 0) {
        channel = x_rank - 2;
        axis = rank - 2;
    }
    *s = (oxp_scaling){.axis = axis, .n = f->n, .v = f->a};
    return channels_fit(l, node, f, channel, (uint64_t)dims[axis]);
}

static bool scaling_of(oxp_fold *l, oxp_id node, const oxp_affine *f, bool output, uint32_t *slot,
                       oxp_scaling *s) {
    const oxp_node n = *oxp_node_at(l->m, node);
    *slot = 1;
    if (oxp_in(&n, 0) == OXP_NONE || oxp_in(&n, 1) == OXP_NONE)
        return oxp_fold_fail(l, "%s has no weight", oxp_fold_label(l, node));
    if (layer_of(&n) == CONV || layer_of(&n) == CONV_TRANSPOSE)
        return conv_scaling(l, node, &n, f, output, s);
    return product_scaling(l, node, &n, f, output, slot, s);
}

bool oxp_fold_output_scaling(oxp_fold *l, oxp_id node, const oxp_affine *f, uint32_t *slot,
                             oxp_scaling *out) {
    return scaling_of(l, node, f, true, slot, out);
}

/* ---- bias ---- */

static bool finite_bias(oxp_fold *l, const double *v, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (!isfinite(v[i]))
            return oxp_fold_fail(l, "the folded bias would not be finite");
    return true;
}

/* b' = b*a + s for a bias that is computed at run time: as Mul and Add in front of the layer. */
static bool dynamic_bias(oxp_fold *l, oxp_id node, oxp_id bias, oxp_dtype t, const double *a,
                         const double *s, size_t n) {
    oxp_id graph = oxp_node_at(l->m, node)->graph, v = bias;
    const char *hint = oxp_fold_name(l, bias);
    int64_t dims = (int64_t)n;
    oxp_affine f = {0, n, (double *)a, (double *)s};
    const double *operand[2] = {oxp_affine_has_scale(&f) ? a : NULL,
                                oxp_affine_has_shift(&f) ? s : NULL};
    for (int k = 0; k < 2; k++) {
        if (!operand[k])
            continue;
        oxp_id in[2] = {v, oxp_fold_constant(l, graph, node, hint, t, 1, &dims, operand[k])};
        v = oxp_patch_value(l->p, graph, hint, NULL);
        oxp_patch_node(l->p, graph, node, k ? "Add" : "Mul", "", hint, in, 2, &v, 1);
    }
    oxp_patch_input(l->p, node, 2, v);
    return true;
}

/* Bias of a convolution: n elements, a and s of them (or one). */
static bool conv_bias(oxp_fold *l, oxp_id node, const double *a, const double *s, size_t n) {
    const oxp_node layer_node = *oxp_node_at(l->m, node);
    oxp_id bias = oxp_in(&layer_node, 2);
    oxp_dtype t = oxp_fold_dtype(l, oxp_fold_actual(l, layer_node.in[1]));
    int64_t dims = (int64_t)n;
    oxp_affine f = {0, n, (double *)a, (double *)s};
    if (bias == OXP_NONE && !oxp_affine_has_shift(&f))
        return true;
    if (bias != OXP_NONE && !oxp_affine_has_scale(&f) && !oxp_affine_has_shift(&f))
        return true;
    double *v = OXP_NEWS(l->arena, n, double);
    memcpy(v, s, n * sizeof *v);
    oxp_const b = {0};
    if (bias != OXP_NONE) {
        bool needs_call = l->needs_call;
        if (!oxp_fold_read(l, bias, &b)) {
            if (oxp_value_at(l->m, bias)->tensor != OXP_NONE || (l->needs_call && !needs_call))
                return false; /* overridable, or unreadable: constant all the same */
            t = oxp_fold_dtype(l, bias) ? oxp_fold_dtype(l, bias) : t;
            return dynamic_bias(l, node, bias, t, a, s, n);
        }
        if (b.n != n)
            return oxp_fold_fail(l, "bias of %s has another length", oxp_fold_label(l, node));
        t = b.dtype;
        for (size_t i = 0; i < n; i++)
            v[i] = b.v[i] * a[i] + s[i];
    }
    const char *hint = oxp_sprintf(l->arena, "%s_bias", oxp_fold_name(l, layer_node.in[1]));
    return finite_bias(l, v, n) && oxp_fold_set_input(l, node, 2, hint, t, 1, &dims, v);
}

/* C of Gemm in alpha*A*B + beta*C becomes beta*C*a + s with beta = 1; a, s: n of them. */
static bool gemm_bias(oxp_fold *l, oxp_id node, const double *a, const double *s, size_t n) {
    const oxp_node g = *oxp_node_at(l->m, node);
    oxp_id bias = oxp_in(&g, 2);
    double beta = (double)oxp_attr_float(&g, "beta", 1.0f);
    oxp_affine f = {0, n, (double *)a, (double *)s};
    if (bias == OXP_NONE || beta == 1.0) {
        bool idle = !oxp_affine_has_shift(&f) && (bias == OXP_NONE || !oxp_affine_has_scale(&f));
        if (idle)
            return true;
    }
    oxp_dtype t = oxp_fold_dtype(l, g.in[1]);
    oxp_const c = {.n = 1, .rank = 0, .v = (double[]){0}, .dtype = t};
    if (bias != OXP_NONE && !oxp_fold_read(l, bias, &c)) {
        if (oxp_value_at(l->m, bias)->tensor != OXP_NONE || beta != 1.0)
            return false;
        return dynamic_bias(l, node, bias, oxp_fold_dtype(l, bias) ? oxp_fold_dtype(l, bias) : t, a,
                            s, n);
    }
    size_t width = c.rank ? (size_t)c.dims[c.rank - 1] : 1, rows = width ? c.n / width : 0;
    if ((width != 1 && width != n) || c.rank > 2 || !rows ||
        oxp_sat_mul(rows, n) > OXP_FOLD_ELEMENTS)
        return oxp_fold_fail(l, "C of %s has a shape that cannot be folded",
                             oxp_fold_label(l, node));
    double *v = OXP_NEWS(l->arena, rows * n, double);
    for (size_t r = 0; r < rows; r++)
        for (size_t i = 0; i < n; i++)
            v[r * n + i] = beta * c.v[r * width + (width == 1 ? 0 : i)] * a[i] + s[i];
    int64_t dims[2] = {(int64_t)rows, (int64_t)n};
    bool flat = c.rank < 2;
    if (beta != 1.0)
        oxp_patch_attr_float(l->p, node, "beta", 1.0f);
    const char *hint = oxp_sprintf(l->arena, "%s_bias", oxp_fold_name(l, g.in[1]));
    return finite_bias(l, v, rows * n) &&
           oxp_fold_set_input(l, node, 2, hint, bias == OXP_NONE ? t : c.dtype, flat ? 1 : 2,
                              flat ? dims + 1 : dims, v);
}

/* A map of one element as one of n. */
static void spread(oxp_fold *l, oxp_affine *f, size_t n) {
    if (f->n == n)
        return;
    oxp_affine g = {f->axis, n, OXP_NEWS(l->arena, n, double), OXP_NEWS(l->arena, n, double)};
    for (size_t i = 0; i < n; i++) {
        g.a[i] = f->a[0];
        g.s[i] = f->s[0];
    }
    *f = g;
}

/* ---- a map of the output ---- */

/* Scale and B of a normalization. */
static bool absorb_norm(oxp_fold *l, oxp_id node, oxp_affine f) {
    const oxp_node n = *oxp_node_at(l->m, node);
    oxp_const scale, bias;
    if (!oxp_fold_read(l, oxp_in(&n, 1), &scale) || !oxp_fold_read(l, oxp_in(&n, 2), &bias))
        return false;
    if (scale.rank != 1 || bias.n != scale.n || !channels_fit(l, node, &f, 1, scale.n) ||
        n.in[1] == n.in[2])
        return oxp_fold_fail(l, "the scale is not along the channels of %s",
                             oxp_fold_label(l, node));
    for (uint32_t i = 1; i < n.n_out; i++)
        if (n.out[i] != OXP_NONE)
            return oxp_fold_fail(l, "%s is in training mode", oxp_fold_label(l, node));
    if (oxp_node_is(&n, "BatchNormalization") && oxp_attr_int(&n, "training_mode", 0) != 0)
        return oxp_fold_fail(l, "%s is in training mode", oxp_fold_label(l, node));
    spread(l, &f, scale.n);
    double *b = OXP_NEWS(l->arena, scale.n, double), *a = OXP_NEWS(l->arena, scale.n, double);
    for (size_t i = 0; i < scale.n; i++) {
        b[i] = bias.v[i] * f.a[i] + f.s[i];
        a[i] = scale.v[i] * f.a[i];
    }
    return finite_bias(l, a, scale.n) && finite_bias(l, b, scale.n) &&
           oxp_fold_set_input(l, node, 1, "", scale.dtype, 1, scale.dims, a) &&
           oxp_fold_set_input(l, node, 2, "", bias.dtype, 1, bias.dims, b);
}

/* The constant c of x + c, c + x, x - c, c - x becomes a*c + s (x - c: a*c - s), broadcast as
 * needed. */
static bool absorb_sink(oxp_fold *l, const oxp_fold_target *t) {
    const oxp_node n = *oxp_node_at(l->m, t->node);
    oxp_const c;
    if (!oxp_fold_read(l, n.in[t->constant_slot], &c))
        return false;
    double sign = oxp_node_is(&n, "Sub") && t->constant_slot == 1 ? -1.0 : 1.0;
    int rank = c.rank;
    size_t inner = 1;
    if (t->f.n > 1) {
        int from_end = oxp_fold_type(l, n.out[0])->rank - t->f.axis;
        rank = rank > from_end ? rank : from_end;
    }
    int64_t *dims = OXP_NEWS(l->arena, (size_t)rank + 1, int64_t);
    uint64_t count = 1;
    int axis = t->f.n > 1 ? rank - (oxp_fold_type(l, n.out[0])->rank - t->f.axis) : -1;
    for (int i = 0; i < rank; i++) {
        dims[i] = i < rank - c.rank ? 1 : c.dims[i - (rank - c.rank)];
        if (i == axis && dims[i] == 1)
            dims[i] = (int64_t)t->f.n;
        if (i == axis && (uint64_t)dims[i] != t->f.n)
            return oxp_fold_fail(l, "%s has a constant of another shape",
                                 oxp_fold_label(l, t->node));
        count = oxp_sat_mul(count, (uint64_t)dims[i]);
    }
    if (count > OXP_FOLD_ELEMENTS || c.n == 0)
        return oxp_fold_fail(l, "the constant of %s would become too large",
                             oxp_fold_label(l, t->node));
    for (int i = axis + 1; axis >= 0 && i < rank; i++)
        inner *= (size_t)dims[i];
    bool stretched = count != c.n; /* the constant's own axis had size 1 */
    double *v = OXP_NEWS(l->arena, count, double);
    for (size_t i = 0; i < count; i++) {
        size_t k = axis >= 0 ? i / inner % t->f.n : 0;
        size_t from = stretched ? i / (inner * t->f.n) * inner + i % inner : i;
        v[i] = c.v[from] * t->f.a[k] + sign * t->f.s[k];
    }
    return finite_bias(l, v, count) &&
           oxp_fold_set_input(l, t->node, t->constant_slot, "", c.dtype, rank, dims, v);
}

bool oxp_fold_absorb_output(oxp_fold *l, const oxp_fold_target *t) {
    const oxp_node n = *oxp_node_at(l->m, t->node);
    oxp_affine f = t->f;
    oxp_scaling s;
    uint32_t slot;
    if (t->sink)
        return absorb_sink(l, t);
    if (layer_of(&n) == NORM)
        return absorb_norm(l, t->node, f);
    if (!scaling_of(l, t->node, &f, true, &slot, &s) ||
        (oxp_affine_has_scale(&f) && !oxp_fold_scale_input(l, t->node, slot, &s)))
        return false;
    if (layer_of(&n) == GEMM) {
        int rank;
        const int64_t *dims;
        if (!oxp_fold_dims(l, n.in[1], &rank, &dims))
            return false;
        spread(l, &f, (size_t)dims[oxp_attr_int(&n, "transB", 0) != 0 ? 0 : rank - 1]);
        return gemm_bias(l, t->node, f.a, f.s, f.n);
    }
    if (layer_of(&n) == MATMUL) {
        if (!oxp_affine_has_shift(&f))
            return true;
        oxp_id w = n.in[1];
        int rank;
        const int64_t *dims;
        if (!could_be_gemm(l, &n) || !oxp_fold_dims(l, w, &rank, &dims))
            return oxp_fold_fail(l, "%s has no bias", oxp_fold_label(l, t->node));
        spread(l, &f, (size_t)dims[1]);
        return retool(l, t->node, f.s, f.n);
    }
    conv c = {0};
    if (!conv_of(l, &n, &c))
        return false;
    spread(l, &f, (size_t)c.out);
    return conv_bias(l, t->node, f.a, f.s, f.n);
}

/* ---- a map of the input ---- */

/* Do edges see anything but the input: padding, or a ConvTranspose whose taps do not all overlap?
 */
static bool sees_edges(const oxp_node *n, const conv *c) {
    size_t k = 0;
    const int64_t *pads = oxp_attr_ints(n, "pads", &k);
    const char *mode = oxp_attr_string(n, "auto_pad", "NOTSET");
    bool padded = strncmp(mode, "SAME", 4) == 0 && c->kernel > 1;
    for (size_t i = 0; pads && i < k && strcmp(mode, "VALID") != 0; i++)
        padded |= pads[i] != 0;
    if (layer_of(n) == CONV)
        return padded;
    bool spaced = c->kernel > 1;
    const char *lists[] = {"strides", "output_padding", "output_shape"};
    for (size_t i = 0; i < 3; i++) {
        const int64_t *v = oxp_attr_ints(n, lists[i], &k);
        for (size_t j = 0; v && j < k; j++)
            spaced |= v[j] != (i == 0);
    }
    return padded || spaced;
}

/* sum over the weight's elements of w * s[channel of input], by channel of output. */
typedef struct sums {
    const oxp_scaling *in;
    uint64_t div[2], mod[2], mul[2]; /* index of the output channel */
    uint64_t in_div;                 /* of in->axis */
} sums;

static void add_window(const sums *q, const double *w, uint64_t first, uint64_t n, const double *s,
                       size_t n_s, double *out) {
    for (uint64_t i = first; i < first + n; i++) {
        uint64_t in = 0, o = 0;
        if (n_s > 1 && q->in->axis >= 0)
            in = i / q->in_div % q->in->n;
        for (int t = 0; t < 2; t++) {
            if (n_s > 1 && q->in->axis < 0 && q->in->mod[t])
                in += i / q->in->div[t] % q->in->mod[t] * q->in->mul[t];
            if (q->mod[t])
                o += i / q->div[t] % q->mod[t] * q->mul[t];
        }
        out[o] += w[i - first] * s[in];
    }
}

/* Large weights are read by windows; what is dequantized or rearranged must be small. */
static bool weighted_sums(oxp_fold *l, oxp_id value, const sums *q, const double *s, size_t n_s,
                          double *out) {
    oxp_id tensor = oxp_constant_of(l->m, value, oxp_run_opts(l->run)->allow_overridable);
    if (tensor == OXP_NONE || !oxp_tensor_readable(l->m, tensor)) {
        oxp_const w;
        if (!oxp_fold_read(l, value, &w))
            return false;
        add_window(q, w.v, 0, w.n, s, n_s, out);
        return true;
    }
    double *w = OXP_NEWS(l->arena, WINDOW, double);
    uint64_t count = oxp_tensor_at(l->m, tensor)->count;
    for (uint64_t at = 0; at < count; at += WINDOW) {
        uint64_t n = count - at < WINDOW ? count - at : WINDOW;
        oxp_tensor_doubles(l->m, tensor, at, n, w);
        add_window(q, w, at, n, s, n_s, out);
    }
    return true;
}

static uint64_t behind(int rank, const int64_t *dims, int axis) {
    uint64_t n = 1;
    for (int i = axis + 1; i < rank; i++)
        n = oxp_sat_mul(n, (uint64_t)dims[i]);
    return n;
}

static bool absorb_conv_input(oxp_fold *l, const oxp_fold_target *t, const oxp_node *n,
                              const oxp_scaling *scaling) {
    conv c = {0};
    if (!conv_of(l, n, &c))
        return false;
    if (!oxp_affine_has_shift(&t->f))
        return true;
    if (sees_edges(n, &c))
        return oxp_fold_fail(l, "%s pads its input with zeros, which the shift must not reach",
                             oxp_fold_label(l, t->node));
    uint64_t rows = (uint64_t)c.dims[0], inner = (uint64_t)c.dims[1];
    oxp_scaling shift = *scaling; /* the same indices, of the shifts */
    oxp_affine f = t->f;
    if (layer_of(n) == CONV && f.n > 1)
        grouped_scaling(l, &c, f.s, &shift);
    sums q = {.in = &shift};
    q.in_div = shift.axis == 0 ? inner * c.kernel : c.kernel;
    if (layer_of(n) == CONV) {
        q.div[0] = inner * c.kernel;
        q.mod[0] = rows;
        q.mul[0] = 1;
    } else {
        q.div[0] = rows / c.groups * inner * c.kernel;
        q.mod[0] = c.groups;
        q.mul[0] = inner;
        q.div[1] = c.kernel;
        q.mod[1] = inner;
        q.mul[1] = 1;
    }
    double *add = OXP_NEWS(l->arena, c.out, double), *one = OXP_NEWS(l->arena, c.out, double);
    for (uint64_t i = 0; i < c.out; i++)
        one[i] = 1.0;
    const double *s = layer_of(n) == CONV && f.n > 1 ? shift.v : f.s;
    return weighted_sums(l, n->in[1], &q, s, shift.n > f.n ? shift.n : f.n, add) &&
           conv_bias(l, t->node, one, add, (size_t)c.out);
}

/* MatMul has no bias: the shift joins the constant of a following Add, or it becomes a Gemm, or the
 * shift an Add. */
static bool add_behind(oxp_fold *l, oxp_id node, const double *s, size_t n) {
    const oxp_node mm = *oxp_node_at(l->m, node);
    oxp_id out = mm.out[0];
    const oxp_value *v = oxp_value_at(l->m, out);
    int64_t dims = (int64_t)n;
    if (v->n_uses == 1 && v->outputs == 0) {
        oxp_use u = *oxp_use_at(l->m, v->first_use);
        const oxp_node next = *oxp_node_at(l->m, u.node);
        oxp_const c;
        if (oxp_node_is(&next, "Add") && next.n_in == 2 && next.in[1 - u.slot] != OXP_NONE &&
            oxp_fold_read(l, next.in[1 - u.slot], &c) && c.rank <= 1 && (c.n == n || c.n == 1)) {
            double *b = OXP_NEWS(l->arena, n, double);
            for (size_t i = 0; i < n; i++)
                b[i] = c.v[c.n == 1 ? 0 : i] + s[i];
            return finite_bias(l, b, n) &&
                   oxp_fold_set_input(l, u.node, 1 - u.slot, "", c.dtype, 1, &dims, b);
        }
    }
    if (could_be_gemm(l, &mm))
        return finite_bias(l, s, n) && retool(l, node, s, n);
    oxp_dtype t = oxp_fold_dtype(l, mm.in[1]);
    const char *hint = oxp_sprintf(l->arena, "%s_bias", oxp_fold_name(l, mm.in[1]));
    oxp_id bare = oxp_patch_value(l->p, mm.graph, oxp_fold_name(l, out), oxp_fold_type(l, out));
    oxp_id in[2] = {bare, oxp_fold_constant(l, mm.graph, node, hint, t, 1, &dims, s)};
    oxp_patch_output(l->p, node, 0, bare);
    oxp_patch_node_after(l->p, mm.graph, node, "Add", "", hint, in, 2, &out, 1);
    return finite_bias(l, s, n);
}

static bool absorb_product_input(oxp_fold *l, const oxp_fold_target *t, const oxp_node *n) {
    int rank;
    const int64_t *dims;
    if (!oxp_affine_has_shift(&t->f))
        return true;
    if (!oxp_fold_dims(l, n->in[1], &rank, &dims))
        return false;
    if (rank != 2)
        return oxp_fold_fail(l, "weight of %s is no matrix", oxp_fold_label(l, t->node));
    bool gemm = layer_of(n) == GEMM, trans = gemm && oxp_attr_int(n, "transB", 0) != 0;
    int in_axis = trans ? 1 : 0, out_axis = 1 - in_axis;
    size_t width = (size_t)dims[out_axis];
    oxp_scaling in = {.axis = in_axis, .n = (size_t)dims[in_axis]};
    sums q = {.in = &in, .in_div = behind(rank, dims, in_axis)};
    q.div[0] = behind(rank, dims, out_axis);
    q.mod[0] = width;
    q.mul[0] = 1;
    double *add = OXP_NEWS(l->arena, width, double), *one = OXP_NEWS(l->arena, width, double);
    if (!weighted_sums(l, n->in[1], &q, t->f.s, t->f.n, add))
        return false;
    double alpha = gemm ? (double)oxp_attr_float(n, "alpha", 1.0f) : 1.0;
    for (size_t i = 0; i < width; i++) {
        add[i] *= alpha;
        one[i] = 1.0;
    }
    return gemm ? gemm_bias(l, t->node, one, add, width) : add_behind(l, t->node, add, width);
}

bool oxp_fold_absorb_input(oxp_fold *l, const oxp_fold_target *t) {
    const oxp_node n = *oxp_node_at(l->m, t->node);
    oxp_scaling s;
    uint32_t slot;
    if (!scaling_of(l, t->node, &t->f, false, &slot, &s))
        return false;
    bool is_conv = layer_of(&n) == CONV || layer_of(&n) == CONV_TRANSPOSE;
    /* the bias first: it is computed from the weights as they were */
    if (is_conv ? !absorb_conv_input(l, t, &n, &s) : !absorb_product_input(l, t, &n))
        return false;
    return !oxp_affine_has_scale(&t->f) || oxp_fold_scale_input(l, t->node, slot, &s);
}
