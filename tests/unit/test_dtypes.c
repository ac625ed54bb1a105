/* Every element type: its values from raw bytes and from the data fields of a TensorProto, packed
 * and one by one, and what is written for values beyond its range. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "model/convert.h"
#include "model/proto.h"
#include "onnxpert/model.h"
#include "support/wire_builder.h"
#include "support/world.h"

enum { MOST = 4 };

/* Elements, and the entries of the data field that hold them (onnx.proto says which). */
static const struct {
    oxp_dtype type;
    unsigned field; /* of TensorProto */
    size_t n_entries;
    int64_t entries[MOST];
    double values[MOST];
} typed[] = {
    {OXP_UINT8, TENSOR_INT32_DATA, 4, {0, 1, 128, 255}, {0, 1, 128, 255}},
    {OXP_INT8, TENSOR_INT32_DATA, 4, {0, -1, 127, -128}, {0, -1, 127, -128}},
    {OXP_UINT16, TENSOR_INT32_DATA, 4, {0, 1, 32768, 65535}, {0, 1, 32768, 65535}},
    {OXP_INT16, TENSOR_INT32_DATA, 4, {0, -1, 32767, -32768}, {0, -1, 32767, -32768}},
    {OXP_INT32, TENSOR_INT32_DATA, 4, {0, -1, INT32_MAX, INT32_MIN}, {0, -1, INT32_MAX, INT32_MIN}},
    {OXP_BOOL, TENSOR_INT32_DATA, 4, {0, 1, 1, 0}, {0, 1, 1, 0}},
    {OXP_FLOAT16, TENSOR_INT32_DATA, 4, {0, 0x3c00, 0xc000, 0x7bff}, {0, 1, -2, 65504}},
    {OXP_BFLOAT16, TENSOR_INT32_DATA, 4, {0, 0x3f80, 0xc000, 0x4180}, {0, 1, -2, 16}},
    {OXP_FLOAT8E4M3FN, TENSOR_INT32_DATA, 4, {0, 0x38, 0xc0, 0x7e}, {0, 1, -2, 448}},
    {OXP_FLOAT8E4M3FNUZ, TENSOR_INT32_DATA, 4, {0, 0x40, 0xc8, 0x7f}, {0, 1, -2, 240}},
    {OXP_FLOAT8E5M2, TENSOR_INT32_DATA, 4, {0, 0x3c, 0xc0, 0x7b}, {0, 1, -2, 57344}},
    {OXP_FLOAT8E5M2FNUZ, TENSOR_INT32_DATA, 4, {0, 0x40, 0xc4, 0x7f}, {0, 1, -2, 57344}},
    {OXP_FLOAT8E8M0, TENSOR_INT32_DATA, 4, {127, 128, 120, 130}, {1, 2, 0x1p-7, 8}},
    {OXP_UINT4, TENSOR_INT32_DATA, 2, {0x10, 0xf8}, {0, 1, 8, 15}},
    {OXP_INT4, TENSOR_INT32_DATA, 2, {0x10, 0xf8}, {0, 1, -8, -1}},
    {OXP_FLOAT4E2M1, TENSOR_INT32_DATA, 2, {0x21, 0xf7}, {0.5, 1, 6, -6}},
    {OXP_UINT2, TENSOR_INT32_DATA, 1, {0xe4}, {0, 1, 2, 3}},
    {OXP_INT2, TENSOR_INT32_DATA, 1, {0xe4}, {0, 1, -2, -1}},
    {OXP_INT64, TENSOR_INT64_DATA, 4, {0, -1, 1 << 20, -7}, {0, -1, 1 << 20, -7}},
    {OXP_UINT32, TENSOR_UINT64_DATA, 4, {0, 1, 7, UINT32_MAX}, {0, 1, 7, UINT32_MAX}},
    {OXP_UINT64, TENSOR_UINT64_DATA, 4, {0, 1, 7, 1 << 20}, {0, 1, 7, 1 << 20}},
};
enum { TYPES = sizeof typed / sizeof *typed };

