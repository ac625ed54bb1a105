/* compare.h - how far two outputs are apart. */
#ifndef OXP_VERIFY_COMPARE_H
#define OXP_VERIFY_COMPARE_H

#include "verify/ort.h"
#include "verify/verify.h"

/* Adds the difference of `b` from `a` to *c (largest figures win; means are averaged by the
 * caller's number of sets).  Element types may differ: values are compared as doubles. */
void oxp_compare_arrays(const oxp_array *a, const oxp_array *b, oxp_output_check *c,
                        oxp_arena *arena);
/* Element i as a double; NaN for types without numbers. */
double oxp_element(const oxp_array *a, uint64_t i);
/* Largest relative difference that a pass of this fidelity may cause: 1e-4, 2e-2 for lossy. */
double oxp_tolerance(oxp_fidelity f);

#endif
