/* precision_mask.c - sentinels: the -3.4e38 of an attention mask.
 *
 * A constant beyond 65504 is a sentinel when it is chosen, added or multiplied by a 0/1 mask, and
 * every path from there ends where only 'hugely negative' matters (Softmax, Max, Sigmoid, ...).  A
 * smaller sentinel then does the same, and half can hold it: -65504 where it is chosen, half of
 * that where something is added to it (the sum must not become -inf: a row of nothing but -inf is
 * NaN behind a Softmax).  Weights are never clamped. */
#include "rewrite/precision/precision.h"

#include <math.h>

#define ADDED_LIMIT 32752.0
#define MASK_MIN    1000.0

enum { MOVES = OXP_OP_MOVE | OXP_OP_VIEW };

static unsigned flags_of(const oxp_node *n) {
    return n->def ? n->def->flags : 0;
}

/* Is the value 0 or 1 by construction: from booleans or integers through 1 - x and the like? */
static bool is_mask(oxp_precision *p, oxp_id v) {
    for (int step = 0; step < 16 && v != OXP_NONE; step++) {
        oxp_id id = oxp_value_at(p->m, v)->producer;
        if (id == OXP_NONE)
            return false;
        const oxp_node *n = oxp_node_at(p->m, id);
        oxp_id next = OXP_NONE;
        uint32_t variable = 0;
        for (uint32_t i = 0; i < n->n_in; i++)
            if (oxp_precision_float32(p, oxp_in(n, i)) && !p->is_const[n->in[i]]) {
                variable++;
                next = n->in[i];
            }
        if (oxp_node_is(n, "Cast") && n->n_in && n->in[0] != OXP_NONE && !variable)
            return p->dtype[n->in[0]] == OXP_BOOL || oxp_dtype_is_integer(p->dtype[n->in[0]]);
        if (oxp_node_is(n, "Where") && !variable)
            return true;
        unsigned rule = oxp_precision_rule(n, NULL);
        if (variable != 1 || !((flags_of(n) & MOVES) || (rule & OXP_RULE_SELECT)))
            return false;
        v = next;
    }
    return false;
}

typedef struct paths {
    oxp_id *v;
    size_t n, cap;
    bool *seen; /* by node */
    oxp_id *touched;
    size_t n_touched, cap_touched;
    bool added, ended;
} paths;

static bool push_outputs(oxp_precision *p, paths *q, oxp_id id) {
    const oxp_node *n = oxp_node_at(p->m, id);
    if (q->seen[id])
        return true;
    q->seen[id] = true;
    q->touched =
        oxp_grow(p->arena, q->touched, &q->cap_touched, q->n_touched + 1, sizeof *q->touched);
    q->touched[q->n_touched++] = id;
    for (uint32_t i = 0; i < n->n_out; i++) {
        if (n->out[i] == OXP_NONE)
            continue;
        if (oxp_value_at(p->m, n->out[i])->outputs)
            return false;
        q->v = oxp_grow(p->arena, q->v, &q->cap, q->n + 1, sizeof *q->v);
        q->v[q->n++] = n->out[i];
    }
    return true;
}

/* One consumer on the way: false when a sentinel cannot pass here. */
static bool passes(oxp_precision *p, paths *q, oxp_id id) {
    const oxp_node *n = oxp_node_at(p->m, id);
    unsigned rule = oxp_precision_rule(n, NULL);
    if (rule & OXP_RULE_MASKED) {
        q->ended = true;
        return true;
    }
    bool go = flags_of(n) & MOVES || rule & (OXP_RULE_SELECT | OXP_RULE_BOUND);
    if (oxp_node_is(n, "Add") || oxp_node_is(n, "Sub"))
        q->added = true;
    if (rule & OXP_RULE_SCALE) {
        double s;
        go = false;
        for (uint32_t i = 0; i < n->n_in; i++)
            go |= oxp_precision_scalar(p, n->in[i], &s) && s > 0;
    }
    return go && push_outputs(p, q, id);
}

static bool ends_in_masks(oxp_precision *p, paths *q, oxp_id id) {
    q->n = 0;
    q->ended = q->added = false;
    bool ok = push_outputs(p, q, id);
    while (ok && q->n) {
        const oxp_value *x = oxp_value_at(p->m, q->v[--q->n]);
        for (oxp_id u = x->first_use; ok && u != OXP_NONE; u = oxp_use_at(p->m, u)->next)
            ok = passes(p, q, oxp_use_at(p->m, u)->node);
    }
    for (size_t i = 0; i < q->n_touched; i++)
        q->seen[q->touched[i]] = false;
    q->n_touched = 0;
    return ok && q->ended;
}

static void add(oxp_precision *p, oxp_id node, uint32_t slot, double limit, bool clamps) {
    p->sentinel =
        oxp_grow(p->arena, p->sentinel, &p->cap_sentinels, p->n_sentinels + 1, sizeof *p->sentinel);
    p->sentinel[p->n_sentinels++] = (oxp_sentinel){node, slot, limit, clamps};
    oxp_map_set(p->sentinels, (uint64_t)node << 32 | slot, (uint32_t)p->n_sentinels);
}

