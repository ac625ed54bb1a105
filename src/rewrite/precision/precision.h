/* precision.h - the machinery behind fp16 and bf16: which values of a model can live in a narrower
 * float, and the patch that narrows them.
 *
 * Types.  Every place where float32 enters or leaves a node belongs to an atom: a set of places
 * that must have one type.  The operator schemas say which slots of a node share a type variable;
 * control flow, calls and sequences join atoms of different nodes (union-find).  A value has the
 * type of the atom that defines it; a use that wants the other type gets a Cast, one per value.
 * Constants exist in both forms.
 *
 * Decisions.  An atom is narrow unless something forces it to stay float32: the schema, an option,
 * a hazard of one of its nodes.  Every force carries its reason. */
#ifndef OXP_REWRITE_PRECISION_H
#define OXP_REWRITE_PRECISION_H

#include "analysis/infer.h"
#include "base/intern.h"
#include "onnxpert/pass.h"
#include "ops/schema.h"

#define OXP_ATOM_NONE       UINT32_MAX /* carries no float32 */
#define OXP_HALF_MAX        65504.0
#define OXP_HALF_MIN_NORMAL 0x1p-14

typedef enum oxp_atom_kind {
    OXP_ATOM_PLAIN,  /* narrow unless forced                                              */
    OXP_ATOM_FOLLOW, /* only read: takes the form its values have, so that nothing is cast */
    OXP_ATOM_WANT    /* made by an attribute (Cast.to): narrow when that suits the users     */
} oxp_atom_kind;

typedef struct oxp_atom {
    uint32_t parent;
    uint8_t kind;
    bool forced, narrow, all_users; /* all_users: WANT that is narrow only if every user is */
    const char *reason;             /* of the force; NULL: nothing worth telling            */
    oxp_id node;                    /* whose reason it is                                   */
} oxp_atom;

/* Where a float comes from. */
typedef enum oxp_origin {
    OXP_FROM_DATA,      /* activations                                                         */
    OXP_FROM_CONSTANTS, /* constants only                                                      */
    OXP_FROM_INTEGERS,  /* positions, sizes, counts: arithmetic of integers and constants       */
    OXP_FROM_MIXED      /* the same beyond a product with weights                               */
} oxp_origin;

typedef struct oxp_interval {
    double lo, hi;
    bool assumed;  /* rests on the assumption that activations are of ordinary size */
    bool known;    /* this entry was filled */
    bool measured; /* by a calibration run, with a margin */
} oxp_interval;

/* Forms of a constant that the rewritten model needs. */
enum {
    OXP_FORM_NARROW = 1,
    OXP_FORM_NARROW_CLAMPED = 2,
    OXP_FORM_WIDE_CLAMPED = 4,
    OXP_FORM_WIDE = 8
};

/* A use of a constant as a mask sentinel: replaced by a value that half can hold. */
typedef struct oxp_sentinel {
    oxp_id node;
    uint32_t slot;
    double limit;
    bool clamps; /* the constant is beyond the limit */
} oxp_sentinel;

typedef struct oxp_precision {
    oxp_run *run;
    const oxp_model *m;
    const oxp_pass_opts *opts;
    oxp_arena *arena;
    oxp_dtype target;
    const char *target_name; /* "float16" */
    const oxp_inferred *inferred;
    size_t n_nodes, n_values;

    oxp_id *order; /* nodes, those of subgraphs before their holder */
    size_t n_order;

    uint8_t *dtype;     /* by value: element type (innermost), 0 unknown        */
    uint8_t *kind;      /* by value: oxp_kind                                    */
    uint32_t *def;      /* by value: atom that defines it, or NONE              */
    uint32_t *out_use;  /* by value: atom as an output of its graph, or NONE    */
    bool *is_const;     /* by value: initializer or Constant with elements       */
    uint32_t **in_atom; /* by node and slot */
    uint32_t **out_atom;
    oxp_atom *atoms;
    size_t n_atoms, cap_atoms;
    uint32_t wide; /* the atom of everything that is float32 for good */

    uint8_t *origin;           /* by value */
    oxp_interval *range;       /* by value */
    size_t sets, n_measured;   /* calibration inputs, values that they gave ranges for */
    size_t n_unknown;          /* converted nodes that see values of unknown range */
    bool *factor;              /* by value: a reciprocal, meant to normalize what it multiplies */
    const char **reason;       /* by node: why it stays float32 */
    const oxp_schema **schema; /* by node; NULL: no schema, or not ai.onnx */
    oxp_map *sentinels;        /* (node, slot) -> index + 1 into list */
    oxp_sentinel *sentinel;
    size_t n_sentinels, cap_sentinels;
    uint8_t *lift;            /* by value: rank that an initializer gets, or 0 */
    oxp_tensor_stats **stats; /* by tensor */
    size_t n_tensors;
    bool *narrowed;    /* by tensor: it was converted */
    uint32_t *n_casts; /* by node: Casts that stand because it stays float32 */
} oxp_precision;

/* precision_types.c */
void oxp_precision_types(oxp_precision *p);
uint32_t oxp_atom_root(oxp_precision *p, uint32_t a);
void oxp_atom_force(oxp_precision *p, uint32_t a, oxp_id node, const char *reason);
/* Keeps all float32 places of a node in float32. */
void oxp_precision_keep(oxp_precision *p, oxp_id node, const char *reason);
bool oxp_precision_is_narrow(oxp_precision *p, uint32_t atom);
bool oxp_precision_float32(const oxp_precision *p, oxp_id value);

