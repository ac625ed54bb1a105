/* doc_roadmap_checks.c - where the cost is, and the two checkpoints: architecture, deployment. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ops/op.h"
#include "report/roadmap_page.h"

/* ---- where the arithmetic is: alike layers together ---- */
enum { GROUPS_MAX = 64, GROUPS_SHOWN = 6, NODES_MAX = 200000 };

typedef struct group {
    oxp_op_class class;
    bool weights;          /* products: one side is stored */
    oxp_dim a, b, maps[2]; /* kernel, or sizes of the matrix; output of convolutions */
    size_t count;
    uint64_t flops, params;
    double seconds;
} group;

static oxp_dim dim_of(const oxp_type *t, int from_end) {
    return t->kind == OXP_KIND_TENSOR && t->rank >= from_end ? t->dims[t->rank - from_end] : 0;
}

static group key_of(const oxp_page *p, oxp_id id) {
    const oxp_analysis *an = p->r->analysis;
    const oxp_node *n = oxp_node_at(p->r->model, id);
    group g = {.class = oxp_class_of(an, id)};
    oxp_id w = oxp_in(n, 1), y = oxp_out(n, 0);
    if (w == OXP_NONE || y == OXP_NONE)
        return g;
    const oxp_type *wt = &an->values[w].type, *yt = &an->values[y].type;
    g.weights = an->values[w].constant;
    if (g.class == OXP_CLASS_MATMUL) {
        g.a = dim_of(g.weights ? wt : yt, 2);
        g.b = dim_of(g.weights ? wt : yt, 1);
        return g;
    }
    g.a = wt->rank == 4 ? dim_of(wt, 2) : 0;
    g.b = dim_of(wt, 1);
    g.maps[0] = yt->rank == 4 ? dim_of(yt, 2) : 0;
    g.maps[1] = dim_of(yt, 1);
    return g;
}

static bool alike(const group *x, const group *y) {
    return x->class == y->class && x->weights == y->weights && x->a == y->a && x->b == y->b &&
           x->maps[0] == y->maps[0] && x->maps[1] == y->maps[1];
}

static int by_flops(const void *x, const void *y) {
    const group *a = x, *b = y;
    return a->flops < b->flops ? 1 : a->flops > b->flops ? -1 : 0;
}

static const char *pair(const oxp_page *p, oxp_dim a, oxp_dim b) {
    const oxp_dims *dims = oxp_model_dims(p->r->model);
    return a ? oxp_sprintf(p->a, "%sx%s", oxp_dim_text(dims, a, p->a), oxp_dim_text(dims, b, p->a))
             : oxp_dim_text(dims, b, p->a);
}

static const char *name_of(const oxp_page *p, const group *g) {
    if (g->class == OXP_CLASS_MATMUL)
        return oxp_sprintf(p->a,
                           g->weights ? "products with %s weights" : "products of activations, %s",
                           pair(p, g->a, g->b));
    return oxp_sprintf(p->a, "%s convolutions, %s%s maps", pair(p, g->a, g->b),
                       g->class == OXP_CLASS_DEPTHWISE ? "depthwise, " : "",
                       pair(p, g->maps[0], g->maps[1]));
}

static void layers(oxp_page *p) {
    const oxp_analysis *an = p->r->analysis;
    group *g = OXP_NEWS(p->a, GROUPS_MAX, group);
    size_t n = 0, nodes = oxp_node_count(p->r->model);
    for (oxp_id i = 0; i < nodes && nodes <= NODES_MAX; i++) {
        oxp_op_class c = oxp_node_at(p->r->model, i)->live ? oxp_class_of(an, i) : OXP_CLASS_MOVE;
        if (!an->nodes[i].flops || an->nodes[i].flops == UINT64_MAX ||
            (c != OXP_CLASS_CONV && c != OXP_CLASS_DEPTHWISE && c != OXP_CLASS_MATMUL))
            continue;
        group k = key_of(p, i);
        size_t at = 0;
        while (at < n && !alike(&g[at], &k))
            at++;
        if (at == GROUPS_MAX)
            continue;
        if (at == n)
            g[n++] = k;
        g[at].count++;
        g[at].flops += an->nodes[i].flops;
        g[at].params += an->nodes[i].params == UINT64_MAX ? 0 : an->nodes[i].params;
        g[at].seconds += p->r->nodes[i].seconds;
    }
    if (n < 2)
        return;
    qsort(g, n, sizeof *g, by_flops);
    static const char *const header[] = {"layers", "number",      "FLOPs",
                                         "of all", "of the time", "parameters"};
    static const uint8_t align[] = {0, 1, 1, 1, 1, 1};
    oxp_block *b = oxp_doc_block(p->d, OXP_TABLE, 6);
    b->header = header;
    b->align = align;
    for (size_t i = 0; i < n && i < GROUPS_SHOWN; i++) {
        const char *cells[] = {name_of(p, &g[i]),
                               oxp_sprintf(p->a, "%zu", g[i].count),
                               oxp_human_count(p->a, g[i].flops),
                               oxp_page_percent(p->a, (double)g[i].flops, (double)an->totals.flops),
                               oxp_page_percent(p->a, g[i].seconds, p->r->latency.seconds),
                               oxp_human_count(p->a, g[i].params)};
        oxp_doc_row(p->d, cells);
    }
}

