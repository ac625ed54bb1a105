/* descriptor.c - follows the links of a path by hand, up to the one that the kernel answers. */
#include "base/descriptor.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST_LINKS = 8 };

/* "/proc/<this process>/fd" and the like: the folder of a component, links resolved. */
static bool is_own_folder(const char *folder) {
    char real[PATH_MAX], own[64];
    if (!realpath(folder, real))
        return false;
    snprintf(own, sizeof own, "/proc/%ld/fd", (long)getpid());
    return !strcmp(real, own);
}

static int number_of(const char *name) {
    size_t n = strlen(name);
    if (n == 0 || n > 6 || strspn(name, "0123456789") != n)
        return -1;
    return (int)strtol(name, NULL, 10);
}

int oxp_descriptor_of(const char *path) {
    char at[PATH_MAX], target[PATH_MAX], next[2 * PATH_MAX];
    if (snprintf(at, sizeof at, "%s", path) >= (int)sizeof at)
        return -1;
    for (int i = 0; i < MOST_LINKS; i++) {
        char *slash = strrchr(at, '/');
        const char *name = slash ? slash + 1 : at;
        if (slash && number_of(name) >= 0) {
            *slash = 0;
            if (is_own_folder(at))
                return number_of(name);
            *slash = '/';
        }
        ssize_t n = readlink(at, target, sizeof target - 1);
        if (n <= 0)
            return -1;
        target[n] = 0;
        int folder = slash && *target != '/' ? (int)(slash - at) + 1 : 0;
        if (snprintf(next, sizeof next, "%.*s%s", folder, at, target) >= (int)sizeof at)
            return -1;
        memcpy(at, next, strlen(next) + 1);
    }
    return -1;
}
