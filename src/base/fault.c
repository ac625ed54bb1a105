/* fault.c - counts allocations and fails the one that a test names. */
#include "base/fault.h"

#ifdef OXP_FAULTS
#include <stdlib.h>

bool oxp_fault_hit(void) {
    static long left = -1;
    if (left < 0) {
        const char *n = getenv("ONNXPERT_FAIL_ALLOC");
        left = n ? strtol(n, NULL, 10) : 0;
    }
    return left > 0 && --left == 0;
}
#else
typedef int oxp_fault_unused; /* ISO C wants a declaration in every file */
#endif
