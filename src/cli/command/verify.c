/* verify.c - do two models compute the same, and which is faster? */
#include "verify/verify.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/sizes.h"
#include "verify/ort.h"

#define AT(field) offsetof(oxp_cli, field)

static const oxp_option options[] = {
    {"--inputs", "DIR", "inputs to use: input_0.npy or input_0.pb, ..., or folders of them",
     OXP_OPT_TEXT, AT(inputs)},
    {"--labels", "FILE", "a class number a line for the samples of --inputs: accuracy and the like",
     OXP_OPT_TEXT, AT(labels)},
    {"--batch", "N,N,...", "batch sizes to compare at", OXP_OPT_LIST, AT(batches)},
    {"--sets", "N", "how many sets of random inputs (default 2)", OXP_OPT_NUMBER, AT(sets)},
    {"--seed", "N", "seed of the random inputs (default 0)", OXP_OPT_NUMBER, AT(seed)},
    {"--runs", "N", "timed runs of each model (default 20; at most 1000; 0: numbers only)",
     OXP_OPT_NUMBER, AT(runs)},
    {"--threads", "N", "threads of the runtime (default: its own choice)", OXP_OPT_NUMBER,
     AT(threads)},
    {"--opt-level", "none|basic|extended|all",
     "the runtime's own optimization while timing (default: all, and none beside it)", OXP_OPT_TEXT,
     AT(opt_level)},
    {"--provider", "NAME", "execution provider: cpu, cuda, ... (default cpu)", OXP_OPT_TEXT,
     AT(provider)},
    {"--tolerance", "X", "largest relative difference that is no error (default: by the types)",
     OXP_OPT_TEXT, AT(tolerance)},
    {"--lossy", NULL, "tolerance 2e-2 instead of 1e-4, for models without float16, too",
     OXP_OPT_FLAG, AT(lossy)},
    {"--time-limit", "SECONDS", "end a run that takes longer (default 300)", OXP_OPT_NUMBER,
     AT(time_limit)},
    {"--memory-limit", "MB", "end a run that holds more (default: 3/4 of the machine's)",
     OXP_OPT_NUMBER, AT(memory_limit)},
    {"--ort", "FILE", "the ONNX Runtime library", OXP_OPT_TEXT, AT(ort)},
    {"--runtime-info", NULL, "only say which runtime is found and what it offers", OXP_OPT_FLAG,
     AT(runtime_info)},
    {NULL, NULL, NULL, OXP_OPT_FLAG, 0}};

static const oxp_option *const groups[] = {options, oxp_opts_report, oxp_opts_dims, oxp_opts_common,
                                           NULL};

static int runtime_info(oxp_cli *cli) {
    oxp_runtime_info r = oxp_runtime_ask(cli->arena, cli->ort);
    printf("library   %s\nversion   %s\nproviders %s\n", r.path, r.version,
           *r.providers ? r.providers : "(this version does not tell)");
    return 0;
}

static double tolerance(oxp_cli *cli) {
    char *end;
    if (!cli->tolerance)
        return 0;
    errno = 0;
    double v = strtod(cli->tolerance, &end);
    if (errno || *end || end == cli->tolerance || !isfinite(v) || v <= 0)
        oxp_raise(cli->ctx, OXP_E_USAGE, "--tolerance: '%s' is no positive number", cli->tolerance);
    return v;
}

static int level(oxp_cli *cli) {
    static const struct {
        const char *name;
        oxp_ort_level level;
    } levels[] = {{"none", OXP_ORT_NONE},
                  {"basic", OXP_ORT_BASIC},
                  {"extended", OXP_ORT_EXTENDED},
                  {"all", OXP_ORT_ALL}};
    for (size_t i = 0; cli->opt_level && i < sizeof levels / sizeof *levels; i++)
        if (!strcmp(levels[i].name, cli->opt_level))
            return (int)levels[i].level;
    if (cli->opt_level)
        oxp_raise(cli->ctx, OXP_E_USAGE, "--opt-level: '%s' is none of none, basic, extended, all",
                  cli->opt_level);
    return OXP_ORT_ALL;
}

static unsigned at_most(int64_t v, int64_t most) {
    return (unsigned)(v < most ? v : most);
}

static oxp_verify_opts verify_opts(oxp_cli *cli) {
    oxp_verify_opts o = {.library = cli->ort, .inputs = cli->inputs, .labels = cli->labels};
    if (cli->labels && !cli->inputs)
        oxp_raise(cli->ctx, OXP_E_USAGE, "--labels belong to --inputs: name the folder");
    o.provider = cli->provider;
    o.seed = (uint64_t)cli->seed;
    o.sets = at_most(cli->sets, 1000);
    o.runs = cli->runs < 0 ? 20 : at_most(cli->runs, 1000);
    o.threads = at_most(cli->threads, 1024);
    o.level = level(cli);
    o.level_given = true;
    o.seconds = (double)cli->time_limit;
    o.memory = (uint64_t)cli->memory_limit << 20;
    o.fidelity = cli->lossy ? OXP_LOSSY : OXP_ROUNDING;
    o.tolerance = tolerance(cli);
    return o;
}

static int run(oxp_cli *cli) {
    if (cli->runtime_info)
        return runtime_info(cli);
    if (cli->n_args != 2)
        oxp_raise(cli->ctx, OXP_E_USAGE, "usage: onnxpert verify BEFORE AFTER");
    for (int i = 0; i < 2; i++)
        if (!strcmp(cli->args[i], "-"))
            oxp_raise(cli->ctx, OXP_E_USAGE,
                      "verify: standard input cannot be verified: the runtime opens files");
    oxp_verify_opts o = verify_opts(cli);
    oxp_cli_check_report(cli, "verification", cli->output, NULL);
    oxp_model *before = oxp_cli_open(cli, cli->args[0]);
    oxp_cli_check_report(cli, "verification", cli->output, before);
    o.sizes = oxp_cli_sizes(cli, before, &o.n_sizes);
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
                                        NULL};
