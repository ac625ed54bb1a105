/* test_load.c - from bytes to a model: structure, names, tensors, attributes, functions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "model/model_impl.h"
#include "model/proto.h"
#include "support/wire_builder.h"

/* Opens and frees the bytes; the model lives in the context. */
static oxp_model *open_ok(oxp_ctx *ctx, wb b) {
    oxp_model *m;
    if (oxp_open(&m, ctx, wb_save(&b, "model.onnx")) != OXP_OK)
        fail_msg("%s", oxp_error_text(ctx));
    wb_free(&b);
    return m;
}

static void refuse(wb b, const char *message) {
    oxp_ctx *ctx = oxp_ctx_new(0);
    oxp_model *m;
    oxp_status status = oxp_open(&m, ctx, wb_save(&b, "model.onnx"));
    if (status != OXP_E_FORMAT || !strstr(oxp_error_text(ctx), message))
        fail_msg("status %d: '%s' is not in '%s'", status, message, oxp_error_text(ctx));
    assert_non_null(strstr(oxp_error_text(ctx), "model.onnx"));
    assert_null(strchr(oxp_error_text(ctx), '\n'));
    oxp_ctx_free(ctx);
    wb_free(&b);
}

static wb with(unsigned field, wb element) {
    wb g = wb_relu_graph();
    wb_msg(&g, field, element);
    return wb_model(g);
}

/* ---- what a model becomes ---- */

static void test_basics(void **state) {
    (void)state;
    oxp_ctx *ctx = oxp_ctx_new(0);
    wb g = {0}, b;
    wb_msg(&g, GRAPH_NODE, wb_node("Clip", "x - w", "t"));
    wb_msg(&g, GRAPH_NODE, wb_node("Add", "t t", "y"));
    wb_text(&g, GRAPH_NAME, "two nodes");
    wb_msg(&g, GRAPH_INITIALIZER, wb_ones("w", "", 1));
    wb_msg(&g, GRAPH_INPUT, wb_value("x", "N 3 ? -1"));
    wb_msg(&g, GRAPH_OUTPUT, wb_value("y", NULL));
    wb_msg(&g, GRAPH_VALUE_INFO, wb_value("t", "N 3 4 5"));
    wb_msg(&g, GRAPH_VALUE_INFO, wb_value("nobody", "1"));
    b = wb_model(g);
    wb_text(&b, MODEL_PRODUCER_NAME, "tests");
    oxp_model *m = open_ok(ctx, b);
    assert_string_equal(oxp_model_producer(m), "tests");
    assert_int_equal(oxp_model_ir_version(m), 8);
    assert_int_equal(oxp_opset_of(m, OXP_MAIN_GRAPH, "ai.onnx"), 17);
    assert_int_equal(oxp_opset_of(m, OXP_MAIN_GRAPH, "other"), 0);
    const oxp_graph *main_graph = oxp_graph_at(m, OXP_MAIN_GRAPH);
    assert_string_equal(main_graph->name, "two nodes");
    assert_int_equal(main_graph->n_nodes, 2);
    const oxp_node *clip = oxp_node_at(m, main_graph->first);
    const oxp_node *add = oxp_node_at(m, main_graph->last);
    assert_int_equal(clip->n_in, 3);
    assert_int_equal(oxp_in(clip, 1), OXP_NONE);
    const oxp_value *t = oxp_value_at(m, oxp_in(add, 0));
    assert_string_equal(t->name, "t");
    assert_int_equal(t->producer, main_graph->first);
    assert_int_equal(t->n_uses, 2);
    assert_int_equal(oxp_use_at(m, t->last_use)->slot, 1);
    assert_int_equal(t->declared->rank, 4);
    assert_true(t->src.len > 0);
    const oxp_value *w = oxp_value_at(m, oxp_in(clip, 2));
    assert_int_equal(oxp_tensor_at(m, w->tensor)->storage, OXP_STORE_RAW);
    assert_int_equal(oxp_tensor_at(m, w->tensor)->bytes, 4);
    const oxp_value *x = oxp_value_at(m, main_graph->inputs[0]);
    oxp_arena *arena = oxp_arena_new(ctx);
    assert_string_equal(oxp_dim_text(m->dims, x->declared->dims[0], arena), "N");
    assert_string_equal(oxp_dim_text(m->dims, x->declared->dims[2], arena), "x_2");
    assert_string_equal(oxp_dim_text(m->dims, x->declared->dims[3], arena), "x_3");
    assert_string_equal(oxp_node_label(m, main_graph->last, arena), "Add(out: y)");
    assert_int_equal(oxp_value_at(m, main_graph->outputs[0])->outputs, 1);
    oxp_close(m);
    oxp_ctx_free(ctx);
}

