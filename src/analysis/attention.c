/* attention.c - attention, as one operator or decomposed: softmax between two matrix products whose
 * operands are both activations. */
#include "analysis/patterns.h"
#include "base/safe_math.h"

#include <string.h>

enum { MASK_DEPTH = 5, DOWN_DEPTH = 4, USES_MAX = 8, UP_MAX = 28 };

typedef struct attention {
    const oxp_node *scores, *softmax, *context;
    bool causal, cached, cross;
    int64_t heads, kv_heads, head_dim, hidden;
} attention;

static bool in_scope(const oxp_scan *s, const oxp_node *n) {
    return n->live && s->in_main[n->graph];
}

/* The second operand of a product: quantized ones have a scale and a zero point in between. */
static oxp_id second_operand(const oxp_scan *s, const oxp_node *n) {
    for (uint32_t i = 1; i < n->n_in && i < 5; i++)
        if (oxp_is_data(s, n->in[i]))
            return n->in[i];
    return OXP_NONE;
}

static bool is_product(const oxp_scan *s, const oxp_node *n) {
    return n != NULL && (oxp_flags(n) & OXP_OP_MATMUL) && n->n_in >= 2 &&
           oxp_is_data(s, n->in[0]) && second_operand(s, n) != OXP_NONE &&
           oxp_value_rank(s, oxp_out(n, 0)) >= 3;
}

/* Up from the softmax through scale, mask and bias, and layers that mix heads; what joins on the
 * way tells whether the mask is causal.  Depth-bounded: at most three inputs each, MASK_DEPTH deep.
 */
static const oxp_node *toward_scores(const oxp_scan *s, oxp_id value, int depth, bool *causal) {
    const oxp_node *n = value == OXP_NONE ? NULL : oxp_behind(s, value);
    if (n == NULL || is_product(s, n))
        return n;
    oxp_letter l = oxp_letter_of(s, n);
    bool mixes_heads = (oxp_flags(n) & OXP_OP_MATMUL) && oxp_value_rank(s, oxp_out(n, 0)) >= 4;
    if (depth == 0 || (!(oxp_flags(n) & (OXP_OP_ELEMENTWISE | OXP_OP_UNARY)) &&
                       l != OXP_L_SCATTER && !mixes_heads))
        return NULL;
    const oxp_node *found = NULL;
    for (uint32_t i = 0; i < n->n_in && i < 3; i++) {
        const oxp_node *p = found == NULL && oxp_is_data(s, n->in[i])
                                ? toward_scores(s, n->in[i], depth - 1, causal)
                                : NULL;
        if (p != NULL)
            found = p;
    }
    for (uint32_t i = 0; found != NULL && i < n->n_in && i < 3; i++)
        *causal = *causal || (n->in[i] != OXP_NONE && (s->marks[n->in[i]] & OXP_MARK_CAUSAL));
    return found;
}

/* The value behind a QuantizeLinear and a DequantizeLinear that are its only readers. */
static oxp_id past_quantization(const oxp_scan *s, oxp_id value) {
    for (int hop = 0; hop < 4 && value != OXP_NONE; hop++) {
        oxp_id u = oxp_value_at(s->m, value)->first_use;
        if (u == OXP_NONE || oxp_use_at(s->m, u)->next != OXP_NONE)
            break;
        const oxp_node *n = oxp_node_at(s->m, oxp_use_at(s->m, u)->node);
        if (oxp_letter_of(s, n) != OXP_L_QUANT)
            break;
        value = oxp_out(n, 0);
    }
    return value;
}

static const oxp_node *toward_context(const oxp_scan *s, oxp_id value, int depth) {
    value = past_quantization(s, value);
    if (value == OXP_NONE)
        return NULL;
    oxp_id u = oxp_value_at(s->m, value)->first_use;
    for (int i = 0; i < USES_MAX && u != OXP_NONE; i++) {
        const oxp_use *use = oxp_use_at(s->m, u);
        const oxp_node *n = oxp_node_at(s->m, use->node);
        u = use->next;
        if (is_product(s, n))
            return n;
        oxp_letter l = oxp_letter_of(s, n);
        bool passes = (oxp_flags(n) & (OXP_OP_VIEW | OXP_OP_MOVE)) || l == OXP_L_WHERE ||
                      l == OXP_L_MUL || l == OXP_L_CAST || l == OXP_L_ADD ||
                      (l == OXP_L_DIV && use->slot == 0) || /* gated ones are normalized again */
                      ((oxp_flags(n) & OXP_OP_MATMUL) && oxp_value_rank(s, oxp_out(n, 0)) >= 4);
        const oxp_node *p =
            depth > 0 && passes ? toward_context(s, oxp_out(n, 0), depth - 1) : NULL;
        if (p != NULL)
            return p;
    }
    return NULL;
}

