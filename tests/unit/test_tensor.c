/* Conversions of element types against definitions, recipes, typed data, statistics. */
#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/source.h"
#include "model/convert.h"
#include "model/model_impl.h"
#include "support/scratch.h"

/* ---- small floats, from the definition: sign, exponent, mantissa ---- */
typedef struct format {
    oxp_dtype type;
    int ebits, mbits, bias;
    enum { IEEE, FN, UZ } special;
} format;
static const format formats[] = {
    {OXP_FLOAT16, 5, 10, 15, IEEE},   {OXP_BFLOAT16, 8, 7, 127, IEEE},
    {OXP_FLOAT8E4M3FN, 4, 3, 7, FN},  {OXP_FLOAT8E4M3FNUZ, 4, 3, 8, UZ},
    {OXP_FLOAT8E5M2, 5, 2, 15, IEEE}, {OXP_FLOAT8E5M2FNUZ, 5, 2, 16, UZ},
};

static double value_of(const format *f, unsigned code) {
    unsigned sign = code >> (f->ebits + f->mbits), e = code >> f->mbits & ((1u << f->ebits) - 1);
    unsigned m = code & ((1u << f->mbits) - 1), top = (1u << f->ebits) - 1;
    if (f->special == IEEE && e == top)
        return m ? NAN : sign ? -INFINITY : INFINITY;
    if (f->special == FN && e == top && m == (1u << f->mbits) - 1)
        return NAN;
    if (f->special == UZ && sign && !e && !m)
        return NAN;
    double v =
        e ? ldexp(1.0 + ldexp(m, -f->mbits), (int)e - f->bias) : ldexp(m, 1 - f->bias - f->mbits);
    return sign ? -v : v;
}

static unsigned encode1(oxp_dtype t, double v, bool saturate) {
    uint16_t code = 0;
    oxp_encode(t, &v, 1, saturate, &code);
    return code;
}

static void every_code_is_read_and_written(void **state) {
    (void)state;
    for (size_t k = 0; k < sizeof formats / sizeof *formats; k++) {
        const format *f = &formats[k];
        unsigned n = 1u << oxp_dtype_bits(f->type);
        for (unsigned code = 0; code < n; code++) {
            uint16_t bits = (uint16_t)code;
            double got, want = value_of(f, code);
            oxp_decode(f->type, &bits, 1, &got);
            if (isnan(want)) {
                assert_true(isnan(got));
                continue;
            }
            assert_true(got == want && signbit(got) == signbit(want));
            assert_int_equal(encode1(f->type, want, false), code);
        }
    }
}

/* Between neighbours a and b: the midpoint goes to the even code, anything else to the nearer. */
static void rounding_is_to_nearest_even(void **state) {
    (void)state;
    for (size_t k = 0; k < sizeof formats / sizeof *formats; k++) {
        const format *f = &formats[k];
        unsigned half = 1u << (oxp_dtype_bits(f->type) - 1);
        for (unsigned code = 0; code + 1 < half; code++) {
            double a = value_of(f, code), b = value_of(f, code + 1), mid = (a + b) / 2;
            if (!isfinite(b))
                break;
            assert_int_equal(encode1(f->type, mid, false), code % 2 ? code + 1 : code);
            assert_int_equal(encode1(f->type, nextafter(mid, 0), false), code);
            assert_int_equal(encode1(f->type, nextafter(mid, INFINITY), false), code + 1);
        }
    }
}

static void overflow_saturates_when_asked(void **state) {
    (void)state;
    assert_int_equal(encode1(OXP_FLOAT16, 1e6, true), 0x7bff);
    assert_int_equal(encode1(OXP_FLOAT16, 1e6, false), 0x7c00);
    assert_int_equal(encode1(OXP_FLOAT16, 65519.99, false), 0x7bff);
    assert_int_equal(encode1(OXP_FLOAT16, 65520, false), 0x7c00);
    assert_int_equal(encode1(OXP_FLOAT16, INFINITY, true), 0x7c00);
    assert_int_equal(encode1(OXP_FLOAT8E4M3FN, 1e9, true), 0x7e);
    assert_int_equal(encode1(OXP_FLOAT8E4M3FN, 1e9, false), 0x7f);
    assert_int_equal(encode1(OXP_FLOAT8E4M3FNUZ, -1e-9, true), 0);
    assert_int_equal(encode1(OXP_FLOAT4E2M1, 100, false), 7);
    assert_int_equal((int8_t)encode1(OXP_INT8, -1000, false), -128);
    assert_int_equal(encode1(OXP_UINT8, 2.5, false), 2);
    assert_int_equal(encode1(OXP_UINT8, 3.5, false), 4);
    assert_int_equal(encode1(OXP_INT8, NAN, false), 0);
}

