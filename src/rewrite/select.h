/* select.h - passes that a rule's projection limits to the nodes that the rule matched. */
#ifndef OXP_REWRITE_SELECT_H
#define OXP_REWRITE_SELECT_H

#include "onnxpert/pass.h"

/* Is the node in the param "nodes" (ids with commas)?  True when there is no such param. */
bool oxp_selected(oxp_run *run, oxp_id node);

#endif
