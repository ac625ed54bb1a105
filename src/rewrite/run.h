/* run.h - the inside of a run and of a patch: for src/rewrite only. */
#ifndef OXP_REWRITE_RUN_H
#define OXP_REWRITE_RUN_H

#include "base/intern.h"
#include "model/model_impl.h"
#include "onnxpert/pass.h"

/* A growing list of oxp_skip in the model's arena: results outlive the run. */
typedef struct oxp_skips {
    oxp_skip *at;
    size_t n, cap;
} oxp_skips;

struct oxp_run {
    oxp_model *m;
    const oxp_pass *pass;
    const oxp_pass_opts *opts;
    oxp_arena *arena;
    const oxp_analysis *analysis;
    size_t analysed_values; /* values that the analysis knows */
    size_t changed;
    const char *summary;
    oxp_skips skips, notes;
    oxp_patch *open;

    oxp_map *value_names, *node_names; /* interned names in use; made when first asked for */
    oxp_map *counters;                 /* last number that was added to a hint */

    /* Position of each node in its graph as a number with gaps, so that order is one comparison. */
    uint64_t *labels;
    size_t cap_labels;
    bool *labelled; /* by graph */
    size_t n_labelled;
    /* Room of the initializer lists that this run has made, by graph. */
    struct {
        const oxp_id *list;
        size_t cap;
    } * inits;
    size_t n_inits;
    bool inputs_stale; /* dead initializers are still listed as graph inputs (IR < 4) */
};

/* What a patch does to one node, new or existing: `now` is the node as it will be. */
typedef struct oxp_edit {
    oxp_id node;
    oxp_node now;
    uint32_t cap_in, cap_out, cap_attr; /* 0: the list is still the model's */
    bool fresh, dropped;
    oxp_id anchor; /* fresh ones: placed before or after it */
    bool before;
} oxp_edit;

typedef struct oxp_pair {
    oxp_id value, other;
} oxp_pair;

typedef struct oxp_retype {
    oxp_id value;
    const oxp_type *type;
} oxp_retype;

struct oxp_patch {
    oxp_run *run;
    oxp_model *m;
    oxp_arena *arena;
    const char *error;                   /* first mistake while building */
    size_t n_nodes, n_values, n_tensors; /* of the model before the patch */
    oxp_edit *edits;
    size_t n_edits, cap_edits;
    oxp_map *edit_of;   /* node -> edit */
    oxp_map *makers;    /* value -> edit that makes it, once the patch is checked */
    oxp_pair *replaced; /* from, to */
    size_t n_replaced, cap_replaced;
    oxp_pair *outputs; /* old output, new output of the same slot */
    size_t n_outputs, cap_outputs;
    oxp_pair *tensors; /* value, tensor */
    size_t n_tensor_edits, cap_tensor_edits;
    oxp_retype *types;
    size_t n_types, cap_types;
    oxp_opset *opsets;
    size_t n_opsets, cap_opsets;
    bool clear_types, linked;
    /* Uses that edits of existing nodes have added: lists by value. */
    struct oxp_added_use {
        uint32_t edit, next;
    } * added;
    size_t n_added, cap_added;
    oxp_map *added_of;
};

oxp_run *oxp_run_new(oxp_model *m, const oxp_pass *pass, const oxp_pass_opts *opts);
void oxp_run_end(oxp_run *run); /* tidies up the model; the run is gone with its arena */

/* patch.c */
oxp_edit *oxp_patch_edit(oxp_patch *p, oxp_id node); /* makes it for an existing node */
/* The node as the patch leaves it. */
const oxp_node *oxp_patch_view(const oxp_patch *p, oxp_id node, bool *dropped);
void oxp_patch_error(oxp_patch *p, const char *fmt, ...) OXP_PRINTF(2, 3);
const oxp_type *oxp_type_copy(oxp_arena *arena, const oxp_type *t);

/* check.c: NULL when the patch may be applied, else what is wrong; links the new nodes. */
const char *oxp_patch_check(oxp_patch *p);
/* order.c */
uint64_t oxp_run_label(oxp_run *run, oxp_id node);
void oxp_run_label_new(oxp_run *run, oxp_id node); /* of a node that was just linked */

#endif
