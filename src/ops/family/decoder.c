/* decoder.c - ONNX Runtime's fused parts of recent decoders: projections with 4 bit weights,
 * hyper-connections, gates, state-space layers, paged and selected attention.  Shapes are as the
 * operators' documentation in ONNX Runtime 1.31 has them. */
#include "ops/util.h"

#define MS "com.microsoft"

static oxp_dim named(const oxp_call *c, const char *name) {
    int64_t v = oxp_call_int(c, name, 0);
    return v > 0 ? oxp_dim_literal(v) : OXP_DIM_UNKNOWN;
}

/* Input 0 with another last axis. */
static void set_width(oxp_call *c, uint32_t slot, oxp_dim width) {
    const oxp_fact *x = oxp_input(c, 0);
    int rank = oxp_rank(x);
    if (!oxp_has_out(c, slot))
        return;
    if (rank < 1) {
        oxp_set_unknown_rank(c, slot, oxp_elem_type(x));
        return;
    }
    oxp_dim *d = oxp_dims_dup(c, x, 0);
    d[rank - 1] = width;
    oxp_set(c, slot, oxp_elem_type(x), rank, d);
}

/* ---- MatMulNBits, several at once ---- */
static void infer_mlp(oxp_call *c) {
    set_width(c, 0, named(c, "N"));
    if (oxp_has_out(c, 1))
        oxp_set_like(c, 1, oxp_input(c, 0));
}

static void infer_qkv(oxp_call *c) {
    set_width(c, 0, named(c, "Nq"));
    set_width(c, 1, named(c, "Nkv"));
    set_width(c, 2, named(c, "Nkv"));
    if (oxp_has_out(c, 3))
        oxp_set_like(c, 3, oxp_input(c, 0));
}

/* Elements of A (tokens * K) times the columns; `per` more flops for each element of A. */
static void cost_columns(const oxp_call *c, oxp_cost *cost, oxp_dim columns, uint64_t per) {
    uint64_t n, width;
    if (oxp_in_count(c, 0, &n) && oxp_dim_count(columns, &width))
        oxp_cost_macs(cost, oxp_sat_mul(n, width), oxp_sat_mul(n, per));
}

/* Normalization 5 flops an element where there is one, 1 for the skip. */
static uint64_t norm_flops(const oxp_call *c) {
    return (oxp_input(c, 2) ? 5u : 0u) + (oxp_input(c, 1) ? 1u : 0u);
}

static void cost_mlp(const oxp_call *c, oxp_cost *cost) {
    uint64_t out;
    cost_columns(c, cost, oxp_dim_mul(c->dims, named(c, "N"), 2), norm_flops(c));
    if (cost->known && oxp_out_count(c, 0, &out)) /* activation and product, biases */
        cost->flops = oxp_sat_add(cost->flops, oxp_sat_mul(out, 2u + (oxp_input(c, 5) ? 1u : 0u) +
                                                                    (oxp_input(c, 8) ? 1u : 0u)));
}

static void cost_qkv(const oxp_call *c, oxp_cost *cost) {
    oxp_dim kv = oxp_dim_mul(c->dims, named(c, "Nkv"), 2);
    cost_columns(c, cost, oxp_dim_add(c->dims, named(c, "Nq"), kv), norm_flops(c));
}

/* ---- hyper-connections: C streams of width H, grouped [.., C, H] or flat [.., C * H] ---- */
static void infer_pre_mix(oxp_call *c) {
    const oxp_fact *x = oxp_input(c, 0);
    int rank = oxp_rank(x);
    int64_t branches = oxp_call_int(c, "num_branches", 0);
    if (rank < 1 || (branches <= 0 && rank < 2)) {
        oxp_infer_rankless(c);
        return;
    }
    oxp_dim *d = oxp_dims_dup(c, x, 0);
    if (branches > 0)
        d[rank - 1] = oxp_dim_floordiv(c->dims, d[rank - 1], branches);
    else
        d[rank - 2] = d[rank - 1];
    oxp_set(c, 0, oxp_elem_type(x), branches > 0 ? rank : rank - 1, d);
}

static void cost_pre_mix(const oxp_call *c, oxp_cost *cost) {
    oxp_cost_per_in(c, cost, 2);
}

/* With a matrix between streams every stream takes from each: C products an element. */
static void cost_post_mix(const oxp_call *c, oxp_cost *cost) {
    const oxp_fact *mix = oxp_input(c, 3);
    uint64_t branches = 0;
    if (mix && !oxp_dim_count(oxp_dim_of(mix, -1), &branches))
        return;
    oxp_cost_per_out(c, cost, oxp_sat_add(2, oxp_sat_mul(2, branches)));
}

