/* Healing a rewrite: which decisions are left out, why, and after how many attempts.  There is no
 * runtime: the linker puts `__wrap_oxp_verify` in the place of the check (--wrap, CMakeLists.txt),
 * and it fails where a node that a test names has gone from the draft. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "support/model_text.h"
#include "support/scratch.h"
#include "support/world.h"
#include "verify/heal.h"

enum { MANY = 150, NAMED = 12 };

/* What the check says of a draft. */
static struct {
    const char *needed[NAMED]; /* without any of these it fails */
    bool one_is_enough;        /* ... it fails only without all of them */
    bool always;               /* it fails whatever there is */
    bool names;                /* and it names the first that are gone as damage */
    const char *problem;       /* of the whole, else of an output */
    const char *of_output;
    bool optimized, silent;     /* fails under the runtime's optimization; says nothing */
    oxp_status raises;          /* in place of failing */
    unsigned raises_from;       /* from this call on (0: the first) */
    double seconds;             /* that each check takes */
    unsigned calls, full_calls; /* numbers_only was not asked for */
} script;
static double later; /* seconds that the clock is ahead */

int __real_clock_gettime(clockid_t clock, struct timespec *t);
int __wrap_clock_gettime(clockid_t clock, struct timespec *t);
const oxp_verification *__wrap_oxp_verify(oxp_arena *arena, const oxp_model *before,
                                          const oxp_model *after, const oxp_verify_opts *opts);

int __wrap_clock_gettime(clockid_t clock, struct timespec *t) {
    int r = __real_clock_gettime(clock, t);
    t->tv_sec += (time_t)later;
    return r;
}

static bool holds(const oxp_model *m, const char *name) {
    for (oxp_id i = 0; i < oxp_node_count(m); i++)
        if (oxp_node_at(m, i)->live && !strcmp(oxp_node_at(m, i)->name, name))
            return true;
    return false;
}

static bool passes(const oxp_model *draft) {
    size_t wanted = 0, there = 0;
    for (; script.needed[wanted]; wanted++)
        there += holds(draft, script.needed[wanted]);
    return !script.always && (there == wanted || (script.one_is_enough && there > 0));
}

static void name_damage(oxp_arena *arena, const oxp_model *draft, oxp_check *c) {
    oxp_damage *d = OXP_NEWS(arena, NAMED, oxp_damage);
    for (size_t i = 0; script.needed[i]; i++)
        if (!holds(draft, script.needed[i]))
            d[c->n_damage++] = (oxp_damage){script.needed[i], "t", "it is off", 1};
    c->damage = d;
}

const oxp_verification *__wrap_oxp_verify(oxp_arena *arena, const oxp_model *before,
                                          const oxp_model *after, const oxp_verify_opts *opts) {
    oxp_verification *v = OXP_NEW(arena, oxp_verification);
    oxp_output_check *out = OXP_NEWS(arena, 2, oxp_output_check);
    (void)before;
    later += script.seconds;
    script.full_calls += !opts->numbers_only;
    v->ok = passes(after);
    if (script.calls++ >= script.raises_from && script.raises && !v->ok)
        oxp_raise(oxp_arena_ctx(arena), script.raises, "the check cannot be made");
    out[0] = (oxp_output_check){.name = "first", .ok = true};
    out[1] = (oxp_output_check){
        .name = "y", .ok = v->ok, .problem = v->ok ? NULL : script.of_output, .relative = 0.25};
    oxp_check *c = script.optimized ? &v->optimized : &v->plain;
    *c = (oxp_check){.done = true, .ok = v->ok, .outputs = out, .n_outputs = script.silent ? 1 : 2};
    c->problem = v->ok ? NULL : script.problem;
    if (script.names && !v->ok)
        name_damage(arena, after, c);
    return v;
}

/* x -> Relu -> Identity "i0" -> Relu -> Identity "i1" ... -> Relu -> y: eliminate-no-ops takes each
 * Identity in a decision of its own. */
static void open_chain(world *w, int n) {
    const char *text = "(float[4] x) => (y) { a0 = Relu (x)";
    for (int i = 0; i < n; i++)
        text = oxp_sprintf(w->arena, "%s [i%d] b%d = Identity (a%d) a%d = Relu (b%d)", text, i, i,
                           i, i + 1, i);
    text = oxp_sprintf(w->arena, "%s y = Neg (a%d) }", text, n);
    wb bytes = mt_model(text, 21);
    assert_int_equal(oxp_open(&w->m, w->ctx, wb_save(&bytes, "chain.onnx")), OXP_OK);
    wb_free(&bytes);
}

