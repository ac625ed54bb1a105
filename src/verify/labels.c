/* labels.c - the task's own metric before and after, from the labels of the given inputs.
 *
 * A label file has one class number a line, in the order of the samples: those of the first input
 * set, then of the second.  Empty lines and lines that start with # are skipped.  Samples lie along
 * the first axis of the output that is read: the first one with a row of scores a sample (the
 * largest decides), one score a sample (two classes; above 1/2 when all are within 0..1, else above
 * 0), or one class number a sample. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/source.h"
#include "verify/compare.h"
#include "verify/verify_impl.h"

enum { FILE_MAX = 64 << 20, CLASS_MAX = 1 << 20, NAME_KEPT = 200 };

typedef struct shared {
    oxp_child_note note;
    size_t found[2], classes; /* samples of each model; scores in a row */
    char output[NAME_KEPT];
    int32_t predicted[]; /* of the first model, then of the second */
} shared;

typedef struct labels {
    oxp_verify_job *j;
    const oxp_files *f;
    const int32_t *at;
    const size_t *lines; /* of the file, for messages */
    size_t n;
    shared *out;
} labels;

/* ---- the file ---- */

const int32_t *oxp_labels_read(oxp_arena *arena, const char *path, const size_t **numbers,
                               size_t *n) {
    oxp_ctx *ctx = oxp_arena_ctx(arena);
    size_t cap = 0, *lines = NULL;
    *n = 0;
    oxp_source *s = oxp_source_open(ctx, path);
    uint64_t size = oxp_source_size(s);
    if (size > FILE_MAX)
        oxp_raise(ctx, OXP_E_LIMIT, "%s: larger than %d MiB", path, FILE_MAX >> 20);
    char *text = oxp_alloc(arena, (size_t)size + 1, 1), *line = text;
    oxp_source_read(s, 0, text, (size_t)size);
    oxp_source_close(s);
    int32_t *all = OXP_NEWS(arena, (size_t)size / 2 + 2, int32_t);
    for (size_t number = 1; line && *line; number++) {
        char *end, *next = strchr(line, '\n');
        if (next)
            *next++ = 0;
        line += strspn(line, " \t\r");
        if (*line && *line != '#') {
            long v = strtol(line, &end, 10);
            if (end == line || end[strspn(end, " \t\r")] || v < 0 || v > CLASS_MAX)
                oxp_raise(ctx, OXP_E_FORMAT, "%s: line %zu is no class number: '%.40s'", path,
                          number, line);
            lines = oxp_grow(arena, lines, &cap, *n + 1, sizeof *lines);
            lines[*n] = number;
            all[(*n)++] = (int32_t)v;
        }
        line = next;
    }
    if (!*n)
        oxp_raise(ctx, OXP_E_FORMAT, "%s: holds no labels", path);
    *numbers = lines;
    return all;
}

/* ---- in the child ---- */

static bool readable(const oxp_array *a) {
    if (a->dtype == OXP_UNDEFINED || a->rank < 1 || a->rank > 2 || !a->dims[0])
        return false;
    return oxp_dtype_is_float(a->dtype) ||
           (oxp_dtype_is_integer(a->dtype) && a->count == (uint64_t)a->dims[0]);
}

static int32_t largest_of(const oxp_array *a, uint64_t row, uint64_t columns) {
    uint64_t at = 0;
    for (uint64_t k = 1; k < columns; k++)
        if (oxp_element(a, row * columns + k) > oxp_element(a, row * columns + at))
            at = k;
    return (int32_t)at;
}

static void predict(labels *w, const oxp_array *a, int model) {
    shared *r = w->out;
    uint64_t rows = (uint64_t)a->dims[0], columns = a->count / rows;
    bool classes = !oxp_dtype_is_float(a->dtype), within = true;
    if (!classes && columns > r->classes)
        r->classes = columns;
    for (uint64_t i = 0; i < a->count && columns == 1; i++)
        within = within && oxp_element(a, i) >= 0 && oxp_element(a, i) <= 1;
    for (uint64_t i = 0; i < rows; i++, r->found[model]++) {
        if (r->found[model] >= w->n)
            continue; /* counted: there are too few labels */
        double x = oxp_element(a, i);
        w->out->predicted[(size_t)model * w->n + r->found[model]] =
            columns > 1 ? largest_of(a, i, columns)
            : classes   ? (int32_t)fmax(-1, fmin(x, CLASS_MAX))
                        : x > (within ? 0.5 : 0);
    }
}

static size_t output_to_read(const oxp_array *out, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (readable(&out[i]))
            return i;
    return n;
}

static void run_model(labels *w, oxp_ort *ort, int model) {
    oxp_arena *arena = w->j->arena;
    oxp_ctx *ctx = oxp_arena_ctx(arena);
    oxp_session *s = oxp_open_session(ort, w->j, w->f, OXP_ORT_NONE, model + 1, &w->out->note);
    const char *name = model ? w->f->name_b : w->f->name_a;
    for (size_t k = 0; k < oxp_case_count(&w->j->cases); k++) {
        oxp_arena *scratch = oxp_arena_new(ctx);
        size_t n, n_out = oxp_session_outputs(s);
        oxp_child_stage(&w->out->note, 0, "reading inputs");
        const oxp_array *in = oxp_case_inputs(&w->j->cases, k, &n, scratch);
        oxp_array *out = OXP_NEWS(scratch, n_out + 1, oxp_array);
        in = oxp_order_inputs(s, in, n, w->f, model, &w->out->note, scratch);
        oxp_child_stage(&w->out->note, model + 1, "running %s", name);
        oxp_session_run(s, in, out, scratch);
        size_t at = output_to_read(out, n_out);
        w->out->note.model = 0;
        if (at == n_out)
            oxp_raise(ctx, OXP_E_UNSUPPORTED,
                      "--labels: %s has no output with a score or class for each sample", name);
        strncpy(w->out->output, out[at].name, NAME_KEPT - 1);
        predict(w, &out[at], model);
        oxp_arena_free(scratch);
    }
    oxp_session_close(s);
}

