/* doc_roadmap.c - the roadmap for people: profile, targets, verdict; see doc_roadmap_checks.c for
 * bottlenecks and checkpoints, doc_roadmap_items.c for the phases. */
#include <math.h>
#include <string.h>

#include "base/safe_math.h"
#include "report/roadmap_page.h"

/* ---- shared wording ---- */
const char *oxp_page_percent(oxp_arena *a, double part, double whole) {
    double v = whole > 0 ? 100 * part / whole : 0;
    return oxp_sprintf(a,
                       v > 0 && v < 0.05                   ? "< 0.1 %%"
                       : v < 9.95 || (v > 99 && v < 99.95) ? "%.1f %%"
                                                           : "%.0f %%",
                       v);
}

const char *oxp_page_times(oxp_arena *a, double before, double after) {
    if (!(before > 0) || !(after > 0))
        return "";
    double f = before / after;
    if (fabs(f - 1) < 0.005)
        return "same";
    return f >= 1 ? oxp_sprintf(a, "%.2fx less", f) : oxp_sprintf(a, "%.2fx more", 1 / f);
}

const char *oxp_page_spread(oxp_arena *a, oxp_spread s) {
    if (!(s.high / s.low >= 1.1)) /* NaN included */
        return "";
    if (s.high <= 1) /* beside "more" or "less" in the other direction */
        return oxp_sprintf(a, "%.3gx to %.3gx", 1 / s.high, 1 / s.low);
    if (s.low < 1)
        return oxp_sprintf(a, "%.3gx worse to %.3gx better", 1 / s.low, s.high);
    return oxp_sprintf(a, "%.3gx to %.3gx", s.low, s.high);
}

const char *oxp_page_metric(const oxp_page *p, oxp_target_kind k) {
    const char *name = oxp_target_kind_name(k);
    if (p->r->batch > 1 && p->r->baseline.batch_runs &&
        (k == OXP_TARGET_THROUGHPUT || k == OXP_TARGET_MEMORY))
        return oxp_sprintf(p->a, "%s at batch %lld", name, (long long)p->r->batch);
    return name;
}

const char *oxp_page_weights(const oxp_page *p) {
    const char *list = "";
    for (int k = 0; k < OXP_WEIGHTS; k++)
        if (p->r->weight[k] > 0)
            list = p->r->weight[k] > 0.995
                       ? oxp_page_metric(p, (oxp_target_kind)k)
                       : oxp_sprintf(p->a, "%s%s%s (%.0f %%)", list, *list ? ", " : "",
                                     oxp_page_metric(p, (oxp_target_kind)k), 100 * p->r->weight[k]);
    if (p->r->work_weight > 0)
        list = oxp_sprintf(p->a, "%s, arithmetic (%.0f %%)", list, 100 * p->r->work_weight);
    return list;
}

bool oxp_page_retrains(const oxp_item *it) {
    for (size_t i = 0; i < it->rule->n_needs; i++)
        if (!strcmp(it->rule->needs[i], "retraining"))
            return true;
    return false;
}

/* ---- targets ---- */
/* "2.5x", "4.2 %" */
static const char *missed_by(oxp_arena *a, double miss) {
    return miss < 1.1
               ? oxp_sprintf(a, miss < 1.0005 ? "less than 0.1 %%" : "%.1f %%", 100 * (miss - 1))
               : oxp_sprintf(a, miss < 1e5 ? "%.2fx" : "%.3gx", miss);
}

const char *oxp_page_gap(const oxp_page *p, const oxp_target *t, double value) {
    double miss = oxp_target_miss(t, value);
    if (isnan(miss))
        return "unknown";
    if (oxp_target_met(t, value))
        return "met";
    return oxp_sprintf(p->a, "missed by %s: %s too %s", missed_by(p->a, miss),
                       oxp_target_show(p->a, t, fabs(value - t->goal)),
                       t->kind == OXP_TARGET_THROUGHPUT ? "few"
                       : t->kind == OXP_TARGET_LATENCY  ? "long"
                                                        : "much");
}

void oxp_page_targets(oxp_page *p, const oxp_metrics *now, const char *title) {
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
                               oxp_target_show(p->a, t, then), oxp_page_gap(p, t, then)};
        if (t->kind == OXP_TARGET_ACCURACY) {
            cells[2] = cells[3] = "not decidable from the graph";
            cells[4] = "measure it on validation data";
        }
        oxp_doc_row(p->d, cells);
    }
}

/* "latency", "latency and memory", "latency, size and memory" */
static void name_in(oxp_page *p, const char **list, size_t *n, const char *name, bool last) {
    *list = oxp_sprintf(p->a, "%s%s%s", *list, !*n ? "" : last ? " and " : ", ", name);
    ++*n;
}