typedef struct call {
    world *w;
    const char *pass, *draft;
    oxp_healed got;
} call;

static void heal(void *arg) {
    static const oxp_verify_opts verify = {.seed = 1};
    call *c = arg;
    oxp_pass_opts how = OXP_PASS_OPTS_INIT;
    oxp_heal_opts opts = {&c->pass, 1, &how, &verify, c->draft};
    c->got = oxp_heal(c->w->arena, c->w->m, &opts);
}

static oxp_status try_heal(world *w, const char *pass, const char *draft, oxp_healed *got) {
    call c = {w, pass, draft, {.model = NULL}};
    oxp_status s = oxp_try(w->ctx, heal, &c);
    *got = c.got;
    return s;
}

static oxp_healed healed(world *w, int n) {
    oxp_healed got;
    later = 0;
    open_chain(w, n);
    if (try_heal(w, "eliminate-no-ops", scratch_path("draft.onnx"), &got) != OXP_OK)
        fail_msg("%s", oxp_error_text(w->ctx));
    FILE *left = fopen(scratch_path("draft.onnx"), "rb");
    assert_null(left); /* attempts are removed */
    return got;
}

static void assert_left_out(const oxp_healed *h, const char *const *nodes) {
    size_t n = 0;
    for (; nodes[n]; n++) {
        assert_true(n < h->n_left_out);
        assert_string_equal(h->left_out[n].node, nodes[n]);
        assert_string_equal(h->left_out[n].pass, "eliminate-no-ops");
        assert_true(holds(h->model, nodes[n]));
    }
    assert_int_equal(h->n_left_out, n);
}

#define LEFT_OUT(h, ...) assert_left_out(h, (const char *const[]){__VA_ARGS__, NULL})

static void reset(void) {
    memset(&script, 0, sizeof script);
}

static void test_nothing_to_heal(void **state) {
    reset();
    oxp_healed h = healed(*state, 4);
    assert_true(h.verified->ok);
    assert_int_equal(h.n_left_out, 0);
    assert_int_equal(h.attempts, 1);
    assert_int_equal(script.full_calls, 1);
}

static void test_named(void **state) {
    reset();
    script.needed[0] = "i2";
    script.names = true;
    oxp_healed h = healed(*state, 5);
    assert_true(h.verified->ok);
    LEFT_OUT(&h, "i2");
    assert_string_equal(h.left_out[0].why, "left out: tensor 't' behind it: it is off");
    assert_int_equal(h.attempts, 3); /* all of it, without it, and once more in full */
    assert_int_equal(script.full_calls, 2);
    assert_false(holds(h.model, "i1"));
}

/* Both are named, but one of them suffices: the first comes back. */
static void test_innocent_again(void **state) {
    reset();
    script.needed[0] = "i1";
    script.needed[1] = "i3";
    script.names = script.one_is_enough = true;
    oxp_healed h = healed(*state, 5);
    assert_true(h.verified->ok);
    LEFT_OUT(&h, "i3");
}

/* More than a handful are not taken back one by one. */
static void test_many_guilty(void **state) {
    static const char *const all[] = {"i0", "i1", "i2", "i3", "i4", "i5", "i6", "i7", "i8", NULL};
    reset();
    memcpy(script.needed, all, sizeof all);
    script.names = script.one_is_enough = true;
    oxp_healed h = healed(*state, 9);
    assert_true(h.verified->ok);
    assert_left_out(&h, all);
    assert_int_equal(h.attempts, 3);
}

static const char *by_halves(void **state) {
    script.needed[0] = "i5";
    oxp_healed h = healed(*state, 8);
    assert_true(h.verified->ok);
    LEFT_OUT(&h, "i5");
    return h.left_out[0].why;
}

static void test_halves_off(void **state) {
    reset();
    assert_string_equal(by_halves(state), "left out: with it output 'y' is off by 0.25");
}

static void test_halves_problem_of_output(void **state) {
    reset();
    script.of_output = "NaN";
    script.optimized = true;
    assert_string_equal(by_halves(state), "left out: with it output 'y' has NaN under the "
                                          "runtime's own optimization");
}

