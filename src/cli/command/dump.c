/* dump.c - the facts that rules see, as XML. */
#include <errno.h>
#include <string.h>

#include "base/atomic_file.h"
#include "cli/command.h"

#define AT(field) offsetof(oxp_cli, field)

static const oxp_option options[] = {{"--output,-o", "FILE",
                                      "where the facts go (default: standard output)", OXP_OPT_TEXT,
                                      AT(output)},
                                     {NULL, NULL, NULL, OXP_OPT_FLAG, 0}};

static const oxp_option *const groups[] = {options, oxp_opts_dims, oxp_opts_common, NULL};

static int run(oxp_cli *cli) {
    oxp_model *m = oxp_cli_open(cli, cli->args[0]);
    oxp_cli_check_report(cli, "analysis", cli->output, m);
    const oxp_analysis *a = oxp_cli_analyze(cli, m, cli->arena);
    oxp_sink *out = oxp_sink_new(cli->arena);
    oxp_status s = oxp_facts_dump(a, out);
    if (s != OXP_OK)
        oxp_reraise(cli->ctx, s);
    size_t len;
    const char *text = oxp_sink_text(out, &len);
    if (cli->output && strcmp(cli->output, "-") != 0)
        oxp_write_file(cli->ctx, cli->output, text, len);
    else if (fwrite(text, 1, len, stdout) != len)
        oxp_raise(cli->ctx, OXP_E_IO, "standard output: %s", strerror(errno));
    oxp_cli_diagnostics(cli, 0);
    return oxp_diag_errors(cli->ctx) ? oxp_exit_code(OXP_E_FORMAT) : 0;
}

const oxp_command oxp_command_dump = {
    "dump", "MODEL [options]", "the facts that rules see, as XML", 1, 1, groups, run, NULL, false};
