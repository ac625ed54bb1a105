/* Every version of every operator of the schema table, in nodes that are wrong in one way, and in
 * nodes made at random.
 *
 * Wrong: an input too few or too many, a type that the operator does not take, an attribute of
 * another type, a required one missing.  Each must get an error that names the node.
 *
 * At random: ranks, dimensions (numbers and symbols), constants, attributes.  Most such nodes are
 * no valid ONNX; what must hold is that the analysis ends, that an output has a type which the
 * schema allows and no negative size, and that the symbolic shape, evaluated, is the one that
 * inference finds with the sizes bound.  ONNXPERT_SEED makes other ones, ONNXPERT_CASE those of one
 * operator. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/proto.h"
#include "onnxpert/pass.h"
#include "ops/op.h"
#include "ops/schema.h"
#include "support/scratch.h"
#include "support/wire_builder.h"

#define SWEEP_FILE "sweep.onnx"
enum { RANDOM_NODES = 40, SIZES = 4 };
/* Of the symbols S0 ... S3: at least what is cut from an end, which inference takes for granted. */
static const int64_t sizes[SIZES] = {8, 9, 12, 16};
static const oxp_binding bindings[SIZES] = {
    {"S0", 8, -1, NULL}, {"S1", 9, -1, NULL}, {"S2", 12, -1, NULL}, {"S3", 16, -1, NULL}};

/* What is wrong with a node. */
typedef enum fault {
    AS_WANTED,
    FEW_INPUTS,
    MANY_INPUTS,
    MANY_OUTPUTS,
    OMITTED_INPUT,
    WRONG_TYPE,
    WRONG_ATTRIBUTE,
    MISSING_ATTRIBUTE,
    FAULTS
} fault;

typedef struct builder {
    const oxp_schema *s;
    wb graph;
    unsigned node;   /* of the graph */
    unsigned inputs; /* made so far */
} builder;

/* xorshift: the same everywhere */
static uint32_t seed;
static uint32_t draw(uint32_t n) {
    seed ^= seed << 13;
    seed ^= seed >> 17;
    seed ^= seed << 5;
    return seed % n;
}

/* ---- types ---- */
static wb tensor_type(oxp_dtype t, int rank, const int64_t *dims) {
    wb type = {0}, tensor = {0}, shape = {0};
    wb_int(&tensor, 1, t);
    for (int i = 0; i < rank; i++) {
        char name[8];
        wb dim = {0};
        snprintf(name, sizeof name, "S%d", (int)(-1 - dims[i]));
        if (dims[i] >= 0)
            wb_int(&dim, 1, dims[i]);
        else
            wb_text(&dim, 2, name);
        wb_msg(&shape, 1, dim);
    }
    if (rank >= 0)
        wb_msg(&tensor, 2, shape);
    wb_msg(&type, 1, tensor);
    return type;
}

static oxp_dtype pick(uint32_t set, bool first) {
    oxp_dtype found = OXP_UNDEFINED;
    uint32_t n = 0;
    if (first && set & OXP_DTYPE_BIT(OXP_FLOAT))
        return OXP_FLOAT;
    for (int t = 1; t < OXP_DTYPE_COUNT; t++)
        if (set >> t & 1 && (first ? !n++ : draw(++n) == 0))
            found = (oxp_dtype)t;
    return found;
}

/* An inner graph whose output is its input. */
static wb inner_graph(void) {
    wb g = {0};
    wb_text(&g, GRAPH_NAME, "inner");
    wb_msg(&g, GRAPH_NODE, wb_node("Identity", "inner_in", "inner_out"));
    wb in = {0}, out = {0};
    wb_text(&in, VALUE_NAME, "inner_in");
    wb_text(&out, VALUE_NAME, "inner_out");
    wb_msg(&g, GRAPH_INPUT, in);
    wb_msg(&g, GRAPH_OUTPUT, out);
    return g;
}

/* ---- attributes ---- */
static void add_ints(wb *a, bool random) {
    static const int64_t some[] = {0, 1, 2, 3, -1, -2, 4, 7, -7, INT64_MAX};
    uint32_t n = random ? draw(7) : 2;
    int64_t all = random && draw(2) ? some[draw(10)] : 1;
    for (uint32_t i = 0; i < n; i++)
        wb_int(a, ATTR_INTS, random && draw(3) == 0 ? some[draw(10)] : all);
}

