/* norm.c - normalizations, softmax, dropout.
 *
 * Costs per element, by arithmetic (docs/flops.md): an affine map 2; mean and variance with the map
 * 7 (sum, subtract, square, sum, scale, weight, bias); RMS 4; softmax 5 (maximum, subtract, exp,
 * sum, divide). */
#include "ops/needs.h"
#include "ops/util.h"

static void set_vector(oxp_call *c, uint32_t slot, const oxp_fact *like) {
    if (slot < c->n_out && like)
        oxp_set_like(c, slot, like);
}

/* Y, then by opset running or saved statistics: all as long as the scale. */
static void infer_batchnorm(oxp_call *c) {
    oxp_infer_like(c);
    const oxp_fact *x = oxp_input(c, 0), *stat = oxp_input(c, 3);
    if (oxp_rank(x) >= 2 && oxp_rank(oxp_input(c, 1)) == 1)
        for (uint32_t i = 1; i < 5; i++)
            if (oxp_rank(oxp_input(c, i)) == 1)
                (void)oxp_unify(c, oxp_dim_of(x, 1), oxp_dim_of(oxp_input(c, i), 0), "channels");
    for (uint32_t i = 1; i < c->n_out; i++)
        set_vector(c, i, stat ? stat : oxp_input(c, 1));
    if (c->opset >= 9 || oxp_call_int(c, "spatial", 1) != 0) /* else a statistic for each element */
        (void)oxp_needs_check(c, "0:?,C,*|?; 1-4:C");
    bool training = oxp_call_int(c, "training_mode", 0) != 0;
    if (c->opset >= 14 && (training ? c->n_out != 3 : c->n_out != 1))
        oxp_op_error(c, "%u outputs, with training_mode %d it has %d", c->n_out, training,
                     training ? 3 : 1);
}

/* Softmax, LogSoftmax, Hardmax: as the input; from opset 13 along one axis, before over all axes
 * from `axis` on. */
static void infer_softmax(oxp_call *c) {
    const oxp_fact *x = oxp_input(c, 0);
    int rank = oxp_rank(x);
    oxp_infer_like(c);
    if (rank > 0)
        (void)oxp_axis(c, oxp_call_int(c, "axis", c->opset >= 13 ? -1 : rank > 1), rank);
}

/* Statistics of a normalization over the axes from `axis` on: those are 1. */
static void set_statistics(oxp_call *c, uint32_t slot, const oxp_fact *x, int64_t axis,
                           oxp_dtype t) {
    int rank = oxp_rank(x);
    if (slot >= c->n_out)
        return;
    if (rank < 1) {
        oxp_set_unknown_rank(c, slot, t);
        return;
    }
    int a = oxp_axis(c, axis, rank);
    if (a < 0)
        return;
    oxp_dim *d = oxp_dims_dup(c, x, 0);
    for (int i = a; i < rank; i++)
        d[i] = 1;
    oxp_set(c, slot, t, rank, d);
}

static oxp_dtype stash_type(oxp_call *c) {
    int64_t t = oxp_call_int(c, "stash_type", OXP_FLOAT);
    return t > 0 && t < OXP_DTYPE_COUNT ? (oxp_dtype)t : OXP_UNDEFINED;
}

/* Scale or bias: as many elements as the axes from `axis` on have, or what broadcasts to the input.
 */
static void check_affine(oxp_call *c, uint32_t slot, int64_t axis) {
    const oxp_fact *x = oxp_input(c, 0), *s = oxp_input(c, slot);
    int rank = oxp_rank(x), more = rank - oxp_rank(s), a = (int)(axis < 0 ? axis + rank : axis);
    uint64_t n, m;
    if (rank < 1 || oxp_rank(s) < 0 || !oxp_dims_product(x->type.dims + a, rank - a, &n) ||
        !oxp_elements_literal(s, &m) || n == m)
        return;
    bool fits = more >= 0;
    for (int i = 0; i < oxp_rank(s) && fits; i++) {
        oxp_dim d = s->type.dims[i], to = x->type.dims[i + more];
        fits = d == 1 || d == to || !oxp_dim_is_literal(to);
    }
    if (!fits)
        oxp_op_error(c,
                     "input %u has %llu elements, which do not broadcast to %llu normalized ones",
                     slot, (unsigned long long)m, (unsigned long long)n);
}

static void infer_layernorm(oxp_call *c) {
    int64_t axis = oxp_call_int(c, "axis", -1);
    oxp_infer_like(c);
    if (oxp_rank(oxp_input(c, 0)) >= 0 && oxp_axis(c, axis, oxp_rank(oxp_input(c, 0))) < 0)
        return;
    set_statistics(c, 1, oxp_input(c, 0), axis, stash_type(c));
    set_statistics(c, 2, oxp_input(c, 0), axis, stash_type(c));
    check_affine(c, 1, axis);
    check_affine(c, 2, axis);
}

