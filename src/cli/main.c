/* main.c - finds the command, runs it, turns failures into one line and an exit code. */
#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "base/sandbox.h"
#include "cli/values.h"
#include "commands.inc"

size_t oxp_command_count(void) {
    return sizeof oxp_command_list / sizeof *oxp_command_list - 1;
}

const oxp_command *oxp_command_at(size_t i) {
    return oxp_command_list[i];
}

static const oxp_command *find_command(const char *name) {
    for (size_t i = 0; i < oxp_command_count(); i++)
        if (!strcmp(oxp_command_list[i]->name, name))
            return oxp_command_list[i];
    return NULL;
}

static void print_usage(FILE *f) {
    fputs("onnxpert - optimization advisor and model rewriter for ONNX\n\nusage:\n", f);
    for (size_t i = 0; i < oxp_command_count(); i++)
        fprintf(f, "  onnxpert %-9s %s\n", oxp_command_list[i]->name,
                oxp_command_list[i]->synopsis);
    fputs("\ncommands:\n", f);
    for (size_t i = 0; i < oxp_command_count(); i++)
        fprintf(f, "  %-9s %s\n", oxp_command_list[i]->name, oxp_command_list[i]->summary);
    fputs("\nformats:\n", f);
    for (size_t i = 0; i < oxp_format_count(); i++)
        fprintf(f, "  %-9s %s\n", oxp_format_at(i)->name, oxp_format_at(i)->summary);
    fputs("\n`onnxpert COMMAND --help` explains a command.  Exit codes: 0 done, 1 findings at or\n"
          "above --fail-on, 2 usage, 3 bad input, 4 verification failed, 5 the environment failed\n"
          "(file system, memory, no ONNX Runtime).\n",
          f);
}

typedef struct job {
    oxp_cli cli;
    int argc;
    char **argv;
    int code;
} job;

static void unknown_command(oxp_cli *cli, const char *given) {
    if (access(given, F_OK) == 0)
        oxp_raise(cli->ctx, OXP_E_USAGE,
                  "'%s' is a file, not a command; did you mean 'onnxpert analyze %s'?", given,
                  given);
    const char *words = "";
    for (size_t i = 0; i < oxp_command_count(); i++)
        words = oxp_sprintf(cli->arena, "%s %s", oxp_command_at(i)->name, words);
    oxp_raise(cli->ctx, OXP_E_USAGE, "unknown command '%s'%s (`onnxpert --help` lists them)", given,
              oxp_cli_suggest(cli->arena, given, words));
}

/* ONNX Runtime, where it runs, has needs of its own: temporary files, devices. */
static void give_up_writing(const oxp_cli *cli) {
    if (cli->command->runs_models || cli->verify || cli->calibrate)
        return;
    const char *targets[2];
    size_t n = 0;
    if (cli->output)
        targets[n++] = cli->output;
    if (cli->report)
        targets[n++] = cli->report;
    oxp_sandbox_writer(targets, n);
}

static void name_standard_output(const char **path) {
    if (*path && oxp_descriptor_of(*path) == STDOUT_FILENO)
        *path = "-";
}

static void run(void *arg) {
    job *j = arg;
    if (!j->cli.command)
        unknown_command(&j->cli, j->argv[1]);
    oxp_cli_parse(&j->cli, j->argc, j->argv, 2);
    name_standard_output(&j->cli.output);
    name_standard_output(&j->cli.report);
    give_up_writing(&j->cli);
    j->code = j->cli.command->run(&j->cli);
    /* A report that did not reach its reader is a failure, not a success. */
    if (fflush(stdout) != 0 || ferror(stdout))
        oxp_raise(j->cli.ctx, OXP_E_IO, "standard output: %s", strerror(errno));
}

static bool wants_help(int argc, char **argv) {
    for (int i = 2; i < argc && strcmp(argv[i], "--"); i++)
        if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h"))
            return true;
    return false;
}

static int run_command(const oxp_command *c, int argc, char **argv) {
    job *j = calloc(1, sizeof *j);
    oxp_ctx *ctx = j ? oxp_ctx_new(0) : NULL;
    if (!ctx) {
        free(j);
        fputs("onnxpert: out of memory\n", stderr);
        return oxp_exit_code(OXP_E_NOMEM);
    }
    j->cli.ctx = ctx;
    j->cli.command = c;
    j->argc = argc;
    j->argv = argv;
    j->cli.arena = oxp_arena_new(ctx);
    j->cli.runs = j->cli.sets = j->cli.time_limit = j->cli.memory_limit = -1; /* not given */
    oxp_status status = oxp_try(ctx, run, j);
    int code = j->code;
    if (status != OXP_OK) {
        oxp_cli_failure(ctx);
        code = oxp_exit_code(status);
    }
    oxp_ctx_free(ctx);
    free(j);
    return code;
}

/* What was asked for is on standard output, or it is said that it is not. */
static int end_of_help(void) {
    if (fflush(stdout) == 0 && !ferror(stdout))
        return 0;
    fprintf(stderr, "onnxpert: standard output: %s\n", strerror(errno));
    return oxp_exit_code(OXP_E_IO);
}

int main(int argc, char **argv) {
#ifdef M_MMAP_THRESHOLD
    /* The large blocks of an arena go back to the system as soon as it is freed; by default glibc
     * stops doing that after the first one. */
    mallopt(M_MMAP_THRESHOLD, 512 << 10);
#endif
    signal(SIGPIPE, SIG_IGN); /* a closed pipe is a write error with a message */
#ifdef SIGXFSZ
    signal(SIGXFSZ, SIG_IGN); /* so is a file size limit */
#endif
    oxp_sandbox_alone();
    if (argc < 2) {
        print_usage(stderr);
        return oxp_exit_code(OXP_E_USAGE);
    }
    if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
        const oxp_command *c = argc > 2 ? find_command(argv[2]) : NULL;
        if (argc > 2 && !c)
            return run_command(NULL, argc - 1, argv + 1);
        if (c)
            oxp_cli_help(c, stdout);
        else
            print_usage(stdout);
        return end_of_help();
    }
    if (!strcmp(argv[1], "--version")) {
        puts("onnxpert " OXP_VERSION);
        return end_of_help();
    }
    const oxp_command *c = find_command(argv[1]);
    if (c && wants_help(argc, argv)) {
        oxp_cli_help(c, stdout);
        return end_of_help();
    }
    return run_command(c, argc, argv);
}
