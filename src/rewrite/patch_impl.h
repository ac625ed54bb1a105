/* patch_impl.h - the inside of a patch: for src/rewrite only. */
#ifndef OXP_REWRITE_PATCH_IMPL_H
#define OXP_REWRITE_PATCH_IMPL_H

#include "base/intern.h"
#include "model/model_impl.h"
#include "rewrite/run_impl.h"

/* What the patches of one run share; in the run's arena, made when first needed. */
typedef struct oxp_patch_state {
    oxp_map *value_names, *node_names; /* interned names in use */
    oxp_map *counters;                 /* last number that was added to a hint */
    /* Position of each node in its graph as a number with gaps, so that order is one comparison. */
    uint64_t *labels;
    size_t cap_labels;
    bool *labelled; /* by graph */
    size_t n_labelled;
    /* Room of the initializer lists that this run has made, by graph. */
    struct oxp_list_room {
        const oxp_id *list;
        size_t cap;
    } * rooms;
    size_t n_rooms;
} oxp_patch_state;

/* What a patch does to one node, new or existing: `now` is the node as it will be. */
typedef struct oxp_edit {
    oxp_id node;
    uint32_t number; /* its place among the patch's edits */
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
    oxp_patch_state *state;
    oxp_model *m;
    oxp_arena *arena;
    const char *error;                   /* first mistake while building */
    size_t n_nodes, n_values, n_tensors; /* of the model before the patch */
    oxp_edit **edits; /* in chunks: a patch may change every node of a model of a million */
    size_t n_edits, cap_chunks;
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
    oxp_pair *forgotten; /* initializers that go if nothing reads them */
    size_t n_forgotten, cap_forgotten;
    oxp_opset *opsets;
    size_t n_opsets, cap_opsets;
    bool clear_types;
    size_t n_linked; /* new nodes that are in their graph's order already */
    /* Uses that edits of existing nodes have added: lists by value. */
    struct oxp_added_use {
        uint32_t edit, next;
    } * added;
    size_t n_added, cap_added;
    oxp_map *added_of;
};

enum { OXP_EDITS_A_CHUNK = 16 };

static inline oxp_edit *oxp_edit_at(const oxp_patch *p, size_t i) {
    return &p->edits[i / OXP_EDITS_A_CHUNK][i % OXP_EDITS_A_CHUNK];
}

/* patch.c */
oxp_edit *oxp_patch_edit(oxp_patch *p, oxp_id node); /* makes it for an existing node */
/* The node as the patch leaves it. */
const oxp_node *oxp_patch_view(const oxp_patch *p, oxp_id node, bool *dropped);
void oxp_patch_error(oxp_patch *p, const char *fmt, ...) OXP_PRINTF(2, 3);
const oxp_type *oxp_type_copy(oxp_arena *arena, const oxp_type *t);

/* check.c: NULL when the patch may be applied, else what is wrong; links the new nodes. */
const char *oxp_patch_check(oxp_patch *p);
/* Node that makes the value once the patch is applied, OXP_NONE: none. */
oxp_id oxp_patch_maker(const oxp_patch *p, oxp_id value);
/* types.c: NULL, or which type the patch would change that it must not. */
const char *oxp_patch_check_types(oxp_patch *p);
/* decide.c: NULL, or why this patch is not to be applied. */
const char *oxp_patch_excluded(oxp_patch *p);
/* Writes down what the patch, which is about to be applied, decides; when the run keeps that. */
void oxp_patch_record(oxp_patch *p);
/* order.c */
uint64_t oxp_patch_label(oxp_patch *p, oxp_id node);
void oxp_patch_label_new(oxp_patch *p, oxp_id node); /* of a node that was just linked */

#endif
