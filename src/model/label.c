/* label.c - how nodes and values are called in messages and reports. */
#include "model/model_impl.h"
#include "model/wire.h"

static const char *own_label(const oxp_model *m, const oxp_node *n, oxp_arena *arena) {
    if (n->name && n->name[0])
        return n->name;
    for (uint32_t i = 0; i < n->n_out; i++)
        if (n->out[i] != OXP_NONE)
            return oxp_sprintf(arena, "%s(out: %s)", n->op, m->values[n->out[i]].name);
    return oxp_sprintf(arena, "%s #%u", n->op, (unsigned)n->file_index);
}

const char *oxp_node_own_label(const oxp_model *m, oxp_id node, oxp_arena *arena) {
    return own_label(m, &m->nodes[node], arena);
}

/* "If_3/then_branch/": what stands before the names of a graph; "" for the main graph. */
static const char *prefix(const oxp_model *m, oxp_id graph, oxp_arena *arena) {
    oxp_id chain[OXP_DEPTH_MAX];
    unsigned depth = 0;
    const oxp_graph *g = &m->graphs[graph];
    for (; g->kind == OXP_GRAPH_SUB && depth < OXP_DEPTH_MAX; depth++) {
        chain[depth] = graph;
        graph = m->nodes[g->owner].graph;
        g = &m->graphs[graph];
    }
    const char *text = "";
    if (g->kind == OXP_GRAPH_FUNCTION)
        text = oxp_sprintf(arena, "%s/", m->functions[g->owner].name);
    while (depth--) {
        g = &m->graphs[chain[depth]];
        text =
            oxp_sprintf(arena, "%s%s/%s/", text, own_label(m, &m->nodes[g->owner], arena), g->attr);
    }
    return text;
}

const char *oxp_node_label(const oxp_model *m, oxp_id node, oxp_arena *arena) {
    const oxp_node *n = &m->nodes[node];
    const char *path = prefix(m, n->graph, arena), *own = own_label(m, n, arena);
    return path[0] ? oxp_sprintf(arena, "%s%s", path, own) : own;
}

const char *oxp_value_label(const oxp_model *m, oxp_id value, oxp_arena *arena) {
    const oxp_value *v = &m->values[value];
    const char *path = v->graph == OXP_NONE ? "" : prefix(m, v->graph, arena);
    return path[0] ? oxp_sprintf(arena, "%s%s", path, v->name) : v->name;
}
