/* doc_analysis.c - the analysis for people: the card, section by section. */
#include <math.h>
#include <string.h>

#include "analysis/memory.h"
#include "base/safe_math.h"
#include "report/analysis_doc.h"

enum { ROWS_MAX = 15, BARS_MAX = 8, CHART_POINTS = 240, INTERFACE_MAX = 40 };

/* ---- what it is ---- */

static void interface(oxp_doc *d, const oxp_card *c, const char *title, const oxp_id *values,
                      uint32_t n, bool inputs) {
    static const char *const header[] = {"Name", "Type", "Shape", "Assumed"};
    oxp_doc_heading(d, 2, "%s", title);
    oxp_block *b = oxp_doc_block(d, OXP_TABLE, 4);
    b->header = header;
    b->level = OXP_NARROW;
    size_t left_out = 0;
    for (uint32_t i = 0; i < n; i++) {
        const oxp_value *v = oxp_value_at(c->a->model, values[i]);
        const oxp_value_info *info = &c->a->values[values[i]];
        if (inputs && v->tensor != OXP_NONE)
            continue;
        if (b->rows == INTERFACE_MAX) {
            left_out++;
            continue;
        }
        const char *type = oxp_type_text(c, &info->type, d->arena);
        const char *symbolic = oxp_shape_text(c, &info->symbolic, d->arena),
                   *literal = oxp_shape_text(c, &info->type, d->arena);
        oxp_doc_row(d, (const char *[]){v->name, type != NULL ? type : "unknown", symbolic,
                                        strcmp(symbolic, literal) ? literal : ""});
    }
    if (left_out > 0)
        oxp_doc_para(d, "and %zu more (all of them are in --format json).", left_out);
}

static void metadata(oxp_doc *d, const oxp_card *c) {
    const oxp_model *m = c->a->model;
    oxp_arena *a = d->arena;
    oxp_doc_heading(d, 1, "Metadata");
    oxp_doc_fact(d, "File", "%s", oxp_model_path(m));
    oxp_doc_fact(d, "IR version", "%lld", (long long)oxp_model_ir_version(m));
    const char *producer = oxp_model_producer(m), *version = oxp_model_producer_version(m);
    oxp_doc_fact(d, "Producer", "%s%s%s", producer && *producer ? producer : "not stated",
                 version && *version ? " " : "", version ? version : "");
    const char *opsets = "";
    for (size_t i = 0; i < oxp_model_opset_count(m); i++) {
        oxp_opset o = oxp_model_opset_at(m, i);
        opsets = oxp_sprintf(a, "%s%s%s %lld", opsets, *opsets ? ", " : "",
                             *o.domain ? o.domain : "ai.onnx", (long long)o.version);
    }
    oxp_doc_fact(d, "Opsets", "%s", opsets);
    for (size_t i = 0; i < oxp_model_meta_count(m) && i < ROWS_MAX; i++) {
        oxp_meta meta = oxp_model_meta_at(m, i);
        oxp_doc_fact(d, meta.key, "%s", meta.value);
    }
}

static void graph(oxp_doc *d, const oxp_card *c) {
    const oxp_model *m = c->a->model;
    const oxp_graph *g = oxp_graph_at(m, OXP_MAIN_GRAPH);
    uint64_t inits = 0, inputs = 0;
    for (uint32_t i = 0; i < g->n_inits; i++)
        inits += oxp_value_at(m, g->inits[i])->live;
    for (uint32_t i = 0; i < g->n_inputs; i++)
        inputs += oxp_value_at(m, g->inputs[i])->tensor == OXP_NONE;
    oxp_doc_heading(d, 1, "Graph");
    oxp_doc_heading(d, 2, "Size");
    uint64_t nodes = oxp_graph_at(c->source, OXP_MAIN_GRAPH)->n_nodes;
    oxp_doc_fact(d, "Nodes", "%llu", (unsigned long long)nodes);
    if (c->a->totals.nodes != nodes)
        oxp_doc_fact(d,
                     c->source == m ? "Nodes with subgraphs" : "Nodes with functions and subgraphs",
                     "%llu", (unsigned long long)c->a->totals.nodes);
    oxp_doc_fact(d, "Inputs", "%llu", (unsigned long long)inputs);
    oxp_doc_fact(d, "Outputs", "%u", g->n_outputs);
    oxp_doc_fact(d, "Initializers", "%llu", (unsigned long long)inits);
    if (oxp_function_count(m) > 0)
        oxp_doc_fact(d, "Local functions", "%zu", oxp_function_count(m));
    interface(d, c, "Inputs", g->inputs, g->n_inputs, true);
    interface(d, c, "Outputs", g->outputs, g->n_outputs, false);
}

