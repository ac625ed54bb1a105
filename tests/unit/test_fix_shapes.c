/* test_fix_shapes.c - bound sizes: every tensor typed, impossible ones refused by name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "onnxpert/pass.h"

static oxp_status run(oxp_ctx *ctx, oxp_model **m, const char *name, const oxp_binding *b,
                      size_t n_b, bool repair, const oxp_pass_result **r) {
    char path[512];
    size_t n;
    const char *pass = "fix-shapes";
    oxp_pass_opts opts = OXP_PASS_OPTS_INIT;
    opts.bindings = b;
    opts.n_bindings = n_b;
    opts.repair = repair;
    (void)snprintf(path, sizeof path, "fixtures/%s/model.onnx", name);
    if (oxp_open(m, ctx, path) != OXP_OK)
        fail_msg("%s", oxp_error_text(ctx));
    return oxp_run_passes(*m, &pass, 1, &opts, r, &n);
}

static oxp_binding dim(const char *name, int64_t value) {
    return (oxp_binding){name, value, -1, NULL};
}

static void check_static(const oxp_model *m, const char *name) {
    const oxp_graph *g = oxp_graph_at(m, OXP_MAIN_GRAPH);
    for (oxp_id id = g->first; id != OXP_NONE; id = oxp_node_at(m, id)->next) {
        const oxp_node *n = oxp_node_at(m, id);
        for (uint32_t i = 0; i < n->n_out; i++) {
            if (n->out[i] == OXP_NONE)
                continue;
            const oxp_value *v = oxp_value_at(m, n->out[i]);
            if (!v->declared || v->declared->rank < 0)
                fail_msg("%s: %s has no recorded shape", name, v->name);
            for (int k = 0; k < v->declared->rank; k++)
                if (!oxp_dim_is_literal(v->declared->dims[k]))
                    fail_msg("%s: %s: axis %d is open", name, v->name, k);
        }
    }
}

static void test_static(void **state) {
    (void)state;
    static const int64_t x1[] = {2, 3, 16, 16}, x3[] = {2, 3, 4}, r7[] = {2, 3, 24, 24},
                         x9[] = {2, 4}, x19a[] = {2, 6, 4}, x19b[] = {2, 4, 6};
    const struct {
        const char *name;
        oxp_binding b[3];
        size_t n;
    } cases[] = {
        {"battery/shapes/01_conv_dyn_hw", {{"x", 0, 4, x1}}, 1},
        {"battery/shapes/03_shape_slice_concat_expand", {{"x", 0, 3, x3}}, 1},
        {"battery/shapes/05_reshape_const_1_ok", {{"x", 0, 3, x3}}, 1},
        {"battery/shapes/07_resize_sizes_from_shape", {{"x", 0, 4, x1}, {"r", 0, 4, r7}}, 2},
        {"battery/shapes/09_same_dim_name_two_inputs", {{"a", 0, 2, x9}, {"b", 0, 2, x9}}, 2},
        {"battery/shapes/11_unnamed_dims", {{"x", 0, 2, x9}}, 1},
        {"battery/shapes/15_loop_body_dims", {{"x", 0, 2, x9}}, 1},
        {"battery/shapes/17_tile_repeats_from_shape", {{"x", 0, 2, x9}}, 1},
        {"battery/shapes/19_einsum_dims", {{"a", 0, 3, x19a}, {"b", 0, 3, x19b}}, 2},
        {"rewrites/shapes/lstm_init_state", {{"S", 6, -1, NULL}, {"N", 2, -1, NULL}}, 2},
        {"rewrites/shapes/loop_scan_out", {{"N", 2, -1, NULL}}, 1},
        {"rewrites/shapes/range_expand", {{"N", 2, -1, NULL}, {"S", 6, -1, NULL}}, 2},
        {"rewrites/shapes/stale_value_info", {{"N", 2, -1, NULL}}, 1},
        {"rewrites/shapes/function", {{"N", 2, -1, NULL}}, 1},
        {"rewrites/shapes/kv", {{"N", 2, -1, NULL}, {"S", 6, -1, NULL}, {"P", 5, -1, NULL}}, 3},
        {"rewrites/shapes/squeeze_if", {{"N", 2, -1, NULL}, {"D", 1, -1, NULL}}, 2},
        {"rewrites/shapes/squeeze_if_mid", {{"N", 2, -1, NULL}, {"D", 1, -1, NULL}}, 2},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        oxp_ctx *ctx = oxp_ctx_new(0);
        oxp_model *m;
        const oxp_pass_result *r;
        if (run(ctx, &m, cases[i].name, cases[i].b, cases[i].n, false, &r) != OXP_OK)
            fail_msg("%s: %s", cases[i].name, oxp_error_text(ctx));
        check_static(m, cases[i].name);
        for (oxp_id id = 0; id < oxp_node_count(m); id++)
            assert_false(oxp_node_at(m, id)->live && oxp_node_is(oxp_node_at(m, id), "If"));
        oxp_ctx_free(ctx);
    }
}

static void refused(const char *name, const oxp_binding *b, size_t n, oxp_status status,
                    const char *text) {
    oxp_ctx *ctx = oxp_ctx_new(0);
    oxp_model *m;
    const oxp_pass_result *r;
    assert_int_equal(run(ctx, &m, name, b, n, false, &r), status);
    if (!strstr(oxp_error_text(ctx), text))
        fail_msg("%s: '%s' does not name '%s'", name, oxp_error_text(ctx), text);
    oxp_ctx_free(ctx);
}

static void test_refusals(void **state) {
    (void)state;
    const oxp_binding two[] = {dim("N", 2)}, differ[] = {dim("N", 2), dim("M", 3)};
    const oxp_binding none[] = {dim("Q", 2)}, zero[] = {dim("N", 0)}, negative[] = {dim("N", -2)};
    refused("rewrites/shapes/reshape_1_12", two, 1, OXP_E_UNSUPPORTED, "Reshape_0");
    refused("rewrites/shapes/reshape_1_12", two, 1, OXP_E_UNSUPPORTED, "[1, 12]");
    refused("rewrites/shapes/reshape_1_12", two, 1, OXP_E_UNSUPPORTED, "N = 1");
    refused("rewrites/shapes/add_n_m", differ, 2, OXP_E_UNSUPPORTED, "Add_0");
    refused("rewrites/shapes/concat_n_m", differ, 2, OXP_E_UNSUPPORTED, "Concat_0");
    refused("battery/shapes/01_conv_dyn_hw", none, 1, OXP_E_USAGE, "Q");
    refused("battery/shapes/01_conv_dyn_hw", zero, 1, OXP_E_UNSUPPORTED, "N");
    refused("battery/shapes/01_conv_dyn_hw", negative, 1, OXP_E_UNSUPPORTED, "N");
}

static void test_repair(void **state) {
    (void)state;
    const oxp_binding two[] = {dim("N", 2)};
    oxp_ctx *ctx = oxp_ctx_new(0);
    oxp_model *m;
    const oxp_pass_result *r;
    assert_int_equal(run(ctx, &m, "rewrites/shapes/reshape_1_12_repair", two, 1, true, &r), OXP_OK);
    const oxp_graph *g = oxp_graph_at(m, OXP_MAIN_GRAPH);
    const oxp_type *t = oxp_value_at(m, g->outputs[0])->declared;
    assert_int_equal(t->rank, 2);
    assert_int_equal(t->dims[0], 2);
    assert_int_equal(t->dims[1], 12);
    oxp_ctx_free(ctx);
}

static void test_partial(void **state) {
    (void)state;
    const oxp_binding h[] = {dim("H", 16)};
    oxp_ctx *ctx = oxp_ctx_new(0);
    oxp_model *m;
    const oxp_pass_result *r;
    assert_int_equal(run(ctx, &m, "rewrites/shapes/partial", h, 1, false, &r), OXP_OK);
    const oxp_graph *g = oxp_graph_at(m, OXP_MAIN_GRAPH);
    const oxp_type *in = oxp_value_at(m, g->inputs[0])->declared;
    const oxp_type *out = oxp_value_at(m, g->outputs[0])->declared;
    assert_false(oxp_dim_is_literal(in->dims[0]));
    assert_int_equal(in->dims[2], 16);
    assert_false(oxp_dim_is_literal(in->dims[3]));
    assert_int_equal(out->dims[2], 8);
    assert_false(oxp_dim_is_literal(out->dims[3]));
    oxp_ctx_free(ctx);
}

static size_t read_all(const char *path, char *to, size_t room) {
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    size_t n = fread(to, 1, room, f);
    (void)fclose(f);
    assert_true(n < room);
    return n;
}

/* What binds nothing leaves the file alone, outputs of branches and axes of length 0 included; what
 * binds something says the types of a branch's outputs once. */
