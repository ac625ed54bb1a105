/* batch.c - what happens when the batch grows: the model analysed again at each size. */
#include <string.h>

#include "analysis/latency.h"
#include "analysis/latency_impl.h"
#include "base/safe_math.h"

enum { NAMES_MAX = 32 };
static const int64_t default_batches[] = {1, 2, 4, 8, 16, 32, 64};

typedef struct batch_axis {
    const char *names[NAMES_MAX]; /* dimensions that lead inputs of rank 2 and more */
    size_t n_names;
    int64_t fixed; /* the literal there when none has a name; 0: there is none */
} batch_axis;

static bool is_assumed(const oxp_analysis *a, const char *name) {
    for (size_t i = 0; i < a->n_assumed; i++) {
        if (strcmp(a->assumed[i].name, name) == 0)
            return true;
    }
    return false;
}

static void find_axis(const oxp_analysis *a, batch_axis *axis, oxp_arena *arena) {
    const oxp_model *m = a->model;
    const oxp_graph *g = oxp_graph_at(m, OXP_MAIN_GRAPH);
    for (uint32_t i = 0; i < g->n_inputs; i++) {
        const oxp_type *t = &a->values[g->inputs[i]].symbolic;
        if (oxp_value_at(m, g->inputs[i])->tensor != OXP_NONE || t->kind != OXP_KIND_TENSOR ||
            t->rank < 2)
            continue;
        if (oxp_dim_is_literal(t->dims[0])) {
            axis->fixed = axis->fixed == 0 ? t->dims[0] : axis->fixed;
            continue;
        }
        const char *name = oxp_dim_text(oxp_model_dims(m), t->dims[0], arena);
        bool known = false;
        for (size_t k = 0; k < axis->n_names; k++)
            known = known || strcmp(axis->names[k], name) == 0;
        if (!known && axis->n_names < NAMES_MAX && is_assumed(a, name))
            axis->names[axis->n_names++] = name;
    }
}

static bool is_batch(const batch_axis *axis, const char *name) {
    for (size_t i = 0; i < axis->n_names; i++) {
        if (strcmp(axis->names[i], name) == 0)
            return true;
    }
    return false;
}

/* The analysis's bindings without those of the batch, and the batch's with `n` in front. */
static oxp_binding *bindings_for(const oxp_analysis *a, const oxp_analyze_opts *base,
                                 const batch_axis *axis, int64_t batch, size_t *n,
                                 oxp_arena *arena) {
    size_t shapes = base != NULL ? base->n_bindings : 0;
    oxp_binding *b = OXP_NEWS(arena, axis->n_names + a->n_assumed + shapes, oxp_binding);
    *n = 0;
    for (size_t i = 0; i < axis->n_names; i++)
        b[(*n)++] = (oxp_binding){.name = axis->names[i], .value = batch, .rank = -1};
    for (size_t i = 0; i < a->n_assumed; i++) {
        if (a->assumed[i].bound && !is_batch(axis, a->assumed[i].name))
            b[(*n)++] =
                (oxp_binding){.name = a->assumed[i].name, .value = a->assumed[i].value, .rank = -1};
    }
    for (size_t i = 0; i < shapes; i++) { /* inputs without a declared shape have no names */
        const oxp_binding *s = &base->bindings[i];
        if (s->rank <= 0)
            continue;
        int64_t *dims = OXP_NEWS(arena, (size_t)s->rank, int64_t);
        memcpy(dims, s->dims, (size_t)s->rank * sizeof *dims);
        dims[0] = -1;
        b[*n] = *s;
        b[(*n)++].dims = dims;
    }
    return b;
}

