/* The report on an analysis: data against docs/analysis.schema.json, documents in every format. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "report/reports.h"
#include "support/json_check.h"

static const char *const models[] = {
    "models/bert_mini_op17", "models/bert_tf2onnx_mini", "models/gpt2_kv_mini",
    "models/loop_if",        "models/lstm_tagger",       "models/mnist8",
    "models/tf2onnx_cnn",    "models/unet_mini",         "models/vit_mini",
    "models/yolov8_mini",    "skeletons/resnet18",       "skeletons/bert_qa",
    "skeletons/llama3_8b",   "skeletons/yolov8l",
};

static const char *render(const oxp_report *r, const char *format, oxp_arena *arena, size_t *len) {
    const oxp_format *f = oxp_format_find(format);
    assert_non_null(f);
    oxp_sink *o = oxp_sink_new(arena);
    f->render(r, o, arena, false);
    return oxp_sink_text(o, len);
}

static const oxp_report *report_on(oxp_ctx *ctx, const char *model, oxp_arena **arena) {
    oxp_model *m;
    const oxp_analysis *a;
    char path[256];
    *arena = oxp_arena_new(ctx);
    snprintf(path, sizeof path, "fixtures/%s/model.onnx", model);
    assert_int_equal(oxp_open(&m, ctx, path), OXP_OK);
    assert_int_equal(oxp_analyze(&a, m, NULL, *arena), OXP_OK);
    return oxp_report_analysis(*arena, a, NULL, NULL, NULL, 0);
}

static void data_meets_the_schema(void **state) {
    (void)state;
    char why[256];
    const json *schema = json_read_file("docs/analysis.schema.json", why);
    if (schema == NULL)
        fail_msg("schema: %s", why);
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        oxp_ctx *ctx = oxp_ctx_new(0);
        oxp_arena *arena;
        const oxp_report *r = report_on(ctx, models[i], &arena);
        size_t len;
        const char *text = render(r, "json", arena, &len);
        const json *j = json_parse(text, len, why);
        if (j == NULL || !json_meets(j, schema, why))
            fail_msg("%s: %s", models[i], why);
        assert_string_equal(json_text(json_get(j, "schema")), "onnxpert.analysis/1");
        double nodes = json_number(json_get(json_get(j, "totals"), "nodes"));
        assert_int_equal((size_t)nodes, json_count(json_get(j, "nodes")));
        oxp_ctx_free(ctx);
    }
}

static void the_schema_is_not_empty(void **state) {
    (void)state;
    char why[256];
    const json *schema = json_read_file("docs/analysis.schema.json", why);
    const json *bad = json_parse("{\"schema\":\"onnxpert.analysis/1\"}", 32, why);
    assert_non_null(bad);
    assert_false(json_meets(bad, schema, why));
    assert_null(json_parse("{\"a\":1,}", 8, why));
    assert_null(json_parse("[1 2]", 5, why));
}

static void every_section_is_there(void **state) {
    (void)state;
    static const char *const sections[] = {
        "Summary",      "Complexity",    "Memory", "Architecture", "Hardware",
        "Risk signals", "Batch scaling", "Graph",  "Metadata",     "KV cache"};
    static const char *const formats[] = {"text", "markdown", "html"};
    oxp_ctx *ctx = oxp_ctx_new(0);
    oxp_arena *arena;
    const oxp_report *r = report_on(ctx, "models/gpt2_kv_mini", &arena);
    for (size_t f = 0; f < 3; f++) {
        size_t len;
        const char *text = render(r, formats[f], arena, &len);
        for (size_t i = 0; i < sizeof sections / sizeof *sections; i++) {
            char upper[32];
            size_t k = 0;
            for (; sections[i][k]; k++)
                upper[k] = (char)(sections[i][k] & ~0x20);
            upper[k] = '\0';
            for (k = 0; upper[k]; k++)
                upper[k] = sections[i][k] == ' ' ? ' ' : upper[k];
            if (strstr(text, sections[i]) == NULL && strstr(text, upper) == NULL)
                fail_msg("%s: no section %s", formats[f], sections[i]);
        }
    }
    oxp_ctx_free(ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(data_meets_the_schema),
        cmocka_unit_test(the_schema_is_not_empty),
        cmocka_unit_test(every_section_is_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
