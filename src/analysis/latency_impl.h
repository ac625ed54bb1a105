/* latency_impl.h - the same with everything but the weights scaled: for batches that the file does
 * not allow to analyse. */
#ifndef OXP_ANALYSIS_LATENCY_IMPL_H
#define OXP_ANALYSIS_LATENCY_IMPL_H

#include "analysis/half_plan.h"
#include "analysis/latency.h"

/* Sums for several devices in one pass over the nodes; `nodes` (or NULL) is for the first. */
void oxp_latency_all(const oxp_analysis *a, const oxp_device *const *devices, size_t n_devices,
                     oxp_dtype precision, double scale, oxp_latency_sum *sums,
                     oxp_node_latency *nodes);
/* How float16 runs on those of the devices that have no such arithmetic, by node id in `arena`;
 * NULL: all have it, or there is none. */
const oxp_half_node *oxp_half_plan_for(const oxp_analysis *a, const oxp_device *const *devices,
                                       size_t n_devices, oxp_dtype precision, oxp_arena *arena);
/* One node (live, and with times > 0) on each of the devices; half: its entry in that plan. */
void oxp_latency_each(const oxp_analysis *a, oxp_id node, const oxp_device *const *devices,
                      size_t n_devices, oxp_dtype precision, const oxp_half_node *half,
                      double scale, oxp_node_latency *out);
/* Is the work within 64 bits?  Else there is no time for it, either. */
bool oxp_is_countable(const oxp_totals *t);

/* What a node does, whatever the device. */
typedef struct oxp_work {
    double ops, int_ops;       /* floating-point and integer operations */
    double weights, tensors;   /* bytes that do not grow with the batch, and those that do */
    double times, bookkeeping; /* kernels launched; or seconds without a kernel */
    double products;           /* elements that a convolution or matrix product puts out */
    double steps, again;       /* steps one after the other; bytes of weights read at each more */
    double casts, converted; /* conversions that the runtime puts in; elements that they convert */
    double stored;           /* bits that its floats have while it runs; 0: as in the file */
    oxp_dtype own;           /* float type of its tensors; UNDEFINED: it has none */
    oxp_op_class class;
} oxp_work;

/* half: how the node runs without float16 arithmetic (half_plan.h), or NULL. */
oxp_work oxp_work_of(const oxp_analysis *a, oxp_id id, oxp_dtype precision,
                     const oxp_half_node *half);

/* v * factor, rounded; UINT64_MAX (unknown) stays that, and so does what exceeds it. */
uint64_t oxp_scaled(uint64_t v, double factor);
uint64_t oxp_memory_scaled(const oxp_analysis *a, oxp_dtype precision, double scale);

/* The model analysed again at this batch (*out in `arena`, *scale 1), or where the file fixes the
 * batch the analysis at hand and how much more there is of everything but the weights.  False: it
 * has no batch, or does not run at this one. */
bool oxp_at_batch(const oxp_analysis *a, const oxp_analyze_opts *base, int64_t batch,
                  oxp_arena *arena, const oxp_analysis **out, double *scale);

#endif
