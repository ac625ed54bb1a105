/* proto.c - the messages of onnx.proto as a table (onnx 1.23, onnx.proto: proto2, LITE_RUNTIME). */
#include "model/proto.h"
#include "model/wire.h"

#define INT                                                                                        \
    { 1, OXP_WIRE_VARINT, 0, 0, 0 }
#define INTS                                                                                       \
    { 1, OXP_WIRE_VARINT, 0, 0, OXP_FIELD_REPEATED }
#define DIMS                                                                                       \
    { 1, OXP_WIRE_VARINT, 0, 0, OXP_FIELD_REPEATED | OXP_FIELD_RANK }
#define F32                                                                                        \
    { 1, OXP_WIRE_I32, 0, 0, 0 }
#define F32S                                                                                       \
    { 1, OXP_WIRE_I32, 0, 0, OXP_FIELD_REPEATED }
#define F64S                                                                                       \
    { 1, OXP_WIRE_I64, 0, 0, OXP_FIELD_REPEATED }
#define TEXT                                                                                       \
    { 1, OXP_WIRE_LEN, 0, 0, OXP_FIELD_TEXT }
#define TEXTS                                                                                      \
    { 1, OXP_WIRE_LEN, 0, 0, OXP_FIELD_TEXT | OXP_FIELD_REPEATED }
#define TEXT_R(r)                                                                                  \
    { 1, OXP_WIRE_LEN, 0, r, OXP_FIELD_TEXT }
#define BYTES                                                                                      \
    { 1, OXP_WIRE_LEN, 0, 0, 0 } /* also doc_string: never made a C string */
#define MSG(m)                                                                                     \
    { 1, OXP_WIRE_LEN, m, 0, 0 }
#define MSG_1(m, r)                                                                                \
    { 1, OXP_WIRE_LEN, m, r, OXP_FIELD_SINGLE }
#define MSGS(m, r)                                                                                 \
    { 1, OXP_WIRE_LEN, m, r, OXP_FIELD_REPEATED }
#define DIM_MSGS(m)                                                                                \
    { 1, OXP_WIRE_LEN, m, 0, OXP_FIELD_REPEATED | OXP_FIELD_RANK }
#define META MSGS(OXP_MSG_ENTRY, 0)