static void add_value(wb *a, int type, bool random) {
    static const int64_t ints[] = {0, 1, 2, 3, 4, -1, -3, 7, 10, 11, INT64_MIN};
    static const char *const words[] = {"SAME_UPPER",    "VALID",   "nearest", "linear", "cubic",
                                        "bidirectional", "reverse", "none",    "mean",   "constant",
                                        "DCR",           "i,j->j",  "ij,jk",   "...i",   ""};
    switch (type) {
    case OXP_ATTR_FLOAT:
        wb_float(a, ATTR_F, random ? (float)draw(9) / 2 - 1 : 1);
        break;
    case OXP_ATTR_INT:
        wb_int(a, ATTR_I, random ? ints[draw(11)] : 1);
        break;
    case OXP_ATTR_STRING:
        wb_text(a, ATTR_S, words[random ? draw(15) : 0]);
        break;
    case OXP_ATTR_TENSOR:
        wb_msg(a, ATTR_T, wb_ones("", "1", 1));
        break;
    case OXP_ATTR_GRAPH:
        wb_msg(a, ATTR_G, inner_graph());
        break;
    case OXP_ATTR_FLOATS:
        for (uint32_t i = random ? draw(5) : 2; i; i--)
            wb_float(a, ATTR_FLOATS, random ? (float)draw(9) / 2 : 1);
        break;
    case OXP_ATTR_INTS:
        add_ints(a, random);
        break;
    case OXP_ATTR_STRINGS:
        wb_text(a, ATTR_STRINGS, words[random ? draw(15) : 0]);
        break;
    case OXP_ATTR_TYPE_PROTO: {
        const int64_t d[1] = {2};
        wb_msg(a, ATTR_TP, tensor_type(OXP_FLOAT, 1, d));
        break;
    }
    default:
        break;
    }
}

static void add_attr(wb *node, const char *name, int type, bool random) {
    wb a = wb_attr(name, type);
    add_value(&a, type, random);
    wb_msg(node, NODE_ATTRIBUTE, a);
}

/* Returns whether the fault was possible. */
static bool add_attrs(builder *b, wb *node, fault f) {
    bool done = false;
    for (uint32_t i = 0; i < b->s->n_attr; i++) {
        const oxp_schema_attr *a = &oxp_schema_attrs[b->s->first_attr + i];
        bool sparse = a->type == OXP_ATTR_SPARSE_TENSOR || a->type == OXP_ATTR_SPARSE_TENSORS;
        if (sparse)
            continue;
        if (f == MISSING_ATTRIBUTE && a->required && !done) {
            done = true;
            continue;
        }
        if (f == WRONG_ATTRIBUTE && !done) {
            add_attr(node, a->name, a->type == OXP_ATTR_FLOAT ? OXP_ATTR_INT : OXP_ATTR_FLOAT,
                     false);
            done = true;
        } else if (a->required || (f == AS_WANTED && draw(3) == 0))
            add_attr(node, a->name, a->type, f == AS_WANTED);
    }
    return done;
}

/* ---- inputs ---- */
/* A constant of up to 5 integers, as shapes, axes, pads and sizes are given. */
static void add_constant(builder *b, const char *name, oxp_dtype t) {
    static const int64_t some[] = {0, 1, 2, 3, -1, 4, 8, -2, 1, 100};
    uint32_t n = draw(6), width = oxp_dtype_bits(t) / 8;
    char dims[8];
    wb data = {0};
    snprintf(dims, sizeof dims, "%u", n);
    bool scalar = draw(5) == 0;
    wb tensor = wb_tensor(name, t, scalar ? "" : dims);
    for (uint32_t i = 0; i < (scalar ? 1 : n); i++) {
        int64_t v = some[draw(10)];
        wb_raw(&data, &v, width);
    }
    wb_msg(&tensor, TENSOR_RAW_DATA, data);
    wb_msg(&b->graph, GRAPH_INITIALIZER, tensor);
}

