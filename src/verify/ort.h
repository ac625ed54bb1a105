/* ort.h - ONNX Runtime, loaded at run time through its stable C ABI; no build dependency.
 *
 * Only used inside a child process (src/verify/child.c): a crash in the runtime is then a result.
 */
#ifndef OXP_VERIFY_ORT_H
#define OXP_VERIFY_ORT_H

#include "onnxpert/model.h"

typedef struct oxp_ort oxp_ort;
typedef struct oxp_session oxp_session;

/* A tensor on its way in or out of a session. */
typedef struct oxp_array {
    const char *name;
    oxp_dtype dtype;
    int rank;
    const int64_t *dims;
    uint64_t count;
    void *data; /* little-endian elements; strings are not supported */
    size_t bytes;
} oxp_array;

/* Path of the library: `given`, else ONNXPERT_ORT, the active Python environment's wheel,
 * node_modules/onnxruntime-node upwards from the working directory, else the loader's own name.
 * Never NULL; whether it loads is oxp_ort_open's business. */
const char *oxp_ort_locate(oxp_arena *arena, const char *given);

/* Loads it; raises OXP_E_RUNTIME with the install line when there is none or it is none. */
oxp_ort *oxp_ort_open(oxp_arena *arena, const char *path);
const char *oxp_ort_version(const oxp_ort *ort); /* "1.30.0" */
/* Execution providers of this build; *names in the arena. */
size_t oxp_ort_providers(oxp_ort *ort, const char *const **names);

typedef struct oxp_session_opts {
    bool optimize;    /* the runtime's own graph optimization, all levels; false: none */
    unsigned threads; /* 0: the runtime's choice */
} oxp_session_opts;

/* Raises OXP_E_UNSUPPORTED "FILE: <the runtime's reason>". */
oxp_session *oxp_ort_session(oxp_ort *ort, const char *model, const oxp_session_opts *opts);
void oxp_session_close(oxp_session *s);
size_t oxp_session_inputs(const oxp_session *s);
size_t oxp_session_outputs(const oxp_session *s);
/* Name, element type and shape (-1 for dynamic dims); dtype OXP_UNDEFINED: not a tensor. */
oxp_array oxp_session_input(const oxp_session *s, size_t i);
const char *oxp_session_output_name(const oxp_session *s, size_t i);
/* Runs; in: one array an input, in order.  out: one an output, in `arena` (dtype OXP_UNDEFINED for
 * outputs that are no tensors).  out NULL: results are dropped (timing). */
void oxp_session_run(oxp_session *s, const oxp_array *in, oxp_array *out, oxp_arena *arena);

#endif
