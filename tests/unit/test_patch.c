/* Patches: what is refused, and that a refusal leaves no trace; what applying does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "rewrite/patch_impl.h"
#include "support/scratch.h"
#include "support/wire_builder.h"

typedef struct bench {
    oxp_ctx *ctx;
    oxp_model *m;
    oxp_run run;
    oxp_pass pass;
    oxp_pass_opts opts;
} bench;

/* x -> Relu a -> Relu b -> Relu y, Add(b, w) -> z; outputs y and z; w is an initializer, k a
 * Constant that Mul(a, k) -> q reads. */
static wb graph(void) {
    wb g = {0}, n, value;
    wb_msg(&g, 1, wb_node("Relu", "x", "a"));
    n = wb_node("Constant", "", "k");
    value = wb_attr("value", 4);
    wb_msg(&value, 5, wb_ones("", "3", 3));
    wb_msg(&n, 5, value);
    wb_msg(&g, 1, n);
    wb_msg(&g, 1, wb_node("Relu", "a", "b"));
    wb_msg(&g, 1, wb_node("Relu", "b", "y"));
    wb_msg(&g, 1, wb_node("Add", "b w", "z"));
    wb_msg(&g, 1, wb_node("Mul", "a k", "q"));
    wb_text(&g, 2, "g");
    wb_msg(&g, 5, wb_ones("w", "3", 3));
    wb_msg(&g, 11, wb_value("x", "3"));
    wb_msg(&g, 12, wb_value("y", "3"));
    wb_msg(&g, 12, wb_value("z", "3"));
    wb_msg(&g, 13, wb_value("a", "3"));
    return g;
}

static int set_up(void **state) {
    static bench b;
    wb model = wb_model(graph());
    memset(&b, 0, sizeof b);
    b.ctx = oxp_ctx_new(0);
    if (oxp_open(&b.m, b.ctx, wb_save(&model, "patch.onnx")) != OXP_OK)
        fail_msg("%s", oxp_error_text(b.ctx));
    wb_free(&model);
    b.pass = (oxp_pass){.name = "test"};
    b.opts = (oxp_pass_opts)OXP_PASS_OPTS_INIT;
    b.run = (oxp_run){.model = b.m, .ctx = b.ctx, .pass = &b.pass, .opts = &b.opts};
    b.run.arena = oxp_arena_new(b.ctx);
    b.run.kept = oxp_model_arena(b.m);
    *state = &b;
    return 0;
}

static int tear_down(void **state) {
    oxp_ctx_free(((bench *)*state)->ctx);
    return 0;
}

static oxp_id value(const bench *b, const char *name) {
    for (size_t i = 0; i < b->m->n_values; i++)
        if (b->m->values[i].live && !strcmp(b->m->values[i].name, name))
            return (oxp_id)i;
    fail_msg("no value %s", name);
    return OXP_NONE;
}

static oxp_id maker(const bench *b, const char *name) {
    return b->m->values[value(b, name)].producer;
}

static oxp_type vector(oxp_dtype t, const oxp_dim *n) {
    return (oxp_type){OXP_KIND_TENSOR, t, 1, n, NULL};
}
static const oxp_dim three[] = {3}, four[] = {4};

/* Uses, producers and lists agree with each other. */
static void check_model(const oxp_model *m) {
    for (oxp_id i = 0; i < m->n_nodes; i++) {
        const oxp_node *n = &m->nodes[i];
        for (uint32_t s = 0; s < n->n_in && n->live; s++) {
            bool found = false;
            if (n->in[s] == OXP_NONE)
                continue;
            assert_true(m->values[n->in[s]].live);
            for (oxp_id u = m->values[n->in[s]].first_use; u != OXP_NONE; u = m->uses[u].next)
                found |= m->uses[u].node == i && m->uses[u].slot == s;
            assert_true(found);
        }
        for (uint32_t s = 0; s < n->n_out && n->live; s++) {
            assert_int_equal(m->values[n->out[s]].producer, i);
            assert_int_equal(m->values[n->out[s]].slot, s);
        }
    }
    for (oxp_id v = 0; v < m->n_values; v++) {
        uint32_t n = 0;
        for (oxp_id u = m->values[v].first_use; u != OXP_NONE; u = m->uses[u].next, n++)
            assert_true(m->nodes[m->uses[u].node].live);
        assert_int_equal(n, m->values[v].n_uses);
    }
}

