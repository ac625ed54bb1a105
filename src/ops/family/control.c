/* control.c - operators that hold graphs: If, Loop, Scan, SequenceMap.
 *
 * What a loop carries is found by a fixpoint: the body is walked with the initial shapes,
 * dimensions that come out different become fresh unknowns, and it is walked again.  A dimension
 * that grows by the same amount at every turn is then initial + trips * amount.  Loops of a few
 * turns whose counters are known are played through instead. */
#include <stdio.h>
#include <string.h>

#include "ops/util.h"

enum { MAX_ROUNDS = 4, MAX_PLAYED = 40 };

/* ---- merging of facts ---- */

static oxp_type *merge_types(oxp_call *c, const oxp_type *a, const oxp_type *b) {
    oxp_type *head = NULL, *last = NULL;
    for (int depth = 0; depth < 20 && a != NULL && b != NULL; depth++) {
        oxp_type *r = OXP_NEW(c->arena, oxp_type);
        *r = *a;
        if (a->kind != b->kind) {
            *r = a->kind == OXP_KIND_UNKNOWN ? *b : *a;
            if (a->kind != OXP_KIND_UNKNOWN && b->kind != OXP_KIND_UNKNOWN)
                *r = (oxp_type){.kind = OXP_KIND_UNKNOWN};
        } else if (a->rank != b->rank) {
            r->rank = -1;
            r->dims = NULL;
        } else if (a->rank > 0) {
            oxp_dim *d = OXP_NEWS(c->arena, (size_t)a->rank, oxp_dim);
            for (int i = 0; i < a->rank; i++)
                d[i] = a->dims[i] == b->dims[i] ? a->dims[i] : oxp_dim_fresh(c->dims);
            r->dims = d;
        }
        if (a->elem == OXP_UNDEFINED)
            r->elem = b->elem;
        if (last != NULL)
            last->of = r;
        head = head != NULL ? head : r;
        last = r;
        a = a->of;
        b = b->of;
    }
    return head;
}

static bool same_elems(const oxp_fact *a, const oxp_fact *b) {
    if (a->elems == NULL || b->elems == NULL || a->n_elems != b->n_elems ||
        a->type.kind != OXP_KIND_TENSOR)
        return false;
    for (uint32_t i = 0; i < a->n_elems; i++) {
        const oxp_elem *x = &a->elems[i], *y = &b->elems[i];
        if (!x->known || !y->known || x->i != y->i || x->exact != y->exact || x->den != y->den ||
            /* NOLINTNEXTLINE(bugprone-suspicious-memory-comparison): the bits: NaN is itself */
            memcmp(&x->f, &y->f, sizeof x->f) != 0)
            return false;
    }
    return true;
}

static oxp_fact merge_facts(oxp_call *c, const oxp_fact *a, const oxp_fact *b) {
    oxp_fact r = {.type = *merge_types(c, &a->type, &b->type)};
    if (same_elems(a, b)) {
        r.elems = a->elems;
        r.n_elems = a->n_elems;
    }
    r.shape_derived = a->shape_derived && b->shape_derived;
    return r;
}

static oxp_fact without_elems(const oxp_fact *f) {
    oxp_fact r = {.type = f->type};
    return r;
}

static const oxp_attr *graph_attr(oxp_call *c, const char *name) {
    const oxp_attr *a = oxp_call_attr(c, name);
    if (a == NULL || a->type != OXP_ATTR_GRAPH) {
        oxp_op_invalid(c, "no graph in attribute %s", name);
        return NULL;
    }
    return a;
}

/* ---- what a runtime refuses ---- */

/* A condition or a number of turns is one value. */
static void check_single(oxp_call *c, uint32_t slot, const char *what) {
    uint64_t n;
    if (oxp_input(c, slot) != NULL && oxp_elements_literal(oxp_input(c, slot), &n) && n != 1)
        oxp_op_error(c, "%s has %llu elements, one is wanted", what, (unsigned long long)n);
}

/* Formal inputs of a body; those with a value of their own are not given from outside. */
static uint32_t formal_inputs(const oxp_call *c, const oxp_graph *g) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < g->n_inputs; i++)
        n += g->inputs[i] != OXP_NONE && oxp_value_at(c->model, g->inputs[i])->tensor == OXP_NONE;
    return n;
}

/* Are two shapes provably different?  Says where. */
static bool shapes_differ(const oxp_type *a, const oxp_type *b, char *text, size_t size) {
    if (a->kind != OXP_KIND_TENSOR || b->kind != OXP_KIND_TENSOR || a->rank < 0 || b->rank < 0)
        return false;
    if (a->rank != b->rank) {
        snprintf(text, size, "rank %d and rank %d", a->rank, b->rank);
        return true;
    }
    for (int k = 0; k < a->rank; k++) {
        oxp_dim x = a->dims[k], y = b->dims[k];
        if (!oxp_dim_is_literal(x) || !oxp_dim_is_literal(y) || x < 0 || y < 0 || x == y)
            continue;
        snprintf(text, size, "%lld and %lld in dimension %d", (long long)x, (long long)y, k);
        return true;
    }
    return false;
}

