/* external.c - external data files: which may be opened, how, and when.
 *
 * A location is a relative path below the model's folder, and nothing on the way may be a symbolic
 * link: the kernel sees to it (openat2 with RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS).  The one
 * exception is a download cache, where the model itself is a link to a file in a store and the data
 * is a link to another file of the same folder: it is opened there by its plain name.  A file is
 * looked at when the model is loaded and opened when its bytes are needed; that it is still the
 * same one is checked by its identity. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/intern.h"
#include "base/source.h"
#include "model/load.h"

enum { OPEN_AT_ONCE = 16, OPEN_FLAGS = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW };

struct oxp_externals {
    oxp_map *by_location;        /* interned location to index */
    size_t cap;                  /* of model.files */
    const char *folder;          /* the model's folder; NULL for standard input */
    const char *store;           /* folder of the file that the model's path leads to, or NULL */
    uint32_t open[OPEN_AT_ONCE]; /* files whose source is open: a ring */
    unsigned n_open, next;
};

/* ---- paths ---- */

/* "a/b" of "a/b/c", "." of "c", "/" of "/c". */
static const char *folder_of(oxp_arena *arena, const char *path) {
    const char *slash = strrchr(path, '/');
    if (!slash)
        return ".";
    return slash == path ? "/" : oxp_memdup0(arena, path, (size_t)(slash - path));
}

static struct oxp_externals *state(oxp_model *m) {
    char real[PATH_MAX];
    if (m->externals)
        return m->externals;
    struct oxp_externals *e = m->externals = OXP_NEW(m->arena, struct oxp_externals);
    e->by_location = oxp_map_new(m->arena);
    if (!strcmp(m->path, "-"))
        return e;
    e->folder = folder_of(m->arena, m->path);
    if (realpath(m->path, real))
        e->store = folder_of(m->arena, real);
    return e;
}

/* Why a location is refused whatever lies there, or NULL. */
static const char *refuse_location(const char *s) {
    size_t len = strlen(s);
    if (!len)
        return "it is empty";
    if (len >= PATH_MAX)
        return "it is too long for a path";
    if (s[0] == '/')
        return "it is an absolute path";
    if (strchr(s, '\\'))
        return "it holds a backslash";
    if (strstr(s, "://"))
        return "it is a URL";
    for (const char *part = s;;) {
        size_t n = strcspn(part, "/");
        if (n == 2 && !memcmp(part, "..", 2))
            return "it holds '..'";
        bool last = !part[n];
        if (last && (n == 0 || (n == 1 && part[0] == '.')))
            return "it names a folder";
        if (last)
            return NULL;
        part += n + 1;
    }
}

/* Component by component, for kernels without openat2. */
static int open_by_steps(int dir, const char *location) {
    char name[NAME_MAX + 1];
    int at = dir;
    for (const char *part = location;;) {
        size_t n = strcspn(part, "/");
        bool last = !part[n];
        if (n > NAME_MAX) {
            errno = ENAMETOOLONG;
            n = 0;
            last = true;
        }
        memcpy(name, part, n);
        name[n] = 0;
        int next = -1;
        if (n)
            next = openat(at, name, last ? OPEN_FLAGS : OPEN_FLAGS | O_DIRECTORY);
        else if (!last)
            next = openat(at, ".", O_RDONLY | O_CLOEXEC | O_DIRECTORY);
        int e = errno;
        if (at != dir)
            close(at);
        errno = e;
        if (next < 0 || last)
            return next;
        at = next;
        part += n + 1;
    }
}

static int open_beneath(const char *folder, const char *location) {
    struct open_how how = {.flags = OPEN_FLAGS,
                           .resolve =
                               RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS};
    int dir = open(folder, O_RDONLY | O_CLOEXEC | O_DIRECTORY);
    if (dir < 0)
        return -1;
    int fd = (int)syscall(SYS_openat2, dir, location, &how, sizeof how);
    if (fd < 0 && (errno == ENOSYS || errno == EPERM))
        fd = open_by_steps(dir, location);
    int e = errno;
    close(dir);
    errno = e;
    return fd;
}

/* A link of a download cache: followed when it leads into the folder where the model really is. */
static int open_in_store(oxp_model *m, const struct oxp_externals *e, const char *location) {
    char real[PATH_MAX];
    oxp_arena *arena = oxp_arena_new(m->ctx);
    int fd = -1;
    const char *path = oxp_sprintf(arena, "%s/%s", e->folder, location);
    errno = ELOOP;
    if (e->store && realpath(path, real)) {
        bool inside = !strcmp(folder_of(arena, real), e->store);
        errno = ELOOP;
        if (inside)
            fd = open_beneath(e->store, strrchr(real, '/') + 1);
    }
    int err = errno;
    oxp_arena_free(arena);
    errno = err;
    return fd;
}