static void cost_branch_norm(const oxp_call *c, oxp_cost *cost) {
    oxp_cost_per_in(c, cost, oxp_input(c, 1) ? 5 : 4);
}

/* ---- gates ---- */
static void infer_engram(oxp_call *c) {
    for (uint32_t i = 0; i < c->n_out && i < 2; i++)
        oxp_set_like(c, i, oxp_input(c, 0));
}

/* Two normalizations, their products summed, a sigmoid, the value scaled: about 14 an element. */
static void cost_engram(const oxp_call *c, oxp_cost *cost) {
    oxp_cost_per_in(c, cost, oxp_has_out(c, 1) ? 18 : 14);
}

/* softplus(a + bias) * scale; sigmoid(b) */
static void cost_linear_gate(const oxp_call *c, oxp_cost *cost) {
    oxp_cost_per_in(c, cost, oxp_has_out(c, 1) ? 4 : 3);
}

/* ---- state-space layers over packed tokens ---- */
static void infer_varlen_conv(oxp_call *c) {
    const oxp_fact *x = oxp_input(c, 0), *state = oxp_input(c, 4);
    if (oxp_has_out(c, 0))
        oxp_set_like(c, 0, x);
    if (oxp_has_out(c, 1) && state)
        oxp_set_like(c, 1, state);
    oxp_dim update[3] = {oxp_dim_of(state, 0), named(c, "state_update_capacity"), oxp_dim_of(x, 1)};
    if (oxp_has_out(c, 2))
        oxp_set(c, 2, oxp_elem_type(x), 3, update);
}

static void cost_varlen_conv(const oxp_call *c, oxp_cost *cost) {
    uint64_t n, k;
    if (oxp_in_count(c, 0, &n) && oxp_dim_count(oxp_dim_of(oxp_input(c, 1), 2), &k))
        oxp_cost_macs(cost, oxp_sat_mul(n, k), oxp_input(c, 3) ? n : 0);
}

/* value [tokens, heads, size], state [batch, heads, size, size] */
static void infer_delta(oxp_call *c) {
    const oxp_fact *q = oxp_input(c, 0), *v = oxp_input(c, 2), *state = oxp_input(c, 6);
    oxp_dim heads = v ? oxp_dim_max(c->dims, oxp_dim_of(q, 1), oxp_dim_of(v, 1)) : OXP_DIM_UNKNOWN;
    oxp_dim size = v ? oxp_dim_of(v, 2) : oxp_dim_of(state, 2);
    oxp_dim d[3] = {oxp_dim_of(q, 0), heads, size};
    if (oxp_has_out(c, 0))
        oxp_set(c, 0, oxp_elem_type(q), 3, d);
    if (oxp_has_out(c, 1) && state)
        oxp_set_like(c, 1, state);
}

/* Per token and head: decay, the state times the key, the outer product, the state times the query.
 */
static void cost_delta(const oxp_call *c, oxp_cost *cost) {
    uint64_t out, k;
    if (oxp_out_count(c, 0, &out) && oxp_dim_count(oxp_dim_of(oxp_input(c, 6), 3), &k))
        oxp_cost_macs(cost, oxp_sat_mul(out, oxp_sat_mul(3, k)), oxp_sat_mul(out, k));
}

/* ---- attention over a cache in pages, or over selected positions ---- */
static void infer_paged(oxp_call *c) {
    const oxp_fact *q = oxp_input(c, 0);
    oxp_dim heads = named(c, "num_heads"), kv = named(c, "kv_num_heads");
    oxp_dim parts = oxp_dim_add(c->dims, heads, oxp_dim_mul(c->dims, kv, 2));
    oxp_dim width = oxp_dim_of(q, 1);
    if (named(c, "v_head_size") > 0)
        width = oxp_dim_mul(c->dims, heads, named(c, "v_head_size"));
    else if (!oxp_input(c, 1) && oxp_dim_is_literal(parts) && parts > 0)
        width = oxp_dim_mul(c->dims, oxp_dim_floordiv(c->dims, width, parts), heads);
    oxp_dim d[2] = {oxp_dim_of(q, 0), width};
    if (oxp_has_out(c, 0))
        oxp_set(c, 0, oxp_elem_type(q), 2, d);
    for (uint32_t i = 1; i < c->n_out && i < 3; i++)
        if (oxp_input(c, 2 + i))
            oxp_set_like(c, i, oxp_input(c, 2 + i));
}

