/* Verification without a runtime: inputs by role, comparison, verdicts, what happens to a child,
 * decisions left out of a rewrite, and the emulation of half precision. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <math.h>

#include "onnxpert/pass.h"
#include "support/world.h"
#include "verify/child.h"
#include "verify/compare.h"
#include "verify/inputs.h"
#include "verify/roles.h"

static const oxp_analysis *analyze(world *w, const char *path, const oxp_binding *b, size_t n) {
    oxp_model *m;
    const oxp_analysis *a;
    oxp_analyze_opts how = OXP_ANALYZE_OPTS_INIT;
    how.bindings = b;
    how.n_bindings = n;
    assert_int_equal(oxp_open(&m, w->ctx, path), OXP_OK);
    assert_int_equal(oxp_analyze(&a, m, &how, w->arena), OXP_OK);
    return a;
}

/* ---- inputs ---- */

static oxp_array *input_named(oxp_array *all, size_t n, const char *part) {
    for (size_t i = 0; i < n; i++)
        if (strstr(all[i].name, part))
            return &all[i];
    return NULL;
}

static void test_roles(void **state) {
    static const oxp_binding sizes[] = {{"batch", 3, -1, NULL}, {"seq", 16, -1, NULL}};
    world *w = *state;
    const oxp_analysis *a = analyze(w, "fixtures/models/bert_mini_op17/model.onnx", sizes, 2);
    for (unsigned set = 0; set < 3; set++) {
        size_t n;
        oxp_array *all = oxp_inputs_random(a, 1, set, &n, w->arena);
        oxp_array *ids = input_named(all, n, "ids"), *mask = input_named(all, n, "mask");
        double most = 0, ones = 0;
        assert_non_null(ids);
        assert_non_null(mask);
        for (uint64_t i = 0; i < ids->count; i++) {
            assert_true(oxp_element(ids, i) >= 0);
            most = fmax(most, oxp_element(ids, i));
        }
        assert_true(most > 4 && most < 1000); /* within the embedding's rows, which are used */
        for (uint64_t i = 0; i < mask->count; i++) {
            assert_true(oxp_element(mask, i) == 0 || oxp_element(mask, i) == 1);
            ones += oxp_element(mask, i);
        }
        assert_int_equal(ones == (double)mask->count, set == 0); /* padding in all but the first */
        assert_true(ones >= 3);                                  /* no row without a token */
    }
}

static void test_images_and_seeds(void **state) {
    world *w = *state;
    const oxp_analysis *a = analyze(w, "fixtures/models/resnet_mini/model.onnx", NULL, 0);
    size_t n;
    oxp_array *x = oxp_inputs_random(a, 7, 0, &n, w->arena);
    oxp_array *again = oxp_inputs_random(a, 7, 0, &n, w->arena);
    oxp_array *other = oxp_inputs_random(a, 8, 0, &n, w->arena);
    assert_int_equal(n, 1);
    assert_int_equal(x->bytes, 4 * 3 * 64 * 64);
    for (uint64_t i = 0; i < x->count; i++)
        assert_true(oxp_element(x, i) >= 0 && oxp_element(x, i) < 1);
    assert_memory_equal(x->data, again->data, x->bytes);
    assert_memory_not_equal(x->data, other->data, x->bytes);
}

static void read_missing(void *arg) {
    size_t n;
    (void)oxp_input_folders(arg, "fixtures/rules", &n);
}

static void test_given(void **state) {
    world *w = *state;
    size_t n, n_in;
    const oxp_analysis *a = analyze(w, "fixtures/verify/plain.onnx", NULL, 0);
    const char *const *sets = oxp_input_folders(w->arena, "fixtures/verify/inputs", &n);
    assert_int_equal(n, 2);
    assert_string_equal(sets[1], "fixtures/verify/inputs/set_1");
    oxp_array *in = oxp_inputs_read(a, sets[0], &n_in, w->arena);
    assert_int_equal(in[0].dims[0], 2); /* a free axis takes what is given */
    assert_int_equal(oxp_try(w->ctx, read_missing, w->arena), OXP_E_UNSUPPORTED);
}

/* ---- comparison and verdicts ---- */

