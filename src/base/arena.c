/* arena.c - zero-filled memory with a ceiling, freed as a whole.
 *
 * Blocks grow geometrically up to 1 MiB; larger requests get a block of their own.  What-ifs make
 * and free the same arenas again and again: the context keeps a few of the larger blocks for the
 * next one, and what was handed out of them is zeroed when it is again (a fifth of the time of
 * `advise` went into fresh pages).  With OXP_ARENA_DEBUG each item is its own block, so that
 * sanitizers see every overrun and every use after a rewind.  With OXP_ARENA_POISON, for the fuzz
 * targets, blocks are as ever, but what is not handed out is poisoned and lies between the items:
 * an overrun is seen, and a use after a rewind until the place is taken again; five times as fast.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/ceiling.h"
#include "base/ctx_impl.h"
#include "base/fault.h"
#include "base/safe_math.h"

#ifdef OXP_ARENA_POISON
#include <sanitizer/asan_interface.h>
enum { RED_ZONE = 16 };
#define POISON(at, n)   ASAN_POISON_MEMORY_REGION(at, n)
#define UNPOISON(at, n) ASAN_UNPOISON_MEMORY_REGION(at, n)
#else
enum { RED_ZONE = 0 };
#define POISON(at, n)   ((void)0)
#define UNPOISON(at, n) ((void)0)
#endif

#if defined OXP_ARENA_DEBUG || defined OXP_ARENA_POISON
enum { KEEPS_BLOCKS = 0 }; /* freed memory goes into the sanitizer's quarantine */
#else
enum { KEEPS_BLOCKS = 1 };
#endif

typedef struct block {
    struct block *prev;
    size_t size, used;
    size_t touched; /* bytes that were handed out before a rewind: zeroed when they are again */
    _Alignas(16) unsigned char data[];
} block;

struct oxp_arena {
    oxp_ctx *ctx;
    oxp_arena *next, **link; /* in the list of the context, or of the arena that owns it */
    oxp_arena *owned;
    block *last;
    size_t bytes;
};

enum { FIRST_BLOCK = 4096, KEPT_BLOCK = 1 << 16, LARGEST_BLOCK = 1 << 20, ALIGN = 16 };
enum { SPARE_LEAST = 1 << 15, SPARE_MOST = 1 << 22, SPARES_MAX = 1 << 24 }; /* bytes */

static oxp_arena *new_in(oxp_ctx *ctx, oxp_arena **list) {
    oxp_arena *a = oxp_fault_hit() ? NULL : calloc(1, sizeof *a);
    if (!a)
        return NULL;
    a->ctx = ctx;
    a->next = *list;
    a->link = list;
    if (*list)
        (*list)->link = &a->next;
    *list = a;
    return a;
}

oxp_arena *oxp_arena_try_new(oxp_ctx *ctx) {
    return new_in(ctx, &ctx->arenas);
}

oxp_arena *oxp_arena_child(oxp_arena *parent) {
    oxp_arena *a = new_in(parent->ctx, &parent->owned);
    if (!a)
        oxp_raise(parent->ctx, OXP_E_NOMEM, "out of memory");
    return a;
}

oxp_arena *oxp_arena_new(oxp_ctx *ctx) {
    oxp_arena *a = oxp_arena_try_new(ctx);
    if (!a)
        oxp_raise(ctx, OXP_E_NOMEM, "out of memory");
    return a;
}

void oxp_arena_drop_spares(oxp_ctx *ctx) {
    while (ctx->spares) {
        block *b = ctx->spares;
        ctx->spares = b->prev;
        free(b);
    }
    ctx->spare = 0;
}

static void give_back(oxp_ctx *ctx, block *b) {
    if (KEEPS_BLOCKS && b->size >= SPARE_LEAST && b->size <= SPARE_MOST &&
        ctx->spare + b->size <= SPARES_MAX) {
        if (b->touched < b->used)
            b->touched = b->used;
        b->prev = ctx->spares;
        ctx->spares = b;
        ctx->spare += b->size;
        return;
    }
    free(b);
}

/* A block that was given back and has `need` bytes and not much more than `size`. */
static block *take_spare(oxp_ctx *ctx, size_t need, size_t size) {
    for (block **at = &ctx->spares; *at; at = &(*at)->prev) {
        block *b = *at;
        if (b->size < need || b->size > size + size / 4 || b->size > ctx->cap - ctx->used)
            continue;
        *at = b->prev;
        ctx->spare -= b->size;
        return b;
    }
    return NULL;
}

static block *new_block(oxp_ctx *ctx, size_t need, size_t size) {
    block *b = take_spare(ctx, need, size);
    if (b)
        return b;
    if (ctx->spare > ctx->cap - ctx->used - size)
        oxp_arena_drop_spares(ctx);
    b = calloc(1, sizeof *b + size);
    if (!b && ctx->spares) {
        oxp_arena_drop_spares(ctx);
        b = calloc(1, sizeof *b + size);
    }
    if (b)
        b->size = size;
    return b;
}

static void drop_block(oxp_arena *a) {
    block *b = a->last;
    a->last = b->prev;
    a->bytes -= b->size;
    a->ctx->used -= b->size;
    give_back(a->ctx, b);
}

void oxp_arena_free(oxp_arena *a) {
    if (!a)
        return;
    while (a->owned)
        /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): each takes itself out of the list */
        oxp_arena_free(a->owned);
    while (a->last)
        drop_block(a);
    *a->link = a->next;
    if (a->next)
        a->next->link = a->link;
    free(a);
}