const oxp_sentinel *oxp_precision_sentinel(const oxp_precision *p, oxp_id node, uint32_t slot) {
    uint32_t i;
    return oxp_map_get(p->sentinels, (uint64_t)node << 32 | slot, &i) ? &p->sentinel[i - 1] : NULL;
}

/* A bound that no half value reaches anyway. */
static bool idle_bound(const oxp_node *n, uint32_t slot, const oxp_tensor_stats *s) {
    bool upper = oxp_node_is(n, "Min") || (oxp_node_is(n, "Clip") && slot == 2);
    return upper ? s->min > OXP_HALF_MAX : s->max < -OXP_HALF_MAX;
}

/* Has every row of a constant mask an element that is not masked? */
static bool rows_stay_open(oxp_precision *p, oxp_id v) {
    uint64_t n = oxp_precision_count(p, v);
    const oxp_type *t = &p->inferred->facts[v].type;
    if (t->kind != OXP_KIND_TENSOR || t->rank < 1 || n > 1u << 22 ||
        !oxp_dim_is_literal(t->dims[t->rank - 1]) || t->dims[t->rank - 1] < 2)
        return false;
    uint64_t width = (uint64_t)t->dims[t->rank - 1];
    double *x = OXP_NEWS(p->arena, n + 1, double);
    if (!oxp_precision_elements(p, v, x, n, &n))
        return false;
    for (uint64_t row = 0; row + width <= n; row += width) {
        bool open = false;
        for (uint64_t i = 0; i < width && !open; i++)
            open = fabs(x[row + i]) <= OXP_HALF_MAX;
        if (!open)
            return false;
    }
    return true;
}

static void look_at_use(oxp_precision *p, paths *q, oxp_id id, uint32_t slot,
                        const oxp_tensor_stats *s) {
    const oxp_node *n = oxp_node_at(p->m, id);
    unsigned rule = oxp_precision_rule(n, NULL);
    if (rule & OXP_RULE_BOUND) {
        if (idle_bound(n, slot, s))
            add(p, id, slot, OXP_HALF_MAX, true);
        return;
    }
    bool product = rule & OXP_RULE_SCALE;
    if (!(rule & OXP_RULE_SELECT) && !(flags_of(n) & MOVES))
        return;
    if (product && (n->n_in != 2 || !is_mask(p, n->in[1 - slot])))
        return;
    if (!product && s->n_over_half == 0)
        return;
    if (!ends_in_masks(p, q, id))
        return;
    bool added = q->added || oxp_node_is(n, "Add") || oxp_node_is(n, "Sub");
    bool clamps = s->n_over_half != 0;
    if (added && clamps && !rows_stay_open(p, n->in[slot])) {
        oxp_run_note(p->run, id,
                     "its mask value beyond float16 is added, and a row may be masked altogether: "
                     "clamped, that row would no longer be uniform behind the Softmax, so the sum "
                     "and what follows from it stay float32");
        return;
    }
    add(p, id, slot, added && clamps ? ADDED_LIMIT : OXP_HALF_MAX, clamps);
}

/* ConstantOfShape's value: slot UINT32_MAX stands for the attribute. */
static void look_at_attribute(oxp_precision *p, paths *q, oxp_id id) {
    const oxp_node *n = oxp_node_at(p->m, id);
    const oxp_attr *a = oxp_attr_find(n, "value");
    double x;
    if (!oxp_node_is(n, "ConstantOfShape") || !a || a->type != OXP_ATTR_TENSOR ||
        oxp_tensor_at(p->m, a->u.id)->count != 1 || !oxp_tensor_readable(p->m, a->u.id))
        return;
    oxp_tensor_doubles(p->m, a->u.id, 0, 1, &x);
    if (!isfinite(x) || fabs(x) <= OXP_HALF_MAX || !ends_in_masks(p, q, id) || q->added)
        return;
    add(p, id, UINT32_MAX, OXP_HALF_MAX, true);
}

void oxp_precision_masks(oxp_precision *p) {
    paths q = {.seen = OXP_NEWS(p->arena, p->n_nodes + 1, bool)};
    p->sentinels = oxp_map_new(p->arena);
    if (p->target != OXP_FLOAT16)
        return;
    for (size_t k = 0; k < p->n_order; k++) {
        oxp_id id = p->order[k];
        const oxp_node *n = oxp_node_at(p->m, id);
        look_at_attribute(p, &q, id);
        for (uint32_t i = 0; i < n->n_in; i++) {
            oxp_id v = n->in[i];
            if (v == OXP_NONE || !p->is_const[v] || !oxp_precision_float32(p, v))
                continue;
            const oxp_tensor_stats *s = oxp_precision_stats(p, v);
            if (s && (s->n_over_half || (s->abs_max >= MASK_MIN && oxp_precision_count(p, v) == 1)))
                look_at_use(p, &q, id, i, s);
        }
    }
}
