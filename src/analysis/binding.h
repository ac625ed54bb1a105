/* binding.h - dimensions of graph inputs: their names, and the numbers they are bound to. */
#ifndef OXP_ANALYSIS_BINDING_H
#define OXP_ANALYSIS_BINDING_H

#include "onnxpert/analyze.h"

typedef struct oxp_bound oxp_bound;

/* Collects the named dimensions of the main graph's inputs (unnamed ones get a name made of input
 * and axis) and binds them.  Raises OXP_E_USAGE for a name that nothing has, OXP_E_UNSUPPORTED for
 * a binding that contradicts the model or another one. */
oxp_bound *oxp_bind(const oxp_model *m, const oxp_analyze_opts *opts, oxp_arena *arena);
/* Named dimensions in the order of the inputs. */
const oxp_assumed *oxp_bound_dims(const oxp_bound *b, size_t *n);
/* Type of an input of the main graph with names for unnamed dims; literal: numbers put in. */
const oxp_type *oxp_bound_input(oxp_bound *b, oxp_id value, bool literal);
/* A dimension declared elsewhere, seen through the bindings; a name that no input has tells
 * nothing: OXP_DIM_UNKNOWN. */
oxp_dim oxp_bound_dim(oxp_bound *b, oxp_dim d, bool literal);

/* Those of the bindings that still bind something: a pass may have made the others part of the
 * model.  *n_left of them, in `arena`. */
const oxp_binding *oxp_bindings_left(const oxp_model *m, const oxp_binding *bindings, size_t n,
                                     size_t *n_left, oxp_arena *arena);

/* The bindings as a walk sees them: argument and callbacks of oxp_infer_opts. */
typedef struct oxp_bound_view {
    oxp_bound *bound;
    bool literal;
} oxp_bound_view;
const oxp_type *oxp_bound_view_input(const void *view, oxp_id value);
oxp_dim oxp_bound_view_dim(const void *view, oxp_dim d);

#endif
