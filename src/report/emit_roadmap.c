/* emit_roadmap.c - the roadmap as data: onnxpert.roadmap/1 (docs/roadmap.schema.json). */
#include <math.h>

#include "rules/roadmap.h"

static void pair(oxp_json *j, const char *key, uint64_t before, uint64_t after) {
    oxp_json_array(j, key);
    oxp_json_uint(j, NULL, before);
    oxp_json_uint(j, NULL, after);
    oxp_json_end(j);
}

static void pair_double(oxp_json *j, const char *key, double before, double after) {
    oxp_json_array(j, key);
    oxp_json_double(j, NULL, before);
    oxp_json_double(j, NULL, after);
    oxp_json_end(j);
}

/* Before over after, from the lowest to the highest. */
static void factor(oxp_json *j, const char *key, oxp_spread s) {
    oxp_json_object(j, key);
    oxp_json_double(j, "low", s.low);
    oxp_json_double(j, "high", s.high);
    oxp_json_string(j, "cause", *s.cause ? s.cause : NULL);
    oxp_json_end(j);
}

void oxp_emit_metrics(oxp_json *j, const char *key, const oxp_metrics *b, const oxp_metrics *n) {
    oxp_json_object(j, key);
    pair(j, "flops", b->flops, n->flops);
    pair(j, "int_ops", b->int_ops, n->int_ops);
    pair(j, "params", b->params, n->params);
    pair(j, "nodes", b->nodes, n->nodes);
    pair(j, "peak_activation_bytes", b->peak_activation_bytes, n->peak_activation_bytes);
    pair(j, "weight_bytes", b->weight_bytes, n->weight_bytes);
    pair(j, "memory_bytes", b->memory, n->memory);
    pair(j, "size_bytes", b->size, n->size);
    pair_double(j, "latency_ms", b->latency * 1e3, n->latency * 1e3);
    pair_double(j, "throughput", b->throughput, n->throughput);
    factor(j, "latency_factor", oxp_spread_gain(b, n, false));
    factor(j, "throughput_factor", oxp_spread_gain(b, n, true));
    oxp_json_end(j);
}

static const char *unit(const oxp_target *t) {
    static const char *const units[] = {"ms", "samples/s", "bytes", "bytes", ""};
    return units[t->kind];
}

static double in_unit(const oxp_target *t, double v) {
    return t->kind == OXP_TARGET_LATENCY ? v * 1e3 : v;
}

static void verdict(oxp_json *j, const char *key, const oxp_target *t, double v) {
    if (isnan(v))
        oxp_json_null(j, key);
    else
        oxp_json_bool(j, key, oxp_target_met(t, v));
}

static void target(oxp_json *j, const oxp_target *t, const oxp_metrics *before,
                   const oxp_metrics *after) {
    double now = oxp_target_value(t, before), then = oxp_target_value(t, after);
    oxp_json_object(j, NULL);
    oxp_json_string(j, "name", t->name);
    oxp_json_double(j, "goal", in_unit(t, t->goal));
    oxp_json_string(j, "unit", unit(t));
    oxp_json_double(j, "baseline", in_unit(t, now));
    oxp_json_double(j, "projected", in_unit(t, then));
    verdict(j, "met_today", t, now);
    verdict(j, "met", t, then);
    if (t->kind == OXP_TARGET_ACCURACY)
        oxp_json_string(j, "note", "not decidable from the graph: measure it on validation data");
    oxp_json_end(j);
}

static void evidence(oxp_json *j, const oxp_roadmap *r, const oxp_item *it, oxp_arena *arena) {
    enum { NODES_MAX = 1000 };
    oxp_json_object(j, "evidence");
    oxp_json_array(j, "nodes");
    for (size_t i = 0; i < it->result->n_nodes && i < NODES_MAX; i++)
        oxp_json_string(j, NULL, oxp_node_label(r->model, it->result->nodes[i], arena));
    oxp_json_end(j);
    oxp_json_uint(j, "count", it->result->n_nodes);
    oxp_json_array(j, "details");
    for (size_t i = 0; i < it->result->n_details; i++)
        oxp_json_string(j, NULL, it->result->details[i]);
    oxp_json_end(j);
    oxp_json_end(j);
}

