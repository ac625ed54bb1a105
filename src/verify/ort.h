/* ort.h - ONNX Runtime, loaded at run time through its stable C ABI; no build dependency.
 *
 * Only used inside a child process (src/verify/child.h): a crash in the runtime is then a result.
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

/* Files to try, in order, NULL behind the last: `given` or else ONNXPERT_ORT alone; else the
 * loader's path, the active Python environment's wheel, node_modules/onnxruntime-node upwards from
 * the working directory.  Whether they load is oxp_ort_open's business. */
const char *const *oxp_ort_candidates(oxp_arena *arena, const char *given);

/* Loads the first that can be; raises OXP_E_RUNTIME with the install line when there is none or it
 * is none. */
oxp_ort *oxp_ort_open(oxp_arena *arena, const char *const *candidates);
/* The same with one pool of threads for all sessions (where the runtime has that: version 1.5 and
 * newer), of so many (0: the runtime's choice): threads of an idle session spin for a while and
 * would take the processors from the one that is timed next. */
oxp_ort *oxp_ort_open_shared(oxp_arena *arena, const char *const *candidates, unsigned threads);
const char *oxp_ort_path(const oxp_ort *ort);
const char *oxp_ort_version(const oxp_ort *ort); /* "1.30.0" */
/* Execution providers of this build; *names in the arena.  0: it is too old to list them. */
size_t oxp_ort_providers(oxp_ort *ort, const char *const **names);

/* The runtime's own graph optimization; the numbers are those of its GraphOptimizationLevel. */
typedef enum oxp_ort_level {
    OXP_ORT_NONE = 0,
    OXP_ORT_BASIC = 1,
    OXP_ORT_EXTENDED = 2,
    OXP_ORT_ALL = 99
} oxp_ort_level;

typedef struct oxp_session_opts {
    oxp_ort_level level;
    unsigned threads;     /* 0: the runtime's choice */
    const char *provider; /* "cuda", ...; NULL or "cpu": the CPU's */
    const char *name;     /* what messages call the model; NULL: its file */
} oxp_session_opts;

/* Raises OXP_E_UNSUPPORTED "NAME: <the runtime's reason>". */
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
