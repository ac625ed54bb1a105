/* doc_hardware.c - the analysis for people: devices, requirements, batch scaling. */
#include "report/reports.h"

static const char *yes(bool b) {
    return b ? "yes" : "no";
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
    oxp_doc_fact(d, "Memory needed", "%s of %s", oxp_human_bytes(a, c->memory),
                 oxp_human_bytes(a, c->device->memory));
    oxp_doc_fact(d, "Fits", "%s", yes(c->memory <= c->device->memory));
    oxp_doc_fact(d, "Latency", "%s", oxp_human_seconds(a, l->seconds));
    oxp_doc_fact(d, "Bound by",
                 "%s (%s in compute-bound nodes, %s in memory-bound ones, %s launching)",
                 oxp_bottleneck(l), oxp_human_seconds(a, l->compute_bound),
                 oxp_human_seconds(a, l->memory_bound), oxp_human_seconds(a, l->launch));
    oxp_doc_fact(d, "Utilization", "%.2g %% of %s", 100 * l->utilization,
                 rate(a, l->peak_ops, "FLOP"));
    oxp_doc_fact(d, "Memory saturation", "%.3g %%",
                 100.0 * (double)c->memory / (double)c->device->memory);
    oxp_doc_fact(d, "This machine", "%s, %u thread%s, %s%s%s", c->machine.cpu, c->machine.threads,
                 c->machine.threads == 1 ? "" : "s", oxp_human_bytes(a, c->machine.memory),
                 c->machine.gpu != NULL ? ", " : "", c->machine.gpu != NULL ? c->machine.gpu : "");
}

static void all_devices(oxp_doc *d, const oxp_card *c) {
    static const char *const header[] = {"Device",  "Memory", "Fits",
                                         "Latency", "Runs/s", "Bound by"};
    static const uint8_t align[] = {0, 1, 0, 1, 1, 0};
    oxp_arena *a = d->arena;
    oxp_doc_heading(d, 2, "Devices");
    oxp_block *b = oxp_doc_block(d, OXP_TABLE, 6);
    b->header = header;
    b->align = align;
    for (size_t i = 0; i < c->n_devices; i++) {
        const oxp_device_row *r = &c->devices[i];
        double s = r->latency.seconds;
        oxp_doc_row(d, (const char *[]){r->device->name, oxp_human_bytes(a, r->device->memory),
                                        yes(r->fits), oxp_human_seconds(a, s),
                                        s > 0 ? oxp_sprintf(a, "%.4g", 1 / s) : "-",
                                        oxp_bottleneck(&r->latency)});
    }
}

static void requirement(oxp_doc *d, const char *level, const oxp_device_row *r) {
    if (r == NULL)
        oxp_doc_fact(d, level, "none of the devices holds it");
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
                                  : "No input has a batch axis.");
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
    else
        oxp_doc_para(d, "Throughput on %s still grows at the largest size.", c->device->name);
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
                                        oxp_sprintf(a, "%.4g", p->throughput),
                                        oxp_human_count(a, p->flops),
                                        oxp_human_bytes(a, p->peak_activation_bytes),
                                        oxp_human_bytes(a, p->memory_bytes), yes(p->fits)});
    }
}

static void batch_chart(oxp_doc *d, const oxp_card *c) {
    const oxp_batch_sweep *s = c->sweep;
    double *xy = OXP_NEWS(d->arena, 2 * s->n_points + 1, double);
    size_t n = 0;
    for (size_t i = 0; i < s->n_points; i++) {
        if (!s->points[i].valid || s->points[i].throughput <= 0)
            continue;
        xy[2 * n] = (double)s->points[i].batch;
        xy[2 * n++ + 1] = s->points[i].throughput;
    }
    if (n < 3)
        return;
    oxp_block *b = oxp_doc_block(d, OXP_CHART, 2);
    b->level = OXP_PAGE_ONLY;
    b->text = "Samples a second by batch size";
    b->values = xy;
    b->rows = n;
    b->cells = OXP_NEWS(d->arena, 2 * n, const char *);
    if (s->knee < s->n_points) {
        b->marker_x = (double)s->points[s->knee].batch;
        b->marker_y = s->points[s->knee].throughput;
    }
}

void oxp_doc_hardware(oxp_doc *d, const oxp_card *c) {
    oxp_doc_heading(d, 1, "Hardware");
    oxp_doc_para(d,
                 "Estimates by a roofline for each node, in the model's own types: the greater of "
                 "arithmetic and memory traffic at the device's efficiency, and a launch. "
                 "Measure with `onnxpert verify`.");
    chosen(d, c);
    all_devices(d, c);
    oxp_doc_heading(d, 2, "System requirements");
    requirement(d, "Minimum", c->minimum);
    requirement(d, "Recommended", c->recommended);
    requirement(d, "Best", c->best);
    batches(d, c);
    batch_chart(d, c);
}
