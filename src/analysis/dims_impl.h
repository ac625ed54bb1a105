/* dims_impl.h - the inside of a pool of dimensions: for dims.c and dims_text.c. */
#ifndef OXP_ANALYSIS_DIMS_IMPL_H
#define OXP_ANALYSIS_DIMS_IMPL_H

#include "onnxpert/dims.h"

enum {
    DIM_MAX_TERMS = 24,
    DIM_MAX_DEGREE = 12,
    DIM_MAX_WEIGHT = 300,   /* operands of one expression: bounds text and evaluation */
    DIM_MAX_DEPTH = 30,     /* nesting of floor, min, max */
    DIM_MAX_FRESH = 1 << 20 /* fresh unknowns of a pool */
};

typedef enum atom_kind { ATOM_SYMBOL, ATOM_FRESH, ATOM_FLOOR, ATOM_MIN, ATOM_MAX } atom_kind;

typedef struct atom {
    atom_kind kind;
    bool opaque;
    uint32_t weight, depth;
    const char *name; /* SYMBOL */
    oxp_dim a, b;     /* operands of the others */
    oxp_dim self;     /* the expression that is just this atom */
} atom;

/* coef * product of atoms (ids ascending); n == 0 is the constant term. */
typedef struct mono {
    int64_t coef;
    uint32_t n;
    uint32_t atoms[DIM_MAX_DEGREE];
} mono;

/* A sum under construction; ok = false: it left int64 or the limits above. */
typedef struct poly {
    bool ok;
    uint32_t n;
    mono t[DIM_MAX_TERMS];
} poly;

typedef struct expr {
    uint32_t n, weight, depth;
    bool opaque;
    uint64_t hash;
    const mono *t; /* in falling graded lexical order */
} expr;

/* NULL for literals and UNKNOWN. */
const expr *oxp_dims_expr(const oxp_dims *p, oxp_dim d);
const atom *oxp_dims_atom(const oxp_dims *p, uint32_t id);

#endif
