/* generation.h - what a new token costs a decoder without a key/value cache, and what it would cost
 * one with it: the model analysed again at the whole context and at one token. */
#ifndef OXP_ANALYSIS_GENERATION_H
#define OXP_ANALYSIS_GENERATION_H

#include "analysis/insight.h"
#include "analysis/latency.h"

typedef struct oxp_generation {
    uint64_t tokens;      /* the context: as bound, else OXP_GENERATION_TOKENS */
    double seconds;       /* of a run over all of it: a new token without a cache */
    double seconds_cache; /* of a run over one token, and of reading the cache of the others */
    uint64_t flops, flops_cache;
} oxp_generation;

enum { OXP_GENERATION_TOKENS = 1024 };

/* NULL: it is no decoder, has a cache, or its file fixes the number of tokens. */
const oxp_generation *oxp_generation_of(const oxp_analysis *a, const oxp_analyze_opts *base,
                                        const oxp_insight *in, const oxp_device *d,
                                        oxp_arena *arena);

#endif
