/* host.c - this machine as a device, measured: multiply-adds in registers on every thread, and
 * copies between buffers larger than the caches and within them.  Each thread's best millisecond
 * counts: on a machine that is shared, longer stretches measure the others. */
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "analysis/device.h"

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

enum { THREADS_MAX = 256, ROUNDS = 3, CHAINS = 10, STEPS = 2000 };
static const double round_seconds = 0.06, window_seconds = 0.001;
static const uint64_t cache_share = (uint64_t)8 << 20;
static const size_t buffer_bytes = (size_t)96 << 20, cached_bytes = (size_t)1 << 20;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* The chains must live in registers whatever the optimization level. */
#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

/* Each kernel runs STEPS multiply-adds in CHAINS independent vectors and returns the operations. */
typedef double (*kernel_fn)(float *sink);

#if defined(__x86_64__)
__attribute__((target("avx512f"))) static double fma_avx512(float *sink) {
    __m512 a[CHAINS], x = _mm512_set1_ps(0.999f), y = _mm512_set1_ps(1e-3f);
    UNROLL
    for (int c = 0; c < CHAINS; c++)
        a[c] = _mm512_set1_ps((float)c);
    for (int i = 0; i < STEPS; i++) {
        UNROLL
        for (int c = 0; c < CHAINS; c++)
            a[c] = _mm512_fmadd_ps(a[c], x, y);
    }
    UNROLL
    for (int c = 1; c < CHAINS; c++)
        a[0] = _mm512_add_ps(a[0], a[c]);
    *sink += _mm512_cvtss_f32(a[0]);
    return 2.0 * 16 * CHAINS * STEPS;
}

__attribute__((target("avx2,fma"))) static double fma_avx2(float *sink) {
    __m256 a[CHAINS], x = _mm256_set1_ps(0.999f), y = _mm256_set1_ps(1e-3f);
    UNROLL
    for (int c = 0; c < CHAINS; c++)
        a[c] = _mm256_set1_ps((float)c);
    for (int i = 0; i < STEPS; i++) {
        UNROLL
        for (int c = 0; c < CHAINS; c++)
            a[c] = _mm256_fmadd_ps(a[c], x, y);
    }
    UNROLL
    for (int c = 1; c < CHAINS; c++)
        a[0] = _mm256_add_ps(a[0], a[c]);
    *sink += _mm256_cvtss_f32(a[0]);
    return 2.0 * 8 * CHAINS * STEPS;
}

static double mul_add_plain(float *sink) {
    __m128 a[CHAINS], x = _mm_set1_ps(0.999f), y = _mm_set1_ps(1e-3f);
    UNROLL
    for (int c = 0; c < CHAINS; c++)
        a[c] = _mm_set1_ps((float)c);
    for (int i = 0; i < STEPS; i++) {
        UNROLL
        for (int c = 0; c < CHAINS; c++)
            a[c] = _mm_add_ps(_mm_mul_ps(a[c], x), y);
    }
    UNROLL
    for (int c = 1; c < CHAINS; c++)
        a[0] = _mm_add_ps(a[0], a[c]);
    *sink += _mm_cvtss_f32(a[0]);
    return 2.0 * 4 * CHAINS * STEPS;
}

static kernel_fn best_kernel(void) {
    return __builtin_cpu_supports("avx512f")                                 ? fma_avx512
           : __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? fma_avx2
                                                                             : mul_add_plain;
}

/* Integer multiply-adds in place of one in float32: 4 with VNNI, else 2 (pmaddubsw, pmaddwd, add).
 */
