/* Symbolic dimensions: canonical forms, exact division, text; and on random expressions that
 * evaluating what was simplified gives what direct arithmetic gives. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "onnxpert/dims.h"

typedef struct world {
    oxp_ctx *ctx;
    oxp_arena *arena;
    oxp_dims *p;
} world;

static int setup(void **state) {
    static world w;
    w.ctx = oxp_ctx_new(0);
    w.arena = oxp_arena_new(w.ctx);
    w.p = oxp_dims_new(w.arena);
    *state = &w;
    return 0;
}

static int teardown(void **state) {
    oxp_ctx_free(((world *)*state)->ctx);
    return 0;
}

static void says(world *w, oxp_dim d, const char *text) {
    assert_string_equal(oxp_dim_text(w->p, d, w->arena), text);
    if (strcmp(text, "?") != 0)
        assert_true(oxp_dim_parse(w->p, text) == d); /* what is printed can be read */
}

static void literals_are_exact(void **state) {
    world *w = *state;
    assert_true(oxp_dim_add(w->p, 2, 3) == 5);
    assert_true(oxp_dim_floordiv(w->p, -7, 2) == -4);
    assert_true(oxp_dim_ceildiv(w->p, -7, 2) == -3);
    assert_true(oxp_dim_mod(w->p, -7, 3) == 2);
    assert_true(oxp_dim_mod(w->p, 7, -3) == -2);
    assert_true(oxp_dim_is_unknown(oxp_dim_floordiv(w->p, 1, 0)));
    assert_true(oxp_dim_is_unknown(oxp_dim_mul(w->p, INT64_MAX, 2)));
    assert_true(oxp_dim_is_unknown(oxp_dim_add(w->p, INT64_MAX, 1)));
    assert_true(oxp_dim_literal(INT64_MIN) == OXP_DIM_LITERAL_MIN);
    assert_true(oxp_dim_mul(w->p, OXP_DIM_UNKNOWN, 0) == 0);
}

static void equal_expressions_are_the_same(void **state) {
    world *w = *state;
    oxp_dims *p = w->p;
    oxp_dim n = oxp_dim_symbol(p, "N"), h = oxp_dim_symbol(p, "H");
    assert_true(n == oxp_dim_symbol(p, "N"));
    assert_true(oxp_dim_add(p, n, h) == oxp_dim_add(p, h, n));
    assert_true(oxp_dim_sub(p, oxp_dim_add(p, n, h), h) == n);
    oxp_dim a = oxp_dim_mul(p, oxp_dim_add(p, n, h), oxp_dim_sub(p, n, h));
    oxp_dim b = oxp_dim_sub(p, oxp_dim_mul(p, n, n), oxp_dim_mul(p, h, h));
    assert_true(a == b);
    assert_true(oxp_dim_fresh(p) != oxp_dim_fresh(p));
    /* (H + 2 - 3) / 2 + 1, twice: one division by 4 */
    oxp_dim once = oxp_dim_add(p, oxp_dim_floordiv(p, oxp_dim_sub(p, h, 1), 2), 1);
    oxp_dim twice = oxp_dim_add(p, oxp_dim_floordiv(p, oxp_dim_sub(p, once, 1), 2), 1);
    assert_true(twice == oxp_dim_ceildiv(p, h, 4));
}

static void division_is_exact_where_it_can_be(void **state) {
    world *w = *state;
    oxp_dims *p = w->p;
    oxp_dim n = oxp_dim_symbol(p, "N"), s = oxp_dim_symbol(p, "S"), t = oxp_dim_symbol(p, "T");
    oxp_dim all = oxp_dim_mul(p, oxp_dim_mul(p, n, 12), oxp_dim_mul(p, s, 64));
    assert_true(oxp_dim_floordiv(p, all, oxp_dim_mul(p, n, 768)) == s);
    oxp_dim st = oxp_dim_add(p, s, t);
    assert_true(oxp_dim_floordiv(p, oxp_dim_mul(p, st, 64), st) == 64);
    assert_true(oxp_dim_floordiv(p, oxp_dim_mul(p, st, oxp_dim_mul(p, n, 8)), st) ==
                oxp_dim_mul(p, n, 8));
    says(w, oxp_dim_floordiv(p, oxp_dim_mul(p, s, 6), 4), "S+floor(S/2)");
    assert_true(oxp_dim_mul(p, oxp_dim_floordiv(p, oxp_dim_mul(p, s, 4), 4), 3) ==
                oxp_dim_mul(p, s, 3));
}

