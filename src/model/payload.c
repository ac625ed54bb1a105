/* payload.c - carries out recipes: stored bytes, scale, round, once per recipe of the chain.
 *
 * A recipe's elements are those of its base *as its base's type has them*, so that rewriting in one
 * run or in several gives the same bytes. */
#include <string.h>

#include "model/convert.h"
#include "model/payload.h"

const char *oxp_tensor_label(const oxp_model *m, oxp_id tensor) {
    const oxp_tensor *t = &m->tensors[tensor];
    return t->name && t->name[0] ? oxp_sprintf(m->arena, "tensor '%.120s'", t->name) : "a tensor";
}

void oxp_payload_fail(const oxp_model *m, oxp_id tensor) {
    oxp_raise(m->ctx, OXP_E_IO, "%s: %s: its data cannot be read: a file is shorter than it was",
              m->path, oxp_tensor_label(m, tensor));
}

/* The chain from the stored tensor to this one; false when it is too long. */
static bool follow(oxp_payload *p, oxp_id tensor) {
    unsigned n = 0;
    for (oxp_id id = tensor;; id = p->m->tensors[id].recipe->base) {
        if (n == OXP_CHAIN_MAX)
            return false;
        p->chain[n++] = id;
        if (!p->m->tensors[id].recipe)
            break;
    }
    for (unsigned i = 0; i < n / 2; i++) {
        oxp_id swap = p->chain[i];
        p->chain[i] = p->chain[n - 1 - i];
        p->chain[n - 1 - i] = swap;
    }
    p->n = n;
    return true;
}

bool oxp_tensor_readable(const oxp_model *m, oxp_id tensor) {
    oxp_payload p = {.m = m};
    if (tensor >= m->n_tensors || !follow(&p, tensor))
        return false;
    const oxp_tensor *base = &m->tensors[p.chain[0]];
    if (base->sparse || base->dtype == OXP_STRING)
        return false;
    if (base->storage == OXP_STORE_EXTERNAL)
        return base->bytes == 0 || m->files[base->file].found;
    return base->storage != OXP_STORE_NONE || base->count == 0;
}

void oxp_payload_open(oxp_payload *p, const oxp_model *m, oxp_id tensor) {
    memset(p, 0, sizeof *p);
    p->m = m;
    if (!follow(p, tensor))
        oxp_raise(m->ctx, OXP_E_LIMIT, "%s: %s: more than %u recipes on top of each other", m->path,
                  oxp_tensor_label(m, tensor), OXP_CHAIN_MAX);
    const oxp_tensor *base = &m->tensors[p->chain[0]];
    if (base->sparse || base->dtype == OXP_STRING)
        oxp_raise(m->ctx, OXP_E_UNSUPPORTED,
                  "%s: %s: elements of a %s tensor are not numbers to read", m->path,
                  oxp_tensor_label(m, tensor), base->sparse ? "sparse" : "string");
    if (!base->count)
        return;
    switch (base->storage) {
    case OXP_STORE_NONE:
        oxp_raise(m->ctx, OXP_E_UNSUPPORTED, "%s: %s: it has no data", m->path,
                  oxp_tensor_label(m, tensor));
    case OXP_STORE_RAW:
    case OXP_STORE_TYPED:
        p->src = m->source;
        p->off = base->data.off;
        p->typed = base->storage == OXP_STORE_TYPED;
        p->mem = base->mem;
        break;
    case OXP_STORE_EXTERNAL:
        p->src = oxp_model_external(m, base->file);
        p->off = base->data.off;
        break;
    case OXP_STORE_MEMORY:
        p->mem = base->mem;
        break;
    }
}

oxp_eval *oxp_eval_new(oxp_arena *arena, size_t elems) {
    oxp_eval *e = OXP_NEW(arena, oxp_eval);
    e->a = oxp_alloc(arena, elems, 16);
    e->b = oxp_alloc(arena, elems, 8);
    e->d = oxp_alloc(arena, elems, sizeof(double));
    e->elems = elems;
    return e;
}

void oxp_eval_start(oxp_eval *e, const oxp_payload *p) {
    const oxp_tensor *base = &p->m->tensors[p->chain[0]];
    if (p->typed)
        oxp_typed_open(&e->typed, p->src, base->data, base->dtype);
}

