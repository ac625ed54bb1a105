/* doc_roadmap.c - the roadmap for people: profile, bottlenecks, the two checkpoints, the phases. */
#include <math.h>
#include <string.h>

#include "base/safe_math.h"
#include "rules/roadmap.h"

typedef struct page {
    const oxp_roadmap *r;
    oxp_doc *d;
    oxp_arena *a;
} page;

static const char *percent(oxp_arena *a, double part, double whole) {
    double v = whole > 0 ? 100 * part / whole : 0;
    return oxp_sprintf(a, v < 9.95 ? "%.1f %%" : "%.0f %%", v);
}

static const char *times_fewer(oxp_arena *a, double before, double after) {
    if (!(before > 0) || !(after > 0))
        return "";
    double f = before / after;
    if (fabs(f - 1) < 0.005)
        return "same";
    return f >= 1 ? oxp_sprintf(a, "%.2fx less", f) : oxp_sprintf(a, "%.2fx more", 1 / f);
}

/* ---- 1. profile ---- */
static void assumed(page *p) {
    const oxp_analysis *an = p->r->analysis;
    const char *list = "";
    for (size_t i = 0; i < an->n_assumed; i++)
        if (!an->assumed[i].bound)
            list = oxp_sprintf(p->a, "%s%s%s=%lld", list, *list ? ", " : "", an->assumed[i].name,
                               (long long)an->assumed[i].value);
    if (*list)
        oxp_doc_para(p->d, "Dimensions that were not bound are taken as 1: %s.", list);
}

static void profile(page *p) {
    const oxp_metrics *m = &p->r->baseline;
    oxp_doc_heading(p->d, 1, "Overall performance profile");
    assumed(p);
    oxp_doc_block(p->d, OXP_FACTS, 2);
    oxp_doc_fact(p->d, "Projected latency", "%s on %s (roofline, not measured)",
                 oxp_human_seconds(p->a, m->latency), p->r->device->name);
    oxp_doc_fact(p->d, "Projected throughput", "%.0f samples/s at batch %lld", m->throughput,
                 (long long)p->r->batch);
    oxp_doc_fact(p->d, "Computational load", "%s FLOPs (%s)", oxp_human_count(p->a, m->flops),
                 oxp_thousands(p->a, m->flops));
    oxp_doc_fact(p->d, "Parameters", "%s (%s of weights)", oxp_thousands(p->a, m->params),
                 oxp_human_bytes(p->a, m->weight_bytes));
    oxp_doc_fact(p->d, "Peak activations", "%s at batch 1",
                 oxp_human_bytes(p->a, m->peak_activation_bytes));
    oxp_doc_fact(p->d, "Memory", "%s (weights and peak activations) at batch %lld",
                 oxp_human_bytes(p->a, m->memory), (long long)p->r->batch);
    if (p->r->analysis->totals.unknown_nodes)
        oxp_doc_para(p->d, "The cost of %llu nodes is unknown: totals are 'at least'.",
                     (unsigned long long)p->r->analysis->totals.unknown_nodes);
}

static const char *gap(page *p, const oxp_target *t, double value) {
    double miss = oxp_target_miss(t, value);
    if (isnan(miss))
        return "unknown";
    if (oxp_target_met(t, value))
        return "met";
    return oxp_sprintf(p->a, "missed by %.2fx", miss);
}

static void target_table(page *p, const oxp_metrics *now, const char *title) {
    static const char *const header[] = {"target", "goal", "today", "projected", ""};
    if (!p->r->n_targets)
        return;
    oxp_doc_para(p->d, "%s", title);
    oxp_block *b = oxp_doc_block(p->d, OXP_TABLE, 5);
    b->header = header;
    for (size_t i = 0; i < p->r->n_targets; i++) {
        const oxp_target *t = &p->r->targets[i];
        double today = oxp_target_value(t, &p->r->baseline), then = oxp_target_value(t, now);
        const char *cells[] = {t->name, t->text, oxp_target_show(p->a, t, today),
                               oxp_target_show(p->a, t, then), gap(p, t, then)};
        if (t->kind == OXP_TARGET_ACCURACY) {
            cells[2] = cells[3] = "not decidable from the graph";
            cells[4] = "measure it on validation data";
        }
        oxp_doc_row(p->d, cells);
    }
}