static void test_compare(void **state) {
    static const int64_t dims[] = {1, 3}, other[] = {3, 1};
    world *w = *state;
    float a[] = {1, 2, 4}, b[] = {1, 2, 3}, bad[] = {1, NAN, 4};
    oxp_array x = {"x", OXP_FLOAT, 2, dims, 3, a, sizeof a}, y = x, z = x, t = x;
    y.data = b;
    z.data = bad;
    t.dims = other;
    oxp_output_check c = {.cosine = 1};
    oxp_compare_arrays(&x, &y, &c, w->arena);
    assert_null(c.problem);
    assert_true(c.compared && c.argmax_checked && c.argmax_agrees);
    assert_true(c.max_abs == 1 && fabs(c.relative - 1 / 4.001) < 1e-12 && c.largest == 4);
    oxp_compare_arrays(&x, &z, &c, w->arena);
    assert_non_null(strstr(c.problem, "NaN"));
    c = (oxp_output_check){.cosine = 1};
    oxp_compare_arrays(&x, &t, &c, w->arena);
    assert_string_equal(c.problem, "shape [1,3] became [3,1]");
}

/* NaN and infinity have to be at the same places, with the same sign. */
static void test_special_values(void **state) {
    static const int64_t dims[] = {3};
    static const struct {
        float before[3], after[3];
        const char *problem;
    } cases[] = {{{NAN, 1, INFINITY}, {NAN, 1, INFINITY}, NULL},
                 {{NAN, NAN, NAN}, {NAN, NAN, NAN}, NULL},
                 {{NAN, 1, 2}, {0, 1, 2}, "a number where there was NaN"},
                 {{0, 1, 2}, {NAN, 1, 2}, "NaN where there was none"},
                 {{INFINITY, 1, 2}, {-INFINITY, 1, 2}, "infinity of the other sign"},
                 {{INFINITY, 1, 2}, {NAN, 1, 2}, "NaN where there was none"},
                 {{INFINITY, 1, 2}, {65504, 1, 2}, "a finite number where there was infinity"},
                 {{1, 1, 2}, {INFINITY, 1, 2}, "infinity where there was none"}};
    world *w = *state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        float a[3], b[3];
        memcpy(a, cases[i].before, sizeof a);
        memcpy(b, cases[i].after, sizeof b);
        oxp_array x = {"x", OXP_FLOAT, 1, dims, 3, a, sizeof a}, y = x;
        oxp_output_check c = {.cosine = 1};
        y.data = b;
        oxp_compare_arrays(&x, &y, &c, w->arena);
        if (cases[i].problem)
            assert_string_equal(c.problem, cases[i].problem);
        else
            assert_null(c.problem);
        assert_int_equal(c.n_elements, 3);
        assert_int_equal(c.n_nan, (unsigned)isnan(a[0]) + (isnan(a[1]) != 0) + (isnan(a[2]) != 0));
    }
}

static void test_verdict(void **state) {
    (void)state;
    oxp_timing t = {
        .runs = 20, .before = 1e-3, .after = 0.9e-3, .ratio_low = .88, .ratio_high = .93};
    assert_int_equal(oxp_timing_verdict(&t), OXP_FASTER);
    t.ratio_high = 1.01; /* the interval holds 1 */
    assert_int_equal(oxp_timing_verdict(&t), OXP_NO_DIFFERENCE);
    t = (oxp_timing){
        .runs = 20, .before = 1e-3, .after = .99e-3, .ratio_low = .985, .ratio_high = .995};
    assert_int_equal(oxp_timing_verdict(&t), OXP_NO_DIFFERENCE); /* below the floor */
    t = (oxp_timing){
        .runs = 20, .before = 3e-6, .after = 2.5e-6, .ratio_low = .8, .ratio_high = .9};
    assert_int_equal(oxp_timing_verdict(&t), OXP_NO_DIFFERENCE); /* half a microsecond */
    t = (oxp_timing){.runs = 4, .before = 1e-3, .after = 2e-3, .ratio_low = 1.9, .ratio_high = 2.1};
    assert_int_equal(oxp_timing_verdict(&t), OXP_NO_DIFFERENCE); /* four runs */
    t.runs = 8;
    assert_int_equal(oxp_timing_verdict(&t), OXP_SLOWER);
}

/* ---- children ---- */

typedef struct errand {
    world *w;
    oxp_child_note *note;
    const char *what;
} errand;

static void run_errand(void *arg) {
    errand *e = arg;
    oxp_child_stage(e->note, 2, "doing %s", e->what);
    if (!strcmp(e->what, "crash"))
        _exit(11);
    if (!strcmp(e->what, "raise"))
        oxp_raise(e->w->ctx, OXP_E_UNSUPPORTED, "no such thing");
    if (!strcmp(e->what, "sleep"))
        sleep(60);
}

