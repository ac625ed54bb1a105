/* inline.c - function calls replaced by their bodies, outermost first: a body's own calls are nodes
 * of the caller's graph by the time they are reached. */
#include "model/inline.h"

#include <string.h>

#include "base/safe_math.h"
#include "model/model_impl.h"

enum { MAX_DEPTH = 60, MAX_GRAPH_DEPTH = 60, MAX_NAME_BYTES = 32 << 20 };

typedef struct inliner {
    oxp_model *m;
    oxp_arena *arena; /* the clone's */
    size_t max_nodes;
    /* by node: the original one, and how many calls lie around it */
    oxp_id *origin;
    uint8_t *depth;
    size_t cap_origin, cap_depth;
    size_t name_bytes; /* of all that were made */
    bool failed;
    /* of the call at hand: what body values are in the caller, valid where stamp is `now` */
    oxp_id *map;
    uint32_t *stamp;
    size_t cap_map, cap_stamp;
    uint32_t now;
    const oxp_node *call; /* a copy */
    oxp_id call_id;
    const oxp_function *function;
    const char *label; /* of the call, without the path of its graph */
} inliner;

/* ---- what calls what ---- */

/* The main graph or the function's in which a graph lies. */
static const oxp_graph *around(const oxp_model *m, oxp_id graph) {
    for (int hop = 0; hop < MAX_GRAPH_DEPTH && m->graphs[graph].kind == OXP_GRAPH_SUB; hop++)
        graph = m->nodes[m->graphs[graph].owner].graph;
    return &m->graphs[graph];
}

static bool in_function(const oxp_model *m, oxp_id graph) {
    return around(m, graph)->kind != OXP_GRAPH_MAIN;
}

static bool is_call(const oxp_model *m, oxp_id id) {
    const oxp_node *n = &m->nodes[id];
    return n->live && n->function != OXP_NONE && m->graphs[m->functions[n->function].graph].live &&
           !in_function(m, n->graph);
}

/* Would the model with the bodies in place of the calls have at most so many nodes?  Counted before
 * any is copied: thirty functions that call each other twice are a billion.  Each round reaches one
 * call deeper; what still grows after MAX_DEPTH of them calls itself. */
static bool fits(const oxp_model *m, size_t max_nodes, oxp_arena *arena) {
    uint64_t *count = OXP_NEWS(arena, m->n_functions, uint64_t), total = 0;
    uint64_t *next = OXP_NEWS(arena, m->n_functions, uint64_t);
    bool settled = false;
    for (int round = 0; round <= MAX_DEPTH && !settled; round++) {
        memset(next, 0, m->n_functions * sizeof *next);
        total = 0;
        for (oxp_id id = 0; id < m->n_nodes; id++) {
            const oxp_node *n = &m->nodes[id];
            const oxp_graph *g = around(m, n->graph);
            uint64_t *sum = g->kind == OXP_GRAPH_FUNCTION ? &next[g->owner] : &total;
            if (n->live)
                *sum = oxp_sat_add(*sum, 1 + (n->function == OXP_NONE ? 0 : count[n->function]));
            if (*sum > max_nodes)
                *sum = max_nodes + 1u; /* no more than has to be known */
        }
        settled = !memcmp(count, next, m->n_functions * sizeof *next);
        memcpy(count, next, m->n_functions * sizeof *next);
    }
    return settled && total <= max_nodes;
}

/* ---- values ---- */

static void map_value(inliner *i, oxp_id from, oxp_id to) {
    i->map[from] = to;
    i->stamp[from] = i->now;
}

static bool is_mapped(const inliner *i, oxp_id v) {
    return i->stamp[v] == i->now;
}

/* The caller's value for one of the body; NONE where an input was left out.  Values that are not
 * mapped are captured from further out and stay. */
static oxp_id mapped(const inliner *i, oxp_id v) {
    return v != OXP_NONE && is_mapped(i, v) ? i->map[v] : v;
}

/* "Call/inner"; what is in a subgraph of the body has the path of its owner before it anyway. */
static const char *inner_name(inliner *i, oxp_id graph, const char *own) {
    if (graph != i->call->graph || i->failed)
        return own;
    i->name_bytes += strlen(i->label) + strlen(own) + 2;
    if (i->name_bytes > MAX_NAME_BYTES) { /* long names, many times */
        i->failed = true;
        return own;
    }
    return oxp_sprintf(i->arena, "%s/%s", i->label, own);
}

static oxp_id new_value(inliner *i, oxp_id from, oxp_id graph) {
    oxp_model *m = i->m;
    oxp_id v = oxp_model_add_value(m);
    m->values[v].name = inner_name(i, graph, m->values[from].name);
    m->values[v].graph = graph;
    m->values[v].tensor = m->values[from].tensor;
    m->values[v].live = true;
    map_value(i, from, v);
    return v;
}

