/* weights.c - parameters: all initializers, and Constant outputs in a weight slot.
 *
 * In totals and in the table by operator each tensor counts once (at its first consumer); a node
 * counts what it uses. */
#include "analysis/weights.h"

#include <stdlib.h>

#include "analysis/memory.h"
#include "base/intern.h"
#include "base/safe_math.h"

enum { HOPS_MAX = 16, GRAPH_DEPTH_MAX = 128 };

bool oxp_is_folded(const oxp_value_info *values, const oxp_node *node) {
    bool any = false;
    for (uint32_t i = 0; i < node->n_out; i++) {
        if (node->out[i] == OXP_NONE)
            continue;
        if (!values[node->out[i]].constant)
            return false;
        any = true;
    }
    return any;
}

/* A Gather's or Slice's constant is a table only if it looks like one: 2 axes or more, no indices.
 */
static bool is_table(const oxp_tensor *t) {
    return t->rank >= 2 && t->dtype != OXP_INT64 && t->dtype != OXP_INT32 && t->dtype != OXP_BOOL &&
           t->dtype != OXP_STRING;
}

static bool is_weight_slot(const oxp_node *node, uint32_t slot, const oxp_tensor *t) {
    if (node->def == NULL || slot >= 32 || !(node->def->weight_slots >> slot & 1))
        return false;
    if (node->def->flags & OXP_OP_ELEMENTWISE)
        return false;
    return !(node->def->flags & OXP_OP_MOVE) || is_table(t);
}

oxp_id oxp_weight_of(const oxp_model *m, const oxp_value_info *values, const oxp_node *node,
                     uint32_t slot) {
    oxp_id v = oxp_in(node, slot);
    for (int hop = 0; hop < HOPS_MAX && v != OXP_NONE; hop++) {
        const oxp_value *value = oxp_value_at(m, v);
        if (value->tensor != OXP_NONE)
            return value->tensor;
        if (value->producer == OXP_NONE)
            return OXP_NONE;
        const oxp_node *p = oxp_node_at(m, value->producer);
        if (oxp_is_constant_node(p)) {
            oxp_id t = oxp_constant_of(m, v, true);
            return t != OXP_NONE && is_weight_slot(node, slot, oxp_tensor_at(m, t)) ? t : OXP_NONE;
        }
        if (p->def == NULL || !(p->def->flags & (OXP_OP_VIEW | OXP_OP_MOVE | OXP_OP_QUANT)) ||
            !values[v].constant || values[v].shape_role)
            return OXP_NONE;
        v = oxp_in(p, 0);
    }
    return OXP_NONE;
}

bool *oxp_graphs_of_main(const oxp_model *m, oxp_arena *arena) {
    size_t n = oxp_graph_count(m);
    bool *in_main = OXP_NEWS(arena, n, bool);
    for (oxp_id g = 0; g < n; g++) {
        oxp_id at = g;
        for (int depth = 0; depth < GRAPH_DEPTH_MAX; depth++) {
            const oxp_graph *graph = oxp_graph_at(m, at);
            if (!graph->live || graph->kind == OXP_GRAPH_FUNCTION)
                break;
            if (graph->kind == OXP_GRAPH_MAIN) {
                in_main[g] = true;
                break;
            }
            at = oxp_node_at(m, graph->owner)->graph;
        }
    }
    return in_main;
}

/* Does a weight feed this node for good, or only pass through it to the next?  Foldable moves of
 * weights pass it on. */
static bool passes_on(const oxp_value_info *values, const oxp_node *n) {
    return n->def != NULL && (n->def->flags & (OXP_OP_VIEW | OXP_OP_MOVE | OXP_OP_QUANT)) &&
           oxp_is_folded(values, n);
}

static void add_tensor(oxp_totals *t, const oxp_tensor *tensor, bool trainable) {
    t->params = oxp_sat_add(t->params, tensor->count);
    t->weight_bytes = oxp_sat_add(t->weight_bytes, tensor->bytes);
    if (tensor->dtype < OXP_DTYPE_COUNT)
        t->params_by_dtype[tensor->dtype] =
            oxp_sat_add(t->params_by_dtype[tensor->dtype], tensor->count);
    if (trainable && oxp_dtype_is_float(tensor->dtype))
        t->trainable_params = oxp_sat_add(t->trainable_params, tensor->count);
}

/* Running statistics of a normalization (its inputs 3 and 4) are parameters that no one trains. */
static void mark_statistics(const oxp_model *m, const oxp_node *n, bool *statistic) {
    if (n->def == NULL || !(n->def->flags & OXP_OP_RUNNING_STATS))
        return;
    for (uint32_t slot = 3; slot <= 4; slot++) {
        oxp_id v = oxp_in(n, slot);
        oxp_id t = v == OXP_NONE ? OXP_NONE : oxp_constant_of(m, v, true);
        if (t != OXP_NONE)
            statistic[t] = true;
    }
}

/* Parameters and bytes of each node; Constant tensors in weight slots are marked in `counted`. */
static void count_nodes(const oxp_model *m, const oxp_value_info *values, oxp_node_info *nodes,
                        bool *counted, bool *statistic) {
    size_t n_nodes = oxp_node_count(m);
    for (oxp_id i = 0; i < n_nodes; i++) {
        const oxp_node *n = oxp_node_at(m, i);
        if (!n->live)
            continue;
        mark_statistics(m, n, statistic);
        if (passes_on(values, n))
            continue;
        for (uint32_t k = 0; k < n->n_in; k++) {
            oxp_id t = oxp_weight_of(m, values, n, k);
            if (t == OXP_NONE)
                continue;
            const oxp_tensor *tensor = oxp_tensor_at(m, t);
            nodes[i].params = oxp_sat_add(nodes[i].params, tensor->count);
            nodes[i].weight_bytes = oxp_sat_add(nodes[i].weight_bytes, tensor->bytes);
            counted[t] = true;
        }
    }
}

