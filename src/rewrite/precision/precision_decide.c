/* precision_decide.c - which nodes stay in float32, and why; then the form of every value. */
#include "rewrite/precision/precision.h"

#include <math.h>
#include <string.h>

static bool listed(const char *const *list, size_t n, const char *s) {
    for (size_t i = 0; i < n; i++)
        if (!strcmp(list[i], s))
            return true;
    return false;
}

static unsigned flags_of(const oxp_node *n) {
    return n->def ? n->def->flags : 0;
}

bool oxp_precision_included(const oxp_precision *p, const oxp_node *n) {
    return listed(p->opts->include_ops, p->opts->n_include_ops, n->op);
}

/* Could the node be narrow at all: has it a place that nothing forces yet? */
bool oxp_precision_candidate(oxp_precision *p, oxp_id id) {
    const oxp_node *n = oxp_node_at(p->m, id);
    for (uint32_t i = 0; i < n->n_in + n->n_out; i++) {
        uint32_t a = i < n->n_in ? p->in_atom[id][i] : p->out_atom[id][i - n->n_in];
        if (a == OXP_ATOM_NONE)
            continue;
        const oxp_atom *x = &p->atoms[oxp_atom_root(p, a)];
        if (!x->forced && x->kind != OXP_ATOM_FOLLOW)
            return true;
    }
    return false;
}

static bool narrowable(oxp_precision *p, uint32_t atom) {
    return atom != OXP_ATOM_NONE && !p->atoms[oxp_atom_root(p, atom)].forced;
}

/* ---- hazards ---- */
/* Added to something of ordinary size: small elements need no digits of their own. */
static bool is_bias(const oxp_precision *p, oxp_id id, uint32_t slot) {
    const oxp_node *n = oxp_node_at(p->m, id);
    return oxp_node_is(n, "Add") || oxp_node_is(n, "Sub") ||
           (slot == 2 && flags_of(n) & (OXP_OP_MATMUL | OXP_OP_CONV));
}

static const char *weight_hazard(oxp_precision *p, oxp_id id, uint32_t slot) {
    oxp_id v = oxp_node_at(p->m, id)->in[slot];
    const oxp_tensor_stats *s = oxp_precision_stats(p, v);
    if (!s || oxp_precision_sentinel(p, id, slot))
        return NULL;
    const char *name = oxp_value_label(p->m, v, p->arena);
    uint64_t count = oxp_precision_count(p, v), nonzero = count - s->n_zero;
    if (s->n_over_half)
        return oxp_sprintf(p->arena, "%s reaches %.4g, beyond 65504", name, s->abs_max);
    if (count == 1 && s->n_sub_half)
        return oxp_sprintf(p->arena, "%s = %.3g keeps few digits in float16, or none", name,
                           s->abs_max);
    if (nonzero && s->abs_max > 0 && s->abs_max < OXP_HALF_MIN_NORMAL && !is_bias(p, id, slot))
        return oxp_sprintf(p->arena, "all of %s is below 6.1e-05 (at most %.3g)", name, s->abs_max);
    if (s->n_zero_half && s->n_zero_half > nonzero / 2 && !is_bias(p, id, slot))
        return oxp_sprintf(p->arena, "%llu of %llu elements of %s would become 0",
                           (unsigned long long)s->n_zero_half, (unsigned long long)count, name);
    if (flags_of(oxp_node_at(p->m, id)) & OXP_OP_NORM && s->n_zero_half)
        return oxp_sprintf(p->arena, "elements of %s would become 0", name);
    return NULL;
}

static double top(oxp_interval r) {
    return r.lo > r.hi ? 0 : fmax(fabs(r.lo), fabs(r.hi));
}

static const char *range_hazard(oxp_precision *p, oxp_id id) {
    const oxp_node *n = oxp_node_at(p->m, id);
    for (uint32_t i = 0; i < n->n_in; i++) {
        oxp_id v = n->in[i];
        if (!narrowable(p, p->in_atom[id][i]) || p->is_const[v])
            continue;
        oxp_interval r = oxp_precision_input_range(p, id, i);
        if (top(r) > OXP_HALF_MAX)
            return oxp_sprintf(p->arena, "%s may reach %.2g%s, beyond 65504",
                               oxp_value_label(p->m, v, p->arena), top(r), oxp_precision_surety(r));
    }
    for (uint32_t i = 0; i < n->n_out; i++) {
        if (!narrowable(p, p->out_atom[id][i]))
            continue;
        oxp_interval r = p->range[n->out[i]];
        if (top(r) > OXP_HALF_MAX)
            return oxp_sprintf(p->arena, "its result may reach %.2g%s, beyond 65504", top(r),
                               oxp_precision_surety(r));
    }
    return NULL;
}

