/* model.h - a model in memory: open, walk, save.
 *
 * A model is a few arrays (graphs, nodes, values, tensors, functions) that refer to each other by
 * index.  All subgraphs and function bodies are in the same arrays: a value captured by an If
 * branch is simply the outer value's index, so nobody resolves names after loading.  The structs
 * below are read-only to everybody but the loader and the patch engine (src/rewrite/patch.c).
 *
 * Weights are never in memory: a tensor knows where its bytes are (`storage`) and what is to be
 * done to them on the way out (`recipe`).  Strings are interned in the model: two of its names are
 * equal if and only if their pointers are. */
#ifndef ONNXPERT_MODEL_H
#define ONNXPERT_MODEL_H

#include "onnxpert/dims.h"
#include "onnxpert/status.h"

typedef uint32_t oxp_id; /* index into one of the model's arrays */
#define OXP_NONE UINT32_MAX

/* Numbers of onnx.proto's TensorProto.DataType (ONNX 1.23). */
typedef enum oxp_dtype {
    OXP_UNDEFINED = 0,
    OXP_FLOAT = 1,
    OXP_UINT8 = 2,
    OXP_INT8 = 3,
    OXP_UINT16 = 4,
    OXP_INT16 = 5,
    OXP_INT32 = 6,
    OXP_INT64 = 7,
    OXP_STRING = 8,
    OXP_BOOL = 9,
    OXP_FLOAT16 = 10,
    OXP_DOUBLE = 11,
    OXP_UINT32 = 12,
    OXP_UINT64 = 13,
    OXP_COMPLEX64 = 14,
    OXP_COMPLEX128 = 15,
    OXP_BFLOAT16 = 16,
    OXP_FLOAT8E4M3FN = 17,
    OXP_FLOAT8E4M3FNUZ = 18,
    OXP_FLOAT8E5M2 = 19,
    OXP_FLOAT8E5M2FNUZ = 20,
    OXP_UINT4 = 21,
    OXP_INT4 = 22,
    OXP_FLOAT4E2M1 = 23,
    OXP_FLOAT8E8M0 = 24,
    OXP_UINT2 = 25,
    OXP_INT2 = 26,
    OXP_DTYPE_COUNT
} oxp_dtype;

OXP_API const char *oxp_dtype_name(oxp_dtype t); /* numpy / ml_dtypes: "float32", "int4", ... */
OXP_API oxp_dtype oxp_dtype_from_name(const char *name); /* OXP_UNDEFINED when there is none */
OXP_API unsigned oxp_dtype_bits(oxp_dtype t);            /* 0 for string and undefined */
OXP_API bool oxp_dtype_is_float(oxp_dtype t);            /* float16 ... double, float8, float4 */
OXP_API bool oxp_dtype_is_integer(oxp_dtype t);          /* signed and unsigned, not bool */
/* Bytes of n elements (4-bit types packed, rounded up); UINT64_MAX on overflow or string. */
OXP_API uint64_t oxp_dtype_bytes(oxp_dtype t, uint64_t n);

typedef enum oxp_kind {
    OXP_KIND_UNKNOWN = 0,
    OXP_KIND_TENSOR,
    OXP_KIND_SPARSE,
    OXP_KIND_SEQUENCE,
    OXP_KIND_OPTIONAL,
    OXP_KIND_MAP,
    OXP_KIND_OPAQUE
} oxp_kind;

/* A type with its shape.  Immutable once published; lives in the model's or the analysis's arena.
 */
typedef struct oxp_type {
    oxp_kind kind;
    oxp_dtype elem;            /* element type of a tensor; key type of a map                 */
    int rank;                  /* tensors: -1 = rank unknown                                 */
    const oxp_dim *dims;       /* rank of them                                                */
    const struct oxp_type *of; /* element of a sequence / optional, value of a map; or NULL    */
} oxp_type;

/* A byte range of the model file; len 0 and off 0 = none. */
typedef struct oxp_span {
    uint64_t off, len;
} oxp_span;

typedef enum oxp_storage {
    OXP_STORE_NONE = 0, /* no data (empty tensor, or a header without payload) */
    OXP_STORE_RAW,   /* `data` is the raw_data bytes in the model file                          */
    OXP_STORE_TYPED, /* float_data, int32_data, ...: `data` is the whole TensorProto's content;
                        elements are decoded from its fields (packed or not, any chunking)      */
    OXP_STORE_EXTERNAL, /* bytes `data` of external file `file` */
    OXP_STORE_MEMORY /* `mem`: little-endian raw bytes in an arena (small or computed tensors)   */
} oxp_storage;

