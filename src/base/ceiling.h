/* ceiling.h - how much memory a context may take when its owner set no ceiling: 256 MiB, 12 bytes
 * for each byte of the models that were opened in it and 36 for each byte of those that are
 * rewritten (a copy, and what the passes keep of it). */
#ifndef OXP_BASE_CEILING_H
#define OXP_BASE_CEILING_H

#include <stdint.h>

#include "onnxpert/status.h"

void oxp_ctx_add_file(oxp_ctx *ctx, uint64_t bytes);
/* For what cannot raise where it allocates: raises for bytes that oxp_try_alloc refused, by the
 * ceiling's fault (OXP_E_LIMIT) or the system's (OXP_E_NOMEM). */
_Noreturn void oxp_alloc_failed(oxp_arena *a, size_t n, size_t size);

#endif
