/* fuzz.h - what the fuzz targets share. */
#ifndef OXP_FUZZ_H
#define OXP_FUZZ_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "model/model_impl.h"

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
    FUZZ_CHECK(fd >= 0 && ftruncate(fd, 0) == 0 && pwrite(fd, data, size, 0) == (ssize_t)size);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return path;
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
