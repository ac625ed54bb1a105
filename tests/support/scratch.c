/* scratch.c - see scratch.h. */
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support/scratch.h"

static char folder[512];
static pid_t owner;

static void need(const void *p, const char *what) {
    if (!p) {
        perror(what);
        abort();
    }
}

static int remove_inside(const char *path, const struct stat *st, int type, struct FTW *where) {
    (void)st;
    (void)type;
    return where->level ? remove(path) : 0;
}

void scratch_empty(void) {
    nftw(scratch_folder(), remove_inside, 8, FTW_DEPTH | FTW_PHYS);
}

static void remove_all(void) {
    if (getpid() != owner)
        return;
    scratch_empty();
    rmdir(folder);
}

const char *scratch_folder(void) {
    if (!folder[0]) {
        const char *base = getenv("TMPDIR");
        snprintf(folder, sizeof folder, "%s/onnxpert-test-XXXXXX", base && *base ? base : P_tmpdir);
        need(mkdtemp(folder), folder);
        owner = getpid();
        atexit(remove_all);
    }
    return folder;
}

const char *scratch_path(const char *name) {
    static char path[8][1024];
    static unsigned turn;
    char *p = path[turn++ % 8];
    snprintf(p, sizeof path[0], "%s/%s", scratch_folder(), name);
    return p;
}

const char *scratch_file(const char *name, const void *bytes, size_t n) {
    const char *path = scratch_path(name);
    FILE *f = fopen(path, "wb");
    need(f, path);
    if ((n && fwrite(bytes, 1, n, f) != n) || fclose(f) != 0)
        need(NULL, path);
    return path;
}
