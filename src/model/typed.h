/* typed.h - the elements of a TensorProto that has them in float_data, int32_data and the like. */
#ifndef OXP_MODEL_TYPED_H
#define OXP_MODEL_TYPED_H

#include "base/source.h"
#include "onnxpert/model.h"

/* A cursor: reading on is linear, going back starts again.  One thread each. */
typedef struct oxp_typed {
    const oxp_source *src;
    oxp_span span;           /* content of the TensorProto */
    uint32_t field;          /* number of the data field */
    uint32_t fixed;          /* 4, 8: width of its entries; 0: varints */
    uint32_t unit;           /* bytes of a raw entry: the element, or half a complex one */
    uint64_t index;          /* entry that comes next */
    uint64_t pos, chunk_end; /* file position; end of the packed chunk that it is in, or 0 */
    uint64_t at;             /* window */
    size_t held;
    uint8_t window[4096];
} oxp_typed;

/* The data field that holds elements of t when raw_data does not; 0 for strings. */
void oxp_typed_open(oxp_typed *c, const oxp_source *src, oxp_span span, oxp_dtype t);
/* Raw bytes of entries [first, first + n); false when the file is not what it was. */
bool oxp_typed_read(oxp_typed *c, uint64_t first, uint64_t n, uint8_t *out);

#endif
