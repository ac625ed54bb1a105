/* vector.c - the loops over float32 weights that decide how long a rewrite takes.
 *
 * Each is plain C, compiled a second time for AVX2 / F16C on x86 and chosen at run time. */
#include <float.h>
#include <math.h>
#include <stdatomic.h>
#include <string.h>

#include "model/convert.h"

#if defined(__x86_64__) && defined(__GNUC__)
#define HAVE_X86 1
#include <cpuid.h>
#include <immintrin.h>
#endif
#define INLINE static inline __attribute__((always_inline))

#ifdef HAVE_X86
/* Asked once: cpuid leaves a virtual machine, which takes as long as scaling a thousand floats. */
static bool has_avx2(void) {
    static atomic_int known; /* 0: not asked, 1: no, 2: yes */
    int answer = atomic_load_explicit(&known, memory_order_relaxed);
    if (!answer) {
        unsigned a, b, c = 0, d; /* clang 14 has no name for f16c in __builtin_cpu_supports */
        bool yes =
            __builtin_cpu_supports("avx2") && __get_cpuid(1, &a, &b, &c, &d) && (c & bit_F16C);
        answer = yes ? 2 : 1;
        atomic_store_explicit(&known, answer, memory_order_relaxed);
    }
    return answer == 2;
}
#endif

/* ---- scale ---- */
INLINE void scale_body(float *x, double s, size_t n) {
    for (size_t i = 0; i < n; i++)
        x[i] = (float)((double)x[i] * s);
}

#ifdef HAVE_X86
__attribute__((target("avx2"))) static void scale_avx2(float *x, double s, size_t n) {
    scale_body(x, s, n);
}
#endif

void oxp_scale_f32(float *x, double s, size_t n) {
#ifdef HAVE_X86
    if (has_avx2()) {
        scale_avx2(x, s, n);
        return;
    }
#endif
    scale_body(x, s, n);
}

/* ---- float32 to float16 ---- */
static uint16_t half_of(float x, bool saturate) {
    uint16_t code;
    double v = x;
    oxp_encode(OXP_FLOAT16, &v, 1, saturate, &code);
    return code;
}

#ifdef HAVE_X86
__attribute__((target("avx2,f16c"))) static size_t half_f16c(const float *x, size_t n,
                                                             bool saturate, uint16_t *y) {
    const __m256 limit = _mm256_set1_ps(65504.0f), inf = _mm256_set1_ps(INFINITY);
    const __m256 magnitude = _mm256_castsi256_ps(_mm256_set1_epi32(0x7fffffff));
    const __m256 quiet = _mm256_castsi256_ps(_mm256_set1_epi32(0x7fc00000));
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        __m256 v = _mm256_loadu_ps(x + i);
        /* One NaN per sign, as the plain code makes it: files must not depend on the machine. */
        __m256 one_nan = _mm256_or_ps(_mm256_andnot_ps(magnitude, v), quiet);
        v = _mm256_blendv_ps(v, one_nan, _mm256_cmp_ps(v, v, _CMP_UNORD_Q));
        if (saturate) { /* finite ones only: infinities and NaN stay what they are */
            __m256 finite = _mm256_cmp_ps(_mm256_and_ps(v, magnitude), inf, _CMP_LT_OQ);
            __m256 cut =
                _mm256_max_ps(_mm256_min_ps(v, limit), _mm256_sub_ps(_mm256_setzero_ps(), limit));
            v = _mm256_blendv_ps(v, cut, finite);
        }
        __m128i h = _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
        _mm_storeu_si128((__m128i *)(void *)(y + i), h);
    }
    return i;
}
#endif

void oxp_half_from_f32(const float *x, size_t n, bool saturate, uint16_t *y) {
    size_t i = 0;
#ifdef HAVE_X86
    if (has_avx2())
        i = half_f16c(x, n, saturate, y);
#endif
    for (; i < n; i++) {
        /* One NaN for both ways: the payload of a NaN is not worth a difference between machines.
         */
        y[i] = half_of(x[i], saturate);
    }
}

/* ---- float32 to bfloat16 ---- */

/* The upper half of the bits, rounded to nearest even by a carry from the lower one; a carry beyond
 * the largest finite code is infinity or, when saturating, that code. */
INLINE void bfloat16_body(const float *x, size_t n, uint32_t beyond, uint16_t *y) {
    for (size_t i = 0; i < n; i++) {
        uint32_t u;
        memcpy(&u, x + i, sizeof u);
        uint32_t magnitude = u & 0x7fffffffu;
        uint32_t code = (magnitude + 0x7fffu + (magnitude >> 16 & 1u)) >> 16;
        code = code > 0x7f7fu ? beyond : code;
        code = magnitude == 0x7f800000u ? 0x7f80u : code;
        code = magnitude > 0x7f800000u ? 0x7fc0u : code;
        y[i] = (uint16_t)((u >> 16 & 0x8000u) | code);
    }
}

