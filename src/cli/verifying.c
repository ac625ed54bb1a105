/* verifying.c - the options of a verification, of `verify` and `optimize --verify`. */
#include "cli/verifying.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/sizes.h"
#include "verify/ort.h"

#define AT(field) offsetof(oxp_cli, field)

const oxp_option oxp_opts_verify[] = {
    {"--inputs", "DIR", "inputs to use: input_0.npy or input_0.pb, ..., or folders of them",
     OXP_OPT_TEXT, AT(inputs)},
    {"--labels", "FILE", "a class number a line for the samples of --inputs: accuracy and the like",
     OXP_OPT_TEXT, AT(labels)},
    {"--batch", "N,N,...", "batch sizes to compare at", OXP_OPT_LIST, AT(batches)},
    {"--sets", "N", "how many sets of random inputs (default 2; at most 1000)", OXP_OPT_NUMBER,
     AT(sets)},
    {"--seed", "N", "seed of the random inputs (default 0)", OXP_OPT_NUMBER, AT(seed)},
    {"--runs", "N",
     "timed runs of each model (default 20, in optimize 12; at most 1000; 0: numbers only)",
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
    {NULL, NULL, NULL, OXP_OPT_FLAG, 0}};

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
    return OXP_ORT_ALL;
}

static unsigned within(oxp_cli *cli, const char *option, int64_t v, int64_t least, int64_t most) {
    if (v < least || v > most)
        oxp_raise(cli->ctx, OXP_E_USAGE, "%s: %lld is not from %lld to %lld", option, (long long)v,
                  (long long)least, (long long)most);
    return (unsigned)v;
}

oxp_verify_opts oxp_cli_verify_opts(oxp_cli *cli, unsigned runs) {
    oxp_verify_opts o = {.library = cli->ort, .inputs = cli->inputs, .labels = cli->labels};
    if (cli->labels && !cli->inputs)
        oxp_raise(cli->ctx, OXP_E_USAGE, "--labels belong to --inputs: name the folder");
    if (cli->inputs && cli->sets >= 0)
        oxp_raise(cli->ctx, OXP_E_USAGE, "--sets makes random inputs, --inputs gives them");
    o.provider = cli->provider;
    o.seed = (uint64_t)cli->seed;
    o.sets = cli->sets < 0 ? 0 : within(cli, "--sets", cli->sets, 1, 1000);
    o.runs = cli->runs < 0 ? runs : within(cli, "--runs", cli->runs, 0, 1000);
    o.threads = within(cli, "--threads", cli->threads, 0, 1024);
    o.level = level(cli);
    o.level_given = true;
    o.seconds = cli->time_limit < 0 ? 0 : within(cli, "--time-limit", cli->time_limit, 1, 1000000);
    if (cli->memory_limit >= 0)
        o.memory = (uint64_t)within(cli, "--memory-limit", cli->memory_limit, 1, 1 << 30) << 20;
    o.fidelity = cli->lossy ? OXP_LOSSY : OXP_ROUNDING;
    o.tolerance = tolerance(cli);
    return o;
}

void oxp_cli_verify_sizes(oxp_cli *cli, const oxp_model *m, oxp_verify_opts *o) {
    o->sizes = oxp_cli_sizes(cli, m, &o->n_sizes);
    if (o->inputs && o->n_sizes > 1)
        oxp_raise(cli->ctx, OXP_E_USAGE,
                  "--inputs: the files have their sizes; --batch and --dim ask for %zu choices",
                  o->n_sizes);
}
