/* convert.c - elements of every type from and to double. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "model/convert.h"

bool oxp_dtype_convertible(oxp_dtype t) {
    return t == OXP_BOOL || oxp_dtype_is_float(t) || oxp_dtype_is_integer(t);
}

/* ---- small floating-point formats ---- */
typedef struct small_float {
    int ebits, mbits, bias;
    unsigned max; /* code of the largest finite value     */
    int inf;      /* code of infinity, or -1              */
    int nan;      /* code of a NaN, or -1                 */
    bool uz;      /* no negative zero: 0x80 is the NaN    */
} small_float;

static const small_float half_format = {5, 10, 15, 0x7bff, 0x7c00, 0x7e00, false};
static const small_float bfloat_format = {8, 7, 127, 0x7f7f, 0x7f80, 0x7fc0, false};
static const small_float e4m3fn = {4, 3, 7, 0x7e, -1, 0x7f, false};
static const small_float e4m3fnuz = {4, 3, 8, 0x7f, -1, 0x80, true};
static const small_float e5m2 = {5, 2, 15, 0x7b, 0x7c, 0x7e, false};
static const small_float e5m2fnuz = {5, 2, 16, 0x7f, -1, 0x80, true};
static const small_float e2m1 = {2, 1, 1, 0x7, -1, -1, false};

static const small_float *small_format(oxp_dtype t) {
    switch (t) {
    case OXP_FLOAT16:
        return &half_format;
    case OXP_BFLOAT16:
        return &bfloat_format;
    case OXP_FLOAT8E4M3FN:
        return &e4m3fn;
    case OXP_FLOAT8E4M3FNUZ:
        return &e4m3fnuz;
    case OXP_FLOAT8E5M2:
        return &e5m2;
    case OXP_FLOAT8E5M2FNUZ:
        return &e5m2fnuz;
    case OXP_FLOAT4E2M1:
        return &e2m1;
    default:
        return NULL;
    }
}