static void packed_types_put_the_first_element_low(void **state) {
    (void)state;
    double v[5] = {1, -2, 7, -8, 3}, back[5];
    uint8_t bytes[3];
    oxp_encode(OXP_INT4, v, 5, true, bytes);
    assert_int_equal(bytes[0], 0xe1);
    assert_int_equal(bytes[1], 0x87);
    assert_int_equal(bytes[2], 0x03);
    oxp_decode(OXP_INT4, bytes, 5, back);
    assert_memory_equal(v, back, sizeof v);
}

/* The vectorised loops give what the plain definitions give, on all kinds of bits. */
static void vector_loops_agree(void **state) {
    (void)state;
    enum { N = 200003 };
    uint32_t *bits = malloc(N * sizeof *bits), x = 12345;
    uint16_t *fast = malloc(N * sizeof *fast);
    for (size_t i = 0; i < N; i++) {
        x = x * 1664525u + 1013904223u;
        bits[i] = i % 3 ? x : (x & 0x8fffffffu) | 0x30000000u; /* many around the edges of half */
    }
    bits[100] = 0x7f800000u; /* infinity, and its negative in the tail */
    bits[101] = 0x7f7fffffu; /* beyond the largest bfloat16 */
    bits[102] = 0x7fc00001u;
    bits[N - 1] = 0xff800000u;
    const float *v = (const float *)(const void *)bits;
    oxp_tensor_stats a, b;
    for (int saturate = 0; saturate < 2; saturate++) {
        oxp_half_from_f32(v, N, saturate, fast);
        for (size_t i = 0; i < N; i++)
            assert_int_equal(fast[i], encode1(OXP_FLOAT16, v[i], saturate));
        oxp_bfloat16_from_f32(v, N, saturate, fast);
        for (size_t i = 0; i < N; i++)
            assert_int_equal(fast[i], encode1(OXP_BFLOAT16, v[i], saturate));
    }
    oxp_stats_start(&a);
    oxp_stats_start(&b);
    oxp_stats_f32(&a, v, N);
    for (size_t i = 0; i < N; i++) {
        double d = v[i];
        oxp_stats_doubles(&b, &d, 1);
    }
    assert_memory_equal(&a, &b, sizeof a);
    assert_true(a.n_nan && a.n_inf && a.n_sub_half && a.n_over_half && a.n_zero_half);
    free(bits);
    free(fast);
}

/* ---- tensors of a model ---- */
static oxp_ctx *ctx;
static oxp_model *model;

static int open_model(void **state) {
    (void)state;
    ctx = oxp_ctx_new(0);
    return oxp_open(&model, ctx, "fixtures/models/mnist8/model.onnx");
}

static int close_model(void **state) {
    (void)state;
    oxp_ctx_free(ctx);
    return 0;
}

static oxp_id memory_tensor(oxp_dtype t, uint64_t count, const void *mem) {
    oxp_id id = oxp_model_add_tensor(model);
    oxp_tensor *p = &model->tensors[id];
    p->name = "made";
    p->dtype = t;
    p->count = count;
    p->bytes = oxp_dtype_bytes(t, count);
    p->storage = OXP_STORE_MEMORY;
    p->mem = mem;
    return id;
}

static oxp_id recipe_tensor(oxp_id base, oxp_dtype t, const oxp_recipe *r) {
    oxp_id id = memory_tensor(t, model->tensors[base].count, NULL);
    model->tensors[id].storage = OXP_STORE_NONE;
    model->tensors[id].recipe = r;
    return id;
}

