/* emit_analysis.c - the analysis as data: onnxpert.analysis/1 (docs/analysis.schema.json).
 * Nodes and tensors are streamed: memory does not grow with their number. */
#include <math.h>

#include "analysis/memory.h"
#include "report/parts.h"
#include "report/reports.h"

static void emit_dims(const oxp_card *c, oxp_json *j, const char *key, const oxp_type *t,
                      bool literal) {
    if (t->kind != OXP_KIND_TENSOR || t->rank < 0) {
        oxp_json_null(j, key);
        return;
    }
    oxp_dims *pool = oxp_model_dims(c->a->model);
    oxp_json_array(j, key);
    for (int i = 0; i < t->rank; i++) {
        oxp_dim d = t->dims[i];
        if (oxp_dim_is_literal(d) && d >= 0)
            oxp_json_int(j, NULL, d);
        else if (literal || oxp_dim_is_literal(d) || oxp_dim_is_unknown(d) ||
                 oxp_dim_is_opaque(pool, d))
            oxp_json_null(j, NULL);
        else
            oxp_json_string(j, NULL, oxp_dim_text(pool, d, c->scratch));
    }
    oxp_json_end(j);
}

static void emit_type(const oxp_card *c, oxp_json *j, oxp_id value) {
    const oxp_value_info *v = &c->a->values[value];
    oxp_json_string(j, "dtype", oxp_type_text(c, &v->type, c->scratch));
    emit_dims(c, j, "shape", &v->type, true);
    emit_dims(c, j, "symbolic_shape", &v->symbolic, false);
}

static void emit_interface(const oxp_card *c, oxp_json *j, const char *key, const oxp_id *values,
                           uint32_t n, bool inputs) {
    oxp_json_array(j, key);
    for (uint32_t i = 0; i < n; i++) {
        const oxp_value *v = oxp_value_at(c->a->model, values[i]);
        if (inputs && v->tensor != OXP_NONE)
            continue;
        oxp_json_object(j, NULL);
        oxp_json_string(j, "name", v->name);
        emit_type(c, j, values[i]);
        oxp_json_end(j);
    }
    oxp_json_end(j);
}

static void emit_model(const oxp_card *c, oxp_json *j) {
    const oxp_model *m = c->a->model;
    const oxp_graph *g = oxp_graph_at(m, OXP_MAIN_GRAPH);
    oxp_json_object(j, "model");
    oxp_json_string(j, "path", oxp_model_path(m));
    oxp_json_int(j, "ir_version", oxp_model_ir_version(m));
    oxp_json_string(j, "producer", oxp_model_producer(m));
    oxp_json_string(j, "producer_version", oxp_model_producer_version(m));
    oxp_json_object(j, "opsets");
    for (size_t i = 0; i < oxp_model_opset_count(m); i++) {
        oxp_opset o = oxp_model_opset_at(m, i);
        oxp_json_int(j, o.domain, o.version);
    }
    oxp_json_end(j);
    oxp_json_uint(j, "nodes", oxp_graph_at(c->source, OXP_MAIN_GRAPH)->n_nodes);
    size_t inits = 0;
    for (uint32_t i = 0; i < g->n_inits; i++)
        inits += oxp_value_at(m, g->inits[i])->live;
    oxp_json_uint(j, "initializers", inits);
    oxp_json_uint(j, "functions", oxp_function_count(m));
    oxp_json_bool(j, "weights_present", oxp_model_has_weights(m));
    emit_interface(c, j, "inputs", g->inputs, g->n_inputs, true);
    emit_interface(c, j, "outputs", g->outputs, g->n_outputs, false);
    oxp_json_object(j, "metadata");
    for (size_t i = 0; i < oxp_model_meta_count(m); i++) {
        oxp_meta meta = oxp_model_meta_at(m, i);
        oxp_json_string(j, meta.key, meta.value);
    }
    oxp_json_end(j);
    oxp_json_end(j);
    oxp_json_object(j, "assumed_dims");
    for (size_t i = 0; i < c->a->n_assumed; i++)
        oxp_json_int(j, c->a->assumed[i].name, c->a->assumed[i].value);
    oxp_json_end(j);
    oxp_json_array(j, "bound_dims");
    for (size_t i = 0; i < c->a->n_assumed; i++) {
        if (c->a->assumed[i].bound)
            oxp_json_string(j, NULL, c->a->assumed[i].name);
    }
    oxp_json_end(j);
}

