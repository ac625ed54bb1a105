/* analyze.h - what a model costs and why: shapes, MACs, FLOPs, parameters, memory.
 *
 * Conventions (docs/flops.md): 2 FLOPs per multiply-accumulate plus 1 per biased output element;
 * unknown is a value, never zero; sums saturate at UINT64_MAX. */
#ifndef ONNXPERT_ANALYZE_H
#define ONNXPERT_ANALYZE_H

#include "onnxpert/model.h"

/* A binding of a dimension by name, or of a whole input's shape. */
typedef struct oxp_binding {
    const char *name;    /* dimension name, or input name when rank >= 0 */
    int64_t value;       /* rank == -1 */
    int rank;            /* -1: a dimension; else the input's shape follows */
    const int64_t *dims; /* -1 = leave this dimension as it is */
} oxp_binding;

typedef struct oxp_analyze_opts {
    int version; /* OXP_ANALYZE_OPTS_VERSION */
    const oxp_binding *bindings;
    size_t n_bindings;
    bool symbolic; /* also run with free dimensions, for symbolic shapes; default true.  Without,
                      only the graph's inputs have them */
    bool keep_unbound; /* do not assume 1 for unbound dimensions (fix-shapes)            */
    bool quiet;        /* add no diagnostics (what-ifs)                                    */
} oxp_analyze_opts;
#define OXP_ANALYZE_OPTS_VERSION 1
#define OXP_ANALYZE_OPTS_INIT                                                                      \
    { OXP_ANALYZE_OPTS_VERSION, NULL, 0, true, false, false }

/* Facts of one value under the assumed dims, and symbolically (dims are oxp_dim of the model's
 * pool). */
typedef struct oxp_value_info {
    oxp_type type;     /* dims literal under assumed_dims; OXP_DIM_UNKNOWN or opaque = unknown */
    oxp_type symbolic; /* the same with free dimensions                                   */
    uint64_t bytes;    /* UINT64_MAX when unknown                                          */
    bool shape_role;   /* computed from shapes only ("shape" in the report)                */
    bool activation;   /* takes activation memory: not an initializer, not a Constant      */
    bool constant;     /* does not depend on the graph's inputs                            */
} oxp_value_info;

typedef struct oxp_node_info {
    bool known; /* cost is known                                                  */
    bool at_least;
    uint64_t times; /* how often it runs (trip counts); part of the figures below       */
    uint64_t macs, flops, int_ops, moved;
    uint64_t params, weight_bytes; /* of the node's weight inputs, shared ones at each use */
    uint64_t bytes_moved; /* read and written once: inputs, weights, outputs; UINT64_MAX unknown */
    uint64_t live_bytes;  /* activations alive while it runs (main graph)                     */
} oxp_node_info;

typedef struct oxp_op_total {
    const char *op, *domain;
    uint64_t count, macs, flops, int_ops, moved, params, weight_bytes, activation_bytes;
    bool known;
} oxp_op_total;

typedef struct oxp_totals {
    uint64_t params, trainable_params, weight_bytes, file_bytes;
    uint64_t params_by_dtype[OXP_DTYPE_COUNT];
    uint64_t macs, flops, int_ops, moved, bytes_moved;
    uint64_t peak_activation_bytes, peak_with_views_bytes, total_activation_bytes;
    /* What a runtime needs that computes constants at load: the peak without those of a megabyte
     * and more, and the bytes by which they exceed the weights that they are made of. */
    uint64_t run_peak_bytes, folded_bytes;
    uint64_t nodes, unknown_nodes;
    bool partial; /* something was inconsistent                                                */
} oxp_totals;

/* Are the totals "at least" these: because of what is inconsistent, or of nodes of unknown cost?
 * This is the `partial` of reports and facts. */
static inline bool oxp_totals_at_least(const oxp_totals *t) {
    return t->partial || t->unknown_nodes > 0;
}

typedef struct oxp_assumed {
    const char *name;
    int64_t value;
    bool bound; /* by the user; else taken as 1, or as the least that leaves no input empty */
} oxp_assumed;

typedef struct oxp_analysis {
    const oxp_model *model;
    oxp_totals totals;
    const oxp_node_info *nodes;   /* by node id: oxp_node_count of them   */
    const oxp_value_info *values; /* by value id: oxp_value_count of them  */
    const oxp_op_total *by_op;    /* by falling flops, then count          */
    size_t n_by_op;
    const oxp_assumed *assumed; /* dimensions of graph inputs that have a name */
    size_t n_assumed;
    oxp_id peak_node; /* node at which the peak is reached       */
    oxp_arena *arena;
} oxp_analysis;

/* Analyses the model.  *out lives in `arena`.  Fails with OXP_E_USAGE for a binding that names no
 * dimension or input of the model, OXP_E_UNSUPPORTED for a size that cannot be; inconsistencies
 * inside the model are diagnostics, and totals.partial. */
OXP_API OXP_MUST_USE oxp_status oxp_analyze(const oxp_analysis **out, const oxp_model *m,
                                            const oxp_analyze_opts *opts, oxp_arena *arena);

#endif
