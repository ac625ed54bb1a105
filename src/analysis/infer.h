/* infer.h - the walk over a model that gives every value its facts and every node its cost.
 *
 * Facts of a local function's body are those of its last call; costs are by node of the main graph
 * and its subgraphs: a call of a local function carries the body's total, the nodes of the body
 * itself carry nothing.  An If, Loop or Scan carries nothing: the nodes inside do, already
 * multiplied by their trip counts; those of the branch of an If that does not count are zero with
 * times 0. */
#ifndef OXP_ANALYSIS_INFER_H
#define OXP_ANALYSIS_INFER_H

#include "ops/op.h"

/* Code of the diagnostic of an output that no size of a free dimension makes representable. */
#define OXP_CODE_OVERFLOW "size-overflow"

typedef struct oxp_node_cost {
    oxp_cost cost; /* all runs together; known = false: unknown and zero */
    uint64_t
        times; /* 0: does not count; an unknown trip count counts once and sets cost.at_least */
} oxp_node_cost;

/* Two expressions that the model requires to be equal without saying so. */
typedef struct oxp_equality {
    oxp_dim a, b;
    oxp_id node;
} oxp_equality;

typedef struct oxp_infer_opts {
    /* Type of an input of the main graph (dims bound or symbolic); NULL, or a NULL result: as
     * declared. */
    const oxp_type *(*input)(const void *arg, oxp_id value);
    /* A declared dimension of any other value as it is to be seen in this walk; NULL: unchanged. */
    oxp_dim (*bind)(const void *arg, oxp_dim dim);
    /* Known elements of an input of the main graph, as many as its type has; NULL, or a NULL
     * result: none are known. */
    const oxp_elem *(*elems)(const void *arg, oxp_id value, uint32_t *n);
    const void *arg;
    bool quiet;    /* no diagnostics            */
    bool no_costs; /* facts only: costs is NULL */
} oxp_infer_opts;

typedef struct oxp_inferred {
    const oxp_fact *facts;      /* by value id */
    const oxp_node_cost *costs; /* by node id  */
    const oxp_equality *equalities;
    size_t n_equalities; /* at most 256 are kept */
    bool partial;        /* some node was inconsistent, or a budget ran out */
} oxp_inferred;

/* Walks the main graph.  The result and all it points to live in `arena`; raises on lack of
 * memory.
 */
const oxp_inferred *oxp_infer(const oxp_model *m, const oxp_infer_opts *opts, oxp_arena *arena);

#endif
