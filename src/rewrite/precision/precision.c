/* precision.c - narrowing a model to float16 or bfloat16: the order of work. */
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
    p->narrowed = OXP_NEWS(p->arena, p->n_tensors + 1, bool);
    p->n_casts = OXP_NEWS(p->arena, nodes, uint32_t);
    p->stats = OXP_NEWS(p->arena, p->n_tensors + 1, oxp_tensor_stats *);
    for (size_t v = 0; v < values; v++)
        p->def[v] = p->out_use[v] = OXP_ATOM_NONE;
    for (oxp_id f = 0; f < oxp_function_count(p->m); f++)
        walk(p, oxp_function_at(p->m, f)->graph, 0);
    walk(p, OXP_MAIN_GRAPH, 0);
}

/* ---- names in options ---- */
static bool has_node(oxp_precision *p, const char *name) {
    for (size_t k = 0; k < p->n_order; k++)
        if (!strcmp(oxp_node_at(p->m, p->order[k])->name, name) ||
            !strcmp(oxp_node_label(p->m, p->order[k], p->arena), name))
            return true;
    return false;
}

static bool has_op(const oxp_precision *p, const char *op) {
    for (size_t k = 0; k < p->n_order; k++)
        if (!strcmp(oxp_node_at(p->m, p->order[k])->op, op))
            return true;
    return false;
}

/* A type that the model has not is worth a word, one that ONNX has not is a mistake: a list of
 * types may serve many models, a list of nodes serves one. */
static void check_ops(oxp_precision *p, const char *option, const char *const *ops, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (has_op(p, ops[i]))
            continue;
        if (!oxp_schema_first_version("", ops[i]))
            oxp_raise(oxp_model_ctx(p->m), OXP_E_USAGE,
                      "%s: %s: the model has no node of type '%s', and ONNX no such operator",
                      oxp_model_path(p->m), option, ops[i]);
        oxp_run_note(p->run, OXP_NONE, "%s %s: the model has no such node", option, ops[i]);
    }
}

static void check_names(oxp_precision *p) {
    const oxp_pass_opts *o = p->opts;
    check_ops(p, "--fp16-block-op", o->block_ops, o->n_block_ops);
    check_ops(p, "--fp16-include-op", o->include_ops, o->n_include_ops);
    for (size_t i = 0; i < o->n_block_nodes; i++)
        if (!has_node(p, o->block_nodes[i]))
            oxp_raise(oxp_model_ctx(p->m), OXP_E_USAGE,
                      "%s: --fp16-block-node: no node is called '%s'", oxp_model_path(p->m),
                      o->block_nodes[i]);
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
    check_names(p);
    oxp_precision_types(p);
    oxp_precision_origins(p);
    oxp_precision_indices(p);
    oxp_precision_masks(p);
    oxp_precision_ranges(p);
    oxp_precision_decide(p);
    size_t kept = oxp_precision_report_kept(p);
    oxp_precision_count_unknown(p);
    oxp_precision_counts c;
    const char *why = NULL;
    if (!oxp_precision_apply(p, &c, &why)) {
        oxp_run_skip(run, OXP_NONE, "not applied: %s", why);
        oxp_run_summary(run, "nothing changed: %s", why);
        return;
    }
    oxp_precision_report(p, &c, kept);
}
