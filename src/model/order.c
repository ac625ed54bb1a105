/* order.c - topological order of nodes and of function calls: Kahn's algorithm (CACM 5(11), 1962).
 */
#include "model/load.h"

/* ---- nodes of a graph ---- */

/* Smallest number first, so that the order of the file is kept where it can be. */
typedef struct heap {
    uint32_t *at;
    size_t n;
} heap;

static void push(heap *h, uint32_t v) {
    size_t i = h->n++;
    for (; i && h->at[(i - 1) / 2] > v; i = (i - 1) / 2)
        h->at[i] = h->at[(i - 1) / 2];
    h->at[i] = v;
}

static uint32_t pop(heap *h) {
    uint32_t top = h->at[0], v = h->at[--h->n];
    size_t i = 0, child;
    while ((child = 2 * i + 1) < h->n) {
        if (child + 1 < h->n && h->at[child + 1] < h->at[child])
            child++;
        if (h->at[child] >= v)
            break;
        h->at[i] = h->at[child];
        i = child;
    }
    h->at[i] = v;
    return top;
}

/* Position in `graph` of the node that is `node` or holds it in a subgraph, at any depth. */
static uint32_t holder(const oxp_model *m, oxp_id node, oxp_id graph) {
    while (m->nodes[node].graph != graph)
        node = m->graphs[m->nodes[node].graph].owner;
    return m->nodes[node].file_index;
}

/* Adds `by` to the count of every node that waits for `node`; those that reach 0 are ready. */
static void release(const oxp_model *m, const oxp_node *n, uint32_t *waits, int by, heap *ready) {
    for (uint32_t i = 0; i < n->n_out; i++) {
        if (n->out[i] == OXP_NONE)
            continue;
        for (oxp_id u = m->values[n->out[i]].first_use; u != OXP_NONE; u = m->uses[u].next) {
            uint32_t at = holder(m, m->uses[u].node, n->graph);
            waits[at] += (uint32_t)by;
            if (by < 0 && !waits[at])
                push(ready, at);
        }
    }
}

/* A node on a circle: whoever is left waits for somebody who is left. */
static oxp_id on_circle(const oxp_model *m, const oxp_id *nodes, const uint32_t *waits, size_t n) {
    uint32_t at = 0;
    while (!waits[at])
        at++;
    for (size_t steps = 0; steps < n; steps++) {
        const oxp_node *node = &m->nodes[nodes[at]];
        uint32_t before = OXP_NONE;
        for (uint32_t i = 0; i < node->n_in && before == OXP_NONE; i++) {
            oxp_id p = node->in[i] == OXP_NONE ? OXP_NONE : m->values[node->in[i]].producer;
            if (p != OXP_NONE && m->nodes[p].graph == node->graph && waits[m->nodes[p].file_index])
                before = m->nodes[p].file_index;
        }
        if (before == OXP_NONE)
            break; /* it waits through a subgraph of its own */
        at = before;
    }
    return nodes[at];
}

void oxp_load_sort(oxp_loader *l, oxp_id graph) {
    oxp_model *m = l->m;
    oxp_graph *g = &m->graphs[graph];
    size_t n = g->n_nodes, done = 0;
    oxp_mark mark = oxp_arena_mark(l->scratch);
    oxp_id *nodes = OXP_NEWS(l->scratch, n, oxp_id), last = OXP_NONE;
    uint32_t *waits = OXP_NEWS(l->scratch, n, uint32_t);
    heap ready = {OXP_NEWS(l->scratch, n, uint32_t), 0};
    for (oxp_id id = g->first; id != OXP_NONE; id = m->nodes[id].next) {
        nodes[m->nodes[id].file_index] = id;
        release(m, &m->nodes[id], waits, 1, NULL);
    }
    for (uint32_t i = 0; i < n; i++)
        if (!waits[i])
            push(&ready, i);
    g->first = g->last = OXP_NONE;
    g->n_nodes = 0;
    for (; ready.n; done++) {
        oxp_id id = nodes[pop(&ready)];
        oxp_model_link_after(m, id, last);
        last = id;
        release(m, &m->nodes[id], waits, -1, &ready);
    }
    if (done < n) {
        const oxp_node *bad = &m->nodes[on_circle(m, nodes, waits, n)];
        OXP_BAD(l, oxp_load_what(l, bad), bad->src.off,
                "it is part of a cycle: it needs its own result");
    }
    /* Runtimes sort the main graph, but refuse a body that is not sorted. */
    bool inner = g->kind != OXP_GRAPH_MAIN;
    oxp_diagnose(l->ctx, inner ? OXP_ERROR : OXP_WARNING, "unsorted",
                 g->kind == OXP_GRAPH_SUB ? oxp_node_label(m, g->owner, l->temp) : g->name,
                 "the nodes of the %s are not in topological order; they were put in order",
                 g->kind == OXP_GRAPH_SUB        ? g->attr
                 : g->kind == OXP_GRAPH_FUNCTION ? "function"
                                                 : "graph");
    oxp_arena_rewind(l->scratch, mark);
}

/* ---- calls of functions ---- */

typedef struct call {
    uint32_t callee, next; /* next call by the same function */
} call;

void oxp_load_check_calls(oxp_loader *l) {
    const oxp_model *m = l->m;
    size_t n = m->n_functions, n_calls = 0, done = 0, n_ready = 0;
    if (!n)
        return;
    for (size_t i = 0; i < m->n_nodes; i++)
        n_calls += m->nodes[i].function != OXP_NONE;
    call *calls = OXP_NEWS(l->scratch, n_calls + 1, call);
    uint32_t *first = OXP_NEWS(l->scratch, n, uint32_t),
             *callers = OXP_NEWS(l->scratch, n, uint32_t);
    uint32_t *ready = OXP_NEWS(l->scratch, n, uint32_t), used = 1; /* call 0: the end of a list */
    for (size_t i = 0; i < m->n_nodes; i++) {
        const oxp_graph *root = &m->graphs[l->graphs[m->nodes[i].graph].root];
        oxp_id callee = m->nodes[i].function;
        if (callee == OXP_NONE || root->kind != OXP_GRAPH_FUNCTION)
            continue;
        calls[used] = (call){callee, first[root->owner]};
        first[root->owner] = used++;
        callers[callee]++;
    }
    for (uint32_t i = 0; i < n; i++)
        if (!callers[i])
            ready[n_ready++] = i;
    for (; done < n_ready; done++)
        for (uint32_t c = first[ready[done]]; c; c = calls[c].next)
            if (!--callers[calls[c].callee])
                ready[n_ready++] = calls[c].callee;
    for (uint32_t i = 0; i < n && done < n; i++)
        if (callers[i])
            OXP_BAD(l, oxp_sprintf(l->temp, "function '%.120s'", m->functions[i].name),
                    m->graphs[m->functions[i].graph].src.off,
                    "it calls itself, directly or through others, or is called by one that does");
}
