/* attention.c - attention and its company: of opset 23 on, and ONNX Runtime's.
 *
 * Q K^T and the product with V are multiply-accumulates over all positions (masks do not save any),
 * the softmax between costs 5 flops an element and the scaling 1. */
#include "ops/needs.h"
#include "ops/util.h"

#define MS "com.microsoft"

/* Sizes of one attention. */
typedef struct heads {
    oxp_dim batch, q_heads, kv_heads, q_len, kv_len, past, total, size, v_size;
    oxp_dtype type;
} heads;

static oxp_dim named(const oxp_call *c, const char *name) {
    int64_t v = oxp_call_int(c, name, 0);
    return v > 0 ? oxp_dim_literal(v) : OXP_DIM_UNKNOWN;
}

static oxp_dim divided(oxp_call *c, oxp_dim a, oxp_dim b) {
    return oxp_dim_is_unknown(a) || oxp_dim_is_unknown(b) ? OXP_DIM_UNKNOWN
                                                          : oxp_dim_floordiv(c->dims, a, b);
}

/* Length of a past state [batch, heads, past, size]: 0 when there is none. */
static oxp_dim past_of(const oxp_fact *past, int axis) {
    return past ? oxp_dim_of(past, axis) : 0;
}

/* ---- ai.onnx ---- */
static heads standard(oxp_call *c) {
    const oxp_fact *q = oxp_input(c, 0), *k = oxp_input(c, 1), *v = oxp_input(c, 2);
    heads h = {.type = oxp_elem_type(q), .batch = oxp_dim_of(q, 0)};
    if (oxp_rank(q) == 3) {
        h.q_heads = named(c, "q_num_heads");
        h.kv_heads = named(c, "kv_num_heads");
        h.q_len = oxp_dim_of(q, 1);
        h.kv_len = oxp_dim_of(k, 1);
        h.size = divided(c, oxp_dim_of(q, 2), h.q_heads);
        h.v_size = divided(c, oxp_dim_of(v, 2), h.kv_heads);
    } else {
        h.q_heads = oxp_dim_of(q, 1);
        h.kv_heads = oxp_dim_of(k, 1);
        h.q_len = oxp_dim_of(q, 2);
        h.kv_len = oxp_dim_of(k, 2);
        h.size = oxp_dim_of(q, 3);
        h.v_size = oxp_dim_of(v, 3);
    }
    h.past = past_of(oxp_input(c, 4), 2);
    h.total = oxp_dim_add(c->dims, h.past, h.kv_len);
    return h;
}

static void check_kv_heads(oxp_call *c, const heads *h) {
    oxp_dim q = h->q_heads, kv = h->kv_heads;
    if (oxp_dim_is_literal(q) && oxp_dim_is_literal(kv) && !oxp_dim_is_unknown(q) &&
        !oxp_dim_is_unknown(kv) && kv > 0 && q % kv != 0)
        oxp_op_error(c, "%lld heads are no multiple of %lld key and value heads", (long long)q,
                     (long long)kv);
}

/* The mask broadcasts to [batch, heads, queries, keys]; since opset 24 it may have fewer keys. */
static void check_mask(oxp_call *c, const heads *h) {
    const oxp_fact *m = oxp_input(c, 3);
    oxp_dim full[4] = {h->batch, h->q_heads, h->q_len, h->total};
    int rank = oxp_rank(m);
    if (rank > 4)
        oxp_op_error(c, "attn_mask has rank %d, more than 4", rank);
    for (int k = 1; k <= rank && k <= 4; k++) {
        oxp_dim have = m->type.dims[rank - k], want = full[4 - k];
        bool fewer = k == 1 && c->opset >= 24 && have < want;
        if (have != 1 && have != want && !fewer && oxp_dim_is_literal(have) &&
            oxp_dim_is_literal(want) && !oxp_dim_is_unknown(have) && !oxp_dim_is_unknown(want)) {
            oxp_op_error(c, "attn_mask has %lld along axis %d, not 1 or %lld", (long long)have,
                         rank - k, (long long)want);
            return;
        }
    }
}

