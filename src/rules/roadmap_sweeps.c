/* roadmap_sweeps.c - the same model in other data types and at other resolutions. */
#include <math.h>
#include <string.h>

#include "analysis/insight.h"
#include "rules/roadmap_impl.h"

/* The float type of most parameters; of a model without any, float32. */
static oxp_dtype main_type(const oxp_analysis *a) {
    oxp_dtype most = OXP_FLOAT;
    uint64_t n = 0;
    for (int t = 1; t < OXP_DTYPE_COUNT; t++)
        if (oxp_dtype_is_float((oxp_dtype)t) && a->totals.params_by_dtype[t] > n) {
            n = a->totals.params_by_dtype[t];
            most = (oxp_dtype)t;
        }
    return most;
}

/* Share of the weight bytes that products read: what weight-only quantization can shrink. */
static double held_by_products(const oxp_analysis *a) {
    double held = 0;
    for (oxp_id i = 0; i < oxp_node_count(a->model); i++)
        if (oxp_node_at(a->model, i)->live && oxp_class_of(a, i) == OXP_CLASS_MATMUL &&
            a->nodes[i].weight_bytes != UINT64_MAX)
            held += (double)a->nodes[i].weight_bytes;
    return a->totals.weight_bytes ? fmin(1, held / (double)a->totals.weight_bytes) : 0;
}

/* The model in these types: as an item has it already, or measured now. */
static oxp_metrics imagined(const oxp_advice *a, oxp_dtype precision, oxp_dtype weights) {
    for (size_t i = 0; i < a->n_items; i++) {
        const oxp_rule_projection *p = &a->items[i].rule->projection;
        if (a->items[i].projected && !p->pass && p->precision == precision &&
            p->weights == weights && !p->products)
            return a->items[i].after;
    }
    return oxp_measure(&a->w, a->r->analysis, (oxp_imagined){precision, weights, OXP_UNDEFINED},
                       a->arena);
}

void oxp_sweep_precision(oxp_advice *a) {
    static const oxp_dtype types[] = {OXP_FLOAT16, OXP_BFLOAT16, OXP_INT8};
    const oxp_analysis *an = a->r->analysis;
    oxp_dtype now = main_type(an);
    oxp_sweep_point *p = OXP_NEWS(a->arena, 6, oxp_sweep_point);
    size_t n = 0;
    p[n++] = (oxp_sweep_point){.label = oxp_sprintf(a->arena, "%s (as it is)", oxp_dtype_name(now)),
                               .runs = true,
                               .native = oxp_device_supports(a->r->device, now),
                               .metrics = a->r->baseline};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (oxp_dtype_bits(types[i]) >= oxp_dtype_bits(now))
            continue;
        p[n++] = (oxp_sweep_point){.label = oxp_dtype_name(types[i]),
                                   .runs = true,
                                   .native = oxp_device_supports(a->r->device, types[i]),
                                   .metrics = imagined(a, types[i], OXP_UNDEFINED)};
    }
    if (held_by_products(an) >= 0.5)
        p[n++] = (oxp_sweep_point){
            .label = oxp_sprintf(a->arena, "int4 weights, %s arithmetic", oxp_dtype_name(now)),
            .runs = true,
            .native = true,
            .metrics = imagined(a, OXP_UNDEFINED, OXP_INT4)};
    a->r->precisions = p;
    a->r->n_precisions = n;
}

