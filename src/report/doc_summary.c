/* doc_summary.c - the analysis for people: the verdict, what to do first, where it fits. */
#include <math.h>
#include <string.h>

#include "report/analysis_doc.h"

static const char *family_name(const oxp_insight *o) {
    const char *f = o->family;
    static const char *const names[][2] = {{"cnn", "a convolutional network"},
                                           {"transformer", "a transformer"},
                                           {"rnn", "a recurrent network"},
                                           {"mlp", "a multi-layer perceptron"},
                                           {"tree", "a tree ensemble"}};
    if (!strcmp(f, "hybrid")) {
        bool attention = o->counts[OXP_BLOCK_ATTENTION] > 0;
        if (attention && o->recurrent > 0)
            return o->convolutions > 0 ? "a hybrid of convolutions, recurrent layers and attention"
                                       : "a hybrid of recurrent layers and attention";
        return attention ? "a hybrid of convolutions and attention"
                         : "a hybrid of convolutions and recurrent layers";
    }
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

/* "BEFORE3 to 24AFTER", "BEFORE3AFTER", or nothing when it is unknown. */
static const char *range(oxp_arena *a, const char *before, uint64_t least, uint64_t most,
                         const char *after) {
    if (most == 0)
        return "";
    return least == most ? oxp_sprintf(a, "%s%llu%s", before, (unsigned long long)most, after)
                         : oxp_sprintf(a, "%s%llu to %llu%s", before, (unsigned long long)least,
                                       (unsigned long long)most, after);
}

static const char *structure_sentence(const oxp_card *c, oxp_arena *a) {
    const oxp_insight *o = c->insight;
    if (o->layers > 0 && (o->heads == 0 || o->head_dim == 0 || o->hidden == 0))
        return oxp_sprintf(a, " It has %llu attention layer%s%s%s.", (unsigned long long)o->layers,
                           oxp_plural(o->layers),
                           range(a, " of width ", o->hidden_least, o->hidden_most, ""),
                           range(a, " with ", o->heads_least, o->heads_most,
                                 o->heads_most == 1 ? " head" : " heads"));
    if (o->layers > 0 && o->heads > 0 && o->kv_heads > 0 && o->kv_heads != o->heads)
        return oxp_sprintf(a,
                           " It has %llu attention layers of width %llu with %llu heads over %llu "
                           "key/value heads of size %llu.",
                           (unsigned long long)o->layers, (unsigned long long)o->hidden,
                           (unsigned long long)o->heads, (unsigned long long)o->kv_heads,
                           (unsigned long long)o->head_dim);
    if (o->layers > 0 && o->heads > 0)
        return oxp_sprintf(a,
                           " It has %llu attention layer%s of width %llu with %llu head%s of size "
                           "%llu.",
                           (unsigned long long)o->layers, oxp_plural(o->layers),
                           (unsigned long long)o->hidden, (unsigned long long)o->heads,
                           oxp_plural(o->heads), (unsigned long long)o->head_dim);
    if (o->counts[OXP_BLOCK_INVERTED_RESIDUAL] > 0)
        return oxp_sprintf(a, " It is built of %zu inverted residual blocks.",
                           o->counts[OXP_BLOCK_INVERTED_RESIDUAL]);
    if (o->counts[OXP_BLOCK_RESIDUAL] > 0)
        return oxp_sprintf(a, " It has %zu residual block%s.", o->counts[OXP_BLOCK_RESIDUAL],
                           oxp_plural(o->counts[OXP_BLOCK_RESIDUAL]));
    if (o->recurrent > 0)
        return oxp_sprintf(a, " It has %zu recurrent layer%s.", o->recurrent,
                           oxp_plural(o->recurrent));
    return "";
}

static const char *task_sentence(const oxp_card *c, oxp_arena *a) {
    const oxp_insight *o = c->insight;
    const char *task = oxp_task_name(o->task);
    if (task == NULL)
        return "";
    if (o->classes > 0 && o->task_likely)
        return oxp_sprintf(a,
                           " Judging by its output, the task is likely %s with %llu class%s: "
                           "nothing behind the last layer shows that its values are scores.",
                           task, (unsigned long long)o->classes, o->classes == 1 ? "" : "es");
    if (o->classes > 0)
        return oxp_sprintf(a, " Judging by its output, the task is %s with %llu class%s.", task,
                           (unsigned long long)o->classes, o->classes == 1 ? "" : "es");
    return oxp_sprintf(a, " Judging by its output, the task is %s.", task);
}

/* Arithmetic in one run: "3.64 GFLOPs", "at least 12 MFLOPs", "18 G integer operations". */
static const char *work_text(const oxp_card *c, oxp_arena *a) {
    const oxp_totals *t = &c->a->totals;
    bool integer = t->flops < t->int_ops && t->int_ops != UINT64_MAX;
    return oxp_sprintf(a, "%s%s", oxp_at_least(t, integer ? t->int_ops : t->flops),
                       integer
                           ? oxp_sprintf(a, "%s integer operations", oxp_human_count(a, t->int_ops))
                           : oxp_human_unit(a, t->flops, "FLOPs"));
}

/* Estimate for the chosen device: "1.22 ms", "unknown" when the cost of nothing is known. */
static const char *latency_text(const oxp_card *c, oxp_arena *a) {
    const oxp_totals *t = &c->a->totals;
    if (c->latency.seconds > 0)
        return oxp_sprintf(a, "%s%s", t->unknown_nodes > 0 ? "at least " : "",
                           oxp_human_seconds(a, c->latency.seconds));
    return t->unknown_nodes > 0 || isnan(c->latency.seconds) ? "unknown" : "nothing to run";
}

static const char *bound_text(const oxp_card *c, oxp_arena *a) {
    return c->latency.seconds > 0 ? oxp_sprintf(a, ", bound by %s", oxp_bottleneck(&c->latency))
                                  : "";
}

/* The figures that one looks for first. */
static void verdict(oxp_doc *d, const oxp_card *c) {
    oxp_arena *a = d->arena;
    const oxp_totals *t = &c->a->totals;
    const char *task = oxp_task_name(c->insight->task);
    oxp_doc_block(d, OXP_FACTS, 2)->level = OXP_TILES;
    oxp_doc_fact(d, "Parameters", "%s", oxp_params_text(a, t->params));
    oxp_doc_fact(d, "Work of a run", "%s", work_text(c, a));
    oxp_doc_fact(d, "Weights", "%s", oxp_human_bytes(a, t->weight_bytes));
    oxp_doc_fact(d, "Peak of activations", "%s%s", oxp_at_least(t, t->peak_activation_bytes),
                 oxp_human_bytes(a, t->peak_activation_bytes));
    oxp_doc_fact(d, oxp_sprintf(a, "On %s", c->device->name), "%s%s", latency_text(c, a),
                 bound_text(c, a));
    const char *fits = oxp_fits_text(c, c->memory, c->device->memory);
    oxp_doc_fact(d, "Memory needed", "%s%s%s", c->memory_at_least ? "at least " : "",
                 oxp_human_bytes(a, c->memory),
                 !strcmp(fits, "yes")  ? ", fits"
                 : !strcmp(fits, "no") ? ", does not fit"
                                       : "");
    d->lead = oxp_sprintf(a, "%s%s%s: %s parameter%s, %s, %s of weights, %s on %s",
                          oxp_family_title(c->insight->family), task ? ", " : "", task ? task : "",
                          oxp_params_text(a, t->params), oxp_plural(t->params), work_text(c, a),
                          oxp_human_bytes(a, t->weight_bytes), latency_text(c, a), c->device->name);
}

static void describe(oxp_doc *d, const oxp_card *c) {
    oxp_arena *a = d->arena;
    const oxp_totals *t = &c->a->totals;
    const char *bound = assumed_text(c, true, a), *free = assumed_text(c, false, a);
    if (*free || *bound)
        oxp_doc_para(d, "Dimensions: %s%s%s%s.", bound, *bound && *free ? "; " : "", free,
                     *free ? " assumed (bind with --dim)" : "");
    const char *params = "no parameters";
    if (t->params > 0)
        params = oxp_sprintf(a, "%s parameter%s (%s, mostly %s)", oxp_params_text(a, t->params),
                             oxp_plural(t->params), oxp_human_bytes(a, t->weight_bytes),
                             precision_of(t));
    oxp_doc_para(d, "%s is %s of %s node%s with %s.%s%s", c->name, family_name(c->insight),
                 oxp_thousands(a, t->nodes), oxp_plural(t->nodes), params, structure_sentence(c, a),
                 task_sentence(c, a));
}

static void costs(oxp_doc *d, const oxp_card *c) {
    oxp_arena *a = d->arena;
    const oxp_totals *t = &c->a->totals;
    const oxp_op_total *top = c->a->n_by_op > 0 ? &c->a->by_op[0] : NULL;
    const char *work = "", *integer = "", *memory = "";
    if (top != NULL && top->flops > 0 && top->flops != UINT64_MAX && t->flops != UINT64_MAX)
        work = oxp_sprintf(a, "; %s does %s of the arithmetic", top->op,
                           oxp_share_text(a, top->flops, t->flops));
    if (t->int_ops > 0)
        integer = oxp_sprintf(a, " and %s integer operations", oxp_human_count(a, t->int_ops));
    if (c->memory != UINT64_MAX)
        memory = oxp_sprintf(a, "; weights and peak activations together are %s%s",
                             c->memory_at_least ? "at least " : "", oxp_human_bytes(a, c->memory));
    const char *run =
        t->flops == UINT64_MAX
            ? "How many FLOPs one run takes is unknown"
            : oxp_sprintf(a, "One run takes %s%s (%s multiply-adds)", oxp_at_least(t, t->flops),
                          oxp_human_unit(a, t->flops, "FLOPs"), oxp_human_count(a, t->macs));
    oxp_doc_para(d, "%s%s%s. The peak of activations is %s%s%s.", run, integer, work,
                 oxp_at_least(t, t->peak_activation_bytes),
                 oxp_human_bytes(a, t->peak_activation_bytes), memory);
    const char *example = c->device_asked ? "" : " (taken as an example)";
    if (c->latency.seconds > 0 && c->memory != UINT64_MAX && c->memory > c->device->memory)
        oxp_doc_para(d, "It does not fit in the memory of %s%s, where one run would take %s%s.",
                     c->device->name, example, latency_text(c, a), bound_text(c, a));
    else if (c->latency.seconds > 0)
        oxp_doc_para(d, "On %s%s one run is estimated to take %s%s.", c->device->name, example,
                     latency_text(c, a), bound_text(c, a));
}

/* ---- what to do first ---- */

/* The same model with every float in half precision. */
static void half_precision(oxp_doc *d, const oxp_card *c) {
    oxp_arena *a = d->arena;
    const oxp_totals *t = &c->a->totals;
    uint64_t floats = t->params_by_dtype[OXP_FLOAT] + t->params_by_dtype[OXP_DOUBLE];
    if (!(c->latency.seconds > 0) || t->params == UINT64_MAX || floats < t->params / 2 ||
        t->params == 0 || c->memory_at_least || c->memory == UINT64_MAX)
        return;
    uint64_t memory = oxp_memory_needed(c->a, OXP_FLOAT16);
    const char *line;
    if (!oxp_device_supports(c->device, OXP_FLOAT16)) {
        line =
            oxp_sprintf(a, "float16 takes %s instead of %s of memory; %s has no fast float16.",
                        oxp_human_bytes(a, memory), oxp_human_bytes(a, c->memory), c->device->name);
        oxp_doc_row(d, &line);
        return;
    }
    double seconds = oxp_latency(c->a, c->device, OXP_FLOAT16, NULL, NULL);
    double gain = seconds > 0 ? c->latency.seconds / seconds : 1;
    const char *time = gain >= 1.05 ? oxp_sprintf(a, "about %.2gx faster (%s)", gain,
                                                  oxp_human_seconds(a, seconds))
                                    : "no faster";
    line = oxp_sprintf(a, "float16 on %s: %s, %s instead of %s of memory.", c->device->name, time,
                       oxp_human_bytes(a, memory), oxp_human_bytes(a, c->memory));
    oxp_doc_row(d, &line);
}

static void overhead(oxp_doc *d, const oxp_card *c) {
    double share = c->latency.seconds > 0 ? c->latency.launch / c->latency.seconds : 0;
    enum { FEW_NODES = 8 }; /* nothing to fuse */
    if (share < 0.5 || c->a->totals.nodes < FEW_NODES)
        return;
    const char *line = oxp_sprintf(
        d->arena,
        "Starting nodes takes %s of the time on %s: fewer nodes (fusion, folding) or larger "
        "batches pay more than less arithmetic.",
        share > 0.99 ? "nearly all" : oxp_sprintf(d->arena, "%.0f %%", 100 * share),
        c->device->name);
    oxp_doc_row(d, &line);
}

static void batch(oxp_doc *d, const oxp_card *c) {
    const oxp_batch_sweep *s = c->sweep;
    if (s->n_points < 2 || !s->points[0].valid || !s->points[0].fits ||
        !(s->points[0].throughput > 0))
        return;
    bool flat = s->knee < s->n_points;
    const oxp_batch_point *p = &s->points[s->best < s->n_points ? s->best : 0];
    double gain = p->throughput / s->points[0].throughput;
    if (gain < 1.1)
        return;
    const char *line = oxp_sprintf(
        d->arena, "Batch %lld gives %s samples a second, %.2g times those of batch %lld%s%s.",
        (long long)p->batch, oxp_human_rate(d->arena, p->throughput), gain,
        (long long)s->points[0].batch, flat ? "; beyond it little is gained" : "",
        s->scaled ? " (the file fixes the batch: export it anew)" : "");
    oxp_doc_row(d, &line);
}

static int rank_of(const char *severity) {
    static const char *const order[] = {"high", "medium", "low"};
    for (int i = 0; i < 3; i++)
        if (strcmp(order[i], severity) == 0)
            return i;
    return 3;
}

/* The gravest risks above information. */
static void gravest(oxp_doc *d, const oxp_card *c) {
    enum { MOST = 3 };
    size_t shown = 0;
    for (int rank = 0; rank < 3; rank++)
        for (size_t i = 0; i < c->insight->n_risks && shown < MOST; i++) {
            const oxp_risk *r = &c->insight->risks[i];
            if (rank_of(r->severity) != rank)
                continue;
            const char *line = oxp_sprintf(d->arena, "%s %s", r->message, r->advice);
            oxp_doc_row(d, &line);
            shown++;
        }
}

static void first_steps(oxp_doc *d, const oxp_card *c) {
    oxp_doc_heading(d, 2, "What to do first");
    oxp_doc_block(d, OXP_LIST, 1);
    if (c->memory != UINT64_MAX && c->memory > c->device->memory) {
        const char *line =
            c->minimum ? oxp_sprintf(d->arena, "Take a device that holds it, %s at least.",
                                     c->minimum->device->name)
                       : "Shrink the weights or split the model: no device listed here holds it.";
        oxp_doc_row(d, &line);
    }
    half_precision(d, c);
    overhead(d, c);
    batch(d, c);
    gravest(d, c);
    const char *line = "`onnxpert advise` ranks all that applies, with what each step saves.";
    oxp_doc_row(d, &line);
}

/* On a page, beside the steps; elsewhere it is the table of devices under Hardware. */
static void where_it_fits(oxp_doc *d, const oxp_card *c) {
    static const char *const header[] = {"Device", "Fits", "Latency", "Runs/s"};
    static const uint8_t align[] = {0, 0, 1, 1};
    oxp_arena *a = d->arena;
    if (c->latency.seconds <= 0)
        return;
    oxp_doc_heading(d, 2, "Where it fits: %s%s needed", c->memory_at_least ? "at least " : "",
                    oxp_human_bytes(a, c->memory));
    oxp_block *b = oxp_doc_block(d, OXP_TABLE, 4);
    b->header = header;
    b->align = align;
    b->level = OXP_PAGE_ONLY | OXP_NARROW;
    for (size_t i = 0; i < c->n_devices; i++) {
        const oxp_device_row *r = &c->devices[i];
        bool too_big = c->memory != UINT64_MAX && c->memory > r->device->memory;
        const char *name = oxp_sprintf(a, "%s%s", r->device->name,
                                       r == c->best          ? " (fastest)"
                                       : r == c->recommended ? " (recommended)"
                                       : r == c->minimum     ? " (minimum)"
                                                             : "");
        oxp_doc_row(d, (const char *[]){name, oxp_fits_text(c, c->memory, r->device->memory),
                                        too_big ? "-" : oxp_human_seconds(a, r->latency.seconds),
                                        too_big ? "-" : oxp_runs_text(a, r->latency.seconds)});
    }
}

/* What the estimated time is made of. */
static void time_bars(oxp_doc *d, const oxp_card *c) {
    const oxp_latency_sum *l = &c->latency;
    const struct {
        const char *label;
        double seconds;
    } parts[] = {{"Nodes bound by compute", l->compute_bound},
                 {"Nodes bound by memory", l->memory_bound},
                 {"Starting nodes", l->launch}};
    if (!(l->seconds > 0))
        return;
    oxp_doc_heading(d, 2, "Where the time goes");
    oxp_doc_block(d, OXP_BARS, 2);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (parts[i].seconds > 0)
            oxp_doc_bar(d, parts[i].label, oxp_human_seconds(d->arena, parts[i].seconds),
                        parts[i].seconds);
}

void oxp_doc_summary(oxp_doc *d, const oxp_card *c) {
    oxp_doc_heading(d, 1, "Summary");
    verdict(d, c);
    describe(d, c);
    costs(d, c);
    where_it_fits(d, c);
    first_steps(d, c);
    time_bars(d, c);
}