/* Elementwise change applied to a base tensor while it is streamed out, computed in double and
 * rounded once:   y[i] = clamp(round_to(x[i] * scale[index(i)] ))
 * index(i) = ((i / div[0]) % mod[0]) * mul[0] + ((i / div[1]) % mod[1]) * mul[1].
 * mod 0 switches a term off.  n_scale == 1 scales by a constant; n_scale == 0 does not scale. */
typedef struct oxp_recipe {
    oxp_id base; /* tensor whose (own recipe's) elements are x; same element count       */
    const double *scale;
    size_t n_scale;
    uint64_t div[2], mod[2], mul[2];
    bool saturate;    /* finite values beyond the target's range become its largest, not inf   */
    bool flush_noted; /* informational: some values become subnormal or zero in the target     */
} oxp_recipe;

typedef struct oxp_tensor {
    const char *name; /* "" for attribute tensors without a name                            */
    oxp_dtype dtype;  /* after the recipe                                                   */
    int rank;
    const int64_t *dims; /* all >= 0                                                            */
    uint64_t count;      /* product of dims                                                     */
    uint64_t bytes;      /* oxp_dtype_bytes(dtype, count); for strings the sum of their lengths  */
    oxp_storage storage;
    oxp_span data;   /* see oxp_storage; for EXTERNAL: range inside the external file        */
    uint32_t file;   /* EXTERNAL: index into the model's external files                      */
    const void *mem; /* MEMORY; RAW of a few bytes: a copy of them, else NULL */
    const oxp_recipe *recipe; /* NULL: the bytes as they are */
    oxp_span src; /* the whole TensorProto content in the model file; len 0 = new         */
    bool sparse;  /* stands for a SparseTensorProto: dims are the dense ones, no values    */
    bool dirty;   /* header or payload differs from src: must be encoded again            */
} oxp_tensor;

/* Numbers of AttributeProto.AttributeType. */
typedef enum oxp_attr_type {
    OXP_ATTR_UNDEFINED = 0,
    OXP_ATTR_FLOAT = 1,
    OXP_ATTR_INT = 2,
    OXP_ATTR_STRING = 3,
    OXP_ATTR_TENSOR = 4,
    OXP_ATTR_GRAPH = 5,
    OXP_ATTR_FLOATS = 6,
    OXP_ATTR_INTS = 7,
    OXP_ATTR_STRINGS = 8,
    OXP_ATTR_TENSORS = 9,
    OXP_ATTR_GRAPHS = 10,
    OXP_ATTR_SPARSE_TENSOR = 11,
    OXP_ATTR_SPARSE_TENSORS = 12,
    OXP_ATTR_TYPE_PROTO = 13,
    OXP_ATTR_TYPE_PROTOS = 14
} oxp_attr_type;

typedef struct oxp_bytes {
    const char *data; /* NUL-terminated behind len; may contain NULs itself */
    size_t len;
} oxp_bytes;

typedef struct oxp_attr {
    const char *name;
    oxp_attr_type type;
    const char *ref; /* ref_attr_name inside function bodies, NULL elsewhere */
    size_t n;        /* length of the list kinds */
    union {
        int64_t i;
        float f;
        oxp_bytes s;
        oxp_id id; /* TENSOR, SPARSE_TENSOR: tensor; GRAPH: graph */
        const int64_t *ints;
        const float *floats;
        const oxp_bytes *strings;
        const oxp_id *ids;    /* TENSORS, SPARSE_TENSORS, GRAPHS */
        const oxp_type *type; /* TYPE_PROTO (S: n of them) */
    } u;
    oxp_span src; /* the AttributeProto content in the model file; len 0 = new or changed */
} oxp_attr;

struct oxp_op; /* src/ops/op.h */

typedef struct oxp_node {
    const char *op, *domain, *name, *overload; /* domain "" is ai.onnx ("ai.onnx" is normalised) */
    oxp_id graph;
    oxp_id prev, next; /* neighbours in the graph's node order; OXP_NONE at the ends     */
    uint32_t n_in, n_out, n_attr;
    const oxp_id *in, *out; /* values; OXP_NONE for an omitted one                            */
    const oxp_attr *attrs;
    const struct oxp_op *def; /* the operator record; NULL for unknown operators and for calls  */
    oxp_id function;          /* local function called, or OXP_NONE                            */
    uint32_t file_index;      /* position in its graph when loaded (or of its patch anchor)       */
    uint32_t in_call; /* 1 + the dead node whose call this one was part of (model/inline.h), or 0 */
    oxp_span src;     /* NodeProto content in the model file; len 0 = new                */
    bool live;        /* false: dropped, or of a patch that was not applied               */
    bool dirty;       /* something of the node itself (not of its subgraphs) has changed   */
} oxp_node;

