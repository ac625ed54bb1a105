/* Recurrent layers run step by step: latency, and which axis is the batch.  What an assumed size is
 * blamed for, and what is not; defaults that a caller may replace. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "analysis/device.h"
#include "analysis/insight.h"
#include "analysis/latency.h"
#include "support/wire_builder.h"
#include "support/world.h"

static wb with_int(wb node, const char *attr, int64_t v) {
    wb a = wb_attr(attr, OXP_ATTR_INT);
    wb_int(&a, 3, v);
    wb_msg(&node, 5, a);
    return node;
}

/* A GRU of 4 units over 3 inputs, behind an activation. */
static wb gru(const char *shape, int64_t layout) {
    wb g = {0};
    wb_msg(&g, 1, wb_node("Tanh", "x", "t"));
    wb_msg(
        &g, 1,
        with_int(with_int(wb_node("GRU", "t w r - - h", "y"), "hidden_size", 4), "layout", layout));
    wb_text(&g, 2, "gru");
    wb_msg(&g, 5, wb_ones("w", "1 12 3", 36));
    wb_msg(&g, 5, wb_ones("r", "1 12 4", 48));
    wb_msg(&g, 11, wb_value("x", shape));
    wb_msg(&g, 11, wb_value("h", layout ? "B 1 4" : "1 B 4"));
    wb_msg(&g, 12, wb_value("y", NULL));
    return wb_model(g);
}

static void analyze(world *w, wb model, const oxp_binding *b, size_t n) {
    oxp_analyze_opts o = OXP_ANALYZE_OPTS_INIT;
    o.bindings = b;
    o.n_bindings = n;
    if (oxp_open(&w->m, w->ctx, wb_save(&model, "recurrent.onnx")) != OXP_OK)
        fail_msg("%s", oxp_error_text(w->ctx));
    wb_free(&model);
    assert_int_equal(oxp_analyze(&w->a, w->m, &o, w->arena), OXP_OK);
}

static oxp_binding dim(const char *name, int64_t v) {
    return (oxp_binding){.name = name, .value = v, .rank = -1};
}

static double seconds(world *w, int64_t steps, int64_t batch) {
    oxp_binding b[] = {dim("T", steps), dim("B", batch)};
    analyze(w, gru("T B 3", 0), b, 2);
    const oxp_device *d = oxp_device_find(w->arena, "t4");
    assert_non_null(d);
    return oxp_latency(w->a, d, OXP_UNDEFINED, NULL, NULL);
}

static void steps_follow_each_other(void **state) {
    world *w = *state;
    double ten = seconds(w, 10, 1), hundred = seconds(w, 100, 1), wide = seconds(w, 10, 10);
    assert_true(hundred > 8 * ten); /* launches: not a bit of it in parallel */
    assert_true(wide < 1.5 * ten);  /* a larger batch is */
}

static void the_batch_follows_the_layout(void **state) {
    world *w = *state;
    analyze(w, gru("T B 3", 0), NULL, 0);
    const oxp_batch_sweep *s = oxp_sweep_batch(w->a, NULL, NULL, OXP_UNDEFINED, NULL, 0, w->arena);
    assert_string_equal(s->dim, "B");
    analyze(w, gru("B T 3", 1), NULL, 0);
    s = oxp_sweep_batch(w->a, NULL, NULL, OXP_UNDEFINED, NULL, 0, w->arena);
    assert_string_equal(s->dim, "B");
}

/* ConstantOfShape of the literal shape 2^40 x 2^40, and a pool of 3 over an input. */
static wb too_large(void) {
    static const int64_t sizes[2] = {(int64_t)1 << 40, (int64_t)1 << 40};
    wb g = {0}, t = wb_tensor("s", OXP_INT64, "2");
    wb_bytes(&t, 9, sizes, sizeof sizes);
    wb_msg(&g, 1, wb_node("ConstantOfShape", "s", "c"));
    wb_msg(&g, 1, wb_node("Relu", "c", "y"));
    wb_msg(&g, 1, wb_node("Relu", "x", "z"));
    wb_text(&g, 2, "large");
    wb_msg(&g, 5, t);
    wb_msg(&g, 11, wb_value("x", "N 3"));
    wb_msg(&g, 12, wb_value("y", NULL));
    wb_msg(&g, 12, wb_value("z", NULL));
    return wb_model(g);
}

