/* command.h - the command record and its options.
 *
 * To add a command: src/cli/command/<name>.c that ends with `const oxp_command oxp_command_<name>`.
 * Parsing, --help and the list of commands follow from the record. */
#ifndef OXP_CLI_COMMAND_H
#define OXP_CLI_COMMAND_H

#include <stdio.h>

#include "onnxpert/onnxpert.h"

/* Values of all options a command line may carry; a command's table says which it takes. */
typedef struct oxp_list {
    const char **items;
    size_t n, cap;
} oxp_list;

typedef struct oxp_cli {
    oxp_ctx *ctx;
    oxp_arena *arena;
    const struct oxp_command *command;
    const char **args; /* positional; more than the command takes is a usage error */
    size_t n_args, cap_args;
    unsigned part;                   /* 0: the only model; else its number among several */
    const struct oxp_device *chosen; /* what --device names, once it is known */
    size_t hidden;                   /* diagnostics made before the names were replaced */
    bool overwrites;                 /* --output was found to be one of the model's data files */
    /* options */
    const char *format, *output, *report, *color, *device, *passes, *external_data, *fold_budget,
        *fail_on, *ort;
    const char *provider, *inputs, *labels, *profile, *data_file, *opt_level, *tolerance;
    oxp_list dims, input_shapes, batches, targets, target_files, rules, disable;
    oxp_list block_ops, block_nodes, include_ops, only_nodes;
    const char *calibrate;
    bool quiet, automatic, verify, dry_run, allow_overridable, repair, allow_retraining, redact;
    bool keep_io, change_io, runtime_info, lossy;
    int64_t seed, sets, threads, runs, time_limit, memory_limit;
} oxp_cli;

typedef enum oxp_opt_kind { OXP_OPT_FLAG, OXP_OPT_TEXT, OXP_OPT_LIST, OXP_OPT_NUMBER } oxp_opt_kind;

typedef struct oxp_option {
    const char *name;    /* "--dim"; a short form follows a comma: "--output,-o" */
    const char *metavar; /* "NAME=VALUE"; NULL for flags; cli/values.h says what it means */
    const char *help;
    oxp_opt_kind kind;
    size_t offset; /* in oxp_cli */
} oxp_option;

typedef struct oxp_command {
    const char *name;
    const char *synopsis; /* "MODEL [options]" */
    const char *summary;
    size_t min_args, max_args;
    const oxp_option *const *groups; /* option tables, NULL-terminated list of NULL-named tables */
    /* Runs inside oxp_try; raises on failure; returns the exit code otherwise. */
    int (*run)(oxp_cli *cli);
    const char *epilog; /* further help, or NULL */
    bool runs_models;   /* always in ONNX Runtime; others only with --verify or --calibrate */
} oxp_command;

/* Option tables shared by commands (src/cli/options.c). */
extern const oxp_option oxp_opts_redact[], oxp_opts_common[], oxp_opts_report[], oxp_opts_dims[],
    oxp_opts_device[];

size_t oxp_command_count(void);
const oxp_command *oxp_command_at(size_t i);

/* Fills the values from argv[first..); raises OXP_E_USAGE. */
void oxp_cli_parse(oxp_cli *cli, int argc, char **argv, int first);
void oxp_cli_help(const oxp_command *c, FILE *f);
/* --dim and --input-shape as bindings; raises OXP_E_USAGE for what is malformed. */
const oxp_binding *oxp_cli_bindings(oxp_cli *cli, size_t *n);
/* The same where a size may be 0: the past of a first turn is empty. */
const oxp_binding *oxp_cli_bindings_or_empty(oxp_cli *cli, size_t *n);
/* The same in the names that this model has now (--redact-names); no first axis of an input is 0.
 */
const oxp_binding *oxp_cli_bindings_of(oxp_cli *cli, const oxp_model *m, size_t *n);
/* --only-nodes as ids of the model's nodes, for these passes; raises OXP_E_USAGE. */
void oxp_cli_only_nodes(oxp_cli *cli, const oxp_model *m, const char *const *names, size_t n,
                        oxp_pass_opts *opts);
/* Opens the model, replaces its names if --redact-names asks for it, and prints its warnings on
 * stderr at the end (oxp_cli_diagnostics). */
oxp_model *oxp_cli_open(oxp_cli *cli, const char *path);
const oxp_analysis *oxp_cli_analyze(oxp_cli *cli, const oxp_model *m, oxp_arena *arena);
/* Diagnostics from number `from` on to stderr, unless --quiet (errors always). */
void oxp_cli_diagnostics(oxp_cli *cli, size_t from);
/* The same of messages about the argument of this number. */
void oxp_cli_diagnostics_of(oxp_cli *cli, size_t arg, size_t from, size_t to);
/* Before any work: --format exists and makes sense for this kind of report, and `path` (NULL: none)
 * would not overwrite an argument, OUT or, when m is given, a data file of the model.  Raises
 * OXP_E_USAGE. */
void oxp_cli_check_report(oxp_cli *cli, const char *kind, const char *path, const oxp_model *m);
/* The format asked for; raises OXP_E_USAGE when there is none or it does not fit this report. */
const oxp_format *oxp_cli_format(oxp_cli *cli, const char *kind);
/* What --rules, --disable and --profile ask for. */
oxp_rules_opts oxp_cli_rules(const oxp_cli *cli);
/* What --device names (the host is measured then), NULL without the option. */
const struct oxp_device *oxp_cli_device(oxp_cli *cli);
/* Runs `one` for each of the arguments as the only one, in parallel, each in a process of its own;
 * reports in the order of the arguments.  A model that fails is an error line, the rest go on; the
 * worst exit code. */
int oxp_cli_several(oxp_cli *cli, const char *kind, int (*one)(oxp_cli *cli));
/* The context's error as a line on stderr. */
void oxp_cli_failure(const oxp_ctx *ctx);
/* Renders in --format (default text) to path (NULL or "-": stdout); raises when it cannot. */
void oxp_cli_render(oxp_cli *cli, const oxp_report *r, const char *path, bool to_stderr);
/* Splits "a,b,c"; empty parts are usage errors named after `what`. */
size_t oxp_cli_split(oxp_cli *cli, const char *text, const char *what, const char ***out);
/* Prints to the terminal with control characters and bad UTF-8 shown as \xNN. */
void oxp_cli_print_safe(FILE *f, const char *text);

#endif
