/* doc_analysis.c - the analysis for people: the card, section by section. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/memory.h"
#include "base/safe_math.h"
#include "report/reports.h"

enum { ROWS_MAX = 15, BARS_MAX = 8, NODES_MAX = 1000, CHART_POINTS = 240 };

static const char *s_of(uint64_t n) {
    return n == 1 ? "" : "s";
}

static const char *share(oxp_arena *a, uint64_t part, uint64_t whole) {
    if (whole == 0 || part == UINT64_MAX || whole == UINT64_MAX)
        return "-";
    double p = 100.0 * (double)part / (double)whole;
    bool whole_number = p == 0 || (p >= 9.95 && p < 99) || p >= 99.95;
    return oxp_sprintf(a, whole_number ? "%.0f %%" : p >= 0.1 ? "%.1f %%" : "< 0.1 %%", p);
}

static const char *family_name(const char *f) {
    static const char *const names[][2] = {
        {"cnn", "a convolutional network"},  {"transformer", "a transformer"},
        {"rnn", "a recurrent network"},      {"hybrid", "a hybrid of convolutions and attention"},
        {"mlp", "a multi-layer perceptron"}, {"tree", "a tree ensemble"}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(names[i][0], f) == 0)
            return names[i][1];
    }
    return "a graph of no common family";
}

static const char *precision_of(const oxp_totals *t) {
    int best = OXP_UNDEFINED;
    for (int i = 0; i < OXP_DTYPE_COUNT; i++) {
        if (t->params_by_dtype[i] > t->params_by_dtype[best])
            best = i;
    }
    return best == OXP_UNDEFINED ? "" : oxp_dtype_name((oxp_dtype)best);
}

static const char *assumed_text(const oxp_card *c, bool bound, oxp_arena *a) {
    const char *s = "";
    for (size_t i = 0; i < c->a->n_assumed; i++) {
        const oxp_assumed *d = &c->a->assumed[i];
        if (d->bound == bound)
            s = oxp_sprintf(a, "%s%s%s = %lld", s, *s ? ", " : "", d->name, (long long)d->value);
    }
    return s;
}

static const char *at_least(const oxp_totals *t) {
    return t->unknown_nodes > 0 || t->partial ? "at least " : "";
}

/* ---- executive summary ---- */

static const char *structure_sentence(const oxp_card *c, oxp_arena *a) {
    const oxp_insight *o = c->insight;
    if (o->layers > 0 && o->heads > 0 && o->kv_heads != o->heads)
        return oxp_sprintf(a,
                           " It has %llu attention layers of width %llu with %llu heads over %llu "
                           "key/value heads of size %llu.",
                           (unsigned long long)o->layers, (unsigned long long)o->hidden,
                           (unsigned long long)o->heads, (unsigned long long)o->kv_heads,
                           (unsigned long long)o->head_dim);
    if (o->layers > 0 && o->heads > 0)
        return oxp_sprintf(a,
                           " It has %llu attention layer%s of width %llu with %llu heads of size "
                           "%llu.",
                           (unsigned long long)o->layers, s_of(o->layers),
                           (unsigned long long)o->hidden, (unsigned long long)o->heads,
                           (unsigned long long)o->head_dim);
    if (o->counts[OXP_BLOCK_INVERTED_RESIDUAL] > 0)
        return oxp_sprintf(a, " It is built of %zu inverted residual blocks.",
                           o->counts[OXP_BLOCK_INVERTED_RESIDUAL]);
    if (o->counts[OXP_BLOCK_RESIDUAL] > 0)
        return oxp_sprintf(a, " It has %zu residual block%s.", o->counts[OXP_BLOCK_RESIDUAL],
                           s_of(o->counts[OXP_BLOCK_RESIDUAL]));
    if (o->recurrent > 0)
        return oxp_sprintf(a, " It has %zu recurrent layer%s.", o->recurrent, s_of(o->recurrent));
    return "";
}

static const char *task_sentence(const oxp_card *c, oxp_arena *a) {
    const oxp_insight *o = c->insight;
    const char *task = oxp_task_name(o->task);
    if (task == NULL)
        return "";
    if (o->classes > 0)
        return oxp_sprintf(a, " Judging by its output, the task is %s with %llu class%s.", task,
                           (unsigned long long)o->classes, o->classes == 1 ? "" : "es");
    return oxp_sprintf(a, " Judging by its output, the task is %s.", task);
}

