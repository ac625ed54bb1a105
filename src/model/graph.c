/* graph.c - the arrays of a model: adding to them, linking, and the accessors of model.h. */
#include <string.h>

#include "base/intern.h"
#include "model/model_impl.h"

/* ---- adding ---- */

void oxp_model_reserve(oxp_model *m, size_t graphs, size_t nodes, size_t values, size_t tensors,
                       size_t uses, size_t functions) {
#define RESERVE(array, cap, n)                                                                     \
    if ((n) > m->cap)                                                                              \
    m->array = oxp_grow(m->arena, m->array, &m->cap, (n), sizeof *m->array)
    RESERVE(graphs, cap_graphs, graphs);
    RESERVE(nodes, cap_nodes, nodes);
    RESERVE(values, cap_values, values);
    RESERVE(tensors, cap_tensors, tensors);
    RESERVE(uses, cap_uses, uses);
    RESERVE(functions, cap_functions, functions);
#undef RESERVE
}

static oxp_id next_id(oxp_model *m, size_t n, const char *what) {
    if (n >= OXP_NONE)
        oxp_raise(m->ctx, OXP_E_LIMIT, "%s: more than 2^32 %s", m->path, what);
    return (oxp_id)n;
}

oxp_id oxp_model_add_node(oxp_model *m) {
    oxp_id id = next_id(m, m->n_nodes, "nodes");
    oxp_model_reserve(m, 0, m->n_nodes + 1, 0, 0, 0, 0);
    m->nodes[m->n_nodes++] =
        (oxp_node){.graph = OXP_NONE, .prev = OXP_NONE, .next = OXP_NONE, .function = OXP_NONE};
    return id;
}

oxp_id oxp_model_add_value(oxp_model *m) {
    oxp_id id = next_id(m, m->n_values, "values");
    oxp_model_reserve(m, 0, 0, m->n_values + 1, 0, 0, 0);
    m->values[m->n_values++] = (oxp_value){.graph = OXP_NONE,
                                           .producer = OXP_NONE,
                                           .tensor = OXP_NONE,
                                           .first_use = OXP_NONE,
                                           .last_use = OXP_NONE};
    return id;
}

oxp_id oxp_model_add_tensor(oxp_model *m) {
    oxp_id id = next_id(m, m->n_tensors, "tensors");
    oxp_model_reserve(m, 0, 0, 0, m->n_tensors + 1, 0, 0);
    m->tensors[m->n_tensors++] = (oxp_tensor){.name = ""};
    return id;
}

oxp_id oxp_model_add_graph(oxp_model *m) {
    oxp_id id = next_id(m, m->n_graphs, "graphs");
    oxp_model_reserve(m, m->n_graphs + 1, 0, 0, 0, 0, 0);
    m->graphs[m->n_graphs++] =
        (oxp_graph){.name = "", .owner = OXP_NONE, .attr = "", .first = OXP_NONE, .last = OXP_NONE};
    return id;
}

oxp_id oxp_model_add_function(oxp_model *m) {
    oxp_id id = next_id(m, m->n_functions, "functions");
    oxp_model_reserve(m, 0, 0, 0, 0, 0, m->n_functions + 1);
    m->functions[m->n_functions++] = (oxp_function){.graph = OXP_NONE};
    return id;
}

void oxp_model_add_use(oxp_model *m, oxp_id value, oxp_id node, uint32_t slot) {
    oxp_id id = next_id(m, m->n_uses, "uses");
    oxp_model_reserve(m, 0, 0, 0, 0, m->n_uses + 1, 0);
    oxp_value *v = &m->values[value];
    m->uses[m->n_uses++] = (oxp_use){node, slot, OXP_NONE, v->last_use};
    if (v->last_use == OXP_NONE)
        v->first_use = id;
    else
        m->uses[v->last_use].next = id;
    v->last_use = id;
    v->n_uses++;
}

/* The record of a use, looked for from both ends: whoever drops many nodes goes along the list. */
static oxp_id find_use(const oxp_model *m, const oxp_value *v, oxp_id node, uint32_t slot) {
    oxp_id front = v->first_use, back = v->last_use;
    while (front != OXP_NONE && back != OXP_NONE) {
        if (m->uses[front].node == node && m->uses[front].slot == slot)
            return front;
        if (m->uses[back].node == node && m->uses[back].slot == slot)
            return back;
        front = m->uses[front].next;
        back = m->uses[back].prev;
    }
    return OXP_NONE;
}

void oxp_model_remove_use(oxp_model *m, oxp_id value, oxp_id node, uint32_t slot) {
    oxp_value *v = &m->values[value];
    oxp_id id = find_use(m, v, node, slot);
    if (id == OXP_NONE)
        return;
    const oxp_use *u = &m->uses[id];
    if (u->prev == OXP_NONE)
        v->first_use = u->next;
    else
        m->uses[u->prev].next = u->next;
    if (u->next == OXP_NONE)
        v->last_use = u->prev;
    else
        m->uses[u->next].prev = u->prev;
    v->n_uses--;
}

