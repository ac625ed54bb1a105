/* What kind of network each fixture is, and what it is made of. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "analysis/insight.h"
#include "support/model_text.h"

typedef struct expectation {
    const char *model; /* below fixtures/ */
    const char *family;
    uint64_t layers, heads, kv_heads, head_dim, hidden;
    int kv; /* -1: no decoder, 0: none in the graph, 1: in the graph */
    uint64_t bytes_per_token;
    oxp_task task;
    uint64_t classes;
    struct {
        oxp_block_type type;
        size_t count;
    } blocks[8]; /* ends with a count of 0 unless listed as absent below */
    oxp_block_type absent;
} expectation;

#define NONE OXP_BLOCK_TYPE_COUNT

static const expectation expected[] = {
    {.model = "networks/local_functions",
     .family = "transformer",
     .layers = 2,
     .heads = 4,
     .kv_heads = 4,
     .head_dim = 16,
     .hidden = 64,
     .kv = -1,
     .blocks = {{OXP_BLOCK_RESIDUAL, 4},
                {OXP_BLOCK_GELU, 2},
                {OXP_BLOCK_LAYER_NORM, 4},
                {OXP_BLOCK_ATTENTION, 2},
                {OXP_BLOCK_MLP, 2}},
     .absent = OXP_BLOCK_GATED_MLP},
    {.model = "networks/llama_gqa",
     .family = "transformer",
     .layers = 2,
     .heads = 4,
     .kv_heads = 2,
     .head_dim = 16,
     .hidden = 64,
     .kv = 0,
     .bytes_per_token = 512,
     .task = OXP_TASK_LANGUAGE,
     .blocks = {{OXP_BLOCK_RESIDUAL, 4},
                {OXP_BLOCK_SILU, 2},
                {OXP_BLOCK_RMS_NORM, 5},
                {OXP_BLOCK_ATTENTION, 2},
                {OXP_BLOCK_ROTARY, 4},
                {OXP_BLOCK_GATED_MLP, 2},
                {OXP_BLOCK_EMBEDDING, 1}},
     .absent = OXP_BLOCK_MLP},
    {.model = "networks/t5_encoder_decoder",
     .family = "transformer",
     .layers = 4,
     .heads = 4,
     .kv_heads = 4,
     .head_dim = 16,
     .hidden = 64,
     .kv = 0,
     .bytes_per_token = 1024,
     .task = OXP_TASK_LANGUAGE,
     .blocks = {{OXP_BLOCK_RESIDUAL, 10},
                {OXP_BLOCK_RMS_NORM, 12},
                {OXP_BLOCK_ATTENTION, 6},
                {OXP_BLOCK_MLP, 4},
                {OXP_BLOCK_EMBEDDING, 2}},
     .absent = OXP_BLOCK_ROTARY},
    {.model = "networks/whisper",
     .family = "transformer",
     .layers = 4,
     .heads = 4,
     .kv_heads = 4,
     .head_dim = 16,
     .hidden = 64,
     .kv = 0,
     .bytes_per_token = 1024,
     .blocks = {{OXP_BLOCK_RESIDUAL, 10},
                {OXP_BLOCK_GELU, 6},
                {OXP_BLOCK_LAYER_NORM, 12},
                {OXP_BLOCK_ATTENTION, 6},
                {OXP_BLOCK_MLP, 4},
                {OXP_BLOCK_EMBEDDING, 1}},
     .absent = OXP_BLOCK_GATED_MLP},
    {.model = "networks/bert_masked_lm",
     .family = "transformer",
     .layers = 2,
     .heads = 4,
     .kv_heads = 4,
     .head_dim = 16,
     .hidden = 64,
     .kv = -1,
     .task = OXP_TASK_MASKED,
     .blocks = {{OXP_BLOCK_RESIDUAL, 4},
                {OXP_BLOCK_GELU, 3},
                {OXP_BLOCK_LAYER_NORM, 6},
                {OXP_BLOCK_ATTENTION, 2},
                {OXP_BLOCK_MLP, 2},
                {OXP_BLOCK_EMBEDDING, 3}},
     .absent = OXP_BLOCK_GATED_MLP},
    {.model = "networks/clip",
     .family = "transformer",
     .layers = 4,
     .heads = 4,
     .kv_heads = 4,
     .head_dim = 16,
     .hidden = 64,
     .kv = -1,
     .blocks = {{OXP_BLOCK_RESIDUAL, 8},
                {OXP_BLOCK_GELU, 4},
                {OXP_BLOCK_LAYER_NORM, 11},
                {OXP_BLOCK_ATTENTION, 4},
                {OXP_BLOCK_MLP, 4},
                {OXP_BLOCK_EMBEDDING, 2}},
     .absent = OXP_BLOCK_GATED_MLP},
    {.model = "networks/efficientnet_b0",
     .family = "cnn",
     .kv = -1,
     .task = OXP_TASK_CLASSIFY,
     .classes = 1000,
     .blocks = {{OXP_BLOCK_RESIDUAL, 9},
                {OXP_BLOCK_INVERTED_RESIDUAL, 15},
                {OXP_BLOCK_DEPTHWISE_SEPARABLE, 1},
                {OXP_BLOCK_SQUEEZE_EXCITE, 16},
                {OXP_BLOCK_SILU, 49}},
     .absent = OXP_BLOCK_GELU},
    {.model = "networks/efficientnet_v2",
     .family = "cnn",
     .kv = -1,
     .task = OXP_TASK_CLASSIFY,
     .classes = 1000,
     .blocks = {{OXP_BLOCK_RESIDUAL, 35},
                {OXP_BLOCK_INVERTED_RESIDUAL, 36},
                {OXP_BLOCK_SQUEEZE_EXCITE, 30},
                {OXP_BLOCK_SILU, 102}},
     .absent = OXP_BLOCK_GELU},
    {.model = "networks/segformer",
     .family = "hybrid",
     .layers = 4, /* of 1 to 8 heads: none of their sizes holds for all */
     .kv = -1,
     .blocks = {{OXP_BLOCK_RESIDUAL, 8},
                {OXP_BLOCK_GELU, 4},
                {OXP_BLOCK_LAYER_NORM, 19},
                {OXP_BLOCK_ATTENTION, 4}},
     .absent = OXP_BLOCK_GATED_MLP},
    {.model = "networks/decoder_with_cache",
     .family = "transformer",
     .layers = 1,
     .heads = 4,
     .kv_heads = 2,
     .head_dim = 16,
     .hidden = 64,
     .kv = 1,
     .bytes_per_token = 256,
     .blocks = {{OXP_BLOCK_RESIDUAL, 2},
                {OXP_BLOCK_SILU, 1},
                {OXP_BLOCK_RMS_NORM, 2},
                {OXP_BLOCK_ATTENTION, 1},
                {OXP_BLOCK_ROTARY, 2},
                {OXP_BLOCK_GATED_MLP, 1}},
     .absent = OXP_BLOCK_MLP},
    /* A group's two queries are one row of their key head. */
    {.model = "networks/llama_with_cache",
     .family = "transformer",
     .layers = 2,
     .heads = 4,
     .kv_heads = 2,
     .head_dim = 16,
     .hidden = 64,
     .kv = 1,
     .bytes_per_token = 512,
     .task = OXP_TASK_LANGUAGE,
     .blocks = {{OXP_BLOCK_ATTENTION, 2}, {OXP_BLOCK_ROTARY, 4}, {OXP_BLOCK_GATED_MLP, 2}},
     .absent = OXP_BLOCK_MLP},
    /* Half of its attention looks at keys of the encoder, which are inputs. */
    {.model = "networks/whisper_decoder",
     .family = "transformer",
     .layers = 2,
     .heads = 4,
     .kv_heads = 4,
     .head_dim = 16,
     .hidden = 64,
     .kv = 1,
     .bytes_per_token = 1024,
     .task = OXP_TASK_LANGUAGE,
     .blocks = {{OXP_BLOCK_ATTENTION, 4}, {OXP_BLOCK_MLP, 2}, {OXP_BLOCK_EMBEDDING, 2}},
     .absent = OXP_BLOCK_GATED_MLP},
    {.model = "networks/vocoder",
     .family = "cnn",
     .kv = -1,
     .blocks = {{OXP_BLOCK_RESIDUAL, 4}},
     .absent = OXP_BLOCK_ATTENTION},
    {.model = "networks/wavenet",
     .family = "cnn",
     .kv = -1,
     .blocks = {{OXP_BLOCK_RESIDUAL, 4}},
     .absent = OXP_BLOCK_INVERTED_RESIDUAL},
    {.model = "networks/gpt2_quantized",
     .family = "transformer",
     .layers = 1,
     .heads = 4,
     .kv_heads = 4,
     .head_dim = 8,
     .hidden = 32,
     .kv = 1,
     .bytes_per_token = 256,
     .task = OXP_TASK_LANGUAGE,
     .blocks = {{OXP_BLOCK_ATTENTION, 1}, {OXP_BLOCK_MLP, 1}},
     .absent = OXP_BLOCK_GATED_MLP},
    {.model = "networks/cait",
     .family = "transformer",
     .layers = 26,
     .heads = 4,
     .kv_heads = 4,
     .head_dim = 48,
     .hidden = 192,
     .kv = -1,
     .task = OXP_TASK_CLASSIFY,
     .classes = 1000,
     .blocks = {{OXP_BLOCK_RESIDUAL, 52},
                {OXP_BLOCK_GELU, 26},
                {OXP_BLOCK_LAYER_NORM, 53},
                {OXP_BLOCK_ATTENTION, 26},
                {OXP_BLOCK_MLP, 26}},
     .absent = OXP_BLOCK_EMBEDDING},
    {.model = "skeletons/bert_qa",
     .family = "transformer",
     .layers = 12,
     .heads = 12,
     .kv_heads = 12,
     .head_dim = 64,
     .hidden = 768,
     .kv = -1,
     .task = OXP_TASK_SPAN,
     .blocks = {{OXP_BLOCK_LAYER_NORM, 25},
                {OXP_BLOCK_GELU, 12},
                {OXP_BLOCK_RESIDUAL, 24},
                {OXP_BLOCK_MLP, 12},
                {OXP_BLOCK_EMBEDDING, 3}},
     .absent = OXP_BLOCK_GATED_MLP},
    {.model = "skeletons/llama3_8b",
     .family = "transformer",
     .layers = 32,
     .heads = 32,
     .kv_heads = 8,
     .head_dim = 128,
     .hidden = 4096,
     .kv = 0,
     .bytes_per_token = 131072,
     .task = OXP_TASK_LANGUAGE,
     .blocks = {{OXP_BLOCK_RMS_NORM, 65},
                {OXP_BLOCK_SILU, 32},
                {OXP_BLOCK_GATED_MLP, 32},
                {OXP_BLOCK_RESIDUAL, 64},
                {OXP_BLOCK_ROTARY, 64},
                {OXP_BLOCK_EMBEDDING, 1}},
     .absent = OXP_BLOCK_LAYER_NORM},
    {.model = "skeletons/resnet18",
     .family = "cnn",
     .kv = -1,
     .task = OXP_TASK_CLASSIFY,
     .classes = 1000,
     .blocks = {{OXP_BLOCK_RESIDUAL, 8}, {OXP_BLOCK_CONV_NORM, 20}},
     .absent = OXP_BLOCK_BOTTLENECK},
    {.model = "skeletons/cxr_resnet18",
     .family = "cnn",
     .kv = -1,
     .task = OXP_TASK_CLASSIFY,
     .classes = 2,
     .blocks = {{OXP_BLOCK_RESIDUAL, 8}, {OXP_BLOCK_CONV_NORM, 20}},
     .absent = OXP_BLOCK_CONCAT_SKIP},
    {.model = "skeletons/mobilenet_v2",
     .family = "cnn",
     .kv = -1,
     .task = OXP_TASK_CLASSIFY,
     .classes = 1000,
     .blocks = {{OXP_BLOCK_INVERTED_RESIDUAL, 16},
                {OXP_BLOCK_DEPTHWISE_SEPARABLE, 1},
                {OXP_BLOCK_RESIDUAL, 10}},
     .absent = OXP_BLOCK_BOTTLENECK},
    {.model = "skeletons/yolov8l",
     .family = "cnn",
     .kv = -1,
     .task = OXP_TASK_DETECT,
     .classes = 1,
     .blocks = {{OXP_BLOCK_SILU, 97}, {OXP_BLOCK_RESIDUAL, 18}},
     .absent = OXP_BLOCK_ATTENTION},
    {.model = "skeletons/yolov8l_bn",
     .family = "cnn",
     .kv = -1,
     .task = OXP_TASK_DETECT,
     .classes = 1,
     .blocks = {{OXP_BLOCK_SILU, 97}, {OXP_BLOCK_CONV_NORM, 97}},
     .absent = OXP_BLOCK_ATTENTION},
    {.model = "models/bert_mini_op12",
     .family = "transformer",
     .layers = 2,
     .kv = -1,
     .task = OXP_TASK_SPAN,
     .blocks = {{OXP_BLOCK_LAYER_NORM, 5}, {OXP_BLOCK_GELU, 2}, {OXP_BLOCK_RESIDUAL, 4}},
     .absent = OXP_BLOCK_RMS_NORM},
    {.model = "models/bert_tf2onnx_mini",
     .family = "transformer",
     .layers = 2,
     .hidden = 32,
     .kv = -1,
     .task = OXP_TASK_SPAN,
     .blocks = {{OXP_BLOCK_LAYER_NORM, 5}, {OXP_BLOCK_GELU, 2}, {OXP_BLOCK_RESIDUAL, 4}},
     .absent = OXP_BLOCK_RMS_NORM},
    {.model = "models/vit_mini",
     .family = "transformer",
     .layers = 2,
     .heads = 2,
     .hidden = 32,
     .kv = -1,
     .task = OXP_TASK_CLASSIFY,
     .classes = 10,
     .blocks = {{OXP_BLOCK_LAYER_NORM, 5}, {OXP_BLOCK_GELU, 2}, {OXP_BLOCK_RESIDUAL, 4}},
     .absent = OXP_BLOCK_GATED_MLP},
    {.model = "models/gpt2_kv_mini",
     .family = "transformer",
     .layers = 2,
     .heads = 2,
     .kv_heads = 2,
     .head_dim = 16,
     .hidden = 32,
     .kv = 1,
     .bytes_per_token = 512,
     .task = OXP_TASK_LANGUAGE,
     .blocks = {{OXP_BLOCK_LAYER_NORM, 5}, {OXP_BLOCK_GELU, 2}, {OXP_BLOCK_RESIDUAL, 4}},
     .absent = OXP_BLOCK_ROTARY},
    {.model = "models/lstm_tagger",
     .family = "rnn",
     .kv = -1,
     .task = OXP_TASK_TOKENS,
     .classes = 7,
     .blocks = {{OXP_BLOCK_RECURRENT, 2}, {OXP_BLOCK_EMBEDDING, 1}},
     .absent = OXP_BLOCK_ATTENTION},
    {.model = "models/mnist8",
     .family = "cnn",
     .kv = -1,
     .task = OXP_TASK_CLASSIFY,
     .classes = 10,
     .blocks = {{OXP_BLOCK_RESIDUAL, 0}},
     .absent = OXP_BLOCK_RESIDUAL},
    {.model = "models/unet_mini",
     .family = "cnn",
     .kv = -1,
     .task = OXP_TASK_DENSE,
     .blocks = {{OXP_BLOCK_CONCAT_SKIP, 2}},
     .absent = OXP_BLOCK_RESIDUAL},
    {.model = "models/yolov8_mini",
     .family = "cnn",
     .kv = -1,
     .task = OXP_TASK_DETECT,
     .classes = 1,
     .blocks = {{OXP_BLOCK_SILU, 57}},
     .absent = OXP_BLOCK_ATTENTION},
    {.model = "models/preact_mini", .family = "cnn", .kv = -1, .absent = OXP_BLOCK_ATTENTION},
    {.model = "models/tf2onnx_cnn",
     .family = "cnn",
     .kv = -1,
     .task = OXP_TASK_CLASSIFY,
     .classes = 5,
     .blocks = {{OXP_BLOCK_RESIDUAL, 1}},
     .absent = OXP_BLOCK_ATTENTION},
    {.model = "blocks/squeeze_excite",
     .family = "cnn",
     .kv = -1,
     .blocks = {{OXP_BLOCK_RESIDUAL, 2}, {OXP_BLOCK_BOTTLENECK, 2}, {OXP_BLOCK_SQUEEZE_EXCITE, 2}},
     .absent = OXP_BLOCK_INVERTED_RESIDUAL},
    {.model = "blocks/grouped_query",
     .family = "transformer",
     .layers = 1,
     .heads = 8,
     .kv_heads = 2,
     .head_dim = 4,
     .hidden = 32,
     .kv = 1,
     .bytes_per_token = 64,
     .task = OXP_TASK_LANGUAGE,
     .blocks = {{OXP_BLOCK_RESIDUAL, 1}, {OXP_BLOCK_EMBEDDING, 1}},
     .absent = OXP_BLOCK_MLP},
    {.model = "blocks/attention_23",
     .family = "transformer",
     .layers = 1,
     .heads = 8,
     .kv_heads = 4,
     .head_dim = 4,
     .kv = 0,
     .bytes_per_token = 128,
     .blocks = {{OXP_BLOCK_RMS_NORM, 1}, {OXP_BLOCK_RESIDUAL, 1}},
     .absent = OXP_BLOCK_LAYER_NORM},
    {.model = "blocks/mlp",
     .family = "mlp",
     .kv = -1,
     .task = OXP_TASK_CLASSIFY,
     .classes = 4,
     .blocks = {{OXP_BLOCK_MLP, 1}},
     .absent = OXP_BLOCK_RESIDUAL},
};

