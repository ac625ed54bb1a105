/* fill_weights - makes up the external weights of a model that comes without them.
 *
 *     fill_weights SKELETON.onnx OUT.onnx [--inline] [--seed N]
 *
 * OUT.onnx is a copy of the skeleton; its data files are made beside it under the names that the
 * model gives them (or everything goes into OUT.onnx: --inline).  The values are the same for the
 * same seed, and sane: weights by their fan-in, so that activations neither explode nor vanish,
 * variances and norm scales around 1. */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "model/convert.h"
#include "model/model_impl.h"

enum { WINDOW = 1 << 16 };

typedef struct filler {
    oxp_model *m;
    uint64_t seed;
    char folder[4096];
} filler;

static void die(const char *what, const char *why) {
    fprintf(stderr, "fill_weights: %s: %s\n", what, why);
    exit(1);
}

/* splitmix64 (Steele, Lea, Flood 2014): the n-th number of a stream without the ones before it. */
static uint64_t random_at(uint64_t seed, uint64_t n) {
    uint64_t z = seed + (n + 1) * 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* Values are centre +- spread, uniformly. */
static void range_of(const oxp_model *m, oxp_id value, double *centre, double *spread) {
    const oxp_value *v = &m->values[value];
    const oxp_tensor *t = &m->tensors[v->tensor];
    *centre = 0;
    *spread = 0.05;
    for (oxp_id u = v->first_use; u != OXP_NONE; u = m->uses[u].next) {
        const oxp_node *n = &m->nodes[m->uses[u].node];
        uint32_t slot = m->uses[u].slot;
        bool batch = oxp_node_is(n, "BatchNormalization");
        if ((batch && (slot == 1 || slot == 4)) ||
            (oxp_node_is(n, "LayerNormalization") && slot == 1)) {
            *centre = 1;
            *spread = 0.5;
            return;
        }
    }
    if (t->rank == 1 && strstr(t->name, "weight")) { /* scale of a decomposed normalization */
        *centre = 1;
        *spread = 0.1;
    } else if (t->rank >= 2 && t->count) {
        uint64_t fan_in = t->rank == 2 ? (uint64_t)t->dims[0] : t->count / (uint64_t)t->dims[0];
        *spread = sqrt(3.0 / (double)fan_in);
    }
}

static void fill(filler *x, oxp_id value, int fd) {
    static double v[WINDOW];
    static uint8_t bytes[WINDOW * sizeof(double)];
    const oxp_tensor *t = &x->m->tensors[x->m->values[value].tensor];
    double centre, spread;
    uint64_t seed = random_at(x->seed, x->m->values[value].tensor);
    range_of(x->m, value, &centre, &spread);
    if (!oxp_dtype_is_float(t->dtype)) {
        centre = 1; /* small integers */
        spread = 1;
    }
    for (uint64_t first = 0; first < t->count; first += WINDOW) {
        size_t n = t->count - first < WINDOW ? (size_t)(t->count - first) : WINDOW;
        for (size_t i = 0; i < n; i++)
            v[i] = centre + spread * ((double)(random_at(seed, first + i) >> 11) * 0x1p-52 - 1);
        oxp_encode(t->dtype, v, n, true, bytes);
        size_t len = (size_t)oxp_dtype_bytes(t->dtype, n);
        uint64_t at = t->data.off + oxp_dtype_bytes(t->dtype, first);
        if (pwrite(fd, bytes, len, (off_t)at) != (ssize_t)len)
            die(t->name, strerror(errno));
    }
}

static void fill_file(filler *x, uint32_t file) {
    char path[8192];
    const char *location = x->m->files[file].location;
    if (strchr(location, '/'))
        die(location, "data files in folders are not made");
    snprintf(path, sizeof path, "%s%s", x->folder, location);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0)
        die(path, strerror(errno));
    for (size_t i = 0; i < x->m->n_values; i++) {
        const oxp_value *v = &x->m->values[i];
        const oxp_tensor *t = v->tensor == OXP_NONE ? NULL : &x->m->tensors[v->tensor];
        if (t && t->storage == OXP_STORE_EXTERNAL && t->file == file)
            fill(x, (oxp_id)i, fd);
    }
    if (close(fd) != 0)
        die(path, strerror(errno));
}

static void remove_files(const filler *x) {
    char path[8192];
    for (size_t i = 0; i < x->m->n_files; i++) {
        snprintf(path, sizeof path, "%s%s", x->folder, x->m->files[i].location);
        unlink(path);
    }
}

static void check(oxp_ctx *ctx, oxp_status s) {
    if (s != OXP_OK)
        die("cannot go on", oxp_error_text(ctx));
}

/* Reads the filled model from `from` and writes it to `out` with its weights inside. */
static void save_inline(oxp_ctx *ctx, const char *from, const char *out) {
    oxp_model *m;
    oxp_save_opts opts = OXP_SAVE_OPTS_INIT;
    oxp_saved saved;
    opts.external = OXP_EXTERNAL_INLINE;
    check(ctx, oxp_open(&m, ctx, from));
    check(ctx, oxp_save(m, out, &opts, &saved));
}

int main(int argc, char **argv) {
    filler x = {.seed = 1};
    char copy[8192];
    bool inside = false;
    for (int i = 3; i < argc; i++) {
        if (!strcmp(argv[i], "--inline"))
            inside = true;
        else if (!strcmp(argv[i], "--seed") && i + 1 < argc)
            x.seed = strtoull(argv[++i], NULL, 10);
        else
            argc = 0;
    }
    if (argc < 3)
        die("usage", "fill_weights SKELETON.onnx OUT.onnx [--inline] [--seed N]");
    const char *out = argv[2], *slash = strrchr(out, '/');
    snprintf(x.folder, sizeof x.folder, "%.*s", slash ? (int)(slash + 1 - out) : 0, out);
    snprintf(copy, sizeof copy, "%s", out);
    if (inside) { /* beside the target, in a folder of its own until all is inside */
        snprintf(copy, sizeof copy, "%.4000s.fill-XXXXXX", out);
        if (!mkdtemp(copy))
            die(copy, strerror(errno));
        snprintf(x.folder, sizeof x.folder, "%.4090s/", copy);
        strcat(copy, "/model.onnx");
    }
    oxp_ctx *ctx = oxp_ctx_new(0);
    check(ctx, oxp_open(&x.m, ctx, argv[1]));
    check(ctx, oxp_save(x.m, copy, NULL, NULL));
    for (size_t i = 0; i < x.m->n_files; i++)
        fill_file(&x, (uint32_t)i);
    if (inside) {
        save_inline(ctx, copy, out);
        remove_files(&x);
        unlink(copy);
        rmdir(x.folder);
    }
    oxp_ctx_free(ctx);
    return 0;
}
