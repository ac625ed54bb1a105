/* xml_memory.c - malloc for libxml2, with a reserve for each thread. */
#include <libxml/xmlmemory.h>
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/leave.h"
#include "base/xml_memory.h"

/* A parsed document with its schema takes about 20 bytes a byte and a megabyte besides. */
enum { RESERVE_BASE = 4 << 20, RESERVE_A_BYTE = 32, HEAD = 16 };

typedef struct reserve {
    unsigned char *at;
    size_t size, used;
    bool touched;
} reserve;

static _Thread_local reserve mine;
static pthread_key_t key; /* frees a thread's reserve when it ends */
static int exit_code;

static bool is_reserved(const void *p) {
    uintptr_t at = (uintptr_t)p, from = (uintptr_t)mine.at;
    return mine.at && at >= from && at - from < mine.size;
}

static void *from_reserve(size_t size) {
    if (exit_code)
        oxp_leave(exit_code);
    mine.touched = true;
    if (size > mine.size || (size + (size_t)2 * HEAD - 1) / HEAD * HEAD > mine.size - mine.used)
        return NULL;
    unsigned char *p = mine.at + mine.used;
    memcpy(p, &size, sizeof size);
    mine.used += (size + (size_t)2 * HEAD - 1) / HEAD * HEAD;
    return p + HEAD;
}

/* ---- the worker's pool: lists of freed blocks by size, in front of malloc ----
 *
 * A rule makes and frees the same few dozen small blocks for every node; malloc and free took a
 * quarter of the worker's time.  One thread only; what the pool was given it keeps. */
enum { POOL_BYTES = 16 << 20, POOL_LARGEST = 256, POOL_CLASSES = POOL_LARGEST / HEAD + 1 };

static struct {
    unsigned char *at;
    size_t used;
    void *freed[POOL_CLASSES]; /* each points to the next */
} pool;

static bool is_pooled(const void *p) {
    uintptr_t at = (uintptr_t)p, from = (uintptr_t)pool.at;
    return pool.at && at >= from && at - from < POOL_BYTES;
}

/* NULL: not a size for the pool, or it is used up. */
static void *from_pool(size_t size) {
    size_t class = size ? (size + HEAD - 1) / HEAD : 1, bytes = (class + 1) * HEAD;
    if (!pool.at || size > POOL_LARGEST)
        return NULL;
    void *p = pool.freed[class];
    if (p) {
        memcpy(&pool.freed[class], p, sizeof p);
        return p;
    }
    if (bytes > POOL_BYTES - pool.used)
        return NULL;
    unsigned char *block = pool.at + pool.used;
    memcpy(block, &class, sizeof class);
    pool.used += bytes;
    return block + HEAD;
}

static size_t pooled_class(const void *p) {
    size_t class;
    memcpy(&class, (const unsigned char *)p - HEAD, sizeof class);
    return class;
}

void oxp_xml_pool(void) {
#ifndef OXP_ARENA_DEBUG /* sanitizers are to see each block by itself */
    void *p = mmap(NULL, POOL_BYTES, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    pool.at = p == MAP_FAILED ? NULL : p;
#endif
}

/* ---- the worker's limit ---- */
static struct {
    int64_t most, held; /* most 0: none is counted */
    int code;
} limit;

void oxp_xml_limit(size_t bytes, int code) {
    limit.most = (int64_t)bytes;
    limit.held = 0;
    limit.code = code;
}

/* Blocks that were made before are freed after: what is held can be less than nothing. */
static void gone(void *p) {
    if (limit.most && p)
        limit.held -= (int64_t)malloc_usable_size(p);
}

static void *made(void *p) {
    if (!limit.most || !p)
        return p;
    limit.held += (int64_t)malloc_usable_size(p);
    if (limit.held > limit.most)
        oxp_leave(limit.code);
    return p;
}

static void xml_free(void *p) {
    if (is_pooled(p)) {
        size_t class = pooled_class(p);
        memcpy(p, &pool.freed[class], sizeof p);
        pool.freed[class] = p;
    } else if (!is_reserved(p)) {
        gone(p);
        free(p);
    }
}

static void *xml_malloc(size_t size) {
    if (oxp_fault_hit())
        return from_reserve(size);
    void *p = from_pool(size);
    if (!p)
        p = made(malloc(size));
    return p ? p : from_reserve(size);
}

static void *xml_realloc(void *old, size_t size) {
    size_t had = 0;
    void *p = NULL;
    if (is_pooled(old)) {
        had = pooled_class(old) * HEAD;
        if (size <= had)
            return old;
        p = xml_malloc(size);
        if (p) {
            memcpy(p, old, had);
            xml_free(old);
        }
        return p;
    }
    if (!is_reserved(old)) {
        bool refused = oxp_fault_hit();
        if (!refused)
            gone(old);
        p = refused ? NULL : realloc(old, size);
        if (p)
            return made(p);
        had = old ? malloc_usable_size(old) : 0;
    } else {
        memcpy(&had, (unsigned char *)old - HEAD, sizeof had);
    }
    p = from_reserve(size);
    if (p && old)
        memcpy(p, old, had < size ? had : size);
    if (p)
        xml_free(old);
    return p;
}

static char *xml_strdup(const char *s) {
    size_t n = strlen(s) + 1;
    char *p = xml_malloc(n);
    return p ? memcpy(p, s, n) : NULL;
}

/* Still malloc and free underneath: what others made before can be freed after. */
static void set_up(void) {
    pthread_key_create(&key, free);
    xmlMemSetup(xml_free, xml_malloc, xml_realloc, xml_strdup);
}

void oxp_xml_begin(oxp_ctx *ctx, size_t bytes) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    size_t want;
    pthread_once(&once, set_up);
    if (__builtin_mul_overflow(bytes, (size_t)RESERVE_A_BYTE, &want) ||
        __builtin_add_overflow(want, (size_t)RESERVE_BASE, &want))
        oxp_raise(ctx, OXP_E_LIMIT, "a document of %zu bytes", bytes);
    mine.touched = false;
    mine.used = 0;
    if (mine.size >= want)
        return;
    free(mine.at);
    mine.at = oxp_fault_hit() ? NULL : malloc(want); /* costs nothing before it is touched */
    mine.size = mine.at ? want : 0;
    pthread_setspecific(key, mine.at);
    if (!mine.at)
        oxp_raise(ctx, OXP_E_NOMEM, "out of memory");
}

bool oxp_xml_starved(void) {
    return mine.touched;
}

void oxp_xml_forget(void) {
    mine.touched = false;
}

void oxp_xml_check(oxp_ctx *ctx) {
    if (mine.touched)
        oxp_raise(ctx, OXP_E_NOMEM, "out of memory");
}

void oxp_xml_exit_when_starved(int code) {
    exit_code = code;
}
