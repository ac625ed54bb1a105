/* loop.c - fails one call after another of a command and looks at what is left.
 *
 * usage: fault_loop KIND SHIM POINTS FOLDER PROGRAM ARGUMENTS...
 *
 * KIND is alloc, write or read (shim.c); SHIM the library to preload, or - when the program itself
 * knows ONNXPERT_FAULT (src/base/fault.c); POINTS how many of the calls to fail at most, spread
 * evenly when there are more; FOLDER an empty folder that the command may write to.  First the
 * command runs undisturbed; then for each point, once failing one call only and once failing all
 * from there on:
 *   - it ends by itself, with exit 5, or as it did undisturbed (the failure was dealt with);
 *   - with exit 5 there is exactly one line on standard error, which begins with "onnxpert: ";
 *   - a failed run leaves nothing on standard output, and in FOLDER what was there before or what
 *     the undisturbed run made of it; a good one leaves exactly what that made.
 * With DECLINE=1 in the environment exit 3 will do as well (a file that is too short is bad input).
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/scratch.h"

enum { FILES_MAX = 64, PATH_CAP = 4096, SECONDS = 60 };

typedef struct file {
    char name[256];
    uint64_t size, hash;
} file;

typedef struct folder {
    file files[FILES_MAX];
    size_t n;
} folder;

typedef struct outcome {
    int code, signal;
    folder left;
    file out;
    char err[4096];
} outcome;

static const char *kind, *shim, *place;
static char **command;

static void die(const char *what) {
    fprintf(stderr, "fault_loop: %s: %s\n", what, strerror(errno));
    exit(2);
}

static file digest(const char *path) {
    file f = {.hash = 14695981039346656037u}; /* FNV-1a */
    unsigned char buf[65536];
    FILE *in = fopen(path, "rb");
    if (!in)
        die(path);
    for (size_t n; (n = fread(buf, 1, sizeof buf, in)) > 0; f.size += n)
        for (size_t i = 0; i < n; i++)
            f.hash = (f.hash ^ buf[i]) * 1099511628211u;
    fclose(in);
    return f;
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const file *)a)->name, ((const file *)b)->name);
}

static void look(folder *f) {
    char path[PATH_CAP];
    DIR *d = opendir(place);
    if (!d)
        die(place);
    f->n = 0;
    for (struct dirent *e; (e = readdir(d)) && f->n < FILES_MAX;) {
        if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
            continue;
        snprintf(path, sizeof path, "%s/%s", place, e->d_name);
        f->files[f->n] = digest(path);
        snprintf(f->files[f->n++].name, sizeof f->files->name, "%s", e->d_name);
    }
    closedir(d);
    qsort(f->files, f->n, sizeof *f->files, by_name);
}

static bool same(const folder *a, const folder *b) {
    bool is = a->n == b->n;
    for (size_t i = 0; is && i < a->n; i++)
        is = a->files[i].hash == b->files[i].hash && a->files[i].size == b->files[i].size &&
             !strcmp(a->files[i].name, b->files[i].name);
    return is;
}

static void empty_folder(void) {
    char path[PATH_CAP];
    folder f;
    look(&f);
    for (size_t i = 0; i < f.n; i++) {
        snprintf(path, sizeof path, "%s/%s", place, f.files[i].name);
        if (unlink(path) != 0)
            die(path);
    }
}

static void redirect(const char *name, int fd) {
    int to = open(scratch_path(name), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (to < 0 || dup2(to, fd) < 0)
        _exit(126);
    close(to);
}

static void child(long at, bool on) {
    char text[64];
    snprintf(text, sizeof text, "%s:%ld%s", kind, at, on ? "+" : "");
    redirect("out", STDOUT_FILENO);
    redirect("err", STDERR_FILENO);
    setenv("ONNXPERT_FAULT", text, 1);
    if (at == 0)
        setenv("ONNXPERT_FAULT_COUNT", scratch_path("count"), 1);
    if (strcmp(shim, "-") != 0)
        setenv("LD_PRELOAD", shim, 1);
    alarm(SECONDS); /* outlives exec: a run that hangs dies by a signal */
    execv(command[0], command);
    _exit(126);
}

static void run(long at, bool on, outcome *o) {
    int status;
    empty_folder();
    pid_t pid = fork();
    if (pid < 0)
        die("fork");
    if (pid == 0)
        child(at, on);
    if (waitpid(pid, &status, 0) != pid)
        die("waitpid");
    o->code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    o->signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    look(&o->left);
    o->out = digest(scratch_path("out"));
    FILE *err = fopen(scratch_path("err"), "r");
    size_t n = err ? fread(o->err, 1, sizeof o->err - 1, err) : 0;
    o->err[n] = 0;
    if (err)
        fclose(err);
}

static long counted(void) {
    const char *path = scratch_path("count");
    long n = -1;
    FILE *f = fopen(path, "r");
    if (!f || fscanf(f, "%ld", &n) != 1)
        die(path);
    fclose(f);
    return n;
}

/* Why a disturbed run is wrong, or NULL. */
static const char *judge(const outcome *good, const outcome *o) {
    const folder none = {.n = 0};
    bool declined = o->code == 3 && getenv("DECLINE");
    if (o->signal)
        return o->signal == 14 ? "it hung" : "it died by a signal";
    if (o->code != 5 && !declined) {
        if (o->code != good->code)
            return "an exit code that is neither 5 nor the undisturbed one";
        if (!same(&o->left, &good->left))
            return "it went well, but left other files than the undisturbed run";
        return NULL;
    }
    const char *end = strchr(o->err, '\n');
    if (strncmp(o->err, "onnxpert: ", 10) != 0 || !end)
        return "no line that says what is wrong";
    if (end[1] && strstr(end + 1, "Sanitizer"))
        return "a sanitizer's finding";
    if (o->out.size && o->out.hash != good->out.hash)
        return "part of a report on standard output";
    if (!same(&o->left, &none) && !same(&o->left, &good->left))
        return "a file was left behind";
    return NULL;
}

int main(int argc, char **argv) {
    static outcome good, o;
    if (argc < 6) {
        fputs("usage: fault_loop KIND SHIM POINTS FOLDER PROGRAM ARGUMENTS...\n", stderr);
        return 2;
    }
    kind = argv[1], shim = argv[2], place = argv[4], command = argv + 5;
    long points = strtol(argv[3], NULL, 10), bad = 0, runs = 0;
    scratch_folder(); /* made here, not by a child */
    run(0, false, &good);
    if (good.signal || good.code == 5) {
        fprintf(stderr, "undisturbed: exit %d\n%s", good.code, good.err);
        return 1;
    }
    long n = counted(), steps = n < points ? n : points;
    for (long i = 0; i < steps; i++)
        for (int on = 0; on < 2; on++, runs++) {
            long at = 1 + (long)((double)i * (double)n / (double)steps);
            run(at, on, &o);
            const char *why = judge(&good, &o);
            if (why && bad++ < 5)
                fprintf(stderr, "%s:%ld%s of %ld: %s (exit %d, signal %d)\n%s", kind, at,
                        on ? "+" : "", n, why, o.code, o.signal, o.err);
        }
    empty_folder();
    printf("%s: %ld of %ld calls failed in %ld runs, %ld wrong\n", kind, steps, n, runs, bad);
    return n > 0 && bad == 0 ? 0 : 1;
}
