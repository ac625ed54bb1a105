/* verification.c - what a run in ONNX Runtime showed, for people and as data. */
#include <math.h>
#include <string.h>

#include "report/parts.h"
#include "verify/verify.h"

typedef struct view {
    const oxp_verification *v;
    const char *before, *after;
} view;

static void emit_timing(oxp_json *j, const char *key, const oxp_timing *t) {
    static const char *const verdicts[] = {"no difference", "faster", "slower"};
    oxp_json_object(j, key);
    if (t->problem) {
        oxp_json_string(j, "problem", t->problem);
        oxp_json_end(j);
        return;
    }
    oxp_json_uint(j, "runs", t->runs);
    oxp_json_double(j, "before_ms", 1e3 * t->before);
    oxp_json_double(j, "after_ms", 1e3 * t->after);
    oxp_json_double(j, "fastest_before_ms", 1e3 * t->best_before);
    oxp_json_double(j, "fastest_after_ms", 1e3 * t->best_after);
    oxp_json_double(j, "ratio_low", t->ratio_low);
    oxp_json_double(j, "ratio_high", t->ratio_high);
    oxp_json_string(j, "verdict", verdicts[oxp_timing_verdict(t)]);
    oxp_json_double(j, "load_before_ms", 1e3 * t->load_before);
    oxp_json_double(j, "load_after_ms", 1e3 * t->load_after);
    oxp_json_end(j);
}

static void emit_outputs(oxp_json *j, const oxp_check *check) {
    oxp_json_array(j, "outputs");
    for (size_t i = 0; i < check->n_outputs; i++) {
        const oxp_output_check *c = &check->outputs[i];
        oxp_json_object(j, NULL);
        oxp_json_string(j, "name", c->name);
        oxp_json_bool(j, "ok", c->ok);
        oxp_json_bool(j, "compared", c->compared);
        oxp_json_string(j, "problem", c->problem);
        oxp_json_double(j, "max_abs", c->compared ? c->max_abs : NAN);
        oxp_json_double(j, "mean_abs", c->compared ? c->mean_abs : NAN);
        oxp_json_double(j, "relative", c->compared ? c->relative : NAN);
        oxp_json_double(j, "cosine", c->compared ? c->cosine : NAN);
        if (c->argmax_checked)
            oxp_json_bool(j, "argmax_agrees", c->argmax_agrees);
        oxp_json_end(j);
    }
    oxp_json_end(j);
}

static void emit_check(oxp_json *j, const oxp_check *check) {
    oxp_json_bool(j, "ok", check->done && check->ok);
    oxp_json_string(j, "problem", check->problem);
    oxp_json_string(j, "worst_inputs", check->worst);
    emit_outputs(j, check);
    oxp_json_array(j, "damage");
    for (size_t i = 0; i < check->n_damage; i++) {
        oxp_json_object(j, NULL);
        oxp_json_string(j, "node", check->damage[i].node);
        oxp_json_string(j, "tensor", check->damage[i].tensor);
        oxp_json_string(j, "what", check->damage[i].what);
        oxp_json_double(j, "relative", check->damage[i].relative);
        oxp_json_end(j);
    }
    oxp_json_end(j);
}

static void emit_checks(oxp_json *j, const oxp_verification *v) {
    static const char *const names[] = {"as_is", "runtime_optimized", "half_emulated"};
    const oxp_check *checks[] = {&v->plain, &v->optimized, &v->emulated};
    oxp_json_object(j, "checks");
    for (int i = 0; i < 3; i++) {
        if (!checks[i]->done && !checks[i]->problem) {
            oxp_json_null(j, names[i]);
            continue;
        }
        oxp_json_object(j, names[i]);
        emit_check(j, checks[i]);
        oxp_json_end(j);
    }
    oxp_json_end(j);
}

static void emit_score(oxp_json *j, const char *key, const oxp_score *s) {
    oxp_json_object(j, key);
    oxp_json_double(j, "accuracy", s->accuracy);
    oxp_json_double(j, "sensitivity", s->sensitivity);
    oxp_json_double(j, "specificity", s->specificity);
    oxp_json_end(j);
}

