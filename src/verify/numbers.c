/* numbers.c - runs two models on the same inputs and compares what they give. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "verify/compare.h"
#include "verify/verify_impl.h"

enum { OUTPUTS_MAX = 256, TEXT_KEPT = 200 };

/* What the child leaves for us. */
typedef struct shared {
    oxp_child_note note;
    size_t n_outputs, worst_case;
    double worst;
    oxp_output_check checks[OUTPUTS_MAX];
    char names[OUTPUTS_MAX][TEXT_KEPT], problems[OUTPUTS_MAX][TEXT_KEPT], version[64];
} shared;

typedef struct numbers {
    oxp_verify_job *j;
    const oxp_files *files;
    oxp_ort_level level;
    shared *out;
} numbers;

/* ---- in the child ---- */

oxp_session *oxp_open_session(oxp_ort *ort, const oxp_verify_job *j, const oxp_files *f,
                              oxp_ort_level level, int model, oxp_child_note *note) {
    oxp_session_opts how = {level, j->opts->threads, j->opts->provider,
                            model == 1 ? f->name_a : f->name_b};
    oxp_child_stage(note, model, "%s %s", level == OXP_ORT_NONE ? "loading" : "optimizing",
                    model == 1 ? f->name_a : f->name_b);
    return oxp_ort_session(ort, model == 1 ? f->a : f->b, &how);
}