/* ---- what it costs ---- */

static void complexity(oxp_doc *d, const oxp_card *c) {
    oxp_arena *a = d->arena;
    const oxp_totals *t = &c->a->totals;
    oxp_doc_heading(d, 1, "Complexity");
    oxp_doc_heading(d, 2, "Figures");
    oxp_doc_fact(d, "Parameters", "%s", oxp_thousands(a, t->params));
    oxp_doc_fact(d, "Trainable", "%s", oxp_thousands(a, t->trainable_params));
    for (int i = 0; i < OXP_DTYPE_COUNT; i++) {
        if (t->params_by_dtype[i] > 0)
            oxp_doc_fact(d, oxp_sprintf(a, "Parameters in %s", oxp_dtype_name((oxp_dtype)i)), "%s",
                         oxp_thousands(a, t->params_by_dtype[i]));
    }
    oxp_doc_fact(d, "Weights", "%s", oxp_human_bytes(a, t->weight_bytes));
    oxp_doc_fact(d, "File", "%s", oxp_human_bytes(a, t->file_bytes));
    oxp_doc_fact(d, "FLOPs", "%s%s", oxp_at_least(t, t->flops), oxp_thousands(a, t->flops));
    oxp_doc_fact(d, "Multiply-adds", "%s%s", oxp_at_least(t, t->macs), oxp_thousands(a, t->macs));
    if (t->int_ops > 0)
        oxp_doc_fact(d, "Integer operations", "%s", oxp_thousands(a, t->int_ops));
    oxp_doc_fact(d, "Elements moved", "%s", oxp_thousands(a, t->moved));
    oxp_doc_fact(d, "Memory traffic", "%s", oxp_human_bytes(a, t->bytes_moved));
    if (t->bytes_moved > 0 && t->bytes_moved != UINT64_MAX && t->flops != UINT64_MAX &&
        t->int_ops != UINT64_MAX)
        oxp_doc_fact(d, "Arithmetic intensity", "%.3g FLOPs a byte",
                     ((double)t->flops + (double)t->int_ops) / (double)t->bytes_moved);
    oxp_doc_fact(d, "Peak activations", "%s%s", oxp_at_least(t, t->peak_activation_bytes),
                 oxp_human_bytes(a, t->peak_activation_bytes));
    oxp_doc_fact(d, "Peak when views share memory", "%s",
                 oxp_human_bytes(a, t->peak_with_views_bytes));
    oxp_doc_fact(d, "All activations together", "%s",
                 oxp_human_bytes(a, t->total_activation_bytes));
    if (t->unknown_nodes > 0)
        oxp_doc_fact(d, "Nodes of unknown cost", "%llu", (unsigned long long)t->unknown_nodes);
}

static void by_operator(oxp_doc *d, const oxp_card *c) {
    static const char *const header[] = {"Operator",   "Nodes",   "FLOPs",      "Share",
                                         "Parameters", "Weights", "Activations"};
    static const uint8_t align[] = {0, 1, 1, 1, 1, 1, 1};
    oxp_arena *a = d->arena;
    const oxp_totals *t = &c->a->totals;
    oxp_doc_heading(d, 2, "By operator");
    oxp_block *b = oxp_doc_block(d, OXP_TABLE, 7);
    b->header = header;
    b->align = align;
    for (size_t i = 0; i < c->a->n_by_op && i < ROWS_MAX; i++) {
        const oxp_op_total *o = &c->a->by_op[i];
        oxp_doc_row(d, (const char *[]){o->op, oxp_thousands(a, o->count),
                                        o->known ? oxp_human_count(a, o->flops) : "unknown",
                                        oxp_share_text(a, o->flops, t->flops),
                                        oxp_human_count(a, o->params),
                                        oxp_human_bytes(a, o->weight_bytes),
                                        oxp_human_bytes(a, o->activation_bytes)});
    }
}