/* What the model meets as it is. */
static void today(oxp_page *p) {
    const oxp_roadmap *r = p->r;
    const char *met = "", *missed = "";
    size_t n_met = 0, n_missed = 0, all_met = 0, all_missed = 0;
    for (int round = 0; round < 2; round++)
        for (size_t i = 0; i < r->n_targets; i++) {
            double v = oxp_target_value(&r->targets[i], &r->baseline);
            if (isnan(v))
                continue;
            bool ok = oxp_target_met(&r->targets[i], v);
            if (!round)
                *(ok ? &all_met : &all_missed) += 1;
            else if (ok)
                name_in(p, &met, &n_met, r->targets[i].name, n_met + 1 == all_met);
            else
                name_in(p, &missed, &n_missed,
                        oxp_sprintf(p->a, "%s by %s", r->targets[i].name,
                                    missed_by(p->a, oxp_target_miss(&r->targets[i], v))),
                        n_missed + 1 == all_missed);
        }
    if (n_met || n_missed)
        oxp_doc_para(p->d, "As it is the model %s%s%s%s%s.", n_met ? "meets " : "", met,
                     n_met && n_missed ? ", and " : "", n_missed ? "misses " : "", missed);
}

/* The smallest batch at which all of the roadmap would reach a missed throughput is worth knowing;
 * without one there is only the nearest. */
static const char *at_batch(const oxp_page *p, const oxp_target *t) {
    const oxp_batch_sweep *s = p->r->final_sweep;
    for (size_t i = 0; t->kind == OXP_TARGET_THROUGHPUT && s && i < s->n_points; i++) {
        const oxp_batch_point *x = &s->points[i];
        if (x->valid && x->fits && x->batch > p->r->batch && x->throughput >= t->goal)
            return oxp_sprintf(
                p->a, " With the whole roadmap batch %lld reaches it: %s samples/s with %s.",
                (long long)x->batch, oxp_human_rate(p->a, x->throughput),
                oxp_human_bytes(p->a, x->memory_bytes));
    }
    return "";
}

/* " Not part of it ...: 'A KV cache'."; "" where a formula states no gain. */
static const char *by_formula(const oxp_page *p) {
    const char *titles = "";
    for (size_t k = 0; k < p->r->n_phases; k++)
        for (size_t i = 0; i < p->r->phases[k].n_items; i++) {
            const oxp_item *it = &p->r->phases[k].items[i];
            if (!it->projected && it->result->gain > 1)
                titles =
                    oxp_sprintf(p->a, "%s%s\"%s\"", titles, *titles ? ", " : "", it->rule->title);
        }
    return *titles ? oxp_sprintf(p->a,
                                 " Not part of it, since only a formula states what it "
                                 "gains: %s.",
                                 titles)
                   : "";
}

static void verdict(oxp_page *p) {
    const oxp_roadmap *r = p->r;
    size_t missed = 0;
    bool combined = false;
    for (size_t k = 0; k < r->n_phases; k++)
        combined = combined || r->phases[k].has_combined;
    for (size_t i = 0; i < r->n_targets; i++) {
        const oxp_target *t = &r->targets[i];
        double v = r->nearest[i].value;
        if (isnan(v))
            continue;
        if (oxp_target_met(t, v))
            oxp_doc_para(p->d, "%s: all of the roadmap together misses it, %s reaches it (%s).",
                         t->name, *r->nearest[i].items ? r->nearest[i].items : "the model as it is",
                         oxp_target_show(p->a, t, v));
        else
            oxp_doc_para(p->d,
                         "No combination of the items with a projection reaches %s=%s. The nearest "
                         "is %s (%s), with %s.%s%s",
                         t->name, t->text, oxp_target_show(p->a, t, v), oxp_page_gap(p, t, v),
                         *r->nearest[i].items ? r->nearest[i].items
                         : combined           ? "all of them applied"
                                              : "the model as it is",
                         at_batch(p, t), by_formula(p));
        missed++;
    }
    size_t open = 0;
    for (size_t i = 0; i < r->n_targets; i++)
        open += isnan(oxp_target_value(&r->targets[i], &r->final)) != 0;
    if (!missed && open < r->n_targets)
        oxp_doc_para(p->d, "With the roadmap applied, all targets that can be decided from the "
                           "graph are met.");
}

/* ---- profile ---- */
/* "seq=1, past=1": sizes that nobody bound, of the batch or of everything else. */
static const char *unbound(const oxp_page *p, bool batch) {
    const oxp_analysis *an = p->r->analysis;
    const char *list = "";
    for (size_t i = 0; i < an->n_assumed; i++)
        if (!an->assumed[i].bound && oxp_is_batch_name(an, an->assumed[i].name, p->a) == batch)
            list = oxp_sprintf(p->a, "%s%s%s=%lld", list, *list ? ", " : "", an->assumed[i].name,
                               (long long)an->assumed[i].value);
    return list;
}

