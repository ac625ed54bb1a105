/* encode_node.c - NodeProto and AttributeProto. */
#include "model/encode.h"
#include "onnx.pb-c.h"

/* ---- attributes ---- */
static bool attr_touched(const oxp_encoder *e, const oxp_attr *a) {
    bool touched = !a->src.len;
    switch (a->type) {
    case OXP_ATTR_TENSOR:
        return touched || oxp_encode_tensor_touched(e, a->u.id);
    case OXP_ATTR_GRAPH:
        return touched || e->graph_touched[a->u.id];
    case OXP_ATTR_TENSORS:
        for (size_t i = 0; i < a->n; i++)
            touched |= oxp_encode_tensor_touched(e, a->u.ids[i]);
        return touched;
    case OXP_ATTR_GRAPHS:
        for (size_t i = 0; i < a->n; i++)
            touched |= e->graph_touched[a->u.ids[i]];
        return touched;
    default:
        return touched;
    }
}

/* Everything but tensors and graphs, which are streamed. */
static void pack_simple(oxp_encoder *e, const oxp_attr *a) {
    Onnx__AttributeProto p;
    onnx__attribute_proto__init(&p);
    p.name = (char *)a->name;
    p.ref_attr_name = (char *)a->ref;
    p.has_type = 1;
    p.type = (Onnx__AttributeProto__AttributeType)a->type;
    switch (a->type) {
    case OXP_ATTR_INT:
        p.has_i = 1;
        p.i = a->u.i;
        break;
    case OXP_ATTR_FLOAT:
        p.has_f = 1;
        p.f = a->u.f;
        break;
    case OXP_ATTR_STRING:
        p.has_s = 1;
        p.s.data = (uint8_t *)a->u.s.data;
        p.s.len = a->u.s.len;
        break;
    case OXP_ATTR_INTS:
        p.n_ints = a->n;
        p.ints = (int64_t *)a->u.ints;
        break;
    case OXP_ATTR_FLOATS:
        p.n_floats = a->n;
        p.floats = (float *)a->u.floats;
        break;
    case OXP_ATTR_STRINGS:
        p.n_strings = a->n;
        p.strings = OXP_NEWS(e->arena, a->n, ProtobufCBinaryData);
        for (size_t i = 0; i < a->n; i++) {
            p.strings[i].data = (uint8_t *)a->u.strings[i].data;
            p.strings[i].len = a->u.strings[i].len;
        }
        break;
    default:
        break;
    }
    oxp_rope_pack(&e->model, &p.base);
}

static void encode_new_attr(oxp_encoder *e, const oxp_attr *a) {
    oxp_open_message m = oxp_rope_begin(&e->model, NODE_ATTRIBUTE);
    pack_simple(e, a);
    if (a->type == OXP_ATTR_TENSOR)
        oxp_encode_tensor(e, ATTR_T, a->u.id, e->m->tensors[a->u.id].name, (oxp_span){0, 0});
    oxp_rope_end(&e->model, m);
}

/* An attribute of the source in which a tensor or graph has changed. */
static void encode_changed_attr(oxp_encoder *e, const oxp_attr *a, unsigned depth) {
    size_t k = 0;
    oxp_wire_field f;
    oxp_open_message m = oxp_rope_begin(&e->model, NODE_ATTRIBUTE);
    for (uint64_t off = a->src.off; off < a->src.off + a->src.len; off = f.next) {
        oxp_wire_next(&e->r, off, &f);
        bool one = f.number == ATTR_T || f.number == ATTR_G;
        bool many = f.number == ATTR_TENSORS || f.number == ATTR_GRAPHS;
        oxp_id id = one ? a->u.id : many && k < a->n ? a->u.ids[k++] : OXP_NONE;
        bool tensor = f.number == ATTR_T || f.number == ATTR_TENSORS;
        if (id != OXP_NONE && tensor && oxp_encode_tensor_touched(e, id))
            oxp_encode_tensor(e, f.number, id, e->m->tensors[id].name, (oxp_span){0, 0});
        else if (id != OXP_NONE && !tensor && e->graph_touched[id])
            oxp_encode_graph(e, f.number, id, depth + 1);
        else
            oxp_rope_copy(&e->model, OXP_NONE, f.start, f.next - f.start);
    }
    oxp_rope_end(&e->model, m);
}

static void encode_attr(oxp_encoder *e, const oxp_attr *a, unsigned depth) {
    if (!a->src.len) {
        encode_new_attr(e, a);
    } else if (attr_touched(e, a)) {
        encode_changed_attr(e, a, depth);
    } else {
        oxp_open_message m = oxp_rope_begin(&e->model, NODE_ATTRIBUTE);
        oxp_rope_copy(&e->model, OXP_NONE, a->src.off, a->src.len);
        oxp_rope_end(&e->model, m);
    }
}

/* ---- nodes ---- */
static char **names_of(oxp_encoder *e, const oxp_id *ids, uint32_t n) {
    char **names = OXP_NEWS(e->arena, n, char *);
    for (uint32_t i = 0; i < n; i++)
        names[i] = ids[i] == OXP_NONE ? (char *)"" : (char *)e->m->values[ids[i]].name;
    return names;
}

static void encode_dirty(oxp_encoder *e, const oxp_node *n, unsigned depth) {
    uint32_t owned = OXP_FIELD(NODE_INPUT) | OXP_FIELD(NODE_OUTPUT) | OXP_FIELD(NODE_NAME) |
                     OXP_FIELD(NODE_OP_TYPE) | OXP_FIELD(NODE_DOMAIN) | OXP_FIELD(NODE_ATTRIBUTE);
    Onnx__NodeProto p;
    onnx__node_proto__init(&p);
    p.n_input = n->n_in;
    p.input = names_of(e, n->in, n->n_in);
    p.n_output = n->n_out;
    p.output = names_of(e, n->out, n->n_out);
    p.name = n->name[0] ? (char *)n->name : NULL;
    p.op_type = (char *)n->op;
    p.domain = n->domain[0] ? (char *)n->domain : NULL;
    oxp_rope_pack(&e->model, &p.base);
    if (!n->overload || !n->overload[0])
        owned |= OXP_FIELD(NODE_OVERLOAD); /* of the operator that the node had before */
    oxp_encode_rest(e, n->src, owned);
    for (uint32_t i = 0; i < n->n_attr; i++)
        encode_attr(e, &n->attrs[i], depth);
}

/* The node itself is as it was; something inside an attribute is not. */
static void encode_inner(oxp_encoder *e, const oxp_node *n, unsigned depth) {
    oxp_wire_field f;
    for (uint64_t off = n->src.off; off < n->src.off + n->src.len; off = f.next) {
        const oxp_attr *changed = NULL;
        oxp_wire_next(&e->r, off, &f);
        for (uint32_t i = 0; i < n->n_attr && f.number == NODE_ATTRIBUTE && !changed; i++)
            if (n->attrs[i].src.off == f.off && attr_touched(e, &n->attrs[i]))
                changed = &n->attrs[i];
        if (changed)
            encode_attr(e, changed, depth);
        else
            oxp_rope_copy(&e->model, OXP_NONE, f.start, f.next - f.start);
    }
}

void oxp_encode_node(oxp_encoder *e, uint32_t field, oxp_id node, unsigned depth) {
    const oxp_node *n = &e->m->nodes[node];
    oxp_open_message m = oxp_rope_begin(&e->model, field);
    if (n->dirty || !n->src.len)
        encode_dirty(e, n, depth);
    else
        encode_inner(e, n, depth);
    oxp_rope_end(&e->model, m);
}
