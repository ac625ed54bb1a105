/* step.c - nodes that a per-channel affine map commutes with, and what it looks like on the other
 * side.
 *
 *     f(node(x)) = node(f'(x))        up: f is given at the output, f' wanted at the input; down:
 * vice versa
 *
 * Operators that average with weights that sum to 1 commute with scale and shift; those that bring
 * in zeros (padding) only with the scale: the shift then stays behind (fold->shift_stays). */
#include "rewrite/fold/fold.h"

#include <string.h>

/* What a step may look at. */
typedef struct step {
    oxp_fold *l;
    oxp_id id;
    oxp_node node;
    oxp_affine *f;
    bool up;
} step;

/* Padding brings zeros: only the scale passes. */
static bool scale_only(step *s) {
    if (!oxp_affine_has_shift(s->f))
        return true;
    if (!s->up)
        return oxp_fold_fail(s->l, "%s pads with zeros, which the shift must not reach",
                             oxp_fold_label(s->l, s->id));
    s->l->shift_stays = true;
    return true;
}

static bool channel_is_axis_1(step *s) {
    return s->f->n == 1 || s->f->axis == 1 ||
           oxp_fold_fail(s->l, "%s pools along the axis of the scale", oxp_fold_label(s->l, s->id));
}

static bool only_first_output(step *s) {
    for (uint32_t i = 1; i < s->node.n_out; i++) {
        if (s->node.out[i] == OXP_NONE)
            continue;
        const oxp_value *v = oxp_value_at(s->l->m, s->node.out[i]);
        if (v->n_uses || v->outputs)
            return oxp_fold_fail(s->l, "output %s of %s is used", v->name,
                                 oxp_fold_label(s->l, s->id));
    }
    return true;
}

static bool step_identity(step *s) {
    (void)s;
    return true;
}

/* Inference mode: is_test before opset 7; from 12 on training_mode must be absent or a constant
 * false. */
static bool step_dropout(step *s) {
    int64_t opset = oxp_opset_of(s->l->m, s->node.graph, "");
    oxp_const mode = {.n = 0};
    bool training = opset < 7 && oxp_fold_int(s->l, &s->node, "is_test", 0) == 0;
    if (opset >= 12 && oxp_in(&s->node, 2) != OXP_NONE)
        training = !oxp_fold_read(s->l, s->node.in[2], &mode) || mode.imagined || mode.n != 1 ||
                   mode.v[0] != 0;
    if (training)
        return oxp_fold_fail(s->l, "%s may be in training mode", oxp_fold_label(s->l, s->id));
    return only_first_output(s);
}

static bool step_transpose(step *s) {
    if (s->f->n == 1)
        return true;
    size_t n = 0;
    const oxp_attr *a = oxp_fold_attr(s->l, &s->node, "perm");
    const int64_t *perm = oxp_attr_ints(&s->node, "perm", &n);
    const oxp_type *t = oxp_fold_type(s->l, s->node.in[0]);
    if ((a && !perm) || (perm ? s->f->axis >= (int)n : !t))
        return oxp_fold_fail(s->l, "%s has no perm that is known", oxp_fold_label(s->l, s->id));
    if (!perm) {
        s->f->axis = t->rank - 1 - s->f->axis;
    } else if (s->up) {
        s->f->axis = (int)perm[s->f->axis];
    } else {
        size_t i = 0;
        while (i < n && perm[i] != s->f->axis)
            i++;
        s->f->axis = (int)i;
    }
    return true;
}

static bool step_reshape(step *s) {
    const oxp_type *in = oxp_fold_type(s->l, s->node.in[0]);
    const oxp_type *out = oxp_fold_type(s->l, s->node.out[0]);
    if (oxp_affine_remap(s->l, s->f, s->up ? out : in, s->up ? in : out))
        return true;
    return oxp_fold_fail(s->l, "%s: %s", oxp_fold_label(s->l, s->id), s->l->why);
}

static bool step_global_average(step *s) {
    return channel_is_axis_1(s);
}

static bool step_average(step *s) {
    size_t n = 0;
    const int64_t *pads = oxp_attr_ints(&s->node, "pads", &n);
    const char *auto_pad = oxp_attr_string(&s->node, "auto_pad", "NOTSET");
    bool padded =
        strncmp(auto_pad, "SAME", 4) == 0 || oxp_fold_int(s->l, &s->node, "ceil_mode", 0) != 0;
    for (size_t i = 0; i < n; i++)
        padded |= pads[i] != 0;
    bool counts = oxp_fold_int(s->l, &s->node, "count_include_pad", 0) != 0;
    return channel_is_axis_1(s) && (!padded || !counts || scale_only(s));
}

/* max(a x + s) = a max(x) + s for a >= 0; the padding of pools is -infinity. */
static bool step_max(step *s) {
    for (size_t i = 0; i < s->f->n; i++)
        if (s->f->a[i] < 0)
            return oxp_fold_fail(s->l, "%s takes a maximum, and a scale is negative",
                                 oxp_fold_label(s->l, s->id));
    return channel_is_axis_1(s) && only_first_output(s);
}

