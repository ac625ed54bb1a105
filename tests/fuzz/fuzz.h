/* fuzz.h - what the fuzz targets share. */
#ifndef OXP_FUZZ_H
#define OXP_FUZZ_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "model/model_impl.h"

#if defined __SANITIZE_ADDRESS__
#define FUZZ_ASAN 1
#elif defined __has_feature
#if __has_feature(address_sanitizer)
#define FUZZ_ASAN 1
#endif
#endif
#ifdef FUZZ_ASAN
#include <sanitizer/asan_interface.h>

/* Few frames and a small quarantine: an execution is over after microseconds. */
const char *__asan_default_options(void);
__attribute__((used, visibility("default"))) const char *__asan_default_options(void) {
    return "quarantine_size_mb=4:thread_local_quarantine_size_kb=256:malloc_context_size=8";
}
#endif

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Like assert, but never compiled away. */
#define FUZZ_CHECK(holds)                                                                          \
    do {                                                                                           \
        if (!(holds)) {                                                                            \
            fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #holds);             \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/* A path under which the bytes can be opened as a file; until the next call. */
static inline const char *fuzz_file(const uint8_t *data, size_t size) {
    static int fd = -1;
    static char path[40];
    if (fd < 0)
        fd = memfd_create("fuzz", MFD_CLOEXEC);
    int next =
        dup(STDERR_FILENO); /* what leaks files would fail for that reason only, and find nothing */
    FUZZ_CHECK(next >= 0 && next < 64 && close(next) == 0);
    FUZZ_CHECK(fd >= 0 && ftruncate(fd, 0) == 0 && pwrite(fd, data, size, 0) == (ssize_t)size);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return path;
}

/* A new folder, in memory where there is such a place; the path is the caller's to keep. */
static inline void fuzz_folder(char *path, size_t size) {
    struct stat st;
    bool shm = stat("/dev/shm", &st) == 0 && S_ISDIR(st.st_mode);
    snprintf(path, size, "%s/onnxpert-fuzz-XXXXXX", shm ? "/dev/shm" : P_tmpdir);
    FUZZ_CHECK(mkdtemp(path) != NULL);
}

/* Everything that a run of the program would try, not a part of it that the input chooses: in a
 * replay. */
extern const bool fuzz_thorough __attribute__((weak)); /* replay.c */

static inline bool fuzz_is_thorough(void) {
    return &fuzz_thorough && fuzz_thorough;
}

/* A number that the bytes decide (FNV-1a), for what one run leaves out. */
static inline uint32_t fuzz_hash(const uint8_t *data, size_t size) {
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ data[i]) * 16777619u;
    return hash ^ hash >> 15;
}

/* All of it is there. */
static inline void fuzz_touch(const void *at, size_t n) {
#ifdef FUZZ_ASAN
    FUZZ_CHECK(__asan_region_is_poisoned((void *)(uintptr_t)at, n) == NULL);
#else
    for (size_t i = 0; i < n; i += 64)
        (void)((const volatile uint8_t *)at)[i];
#endif
}

static inline oxp_ctx *fuzz_ctx(void) {
    oxp_ctx *ctx = oxp_ctx_new((size_t)256 << 20);
    FUZZ_CHECK(ctx != NULL);
    return ctx;
}

/* A failure has one line of text, and memory is no reason: 256 MiB for inputs of some kilobytes. */
static inline void fuzz_failed(oxp_ctx *ctx) {
    FUZZ_CHECK(oxp_error_text(ctx)[0] != 0);
    FUZZ_CHECK(oxp_error_status(ctx) != OXP_E_INTERNAL);
}

#endif
