/* writer.c - pieces to a file, in windows. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/parallel.h"
#include "model/payload.h"
#include "model/writer.h"

enum { BUFFER = 1 << 20, DIRECT = 256 << 10, FLUSH_EVERY = 8 << 20 };

typedef struct writer {
    const oxp_model *m;
    oxp_arena *arena;
    oxp_atomic *target;
    int fd;
    bool seekable;
    uint64_t at;      /* where the buffer will go */
    uint64_t started; /* the disk has been asked to take everything below */
    uint8_t *buffer;
    size_t used;
    oxp_eval *eval[OXP_WORKERS_MAX];
} writer;

/* Asks the disk to begin, so that the fsync at the end finds little left to do. */
static void start_disk(writer *w) {
    if (!w->seekable || w->at - w->started < FLUSH_EVERY)
        return;
    sync_file_range(w->fd, (off_t)w->started, (off_t)(w->at - w->started), SYNC_FILE_RANGE_WRITE);
    w->started = w->at;
}

static bool write_all(const writer *w, const uint8_t *p, size_t n, uint64_t at) {
    while (n) {
        ssize_t k = w->seekable ? pwrite(w->fd, p, n, (off_t)at) : write(w->fd, p, n);
        if (k < 0 && errno == EINTR) /* GCOVR_EXCL_BR_LINE: no test can time a signal */
            continue;                /* GCOVR_EXCL_LINE */
        if (k <= 0)
            return false;
        p += k;
        at += (uint64_t)k;
        n -= (size_t)k;
    }
    return true;
}

static void flush(writer *w) {
    if (!write_all(w, w->buffer, w->used, w->at))
        oxp_atomic_fail(w->target);
    w->at += w->used;
    w->used = 0;
    start_disk(w);
}

static void put(writer *w, const uint8_t *p, uint64_t n) {
    while (n) {
        size_t k = BUFFER - w->used;
        if (k > n)
            k = (size_t)n;
        if (p) {
            memcpy(w->buffer + w->used, p, k);
            p += k;
        } else {
            memset(w->buffer + w->used, 0, k);
        }
        w->used += k;
        n -= k;
        if (w->used == BUFFER)
            flush(w);
    }
}

/* ---- copying ---- */
/* Inside the kernel where the file systems can; returns how much was copied. */
static uint64_t kernel_copy(writer *w, const oxp_source *src, uint64_t off, uint64_t n) {
    uint64_t done = 0;
    while (done < n) {
        off_t in = (off_t)(off + done), out = (off_t)w->at;
        uint64_t left = n - done;
        size_t want = left < FLUSH_EVERY ? (size_t)left : FLUSH_EVERY;
        ssize_t k = copy_file_range(oxp_source_fileno(src), &in, w->fd, &out, want, 0);
        if (k < 0 && errno == EINTR) /* GCOVR_EXCL_BR_LINE: no test can time a signal */
            continue;                /* GCOVR_EXCL_LINE */
        if (k < 0 && (errno == ENOSPC || errno == EFBIG || errno == EIO || errno == EDQUOT))
            oxp_atomic_fail(w->target);
        if (k <= 0)
            break; /* not possible here: the caller copies the rest, and finds short files */
        done += (uint64_t)k;
        w->at += (uint64_t)k;
        start_disk(w);
    }
    return done;
}

static void copy_range(writer *w, oxp_source *src, uint64_t off, uint64_t n) {
    if (n >= DIRECT && w->seekable) {
        flush(w);
        uint64_t done = kernel_copy(w, src, off, n);
        off += done;
        n -= done;
    }
    while (n) {
        size_t k = BUFFER - w->used;
        if (k > n)
            k = (size_t)n;
        if (k < 4096)
            put(w, oxp_source_peek(src, off, k), k); /* many small ranges: one window */
        else {
            oxp_source_read(src, off, w->buffer + w->used, k);
            w->used += k;
            if (w->used == BUFFER)
                flush(w);
        }
        off += k;
        n -= k;
    }
}

/* ---- computing ---- */
typedef struct tensor_job {
    const writer *w;
    oxp_payload p;
    const oxp_tensor *t;
    int error[OXP_WORKERS_MAX]; /* errno of a failed write */
} tensor_job;

