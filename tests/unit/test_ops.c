/* test_ops.c - the operator records as a whole: schemas, intervals, symbolic elements. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ops/eval.h"
#include "ops/schema.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Operators of ONNX Runtime's own that it lists under ai.onnx; no exporter writes them. */
static bool is_internal(const char *name) {
    static const char *const names[] = {
        "Crop", "DynamicSlice", "GRUUnit", "GivenTensorFill", "MemcpyFromHost", "MemcpyToHost"};
    size_t n = strlen(name);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return n > 4 && strcmp(name + n - 4, "_TRT") == 0;
}

static void every_schema_has_a_record(void **state) {
    int missing = 0;
    (void)state;
    for (size_t i = 0; i < oxp_schema_count; i++) {
        const oxp_schema *s = &oxp_schemas[i];
        if (strcmp(s->domain, "com.microsoft") == 0 || is_internal(s->name))
            continue;
        if (!oxp_op_find(s->domain, s->name)) {
            print_error("no record for %s %s\n", s->domain, s->name);
            missing++;
        }
        assert_ptr_equal(oxp_schema_find(s->domain, s->name, s->since), s);
    }
    assert_int_equal(missing, 0);
}

static void records_are_consistent(void **state) {
    (void)state;
    for (size_t i = 0; i < oxp_op_count(); i++) {
        const oxp_op *op = oxp_op_at(i);
        const oxp_schema *s = oxp_schema_find(op->domain, op->name, INT64_MAX);
        assert_non_null(op->infer);
        if (i)
            assert_true(strcmp(op->domain, oxp_op_at(i - 1)->domain) != 0 ||
                        strcmp(op->name, oxp_op_at(i - 1)->name) != 0);
        for (uint32_t k = 0; s && k < 32; k++)
            if (op->weight_slots >> k & 1 && !oxp_schema_input(s, k))
                fail_msg("%s has no input %u that could be a weight", op->name, k);
    }
}

static void versions_are_found(void **state) {
    (void)state;
    assert_null(oxp_schema_find("", "LayerNormalization", 0));
    assert_int_equal(oxp_schema_find("", "Resize", 12)->since, 11);
    assert_int_equal(oxp_schema_find("", "Relu", 13)->since, 13);
    assert_string_equal(oxp_schema_input_type(oxp_schema_find("", "Concat", 13), 7), "T");
    const oxp_schema *gather = oxp_schema_find("", "Gather", 17);
    assert_true(oxp_schema_input_allows(gather, 0, OXP_BFLOAT16));
    assert_false(oxp_schema_input_allows(gather, 1, OXP_FLOAT16));
    assert_true(oxp_schema_type_allows(gather, "Tind", OXP_INT32));
    const oxp_schema_attr *a = oxp_schema_attr_find(oxp_schema_find("", "LeakyRelu", 16), "alpha");
    assert_true(a->has_default && fabsf(a->f - 0.01f) < 1e-9f);
}

/* ---- intervals: a point of the inputs' intervals never leaves that of the output ---- */
typedef double (*one)(double);
typedef double (*two)(double, double);

static double relu(double x) {
    return x > 0 ? x : 0;
}
static double sigmoid(double x) {
    return 1 / (1 + exp(-x));
}
static double negate(double x) {
    return -x;
}
static double invert(double x) {
    return 1 / x;
}
static double silu(double x) {
    return x * sigmoid(x);
}
static double gelu(double x) {
    return x * 0.5 * (1 + erf(x / sqrt(2)));
}
static double softplus(double x) {
    return log1p(exp(x));
}
static double leaky(double x) {
    return x > 0 ? x : 0.01 * x;
}
static double elu(double x) {
    return x > 0 ? x : expm1(x);
}
static double hard_swish(double x) {
    return x * fmin(1, fmax(0, x / 6 + 0.5));
}
static double mish(double x) {
    return x * tanh(softplus(x));
}
static double add(double a, double b) {
    return a + b;
}
static double sub(double a, double b) {
    return a - b;
}
static double mul(double a, double b) {
    return a * b;
}
static double divide(double a, double b) {
    return a / b;
}

static double between(double lo, double hi) {
    return lo + (hi - lo) * ((double)(rand() % 1001) / 1000);
}

static void check_range(const char *name, one f1, two f2) {
    const oxp_op *op = oxp_op_find("", name);
    oxp_node node = {.op = name};
    const oxp_id ids[2] = {0, 1};
    node.in = ids;
    node.n_in = f2 ? 2 : 1;
    const oxp_fact fact = {.type = {OXP_KIND_TENSOR, OXP_FLOAT, -1, NULL, NULL}};
    const oxp_fact *in[2] = {&fact, &fact};
    oxp_fact out = fact;
    oxp_call c = {.node = &node, .opset = 20, .n_in = node.n_in, .n_out = 1, .in = in, .out = &out};
    for (int i = 0; i < 2000; i++) {
        double a = between(-8, 8), b = between(-8, 8);
        oxp_range r[2];
        for (int k = 0; k < 2; k++) {
            double x = between(-8, 8), y = between(-8, 8);
            r[k] = (oxp_range){fmin(x, y), fmax(x, y)};
        }
        oxp_range y = op->range(&c, r, 0);
        a = between(r[0].lo, r[0].hi);
        b = between(r[1].lo, r[1].hi);
        double v = f2 ? f2(a, b) : f1(a);
        if (!isnan(v) && !isinf(v) && (v < y.lo - 1e-9 || v > y.hi + 1e-9))
            fail_msg("%s(%g, %g) = %g is outside [%g, %g]", name, a, b, v, y.lo, y.hi);
    }
}