/* ---- If ---- */

/* Both branches give the same type, whichever runs; until opset 11 also the same shape. */
static void check_branch_types(oxp_call *c, uint32_t slot, const oxp_type *otherwise,
                               const oxp_type *then) {
    char a[OXP_TYPE_TEXT], b[OXP_TYPE_TEXT], where[80];
    if (!oxp_types_agree(then, otherwise))
        oxp_op_invalid(c, "output %u is %s in then_branch and %s in else_branch", slot,
                       oxp_type_brief(then, a), oxp_type_brief(otherwise, b));
    else if (c->opset < 11 && shapes_differ(then, otherwise, where, sizeof where))
        oxp_op_error(c, "output %u has %s in then_branch and else_branch", slot, where);
}

/* The branch that does not run was not walked: what its output is declared to be counts. */
static void check_untaken(oxp_call *c, const oxp_attr *untaken, bool is_then) {
    const oxp_graph *g = oxp_graph_at(c->model, untaken->u.id);
    for (uint32_t i = 0; i < c->n_out; i++) {
        const oxp_type *declared = oxp_value_at(c->model, g->outputs[i])->declared;
        if (declared != NULL)
            check_branch_types(c, i, is_then ? &c->out[i].type : declared,
                               is_then ? declared : &c->out[i].type);
    }
}

static bool costs_more(const oxp_cost *a, const oxp_cost *b) {
    uint64_t x = oxp_sat_add(a->flops, a->int_ops), y = oxp_sat_add(b->flops, b->int_ops);
    return x != y ? x > y : a->moved > b->moved;
}

/* Both branches of an If whose condition is not known.  One that does not fit these sizes cannot be
 * the one that runs, unless neither fits. */
static void infer_either(oxp_call *c, const oxp_attr *const branch[2]) {
    oxp_fact *out[2];
    oxp_cost cost[2];
    oxp_trial *trial[2];
    bool runs[2];
    for (int i = 0; i < 2; i++) {
        out[i] = oxp_alloc(c->scratch, c->n_out + 1u, sizeof *out[i]);
        trial[i] = oxp_trial_begin(c);
        oxp_infer_subgraph(c, branch[i]->u.id, NULL, 0, out[i], c->n_out, 1, &cost[i]);
        runs[i] = oxp_trial_end(c, trial[i]);
    }
    int only = runs[0] == runs[1] ? -1 : runs[1];
    for (int i = 0; i < 2; i++) {
        if (only >= 0 && i != only)
            oxp_trial_dismiss(c, trial[i], branch[i]->name);
        else
            oxp_trial_accept(c, trial[i]);
    }
    for (uint32_t i = 0; i < c->n_out; i++) {
        check_branch_types(c, i, &out[0][i].type, &out[1][i].type);
        c->out[i] = only >= 0 ? out[only][i] : merge_facts(c, &out[1][i], &out[0][i]);
    }
    int counted = only >= 0 ? only : costs_more(&cost[0], &cost[1]) ? 0 : 1;
    oxp_discard_costs(c, branch[!counted]->u.id);
    oxp_count_cost(c, &cost[counted]);
}

static void infer_if(oxp_call *c) {
    const oxp_attr *branch[2] = {graph_attr(c, "else_branch"), graph_attr(c, "then_branch")};
    if (branch[0] == NULL || branch[1] == NULL)
        return;
    for (int i = 0; i < 2; i++) {
        const oxp_graph *g = oxp_graph_at(c->model, branch[i]->u.id);
        if (g->n_outputs != c->n_out) {
            oxp_op_invalid(c, "%s has %u outputs, the node %u", branch[i]->name, g->n_outputs,
                           c->n_out);
            return;
        }
        if (formal_inputs(c, g) != 0)
            oxp_op_invalid(c, "%s has %u inputs, a branch has none", branch[i]->name,
                           formal_inputs(c, g));
    }
    check_single(c, 0, "the condition");
    oxp_dim cond = oxp_input_scalar(c, 0);
    if (!oxp_dim_is_literal(cond)) {
        infer_either(c, branch);
        return;
    }
    int taken = cond != 0;
    oxp_cost cost;
    oxp_infer_subgraph(c, branch[taken]->u.id, NULL, 0, c->out, c->n_out, 1, &cost);
    oxp_discard_costs(c, branch[!taken]->u.id);
    oxp_count_cost(c, &cost);
    check_untaken(c, branch[!taken], !taken);
}

