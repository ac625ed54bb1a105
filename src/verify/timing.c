/* timing.c - latency by interleaved runs, load times, peak memory.
 *
 * Two sessions of one and the same model can differ for good: their buffers lie elsewhere.  So the
 * sessions are made anew in each of a few rounds, and the interval is that of a bootstrap which
 * draws rounds first and then runs within them (Davison and Hinkley 1997, section 3.8).
 *
 * Both run on the same threads: those of a session of its own spin for a while after a run, and on
 * two processors the next run of the other session then took twice its time. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "verify/verify_impl.h"

enum { ROUNDS = 4, RUNS_MAX = 1000, WARM_UP = 2, RESAMPLES = 1000 };
static const double mode_seconds =
    20; /* for all rounds of one mode; a round has two runs at least */

typedef struct shared {
    oxp_child_note note;
    double load[2][ROUNDS], run[2][ROUNDS][RUNS_MAX];
    size_t rounds, runs[ROUNDS];
    uint64_t peak;
} shared;

typedef struct timing {
    oxp_verify_job *j;
    const oxp_files *f;
    oxp_ort_level level;
    int model; /* memory: which of the two */
    shared *out;
} timing;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- in the child ---- */

static double timed_run(const timing *w, oxp_session *s, const oxp_array *in, int model,
                        oxp_arena *arena) {
    oxp_child_stage(&w->out->note, model, "timing %s", model == 1 ? w->f->name_a : w->f->name_b);
    double start = now();
    oxp_session_run(s, in, NULL, arena);
    return now() - start;
}

static void one_round(const timing *w, oxp_ort *ort, const oxp_array *in, size_t n, double until,
                      oxp_arena *arena) {
    shared *r = w->out;
    size_t round = r->rounds, want = (w->j->opts->runs + ROUNDS - 1) / ROUNDS;
    oxp_session *s[2];
    const oxp_array *x[2];
    for (int k = 0; k < 2; k++) { /* which of them is loaded first changes */
        int model = (k + (int)round) % 2;
        double start = now();
        s[model] = oxp_open_session(ort, w->j, w->f, w->level, model + 1, &r->note);
        r->load[model][round] = now() - start;
        x[model] = oxp_order_inputs(s[model], in, n, w->f, model, &r->note, arena);
    }
    for (size_t i = 0; i < want + WARM_UP; i++) {
        double seconds[2];
        for (int k = 0; k < 2; k++) {
            int model = (k + (int)i) % 2;
            seconds[model] = timed_run(w, s[model], x[model], model + 1, arena);
        }
        if (i == 0 && seconds[0] + seconds[1] < (until - now()) / 4)
            continue; /* warms up; so does the second, unless one run takes long */
        if (i < WARM_UP && seconds[0] + seconds[1] < (until - now()) / 8)
            continue;
        r->run[0][round][r->runs[round]] = seconds[0];
        r->run[1][round][r->runs[round]++] = seconds[1];
        if (now() > until && r->runs[round] >= 2)
            break;
    }
    for (int k = 0; k < 2; k++)
        oxp_session_close(s[k]);
    r->rounds++;
}

static void time_both(void *arg) {
    const timing *w = arg;
    oxp_arena *arena = w->j->arena;
    size_t n;
    oxp_ctx_set_cap(oxp_arena_ctx(arena), SIZE_MAX);
    oxp_child_stage(&w->out->note, 0, "loading ONNX Runtime");
    oxp_ort *ort = oxp_ort_open_shared(arena, w->j->candidates, w->j->opts->threads);
    const oxp_array *in = oxp_case_inputs(&w->j->cases, 0, &n, arena);
    double start = now();
    for (int k = 0; k < ROUNDS && (k < 2 || now() < start + mode_seconds); k++)
        one_round(w, ort, in, n, start + mode_seconds * (k + 1) / ROUNDS, arena);
}

/* What one model needs beyond the runtime itself, in a process without the other. */
static void measure_peak(void *arg) {
    const timing *w = arg;
    oxp_arena *arena = w->j->arena;
    size_t n;
    oxp_ctx_set_cap(oxp_arena_ctx(arena), SIZE_MAX);
    oxp_ort *ort = oxp_ort_open(arena, w->j->candidates);
    const oxp_array *in = oxp_case_inputs(&w->j->cases, 0, &n, arena);
    uint64_t before = oxp_resident_now();
    oxp_session *s = oxp_open_session(ort, w->j, w->f, w->level, w->model, &w->out->note);
    in = oxp_order_inputs(s, in, n, w->f, w->model == 2, &w->out->note, arena);
    (void)timed_run(w, s, in, w->model, arena);
    uint64_t peak = oxp_resident_peak();
    w->out->peak = peak > before ? peak - before : 0;
}

