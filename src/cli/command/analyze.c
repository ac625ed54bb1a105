/* analyze.c - what a model costs and why. */
#include <errno.h>
#include <stdlib.h>

#include "cli/command.h"
#include "report/reports.h"

static const oxp_option *const groups[] = {oxp_opts_report, oxp_opts_dims,   oxp_opts_device,
                                           oxp_opts_redact, oxp_opts_common, NULL};

/* --batch 1,2,4: sizes to sweep. */
static int64_t *batch_list(oxp_cli *cli, size_t *n) {
    *n = 0;
    int64_t *all = NULL;
    size_t cap = 0;
    for (size_t i = 0; i < cli->batches.n; i++) {
        const char **parts;
        size_t m = oxp_cli_split(cli, cli->batches.items[i], "--batch", &parts);
        for (size_t k = 0; k < m; k++) {
            char *end;
            errno = 0;
            long long v = strtoll(parts[k], &end, 10);
            if (errno || *end || v < 1)
                oxp_raise(cli->ctx, OXP_E_USAGE, "--batch: '%s' is not a batch size", parts[k]);
            all = oxp_grow(cli->arena, all, &cap, *n + 1, sizeof *all);
            all[(*n)++] = v;
        }
    }
    return all;
}

static int one(oxp_cli *cli) {
    size_t n_batches;
    const int64_t *batches = batch_list(cli, &n_batches);
    oxp_model *m = oxp_cli_open(cli, cli->args[0]);
    oxp_cli_check_report(cli, "analysis", cli->output, m);
    const oxp_analysis *a = oxp_cli_analyze(cli, m, cli->arena);
    oxp_analyze_opts opts = OXP_ANALYZE_OPTS_INIT;
    opts.bindings = oxp_cli_bindings_of(cli, m, &opts.n_bindings);
    const oxp_report *r =
        oxp_report_analysis(cli->arena, a, &opts, cli->chosen, batches, n_batches);
    oxp_cli_diagnostics(cli, 0);
    oxp_cli_render(cli, r, cli->output, false);
    return oxp_diag_errors(cli->ctx) ? oxp_exit_code(OXP_E_FORMAT) : 0;
}

static int run(oxp_cli *cli) {
    size_t n;
    (void)batch_list(cli, &n); /* mistakes in the command line come before any work */
    (void)oxp_cli_bindings_or_empty(cli, &n);
    /* Once for all models: the host is measured. */
    cli->chosen = oxp_cli_device(cli);
    oxp_cli_check_report(cli, "analysis", cli->output, NULL);
    return cli->n_args > 1 ? oxp_cli_several(cli, "analysis", one) : one(cli);
}

const oxp_command oxp_command_analyze = {
    "analyze",
    "MODEL... [options]",
    "what the model costs and why: shapes, FLOPs, parameters, memory, devices",
    1,
    SIZE_MAX,
    groups,
    run,
    "Several models are analysed in parallel; their reports follow each other in the order given:\n"
    "JSON as one line a model.  A model that cannot be read is a line on stderr; the rest go on, "
    "and\n"
    "the exit code is the worst.  dot and svg hold one model.",
    false};