oxp_ctx *oxp_arena_ctx(const oxp_arena *a) {
    return a->ctx;
}

size_t oxp_arena_bytes(const oxp_arena *a) {
    return a->bytes;
}

/* Room for `need` bytes in a fresh block; NULL when the ceiling or the system says no. */
static block *add_block(oxp_arena *a, size_t need) {
    size_t size = FIRST_BLOCK;
#ifdef OXP_ARENA_DEBUG
    size = need;
#else
    if (a->last && a->last->size >= size)
        size = a->last->size < LARGEST_BLOCK / 2 ? a->last->size * 2 : LARGEST_BLOCK;
    if (size < need || size > a->ctx->cap - a->ctx->used)
        size = need; /* near the ceiling no more than is asked for */
#endif
    if (size > a->ctx->cap || a->ctx->used > a->ctx->cap - size || size > SIZE_MAX - sizeof(block))
        return NULL;
    block *b = oxp_fault_hit() ? NULL : new_block(a->ctx, need, size);
    if (!b)
        return NULL;
    b->prev = a->last;
    b->used = 0;
    a->last = b;
    a->bytes += b->size;
    a->ctx->used += b->size;
    POISON(b->data, b->size);
    return b;
}

void *oxp_try_alloc(oxp_arena *a, size_t n, size_t size) {
    size_t bytes;
    if (__builtin_mul_overflow(n, size, &bytes) || bytes > SIZE_MAX / 2)
        return NULL;
    size_t asked = bytes;
    bytes = (bytes ? (bytes + ALIGN - 1) & ~(size_t)(ALIGN - 1) : ALIGN) + RED_ZONE;
    block *b = a->last;
    if (!b || b->size - b->used < bytes)
        b = add_block(a, bytes);
    if (!b)
        return NULL;
    void *p = b->data + b->used;
    (void)asked; /* but for the poison */
    UNPOISON(p, bytes);
    if (b->used < b->touched) {
        size_t old = b->touched - b->used;
        memset(p, 0, old < bytes ? old : bytes);
    }
    POISON((char *)p + asked, bytes - asked);
    b->used += bytes;
    return p;
}

void oxp_alloc_failed(oxp_arena *a, size_t n, size_t size) {
    size_t bytes;
    bool huge = __builtin_mul_overflow(n, size, &bytes) || bytes > a->ctx->cap ||
                a->ctx->used > a->ctx->cap - bytes;
    if (huge)
        oxp_raise(a->ctx, OXP_E_LIMIT, "needs more memory than the limit of %zu MiB",
                  a->ctx->cap >> 20);
    oxp_raise(a->ctx, OXP_E_NOMEM, "out of memory");
}

void *oxp_alloc(oxp_arena *a, size_t n, size_t size) {
    void *p = oxp_try_alloc(a, n, size);
    if (!p)
        oxp_alloc_failed(a, n, size);
    return p;
}

void *oxp_grow(oxp_arena *a, void *old, size_t *cap, size_t need, size_t size) {
    if (need <= *cap)
        return old;
    size_t want = *cap ? *cap * 2 : 8;
    if (want < need)
        want = need;
    void *p = oxp_alloc(a, want, size);
    if (*cap)
        memcpy(p, old, *cap * size);
    *cap = want;
    return p;
}

char *oxp_memdup0(oxp_arena *a, const void *s, size_t n) {
    if (n == SIZE_MAX)
        oxp_raise(a->ctx, OXP_E_LIMIT, "a text is too long");
    char *p = oxp_alloc(a, n + 1, 1);
    if (n)
        memcpy(p, s, n);
    return p;
}

char *oxp_strdup(oxp_arena *a, const char *s) {
    return oxp_memdup0(a, s, strlen(s));
}

char *oxp_vsprintf(oxp_arena *a, const char *fmt, va_list ap) {
    va_list again;
    char here[256]; /* most texts are short: they are formatted once */
    va_copy(again, ap);
    int n = vsnprintf(here, sizeof here, fmt, ap);
    size_t len = n < 0 ? 0 : (size_t)n;
    char *p = oxp_alloc(a, len + 1, 1);
    if (len < sizeof here)
        memcpy(p, here, len);
    else
        vsnprintf(p, len + 1, fmt, again);
    va_end(again);
    return p;
}

char *oxp_sprintf(oxp_arena *a, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    char *p = oxp_vsprintf(a, fmt, ap);
    va_end(ap);
    return p;
}

oxp_mark oxp_arena_mark(const oxp_arena *a) {
    return (oxp_mark){a->last, a->last ? a->last->used : 0};
}

/* A scratch arena that is emptied after every step keeps its first block: getting and zeroing a new
 * one each time cost a quarter of an analysis. */
static bool kept_when_empty(const block *b) {
#ifdef OXP_ARENA_DEBUG
    (void)b;
    return false;
#else
    return b->prev == NULL && b->size <= KEPT_BLOCK;
#endif
}

void oxp_arena_rewind(oxp_arena *a, oxp_mark mark) {
    while (a->last && a->last != mark.block && (mark.block || !kept_when_empty(a->last)))
        drop_block(a);
    block *b = a->last;
    if (!b)
        return;
    if (b->touched < b->used)
        b->touched = b->used;
    b->used = mark.used;
    POISON(b->data + b->used, b->size - b->used);
}
