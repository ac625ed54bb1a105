/* test_fp16.c - float16 and bfloat16: types, interface, Casts, reasons. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "analysis/infer.h"
#include "onnxpert/pass.h"
#include "ops/schema.h"

typedef struct outcome {
    oxp_ctx *ctx;
    oxp_model *m;
    oxp_arena *arena;
    const oxp_pass_result *result;
    const oxp_inferred *facts;
} outcome;

static void infer(void *arg) {
    outcome *o = arg;
    oxp_infer_opts opts = {.quiet = true, .no_costs = true};
    o->arena = oxp_arena_new(o->ctx);
    o->facts = oxp_infer(o->m, &opts, o->arena);
}

static outcome convert(const char *path, const char *pass, const oxp_pass_opts *given) {
    oxp_pass_opts opts = OXP_PASS_OPTS_INIT;
    outcome o = {.ctx = oxp_ctx_new(0)};
    size_t n;
    assert_non_null(o.ctx);
    if (oxp_open(&o.m, o.ctx, path) != OXP_OK)
        fail_msg("%s", oxp_error_text(o.ctx));
    if (oxp_run_passes(o.m, &pass, 1, given ? given : &opts, &o.result, &n) != OXP_OK)
        fail_msg("%s", oxp_error_text(o.ctx));
    assert_int_equal(oxp_try(o.ctx, infer, &o), OXP_OK);
    return o;
}

static oxp_dtype elem(const outcome *o, oxp_id v) {
    const oxp_type *t = &o->facts->facts[v].type;
    while (t->of)
        t = t->of;
    return t->elem;
}

/* Inputs that share a type variable have one type, and one that the schema allows. */
static void check_types(const outcome *o, const char *path) {
    for (oxp_id id = 0; id < oxp_node_count(o->m); id++) {
        const oxp_node *n = oxp_node_at(o->m, id);
        const oxp_schema *s =
            oxp_schema_find(n->domain, n->op, oxp_opset_of(o->m, n->graph, n->domain));
        if (!n->live || !s || n->domain[0])
            continue;
        for (uint32_t i = 0; i < n->n_in; i++) {
            const oxp_schema_param *a = oxp_schema_input(s, i);
            if (n->in[i] == OXP_NONE || !a || elem(o, n->in[i]) == OXP_UNDEFINED ||
                o->facts->facts[n->in[i]].type.kind != OXP_KIND_TENSOR)
                continue;
            if (!oxp_schema_param_allows(a, elem(o, n->in[i])))
                fail_msg("%s: %s: input %u cannot be %s", path, oxp_node_label(o->m, id, o->arena),
                         i, oxp_dtype_name(elem(o, n->in[i])));
            for (uint32_t k = 0; k < i; k++) {
                const oxp_schema_param *b = oxp_schema_input(s, k);
                if (n->in[k] == OXP_NONE || !b || strcmp(a->type, b->type) != 0 ||
                    (a->option == OXP_PARAM_VARIADIC && !a->homogeneous) ||
                    elem(o, n->in[k]) == OXP_UNDEFINED)
                    continue;
                if (elem(o, n->in[k]) != elem(o, n->in[i]))
                    fail_msg("%s: %s: inputs %u and %u differ in type", path,
                             oxp_node_label(o->m, id, o->arena), k, i);
            }
        }
    }
}

/* What is recorded is what inference finds. */
static void check_records(const outcome *o, const char *path) {
    for (oxp_id v = 0; v < oxp_value_count(o->m); v++) {
        const oxp_value *x = oxp_value_at(o->m, v);
        if (x->live && x->declared && x->declared->kind == OXP_KIND_TENSOR &&
            elem(o, v) != OXP_UNDEFINED && x->declared->elem != elem(o, v))
            fail_msg("%s: %s is recorded as %s but is %s", path, x->name,
                     oxp_dtype_name(x->declared->elem), oxp_dtype_name(elem(o, v)));
    }
}

static int64_t cast_to(const oxp_node *n) {
    return oxp_node_is(n, "Cast") ? oxp_attr_int(n, "to", 0) : 0;
}

static void check_casts(const outcome *o, const char *path) {
    for (oxp_id a = 0; a < oxp_node_count(o->m); a++) {
        const oxp_node *x = oxp_node_at(o->m, a);
        for (oxp_id b = 0; x->live && cast_to(x) && b < a; b++) {
            const oxp_node *y = oxp_node_at(o->m, b);
            if (y->live && cast_to(y) == cast_to(x) && x->graph == y->graph && x->in[0] == y->in[0])
                fail_msg("%s: %s is cast twice", path, oxp_value_at(o->m, x->in[0])->name);
        }
    }
}

