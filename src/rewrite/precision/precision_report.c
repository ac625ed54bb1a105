/* precision_report.c - the account of a narrowed model: what was converted and kept, how many Casts
 * stand and why, what was clamped, what was taken for granted. */
#include "rewrite/precision/precision.h"

#include <string.h>

static bool any_narrow(oxp_precision *p, oxp_id id, const oxp_atom **forced) {
    const oxp_node *n = oxp_node_at(p->m, id);
    for (uint32_t i = 0; i < n->n_in + n->n_out; i++) {
        uint32_t a = i < n->n_in ? p->in_atom[id][i] : p->out_atom[id][i - n->n_in];
        if (a == OXP_ATOM_NONE)
            continue;
        const oxp_atom *x = &p->atoms[oxp_atom_root(p, a)];
        if (x->kind == OXP_ATOM_FOLLOW)
            continue;
        if (x->narrow)
            return true;
        if (x->forced && x->reason && x->node != OXP_NONE && !*forced)
            *forced = x;
    }
    return false;
}

size_t oxp_precision_report_kept(oxp_precision *p) {
    size_t kept = 0;
    for (size_t k = 0; k < p->n_order; k++) {
        oxp_id id = p->order[k];
        const oxp_atom *forced = NULL;
        bool narrow = any_narrow(p, id, &forced);
        if (p->reason[id] && !narrow) {
            oxp_run_skip(p->run, id, "%s", p->reason[id]);
            kept++;
        } else if (!narrow && forced) {
            if (forced->node == id)
                oxp_run_skip(p->run, id, "%s", forced->reason);
            else
                oxp_run_skip(p->run, id, "has one type with %s: %s",
                             oxp_node_label(p->m, forced->node, p->arena), forced->reason);
            kept++;
        }
    }
    return kept;
}

static void report_sentinels(oxp_precision *p) {
    for (size_t i = 0; i < p->n_sentinels; i++)
        if (oxp_precision_clamps(p, &p->sentinel[i]))
            oxp_run_note(p->run, p->sentinel[i].node,
                         "its mask value or bound beyond float16 becomes %.0f in magnitude",
                         p->sentinel[i].limit);
}

static void report_small_weights(oxp_precision *p) {
    uint64_t sub = 0, zero = 0, all = 0;
    for (size_t t = 0; t < p->n_tensors; t++)
        if (p->stats[t] && p->narrowed[t]) {
            sub += p->stats[t]->n_sub_half;
            zero += p->stats[t]->n_zero_half;
            all += oxp_tensor_at(p->m, (oxp_id)t)->count;
        }
    if (sub && p->target == OXP_FLOAT16)
        oxp_run_note(p->run, OXP_NONE,
                     "%llu of %llu converted weights are below 6.1e-05 and lose digits, %llu of "
                     "them become 0",
                     (unsigned long long)sub, (unsigned long long)all, (unsigned long long)zero);
}

/* Does the decision about a node rest on a range that nobody knows? */
static bool unknown_range(oxp_precision *p, oxp_id id) {
    const oxp_node *n = oxp_node_at(p->m, id);
    for (uint32_t i = 0; i < n->n_in; i++)
        if (n->in[i] != OXP_NONE && oxp_precision_float32(p, n->in[i]) &&
            oxp_precision_input_range(p, id, i).assumed)
            return true;
    for (uint32_t i = 0; i < n->n_out; i++)
        if (oxp_precision_float32(p, n->out[i]) && p->range[n->out[i]].assumed)
            return true;
    return false;
}

void oxp_precision_count_unknown(oxp_precision *p) {
    for (size_t k = 0; k < p->n_order; k++)
        p->n_unknown += oxp_precision_converted(p, p->order[k]) && unknown_range(p, p->order[k]);
}

static void report_ranges(oxp_precision *p, size_t converted) {
    size_t unknown = p->n_unknown;
    if (p->target != OXP_FLOAT16)
        return;
    if (p->sets)
        oxp_run_note(p->run, OXP_NONE,
                     "ranges of %zu values were measured on %zu set%s of inputs and taken twice as "
                     "wide",
                     p->n_measured, p->sets, p->sets == 1 ? "" : "s");
    if (unknown)
        oxp_run_note(
            p->run, OXP_NONE,
            "%zu of %zu converted nodes work on activations of unknown range%s, which count "
            "as ordinary (within +-8; summed squares 256, sums 64, exponents 12)%s",
            unknown, converted, p->sets ? " (in subgraphs and functions)" : "",
            p->sets ? "" : "; --calibrate DIR measures them, verify tests them");
}

/* The nodes that cost most Casts, in the order of the graph. */
static void report_casts(oxp_precision *p, const oxp_precision_counts *c) {
    enum { SHOWN = 6 };
    size_t nodes = 0, shown = 0, told = 0;
    uint32_t least = 1;
    for (size_t k = 0; k < p->n_order; k++)
        nodes += p->n_casts[p->order[k]] > 0;
    for (size_t more = nodes; more > SHOWN; least++) {
        more = 0;
        for (size_t k = 0; k < p->n_order; k++)
            more += p->n_casts[p->order[k]] > least;
    }
    for (size_t k = 0; k < p->n_order && shown < SHOWN; k++) {
        oxp_id id = p->order[k];
        if (p->n_casts[id] < least)
            continue;
        oxp_run_note(p->run, id, "%u Cast%s, as it stays in float32", p->n_casts[id],
                     p->n_casts[id] == 1 ? "" : "s");
        told += p->n_casts[id];
        shown++;
    }
    if (c->casts_inner > told && shown)
        oxp_run_note(p->run, OXP_NONE, "%zu more Casts next to %zu other nodes kept in float32",
                     c->casts_inner - told, nodes - shown);
}

void oxp_precision_report(oxp_precision *p, const oxp_precision_counts *c, size_t kept) {
    report_casts(p, c);
    report_sentinels(p);
    report_small_weights(p);
    report_ranges(p, c->nodes);
    oxp_run_changed(p->run, c->nodes);
    oxp_run_summary(
        p->run,
        "%zu node%s converted to %s, %zu kept in float32; %zu Cast%s added: %zu at graph "
        "inputs, %zu at graph outputs, %zu next to nodes kept in float32",
        c->nodes, c->nodes == 1 ? "" : "s", p->target_name, kept, c->casts,
        c->casts == 1 ? "" : "s", c->casts_in, c->casts_out, c->casts_inner);
    if (c->removed)
        oxp_run_note(p->run, OXP_NONE, "%zu Casts of the model became needless and were removed",
                     c->removed);
}