static void emit_by_op(const oxp_card *c, oxp_json *j) {
    oxp_json_array(j, "by_op");
    for (size_t i = 0; i < c->a->n_by_op; i++) {
        const oxp_op_total *o = &c->a->by_op[i];
        oxp_json_object(j, NULL);
        oxp_json_string(j, "op_type", o->op);
        oxp_json_string(j, "domain", o->domain);
        oxp_json_uint(j, "count", o->count);
        oxp_json_uint(j, "macs", o->macs);
        oxp_json_uint(j, "flops", o->flops);
        oxp_json_uint(j, "int_ops", o->int_ops);
        oxp_json_uint(j, "elements_moved", o->moved);
        oxp_json_uint(j, "params", o->params);
        oxp_json_uint(j, "weight_bytes", o->weight_bytes);
        oxp_json_uint(j, "activation_bytes", o->activation_bytes);
        oxp_json_bool(j, "known", o->known);
        oxp_json_end(j);
    }
    oxp_json_end(j);
}

static void emit_values(const oxp_card *c, oxp_json *j, const char *key, const oxp_id *values,
                        uint32_t n) {
    oxp_json_array(j, key);
    for (uint32_t i = 0; i < n; i++)
        oxp_json_string(
            j, NULL,
            values[i] == OXP_NONE ? "" : oxp_value_label(c->a->model, values[i], c->scratch));
    oxp_json_end(j);
}

static void emit_node(const oxp_card *c, oxp_json *j, oxp_id id, uint64_t index) {
    const oxp_node *n = oxp_node_at(c->a->model, id);
    const oxp_node_info *info = &c->a->nodes[id];
    oxp_mark mark = oxp_arena_mark(c->scratch);
    oxp_json_object(j, NULL);
    oxp_json_uint(j, "index", index);
    oxp_json_string(j, "name", oxp_node_label(c->a->model, id, c->scratch));
    oxp_json_string(j, "op_type", n->op);
    oxp_json_string(j, "domain", n->domain);
    uint64_t unknown = UINT64_MAX;
    oxp_json_uint(j, "macs", info->known ? info->macs : unknown);
    oxp_json_uint(j, "flops", info->known ? info->flops : unknown);
    oxp_json_uint(j, "int_ops", info->known ? info->int_ops : unknown);
    oxp_json_uint(j, "elements_moved", info->known ? info->moved : unknown);
    oxp_json_bool(j, "at_least", info->at_least);
    oxp_json_uint(j, "times", info->times);
    oxp_json_uint(j, "params", info->params);
    oxp_json_uint(j, "weight_bytes", info->weight_bytes);
    oxp_json_uint(j, "bytes_moved", info->bytes_moved);
    bool ratio = info->known && info->bytes_moved != UINT64_MAX && info->bytes_moved > 0;
    double work = (double)info->flops + (double)info->int_ops;
    if (ratio)
        oxp_json_double(j, "intensity", work / (double)info->bytes_moved);
    else
        oxp_json_null(j, "intensity");
    oxp_json_string(j, "bound", c->nodes[id].compute_bound && work > 0 ? "compute" : "memory");
    oxp_json_uint(j, "live_bytes", info->live_bytes);
    oxp_json_double(j, "latency_ms", 1e3 * c->nodes[id].seconds);
    emit_values(c, j, "inputs", n->in, n->n_in);
    emit_values(c, j, "outputs", n->out, n->n_out);
    oxp_json_end(j);
    oxp_arena_rewind(c->scratch, mark);
}

/* The main graph in its order, then the subgraphs. */
static void emit_nodes(const oxp_card *c, oxp_json *j) {
    uint64_t index = 0;
    oxp_json_array(j, "nodes");
    for (oxp_id g = 0; g < oxp_graph_count(c->a->model); g++) {
        if (!c->in_main[g])
            continue;
        oxp_id i = oxp_graph_at(c->a->model, g)->first;
        for (; i != OXP_NONE; i = oxp_node_at(c->a->model, i)->next)
            emit_node(c, j, i, index++);
    }
    oxp_json_end(j);
}

