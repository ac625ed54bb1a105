/* analyze.c - what a model costs: two walks (numbers, then symbols), weights, memory, traffic.
 *
 * Each walk has its own arena, which is gone before the next one: what is kept of it are the types,
 * and equal lists of dims are kept once. */
#include "onnxpert/analyze.h"

#include <string.h>

#include "analysis/binding.h"
#include "analysis/infer.h"
#include "analysis/memory.h"
#include "analysis/weights.h"
#include "base/intern.h"
#include "base/safe_math.h"

static const oxp_inferred *run(const oxp_model *m, oxp_bound *b, bool literal, bool quiet,
                               oxp_arena *arena) {
    oxp_bound_view *w = OXP_NEW(arena, oxp_bound_view);
    *w = (oxp_bound_view){b, literal};
    oxp_infer_opts opts = {.input = oxp_bound_view_input,
                           .bind = oxp_bound_view_dim,
                           .arg = w,
                           .quiet = quiet || !literal,
                           .no_costs = !literal};
    return oxp_infer(m, &opts, arena);
}

/* Bytes of a tensor type; UINT64_MAX when a dim is unknown or the type is no plain tensor. */
static uint64_t type_bytes(const oxp_type *t) {
    if (t->kind != OXP_KIND_TENSOR || t->rank < 0)
        return UINT64_MAX;
    uint64_t n = 1;
    for (int i = 0; i < t->rank; i++) {
        if (!oxp_dim_is_literal(t->dims[i]) || t->dims[i] < 0)
            return UINT64_MAX;
        n = oxp_sat_mul(n, (uint64_t)t->dims[i]);
    }
    return oxp_dtype_bytes(t->elem, n);
}

enum { KEPT = 1024, OF_DEPTH = 8 };

typedef struct keeper { /* copies of types for the analysis to keep */
    oxp_arena *arena;
    struct {
        int rank;
        const oxp_dim *dims;
    } recent[KEPT];
} keeper;

static const oxp_dim *keep_dims(keeper *k, const oxp_dim *dims, int rank) {
    if (rank <= 0 || dims == NULL)
        return NULL;
    size_t bytes = (size_t)rank * sizeof *dims, slot = oxp_hash_bytes(dims, bytes) % KEPT;
    if (k->recent[slot].rank == rank && memcmp(k->recent[slot].dims, dims, bytes) == 0)
        return k->recent[slot].dims;
    oxp_dim *copy = OXP_NEWS(k->arena, (size_t)rank, oxp_dim);
    memcpy(copy, dims, bytes);
    k->recent[slot].rank = rank;
    k->recent[slot].dims = copy;
    return copy;
}

static oxp_type keep_type(keeper *k, const oxp_type *t) {
    oxp_type top = *t, *at = &top;
    for (int depth = 0;; depth++) {
        at->dims = at->kind == OXP_KIND_TENSOR || at->kind == OXP_KIND_SPARSE
                       ? keep_dims(k, at->dims, at->rank)
                       : NULL;
        if (at->of == NULL || depth == OF_DEPTH) {
            at->of = NULL;
            return top;
        }
        oxp_type *inner = OXP_NEW(k->arena, oxp_type);
        *inner = *at->of;
        at->of = inner;
        at = inner;
    }
}

static void fill_values(const oxp_model *m, const oxp_inferred *numbers, keeper *k,
                        oxp_value_info *values) {
    size_t n = oxp_value_count(m);
    for (oxp_id i = 0; i < n; i++) {
        const oxp_value *v = oxp_value_at(m, i);
        const oxp_fact *f = &numbers->facts[i];
        oxp_value_info *o = &values[i];
        o->type = keep_type(k, &f->type);
        o->constant = f->constant;
        /* Floats of two axes and more are no sizes, though a position table or a mask may need
         * nothing but shapes. */
        o->shape_role = f->shape_derived && (f->type.rank < 2 || !oxp_dtype_is_float(f->type.elem));
        o->bytes = type_bytes(&o->type);
        bool constant_node =
            v->producer != OXP_NONE && oxp_is_constant_node(oxp_node_at(m, v->producer));
        o->activation = v->live && v->tensor == OXP_NONE && !constant_node;
        if (v->tensor != OXP_NONE)
            o->bytes = oxp_tensor_at(m, v->tensor)->bytes;
    }
}

/* What a node reads and writes once; one with constant outputs runs at load.  A move reads no more
 * of a tensor than it writes (a Gather touches its rows of the table), a view nothing, and a node
 * that only makes a shape does not read the tensor whose shape it is. */