/* ---- statistics ---- */

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *v, size_t n) {
    qsort(v, n, sizeof *v, by_value);
    return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

/* All runs of a model in one list. */
static size_t pool(const shared *r, int model, double *to) {
    size_t n = 0;
    for (size_t k = 0; k < r->rounds; k++)
        for (size_t i = 0; i < r->runs[k]; i++)
            to[n++] = r->run[model][k][i];
    return n;
}

static uint64_t next_random(uint64_t *state) { /* xorshift64 (Marsaglia 2003) */
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* 95 % interval of the ratio of the medians. */
static void ratio_interval(const shared *r, oxp_timing *t, oxp_arena *arena) {
    double *ratios = OXP_NEWS(arena, RESAMPLES, double);
    double *x = OXP_NEWS(arena, (size_t)ROUNDS * RUNS_MAX, double);
    double *y = OXP_NEWS(arena, (size_t)ROUNDS * RUNS_MAX, double);
    uint64_t state = 88172645463325252u;
    for (int sample = 0; sample < RESAMPLES; sample++) {
        size_t n = 0;
        for (size_t k = 0; k < r->rounds; k++) {
            size_t round = next_random(&state) % r->rounds;
            for (size_t i = 0; i < r->runs[round]; i++) {
                size_t at = next_random(&state) % r->runs[round];
                x[n] = r->run[0][round][at];
                y[n++] = r->run[1][round][at];
            }
        }
        ratios[sample] = median(y, n) / median(x, n);
    }
    qsort(ratios, RESAMPLES, sizeof *ratios, by_value);
    t->ratio_low = ratios[RESAMPLES / 40];
    t->ratio_high = ratios[RESAMPLES - 1 - RESAMPLES / 40];
}

oxp_verdict oxp_timing_verdict(const oxp_timing *t) {
    /* Layouts of memory alone move medians by a per cent or two, a clock's steps by a fraction of a
     * microsecond; a few runs decide nothing. */
    enum { RUNS_AT_LEAST = 8 };
    static const double relative_floor = 0.02, absolute_floor = 1e-6;
    double change = t->after / t->before - 1;
    if (t->runs < RUNS_AT_LEAST || (t->ratio_low <= 1 && t->ratio_high >= 1))
        return OXP_NO_DIFFERENCE;
    if (fabs(change) < relative_floor || fabs(t->after - t->before) < absolute_floor)
        return OXP_NO_DIFFERENCE;
    return change < 0 ? OXP_FASTER : OXP_SLOWER;
}

/* ---- in the parent ---- */

static void time_mode(oxp_verify_job *j, const oxp_files *f, oxp_ort_level level, oxp_timing *t) {
    oxp_arena *arena = oxp_arena_new(oxp_arena_ctx(j->arena));
    oxp_shared *s = oxp_shared_new(arena, sizeof(shared));
    shared *r = s->at;
    timing w = {j, f, level, 0, r};
    oxp_child_end end = oxp_child_run(oxp_arena_ctx(j->arena), time_both, &w, &r->note, &j->limits);
    t->problem = oxp_blame(j, end, &r->note, f);
    if (!t->problem) {
        double *all = OXP_NEWS(arena, (size_t)ROUNDS * RUNS_MAX, double);
        t->runs = (unsigned)pool(r, 0, all);
        t->before = median(all, t->runs);
        t->best_before = all[0]; /* sorted by now */
        t->after = median(all, pool(r, 1, all));
        t->best_after = all[0];
        t->load_before = median(r->load[0], r->rounds);
        t->load_after = median(r->load[1], r->rounds);
        ratio_interval(r, t, arena);
    }
    oxp_shared_free(arena, s);
    oxp_arena_free(arena);
}

static uint64_t peak_of(oxp_verify_job *j, const oxp_files *f, oxp_ort_level level, int model) {
    oxp_shared *s = oxp_shared_new(j->arena, sizeof(shared));
    shared *r = s->at;
    timing w = {j, f, level, model, r};
    oxp_child_end end =
        oxp_child_run(oxp_arena_ctx(j->arena), measure_peak, &w, &r->note, &j->limits);
    uint64_t peak = end == OXP_CHILD_DONE ? r->peak : 0;
    oxp_shared_free(j->arena, s);
    return peak;
}

void oxp_measure_times(oxp_verify_job *j, const oxp_files *f) {
    static const struct {
        oxp_ort_level level;
        const char *name;
    } names[] = {{OXP_ORT_NONE, "none"},
                 {OXP_ORT_BASIC, "basic"},
                 {OXP_ORT_EXTENDED, "extended"},
                 {OXP_ORT_ALL, "all"}};
    oxp_verification *v = j->v;
    oxp_ort_level level = j->opts->level_given ? (oxp_ort_level)j->opts->level : OXP_ORT_ALL;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i].level == level)
            v->level = names[i].name;
    v->timed = true;
    time_mode(j, f, level, &v->with);
    if (level != OXP_ORT_NONE)
        time_mode(j, f, OXP_ORT_NONE, &v->without);
    else
        v->without = v->with;
    if (v->with.problem)
        return;
    v->peak_before = peak_of(j, f, level, 1);
    v->peak_after = peak_of(j, f, level, 2);
}
