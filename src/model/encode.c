/* encode.c - ModelProto, GraphProto and FunctionProto of a changed model: the records of the source
 * in their order, verbatim but for those that changed. */
#include <string.h>

#include "model/encode.h"
#include "onnx.pb-c.h"

void oxp_encode_rest(oxp_encoder *e, oxp_span span, uint32_t owned) {
    oxp_wire_field f;
    for (uint64_t off = span.off; off < span.off + span.len; off = f.next) {
        oxp_wire_next(&e->r, off, &f);
        if (f.number >= 32 || !(owned & OXP_FIELD(f.number)))
            oxp_rope_copy(&e->model, OXP_NONE, f.start, f.next - f.start);
    }
}

/* ---- what is touched ---- */
static void touch_graph(oxp_encoder *e, oxp_id graph) {
    while (!e->graph_touched[graph]) {
        const oxp_graph *g = &e->m->graphs[graph];
        e->graph_touched[graph] = true;
        if (g->kind != OXP_GRAPH_SUB)
            return;
        e->node_touched[g->owner] = true;
        graph = e->m->nodes[g->owner].graph;
    }
}

static bool comes_from_external(const oxp_model *m, oxp_id tensor) {
    for (unsigned depth = 0; m->tensors[tensor].recipe && depth < 100; depth++)
        tensor = m->tensors[tensor].recipe->base;
    return m->tensors[tensor].storage == OXP_STORE_EXTERNAL;
}

enum { EXTERNAL_LEAST = 1024, BIG = 1 << 20, ALIGN_BIG = 4096, ALIGN_SMALL = 64 };

static bool goes_external(const oxp_encoder *e, oxp_id tensor, bool initializer) {
    const oxp_tensor *t = &e->m->tensors[tensor];
    if (t->sparse || t->dtype == OXP_STRING || !t->bytes || e->placing < OXP_PLACE_AS_IS)
        return false;
    if (t->storage == OXP_STORE_EXTERNAL)
        return true;
    if (t->bytes < EXTERNAL_LEAST)
        return false;
    if (e->placing == OXP_PLACE_EXTERNAL && initializer)
        return true;
    return t->src.len == 0 && (initializer || comes_from_external(e->m, tensor));
}

/* Gives the tensor its place in the data file; tensors that share bytes there go on sharing them.
 */
static void place(oxp_encoder *e, oxp_id tensor) {
    const oxp_tensor *t = &e->m->tensors[tensor];
    uint32_t other;
    bool plain = t->storage == OXP_STORE_EXTERNAL;
    uint64_t key = plain ? t->data.off ^ (uint64_t)t->file << 48 : 0;
    if (plain && oxp_map_get(e->placed, key, &other)) {
        const oxp_tensor *o = &e->m->tensors[other];
        if (o->file == t->file && o->data.off == t->data.off && o->data.len == t->data.len) {
            e->data_off[tensor] = e->data_off[other];
            return;
        }
    }
    uint64_t align = t->bytes >= BIG ? ALIGN_BIG : ALIGN_SMALL;
    oxp_rope_zeros(&e->data, (align - e->data.len % align) % align);
    e->data_off[tensor] = e->data.len;
    oxp_rope_tensor(&e->data, tensor, t->bytes);
    if (plain)
        oxp_map_put(e->placed, key, tensor);
}

static bool consider(oxp_encoder *e, oxp_id tensor, bool initializer) {
    if (e->data_off[tensor] == UINT64_MAX && goes_external(e, tensor, initializer))
        place(e, tensor);
    return oxp_encode_tensor_touched(e, tensor);
}

static void consider_node(oxp_encoder *e, oxp_id node) {
    const oxp_node *n = &e->m->nodes[node];
    bool touched = n->dirty || !n->src.len;
    for (uint32_t i = 0; i < n->n_attr; i++) {
        const oxp_attr *a = &n->attrs[i];
        if (a->type == OXP_ATTR_TENSOR)
            touched |= consider(e, a->u.id, false);
        for (size_t k = 0; a->type == OXP_ATTR_TENSORS && k < a->n; k++)
            touched |= consider(e, a->u.ids[k], false);
    }
    if (!touched)
        return;
    e->node_touched[node] = true;
    touch_graph(e, n->graph);
}

