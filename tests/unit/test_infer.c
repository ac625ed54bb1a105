/* The walk: control flow, local functions with attribute references, broadcasting of names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "onnxpert/analyze.h"
#include "support/model_text.h"
#include "support/wire_builder.h"
#include "support/world.h"

static void analyze(world *w, wb model) {
    oxp_analyze_opts o = OXP_ANALYZE_OPTS_INIT;
    if (oxp_open(&w->m, w->ctx, wb_save(&model, "infer.onnx")) != OXP_OK)
        fail_msg("%s", oxp_error_text(w->ctx));
    wb_free(&model);
    assert_int_equal(oxp_analyze(&w->a, w->m, &o, w->arena), OXP_OK);
}

/* The symbolic shape of a value of the main graph: "N,4", "*" for an unknown rank. */
static void shape_is(world *w, const char *name, const char *expected) {
    const char *text = "";
    for (oxp_id i = 0; i < oxp_value_count(w->m); i++) {
        const oxp_value *v = oxp_value_at(w->m, i);
        if (!v->live || v->graph != OXP_MAIN_GRAPH || strcmp(v->name, name) != 0)
            continue;
        const oxp_type *t = &w->a->values[i].symbolic;
        text = t->rank < 0 ? "*" : "";
        for (int k = 0; k < t->rank; k++)
            text = oxp_sprintf(w->arena, "%s%s%s", text, k ? "," : "",
                               oxp_dim_text(oxp_model_dims(w->m), t->dims[k], w->arena));
    }
    assert_string_equal(text, expected);
}

static wb int_tensor(const char *name, const char *dims, int type, int64_t v) {
    wb t = wb_tensor(name, type, dims);
    wb_bytes(&t, 9, &v, type == OXP_INT64 ? 8 : 1); /* raw_data, little-endian */
    return t;
}

static wb with_graph(wb node, const char *attr, wb graph) {
    wb a = wb_attr(attr, OXP_ATTR_GRAPH);
    wb_msg(&a, 6, graph);
    wb_msg(&node, 5, a);
    return node;
}

static wb with_int(wb node, const char *attr, int64_t v) {
    wb a = wb_attr(attr, OXP_ATTR_INT);
    wb_int(&a, 3, v);
    wb_msg(&node, 5, a);
    return node;
}

static wb branch(const char *op, const char *in, const char *out) {
    wb g = {0};
    wb_text(&g, 2, "branch");
    wb_msg(&g, 1, wb_node(op, in, out));
    wb_msg(&g, 12, wb_value(out, NULL));
    return g;
}

/* z is 4 by 6: x [N, 4] goes through MatMul with it, x [N, 5] does not. */
static wb if_graph_of(bool constant, const char *then_op, const char *then_in, const char *x) {
    wb g = {0};
    wb node = wb_node("If", "c", "y");
    node = with_graph(node, "then_branch", branch(then_op, then_in, "t"));
    node = with_graph(node, "else_branch", branch("MatMul", "x z", "e"));
    wb_text(&g, 2, "g");
    wb_msg(&g, 1, node);
    if (constant)
        wb_msg(&g, 5, int_tensor("c", "", OXP_BOOL, 1));
    else {
        wb c = {0}, type = {0}, tensor = {0};
        wb_int(&tensor, 1, OXP_BOOL);
        wb_msg(&tensor, 2, (wb){0});
        wb_msg(&type, 1, tensor);
        wb_text(&c, 1, "c");
        wb_msg(&c, 2, type);
        wb_msg(&g, 11, c);
    }
    wb_msg(&g, 11, wb_value("x", x));
    wb_msg(&g, 11, wb_value("z", "4 6"));
    wb_msg(&g, 12, wb_value("y", NULL));
    return g;
}

static wb if_graph(bool constant) {
    return if_graph_of(constant, "Relu", "x", "N 4");
}

static void a_constant_condition_takes_its_branch(void **state) {
    world *w = *state;
    analyze(w, wb_model(if_graph(true)));
    shape_is(w, "y", "N,4");
    assert_int_equal(w->a->totals.macs, 0);
    assert_int_equal(w->a->totals.flops, 4);
    assert_int_equal(w->a->totals.unknown_nodes, 0);
}

static void an_open_condition_merges_and_counts_the_dearer_branch(void **state) {
    world *w = *state;
    analyze(w, wb_model(if_graph(false)));
    shape_is(w, "y", "N,?");
    assert_int_equal(w->a->totals.macs, 24);
    assert_int_equal(w->a->totals.flops, 48);
}

