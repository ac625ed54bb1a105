/* whatif.c - projections: patch a copy, analyse it again, measure. */
#include <math.h>
#include <string.h>

#include "base/safe_math.h"
#include "ops/op.h"
#include "rewrite/project.h"
#include "rules/roadmap.h"

/* Seconds of a run.  With a precision of integers only what quantization reaches changes its type:
 * convolutions, products and what lies elementwise between them; normalizations, softmax and
 * reductions stay in floating point, as quantizers leave them. */
static double seconds_of(const oxp_whatif *w, const oxp_analysis *a, oxp_dtype precision) {
    if (!precision || oxp_dtype_is_float(precision))
        return oxp_latency(a, w->device, precision, NULL, NULL);
    oxp_mark mark = oxp_arena_mark(w->arena);
    size_t n = oxp_node_count(a->model);
    oxp_node_latency *as_is = OXP_NEWS(w->arena, n + 1, oxp_node_latency);
    oxp_node_latency *low = OXP_NEWS(w->arena, n + 1, oxp_node_latency);
    oxp_latency_sum sum;
    double total = oxp_latency(a, w->device, OXP_UNDEFINED, &sum, as_is);
    oxp_latency(a, w->device, precision, NULL, low);
    for (oxp_id i = 0; i < n; i++)
        if (oxp_node_at(a->model, i)->live && oxp_class_of(a, i) != OXP_CLASS_NORM &&
            oxp_class_of(a, i) != OXP_CLASS_RECURRENT)
            total += low[i].seconds - as_is[i].seconds;
    oxp_arena_rewind(w->arena, mark);
    return total;
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

static uint64_t scaled(uint64_t bytes, const oxp_analysis *a, oxp_dtype precision) {
    uint64_t before = oxp_memory_needed(a, OXP_UNDEFINED), after = oxp_memory_needed(a, precision);
    if (!precision || bytes == UINT64_MAX || !before || before == UINT64_MAX)
        return bytes;
    return (uint64_t)((double)bytes * ((double)after / (double)before));
}

/* Weight-only quantization: stored weights of products are read in `t` with a float16 scale for
 * each block of 32 and widened on the way in; the arithmetic stays as it is. */
static void shrink_weights(const oxp_whatif *w, const oxp_analysis *a, oxp_dtype t,
                           oxp_metrics *m) {
    oxp_mark mark = oxp_arena_mark(w->arena);
    size_t n = oxp_node_count(a->model);
    oxp_node_latency *l = OXP_NEWS(w->arena, n + 1, oxp_node_latency);
    oxp_latency(a, w->device, OXP_UNDEFINED, NULL, l);
    double bits = (double)oxp_dtype_bits(t) + 16.0 / 32, saved_bytes = 0;
    for (oxp_id i = 0; i < n; i++) {
        const oxp_node *node = oxp_node_at(a->model, i);
        const oxp_node_info *info = &a->nodes[i];
        if (!node->live || oxp_class_of(a, i) != OXP_CLASS_MATMUL || !info->params ||
            info->params == UINT64_MAX || info->weight_bytes == UINT64_MAX)
            continue;
        double saved = (double)info->weight_bytes - (double)info->params * bits / 8;
        if (saved <= 0)
            continue;
        saved_bytes += saved;
        if (!info->bytes_moved || info->bytes_moved == UINT64_MAX)
            continue;
        double memory = l[i].memory * fmax(0, 1 - saved / (double)info->bytes_moved);
        m->latency -= fmax(l[i].compute, l[i].memory) - fmax(l[i].compute, memory);
    }
    oxp_arena_rewind(w->arena, mark);
    if (saved_bytes > (double)m->weight_bytes)
        return; /* weights that are shared many times: nothing can be said */
    m->weight_bytes -= (uint64_t)saved_bytes;
    if (m->memory != UINT64_MAX && m->memory > saved_bytes)
        m->memory -= (uint64_t)saved_bytes;
}

oxp_metrics oxp_measure(const oxp_whatif *w, const oxp_analysis *a, oxp_imagined types) {
    oxp_dtype precision = types.precision;
    const oxp_totals *t = &a->totals;
    oxp_metrics m = {.flops = t->flops,
                     .int_ops = t->int_ops,
                     .params = t->params,
                     .nodes = t->nodes,
                     .known = true};
    m.weight_bytes = weights_as(a, precision);
    m.peak_activation_bytes = scaled(t->peak_activation_bytes, a, precision);
    m.latency = seconds_of(w, a, precision);
    m.memory = oxp_memory_needed(a, precision);
    if (types.weights)
        shrink_weights(w, a, types.weights, &m);
    m.throughput = m.latency > 0 ? 1 / m.latency : 0;
    m.size = oxp_sat_add(m.weight_bytes, w->overhead);
    if (w->batch > 1) {
        const oxp_batch_sweep *s =
            oxp_sweep_batch(a, w->base, w->device, precision, &w->batch, 1, w->arena);
        const oxp_batch_point *p = s && s->n_points && s->points[0].valid ? &s->points[0] : NULL;
        if (p && s->dim) {
            m.throughput = p->throughput;
            m.memory = types.weights ? m.memory : p->memory_bytes;
        }
    }
    for (size_t i = 0; i < OXP_LATENCY_BATCHES && w->latency_batches[i]; i++) {
        const oxp_batch_sweep *s =
            oxp_sweep_batch(a, w->base, w->device, precision, &w->latency_batches[i], 1, w->arena);
        if (s && s->n_points && s->points[0].valid && s->dim)
            m.latency_at[i] = s->points[0].seconds;
    }
    return m;
}

static const char *id_list(oxp_arena *arena, const oxp_rule_result *r) {
    char *text = oxp_alloc(arena, r->n_nodes * 11 + 16, 1);
    size_t n = (size_t)(memcpy(text, "nodes=", 6), 6);
    for (size_t i = 0; i < r->n_nodes; i++) {
        char digits[12];
        size_t k = 0;
        for (oxp_id v = r->nodes[i]; v || !k; v /= 10)
            digits[k++] = (char)('0' + v % 10);
        if (i)
            text[n++] = ',';
        while (k)
            text[n++] = digits[--k];
    }
    return text;
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

bool oxp_whatif_apply(const oxp_whatif *w, oxp_model *copy, const oxp_rule_result *r,
                      oxp_imagined *types, const char **why) {
    const oxp_rule_projection *p = &r->rule->projection;
    oxp_pass_opts opts = OXP_PASS_OPTS_INIT;
    const oxp_pass_result *done;
    size_t n_done;
    *why = "";
    if (p->precision)
        types->precision = p->precision;
    if (p->weights)
        types->weights = p->weights;
    if (!p->pass)
        return p->precision != OXP_UNDEFINED || p->weights != OXP_UNDEFINED;
    const char **params = OXP_NEWS(w->arena, p->n_params + 1, const char *);
    for (size_t i = 0; i < p->n_params; i++)
        params[i] = p->params[i];
    params[p->n_params] = id_list(w->arena, r);
    opts.params = params;
    opts.n_params = p->n_params + 1;
    opts.bindings = bindings_of(w, p, &opts.n_bindings);
    opts.assume_weights = opts.allow_retraining = true;
    if (oxp_run_passes(copy, &p->pass, 1, &opts, &done, &n_done) != OXP_OK) {
        *why = oxp_strdup(w->arena, oxp_error_text(oxp_model_ctx(copy)));
        oxp_error_clear(oxp_model_ctx(copy));
        return false;
    }
    size_t changed = 0;
    for (size_t i = 0; i < n_done; i++) {
        changed += done[i].changed;
        *why = done[i].changed && done[i].summary ? done[i].summary
               : done[i].n_skipped
                   ? oxp_sprintf(w->arena, "%s%s%s", done[i].skipped[0].node,
                                 *done[i].skipped[0].node ? ": " : "", done[i].skipped[0].reason)
                   : "there is nothing to change";
    }
    *why = oxp_strdup(w->arena, *why);
    return changed > 0;
}

oxp_metrics oxp_whatif_measure(const oxp_whatif *w, oxp_model *copy, oxp_imagined types) {
    const oxp_analysis *a =
        oxp_analyze_remaining(copy, w->base->bindings, w->base->n_bindings, w->arena);
    return oxp_measure(w, a, types);
}
