/* The cases of tests/passes: what each pass leaves of a small model, and what it says where it
 * refuses.
 *
 * A case is a paragraph (support/case_file.h); wanted are:
 *   pass NAME             runs, in the order of its lines
 *   param KEY=VALUE       of a rule's projection
 *   option NAME           allow-retraining, allow-overridable, repair, no-keep-io, assume-weights
 *   bind DIM=N ...
 *   block-op|block-node|include-op NAME
 *   ops Relu Add ...      the main graph's operators afterwards, in order ("-" for none)
 *   skip TEXT             a refusal holds TEXT; as many refusals as such lines
 *   note TEXT             a remark holds TEXT
 *   data NAME TENSOR      afterwards an initializer or Constant has these elements
 *   type NAME TEXT        as in tests/ops, of the model afterwards
 *   unsaved WHY           a what-if whose tensors have no elements: the model is not saved
 *   fails TEXT            the passes end with this error
 * ONNXPERT_CASE_FOLDER keeps the models before and after, for a runtime to compare.
 * The result is saved and read again, must have no error that the model had not, and must be the
 * same file when it is saved again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "onnxpert/pass.h"
#include "support/case_file.h"
#include "support/model_text.h"
#include "support/scratch.h"
#include "support/type_text.h"

enum { LIST = 16, EXCLUDED = 64, ROUNDS = 8 };

static const char left_out[] = "left out by a test";

typedef struct run {
    const case_text *c;
    oxp_ctx *ctx;
    oxp_arena *arena;
    oxp_model *m;
    const oxp_pass_result *results;
    size_t n_results;
    int problems;
    bool failed;
} run;

static void problem(run *r, const char *what, const char *wanted, const char *got) {
    print_error("%s: %s: wanted %s, got %s\n", r->c->name, what, wanted, got);
    r->problems++;
}

/* ---- what is asked for ---- */
static size_t list_of(const case_text *c, const char *word, const char **out) {
    size_t n = 0;
    for (size_t i = 0; i < c->n && n < LIST; i++)
        if (strcmp(c->wants[i].word, word) == 0)
            out[n++] = c->wants[i].rest;
    return n;
}

static void set_option(run *r, oxp_pass_opts *o, const char *name) {
    bool *flag = !strcmp(name, "allow-retraining")    ? &o->allow_retraining
                 : !strcmp(name, "allow-overridable") ? &o->allow_overridable
                 : !strcmp(name, "repair")            ? &o->repair
                 : !strcmp(name, "assume-weights")    ? &o->assume_weights
                 : !strcmp(name, "no-keep-io")        ? &o->keep_io
                                                      : NULL;
    if (!flag)
        fail_msg("%s: option %s", r->c->name, name);
    *flag = flag != &o->keep_io;
}

static size_t bindings(run *r, oxp_binding *b) {
    const char *lines[LIST];
    size_t n = 0, n_lines = list_of(r->c, "bind", lines);
    for (size_t i = 0; i < n_lines; i++) {
        char *rest = (char *)oxp_sprintf(r->arena, "%s", lines[i]), *pair;
        while ((pair = strsep(&rest, " ")) && n < LIST) {
            char *value = strchr(pair, '=');
            if (!value)
                fail_msg("%s: bind %s", r->c->name, pair);
            *value = 0;
            b[n++] = (oxp_binding){pair, strtoll(value + 1, NULL, 10), -1, NULL};
        }
    }
    return n;
}

static void run_passes(run *r, const oxp_exclusion *excluded, size_t n_excluded) {
    const char *passes[LIST], *params[LIST], *options[LIST], *ops[LIST], *nodes[LIST],
        *included[LIST];
    oxp_binding b[LIST];
    oxp_pass_opts o = OXP_PASS_OPTS_INIT;
    size_t n = list_of(r->c, "pass", passes), n_options = list_of(r->c, "option", options);
    o.bindings = b;
    o.n_bindings = bindings(r, b);
    o.params = params;
    o.n_params = list_of(r->c, "param", params);
    o.block_ops = ops;
    o.n_block_ops = list_of(r->c, "block-op", ops);
    o.block_nodes = nodes;
    o.n_block_nodes = list_of(r->c, "block-node", nodes);
    o.include_ops = included;
    o.n_include_ops = list_of(r->c, "include-op", included);
    o.excluded = excluded;
    o.n_excluded = n_excluded;
    o.keep_decisions = true;
    for (size_t i = 0; i < n_options; i++)
        set_option(r, &o, options[i]);
    if (!n)
        fail_msg("%s: no pass", r->c->name);
    r->failed = oxp_run_passes(r->m, passes, n, &o, &r->results, &r->n_results) != OXP_OK;
}

