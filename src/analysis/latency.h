/* latency.h - a roofline for each node: max(arithmetic, memory traffic) + launch overhead.
 *
 *   compute = flops / (peak(dtype) * efficiency(class)),  memory = bytes / (bandwidth * efficiency)
 *
 * On `host` the arithmetic of a convolution or matrix product has a fixed part for each output
 * element (loading, storing, activation), so that short reductions (depthwise, first layers) are
 * slower per multiply-add; tensors that fit into the last cache move at its bandwidth; and kernels
 * that are spread over threads have a start of their own.  docs/accuracy.md has how far it is off.
 *
 * What every runtime does at load is taken as done: constants are folded, a normalization with
 * running statistics, arithmetic with a constant and an activation behind a convolution are part of
 * it.  A recurrent layer runs
 * step by step: launch overhead and the reading of its recurrence weights count once a step.  Views
 * and nodes that only handle shapes cost a microsecond of bookkeeping, on a CPU at most a launch.
 * float16 on a CPU without such arithmetic runs as ONNX Runtime runs it (analysis/half_plan.h).
 * Nodes of unknown cost count nothing and are counted in `unknown`.  Where the work of the model is
 * beyond 2^64 the time is NaN. */
#ifndef OXP_ANALYSIS_LATENCY_H
#define OXP_ANALYSIS_LATENCY_H

#include "analysis/device.h"
#include "onnxpert/analyze.h"

typedef struct oxp_node_latency {
    double seconds;         /* 0: costs nothing or unknown */
    double compute, memory; /* the two sides of the roofline, without launch */
    bool compute_bound;
} oxp_node_latency;

typedef struct oxp_latency_sum {
    double seconds;
    double compute_bound, memory_bound, launch; /* seconds in each kind; they add up to `seconds` */
    double peak_ops;    /* operations a second at the precision of most of the arithmetic */
    double utilization; /* arithmetic done / (peak * seconds), 0..1 */
    size_t unknown;     /* nodes of unknown cost, not in the sums */
} oxp_latency_sum;

/* Total seconds of one run.  precision OXP_UNDEFINED: the types of the model; else every float
 * tensor and float operation is taken in that type.  `sum` and `nodes` may be NULL; nodes has
 * oxp_node_count(a->model) entries by node id. */
double oxp_latency(const oxp_analysis *a, const oxp_device *d, oxp_dtype precision,
                   oxp_latency_sum *sum, oxp_node_latency *nodes);
/* The class of a node, for its efficiency. */
oxp_op_class oxp_class_of(const oxp_analysis *a, oxp_id node);

/* The peak of activations with floats as `precision` if given. */
uint64_t oxp_peak_in(const oxp_analysis *a, oxp_dtype precision);
/* Bytes in memory while it runs: weights + peak activations, with large constants that the file
 * computes among the weights; floats as `precision` if given. */
uint64_t oxp_memory_needed(const oxp_analysis *a, oxp_dtype precision);

/* ---- batch sweep ---- */
typedef struct oxp_batch_point {
    int64_t batch;
    bool valid; /* false: the graph cannot run at this batch (fixed inside)       */
    uint64_t flops, peak_activation_bytes, memory_bytes;
    double seconds, throughput; /* of the whole batch; samples a second; NaN: unknown */
    bool fits;                  /* memory_bytes within the device's memory */
} oxp_batch_point;

typedef struct oxp_batch_sweep {
    const char *dim; /* name(s) of the dimension that was varied; NULL: no input has a batch axis */
    bool too_large;  /* not done unasked: the graph has more nodes than that is worth */
    bool scaled;     /* the batch is fixed in the file: figures are scaled, not analysed again */
    const oxp_batch_point *points;
    size_t n_points;
    size_t knee; /* index of the first point beyond which the larger batches that may run gain less
                    than 10 % in throughput; n_points: there is none, or nothing beyond to tell */
    size_t best; /* index of the knee, else of the largest batch that may run; n_points: none */
    bool grows;  /* there is no knee: of two and more that may run the largest is the fastest */
} oxp_batch_sweep;

/* The axis of an input of rank >= 2 that is the batch: 0, or 1 where the first holds steps. */
int oxp_batch_axis(const oxp_model *m, oxp_id input);
/* Analyses again with the batch dimension (the first axis of the inputs of rank >= 2; the second
 * where a recurrent layer reads the input with its steps first) bound to each
 * of `batches` (in any order; the points rise); `base` holds the bindings of the analysis, NULL:
 * what it assumed.  n_batches 0: 1, 2, 4, ... 64.  device NULL: no latencies (0). */
const oxp_batch_sweep *oxp_sweep_batch(const oxp_analysis *a, const oxp_analyze_opts *base,
                                       const oxp_device *d, oxp_dtype precision,
                                       const int64_t *batches, size_t n_batches, oxp_arena *arena);

/* The batch that the analysis has: bound, assumed, or fixed in the file; 1: no input has one. */
int64_t oxp_batch_of(const oxp_analysis *a, oxp_arena *arena);
/* Is the dimension of that name the batch of an input? */
bool oxp_is_batch_name(const oxp_analysis *a, const char *name, oxp_arena *arena);

/* How a point is measured: seconds of a run and bytes of memory when everything but the weights is
 * there `scale` times. */
typedef struct oxp_batch_meter {
    const oxp_device *device; /* NULL: no latencies */
    double (*seconds)(void *arg, const oxp_analysis *a, double scale);
    uint64_t (*memory)(void *arg, const oxp_analysis *a, double scale);
    void *arg;
} oxp_batch_meter;
const oxp_batch_sweep *oxp_sweep_batch_by(const oxp_analysis *a, const oxp_analyze_opts *base,
                                          const oxp_batch_meter *meter, const int64_t *batches,
                                          size_t n_batches, oxp_arena *arena);

#endif