static void infer_attention(oxp_call *c) {
    heads h = standard(c);
    int rank = oxp_rank(oxp_input(c, 0));
    oxp_dtype tv = oxp_elem_type(oxp_input(c, 2));
    oxp_dim y4[4] = {h.batch, h.q_heads, h.q_len, h.v_size};
    oxp_dim y3[3] = {h.batch, h.q_len, oxp_dim_mul(c->dims, h.q_heads, h.v_size)};
    oxp_dim key[4] = {h.batch, h.kv_heads, h.total, h.size};
    oxp_dim value[4] = {h.batch, h.kv_heads, h.total, h.v_size};
    oxp_dim qk[4] = {h.batch, h.q_heads, h.q_len, h.total};
    if (rank >= 0 && rank != 3 && rank != 4)
        oxp_op_error(c, "query of rank %d", rank);
    if (rank == 3 && (!oxp_call_attr(c, "q_num_heads") || !oxp_call_attr(c, "kv_num_heads")))
        oxp_op_invalid(c, "q_num_heads and kv_num_heads are needed for a query of rank 3");
    if (!oxp_input(c, 4) != !oxp_input(c, 5))
        oxp_op_error(c, "one of past_key and past_value without the other");
    check_kv_heads(c, &h);
    check_mask(c, &h);
    (void)oxp_needs_check(c, rank == 4 ? "0:b,q,s,h; 1:b,k,t,h; 2:b,k,t,v; 4:b,k,p,h; 5:b,k,p,v"
                                       : "q=q_num_heads; k=kv_num_heads; q_num_heads>=1; "
                                         "kv_num_heads>=1; 0:b,s,qh; 1:b,t,kh; 2:b,t,kv; "
                                         "4:b,k,p,h; 5:b,k,p,v");
    oxp_dim width = oxp_dim_of(oxp_input(c, 0), -1);
    if (rank == 3 && oxp_dim_is_literal(width) && oxp_dim_is_literal(h.q_heads) &&
        width % h.q_heads != 0)
        oxp_op_error(c, "width %lld of the query is no multiple of %lld heads", (long long)width,
                     (long long)h.q_heads);
    if (c->n_out > 0) {
        if (rank < 0)
            oxp_set_unknown_rank(c, 0, h.type);
        else
            oxp_set(c, 0, h.type, rank == 3 ? 3 : 4, rank == 3 ? y3 : y4);
    }
    if (c->n_out > 1)
        oxp_set(c, 1, h.type, 4, key);
    if (c->n_out > 2)
        oxp_set(c, 2, tv, 4, value);
    if (c->n_out > 3)
        oxp_set(c, 3, h.type, 4, qk);
}

/* The products and the softmax between them. */
static bool products(const heads *h, uint64_t *macs, uint64_t *flops) {
    oxp_dim scores[4] = {h->batch, h->q_heads, h->q_len, h->total};
    uint64_t n, d, dv;
    if (!oxp_dims_product(scores, 4, &n) || !oxp_dim_count(h->size, &d) ||
        !oxp_dim_count(h->v_size, &dv))
        return false;
    *macs = oxp_sat_mul(n, oxp_sat_add(d, dv));
    *flops = oxp_sat_mul(n, 6);
    return true;
}

static void cost_heads(const heads *h, uint64_t more_macs, uint64_t more_flops, oxp_cost *cost) {
    uint64_t macs, flops;
    if (products(h, &macs, &flops))
        oxp_cost_macs(cost, oxp_sat_add(macs, more_macs), oxp_sat_add(flops, more_flops));
}

static void cost_attention(const oxp_call *c, oxp_cost *cost) {
    oxp_call copy = *c;
    heads h = standard(&copy);
    cost_heads(&h, 0, 0, cost);
}

static void infer_flex(oxp_call *c) {
    const oxp_fact *q = oxp_input(c, 0);
    oxp_dim d[4] = {oxp_dim_of(q, 0), oxp_dim_of(q, 1), oxp_dim_of(q, 2),
                    oxp_dim_of(oxp_input(c, 2), 3)};
    oxp_set(c, 0, oxp_elem_type(q), 4, d);
}

