/* affine.c - what a node does to its input as a map y = a[c] * x + s[c], and such maps in other
 * shapes. */
#include "rewrite/fold/fold.h"

#include <math.h>
#include <string.h>

#include "base/safe_math.h"

bool oxp_affine_has_scale(const oxp_affine *f) {
    for (size_t i = 0; i < f->n; i++)
        if (f->a[i] != 1.0)
            return true;
    return false;
}

bool oxp_affine_has_shift(const oxp_affine *f) {
    for (size_t i = 0; i < f->n; i++)
        if (f->s[i] != 0.0)
            return true;
    return false;
}

double oxp_affine_largest(const oxp_affine *f) {
    double most = 0;
    for (size_t i = 0; i < f->n; i++)
        most = fmax(most, fabs(f->a[i]));
    return most;
}

static oxp_affine affine_new(oxp_fold *l, int axis, size_t n) {
    oxp_affine f = {n == 1 ? -1 : axis, n, NULL, NULL};
    f.a = OXP_NEWS(l->arena, n ? n : 1, double);
    f.s = OXP_NEWS(l->arena, n ? n : 1, double);
    return f;
}

oxp_affine oxp_affine_slice(oxp_fold *l, const oxp_affine *f, size_t first, size_t n) {
    oxp_affine g = affine_new(l, f->axis, n);
    memcpy(g.a, f->a + first, n * sizeof *g.a);
    memcpy(g.s, f->s + first, n * sizeof *g.s);
    return g;
}

/* ---- BatchNormalization ---- */

/* Inference mode, by the rules of the operator's versions 1, 6, 7, 9, 14 and 15. */
static bool in_inference_mode(oxp_fold *l, const oxp_node *n) {
    int64_t opset = oxp_opset_of(l->m, n->graph, "");
    if (opset < 7 && oxp_fold_int(l, n, "is_test", 0) == 0)
        return oxp_fold_fail(l, "it is in training mode (is_test = 0)");
    if (opset >= 14 && oxp_fold_int(l, n, "training_mode", 0) != 0)
        return oxp_fold_fail(l, "it is in training mode");
    for (uint32_t i = 1; i < n->n_out; i++) {
        if (n->out[i] == OXP_NONE)
            continue;
        const oxp_value *v = oxp_value_at(l->m, n->out[i]);
        if (opset >= 7)
            return oxp_fold_fail(l, "it is in training mode: it also outputs %s", v->name);
        if (v->n_uses || v->outputs)
            return oxp_fold_fail(l, "its output %s is used", v->name);
    }
    return true;
}

/* A parameter with one element per channel.  `spatial` = 0 (before opset 9) gives one per position:
 * then only parameters that are the same at all positions of a channel will do. */
static bool parameter(oxp_fold *l, const oxp_node *n, uint32_t slot, oxp_const *c) {
    if (!oxp_fold_read(l, oxp_in(n, slot), c))
        return false;
    if (c->rank < 1 || c->dims[0] < 1 || !c->n || c->n % (uint64_t)c->dims[0])
        return oxp_fold_fail(l, "%s has no element per channel", oxp_fold_name(l, n->in[slot]));
    size_t channels = (size_t)c->dims[0], inner = c->n / channels;
    for (size_t i = 0; i < c->n; i++)
        if (c->v[i] != c->v[i / inner * inner])
            return oxp_fold_fail(l, "spatial = 0: %s differs from position to position",
                                 oxp_fold_name(l, n->in[slot]));
    for (size_t i = 0; i < channels; i++)
        c->v[i] = c->v[i * inner];
    c->n = channels;
    return true;
}

