/* Rule files: what is refused and how, the shipped ones, what they say of a known model. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "onnxpert/onnxpert.h"
#include "rules/roadmap.h"
#include "rules/xml.h"
#include "support/json_check.h"
#include "support/scratch.h"

#define RULE(id, when)                                                                             \
    "<rule id=\"" id "\"><title>t</title><when>" when "</when><message>m</message></rule>"
#define FILE_OF(body) "<?xml version=\"1.0\"?>\n<rules>\n" body "\n</rules>\n"

static const char *path;

static int setup(void **state) {
    *state = oxp_ctx_new(0);
    return 0;
}

static int teardown(void **state) {
    oxp_ctx_free(*state);
    return 0;
}

static const char *file_with(const char *text) {
    return path = scratch_file("rules.xml", text, strlen(text));
}

static void refused(oxp_ctx *ctx, const char *text, const char *why) {
    oxp_rules_checked c;
    oxp_error_clear(ctx);
    oxp_status s = oxp_rules_check(&c, ctx, file_with(text), oxp_arena_new(ctx));
    assert_int_equal(s, OXP_E_RULE);
    if (!strstr(oxp_error_text(ctx), why) || strncmp(oxp_error_text(ctx), path, strlen(path)) != 0)
        fail_msg("\"%s\" is not in \"%s\"", why, oxp_error_text(ctx));
    assert_null(strchr(oxp_error_text(ctx), '\n'));
}

static void test_refused_files(void **state) {
    oxp_ctx *c = *state;
    refused(c, "", "empty");
    refused(c, "hello", ":1: ");
    refused(c, FILE_OF(RULE("a", "true()")) "<rules/>", "");
    refused(c, "<html/>", "root element");
    refused(c, FILE_OF(""), "no rule");
    refused(c, "<rules><rule id='a'>", "");
    refused(c, "<!DOCTYPE rules [<!ENTITY e SYSTEM 'file:///etc/passwd'>]>\n<rules>&e;</rules>",
            ":1: a document type");
    refused(c, "<?xml version=\"1.0\"?>\n<!DOCTYPE rules SYSTEM 'http://127.0.0.1:9/r'>\n<rules/>",
            ":2: a document type");
    refused(c,
            FILE_OF("<xi:include xmlns:xi=\"http://www.w3.org/2001/XInclude\" "
                    "href=\"file:///etc/passwd\" parse=\"text\"/>" RULE("a", "true()")),
            ":3: not as the schema");
    refused(c, FILE_OF("<rule id=\"a\"><title>t</title><message>m</message></rule>"),
            ":3: a rule without <when>");
    refused(c,
            FILE_OF("<rule id=\"a\" effort=\"huge\"><title>t</title><when>1</when>"
                    "<message>m</message></rule>"),
            ":3: ");
    refused(c, FILE_OF(RULE("a", "1") "\n" RULE("a", "1")), ":4: the id \"a\" is used twice");
    refused(c, FILE_OF(RULE("", "1")), "an id is made of");
    refused(c, "<?xml version=\"1.0\" encoding=\"UTF-7\"?>\n<rules/>", "encoding \"UTF-7\"");
}

static void test_refused_expressions(void **state) {
    oxp_ctx *c = *state;
    refused(c, FILE_OF(RULE("a", "//node[@op='Conv'")), ":3: rule a: ");
    refused(c, FILE_OF(RULE("a", "  ")), "an empty expression");
    refused(c, FILE_OF(RULE("a", "document('file:///etc/passwd')")),
            "unknown function \"document\"");
    refused(c, FILE_OF(RULE("a", "false() and launch(1)")), "unknown function \"launch\"");
    refused(c, FILE_OF(RULE("a", "ox:launch(1)")), "unknown function \"ox:launch\"");
    refused(c, FILE_OF(RULE("a", "$nope = 1")), "unknown variable \"$nope\"");
    refused(c, FILE_OF(RULE("a", "//zz:node")), "unknown prefix \"zz\"");
    refused(c, FILE_OF(RULE("a", "'abc")), "closing quote");
    refused(c, FILE_OF("<rule id=\"a\"><title>t</title><when>1</when><message>{</message></rule>"),
            "a { without");
}

static void test_accepted(void **state) {
    oxp_ctx *c = *state;
    oxp_rules_checked n;
    const char *text = FILE_OF(RULE("a", "//node[@op='Conv']") "\n" RULE("b", "count(in) &gt; 1"));
    assert_int_equal(oxp_rules_check(&n, c, file_with(text), oxp_arena_new(c)), OXP_OK);
    assert_int_equal(n.rules, 2);
}

static void test_shipped_rules(void **state) {
    oxp_ctx *c = *state;
    oxp_rules_checked n;
    if (oxp_rules_check_builtin(&n, c, oxp_arena_new(c)) != OXP_OK)
        fail_msg("%s", oxp_error_text(c));
    assert_true(n.rules >= 8);
    assert_true(n.examples >= 2 * n.rules);
}

static const oxp_roadmap *advise(oxp_ctx *c, const char *model, const oxp_rules *rules) {
    static const char *const targets[] = {"latency=3ms", "throughput=2000", "memory=100MB"};
    oxp_model *m;
    const oxp_roadmap *r;
    oxp_advise_opts o = OXP_ADVISE_OPTS_INIT;
    assert_int_equal(oxp_open(&m, c, model), OXP_OK);
    o.device = "t4";
    o.batch = 16;
    o.targets = targets;
    o.n_targets = 3;
    o.rules = rules;
    if (oxp_advise(&r, m, &o, oxp_arena_new(c)) != OXP_OK)
        fail_msg("%s", oxp_error_text(c));
    return r;
}

static const oxp_item *item(const oxp_roadmap *r, const char *id) {
    for (size_t p = 0; p < r->n_phases; p++)
        for (size_t i = 0; i < r->phases[p].n_items; i++)
            if (!strcmp(r->phases[p].items[i].rule->id, id))
                return &r->phases[p].items[i];
    return NULL;
}

/* A 64x64 image enlarged to 224x224 in front of a ResNet-18. */
static void test_upsampling_leads(void **state) {
    oxp_ctx *c = *state;
    const oxp_roadmap *r = advise(c, "fixtures/skeletons/cxr_resnet18/model.onnx", NULL);
    const oxp_item *up = &r->phases[0].items[0];
    assert_string_equal(up->rule->id, "remove-upsampling");
    assert_non_null(strstr(up->result->message, "12.25x"));
    assert_true(up->projected);
    double flops = (double)up->before.flops / (double)up->after.flops;
    assert_true(flops > 12.2 && flops < 12.3);
    assert_int_equal(up->before.peak_activation_bytes, 49 * up->after.peak_activation_bytes / 4);
    const oxp_item *dw = item(r, "depthwise-separable");
    assert_non_null(dw);
    assert_int_equal(dw->result->n_nodes, 16);
    assert_int_equal(dw->result->n_details, 16);
    const oxp_item *half = item(r, "fp16");
    assert_non_null(half);
    /* the statistics of BatchNormalization stay float32 */
    assert_in_range(half->after.weight_bytes, half->before.weight_bytes / 2,
                    half->before.weight_bytes / 2 * 101 / 100);
    const oxp_item *bn = item(r, "bn-folding");
    assert_non_null(bn);
    assert_int_equal(bn->before.nodes - bn->after.nodes, 20);
    assert_non_null(item(r, "heavy-stem"));
    assert_non_null(item(r, "int8-static"));
    assert_non_null(item(r, "static-shapes"));
    assert_non_null(item(r, "batch-size-knee"));
    for (size_t i = 0; i < r->n_targets; i++)
        assert_true(oxp_target_met(&r->targets[i], oxp_target_value(&r->targets[i], &r->final)));
}

