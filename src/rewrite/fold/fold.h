/* fold.h - folding per-channel affine maps y = a[c] * x + s[c] into linear layers.
 *
 * A map starts as a BatchNormalization or as arithmetic with a constant (affine.c), travels through
 * nodes that commute with it (step.c), backwards or forwards (walk.c), and ends in the weights and
 * the bias of linear layers (absorb.c).  Everything is computed in double and rounded once; weights
 * are scaled lazily, by recipes.  Functions that can fail return false and leave a reason in
 * fold->why. */
#ifndef OXP_REWRITE_FOLD_FOLD_H
#define OXP_REWRITE_FOLD_FOLD_H

#include "onnxpert/pass.h"

#define OXP_FOLD_DEPTH   64 /* nodes between the map and its layer, per branch            */
#define OXP_FOLD_TARGETS 64 /* layers that one map may end in                             */
#define OXP_FOLD_ELEMENTS                                                                          \
    (1u << 20)              /* elements of constants that are computed eagerly              */
#define OXP_FOLD_HAZARD 1e3 /* |a| beyond this is worth a remark                           */

/* y = a[c] * x + s[c], c the index along `axis`; n == 1: the same everywhere (axis is then -1). */
typedef struct oxp_affine {
    int axis;
    size_t n;
    double *a, *s;
} oxp_affine;

/* A constant read into memory. */
typedef struct oxp_const {
    oxp_dtype dtype;
    int rank;
    const int64_t *dims;
    size_t n;
    double *v;
    bool imagined; /* unreadable, and the run assumes that its values do no harm */
} oxp_const;

/* A layer that takes the map: `f` as seen at its output, or forward at its input 0. */
typedef struct oxp_fold_target {
    oxp_id node;
    oxp_affine f;
    bool sink; /* an Add or Sub whose constant takes the shift; the scale goes on upwards */
    uint32_t constant_slot; /* of a sink */
} oxp_fold_target;

typedef struct oxp_fold {
    oxp_run *run;
    oxp_model *m;
    oxp_arena *arena;
    oxp_patch *p;     /* open while layers absorb */
    size_t n_typed;   /* values that the analysis knows */
    oxp_id call;      /* gives formal inputs of a function their values; or OXP_NONE */
    bool needs_call;  /* a formal input was met without one */
    bool imagined;    /* something unreadable was assumed harmless */
    bool reached;     /* the walk met a linear layer: its refusal is worth telling */
    bool may_retool;  /* a MatMul may become a Gemm to take a shift */
    bool shift_stays; /* some layer cannot take the shift: it stays behind as an Add */
    oxp_fold_target targets[OXP_FOLD_TARGETS];
    size_t n_targets;
    const char *why;
} oxp_fold;

/* Sets the reason and is false: a macro, so that the compiler and the analysers see that it is. */
#define oxp_fold_fail(l, ...) (oxp_fold_because(l, __VA_ARGS__), false)
void oxp_fold_because(oxp_fold *l, const char *fmt, ...) OXP_PRINTF(2, 3);
const char *oxp_fold_label(oxp_fold *l, oxp_id node);
const char *oxp_fold_name(oxp_fold *l, oxp_id value);

/* ---- constants.c ---- */
/* Attributes; references of function bodies are resolved through fold->call.  NULL: absent. */
const oxp_attr *oxp_fold_attr(oxp_fold *l, const oxp_node *n, const char *name);
int64_t oxp_fold_int(oxp_fold *l, const oxp_node *n, const char *name, int64_t otherwise);
float oxp_fold_float(oxp_fold *l, const oxp_node *n, const char *name, float otherwise);
/* Type with symbolic dimensions, or NULL when the rank is unknown. */
const oxp_type *oxp_fold_type(oxp_fold *l, oxp_id value);
oxp_dtype oxp_fold_dtype(oxp_fold *l, oxp_id value);
/* Literal dims of a value; false when one is not known. */
bool oxp_fold_dims(oxp_fold *l, oxp_id value, int *rank, const int64_t **dims);
/* Elements of a small constant, seen through Identity, Reshape, Transpose, Cast, DequantizeLinear.
 */
