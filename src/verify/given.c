/* given.c - readers of given inputs: .npy files and ONNX's test data (TensorProto files). */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/safe_math.h"
#include "base/source.h"
#include "onnx.pb-c.h"
#include "verify/inputs.h"

static const char *read_whole(oxp_arena *arena, const char *path, size_t *len) {
    oxp_ctx *ctx = oxp_arena_ctx(arena);
    oxp_source *s = oxp_source_open(ctx, path);
    uint64_t size = oxp_source_size(s);
    if (size > OXP_INPUT_BYTES_MAX)
        oxp_raise(ctx, OXP_E_LIMIT, "%s: larger than %d MiB", path, OXP_INPUT_BYTES_MAX >> 20);
    char *text = oxp_alloc(arena, (size_t)size + 1, 1);
    oxp_source_read(s, 0, text, (size_t)size);
    oxp_source_close(s);
    *len = (size_t)size;
    return text;
}

static oxp_dtype npy_dtype(const char *header) {
    static const struct {
        const char *descr;
        oxp_dtype t;
    } map[] = {{"'<f4'", OXP_FLOAT},  {"'<f8'", OXP_DOUBLE}, {"'<f2'", OXP_FLOAT16},
               {"'<i8'", OXP_INT64},  {"'<i4'", OXP_INT32},  {"'<i2'", OXP_INT16},
               {"'|i1'", OXP_INT8},   {"'|u1'", OXP_UINT8},  {"'<u2'", OXP_UINT16},
               {"'<u4'", OXP_UINT32}, {"'<u8'", OXP_UINT64}, {"'|b1'", OXP_BOOL}};
    for (size_t i = 0; i < sizeof map / sizeof *map; i++)
        if (strstr(header, map[i].descr))
            return map[i].t;
    return OXP_UNDEFINED;
}

/* numpy.lib.format: magic, version, header length, a Python dict, the elements. */
oxp_array oxp_read_npy(oxp_arena *arena, const char *path) {
    oxp_ctx *ctx = oxp_arena_ctx(arena);
    size_t len;
    const char *file = read_whole(arena, path, &len);
    const unsigned char *u = (const unsigned char *)file;
    if (len < 12 || memcmp(file, "\x93NUMPY", 6) != 0 || u[6] < 1 || u[6] > 3)
        oxp_raise(ctx, OXP_E_FORMAT, "%s: is no .npy file", path);
    size_t start = u[6] == 1 ? 10 : 12;
    size_t header_len = u[6] == 1
                            ? u[8] | (size_t)u[9] << 8
                            : u[8] | (size_t)u[9] << 8 | (size_t)u[10] << 16 | (size_t)u[11] << 24;
    if (header_len > len - start)
        oxp_raise(ctx, OXP_E_FORMAT, "%s: the header is cut off", path);
    const char *header = oxp_memdup0(arena, file + start, header_len);
    const char *shape = strstr(header, "'shape':");
    shape = shape ? strchr(shape, '(') : NULL;
    oxp_array a = {.dtype = npy_dtype(header), .count = 1};
    if (!a.dtype || !shape || strstr(header, "'fortran_order': True"))
        oxp_raise(ctx, OXP_E_UNSUPPORTED, "%s: needs a little-endian numeric array in C order: %s",
                  path, header);
    int64_t *dims = OXP_NEWS(arena, 64, int64_t);
    for (shape++; *shape && *shape != ')';) {
        char *end;
        long long v = strtoll(shape, &end, 10);
        if (end == shape || a.rank == 64 || v < 0 || !oxp_mul_u64(a.count, (uint64_t)v, &a.count))
            oxp_raise(ctx, OXP_E_FORMAT, "%s: bad shape in the header", path);
        dims[a.rank++] = v;
        shape = end + strspn(end, ", ");
    }
    a.dims = dims;
    uint64_t bytes = oxp_dtype_bytes(a.dtype, a.count);
    if (bytes != len - start - header_len)
        oxp_raise(ctx, OXP_E_FORMAT, "%s: has %zu bytes of data, its shape says %llu", path,
                  len - start - header_len, (unsigned long long)bytes);
    a.bytes = (size_t)bytes;
    a.data = oxp_memdup0(arena, file + start + header_len, a.bytes); /* aligned */
    return a;
}

/* How many elements the typed field that belongs to the type holds (onnx.proto, TensorProto). */
static uint64_t typed_count(const Onnx__TensorProto *t, oxp_dtype type) {
    switch (type) {
    case OXP_FLOAT:
        return t->n_float_data;
    case OXP_DOUBLE:
        return t->n_double_data;
    case OXP_INT64:
        return t->n_int64_data;
    case OXP_UINT32:
    case OXP_UINT64:
        return t->n_uint64_data;
    default:
        return t->n_int32_data;
    }
}

/* Elements of a TensorProto's typed fields as raw bytes. */
static void unpack_typed(oxp_array *a, const Onnx__TensorProto *t) {
    if (a->dtype == OXP_FLOAT)
        memcpy(a->data, t->float_data, a->bytes);
    else if (a->dtype == OXP_DOUBLE)
        memcpy(a->data, t->double_data, a->bytes);
    else if (a->dtype == OXP_INT64)
        memcpy(a->data, t->int64_data, a->bytes);
    else if (a->dtype == OXP_UINT64)
        memcpy(a->data, t->uint64_data, a->bytes);
    else
        for (uint64_t i = 0; i < a->count; i++)
            oxp_store_int(a->data, i, a->dtype,
                          a->dtype == OXP_UINT32 ? (int64_t)t->uint64_data[i] : t->int32_data[i]);
}

