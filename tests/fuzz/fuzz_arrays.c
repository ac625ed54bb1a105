/* fuzz_arrays.c - any bytes as what verify reads: a .npy file, a TensorProto, a label file. */
#include "fuzz/fuzz.h"
#include "verify/inputs.h"
#include "verify/verify_impl.h"

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

static void read_labels(void *arg) {
    job *j = arg;
    size_t n;
    const size_t *lines;
    const int32_t *at = oxp_labels_read(oxp_arena_new(j->ctx), j->path, &lines, &n);
    for (size_t i = 0; i < n; i++)
        FUZZ_CHECK(at[i] >= 0 && (i == 0 || lines[i] > lines[i - 1]));
}

static void run(void (*what)(void *arg), job j) {
    j.ctx = fuzz_ctx();
    if (oxp_try(j.ctx, what, &j) != OXP_OK)
        fuzz_failed(j.ctx);
    oxp_ctx_free(j.ctx);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    job j = {NULL, fuzz_file(data, size), oxp_read_npy, size};
    run(work, j);
    j.read = oxp_read_pb;
    run(work, j);
    run(read_labels, j);
    return 0;
}
