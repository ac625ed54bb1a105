/* op.h - the operator record, and what its hooks see.
 *
 * To add an operator: one record in the array of a family file src/ops/<family>.c.  The build finds
 * the files; lookup, docs/ops.md, totals, fp16 slots and patch checks follow from the record and
 * the schema table.  Nothing outside src/ops compares operator names, except a pass's own pattern.
 *
 * Inference is a walk over a graph in topological order.  For each node the engine fills an
 * oxp_call and runs the record's `infer`, which reads the facts of the inputs and sets those of the
 * outputs: type, dims, and - for the short tensors that shape arithmetic is made of - the elements.
 * What a hook does not set stays unknown.  A hook that finds the node inconsistent calls
 * oxp_op_error: the outputs it did not set stay unknown, and the analysis is marked partial.  Hooks
 * never read weights beyond oxp_fact.elems, never allocate by a size the model claims, never
 * recurse.
 *
 * The same walk runs with dimensions bound to numbers and with symbolic ones; a hook does not care:
 * it computes with oxp_dim_* (src/../include/onnxpert/dims.h). */
#ifndef OXP_OPS_OP_H
#define OXP_OPS_OP_H

#include "onnxpert/model.h"

#define OXP_ELEMS_MAX 1024 /* elements of a tensor that are propagated; longer ones are unknown */

/* One propagated element: an integer (bool, any int type; may be symbolic) in `i`, or a float in
 * `f` (already rounded to the tensor's dtype).  A float that stands for a symbolic integer (Cast of
 * a dim to float) has exact = true: its value is i, or the fraction i / den (a dim times 0.5) when
 * den > 1; Cast to an integer then takes floor(i / den). */
typedef struct oxp_elem {
    oxp_dim i;   /* integers; OXP_DIM_UNKNOWN = this element is unknown */
    double f;    /* floats; NaN with i == UNKNOWN and exact == false means unknown, see known */
    int64_t den; /* exact floats: 0 and 1 mean the integer i */
    bool known;
    bool exact;
} oxp_elem;

/* What is known of a value.  type.kind UNKNOWN: nothing.  Elements of constants are read when a
 * hook asks for them: take them from oxp_input_elems, not from the field. */
typedef struct oxp_fact {
    oxp_type type;
    union {
        const oxp_elem *elems;        /* tensors: NULL, or n_elems of them in row-major order   */
        const struct oxp_fact *items; /* sequences: NULL, or the facts of n_elems items         */
    };
    uint32_t n_elems;
    uint32_t
        lazy : 30; /* 1 + id of the tensor whose elements these are and that was not read yet */
    uint32_t constant : 1;      /* does not depend on graph inputs or random numbers             */
    uint32_t shape_derived : 1; /* computed from shapes only: role "shape" in the report         */
} oxp_fact;

/* Arithmetic of one node.  Everything saturates at UINT64_MAX.  Convention: docs/flops.md. */
typedef struct oxp_cost {
    bool known;       /* false: shapes or the operator are unknown                          */
    bool at_least;    /* known only in part: a trip count is unknown, an inner node is        */
    bool hides;       /* an inner node is of unknown cost: nobody knows what it does          */
    uint64_t macs;    /* multiply-accumulates in floating point                              */
    uint64_t flops;   /* 2 per MAC, 1 per biased output element, 1 per elementwise op, ...    */
    uint64_t int_ops; /* the same for integer arithmetic (quantized operators), not in flops  */
    uint64_t moved;   /* elements copied by operators that only move data                     */
} oxp_cost;

typedef struct oxp_engine oxp_engine; /* src/analysis/infer.c */

/* A call of a hook: one node with its inputs' facts. */
typedef struct oxp_call {
    oxp_engine *engine;
    const oxp_model *model;
    oxp_dims *dims;
    oxp_arena *arena;   /* facts live here */
    oxp_arena *scratch; /* for what the hook itself needs: gone when it returns */
    oxp_id node_id;
    const oxp_node *node;
    const oxp_attr *attrs; /* the node's, with function attribute references resolved */
    uint32_t n_attrs;
    int64_t opset;                   /* version of the node's domain in force */
    const struct oxp_schema *schema; /* of the operator in that opset; NULL: in no table */
    uint32_t n_in, n_out;
    const oxp_fact *const *in; /* NULL for omitted inputs */
    oxp_fact *out;             /* n_out of them, zeroed: unknown */
} oxp_call;