/* Items stand by priority; what makes the metric worse stands behind, and outside the combination;
 * work that is saved is surer than a faster data type. */
static void test_order(void **state) {
    static const char *const models[] = {"models/bert_mini_op17", "models/mnist8",
                                         "models/gpt2_kv_mini"};
    oxp_ctx *c = *state;
    for (size_t k = 0; k < sizeof models / sizeof *models; k++) {
        const oxp_roadmap *r =
            advise(c, oxp_sprintf(oxp_arena_new(c), "fixtures/%s/model.onnx", models[k]), NULL);
        for (size_t p = 0; p < r->n_phases; p++)
            for (size_t i = 0; i < r->phases[p].n_items; i++) {
                const oxp_item *it = &r->phases[p].items[i];
                assert_true(i == 0 || it[-1].priority >= it->priority);
                assert_true(it->gain_low <= it->gain);
                assert_true((it->priority > 0) <= (it->effect == OXP_EFFECT_GAIN));
                if (it->effect == OXP_EFFECT_LOSS)
                    assert_true(it->alone && it->priority < 0);
            }
        double sum = r->work_weight;
        for (int i = 0; i < OXP_WEIGHTS; i++)
            sum += r->weight[i];
        assert_true(sum > 0.999 && sum < 1.001);
    }
    const oxp_roadmap *r = advise(c, "fixtures/skeletons/cxr_resnet18/model.onnx", NULL);
    assert_string_equal(r->phases[0].items[0].rule->id, "remove-upsampling");
    const oxp_item *up = item(r, "remove-upsampling"), *half = item(r, "fp16");
    oxp_spread sure = oxp_spread_gain(&up->before, &up->after, true),
               unsure = oxp_spread_gain(&half->before, &half->after, true);
    assert_true(sure.high / sure.low < unsure.high / unsure.low);
    assert_non_null(strstr(unsure.cause, "narrow"));
    /* nothing of this model is faster on a T4 in float16: the casts cost more */
    r = advise(c, "fixtures/models/mnist8/model.onnx", NULL);
    assert_int_equal(item(r, "fp16")->effect, OXP_EFFECT_LOSS);
    assert_true(r->final.latency <= r->baseline.latency * 1.001);
}

