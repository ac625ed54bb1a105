/* precision.c - narrowing a model to float16 or bfloat16: the order of work, and the account of it.
 */
#include "rewrite/precision/precision.h"

#include <string.h>

static void walk(oxp_precision *p, oxp_id graph, int depth) {
    if (depth > 100)
        oxp_raise(oxp_model_ctx(p->m), OXP_E_LIMIT, "%s: subgraphs are nested more than 100 deep",
                  oxp_model_path(p->m));
    const oxp_graph *g = oxp_graph_at(p->m, graph);
    if (!g->live)
        return;
    for (oxp_id id = g->first; id != OXP_NONE; id = oxp_node_at(p->m, id)->next) {
        const oxp_node *n = oxp_node_at(p->m, id);
        for (uint32_t i = 0; i < n->n_attr; i++) {
            if (n->attrs[i].type == OXP_ATTR_GRAPH)
                walk(p, n->attrs[i].u.id, depth + 1);
            for (size_t k = 0; n->attrs[i].type == OXP_ATTR_GRAPHS && k < n->attrs[i].n; k++)
                walk(p, n->attrs[i].u.ids[k], depth + 1);
        }
        if (p->n_order < p->n_nodes)
            p->order[p->n_order++] = id;
        if (n->function == OXP_NONE && !n->domain[0])
            p->schema[id] = oxp_schema_find("", n->op, oxp_opset_of(p->m, n->graph, n->domain));
    }
}

static void prepare(oxp_precision *p) {
    size_t nodes = p->n_nodes + 1, values = p->n_values + 1;
    p->order = OXP_NEWS(p->arena, nodes, oxp_id);
    p->dtype = OXP_NEWS(p->arena, values, uint8_t);
    p->kind = OXP_NEWS(p->arena, values, uint8_t);
    p->def = OXP_NEWS(p->arena, values, uint32_t);
    p->out_use = OXP_NEWS(p->arena, values, uint32_t);
    p->is_const = OXP_NEWS(p->arena, values, bool);
    p->in_atom = OXP_NEWS(p->arena, nodes, uint32_t *);
    p->out_atom = OXP_NEWS(p->arena, nodes, uint32_t *);
    p->origin = OXP_NEWS(p->arena, values, uint8_t);
    p->range = OXP_NEWS(p->arena, values, oxp_interval);
    p->factor = OXP_NEWS(p->arena, values, bool);
    p->lift = OXP_NEWS(p->arena, values, uint8_t);
    p->reason = OXP_NEWS(p->arena, nodes, const char *);
    p->schema = OXP_NEWS(p->arena, nodes, const oxp_schema *);
    p->n_tensors = oxp_tensor_count(p->m);
    p->stats = OXP_NEWS(p->arena, p->n_tensors + 1, oxp_tensor_stats *);
    for (size_t v = 0; v < values; v++)
        p->def[v] = p->out_use[v] = OXP_ATOM_NONE;
    for (oxp_id f = 0; f < oxp_function_count(p->m); f++)
        walk(p, oxp_function_at(p->m, f)->graph, 0);
    walk(p, OXP_MAIN_GRAPH, 0);
}

/* ---- the account ---- */
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

static size_t report_kept(oxp_precision *p) {
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
        if (p->sentinel[i].clamps)
            oxp_run_note(p->run, p->sentinel[i].node,
                         "its mask value or bound beyond float16 becomes %.0f in magnitude",
                         p->sentinel[i].limit);
}

static void report_small_weights(oxp_precision *p) {
    uint64_t sub = 0, zero = 0;
    for (size_t t = 0; t < p->n_tensors; t++)
        if (p->stats[t]) {
            sub += p->stats[t]->n_sub_half;
            zero += p->stats[t]->n_zero_half;
        }
    if (sub && p->target == OXP_FLOAT16)
        oxp_run_note(p->run, OXP_NONE,
                     "%llu constants are below 6.1e-05 and lose digits in float16, %llu of them "
                     "become 0",
                     (unsigned long long)sub, (unsigned long long)zero);
}

static void report(oxp_precision *p, const oxp_precision_counts *c, size_t kept) {
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

static void block_lists(oxp_precision *p) {
    for (size_t i = 0; i < p->opts->n_block_nodes; i++) {
        bool found = false;
        for (size_t k = 0; k < p->n_order && !found; k++) {
            const char *name = oxp_node_at(p->m, p->order[k])->name;
            found = !strcmp(name, p->opts->block_nodes[i]) ||
                    !strcmp(oxp_node_label(p->m, p->order[k], p->arena), p->opts->block_nodes[i]);
        }
        if (!found)
            oxp_raise(oxp_model_ctx(p->m), OXP_E_USAGE, "%s: no node is called '%s'",
                      oxp_model_path(p->m), p->opts->block_nodes[i]);
    }
}

void oxp_precision_run(oxp_run *run, oxp_dtype target) {
    oxp_arena *arena = oxp_run_arena(run);
    oxp_precision *p = OXP_NEW(arena, oxp_precision);
    p->run = run;
    p->m = oxp_run_model(run);
    p->opts = oxp_run_opts(run);
    p->arena = arena;
    p->target = target;
    p->target_name = oxp_dtype_name(target);
    p->n_nodes = oxp_node_count(p->m);
    p->n_values = oxp_value_count(p->m);
    oxp_infer_opts opts = {.quiet = true, .no_costs = true};
    p->inferred = oxp_infer(p->m, &opts, arena);
    prepare(p);
    block_lists(p);
    oxp_precision_types(p);
    oxp_precision_origins(p);
    oxp_precision_indices(p);
    oxp_precision_masks(p);
    oxp_precision_ranges(p);
    oxp_precision_decide(p);
    size_t kept = report_kept(p);
    oxp_precision_counts c;
    const char *why = NULL;
    if (!oxp_precision_apply(p, &c, &why)) {
        oxp_run_skip(run, OXP_NONE, "not applied: %s", why);
        oxp_run_summary(run, "nothing changed: %s", why);
        return;
    }
    report_sentinels(p);
    report_small_weights(p);
    report(p, &c, kept);
}
