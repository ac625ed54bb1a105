/* test_wire.c - the scan of the bytes: what it accepts, what it refuses and how it says so. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "model/wire.h"
#include "support/wire_builder.h"

typedef struct scan_args {
    oxp_ctx *ctx;
    const char *path;
    oxp_index index;
} scan_args;

static void scan(void *arg) {
    scan_args *a = arg;
    oxp_reader r;
    oxp_source *s = oxp_source_open(a->ctx, a->path);
    oxp_reader_init(&r, s, oxp_arena_new(a->ctx));
    oxp_wire_scan(&r, &a->index);
    oxp_source_close(s);
}

/* Scans and frees the bytes; NULL: it must be accepted, else a part of the message. */
static void expect(wb b, const char *message, oxp_status status) {
    scan_args a = {.ctx = oxp_ctx_new(0)};
    a.path = wb_save(&b, "scan.onnx");
    oxp_status got = oxp_try(a.ctx, scan, &a);
    if (message && !strstr(oxp_error_text(a.ctx), message))
        fail_msg("'%s' is not in '%s'", message, oxp_error_text(a.ctx));
    if (got != status)
        fail_msg("status %d, not %d: %s", got, status, oxp_error_text(a.ctx));
    oxp_ctx_free(a.ctx);
    wb_free(&b);
}

static void accept(wb b) {
    expect(b, NULL, OXP_OK);
}

static void refuse(wb b, const char *message) {
    expect(b, message, OXP_E_FORMAT);
}

static wb good(void) {
    return wb_model(wb_relu_graph());
}

static void test_good(void **state) {
    (void)state;
    accept(good());
    wb b = good();
    wb_int(&b, 536870911, 1); /* the largest field number, unknown */
    wb_text(&b, 99, "unknown bytes are not entered: \x0a\xff\xff");
    accept(b);
}

static void test_index(void **state) {
    (void)state;
    scan_args a = {.ctx = oxp_ctx_new(0)};
    wb g = wb_relu_graph(), node = wb_node("If", "c", "z"), attr = wb_attr("then_branch", 5);
    wb_msg(&attr, ATTR_G, wb_relu_graph());
    wb_msg(&node, NODE_ATTRIBUTE, wb_attr("plain", 2));
    wb_msg(&node, NODE_ATTRIBUTE, attr);
    wb_msg(&g, GRAPH_NODE, node);
    wb_msg(&g, GRAPH_INITIALIZER, wb_ones("w", "2", 2));
    wb b = wb_model(g);
    a.path = wb_save(&b, "index.onnx");
    assert_int_equal(oxp_try(a.ctx, scan, &a), OXP_OK);
    assert_int_equal(a.index.count[OXP_REC_GRAPH], 2);
    assert_int_equal(a.index.count[OXP_REC_NODE], 3);
    assert_int_equal(a.index.count[OXP_REC_ATTR], 1); /* only the one that holds something */
    assert_int_equal(a.index.count[OXP_REC_TENSOR], 1);
    assert_int_equal(a.index.count[OXP_REC_INPUT], 2);
    for (size_t i = 0; i < a.index.n; i++) {
        const oxp_rec *rec = oxp_index_at(&a.index, i);
        assert_true(rec->parent == OXP_NONE || rec->parent < i);
        if (rec->kind == OXP_REC_TENSOR)
            assert_int_equal(b.p[rec->off], TENSOR_DIMS << 3);
        if (rec->kind == OXP_REC_ATTR)
            assert_memory_equal(b.p + rec->off, "\x0a\x0bthen_branch", 13);
    }
    oxp_ctx_free(a.ctx);
    wb_free(&b);
}

/* Every prefix of a model is refused: the lengths say that more follows, or a field is missing. */
static void test_truncated(void **state) {
    (void)state;
    wb b = good();
    for (size_t n = 0; n < b.n; n++) {
        wb part = {0};
        wb_raw(&part, b.p, n);
        expect(part, "", OXP_E_FORMAT);
    }
    wb_free(&b);
}

