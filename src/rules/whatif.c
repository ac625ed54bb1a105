/* whatif.c - projections: patch a copy, analyse it again, measure. */
#include <math.h>
#include <string.h>

#include "analysis/latency_impl.h"
#include "base/safe_math.h"
#include "ops/op.h"
#include "rewrite/project.h"
#include "rules/roadmap.h"

/* An analysis, and how much more of everything but the weights there is (a batch that the file
 * fixes). */
typedef struct run {
    const oxp_analysis *a;
    double scale;
} run;

/* With a precision of integers only what quantization reaches changes its type: convolutions,
 * products and what lies elementwise between them; normalizations, softmax and reductions stay in
 * floating point, as quantizers leave them. */
static bool reached(const oxp_analysis *a, oxp_id i, oxp_dtype precision) {
    oxp_op_class c = oxp_class_of(a, i);
    return precision &&
           (oxp_dtype_is_float(precision) || (c != OXP_CLASS_NORM && c != OXP_CLASS_RECURRENT));
}

/* Bytes of a node's stored weights in that precision. */
static double weights_in(const oxp_node_info *info, oxp_dtype precision) {
    double bytes = (double)info->weight_bytes;
    return precision ? fmin(bytes, (double)info->params * oxp_dtype_bits(precision) / 8) : bytes;
}

static bool stores_weights(const oxp_analysis *a, oxp_id i) {
    const oxp_node_info *info = &a->nodes[i];
    return oxp_node_at(a->model, i)->live && info->params && info->params != UINT64_MAX &&
           info->weight_bytes != UINT64_MAX && oxp_class_of(a, i) == OXP_CLASS_MATMUL;
}

/* Bytes that a product's stored weights no longer take: weight-only quantization keeps them in
 * types.weights with a float16 scale for each block of 32 and widens them on the way in; where the
 * arithmetic is in that type, too, there is one scale for each column or tensor. */
static double saved_bytes(const oxp_analysis *a, oxp_id i, oxp_imagined types) {
    const oxp_node_info *info = &a->nodes[i];
    double bits = (double)oxp_dtype_bits(types.weights) + (types.products ? 0 : 16.0 / 32);
    if (!types.weights || !stores_weights(a, i))
        return 0;
    return fmax(0, weights_in(info, types.precision) - (double)info->params * bits / 8);
}

/* The node's time with fewer bytes of weights to read, and with that time for the arithmetic. */
static double less_traffic(run r, oxp_id i, oxp_imagined types, const oxp_node_latency *l,
                           double compute) {
    const oxp_node_info *info = &r.a->nodes[i];
    double saved = saved_bytes(r.a, i, types), weights = weights_in(info, types.precision),
           memory = l->memory;
    if (saved > 0 && info->bytes_moved && info->bytes_moved != UINT64_MAX) {
        double narrower = weights / (double)info->weight_bytes;
        double tensors =
            r.scale * narrower * ((double)info->bytes_moved - (double)info->weight_bytes);
        memory *= fmax(0, 1 - saved / (weights + fmax(0, tensors)));
    }
    return l->seconds - fmax(l->compute, l->memory) + fmax(compute, memory);
}

/* With types that not all nodes take, on at most OXP_SCENARIOS devices. */
static void seconds_imagined(const oxp_device *const *devices, size_t n, run r, oxp_imagined types,
                             double *out) {
    oxp_dtype narrow = types.precision ? types.precision : types.products;
    oxp_arena *scratch = oxp_arena_new(oxp_arena_ctx(r.a->arena));
    const oxp_half_node *half = oxp_half_plan_for(r.a, devices, n, OXP_UNDEFINED, scratch);
    for (oxp_id i = 0; i < oxp_node_count(r.a->model); i++) {
        oxp_node_latency l[OXP_SCENARIOS], low[OXP_SCENARIOS];
        if (!oxp_node_at(r.a->model, i)->live || r.a->nodes[i].times == 0)
            continue;
        bool product = types.products && stores_weights(r.a, i);
        oxp_dtype in = reached(r.a, i, types.precision) ? types.precision : OXP_UNDEFINED;
        oxp_latency_each(r.a, i, devices, n, in, half && in == OXP_UNDEFINED ? &half[i] : NULL,
                         r.scale, l);
        if (product)
            oxp_latency_each(r.a, i, devices, n, narrow, NULL, r.scale, low);
        for (size_t k = 0; k < n; k++)
            out[k] += less_traffic(r, i, types, &l[k], product ? low[k].compute : l[k].compute);
    }
    oxp_arena_free(scratch);
}

