/* util.h - what the operator families share: copies of shapes, counts, costs, intervals. */
#ifndef OXP_OPS_UTIL_H
#define OXP_OPS_UTIL_H

#include "base/safe_math.h"
#include "ops/op.h"

#define OXP_COUNT(array) (sizeof(array) / sizeof *(array))

/* The dims of a fact of known rank, to be changed; room for `extra` more.  In the call's scratch
 * arena: oxp_set copies. */
oxp_dim *oxp_dims_dup(oxp_call *c, const oxp_fact *f, int extra);
/* Output `slot` exists (is listed); hooks of optional outputs ask before they compute. */
static inline bool oxp_has_out(const oxp_call *c, uint32_t slot) {
    return slot < c->n_out;
}
/* The type of the first of the inputs [0, n) whose element type is known. */
oxp_dtype oxp_first_type(const oxp_call *c, uint32_t n);

/* Inference in one line. */
void oxp_infer_like(oxp_call *c);     /* output 0 as input 0                           */
void oxp_infer_like_all(oxp_call *c); /* every output as input 0                       */
void oxp_infer_rankless(oxp_call *c); /* output 0: type of input 0, nothing of the shape */

/* Literal element counts; false when they are not known. */
bool oxp_in_count(const oxp_call *c, uint32_t slot, uint64_t *n);
bool oxp_out_count(const oxp_call *c, uint32_t slot, uint64_t *n);
/* A literal dim as a count; false when it is not literal. */
bool oxp_dim_count(oxp_dim d, uint64_t *n);
/* Their product; false when one is not literal. */
bool oxp_dims_product(const oxp_dim *d, int n, uint64_t *out);
/* The only (or first) element of an integer input; UNKNOWN when it is not known. */
oxp_dim oxp_input_scalar(const oxp_call *c, uint32_t slot);
/* A data type given as an attribute; `otherwise` when absent or out of range. */
oxp_dtype oxp_call_dtype(const oxp_call *c, const char *name, oxp_dtype otherwise);
/* Number of values of a list attribute, 0 when absent. */
size_t oxp_call_length(const oxp_call *c, const char *name);
/* Is the arithmetic of the call that of integers (quantized), by the type of an input? */
bool oxp_is_quantized(const oxp_call *c, uint32_t slot);

/* Costs: known, with these figures (saturating). */
void oxp_cost_flops(oxp_cost *cost, uint64_t n);
void oxp_cost_int(oxp_cost *cost, uint64_t n);
void oxp_cost_moved(oxp_cost *cost, uint64_t n);
void oxp_cost_macs(oxp_cost *cost, uint64_t macs, uint64_t extra);     /* 2 macs + extra flops   */
void oxp_cost_int_macs(oxp_cost *cost, uint64_t macs, uint64_t extra); /* the same in int_ops    */
/* per elements of input 0 / of output 0 */
void oxp_cost_per_in(const oxp_call *c, oxp_cost *cost, uint64_t per);
void oxp_cost_per_out(const oxp_call *c, oxp_cost *cost, uint64_t per);
/* Hooks of that form. */
void oxp_cost_none(const oxp_call *c, oxp_cost *cost);     /* computes nothing, moves nothing   */
void oxp_cost_move_out(const oxp_call *c, oxp_cost *cost); /* moves its first output            */
void oxp_cost_read_in(const oxp_call *c, oxp_cost *cost);  /* one flop per element of input 0   */

/* Intervals. */
oxp_range oxp_range_all(void);
oxp_range oxp_range_of(double lo, double hi);
oxp_range oxp_range_fix(oxp_range r); /* nothing known becomes unbounded */
oxp_range oxp_range_same(const oxp_call *c, const oxp_range *in, uint32_t slot); /* of input 0 */
oxp_range oxp_range_unit(const oxp_call *c, const oxp_range *in, uint32_t slot); /* [0, 1]     */

/* Known elements of an integer input, from the first-th on in steps, lie in [-size, size); else an
 * error. */
bool oxp_indices_within(oxp_call *c, uint32_t slot, uint32_t first, uint32_t step, oxp_dim size);
/* The same number of the input's axis `axis` as `size`, else an error. */
bool oxp_same_size(oxp_call *c, uint32_t slot, int axis, oxp_dim size);

/* Marks the axes of a list as true in a set of rank bytes; false (and an error) when one is bad. */
bool oxp_axes_mark(oxp_call *c, const int64_t *axes, size_t n, int rank, bool *set);

#endif
