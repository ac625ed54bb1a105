/* memory.h - which activations are alive when, and the peak. */
#ifndef OXP_ANALYSIS_MEMORY_H
#define OXP_ANALYSIS_MEMORY_H

#include "onnxpert/analyze.h"

typedef struct oxp_memory {
    uint64_t peak;       /* no sharing: the contract of peak_activation_bytes */
    uint64_t with_views; /* views share their source's bytes                  */
    uint64_t total;      /* all activations of the main graph together        */
    uint64_t run_peak;   /* the peak without large constants, which runtimes compute at load */
    uint64_t folded;     /* bytes by which these exceed the weights that only they are made of */
    oxp_id peak_node;    /* first node at which the peak is reached, or OXP_NONE */
    bool partial;        /* sizes of some activations are unknown: the sums are 'at least' */
} oxp_memory;

/* Liveness over the main graph's node order.  `values` has at least `bytes` and `activation`;
 * nodes (by node id, or NULL) get their live_bytes (main graph). */
oxp_memory oxp_memory_of(const oxp_model *m, const oxp_value_info *values, oxp_node_info *nodes,
                         oxp_arena *arena);

/* The activations alive at main-graph node `at`, largest first; at most `max` in `out`. */
size_t oxp_memory_alive(const oxp_model *m, const oxp_value_info *values, oxp_id at, oxp_id *out,
                        size_t max, oxp_arena *arena);

/* Does the value take more bytes than 64 bits can count?  (Its bytes are UINT64_MAX then, as those
 * of a value of unknown size are; but sums with it are beyond counting, not 'at least'.) */
bool oxp_is_beyond_counting(const oxp_value_info *v);

/* Is this the node of a constant (no inputs, one fixed tensor)?  Its output is a weight. */
bool oxp_is_constant_node(const oxp_node *n);

#endif