/* ---- attributes ---- */

static const oxp_attr *find(const oxp_attr *attrs, uint32_t n, const char *name) {
    for (uint32_t k = 0; k < n; k++)
        if (strcmp(attrs[k].name, name) == 0)
            return &attrs[k];
    return NULL;
}

/* Attributes with references to the function's own resolved; one that the call leaves out and that
 * has no default is absent. */
static const oxp_attr *resolved(inliner *i, const oxp_node *n, uint32_t *count) {
    oxp_attr *to = OXP_NEWS(i->arena, n->n_attr + 1u, oxp_attr);
    *count = 0;
    for (uint32_t k = 0; k < n->n_attr; k++) {
        const oxp_attr *a = &n->attrs[k];
        if (a->ref != NULL) {
            const oxp_attr *given = find(i->call->attrs, i->call->n_attr, a->ref);
            if (given == NULL)
                given = find(i->function->defaults, i->function->n_defaults, a->ref);
            if (given == NULL)
                continue;
            to[*count] = *given;
            to[(*count)++].name = a->name;
            continue;
        }
        to[(*count)++] = *a;
    }
    return to;
}

/* ---- nodes and graphs ---- */

static oxp_id copy_graph(inliner *i, oxp_id from, oxp_id owner, int depth);

static void copy_attr_graphs(inliner *i, oxp_id node, int depth) {
    oxp_attr *attrs = (oxp_attr *)(uintptr_t)i->m->nodes[node].attrs; /* made by resolved() */
    for (uint32_t k = 0; k < i->m->nodes[node].n_attr; k++) {
        if (attrs[k].type == OXP_ATTR_GRAPH)
            attrs[k].u.id = copy_graph(i, attrs[k].u.id, node, depth + 1);
    }
}

static oxp_id copy_node(inliner *i, oxp_id from, oxp_id graph, oxp_id after, int depth) {
    oxp_model *m = i->m;
    if (m->n_nodes >= i->max_nodes || depth > MAX_GRAPH_DEPTH) {
        i->failed = true;
        return after;
    }
    oxp_id id = oxp_model_add_node(m);
    oxp_node n = m->nodes[from];
    n.name = inner_name(i, graph, oxp_node_own_label(m, from, i->arena));
    n.in_call = i->call->in_call ? i->call->in_call : i->call_id + 1;
    n.graph = graph;
    n.prev = n.next = OXP_NONE;
    oxp_id *in = OXP_NEWS(i->arena, n.n_in + 1u, oxp_id);
    oxp_id *out = OXP_NEWS(i->arena, n.n_out + 1u, oxp_id);
    for (uint32_t k = 0; k < n.n_in; k++)
        in[k] = mapped(i, n.in[k]);
    for (uint32_t k = 0; k < n.n_out; k++) {
        out[k] = n.out[k];
        if (out[k] == OXP_NONE)
            continue;
        out[k] = is_mapped(i, out[k]) ? i->map[out[k]] : new_value(i, out[k], graph);
        m->values[out[k]].producer = id;
        m->values[out[k]].slot = k;
    }
    n.in = in;
    n.out = out;
    n.attrs = resolved(i, &m->nodes[from], &n.n_attr);
    m->nodes[id] = n;
    for (uint32_t k = 0; k < n.n_in; k++)
        if (in[k] != OXP_NONE)
            oxp_model_add_use(m, in[k], id, k);
    oxp_model_link_after(m, id, after);
    i->origin = oxp_grow(i->arena, i->origin, &i->cap_origin, m->n_nodes, sizeof *i->origin);
    i->depth = oxp_grow(i->arena, i->depth, &i->cap_depth, m->n_nodes, sizeof *i->depth);
    i->origin[id] = i->origin[i->call_id];
    i->depth[id] = (uint8_t)(i->depth[i->call_id] + 1);
    copy_attr_graphs(i, id, depth);
    return id;
}