/* Interval of a float tensor's elements, for the fp16 pass. */
typedef struct oxp_range {
    double lo, hi; /* -inf, +inf: unbounded; lo > hi: nothing known */
} oxp_range;

/* Flags: what analysis, passes and block detection may ask about an operator without knowing it. */
enum {
    OXP_OP_VIEW = 1u << 0, /* output may share the input's bytes: Reshape, Flatten, Identity, ... */
    OXP_OP_MOVE = 1u << 1, /* moves elements, computes nothing: Transpose, Concat, Gather, Cast */
    OXP_OP_ELEMENTWISE = 1u << 2, /* broadcasting, element by element */
    OXP_OP_UNARY = 1u << 3,       /* elementwise with one data input       */
    OXP_OP_RANDOM = 1u << 4,      /* two evaluations may differ: never folded or shared      */
    OXP_OP_ACTIVATION = 1u << 5,  /* Relu, Sigmoid, ...  */
    OXP_OP_NORM = 1u << 6, /* normalizations                                                      */
    OXP_OP_POOL = 1u << 7,
    OXP_OP_REDUCE = 1u << 8,
    OXP_OP_MATMUL = 1u << 9, /* Gemm, MatMul and their quantized and fused kin */
    OXP_OP_CONV = 1u << 10,  /* Conv, ConvTranspose and kin  */
    OXP_OP_RECURRENT = 1u << 11,
    OXP_OP_CONTROL = 1u << 12, /* holds subgraphs: If, Loop, Scan, SequenceMap */
    OXP_OP_QUANT = 1u << 13,   /* quantize, dequantize, integer arithmetic   */
    OXP_OP_DATA_SHAPE =
        1u << 14, /* output shape depends on the values: NonZero, Unique, NMS, Compress    */
    OXP_OP_ATTENTION = 1u << 15,
    OXP_OP_ROUNDS_POSITION =
        1u << 16, /* keep in float32 under fp16: CumSum, Range: long sums / counts    */
    OXP_OP_ACCUMULATES = 1u << 17,  /* sums many products or elements: overflow hazard in fp16 */
    OXP_OP_RUNNING_STATS = 1u << 18 /* inputs 3 and 4 are statistics that are not trained */
};

typedef struct oxp_op {
    const char *name;
    const char *domain; /* "" ai.onnx, "ai.onnx.ml", "com.microsoft", ... */
    uint32_t flags;
    uint32_t weight_slots; /* bit i: input i is a weight (counts as parameter if a Constant) */
    void (*infer)(oxp_call *c);
    /* After infer, with facts of inputs and outputs in the call.  NULL: `moved` = output elements
     * when OXP_OP_MOVE or OXP_OP_VIEW is set (views move nothing), one flop per output element
     * otherwise. */
    void (*cost)(const oxp_call *c, oxp_cost *cost);
    /* Range of output `slot` from the inputs' ranges; NULL: unbounded. */
    oxp_range (*range)(const oxp_call *c, const oxp_range *in, uint32_t slot);
} oxp_op;

/* What operators ask of shapes and attributes, checked after the hook (src/ops/needs.h). */
typedef struct oxp_op_need {
    const char *names; /* operators of the family, of any domain: "LSTM GRU" */
    const char *needs;
} oxp_op_need;

/* A family file src/ops/<file>.c ends with:
 *     const oxp_op_family oxp_ops_<file> = {table, OXP_COUNT(table), needs, OXP_COUNT(needs)}; */
typedef struct oxp_op_family {
    const oxp_op *ops;
    size_t count;
    const oxp_op_need *needs;
    size_t n_needs;
} oxp_op_family;

/* The record of an operator; NULL when unknown.  Hooks look at c->opset for version differences. */
const oxp_op *oxp_op_find(const char *domain, const char *name);
/* What it asks of shapes and attributes; NULL for nothing, and for records that are not in the
 * list.
 */