void oxp_count_weights(const oxp_model *m, const oxp_value_info *values, oxp_node_info *nodes,
                       const bool *in_main, oxp_totals *t, oxp_arena *arena) {
    size_t n = oxp_tensor_count(m);
    bool *counted = OXP_NEWS(arena, n + 1, bool), *statistic = OXP_NEWS(arena, n + 1, bool);
    count_nodes(m, values, nodes, counted, statistic);
    size_t n_graphs = oxp_graph_count(m);
    for (oxp_id g = 0; g < n_graphs; g++) {
        const oxp_graph *graph = oxp_graph_at(m, g);
        for (uint32_t i = 0;
             (in_main[g] || graph->kind == OXP_GRAPH_FUNCTION) && i < graph->n_inits; i++) {
            const oxp_value *v = oxp_value_at(m, graph->inits[i]);
            if (v->live && v->tensor != OXP_NONE)
                counted[v->tensor] = true;
        }
    }
    for (oxp_id i = 0; i < n; i++) {
        if (counted[i])
            add_tensor(t, oxp_tensor_at(m, i), !statistic[i]);
    }
}

/* ---- by operator ---- */

typedef struct op_table {
    oxp_op_total *ops;
    uint32_t *next; /* index + 1 of the next record with the same name and another domain */
    size_t n, cap, cap_next;
    oxp_map *by_name;
    oxp_arena *arena;
} op_table;

static oxp_op_total *op_of(op_table *t, const oxp_node *n) {
    uint32_t i, last = UINT32_MAX;
    if (oxp_map_get(t->by_name, (uintptr_t)n->op, &i)) {
        for (;; i = t->next[i] - 1) {
            if (t->ops[i].domain == n->domain)
                return &t->ops[i];
            last = i;
            if (t->next[i] == 0)
                break;
        }
    }
    uint32_t fresh = (uint32_t)t->n;
    t->ops = oxp_grow(t->arena, t->ops, &t->cap, t->n + 1, sizeof *t->ops);
    t->next = oxp_grow(t->arena, t->next, &t->cap_next, t->n + 1, sizeof *t->next);
    t->n++;
    t->ops[fresh] = (oxp_op_total){.op = n->op, .domain = n->domain, .known = true};
    t->next[fresh] = 0;
    if (last == UINT32_MAX)
        oxp_map_set(t->by_name, (uintptr_t)n->op, fresh);
    else
        t->next[last] = fresh + 1;
    return &t->ops[fresh];
}

static int by_flops(const void *pa, const void *pb) {
    const oxp_op_total *a = pa, *b = pb;
    if (a->flops != b->flops)
        return a->flops < b->flops ? 1 : -1;
    return a->count == b->count ? 0 : a->count < b->count ? 1 : -1;
}

static void add_weights(const oxp_model *m, const oxp_value_info *values, const oxp_node *n,
                        oxp_op_total *o, bool *charged) {
    if (passes_on(values, n))
        return;
    for (uint32_t k = 0; k < n->n_in; k++) {
        oxp_id t = oxp_weight_of(m, values, n, k);
        if (t == OXP_NONE || charged[t])
            continue;
        charged[t] = true;
        o->params = oxp_sat_add(o->params, oxp_tensor_at(m, t)->count);
        o->weight_bytes = oxp_sat_add(o->weight_bytes, oxp_tensor_at(m, t)->bytes);
    }
}

void oxp_count_by_op(const oxp_model *m, const oxp_value_info *values, const oxp_node_info *nodes,
                     const bool *in_main, oxp_analysis *a, oxp_arena *arena) {
    op_table table = {.arena = arena, .by_name = oxp_map_new(arena)};
    bool *charged = OXP_NEWS(arena, oxp_tensor_count(m) + 1, bool);
    size_t n_nodes = oxp_node_count(m);
    for (oxp_id i = 0; i < n_nodes; i++) {
        const oxp_node *n = oxp_node_at(m, i);
        if (!n->live || !in_main[n->graph])
            continue;
        oxp_op_total *o = op_of(&table, n);
        o->count++;
        o->known = o->known && nodes[i].known;
        o->macs = oxp_sat_add(o->macs, nodes[i].macs);
        o->flops = oxp_sat_add(o->flops, nodes[i].flops);
        o->int_ops = oxp_sat_add(o->int_ops, nodes[i].int_ops);
        o->moved = oxp_sat_add(o->moved, nodes[i].moved);
        add_weights(m, values, n, o, charged);
        for (uint32_t k = 0; k < n->n_out; k++) {
            const oxp_value_info *v = n->out[k] == OXP_NONE ? NULL : &values[n->out[k]];
            if (v != NULL && v->activation && v->bytes != UINT64_MAX)
                o->activation_bytes = oxp_sat_add(o->activation_bytes, v->bytes);
        }
    }
    if (table.n > 1)
        qsort(table.ops, table.n, sizeof *table.ops, by_flops);
    a->by_op = table.ops;
    a->n_by_op = table.n;
}
