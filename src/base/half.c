/* half.c - 16-bit floats by rounding a double's significand at the right bit. */
#include <math.h>
#include <string.h>

#include "base/half.h"

/* Rounds v to `digits` significant bits with exponents from `least` up (subnormals below share the
 * least exponent's spacing); the result is exact in double.  nearbyint rounds ties to even. */
static double round_to(double v, int digits, int least) {
    int e;
    frexp(v, &e);
    int spacing = (e - 1 < least ? least : e - 1) - (digits - 1);
    return ldexp(nearbyint(ldexp(v, -spacing)), spacing);
}

uint16_t oxp_half_from_double(double v) {
    uint16_t sign = signbit(v) ? 0x8000 : 0;
    if (isnan(v))
        return sign | 0x7e00;
    double r = isinf(v) ? INFINITY : fabs(round_to(v, 11, -14));
    if (r > 65504)
        return sign | 0x7c00;
    if (r < 0x1p-14) /* zero or subnormal: a multiple of 2^-24 */
        return sign | (uint16_t)ldexp(r, 24);
    int e;
    double f = frexp(r, &e); /* r = f * 2^e, f in [0.5, 1) */
    return sign | (uint16_t)((unsigned)(e + 14) << 10 | ((unsigned)ldexp(f, 11) & 0x3ff));
}

double oxp_half_to_double(uint16_t h) {
    unsigned e = h >> 10 & 31, f = h & 0x3ff;
    double v = e == 31 ? (f ? NAN : INFINITY) : e ? ldexp(1024 + f, (int)e - 25) : ldexp(f, -24);
    return h & 0x8000 ? -v : v;
}

uint16_t oxp_bfloat16_from_double(double v) {
    uint16_t sign = signbit(v) ? 0x8000 : 0;
    if (isnan(v))
        return sign | 0x7fc0;
    double r = isinf(v) ? INFINITY : fabs(round_to(v, 8, -126));
    float f = (float)r; /* exact, or infinite when beyond float's range */
    uint32_t bits;
    memcpy(&bits, &f, 4);
    return sign | (uint16_t)(bits >> 16);
}

double oxp_bfloat16_to_double(uint16_t h) {
    uint32_t bits = (uint32_t)h << 16;
    float f;
    memcpy(&f, &bits, 4);
    return f;
}
