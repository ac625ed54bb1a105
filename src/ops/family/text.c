/* text.c - strings, encoded images, box selection, and what fits no other family. */
#include "ops/util.h"

#include <string.h>

static void infer_bool(oxp_call *c) {
    if (c->n_out)
        oxp_set_shape_of(c, 0, OXP_BOOL, oxp_input(c, 0));
}

static void infer_nms(oxp_call *c) {
    oxp_dim d[2] = {oxp_dim_fresh(c->dims), 3};
    oxp_set(c, 0, OXP_INT64, 2, d);
}

static void infer_image(oxp_call *c) {
    const char *format = oxp_call_string(c, "pixel_format", "RGB");
    oxp_dim d[3] = {oxp_dim_fresh(c->dims), oxp_dim_fresh(c->dims),
                    strcmp(format, "Grayscale") == 0 ? 1 : 3};
    oxp_set(c, 0, OXP_UINT8, 3, d);
}

/* Stop words leave; nothing left becomes one empty string. */
static void infer_normalizer(oxp_call *c) {
    const oxp_fact *x = oxp_input(c, 0);
    int rank = oxp_rank(x);
    if (rank < 1 || oxp_call_length(c, "stopwords") == 0) {
        oxp_infer_like(c);
        return;
    }
    oxp_dim *d = oxp_dims_dup(c, x, 0);
    d[rank - 1] = oxp_dim_fresh(c->dims);
    oxp_set(c, 0, OXP_STRING, rank, d);
}

/* The last axis becomes the n-gram pool's: the largest index and one. */
static void infer_tfidf(oxp_call *c) {
    const oxp_fact *x = oxp_input(c, 0);
    int rank = oxp_rank(x);
    size_t n;
    const int64_t *v = oxp_call_ints(c, "ngram_indexes", &n);
    int64_t most = -1;
    for (size_t i = 0; v && i < n; i++)
        most = v[i] > most ? v[i] : most;
    if (oxp_call_int(c, "min_gram_length", 1) > oxp_call_int(c, "max_gram_length", INT64_MAX))
        oxp_op_invalid(c, "min_gram_length is more than max_gram_length");
    if (rank < 1) {
        oxp_set_unknown_rank(c, 0, OXP_FLOAT);
        return;
    }
    oxp_dim *d = oxp_dims_dup(c, x, 0);
    d[rank - 1] = most >= 0 && most < INT64_MAX ? oxp_dim_literal(most + 1) : OXP_DIM_UNKNOWN;
    oxp_set(c, 0, OXP_FLOAT, rank, d);
}

/* As many columns as the longest split has parts. */
static void infer_split(oxp_call *c) {
    const oxp_fact *x = oxp_input(c, 0);
    int rank = oxp_rank(x);
    if (rank >= 0) {
        oxp_dim *d = oxp_dims_dup(c, x, 1);
        d[rank] = oxp_dim_fresh(c->dims);
        oxp_set(c, 0, OXP_STRING, rank + 1, d);
    } else {
        oxp_set_unknown_rank(c, 0, OXP_STRING);
    }
    if (c->n_out > 1)
        oxp_set_shape_of(c, 1, OXP_INT64, x);
}

static void infer_concat(oxp_call *c) {
    int rank;
    const oxp_dim *dims;
    if (c->n_out && oxp_broadcast(c, c->in, c->n_in, &rank, &dims))
        oxp_set(c, 0, OXP_STRING, rank, dims);
    else
        oxp_set_unknown_rank(c, 0, OXP_STRING);
}

static void infer_tokenizer(oxp_call *c) {
    const oxp_fact *x = oxp_input(c, 0);
    int rank = oxp_rank(x);
    if (rank < 0) {
        oxp_infer_rankless(c);
        return;
    }
    oxp_dim *d = oxp_dims_dup(c, x, 1);
    d[rank] = oxp_dim_fresh(c->dims);
    oxp_set(c, 0, OXP_STRING, rank + 1, d);
}

static void infer_murmur(oxp_call *c) {
    bool positive = oxp_call_int(c, "positive", 1) != 0;
    oxp_set_shape_of(c, 0, positive ? OXP_UINT32 : OXP_INT32, oxp_input(c, 0));
}

/* Intersections of pairs of boxes depend on data: one flop per score read is what is sure. */
static void cost_nms(const oxp_call *c, oxp_cost *cost) {
    uint64_t n;
    if (!oxp_in_count(c, 1, &n))
        return;
    oxp_cost_flops(cost, n);
    cost->at_least = true;
}

#define S OXP_OP_DATA_SHAPE
static const oxp_op table[] = {
    {"NonMaxSuppression", "", S | OXP_OP_ROUNDS_POSITION, 0, infer_nms, cost_nms, NULL},
    {"ImageDecoder", "", S, 0, infer_image, oxp_cost_none, NULL},
    {"StringNormalizer", "", S, 0, infer_normalizer, oxp_cost_none, NULL},
    {"TfIdfVectorizer", "", 0, 0, infer_tfidf, oxp_cost_read_in, NULL},
    {"RegexFullMatch", "", 0, 0, infer_bool, oxp_cost_none, NULL},
    {"StringSplit", "", S, 0, infer_split, oxp_cost_none, NULL},
    {"StringConcat", "", OXP_OP_MOVE, 0, infer_concat, NULL, NULL},
    {"Tokenizer", "com.microsoft", S, 0, infer_tokenizer, oxp_cost_none, NULL},
    {"MurmurHash3", "com.microsoft", 0, 0, infer_murmur, NULL, NULL},
};

static const oxp_op_need needs[] = {
    {"NonMaxSuppression", "0:b,n,4; 1:b,?,n; 3>=0; 3<=1; center_point_box{0,1}"},
    {"ImageDecoder", "0:?; pixel_format{RGB,BGR,Grayscale}"},
    {"StringNormalizer", "0:?|1,?; case_change_action{LOWER,UPPER,NONE}"},
    {"TfIdfVectorizer", "0:?|?,?; mode{TF,IDF,TFIDF}; max_skip_count>=0; min_gram_length>=1; "
                        "max_gram_length>=1; ngram_counts>=0; ngram_indexes>=0"},
};
const oxp_op_family oxp_ops_text = {table, OXP_COUNT(table), needs, OXP_COUNT(needs)};
