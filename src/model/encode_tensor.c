/* encode_tensor.c - TensorProto: a new header, and its payload behind it or in the data file. */
#include "model/encode.h"
#include "onnx.pb-c.h"

bool oxp_encode_tensor_touched(const oxp_encoder *e, oxp_id tensor) {
    const oxp_tensor *t = &e->m->tensors[tensor];
    if (t->sparse)
        return false;
    return t->dirty || !t->src.len || e->data_off[tensor] != UINT64_MAX ||
           (t->storage == OXP_STORE_EXTERNAL && e->placing != OXP_PLACE_KEEP);
}

static Onnx__StringStringEntryProto *entry(oxp_encoder *e, const char *key, const char *value) {
    Onnx__StringStringEntryProto *p = OXP_NEW(e->arena, Onnx__StringStringEntryProto);
    onnx__string_string_entry_proto__init(p);
    p->key = (char *)key;
    p->value = (char *)value;
    return p;
}

static void set_external(oxp_encoder *e, Onnx__TensorProto *p, oxp_id tensor) {
    p->n_external_data = 3;
    p->external_data = OXP_NEWS(e->arena, 3, Onnx__StringStringEntryProto *);
    p->external_data[0] = entry(e, "location", e->location);
    p->external_data[1] =
        entry(e, "offset", oxp_sprintf(e->arena, "%llu", (unsigned long long)e->data_off[tensor]));
    p->external_data[2] =
        entry(e, "length",
              oxp_sprintf(e->arena, "%llu", (unsigned long long)e->m->tensors[tensor].bytes));
    p->has_data_location = 1;
    p->data_location = ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL;
}

void oxp_encode_tensor(oxp_encoder *e, uint32_t field, oxp_id tensor, const char *name,
                       oxp_span old) {
    const oxp_tensor *t = &e->m->tensors[tensor];
    const uint32_t owned =
        OXP_FIELD(TENSOR_DIMS) | OXP_FIELD(TENSOR_DATA_TYPE) | OXP_FIELD(TENSOR_SEGMENT) |
        OXP_FIELD(TENSOR_FLOAT_DATA) | OXP_FIELD(TENSOR_INT32_DATA) |
        OXP_FIELD(TENSOR_STRING_DATA) | OXP_FIELD(TENSOR_INT64_DATA) | OXP_FIELD(TENSOR_NAME) |
        OXP_FIELD(TENSOR_RAW_DATA) | OXP_FIELD(TENSOR_DOUBLE_DATA) | OXP_FIELD(TENSOR_UINT64_DATA) |
        OXP_FIELD(TENSOR_EXTERNAL_DATA) | OXP_FIELD(TENSOR_DATA_LOCATION);
    Onnx__TensorProto p;
    onnx__tensor_proto__init(&p);
    p.n_dims = (size_t)t->rank;
    p.dims = (int64_t *)t->dims;
    p.has_data_type = 1;
    p.data_type = (int32_t)t->dtype;
    p.name = name && name[0] ? (char *)name : NULL;
    bool external = e->data_off[tensor] != UINT64_MAX;
    if (external)
        set_external(e, &p, tensor);
    else if (!oxp_tensor_readable(e->m, tensor))
        oxp_raise(e->m->ctx, OXP_E_UNSUPPORTED,
                  "%s: tensor '%.120s': its data are not there to save", e->m->path,
                  name ? name : "");
    oxp_open_message m = oxp_rope_begin(&e->model, field);
    oxp_rope_pack(&e->model, &p.base);
    oxp_encode_rest(e, t->src.len ? t->src : old, owned);
    if (!external && t->bytes) {
        oxp_open_message raw = oxp_rope_begin(&e->model, TENSOR_RAW_DATA);
        oxp_rope_tensor(&e->model, tensor, t->bytes);
        oxp_rope_end(&e->model, raw);
    }
    oxp_rope_end(&e->model, m);
}
