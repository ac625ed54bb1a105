/* weights.h - which tensors are parameters, and whose. */
#ifndef OXP_ANALYSIS_WEIGHTS_H
#define OXP_ANALYSIS_WEIGHTS_H

#include "analysis/infer.h"
#include "onnxpert/analyze.h"

/* The tensor that reaches an input of `node` unchanged in content: an initializer, or a Constant's
 * tensor in a weight slot; seen through foldable nodes that only move or dequantize (Transpose of a
 * weight).  OXP_NONE when the input is no weight. */
oxp_id oxp_weight_of(const oxp_model *m, const oxp_value_info *values, const oxp_node *node,
                     uint32_t slot);
/* Is the node folded away at load (all its outputs are constant)? */
bool oxp_is_folded(const oxp_value_info *values, const oxp_node *node);
/* Is graph g part of the main graph's tree (not of a local function)? */
bool *oxp_graphs_of_main(const oxp_model *m, oxp_arena *arena);

/* Fills params, weight_bytes of nodes and totals, and the by-operator table. */
void oxp_count_weights(const oxp_model *m, const oxp_value_info *values, oxp_node_info *nodes,
                       const bool *in_main, oxp_totals *t, oxp_arena *arena);
void oxp_count_by_op(const oxp_model *m, const oxp_value_info *values, const oxp_node_info *nodes,
                     const bool *in_main, oxp_analysis *a, oxp_arena *arena);

#endif
