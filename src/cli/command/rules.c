/* rules.c - lists, explains and checks rules. */
#include <string.h>

#include "cli/command.h"

#define AT(field) offsetof(oxp_cli, field)

static const oxp_option options[] = {
    {"--rules", "FILE|DIR", "further rules; they override built-in ones by id (repeatable)",
     OXP_OPT_LIST, AT(rules)},
    {"--disable", "ID", "leave a rule out (repeatable)", OXP_OPT_LIST, AT(disable)},
    {"--profile", "NAME|FILE",
     "use only the rules that it selects: no-retraining, low-effort, fixable, or a file",
     OXP_OPT_TEXT, AT(profile)},
    {NULL, NULL, NULL, OXP_OPT_FLAG, 0}};

static const oxp_option *const groups[] = {options, oxp_opts_report, oxp_opts_common, NULL};

static const oxp_rules *load(oxp_cli *cli) {
    const oxp_rules *rules;
    oxp_rules_opts o = oxp_cli_rules(cli);
    oxp_status s = oxp_rules_load(&rules, cli->ctx, &o, cli->arena);
    if (s != OXP_OK)
        oxp_reraise(cli->ctx, s);
    return rules;
}

static void need(oxp_cli *cli, size_t n, const char *usage) {
    if (cli->n_args != n)
        oxp_raise(cli->ctx, OXP_E_USAGE, "usage: onnxpert rules %s", usage);
}

static void explain(oxp_cli *cli) {
    oxp_report r;
    need(cli, 2, "explain ID");
    oxp_cli_check_report(cli, "rule", cli->output, NULL);
    oxp_status s = oxp_rules_explain(&r, cli->ctx, load(cli), cli->args[1], cli->arena);
    if (s != OXP_OK)
        oxp_reraise(cli->ctx, s);
    oxp_cli_render(cli, &r, cli->output, false);
}

static void check(oxp_cli *cli) {
    oxp_rules_checked c;
    if (cli->rules.n || cli->disable.n || cli->profile)
        oxp_raise(cli->ctx, OXP_E_USAGE,
                  "rules check: takes a FILE or folder, not --rules, --disable or --profile");
    oxp_cli_check_report(cli, "check", cli->output, NULL);
    oxp_status s = cli->n_args == 1 ? oxp_rules_check_builtin(&c, cli->ctx, cli->arena)
                                    : oxp_rules_check(&c, cli->ctx, cli->args[1], cli->arena);
    if (s != OXP_OK)
        oxp_reraise(cli->ctx, s);
    oxp_report r = oxp_report_rules_checked(&c);
    if (!cli->quiet || cli->format || cli->output)
        oxp_cli_render(cli, &r, cli->output, false);
}

static int run(oxp_cli *cli) {
    const char *what = cli->args[0];
    if (!strcmp(what, "list")) {
        need(cli, 1, "list");
        oxp_cli_check_report(cli, "rules", cli->output, NULL);
        oxp_report r = oxp_report_rules(load(cli));
        oxp_cli_render(cli, &r, cli->output, false);
    } else if (!strcmp(what, "explain")) {
        explain(cli);
    } else if (!strcmp(what, "check")) {
        check(cli);
    } else {
        oxp_raise(cli->ctx, OXP_E_USAGE, "rules: '%s' is none of list, explain, check", what);
    }
    return 0;
}

const oxp_command oxp_command_rules = {"rules",
                                       "list | explain ID | check [FILE|DIR]",
                                       "lists, explains and checks the rules of advise",
                                       1,
                                       2,
                                       groups,
                                       run,
                                       NULL,
                                       false};