static wb type_of_input(const oxp_schema_types *t, oxp_dtype elem, int rank, const int64_t *dims) {
    wb outer = {0}, inner = {0};
    if (elem || !(t->sequence || t->optional || t->optional_seq))
        return tensor_type(elem, rank, dims);
    elem = pick(t->sequence ? t->sequence : t->optional ? t->optional : t->optional_seq, true);
    wb_msg(&inner, 1, tensor_type(elem, rank, dims));
    wb_msg(&outer, t->sequence ? 4 : 9, inner);
    return outer;
}

/* `wrong`: of a type that is not allowed; returns whether there is one. */
static bool add_input(builder *b, wb *node, uint32_t slot, int rank, const int64_t *dims,
                      bool random, bool wrong) {
    char name[32];
    const oxp_schema_param *p = oxp_schema_input(b->s, slot);
    const oxp_schema_types *types = &oxp_schema_typesets[p->types];
    oxp_dtype elem = pick(types->tensor, !random || draw(2));
    if (wrong) {
        elem = OXP_UNDEFINED;
        for (int t = 1; t <= OXP_BFLOAT16; t++)
            if (!oxp_schema_param_allows(p, (oxp_dtype)t))
                elem = (oxp_dtype)t;
        if (!elem)
            return false;
    }
    snprintf(name, sizeof name, "v%u", b->inputs++);
    wb_text(node, NODE_INPUT, name);
    if (!wrong && random && (elem == OXP_INT64 || elem == OXP_INT32) && draw(4)) {
        add_constant(b, name, elem);
        return true;
    }
    wb value = {0};
    wb_text(&value, VALUE_NAME, name);
    wb_msg(&value, VALUE_TYPE,
           wrong ? tensor_type(elem, rank, dims) : type_of_input(types, elem, rank, dims));
    wb_msg(&b->graph, GRAPH_INPUT, value);
    return true;
}

/* Dimensions that fit each other more often than not. */
static int random_shape(int rank, int64_t *dims) {
    static const int64_t some[] = {1, 2, 3, 4, 6, 8, 16, 0, -1, -2, -3, -4};
    rank = draw(4) ? rank : (int)draw(7) - 1;
    for (int i = 0; i < rank; i++)
        if (draw(4) == 0)
            dims[i] = some[draw(12)];
    return rank;
}

static bool add_inputs(builder *b, wb *node, fault f) {
    static const int64_t even[8] = {2, 2, 2, 2, 2, 2, 2, 2};
    const oxp_schema *s = b->s;
    int64_t dims[8];
    bool random = f == AS_WANTED, done = false;
    uint32_t n = s->min_in, most = s->n_in > s->min_in ? s->n_in : s->min_in;
    int rank = random ? (int)draw(6) : 2, common = (int)draw(4);
    if (random && most > n)
        n += draw(most - n + 1);
    if (f == FEW_INPUTS && n)
        n--, done = true;
    if (f == MANY_INPUTS && s->max_in != OXP_SCHEMA_MANY) {
        for (uint32_t i = 0; i <= s->max_in; i++)
            wb_text(node, NODE_INPUT, "x");
        return true;
    }
    for (uint32_t i = 0; i < n; i++) {
        const oxp_schema_param *p = oxp_schema_input(s, i);
        bool single = p->option == OXP_PARAM_SINGLE;
        for (int k = 0; k < 8; k++)
            dims[k] = common == 0 ? 4 : common == 1 ? 1 + k : -1 - k % SIZES;
        if (!single && random && p->option == OXP_PARAM_OPTIONAL && draw(3) == 0)
            wb_text(node, NODE_INPUT, "");
        else if (f == OMITTED_INPUT && single && !done && i + 1 < n) {
            wb_text(node, NODE_INPUT, "");
            done = true;
        } else if (random)
            add_input(b, node, i, random_shape(rank, dims), dims, true, false);
        else {
            bool wrong = f == WRONG_TYPE && !done && oxp_schema_typesets[p->types].tensor;
            bool was = add_input(b, node, i, 2, even, false, wrong);
            if (wrong && !was)
                add_input(b, node, i, 2, even, false, false);
            done |= wrong && was;
        }
    }
    return done;
}

/* ---- nodes ---- */
static uint32_t outputs_of(const oxp_schema *s) {
    return s->max_out == OXP_SCHEMA_MANY ? s->min_out + 1 : s->max_out;
}