static double count(const oxp_scan *s, oxp_id value) {
    double n = 1;
    for (int i = 0; i < oxp_value_rank(s, value); i++) {
        int64_t d = oxp_size(s, value, i);
        n *= d < 0 ? 0 : (double)d;
    }
    return n;
}

/* What a query or key path goes through up to its projection. */
typedef struct path {
    const oxp_node *projection; /* NULL: none found */
    double repeat;              /* how often each key head is repeated (grouped queries) */
    bool cached;                /* joined with a graph input: the past */
    bool given;                 /* a graph input, joined with nothing */
    bool learned;               /* from weights alone */
} path;

static path follow(const oxp_scan *s, oxp_id value) {
    path p = {.repeat = 1};
    bool ended = false;
    for (int hop = 0; hop < UP_MAX && value != OXP_NONE; hop++) {
        const oxp_node *n = oxp_made_by(s, value);
        ended = n == NULL;
        if (n == NULL)
            break;
        if (oxp_is_layer(s, n)) {
            p.projection = n;
            break;
        }
        oxp_letter l = oxp_letter_of(s, n);
        oxp_id next = oxp_main_input(s, n);
        if (l == OXP_L_EXPAND && next != OXP_NONE && count(s, next) > 0)
            p.repeat *= count(s, oxp_out(n, 0)) / count(s, next);
        if ((l == OXP_L_CONCAT || l == OXP_L_SCATTER) && oxp_data_inputs(s, n) > 1) {
            for (uint32_t i = 0; i < n->n_in && i < 6; i++) {
                if (n->in[i] == OXP_NONE)
                    continue;
                if (s->marks[n->in[i]] & OXP_MARK_INPUT)
                    p.cached = true;
                else if (oxp_is_data(s, n->in[i]) && p.cached)
                    next = n->in[i];
            }
        }
        value = next;
    }
    p.given = p.projection == NULL && !p.cached && value != OXP_NONE &&
              (s->marks[value] & OXP_MARK_INPUT);
    p.learned = p.projection == NULL && !p.cached && !p.given &&
                (value == OXP_NONE || (ended && !oxp_is_data(s, value)));
    return p;
}

/* Width of what a layer takes in: channels of a convolution, else the last axis. */
static int64_t width_into(const oxp_scan *s, const oxp_node *layer) {
    return oxp_size(s, oxp_main_input(s, layer), oxp_flags(layer) & OXP_OP_CONV ? 1 : -1);
}

/* Width of the projection behind the attention: all heads side by side; 0: there is none. */
static int64_t width_below(const oxp_scan *s, const oxp_node *context) {
    const oxp_node *n = oxp_only_reader(s, oxp_out(context, 0));
    int64_t width = n != NULL && oxp_is_layer(s, n) ? width_into(s, n) : 0;
    return width > 0 ? width : 0;
}

/* Its axes are named in an equation, not known by their place. */
static bool is_einsum(const oxp_node *n) {
    for (uint32_t i = 0; i < n->n_attr; i++)
        if (n->attrs[i].type == OXP_ATTR_STRING && strcmp(n->attrs[i].name, "equation") == 0)
            return true;
    return false;
}

/* The third axis from the end has the heads, unless it has windows, or the queries of a group lie
 * in one row of its key head: then the width of the projection behind tells how many there are.
 * Attention over channels has the head size in front of the tokens. */
static void measure_heads(const oxp_scan *s, attention *t) {
    oxp_id out = oxp_out(t->scores, 0), context = oxp_out(t->context, 0);
    int64_t width = width_below(s, t->context), last = oxp_size(s, context, -1);
    bool fits = width > 0 && last > 0 && width % last == 0;
    if (oxp_value_rank(s, out) < 4) { /* [batch * heads, ...] */
        t->heads =
            width > 0 && t->head_dim > 0 && width % t->head_dim == 0 ? width / t->head_dim : 0;
        return;
    }
    int64_t outer = oxp_value_rank(s, out) >= 5 ? oxp_size(s, out, -4) : 1;
    t->heads = oxp_size(s, out, -3) > 0 ? oxp_size(s, out, -3) : 0;
    if (outer > 0 && oxp_size(s, second_operand(s, t->scores), -3) == 1)
        t->heads *= outer; /* [batch, kv heads, group, query, key] */
    bool square = oxp_size(s, out, -1) == oxp_size(s, out, -2);
    if (t->heads * last == width || is_einsum(t->scores) || is_einsum(t->context))
        return;
    if (square && t->heads * oxp_size(s, context, -2) == width)
        t->head_dim = oxp_size(s, context, -2);
    else if (fits)
        t->heads = width / last;
}

