/* auto.h - what `optimize --auto` applies, and what each pass was projected to do and did. */
#ifndef OXP_CLI_AUTO_H
#define OXP_CLI_AUTO_H

#include "cli/command.h"
#include "report/comparison.h"

/* The passes of the roadmap's items that are exact or round, carry no risk, need nothing and leave
 * no decision; c->plan tells of every item that a pass could do. */
size_t oxp_cli_auto(oxp_cli *cli, const oxp_model *m, const char ***names, oxp_comparison *c);

/* Makes every run of passes under `opts` fill the steps of `c` (n of them); `achieved` says which
 * side.  Analyses the model after each pass but the last. */
typedef struct oxp_recorder {
    oxp_cli *cli;
    oxp_comparison *c;
    oxp_step *steps;
    bool achieved;
} oxp_recorder;
void oxp_cli_record(oxp_recorder *rec, oxp_cli *cli, oxp_comparison *c, size_t n,
                    oxp_pass_opts *opts);

#endif