/* False when the operator cannot be wrong in this way. */
static bool add_node(builder *b, fault f) {
    char name[32];
    const oxp_schema *s = b->s;
    wb node = {0};
    bool done = add_inputs(b, &node, f);
    uint32_t n = outputs_of(s);
    if (f == MANY_OUTPUTS && s->max_out != OXP_SCHEMA_MANY && (done = true))
        n++;
    done |= add_attrs(b, &node, f);
    if (f != AS_WANTED && !done) {
        wb_free(&node);
        return false; /* inputs stay, unused */
    }
    for (uint32_t i = 0; i < n; i++) {
        wb out = {0};
        snprintf(name, sizeof name, "o%u_%u", b->node, i);
        wb_text(&node, NODE_OUTPUT, name);
        wb_text(&out, VALUE_NAME, name);
        wb_msg(&b->graph, GRAPH_OUTPUT, out);
    }
    snprintf(name, sizeof name, "node%u", b->node);
    wb_text(&node, NODE_NAME, name);
    wb_text(&node, NODE_OP_TYPE, s->name);
    wb_text(&node, NODE_DOMAIN, s->domain);
    wb_msg(&b->graph, GRAPH_NODE, node);
    b->node++;
    return true;
}

static wb finish(builder *b) {
    wb model = {0}, opset = {0}, x = {0};
    const int64_t dims[2] = {2, 2};
    wb_text(&b->graph, GRAPH_NAME, "g");
    wb_text(&x, VALUE_NAME, "x");
    wb_msg(&x, VALUE_TYPE, tensor_type(OXP_FLOAT, 2, dims));
    wb_msg(&b->graph, GRAPH_INPUT, x);
    for (int i = 0; i < SIZES; i++) { /* so that every symbol is one of the model's */
        wb v = {0};
        char name[8];
        const int64_t d[1] = {-1 - i};
        snprintf(name, sizeof name, "s%d", i);
        wb_text(&v, VALUE_NAME, name);
        wb_msg(&v, VALUE_TYPE, tensor_type(OXP_FLOAT, 1, d));
        wb_msg(&b->graph, GRAPH_INPUT, v);
    }
    wb_int(&model, MODEL_IR_VERSION, 10);
    if (b->s->domain[0])
        wb_text(&opset, OPSET_DOMAIN, b->s->domain);
    wb_int(&opset, OPSET_VERSION, b->s->since);
    wb_msg(&model, MODEL_OPSET_IMPORT, opset);
    if (b->s->domain[0]) {
        wb plain = {0};
        wb_int(&plain, OPSET_VERSION, 21);
        wb_msg(&model, MODEL_OPSET_IMPORT, plain);
    }
    wb_msg(&model, MODEL_GRAPH, b->graph);
    return model;
}

static const oxp_analysis *analyze(builder *b, oxp_ctx *ctx, oxp_model **m) {
    const oxp_analysis *a = NULL;
    oxp_analyze_opts o = OXP_ANALYZE_OPTS_INIT;
    wb bytes = finish(b);
    const char *path = wb_save(&bytes, SWEEP_FILE);
    wb_free(&bytes);
    o.bindings = bindings;
    o.n_bindings = SIZES;
    if (oxp_open(m, ctx, path) != OXP_OK || oxp_analyze(&a, *m, &o, oxp_arena_new(ctx)) != OXP_OK)
        fail_msg("%s %s %d: %s", b->s->domain, b->s->name, b->s->since, oxp_error_text(ctx));
    return a;
}

/* Is there an error of this node? */
static bool has_error(const oxp_ctx *ctx, const char *node) {
    for (size_t i = 0; i < oxp_diag_count(ctx); i++) {
        const oxp_diag *d = oxp_diag_at(ctx, i);
        if (d->severity == OXP_ERROR && strcmp(d->where, node) == 0)
            return true;
    }
    return false;
}

