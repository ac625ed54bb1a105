/* precision_range.c - how large values can become.
 *
 * Constants are exact, operators with a bounded result (Sigmoid, Clip, Softmax) are exact, and what
 * a calibration run saw counts with a margin of a factor of 2 on either side.  The rest is not
 * known and rests on an assumption, which the report says: a float input of the graph, and what a
 * layer with ordinary weights makes, lies within +-8.  Arithmetic with constants moves that
 * estimate; squares that are summed assume 256, sums 64 and exponentials 12, since there an
 * ordinary outlier is already too much.  An estimate that grows by less than a factor of 4 (a sum
 * of two activations) does not grow at all, or depth alone would make every network overflow. */
#include "rewrite/precision/precision.h"

#include <math.h>

#define NOMINAL         8.0
#define NOMINAL_SQUARE  256.0
#define NOMINAL_EXP     12.0
#define NOMINAL_SUM     64.0
#define LARGE_WEIGHT    16.0 /* weights beyond this enlarge what goes through them */
#define LARGE_INPUT     1024.0
#define UNKNOWN_DEPTH   64.0 /* elements of a sum whose number is not known */
/* Cubic interpolation with a = -0.75 goes beyond its inputs by at most the sum of the magnitudes of
 * its weights, 1.375 an axis (Keys 1981); three axes. */
#define CUBIC_OVERSHOOT 2.6
#define MARGIN          2.0 /* beyond what calibration saw */

static const oxp_interval nominal = {.lo = -NOMINAL, .hi = NOMINAL, .assumed = true, .known = true};

static double magnitude(oxp_interval r) {
    return fmax(fabs(r.lo), fabs(r.hi));
}

static oxp_interval of_constant(oxp_precision *p, oxp_id node, uint32_t slot, oxp_id v) {
    const oxp_sentinel *s = oxp_precision_sentinel(p, node, slot);
    const oxp_tensor_stats *t = oxp_precision_stats(p, v);
    unsigned rule = oxp_precision_rule(oxp_node_at(p->m, node), NULL);
    if (!t)
        return nominal;
    if (s && !(rule & OXP_RULE_BOUND))
        return (oxp_interval){fmax(t->min, 0), fmin(t->max, 0), false, true, false};
    return (oxp_interval){t->min, t->max, false, true, false};
}

static oxp_interval of_other(uint8_t dtype) {
    switch (dtype) {
    case OXP_BOOL:
        return (oxp_interval){0, 1, false, true, false};
    case OXP_UINT8:
        return (oxp_interval){0, 255, false, true, false};
    case OXP_INT8:
        return (oxp_interval){-128, 127, false, true, false};
    default:
        return nominal;
    }
}

/* Exponents, axes and the like are exact when they are constants. */
static oxp_interval of_integers(oxp_precision *p, oxp_id v) {
    double x[64];
    uint64_t n;
    oxp_id from = oxp_value_at(p->m, v)->producer;
    const oxp_op *def = from == OXP_NONE ? NULL : oxp_node_at(p->m, from)->def;
    if (def && def->flags & OXP_OP_QUANT && p->dtype[v] == OXP_INT32)
        return (oxp_interval){-0x1p31, 0x1p31, false, true, false}; /* sums of int8 products */
    if (!oxp_precision_elements(p, v, x, 64, &n) || n == 0)
        return of_other(p->dtype[v]);
    oxp_interval r = {x[0], x[0], false, true, false};
    for (uint64_t i = 1; i < n; i++) {
        r.lo = fmin(r.lo, x[i]);
        r.hi = fmax(r.hi, x[i]);
    }
    return r;
}

static oxp_interval of_input(oxp_precision *p, oxp_id node, uint32_t slot) {
    oxp_id v = oxp_in(oxp_node_at(p->m, node), slot);
    if (v == OXP_NONE)
        return (oxp_interval){1, -1, false, false, false};
    if (!oxp_precision_float32(p, v))
        return of_integers(p, v);
    if (p->is_const[v])
        return of_constant(p, node, slot, v);
    return p->range[v].known ? p->range[v] : nominal;
}

