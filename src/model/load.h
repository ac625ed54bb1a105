/* load.h - what the pieces of the loader share. */
#ifndef OXP_MODEL_LOAD_H
#define OXP_MODEL_LOAD_H

#include "base/intern.h"
#include "model/model_impl.h"
#include "model/wire.h"
#include "onnx.pb-c.h"

/* A ValueInfoProto that waits for the value of its name to exist. */
typedef struct oxp_pending_value {
    uint32_t symbol, next;
    uint8_t kind; /* OXP_REC_INPUT, _OUTPUT, _INFO */
    const oxp_type *type;
    oxp_span src;
} oxp_pending_value;

/* An initializer, the same. */
typedef struct oxp_pending_init {
    uint32_t symbol, next;
    oxp_id tensor;
} oxp_pending_init;

/* Of a graph while it is loaded. */
typedef struct oxp_graph_load {
    uint32_t first_value, last_value; /* pending values: indices, OXP_NONE = none */
    uint32_t first_init, last_init;
    oxp_id root;    /* the outermost graph: main or a function's body */
    uint32_t depth; /* on the stack of scopes while it is open */
    bool unsorted;  /* a node reads what a later one makes */
} oxp_graph_load;

/* Something that resolve.c found: at a node, or at an output of a graph. */
typedef enum oxp_odd { OXP_ODD_SHADOW, OXP_ODD_OUTER_OUTPUT, OXP_ODD_TWO_TYPES } oxp_odd;
typedef struct oxp_oddity {
    oxp_odd kind;
    oxp_id node, value;
} oxp_oddity;

typedef struct oxp_loader {
    oxp_ctx *ctx;
    oxp_model *m;
    const char *path;
    oxp_arena *scratch; /* until the model is loaded */
    oxp_arena *temp;    /* rewound after each element */
    ProtobufCAllocator allocator;
    size_t refused; /* bytes that the allocator did not give: the message is not to blame */
    oxp_reader r;
    oxp_index x;

    const char **symbols; /* names by number; numbers are those of m->names */
    size_t n_symbols, cap_symbols;
    uint32_t empty; /* the number of "" */

    oxp_graph_load *graphs;
    oxp_pending_value *values;
    size_t n_values;
    oxp_pending_init *inits;
    size_t n_inits;
    struct oxp_oddity *oddities; /* found while names are resolved, told afterwards */
    size_t n_oddities, cap_oddities;
    size_t n_uses, n_outputs; /* of nodes, and inputs and outputs of functions: for reserving */

    oxp_id *pool; /* rest of a block of ids for nodes' inputs and outputs */
    size_t pool_left;
    oxp_map *calls; /* interned "domain\n name\n overload" to function */
} oxp_loader;

/* Raises OXP_E_FORMAT: "<file>: <what> at byte N: ...". */
#define OXP_BAD(l, what, off, ...) oxp_load_fail((l), (what), (off), __VA_ARGS__)
_Noreturn void oxp_load_fail(oxp_loader *l, const char *what, uint64_t off, const char *fmt, ...)
    OXP_PRINTF(4, 5);
/* protobuf-c's unpack of the fields of `keep`, in the temp arena. */
void *oxp_load_unpack(oxp_loader *l, const ProtobufCMessageDescriptor *d, oxp_span span,
                      uint32_t keep);
/* Number of a name, interning it; NULL counts as "". */
uint32_t oxp_load_symbol(oxp_loader *l, const char *s);
const char *oxp_load_intern(oxp_loader *l, const char *s);
/* "" for "ai.onnx". */
const char *oxp_load_domain(oxp_loader *l, const char *s);

/* load_node.c */
void oxp_load_node(oxp_loader *l, oxp_rec *rec, oxp_id graph);
/* "node 'conv1' (Conv)", for messages. */
const char *oxp_load_what(oxp_loader *l, const oxp_node *n);
/* Decodes an AttributeProto; in_function: references to a function's attributes are allowed. */
void oxp_load_attr(oxp_loader *l, oxp_attr *a, oxp_span span, bool in_function);
/* Puts a graph or tensor (id) that was found inside an attribute into it. */
void oxp_load_attr_child(oxp_attr *a, oxp_id id);
void oxp_load_check_attrs(oxp_loader *l, const oxp_attr *a, size_t n, const char *what,
                          uint64_t off);

/* load_tensor.c; returns the tensor's id, or OXP_NONE when it is only to be checked. */
oxp_id oxp_load_tensor(oxp_loader *l, oxp_span span, bool keep);
/* `values` and `indices` are the spans inside the SparseTensorProto. */
oxp_id oxp_load_sparse(oxp_loader *l, oxp_span span, bool keep);

/* load_type.c */
/* How the dimensions of a type are named. */
typedef struct oxp_dim_names {
    const char
        *input; /* of the main graph: its unnamed dimensions become "<input>_<axis>"; or NULL */
    bool fresh; /* names mean nothing outside: each dimension of a function's value is new */
} oxp_dim_names;
const oxp_type *oxp_load_type(oxp_loader *l, const Onnx__TypeProto *msg, oxp_dim_names names,
                              const char *what, uint64_t off);
/* Decodes a ValueInfoProto and leaves it pending in its graph. */
void oxp_load_value(oxp_loader *l, const oxp_rec *rec, oxp_id graph);

/* resolve.c: names to ids, uses, order. */
void oxp_load_resolve(oxp_loader *l);
/* order.c: sorts the nodes of a graph whose file order is not topological; raises on a cycle. */
void oxp_load_sort(oxp_loader *l, oxp_id graph);
/* order.c: raises when functions call each other in a circle. */
void oxp_load_check_calls(oxp_loader *l);

/* resolve.c: what was found odd while names were resolved, told when nodes have labels. */
void oxp_load_tell(oxp_loader *l);
/* consistency.c: diagnostics about what is wrong but can be read. */
void oxp_load_check(oxp_loader *l);

/* external.c */
/* Index of the external file of this location (interned): checked and looked at once. */
uint32_t oxp_external_add(oxp_model *m, const char *location);
void oxp_external_close(oxp_model *m);

#endif