bool oxp_fold_read(oxp_fold *l, oxp_id value, oxp_const *out);
/* The value that a formal input of a function stands for at fold->call; else the value itself. */
oxp_id oxp_fold_actual(oxp_fold *l, oxp_id value);
/* Index among the inputs of its function; -1 when it is no formal input of a function. */
int oxp_fold_formal(oxp_fold *l, oxp_id value);

/* ---- affine.c ---- */
/* The map that a node computes of its input slot *slot.  False: the node is none (why is then NULL
 * unless it is a BatchNormalization). */
bool oxp_affine_of(oxp_fold *l, oxp_id node, oxp_affine *f, uint32_t *slot);
bool oxp_affine_has_scale(const oxp_affine *f); /* some a differs from 1 */
bool oxp_affine_has_shift(const oxp_affine *f); /* some s differs from 0 */
double oxp_affine_largest(const oxp_affine *f); /* max |a| */
/* Elements [first, first + n) of the channels, for one input of a Concat. */
oxp_affine oxp_affine_slice(oxp_fold *l, const oxp_affine *f, size_t first, size_t n);
/* The same map seen in another shape with the same elements in the same order. */
bool oxp_affine_remap(oxp_fold *l, oxp_affine *f, const oxp_type *from, const oxp_type *to);

/* ---- step.c ---- */
/* Takes the map through a node that commutes with it: upwards from output 0 to input 0, or down. */
bool oxp_fold_step(oxp_fold *l, oxp_id node, oxp_affine *f, bool up);

/* ---- walk.c ---- */
/* Collects in fold->targets the layers before (after) the value that take the map. */
bool oxp_fold_up(oxp_fold *l, oxp_id node, oxp_id value, const oxp_affine *f);
bool oxp_fold_down(oxp_fold *l, oxp_id value, const oxp_affine *f);

/* ---- weights.c ---- */
/* A scale of a weight's elements: by axis, or by two terms of the linear index (see oxp_recipe). */
typedef struct oxp_scaling {
    int axis; /* -1: by `div`, `mod`, `mul` (grouped), or a single factor when n == 1 */
    size_t n;
    const double *v;
    uint64_t div[2], mod[2], mul[2];
} oxp_scaling;
/* Makes input `slot` of `node` the scaled weight; a weight that others read is duplicated. */
bool oxp_fold_scale_input(oxp_fold *l, oxp_id node, uint32_t slot, const oxp_scaling *s);
/* Puts new elements into a constant input: in place when nobody else reads it. */
bool oxp_fold_set_input(oxp_fold *l, oxp_id node, uint32_t slot, const char *hint, oxp_dtype t,
                        int rank, const int64_t *dims, const double *v);
/* A new constant of a graph: initializer, or Constant node where there are none (functions). */
oxp_id oxp_fold_constant(oxp_fold *l, oxp_id graph, oxp_id before, const char *hint, oxp_dtype t,
                         int rank, const int64_t *dims, const double *v);
/* Drops what computed a constant that only `reader` (dropped or rewired in this patch) read. */
void oxp_fold_release(oxp_fold *l, oxp_id value, oxp_id reader);

/* ---- absorb.c ---- */
/* Is the node a layer with weights that could take a map of its output / of its input 0? */
bool oxp_fold_is_layer(const oxp_node *n);
bool oxp_fold_is_norm(const oxp_node *n);
/* Can the layer take a shift of its output?  A MatMul of matrices can, as a Gemm, for a
 * normalization (fold->may_retool). */
bool oxp_fold_takes_shift(oxp_fold *l, const oxp_node *n);
/* Into the open patch. */
bool oxp_fold_absorb_output(oxp_fold *l, const oxp_fold_target *t);
bool oxp_fold_absorb_input(oxp_fold *l, const oxp_fold_target *t);
/* Scaling of a layer's weight (of shape dims) when its output is scaled by f; *slot: the weight's.
 */
bool oxp_fold_output_scaling(oxp_fold *l, oxp_id node, const oxp_affine *f, uint32_t *slot,
                             oxp_scaling *out);

/* ---- call.c ---- */
/* Folds a BatchNormalization of a function body whose parameters come with the calls. */
bool oxp_fold_in_function(oxp_fold *l, oxp_id node);

#endif