/* Brings the fed arrays, which are in the order of the first model, into that of the session. */
oxp_array *oxp_order_inputs(const oxp_session *s, const oxp_array *in, size_t n, const oxp_files *f,
                            bool second, oxp_child_note *note, oxp_arena *arena) {
    oxp_ctx *ctx = oxp_arena_ctx(arena);
    const char *model = second ? f->name_b : f->name_a;
    oxp_array *ordered = OXP_NEWS(arena, n + 1, oxp_array);
    note->model = 0; /* other inputs are a mistake in the request */
    if (oxp_session_inputs(s) != n)
        oxp_raise(ctx, OXP_E_UNSUPPORTED, "%s: has %zu inputs, %s has %zu", model,
                  oxp_session_inputs(s), f->name_a, n);
    for (size_t i = 0; i < n; i++) {
        oxp_array want = oxp_session_input(s, i);
        size_t k = 0;
        while (k < n && strcmp(in[k].name, want.name) != 0)
            k++;
        if (k == n)
            oxp_raise(ctx, OXP_E_UNSUPPORTED, "%s: input '%s' is not in %s", model, want.name,
                      f->name_a);
        if (in[k].dtype != want.dtype)
            oxp_raise(ctx, OXP_E_UNSUPPORTED, "%s: input '%s' is %s, in %s it is %s", model,
                      want.name, oxp_dtype_name(want.dtype), f->name_a,
                      oxp_dtype_name(in[k].dtype));
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

static oxp_array *run_one(oxp_session *s, const numbers *w, const oxp_array *in, size_t n,
                          bool second, oxp_arena *arena) {
    oxp_child_note *note = &w->out->note;
    oxp_array *out = OXP_NEWS(arena, oxp_session_outputs(s) + 1, oxp_array);
    oxp_array *ordered = oxp_order_inputs(s, in, n, w->files, second, note, arena);
    oxp_child_stage(note, second ? 2 : 1, "running %s",
                    second ? w->files->name_b : w->files->name_a);
    oxp_session_run(s, ordered, out, arena);
    return out;
}

static void compare_case(const numbers *w, oxp_session *a, oxp_session *b, size_t at,
                         oxp_arena *arena) {
    shared *r = w->out;
    size_t n;
    oxp_child_stage(&r->note, 0, "reading inputs");
    const oxp_array *in = oxp_case_inputs(&w->j->cases, at, &n, arena);
    const oxp_array *x = run_one(a, w, in, n, false, arena);
    const oxp_array *y = run_one(b, w, in, n, true, arena);
    for (size_t i = 0; i < r->n_outputs; i++) {
        oxp_output_check *c = &r->checks[i];
        size_t k = find_output(b, x[i].name);
        const char *before = c->problem;
        if (k == SIZE_MAX)
            c->problem = "is missing";
        else if (!c->problem)
            oxp_compare_arrays(&x[i], &y[k], c, arena);
        if (c->problem && !before) {
            snprintf(r->problems[i], TEXT_KEPT, "%s", c->problem);
            c->problem = r->problems[i];
        }
        double error = c->problem ? HUGE_VAL : c->relative;
        if (error > r->worst) {
            r->worst = error;
            r->worst_case = at;
        }
    }
}

static void work(void *arg) {
    const numbers *w = arg;
    shared *r = w->out;
    oxp_arena *arena = w->j->arena;
    oxp_ctx *ctx = oxp_arena_ctx(arena);
    oxp_ctx_set_cap(ctx, SIZE_MAX); /* the parent watches */
    oxp_child_stage(&r->note, 0, "loading ONNX Runtime");
    oxp_ort *ort = oxp_ort_open(arena, w->j->candidates);
    snprintf(r->version, sizeof r->version, "%s", oxp_ort_version(ort));
    oxp_session *a = oxp_open_session(ort, w->j, w->files, w->level, 1, &r->note);
    oxp_session *b = oxp_open_session(ort, w->j, w->files, w->level, 2, &r->note);
    r->n_outputs = oxp_session_outputs(a);
    if (r->n_outputs > OUTPUTS_MAX)
        r->n_outputs = OUTPUTS_MAX;
    for (size_t i = 0; i < r->n_outputs; i++) {
        snprintf(r->names[i], TEXT_KEPT, "%s", oxp_session_output_name(a, i));
        r->checks[i].cosine = 1;
    }
    for (size_t k = 0; k < oxp_case_count(&w->j->cases); k++) {
        oxp_arena *scratch = oxp_arena_new(ctx);
        compare_case(w, a, b, k, scratch);
        oxp_arena_free(scratch);
    }
}

/* ---- in the parent ---- */

const char *oxp_blame(oxp_verify_job *j, oxp_child_end end, const oxp_child_note *note,
                      const oxp_files *f) {
    oxp_ctx *ctx = oxp_arena_ctx(j->arena);
    const char *story = oxp_child_story(j->arena, end, note, &j->limits);
    if (end == OXP_CHILD_DONE)
        return NULL;
    if (end == OXP_CHILD_RAISED && (note->model != 2 || note->status == OXP_E_RUNTIME))
        oxp_raise(ctx, note->status, "%s", story);
    if (note->model == 0)
        oxp_raise(ctx, OXP_E_RUNTIME, "%s: ONNX Runtime %s", j->candidates[0], story);
    if (note->model == 1)
        oxp_raise(ctx, OXP_E_UNSUPPORTED, "%s: ONNX Runtime %s", f->name_a, story);
    return end == OXP_CHILD_RAISED ? story : oxp_sprintf(j->arena, "ONNX Runtime %s", story);
}

/* NaN or infinity throughout, in both: the comparison says nothing about the rewrite. */
static const char *nothing_to_compare(const oxp_output_check *c) {
    if (c->problem || !c->compared || !c->n_elements || c->n_nan + c->n_infinite != c->n_elements)
        return NULL;
    return c->n_nan == c->n_elements ? "NaN throughout, before and after: nothing to compare"
           : !c->n_nan               ? "infinite throughout, before and after: nothing to compare"
                       : "NaN or infinite throughout, before and after: nothing to compare";
}

/* Strings, sequences and maps are not compared: a model that has nothing else is not verified. */
static bool all_without_numbers(const oxp_output_check *checks, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (checks[i].compared || checks[i].problem)
            return false;
    return true;
}

static void collect(const oxp_verify_job *j, const shared *r, oxp_check *check) {
    oxp_output_check *checks = OXP_NEWS(j->arena, r->n_outputs + 1, oxp_output_check);
    check->done = check->ok = true;
    for (size_t i = 0; i < r->n_outputs; i++) {
        checks[i] = r->checks[i];
        checks[i].name = oxp_strdup(j->arena, r->names[i]);
        checks[i].problem = r->problems[i][0] ? oxp_strdup(j->arena, r->problems[i]) : NULL;
        const char *nothing = nothing_to_compare(&checks[i]);
        checks[i].nothing = nothing != NULL;
        if (nothing) {
            checks[i].compared = checks[i].argmax_checked = false;
            checks[i].problem = nothing;
        }
        checks[i].mean_abs /= (double)oxp_case_count(&j->cases);
        checks[i].ok = !checks[i].problem && checks[i].relative <= j->v->tolerance;
        check->ok = check->ok && checks[i].ok;
    }
    bool none = all_without_numbers(checks, r->n_outputs);
    for (size_t i = 0; none && i < r->n_outputs; i++) {
        checks[i].nothing = true;
        checks[i].problem = "no tensor of numbers: nothing to compare";
        check->ok = checks[i].ok = false;
    }
    check->outputs = checks;
    check->n_outputs = r->n_outputs;
    check->worst = oxp_case_text(&j->cases, r->worst_case, j->arena);
}

void oxp_check_numbers(oxp_verify_job *j, const oxp_files *files, oxp_ort_level level,
                       oxp_check *check, size_t *worst_case) {
    oxp_shared *s = oxp_shared_new(j->arena, sizeof(shared));
    shared *r = s->at;
    numbers w = {j, files, level, r};
    r->worst = -1;
    oxp_child_end end = oxp_child_run(oxp_arena_ctx(j->arena), work, &w, &r->note, &j->limits);
    check->problem = oxp_blame(j, end, &r->note, files);
    if (!check->problem)
        collect(j, r, check);
    if (r->version[0] && !j->v->runtime)
        j->v->runtime = oxp_sprintf(j->arena, "ONNX Runtime %s", r->version);
    *worst_case = r->worst_case;
    oxp_shared_free(j->arena, s);
}