/* ---- nodes that are wrong ---- */
static void wrong_nodes_are_named(void **state) {
    static const char *const what[] = {"",
                                       "an input too few",
                                       "an input too many",
                                       "an output too many",
                                       "an omitted input",
                                       "a wrong type",
                                       "an attribute of a wrong type",
                                       "a missing attribute"};
    int missed = 0, found = 0;
    (void)state;
    for (size_t i = 0; i < oxp_schema_count; i++) {
        builder b = {.s = &oxp_schemas[i]};
        fault faults[FAULTS];
        oxp_model *m;
        oxp_ctx *ctx = oxp_ctx_new(0);
        if (b.s->deprecated) {
            oxp_ctx_free(ctx);
            continue;
        }
        for (int f = AS_WANTED + 1; f < FAULTS; f++)
            if (add_node(&b, (fault)f))
                faults[b.node - 1] = (fault)f;
        unsigned n = b.node;
        analyze(&b, ctx, &m);
        for (unsigned k = 0; k < n; k++) {
            char name[32];
            snprintf(name, sizeof name, "node%u", k);
            if (has_error(ctx, name))
                found++;
            else {
                print_error("%s %s %d: no error for %s\n", b.s->domain, b.s->name, b.s->since,
                            what[faults[k]]);
                missed++;
            }
        }
        oxp_ctx_free(ctx);
    }
    assert_int_equal(missed, 0);
    assert_true(found > 3000);
}

/* ---- nodes made at random ---- */
static int64_t size_of(const void *arg, const char *name) {
    (void)arg;
    return name[0] == 'S' && name[1] >= '0' && name[1] < '0' + SIZES ? sizes[name[1] - '0'] : -1;
}

static const char *check_value(oxp_model *m, const oxp_analysis *a, oxp_id v,
                               const oxp_schema_param *p) {
    const oxp_type *t = &a->values[v].type, *sym = &a->values[v].symbolic;
    if (t->kind != OXP_KIND_TENSOR)
        return NULL;
    if (t->elem && p && !oxp_schema_param_allows(p, t->elem))
        return "an output of a type that the schema does not allow";
    for (int k = 0; k < t->rank; k++)
        if (oxp_dim_is_literal(t->dims[k]) && t->dims[k] < 0)
            return "a negative size";
    if (t->rank < 0 || sym->rank < 0)
        return NULL;
    if (t->rank != sym->rank)
        return "two ranks";
    for (int k = 0; k < t->rank; k++) {
        oxp_dim e = oxp_dim_eval(oxp_model_dims(m), sym->dims[k], size_of, NULL);
        if (!oxp_dim_is_unknown(e) && oxp_dim_is_literal(t->dims[k]) && e != t->dims[k])
            return "a symbolic shape that evaluates to another";
    }
    return NULL;
}

static const char *shapes(oxp_model *m, const oxp_analysis *a, oxp_id v) {
    const oxp_type *t[2] = {&a->values[v].symbolic, &a->values[v].type};
    const char *text = "";
    for (int i = 0; i < 2; i++) {
        text = oxp_sprintf(a->arena, "%s%s %s[", text, i ? " and" : "", oxp_dtype_name(t[i]->elem));
        for (int k = 0; k < t[i]->rank; k++)
            text = oxp_sprintf(a->arena, "%s %s", text,
                               oxp_dim_text(oxp_model_dims(m), t[i]->dims[k], a->arena));
        text = oxp_sprintf(a->arena, "%s ]", text);
    }
    return text;
}

static int check_node(oxp_model *m, const oxp_analysis *a, oxp_ctx *ctx, const oxp_schema *s,
                      oxp_id n) {
    const oxp_node *node = oxp_node_at(m, n);
    int problems = 0;
    if (has_error(ctx, node->name))
        return 0;
    for (uint32_t k = 0; k < node->n_out; k++) {
        const char *what = node->out[k] == OXP_NONE
                               ? NULL
                               : check_value(m, a, node->out[k], oxp_schema_output(s, k));
        if (!what)
            continue;
        print_error("%s %s %d (%s): output %u has %s: %s\n", s->domain, s->name, s->since,
                    node->name, k, what, shapes(m, a, node->out[k]));
        problems++;
    }
    return problems;
}

static void random_nodes_keep_their_word(void **state) {
    int problems = 0;
    const char *only = getenv("ONNXPERT_CASE"), *other = getenv("ONNXPERT_SEED");
    (void)state;
    for (size_t i = 0; i < oxp_schema_count; i++) {
        builder b = {.s = &oxp_schemas[i]};
        oxp_model *m;
        if (only && strcmp(only, b.s->name) != 0)
            continue;
        oxp_ctx *ctx = oxp_ctx_new(0);
        seed = (uint32_t)i * 2654435761u + 12345 + (other ? (uint32_t)atoi(other) : 0);
        for (int k = 0; k < RANDOM_NODES; k++)
            add_node(&b, AS_WANTED);
        const oxp_analysis *a = analyze(&b, ctx, &m);
        const oxp_graph *g = oxp_graph_at(m, OXP_MAIN_GRAPH);
        for (oxp_id n = g->first; n != OXP_NONE; n = oxp_node_at(m, n)->next)
            problems += check_node(m, a, ctx, b.s, n);
        oxp_ctx_free(ctx);
    }
    assert_int_equal(problems, 0);
}