/* ---- bottlenecks ---- */
static void line(oxp_page *p, const char *text) {
    oxp_doc_row(p->d, &text);
}

static void compute_line(oxp_page *p) {
    const oxp_analysis *an = p->r->analysis;
    if (!an->n_by_op || !an->by_op[0].flops)
        return;
    const char *second =
        an->n_by_op > 1 && (double)an->by_op[1].flops >= 0.05 * (double)an->totals.flops
            ? oxp_sprintf(
                  p->a, ", %s %s", an->by_op[1].op,
                  oxp_page_percent(p->a, (double)an->by_op[1].flops, (double)an->totals.flops))
            : "";
    line(p,
         oxp_sprintf(p->a, "Compute: %s does %s of the arithmetic%s.", an->by_op[0].op,
                     oxp_page_percent(p->a, (double)an->by_op[0].flops, (double)an->totals.flops),
                     second));
}

/* The map size that holds most of the activation bytes; "" when there are no maps. */
static const char *maps_line(const oxp_page *p) {
    const oxp_analysis *an = p->r->analysis;
    struct {
        oxp_dim h, w;
        double bytes;
    } sizes[GROUPS_MAX];
    size_t n = 0, nodes = oxp_node_count(p->r->model), best = 0;
    double all = 0;
    for (oxp_id i = 0; i < nodes && nodes <= NODES_MAX; i++) {
        const oxp_node *node = oxp_node_at(p->r->model, i);
        oxp_id y = node->live ? oxp_out(node, 0) : OXP_NONE;
        if (y == OXP_NONE || !an->values[y].activation || an->values[y].bytes == UINT64_MAX)
            continue;
        const oxp_type *t = &an->values[y].type;
        all += (double)an->values[y].bytes;
        if (t->rank != 4 || !oxp_dim_is_literal(t->dims[2]) || t->dims[2] < 2)
            continue;
        size_t at = 0;
        while (at < n && (sizes[at].h != t->dims[2] || sizes[at].w != t->dims[3]))
            at++;
        if (at == GROUPS_MAX)
            continue;
        if (at == n) {
            sizes[n].h = t->dims[2];
            sizes[n].w = t->dims[3];
            sizes[n++].bytes = 0;
        }
        sizes[at].bytes += (double)an->values[y].bytes;
        best = sizes[at].bytes > sizes[best].bytes ? at : best;
    }
    if (!n || !p->r->insight->convolutions || sizes[best].bytes < 0.25 * all)
        return "";
    return oxp_sprintf(p->a, " Maps of %s hold %s of all that is written in a run.",
                       pair(p, sizes[best].h, sizes[best].w),
                       oxp_page_percent(p->a, sizes[best].bytes, all));
}

static void memory_line(oxp_page *p) {
    const oxp_analysis *an = p->r->analysis;
    const oxp_metrics *m = &p->r->baseline;
    const char *peak = an->peak_node == OXP_NONE
                           ? ""
                           : oxp_sprintf(p->a, ", reached at %s",
                                         oxp_node_label(p->r->model, an->peak_node, p->a));
    if (an->totals.run_peak_bytes < an->totals.peak_activation_bytes)
        peak = oxp_sprintf(p->a, "; run node by node as the file has it, %s%s",
                           oxp_human_bytes(p->a, m->peak_activation_bytes), peak);
    line(p, oxp_sprintf(p->a, "Memory: %s of weights, %s of activations at their peak%s.%s",
                        oxp_human_bytes(p->a, m->weight_bytes),
                        oxp_human_bytes(p->a, an->totals.run_peak_bytes), peak, maps_line(p)));
}

