/* infer_report.c - what the walk has to say about nodes, and what it keeps back.
 *
 * A branch of an If whose condition nobody knows may never run, and it need not fit the sizes at
 * hand: a network for two sampling rates has a branch for each.  So what is wrong within it is held
 * back until the other branch was walked too (control.c).  What no sizes can cure - a missing
 * attribute, a wrong type - is never held back. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "analysis/infer_impl.h"

enum { WARNED = 1, ACCUSED = 2, HELD_MAX = 64 };

static void tell(oxp_engine *e, oxp_severity severity, const char *code, oxp_id node,
                 const char *text) {
    bool error = severity == OXP_ERROR;
    e->partial |= error;
    e->n_errors += error;
    if (e->opts->quiet || (e->reported[node] & ACCUSED) || (!error && e->reported[node]))
        return;
    e->reported[node] |= error ? ACCUSED : WARNED;
    oxp_mark mark = oxp_arena_mark(e->scratch);
    oxp_diagnose(oxp_model_ctx(e->m), severity, code, oxp_node_label(e->m, node, e->scratch), "%s",
                 text);
    oxp_arena_rewind(e->scratch, mark);
}

/* ---- holding back ---- */

typedef struct report {
    struct report *next;
    oxp_severity severity;
    const char *code, *text;
    oxp_id node;
} report;

struct oxp_trial {
    oxp_trial *outer;
    report *first, **last;
    const report *error; /* the first one */
    uint32_t kept, errors;
    uint64_t errors_before;
};

oxp_trial *oxp_trial_begin(oxp_call *c) {
    oxp_engine *e = c->engine;
    oxp_trial *t = OXP_NEW(e->arena, oxp_trial);
    t->outer = e->trial;
    t->last = &t->first;
    t->errors_before = e->n_errors;
    e->trial = t;
    return t;
}

bool oxp_trial_end(oxp_call *c, oxp_trial *t) {
    c->engine->trial = t->outer;
    return t->errors == 0;
}

static void hold(oxp_engine *e, oxp_severity severity, const char *code, oxp_id node,
                 const char *text) {
    oxp_trial *t = e->trial;
    t->errors += severity == OXP_ERROR;
    e->n_errors += severity == OXP_ERROR;
    for (const report *r = t->first; r != NULL; r = r->next)
        if (r->node == node && (r->severity == severity || r->severity == OXP_ERROR))
            return;
    if (t->kept >= HELD_MAX && (t->error != NULL || severity != OXP_ERROR))
        return;
    report *r = OXP_NEW(e->arena, report);
    *r = (report){NULL, severity, code, oxp_strdup(e->arena, text), node};
    if (t->error == NULL && severity == OXP_ERROR)
        t->error = r;
    *t->last = r;
    t->last = &r->next;
    t->kept++;
}

void oxp_trial_accept(oxp_call *c, const oxp_trial *t) {
    oxp_engine *e = c->engine;
    e->n_errors -= t->errors; /* counted again where they now go */
    for (const report *r = t->first; r != NULL; r = r->next)
        oxp_infer_report(e, r->severity, r->code, r->node, r->text);
}

void oxp_trial_dismiss(oxp_call *c, const oxp_trial *t, const char *branch) {
    oxp_engine *e = c->engine;
    char text[500];
    e->n_errors = t->errors_before;
    if (t->error == NULL)
        return;
    oxp_mark mark = oxp_arena_mark(e->scratch);
    snprintf(text, sizeof text,
             "%.250s; this is in the %s of %.120s, which is assumed not to run with these sizes",
             t->error->text, branch, oxp_node_label(e->m, c->node_id, e->scratch));
    oxp_arena_rewind(e->scratch, mark);
    oxp_infer_report(e, OXP_WARNING, "branch-cannot-run", t->error->node, text);
}

/* ---- what others call ---- */

void oxp_infer_report(oxp_engine *e, oxp_severity severity, const char *code, oxp_id node,
                      const char *text) {
    (e->trial != NULL ? hold : tell)(e, severity, code, node, text);
}

void oxp_infer_give_up(oxp_engine *e, oxp_id node, const char *text) {
    e->partial = true;
    if (!e->gave_up)
        tell(e, OXP_WARNING, "too-much-work", node, text);
    e->gave_up = true;
}

void oxp_infer_accuse(oxp_engine *e, const char *code, oxp_id node, const char *text) {
    tell(e, OXP_ERROR, code, node, text);
}

static OXP_PRINTF(4, 0) const
    char *node_text(const oxp_call *c, char *text, size_t size, const char *fmt, va_list args) {
    int used = snprintf(text, size, "%s: ", c->node->op);
    used = used < 0 || used > 200 ? 0 : used;
    vsnprintf(text + used, size - (size_t)used, fmt, args);
    return text;
}

void oxp_op_error(oxp_call *c, const char *fmt, ...) {
    char text[400];
    va_list args;
    va_start(args, fmt);
    oxp_infer_report(c->engine, OXP_ERROR, "inconsistent-node", c->node_id,
                     node_text(c, text, sizeof text, fmt, args));
    va_end(args);
}

void oxp_op_invalid(oxp_call *c, const char *fmt, ...) {
    char text[400];
    va_list args;
    va_start(args, fmt);
    oxp_infer_accuse(c->engine, "inconsistent-node", c->node_id,
                     node_text(c, text, sizeof text, fmt, args));
    va_end(args);
}

void oxp_op_warn(oxp_call *c, const char *fmt, ...) {
    char text[400];
    va_list args;
    va_start(args, fmt);
    oxp_infer_report(c->engine, OXP_WARNING, "odd-node", c->node_id,
                     node_text(c, text, sizeof text, fmt, args));
    va_end(args);
}

void oxp_op_overflow(oxp_call *c, uint32_t slot) {
    char text[200];
    snprintf(text, sizeof text, "%.80s: output %u would have more than 2^63-1 elements",
             c->node->op, slot);
    oxp_infer_report(c->engine, OXP_ERROR, OXP_CODE_OVERFLOW, c->node_id, text);
}
