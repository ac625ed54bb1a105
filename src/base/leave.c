/* leave.c - _exit, after the counters of a build for coverage. */
#ifdef OXP_COVERAGE
#include <sys/resource.h>
#endif
#include <unistd.h>

#include "base/leave.h"

#ifdef OXP_COVERAGE
void __gcov_dump(void);
/* tests/faults/shim.c, where it is loaded: the counters are no part of what it fails. */
void shim_stop(void) __attribute__((weak));

/* Also runs at exit, before the destructor that writes the counters, which has a priority. */
__attribute__((destructor)) static void no_more_faults(void) {
    struct rlimit size; /* of files, a soft limit of tests */
    getrlimit(RLIMIT_FSIZE, &size);
    size.rlim_cur = size.rlim_max;
    setrlimit(RLIMIT_FSIZE, &size);
    if (shim_stop)
        shim_stop();
}
#endif

void oxp_leave(int code) {
#ifdef OXP_COVERAGE
    no_more_faults();
    __gcov_dump();
#endif
    _exit(code);
}
