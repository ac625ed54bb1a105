/* check_rewrites.c - every pass on every model: nothing happens, or the result still holds.
 *
 *     check_rewrites [--ort LIBRARY] [--every N] [--pairs] [--verbose] FOLDER...
 *
 * A FOLDER holds model.onnx with recorded inputs and outputs (input_0.npy ... beside it, or
 * test_data_set_0/input_0.pb ...), or folders of that kind.  The passes are those that the library
 * has, those that need retraining included.  Of each rewrite:
 *   - a pass that says it changed nothing leaves the file as it was, byte for byte;
 *   - the file loads, analyses without errors that the original had not, has the same inputs and
 *     outputs by name, type and shape, and is the same file when saved again;
 *   - in ONNX Runtime, where a library is given, it gives the recorded outputs (within the pass's
 *     tolerance; not for retraining).  The runtime is in a child: a crash is a finding.
 * --pairs also runs each two passes in either order, with a save between, and all exact ones
 * together.  --every N takes one of N rewrites (chosen by their names: the same ones each time). */
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/leave.h"
#include "onnxpert/analyze.h"
#include "support/scratch.h"
#include "verify/compare.h"
#include "verify/inputs.h"

enum { PATH_LEN = 1024, STEPS_MAX = 32, IO_MAX = 64 };

typedef struct sequence { /* passes, each one run on its own unless `together` */
    const char *names[STEPS_MAX];
    size_t n;
    bool together;
} sequence;

static struct {
    const char *library, *work;
    unsigned every;
    bool pairs, verbose;
    size_t models, rewrites, kept, refused, compared, not_compared, bad;
    pid_t child;
    FILE *ask, *hear;
} run;

static void finding(const char *model, const char *label, const char *what, const char *detail) {
    printf("BAD %s: %s: %s%s\n", model, label, what, detail);
    run.bad++;
}

/* ---- recorded data ---- */
static bool exists(const char *path) {
    return access(path, R_OK) == 0;
}

/* Array i of a kind ("input", "output"); false when there is none. */
static bool recorded(oxp_arena *arena, const char *folder, const char *kind, size_t i,
                     oxp_array *a) {
    const char *path = oxp_sprintf(arena, "%s/%s_%zu.npy", folder, kind, i);
    if (exists(path)) {
        *a = oxp_read_npy(arena, path);
        return true;
    }
    path = oxp_sprintf(arena, "%s/test_data_set_0/%s_%zu.pb", folder, kind, i);
    if (exists(path))
        *a = oxp_read_pb(arena, path);
    return exists(path);
}

/* ---- in the child: one question a line ---- */
typedef struct question {
    oxp_arena *arena;
    const char *model, *folder;
    double tolerance;
    oxp_ort *ort;
    char answer[512];
    bool bad;
} question;

static void answer(question *q, bool bad, const char *text) {
    q->bad = bad;
    snprintf(q->answer, sizeof q->answer, "%s", text);
}

static void compare_recorded(void *arg) {
    question *q = arg;
    oxp_session_opts plain = {.level = OXP_ORT_NONE, .threads = 1};
    oxp_session *s = oxp_ort_session(q->ort, q->model, &plain);
    size_t n_in = oxp_session_inputs(s), n_out = oxp_session_outputs(s);
    oxp_array *in = OXP_NEWS(q->arena, n_in + 1, oxp_array);
    oxp_array *out = OXP_NEWS(q->arena, n_out + 1, oxp_array);
    answer(q, false, "");
    for (size_t i = 0; i < n_in; i++) {
        oxp_array want = oxp_session_input(s, i);
        if (want.dtype == OXP_UNDEFINED || want.dtype == OXP_STRING ||
            !recorded(q->arena, q->folder, "input", i, &in[i])) {
            oxp_session_close(s);
            answer(q, false, "no recorded input that can be fed");
            return;
        }
        in[i].name = want.name;
    }
    oxp_session_run(s, in, out, q->arena);
    for (size_t i = 0; i < n_out && !q->bad; i++) {
        oxp_array want;
        oxp_output_check c = {.cosine = 1};
        if (out[i].dtype == OXP_UNDEFINED || !recorded(q->arena, q->folder, "output", i, &want))
            continue;
        oxp_compare_arrays(&want, &out[i], &c, q->arena);
        if (c.problem)
            answer(q, true, oxp_sprintf(q->arena, "output %zu: %s", i, c.problem));
        else if (!(c.relative <= q->tolerance))
            answer(q, true, oxp_sprintf(q->arena, "output %zu is off by %.3g", i, c.relative));
    }
    oxp_session_close(s);
}

