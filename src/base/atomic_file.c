/* atomic_file.c - temporary file, fsync, rename; and what removes the temporary file.
 *
 * Where the file system can, the temporary file has no name at all (O_TMPFILE): nothing is left of
 * it even after SIGKILL.  A target that does not exist yet is then made by one linkat; one that is
 * replaced needs a name for the moment between linkat and rename. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/atomic_file.h"
#include "base/descriptor.h"

enum { STRAIGHT, WRITING, PUBLISHED, DONE };

struct oxp_atomic {
    oxp_ctx *ctx;
    const char *path, *base; /* base: last component */
    char temp[64];
    int dir, fd, state, slot;
    bool fresh, nameless; /* nameless: O_TMPFILE, and temp is not in the folder */
    size_t token;         /* of the deferred abort */
};

/* ---- signals ---- */
/* Temporary files that exist.  A handler may only use what is async-signal-safe: unlinkat is. */
enum { SLOTS = 16, N_FATAL = 3, N_QUIET = 2 };
static struct {
    volatile sig_atomic_t used;
    int dir;
    char name[NAME_MAX + 1];
} slots[SLOTS];
static const int fatal[N_FATAL] = {SIGINT, SIGTERM, SIGHUP};
/* A file-size limit and a closed pipe are errors of write, not a death. */
static const int quiet[N_QUIET] = {SIGXFSZ, SIGPIPE};
static struct sigaction old_fatal[N_FATAL], old_quiet[N_QUIET];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned n_open;

/* GCOVR_EXCL_START: the signal ends the process, without counters; faults.interrupt sends it */
static void on_signal(int number) {
    for (int i = 0; i < SLOTS; i++)
        if (slots[i].used)
            unlinkat(slots[i].dir, slots[i].name, 0);
    signal(number, SIG_DFL);
    raise(number);
}
/* GCOVR_EXCL_STOP */

/* Only what is at its default is replaced: a program that handles a signal keeps its handler. */
static void take_over(const int *numbers, struct sigaction *old, int n, void (*handler)(int)) {
    for (int i = 0; i < n; i++) {
        struct sigaction mine = {.sa_handler = handler};
        sigemptyset(&mine.sa_mask);
        sigaction(numbers[i], NULL, &old[i]);
        if (old[i].sa_handler == SIG_DFL)
            sigaction(numbers[i], &mine, NULL);
    }
}

static void give_back(const int *numbers, const struct sigaction *old, int n) {
    for (int i = 0; i < n; i++)
        if (old[i].sa_handler == SIG_DFL)
            sigaction(numbers[i], &old[i], NULL);
}

static void signals_begin(void) {
    pthread_mutex_lock(&lock);
    if (n_open++ == 0) {
        take_over(fatal, old_fatal, N_FATAL, on_signal);
        take_over(quiet, old_quiet, N_QUIET, SIG_IGN);
    }
    pthread_mutex_unlock(&lock);
}

static void signals_end(void) {
    pthread_mutex_lock(&lock);
    if (--n_open == 0) {
        give_back(fatal, old_fatal, N_FATAL);
        give_back(quiet, old_quiet, N_QUIET);
    }
    pthread_mutex_unlock(&lock);
}

/* Before the file exists, so that no moment is without a guard; -1 when all are taken. */
static int guard(int dir, const char *name) {
    int slot = -1;
    pthread_mutex_lock(&lock);
    for (int i = 0; i < SLOTS && slot < 0; i++) {
        if (slots[i].used)
            continue;
        slot = i;
        slots[i].dir = dir;
        snprintf(slots[i].name, sizeof slots[i].name, "%s", name);
        slots[i].used = 1;
    }
    pthread_mutex_unlock(&lock);
    return slot;
}

static void unguard(oxp_atomic *f) {
    if (f->slot >= 0)
        slots[f->slot].used = 0;
    f->slot = -1;
}

/* ---- files ---- */
static void release(oxp_atomic *f) {
    if (f->state == DONE)
        return;
    unguard(f);
    if (f->fd >= 0 && f->fd != STDOUT_FILENO)
        close(f->fd);
    if (f->dir >= 0)
        close(f->dir);
    f->fd = f->dir = -1;
    f->state = DONE;
    signals_end();
}

static void abort_file(void *arg) {
    oxp_atomic *f = arg;
    if (f->state == WRITING && !f->nameless)
        unlinkat(f->dir, f->temp, 0);
    if (f->state == PUBLISHED && f->fresh)
        unlinkat(f->dir, f->base, 0);
    release(f);
}

