/* fuzz_arrays.c - any bytes as a .npy file and as a TensorProto. */
#include "fuzz/fuzz.h"
#include "verify/inputs.h"

typedef struct job {
    oxp_ctx *ctx;
    const char *path;
    oxp_array (*read)(oxp_arena *arena, const char *path);
    size_t size;
} job;

static void work(void *arg) {
    job *j = arg;
    oxp_arena *arena = oxp_arena_new(j->ctx);
    oxp_array a = j->read(arena, j->path);
    uint64_t count = 1;
    for (int i = 0; i < a.rank; i++) {
        FUZZ_CHECK(a.dims[i] >= 0);
        count *= (uint64_t)a.dims[i];
    }
    FUZZ_CHECK(count == a.count);
    FUZZ_CHECK(a.bytes <= 8 * j->size); /* an int32_data of one byte may be eight bytes as int64 */
    fuzz_touch(a.data, a.bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static oxp_array (*const readers[])(oxp_arena *, const char *) = {oxp_read_npy, oxp_read_pb};
    const char *path = fuzz_file(data, size);
    for (size_t i = 0; i < sizeof readers / sizeof *readers; i++) {
        oxp_ctx *ctx = fuzz_ctx();
        job j = {ctx, path, readers[i], size};
        if (oxp_try(ctx, work, &j) != OXP_OK)
            fuzz_failed(ctx);
        oxp_ctx_free(ctx);
    }
    return 0;
}
