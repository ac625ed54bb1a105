/* child.c - a forked process with limits on time and resident memory, watched by its parent.
 *
 * Resident memory is watched instead of RLIMIT_AS: runtimes reserve far more address space than
 * they use. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/leave.h"
#include "verify/child.h"

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- shared memory ---- */

static void unmap(void *arg) {
    oxp_shared *s = arg;
    munmap(s->at, s->bytes);
}

oxp_shared *oxp_shared_new(oxp_arena *arena, size_t bytes) {
    oxp_ctx *ctx = oxp_arena_ctx(arena);
    oxp_shared *s = OXP_NEW(arena, oxp_shared);
    s->bytes = bytes;
    s->at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (s->at == MAP_FAILED)
        oxp_raise(ctx, OXP_E_NOMEM, "out of memory");
    s->token = oxp_defer(ctx, unmap, s);
    return s;
}

void oxp_shared_free(oxp_arena *arena, oxp_shared *s) {
    oxp_undefer(oxp_arena_ctx(arena), s->token, true);
}

/* ---- temporary folders ---- */

/* Files only: nothing in it is a folder. */
static void remove_folder(void *arg) {
    const char *folder = arg;
    DIR *d = opendir(folder);
    for (struct dirent *e; d && (e = readdir(d));)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            unlinkat(dirfd(d), e->d_name, 0);
    if (d)
        closedir(d);
    rmdir(folder);
}

/* Waits for the end of the process that made the folder, however it ends: the pipe is then closed.
 * A byte in it says that the folder is gone already. */
static _Noreturn void clean_up_after(int from, const char *folder) {
    static const int ends[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE};
    char told;
    ssize_t n;
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        signal(ends[i], SIG_IGN); /* meant for the whole group, like Ctrl-C */
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int fd = 0; fd <= STDERR_FILENO && null >= 0; fd++)
        dup2(null, fd); /* nobody waits for the end of our output because of us */
    do {
        n = read(from, &told, 1);
    } while (n < 0 && errno == EINTR);
    if (n == 0)
        remove_folder((void *)(uintptr_t)folder);
    oxp_leave(0);
}

/* A process that removes the folder when a signal ends ours, SIGKILL included.  Without one (no
 * process, no pipe) only that is lost. */
static void start_cleaner(oxp_temporary *t) {
    int ends[2];
    if (pipe(ends) != 0)
        return;
    fcntl(ends[0], F_SETFD, FD_CLOEXEC);
    fcntl(ends[1], F_SETFD, FD_CLOEXEC);
    t->cleaner = fork();
    if (t->cleaner == 0) {
        close(ends[1]);
        clean_up_after(ends[0], t->path);
    }
    close(ends[0]);
    if (t->cleaner > 0)
        t->alive = ends[1];
    else
        close(ends[1]);
}

static void remove_temporary(void *arg) {
    oxp_temporary *t = arg;
    remove_folder((void *)(uintptr_t)t->path);
    if (t->cleaner <= 0)
        return;
    int status;
    if (write(t->alive, "", 1) != 1) /* it is gone: nothing left to tell */
        kill(t->cleaner, SIGKILL);
    close(t->alive);
    waitpid(t->cleaner, &status, 0);
}

oxp_temporary *oxp_temporary_new(oxp_arena *arena) {
    oxp_ctx *ctx = oxp_arena_ctx(arena);
    const char *base = getenv("TMPDIR");
    char *path = oxp_sprintf(arena, "%s/onnxpert-XXXXXX", base && *base ? base : P_tmpdir);
    oxp_temporary *t = OXP_NEW(arena, oxp_temporary);
    if (!mkdtemp(path))
        oxp_raise(ctx, OXP_E_IO, "%s: %s", path, strerror(errno));
    t->path = path;
    start_cleaner(t);
    t->token = oxp_defer(ctx, remove_temporary, t);
    return t;
}

void oxp_temporary_remove(oxp_arena *arena, oxp_temporary *t) {
    oxp_undefer(oxp_arena_ctx(arena), t->token, true);
}

/* ---- memory of a process ---- */

