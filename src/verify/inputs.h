/* inputs.h - what the models are fed: given files, or seeded random numbers that fit their role. */
#ifndef OXP_VERIFY_INPUTS_H
#define OXP_VERIFY_INPUTS_H

#include "onnxpert/analyze.h"
#include "verify/ort.h"
#include "verify/verify.h"

/* All inputs of a verification: given sets, or random ones for each choice of sizes. */
typedef struct oxp_cases {
    const oxp_analysis *const *sizes; /* of BEFORE, under each choice */
    const oxp_size_choice *choices;
    size_t n_sizes;
    const char *const *folders; /* given sets */
    size_t n_folders;           /* 0: random ones */
    unsigned sets;
    uint64_t seed;
} oxp_cases;

size_t oxp_case_count(const oxp_cases *c);
/* "input set 2, N=4" or the folder. */
const char *oxp_case_text(const oxp_cases *c, size_t at, oxp_arena *arena);
/* Sizes that the case stands for (of the first choice when the inputs are given). */
const oxp_analysis *oxp_case_analysis(const oxp_cases *c, size_t at);
/* One array for every input of the main graph that is no initializer.  Raises OXP_E_UNSUPPORTED
 * naming the input that cannot be filled, or the file that does not fit it. */
oxp_array *oxp_case_inputs(const oxp_cases *c, size_t at, size_t *n, oxp_arena *arena);

/* Seeded, by role (roles.h); set 0 has masks of ones only. */
oxp_array *oxp_inputs_random(const oxp_analysis *a, uint64_t seed, unsigned set, size_t *n,
                             oxp_arena *arena);
/* input_0.npy / input_0.pb, ... from a folder; checked against the model's inputs. */
oxp_array *oxp_inputs_read(const oxp_analysis *a, const char *folder, size_t *n, oxp_arena *arena);
/* The folder itself when it holds input_0.*, else those of its subfolders that do, by name.  Raises
 * OXP_E_UNSUPPORTED when there is none. */
const char *const *oxp_input_folders(oxp_arena *arena, const char *folder, size_t *n);

/* One array from a .npy file (format 1.0 and 2.0, C order, little-endian) or a TensorProto file. */
oxp_array oxp_read_npy(oxp_arena *arena, const char *path);
oxp_array oxp_read_pb(oxp_arena *arena, const char *path);

/* ---- shared by the files that make them ---- */
enum { OXP_INPUT_BYTES_MAX = 1 << 30 }; /* of one input: more would be a mistake in the sizes */
bool oxp_fillable(oxp_dtype t);
/* The inputs that have to be fed, in order. */
oxp_id *oxp_fed_inputs(const oxp_model *m, size_t *n, oxp_arena *arena);
/* Stores element i of an array of type t. */
void oxp_store_int(void *data, uint64_t i, oxp_dtype t, int64_t v);
void oxp_store_float(void *data, uint64_t i, oxp_dtype t, double v);

#endif