/* Targets that all of the roadmap misses: the best that any combination does. */
static void nearest(oxp_json *j, const oxp_roadmap *r) {
    oxp_json_array(j, "nearest");
    for (size_t i = 0; i < r->n_targets; i++) {
        if (isnan(r->nearest[i].value))
            continue;
        oxp_json_object(j, NULL);
        oxp_json_string(j, "target", r->targets[i].name);
        oxp_json_double(j, "value", in_unit(&r->targets[i], r->nearest[i].value));
        oxp_json_string(j, "items", *r->nearest[i].items ? r->nearest[i].items : NULL);
        oxp_json_end(j);
    }
    oxp_json_end(j);
}

static void sweep(oxp_json *j, const char *key, const oxp_sweep_point *p, size_t n) {
    oxp_json_array(j, key);
    for (size_t i = 0; i < n; i++) {
        const oxp_metrics *m = &p[i].metrics;
        oxp_spread s = oxp_spread_latency(m);
        oxp_json_object(j, NULL);
        oxp_json_string(j, "setting", p[i].label);
        oxp_json_bool(j, "runs", p[i].runs);
        oxp_json_bool(j, "native", p[i].native);
        if (p[i].runs) {
            oxp_json_double(j, "latency_ms", 1e3 * m->latency);
            oxp_json_double(j, "latency_ms_low", 1e3 * s.low);
            oxp_json_double(j, "latency_ms_high", 1e3 * s.high);
            oxp_json_double(j, "throughput", m->batch_runs ? m->throughput : NAN);
            oxp_json_uint(j, "flops", m->flops);
            oxp_json_uint(j, "memory_bytes", m->memory);
        }
        oxp_json_end(j);
    }
    oxp_json_end(j);
}

static void batches(oxp_json *j, const char *key, const oxp_batch_sweep *s) {
    oxp_json_array(j, key);
    for (size_t i = 0; s && i < s->n_points; i++) {
        const oxp_batch_point *p = &s->points[i];
        oxp_json_object(j, NULL);
        oxp_json_int(j, "batch", p->batch);
        oxp_json_bool(j, "runs", p->valid);
        if (p->valid) {
            oxp_json_double(j, "latency_ms", 1e3 * p->seconds);
            oxp_json_double(j, "throughput", p->throughput);
            oxp_json_uint(j, "memory_bytes", p->memory_bytes);
            oxp_json_bool(j, "fits", p->fits);
            oxp_json_bool(j, "knee", i == s->knee);
        }
        oxp_json_end(j);
    }
    oxp_json_end(j);
}

static void item(oxp_json *j, const oxp_roadmap *r, const oxp_item *it, oxp_arena *arena) {
    oxp_json_object(j, NULL);
    oxp_json_string(j, "rule", it->rule->id);
    oxp_json_string(j, "title", it->rule->title);
    oxp_json_double(j, "priority", it->priority);
    oxp_json_string(j, "impact", it->impact);
    oxp_json_string(j, "effort", oxp_level_name(it->rule->effort));
    oxp_json_string(j, "risk", oxp_level_name(it->rule->risk));
    oxp_json_double(j, "confidence", it->rule->confidence);
    oxp_json_string(j, "phase", it->rule->phase);
    oxp_json_array(j, "needs");
    for (size_t i = 0; i < it->rule->n_needs; i++)
        oxp_json_string(j, NULL, it->rule->needs[i]);
    oxp_json_end(j);
    oxp_json_string(j, "message", it->result->message);
    evidence(j, r, it, arena);
    if (it->projected)
        oxp_emit_metrics(j, "projection", &it->before, &it->after);
    else
        oxp_json_null(j, "projection");
    if (it->result->gain > 1)
        oxp_json_double(j, "estimated_factor", it->result->gain);
    else
        oxp_json_null(j, "estimated_factor");
    oxp_json_bool(j, "in_combination", it->projected && !it->alone);
    oxp_json_string(j, "not_combined", it->alone ? it->why : NULL);
    oxp_json_string(j, "fix", it->rule->fix);
    oxp_json_string(j, "command", it->command);
    oxp_json_bool(j, "lacks_weights", it->command && it->lacks_weights);
    oxp_json_end(j);
}