/* ---- what came out ---- */
static const char *operators(run *r, const oxp_model *m) {
    const char *text = "";
    const oxp_graph *g = oxp_graph_at(m, OXP_MAIN_GRAPH);
    for (oxp_id n = g->first; n != OXP_NONE; n = oxp_node_at(m, n)->next)
        text = oxp_sprintf(r->arena, "%s%s%s", text, *text ? " " : "", oxp_node_at(m, n)->op);
    return *text ? text : "-";
}

static oxp_id value_named(const oxp_model *m, const char *name) {
    for (oxp_id i = 0; i < oxp_value_count(m); i++)
        if (oxp_value_at(m, i)->live && !strcmp(oxp_value_at(m, i)->name, name))
            return i;
    return OXP_NONE;
}

/* Elements of a tensor as text: "float32 [2] 1 2.5". */
static const char *tensor_text(run *r, const oxp_model *m, oxp_id id) {
    const oxp_tensor *t = oxp_tensor_at(m, id);
    const char *text = oxp_sprintf(r->arena, "%s [", oxp_dtype_name(t->dtype));
    for (int i = 0; i < t->rank; i++)
        text = oxp_sprintf(r->arena, "%s%s%lld", text, i ? "," : "", (long long)t->dims[i]);
    text = oxp_sprintf(r->arena, "%s]", text);
    for (uint64_t i = 0; i < t->count && i < 64 && t->dtype != OXP_STRING; i++) {
        double v;
        oxp_tensor_doubles(m, id, i, 1, &v);
        text = oxp_sprintf(r->arena, "%s %.7g", text, v);
    }
    return text;
}

static void check_data(run *r, const oxp_model *m, const char *rest) {
    char name[128];
    size_t n = strcspn(rest, " ");
    snprintf(name, sizeof name, "%.*s", (int)n, rest);
    oxp_id v = value_named(m, name);
    oxp_id t = v == OXP_NONE ? OXP_NONE : oxp_constant_of(m, v, true);
    const char *got = t == OXP_NONE ? "no constant" : tensor_text(r, m, t);
    if (t == OXP_NONE)
        for (oxp_id i = 0; i < oxp_value_count(m); i++)
            print_error("%s: there is %s\n", r->c->name, oxp_value_at(m, i)->name);
    if (strcmp(got, rest + n + (rest[n] == ' ')) != 0)
        problem(r, name, rest + n, got);
}

static size_t count_of(const case_text *c, const char *word) {
    size_t n = 0;
    for (size_t i = 0; i < c->n; i++)
        n += strcmp(c->wants[i].word, word) == 0;
    return n;
}

/* Is there a refusal (or remark) with the text? */
static void check_said(run *r, const char *what, const char *text) {
    bool skip = strcmp(what, "skip") == 0;
    const char *last = "nothing said";
    for (size_t k = 0; k < r->n_results; k++) {
        const oxp_pass_result *p = &r->results[k];
        const oxp_skip *said = skip ? p->skipped : p->notes;
        for (size_t i = 0; i < (skip ? p->n_skipped : p->n_notes); i++)
            if (strstr(said[i].reason, text))
                return;
            else
                last = said[i].reason;
    }
    problem(r, what, text, last);
}

static void check_skip_count(run *r) {
    size_t n = 0;
    for (size_t k = 0; k < r->n_results; k++)
        n += r->results[k].n_skipped;
    if (n == count_of(r->c, "skip"))
        return;
    for (size_t k = 0; k < r->n_results; k++)
        for (size_t i = 0; i < r->results[k].n_skipped; i++)
            print_error("%s: said: %s: %s\n", r->c->name, r->results[k].skipped[i].node,
                        r->results[k].skipped[i].reason);
    problem(r, "refusals", oxp_sprintf(r->arena, "%zu", count_of(r->c, "skip")),
            oxp_sprintf(r->arena, "%zu", n));
}