static void work(void *arg) {
    labels *w = arg;
    oxp_ctx_set_cap(oxp_arena_ctx(w->j->arena), SIZE_MAX);
    oxp_child_stage(&w->out->note, 0, "loading ONNX Runtime");
    oxp_ort *ort = oxp_ort_open(w->j->arena, w->j->candidates);
    run_model(w, ort, 0);
    run_model(w, ort, 1);
}

/* ---- metrics ---- */

/* How often a class is right, is predicted, and is both. */
typedef struct tally {
    size_t is, said, hit;
} tally;

static tally *count_classes(const labels *w, const int32_t *predicted, size_t classes) {
    tally *all = OXP_NEWS(w->j->arena, classes, tally);
    for (size_t i = 0; i < w->n; i++) {
        all[w->at[i]].is++;
        if (predicted[i] >= 0 && (size_t)predicted[i] < classes)
            all[predicted[i]].said++;
        all[w->at[i]].hit += predicted[i] == w->at[i];
    }
    return all;
}

/* Of one class against all others; NaN where there is no such sample. */
static double sensitivity(const tally *t) {
    return t->is ? (double)t->hit / (double)t->is : NAN;
}

static double specificity(const tally *t, size_t n) {
    return n > t->is ? (double)(n - t->is - (t->said - t->hit)) / (double)(n - t->is) : NAN;
}

/* Two classes: of class 1.  More: the mean over the classes that have samples (macro average). */
static oxp_score score(const labels *w, const int32_t *predicted, size_t classes) {
    oxp_score s = {0, 0, 0};
    const tally *all = count_classes(w, predicted, classes);
    size_t right = 0, n[2] = {0, 0};
    for (size_t c = 0; c < classes; c++)
        right += all[c].hit;
    s.accuracy = (double)right / (double)w->n;
    for (size_t c = classes == 2 ? 1 : 0; c < classes; c++) {
        double in = sensitivity(&all[c]), out = specificity(&all[c], w->n);
        n[0] += isnan(in) == 0;
        n[1] += !isnan(out) && !isnan(in);
        s.sensitivity += isnan(in) ? 0 : in;
        s.specificity += isnan(in) || isnan(out) ? 0 : out;
    }
    s.sensitivity = n[0] ? s.sensitivity / (double)n[0] : NAN;
    s.specificity = n[1] ? s.specificity / (double)n[1] : NAN;
    if (classes == 2 && !n[0]) /* no positive sample: specificity stands on its own */
        s.specificity = specificity(&all[1], w->n);
    return s;
}

static const oxp_task *evaluate(const labels *w) {
    oxp_task *t = OXP_NEW(w->j->arena, oxp_task);
    const int32_t *a = w->out->predicted, *b = a + w->n;
    size_t classes = w->out->classes > 2 ? w->out->classes : 2;
    for (size_t i = 0; i < w->n; i++) {
        classes = (size_t)w->at[i] >= classes ? (size_t)w->at[i] + 1 : classes;
        t->changed += a[i] != b[i];
        t->became_wrong += a[i] == w->at[i] && b[i] != w->at[i];
        t->became_right += a[i] != w->at[i] && b[i] == w->at[i];
    }
    t->output = oxp_strdup(w->j->arena, w->out->output);
    t->samples = w->n;
    t->classes = classes;
    t->before = score(w, a, classes);
    t->after = score(w, b, classes);
    return t;
}

/* A class that the model cannot predict: the file belongs to another model.  Class numbers as
 * outputs set no limit. */
static void check_classes(const labels *w) {
    size_t scores = w->out->classes, classes = scores == 1 ? 2 : scores;
    for (size_t i = 0; scores && i < w->n; i++)
        if ((size_t)w->at[i] >= classes)
            oxp_raise(oxp_arena_ctx(w->j->arena), OXP_E_UNSUPPORTED,
                      "%s: line %zu is class %d, output '%s' has %zu score%s a sample: classes 0 "
                      "to %zu",
                      w->j->opts->labels, w->lines[i], (int)w->at[i], w->out->output, scores,
                      scores == 1 ? "" : "s", classes - 1);
}

void oxp_check_labels(oxp_verify_job *j, const oxp_files *f) {
    oxp_ctx *ctx = oxp_arena_ctx(j->arena);
    labels w = {.j = j, .f = f};
    w.at = oxp_labels_read(j->arena, j->opts->labels, &w.lines, &w.n);
    oxp_shared *s =
        oxp_shared_new(j->arena, sizeof(shared) + 2 * w.n * sizeof *((shared *)NULL)->predicted);
    w.out = s->at;
    oxp_child_end end = oxp_child_run(ctx, work, &w, &w.out->note, &j->limits);
    const char *problem = oxp_blame(j, end, &w.out->note, f);
    if (problem)
        oxp_raise(ctx, OXP_E_UNSUPPORTED, "--labels: %s", problem);
    for (int k = 0; k < 2; k++)
        if (w.out->found[k] != w.n)
            oxp_raise(ctx, OXP_E_UNSUPPORTED, "%s: has %zu labels, the inputs hold %zu samples",
                      j->opts->labels, w.n, w.out->found[k]);
    check_classes(&w);
    j->v->task = evaluate(&w);
    oxp_shared_free(j->arena, s);
}
