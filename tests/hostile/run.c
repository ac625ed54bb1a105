/* run.c - runs the program over hostile files and judges what it does.
 *
 * usage: hostile_run ONNXPERT INPUT_FOLDER EMPTY_FOLDER KIND LIMITS < LIST
 *
 * LIST is what make_cases prints: name, verdict, second verdict, checks.  KIND is model (the
 * verdicts are for analyze and for optimize) or rules (for rules check, and advise with these rules
 * on INPUT_FOLDER/subject.onnx).  LIMITS 0 leaves out memory limits (sanitizers).  Checks, by
 * blanks: keeps=TEXT   the rewritten model still holds TEXT html         the HTML report has no
 * live markup of the model rss=MB       peak memory allowed instead of 256 MiB and 12 times the
 * file Every command ends by itself within SECONDS, with accept 0, with reject another exit code
 * below 126 and exactly one line that names the file; prints UTF-8 without control or bidirectional
 * characters; leaves a file only when it succeeds.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/utf8.h"

enum { SECONDS = 120, ARGS_MAX = 16, PATH_CAP = 8192, ADDRESS_SPACE_GB = 4 };

typedef struct outcome {
    int code, signal;
    long kib;
    char *out, *err;
    size_t n_out, n_err;
} outcome;

static const char *program, *inputs, *place;
static bool limits;
static long ran, wrong;

static void complain(const char *command, const char *name, const char *what, const outcome *o) {
    wrong++;
    fprintf(stderr, "WRONG: %s %s: %s (exit %d, signal %d) %.200s\n", command, name, what, o->code,
            o->signal, o->err ? o->err : "");
}

static char *slurp(const char *path, size_t *n) {
    struct stat st;
    FILE *f = fopen(path, "rb");
    char *p = f && fstat(fileno(f), &st) == 0 ? malloc((size_t)st.st_size + 1) : NULL;
    if (!p) {
        perror(path);
        exit(2);
    }
    *n = fread(p, 1, (size_t)st.st_size, f);
    p[*n] = 0;
    fclose(f);
    return p;
}

static void child(char **argv, const char *out, const char *err) {
    struct rlimit no_core = {0, 0},
                  space = {(rlim_t)ADDRESS_SPACE_GB << 30, (rlim_t)ADDRESS_SPACE_GB << 30};
    int to[] = {open("/dev/null", O_RDONLY), open(out, O_WRONLY | O_CREAT | O_TRUNC, 0600),
                open(err, O_WRONLY | O_CREAT | O_TRUNC, 0600)};
    for (int i = 0; i < 3; i++)
        if (to[i] < 0 || dup2(to[i], i) < 0)
            _exit(127);
    setrlimit(RLIMIT_CORE, &no_core);
    if (limits)
        setrlimit(RLIMIT_AS, &space);
    alarm(SECONDS); /* outlives exec */
    execv(argv[0], argv);
    _exit(127);
}

static outcome run(char **argv) {
    char out[PATH_CAP], err[PATH_CAP];
    struct rusage used;
    int status;
    outcome o = {0};
    snprintf(out, sizeof out, "%s.out", place);
    snprintf(err, sizeof err, "%s.err", place);
    pid_t pid = fork();
    if (pid == 0)
        child(argv, out, err);
    if (pid < 0 || wait4(pid, &status, 0, &used) != pid) {
        perror("fork");
        exit(2);
    }
    o.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    o.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    o.kib = used.ru_maxrss;
    o.out = slurp(out, &o.n_out);
    o.err = slurp(err, &o.n_err);
    ran++;
    return o;
}

static void done(outcome *o) {
    free(o->out);
    free(o->err);
}

/* Safe to show: valid UTF-8, nothing a terminal acts on, nothing that turns the text around. */
static bool is_safe(const char *text, size_t n) {
    for (size_t i = 0; i < n;) {
        size_t k = text[i] == '\n' || text[i] == '\t' ? 1 : oxp_utf8_printable(text + i, n - i);
        if (!k)
            return false;
        i += k;
    }
    return true;
}

static bool has_check(const char *checks, const char *word, char *value, size_t cap) {
    const char *at = strstr(checks, word);
    if (!at)
        return false;
    snprintf(value, cap, "%.*s", (int)strcspn(at + strlen(word), " "), at + strlen(word));
    return true;
}

static void judge_common(const char *command, const char *name, const char *path,
                         const char *checks, const outcome *o) {
    struct stat st;
    char mb[32];
    long allowed = 256 << 10;
    if (o->signal)
        complain(command, name, o->signal == 14 ? "it hung" : "it died by a signal", o);
    else if (o->code > 5)
        complain(command, name, "an undocumented exit code", o);
    if (strstr(o->err, "Sanitizer") || strstr(o->err, "runtime error:"))
        complain(command, name, "a sanitizer's finding", o);
    if (!is_safe(o->out, o->n_out) || !is_safe(o->err, o->n_err))
        complain(command, name, "output that is not safe to show", o);
    if (strstr(o->out, "HOSTILE-CANARY") || strstr(o->err, "HOSTILE-CANARY"))
        complain(command, name, "it shows a file outside", o);
    if (stat(path, &st) == 0 && S_ISREG(st.st_mode))
        allowed += (long)(12 * st.st_size >> 10);
    if (has_check(checks, "rss=", mb, sizeof mb))
        allowed = strtol(mb, NULL, 10) << 10;
    if (limits && o->kib > allowed) {
        fprintf(stderr, "%ld KiB, allowed are %ld\n", o->kib, allowed);
        complain(command, name, "too much memory", o);
    }
}