#ifdef HAVE_X86
__attribute__((target("avx2"))) static void bfloat16_avx2(const float *x, size_t n, uint32_t beyond,
                                                          uint16_t *y) {
    bfloat16_body(x, n, beyond, y);
}
#endif

void oxp_bfloat16_from_f32(const float *x, size_t n, bool saturate, uint16_t *y) {
    uint32_t beyond = saturate ? 0x7f7f : 0x7f80;
#ifdef HAVE_X86
    if (has_avx2()) {
        bfloat16_avx2(x, n, beyond, y);
        return;
    }
#endif
    bfloat16_body(x, n, beyond, y);
}

/* ---- statistics ---- */
enum { HALF_MAX = 0x477fe000, HALF_NORMAL = 0x38800000, HALF_ZERO = 0x33000000, INF = 0x7f800000 };

typedef struct tally {
    int32_t lo, hi;  /* finite elements, as integers in the same order */
    uint32_t mag_lo; /* least magnitude of finite ones but zero */
    uint32_t n_nan, n_inf, n_zero, n_over, n_sub, n_flush;
} tally;

/* Integers throughout: the bits of a float order like a sign-and-magnitude integer. */
static void tally_plain(tally *t, const float *x, size_t n) {
    for (size_t i = 0; i < n; i++) {
        int32_t s;
        memcpy(&s, x + i, sizeof s);
        int32_t u = s & 0x7fffffff, order = s ^ (s >> 31 & 0x7fffffff);
        t->n_nan += u > INF;
        t->n_inf += u == INF;
        if (u >= INF)
            continue;
        t->lo = order < t->lo ? order : t->lo;
        t->hi = order > t->hi ? order : t->hi;
        t->n_zero += u == 0;
        t->n_over += u > HALF_MAX;
        if (u == 0)
            continue;
        t->mag_lo = (uint32_t)u < t->mag_lo ? (uint32_t)u : t->mag_lo;
        t->n_sub += u < HALF_NORMAL;
        t->n_flush += u <= HALF_ZERO;
    }
}

#ifdef HAVE_X86
#define AVX2 __attribute__((target("avx2")))

AVX2 static uint32_t sum8(__m256i v) {
    uint32_t part[8], sum = 0;
    _mm256_storeu_si256((__m256i *)(void *)part, v);
    for (int i = 0; i < 8; i++)
        sum += part[i];
    return sum;
}

/* The same for 8 elements at a time; gcc 12 does not vectorise the loop by itself.  Returns how
 * many elements it has done. */
AVX2 static size_t tally_avx2(tally *t, const float *x, size_t n) {
    const __m256i magnitude = _mm256_set1_epi32(0x7fffffff), zero = _mm256_setzero_si256();
    const __m256i lowest = _mm256_set1_epi32(INT32_MIN);
    __m256i lo = magnitude, hi = lowest, mag_lo = _mm256_set1_epi32(-1);
    __m256i nan = zero, beyond = zero, zeros = zero, over = zero, sub = zero, flush = zero;
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        __m256i s = _mm256_loadu_si256((const __m256i *)(const void *)(x + i));
        __m256i u = _mm256_and_si256(s, magnitude);
        __m256i order = _mm256_xor_si256(s, _mm256_srli_epi32(_mm256_srai_epi32(s, 31), 1));
        __m256i odd = _mm256_cmpgt_epi32(u, _mm256_set1_epi32(INF - 1)); /* infinite or NaN */
        __m256i none = _mm256_cmpeq_epi32(u, zero);
        lo = _mm256_min_epi32(lo, _mm256_blendv_epi8(order, magnitude, odd));
        hi = _mm256_max_epi32(hi, _mm256_blendv_epi8(order, lowest, odd));
        mag_lo = _mm256_min_epu32(mag_lo, _mm256_or_si256(u, _mm256_or_si256(odd, none)));
        /* A mask is -1 where it holds. */
        nan = _mm256_sub_epi32(nan, _mm256_cmpgt_epi32(u, _mm256_set1_epi32(INF)));
        beyond = _mm256_sub_epi32(beyond, odd);
        zeros = _mm256_sub_epi32(zeros, none);
        over = _mm256_sub_epi32(over, _mm256_cmpgt_epi32(u, _mm256_set1_epi32(HALF_MAX)));
        sub = _mm256_sub_epi32(sub, _mm256_cmpgt_epi32(_mm256_set1_epi32(HALF_NORMAL), u));
        flush = _mm256_sub_epi32(flush, _mm256_cmpgt_epi32(_mm256_set1_epi32(HALF_ZERO + 1), u));
    }
    int32_t low[8], high[8];
    uint32_t least[8];
    _mm256_storeu_si256((__m256i *)(void *)low, lo);
    _mm256_storeu_si256((__m256i *)(void *)high, hi);
    _mm256_storeu_si256((__m256i *)(void *)least, mag_lo);
    for (int k = 0; k < 8; k++) {
        t->lo = low[k] < t->lo ? low[k] : t->lo;
        t->hi = high[k] > t->hi ? high[k] : t->hi;
        t->mag_lo = least[k] < t->mag_lo ? least[k] : t->mag_lo;
    }
    t->n_nan += sum8(nan);
    t->n_inf += sum8(beyond) - sum8(nan);
    t->n_zero += sum8(zeros);
    t->n_over += sum8(over) - sum8(beyond);
    t->n_sub += sum8(sub) - sum8(zeros);
    t->n_flush += sum8(flush) - sum8(zeros);
    return i;
}
#endif

