/* select.h - the loop of a pass that looks at one node at a time; it keeps to the nodes that the
 * pass was limited to (opts->only_nodes, which the rules' what-ifs set, too). */
#ifndef OXP_REWRITE_SELECT_H
#define OXP_REWRITE_SELECT_H

#include "onnxpert/pass.h"

/* What a pass does to one node.  False: nothing was done; *why, NULL at the start, then says why
 * not, or stays NULL where the node is none that the pass is about. */
typedef bool oxp_run_one(oxp_run *run, oxp_id node, void *arg, const char **why);

/* Calls 'one' on every live, selected node that is an operator of 'ops' (names of the default
 * domain, at the end NULL; NULL alone: of any), in the order of the file; nodes that it adds are
 * not visited.  Reports skips and the number of changes, which is returned. */
size_t oxp_run_each(oxp_run *run, const char *const *ops, oxp_run_one *one, void *arg);

#endif