static const char *share_of(const oxp_page *p, const char *list, double seconds, const char *what) {
    double all = p->r->latency.seconds;
    if (!(seconds > 0) || !(all > 0))
        return list;
    return oxp_sprintf(p->a, "%s%s%s %s", list, *list ? ", " : "",
                       oxp_page_percent(p->a, seconds, all), what);
}

static void latency_line(oxp_page *p) {
    const oxp_latency_sum *l = &p->r->latency;
    bool gpu = p->r->device->kind == OXP_DEVICE_GPU;
    const char *shares =
        share_of(p, "", l->compute_bound, "of the time in nodes bound by arithmetic");
    shares = share_of(p, shares, l->memory_bound,
                      *shares ? "in nodes bound by memory traffic"
                              : "of the time in nodes bound by memory traffic");
    shares = share_of(p, shares, l->launch,
                      gpu ? "launching kernels" : "the runtime's bookkeeping for each node");
    if (*shares)
        line(p, oxp_sprintf(p->a, "Latency: %s.", shares));
    if (l->launch >= 0.5 * l->seconds)
        line(p, p->r->device->kind == OXP_DEVICE_GPU
                    ? "Overhead dominates: fewer FLOPs hardly show. Batch, capture the run as a "
                      "CUDA graph, or have fewer nodes."
                    : "Overhead dominates: fewer FLOPs hardly show. Batch, or have fewer nodes.");
}

static const oxp_item *leader(const oxp_page *p) {
    const oxp_item *best = NULL;
    for (size_t k = 0; k < p->r->n_phases; k++)
        for (size_t i = 0; i < p->r->phases[k].n_items; i++) {
            const oxp_item *it = &p->r->phases[k].items[i];
            bool left_out = it->projected && it->alone;
            if (it->priority > 0 && !left_out && (!best || it->priority > best->priority))
                best = it;
        }
    return best;
}

static const oxp_item *best_of(const oxp_page *p, bool retraining, const oxp_item *but) {
    const oxp_item *best = NULL;
    for (size_t k = 0; k < p->r->n_phases; k++)
        for (size_t i = 0; i < p->r->phases[k].n_items; i++) {
            const oxp_item *it = &p->r->phases[k].items[i];
            if (oxp_page_retrains(it) == retraining && it != but && it->gain > log(1.05) &&
                (it->effect == OXP_EFFECT_GAIN) && (!but || it->gain <= but->gain) &&
                (!best || it->gain > best->gain))
                best = it;
        }
    return best;
}

static bool leads(const oxp_item *first, const oxp_item *other) {
    return !other || other->gain <= first->gain;
}

/* The item of the highest priority is not always that of the largest gain: effort counts, too. */
static const char *praise(const oxp_page *p, const oxp_item *first) {
    bool trains = oxp_page_retrains(first);
    if (!leads(first, best_of(p, trains, NULL)))
        return "The first thing to do";
    if (leads(first, best_of(p, !trains, NULL)))
        return "The single biggest win";
    return trains ? "The single biggest win in the architecture"
                  : "The single biggest win without training";
}

void oxp_page_bottlenecks(oxp_page *p) {
    const oxp_analysis *an = p->r->analysis;
    oxp_doc_heading(p->d, 1, "Bottlenecks");
    oxp_doc_block(p->d, OXP_LIST, 1);
    compute_line(p);
    memory_line(p);
    latency_line(p);
    const oxp_item *first = leader(p);
    if (first && !strcmp(first->impact, "high"))
        oxp_doc_para(p->d, "%s: %s. %s", praise(p, first), first->rule->title,
                     first->result->message);
    oxp_doc_block(p->d, OXP_BARS, 2);
    for (size_t i = 0; i < an->n_by_op && i < 5 && an->by_op[i].flops; i++) {
        const oxp_op_total *o = &an->by_op[i];
        oxp_doc_bar(p->d, oxp_sprintf(p->a, "%s (%llu)", o->op, (unsigned long long)o->count),
                    oxp_sprintf(p->a, "%s FLOPs, %s", oxp_human_count(p->a, o->flops),
                                oxp_page_percent(p->a, (double)o->flops, (double)an->totals.flops)),
                    (double)o->flops);
    }
    layers(p);
}