/* "VmHWM:    1234 kB" of /proc/<pid>/status. */
static uint64_t status_field(const char *pid, const char *field) {
    char path[64], line[256];
    uint64_t kib = 0;
    snprintf(path, sizeof path, "/proc/%s/status", pid);
    FILE *f = fopen(path, "re");
    while (f && fgets(line, sizeof line, f))
        if (!strncmp(line, field, strlen(field)))
            kib = strtoull(line + strlen(field), NULL, 10);
    if (f)
        fclose(f);
    return kib << 10;
}

uint64_t oxp_resident_now(void) {
    return status_field("self", "VmRSS:");
}

uint64_t oxp_resident_peak(void) {
    return status_field("self", "VmHWM:");
}

/* ---- the child ---- */

void oxp_child_stage(oxp_child_note *note, int model, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    note->model = model;
    vsnprintf(note->stage, sizeof note->stage, fmt, ap);
    va_end(ap);
}

static _Noreturn void child(oxp_ctx *ctx, void (*work)(void *), void *arg, oxp_child_note *note,
                            const char *folder) {
    struct rlimit core = {0, 0};
    setenv("TMPDIR", folder, 1); /* some builds leave logs there */
    setrlimit(RLIMIT_CORE, &core);
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* never outlive the parent */
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null >= 0) { /* what a dying runtime prints is not our report */
        dup2(null, STDOUT_FILENO);
        dup2(null, STDERR_FILENO);
    }
    note->status = oxp_try(ctx, work, arg);
    snprintf(note->text, sizeof note->text, "%s", oxp_error_text(ctx));
    note->done = true;
    oxp_leave(0);
}

static oxp_child_end kill_for(pid_t pid, oxp_child_end why) {
    int status;
    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
    return why;
}

static oxp_child_end watch(pid_t pid, const oxp_child_note *note, const oxp_limits *limits) {
    double end = now() + limits->seconds;
    char name[24];
    snprintf(name, sizeof name, "%ld", (long)pid);
    for (unsigned turn = 0;; turn++) {
        int status;
        if (waitpid(pid, &status, WNOHANG) == pid)
            return !note->done              ? OXP_CHILD_CRASHED
                   : note->status == OXP_OK ? OXP_CHILD_DONE
                                            : OXP_CHILD_RAISED;
        if (limits->seconds > 0 && now() > end)
            return kill_for(pid, OXP_CHILD_TIME);
        if (limits->memory && turn % 8 == 0 && status_field(name, "VmRSS:") > limits->memory)
            return kill_for(pid, OXP_CHILD_MEMORY);
        nanosleep(&(struct timespec){0, 2000000}, NULL);
    }
}

oxp_child_end oxp_child_run(oxp_ctx *ctx, void (*work)(void *arg), void *arg, oxp_child_note *note,
                            const oxp_limits *limits) {
    memset(note, 0, sizeof *note);
    oxp_child_stage(note, 0, "starting");
    oxp_arena *arena = oxp_arena_new(ctx);
    oxp_temporary *t = oxp_temporary_new(arena);
    pid_t pid = fork();
    if (pid < 0)
        oxp_raise(ctx, OXP_E_IO, "cannot start a process: %s", strerror(errno));
    if (pid == 0)
        child(ctx, work, arg, note, t->path);
    oxp_child_end end = watch(pid, note, limits);
    oxp_temporary_remove(arena, t);
    oxp_arena_free(arena);
    return end;
}

const char *oxp_child_story(oxp_arena *arena, oxp_child_end end, const oxp_child_note *note,
                            const oxp_limits *limits) {
    switch (end) {
    case OXP_CHILD_TIME:
        return oxp_sprintf(arena, "took longer than %g s while %s", limits->seconds, note->stage);
    case OXP_CHILD_MEMORY:
        return oxp_sprintf(arena, "needed more than %llu MiB while %s",
                           (unsigned long long)(limits->memory >> 20), note->stage);
    case OXP_CHILD_CRASHED:
        return oxp_sprintf(arena, "crashed while %s", note->stage);
    default:
        return oxp_strdup(arena, note->text);
    }
}