/* ---- Attention of com.microsoft: packed projection in front ---- */
static heads projected(oxp_call *c, uint32_t past_slot) {
    const oxp_fact *x = oxp_input(c, 0), *w = oxp_input(c, 1), *past = oxp_input(c, past_slot);
    size_t n;
    const int64_t *sizes = oxp_call_ints(c, "qkv_hidden_sizes", &n);
    heads h = {.batch = oxp_dim_of(x, 0), .q_len = oxp_dim_of(x, 1)};
    h.type = oxp_elem_type(oxp_input(c, 2)); /* QAttention's input is quantized; its bias is not */
    if (h.type == OXP_UNDEFINED)
        h.type = oxp_elem_type(x);
    h.q_heads = h.kv_heads = named(c, "num_heads");
    oxp_dim hidden = divided(c, oxp_dim_of(w, 1), 3);
    h.size = divided(c, sizes && n == 3 ? oxp_dim_literal(sizes[0]) : hidden, h.q_heads);
    h.v_size = divided(c, sizes && n == 3 ? oxp_dim_literal(sizes[2]) : hidden, h.q_heads);
    h.kv_len = h.q_len;
    h.past = past_of(past, 3);
    h.total = oxp_dim_add(c->dims, h.past, h.kv_len);
    return h;
}

static void set_projected(oxp_call *c, const heads *h) {
    oxp_dim y[3] = {h->batch, h->q_len, oxp_dim_mul(c->dims, h->q_heads, h->v_size)};
    bool shared = oxp_call_int(c, "past_present_share_buffer", 0) != 0;
    oxp_dim present[5] = {2, h->batch, h->kv_heads, shared ? h->past : h->total, h->size};
    if (c->n_out > 0)
        oxp_set(c, 0, h->type, 3, y);
    if (c->n_out > 1)
        oxp_set(c, 1, h->type, 5, present);
}

/* The three parts of the projection are alike unless their sizes are given. */
static void infer_ms_attention(oxp_call *c) {
    heads h = projected(c, 4);
    bool alike = oxp_call_length(c, "qkv_hidden_sizes") == 0;
    (void)oxp_needs_check(c, alike
                                 ? "n=num_heads; num_heads>=1; 0:b,s,i; 1:i,3nh; 2:3nh; 4:2,b,n,?,h"
                                 : "n=num_heads; num_heads>=1; 0:b,s,i; 1:i,t; 2:t; 4:2,b,n,?,?");
    if (!oxp_input(c, 4)) /* mask_index and attention_bias, the keys are the input's */
        (void)oxp_needs_check(c,
                              "n=num_heads; 0:b,s,*; 3:b|2b|3b+2|b,s|b,s,s|b,1,?,?; 5:^b,^n,s,s");
    set_projected(c, &h);
}

static void infer_qattention(oxp_call *c) {
    heads h = projected(c, 8);
    (void)oxp_needs_check(c, "n=num_heads; num_heads>=1; 0:b,?,i; 1:i,3nh; 2:3nh; 3:()|1; "
                             "4:()|1|3nh; 6:()|1; 7:()|1|3nh; 8:2,b,n,?,h");
    set_projected(c, &h);
}

static void cost_projected(const oxp_call *c, oxp_cost *cost, uint32_t past_slot) {
    oxp_call copy = *c;
    heads h = projected(&copy, past_slot);
    const oxp_fact *x = oxp_input(c, 0), *w = oxp_input(c, 1);
    uint64_t n, columns;
    if (!oxp_elements_literal(x, &n) || !oxp_dim_count(oxp_dim_of(w, 1), &columns))
        return;
    uint64_t macs = oxp_sat_mul(n, columns), in = 1;
    uint64_t bias = oxp_input(c, 2) && oxp_dim_count(oxp_dim_of(x, -1), &in) && in
                        ? oxp_sat_mul(n / in, columns)
                        : 0;
    if (!oxp_is_quantized(c, 0)) {
        cost_heads(&h, macs, bias, cost);
        return;
    }
    cost_heads(&h, 0, bias, cost);
    cost->int_ops = cost->known ? oxp_sat_mul(macs, 2) : 0;
}

