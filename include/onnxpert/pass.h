/* pass.h - everything a file in passes/ needs.
 *
 * To add a pass: write passes/<name>.c that ends with `const oxp_pass oxp_pass_<name> = {...}`; the
 * build finds it, `--passes <name with dashes>`, help, docs and tests follow.  Open the file with a
 * before / after picture, the conditions, and the formula.
 *
 * A pass looks at the model and proposes patches.  A patch is built aside (new nodes, values and
 * tensors exist but are not live), checked as a whole (types, shapes, acyclic, unique names, the
 * interface kept), then applied whole or dropped whole.  So a half-applied rewrite cannot exist. */
#ifndef ONNXPERT_PASS_H
#define ONNXPERT_PASS_H

#include "onnxpert/analyze.h"
#include "onnxpert/model.h"

/* How close the rewritten model's numbers must be to the original's. */
typedef enum oxp_fidelity {
    OXP_EXACT,     /* bit for bit but for the order of sums                     */
    OXP_ROUNDING,  /* the same function, rounded elsewhere (BN folding): 1e-4   */
    OXP_LOSSY,     /* fewer bits (fp16): 2e-2                                   */
    OXP_RETRAINING /* another function: needs fine-tuning                       */
} oxp_fidelity;

enum {
    OXP_PASS_NEEDS_ANALYSIS = 1u << 0, /* run->analysis is fresh when the pass starts */
    OXP_PASS_NEEDS_WEIGHTS =
        1u << 1,                   /* reads or transforms weights: refused when they are absent */
    OXP_PASS_MAY_RETYPE = 1u << 2, /* may change dtypes of inner values                        */
    OXP_PASS_MAY_RESHAPE_IO = 1u << 3, /* may change shapes of graph inputs and outputs */
    OXP_PASS_RETRAINING = 1u << 4, /* refused without --allow-retraining                        */
    OXP_PASS_MAY_RETYPE_IO = 1u << 5, /* may change dtypes of graph inputs and outputs            */
    OXP_PASS_WHAT_IF = 1u << 6,       /* only for projections: not listed, never run by optimize */
    OXP_PASS_PER_NODE = 1u << 7 /* one patch for the whole model: asks oxp_run_excluded for each
                                   node, and tells its decisions by oxp_run_decided */
    ,
    OXP_PASS_BY_NODE = 1u << 8 /* can be limited to nodes: asks oxp_run_selected for each */
};

struct oxp_pass_result;

/* A decision that a pass must not take: the patch that drops this node, or else changes it first,
 * is refused (of a OXP_PASS_PER_NODE pass: the node is left as it is).  That is how `optimize
 * --verify` leaves out what fails the check. */
typedef struct oxp_exclusion {
    const char *pass, *node; /* node: its label in the model that the pass was run on */
    const char *why;         /* one line, ends up in the pass's refusals */
} oxp_exclusion;

/* A decision that was taken: what an exclusion would have to name, and all that it changed. */
typedef struct oxp_decision {
    const char *node;
    const char *const *touched; /* labels of the nodes that existed before */
    size_t n_touched;
} oxp_decision;

/* What a calibration run saw of a value; low > high: it was not measured. */
typedef struct oxp_measured {
    double low, high; /* infinities included, NaN not */
    bool nan;
} oxp_measured;

