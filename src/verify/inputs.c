/* inputs.c - random inputs by role, and the readers for given ones. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/half.h"
#include "base/safe_math.h"
#include "base/source.h"
#include "onnx.pb-c.h"
#include "verify/inputs.h"

enum { MOST_BYTES = 1 << 30 }; /* of one input: more would be a mistake in the sizes */

/* ---- random numbers: xoshiro256** (Blackman, Vigna 2018), seeded by SplitMix64 ---- */

typedef struct rng {
    uint64_t s[4];
} rng;

static void rng_seed(rng *r, uint64_t seed) {
    for (int i = 0; i < 4; i++) {
        uint64_t z = seed += 0x9e3779b97f4a7c15u;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        r->s[i] = z ^ (z >> 31);
    }
}

static uint64_t rng_next(rng *r) {
    uint64_t *s = r->s, x = s[1] * 5, result = ((x << 7) | (x >> 57)) * 9, t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = (s[3] << 45) | (s[3] >> 19);
    return result;
}

static double rng_unit(rng *r) {
    return (double)(rng_next(r) >> 11) * 0x1p-53;
}

/* Box and Muller 1958. */
static double rng_normal(rng *r) {
    double u = 1 - rng_unit(r), v = rng_unit(r);
    return sqrt(-2 * log(u)) * cos(6.283185307179586 * v);
}

/* ---- roles ---- */

/* Integers in [low, high), or counting up along the last axis. */
typedef struct role {
    int64_t low, high;
    bool counts;
} role;

/* Rows of the smallest constant table that the value indexes, looked at through casts and the like:
 * a consumer whose first input is a constant matrix and whose second is this value. */
static int64_t table_rows(const oxp_model *m, oxp_id value) {
    int64_t rows = 0;
    for (oxp_id u = oxp_value_at(m, value)->first_use; u != OXP_NONE; u = oxp_use_at(m, u)->next) {
        const oxp_use *use = oxp_use_at(m, u);
        const oxp_node *n = oxp_node_at(m, use->node);
        oxp_id table = use->slot == 1 ? oxp_constant_of(m, oxp_in(n, 0), true) : OXP_NONE;
        if (table == OXP_NONE)
            continue;
        const oxp_tensor *t = oxp_tensor_at(m, table);
        if (t->rank >= 1 && t->dims[0] > 0 && (!rows || t->dims[0] < rows))
            rows = t->dims[0];
    }
    return rows;
}

static role role_of(const oxp_model *m, oxp_id value) {
    const char *name = oxp_value_at(m, value)->name;
    int64_t rows = table_rows(m, value);
    if (strstr(name, "mask"))
        return (role){1, 2, false};
    if (strstr(name, "position"))
        return (role){0, rows ? rows : INT32_MAX, true};
    if (rows)
        return (role){0, rows, false};
    if (strstr(name, "type") || strstr(name, "segment"))
        return (role){0, 2, false};
    return (role){0, 4, false};
}

static void store_int(void *data, uint64_t i, oxp_dtype t, int64_t v) {
    unsigned bytes = oxp_dtype_bits(t) / 8;
    memcpy((char *)data + i * bytes, &v, bytes); /* little-endian: the low bytes */
}

static void store_float(void *data, uint64_t i, oxp_dtype t, double v) {
    if (t == OXP_DOUBLE) {
        ((double *)data)[i] = v;
    } else if (t == OXP_FLOAT) {
        ((float *)data)[i] = (float)v;
    } else {
        uint16_t h = t == OXP_FLOAT16 ? oxp_half_from_double(v) : oxp_bfloat16_from_double(v);
        memcpy((char *)data + 2 * i, &h, 2);
    }
}

