/* dtype.c - the element types of TensorProto.DataType.  Names: numpy's and ml_dtypes'. */
#include <string.h>

#include "base/safe_math.h"
#include "onnxpert/model.h"

enum { FLOATING = 1, INTEGER = 2 };

static const struct {
    const char *name;
    uint8_t bits, kind;
} types[OXP_DTYPE_COUNT] = {
    [OXP_UNDEFINED] = {"undefined", 0, 0},
    [OXP_FLOAT] = {"float32", 32, FLOATING},
    [OXP_UINT8] = {"uint8", 8, INTEGER},
    [OXP_INT8] = {"int8", 8, INTEGER},
    [OXP_UINT16] = {"uint16", 16, INTEGER},
    [OXP_INT16] = {"int16", 16, INTEGER},
    [OXP_INT32] = {"int32", 32, INTEGER},
    [OXP_INT64] = {"int64", 64, INTEGER},
    [OXP_STRING] = {"string", 0, 0},
    [OXP_BOOL] = {"bool", 8, 0},
    [OXP_FLOAT16] = {"float16", 16, FLOATING},
    [OXP_DOUBLE] = {"float64", 64, FLOATING},
    [OXP_UINT32] = {"uint32", 32, INTEGER},
    [OXP_UINT64] = {"uint64", 64, INTEGER},
    [OXP_COMPLEX64] = {"complex64", 64, 0},
    [OXP_COMPLEX128] = {"complex128", 128, 0},
    [OXP_BFLOAT16] = {"bfloat16", 16, FLOATING},
    [OXP_FLOAT8E4M3FN] = {"float8_e4m3fn", 8, FLOATING},
    [OXP_FLOAT8E4M3FNUZ] = {"float8_e4m3fnuz", 8, FLOATING},
    [OXP_FLOAT8E5M2] = {"float8_e5m2", 8, FLOATING},
    [OXP_FLOAT8E5M2FNUZ] = {"float8_e5m2fnuz", 8, FLOATING},
    [OXP_UINT4] = {"uint4", 4, INTEGER},
    [OXP_INT4] = {"int4", 4, INTEGER},
    [OXP_FLOAT4E2M1] = {"float4_e2m1fn", 4, FLOATING},
    [OXP_FLOAT8E8M0] = {"float8_e8m0fnu", 8, FLOATING},
    [OXP_UINT2] = {"uint2", 2, INTEGER},
    [OXP_INT2] = {"int2", 2, INTEGER},
};

static bool valid(oxp_dtype t) {
    return (unsigned)t < OXP_DTYPE_COUNT;
}

const char *oxp_dtype_name(oxp_dtype t) {
    return types[valid(t) ? t : OXP_UNDEFINED].name;
}

oxp_dtype oxp_dtype_from_name(const char *name) {
    for (unsigned t = 1; t < OXP_DTYPE_COUNT; t++)
        if (!strcmp(types[t].name, name))
            return (oxp_dtype)t;
    return OXP_UNDEFINED;
}

unsigned oxp_dtype_bits(oxp_dtype t) {
    return valid(t) ? types[t].bits : 0;
}

bool oxp_dtype_is_float(oxp_dtype t) {
    return valid(t) && types[t].kind == FLOATING;
}

bool oxp_dtype_is_integer(oxp_dtype t) {
    return valid(t) && types[t].kind == INTEGER;
}

uint64_t oxp_dtype_bytes(oxp_dtype t, uint64_t n) {
    unsigned bits = oxp_dtype_bits(t);
    uint64_t bytes;
    if (!bits)
        return UINT64_MAX;
    if (bits < 8) {
        unsigned per_byte = 8 / bits;
        return n / per_byte + (n % per_byte != 0);
    }
    return oxp_mul_u64(n, bits / 8, &bytes) ? bytes : UINT64_MAX;
}
