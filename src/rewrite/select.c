/* select.c - the "nodes" param, and the loop over the nodes. */
#include "rewrite/select.h"

#include <stdlib.h>

bool oxp_selected(oxp_run *run, oxp_id node) {
    const char *p = oxp_run_param(run, "nodes", NULL);
    if (!p)
        return true;
    while (*p) {
        char *end;
        unsigned long long v = strtoull(p, &end, 10);
        if (end == p)
            return false;
        if (v == node)
            return true;
        p = end + (*end == ',');
    }
    return false;
}

static bool is_any(const oxp_node *node, const char *const *ops) {
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
        if (!node->live || !is_any(node, ops) || !oxp_selected(run, i))
            continue;
        if (one(run, i, arg, &why))
            changed++;
        else if (why)
            oxp_run_skip(run, i, "%s", why);
    }
    oxp_run_changed(run, changed);
    return changed;
}
