/* half_plan.h - how a float16 model runs where the processor has no such arithmetic, as ONNX
 * Runtime's CPU provider does it: nodes without a float16 kernel are computed in float32, their
 * weights converted at load; tensors between them stay float32, and one Cast stands where a tensor
 * passes from the one kind to the other.  A node that has a float16 kernel but only neighbours
 * without is computed in float32, too.  What is merged before the Casts come is merged as ever;
 * what is merged by reading constants behind a Cast is not. */
#ifndef OXP_ANALYSIS_HALF_PLAN_H
#define OXP_ANALYSIS_HALF_PLAN_H

#include "analysis/device.h"
#include "onnxpert/analyze.h"

typedef struct oxp_half_node {
    bool wide;       /* computed in float32 */
    bool replaced;   /* by the operators that define it */
    bool gone;       /* a Cast that cancels out with the runtime's own */
    uint8_t casts;   /* Casts that the runtime puts around it, charged to it (255: and more) */
    uint8_t kernels; /* that run in its place */
    double elements; /* that these Casts convert in one run of the node */
} oxp_half_node;

/* Would the device run it this way: a CPU without float16 arithmetic? */
bool oxp_half_is_emulated(const oxp_device *d);
/* By node id, in `arena`; NULL: no tensor is float16.  precision: as in latency.h. */
const oxp_half_node *oxp_half_plan(const oxp_analysis *a, oxp_dtype precision, oxp_arena *arena);
/* Is this value a float16 tensor? */
bool oxp_half_value(const oxp_analysis *a, oxp_id value, oxp_dtype precision);

#endif