/* The patch is refused for this reason, and the model is what it was. */
static void refused(bench *b, oxp_patch *p, size_t values, const char *reason) {
    const char *why = NULL;
    uint32_t nodes = b->m->graphs[0].n_nodes - (uint32_t)p->n_linked;
    assert_false(oxp_patch_apply(p, &why));
    if (!strstr(why, reason))
        fail_msg("'%s' does not say '%s'", why, reason);
    assert_int_equal(b->m->graphs[0].n_nodes, nodes);
    assert_int_equal(b->m->n_values, values);
    assert_false(b->m->changed);
    assert_null(b->run.open);
    check_model(b->m);
}

static void a_node_is_replaced(void **state) {
    bench *b = *state;
    const char *why;
    oxp_patch *p = oxp_patch_new(&b->run);
    oxp_id in[] = {value(b, "a")}, out[] = {value(b, "b")}, old = maker(b, "b");
    oxp_id fresh = oxp_patch_node(p, 0, old, "LeakyRelu", "ai.onnx", "leaky", in, 1, out, 1);
    oxp_patch_attr_float(p, fresh, "alpha", 0.5f);
    oxp_patch_drop(p, old);
    assert_true(oxp_patch_apply(p, &why));
    assert_int_equal(maker(b, "b"), fresh);
    assert_false(b->m->nodes[old].live);
    assert_string_equal(b->m->nodes[fresh].domain, "");
    assert_true(oxp_attr_float(&b->m->nodes[fresh], "alpha", 0) == 0.5f);
    assert_true(b->m->changed);
    check_model(b->m);
}

static void uses_are_replaced_and_new_nodes_keep_theirs(void **state) {
    bench *b = *state;
    const char *why;
    oxp_type type = vector(OXP_FLOAT, three);
    oxp_patch *p = oxp_patch_new(&b->run);
    oxp_id from = value(b, "b"), to = oxp_patch_value(p, 0, "b", &type);
    oxp_id fresh = oxp_patch_node_after(p, 0, maker(b, "b"), "Abs", "", "", &from, 1, &to, 1);
    oxp_patch_replace_uses(p, from, to);
    assert_true(oxp_patch_apply(p, &why));
    assert_string_equal(b->m->values[to].name, "b_1");
    assert_int_equal(b->m->nodes[fresh].in[0], from);
    assert_int_equal(b->m->values[from].n_uses, 1);
    assert_int_equal(b->m->values[to].n_uses, 2);
    assert_int_equal(b->m->nodes[fresh].prev, maker(b, "b"));
    check_model(b->m);
}

static void dead_initializers_and_constants_go(void **state) {
    bench *b = *state;
    const char *why;
    oxp_id w = value(b, "w"), k = maker(b, "k"), three_ones = 0;
    float ones[] = {2, 2, 2};
    int64_t dims[] = {3};
    oxp_patch *p = oxp_patch_new(&b->run);
    three_ones = oxp_patch_initializer(
        p, 0, oxp_patch_tensor(p, "w", OXP_FLOAT, 1, dims, ones, sizeof ones));
    oxp_patch_input(p, maker(b, "z"), 1, three_ones);
    oxp_patch_input(p, maker(b, "q"), 1, three_ones);
    assert_true(oxp_patch_apply(p, &why));
    assert_false(b->m->values[w].live);
    assert_false(b->m->nodes[k].live);
    assert_true(b->m->values[three_ones].live);
    assert_string_equal(b->m->values[three_ones].name, "w_1");
    assert_int_equal(b->m->graphs[0].n_inits, 2);
    check_model(b->m);
}