static const char *divisor_hazard(oxp_precision *p, oxp_id id, uint32_t slot) {
    const oxp_node *n = oxp_node_at(p->m, id);
    if (oxp_in(n, slot) == OXP_NONE || p->is_const[n->in[slot]])
        return NULL;
    oxp_interval r = oxp_precision_input_range(p, id, slot);
    if (r.lo >= OXP_HALF_MIN_NORMAL || r.hi <= -OXP_HALF_MIN_NORMAL)
        return NULL;
    return r.lo > 0 ? oxp_sprintf(p->arena, "its divisor or argument may be as small as %.2g%s",
                                  r.lo, oxp_precision_surety(r))
                    : "its divisor or argument may be near 0, where float16 has no digits";
}

static const char *depth_hazard(oxp_precision *p, oxp_id id, unsigned rule) {
    oxp_interval r = oxp_precision_input_range(p, id, 0);
    oxp_interval sum = p->range[oxp_node_at(p->m, id)->out[0]];
    double d = oxp_precision_depth(p, id), m = top(r);
    /* Of one sign: no part of a sum is larger than the sum, which was measured. */
    if (rule & OXP_RULE_SUM && sum.measured && (r.lo >= 0 || r.hi <= 0))
        return NULL;
    if (d == 0)
        return rule & OXP_RULE_SUM ? "sums over an axis of unknown length" : NULL;
    if (d * m > OXP_HALF_MAX)
        return oxp_sprintf(p->arena,
                           "adds up %.0f elements of up to %.2g%s: a float16 sum overflows", d, m,
                           oxp_precision_surety(r));
    return NULL;
}

static const char *norm_hazard(oxp_precision *p, oxp_id id) {
    const oxp_node *n = oxp_node_at(p->m, id);
    const oxp_schema *s = p->schema[id];
    if (flags_of(n) & OXP_OP_RUNNING_STATS && (oxp_attr_int(n, "training_mode", 0) || n->n_out > 1))
        return "computes the statistics of the batch";
    if (oxp_schema_attr_find(s, "stash_type")) /* computes in float32 inside */
        return NULL;
    float eps = oxp_attr_float(n, "epsilon", 1e-5F);
    if (oxp_attr_find(n, "epsilon") && (double)eps < 0x1p-25)
        return oxp_sprintf(p->arena, "epsilon %.2g is 0 in float16", (double)eps);
    oxp_interval r = oxp_precision_input_range(p, id, 0);
    if (top(r) * top(r) > OXP_HALF_MAX && n->n_in < 5)
        return oxp_sprintf(p->arena, "squares of inputs up to %.2g%s overflow", top(r),
                           oxp_precision_surety(r));
    return NULL;
}

static const char *half_hazard(oxp_precision *p, oxp_id id) {
    const oxp_node *n = oxp_node_at(p->m, id);
    unsigned rule = oxp_precision_rule(n, NULL);
    const char *why = NULL;
    for (uint32_t i = 0; i < n->n_in && !why; i++)
        if (n->in[i] != OXP_NONE && p->is_const[n->in[i]] && narrowable(p, p->in_atom[id][i]))
            why = weight_hazard(p, id, i);
    if (!why)
        why = range_hazard(p, id);
    if (!why && rule & OXP_RULE_DIVISOR0)
        why = divisor_hazard(p, id, 0);
    if (!why && rule & OXP_RULE_DIVISOR1)
        why = divisor_hazard(p, id, 1);
    if (!why && rule & OXP_RULE_ROOT) {
        oxp_interval r = oxp_precision_input_range(p, id, 0);
        if (r.lo > 0 && r.lo < OXP_HALF_MIN_NORMAL)
            why =
                oxp_sprintf(p->arena, "its argument is kept above %.2g, which float16 loses", r.lo);
    }
    if (!why && rule & (OXP_RULE_SUM | OXP_RULE_MEAN))
        why = depth_hazard(p, id, rule);
    if (!why && flags_of(n) & OXP_OP_NORM && p->schema[id])
        why = norm_hazard(p, id);
    return why;
}

/* No Cast can be put where Cast does not take the type: in a graph of an old opset, and around what
 * a function of one is given. */