static size_t failures;

static void compare(const expectation *e, const char *what, uint64_t want, uint64_t got) {
    if (want != 0 && want != got) {
        fprintf(stderr, "%s: %s is %llu, not %llu\n", e->model, what, (unsigned long long)got,
                (unsigned long long)want);
        failures++;
    }
}

static void check(const expectation *e, const oxp_insight *o) {
    if (strcmp(o->family, e->family) != 0) {
        fprintf(stderr, "%s: family %s, not %s\n", e->model, o->family, e->family);
        failures++;
    }
    compare(e, "layers", e->layers, o->layers);
    compare(e, "heads", e->heads, o->heads);
    compare(e, "kv_heads", e->kv_heads, o->kv_heads);
    compare(e, "head_dim", e->head_dim, o->head_dim);
    compare(e, "hidden", e->hidden, o->hidden);
    compare(e, "classes", e->classes, o->classes);
    compare(e, "task", e->task, o->task);
    compare(e, "decoder + 1", (uint64_t)(e->kv >= 0) + 1, (uint64_t)o->decoder + 1);
    if (e->kv >= 0)
        compare(e, "in_graph + 1", (uint64_t)e->kv + 1, (uint64_t)o->kv.in_graph + 1);
    compare(e, "bytes_per_token", e->bytes_per_token, o->kv.bytes_per_token);
    for (size_t i = 0; i < sizeof e->blocks / sizeof *e->blocks; i++) {
        if (e->blocks[i].count > 0)
            compare(e, oxp_block_type_name(e->blocks[i].type), e->blocks[i].count,
                    o->counts[e->blocks[i].type]);
    }
    if (o->counts[e->absent] != 0) {
        fprintf(stderr, "%s: has %zu %s\n", e->model, o->counts[e->absent],
                oxp_block_type_name(e->absent));
        failures++;
    }
    /* Ten bare convolutions, and nothing that could have been folded. */
    bool lacks = strcmp(e->model, "blocks/squeeze_excite") == 0, says = false;
    for (size_t i = 0; i < o->n_risks; i++)
        says = says || strcmp(o->risks[i].id, "missing-normalization") == 0;
    if (says != lacks) {
        fprintf(stderr, "%s: missing normalization\n", e->model);
        failures++;
    }
}