static void cost_ms_attention(const oxp_call *c, oxp_cost *cost) {
    cost_projected(c, cost, 4);
}

static void cost_qattention(const oxp_call *c, oxp_cost *cost) {
    cost_projected(c, cost, 8);
}

/* ---- MultiHeadAttention: separate or packed query, key, value ---- */
static heads multi_head(oxp_call *c) {
    const oxp_fact *q = oxp_input(c, 0), *k = oxp_input(c, 1), *v = oxp_input(c, 2);
    heads h = {.type = oxp_elem_type(q), .batch = oxp_dim_of(q, 0), .q_len = oxp_dim_of(q, 1)};
    h.q_heads = h.kv_heads = named(c, "num_heads");
    h.past = past_of(oxp_input(c, 6), 2);
    h.kv_len = h.q_len;
    if (oxp_rank(q) == 5) { /* [batch, length, heads, 3, size] */
        h.size = h.v_size = oxp_dim_of(q, 4);
    } else {
        h.size = h.v_size = divided(c, oxp_dim_of(q, 2), h.q_heads);
        if (oxp_rank(k) == 5) /* [batch, length, heads, 2, size] */
            h.kv_len = oxp_dim_of(k, 1);
        else if (k)
            h.kv_len = oxp_dim_of(k, oxp_rank(k) == 4 ? 2 : 1);
        if (oxp_rank(v) == 4)
            h.v_size = oxp_dim_of(v, 3);
        else if (v)
            h.v_size = divided(c, oxp_dim_of(v, 2), h.q_heads);
    }
    h.total = oxp_dim_add(c->dims, h.past, h.kv_len);
    return h;
}

static void set_cached(oxp_call *c, const heads *h, oxp_dim length) {
    oxp_dim y[3] = {h->batch, h->q_len, oxp_dim_mul(c->dims, h->q_heads, h->v_size)};
    oxp_dim key[4] = {h->batch, h->kv_heads, length, h->size};
    oxp_dim value[4] = {h->batch, h->kv_heads, length, h->v_size};
    oxp_dim qk[4] = {h->batch, h->q_heads, h->q_len, h->total};
    if (c->n_out > 0)
        oxp_set(c, 0, h->type, 3, y);
    if (c->n_out > 1)
        oxp_set(c, 1, h->type, 4, key);
    if (c->n_out > 2)
        oxp_set(c, 2, h->type, 4, value);
    if (c->n_out > 3)
        oxp_set(c, 3, h->type, 4, qk);
}

static void infer_multi_head(oxp_call *c) {
    heads h = multi_head(c);
    if (!oxp_input(c, 1) && oxp_input(c, 2))
        oxp_op_error(c, "a value without a key");
    if (!oxp_input(c, 6) != !oxp_input(c, 7))
        oxp_op_error(c, "one of past_key and past_value without the other");
    if (!oxp_input(c, 6)) /* key_padding_mask and attention_bias */
        (void)oxp_needs_check(c, "n=num_heads; 0:b,s,*; 1:?,l,?|?,l,?,2,?|?,?,l,?; "
                                 "4:b|3b+2|b,l|b,s,l; 5:^b,^n,s,l");
    set_cached(c, &h, oxp_input(c, 8) ? h.past : h.total); /* 8: the buffer is shared */
}

static void cost_multi_head(const oxp_call *c, oxp_cost *cost) {
    oxp_call copy = *c;
    heads h = multi_head(&copy);
    uint64_t bias = 0;
    (void)(oxp_input(c, 3) && oxp_in_count(c, 0, &bias));
    cost_heads(&h, 0, bias, cost);
}

/* past_key and past_value are inputs 5 and 6; the bias is the last. */
static heads masked(oxp_call *c) {
    heads h = multi_head(c);
    h.past = past_of(oxp_input(c, 5), 2);
    h.total = oxp_call_int(c, "past_present_share_buffer", 0)
                  ? h.past
                  : oxp_dim_add(c->dims, h.past, h.kv_len);
    return h;
}

