/* intern.c - open-addressing tables with a seed drawn once a process. */
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/ctx_impl.h"
#include "base/intern.h"

static uint64_t seed(void) {
    static uint64_t s;
    if (!s) {
        if (getrandom(&s, sizeof s, GRND_NONBLOCK) != (ssize_t)sizeof s || !s)
            s = (uint64_t)(uintptr_t)&s ^ 0x9e3779b97f4a7c15u;
        s |= 1;
    }
    return s;
}

static uint64_t mix(uint64_t h) { /* finalizer of SplitMix64 (Steele, Lea, Flood 2014) */
    h = (h ^ (h >> 30)) * 0xbf58476d1ce4e5b9u;
    h = (h ^ (h >> 27)) * 0x94d049bb133111ebu;
    return h ^ (h >> 31);
}

uint64_t oxp_hash_bytes(const void *p, size_t n) {
    const unsigned char *s = p;
    uint64_t h = seed() ^ n;
    for (; n >= 8; n -= 8, s += 8) {
        uint64_t w;
        memcpy(&w, s, 8);
        h = mix(h ^ w);
    }
    uint64_t tail = 0;
    memcpy(&tail, s, n);
    return mix(h ^ tail ^ 0x9e3779b97f4a7c15u);
}

/* ---- strings ---- */

typedef struct entry {
    const char
        *s; /* its length stands before it: a name costs 16 bytes here, and there are millions */
    uint32_t hash, id;
} entry;

static uint32_t length_of(const char *s) {
    uint32_t len;
    memcpy(&len, s - sizeof len, sizeof len);
    return len;
}

struct oxp_intern {
    oxp_arena *arena;  /* of the strings */
    oxp_arena *tables; /* of the table: replaced when it grows */
    entry *slots;
    size_t n, cap; /* cap is a power of two */
};

oxp_intern *oxp_intern_new(oxp_arena *arena) {
    oxp_intern *t = OXP_NEW(arena, oxp_intern);
    t->arena = arena;
    t->cap = 64;
    t->tables = oxp_arena_child(arena);
    t->slots = OXP_NEWS(t->tables, t->cap, entry);
    return t;
}

static entry *find(const oxp_intern *t, const char *s, size_t len, uint32_t hash) {
    for (size_t i = hash & (t->cap - 1);; i = (i + 1) & (t->cap - 1)) {
        entry *e = &t->slots[i];
        if (!e->s || (e->hash == hash && length_of(e->s) == len && !memcmp(e->s, s, len)))
            return e;
    }
}

static entry *vacant(const oxp_intern *t, uint32_t hash) {
    size_t i = hash & (t->cap - 1);
    while (t->slots[i].s)
        i = (i + 1) & (t->cap - 1);
    return &t->slots[i];
}

static char *store(oxp_intern *t, const char *s, uint32_t len) {
    char *p = oxp_alloc(t->arena, sizeof len + len + (size_t)1, 1);
    memcpy(p, &len, sizeof len);
    return memcpy(p + sizeof len, s, len);
}

static void grow_strings(oxp_intern *t) {
    oxp_arena *fresh = oxp_arena_child(t->arena);
    oxp_intern bigger = {t->arena, fresh, OXP_NEWS(fresh, t->cap * 2, entry), t->n, t->cap * 2};
    for (size_t i = 0; i < t->cap; i++)
        if (t->slots[i].s)
            *vacant(&bigger, t->slots[i].hash) = t->slots[i];
    oxp_arena_free(t->tables);
    *t = bigger;
}

const char *oxp_intern_number(oxp_intern *t, const char *s, size_t len, uint32_t *id) {
    uint32_t hash = (uint32_t)oxp_hash_bytes(s, len);
    entry *e = find(t, s, len, hash);
    *id = e->id;
    if (e->s)
        return e->s;
    if (len > UINT32_MAX || t->n >= UINT32_MAX)
        oxp_raise(oxp_arena_ctx(t->arena), OXP_E_LIMIT, "a name of 4 GiB, or 2^32 names");
    if (t->n >= t->cap / 4 * 3) {
        grow_strings(t);
        e = find(t, s, len, hash);
    }
    *id = (uint32_t)t->n++;
    *e = (entry){store(t, s, (uint32_t)len), hash, *id};
    return e->s;
}

const char *oxp_intern_add(oxp_intern *t, const char *s, size_t len) {
    uint32_t id;
    return oxp_intern_number(t, s, len, &id);
}

const char *oxp_intern_find(const oxp_intern *t, const char *s, size_t len) {
    return find(t, s, len, (uint32_t)oxp_hash_bytes(s, len))->s;
}

/* ---- 64-bit keys ---- */

typedef struct cell {
    uint64_t key;
    uint32_t value, full;
} cell;

struct oxp_map {
    oxp_arena *arena, *tables; /* the second belongs to the first; NULL: the first table is there */
    cell *cells;
    size_t n, cap;
};

oxp_map *oxp_map_new(oxp_arena *arena) {
    oxp_map *m = OXP_NEW(arena, oxp_map);
    m->arena = arena; /* cells are made for the first key: many a map gets none */
    return m;
}

static cell *seek(const oxp_map *m, uint64_t key) {
    for (size_t i = mix(key ^ seed()) & (m->cap - 1);; i = (i + 1) & (m->cap - 1))
        if (!m->cells[i].full || m->cells[i].key == key)
            return &m->cells[i];
}

static void grow_map(oxp_map *m) {
    enum { FIRST = 16 };
    if (!m->cap) {
        m->cells = OXP_NEWS(m->arena, FIRST, cell);
        m->cap = FIRST;
        return;
    }
    oxp_arena *fresh = oxp_arena_child(m->arena);
    oxp_map bigger = {m->arena, fresh, OXP_NEWS(fresh, m->cap * 2, cell), m->n, m->cap * 2};
    for (size_t i = 0; i < m->cap; i++)
        if (m->cells[i].full)
            *seek(&bigger, m->cells[i].key) = m->cells[i];
    oxp_arena_free(m->tables);
    *m = bigger;
}

bool oxp_map_put(oxp_map *m, uint64_t key, uint32_t value) {
    if (!m->cap)
        grow_map(m);
    cell *c = seek(m, key);
    if (c->full)
        return false;
    if (m->n >= m->cap / 2) {
        grow_map(m);
        c = seek(m, key);
    }
    *c = (cell){key, value, 1};
    m->n++;
    return true;
}

void oxp_map_set(oxp_map *m, uint64_t key, uint32_t value) {
    if (!oxp_map_put(m, key, value))
        seek(m, key)->value = value;
}

bool oxp_map_get(const oxp_map *m, uint64_t key, uint32_t *value) {
    const cell *c = m->cap ? seek(m, key) : NULL;
    if (c && c->full)
        *value = c->value;
    return c && c->full;
}