/* What a run is in samples, where that is not one. */
static void samples(oxp_page *p) {
    const oxp_roadmap *r = p->r;
    long long own = (long long)oxp_batch_of(r->analysis, p->a);
    if (r->sweep->scaled && own > 1)
        oxp_doc_para(
            p->d,
            "The file fixes the batch at %lld: latency, arithmetic and peak activations are "
            "those of a run with %lld samples; figures for other batches are scaled.",
            own, own);
    else if (own > 1)
        oxp_doc_para(p->d,
                     "The batch is bound to %lld: latency, arithmetic and peak activations are "
                     "those of a run with %lld samples.",
                     own, own);
    else if (!r->sweep->dim && !r->sweep->too_large)
        oxp_doc_para(p->d, "No dimension of the inputs is known to be a batch: a run counts as "
                           "one sample.");
}

static void assumed(oxp_page *p) {
    const char *batch = unbound(p, true), *sizes = unbound(p, false);
    if (*sizes)
        oxp_doc_para(
            p->d,
            "Note: nobody said how large the inputs are, so this is the roadmap for %s. "
            "Time, arithmetic, activations and the order of the items hold for that alone; "
            "give the sizes that will be served, such as --dim %.*s=%s.",
            sizes, (int)strcspn(sizes, "="), sizes, "384");
    if (*batch)
        oxp_doc_para(p->d, "The batch was not bound and is taken as 1: %s.", batch);
    samples(p);
}

static void memory_fact(oxp_page *p) {
    const oxp_roadmap *r = p->r;
    const oxp_metrics *m = &r->baseline;
    if (m->memory == UINT64_MAX) {
        oxp_doc_fact(p->d, "Memory", "unknown");
        return;
    }
    uint64_t activations = m->memory > m->weight_bytes ? m->memory - m->weight_bytes : 0;
    oxp_doc_fact(p->d, "Memory", "%s %s: %s of weights, %s of activations%s",
                 oxp_human_bytes(p->a, m->memory),
                 m->batch_runs ? oxp_sprintf(p->a, "at batch %lld", (long long)r->batch)
                               : "for one run",
                 oxp_human_bytes(p->a, m->weight_bytes), oxp_human_bytes(p->a, activations),
                 activations > 2 * m->weight_bytes   ? ", which dominate"
                 : m->weight_bytes > 2 * activations ? "; weights dominate"
                                                     : "");
}

/* Constants that the file computes are no activations where they are computed once. */
static const char *at_load(const oxp_page *p) {
    const oxp_totals *t = &p->r->analysis->totals;
    return t->run_peak_bytes >= t->peak_activation_bytes
               ? ""
               : oxp_sprintf(p->a, "; %s where constants are computed at load, as runtimes do",
                             oxp_human_bytes(p->a, t->run_peak_bytes));
}

static void profile(oxp_page *p) {
    const oxp_roadmap *r = p->r;
    const oxp_metrics *m = &r->baseline;
    oxp_spread s = oxp_spread_latency(m);
    oxp_doc_heading(p->d, 1, "Overall performance profile");
    assumed(p);
    oxp_doc_block(p->d, OXP_FACTS, 2);
    oxp_doc_fact(p->d, "Projected latency", "%s on %s (%s to %s by roofline, not measured)",
                 oxp_human_seconds(p->a, m->latency), r->device->name,
                 oxp_human_seconds(p->a, s.low), oxp_human_seconds(p->a, s.high));
    int64_t own = oxp_batch_of(r->analysis, p->a);
    if (m->batch_runs && r->batch == own && own > 1)
        oxp_doc_fact(p->d, "Projected throughput", "%s samples/s at batch %lld",
                     oxp_human_rate(p->a, m->throughput), (long long)r->batch);
    else if (m->batch_runs && r->batch > 1)
        oxp_doc_fact(p->d, "Projected throughput", "%s samples/s at batch %lld (%s: %s)",
                     oxp_human_rate(p->a, m->throughput), (long long)r->batch,
                     own > 1 ? oxp_sprintf(p->a, "at batch %lld", (long long)own) : "one at a time",
                     oxp_human_rate(p->a, (double)own / m->latency));
    else
        oxp_doc_fact(p->d, "Projected throughput", "%s samples/s one at a time%s",
                     oxp_human_rate(p->a, m->throughput),
                     m->batch_runs ? ""
                                   : "; the graph does not run at the batch that was asked for");
    oxp_doc_fact(p->d, "Computational load", "%s FLOPs (%s)", oxp_human_count(p->a, m->flops),
                 oxp_thousands(p->a, m->flops));
    oxp_doc_fact(p->d, "Parameters", "%s (%s of weights)", oxp_thousands(p->a, m->params),
                 oxp_human_bytes(p->a, m->weight_bytes));
    oxp_doc_fact(p->d, "Peak activations", "%s of one run%s",
                 oxp_human_bytes(p->a, m->peak_activation_bytes), at_load(p));
    memory_fact(p);
    oxp_doc_fact(p->d, "Architecture", "%s: %s", r->insight->family, r->insight->why);
    if (m->memory != UINT64_MAX && m->memory > r->device->memory)
        oxp_doc_para(p->d,
                     "It does not fit: batch %lld needs %s, %s has %s. Times below assume that it "
                     "did.",
                     (long long)(m->batch_runs ? r->batch : own), oxp_human_bytes(p->a, m->memory),
                     r->device->name, oxp_human_bytes(p->a, r->device->memory));
    if (r->analysis->totals.unknown_nodes)
        oxp_doc_para(p->d, "The cost of %llu node%s is unknown: totals are 'at least'.",
                     (unsigned long long)r->analysis->totals.unknown_nodes,
                     r->analysis->totals.unknown_nodes == 1 ? "" : "s");
    if (r->analysis->totals.partial)
        oxp_doc_para(p->d, "%s: figures are 'at least'.",
                     r->analysis->n_assumed ? "At these sizes the model does not fit together"
                                            : "The model contradicts itself");
}

