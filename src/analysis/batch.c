/* batch.c - what happens when the batch grows: the model analysed again at each size. */
#include <stdlib.h>
#include <string.h>

#include "analysis/latency.h"
#include "analysis/latency_impl.h"
#include "base/safe_math.h"
#include "ops/op.h"

enum { NAMES_MAX = 32, UNASKED_MAX = 200000 };
static const int64_t default_batches[] = {1, 2, 4, 8, 16, 32, 64};

typedef struct batch_axis {
    const char *names[NAMES_MAX]; /* batch dimensions of inputs of rank 2 and more */
    size_t n_names;
    int64_t fixed; /* the literal there when none has a name; 0: none that is a batch */
} batch_axis;

static bool is_assumed(const oxp_analysis *a, const char *name) {
    for (size_t i = 0; i < a->n_assumed; i++) {
        if (strcmp(a->assumed[i].name, name) == 0)
            return true;
    }
    return false;
}

/* ---- which axis of an input is the batch ---- */

enum { FOLLOW_MAX = 64 }; /* values that are looked at from one input on */

/* Does the node's output keep the leading two axes of this input? */
static bool keeps_leading_axes(const oxp_node *n, uint32_t slot) {
    uint32_t f = n->def != NULL ? n->def->flags : 0;
    if (f & (OXP_OP_ELEMENTWISE | OXP_OP_UNARY | OXP_OP_ACTIVATION | OXP_OP_NORM))
        return true;
    if (f & OXP_OP_MATMUL)
        return slot == 0;
    return (f & OXP_OP_MOVE) && slot == 1 && oxp_attr_int(n, "axis", 0) == 0; /* of a table */
}

/* 1: a recurrent layer reads the value with its steps or directions first; 0: batch first; -1: it
 * is none that does. */
static int axis_at(const oxp_node *n, uint32_t slot) {
    bool recurrent = n->def != NULL && (n->def->flags & OXP_OP_RECURRENT);
    if (!recurrent || (slot != 0 && slot != 5 && slot != 6))
        return -1;
    return oxp_attr_int(n, "layout", 0) == 0;
}

int oxp_batch_axis(const oxp_model *m, oxp_id input) {
    oxp_id seen[FOLLOW_MAX] = {input};
    size_t n_seen = 1;
    for (size_t i = 0; i < n_seen; i++) {
        oxp_id u = oxp_value_at(m, seen[i])->first_use;
        for (int k = 0; u != OXP_NONE && k < FOLLOW_MAX; k++) {
            const oxp_use *use = oxp_use_at(m, u);
            const oxp_node *n = oxp_node_at(m, use->node);
            u = use->next;
            int axis = axis_at(n, use->slot);
            if (axis >= 0)
                return axis;
            if (keeps_leading_axes(n, use->slot) && n->n_out > 0 && n->out[0] != OXP_NONE &&
                n_seen < FOLLOW_MAX)
                seen[n_seen++] = n->out[0];
        }
    }
    return 0;
}

/* Is the first axis of what the node reads the batch by definition: of images and signals that
 * are convolved or pooled, of rows that weights are multiplied with? */
static bool defines_batch(const oxp_node *n, uint32_t slot) {
    uint32_t f = n->def != NULL ? n->def->flags : 0;
    return slot == 0 && (f & (OXP_OP_CONV | OXP_OP_POOL | OXP_OP_MATMUL)) != 0;
}

/* A size that the file fixes is a batch where it is 1, in front of an image or a volume, and where
 * a layer that reads the input takes its first axis for that; else it may be anything. */