static wb branch(const char *in, const char *out) {
    wb g = {0};
    wb_msg(&g, GRAPH_NODE, wb_node("Relu", in, out));
    wb_msg(&g, GRAPH_OUTPUT, wb_value(out, NULL));
    return g;
}

static wb if_node(wb then_graph, wb else_graph, const char *out) {
    wb n = wb_node("If", "c", out), a = wb_attr("then_branch", 5), e = wb_attr("else_branch", 5);
    wb_text(&n, NODE_NAME, "if");
    wb_msg(&a, ATTR_G, then_graph);
    wb_msg(&e, ATTR_G, else_graph);
    wb_msg(&n, NODE_ATTRIBUTE, a);
    wb_msg(&n, NODE_ATTRIBUTE, e);
    return n;
}

static wb if_model(wb then_graph, wb else_graph) {
    wb g = {0};
    wb_msg(&g, GRAPH_NODE, wb_node("Relu", "x", "t"));
    wb_msg(&g, GRAPH_NODE, if_node(then_graph, else_graph, "z"));
    wb_msg(&g, GRAPH_INPUT, wb_value("x", "1"));
    wb_msg(&g, GRAPH_INPUT, wb_value("c", ""));
    wb_msg(&g, GRAPH_OUTPUT, wb_value("z", "1"));
    return wb_model(g);
}

static void test_subgraphs(void **state) {
    (void)state;
    oxp_ctx *ctx = oxp_ctx_new(0);
    wb captured = {0}; /* its output is the outer value itself */
    wb_msg(&captured, GRAPH_OUTPUT, wb_value("t", NULL));
    oxp_model *m = open_ok(ctx, if_model(branch("t", "r"), captured));
    assert_int_equal(oxp_graph_count(m), 3);
    const oxp_node *node = oxp_node_at(m, oxp_graph_at(m, 0)->last);
    oxp_id then_graph = oxp_attr_find(node, "then_branch")->u.id;
    const oxp_graph *sub = oxp_graph_at(m, then_graph);
    assert_int_equal(sub->kind, OXP_GRAPH_SUB);
    assert_string_equal(sub->attr, "then_branch");
    const oxp_value *t = oxp_value_at(m, oxp_in(oxp_node_at(m, sub->first), 0));
    assert_string_equal(t->name, "t");
    assert_int_equal(t->graph, OXP_MAIN_GRAPH);
    assert_int_equal(oxp_use_at(m, t->first_use)->node, sub->first);
    assert_int_equal(t->outputs, 1); /* of the other branch */
    oxp_arena *arena = oxp_arena_new(ctx);
    assert_string_equal(oxp_node_label(m, sub->first, arena), "if/then_branch/Relu(out: r)");
    assert_string_equal(oxp_value_label(m, sub->outputs[0], arena), "if/then_branch/r");
    oxp_close(m);

    /* An inner name hides an outer one, and only inside. */
    m = open_ok(ctx, if_model(branch("t", "x"), branch("x", "r")));
    node = oxp_node_at(m, oxp_graph_at(m, 0)->last);
    sub = oxp_graph_at(m, oxp_attr_find(node, "else_branch")->u.id);
    assert_int_equal(oxp_value_at(m, oxp_in(oxp_node_at(m, sub->first), 0))->graph, OXP_MAIN_GRAPH);
    oxp_close(m);
    oxp_ctx_free(ctx);

    refuse(if_model(branch("ghost", "r"), branch("x", "r")), "reads a name that nothing defines");
    refuse(if_model(branch("z", "r"), branch("x", "r")), "cycle");
    captured = (wb){0};
    wb_msg(&captured, GRAPH_OUTPUT, wb_value("z", NULL));
    refuse(if_model(branch("x", "r"), captured), "by the node that holds the graph");
}