static bool counts(oxp_dtype t) {
    return oxp_dtype_is_integer(t) || t == OXP_BOOL;
}

/* A model whose initializer w has these entries, in one packed chunk or one by one, with a field in
 * between that is not ours. */
static wb model_with(oxp_dtype t, unsigned field, const int64_t *entries, size_t n, bool packed) {
    wb g = wb_relu_graph(), w = wb_tensor("w", (int)t, "4"), chunk = {0};
    for (size_t i = 0; i < n; i++) {
        if (packed)
            wb_varint(&chunk, (uint64_t)entries[i]);
        else
            wb_int(&w, field, entries[i]);
        if (i == 0 && !packed)
            wb_text(&w, TENSOR_DOC_STRING, "in between");
    }
    if (packed)
        wb_msg(&w, field, chunk);
    wb_msg(&g, GRAPH_INITIALIZER, w);
    return wb_model(g);
}

static oxp_id open_weight(world *w, wb *bytes) {
    if (oxp_open(&w->m, w->ctx, wb_save(bytes, "dtypes.onnx")) != OXP_OK)
        fail_msg("%s", oxp_error_text(w->ctx));
    wb_free(bytes);
    assert_int_equal(oxp_tensor_count(w->m), 1);
    assert_int_equal(oxp_tensor_at(w->m, 0)->storage, OXP_STORE_TYPED);
    return 0;
}

static void check_typed(world *w, size_t k, bool packed) {
    double v[MOST], last;
    int64_t i[MOST];
    wb bytes =
        model_with(typed[k].type, typed[k].field, typed[k].entries, typed[k].n_entries, packed);
    oxp_id t = open_weight(w, &bytes);
    oxp_tensor_doubles(w->m, t, 0, MOST, v);
    for (int e = 0; e < MOST; e++)
        if (v[e] != typed[k].values[e])
            fail_msg("%s: element %d is %g, not %g", oxp_dtype_name(typed[k].type), e, v[e],
                     typed[k].values[e]);
    oxp_tensor_doubles(w->m, t, 3, 1, &last); /* from the middle */
    assert_true(last == typed[k].values[3]);
    if (!counts(typed[k].type))
        return;
    oxp_tensor_ints(w->m, t, 0, MOST, i);
    for (int e = 0; e < MOST; e++)
        assert_true((double)i[e] == typed[k].values[e]);
}

static void data_fields_hold_every_type(void **state) {
    for (size_t k = 0; k < TYPES; k++) {
        check_typed(*state, k, true);
        check_typed(*state, k, false);
    }
}

static void doubles_and_floats_have_fields_of_their_own(void **state) {
    world *w = *state;
    for (int packed = 0; packed < 2; packed++) {
        const double want[MOST] = {0.1, -2, 1e300, 5};
        double v[MOST];
        wb g = wb_relu_graph(), t = wb_tensor("w", OXP_DOUBLE, "4"), chunk = {0};
        for (int i = 0; i < MOST; i++) {
            if (!packed) {
                wb_varint(&t, TENSOR_DOUBLE_DATA << 3 | OXP_WIRE_I64);
                wb_raw(&t, &want[i], 8);
            }
            wb_raw(&chunk, &want[i], 8);
        }
        if (packed)
            wb_bytes(&t, TENSOR_DOUBLE_DATA, chunk.p, chunk.n);
        wb_free(&chunk);
        wb_msg(&g, GRAPH_INITIALIZER, t);
        wb m = wb_model(g);
        oxp_tensor_doubles(w->m, open_weight(w, &m), 0, MOST, v);
        assert_memory_equal(v, want, sizeof v);
    }
}