/* ---- what Loop and Scan share ---- */

typedef struct turns {
    oxp_call *c;
    const oxp_graph *g;
    oxp_id graph;
    uint32_t n_lead;     /* formal inputs before the carried ones: iteration and condition */
    uint32_t n_out_lead; /* outputs before the carried ones: condition                     */
    uint32_t n_carried, n_scan_in, n_scan_out;
    const oxp_fact **in; /* formal inputs: lead, carried, scanned */
    oxp_fact *formal;    /* room for what `in` points to          */
    oxp_fact *out;       /* outputs of the body                   */
    uint32_t n_in, n_out;
    bool fixed;        /* what is carried keeps its shape: Scan */
    uint64_t *widened; /* by carried value: dims that are fresh since an earlier round */
    oxp_dim trips;     /* UNKNOWN, a number or an expression */
    oxp_cost cost;
} turns;

static bool turns_init(turns *t, oxp_call *c, oxp_id graph, uint32_t n_lead, uint32_t n_out_lead,
                       uint32_t n_carried, uint32_t n_scan_in) {
    *t = (turns){.c = c,
                 .graph = graph,
                 .n_lead = n_lead,
                 .n_out_lead = n_out_lead,
                 .n_carried = n_carried,
                 .n_scan_in = n_scan_in,
                 .trips = OXP_DIM_UNKNOWN};
    t->g = oxp_graph_at(c->model, graph);
    t->n_in = n_lead + n_carried + n_scan_in;
    t->n_out = t->g->n_outputs;
    uint32_t formal = formal_inputs(c, t->g);
    if (formal != t->n_in || t->n_out < n_out_lead + n_carried) {
        oxp_op_invalid(c, "the body has %u inputs and %u outputs, %u and at least %u are needed",
                       formal, t->n_out, t->n_in, n_out_lead + n_carried);
        return false;
    }
    if (c->n_out != t->n_out - n_out_lead)
        oxp_op_invalid(c, "the body has %u outputs, with %u of the node it is to have %u", t->n_out,
                       c->n_out, c->n_out + n_out_lead);
    uint32_t first = c->n_in - n_carried - n_scan_in; /* of what is carried */
    for (uint32_t i = first; i < c->n_in; i++)
        if (oxp_input(c, i) == NULL)
            oxp_op_invalid(c, "its input %u is missing", i);
    t->n_scan_out = t->n_out - n_out_lead - n_carried;
    t->in = oxp_alloc(c->scratch, t->n_in + 1u, sizeof *t->in);
    t->formal = oxp_alloc(c->scratch, t->n_in + 1u, sizeof *t->formal);
    t->out = oxp_alloc(c->scratch, t->n_out + 1u, sizeof *t->out);
    t->widened = oxp_alloc(c->scratch, n_carried + 1u, sizeof *t->widened);
    for (uint32_t i = 0; i < t->n_in; i++)
        t->in[i] = &t->formal[i];
    return true;
}

/* Does the body hand this carried value on as it is? */
static bool is_invariant(const turns *t, uint32_t i) {
    oxp_id in = t->g->inputs[t->n_lead + i];
    return in != OXP_NONE && t->g->outputs[t->n_out_lead + i] == in;
}

/* Takes the shape that came out into the one that went in; true when that changed it. */
static bool widen(turns *t, uint32_t i, bool last_round) {
    oxp_type *in = &t->formal[t->n_lead + i].type;
    const oxp_type *out = &t->out[t->n_out_lead + i].type;
    if (in->kind != OXP_KIND_TENSOR || out->kind != OXP_KIND_TENSOR) {
        if (in->of == NULL || out->of == NULL || in->kind != out->kind)
            return false;
        const oxp_type *merged = merge_types(t->c, in, out);
        bool changed = in->of->kind != merged->of->kind || in->of->rank != merged->of->rank;
        *in = *merged;
        return changed;
    }
    if (in->rank < 0)
        return false;
    if (in->rank != out->rank || last_round) {
        bool same = in->rank == out->rank &&
                    memcmp(in->dims, out->dims, (size_t)in->rank * sizeof *in->dims) == 0;
        if (same)
            return false;
        in->rank = -1;
        in->dims = NULL;
        return true;
    }
    oxp_dim *d = NULL;
    for (int k = 0; k < in->rank && k < 64; k++) {
        if (in->dims[k] == out->dims[k] || (t->widened[i] >> k & 1) != 0)
            continue;
        if (d == NULL) {
            d = OXP_NEWS(t->c->arena, (size_t)in->rank, oxp_dim);
            memcpy(d, in->dims, (size_t)in->rank * sizeof *d);
        }
        d[k] = oxp_dim_fresh(t->c->dims);
        t->widened[i] |= (uint64_t)1 << k;
    }
    if (d != NULL)
        in->dims = d;
    return d != NULL;
}

