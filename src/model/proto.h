/* proto.h - the messages of onnx.proto (ONNX 1.23, IR version 14): field numbers, and the table
 * that guides the scan of a model's bytes.  The numbers are ours and not those of the installed
 * onnx.proto, which may be older: what is newer reaches protobuf-c as unknown fields. */
#ifndef OXP_MODEL_PROTO_H
#define OXP_MODEL_PROTO_H

#include <stdint.h>

enum {
    MODEL_IR_VERSION = 1,
    MODEL_PRODUCER_NAME = 2,
    MODEL_PRODUCER_VERSION = 3,
    MODEL_DOMAIN = 4,
    MODEL_MODEL_VERSION = 5,
    MODEL_DOC_STRING = 6,
    MODEL_GRAPH = 7,
    MODEL_OPSET_IMPORT = 8,
    MODEL_METADATA_PROPS = 14,
    MODEL_TRAINING_INFO = 20,
    MODEL_FUNCTIONS = 25,
    MODEL_CONFIGURATION = 26,

    GRAPH_NODE = 1,
    GRAPH_NAME = 2,
    GRAPH_INITIALIZER = 5,
    GRAPH_DOC_STRING = 10,
    GRAPH_INPUT = 11,
    GRAPH_OUTPUT = 12,
    GRAPH_VALUE_INFO = 13,
    GRAPH_QUANTIZATION_ANNOTATION = 14,
    GRAPH_SPARSE_INITIALIZER = 15,
    GRAPH_METADATA_PROPS = 16,

    NODE_INPUT = 1,
    NODE_OUTPUT = 2,
    NODE_NAME = 3,
    NODE_OP_TYPE = 4,
    NODE_ATTRIBUTE = 5,
    NODE_DOC_STRING = 6,
    NODE_DOMAIN = 7,
    NODE_OVERLOAD = 8,
    NODE_METADATA_PROPS = 9,
    NODE_DEVICE_CONFIGURATIONS = 10,

    ATTR_NAME = 1,
    ATTR_F = 2,
    ATTR_I = 3,
    ATTR_S = 4,
    ATTR_T = 5,
    ATTR_G = 6,
    ATTR_FLOATS = 7,
    ATTR_INTS = 8,
    ATTR_STRINGS = 9,
    ATTR_TENSORS = 10,
    ATTR_GRAPHS = 11,
    ATTR_DOC_STRING = 13,
    ATTR_TP = 14,
    ATTR_TYPE_PROTOS = 15,
    ATTR_TYPE = 20,
    ATTR_REF_ATTR_NAME = 21,
    ATTR_SPARSE_TENSOR = 22,
    ATTR_SPARSE_TENSORS = 23,

    TENSOR_DIMS = 1,
    TENSOR_DATA_TYPE = 2,
    TENSOR_SEGMENT = 3,
    TENSOR_FLOAT_DATA = 4,
    TENSOR_INT32_DATA = 5,
    TENSOR_STRING_DATA = 6,
    TENSOR_INT64_DATA = 7,
    TENSOR_NAME = 8,
    TENSOR_RAW_DATA = 9,
    TENSOR_DOUBLE_DATA = 10,
    TENSOR_UINT64_DATA = 11,
    TENSOR_DOC_STRING = 12,
    TENSOR_EXTERNAL_DATA = 13,
    TENSOR_DATA_LOCATION = 14,
    TENSOR_METADATA_PROPS = 16,

    SPARSE_VALUES = 1,
    SPARSE_INDICES = 2,
    SPARSE_DIMS = 3,

    VALUE_NAME = 1,
    VALUE_TYPE = 2,
    VALUE_DOC_STRING = 3,
    VALUE_METADATA_PROPS = 4,

    FUNCTION_NAME = 1,
    FUNCTION_INPUT = 4,
    FUNCTION_OUTPUT = 5,
    FUNCTION_ATTRIBUTE = 6,
    FUNCTION_NODE = 7,
    FUNCTION_DOC_STRING = 8,
    FUNCTION_OPSET_IMPORT = 9,
    FUNCTION_DOMAIN = 10,
    FUNCTION_ATTRIBUTE_PROTO = 11,
    FUNCTION_VALUE_INFO = 12,
    FUNCTION_OVERLOAD = 13,
    FUNCTION_METADATA_PROPS = 14,

    ENTRY_KEY = 1,
    ENTRY_VALUE = 2,
    OPSET_DOMAIN = 1,
    OPSET_VERSION = 2
};

/* Set of field numbers, for oxp_wire_prune. */
#define OXP_FIELD(n) ((uint32_t)1 << (n))

enum { OXP_WIRE_VARINT = 0, OXP_WIRE_I64 = 1, OXP_WIRE_LEN = 2, OXP_WIRE_I32 = 5 };

typedef enum oxp_msg {
    OXP_MSG_NONE = 0,
    OXP_MSG_MODEL,
    OXP_MSG_GRAPH,
    OXP_MSG_NODE,
    OXP_MSG_ATTR,
    OXP_MSG_TENSOR,
    OXP_MSG_SPARSE,
    OXP_MSG_VALUE,
    OXP_MSG_FUNCTION,
    OXP_MSG_TRAINING,
    OXP_MSG_TYPE,
    OXP_MSG_TYPE_TENSOR,
    OXP_MSG_TYPE_SEQUENCE,
    OXP_MSG_TYPE_MAP,
    OXP_MSG_TYPE_OPTIONAL,
    OXP_MSG_TYPE_OPAQUE,
    OXP_MSG_SHAPE,
    OXP_MSG_DIM,
    OXP_MSG_OPSET,
    OXP_MSG_ENTRY,
    OXP_MSG_ANNOTATION,
    OXP_MSG_SEGMENT,
    OXP_MSG_NODE_DEVICE,
    OXP_MSG_SHARDING,
    OXP_MSG_INT_LIST,
    OXP_MSG_SHARDED_DIM,
    OXP_MSG_SIMPLE_SHARD,
    OXP_MSG_DEVICE,
    OXP_MSG_COUNT
} oxp_msg;

enum {
    OXP_FIELD_REPEATED = 1,
    OXP_FIELD_TEXT = 2,   /* a string that becomes a C string: no NUL in it                      */
    OXP_FIELD_SINGLE = 4, /* given twice it is refused: readers disagree on what that means      */
    OXP_FIELD_RANK = 8    /* one entry a dimension: not more than OXP_RANK_MAX                   */
};
#define OXP_RANK_MAX 1024

typedef struct oxp_field {
    uint8_t known; /* 0: not a field of the message */
    uint8_t wire;  /* one of OXP_WIRE_* */
    uint8_t msg;   /* the message it holds, an oxp_msg, or OXP_MSG_NONE */
    uint8_t rec;   /* its record kind, an oxp_rec_kind, or 0 */
    uint8_t flags;
} oxp_field;

#define OXP_FIELD_MAX 26
typedef struct oxp_schema_msg {
    const char *name;
    uint32_t required; /* set of fields that every message of the kind must have */
    oxp_field fields[OXP_FIELD_MAX + 1];
} oxp_schema_msg;

extern const oxp_schema_msg oxp_proto[OXP_MSG_COUNT];

#endif
