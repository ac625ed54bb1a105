/* load_node.c - NodeProto and AttributeProto. */
#include <string.h>

#include "model/load.h"
#include "ops/op.h"

/* ---- attributes ---- */

/* The field that holds the value of each attribute type. */
static const uint8_t value_field[] = {
    [OXP_ATTR_FLOAT] = ATTR_F,
    [OXP_ATTR_INT] = ATTR_I,
    [OXP_ATTR_STRING] = ATTR_S,
    [OXP_ATTR_TENSOR] = ATTR_T,
    [OXP_ATTR_GRAPH] = ATTR_G,
    [OXP_ATTR_FLOATS] = ATTR_FLOATS,
    [OXP_ATTR_INTS] = ATTR_INTS,
    [OXP_ATTR_STRINGS] = ATTR_STRINGS,
    [OXP_ATTR_TENSORS] = ATTR_TENSORS,
    [OXP_ATTR_GRAPHS] = ATTR_GRAPHS,
    [OXP_ATTR_SPARSE_TENSOR] = ATTR_SPARSE_TENSOR,
    [OXP_ATTR_SPARSE_TENSORS] = ATTR_SPARSE_TENSORS,
    [OXP_ATTR_TYPE_PROTO] = ATTR_TP,
    [OXP_ATTR_TYPE_PROTOS] = ATTR_TYPE_PROTOS,
};
enum { N_ATTR_TYPES = sizeof value_field / sizeof *value_field };

static const uint32_t kept_fields =
    OXP_FIELD(ATTR_NAME) | OXP_FIELD(ATTR_F) | OXP_FIELD(ATTR_I) | OXP_FIELD(ATTR_S) |
    OXP_FIELD(ATTR_FLOATS) | OXP_FIELD(ATTR_INTS) | OXP_FIELD(ATTR_STRINGS) | OXP_FIELD(ATTR_TP) |
    OXP_FIELD(ATTR_TYPE_PROTOS) | OXP_FIELD(ATTR_TYPE) | OXP_FIELD(ATTR_REF_ATTR_NAME);

/* Fields with a value that are present; *children counts tensors and graphs of list fields. */
static uint32_t present(oxp_loader *l, oxp_span span, size_t *children) {
    uint32_t all = 0, seen = 0;
    oxp_wire_field f;
    *children = 0;
    for (unsigned t = 1; t < N_ATTR_TYPES; t++)
        all |= OXP_FIELD(value_field[t]);
    for (uint64_t off = span.off; off < span.off + span.len; off = f.next) {
        oxp_wire_next(&l->r, off, &f);
        if (f.number > OXP_FIELD_MAX)
            continue;
        seen |= all & OXP_FIELD(f.number);
        *children +=
            f.number == ATTR_TENSORS || f.number == ATTR_GRAPHS || f.number == ATTR_SPARSE_TENSORS;
    }
    return seen;
}

/* The declared type, checked against the fields; IR 1 had none, so it may follow from the field. */
static oxp_attr_type attr_type(oxp_loader *l, const Onnx__AttributeProto *msg, uint32_t seen,
                               const char *what, uint64_t off) {
    uint32_t type = msg->has_type ? (uint32_t)msg->type : OXP_ATTR_UNDEFINED;
    bool ref = msg->ref_attr_name && msg->ref_attr_name[0];
    if (type >= N_ATTR_TYPES)
        OXP_BAD(l, what, off, "attribute type %d is unknown", (int)type);
    if (type == OXP_ATTR_UNDEFINED) {
        /* onnx.proto, IR_VERSION_2017_10_30: the type is part of an attribute */
        if (l->m->ir_version >= 2 && !ref)
            oxp_diagnose(l->ctx, OXP_ERROR, "type-missing", msg->name,
                         "the attribute does not say of which type it is");
        for (uint32_t t = 1; t < N_ATTR_TYPES; t++)
            if (seen == OXP_FIELD(value_field[t]))
                return (oxp_attr_type)t;
        if (ref && !seen)
            return OXP_ATTR_UNDEFINED;
        OXP_BAD(l, what, off, "neither a type nor one value tells its type");
    }
    uint32_t own = OXP_FIELD(value_field[type]);
    if (seen & ~own)
        OXP_BAD(l, what, off, "it holds a value of another type than it declares");
    bool must = type == OXP_ATTR_TENSOR || type == OXP_ATTR_GRAPH ||
                type == OXP_ATTR_SPARSE_TENSOR || type == OXP_ATTR_TYPE_PROTO;
    if (must && !seen && !ref)
        OXP_BAD(l, what, off, "it has no value");
    return (oxp_attr_type)type;
}

static oxp_bytes copy_bytes(oxp_loader *l, ProtobufCBinaryData b) {
    return (oxp_bytes){oxp_memdup0(l->m->arena, b.data ? b.data : (const void *)"", b.len), b.len};
}

/* An array in the model's arena; NULL when empty. */
static void *copy_array(oxp_loader *l, const void *p, size_t n, size_t size) {
    return n ? memcpy(oxp_alloc(l->m->arena, n, size), p, n * size) : NULL;
}