/* Assumptions that fit the operator. */
static oxp_interval widen(oxp_interval r, double least) {
    if (!r.assumed)
        return r;
    if (r.hi > 0)
        r.hi = fmax(r.hi, least);
    if (r.lo < 0)
        r.lo = fmin(r.lo, -least);
    return r;
}

enum { INPUTS_MAX = 64, OUTPUTS_SEEN = 4 };

/* A square that is summed up: the variance of a normalization. */
static bool squares(const oxp_precision *p, const oxp_node *n, unsigned rule) {
    bool summed = false;
    if (!(rule & OXP_RULE_SQUARE) &&
        !(oxp_node_is(n, "Mul") && n->n_in == 2 && n->in[0] == n->in[1]))
        return false;
    for (uint32_t i = 0; i < n->n_out; i++) {
        oxp_id u = n->out[i] == OXP_NONE ? OXP_NONE : oxp_value_at(p->m, n->out[i])->first_use;
        for (; u != OXP_NONE && !summed; u = oxp_use_at(p->m, u)->next) {
            const oxp_node *user = oxp_node_at(p->m, oxp_use_at(p->m, u)->node);
            summed = user->def && user->def->flags & OXP_OP_REDUCE;
        }
    }
    return summed;
}

static uint32_t inputs_of(oxp_precision *p, oxp_id id, oxp_interval *in) {
    const oxp_node *n = oxp_node_at(p->m, id);
    unsigned rule = oxp_precision_rule(n, NULL);
    uint32_t count = n->n_in < INPUTS_MAX ? n->n_in : INPUTS_MAX;
    double e;
    bool wide = squares(p, n, rule);
    if (wide && rule & OXP_RULE_SQUARE && n->n_in > 1 && oxp_precision_scalar(p, n->in[1], &e))
        wide = fabs(e) > 1;
    for (uint32_t i = 0; i < count; i++) {
        in[i] = of_input(p, id, i);
        if (wide)
            in[i] = widen(in[i], NOMINAL_SQUARE);
        if (rule & OXP_RULE_EXP)
            in[i] = widen(in[i], NOMINAL_EXP);
        if (rule & OXP_RULE_SUM)
            in[i] = widen(in[i], NOMINAL_SUM);
    }
    return count;
}

/* The operator's own hook, with assumed inputs as they are or unbounded. */
static oxp_range by_hook(oxp_precision *p, oxp_id id, uint32_t slot, const oxp_interval *in,
                         uint32_t n_in, bool free_assumed) {
    const oxp_node *n = oxp_node_at(p->m, id);
    const oxp_fact *facts[INPUTS_MAX];
    oxp_range r[INPUTS_MAX];
    for (uint32_t i = 0; i < n_in; i++) {
        facts[i] = n->in[i] == OXP_NONE ? NULL : &p->inferred->facts[n->in[i]];
        r[i] = in[i].assumed && free_assumed ? (oxp_range){-INFINITY, INFINITY}
                                             : (oxp_range){in[i].lo, in[i].hi};
    }
    /* Range hooks look at the first outputs only: a node may have 50,000 of them. */
    oxp_fact out[OUTPUTS_SEEN] = {0};
    uint32_t n_out = n->n_out < OUTPUTS_SEEN ? n->n_out : OUTPUTS_SEEN;
    oxp_mark mark = oxp_arena_mark(p->arena);
    for (uint32_t i = 0; i < n_out; i++)
        if (n->out[i] != OXP_NONE)
            out[i] = p->inferred->facts[n->out[i]];
    oxp_call c = {.model = p->m,
                  .dims = oxp_model_dims(p->m),
                  .arena = p->arena,
                  .node_id = id,
                  .node = n,
                  .attrs = n->attrs,
                  .n_attrs = n->n_attr,
                  .opset = oxp_opset_of(p->m, n->graph, n->domain),
                  .n_in = n_in,
                  .n_out = n_out,
                  .in = facts,
                  .out = out};
    oxp_range known = n->def->range(&c, r, slot);
    oxp_arena_rewind(p->arena, mark);
    return known;
}

static bool bounded(oxp_range r) {
    return r.lo <= r.hi && isfinite(r.lo) && isfinite(r.hi);
}

enum { RANK_SEEN = 16 };