/* Entries of value_info that the source does not have. */
static void list_new_info(oxp_encoder *e, oxp_id value) {
    const oxp_value *v = &e->m->values[value];
    if (!v->live || !v->type_dirty || !v->declared || v->src.len || v->is_input)
        return;
    e->infos = oxp_grow(e->arena, e->infos, &e->cap_infos, e->n_infos + 1, sizeof *e->infos);
    e->infos[e->n_infos] = (struct oxp_new_info){value, e->first_info[v->graph]};
    e->first_info[v->graph] = (uint32_t)e->n_infos++;
}

void oxp_encode_prepare(oxp_encoder *e) {
    const oxp_model *m = e->m;
    e->graph_touched = OXP_NEWS(e->arena, m->n_graphs, bool);
    e->node_touched = OXP_NEWS(e->arena, m->n_nodes, bool);
    e->data_off = OXP_NEWS(e->arena, m->n_tensors, uint64_t);
    e->first_info = OXP_NEWS(e->arena, m->n_graphs, uint32_t);
    memset(e->data_off, 0xff, m->n_tensors * sizeof *e->data_off);
    memset(e->first_info, 0xff, m->n_graphs * sizeof *e->first_info);
    e->placed = oxp_map_new(e->arena);
    e->info_at = oxp_map_new(e->arena);
    for (size_t i = 0; i < m->n_graphs; i++) {
        const oxp_graph *g = &m->graphs[i];
        if (!g->live)
            continue;
        bool touched = g->dirty;
        for (uint32_t k = 0; k < g->n_inits; k++)
            if (m->values[g->inits[k]].live)
                touched |= consider(e, m->values[g->inits[k]].tensor, true);
        if (touched)
            touch_graph(e, (oxp_id)i);
    }
    for (size_t i = 0; i < m->n_nodes; i++)
        if (m->nodes[i].live)
            consider_node(e, (oxp_id)i);
    for (size_t i = m->n_values; i-- > 0;) { /* lists come out in the order of ids */
        if (m->values[i].src.len)
            oxp_map_put(e->info_at, m->values[i].src.off, (uint32_t)i);
        list_new_info(e, (oxp_id)i);
    }
}

/* ---- graphs ---- */
/* Fields of the two messages that hold nodes. */
typedef struct layout {
    uint32_t node, info, init, sparse, input, output; /* 0: it has none */
} layout;
static const layout graph_layout = {GRAPH_NODE,        GRAPH_VALUE_INFO,
                                    GRAPH_INITIALIZER, GRAPH_SPARSE_INITIALIZER,
                                    GRAPH_INPUT,       GRAPH_OUTPUT};
static const layout function_layout = {FUNCTION_NODE, FUNCTION_VALUE_INFO, 0, 0, 0, 0};

typedef struct node_record {
    uint64_t start, off, next;
} node_record;

typedef struct graph_encoder {
    oxp_encoder *e;
    const oxp_graph *g;
    const layout *l;
    unsigned depth;
    node_record *nodes; /* of the source, by offset */
    size_t n_nodes, cap_nodes;
    bool nodes_done;
    oxp_map *inits, *inputs, *outputs; /* by name */
    oxp_map *inits_done, *inputs_done; /* written already */
} graph_encoder;

static void find_nodes(graph_encoder *x) {
    oxp_wire_field f;
    oxp_span s = x->g->src;
    for (uint64_t off = s.off; off < s.off + s.len; off = f.next) {
        oxp_wire_next(&x->e->r, off, &f);
        if (f.number != x->l->node)
            continue;
        x->nodes = oxp_grow(x->e->arena, x->nodes, &x->cap_nodes, x->n_nodes + 1, sizeof *x->nodes);
        x->nodes[x->n_nodes++] = (node_record){f.start, f.off, f.next};
    }
}

static const node_record *node_at(const graph_encoder *x, uint64_t off) {
    size_t low = 0, high = x->n_nodes;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (x->nodes[mid].off < off)
            low = mid + 1;
        else
            high = mid;
    }
    return low < x->n_nodes && x->nodes[low].off == off ? &x->nodes[low] : NULL;
}

static void encode_nodes(graph_encoder *x) {
    const oxp_model *m = x->e->m;
    for (oxp_id n = x->g->first; n != OXP_NONE; n = m->nodes[n].next) {
        const oxp_node *node = &m->nodes[n];
        const node_record *r =
            node->src.len && !x->e->node_touched[n] ? node_at(x, node->src.off) : NULL;
        if (r)
            oxp_rope_copy(&x->e->model, OXP_NONE, r->start, r->next - r->start);
        else
            oxp_encode_node(x->e, x->l->node, n, x->depth);
    }
    x->nodes_done = true;
}

