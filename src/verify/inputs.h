/* inputs.h - what the models are fed: given files, or seeded random numbers that fit their role. */
#ifndef OXP_VERIFY_INPUTS_H
#define OXP_VERIFY_INPUTS_H

#include "onnxpert/analyze.h"
#include "verify/ort.h"

/* One array for every input of the main graph that is no initializer, shaped as analysed.  Set 0 of
 * a given folder, or seeded: floats are normal(0, 1); integers that index a table (the indices of a
 * Gather over a constant) lie within it; masks and other integers are small; positions count up.
 * Raises OXP_E_UNSUPPORTED naming the input whose shape or type cannot be filled. */
oxp_array *oxp_inputs_random(const oxp_analysis *a, uint64_t seed, size_t *n, oxp_arena *arena);
/* input_0.npy / input_0.pb, ... from a folder; checked against the model's inputs. */
oxp_array *oxp_inputs_read(const oxp_analysis *a, const char *folder, size_t *n, oxp_arena *arena);

/* One array from a .npy file (format 1.0 and 2.0, C order, little-endian) or a TensorProto file. */
oxp_array oxp_read_npy(oxp_arena *arena, const char *path);
oxp_array oxp_read_pb(oxp_arena *arena, const char *path);

#endif