static void test_wire_format(void **state) {
    (void)state;
    static const struct {
        const char *bytes;
        size_t n;
        const char *message;
    } cases[] = {
        {"\x00", 1, "field number 0"},
        {"\x0b", 1, "a group"},
        {"\x0c", 1, "a group"},
        {"\x0e", 1, "unknown wire type"},
        {"\x0f", 1, "unknown wire type"},
        {"\x80", 1, "malformed tag"},
        {"\x88\x80\x80\x80\x80\x01\x01", 7, "above 32 bits"},
        {"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 12, "malformed varint"},
        {"\x0a\x01x", 3, "wrong wire type"}, /* ir_version as bytes */
        {"\x10\x01", 2, "wrong wire type"},  /* producer_name as a number */
        {"\x12\x05x", 3, "past the end"},
        {"\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11, "past the end"},
        {"\x0d\x01\x02", 3, "past the end"},
        {"\x12\x03"
         "a\0b",
         5, "NUL"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        wb b = good();
        wb_raw(&b, cases[i].bytes, cases[i].n);
        refuse(b, cases[i].message);
    }
}

static void test_mandatory(void **state) {
    (void)state;
    wb empty = {0}, g = wb_relu_graph(), b = {0};
    wb_int(&b, MODEL_IR_VERSION, 8);
    refuse(b, "no graph");
    wb_msg(&g, GRAPH_NODE, empty);
    refuse(wb_model(g), "NodeProto at byte");
    g = wb_relu_graph();
    wb_msg(&g, GRAPH_INITIALIZER, empty);
    refuse(wb_model(g), "TensorProto at byte");
    g = wb_relu_graph();
    wb_msg(&g, GRAPH_VALUE_INFO, empty);
    refuse(wb_model(g), "ValueInfoProto at byte");
    g = wb_relu_graph();
    wb_msg(&g, GRAPH_SPARSE_INITIALIZER, empty);
    refuse(wb_model(g), "SparseTensorProto at byte");
    b = good();
    wb_msg(&b, MODEL_GRAPH, wb_relu_graph());
    refuse(b, "given twice");
}

static void test_packed(void **state) {
    (void)state;
    wb w = wb_tensor("w", 1, "2"), g = wb_relu_graph();
    wb_bytes(&w, TENSOR_FLOAT_DATA, "1234567", 7);
    wb_msg(&g, GRAPH_INITIALIZER, w);
    refuse(wb_model(g), "inside a value");
    w = wb_tensor("w", 7, "1");
    wb_bytes(&w, TENSOR_INT64_DATA, "\x01\x80", 2);
    g = wb_relu_graph();
    wb_msg(&g, GRAPH_INITIALIZER, w);
    refuse(wb_model(g), "inside a varint");
    w = wb_tensor("w", 7, "1"); /* eleven bytes that end, and are no varint all the same */
    wb_bytes(&w, TENSOR_INT64_DATA, "\x81\x81\x81\x81\x81\x81\x81\x81\x81\x81\x01", 11);
    g = wb_relu_graph();
    wb_msg(&g, GRAPH_INITIALIZER, w);
    refuse(wb_model(g), "inside a varint");
    w = wb_tensor("w", 7, "");
    wb_bytes(&w, TENSOR_DIMS, "\x01\x01\x01", 3); /* packed although declared otherwise */
    g = wb_relu_graph();
    wb_msg(&g, GRAPH_INITIALIZER, w);
    accept(wb_model(g));
}

/* A type of `depth` nested sequences. */
static wb nested(unsigned depth) {
    wb type = {0};
    for (unsigned i = 0; i < depth; i++) {
        wb sequence = {0}, outer = {0};
        wb_msg(&sequence, 1, type);
        wb_msg(&outer, 4, sequence);
        type = outer;
    }
    return type;
}

static void test_limits(void **state) {
    (void)state;
    wb g = wb_relu_graph(), v = {0};
    wb_text(&v, VALUE_NAME, "s");
    wb_msg(&v, VALUE_TYPE, nested(40));
    wb_msg(&g, GRAPH_VALUE_INFO, v);
    accept(wb_model(g));
    v = (wb){0};
    wb_text(&v, VALUE_NAME, "s");
    wb_msg(&v, VALUE_TYPE, nested(5000));
    g = wb_relu_graph();
    wb_msg(&g, GRAPH_VALUE_INFO, v);
    expect(wb_model(g), "more than 100 deep", OXP_E_LIMIT);
    wb w = wb_tensor("w", 1, "1");
    for (int i = 0; i < OXP_RANK_MAX; i++)
        wb_int(&w, TENSOR_DIMS, 1);
    g = wb_relu_graph();
    wb_msg(&g, GRAPH_INITIALIZER, w);
    expect(wb_model(g), "dimensions", OXP_E_LIMIT);
    wb b = good(), empty = {0};
    for (int i = 0; i < 2000000; i++) /* 4 MB that would become 200 */
        wb_msg(&b, MODEL_METADATA_PROPS, empty);
    expect(b, "can sensibly hold", OXP_E_LIMIT);
}

static void test_magic(void **state) {
    (void)state;
    assert_string_equal(oxp_wire_magic((const uint8_t *)"\x1f\x8b\x08", 3), "a gzip stream");
    assert_string_equal(oxp_wire_magic((const uint8_t *)"\x80\x04\x95", 3), "a Python pickle");
    assert_non_null(strstr(
        oxp_wire_magic((const uint8_t *)"version https://git-lfs.github.com", 34), "Git LFS"));
    assert_null(oxp_wire_magic((const uint8_t *)"\x08\x08\x3a\x10", 4));
    assert_null(oxp_wire_magic((const uint8_t *)"P", 1));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),      cmocka_unit_test(test_index),
        cmocka_unit_test(test_truncated), cmocka_unit_test(test_wire_format),
        cmocka_unit_test(test_mandatory), cmocka_unit_test(test_packed),
        cmocka_unit_test(test_limits),    cmocka_unit_test(test_magic),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