/* Figures that can be worked out on paper. */
static void test_by_hand(void **state) {
    oxp_ctx *c = *state;
    const oxp_roadmap *r = advise(c, "fixtures/skeletons/cxr_resnet18/model.onnx", NULL);
    const oxp_metrics *b = &r->baseline;
    /* two maps of 64x112x112 in float32 are alive at the first normalization */
    assert_int_equal(b->peak_activation_bytes, 2 * 64 * 112 * 112 * 4);
    assert_int_equal(b->memory, b->weight_bytes + 16 * b->peak_activation_bytes);
    assert_int_equal(item(r, "int8-static")->after.weight_bytes, b->params);
    /* in vector units float16 is twice as fast at the most, whatever the matrix units promise */
    const oxp_item *half = item(r, "fp16");
    oxp_spread s = oxp_spread_gain(&half->before, &half->after, true);
    assert_true(s.low > 1.8 && s.low < 2.05);
    assert_true(s.high < 65.0 / 8.1);
    /* the image of 64x64 again, at half and twice the size */
    assert_int_equal(r->n_resolutions, 5);
    assert_string_equal(r->resolutions[0].label, "32x32");
    assert_string_equal(r->resolutions[4].label, "128x128");
    assert_ptr_equal(r->freed->rule, item(r, "remove-upsampling")->rule);
    assert_int_equal(r->resolutions[2].metrics.flops, item(r, "remove-upsampling")->after.flops);
}

