/* advise.c - the prioritized roadmap of a model. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "rules/roadmap.h"

#define AT(field) offsetof(oxp_cli, field)

static const oxp_option options[] = {
    {"--target", "NAME=GOAL", "latency=3ms, throughput=2000, memory=100MB, size=20MB (repeatable)",
     OXP_OPT_LIST, AT(targets)},
    {"--targets", "FILE.xml", "targets from a file (repeatable)", OXP_OPT_LIST, AT(target_files)},
    {"--rules", "FILE|DIR", "further rules; they override built-in ones by id (repeatable)",
     OXP_OPT_LIST, AT(rules)},
    {"--disable", "ID", "leave a rule out (repeatable)", OXP_OPT_LIST, AT(disable)},
    {"--profile", "NAME|FILE",
     "use only the rules that it selects: no-retraining, low-effort, fixable, or a file",
     OXP_OPT_TEXT, AT(profile)},
    {"--fail-on", "high|medium|low|targets",
     "exit with 1 when an item reaches this impact, or the model as it is misses a target",
     OXP_OPT_TEXT, AT(fail_on)},
    {"--device", "DEVICE", "device to project for (default t4); `onnxpert devices` lists them",
     OXP_OPT_TEXT, AT(device)},
    {"--batch", "N", "batch size for throughput and memory (default 1)", OXP_OPT_LIST, AT(batches)},
    {NULL, NULL, NULL, OXP_OPT_FLAG, 0}};

static const oxp_option *const groups[] = {options,         oxp_opts_report, oxp_opts_dims,
                                           oxp_opts_redact, oxp_opts_common, NULL};

static int64_t batch_of(oxp_cli *cli) {
    if (!cli->batches.n)
        return 0;
    const char *text = cli->batches.items[cli->batches.n - 1];
    char *end;
    errno = 0;
    long long v = strtoll(text, &end, 10);
    if (errno || *end || end == text || v < 1)
        oxp_raise(cli->ctx, OXP_E_USAGE, "--batch: '%s' is not a batch size", text);
    if (v > OXP_BATCH_MAX)
        oxp_raise(cli->ctx, OXP_E_USAGE, "--batch: %s is no batch that is served: at most %d", text,
                  OXP_BATCH_MAX);
    return v;
}

static int run(oxp_cli *cli) {
    const oxp_rules *rules;
    oxp_rules_opts ro = oxp_cli_rules(cli);
    oxp_advise_opts o = OXP_ADVISE_OPTS_INIT;
    o.bindings = oxp_cli_bindings(cli, &o.n_bindings);
    o.device = cli->device;
    o.batch = batch_of(cli);
    o.targets = cli->targets.items;
    o.n_targets = cli->targets.n;
    o.target_files = cli->target_files.items;
    o.n_target_files = cli->target_files.n;
    oxp_status s = oxp_rules_load(&rules, cli->ctx, &ro, cli->arena);
    if (s != OXP_OK) /* the run that failed, and the file of rules, which is what is wrong */
        oxp_raise(cli->ctx, s, "%s: %s", cli->args[0],
                  oxp_strdup(cli->arena, oxp_error_text(cli->ctx)));
    o.rules = rules;
    if (cli->fail_on && !strcmp(cli->fail_on, "targets") && !o.n_targets && !o.n_target_files)
        oxp_raise(cli->ctx, OXP_E_USAGE, "--fail-on targets: there is no --target to miss");
    oxp_cli_check_report(cli, "roadmap", cli->output, NULL);
    oxp_model *m = oxp_cli_open(cli, cli->args[0]);
    o.bindings = oxp_cli_bindings_of(cli, m, &o.n_bindings);
    oxp_cli_check_report(cli, "roadmap", cli->output, m);
    const oxp_roadmap *roadmap;
    if ((s = oxp_advise(&roadmap, m, &o, cli->arena)) != OXP_OK)
        oxp_reraise(cli->ctx, s);
    bool reached = false;
    if (cli->fail_on && (s = oxp_roadmap_reaches(&reached, roadmap, cli->fail_on)) != OXP_OK)
        oxp_reraise(cli->ctx, s);
    oxp_cli_diagnostics(cli, 0);
    oxp_report r = oxp_report_roadmap(roadmap);
    oxp_cli_render(cli, &r, cli->output, false);
    return oxp_diag_errors(cli->ctx) ? oxp_exit_code(OXP_E_FORMAT) : reached ? 1 : 0;
}

const oxp_command oxp_command_advise = {
    "advise",
    "MODEL [options]",
    "the prioritized roadmap: what to do, what it saves, which targets it meets",
    1,
    1,
    groups,
    run,
    NULL,
    false};