static double int8_factor(void) {
    return __builtin_cpu_supports("avx512vnni") ? 4 : 2;
}
#elif defined(__aarch64__)
static double fma_neon(float *sink) {
    float32x4_t a[CHAINS], x = vdupq_n_f32(0.999f), y = vdupq_n_f32(1e-3f);
    UNROLL
    for (int c = 0; c < CHAINS; c++)
        a[c] = vdupq_n_f32((float)c);
    for (int i = 0; i < STEPS; i++) {
        UNROLL
        for (int c = 0; c < CHAINS; c++)
            a[c] = vfmaq_f32(y, a[c], x);
    }
    UNROLL
    for (int c = 1; c < CHAINS; c++)
        a[0] = vaddq_f32(a[0], a[c]);
    *sink += vgetq_lane_f32(a[0], 0);
    return 2.0 * 4 * CHAINS * STEPS;
}

static kernel_fn best_kernel(void) {
    return fma_neon;
}

static double int8_factor(void) {
    return 2;
}
#else
static double mul_add_plain(float *sink) {
    float a[CHAINS];
    UNROLL
    for (int c = 0; c < CHAINS; c++)
        a[c] = (float)c;
    for (int i = 0; i < STEPS; i++) {
        UNROLL
        for (int c = 0; c < CHAINS; c++)
            a[c] = a[c] * 0.999f + 1e-3f;
    }
    for (int c = 0; c < CHAINS; c++)
        *sink += a[c];
    return 2.0 * CHAINS * STEPS;
}

static kernel_fn best_kernel(void) {
    return mul_add_plain;
}

static double int8_factor(void) {
    return 1;
}
#endif

typedef struct worker {
    pthread_t thread;
    kernel_fn kernel; /* NULL: copy */
    char *to;
    const char *from;
    size_t bytes, piece, at; /* copied piece by piece, so that time is looked at often */
    double rate;             /* operations or bytes a second, in the best stretch */
    float sink;
} worker;

/* One step of the worker; what it did in operations or bytes. */
static double step(worker *w) {
    if (w->kernel != NULL)
        return w->kernel(&w->sink);
    if (w->at + w->piece > w->bytes)
        w->at = 0;
    memcpy(w->to + w->at, w->from + w->at, w->piece);
    w->at += w->piece;
    return 2.0 * (double)w->piece;
}

static void *work(void *arg) {
    worker *w = arg;
    double start = now(), from = start, done = 0;
    w->rate = 0;
    for (;;) {
        done += step(w);
        double t = now();
        if (t - from < window_seconds)
            continue;
        w->rate = done / (t - from) > w->rate ? done / (t - from) : w->rate;
        if (t - start > round_seconds)
            return NULL;
        from = t;
        done = 0;
    }
}

/* Sum of the threads' rates in one round; a thread that cannot be started does not count. */
static double run_round(worker *w, unsigned n) {
    bool started[THREADS_MAX] = {false};
    for (unsigned i = 1; i < n; i++)
        started[i] = pthread_create(&w[i].thread, NULL, work, &w[i]) == 0;
    work(&w[0]);
    double rate = w[0].rate;
    for (unsigned i = 1; i < n; i++) {
        if (started[i]) {
            pthread_join(w[i].thread, NULL);
            rate += w[i].rate;
        }
    }
    return rate;
}

static double best_rate(worker *w, unsigned n) {
    double best = 0;
    for (int i = 0; i < ROUNDS; i++) {
        double rate = run_round(w, n);
        best = rate > best ? rate : best;
    }
    return best;
}

static unsigned usable_threads(void) {
    cpu_set_t set;
    int n = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    return n < 1 ? 1 : n > THREADS_MAX ? THREADS_MAX : (unsigned)n;
}

/* Copies within `bytes` of memory, shared out among the threads. */
static double copy_rate(worker *w, unsigned n, char *memory, size_t bytes) {
    enum { PIECE = 1 << 17 };
    size_t part = bytes / 2 / n;
    for (unsigned i = 0; i < n; i++)
        w[i] = (worker){.from = memory + i * part,
                        .to = memory + bytes / 2 + i * part,
                        .bytes = part,
                        .piece = part < PIECE ? part : PIECE};
    return best_rate(w, n);
}

