/* doc_hardware.c - the analysis for people: devices, requirements, batch scaling. */
#include <math.h>

#include "report/analysis_doc.h"

/* Parts of a whole in per cent, as precise as it makes sense. */
static const char *percent(oxp_arena *a, double part) {
    double p = 100 * part;
    return p > 0 && p < 0.1 ? "< 0.1 %" : oxp_sprintf(a, "%.*f %%", p < 9.95 ? 1 : 0, p);
}

static const char *rate(oxp_arena *a, double v, const char *unit) {
    return oxp_sprintf(a, "%s%s/s", oxp_human_count(a, v >= 1.8e19 ? UINT64_MAX : (uint64_t)v),
                       unit);
}

static void chosen(oxp_doc *d, const oxp_card *c) {
    oxp_arena *a = d->arena;
    const oxp_latency_sum *l = &c->latency;
    oxp_doc_fact(d, "Device", "%s%s", c->device->name,
                 c->device_asked ? "" : " (an example; choose with --device)");
    oxp_doc_fact(d, "Memory needed", "%s%s of %s", c->memory_at_least ? "at least " : "",
                 oxp_human_bytes(a, c->memory), oxp_human_bytes(a, c->device->memory));
    oxp_doc_fact(d, "Fits", "%s", oxp_fits_text(c, c->memory, c->device->memory));
    if (c->memory != UINT64_MAX)
        oxp_doc_fact(d, "Memory saturation", "%s%s", c->memory_at_least ? "at least " : "",
                     percent(a, (double)c->memory / (double)c->device->memory));
    if (l->seconds > 0) {
        oxp_doc_fact(d, "Latency", "%s%s", c->a->totals.unknown_nodes > 0 ? "at least " : "",
                     oxp_human_seconds(a, l->seconds));
        oxp_doc_fact(d, "Bound by", "%s", oxp_bottleneck(l));
        oxp_doc_fact(d, "Utilization", "%s of %s", percent(a, l->utilization),
                     rate(a, l->peak_ops, "FLOP"));
    } else {
        oxp_doc_fact(d, "Latency", "%s",
                     c->a->totals.unknown_nodes > 0 || isnan(l->seconds) ? "unknown"
                                                                         : "nothing to run");
    }
    oxp_doc_fact(d, "This machine", "%s, %u thread%s, %s%s%s", c->machine.cpu, c->machine.threads,
                 oxp_plural(c->machine.threads), oxp_human_bytes(a, c->machine.memory),
                 c->machine.gpu != NULL ? ", " : "", c->machine.gpu != NULL ? c->machine.gpu : "");
}

static void all_devices(oxp_doc *d, const oxp_card *c) {
    static const char *const header[] = {"Device",  "Memory", "Fits",
                                         "Latency", "Runs/s", "Bound by"};
    static const uint8_t align[] = {0, 1, 0, 1, 1, 0};
    oxp_arena *a = d->arena;
    oxp_doc_heading(d, 2, "Devices");
    oxp_block *b = oxp_doc_block(d, OXP_TABLE, 6);
    b->level = OXP_PLAIN_ONLY; /* a page has it in its summary */
    b->header = header;
    b->align = align;
    for (size_t i = 0; i < c->n_devices; i++) {
        const oxp_device_row *r = &c->devices[i];
        bool too_big = c->memory != UINT64_MAX && c->memory > r->device->memory;
        double s = too_big ? 0 : r->latency.seconds; /* what does not fit does not run */
        oxp_doc_row(d, (const char *[]){r->device->name, oxp_human_bytes(a, r->device->memory),
                                        oxp_fits_text(c, c->memory, r->device->memory),
                                        s > 0 ? oxp_human_seconds(a, s) : "-", oxp_runs_text(a, s),
                                        s > 0 ? oxp_bottleneck(&r->latency) : "-"});
    }
}

static void requirement(oxp_doc *d, const oxp_card *c, const char *level, const oxp_device_row *r) {
    if (r == NULL)
        oxp_doc_fact(d, level, "%s",
                     c->memory == UINT64_MAX || c->memory_at_least
                         ? "unknown: so is the memory that it needs"
                         : "none of the devices holds it");
    else if (!(r->latency.seconds > 0))
        oxp_doc_fact(d, level, "%s", r->device->name);
    else
        oxp_doc_fact(d, level, "%s, %s a run", r->device->name,
                     oxp_human_seconds(d->arena, r->latency.seconds));
}

