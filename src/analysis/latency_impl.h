/* latency_impl.h - the same with everything but the weights scaled: for batches that the file does
 * not allow to analyse. */
#ifndef OXP_ANALYSIS_LATENCY_IMPL_H
#define OXP_ANALYSIS_LATENCY_IMPL_H

#include "analysis/latency.h"

/* Sums for several devices in one pass over the nodes; `nodes` (or NULL) is for the first. */
void oxp_latency_all(const oxp_analysis *a, const oxp_device *const *devices, size_t n_devices,
                     oxp_dtype precision, double scale, oxp_latency_sum *sums,
                     oxp_node_latency *nodes);
/* One node (live, and with times > 0) on each of the devices. */
void oxp_latency_each(const oxp_analysis *a, oxp_id node, const oxp_device *const *devices,
                      size_t n_devices, oxp_dtype precision, double scale, oxp_node_latency *out);
/* Is the work within 64 bits?  Else there is no time for it, either. */
bool oxp_is_countable(const oxp_totals *t);
/* v * factor, rounded; UINT64_MAX (unknown) stays that, and so does what exceeds it. */
uint64_t oxp_scaled(uint64_t v, double factor);
uint64_t oxp_memory_scaled(const oxp_analysis *a, oxp_dtype precision, double scale);

/* The model analysed again at this batch (*out in `arena`, *scale 1), or where the file fixes the
 * batch the analysis at hand and how much more there is of everything but the weights.  False: it
 * has no batch, or does not run at this one. */
bool oxp_at_batch(const oxp_analysis *a, const oxp_analyze_opts *base, int64_t batch,
                  oxp_arena *arena, const oxp_analysis **out, double *scale);

#endif