static void put_question(question *q, const char *model) {
    q->model = model;
    q->bad = false;
    if (oxp_try(oxp_arena_ctx(q->arena), compare_recorded, q) != OXP_OK)
        answer(q, true, oxp_error_text(oxp_arena_ctx(q->arena)));
    oxp_error_clear(oxp_arena_ctx(q->arena));
}

typedef struct opening {
    oxp_arena *arena;
    oxp_ort *ort;
} opening;

static void open_runtime(void *arg) {
    opening *o = arg;
    o->ort = oxp_ort_open(o->arena, oxp_ort_candidates(o->arena, run.library));
}

/* Did the runtime put in the operator itself, expanding one that it has no kernel for? */
static bool not_ours(question *q) {
    oxp_model *m;
    const char *op = strstr(q->answer, "of operator (");
    if (strstr(q->answer, "Could not find an implementation"))
        return true;
    if (!op || oxp_open(&m, oxp_arena_ctx(q->arena), q->model) != OXP_OK)
        return false;
    op += strlen("of operator (");
    bool found = false;
    for (oxp_id i = 0; i < oxp_node_count(m) && !found; i++) {
        const char *name = oxp_node_at(m, i)->op;
        found = !strncmp(op, name, strlen(name)) && op[strlen(name)] == ')';
    }
    oxp_close(m);
    return !found;
}

/* Reads "MODEL\tFOLDER\tTOLERANCE" lines; answers "ok", "none REASON" or "bad REASON". */
static _Noreturn void serve(FILE *in, FILE *out) {
    char line[3 * PATH_LEN];
    oxp_ctx *ctx = oxp_ctx_new(0);
    opening o = {oxp_arena_new(ctx), NULL};
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (oxp_try(ctx, open_runtime, &o) != OXP_OK) {
        fprintf(out, "gone %s\n", oxp_error_text(ctx));
        fflush(out);
        oxp_leave(1);
    }
    fprintf(out, "ready %s\n", oxp_ort_version(o.ort));
    fflush(out);
    while (fgets(line, sizeof line, in)) {
        char *save, *model = strtok_r(line, "\t", &save), *folder = strtok_r(NULL, "\t", &save);
        char *tolerance = strtok_r(NULL, "\n", &save);
        oxp_arena *arena = oxp_arena_new(ctx);
        question q = {.arena = arena, .folder = folder, .ort = o.ort};
        q.tolerance = strtod(tolerance, NULL);
        put_question(&q, model);
        question first = q;
        if (q.bad && not_ours(&q)) {
            q.bad = false;
        } else if (q.bad) { /* whose fault? */
            put_question(&q, oxp_sprintf(arena, "%s/model.onnx", folder));
            if (!q.bad)
                q = first;
            else
                answer(&q, false, "the runtime cannot do the original");
        }
        for (char *p = q.answer; *p; p++)
            *p = *p == '\n' ? ' ' : *p;
        fprintf(out, "%s %s\n", q.bad ? "bad" : q.answer[0] ? "none" : "ok", q.answer);
        fflush(out);
        oxp_arena_free(arena);
    }
    oxp_leave(0);
}

static void start_child(void) {
    int down[2], up[2];
    char line[512];
    if (pipe(down) || pipe(up)) {
        perror("pipe");
        exit(2);
    }
    fflush(stdout);
    run.child = fork();
    if (run.child == 0) {
        close(down[1]);
        close(up[0]);
        serve(fdopen(down[0], "r"), fdopen(up[1], "w"));
    }
    close(down[0]);
    close(up[1]);
    run.ask = fdopen(down[1], "w");
    run.hear = fdopen(up[0], "r");
    if (run.child < 0 || !fgets(line, sizeof line, run.hear) || strncmp(line, "ready", 5) != 0) {
        printf("ONNX Runtime does not load: %s", line);
        exit(2);
    }
}

static void stop_child(void) {
    fclose(run.ask);
    fclose(run.hear);
    waitpid(run.child, NULL, 0);
    run.child = 0;
}

