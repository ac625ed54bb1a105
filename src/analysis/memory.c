/* memory.c - liveness of activations (DESIGN: peak_activation_bytes).
 *
 * A call of a local function is one node here, also where its body stands in its place: what lives
 * inside is no tensor of the main graph.
 *
 * A tensor lives from its producer to its last consumer; a use inside a subgraph counts at the node
 * of the main graph that holds it; graph inputs live from the start, graph outputs to the end; at a
 * node its inputs and outputs are both alive. */
#include "analysis/memory.h"

#include "analysis/weights.h"
#include "base/safe_math.h"
#include "ops/op.h"

typedef struct span {
    uint32_t born, last; /* positions in the main graph; born UINT32_MAX: no activation of it */
} span;

typedef struct liveness {
    const oxp_model *m;
    const oxp_value_info *values;
    span *spans;        /* by value id */
    uint32_t *position; /* by graph id: main-graph position of the node that holds it */
    uint32_t *at;       /* by node id: position in the main graph, or UINT32_MAX */
    uint32_t n;         /* nodes of the main graph */
} liveness;

bool oxp_is_constant_node(const oxp_node *n) {
    if (n->n_in != 0 || n->n_out != 1 || n->def == NULL || n->function != OXP_NONE)
        return false;
    if (n->def->flags & (OXP_OP_RANDOM | OXP_OP_CONTROL))
        return false;
    for (uint32_t i = 0; i < n->n_attr; i++) { /* its value is its only attribute of these kinds */
        switch (n->attrs[i].type) {
        case OXP_ATTR_TENSOR:
        case OXP_ATTR_SPARSE_TENSOR:
        case OXP_ATTR_FLOAT:
        case OXP_ATTR_FLOATS:
        case OXP_ATTR_INT:
        case OXP_ATTR_INTS:
        case OXP_ATTR_STRING:
        case OXP_ATTR_STRINGS:
            return true;
        default:
            break;
        }
    }
    return false;
}

/* Position of the main-graph node that (transitively) holds each graph; UINT32_MAX for functions.
 * Owners may come after what they own, so each chain is walked, with a bound against cycles. */
static void place_graphs(liveness *l) {
    size_t n = oxp_graph_count(l->m);
    for (oxp_id g = 0; g < n; g++) {
        oxp_id at = g;
        l->position[g] = UINT32_MAX;
        for (int depth = 0; depth < 128; depth++) {
            const oxp_graph *graph = oxp_graph_at(l->m, at);
            if (graph->kind != OXP_GRAPH_SUB || !graph->live)
                break;
            const oxp_node *owner = oxp_node_at(l->m, graph->owner);
            if (owner->graph == OXP_MAIN_GRAPH) {
                l->position[g] = l->at[graph->owner];
                break;
            }
            at = owner->graph;
        }
    }
}

static void use(liveness *l, oxp_id value, uint32_t position) {
    if (value == OXP_NONE || position == UINT32_MAX)
        return;
    span *s = &l->spans[value];
    if (s->born != UINT32_MAX && position > s->last)
        s->last = position;
}

static void born(liveness *l, oxp_id value, uint32_t position) {
    if (value != OXP_NONE && l->values[value].activation)
        l->spans[value] = (span){position, position};
}

/* Positions of the main graph's nodes; those of an inlined call share the call's. */
static void place_nodes(liveness *l) {
    uint32_t last_call = 0;
    l->n = 0;
    for (oxp_id i = oxp_graph_at(l->m, OXP_MAIN_GRAPH)->first; i != OXP_NONE;
         i = oxp_node_at(l->m, i)->next) {
        uint32_t call = oxp_node_at(l->m, i)->in_call;
        bool same = call != 0 && call == last_call;
        l->at[i] = same ? l->n - 1 : l->n++;
        if (call != 0)
            l->at[call - 1] = l->at[i];
        last_call = call;
    }
}

/* Outputs come to life with their node, those of an inlined call with the call. */
static void bear_outputs(liveness *l, oxp_id id) {
    uint32_t at = l->at[id], call = oxp_node_at(l->m, id)->in_call;
    const oxp_node *n = oxp_node_at(l->m, call != 0 ? call - 1 : id);
    for (uint32_t o = 0; o < n->n_out; o++)
        born(l, n->out[o], at);
}

