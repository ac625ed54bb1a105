/* What inputs mean, what files of them are refused, and elements of every type. */
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

#include "support/scratch.h"
#include "support/world.h"
#include "verify/compare.h"
#include "verify/inputs.h"
#include "verify/roles.h"

/* ---- roles ---- */

static const struct {
    const char *input;
    oxp_role_kind kind;
    int64_t high;
} wanted[] = {{"chw", OXP_ROLE_UNIT, 0},
              {"hwc", OXP_ROLE_UNIT, 0},
              {"small", OXP_ROLE_NORMAL, 0},
              {"many_channels", OXP_ROLE_NORMAL, 0},
              {"probabilities", OXP_ROLE_UNIT, 0},
              {"float_mask", OXP_ROLE_MASK, 0},
              {"int_mask", OXP_ROLE_MASK, 0},
              {"padding_mask", OXP_ROLE_PADDING, 0},
              {"flag", OXP_ROLE_BOOLEAN, 0},
              {"position_rows", OXP_ROLE_POSITIONS, 7},
              {"position_free", OXP_ROLE_POSITIONS, INT32_MAX},
              {"token_type_ids", OXP_ROLE_INTEGER, 1},
              {"segment", OXP_ROLE_INTEGER, 2},
              {"last_axis", OXP_ROLE_INTEGER, 5},
              {"plain_int", OXP_ROLE_INTEGER, 4},
              {"seq_len", OXP_ROLE_LENGTH, 65}, /* many_channels has 64 on its second axis */
              {"ids", OXP_ROLE_INTEGER, 5},     /* the smaller of two tables */
              {"if_ids", OXP_ROLE_INTEGER, 11},
              {"loop_ids", OXP_ROLE_INTEGER, 13},
              {"call_ids", OXP_ROLE_INTEGER, 17}};

static void open_roles(world *w) {
    oxp_analyze_opts how = OXP_ANALYZE_OPTS_INIT;
    assert_int_equal(oxp_open(&w->m, w->ctx, "fixtures/verify/roles.onnx"), OXP_OK);
    assert_int_equal(oxp_analyze(&w->a, w->m, &how, w->arena), OXP_OK);
}

static void test_roles_of_inputs(void **state) {
    world *w = *state;
    open_roles(w);
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        oxp_id v = OXP_NONE;
        for (oxp_id k = 0; k < oxp_value_count(w->m); k++)
            if (!strcmp(oxp_value_at(w->m, k)->name, wanted[i].input))
                v = k;
        oxp_role r = oxp_role_of(w->a, v, w->arena);
        if (r.kind != wanted[i].kind || (wanted[i].high && r.high != wanted[i].high))
            fail_msg("%s: role %d below %lld", wanted[i].input, r.kind, (long long)r.high);
    }
}

/* The numbers keep to the roles. */
static void test_numbers_by_role(void **state) {
    world *w = *state;
    open_roles(w);
    size_t n;
    oxp_array *all = oxp_inputs_random(w->a, 3, 1, &n, w->arena);
    for (size_t i = 0; i < n; i++)
        for (uint64_t k = 0; k < all[i].count; k++) {
            double x = oxp_element(&all[i], k);
            if (!strcmp(all[i].name, "position_rows"))
                assert_true(x == (double)k);
            else if (!strcmp(all[i].name, "seq_len"))
                assert_true(x >= 1 && x <= 64);
            else if (!strcmp(all[i].name, "flag") || !strcmp(all[i].name, "int_mask"))
                assert_true(x == 0 || x == 1);
            else if (!strcmp(all[i].name, "token_type_ids"))
                assert_true(x == 0);
            else if (!strcmp(all[i].name, "padding_mask") && k % 5) /* padding is at the end */
                assert_true(x >= oxp_element(&all[i], k - 1));
        }
}

/* ---- files ---- */

typedef struct reading {
    world *w;
    const char *path;
    oxp_array got;
    bool pb;
} reading;

static void read_it(void *arg) {
    reading *r = arg;
    r->got = r->pb ? oxp_read_pb(r->w->arena, r->path) : oxp_read_npy(r->w->arena, r->path);
}

