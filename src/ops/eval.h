/* eval.h - arithmetic on propagated elements.
 *
 * Integers may be symbolic; floats are numbers rounded to their type, or exact fractions i / den of
 * symbolic integers (what exporters make of Cast, Mul by a scale, Floor, Cast back).  Whatever
 * cannot be said exactly is unknown. */
#ifndef OXP_OPS_EVAL_H
#define OXP_OPS_EVAL_H

#include "ops/op.h"

typedef oxp_elem (*oxp_eval2)(oxp_dims *p, oxp_elem a, oxp_elem b, oxp_dtype t);
typedef oxp_elem (*oxp_eval1)(oxp_dims *p, oxp_elem a, oxp_dtype t);

/* The number an element is; false when it is unknown or symbolic. */
bool oxp_elem_number(oxp_elem e, double *v);
/* A literal integer wrapped to an integer type, as the hardware would. */
oxp_elem oxp_elem_wrap(oxp_dim v, oxp_dtype t);

oxp_elem oxp_eval_add(oxp_dims *p, oxp_elem a, oxp_elem b, oxp_dtype t);
oxp_elem oxp_eval_sub(oxp_dims *p, oxp_elem a, oxp_elem b, oxp_dtype t);
oxp_elem oxp_eval_mul(oxp_dims *p, oxp_elem a, oxp_elem b, oxp_dtype t);
oxp_elem oxp_eval_div(oxp_dims *p, oxp_elem a, oxp_elem b, oxp_dtype t);
oxp_elem oxp_eval_mod(oxp_dims *p, oxp_elem a, oxp_elem b, oxp_dtype t);  /* sign of b */
oxp_elem oxp_eval_fmod(oxp_dims *p, oxp_elem a, oxp_elem b, oxp_dtype t); /* sign of a */
oxp_elem oxp_eval_pow(oxp_dims *p, oxp_elem a, oxp_elem b, oxp_dtype t);
oxp_elem oxp_eval_min(oxp_dims *p, oxp_elem a, oxp_elem b, oxp_dtype t);
oxp_elem oxp_eval_max(oxp_dims *p, oxp_elem a, oxp_elem b, oxp_dtype t);
oxp_elem oxp_eval_equal(oxp_dims *p, oxp_elem a, oxp_elem b, oxp_dtype t);
oxp_elem oxp_eval_less(oxp_dims *p, oxp_elem a, oxp_elem b, oxp_dtype t);
oxp_elem oxp_eval_greater(oxp_dims *p, oxp_elem a, oxp_elem b, oxp_dtype t);
oxp_elem oxp_eval_less_equal(oxp_dims *p, oxp_elem a, oxp_elem b, oxp_dtype t);
oxp_elem oxp_eval_greater_equal(oxp_dims *p, oxp_elem a, oxp_elem b, oxp_dtype t);
oxp_elem oxp_eval_and(oxp_dims *p, oxp_elem a, oxp_elem b, oxp_dtype t);
oxp_elem oxp_eval_or(oxp_dims *p, oxp_elem a, oxp_elem b, oxp_dtype t);
oxp_elem oxp_eval_xor(oxp_dims *p, oxp_elem a, oxp_elem b, oxp_dtype t);
oxp_elem oxp_eval_bitand(oxp_dims *p, oxp_elem a, oxp_elem b, oxp_dtype t);
oxp_elem oxp_eval_bitor(oxp_dims *p, oxp_elem a, oxp_elem b, oxp_dtype t);
oxp_elem oxp_eval_bitxor(oxp_dims *p, oxp_elem a, oxp_elem b, oxp_dtype t);
oxp_elem oxp_eval_not(oxp_dims *p, oxp_elem a, oxp_dtype t);
oxp_elem oxp_eval_neg(oxp_dims *p, oxp_elem a, oxp_dtype t);
oxp_elem oxp_eval_abs(oxp_dims *p, oxp_elem a, oxp_dtype t);
oxp_elem oxp_eval_sign(oxp_dims *p, oxp_elem a, oxp_dtype t);
oxp_elem oxp_eval_floor(oxp_dims *p, oxp_elem a, oxp_dtype t);
oxp_elem oxp_eval_ceil(oxp_dims *p, oxp_elem a, oxp_dtype t);
oxp_elem oxp_eval_round(oxp_dims *p, oxp_elem a, oxp_dtype t);

/* Output 0 gets fn folded over the broadcast elements of inputs [0, n); nothing when the shape is
 * not literal, too long, or an input has no elements.  `t` is the type that is computed in. */
void oxp_eval_nary(oxp_call *c, oxp_eval2 fn, uint32_t n, oxp_dtype t);
void oxp_eval_unary(oxp_call *c, oxp_eval1 fn, oxp_dtype t);

#endif