static void every_fixture(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        oxp_ctx *ctx = oxp_ctx_new(0);
        oxp_arena *arena = oxp_arena_new(ctx);
        oxp_model *m;
        const oxp_analysis *a;
        char path[256];
        snprintf(path, sizeof path, "fixtures/%s/model.onnx", expected[i].model);
        assert_int_equal(oxp_open(&m, ctx, path), OXP_OK);
        assert_int_equal(oxp_analyze(&a, m, NULL, arena), OXP_OK);
        check(&expected[i], oxp_insight_of(a, arena));
        oxp_ctx_free(ctx);
    }
    assert_int_equal(failures, 0);
}

/* Scores and boxes of ten queries, the boxes through the given function. */
static oxp_task task_of_queries(const char *function, int64_t coordinates) {
    oxp_ctx *ctx = oxp_ctx_new(0);
    oxp_arena *arena = oxp_arena_new(ctx);
    oxp_model *m;
    const oxp_analysis *a;
    int64_t k = coordinates;
    wb bytes = mt_model(
        oxp_sprintf(
            arena,
            "(float[N,3,32,32] x) => (s, b) <float[16,3,8,8] f = {1, ...}, int64[3] q = {0, 16, "
            "16},"
            " float[16,8] w = {1, ...}, float[8] c = {1, ...}, float[16,%lld] v = {1, ...},"
            " float[%lld] d = {1, ...}> { e = Conv <strides = [8, 8]> (x, f) r = Reshape (e, q)"
            " t = Transpose <perm = [0, 2, 1]> (r) m = MatMul (t, w) s = Add (m, c)"
            " n = MatMul (t, v) o = Add (n, d) b = %s (o) }",
            (long long)k, (long long)k, function),
        21);
    assert_int_equal(oxp_open(&m, ctx, wb_save(&bytes, "queries.onnx")), OXP_OK);
    wb_free(&bytes);
    assert_int_equal(oxp_analyze(&a, m, NULL, arena), OXP_OK);
    oxp_task task = oxp_insight_of(a, arena)->task;
    oxp_ctx_free(ctx);
    return task;
}