static void missing_and_double_producers(void **state) {
    bench *b = *state;
    size_t values = b->m->n_values;
    oxp_patch *p = oxp_patch_new(&b->run);
    oxp_patch_drop(p, maker(b, "b"));
    refused(b, p, values, "input 'b' would have no producer");
    p = oxp_patch_new(&b->run);
    oxp_patch_drop(p, maker(b, "y"));
    refused(b, p, values, "graph output 'y' would have no producer");
    p = oxp_patch_new(&b->run);
    oxp_id in[] = {value(b, "a")}, out[] = {value(b, "b")};
    oxp_patch_node(p, 0, OXP_NONE, "Abs", "", "", in, 1, out, 1);
    refused(b, p, values, "two producers");
    p = oxp_patch_new(&b->run);
    out[0] = value(b, "x");
    oxp_patch_node(p, 0, OXP_NONE, "Abs", "", "", in, 1, out, 1);
    refused(b, p, values, "is a graph input or initializer");
    p = oxp_patch_new(&b->run);
    oxp_patch_input(p, maker(b, "y"), 0, oxp_patch_value(p, 0, "new", NULL));
    refused(b, p, values, "has no producer");
}

static void circles_and_wrong_order(void **state) {
    bench *b = *state;
    size_t values = b->m->n_values;
    oxp_patch *p = oxp_patch_new(&b->run);
    oxp_patch_input(p, maker(b, "a"), 0, value(b, "b"));
    refused(b, p, values, "would be made after it is read");
    p = oxp_patch_new(&b->run);
    oxp_patch_input(p, maker(b, "a"), 0, value(b, "a"));
    refused(b, p, values, "would be made after it is read");
    p = oxp_patch_new(&b->run); /* a new producer at the end of the graph */
    oxp_id in[] = {value(b, "a")}, out[] = {value(b, "b")};
    oxp_patch_drop(p, maker(b, "b"));
    oxp_patch_node(p, 0, OXP_NONE, "Abs", "", "", in, 1, out, 1);
    refused(b, p, values, "would be made after it is read");
}

static void types_are_kept(void **state) {
    bench *b = *state;
    size_t values = b->m->n_values;
    oxp_type half = vector(OXP_FLOAT16, three), longer = vector(OXP_FLOAT, four);
    oxp_id from = value(b, "a"), node = maker(b, "b");
    oxp_patch *p = oxp_patch_new(&b->run);
    oxp_id to = oxp_patch_value(p, 0, "h", &half);
    oxp_patch_node(p, 0, node, "Cast", "", "", &from, 1, &to, 1);
    oxp_patch_replace_uses(p, from, to);
    refused(b, p, values, "'a' is float32, 'h' in its place is float16");
    p = oxp_patch_new(&b->run);
    to = oxp_patch_value(p, 0, "l", &longer);
    oxp_patch_node(p, 0, node, "Pad", "", "", &from, 1, &to, 1);
    oxp_patch_replace_uses(p, from, to);
    refused(b, p, values, "differ in shape");
    p = oxp_patch_new(&b->run);
    oxp_patch_type(p, value(b, "y"), &half);
    refused(b, p, values, "'y' would become float16");
    p = oxp_patch_new(&b->run);
    oxp_patch_type(p, value(b, "x"), &longer);
    refused(b, p, values, "'x' would change its shape");
    b->pass.flags = OXP_PASS_MAY_RETYPE_IO;
    const char *why;
    p = oxp_patch_new(&b->run);
    oxp_patch_type(p, value(b, "y"), &half);
    assert_true(oxp_patch_apply(p, &why));
}

