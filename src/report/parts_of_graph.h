/* parts_of_graph.h - the main graph cut into parts: contiguous stretches of nodes between places
 * where one tensor passes, for picture.c. */
#ifndef OXP_REPORT_PARTS_OF_GRAPH_H
#define OXP_REPORT_PARTS_OF_GRAPH_H

#include "report/reports.h"

typedef struct oxp_cuts {
    size_t n;            /* nodes that are shown: without constants and shape arithmetic */
    const oxp_id *node;  /* in the file's order */
    const uint32_t *pos; /* by node id: its index in `node`, or UINT32_MAX */
    uint32_t *part;      /* by index: the part it belongs to; parts are numbered by first node */
    size_t n_parts;
} oxp_cuts;

oxp_cuts oxp_cut_graph(const oxp_card *c, oxp_arena *arena);
/* Does most of the arithmetic: convolutions, products, recurrences, attention, calls, subgraphs,
 * operators that nobody knows. */
bool oxp_is_heavy(const oxp_node *n);
/* Position of a node, or of the main-graph node that holds it; UINT32_MAX: not shown. */
uint32_t oxp_cut_position(const oxp_model *m, const oxp_cuts *k, oxp_id node);

#endif