/* Y has the scale's type. */
static void infer_rms(oxp_call *c) {
    const oxp_fact *x = oxp_input(c, 0);
    oxp_dtype t = oxp_elem_type(oxp_input(c, 1));
    if (c->n_out)
        oxp_set_shape_of(c, 0, t != OXP_UNDEFINED ? t : oxp_elem_type(x), x);
    if (oxp_rank(x) >= 0 && oxp_axis(c, oxp_call_int(c, "axis", -1), oxp_rank(x)) < 0)
        return;
    set_statistics(c, 1, x, oxp_call_int(c, "axis", -1), stash_type(c));
}

/* Y, mean, 1 / deviation, sum of input, skip and bias. */
static void infer_skip(oxp_call *c) {
    const oxp_fact *x = oxp_input(c, 0);
    oxp_infer_like(c);
    set_statistics(c, 1, x, -1, OXP_FLOAT);
    set_statistics(c, 2, x, -1, OXP_FLOAT);
    set_vector(c, 3, x);
}

/* [batch, sequence] ids to [batch, sequence, hidden]; the hidden size is the word table's. */
static void infer_embed(oxp_call *c) {
    const oxp_fact *ids = oxp_input(c, 0), *words = oxp_input(c, 2);
    oxp_dtype t = oxp_elem_type(words);
    if (t == OXP_UINT8 || t == OXP_INT8)
        t = oxp_elem_type(oxp_input(c, 8)); /* QEmbed...: the type of its scales */
    oxp_dim batch = oxp_dim_of(ids, 0), length = oxp_dim_of(ids, 1);
    oxp_dim positions = oxp_dim_of(oxp_input(c, 3), 0);
    if (!oxp_input(c, 7) && oxp_dim_is_literal(length) && oxp_dim_is_literal(positions) &&
        !oxp_dim_is_unknown(length) && !oxp_dim_is_unknown(positions) && length > positions)
        oxp_op_error(c, "sequence of %lld, position_embedding has %lld rows", (long long)length,
                     (long long)positions);
    oxp_dim d[3] = {batch, oxp_dim_of(ids, 1), oxp_dim_of(words, 1)};
    for (uint32_t i = 0; i < c->n_out; i++) {
        if (i == 1)
            oxp_set(c, 1, OXP_INT32, 1, &batch);
        else
            oxp_set(c, i, t, 3, d);
    }
}

/* The mask: bool from opset 10 on, before as the input. */
static void infer_dropout(oxp_call *c) {
    oxp_infer_like(c);
    const oxp_fact *x = oxp_input(c, 0);
    if (c->n_out > 1 && x)
        oxp_set_shape_of(c, 1, c->opset >= 10 ? OXP_BOOL : oxp_elem_type(x), x);
}

static void infer_bias_dropout(oxp_call *c) {
    oxp_infer_like(c);
    if (c->n_out > 1)
        oxp_set_shape_of(c, 1, OXP_BOOL, oxp_input(c, 0));
}

/* GroupNorm of activations, second output: the sum with the skip. */
static void infer_skip_group(oxp_call *c) {
    oxp_infer_like_all(c);
}

#define PER_IN(name, n)                                                                            \
    static void cost_##name(const oxp_call *c, oxp_cost *cost) {                                   \
        oxp_cost_per_in(c, cost, n);                                                               \
    }
PER_IN(affine, 2)
PER_IN(mean_variance, 7)
PER_IN(standardize, 5)
PER_IN(rms, 4)
PER_IN(softmax, 5)
PER_IN(lp, 3)

/* Statistics of a batch only when training. */
static void cost_batchnorm(const oxp_call *c, oxp_cost *cost) {
    bool training = oxp_call_int(c, "training_mode", 0) != 0 ||
                    (c->opset < 7 && oxp_call_int(c, "is_test", 0) == 0 && c->n_out > 1);
    oxp_cost_per_in(c, cost, training ? 7 : 2);
}

/* size squares and additions around each element, then scale, bias, power, division. */
static void cost_lrn(const oxp_call *c, oxp_cost *cost) {
    int64_t size = oxp_call_int(c, "size", 1);
    oxp_cost_per_in(c, cost, size > 0 ? oxp_sat_add((uint64_t)size, 5) : 5);
}

/* The additions of skip and bias, then the normalization. */
static void cost_skip(const oxp_call *c, oxp_cost *cost) {
    oxp_cost_per_in(c, cost, oxp_input(c, 4) ? 9 : 8);
}

static void cost_skip_rms(const oxp_call *c, oxp_cost *cost) {
    oxp_cost_per_in(c, cost, oxp_input(c, 3) ? 6 : 5);
}

static void cost_embed(const oxp_call *c, oxp_cost *cost) {
    oxp_cost_per_out(c, cost, 9);
}

/* In inference dropout is the identity. */
static void cost_dropout(const oxp_call *c, oxp_cost *cost) {
    uint64_t n;
    if (oxp_out_count(c, 0, &n))
        oxp_cost_moved(cost, n);
}