static void compare(const char *model, const char *label, const char *path, double tolerance) {
    char line[1024];
    if (!run.library)
        return;
    if (!run.child)
        start_child();
    fprintf(run.ask, "%s\t%s\t%g\n", path, model, tolerance);
    fflush(run.ask);
    if (!fgets(line, sizeof line, run.hear)) {
        stop_child();
        finding(model, label, "ONNX Runtime crashed", "");
        return;
    }
    line[strcspn(line, "\n")] = 0;
    if (!strncmp(line, "bad", 3))
        finding(model, label, line + 4, "");
    else if (!strncmp(line, "none", 4))
        run.not_compared++;
    else
        run.compared++;
    if (run.verbose)
        printf("%s: %s: %s\n", model, label, line);
}

/* ---- structure ---- */
typedef struct facts {
    size_t errors;
    const char *text; /* of the first error */
    const oxp_analysis *a;
    oxp_model *m;
} facts;

static bool look(oxp_ctx *ctx, oxp_arena *arena, const char *path, facts *f) {
    oxp_analyze_opts opts = OXP_ANALYZE_OPTS_INIT;
    opts.keep_unbound = true;
    size_t told = oxp_diag_count(ctx), errors = oxp_diag_errors(ctx);
    if (oxp_open(&f->m, ctx, path) != OXP_OK || oxp_analyze(&f->a, f->m, &opts, arena) != OXP_OK)
        return false;
    f->errors = oxp_diag_errors(ctx) - errors;
    for (size_t i = told; i < oxp_diag_count(ctx) && !f->text; i++)
        if (oxp_diag_at(ctx, i)->severity == OXP_ERROR)
            f->text = oxp_diag_at(ctx, i)->text;
    return true;
}

/* "name type[dims]" of the inputs and outputs; with dims only where they are numbers. */
static const char *interface_of(oxp_arena *arena, const facts *f, bool outputs, bool shapes) {
    const oxp_graph *g = oxp_graph_at(f->m, OXP_MAIN_GRAPH);
    const char *text = "";
    for (uint32_t i = 0; i < (outputs ? g->n_outputs : g->n_inputs); i++) {
        oxp_id id = outputs ? g->outputs[i] : g->inputs[i];
        const oxp_value *v = oxp_value_at(f->m, id);
        const oxp_type *t = &f->a->values[id].type;
        if (!outputs && v->tensor != OXP_NONE)
            continue; /* an initializer */
        text = oxp_sprintf(arena, "%s %s %s", text, v->name,
                           t->kind == OXP_KIND_TENSOR ? oxp_dtype_name(t->elem) : "other");
        for (int k = 0; shapes && t->kind == OXP_KIND_TENSOR && k < t->rank; k++)
            text = oxp_sprintf(arena, "%s,%s", text,
                               oxp_dim_is_literal(t->dims[k])
                                   ? oxp_sprintf(arena, "%lld", (long long)t->dims[k])
                                   : "?");
    }
    return text;
}

static bool same_bytes(const char *a, const char *b) {
    static char x[65536], y[65536];
    FILE *f = fopen(a, "rb"), *g = fopen(b, "rb");
    bool same = f && g;
    for (size_t n = 1; same && n;) {
        n = fread(x, 1, sizeof x, f);
        same = fread(y, 1, sizeof y, g) == n && !memcmp(x, y, n);
    }
    if (f)
        fclose(f);
    if (g)
        fclose(g);
    return same;
}

static void check_structure(const char *model, const char *label, const char *path,
                            unsigned flags) {
    char again[PATH_LEN];
    oxp_ctx *ctx = oxp_ctx_new(0);
    oxp_arena *arena = oxp_arena_new(ctx);
    facts old = {0}, new = {0};
    oxp_save_opts how = OXP_SAVE_OPTS_INIT;
    bool reshapes = (flags & OXP_PASS_MAY_RESHAPE_IO) != 0;
    snprintf(again, sizeof again, "%s/again.onnx", run.work);
    if (!look(ctx, arena, oxp_sprintf(arena, "%s/model.onnx", model), &old)) {
        finding(model, label, "original: ", oxp_error_text(ctx));
    } else if (!look(ctx, arena, path, &new)) {
        finding(model, label, "does not load: ", oxp_error_text(ctx));
    } else if (new.errors > old.errors) {
        finding(model, label, "new error: ", new.text ? new.text : "");
    } else if (strcmp(interface_of(arena, &old, false, !reshapes),
                      interface_of(arena, &new, false, !reshapes)) != 0) {
        finding(model, label, "inputs are now", interface_of(arena, &new, false, true));
    } else if (strcmp(interface_of(arena, &old, true, false),
                      interface_of(arena, &new, true, false)) != 0) {
        finding(model, label, "outputs are now", interface_of(arena, &new, true, true));
    } else if (oxp_save(new.m, again, &how, NULL) != OXP_OK || !same_bytes(path, again)) {
        finding(model, label, "is another file when saved again", "");
    }
    unlink(again);
    oxp_ctx_free(ctx);
}