static bool overridable(const oxp_page *p) {
    const oxp_graph *g = oxp_graph_at(p->r->model, OXP_MAIN_GRAPH);
    for (uint32_t i = 0; i < g->n_inputs; i++)
        if (oxp_value_at(p->r->model, g->inputs[i])->overridable)
            return true;
    return false;
}

static void assumptions(oxp_page *p) {
    oxp_doc_heading(p->d, 1, "Assumptions");
    oxp_doc_block(p->d, OXP_LIST, 1);
    const char *lines[] = {
        "Latencies are a roofline for each node with the device's efficiencies, not measurements; "
        "the ranges are what remains when each assumption of the device is moved by itself. "
        "`onnxpert verify` measures.",
        overridable(p)
            ? "What engines merge at load (normalization and activation into a convolution, "
              "constants) is taken as merged already; weights that are graph inputs, too, keep "
              "them "
              "from it until they are taken off the inputs."
            : "What engines merge at load (normalization and activation into a convolution, "
              "constants) is taken as merged already.",
        "Savings are those of the patched graph, analysed again; imagined weights have the "
        "quality that training gives them. Accuracy is not projected: validate it.",
        "int8: convolutions, products and elementwise nodes run in 8 bits, normalizations and "
        "softmax stay as they are."};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        oxp_doc_row(p->d, &lines[i]);
}

/* The whole in a line. */
static const char *lead(const oxp_page *p) {
    const oxp_roadmap *r = p->r;
    size_t met = 0, decided = 0;
    for (size_t i = 0; i < r->n_targets; i++) {
        double v = oxp_target_value(&r->targets[i], &r->final);
        decided += isnan(v) == 0;
        met += !isnan(v) && oxp_target_met(&r->targets[i], v);
    }
    const char *targets = !decided ? ""
                          : met == decided
                              ? ", every target met"
                              : oxp_sprintf(p->a, ", %zu of %zu targets met", met, decided);
    const char *sizes = unbound(p, false);
    return oxp_sprintf(p->a, "On %s: %s a run today, %s with the whole roadmap%s%s%s.",
                       r->device->name, oxp_human_seconds(p->a, r->baseline.latency),
                       oxp_human_seconds(p->a, r->final.latency), targets,
                       *sizes ? "; sizes that were not bound are taken as " : "", sizes);
}

oxp_doc *oxp_doc_roadmap(const void *source, oxp_arena *arena) {
    const oxp_roadmap *r = source;
    oxp_page p = {r, NULL, arena};
    p.d = oxp_doc_new(arena,
                      oxp_sprintf(arena, "Optimization roadmap: %s", oxp_model_path(r->model)));
    p.d->lead = lead(&p);
    profile(&p);
    today(&p);
    oxp_page_targets(&p, &r->final, "Targets, with all of the roadmap applied:");
    verdict(&p);
    oxp_page_picture(&p);
    oxp_page_bottlenecks(&p);
    oxp_page_checkpoints(&p);
    oxp_page_phases(&p);
    assumptions(&p);
    return p.d;
}

oxp_report oxp_report_roadmap(const oxp_roadmap *r) {
    oxp_report report = {
        .kind = "roadmap", .source = r, .doc = oxp_doc_roadmap, .emit = oxp_emit_roadmap};
    return report;
}
