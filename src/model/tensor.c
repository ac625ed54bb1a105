/* tensor.c - public access to payloads: elements, raw bytes, statistics. */
#include <string.h>

#include "base/intern.h"
#include "base/parallel.h"
#include "model/convert.h"
#include "model/payload.h"

enum { SMALL = 1024 }; /* elements of a window on the stack */

/* Calls with a window on the stack; align `first` down for types below a byte. */
typedef struct small_window {
    oxp_payload p;
    oxp_eval e;
    double d[SMALL];
    _Alignas(16) uint8_t a[SMALL * 16];
    _Alignas(16) uint8_t b[SMALL * 8];
} small_window;

static void open_small(small_window *w, const oxp_model *m, oxp_id tensor, uint64_t first,
                       uint64_t n) {
    const oxp_tensor *t = &m->tensors[tensor];
    if (n > t->count || first > t->count - n)
        oxp_raise(m->ctx, OXP_E_INTERNAL, "%s: %s: elements beyond its end asked for", m->path,
                  oxp_tensor_label(m, tensor));
    oxp_payload_open(&w->p, m, tensor);
    w->e.a = w->a;
    w->e.b = w->b;
    w->e.d = w->d;
    w->e.elems = SMALL;
    oxp_eval_start(&w->e, &w->p);
}

static const uint8_t *small_eval(small_window *w, uint64_t first, size_t n) {
    const uint8_t *p = oxp_payload_eval(&w->p, &w->e, first, n);
    if (!p)
        oxp_payload_fail(w->p.m, w->p.chain[w->p.n - 1]);
    return p;
}

static void need_numbers(const oxp_model *m, oxp_id tensor, bool ok, const char *what) {
    if (!ok)
        oxp_raise(m->ctx, OXP_E_UNSUPPORTED, "%s: %s: %s elements cannot be read as %s", m->path,
                  oxp_tensor_label(m, tensor), oxp_dtype_name(m->tensors[tensor].dtype), what);
}

void oxp_tensor_doubles(const oxp_model *m, oxp_id tensor, uint64_t first, uint64_t n,
                        double *out) {
    small_window w;
    oxp_dtype t = m->tensors[tensor].dtype;
    need_numbers(m, tensor, oxp_dtype_convertible(t), "numbers");
    open_small(&w, m, tensor, first, n);
    while (n) {
        size_t lead = first % 8; /* whole bytes in every type */
        size_t k = n < SMALL - lead ? (size_t)n : SMALL - lead;
        double part[8 + SMALL];
        oxp_decode(t, small_eval(&w, first - lead, k + lead), k + lead, part);
        memcpy(out, part + lead, k * sizeof *out);
        out += k;
        first += k;
        n -= k;
    }
}

void oxp_tensor_ints(const oxp_model *m, oxp_id tensor, uint64_t first, uint64_t n, int64_t *out) {
    small_window w;
    oxp_dtype t = m->tensors[tensor].dtype;
    need_numbers(m, tensor, t == OXP_BOOL || oxp_dtype_is_integer(t), "integers");
    open_small(&w, m, tensor, first, n);
    while (n) {
        size_t lead = first % 8;
        size_t k = n < SMALL - lead ? (size_t)n : SMALL - lead;
        int64_t part[8 + SMALL];
        oxp_decode_ints(t, small_eval(&w, first - lead, k + lead), k + lead, part);
        memcpy(out, part + lead, k * sizeof *out);
        out += k;
        first += k;
        n -= k;
    }
}

void oxp_tensor_raw(const oxp_model *m, oxp_id tensor, uint64_t offset, size_t bytes, void *out) {
    small_window w;
    const oxp_tensor *t = &m->tensors[tensor];
    unsigned bits = oxp_dtype_bits(t->dtype);
    uint8_t *to = out;
    need_numbers(m, tensor, bits != 0, "bytes");
    open_small(&w, m, tensor, 0, 0);
    if (offset > t->bytes || bytes > t->bytes - offset)
        oxp_raise(m->ctx, OXP_E_INTERNAL, "%s: %s: bytes beyond its end asked for", m->path,
                  oxp_tensor_label(m, tensor));
    if (w.p.n == 1 && w.p.src && !w.p.typed) { /* as the file has them */
        if (!oxp_source_try_read(w.p.src, w.p.off + offset, out, bytes))
            oxp_payload_fail(m, tensor);
        return;
    }
    /* Whole groups of 8 elements: `bits` bytes each. */
    while (bytes) {
        uint64_t first = offset / bits * 8;
        size_t lead = (size_t)(offset % bits);
        size_t n = t->count - first < SMALL ? (size_t)(t->count - first) : SMALL;
        size_t have = (size_t)oxp_dtype_bytes(t->dtype, n) - lead;
        size_t k = bytes < have ? bytes : have;
        memcpy(to, small_eval(&w, first, n) + lead, k);
        to += k;
        offset += k;
        bytes -= k;
    }
}

/* ---- statistics ---- */
/* What was scanned once: tensors of the file never change, and a rewrite is first tried on a clone.
 * A recipe on a tensor of the file is known by what it says, since the clone's is another tensor.
 */
typedef struct known_stats {
    oxp_tensor_stats stats;
    oxp_dtype dtype;
    oxp_recipe recipe; /* base: the tensor of the file; no scale: it itself, or converted */
} known_stats;

struct oxp_stats_cache {
    oxp_arena *arena;
    oxp_map *index; /* key -> position in `known` */
    known_stats *known;
    size_t n, cap;
};

void oxp_stats_share(oxp_model *m) {
    if (m->stats)
        return;
    m->stats = OXP_NEW(m->arena, struct oxp_stats_cache);
    m->stats->arena = m->arena;
    m->stats->index = oxp_map_new(m->arena);
}

