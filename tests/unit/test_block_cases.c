/* The cases of tests/blocks: what is recognized in small networks, and what only looks like it.
 *
 * A case is a paragraph (support/case_file.h); wanted are:
 *   blocks TYPE=N ...     how many of each type; types that are not named must not be there
 *   detail TEXT           a block is described so
 *   family NAME           cnn, transformer, rnn, ...
 *   attention L H K D     layers, heads, key heads, size of a head (0: not the same, or unknown)
 *   task NAME             classify, detect, tokens, span, language, masked, dense, unknown
 *   decoder no|cache|grows
 *   bind DIM=N ... */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/insight.h"
#include "support/case_file.h"
#include "support/model_text.h"

enum { LIST = 16 };

typedef struct run {
    const case_text *c;
    oxp_ctx *ctx;
    oxp_arena *arena;
    const oxp_insight *in;
    int problems;
} run;

static void problem(run *r, const char *what, const char *wanted, const char *got) {
    print_error("%s: %s: wanted %s, got %s\n", r->c->name, what, wanted, got);
    r->problems++;
}

static const char *found(run *r) {
    const char *text = "";
    for (int t = 0; t < OXP_BLOCK_TYPE_COUNT; t++)
        if (r->in->counts[t])
            text = oxp_sprintf(r->arena, "%s%s%s=%zu", text, *text ? " " : "",
                               oxp_block_type_name((oxp_block_type)t), r->in->counts[t]);
    return *text ? text : "none";
}

static void check_detail(run *r, const char *text) {
    const char *all = "";
    for (size_t i = 0; i < r->in->n_blocks; i++) {
        if (!strcmp(r->in->blocks[i].detail, text))
            return;
        all = oxp_sprintf(r->arena, "%s[%s]", all, r->in->blocks[i].detail);
    }
    problem(r, "detail", text, all);
}

static const char *task_name(oxp_task t) {
    static const char *const names[] = {"unknown", "classify", "detect", "tokens",
                                        "span",    "language", "masked", "dense"};
    return names[t];
}

static void check(run *r, const case_want *w) {
    const oxp_insight *in = r->in;
    const char *got = NULL;
    if (!strcmp(w->word, "blocks"))
        got = found(r);
    else if (!strcmp(w->word, "family"))
        got = in->family;
    else if (!strcmp(w->word, "task"))
        got = task_name(in->task);
    else if (!strcmp(w->word, "decoder"))
        got = !in->decoder ? "no" : in->kv.in_graph ? "cache" : "grows";
    else if (!strcmp(w->word, "attention"))
        got = oxp_sprintf(r->arena, "%llu %llu %llu %llu", (unsigned long long)in->layers,
                          (unsigned long long)in->heads, (unsigned long long)in->kv_heads,
                          (unsigned long long)in->head_dim);
    else if (!strcmp(w->word, "detail"))
        check_detail(r, w->rest);
    if (got && strcmp(got, w->rest) != 0)
        problem(r, w->word, w->rest, got);
}

static size_t bindings(run *r, oxp_binding *b) {
    size_t n = 0;
    for (size_t i = 0; i < r->c->n; i++) {
        char *rest = strcmp(r->c->wants[i].word, "bind") ? NULL : r->c->wants[i].rest, *pair;
        while (rest && (pair = strsep(&rest, " ")) && n < LIST) {
            char *value = strchr(pair, '=');
            if (!value)
                fail_msg("%s: bind %s", r->c->name, pair);
            *value = 0;
            b[n++] = (oxp_binding){pair, strtoll(value + 1, NULL, 10), -1, NULL};
        }
    }
    return n;
}

static int run_case(const case_text *c) {
    run r = {.c = c, .ctx = oxp_ctx_new(0)};
    oxp_analyze_opts o = OXP_ANALYZE_OPTS_INIT;
    oxp_binding b[LIST];
    const oxp_analysis *a;
    oxp_model *m;
    r.arena = oxp_arena_new(r.ctx);
    o.bindings = b;
    o.n_bindings = bindings(&r, b);
    wb bytes = mt_model(c->model, c->opset);
    const char *path = wb_save(&bytes, "block.onnx");
    wb_free(&bytes);
    if (oxp_open(&m, r.ctx, path) != OXP_OK || oxp_analyze(&a, m, &o, r.arena) != OXP_OK) {
        problem(&r, "model", "one that can be analysed", oxp_error_text(r.ctx));
    } else {
        for (size_t i = 0; i < oxp_diag_count(r.ctx); i++)
            if (oxp_diag_at(r.ctx, i)->severity == OXP_ERROR)
                problem(&r, "model", "no error", oxp_diag_at(r.ctx, i)->text);
        r.in = oxp_insight_of(a, r.arena);
        for (size_t i = 0; i < c->n; i++)
            check(&r, &c->wants[i]);
    }
    oxp_ctx_free(r.ctx);
    return r.problems;
}

static void cases_hold(void **state) {
    static const char *const words[] = {"blocks", "detail",  "family", "attention",
                                        "task",   "decoder", "bind",   NULL};
    (void)state;
    assert_int_equal(case_files("tests/blocks/*.cases", words, run_case), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(cases_hold)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