static int64_t positive(int64_t v) {
    return v > 0 ? v : 0;
}

/* Do queries and keys come from the same activations?  One of them may have gone through more:
 * strided convolutions or pools with their normalization shorten the keys of pyramid networks. */
static bool same_stream(const oxp_scan *s, oxp_id q, oxp_id k) {
    const oxp_node *maker = oxp_behind(s, q); /* NULL: an input, and two inputs are two streams */
    if (q == k || (maker != NULL && maker == oxp_behind(s, k)))
        return true;
    for (int side = 0; side < 2; side++) {
        oxp_id from = side ? k : q, to = side ? q : k;
        const oxp_node *goal = oxp_behind(s, to);
        for (int hop = 0; hop < UP_MAX && from != OXP_NONE; hop++) {
            const oxp_node *n = oxp_made_by(s, from);
            if (from == to || (n != NULL && n == goal))
                return true;
            if (n == NULL || oxp_data_inputs(s, n) > 1 || (oxp_flags(n) & OXP_OP_ATTENTION))
                break;
            from = oxp_main_input(s, n);
        }
    }
    return false;
}

static void measure(const oxp_scan *s, attention *t) {
    oxp_id q = oxp_in(t->scores, 0), k = second_operand(s, t->scores), out = oxp_out(t->scores, 0);
    int rank = oxp_value_rank(s, out);
    t->head_dim = positive(oxp_size(s, q, -1));
    measure_heads(s, t);
    path pq = follow(s, q), pk = follow(s, k);
    t->cached = pk.cached;
    t->hidden =
        pq.projection != NULL ? positive(width_into(s, pq.projection)) : t->heads * t->head_dim;
    t->cross = pq.projection != NULL && pk.projection != NULL && !pk.cached &&
               !same_stream(s, oxp_main_input(s, pq.projection), oxp_main_input(s, pk.projection));
    t->cross = t->cross || (pq.projection != NULL && pk.given) ||   /* computed once, outside */
               (pq.learned && pk.projection != NULL && !pk.cached); /* queries of a decoder */
    t->kv_heads = t->heads;
    if (pk.repeat > 1 && t->heads > 0)
        t->kv_heads = (int64_t)((double)t->heads / pk.repeat + 0.5);
    else if (rank == 4 && oxp_value_rank(s, k) == 4 && oxp_size(s, k, 1) > 0 &&
             !is_einsum(t->scores))
        t->kv_heads = oxp_size(s, k, 1);
    else if (rank >= 5 && oxp_size(s, out, -4) > 0)
        t->kv_heads = oxp_size(s, k, -4) > 0 ? oxp_size(s, k, -4) : t->kv_heads;
    if (t->kv_heads < 1 || t->heads % t->kv_heads != 0)
        t->kv_heads = t->heads;
}

/* A fused operator: its attributes say it, and the widths of its inputs. */
static void measure_fused(const oxp_scan *s, const oxp_node *n, attention *t) {
    t->heads = oxp_attr_int(n, "num_heads", oxp_attr_int(n, "q_num_heads", 0));
    t->kv_heads = oxp_attr_int(n, "kv_num_heads", 0);
    t->causal = oxp_attr_int(n, "unidirectional", oxp_attr_int(n, "is_causal", 0)) != 0 ||
                oxp_letter_of(s, n) == OXP_L_CAUSAL_ATTENTION;
    oxp_id q = oxp_in(n, 0), k = oxp_in(n, 1);
    int64_t width = oxp_size(s, oxp_out(n, 0), -1);
    if (oxp_value_rank(s, q) == 4) { /* [batch, heads, sequence, size] */
        t->heads = positive(oxp_size(s, q, 1));
        t->head_dim = positive(oxp_size(s, q, 3));
        t->kv_heads = positive(oxp_size(s, k, 1));
    } else if (t->heads > 0 && width > 0) {
        t->head_dim = width / t->heads;
    }
    t->kv_heads = t->kv_heads > 0 ? t->kv_heads : t->heads;
    path p = follow(s, q);
    t->hidden = p.projection != NULL && !(oxp_flags(p.projection) & OXP_OP_ATTENTION)
                    ? positive(width_into(s, p.projection))
                    : positive(oxp_size(s, q, -1));
    for (uint32_t i = 3; i < n->n_in; i++)
        t->cached = t->cached || (n->in[i] != OXP_NONE && oxp_value_rank(s, n->in[i]) >= 4 &&
                                  (s->marks[n->in[i]] & OXP_MARK_INPUT));
}

