/* verify.c - runs both models in a child process and reads its findings from shared memory. */
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "verify/compare.h"
#include "verify/inputs.h"
#include "verify/ort.h"
#include "verify/verify.h"

enum { OUTPUTS_MAX = 256, NAME_MAX_KEPT = 128, RUNS_MAX = 1000 };

/* What the child leaves for us. */
typedef struct shared {
    bool done;
    oxp_status status;
    char text[1024], stage[512], version[64];
    size_t n_outputs;
    oxp_output_check checks[OUTPUTS_MAX];
    char names[OUTPUTS_MAX][NAME_MAX_KEPT], problems[OUTPUTS_MAX][NAME_MAX_KEPT];
    oxp_timing optimized, plain;
} shared;

typedef struct job {
    oxp_arena *arena;
    const oxp_analysis *analysis;
    const char *before, *after;
    const oxp_verify_opts *opts;
    unsigned sets;
    shared *out;
} job;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- in the child ---- */

static void stage(job *j, const char *what, const char *model) {
    snprintf(j->out->stage, sizeof j->out->stage, "%s %s", what, model);
}

/* Brings the fed arrays, which are in the order of the first model, into that of the session. */
static oxp_array *order_inputs(job *j, oxp_session *s, const oxp_array *in, size_t n,
                               const char *model) {
    oxp_array *ordered = OXP_NEWS(j->arena, n + 1, oxp_array);
    if (oxp_session_inputs(s) != n)
        oxp_raise(oxp_arena_ctx(j->arena), OXP_E_UNSUPPORTED, "%s: has %zu inputs, %s has %zu",
                  model, oxp_session_inputs(s), j->before, n);
    for (size_t i = 0; i < n; i++) {
        oxp_array want = oxp_session_input(s, i);
        size_t k = 0;
        while (k < n && strcmp(in[k].name, want.name) != 0)
            k++;
        if (k == n)
            oxp_raise(oxp_arena_ctx(j->arena), OXP_E_UNSUPPORTED, "%s: input '%s' is not in %s",
                      model, want.name, j->before);
        if (in[k].dtype != want.dtype)
            oxp_raise(oxp_arena_ctx(j->arena), OXP_E_UNSUPPORTED,
                      "%s: input '%s' is %s, in %s it is %s", model, want.name,
                      oxp_dtype_name(want.dtype), j->before, oxp_dtype_name(in[k].dtype));
        ordered[i] = in[k];
    }
    return ordered;
}

static size_t find_output(oxp_session *s, const char *name) {
    for (size_t i = 0; i < oxp_session_outputs(s); i++)
        if (!strcmp(oxp_session_output_name(s, i), name))
            return i;
    return SIZE_MAX;
}

