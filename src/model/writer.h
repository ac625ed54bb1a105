/* writer.h - carries out a rope: copies, converts and writes with constant memory. */
#ifndef OXP_MODEL_WRITER_H
#define OXP_MODEL_WRITER_H

#include "base/atomic_file.h"
#include "model/model_impl.h"
#include "model/rope.h"

/* Raises OXP_E_IO.  Big tensors are computed and written by several threads where the target can be
 * written at any offset. */
void oxp_write_rope(const oxp_model *m, oxp_arena *arena, const oxp_rope *r, oxp_atomic *target);

#endif