static void boxes_of_queries(void **state) {
    (void)state;
    assert_int_equal(task_of_queries("Sigmoid", 4), OXP_TASK_DETECT);
    assert_int_not_equal(task_of_queries("Tanh", 4), OXP_TASK_DETECT);
    assert_int_not_equal(task_of_queries("Sigmoid", 5), OXP_TASK_DETECT);
}

/* Layers, layers across streams, heads and key/value heads of a small network. */
static void attention_of(const char *text, uint64_t layers, uint64_t cross, uint64_t heads,
                         uint64_t kv_heads) {
    oxp_ctx *ctx = oxp_ctx_new(0);
    oxp_arena *arena = oxp_arena_new(ctx);
    oxp_model *m;
    const oxp_analysis *a;
    wb bytes = mt_model(text, 21);
    assert_int_equal(oxp_open(&m, ctx, wb_save(&bytes, "attention.onnx")), OXP_OK);
    wb_free(&bytes);
    assert_int_equal(oxp_analyze(&a, m, NULL, arena), OXP_OK);
    assert_int_equal(oxp_diag_errors(ctx), 0);
    const oxp_insight *o = oxp_insight_of(a, arena);
    assert_int_equal(o->layers, layers);
    assert_int_equal(o->cross_layers, cross);
    assert_int_equal(o->heads, heads);
    assert_int_equal(o->kv_heads, kv_heads);
    oxp_ctx_free(ctx);
}

