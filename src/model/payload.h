/* payload.h - elements of a tensor with its recipes carried out, in windows, also from threads. */
#ifndef OXP_MODEL_PAYLOAD_H
#define OXP_MODEL_PAYLOAD_H

#include "model/model_impl.h"
#include "model/typed.h"

#define OXP_CHAIN_MAX 64u /* recipes on recipes */

/* A tensor whose elements can be read: the stored one, and the recipes up to the tensor itself. */
typedef struct oxp_payload {
    const oxp_model *m;
    oxp_id chain[OXP_CHAIN_MAX];
    unsigned n;
    const oxp_source *src; /* NULL: memory */
    uint64_t off;
    const uint8_t *mem;
    bool typed; /* by cursor: one thread only */
} oxp_payload;

/* Buffers of one thread for windows of up to `elems` elements. */
typedef struct oxp_eval {
    uint8_t *a, *b; /* 16 and 8 bytes an element */
    double *d;
    size_t elems; /* a multiple of 8 */
    oxp_typed typed;
} oxp_eval;

#define OXP_WINDOW_ELEMS ((size_t)1 << 16)

/* Raises OXP_E_UNSUPPORTED (strings, sparse, no data), OXP_E_IO (external data missing). */
void oxp_payload_open(oxp_payload *p, const oxp_model *m, oxp_id tensor);
oxp_eval *oxp_eval_new(oxp_arena *arena, size_t elems);
void oxp_eval_start(oxp_eval *e, const oxp_payload *p);
/* Raw bytes of elements [first, first + n), n <= e->elems, first a multiple of 8 for types below a
 * byte.  In the thread's buffers until the next call; NULL when the file cannot be read. */
const uint8_t *oxp_payload_eval(const oxp_payload *p, oxp_eval *e, uint64_t first, size_t n);
/* From now on the model and its clones remember the statistics of the file's tensors together. */
void oxp_stats_share(oxp_model *m);
_Noreturn void oxp_payload_fail(const oxp_model *m, oxp_id tensor);
/* "tensor 'conv1.weight'", or "a tensor" for one without a name. */
const char *oxp_tensor_label(const oxp_model *m, oxp_id tensor);

#endif
