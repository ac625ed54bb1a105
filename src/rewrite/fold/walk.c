/* walk.c - from a map to the layers that can take it: up to the layers that produced its input, or
 * down to those that read its output.  Nothing is changed here; fold->targets is the plan. */
#include "rewrite/fold/fold.h"

static bool add_target(oxp_fold *l, oxp_id node, const oxp_affine *f, bool sink, uint32_t slot) {
    if (l->n_targets == OXP_FOLD_TARGETS)
        return oxp_fold_fail(l, "more than %d layers would take it", OXP_FOLD_TARGETS);
    l->targets[l->n_targets++] = (oxp_fold_target){node, *f, sink, slot};
    return true;
}

/* Nobody but `reader` may see the value that is about to change. */
static bool only_read_by(oxp_fold *l, oxp_id value, oxp_id reader) {
    const oxp_value *v = oxp_value_at(l->m, value);
    const char *of = v->producer != OXP_NONE ? oxp_fold_label(l, v->producer) : v->name;
    if (v->outputs)
        return oxp_fold_fail(l, "output of %s is a graph output", of);
    for (oxp_id u = v->first_use; u != OXP_NONE; u = oxp_use_at(l->m, u)->next)
        if (oxp_use_at(l->m, u)->node != reader)
            return oxp_fold_fail(l, "output of %s is also read by %s", of,
                                 oxp_fold_label(l, oxp_use_at(l->m, u)->node));
    if (v->n_uses != 1)
        return oxp_fold_fail(l, "output of %s is read twice", of);
    if (v->graph != oxp_node_at(l->m, reader)->graph)
        return oxp_fold_fail(l, "output of %s comes from outside the subgraph", of);
    return true;
}

/* Add(x, c), Add(c, x), Sub(x, c), Sub(c, x): the constant takes the shift, a*(x + c) + s = a*x +
 * (a*c + s), and only the scale goes on.  *x: the slot of what is not constant. */
static bool is_sink(oxp_fold *l, const oxp_node *n, const oxp_affine *f, uint32_t *x) {
    if ((!oxp_node_is(n, "Add") && !oxp_node_is(n, "Sub")) || n->n_in != 2 ||
        oxp_opset_of(l->m, n->graph, "") < 7)
        return false;
    oxp_const c;
    for (*x = 0; *x < 2; ++*x)
        if (oxp_in(n, *x) != OXP_NONE && oxp_in(n, 1 - *x) != OXP_NONE &&
            oxp_fold_read(l, n->in[1 - *x], &c))
            break;
    if (*x == 2 || !oxp_dtype_is_float(c.dtype))
        return false;
    const oxp_type *in = oxp_fold_type(l, n->in[*x]), *out = oxp_fold_type(l, n->out[0]);
    if (!in || !out || in->rank != out->rank)
        return false;
    return f->n == 1 || in->dims[f->axis] == out->dims[f->axis]; /* x is not stretched along it */
}

static bool up_from(oxp_fold *l, oxp_id node, oxp_id value, const oxp_affine *given, int level);

static bool up_concat(oxp_fold *l, oxp_id id, const oxp_node *n, const oxp_affine *f, int level) {
    int axis = (int)oxp_fold_int(l, n, "axis", 1), at = 0;
    if (axis < 0) {
        const oxp_type *t = oxp_fold_type(l, n->out[0]);
        axis = t ? axis + t->rank : -1;
    }
    for (uint32_t i = 0; i < n->n_in; i++) {
        oxp_affine part = *f;
        if (f->n > 1 && axis == f->axis) {
            const oxp_type *t = oxp_fold_type(l, n->in[i]);
            oxp_dim d = t && axis < t->rank ? t->dims[axis] : OXP_DIM_UNKNOWN;
            if (!oxp_dim_is_literal(d) || d < 1 || (uint64_t)(at + d) > f->n)
                return oxp_fold_fail(l, "sizes of the inputs of %s are not known",
                                     oxp_fold_label(l, id));
            part = oxp_affine_slice(l, f, (size_t)at, (size_t)d);
            at += (int)d;
        }
        if (n->in[i] == OXP_NONE || !up_from(l, id, n->in[i], &part, level + 1))
            return false;
    }
    return (f->n == 1 || axis != f->axis || (size_t)at == f->n) ||
           oxp_fold_fail(l, "sizes of the inputs of %s are not known", oxp_fold_label(l, id));
}