/* The first input that is an image: "64x64" at this percentage; NULL: there is none. */
static const char *size_of_input(const oxp_advice *a, long percent, int64_t *pixels) {
    const oxp_graph *g = oxp_graph_at(a->m, OXP_MAIN_GRAPH);
    for (uint32_t i = 0; i < g->n_inputs; i++) {
        const oxp_type *t = &a->r->analysis->values[g->inputs[i]].type;
        if (oxp_value_at(a->m, g->inputs[i])->tensor != OXP_NONE || t->kind != OXP_KIND_TENSOR ||
            t->rank != 4 || !oxp_dim_is_literal(t->dims[2]) || !oxp_dim_is_literal(t->dims[3]) ||
            t->dims[2] < 16 || t->dims[3] < 16 || t->dims[2] > 1000000 || t->dims[3] > 1000000)
            continue;
        int64_t h = (t->dims[2] * percent / 100 + 4) / 8 * 8,
                w = (t->dims[3] * percent / 100 + 4) / 8 * 8;
        *pixels = h * w;
        return percent == 100 ? oxp_sprintf(a->arena, "%lldx%lld", (long long)t->dims[2],
                                            (long long)t->dims[3])
                              : oxp_sprintf(a->arena, "%lldx%lld", (long long)h, (long long)w);
    }
    return NULL;
}

static bool run_pass(const oxp_advice *a, oxp_model *copy, const char *name, const char *param) {
    oxp_pass_opts opts = OXP_PASS_OPTS_INIT;
    const oxp_pass_result *done;
    size_t n_done;
    opts.params = &param;
    opts.n_params = 1;
    opts.bindings = a->base.bindings;
    opts.n_bindings = a->base.n_bindings;
    opts.given = oxp_whatif_fresh(&a->w, name);
    opts.assume_weights = opts.allow_retraining = true;
    if (oxp_run_passes(copy, &name, 1, &opts, &done, &n_done) == OXP_OK)
        return n_done && done[0].changed;
    oxp_error_clear(oxp_model_ctx(copy));
    return false;
}

/* An item that frees the network from a resolution it is tied to: without it the input's size
 * changes next to nothing. */
static const oxp_item *frees_resolution(const oxp_advice *a) {
    for (size_t i = 0; i < a->n_items; i++) {
        const char *name = a->items[i].rule->projection.pass;
        const oxp_pass *pass = name ? oxp_pass_find(name) : NULL;
        if (a->items[i].projected && pass && (pass->flags & OXP_PASS_RETRAINING) &&
            (pass->flags & OXP_PASS_MAY_RESHAPE_IO))
            return &a->items[i];
    }
    return NULL;
}

void oxp_sweep_resolution(oxp_advice *a, const oxp_insight *insight) {
    static const long percents[] = {50, 75, 100, 150, 200};
    enum { N = sizeof percents / sizeof *percents };
    int64_t pixels;
    if (!insight->convolutions || insight->decoder || !size_of_input(a, 100, &pixels))
        return;
    const oxp_item *freed = frees_resolution(a);
    oxp_sweep_point *p = OXP_NEWS(a->arena, N, oxp_sweep_point);
    size_t valid = 0, told = oxp_diag_count(a->ctx);
    for (size_t i = 0; i < N; i++) {
        oxp_imagined types = {OXP_UNDEFINED, OXP_UNDEFINED, OXP_UNDEFINED};
        const char *why;
        p[i].label = size_of_input(a, percents[i], &pixels);
        p[i].native = true;
        if (percents[i] == 100) {
            p[i].runs = true;
            p[i].metrics = freed ? freed->after : a->r->baseline;
            continue;
        }
        oxp_model *copy = oxp_model_clone(a->m);
        if (freed)
            oxp_whatif_apply(&a->w, copy, freed->result, &types, &why);
        if (run_pass(a, copy, "scale-input", oxp_sprintf(a->arena, "percent=%ld", percents[i]))) {
            p[i].metrics = oxp_whatif_measure(&a->w, copy, types);
            p[i].runs = !p[i].metrics.lost && (!p[i].metrics.partial || a->r->baseline.partial);
        }
        oxp_close(copy);
        valid += p[i].runs;
    }
    oxp_diag_truncate(a->ctx, told);
    if (!valid)
        return;
    a->r->resolutions = p;
    a->r->n_resolutions = N;
    a->r->freed = freed;
}
