/* eliminate_dead.c - drops nodes whose results nobody reads.
 *
 *   before   a = Shape(x)  b = Gather(a, 0)   y = Relu(x)       after   y = Relu(x)
 *
 * Condition: no output of the node is read by a live node (in any graph) or is a graph output.
 * Exact: what is computed for nobody cannot be seen; ONNX operators have no side effects. Constants
 * and initializers that only dead nodes read go with them, and so do initializers that nothing ever
 * read, but for those that a caller may override: they are part of the interface. */
#include "onnxpert/pass.h"

static bool dead(const oxp_model *m, const oxp_node *n) {
    for (uint32_t i = 0; i < n->n_out; i++) {
        if (n->out[i] == OXP_NONE)
            continue;
        const oxp_value *v = oxp_value_at(m, n->out[i]);
        if (v->n_uses || v->outputs)
            return false;
    }
    return true;
}

/* Last node first, so that a dead chain goes in one sweep. */
static size_t sweep(oxp_run *run, oxp_id graph) {
    oxp_model *m = oxp_run_model(run);
    const oxp_graph *g = oxp_graph_at(m, graph);
    oxp_id *nodes = OXP_NEWS(oxp_run_arena(run), g->n_nodes + (size_t)1, oxp_id);
    size_t n = 0, dropped = 0;
    for (oxp_id id = g->first; id != OXP_NONE; id = oxp_node_at(m, id)->next)
        nodes[n++] = id;
    while (n-- > 0) {
        if (!oxp_node_at(m, nodes[n])->live || !dead(m, oxp_node_at(m, nodes[n])))
            continue;
        const char *why = NULL;
        oxp_patch *p = oxp_patch_new(run);
        oxp_patch_drop(p, nodes[n]);
        if (oxp_patch_apply(p, &why))
            dropped++;
        else
            oxp_run_skip(run, nodes[n], "%s", why);
    }
    return dropped;
}

/* Initializers that nothing read from the start; the others went with their last reader. */
static size_t forget_initializers(oxp_run *run) {
    oxp_model *m = oxp_run_model(run);
    oxp_patch *p = oxp_patch_new(run);
    size_t n = 0;
    for (oxp_id id = 0; id < oxp_value_count(m); id++) {
        const oxp_value *v = oxp_value_at(m, id);
        if (!v->live || v->tensor == OXP_NONE || v->n_uses || v->outputs || v->overridable)
            continue;
        oxp_patch_forget(p, id);
        n++;
    }
    const char *why = NULL;
    if (n && oxp_patch_apply(p, &why))
        return n;
    if (why)
        oxp_run_skip(run, OXP_NONE, "%s", why);
    else
        oxp_patch_discard(p);
    return 0;
}

static void run(oxp_run *r) {
    oxp_model *m = oxp_run_model(r);
    size_t dropped = 0;
    /* outer graphs first: a dropped If takes its branches along */
    for (oxp_id g = 0; g < oxp_graph_count(m); g++)
        if (oxp_graph_at(m, g)->live)
            dropped += sweep(r, g);
    /* what only the inner graphs read has become dead by now */
    for (oxp_id g = 0; g < oxp_graph_count(m); g++)
        if (oxp_graph_at(m, g)->live)
            dropped += sweep(r, g);
    size_t initializers = forget_initializers(r);
    oxp_run_changed(r, dropped + initializers);
    oxp_run_summary(r, "%zu unused nodes and %zu unused initializers dropped", dropped,
                    initializers);
}

static const char *const after[] = {"fold-constants", "eliminate-no-ops", NULL};

const oxp_pass oxp_pass_eliminate_dead = {
    .name = "eliminate-dead",
    .summary = "drop nodes and constants that no output depends on",
    .fidelity = OXP_EXACT,
    .after = after,
    .run = run,
};