/* One use of a value by a node; uses by graph outputs are counted in oxp_value.outputs. */
typedef struct oxp_use {
    oxp_id node;
    uint32_t slot;
    oxp_id next; /* index of the next use record of this value, or OXP_NONE */
    oxp_id prev; /* of the one before                                       */
} oxp_use;

typedef struct oxp_value {
    const char *name;
    oxp_id graph;    /* the graph that defines it                                        */
    oxp_id producer; /* node, or OXP_NONE: graph input or initializer                      */
    uint32_t slot;   /* which output of the producer                                       */
    oxp_id tensor;   /* initializer, or OXP_NONE                                           */
    oxp_id first_use, last_use; /* use records, in order of insertion                            */
    uint32_t n_uses;  /* by nodes, in any graph                                            */
    uint32_t outputs; /* how often it is listed as an output of its graph, or of inner graphs */
    bool is_input;    /* listed in graph.input (an IR-3 initializer may be, too)             */
    bool overridable; /* initializer and graph input in IR >= 4                              */
    bool live;
    bool type_dirty; /* `declared` differs from the file's value_info / input / output       */
    const oxp_type *declared; /* from value_info, graph input / output, or a patch; NULL = none   */
    oxp_span src; /* ValueInfoProto content of value_info in the file; len 0 = none       */
} oxp_value;

typedef enum oxp_graph_kind { OXP_GRAPH_MAIN, OXP_GRAPH_SUB, OXP_GRAPH_FUNCTION } oxp_graph_kind;

typedef struct oxp_graph {
    oxp_graph_kind kind;
    const char *name;
    oxp_id owner;       /* SUB: the node that holds it; FUNCTION: function index            */
    const char *attr;   /* SUB: the attribute's name ("then_branch")                       */
    oxp_id first, last; /* node order                                                      */
    uint32_t n_nodes;   /* live ones */
    uint32_t n_inputs, n_outputs;
    const oxp_id *inputs, *outputs; /* values; inputs of IR-3 style include initializers          */
    uint32_t n_inits;
    const oxp_id *inits; /* values that are initializers (live or not: check value.live)     */
    oxp_span src;        /* GraphProto / FunctionProto content                               */
    bool live;
    bool dirty; /* lists, types or initializers changed (nodes have their own flag)   */
} oxp_graph;

/* Newest versions of ai.onnx and ai.onnx.ml whose operators are known (onnx 1.23). */
enum { OXP_OPSET_NEWEST = 28, OXP_OPSET_ML_NEWEST = 5 };

typedef struct oxp_opset {
    const char *domain;
    int64_t version;
} oxp_opset;

typedef struct oxp_function {
    const char *domain, *name, *overload;
    oxp_id graph;
    uint32_t n_attrs;
    const char *const *attrs; /* attribute names without default */
    uint32_t n_defaults;
    const oxp_attr *defaults; /* attribute_proto: attributes with a default */
    uint32_t n_opsets;
    const oxp_opset *opsets;
} oxp_function;

typedef struct oxp_meta {
    const char *key, *value;
} oxp_meta;

typedef struct oxp_model oxp_model;

/* Opens, scans and decodes a model file; "-" reads standard input.  Weights are not read; missing
 * external data is a warning.  *out is owned by ctx (freed with it).  Fails with OXP_E_IO,
 * OXP_E_FORMAT, OXP_E_LIMIT; the text names the file, the element and the byte offset. */
OXP_API OXP_MUST_USE oxp_status oxp_open(oxp_model **out, oxp_ctx *ctx, const char *path);
OXP_API void oxp_close(oxp_model *m);

/* A copy whose graph can be patched without touching the original: the arrays are copied, what they
 * point to is shared (patches replace, they never write through).  Lives until the context does or
 * oxp_close.  Raises on lack of memory. */
OXP_API oxp_model *oxp_model_clone(const oxp_model *m);