/* Elements that a reduction adds up: input elements per output element; 0 unknown.  Free dimensions
 * that the output has, too, cancel out. */
double oxp_precision_depth(const oxp_precision *p, oxp_id id) {
    const oxp_node *n = oxp_node_at(p->m, id);
    double in = 1, out = 1;
    bool matched[RANK_SEEN] = {false};
    if (!n->n_in || !n->n_out || n->in[0] == OXP_NONE || n->out[0] == OXP_NONE)
        return 0;
    const oxp_fact *x = &p->inferred->facts[n->in[0]], *y = &p->inferred->facts[n->out[0]];
    int rank = oxp_rank(x), kept = oxp_rank(y);
    if (rank < 0 || kept < 0 || kept > RANK_SEEN)
        return 0;
    for (int i = 0; i < rank; i++) {
        int k = 0;
        if (oxp_dim_is_literal(x->type.dims[i])) {
            in *= (double)x->type.dims[i];
            continue;
        }
        while (k < kept && (matched[k] || y->type.dims[k] != x->type.dims[i]))
            k++;
        if (k == kept)
            return 0;
        matched[k] = true;
    }
    for (int k = 0; k < kept; k++) {
        if (matched[k])
            continue;
        if (!oxp_dim_is_literal(y->type.dims[k]))
            return 0;
        out *= (double)y->type.dims[k];
    }
    return out > 0 ? in / out : 0;
}

/* Products with weights: ordinary weights keep the size of what they see. */
static oxp_interval product(oxp_precision *p, oxp_id id) {
    const oxp_node *n = oxp_node_at(p->m, id);
    double mag = 0, other = 0, weight = 0, depth = 1;
    for (uint32_t i = 0; i < n->n_in && i < 2; i++) {
        oxp_id v = n->in[i];
        if (v == OXP_NONE || !oxp_precision_float32(p, v))
            continue;
        const oxp_tensor_stats *s = oxp_precision_stats(p, v);
        if (s) {
            const oxp_type *t = &p->inferred->facts[v].type;
            double most = 1;
            for (int d = 0; d < t->rank; d++)
                most = oxp_dim_is_literal(t->dims[d]) ? fmax(most, (double)t->dims[d]) : most;
            weight = s->abs_max;
            depth = fmax(1, (double)oxp_precision_count(p, v) / most);
            continue;
        }
        other = mag;
        mag = magnitude(of_input(p, id, i));
    }
    double m = mag <= LARGE_INPUT ? NOMINAL : mag;
    if (other > 0 && (mag > LARGE_INPUT || other > LARGE_INPUT))
        m = mag * other;
    if (weight > LARGE_WEIGHT)
        m = fmax(m, fmin(fmax(mag, NOMINAL), 64) * weight * sqrt(depth));
    const oxp_tensor_stats *bias = n->n_in > 2 ? oxp_precision_stats(p, n->in[2]) : NULL;
    m += bias && bias->abs_max > LARGE_INPUT ? bias->abs_max : 0;
    return (oxp_interval){-m, m, true, true, false};
}

static oxp_interval no_hook(oxp_precision *p, oxp_id id, const oxp_interval *in, uint32_t n_in) {
    const oxp_node *n = oxp_node_at(p->m, id);
    unsigned flags = n->def ? n->def->flags : 0, rule = oxp_precision_rule(n, NULL);
    oxp_interval all = {INFINITY, -INFINITY, false, true, false};
    if (flags & (OXP_OP_MATMUL | OXP_OP_CONV))
        return product(p, id);
    if (flags & (OXP_OP_NORM | OXP_OP_RECURRENT | OXP_OP_CONTROL | OXP_OP_ATTENTION) || !flags)
        return nominal;
    for (uint32_t i = 0; i < n_in; i++) {
        if (!oxp_precision_float32(p, n->in[i]) || in[i].lo > in[i].hi)
            continue;
        all.lo = fmin(all.lo, in[i].lo);
        all.hi = fmax(all.hi, in[i].hi);
        all.assumed |= in[i].assumed;
        if (flags & (OXP_OP_REDUCE | OXP_OP_POOL))
            break;
    }
    if (all.lo > all.hi)
        return nominal;
    if (rule & OXP_RULE_SUM || oxp_node_is(n, "CumSum")) {
        double d = rule & OXP_RULE_SUM ? oxp_precision_depth(p, id) : 0;
        all.assumed |= d == 0;
        all.lo *= d > 0 ? d : UNKNOWN_DEPTH;
        all.hi *= d > 0 ? d : UNKNOWN_DEPTH;
    }
    if (rule & OXP_RULE_FILLS) {
        double more = oxp_node_is(n, "Resize") || oxp_node_is(n, "Col2Im") ? CUBIC_OVERSHOOT : 1;
        all.lo = fmin(all.lo, 0) * more;
        all.hi = fmax(all.hi, 0) * more;
    }
    if (!(flags & (OXP_OP_MOVE | OXP_OP_VIEW | OXP_OP_REDUCE | OXP_OP_POOL)))
        all.assumed = true;
    return all;
}