static void test_roadmap_schema(void **state) {
    static const char *const models[] = {"cxr_resnet18", "bert_qa", "mobilenet_v2", "yolov8l_bn"};
    char why[512];
    oxp_ctx *c = *state;
    const json *schema = json_read_file("docs/roadmap.schema.json", why);
    if (!schema)
        fail_msg("%s", why);
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        oxp_arena *a = oxp_arena_new(c);
        oxp_sink *sink = oxp_sink_new(a);
        size_t n;
        oxp_report r = oxp_report_roadmap(
            advise(c, oxp_sprintf(a, "fixtures/skeletons/%s/model.onnx", models[i]), NULL));
        oxp_format_find("json")->render(&r, sink, a, false);
        const char *text = oxp_sink_text(sink, &n);
        const json *j = json_parse(text, n, why);
        if (!j || !json_meets(j, schema, why))
            fail_msg("%s: %s", models[i], why);
        for (size_t d = 0; d < oxp_diag_count(c); d++)
            assert_string_not_equal(oxp_diag_at(c, d)->code, "rule-failed");
    }
}

/* Against the official schema, and what GitHub's code scanning asks for beyond it. */
static void test_sarif(void **state) {
    static const char *const models[] = {"models/cxr_upsample_mini", "models/bert_mini_op17",
                                         "models/yolov8_mini", "models/loop_if"};
    char why[512];
    oxp_ctx *c = *state;
    const json *schema = json_read_file("fixtures/schemas/sarif-schema-2.1.0.json", why);
    if (!schema)
        fail_msg("%s", why);
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        oxp_arena *a = oxp_arena_new(c);
        oxp_sink *sink = oxp_sink_new(a);
        const char *file_path = oxp_sprintf(a, "./fixtures/%s/model.onnx", models[i]);
        const oxp_roadmap *map = advise(c, file_path, NULL);
        oxp_report r = oxp_report_roadmap(map);
        size_t n;
        oxp_format_find("sarif")->render(&r, sink, a, false);
        const char *text = oxp_sink_text(sink, &n);
        const json *j = json_parse(text, n, why);
        if (!j || !json_meets(j, schema, why))
            fail_msg("%s: %s", models[i], why);
        const json *run = json_at(json_get(j, "runs"), 0);
        const json *rules = json_get(json_get(json_get(run, "tool"), "driver"), "rules");
        const json *results = json_get(run, "results");
        assert_int_equal(json_count(results), map->phases[0].n_items + map->phases[1].n_items);
        assert_int_equal(json_count(rules), json_count(results));
        for (size_t k = 0; k < json_count(results); k++) {
            const json *x = json_at(results, k);
            const json *rule = json_at(rules, (size_t)json_number(json_get(x, "ruleIndex")));
            const json *place = json_at(json_get(x, "locations"), 0);
            const json *file = json_get(place, "physicalLocation");
            assert_string_equal(json_text(json_get(x, "ruleId")), json_text(json_get(rule, "id")));
            assert_non_null(json_text(json_get(json_get(rule, "help"), "text")));
            assert_string_equal(json_text(json_get(json_get(file, "artifactLocation"), "uri")),
                                file_path + 2);
            assert_true(json_number(json_get(json_get(file, "region"), "startLine")) == 1);
            assert_non_null(
                json_text(json_get(json_get(x, "partialFingerprints"), "primaryLocationLineHash")));
        }
    }
    assert_false(oxp_format_shows(oxp_format_find("sarif"), "analysis"));
}