static bool is_fixed_batch(const oxp_model *m, oxp_id input, int rank, int64_t size) {
    enum { IMAGE_RANK = 4 };
    oxp_id seen[FOLLOW_MAX] = {input};
    size_t n_seen = 1;
    if (size == 1 || rank >= IMAGE_RANK || oxp_batch_axis(m, input) > 0)
        return true;
    for (size_t i = 0; i < n_seen; i++) {
        oxp_id u = oxp_value_at(m, seen[i])->first_use;
        for (int k = 0; u != OXP_NONE && k < FOLLOW_MAX; k++) {
            const oxp_use *use = oxp_use_at(m, u);
            const oxp_node *n = oxp_node_at(m, use->node);
            u = use->next;
            if (defines_batch(n, use->slot) || axis_at(n, use->slot) == 0)
                return true;
            if (keeps_leading_axes(n, use->slot) && n->n_out > 0 && n->out[0] != OXP_NONE &&
                n_seen < FOLLOW_MAX)
                seen[n_seen++] = n->out[0];
        }
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
        oxp_dim d = t->dims[oxp_batch_axis(m, g->inputs[i])];
        if (oxp_dim_is_literal(d)) {
            if (axis->fixed == 0 && is_fixed_batch(m, g->inputs[i], t->rank, d))
                axis->fixed = d;
            continue;
        }
        const char *name = oxp_dim_text(oxp_model_dims(m), d, arena);
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

/* The batch axis of an input whose shape was given. */
static int shape_axis(const oxp_model *m, const oxp_binding *b) {
    const oxp_graph *g = oxp_graph_at(m, OXP_MAIN_GRAPH);
    for (uint32_t i = 0; i < g->n_inputs && b->rank > 1; i++) {
        if (strcmp(oxp_value_at(m, g->inputs[i])->name, b->name) == 0)
            return oxp_batch_axis(m, g->inputs[i]);
    }
    return 0;
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
        dims[shape_axis(a->model, s)] = -1;
        b[*n] = *s;
        b[(*n)++].dims = dims;
    }
    return b;
}

static const oxp_analysis *analyse_at(const oxp_analysis *a, const oxp_analyze_opts *base,
                                      const batch_axis *axis, int64_t batch, oxp_arena *arena) {
    oxp_ctx *ctx = oxp_arena_ctx(arena);
    size_t diags = oxp_diag_count(ctx);
    bool clean = oxp_error_status(ctx) == OXP_OK;
    oxp_analyze_opts opts = OXP_ANALYZE_OPTS_INIT;
    opts.symbolic = false;
    opts.quiet = true;
    opts.bindings = bindings_for(a, base, axis, batch, &opts.n_bindings, arena);
    const oxp_analysis *b = NULL;
    bool valid = oxp_analyze(&b, a->model, &opts, arena) == OXP_OK &&
                 (!b->totals.partial || a->totals.partial);
    oxp_diag_truncate(ctx, diags);
    if (clean)
        oxp_error_clear(ctx);
    return valid ? b : NULL;
}

static void fill_point(const oxp_analysis *b, double scale, const oxp_batch_meter *meter,
                       oxp_batch_point *p) {
    p->valid = true;
    p->flops = oxp_scaled(oxp_sat_add(b->totals.flops, b->totals.int_ops), scale);
    p->peak_activation_bytes = oxp_scaled(b->totals.peak_activation_bytes, scale);
    p->memory_bytes = meter->memory(meter->arg, b, scale);
    p->seconds = meter->device != NULL ? meter->seconds(meter->arg, b, scale) : 0;
}

static void analyse_point(const oxp_analysis *a, const oxp_analyze_opts *base,
                          const batch_axis *axis, const oxp_batch_meter *meter, oxp_batch_point *p,
                          oxp_arena *arena) {
    oxp_mark mark = oxp_arena_mark(arena);
    const oxp_analysis *b = analyse_at(a, base, axis, p->batch, arena);
    if (b != NULL)
        fill_point(b, 1, meter, p);
    oxp_arena_rewind(arena, mark);
}

/* ---- between two batches that were analysed ----
 *
 * Costs of nodes are almost always affine in the batch: f(B) = f(lo) + (f(hi) - f(lo)) (B - lo) /
 * (hi - lo).  Sums of them are, too, and the peak, a maximum of affine functions, is convex: when a
 * third batch between the two lies on the line, every point between them does.  So three analyses
 * tell the rest exactly; where the third is off the line, each batch is analysed. */
typedef struct line {
    const oxp_analysis *lo, *hi;
    int64_t from, to;
} line;

static bool between(uint64_t lo, uint64_t hi, const line *l, int64_t batch, uint64_t *out) {
    *out = UINT64_MAX;
    if (lo == UINT64_MAX || hi == UINT64_MAX)
        return lo == hi;
    uint64_t span = (uint64_t)(l->to - l->from), step = (uint64_t)(batch - l->from), part;
    if (hi < lo || (hi - lo) % span != 0 || !oxp_mul_u64((hi - lo) / span, step, &part))
        return false;
    *out = lo + part;
    return true;
}

/* Traffic is not quite affine where a node reads no more than it writes: close enough for time. */
static uint64_t about(uint64_t lo, uint64_t hi, const line *l, int64_t batch) {
    double share = (double)(batch - l->from) / (double)(l->to - l->from);
    if (lo == UINT64_MAX || hi == UINT64_MAX)
        return UINT64_MAX;
    double bytes = (double)lo + ((double)hi - (double)lo) * share;
    if (!(bytes > 0))
        return 0;
    return bytes < 0x1p64 ? (uint64_t)bytes : UINT64_MAX;
}

/* Fills `nodes` and the totals of `b` for this batch; false: not affine. */
static bool interpolate(const line *l, int64_t batch, oxp_analysis *b, oxp_node_info *nodes) {
    const oxp_totals *x = &l->lo->totals, *y = &l->hi->totals;
    bool ok = between(x->flops, y->flops, l, batch, &b->totals.flops) &&
              between(x->int_ops, y->int_ops, l, batch, &b->totals.int_ops) &&
              between(x->peak_activation_bytes, y->peak_activation_bytes, l, batch,
                      &b->totals.peak_activation_bytes) &&
              between(x->run_peak_bytes, y->run_peak_bytes, l, batch, &b->totals.run_peak_bytes);
    size_t n = oxp_node_count(b->model);
    for (size_t i = 0; i < n && ok; i++) {
        const oxp_node_info *p = &l->lo->nodes[i], *q = &l->hi->nodes[i];
        nodes[i] = *p;
        ok = p->times == q->times && between(p->flops, q->flops, l, batch, &nodes[i].flops) &&
             between(p->macs, q->macs, l, batch, &nodes[i].macs) &&
             between(p->int_ops, q->int_ops, l, batch, &nodes[i].int_ops);
        nodes[i].bytes_moved = about(p->bytes_moved, q->bytes_moved, l, batch);
    }
    return ok;
}

static bool on_the_line(const line *l, const oxp_analysis *third, int64_t batch, oxp_analysis *b,
                        oxp_node_info *nodes) {
    return third != NULL && interpolate(l, batch, b, nodes) &&
           b->totals.flops == third->totals.flops && b->totals.int_ops == third->totals.int_ops &&
           b->totals.peak_activation_bytes == third->totals.peak_activation_bytes &&
           b->totals.run_peak_bytes == third->totals.run_peak_bytes;
}

/* All points from the smallest, the largest and one between; false: they must be analysed. */
static bool fit_points(const oxp_analysis *a, const oxp_analyze_opts *base, const batch_axis *axis,
                       const oxp_batch_meter *meter, oxp_batch_point *points, size_t n,
                       oxp_arena *arena) {
    line l = {.from = points[0].batch, .to = points[n - 1].batch};
    for (size_t i = 1; i < n; i++) {
        if (points[i].batch <= points[i - 1].batch)
            return false;
    }
    bool same = true; /* the analysis at hand is already that of the smallest batch */
    for (size_t i = 0; i < a->n_assumed; i++)
        same =
            same && (!is_batch(axis, a->assumed[i].name) || a->assumed[i].value == points[0].batch);
    oxp_mark mark = oxp_arena_mark(arena);
    l.lo = same ? a : analyse_at(a, base, axis, l.from, arena);
    l.hi = analyse_at(a, base, axis, l.to, arena);
    bool ok = false;
    if (l.lo != NULL && l.hi != NULL) {
        oxp_analysis b = *l.hi;
        oxp_node_info *nodes = OXP_NEWS(arena, oxp_node_count(a->model) + 1, oxp_node_info);
        b.nodes = nodes;
        int64_t middle = points[n / 2].batch;
        ok = on_the_line(&l, analyse_at(a, base, axis, middle, arena), middle, &b, nodes);
        for (size_t i = 0; i < n && ok; i++) {
            ok = interpolate(&l, points[i].batch, &b, nodes);
            if (ok)
                fill_point(&b, 1, meter, &points[i]);
        }
    }
    oxp_arena_rewind(arena, mark);
    return ok;
}

bool oxp_at_batch(const oxp_analysis *a, const oxp_analyze_opts *base, int64_t batch,
                  oxp_arena *arena, const oxp_analysis **out, double *scale) {
    batch_axis axis = {.n_names = 0};
    find_axis(a, &axis, arena);
    *out = a;
    *scale = axis.fixed > 0 ? (double)batch / (double)axis.fixed : 1;
    if (axis.n_names == 0)
        return axis.fixed > 0;
    *scale = 1;
    bool same = true;
    for (size_t i = 0; i < a->n_assumed; i++)
        same = same && (!is_batch(&axis, a->assumed[i].name) || a->assumed[i].value == batch);
    if (!same)
        *out = analyse_at(a, base, &axis, batch, arena);
    return *out != NULL;
}

bool oxp_is_batch_name(const oxp_analysis *a, const char *name, oxp_arena *arena) {
    batch_axis axis = {.n_names = 0};
    find_axis(a, &axis, arena);
    return is_batch(&axis, name);
}

int64_t oxp_batch_of(const oxp_analysis *a, oxp_arena *arena) {
    batch_axis axis = {.n_names = 0};
    find_axis(a, &axis, arena);
    for (size_t i = 0; i < a->n_assumed; i++)
        if (is_batch(&axis, a->assumed[i].name))
            return a->assumed[i].value;
    return axis.n_names == 0 && axis.fixed > 0 ? axis.fixed : 1;
}

/* May this batch run, as far as is known, and how fast?  Where nothing fits, all are compared. */
static bool may_run(const oxp_batch_sweep *s, size_t i, bool any_fits) {
    const oxp_batch_point *p = &s->points[i];
    return p->valid && p->throughput > 0 && (p->fits || p->memory_bytes == UINT64_MAX || !any_fits);
}

static void find_knee(oxp_batch_sweep *s) {
    bool any_fits = false;
    for (size_t i = 0; i < s->n_points; i++)
        any_fits = any_fits || s->points[i].fits || s->points[i].memory_bytes == UINT64_MAX;
    double beyond = 0; /* the best throughput of larger batches */
    for (size_t i = s->n_points; i-- > 0;) {
        if (!may_run(s, i, any_fits))
            continue;
        double here = s->points[i].throughput;
        if (s->best == s->n_points)
            s->best = i;
        else if (beyond < here * 1.1)
            s->knee = i;
        beyond = here > beyond ? here : beyond;
        s->grows = i != s->best;
    }
    s->grows = s->grows && s->knee == s->n_points;
    s->best = s->knee < s->n_points ? s->knee : s->best;
}

static int by_size(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* Points of these sizes, each once, from the smallest. */
static oxp_batch_point *points_of(const int64_t *batches, size_t *n, oxp_arena *arena) {
    int64_t *sorted = OXP_NEWS(arena, *n, int64_t);
    memcpy(sorted, batches, *n * sizeof *sorted);
    qsort(sorted, *n, sizeof *sorted, by_size);
    oxp_batch_point *points = OXP_NEWS(arena, *n, oxp_batch_point);
    size_t kept = 0;
    for (size_t i = 0; i < *n; i++)
        if (i == 0 || sorted[i] != sorted[i - 1])
            points[kept++].batch = sorted[i];
    *n = kept;
    return points;
}

const oxp_batch_sweep *oxp_sweep_batch_by(const oxp_analysis *a, const oxp_analyze_opts *base,
                                          const oxp_batch_meter *meter, const int64_t *batches,
                                          size_t n_batches, oxp_arena *arena) {
    const oxp_device *d = meter->device;
    oxp_batch_sweep *s = OXP_NEW(arena, oxp_batch_sweep);
    batch_axis axis = {.n_names = 0};
    find_axis(a, &axis, arena);
    if (axis.n_names == 0 && axis.fixed <= 0)
        return s;
    if (n_batches == 0) {
        /* Nobody asked, and a huge model costs seconds and its size in memory again. */
        s->too_large = oxp_node_count(a->model) > UNASKED_MAX;
        if (s->too_large)
            return s;
        batches = default_batches;
        n_batches = sizeof default_batches / sizeof *default_batches;
    }
    s->scaled = axis.n_names == 0;
    s->dim = s->scaled ? oxp_sprintf(arena, "%lld", (long long)axis.fixed) : axis.names[0];
    for (size_t i = 1; i < axis.n_names; i++)
        s->dim = oxp_sprintf(arena, "%s, %s", s->dim, axis.names[i]);
    oxp_batch_point *points = points_of(batches, &n_batches, arena);
    /* where outputs count by themselves, the values of each size are looked at, too */
    bool by_output = d != NULL && d->per_output > 0;
    bool fitted = !s->scaled && !by_output && n_batches > 3 &&
                  fit_points(a, base, &axis, meter, points, n_batches, arena);
    for (size_t i = 0; i < n_batches; i++) {
        oxp_batch_point *p = &points[i];
        if (s->scaled)
            fill_point(a, (double)p->batch / (double)axis.fixed, meter, p);
        else if (!fitted)
            analyse_point(a, base, &axis, meter, p, arena);
        p->throughput = p->valid && p->seconds != 0 ? (double)p->batch / p->seconds : 0;
        p->fits = p->valid && (d == NULL || p->memory_bytes <= d->memory);
    }
    s->points = points;
    s->n_points = s->knee = s->best = n_batches;
    if (d != NULL)
        find_knee(s);
    return s;
}

/* All floats in one type. */
typedef struct one_type {
    const oxp_device *device;
    oxp_dtype precision;
} one_type;

static double seconds_in(void *arg, const oxp_analysis *a, double scale) {
    const one_type *t = arg;
    oxp_latency_sum sum;
    oxp_latency_all(a, &t->device, 1, t->precision, scale, &sum, NULL);
    return sum.seconds;
}

static uint64_t memory_in(void *arg, const oxp_analysis *a, double scale) {
    const one_type *t = arg;
    return oxp_memory_scaled(a, t->precision, scale);
}

const oxp_batch_sweep *oxp_sweep_batch(const oxp_analysis *a, const oxp_analyze_opts *base,
                                       const oxp_device *d, oxp_dtype precision,
                                       const int64_t *batches, size_t n_batches, oxp_arena *arena) {
    one_type t = {d, precision};
    oxp_batch_meter meter = {d, seconds_in, memory_in, &t};
    return oxp_sweep_batch_by(a, base, &meter, batches, n_batches, arena);
}
