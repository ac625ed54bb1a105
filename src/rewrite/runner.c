/* runner.c - runs passes in their declared order; what a pass sees while it runs. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "analysis/binding.h"
#include "model/model_impl.h"
#include "rewrite/run_impl.h"

#include "passes.inc"

size_t oxp_pass_count(void) {
    return sizeof oxp_pass_list / sizeof *oxp_pass_list - 1;
}

const oxp_pass *oxp_pass_at(size_t i) {
    return i < oxp_pass_count() ? oxp_pass_list[i] : NULL;
}

const oxp_pass *oxp_pass_find(const char *name) {
    for (size_t i = 0; i < oxp_pass_count(); i++)
        if (!strcmp(oxp_pass_list[i]->name, name))
            return oxp_pass_list[i];
    return NULL;
}

/* ---- what a pass sees ---- */

oxp_model *oxp_run_model(oxp_run *run) {
    return run->model;
}

const oxp_pass_opts *oxp_run_opts(oxp_run *run) {
    return run->opts;
}

const oxp_analysis *oxp_run_analysis(oxp_run *run) {
    return run->analysis;
}

oxp_arena *oxp_run_arena(oxp_run *run) {
    return run->arena;
}

const oxp_analysis *oxp_run_reanalyze(oxp_run *run) {
    oxp_analyze_opts how = OXP_ANALYZE_OPTS_INIT;
    how.bindings = oxp_bindings_left(run->model, run->opts->bindings, run->opts->n_bindings,
                                     &how.n_bindings, run->arena);
    how.keep_unbound = true;
    how.quiet = true;
    run->analysed_values = oxp_value_count(run->model);
    oxp_status s = oxp_analyze(&run->analysis, run->model, &how, run->arena);
    if (s != OXP_OK)
        oxp_reraise(run->ctx, s);
    return run->analysis;
}

const char *oxp_run_param(oxp_run *run, const char *key, const char *otherwise) {
    size_t len = strlen(key);
    for (size_t i = 0; i < run->opts->n_params; i++)
        if (!strncmp(run->opts->params[i], key, len) && run->opts->params[i][len] == '=')
            return run->opts->params[i] + len + 1;
    return otherwise;
}

void oxp_run_changed(oxp_run *run, size_t n) {
    run->changed += n;
}

static void add(oxp_run *run, oxp_skip_list *l, oxp_id node, const char *text) {
    l->items = oxp_grow(run->kept, l->items, &l->cap, l->n + 1, sizeof *l->items);
    l->items[l->n++] =
        (oxp_skip){node == OXP_NONE ? "" : oxp_node_label(run->model, node, run->kept), text};
}

void oxp_run_skip(oxp_run *run, oxp_id node, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    const char *text = oxp_vsprintf(run->kept, fmt, ap);
    va_end(ap);
    add(run, &run->skips, node, text);
}

void oxp_run_note(oxp_run *run, oxp_id node, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    const char *text = oxp_vsprintf(run->kept, fmt, ap);
    va_end(ap);
    add(run, &run->notes, node, text);
}

void oxp_run_summary(oxp_run *run, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    run->summary = oxp_vsprintf(run->kept, fmt, ap);
    va_end(ap);
}

void oxp_run_impossible(oxp_run *run, oxp_id node, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    const char *text = oxp_vsprintf(run->kept, fmt, ap);
    va_end(ap);
    const char *label = node == OXP_NONE ? "" : oxp_node_label(run->model, node, run->arena);
    oxp_raise(run->ctx, OXP_E_UNSUPPORTED, "%s: %s: %s%s%s", oxp_model_path(run->model),
              run->pass->name, label, *label ? ": " : "", text);
}

/* ---- order ---- */

static bool runs_after(const oxp_pass *p, const char *name) {
    for (const char *const *a = p->after; a && *a; a++)
        if (!strcmp(*a, name))
            return true;
    return false;
}

/* Picks, again and again, the first pass that waits for no other one that is left; the order of the
 * request decides otherwise.  A circle (our own bug) falls back to the order of the request. */
static size_t order(const oxp_pass **list, size_t n) {
    for (size_t at = 0; at < n; at++) {
        size_t pick = at;
        for (size_t i = at; i < n; i++) {
            bool waits = false;
            for (size_t k = at; k < n && !waits; k++)
                waits = k != i && runs_after(list[i], list[k]->name);
            if (!waits) {
                pick = i;
                break;
            }
        }
        const oxp_pass *p = list[pick];
        memmove(list + at + 1, list + at, (pick - at) * sizeof *list);
        list[at] = p;
    }
    return n;
}

