/* type_text.h - types in words, as tests compare them. */
#ifndef OXP_TEST_TYPE_TEXT_H
#define OXP_TEST_TYPE_TEXT_H

#include "onnxpert/model.h"

/* "float32[N,4]", "int64[*]" (rank unknown), "?" (nothing known), "sequence<float32[2]>", "?[2]".
 */
const char *type_text(const oxp_model *m, const oxp_type *t, oxp_arena *arena);

#endif
