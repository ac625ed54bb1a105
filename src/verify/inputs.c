/* inputs.c - random inputs by role. */
#include <math.h>
#include <string.h>

#include "base/half.h"
#include "base/safe_math.h"
#include "verify/inputs.h"
#include "verify/roles.h"

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

/* ---- elements ---- */

void oxp_store_int(void *data, uint64_t i, oxp_dtype t, int64_t v) {
    unsigned bytes = oxp_dtype_bits(t) / 8;
    memcpy((char *)data + i * bytes, &v, bytes); /* little-endian: the low bytes */
}

void oxp_store_float(void *data, uint64_t i, oxp_dtype t, double v) {
    if (t == OXP_DOUBLE) {
        ((double *)data)[i] = v;
    } else if (t == OXP_FLOAT) {
        ((float *)data)[i] = (float)v;
    } else {
        uint16_t h = t == OXP_FLOAT16 ? oxp_half_from_double(v) : oxp_bfloat16_from_double(v);
        memcpy((char *)data + 2 * i, &h, 2);
    }
}

static void store(oxp_array *a, uint64_t i, double v) {
    if (oxp_dtype_is_float(a->dtype))
        oxp_store_float(a->data, i, a->dtype, v);
    else
        oxp_store_int(a->data, i, a->dtype, (int64_t)v);
}

static int64_t in_range(const oxp_role *r, rng *g) {
    return r->low + (int64_t)(rng_next(g) % (uint64_t)(r->high - r->low));
}

/* Rows along the last axis: a number of ones, the rest zeros. */
static void fill_mask(oxp_array *a, bool inverted, bool full, rng *g) {
    uint64_t last = a->rank ? (uint64_t)a->dims[a->rank - 1] : 1;
    for (uint64_t row = 0; last && row < a->count / last; row++) {
        uint64_t used = full ? last : 1 + rng_next(g) % last;
        for (uint64_t k = 0; k < last; k++)
            store(a, row * last + k, (k < used) != inverted);
    }
}

static void fill(oxp_array *a, const oxp_role *r, unsigned set, rng *g) {
    uint64_t last = a->rank && a->dims[a->rank - 1] ? (uint64_t)a->dims[a->rank - 1] : 1;
    if (r->kind == OXP_ROLE_MASK || r->kind == OXP_ROLE_PADDING) {
        fill_mask(a, r->kind == OXP_ROLE_PADDING, set == 0, g);
        return;
    }
    for (uint64_t i = 0; i < a->count; i++) {
        switch (r->kind) {
        case OXP_ROLE_NORMAL:
            store(a, i, rng_normal(g));
            break;
        case OXP_ROLE_UNIT:
            store(a, i, rng_unit(g));
            break;
        case OXP_ROLE_POSITIONS:
            store(a, i, (double)(i % last % (uint64_t)r->high));
            break;
        case OXP_ROLE_BOOLEAN:
            store(a, i, (double)(rng_next(g) >> 63));
            break;
        default:
            store(a, i, (double)in_range(r, g));
        }
    }
}

bool oxp_fillable(oxp_dtype t) {
    return t == OXP_FLOAT || t == OXP_DOUBLE || t == OXP_FLOAT16 || t == OXP_BFLOAT16 ||
           t == OXP_BOOL || (oxp_dtype_is_integer(t) && oxp_dtype_bits(t) >= 8);
}

/* ---- inputs ---- */

/* Name, type and shape of a graph input as analysed; raises when that cannot be fed. */
static oxp_array shape_input(const oxp_analysis *a, oxp_id value, oxp_arena *arena) {
    const oxp_model *m = a->model;
    const oxp_type *t = &a->values[value].type;
    oxp_array x = {.name = oxp_value_at(m, value)->name, .dtype = t->elem, .rank = t->rank};
    int64_t *dims = OXP_NEWS(arena, (size_t)(t->rank < 0 ? 0 : t->rank) + 1, int64_t);
    bool known = t->kind == OXP_KIND_TENSOR && t->rank >= 0 && oxp_fillable(t->elem);
    x.count = 1;
    for (int k = 0; known && k < t->rank; k++) {
        known = oxp_dim_is_literal(t->dims[k]) && t->dims[k] >= 0 &&
                oxp_mul_u64(x.count, (uint64_t)t->dims[k], &x.count);
        dims[k] = t->dims[k];
    }
    uint64_t bytes = known ? oxp_dtype_bytes(t->elem, x.count) : UINT64_MAX;
    if (bytes > OXP_INPUT_BYTES_MAX)
        oxp_raise(oxp_model_ctx(m), OXP_E_UNSUPPORTED,
                  "%s: input '%s': no values can be made for its type and shape", oxp_model_path(m),
                  x.name);
    x.dims = dims;
    x.bytes = (size_t)bytes;
    return x;
}

oxp_id *oxp_fed_inputs(const oxp_model *m, size_t *n, oxp_arena *arena) {
    const oxp_graph *g = oxp_graph_at(m, OXP_MAIN_GRAPH);
    oxp_id *ids = OXP_NEWS(arena, g->n_inputs + 1u, oxp_id);
    *n = 0;
    for (uint32_t i = 0; i < g->n_inputs; i++)
        if (oxp_value_at(m, g->inputs[i])->tensor == OXP_NONE)
            ids[(*n)++] = g->inputs[i];
    return ids;
}

oxp_array *oxp_inputs_random(const oxp_analysis *a, uint64_t seed, unsigned set, size_t *n,
                             oxp_arena *arena) {
    oxp_id *ids = oxp_fed_inputs(a->model, n, arena);
    oxp_array *all = OXP_NEWS(arena, *n + 1, oxp_array);
    rng g;
    rng_seed(&g, seed + set);
    for (size_t i = 0; i < *n; i++) {
        oxp_role role = oxp_role_of(a, ids[i], arena);
        all[i] = shape_input(a, ids[i], arena);
        all[i].data = oxp_alloc(arena, all[i].bytes + 1, 1);
        fill(&all[i], &role, set, &g);
    }
    return all;
}

/* ---- cases ---- */

size_t oxp_case_count(const oxp_cases *c) {
    return c->n_folders ? c->n_folders : c->n_sizes * c->sets;
}

const oxp_analysis *oxp_case_analysis(const oxp_cases *c, size_t at) {
    return c->sizes[c->n_folders ? 0 : at / c->sets];
}

const char *oxp_case_text(const oxp_cases *c, size_t at, oxp_arena *arena) {
    if (c->n_folders)
        return c->folders[at];
    const char *sizes = c->choices[at / c->sets].text;
    return oxp_sprintf(arena, "random inputs %zu%s%s", at % c->sets + 1, *sizes ? ", " : "", sizes);
}

oxp_array *oxp_case_inputs(const oxp_cases *c, size_t at, size_t *n, oxp_arena *arena) {
    const oxp_analysis *a = oxp_case_analysis(c, at);
    if (c->n_folders)
        return oxp_inputs_read(a, c->folders[at], n, arena);
    return oxp_inputs_random(a, c->seed, (unsigned)(at % c->sets), n, arena);
}
