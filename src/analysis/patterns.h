/* patterns.h - the operators that graph patterns are spelled in, and the walks that match them. */
#ifndef OXP_ANALYSIS_PATTERNS_H
#define OXP_ANALYSIS_PATTERNS_H

#include "analysis/insight.h"
#include "ops/op.h"

typedef enum oxp_letter {
    OXP_L_OTHER,
    OXP_L_ADD,
    OXP_L_SUB,
    OXP_L_MUL,
    OXP_L_DIV,
    OXP_L_POW,
    OXP_L_SQRT,
    OXP_L_RECIPROCAL,
    OXP_L_ERF,
    OXP_L_TANH,
    OXP_L_SIGMOID,
    OXP_L_HARD_SIGMOID,
    OXP_L_SILU,
    OXP_L_HARD_SWISH,
    OXP_L_GELU,
    OXP_L_SOFTMAX,
    OXP_L_MEAN, /* ReduceMean, GlobalAveragePool */
    OXP_L_MATMUL,
    OXP_L_CONCAT,
    OXP_L_WHERE,
    OXP_L_CAST,
    OXP_L_TRANSPOSE,
    OXP_L_SLICE, /* Slice, Split */
    OXP_L_NEG,
    OXP_L_GATHER,
    OXP_L_EXPAND, /* Expand, Tile */
    OXP_L_RANGE,  /* Range, CumSum: positions */
    OXP_L_COMPARE,
    OXP_L_TRILU,
    OXP_L_SCATTER,
    OXP_L_TOPK,
    OXP_L_NMS,
    OXP_L_TREE,
    OXP_L_PAD,
    OXP_L_QUANT, /* QuantizeLinear, DequantizeLinear, DynamicQuantizeLinear */
    OXP_L_LAYER_NORM,
    OXP_L_RMS_NORM,
    OXP_L_ROTARY,
    OXP_L_EXPERTS,
    OXP_L_CAUSAL_ATTENTION, /* fused attention that is causal by definition */
    OXP_L_EMBED             /* fused embedding with its normalization */
} oxp_letter;

/* What the detectors share. */
typedef struct oxp_scan {
    const oxp_analysis *a;
    const oxp_model *m;
    oxp_arena *arena;
    const uint8_t *letters; /* by node id */
    const bool *in_main;    /* by graph id */
    uint8_t *marks;         /* by value id: OXP_MARK_* */
    uint32_t *stamp;        /* by value id: scratch of find_residuals */
    uint8_t *act;           /* by value id: block type + 1 of the activation block that made it */
    oxp_insight *out;
    oxp_found *blocks;
    size_t n_blocks, cap_blocks;
} oxp_scan;

enum {
    OXP_MARK_POSITION = 1, /* derived from a count of positions */
    OXP_MARK_CAUSAL = 2,   /* derived from a comparison of positions, or a triangle */
    OXP_MARK_INPUT = 4     /* a graph input, through moves only */
};

const uint8_t *oxp_letters_of(const oxp_model *m, oxp_arena *arena);

/* Producer of a value, or NULL; the letter of a node. */
const oxp_node *oxp_made_by(const oxp_scan *s, oxp_id value);
oxp_letter oxp_letter_of(const oxp_scan *s, const oxp_node *n);
oxp_id oxp_id_of(const oxp_scan *s, const oxp_node *n);
uint32_t oxp_flags(const oxp_node *n);
/* Is the value an activation that depends on the inputs' values? */
bool oxp_is_data(const oxp_scan *s, oxp_id value);
/* Producer behind views, casts and transposes (at most 16 of them). */
const oxp_node *oxp_behind(const oxp_scan *s, oxp_id value);
/* The first input that carries data; OXP_NONE when none does. */
oxp_id oxp_main_input(const oxp_scan *s, const oxp_node *n);
/* The same, but of a product with a gate (a sigmoid or another activation behind views) the input
 * that is gated: the way along the trunk of a network. */
oxp_id oxp_trunk_input(const oxp_scan *s, const oxp_node *n);
/* The only data consumer of a value behind views and casts, or NULL. */
const oxp_node *oxp_only_reader(const oxp_scan *s, oxp_id value);
/* Does the node multiply by a weight (convolution, matrix product, recurrent)? */
bool oxp_is_layer(const oxp_scan *s, const oxp_node *n);
/* Number of the node's inputs that carry data. */
int oxp_data_inputs(const oxp_scan *s, const oxp_node *n);
/* Literal dim of a value under the assumed dims, negative axes from the end; -1 unknown. */
int64_t oxp_size(const oxp_scan *s, oxp_id value, int axis);
int oxp_value_rank(const oxp_scan *s, oxp_id value);
/* Adds a block; nodes may hold NULL entries. */
oxp_found *oxp_add_block(oxp_scan *s, oxp_block_type t, bool decomposed,
                         const oxp_node *const *nodes, size_t n);

/* Up a chain: node `n` has the first letter; each further letter is what produced (behind views and
 * casts) any input of the one before.  Returns true and fills found[0..n_letters). */
bool oxp_chain_up(const oxp_scan *s, const oxp_node *n, const oxp_letter *letters, size_t n_letters,
                  const oxp_node **found);

/* The detectors (blocks.c, attention.c, architecture.c, risks.c), in this order. */
void oxp_find_activations(oxp_scan *s);
void oxp_find_norms(oxp_scan *s);
void oxp_find_attention(oxp_scan *s);
void oxp_find_feed_forward(oxp_scan *s);
void oxp_find_convolution_blocks(oxp_scan *s);
void oxp_find_residuals(oxp_scan *s);
void oxp_find_heads(oxp_scan *s);
void oxp_find_architecture(oxp_scan *s);
void oxp_find_risks(oxp_scan *s);

#endif
