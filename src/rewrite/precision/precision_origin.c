/* precision_origin.c - arithmetic of positions and sizes, which half precision would get wrong.
 *
 * Half holds integers exactly up to 2048 only.  A float that comes from integers and constants
 * alone (Shape -> Cast -> Div -> Floor, position ids -> Cast -> Mul) stays float32 until it meets
 * data; and whatever feeds a sine, or becomes an index again, stays float32 back to where data
 * enters. */
#include "rewrite/precision/precision.h"

enum { PASSES_ON = OXP_OP_ELEMENTWISE | OXP_OP_UNARY | OXP_OP_MOVE | OXP_OP_VIEW | OXP_OP_REDUCE };

static bool wide_integer(uint8_t t) {
    return t == OXP_INT64 || t == OXP_INT32 || t == OXP_UINT32 || t == OXP_UINT64 ||
           t == OXP_INT16 || t == OXP_UINT16;
}

static bool constant(const oxp_precision *p, oxp_id v) {
    return p->is_const[v] || oxp_value_at(p->m, v)->tensor != OXP_NONE ||
           p->inferred->facts[v].constant;
}

/* Origin of the floats that a node makes. */
static oxp_origin origin_of(const oxp_precision *p, oxp_id id) {
    const oxp_node *n = oxp_node_at(p->m, id);
    unsigned flags = n->def ? n->def->flags : 0;
    bool seed = oxp_node_is(n, "Cast") || oxp_node_is(n, "CastLike");
    bool positions = oxp_precision_rule(n, NULL) & OXP_RULE_POSITIONS, mixed = false;
    bool integers = false, variable = false;
    for (uint32_t i = 0; i < n->n_in; i++) {
        oxp_id v = n->in[i];
        if (v == OXP_NONE || constant(p, v) || (i > 0 && oxp_node_is(n, "CastLike")))
            continue;
        variable = true;
        uint8_t o = p->origin[v];
        if (!oxp_precision_float32(p, v)) {
            /* Integers matter where they become floats; as indices of a Gather they do not. */
            if ((seed || positions) && wide_integer(p->dtype[v]))
                integers = true;
            else if (!(flags & (OXP_OP_MOVE | OXP_OP_VIEW)) || i == 0 ||
                     (flags & OXP_OP_MOVE && constant(p, n->in[0])))
                return OXP_FROM_DATA;
        } else if (o == OXP_FROM_INTEGERS)
            integers = true;
        else if (o == OXP_FROM_MIXED)
            mixed = true;
        else if (o == OXP_FROM_DATA)
            return OXP_FROM_DATA;
    }
    if (!variable)
        return OXP_FROM_CONSTANTS;
    if (!integers && !mixed)
        return OXP_FROM_CONSTANTS;
    if (flags & (OXP_OP_MATMUL | OXP_OP_CONV))
        return OXP_FROM_MIXED;
    if (!(flags & PASSES_ON) && !seed && !positions)
        return OXP_FROM_DATA;
    return mixed ? OXP_FROM_MIXED : OXP_FROM_INTEGERS;
}

void oxp_precision_origins(oxp_precision *p) {
    for (size_t k = 0; k < p->n_order; k++) {
        oxp_id id = p->order[k];
        const oxp_node *n = oxp_node_at(p->m, id);
        oxp_origin o = OXP_FROM_DATA;
        for (uint32_t i = 0; i < n->n_out; i++)
            if (oxp_precision_float32(p, oxp_out(n, i))) {
                o = origin_of(p, id);
                break;
            }
        for (uint32_t i = 0; i < n->n_out; i++)
            if (n->out[i] != OXP_NONE)
                p->origin[n->out[i]] = (uint8_t)(constant(p, n->out[i]) ? OXP_FROM_CONSTANTS : o);
        bool seed = oxp_node_is(n, "Cast") || oxp_node_is(n, "CastLike");
        if (o != OXP_FROM_INTEGERS)
            continue;
        if (!seed)
            oxp_precision_keep(p, id,
                               "arithmetic of positions or sizes: float16 counts to 2048 only");
        else if (p->out_atom[id][0] != OXP_ATOM_NONE)
            p->atoms[oxp_atom_root(p, p->out_atom[id][0])].all_users = true;
    }
}