const oxp_schema_msg oxp_proto[OXP_MSG_COUNT] = {
    [OXP_MSG_MODEL] = {"ModelProto",
                       OXP_FIELD(MODEL_GRAPH),
                       {[MODEL_IR_VERSION] = INT,
                        [MODEL_PRODUCER_NAME] = TEXT,
                        [MODEL_PRODUCER_VERSION] = TEXT,
                        [MODEL_DOMAIN] = TEXT,
                        [MODEL_MODEL_VERSION] = INT,
                        [MODEL_DOC_STRING] = BYTES,
                        [MODEL_GRAPH] = MSG_1(OXP_MSG_GRAPH, OXP_REC_GRAPH),
                        [MODEL_OPSET_IMPORT] = MSGS(OXP_MSG_OPSET, 0),
                        [MODEL_METADATA_PROPS] = META,
                        [MODEL_TRAINING_INFO] = MSGS(OXP_MSG_TRAINING, OXP_REC_TRAINING),
                        [MODEL_FUNCTIONS] = MSGS(OXP_MSG_FUNCTION, OXP_REC_FUNCTION),
                        [MODEL_CONFIGURATION] = MSGS(OXP_MSG_DEVICE, 0)}},
    [OXP_MSG_GRAPH] = {"GraphProto",
                       0,
                       {[GRAPH_NODE] = MSGS(OXP_MSG_NODE, OXP_REC_NODE),
                        [GRAPH_NAME] = TEXT_R(OXP_REC_NAME),
                        [GRAPH_INITIALIZER] = MSGS(OXP_MSG_TENSOR, OXP_REC_TENSOR),
                        [GRAPH_DOC_STRING] = BYTES,
                        [GRAPH_INPUT] = MSGS(OXP_MSG_VALUE, OXP_REC_INPUT),
                        [GRAPH_OUTPUT] = MSGS(OXP_MSG_VALUE, OXP_REC_OUTPUT),
                        [GRAPH_VALUE_INFO] = MSGS(OXP_MSG_VALUE, OXP_REC_INFO),
                        [GRAPH_QUANTIZATION_ANNOTATION] = MSGS(OXP_MSG_ANNOTATION, 0),
                        [GRAPH_SPARSE_INITIALIZER] = MSGS(OXP_MSG_SPARSE, OXP_REC_SPARSE),
                        [GRAPH_METADATA_PROPS] = META}},
    [OXP_MSG_NODE] = {"NodeProto",
                      OXP_FIELD(NODE_OP_TYPE),
                      {[NODE_INPUT] = TEXTS,
                       [NODE_OUTPUT] = TEXTS,
                       [NODE_NAME] = TEXT,
                       [NODE_OP_TYPE] = TEXT,
                       [NODE_ATTRIBUTE] = MSGS(OXP_MSG_ATTR, OXP_REC_ATTR),
                       [NODE_DOC_STRING] = BYTES,
                       [NODE_DOMAIN] = TEXT,
                       [NODE_OVERLOAD] = TEXT,
                       [NODE_METADATA_PROPS] = META,
                       [NODE_DEVICE_CONFIGURATIONS] = MSGS(OXP_MSG_NODE_DEVICE, 0)}},
    [OXP_MSG_ATTR] = {"AttributeProto",
                      OXP_FIELD(ATTR_NAME),
                      {[ATTR_NAME] = TEXT,
                       [ATTR_F] = F32,
                       [ATTR_I] = INT,
                       [ATTR_S] = BYTES,
                       [ATTR_T] = MSG_1(OXP_MSG_TENSOR, OXP_REC_TENSOR),
                       [ATTR_G] = MSG_1(OXP_MSG_GRAPH, OXP_REC_GRAPH),
                       [ATTR_FLOATS] = F32S,
                       [ATTR_INTS] = INTS,
                       [ATTR_STRINGS] = {1, OXP_WIRE_LEN, 0, 0, OXP_FIELD_REPEATED},
                       [ATTR_TENSORS] = MSGS(OXP_MSG_TENSOR, OXP_REC_TENSOR),
                       [ATTR_GRAPHS] = MSGS(OXP_MSG_GRAPH, OXP_REC_GRAPH),
                       [ATTR_DOC_STRING] = BYTES,
                       [ATTR_TP] = MSG(OXP_MSG_TYPE),
                       [ATTR_TYPE_PROTOS] = MSGS(OXP_MSG_TYPE, 0),
                       [ATTR_TYPE] = INT,
                       [ATTR_REF_ATTR_NAME] = TEXT,
                       [ATTR_SPARSE_TENSOR] = MSG_1(OXP_MSG_SPARSE, OXP_REC_SPARSE),
                       [ATTR_SPARSE_TENSORS] = MSGS(OXP_MSG_SPARSE, OXP_REC_SPARSE)}},
    [OXP_MSG_TENSOR] = {"TensorProto",
                        OXP_FIELD(TENSOR_DATA_TYPE),
                        {[TENSOR_DIMS] = DIMS,
                         [TENSOR_DATA_TYPE] = INT,
                         [TENSOR_SEGMENT] = MSG(OXP_MSG_SEGMENT),
                         [TENSOR_FLOAT_DATA] = F32S,
                         [TENSOR_INT32_DATA] = INTS,
                         [TENSOR_STRING_DATA] = {1, OXP_WIRE_LEN, 0, 0, OXP_FIELD_REPEATED},
                         [TENSOR_INT64_DATA] = INTS,
                         [TENSOR_NAME] = TEXT,
                         [TENSOR_RAW_DATA] = {1, OXP_WIRE_LEN, 0, 0, OXP_FIELD_SINGLE},
                         [TENSOR_DOUBLE_DATA] = F64S,
                         [TENSOR_UINT64_DATA] = INTS,
                         [TENSOR_DOC_STRING] = BYTES,
                         [TENSOR_EXTERNAL_DATA] = MSGS(OXP_MSG_ENTRY, 0),
                         [TENSOR_DATA_LOCATION] = INT,
                         [TENSOR_METADATA_PROPS] = META}},
    [OXP_MSG_SPARSE] = {"SparseTensorProto",
                        OXP_FIELD(SPARSE_VALUES) | OXP_FIELD(SPARSE_INDICES),
                        {[SPARSE_VALUES] = MSG_1(OXP_MSG_TENSOR, OXP_REC_SPARSE_VALUES),
                         [SPARSE_INDICES] = MSG_1(OXP_MSG_TENSOR, OXP_REC_SPARSE_INDICES),
                         [SPARSE_DIMS] = DIMS}},
    [OXP_MSG_VALUE] = {"ValueInfoProto",
                       OXP_FIELD(VALUE_NAME),
                       {[VALUE_NAME] = TEXT,
                        [VALUE_TYPE] = MSG(OXP_MSG_TYPE),
                        [VALUE_DOC_STRING] = BYTES,
                        [VALUE_METADATA_PROPS] = META}},
    [OXP_MSG_FUNCTION] = {"FunctionProto",
                          OXP_FIELD(FUNCTION_NAME),
                          {[FUNCTION_NAME] = TEXT,
                           [FUNCTION_INPUT] = TEXTS,
                           [FUNCTION_OUTPUT] = TEXTS,
                           [FUNCTION_ATTRIBUTE] = TEXTS,
                           [FUNCTION_NODE] = MSGS(OXP_MSG_NODE, OXP_REC_NODE),
                           [FUNCTION_DOC_STRING] = BYTES,
                           [FUNCTION_OPSET_IMPORT] = MSGS(OXP_MSG_OPSET, 0),
                           [FUNCTION_DOMAIN] = TEXT,
                           [FUNCTION_ATTRIBUTE_PROTO] = MSGS(OXP_MSG_ATTR, OXP_REC_DEFAULT),
                           [FUNCTION_VALUE_INFO] = MSGS(OXP_MSG_VALUE, OXP_REC_INFO),
                           [FUNCTION_OVERLOAD] = TEXT,
                           [FUNCTION_METADATA_PROPS] = META}},
    [OXP_MSG_TRAINING] = {"TrainingInfoProto",
                          0,
                          {[1] = MSG_1(OXP_MSG_GRAPH, OXP_REC_GRAPH),
                           [2] = MSG_1(OXP_MSG_GRAPH, OXP_REC_GRAPH),
                           [3] = META,
                           [4] = META}},
    [OXP_MSG_TYPE] = {"TypeProto",
                      0,
                      {[1] = MSG(OXP_MSG_TYPE_TENSOR),
                       [4] = MSG(OXP_MSG_TYPE_SEQUENCE),
                       [5] = MSG(OXP_MSG_TYPE_MAP),
                       [6] = TEXT,
                       [7] = MSG(OXP_MSG_TYPE_OPAQUE),
                       [8] = MSG(OXP_MSG_TYPE_TENSOR),
                       [9] = MSG(OXP_MSG_TYPE_OPTIONAL)}},
    [OXP_MSG_TYPE_TENSOR] = {"TypeProto.Tensor", 0, {[1] = INT, [2] = MSG(OXP_MSG_SHAPE)}},
    [OXP_MSG_TYPE_SEQUENCE] = {"TypeProto.Sequence", 0, {[1] = MSG(OXP_MSG_TYPE)}},
    [OXP_MSG_TYPE_MAP] = {"TypeProto.Map", 0, {[1] = INT, [2] = MSG(OXP_MSG_TYPE)}},
    [OXP_MSG_TYPE_OPTIONAL] = {"TypeProto.Optional", 0, {[1] = MSG(OXP_MSG_TYPE)}},
    [OXP_MSG_TYPE_OPAQUE] = {"TypeProto.Opaque", 0, {[1] = TEXT, [2] = TEXT}},
    [OXP_MSG_SHAPE] = {"TensorShapeProto", 0, {[1] = DIM_MSGS(OXP_MSG_DIM)}},
    [OXP_MSG_DIM] = {"TensorShapeProto.Dimension", 0, {[1] = INT, [2] = TEXT, [3] = TEXT}},
    [OXP_MSG_OPSET] = {"OperatorSetIdProto",
                       OXP_FIELD(OPSET_VERSION),
                       {[OPSET_DOMAIN] = TEXT, [OPSET_VERSION] = INT}},
    [OXP_MSG_ENTRY] = {"StringStringEntryProto", 0, {[ENTRY_KEY] = TEXT, [ENTRY_VALUE] = TEXT}},
    [OXP_MSG_ANNOTATION] = {"TensorAnnotation", 0, {[1] = TEXT, [2] = META}},
    [OXP_MSG_SEGMENT] = {"TensorProto.Segment", 0, {[1] = INT, [2] = INT}},
    [OXP_MSG_NODE_DEVICE] = {"NodeDeviceConfigurationProto",
                             0,
                             {[1] = TEXT, [2] = MSGS(OXP_MSG_SHARDING, 0), [3] = INT}},
    [OXP_MSG_SHARDING] = {"ShardingSpecProto",
                          0,
                          {[1] = TEXT,
                           [2] = INTS,
                           [3] = MSGS(OXP_MSG_INT_LIST, 0),
                           [4] = MSGS(OXP_MSG_SHARDED_DIM, 0)}},
    [OXP_MSG_INT_LIST] = {"IntIntListEntryProto", 0, {[1] = INT, [2] = INTS}},
    [OXP_MSG_SHARDED_DIM] = {"ShardedDimProto",
                             0,
                             {[1] = INT, [2] = MSGS(OXP_MSG_SIMPLE_SHARD, 0)}},
    [OXP_MSG_SIMPLE_SHARD] = {"SimpleShardedDimProto", 0, {[1] = INT, [2] = TEXT, [3] = INT}},
    [OXP_MSG_DEVICE] = {"DeviceConfigurationProto", 0, {[1] = TEXT, [2] = INT, [3] = TEXTS}},
};