static void check_wants(run *r, const oxp_model *m, const oxp_analysis *a) {
    if (!count_of(r->c, "ops"))
        problem(r, "operators", "a line that names them", operators(r, m));
    for (size_t i = 0; i < r->c->n; i++) {
        const case_want *w = &r->c->wants[i];
        if (strcmp(w->word, "ops") == 0 && strcmp(w->rest, operators(r, m)) != 0)
            problem(r, "operators", w->rest, operators(r, m));
        else if (strcmp(w->word, "data") == 0)
            check_data(r, m, w->rest);
        else if (strcmp(w->word, "skip") == 0 || strcmp(w->word, "note") == 0)
            check_said(r, w->word, w->rest);
        else if (strcmp(w->word, "type") == 0) {
            char name[128];
            size_t n = strcspn(w->rest, " ");
            snprintf(name, sizeof name, "%.*s", (int)n, w->rest);
            oxp_id v = value_named(m, name);
            const char *got =
                v == OXP_NONE ? "no such value" : type_text(m, &a->values[v].symbolic, r->arena);
            if (strcmp(got, w->rest + n + 1) != 0)
                problem(r, name, w->rest + n + 1, got);
        }
    }
}

/* ---- saved and read again ---- */
static bool same_file(const char *a, const char *b) {
    FILE *f = fopen(a, "rb"), *g = fopen(b, "rb");
    int x = 0, y = 0;
    while (f && g && x != EOF && x == y) {
        x = getc(f);
        y = getc(g);
    }
    if (f)
        fclose(f);
    if (g)
        fclose(g);
    return f && g && x == y;
}

static void check_saved(run *r, size_t errors_before) {
    oxp_save_opts o = OXP_SAVE_OPTS_INIT;
    oxp_analyze_opts ao = OXP_ANALYZE_OPTS_INIT;
    oxp_saved saved;
    oxp_model *m;
    const oxp_analysis *a;
    char out[256], again[256];
    snprintf(out, sizeof out, "%s/case_out.onnx", scratch_folder());
    snprintf(again, sizeof again, "%s/case_again.onnx", scratch_folder());
    const char *keep = getenv("ONNXPERT_CASE_FOLDER"); /* where the rewritten models are wanted */
    if (keep)
        snprintf(out, sizeof out, "%s/%s.after.onnx", keep, r->c->name);
    if (oxp_save(r->m, out, &o, &saved) != OXP_OK) {
        problem(r, "saving", "a file", oxp_error_text(r->ctx));
        return;
    }
    oxp_ctx *ctx = oxp_ctx_new(0);
    if (oxp_open(&m, ctx, out) != OXP_OK || oxp_save(m, again, &o, &saved) != OXP_OK ||
        oxp_analyze(&a, m, &ao, oxp_arena_new(ctx)) != OXP_OK)
        problem(r, "the saved model", "one that can be read", oxp_error_text(ctx));
    else {
        if (oxp_diag_errors(ctx) > errors_before)
            for (size_t i = 0; i < oxp_diag_count(ctx); i++)
                problem(r, "the saved model", "no new error", oxp_diag_at(ctx, i)->text);
        if (!same_file(out, again))
            problem(r, "saved again", "the same file", "another");
        check_wants(r, m, a);
    }
    oxp_ctx_free(ctx);
}

/* ---- left out ---- */

/* Decisions of the run that are not in the list go into it; how many they were. */
static size_t add_decisions(run *r, const run *of, oxp_exclusion *list, size_t n) {
    size_t before = n;
    for (size_t k = 0; k < of->n_results; k++)
        for (size_t i = 0; i < of->results[k].n_decisions && n < EXCLUDED; i++) {
            const char *pass = of->results[k].name, *node = of->results[k].decisions[i].node;
            bool known = false;
            for (size_t j = 0; j < n; j++)
                known |= !strcmp(list[j].pass, pass) && !strcmp(list[j].node, node);
            if (!known)
                list[n++] = (oxp_exclusion){pass, oxp_strdup(r->arena, node), left_out};
        }
    return n - before;
}