/* protobuf-c's memory is the arena's, so that whatever raises leaves nothing behind. */
static void *arena_alloc(void *arena, size_t size) {
    return oxp_try_alloc(arena, size, 1);
}

static void arena_free(void *arena, void *p) {
    (void)arena, (void)p;
}

oxp_array oxp_read_pb(oxp_arena *arena, const char *path) {
    oxp_ctx *ctx = oxp_arena_ctx(arena);
    size_t len;
    const char *file = read_whole(arena, path, &len);
    ProtobufCAllocator allocator = {arena_alloc, arena_free, arena};
    Onnx__TensorProto *t = onnx__tensor_proto__unpack(&allocator, len, (const uint8_t *)file);
    if (!t)
        oxp_raise(ctx, OXP_E_FORMAT, "%s: is no TensorProto", path);
    oxp_array a = {.dtype = t->data_type > 0 && t->data_type < OXP_DTYPE_COUNT
                                ? (oxp_dtype)t->data_type
                                : OXP_UNDEFINED,
                   .rank = (int)t->n_dims,
                   .count = 1};
    int64_t *dims = OXP_NEWS(arena, t->n_dims + 1, int64_t);
    bool ok = t->n_dims <= 64 && oxp_fillable(a.dtype);
    for (size_t k = 0; ok && k < t->n_dims; k++) {
        dims[k] = t->dims[k];
        ok = dims[k] >= 0 && oxp_mul_u64(a.count, (uint64_t)dims[k], &a.count);
    }
    uint64_t bytes = ok ? oxp_dtype_bytes(a.dtype, a.count) : UINT64_MAX;
    if (bytes > OXP_INPUT_BYTES_MAX)
        oxp_raise(ctx, OXP_E_UNSUPPORTED, "%s: no tensor that can be fed", path);
    bool raw = t->has_raw_data;
    uint64_t held = raw ? t->raw_data.len : typed_count(t, a.dtype);
    if (held != (raw ? bytes : a.count)) /* before anything of the size that the shape claims */
        oxp_raise(ctx, OXP_E_FORMAT, "%s: holds %llu %s of data, its shape says %llu", path,
                  (unsigned long long)held, raw ? "bytes" : "elements",
                  (unsigned long long)(raw ? bytes : a.count));
    a.dims = dims;
    a.bytes = (size_t)bytes;
    a.data = oxp_alloc(arena, a.bytes + 1, 1);
    if (raw && bytes)
        memcpy(a.data, t->raw_data.data, a.bytes);
    else if (bytes)
        unpack_typed(&a, t);
    return a;
}

/* Type and rank are those of the input, and so are the sizes that its declaration fixes. */
static bool fits(const oxp_analysis *a, oxp_id input, const oxp_array *got) {
    const oxp_type *t = oxp_value_at(a->model, input)->declared;
    if (!t || t->kind != OXP_KIND_TENSOR || t->elem != got->dtype)
        return false;
    if (t->rank < 0)
        return true;
    if (t->rank != got->rank)
        return false;
    for (int k = 0; k < t->rank; k++)
        if (oxp_dim_is_literal(t->dims[k]) && t->dims[k] != got->dims[k])
            return false;
    return true;
}

oxp_array *oxp_inputs_read(const oxp_analysis *a, const char *folder, size_t *n, oxp_arena *arena) {
    const oxp_model *m = a->model;
    oxp_id *ids = oxp_fed_inputs(m, n, arena);
    oxp_array *all = OXP_NEWS(arena, *n + 1, oxp_array);
    for (size_t i = 0; i < *n; i++) {
        const char *npy = oxp_sprintf(arena, "%s/input_%zu.npy", folder, i);
        bool is_npy = access(npy, R_OK) == 0;
        const char *path = is_npy ? npy : oxp_sprintf(arena, "%s/input_%zu.pb", folder, i);
        all[i] = is_npy ? oxp_read_npy(arena, path) : oxp_read_pb(arena, path);
        all[i].name = oxp_value_at(m, ids[i])->name;
        if (!fits(a, ids[i], &all[i]))
            oxp_raise(oxp_model_ctx(m), OXP_E_UNSUPPORTED,
                      "%s: its type or shape is not that of input '%s' of %s", path, all[i].name,
                      oxp_model_path(m));
    }
    return all;
}

/* ---- folders ---- */

static bool holds_inputs(oxp_arena *arena, const char *folder) {
    return access(oxp_sprintf(arena, "%s/input_0.npy", folder), R_OK) == 0 ||
           access(oxp_sprintf(arena, "%s/input_0.pb", folder), R_OK) == 0;
}

static int by_name(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

const char *const *oxp_input_folders(oxp_arena *arena, const char *folder, size_t *n) {
    const char **all = NULL;
    size_t cap = 0;
    *n = 0;
    if (holds_inputs(arena, folder)) {
        all = OXP_NEWS(arena, 1, const char *);
        all[(*n)++] = folder;
        return all;
    }
    DIR *d = opendir(folder);
    if (!d)
        oxp_raise(oxp_arena_ctx(arena), OXP_E_UNSUPPORTED, "%s: %s", folder, strerror(errno));
    for (struct dirent *e; d && (e = readdir(d));) {
        const char *path = oxp_sprintf(arena, "%s/%s", folder, e->d_name);
        if (e->d_name[0] == '.' || !holds_inputs(arena, path))
            continue;
        all = oxp_grow(arena, all, &cap, *n + 1, sizeof *all);
        all[(*n)++] = path;
    }
    closedir(d);
    if (!*n)
        oxp_raise(oxp_arena_ctx(arena), OXP_E_UNSUPPORTED,
                  "%s: no input_0.npy or input_0.pb, here or in a folder below", folder);
    qsort(all, *n, sizeof *all, by_name);
    return all;
}
