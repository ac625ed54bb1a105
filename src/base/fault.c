/* fault.c - counts allocations and fails the ones that a test names; see tests/faults/shim.c, which
 * does the same to a program that was not built for it. */
#include "base/fault.h"

#ifdef OXP_FAULTS
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static long fail_at;
static bool persistent;
static atomic_long calls;

static FILE *count; /* open from the start: at the end the sandbox is closed */

static void write_count(void) {
    fprintf(count, "%ld\n", atomic_load(&calls));
    fclose(count);
}

static void read_wish(void) {
    static const char alloc[] = "alloc:";
    const char *text = getenv("ONNXPERT_FAULT"), *path = getenv("ONNXPERT_FAULT_COUNT");
    if (!text || strncmp(text, alloc, sizeof alloc - 1) != 0)
        return;
    fail_at = strtol(text + sizeof alloc - 1, NULL, 10);
    persistent = text[strlen(text) - 1] == '+';
    count = path ? fopen(path, "we") : NULL;
    if (count)
        atexit(write_count);
}

bool oxp_fault_hit(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, read_wish);
    long n = atomic_fetch_add(&calls, 1) + 1;
    return fail_at > 0 && (n == fail_at || (persistent && n > fail_at));
}
#else
typedef int oxp_fault_unused; /* ISO C wants a declaration in every file */
#endif