/* What the body makes of a carried value has the type that it takes; what it stacks is a tensor. */
static void check_turn(turns *t) {
    char a[OXP_TYPE_TEXT], b[OXP_TYPE_TEXT], where[80];
    for (uint32_t i = 0; i < t->n_carried; i++) {
        const oxp_type *in = &t->formal[t->n_lead + i].type;
        const oxp_type *out = &t->out[t->n_out_lead + i].type;
        if (in->kind == OXP_KIND_OPTIONAL && out->kind != OXP_KIND_OPTIONAL && in->of != NULL)
            in = in->of; /* it is there from the first turn on */
        if (!oxp_types_agree(in, out))
            oxp_op_invalid(t->c, "carried value %u is %s, the body makes %s of it", i,
                           oxp_type_brief(in, a), oxp_type_brief(out, b));
        else if (t->fixed && shapes_differ(in, out, where, sizeof where))
            oxp_op_error(t->c, "carried value %u has %s before and after a turn", i, where);
    }
    for (uint32_t i = t->n_out_lead + t->n_carried; i < t->n_out; i++)
        if (t->out[i].type.kind != OXP_KIND_TENSOR && t->out[i].type.kind != OXP_KIND_UNKNOWN)
            oxp_op_invalid(t->c, "output %u of the body is %s, only tensors can be stacked", i,
                           oxp_type_brief(&t->out[i].type, a));
}

static void find_fixpoint(turns *t, uint64_t times) {
    for (int round = 0;; round++) {
        oxp_infer_subgraph(t->c, t->graph, t->in, t->n_in, t->out, t->n_out, times, &t->cost);
        if (round == 0)
            check_turn(t);
        bool changed = false;
        for (uint32_t i = 0; i < t->n_carried; i++)
            changed |= widen(t, i, round >= MAX_ROUNDS - 2);
        if (!changed || round >= MAX_ROUNDS)
            return;
    }
}

/* A carried dimension behind the loop: the same, or initial + trips * growth. */
static oxp_dim final_dim(turns *t, uint32_t i, const oxp_fact *initial, int k) {
    const oxp_type *in = &t->formal[t->n_lead + i].type;
    const oxp_type *out = &t->out[t->n_out_lead + i].type;
    oxp_dims *p = t->c->dims;
    if ((t->widened[i] >> k & 1) == 0 || k >= 64)
        return in->dims[k];
    if (out->rank != in->rank || oxp_rank(initial) != in->rank)
        return OXP_DIM_UNKNOWN;
    oxp_dim growth = oxp_dim_sub(p, out->dims[k], in->dims[k]);
    if (oxp_dim_is_unknown(growth) || oxp_dim_is_opaque(p, growth))
        return OXP_DIM_UNKNOWN;
    oxp_dim last = oxp_dim_add(p, initial->type.dims[k], oxp_dim_mul(p, t->trips, growth));
    if (!oxp_dim_is_literal(last) || oxp_dim_is_unknown(last) || last >= 0)
        return last;
    oxp_op_error(t->c, "dimension %d of a carried value would be %lld after %lld turns", k,
                 (long long)last, (long long)t->trips);
    return OXP_DIM_UNKNOWN;
}

static oxp_fact final_carried(turns *t, uint32_t i, const oxp_fact *initial) {
    static const oxp_fact nothing;
    const oxp_fact *first = initial != NULL ? initial : &nothing;
    if (t->trips == 0 || is_invariant(t, i))
        return *first;
    oxp_fact r = without_elems(&t->out[t->n_out_lead + i]);
    const oxp_type *in = &t->formal[t->n_lead + i].type;
    if (r.type.kind != OXP_KIND_TENSOR || r.type.rank <= 0)
        return r;
    if (in->rank != r.type.rank) {
        r.type.rank = -1;
        r.type.dims = NULL;
        return r;
    }
    oxp_dim *d = OXP_NEWS(t->c->arena, (size_t)r.type.rank, oxp_dim);
    for (int k = 0; k < r.type.rank; k++) {
        d[k] = final_dim(t, i, first, k);
        if (oxp_dim_is_unknown(d[k]))
            d[k] = oxp_dim_fresh(t->c->dims);
    }
    if (!oxp_countable(r.type.rank, d)) {
        r.type.rank = -1;
        d = NULL;
    }
    r.type.dims = d;
    return r;
}

/* Shape of `f` with `d` inserted at `axis` (negative from the end of the result), as output `slot`.
 */