static float float_of(uint32_t bits) {
    float v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

static float ordered(int32_t order) {
    return float_of((uint32_t)(order ^ (order >> 31 & 0x7fffffff)));
}

static void add_tally(oxp_tensor_stats *s, const tally *t) {
    if (t->lo <= t->hi) {
        s->min = fmin(s->min, ordered(t->lo));
        s->max = fmax(s->max, ordered(t->hi));
        s->abs_max = fmax(s->abs_max, fmax(-ordered(t->lo), ordered(t->hi)));
        if (t->mag_lo != UINT32_MAX)
            s->abs_min_nonzero = fmin(s->abs_min_nonzero, float_of(t->mag_lo));
    }
    s->n_nan += t->n_nan;
    s->n_inf += t->n_inf;
    s->n_zero += t->n_zero;
    s->n_over_half += t->n_over;
    s->n_sub_half += t->n_sub;
    s->n_zero_half += t->n_flush;
}

void oxp_stats_f32(oxp_tensor_stats *s, const float *x, size_t n) {
    enum { PART = 1 << 20 }; /* counts stay within 32 bits */
    while (n) {
        tally t = {INT32_MAX, INT32_MIN, UINT32_MAX, 0, 0, 0, 0, 0, 0};
        size_t k = n < PART ? n : PART, done = 0;
#ifdef HAVE_X86
        if (has_avx2())
            done = tally_avx2(&t, x, k);
#endif
        tally_plain(&t, x + done, k - done);
        add_tally(s, &t);
        x += k;
        n -= k;
    }
}

void oxp_stats_start(oxp_tensor_stats *s) {
    *s = (oxp_tensor_stats){.min = INFINITY, .max = -INFINITY, .abs_min_nonzero = INFINITY};
}

void oxp_stats_doubles(oxp_tensor_stats *s, const double *x, size_t n) {
    for (size_t i = 0; i < n; i++) {
        double v = x[i], a = fabs(v);
        s->n_nan += isnan(v) != 0;
        s->n_inf += isinf(v) != 0;
        if (!isfinite(v))
            continue;
        s->min = fmin(s->min, v);
        s->max = fmax(s->max, v);
        s->abs_max = fmax(s->abs_max, a);
        s->n_zero += a == 0;
        s->n_over_half += a > 65504.0;
        if (a == 0)
            continue;
        s->abs_min_nonzero = fmin(s->abs_min_nonzero, a);
        s->n_sub_half += a < 0x1p-14;
        s->n_zero_half += a <= 0x1p-25;
    }
}

void oxp_stats_merge(oxp_tensor_stats *into, const oxp_tensor_stats *from) {
    into->min = fmin(into->min, from->min);
    into->max = fmax(into->max, from->max);
    into->abs_max = fmax(into->abs_max, from->abs_max);
    into->abs_min_nonzero = fmin(into->abs_min_nonzero, from->abs_min_nonzero);
    into->n_nan += from->n_nan;
    into->n_inf += from->n_inf;
    into->n_zero += from->n_zero;
    into->n_over_half += from->n_over_half;
    into->n_sub_half += from->n_sub_half;
    into->n_zero_half += from->n_zero_half;
}

/* "0, 0 when there is none" for extremes that nothing set. */
void oxp_stats_finish(oxp_tensor_stats *s) {
    if (s->min > s->max)
        s->min = s->max = 0;
    if (isinf(s->abs_min_nonzero))
        s->abs_min_nonzero = 0;
}