static void texts(void **state) {
    world *w = *state;
    oxp_dims *p = w->p;
    oxp_dim seq = oxp_dim_symbol(p, "sequence"), past = oxp_dim_symbol(p, "past");
    oxp_dim batch = oxp_dim_symbol(p, "batch"), h = oxp_dim_symbol(p, "H");
    says(w, 224, "224");
    says(w, oxp_dim_add(p, seq, past), "past+sequence");
    says(w, oxp_dim_mul(p, batch, 197), "batch*197");
    says(w, oxp_dim_floordiv(p, h, 2), "floor(H/2)");
    says(w, oxp_dim_ceildiv(p, h, 2), "ceil(H/2)");
    says(w, oxp_dim_sub(p, h, 2), "H-2");
    says(w, oxp_dim_floordiv(p, batch, oxp_dim_add(p, h, 1)), "floor(batch/(H+1))");
    says(w, oxp_dim_min(p, h, 512), "min(H,512)");
    says(w, oxp_dim_fresh(p), "?");
    assert_true(oxp_dim_parse(p, "floor(H/2 + 1)") == oxp_dim_add(p, oxp_dim_floordiv(p, h, 2), 1));
    assert_true(oxp_dim_parse(p, "floor(floor(H/2 - 1/2)/2) + 1") ==
                oxp_dim_parse(p, "floor((H-1)/4)+1"));
    assert_true(oxp_dim_parse(p, "2*H") == oxp_dim_mul(p, h, 2));
    assert_true(oxp_dim_parse(p, "Max(1, H)") == oxp_dim_max(p, h, 1));
    assert_string_equal(oxp_dim_text(p, oxp_dim_parse(p, "a b+"), w->arena), "a b+");
    assert_string_equal(oxp_dim_text(p, oxp_dim_parse(p, "3d_x("), w->arena), "3d_x(");
}

static void bounds(void **state) {
    world *w = *state;
    oxp_dims *p = w->p;
    oxp_dim s = oxp_dim_symbol(p, "S"), t = oxp_dim_symbol(p, "T");
    assert_true(oxp_dim_lower_bound(p, oxp_dim_add(p, s, 3)) == 3);
    assert_true(oxp_dim_lower_bound(p, oxp_dim_sub(p, s, 3)) == -3);
    assert_true(oxp_dim_lower_bound(p, oxp_dim_sub(p, s, t)) == INT64_MIN);
    assert_true(oxp_dim_lower_bound(p, oxp_dim_sub(p, s, oxp_dim_min(p, s, t))) == 0);
    assert_true(oxp_dim_lower_bound(p, oxp_dim_mod(p, s, 4)) >= 0);
    assert_true(oxp_dim_max(p, oxp_dim_add(p, s, t), t) == oxp_dim_add(p, s, t));
    assert_true(oxp_dim_min(p, oxp_dim_add(p, s, t), t) == t);
    assert_true(oxp_dim_max(p, s, 0) == s);
}

/* ---- random expressions ---- */

static uint64_t seed;
static uint32_t rnd(uint32_t n) {
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(seed >> 33) % n;
}

static const char *const names[] = {"A", "B", "C"};

static int64_t value_of(const void *arg, const char *name) {
    const int64_t *v = arg;
    for (int i = 0; i < 3; i++)
        if (strcmp(names[i], name) == 0)
            return v[i];
    return -1;
}

typedef struct pair {
    oxp_dim symbolic, direct[4];
} pair;

