/* decide.c - what a run decided, node by node, and what it was told to leave out. */
#include <string.h>

#include "rewrite/patch_impl.h"

const char *oxp_run_excluded(oxp_run *run, oxp_id node) {
    const oxp_pass_opts *o = run->opts;
    const char *label = o->n_excluded ? oxp_node_label(run->model, node, run->arena) : "";
    for (size_t i = 0; i < o->n_excluded; i++)
        if (!strcmp(o->excluded[i].pass, run->pass->name) && !strcmp(o->excluded[i].node, label))
            return o->excluded[i].why;
    return NULL;
}

/* The node that stands for the whole patch: the first that it drops, else the first that it
 * changes; OXP_NONE when it only adds. */
static oxp_id key_of(const oxp_patch *p) {
    oxp_id first = OXP_NONE;
    for (size_t i = 0; i < p->n_edits; i++) {
        if (oxp_edit_at(p, i)->fresh)
            continue;
        if (oxp_edit_at(p, i)->dropped)
            return oxp_edit_at(p, i)->node;
        if (first == OXP_NONE)
            first = oxp_edit_at(p, i)->node;
    }
    return first;
}

const char *oxp_patch_excluded(oxp_patch *p) {
    oxp_id key = key_of(p);
    if (!p->run->opts->n_excluded || key == OXP_NONE || (p->run->pass->flags & OXP_PASS_PER_NODE))
        return NULL;
    return oxp_run_excluded(p->run, key);
}

static void add(oxp_run *run, const char *node, const char *const *touched, size_t n) {
    run->decisions = oxp_grow(run->kept, run->decisions, &run->cap_decisions, run->n_decisions + 1,
                              sizeof *run->decisions);
    run->decisions[run->n_decisions++] = (oxp_decision){node, touched, n};
}

void oxp_run_decided(oxp_run *run, oxp_id node) {
    const char **touched;
    if (!run->opts->keep_decisions)
        return;
    touched = OXP_NEWS(run->kept, 1, const char *);
    touched[0] = oxp_node_label(run->model, node, run->kept);
    add(run, touched[0], touched, 1);
}

void oxp_patch_record(oxp_patch *p) {
    oxp_run *run = p->run;
    oxp_id key = key_of(p);
    if (!run->opts->keep_decisions || key == OXP_NONE || (run->pass->flags & OXP_PASS_PER_NODE))
        return;
    const char **touched = OXP_NEWS(run->kept, p->n_edits + 1, const char *);
    size_t n = 0;
    for (size_t i = 0; i < p->n_edits; i++)
        if (!oxp_edit_at(p, i)->fresh)
            touched[n++] = oxp_node_label(p->m, oxp_edit_at(p, i)->node, run->kept);
    add(run, oxp_node_label(p->m, key, run->kept), touched, n);
}