static void test_initializer_inputs(void **state) {
    (void)state;
    for (int ir = 3; ir <= 4; ir++) {
        oxp_ctx *ctx = oxp_ctx_new(0);
        wb g = wb_relu_graph();
        wb_msg(&g, GRAPH_INPUT, wb_value("w", "1"));
        wb_msg(&g, GRAPH_INITIALIZER, wb_ones("w", "1", 1));
        wb b = wb_model(g);
        wb_int(&b, MODEL_IR_VERSION, ir); /* the last one counts */
        oxp_model *m = open_ok(ctx, b);
        const oxp_value *w = oxp_value_at(m, oxp_graph_at(m, 0)->inputs[1]);
        assert_true(w->is_input);
        assert_int_equal(w->overridable, ir >= 4);
        assert_int_equal(oxp_constant_of(m, oxp_graph_at(m, 0)->inputs[1], false),
                         ir >= 4 ? OXP_NONE : 0);
        assert_int_equal(oxp_constant_of(m, oxp_graph_at(m, 0)->inputs[1], true), 0);
        oxp_close(m);
        oxp_ctx_free(ctx);
    }
}

static void test_order(void **state) {
    (void)state;
    oxp_ctx *ctx = oxp_ctx_new(0);
    wb g = {0};
    wb_msg(&g, GRAPH_NODE, wb_node("Relu", "b", "y"));
    wb_msg(&g, GRAPH_NODE, wb_node("Relu", "a", "b"));
    wb_msg(&g, GRAPH_NODE, wb_node("Neg", "x", "a"));
    wb_msg(&g, GRAPH_INPUT, wb_value("x", "1"));
    wb_msg(&g, GRAPH_OUTPUT, wb_value("y", "1"));
    oxp_model *m = open_ok(ctx, wb_model(g));
    const oxp_graph *main_graph = oxp_graph_at(m, 0);
    assert_string_equal(oxp_node_at(m, main_graph->first)->op, "Neg");
    assert_int_equal(oxp_node_at(m, main_graph->last)->file_index, 0);
    assert_int_equal(main_graph->n_nodes, 3);
    assert_string_equal(oxp_diag_at(ctx, 0)->code, "unsorted");
    oxp_close(m);
    oxp_ctx_free(ctx);
    g = wb_relu_graph();
    wb_msg(&g, GRAPH_NODE, wb_node("Add", "x q", "p"));
    wb_msg(&g, GRAPH_NODE, wb_node("Neg", "p", "q"));
    wb_msg(&g, GRAPH_NODE, wb_node("Neg", "q", "after"));
    refuse(wb_model(g), "cycle");
}

static void test_names(void **state) {
    (void)state;
    refuse(with(GRAPH_NODE, wb_node("Neg", "ghost", "z")), "nothing defines: 'ghost'");
    refuse(with(GRAPH_NODE, wb_node("Neg", "x", "y")), "another output writes already: 'y'");
    refuse(with(GRAPH_NODE, wb_node("Split", "x", "p p")), "another output writes already");
    refuse(with(GRAPH_NODE, wb_node("Neg", "x", "x")), "writes a graph input");
    refuse(with(GRAPH_INPUT, wb_value("x", "1")), "two inputs");
    refuse(with(GRAPH_INPUT, wb_value("", "1")), "no name");
    refuse(with(GRAPH_OUTPUT, wb_value("ghost", "1")), "'ghost' is an output that nothing defines");
    refuse(with(GRAPH_INITIALIZER, wb_ones("", "1", 1)), "no name");
    refuse(with(GRAPH_INITIALIZER, wb_ones("y", "1", 1)), "writes an initializer");
    refuse(with(GRAPH_NODE, wb_node("", "x", "z")), "no operator type");
    refuse(with(GRAPH_NODE, wb_node("Neg", "", "")), "neither inputs nor outputs");
    wb g = wb_relu_graph();
    wb_msg(&g, GRAPH_INITIALIZER, wb_ones("w", "1", 1));
    wb_msg(&g, GRAPH_INITIALIZER, wb_ones("w", "1", 1));
    refuse(wb_model(g), "'w' is the name of two initializers");
}

