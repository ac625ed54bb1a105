/* weight_stats.h - what rules ask about the elements of constants: computed on demand, streamed in
 * windows, remembered, with a limit on what is read for all rules together.
 *
 * Of a tensor as a whole: what oxp_tensor_scan says, mean and root mean square.  By channel (the
 * elements with the same index on an axis): largest magnitudes and energies.  Of a matrix (first
 * axis against the rest): how many singular values hold 90 % of the energy. */
#ifndef OXP_RULES_WEIGHT_STATS_H
#define OXP_RULES_WEIGHT_STATS_H

#include "onnxpert/model.h"

#define OXP_STATS_BYTES_MAX ((uint64_t)1 << 29) /* of payload that the rules of a worker read */

typedef struct oxp_weight_stats oxp_weight_stats;

/* Results live in `arena`. */
oxp_weight_stats *oxp_weight_stats_new(const oxp_model *m, oxp_arena *arena);
bool oxp_weight_stat_known(const char *what);
/* NaN: no such statistic, or the elements are absent, are no floats, or too many. */
double oxp_weight_stat(oxp_weight_stats *s, oxp_id tensor, const char *what, int axis);
/* The first initializer with the same type, dimensions and bytes as this one (the same one when
 * there is none before it); OXP_NONE when the bytes cannot be read. */
oxp_id oxp_weight_twin(oxp_weight_stats *s, oxp_id tensor);

/* Singular values of a matrix (rows x cols, row by row) that hold `part` of the energy: the
 * smallest r with s1^2 + ... + sr^2 >= part * sum.  Scratch in `arena`. */
size_t oxp_energy_rank(const float *matrix, size_t rows, size_t cols, double part,
                       oxp_arena *arena);
enum {
    OXP_RANK_EXACT_SHORT = 256, /* up to these sizes the matrix itself is taken, */
    OXP_RANK_EXACT_LONG = 1024,
    OXP_RANK_SKETCH_SHORT = 192, /* beyond them a sketch of these ones, which tells ranks up to a */
    OXP_RANK_SKETCH_LONG = 768   /* quarter of its shorter side */
};

#endif
