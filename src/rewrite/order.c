/* order.c - which of two nodes of a graph comes first, in one comparison.
 *
 * Each node of a graph has a label; labels grow along the list and leave gaps, in which new nodes
 * find theirs.  When a gap is used up the whole graph is labelled again. */
#include "rewrite/patch_impl.h"

#define GAP ((uint64_t)1 << 31)

static void label_graph(oxp_patch *p, oxp_id graph) {
    const oxp_model *m = p->m;
    uint64_t label = GAP;
    for (oxp_id n = m->graphs[graph].first; n != OXP_NONE; n = m->nodes[n].next, label += GAP)
        p->state->labels[n] = label;
    p->state->labelled[graph] = true;
}

static void make_room(oxp_patch *p) {
    p->state->labels = oxp_grow(p->run->arena, p->state->labels, &p->state->cap_labels,
                                p->m->n_nodes, sizeof *p->state->labels);
    if (p->state->n_labelled < p->m->n_graphs)
        p->state->labelled = oxp_grow(p->run->arena, p->state->labelled, &p->state->n_labelled,
                                      p->m->n_graphs, sizeof *p->state->labelled);
}

uint64_t oxp_patch_label(oxp_patch *p, oxp_id node) {
    oxp_id graph = p->m->nodes[node].graph;
    make_room(p);
    if (!p->state->labelled[graph])
        label_graph(p, graph);
    return p->state->labels[node];
}

void oxp_patch_label_new(oxp_patch *p, oxp_id node) {
    const oxp_node *n = &p->m->nodes[node];
    make_room(p);
    if (!p->state->labelled[n->graph])
        return; /* all at once when somebody asks */
    uint64_t low = n->prev == OXP_NONE ? 0 : p->state->labels[n->prev];
    uint64_t high = n->next == OXP_NONE ? low + 2 * GAP : p->state->labels[n->next];
    p->state->labels[node] = low + (high - low) / 2;
    if (high - low < 2)
        label_graph(p, n->graph);
}
