/* fuzz_external.c - any bytes as the external data of a tensor: location, offset and length, each
 * up to a line end.  The model lies in a folder with files, folders, links and a pipe; whatever is
 * opened lies below that folder, and of it no more is read than it has. */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/source.h"
#include "fuzz/fuzz.h"
#include "model/load.h"
#include "onnxpert/onnxpert.h"

enum { INSIDE = 4 }; /* files below the folder, one of them by a second name */

static char folder[64], model[80];
static ino_t inside[INSIDE];

static void put(const char *name, const char *text) {
    int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    FUZZ_CHECK(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    close(fd);
}

static void clean(void) {
    static const char *const files[] = {"model.onnx", "a.bin", "d/b.bin", "d/e/c", "d/up",
                                        "out",        "pipe",  "out/far", "link"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char path[100];
        snprintf(path, sizeof path, "%s/in/%s", folder, files[i]);
        unlink(path);
    }
    char path[100];
    static const char *const folders[] = {"in/d/e", "in/d", "in", "secret", ""};
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, folders[i]);
        if (remove(path) != 0)
            rmdir(path);
    }
}

/* FOLDER/secret is outside; FOLDER/in holds the model. */
static void set_up(void) {
    static const char *const files[INSIDE] = {"in/a.bin", "in/d/b.bin", "in/d/e/c",
                                              "in/model.onnx"};
    struct stat st;
    fuzz_folder(folder, sizeof folder);
    atexit(clean);
    int at = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC), here = open(".", O_RDONLY);
    FUZZ_CHECK(at >= 0 && here >= 0 && fchdir(at) == 0);
    FUZZ_CHECK(mkdir("in", 0700) == 0 && mkdir("in/d", 0700) == 0 && mkdir("in/d/e", 0700) == 0);
    put("secret", "SECRET");
    for (size_t i = 0; i < INSIDE; i++) {
        put(files[i], "0123456789abcdef0123456789abcdef");
        FUZZ_CHECK(stat(files[i], &st) == 0);
        inside[i] = st.st_ino;
    }
    FUZZ_CHECK(symlink("..", "in/out") == 0 && symlink("../../secret", "in/d/up") == 0);
    FUZZ_CHECK(symlink("a.bin", "in/link") == 0 && mkfifo("in/pipe", 0600) == 0);
    FUZZ_CHECK(fchdir(here) == 0);
    close(at);
    close(here);
    snprintf(model, sizeof model, "%s/in/model.onnx", folder);
}

/* ---- a model of one tensor ---- */

static size_t put_varint(uint8_t *p, size_t v) {
    size_t n = 0;
    for (; v >= 0x80; v >>= 7)
        p[n++] = (uint8_t)(v | 0x80);
    p[n++] = (uint8_t)v;
    return n;
}

static size_t put_bytes(uint8_t *p, uint8_t tag, const void *bytes, size_t n) {
    p[0] = tag;
    size_t k = 1 + put_varint(p + 1, n);
    memcpy(p + k, bytes, n);
    return k + n;
}

static size_t put_entry(uint8_t *p, const char *key, const uint8_t *value, size_t n) {
    uint8_t entry[1200];
    size_t k = put_bytes(entry, 0x0a, key, strlen(key));
    k += put_bytes(entry + k, 0x12, value, n);
    return put_bytes(p, 0x6a, entry, k); /* TensorProto.external_data */
}

/* Writes the model whose initializer has the three lines as its external data. */
static void write_model(const uint8_t *data, size_t size) {
    static const char *const keys[] = {"location", "offset", "length"};
    static const uint8_t start[] = {0x08, 4,   0x10, 1, 0x42,
                                    1,    'w', 0x70, 1}; /* 4 floats, external */
    uint8_t tensor[4000], graph[4100], all[4200];
    memcpy(tensor, start, sizeof start);
    size_t n = sizeof start;
    for (size_t i = 0; i < 3 && size; i++) {
        const uint8_t *end = memchr(data, '\n', size);
        size_t k = end ? (size_t)(end - data) : size;
        n += put_entry(tensor + n, keys[i], data, k < 1000 ? k : 1000);
        size -= end ? k + 1 : k;
        data += end ? k + 1 : k;
    }
    n = put_bytes(graph, 0x2a, tensor, n);
    n = put_bytes(all, 0x3a, graph, n);
    all[n++] = 0x08; /* ir_version 8 */
    all[n++] = 8;
    n += put_bytes(all + n, 0x42, "\x10\x11", 2); /* opset 17 */
    int fd = open(model, O_WRONLY | O_TRUNC | O_CLOEXEC);
    FUZZ_CHECK(fd >= 0 && write(fd, all, n) == (ssize_t)n);
    close(fd);
}

/* ---- the check ---- */

typedef struct job {
    const oxp_model *m;
    oxp_arena *arena;
} job;

static void read_all(void *arg) {
    job *j = arg;
    double v[4];
    for (uint32_t i = 0; i < j->m->n_files; i++) {
        struct stat st;
        oxp_source *s = oxp_model_external(j->m, i);
        bool good = false;
        FUZZ_CHECK(fstat(oxp_source_fileno(s), &st) == 0 && S_ISREG(st.st_mode));
        for (size_t k = 0; k < INSIDE; k++)
            good |= st.st_ino == inside[k];
        FUZZ_CHECK(good);
    }
    for (oxp_id i = 0; i < oxp_tensor_count(j->m); i++)
        oxp_tensor_doubles(j->m, i, 0, 4, v);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (!folder[0])
        set_up();
    write_model(data, size);
    fuzz_file(data, size); /* counts open files */
    oxp_model *m;
    oxp_ctx *ctx = fuzz_ctx();
    bool failed = oxp_open(&m, ctx, model) != OXP_OK;
    if (!failed) {
        job j = {m, NULL};
        failed = oxp_try(ctx, read_all, &j) != OXP_OK;
        oxp_close(m);
    }
    if (failed)
        fuzz_failed(ctx);
    oxp_ctx_free(ctx);
    return 0;
}