/* ---- 2. bottlenecks ---- */
static void op_bars(page *p) {
    const oxp_analysis *an = p->r->analysis;
    oxp_doc_block(p->d, OXP_BARS, 2);
    for (size_t i = 0; i < an->n_by_op && i < 5; i++) {
        const oxp_op_total *o = &an->by_op[i];
        if (!o->flops)
            break;
        oxp_doc_bar(p->d, oxp_sprintf(p->a, "%s (%llu)", o->op, (unsigned long long)o->count),
                    oxp_sprintf(p->a, "%s FLOPs, %s", oxp_human_count(p->a, o->flops),
                                percent(p->a, (double)o->flops, (double)an->totals.flops)),
                    (double)o->flops);
    }
}

static void bottlenecks(page *p) {
    const oxp_analysis *an = p->r->analysis;
    const oxp_latency_sum *l = &p->r->latency;
    oxp_doc_heading(p->d, 1, "Bottlenecks");
    oxp_doc_block(p->d, OXP_LIST, 1);
    const char *line;
    if (an->n_by_op && an->by_op[0].flops) {
        line = oxp_sprintf(p->a, "Compute: %s does %s of the arithmetic.", an->by_op[0].op,
                           percent(p->a, (double)an->by_op[0].flops, (double)an->totals.flops));
        oxp_doc_row(p->d, &line);
    }
    const oxp_metrics *m = &p->r->baseline;
    const char *peak = an->peak_node == OXP_NONE
                           ? ""
                           : oxp_sprintf(p->a, ", reached at %s",
                                         oxp_node_label(p->r->model, an->peak_node, p->a));
    line = oxp_sprintf(p->a, "Memory: %s of weights, %s of activations at their peak%s.",
                       oxp_human_bytes(p->a, m->weight_bytes),
                       oxp_human_bytes(p->a, m->peak_activation_bytes), peak);
    oxp_doc_row(p->d, &line);
    line = oxp_sprintf(p->a,
                       "Latency: %s of the time in nodes bound by arithmetic, %s in nodes bound by "
                       "memory traffic, %s launching kernels.",
                       percent(p->a, l->compute_bound, l->seconds),
                       percent(p->a, l->memory_bound, l->seconds),
                       percent(p->a, l->launch, l->seconds));
    oxp_doc_row(p->d, &line);
    op_bars(p);
}

/* ---- 3. and 4. checkpoints ---- */
static const oxp_item *best_of(const page *p, bool retraining, const oxp_item *but) {
    const oxp_item *best = NULL;
    for (size_t k = 0; k < p->r->n_phases; k++)
        for (size_t i = 0; i < p->r->phases[k].n_items; i++) {
            const oxp_item *it = &p->r->phases[k].items[i];
            bool arch = false;
            for (size_t n = 0; n < it->rule->n_needs; n++)
                arch |= !strcmp(it->rule->needs[n], "retraining");
            if (arch == retraining && it->projected && it != but &&
                (!but || it->gain <= but->gain) && (!best || it->gain > best->gain))
                best = it;
        }
    return best;
}