static oxp_map *by_name(graph_encoder *x, const oxp_id *ids, uint32_t n) {
    oxp_map *map = oxp_map_new(x->e->arena);
    for (uint32_t i = 0; i < n; i++)
        oxp_map_set(map, (uintptr_t)x->e->m->values[ids[i]].name, ids[i]);
    return map;
}

/* The interned text of a field inside a message; NULL when it is not a name of the model. */
static const char *name_in(oxp_encoder *e, const oxp_wire_field *message, uint32_t field) {
    const char *name = NULL;
    oxp_wire_field f;
    for (uint64_t off = message->off; off < message->next; off = f.next) {
        oxp_wire_next(&e->r, off, &f);
        if (f.number != field || f.wire != OXP_WIRE_LEN)
            continue;
        char *text = oxp_alloc(e->arena, 1, (size_t)f.value + 1);
        oxp_source_read(e->m->source, f.off, text, (size_t)f.value);
        name = oxp_intern_find(e->m->names, text, (size_t)f.value);
    }
    return name;
}

static void verbatim(graph_encoder *x, const oxp_wire_field *f) {
    oxp_rope_copy(&x->e->model, OXP_NONE, f->start, f->next - f->start);
}

static void encode_init(graph_encoder *x, const oxp_wire_field *f) {
    oxp_encoder *e = x->e;
    uint32_t id;
    const char *name = name_in(e, f, TENSOR_NAME);
    if (!name || !oxp_map_get(x->inits, (uintptr_t)name, &id)) {
        verbatim(x, f);
        return;
    }
    const oxp_value *v = &e->m->values[id];
    if (!v->live)
        return;
    oxp_map_put(x->inits_done, id, 1);
    if (e->m->tensors[v->tensor].src.off == f->off && !oxp_encode_tensor_touched(e, v->tensor))
        verbatim(x, f);
    else
        oxp_encode_tensor(e, f->number, v->tensor, v->name, (oxp_span){f->off, f->value});
}

/* Sparse initializers are kept or dropped. */
static void encode_sparse(graph_encoder *x, const oxp_wire_field *f) {
    const oxp_model *m = x->e->m;
    for (uint32_t i = 0; i < x->g->n_inits; i++) {
        const oxp_value *v = &m->values[x->g->inits[i]];
        const oxp_tensor *t = v->tensor == OXP_NONE ? NULL : &m->tensors[v->tensor];
        if (!t || !t->sparse || t->src.off != f->off)
            continue;
        if (!v->live)
            return;
        oxp_map_put(x->inits_done, x->g->inits[i], 1);
    }
    verbatim(x, f);
}

static void encode_listed(graph_encoder *x, const oxp_wire_field *f, const oxp_map *listed) {
    uint32_t id;
    const char *name = name_in(x->e, f, VALUE_NAME);
    if (!name || !oxp_map_get(listed, (uintptr_t)name, &id)) {
        if (f->number != x->l->input)
            verbatim(x, f); /* an inner graph's output that is an outer value */
        return;             /* an initializer of IR version 3 that is gone */
    }
    if (f->number == x->l->input)
        oxp_map_put(x->inputs_done, id, 1);
    if (x->e->m->values[id].type_dirty &&
        x->e->m->values[id].graph == (oxp_id)(x->g - x->e->m->graphs))
        oxp_encode_value(x->e, f->number, id, (oxp_span){f->off, f->value});
    else
        verbatim(x, f);
}

static void encode_info(graph_encoder *x, const oxp_wire_field *f) {
    uint32_t id;
    if (!oxp_map_get(x->e->info_at, f->off, &id)) {
        verbatim(x, f);
        return;
    }
    const oxp_value *v = &x->e->m->values[id];
    if (!v->live || (v->type_dirty && !v->declared))
        return;
    if (v->type_dirty)
        oxp_encode_value(x->e, f->number, id, (oxp_span){f->off, f->value});
    else
        verbatim(x, f);
}