/* ---- back from sines and indices ---- */
static bool goes_back_through(const oxp_precision *p, oxp_id id) {
    const oxp_node *n = oxp_node_at(p->m, id);
    unsigned flags = n->def ? n->def->flags : 0;
    if (flags & PASSES_ON)
        return true;
    if (!(flags & OXP_OP_MATMUL) || !n->n_out || n->out[0] == OXP_NONE)
        return false;
    return p->origin[n->out[0]] != OXP_FROM_DATA;
}

typedef struct stack {
    oxp_id *v;
    size_t n, cap;
} stack;

static void push_floats(oxp_precision *p, stack *s, oxp_id id) {
    const oxp_node *n = oxp_node_at(p->m, id);
    for (uint32_t i = 0; i < n->n_in; i++) {
        oxp_id v = n->in[i];
        if (v == OXP_NONE || !oxp_precision_float32(p, v) || p->is_const[v] ||
            oxp_value_at(p->m, v)->producer == OXP_NONE)
            continue;
        s->v = oxp_grow(p->arena, s->v, &s->cap, s->n + 1, sizeof *s->v);
        s->v[s->n++] = oxp_value_at(p->m, v)->producer;
    }
}

typedef bool passes_fn(const oxp_precision *p, oxp_id node);

/* Keeps float32 what stands on the stack and behind, as far as `through` goes. */
static void keep_back(oxp_precision *p, stack *s, bool *seen, passes_fn *through, const char *why) {
    while (s->n) {
        oxp_id at = s->v[--s->n];
        if (seen[at] || !through(p, at))
            continue;
        seen[at] = true;
        oxp_precision_keep(p, at, why);
        push_floats(p, s, at);
    }
}

/* Linear, or a power or root of what is: the way from a signal to its spectrum. */
static bool is_spectral(const oxp_precision *p, oxp_id id) {
    const oxp_node *n = oxp_node_at(p->m, id);
    unsigned flags = n->def ? n->def->flags : 0, rule = oxp_precision_rule(n, NULL);
    if (flags & (OXP_OP_ACTIVATION | OXP_OP_NORM | OXP_OP_QUANT) || rule & OXP_RULE_EXP)
        return false;
    return flags & (PASSES_ON | OXP_OP_MATMUL | OXP_OP_CONV);
}

/* A logarithm shows small numbers as large as big ones, so what it is taken of must be right to
 * many digits: log(power + 1e-10) of a spectrum, back to the signal. */
void oxp_precision_logarithm(oxp_precision *p, oxp_id log) {
    bool *seen = OXP_NEWS(p->arena, p->n_nodes + 1, bool);
    stack s = {NULL, 0, 0};
    push_floats(p, &s, log);
    keep_back(p, &s, seen, is_spectral,
              "its digits show behind a logarithm of numbers near 0, where float16 has none");
}

void oxp_precision_indices(oxp_precision *p) {
    bool *seen = OXP_NEWS(p->arena, p->n_nodes + 1, bool);
    stack s = {NULL, 0, 0};
    for (size_t k = 0; k < p->n_order; k++) {
        oxp_id id = p->order[k];
        const oxp_node *n = oxp_node_at(p->m, id);
        bool index = oxp_node_is(n, "Cast") && n->n_out && n->out[0] != OXP_NONE &&
                     oxp_dtype_is_integer((oxp_dtype)p->dtype[n->out[0]]);
        const char *why = index ? "becomes an integer: rounding would change it"
                                : "feeds a sine: an argument rounded to float16 is off by more "
                                  "than the function's shape allows";
        if (!index && !(oxp_precision_rule(n, NULL) & OXP_RULE_PERIODIC))
            continue;
        push_floats(p, &s, id);
        keep_back(p, &s, seen, goes_back_through, why);
    }
}