/* ---- techniques ---- */
static void technique(oxp_page *p, const oxp_item *it) {
    const oxp_metrics *b = &it->before, *n = &it->after;
    const char *cells[] = {it->rule->title,
                           oxp_level_name(it->rule->effort),
                           oxp_level_name(it->rule->risk),
                           "not projected",
                           "",
                           "",
                           "",
                           ""};
    size_t at = 3;
    if (it->projected) {
        cells[at++] = oxp_page_times(p->a, b->latency, n->latency);
        if (p->r->batch > 1)
            cells[at++] = oxp_sprintf(p->a, "%.2fx", n->throughput / b->throughput);
        cells[at++] = oxp_page_times(p->a, (double)b->flops, (double)n->flops);
        cells[at++] = oxp_page_times(p->a, (double)b->params, (double)n->params);
        cells[at++] = oxp_page_times(p->a, (double)b->memory, (double)n->memory);
    } else if (it->result->gain > 1) {
        cells[at] = oxp_sprintf(p->a, "%.3gx less (formula)", it->result->gain);
    }
    oxp_doc_row(p->d, cells);
}

static void techniques(oxp_page *p, bool retraining, const char *what) {
    static const char *const with_batch[] = {"technique",  "difficulty", "risk",       "latency",
                                             "throughput", "FLOPs",      "parameters", "memory"};
    static const char *const without[] = {"technique", "difficulty", "risk",  "latency",
                                          "FLOPs",     "parameters", "memory"};
    const oxp_item *first = best_of(p, retraining, NULL);
    const oxp_item *second = first ? best_of(p, retraining, first) : NULL;
    if (!first) {
        oxp_doc_para(p->d, "No %s that gains 5 %% on %s was found.", what, oxp_page_weights(p));
        return;
    }
    if (second)
        oxp_doc_para(p->d, "The two of highest impact: %s (%.3gx), then %s (%.3gx), on %s.",
                     first->rule->title, exp(first->gain), second->rule->title, exp(second->gain),
                     oxp_page_weights(p));
    else
        oxp_doc_para(p->d, "The one with an impact: %s (%.3gx on %s).", first->rule->title,
                     exp(first->gain), oxp_page_weights(p));
    oxp_doc_para(p->d, "Difficulty against benefit:");
    oxp_block *b = oxp_doc_block(p->d, OXP_TABLE, p->r->batch > 1 ? 8 : 7);
    b->header = p->r->batch > 1 ? with_batch : without;
    for (size_t k = 0; k < p->r->n_phases; k++)
        for (size_t i = 0; i < p->r->phases[k].n_items; i++)
            if (oxp_page_retrains(&p->r->phases[k].items[i]) == retraining)
                technique(p, &p->r->phases[k].items[i]);
}

/* The last matrix product: a classifier that costs next to nothing is said to. */
static void classifier(oxp_page *p) {
    const oxp_analysis *an = p->r->analysis;
    const oxp_graph *g = oxp_graph_at(p->r->model, OXP_MAIN_GRAPH);
    for (oxp_id i = g->last; i != OXP_NONE; i = oxp_node_at(p->r->model, i)->prev) {
        if (oxp_class_of(an, i) != OXP_CLASS_MATMUL || !an->nodes[i].params)
            continue;
        double share = (double)an->nodes[i].flops / (double)an->totals.flops,
               held =
                   an->totals.params ? (double)an->nodes[i].params / (double)an->totals.params : 1;
        const char *label = oxp_node_label(p->r->model, i, p->a);
        if (share > 0 && share < 0.01 && held < 0.1)
            oxp_doc_para(
                p->d,
                "The last dense layer (%s: %s parameters, %s of them all; %s FLOPs, %s) is "
                "negligible: not a bottleneck.",
                label, oxp_thousands(p->a, an->nodes[i].params), oxp_page_percent(p->a, held, 1),
                oxp_human_count(p->a, an->nodes[i].flops), oxp_page_percent(p->a, share, 1));
        else if (share > 0 && share < 0.01)
            oxp_doc_para(p->d,
                         "The last dense layer (%s) costs no time to speak of (%s of the FLOPs), "
                         "but holds %s of the parameters.",
                         label, oxp_page_percent(p->a, share, 1), oxp_page_percent(p->a, held, 1));
        return;
    }
}