static bool is_plain(oxp_imagined types) {
    return !types.weights && !types.products &&
           (!types.precision || oxp_dtype_is_float(types.precision));
}

/* Seconds of a run on each of the devices: the one that is asked for, and all its deviations. */
static void seconds_of(const oxp_device *const *devices, size_t n, run r, oxp_imagined types,
                       double *out) {
    oxp_latency_sum sums[OXP_SCENARIOS];
    bool plain = is_plain(types), countable = oxp_is_countable(&r.a->totals);
    if (plain)
        oxp_latency_all(r.a, devices, n, types.precision, r.scale, sums, NULL);
    for (size_t i = 0; i < n; i++)
        out[i] = plain ? sums[i].seconds : countable ? 0 : NAN;
    if (!plain)
        seconds_imagined(devices, n, r, types, out);
}

/* Bytes of weights when floats take `precision`. */
static uint64_t weights_as(const oxp_analysis *a, oxp_dtype precision) {
    uint64_t bytes = a->totals.weight_bytes;
    for (int t = 1; precision && t < OXP_DTYPE_COUNT; t++) {
        uint64_t n = a->totals.params_by_dtype[t];
        uint64_t old = oxp_dtype_bytes((oxp_dtype)t, n), now = oxp_dtype_bytes(precision, n);
        if (n && oxp_dtype_is_float((oxp_dtype)t) && old != UINT64_MAX && old > now && bytes >= old)
            bytes -= old - now;
    }
    return bytes;
}

/* Weights of products that several nodes read are counted once. */
static uint64_t all_saved(const oxp_analysis *a, oxp_imagined types) {
    double saved = 0;
    for (oxp_id i = 0; types.weights && i < oxp_node_count(a->model); i++)
        saved += saved_bytes(a, i, types);
    return saved > (double)a->totals.weight_bytes ? 0 : (uint64_t)saved;
}

static uint64_t less(uint64_t bytes, uint64_t saved) {
    return bytes == UINT64_MAX ? bytes : bytes > saved ? bytes - saved : 0;
}

/* Time and memory at the batch of the throughput, and the times at those of latency@B. */
static void measure_batches(const oxp_whatif *w, const oxp_analysis *a, oxp_imagined types,
                            uint64_t saved, oxp_metrics *m, oxp_arena *arena) {
    int64_t own = oxp_batch_of(a, arena);
    for (int i = 0; i < OXP_SCENARIOS; i++)
        m->throughput_in[i] = m->latency_in[i] > 0 ? (double)own / m->latency_in[i] : 0;
    for (size_t i = 0; i <= OXP_LATENCY_BATCHES; i++) {
        int64_t batch = i ? w->latency_batches[i - 1] : w->batch;
        double seconds[OXP_SCENARIOS];
        run r = {NULL, 1};
        if (i && batch == own)
            m->latency_at[i - 1] = m->latency_in[0];
        if (batch < 1 || batch == own)
            continue;
        oxp_mark mark = oxp_arena_mark(arena);
        if (a == w->analysis)
            r = (run){w->at[i], w->at_scale[i]};
        else if (!oxp_at_batch(a, w->base, batch, arena, &r.a, &r.scale))
            r.a = NULL;
        if (!r.a) {
            m->batch_runs = m->batch_runs && i;
            continue;
        }
        seconds_of(w->scenarios, OXP_SCENARIOS, r, types, seconds);
        if (i)
            m->latency_at[i - 1] = seconds[0];
        for (int k = 0; !i && k < OXP_SCENARIOS; k++)
            m->throughput_in[k] = seconds[k] > 0 ? (double)batch / seconds[k] : 0;
        if (!i)
            m->memory = less(oxp_memory_scaled(r.a, types.precision, r.scale), saved);
        oxp_arena_rewind(arena, mark);
    }
    m->throughput = m->throughput_in[0];
}