static _Noreturn void fail(const oxp_atomic *f, const char *what, int error) {
    oxp_raise(f->ctx, OXP_E_IO, "%s: %s: %s", f->path, what, strerror(error));
}

void oxp_atomic_fail(const oxp_atomic *f) {
    fail(f, "cannot write", errno);
}

static void open_folder(oxp_atomic *f, oxp_arena *arena) {
    const char *slash = strrchr(f->path, '/');
    const char *dir = ".";
    if (slash)
        dir = oxp_memdup0(arena, f->path, (size_t)(slash - f->path) + 1);
    f->base = slash ? slash + 1 : f->path;
    if (!*f->base)
        fail(f, "cannot write", EISDIR);
    f->dir = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (f->dir < 0)
        fail(f, "cannot open its folder", errno);
}

static mode_t current_umask(void) {
    mode_t mask = umask(077);
    umask(mask);
    return mask;
}

static void next_name(oxp_atomic *f) {
    static unsigned serial;
    pthread_mutex_lock(&lock);
    unsigned number = serial++;
    pthread_mutex_unlock(&lock);
    snprintf(f->temp, sizeof f->temp, ".onnxpert-%ld-%u.tmp", (long)getpid(), number);
}

/* The way to a file by its descriptor, for linkat. */
static void path_of(const oxp_atomic *f, char *path, size_t size) {
    snprintf(path, size, "/proc/self/fd/%d", f->fd);
}

