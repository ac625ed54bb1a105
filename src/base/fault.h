/* fault.h - lets tests fail the n-th allocation: ONNXPERT_FAULT=alloc:n in the environment of a
 * build with OXP_FAULTS; costs nothing elsewhere. */
#ifndef OXP_BASE_FAULT_H
#define OXP_BASE_FAULT_H

#include <stdbool.h>

#ifdef OXP_FAULTS
bool oxp_fault_hit(void); /* true exactly once: at the n-th call */
#else
#define oxp_fault_hit() false
#endif

#endif