static void top_two(page *p, bool retraining, const char *what) {
    const oxp_item *first = best_of(p, retraining, NULL);
    const oxp_item *second = first ? best_of(p, retraining, first) : NULL;
    if (!first || first->gain <= 0) {
        oxp_doc_para(p->d, "No %s with a projected gain was found.", what);
        return;
    }
    oxp_doc_para(p->d, "Highest impact: %s%s%s.", first->rule->title,
                 second && second->gain > 0 ? "; then " : "",
                 second && second->gain > 0 ? second->rule->title : "");
    static const char *const header[] = {"technique", "difficulty", "risk",
                                         "latency",   "FLOPs",      "memory"};
    oxp_block *b = oxp_doc_block(p->d, OXP_TABLE, 6);
    b->header = header;
    for (size_t k = 0; k < p->r->n_phases; k++)
        for (size_t i = 0; i < p->r->phases[k].n_items; i++) {
            const oxp_item *it = &p->r->phases[k].items[i];
            bool arch = false;
            for (size_t n = 0; n < it->rule->n_needs; n++)
                arch |= !strcmp(it->rule->needs[n], "retraining");
            if (arch != retraining || !it->projected)
                continue;
            const char *cells[] = {
                it->rule->title,
                oxp_level_name(it->rule->effort),
                oxp_level_name(it->rule->risk),
                times_fewer(p->a, it->before.latency, it->after.latency),
                times_fewer(p->a, (double)it->before.flops, (double)it->after.flops),
                times_fewer(p->a, (double)it->before.memory, (double)it->after.memory)};
            oxp_doc_row(p->d, cells);
        }
}

/* The last matrix product or convolution: a classifier that costs next to nothing is said to. */
static void classifier(page *p) {
    const oxp_analysis *an = p->r->analysis;
    const oxp_graph *g = oxp_graph_at(p->r->model, OXP_MAIN_GRAPH);
    for (oxp_id i = g->last; i != OXP_NONE; i = oxp_node_at(p->r->model, i)->prev) {
        if (oxp_class_of(an, i) != OXP_CLASS_MATMUL || !an->nodes[i].params)
            continue;
        double share = (double)an->nodes[i].flops / (double)an->totals.flops;
        if (share > 0 && share < 0.01)
            oxp_doc_para(p->d,
                         "The last dense layer (%s: %s parameters, %s FLOPs, %.2g %% of the whole) "
                         "is negligible: not a bottleneck.",
                         oxp_node_label(p->r->model, i, p->a),
                         oxp_thousands(p->a, an->nodes[i].params),
                         oxp_human_count(p->a, an->nodes[i].flops), 100 * share);
        return;
    }
}

static void batches(page *p) {
    const oxp_batch_sweep *s = p->r->sweep;
    if (!s || !s->dim || !s->n_points) {
        oxp_doc_para(p->d, "Batch: the graph has a fixed batch; a dynamic one is needed to trade "
                           "latency for throughput.");
        return;
    }
    static const char *const header[] = {"batch", "latency", "samples/s", "memory"};
    static const uint8_t align[] = {1, 1, 1, 1};
    if (s->knee < s->n_points)
        oxp_doc_para(p->d,
                     "Batch: 1 for real time (%s); %lld for throughput: beyond it doubling the "
                     "batch gains less than 10 %%.",
                     oxp_human_seconds(p->a, s->points[0].seconds),
                     (long long)s->points[s->knee].batch);
    else
        oxp_doc_para(p->d,
                     "Batch: 1 for real time (%s); throughput grows to the largest batch that "
                     "was tried.",
                     oxp_human_seconds(p->a, s->points[0].seconds));
    oxp_block *b = oxp_doc_block(p->d, OXP_TABLE, 4);
    b->header = header;
    b->align = align;
    for (size_t i = 0; i < s->n_points; i++) {
        const oxp_batch_point *x = &s->points[i];
        const char *cells[] = {oxp_sprintf(p->a, "%lld", (long long)x->batch),
                               x->valid ? oxp_human_seconds(p->a, x->seconds) : "does not run",
                               x->valid ? oxp_sprintf(p->a, "%.0f", x->throughput) : "",
                               x->valid ? oxp_sprintf(p->a, "%s%s",
                                                      oxp_human_bytes(p->a, x->memory_bytes),
                                                      x->fits ? "" : " (does not fit)")
                                        : ""};
        oxp_doc_row(p->d, cells);
    }
}