static void judge_code(const char *command, const char *name, const char *verdict,
                       const outcome *o) {
    if (o->signal)
        return;
    if (!strcmp(verdict, "accept") && o->code != 0)
        complain(command, name, "refused", o);
    if (!strcmp(verdict, "reject") && o->code == 0)
        complain(command, name, "accepted", o);
    if (o->code == 0)
        return;
    /* The last line says what is wrong; warnings may come before it. */
    size_t n = o->n_err;
    while (n && o->err[n - 1] == '\n')
        n--;
    const char *line = o->err + n;
    while (line > o->err && line[-1] != '\n')
        line--;
    if (strncmp(line, "onnxpert: ", 10) != 0)
        complain(command, name, "no line that says what is wrong", o);
    char part[13];
    snprintf(part, sizeof part, "%.*s", (int)strcspn(name, "\x1b"), name);
    if (!strstr(line, part))
        complain(command, name, "the line does not name the file", o);
}

/* The only file in the folder, if any, is out.onnx, and it is there when and only when exit is 0.
 */
static void judge_output(const char *name, const char *checks, const outcome *o) {
    char path[PATH_CAP], keeps[256];
    bool there = false;
    DIR *d = opendir(place);
    for (struct dirent *e; d && (e = readdir(d));) {
        if (e->d_name[0] == '.' && (!e->d_name[1] || e->d_name[1] == '.'))
            continue;
        snprintf(path, sizeof path, "%s/%s", place, e->d_name);
        bool wanted = !strncmp(e->d_name, "out.onnx", 8);
        there |= !strcmp(e->d_name, "out.onnx");
        if (o->code != 0 || !wanted)
            complain("optimize", name, "left a file behind", o);
        size_t n;
        char *bytes = slurp(path, &n);
        if (memmem(bytes, n, "HOSTILE-CANARY", 14))
            complain("optimize", name, "the output holds bytes of a file outside", o);
        if (there && has_check(checks, "keeps=", keeps, sizeof keeps) &&
            !memmem(bytes, n, keeps, strlen(keeps)))
            complain("optimize", name, "the output lost an unknown field", o);
        free(bytes);
        unlink(path);
    }
    if (d)
        closedir(d);
    if (o->code == 0 && !there)
        complain("optimize", name, "no output", o);
}

static void judge_html(const char *name, char *path) {
    static const char *const live[] = {"<script>alert", "<script>N",  "<script>d",
                                       "<script>p",     "<img src=x", "onmouseover=\"alert",
                                       "<?php",         "<b>\x1b",    "<rule id='x'/>"};
    char *argv[] = {(char *)program, "analyze", path, "--format", "html", NULL};
    outcome o = run(argv);
    judge_common("analyze --format html", name, path, "-", &o);
    for (size_t i = 0; i < sizeof live / sizeof *live; i++)
        if (strcasestr(o.out, live[i]))
            complain("analyze --format html", name, "live markup", &o);
    done(&o);
}

static void model_case(const char *name, char *path, const char *first, const char *second,
                       const char *checks) {
    char out[PATH_CAP];
    snprintf(out, sizeof out, "%s/out.onnx", place);
    char *analyze[] = {(char *)program, "analyze", path, NULL};
    outcome o = run(analyze);
    judge_common("analyze", name, path, checks, &o);
    judge_code("analyze", name, first, &o);
    done(&o);
    char *optimize[] = {(char *)program,           "optimize", path, "-o", out, "--passes",
                        "fold-bn,fp16,fix-shapes", NULL};
    o = run(optimize);
    judge_common("optimize", name, path, checks, &o);
    judge_code("optimize", name, second, &o);
    judge_output(name, checks, &o);
    done(&o);
    if (strstr(checks, "html"))
        judge_html(name, path);
}

static void rules_case(const char *name, char *path, const char *first, const char *second) {
    char subject[PATH_CAP];
    snprintf(subject, sizeof subject, "%s/subject.onnx", inputs);
    char *check[] = {(char *)program, "rules", "check", path, NULL};
    outcome o = run(check);
    judge_common("rules check", name, path, "-", &o);
    judge_code("rules check", name, first, &o);
    done(&o);
    char *advise[] = {(char *)program, "advise", subject, "--rules", path, NULL};
    o = run(advise);
    judge_common("advise", name, path, "-", &o);
    judge_code("advise", name, second, &o);
    done(&o);
}

int main(int argc, char **argv) {
    char *line = NULL, path[PATH_CAP];
    size_t cap = 0;
    if (argc != 6) {
        fputs("usage: hostile_run ONNXPERT INPUT_FOLDER EMPTY_FOLDER KIND LIMITS < LIST\n", stderr);
        return 2;
    }
    program = argv[1], inputs = argv[2], place = argv[3], limits = strcmp(argv[5], "0") != 0;
    while (getline(&line, &cap, stdin) > 0) {
        line[strcspn(line, "\n")] = 0;
        const char *name = strtok(line, "\t"), *first = strtok(NULL, "\t"),
                   *second = strtok(NULL, "\t"), *checks = strtok(NULL, "\t");
        if (!checks || (!limits && strstr(checks, "big")))
            continue;
        snprintf(path, sizeof path, "%s/%s", inputs, name);
        if (!strcmp(argv[4], "rules"))
            rules_case(name, path, first, second);
        else
            model_case(name, path, first, second, checks);
    }
    free(line);
    printf("%ld commands, %ld wrong\n", ran, wrong);
    return ran && !wrong ? 0 : 1;
}