static void check_interface(const outcome *o, const char *path) {
    const oxp_graph *g = oxp_graph_at(o->m, OXP_MAIN_GRAPH);
    outcome old = {.ctx = oxp_ctx_new(0)};
    assert_int_equal(oxp_open(&old.m, old.ctx, path), OXP_OK);
    const oxp_graph *h = oxp_graph_at(old.m, OXP_MAIN_GRAPH);
    assert_int_equal(g->n_inputs, h->n_inputs);
    assert_int_equal(g->n_outputs, h->n_outputs);
    for (uint32_t i = 0; i < g->n_outputs; i++) {
        const oxp_value *x = oxp_value_at(o->m, g->outputs[i]);
        const oxp_value *y = oxp_value_at(old.m, h->outputs[i]);
        assert_string_equal(x->name, y->name);
        if (x->declared && y->declared)
            assert_int_equal(x->declared->elem, y->declared->elem);
    }
    for (uint32_t i = 0; i < g->n_inputs; i++) {
        const oxp_value *x = oxp_value_at(o->m, g->inputs[i]);
        const oxp_value *y = oxp_value_at(old.m, h->inputs[i]);
        assert_string_equal(x->name, y->name);
        if (x->tensor == OXP_NONE && x->declared && y->declared)
            assert_int_equal(x->declared->elem, y->declared->elem);
    }
    oxp_ctx_free(old.ctx);
}

static void each_case(const char *folder) {
    DIR *d = opendir(folder);
    char path[1024];
    assert_non_null(d);
    for (struct dirent *e = readdir(d); e; e = readdir(d)) {
        if (e->d_name[0] == '.')
            continue;
        (void)snprintf(path, sizeof path, "%s/%s/model.onnx", folder, e->d_name);
        for (int bf16 = 0; bf16 < 2; bf16++) {
            outcome o = convert(path, bf16 ? "bf16" : "fp16", NULL);
            check_types(&o, path);
            check_records(&o, path);
            check_casts(&o, path);
            check_interface(&o, path);
            oxp_ctx_free(o.ctx);
        }
    }
    closedir(d);
}

static void test_cases(void **state) {
    (void)state;
    each_case("fixtures/battery/fp16");
    each_case("fixtures/rewrites/fp16");
}

static size_t count_of(const outcome *o, oxp_dtype t) {
    size_t n = 0;
    for (oxp_id id = 0; id < oxp_node_count(o->m); id++)
        n += oxp_node_at(o->m, id)->live && cast_to(oxp_node_at(o->m, id)) == (int64_t)t;
    return n;
}

static const char *reason_of(const outcome *o, const char *node) {
    for (size_t i = 0; i < o->result->n_skipped; i++)
        if (strstr(o->result->skipped[i].node, node))
            return o->result->skipped[i].reason;
    return "";
}

static void test_conv(void **state) {
    (void)state;
    outcome o = convert("fixtures/battery/fp16/01_conv_relu/model.onnx", "fp16", NULL);
    assert_int_equal(o.result->changed, 2);
    assert_int_equal(count_of(&o, OXP_FLOAT16), 1);
    assert_int_equal(count_of(&o, OXP_FLOAT), 1);
    assert_int_equal(o.result->n_skipped, 0);
    oxp_ctx_free(o.ctx);
}

static void test_reasons(void **state) {
    (void)state;
    outcome o = convert("fixtures/battery/fp16/03_weight_65504/model.onnx", "fp16", NULL);
    assert_non_null(strstr(reason_of(&o, "MatMul"), "65504"));
    oxp_ctx_free(o.ctx);
    o = convert("fixtures/rewrites/fp16/posid_rope/model.onnx", "fp16", NULL);
    assert_string_not_equal(reason_of(&o, "MatMul"), "");
    assert_string_not_equal(reason_of(&o, "Sin"), "");
    oxp_ctx_free(o.ctx);
    o = convert("fixtures/rewrites/fp16/log_spectrum/model.onnx", "fp16", NULL);
    assert_non_null(strstr(reason_of(&o, "MatMul_0"), "logarithm"));
    assert_string_equal(reason_of(&o, "Conv"), "");
    oxp_ctx_free(o.ctx);
    o = convert("fixtures/rewrites/fp16/bn_training/model.onnx", "fp16", NULL);
    assert_non_null(strstr(reason_of(&o, "BatchNormalization"), "statistics of the batch"));
    oxp_ctx_free(o.ctx);
}

static void test_options(void **state) {
    (void)state;
    const char *conv[] = {"Conv"}, *no[] = {"no such node"}, *pass = "fp16";
    oxp_pass_opts opts = OXP_PASS_OPTS_INIT;
    opts.block_ops = conv;
    opts.n_block_ops = 1;
    outcome o = convert("fixtures/battery/fp16/01_conv_relu/model.onnx", "fp16", &opts);
    assert_non_null(strstr(reason_of(&o, "Conv"), "--fp16-block-op"));
    oxp_ctx_free(o.ctx);

    oxp_ctx *ctx = oxp_ctx_new(0);
    oxp_model *m;
    const oxp_pass_result *r;
    size_t n;
    assert_int_equal(oxp_open(&m, ctx, "fixtures/battery/fp16/01_conv_relu/model.onnx"), OXP_OK);
    opts.block_nodes = no;
    opts.n_block_nodes = 1;
    assert_int_equal(oxp_run_passes(m, &pass, 1, &opts, &r, &n), OXP_E_USAGE);
    oxp_ctx_free(ctx);
}