/* The checker finds what is wrong: a schema test that cannot fail proves nothing. */
static void test_sarif_wrong(void **state) {
    static const char *const bad[] = {
        "{\"version\":\"2.1.0\"}",
        "{\"version\":\"2.0.0\",\"runs\":[]}",
        "{\"version\":\"2.1.0\",\"runs\":[{\"tool\":{\"driver\":{\"name\":\"x\"}},\"x\":1}]}",
        "{\"version\":\"2.1.0\",\"runs\":[{\"tool\":{\"driver\":{\"name\":\"x\"}},\"results\":["
        "{\"message\":{}}]}]}",
        "{\"version\":\"2.1.0\",\"runs\":[{\"tool\":{\"driver\":{\"name\":\"x\"}},\"results\":["
        "{\"message\":{\"text\":\"x\"},\"level\":\"high\"}]}]}",
        "{\"version\":\"2.1.0\",\"runs\":[{\"tool\":{\"driver\":{\"name\":\"x\"}},\"results\":["
        "{\"message\":{\"text\":\"x\"},\"rank\":101}]}]}",
        "{\"version\":\"2.1.0\",\"runs\":[{\"tool\":{\"driver\":{\"name\":\"x\"}},\"artifacts\":["
        "{\"location\":{\"uri\":\"a b\"}}]}]}",
        "{\"version\":\"2.1.0\",\"runs\":[{\"tool\":{\"driver\":{\"name\":\"x\"}},\"artifacts\":["
        "{\"location\":{\"uri\":\"a\"}},{\"location\":{\"uri\":\"a\"}}]}]}"};
    char why[512];
    (void)state;
    const json *schema = json_read_file("fixtures/schemas/sarif-schema-2.1.0.json", why);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const json *j = json_parse(bad[i], strlen(bad[i]), why);
        assert_non_null(j);
        if (json_meets(j, schema, why))
            fail_msg("accepted: %s", bad[i]);
    }
}

/* What `dump` prints is what the schema says. */
static void test_facts_schema(void **state) {
    static const char *const models[] = {"resnet_mini", "yolov8_mini", "loop_if", "gpt2_kv_mini"};
    oxp_ctx *c = *state;
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        oxp_arena *a = oxp_arena_new(c);
        oxp_model *m;
        const oxp_analysis *an;
        oxp_analyze_opts o = OXP_ANALYZE_OPTS_INIT;
        oxp_sink *sink = oxp_sink_new(a);
        size_t n;
        assert_int_equal(
            oxp_open(&m, c, oxp_sprintf(a, "fixtures/models/%s/model.onnx", models[i])), OXP_OK);
        assert_int_equal(oxp_analyze(&an, m, &o, a), OXP_OK);
        assert_int_equal(oxp_facts_dump(an, sink), OXP_OK);
        const char *text = oxp_sink_text(sink, &n);
        xmlDocPtr doc = oxp_xml_parse(a, "dump", text, n);
        oxp_xml_validate(a, "dump", doc, "facts.rng");
        xmlFreeDoc(doc);
    }
}

/* docs/rules-catalogue.md is made from the rules: ONNXPERT_UPDATE=1 writes it anew. */
static void test_catalogue(void **state) {
    oxp_ctx *c = *state;
    oxp_arena *a = oxp_arena_new(c);
    oxp_sink *s = oxp_sink_new(a);
    const oxp_rules *rules = oxp_rules_builtin(a, true);
    size_t n;
    oxp_puts(s, "# Rules\n\nMade from rules/ by tests/unit/test_rules.c (ONNXPERT_UPDATE=1).\n");
    for (size_t i = 0; i < rules->n; i++) {
        const oxp_rule *r = rules->items[i];
        oxp_printf(s, "\n## %s\n\n%s. %s phase, %s effort, %s risk.", r->id, r->title,
                   strcmp(r->phase, "quick") ? "Extra" : "Quick", oxp_level_name(r->effort),
                   oxp_level_name(r->risk));
        for (size_t k = 0; k < r->n_needs; k++)
            oxp_printf(s, "%s%s", k ? ", " : " Needs ", r->needs[k]);
        oxp_printf(s, "%s\n\n%s\n\nHow: %s\n", r->n_needs ? "." : "", r->why, r->how);
        for (size_t k = 0; k < r->n_references; k++)
            oxp_printf(s, "\n- %s: %s", r->references[k].text,
                       r->references[k].href ? r->references[k].href : "");
        oxp_puts(s, "\n");
    }
    const char *wanted = oxp_sink_text(s, &n);
    static const char page[] = "docs/rules-catalogue.md";
    if (getenv("ONNXPERT_UPDATE")) {
        FILE *f = fopen(page, "w");
        assert_non_null(f);
        assert_int_equal(fwrite(wanted, 1, n, f), n);
        fclose(f);
    }
    size_t size;
    assert_string_equal(oxp_xml_file(a, page, &size), wanted);
}