static void operator_histogram(oxp_doc *d, const oxp_card *c) {
    oxp_arena *a = d->arena;
    oxp_doc_heading(d, 2, "Nodes by operator");
    oxp_doc_block(d, OXP_BARS, 2);
    bool *shown = OXP_NEWS(a, c->a->n_by_op + 1, bool);
    uint64_t rest = c->a->totals.nodes;
    for (size_t row = 0; row < ROWS_MAX && row < c->a->n_by_op; row++) {
        size_t best = SIZE_MAX; /* a few rows of a short table: repeated search is enough */
        for (size_t i = 0; i < c->a->n_by_op; i++) {
            if (!shown[i] && (best == SIZE_MAX || c->a->by_op[i].count > c->a->by_op[best].count))
                best = i;
        }
        shown[best] = true;
        const oxp_op_total *o = &c->a->by_op[best];
        rest -= o->count;
        oxp_doc_bar(d, o->op, oxp_thousands(a, o->count), (double)o->count);
    }
    if (rest > 0)
        oxp_doc_bar(d, "others", oxp_thousands(a, rest), (double)rest);
}

static void operator_bars(oxp_doc *d, const oxp_card *c) {
    const oxp_analysis *x = c->a;
    oxp_doc_heading(d, 2, "FLOPs by operator");
    oxp_doc_block(d, OXP_BARS, 2);
    for (size_t i = 0; i < x->n_by_op && i < BARS_MAX && x->by_op[i].flops > 0; i++)
        oxp_doc_bar(d, x->by_op[i].op, oxp_human_count(d->arena, x->by_op[i].flops),
                    (double)x->by_op[i].flops);
    oxp_doc_heading(d, 2, "Parameters by operator");
    oxp_doc_block(d, OXP_BARS, 2);
    uint64_t last = UINT64_MAX;
    for (size_t row = 0; row < BARS_MAX; row++) { /* the table is short: look for the next one */
        const oxp_op_total *best = NULL;
        for (size_t i = 0; i < x->n_by_op; i++) {
            if (x->by_op[i].params > 0 && x->by_op[i].params < last &&
                (best == NULL || x->by_op[i].params > best->params))
                best = &x->by_op[i];
        }
        if (best == NULL)
            break;
        last = best->params;
        oxp_doc_bar(d, best->op, oxp_human_count(d->arena, best->params), (double)best->params);
    }
}

/* Bytes alive over the course of execution: the largest of each stretch of nodes. */
static void memory_chart(oxp_doc *d, const oxp_card *c) {
    const oxp_model *m = c->a->model;
    const oxp_graph *g = oxp_graph_at(m, OXP_MAIN_GRAPH);
    size_t n = g->n_nodes, points = n < CHART_POINTS ? n : CHART_POINTS;
    if (n < 2 || c->a->totals.peak_activation_bytes == UINT64_MAX)
        return;
    double *xy = OXP_NEWS(d->arena, 2 * points, double);
    oxp_doc_heading(d, 2, "Over the course of a run");
    oxp_block *b = oxp_doc_block(d, OXP_CHART, 2);
    size_t i = 0;
    for (oxp_id id = g->first; id != OXP_NONE; id = oxp_node_at(m, id)->next, i++) {
        size_t p = i * points / n;
        double bytes = (double)c->a->nodes[id].live_bytes;
        xy[2 * p] = (double)i;
        xy[2 * p + 1] = bytes > xy[2 * p + 1] ? bytes : xy[2 * p + 1];
        uint32_t call = oxp_node_at(m, id)->in_call;
        if ((call != 0 ? call - 1 : id) == c->a->peak_node) {
            b->marker_x = (double)i;
            b->marker_y = bytes;
        }
    }
    b->text = "Activation bytes alive at each node, in the file's order";
    b->values = xy;
    b->rows = points;
    b->axes.x = "node";
    b->axes.y = "bytes alive";
    b->axes.y_unit = OXP_UNIT_BYTES;
    b->axes.marker = oxp_sprintf(d->arena, "peak: %s",
                                 oxp_human_bytes(d->arena, c->a->totals.peak_activation_bytes));
}

