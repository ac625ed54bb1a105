/* verify.h - do two models still compute the same, and is one really faster?
 *
 * Both run in ONNX Runtime, in a child process with a memory and a time limit. */
#ifndef OXP_VERIFY_VERIFY_H
#define OXP_VERIFY_VERIFY_H

#include "onnxpert/pass.h"
#include "onnxpert/report.h"

typedef struct oxp_verify_opts {
    const char *library;         /* --ort, or NULL: looked for */
    const char *inputs;          /* folder with input_N.npy or input_N.pb, or NULL: random ones */
    const oxp_binding *bindings; /* sizes of dynamic dimensions of BEFORE; unbound: 1 */
    size_t n_bindings;
    uint64_t seed;
    unsigned sets;         /* input sets to compare; 0: 2 */
    unsigned runs;         /* timed runs of each model; 0: no timing */
    unsigned threads;      /* 0: the runtime's choice */
    double seconds;        /* limit for everything; 0: 300 */
    oxp_fidelity fidelity; /* tolerance: 1e-4 exact and rounding, 2e-2 lossy */
} oxp_verify_opts;

/* Difference of one output over all sets.  relative: largest |a - b| over the largest |a|. */
typedef struct oxp_output_check {
    const char *name, *problem; /* NULL, or "NaN", "shape [1,2] became [2,1]", ... */
    double max_abs, mean_abs, relative, cosine;
    bool argmax_checked, argmax_agrees; /* along the last axis, for outputs with 2+ columns */
    bool ok;
} oxp_output_check;

typedef struct oxp_timing {
    double before, after;           /* median seconds of a run */
    double ratio_low, ratio_high;   /* 95 % interval of after / before (bootstrap of the medians) */
    double load_before, load_after; /* seconds to make the session */
} oxp_timing;

typedef struct oxp_verification {
    const char *runtime; /* "ONNX Runtime 1.30.0" */
    double tolerance;
    const oxp_output_check *outputs;
    size_t n_outputs;
    unsigned sets;
    bool ok;
    bool timed;
    unsigned runs;
    oxp_timing optimized, plain; /* with and without the runtime's own graph optimization */
    double projected_before, projected_after; /* host roofline, seconds; 0: not projected */
} oxp_verification;

/* Runs both models; *out lives in `arena`.  OXP_E_RUNTIME: no usable library; OXP_E_UNSUPPORTED: a
 * model does not run, or the two have other inputs.  A difference is a result (ok = false), not a
 * failure. */
const oxp_verification *oxp_verify(oxp_arena *arena, const oxp_model *before, const char *after,
                                   const oxp_verify_opts *opts);

/* The report; its view lives in `arena`. */
oxp_report oxp_report_verification(oxp_arena *arena, const oxp_verification *v, const char *before,
                                   const char *after);

#endif
