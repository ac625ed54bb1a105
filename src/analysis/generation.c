/* generation.c - a new token without a key/value cache and with one. */
#include "analysis/generation.h"

#include <string.h>

#include "base/safe_math.h"

/* The named size along which the tokens of this input lie, behind the batch; NULL: it is none of
 * tokens (ids or their embeddings), or has no name there. */
static const char *tokens_of(const oxp_analysis *a, oxp_id input, oxp_arena *arena) {
    const oxp_type *t = &a->values[input].symbolic;
    if (oxp_value_at(a->model, input)->tensor != OXP_NONE || t->kind != OXP_KIND_TENSOR ||
        t->rank != (oxp_dtype_is_float(t->elem) ? 3 : 2) || oxp_dim_is_literal(t->dims[1]))
        return NULL;
    return oxp_dim_text(oxp_model_dims(a->model), t->dims[1], arena);
}

static bool varies(const oxp_analysis *a, const char *name, oxp_arena *arena) {
    const oxp_graph *g = oxp_graph_at(a->model, OXP_MAIN_GRAPH);
    for (uint32_t i = 0; i < g->n_inputs; i++) {
        const char *found = tokens_of(a, g->inputs[i], arena);
        if (found && !strcmp(found, name))
            return true;
    }
    return false;
}

static bool has_tokens(const oxp_analysis *a, const bool *sequence, int64_t tokens) {
    bool same = true;
    for (size_t i = 0; i < a->n_assumed; i++)
        same = same && (!sequence[i] || a->assumed[i].value == tokens);
    return same;
}

/* All sizes as they are, but `tokens` tokens. */
static const oxp_analysis *at_tokens(const oxp_analysis *a, const oxp_analyze_opts *base,
                                     const bool *sequence, int64_t tokens, oxp_arena *arena) {
    oxp_ctx *ctx = oxp_arena_ctx(arena);
    size_t told = oxp_diag_count(ctx), n = 0;
    if (has_tokens(a, sequence, tokens))
        return a;
    oxp_binding *b = OXP_NEWS(arena, a->n_assumed + base->n_bindings + 1, oxp_binding);
    for (size_t i = 0; i < a->n_assumed; i++)
        b[n++] = (oxp_binding){.name = a->assumed[i].name,
                               .value = sequence[i] ? tokens : a->assumed[i].value,
                               .rank = -1};
    for (size_t i = 0; i < base->n_bindings; i++)
        if (base->bindings[i].rank >= 0)
            b[n++] = base->bindings[i];
    oxp_analyze_opts opts = OXP_ANALYZE_OPTS_INIT;
    const oxp_analysis *at = NULL;
    opts.symbolic = false;
    opts.quiet = true;
    opts.bindings = b;
    opts.n_bindings = n;
    bool ok = oxp_analyze(&at, a->model, &opts, arena) == OXP_OK &&
              (!at->totals.partial || a->totals.partial);
    oxp_diag_truncate(ctx, told);
    if (!ok)
        oxp_error_clear(ctx);
    return ok ? at : NULL;
}

/* Samples of a run: each has its own cache. */
static double batch_of(const oxp_analysis *a) {
    const oxp_graph *g = oxp_graph_at(a->model, OXP_MAIN_GRAPH);
    for (uint32_t i = 0; i < g->n_inputs; i++) {
        const oxp_type *t = &a->values[g->inputs[i]].type;
        if (oxp_value_at(a->model, g->inputs[i])->tensor == OXP_NONE &&
            t->kind == OXP_KIND_TENSOR && t->rank > 1 && oxp_dim_is_literal(t->dims[0]))
            return (double)t->dims[0];
    }
    return 1;
}

static uint64_t work(const oxp_analysis *a) {
    return oxp_sat_add(a->totals.flops, a->totals.int_ops);
}

const oxp_generation *oxp_generation_of(const oxp_analysis *a, const oxp_analyze_opts *base,
                                        const oxp_insight *in, const oxp_device *d,
                                        oxp_arena *arena) {
    if (!in->decoder || in->kv.in_graph || !in->kv.bytes_per_token)
        return NULL;
    oxp_generation *g = OXP_NEW(arena, oxp_generation);
    oxp_mark mark = oxp_arena_mark(arena);
    bool *sequence = OXP_NEWS(arena, a->n_assumed + 1, bool);
    bool any = false;
    int64_t tokens = OXP_GENERATION_TOKENS;
    if (in->kv.context_from_table && in->kv.context < (uint64_t)tokens)
        tokens = (int64_t)in->kv.context;
    for (size_t i = 0; i < a->n_assumed; i++) {
        sequence[i] = varies(a, a->assumed[i].name, arena);
        any |= sequence[i];
        if (sequence[i] && a->assumed[i].bound && a->assumed[i].value > 1)
            tokens = a->assumed[i].value;
    }
    const oxp_analysis *one = any ? at_tokens(a, base, sequence, 1, arena) : NULL;
    const oxp_analysis *all =
        one && tokens > 1 ? at_tokens(a, base, sequence, tokens, arena) : NULL;
    bool known = one && all && work(one) != UINT64_MAX && work(all) != UINT64_MAX;
    if (known) {
        double cache = batch_of(one) * (double)in->kv.bytes_per_token * (double)tokens;
        g->tokens = (uint64_t)tokens;
        g->seconds = oxp_latency(all, d, OXP_UNDEFINED, NULL, NULL);
        g->seconds_cache = oxp_latency(one, d, OXP_UNDEFINED, NULL, NULL) +
                           cache / (d->bandwidth * d->bandwidth_efficiency);
        g->flops = work(all);
        g->flops_cache = work(one);
    }
    oxp_arena_rewind(arena, mark);
    return known ? g : NULL;
}