static void recipes_scale_and_round_once(void **state) {
    (void)state;
    enum { N = 5000 };
    static float x[N];
    static double got[N];
    double scale[6] = {0.1, -3, 1e-3, 7, 0.333333333333, 1e5};
    for (size_t i = 0; i < N; i++)
        x[i] = (float)sin((double)i) * 100;
    oxp_id base = memory_tensor(OXP_FLOAT, N, x);
    /* grouped channels: index = (i / 250) % 2 * 3 + (i / 7) % 3 */
    oxp_recipe r = {base, scale, 6, {250, 7}, {2, 3}, {3, 1}, false, false};
    oxp_id scaled = recipe_tensor(base, OXP_FLOAT, &r);
    oxp_tensor_doubles(model, scaled, 0, N, got);
    for (size_t i = 0; i < N; i++)
        assert_true(got[i] == (float)(x[i] * scale[i / 250 % 2 * 3 + i / 7 % 3]));
    oxp_recipe cast = {scaled, NULL, 0, {0, 0}, {0, 0}, {0, 0}, true, false};
    oxp_id half = recipe_tensor(scaled, OXP_FLOAT16, &cast);
    double part[3];
    oxp_tensor_doubles(model, half, 1777, 3, part);
    for (size_t i = 0; i < 3; i++) {
        uint16_t code = (uint16_t)encode1(OXP_FLOAT16, got[1777 + i], true), raw;
        assert_true(part[i] == oxp_half_to_f32(code));
        oxp_tensor_raw(model, half, (1777 + i) * 2, 2, &raw);
        assert_int_equal(raw, code);
    }
    oxp_tensor_stats s;
    oxp_tensor_scan(model, half, &s);
    assert_true(s.abs_max == 65504);
    assert_true(oxp_tensor_readable(model, half));
    /* scale by column, cast in the same recipe: no intermediate float32 */
    oxp_recipe both = {base, scale, 5, {1, 0}, {5, 0}, {1, 0}, false, false};
    oxp_id direct = recipe_tensor(base, OXP_FLOAT16, &both);
    oxp_tensor_doubles(model, direct, 0, N, got);
    for (size_t i = 0; i < N; i++)
        assert_true(got[i] ==
                    oxp_half_to_f32((uint16_t)encode1(OXP_FLOAT16, x[i] * scale[i % 5], false)));
}

static void packed_windows_start_anywhere(void **state) {
    (void)state;
    enum { N = 3001 };
    static uint8_t bytes[(N + 1) / 2];
    static int64_t all[N], part[N];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 37);
    oxp_id t = memory_tensor(OXP_INT4, N, bytes);
    oxp_tensor_ints(model, t, 0, N, all);
    for (uint64_t first = 0; first < N; first += 331) {
        oxp_tensor_ints(model, t, first, N - first, part);
        assert_memory_equal(part, all + first, (N - first) * sizeof *all);
    }
}

/* Entries packed, single, and in several chunks, among other fields. */
static void typed_data_in_any_chunking(void **state) {
    (void)state;
    const uint8_t ints[] = {0x08, 3,    0x3a, 2,    0xac, 0x02, /* int64_data [300] */
                            0x38, 5,    0x42, 1,    'n',        /* 5; name */
                            0x3a, 11,   1,    0xff, 0xff, 0xff, 0xff,
                            0xff, 0xff, 0xff, 0xff, 0xff, 0x01}; /* [1, -1] */
    int64_t got[4];
    const char *path = scratch_file("typed", ints, sizeof ints);
    int fd = open(path, O_RDONLY);
    assert_true(fd >= 0);
    oxp_source *old = model->source;
    model->source = oxp_source_fd(ctx, fd, path);
    oxp_id id = memory_tensor(OXP_INT64, 4, NULL);
    model->tensors[id].storage = OXP_STORE_TYPED;
    model->tensors[id].data = (oxp_span){0, sizeof ints};
    oxp_tensor_ints(model, id, 0, 4, got);
    const int64_t want[4] = {300, 5, 1, -1};
    assert_memory_equal(got, want, sizeof want);
    oxp_tensor_ints(model, id, 3, 1, got);
    assert_int_equal(got[0], -1);
    model->source = old;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_is_read_and_written),
        cmocka_unit_test(rounding_is_to_nearest_even),
        cmocka_unit_test(overflow_saturates_when_asked),
        cmocka_unit_test(packed_types_put_the_first_element_low),
        cmocka_unit_test(vector_loops_agree),
        cmocka_unit_test_setup_teardown(recipes_scale_and_round_once, open_model, close_model),
        cmocka_unit_test_setup_teardown(packed_windows_start_anywhere, open_model, close_model),
        cmocka_unit_test_setup_teardown(typed_data_in_any_chunking, open_model, close_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