/* Small growth of an assumption is no growth. */
static oxp_interval settle(oxp_interval r, const oxp_interval *in, uint32_t n_in) {
    double most = 0;
    for (uint32_t i = 0; i < n_in; i++)
        if (in[i].assumed)
            most = fmax(most, magnitude(in[i]));
    if (!r.assumed || most == 0 || magnitude(r) > 4 * most)
        return r;
    r.hi = fmin(r.hi, most);
    r.lo = fmax(r.lo, -most);
    return r;
}

static oxp_interval of_attribute(oxp_precision *p, oxp_id id) {
    const oxp_attr *a = oxp_attr_find(oxp_node_at(p->m, id), "value");
    double x = 0;
    if (oxp_precision_sentinel(p, id, UINT32_MAX))
        return (oxp_interval){0, 0, false, true, false};
    if (a && a->type == OXP_ATTR_TENSOR && oxp_tensor_at(p->m, a->u.id)->count == 1 &&
        oxp_tensor_readable(p->m, a->u.id))
        oxp_tensor_doubles(p->m, a->u.id, 0, 1, &x);
    return (oxp_interval){x, x, false, true, false};
}

/* Sums of int8 products become activations when they are scaled. */
static bool rescales(const oxp_precision *p, const oxp_node *n) {
    for (uint32_t i = 0; i < n->n_in && oxp_precision_rule(n, NULL) & OXP_RULE_SCALE; i++) {
        oxp_id v = n->in[i];
        if (v != OXP_NONE && p->range[v].known && !p->range[v].assumed && p->range[v].hi == 0x1p31)
            return true;
    }
    return false;
}

/* x / sqrt(var + eps), x * rsqrt: what is normalized is of ordinary size, whatever the bounds of
 * the divisor alone would allow. */
static bool normalizes(const oxp_precision *p, const oxp_node *n, const oxp_interval *in) {
    unsigned rule = oxp_precision_rule(n, NULL);
    if (n->n_in != 2 || n->in[0] == OXP_NONE || n->in[1] == OXP_NONE)
        return false;
    bool fixed[] = {p->is_const[n->in[0]], p->is_const[n->in[1]]};
    if (rule & OXP_RULE_DIVISOR1)
        /* NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult): one for each input */
        return !fixed[0] && !fixed[1] && in[1].lo < 0.1;
    return rule & OXP_RULE_SCALE && !fixed[0] && !fixed[1] &&
           p->factor[n->in[0]] != p->factor[n->in[1]];
}

/* 1 / sqrt(var + eps), and that times a constant. */
static bool is_factor(const oxp_precision *p, const oxp_node *n) {
    unsigned rule = oxp_precision_rule(n, NULL);
    if (rule & OXP_RULE_DIVISOR0)
        return n->n_in == 1;
    if (rule & OXP_RULE_DIVISOR1)
        return n->n_in == 2 && n->in[0] != OXP_NONE && n->in[1] != OXP_NONE &&
               p->is_const[n->in[0]] && !p->is_const[n->in[1]];
    for (uint32_t i = 0; i < n->n_in && rule & OXP_RULE_SCALE; i++)
        if (n->in[i] != OXP_NONE && p->factor[n->in[i]])
            return true;
    return n->def && n->def->flags & (OXP_OP_MOVE | OXP_OP_VIEW) && oxp_in(n, 0) != OXP_NONE &&
           p->factor[n->in[0]];
}