static void analyse_point(const oxp_analysis *a, const oxp_analyze_opts *base,
                          const batch_axis *axis, const oxp_device *d, oxp_dtype precision,
                          oxp_batch_point *p, oxp_arena *arena) {
    oxp_ctx *ctx = oxp_arena_ctx(arena);
    oxp_mark mark = oxp_arena_mark(arena);
    size_t diags = oxp_diag_count(ctx);
    bool clean = oxp_error_status(ctx) == OXP_OK;
    oxp_analyze_opts opts = OXP_ANALYZE_OPTS_INIT;
    opts.symbolic = false;
    opts.quiet = true;
    opts.bindings = bindings_for(a, base, axis, p->batch, &opts.n_bindings, arena);
    const oxp_analysis *b;
    p->valid = oxp_analyze(&b, a->model, &opts, arena) == OXP_OK &&
               (!b->totals.partial || a->totals.partial);
    if (p->valid) {
        p->flops = oxp_sat_add(b->totals.flops, b->totals.int_ops);
        p->peak_activation_bytes = b->totals.peak_activation_bytes;
        p->memory_bytes = oxp_memory_needed(b, precision);
        p->seconds = d != NULL ? oxp_latency(b, d, precision, NULL, NULL) : 0;
    }
    oxp_diag_truncate(ctx, diags);
    if (clean)
        oxp_error_clear(ctx);
    oxp_arena_rewind(arena, mark);
}

static void scale_point(const oxp_analysis *a, int64_t from, const oxp_device *d,
                        oxp_dtype precision, oxp_batch_point *p) {
    double scale = (double)p->batch / (double)from;
    p->valid = true;
    p->flops = (uint64_t)((double)oxp_sat_add(a->totals.flops, a->totals.int_ops) * scale);
    p->peak_activation_bytes = (uint64_t)((double)a->totals.peak_activation_bytes * scale);
    p->memory_bytes = oxp_memory_scaled(a, precision, scale);
    p->seconds = d != NULL ? oxp_latency_scaled(a, d, precision, scale, NULL, NULL) : 0;
}

static void find_knee(oxp_batch_sweep *s) {
    s->knee = s->n_points;
    for (size_t i = 0; i < s->n_points && s->points[i].valid; i++) {
        double best = s->points[i].throughput;
        if (best <= 0)
            return;
        for (size_t k = i + 1; k < s->n_points; k++)
            best = s->points[k].valid && s->points[k].fits && s->points[k].throughput > best
                       ? s->points[k].throughput
                       : best;
        if (best < s->points[i].throughput * 1.1) {
            s->knee = i + 1 < s->n_points ? i : s->n_points;
            return;
        }
    }
}

const oxp_batch_sweep *oxp_sweep_batch(const oxp_analysis *a, const oxp_analyze_opts *base,
                                       const oxp_device *d, oxp_dtype precision,
                                       const int64_t *batches, size_t n_batches, oxp_arena *arena) {
    oxp_batch_sweep *s = OXP_NEW(arena, oxp_batch_sweep);
    batch_axis axis = {.n_names = 0};
    find_axis(a, &axis, arena);
    if (axis.n_names == 0 && axis.fixed <= 0)
        return s;
    if (n_batches == 0) {
        batches = default_batches;
        n_batches = sizeof default_batches / sizeof *default_batches;
    }
    s->scaled = axis.n_names == 0;
    s->dim = s->scaled ? oxp_sprintf(arena, "%lld", (long long)axis.fixed) : axis.names[0];
    for (size_t i = 1; i < axis.n_names; i++)
        s->dim = oxp_sprintf(arena, "%s, %s", s->dim, axis.names[i]);
    oxp_batch_point *points = OXP_NEWS(arena, n_batches, oxp_batch_point);
    for (size_t i = 0; i < n_batches; i++) {
        oxp_batch_point *p = &points[i];
        p->batch = batches[i];
        if (s->scaled)
            scale_point(a, axis.fixed, d, precision, p);
        else
            analyse_point(a, base, &axis, d, precision, p, arena);
        p->throughput = p->valid && p->seconds > 0 ? (double)p->batch / p->seconds : 0;
        p->fits = p->valid && (d == NULL || p->memory_bytes <= d->memory);
    }
    s->points = points;
    s->n_points = n_batches;
    if (d != NULL)
        find_knee(s);
    else
        s->knee = s->n_points;
    return s;
}