/* Axes of a reduction: attribute, or input 1 in newer opsets.  True when they are known. */
static bool reduced_axes(step *s, const double **axes, size_t *n) {
    oxp_const c;
    size_t k = 0;
    const int64_t *list = oxp_attr_ints(&s->node, "axes", &k);
    if (oxp_in(&s->node, 1) != OXP_NONE) {
        if (!oxp_fold_read(s->l, s->node.in[1], &c) || c.imagined)
            return false;
        *axes = c.v;
        *n = c.n;
        return true;
    }
    double *v = OXP_NEWS(s->l->arena, k ? k : 1, double);
    for (size_t i = 0; i < k; i++)
        v[i] = (double)list[i];
    *axes = v;
    *n = k;
    return true;
}

static bool step_mean(step *s) {
    const oxp_type *t = oxp_fold_type(s->l, s->node.in[0]);
    const double *axes;
    size_t n;
    if (s->f->n == 1)
        return true;
    if (!t || oxp_fold_int(s->l, &s->node, "keepdims", 1) != 1 || !reduced_axes(s, &axes, &n) ||
        n == 0)
        return oxp_fold_fail(s->l, "%s: its axes are not known", oxp_fold_label(s->l, s->id));
    for (size_t i = 0; i < n; i++)
        if ((int)axes[i] + (axes[i] < 0 ? t->rank : 0) == s->f->axis)
            return oxp_fold_fail(s->l, "%s averages along the axis of the scale",
                                 oxp_fold_label(s->l, s->id));
    return true;
}

/* Is the scale's axis as long on both sides, and known?  (Or there is only one scale.) */
static bool keeps_axis(step *s, const char *does) {
    const oxp_type *in = oxp_fold_type(s->l, s->node.in[0]);
    const oxp_type *out = oxp_fold_type(s->l, s->node.out[0]);
    int k = s->f->axis;
    return s->f->n == 1 ||
           (in && out && in->rank == out->rank && in->dims[k] == out->dims[k] &&
            !oxp_dim_is_unknown(in->dims[k])) ||
           oxp_fold_fail(s->l, "%s %s the axis of the scale", oxp_fold_label(s->l, s->id), does);
}

/* Padding with zeros commutes with the scale only; reflections and edges with everything.  The
 * scale's own axis must not be padded. */
static bool step_pad(step *s) {
    const char *mode = oxp_attr_string(&s->node, "mode", "constant");
    const oxp_type *in = oxp_fold_type(s->l, s->node.in[0]),
                   *out = oxp_fold_type(s->l, s->node.out[0]);
    if (!in || !out || in->rank != out->rank)
        return oxp_fold_fail(s->l, "%s: its shape is not known", oxp_fold_label(s->l, s->id));
    if (!keeps_axis(s, "pads"))
        return false;
    if (strcmp(mode, "constant") != 0)
        return true;
    oxp_const value = {.n = 0};
    if (oxp_in(&s->node, 2) != OXP_NONE && !oxp_fold_read(s->l, s->node.in[2], &value))
        return false;
    if ((value.n && value.v[0] != 0) || oxp_fold_float(s->l, &s->node, "value", 0) != 0.0f)
        return oxp_fold_fail(s->l, "%s pads with a value other than zero",
                             oxp_fold_label(s->l, s->id));
    return scale_only(s);
}

/* Factor by which a Resize or Upsample stretches the axis of the scale; 0: not known. */
static double factor_of(step *s) {
    bool upsample = oxp_node_is(&s->node, "Upsample");
    uint32_t slot = upsample || oxp_opset_of(s->l->m, s->node.graph, "") < 11 ? 1 : 2;
    const oxp_attr *list = oxp_fold_attr(s->l, &s->node, "scales");
    size_t n_axes = 0, k = (size_t)s->f->axis;
    const int64_t *axes = oxp_attr_ints(&s->node, "axes", &n_axes);
    const oxp_type *t = oxp_fold_type(s->l, s->node.in[0]);
    oxp_const c = {.n = 0};
    if (list)
        return list->type == OXP_ATTR_FLOATS && k < list->n ? (double)list->u.floats[k] : 0;
    if (oxp_in(&s->node, slot) != OXP_NONE &&
        (!oxp_fold_read(s->l, s->node.in[slot], &c) || c.imagined))
        return 0;
    if (!c.n) /* sizes: an axis that keeps its length is not stretched */
        return oxp_in(&s->node, 3) != OXP_NONE &&
                       !strcmp(oxp_attr_string(&s->node, "keep_aspect_ratio_policy", "stretch"),
                               "stretch")
                   ? 1
                   : 0;
    for (size_t i = 0; i < n_axes; i++)
        if (t && axes[i] + (axes[i] < 0 ? t->rank : 0) == s->f->axis)
            return i < c.n ? c.v[i] : 0;
    return n_axes ? 1 : k < c.n ? c.v[k] : 0;
}

/* Each result is an element, or a mean of elements with weights that sum to 1; only outside of a
 * cropped region comes a value of its own. */
