/* passes.c - lists the passes. */
#include "cli/command.h"
#include "report/parts.h"

static const oxp_option *const groups[] = {oxp_opts_common, NULL};

static int run(oxp_cli *cli) {
    (void)cli;
    for (size_t i = 0; i < oxp_pass_count(); i++) {
        const oxp_pass *p = oxp_pass_at(i);
        if (!(p->flags & OXP_PASS_WHAT_IF))
            printf("%-20s %-11s %s\n", p->name, oxp_fidelity_name(p->fidelity), p->summary);
    }
    return 0;
}

const oxp_command oxp_command_passes = {
    "passes", "", "lists the passes of optimize", 0, 0, groups, run, NULL, false};