static void recipes_are_checked(void **state) {
    bench *b = *state;
    size_t values = b->m->n_values;
    double scale[] = {1, 2};
    int64_t dims[] = {3}, other[] = {4};
    oxp_id base = b->m->values[value(b, "w")].tensor;
    oxp_recipe r = {base, scale, 2, {1, 0}, {3, 0}, {1, 0}, false, false};
    oxp_patch *p = oxp_patch_new(&b->run);
    oxp_patch_tensor_lazy(p, "t", OXP_FLOAT, 1, dims, &r);
    refused(b, p, values, "scale indices are out of range");
    r.n_scale = 0;
    p = oxp_patch_new(&b->run);
    oxp_patch_tensor_lazy(p, "t", OXP_FLOAT, 1, other, &r);
    refused(b, p, values, "4 elements from a base of 3");
    p = oxp_patch_new(&b->run);
    oxp_patch_tensor_lazy(p, "t", OXP_STRING, 1, dims, &r);
    refused(b, p, values, "string");
}

/* Many nodes at one place: order labels run out of gaps and are made anew. */
static void many_nodes_at_one_place(void **state) {
    bench *b = *state;
    const char *why;
    for (int i = 0; i < 200; i++) {
        oxp_patch *p = oxp_patch_new(&b->run);
        oxp_id from = value(b, "a"), to = oxp_patch_value(p, 0, "copy", NULL);
        oxp_id node = maker(b, "b");
        oxp_id was = b->m->nodes[node].in[0];
        oxp_patch_node(p, 0, node, "Identity", "", "copy", i ? &was : &from, 1, &to, 1);
        oxp_patch_input(p, node, 0, to);
        assert_true(oxp_patch_apply(p, &why));
    }
    assert_int_equal(b->m->graphs[0].n_nodes, 206);
    check_model(b->m);
}

static void clones_do_not_see_patches(void **state) {
    bench *b = *state;
    const char *why;
    oxp_model *c = oxp_model_clone(b->m);
    b->run.model = c;
    oxp_patch *p = oxp_patch_new(&b->run);
    oxp_id in[] = {value(b, "a")}, out[] = {value(b, "b")}, old = maker(b, "b");
    oxp_patch_node(p, 0, old, "Abs", "", "", in, 1, out, 1);
    oxp_patch_drop(p, old);
    assert_true(oxp_patch_apply(p, &why));
    assert_true(b->m->nodes[old].live);
    assert_false(c->nodes[old].live);
    assert_false(b->m->changed);
    check_model(b->m);
    check_model(c);
}

/* What a pass must not do is remembered by the patch, which is then refused: one line for each. */
static const int64_t of_three[] = {3};