static void measure(oxp_device *d, oxp_arena *arena, unsigned n) {
    oxp_ctx *ctx = oxp_arena_ctx(arena);
    worker *w = OXP_NEWS(arena, n, worker);
    for (unsigned i = 0; i < n; i++)
        w[i].kernel = best_kernel();
    d->peak[OXP_FLOAT] = best_rate(w, n);
    oxp_arena *buffers = oxp_arena_new(ctx);
    char *memory = oxp_alloc(buffers, buffer_bytes, 1);
    memset(memory, 1, buffer_bytes); /* so that every page is there */
    d->bandwidth = copy_rate(w, n, memory, buffer_bytes);
    d->cache_bandwidth = d->cached_share * copy_rate(w, n, memory, n * cached_bytes);
    oxp_arena_free(buffers);
    /* A share of the last cache; on virtual machines what the system reports is everybody's. */
    d->cache = n * cache_share;
}

void oxp_device_host_constants(oxp_device *d) {
    static const double efficiency[OXP_CLASS_COUNT] = {
        [OXP_CLASS_CONV] = 0.91,      [OXP_CLASS_DEPTHWISE] = 0.91, [OXP_CLASS_MATMUL] = 0.88,
        [OXP_CLASS_RECURRENT] = 0.42, [OXP_CLASS_NORM] = 0.028,     [OXP_CLASS_SIMPLE] = 0.028,
        [OXP_CLASS_MOVE] = 0.028};
    static const double start[OXP_CLASS_COUNT] = {[OXP_CLASS_CONV] = 2.4e-6,
                                                  [OXP_CLASS_DEPTHWISE] = 2.4e-6,
                                                  [OXP_CLASS_MATMUL] = 2e-6,
                                                  [OXP_CLASS_RECURRENT] = 13e-6};
    d->kind = OXP_DEVICE_CPU;
    d->launch = 0.25e-6;
    d->per_output = 50;
    memcpy(d->start, start, sizeof start);
    memcpy(d->efficiency, efficiency, sizeof efficiency);
    d->bandwidth_efficiency = 0.4;
    d->cached_share = 0.5;
}

const oxp_device *oxp_device_host(oxp_arena *arena) {
    static const oxp_device_source sources[] = {
        {"peak float32", "measured: vector multiply-adds in registers on all usable threads"},
        {"bandwidth", "measured: copy of 48 MB on all usable threads, bytes read and written"},
        {"cache bandwidth", "measured: copy of 512 kB a thread; kernels reach a share of it"},
        {"peak float64", "half of float32: vectors hold half as many"},
        {"peak int8", "from float32 and the instruction set: 4 times with VNNI, else 2 times"},
        {"memory", "physical memory that the system reports"},
        {"efficiency", "fitted to ONNX Runtime's CPU kernels: docs/accuracy.md"},
        {"launch", "fitted to ONNX Runtime on small models: docs/accuracy.md"}};
    oxp_device *d = OXP_NEW(arena, oxp_device);
    d->id = "host";
    d->threads = usable_threads();
    d->name =
        oxp_sprintf(arena, "this machine (%u thread%s)", d->threads, d->threads == 1 ? "" : "s");
#if defined(__aarch64__)
    d->arch = "arm64";
#elif defined(__x86_64__)
    d->arch = "x86_64";
#else
    d->arch = "";
#endif
    oxp_device_host_constants(d);
    measure(d, arena, d->threads);
    d->peak[OXP_DOUBLE] = d->peak[OXP_FLOAT] / 2;
    d->peak[OXP_INT8] = d->peak[OXP_UINT8] = d->peak[OXP_FLOAT] * int8_factor();
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    d->memory = pages > 0 && page > 0 ? (uint64_t)pages * (uint64_t)page : 0;
    d->sources = sources;
    d->n_sources = sizeof sources / sizeof *sources;
    return d;
}