/* Replaces every name by a neutral one, the same wherever it stands: nodes ("node_12"), tensors,
 * inputs, dimensions, graphs, custom operators and domains, metadata, producer, and the path by
 * `path`.  Standard operators and domains stay.  For reports only: such a model is not saved.
 * Raises on lack of memory. */
OXP_API void oxp_model_redact(oxp_model *m, const char *path);
/* What a dimension or input of this original name is called now; the name itself when it is none
 * or nothing was redacted. */
OXP_API const char *oxp_model_redacted(const oxp_model *m, const char *name);

OXP_API oxp_ctx *oxp_model_ctx(const oxp_model *m);
OXP_API oxp_arena *oxp_model_arena(const oxp_model *m); /* lives as long as the model */
OXP_API oxp_dims *oxp_model_dims(const oxp_model *m);   /* the pool of symbolic dimensions */
OXP_API const char *oxp_model_path(const oxp_model *m);
OXP_API uint64_t oxp_model_file_bytes(const oxp_model *m); /* the .onnx file itself */
OXP_API uint64_t
oxp_model_external_bytes(const oxp_model *m); /* size of the external files found */
/* Did reading it find errors (diagnostics), so that a runtime may refuse it? */
OXP_API bool oxp_model_is_faulty(const oxp_model *m);
OXP_API bool oxp_model_has_weights(const oxp_model *m); /* no external data is missing */
/* Is this path one of the external data files that were found? */
OXP_API bool oxp_model_is_data_file(const oxp_model *m, const char *path);
OXP_API int64_t oxp_model_ir_version(const oxp_model *m);
OXP_API const char *oxp_model_producer(const oxp_model *m);
OXP_API const char *oxp_model_producer_version(const oxp_model *m);
OXP_API size_t oxp_model_opset_count(const oxp_model *m);
OXP_API oxp_opset oxp_model_opset_at(const oxp_model *m, size_t i);
/* Version of a domain ("" = ai.onnx) in force for a graph (functions have their own imports);
 * 0 when it is not imported. */
OXP_API int64_t oxp_opset_of(const oxp_model *m, oxp_id graph, const char *domain);
OXP_API size_t oxp_model_meta_count(const oxp_model *m);
OXP_API oxp_meta oxp_model_meta_at(const oxp_model *m, size_t i);

/* Array sizes (ids run from 0; dead entries included) and elements.  Pointers stay valid until the
 * next patch is built or applied to this model: fetch again after that. */
OXP_API size_t oxp_graph_count(const oxp_model *m);
OXP_API size_t oxp_node_count(const oxp_model *m);
OXP_API size_t oxp_value_count(const oxp_model *m);
OXP_API size_t oxp_tensor_count(const oxp_model *m);
OXP_API size_t oxp_function_count(const oxp_model *m);
OXP_API const oxp_graph *oxp_graph_at(const oxp_model *m, oxp_id id);
OXP_API const oxp_node *oxp_node_at(const oxp_model *m, oxp_id id);
OXP_API const oxp_value *oxp_value_at(const oxp_model *m, oxp_id id);
OXP_API const oxp_tensor *oxp_tensor_at(const oxp_model *m, oxp_id id);
OXP_API const oxp_function *oxp_function_at(const oxp_model *m, oxp_id id);
OXP_API const oxp_use *oxp_use_at(const oxp_model *m, oxp_id use);
#define OXP_MAIN_GRAPH 0u

/* Nodes of a graph in order:  for (oxp_id n = g->first; n != OXP_NONE; n = oxp_node_at(m, n)->next)
 */

/* Conveniences. */
OXP_API const oxp_attr *oxp_attr_find(const oxp_node *n, const char *name); /* NULL = absent */
/* Same name, type and value; tensors and graphs are the same only when they are one object. */
OXP_API bool oxp_attr_same(const oxp_attr *a, const oxp_attr *b);
OXP_API int64_t oxp_attr_int(const oxp_node *n, const char *name, int64_t otherwise);
OXP_API float oxp_attr_float(const oxp_node *n, const char *name, float otherwise);
/* The string, or `otherwise` when absent or of another type. */
OXP_API const char *oxp_attr_string(const oxp_node *n, const char *name, const char *otherwise);
/* The list and its length, NULL and 0 when absent or of another type. */
OXP_API const int64_t *oxp_attr_ints(const oxp_node *n, const char *name, size_t *count);
/* Input / output value of a node, OXP_NONE when the slot is missing or omitted. */
OXP_API oxp_id oxp_in(const oxp_node *n, uint32_t slot);
OXP_API oxp_id oxp_out(const oxp_node *n, uint32_t slot);
/* True for op_type `op` of ai.onnx. */
OXP_API bool oxp_node_is(const oxp_node *n, const char *op);
/* How a node is called in messages and reports: its name, else "Conv(out: conv1_out)" by its first
 * output, else "Conv #12".  Subgraph nodes are prefixed as If_3/then_branch/...  In `arena`. */
