/* dims.h - dimensions: integers that may be symbolic.
 *
 * An oxp_dim is an int64: a literal, or a handle of an expression in an oxp_dims pool.  Handles lie
 * below OXP_DIM_LITERAL_MIN, so literals may be negative (a Reshape target's -1, a Slice's end).
 * Expressions are hash-consed in a canonical form (a sum of products of atoms with integer
 * coefficients; atoms are named symbols, fresh unknowns, floor(a/b), ceil(a/b), mod, min, max):
 * two expressions that normalise alike have the same handle, so == decides equality as far as we
 * can know it.  Symbols stand for sizes: they are >= 0.  Arithmetic on literals is exact;
 * anything beyond int64 becomes OXP_DIM_UNKNOWN. */
#ifndef ONNXPERT_DIMS_H
#define ONNXPERT_DIMS_H

#include "onnxpert/status.h"

typedef int64_t oxp_dim;
#define OXP_DIM_UNKNOWN     INT64_MIN
#define OXP_DIM_LITERAL_MIN (INT64_MIN + ((int64_t)1 << 33))

typedef struct oxp_dims oxp_dims;

static inline bool oxp_dim_is_literal(oxp_dim d) {
    return d >= OXP_DIM_LITERAL_MIN;
}
static inline bool oxp_dim_is_unknown(oxp_dim d) {
    return d == OXP_DIM_UNKNOWN;
}

/* A literal; values below OXP_DIM_LITERAL_MIN (INT64_MIN as "from the end") are clamped to it. */
OXP_API oxp_dim oxp_dim_literal(int64_t v);

OXP_API oxp_dims *oxp_dims_new(oxp_arena *arena);
OXP_API oxp_dim oxp_dim_symbol(oxp_dims *p, const char *name); /* same name, same dim */
/* Gives every symbol another name; two may not get the same. */
OXP_API void oxp_dims_rename(oxp_dims *p, const char *(*rename)(void *arg, const char *name),
                             void *arg);
OXP_API oxp_dim oxp_dim_fresh(oxp_dims *p); /* an unknown size, equal only to itself */
OXP_API oxp_dim oxp_dim_add(oxp_dims *p, oxp_dim a, oxp_dim b);
OXP_API oxp_dim oxp_dim_sub(oxp_dims *p, oxp_dim a, oxp_dim b);
OXP_API oxp_dim oxp_dim_mul(oxp_dims *p, oxp_dim a, oxp_dim b);
OXP_API oxp_dim oxp_dim_floordiv(oxp_dims *p, oxp_dim a, oxp_dim b); /* toward -inf; b 0: unknown */
OXP_API oxp_dim oxp_dim_ceildiv(oxp_dims *p, oxp_dim a, oxp_dim b);
OXP_API oxp_dim oxp_dim_mod(oxp_dims *p, oxp_dim a, oxp_dim b); /* sign of b, as Python */
OXP_API oxp_dim oxp_dim_min(oxp_dims *p, oxp_dim a, oxp_dim b);
OXP_API oxp_dim oxp_dim_max(oxp_dims *p, oxp_dim a, oxp_dim b);
/* Lower bound that holds for all non-negative symbols; INT64_MIN when nothing is known. */
OXP_API int64_t oxp_dim_lower_bound(const oxp_dims *p, oxp_dim a);
/* True when the expression contains a fresh unknown (it has no name a user could bind). */
OXP_API bool oxp_dim_is_opaque(const oxp_dims *p, oxp_dim a);
/* Number of operations and operands it is written with; 1 for literals and symbols. */
OXP_API uint32_t oxp_dim_weight(const oxp_dims *p, oxp_dim a);

/* Value under bindings: `value_of(arg, name)` gives a symbol's value or -1 for unbound.
 * OXP_DIM_UNKNOWN when something in it is unbound or opaque. */
typedef int64_t (*oxp_binding_fn)(const void *arg, const char *name);
OXP_API oxp_dim oxp_dim_eval(oxp_dims *p, oxp_dim a, oxp_binding_fn value_of, const void *arg);
/* "224", "N", "past+seq", "floor(H/2)", "?" for unknown and for opaque ones.  In `arena`. */
OXP_API const char *oxp_dim_text(const oxp_dims *p, oxp_dim a, oxp_arena *arena);
/* Parses what oxp_dim_text prints and what exporters write as dim_param ("P+S", "floor(H/2 + 1)",
 * "2*N"); anything else becomes a symbol of that whole text. */
OXP_API oxp_dim oxp_dim_parse(oxp_dims *p, const char *text);

#endif