/* 2^e for a normal double. */
static double power_of_two(int e) {
    uint64_t bits = (uint64_t)(e + 1023) << 52;
    double v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

static double small_decode(const small_float *f, unsigned code) {
    unsigned sign = code >> (f->ebits + f->mbits) & 1;
    unsigned body = code & ((1u << (f->ebits + f->mbits)) - 1);
    if (f->uz ? (sign && !body) : (f->nan >= 0 && f->inf < 0 && body == (unsigned)f->nan))
        return NAN;
    if (f->inf >= 0 && body >= (unsigned)f->inf) {
        if (body > (unsigned)f->inf)
            return NAN;
        return sign ? -INFINITY : INFINITY;
    }
    int e = (int)(body >> f->mbits);
    unsigned m = body & ((1u << f->mbits) - 1);
    if (e)
        m += 1u << f->mbits;
    else
        e = 1;
    double v = m * power_of_two(e - f->bias - f->mbits);
    return sign ? -v : v;
}

static unsigned small_encode(const small_float *f, double x, bool saturate) {
    unsigned sign = signbit(x) ? 1u << (f->ebits + f->mbits) : 0;
    if (isnan(x))
        return f->nan < 0 ? f->max : f->uz ? (unsigned)f->nan : sign | (unsigned)f->nan;
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    int e = (int)(bits >> 52 & 0x7ff) - 1023, emin = 1 - f->bias;
    unsigned code = f->max + 1;
    if (e < emin)
        e = emin;
    if (e < 1023 && e - emin < 1 << f->ebits)
        /* In units of the last place; a carry out of the mantissa is the next exponent. */
        code = ((unsigned)(e - emin) << f->mbits) +
               (unsigned)rint(fabs(x) * power_of_two(f->mbits - e));
    if (code > f->max) {
        bool to_max = saturate && !isinf(x);
        if (f->inf < 0 && f->nan < 0)
            to_max = true;
        if (to_max)
            code = f->max;
        else if (f->inf >= 0)
            code = (unsigned)f->inf;
        else
            return f->uz ? (unsigned)f->nan : sign | (unsigned)f->nan;
    }
    return f->uz && !code ? 0 : sign | code;
}

/* float8_e8m0fnu: 2^(code - 127), 255 is NaN; no sign, no zero. */
static double e8m0_decode(unsigned code) {
    return code == 255 ? NAN : power_of_two((int)code - 127);
}

static unsigned e8m0_encode(double x, bool saturate) {
    int e;
    if (isnan(x) || x < 0 || (isinf(x) && !saturate))
        return 255;
    if (x == 0)
        return 0;
    if (isinf(x))
        return 254;
    double f =
        frexp(x, &e); /* x = f * 2^e, 0.5 <= f < 1; nearest power of two, ties to even code */
    int code = e - 1 + 127;
    if (f > 0.75 || (f == 0.75 && code % 2 != 0))
        code++;
    if (code > 254)
        return saturate ? 254 : 255;
    return code < 0 ? 0 : (unsigned)code;
}

float oxp_half_to_f32(uint16_t h) {
    uint32_t em = h & 0x7fffu, bits = em << 13;
    float v;
    if (em >= 0x7c00)
        bits |= 0x7f800000u;
    memcpy(&v, &bits, sizeof v);
    if (em < 0x7c00)
        v *= 0x1p112f; /* moves the bias from 127 to 15, subnormals included, exactly */
    return h & 0x8000 ? -v : v;
}

/* ---- decode ---- */
#define DECODE(ctype, dst)                                                                         \
    do {                                                                                           \
        for (size_t i_ = 0; i_ < n; i_++) {                                                        \
            ctype v_;                                                                              \
            memcpy(&v_, (const char *)bytes + i_ * sizeof v_, sizeof v_);                          \
            out[i_] = (dst)v_;                                                                     \
        }                                                                                          \
    } while (0)

/* The code of element i of a type of up to 4 bits: the first element is in the lowest bits. */
static unsigned sub_byte(const void *bytes, size_t i, unsigned bits) {
    unsigned per_byte = 8 / bits;
    unsigned byte = ((const unsigned char *)bytes)[i / per_byte];
    return byte >> (i % per_byte * bits) & ((1u << bits) - 1);
}

static int sign_extend(unsigned code, unsigned bits) {
    return (int)code - (code >> (bits - 1) ? 1 << bits : 0);
}

static void decode_small(oxp_dtype t, const void *bytes, size_t n, double *out) {
    const small_float *f = small_format(t);
    unsigned bits = oxp_dtype_bits(t);
    for (size_t i = 0; i < n; i++) {
        uint16_t code = 0;
        if (bits == 16)
            memcpy(&code, (const char *)bytes + i * 2, 2);
        else if (bits == 8)
            code = ((const unsigned char *)bytes)[i];
        else
            code = (uint16_t)sub_byte(bytes, i, bits);
        if (t == OXP_FLOAT16)
            out[i] = oxp_half_to_f32(code);
        else
            out[i] = f ? small_decode(f, code) : e8m0_decode(code);
    }
}

void oxp_decode_ints(oxp_dtype t, const void *bytes, size_t n, int64_t *out) {
    unsigned bits = oxp_dtype_bits(t);
    switch (t) {
    case OXP_UINT8:
        DECODE(uint8_t, int64_t);
        return;
    case OXP_INT8:
        DECODE(int8_t, int64_t);
        return;
    case OXP_UINT16:
        DECODE(uint16_t, int64_t);
        return;
    case OXP_INT16:
        DECODE(int16_t, int64_t);
        return;
    case OXP_INT32:
        DECODE(int32_t, int64_t);
        return;
    case OXP_UINT32:
        DECODE(uint32_t, int64_t);
        return;
    case OXP_INT64:
        memcpy(out, bytes, n * sizeof *out);
        return;
    case OXP_UINT64:
        memcpy(out, bytes, n * sizeof *out);
        for (size_t i = 0; i < n; i++)
            out[i] = out[i] < 0 ? INT64_MAX : out[i];
        return;
    case OXP_BOOL:
        for (size_t i = 0; i < n; i++)
            out[i] = ((const unsigned char *)bytes)[i] != 0;
        return;
    case OXP_UINT4:
    case OXP_UINT2:
        for (size_t i = 0; i < n; i++)
            out[i] = sub_byte(bytes, i, bits);
        return;
    default: /* int4, int2 */
        for (size_t i = 0; i < n; i++)
            out[i] = sign_extend(sub_byte(bytes, i, bits), bits);
    }
}

void oxp_decode(oxp_dtype t, const void *bytes, size_t n, double *out) {
    int64_t part[64];
    switch (t) {
    case OXP_FLOAT:
        DECODE(float, double);
        return;
    case OXP_DOUBLE:
        memcpy(out, bytes, n * sizeof *out);
        return;
    case OXP_INT64:
        DECODE(int64_t, double);
        return;
    case OXP_UINT64:
        DECODE(uint64_t, double);
        return;
    default:
        break;
    }
    if (oxp_dtype_is_float(t)) {
        decode_small(t, bytes, n, out);
        return;
    }
    for (size_t i = 0; i < n; i += 64) { /* 64 elements start on a byte in every type */
        size_t k = n - i < 64 ? n - i : 64;
        oxp_decode_ints(t, (const char *)bytes + oxp_dtype_bytes(t, i), k, part);
        for (size_t j = 0; j < k; j++)
            out[i + j] = (double)part[j];
    }
}

/* ---- encode ---- */
/* Nearest integer within [lo, hi]; both are exact in a double but for the largest 64-bit ones, for
 * which reaching 2^63 or 2^64 means the end of the range. */
static double to_range(double x, double lo, double hi) {
    if (isnan(x))
        return 0;
    x = rint(x);
    return x < lo ? lo : x > hi ? hi : x;
}

static uint64_t encode_int(oxp_dtype t, double x) {
    unsigned bits = oxp_dtype_bits(t);
    bool is_signed = t == OXP_INT8 || t == OXP_INT16 || t == OXP_INT32 || t == OXP_INT64 ||
                     t == OXP_INT4 || t == OXP_INT2;
    if (t == OXP_BOOL)
        return x != 0;
    if (is_signed) {
        double end = power_of_two((int)bits - 1);
        double v = to_range(x, -end, bits == 64 ? end : end - 1);
        return v >= 0x1p63 ? (uint64_t)INT64_MAX : (uint64_t)(int64_t)v;
    }
    double end = power_of_two((int)bits);
    double v = to_range(x, 0, bits == 64 ? end : end - 1);
    return v >= 0x1p64 ? UINT64_MAX : (uint64_t)v;
}

static uint64_t encode_one(oxp_dtype t, const small_float *f, double x, bool saturate) {
    if (f)
        return small_encode(f, x, saturate);
    if (t == OXP_FLOAT8E8M0)
        return e8m0_encode(x, saturate);
    if (t == OXP_FLOAT) {
        float y = (float)x;
        uint32_t bits;
        if (saturate && isinf(y) && !isinf(x))
            y = x < 0 ? -FLT_MAX : FLT_MAX;
        memcpy(&bits, &y, sizeof bits);
        return bits;
    }
    return encode_int(t, x);
}

void oxp_encode(oxp_dtype t, const double *v, size_t n, bool saturate, void *bytes) {
    const small_float *f = small_format(t);
    unsigned bits = oxp_dtype_bits(t);
    unsigned char *out = bytes;
    if (t == OXP_DOUBLE) {
        memcpy(out, v, n * sizeof *v);
        return;
    }
    if (bits >= 8) {
        for (size_t i = 0; i < n;
             i++) { /* little-endian, as the target machine (checked in CMake) */
            uint64_t code = encode_one(t, f, v[i], saturate);
            memcpy(out + i * (bits / 8), &code, bits / 8);
        }
        return;
    }
    unsigned per_byte = 8 / bits, mask = (1u << bits) - 1;
    memset(out, 0, (size_t)oxp_dtype_bytes(t, n));
    for (size_t i = 0; i < n; i++) {
        unsigned code = (unsigned)encode_one(t, f, v[i], saturate) & mask;
        out[i / per_byte] |= (unsigned char)(code << (i % per_byte * bits));
    }
}