/* Made when the first pass wants it, and only where sizes were assumed: otherwise the first
 * analysis is that of the sizes as they are. */
const oxp_analysis *oxp_whatif_fresh(const oxp_whatif *w, const char *pass) {
    const oxp_pass *p = oxp_pass_find(pass);
    oxp_analyze_opts open = *w->base;
    if (*w->fresh || !p || !(p->flags & OXP_PASS_NEEDS_ANALYSIS))
        return *w->fresh;
    bool assumed = false;
    for (size_t i = 0; i < w->analysis->n_assumed; i++)
        assumed |= !w->analysis->assumed[i].bound;
    *w->fresh = w->analysis;
    if (!assumed)
        return *w->fresh;
    open.keep_unbound = open.quiet = true;
    oxp_status s = oxp_analyze(w->fresh, w->model, &open, w->arena);
    if (s != OXP_OK)
        oxp_reraise(oxp_arena_ctx(w->arena), s);
    return *w->fresh;
}

void oxp_whatif_prepare(oxp_whatif *w) {
    w->fresh = OXP_NEW(w->arena, const oxp_analysis *);
    for (size_t i = 0; i <= OXP_LATENCY_BATCHES; i++) {
        int64_t batch = i ? w->latency_batches[i - 1] : w->batch;
        if (batch > 0 && batch != oxp_batch_of(w->analysis, w->arena) &&
            !oxp_at_batch(w->analysis, w->base, batch, w->arena, &w->at[i], &w->at_scale[i]))
            w->at[i] = NULL;
    }
}

static bool counts(const oxp_model *m, oxp_id i) {
    const oxp_node *n = oxp_node_at(m, i);
    return n->live && oxp_graph_at(m, n->graph)->live;
}

/* Clones keep the ids of nodes.  New nodes of unknown cost count where they are layers: casts and
 * the like stand beside what was unknown before. */
static bool loses_costs(const oxp_analysis *before, const oxp_analysis *after) {
    size_t old = oxp_node_count(before->model), n = oxp_node_count(after->model);
    if (!after->totals.unknown_nodes)
        return false;
    for (oxp_id i = 0; i < n; i++) {
        if (!counts(after->model, i) || after->nodes[i].known)
            continue;
        if (i < old ? before->nodes[i].known
                    : after->nodes[i].times && oxp_class_of(after, i) < OXP_CLASS_SIMPLE)
            return true;
    }
    return false;
}

oxp_metrics oxp_measure(const oxp_whatif *w, const oxp_analysis *a, oxp_imagined types,
                        oxp_arena *arena) {
    const oxp_totals *t = &a->totals;
    uint64_t saved = all_saved(a, types);
    oxp_metrics m = {.flops = t->flops,
                     .int_ops = t->int_ops,
                     .params = t->params,
                     .nodes = t->nodes,
                     .batch_runs = true,
                     .partial = t->partial,
                     .known = true,
                     .lost = a != w->analysis && loses_costs(w->analysis, a)};
    m.weight_bytes = less(weights_as(a, types.precision), saved);
    m.peak_activation_bytes = oxp_peak_in(a, types.precision);
    m.memory = less(oxp_memory_needed(a, types.precision), saved);
    m.size = oxp_sat_add(m.weight_bytes, w->overhead);
    seconds_of(w->scenarios, OXP_SCENARIOS, (run){a, 1}, types, m.latency_in);
    m.latency = m.latency_in[0];
    measure_batches(w, a, types, saved, &m, arena);
    return m;
}

/* ---- batches of a model in imagined types ---- */
typedef struct metering {
    const oxp_whatif *w;
    oxp_imagined types;
} metering;

static double metered_seconds(void *arg, const oxp_analysis *a, double scale) {
    const metering *t = arg;
    double seconds;
    seconds_of(&t->w->device, 1, (run){a, scale}, t->types, &seconds);
    return seconds;
}

static uint64_t metered_memory(void *arg, const oxp_analysis *a, double scale) {
    const metering *t = arg;
    return less(oxp_memory_scaled(a, t->types.precision, scale), all_saved(a, t->types));
}

