/* fuzz_passes.c - any bytes as a model: one pass (which, the bytes decide; all of them in a
 * replay), then saving and reloading; of what no pass changed, one in eight.  What was written
 * loads, keeps its interface, and is no less consistent than the source. */
#include <string.h>
#include <sys/stat.h>

#include "fuzz/fuzz.h"
#include "onnxpert/onnxpert.h"

static const char *folder(void) {
    static char name[64];
    if (!name[0])
        fuzz_folder(name, sizeof name);
    return name;
}

__attribute__((destructor)) static void clean(void) {
    rmdir(folder());
}

typedef struct job {
    oxp_ctx *ctx;
    const char *source;
    const oxp_model *original; /* in a context of its own */
    const oxp_pass *pass;
    bool saves; /* even when the pass changes nothing */
} job;

/* No error when it was loaded, and none of its analysis.
 * Free dimensions stay free: assumed sizes may be impossible without the model being wrong. */
static bool is_consistent(oxp_ctx *ctx, const oxp_model *m, oxp_arena *arena) {
    oxp_analyze_opts opts = OXP_ANALYZE_OPTS_INIT;
    const oxp_analysis *a;
    opts.keep_unbound = true;
    oxp_status s = oxp_analyze(&a, m, &opts, arena);
    if (s != OXP_OK)
        oxp_reraise(ctx, s);
    return oxp_diag_errors(ctx) == 0;
}

/* The next input that a caller has to give: before IR 4 weights are listed among the inputs. */
static const char *next_input(const oxp_model *m, const oxp_graph *g, uint32_t *at) {
    while (*at < g->n_inputs && oxp_value_at(m, g->inputs[*at])->tensor != OXP_NONE)
        ++*at;
    return *at < g->n_inputs ? oxp_value_at(m, g->inputs[(*at)++])->name : NULL;
}

static void same_name(const char *was, const char *is, const oxp_pass *pass) {
    bool same = was && is ? !strcmp(was, is) : was == is;
    if (!same)
        fprintf(stderr, "after %s: %s instead of %s\n", pass->name, is ? is : "none",
                was ? was : "none");
    FUZZ_CHECK(same);
}

static void check_interface(const oxp_model *a, const oxp_model *b, const oxp_pass *pass) {
    const oxp_graph *g = oxp_graph_at(a, OXP_MAIN_GRAPH), *h = oxp_graph_at(b, OXP_MAIN_GRAPH);
    const char *was;
    uint32_t i = 0, k = 0;
    do {
        was = next_input(a, g, &i);
        same_name(was, next_input(b, h, &k), pass);
    } while (was);
    FUZZ_CHECK(g->n_outputs == h->n_outputs);
    for (i = 0; i < g->n_outputs; i++)
        same_name(oxp_value_at(a, g->outputs[i])->name, oxp_value_at(b, h->outputs[i])->name, pass);
}

static void close_model(void *m) {
    oxp_close(m);
}

static oxp_model *must_open(oxp_ctx *ctx, const char *path) {
    oxp_model *m;
    oxp_status s = oxp_open(&m, ctx, path);
    if (s != OXP_OK)
        fprintf(stderr, "%s\n", oxp_error_text(ctx));
    FUZZ_CHECK(s == OXP_OK);
    oxp_defer(ctx, close_model, m);
    return m;
}

static void rewrite(void *arg) {
    job *j = arg;
    oxp_arena *arena = oxp_arena_new(j->ctx);
    oxp_model *m = must_open(j->ctx, j->source);
    oxp_pass_opts opts = OXP_PASS_OPTS_INIT;
    oxp_save_opts inside = OXP_SAVE_OPTS_INIT;
    const oxp_pass_result *results;
    size_t n;
    opts.allow_retraining = opts.allow_overridable = opts.repair = true;
    oxp_status s = oxp_run_passes(m, &j->pass->name, 1, &opts, &results, &n);
    if (s != OXP_OK)
        oxp_reraise(j->ctx, s);
    if (!m->changed && !j->saves)
        return;
    const char *path = oxp_sprintf(arena, "%s/out.onnx", folder());
    s = oxp_save(m, path, &inside, NULL);
    if (s != OXP_OK)
        oxp_reraise(j->ctx, s);
    oxp_model *written = must_open(j->ctx, path);
    unlink(path);
    check_interface(j->original, written, j->pass);
    bool consistent = is_consistent(j->ctx, written, arena);
    if (!consistent)
        fprintf(stderr, "after %s: %s: %s\n", j->pass->name,
                oxp_diag_at(j->ctx, oxp_diag_count(j->ctx) - 1)->where,
                oxp_diag_at(j->ctx, oxp_diag_count(j->ctx) - 1)->text);
    FUZZ_CHECK(consistent);
}

static void try_pass(const char *source, const oxp_model *original, const oxp_pass *pass,
                     bool saves) {
    oxp_ctx *ctx = fuzz_ctx();
    job j = {ctx, source, original, pass, saves};
    if (oxp_try(ctx, rewrite, &j) != OXP_OK)
        fuzz_failed(ctx);
    oxp_ctx_free(ctx);
}

typedef struct question {
    oxp_ctx *ctx;
    const oxp_model *m;
    bool yes;
} question;

static void ask(void *arg) {
    question *q = arg;
    q->yes = is_consistent(q->ctx, q->m, oxp_arena_new(q->ctx));
}

/* The model, when it is one that optimize would rewrite; NULL. */
static oxp_model *open_rewritable(oxp_ctx *ctx, const char *source) {
    oxp_model *m;
    bool opened = oxp_open(&m, ctx, source) == OXP_OK;
    if (opened)
        oxp_defer(ctx, close_model, m);
    question q = {ctx, m, false};
    return opened && oxp_try(ctx, ask, &q) == OXP_OK && q.yes ? m : NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const char *source = fuzz_file(data, size);
    oxp_ctx *ctx = fuzz_ctx();
    const oxp_model *original = open_rewritable(ctx, source);
    size_t n = oxp_pass_count();
    uint32_t hash = fuzz_hash(data, size);
    bool all = fuzz_is_thorough(), saves = all || hash / 256 % 8 == 0;
    for (size_t i = 0; original && i < n; i++) {
        bool projects = oxp_pass_at(i)->flags & OXP_PASS_WHAT_IF; /* nobody can write its result */
        if (!projects && (all || i == hash % n))
            try_pass(source, original, oxp_pass_at(i), saves);
    }
    oxp_ctx_free(ctx);
    return 0;
}