/* ---- running ---- */

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static const char *missing_file(const oxp_model *m) {
    for (size_t i = 0; i < m->n_files; i++)
        if (!m->files[i].found)
            return m->files[i].location;
    return "";
}

static void refuse_if_impossible(oxp_run *run) {
    const oxp_pass *p = run->pass;
    const char *path = oxp_model_path(run->model);
    if ((p->flags & OXP_PASS_RETRAINING) && !run->opts->allow_retraining)
        oxp_raise(run->ctx, OXP_E_UNSUPPORTED,
                  "%s: %s changes what the model computes, it must be fine-tuned afterwards: say "
                  "--allow-retraining",
                  path, p->name);
    if ((p->flags & OXP_PASS_NEEDS_WEIGHTS) && !run->opts->assume_weights &&
        !oxp_model_has_weights(run->model))
        oxp_raise(run->ctx, OXP_E_UNSUPPORTED,
                  "%s: %s needs the weights, and the external data file '%.200s' is not there "
                  "(--dry-run projects without them)",
                  path, p->name, missing_file(run->model));
}

static void drop_arena(void *arena) {
    oxp_arena_free(arena);
}

/* What-ifs patch one copy after another of the same model: its analysis fits each of them. */
static void take_given(oxp_run *run) {
    oxp_analysis *a = OXP_NEW(run->arena, oxp_analysis);
    *a = *run->opts->given;
    a->model = run->model;
    run->analysis = a;
    run->analysed_values = oxp_value_count(run->model);
}

static void run_one(oxp_model *m, const oxp_pass *pass, const oxp_pass_opts *opts,
                    oxp_pass_result *result) {
    oxp_ctx *ctx = oxp_model_ctx(m);
    oxp_run run = {.model = m, .ctx = ctx, .pass = pass, .opts = opts, .kept = oxp_model_arena(m)};
    run.arena = oxp_arena_new(ctx);
    size_t token = oxp_defer(ctx, drop_arena, run.arena);
    double start = now();
    refuse_if_impossible(&run);
    if ((pass->flags & OXP_PASS_NEEDS_ANALYSIS) && opts->given && !m->changed)
        take_given(&run);
    else if (pass->flags & OXP_PASS_NEEDS_ANALYSIS)
        oxp_run_reanalyze(&run);
    pass->run(&run);
    if (run.open)
        oxp_patch_discard(run.open);
    *result = (oxp_pass_result){.name = pass->name,
                                .changed = run.changed,
                                .passed_over = run.passed_over,
                                .summary = run.summary,
                                .skipped = run.skips.items,
                                .n_skipped = run.skips.n,
                                .notes = run.notes.items,
                                .n_notes = run.notes.n,
                                .seconds = now() - start,
                                .fidelity = pass->fidelity,
                                .decisions = run.decisions,
                                .n_decisions = run.n_decisions};
    oxp_undefer(ctx, token, true);
}

typedef struct job {
    oxp_model *m;
    const char *const *names;
    size_t n;
    const oxp_pass_opts *opts;
    oxp_pass_result *results;
} job;

static void run_all(void *arg) {
    job *j = arg;
    oxp_arena *arena = oxp_model_arena(j->m);
    const oxp_pass **list = OXP_NEWS(arena, j->n + 1, const oxp_pass *);
    for (size_t i = 0; i < j->n; i++)
        if (!(list[i] = oxp_pass_find(j->names[i])))
            oxp_raise(oxp_model_ctx(j->m), OXP_E_USAGE, "there is no pass '%s'", j->names[i]);
    order(list, j->n);
    j->results = OXP_NEWS(arena, j->n + 1, oxp_pass_result);
    for (size_t i = 0; i < j->n; i++) {
        run_one(j->m, list[i], j->opts, &j->results[i]);
        if (j->opts->after)
            j->opts->after(j->opts->after_arg, j->m, i, &j->results[i]);
    }
}

oxp_status oxp_run_passes(oxp_model *m, const char *const *names, size_t n,
                          const oxp_pass_opts *opts, const oxp_pass_result **results,
                          size_t *n_results) {
    job j = {m, names, n, opts, NULL};
    oxp_status s = oxp_try(oxp_model_ctx(m), run_all, &j);
    if (s == OXP_OK) {
        *results = j.results;
        *n_results = n;
    }
    return s;
}
