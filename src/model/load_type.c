/* load_type.c - TypeProto and ValueInfoProto: declared types. */
#include <string.h>

#include "model/load.h"

static oxp_dim unnamed_dim(oxp_loader *l, oxp_dim_names names, size_t axis) {
    if (!names.input)
        return oxp_dim_fresh(l->m->dims);
    return oxp_dim_symbol(l->m->dims, oxp_sprintf(l->temp, "%s_%zu", names.input, axis));
}

/* -1 and 0 are what exporters write for "dynamic" when they have no name for it. */
static oxp_dim dimension(oxp_loader *l, const Onnx__TensorShapeProto__Dimension *d,
                         oxp_dim_names names, size_t axis) {
    if (d->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE && d->dim_value > 0)
        return oxp_dim_literal(d->dim_value);
    if (d->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM && d->dim_param &&
        d->dim_param[0])
        return names.fresh ? oxp_dim_fresh(l->m->dims) : oxp_dim_parse(l->m->dims, d->dim_param);
    return unnamed_dim(l, names, axis);
}

static oxp_dtype element(oxp_loader *l, int32_t type, const char *what, uint64_t off) {
    if (type < 0 || type >= OXP_DTYPE_COUNT)
        OXP_BAD(l, what, off, "element type %d is unknown", (int)type);
    return (oxp_dtype)type;
}

static void tensor_type(oxp_loader *l, oxp_type *t, const Onnx__TensorShapeProto *shape,
                        oxp_dim_names names) {
    t->rank = -1;
    if (!shape)
        return;
    t->rank = (int)shape->n_dim;
    oxp_dim *dims = shape->n_dim ? OXP_NEWS(l->m->arena, shape->n_dim, oxp_dim) : NULL;
    for (size_t i = 0; i < shape->n_dim; i++)
        dims[i] = dimension(l, shape->dim[i], names, i);
    t->dims = dims;
}

const oxp_type *oxp_load_type(oxp_loader *l, const Onnx__TypeProto *msg, oxp_dim_names names,
                              const char *what, uint64_t off) {
    const oxp_type *outermost = NULL;
    oxp_type *outer = NULL;
    while (msg) { /* sequences, optionals and maps are a chain: the scan has bounded its length */
        oxp_type *t = OXP_NEW(l->m->arena, oxp_type);
        const Onnx__TypeProto *next = NULL;
        t->rank = -1;
        switch (msg->value_case) {
        case ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE:
            t->kind = OXP_KIND_TENSOR;
            t->elem = element(l, msg->tensor_type->elem_type, what, off);
            tensor_type(l, t, msg->tensor_type->shape, names);
            break;
        case ONNX__TYPE_PROTO__VALUE_SPARSE_TENSOR_TYPE:
            t->kind = OXP_KIND_SPARSE;
            t->elem = element(l, msg->sparse_tensor_type->elem_type, what, off);
            tensor_type(l, t, msg->sparse_tensor_type->shape, names);
            break;
        case ONNX__TYPE_PROTO__VALUE_SEQUENCE_TYPE:
            t->kind = OXP_KIND_SEQUENCE;
            next = msg->sequence_type->elem_type;
            break;
        case ONNX__TYPE_PROTO__VALUE_OPTIONAL_TYPE:
            t->kind = OXP_KIND_OPTIONAL;
            next = msg->optional_type->elem_type;
            break;
        case ONNX__TYPE_PROTO__VALUE_MAP_TYPE:
            t->kind = OXP_KIND_MAP;
            t->elem = element(l, msg->map_type->key_type, what, off);
            next = msg->map_type->value_type;
            break;
        default: /* opaque_type is not in every onnx.proto */
            t->kind = msg->base.n_unknown_fields ? OXP_KIND_OPAQUE : OXP_KIND_UNKNOWN;
            break;
        }
        if (outer)
            outer->of = t;
        else
            outermost = t;
        outer = t;
        msg = next;
    }
    return outermost;
}

/* Zero and negative sizes of a model's inputs: taken as unnamed dynamic ones, and said so. */
static void note_odd_dims(oxp_loader *l, const Onnx__ValueInfoProto *msg) {
    const Onnx__TypeProto *t = msg->type;
    if (!t || t->value_case != ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE || !t->tensor_type->shape)
        return;
    const Onnx__TensorShapeProto *shape = t->tensor_type->shape;
    for (size_t i = 0; i < shape->n_dim; i++) {
        const Onnx__TensorShapeProto__Dimension *d = shape->dim[i];
        if (d->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE &&
            d->dim_value <= 0)
            oxp_diagnose(l->ctx, OXP_WARNING, "odd-input-dimension", msg->name,
                         "dimension %zu is %lld: taken as a dynamic one", i,
                         (long long)d->dim_value);
    }
}

void oxp_load_value(oxp_loader *l, const oxp_rec *rec, oxp_id graph) {
    oxp_graph_load *g = &l->graphs[graph];
    oxp_mark mark = oxp_arena_mark(l->temp);
    const Onnx__ValueInfoProto *msg =
        oxp_load_unpack(l, &onnx__value_info_proto__descriptor, (oxp_span){rec->off, rec->len},
                        OXP_FIELD(VALUE_NAME) | OXP_FIELD(VALUE_TYPE));
    oxp_dim_names names = {
        .input = rec->kind == OXP_REC_INPUT && graph == OXP_MAIN_GRAPH ? msg->name : NULL,
        .fresh = l->m->graphs[g->root].kind == OXP_GRAPH_FUNCTION};
    const char *what = oxp_sprintf(l->temp, "value '%.120s'", msg->name);
    uint32_t at = (uint32_t)l->n_values++;
    oxp_pending_value *v = &l->values[at];
    v->symbol = oxp_load_symbol(l, msg->name);
    v->kind = rec->kind;
    v->src = (oxp_span){rec->off, rec->len};
    v->next = OXP_NONE;
    v->type = oxp_load_type(l, msg->type, names, what, rec->off);
    if (g->last_value == OXP_NONE)
        g->first_value = at;
    else
        l->values[g->last_value].next = at;
    g->last_value = at;
    if (names.input)
        note_odd_dims(l, msg);
    oxp_arena_rewind(l->temp, mark);
}