static void infer_masked(oxp_call *c) {
    heads h = masked(c);
    set_cached(c, &h, h.total);
}

static void cost_masked(const oxp_call *c, oxp_cost *cost) {
    oxp_call copy = *c;
    heads h = masked(&copy);
    cost_heads(&h, 0, 0, cost);
}

/* ---- grouped queries ---- */
static heads grouped(oxp_call *c, uint32_t total_slot) {
    const oxp_fact *q = oxp_input(c, 0);
    heads h = {.type = oxp_elem_type(q), .batch = oxp_dim_of(q, 0), .q_len = oxp_dim_of(q, 1)};
    h.q_heads = named(c, "num_heads");
    h.kv_heads = named(c, "kv_num_heads");
    oxp_dim parts = h.q_heads; /* packed: query, key and value beside each other */
    if (!oxp_input(c, 1))
        parts = oxp_dim_add(c->dims, h.q_heads, oxp_dim_mul(c->dims, h.kv_heads, 2));
    h.size = h.v_size = divided(c, oxp_dim_of(q, 2), parts);
    h.kv_len = h.q_len;
    h.past = past_of(oxp_input(c, 3), 2);
    h.total = oxp_input_scalar(c, total_slot);
    if (oxp_dim_is_unknown(h.total) && !oxp_input(c, 3))
        h.total = h.kv_len;
    return h;
}

static void set_grouped(oxp_call *c, const heads *h) {
    oxp_dtype cache = oxp_elem_type(oxp_input(c, 3));
    /* a cache that is long enough is kept, a shorter one grows */
    oxp_dim length =
        oxp_dim_is_unknown(h->total) ? OXP_DIM_UNKNOWN : oxp_dim_max(c->dims, h->past, h->total);
    set_cached(c, h, length);
    for (uint32_t i = 1; i < c->n_out && i < 3 && cache != OXP_UNDEFINED; i++)
        c->out[i].type.elem = cache;
}

/* Keys and values of fewer heads, whose number divides that of the queries; or all three packed. */
static void check_grouped(oxp_call *c, const heads *h) {
    bool packed = !oxp_input(c, 1), plain = oxp_dtype_is_float(oxp_elem_type(oxp_input(c, 3)));
    int64_t kv = oxp_call_int(c, "kv_num_heads", 0), q = oxp_call_int(c, "num_heads", 0);
    oxp_dim width = oxp_dim_of(oxp_input(c, 0), 2);
    if (kv < 1 || q < 1 || q > INT32_MAX || kv > INT32_MAX)
        return;
    if (q % kv != 0)
        oxp_op_error(c, "%lld heads are no multiple of %lld key and value heads", (long long)q,
                     (long long)kv);
    else if (packed != !oxp_input(c, 2))
        oxp_op_error(c, "one of key and value without the other");
    else if (!oxp_input(c, 3) != !oxp_input(c, 4))
        oxp_op_error(c, "one of past_key and past_value without the other");
    else if (packed && oxp_dim_is_literal(width) && !oxp_dim_is_unknown(width) &&
             width % (q + 2 * kv) != 0)
        oxp_op_error(c, "a packed width of %lld cannot be split into %lld heads", (long long)width,
                     (long long)(q + 2 * kv));
    else if (!packed)
        (void)oxp_needs_check(c, "n=num_heads; k=kv_num_heads; 0:b,?,nh; 1:b,l,kh|?,?,?,?; "
                                 "2:b,l,kh|?,?,?,?; 3-4:b,k,?,?; 5:b|b,1; 6:()|1");
    else
        (void)oxp_needs_check(c, "k=kv_num_heads; 0:b,?,?; 3-4:b,k,?,?; 5:b|b,1; 6:()|1");
    for (uint32_t i = 3; i < 5 && plain && !oxp_call_int(c, "kv_cache_bit_width", 0); i++)
        if (oxp_rank(oxp_input(c, i)) == 4 && !oxp_same_size(c, i, 3, h->size))
            return;
}