/* ---- through the passes ---- */
static size_t output_count(const oxp_model *m) {
    return oxp_graph_at(m, OXP_MAIN_GRAPH)->n_outputs;
}

/* The pass on the file; what comes out is analysed.  Returns what is wrong. */
static const char *try_pass(const char *pass, size_t errors_before, size_t n_outputs) {
    static char text[512];
    const char *what = NULL;
    oxp_ctx *ctx = oxp_ctx_new(0);
    oxp_model *m;
    const oxp_pass_result *results;
    size_t n;
    const oxp_analysis *a;
    oxp_pass_opts o = OXP_PASS_OPTS_INIT;
    oxp_analyze_opts ao = OXP_ANALYZE_OPTS_INIT;
    o.allow_retraining = true;
    ao.bindings = bindings;
    ao.n_bindings = SIZES;
    if (oxp_open(&m, ctx, scratch_path(SWEEP_FILE)) != OXP_OK)
        what = oxp_error_text(ctx);
    else if (oxp_run_passes(m, &pass, 1, &o, &results, &n) != OXP_OK)
        what = oxp_error_status(ctx) == OXP_E_UNSUPPORTED ? NULL : oxp_error_text(ctx);
    else {
        size_t before = oxp_diag_count(ctx);
        if (oxp_analyze(&a, m, &ao, oxp_arena_new(ctx)) != OXP_OK)
            what = oxp_error_text(ctx);
        else if (output_count(m) != n_outputs)
            what = "another number of outputs";
        else if (errors_before == 0 && strcmp(pass, "emulate-half") != 0)
            /* emulate-half cannot give float32 to operators that know half precision only */
            for (size_t i = before; i < oxp_diag_count(ctx) && !what; i++)
                if (oxp_diag_at(ctx, i)->severity == OXP_ERROR)
                    what = oxp_diag_at(ctx, i)->text;
    }
    if (what)
        snprintf(text, sizeof text, "%s", what);
    oxp_ctx_free(ctx);
    return what ? text : NULL;
}

/* Of each operator's newest version a few random nodes without errors, through every pass. */
static void passes_leave_sound_models(void **state) {
    enum { NODES = 6, TRIES = 8 };
    int problems = 0;
    const char *only = getenv("ONNXPERT_CASE"), *other = getenv("ONNXPERT_SEED");
    (void)state;
    for (size_t i = 0; i < oxp_schema_count; i++) {
        const oxp_schema *s = &oxp_schemas[i];
        if (s->deprecated || (only && strcmp(only, s->name) != 0) ||
            oxp_schema_find(s->domain, s->name, INT64_MAX) != s)
            continue;
        size_t errors = 1, outputs = 0;
        seed = (uint32_t)i * 2654435761u + 54321 + (other ? (uint32_t)atoi(other) : 0);
        for (int t = 0; t < TRIES && errors; t++) {
            builder b = {.s = s};
            oxp_model *m;
            oxp_ctx *ctx = oxp_ctx_new(0);
            for (int k = 0; k < NODES >> (t / 2); k++)
                add_node(&b, AS_WANTED);
            analyze(&b, ctx, &m);
            errors = oxp_diag_errors(ctx);
            outputs = output_count(m);
            oxp_ctx_free(ctx);
        }
        for (size_t k = 0; k < oxp_pass_count(); k++) {
            const char *pass = oxp_pass_at(k)->name, *what = try_pass(pass, errors, outputs);
            if (!what)
                continue;
            print_error("%s %s %d, %s: %s\n", s->domain, s->name, s->since, pass, what);
            problems++;
        }
    }
    assert_int_equal(problems, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(wrong_nodes_are_named),
                                       cmocka_unit_test(random_nodes_keep_their_word),
                                       cmocka_unit_test(passes_leave_sound_models)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
