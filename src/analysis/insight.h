/* insight.h - what kind of network it is: blocks, architecture, KV cache, task, risks.
 *
 * Everything here is read off the graph: flags of operators, shapes, and the named patterns of
 * patterns.c.  Node and value names are never looked at.  All detectors are linear in the nodes:
 * each walk upward has a bound. */
#ifndef OXP_ANALYSIS_INSIGHT_H
#define OXP_ANALYSIS_INSIGHT_H

#include "onnxpert/analyze.h"

typedef enum oxp_block_type {
    OXP_BLOCK_RESIDUAL,
    OXP_BLOCK_BOTTLENECK,
    OXP_BLOCK_INVERTED_RESIDUAL,
    OXP_BLOCK_DEPTHWISE_SEPARABLE,
    OXP_BLOCK_SQUEEZE_EXCITE,
    OXP_BLOCK_CONCAT_SKIP,
    OXP_BLOCK_CONV_NORM,
    OXP_BLOCK_SILU,
    OXP_BLOCK_HARD_SWISH,
    OXP_BLOCK_GELU,
    OXP_BLOCK_LAYER_NORM,
    OXP_BLOCK_RMS_NORM,
    OXP_BLOCK_ATTENTION,
    OXP_BLOCK_ROTARY,
    OXP_BLOCK_MLP,
    OXP_BLOCK_GATED_MLP,
    OXP_BLOCK_EXPERTS,
    OXP_BLOCK_EMBEDDING,
    OXP_BLOCK_RECURRENT,
    OXP_BLOCK_DETECTION_HEAD,
    OXP_BLOCK_TYPE_COUNT
} oxp_block_type;
const char *oxp_block_type_name(oxp_block_type t); /* "residual", "gated_mlp", ... */

enum { OXP_BLOCK_NODES = 12 };
typedef struct oxp_found {
    oxp_block_type type;
    bool decomposed;               /* made of several nodes where one operator exists */
    uint32_t n_nodes;              /* of `nodes`: the nodes that identify it          */
    oxp_id nodes[OXP_BLOCK_NODES]; /* the last is the one that ends the block          */
    int64_t a, b, c;    /* by type: channels in, out, middle; rows, width; heads, kv, head size */
    const char *detail; /* "64 -> 64 channels", "12 heads of 64"; interned per insight: "" = none */
} oxp_found;

typedef struct oxp_repeat { /* the same block several times */
    oxp_block_type type;
    const char *detail;
    size_t count;
} oxp_repeat;

typedef struct oxp_kv_cache {
    bool in_graph; /* the graph takes the past's keys and values and gives the new ones */
    uint64_t layers, kv_heads, head_dim;
    uint64_t elements; /* of all layers, for one token; UINT64_MAX: unknown */
    oxp_dtype dtype;
    uint64_t bytes_per_token;
    uint64_t context;        /* tokens; 0: unknown */
    bool context_from_table; /* rows of the position table; else the assumed sequence length */
    uint64_t bytes_at_context;
} oxp_kv_cache;

typedef enum oxp_task {
    OXP_TASK_UNKNOWN,
    OXP_TASK_CLASSIFY,
    OXP_TASK_DETECT,
    OXP_TASK_TOKENS,   /* a class for each token */
    OXP_TASK_SPAN,     /* start and end of a span of the input */
    OXP_TASK_LANGUAGE, /* scores over the vocabulary, for the next token */
    OXP_TASK_MASKED,   /* scores over the vocabulary, for every token at once */
    OXP_TASK_DENSE     /* a map of the size of the input image */
} oxp_task;

typedef struct oxp_risk {
    const char *id, *severity, *message, *advice; /* severity: "info", "low", "medium", "high" */
    const oxp_id *nodes;
    size_t n_nodes;
} oxp_risk;

typedef struct oxp_insight {
    const char *family; /* "cnn", "transformer", "rnn", "hybrid", "mlp", "tree", "other" */
    const char *why;    /* one sentence */
    const oxp_found *blocks;
    size_t n_blocks;
    size_t counts[OXP_BLOCK_TYPE_COUNT];
    const oxp_repeat *repeats;
    size_t n_repeats;
    /* transformers; 0 = unknown, or not the same in all layers */
    uint64_t layers, cross_layers, heads, kv_heads, head_dim, hidden;
    uint64_t heads_least, heads_most, hidden_least, hidden_most; /* over the layers */
    int64_t attended; /* keys that the longest causal attention looks at; 0: unknown */
    bool causal;
    bool decoder;
    oxp_kv_cache kv;                                              /* valid when decoder */
    size_t convolutions, products, recurrent, norms, activations; /* nodes by flag */
    /* Nodes that multiply by weights; those of them without a bias and an addition behind; how many
     * a way from an input to the first output passes at least (depthwise ones not counted). */
    size_t weight_layers, bare_layers, shortest_path;
    oxp_task task;
    bool task_likely; /* nothing behind the last layer shows that its values are scores */
    uint64_t classes; /* 0: the graph does not show it */
    const oxp_risk *risks;
    size_t n_risks;
} oxp_insight;

const oxp_insight *oxp_insight_of(const oxp_analysis *a, oxp_arena *arena);

#endif
