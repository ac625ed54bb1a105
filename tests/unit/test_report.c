/* test_report.c - figures, JSON and every human format on a document full of hostile text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "onnxpert/report.h"
#include "report/picture.h"

static void test_human(void **state) {
    (void)state;
    oxp_ctx *ctx = oxp_ctx_new(0);
    oxp_arena *a = oxp_arena_new(ctx);
    assert_string_equal(oxp_human_count(a, 0), "0");
    assert_string_equal(oxp_human_count(a, 999), "999");
    assert_string_equal(oxp_human_count(a, 3627122688), "3.63 G");
    assert_string_equal(oxp_human_bytes(a, 42600000), "42.6 MB");
    assert_string_equal(oxp_human_bytes(a, 999950), "1.00 MB");
    assert_string_equal(oxp_human_bytes(a, 12), "12 B");
    assert_string_equal(oxp_human_bytes(a, UINT64_MAX), "unknown");
    assert_string_equal(oxp_human_seconds(a, 0.00305), "3.05 ms");
    assert_string_equal(oxp_thousands(a, 3627122688), "3,627,122,688");
    assert_string_equal(oxp_thousands(a, 100), "100");
    oxp_ctx_free(ctx);
}

static void test_json(void **state) {
    (void)state;
    oxp_ctx *ctx = oxp_ctx_new(0);
    oxp_arena *a = oxp_arena_new(ctx);
    oxp_sink *o = oxp_sink_new(a);
    oxp_json *j = oxp_json_new(o, a);
    oxp_json_object(j, NULL);
    oxp_json_string(j, "s", "a\"b\\\n\x1b\xff\xe2\x80\xae");
    oxp_json_uint(j, "big", UINT64_MAX - 1);
    oxp_json_uint(j, "unknown", UINT64_MAX);
    oxp_json_double(j, "nan", NAN);
    oxp_json_array(j, "empty");
    oxp_json_end(j);
    oxp_json_end(j);
    assert_string_equal(oxp_sink_text(o, NULL),
                        "{\n \"s\": \"a\\\"b\\\\\\n\\u001b\\ufffd\\u202e\",\n"
                        " \"big\": \"18446744073709551614\",\n \"unknown\": null,\n"
                        " \"nan\": null,\n \"empty\": []\n}\n");
    oxp_ctx_free(ctx);
}

/* RFC 4180 quoting; nothing that a spreadsheet would compute; one line a row. */
static void test_csv(void **state) {
    (void)state;
    oxp_ctx *ctx = oxp_ctx_new(0);
    oxp_arena *a = oxp_arena_new(ctx);
    oxp_sink *o = oxp_sink_new(a);
    oxp_csv *w = oxp_csv_new(o, a);
    static const char *const cells[] = {"plain",
                                        "a,b",
                                        "say \"x\"",
                                        "=1+1",
                                        " @SUM(A1)",
                                        "-2",
                                        "a\r\nb\x1b",
                                        "\xef\xbc\x9d"
                                        "cmd",
                                        NULL};
    for (size_t i = 0; i < sizeof cells / sizeof *cells; i++)
        oxp_csv_text(w, cells[i]);
    oxp_csv_end(w);
    oxp_csv_uint(w, 7);
    oxp_csv_uint(w, UINT64_MAX);
    oxp_csv_double(w, 0.5);
    oxp_csv_double(w, NAN);
    oxp_csv_end(w);
    assert_string_equal(oxp_sink_text(o, NULL),
                        "plain,\"a,b\",\"say \"\"x\"\"\",\"'=1+1\",\"' @SUM(A1)\",\"'-2\","
                        "a\\x0d\\x0ab\\x1b,\"'\xef\xbc\x9d"
                        "cmd\",\r\n7,,0.5,\r\n");
    oxp_ctx_free(ctx);
}

static const char nasty[] = "<script>alert(1)</script>\x1b[31m|`*_\xe2\x80\xae&\"'\xff";

static oxp_doc *nasty_doc(const void *source, oxp_arena *arena) {
    (void)source;
    static const char *const header[] = {nasty, "n"};
    oxp_doc *d = oxp_doc_new(arena, nasty);
    oxp_doc_heading(d, 1, "%s", nasty);
    oxp_doc_para(d, "%s", nasty);
    oxp_doc_fact(d, nasty, "%s", nasty);
    oxp_block *b = oxp_doc_block(d, OXP_TABLE, 2);
    b->header = header;
    const char *cells[] = {nasty, NULL};
    oxp_doc_row(d, cells);
    oxp_doc_block(d, OXP_LIST, 1);
    oxp_doc_row(d, cells);
    oxp_doc_block(d, OXP_ITEM, 1);
    for (int i = 0; i < 3; i++)
        oxp_doc_row(d, cells);
    oxp_doc_block(d, OXP_BARS, 2);
    oxp_doc_bar(d, nasty, nasty, 3);
    static const double points[] = {0, 1, 2, 3};
    b = oxp_doc_block(d, OXP_CHART, 0);
    b->text = nasty;
    b->values = points;
    b->rows = 2;
    return d;
}

static const oxp_picture *nasty_picture(const void *source, oxp_arena *arena) {
    (void)source;
    oxp_picture *p = OXP_NEW(arena, oxp_picture);
    oxp_box *boxes = OXP_NEWS(arena, 3, oxp_box);
    static const oxp_box_edge edges[] = {{0, 1}, {1, 2}, {0, 2}};
    static const oxp_box_group groups[] = {{1, 1, 12}};
    for (uint32_t i = 0; i < 3; i++)
        boxes[i] = (oxp_box){.kind = (oxp_box_kind)i,
                             .title = nasty,
                             .detail = nasty,
                             .shape = nasty,
                             .nodes = 1,
                             .times = 12,
                             .share = 0.5,
                             .group = i == 1 ? 0 : UINT32_MAX};
    *p = (oxp_picture){.title = nasty,
                       .device = nasty,
                       .boxes = boxes,
                       .n_boxes = 3,
                       .groups = groups,
                       .n_groups = 1,
                       .edges = edges,
                       .n_edges = 3};
    return p;
}

/* No human format lets a control character, a bidirectional override or markup through. */
static void test_escaping(void **state) {
    (void)state;
    static const char *const formats[] = {"text", "markdown", "html", "svg", "dot"};
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        oxp_ctx *ctx = oxp_ctx_new(0);
        oxp_arena *a = oxp_arena_new(ctx);
        oxp_sink *o = oxp_sink_new(a);
        oxp_report r = {.kind = "analysis", .doc = nasty_doc, .picture = nasty_picture};
        const oxp_format *f = oxp_format_find(formats[i]);
        assert_non_null(f);
        f->render(&r, o, a, false);
        const char *text = oxp_sink_text(o, NULL);
        assert_null(strstr(text, "\x1b"));
        assert_null(strstr(text, "\xe2\x80\xae"));
        assert_null(strchr(text, '\xff'));
        if (strcmp(formats[i], "dot") == 0)
            assert_non_null(strstr(text, "&amp;\\\"'")); /* the quote cannot end the string */
        else if (i > 0)
            assert_null(strstr(text, "<script>alert"));
        oxp_ctx_free(ctx);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_human), cmocka_unit_test(test_json),
                                       cmocka_unit_test(test_csv), cmocka_unit_test(test_escaping)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