/* The figures that one looks for first. */
static void verdict(oxp_doc *d, const oxp_card *c) {
    oxp_arena *a = d->arena;
    const oxp_totals *t = &c->a->totals;
    oxp_doc_fact(d, "Family", "%s", c->insight->family);
    oxp_doc_fact(d, "Parameters", "%s", oxp_human_count(a, t->params));
    oxp_doc_fact(d, "Work of a run", "%s%s%s", at_least(t),
                 oxp_human_count(a, t->flops >= t->int_ops ? t->flops : t->int_ops),
                 t->flops >= t->int_ops ? " FLOPs" : " integer operations");
    oxp_doc_fact(d, "Weights", "%s", oxp_human_bytes(a, t->weight_bytes));
    oxp_doc_fact(d, "Peak of activations", "%s%s", at_least(t),
                 oxp_human_bytes(a, t->peak_activation_bytes));
    oxp_doc_fact(d, oxp_sprintf(a, "On %s", c->device->name), "%s, bound by %s",
                 oxp_human_seconds(a, c->latency.seconds), oxp_bottleneck(&c->latency));
}

static void summary(oxp_doc *d, const oxp_card *c) {
    oxp_arena *a = d->arena;
    const oxp_totals *t = &c->a->totals;
    const oxp_op_total *top = c->a->n_by_op > 0 ? &c->a->by_op[0] : NULL;
    oxp_doc_heading(d, 1, "Summary");
    verdict(d, c);
    const char *bound = assumed_text(c, true, a), *free = assumed_text(c, false, a);
    if (*free || *bound)
        oxp_doc_para(d, "Dimensions: %s%s%s%s.", bound, *bound && *free ? "; " : "", free,
                     *free ? " assumed (bind with --dim)" : "");
    oxp_doc_para(d, "%s is %s of %llu node%s with %s parameters (%s%s%s).%s%s", c->name,
                 family_name(c->insight->family), (unsigned long long)t->nodes, s_of(t->nodes),
                 oxp_human_count(a, t->params), oxp_human_bytes(a, t->weight_bytes),
                 t->params ? ", mostly " : "", precision_of(t), structure_sentence(c, a),
                 task_sentence(c, a));
    const char *work = "";
    if (top != NULL && top->flops > 0)
        work = oxp_sprintf(a, "; %s does %s of the arithmetic", top->op,
                           share(a, top->flops, t->flops));
    oxp_doc_para(
        d,
        "One run takes %s%s FLOPs (%s multiply-adds)%s%s%s. The peak of activations is %s%s; "
        "weights and peak activations together are %s.",
        at_least(t), oxp_human_count(a, t->flops), oxp_human_count(a, t->macs),
        t->int_ops ? " and " : "",
        t->int_ops ? oxp_sprintf(a, "%s integer operations", oxp_human_count(a, t->int_ops)) : "",
        work, at_least(t), oxp_human_bytes(a, t->peak_activation_bytes),
        oxp_human_bytes(a, c->memory));
    const oxp_batch_sweep *s = c->sweep;
    const char *knee = "";
    if (s->n_points > 0 && s->knee < s->n_points)
        knee = oxp_sprintf(a, " Throughput gains less than 10 %% beyond batch %lld.",
                           (long long)s->points[s->knee].batch);
    oxp_doc_para(d, "On %s%s one run is estimated at %s, bound by %s.%s%s", c->device->name,
                 c->device_asked ? "" : " (taken as an example)",
                 oxp_human_seconds(a, c->latency.seconds), oxp_bottleneck(&c->latency),
                 c->memory <= c->device->memory ? "" : " It does not fit in that device's memory.",
                 knee);
    size_t worth = 0;
    for (size_t i = 0; i < c->insight->n_risks; i++)
        worth += strcmp(c->insight->risks[i].severity, "info") != 0;
    if (worth > 0)
        oxp_doc_para(d, "%zu risk signal%s above information: see below.", worth, s_of(worth));
}

/* ---- what it is ---- */

static void interface(oxp_doc *d, const oxp_card *c, const char *title, const oxp_id *values,
                      uint32_t n, bool inputs) {
    static const char *const header[] = {"Name", "Type", "Shape", "Assumed"};
    oxp_doc_heading(d, 2, "%s", title);
    oxp_block *b = oxp_doc_block(d, OXP_TABLE, 4);
    b->header = header;
    for (uint32_t i = 0; i < n; i++) {
        const oxp_value *v = oxp_value_at(c->a->model, values[i]);
        const oxp_value_info *info = &c->a->values[values[i]];
        if (inputs && v->tensor != OXP_NONE)
            continue;
        const char *type = oxp_type_text(c, &info->type, d->arena);
        const char *symbolic = oxp_shape_text(c, &info->symbolic, d->arena),
                   *literal = oxp_shape_text(c, &info->type, d->arena);
        oxp_doc_row(d, (const char *[]){v->name, type != NULL ? type : "unknown", symbolic,
                                        strcmp(symbolic, literal) ? literal : ""});
    }
}

