/* ort_find.c - where ONNX Runtime's library may be. */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "verify/ort.h"

enum { CANDIDATES_MAX = 8 };

typedef struct list {
    oxp_arena *arena;
    const char **at;
    size_t n;
} list;

static void add(list *l, const char *path) {
    if (path && l->n < CANDIDATES_MAX)
        l->at[l->n++] = path;
}

static const char *first_match(oxp_arena *a, const char *folder, const char *prefix) {
    DIR *d = opendir(folder);
    const char *found = NULL;
    for (struct dirent *e; d && !found && (e = readdir(d));)
        if (!strncmp(e->d_name, prefix, strlen(prefix)))
            found = oxp_sprintf(a, "%s/%s", folder, e->d_name);
    if (d)
        closedir(d);
    return found;
}

/* <environment>/lib/python3.x/site-packages/onnxruntime/capi/libonnxruntime.so.* */
static const char *in_environment(oxp_arena *a, const char *env) {
    const char *python = env ? first_match(a, oxp_sprintf(a, "%s/lib", env), "python3.") : NULL;
    return python ? first_match(a, oxp_sprintf(a, "%s/site-packages/onnxruntime/capi", python),
                                "libonnxruntime.so")
                  : NULL;
}

/* The environment of the `python3` that would run: the folder above the one in PATH. */
static const char *in_path(oxp_arena *a) {
    const char *path = getenv("PATH");
    while (path && *path) {
        size_t len = strcspn(path, ":");
        const char *folder = oxp_memdup0(a, path, len);
        if (*folder == '/' && access(oxp_sprintf(a, "%s/python3", folder), X_OK) == 0)
            return in_environment(a, oxp_sprintf(a, "%s/..", folder));
        path += len + (path[len] == ':');
    }
    return NULL;
}

static const char *in_node_modules(oxp_arena *a) {
#if defined(__aarch64__)
    static const char arch[] = "arm64";
#else
    static const char arch[] = "x64";
#endif
    char folder[4096];
    if (!getcwd(folder, sizeof folder))
        return NULL;
    for (;;) {
        const char *path = oxp_sprintf(
            a, "%s/node_modules/onnxruntime-node/bin/napi-v6/linux/%s/libonnxruntime.so.1", folder,
            arch);
        if (access(path, R_OK) == 0)
            return path;
        char *slash = strrchr(folder, '/');
        if (!slash || slash == folder)
            return NULL;
        *slash = 0;
    }
}

const char *const *oxp_ort_candidates(oxp_arena *a, const char *given) {
    list l = {a, OXP_NEWS(a, CANDIDATES_MAX + 1, const char *), 0};
    const char *path = given ? given : getenv("ONNXPERT_ORT");
    if (path && *path) {
        add(&l, path);
        return l.at;
    }
    add(&l, "libonnxruntime.so.1");
    add(&l, "libonnxruntime.so");
    add(&l, in_environment(a, getenv("VIRTUAL_ENV")));
    add(&l, in_environment(a, getenv("CONDA_PREFIX")));
    add(&l, in_path(a));
    add(&l, in_node_modules(a));
    return l.at;
}
