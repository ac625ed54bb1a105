/* insight.c - runs the detectors. */
#include "analysis/insight.h"

#include "analysis/patterns.h"
#include "analysis/weights.h"
#include "model/inline.h"

enum { TRIANGLE_MAX = 4096 };

/* A constant whose first row masks all but the first position and whose last row masks none. */
static bool is_triangle(const oxp_scan *s, oxp_id value) {
    oxp_id t = oxp_value_at(s->m, value)->tensor;
    if (t == OXP_NONE)
        return false;
    const oxp_tensor *x = oxp_tensor_at(s->m, t);
    if (x->rank < 2 || x->rank > 4 || x->dims[x->rank - 1] != x->dims[x->rank - 2] ||
        x->dims[x->rank - 1] < 4 || x->dims[x->rank - 1] > TRIANGLE_MAX ||
        (x->dtype != OXP_BOOL && x->dtype != OXP_UINT8 && !oxp_dtype_is_float(x->dtype)) ||
        !oxp_tensor_readable(s->m, t))
        return false;
    uint64_t n = (uint64_t)x->dims[x->rank - 1];
    if (x->count != n * n)
        return false;
    oxp_mark mark = oxp_arena_mark(s->arena);
    double *row = OXP_NEWS(s->arena, n, double);
    oxp_tensor_doubles(s->m, t, 0, n, row);
    bool triangle = row[0] != row[1];
    for (uint64_t i = 2; i < n && triangle; i++)
        triangle = row[i] == row[1];
    double seen = row[0];
    oxp_tensor_doubles(s->m, t, n * (n - 1), n, row);
    for (uint64_t i = 0; i < n && triangle; i++)
        triangle = row[i] == seen;
    oxp_arena_rewind(s->arena, mark);
    return triangle;
}

static uint8_t input_marks(oxp_scan *s, const oxp_node *n, uint32_t i) {
    oxp_id v = n->in[i];
    if (v == OXP_NONE)
        return 0;
    bool square = oxp_value_at(s->m, v)->tensor != OXP_NONE && !(s->marks[v] & OXP_MARK_CAUSAL) &&
                  (oxp_flags(n) & (OXP_OP_ELEMENTWISE | OXP_OP_MOVE)) && is_triangle(s, v);
    if (square)
        s->marks[v] |= OXP_MARK_CAUSAL;
    return s->marks[v];
}

static void mark_outputs(oxp_scan *s, const oxp_node *n) {
    uint32_t f = oxp_flags(n);
    oxp_letter l = oxp_letter_of(s, n);
    uint8_t all = 0, both = OXP_MARK_POSITION;
    bool first_only = (l == OXP_L_GATHER || l == OXP_L_QUANT) && n->n_in > 1;
    uint32_t n_in = first_only ? 1 : n->n_in;
    bool spreads =
        (f & (OXP_OP_ELEMENTWISE | OXP_OP_UNARY | OXP_OP_MOVE | OXP_OP_VIEW)) || l == OXP_L_QUANT;
    for (uint32_t i = 0; i < n_in && spreads; i++) {
        uint8_t m = input_marks(s, n, i);
        all |= m;
        both &= m;
    }
    bool single =
        (f & OXP_OP_VIEW) || l == OXP_L_CAST || l == OXP_L_SLICE || l == OXP_L_GATHER ||
        l == OXP_L_QUANT ||
        (l == OXP_L_CONCAT && (n->n_in == 1 || (f & OXP_OP_QUANT)) && oxp_data_inputs(s, n) == 1);
    if (!single)
        all &= (uint8_t)~OXP_MARK_INPUT;
    if (l == OXP_L_RANGE)
        all |= OXP_MARK_POSITION;
    if (l == OXP_L_TRILU || (l == OXP_L_COMPARE && n->n_in == 2 && both))
        all |= OXP_MARK_CAUSAL;
    for (uint32_t i = 0; i < n->n_out; i++) {
        if (n->out[i] != OXP_NONE)
            s->marks[n->out[i]] |= all;
    }
}

static void mark_values(oxp_scan *s) {
    const oxp_graph *g = oxp_graph_at(s->m, OXP_MAIN_GRAPH);
    for (uint32_t i = 0; i < g->n_inputs; i++) {
        if (oxp_value_at(s->m, g->inputs[i])->tensor == OXP_NONE)
            s->marks[g->inputs[i]] |= OXP_MARK_INPUT;
    }
    for (oxp_id i = g->first; i != OXP_NONE; i = oxp_node_at(s->m, i)->next)
        mark_outputs(s, oxp_node_at(s->m, i));
}