static size_t window_of(const oxp_tensor *t, uint64_t first) {
    uint64_t left = t->count - first;
    return left < OXP_WINDOW_ELEMS ? (size_t)left : OXP_WINDOW_ELEMS;
}

static bool write_window(void *arg, uint64_t task, unsigned worker) {
    tensor_job *j = arg;
    uint64_t first = task * OXP_WINDOW_ELEMS;
    size_t n = window_of(j->t, first);
    const uint8_t *bytes = oxp_payload_eval(&j->p, j->w->eval[worker], first, n);
    if (!bytes)
        return false;
    uint64_t at = j->w->at + oxp_dtype_bytes(j->t->dtype, first);
    if (!write_all(j->w, bytes, (size_t)oxp_dtype_bytes(j->t->dtype, n), at)) {
        j->error[worker] = errno;
        return false;
    }
    return true;
}

static oxp_eval *eval_of(writer *w, unsigned worker, const oxp_payload *p) {
    if (!w->eval[worker])
        w->eval[worker] = oxp_eval_new(w->arena, OXP_WINDOW_ELEMS);
    oxp_eval_start(w->eval[worker], p);
    return w->eval[worker];
}

static void compute_parallel(writer *w, tensor_job *j, oxp_id tensor, uint64_t tasks) {
    unsigned workers = oxp_workers(tasks);
    for (unsigned i = 0; i < workers; i++)
        eval_of(w, i, &j->p);
    flush(w);
    bool ok = oxp_parallel(tasks, workers, write_window, j);
    for (unsigned i = 0; i < workers && !ok; i++) {
        if (!j->error[i])
            continue;
        errno = j->error[i];
        oxp_atomic_fail(w->target);
    }
    if (!ok)
        oxp_payload_fail(w->m, tensor);
    w->at += j->t->bytes;
    start_disk(w);
}

static void write_tensor(writer *w, oxp_id tensor) {
    const oxp_tensor *t = &w->m->tensors[tensor];
    tensor_job j = {.w = w, .t = t};
    uint64_t tasks = t->count / OXP_WINDOW_ELEMS + (t->count % OXP_WINDOW_ELEMS != 0);
    oxp_payload_open(&j.p, w->m, tensor);
    if (j.p.n == 1 && j.p.mem) {
        put(w, j.p.mem, t->bytes);
    } else if (j.p.n == 1 && !j.p.typed) {
        copy_range(w, (oxp_source *)j.p.src, j.p.off, t->bytes);
    } else if (tasks > 1 && w->seekable && !j.p.typed) {
        compute_parallel(w, &j, tensor, tasks);
    } else {
        oxp_eval *e = eval_of(w, 0, &j.p);
        for (uint64_t first = 0; first < t->count; first += OXP_WINDOW_ELEMS) {
            size_t n = window_of(t, first);
            const uint8_t *bytes = oxp_payload_eval(&j.p, e, first, n);
            if (!bytes)
                oxp_payload_fail(w->m, tensor);
            put(w, bytes, oxp_dtype_bytes(t->dtype, n));
        }
    }
}

void oxp_write_rope(const oxp_model *m, oxp_arena *arena, const oxp_rope *r, oxp_atomic *target) {
    writer w = {.m = m,
                .arena = arena,
                .target = target,
                .fd = oxp_atomic_fd(target),
                .seekable = oxp_atomic_seekable(target)};
    w.buffer = oxp_alloc(arena, 1, BUFFER);
    for (size_t i = 0; i < r->n; i++) {
        const oxp_piece *p = &r->pieces[i];
        switch ((oxp_piece_kind)p->kind) {
        case OXP_PIECE_BYTES:
            put(&w, p->u.bytes, p->len);
            break;
        case OXP_PIECE_ZERO:
            put(&w, NULL, p->len);
            break;
        case OXP_PIECE_COPY:
            copy_range(&w, p->id == OXP_NONE ? m->source : oxp_model_external(m, p->id), p->u.off,
                       p->len);
            break;
        case OXP_PIECE_TENSOR:
            write_tensor(&w, p->id);
            break;
        }
    }
    flush(&w);
    if (w.at != r->len)
        oxp_raise(m->ctx, OXP_E_INTERNAL, "%s: %llu bytes written, %llu expected",
                  oxp_atomic_path(target), (unsigned long long)w.at, (unsigned long long)r->len);
}
