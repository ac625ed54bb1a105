/* inline.h - a copy of a model in which calls of local functions are replaced by their bodies. */
#ifndef OXP_MODEL_INLINE_H
#define OXP_MODEL_INLINE_H

#include "onnxpert/model.h"

typedef struct oxp_inlined {
    oxp_model *model;     /* a clone: oxp_close it                                        */
    const oxp_id *origin; /* by node id of `model`: the node of the original it came from */
} oxp_inlined;

/* A body's nodes and values are called "Call/inner" after the node that called; node.in_call leads
 * from them to the outermost call, which is dead but keeps its inputs and outputs.  False when
 * nothing outside of functions calls one, when functions call themselves or hand an input through
 * as an output, or when the bodies together would have more than max_nodes nodes or 32 MiB of
 * names. */
bool oxp_model_inline(const oxp_model *m, size_t max_nodes, oxp_inlined *out, oxp_arena *arena);

#endif