/* What is read from packed bytes is written back as the same bytes. */
static void bytes_come_back(void **state) {
    (void)state;
    for (size_t k = 0; k < TYPES; k++) {
        uint8_t bytes[MOST * 8] = {0}, again[MOST * 8] = {0};
        double v[MOST];
        size_t n = (size_t)oxp_dtype_bytes(typed[k].type, MOST);
        oxp_encode(typed[k].type, typed[k].values, MOST, false, bytes);
        oxp_decode(typed[k].type, bytes, MOST, v);
        assert_memory_equal(v, typed[k].values, sizeof v);
        oxp_encode(typed[k].type, v, MOST, true, again);
        assert_memory_equal(bytes, again, n);
        if (counts(typed[k].type)) {
            int64_t i[MOST];
            oxp_decode_ints(typed[k].type, bytes, MOST, i);
            for (int e = 0; e < MOST; e++)
                assert_true((double)i[e] == typed[k].values[e]);
        }
    }
}

static void integers_stop_at_their_bounds(void **state) {
    static const struct {
        oxp_dtype type;
        double low, high;
    } bounds[] = {{OXP_UINT8, 0, 255},
                  {OXP_INT8, -128, 127},
                  {OXP_UINT16, 0, 65535},
                  {OXP_INT16, -32768, 32767},
                  {OXP_UINT32, 0, UINT32_MAX},
                  {OXP_INT32, INT32_MIN, INT32_MAX},
                  {OXP_UINT4, 0, 15},
                  {OXP_INT4, -8, 7},
                  {OXP_UINT2, 0, 3},
                  {OXP_INT2, -2, 1},
                  {OXP_UINT64, 0, 0x1p64},
                  {OXP_INT64, -0x1p63, 0x1p63},
                  {OXP_BOOL, 1, 1}};
    (void)state;
    for (size_t k = 0; k < sizeof bounds / sizeof *bounds; k++) {
        uint8_t bytes[16] = {0};
        double v[2] = {-1e30, 1e30}, back[2];
        oxp_encode(bounds[k].type, v, 2, false, bytes);
        oxp_decode(bounds[k].type, bytes, 2, back);
        if (back[0] != bounds[k].low || back[1] != bounds[k].high)
            fail_msg("%s: %g and %g", oxp_dtype_name(bounds[k].type), back[0], back[1]);
    }
    uint64_t most = UINT64_MAX;
    int64_t i;
    oxp_decode_ints(OXP_UINT64, &most, 1, &i);
    assert_true(i == INT64_MAX);
}

static uint8_t scale_of(double v, bool saturate) {
    uint8_t code = 1;
    oxp_encode(OXP_FLOAT8E8M0, &v, 1, saturate, &code);
    return code;
}

/* Powers of two without sign and zero: 2^(code - 127), 255 is NaN. */
static void scales_are_powers_of_two(void **state) {
    (void)state;
    assert_int_equal(scale_of(1, false), 127);
    assert_int_equal(scale_of(1.4, false), 127);
    assert_int_equal(scale_of(1.6, false), 128);
    assert_int_equal(scale_of(1.5, false), 128); /* a tie goes to the even code */
    assert_int_equal(scale_of(3, false), 128);
    assert_int_equal(scale_of(0, false), 0);
    assert_int_equal(scale_of(0x1p-200, false), 0);
    assert_int_equal(scale_of(-1, false), 255);
    assert_int_equal(scale_of(NAN, true), 255);
    assert_int_equal(scale_of(INFINITY, false), 255);
    assert_int_equal(scale_of(INFINITY, true), 254);
    assert_int_equal(scale_of(0x1p200, false), 255);
    assert_int_equal(scale_of(0x1p200, true), 254);
    const uint8_t nan = 255;
    double v;
    oxp_decode(OXP_FLOAT8E8M0, &nan, 1, &v);
    assert_true(isnan(v));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(data_fields_hold_every_type, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(doubles_and_floats_have_fields_of_their_own, world_setup,
                                        world_teardown),
        cmocka_unit_test(bytes_come_back), cmocka_unit_test(integers_stop_at_their_bounds),
        cmocka_unit_test(scales_are_powers_of_two)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