static const char *no_cast(const oxp_precision *p, const oxp_node *n) {
    enum { CAST_TAKES_BFLOAT16 = 13 };
    if (p->target != OXP_BFLOAT16)
        return NULL;
    if (oxp_opset_of(p->m, n->graph, "") < CAST_TAKES_BFLOAT16)
        return "before opset 13 Cast does not take bfloat16";
    if (n->function != OXP_NONE &&
        oxp_opset_of(p->m, oxp_function_at(p->m, n->function)->graph, "") < CAST_TAKES_BFLOAT16)
        return "its body is of an opset before 13, in which Cast does not take bfloat16";
    return NULL;
}

static const char *hazard(oxp_precision *p, oxp_id id) {
    const oxp_node *n = oxp_node_at(p->m, id);
    const char *why = NULL;
    if (listed(p->opts->block_ops, p->opts->n_block_ops, n->op))
        return "blocked by --fp16-block-op";
    if (listed(p->opts->block_nodes, p->opts->n_block_nodes, n->name) ||
        listed(p->opts->block_nodes, p->opts->n_block_nodes, oxp_node_label(p->m, id, p->arena)))
        return "blocked by --fp16-block-node";
    if ((why = oxp_run_excluded(p->run, id)) != NULL)
        return why;
    if ((why = no_cast(p, n)) != NULL)
        return why;
    if (oxp_precision_included(p, n) || !oxp_precision_candidate(p, id))
        return NULL;
    if (oxp_opset_of(p->m, n->graph, "") < 6)
        return "before opset 6 ONNX Runtime cannot put its own Casts around float16";
    unsigned rule = oxp_precision_rule(n, &why);
    if (rule & (OXP_RULE_WIDE | OXP_RULE_STEP))
        return why;
    if (flags_of(n) & OXP_OP_RANDOM)
        return "random numbers are drawn in float32";
    if (flags_of(n) & OXP_OP_QUANT)
        return "quantization scales stay float32";
    if (n->function != OXP_NONE || flags_of(n) & OXP_OP_CONTROL)
        return NULL;
    return p->target == OXP_FLOAT16 ? half_hazard(p, id) : NULL;
}

/* ---- islands ---- */
static bool wide_def(oxp_precision *p, oxp_id v) {
    const oxp_atom *a = &p->atoms[oxp_atom_root(p, p->def[v])];
    return a->forced || a->kind != OXP_ATOM_PLAIN;
}

/* A cheap node whose neighbours are all float32: narrowing it would only add Casts. */
static bool island(oxp_precision *p, oxp_id id) {
    const oxp_node *n = oxp_node_at(p->m, id);
    unsigned flags = flags_of(n);
    bool moves = flags & (OXP_OP_MOVE | OXP_OP_VIEW);
    if (!moves && !(flags & (OXP_OP_ELEMENTWISE | OXP_OP_UNARY)))
        return false;
    bool inner = false;
    for (uint32_t i = 0; i < n->n_in; i++)
        if (oxp_precision_float32(p, n->in[i]) && !p->is_const[n->in[i]] && !wide_def(p, n->in[i]))
            return false;
    for (uint32_t i = 0; i < n->n_out; i++) {
        oxp_id v = n->out[i];
        if (!oxp_precision_float32(p, v))
            continue;
        const oxp_value *x = oxp_value_at(p->m, v);
        if (x->outputs && (p->out_use[v] == OXP_ATOM_NONE || narrowable(p, p->out_use[v])))
            return false;
        for (oxp_id u = x->first_use; u != OXP_NONE; u = oxp_use_at(p->m, u)->next) {
            const oxp_use *use = oxp_use_at(p->m, u);
            uint32_t a = p->in_atom[use->node][use->slot];
            if (a == OXP_ATOM_NONE || p->atoms[oxp_atom_root(p, a)].kind == OXP_ATOM_FOLLOW)
                continue;
            if (narrowable(p, a))
                return false;
            inner = true;
        }
    }
    return inner || moves;
}

static void drop_islands(oxp_precision *p) {
    bool again = true;
    for (int sweep = 0; sweep < 4 && again; sweep++) {
        again = false;
        for (size_t k = 0; k < p->n_order; k++) {
            oxp_id id = p->order[sweep & 1 ? p->n_order - 1 - k : k];
            const oxp_node *n = oxp_node_at(p->m, id);
            if (!oxp_precision_candidate(p, id) || n->function != OXP_NONE || !p->schema[id] ||
                oxp_precision_included(p, n) || !island(p, id))
                continue;
            oxp_precision_keep(p, id, "stands between float32 values: only Casts would be gained");
            again = true;
        }
    }
}

