/* digits.h - whole numbers as decimal text: reports and facts write hundreds of thousands of them,
 * and printf takes ten times as long. */
#ifndef OXP_BASE_DIGITS_H
#define OXP_BASE_DIGITS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { OXP_DIGITS_MAX = 24 }; /* with sign and NUL */

/* Writes the digits and a NUL, OXP_DIGITS_MAX at most; returns how many there are. */
static inline size_t oxp_digits_u64(char *out, uint64_t v) {
    char text[OXP_DIGITS_MAX];
    size_t at = sizeof text;
    do {
        text[--at] = (char)('0' + v % 10);
        v /= 10;
    } while (v);
    size_t n = sizeof text - at;
    memcpy(out, text + at, n);
    out[n] = 0;
    return n;
}

static inline size_t oxp_digits_i64(char *out, int64_t v) {
    if (v >= 0)
        return oxp_digits_u64(out, (uint64_t)v);
    *out = '-';
    return 1 + oxp_digits_u64(out + 1, 0 - (uint64_t)v);
}

#endif