static void metadata(oxp_doc *d, const oxp_card *c) {
    const oxp_model *m = c->a->model;
    oxp_arena *a = d->arena;
    oxp_doc_heading(d, 1, "Metadata");
    oxp_doc_fact(d, "File", "%s", oxp_model_path(m));
    oxp_doc_fact(d, "IR version", "%lld", (long long)oxp_model_ir_version(m));
    const char *producer = oxp_model_producer(m), *version = oxp_model_producer_version(m);
    oxp_doc_fact(d, "Producer", "%s %s", producer && *producer ? producer : "not stated",
                 version ? version : "");
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
    oxp_arena *a = d->arena;
    uint64_t inits = 0, inputs = 0;
    for (uint32_t i = 0; i < g->n_inits; i++)
        inits += oxp_value_at(m, g->inits[i])->live;
    for (uint32_t i = 0; i < g->n_inputs; i++)
        inputs += oxp_value_at(m, g->inputs[i])->tensor == OXP_NONE;
    oxp_doc_heading(d, 1, "Graph");
    oxp_doc_fact(d, "Nodes", "%llu", (unsigned long long)g->n_nodes);
    if (c->a->totals.nodes != g->n_nodes)
        oxp_doc_fact(d, "Nodes with subgraphs", "%llu", (unsigned long long)c->a->totals.nodes);
    oxp_doc_fact(d, "Inputs", "%llu", (unsigned long long)inputs);
    oxp_doc_fact(d, "Outputs", "%u", g->n_outputs);
    oxp_doc_fact(d, "Initializers", "%llu", (unsigned long long)inits);
    if (oxp_function_count(m) > 0)
        oxp_doc_fact(d, "Local functions", "%zu", oxp_function_count(m));
    interface(d, c, "Inputs", g->inputs, g->n_inputs, true);
    interface(d, c, "Outputs", g->outputs, g->n_outputs, false);
    oxp_doc_heading(d, 2, "Operators");
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

/* ---- what it costs ---- */

static void complexity(oxp_doc *d, const oxp_card *c) {
    oxp_arena *a = d->arena;
    const oxp_totals *t = &c->a->totals;
    oxp_doc_heading(d, 1, "Complexity");
    oxp_doc_fact(d, "Parameters", "%s (%s)", oxp_thousands(a, t->params),
                 oxp_human_count(a, t->params));
    oxp_doc_fact(d, "Trainable", "%s", oxp_thousands(a, t->trainable_params));
    for (int i = 0; i < OXP_DTYPE_COUNT; i++) {
        if (t->params_by_dtype[i] > 0)
            oxp_doc_fact(d, oxp_sprintf(a, "Parameters in %s", oxp_dtype_name((oxp_dtype)i)), "%s",
                         oxp_thousands(a, t->params_by_dtype[i]));
    }
    oxp_doc_fact(d, "Weights", "%s", oxp_human_bytes(a, t->weight_bytes));
    oxp_doc_fact(d, "File", "%s", oxp_human_bytes(a, t->file_bytes));
    oxp_doc_fact(d, "FLOPs", "%s%s (%s)", at_least(t), oxp_thousands(a, t->flops),
                 oxp_human_count(a, t->flops));
    oxp_doc_fact(d, "Multiply-adds", "%s%s", at_least(t), oxp_thousands(a, t->macs));
    if (t->int_ops > 0)
        oxp_doc_fact(d, "Integer operations", "%s", oxp_thousands(a, t->int_ops));
    oxp_doc_fact(d, "Elements moved", "%s", oxp_thousands(a, t->moved));
    oxp_doc_fact(d, "Memory traffic", "%s", oxp_human_bytes(a, t->bytes_moved));
    if (t->bytes_moved > 0)
        oxp_doc_fact(d, "Arithmetic intensity", "%.3g FLOPs a byte",
                     ((double)t->flops + (double)t->int_ops) / (double)t->bytes_moved);
    oxp_doc_fact(d, "Peak activations", "%s%s", at_least(t),
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
                                        share(a, o->flops, t->flops), oxp_human_count(a, o->params),
                                        oxp_human_bytes(a, o->weight_bytes),
                                        oxp_human_bytes(a, o->activation_bytes)});
    }
}

static const uint8_t node_align[] = {0, 0, 0, 1, 1, 1, 1, 0};

typedef struct ranked {
    oxp_id node;
    double seconds;
} ranked;

