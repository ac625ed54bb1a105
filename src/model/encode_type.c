/* encode_type.c - ValueInfoProto and TypeProto. */
#include "model/encode.h"
#include "onnx.pb-c.h"

static Onnx__TensorShapeProto *make_shape(oxp_encoder *e, const oxp_type *t) {
    Onnx__TensorShapeProto *shape = OXP_NEW(e->arena, Onnx__TensorShapeProto);
    onnx__tensor_shape_proto__init(shape);
    shape->n_dim = (size_t)t->rank;
    shape->dim = OXP_NEWS(e->arena, shape->n_dim, Onnx__TensorShapeProto__Dimension *);
    for (int i = 0; i < t->rank; i++) {
        Onnx__TensorShapeProto__Dimension *d = OXP_NEW(e->arena, Onnx__TensorShapeProto__Dimension);
        onnx__tensor_shape_proto__dimension__init(d);
        shape->dim[i] = d;
        if (oxp_dim_is_unknown(t->dims[i]))
            continue;
        if (oxp_dim_is_literal(t->dims[i])) {
            d->value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
            d->dim_value = t->dims[i];
        } else if (!oxp_dim_is_opaque(e->m->dims, t->dims[i])) {
            d->value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM;
            d->dim_param = (char *)oxp_dim_text(e->m->dims, t->dims[i], e->arena);
        }
    }
    return shape;
}

static void fill_tensor(oxp_encoder *e, Onnx__TypeProto *p, const oxp_type *t) {
    Onnx__TensorShapeProto *shape = t->rank >= 0 ? make_shape(e, t) : NULL;
    if (t->kind == OXP_KIND_SPARSE) {
        Onnx__TypeProto__SparseTensor *s = OXP_NEW(e->arena, Onnx__TypeProto__SparseTensor);
        onnx__type_proto__sparse_tensor__init(s);
        p->value_case = ONNX__TYPE_PROTO__VALUE_SPARSE_TENSOR_TYPE;
        p->sparse_tensor_type = s;
        s->has_elem_type = 1;
        s->elem_type = (int32_t)t->elem;
        s->shape = shape;
        return;
    }
    Onnx__TypeProto__Tensor *s = OXP_NEW(e->arena, Onnx__TypeProto__Tensor);
    onnx__type_proto__tensor__init(s);
    p->value_case = ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
    p->tensor_type = s;
    s->has_elem_type = 1;
    s->elem_type = (int32_t)t->elem;
    s->shape = shape;
}

/* Puts a container around `inner`. */
static void fill_container(oxp_encoder *e, Onnx__TypeProto *p, const oxp_type *t,
                           Onnx__TypeProto *inner) {
    if (t->kind == OXP_KIND_SEQUENCE) {
        Onnx__TypeProto__Sequence *s = OXP_NEW(e->arena, Onnx__TypeProto__Sequence);
        onnx__type_proto__sequence__init(s);
        p->value_case = ONNX__TYPE_PROTO__VALUE_SEQUENCE_TYPE;
        p->sequence_type = s;
        s->elem_type = inner;
    } else if (t->kind == OXP_KIND_OPTIONAL) {
        Onnx__TypeProto__Optional *s = OXP_NEW(e->arena, Onnx__TypeProto__Optional);
        onnx__type_proto__optional__init(s);
        p->value_case = ONNX__TYPE_PROTO__VALUE_OPTIONAL_TYPE;
        p->optional_type = s;
        s->elem_type = inner;
    } else if (t->kind == OXP_KIND_MAP) {
        Onnx__TypeProto__Map *s = OXP_NEW(e->arena, Onnx__TypeProto__Map);
        onnx__type_proto__map__init(s);
        p->value_case = ONNX__TYPE_PROTO__VALUE_MAP_TYPE;
        p->map_type = s;
        s->has_key_type = 1;
        s->key_type = (int32_t)t->elem;
        s->value_type = inner;
    }
}

static Onnx__TypeProto *make_type(oxp_encoder *e, const oxp_type *t) {
    const oxp_type *levels[OXP_DEPTH_MAX];
    unsigned n = 0;
    Onnx__TypeProto *made = NULL;
    for (; t && n < OXP_DEPTH_MAX; t = t->of)
        levels[n++] = t;
    while (n) { /* the innermost first */
        t = levels[--n];
        Onnx__TypeProto *p = OXP_NEW(e->arena, Onnx__TypeProto);
        onnx__type_proto__init(p);
        if (t->kind == OXP_KIND_TENSOR || t->kind == OXP_KIND_SPARSE)
            fill_tensor(e, p, t);
        else
            fill_container(e, p, t, made);
        made = p;
    }
    return made;
}

void oxp_encode_value(oxp_encoder *e, uint32_t field, oxp_id value, oxp_span old) {
    const oxp_value *v = &e->m->values[value];
    Onnx__ValueInfoProto p;
    onnx__value_info_proto__init(&p);
    p.name = (char *)v->name;
    p.type = make_type(e, v->declared);
    oxp_open_message m = oxp_rope_begin(&e->model, field);
    oxp_rope_pack(&e->model, &p.base);
    oxp_encode_rest(e, old, OXP_FIELD(VALUE_NAME) | OXP_FIELD(VALUE_TYPE));
    oxp_rope_end(&e->model, m);
}