static void emit_task(oxp_json *j, const oxp_task *t) {
    if (!t) {
        oxp_json_null(j, "task");
        return;
    }
    oxp_json_object(j, "task");
    oxp_json_string(j, "output", t->output);
    oxp_json_uint(j, "samples", t->samples);
    oxp_json_uint(j, "classes", t->classes);
    emit_score(j, "before", &t->before);
    emit_score(j, "after", &t->after);
    oxp_json_uint(j, "changed", t->changed);
    oxp_json_uint(j, "became_wrong", t->became_wrong);
    oxp_json_uint(j, "became_right", t->became_right);
    oxp_json_end(j);
}

static void emit_measured(oxp_json *j, const oxp_verification *v) {
    oxp_json_object(j, "latency");
    oxp_json_string(j, "runtime_optimization", v->level);
    emit_timing(j, "runtime_optimization_on", &v->with);
    emit_timing(j, "runtime_optimization_off", &v->without);
    oxp_json_end(j);
    oxp_json_object(j, "projected");
    oxp_json_string(j, "device", "host");
    oxp_json_double(j, "before_ms", 1e3 * v->projected_before);
    oxp_json_double(j, "after_ms", 1e3 * v->projected_after);
    oxp_json_end(j);
    oxp_json_object(j, "peak_bytes");
    oxp_json_uint(j, "before", v->peak_before ? v->peak_before : UINT64_MAX);
    oxp_json_uint(j, "after", v->peak_after ? v->peak_after : UINT64_MAX);
    oxp_json_end(j);
}

