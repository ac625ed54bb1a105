/* safe_math.h - checked and saturating arithmetic on sizes; the only place that multiplies them. */
#ifndef OXP_BASE_SAFE_MATH_H
#define OXP_BASE_SAFE_MATH_H

#include <stdbool.h>
#include <stdint.h>

/* False on overflow; *r is then unspecified. */
static inline bool oxp_mul_u64(uint64_t a, uint64_t b, uint64_t *r) {
    return !__builtin_mul_overflow(a, b, r);
}
static inline bool oxp_add_u64(uint64_t a, uint64_t b, uint64_t *r) {
    return !__builtin_add_overflow(a, b, r);
}
static inline bool oxp_mul_i64(int64_t a, int64_t b, int64_t *r) {
    return !__builtin_mul_overflow(a, b, r);
}
static inline bool oxp_add_i64(int64_t a, int64_t b, int64_t *r) {
    return !__builtin_add_overflow(a, b, r);
}
static inline bool oxp_sub_i64(int64_t a, int64_t b, int64_t *r) {
    return !__builtin_sub_overflow(a, b, r);
}
/* Saturating: UINT64_MAX stands for "more than can be counted" or "unknown". */
static inline uint64_t oxp_sat_mul(uint64_t a, uint64_t b) {
    uint64_t r;
    return oxp_mul_u64(a, b, &r) ? r : UINT64_MAX;
}
static inline uint64_t oxp_sat_add(uint64_t a, uint64_t b) {
    uint64_t r;
    return oxp_add_u64(a, b, &r) ? r : UINT64_MAX;
}

#endif
