/* clone.c - a model whose arrays are its own and whose contents are shared.  Patches replace what
 * an element points to and never write through, so the original does not see them. */
#include <string.h>

#include "base/ceiling.h"
#include "model/payload.h"

static void *copy(oxp_arena *arena, const void *from, size_t n, size_t size) {
    void *to = oxp_alloc(arena, n, size);
    if (n)
        memcpy(to, from, n * size);
    return to;
}

/* Room for the first additions: growing by doubling would leave the old array in the arena. */
static void *copy_with_room(oxp_arena *arena, const void *from, size_t n, size_t size,
                            size_t *cap) {
    *cap = 0;
    void *to = oxp_grow(arena, NULL, cap, n + n / 4 + 1, size);
    if (n)
        memcpy(to, from, n * size);
    return to;
}

oxp_model *oxp_model_clone(const oxp_model *m) {
    oxp_arena *arena = oxp_arena_new(m->ctx);
    oxp_stats_share((oxp_model *)m); /* a memory of what was read: not part of the model's value */
    oxp_model *c = OXP_NEW(arena, oxp_model);
    oxp_ctx_add_file(m->ctx, 3 * m->file_bytes);
    *c = *m;
    c->arena = arena;
    c->is_clone = true;
#define COPY(array, count, cap)                                                                    \
    c->array = copy_with_room(arena, m->array, m->count, sizeof *m->array, &c->cap)
    COPY(graphs, n_graphs, cap_graphs);
    COPY(nodes, n_nodes, cap_nodes);
    COPY(values, n_values, cap_values);
    COPY(tensors, n_tensors, cap_tensors);
    COPY(uses, n_uses, cap_uses);
    COPY(functions, n_functions, cap_functions);
#undef COPY
    c->opsets = copy(arena, m->opsets, m->n_opsets, sizeof *m->opsets);
    return c;
}
