/* precision_const.c - the values of constants: initializers and Constant nodes. */
#include "rewrite/precision/precision.h"

#include <math.h>

/* The attribute of the Constant node that makes a value, or NULL. */
static const oxp_attr *constant_attr(const oxp_precision *p, oxp_id v) {
    const oxp_value *x = oxp_value_at(p->m, v);
    if (x->tensor != OXP_NONE || x->producer == OXP_NONE)
        return NULL;
    return &oxp_node_at(p->m, x->producer)->attrs[0];
}

oxp_id oxp_precision_tensor(const oxp_precision *p, oxp_id v) {
    const oxp_attr *a = constant_attr(p, v);
    if (!a)
        return oxp_value_at(p->m, v)->tensor;
    return a->type == OXP_ATTR_TENSOR ? a->u.id : OXP_NONE;
}

uint64_t oxp_precision_count(const oxp_precision *p, oxp_id v) {
    if (v == OXP_NONE || !p->is_const[v])
        return 0;
    oxp_id t = oxp_precision_tensor(p, v);
    if (t != OXP_NONE)
        return oxp_tensor_at(p->m, t)->count;
    const oxp_attr *a = constant_attr(p, v);
    return a && a->type == OXP_ATTR_FLOATS ? a->n : 1;
}

bool oxp_precision_elements(oxp_precision *p, oxp_id v, double *out, uint64_t max, uint64_t *n) {
    if (v == OXP_NONE || !p->is_const[v])
        return false;
    *n = oxp_precision_count(p, v);
    if (*n > max)
        return false;
    oxp_id t = oxp_precision_tensor(p, v);
    const oxp_attr *a = constant_attr(p, v);
    if (t != OXP_NONE) {
        if (!oxp_tensor_readable(p->m, t) || oxp_tensor_at(p->m, t)->dtype == OXP_STRING)
            return false;
        oxp_tensor_doubles(p->m, t, 0, *n, out);
    } else if (a->type == OXP_ATTR_FLOATS) {
        for (uint64_t i = 0; i < *n; i++)
            out[i] = (double)a->u.floats[i];
    } else
        out[0] = (double)a->u.f;
    return true;
}

bool oxp_precision_scalar(oxp_precision *p, oxp_id v, double *x) {
    uint64_t n;
    return oxp_precision_elements(p, v, x, 1, &n) && n == 1;
}

/* Stats of a few numbers, as oxp_tensor_scan gives them for tensors. */
static void scan_floats(const float *f, size_t n, oxp_tensor_stats *s) {
    s->abs_min_nonzero = 0;
    bool any = false;
    for (size_t i = 0; i < n; i++) {
        double x = (double)f[i], a = fabs(x);
        if (isnan(x) || isinf(x)) {
            s->n_nan += isnan(x) != 0;
            s->n_inf += isinf(x) != 0;
            continue;
        }
        s->min = any && s->min < x ? s->min : x;
        s->max = any && s->max > x ? s->max : x;
        any = true;
        s->abs_max = a > s->abs_max ? a : s->abs_max;
        if (a > 0 && (s->abs_min_nonzero == 0 || a < s->abs_min_nonzero))
            s->abs_min_nonzero = a;
        s->n_zero += a == 0;
        s->n_over_half += a > OXP_HALF_MAX;
        s->n_sub_half += a > 0 && a < OXP_HALF_MIN_NORMAL;
        s->n_zero_half += a > 0 && a < 0x1p-25;
    }
}

const oxp_tensor_stats *oxp_precision_stats(oxp_precision *p, oxp_id v) {
    if (v == OXP_NONE || !p->is_const[v] || !oxp_precision_float32(p, v))
        return NULL;
    oxp_id t = oxp_precision_tensor(p, v);
    if (t == OXP_NONE) {
        const oxp_attr *a = constant_attr(p, v);
        oxp_tensor_stats *s = OXP_NEW(p->arena, oxp_tensor_stats);
        if (a->type == OXP_ATTR_FLOATS)
            scan_floats(a->u.floats, a->n, s);
        else
            scan_floats(&a->u.f, 1, s);
        return s;
    }
    if (!oxp_tensor_readable(p->m, t))
        return NULL; /* weights absent: a what-if takes them as harmless */
    if (!p->stats[t]) {
        p->stats[t] = OXP_NEW(p->arena, oxp_tensor_stats);
        oxp_tensor_scan(p->m, t, p->stats[t]);
    }
    return p->stats[t];
}
