/* doc_roadmap_items.c - the phases: items, their combined effect, the targets after each. */
#include <math.h>
#include <string.h>

#include "report/roadmap_page.h"

/* ---- what a projection changes ---- */
static void change_line(oxp_page *p, const char *name, const char *before, const char *after,
                        const char *factor) {
    if (!strcmp(before, after)) /* nothing that a reader could see */
        return;
    const char *line = oxp_sprintf(p->a, "%s: %s -> %s (%s)", name, before, after, factor);
    oxp_doc_row(p->d, &line);
}

static const char *with_range(oxp_page *p, const char *factor, oxp_spread s) {
    const char *range = oxp_page_spread(p->a, s);
    return *range ? oxp_sprintf(p->a, "%s; %s, by %s", factor, range, s.cause) : factor;
}

static void bytes_line(oxp_page *p, const char *name, uint64_t b, uint64_t n) {
    change_line(p, name, oxp_human_bytes(p->a, b), oxp_human_bytes(p->a, n),
                oxp_page_times(p->a, (double)b, (double)n));
}

static void changes(oxp_page *p, const oxp_metrics *b, const oxp_metrics *n) {
    oxp_doc_block(p->d, OXP_LIST, 1);
    change_line(
        p, "latency", oxp_human_seconds(p->a, b->latency), oxp_human_seconds(p->a, n->latency),
        with_range(p, oxp_page_times(p->a, b->latency, n->latency), oxp_spread_gain(b, n, false)));
    const char *rate = oxp_human_rate(p->a, b->throughput),
               *now = oxp_human_rate(p->a, n->throughput);
    if (p->r->batch > 1 && b->batch_runs && n->batch_runs && strcmp(rate, now) != 0)
        change_line(p, oxp_page_metric(p, OXP_TARGET_THROUGHPUT), rate,
                    oxp_sprintf(p->a, "%s samples/s", now),
                    with_range(p, oxp_page_times(p->a, b->throughput, n->throughput),
                               oxp_spread_gain(b, n, true)));
    change_line(p, "FLOPs", oxp_human_count(p->a, b->flops), oxp_human_count(p->a, n->flops),
                oxp_page_times(p->a, (double)b->flops, (double)n->flops));
    change_line(p, "parameters", oxp_human_count(p->a, b->params), oxp_human_count(p->a, n->params),
                oxp_page_times(p->a, (double)b->params, (double)n->params));
    bytes_line(p, "weights", b->weight_bytes, n->weight_bytes);
    bytes_line(p, "peak activations", b->peak_activation_bytes, n->peak_activation_bytes);
    bytes_line(p, oxp_page_metric(p, OXP_TARGET_MEMORY), b->memory, n->memory);
    change_line(p, "nodes", oxp_thousands(p->a, b->nodes), oxp_thousands(p->a, n->nodes),
                oxp_page_times(p->a, (double)b->nodes, (double)n->nodes));
    if (!p->d->last->rows) {
        const char *none = "no figure of the graph changes";
        oxp_doc_row(p->d, &none);
    }
}

/* ---- one item ---- */
static const char *badges(oxp_page *p, const oxp_item *it) {
    const char *s = oxp_sprintf(p->a, "%s effort; %s risk", oxp_level_name(it->rule->effort),
                                oxp_level_name(it->rule->risk));
    if (it->effect == OXP_EFFECT_GAIN || it->projected)
        s = oxp_sprintf(p->a, "%s impact; %s", it->impact, s);
    for (size_t i = 0; i < it->rule->n_needs; i++)
        s = oxp_sprintf(p->a, "%s%s%s", s, i ? ", " : "; needs ", it->rule->needs[i]);
    if (it->effect == OXP_EFFECT_NONE) {
        double f = oxp_target_kind_factor(p->r->focus, &it->before, &it->after);
        s = oxp_sprintf(p->a, fabs(f - 1) < 0.005 ? "%s; no effect on %s" : "%s; below 2 %% on %s",
                        s, oxp_page_metric(p, p->r->focus));
    }
    return s;
}

/* All of a list that is short - the convolutions of a ResNet-18 behind its stem -, else its head.
 */
static void details(oxp_page *p, const oxp_item *it) {
    enum { SHORT = 16, HEAD = 8 };
    size_t n = it->result->n_matches, shown = n <= SHORT ? n : HEAD;
    if (!it->result->n_details)
        return;
    oxp_doc_para(p->d, "In detail:");
    oxp_doc_block(p->d, OXP_LIST, 1);
    for (size_t i = 0; i < it->result->n_details && i < shown; i++)
        oxp_doc_row(p->d, &it->result->details[i]);
    if (n > shown) {
        const char *more = oxp_sprintf(p->a, "and %zu more", n - shown);
        oxp_doc_row(p->d, &more);
    }
}

static void about_command(oxp_page *p, const oxp_item *it) {
    if (it->lacks_weights)
        oxp_doc_para(p->d, "It needs the weights, which this file lacks: its external data is not "
                           "there. With --dry-run the command projects without them.");
    if (*it->open)
        oxp_doc_para(p->d,
                     "SIZE: what will be served for %s (the projection has the sizes of this "
                     "report).",
                     it->open);
    if (*it->batched && p->r->batch > 1)
        oxp_doc_para(p->d,
                     "That is the model for single runs; the one for batches of %lld is made with"
                     "%s.",
                     (long long)p->r->batch, it->batched);
}