/* Stored bytes of elements [first, first + n). */
static bool read_stored(const oxp_payload *p, oxp_eval *e, uint64_t first, size_t n) {
    oxp_dtype t = p->m->tensors[p->chain[0]].dtype;
    uint64_t off = oxp_dtype_bytes(t, first);
    size_t bytes = (size_t)oxp_dtype_bytes(t, n);
    if (p->mem) {
        memcpy(e->a, p->mem + off, bytes);
        return true;
    }
    if (p->typed)
        return oxp_typed_read(&e->typed, off / e->typed.unit, bytes / e->typed.unit, e->a);
    return oxp_source_try_read(p->src, p->off + off, e->a, bytes);
}

/* ---- scale ---- */
/* One term of a recipe's index, counted up instead of divided out. */
typedef struct term {
    uint64_t div, mod, mul, rest, q;
} term;

static void start_terms(const oxp_recipe *r, uint64_t i, term t[2]) {
    for (int k = 0; k < 2; k++) {
        t[k] = (term){r->div[k], r->mod[k], r->mul[k], 0, 0};
        if (!t[k].mod) { /* off */
            t[k] = (term){UINT64_MAX, 1, 0, 0, 0};
            continue;
        }
        t[k].rest = i % t[k].div;
        t[k].q = i / t[k].div % t[k].mod;
    }
}

/* How many elements from here on share the index; and past them. */
static uint64_t run_of(const term t[2]) {
    uint64_t a = t[0].div - t[0].rest, b = t[1].div - t[1].rest;
    return a < b ? a : b;
}

static void advance(term t[2], uint64_t n) {
    for (int k = 0; k < 2; k++) {
        t[k].rest += n;
        if (t[k].rest == t[k].div) {
            t[k].rest = 0;
            t[k].q = t[k].q + 1 == t[k].mod ? 0 : t[k].q + 1;
        }
    }
}

static void scale_floats(const oxp_recipe *r, uint64_t first, size_t n, float *x) {
    term t[2];
    start_terms(r, first, t);
    for (size_t i = 0; i < n;) {
        uint64_t run = run_of(t);
        double s = r->scale[r->n_scale == 1 ? 0 : t[0].q * t[0].mul + t[1].q * t[1].mul];
        if (run > n - i)
            run = n - i;
        if (run == 1)
            x[i] = (float)((double)x[i] * s);
        else
            oxp_scale_f32(x + i, s, (size_t)run);
        i += run;
        advance(t, run);
    }
}

static void scale_doubles(const oxp_recipe *r, uint64_t first, size_t n, double *x) {
    term t[2];
    start_terms(r, first, t);
    for (size_t i = 0; i < n;) {
        uint64_t run = run_of(t);
        double s = r->scale[r->n_scale == 1 ? 0 : t[0].q * t[0].mul + t[1].q * t[1].mul];
        if (run > n - i)
            run = n - i;
        for (size_t j = 0; j < run; j++)
            x[i + j] *= s;
        i += run;
        advance(t, run);
    }
}

const uint8_t *oxp_payload_eval(const oxp_payload *p, oxp_eval *e, uint64_t first, size_t n) {
    const oxp_tensor *tensors = p->m->tensors;
    if (!read_stored(p, e, first, n))
        return NULL;
    uint8_t *now = e->a, *other = e->b;
    for (unsigned i = 1; i < p->n; i++) {
        const oxp_tensor *t = &tensors[p->chain[i]];
        const oxp_recipe *r = t->recipe;
        oxp_dtype from = tensors[p->chain[i - 1]].dtype;
        if (from == OXP_FLOAT && t->dtype == OXP_FLOAT && !r->saturate) {
            if (r->n_scale)
                scale_floats(r, first, n, (float *)(void *)now);
            continue;
        }
        if (from == t->dtype && !r->n_scale)
            continue;
        if (from == OXP_FLOAT && t->dtype == OXP_FLOAT16 && !r->n_scale) {
            oxp_half_from_f32((const float *)(const void *)now, n, r->saturate,
                              (uint16_t *)(void *)other);
        } else if (from == OXP_FLOAT && t->dtype == OXP_BFLOAT16 && !r->n_scale) {
            oxp_bfloat16_from_f32((const float *)(const void *)now, n, r->saturate,
                                  (uint16_t *)(void *)other);
        } else {
            oxp_decode(from, now, n, e->d);
            if (r->n_scale)
                scale_doubles(r, first, n, e->d);
            oxp_encode(t->dtype, e->d, n, r->saturate, other);
        }
        uint8_t *swap = now;
        now = other;
        other = swap;
    }
    return now;
}
