/* calibrate.h - the ranges that float32 values really have, on inputs that the user gives.
 *
 * A copy of the model gets a ReduceMin and a ReduceMax behind each float32 tensor of its main graph
 * and runs in ONNX Runtime, in a child process: the runtime keeps two numbers a tensor, so memory
 * is that of an ordinary run. */
#ifndef OXP_VERIFY_CALIBRATE_H
#define OXP_VERIFY_CALIBRATE_H

#include "onnxpert/pass.h"

typedef struct oxp_calibration {
    oxp_arena *arena;
    const char *library; /* --ort, or NULL: looked for */
    const char *inputs;  /* folder of given inputs (inputs.h) */
    double seconds;      /* limit; 0: 300 */
    uint64_t memory;     /* limit; 0: three quarters of the machine's */
    /* What was found last, for a model that is asked about twice (projection and rewrite). */
    uint64_t seen;
    oxp_measured *kept;
    size_t n_kept, sets;
} oxp_calibration;

/* oxp_pass_opts.measure; `calibration` is an oxp_calibration.  Raises OXP_E_RUNTIME without a
 * usable library, OXP_E_UNSUPPORTED when the model does not run on the inputs. */
size_t oxp_calibrate(void *calibration, const oxp_model *m, oxp_measured *by_value);

#endif
