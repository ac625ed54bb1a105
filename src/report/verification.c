/* verification.c - what a run in ONNX Runtime showed, for people and as data. */
#include <math.h>

#include "report/parts.h"
#include "verify/verify.h"

typedef struct view {
    const oxp_verification *v;
    const char *before, *after;
} view;

static void emit_timing(oxp_json *j, const char *key, const oxp_timing *t) {
    oxp_json_object(j, key);
    oxp_json_double(j, "before_ms", 1e3 * t->before);
    oxp_json_double(j, "after_ms", 1e3 * t->after);
    oxp_json_double(j, "ratio_low", t->ratio_low);
    oxp_json_double(j, "ratio_high", t->ratio_high);
    oxp_json_double(j, "load_before_ms", 1e3 * t->load_before);
    oxp_json_double(j, "load_after_ms", 1e3 * t->load_after);
    oxp_json_end(j);
}

static void emit_body(oxp_json *j, const oxp_verification *v) {
    oxp_json_string(j, "runtime", v->runtime);
    oxp_json_bool(j, "ok", v->ok);
    oxp_json_double(j, "tolerance", v->tolerance);
    oxp_json_uint(j, "input_sets", v->sets);
    oxp_json_array(j, "outputs");
    for (size_t i = 0; i < v->n_outputs; i++) {
        const oxp_output_check *c = &v->outputs[i];
        oxp_json_object(j, NULL);
        oxp_json_string(j, "name", c->name);
        oxp_json_bool(j, "ok", c->ok);
        oxp_json_string(j, "problem", c->problem);
        oxp_json_double(j, "max_abs", c->max_abs);
        oxp_json_double(j, "mean_abs", c->mean_abs);
        oxp_json_double(j, "relative", c->relative);
        oxp_json_double(j, "cosine", c->cosine);
        if (c->argmax_checked)
            oxp_json_bool(j, "argmax_agrees", c->argmax_agrees);
        oxp_json_end(j);
    }
    oxp_json_end(j);
    if (v->timed) {
        oxp_json_object(j, "latency");
        oxp_json_uint(j, "runs", v->runs);
        emit_timing(j, "runtime_optimization_on", &v->optimized);
        emit_timing(j, "runtime_optimization_off", &v->plain);
        oxp_json_end(j);
    }
}

void oxp_emit_verification(oxp_json *j, const char *key, const struct oxp_verification *v) {
    if (!v) {
        oxp_json_null(j, key);
        return;
    }
    oxp_json_object(j, key);
    emit_body(j, v);
    oxp_json_end(j);
}

static void emit(const void *source, oxp_json *j) {
    const view *w = source;
    oxp_json_object(j, NULL);
    oxp_json_string(j, "schema", "onnxpert.verification/1");
    oxp_json_string(j, "before_path", w->before);
    oxp_json_string(j, "after_path", w->after);
    emit_body(j, w->v);
    oxp_json_end(j);
}

static void timing_row(oxp_doc *d, oxp_arena *a, const char *name, const oxp_timing *t) {
    bool decided = t->ratio_low > 1 || t->ratio_high < 1;
    double middle = t->after / t->before;
    const char *cells[] = {name,
                           oxp_human_seconds(a, t->before),
                           oxp_human_seconds(a, t->after),
                           oxp_sprintf(a, "%+.1f %% (95 %%: %+.1f to %+.1f)", 100 * (middle - 1),
                                       100 * (t->ratio_low - 1), 100 * (t->ratio_high - 1)),
                           !decided ? "no difference beyond the noise"
                           : fabs(t->ratio_low - 1) < 0.03 && fabs(t->ratio_high - 1) < 0.03
                               ? "within 3 % of nothing"
                           : middle < 1 ? "faster"
                                        : "slower",
                           oxp_sprintf(a, "%s -> %s", oxp_human_seconds(a, t->load_before),
                                       oxp_human_seconds(a, t->load_after))};
    oxp_doc_row(d, cells);
}

void oxp_doc_add_verification(oxp_doc *d, const struct oxp_verification *v) {
    static const char *const header[] = {"output", "largest error", "relative",
                                         "cosine", "arg-max",       "verdict"};
    static const char *const timing[] = {
        "runtime's own optimization", "before", "after", "change", "verdict", "load"};
    static const uint8_t right[] = {0, 1, 1, 1, 0, 0};
    oxp_arena *a = d->arena;
    oxp_doc_heading(d, 1, "Measured in %s", v->runtime);
    oxp_doc_para(d, "%s: %u input set%s, relative tolerance %g.",
                 v->ok ? "The numbers agree" : "THE NUMBERS DIFFER", v->sets,
                 v->sets == 1 ? "" : "s", v->tolerance);
    oxp_block *t = oxp_doc_block(d, OXP_TABLE, 6);
    t->header = header;
    t->align = right;
    for (size_t i = 0; i < v->n_outputs; i++) {
        const oxp_output_check *c = &v->outputs[i];
        const char *cells[] = {c->name,
                               oxp_sprintf(a, "%.3g", c->max_abs),
                               oxp_sprintf(a, "%.3g", c->relative),
                               oxp_sprintf(a, "%.7f", c->cosine),
                               !c->argmax_checked ? "-"
                               : c->argmax_agrees ? "same"
                                                  : "differs",
                               c->problem ? c->problem
                               : c->ok    ? "ok"
                                          : "beyond tolerance"};
        oxp_doc_row(d, cells);
    }
    if (!v->timed)
        return;
    oxp_doc_para(d, "Latency, medians of %u interleaved runs:", v->runs);
    t = oxp_doc_block(d, OXP_TABLE, 6);
    t->header = timing;
    t->align = right;
    timing_row(d, a, "on", &v->optimized);
    timing_row(d, a, "off", &v->plain);
}

static oxp_doc *doc(const void *source, oxp_arena *arena) {
    const view *w = source;
    oxp_doc *d = oxp_doc_new(arena, oxp_sprintf(arena, "%s -> %s", w->before, w->after));
    oxp_doc_add_verification(d, w->v);
    return d;
}

oxp_report oxp_report_verification(oxp_arena *arena, const oxp_verification *v, const char *before,
                                   const char *after) {
    view *w = OXP_NEW(arena, view);
    *w = (view){v, before, after};
    return (oxp_report){.kind = "verification", .source = w, .doc = doc, .emit = emit};
}