/* precision_const.c */
/* The tensor of a constant: an initializer's or a Constant node's; OXP_NONE for value_float(s). */
oxp_id oxp_precision_tensor(const oxp_precision *p, oxp_id value);
/* The stats of a constant; a Constant's value_float(s) count too. */
const oxp_tensor_stats *oxp_precision_stats(oxp_precision *p, oxp_id value);
/* A scalar constant (or one whose elements are all the same small list of one). */
bool oxp_precision_scalar(oxp_precision *p, oxp_id value, double *x);
uint64_t oxp_precision_count(const oxp_precision *p, oxp_id value);
/* Elements as doubles, at most `max`; false when there are more or they cannot be read. */
bool oxp_precision_elements(oxp_precision *p, oxp_id value, double *out, uint64_t max, uint64_t *n);

/* precision_origin.c */
void oxp_precision_origins(oxp_precision *p);
void oxp_precision_indices(oxp_precision *p);
void oxp_precision_logarithm(oxp_precision *p, oxp_id log); /* of numbers near 0 */
/* precision_mask.c */
void oxp_precision_masks(oxp_precision *p);
const oxp_sentinel *oxp_precision_sentinel(const oxp_precision *p, oxp_id node, uint32_t slot);

/* precision_range.c */
void oxp_precision_ranges(oxp_precision *p);
oxp_interval oxp_precision_input_range(oxp_precision *p, oxp_id node, uint32_t slot);
/* ", an estimate" where the range rests on an assumption, else "". */
const char *oxp_precision_surety(oxp_interval r);
/* Elements that a reduction adds up; 0 unknown. */
double oxp_precision_depth(const oxp_precision *p, oxp_id node);

/* precision_rules.c: what the pass knows of single operators. */
enum {
    OXP_RULE_SQUARE = 1u << 0,   /* Mul of a value with itself, Pow, ...                       */
    OXP_RULE_EXP = 1u << 1,      /* grows exponentially                                       */
    OXP_RULE_DIVISOR0 = 1u << 2, /* input 0 is a divisor (or a logarithm's argument)           */
    OXP_RULE_DIVISOR1 = 1u << 3, /* input 1 is                                                */
    OXP_RULE_ROOT = 1u << 4,     /* small positive inputs matter                              */
    OXP_RULE_SUM = 1u << 5,      /* adds all elements of an axis                              */
    OXP_RULE_MEAN = 1u << 6,
    OXP_RULE_STEP = 1u << 7,       /* rounding can flip the result                              */
    OXP_RULE_PERIODIC = 1u << 8,   /* needs the absolute precision of its input                 */
    OXP_RULE_WIDE = 1u << 9,       /* stays float32                                             */
    OXP_RULE_ORDER = 1u << 10,     /* only compares: follows its input's form                   */
    OXP_RULE_SELECT = 1u << 11,    /* may hold a sentinel                                       */
    OXP_RULE_BOUND = 1u << 12,     /* a bound beyond the range does nothing                     */
    OXP_RULE_MASKED = 1u << 13,    /* a huge negative input has done its duty here              */
    OXP_RULE_SCALE = 1u << 14,     /* multiplies or divides                                     */
    OXP_RULE_POSITIONS = 1u << 15, /* makes positions                                          */
    OXP_RULE_LOG = 1u << 16,       /* spreads what is near 0                                   */
    OXP_RULE_FILLS = 1u << 17      /* may bring in zeros, or go beyond what it reads           */
};
unsigned oxp_precision_rule(const oxp_node *n, const char **why);

/* precision_decide.c */
/* Could the node be narrow at all: has it a place that nothing forces yet? */
bool oxp_precision_candidate(oxp_precision *p, oxp_id node);
/* Named by --fp16-include-op: hazards are not looked at. */
bool oxp_precision_included(const oxp_precision *p, const oxp_node *n);
void oxp_precision_decide(oxp_precision *p);

/* precision_runtime.c: patterns that known runtimes cannot load. */
void oxp_precision_runtime(oxp_precision *p); /* keeps nodes float32        */
void oxp_precision_lifts(oxp_precision *p);   /* fills `lift`; types are decided */

/* precision_apply.c */
typedef struct oxp_precision_count {
    size_t nodes, kept, casts, casts_in, casts_out, casts_inner, removed;
} oxp_precision_counts;
/* Does anything of the node become narrow? */
bool oxp_precision_converted(oxp_precision *p, oxp_id node);
/* Is the constant at this place really replaced by a sentinel that fits? */
bool oxp_precision_clamps(oxp_precision *p, const oxp_sentinel *s);
bool oxp_precision_apply(oxp_precision *p, oxp_precision_counts *c, const char **why);

/* precision_report.c: what was done, kept and assumed, and why. */
size_t oxp_precision_report_kept(oxp_precision *p); /* the number of nodes */
void oxp_precision_count_unknown(oxp_precision *p); /* before the patch is applied */
void oxp_precision_report(oxp_precision *p, const oxp_precision_counts *c, size_t kept);

/* precision.c: the whole pass. */
void oxp_precision_run(oxp_run *run, oxp_dtype target);

#endif