static void attr_types(oxp_loader *l, oxp_attr *a, const Onnx__AttributeProto *msg,
                       const char *what, uint64_t off) {
    bool list = a->type == OXP_ATTR_TYPE_PROTOS;
    size_t n = list ? msg->n_type_protos : 1;
    oxp_type *types = n ? OXP_NEWS(l->m->arena, n, oxp_type) : NULL;
    for (size_t i = 0; i < n; i++) {
        const oxp_type *t =
            oxp_load_type(l, list ? msg->type_protos[i] : msg->tp, (oxp_dim_names){0}, what, off);
        if (t)
            types[i] = *t;
    }
    a->n = list ? n : 0;
    a->u.type = types;
}

static void attr_strings(oxp_loader *l, oxp_attr *a, const Onnx__AttributeProto *msg) {
    oxp_bytes *s = msg->n_strings ? OXP_NEWS(l->m->arena, msg->n_strings, oxp_bytes) : NULL;
    for (size_t i = 0; i < msg->n_strings; i++)
        s[i] = copy_bytes(l, msg->strings[i]);
    a->n = msg->n_strings;
    a->u.strings = s;
}

static void attr_value(oxp_loader *l, oxp_attr *a, const Onnx__AttributeProto *msg, size_t children,
                       const char *what, uint64_t off) {
    switch (a->type) {
    case OXP_ATTR_FLOAT:
        a->u.f = msg->f;
        break;
    case OXP_ATTR_INT:
        a->u.i = msg->i;
        break;
    case OXP_ATTR_STRING:
        a->u.s = copy_bytes(l, msg->s);
        break;
    case OXP_ATTR_FLOATS:
        a->n = msg->n_floats;
        a->u.floats = copy_array(l, msg->floats, msg->n_floats, sizeof *msg->floats);
        break;
    case OXP_ATTR_INTS:
        a->n = msg->n_ints;
        a->u.ints = copy_array(l, msg->ints, msg->n_ints, sizeof *msg->ints);
        break;
    case OXP_ATTR_STRINGS:
        attr_strings(l, a, msg);
        break;
    case OXP_ATTR_TYPE_PROTO:
    case OXP_ATTR_TYPE_PROTOS:
        attr_types(l, a, msg, what, off);
        break;
    case OXP_ATTR_TENSORS: /* n counts up while the elements arrive: oxp_load_attr_child */
    case OXP_ATTR_GRAPHS:
    case OXP_ATTR_SPARSE_TENSORS:
        a->u.ids = children ? OXP_NEWS(l->m->arena, children, oxp_id) : NULL;
        break;
    default:
        a->u.id = OXP_NONE;
        break;
    }
}

void oxp_load_attr(oxp_loader *l, oxp_attr *a, oxp_span span, bool in_function) {
    size_t children;
    uint32_t seen = present(l, span, &children);
    const Onnx__AttributeProto *msg =
        oxp_load_unpack(l, &onnx__attribute_proto__descriptor, span, kept_fields);
    const char *what = "attribute";
    if (!msg->name || !msg->name[0])
        OXP_BAD(l, what, span.off, "it has no name");
    a->name = oxp_load_intern(l, msg->name);
    a->src = span;
    if (msg->ref_attr_name && msg->ref_attr_name[0]) {
        if (!in_function)
            OXP_BAD(l, what, span.off, "'%.120s' refers to an attribute of a function outside one",
                    a->name);
        a->ref = oxp_load_intern(l, msg->ref_attr_name);
    }
    a->type = attr_type(l, msg, seen, what, span.off);
    attr_value(l, a, msg, children, what, span.off);
}

void oxp_load_attr_child(oxp_attr *a, oxp_id id) {
    if (a->type == OXP_ATTR_TENSOR || a->type == OXP_ATTR_SPARSE_TENSOR ||
        a->type == OXP_ATTR_GRAPH)
        a->u.id = id;
    else /* the array was made for as many as there are */
        ((oxp_id *)a->u.ids)[a->n++] = id;
}

void oxp_load_check_attrs(oxp_loader *l, const oxp_attr *a, size_t n, const char *what,
                          uint64_t off) {
    enum { FEW = 16 };
    oxp_map *seen = n > FEW ? oxp_map_new(l->temp) : NULL;
    for (size_t i = 0; i < n; i++) {
        bool twice = seen && !oxp_map_put(seen, (uintptr_t)a[i].name, 1);
        for (size_t k = 0; !seen && k < i; k++)
            twice |= a[k].name == a[i].name;
        if (twice)
            OXP_BAD(l, what, off, "attribute '%.120s' is given twice", a[i].name);
    }
}

/* ---- nodes ---- */

