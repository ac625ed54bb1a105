/* The cases of tests/ops: single operators and small graphs, what inference and costs must say of
 * them, and which diagnostic a node that is wrong gets.
 *
 * A case is a paragraph.  Its first line names it: "case NAME [opset N]".  Lines that begin with a
 * word below say what is wanted; all others are the model (support/model_text.h): type NAME TYPE
 * the symbolic type of a value of the main graph: float32[N,4], int64[*] (rank unknown), "?"
 * (nothing known), sequence<float32[2]> bind DIM=N ...        also with these sizes: what inference
 * says must be the symbolic shapes evaluated macs|flops|ints|moved N   the totals (under the
 * bindings) params N unknown N             nodes of unknown cost error TEXT            an error of
 * a node (whose label begins the line of the report) holds TEXT; warning TEXT          without
 * these lines there must be no such diagnostic */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "onnxpert/analyze.h"
#include "report/reports.h"
#include "support/case_file.h"
#include "support/model_text.h"
#include "support/type_text.h"

typedef struct world {
    const case_text *c;
    oxp_ctx *ctx;
    oxp_arena *arena;
    oxp_model *m;
    const oxp_analysis *a;
    int problems;
} world;

static void problem(world *w, const char *what, const char *wanted, const char *got) {
    print_error("%s: %s: wanted %s, got %s\n", w->c->name, what, wanted, got);
    w->problems++;
}

static oxp_id value_named(world *w, const char *name) {
    for (oxp_id i = 0; i < oxp_value_count(w->m); i++) {
        const oxp_value *v = oxp_value_at(w->m, i);
        if (v->live && v->graph == OXP_MAIN_GRAPH && strcmp(v->name, name) == 0)
            return i;
    }
    return OXP_NONE;
}

static void check_type(world *w, char *rest) {
    char *name = strsep(&rest, " ");
    oxp_id v = value_named(w, name);
    const char *got =
        v == OXP_NONE ? "no such value" : type_text(w->m, &w->a->values[v].symbolic, w->arena);
    if (!rest || strcmp(rest, got) != 0)
        problem(w, name, rest ? rest : "", got);
}

/* Is there such a diagnostic, and does it say which node? */
static void check_diagnostic(world *w, oxp_severity severity, const char *text) {
    for (size_t i = 0; i < oxp_diag_count(w->ctx); i++) {
        const oxp_diag *d = oxp_diag_at(w->ctx, i);
        if (d->severity == severity && strstr(d->text, text)) {
            if (!d->where || !d->where[0])
                problem(w, d->text, "the node's name", "nothing");
            return;
        }
    }
    problem(w, severity == OXP_ERROR ? "error" : "warning", text, "no such diagnostic");
}

/* Where an error was told, the totals are partial, in the report as well: it shows local functions
 * with their bodies in place of the calls. */
static void check_partial(world *w) {
    if (!w->a->totals.partial)
        problem(w, "totals", "partial", "whole");
    const oxp_report *r = oxp_report_analysis(w->arena, w->a, NULL, NULL, NULL, 0);
    oxp_sink *o = oxp_sink_new(w->arena);
    size_t len;
    oxp_format_find("json")->render(r, o, w->arena, false);
    if (!strstr(oxp_sink_text(o, &len), "\"partial\": true"))
        problem(w, "totals of the report", "partial", "whole");
}

static void no_other_diagnostics(world *w, size_t errors, size_t warnings) {
    size_t n[3] = {0};
    for (size_t i = 0; i < oxp_diag_count(w->ctx); i++)
        n[oxp_diag_at(w->ctx, i)->severity]++;
    if ((n[OXP_ERROR] && !errors) || (n[OXP_WARNING] && !warnings))
        for (size_t i = 0; i < oxp_diag_count(w->ctx); i++)
            if (oxp_diag_at(w->ctx, i)->severity != OXP_NOTE)
                problem(w, "diagnostics", "none", oxp_diag_at(w->ctx, i)->text);
    if (n[OXP_ERROR])
        check_partial(w);
}

static void check_number(world *w, const char *what, uint64_t got, const char *wanted) {
    const char *text = oxp_sprintf(w->arena, "%llu", (unsigned long long)got);
    if (strcmp(text, wanted) != 0)
        problem(w, what, wanted, text);
}

/* ---- bindings ---- */
static size_t read_bindings(world *w, oxp_binding *b, size_t max) {
    size_t n = 0;
    for (size_t i = 0; i < w->c->n; i++) {
        char *rest = w->c->wants[i].rest, *pair;
        if (strcmp(w->c->wants[i].word, "bind") != 0)
            continue;
        rest = (char *)oxp_sprintf(w->arena, "%s", rest);
        while ((pair = strsep(&rest, " "))) {
            char *value = strchr(pair, '=');
            if (!value || n == max)
                fail_msg("%s: bind %s", w->c->name, pair);
            *value = 0;
            b[n++] = (oxp_binding){pair, strtoll(value + 1, NULL, 10), -1, NULL};
        }
    }
    return n;
}