static void infer_selected(oxp_call *c) {
    const oxp_fact *q = oxp_input(c, 0);
    oxp_dim heads = named(c, "num_heads"), kv = named(c, "kv_num_heads");
    oxp_dim parts = oxp_dim_add(c->dims, heads, oxp_dim_mul(c->dims, kv, 2));
    oxp_dim width = oxp_dim_of(q, 2);
    if (!oxp_input(c, 1) && oxp_dim_is_literal(parts) && parts > 0)
        width = oxp_dim_mul(c->dims, oxp_dim_floordiv(c->dims, width, parts), heads);
    set_width(c, 0, width);
    for (uint32_t i = 1; i < c->n_out && i < 3; i++)
        if (oxp_input(c, 2 + i))
            oxp_set_like(c, i, oxp_input(c, 2 + i));
}

/* How many positions each query sees depends on data. */
static void cost_unknown(const oxp_call *c, oxp_cost *cost) {
    (void)c;
    cost->known = false;
}

/* [batch, sequence, positions that may be selected] */
static void infer_indexer(oxp_call *c) {
    const oxp_fact *q = oxp_input(c, 0);
    int64_t budget = oxp_call_int(c, "token_budget", 0),
            ratio = oxp_call_int(c, "compress_ratio", 1);
    int64_t top = oxp_call_int(c, "index_topk", 0);
    bool sane = budget >= 0 && budget < INT32_MAX && ratio > 0 && ratio < INT32_MAX;
    oxp_dim capacity = top > 0              ? oxp_dim_literal(top)
                       : sane && budget > 0 ? oxp_dim_literal(budget + ratio - 1)
                                            : OXP_DIM_UNKNOWN;
    oxp_dim d[3] = {oxp_dim_of(q, 0), oxp_dim_of(q, 1), capacity};
    if (oxp_has_out(c, 0))
        oxp_set(c, 0, OXP_INT32, 3, d);
}

static void infer_words(oxp_call *c) {
    const oxp_fact *words = oxp_input(c, 0), *w = oxp_input(c, 1);
    oxp_dim d[2] = {oxp_dim_of(words, 0), oxp_dim_of(w, 0)};
    oxp_set(c, 0, oxp_elem_type(w), 2, d);
}

static void infer_mask_dropout(oxp_call *c) {
    uint64_t n;
    oxp_infer_like(c);
    oxp_dim packed = oxp_in_count(c, 0, &n) && n < INT64_MAX - 31
                         ? oxp_dim_literal((int64_t)((n + 31) / 32)) /* a bit an element */
                         : OXP_DIM_UNKNOWN;
    if (oxp_has_out(c, 1))
        oxp_set(c, 1, OXP_UINT32, 1, &packed);
}

#define A (OXP_OP_ATTENTION | OXP_OP_ACCUMULATES)
#define M (OXP_OP_MATMUL | OXP_OP_ACCUMULATES)
#define E OXP_OP_ELEMENTWISE
static const oxp_op table[] = {
    {"MatMulNBitsMlp", MS, M, 0x1fc, infer_mlp, cost_mlp, NULL},
    {"MatMulNBitsQkv", MS, M, 0xffc, infer_qkv, cost_qkv, NULL},
    {"HyperConnectionPreMix", MS, 0, 0, infer_pre_mix, cost_pre_mix, NULL},
    {"HyperConnectionPostMix", MS, 0, 0, oxp_infer_like, cost_post_mix, NULL},
    {"BranchwiseRMSNorm", MS, OXP_OP_NORM | OXP_OP_ACCUMULATES, 2, oxp_infer_like, cost_branch_norm,
     NULL},
    {"EngramGate", MS, 0, 0x38, infer_engram, cost_engram, NULL},
    {"LinearAttentionGate", MS, E, 6, oxp_infer_like_all, cost_linear_gate, NULL},
    {"VarlenCausalConvWithState", MS, OXP_OP_CONV, 0xa, infer_varlen_conv, cost_varlen_conv, NULL},
    {"GatedDeltaNet", MS, A, 0, infer_delta, cost_delta, NULL},
    {"PagedAttention", MS, A, 0, infer_paged, cost_unknown, NULL},
    {"SparsePagedAttention", MS, A, 0, infer_paged, cost_unknown, NULL},
    {"DynamicSparseAttention", MS, A, 0, infer_selected, cost_unknown, NULL},
    {"SparseAttentionIndexer", MS, 0, 0, infer_indexer, cost_unknown, NULL},
    {"MRotaryEmbedding", MS, 0, 0, oxp_infer_like, NULL, NULL},
    {"WordConvEmbedding", MS, OXP_OP_CONV, 0xe, infer_words, cost_unknown, NULL},
    {"BitmaskDropout", MS, OXP_OP_RANDOM, 0, infer_mask_dropout, NULL, NULL},
    {"BitmaskBiasDropout", MS, OXP_OP_RANDOM, 2, infer_mask_dropout, NULL, NULL},
};
const oxp_op_family oxp_ops_decoder = {table, OXP_COUNT(table), NULL, 0};