/* ---- rewriting ---- */
typedef struct outcome {
    size_t changed;
    oxp_fidelity fidelity;
    unsigned flags;
    char why[512]; /* refused */
} outcome;

typedef struct recording {
    oxp_model *m;
    oxp_arena *arena;
    const char *folder;
    oxp_binding *list;
    size_t n;
} recording;

/* Dimensions of the inputs as recorded, for fix-shapes. */
static void bind_recorded(void *arg) {
    recording *b = arg;
    const oxp_graph *g = oxp_graph_at(b->m, OXP_MAIN_GRAPH);
    size_t at = 0;
    for (uint32_t i = 0; i < g->n_inputs && b->n < IO_MAX; i++) {
        const oxp_value *v = oxp_value_at(b->m, g->inputs[i]);
        oxp_array a;
        if (v->tensor != OXP_NONE)
            continue;
        if (!v->declared || v->declared->kind != OXP_KIND_TENSOR || v->declared->elem == OXP_STRING)
            break;
        if (!recorded(b->arena, b->folder, "input", at++, &a))
            break;
        if (a.rank == v->declared->rank)
            b->list[b->n++] = (oxp_binding){v->name, 0, a.rank, a.dims};
    }
}

static bool one_step(oxp_ctx *ctx, oxp_model *m, const char *folder, const char *const *names,
                     size_t n, outcome *o) {
    oxp_arena *arena = oxp_arena_new(ctx);
    oxp_pass_opts opts = OXP_PASS_OPTS_INIT;
    const oxp_pass_result *results;
    size_t n_results = 0;
    recording b = {m, arena, folder, OXP_NEWS(arena, IO_MAX, oxp_binding), 0};
    if (oxp_try(ctx, bind_recorded, &b) != OXP_OK)
        oxp_error_clear(ctx);
    opts.bindings = b.list;
    opts.n_bindings = b.n;
    opts.allow_retraining = true;
    bool done = oxp_run_passes(m, names, n, &opts, &results, &n_results) == OXP_OK;
    for (size_t i = 0; i < n_results; i++) {
        o->changed += results[i].changed;
        if (results[i].fidelity > o->fidelity)
            o->fidelity = results[i].fidelity;
    }
    for (size_t i = 0; i < n; i++)
        o->flags |= oxp_pass_find(names[i])->flags;
    oxp_arena_free(arena);
    return done;
}

/* The passes one after the other, with a file between them; false: refused. */
static bool rewrite(const char *model, const sequence *s, const char *path, outcome *o) {
    char from[PATH_LEN];
    oxp_save_opts how = OXP_SAVE_OPTS_INIT;
    snprintf(from, sizeof from, "%s/model.onnx", model);
    for (size_t i = 0; i < s->n; i += s->together ? s->n : 1) {
        oxp_ctx *ctx = oxp_ctx_new(0);
        oxp_model *m = NULL;
        bool good = oxp_open(&m, ctx, from) == OXP_OK &&
                    one_step(ctx, m, model, s->names + i, s->together ? s->n : 1, o) &&
                    oxp_save(m, path, &how, NULL) == OXP_OK;
        snprintf(o->why, sizeof o->why, "%s", good ? "" : oxp_error_text(ctx));
        oxp_ctx_free(ctx);
        if (!good)
            return false;
        snprintf(from, sizeof from, "%s", path);
    }
    return true;
}

static unsigned hash(const char *s, unsigned h) { /* FNV-1a */
    for (; *s; s++)
        h = (h ^ (unsigned char)*s) * 16777619u;
    return h;
}