void oxp_model_link_after(oxp_model *m, oxp_id node, oxp_id after) {
    oxp_node *n = &m->nodes[node];
    oxp_graph *g = &m->graphs[n->graph];
    n->prev = after;
    n->next = after == OXP_NONE ? g->first : m->nodes[after].next;
    if (after == OXP_NONE)
        g->first = node;
    else
        m->nodes[after].next = node;
    if (n->next == OXP_NONE)
        g->last = node;
    else
        m->nodes[n->next].prev = node;
    g->n_nodes++;
}

void oxp_model_unlink(oxp_model *m, oxp_id node) {
    oxp_node *n = &m->nodes[node];
    oxp_graph *g = &m->graphs[n->graph];
    if (n->prev == OXP_NONE)
        g->first = n->next;
    else
        m->nodes[n->prev].next = n->next;
    if (n->next == OXP_NONE)
        g->last = n->prev;
    else
        m->nodes[n->next].prev = n->prev;
    n->prev = n->next = OXP_NONE;
    g->n_nodes--;
}

const char *oxp_model_name(oxp_model *m, const char *s, size_t len) {
    return oxp_intern_add(m->names, s, len);
}

/* ---- accessors ---- */

oxp_ctx *oxp_model_ctx(const oxp_model *m) {
    return m->ctx;
}
oxp_arena *oxp_model_arena(const oxp_model *m) {
    return m->arena;
}
oxp_dims *oxp_model_dims(const oxp_model *m) {
    return m->dims;
}
const char *oxp_model_path(const oxp_model *m) {
    return m->path;
}
uint64_t oxp_model_file_bytes(const oxp_model *m) {
    return m->file_bytes;
}
uint64_t oxp_model_external_bytes(const oxp_model *m) {
    uint64_t sum = 0;
    for (size_t i = 0; i < m->n_files; i++)
        sum += m->files[i].found ? m->files[i].bytes : 0;
    return sum;
}
bool oxp_model_is_faulty(const oxp_model *m) {
    return m->faulty;
}

bool oxp_model_has_weights(const oxp_model *m) {
    for (size_t i = 0; i < m->n_files; i++)
        if (!m->files[i].found)
            return false;
    return true;
}
int64_t oxp_model_ir_version(const oxp_model *m) {
    return m->ir_version;
}
const char *oxp_model_producer(const oxp_model *m) {
    return m->producer;
}
const char *oxp_model_producer_version(const oxp_model *m) {
    return m->producer_version;
}
size_t oxp_model_opset_count(const oxp_model *m) {
    return m->n_opsets;
}
oxp_opset oxp_model_opset_at(const oxp_model *m, size_t i) {
    return m->opsets[i];
}
size_t oxp_model_meta_count(const oxp_model *m) {
    return m->n_metas;
}
oxp_meta oxp_model_meta_at(const oxp_model *m, size_t i) {
    return m->metas[i];
}

static int64_t find_opset(const oxp_opset *o, size_t n, const char *domain) {
    for (size_t i = 0; i < n; i++)
        if (!strcmp(o[i].domain, domain))
            return o[i].version;
    return 0;
}

int64_t oxp_opset_of(const oxp_model *m, oxp_id graph, const char *domain) {
    if (!strcmp(domain, "ai.onnx"))
        domain = "";
    while (m->graphs[graph].kind == OXP_GRAPH_SUB)
        graph = m->nodes[m->graphs[graph].owner].graph;
    if (m->graphs[graph].kind == OXP_GRAPH_FUNCTION) {
        const oxp_function *f = &m->functions[m->graphs[graph].owner];
        int64_t version = find_opset(f->opsets, f->n_opsets, domain);
        if (version)
            return version;
    }
    return find_opset(m->opsets, m->n_opsets, domain);
}

size_t oxp_graph_count(const oxp_model *m) {
    return m->n_graphs;
}
size_t oxp_node_count(const oxp_model *m) {
    return m->n_nodes;
}
size_t oxp_value_count(const oxp_model *m) {
    return m->n_values;
}
size_t oxp_tensor_count(const oxp_model *m) {
    return m->n_tensors;
}
size_t oxp_function_count(const oxp_model *m) {
    return m->n_functions;
}
const oxp_graph *oxp_graph_at(const oxp_model *m, oxp_id id) {
    return &m->graphs[id];
}
const oxp_node *oxp_node_at(const oxp_model *m, oxp_id id) {
    return &m->nodes[id];
}
const oxp_value *oxp_value_at(const oxp_model *m, oxp_id id) {
    return &m->values[id];
}
const oxp_tensor *oxp_tensor_at(const oxp_model *m, oxp_id id) {
    return &m->tensors[id];
}
const oxp_function *oxp_function_at(const oxp_model *m, oxp_id id) {
    return &m->functions[id];
}
const oxp_use *oxp_use_at(const oxp_model *m, oxp_id use) {
    return &m->uses[use];
}