static uint64_t traffic(const oxp_value_info *values, const oxp_node *n) {
    uint32_t flags = n->def != NULL ? n->def->flags : 0;
    if ((flags & (OXP_OP_VIEW | OXP_OP_CONTROL)) || oxp_is_folded(values, n))
        return 0;
    uint64_t out = 0, in = 0;
    bool shape_only = true;
    for (uint32_t i = 0; i < n->n_out; i++) {
        if (n->out[i] == OXP_NONE)
            continue;
        out = oxp_sat_add(out, values[n->out[i]].bytes);
        shape_only = shape_only && values[n->out[i]].shape_role;
    }
    for (uint32_t i = 0; i < n->n_in; i++) {
        oxp_id v = n->in[i];
        bool again = v == OXP_NONE;
        for (uint32_t k = 0; k < i && k < 64 && !again; k++)
            again = n->in[k] == v;
        if (again || (shape_only && !values[v].shape_role && !values[v].constant))
            continue;
        uint64_t bytes = values[v].bytes;
        in = oxp_sat_add(in, (flags & OXP_OP_MOVE) && bytes > out ? out : bytes);
    }
    return oxp_sat_add(in, out);
}

static bool moves_beyond_counting(const oxp_value_info *values, const oxp_node *n) {
    for (uint32_t i = 0; i < n->n_in + n->n_out; i++) {
        oxp_id v = i < n->n_in ? n->in[i] : n->out[i - n->n_in];
        if (v != OXP_NONE && oxp_is_beyond_counting(&values[v]))
            return true;
    }
    return false;
}

static void fill_nodes(const oxp_model *m, const oxp_inferred *inferred,
                       const oxp_value_info *values, const bool *in_main, oxp_node_info *nodes,
                       oxp_totals *t) {
    size_t n = oxp_node_count(m);
    for (oxp_id i = 0; i < n; i++) {
        const oxp_node *node = oxp_node_at(m, i);
        oxp_node_info *o = &nodes[i];
        if (!node->live || !in_main[node->graph])
            continue;
        const oxp_node_cost *c = &inferred->costs[i];
        o->known = c->cost.known;
        o->at_least = c->cost.at_least;
        o->times = c->times;
        o->macs = c->cost.macs;
        o->flops = c->cost.flops;
        o->int_ops = c->cost.int_ops;
        o->moved = c->cost.moved;
        uint64_t bytes = c->times == 0 ? 0 : traffic(values, node);
        o->bytes_moved = bytes == UINT64_MAX ? bytes : oxp_sat_mul(bytes, c->times);
        t->nodes++;
        t->macs = oxp_sat_add(t->macs, o->macs);
        t->flops = oxp_sat_add(t->flops, o->flops);
        t->int_ops = oxp_sat_add(t->int_ops, o->int_ops);
        t->moved = oxp_sat_add(t->moved, o->moved);
        if (o->bytes_moved != UINT64_MAX || moves_beyond_counting(values, node))
            t->bytes_moved = oxp_sat_add(t->bytes_moved, o->bytes_moved);
        if (!o->known || c->cost.hides) /* a call: some node of its function */
            t->unknown_nodes++;
    }
}

typedef struct request {
    const oxp_analysis **out;
    const oxp_model *m;
    const oxp_analyze_opts *opts;
    oxp_arena *arena;
} request;

static void fill_memory(const oxp_model *m, oxp_analysis *a, oxp_node_info *nodes) {
    oxp_memory memory = oxp_memory_of(m, a->values, nodes, a->arena);
    a->totals.peak_activation_bytes = memory.peak;
    a->totals.peak_with_views_bytes = memory.with_views;
    a->totals.total_activation_bytes = memory.total;
    a->totals.run_peak_bytes = memory.run_peak;
    a->totals.folded_bytes = memory.folded;
    a->peak_node = memory.peak_node;
}

static void free_arena(void *arena) {
    oxp_arena_free(arena);
}

/* The walk with numbers: types, costs. */
static void walk_numbers(const oxp_model *m, oxp_bound *bound, bool quiet, keeper *k,
                         const bool *in_main, oxp_analysis *a, oxp_value_info *values,
                         oxp_node_info *nodes) {
    oxp_ctx *ctx = oxp_arena_ctx(a->arena);
    oxp_arena *arena = oxp_arena_new(ctx);
    size_t token = oxp_defer(ctx, free_arena, arena);
    const oxp_inferred *numbers = run(m, bound, true, quiet, arena);
    a->totals.partial = numbers->partial || oxp_model_is_faulty(m);
    fill_values(m, numbers, k, values);
    fill_nodes(m, numbers, values, in_main, nodes, &a->totals);
    oxp_undefer(ctx, token, true);
}