/* A .npy file of format `major` with this header and n bytes of data, 1, 2, 3, ... */
static oxp_status read_npy(reading *r, int major, const char *header, size_t n) {
    unsigned char file[512] = "\x93NUMPY";
    size_t len = strlen(header), at = major == 1 ? 10 : 12;
    r->pb = false;
    file[6] = (unsigned char)major;
    file[8] = (unsigned char)len;
    memcpy(file + at, header, len);
    for (size_t i = 0; i < n; i++)
        file[at + len + i] = (unsigned char)(i + 1);
    r->path = scratch_file("x.npy", file, at + len + n);
    return oxp_try(r->w->ctx, read_it, r);
}

static void test_npy(void **state) {
    static const struct {
        const char *descr;
        oxp_dtype type;
    } types[] = {{"<f4", OXP_FLOAT},  {"<f8", OXP_DOUBLE}, {"<f2", OXP_FLOAT16}, {"<i8", OXP_INT64},
                 {"<i4", OXP_INT32},  {"<i2", OXP_INT16},  {"|i1", OXP_INT8},    {"|u1", OXP_UINT8},
                 {"<u2", OXP_UINT16}, {"<u4", OXP_UINT32}, {"<u8", OXP_UINT64},  {"|b1", OXP_BOOL}};
    reading r = {.w = *state};
    char header[128];
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        size_t n = (size_t)oxp_dtype_bytes(types[i].type, 6);
        snprintf(header, sizeof header,
                 "{'descr': '%s', 'fortran_order': False, 'shape': (2, 3), }\n", types[i].descr);
        for (int major = 1; major <= 3; major++) {
            assert_int_equal(read_npy(&r, major, header, n), OXP_OK);
            assert_int_equal(r.got.dtype, types[i].type);
            assert_true(r.got.rank == 2 && r.got.dims[0] == 2 && r.got.dims[1] == 3);
            assert_true(r.got.count == 6 && r.got.bytes == n &&
                        ((char *)r.got.data)[n - 1] == (char)n);
        }
        assert_int_equal(read_npy(&r, 1, header, n - 1), OXP_E_FORMAT);
    }
    assert_int_equal(read_npy(&r, 1, "{'descr': '|u1', 'shape': (), }", 1), OXP_OK);
    assert_true(r.got.rank == 0 && r.got.count == 1);
}

static void test_npy_refused(void **state) {
    static const struct {
        int major;
        const char *header;
        oxp_status status;
        const char *text;
    } bad[] = {
        {0, "{'descr': '|u1', 'shape': (1,), }", OXP_E_FORMAT, "is no .npy file"},
        {4, "{'descr': '|u1', 'shape': (1,), }", OXP_E_FORMAT, "is no .npy file"},
        {1, "{'descr': '>f4', 'shape': (1,), }", OXP_E_UNSUPPORTED, "little-endian"},
        {1, "{'descr': '|u1', }", OXP_E_UNSUPPORTED, "little-endian"},
        {1, "{'descr': '|u1', 'shape': 1, }", OXP_E_UNSUPPORTED, "little-endian"},
        {1, "{'descr': '|u1', 'fortran_order': True, 'shape': (1,), }", OXP_E_UNSUPPORTED,
         "C order"},
        {1, "{'descr': '|u1', 'shape': (one,), }", OXP_E_FORMAT, "bad shape"},
        {1, "{'descr': '|u1', 'shape': (-1,), }", OXP_E_FORMAT, "bad shape"},
        {1, "{'descr': '|u1', 'shape': (4294967296, 4294967297), }", OXP_E_FORMAT, "bad shape"},
        {1, "{'descr': '|u1', 'shape': (7,), }", OXP_E_FORMAT,
         "has 1 bytes of data, its shape says 7"},
    };
    reading r = {.w = *state};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(read_npy(&r, bad[i].major, bad[i].header, 1), bad[i].status);
        if (!strstr(oxp_error_text(r.w->ctx), bad[i].text))
            fail_msg("%s: %s", bad[i].header, oxp_error_text(r.w->ctx));
    }
    r.path = scratch_file("short.npy", "\x93NUMPY\1\0\377\377{}", 12); /* a header of 65535 bytes */
    assert_int_equal(oxp_try(r.w->ctx, read_it, &r), OXP_E_FORMAT);
    assert_non_null(strstr(oxp_error_text(r.w->ctx), "the header is cut off"));
    r.path = scratch_file("tiny.npy", "\x93NUMPY\1\0", 8);
    assert_int_equal(oxp_try(r.w->ctx, read_it, &r), OXP_E_FORMAT);
    r.path = scratch_file("huge.npy", "\x93NUMPY\1\0", 8); /* sparse: nothing is read of it */
    assert_int_equal(truncate(r.path, (off_t)OXP_INPUT_BYTES_MAX + 1), 0);
    assert_int_equal(oxp_try(r.w->ctx, read_it, &r), OXP_E_LIMIT);
    assert_non_null(strstr(oxp_error_text(r.w->ctx), "larger than 1024 MiB"));
}