static void test_halves_problem(void **state) {
    reset();
    script.problem = "it does not load";
    assert_string_equal(by_halves(state), "left out: with it it does not load");
}

static void test_halves_silent(void **state) {
    reset();
    script.silent = true;
    assert_string_equal(by_halves(state), "left out: it fails the check");
}

static void test_halves_impossible(void **state) {
    reset();
    script.raises = OXP_E_UNSUPPORTED;
    script.raises_from = 1;
    assert_string_equal(by_halves(state),
                        "left out: without the rest of the rewrite it cannot be done");
}

/* Two that fail only together: the later one goes. */
static void test_halves_of_a_pair(void **state) {
    reset();
    script.needed[0] = "i1";
    script.needed[1] = "i6";
    script.one_is_enough = true;
    oxp_healed h = healed(*state, 8);
    LEFT_OUT(&h, "i6");
}

static void test_halves_of_two(void **state) {
    reset();
    script.needed[0] = "i1";
    script.needed[1] = "i6";
    oxp_healed h = healed(*state, 8);
    LEFT_OUT(&h, "i1", "i6");
}

static void test_hopeless(void **state) {
    reset();
    script.always = true;
    oxp_healed h = healed(*state, 4);
    assert_false(h.verified->ok);
    assert_int_equal(h.n_left_out, 0);
    assert_int_equal(h.attempts, 2); /* all of it, nothing of it */
}

static void test_attempts_run_out(void **state) {
    reset();
    script.needed[0] = "i149";
    for (size_t i = 1; i < NAMED - 1; i++)
        script.needed[i] = oxp_sprintf(((world *)*state)->arena, "i%zu", i * 13);
    oxp_healed h = healed(*state, MANY);
    assert_true(h.verified->ok);
    assert_in_range(h.attempts, 60, 125);
    assert_true(h.n_left_out >= NAMED - 1);
    for (size_t i = 0; script.needed[i]; i++)
        assert_true(holds(h.model, script.needed[i]));
}

static void test_time_runs_out(void **state) {
    reset();
    script.needed[0] = "i5";
    script.seconds = 250;
    oxp_healed h = healed(*state, 8);
    assert_true(h.verified->ok);
    assert_true(h.n_left_out > 1);
    assert_string_equal(h.left_out[h.n_left_out - 1].why,
                        "left out: not tested any more, the search took too long");
}

static void test_time_runs_out_at_once(void **state) {
    reset();
    script.needed[0] = "i1";
    script.names = true;
    script.seconds = 700;
    oxp_healed h = healed(*state, 3);
    assert_true(h.verified->ok);
    assert_int_equal(h.attempts, 3);
    LEFT_OUT(&h, "i1");
}

static oxp_status failing(world *w, const char *pass, const char *draft) {
    oxp_healed h;
    open_chain(w, 3);
    return try_heal(w, pass, draft, &h);
}

static void test_raised(void **state) {
    reset();
    script.always = true;
    script.raises = OXP_E_UNSUPPORTED; /* the first attempt: there is nothing to compare with */
    assert_int_equal(failing(*state, "eliminate-no-ops", scratch_path("d.onnx")),
                     OXP_E_UNSUPPORTED);
}

static void test_raised_later(void **state) {
    reset();
    script.always = true;
    script.raises = OXP_E_RUNTIME;
    script.raises_from = 1;
    assert_int_equal(failing(*state, "eliminate-no-ops", scratch_path("d.onnx")), OXP_E_RUNTIME);
}

static void test_passes_that_fail(void **state) {
    reset();
    assert_int_not_equal(failing(*state, "no-such-pass", scratch_path("d.onnx")), OXP_OK);
    assert_int_equal(failing(*state, "eliminate-no-ops", "/nonexistent/d.onnx"), OXP_E_IO);
    assert_int_equal(script.calls, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, world_setup, world_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(nothing_to_heal),  TEST(named),         TEST(innocent_again),
        TEST(many_guilty),      TEST(halves_off),    TEST(halves_problem_of_output),
        TEST(halves_problem),   TEST(halves_silent), TEST(halves_impossible),
        TEST(halves_of_a_pair), TEST(halves_of_two), TEST(hopeless),
        TEST(attempts_run_out), TEST(time_runs_out), TEST(time_runs_out_at_once),
        TEST(raised),           TEST(raised_later),  TEST(passes_that_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
