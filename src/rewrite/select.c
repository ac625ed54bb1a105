/* select.c - the "nodes" param, and the loop over the nodes. */
#include "rewrite/select.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The place of the node in the list of ids; -1: it is not there. */
static long place_of(const char *ids, oxp_id node) {
    for (long at = 0; *ids; at++) {
        char *end;
        unsigned long long v = strtoull(ids, &end, 10);
        if (end == ids)
            return -1;
        if (v == node)
            return at;
        ids = end + (*end == ',');
    }
    return -1;
}

bool oxp_selected(oxp_run *run, oxp_id node) {
    const char *ids = oxp_run_param(run, "nodes", NULL);
    return !ids || place_of(ids, node) >= 0;
}

double oxp_selected_value(oxp_run *run, oxp_id node) {
    const char *ids = oxp_run_param(run, "nodes", NULL), *v = oxp_run_param(run, "each", NULL);
    long at = ids && v ? place_of(ids, node) : -1;
    for (; at > 0 && *v; at--) {
        v += strcspn(v, ",");
        v += *v == ',';
    }
    return at == 0 && *v ? strtod(v, NULL) : NAN;
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