static oxp_status read_pb(reading *r, const char *bytes, size_t n) {
    r->pb = true;
    r->path = scratch_file("x.pb", bytes, n);
    return oxp_try(r->w->ctx, read_it, r);
}
#define PB(r, bytes) read_pb(r, bytes, sizeof bytes - 1)

/* Fields of a TensorProto: 1 dims, 2 data_type, 4 float_data, 5 int32_data, 7 int64_data, 9
 * raw_data, 10 double_data, 11 uint64_data; the types are FLOAT 1, UINT8 2, INT64 7, STRING 8,
 * FLOAT16 10, DOUBLE 11, UINT32 12, UINT64 13. */
static void test_pb(void **state) {
    reading r = {.w = *state};
    assert_int_equal(PB(&r, "\x08\x02\x10\x02\x4a\x02\x05\x07"), OXP_OK);
    assert_true(r.got.dtype == OXP_UINT8 && r.got.count == 2 && oxp_element(&r.got, 1) == 7);
    assert_int_equal(PB(&r, "\x08\x01\x10\x01\x22\x04\0\0\x80\x3f"), OXP_OK);
    assert_true(oxp_element(&r.got, 0) == 1);
    assert_int_equal(PB(&r, "\x08\x01\x10\x0b\x52\x08\0\0\0\0\0\0\xf0\x3f"), OXP_OK);
    assert_true(oxp_element(&r.got, 0) == 1);
    assert_int_equal(PB(&r, "\x08\x02\x10\x07\x3a\x02\x05\x07"), OXP_OK);
    assert_true(oxp_element(&r.got, 0) == 5 && oxp_element(&r.got, 1) == 7);
    assert_int_equal(PB(&r, "\x08\x01\x10\x0d\x5a\x01\x09"), OXP_OK);
    assert_true(r.got.dtype == OXP_UINT64 && oxp_element(&r.got, 0) == 9);
    assert_int_equal(PB(&r, "\x08\x01\x10\x0c\x5a\x01\x09"), OXP_OK);
    assert_true(r.got.dtype == OXP_UINT32 && r.got.bytes == 4 && oxp_element(&r.got, 0) == 9);
    assert_int_equal(PB(&r, "\x08\x01\x10\x0a\x2a\x02\x80\x78"), OXP_OK); /* the bits 0x3c00 */
    assert_true(r.got.dtype == OXP_FLOAT16 && oxp_element(&r.got, 0) == 1);
    assert_int_equal(PB(&r, "\x10\x02\x2a\x01\x03"), OXP_OK); /* a scalar */
    assert_true(r.got.rank == 0 && oxp_element(&r.got, 0) == 3);
}

static void test_pb_refused(void **state) {
    reading r = {.w = *state};
    assert_int_equal(PB(&r, "\x08\x02\x10\x02\x4a\x7f\x05\x07"), OXP_E_FORMAT);
    assert_non_null(strstr(oxp_error_text(r.w->ctx), "is no TensorProto"));
    assert_int_equal(PB(&r, "\x08\x03\x10\x02\x4a\x02\x05\x07"), OXP_E_FORMAT);
    assert_non_null(strstr(oxp_error_text(r.w->ctx), "holds 2 bytes of data, its shape says 3"));
    assert_int_equal(PB(&r, "\x08\x02\x10\x01\x22\x04\0\0\x80\x3f"), OXP_E_FORMAT);
    assert_non_null(strstr(oxp_error_text(r.w->ctx), "holds 1 elements of data, its shape says 2"));
    assert_int_equal(PB(&r, "\x08\x01\x10\x08\x32\x01x"), OXP_E_UNSUPPORTED);
    assert_int_equal(PB(&r, "\x08\x01\x10\x63"), OXP_E_UNSUPPORTED); /* type 99 */
    assert_int_equal(PB(&r, "\x08\x01\x10\x00"), OXP_E_UNSUPPORTED);
    assert_int_equal(PB(&r, "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x10\x02"),
                     OXP_E_UNSUPPORTED);
    assert_int_equal(PB(&r, "\x08\x80\x80\x80\x80\x80\x01\x08\x80\x80\x80\x80\x80\x01\x10\x02"),
                     OXP_E_UNSUPPORTED); /* 2^35 x 2^35 */
}