static void compare_set(job *j, oxp_session *a, oxp_session *b, const oxp_array *in, size_t n) {
    shared *r = j->out;
    oxp_array *x = OXP_NEWS(j->arena, oxp_session_outputs(a) + 1, oxp_array);
    oxp_array *y = OXP_NEWS(j->arena, oxp_session_outputs(b) + 1, oxp_array);
    stage(j, "running", j->before);
    oxp_session_run(a, order_inputs(j, a, in, n, j->before), x, j->arena);
    stage(j, "running", j->after);
    oxp_session_run(b, order_inputs(j, b, in, n, j->after), y, j->arena);
    for (size_t i = 0; i < r->n_outputs; i++) {
        oxp_output_check c = r->checks[i];
        size_t k = find_output(b, x[i].name);
        c.problem = r->problems[i][0] ? r->problems[i] : NULL;
        if (k == SIZE_MAX)
            c.problem = "is missing";
        else if (!c.problem)
            oxp_compare_arrays(&x[i], &y[k], &c, j->arena);
        if (c.problem && c.problem != r->problems[i])
            snprintf(r->problems[i], NAME_MAX_KEPT, "%s", c.problem);
        r->checks[i] = c;
    }
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *v, size_t n) {
    qsort(v, n, sizeof *v, by_value);
    return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

/* 95 % interval of median(b) / median(a) by the percentile bootstrap (Efron 1979) over paired runs.
 */
static void ratio_interval(const double *a, const double *b, size_t n, oxp_timing *t) {
    enum { RESAMPLES = 1000 };
    static double ratios[RESAMPLES], x[RUNS_MAX], y[RUNS_MAX];
    uint64_t state = 88172645463325252u; /* xorshift64 (Marsaglia 2003) */
    for (int r = 0; r < RESAMPLES; r++) {
        for (size_t i = 0; i < n; i++) {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            x[i] = a[state % n];
            y[i] = b[state % n];
        }
        ratios[r] = median(y, n) / median(x, n);
    }
    qsort(ratios, RESAMPLES, sizeof *ratios, by_value);
    t->ratio_low = ratios[RESAMPLES / 40];
    t->ratio_high = ratios[RESAMPLES - 1 - RESAMPLES / 40];
}

/* Interleaved runs of both sessions, after a warm-up. */
static void time_both(job *j, oxp_ort *ort, bool optimize, const oxp_array *in, size_t n,
                      oxp_timing *t) {
    static double a[RUNS_MAX], b[RUNS_MAX];
    oxp_session_opts how = {optimize, j->opts->threads};
    size_t runs = j->opts->runs < RUNS_MAX ? j->opts->runs : RUNS_MAX;
    double start = now();
    stage(j, optimize ? "optimizing" : "loading", j->before);
    oxp_session *x = oxp_ort_session(ort, j->before, &how);
    t->load_before = now() - start;
    start = now();
    stage(j, optimize ? "optimizing" : "loading", j->after);
    oxp_session *y = oxp_ort_session(ort, j->after, &how);
    t->load_after = now() - start;
    const oxp_array *ix = order_inputs(j, x, in, n, j->before);
    const oxp_array *iy = order_inputs(j, y, in, n, j->after);
    for (size_t i = 0; i < runs + 2; i++) {
        double t0 = now();
        stage(j, "timing", j->before);
        oxp_session_run(x, ix, NULL, j->arena);
        double t1 = now();
        stage(j, "timing", j->after);
        oxp_session_run(y, iy, NULL, j->arena);
        double t2 = now();
        if (i >= 2) { /* the first two warm up */
            a[i - 2] = t1 - t0;
            b[i - 2] = t2 - t1;
        }
    }
    ratio_interval(a, b, runs, t);
    t->before = median(a, runs);
    t->after = median(b, runs);
    oxp_session_close(x);
    oxp_session_close(y);
}

static void child_work(void *arg) {
    job *j = arg;
    shared *r = j->out;
    size_t n = 0;
    stage(j, "loading", "ONNX Runtime");
    oxp_ort *ort = oxp_ort_open(j->arena, oxp_ort_locate(j->arena, j->opts->library));
    snprintf(r->version, sizeof r->version, "%s", oxp_ort_version(ort));
    oxp_session_opts plain = {false, j->opts->threads};
    stage(j, "loading", j->before);
    oxp_session *a = oxp_ort_session(ort, j->before, &plain);
    stage(j, "loading", j->after);
    oxp_session *b = oxp_ort_session(ort, j->after, &plain);
    r->n_outputs = oxp_session_outputs(a);
    if (r->n_outputs > OUTPUTS_MAX)
        r->n_outputs = OUTPUTS_MAX;
    for (size_t i = 0; i < r->n_outputs; i++) {
        snprintf(r->names[i], NAME_MAX_KEPT, "%s", oxp_session_output_name(a, i));
        r->checks[i].cosine = 1;
    }
    const oxp_array *in = NULL;
    for (unsigned k = 0; k < j->sets; k++) {
        in = j->opts->inputs ? oxp_inputs_read(j->analysis, j->opts->inputs, &n, j->arena)
                             : oxp_inputs_random(j->analysis, j->opts->seed + k, &n, j->arena);
        compare_set(j, a, b, in, n);
    }
    oxp_session_close(a);
    oxp_session_close(b);
    if (j->opts->runs) {
        time_both(j, ort, true, in, n, &r->optimized);
        time_both(j, ort, false, in, n, &r->plain);
    }
}

static _Noreturn void child(job *j) {
    oxp_ctx *ctx = oxp_arena_ctx(j->arena);
    struct rlimit core = {0, 0};
    setrlimit(RLIMIT_CORE, &core);
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* never outlive the parent */
    j->out->status = oxp_try(ctx, child_work, j);
    snprintf(j->out->text, sizeof j->out->text, "%s", oxp_error_text(ctx));
    j->out->done = true;
    _exit(0);
}

/* ---- in the parent ---- */

/* Waits for the child, at most `limit` seconds; the wait status, or -1 when it was killed for time.
 */
static int wait_for(pid_t pid, double limit) {
    double end = now() + limit;
    for (;;) {
        int status;
        pid_t got = waitpid(pid, &status, WNOHANG);
        if (got == pid)
            return status;
        if (now() > end) {
            kill(pid, SIGKILL);
            waitpid(pid, &status, 0);
            return -1;
        }
        nanosleep(&(struct timespec){0, 2000000}, NULL);
    }
}

static void unmap(void *p) {
    munmap(p, sizeof(shared));
}

static void collect(oxp_verification *v, const shared *r, const job *j) {
    v->runtime = oxp_sprintf(j->arena, "ONNX Runtime %s", r->version);
    v->n_outputs = r->n_outputs;
    oxp_output_check *checks = OXP_NEWS(j->arena, r->n_outputs + 1, oxp_output_check);
    v->ok = true;
    for (size_t i = 0; i < r->n_outputs; i++) {
        checks[i] = r->checks[i];
        checks[i].name = oxp_strdup(j->arena, r->names[i]);
        checks[i].problem = r->problems[i][0] ? oxp_strdup(j->arena, r->problems[i]) : NULL;
        checks[i].mean_abs /= j->sets;
        checks[i].ok = !checks[i].problem && checks[i].relative <= v->tolerance;
        v->ok = v->ok && checks[i].ok;
    }
    v->outputs = checks;
    v->timed = j->opts->runs > 0;
    v->optimized = r->optimized;
    v->plain = r->plain;
}

const oxp_verification *oxp_verify(oxp_arena *arena, const oxp_model *before, const char *after,
                                   const oxp_verify_opts *opts) {
    oxp_ctx *ctx = oxp_arena_ctx(arena);
    job j = {arena, NULL, oxp_model_path(before), after, opts, opts->sets ? opts->sets : 2, NULL};
    if (opts->inputs)
        j.sets = 1;
    oxp_analyze_opts how = OXP_ANALYZE_OPTS_INIT;
    how.bindings = opts->bindings;
    how.n_bindings = opts->n_bindings;
    how.symbolic = false;
    how.quiet = true;
    oxp_status s = oxp_analyze(&j.analysis, before, &how, arena);
    if (s != OXP_OK)
        oxp_reraise(ctx, s);
    j.out = mmap(NULL, sizeof(shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (j.out == MAP_FAILED)
        oxp_raise(ctx, OXP_E_NOMEM, "out of memory");
    size_t token = oxp_defer(ctx, unmap, j.out);
    pid_t pid = fork();
    if (pid < 0)
        oxp_raise(ctx, OXP_E_IO, "cannot start a process: %s", strerror(errno));
    if (pid == 0)
        child(&j);
    int status = wait_for(pid, opts->seconds > 0 ? opts->seconds : 300);
    if (!j.out->done)
        oxp_raise(ctx, OXP_E_UNSUPPORTED, "%s: ONNX Runtime %s while %s", after,
                  status == -1          ? "took too long"
                  : WIFSIGNALED(status) ? "crashed"
                                        : "ended",
                  j.out->stage);
    if (j.out->status != OXP_OK)
        oxp_raise(ctx, j.out->status, "%s", j.out->text);
    oxp_verification *v = OXP_NEW(arena, oxp_verification);
    v->tolerance = oxp_tolerance(opts->fidelity);
    v->sets = j.sets;
    v->runs = opts->runs;
    collect(v, j.out, &j);
    oxp_undefer(ctx, token, true);
    return v;
}