/* ---- attributes and slots ---- */

const oxp_attr *oxp_attr_find(const oxp_node *n, const char *name) {
    for (uint32_t i = 0; i < n->n_attr; i++)
        if (!strcmp(n->attrs[i].name, name))
            return &n->attrs[i];
    return NULL;
}

static bool same_ref(const char *a, const char *b) {
    return a == b || (a && b && !strcmp(a, b));
}

bool oxp_attr_same(const oxp_attr *a, const oxp_attr *b) {
    if (strcmp(a->name, b->name) != 0 || a->type != b->type || a->n != b->n ||
        !same_ref(a->ref, b->ref))
        return false;
    switch (a->type) {
    case OXP_ATTR_INT:
        return a->u.i == b->u.i;
    case OXP_ATTR_FLOAT:
        /* the bits: NaN is itself, and 0 is not -0 */
        /* NOLINTNEXTLINE(bugprone-suspicious-memory-comparison): so that is meant */
        return memcmp(&a->u.f, &b->u.f, sizeof a->u.f) == 0;
    case OXP_ATTR_STRING:
        return a->u.s.len == b->u.s.len && memcmp(a->u.s.data, b->u.s.data, a->u.s.len) == 0;
    case OXP_ATTR_INTS:
        return a->n == 0 || memcmp(a->u.ints, b->u.ints, a->n * sizeof *a->u.ints) == 0;
    case OXP_ATTR_FLOATS:
        return a->n == 0 || memcmp(a->u.floats, b->u.floats, a->n * sizeof *a->u.floats) == 0;
    case OXP_ATTR_TENSOR:
    case OXP_ATTR_SPARSE_TENSOR:
    case OXP_ATTR_GRAPH:
        return a->u.id == b->u.id;
    default:
        return a->u.ids == b->u.ids; /* the same list in memory */
    }
}

static const oxp_attr *find_typed(const oxp_node *n, const char *name, oxp_attr_type type) {
    const oxp_attr *a = oxp_attr_find(n, name);
    return a && a->type == type && !a->ref ? a : NULL;
}

int64_t oxp_attr_int(const oxp_node *n, const char *name, int64_t otherwise) {
    const oxp_attr *a = find_typed(n, name, OXP_ATTR_INT);
    return a ? a->u.i : otherwise;
}

float oxp_attr_float(const oxp_node *n, const char *name, float otherwise) {
    const oxp_attr *a = find_typed(n, name, OXP_ATTR_FLOAT);
    return a ? a->u.f : otherwise;
}

const char *oxp_attr_string(const oxp_node *n, const char *name, const char *otherwise) {
    const oxp_attr *a = find_typed(n, name, OXP_ATTR_STRING);
    return a ? a->u.s.data : otherwise;
}

const int64_t *oxp_attr_ints(const oxp_node *n, const char *name, size_t *count) {
    const oxp_attr *a = find_typed(n, name, OXP_ATTR_INTS);
    *count = a ? a->n : 0;
    return a ? a->u.ints : NULL;
}

oxp_id oxp_in(const oxp_node *n, uint32_t slot) {
    return slot < n->n_in ? n->in[slot] : OXP_NONE;
}

oxp_id oxp_out(const oxp_node *n, uint32_t slot) {
    return slot < n->n_out ? n->out[slot] : OXP_NONE;
}

bool oxp_node_is(const oxp_node *n, const char *op) {
    return !n->domain[0] && n->function == OXP_NONE && !strcmp(n->op, op);
}

bool oxp_model_is_constant(const oxp_node *n) {
    return oxp_node_is(n, "Constant");
}

oxp_id oxp_constant_of(const oxp_model *m, oxp_id value, bool or_input) {
    /* The model is acyclic; the bound is for models that are being patched. */
    for (unsigned hops = 0; value != OXP_NONE && hops < 1000; hops++) {
        const oxp_value *v = &m->values[value];
        if (v->tensor != OXP_NONE)
            return v->overridable && !or_input ? OXP_NONE : v->tensor;
        if (v->producer == OXP_NONE)
            return OXP_NONE;
        const oxp_node *n = &m->nodes[v->producer];
        if (oxp_model_is_constant(n)) {
            const oxp_attr *a = find_typed(n, "value", OXP_ATTR_TENSOR);
            return a && !m->tensors[a->u.id].sparse ? a->u.id : OXP_NONE;
        }
        if (!oxp_node_is(n, "Identity"))
            return OXP_NONE;
        value = oxp_in(n, 0);
    }
    return OXP_NONE;
}
