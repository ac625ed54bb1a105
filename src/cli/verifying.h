/* verifying.h - the options of a verification, of `verify` and `optimize --verify`. */
#ifndef OXP_CLI_VERIFYING_H
#define OXP_CLI_VERIFYING_H

#include "cli/command.h"
#include "verify/verify.h"

extern const oxp_option oxp_opts_verify[];

/* What the options say; `runs` when --runs does not.  Raises OXP_E_USAGE. */
oxp_verify_opts oxp_cli_verify_opts(oxp_cli *cli, unsigned runs);
/* --batch and --dim; raises OXP_E_USAGE. */
void oxp_cli_verify_sizes(oxp_cli *cli, const oxp_model *m, oxp_verify_opts *o);

#endif
