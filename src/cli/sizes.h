/* sizes.h - the sizes that a verification is to try. */
#ifndef OXP_CLI_SIZES_H
#define OXP_CLI_SIZES_H

#include "cli/command.h"
#include "verify/verify.h"

/* Every combination of the values of --dim (a name may come several times) and --batch; the shapes
 * of --input-shape hold in all of them.  At least one. */
const oxp_size_choice *oxp_cli_sizes(oxp_cli *cli, const oxp_model *m, size_t *n);

#endif