static void wrong_dims(bench *b, oxp_patch *p) {
    (void)b;
    oxp_patch_tensor_imagined(p, "t", OXP_FLOAT, 1, (int64_t[]){-1});
}
static void too_many(bench *b, oxp_patch *p) {
    (void)b;
    oxp_patch_tensor_imagined(p, "t", OXP_FLOAT, 3, (int64_t[]){INT64_MAX, INT64_MAX, 2});
}
static void too_many_bytes(bench *b, oxp_patch *p) {
    (void)b;
    oxp_patch_tensor_imagined(p, "t", OXP_DOUBLE, 1, (int64_t[]){INT64_MAX});
}
static void wrong_bytes(bench *b, oxp_patch *p) {
    (void)b;
    oxp_patch_tensor(p, "t", OXP_FLOAT, 1, of_three, "1234", 4);
}
static void numbers_as_words(bench *b, oxp_patch *p) {
    double v[] = {1, 2, 3};
    (void)b;
    oxp_patch_tensor_doubles(p, "t", OXP_STRING, 1, of_three, v, false);
}
static void no_base(bench *b, oxp_patch *p) {
    oxp_patch_tensor_lazy(p, "t", OXP_FLOAT, 1, of_three, &(oxp_recipe){.base = 99});
    (void)b;
}
static void scaled(bench *b, oxp_patch *p, uint64_t div, uint64_t mul) {
    static const double scale[] = {1, 2, 3};
    oxp_recipe r = {
        b->m->values[value(b, "w")].tensor, scale, 3, {div, 0}, {3, 0}, {mul, 0}, false, false};
    oxp_patch_tensor_lazy(p, "t", OXP_FLOAT, 1, of_three, &r);
}
static void scale_by_nothing(bench *b, oxp_patch *p) {
    scaled(b, p, 0, 1);
}
static void scale_out_of_range(bench *b, oxp_patch *p) {
    scaled(b, p, 1, UINT64_MAX);
}
static void initializer_of_nothing(bench *b, oxp_patch *p) {
    (void)b;
    assert_int_equal(oxp_patch_initializer(p, 0, 99), OXP_NONE);
}
static void initializer_of_no_graph(bench *b, oxp_patch *p) {
    oxp_patch_initializer(p, 99, b->m->values[value(b, "w")].tensor);
}
static void node_that_is_not(bench *b, oxp_patch *p) {
    (void)b;
    oxp_patch_attr_int(p, 99, "axis", 1);
}
static void input_of_nothing(bench *b, oxp_patch *p) {
    oxp_patch_input(p, maker(b, "y"), 0, 99);
}
static void input_far_away(bench *b, oxp_patch *p) {
    oxp_patch_input(p, maker(b, "y"), UINT32_MAX, value(b, "a"));
}
static void output_of_nothing(bench *b, oxp_patch *p) {
    oxp_patch_output(p, maker(b, "y"), 0, 99);
}
static void uses_by_themselves(bench *b, oxp_patch *p) {
    oxp_patch_replace_uses(p, value(b, "a"), value(b, "a"));
}
static void uses_by_nothing(bench *b, oxp_patch *p) {
    oxp_patch_replace_uses(p, value(b, "a"), 99);
}
static void attribute_of_no_tensor(bench *b, oxp_patch *p) {
    oxp_patch_attr_tensor(p, maker(b, "k"), "value", 99);
}
static void attribute_that_is_a_graph(bench *b, oxp_patch *p) {
    oxp_patch_attr_copy(p, maker(b, "k"), &(oxp_attr){.name = "body", .type = OXP_ATTR_GRAPH});
}
static void type_of_nothing(bench *b, oxp_patch *p) {
    (void)b;
    oxp_patch_type(p, 99, NULL);
}
static void tensor_for_a_result(bench *b, oxp_patch *p) {
    oxp_patch_set_tensor(p, value(b, "a"), b->m->values[value(b, "w")].tensor);
}
static void tensor_for_nothing(bench *b, oxp_patch *p) {
    oxp_patch_set_tensor(p, value(b, "w"), 99);
}
static void result_forgotten(bench *b, oxp_patch *p) {
    oxp_patch_forget(p, value(b, "a"));
}
static void node_without_graph(bench *b, oxp_patch *p) {
    oxp_id in = value(b, "a");
    oxp_patch_node(p, 99, OXP_NONE, "Abs", "", "", &in, 1, NULL, 0);
}
static void node_beside_one_that_goes(bench *b, oxp_patch *p) {
    oxp_id in = value(b, "a"), out = oxp_patch_value(p, 0, "t", NULL);
    oxp_patch_node_after(p, 0, 98, "Abs", "", "", &in, 1, &out, 1);
}
static void reads_what_is_not(bench *b, oxp_patch *p) {
    oxp_id in = 99, out = oxp_patch_value(p, 0, "t", NULL);
    (void)b;
    oxp_patch_node(p, 0, OXP_NONE, "Abs", "", "", &in, 1, &out, 1);
}
static void makes_what_is_not(bench *b, oxp_patch *p) {
    oxp_id in = value(b, "a"), out = 99;
    oxp_patch_node(p, 0, OXP_NONE, "Abs", "", "", &in, 1, &out, 1);
}
static void makes_one_of_another_graph(bench *b, oxp_patch *p) {
    oxp_id in = value(b, "a"), out = oxp_patch_value(p, 7, "t", NULL);
    oxp_patch_node(p, 0, OXP_NONE, "Abs", "", "", &in, 1, &out, 1);
}
static void output_without_a_type(bench *b, oxp_patch *p) {
    oxp_patch_type(p, value(b, "y"), NULL);
}
static void output_of_another_kind(bench *b, oxp_patch *p) {
    static const oxp_type list = {.kind = OXP_KIND_SEQUENCE};
    oxp_patch_type(p, value(b, "y"), &list);
}
static void uses_by_another_kind(bench *b, oxp_patch *p) {
    static const oxp_type list = {.kind = OXP_KIND_SEQUENCE};
    oxp_id in = value(b, "x"), out = oxp_patch_value(p, 0, "t", &list);
    oxp_patch_node(p, 0, maker(b, "a"), "SequenceConstruct", "", "", &in, 1, &out, 1);
    oxp_patch_replace_uses(p, value(b, "a"), out);
}
static void uses_by_another_rank(bench *b, oxp_patch *p) {
    static const oxp_dim dims[] = {3, 1};
    oxp_type matrix = {OXP_KIND_TENSOR, OXP_FLOAT, 2, dims, NULL};
    oxp_id in = value(b, "x"), out = oxp_patch_value(p, 0, "t", &matrix);
    oxp_patch_node(p, 0, maker(b, "a"), "Unsqueeze", "", "", &in, 1, &out, 1);
    oxp_patch_replace_uses(p, value(b, "a"), out);
}
static void weight_of_another_shape(bench *b, oxp_patch *p) {
    int64_t dims[] = {4};
    oxp_patch_set_tensor(p, value(b, "w"), oxp_patch_tensor_imagined(p, "t", OXP_FLOAT, 1, dims));
}
static void weight_of_another_type(bench *b, oxp_patch *p) {
    oxp_patch_set_tensor(p, value(b, "w"),
                         oxp_patch_tensor_imagined(p, "t", OXP_FLOAT16, 1, of_three));
}