typedef struct oxp_pass_opts {
    int version;                 /* OXP_PASS_OPTS_VERSION */
    const oxp_binding *bindings; /* --dim, --input-shape */
    size_t n_bindings;
    bool keep_io; /* fp16: graph inputs and outputs keep their types        */
    bool allow_overridable, repair, allow_retraining;
    bool assume_weights; /* what-if: weights are absent, take them as harmless      */
    const char *const *block_ops;
    size_t n_block_ops; /* --fp16-block-op */
    const char *const *block_nodes;
    size_t n_block_nodes; /* --fp16-block-node */
    const char *const *include_ops;
    size_t n_include_ops; /* --fp16-include-op */
    const char *const *params;
    size_t n_params; /* "key=value" of a rule's projection ("dtype=int8") */
    /* --only-nodes: passes with OXP_PASS_BY_NODE look at these nodes of the model that was opened
     * and leave all others, and what other passes add, as they are.  NULL: they look at all. */
    const oxp_id *only_nodes;
    size_t n_only_nodes;
    const double *only_values; /* a number for each of them (what-ifs), or NULL */
    const oxp_exclusion *excluded;
    size_t n_excluded;
    bool keep_decisions; /* list them in the results */
    /* The analysis of the unchanged model under these bindings with keep_unbound, for the first
     * pass that asks; NULL: made when one does. */
    const oxp_analysis *given;
    /* Called when the pass of this index (in the order they run) is done; NULL: nobody asks. */
    void (*after)(void *arg, oxp_model *m, size_t index, const struct oxp_pass_result *result);
    void *after_arg;
    /* fp16: fills the ranges of the values of the model as it is now, from runs on given inputs,
     * and returns the number of input sets; NULL: nothing is measured. */
    size_t (*measure)(void *arg, const oxp_model *m, oxp_measured *by_value);
    void *measure_arg;
} oxp_pass_opts;
#define OXP_PASS_OPTS_VERSION 1
#define OXP_PASS_OPTS_INIT                                                                         \
    { .version = OXP_PASS_OPTS_VERSION, .keep_io = true }

typedef struct oxp_skip {
    const char *node, *reason; /* labels and one-line reasons, in the run's arena */
} oxp_skip;

typedef struct oxp_pass_result {
    const char *name;
    size_t changed;          /* patches applied (nodes converted for fp16)             */
    size_t passed_over;      /* nodes of the pass's kind outside of opts->only_nodes   */
    const char *summary;     /* one line in words: "20 folded into Conv; 2 left"       */
    const oxp_skip *skipped; /* every refusal with its reason                        */
    size_t n_skipped;
    const oxp_skip *notes; /* hazards and explanations worth a line                */
    size_t n_notes;
    double seconds;
    oxp_fidelity fidelity;
    const oxp_decision *decisions; /* when asked for (keep_decisions) */
    size_t n_decisions;
} oxp_pass_result;

typedef struct oxp_run oxp_run; /* one execution of one pass; accessors below */

/* A parameter that a rule's projection may set (oxp_run_param). */
typedef struct oxp_pass_param {
    const char *name;   /* NULL ends a list                              */
    double least, most; /* of a number                                   */
    bool whole;         /* it is an integer                              */
    const char *word;   /* it is this word and no number; NULL: a number */
} oxp_pass_param;

typedef struct oxp_pass {
    const char *name;    /* as users write it: "fold-bn"                                    */
    const char *summary; /* one line for help and docs/passes.md                            */
    oxp_fidelity fidelity;
    unsigned flags;
    const char *const *after; /* passes that run before this one when both are asked for       */
    void (*run)(oxp_run *run);
    /* Said in the report when the pass changed something: where the saving will not show.  NULL:
     * none. */
    const char *caveat;
    const oxp_pass_param *params; /* NULL: none */
    bool of_each; /* a rule may give a number for each matched node (the param "each") */
} oxp_pass;

/* All passes, in alphabetical order; NULL when the name is unknown. */
OXP_API size_t oxp_pass_count(void);
OXP_API const oxp_pass *oxp_pass_at(size_t i);
OXP_API const oxp_pass *oxp_pass_find(const char *name);

/* Runs the named passes in their declared order on the model (in place).  *results: n of them, in
 * order of execution, in the model's arena.  OXP_E_USAGE: unknown pass; OXP_E_UNSUPPORTED: the
 * request as a whole cannot be met (impossible binding, weights missing, retraining not allowed):
 * the model must then not be saved. */
OXP_API OXP_MUST_USE oxp_status oxp_run_passes(oxp_model *m, const char *const *names, size_t n,
                                               const oxp_pass_opts *opts,
                                               const oxp_pass_result **results, size_t *n_results);