static void test_versions(void **state) {
    (void)state;
    wb b = {0}, opset = {0};
    wb_msg(&b, MODEL_GRAPH, wb_relu_graph());
    refuse(b, "no IR version");
    b = (wb){0};
    wb_int(&b, MODEL_IR_VERSION, 8);
    wb_msg(&b, MODEL_GRAPH, wb_relu_graph());
    refuse(b, "imports no operator set");
    b = wb_model(wb_relu_graph());
    wb_int(&opset, OPSET_VERSION, 11);
    wb_text(&opset, OPSET_DOMAIN, "ai.onnx"); /* the same domain as "" */
    wb_msg(&b, MODEL_OPSET_IMPORT, opset);
    refuse(b, "imported as opset 17 and as 11");
    b = wb_model(wb_relu_graph());
    opset = (wb){0};
    wb_int(&opset, OPSET_VERSION, 0);
    wb_msg(&b, MODEL_OPSET_IMPORT, opset);
    refuse(b, "no version");
    b = (wb){0}; /* before IR 3 there were no operator sets */
    wb_int(&b, MODEL_IR_VERSION, 2);
    wb_msg(&b, MODEL_GRAPH, wb_relu_graph());
    oxp_ctx *ctx = oxp_ctx_new(0);
    oxp_model *m = open_ok(ctx, b);
    assert_int_equal(oxp_opset_of(m, 0, ""), 1);
    oxp_close(m);
    oxp_ctx_free(ctx);
}

/* ---- tensors ---- */

static wb raw(int type, const char *dims, size_t bytes) {
    static const char zeros[64];
    wb t = wb_tensor("w", type, dims);
    wb_bytes(&t, TENSOR_RAW_DATA, zeros, bytes);
    return t;
}

static oxp_tensor load_tensor(wb t) {
    oxp_ctx *ctx = oxp_ctx_new(0);
    oxp_model *m = open_ok(ctx, with(GRAPH_INITIALIZER, t));
    oxp_tensor copy = *oxp_tensor_at(m, 0);
    copy.dims = NULL;
    oxp_close(m);
    oxp_ctx_free(ctx);
    return copy;
}

static void test_tensors(void **state) {
    (void)state;
    assert_int_equal(load_tensor(raw(OXP_FLOAT, "2 3", 24)).count, 6);
    assert_int_equal(load_tensor(raw(OXP_FLOAT, "0 3", 0)).storage, OXP_STORE_NONE);
    assert_int_equal(load_tensor(wb_tensor("w", OXP_FLOAT, "0")).storage, OXP_STORE_NONE);
    assert_int_equal(load_tensor(raw(OXP_INT4, "3", 2)).bytes, 2);
    assert_int_equal(load_tensor(raw(OXP_UINT2, "9", 3)).bytes, 3);
    assert_int_equal(load_tensor(raw(OXP_COMPLEX128, "2", 32)).bytes, 32);
    assert_int_equal(load_tensor(raw(OXP_FLOAT, "4611686018427387904 8 0", 0)).count, 0);
    wb t = wb_tensor("w", OXP_FLOAT16, "3"), values = {0};
    wb_int(&t, TENSOR_INT32_DATA, 1); /* unpacked and packed mixed */
    wb_bytes(&t, TENSOR_INT32_DATA, "\x80\x01\x02", 3);
    assert_int_equal(load_tensor(t).storage, OXP_STORE_TYPED);
    t = wb_tensor("w", OXP_STRING, "2");
    wb_bytes(&t, TENSOR_STRING_DATA, "a\0b", 3);
    wb_text(&t, TENSOR_STRING_DATA, "");
    assert_int_equal(load_tensor(t).bytes, 3);
    t = wb_tensor("w", OXP_INT4, "3");
    wb_bytes(&t, TENSOR_INT32_DATA, "\x01\x02", 2); /* two elements an entry */
    assert_int_equal(load_tensor(t).storage, OXP_STORE_TYPED);
    wb_raw(&values, "12345678", 8);
    t = wb_tensor("w", OXP_COMPLEX64, "1");
    wb_msg(&t, TENSOR_FLOAT_DATA, values);
    assert_int_equal(load_tensor(t).count, 1);
}