/* Room for the ids of a node's inputs or outputs. */
static oxp_id *id_array(oxp_loader *l, size_t n) {
    enum { BLOCK = 16384 };
    if (!n)
        return NULL;
    if (n > BLOCK / 16)
        return OXP_NEWS(l->m->arena, n, oxp_id);
    if (n > l->pool_left) {
        l->pool = OXP_NEWS(l->m->arena, BLOCK, oxp_id);
        l->pool_left = BLOCK;
    }
    oxp_id *p = l->pool;
    l->pool += n;
    l->pool_left -= n;
    return p;
}

/* Names become symbol numbers here, and value ids in resolve.c. */
static const oxp_id *symbols(oxp_loader *l, char **names, size_t n) {
    oxp_id *ids = id_array(l, n);
    for (size_t i = 0; i < n; i++)
        ids[i] = oxp_load_symbol(l, names[i]);
    return ids;
}

/* What the walk over a NodeProto's fields finds. */
typedef struct node_fields {
    size_t attrs;
    oxp_span overload;
} node_fields;

static node_fields look_at(oxp_loader *l, oxp_span span) {
    node_fields n = {0};
    oxp_wire_field f;
    for (uint64_t off = span.off; off < span.off + span.len; off = f.next) {
        oxp_wire_next(&l->r, off, &f);
        if (f.number == NODE_ATTRIBUTE)
            n.attrs++;
        else if (f.number == NODE_OVERLOAD)
            n.overload = (oxp_span){f.off, f.value};
    }
    return n;
}

static oxp_attr *attributes(oxp_loader *l, const oxp_node *node, size_t n, bool in_function) {
    oxp_span span = node->src;
    oxp_attr *attrs = n ? OXP_NEWS(l->m->arena, n, oxp_attr) : NULL;
    oxp_wire_field f;
    size_t i = 0;
    for (uint64_t off = span.off; i < n; off = f.next) {
        oxp_wire_next(&l->r, off, &f);
        if (f.number != NODE_ATTRIBUTE)
            continue;
        oxp_mark mark = oxp_arena_mark(l->temp);
        oxp_load_attr(l, &attrs[i++], (oxp_span){f.off, f.value}, in_function);
        oxp_arena_rewind(l->temp, mark);
    }
    if (n > 1)
        oxp_load_check_attrs(l, attrs, n, oxp_load_what(l, node), span.off);
    return attrs;
}

const char *oxp_load_what(oxp_loader *l, const oxp_node *n) {
    return oxp_sprintf(l->temp, "node '%.120s' (%.120s)", n->name, n->op);
}

static const char *overload_name(oxp_loader *l, oxp_span span) {
    if (!span.len)
        return l->symbols[l->empty];
    char *text = oxp_alloc(l->temp, span.len + 1, 1);
    oxp_source_read(l->r.src, span.off, text, span.len);
    return oxp_load_intern(l, text);
}

void oxp_load_node(oxp_loader *l, oxp_rec *rec, oxp_id graph) {
    oxp_span span = {rec->off, rec->len};
    oxp_mark mark = oxp_arena_mark(l->temp);
    node_fields fields = look_at(l, span);
    const Onnx__NodeProto *msg =
        oxp_load_unpack(l, &onnx__node_proto__descriptor, span,
                        OXP_FIELD(NODE_INPUT) | OXP_FIELD(NODE_OUTPUT) | OXP_FIELD(NODE_NAME) |
                            OXP_FIELD(NODE_OP_TYPE) | OXP_FIELD(NODE_DOMAIN));
    oxp_id id = oxp_model_add_node(l->m);
    oxp_node *n = &l->m->nodes[id];
    rec->id = id;
    n->op = oxp_load_intern(l, msg->op_type);
    n->name = oxp_load_intern(l, msg->name);
    if (!n->op[0])
        OXP_BAD(l, oxp_sprintf(l->temp, "node '%.120s'", n->name), span.off,
                "it has no operator type");
    if (!msg->n_input && !msg->n_output)
        OXP_BAD(l, oxp_load_what(l, n), span.off, "it has neither inputs nor outputs");
    if (msg->n_input >= OXP_NONE || msg->n_output >= OXP_NONE || fields.attrs >= OXP_NONE)
        OXP_BAD(l, oxp_load_what(l, n), span.off,
                "it has more than 2^32 inputs, outputs or attributes");
    n->domain = oxp_load_domain(l, msg->domain);
    n->overload = overload_name(l, fields.overload);
    n->graph = graph;
    n->in = symbols(l, msg->input, msg->n_input);
    n->n_in = (uint32_t)msg->n_input;
    n->out = symbols(l, msg->output, msg->n_output);
    n->n_out = (uint32_t)msg->n_output;
    l->n_uses += n->n_in;
    l->n_outputs += n->n_out;
    n->src = span;
    n->live = true;
    n->file_index = l->m->graphs[graph].n_nodes;
    bool in_function = l->m->graphs[l->graphs[graph].root].kind == OXP_GRAPH_FUNCTION;
    n->attrs = attributes(l, n, fields.attrs, in_function);
    n->n_attr = (uint32_t)fields.attrs;
    oxp_model_link_after(l->m, id, l->m->graphs[graph].last);
    oxp_arena_rewind(l->temp, mark);
}