static void infer_grouped(oxp_call *c) {
    heads h = grouped(c, 6);
    check_grouped(c, &h);
    set_grouped(c, &h);
}

static void infer_sparse(oxp_call *c) {
    heads h = grouped(c, 7);
    set_cached(c, &h, h.past);
}

/* Keys that are attended to: past and present when the total is not known as a number. */
static void cost_grouped(const oxp_call *c, oxp_cost *cost) {
    oxp_call copy = *c;
    heads h = grouped(&copy, 6);
    if (oxp_dim_is_unknown(h.total))
        h.total = oxp_dim_add(c->dims, h.past, h.kv_len);
    uint64_t rotary = 0;
    (void)(oxp_call_int(c, "do_rotary", 0) && oxp_in_count(c, 0, &rotary));
    cost_heads(&h, 0, oxp_sat_mul(rotary, 3), cost);
}

/* ---- packed batches: [tokens, hidden] ---- */
static void infer_packed(oxp_call *c) {
    const oxp_fact *q = oxp_input(c, 0), *v = oxp_input(c, 2), *w = oxp_input(c, 1);
    size_t n;
    const int64_t *sizes = oxp_call_ints(c, "qkv_hidden_sizes", &n);
    oxp_dim hidden = oxp_rank(v) == 2 ? oxp_dim_of(v, 1) : divided(c, oxp_dim_of(w, 1), 3);
    if (sizes && n == 3)
        hidden = oxp_dim_literal(sizes[2]);
    if (oxp_rank(q) == 4) /* [tokens, heads, 3, size] */
        hidden = oxp_dim_mul(c->dims, oxp_dim_of(q, 1), oxp_dim_of(q, 3));
    oxp_dim d[2] = {oxp_dim_of(q, 0), hidden};
    oxp_set(c, 0, oxp_elem_type(q), 2, d);
}

/* How the tokens fall into sequences depends on data. */
static void cost_unknown(const oxp_call *c, oxp_cost *cost) {
    (void)c;
    cost->known = false;
}

/* [sequence, batch, hidden] and two caches */
static void infer_decoder(oxp_call *c) {
    oxp_infer_like(c);
    for (uint32_t i = 1; i < c->n_out && i < 3; i++) {
        oxp_dim d[4] = {oxp_dim_of(oxp_input(c, 0), 1), named(c, "num_heads"), OXP_DIM_UNKNOWN,
                        divided(c, oxp_dim_of(oxp_input(c, 0), 2), named(c, "num_heads"))};
        oxp_set(c, i, oxp_elem_type(oxp_input(c, 0)), 4, d);
    }
}

/* ---- linear attention ---- */
static void infer_linear(oxp_call *c) {
    const oxp_fact *q = oxp_input(c, 0), *v = oxp_input(c, 2), *past = oxp_input(c, 3);
    oxp_dim qh = named(c, "q_num_heads"), kh = named(c, "kv_num_heads");
    oxp_dim dk = divided(c, oxp_dim_of(q, 2), qh), dv = divided(c, oxp_dim_of(v, 2), kh);
    oxp_dim y[3] = {oxp_dim_of(q, 0), oxp_dim_of(q, 1),
                    oxp_dim_mul(c->dims, oxp_dim_max(c->dims, qh, kh), dv)};
    oxp_dim state[4] = {oxp_dim_of(q, 0), kh, dk, dv};
    oxp_dtype t = oxp_elem_type(past);
    if (c->n_out > 0)
        oxp_set(c, 0, oxp_elem_type(q), 3, y);
    if (c->n_out > 1 && past)
        oxp_set_like(c, 1, past);
    else if (c->n_out > 1 && !oxp_call_int(c, "state_window", 0))
        oxp_set(c, 1, t != OXP_UNDEFINED ? t : oxp_elem_type(q), 4, state);
}