/* The walk with free dimensions, where there are any: types only. */
/* True when the walk ran and found nothing wrong. */
static bool walk_symbols(const oxp_model *m, oxp_bound *bound, bool wanted, keeper *k,
                         oxp_analysis *a, oxp_value_info *values) {
    oxp_ctx *ctx = oxp_arena_ctx(a->arena);
    size_t n = oxp_value_count(m);
    if (!wanted || a->n_assumed == 0) {
        const oxp_graph *g = oxp_graph_at(m, OXP_MAIN_GRAPH);
        for (oxp_id i = 0; i < n; i++)
            values[i].symbolic = values[i].type;
        for (uint32_t i = 0; i < g->n_inputs && a->n_assumed > 0; i++) {
            const oxp_type *t = oxp_bound_input(bound, g->inputs[i], false);
            if (t) /* NULL: it is declared without a type */
                values[g->inputs[i]].symbolic = *t;
        }
        return false;
    }
    oxp_arena *arena = oxp_arena_new(ctx);
    size_t token = oxp_defer(ctx, free_arena, arena);
    const oxp_inferred *symbols = run(m, bound, false, true, arena);
    for (oxp_id i = 0; i < n; i++)
        values[i].symbolic = keep_type(k, &symbols->facts[i].type);
    bool sound = !symbols->partial;
    oxp_undefer(ctx, token, true);
    return sound;
}

static bool assumes_sizes(const oxp_analysis *a) {
    for (size_t i = 0; i < a->n_assumed; i++) {
        if (!a->assumed[i].bound)
            return true;
    }
    return false;
}

/* What is wrong only with the sizes that we assumed (a window larger than an image of 1 x 1) is no
 * fault of the model: errors since `told` become one warning.  Sizes that were asked for are not
 * assumed, and what is too large with the smallest sizes is too large with any. */
static void blame_assumptions(oxp_ctx *ctx, size_t told) {
    size_t i = oxp_diag_count(ctx);
    for (size_t k = told; k < oxp_diag_count(ctx); k++) {
        const oxp_diag *d = oxp_diag_at(ctx, k);
        if (d->severity == OXP_ERROR && strcmp(d->code, OXP_CODE_OVERFLOW) == 0)
            return;
        i = d->severity == OXP_ERROR && k < i ? k : i;
    }
    if (i == oxp_diag_count(ctx))
        return;
    const oxp_diag *first = oxp_diag_at(ctx, i);
    oxp_arena *arena = oxp_arena_new(ctx);
    const char *where = oxp_strdup(arena, first->where), *text = oxp_strdup(arena, first->text);
    oxp_diag_truncate(ctx, told);
    oxp_diagnose(ctx, OXP_WARNING, "assumed-sizes", where,
                 "with the sizes assumed for unbound dimensions: %s; bind them with --dim", text);
    oxp_arena_free(arena);
}

static void analyze(void *arg) {
    request *r = arg;
    const oxp_model *m = r->m;
    oxp_arena *arena = r->arena;
    const oxp_analyze_opts init = OXP_ANALYZE_OPTS_INIT;
    const oxp_analyze_opts *opts = r->opts != NULL ? r->opts : &init;
    oxp_analysis *a = OXP_NEW(arena, oxp_analysis);
    a->model = m;
    a->arena = arena;
    oxp_bound *bound = oxp_bind(m, opts, arena);
    a->assumed = oxp_bound_dims(bound, &a->n_assumed);
    oxp_value_info *values = OXP_NEWS(arena, oxp_value_count(m) + 1, oxp_value_info);
    oxp_node_info *nodes = OXP_NEWS(arena, oxp_node_count(m) + 1, oxp_node_info);
    a->values = values;
    a->nodes = nodes;
    a->totals.file_bytes = oxp_sat_add(oxp_model_file_bytes(m), oxp_model_external_bytes(m));
    const bool *in_main = oxp_graphs_of_main(m, arena);
    keeper *k = OXP_NEW(arena, keeper);
    k->arena = arena;
    size_t told = oxp_diag_count(oxp_arena_ctx(arena));
    walk_numbers(m, bound, opts->quiet, k, in_main, a, values, nodes);
    if (walk_symbols(m, bound, opts->symbolic, k, a, values) && assumes_sizes(a))
        blame_assumptions(oxp_arena_ctx(arena), told);
    oxp_count_weights(m, values, nodes, in_main, &a->totals, arena);
    oxp_count_by_op(m, values, nodes, in_main, a, arena);
    fill_memory(m, a, nodes);
    *r->out = a;
}

oxp_status oxp_analyze(const oxp_analysis **out, const oxp_model *m, const oxp_analyze_opts *opts,
                       oxp_arena *arena) {
    request r = {out, m, opts, arena};
    *out = NULL;
    return oxp_try(oxp_arena_ctx(arena), analyze, &r);
}