/* A descriptor, or -1 and errno; ELOOP: a link that is not followed. */
static int open_location(oxp_model *m, const struct oxp_externals *e, const char *location) {
    int fd = open_beneath(e->folder, location);
    if (fd < 0 && errno == ELOOP)
        fd = open_in_store(m, e, location);
    return fd;
}

/* ---- files ---- */

static _Noreturn void refuse(const oxp_model *m, const char *location, oxp_status status,
                             const char *why) {
    oxp_raise(m->ctx, status, "%s: external data '%.120s': %s", m->path, location, why);
}

/* A failed open: some failures mean that the file is missing, some that it must not be used. */
static void cannot_open(oxp_model *m, oxp_external_file *f, int error) {
    switch (error) {
    case ENOENT:
    case ENOTDIR:
    case EACCES:
        f->problem = error == EACCES ? "no permission to read it" : "no such file";
        oxp_diagnose(m->ctx, OXP_WARNING, "external-data-missing", f->location,
                     "external data: %s; what needs its values is refused", f->problem);
        break;
    case ELOOP:
        refuse(m, f->location, OXP_E_FORMAT,
               "a symbolic link that leads out of the model's folder");
    case ENXIO:
    case EXDEV:
    case ENAMETOOLONG:
    case EINVAL:
        refuse(m, f->location, OXP_E_FORMAT, strerror(error));
    default:
        refuse(m, f->location, OXP_E_IO, strerror(error));
    }
}

static void look_at(oxp_model *m, const struct oxp_externals *e, oxp_external_file *f) {
    struct stat st;
    if (!e->folder) {
        f->problem = "a model on standard input has no folder";
        oxp_diagnose(m->ctx, OXP_WARNING, "external-data-missing", f->location, "%s: %s", m->path,
                     f->problem);
        return;
    }
    int fd = open_location(m, e, f->location);
    if (fd < 0) {
        cannot_open(m, f, errno);
        return;
    }
    bool known = fstat(fd, &st) == 0;
    int error = errno;
    close(fd);
    if (!known)
        refuse(m, f->location, OXP_E_IO, strerror(error));
    if (!S_ISREG(st.st_mode))
        refuse(m, f->location, OXP_E_FORMAT, "not a regular file");
    f->found = true;
    f->bytes = (uint64_t)st.st_size;
    f->dev = (uint64_t)st.st_dev;
    f->ino = (uint64_t)st.st_ino;
    if (st.st_nlink > 1)
        oxp_diagnose(m->ctx, OXP_NOTE, "external-data-hard-link", f->location,
                     "the file has %llu names (hard links); it is read, never written",
                     (unsigned long long)st.st_nlink);
}

uint32_t oxp_external_add(oxp_model *m, const char *location) {
    struct oxp_externals *e = state(m);
    uint32_t index;
    if (oxp_map_get(e->by_location, (uintptr_t)location, &index))
        return index;
    const char *why = refuse_location(location);
    if (why)
        refuse(m, location, OXP_E_FORMAT, why);
    m->files = oxp_grow(m->arena, m->files, &e->cap, m->n_files + 1, sizeof *m->files);
    oxp_external_file *f = &m->files[m->n_files];
    *f = (oxp_external_file){.location = location};
    look_at(m, e, f);
    oxp_map_put(e->by_location, (uintptr_t)location, (uint32_t)m->n_files);
    return (uint32_t)m->n_files++;
}

oxp_source *oxp_model_external(const oxp_model *m, uint32_t file) {
    struct oxp_externals *e = m->externals;
    oxp_external_file *f = &m->files[file];
    uint64_t dev, ino;
    if (f->source)
        return f->source;
    if (!f->found)
        refuse(m, f->location, OXP_E_UNSUPPORTED, f->problem);
    if (e->n_open == OPEN_AT_ONCE) { /* make room: the one opened longest ago */
        oxp_external_file *old = &m->files[e->open[e->next]];
        oxp_source_close(old->source);
        old->source = NULL;
    } else {
        e->n_open++;
    }
    int fd = open_location((oxp_model *)m, e, f->location);
    if (fd < 0) {
        e->n_open--;
        refuse(m, f->location, OXP_E_IO, strerror(errno));
    }
    oxp_source *s = oxp_source_fd(m->ctx, fd, f->location);
    oxp_source_identity(s, &dev, &ino);
    if (dev != f->dev || ino != f->ino || oxp_source_size(s) != f->bytes) {
        oxp_source_close(s);
        e->n_open--;
        refuse(m, f->location, OXP_E_IO, "it changed while the model was in use");
    }
    e->open[e->next] = file;
    e->next = (e->next + 1) % OPEN_AT_ONCE;
    return f->source = s;
}

void oxp_external_close(oxp_model *m) {
    for (size_t i = 0; i < m->n_files; i++)
        if (m->files[i].source)
            oxp_source_close(m->files[i].source);
}
