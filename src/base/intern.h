/* intern.h - each string once: equal strings have equal pointers. */
#ifndef OXP_BASE_INTERN_H
#define OXP_BASE_INTERN_H

#include "onnxpert/status.h"

typedef struct oxp_intern oxp_intern;

oxp_intern *oxp_intern_new(oxp_arena *arena);
/* The one copy of s[0, len), NUL-terminated; raises on lack of memory. */
const char *oxp_intern_add(oxp_intern *t, const char *s, size_t len);
/* The same; *id is the string's number: they run from 0 in the order of first appearance. */
const char *oxp_intern_number(oxp_intern *t, const char *s, size_t len, uint32_t *id);
/* The one copy if there is one, else NULL. */
const char *oxp_intern_find(const oxp_intern *t, const char *s, size_t len);

/* Map from a pointer (an interned name) or any 64-bit key to a 32-bit number. */
typedef struct oxp_map oxp_map;
oxp_map *oxp_map_new(oxp_arena *arena);
/* Sets; returns false and leaves the old entry when the key is there already. */
bool oxp_map_put(oxp_map *m, uint64_t key, uint32_t value);
void oxp_map_set(oxp_map *m, uint64_t key, uint32_t value);
bool oxp_map_get(const oxp_map *m, uint64_t key, uint32_t *value);
uint64_t oxp_hash_bytes(const void *p, size_t n); /* seeded per process */

#endif