static void test_nothing_bound(void **state) {
    (void)state;
    static char old[8192], new[8192];
    const char *saved = "if_zero.fix_shapes.tmp";
    const oxp_binding two[] = {dim("N", 2)};
    oxp_ctx *ctx = oxp_ctx_new(0);
    oxp_model *m;
    const oxp_pass_result *r;
    oxp_save_opts how = OXP_SAVE_OPTS_INIT;
    size_t n = read_all("fixtures/rewrites/shapes/if_zero/model.onnx", old, sizeof old);
    assert_int_equal(run(ctx, &m, "rewrites/shapes/if_zero", NULL, 0, false, &r), OXP_OK);
    assert_int_equal(r->changed, 0);
    assert_int_equal(oxp_save(m, saved, &how, NULL), OXP_OK);
    assert_int_equal(read_all(saved, new, sizeof new), n);
    assert_memory_equal(old, new, n);

    assert_int_equal(run(ctx, &m, "rewrites/shapes/if_zero", two, 1, false, &r), OXP_OK);
    assert_int_equal(r->changed, 1);
    assert_int_equal(oxp_save(m, saved, &how, NULL), OXP_OK);
    size_t len = read_all(saved, new, sizeof new), told = 0;
    for (size_t i = 0; i + 8 <= len; i++)
        told += memcmp(new + i, "then_out", 8) == 0;
    assert_int_equal(told, 2); /* the node that makes it, the output of the branch */
    (void)remove(saved);
    oxp_ctx_free(ctx);
}