static void overflow_is_not_the_assumptions_fault(void **state) {
    world *w = *state;
    analyze(w, too_large(), NULL, 0);
    assert_true(w->a->totals.partial);
    assert_int_equal(oxp_diag_errors(w->ctx), 1);
    assert_null(strstr(oxp_diag_at(w->ctx, 0)->text, "assumed"));
    assert_non_null(strstr(oxp_diag_at(w->ctx, 0)->text, "2^63-1"));
}

/* Concat of [N] and [2] rows beside the axis: wrong for N = 1, whether assumed or asked for. */
static wb clash(void) {
    wb g = {0};
    wb_msg(&g, 1, with_int(wb_node("Concat", "a b", "y"), "axis", 1));
    wb_text(&g, 2, "clash");
    wb_msg(&g, 11, wb_value("a", "N 3"));
    wb_msg(&g, 11, wb_value("b", "2 3"));
    wb_msg(&g, 12, wb_value("y", NULL));
    return wb_model(g);
}

static void sizes_asked_for_are_not_assumed(void **state) {
    world *w = *state;
    analyze(w, clash(), NULL, 0);
    assert_int_equal(oxp_diag_errors(w->ctx), 0);
    assert_int_equal(oxp_diag_at(w->ctx, 0)->severity, OXP_WARNING);
    assert_non_null(strstr(oxp_diag_at(w->ctx, 0)->text, "assumed"));
    size_t told = oxp_diag_count(w->ctx);
    oxp_binding b = dim("N", 3);
    analyze(w, clash(), &b, 1);
    assert_int_equal(oxp_diag_errors(w->ctx), 1);
    assert_null(strstr(oxp_diag_at(w->ctx, told)->text, "assumed"));
}

/* Reshape to a target that is an initializer and an input: its default is taken, and said. */
static void defaults_of_inputs_are_said(void **state) {
    static const int64_t target[2] = {2, 6};
    world *w = *state;
    wb g = {0}, t = wb_tensor("s", OXP_INT64, "2");
    wb_bytes(&t, 9, target, sizeof target);
    wb_msg(&g, 1, wb_node("Reshape", "x s", "y"));
    wb_text(&g, 2, "overridable");
    wb_msg(&g, 5, t);
    wb_msg(&g, 11, wb_value("x", "3 4"));
    wb_msg(&g, 11, wb_value("s", "2"));
    wb_msg(&g, 12, wb_value("y", NULL));
    analyze(w, wb_model(g), NULL, 0);
    const oxp_graph *main_graph = oxp_graph_at(w->m, OXP_MAIN_GRAPH);
    const oxp_type *y = &w->a->values[main_graph->outputs[0]].type;
    assert_int_equal(y->rank, 2);
    assert_int_equal(y->dims[1], 6);
    const oxp_insight *o = oxp_insight_of(w->a, w->arena);
    bool said = false;
    for (size_t i = 0; i < o->n_risks; i++)
        said = said || strcmp(o->risks[i].id, "overridable-initializers") == 0;
    assert_true(said);
}

static void forgotten_errors_are_not_counted(void **state) {
    world *w = *state;
    oxp_diagnose(w->ctx, OXP_ERROR, "a", "", "kept");
    for (int i = 0; i < 3000; i++) /* 1,000 are kept */
        oxp_diagnose(w->ctx, OXP_ERROR, "b", "", "%d", i);
    assert_int_equal(oxp_diag_errors(w->ctx), 3001);
    oxp_diag_truncate(w->ctx, 1);
    assert_int_equal(oxp_diag_count(w->ctx), 1);
    assert_int_equal(oxp_diag_errors(w->ctx), 1);
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)
    const struct CMUnitTest tests[] = {
        TEST(steps_follow_each_other),
        TEST(the_batch_follows_the_layout),
        TEST(overflow_is_not_the_assumptions_fault),
        TEST(sizes_asked_for_are_not_assumed),
        TEST(defaults_of_inputs_are_said),
        TEST(forgotten_errors_are_not_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