static bool of_batch_norm(oxp_fold *l, const oxp_node *n, oxp_affine *f) {
    oxp_const scale, bias, mean, var;
    if (!in_inference_mode(l, n) || !parameter(l, n, 1, &scale) || !parameter(l, n, 2, &bias) ||
        !parameter(l, n, 3, &mean) || !parameter(l, n, 4, &var))
        return false;
    if (bias.n != scale.n || mean.n != scale.n || var.n != scale.n)
        return oxp_fold_fail(l, "its parameters differ in length");
    double eps = (double)oxp_fold_float(l, n, "epsilon", 1e-5f);
    *f = affine_new(l, 1, scale.n);
    for (size_t i = 0; i < f->n; i++) {
        double d = var.v[i] + eps;
        if (!(d > 0))
            return oxp_fold_fail(l, "variance %g of channel %zu is not above -epsilon", var.v[i],
                                 i);
        f->a[i] = scale.v[i] / sqrt(d);
        f->s[i] = bias.v[i] - mean.v[i] * f->a[i];
        if (!isfinite(f->a[i]) || !isfinite(f->s[i]))
            return oxp_fold_fail(l, "channel %zu has no finite scale and shift", i);
    }
    return true;
}

/* ---- arithmetic with a constant ---- */

/* Elements of a constant along the one axis of x that it varies on. */
static bool along_one_axis(oxp_fold *l, const oxp_const *c, oxp_id x, int *axis) {
    *axis = -1;
    if (c->n == 1 && c->rank == 0)
        return true;
    const oxp_type *t = oxp_fold_type(l, x);
    if (!t || c->rank > t->rank)
        return false; /* it might change the shape of x */
    for (int i = 0; i < c->rank; i++) {
        if (c->dims[i] == 1)
            continue;
        if (*axis >= 0)
            return false;
        *axis = t->rank - c->rank + i;
        if (t->dims[*axis] != oxp_dim_literal(c->dims[i]))
            return false;
    }
    return true;
}

static bool of_arithmetic(oxp_fold *l, const oxp_node *n, oxp_affine *f, uint32_t *slot) {
    bool add = oxp_node_is(n, "Add"), sub = oxp_node_is(n, "Sub");
    bool mul = oxp_node_is(n, "Mul"), div = oxp_node_is(n, "Div");
    if ((!add && !sub && !mul && !div) || n->n_in != 2 || oxp_opset_of(l->m, n->graph, "") < 7)
        return false; /* before opset 7 broadcasting is another thing */
    oxp_const c;
    int axis;
    for (*slot = 0; *slot < 2; ++*slot)
        if (oxp_in(n, *slot) != OXP_NONE && oxp_in(n, 1 - *slot) != OXP_NONE &&
            !(div && *slot == 1) && oxp_fold_read(l, n->in[1 - *slot], &c))
            break;
    l->needs_call = false;
    if (*slot == 2 || !oxp_dtype_is_float(c.dtype) || !along_one_axis(l, &c, n->in[*slot], &axis))
        return false;
    *f = affine_new(l, axis, c.n);
    for (size_t i = 0; i < f->n; i++) {
        f->a[i] = mul ? c.v[i] : div ? 1.0 / c.v[i] : sub && *slot == 1 ? -1.0 : 1.0;
        f->s[i] = add || (sub && *slot == 1) ? c.v[i] : sub ? -c.v[i] : 0.0;
        if (!isfinite(f->a[i]) || !isfinite(f->s[i]))
            return false;
    }
    return true;
}

bool oxp_affine_of(oxp_fold *l, oxp_id node, oxp_affine *f, uint32_t *slot) {
    const oxp_node n = *oxp_node_at(l->m, node);
    *slot = 0;
    if (oxp_node_is(&n, "BatchNormalization"))
        return of_batch_norm(l, &n, f);
    bool is = of_arithmetic(l, &n, f, slot);
    if (!is)
        l->why = NULL;
    return is;
}

/* ---- the same elements in another shape ---- */

typedef struct shape {
    int rank;
    const oxp_dim *dims;
    oxp_dim *before, *behind; /* products of the dims left of / right of each boundary */
} shape;

static shape shape_of(oxp_fold *l, const oxp_type *t) {
    oxp_dims *pool = oxp_model_dims(l->m);
    size_t n = (size_t)t->rank + 1;
    shape s = {t->rank, t->dims, OXP_NEWS(l->arena, n, oxp_dim), OXP_NEWS(l->arena, n, oxp_dim)};
    s.before[0] = s.behind[t->rank] = oxp_dim_literal(1);
    for (int i = 0; i < t->rank; i++)
        s.before[i + 1] = oxp_dim_mul(pool, s.before[i], t->dims[i]);
    for (int i = t->rank; i > 0; i--)
        s.behind[i - 1] = oxp_dim_mul(pool, s.behind[i], t->dims[i - 1]);
    return s;
}

