/* several.c - one command over several models, in parallel, one report behind the other.
 *
 * Each model is a child process that writes its report and its messages into two pipes; they are
 * read in the order of the arguments.  A child that is ahead waits when its pipe is full, so that
 * memory is bounded by the models in work; one that crashes is an error line like any other. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/atomic_file.h"
#include "base/parallel.h"
#include "cli/command.h"

enum { OVERWRITES = 99 }; /* a child found that --output is one of its model's data files */

typedef struct child {
    pid_t pid;
    int out, err; /* our ends of its pipes */
} child;

typedef struct several {
    oxp_cli *cli;
    int (*one)(oxp_cli *cli);
    oxp_atomic *target;
    bool has_header, header_seen; /* the first line of a report is wanted once */
    bool in_header;               /* of the report that is being read */
    size_t started, window;
    child running[OXP_WORKERS_MAX]; /* model i is number i % window */
} several;

/* ---- in the child ---- */

typedef struct job {
    several *s;
    int code;
} job;

static void run_one(void *arg) {
    job *j = arg;
    oxp_cli *cli = j->s->cli;
    j->code = j->s->one(cli);
    if (fflush(stdout) != 0 || ferror(stdout))
        oxp_raise(cli->ctx, OXP_E_IO, "standard output: %s", strerror(errno));
}

static _Noreturn void be_child(several *s, size_t i, const int out[2], const int err[2]) {
    oxp_cli *cli = s->cli;
    job j = {s, 0};
    dup2(out[1], STDOUT_FILENO);
    dup2(err[1], STDERR_FILENO);
    for (int k = 0; k < 2; k++) {
        close(out[k]);
        close(err[k]);
    }
    for (size_t k = 0; k < s->window; k++) { /* only we may keep the others' pipes open */
        if (s->running[k].pid == 0)
            continue;
        close(s->running[k].out);
        close(s->running[k].err);
    }
    cli->args = &cli->args[i];
    cli->n_args = 1;
    cli->part = (unsigned)i + 1;
    oxp_status status = oxp_try(cli->ctx, run_one, &j);
    if (status != OXP_OK) {
        oxp_cli_failure(cli->ctx);
        j.code = cli->overwrites ? OVERWRITES : oxp_exit_code(status);
    }
    fflush(NULL);
    exit(j.code);
}

/* ---- in the parent ---- */

static void start(several *s) {
    size_t i = s->started;
    int out[2], err[2] = {-1, -1};
    child *c = &s->running[i % s->window];
    if (pipe(out) != 0 || pipe(err) != 0)
        oxp_raise(s->cli->ctx, OXP_E_IO, "%s: cannot make a pipe: %s", s->cli->args[i],
                  strerror(errno));
    fflush(NULL);
    pid_t pid = fork();
    if (pid < 0)
        oxp_raise(s->cli->ctx, OXP_E_IO, "%s: cannot start a process: %s", s->cli->args[i],
                  strerror(errno));
    if (pid == 0) {
        c->pid = 0;
        be_child(s, i, out, err);
    }
    close(out[1]);
    close(err[1]);
    *c = (child){pid, out[0], err[0]};
    s->started++;
}

static void write_all(const several *s, const char *p, size_t n) {
    while (n > 0) {
        ssize_t k = write(oxp_atomic_fd(s->target), p, n);
        if (k < 0 && errno == EINTR) /* GCOVR_EXCL_BR_LINE: no test can time a signal */
            continue;                /* GCOVR_EXCL_LINE */
        if (k <= 0)
            oxp_atomic_fail(s->target);
        p += k;
        n -= (size_t)k;
    }
}

/* A piece of a report, without the header that an earlier one had. */
static void copy_report(several *s, const char *p, size_t n) {
    if (s->in_header) {
        const char *end = memchr(p, '\n', n);
        if (s->header_seen) {
            size_t skip = end ? (size_t)(end - p) + 1 : n;
            p += skip;
            n -= skip;
        }
        if (end) {
            s->in_header = false;
            s->header_seen = true;
        }
    }
    write_all(s, p, n);
}