static void emit_body(oxp_json *j, const oxp_verification *v) {
    oxp_json_string(j, "runtime", v->runtime);
    oxp_json_bool(j, "ok", v->ok);
    oxp_json_double(j, "tolerance", v->tolerance);
    oxp_json_uint(j, "input_sets", v->sets);
    oxp_json_string(j, "sizes", v->sizes);
    emit_outputs(j, &v->plain);
    emit_checks(j, v);
    emit_task(j, v->task);
    if (v->timed)
        emit_measured(j, v);
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

/* ---- for people ---- */

static const char *verdict_on(oxp_arena *a, const oxp_output_check *c) {
    uint64_t special = c->n_nan + c->n_infinite;
    if (c->problem)
        return c->problem;
    if (!c->compared)
        return "not compared: no tensor of numbers";
    if (!c->ok)
        return "beyond tolerance";
    if (!c->n_elements)
        return "ok, but it is empty";
    const char *rest = c->largest == 0 ? special ? ", but what is finite is 0 throughout"
                                                 : ", but it is 0 throughout"
                                       : "";
    if (!special)
        return oxp_sprintf(a, "ok%s", rest);
    return oxp_sprintf(a, "ok; %llu of %llu values are %s before and after%s",
                       (unsigned long long)special, (unsigned long long)c->n_elements,
                       !c->n_infinite ? "NaN"
                       : !c->n_nan    ? "infinite"
                                      : "NaN or infinite",
                       rest);
}

static void output_rows(oxp_doc *d, const oxp_check *check) {
    static const char *const header[] = {"output", "largest error", "relative",
                                         "cosine", "arg-max",       "verdict"};
    static const uint8_t right[] = {0, 1, 1, 1, 0, 0};
    oxp_arena *a = d->arena;
    oxp_block *t = oxp_doc_block(d, OXP_TABLE, 6);
    t->header = header;
    t->align = right;
    for (size_t i = 0; i < check->n_outputs; i++) {
        const oxp_output_check *c = &check->outputs[i];
        const char *cells[] = {c->name,
                               c->compared ? oxp_sprintf(a, "%.3g", c->max_abs) : "-",
                               c->compared ? oxp_sprintf(a, "%.3g", c->relative) : "-",
                               c->compared && !isnan(c->cosine) ? oxp_sprintf(a, "%.7f", c->cosine)
                                                                : "-",
                               !c->argmax_checked ? "-"
                               : c->argmax_agrees ? "same"
                                                  : "differs",
                               verdict_on(a, c)};
        oxp_doc_row(d, cells);
    }
}

/* Is a check not ok only because outputs hold no finite number? */
static bool only_nothing(const oxp_check *c) {
    bool any = false;
    for (size_t i = 0; i < c->n_outputs; i++) {
        if (!c->outputs[i].ok && !c->outputs[i].nothing)
            return false;
        any |= c->outputs[i].nothing;
    }
    return any;
}

static void damage(oxp_doc *d, const oxp_check *c) {
    if ((c->done && c->ok) || only_nothing(c))
        return;
    if (!c->n_damage) {
        if (c->n_compared)
            oxp_doc_para(d,
                         "No inner tensor shows where it starts (%zu of the same name were "
                         "compared on %s).",
                         c->n_compared, c->worst);
        return;
    }
    oxp_doc_para(d, "Where it starts (%zu inner tensors of the same name compared on %s):",
                 c->n_compared, c->worst);
    oxp_doc_block(d, OXP_LIST, 1);
    for (size_t i = 0; i < c->n_damage; i++) {
        const char *line = oxp_sprintf(d->arena, "%s, tensor '%s': %s", c->damage[i].node,
                                       c->damage[i].tensor, c->damage[i].what);
        oxp_doc_row(d, &line);
    }
}

static void check_section(oxp_doc *d, const char *title, const oxp_check *c, bool table) {
    if (!c->done && !c->problem)
        return;
    if (!c->done) {
        oxp_doc_para(d, "%s: %s.", title, c->problem);
        return;
    }
    double worst = 0;
    const char *at = NULL;
    for (size_t i = 0; i < c->n_outputs; i++)
        if (c->outputs[i].compared && (!at || c->outputs[i].relative > worst)) {
            worst = c->outputs[i].relative;
            at = c->outputs[i].name;
        }
    oxp_doc_para(
        d, "%s: %s%s", title,
        c->ok             ? "the numbers agree"
        : only_nothing(c) ? "NOTHING IS KNOWN of outputs without finite numbers"
                          : "THE NUMBERS DIFFER",
        table || !c->ok || !at
            ? "."
            : oxp_sprintf(d->arena, " (largest relative error %.2g, in '%s').", worst, at));
    if (table || !c->ok)
        output_rows(d, c);
    damage(d, c);
}

static const char *percent(oxp_arena *a, double v) {
    return isnan(v) ? "-" : oxp_sprintf(a, "%.2f %%", 100 * v);
}

static void task(oxp_doc *d, const oxp_task *t) {
    static const char *const header[] = {"", "before", "after"};
    static const uint8_t right[] = {0, 1, 1};
    oxp_arena *a = d->arena;
    if (!t)
        return;
    oxp_doc_para(d, "%zu labelled samples, output '%s', %s:", t->samples, t->output,
                 t->classes == 2
                     ? "two classes (1 is the positive one)"
                     : oxp_sprintf(a, "%zu classes (means over the classes)", t->classes));
    oxp_block *b = oxp_doc_block(d, OXP_TABLE, 3);
    b->header = header;
    b->align = right;
    const char *rows[][3] = {
        {"accuracy", percent(a, t->before.accuracy), percent(a, t->after.accuracy)},
        {"sensitivity", percent(a, t->before.sensitivity), percent(a, t->after.sensitivity)},
        {"specificity", percent(a, t->before.specificity), percent(a, t->after.specificity)}};
    for (int i = 0; i < 3; i++)
        oxp_doc_row(d, rows[i]);
    oxp_doc_para(d, "%zu predictions changed: %zu became wrong, %zu became right.", t->changed,
                 t->became_wrong, t->became_right);
}

static void timing_row(oxp_doc *d, oxp_arena *a, const char *name, const oxp_timing *t) {
    static const char *const verdicts[] = {"no difference measured", "faster", "slower"};
    if (t->problem) {
        const char *cells[] = {name, "-", "-", "-", t->problem, "-"};
        oxp_doc_row(d, cells);
        return;
    }
    const char *cells[] = {name,
                           oxp_human_seconds(a, t->before),
                           oxp_human_seconds(a, t->after),
                           oxp_sprintf(a, "%+.1f %% (95 %%: %+.1f to %+.1f)",
                                       100 * (t->after / t->before - 1), 100 * (t->ratio_low - 1),
                                       100 * (t->ratio_high - 1)),
                           verdicts[oxp_timing_verdict(t)],
                           oxp_sprintf(a, "%s -> %s", oxp_human_seconds(a, t->load_before),
                                       oxp_human_seconds(a, t->load_after))};
    oxp_doc_row(d, cells);
}

static void latency(oxp_doc *d, const oxp_verification *v) {
    static const char *const header[] = {
        "runtime's own optimization", "before", "after", "change", "verdict", "load"};
    static const uint8_t right[] = {0, 1, 1, 1, 0, 0};
    oxp_doc_para(d, "Latency, medians of %u interleaved runs:", v->with.runs);
    oxp_block *t = oxp_doc_block(d, OXP_TABLE, 6);
    t->header = header;
    t->align = right;
    timing_row(d, d->arena, v->level, &v->with);
    if (strcmp(v->level, "none") != 0)
        timing_row(d, d->arena, "none", &v->without);
    if (v->peak_before && v->peak_after)
        oxp_doc_para(d, "Peak memory of loading and one run: %s before, %s after.",
                     oxp_human_bytes(d->arena, v->peak_before),
                     oxp_human_bytes(d->arena, v->peak_after));
}

/* Projected beside measured, of each model and of the difference. */
static void projection(oxp_doc *d, const oxp_verification *v) {
    static const char *const header[] = {"latency", "projected", "measured", "ratio"};
    static const uint8_t right[] = {0, 1, 1, 1};
    oxp_arena *a = d->arena;
    if (v->with.problem || v->projected_before == 0 || v->projected_after == 0)
        return;
    oxp_doc_para(d, "Projected for this machine (`--device host`) beside measured:");
    oxp_block *t = oxp_doc_block(d, OXP_TABLE, 4);
    t->header = header;
    t->align = right;
    const struct {
        const char *name;
        double projected, measured;
    } rows[] = {{"before", v->projected_before, v->with.before},
                {"after", v->projected_after, v->with.after}};
    for (int i = 0; i < 2; i++) {
        const char *cells[] = {rows[i].name, oxp_human_seconds(a, rows[i].projected),
                               oxp_human_seconds(a, rows[i].measured),
                               oxp_sprintf(a, "%.2f", rows[i].projected / rows[i].measured)};
        oxp_doc_row(d, cells);
    }
    double projected = v->projected_after / v->projected_before - 1;
    double measured = v->with.after / v->with.before - 1;
    const char *cells[] = {"change", oxp_sprintf(a, "%+.1f %%", 100 * projected),
                           oxp_timing_verdict(&v->with) == OXP_NO_DIFFERENCE
                               ? oxp_sprintf(a, "%+.1f %% (noise)", 100 * measured)
                               : oxp_sprintf(a, "%+.1f %%", 100 * measured),
                           "-"};
    if (oxp_timing_verdict(&v->with) != OXP_NO_DIFFERENCE)
        cells[3] = oxp_sprintf(a, "%.2f", projected / measured);
    oxp_doc_row(d, cells);
}

void oxp_doc_add_verification(oxp_doc *d, const struct oxp_verification *v) {
    oxp_doc_heading(d, 1, "Measured in %s", v->runtime ? v->runtime : "ONNX Runtime");
    oxp_doc_para(d, "%s: %u input set%s%s%s, relative tolerance %g.",
                 v->ok ? "Verified" : "NOT VERIFIED", v->sets, v->sets == 1 ? "" : "s",
                 *v->sizes ? " at " : "", v->sizes, v->tolerance);
    check_section(d, "As the files are", &v->plain, true);
    check_section(d, "Under the runtime's own optimization", &v->optimized, false);
    check_section(d, "Each half-precision tensor rounded, as devices with such arithmetic do",
                  &v->emulated, false);
    task(d, v->task);
    if (!v->timed)
        return;
    latency(d, v);
    projection(d, v);
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
