/* source.c - pread behind one window. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/source.h"

enum { WINDOW = 64 << 10 };

struct oxp_source {
    oxp_ctx *ctx;
    oxp_arena *arena;
    int fd;
    const char *name;
    uint64_t size, dev, ino;
    uint64_t at; /* what the window holds */
    size_t held;
    uint8_t *window; /* made when it is first needed: a model may have thousands of data files */
};

void oxp_source_close(oxp_source *s) {
    if (s && s->fd >= 0) {
        close(s->fd);
        s->fd = -1;
    }
}

oxp_source *oxp_source_fd(oxp_ctx *ctx, int fd, const char *name) {
    struct stat st;
    oxp_arena *arena = oxp_arena_new(ctx);
    oxp_source *s = OXP_NEW(arena, oxp_source);
    s->ctx = ctx;
    s->arena = arena;
    s->fd = fd;
    s->name = oxp_strdup(arena, name);
    if (fstat(fd, &st) != 0) {
        int e = errno;
        close(fd);
        oxp_raise(ctx, OXP_E_IO, "%s: %s", name, strerror(e));
    }
    s->size = (uint64_t)st.st_size;
    s->dev = (uint64_t)st.st_dev;
    s->ino = (uint64_t)st.st_ino;
    return s;
}

/* Standard input, copied to an unlinked in-memory file so that it can be read at random. */
static oxp_source *open_stdin(oxp_ctx *ctx) {
    static const char name[] = "standard input";
    uint8_t buf[WINDOW / 4];
    int fd = memfd_create("onnxpert-stdin", MFD_CLOEXEC);
    if (fd < 0)
        oxp_raise(ctx, OXP_E_IO, "%s: %s", name, strerror(errno));
    for (;;) {
        ssize_t n = read(STDIN_FILENO, buf, sizeof buf);
        if (n == 0)
            break;
        if (n < 0 && errno == EINTR) /* GCOVR_EXCL_BR_LINE: no test can time a signal */
            continue;                /* GCOVR_EXCL_LINE */
        if (n < 0 || write(fd, buf, (size_t)n) != n) {
            int e = errno;
            close(fd);
            oxp_raise(ctx, OXP_E_IO, "%s: %s", name, strerror(e));
        }
    }
    return oxp_source_fd(ctx, fd, name);
}

oxp_source *oxp_source_open(oxp_ctx *ctx, const char *path) {
    if (!strcmp(path, "-"))
        return open_stdin(ctx);
    /* O_NONBLOCK: a FIFO must not hang us before fstat shows what it is. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd <
        0) { /* a path that leads nowhere is bad input; a system that is out of things is not */
        bool ours = errno == EIO || errno == EMFILE || errno == ENFILE || errno == ENOMEM;
        oxp_raise(ctx, ours ? OXP_E_IO : OXP_E_FORMAT, "%s: %s", path, strerror(errno));
    }
    struct stat st;
    if (fstat(fd, &st) == 0 && !S_ISREG(st.st_mode)) {
        close(fd);
        oxp_raise(ctx, OXP_E_FORMAT, "%s: %s", path,
                  S_ISDIR(st.st_mode) ? "is a folder" : "is not a regular file");
    }
    return oxp_source_fd(ctx, fd, path);
}

uint64_t oxp_source_size(const oxp_source *s) {
    return s->size;
}

const char *oxp_source_name(const oxp_source *s) {
    return s->name;
}

int oxp_source_fileno(const oxp_source *s) {
    return s->fd;
}

void oxp_source_identity(const oxp_source *s, uint64_t *dev, uint64_t *ino) {
    *dev = s->dev;
    *ino = s->ino;
}

bool oxp_source_try_read(const oxp_source *s, uint64_t off, void *out, size_t n) {
    uint8_t *p = out;
    if (off > s->size || n > s->size - off)
        return false;
    while (n) {
        ssize_t got = pread(s->fd, p, n, (off_t)off);
        if (got < 0 && errno == EINTR) /* GCOVR_EXCL_BR_LINE: no test can time a signal */
            continue;                  /* GCOVR_EXCL_LINE */
        if (got <= 0)
            return false;
        p += got;
        off += (uint64_t)got;
        n -= (size_t)got;
    }
    return true;
}

void oxp_source_read(oxp_source *s, uint64_t off, void *out, size_t n) {
    if (!oxp_source_try_read(s, off, out, n))
        oxp_raise(s->ctx, OXP_E_IO,
                  "%s: cannot read %zu bytes at offset %llu: the file is shorter than it was or "
                  "unreadable",
                  s->name, n, (unsigned long long)off);
}

const uint8_t *oxp_source_peek(oxp_source *s, uint64_t off, size_t n) {
    if (n > WINDOW)
        oxp_raise(s->ctx, OXP_E_INTERNAL, "%s: window too small", s->name);
    if (off < s->at || off - s->at > s->held || s->held - (off - s->at) < n) {
        uint64_t rest = off < s->size ? s->size - off : 0;
        size_t want = rest < WINDOW ? (size_t)rest : WINDOW;
        s->held = 0;
        if (!s->window)
            s->window = oxp_alloc(s->arena, s->size < WINDOW ? (size_t)s->size + 1 : WINDOW, 1);
        if (want < n)
            want = n; /* fails below with the right message */
        oxp_source_read(s, off, s->window, want);
        s->at = off;
        s->held = want;
    }
    return s->window + (off - s->at);
}