OXP_API const char *oxp_node_label(const oxp_model *m, oxp_id node, oxp_arena *arena);
/* The same without the path. */
OXP_API const char *oxp_node_own_label(const oxp_model *m, oxp_id node, oxp_arena *arena);
/* Name of a value as reports show it: with the path of its subgraph in front. */
OXP_API const char *oxp_value_label(const oxp_model *m, oxp_id value, oxp_arena *arena);

/* The tensor whose elements a value always has: an initializer (overridable ones only when
 * `or_input`) or the output of a Constant node holding a tensor, looked at through Identity; else
 * OXP_NONE. */
OXP_API oxp_id oxp_constant_of(const oxp_model *m, oxp_id value, bool or_input);

/* ---- payloads ---- */
/* Elements [first, first + n) converted to double (int64 beyond 2^53 lose digits), recipe applied.
 * Raises OXP_E_IO when the bytes are missing or unreadable, OXP_E_UNSUPPORTED for strings. */
OXP_API void oxp_tensor_doubles(const oxp_model *m, oxp_id tensor, uint64_t first, uint64_t n,
                                double *out);
/* The same for integer and bool types, exactly. */
OXP_API void oxp_tensor_ints(const oxp_model *m, oxp_id tensor, uint64_t first, uint64_t n,
                             int64_t *out);
/* Raw little-endian bytes, recipe applied; `bytes` a multiple of the element size but for the end.
 */
OXP_API void oxp_tensor_raw(const oxp_model *m, oxp_id tensor, uint64_t offset, size_t bytes,
                            void *out);
/* Can the elements be read (payload present, recipe's bases too)? */
OXP_API bool oxp_tensor_readable(const oxp_model *m, oxp_id tensor);

/* Smallest and largest finite magnitude etc. of a float tensor, one streamed pass (threaded). */
typedef struct oxp_tensor_stats {
    double min, max; /* over finite elements; 0, 0 when there is none               */
    double abs_max, abs_min_nonzero;
    uint64_t n_nan, n_inf, n_zero;
    uint64_t n_over_half; /* finite, |x| > 65504                                          */
    uint64_t n_sub_half;  /* 0 < |x| < 2^-14: subnormal or zero as float16                 */
    uint64_t n_zero_half; /* 0 < |x| <= 2^-25: becomes 0 as float16                        */
} oxp_tensor_stats;
OXP_API void oxp_tensor_scan(const oxp_model *m, oxp_id tensor, oxp_tensor_stats *out);

/* ---- saving ---- */
typedef enum oxp_external {
    OXP_EXTERNAL_AUTO,
    OXP_EXTERNAL_INLINE,
    OXP_EXTERNAL_FILE
} oxp_external;

typedef struct oxp_save_opts {
    int version;           /* OXP_SAVE_OPTS_VERSION                                             */
    oxp_external external; /* AUTO: as the source is; inline models over 2 GB move to OUT.data   */
    const char *external_file; /* EXTERNAL_FILE: name beside OUT, no folder */
} oxp_save_opts;
#define OXP_SAVE_OPTS_VERSION 1
#define OXP_SAVE_OPTS_INIT                                                                         \
    { OXP_SAVE_OPTS_VERSION, OXP_EXTERNAL_AUTO, NULL }

typedef struct oxp_saved {
    uint64_t model_bytes, data_bytes;
    size_t n_files;
    const char *files[2]; /* the model and, if there is one, the data file; in the model's arena */
} oxp_saved;

/* Writes the model: streamed, to a temporary file beside the target, fsync, rename; "-" writes to
 * standard output.  Untouched elements are copied byte for byte; an unchanged model is copied
 * whole. The target may be the source file.  Fails with OXP_E_IO, OXP_E_UNSUPPORTED (weights
 * missing); the old target is then as it was and no temporary file is left. */
OXP_API OXP_MUST_USE oxp_status oxp_save(oxp_model *m, const char *path, const oxp_save_opts *opts,
                                         oxp_saved *saved);

#endif
