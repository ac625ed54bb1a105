/* shapes.h - the steps of fix-shapes. */
#ifndef OXP_REWRITE_SHAPES_H
#define OXP_REWRITE_SHAPES_H

#include "analysis/binding.h"
#include "analysis/infer.h"
#include "onnxpert/pass.h"

typedef struct oxp_shape_job {
    oxp_run *run;
    const oxp_model *m;
    oxp_arena *arena;
    oxp_bound *bound;
    const oxp_inferred *facts; /* of the model as it is now, dimensions bound */
    size_t folded, dropped, inlined, repaired, typed, open, retyped;
} oxp_shape_job;

/* shapes.c: applies a patch or says that the request cannot be met; walks the model as it is. */
void oxp_shape_apply(oxp_shape_job *j, oxp_patch *p);
void oxp_shape_infer(oxp_shape_job *j);

/* shapes_check.c: binds, and raises when some node makes the sizes impossible. */
void oxp_shape_bind(oxp_shape_job *j);
/* shapes_branch.c: an If whose condition is known becomes its branch; true when one was. */
bool oxp_shape_inline(oxp_shape_job *j);
/* shapes_fold.c: values whose elements are known become initializers; true when one was. */
bool oxp_shape_fold(oxp_shape_job *j);
/* shapes_types.c */
void oxp_shape_inputs(oxp_shape_job *j);
void oxp_shape_types(oxp_shape_job *j);
/* shapes_dynamic.c: the batch of all inputs becomes `name`; false when there is none. */
bool oxp_shape_free_batch(oxp_shape_job *j, const char *name, int64_t *size);

#endif