/* A rule that never ends is stopped and named; the one after it still speaks. */
static void test_exploding_rule(void **state) {
    oxp_ctx *c = *state;
    const oxp_rules *rules;
    oxp_rules_opts o = OXP_RULES_OPTS_INIT;
    const char *file = file_with(FILE_OF(
        "<rule id=\"bomb\" on=\"model\"><title>t</title>"
        "<when>//@*[//@*[//@*[//@*[//@*[count(//@*) &lt; 0]]]]]</when><message>m</message></rule>\n"
        "<rule id=\"good\" on=\"model\"><title>t</title><when>true()</when>"
        "<message>{@count}all well</message></rule>"));
    o.files = &file;
    o.n_files = 1;
    assert_int_equal(oxp_rules_load(&rules, c, &o, oxp_arena_new(c)), OXP_OK);
    const oxp_roadmap *r = advise(c, "fixtures/models/mnist8/model.onnx", rules);
    assert_null(item(r, "bomb"));
    assert_non_null(item(r, "good"));
    bool named = false;
    for (size_t i = 0; i < oxp_diag_count(c); i++)
        named |= !strcmp(oxp_diag_at(c, i)->code, "rule-failed") &&
                 !strcmp(oxp_diag_at(c, i)->where, "bomb");
    assert_true(named);
}

static void test_targets(void **state) {
    static const char *const wrong[] = {"latency",       "latency=",      "latency=3",
                                        "latency=-1ms",  "speed=3",       "memory=3ms",
                                        "latency=infms", "latency@0=3ms", "accuracy=2"};
    oxp_ctx *c = *state;
    oxp_model *m;
    assert_int_equal(oxp_open(&m, c, "fixtures/models/mnist8/model.onnx"), OXP_OK);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        const oxp_roadmap *r;
        oxp_advise_opts o = OXP_ADVISE_OPTS_INIT;
        o.targets = &wrong[i];
        o.n_targets = 1;
        oxp_error_clear(c);
        if (oxp_advise(&r, m, &o, oxp_arena_new(c)) != OXP_E_USAGE)
            fail_msg("%s was taken", wrong[i]);
    }
    oxp_target t = oxp_target_parse(oxp_arena_new(c), "memory=1.5GB");
    assert_true(t.goal == 1.5e9);
    t = oxp_target_parse(oxp_arena_new(c), "latency@8=20ms");
    assert_int_equal(t.batch, 8);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_refused_files, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refused_expressions, setup, teardown),
        cmocka_unit_test_setup_teardown(test_accepted, setup, teardown),
        cmocka_unit_test_setup_teardown(test_shipped_rules, setup, teardown),
        cmocka_unit_test_setup_teardown(test_upsampling_leads, setup, teardown),
        cmocka_unit_test_setup_teardown(test_order, setup, teardown),
        cmocka_unit_test_setup_teardown(test_by_hand, setup, teardown),
        cmocka_unit_test_setup_teardown(test_roadmap_schema, setup, teardown),
        cmocka_unit_test_setup_teardown(test_sarif, setup, teardown),
        cmocka_unit_test(test_sarif_wrong),
        cmocka_unit_test_setup_teardown(test_facts_schema, setup, teardown),
        cmocka_unit_test_setup_teardown(test_catalogue, setup, teardown),
        cmocka_unit_test_setup_teardown(test_exploding_rule, setup, teardown),
        cmocka_unit_test_setup_teardown(test_targets, setup, teardown)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
