/* model_impl.h - the inside of an oxp_model: for src/model, src/rewrite/patch.c and nobody else. */
#ifndef OXP_MODEL_MODEL_IMPL_H
#define OXP_MODEL_MODEL_IMPL_H

#include "onnxpert/model.h"

/* Field numbers of onnx.proto that our own code reads or writes are in src/model/proto.h. */

/* The model file (or stdin's bytes): read with pread through windows, never mapped, so that
 * resident memory stays small and a file that shrinks is a short read, not a signal. */
typedef struct oxp_source oxp_source; /* src/base/source.h */

struct oxp_externals; /* src/model/external.c */

typedef struct oxp_external_file {
    const char *location; /* as the model names it */
    oxp_source *source;   /* while it is open: use oxp_model_external */
    bool found;           /* false: missing */
    const char *problem;  /* why it is missing, or NULL */
    uint64_t bytes;       /* its size */
    uint64_t dev, ino;    /* identity, so that a target that is a data file is refused */
} oxp_external_file;

struct oxp_intern; /* src/base/intern.h */

struct oxp_model {
    oxp_ctx *ctx;
    oxp_arena *arena; /* own arena of this model or clone */
    const char *path; /* as given */
    oxp_source *source;
    struct oxp_intern *names; /* shared by clones */
    oxp_dims *dims;           /* shared by clones */
    bool is_clone;
    bool faulty; /* errors were found on reading it */

    int64_t ir_version, model_version;
    const char *producer, *producer_version, *domain;
    oxp_opset *opsets;
    size_t n_opsets;
    bool opsets_dirty;
    oxp_meta *metas;
    size_t n_metas;

    oxp_graph *graphs; /* [0] is the main graph */
    size_t n_graphs, cap_graphs;
    oxp_node *nodes;
    size_t n_nodes, cap_nodes;
    oxp_value *values;
    size_t n_values, cap_values;
    oxp_tensor *tensors;
    size_t n_tensors, cap_tensors;
    oxp_use *uses;
    size_t n_uses, cap_uses;
    oxp_function *functions;
    size_t n_functions, cap_functions;

    oxp_external_file *files;
    size_t n_files;
    struct oxp_externals *externals; /* how to open them; shared by clones */
    struct oxp_stats_cache *stats;   /* scans of the file's tensors; shared by clones, or NULL */
    struct oxp_redaction *redaction; /* names were replaced: for reports only (redact.c), or NULL */
    bool changed;                    /* anything differs from the file */
    uint64_t file_bytes;
};

/* The open external file; raises OXP_E_IO or OXP_E_UNSUPPORTED when it is missing.  Opened on
 * demand: the source of another file may be closed by it, as there may be more files than
 * descriptors. */
oxp_source *oxp_model_external(const oxp_model *m, uint32_t file);

/* Appends an element and returns its id; pointers into the array become stale.  Zeroed, but for the
 * ids of other things, which are OXP_NONE. */
oxp_id oxp_model_add_node(oxp_model *m);
oxp_id oxp_model_add_value(oxp_model *m);
oxp_id oxp_model_add_tensor(oxp_model *m);
oxp_id oxp_model_add_graph(oxp_model *m);
oxp_id oxp_model_add_function(oxp_model *m);
/* Uses: list maintenance in O(1) for adding, O(uses of the value) for removal. */
void oxp_model_add_use(oxp_model *m, oxp_id value, oxp_id node, uint32_t slot);
void oxp_model_remove_use(oxp_model *m, oxp_id value, oxp_id node, uint32_t slot);
/* Links a node into its graph's order behind `after` (OXP_NONE: first) / unlinks it. */
void oxp_model_link_after(oxp_model *m, oxp_id node, oxp_id after);
void oxp_model_unlink(oxp_model *m, oxp_id node);
/* Makes room, so that elements can be added without moving the arrays. */
void oxp_model_reserve(oxp_model *m, size_t graphs, size_t nodes, size_t values, size_t tensors,
                       size_t uses, size_t functions);
/* Interned copy. */
const char *oxp_model_name(oxp_model *m, const char *s, size_t len);

/* Does the node stand for a value that it holds? */
bool oxp_model_is_constant(const oxp_node *n);

#endif