static const char *role_of(const oxp_card *c, oxp_id id, const oxp_value *v) {
    const oxp_model *m = c->a->model;
    if (v->tensor != OXP_NONE ||
        (v->producer != OXP_NONE && oxp_is_constant_node(oxp_node_at(m, v->producer))))
        return "initializer";
    if (v->is_input && v->graph == OXP_MAIN_GRAPH)
        return "input";
    const oxp_graph *g = oxp_graph_at(m, OXP_MAIN_GRAPH);
    for (uint32_t i = 0; v->outputs > 0 && v->graph == OXP_MAIN_GRAPH && i < g->n_outputs; i++) {
        if (g->outputs[i] == id)
            return "output";
    }
    return c->a->values[id].shape_role ? "shape" : "activation";
}

static void emit_tensors(const oxp_card *c, oxp_json *j) {
    const oxp_model *m = c->a->model;
    oxp_json_array(j, "tensors");
    for (oxp_id i = 0; i < oxp_value_count(m); i++) {
        const oxp_value *v = oxp_value_at(m, i);
        if (!v->live || !c->in_main[v->graph])
            continue;
        oxp_mark mark = oxp_arena_mark(c->scratch);
        oxp_json_object(j, NULL);
        oxp_json_string(j, "name", oxp_value_label(m, i, c->scratch));
        emit_type(c, j, i);
        oxp_json_uint(j, "bytes", c->a->values[i].bytes);
        oxp_json_string(j, "role", role_of(c, i, v));
        oxp_json_end(j);
        oxp_arena_rewind(c->scratch, mark);
    }
    oxp_json_end(j);
}

static void emit_count(oxp_json *j, const char *key, uint64_t n) {
    oxp_json_uint(j, key, n > 0 ? n : UINT64_MAX); /* 0: unknown */
}

static void emit_architecture(const oxp_card *c, oxp_json *j) {
    const oxp_insight *o = c->insight;
    oxp_json_object(j, "architecture");
    oxp_json_string(j, "family", o->family);
    oxp_json_string(j, "reason", o->why);
    emit_count(j, "layers", o->layers);
    emit_count(j, "cross_attention_layers", o->cross_layers);
    emit_count(j, "heads", o->heads);
    emit_count(j, "kv_heads", o->kv_heads);
    emit_count(j, "head_dim", o->head_dim);
    emit_count(j, "hidden", o->hidden);
    oxp_json_bool(j, "causal", o->causal);
    oxp_json_string(j, "task", oxp_task_name(o->task));
    oxp_json_bool(j, "task_likely", o->task_likely);
    emit_count(j, "classes", o->classes);
    oxp_json_object(j, "block_counts");
    for (int t = 0; t < OXP_BLOCK_TYPE_COUNT; t++) {
        if (o->counts[t] > 0)
            oxp_json_uint(j, oxp_block_type_name((oxp_block_type)t), o->counts[t]);
    }
    oxp_json_end(j);
    oxp_json_array(j, "repeated_blocks");
    for (size_t i = 0; i < o->n_repeats; i++) {
        oxp_json_object(j, NULL);
        oxp_json_string(j, "kind", oxp_block_type_name(o->repeats[i].type));
        oxp_json_string(j, "detail", o->repeats[i].detail);
        oxp_json_uint(j, "count", o->repeats[i].count);
        oxp_json_end(j);
    }
    oxp_json_end(j);
    oxp_json_end(j);
}

static void emit_labels(const oxp_card *c, oxp_json *j, const char *key, const oxp_id *nodes,
                        size_t n) {
    oxp_json_array(j, key);
    for (size_t i = 0; i < n; i++)
        oxp_json_string(j, NULL, oxp_node_label(c->a->model, nodes[i], c->scratch));
    oxp_json_end(j);
}

static void emit_blocks(const oxp_card *c, oxp_json *j) {
    oxp_json_array(j, "blocks");
    for (size_t i = 0; i < c->insight->n_blocks; i++) {
        const oxp_found *b = &c->insight->blocks[i];
        oxp_mark mark = oxp_arena_mark(c->scratch);
        oxp_json_object(j, NULL);
        oxp_json_string(j, "kind", oxp_block_type_name(b->type));
        oxp_json_bool(j, "decomposed", b->decomposed);
        oxp_json_string(j, "detail", b->detail);
        emit_labels(c, j, "nodes", b->nodes, b->n_nodes);
        oxp_json_end(j);
        oxp_arena_rewind(c->scratch, mark);
    }
    oxp_json_end(j);
}

