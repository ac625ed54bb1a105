/* verify.c - the course of a verification: numbers, emulation, labels, time. */
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "analysis/device.h"
#include "analysis/latency.h"
#include "rewrite/project.h"
#include "verify/compare.h"
#include "verify/verify_impl.h"

static const oxp_size_choice nothing_bound = {NULL, 0, ""};

static const oxp_analysis *analyze(oxp_verify_job *j, const oxp_size_choice *c) {
    const oxp_analysis *a;
    oxp_analyze_opts how = OXP_ANALYZE_OPTS_INIT;
    how.bindings = c->bindings;
    how.n_bindings = c->n_bindings;
    how.symbolic = false;
    how.quiet = true;
    oxp_status s = oxp_analyze(&a, j->before, &how, j->arena);
    if (s != OXP_OK)
        oxp_reraise(oxp_arena_ctx(j->arena), s);
    return a;
}

static void plan_cases(oxp_verify_job *j) {
    const oxp_verify_opts *o = j->opts;
    oxp_cases *c = &j->cases;
    const char *sizes = "";
    c->choices = o->n_sizes ? o->sizes : &nothing_bound;
    c->n_sizes = o->n_sizes ? o->n_sizes : 1;
    c->sets = o->sets ? o->sets : 2;
    c->seed = o->seed;
    if (o->inputs) {
        c->folders = oxp_input_folders(j->arena, o->inputs, &c->n_folders);
        c->choices = oxp_given_sizes(j, analyze(j, &nothing_bound));
        c->n_sizes = 1;
    }
    const oxp_analysis **all = OXP_NEWS(j->arena, c->n_sizes, const oxp_analysis *);
    for (size_t i = 0; i < c->n_sizes; i++) {
        all[i] = analyze(j, &c->choices[i]);
        sizes = oxp_sprintf(j->arena, "%s%s%s", sizes, i ? "; " : "", c->choices[i].text);
    }
    c->sizes = all;
    j->v->sets = c->n_folders ? (unsigned)c->n_folders : c->sets;
    j->v->sizes = sizes;
}

/* ---- tolerance ---- */

/* Each rounding to bfloat16 costs up to 2^-9 of a value, eight times that of float16. */
enum { HALF_AS_BFLOAT = 8 };

static double tolerance(const oxp_verify_job *j, bool half, bool bfloat) {
    double t = oxp_tolerance(j->opts->fidelity);
    if (j->opts->tolerance > 0)
        return j->opts->tolerance;
    if (bfloat)
        return fmax(t, HALF_AS_BFLOAT * oxp_tolerance(OXP_LOSSY));
    return half ? fmax(t, oxp_tolerance(OXP_LOSSY)) : t;
}

/* ---- phases ---- */

/* A runtime without kernels for bfloat16 refuses the model: not the rewrite's fault. */
static bool merely_lacks_kernels(const oxp_check *c, bool bfloat) {
    return bfloat && c->problem &&
           (strstr(c->problem, "NOT_IMPLEMENTED") ||
            strstr(c->problem, "not find an implementation") || strstr(c->problem, "bfloat16"));
}

static void check_emulated(oxp_verify_job *j, const oxp_files *f) {
    oxp_verification *v = j->v;
    oxp_files e = *f;
    size_t worst;
    bool half_before = oxp_holds(j->before, OXP_FLOAT16) || oxp_holds(j->before, OXP_BFLOAT16);
    if (!v->holds_half)
        return;
    e.name_b = oxp_sprintf(j->arena, "%s with half precision emulated", f->name_b);
    e.b = oxp_emulated_file(j, j->after, "after.onnx", &v->emulated.problem);
    if (half_before && e.b) {
        e.name_a = oxp_sprintf(j->arena, "%s with half precision emulated", f->name_a);
        e.a = oxp_emulated_file(j, j->before, "before.onnx", &v->emulated.problem);
    }
    if (!e.a || !e.b)
        return;
    oxp_check_numbers(j, &e, OXP_ORT_NONE, &v->emulated, &worst);
    if (v->emulated.done && !v->emulated.ok)
        oxp_find_damage(j, &e, worst, &v->emulated);
}

static void project(oxp_verify_job *j) {
    oxp_arena *scratch = oxp_arena_new(oxp_arena_ctx(j->arena));
    const oxp_size_choice *c = &j->cases.choices[0];
    const oxp_device *host = oxp_device_host(scratch);
    size_t told = oxp_diag_count(oxp_arena_ctx(j->arena));
    j->v->projected_before = oxp_latency(j->cases.sizes[0], host, OXP_UNDEFINED, NULL, NULL);
    j->v->projected_after =
        oxp_latency(oxp_analyze_remaining(j->after, c->bindings, c->n_bindings, scratch), host,
                    OXP_UNDEFINED, NULL, NULL);
    oxp_diag_truncate(oxp_arena_ctx(j->arena), told);
    oxp_arena_free(scratch);
}