static void check(const char *model, const sequence *s) {
    char label[512] = "", path[PATH_LEN], original[PATH_LEN];
    outcome o = {0};
    for (size_t i = 0; i < s->n; i++)
        snprintf(label + strlen(label), sizeof label - strlen(label), "%s%s",
                 i == 0        ? ""
                 : s->together ? ","
                               : " then ",
                 s->names[i]);
    if (hash(label, hash(model, 2166136261u)) / 7 % run.every)
        return;
    snprintf(path, sizeof path, "%s/new.onnx", run.work);
    snprintf(original, sizeof original, "%s/model.onnx", model);
    run.rewrites++;
    if (!rewrite(model, s, path, &o)) {
        run.refused++;
        if (!o.why[0] || strchr(o.why, '\n'))
            finding(model, label, "refused without a line of reason: ", o.why);
        else if (run.verbose)
            printf("%s: %s: refused: %s\n", model, label, o.why);
        return;
    }
    if (same_bytes(original, path)) {
        run.kept++;
    } else if (o.changed == 0) {
        finding(model, label, "says that nothing changed, and writes another file", "");
    } else {
        check_structure(model, label, path, o.flags);
        if (o.fidelity < OXP_RETRAINING)
            compare(model, label, path, oxp_tolerance(o.fidelity));
    }
    unlink(path);
}

static void check_model(const char *model) {
    size_t n = oxp_pass_count();
    sequence all = {.together = true};
    run.models++;
    for (size_t i = 0; i < n; i++) {
        const oxp_pass *p = oxp_pass_at(i);
        if (p->flags & OXP_PASS_WHAT_IF)
            continue;
        check(model, &(sequence){{p->name}, 1, true});
        if (p->fidelity <= OXP_ROUNDING && !(p->flags & OXP_PASS_MAY_RESHAPE_IO))
            all.names[all.n++] = p->name;
        for (size_t k = 0; run.pairs && k < n; k++)
            if (k != i && !(oxp_pass_at(k)->flags & OXP_PASS_WHAT_IF))
                check(model, &(sequence){{p->name, oxp_pass_at(k)->name}, 2, false});
    }
    check(model, &all);
}

static int by_name(const struct dirent **a, const struct dirent **b) {
    return strcmp((*a)->d_name, (*b)->d_name);
}

static void check_folder(const char *folder) {
    char path[PATH_LEN];
    struct dirent **list;
    snprintf(path, sizeof path, "%s/model.onnx", folder);
    if (exists(path)) {
        check_model(folder);
        return;
    }
    int n = scandir(folder, &list, NULL, by_name);
    for (int i = 0; i < n; i++) {
        snprintf(path, sizeof path, "%s/%s/model.onnx", folder, list[i]->d_name);
        if (list[i]->d_name[0] != '.' && exists(path)) {
            path[strlen(path) - strlen("/model.onnx")] = 0;
            check_model(path);
        }
        free(list[i]);
    }
    if (n >= 0)
        free(list);
}

int main(int argc, char **argv) {
    int i = 1;
    run.every = 1;
    for (; i < argc && argv[i][0] == '-'; i++) {
        if (!strcmp(argv[i], "--ort") && i + 1 < argc)
            run.library = *argv[++i] ? argv[i] : NULL;
        else if (!strcmp(argv[i], "--every") && i + 1 < argc)
            run.every = (unsigned)strtoul(argv[++i], NULL, 10);
        else if (!strcmp(argv[i], "--pairs"))
            run.pairs = true;
        else if (!strcmp(argv[i], "--verbose"))
            run.verbose = true;
    }
    if (i == argc || !run.every) {
        fprintf(stderr, "usage: check_rewrites [--ort LIBRARY] [--every N] [--pairs] FOLDER...\n");
        return 2;
    }
    run.work = scratch_folder();
    signal(SIGPIPE, SIG_IGN);
    for (; i < argc; i++)
        check_folder(argv[i]);
    if (run.child)
        stop_child();
    printf("%zu models, %zu rewrites: %zu left the file as it was, %zu refused, %zu compared with "
           "recorded outputs, %zu could not be; %zu findings\n",
           run.models, run.rewrites, run.kept, run.refused, run.compared, run.not_compared,
           run.bad);
    return run.bad || !run.models;
}