/* Per token: the outer product of key and value into the state, and the state times the query. */
static void cost_linear(const oxp_call *c, oxp_cost *cost) {
    const oxp_fact *q = oxp_input(c, 0), *v = oxp_input(c, 2);
    int64_t qh = oxp_call_int(c, "q_num_heads", 0), kh = oxp_call_int(c, "kv_num_heads", 0);
    uint64_t tokens, wide, values;
    oxp_dim outer[2] = {oxp_dim_of(q, 0), oxp_dim_of(q, 1)};
    if (qh < 1 || kh < 1 || !oxp_dims_product(outer, 2, &tokens) ||
        !oxp_dim_count(oxp_dim_of(q, 2), &wide) || !oxp_dim_count(oxp_dim_of(v, 2), &values))
        return;
    uint64_t state = oxp_sat_mul(wide / (uint64_t)qh, values / (uint64_t)kh);
    uint64_t per = oxp_sat_mul(state, (uint64_t)qh + (uint64_t)kh);
    oxp_cost_macs(cost, oxp_sat_mul(tokens, per), 0);
}

/* ---- company ---- */
/* Two products and a sum per element. */
static void cost_rotary(const oxp_call *c, oxp_cost *cost) {
    oxp_cost_per_out(c, cost, 3);
}

/* X, the caches - a row for each position, or with position_ids for each token - and these. */
static void infer_rotary(oxp_call *c) {
    oxp_infer_like(c);
    (void)oxp_needs_check(c, oxp_input(c, 3)
                                 ? "0:b,s,?|b,?,s,?; 1:?,?; 2=1; 3:b,s; interleaved{0,1}"
                                 : "0:b,s,?|b,?,s,?; 1:b,s,?; 2=1; interleaved{0,1}");
    if (oxp_rank(oxp_input(c, 0)) == 3 && oxp_call_int(c, "num_heads", 0) < 1)
        oxp_op_invalid(c, "num_heads is needed for an input of rank 3");
    if (oxp_input(c, 3))
        (void)oxp_indices_within(c, 3, 0, 1, oxp_dim_of(oxp_input(c, 1), 0));
}

/* position_ids: one to start from, or one for each token. */
static void infer_ms_rotary(oxp_call *c) {
    uint64_t n;
    oxp_infer_like(c);
    (void)oxp_needs_check(c, "0:b,s,?|b,?,s,?; 1:()|1|b,s; 2:?,?; 3=2; num_heads>=0; "
                             "rotary_embedding_dim>=0; interleaved{0,1}");
    if (oxp_in_count(c, 1, &n) && n > 1)
        (void)oxp_indices_within(c, 1, 0, 1, oxp_dim_of(oxp_input(c, 2), 0));
}

static void infer_gemma_rotary(oxp_call *c) {
    for (uint32_t i = 0; i < c->n_out && i < 2; i++)
        if (oxp_input(c, 1 + 2 * i))
            oxp_set_like(c, i, oxp_input(c, 1 + 2 * i));
}

static void infer_position_bias(oxp_call *c) {
    oxp_dim d[4] = {1, oxp_dim_of(oxp_input(c, 0), 1), oxp_input_scalar(c, 1),
                    oxp_input_scalar(c, 2)};
    oxp_set(c, 0, oxp_elem_type(oxp_input(c, 0)), 4, d);
}

static void infer_gated_bias(oxp_call *c) {
    const oxp_fact *rel = oxp_input(c, 2), *q = oxp_input(c, 0);
    oxp_dim d[4] = {oxp_dim_of(q, 0), named(c, "num_heads"), oxp_dim_of(rel, 2),
                    oxp_dim_of(rel, 3)};
    oxp_set(c, 0, oxp_elem_type(q), 4, d);
}

/* k of the experts for each token; up (and gate) and down projections of [experts, a, b]. */
static void cost_experts(const oxp_call *c, oxp_cost *cost) {
    const oxp_fact *x = oxp_input(c, 0);
    int rank = oxp_rank(x);
    uint64_t tokens, per = 0, k = (uint64_t)oxp_call_int(c, "k", 1);
    if (rank < 1 || !oxp_dims_product(x->type.dims, rank - 1, &tokens))
        return;
    for (uint32_t slot = 2; slot <= 6; slot += 2) {
        const oxp_fact *w = oxp_input(c, slot);
        uint64_t n;
        if (!w)
            continue;
        if (oxp_rank(w) != 3 || !oxp_dims_product(w->type.dims + 1, 2, &n))
            return;
        per = oxp_sat_add(per, n);
    }
    oxp_cost_macs(cost, oxp_sat_mul(oxp_sat_mul(tokens, k), per), 0);
}