static void set_stacked(oxp_call *c, uint32_t slot, const oxp_fact *f, oxp_dim d, int64_t axis) {
    int rank = oxp_rank(f);
    if (slot >= c->n_out)
        return;
    if (rank < 0) {
        oxp_set_unknown_rank(c, slot, oxp_elem_type(f));
        return;
    }
    int at = oxp_axis(c, axis, rank + 1);
    if (at < 0)
        return;
    oxp_dim *dims = oxp_alloc(c->scratch, (size_t)rank + 1, sizeof *dims);
    for (int k = 0; k <= rank; k++)
        dims[k] = k == at ? d : f->type.dims[k < at ? k : k - 1];
    oxp_set(c, slot, oxp_elem_type(f), rank + 1, dims);
}

/* ---- Loop ---- */

/* Plays a short loop turn by turn with exact elements; true when it ended on its own or at `max`
 * with every condition known.  Then t->out and t->trips are those of the end. */
static bool play_turns(turns *t, oxp_dim max, oxp_fact *carried, oxp_fact *scanned) {
    oxp_call *c = t->c;
    int64_t limit = oxp_dim_is_literal(max) ? max : INT64_MAX, turn = 0;
    bool more = true;
    for (; more && turn < limit; turn++) {
        if (turn >= MAX_PLAYED)
            return false;
        oxp_elem *e = OXP_NEWS(c->arena, 2, oxp_elem); /* facts may keep them */
        e[0] = oxp_elem_int(turn);
        e[1] = oxp_elem_int(1);
        oxp_fact *f = t->formal;
        f[0] = (oxp_fact){
            .type = {OXP_KIND_TENSOR, OXP_INT64, 0, NULL, NULL}, .elems = &e[0], .n_elems = 1};
        f[1] = (oxp_fact){
            .type = {OXP_KIND_TENSOR, OXP_BOOL, 0, NULL, NULL}, .elems = &e[1], .n_elems = 1};
        memcpy(&f[2], carried, t->n_carried * sizeof *carried);
        oxp_infer_subgraph(c, t->graph, t->in, t->n_in, t->out, t->n_out, 1, &t->cost);
        memcpy(carried, &t->out[1], t->n_carried * sizeof *carried);
        for (uint32_t i = 0; i < t->n_scan_out; i++) {
            const oxp_fact *now = &t->out[1 + t->n_carried + i];
            char where[80];
            if (turn > 0 && shapes_differ(&scanned[i].type, &now->type, where, sizeof where))
                oxp_op_error(c, "output %u has %s in different turns and cannot be stacked",
                             t->n_carried + i, where);
            scanned[i] = turn == 0 ? *now : merge_facts(c, &scanned[i], now);
        }
        const oxp_fact *cond = &t->out[0];
        if (cond->elems == NULL || cond->n_elems != 1 || !cond->elems[0].known ||
            !oxp_dim_is_literal(cond->elems[0].i))
            return false;
        more = cond->elems[0].i != 0;
    }
    t->trips = turn;
    return true;
}

static bool play(turns *t, oxp_dim max, oxp_fact *carried, oxp_fact *scanned) {
    oxp_call *c = t->c;
    oxp_dim known = t->trips;
    if (!oxp_play_begin(c))
        return false;
    for (uint32_t i = 0; i < t->n_carried; i++) {
        oxp_input_elems(c, 2 + i);
        carried[i] = oxp_input(c, 2 + i) != NULL ? *c->in[2 + i] : (oxp_fact){0};
    }
    bool played = play_turns(t, max, carried, scanned);
    oxp_play_end(c);
    if (!played)
        t->trips = known;
    return played;
}

/* Number of turns when it follows from the inputs: M, unless a condition may end it before. */
static oxp_dim trip_count(oxp_call *c, const turns *t) {
    bool has_m = oxp_input(c, 0) != NULL, has_cond = oxp_input(c, 1) != NULL;
    oxp_dim m = has_m ? oxp_input_scalar(c, 0) : OXP_DIM_UNKNOWN;
    oxp_dim first = has_cond ? oxp_input_scalar(c, 1) : 1;
    if (m == 0 || first == 0)
        return 0;
    const oxp_fact *cond = &t->out[0];
    bool goes_on = cond->elems != NULL && cond->n_elems == 1 && cond->elems[0].i == 1;
    bool holds = first == 1 && goes_on;
    if (!holds || oxp_dim_is_unknown(m) || oxp_dim_is_opaque(c->dims, m))
        return OXP_DIM_UNKNOWN;
    return oxp_dim_is_literal(m) && m < 0 ? 0 : oxp_dim_max(c->dims, m, 0);
}

static uint64_t times_of(oxp_dim trips) {
    return oxp_dim_is_literal(trips) ? (uint64_t)trips : UINT64_MAX;
}