static void test_free_interface(void **state) {
    (void)state;
    oxp_pass_opts opts = OXP_PASS_OPTS_INIT;
    opts.keep_io = false;
    outcome o = convert("fixtures/battery/fp16/01_conv_relu/model.onnx", "fp16", &opts);
    const oxp_graph *g = oxp_graph_at(o.m, OXP_MAIN_GRAPH);
    assert_int_equal(oxp_value_at(o.m, g->inputs[0])->declared->elem, OXP_FLOAT16);
    assert_int_equal(oxp_value_at(o.m, g->outputs[0])->declared->elem, OXP_FLOAT16);
    assert_int_equal(count_of(&o, OXP_FLOAT16) + count_of(&o, OXP_FLOAT), 0);
    oxp_ctx_free(o.ctx);
}

/* ---- calibration, without a runtime ---- */
typedef struct told {
    double bound; /* of everything */
    size_t calls;
} told;

static size_t tell(void *arg, const oxp_model *m, oxp_measured *by_value) {
    told *t = arg;
    for (size_t v = 0; v < oxp_value_count(m); v++)
        by_value[v] = (oxp_measured){-t->bound, t->bound, false};
    t->calls++;
    return 3;
}

static void test_measured(void **state) {
    (void)state;
    const char *path = "fixtures/battery/fp16/09_layernorm_decomp_large/model.onnx";
    told small = {0.5, 0}, large = {40000, 0};
    oxp_pass_opts opts = OXP_PASS_OPTS_INIT;
    opts.measure = tell;
    opts.measure_arg = &small;
    outcome o = convert(path, "fp16", &opts);
    assert_string_equal(reason_of(&o, "Pow"), "");
    assert_int_equal(small.calls, 1);
    oxp_ctx_free(o.ctx);
    opts.measure_arg = &large; /* twice as wide: too much */
    o = convert(path, "fp16", &opts);
    assert_non_null(strstr(reason_of(&o, "Pow"), "8e+04 (measured, with a margin of 2)"));
    oxp_ctx_free(o.ctx);
    o = convert(path, "bf16", &opts);
    assert_int_equal(large.calls, 1); /* bfloat16 has float32's range */
    oxp_ctx_free(o.ctx);
    o = convert(path, "fp16", NULL);
    assert_non_null(strstr(reason_of(&o, "Pow"), "(an estimate)"));
    oxp_ctx_free(o.ctx);
    /* A mask that the inputs did not select can still be selected. */
    opts.measure_arg = &small;
    o = convert("fixtures/models/bert_mini_op17/model.onnx", "fp16", &opts);
    assert_non_null(strstr(reason_of(&o, "layer.0/attention/self/Add"), "3.4e+38"));
    oxp_ctx_free(o.ctx);
}

static oxp_dtype output_of(const outcome *o, const char *op) {
    for (oxp_id id = 0; id < oxp_node_count(o->m); id++)
        if (oxp_node_at(o->m, id)->live && oxp_node_is(oxp_node_at(o->m, id), op))
            return elem(o, oxp_node_at(o->m, id)->out[0]);
    return OXP_UNDEFINED;
}

static int rank_of_weight(const outcome *o) {
    for (oxp_id v = 0; v < oxp_value_count(o->m); v++) {
        const oxp_value *x = oxp_value_at(o->m, v);
        if (x->live && !strcmp(x->name, "w"))
            return oxp_tensor_at(o->m, x->tensor)->rank;
    }
    return -1;
}

/* A float16 Transpose of the batch axis in front of a MatMul: runtimes crash when the ranks of the
 * operands differ. */
static void test_transpose(void **state) {
    (void)state;
    static const char *const lifted[] = {"transpose_matmul", "transpose_matmul_right"};
    static const char *const kept[] = {"transpose_matmul_shared", "transpose_matmul_vector"};
    char path[256];
    for (size_t i = 0; i < 2; i++) {
        (void)snprintf(path, sizeof path, "fixtures/rewrites/fp16/%s/model.onnx", lifted[i]);
        outcome o = convert(path, "fp16", NULL);
        assert_int_equal(output_of(&o, "Transpose"), OXP_FLOAT16);
        assert_int_equal(rank_of_weight(&o), 3);
        oxp_ctx_free(o.ctx);
        (void)snprintf(path, sizeof path, "fixtures/rewrites/fp16/%s/model.onnx", kept[i]);
        o = convert(path, "fp16", NULL);
        assert_int_equal(output_of(&o, "Transpose"), OXP_FLOAT);
        assert_true(rank_of_weight(&o) < 3);
        oxp_ctx_free(o.ctx);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),          cmocka_unit_test(test_conv),
        cmocka_unit_test(test_reasons),        cmocka_unit_test(test_options),
        cmocka_unit_test(test_free_interface), cmocka_unit_test(test_transpose),
        cmocka_unit_test(test_measured),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
