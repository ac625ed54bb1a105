/* elems.c - moving propagated elements. */
#include "ops/elems.h"

#include "ops/util.h"

bool oxp_walk_start(oxp_call *c, const oxp_fact *shape, oxp_walk *w) {
    uint64_t n;
    if (!oxp_elements_literal(shape, &n) || n > OXP_ELEMS_MAX)
        return false;
    w->rank = shape->type.rank;
    w->dims = shape->type.dims;
    w->at = oxp_alloc(c->arena, (size_t)w->rank + 1, sizeof *w->at);
    return true;
}

bool oxp_walk_next(oxp_walk *w) {
    for (int k = w->rank - 1; k >= 0; k--) {
        if (++w->at[k] < w->dims[k])
            return true;
        w->at[k] = 0;
    }
    return false;
}

uint32_t oxp_linear(const oxp_fact *f, const int64_t *at) {
    uint64_t i = 0;
    for (int k = 0; k < f->type.rank; k++)
        i = i * (uint64_t)f->type.dims[k] + (uint64_t)at[k];
    return (uint32_t)i;
}

void oxp_fill_elems(oxp_call *c, oxp_elem (*from)(const int64_t *at, const void *arg),
                    const void *arg) {
    oxp_walk w;
    uint64_t n;
    if (!oxp_walk_start(c, &c->out[0], &w) || !oxp_out_count(c, 0, &n))
        return;
    oxp_elem *e = oxp_alloc(c->arena, (size_t)n + 1, sizeof *e);
    for (uint64_t i = 0; i < n; i++) {
        e[i] = from(w.at, arg);
        oxp_walk_next(&w);
    }
    oxp_set_elems(c, 0, e, (uint32_t)n);
}