/* The general walk: any turn, with what all turns have in common. */
static void generalise(turns *t, oxp_dim trips) {
    oxp_call *c = t->c;
    for (uint32_t i = 0; i < t->n_carried; i++) {
        const oxp_fact *f = oxp_input(c, 2 + i);
        t->widened[i] = 0;
        t->formal[2 + i] = f == NULL ? (oxp_fact){0} : is_invariant(t, i) ? *f : without_elems(f);
    }
    t->formal[0] = (oxp_fact){.type = {OXP_KIND_TENSOR, OXP_INT64, 0, NULL, NULL}};
    oxp_elem *yes = OXP_NEW(c->arena, oxp_elem); /* a turn is only taken when the condition holds */
    *yes = oxp_elem_int(1);
    t->formal[1] =
        (oxp_fact){.type = {OXP_KIND_TENSOR, OXP_BOOL, 0, NULL, NULL}, .elems = yes, .n_elems = 1};
    find_fixpoint(t, times_of(trips));
}

/* Could playing find more than the general walk, and could it end soon? */
static bool worth_playing(turns *t, oxp_dim m) {
    oxp_call *c = t->c;
    oxp_dim first = oxp_input(c, 1) != NULL ? oxp_input_scalar(c, 1) : 1;
    bool unlimited = oxp_input(c, 0) == NULL;
    if (first != 1 || t->trips == 0 || (!unlimited && !oxp_dim_is_literal(m)) ||
        (oxp_dim_is_literal(t->trips) && t->trips > MAX_PLAYED))
        return false;
    bool vague = oxp_dim_is_unknown(t->trips);
    for (uint32_t i = 0; i < t->n_carried && !vague; i++)
        vague = t->formal[2 + i].type.kind != OXP_KIND_TENSOR || t->formal[2 + i].type.rank < 0 ||
                t->widened[i] != 0 || oxp_input_elems(c, 2 + i) != NULL;
    for (uint32_t i = 0; i < t->n_scan_out && !vague; i++)
        vague = oxp_rank(&t->out[1 + t->n_carried + i]) < 0;
    return vague;
}

/* What goes in and out of the body as its condition. */
static void check_condition(turns *t) {
    oxp_call *c = t->c;
    char text[OXP_TYPE_TEXT], where[80];
    const oxp_type *out = &t->out[0].type;
    const oxp_type *declared = oxp_declared_type(c, t->g->inputs[1]);
    const oxp_type wanted = {OXP_KIND_TENSOR, OXP_BOOL, -1, NULL, NULL};
    check_single(c, 0, "the number of turns");
    check_single(c, 1, "the condition");
    if (declared != NULL && oxp_input(c, 1) != NULL &&
        shapes_differ(declared, &oxp_input(c, 1)->type, where, sizeof where))
        oxp_op_error(c, "the condition has %s in the body and outside", where);
    if (!oxp_types_agree(out, &wanted))
        oxp_op_invalid(c, "the condition that the body gives is %s, not bool",
                       oxp_type_brief(out, text));
}

static void infer_loop(oxp_call *c) {
    const oxp_attr *body = graph_attr(c, "body");
    uint32_t lead = c->n_in < 2 ? c->n_in : 2; /* M and the condition can be left out */
    turns t;
    if (body == NULL || !turns_init(&t, c, body->u.id, 2, 1, c->n_in - lead, 0))
        return;
    oxp_dim m = oxp_input(c, 0) != NULL ? oxp_input_scalar(c, 0) : OXP_DIM_UNKNOWN;
    oxp_dim guess = oxp_dim_is_literal(m) && m > 0 ? m : OXP_DIM_UNKNOWN;
    bool typed = oxp_costs_off(c);
    generalise(&t, guess); /* most loops run M times: a second walk is then not needed */
    check_condition(&t);
    t.trips = trip_count(c, &t);
    oxp_fact *carried = oxp_alloc(c->scratch, t.n_carried + 1u, sizeof *carried);
    oxp_fact *scanned = oxp_alloc(c->scratch, t.n_scan_out + 1u, sizeof *scanned);
    bool played = worth_playing(&t, m) && play(&t, m, carried, scanned);
    if (typed)
        oxp_costs_on(c);
    if (played || typed || (oxp_counts_costs(c) && times_of(t.trips) != times_of(guess)))
        generalise(&t, t.trips);
    oxp_count_cost(c, &t.cost);
    for (uint32_t i = 0; i < t.n_carried && i < c->n_out; i++)
        c->out[i] = played ? carried[i] : final_carried(&t, i, oxp_input(c, 2 + i));
    for (uint32_t i = 0; i < t.n_scan_out; i++)
        set_stacked(c, t.n_carried + i, played ? &scanned[i] : &t.out[1 + t.n_carried + i], t.trips,
                    0);
}