const char *oxp_op_needs(const oxp_op *op);
/* All records, sorted by domain and name; for docs and tests. */
size_t oxp_op_count(void);
const oxp_op *oxp_op_at(size_t i);

/* ---- helpers for infer hooks (src/ops/op.c) ---- */
/* Attributes of the call (function references resolved). */
const oxp_attr *oxp_call_attr(const oxp_call *c, const char *name);
int64_t oxp_call_int(const oxp_call *c, const char *name, int64_t otherwise);
float oxp_call_float(const oxp_call *c, const char *name, float otherwise);
const char *oxp_call_string(const oxp_call *c, const char *name, const char *otherwise);
const int64_t *oxp_call_ints(const oxp_call *c, const char *name, size_t *count);

/* Input fact, or NULL when omitted; its rank or -1; its dim (UNKNOWN out of range); its dtype. */
const oxp_fact *oxp_input(const oxp_call *c, uint32_t slot);
int oxp_rank(const oxp_fact *f);
oxp_dim oxp_dim_of(const oxp_fact *f, int axis); /* axis may be negative */
oxp_dtype oxp_elem_type(const oxp_fact *f);
/* Product of the dims; UNKNOWN when the rank is unknown. */
oxp_dim oxp_elements(oxp_dims *p, const oxp_fact *f);
/* Literal product for costs: false when not all literal; saturates. */
bool oxp_elements_literal(const oxp_fact *f, uint64_t *n);
/* Elements of an input (n_elems of its fact), or NULL.  Reads a small constant on first use. */
const oxp_elem *oxp_input_elems(const oxp_call *c, uint32_t slot);
/* True when every input present has elements or could have them read: asks without reading. */
bool oxp_elems_ready(const oxp_call *c);
/* Elements of an integer input that are all known: count, or -1.  *v in the call's scratch arena.
 */
int oxp_input_ints(const oxp_call *c, uint32_t slot, const oxp_dim **v);
/* What the schema calls an input; "?" where there is none. */
const char *oxp_input_name(const oxp_call *c, uint32_t slot);
/* Normalises an axis: 0..rank-1, or raises the node's error and returns -1. */
int oxp_axis(oxp_call *c, int64_t axis, int rank);

/* Setting outputs.  dims are copied into the arena.  rank -1: dtype known, rank not. */
void oxp_set(oxp_call *c, uint32_t slot, oxp_dtype t, int rank, const oxp_dim *dims);
void oxp_set_like(oxp_call *c, uint32_t slot, const oxp_fact *f); /* type and shape of f */
void oxp_set_shape_of(oxp_call *c, uint32_t slot, oxp_dtype t, const oxp_fact *f);
void oxp_set_unknown_rank(oxp_call *c, uint32_t slot, oxp_dtype t);
void oxp_set_elems(oxp_call *c, uint32_t slot, const oxp_elem *e, uint32_t n);
/* Type and elements of a tensor of the model; elements are read when somebody asks for them. */
void oxp_set_constant(oxp_call *c, uint32_t slot, oxp_id tensor);
/* numpy broadcasting of n shapes; false (and an error on the node) when they do not match. */
bool oxp_broadcast(oxp_call *c, const oxp_fact *const *f, uint32_t n, int *rank,
                   const oxp_dim **dims);
/* Does the product of the literal dims fit 63 bits?  A zero makes everything fit. */
bool oxp_countable(int rank, const oxp_dim *dims);
/* Two dims that must be equal: the better known one; an error on the node when literals differ. */
oxp_dim oxp_unify(oxp_call *c, oxp_dim a, oxp_dim b, const char *what);
/* Remembers that the model needs a == b. */
void oxp_note_equality(oxp_call *c, oxp_dim a, oxp_dim b);
/* The node is inconsistent: a diagnostic naming it and the reason; analysis goes on, partial. */
void oxp_op_error(oxp_call *c, const char *fmt, ...) OXP_PRINTF(2, 3);
/* The same for what is wrong whatever the sizes: also in a branch that may never run. */
void oxp_op_invalid(oxp_call *c, const char *fmt, ...) OXP_PRINTF(2, 3);
/* The same as a warning: odd, but it can be read. */
void oxp_op_warn(oxp_call *c, const char *fmt, ...) OXP_PRINTF(2, 3);
/* The same for an output of more than 2^63-1 elements: no smaller size of a free dimension helps.
 */