static int by_seconds(const void *pa, const void *pb) {
    const ranked *a = pa, *b = pb;
    if (a->seconds != b->seconds)
        return a->seconds < b->seconds ? 1 : -1;
    return (a->node > b->node) - (a->node < b->node);
}

/* The `max` costliest nodes: a buffer of twice as many is sorted and halved whenever it is full. */
static size_t costliest(const oxp_card *c, ranked *top, size_t max) {
    size_t n = 0;
    for (oxp_id i = 0; i < oxp_node_count(c->a->model); i++) {
        if (c->nodes[i].seconds <= 0)
            continue;
        top[n++] = (ranked){i, c->nodes[i].seconds};
        if (n == 2 * max) {
            qsort(top, n, sizeof *top, by_seconds);
            n = max;
        }
    }
    if (n > 1)
        qsort(top, n, sizeof *top, by_seconds);
    return n < max ? n : max;
}

static void node_row(oxp_doc *d, const oxp_card *c, oxp_id id, bool exact) {
    oxp_arena *a = d->arena;
    const oxp_node *node = oxp_node_at(c->a->model, id);
    const oxp_node_info *info = &c->a->nodes[id];
    oxp_id out = oxp_out(node, 0);
    uint64_t work = info->known ? oxp_sat_add(info->flops, info->int_ops) : UINT64_MAX;
    bool ratio = work != UINT64_MAX && info->bytes_moved != UINT64_MAX && info->bytes_moved > 0;
    double seconds = c->nodes[id].seconds;
    oxp_doc_row(
        d, (const char *[]){
               oxp_node_label(c->a->model, id, a), node->op,
               out == OXP_NONE ? "" : oxp_shape_text(c, &c->a->values[out].type, a),
               exact ? oxp_thousands(a, work) : oxp_human_count(a, work),
               exact ? oxp_thousands(a, info->bytes_moved) : oxp_human_bytes(a, info->bytes_moved),
               ratio ? oxp_sprintf(a, "%.3g", (double)work / (double)info->bytes_moved) : "-",
               exact ? oxp_sprintf(a, "%.3f", 1e6 * seconds) : oxp_human_seconds(a, seconds),
               c->nodes[id].compute_bound && work > 0 ? "compute" : "memory"});
}

/* Work against intensity: where each node stands under the device's roof. */
static void roofline_chart(oxp_doc *d, const oxp_card *c, const ranked *top, size_t n) {
    double *xy = OXP_NEWS(d->arena, 2 * n, double);
    size_t points = 0;
    for (size_t i = 0; i < n; i++) {
        const oxp_node_info *info = &c->a->nodes[top[i].node];
        double work = (double)info->flops + (double)info->int_ops;
        if (work <= 0 || info->bytes_moved == UINT64_MAX || info->bytes_moved == 0)
            continue;
        xy[2 * points] = log10(work / (double)info->bytes_moved);
        xy[2 * points + 1] = log10(work / top[i].seconds);
        points++;
    }
    if (points < 2)
        return;
    oxp_block *b = oxp_doc_block(d, OXP_CHART, 2);
    b->level = OXP_PAGE_ONLY | OXP_SCATTER;
    b->text = "Operations a second against operations a byte, a point for each node";
    b->values = xy;
    b->rows = points;
    b->cells = OXP_NEWS(d->arena, 2 * points, const char *);
}

static void hot_nodes(oxp_doc *d, const oxp_card *c, const ranked *top, size_t n) {
    static const char *const header[] = {"Node",    "Operator",  "Output", "FLOPs",
                                         "Traffic", "Intensity", "Time",   "Bound"};
    if (n == 0)
        return;
    oxp_doc_heading(d, 2, "Costliest nodes on %s", c->device->name);
    oxp_block *b = oxp_doc_block(d, OXP_TABLE, 8);
    b->header = header;
    b->align = node_align;
    for (size_t i = 0; i < n && i < ROWS_MAX; i++)
        node_row(d, c, top[i].node, false);
    roofline_chart(d, c, top, n);
}