/* ---- Scan ---- */

static int64_t axis_at(const int64_t *axes, size_t n, uint32_t i) {
    return i < n ? axes[i] : 0;
}

/* The fact of one slice of `f` along `axis`, which is *length long. */
static bool slice_of(oxp_call *c, const oxp_fact *f, int64_t axis, oxp_fact *r, oxp_dim *length) {
    int rank = oxp_rank(f);
    *r = (oxp_fact){.type = {OXP_KIND_TENSOR, oxp_elem_type(f), -1, NULL, NULL}};
    if (rank < 0)
        return true;
    int at = oxp_axis(c, axis, rank);
    if (at < 0)
        return false;
    /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): a rank above 0 has dims */
    *length = oxp_unify(c, *length, f->type.dims[at], "length of the scanned inputs");
    oxp_dim *d = OXP_NEWS(c->arena, (size_t)rank, oxp_dim);
    for (int k = 0; k < rank; k++)
        if (k != at)
            d[k < at ? k : k - 1] = f->type.dims[k];
    r->type.rank = rank - 1;
    r->type.dims = d;
    return true;
}

/* A list attribute has an entry for each scanned input or output. */
static void check_list(oxp_call *c, const char *name, uint32_t wanted, bool direction) {
    size_t n;
    const int64_t *v = oxp_call_ints(c, name, &n);
    if (n != 0 && n != wanted)
        oxp_op_invalid(c, "%s has %zu entries for %u of them", name, n, wanted);
    for (size_t i = 0; i < n && direction; i++)
        if (v[i] != 0 && v[i] != 1)
            oxp_op_invalid(c, "%s holds %lld, 0 or 1 is a direction", name, (long long)v[i]);
}

/* The body's inputs as declared and as they are given. */
static void check_slices(turns *t) {
    char where[80];
    for (uint32_t i = 0; i < t->n_in; i++) {
        const oxp_type *declared = oxp_declared_type(t->c, t->g->inputs[i]);
        if (declared != NULL && shapes_differ(declared, &t->formal[i].type, where, sizeof where))
            oxp_op_error(t->c, "%.120s of its body has %s as declared and as given",
                         oxp_value_at(t->c->model, t->g->inputs[i])->name, where);
    }
}

/* sequence_lens: one length for each of the batch, none longer than what is scanned. */
static void check_lengths(oxp_call *c, oxp_dim batch, oxp_dim longest) {
    const oxp_dim *v;
    oxp_dim n = oxp_dim_of(oxp_input(c, 0), 0);
    if (oxp_input(c, 0) == NULL)
        return;
    oxp_unify(c, batch, n, "sequence_lens and the batch");
    int count = oxp_input_ints(c, 0, &v);
    for (int i = 0; i < count; i++)
        if (oxp_dim_is_literal(v[i]) && oxp_dim_is_literal(longest) && longest >= 0 &&
            (v[i] < 0 || v[i] > longest))
            oxp_op_error(c, "sequence_lens holds %lld, the sequences have %lld", (long long)v[i],
                         (long long)longest);
}

/* Version 8: a batch dimension in front of everything, sequence_lens as first input. */
static void infer_scan8(oxp_call *c, oxp_id body, uint32_t n_scan) {
    turns t;
    if (c->n_in < 1 + n_scan || !turns_init(&t, c, body, 0, 0, c->n_in - 1 - n_scan, n_scan))
        return;
    t.fixed = true;
    check_list(c, "directions", n_scan, true);
    oxp_dim batch = OXP_DIM_UNKNOWN;
    for (uint32_t i = 0; i < t.n_in; i++) {
        oxp_fact one;
        if (!slice_of(c, oxp_input(c, 1 + i), 0, &one, &batch))
            return;
        t.formal[i] = one;
        if (i >= t.n_carried && !slice_of(c, &one, 0, &t.formal[i], &t.trips))
            return;
    }
    check_lengths(c, batch, t.trips);
    check_slices(&t);
    oxp_dim runs = oxp_dim_mul(c->dims, batch, t.trips);
    find_fixpoint(&t, times_of(runs));
    oxp_count_cost(c, &t.cost);
    for (uint32_t i = 0; i < t.n_out && i < c->n_out; i++) {
        if (i < t.n_carried) {
            set_stacked(c, i, &t.out[i], batch, 0);
            continue;
        }
        oxp_fact *row = &c->out[i];
        set_stacked(c, i, &t.out[i], t.trips, 0);
        oxp_fact stacked = *row;
        set_stacked(c, i, &stacked, batch, 0);
    }
}