static void fill(oxp_array *a, role r, rng *g) {
    int64_t last = a->rank ? a->dims[a->rank - 1] : 1;
    for (uint64_t i = 0; i < a->count; i++) {
        if (oxp_dtype_is_float(a->dtype)) {
            store_float(a->data, i, a->dtype, rng_normal(g));
            continue;
        }
        uint64_t span = (uint64_t)(r.high - r.low);
        int64_t v = r.counts ? (int64_t)(i % (uint64_t)last) % r.high
                             : r.low + (int64_t)(rng_next(g) % span);
        store_int(a->data, i, a->dtype, a->dtype == OXP_BOOL ? v & 1 : v);
    }
}

static bool fillable(oxp_dtype t) {
    return t == OXP_FLOAT || t == OXP_DOUBLE || t == OXP_FLOAT16 || t == OXP_BFLOAT16 ||
           t == OXP_BOOL || (oxp_dtype_is_integer(t) && oxp_dtype_bits(t) >= 8);
}

/* Name, type and shape of a graph input as analysed; raises when that cannot be fed. */
static oxp_array shape_input(const oxp_analysis *a, oxp_id value, oxp_arena *arena) {
    const oxp_model *m = a->model;
    const oxp_type *t = &a->values[value].type;
    oxp_array x = {.name = oxp_value_at(m, value)->name, .dtype = t->elem, .rank = t->rank};
    int64_t *dims = OXP_NEWS(arena, (size_t)(t->rank < 0 ? 0 : t->rank) + 1, int64_t);
    bool known = t->kind == OXP_KIND_TENSOR && t->rank >= 0 && fillable(t->elem);
    x.count = 1;
    for (int k = 0; known && k < t->rank; k++) {
        known = oxp_dim_is_literal(t->dims[k]) && t->dims[k] >= 0 &&
                oxp_mul_u64(x.count, (uint64_t)t->dims[k], &x.count);
        dims[k] = t->dims[k];
    }
    uint64_t bytes = known ? oxp_dtype_bytes(t->elem, x.count) : UINT64_MAX;
    if (bytes > MOST_BYTES)
        oxp_raise(oxp_model_ctx(m), OXP_E_UNSUPPORTED,
                  "%s: input '%s': no values can be made for its type and shape", oxp_model_path(m),
                  x.name);
    x.dims = dims;
    x.bytes = (size_t)bytes;
    return x;
}

/* The inputs that have to be fed, in order. */
static oxp_id *fed_inputs(const oxp_model *m, size_t *n, oxp_arena *arena) {
    const oxp_graph *g = oxp_graph_at(m, OXP_MAIN_GRAPH);
    oxp_id *ids = OXP_NEWS(arena, g->n_inputs + 1u, oxp_id);
    *n = 0;
    for (uint32_t i = 0; i < g->n_inputs; i++)
        if (oxp_value_at(m, g->inputs[i])->tensor == OXP_NONE)
            ids[(*n)++] = g->inputs[i];
    return ids;
}

oxp_array *oxp_inputs_random(const oxp_analysis *a, uint64_t seed, size_t *n, oxp_arena *arena) {
    oxp_id *ids = fed_inputs(a->model, n, arena);
    oxp_array *all = OXP_NEWS(arena, *n + 1, oxp_array);
    rng g;
    rng_seed(&g, seed);
    for (size_t i = 0; i < *n; i++) {
        all[i] = shape_input(a, ids[i], arena);
        all[i].data = oxp_alloc(arena, all[i].bytes + 1, 1);
        fill(&all[i], role_of(a->model, ids[i]), &g);
    }
    return all;
}

/* ---- given inputs ---- */

