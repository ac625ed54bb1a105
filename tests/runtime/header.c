/* header.c - our positions of ONNX Runtime's calls and our numbers against the official header.
 * Compiled by tests/cli/ort_header.sh where there is one: that it compiles is the test. */
#include <stddef.h>

#include "onnxruntime_c_api.h"

#include "onnxpert/model.h"
#include "verify/ort.h"
#include "verify/ort_calls.h"

#define SAME(what, ours, theirs)                                                                   \
    _Static_assert((int)(ours) == (int)(theirs), what " is not where the header has it");
#define CHECK(ours, theirs, at) SAME(#theirs, at, offsetof(OrtApi, theirs) / sizeof(void *))
OXP_ORT_CALLS(CHECK)

SAME("fatal", OXP_ORT_LOG_FATAL, ORT_LOGGING_LEVEL_FATAL)
SAME("the arena's allocator", OXP_ORT_ARENA_ALLOCATOR, OrtArenaAllocator)
SAME("the default memory", OXP_ORT_DEFAULT_MEMORY, OrtMemTypeDefault)
SAME("no optimization", OXP_ORT_NONE, ORT_DISABLE_ALL)
SAME("basic optimization", OXP_ORT_BASIC, ORT_ENABLE_BASIC)
SAME("extended optimization", OXP_ORT_EXTENDED, ORT_ENABLE_EXTENDED)
SAME("all optimization", OXP_ORT_ALL, ORT_ENABLE_ALL)
SAME("float", OXP_FLOAT, ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT)
SAME("uint8", OXP_UINT8, ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8)
SAME("int64", OXP_INT64, ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64)
SAME("string", OXP_STRING, ONNX_TENSOR_ELEMENT_DATA_TYPE_STRING)
SAME("bool", OXP_BOOL, ONNX_TENSOR_ELEMENT_DATA_TYPE_BOOL)
SAME("float16", OXP_FLOAT16, ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16)
SAME("double", OXP_DOUBLE, ONNX_TENSOR_ELEMENT_DATA_TYPE_DOUBLE)
SAME("bfloat16", OXP_BFLOAT16, ONNX_TENSOR_ELEMENT_DATA_TYPE_BFLOAT16)

/* OrtApiBase has what ort.c calls through its own declaration, in this order. */
SAME("GetApi", 0, offsetof(OrtApiBase, GetApi) / sizeof(void *))
SAME("GetVersionString", 1, offsetof(OrtApiBase, GetVersionString) / sizeof(void *))

int main(void) {
    return 0;
}