static void emit_cache(const oxp_card *c, oxp_json *j) {
    const oxp_kv_cache *kv = &c->insight->kv;
    if (!c->insight->decoder) {
        oxp_json_null(j, "kv_cache");
        return;
    }
    oxp_json_object(j, "kv_cache");
    oxp_json_bool(j, "in_graph", kv->in_graph);
    oxp_json_uint(j, "layers", kv->layers);
    emit_count(j, "kv_heads", kv->kv_heads);
    emit_count(j, "head_dim", kv->head_dim);
    oxp_json_string(j, "dtype", kv->dtype == OXP_UNDEFINED ? NULL : oxp_dtype_name(kv->dtype));
    oxp_json_uint(j, "bytes_per_token", kv->bytes_per_token);
    emit_count(j, "context_tokens", kv->context);
    oxp_json_string(j, "context_source",
                    kv->context == 0         ? NULL
                    : kv->context_from_table ? "position table"
                                             : "assumed sequence length");
    emit_count(j, "bytes_at_context", kv->bytes_at_context);
    oxp_json_end(j);
}

static void emit_risks(const oxp_card *c, oxp_json *j) {
    oxp_json_array(j, "risks");
    for (size_t i = 0; i < c->insight->n_risks; i++) {
        const oxp_risk *r = &c->insight->risks[i];
        oxp_json_object(j, NULL);
        oxp_json_string(j, "id", r->id);
        oxp_json_string(j, "severity", r->severity);
        oxp_json_string(j, "message", r->message);
        oxp_json_string(j, "recommendation", r->advice);
        emit_labels(c, j, "nodes", r->nodes, r->n_nodes);
        oxp_json_end(j);
    }
    oxp_json_end(j);
}

static void emit_peak(const oxp_card *c, oxp_json *j) {
    enum { MOST = 16 };
    oxp_id values[MOST];
    const oxp_analysis *a = c->a;
    oxp_json_object(j, "peak");
    oxp_json_string(j, "node",
                    a->peak_node == OXP_NONE ? NULL
                                             : oxp_node_label(a->model, a->peak_node, c->scratch));
    oxp_json_array(j, "tensors");
    size_t n = oxp_memory_alive(a->model, a->values, a->peak_node, values, MOST, c->scratch);
    for (size_t i = 0; i < n; i++) {
        oxp_json_object(j, NULL);
        oxp_json_string(j, "name", oxp_value_label(a->model, values[i], c->scratch));
        oxp_json_uint(j, "bytes", a->values[values[i]].bytes);
        oxp_json_end(j);
    }
    oxp_json_end(j);
    oxp_json_end(j);
}

static void emit_latency(const oxp_latency_sum *l, oxp_json *j) {
    oxp_json_double(j, "latency_ms", 1e3 * l->seconds);
    oxp_json_string(j, "bottleneck", oxp_bottleneck(l));
    oxp_json_double(j, "compute_bound_ms", 1e3 * l->compute_bound);
    oxp_json_double(j, "memory_bound_ms", 1e3 * l->memory_bound);
    oxp_json_double(j, "overhead_ms", 1e3 * l->launch);
    oxp_json_double(j, "utilization", l->utilization);
    oxp_json_double(j, "peak_ops", l->peak_ops);
}

static void emit_fits(const oxp_card *c, oxp_json *j, uint64_t needed, uint64_t there) {
    if (needed == UINT64_MAX || (c->memory_at_least && needed <= there))
        oxp_json_null(j, "fits");
    else
        oxp_json_bool(j, "fits", needed <= there);
}

/* What is only a lower bound is no number of bytes. */
static void emit_memory(const oxp_card *c, oxp_json *j, uint64_t bytes) {
    oxp_json_uint(j, "memory_bytes", c->memory_at_least ? UINT64_MAX : bytes);
    oxp_json_uint(j, "memory_bytes_at_least", bytes);
}

