/* encode.h - turns a changed model into ropes: the model file and its data file. */
#ifndef OXP_MODEL_ENCODE_H
#define OXP_MODEL_ENCODE_H

#include "base/intern.h"
#include "model/model_impl.h"
#include "model/rope.h"
#include "model/wire.h"

/* Where the bytes of tensors go. */
typedef enum oxp_placing {
    OXP_PLACE_KEEP,    /* external ones are left where they are, new ones go inline */
    OXP_PLACE_INLINE,  /* all into the model file                                   */
    OXP_PLACE_AS_IS,   /* external ones to the new data file                        */
    OXP_PLACE_EXTERNAL /* initializers of 1 KiB and more to the new data file, too   */
} oxp_placing;

typedef struct oxp_encoder {
    oxp_model *m;
    oxp_arena *arena;
    oxp_reader r;
    oxp_rope model, data;
    oxp_placing placing;
    const char *location; /* name of the data file */

    bool *graph_touched, *node_touched; /* something in it is written anew */
    uint64_t *data_off;                 /* by tensor: offset in the data file, UINT64_MAX: inline */
    oxp_map *placed;  /* external bytes that are in the data file: by source offset */
    oxp_map *info_at; /* value_info by offset in the source: value + 1 */
    struct oxp_new_info {
        oxp_id value;
        uint32_t next;
    } * infos; /* value_info entries to add, listed by graph */
    size_t n_infos, cap_infos;
    uint32_t *first_info;
} oxp_encoder;

/* Decides what is touched, lays out the data file. */
void oxp_encode_prepare(oxp_encoder *e);
/* Fills e->model. */
void oxp_encode_model(oxp_encoder *e);

/* encode_node.c */
void oxp_encode_node(oxp_encoder *e, uint32_t field, oxp_id node, unsigned depth);
/* encode_tensor.c; `old`: record whose other fields (doc_string, unknown ones) are kept. */
void oxp_encode_tensor(oxp_encoder *e, uint32_t field, oxp_id tensor, const char *name,
                       oxp_span old);
bool oxp_encode_tensor_touched(const oxp_encoder *e, oxp_id tensor);
/* encode_type.c */
void oxp_encode_value(oxp_encoder *e, uint32_t field, oxp_id value, oxp_span old);
/* encode.c */
void oxp_encode_graph(oxp_encoder *e, uint32_t field, oxp_id graph, unsigned depth);
/* The fields of a message of the source that are not in `owned` (a set of numbers below 32). */
void oxp_encode_rest(oxp_encoder *e, oxp_span span, uint32_t owned);

#endif