void oxp_op_overflow(oxp_call *c, uint32_t slot);

/* Does the node fit its operator's schema (src/ops/check.c)?  If not, an error is reported.  True
 * for operators without a schema. */
bool oxp_op_check(oxp_call *c);
/* After the hook: outputs of a type that the schema does not allow are errors, and unknown. */
void oxp_op_check_outputs(oxp_call *c);
/* What the operator asks of shapes and attributes beside what its hook has looked at. */
void oxp_op_check_needs(oxp_call *c, const oxp_op *op);
/* Element types that the hook left open and the schema tells: of an input with the same type
 * variable, or the only one that the output can have. */
void oxp_op_fill_types(oxp_call *c);

/* Are two types the same, as far as they are known and without their shapes? */
bool oxp_types_agree(const oxp_type *a, const oxp_type *b);
/* A type without its shape in words ("float32", "sequence of int64"). */
enum { OXP_TYPE_TEXT = 96 };
const char *oxp_type_brief(const oxp_type *t, char text[OXP_TYPE_TEXT]);

/* Element arithmetic in the engine's precision. */
oxp_elem oxp_elem_int(oxp_dim v);
oxp_elem oxp_elem_float(double v, oxp_dtype t); /* rounded to t */
oxp_elem oxp_elem_unknown(void);
/* Linear index of output element i of shape `dims` in a broadcast input of shape f. */
uint32_t oxp_broadcast_index(uint32_t i, int rank, const oxp_dim *dims, const oxp_fact *f);

/* The type a file declares for a value (fallback only), with dims bound as in this walk. */
const oxp_type *oxp_declared_type(const oxp_call *c, oxp_id value);

/* Subgraphs (src/analysis/infer.c): runs the walk over graph `g` with its formal inputs set to
 * `in` (NULL entries: unknown); out gets the facts of its outputs.  Costs of the graph's nodes are
 * multiplied by `times` (UINT64_MAX: unknown trip count, counted once and marked).  *total gets
 * their sum; it counts only when the hook hands it to oxp_count_cost.  A graph may be walked
 * several times: the last walk's facts and costs stay; oxp_discard_costs takes its costs back. */
void oxp_infer_subgraph(oxp_call *c, oxp_id g, const oxp_fact *const *in, uint32_t n_in,
                        oxp_fact *out, uint32_t n_out, uint64_t times, oxp_cost *total);
void oxp_count_cost(oxp_call *c, const oxp_cost *total);
void oxp_discard_costs(oxp_call *c, oxp_id g);
/* Walks find types only until costs are on again: within a subgraph, a walk whose costs are not the
 * last word is paid for by every loop around it.  False: nothing was switched off. */
bool oxp_costs_off(oxp_call *c);
void oxp_costs_on(oxp_call *c);
bool oxp_counts_costs(const oxp_call *c);
/* A graph that may never run: what is reported between begin and end is held back.  End is true
 * when nothing was wrong; then, or when the graph is to count all the same, accept reports what was
 * held.  Dismiss drops it, but for a warning that names the first error and the branch. */
typedef struct oxp_trial oxp_trial;
oxp_trial *oxp_trial_begin(oxp_call *c);
bool oxp_trial_end(oxp_call *c, oxp_trial *t);
void oxp_trial_accept(oxp_call *c, const oxp_trial *t);
void oxp_trial_dismiss(oxp_call *c, const oxp_trial *t, const char *branch);
/* Playing a loop turn by turn: one at a time, so that nested loops do not multiply.  False: not
 * now. */
bool oxp_play_begin(oxp_call *c);
void oxp_play_end(oxp_call *c);
/* a += b, saturating. */
void oxp_cost_add(oxp_cost *a, const oxp_cost *b);

#endif