static void test_bad_tensors(void **state) {
    (void)state;
    static const struct {
        int type;
        const char *dims;
        size_t bytes;
        const char *message;
    } cases[] = {
        {OXP_FLOAT, "-1", 4, "dimension 0 is -1"},
        {OXP_FLOAT, "-2 -2", 16, "dimension 0 is -2"},
        {OXP_FLOAT, "4294967296 4294967296", 0, "overflows"},
        {OXP_FLOAT, "4611686018427387904 4", 0, "overflows"},
        {OXP_INT64, "2305843009213693953", 8, "bytes overflows"},
        {OXP_FLOAT, "3", 8, "raw_data has 8 bytes, the dimensions need 12"},
        {OXP_FLOAT, "3", 16, "raw_data has 16 bytes"},
        {OXP_INT4, "3", 3, "raw_data has 3 bytes"},
        {OXP_STRING, "1", 4, "strings in raw_data"},
        {OXP_UNDEFINED, "1", 4, "data type 0"},
        {999, "1", 4, "data type 999"},
        {-1, "1", 4, "data type -1"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        refuse(with(GRAPH_INITIALIZER, raw(cases[i].type, cases[i].dims, cases[i].bytes)),
               cases[i].message);
    refuse(with(GRAPH_INITIALIZER, wb_tensor("w", OXP_FLOAT, "3")), "it holds 0 values");
    wb t = raw(OXP_FLOAT, "1", 4);
    wb_bytes(&t, TENSOR_FLOAT_DATA, "1234", 4);
    refuse(with(GRAPH_INITIALIZER, t), "two places");
    t = wb_tensor("w", OXP_INT64, "1");
    wb_bytes(&t, TENSOR_FLOAT_DATA, "1234", 4);
    refuse(with(GRAPH_INITIALIZER, t), "data field of another type");
    t = wb_tensor("w", OXP_FLOAT, "1");
    wb_int(&t, TENSOR_DATA_LOCATION, 7);
    refuse(with(GRAPH_INITIALIZER, t), "data location 7");
}

static wb sparse(const char *dims, int64_t index) {
    wb s = {0}, d = wb_tensor("", OXP_FLOAT, dims), i = wb_tensor("", OXP_INT64, "1");
    wb_msg(&s, SPARSE_VALUES, wb_ones("s", "1", 1));
    wb_bytes(&i, TENSOR_RAW_DATA, &index, sizeof index);
    wb_msg(&s, SPARSE_INDICES, i);
    wb_raw(&s, "\x1a", 1); /* dims, packed: the varints of d without its type and name */
    size_t n = 0;
    wb packed = {0};
    for (; n < d.n && d.p[n] == TENSOR_DIMS << 3; n++)
        for (n++;; n++) {
            wb_raw(&packed, &d.p[n], 1);
            if (!(d.p[n] & 0x80))
                break;
        }
    wb_varint(&s, packed.n);
    wb_raw(&s, packed.p, packed.n);
    wb_free(&packed);
    wb_free(&d);
    return s;
}

static void test_sparse(void **state) {
    (void)state;
    oxp_ctx *ctx = oxp_ctx_new(0);
    oxp_model *m = open_ok(ctx, with(GRAPH_SPARSE_INITIALIZER, sparse("1024 1024", 5)));
    assert_true(oxp_tensor_at(m, 0)->sparse);
    assert_int_equal(oxp_tensor_at(m, 0)->count, 1024 * 1024);
    assert_string_equal(oxp_tensor_at(m, 0)->name, "s");
    oxp_close(m);
    oxp_ctx_free(ctx);
    refuse(with(GRAPH_SPARSE_INITIALIZER, sparse("4", 4)), "sparse index 4");
    refuse(with(GRAPH_SPARSE_INITIALIZER, sparse("4", -1)), "sparse index -1");
}

/* Tensors are checked wherever they are. */
static void test_hidden_tensors(void **state) {
    (void)state;
    wb n = wb_node("Constant", "", "k"), a = wb_attr("value", 4);
    wb_msg(&a, ATTR_T, raw(OXP_FLOAT, "3", 4));
    wb_msg(&n, NODE_ATTRIBUTE, a);
    refuse(with(GRAPH_NODE, n), "raw_data has 4 bytes");
    wb g = branch("x", "r");
    wb_msg(&g, GRAPH_INITIALIZER, raw(OXP_FLOAT, "3", 4));
    refuse(if_model(g, branch("x", "r")), "raw_data has 4 bytes");
    wb training = {0}, b = wb_model(wb_relu_graph());
    g = (wb){0};
    wb_msg(&g, GRAPH_INITIALIZER, raw(OXP_FLOAT, "3", 4));
    wb_msg(&training, 1, g);
    wb_msg(&b, MODEL_TRAINING_INFO, training);
    refuse(b, "raw_data has 4 bytes");
}

/* ---- attributes ---- */

static wb node_with(wb attr) {
    wb n = wb_node("Custom", "x", "z");
    wb_text(&n, NODE_DOMAIN, "test");
    wb_msg(&n, NODE_ATTRIBUTE, attr);
    return with(GRAPH_NODE, n);
}

static void test_attributes(void **state) {
    (void)state;
    oxp_ctx *ctx = oxp_ctx_new(0);
    wb n = wb_node("Custom", "x", "z"), a = wb_attr("ints", 7);
    wb_int(&a, ATTR_INTS, -1);
    wb_bytes(&a, ATTR_INTS, "\x01\x02", 2);
    wb_msg(&n, NODE_ATTRIBUTE, a);
    a = wb_attr("f", 1);
    wb_float(&a, ATTR_F, 0.5f);
    wb_msg(&n, NODE_ATTRIBUTE, a);
    a = wb_attr("s", 3);
    wb_bytes(&a, ATTR_S, "a\0b", 3);
    wb_msg(&n, NODE_ATTRIBUTE, a);
    a = (wb){0}; /* IR 1 style: the type follows from the value */
    wb_text(&a, ATTR_NAME, "untyped");
    wb_int(&a, ATTR_I, 7);
    wb_msg(&n, NODE_ATTRIBUTE, a);
    a = wb_attr("tensors", 9);
    wb_msg(&a, ATTR_TENSORS, wb_ones("", "1", 1));
    wb_msg(&a, ATTR_TENSORS, wb_ones("", "2", 2));
    wb_msg(&n, NODE_ATTRIBUTE, a);
    wb_text(&n, NODE_DOMAIN, "test");
    oxp_model *m = open_ok(ctx, with(GRAPH_NODE, n));
    const oxp_node *node = oxp_node_at(m, 1);
    size_t count;
    const int64_t *ints = oxp_attr_ints(node, "ints", &count);
    assert_int_equal(count, 3);
    assert_int_equal(ints[0], -1);
    assert_int_equal(ints[2], 2);
    assert_true(oxp_attr_float(node, "f", 0) == 0.5f);
    assert_int_equal(oxp_attr_find(node, "s")->u.s.len, 3);
    assert_int_equal(oxp_attr_int(node, "untyped", 0), 7);
    assert_int_equal(oxp_attr_int(node, "f", 3), 3); /* of another type */
    const oxp_attr *t = oxp_attr_find(node, "tensors");
    assert_int_equal(t->n, 2);
    assert_int_equal(oxp_tensor_at(m, t->u.ids[1])->count, 2);
    assert_string_equal(oxp_diag_at(ctx, 0)->code, "type-missing"); /* "untyped" */
    assert_string_equal(oxp_diag_at(ctx, 1)->code, "opset-missing");
    oxp_close(m);
    oxp_ctx_free(ctx);
}

static void test_bad_attributes(void **state) {
    (void)state;
    wb a = wb_attr("a", 2);
    wb_float(&a, ATTR_F, 1);
    refuse(node_with(a), "another type than it declares");
    refuse(node_with(wb_attr("a", 99)), "attribute type 99");
    refuse(node_with(wb_attr("", 2)), "no name");
    refuse(node_with(wb_attr("t", 4)), "no value");
    refuse(node_with(wb_attr("a", 0)), "neither a type nor one value");
    a = wb_attr("a", 2);
    wb_text(&a, ATTR_REF_ATTR_NAME, "outer");
    refuse(node_with(a), "outside one");
    wb n = wb_node("Neg", "x", "z");
    wb_msg(&n, NODE_ATTRIBUTE, wb_attr("twice", 2));
    wb_msg(&n, NODE_ATTRIBUTE, wb_attr("twice", 2));
    refuse(with(GRAPH_NODE, n), "'twice' is given twice");
    n = wb_node("Neg", "x", "z");
    for (int i = 0; i < 40; i++) {
        char name[8];
        snprintf(name, sizeof name, "a%d", i % 39);
        wb_msg(&n, NODE_ATTRIBUTE, wb_attr(name, 2));
    }
    refuse(with(GRAPH_NODE, n), "'a0' is given twice");
}

/* ---- functions ---- */

static wb function(const char *name, const char *calls, const char *domain) {
    wb f = {0}, n = wb_node(calls, "a", "b"), opset = {0};
    wb_text(&f, FUNCTION_NAME, name);
    wb_text(&f, FUNCTION_INPUT, "a");
    wb_text(&f, FUNCTION_OUTPUT, "b");
    wb_text(&n, NODE_DOMAIN, domain);
    wb_msg(&f, FUNCTION_NODE, n);
    wb_text(&f, FUNCTION_DOMAIN, "local");
    wb_int(&opset, OPSET_VERSION, 13);
    wb_msg(&f, FUNCTION_OPSET_IMPORT, opset);
    return f;
}

static wb call(const char *name) {
    wb n = wb_node(name, "x", "z");
    wb_text(&n, NODE_DOMAIN, "local");
    return with(GRAPH_NODE, n);
}

static void test_functions(void **state) {
    (void)state;
    oxp_ctx *ctx = oxp_ctx_new(0);
    wb b = call("F"), f = function("F", "Relu", ""), a = wb_attr("alpha", 2);
    wb_int(&a, ATTR_I, 4);
    wb_text(&f, FUNCTION_ATTRIBUTE, "beta");
    wb_msg(&f, FUNCTION_ATTRIBUTE_PROTO, a);
    wb_msg(&f, FUNCTION_VALUE_INFO, wb_value("b", "N"));
    wb_msg(&b, MODEL_FUNCTIONS, f);
    f = function("F", "Tanh", "");
    wb_text(&f, FUNCTION_OVERLOAD, "second");
    wb_msg(&b, MODEL_FUNCTIONS, f);
    oxp_model *m = open_ok(ctx, b);
    assert_int_equal(oxp_function_count(m), 2);
    const oxp_function *first = oxp_function_at(m, 0);
    const oxp_graph *body = oxp_graph_at(m, first->graph);
    assert_int_equal(body->kind, OXP_GRAPH_FUNCTION);
    assert_int_equal(first->defaults[0].u.i, 4);
    assert_string_equal(first->attrs[0], "beta");
    assert_string_equal(oxp_function_at(m, 1)->overload, "second");
    assert_int_equal(oxp_opset_of(m, first->graph, ""), 13);
    assert_int_equal(oxp_value_at(m, body->outputs[0])->declared->rank, 1);
    assert_int_equal(oxp_value_at(m, body->inputs[0])->n_uses, 1);
    const oxp_node *node = oxp_node_at(m, oxp_graph_at(m, OXP_MAIN_GRAPH)->last);
    assert_int_equal(node->function, 0);
    assert_null(node->def);
    assert_int_equal(oxp_node_at(m, oxp_graph_at(m, OXP_MAIN_GRAPH)->first)->function, OXP_NONE);
    oxp_arena *arena = oxp_arena_new(ctx);
    assert_string_equal(oxp_node_label(m, body->first, arena), "F/Relu(out: b)");
    oxp_close(m);
    oxp_ctx_free(ctx);
}

static void test_bad_functions(void **state) {
    (void)state;
    wb b = call("F");
    wb_msg(&b, MODEL_FUNCTIONS, function("F", "F", "local"));
    refuse(b, "calls itself");
    b = call("F");
    wb_msg(&b, MODEL_FUNCTIONS, function("F", "G", "local"));
    wb_msg(&b, MODEL_FUNCTIONS, function("G", "F", "local"));
    refuse(b, "calls itself");
    b = call("F");
    wb_msg(&b, MODEL_FUNCTIONS, function("F", "Relu", ""));
    wb_msg(&b, MODEL_FUNCTIONS, function("F", "Tanh", ""));
    refuse(b, "defined twice");
    b = call("F");
    wb f = function("F", "Relu", "");
    wb_msg(&f, FUNCTION_NODE, wb_node("Neg", "x", "c")); /* outer names are not visible */
    wb_msg(&b, MODEL_FUNCTIONS, f);
    refuse(b, "nothing defines: 'x'");
    b = call("F");
    f = function("F", "Relu", "");
    wb_text(&f, FUNCTION_OUTPUT, "missing");
    wb_msg(&b, MODEL_FUNCTIONS, f);
    refuse(b, "'missing' is an output that nothing defines");
}

/* Attribute references are for function bodies, in subgraphs of them too. */
static void test_references(void **state) {
    (void)state;
    oxp_ctx *ctx = oxp_ctx_new(0);
    wb b = call("F"), f = function("F", "Relu", ""), n = wb_node("Custom", "a", "c");
    wb a = wb_attr("a", 2);
    wb_text(&a, ATTR_REF_ATTR_NAME, "alpha");
    wb_msg(&n, NODE_ATTRIBUTE, a);
    wb_text(&n, NODE_DOMAIN, "test");
    wb_msg(&f, FUNCTION_NODE, n);
    wb_text(&f, FUNCTION_ATTRIBUTE, "alpha");
    wb_msg(&b, MODEL_FUNCTIONS, f);
    oxp_model *m = open_ok(ctx, b);
    const oxp_node *node = oxp_node_at(m, oxp_graph_at(m, oxp_function_at(m, 0)->graph)->last);
    assert_string_equal(node->attrs[0].ref, "alpha");
    assert_int_equal(oxp_attr_int(node, "a", 9), 9); /* not known without a call */
    oxp_close(m);
    oxp_ctx_free(ctx);
}

/* ---- files ---- */

static void test_files(void **state) {
    (void)state;
    static const char *const names[] = {"bert_mini_op17", "loop_if", "lstm_tagger", "mnist8",
                                        "resnet_mini"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        oxp_ctx *ctx = oxp_ctx_new(0);
        oxp_model *m;
        char path[128];
        snprintf(path, sizeof path, "fixtures/models/%s/model.onnx", names[i]);
        if (oxp_open(&m, ctx, path) != OXP_OK)
            fail_msg("%s", oxp_error_text(ctx));
        assert_true(oxp_model_has_weights(m));
        assert_true(oxp_node_count(m) > 10);
        oxp_close(m);
        oxp_ctx_free(ctx);
    }
    oxp_ctx *ctx = oxp_ctx_new(0);
    oxp_model *m;
    assert_int_equal(oxp_open(&m, ctx, "fixtures/models"), OXP_E_FORMAT);
    assert_null(m);
    oxp_error_clear(ctx);
    assert_int_equal(oxp_open(&m, ctx, "fixtures/no such file"), OXP_E_FORMAT);
    oxp_ctx_free(ctx);
    refuse((wb){0}, "the file is empty");
    wb b = {0};
    wb_raw(&b, "PK\3\4rest", 8);
    refuse(b, "a ZIP archive");
}

/* Every ceiling below what is needed ends in a clean refusal. */
/* Offsets of records have 56 bits. */
static void test_file_size(void **state) {
    (void)state;
    char path[40];
    int fd = memfd_create("model", MFD_CLOEXEC);
    wb b = wb_model(wb_relu_graph());
    assert_true(fd >= 0 && write(fd, b.p, b.n) == (ssize_t)b.n);
    wb_free(&b);
    if (ftruncate(fd, (off_t)1 << 56) != 0) {
        print_message("no file of 2^56 bytes here\n");
        close(fd);
        skip();
    }
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    oxp_ctx *ctx = oxp_ctx_new(0);
    oxp_model *m;
    assert_int_equal(oxp_open(&m, ctx, path), OXP_E_LIMIT);
    assert_non_null(strstr(oxp_error_text(ctx), "more than 2^56 bytes"));
    oxp_ctx_free(ctx);
    close(fd);
}

static void test_memory_cap(void **state) {
    (void)state;
    size_t cap = 4096;
    oxp_status status;
    do {
        oxp_ctx *ctx = oxp_ctx_new(cap);
        oxp_model *m;
        status = oxp_open(&m, ctx, "fixtures/models/loop_if/model.onnx");
        assert_true(status == OXP_OK || status == OXP_E_LIMIT);
        oxp_close(m);
        oxp_ctx_free(ctx);
        cap += 4096;
    } while (status != OXP_OK && cap < 64u << 20);
    assert_int_equal(status, OXP_OK);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_basics),     cmocka_unit_test(test_subgraphs),
        cmocka_unit_test(test_order),      cmocka_unit_test(test_initializer_inputs),
        cmocka_unit_test(test_names),      cmocka_unit_test(test_versions),
        cmocka_unit_test(test_tensors),    cmocka_unit_test(test_bad_tensors),
        cmocka_unit_test(test_sparse),     cmocka_unit_test(test_hidden_tensors),
        cmocka_unit_test(test_attributes), cmocka_unit_test(test_bad_attributes),
        cmocka_unit_test(test_functions),  cmocka_unit_test(test_bad_functions),
        cmocka_unit_test(test_references), cmocka_unit_test(test_files),
        cmocka_unit_test(test_memory_cap), cmocka_unit_test(test_file_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