static void run(oxp_verify_job *j) {
    oxp_verification *v = j->v;
    const oxp_verify_opts *o = j->opts;
    const char *before = oxp_model_path(j->before), *after = oxp_model_path(j->after);
    oxp_files f = {before, after, before, o->after_name ? o->after_name : after};
    bool half = oxp_holds(j->after, OXP_FLOAT16) || oxp_holds(j->before, OXP_FLOAT16);
    bool bfloat = oxp_holds(j->after, OXP_BFLOAT16) || oxp_holds(j->before, OXP_BFLOAT16);
    size_t worst;
    v->holds_half = oxp_holds(j->after, OXP_FLOAT16) || oxp_holds(j->after, OXP_BFLOAT16);
    v->tolerance = tolerance(j, half, bfloat);
    oxp_check_numbers(j, &f, OXP_ORT_NONE, &v->plain, &worst);
    check_emulated(j, &f);
    if (merely_lacks_kernels(&v->plain, bfloat)) {
        v->ok = v->emulated.done && v->emulated.ok;
        return;
    }
    v->ok = v->plain.ok && (!v->emulated.done || v->emulated.ok);
    if (v->plain.done && !v->plain.ok)
        oxp_find_damage(j, &f, worst, &v->plain);
    if (!v->plain.done)
        return;
    oxp_check_numbers(j, &f, OXP_ORT_ALL, &v->optimized, &worst);
    v->ok = v->ok && v->optimized.ok;
    if (o->labels)
        oxp_check_labels(j, &f);
    if (o->runs && !o->numbers_only && v->optimized.done) {
        oxp_measure_times(j, &f);
        project(j);
    }
}

const oxp_verification *oxp_verify(oxp_arena *arena, const oxp_model *before,
                                   const oxp_model *after, const oxp_verify_opts *opts) {
    oxp_verify_job j = {.arena = arena, .before = before, .after = after, .opts = opts};
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    j.limits.seconds = opts->seconds > 0 ? opts->seconds : 300;
    j.limits.memory = opts->memory;
    if (!j.limits.memory && pages > 0 && page > 0)
        j.limits.memory = (uint64_t)pages * (uint64_t)page / 4 * 3;
    j.candidates = oxp_ort_candidates(arena, opts->library);
    j.v = OXP_NEW(arena, oxp_verification);
    plan_cases(&j);
    run(&j);
    if (j.folder)
        oxp_temporary_remove(arena, j.folder);
    return j.v;
}

/* ---- what a runtime offers ---- */

typedef struct told {
    oxp_child_note note;
    char path[4096], version[64], providers[1024];
} told;

typedef struct question {
    oxp_arena *arena;
    const char *const *candidates;
    told *out;
} question;

static void ask(void *arg) {
    question *q = arg;
    oxp_child_stage(&q->out->note, 0, "loading it");
    oxp_ort *ort = oxp_ort_open(q->arena, q->candidates);
    const char *const *names, *list = "";
    size_t n = oxp_ort_providers(ort, &names);
    for (size_t i = 0; i < n; i++)
        list = oxp_sprintf(q->arena, "%s%s%s", list, i ? ", " : "", names[i]);
    strncpy(q->out->path, oxp_ort_path(ort), sizeof q->out->path - 1);
    strncpy(q->out->version, oxp_ort_version(ort), sizeof q->out->version - 1);
    strncpy(q->out->providers, list, sizeof q->out->providers - 1);
}

oxp_runtime_info oxp_runtime_ask(oxp_arena *arena, const char *library, double seconds) {
    const oxp_limits limits = {seconds > 0 ? seconds : 60, 0};
    oxp_ctx *ctx = oxp_arena_ctx(arena);
    oxp_shared *s = oxp_shared_new(arena, sizeof(told));
    question q = {arena, oxp_ort_candidates(arena, library), s->at};
    oxp_child_end end = oxp_child_run(ctx, ask, &q, &q.out->note, &limits);
    const char *story = oxp_child_story(arena, end, &q.out->note, &limits);
    if (end == OXP_CHILD_RAISED)
        oxp_raise(ctx, q.out->note.status, "%s", story);
    if (end != OXP_CHILD_DONE)
        oxp_raise(ctx, OXP_E_RUNTIME, "%s: %s", q.candidates[0], story);
    oxp_runtime_info r = {oxp_strdup(arena, q.out->path), oxp_strdup(arena, q.out->version),
                          oxp_strdup(arena, q.out->providers)};
    oxp_shared_free(arena, s);
    return r;
}