static void infer_scan(oxp_call *c) {
    const oxp_attr *body = graph_attr(c, "body");
    int64_t n_scan = oxp_call_int(c, "num_scan_inputs", 0);
    if (body == NULL)
        return;
    if (n_scan < 1 || n_scan > c->n_in) {
        oxp_op_invalid(c, "num_scan_inputs is %lld of %u inputs", (long long)n_scan, c->n_in);
        return;
    }
    if (c->opset < 9) {
        infer_scan8(c, body->u.id, (uint32_t)n_scan);
        return;
    }
    turns t;
    if (!turns_init(&t, c, body->u.id, 0, 0, c->n_in - (uint32_t)n_scan, (uint32_t)n_scan))
        return;
    t.fixed = true;
    check_list(c, "scan_input_axes", t.n_scan_in, false);
    check_list(c, "scan_input_directions", t.n_scan_in, true);
    check_list(c, "scan_output_axes", t.n_scan_out, false);
    check_list(c, "scan_output_directions", t.n_scan_out, true);
    size_t n_axes, n_out_axes;
    const int64_t *axes = oxp_call_ints(c, "scan_input_axes", &n_axes);
    const int64_t *out_axes = oxp_call_ints(c, "scan_output_axes", &n_out_axes);
    for (uint32_t i = 0; i < t.n_in; i++) {
        const oxp_fact *f = oxp_input(c, i);
        if (i < t.n_carried)
            t.formal[i] = f != NULL ? without_elems(f) : (oxp_fact){0};
        else if (!slice_of(c, f, axis_at(axes, n_axes, i - t.n_carried), &t.formal[i], &t.trips))
            return;
    }
    check_slices(&t);
    find_fixpoint(&t, times_of(t.trips));
    oxp_count_cost(c, &t.cost);
    for (uint32_t i = 0; i < t.n_out && i < c->n_out; i++) {
        if (i < t.n_carried)
            c->out[i] = final_carried(&t, i, oxp_input(c, i));
        else
            set_stacked(c, i, &t.out[i], t.trips, axis_at(out_axes, n_out_axes, i - t.n_carried));
    }
}

/* ---- SequenceMap ---- */

static void infer_sequence_map(oxp_call *c) {
    const oxp_attr *body = graph_attr(c, "body");
    const oxp_fact *first = oxp_input(c, 0);
    if (body == NULL || first == NULL || first->type.kind != OXP_KIND_SEQUENCE)
        return;
    const oxp_graph *g = oxp_graph_at(c->model, body->u.id);
    if (formal_inputs(c, g) != c->n_in || g->n_outputs != c->n_out) {
        oxp_op_invalid(c, "the body has %u inputs and %u outputs, the node %u and %u",
                       formal_inputs(c, g), g->n_outputs, c->n_in, c->n_out);
        return;
    }
    uint64_t times = first->items != NULL ? first->n_elems : UINT64_MAX;
    oxp_fact *formal = oxp_alloc(c->scratch, c->n_in + 1u, sizeof *formal);
    const oxp_fact **in = oxp_alloc(c->scratch, c->n_in + 1u, sizeof *in);
    oxp_fact *out = oxp_alloc(c->scratch, c->n_out + 1u, sizeof *out);
    for (uint32_t i = 0; i < c->n_in; i++) {
        const oxp_fact *f = c->in[i];
        if (f != NULL && f->type.kind == OXP_KIND_SEQUENCE && f->type.of != NULL)
            formal[i].type = *f->type.of;
        else if (f != NULL)
            formal[i] = *f;
        in[i] = &formal[i];
    }
    oxp_cost cost;
    oxp_infer_subgraph(c, body->u.id, in, c->n_in, out, c->n_out, times, &cost);
    oxp_count_cost(c, &cost);
    for (uint32_t i = 0; i < c->n_out; i++) {
        oxp_type *of = OXP_NEW(c->arena, oxp_type);
        *of = out[i].type;
        c->out[i].type = (oxp_type){.kind = OXP_KIND_SEQUENCE, .of = of};
        if (times > MAX_PLAYED)
            continue;
        oxp_fact *items = OXP_NEWS(c->arena, (size_t)times + 1, oxp_fact);
        for (uint64_t k = 0; k < times; k++)
            items[k] = without_elems(&out[i]);
        c->out[i].items = items;
        c->out[i].n_elems = (uint32_t)times;
    }
}

static const oxp_op table[] = {
    {"If", "", OXP_OP_CONTROL, 0, infer_if, NULL, NULL},
    {"Loop", "", OXP_OP_CONTROL, 0, infer_loop, NULL, NULL},
    {"Scan", "", OXP_OP_CONTROL, 0, infer_scan, NULL, NULL},
    {"SequenceMap", "", OXP_OP_CONTROL, 0, infer_sequence_map, NULL, NULL},
};

const oxp_op_family oxp_ops_control = {table, OXP_COUNT(table), NULL, 0};
