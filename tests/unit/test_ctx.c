/* test_ctx.c - contexts: raising, deferring, ceilings, diagnostics. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "onnxpert/status.h"

typedef struct world {
    oxp_ctx *ctx;
    int undone;
    size_t size;
} world;

static void undo(void *arg) {
    ((world *)arg)->undone++;
}

static void fails(void *arg) {
    world *w = arg;
    oxp_defer(w->ctx, undo, w);
    size_t kept = oxp_defer(w->ctx, undo, w);
    oxp_undefer(w->ctx, kept, false);
    oxp_raise(w->ctx, OXP_E_FORMAT, "file.onnx: node %d is bad", 7);
}

static void fails_inside(void *arg) {
    world *w = arg;
    oxp_status s = oxp_try(w->ctx, fails, w);
    assert_int_equal(s, OXP_E_FORMAT);
    assert_int_equal(w->undone, 1); /* the inner frame's only */
    oxp_defer(w->ctx, undo, w);
    oxp_reraise(w->ctx, s);
}

static void test_raise(void **state) {
    (void)state;
    world w = {oxp_ctx_new(0), 0, 0};
    assert_int_equal(oxp_try(w.ctx, fails, &w), OXP_E_FORMAT);
    assert_string_equal(oxp_error_text(w.ctx), "file.onnx: node 7 is bad");
    assert_int_equal(w.undone, 1);
    w.undone = 0;
    assert_int_equal(oxp_try(w.ctx, fails_inside, &w), OXP_E_FORMAT);
    assert_string_equal(oxp_error_text(w.ctx), "file.onnx: node 7 is bad");
    assert_int_equal(w.undone, 2);
    oxp_error_clear(w.ctx);
    assert_string_equal(oxp_error_text(w.ctx), "");
    oxp_ctx_free(w.ctx);
}

static void allocate(void *arg) {
    world *w = arg;
    memset(oxp_alloc(oxp_arena_new(w->ctx), w->size, 1), 1, w->size);
}

static void multiply(void *arg) {
    oxp_alloc(oxp_arena_new(((world *)arg)->ctx), SIZE_MAX / 2, 4);
}

static void test_ceiling(void **state) {
    (void)state;
    world w = {oxp_ctx_new(1 << 20), 0, 1000};
    assert_int_equal(oxp_try(w.ctx, allocate, &w), OXP_OK);
    w.size = 1 << 20;
    assert_int_equal(oxp_try(w.ctx, allocate, &w), OXP_E_LIMIT);
    assert_non_null(strstr(oxp_error_text(w.ctx), "1 MiB"));
    assert_int_equal(oxp_try(w.ctx, multiply, &w), OXP_E_LIMIT);
    oxp_ctx_set_cap(w.ctx, 4 << 20);
    assert_int_equal(oxp_try(w.ctx, allocate, &w), OXP_OK);
    oxp_ctx_free(w.ctx);
}

static void test_arena_rewind(void **state) {
    (void)state;
    oxp_ctx *ctx = oxp_ctx_new(0);
    oxp_arena *a = oxp_arena_new(ctx);
    char *kept = oxp_strdup(a, "kept");
    oxp_mark mark = oxp_arena_mark(a);
    for (int i = 0; i < 1000; i++) {
        char *p = oxp_alloc(a, 1000, 1);
        for (int k = 0; k < 1000; k++)
            assert_int_equal(p[k], 0); /* zeroed, also when reused */
        memset(p, 'x', 1000);
        if (i % 100 == 99)
            oxp_arena_rewind(a, mark);
    }
    assert_string_equal(kept, "kept");
    assert_true(oxp_arena_bytes(a) < 1 << 20);
    oxp_ctx_free(ctx);
}

/* Blocks go from one arena to the next: what they held is not seen there, and they do not count
 * against the ceiling while nobody has them. */
static void test_blocks_again(void **state) {
    (void)state;
    enum { BYTES = 200000 };
    static const unsigned char zeros[BYTES];
    oxp_ctx *ctx = oxp_ctx_new(3 * BYTES);
    for (int i = 0; i < 8; i++) {
        oxp_arena *a = oxp_arena_new(ctx);
        size_t n = (size_t)BYTES - (size_t)i * 5000;
        unsigned char *p = oxp_try_alloc(a, n, 1);
        assert_non_null(p);
        assert_memory_equal(p, zeros, n);
        memset(p, 0xff, n);
        oxp_arena_free(a);
    }
    oxp_arena *a = oxp_arena_new(ctx);
    assert_non_null(oxp_try_alloc(a, 5 * (size_t)BYTES / 2, 1));
    oxp_ctx_free(ctx);
}

static void test_diagnostics(void **state) {
    (void)state;
    oxp_ctx *ctx = oxp_ctx_new(0);
    for (int i = 0; i < 1500; i++)
        oxp_diagnose(ctx, i % 2 ? OXP_ERROR : OXP_NOTE, "code", "node", "number %d", i);
    assert_int_equal(oxp_diag_count(ctx), 1000);
    assert_int_equal(oxp_diag_errors(ctx), 750);
    assert_string_equal(oxp_diag_at(ctx, 3)->text, "number 3");
    oxp_diag_truncate(ctx, 10);
    assert_int_equal(oxp_diag_count(ctx), 10);
    assert_null(oxp_diag_at(ctx, 10));
    oxp_ctx_free(ctx);
}

static void test_exit_codes(void **state) {
    (void)state;
    assert_int_equal(oxp_exit_code(OXP_OK), 0);
    assert_int_equal(oxp_exit_code(OXP_E_USAGE), 2);
    assert_int_equal(oxp_exit_code(OXP_E_FORMAT), 3);
    assert_int_equal(oxp_exit_code(OXP_E_VERIFY), 4);
    assert_int_equal(oxp_exit_code(OXP_E_IO), 5);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_raise),        cmocka_unit_test(test_ceiling),
        cmocka_unit_test(test_arena_rewind), cmocka_unit_test(test_blocks_again),
        cmocka_unit_test(test_diagnostics),  cmocka_unit_test(test_exit_codes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