static void find_spans(liveness *l, oxp_arena *arena) {
    const oxp_model *m = l->m;
    size_t n_values = oxp_value_count(m), n_nodes = oxp_node_count(m),
           n_graphs = oxp_graph_count(m);
    l->spans = OXP_NEWS(arena, n_values ? n_values : 1, span);
    l->position = OXP_NEWS(arena, n_graphs, uint32_t);
    l->at = OXP_NEWS(arena, n_nodes ? n_nodes : 1, uint32_t);
    for (size_t i = 0; i < n_values; i++)
        l->spans[i].born = UINT32_MAX;
    const oxp_graph *main = oxp_graph_at(m, OXP_MAIN_GRAPH);
    for (size_t i = 0; i < n_nodes; i++)
        l->at[i] = UINT32_MAX;
    place_nodes(l);
    for (uint32_t i = 0; i < main->n_inputs; i++)
        born(l, main->inputs[i], 0);
    for (oxp_id i = main->first; i != OXP_NONE; i = oxp_node_at(m, i)->next)
        bear_outputs(l, i);
    place_graphs(l);
    for (oxp_id i = 0; i < n_nodes; i++) {
        const oxp_node *n = oxp_node_at(m, i);
        bool inner = n->live && n->graph != OXP_MAIN_GRAPH;
        uint32_t p = inner ? l->position[n->graph] : l->at[i]; /* an inlined call is dead */
        for (uint32_t k = 0; k < n->n_in; k++)
            use(l, n->in[k], p);
    }
    for (oxp_id g = 1; g < n_graphs; g++) { /* an inner graph may hand out an outer value */
        const oxp_graph *graph = oxp_graph_at(m, g);
        for (uint32_t o = 0; graph->live && o < graph->n_outputs; o++)
            use(l, graph->outputs[o], l->position[g]);
    }
    for (uint32_t o = 0; o < main->n_outputs; o++)
        use(l, main->outputs[o], l->n ? l->n - 1 : 0);
}

/* Largest sum of bytes alive, with each position's sum in `now` (n + 1 of them, zeroed). */
static uint64_t sweep(const liveness *l, const span *spans, uint64_t *add, uint64_t *drop,
                      uint64_t *now) {
    size_t n_values = oxp_value_count(l->m);
    for (size_t i = 0; i < n_values; i++) {
        uint64_t bytes = l->values[i].bytes;
        if (spans[i].born == UINT32_MAX || bytes == UINT64_MAX)
            continue;
        add[spans[i].born] += bytes;
        drop[spans[i].last + 1] += bytes;
    }
    uint64_t alive = 0, peak = 0;
    for (uint32_t i = 0; i <= l->n; i++) {
        alive += add[i] - drop[i];
        now[i] = alive;
        peak = alive > peak ? alive : peak;
    }
    return peak;
}

/* Spans in which a view's source covers the view's whole life and the view itself weighs nothing.
 */
static span *share_views(const liveness *l, oxp_arena *arena) {
    size_t n_values = oxp_value_count(l->m);
    span *spans = OXP_NEWS(arena, n_values ? n_values : 1, span);
    oxp_id *root = OXP_NEWS(arena, n_values ? n_values : 1, oxp_id);
    for (size_t i = 0; i < n_values; i++) {
        spans[i] = l->spans[i];
        root[i] = (oxp_id)i;
    }
    const oxp_graph *main = oxp_graph_at(l->m, OXP_MAIN_GRAPH);
    for (oxp_id i = main->first; i != OXP_NONE; i = oxp_node_at(l->m, i)->next) {
        const oxp_node *n = oxp_node_at(l->m, i);
        oxp_id from = oxp_in(n, 0), to = oxp_out(n, 0);
        if (n->def == NULL || !(n->def->flags & OXP_OP_VIEW) || from == OXP_NONE ||
            to == OXP_NONE || spans[to].born == UINT32_MAX)
            continue;
        oxp_id r = root[from];
        root[to] = r;
        if (spans[r].born != UINT32_MAX && spans[to].last > spans[r].last)
            spans[r].last = spans[to].last;
        spans[to].born = UINT32_MAX; /* counted with its root, or with the weight it looks at */
    }
    return spans;
}

/* ---- constants that the file computes ---- */
enum { LARGE = 1000000 }; /* bytes; smaller ones change no decision */

static bool is_large_constant(const liveness *l, size_t v) {
    return l->spans[v].born != UINT32_MAX && l->values[v].constant &&
           l->values[v].bytes != UINT64_MAX && l->values[v].bytes >= LARGE &&
           oxp_value_at(l->m, (oxp_id)v)->producer != OXP_NONE;
}

/* Is every use of the value by a node that is folded at load? */
static bool only_folded(const liveness *l, oxp_id v) {
    const oxp_value *value = oxp_value_at(l->m, v);
    for (oxp_id u = value->first_use; u != OXP_NONE; u = oxp_use_at(l->m, u)->next)
        if (!oxp_is_folded(l->values, oxp_node_at(l->m, oxp_use_at(l->m, u)->node)))
            return false;
    return value->outputs == 0;
}

/* What a dequantized weight takes at run time is the quantized one: engines read it as it is. */
static bool is_dequantized(const liveness *l, oxp_id v) {
    const oxp_node *n = oxp_node_at(l->m, oxp_value_at(l->m, v)->producer);
    return n->def != NULL && (n->def->flags & OXP_OP_QUANT);
}

/* A runtime computes these constants at load, keeps those that a run reads, and drops the weights
 * that nothing else reads: neither lives among the activations.  False: there are none. */