static void batches(oxp_doc *d, const oxp_card *c) {
    static const char *const header[] = {"Batch",       "Latency", "Samples/s", "FLOPs",
                                         "Activations", "Memory",  "Fits"};
    static const uint8_t align[] = {1, 1, 1, 1, 1, 1, 0};
    const oxp_batch_sweep *s = c->sweep;
    oxp_arena *a = d->arena;
    oxp_doc_heading(d, 1, "Batch scaling");
    if (s->n_points == 0) {
        oxp_doc_para(d, "%s",
                     s->too_large ? "Not computed for a graph of this size unless --batch asks."
                                  : "No dimension of the inputs is known to be a batch.");
        return;
    }
    if (s->scaled)
        oxp_doc_para(
            d,
            "The batch is fixed at %s in the file: figures are scaled from it, and running "
            "another batch takes a new export.",
            s->dim);
    else
        oxp_doc_para(d, "Analysed again with %s bound to each size.", s->dim);
    if (s->knee < s->n_points)
        oxp_doc_para(d, "The knee is at %lld: beyond it throughput on %s gains less than 10 %%.",
                     (long long)s->points[s->knee].batch, c->device->name);
    else if (s->grows)
        oxp_doc_para(d, "Throughput on %s still grows at the largest size%s.", c->device->name,
                     s->best + 1 < s->n_points ? " that it may run" : "");
    if (c->memory_at_least)
        oxp_doc_para(d,
                     "Some sizes are unknown: FLOPs, activations and memory are at least these.");
    oxp_block *b = oxp_doc_block(d, OXP_TABLE, 7);
    b->header = header;
    b->align = align;
    for (size_t i = 0; i < s->n_points; i++) {
        const oxp_batch_point *p = &s->points[i];
        const char *batch = oxp_sprintf(a, "%lld", (long long)p->batch);
        if (!p->valid) {
            oxp_doc_row(d, (const char *[]){batch, "the graph refuses", "", "", "", "", ""});
            continue;
        }
        oxp_doc_row(d, (const char *[]){batch, oxp_human_seconds(a, p->seconds),
                                        p->seconds > 0 ? oxp_human_rate(a, p->throughput) : "-",
                                        oxp_human_count(a, p->flops),
                                        oxp_human_bytes(a, p->peak_activation_bytes),
                                        oxp_human_bytes(a, p->memory_bytes),
                                        oxp_fits_text(c, p->memory_bytes, c->device->memory)});
    }
}

/* A figure of the sweep over the batch sizes that the graph takes. */
static void batch_chart(oxp_doc *d, const oxp_card *c, bool latency) {
    const oxp_batch_sweep *s = c->sweep;
    double *xy = OXP_NEWS(d->arena, 2 * s->n_points + 1, double), knee = NAN;
    size_t n = 0;
    for (size_t i = 0; i < s->n_points; i++) {
        const oxp_batch_point *p = &s->points[i];
        if (!p->valid || !(p->throughput > 0))
            continue;
        xy[2 * n] = (double)p->batch;
        xy[2 * n + 1] = latency ? p->seconds : p->throughput;
        knee = i == s->knee ? xy[2 * n + 1] : knee;
        n++;
    }
    if (n < 3)
        return;
    oxp_doc_heading(d, 2, latency ? "Latency by batch" : "Throughput by batch");
    oxp_block *b = oxp_doc_block(d, OXP_CHART, 1);
    b->level = OXP_PAGE_ONLY | OXP_POINTS_X;
    b->text =
        latency ? "Time of a run for each batch size." : "Samples a second for each batch size.";
    b->values = xy;
    b->rows = n;
    b->axes.x = "batch";
    b->axes.y = latency ? "time of a run" : "samples a second";
    b->axes.y_unit = latency ? OXP_UNIT_SECONDS : OXP_UNIT_RATE;
    if (isfinite(knee)) {
        b->marker_x = (double)s->points[s->knee].batch;
        b->marker_y = knee;
        b->axes.marker = "knee";
    }
}

void oxp_doc_hardware(oxp_doc *d, const oxp_card *c) {
    oxp_doc_heading(d, 1, "Hardware");
    oxp_doc_para(d,
                 "Estimates by a roofline for each node, in the model's own types: the greater of "
                 "arithmetic and memory traffic at the device's efficiency, and a launch. "
                 "Measure with `onnxpert verify`.");
    oxp_doc_heading(d, 2, "%s", c->device->name);
    chosen(d, c);
    all_devices(d, c);
    oxp_doc_heading(d, 2, "System requirements");
    requirement(d, c, "Minimum", c->minimum);
    requirement(d, c, "Recommended", c->recommended);
    requirement(d, c, "Best", c->best);
    batches(d, c);
    batch_chart(d, c, false);
    batch_chart(d, c, true);
}