/* ---- sweeps ---- */
static void sweep_table(oxp_page *p, const char *what, const oxp_sweep_point *s, size_t n,
                        bool flops) {
    const char **header = OXP_NEWS(p->a, 6, const char *);
    static const uint8_t align[] = {0, 1, 1, 1, 1, 1};
    size_t columns = 0;
    header[columns++] = what;
    header[columns++] = "latency";
    header[columns++] = "range";
    header[columns++] = p->r->batch > 1
                            ? oxp_sprintf(p->a, "samples/s at batch %lld", (long long)p->r->batch)
                            : "samples/s";
    header[columns++] = p->r->batch > 1
                            ? oxp_sprintf(p->a, "memory at batch %lld", (long long)p->r->batch)
                            : "memory";
    if (flops)
        header[columns++] = "FLOPs";
    oxp_block *b = oxp_doc_block(p->d, OXP_TABLE, columns);
    b->header = header;
    b->align = align;
    for (size_t i = 0; i < n; i++) {
        const oxp_metrics *m = &s[i].metrics;
        oxp_spread r = oxp_spread_latency(m);
        const char *cells[] = {
            s[i].native ? s[i].label : oxp_sprintf(p->a, "%s (not native: converted)", s[i].label),
            "does not run",
            "",
            "",
            "",
            ""};
        if (s[i].runs) {
            cells[1] = oxp_human_seconds(p->a, m->latency);
            cells[2] = oxp_sprintf(p->a, "%s to %s", oxp_human_seconds(p->a, r.low),
                                   oxp_human_seconds(p->a, r.high));
            cells[3] = m->batch_runs ? oxp_human_rate(p->a, m->throughput) : "";
            cells[4] = oxp_human_bytes(p->a, m->memory);
            cells[5] = oxp_human_count(p->a, m->flops);
        }
        oxp_doc_row(p->d, cells);
    }
}

/* The file takes one size only: what another export would save in its convolutions. */
static void tied(oxp_page *p) {
    const oxp_roadmap *r = p->r;
    const char *list = "", *own = "", *why = "";
    for (size_t i = 0; i < r->n_resolutions; i++) {
        const oxp_sweep_point *x = &r->resolutions[i];
        own = x->runs ? x->label : own;
        why = *why || !x->why ? why : x->why;
        if (x->convolutions && x->convolutions != UINT64_MAX)
            list = oxp_sprintf(p->a, "%s%s%s at %s", list, *list ? ", " : "",
                               oxp_human_count(p->a, x->convolutions), x->label);
    }
    oxp_doc_para(p->d, "Input resolution: the file is tied to %s%s%s.%s%s%s", own,
                 *why ? "; at other sizes " : "", why,
                 *list ? " FLOPs of its convolutions alone, were it exported for another: " : "",
                 list, *list ? ". What accuracy that costs is to be measured." : "");
}

static void resolutions(oxp_page *p) {
    const oxp_roadmap *r = p->r;
    if (r->tied)
        tied(p);
    if (!r->n_resolutions || r->tied)
        return;
    const oxp_sweep_point *first = &r->resolutions[0],
                          *last = &r->resolutions[r->n_resolutions - 1];
    oxp_doc_para(p->d, "Input resolution%s%s%s:", r->freed ? ", with \"" : "",
                 r->freed ? r->freed->rule->title : "", r->freed ? "\" applied" : "");
    sweep_table(p, "image", r->resolutions, r->n_resolutions, true);
    if (first->runs && last->runs &&
        (double)last->metrics.flops < (double)first->metrics.flops * 1.05)
        oxp_doc_para(p->d, "The cost hardly follows the image: it is resized inside.");
}

static void precisions(oxp_page *p) {
    const oxp_roadmap *r = p->r;
    if (r->n_precisions < 2)
        return;
    oxp_doc_para(p->d, "Data types, everything else as it is:");
    sweep_table(p, "type", r->precisions, r->n_precisions, false);
}