static oxp_range range_rotary(const oxp_call *c, const oxp_range *in, uint32_t slot) {
    oxp_range x = oxp_range_same(c, in, slot);
    double most = 1.5 * (-x.lo > x.hi ? -x.lo : x.hi); /* |a cos - b sin| <= sqrt(2) max */
    return oxp_range_of(-most, most);
}

#define A (OXP_OP_ATTENTION | OXP_OP_ACCUMULATES)
static const oxp_op table[] = {
    {"Attention", "", A, 0, infer_attention, cost_attention, NULL},
    {"FlexAttention", "ai.onnx.preview", A, 0, infer_flex, cost_attention, NULL},
    {"LinearAttention", "", A, 0, infer_linear, cost_linear, NULL},
    {"RotaryEmbedding", "", 0, 0, infer_rotary, cost_rotary, range_rotary},
    {"TensorScatter", "", OXP_OP_MOVE, 0, oxp_infer_like, NULL, NULL},
    {"Attention", MS, A, 6, infer_ms_attention, cost_ms_attention, NULL},
    {"DecoderMaskedSelfAttention", MS, A, 6, infer_ms_attention, cost_ms_attention, NULL},
    {"QAttention", MS, A | OXP_OP_QUANT, 0xde, infer_qattention, cost_qattention, NULL},
    {"MultiHeadAttention", MS, A, 1u << 3, infer_multi_head, cost_multi_head, NULL},
    {"DecoderMaskedMultiHeadAttention", MS, A, 1u << 10, infer_masked, cost_masked, NULL},
    {"GroupQueryAttention", MS, A, 0, infer_grouped, cost_grouped, NULL},
    {"SparseAttention", MS, A, 0, infer_sparse, cost_unknown, NULL},
    {"PackedAttention", MS, A, 6, infer_packed, cost_unknown, NULL},
    {"PackedMultiHeadAttention", MS, A, 1u << 3, infer_packed, cost_unknown, NULL},
    {"LongformerAttention", MS, A, 0x36, oxp_infer_like, cost_unknown, NULL},
    {"DecoderAttention", MS, A, 0x1c, infer_decoder, cost_unknown, NULL},
    {"LinearAttention", MS, A, 0, infer_linear, cost_linear, NULL},
    {"RotaryEmbedding", MS, 0, 0, infer_ms_rotary, cost_rotary, NULL},
    {"GemmaRotaryEmbedding", MS, 0, 0, infer_gemma_rotary, cost_rotary, NULL},
    {"RelativePositionBias", MS, OXP_OP_MOVE, 1, infer_position_bias, NULL, NULL},
    {"GatedRelativePositionBias", MS, 0, 0x1a, infer_gated_bias, NULL, NULL},
    {"MoE", MS, OXP_OP_MATMUL | OXP_OP_ACCUMULATES, 0xfc, oxp_infer_like, cost_experts, NULL},
    {"QMoE", MS, OXP_OP_MATMUL | OXP_OP_QUANT, 0x1ffc, oxp_infer_like, cost_unknown, NULL},
};

static const oxp_op_need needs[] = {
    {"MultiHeadAttention",
     "n=num_heads; num_heads>=1; 0:b,s,nh|b,s,n,3,h; 1:b,l,nh|b,l,n,2,h|b,n,l,h; 2:b,l,nv|b,n,l,v; "
     "3:?; 6:b,n,p,h; 7:b,n,p,h"},
    {"GroupQueryAttention SparseAttention", "num_heads>=1; kv_num_heads>=1"},
};
const oxp_op_family oxp_ops_attention = {table, OXP_COUNT(table), needs, OXP_COUNT(needs)};