static void a_branch_that_does_not_fit_is_not_the_one_that_runs(void **state) {
    world *w = *state;
    analyze(w, wb_model(if_graph_of(false, "Relu", "x", "N 5")));
    shape_is(w, "y", "N,5");
    assert_false(w->a->totals.partial);
    assert_int_equal(w->a->totals.macs, 0);
    assert_int_equal(w->a->totals.flops, 5);
    assert_int_equal(oxp_diag_errors(w->ctx), 0);
    assert_int_equal(oxp_diag_count(w->ctx), 1);
    assert_string_equal(oxp_diag_at(w->ctx, 0)->text,
                        "MatMul: inner dimension: 5 is not 4; this is in the else_branch of "
                        "If(out: y), which is assumed not to run with these sizes");
}

static void one_branch_must_fit(void **state) {
    world *w = *state;
    analyze(w, wb_model(if_graph_of(false, "MatMul", "x x", "3 5")));
    assert_true(w->a->totals.partial);
    assert_int_equal(oxp_diag_errors(w->ctx), 2);
}

static void no_sizes_cure_a_wrong_number_of_inputs(void **state) {
    world *w = *state;
    analyze(w, wb_model(if_graph_of(false, "Relu", "x z", "N 4")));
    assert_true(w->a->totals.partial);
    assert_int_equal(oxp_diag_errors(w->ctx), 1);
}

/* v starts as x [N, 4] and grows by z [2, 4] at each of 5 turns; every turn also hands out z. */
static wb loop_model(void) {
    wb body = {0}, g = {0}, i = {0}, type = {0}, tensor = {0};
    wb_text(&body, 2, "body");
    wb_msg(&body, 1, wb_node("Identity", "c", "c2"));
    wb_msg(&body, 1, with_int(wb_node("Concat", "v z", "v2"), "axis", 0));
    wb_msg(&body, 1, wb_node("Relu", "z", "s"));
    wb_int(&tensor, 1, OXP_INT64);
    wb_msg(&type, 1, tensor);
    wb_text(&i, 1, "i");
    wb_msg(&i, 2, type);
    wb_msg(&body, 11, i);
    wb c = {0};
    wb_text(&c, 1, "c");
    wb_msg(&body, 11, c);
    wb_msg(&body, 11, wb_value("v", NULL));
    wb_msg(&body, 12, wb_value("c2", NULL));
    wb_msg(&body, 12, wb_value("v2", NULL));
    wb_msg(&body, 12, wb_value("s", NULL));
    wb_text(&g, 2, "g");
    wb_msg(&g, 1, with_graph(wb_node("Loop", "m - x", "y scan"), "body", body));
    wb_msg(&g, 5, int_tensor("m", "", OXP_INT64, 50));
    wb_msg(&g, 11, wb_value("x", "N 4"));
    wb_msg(&g, 11, wb_value("z", "2 4"));
    wb_msg(&g, 12, wb_value("y", NULL));
    wb_msg(&g, 12, wb_value("scan", NULL));
    return wb_model(g);
}

static void a_loop_grows_what_it_carries(void **state) {
    world *w = *state;
    analyze(w, loop_model());
    shape_is(w, "y", "N+100,4");
    shape_is(w, "scan", "50,2,4");
    assert_int_equal(w->a->totals.flops, 50 * 8);
}

/* F(a) = Concat(a, a) along `axis` (default 0); G(a) = F<axis = k>(F(a)). */
static wb function(const char *name, wb node1, wb node2, const char *attr, bool has_default) {
    wb f = {0}, opset = {0}, own = {0};
    wb_text(&f, 1, name);
    wb_text(&f, 4, "a");
    wb_text(&f, 5, "b");
    wb_msg(&f, 7, node1);
    wb_msg(&f, 7, node2);
    wb_int(&opset, 2, 17);
    wb_msg(&f, 9, opset);
    wb_text(&own, 1, "own");
    wb_int(&own, 2, 1);
    wb_msg(&f, 9, own);
    wb_text(&f, 10, "own");
    if (has_default) {
        wb a = wb_attr(attr, OXP_ATTR_INT);
        wb_int(&a, 3, 0);
        wb_msg(&f, 11, a);
    } else {
        wb_text(&f, 6, attr);
    }
    return f;
}

static wb referring(wb node, const char *attr, const char *ref) {
    wb a = wb_attr(attr, OXP_ATTR_INT);
    wb_text(&a, 21, ref);
    wb_msg(&node, 5, a);
    return node;
}

static wb own(wb node) {
    wb_text(&node, 7, "own");
    return node;
}