static void wrong_edits_are_refused(void **state) {
    static const struct {
        void (*edit)(bench *b, oxp_patch *p);
        const char *reason;
    } wrong[] = {
        {wrong_dims, "a new tensor has a negative dimension"},
        {too_many, "a new tensor has too many elements"},
        {too_many_bytes, "a new tensor cannot hold float64 elements"},
        {wrong_bytes, "4 bytes given for 12"},
        {numbers_as_words, "string"},
        {no_base, "its base does not exist"},
        {scale_by_nothing, "its scale indices are out of range"},
        {scale_out_of_range, "its scale indices are out of range"},
        {initializer_of_nothing, "a new initializer has no tensor or graph"},
        {initializer_of_no_graph, "a new initializer has no tensor or graph"},
        {node_that_is_not, "a node that does not exist is changed"},
        {input_of_nothing, "an input is set that cannot be"},
        {input_far_away, "an input is set that cannot be"},
        {output_of_nothing, "an output is set that cannot be"},
        {uses_by_themselves, "uses are replaced by themselves or by nothing"},
        {uses_by_nothing, "uses are replaced by themselves or by nothing"},
        {attribute_of_no_tensor, "attribute 'value' is set to no tensor"},
        {attribute_that_is_a_graph, "attribute 'body': subgraphs cannot be copied"},
        {type_of_nothing, "the type of a value that does not exist is set"},
        {tensor_for_a_result, "a tensor is given to a value that is no initializer"},
        {tensor_for_nothing, "a tensor is given to a value that is no initializer"},
        {result_forgotten, "what is forgotten is no initializer"},
        {node_without_graph, "a new node has no graph"},
        {node_beside_one_that_goes, "placed beside a node that is not in its graph"},
        {reads_what_is_not, "input 0 does not exist"},
        {makes_what_is_not, "an output does not exist"},
        {makes_one_of_another_graph, "belongs to another graph"},
        {output_without_a_type, "'y' would lose its type"},
        {output_of_another_kind, "'y' would lose its type"},
        {uses_by_another_kind, "are of different kinds"},
        {uses_by_another_rank, "differ in shape"},
        {weight_of_another_shape, "initializer 'w' would change its shape"},
        {weight_of_another_type, "initializer 'w' would become float16"},
    };
    bench *b = *state;
    size_t values = b->m->n_values;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        oxp_patch *p = oxp_patch_new(&b->run);
        wrong[i].edit(b, p);
        refused(b, p, values, wrong[i].reason);
    }
}