/* Plain numbers, so that the browser can sort them. */
static void all_nodes(oxp_doc *d, const oxp_card *c, const ranked *top, size_t n) {
    static const char *const header[] = {
        "Node",      "Operator", "Output", "Operations", "Bytes of traffic",
        "Intensity", "Time, us", "Bound"};
    if (n <= ROWS_MAX)
        return;
    oxp_block *b = oxp_doc_block(d, OXP_TABLE, 8);
    b->header = header;
    b->align = node_align;
    b->level = OXP_PAGE_ONLY;
    for (size_t i = 0; i < n; i++)
        node_row(d, c, top[i].node, true);
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
    oxp_block *b = oxp_doc_block(d, OXP_CHART, 2);
    size_t i = 0;
    for (oxp_id id = g->first; id != OXP_NONE; id = oxp_node_at(m, id)->next, i++) {
        size_t p = i * points / n;
        double bytes = (double)c->a->nodes[id].live_bytes;
        xy[2 * p] = (double)i;
        xy[2 * p + 1] = bytes > xy[2 * p + 1] ? bytes : xy[2 * p + 1];
        if (id == c->a->peak_node) {
            b->marker_x = (double)i;
            b->marker_y = bytes;
        }
    }
    b->text = "Activation bytes alive at each node, in the file's order";
    b->values = xy;
    b->rows = points;
    b->cells = OXP_NEWS(d->arena, 2 * points, const char *);
}

static void memory(oxp_doc *d, const oxp_card *c) {
    enum { MOST = 10 };
    static const char *const header[] = {"Tensor", "Shape", "Bytes", "Share"};
    static const uint8_t align[] = {0, 0, 1, 1};
    oxp_arena *a = d->arena;
    const oxp_analysis *x = c->a;
    oxp_doc_heading(d, 1, "Memory");
    if (x->peak_node != OXP_NONE)
        oxp_doc_para(d, "The peak of %s is at node %s.",
                     oxp_human_bytes(a, x->totals.peak_activation_bytes),
                     oxp_node_label(x->model, x->peak_node, a));
    memory_chart(d, c);
    oxp_id values[MOST];
    size_t n = oxp_memory_alive(x->model, x->values, x->peak_node, values, MOST, a);
    if (n == 0)
        return;
    oxp_doc_heading(d, 2, "Alive at the peak");
    oxp_block *b = oxp_doc_block(d, OXP_TABLE, 4);
    b->header = header;
    b->align = align;
    for (size_t i = 0; i < n; i++) {
        const oxp_value_info *v = &x->values[values[i]];
        if (v->bytes == 0)
            continue;
        oxp_doc_row(d,
                    (const char *[]){oxp_value_label(x->model, values[i], a),
                                     oxp_shape_text(c, &v->type, a), oxp_human_bytes(a, v->bytes),
                                     share(a, v->bytes, x->totals.peak_activation_bytes)});
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
    oxp_doc_fact(d, "Family", "%s", o->family);
    oxp_doc_fact(d, "Because of", "%s", o->why);
    if (o->layers > 0)
        oxp_doc_fact(d, "Attention layers", "%llu%s", (unsigned long long)o->layers,
                     o->causal ? ", causal" : "");
    if (o->cross_layers > 0)
        oxp_doc_fact(d, "Cross-attention layers", "%llu", (unsigned long long)o->cross_layers);
    if (o->heads > 0)
        oxp_doc_fact(d, "Heads", "%llu of size %llu", (unsigned long long)o->heads,
                     (unsigned long long)o->head_dim);
    if (o->kv_heads > 0 && o->kv_heads != o->heads)
        oxp_doc_fact(d, "Key/value heads", "%llu", (unsigned long long)o->kv_heads);
    if (o->hidden > 0)
        oxp_doc_fact(d, "Hidden size", "%llu", (unsigned long long)o->hidden);
    const char *task = oxp_task_name(o->task);
    if (task != NULL)
        oxp_doc_fact(d, "Task, by the output", "%s", task);
    if (o->classes > 0)
        oxp_doc_fact(d, "Classes", "%llu", (unsigned long long)o->classes);
    if (o->n_blocks == 0)
        return;
    oxp_doc_heading(d, 2, "Blocks");
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
    for (size_t i = 0; i < o->n_repeats && i < 2 * ROWS_MAX; i++)
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

oxp_doc *oxp_doc_analysis(const void *card, oxp_arena *arena) {
    const oxp_card *c = card;
    oxp_doc *d = oxp_doc_new(arena, oxp_sprintf(arena, "Analysis of %s", c->name));
    summary(d, c);
    complexity(d, c);
    by_operator(d, c);
    operator_bars(d, c);
    ranked *top = OXP_NEWS(arena, 2 * (size_t)NODES_MAX, ranked);
    size_t n_top = costliest(c, top, NODES_MAX);
    hot_nodes(d, c, top, n_top);
    memory(d, c);
    architecture(d, c);
    cache(d, c);
    oxp_doc_hardware(d, c);
    risks(d, c);
    graph(d, c);
    metadata(d, c);
    all_nodes(d, c, top, n_top);
    return d;
}