static void phase(oxp_json *j, const oxp_roadmap *r, const oxp_phase *p, oxp_arena *arena) {
    oxp_json_object(j, NULL);
    oxp_json_string(j, "name", p->name);
    oxp_json_array(j, "items");
    for (size_t i = 0; i < p->n_items; i++)
        item(j, r, &p->items[i], arena);
    oxp_json_end(j);
    oxp_emit_metrics(j, "combined", &r->baseline, &p->combined);
    oxp_json_string(j, "replaced", *p->left ? p->left : NULL);
    oxp_json_array(j, "targets");
    for (size_t i = 0; i < r->n_targets; i++)
        target(j, &r->targets[i], &r->baseline, &p->combined);
    oxp_json_end(j);
    oxp_json_end(j);
}

void oxp_emit_roadmap_summary(const oxp_roadmap *r, oxp_json *j) {
    oxp_json_int(j, "batch", r->batch);
    oxp_json_array(j, "targets");
    for (size_t i = 0; i < r->n_targets; i++)
        target(j, &r->targets[i], &r->baseline, &r->final);
    oxp_json_end(j);
    oxp_json_array(j, "phases");
    for (size_t i = 0; i < r->n_phases; i++) {
        oxp_json_object(j, NULL);
        oxp_json_string(j, "name", r->phases[i].name);
        oxp_emit_metrics(j, "combined", &r->baseline, &r->phases[i].combined);
        oxp_json_end(j);
    }
    oxp_json_end(j);
}

void oxp_emit_roadmap(const void *source, oxp_json *j) {
    const oxp_roadmap *r = source;
    oxp_arena *arena = oxp_arena_new(oxp_model_ctx(r->model));
    oxp_json_object(j, NULL);
    oxp_json_string(j, "schema", "onnxpert.roadmap/1");
    oxp_json_string(j, "model", oxp_model_path(r->model));
    oxp_json_string(j, "device", r->device->id);
    oxp_json_int(j, "batch", r->batch);
    oxp_json_array(j, "targets");
    for (size_t i = 0; i < r->n_targets; i++)
        target(j, &r->targets[i], &r->baseline, &r->final);
    oxp_json_end(j);
    oxp_json_object(j, "weights"); /* what an item's gain is made of */
    for (int k = 0; k < OXP_WEIGHTS; k++)
        oxp_json_double(j, oxp_target_kind_name((oxp_target_kind)k), r->weight[k]);
    oxp_json_double(j, "arithmetic", r->work_weight);
    oxp_json_end(j);
    oxp_json_array(j, "phases");
    for (size_t i = 0; i < r->n_phases; i++)
        phase(j, r, &r->phases[i], arena);
    oxp_json_end(j);
    nearest(j, r);
    oxp_json_object(j, "sweeps");
    sweep(j, "precision", r->precisions, r->n_precisions);
    sweep(j, "resolution", r->resolutions, r->n_resolutions);
    oxp_json_string(j, "resolution_after", r->freed ? r->freed->rule->id : NULL);
    batches(j, "batch", r->sweep);
    batches(j, "batch_after", r->final_sweep);
    oxp_json_end(j);
    oxp_json_array(j, "not_applicable");
    for (size_t i = 0; i < r->n_dropped; i++) {
        oxp_json_object(j, NULL);
        oxp_json_string(j, "rule", r->dropped[i].node);
        oxp_json_string(j, "reason", r->dropped[i].reason);
        oxp_json_end(j);
    }
    oxp_json_end(j);
    oxp_json_end(j);
    oxp_arena_free(arena);
}