static void functions_see_the_attributes_of_their_call(void **state) {
    world *w = *state;
    wb g = {0}, opset = {0};
    wb_text(&g, 2, "g");
    wb_msg(&g, 1, own(with_int(wb_node("G", "x", "y"), "k", 1)));
    wb_msg(&g, 1, own(with_int(wb_node("G", "x", "y2"), "k", 0)));
    wb_msg(&g, 1, own(wb_node("F", "x", "y3")));
    wb_msg(&g, 11, wb_value("x", "N 4"));
    wb_msg(&g, 12, wb_value("y", NULL));
    wb_msg(&g, 12, wb_value("y2", NULL));
    wb_msg(&g, 12, wb_value("y3", NULL));
    wb m = wb_model(g);
    wb_text(&opset, 1, "own");
    wb_int(&opset, 2, 1);
    wb_msg(&m, 8, opset);
    wb_msg(&m, 25,
           function("F", referring(wb_node("Concat", "a a", "t"), "axis", "axis"),
                    wb_node("Relu", "t", "b"), "axis", true));
    wb_msg(&m, 25,
           function("G", own(wb_node("F", "a", "t")),
                    own(referring(wb_node("F", "t", "b"), "axis", "k")), "k", false));
    analyze(w, m);
    shape_is(w, "y", "N*2,8");
    shape_is(w, "y2", "N*4,4");
    shape_is(w, "y3", "N*2,4");
    assert_int_equal(w->a->totals.flops, 8 + 16 + 8 + 16 + 8); /* the Relus, N = 1 */
    assert_int_equal(w->a->totals.unknown_nodes, 0);
}

static void broadcasting_prefers_what_says_more(void **state) {
    world *w = *state;
    wb g = {0};
    wb_text(&g, 2, "g");
    wb_msg(&g, 1, wb_node("Add", "x y", "a"));
    wb_msg(&g, 1, wb_node("Add", "a z", "b"));
    wb_msg(&g, 11, wb_value("x", "N 1 4"));
    wb_msg(&g, 11, wb_value("y", "S 1"));
    wb_msg(&g, 11, wb_value("z", "7 1"));
    wb_msg(&g, 12, wb_value("a", NULL));
    wb_msg(&g, 12, wb_value("b", NULL));
    analyze(w, wb_model(g));
    shape_is(w, "a", "N,S,4");
    shape_is(w, "b", "N,7,4");
    assert_false(w->a->totals.partial);
}

static void what_cannot_be_is_named(void **state) {
    world *w = *state;
    wb g = {0};
    wb_text(&g, 2, "g");
    wb_msg(&g, 1, wb_node("Add", "x y", "a"));
    wb_msg(&g, 11, wb_value("x", "N 3"));
    wb_msg(&g, 11, wb_value("y", "N 4"));
    wb_msg(&g, 12, wb_value("a", NULL));
    analyze(w, wb_model(g));
    assert_true(w->a->totals.partial);
    assert_int_equal(oxp_diag_count(w->ctx), 1);
    assert_string_equal(oxp_diag_at(w->ctx, 0)->text, "Add: dimensions 3 and 4 do not broadcast");
}

/* Calls nested deeper than they are followed are no fault of the model: one warning, and what is in
 * them is unknown. */
static void too_deep_is_a_warning(void **state) {
    world *w = *state;
    const char *text =
        "<ir_version: 10, opset_import: [\"\": 21, \"l\": 1]> (float[2] x) => (y, z) { y = l.f80 "
        "(x) "
        "z = l.f79 (x) }\n<domain: \"l\", opset_import: [\"\": 21]> f0 (a) => (b) { b = Relu (a) }";
    for (int i = 1; i <= 80; i++)
        text = oxp_sprintf(
            w->arena,
            "%s\n<domain: \"l\", opset_import: [\"\": 21, \"l\": 1]> f%d (a) => (b) { b "
            "= l.f%d (a) }",
            text, i, i - 1);
    analyze(w, mt_model(text, 0));
    assert_int_equal(oxp_diag_count(w->ctx), 1);
    assert_int_equal(oxp_diag_at(w->ctx, 0)->severity, OXP_WARNING);
    assert_non_null(strstr(oxp_diag_at(w->ctx, 0)->text, "too deeply"));
    assert_true(w->a->totals.partial);
    assert_true(w->a->totals.unknown_nodes > 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_constant_condition_takes_its_branch, world_setup,
                                        world_teardown),
        cmocka_unit_test_setup_teardown(an_open_condition_merges_and_counts_the_dearer_branch,
                                        world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(a_branch_that_does_not_fit_is_not_the_one_that_runs,
                                        world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(one_branch_must_fit, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(no_sizes_cure_a_wrong_number_of_inputs, world_setup,
                                        world_teardown),
        cmocka_unit_test_setup_teardown(a_loop_grows_what_it_carries, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(functions_see_the_attributes_of_their_call, world_setup,
                                        world_teardown),
        cmocka_unit_test_setup_teardown(broadcasting_prefers_what_says_more, world_setup,
                                        world_teardown),
        cmocka_unit_test_setup_teardown(what_cannot_be_is_named, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(too_deep_is_a_warning, world_setup, world_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