static oxp_dim operate(oxp_dims *p, int op, oxp_dim a, oxp_dim b) {
    switch (op) {
    case 0:
        return oxp_dim_add(p, a, b);
    case 1:
        return oxp_dim_sub(p, a, b);
    case 2:
        return oxp_dim_mul(p, a, b);
    case 3:
        return oxp_dim_min(p, a, b);
    case 4:
        return oxp_dim_max(p, a, b);
    case 5:
        return oxp_dim_floordiv(p, a, b);
    case 6:
        return oxp_dim_ceildiv(p, a, b);
    default:
        return oxp_dim_mod(p, a, b);
    }
}

static void simplifying_keeps_the_value(void **state) {
    world *w = *state;
    static const int64_t at[4][3] = {{1, 2, 3}, {7, 5, 16}, {100, 1, 9}, {12, 30, 77}};
    size_t compared = 0;
    for (uint32_t round = 0; round < 3000; round++) {
        pair pool[14];
        seed = round;
        for (int i = 0; i < 14; i++) {
            pair *x = &pool[i];
            if (i < 6) {
                x->symbolic = i < 3 ? oxp_dim_symbol(w->p, names[i]) : (oxp_dim)rnd(9) - 2;
                for (int k = 0; k < 4; k++)
                    x->direct[k] = i < 3 ? at[k][i] : x->symbolic;
                continue;
            }
            int op = (int)rnd(8);
            const pair *a = &pool[rnd((uint32_t)i)], *b = &pool[rnd((uint32_t)i)];
            if (op >= 5 && rnd(2))
                b = &pool[3 + rnd(3)]; /* often by a literal */
            x->symbolic = operate(w->p, op, a->symbolic, b->symbolic);
            for (int k = 0; k < 4; k++)
                x->direct[k] = operate(w->p, op, a->direct[k], b->direct[k]);
        }
        for (int i = 6; i < 14; i++)
            for (int k = 0; k < 4; k++) {
                oxp_dim e = oxp_dim_eval(w->p, pool[i].symbolic, value_of, at[k]);
                if (oxp_dim_is_unknown(e) || oxp_dim_is_unknown(pool[i].direct[k]))
                    continue; /* a division by 0, or beyond int64 */
                compared++;
                if (e != pool[i].direct[k])
                    fail_msg("round %u: %s at %d is %lld, not %lld", round,
                             oxp_dim_text(w->p, pool[i].symbolic, w->arena), k, (long long)e,
                             (long long)pool[i].direct[k]);
                if (oxp_dim_lower_bound(w->p, pool[i].symbolic) > e)
                    fail_msg("round %u: %s is not as large as %lld", round,
                             oxp_dim_text(w->p, pool[i].symbolic, w->arena),
                             (long long)oxp_dim_lower_bound(w->p, pool[i].symbolic));
            }
    }
    assert_true(compared > 40000);
}

static void growth_is_bounded(void **state) {
    world *w = *state;
    oxp_dim d = oxp_dim_symbol(w->p, "A");
    for (int i = 0; i < 200; i++) {
        char name[16];
        snprintf(name, sizeof name, "s%d", i);
        oxp_dim s = oxp_dim_symbol(w->p, name);
        d = oxp_dim_floordiv(w->p, oxp_dim_mul(w->p, oxp_dim_add(w->p, d, s), s), 3);
    }
    assert_true(oxp_dim_is_unknown(d));
    d = oxp_dim_symbol(w->p, "A");
    for (int i = 0; i < 100; i++)
        d = oxp_dim_add(w->p, oxp_dim_mul(w->p, d, d), 1);
    assert_true(oxp_dim_is_unknown(d));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(literals_are_exact, setup, teardown),
        cmocka_unit_test_setup_teardown(equal_expressions_are_the_same, setup, teardown),
        cmocka_unit_test_setup_teardown(division_is_exact_where_it_can_be, setup, teardown),
        cmocka_unit_test_setup_teardown(texts, setup, teardown),
        cmocka_unit_test_setup_teardown(bounds, setup, teardown),
        cmocka_unit_test_setup_teardown(simplifying_keeps_the_value, setup, teardown),
        cmocka_unit_test_setup_teardown(growth_is_bounded, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
