/* verify.c - do two models compute the same, and which is faster? */
#include "verify/verify.h"

#include <string.h>

#include "cli/command.h"
#include "cli/verifying.h"

#define AT(field) offsetof(oxp_cli, field)

static const oxp_option options[] = {{"--runtime-info", NULL,
                                      "only say which runtime is found and what it offers",
                                      OXP_OPT_FLAG, AT(runtime_info)},
                                     {NULL, NULL, NULL, OXP_OPT_FLAG, 0}};

static const oxp_option *const groups[] = {oxp_opts_verify, options,         oxp_opts_report,
                                           oxp_opts_dims,   oxp_opts_common, NULL};

static int runtime_info(oxp_cli *cli) {
    double seconds = oxp_cli_verify_opts(cli, 0).seconds;
    oxp_runtime_info r = oxp_runtime_ask(cli->arena, cli->ort, seconds);
    printf("library   %s\nversion   %s\nproviders %s\n", r.path, r.version,
           *r.providers ? r.providers : "(this version does not tell)");
    return 0;
}

static int run(oxp_cli *cli) {
    if (cli->runtime_info && cli->format)
        oxp_raise(cli->ctx, OXP_E_USAGE, "--runtime-info is text: it takes no --format");
    if (cli->runtime_info)
        return runtime_info(cli);
    if (cli->n_args != 2)
        oxp_raise(cli->ctx, OXP_E_USAGE, "usage: onnxpert verify BEFORE AFTER");
    for (int i = 0; i < 2; i++)
        if (!strcmp(cli->args[i], "-"))
            oxp_raise(cli->ctx, OXP_E_USAGE,
                      "verify: standard input cannot be verified: the runtime opens files");
    oxp_verify_opts o = oxp_cli_verify_opts(cli, 20);
    oxp_cli_check_report(cli, "verification", cli->output, NULL);
    oxp_model *before = oxp_cli_open(cli, cli->args[0]);
    oxp_cli_check_report(cli, "verification", cli->output, before);
    oxp_cli_verify_sizes(cli, before, &o);
    oxp_model *after = oxp_cli_open(cli, cli->args[1]); /* our checks come before the runtime's */
    const oxp_verification *v = oxp_verify(cli->arena, before, after, &o);
    oxp_report r = oxp_report_verification(cli->arena, v, cli->args[0], cli->args[1]);
    oxp_cli_render(cli, &r, cli->output, false);
    return v->ok ? 0 : oxp_exit_code(OXP_E_VERIFY);
}

const oxp_command oxp_command_verify = {"verify",
                                        "BEFORE AFTER [options]",
                                        "numbers and latency of two models in ONNX Runtime",
                                        0,
                                        2,
                                        groups,
                                        run,
                                        NULL,
                                        true};