static void emit_hardware(const oxp_card *c, oxp_json *j) {
    oxp_json_object(j, "hardware");
    oxp_json_string(j, "device", c->device->id);
    oxp_json_string(j, "device_name", c->device->name);
    oxp_json_bool(j, "device_chosen", c->device_asked);
    oxp_json_uint(j, "device_memory_bytes", c->device->memory);
    oxp_json_double(j, "bandwidth", c->device->bandwidth);
    emit_memory(c, j, c->memory);
    emit_fits(c, j, c->memory, c->device->memory);
    oxp_json_double(j, "saturation",
                    c->memory == UINT64_MAX || c->memory_at_least
                        ? (double)NAN
                        : (double)c->memory / (double)c->device->memory);
    emit_latency(&c->latency, j);
    oxp_json_object(j, "machine");
    oxp_json_string(j, "cpu", c->machine.cpu);
    oxp_json_uint(j, "threads", c->machine.threads);
    oxp_json_uint(j, "memory_bytes", c->machine.memory);
    oxp_json_string(j, "gpu", c->machine.gpu);
    oxp_json_end(j);
    oxp_json_object(j, "requirements");
    oxp_json_string(j, "minimum", c->minimum ? c->minimum->device->id : NULL);
    oxp_json_string(j, "recommended", c->recommended ? c->recommended->device->id : NULL);
    oxp_json_string(j, "best", c->best ? c->best->device->id : NULL);
    oxp_json_end(j);
    oxp_json_array(j, "devices");
    for (size_t i = 0; i < c->n_devices; i++) {
        const oxp_device_row *r = &c->devices[i];
        oxp_json_object(j, NULL);
        oxp_json_string(j, "id", r->device->id);
        oxp_json_string(j, "name", r->device->name);
        oxp_json_uint(j, "memory_bytes", r->device->memory);
        emit_fits(c, j, c->memory, r->device->memory);
        emit_latency(&r->latency, j);
        oxp_json_end(j);
    }
    oxp_json_end(j);
    oxp_json_end(j);
}

static void emit_sweep(const oxp_card *c, oxp_json *j) {
    const oxp_batch_sweep *s = c->sweep;
    oxp_json_object(j, "batch_scaling");
    oxp_json_string(j, "dimension", s->scaled ? NULL : s->dim);
    oxp_json_bool(j, "scaled", s->scaled);
    if (s->knee < s->n_points)
        oxp_json_int(j, "knee", s->points[s->knee].batch);
    else
        oxp_json_null(j, "knee");
    oxp_json_end(j);
    oxp_json_array(j, "batch_sweep");
    for (size_t i = 0; i < s->n_points; i++) {
        const oxp_batch_point *p = &s->points[i];
        uint64_t unknown = UINT64_MAX;
        oxp_json_object(j, NULL);
        oxp_json_int(j, "batch", p->batch);
        oxp_json_bool(j, "valid", p->valid);
        oxp_json_uint(j, "flops", p->valid ? p->flops : unknown);
        oxp_json_uint(j, "peak_activation_bytes", p->valid ? p->peak_activation_bytes : unknown);
        emit_memory(c, j, p->valid ? p->memory_bytes : unknown);
        if (p->valid) {
            oxp_json_double(j, "latency_ms", 1e3 * p->seconds);
            oxp_json_double(j, "throughput", p->throughput);
        } else {
            oxp_json_null(j, "latency_ms");
            oxp_json_null(j, "throughput");
        }
        if (p->valid)
            emit_fits(c, j, p->memory_bytes, c->device->memory);
        else
            oxp_json_bool(j, "fits", false);
        oxp_json_end(j);
    }
    oxp_json_end(j);
}

void oxp_emit_analysis(const void *card, oxp_json *j) {
    const oxp_card *c = card;
    oxp_mark mark = oxp_arena_mark(c->scratch);
    oxp_json_object(j, NULL);
    oxp_json_string(j, "schema", "onnxpert.analysis/1");
    emit_model(c, j);
    oxp_json_object(j, "totals");
    oxp_emit_totals(j, &c->a->totals);
    oxp_json_end(j);
    emit_peak(c, j);
    emit_by_op(c, j);
    emit_nodes(c, j);
    emit_tensors(c, j);
    emit_architecture(c, j);
    emit_blocks(c, j);
    emit_cache(c, j);
    emit_risks(c, j);
    emit_hardware(c, j);
    emit_sweep(c, j);
    oxp_json_end(j);
    oxp_arena_rewind(c->scratch, mark);
}