static void checkpoints(page *p) {
    oxp_doc_heading(p->d, 1, "Architecture optimization");
    top_two(p, true, "change of the architecture");
    classifier(p);
    oxp_doc_heading(p->d, 1, "Hardware deployment optimization");
    top_two(p, false, "deployment technique");
    batches(p);
}

/* ---- 5. the roadmap ---- */
static void change_line(page *p, const char *name, const char *before, const char *after, double b,
                        double n) {
    if (!strcmp(before, after)) /* nothing that a reader could see */
        return;
    const char *line =
        oxp_sprintf(p->a, "%s: %s -> %s (%s)", name, before, after, times_fewer(p->a, b, n));
    oxp_doc_row(p->d, &line);
}

static void changes(page *p, const oxp_metrics *b, const oxp_metrics *n) {
    oxp_doc_block(p->d, OXP_LIST, 1);
    change_line(p, "latency", oxp_human_seconds(p->a, b->latency),
                oxp_human_seconds(p->a, n->latency), b->latency, n->latency);
    change_line(p, "FLOPs", oxp_human_count(p->a, b->flops), oxp_human_count(p->a, n->flops),
                (double)b->flops, (double)n->flops);
    change_line(p, "peak activations", oxp_human_bytes(p->a, b->peak_activation_bytes),
                oxp_human_bytes(p->a, n->peak_activation_bytes), (double)b->peak_activation_bytes,
                (double)n->peak_activation_bytes);
    change_line(p, "weights", oxp_human_bytes(p->a, b->weight_bytes),
                oxp_human_bytes(p->a, n->weight_bytes), (double)b->weight_bytes,
                (double)n->weight_bytes);
    change_line(p, "nodes", oxp_thousands(p->a, b->nodes), oxp_thousands(p->a, n->nodes),
                (double)b->nodes, (double)n->nodes);
    if (p->r->batch > 1)
        change_line(p, oxp_sprintf(p->a, "memory at batch %lld", (long long)p->r->batch),
                    oxp_human_bytes(p->a, b->memory), oxp_human_bytes(p->a, n->memory),
                    (double)b->memory, (double)n->memory);
    if (!p->d->last->rows) {
        const char *none = "no figure of the graph changes";
        oxp_doc_row(p->d, &none);
    }
}

static void item(page *p, const oxp_item *it, size_t number) {
    enum { DETAILS_SHOWN = 12 };
    const char *needs = "";
    for (size_t i = 0; i < it->rule->n_needs; i++)
        needs = oxp_sprintf(p->a, "%s%s%s", needs, i ? ", " : "; needs ", it->rule->needs[i]);
    const char *badges =
        oxp_sprintf(p->a, "%s impact; %s effort; %s risk%s", it->impact,
                    oxp_level_name(it->rule->effort), oxp_level_name(it->rule->risk), needs);
    if (!it->projected && !(it->result->gain > 1))
        badges = oxp_sprintf(p->a, "%s effort; %s risk%s", oxp_level_name(it->rule->effort),
                             oxp_level_name(it->rule->risk), needs);
    oxp_doc_heading(p->d, 3, "%zu. %s (%s)", number, it->rule->title, it->rule->id);
    oxp_doc_para(p->d, "%s", badges);
    oxp_doc_para(p->d, "%s", it->result->message);
    if (it->projected)
        changes(p, &it->before, &it->after);
    if (!it->projected && it->result->gain > 1)
        oxp_doc_para(p->d,
                     "Estimated by formula, not by analysing a patched graph: %.3gx (`onnxpert "
                     "rules explain %s` has it).",
                     it->result->gain, it->rule->id);
    if (it->alone)
        oxp_doc_para(p->d, "Left out of the combination below: together with the other items it "
                           "gains nothing more on this device.");
    if (it->result->n_details) {
        oxp_doc_block(p->d, OXP_LIST, 1);
        for (size_t i = 0; i < it->result->n_details && i < DETAILS_SHOWN; i++)
            oxp_doc_row(p->d, &it->result->details[i]);
        if (it->result->n_nodes > DETAILS_SHOWN) {
            const char *more =
                oxp_sprintf(p->a, "and %zu more", it->result->n_nodes - DETAILS_SHOWN);
            oxp_doc_row(p->d, &more);
        }
    }
    if (it->command)
        oxp_doc_para(p->d, "Apply: %s", it->command);
}

