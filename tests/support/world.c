/* world.c - see world.h. */
#include <stdlib.h>

#include "support/world.h"

int world_setup(void **state) {
    world *w = calloc(1, sizeof *w);
    if (!w)
        return -1;
    w->ctx = oxp_ctx_new(0);
    w->arena = oxp_arena_new(w->ctx);
    *state = w;
    return 0;
}

int world_teardown(void **state) {
    world *w = *state;
    oxp_ctx_free(w->ctx);
    free(w);
    return 0;
}