/* ---- what a pass sees while it runs ---- */
OXP_API oxp_model *oxp_run_model(oxp_run *run);
OXP_API const oxp_pass_opts *oxp_run_opts(oxp_run *run);
/* Analysis of the model as it was when the pass started (OXP_PASS_NEEDS_ANALYSIS), else NULL. */
OXP_API const oxp_analysis *oxp_run_analysis(oxp_run *run);
/* Analyses the model as it is now, with the run's bindings; replaces oxp_run_analysis. */
OXP_API const oxp_analysis *oxp_run_reanalyze(oxp_run *run);
OXP_API oxp_arena *oxp_run_arena(oxp_run *run); /* scratch: freed when the pass ends */
OXP_API const char *oxp_run_param(oxp_run *run, const char *key, const char *otherwise);
/* Is the pass to look at this node (opts->only_nodes)?  Its number there; NaN: none. */
OXP_API bool oxp_run_selected(oxp_run *run, oxp_id node);
OXP_API double oxp_run_selected_value(oxp_run *run, oxp_id node);
/* Counts a change / records a refusal / adds a remark.  Node labels are added by the runner. */
OXP_API void oxp_run_changed(oxp_run *run, size_t n);
OXP_API void oxp_run_skip(oxp_run *run, oxp_id node, const char *fmt, ...) OXP_PRINTF(3, 4);
OXP_API void oxp_run_note(oxp_run *run, oxp_id node, const char *fmt, ...) OXP_PRINTF(3, 4);
OXP_API void oxp_run_summary(oxp_run *run, const char *fmt, ...) OXP_PRINTF(2, 3);
/* NULL, or why the node must be left as it is (opts->excluded). */
OXP_API const char *oxp_run_excluded(oxp_run *run, oxp_id node);
/* A decision of a OXP_PASS_PER_NODE pass, told before its patch is applied. */
OXP_API void oxp_run_decided(oxp_run *run, oxp_id node);
/* The request cannot be met: raises OXP_E_UNSUPPORTED with the node's label in front (OXP_NONE:
 * none). */
OXP_API _Noreturn void oxp_run_impossible(oxp_run *run, oxp_id node, const char *fmt, ...)
    OXP_PRINTF(3, 4);

/* ---- patches ---- */
typedef struct oxp_patch oxp_patch;

/* An empty patch of the run's model.  Only one patch may be open at a time. */
OXP_API oxp_patch *oxp_patch_new(oxp_run *run);

/* New objects; ids are valid at once, live when the patch is applied.  Names are made unique from
 * the hint.  Strings and arrays are copied. */
OXP_API oxp_id oxp_patch_value(oxp_patch *p, oxp_id graph, const char *name_hint,
                               const oxp_type *type);
/* A tensor of raw little-endian bytes (copied; small ones only: biases, shapes, scalars). */
OXP_API oxp_id oxp_patch_tensor(oxp_patch *p, const char *name_hint, oxp_dtype t, int rank,
                                const int64_t *dims, const void *bytes, size_t n_bytes);
/* The same from doubles, rounded once to t (saturating when `saturate`). */
OXP_API oxp_id oxp_patch_tensor_doubles(oxp_patch *p, const char *name_hint, oxp_dtype t, int rank,
                                        const int64_t *dims, const double *v, bool saturate);
/* A lazy tensor: `base` through a recipe, as dtype t with the given dims (same element count). */
OXP_API oxp_id oxp_patch_tensor_lazy(oxp_patch *p, const char *name_hint, oxp_dtype t, int rank,
                                     const int64_t *dims, const oxp_recipe *recipe);
/* A new tensor without any bytes (what-ifs only: saving is refused). */
OXP_API oxp_id oxp_patch_tensor_imagined(oxp_patch *p, const char *name_hint, oxp_dtype t, int rank,
                                         const int64_t *dims);