static oxp_range range_logsoftmax(const oxp_call *c, const oxp_range *in, uint32_t slot) {
    (void)c, (void)in, (void)slot;
    return oxp_range_of(oxp_range_all().lo, 0);
}

/* Divided by a norm: no element is larger than it. */
static oxp_range range_lp(const oxp_call *c, const oxp_range *in, uint32_t slot) {
    (void)c, (void)in, (void)slot;
    return oxp_range_of(-1, 1);
}

#define N  OXP_OP_NORM
#define NA (OXP_OP_NORM | OXP_OP_ACCUMULATES)
static const oxp_op table[] = {
    {"BatchNormalization", "", N | OXP_OP_RUNNING_STATS, 0x1e, infer_batchnorm, cost_batchnorm,
     NULL},
    {"InstanceNormalization", "", NA, 6, oxp_infer_like, cost_mean_variance, NULL},
    {"LayerNormalization", "", NA, 6, infer_layernorm, cost_mean_variance, NULL},
    {"GroupNormalization", "", NA, 6, oxp_infer_like, cost_mean_variance, NULL},
    {"RMSNormalization", "", NA, 2, infer_rms, cost_rms, NULL},
    {"SimplifiedLayerNormalization", "", NA, 2, infer_rms, cost_rms, NULL},
    {"MeanVarianceNormalization", "", NA, 0, oxp_infer_like, cost_standardize, NULL},
    {"LRN", "", NA, 0, oxp_infer_like, cost_lrn, NULL},
    {"LpNormalization", "", NA, 0, oxp_infer_like, cost_lp, range_lp},
    {"Softmax", "", NA, 0, infer_softmax, cost_softmax, oxp_range_unit},
    {"LogSoftmax", "", NA, 0, infer_softmax, cost_softmax, range_logsoftmax},
    {"Hardmax", "", N, 0, infer_softmax, oxp_cost_read_in, oxp_range_unit},
    {"Dropout", "", OXP_OP_ELEMENTWISE | OXP_OP_UNARY, 0, infer_dropout, cost_dropout, NULL},
    {"SkipLayerNormalization", "com.microsoft", NA, 0x1c, infer_skip, cost_skip, NULL},
    {"SkipSimplifiedLayerNormalization", "com.microsoft", NA, 0xc, infer_skip, cost_skip_rms, NULL},
    {"SimplifiedLayerNormalization", "com.microsoft", NA, 2, infer_rms, cost_rms, NULL},
    {"GatedRMSNorm", "com.microsoft", NA, 2, oxp_infer_like, cost_rms, NULL},
    {"EmbedLayerNormalization", "com.microsoft", NA, 0x7c, infer_embed, cost_embed, NULL},
    {"QEmbedLayerNormalization", "com.microsoft", NA | OXP_OP_QUANT, 0x7c, infer_embed, cost_embed,
     NULL},
    {"GroupNorm", "com.microsoft", NA, 6, oxp_infer_like, cost_mean_variance, NULL},
    {"SkipGroupNorm", "com.microsoft", NA, 6, infer_skip_group, cost_mean_variance, NULL},
    {"BiasSoftmax", "com.microsoft", NA, 0, oxp_infer_like, cost_softmax, oxp_range_unit},
    {"BiasAdd", "com.microsoft", OXP_OP_ELEMENTWISE, 2, oxp_infer_like, cost_affine, NULL},
    {"BiasDropout", "com.microsoft", OXP_OP_RANDOM, 2, infer_bias_dropout, cost_affine, NULL},
};

static const oxp_op_need needs[] = {
    {"InstanceNormalization", "0:?,C,?,*; 1-2:C"},
    {"LayerNormalization", "axis@0; stash_type>=1; stash_type<=28"},
    {"Softmax LogSoftmax Hardmax", "0:?,*"},
    {"GroupNormalization", "g=num_groups; num_groups>=1; 0:?,gk,*; 0:?,C,*; 20- 1-2:g; 21+ 1-2:C"},
    {"RMSNormalization SimplifiedLayerNormalization", "axis@0; 1~0"},
    {"LpNormalization", "axis@0; p{1,2}"},
    {"LRN", "size>=1; 0:?,?,*"},
    {"Dropout", "12+ 1:()|1; 1>=0; 1<1; 2:()|1"},
    {"SkipLayerNormalization", "0:b,s,h|s,h; 1:b,s,h|1,s,h|s,h; 2-4:h"},
    {"SkipSimplifiedLayerNormalization", "0:b,s,h|s,h; 1:?,s,h|s,h; 2-3:h"},
    {"EmbedLayerNormalization QEmbedLayerNormalization",
     "0:b,s; 1:b,s; 2:?,h; 3-4:?,h; 5-6:h; 7:b,s"},
    {"BiasAdd", "0:b,s,C; 1:C; 2:b,s,C"},
};
const oxp_op_family oxp_ops_norm = {table, OXP_COUNT(table), needs, OXP_COUNT(needs)};