static void test_dynamic(void **state) {
    (void)state;
    const char *pass = "make-dynamic";
    oxp_pass_opts opts = OXP_PASS_OPTS_INIT;
    oxp_ctx *ctx = oxp_ctx_new(0);
    oxp_model *m;
    const oxp_pass_result *r;
    size_t n;
    assert_int_equal(oxp_open(&m, ctx, "fixtures/models/mnist8/model.onnx"), OXP_OK);
    if (oxp_run_passes(m, &pass, 1, &opts, &r, &n) != OXP_OK)
        fail_msg("%s", oxp_error_text(ctx));
    const oxp_graph *g = oxp_graph_at(m, OXP_MAIN_GRAPH);
    const oxp_type *out = oxp_value_at(m, g->outputs[0])->declared;
    oxp_dim batch = oxp_dim_symbol(oxp_model_dims(m), "N");
    assert_true(out->dims[0] == batch);
    assert_int_equal(out->dims[1], 10);
    oxp_ctx_free(ctx);
}

/* Behind an operator that nothing is known about the file's own records are all there is. */
static void test_behind_unknown(void **state) {
    (void)state;
    const oxp_binding size[] = {dim("size", 9)};
    oxp_ctx *ctx = oxp_ctx_new(0);
    oxp_model *m;
    const oxp_pass_result *r;
    assert_int_equal(run(ctx, &m, "rewrites/shapes/behind_unknown", size, 1, false, &r), OXP_OK);
    const oxp_graph *g = oxp_graph_at(m, OXP_MAIN_GRAPH);
    assert_int_equal(oxp_value_at(m, g->inputs[0])->declared->dims[0], 9);
    const oxp_type *out = oxp_value_at(m, g->outputs[0])->declared;
    assert_int_equal(out->rank, 1); /* its name is no input's: it stays */
    assert_string_equal(oxp_dim_text(oxp_model_dims(m), out->dims[0], oxp_arena_new(ctx)),
                        "encoded");
    static const int64_t maps[] = {1, 4, 32, 32};
    const oxp_node *conv = oxp_node_at(m, oxp_node_at(m, g->first)->next);
    const oxp_type *t = oxp_value_at(m, conv->out[0])->declared;
    assert_non_null(t);
    assert_int_equal(t->rank, 4);
    for (int k = 0; k < 4; k++)
        assert_int_equal(t->dims[k], maps[k]);
    oxp_ctx_free(ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_static),         cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_repair),         cmocka_unit_test(test_partial),
        cmocka_unit_test(test_dynamic),        cmocka_unit_test(test_nothing_bound),
        cmocka_unit_test(test_behind_unknown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