static bool is_of_file(const oxp_tensor *t) {
    return t->src.len && !t->recipe && t->storage != OXP_STORE_MEMORY;
}

/* What the elements of a tensor are, as said by the file and at most one recipe; false: by more. */
static bool origin_of(const oxp_model *m, oxp_id tensor, oxp_recipe *r) {
    const oxp_tensor *t = &m->tensors[tensor];
    *r = (oxp_recipe){.base = tensor};
    if (t->recipe)
        *r = *t->recipe;
    return is_of_file(&m->tensors[r->base]);
}

static bool same_recipe(const oxp_recipe *a, const oxp_recipe *b) {
    return a->base == b->base && a->saturate == b->saturate && a->n_scale == b->n_scale &&
           !memcmp(a->div, b->div, sizeof a->div) && !memcmp(a->mod, b->mod, sizeof a->mod) &&
           !memcmp(a->mul, b->mul, sizeof a->mul) &&
           (!a->n_scale || !memcmp(a->scale, b->scale, a->n_scale * sizeof *a->scale));
}

/* FNV-1a over base, type and scale; what else differs is found by same_recipe. */
static uintptr_t key_of(const oxp_recipe *r, oxp_dtype t) {
    uint64_t h = 14695981039346656037u, word;
    h = (h ^ r->base) * 1099511628211u;
    h = (h ^ (uint64_t)t) * 1099511628211u;
    for (size_t i = 0; i < r->n_scale; i++) {
        memcpy(&word, &r->scale[i], sizeof word);
        h = (h ^ word) * 1099511628211u;
    }
    return (uintptr_t)h;
}

static bool recall(const oxp_model *m, oxp_id tensor, oxp_tensor_stats *out) {
    oxp_recipe r;
    uint32_t at;
    oxp_dtype t = m->tensors[tensor].dtype;
    if (!m->stats || !origin_of(m, tensor, &r) ||
        !oxp_map_get(m->stats->index, key_of(&r, t), &at) || m->stats->known[at].dtype != t ||
        !same_recipe(&m->stats->known[at].recipe, &r))
        return false;
    *out = m->stats->known[at].stats;
    return true;
}

static void remember(const oxp_model *m, oxp_id tensor, const oxp_tensor_stats *stats) {
    struct oxp_stats_cache *c = m->stats;
    known_stats k = {*stats, m->tensors[tensor].dtype, {0}};
    if (!c || !origin_of(m, tensor, &k.recipe))
        return;
    uintptr_t key = key_of(&k.recipe, k.dtype);
    if (k.recipe.n_scale) {
        double *scale = OXP_NEWS(c->arena, k.recipe.n_scale, double);
        memcpy(scale, k.recipe.scale, k.recipe.n_scale * sizeof *scale);
        k.recipe.scale = scale;
    }
    c->known = oxp_grow(c->arena, c->known, &c->cap, c->n + 1, sizeof *c->known);
    c->known[c->n] = k;
    oxp_map_set(c->index, key, (uint32_t)c->n++);
}

typedef struct scan {
    oxp_payload p;
    oxp_dtype dtype;
    uint64_t count;
    oxp_eval *eval[OXP_WORKERS_MAX];
    oxp_tensor_stats stats[OXP_WORKERS_MAX];
} scan;

static bool scan_window(void *arg, uint64_t task, unsigned worker) {
    scan *s = arg;
    oxp_eval *e = s->eval[worker];
    uint64_t first = task * OXP_WINDOW_ELEMS, left = s->count - first;
    size_t n = left < OXP_WINDOW_ELEMS ? (size_t)left : OXP_WINDOW_ELEMS;
    const uint8_t *bytes = oxp_payload_eval(&s->p, e, first, n);
    if (!bytes)
        return false;
    if (s->dtype == OXP_FLOAT) {
        oxp_stats_f32(&s->stats[worker], (const float *)(const void *)bytes, n);
    } else {
        oxp_decode(s->dtype, bytes, n, e->d);
        oxp_stats_doubles(&s->stats[worker], e->d, n);
    }
    return true;
}

void oxp_tensor_scan(const oxp_model *m, oxp_id tensor, oxp_tensor_stats *out) {
    const oxp_tensor *t = &m->tensors[tensor];
    if (recall(m, tensor, out))
        return;
    need_numbers(m, tensor, oxp_dtype_convertible(t->dtype), "numbers");
    oxp_arena *arena = oxp_arena_new(m->ctx);
    scan *s = OXP_NEW(arena, scan);
    oxp_payload_open(&s->p, m, tensor);
    s->dtype = t->dtype;
    s->count = t->count;
    uint64_t tasks = t->count / OXP_WINDOW_ELEMS + (t->count % OXP_WINDOW_ELEMS != 0);
    unsigned workers = s->p.typed ? 1 : oxp_workers(tasks);
    size_t elems = t->count < OXP_WINDOW_ELEMS ? (size_t)t->count : OXP_WINDOW_ELEMS;
    for (unsigned i = 0; i < workers; i++) {
        s->eval[i] = oxp_eval_new(arena, elems);
        oxp_eval_start(s->eval[i], &s->p);
        oxp_stats_start(&s->stats[i]);
    }
    if (!oxp_parallel(tasks, workers, scan_window, s))
        oxp_payload_fail(m, tensor);
    *out = s->stats[0];
    for (unsigned i = 1; i < workers; i++)
        oxp_stats_merge(out, &s->stats[i]);
    oxp_stats_finish(out);
    remember(m, tensor, out);
    oxp_arena_free(arena);
}