/* A graph of a body's node, inside the caller. */
static oxp_id copy_graph(inliner *i, oxp_id from, oxp_id owner, int depth) {
    oxp_model *m = i->m;
    oxp_id id = oxp_model_add_graph(m);
    oxp_graph g = m->graphs[from];
    g.owner = owner;
    g.first = g.last = OXP_NONE;
    g.n_nodes = 0;
    oxp_id *inputs = OXP_NEWS(i->arena, g.n_inputs + 1u, oxp_id);
    oxp_id *inits = OXP_NEWS(i->arena, g.n_inits + 1u, oxp_id);
    oxp_id *outputs = OXP_NEWS(i->arena, g.n_outputs + 1u, oxp_id);
    m->graphs[id] = g;
    for (uint32_t k = 0; k < g.n_inputs; k++) {
        inputs[k] = new_value(i, g.inputs[k], id);
        m->values[inputs[k]].is_input = true;
        m->values[inputs[k]].declared = m->values[g.inputs[k]].declared;
    }
    for (uint32_t k = 0; k < g.n_inits; k++)
        inits[k] = is_mapped(i, g.inits[k]) ? i->map[g.inits[k]] : new_value(i, g.inits[k], id);
    oxp_id last = OXP_NONE;
    for (oxp_id n = m->graphs[from].first; n != OXP_NONE && !i->failed; n = m->nodes[n].next)
        last = copy_node(i, n, id, last, depth);
    for (uint32_t k = 0; k < g.n_outputs; k++) {
        outputs[k] = mapped(i, g.outputs[k]);
        if (outputs[k] != OXP_NONE)
            m->values[outputs[k]].outputs++;
    }
    m->graphs[id].inputs = inputs;
    m->graphs[id].inits = inits;
    m->graphs[id].outputs = outputs;
    return id;
}

/* ---- a call ---- */

static void map_parameters(inliner *i, const oxp_graph *body) {
    size_t n = i->m->n_values;
    size_t had = i->cap_stamp;
    i->map = oxp_grow(i->arena, i->map, &i->cap_map, n, sizeof *i->map);
    i->stamp = oxp_grow(i->arena, i->stamp, &i->cap_stamp, n, sizeof *i->stamp);
    if (i->cap_stamp > had)
        memset(i->stamp + had, 0, (i->cap_stamp - had) * sizeof *i->stamp);
    i->now++;
    for (uint32_t k = 0; k < body->n_inputs; k++)
        if (body->inputs[k] != OXP_NONE)
            map_value(i, body->inputs[k], k < i->call->n_in ? i->call->in[k] : OXP_NONE);
    for (uint32_t k = 0; k < body->n_outputs && k < i->call->n_out; k++) {
        oxp_id inner = body->outputs[k];
        if (inner != OXP_NONE && i->call->out[k] != OXP_NONE && !is_mapped(i, inner))
            map_value(i, inner, i->call->out[k]);
    }
}

static void expand(inliner *i, oxp_id id) {
    oxp_model *m = i->m;
    oxp_node call = m->nodes[id];
    const oxp_function *f = &m->functions[call.function];
    if (i->depth[id] >= MAX_DEPTH) {
        i->failed = true;
        return;
    }
    i->call = &call;
    i->call_id = id;
    i->function = f;
    i->label = oxp_node_own_label(m, id, i->arena);
    map_parameters(i, &m->graphs[f->graph]);
    for (uint32_t k = 0; k < call.n_out; k++)
        if (call.out[k] != OXP_NONE)
            m->values[call.out[k]].producer = OXP_NONE;
    oxp_id last = id;
    for (oxp_id n = m->graphs[f->graph].first; n != OXP_NONE && !i->failed; n = m->nodes[n].next)
        last = copy_node(i, n, call.graph, last, 0);
    for (uint32_t k = 0; k < call.n_out; k++) /* handed through, or by nobody */
        i->failed |= call.out[k] != OXP_NONE && m->values[call.out[k]].producer == OXP_NONE;
    for (uint32_t k = 0; k < call.n_in; k++)
        if (call.in[k] != OXP_NONE)
            oxp_model_remove_use(m, call.in[k], id, k);
    oxp_model_unlink(m, id);
    m->nodes[id].live = false;
}

bool oxp_model_inline(const oxp_model *m, size_t max_nodes, oxp_inlined *out, oxp_arena *arena) {
    bool any = false;
    for (oxp_id id = 0; id < m->n_nodes && m->n_functions > 0 && !any; id++)
        any = is_call(m, id);
    if (!any || !fits(m, max_nodes, arena))
        return false;
    inliner i = {.m = oxp_model_clone(m), .max_nodes = max_nodes};
    i.arena = i.m->arena;
    i.origin = oxp_grow(i.arena, NULL, &i.cap_origin, m->n_nodes, sizeof *i.origin);
    i.depth = oxp_grow(i.arena, NULL, &i.cap_depth, m->n_nodes, sizeof *i.depth);
    for (oxp_id id = 0; id < m->n_nodes; id++) {
        i.origin[id] = id;
        i.depth[id] = 0;
    }
    for (oxp_id id = 0; id < i.m->n_nodes && !i.failed; id++)
        if (is_call(i.m, id))
            expand(&i, id);
    if (i.failed) {
        oxp_close(i.m);
        return false;
    }
    oxp_id *origin = OXP_NEWS(arena, i.m->n_nodes + 1, oxp_id);
    memcpy(origin, i.origin, i.m->n_nodes * sizeof *origin);
    *out = (oxp_inlined){i.m, origin};
    return true;
}
