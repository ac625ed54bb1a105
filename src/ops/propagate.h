/* propagate.h - elements of operators that pick, place, order or count them.
 *
 * Each sets the elements of the call's outputs, after their shapes, from those of its inputs; where
 * shapes or positions are not known as numbers nothing is set. */
#ifndef OXP_OPS_PROPAGATE_H
#define OXP_OPS_PROPAGATE_H

#include "ops/eval.h"

/* Joined along `axis`; inputs whose elements are not known leave unknown ones. */
void oxp_elems_concat(oxp_call *c, int axis);
void oxp_elems_gather_at(oxp_call *c, int axis);      /* GatherElements */
void oxp_elems_gather_nd(oxp_call *c, int64_t batch); /* GatherND       */
/* Input 0 with elements replaced by, or joined (`how`, NULL: replaced) with, those of input 2. */
void oxp_elems_scatter_at(oxp_call *c, int axis, oxp_eval2 how);
void oxp_elems_scatter_nd(oxp_call *c, oxp_eval2 how);
void oxp_elems_one_hot(oxp_call *c, int axis);
/* before[k]: elements of `fill` in front of axis k, cut off when negative. */
void oxp_elems_pad(oxp_call *c, const int64_t *before, oxp_elem fill);
void oxp_elems_compress(oxp_call *c);
/* Literal numbers of one axis, sorted (or in order of first occurrence) without repeats: all four
 * outputs of Unique; false when it is not known. */
bool oxp_elems_unique(oxp_call *c, bool sorted);
void oxp_elems_arg(oxp_call *c, bool most, bool last);
void oxp_elems_top_k(oxp_call *c, bool largest);
/* Running sums of one axis. */
void oxp_elems_cumsum(oxp_call *c, bool reverse, bool exclusive);

#endif
