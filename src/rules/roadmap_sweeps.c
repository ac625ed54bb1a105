/* roadmap_sweeps.c - the same model in other data types and at other resolutions. */
#include <math.h>
#include <string.h>

#include "analysis/insight.h"
#include "base/safe_math.h"
#include "ops/op.h"
#include "rewrite/project.h"
#include "rules/roadmap_impl.h"

enum { LARGEST = 200 }; /* per cent of the image, in a sweep */

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

/* FLOPs of the convolutions; UINT64_MAX: some are not known. */
static uint64_t convolutions_of(const oxp_analysis *an) {
    uint64_t flops = 0;
    for (oxp_id i = 0; i < oxp_node_count(an->model); i++) {
        const oxp_node *n = oxp_node_at(an->model, i);
        if (!n->live || !n->def || !(n->def->flags & OXP_OP_CONV))
            continue;
        if (!an->nodes[i].known)
            return UINT64_MAX;
        flops = oxp_sat_add(flops, an->nodes[i].flops);
    }
    return flops;
}

/* The first thing that was found wrong since; "" = nothing was said. */
static const char *wrong_since(const oxp_advice *a, size_t told) {
    for (size_t i = told; i < oxp_diag_count(a->ctx); i++) {
        const oxp_diag *d = oxp_diag_at(a->ctx, i);
        if (d->severity == OXP_ERROR)
            return oxp_sprintf(a->arena, "%s: %s", d->where, d->text);
    }
    return "";
}

/* The copy at another size; where it does not run, what its convolutions take all the same, and
 * why not. */
static void measure_scaled(oxp_advice *a, oxp_model *copy, oxp_imagined types, oxp_sweep_point *p) {
    oxp_arena *scratch = oxp_arena_new(a->ctx);
    size_t told = oxp_diag_count(a->ctx);
    const oxp_analysis *an =
        oxp_analyze_remaining(copy, a->base.bindings, a->base.n_bindings, scratch);
    p->metrics = oxp_measure(&a->w, an, types, scratch);
    p->runs = !p->metrics.lost && (!p->metrics.partial || a->r->baseline.partial);
    p->convolutions = convolutions_of(an);
    p->why = p->runs ? "" : wrong_since(a, told);
    oxp_arena_free(scratch);
}

static void measure_at(oxp_advice *a, const oxp_item *freed, long percent, oxp_sweep_point *p) {
    oxp_imagined types = {OXP_UNDEFINED, OXP_UNDEFINED, OXP_UNDEFINED};
    oxp_whatif_done done;
    oxp_model *copy = oxp_model_clone(a->m);
    if (freed)
        oxp_whatif_apply(&a->w, copy, freed->result, &types, &done);
    if (run_pass(a, copy, "scale-input", oxp_sprintf(a->arena, "percent=%ld", percent)))
        measure_scaled(a, copy, types, p);
    oxp_close(copy);
}

static bool may_free(const oxp_item *it) {
    const char *name = it->rule->projection.pass;
    const oxp_pass *pass = name ? oxp_pass_find(name) : NULL;
    return it->projected && pass && (pass->flags & OXP_PASS_RETRAINING) &&
           (pass->flags & OXP_PASS_MAY_RESHAPE_IO);
}

/* Where the cost does not follow the image (it is resized inside), the item with which it does;
 * NULL: none is needed, or helps. */
static const oxp_item *frees_resolution(oxp_advice *a, oxp_sweep_point *largest) {
    measure_at(a, NULL, LARGEST, largest);
    if (!largest->runs || largest->metrics.flops > a->r->baseline.flops / 2 * 3)
        return NULL;
    for (size_t i = 0; i < a->n_items; i++) {
        oxp_sweep_point with = *largest;
        if (!may_free(&a->items[i]))
            continue;
        measure_at(a, &a->items[i], LARGEST, &with);
        if (!with.runs || with.metrics.flops < a->items[i].after.flops / 2 * 3)
            continue;
        *largest = with;
        return &a->items[i];
    }
    return NULL;
}

void oxp_sweep_resolution(oxp_advice *a, const oxp_insight *insight) {
    static const long percents[] = {50, 75, 100, 150, LARGEST};
    enum { N = sizeof percents / sizeof *percents };
    int64_t pixels;
    if (!insight->convolutions || insight->decoder || !size_of_input(a, 100, &pixels))
        return;
    oxp_sweep_point *p = OXP_NEWS(a->arena, N, oxp_sweep_point);
    size_t valid = 0, told = oxp_diag_count(a->ctx);
    const oxp_item *freed = frees_resolution(a, &p[N - 1]);
    for (size_t i = 0; i < N; i++) {
        p[i].label = size_of_input(a, percents[i], &pixels);
        p[i].native = true;
        if (percents[i] == 100) {
            p[i].runs = true;
            p[i].metrics = freed ? freed->after : a->r->baseline;
            p[i].convolutions = convolutions_of(a->r->analysis);
            continue;
        }
        if (i < N - 1)
            measure_at(a, freed, percents[i], &p[i]);
        valid += p[i].runs;
    }
    oxp_diag_truncate(a->ctx, told);
    a->r->resolutions = p;
    a->r->n_resolutions = N;
    a->r->tied = !valid;
    a->r->freed = freed;
}