/* Whoever heals a rewrite leaves decisions out until none is taken: that ends, the passes say of
 * each what they were told, and the model stays readable. */
static void check_left_out(run *r, const char *path, size_t errors_before) {
    oxp_exclusion list[EXCLUDED];
    size_t n = add_decisions(r, r, list, 0);
    for (int round = 0; n && round < ROUNDS; round++) {
        run again = {.c = r->c, .ctx = oxp_ctx_new(0)};
        oxp_analyze_opts o = OXP_ANALYZE_OPTS_INIT;
        const oxp_analysis *a;
        size_t told = 0, more = 0;
        again.arena = oxp_arena_new(again.ctx);
        if (oxp_open(&again.m, again.ctx, path) != OXP_OK)
            fail_msg("%s", oxp_error_text(again.ctx));
        run_passes(&again, list, n);
        for (size_t k = 0; !again.failed && k < again.n_results; k++)
            for (size_t i = 0; i < again.results[k].n_skipped; i++)
                told += strstr(again.results[k].skipped[i].reason, left_out) != NULL;
        if (!again.failed) {
            more = add_decisions(r, &again, list, n);
            if (!told)
                problem(r, "left out", "at least one that is named", "none");
            if (oxp_analyze(&a, again.m, &o, again.arena) != OXP_OK ||
                oxp_diag_errors(again.ctx) > errors_before)
                problem(r, "left out", "no new error", "one");
        }
        n += more;
        oxp_ctx_free(again.ctx);
        if (!more)
            return;
    }
    if (n)
        problem(r, "left out", "an end", "always other decisions");
}

static void keep_model(const char *name, const wb *bytes) {
    const char *folder = getenv("ONNXPERT_CASE_FOLDER");
    char path[256];
    snprintf(path, sizeof path, "%s/%s.before.onnx", folder ? folder : "", name);
    FILE *f = folder ? fopen(path, "wb") : NULL;
    if (!f)
        return;
    fwrite(bytes->p, 1, bytes->n, f);
    fclose(f);
}

static int run_case(const case_text *c) {
    run r = {.c = c, .ctx = oxp_ctx_new(0)};
    oxp_analyze_opts o = OXP_ANALYZE_OPTS_INIT;
    const oxp_analysis *a;
    const char *error[LIST];
    r.arena = oxp_arena_new(r.ctx);
    wb bytes = mt_model(c->model, c->opset);
    const char *path = wb_save(&bytes, "case.onnx");
    keep_model(c->name, &bytes);
    wb_free(&bytes);
    if (oxp_open(&r.m, r.ctx, path) != OXP_OK || oxp_analyze(&a, r.m, &o, r.arena) != OXP_OK) {
        problem(&r, "model", "one that can be read", oxp_error_text(r.ctx));
        oxp_ctx_free(r.ctx);
        return r.problems;
    }
    size_t errors = oxp_diag_errors(r.ctx);
    run_passes(&r, NULL, 0);
    bool may_fail = list_of(c, "fails", error) > 0;
    if (r.failed && (!may_fail || !strstr(oxp_error_text(r.ctx), error[0])))
        problem(&r, "passes", may_fail ? error[0] : "success", oxp_error_text(r.ctx));
    else if (!r.failed && may_fail)
        problem(&r, "passes", error[0], "success");
    else if (!r.failed) {
        check_skip_count(&r);
        if (!count_of(c, "unsaved"))
            check_saved(&r, errors);
        else if (oxp_analyze(&a, r.m, &o, r.arena) == OXP_OK)
            check_wants(&r, r.m, a);
        check_left_out(&r, path, errors);
    }
    oxp_ctx_free(r.ctx);
    return r.problems;
}

static void cases_hold(void **state) {
    static const char *const words[] = {"pass",       "param",      "option", "bind",    "block-op",
                                        "block-node", "include-op", "ops",    "skip",    "note",
                                        "data",       "type",       "fails",  "unsaved", NULL};
    (void)state;
    assert_int_equal(case_files("tests/passes/*.cases", words, run_case), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(cases_hold)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
