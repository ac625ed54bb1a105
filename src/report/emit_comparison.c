/* emit_comparison.c - the comparison as data: onnxpert.comparison/1 (docs/comparison.schema.json).
 */
#include <math.h>

#include "analysis/latency.h"
#include "report/comparison.h"
#include "report/parts.h"

static void emit_skips(oxp_json *j, const char *key, const oxp_skip *s, size_t n) {
    oxp_json_array(j, key);
    for (size_t i = 0; i < n; i++) {
        oxp_json_object(j, NULL);
        oxp_json_string(j, "node", s[i].node);
        oxp_json_string(j, "reason", s[i].reason);
        oxp_json_end(j);
    }
    oxp_json_end(j);
}

static void emit_passes(const oxp_comparison *c, oxp_json *j) {
    oxp_json_array(j, "passes");
    for (size_t i = 0; i < c->n_passes; i++) {
        const oxp_pass_result *p = &c->passes[i];
        oxp_json_object(j, NULL);
        oxp_json_string(j, "name", p->name);
        oxp_json_uint(j, "changed", p->changed);
        oxp_json_string(j, "summary", p->summary);
        oxp_json_string(j, "fidelity", oxp_fidelity_name(p->fidelity));
        emit_skips(j, "skipped", p->skipped, p->n_skipped);
        emit_skips(j, "notes", p->notes, p->n_notes);
        oxp_json_double(j, "seconds", p->seconds);
        oxp_json_end(j);
    }
    oxp_json_end(j);
}

static void emit_side(const oxp_comparison *c, oxp_json *j, const char *key, const oxp_side *a) {
    if (!a) {
        oxp_json_null(j, key);
        return;
    }
    oxp_json_object(j, key);
    oxp_emit_totals(j, &a->totals);
    oxp_json_array(j, "by_op");
    for (size_t i = 0; i < a->n_by_op; i++) {
        oxp_json_object(j, NULL);
        oxp_json_string(j, "op_type", a->by_op[i].op);
        oxp_json_string(j, "domain", a->by_op[i].domain);
        oxp_json_uint(j, "count", a->by_op[i].count);
        oxp_json_end(j);
    }
    oxp_json_end(j);
    if (c->device)
        oxp_json_double(j, "latency_ms", 1e3 * a->latency);
    oxp_json_end(j);
}

static void emit(const void *source, oxp_json *j) {
    const oxp_comparison *c = source;
    oxp_json_object(j, NULL);
    oxp_json_string(j, "schema", "onnxpert.comparison/1");
    oxp_json_string(j, "before_path", c->before_path);
    oxp_json_string(j, "after_path", c->after_path);
    oxp_json_string(j, "device", c->device ? c->device->id : NULL);
    oxp_json_bool(j, "weights_assumed", c->weights_assumed);
    emit_passes(c, j);
    oxp_emit_steps(j, c);
    emit_side(c, j, "before", c->before);
    emit_side(c, j, "after", c->after);
    emit_side(c, j, "projected", c->projected);
    oxp_emit_tensors(j, c);
    oxp_emit_verification(j, "verified", c->verified);
    oxp_json_array(j, "left_out");
    for (size_t i = 0; i < c->n_left_out; i++) {
        oxp_json_object(j, NULL);
        oxp_json_string(j, "pass", c->left_out[i].pass);
        oxp_json_string(j, "node", c->left_out[i].node);
        oxp_json_string(j, "reason", c->left_out[i].why);
        oxp_json_end(j);
    }
    oxp_json_end(j);
    oxp_json_array(j, "output_files");
    for (size_t i = 0; c->saved && i < c->saved->n_files; i++)
        oxp_json_string(j, NULL, c->saved->files[i]);
    oxp_json_end(j);
    oxp_json_end(j);
}

const oxp_side *oxp_side_of(const oxp_analysis *a, const oxp_device *device, oxp_arena *arena) {
    oxp_side *s = OXP_NEW(arena, oxp_side);
    s->totals = a->totals;
    s->arena = arena;
    s->n_by_op = a->n_by_op;
    oxp_op_total *ops = OXP_NEWS(arena, a->n_by_op + 1, oxp_op_total);
    for (size_t i = 0; i < a->n_by_op; i++) {
        ops[i] = a->by_op[i];
        ops[i].op = oxp_strdup(arena, a->by_op[i].op);
        ops[i].domain = oxp_strdup(arena, a->by_op[i].domain);
    }
    s->by_op = ops;
    oxp_side_tensors(a, s, arena);
    s->latency = device ? oxp_latency(a, device, OXP_UNDEFINED, NULL, NULL) : NAN;
    return s;
}

oxp_report oxp_report_comparison(const oxp_comparison *c) {
    return (oxp_report){.kind = "comparison", .source = c, .doc = oxp_doc_comparison, .emit = emit};
}