static void open_twice(void *arg) {
    oxp_patch_new(arg);
    oxp_patch_new(arg);
}

static void one_patch_is_open_at_a_time(void **state) {
    bench *b = *state;
    assert_int_equal(oxp_try(b->ctx, open_twice, &b->run), OXP_E_INTERNAL);
    assert_non_null(strstr(oxp_error_text(b->ctx), "a patch is open already"));
}

/* A domain that new nodes need is imported; a version that is there already changes nothing. */
static void opsets_are_imported(void **state) {
    static const char *const domains[] = {"ai.onnx", "com.microsoft", "com.microsoft"};
    static const int64_t versions[] = {17, 1, 2};
    bench *b = *state;
    oxp_save_opts o = OXP_SAVE_OPTS_INIT;
    oxp_saved saved;
    oxp_model *again;
    char path[512];
    snprintf(path, sizeof path, "%s", scratch_path("opsets.onnx"));
    for (size_t i = 0; i < 3; i++) {
        const char *why = NULL;
        oxp_patch *p = oxp_patch_new(&b->run);
        oxp_patch_opset(p, domains[i], versions[i]);
        assert_true(oxp_patch_apply(p, &why));
        assert_int_equal(b->m->n_opsets, i ? 2 : 1);
    }
    assert_int_equal(oxp_save(b->m, path, &o, &saved), OXP_OK);
    assert_int_equal(oxp_open(&again, b->ctx, path), OXP_OK);
    assert_int_equal(oxp_opset_of(again, OXP_MAIN_GRAPH, "com.microsoft"), 2);
    assert_int_equal(oxp_opset_of(again, OXP_MAIN_GRAPH, ""), 17);
}

/* A patch may take back what it has made. */
static void what_is_made_may_go_again(void **state) {
    bench *b = *state;
    const char *why = NULL;
    uint32_t nodes = b->m->graphs[0].n_nodes;
    oxp_patch *p = oxp_patch_new(&b->run);
    oxp_id in = value(b, "a");
    oxp_id fresh = oxp_patch_node(p, 0, OXP_NONE, "Abs", "", "", &in, 1, NULL, 0);
    oxp_patch_drop(p, fresh);
    oxp_patch_drop(p, fresh);
    assert_true(oxp_patch_apply(p, &why));
    assert_int_equal(b->m->graphs[0].n_nodes, nodes);
    assert_int_equal(b->m->values[in].n_uses, 2);
    check_model(b->m);
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_node_is_replaced),
        TEST(uses_are_replaced_and_new_nodes_keep_theirs),
        TEST(dead_initializers_and_constants_go),
        TEST(missing_and_double_producers),
        TEST(circles_and_wrong_order),
        TEST(types_are_kept),
        TEST(recipes_are_checked),
        TEST(many_nodes_at_one_place),
        TEST(clones_do_not_see_patches),
        TEST(wrong_edits_are_refused),
        TEST(one_patch_is_open_at_a_time),
        TEST(opsets_are_imported),
        TEST(what_is_made_may_go_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
