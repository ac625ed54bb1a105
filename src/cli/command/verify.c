/* verify.c - do two models compute the same, and which is faster? */
#include "verify/verify.h"
#include "cli/command.h"
#include "verify/ort.h"

#define AT(field) offsetof(oxp_cli, field)

static const oxp_option options[] = {
    {"--inputs", "DIR", "inputs to use: input_0.npy or input_0.pb, ... (default: random ones)",
     OXP_OPT_TEXT, AT(inputs)},
    {"--sets", "N", "how many sets of random inputs (default 2)", OXP_OPT_NUMBER, AT(sets)},
    {"--seed", "N", "seed of the random inputs (default 0)", OXP_OPT_NUMBER, AT(seed)},
    {"--runs", "N", "timed runs of each model (default 20; at most 1000)", OXP_OPT_NUMBER,
     AT(runs)},
    {"--threads", "N", "threads of the runtime (default: its own choice)", OXP_OPT_NUMBER,
     AT(threads)},
    {"--lossy", NULL, "tolerance 2e-2 instead of 1e-4: for fp16 models", OXP_OPT_FLAG, AT(lossy)},
    {"--ort", "FILE", "the ONNX Runtime library", OXP_OPT_TEXT, AT(ort)},
    {"--runtime-info", NULL, "only say which runtime is found and what it offers", OXP_OPT_FLAG,
     AT(runtime_info)},
    {NULL, NULL, NULL, OXP_OPT_FLAG, 0}};

static const oxp_option *const groups[] = {options, oxp_opts_report, oxp_opts_dims, oxp_opts_common,
                                           NULL};

static int runtime_info(oxp_cli *cli) {
    const char *path = oxp_ort_locate(cli->arena, cli->ort);
    oxp_ort *ort = oxp_ort_open(cli->arena, path);
    const char *const *names;
    size_t n = oxp_ort_providers(ort, &names);
    printf("library   %s\nversion   %s\nproviders", path, oxp_ort_version(ort));
    for (size_t i = 0; i < n; i++)
        printf(" %s", names[i]);
    putchar('\n');
    return 0;
}

static int run(oxp_cli *cli) {
    if (cli->runtime_info)
        return runtime_info(cli);
    if (cli->n_args != 2)
        oxp_raise(cli->ctx, OXP_E_USAGE, "usage: onnxpert verify BEFORE AFTER");
    oxp_verify_opts o = {.library = cli->ort,
                         .inputs = cli->inputs,
                         .seed = (uint64_t)cli->seed,
                         .sets = (unsigned)(cli->sets < 1000 ? cli->sets : 1000),
                         .runs = (unsigned)(cli->runs < 0      ? 20
                                            : cli->runs < 1000 ? cli->runs
                                                               : 1000),
                         .threads = (unsigned)(cli->threads < 1024 ? cli->threads : 1024),
                         .fidelity = cli->lossy ? OXP_LOSSY : OXP_ROUNDING};
    o.bindings = oxp_cli_bindings(cli, &o.n_bindings);
    oxp_cli_check_report(cli, "verification", cli->output, NULL);
    oxp_model *before = oxp_cli_open(cli, cli->args[0]);
    oxp_cli_check_report(cli, "verification", cli->output, before);
    (void)oxp_cli_open(cli, cli->args[1]); /* our own checks come before the runtime's */
    const oxp_verification *v = oxp_verify(cli->arena, before, cli->args[1], &o);
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
                                        NULL};