static const char *read_whole(oxp_arena *arena, const char *path, size_t *len) {
    oxp_ctx *ctx = oxp_arena_ctx(arena);
    oxp_source *s = oxp_source_open(ctx, path);
    uint64_t size = oxp_source_size(s);
    if (size > MOST_BYTES)
        oxp_raise(ctx, OXP_E_LIMIT, "%s: larger than %d MiB", path, MOST_BYTES >> 20);
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
    for (shape++; *shape && *shape != ')' && a.rank < 64;) {
        char *end;
        long long v = strtoll(shape, &end, 10);
        if (end == shape || v < 0 || !oxp_mul_u64(a.count, (uint64_t)v, &a.count))
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

/* Elements of a TensorProto's typed fields as raw bytes. */
static void unpack_typed(oxp_array *a, const Onnx__TensorProto *t) {
    for (uint64_t i = 0; i < a->count; i++) {
        if (a->dtype == OXP_FLOAT && i < t->n_float_data)
            ((float *)a->data)[i] = t->float_data[i];
        else if (a->dtype == OXP_DOUBLE && i < t->n_double_data)
            ((double *)a->data)[i] = t->double_data[i];
        else if (a->dtype == OXP_INT64 && i < t->n_int64_data)
            ((int64_t *)a->data)[i] = t->int64_data[i];
        else if (i < t->n_int32_data)
            store_int(a->data, i, a->dtype, t->int32_data[i]);
    }
}

oxp_array oxp_read_pb(oxp_arena *arena, const char *path) {
    oxp_ctx *ctx = oxp_arena_ctx(arena);
    size_t len;
    const char *file = read_whole(arena, path, &len);
    Onnx__TensorProto *t = onnx__tensor_proto__unpack(NULL, len, (const uint8_t *)file);
    if (!t)
        oxp_raise(ctx, OXP_E_FORMAT, "%s: is no TensorProto", path);
    oxp_array a = {.dtype = t->data_type > 0 && t->data_type < OXP_DTYPE_COUNT
                                ? (oxp_dtype)t->data_type
                                : OXP_UNDEFINED,
                   .rank = (int)t->n_dims,
                   .count = 1};
    int64_t *dims = OXP_NEWS(arena, t->n_dims + 1, int64_t);
    bool ok = t->n_dims <= 64 && fillable(a.dtype);
    for (size_t k = 0; ok && k < t->n_dims; k++) {
        dims[k] = t->dims[k];
        ok = dims[k] >= 0 && oxp_mul_u64(a.count, (uint64_t)dims[k], &a.count);
    }
    uint64_t bytes = ok ? oxp_dtype_bytes(a.dtype, a.count) : UINT64_MAX;
    if (bytes <= MOST_BYTES) {
        a.dims = dims;
        a.bytes = (size_t)bytes;
        a.data = oxp_alloc(arena, a.bytes + 1, 1);
        if (t->has_raw_data && t->raw_data.len == a.bytes)
            memcpy(a.data, t->raw_data.data, a.bytes);
        else
            unpack_typed(&a, t);
    }
    onnx__tensor_proto__free_unpacked(t, NULL);
    if (bytes > MOST_BYTES)
        oxp_raise(ctx, OXP_E_UNSUPPORTED, "%s: no tensor that can be fed", path);
    return a;
}

static bool matches(const oxp_array *want, const oxp_array *got) {
    if (want->dtype != got->dtype || want->rank != got->rank)
        return false;
    for (int k = 0; k < want->rank; k++)
        if (want->dims[k] != got->dims[k])
            return false;
    return true;
}

oxp_array *oxp_inputs_read(const oxp_analysis *a, const char *folder, size_t *n, oxp_arena *arena) {
    const oxp_model *m = a->model;
    oxp_id *ids = fed_inputs(m, n, arena);
    oxp_array *all = OXP_NEWS(arena, *n + 1, oxp_array);
    for (size_t i = 0; i < *n; i++) {
        const char *npy = oxp_sprintf(arena, "%s/input_%zu.npy", folder, i);
        bool is_npy = access(npy, R_OK) == 0;
        const char *path = is_npy ? npy : oxp_sprintf(arena, "%s/input_%zu.pb", folder, i);
        all[i] = is_npy ? oxp_read_npy(arena, path) : oxp_read_pb(arena, path);
        oxp_array want = shape_input(a, ids[i], arena);
        all[i].name = want.name;
        if (!matches(&want, &all[i]))
            oxp_raise(oxp_model_ctx(m), OXP_E_UNSUPPORTED,
                      "%s: type or shape is not that of input '%s' (bind its dimensions with "
                      "--dim or --input-shape)",
                      path, want.name);
    }
    return all;
}
