/* infer_order.c - an order of a graph's nodes in which producers come before consumers. */
#include <string.h>

#include "analysis/infer_impl.h"

/* The node of `graph` that `node` is, or that holds it; OXP_NONE when it lies elsewhere. */
static oxp_id ancestor_in(const oxp_model *m, oxp_id graph, oxp_id node) {
    for (int depth = 0; depth < 100 && node != OXP_NONE; depth++) {
        const oxp_graph *g = oxp_graph_at(m, oxp_node_at(m, node)->graph);
        if (oxp_node_at(m, node)->graph == graph)
            return node;
        if (g->kind != OXP_GRAPH_SUB)
            return OXP_NONE;
        node = g->owner;
    }
    return OXP_NONE;
}

/* Positions in the file's order, 1 and up, by index of node; false: some input comes later. */
static bool is_sorted(const oxp_engine *e, oxp_id graph, uint32_t *position) {
    const oxp_graph *g = oxp_graph_at(e->m, graph);
    uint32_t at = 0;
    for (oxp_id id = g->first; id != OXP_NONE; id = oxp_node_at(e->m, id)->next) {
        const oxp_node *n = oxp_node_at(e->m, id);
        position[id] = ++at;
        for (uint32_t i = 0; i < n->n_in; i++) {
            if (n->in[i] == OXP_NONE)
                continue;
            oxp_id producer = oxp_value_at(e->m, n->in[i])->producer;
            if (producer != OXP_NONE && oxp_node_at(e->m, producer)->graph == graph &&
                (position[producer] == 0 || producer == id))
                return false;
        }
    }
    return true;
}

/* Runs over the consumers of a node's outputs: counts (+1) or releases (-1) them; released nodes
 * that wait for nothing more go to the queue. */
static uint32_t visit_consumers(const oxp_engine *e, oxp_id graph, oxp_id id, uint32_t *waits,
                                int step, oxp_id *queue, uint32_t n_queue) {
    const oxp_node *n = oxp_node_at(e->m, id);
    for (uint32_t i = 0; i < n->n_out; i++) {
        if (n->out[i] == OXP_NONE)
            continue;
        for (oxp_id u = oxp_value_at(e->m, n->out[i])->first_use; u != OXP_NONE;
             u = oxp_use_at(e->m, u)->next) {
            oxp_id to = ancestor_in(e->m, graph, oxp_use_at(e->m, u)->node);
            if (to == OXP_NONE)
                continue;
            waits[to] = step > 0 ? waits[to] + 1 : waits[to] - 1;
            if (step < 0 && waits[to] == 0)
                queue[n_queue++] = to;
        }
    }
    return n_queue;
}

/* Kahn's algorithm; nodes on a cycle come last, in the file's order, and are reported. */
static const oxp_id *sort(oxp_engine *e, oxp_id graph) {
    const oxp_graph *g = oxp_graph_at(e->m, graph);
    uint32_t n = 0, done = 0;
    for (oxp_id id = g->first; id != OXP_NONE; id = oxp_node_at(e->m, id)->next)
        n++;
    oxp_id *order = OXP_NEWS(e->arena, n + 1u, oxp_id);
    uint32_t *waits = OXP_NEWS(e->scratch, oxp_node_count(e->m) + 1, uint32_t);
    for (oxp_id id = g->first; id != OXP_NONE; id = oxp_node_at(e->m, id)->next)
        visit_consumers(e, graph, id, waits, 1, NULL, 0);
    uint32_t queued = 0;
    for (oxp_id id = g->first; id != OXP_NONE; id = oxp_node_at(e->m, id)->next)
        if (waits[id] == 0)
            order[queued++] = id;
    while (done < queued) {
        queued = visit_consumers(e, graph, order[done], waits, -1, order, queued);
        done++;
    }
    if (queued < n) {
        for (oxp_id id = g->first; id != OXP_NONE; id = oxp_node_at(e->m, id)->next)
            if (waits[id] != 0)
                order[queued++] = id;
        oxp_infer_accuse(e, "cycle", order[done], "its inputs depend on its outputs");
    }
    order[n] = OXP_NONE;
    return order;
}

const oxp_id *oxp_infer_order(oxp_engine *e, oxp_id graph) {
    if (!e->checked[graph]) {
        e->checked[graph] = 1;
        oxp_mark mark = oxp_arena_mark(e->scratch);
        if (e->position == NULL) /* every node belongs to one graph: one array serves all */
            e->position = OXP_NEWS(e->arena, oxp_node_count(e->m) + 1, uint32_t);
        if (!is_sorted(e, graph, e->position))
            e->order[graph] = sort(e, graph);
        oxp_arena_rewind(e->scratch, mark);
    }
    return e->order[graph];
}