static oxp_insight *scan(const oxp_analysis *a, oxp_arena *arena) {
    oxp_scan s = {.a = a, .m = a->model, .arena = arena, .out = OXP_NEW(arena, oxp_insight)};
    size_t n_values = oxp_value_count(a->model);
    s.letters = oxp_letters_of(a->model, arena);
    s.in_main = oxp_graphs_of_main(a->model, arena);
    s.marks = OXP_NEWS(arena, n_values + 1, uint8_t);
    s.act = OXP_NEWS(arena, n_values + 1, uint8_t);
    mark_values(&s);
    oxp_find_activations(&s);
    oxp_find_norms(&s);
    oxp_find_attention(&s);
    oxp_find_feed_forward(&s);
    oxp_find_convolution_blocks(&s);
    oxp_find_residuals(&s);
    oxp_find_heads(&s);
    s.out->blocks = s.blocks;
    s.out->n_blocks = s.n_blocks;
    oxp_find_architecture(&s);
    oxp_find_risks(&s);
    return s.out;
}

/* ---- networks made of local functions: seen with the bodies in place of the calls ---- */

enum { MAX_INLINED = 65536 };

/* The sizes of the inputs as the analysis took them. */
static oxp_binding *input_shapes(const oxp_analysis *a, size_t *n, oxp_arena *arena) {
    const oxp_graph *g = oxp_graph_at(a->model, OXP_MAIN_GRAPH);
    oxp_binding *b = OXP_NEWS(arena, g->n_inputs + 1u, oxp_binding);
    *n = 0;
    for (uint32_t i = 0; i < g->n_inputs; i++) {
        const oxp_value *v = oxp_value_at(a->model, g->inputs[i]);
        const oxp_type *t = &a->values[g->inputs[i]].type;
        bool literal = v->tensor == OXP_NONE && t->kind == OXP_KIND_TENSOR && t->rank > 0;
        for (int k = 0; literal && k < t->rank; k++)
            literal = oxp_dim_is_literal(t->dims[k]) && t->dims[k] > 0;
        if (literal)
            b[(*n)++] = (oxp_binding){.name = v->name, .rank = t->rank, .dims = t->dims};
    }
    return b;
}

/* Nodes of the copy become those of the model that they stand in; each is named once. */
static size_t to_origin(oxp_id *nodes, size_t n, const oxp_id *origin) {
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        nodes[i] = origin[nodes[i]];
        if (kept == 0 || nodes[kept - 1] != nodes[i])
            nodes[kept++] = nodes[i];
    }
    return kept;
}

static void rename_nodes(oxp_insight *o, const oxp_id *origin) {
    oxp_found *blocks = (oxp_found *)(uintptr_t)o->blocks; /* of the scan above */
    oxp_risk *risks = (oxp_risk *)(uintptr_t)o->risks;
    for (size_t i = 0; i < o->n_blocks; i++)
        blocks[i].n_nodes = (uint32_t)to_origin(blocks[i].nodes, blocks[i].n_nodes, origin);
    for (size_t i = 0; i < o->n_risks; i++)
        risks[i].n_nodes = to_origin((oxp_id *)(uintptr_t)risks[i].nodes, risks[i].n_nodes, origin);
}

static oxp_insight *scan_inlined(const oxp_analysis *a, oxp_arena *arena) {
    oxp_ctx *ctx = oxp_arena_ctx(arena);
    oxp_inlined inlined;
    if (!oxp_model_inline(a->model, MAX_INLINED, &inlined, arena))
        return NULL;
    size_t told = oxp_diag_count(ctx);
    bool clean = oxp_error_status(ctx) == OXP_OK;
    oxp_analyze_opts opts = OXP_ANALYZE_OPTS_INIT;
    opts.symbolic = true;
    opts.quiet = true;
    opts.bindings = input_shapes(a, &opts.n_bindings, arena);
    const oxp_analysis *b = NULL;
    oxp_insight *o = NULL;
    if (oxp_analyze(&b, inlined.model, &opts, arena) == OXP_OK) {
        oxp_analysis seen = *b;
        seen.assumed = a->assumed; /* what was bound and what was not */
        seen.n_assumed = a->n_assumed;
        o = scan(&seen, arena);
        rename_nodes(o, inlined.origin);
    }
    oxp_diag_truncate(ctx, told);
    if (clean)
        oxp_error_clear(ctx);
    oxp_close(inlined.model);
    return o;
}

const oxp_insight *oxp_insight_of(const oxp_analysis *a, oxp_arena *arena) {
    oxp_insight *o = scan_inlined(a, arena);
    return o != NULL ? o : scan(a, arena);
}