static void item(oxp_page *p, const oxp_item *it, size_t number) {
    oxp_doc_heading(p->d, 3, "%zu. %s (%s)", number, it->rule->title, it->rule->id);
    oxp_doc_para(p->d, "%s", badges(p, it));
    oxp_doc_para(p->d, "%s", it->result->message);
    if (it->projected)
        changes(p, &it->before, &it->after);
    if (it->projected && it->rule->projection.pass && it->done.changed > it->result->n_nodes &&
        it->result->n_nodes)
        oxp_doc_para(p->d,
                     "The figures are of all %zu places where the pass finds something to do.",
                     it->done.changed);
    if (!it->projected && it->lost)
        oxp_doc_para(p->d,
                     "Not projected: in the patched graph nodes whose cost is known today have "
                     "an unknown one, so what it saves cannot be told.");
    if (!it->projected && it->result->gain > 1)
        oxp_doc_para(p->d,
                     "Estimated by formula, not by analysing a patched graph: %.3gx (`onnxpert "
                     "rules explain %s` has it).",
                     it->result->gain, it->rule->id);
    if (it->alone)
        oxp_doc_para(p->d, "%s", it->why);
    details(p, it);
    if (it->command) {
        oxp_doc_para(p->d, "Apply:");
        oxp_doc_block(p->d, OXP_CODE, 0)->text = it->command;
        about_command(p, it);
    }
}

/* ---- the phases ---- */
/* Items that no analysis of a patched graph stands for are not in the combined figures. */
static const char *not_counted(oxp_page *p, const oxp_phase *ph) {
    const char *s = "";
    for (size_t i = 0; i < ph->n_items; i++)
        if (!ph->items[i].projected && ph->items[i].result->gain > 1)
            s = oxp_sprintf(p->a, "%s%s%s (%.3gx)", s, *s ? ", " : "", ph->items[i].rule->title,
                            ph->items[i].result->gain);
    return s;
}

static void targets_after(oxp_page *p, size_t k) {
    const oxp_phase *ph = &p->r->phases[k];
    size_t met = 0, decided = 0;
    for (size_t i = 0; i < p->r->n_targets; i++) {
        double v = oxp_target_value(&p->r->targets[i], &ph->combined);
        decided += isnan(v) == 0;
        met += !isnan(v) && oxp_target_met(&p->r->targets[i], v);
    }
    if (decided)
        oxp_page_targets(p, &ph->combined,
                         met == decided
                             ? oxp_sprintf(p->a, "After phase %zu every target is met:", k + 1)
                             : oxp_sprintf(p->a, "After phase %zu, %zu of %zu targets are met:",
                                           k + 1, met, decided));
}

static void phase(oxp_page *p, size_t k, const oxp_metrics *before) {
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
    oxp_doc_para(p->d, "Its items applied together%s%s%s, analysed again:",
                 k && p->r->phases[k - 1].has_combined ? " on top of the phase before" : "",
                 *ph->left ? ", without what they replace: " : "", ph->left);
    changes(p, before, &ph->combined);
    const char *formula = not_counted(p, ph);
    if (*formula)
        oxp_doc_para(p->d, "Not in these figures, as only a formula says what they gain: %s.",
                     formula);
    targets_after(p, k);
}

/* How the items are ordered, with this model's weights. */
static void order(oxp_page *p) {
    oxp_doc_para(
        p->d,
        "Order within a phase: the gain that is sure (the low end of its range) on %s, "
        "times confidence and the chance to survive validation, for each week of work; what "
        "takes high effort comes behind what helps with less. The weights are %s.",
        oxp_page_weights(p),
        p->r->missed ? "how far today's figures miss the targets"
                     : "the default, as no target is missed");
}

/* Batch settings once the roadmap is applied. */
static void batches_after(oxp_page *p) {
    const oxp_batch_sweep *s = p->r->final_sweep;
    if (!s || !s->n_points || !s->points[0].valid)
        return;
    const oxp_batch_point *one = &s->points[0],
                          *best = s->best < s->n_points ? &s->points[s->best] : one;
    oxp_doc_heading(p->d, 3, "Batch settings with all of it applied");
    if (best == one && s->knee == s->n_points)
        oxp_doc_para(p->d, "Batch %lld: %s a run, %s samples/s.", (long long)one->batch,
                     oxp_human_seconds(p->a, one->seconds), oxp_human_rate(p->a, one->throughput));
    else if (best == one)
        oxp_doc_para(p->d,
                     "Batch %lld for real time and for throughput: %s a run, %s samples/s; larger "
                     "ones gain less than 10 %%.",
                     (long long)one->batch, oxp_human_seconds(p->a, one->seconds),
                     oxp_human_rate(p->a, one->throughput));
    else
        oxp_doc_para(
            p->d,
            "Real time: batch %lld, %s a run. Throughput: batch %lld, %s samples/s (%s for "
            "each batch, %s of memory)%s.",
            (long long)one->batch, oxp_human_seconds(p->a, one->seconds), (long long)best->batch,
            oxp_human_rate(p->a, best->throughput), oxp_human_seconds(p->a, best->seconds),
            oxp_human_bytes(p->a, best->memory_bytes),
            s->knee < s->n_points ? "; larger ones gain less than 10 %"
                                  : ", and still growing there");
}

void oxp_page_phases(oxp_page *p) {
    const oxp_metrics *before = &p->r->baseline;
    oxp_doc_heading(p->d, 1, "Recommended optimization roadmap");
    order(p);
    for (size_t k = 0; k < p->r->n_phases; k++) {
        phase(p, k, before);
        before = &p->r->phases[k].combined;
    }
    batches_after(p);
}
