/* infer_impl.h - the state of one walk: for src/analysis/infer*.c. */
#ifndef OXP_ANALYSIS_INFER_IMPL_H
#define OXP_ANALYSIS_INFER_IMPL_H

#include "analysis/infer.h"
#include "base/intern.h"

enum {
    INFER_MAX_DEPTH = 60, /* nesting of subgraphs and function calls */
    INFER_MAX_EQUALITIES = 256,
    INFER_SCHEMAS = 64,           /* schemas at hand */
    INFER_MAX_MEMO = 1 << 14,     /* remembered function calls */
    INFER_MAX_ELEMS = 2 * 1000000 /* propagated elements of a walk, all together */
};

#define OXP_TOO_DEEP                                                                               \
    "subgraphs and function calls nest too deeply to be followed: what is in them is unknown"

/* The call whose body is being walked: what attribute references mean. */
typedef struct frame {
    const oxp_function *function;
    const oxp_attr *attrs;
    uint32_t n_attrs;
    const oxp_id *absent; /* formal inputs that the call omits */
    uint32_t n_absent;
} frame;

/* The schema of an operator as last looked up: names of a model are interned, so that pointers do
 * for comparing them as long as the walk takes. */
typedef struct looked_up {
    const char *op, *domain;
    int64_t opset;
    const struct oxp_schema *schema;
} looked_up;

/* One remembered call of a local function. */
typedef struct memo {
    oxp_id function;
    uint32_t n_attrs, n_in, n_out;
    const oxp_attr *attrs;
    const oxp_fact *in, *out;
    const bool *given; /* by input: not omitted */
    oxp_cost cost;
    bool failed; /* something in the body was inconsistent */
    bool costed; /* cost was counted */
} memo;

struct oxp_engine {
    const oxp_model *m;
    const oxp_infer_opts *opts;
    oxp_arena *arena, *scratch;
    oxp_fact *facts;
    oxp_node_cost *costs; /* NULL: not wanted, or not now */
    oxp_node_cost *costs_held;
    uint8_t *reported;  /* by node: what was said of it (infer_report.c) */
    oxp_trial *trial;   /* where reports are held back, NULL: nowhere */
    uint64_t n_errors;  /* reported or held back so far */
    uint8_t *active;    /* by function: being walked */
    const frame *frame; /* NULL outside of functions */
    uint64_t times;     /* how often the current graph runs */
    bool times_unknown;
    bool rebound; /* an input's fixed dimension was bound to another number */
    bool partial;
    bool gave_up; /* a limit was reached, and that was said */
    bool playing; /* a loop is played turn by turn */
    int depth;
    uint64_t budget; /* node visits left */
    uint64_t elems_left;
    oxp_cost inner; /* what the hooks of the current node count of their subgraphs */
    memo *memos;
    size_t n_memos, cap_memos;
    oxp_map *memo_of;
    oxp_equality *equalities;
    size_t n_equalities, cap_equalities;
    oxp_id opset_graph; /* the last look-up of an opset */
    const char *opset_domain;
    int64_t opset;
    looked_up schemas[INFER_SCHEMAS];
};

/* Runs all nodes of a graph; *total += their costs. */
void oxp_infer_walk(oxp_engine *e, oxp_id graph, oxp_cost *total);
/* Calls a local function (infer_call.c); false: not possible, the reason was reported. */
bool oxp_infer_call(oxp_engine *e, oxp_call *c, oxp_id function, oxp_cost *total);
/* The attributes of a node with references to attributes of the called function resolved. */
void oxp_infer_attrs(oxp_engine *e, const oxp_node *n, const oxp_attr **attrs, uint32_t *count);
/* A diagnostic about a node, at most one error each; held back in a branch that may not run. */
void oxp_infer_report(oxp_engine *e, oxp_severity severity, const char *code, oxp_id node,
                      const char *text);
/* A limit of the walk is reached at a node, which is no fault of the model: a warning, once. */
void oxp_infer_give_up(oxp_engine *e, oxp_id node, const char *text);
/* An error that no sizes can cure: never held back. */
void oxp_infer_accuse(oxp_engine *e, const char *code, oxp_id node, const char *text);

#endif
