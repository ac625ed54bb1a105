/* shim.c - preloaded into the program under test: makes the n-th call of a kind fail.
 *
 *   ONNXPERT_FAULT=alloc:N   malloc, calloc, realloc give NULL
 *   ONNXPERT_FAULT=write:N   writing to a regular file, syncing, truncating, naming or creating one
 *                            fails for lack of space (or EIO where that is what happens)
 *   ONNXPERT_FAULT=read:N    reading finds the end of the file, as if it had been shortened
 *   ...:N+                   this call and every later one
 *   ONNXPERT_FAULT_COUNT=F   at the end the number of such calls is written to F
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { NOTHING, ALLOC, WRITE, READ };
static int kind;
static bool persistent;
static long fail_at;
static atomic_long calls;
static int count = -1; /* open from the start: at the end the sandbox is closed */

__attribute__((constructor)) static void begin(void) {
    static const char *const names[] = {"", "alloc:", "write:", "read:"};
    const char *text = getenv("ONNXPERT_FAULT");
    for (int i = ALLOC; text && i <= READ; i++)
        if (!strncmp(text, names[i], strlen(names[i]))) {
            fail_at = strtol(text + strlen(names[i]), NULL, 10);
            persistent = text[strlen(text) - 1] == '+';
            kind = i;
        }
    const char *path = getenv("ONNXPERT_FAULT_COUNT");
    if (path)
        count = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
                             0600);
}

__attribute__((destructor)) static void end(void) {
    char text[32];
    kind = NOTHING;
    if (count < 0)
        return;
    int n = snprintf(text, sizeof text, "%ld\n", atomic_load(&calls));
    if (write(count, text, (size_t)n) != n)
        abort();
    close(count);
}

/* What follows is the tests' own business (src/base/leave.c). */
__attribute__((visibility("default"))) void shim_stop(void);
void shim_stop(void) {
    kind = NOTHING;
}

static bool hit(int what) {
    if (kind != what)
        return false;
    long n = atomic_fetch_add(&calls, 1) + 1;
    return fail_at > 0 && (n == fail_at || (persistent && n > fail_at));
}

/* ---- memory ---- */
#ifndef SHIM_NO_ALLOC /* a sanitizer has an allocator of its own: src/base/fault.c is used then */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t size);

void *malloc(size_t size) {
    if (hit(ALLOC)) {
        errno = ENOMEM;
        return NULL;
    }
    return __libc_malloc(size);
}

void *calloc(size_t n, size_t size) {
    if (hit(ALLOC)) {
        errno = ENOMEM;
        return NULL;
    }
    return __libc_calloc(n, size);
}

void *realloc(void *p, size_t size) {
    if (hit(ALLOC)) {
        errno = ENOMEM;
        return NULL;
    }
    return __libc_realloc(p, size);
}
#endif

/* ---- files ---- */
#define REAL(name)                                                                                 \
    static __typeof__(name) *real;                                                                 \
    if (!real)                                                                                     \
    *(void **)&real = dlsym(RTLD_NEXT, #name)

static bool regular(int fd) {
    struct stat st;
    return fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

static bool no_space(int fd, int error) {
    if (kind != WRITE || (fd >= 0 && !regular(fd)) || !hit(WRITE))
        return false;
    errno = error;
    return true;
}

ssize_t write(int fd, const void *p, size_t n) {
    REAL(write);
    return no_space(fd, ENOSPC) ? -1 : real(fd, p, n);
}

ssize_t pwrite(int fd, const void *p, size_t n, off_t at) {
    REAL(pwrite);
    return no_space(fd, ENOSPC) ? -1 : real(fd, p, n, at);
}

ssize_t copy_file_range(int in, off64_t *in_at, int out, off64_t *out_at, size_t n,
                        unsigned flags) {
    REAL(copy_file_range);
    return no_space(out, ENOSPC) ? -1 : real(in, in_at, out, out_at, n, flags);
}

int ftruncate(int fd, off_t size) {
    REAL(ftruncate);
    return no_space(fd, ENOSPC) ? -1 : real(fd, size);
}

int fsync(int fd) {
    REAL(fsync);
    return no_space(-1, EIO) ? -1 : real(fd);
}

int renameat(int from_dir, const char *from, int to_dir, const char *to) {
    REAL(renameat);
    return no_space(-1, EIO) ? -1 : real(from_dir, from, to_dir, to);
}

int linkat(int from_dir, const char *from, int to_dir, const char *to, int flags) {
    REAL(linkat);
    return no_space(-1, EIO) ? -1 : real(from_dir, from, to_dir, to, flags);
}

int fchmod(int fd, mode_t mode) {
    REAL(fchmod);
    return no_space(fd, EIO) ? -1 : real(fd, mode);
}

int openat(int dir, const char *path, int flags, ...) {
    static int (*real)(int, const char *, int, ...);
    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "openat");
    va_list ap;
    va_start(ap, flags);
    bool creates = (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE;
    int mode = creates ? va_arg(ap, int) : 0;
    va_end(ap);
    return creates && no_space(-1, ENOSPC) ? -1 : real(dir, path, flags, mode);
}

ssize_t pread(int fd, void *p, size_t n, off_t at) {
    REAL(pread);
    return kind == READ && regular(fd) && hit(READ) ? 0 : real(fd, p, n, at);
}

/* What pread is with _FORTIFY_SOURCE. */
ssize_t __pread_chk(int fd, void *p, size_t n, off_t at, size_t room);
ssize_t __pread_chk(int fd, void *p, size_t n, off_t at, size_t room) {
    if (n > room)
        abort();
    return pread(fd, p, n, at);
}