typedef struct sizes {
    const oxp_binding *b;
    size_t n;
} sizes;

static int64_t size_of(const void *arg, const char *name) {
    const sizes *s = arg;
    for (size_t i = 0; i < s->n; i++)
        if (strcmp(s->b[i].name, name) == 0)
            return s->b[i].value;
    return -1;
}

/* With bound sizes inference says the symbolic shapes evaluated, or more. */
static void check_bound(world *w, const oxp_binding *b, size_t n) {
    sizes s = {b, n};
    for (oxp_id i = 0; i < oxp_value_count(w->m); i++) {
        const oxp_value_info *v = &w->a->values[i];
        if (v->type.kind != OXP_KIND_TENSOR || v->symbolic.rank < 0)
            continue;
        if (v->type.rank != v->symbolic.rank) {
            problem(w, oxp_value_at(w->m, i)->name, "the rank of the symbolic shape", "another");
            continue;
        }
        for (int k = 0; k < v->type.rank; k++) {
            oxp_dim evaluated =
                oxp_dim_eval(oxp_model_dims(w->m), v->symbolic.dims[k], size_of, &s);
            if (!oxp_dim_is_unknown(evaluated) && v->type.dims[k] != evaluated)
                problem(w, oxp_value_at(w->m, i)->name, type_text(w->m, &v->symbolic, w->arena),
                        type_text(w->m, &v->type, w->arena));
        }
    }
}

/* ---- one case ---- */
static void check_wants(world *w) {
    size_t errors = 0, warnings = 0;
    const oxp_totals *t = &w->a->totals;
    const struct {
        const char *word;
        uint64_t got;
    } numbers[] = {{"macs", t->macs},   {"flops", t->flops},   {"ints", t->int_ops},
                   {"moved", t->moved}, {"params", t->params}, {"unknown", t->unknown_nodes}};
    for (size_t i = 0; i < w->c->n; i++) {
        const case_want *want = &w->c->wants[i];
        for (size_t k = 0; k < sizeof numbers / sizeof *numbers; k++)
            if (strcmp(want->word, numbers[k].word) == 0)
                check_number(w, want->word, numbers[k].got, want->rest);
        if (strcmp(want->word, "type") == 0)
            check_type(w, want->rest);
        if (strcmp(want->word, "error") == 0) {
            check_diagnostic(w, OXP_ERROR, want->rest);
            errors++;
        } else if (strcmp(want->word, "warning") == 0) {
            check_diagnostic(w, OXP_WARNING, want->rest);
            warnings++;
        }
    }
    no_other_diagnostics(w, errors, warnings);
}

static int run_case(const case_text *c) {
    world w = {.c = c, .ctx = oxp_ctx_new(0)};
    oxp_analyze_opts o = OXP_ANALYZE_OPTS_INIT;
    oxp_binding b[16];
    w.arena = oxp_arena_new(w.ctx);
    wb bytes = mt_model(c->model, c->opset);
    const char *path = wb_save(&bytes, "case.onnx");
    wb_free(&bytes);
    o.bindings = b;
    o.n_bindings = read_bindings(&w, b, 16);
    const char *refused = NULL;
    for (size_t i = 0; i < c->n; i++)
        if (strcmp(c->wants[i].word, "refused") == 0)
            refused = c->wants[i].rest;
    if (refused) {
        if (oxp_open(&w.m, w.ctx, path) == OXP_OK || !strstr(oxp_error_text(w.ctx), refused))
            problem(&w, "opening", refused, oxp_error_text(w.ctx));
    } else if (oxp_open(&w.m, w.ctx, path) != OXP_OK ||
               oxp_analyze(&w.a, w.m, &o, w.arena) != OXP_OK)
        problem(&w, "model", "an analysis", oxp_error_text(w.ctx));
    else {
        check_wants(&w);
        if (o.n_bindings)
            check_bound(&w, b, o.n_bindings);
    }
    oxp_ctx_free(w.ctx);
    return w.problems;
}

static void cases_hold(void **state) {
    static const char *const words[] = {"type",   "bind",    "macs",  "flops",   "ints",    "moved",
                                        "params", "unknown", "error", "warning", "refused", NULL};
    (void)state;
    assert_int_equal(case_files("tests/ops/*.cases", words, run_case), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(cases_hold)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