/* A file without a name, if the file system knows such and /proc is there to give it one later. */
static bool open_nameless(oxp_atomic *f) {
    char path[64];
    f->fd = openat(f->dir, ".", O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
    if (f->fd < 0 && (errno == ENOSPC || errno == EDQUOT || errno == EACCES || errno == EROFS))
        fail(f, "cannot create a file beside it", errno);
    if (f->fd < 0)
        return false;
    path_of(f, path, sizeof path);
    if (access(path, F_OK) != 0) {
        close(f->fd);
        f->fd = -1;
        return false;
    }
    f->nameless = true;
    return true;
}

static bool open_named(oxp_atomic *f) {
    for (unsigned attempt = 0; attempt < 100; attempt++) {
        next_name(f);
        f->slot = guard(f->dir, f->temp);
        f->fd = openat(f->dir, f->temp, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (f->fd >= 0)
            return true;
        int error = errno;
        unguard(f);
        if (error != EEXIST)
            fail(f, "cannot create a file beside it", error);
    }
    return false;
}

static void open_temp(oxp_atomic *f, mode_t mode) {
    if (!open_nameless(f) && !open_named(f))
        fail(f, "cannot create a file beside it", EEXIST);
    f->state = WRITING;
    if (fchmod(f->fd, mode) != 0)
        fail(f, "cannot set its mode", errno);
}

oxp_atomic *oxp_atomic_open(oxp_ctx *ctx, oxp_arena *arena, const char *path, bool fresh) {
    struct stat st;
    oxp_atomic *f = OXP_NEW(arena, oxp_atomic);
    f->ctx = ctx;
    f->path = oxp_strdup(arena, path);
    f->dir = f->fd = f->slot = -1;
    f->fresh = fresh;
    signals_begin();
    f->token = oxp_defer(ctx, abort_file, f);
    if (!strcmp(path, "-")) {
        f->path = "standard output";
        f->fd = STDOUT_FILENO;
        return f;
    }
    int own = oxp_descriptor_of(path);
    if (own >= 0) {
        f->fd = fcntl(own, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
        if (f->fd < 0)
            fail(f, "cannot open it", errno);
        return f;
    }
    bool there = stat(path, &st) == 0;
    if (there && S_ISDIR(st.st_mode))
        fail(f, "cannot write", EISDIR);
    if (there && fresh)
        fail(f, "cannot create it", EEXIST);
    if (there && !S_ISREG(st.st_mode)) {
        f->fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
        if (f->fd < 0)
            fail(f, "cannot open it", errno);
        return f;
    }
    open_folder(f, arena);
    open_temp(f, there ? st.st_mode & 0777 : 0666 & ~current_umask());
    return f;
}

int oxp_atomic_fd(const oxp_atomic *f) {
    return f->fd;
}

const char *oxp_atomic_path(const oxp_atomic *f) {
    return f->path;
}

bool oxp_atomic_seekable(const oxp_atomic *f) {
    return f->state == WRITING;
}

void oxp_atomic_sync(oxp_atomic *f) {
    if (f->state == WRITING && fsync(f->fd) != 0)
        fail(f, "cannot write", errno);
}

/* Gives a nameless file the target's name, or a temporary one where that is taken; false: an error,
 * in errno. */
static bool give_name(oxp_atomic *f) {
    char path[64];
    path_of(f, path, sizeof path);
    if (linkat(AT_FDCWD, path, f->dir, f->base, AT_SYMLINK_FOLLOW) == 0) {
        f->state = PUBLISHED;
        return true;
    }
    if (f->fresh || errno != EEXIST)
        return false;
    for (unsigned attempt = 0; attempt < 100; attempt++) {
        next_name(f);
        f->slot = guard(f->dir, f->temp);
        if (linkat(AT_FDCWD, path, f->dir, f->temp, AT_SYMLINK_FOLLOW) == 0) {
            f->nameless = false;
            return true;
        }
        int error = errno;
        unguard(f);
        errno = error;
        if (error != EEXIST)
            return false;
    }
    return false;
}

void oxp_atomic_publish(oxp_atomic *f) {
    if (f->state != WRITING)
        return;
    if (f->nameless && !give_name(f))
        fail(f, "cannot give the file its name", errno);
    if (f->state == PUBLISHED)
        return;
    int failed = f->fresh ? linkat(f->dir, f->temp, f->dir, f->base, 0)
                          : renameat(f->dir, f->temp, f->dir, f->base);
    /* File systems without hard links: the check and the rename are then two steps. */
    if (failed && f->fresh && errno != EEXIST &&
        faccessat(f->dir, f->base, F_OK, AT_SYMLINK_NOFOLLOW) != 0)
        failed = renameat(f->dir, f->temp, f->dir, f->base);
    else if (!failed && f->fresh)
        unlinkat(f->dir, f->temp, 0);
    if (failed)
        fail(f, "cannot give the file its name", errno);
    unguard(f);
    f->state = PUBLISHED;
}

void oxp_atomic_sync_folder(oxp_atomic *f) {
    if (f->state == PUBLISHED && fsync(f->dir) != 0 && errno != EINVAL && errno != EROFS)
        fail(f, "cannot write its folder", errno);
}

void oxp_atomic_done(oxp_atomic *f) {
    int failed = 0;
    if (f->state == STRAIGHT && f->fd != STDOUT_FILENO) {
        failed = close(f->fd);
        f->fd = -1;
    }
    if (failed)
        fail(f, "cannot write", errno);
    oxp_undefer(f->ctx, f->token, false);
    release(f);
}

void oxp_atomic_write(oxp_atomic *f, const char *text, size_t len) {
    while (len) {
        ssize_t n = write(f->fd, text, len);
        if (n < 0 && errno == EINTR) /* GCOVR_EXCL_BR_LINE: no test can time a signal */
            continue;                /* GCOVR_EXCL_LINE */
        if (n <= 0)
            oxp_atomic_fail(f);
        text += n;
        len -= (size_t)n;
    }
}

void oxp_atomic_finish(oxp_atomic *f) {
    oxp_atomic_sync(f);
    oxp_atomic_publish(f);
    oxp_atomic_sync_folder(f);
    oxp_atomic_done(f);
}

void oxp_write_file(oxp_ctx *ctx, const char *path, const char *text, size_t len) {
    oxp_arena *arena = oxp_arena_new(ctx);
    oxp_atomic *f = oxp_atomic_open(ctx, arena, path, false);
    oxp_atomic_write(f, text, len);
    oxp_atomic_finish(f);
    oxp_arena_free(arena);
}

/* ---- drafts ---- */
typedef struct doomed {
    int dir, slot;
    const char *base;
} doomed;

typedef struct drafts {
    doomed *all;
    size_t n;
} drafts;

static void remove_drafts(void *arg) {
    drafts *d = arg;
    for (size_t i = 0; i < d->n; i++) {
        if (d->all[i].slot >= 0)
            slots[d->all[i].slot].used = 0;
        unlinkat(d->all[i].dir, d->all[i].base, 0);
        close(d->all[i].dir);
    }
    signals_end();
}

size_t oxp_doom(oxp_ctx *ctx, oxp_arena *arena, const char *const *paths, size_t n) {
    drafts *d = OXP_NEW(arena, drafts);
    d->all = OXP_NEWS(arena, n, doomed);
    signals_begin();
    size_t token = oxp_defer(ctx, remove_drafts, d);
    for (size_t i = 0; i < n; i++) {
        oxp_atomic where = {.ctx = ctx, .path = oxp_strdup(arena, paths[i])};
        open_folder(&where, arena);
        d->all[d->n++] = (doomed){where.dir, guard(where.dir, where.base), where.base};
    }
    return token;
}