const oxp_batch_sweep *oxp_measure_batches(const oxp_whatif *w, const oxp_analysis *a,
                                           oxp_imagined types, oxp_arena *arena) {
    metering t = {w, types};
    oxp_batch_meter meter = {w->device, metered_seconds, metered_memory, &t};
    return oxp_sweep_batch_by(a, w->base, &meter, NULL, 0, arena);
}

void oxp_imagine(const oxp_rule_projection *p, oxp_imagined *types) {
    types->precision = p->precision ? p->precision : types->precision;
    types->weights = p->weights ? p->weights : types->weights;
    types->products = p->products ? p->products : types->products;
}

/* The user's; with the param "bindings=assumed" also the sizes that the analysis assumed. */
static const oxp_binding *bindings_of(const oxp_whatif *w, const oxp_rule_projection *p,
                                      size_t *n) {
    bool assumed = false;
    for (size_t i = 0; i < p->n_params; i++)
        assumed |= !strcmp(p->params[i], "bindings=assumed");
    *n = w->base->n_bindings;
    if (!assumed)
        return w->base->bindings;
    oxp_binding *b = OXP_NEWS(w->arena, *n + w->analysis->n_assumed + 1, oxp_binding);
    if (*n)
        memcpy(b, w->base->bindings, *n * sizeof *b);
    for (size_t i = 0; i < w->analysis->n_assumed; i++)
        if (!w->analysis->assumed[i].bound)
            b[(*n)++] = (oxp_binding){.name = w->analysis->assumed[i].name,
                                      .value = w->analysis->assumed[i].value,
                                      .rank = -1};
    return b;
}

/* An exact pass costs nothing, wherever it finds more than the rule did. */
static bool is_limited(const oxp_pass *pass, const oxp_rule_result *r) {
    return pass && pass->fidelity != OXP_EXACT && r->n_nodes > 0;
}

static const char *in_words(const oxp_whatif *w, const oxp_pass_result *r) {
    if (r->changed && r->summary)
        return oxp_strdup(w->arena, r->summary);
    if (!r->n_skipped)
        return "there is nothing to change";
    const oxp_skip *s = &r->skipped[0];
    return oxp_sprintf(w->arena, "%s%s%s", s->node, *s->node ? ": " : "", s->reason);
}

bool oxp_whatif_apply(const oxp_whatif *w, oxp_model *copy, const oxp_rule_result *r,
                      oxp_imagined *types, oxp_whatif_done *done) {
    const oxp_rule_projection *p = &r->rule->projection;
    oxp_pass_opts opts = OXP_PASS_OPTS_INIT;
    const oxp_pass_result *results;
    size_t n;
    *done = (oxp_whatif_done){.why = ""};
    oxp_imagine(p, types);
    if (!p->pass)
        return p->precision || p->weights || p->products;
    opts.params = p->params;
    opts.n_params = p->n_params;
    if (is_limited(oxp_pass_find(p->pass), r)) {
        opts.only_nodes = r->nodes;
        opts.n_only_nodes = r->n_nodes;
        opts.only_values = r->values;
    }
    opts.bindings = bindings_of(w, p, &opts.n_bindings);
    opts.given = opts.bindings == w->base->bindings ? oxp_whatif_fresh(w, p->pass) : NULL;
    opts.assume_weights = opts.allow_retraining = true;
    if (oxp_run_passes(copy, &p->pass, 1, &opts, &results, &n) != OXP_OK) {
        done->why = oxp_strdup(w->arena, oxp_error_text(oxp_model_ctx(copy)));
        oxp_error_clear(oxp_model_ctx(copy));
        return false;
    }
    done->changed = results[0].changed;
    done->passed_over = results[0].passed_over;
    done->why = in_words(w, &results[0]);
    return done->changed > 0;
}

oxp_metrics oxp_whatif_measure(const oxp_whatif *w, oxp_model *copy, oxp_imagined types) {
    if (!copy)
        return oxp_measure(w, w->analysis, types, w->arena);
    oxp_arena *scratch = oxp_arena_new(oxp_arena_ctx(w->arena));
    const oxp_analysis *a =
        oxp_analyze_remaining(copy, w->base->bindings, w->base->n_bindings, scratch);
    oxp_metrics m = oxp_measure(w, a, types, scratch);
    oxp_arena_free(scratch);
    return m;
}