static bool step_resize(step *s) {
    const char *mode = oxp_attr_string(&s->node, "coordinate_transformation_mode", "half_pixel");
    if (!strcmp(mode, "tf_crop_and_resize"))
        return oxp_fold_fail(s->l, "%s brings in a value of its own", oxp_fold_label(s->l, s->id));
    if (s->f->n > 1 && factor_of(s) != 1)
        return oxp_fold_fail(s->l, "%s may resize the axis of the scale",
                             oxp_fold_label(s->l, s->id));
    return keeps_axis(s, "resizes");
}

/* An axis that is as long behind a Slice in steps of 1 is whole. */
static bool step_slice(step *s) {
    oxp_const c = {.n = 0};
    if (s->f->n == 1)
        return true;
    if (oxp_in(&s->node, 4) != OXP_NONE && (!oxp_fold_read(s->l, s->node.in[4], &c) || c.imagined))
        return false;
    for (size_t i = 0; i < c.n; i++)
        if (c.v[i] != 1)
            return oxp_fold_fail(s->l, "%s does not go in steps of 1", oxp_fold_label(s->l, s->id));
    return keeps_axis(s, "cuts");
}

/* g(a x) = a g(x) for a > 0: Relu, and slopes that only the sign of x decides. */
static bool step_homogeneous(step *s) {
    if (oxp_affine_has_shift(s->f))
        return oxp_fold_fail(s->l, "%s is in between, and there is a shift",
                             oxp_fold_label(s->l, s->id));
    for (size_t i = 0; i < s->f->n; i++)
        if (!(s->f->a[i] > 0))
            return oxp_fold_fail(s->l, "%s is in between, and a scale is not positive",
                                 oxp_fold_label(s->l, s->id));
    return true;
}

/* Blocks of channels become positions: input channel of output channel c and block k is
 * k C + c (DCR) or c B + k (CRD), B blocks.  Down: the scale must be that of whole blocks. */
static bool step_depth_to_space(step *s) {
    int64_t edge = oxp_fold_int(s->l, &s->node, "blocksize", 1);
    bool crd = !strcmp(oxp_attr_string(&s->node, "mode", "DCR"), "CRD");
    oxp_affine *f = s->f;
    if (f->n == 1)
        return true;
    if (f->axis != 1 || edge < 1 || edge > 64)
        return oxp_fold_fail(s->l, "%s mixes channels with positions", oxp_fold_label(s->l, s->id));
    size_t blocks = (size_t)(edge * edge), n = s->up ? f->n : f->n / blocks;
    if (n * blocks > OXP_FOLD_ELEMENTS || (!s->up && n * blocks != f->n))
        return oxp_fold_fail(s->l, "%s has too many channels", oxp_fold_label(s->l, s->id));
    oxp_affine g = {n == 1 && !s->up ? -1 : 1, s->up ? n * blocks : n, NULL, NULL};
    g.a = OXP_NEWS(s->l->arena, g.n, double);
    g.s = OXP_NEWS(s->l->arena, g.n, double);
    for (size_t i = 0; i < n * blocks; i++) {
        size_t c = crd ? i / blocks : i % n, from = s->up ? c : i, to = s->up ? i : c;
        bool first = s->up || (crd ? i % blocks == 0 : i < n);
        if (!first && (g.a[to] != f->a[from] || g.s[to] != f->s[from]))
            return oxp_fold_fail(s->l, "%s mixes channels with positions",
                                 oxp_fold_label(s->l, s->id));
        g.a[to] = f->a[from];
        g.s[to] = f->s[from];
    }
    *f = g;
    return true;
}

static const struct {
    const char *op;
    bool (*fn)(step *s);
} steps[] = {
    {"Identity", step_identity},
    {"Dropout", step_dropout},
    {"Transpose", step_transpose},
    {"Reshape", step_reshape},
    {"Flatten", step_reshape},
    {"Squeeze", step_reshape},
    {"Unsqueeze", step_reshape},
    {"GlobalAveragePool", step_global_average},
    {"AveragePool", step_average},
    {"GlobalMaxPool", step_max},
    {"MaxPool", step_max},
    {"ReduceMean", step_mean},
    {"Pad", step_pad},
    {"Resize", step_resize},
    {"Upsample", step_resize},
    {"Slice", step_slice},
    {"Relu", step_homogeneous},
    {"LeakyRelu", step_homogeneous},
    {"DepthToSpace", step_depth_to_space},
};

bool oxp_fold_step(oxp_fold *l, oxp_id node, oxp_affine *f, bool up) {
    step s = {l, node, *oxp_node_at(l->m, node), f, up};
    if (s.node.n_in < 1 || s.node.in[0] == OXP_NONE || s.node.n_out < 1 ||
        s.node.out[0] == OXP_NONE)
        return oxp_fold_fail(l, "%s has no input", oxp_fold_label(l, node));
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
        if (oxp_node_is(&s.node, steps[i].op))
            return steps[i].fn(&s);
    return oxp_fold_fail(l, "%s is in between", oxp_fold_label(l, node));
}