static bool fold_constants(const liveness *l, oxp_memory *r, span *spans) {
    size_t n = oxp_value_count(l->m), found = 0;
    uint64_t made = 0, dropped = 0;
    for (size_t i = 0; i < n; i++) {
        spans[i] = l->spans[i];
        if (!is_large_constant(l, i))
            continue;
        spans[i].born = UINT32_MAX;
        found++;
        if (!only_folded(l, (oxp_id)i) && !is_dequantized(l, (oxp_id)i))
            made = oxp_sat_add(made, l->values[i].bytes);
    }
    for (size_t i = 0; found && i < n; i++) {
        const oxp_value *v = oxp_value_at(l->m, (oxp_id)i);
        if (v->tensor != OXP_NONE && v->first_use != OXP_NONE && l->values[i].bytes >= LARGE &&
            l->values[i].bytes != UINT64_MAX && only_folded(l, (oxp_id)i))
            dropped = oxp_sat_add(dropped, l->values[i].bytes);
    }
    r->folded = made > dropped ? made - dropped : 0;
    return found > 0;
}

bool oxp_is_beyond_counting(const oxp_value_info *v) {
    const oxp_type *t = &v->type;
    if (v->bytes != UINT64_MAX || t->kind != OXP_KIND_TENSOR || t->rank < 0 ||
        oxp_dtype_bits(t->elem) == 0)
        return false;
    for (int i = 0; i < t->rank; i++)
        if (!oxp_dim_is_literal(t->dims[i]))
            return false;
    return true;
}

oxp_memory oxp_memory_of(const oxp_model *m, const oxp_value_info *values, oxp_node_info *nodes,
                         oxp_arena *arena) {
    oxp_memory r = {.peak_node = OXP_NONE};
    oxp_mark mark = oxp_arena_mark(arena);
    liveness l = {.m = m, .values = values};
    find_spans(&l, arena);
    size_t n_values = oxp_value_count(m);
    for (size_t i = 0; i < n_values; i++) {
        if (l.spans[i].born == UINT32_MAX)
            continue;
        if (values[i].bytes == UINT64_MAX && !oxp_is_beyond_counting(&values[i]))
            r.partial = true;
        else
            r.total = oxp_sat_add(r.total, values[i].bytes);
    }
    if (r.total == UINT64_MAX) { /* no sum below is meaningful */
        r.peak = r.with_views = r.run_peak = UINT64_MAX;
    } else {
        size_t slots = (size_t)l.n + 2;
        uint64_t *add = OXP_NEWS(arena, slots, uint64_t), *drop = OXP_NEWS(arena, slots, uint64_t),
                 *now = OXP_NEWS(arena, slots, uint64_t);
        r.peak = sweep(&l, l.spans, add, drop, now);
        const oxp_graph *main = oxp_graph_at(m, OXP_MAIN_GRAPH);
        for (oxp_id i = main->first; i != OXP_NONE; i = oxp_node_at(m, i)->next) {
            if (nodes != NULL)
                nodes[i].live_bytes = now[l.at[i]];
            if (r.peak_node == OXP_NONE && now[l.at[i]] == r.peak)
                r.peak_node = oxp_node_at(m, i)->in_call ? oxp_node_at(m, i)->in_call - 1 : i;
        }
        add = OXP_NEWS(arena, slots, uint64_t);
        drop = OXP_NEWS(arena, slots, uint64_t);
        r.with_views = sweep(&l, share_views(&l, arena), add, drop, now);
        span *spans = OXP_NEWS(arena, n_values ? n_values : 1, span);
        r.run_peak = r.peak;
        if (fold_constants(&l, &r, spans)) {
            add = OXP_NEWS(arena, slots, uint64_t);
            drop = OXP_NEWS(arena, slots, uint64_t);
            r.run_peak = sweep(&l, spans, add, drop, now);
        }
    }
    oxp_arena_rewind(arena, mark);
    return r;
}

size_t oxp_memory_alive(const oxp_model *m, const oxp_value_info *values, oxp_id at, oxp_id *out,
                        size_t max, oxp_arena *arena) {
    if (at == OXP_NONE || max == 0)
        return 0;
    oxp_mark mark = oxp_arena_mark(arena);
    liveness l = {.m = m, .values = values};
    find_spans(&l, arena);
    size_t found = 0, n_values = oxp_value_count(m);
    for (oxp_id v = 0; v < n_values; v++) {
        const span *s = &l.spans[v];
        if (s->born == UINT32_MAX || s->born > l.at[at] || s->last < l.at[at] ||
            values[v].bytes == UINT64_MAX)
            continue;
        size_t i = found < max ? found++ : max; /* insertion into the short sorted list */
        if (i == max && values[out[max - 1]].bytes >= values[v].bytes)
            continue;
        i = i == max ? max - 1 : i;
        for (; i > 0 && values[out[i - 1]].bytes < values[v].bytes; i--)
            out[i] = out[i - 1];
        out[i] = v;
    }
    oxp_arena_rewind(arena, mark);
    return found;
}