/* What the source does not have. */
static void encode_new(graph_encoder *x) {
    oxp_encoder *e = x->e;
    uint32_t seen;
    for (uint32_t i = 0; i < x->g->n_inits && x->l->init; i++) {
        oxp_id id = x->g->inits[i];
        const oxp_value *v = &e->m->values[id];
        if (v->live && !oxp_map_get(x->inits_done, id, &seen) && !e->m->tensors[v->tensor].sparse)
            oxp_encode_tensor(e, x->l->init, v->tensor, v->name, (oxp_span){0, 0});
    }
    for (uint32_t i = 0; i < x->g->n_inputs && x->l->input; i++) {
        oxp_id id = x->g->inputs[i];
        if (e->m->values[id].declared && !oxp_map_get(x->inputs_done, id, &seen))
            oxp_encode_value(e, x->l->input, id, (oxp_span){0, 0});
    }
    for (uint32_t i = e->first_info[x->g - e->m->graphs]; i != UINT32_MAX; i = e->infos[i].next) {
        oxp_id id = e->infos[i].value;
        uintptr_t name = (uintptr_t)e->m->values[id].name;
        /* An output of a graph says its type itself; a function lists no types but these. */
        if (!x->l->output || !oxp_map_get(x->outputs, name, &seen) || seen != id)
            oxp_encode_value(e, x->l->info, id, (oxp_span){0, 0});
    }
}

static void encode_record(graph_encoder *x, const oxp_wire_field *f) {
    const layout *l = x->l;
    if (f->number == l->node) {
        if (!x->nodes_done)
            encode_nodes(x);
    } else if (f->number == l->init) {
        encode_init(x, f);
    } else if (f->number == l->sparse) {
        encode_sparse(x, f);
    } else if (f->number == l->input) {
        encode_listed(x, f, x->inputs);
    } else if (f->number == l->output) {
        encode_listed(x, f, x->outputs);
    } else if (f->number == l->info) {
        encode_info(x, f);
    } else {
        verbatim(x, f);
    }
}

void oxp_encode_graph(oxp_encoder *e, uint32_t field, oxp_id graph, unsigned depth) {
    const oxp_graph *g = &e->m->graphs[graph];
    graph_encoder x = {.e = e, .g = g, .depth = depth};
    oxp_wire_field f;
    if (depth > OXP_DEPTH_MAX)
        oxp_raise(e->m->ctx, OXP_E_LIMIT, "%s: graphs are nested too deeply", e->m->path);
    x.l = g->kind == OXP_GRAPH_FUNCTION ? &function_layout : &graph_layout;
    x.inits = by_name(&x, g->inits, g->n_inits);
    x.inputs = by_name(&x, g->inputs, g->n_inputs);
    x.outputs = by_name(&x, g->outputs, g->n_outputs);
    x.inits_done = oxp_map_new(e->arena);
    x.inputs_done = oxp_map_new(e->arena);
    find_nodes(&x);
    oxp_open_message m = oxp_rope_begin(&e->model, field);
    for (uint64_t off = g->src.off; off < g->src.off + g->src.len; off = f.next) {
        oxp_wire_next(&e->r, off, &f);
        encode_record(&x, &f);
    }
    if (!x.nodes_done)
        encode_nodes(&x);
    encode_new(&x);
    oxp_rope_end(&e->model, m);
}

/* ---- the model ---- */
static void encode_opsets(oxp_encoder *e) {
    for (size_t i = 0; i < e->m->n_opsets; i++) {
        Onnx__OperatorSetIdProto p;
        onnx__operator_set_id_proto__init(&p);
        p.domain = (char *)e->m->opsets[i].domain;
        p.has_version = 1;
        p.version = e->m->opsets[i].version;
        oxp_rope_message(&e->model, MODEL_OPSET_IMPORT, &p.base);
    }
}

void oxp_encode_model(oxp_encoder *e) {
    const oxp_model *m = e->m;
    size_t function = 0;
    bool opsets_done = false;
    oxp_wire_field f;
    for (uint64_t off = 0; off < m->file_bytes; off = f.next) {
        oxp_wire_next(&e->r, off, &f);
        oxp_id graph = OXP_NONE;
        if (f.number == MODEL_GRAPH)
            graph = OXP_MAIN_GRAPH;
        if (f.number == MODEL_FUNCTIONS && function < m->n_functions)
            graph = m->functions[function++].graph;
        if (f.number == MODEL_OPSET_IMPORT && m->opsets_dirty) {
            if (!opsets_done)
                encode_opsets(e);
            opsets_done = true;
        } else if (graph != OXP_NONE && e->graph_touched[graph]) {
            oxp_encode_graph(e, f.number, graph, 0);
        } else {
            oxp_rope_copy(&e->model, OXP_NONE, f.start, f.next - f.start);
        }
    }
    if (m->opsets_dirty && !opsets_done)
        encode_opsets(e);
}