/* A new initializer value for a tensor; named after the tensor. */
OXP_API oxp_id oxp_patch_initializer(oxp_patch *p, oxp_id graph, oxp_id tensor);
/* A new node, placed before `before` (OXP_NONE: at the end of the graph).  in / out: values. */
OXP_API oxp_id oxp_patch_node(oxp_patch *p, oxp_id graph, oxp_id before, const char *op,
                              const char *domain, const char *name_hint, const oxp_id *in,
                              uint32_t n_in, const oxp_id *out, uint32_t n_out);
/* The same, placed right after `after` (OXP_NONE: at the start of the graph). */
OXP_API oxp_id oxp_patch_node_after(oxp_patch *p, oxp_id graph, oxp_id after, const char *op,
                                    const char *domain, const char *name_hint, const oxp_id *in,
                                    uint32_t n_in, const oxp_id *out, uint32_t n_out);

/* Changes to what exists; recorded now, done when the patch is applied. */
OXP_API void oxp_patch_attr_int(oxp_patch *p, oxp_id node, const char *name, int64_t v);
OXP_API void oxp_patch_attr_float(oxp_patch *p, oxp_id node, const char *name, float v);
OXP_API void oxp_patch_attr_string(oxp_patch *p, oxp_id node, const char *name, const char *v);
OXP_API void oxp_patch_attr_ints(oxp_patch *p, oxp_id node, const char *name, const int64_t *v,
                                 size_t n);
OXP_API void oxp_patch_attr_tensor(oxp_patch *p, oxp_id node, const char *name, oxp_id tensor);
/* A copy of an existing attribute (of any kind without subgraphs). */
OXP_API void oxp_patch_attr_copy(oxp_patch *p, oxp_id node, const oxp_attr *attr);
OXP_API void oxp_patch_attr_remove(oxp_patch *p, oxp_id node, const char *name);
OXP_API void oxp_patch_op(oxp_patch *p, oxp_id node, const char *op, const char *domain);
/* Input slot := value (OXP_NONE omits it; slots beyond n_in extend the list). */
OXP_API void oxp_patch_input(oxp_patch *p, oxp_id node, uint32_t slot, oxp_id value);
/* The node now produces `value` in this slot (its former producer must be dropped in this patch).
 */
OXP_API void oxp_patch_output(oxp_patch *p, oxp_id node, uint32_t slot, oxp_id value);
/* All uses of `from` by nodes (inner graphs included) become uses of `to`.  Graph outputs keep
 * their value: when `from` is one, use oxp_patch_output to give it a new producer instead.
 * Nodes that this patch made keep the inputs they were given: a Cast of `from` stays one. */
OXP_API void oxp_patch_replace_uses(oxp_patch *p, oxp_id from, oxp_id to);
/* Drops a node; its outputs must be unused or have a new producer once the patch is applied. */
OXP_API void oxp_patch_drop(oxp_patch *p, oxp_id node);
/* Sets the recorded type (value_info, or graph input / output where the pass may change these). */
OXP_API void oxp_patch_type(oxp_patch *p, oxp_id value, const oxp_type *type);
/* Initializer `value` now holds this tensor (its name stays the value's). */
OXP_API void oxp_patch_set_tensor(oxp_patch *p, oxp_id value, oxp_id tensor);
/* An initializer goes if, after the patch, nothing reads it (overridable ones stay: they are part
 * of the interface). */
OXP_API void oxp_patch_forget(oxp_patch *p, oxp_id value);
/* Forgets recorded types (value_info) of all inner values, e.g. before writing fresh ones. */
OXP_API void oxp_patch_clear_types(oxp_patch *p);
/* Sets an opset import, e.g. to add a domain.  Never used to raise ai.onnx silently. */
OXP_API void oxp_patch_opset(oxp_patch *p, const char *domain, int64_t version);

/* Checks and applies.  False: refused, *why (in the run's arena) says what is wrong, nothing
 * changed. Initializers that nothing uses any more (in any subgraph or function) go with the patch,
 * as do Constant nodes whose output became unused. */
OXP_API bool oxp_patch_apply(oxp_patch *p, const char **why);
OXP_API void oxp_patch_discard(oxp_patch *p);

#endif
