/* select.c - opts->only_nodes, and the loop over the nodes. */
#include "rewrite/select.h"

#include <math.h>
#include <stdint.h>

#include "rewrite/run_impl.h"

/* Where the node is in the list, plus 1; 0: it is not there. */
static uint32_t place_of(oxp_run *run, oxp_id node) {
    const oxp_pass_opts *o = run->opts;
    if (!run->places) {
        run->n_places = oxp_node_count(run->model);
        run->places = OXP_NEWS(run->arena, run->n_places + 1, uint32_t);
        for (size_t i = 0; i < o->n_only_nodes; i++)
            if (o->only_nodes[i] < run->n_places)
                run->places[o->only_nodes[i]] = (uint32_t)i + 1;
    }
    return node < run->n_places ? run->places[node] : 0;
}

bool oxp_run_selected(oxp_run *run, oxp_id node) {
    if (!run->opts->only_nodes || place_of(run, node))
        return true;
    run->passed_over++;
    return false;
}

double oxp_run_selected_value(oxp_run *run, oxp_id node) {
    uint32_t at = run->opts->only_nodes && run->opts->only_values ? place_of(run, node) : 0;
    return at ? run->opts->only_values[at - 1] : NAN;
}

static bool is_any(const oxp_node *node, const char *const *ops) {
    if (!ops)
        return true;
    while (*ops && !oxp_node_is(node, *ops))
        ops++;
    return *ops;
}

size_t oxp_run_each(oxp_run *run, const char *const *ops, oxp_run_one *one, void *arg) {
    const oxp_model *m = oxp_run_model(run);
    size_t n = oxp_node_count(m), changed = 0;
    for (oxp_id i = 0; i < n; i++) {
        const oxp_node *node = oxp_node_at(m, i);
        const char *why = NULL;
        if (!node->live || !is_any(node, ops) || !oxp_run_selected(run, i))
            continue;
        if (one(run, i, arg, &why))
            changed++;
        else if (why)
            oxp_run_skip(run, i, "%s", why);
    }
    oxp_run_changed(run, changed);
    return changed;
}
