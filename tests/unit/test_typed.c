/* Typed data of tensors, read from messages of every shape: packed, one by one, in pieces, between
 * other fields, and cut off (the pre-scan has seen the file; it may have changed since). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "model/proto.h"
#include "model/typed.h"
#include "support/scratch.h"
#include "support/wire_builder.h"
#include "support/world.h"

/* A cursor at the beginning of the message; its source is closed by `closed`. */
static oxp_typed opened(world *w, const wb *b, oxp_dtype t) {
    oxp_typed c;
    oxp_source *src = oxp_source_open(w->ctx, wb_save(b, "typed.bin"));
    oxp_typed_open(&c, src, (oxp_span){0, b->n}, t);
    return c;
}

static void closed(oxp_typed *c) {
    oxp_source_close((oxp_source *)c->src);
}

static void assert_bytes(world *w, const wb *b, oxp_dtype t, uint64_t first, uint64_t n,
                         const void *want, size_t size) {
    uint8_t got[256] = {0};
    oxp_typed c = opened(w, b, t);
    assert_true(oxp_typed_read(&c, first, n, got));
    assert_memory_equal(got, want, size);
    closed(&c);
}

static void assert_unreadable(world *w, const wb *b, oxp_dtype t, uint64_t n) {
    uint8_t got[256];
    oxp_typed c = opened(w, b, t);
    assert_false(oxp_typed_read(&c, 0, n, got));
    closed(&c);
}

static void fixed32(wb *b, unsigned field, float v) {
    wb_varint(b, field << 3 | OXP_WIRE_I32);
    wb_raw(b, &v, 4);
}

static void test_floats(void **state) {
    static const float want[] = {1, 2, 3, 4, 5};
    wb b = {0};
    wb_int(&b, TENSOR_DATA_TYPE, 1);
    fixed32(&b, 99, 7);
    wb_bytes(&b, TENSOR_FLOAT_DATA, want, 8);
    wb_bytes(&b, TENSOR_FLOAT_DATA, "", 0);
    fixed32(&b, TENSOR_FLOAT_DATA, 3);
    wb_varint(&b, 98 << 3 | OXP_WIRE_I64);
    wb_raw(&b, "12345678", 8);
    wb_bytes(&b, 97, "other", 5);
    wb_bytes(&b, TENSOR_FLOAT_DATA, want + 3, 8);
    assert_bytes(*state, &b, OXP_FLOAT, 0, 5, want, sizeof want);
    assert_bytes(*state, &b, OXP_FLOAT, 2, 2, want + 2, 8);
    assert_unreadable(*state, &b, OXP_FLOAT, 6);
    oxp_typed c = opened(*state, &b, OXP_FLOAT);
    float got[2];
    for (uint64_t at = 5; at-- > 0;) { /* backwards: each time from the beginning */
        assert_true(oxp_typed_read(&c, at, 1, (uint8_t *)got));
        assert_true(got[0] == want[at]);
    }
    closed(&c);
    wb_free(&b);
}

static void test_doubles_one_by_one(void **state) {
    static const double want[] = {1.5, -2.5};
    wb b = {0};
    for (int i = 0; i < 2; i++) {
        wb_varint(&b, TENSOR_DOUBLE_DATA << 3 | OXP_WIRE_I64);
        wb_raw(&b, &want[i], 8);
    }
    assert_bytes(*state, &b, OXP_DOUBLE, 0, 2, want, sizeof want);
    wb_free(&b);
}

static void test_integers(void **state) {
    static const int64_t wide[] = {-1, 300, 5};
    static const uint32_t narrow[] = {7, 4000000000};
    static const int8_t bytes[] = {-1, 3};
    wb b = {0}, packed = {0}, u = {0}, s = {0};
    wb_varint(&packed, UINT64_MAX);
    wb_varint(&packed, 300);
    wb_bytes(&b, TENSOR_INT64_DATA, packed.p, packed.n);
    wb_int(&b, 99, 1234);
    wb_int(&b, TENSOR_INT64_DATA, 5);
    assert_bytes(*state, &b, OXP_INT64, 0, 3, wide, sizeof wide);
    wb_int(&u, TENSOR_UINT64_DATA, 7);
    wb_int(&u, TENSOR_UINT64_DATA, 4000000000);
    assert_bytes(*state, &u, OXP_UINT32, 0, 2, narrow, sizeof narrow);
    wb_int(&s, TENSOR_INT32_DATA, -1);
    wb_int(&s, TENSOR_INT32_DATA, 3);
    assert_bytes(*state, &s, OXP_INT8, 0, 2, bytes, sizeof bytes);
    assert_unreadable(*state, &s, OXP_INT64, 1); /* another field's */
    wb_free(&b);
    wb_free(&packed);
    wb_free(&u);
    wb_free(&s);
}

static void test_broken(void **state) {
    static const struct {
        const char *bytes;
        size_t n;
        oxp_dtype t;
    } cases[] = {
        {"\x22\x05\x00\x00\x80\x3f", 6, OXP_FLOAT}, /* longer than what is left */
        {"\x22\x02\x00\x00", 4, OXP_FLOAT},         /* half an element */
        {"\x22\xff\xff\xff\xff\xff", 6, OXP_FLOAT}, /* a length that does not end */
        {"\x25\x00\x00", 3, OXP_FLOAT},             /* one element, cut off */
        {"\x9d\x06\x00", 3, OXP_FLOAT},             /* another field, cut off */
        {"\x99\x06\x00", 3, OXP_FLOAT},             /* the same of eight bytes */
        {"\x98\x06\xff", 3, OXP_FLOAT},             /* a number that does not end */
        {"\x3a\x01\xff", 3, OXP_INT64},             /* in a packed run */
        {"\x3b\x00", 2, OXP_INT64},                 /* a group */
        {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 11,
         OXP_INT64}, /* a tag that does not end */
        {"", 0, OXP_INT64},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        wb b = {0};
        wb_raw(&b, cases[i].bytes, cases[i].n);
        assert_unreadable(*state, &b, cases[i].t, 1);
        wb_free(&b);
    }
}

/* The file is shorter than when it was opened. */
static void test_shrunk(void **state) {
    world *w = *state;
    static const float v[] = {1, 2, 3, 4};
    uint8_t got[64];
    oxp_typed c;
    wb b = {0};
    wb_bytes(&b, TENSOR_FLOAT_DATA, v, sizeof v);
    c = opened(w, &b, OXP_FLOAT);
    scratch_file("typed.bin", b.p, 1);
    assert_false(oxp_typed_read(&c, 0, 4, got));
    oxp_typed_open(&c, c.src, (oxp_span){0, b.n}, OXP_INT64);
    assert_false(oxp_typed_read(&c, 0, 1, got));
    closed(&c);
    wb_free(&b);
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, world_setup, world_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(floats), TEST(doubles_one_by_one), TEST(integers), TEST(broken), TEST(shrunk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