static void memory(oxp_doc *d, const oxp_card *c) {
    enum { MOST = 10 };
    static const char *const header[] = {"Tensor", "Shape", "Bytes", "Share"};
    static const uint8_t align[] = {0, 0, 1, 1};
    oxp_arena *a = d->arena;
    const oxp_analysis *x = c->a;
    oxp_doc_heading(d, 1, "Memory");
    if (x->peak_node != OXP_NONE)
        oxp_doc_para(d, "The peak of %s%s is at node %s.",
                     oxp_at_least(&x->totals, x->totals.peak_activation_bytes),
                     oxp_human_bytes(a, x->totals.peak_activation_bytes),
                     oxp_node_label(x->model, x->peak_node, a));
    memory_chart(d, c);
    oxp_id values[MOST];
    size_t n = oxp_memory_alive(x->model, x->values, x->peak_node, values, MOST, a);
    if (n == 0)
        return;
    oxp_doc_heading(d, 2, "Alive at the peak");
    oxp_block *b = oxp_doc_block(d, OXP_TABLE, 4);
    b->level = OXP_NARROW;
    b->header = header;
    b->align = align;
    for (size_t i = 0; i < n; i++) {
        const oxp_value_info *v = &x->values[values[i]];
        if (v->bytes == 0)
            continue;
        oxp_doc_row(d,
                    (const char *[]){oxp_value_label(x->model, values[i], a),
                                     oxp_shape_text(c, &v->type, a), oxp_human_bytes(a, v->bytes),
                                     oxp_share_text(a, v->bytes, x->totals.peak_activation_bytes)});
    }
}

/* ---- what is inside ---- */

static void architecture(oxp_doc *d, const oxp_card *c) {
    static const char *const header[] = {"Block", "Count"};
    static const char *const repeat_header[] = {"Block", "Figures", "Times"};
    static const uint8_t align[] = {0, 1}, repeat_align[] = {0, 0, 1};
    const oxp_insight *o = c->insight;
    oxp_arena *a = d->arena;
    oxp_doc_heading(d, 1, "Architecture");
    oxp_doc_heading(d, 2, "Kind");
    oxp_doc_fact(d, "Family", "%s", o->family);
    oxp_doc_fact(d, "Because of", "%s", o->why);
    if (o->layers > 0)
        oxp_doc_fact(d, "Attention layers", "%llu%s", (unsigned long long)o->layers,
                     o->causal ? ", causal" : "");
    if (o->cross_layers > 0)
        oxp_doc_fact(d, "Cross-attention layers", "%llu", (unsigned long long)o->cross_layers);
    if (o->heads > 0 && o->head_dim > 0)
        oxp_doc_fact(d, "Heads", "%llu of size %llu", (unsigned long long)o->heads,
                     (unsigned long long)o->head_dim);
    else if (o->heads_most > o->heads_least)
        oxp_doc_fact(d, "Heads", "%llu to %llu", (unsigned long long)o->heads_least,
                     (unsigned long long)o->heads_most);
    if (o->kv_heads > 0 && o->kv_heads != o->heads)
        oxp_doc_fact(d, "Key/value heads", "%llu", (unsigned long long)o->kv_heads);
    if (o->hidden > 0)
        oxp_doc_fact(d, "Hidden size", "%llu", (unsigned long long)o->hidden);
    const char *task = oxp_task_name(o->task);
    if (task != NULL)
        oxp_doc_fact(d, "Task, by the output", "%s%s", task, o->task_likely ? ", likely" : "");
    if (o->classes > 0)
        oxp_doc_fact(d, "Classes", "%llu", (unsigned long long)o->classes);
    if (o->n_blocks == 0)
        return;
    oxp_doc_heading(d, 2, "Detected blocks");
    oxp_block *b = oxp_doc_block(d, OXP_TABLE, 2);
    b->header = header;
    b->align = align;
    for (int t = 0; t < OXP_BLOCK_TYPE_COUNT; t++) {
        if (o->counts[t] > 0)
            oxp_doc_row(d, (const char *[]){oxp_block_type_name((oxp_block_type)t),
                                            oxp_thousands(a, o->counts[t])});
    }
    if (o->n_repeats == 0)
        return;
    oxp_doc_heading(d, 2, "Repeated blocks");
    b = oxp_doc_block(d, OXP_TABLE, 3);
    b->header = repeat_header;
    b->align = repeat_align;
    for (size_t i = 0; i < o->n_repeats && i < (size_t)2 * ROWS_MAX; i++)
        oxp_doc_row(d,
                    (const char *[]){oxp_block_type_name(o->repeats[i].type), o->repeats[i].detail,
                                     oxp_thousands(a, o->repeats[i].count)});
}