/* ---- the remaining forms ---- */
/* Narrow, wide and all users of a value that a WANT atom defines. */
static void count_users(oxp_precision *p, oxp_id v, uint32_t *narrow, uint32_t *wide) {
    const oxp_value *x = oxp_value_at(p->m, v);
    if (x->outputs)
        ++*(oxp_precision_is_narrow(p, p->out_use[v]) ? narrow : wide);
    for (oxp_id u = x->first_use; u != OXP_NONE; u = oxp_use_at(p->m, u)->next) {
        const oxp_use *use = oxp_use_at(p->m, u);
        uint32_t a = p->in_atom[use->node][use->slot];
        if (a == OXP_ATOM_NONE || p->atoms[oxp_atom_root(p, a)].kind == OXP_ATOM_FOLLOW)
            continue;
        ++*(oxp_precision_is_narrow(p, a) ? narrow : wide);
    }
}

static void resolve_wants(oxp_precision *p) {
    for (size_t k = p->n_order; k-- > 0;) {
        oxp_id id = p->order[k];
        const oxp_node *n = oxp_node_at(p->m, id);
        for (uint32_t i = 0; i < n->n_out; i++) {
            uint32_t a = p->out_atom[id][i];
            if (a == OXP_ATOM_NONE)
                continue;
            oxp_atom *x = &p->atoms[oxp_atom_root(p, a)];
            if (x->kind != OXP_ATOM_WANT || x->forced)
                continue;
            uint32_t narrow = 0, wide = 0;
            count_users(p, n->out[i], &narrow, &wide);
            x->narrow = narrow && (!x->all_users || !wide);
        }
    }
}

/* Is a constant the same in the narrow form? */
static bool exact(oxp_precision *p, oxp_id v) {
    double x;
    if (p->target != OXP_FLOAT16 || !oxp_precision_scalar(p, v, &x))
        return false;
    double scaled = ldexp(x, 14);
    return fabs(x) <= 2048 &&
           (isinf(x) || (scaled == floor(scaled) &&
                         (x == 0 || ldexp(x, 10 - ilogb(x)) == floor(ldexp(x, 10 - ilogb(x))))));
}

static void resolve_followers(oxp_precision *p) {
    for (size_t k = 0; k < p->n_order; k++) {
        oxp_id id = p->order[k];
        const oxp_node *n = oxp_node_at(p->m, id);
        for (uint32_t i = 0; i < n->n_in; i++) {
            uint32_t a = p->in_atom[id][i];
            if (a == OXP_ATOM_NONE)
                continue;
            a = oxp_atom_root(p, a);
            if (p->atoms[a].kind != OXP_ATOM_FOLLOW || p->atoms[a].forced)
                continue;
            bool narrow = false, wide = false;
            for (uint32_t j = 0; j < n->n_in; j++) {
                if (p->in_atom[id][j] == OXP_ATOM_NONE || oxp_atom_root(p, p->in_atom[id][j]) != a)
                    continue;
                if (p->is_const[n->in[j]])
                    wide |= !exact(p, n->in[j]);
                else if (oxp_precision_is_narrow(p, p->def[n->in[j]]))
                    narrow = true;
                else
                    wide = true;
            }
            p->atoms[a].narrow = narrow && !wide;
        }
    }
}

void oxp_precision_decide(oxp_precision *p) {
    for (size_t k = 0; k < p->n_order; k++) {
        oxp_id id = p->order[k];
        const char *why = hazard(p, id);
        if (why)
            oxp_precision_keep(p, id, why);
        if (oxp_precision_rule(oxp_node_at(p->m, id), NULL) & OXP_RULE_LOG &&
            p->target == OXP_FLOAT16 && divisor_hazard(p, id, 0))
            oxp_precision_logarithm(p, id);
    }
    oxp_precision_runtime(p);
    drop_islands(p);
    for (uint32_t a = 0; a < p->n_atoms; a++)
        p->atoms[a].narrow =
            p->atoms[a].parent == a && !p->atoms[a].forced && p->atoms[a].kind == OXP_ATOM_PLAIN;
    resolve_wants(p);
    resolve_followers(p);
    oxp_precision_lifts(p);
}