static void intervals_hold(void **state) {
    static const struct {
        const char *name;
        one f1;
        two f2;
    } cases[] = {{"Relu", relu, NULL},
                 {"Sigmoid", sigmoid, NULL},
                 {"Tanh", tanh, NULL},
                 {"Neg", negate, NULL},
                 {"Abs", fabs, NULL},
                 {"Exp", exp, NULL},
                 {"Log", log, NULL},
                 {"Sqrt", sqrt, NULL},
                 {"Reciprocal", invert, NULL},
                 {"Floor", floor, NULL},
                 {"Ceil", ceil, NULL},
                 {"Erf", erf, NULL},
                 {"Sin", sin, NULL},
                 {"Atan", atan, NULL},
                 {"Gelu", gelu, NULL},
                 {"Softplus", softplus, NULL},
                 {"LeakyRelu", leaky, NULL},
                 {"Elu", elu, NULL},
                 {"HardSwish", hard_swish, NULL},
                 {"Mish", mish, NULL},
                 {"Add", NULL, add},
                 {"Sub", NULL, sub},
                 {"Mul", NULL, mul},
                 {"Div", NULL, divide},
                 {"Max", NULL, fmax},
                 {"Min", NULL, fmin}};
    (void)state;
    (void)silu;
    srand(1);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_range(cases[i].name, cases[i].f1, cases[i].f2);
}

/* ---- elements ---- */
static void shape_arithmetic_stays_exact(void **state) {
    oxp_ctx *ctx = oxp_ctx_new(0);
    oxp_arena *arena = oxp_arena_new(ctx);
    oxp_dims *p = oxp_dims_new(arena);
    oxp_dim h = oxp_dim_symbol(p, "H");
    (void)state;
    /* floor(float(H) * 0.5), as upsampling exports it */
    oxp_elem x = oxp_elem_int(h);
    x.exact = true;
    oxp_elem half = oxp_eval_mul(p, x, oxp_elem_float(0.5, OXP_FLOAT), OXP_FLOAT);
    assert_true(oxp_eval_floor(p, half, OXP_FLOAT).i == oxp_dim_floordiv(p, h, 2));
    assert_true(oxp_eval_ceil(p, half, OXP_FLOAT).i == oxp_dim_ceildiv(p, h, 2));
    oxp_elem back = oxp_eval_mul(p, half, oxp_elem_float(2, OXP_FLOAT), OXP_FLOAT);
    assert_true(back.exact && back.den <= 1 && back.i == h);
    /* float32: 16777216 + 1 rounds back */
    double v;
    oxp_elem big = oxp_eval_add(p, oxp_elem_float(16777216, OXP_FLOAT),
                                oxp_elem_float(1, OXP_FLOAT), OXP_FLOAT);
    assert_true(oxp_elem_number(big, &v) && v == 16777216);
    /* integers divide toward zero and wrap */
    assert_true(oxp_eval_div(p, oxp_elem_int(-7), oxp_elem_int(2), OXP_INT64).i == -3);
    assert_false(oxp_eval_div(p, oxp_elem_int(1), oxp_elem_int(0), OXP_INT64).known);
    assert_true(oxp_eval_mod(p, oxp_elem_int(-7), oxp_elem_int(3), OXP_INT64).i == 2);
    assert_true(oxp_eval_fmod(p, oxp_elem_int(-7), oxp_elem_int(3), OXP_INT64).i == -1);
    assert_true(oxp_eval_add(p, oxp_elem_int(127), oxp_elem_int(1), OXP_INT8).i == -128);
    /* comparisons that hold whatever H is */
    oxp_elem more = oxp_elem_int(oxp_dim_add(p, h, 1));
    assert_true(oxp_eval_less(p, oxp_elem_int(h), more, OXP_INT64).i == 1);
    assert_true(oxp_eval_equal(p, oxp_elem_int(h), more, OXP_INT64).i == 0);
    assert_false(oxp_eval_equal(p, oxp_elem_int(h), oxp_elem_int(3), OXP_INT64).known);
    assert_true(oxp_eval_greater_equal(p, oxp_elem_int(h), oxp_elem_int(0), OXP_INT64).i == 1);
    oxp_ctx_free(ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_schema_has_a_record), cmocka_unit_test(records_are_consistent),
        cmocka_unit_test(versions_are_found), cmocka_unit_test(intervals_hold),
        cmocka_unit_test(shape_arithmetic_stays_exact)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
