/* Sizes given for inputs: by the name of a dimension, by a whole shape, and what cannot be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "support/type_text.h"
#include "support/wire_builder.h"
#include "support/world.h"

/* y = Relu(x) with these dimensions of x (NULL: not even a rank). */
static void open_relu(world *w, const char *dims) {
    wb g = {0};
    wb_msg(&g, 1, wb_node("Relu", "x", "y"));
    wb_text(&g, 2, "g");
    wb_msg(&g, 11, wb_value("x", dims));
    wb_msg(&g, 12, wb_value("y", NULL));
    wb model = wb_model(g);
    assert_int_equal(oxp_open(&w->m, w->ctx, wb_save(&model, "binding.onnx")), OXP_OK);
    wb_free(&model);
}

static oxp_status bind(world *w, const char *dims, const oxp_binding *b, size_t n) {
    oxp_analyze_opts o = OXP_ANALYZE_OPTS_INIT;
    oxp_error_clear(w->ctx);
    open_relu(w, dims);
    o.bindings = b;
    o.n_bindings = n;
    return oxp_analyze(&w->a, w->m, &o, w->arena);
}

static const char *output(world *w) {
    oxp_id y = oxp_graph_at(w->m, OXP_MAIN_GRAPH)->outputs[0];
    return type_text(w->m, &w->a->values[y].type, w->arena);
}

static void gives(world *w, const char *dims, oxp_binding b, const char *type) {
    if (bind(w, dims, &b, 1) != OXP_OK)
        fail_msg("%s", oxp_error_text(w->ctx));
    assert_string_equal(output(w), type);
}

static void refuses(world *w, const char *dims, oxp_binding b, oxp_status status,
                    const char *reason) {
    assert_int_equal(bind(w, dims, &b, 1), status);
    if (!strstr(oxp_error_text(w->ctx), reason))
        fail_msg("\"%s\" is not in \"%s\"", reason, oxp_error_text(w->ctx));
}

static oxp_binding shape(int rank, const int64_t *dims) {
    return (oxp_binding){"x", 0, rank, dims};
}

static oxp_binding dim(const char *name, int64_t value) {
    return (oxp_binding){name, value, -1, NULL};
}

static void test_dimensions(void **state) {
    world *w = *state;
    gives(w, "N 4", dim("N", 3), "float32[3,4]");
    gives(w, "N 4", dim("N", 0), "float32[0,4]");
    gives(w, "? 4", dim("x_0", 3), "float32[3,4]");
    gives(w, "N past+seq", dim("past + seq", 7), "float32[1,7]");
    gives(w, "N past+seq", dim("past", 7), "float32[1,8]");
    refuses(w, "N 4", dim("M", 3), OXP_E_USAGE,
            "no input has a dimension named M; the open ones are N");
    refuses(w, "2 4", dim("M", 3), OXP_E_USAGE, "all its inputs have fixed dimensions");
    refuses(w, "a b c d e f g h i j k l m n", dim("z", 3), OXP_E_USAGE, "k, l, ...");
    refuses(w, "N 4", dim("N", -2), OXP_E_UNSUPPORTED, "dimension N: -2 is no size");
}

static void test_shapes(void **state) {
    static const int64_t three[] = {3, 4}, open[] = {-1, 4}, wrong[] = {3, 5}, bad[] = {-3, 4};
    world *w = *state;
    gives(w, "N 4", shape(2, three), "float32[3,4]");
    gives(w, "N 4", shape(2, open), "float32[1,4]");
    gives(w, "? 4", shape(2, three), "float32[3,4]");
    gives(w, "N past+seq", shape(2, three), "float32[3,4]");
    gives(w, NULL, shape(2, three), "float32[3,4]");
    gives(w, NULL, shape(2, open), "float32[?,4]");
    gives(w, NULL, shape(0, three), "float32[]");
    refuses(w, "N 4", shape(2, wrong), OXP_E_UNSUPPORTED, "axis 1 is fixed at 4, cannot be 5");
    refuses(w, "N 4", shape(2, bad), OXP_E_UNSUPPORTED, "-3 is no size");
    refuses(w, "N 4", shape(1, three), OXP_E_UNSUPPORTED, "has 2 dimensions, not 1");
    refuses(w, "N 4", (oxp_binding){"z", 0, 2, three}, OXP_E_USAGE, "no input is named z");
}

static void test_twice(void **state) {
    static const int64_t three[] = {3, 4};
    world *w = *state;
    oxp_binding same[] = {dim("N", 3), shape(2, three)}, other[] = {dim("N", 2), shape(2, three)};
    assert_int_equal(bind(w, "N 4", same, 2), OXP_OK);
    assert_string_equal(output(w), "float32[3,4]");
    assert_int_equal(bind(w, "N 4", other, 2), OXP_E_UNSUPPORTED);
    assert_non_null(strstr(oxp_error_text(w->ctx), "dimension N: bound to 2 and to 3"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, world_setup, world_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {TEST(dimensions), TEST(shapes), TEST(twice)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
