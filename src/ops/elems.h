/* elems.h - moving propagated elements: an output element is an input element somewhere else. */
#ifndef OXP_OPS_ELEMS_H
#define OXP_OPS_ELEMS_H

#include "ops/op.h"

/* Row-major walk over literal dims. */
typedef struct oxp_walk {
    int rank;
    const oxp_dim *dims;
    int64_t *at; /* current index by axis */
} oxp_walk;

/* False when the shape is not literal or has more than OXP_ELEMS_MAX elements. */
bool oxp_walk_start(oxp_call *c, const oxp_fact *shape, oxp_walk *w);
/* To the next element; false behind the last one. */
bool oxp_walk_next(oxp_walk *w);
/* Row-major position of an index in a fact of literal dims. */
uint32_t oxp_linear(const oxp_fact *f, const int64_t *at);
/* Elements of output 0, one by one: `from` gives the element for an index (arg is the caller's). */
void oxp_fill_elems(oxp_call *c, oxp_elem (*from)(const int64_t *at, const void *arg),
                    const void *arg);

#endif
