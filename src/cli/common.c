/* common.c - what several commands do: open, analyse, render, tell about diagnostics. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "analysis/device.h"
#include "base/atomic_file.h"
#include "base/utf8.h"
#include "cli/command.h"

void oxp_cli_print_safe(FILE *f, const char *text) {
    size_t len = strlen(text);
    for (size_t i = 0; i < len;) {
        size_t n = oxp_utf8_printable(text + i, len - i);
        if (n)
            fwrite(text + i, 1, n, f);
        else
            fprintf(f, "\\x%02x", (unsigned)(unsigned char)text[i]);
        i += n ? n : 1;
    }
}

oxp_model *oxp_cli_open(oxp_cli *cli, const char *path) {
    oxp_model *m;
    oxp_status s = oxp_open(&m, cli->ctx, path);
    if (s != OXP_OK)
        oxp_reraise(cli->ctx, s);
    if (cli->redact) {
        cli->hidden = oxp_diag_count(cli->ctx);
        oxp_model_redact(m, cli->part ? oxp_sprintf(cli->arena, "model_%u.onnx", cli->part)
                                      : "model.onnx");
    }
    return m;
}

const oxp_analysis *oxp_cli_analyze(oxp_cli *cli, const oxp_model *m, oxp_arena *arena) {
    const oxp_analysis *a;
    oxp_analyze_opts opts = OXP_ANALYZE_OPTS_INIT;
    opts.bindings = oxp_cli_bindings_of(cli, m, &opts.n_bindings);
    oxp_status s = oxp_analyze(&a, m, &opts, arena);
    if (s != OXP_OK)
        oxp_reraise(cli->ctx, s);
    return a;
}

void oxp_cli_diagnostics_of(oxp_cli *cli, size_t arg, size_t from, size_t to) {
    static const char *const word[] = {"note", "warning", "error"};
    size_t hidden = cli->hidden < to ? cli->hidden : to;
    if (hidden > from && !cli->quiet)
        fprintf(stderr, "onnxpert: %zu messages on reading the model have names: not shown\n",
                hidden - from);
    from = hidden > from ? hidden : from;
    for (size_t i = from; i < to; i++) {
        const oxp_diag *d = oxp_diag_at(cli->ctx, i);
        if (cli->quiet && d->severity != OXP_ERROR)
            continue;
        char *line = oxp_sprintf(cli->arena, "%s: %s%s%s", word[d->severity], d->where,
                                 *d->where ? ": " : "", d->text);
        fputs("onnxpert: ", stderr);
        if (cli->n_args)
            oxp_cli_print_safe(stderr, cli->redact ? "model" : cli->args[arg]);
        fputs(cli->n_args ? ": " : "", stderr);
        oxp_cli_print_safe(stderr, line);
        fputc('\n', stderr);
    }
}

void oxp_cli_diagnostics(oxp_cli *cli, size_t from) {
    oxp_cli_diagnostics_of(cli, 0, from, oxp_diag_count(cli->ctx));
}

oxp_rules_opts oxp_cli_rules(const oxp_cli *cli) {
    oxp_rules_opts o = OXP_RULES_OPTS_INIT;
    o.files = cli->rules.items;
    o.n_files = cli->rules.n;
    o.disable = cli->disable.items;
    o.n_disable = cli->disable.n;
    o.profile = cli->profile;
    return o;
}

const oxp_device *oxp_cli_device(oxp_cli *cli) {
    return cli->device ? oxp_device_find(cli->arena, cli->device) : NULL;
}

/* Colour is for terminals, unless the user says otherwise. */
static bool use_color(oxp_cli *cli, int fd) {
    const char *when = cli->color ? cli->color : "auto";
    if (!strcmp(when, "always"))
        return true;
    if (!strcmp(when, "never"))
        return false;
    const char *no = getenv("NO_COLOR");
    return isatty(fd) && !(no && *no);
}

const oxp_format *oxp_cli_format(oxp_cli *cli, const char *kind) {
    const char *name = cli->format ? cli->format : "text";
    const oxp_format *f = oxp_format_find(name);
    if (!oxp_format_shows(f, kind))
        oxp_raise(cli->ctx, OXP_E_USAGE, "--format: '%s' does not make sense for the %s report",
                  name, kind);
    return f;
}

static bool same_file(const char *a, const char *b) {
    struct stat x, y;
    if (!strcmp(a, b))
        return true;
    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

void oxp_cli_check_report(oxp_cli *cli, const char *kind, const char *path, const oxp_model *m) {
    oxp_cli_format(cli, kind);
    if (!path || !strcmp(path, "-"))
        return;
    bool taken = cli->output && cli->output != path && same_file(path, cli->output);
    for (size_t i = 0; i < cli->n_args; i++)
        taken = taken || same_file(path, cli->args[i]);
    if (m && oxp_model_is_data_file(m, path))
        cli->overwrites = taken = true;
    if (taken)
        oxp_raise(cli->ctx, OXP_E_USAGE, "%s: the report would overwrite a file of the model",
                  path);
    /* A report that cannot be written is told before anything else is. */
    const char *slash = strrchr(path, '/');
    const char *folder = slash ? oxp_memdup0(cli->arena, path, (size_t)(slash - path) + 1) : ".";
    if (access(folder, W_OK | X_OK) != 0)
        oxp_raise(cli->ctx, OXP_E_IO, "%s: %s", path, strerror(errno));
}

void oxp_cli_failure(const oxp_ctx *ctx) {
    fputs("onnxpert: ", stderr);
    oxp_cli_print_safe(stderr, oxp_error_text(ctx));
    fputc('\n', stderr);
}

/* Where a report goes: a file that appears whole, or a stream. */
typedef struct outlet {
    oxp_ctx *ctx;
    oxp_atomic *file; /* NULL: the stream */
    FILE *stream;
} outlet;

static void let_out(void *arg, const char *text, size_t len) {
    outlet *o = arg;
    if (o->file)
        oxp_atomic_write(o->file, text, len);
    else if (fwrite(text, 1, len, o->stream) != len || fflush(o->stream) != 0)
        oxp_raise(o->ctx, OXP_E_IO, "standard output: %s", strerror(errno));
}

void oxp_cli_render(oxp_cli *cli, const oxp_report *report, const char *path, bool to_stderr) {
    oxp_report numbered = *report;
    numbered.part = cli->part;
    const oxp_report *r = &numbered;
    const oxp_format *f = oxp_cli_format(cli, r->kind);
    if (cli->part) /* the process that collects the reports writes the file */
        path = NULL;
    bool to_file = path && strcmp(path, "-") != 0;
    outlet o = {cli->ctx, NULL, to_stderr ? stderr : stdout};
    if (to_file)
        o.file = oxp_atomic_open(cli->ctx, cli->arena, path, false);
    oxp_sink *out = oxp_sink_new(cli->arena);
    oxp_sink_drain(out, let_out, &o);
    f->render(r, out, cli->arena, to_file ? false : use_color(cli, fileno(o.stream)));
    size_t len;
    const char *text = oxp_sink_text(out, &len);
    let_out(&o, text, len);
    if (to_file)
        oxp_atomic_finish(o.file);
}