/* ---- elements ---- */

static void test_elements(void **state) {
    static const oxp_dtype signed_[] = {OXP_INT8, OXP_INT16, OXP_INT32, OXP_INT64};
    static const oxp_dtype unsigned_[] = {OXP_UINT8, OXP_UINT16, OXP_UINT32, OXP_UINT64, OXP_BOOL};
    static const oxp_dtype floats[] = {OXP_FLOAT, OXP_DOUBLE, OXP_FLOAT16, OXP_BFLOAT16};
    static const int64_t dims[] = {2};
    (void)state;
    uint64_t data[2];
    oxp_array a = {"x", OXP_UNDEFINED, 1, dims, 2, data, sizeof data};
    for (size_t i = 0; i < 4; i++) {
        a.dtype = signed_[i];
        oxp_store_int(data, 1, a.dtype, -3);
        assert_true(oxp_fillable(a.dtype) && oxp_element(&a, 1) == -3);
        a.dtype = floats[i];
        oxp_store_float(data, 1, a.dtype, -0.375);
        assert_true(oxp_fillable(a.dtype) && oxp_element(&a, 1) == -0.375);
    }
    for (size_t i = 0; i < 5; i++) {
        a.dtype = unsigned_[i];
        oxp_store_int(data, 1, a.dtype, 1);
        assert_true(oxp_fillable(a.dtype) && oxp_element(&a, 1) == 1);
    }
    a.dtype = OXP_STRING;
    assert_true(!oxp_fillable(a.dtype) && isnan(oxp_element(&a, 0)));
    a.dtype = OXP_COMPLEX128;
    assert_true(!oxp_fillable(a.dtype) && isnan(oxp_element(&a, 0)));
    a.dtype = OXP_INT4;
    assert_true(!oxp_fillable(a.dtype) && isnan(oxp_element(&a, 0)));
}

static void test_compared_types(void **state) {
    static const int64_t dims[] = {1}, two[] = {1, 1};
    world *w = *state;
    float one = 1;
    int64_t whole = 1;
    oxp_array x = {"x", OXP_FLOAT, 1, dims, 1, &one, 4}, y = x, none = {.name = "x"};
    oxp_output_check c = {.cosine = 1};
    y.dtype = OXP_INT64;
    y.data = &whole;
    oxp_compare_arrays(&x, &y, &c, w->arena);
    assert_string_equal(c.problem, "float32 became int64");
    c = (oxp_output_check){.cosine = 1};
    oxp_compare_arrays(&none, &none, &c, w->arena);
    assert_true(!c.problem && !c.compared);
    y = x;
    y.rank = 2;
    y.dims = two;
    oxp_compare_arrays(&x, &y, &c, w->arena);
    assert_string_equal(c.problem, "shape [1] became [1,1]");
    float zero = 0;
    y = x;
    y.data = &zero;
    c = (oxp_output_check){.cosine = 1};
    oxp_compare_arrays(&y, &y, &c, w->arena); /* zeros agree, whatever their direction */
    assert_true(c.compared && c.cosine == 1 && c.largest == 0);
    oxp_compare_arrays(&x, &y, &c, w->arena);
    assert_true(c.cosine == 0 && c.max_abs == 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_roles_of_inputs, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_numbers_by_role, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_npy, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_npy_refused, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_pb, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_pb_refused, world_setup, world_teardown),
        cmocka_unit_test(test_elements),
        cmocka_unit_test_setup_teardown(test_compared_types, world_setup, world_teardown)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
