/* region.h - what lies between a layer and the only layer that reads its channels: for what-ifs
 * that change how many there are. */
#ifndef OXP_REWRITE_REGION_H
#define OXP_REWRITE_REGION_H

#include "onnxpert/pass.h"

enum { OXP_REGION_MAX = 16 };
typedef struct oxp_region {
    oxp_id first, last; /* the layer, and the one that alone reads what it computes */
    oxp_id nodes[OXP_REGION_MAX];
    size_t n; /* elementwise nodes and normalizations by running statistics in between */
} oxp_region;

/* False and *why: something else sees the channels (a residual addition, a graph output, a second
 * layer, a node that is not elementwise). */
bool oxp_region_find(oxp_run *run, oxp_id first, oxp_region *out, const char **why);
/* In an open patch: constants of the region with `from` channels become imagined ones with `to`. */
void oxp_region_resize(oxp_patch *p, oxp_run *run, const oxp_region *r, int64_t from, int64_t to);

/* The literal dims (room for 8) and the type of a node's weight (input 1); its rank, or 0. */
int oxp_weight_dims(oxp_run *run, const oxp_node *n, int64_t *dims, oxp_dtype *type);

#endif