/* What is stated of all layers: 0 as soon as one of them differs, or is not known. */
static void same_in_all(int64_t v, uint64_t *stated, uint64_t layer) {
    *stated = v > 0 && (layer == 1 || *stated == (uint64_t)v) ? (uint64_t)v : 0;
}

static void range(int64_t v, uint64_t *least, uint64_t *most) {
    if (v > 0 && (*least == 0 || (uint64_t)v < *least))
        *least = (uint64_t)v;
    if (v > 0 && (uint64_t)v > *most)
        *most = (uint64_t)v;
}

static void note(oxp_scan *s, const attention *t, const oxp_node *const *nodes, size_t n,
                 bool decomposed) {
    oxp_insight *o = s->out;
    oxp_found *b = oxp_add_block(s, OXP_BLOCK_ATTENTION, decomposed, nodes, n);
    b->a = t->heads;
    b->b = t->kv_heads;
    b->c = t->head_dim;
    const char *kind = t->cross ? ", cross" : t->causal || t->cached ? ", causal" : "";
    if (t->kv_heads != t->heads)
        b->detail =
            oxp_sprintf(s->arena, "%lld heads over %lld key/value heads of %lld%s",
                        (long long)t->heads, (long long)t->kv_heads, (long long)t->head_dim, kind);
    else
        b->detail = oxp_sprintf(s->arena, "%lld heads of %lld%s", (long long)t->heads,
                                (long long)t->head_dim, kind);
    if (t->cross) {
        o->cross_layers++;
        return;
    }
    o->layers++;
    same_in_all(t->heads, &o->heads, o->layers);
    same_in_all(t->kv_heads, &o->kv_heads, o->layers);
    same_in_all(t->head_dim, &o->head_dim, o->layers);
    same_in_all(t->hidden, &o->hidden, o->layers);
    range(t->heads, &o->heads_least, &o->heads_most);
    range(t->hidden, &o->hidden_least, &o->hidden_most);
    o->causal = o->causal || t->causal || t->cached;
    if (t->causal || t->cached) {
        o->decoder = true;
        o->kv.layers++;
        o->kv.elements = t->kv_heads > 0 && t->head_dim > 0
                             ? oxp_sat_add(o->kv.elements, oxp_sat_mul(2 * (uint64_t)t->kv_heads,
                                                                       (uint64_t)t->head_dim))
                             : UINT64_MAX;
        int64_t seen = t->scores != NULL ? oxp_size(s, oxp_out(t->scores, 0), -1) : 0;
        o->attended = seen > o->attended ? seen : o->attended;
        o->kv.in_graph = o->kv.in_graph || t->cached;
        oxp_id k = t->scores != NULL ? second_operand(s, t->scores) : oxp_in(nodes[0], 0);
        o->kv.dtype = k != OXP_NONE ? s->a->values[k].type.elem : OXP_UNDEFINED;
    }
}

void oxp_find_attention(oxp_scan *s) {
    size_t n = oxp_node_count(s->m);
    for (oxp_id i = 0; i < n; i++) {
        const oxp_node *node = oxp_node_at(s->m, i);
        if (!in_scope(s, node))
            continue;
        attention t = {.causal = false};
        if (oxp_flags(node) & OXP_OP_ATTENTION) {
            measure_fused(s, node, &t);
            note(s, &t, &node, 1, false);
        } else if (oxp_letter_of(s, node) == OXP_L_SOFTMAX) {
            t.softmax = node;
            t.scores = toward_scores(s, oxp_in(node, 0), MASK_DEPTH, &t.causal);
            t.context = t.scores != NULL ? toward_context(s, oxp_out(node, 0), DOWN_DEPTH) : NULL;
            if (t.context == NULL)
                continue;
            measure(s, &t);
            note(s, &t, (const oxp_node *[]){t.scores, node, t.context}, 3, true);
        }
    }
}