static void test_child(void **state) {
    world *w = *state;
    static const struct {
        const char *what;
        oxp_limits limits;
        oxp_child_end end;
        const char *story;
    } cases[] = {{"nothing", {10, 0}, OXP_CHILD_DONE, ""},
                 {"raise", {10, 0}, OXP_CHILD_RAISED, "no such thing"},
                 {"crash", {10, 0}, OXP_CHILD_CRASHED, "crashed while doing crash"},
                 {"sleep", {0.2, 0}, OXP_CHILD_TIME, "took longer than 0.2 s while doing sleep"},
                 {"sleep", {10, 1}, OXP_CHILD_MEMORY, "needed more than 0 MiB while"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        oxp_shared *s = oxp_shared_new(w->arena, sizeof(oxp_child_note));
        errand e = {w, s->at, cases[i].what};
        oxp_child_end end = oxp_child_run(w->ctx, run_errand, &e, e.note, &cases[i].limits);
        assert_int_equal(end, cases[i].end);
        assert_non_null(
            strstr(oxp_child_story(w->arena, end, e.note, &cases[i].limits), cases[i].story));
        oxp_shared_free(w->arena, s);
    }
}

/* ---- decisions ---- */

static const oxp_pass_result *run_pass(world *w, const char *path, const char *pass,
                                       const oxp_pass_opts *how, oxp_model **m) {
    const oxp_pass_result *r;
    size_t n;
    assert_int_equal(oxp_open(m, w->ctx, path), OXP_OK);
    assert_int_equal(oxp_run_passes(*m, &pass, 1, how, &r, &n), OXP_OK);
    return r;
}

static bool refused(const oxp_pass_result *r, const char *node, const char *why) {
    for (size_t i = 0; i < r->n_skipped; i++)
        if (!strcmp(r->skipped[i].node, node) && strstr(r->skipped[i].reason, why))
            return true;
    return false;
}

/* A pass with many patches, and one that converts the whole model in one. */
static void test_exclusion(void **state) {
    static const char *const cases[][2] = {{"fixtures/models/resnet_mini/model.onnx", "fold-bn"},
                                           {"fixtures/verify/grow.onnx", "fp16"}};
    world *w = *state;
    for (int i = 0; i < 2; i++) {
        oxp_model *m;
        oxp_pass_opts how = OXP_PASS_OPTS_INIT;
        how.keep_decisions = true;
        const oxp_pass_result *all = run_pass(w, cases[i][0], cases[i][1], &how, &m);
        assert_int_equal(all->n_decisions, all->changed);
        assert_true(all->n_decisions > 2);
        const char *node = all->decisions[1].node;
        oxp_exclusion out = {cases[i][1], node, "it fails"};
        how.excluded = &out;
        how.n_excluded = 1;
        const oxp_pass_result *rest = run_pass(w, cases[i][0], cases[i][1], &how, &m);
        assert_int_equal(rest->changed, all->changed - 1);
        assert_true(refused(rest, node, "it fails"));
        out.pass = "another-pass";
        rest = run_pass(w, cases[i][0], cases[i][1], &how, &m);
        assert_int_equal(rest->changed, all->changed);
    }
}

/* ---- emulation ---- */

static void test_emulation(void **state) {
    world *w = *state;
    oxp_model *m;
    oxp_pass_opts how = OXP_PASS_OPTS_INIT;
    size_t casts = 0;
    const oxp_pass_result *r =
        run_pass(w, "fixtures/verify/grow_fp16.onnx", "emulate-half", &how, &m);
    const oxp_graph *g = oxp_graph_at(m, OXP_MAIN_GRAPH);
    assert_true(r->changed >= 4); /* each node's output and the Cast at the input */
    for (oxp_id n = g->first; n != OXP_NONE; n = oxp_node_at(m, n)->next) {
        const oxp_node *x = oxp_node_at(m, n);
        casts += oxp_node_is(x, "Cast");
        for (uint32_t k = 0; oxp_node_is(x, "MatMul") && k < x->n_in; k++) {
            const oxp_value *v = oxp_value_at(m, x->in[k]);
            if (v->tensor != OXP_NONE)
                assert_int_equal(oxp_tensor_at(m, v->tensor)->dtype, OXP_FLOAT);
        }
    }
    assert_true(casts >= 2 * r->changed);
    assert_int_equal(oxp_value_at(m, g->inputs[0])->declared->elem, OXP_FLOAT);
    assert_int_equal(oxp_value_at(m, g->outputs[0])->declared->elem, OXP_FLOAT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_roles, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_images_and_seeds, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_given, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_compare, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_special_values, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_verdict, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_child, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_exclusion, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_emulation, world_setup, world_teardown)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