static oxp_interval range_of(oxp_precision *p, oxp_id id, uint32_t slot) {
    const oxp_node *n = oxp_node_at(p->m, id);
    oxp_interval in[INPUTS_MAX];
    if (oxp_node_is(n, "ConstantOfShape"))
        return of_attribute(p, id);
    if (rescales(p, n))
        return nominal;
    uint32_t n_in = inputs_of(p, id, in);
    if (normalizes(p, n, in))
        return nominal;
    if (!n->def || !n->def->range)
        return settle(no_hook(p, id, in, n_in), in, n_in);
    oxp_range known = by_hook(p, id, slot, in, n_in, true);
    if (bounded(known))
        return (oxp_interval){known.lo, known.hi, false, true, false};
    oxp_range r = by_hook(p, id, slot, in, n_in, false);
    if (!bounded(r))
        return settle(no_hook(p, id, in, n_in), in, n_in);
    /* A one-sided bound that holds whatever the input is stays (a root of x + eps). */
    oxp_interval out = {r.lo, r.hi, true, true, false};
    return settle(out, in, n_in);
}

static oxp_interval with_margin(const oxp_measured *m) {
    oxp_interval r = {m->low, m->high, false, true, true};
    r.lo *= r.lo < 0 ? MARGIN : 1 / MARGIN;
    r.hi *= r.hi > 0 ? MARGIN : 1 / MARGIN;
    return r;
}

/* What the calibration run saw takes the place of estimates. */
static const oxp_measured *measure(oxp_precision *p) {
    const oxp_pass_opts *o = p->opts;
    const oxp_graph *g = oxp_graph_at(p->m, OXP_MAIN_GRAPH);
    if (!o->measure || p->target != OXP_FLOAT16)
        return NULL;
    oxp_measured *seen = OXP_NEWS(p->arena, p->n_values + 1, oxp_measured);
    p->sets = o->measure(o->measure_arg, p->m, seen);
    for (oxp_id v = 0; v < p->n_values; v++)
        p->n_measured += seen[v].low <= seen[v].high;
    for (uint32_t i = 0; i < g->n_inputs; i++)
        if (seen[g->inputs[i]].low <= seen[g->inputs[i]].high)
            p->range[g->inputs[i]] = with_margin(&seen[g->inputs[i]]);
    return seen;
}

/* A constant of -3.4e38 that the inputs at hand did not select can still be selected. */
static bool reads_huge(oxp_precision *p, oxp_id id) {
    const oxp_node *n = oxp_node_at(p->m, id);
    for (uint32_t i = 0; i < n->n_in; i++) {
        oxp_interval r = of_input(p, id, i);
        if (oxp_precision_float32(p, n->in[i]) && !r.measured && r.lo <= r.hi &&
            magnitude(r) > OXP_HALF_MAX)
            return true;
    }
    return false;
}

const char *oxp_precision_surety(oxp_interval r) {
    return r.measured ? " (measured, with a margin of 2)" : r.assumed ? " (an estimate)" : "";
}

void oxp_precision_ranges(oxp_precision *p) {
    const oxp_measured *seen = measure(p);
    for (size_t k = 0; k < p->n_order; k++) {
        oxp_id id = p->order[k];
        const oxp_node *n = oxp_node_at(p->m, id);
        for (uint32_t i = 0; i < n->n_out; i++)
            if (oxp_precision_float32(p, n->out[i])) {
                const oxp_measured *m = seen ? &seen[n->out[i]] : NULL;
                oxp_interval r = range_of(p, id, i);
                bool use = m && m->low <= m->high && isfinite(m->low) && isfinite(m->high) &&
                           (magnitude(r) <= OXP_HALF_MAX || !reads_huge(p, id));
                p->range[n->out[i]] = use ? with_margin(m) : r;
                p->factor[n->out[i]] = is_factor(p, n);
            }
    }
}

oxp_interval oxp_precision_input_range(oxp_precision *p, oxp_id id, uint32_t slot) {
    return of_input(p, id, slot);
}