/* Both pipes of a child to their ends. */
static void read_child(several *s, child *c) {
    char buffer[16384];
    struct pollfd p[2] = {{c->out, POLLIN, 0}, {c->err, POLLIN, 0}};
    s->in_header = s->has_header;
    while (p[0].fd >= 0 || p[1].fd >= 0) {
        if (poll(p, 2, -1) < 0 && errno != EINTR)
            break;
        for (int k = 0; k < 2; k++) {
            if (p[k].fd < 0 || !(p[k].revents & (POLLIN | POLLHUP | POLLERR)))
                continue;
            ssize_t n = read(p[k].fd, buffer, sizeof buffer);
            if (n < 0 && errno == EINTR) /* GCOVR_EXCL_BR_LINE: no test can time a signal */
                continue;                /* GCOVR_EXCL_LINE */
            if (n <= 0) {
                close(p[k].fd);
                p[k].fd = -1;
            } else if (k == 0) {
                copy_report(s, buffer, (size_t)n);
            } else {
                fwrite(buffer, 1, (size_t)n, stderr);
            }
        }
    }
}

/* The exit code of model i, after its report has been copied. */
static int finish(several *s, size_t i) {
    /* NOLINTNEXTLINE(clang-analyzer-core.DivideZero): oxp_workers gives at least 1 */
    child *c = &s->running[i % s->window];
    int status;
    read_child(s, c);
    while (waitpid(c->pid, &status, 0) < 0)
        if (errno != EINTR) /* GCOVR_EXCL_BR_LINE: no test can time a signal */
            oxp_raise(s->cli->ctx, OXP_E_INTERNAL, "%s: its process is lost", s->cli->args[i]);
    c->pid = 0;
    if (WIFEXITED(status))
        return WEXITSTATUS(status);
    fputs("onnxpert: ", stderr);
    oxp_cli_print_safe(stderr, s->cli->args[i]);
    fprintf(stderr, ": ended by signal %d\n", WIFSIGNALED(status) ? WTERMSIG(status) : 0);
    return oxp_exit_code(OXP_E_INTERNAL);
}

/* What a format puts around several reports. */
static void around(several *s, const oxp_format *f, bool end) {
    oxp_sink *o = oxp_sink_new(s->cli->arena);
    size_t len;
    if (!end && f->begin)
        f->begin(o, s->cli->n_args);
    if (end && f->end)
        f->end(o);
    const char *text = oxp_sink_text(o, &len);
    write_all(s, text, len);
}

int oxp_cli_several(oxp_cli *cli, const char *kind, int (*one)(oxp_cli *cli)) {
    const oxp_format *f = oxp_cli_format(cli, kind);
    several s = {.cli = cli, .one = one, .has_header = f->parts == OXP_PARTS_HEADER};
    int worst = 0;
    if (f->parts == OXP_PARTS_NONE)
        oxp_raise(cli->ctx, OXP_E_USAGE, "--format: a file of format '%s' holds one model",
                  f->name);
    for (size_t i = 0; i < cli->n_args; i++)
        if (!strcmp(cli->args[i], "-"))
            oxp_raise(cli->ctx, OXP_E_USAGE, "-: standard input cannot be one of several models");
    s.target = oxp_atomic_open(cli->ctx, cli->arena, cli->output ? cli->output : "-", false);
    s.window = oxp_workers(cli->n_args);
    around(&s, f, false);
    for (size_t i = 0; i < cli->n_args; i++) {
        while (s.started < cli->n_args && s.started < i + s.window)
            start(&s);
        int code = finish(&s, i);
        if (code == OVERWRITES)
            oxp_raise(cli->ctx, OXP_E_USAGE, "%s: nothing was written", cli->output);
        worst = code > worst ? code : worst;
    }
    around(&s, f, true);
    oxp_atomic_sync(s.target);
    oxp_atomic_publish(s.target);
    oxp_atomic_sync_folder(s.target);
    oxp_atomic_done(s.target);
    return worst;
}