/* a (x + y) + s = (a x + s) + a y, and the same of x - y: both must go up to layers. */
static bool up_sum(oxp_fold *l, oxp_id id, const oxp_node *n, const oxp_affine *f, int level) {
    const oxp_type *out = oxp_fold_type(l, n->out[0]);
    oxp_affine part = oxp_affine_slice(l, f, 0, f->n);
    for (uint32_t i = 0; i < 2; i++) {
        const oxp_type *in = oxp_fold_type(l, n->in[i]);
        if (!in || !out || in->rank != out->rank ||
            (f->n > 1 && in->dims[f->axis] != out->dims[f->axis]))
            return oxp_fold_fail(l, "%s stretches an input", oxp_fold_label(l, id));
        if (!up_from(l, id, n->in[i], &part, level + 1))
            return false;
        part = oxp_affine_slice(l, f, 0, f->n);
        for (size_t k = 0; k < part.n; k++)
            part.s[k] = 0;
    }
    return true;
}

static bool is_sum(oxp_fold *l, const oxp_node *n) {
    return (oxp_node_is(n, "Add") || oxp_node_is(n, "Sub")) && n->n_in == 2 &&
           oxp_in(n, 0) != OXP_NONE && oxp_in(n, 1) != OXP_NONE &&
           oxp_opset_of(l->m, n->graph, "") >= 7;
}

static bool up_from(oxp_fold *l, oxp_id node, oxp_id value, const oxp_affine *given, int level) {
    if (level > OXP_FOLD_DEPTH)
        return oxp_fold_fail(l, "more than %d branches are nested", OXP_FOLD_DEPTH);
    oxp_affine f = *given;
    for (int depth = 0; depth < OXP_FOLD_DEPTH; depth++) {
        const oxp_value *v = oxp_value_at(l->m, value);
        if (v->producer == OXP_NONE)
            return oxp_fold_fail(l, "nothing before it but %s", v->name);
        oxp_id id = v->producer;
        const oxp_node n = *oxp_node_at(l->m, id);
        bool layer = oxp_fold_is_layer(&n) || oxp_fold_is_norm(&n);
        l->reached |= layer;
        if (!only_read_by(l, value, node))
            return false;
        if (layer) {
            l->shift_stays |= oxp_affine_has_shift(&f) && !oxp_fold_takes_shift(l, &n);
            return add_target(l, id, &f, false, 0);
        }
        uint32_t x;
        if (oxp_node_is(&n, "Concat"))
            return up_concat(l, id, &n, &f, level);
        if (is_sink(l, &n, &f, &x)) {
            if (!add_target(l, id, &f, true, 1 - x))
                return false;
            f = oxp_affine_slice(l, &f, 0, f.n);
            for (size_t i = 0; i < f.n; i++)
                f.s[i] = 0;
            if (!oxp_affine_has_scale(&f))
                return true;
            value = n.in[x];
        } else if (is_sum(l, &n)) {
            return up_sum(l, id, &n, &f, level);
        } else if (oxp_fold_step(l, id, &f, true)) {
            value = n.in[0];
        } else {
            return false;
        }
        node = id;
    }
    return oxp_fold_fail(l, "more than %d nodes are in between", OXP_FOLD_DEPTH);
}

bool oxp_fold_up(oxp_fold *l, oxp_id node, oxp_id value, const oxp_affine *f) {
    return up_from(l, node, value, f, 0);
}

static bool down_from(oxp_fold *l, oxp_id value, const oxp_affine *f, int level) {
    const oxp_value *v = oxp_value_at(l->m, value);
    const char *of = v->producer != OXP_NONE ? oxp_fold_label(l, v->producer) : v->name;
    if (v->outputs)
        return oxp_fold_fail(l, "output of %s is a graph output", of);
    if (v->n_uses == 0 || level > OXP_FOLD_DEPTH)
        return oxp_fold_fail(l, "no layer after it takes it");
    for (oxp_id u = v->first_use; u != OXP_NONE; u = oxp_use_at(l->m, u)->next) {
        oxp_use use = *oxp_use_at(l->m, u);
        const oxp_node n = *oxp_node_at(l->m, use.node);
        if (n.graph != v->graph)
            return oxp_fold_fail(l, "output of %s is also read inside a subgraph, by %s", of,
                                 oxp_fold_label(l, use.node));
        if (use.slot != 0)
            return oxp_fold_fail(l, "output of %s is read by %s", of, oxp_fold_label(l, use.node));
        l->reached |= oxp_fold_is_layer(&n);
        oxp_affine g = *f;
        if (oxp_fold_is_layer(&n)
                ? !add_target(l, use.node, f, false, 0)
                : !oxp_fold_step(l, use.node, &g, false) || !down_from(l, n.out[0], &g, level + 1))
            return false;
    }
    return true;
}

bool oxp_fold_down(oxp_fold *l, oxp_id value, const oxp_affine *f) {
    return down_from(l, value, f, 0);
}