static void phase(page *p, size_t k, const oxp_metrics *before) {
    const oxp_phase *ph = &p->r->phases[k];
    oxp_doc_heading(p->d, 2, "Phase %zu (%s)", k + 1, ph->name);
    if (!ph->n_items) {
        oxp_doc_para(p->d, "Nothing was found.");
        return;
    }
    for (size_t i = 0; i < ph->n_items; i++)
        item(p, &ph->items[i], i + 1);
    if (!ph->has_combined)
        return;
    oxp_doc_heading(p->d, 3, "Combined effect of phase %zu", k + 1);
    oxp_doc_para(p->d, "All of its items applied together%s, analysed again:",
                 k && p->r->phases[k - 1].n_items ? " on top of the phase before" : "");
    changes(p, before, &ph->combined);
    target_table(p, &ph->combined, "Targets after this phase:");
}

static void verdict(page *p) {
    size_t missed = 0;
    const char *list = "";
    for (size_t i = 0; i < p->r->n_targets; i++) {
        const oxp_target *t = &p->r->targets[i];
        double v = oxp_target_value(t, &p->r->final);
        if (t->kind == OXP_TARGET_ACCURACY || isnan(v) || oxp_target_met(t, v))
            continue;
        list = oxp_sprintf(p->a, "%s%s%s (%s is the nearest, %s)", list, missed ? "; " : "",
                           t->name, oxp_target_show(p->a, t, v), gap(p, t, v));
        missed++;
    }
    if (!p->r->n_targets)
        return;
    if (missed)
        oxp_doc_para(p->d, "No combination of these items reaches: %s.", list);
    else
        oxp_doc_para(p->d, "All targets that can be decided from the graph are reached.");
}

static void assumptions(page *p) {
    oxp_doc_heading(p->d, 1, "Assumptions");
    oxp_doc_block(p->d, OXP_LIST, 1);
    const char *lines[] = {
        "Latencies are a roofline for each node with the device's efficiencies, not measurements: "
        "expect them to be off by up to a factor of two, mostly for small kernels; `onnxpert "
        "verify` measures.",
        "Savings are those of the patched graph, analysed again; imagined weights have the "
        "quality that training gives them.",
        "int8: convolutions, products and elementwise nodes run in 8 bits, normalizations and "
        "softmax stay as they are."};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        oxp_doc_row(p->d, &lines[i]);
}

oxp_doc *oxp_doc_roadmap(const void *source, oxp_arena *arena) {
    const oxp_roadmap *r = source;
    page p = {r, NULL, arena};
    p.d = oxp_doc_new(arena,
                      oxp_sprintf(arena, "Optimization roadmap: %s", oxp_model_path(r->model)));
    profile(&p);
    target_table(&p, &r->final, "Targets, with all of the roadmap applied:");
    verdict(&p);
    bottlenecks(&p);
    checkpoints(&p);
    oxp_doc_heading(p.d, 1, "Recommended optimization roadmap");
    const oxp_metrics *before = &r->baseline;
    for (size_t k = 0; k < r->n_phases; k++) {
        phase(&p, k, before);
        before = &r->phases[k].combined;
    }
    assumptions(&p);
    return p.d;
}

oxp_report oxp_report_roadmap(const oxp_roadmap *r) {
    oxp_report report = {
        .kind = "roadmap", .source = r, .doc = oxp_doc_roadmap, .emit = oxp_emit_roadmap};
    return report;
}
