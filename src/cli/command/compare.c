/* compare.c - the before/after report of any two models. */
#include "cli/command.h"
#include "report/comparison.h"
#include "rewrite/project.h"

static const oxp_option *const groups[] = {oxp_opts_report, oxp_opts_dims, oxp_opts_device,
                                           oxp_opts_common, NULL};

static int run(oxp_cli *cli) {
    oxp_comparison c = {.before_path = cli->args[0], .after_path = cli->args[1]};
    c.device = oxp_cli_device(cli);
    size_t n;
    const oxp_binding *bindings = oxp_cli_bindings(cli, &n);
    oxp_cli_check_report(cli, "comparison", cli->output, NULL);
    oxp_model *before = oxp_cli_open(cli, cli->args[0]);
    oxp_cli_check_report(cli, "comparison", cli->output, before);
    c.before = oxp_side_of(oxp_cli_analyze(cli, before, cli->arena), c.device, cli->arena);
    size_t told = oxp_diag_count(cli->ctx);
    oxp_model *after = oxp_cli_open(cli, cli->args[1]);
    c.after =
        oxp_side_of(oxp_analyze_remaining(after, bindings, n, cli->arena), c.device, cli->arena);
    oxp_cli_diagnostics_of(cli, 0, 0, told);
    oxp_cli_diagnostics_of(cli, 1, told, oxp_diag_count(cli->ctx));
    oxp_report r = oxp_report_comparison(&c);
    oxp_cli_render(cli, &r, cli->output, false);
    return oxp_diag_errors(cli->ctx) ? oxp_exit_code(OXP_E_FORMAT) : 0;
}

const oxp_command oxp_command_compare = {"compare",
                                         "BEFORE AFTER [options]",
                                         "the before/after report of any two models",
                                         2,
                                         2,
                                         groups,
                                         run,
                                         NULL,
                                         false};