static void cache(oxp_doc *d, const oxp_card *c) {
    const oxp_kv_cache *kv = &c->insight->kv;
    oxp_arena *a = d->arena;
    if (!c->insight->decoder)
        return;
    oxp_doc_heading(d, 1, "KV cache");
    oxp_doc_para(d, "%s",
                 kv->in_graph
                     ? "The graph takes the keys and values of the past and returns the new ones."
                     : "The graph has no cache: each new token computes the whole sequence again. "
                       "This is what a cache would hold.");
    oxp_doc_fact(d, "Layers", "%llu", (unsigned long long)kv->layers);
    oxp_doc_fact(d, "Key/value heads", "%llu of size %llu", (unsigned long long)kv->kv_heads,
                 (unsigned long long)kv->head_dim);
    oxp_doc_fact(d, "A token", "%s", oxp_human_bytes(a, kv->bytes_per_token));
    if (kv->context > 0)
        oxp_doc_fact(d, oxp_sprintf(a, "%llu tokens", (unsigned long long)kv->context), "%s (%s)",
                     oxp_human_bytes(a, kv->bytes_at_context),
                     kv->context_from_table ? "rows of the position table"
                                            : "the assumed sequence length");
}

static void risks(oxp_doc *d, const oxp_card *c) {
    oxp_doc_heading(d, 1, "Risk signals");
    if (c->insight->n_risks == 0)
        oxp_doc_para(d, "None found.");
    for (size_t i = 0; i < c->insight->n_risks; i++) {
        const oxp_risk *r = &c->insight->risks[i];
        const char *nodes = "";
        for (size_t k = 0; k < r->n_nodes && k < 5; k++)
            nodes = oxp_sprintf(d->arena, "%s%s%s", nodes, k ? ", " : "Nodes: ",
                                oxp_node_label(c->a->model, r->nodes[k], d->arena));
        oxp_doc_block(d, OXP_ITEM, 1);
        oxp_doc_row(d, &r->id);
        oxp_doc_row(d, &r->severity);
        oxp_doc_row(d, &r->message);
        oxp_doc_row(d, &r->advice);
        if (*nodes)
            oxp_doc_row(d, &nodes);
    }
}

static oxp_doc *analysis(const oxp_card *c, bool page, oxp_arena *arena) {
    oxp_doc *d = oxp_doc_new(arena, oxp_sprintf(arena, "Analysis of %s", c->name));
    oxp_doc_summary(d, c);
    complexity(d, c);
    operator_histogram(d, c);
    operator_bars(d, c);
    by_operator(d, c);
    oxp_doc_blocks(d, c);
    oxp_doc_nodes(d, c, page);
    memory(d, c);
    architecture(d, c);
    cache(d, c);
    oxp_doc_hardware(d, c);
    risks(d, c);
    graph(d, c);
    metadata(d, c);
    return d;
}

oxp_doc *oxp_doc_analysis(const void *card, oxp_arena *arena) {
    return analysis(card, false, arena);
}

oxp_doc *oxp_page_analysis(const void *card, oxp_arena *arena) {
    return analysis(card, true, arena);
}