/* Is boundary i of `a` at the same place in the elements' order as boundary j of `b`?  (A product
 * of zero says nothing about places.) */
static bool same_place(const shape *a, int i, const shape *b, int j) {
    oxp_dim p = a->before[i], q = a->behind[i];
    return (!oxp_dim_is_unknown(p) && p != 0 && p == b->before[j]) ||
           (!oxp_dim_is_unknown(q) && q != 0 && q == b->behind[j]);
}

/* The smallest run of axes [i0, i1) around `axis` that holds the same elements as [j0, j1) of b. */
static bool common_block(const shape *a, int axis, const shape *b, int *i0, int *i1, int *j0,
                         int *j1) {
    *j0 = -1;
    for (*i0 = axis; *i0 >= 0 && *j0 < 0; --*i0)
        for (int j = b->rank; j >= 0 && *j0 < 0; j--)
            if (same_place(a, *i0, b, j))
                *j0 = j;
    ++*i0;
    if (*j0 < 0)
        return false;
    for (*i1 = axis + 1; *i1 <= a->rank; ++*i1)
        for (*j1 = *j0; *j1 <= b->rank; ++*j1)
            if (same_place(a, *i1, b, *j1))
                return true;
    return false;
}

/* Product of the literal dims [i, j); 0 when one is not literal, or too many. */
static size_t span(const oxp_dim *dims, int i, int j) {
    uint64_t n = 1;
    for (; i < j; i++)
        n = oxp_dim_is_literal(dims[i]) && dims[i] > 0 ? oxp_sat_mul(n, (uint64_t)dims[i]) : 0;
    return n <= OXP_FOLD_ELEMENTS ? (size_t)n : 0;
}

/* Does the map over a block of `size` elements depend on one axis (of n, with `inner` behind it)?
 */
static bool depends_only_on(const oxp_affine *f, size_t f_inner, size_t size, size_t inner,
                            size_t n, oxp_affine *g) {
    for (size_t i = 0; i < size; i++) {
        /* NOLINTNEXTLINE(clang-analyzer-core.DivideZero): maps and axes of at least one element */
        size_t from = i / f_inner % f->n, to = i / inner % n;
        if (i / inner < n && i % inner == 0) {
            g->a[to] = f->a[from];
            g->s[to] = f->s[from];
        } else if (g->a[to] != f->a[from] || g->s[to] != f->s[from]) {
            return false;
        }
    }
    return true;
}

bool oxp_affine_remap(oxp_fold *l, oxp_affine *f, const oxp_type *from, const oxp_type *to) {
    if (f->n == 1)
        return true;
    if (!from || !to || f->axis >= from->rank)
        return oxp_fold_fail(l, "a shape on the way is not known");
    shape a = shape_of(l, from), b = shape_of(l, to);
    int i0, i1, j0, j1;
    if (!common_block(&a, f->axis, &b, &i0, &i1, &j0, &j1))
        return oxp_fold_fail(l, "the channel axis cannot be followed through a reshape");
    if (i1 == i0 + 1 && j1 == j0 + 1) {
        f->axis = j0;
        return true;
    }
    size_t size = span(a.dims, i0, i1), inner = span(a.dims, f->axis + 1, i1);
    if (!size || size != span(b.dims, j0, j1) || (uint64_t)a.dims[f->axis] != f->n)
        return oxp_fold_fail(l, "the channel axis cannot be followed through a reshape");
    for (int j = j1 - 1; j >= j0; j--) {
        size_t n = (size_t)b.dims[j];
        if (n == 1)
            continue;
        oxp_affine g = affine_new(l, j, n);
        g.axis = j;
        if (depends_only_on(f, inner, size, span(b.dims, j + 1, j1), n, &g)) {
            *f = g;
            return true;
        }
    }
    return oxp_fold_fail(l, "a reshape mixes channels with positions");
}