/* The largest batch of the sweep that a memory target, or else the device, holds. */
static void batch_advice(oxp_page *p) {
    const oxp_batch_sweep *s = p->r->sweep;
    const oxp_batch_point *fits = NULL, *best = NULL, *one = &s->points[0];
    double limit = (double)p->r->device->memory;
    const char *whose = p->r->device->name;
    for (size_t i = 0; i < p->r->n_targets; i++)
        if (p->r->targets[i].kind == OXP_TARGET_MEMORY && p->r->targets[i].goal < limit) {
            limit = p->r->targets[i].goal;
            whose = "the memory target";
        }
    for (size_t i = 0; i < s->n_points; i++) {
        const oxp_batch_point *x = &s->points[i];
        if (x->valid && x->memory_bytes != UINT64_MAX && (double)x->memory_bytes <= limit) {
            fits = x;
            if (i <= s->best && (!best || x->throughput > best->throughput))
                best = x;
        }
    }
    if (!one->valid)
        return;
    oxp_doc_para(p->d, "Real time: batch %lld, %s a run.", (long long)one->batch,
                 oxp_human_seconds(p->a, one->seconds));
    if (s->knee == 0)
        oxp_doc_para(p->d, "Throughput: the same; larger batches gain less than 10 %%.");
    else if (s->knee < s->n_points)
        oxp_doc_para(p->d,
                     "Throughput: batch %lld, %s samples/s (%.2fx of batch %lld); larger ones "
                     "gain less than 10 %% more.",
                     (long long)s->points[s->knee].batch,
                     oxp_human_rate(p->a, s->points[s->knee].throughput),
                     s->points[s->knee].throughput / one->throughput, (long long)one->batch);
    else if (best && best != one && s->grows)
        oxp_doc_para(p->d,
                     "Throughput: it grows to the largest batch that was tried and may fit; at "
                     "batch %lld it is "
                     "%s samples/s (%.2fx of batch %lld).",
                     (long long)best->batch, oxp_human_rate(p->a, best->throughput),
                     best->throughput / one->throughput, (long long)one->batch);
    if (!fits)
        oxp_doc_para(p->d, "No batch fits %s (%s) as the model is.", whose,
                     oxp_human_bytes(p->a, (uint64_t)limit));
    else if (fits != &s->points[s->n_points - 1])
        oxp_doc_para(p->d, "Of these, batch %lld is the largest that fits %s (%s) as the model is.",
                     (long long)fits->batch, whose, oxp_human_bytes(p->a, (uint64_t)limit));
}

static void batches(oxp_page *p) {
    const oxp_batch_sweep *s = p->r->sweep;
    static const char *const header[] = {"batch", "latency", "samples/s", "memory", ""};
    static const uint8_t align[] = {1, 1, 1, 1, 0};
    if (!s || !s->dim || !s->n_points) {
        oxp_doc_para(p->d, s && s->too_large
                               ? "Batches were not tried: the graph is too large for that unasked."
                               : "No dimension of the inputs is known to be a batch: there is "
                                 "nothing to trade latency for throughput with.");
        return;
    }
    if (s->scaled)
        oxp_doc_para(p->d,
                     "The file fixes the batch at %s: figures for others are scaled, and need "
                     "`onnxpert optimize --passes make-dynamic` or another export.",
                     s->dim);
    batch_advice(p);
    oxp_block *b = oxp_doc_block(p->d, OXP_TABLE, 5);
    b->header = header;
    b->align = align;
    for (size_t i = 0; i < s->n_points; i++) {
        const oxp_batch_point *x = &s->points[i];
        const char *cells[] = {oxp_sprintf(p->a, "%lld", (long long)x->batch),
                               x->valid ? oxp_human_seconds(p->a, x->seconds) : "does not run",
                               x->valid ? oxp_human_rate(p->a, x->throughput) : "",
                               x->valid ? oxp_human_bytes(p->a, x->memory_bytes) : "",
                               x->valid && !x->fits ? "does not fit" : ""};
        oxp_doc_row(p->d, cells);
    }
}

void oxp_page_checkpoints(oxp_page *p) {
    oxp_doc_heading(p->d, 1, "Architecture optimization");
    techniques(p, true, "change of the architecture");
    classifier(p);
    resolutions(p);
    oxp_doc_heading(p->d, 1, "Hardware deployment optimization");
    techniques(p, false, "deployment technique");
    precisions(p);
    batches(p);
}