#define KEYS_AND_VALUES                                                                            \
    " k = MatMul (x, wk) kh = Reshape (k, ks) kt = Transpose <perm = [0, 2, 3, 1]> (kh)"           \
    " v = MatMul (x, wk) vh = Reshape (v, ks) vt = Transpose <perm = [0, 2, 1, 3]> (vh)"

static void unusual_attention(void **state) {
    (void)state;
    /* A DequantizeLinear that only a Shape reads stands beside the way to the projection. */
    attention_of(
        "(float[1,4,64] x) => (y) <float[64,64] wq = {1, ...}, float[64,32] wk = {1, ...},"
        " int64[4] qs = {1, 2, 8, 16}, int64[4] ks = {1, 4, 2, 16}, int64[2] rest = {4, 64},"
        " int64[1] zero = {0}, float s = {0.1}, int8 z = {0}> { q = MatMul (x, wq)"
        " qh = Reshape (q, qs)" KEYS_AND_VALUES " sc = MatMul (qh, kt)"
        " p = Softmax <axis = -1> (sc) c = MatMul (p, vt) cq = QuantizeLinear (c, s, z)"
        " cd = DequantizeLinear (cq, s, z) sh = Shape (cd) b = Gather (sh, zero)"
        " os = Concat <axis = 0> (b, rest) r = Reshape (cq, os) d = DequantizeLinear (r, s, z)"
        " y = MatMul (d, wq) }",
        1, 0, 4, 2);
    /* Queries that are weights, for each of the batch. */
    attention_of(
        "(float[N,5,32] x) => (y) <float[32,32] wk = {1, ...}, float[1,2,3,16] qw = {1, ...},"
        " int64[4] ks = {0, 5, 2, 16}, int64[3] rest = {2, 3, 16}, int64[1] zero = {0}>"
        " { sh = Shape (x) b = Gather (sh, zero) qs = Concat <axis = 0> (b, rest)"
        " q = Expand (qw, qs)" KEYS_AND_VALUES " sc = MatMul (q, kt)"
        " p = Softmax <axis = -1> (sc) y = MatMul (p, vt) }",
        0, 1, 0, 0);
    /* A gate between contents and positions, and the sum of both made one again. */
    attention_of(
        "(float[1,4,32] x) => (y) <float[32,32] wk = {1, ...}, int64[4] ks = {1, 4, 2, 16},"
        " float[1,2,1,1] g = {0.5, 0.5}, float[1,2,4,4] o = {0.1, ...}, int64[1] last = {-1}> {"
        " q = MatMul (x, wk) qr = Reshape (q, ks) qh = Transpose <perm = [0, 2, 1, 3]> "
        "(qr)" KEYS_AND_VALUES " sc = MatMul (qh, kt) p = Softmax <axis = -1> (sc) m = Mul (p, g)"
        " a = Add (m, o) t = ReduceSum (a, last) d = Div (a, t) y = MatMul (d, vt) }",
        1, 0, 2, 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_fixture),
                                       cmocka_unit_test(boxes_of_queries),
                                       cmocka_unit_test(unusual_attention)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
