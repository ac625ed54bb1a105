/* order.c - which of two nodes of a graph comes first, in one comparison.
 *
 * Each node of a graph has a label; labels grow along the list and leave gaps, in which new nodes
 * find theirs.  When a gap is used up the whole graph is labelled again. */
#include "rewrite/run.h"

#define GAP ((uint64_t)1 << 31)

static void label_graph(oxp_run *run, oxp_id graph) {
    const oxp_model *m = run->m;
    uint64_t label = GAP;
    for (oxp_id n = m->graphs[graph].first; n != OXP_NONE; n = m->nodes[n].next, label += GAP)
        run->labels[n] = label;
    run->labelled[graph] = true;
}

static void make_room(oxp_run *run) {
    run->labels =
        oxp_grow(run->arena, run->labels, &run->cap_labels, run->m->n_nodes, sizeof *run->labels);
    if (run->n_labelled < run->m->n_graphs)
        run->labelled = oxp_grow(run->arena, run->labelled, &run->n_labelled, run->m->n_graphs,
                                 sizeof *run->labelled);
}

uint64_t oxp_run_label(oxp_run *run, oxp_id node) {
    oxp_id graph = run->m->nodes[node].graph;
    make_room(run);
    if (!run->labelled[graph])
        label_graph(run, graph);
    return run->labels[node];
}

void oxp_run_label_new(oxp_run *run, oxp_id node) {
    const oxp_node *n = &run->m->nodes[node];
    make_room(run);
    if (!run->labelled[n->graph])
        return; /* all at once when somebody asks */
    uint64_t low = n->prev == OXP_NONE ? 0 : run->labels[n->prev];
    uint64_t high = n->next == OXP_NONE ? low + 2 * GAP : run->labels[n->next];
    run->labels[node] = low + (high - low) / 2;
    if (high - low < 2)
        label_graph(run, n->graph);
}
