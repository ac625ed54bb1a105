/* resolve.c - names to values: scopes, definitions, uses, declared types.
 *
 * A name is bound to one value at a time: `bound` is indexed by the name's number.  Graphs are
 * opened like scopes on an explicit stack; what a graph binds is undone when it is closed, so an
 * inner name hides an outer one and captures resolve to the outer value by themselves. */
#include <string.h>

#include "model/load.h"
#include "ops/op.h"

typedef struct undo {
    uint32_t symbol;
    oxp_id before;
} undo;

typedef struct frame {
    oxp_id graph, node; /* the node being resolved */
    uint32_t attr;      /* its next attribute that may hold a graph */
    size_t element;     /* of a list of graphs */
    size_t undo_mark;
    bool entered; /* the node's own inputs are done */
} frame;

typedef struct resolver {
    oxp_loader *l;
    oxp_model *m;
    oxp_id *bound;
    undo *log;
    size_t n_log, cap_log;
    unsigned depth;
    frame stack[OXP_DEPTH_MAX];
} resolver;

static const char *name_of(const resolver *r, uint32_t symbol) {
    return r->l->symbols[symbol];
}

static _Noreturn void fail_graph(resolver *r, oxp_id graph, uint32_t symbol, const char *why) {
    const oxp_graph *g = &r->m->graphs[graph];
    const char *name = symbol == OXP_NONE ? "" : name_of(r, symbol);
    oxp_load_fail(r->l, oxp_sprintf(r->l->temp, "graph '%.120s'", g->name), g->src.off,
                  symbol == OXP_NONE ? "%.0s%s" : "'%.120s' %s", name, why);
}

static _Noreturn void fail_node(resolver *r, oxp_id node, uint32_t symbol, const char *why) {
    const oxp_node *n = &r->m->nodes[node];
    oxp_load_fail(r->l, oxp_load_what(r->l, n), n->src.off, "%s '%.120s'", why, name_of(r, symbol));
}

/* The value that this very graph has bound to the name, or OXP_NONE. */
static oxp_id own(const resolver *r, oxp_id graph, uint32_t symbol) {
    oxp_id v = r->bound[symbol];
    return v != OXP_NONE && r->m->values[v].graph == graph ? v : OXP_NONE;
}

static oxp_id define(resolver *r, oxp_id graph, uint32_t symbol) {
    oxp_id id = oxp_model_add_value(r->m);
    oxp_value *v = &r->m->values[id];
    v->name = name_of(r, symbol);
    v->graph = graph;
    v->live = true;
    if (graph != OXP_MAIN_GRAPH) { /* what the main graph binds is never undone */
        r->log = oxp_grow(r->l->scratch, r->log, &r->cap_log, r->n_log + 1, sizeof *r->log);
        r->log[r->n_log++] = (undo){symbol, r->bound[symbol]};
    }
    r->bound[symbol] = id;
    return id;
}

/* Nodes have no labels yet: kept for later, as many as anybody reads. */
static void note_oddity(resolver *r, oxp_odd kind, oxp_id node, oxp_id value) {
    enum { MOST = 32 };
    oxp_loader *l = r->l;
    if (l->n_oddities == MOST)
        return;
    l->oddities =
        oxp_grow(l->scratch, l->oddities, &l->cap_oddities, l->n_oddities + 1, sizeof *l->oddities);
    l->oddities[l->n_oddities].kind = kind;
    l->oddities[l->n_oddities].node = node;
    l->oddities[l->n_oddities++].value = value;
}

void oxp_load_tell(oxp_loader *l) {
    const oxp_model *m = l->m;
    for (size_t i = 0; i < l->n_oddities; i++) {
        const oxp_oddity *o = &l->oddities[i];
        const char *name = m->values[o->value].name;
        const char *where = o->node == OXP_NONE ? name : oxp_node_label(m, o->node, l->temp);
        if (o->kind == OXP_ODD_SHADOW)
            oxp_diagnose(l->ctx, OXP_ERROR, "shadowed-name", where,
                         "it writes '%.120s', which a graph around it has defined before", name);
        else if (o->kind == OXP_ODD_OUTER_OUTPUT)
            oxp_diagnose(l->ctx, OXP_ERROR, "outer-output", where,
                         "an output of its subgraph is '%.120s', a value from outside: an Identity "
                         "must stand between",
                         name);
        else
            oxp_diagnose(l->ctx, OXP_ERROR, "type-conflict", where,
                         "'%.120s' is declared with two different types", name);
    }
}

static oxp_id define_input(resolver *r, oxp_id graph, uint32_t symbol) {
    if (symbol == r->l->empty)
        fail_graph(r, graph, OXP_NONE, "an input has no name");
    if (own(r, graph, symbol) != OXP_NONE)
        fail_graph(r, graph, symbol, "is the name of two inputs");
    oxp_id id = define(r, graph, symbol);
    r->m->values[id].is_input = true;
    return id;
}

/* Inputs and the names of outputs of a GraphProto from the pending list, into arrays of the graph.
 */
static void collect_lists(resolver *r, oxp_id graph) {
    oxp_graph *g = &r->m->graphs[graph];
    const oxp_graph_load *load = &r->l->graphs[graph];
    uint32_t n_in = 0, n_out = 0;
    for (uint32_t i = load->first_value; i != OXP_NONE; i = r->l->values[i].next) {
        n_in += r->l->values[i].kind == OXP_REC_INPUT;
        n_out += r->l->values[i].kind == OXP_REC_OUTPUT;
    }
    oxp_id *in = n_in ? OXP_NEWS(r->m->arena, n_in, oxp_id) : NULL;
    oxp_id *out = n_out ? OXP_NEWS(r->m->arena, n_out, oxp_id) : NULL;
    g->inputs = in;
    g->outputs = out;
    for (uint32_t i = load->first_value; i != OXP_NONE; i = r->l->values[i].next) {
        const oxp_pending_value *p = &r->l->values[i];
        if (p->kind == OXP_REC_INPUT) {
            oxp_id id = in[g->n_inputs++] = define_input(r, graph, p->symbol);
            r->m->values[id].declared = p->type;
        } else if (p->kind == OXP_REC_OUTPUT) {
            /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): counted before */
            out[g->n_outputs++] = p->symbol;
        }
    }
}

static void define_inits(resolver *r, oxp_id graph) {
    oxp_graph *g = &r->m->graphs[graph];
    oxp_id *inits = g->n_inits ? OXP_NEWS(r->m->arena, g->n_inits, oxp_id) : NULL;
    size_t n = 0;
    g->inits = inits;
    for (uint32_t i = r->l->graphs[graph].first_init; i != OXP_NONE; i = r->l->inits[i].next) {
        const oxp_pending_init *p = &r->l->inits[i];
        oxp_id id = own(r, graph, p->symbol);
        if (id == OXP_NONE)
            id = define(r, graph, p->symbol);
        oxp_value *v = &r->m->values[id];
        if (v->tensor != OXP_NONE)
            fail_graph(r, graph, p->symbol, "is the name of two initializers");
        v->tensor = p->tensor;
        v->overridable = v->is_input && r->m->ir_version >= 4;
        /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): counted before it was allocated */
        inits[n++] = id;
    }
}

/* Does the producer of a value stand before the node (or the holder of the graph) that reads it?
 * If not, the graph of the producer is put in order later, or found to be circular. */
static bool in_order(resolver *r, oxp_id value) {
    const oxp_value *v = &r->m->values[value];
    if (v->producer == OXP_NONE)
        return true;
    const frame *f = &r->stack[r->l->graphs[v->graph].depth];
    return f->node == OXP_NONE ||
           r->m->nodes[v->producer].file_index < r->m->nodes[f->node].file_index;
}

static void define_outputs(resolver *r, oxp_id graph) {
    for (oxp_id n = r->m->graphs[graph].first; n != OXP_NONE; n = r->m->nodes[n].next) {
        oxp_id *out = (oxp_id *)r->m->nodes[n].out;
        for (uint32_t i = 0; i < r->m->nodes[n].n_out; i++) {
            uint32_t symbol = out[i];
            out[i] = OXP_NONE;
            if (symbol == r->l->empty)
                continue;
            oxp_id before = own(r, graph, symbol);
            if (before != OXP_NONE) {
                const oxp_value *v = &r->m->values[before];
                fail_node(r, n, symbol,
                          v->producer != OXP_NONE ? "it writes what another output writes already:"
                          : v->tensor != OXP_NONE ? "it writes an initializer:"
                                                  : "it writes a graph input:");
            }
            oxp_id outer = r->bound[symbol];
            if (outer != OXP_NONE && in_order(r, outer))
                note_oddity(r, OXP_ODD_SHADOW, n, outer);
            out[i] = define(r, graph, symbol);
            r->m->values[out[i]].producer = n;
            r->m->values[out[i]].slot = i;
        }
    }
}

/* Types of outputs and of value_info; entries for names that the graph does not have mean nothing.
 */
static void declare(resolver *r, oxp_id graph) {
    uint32_t first = r->l->graphs[graph].first_value;
    for (int kind = OXP_REC_OUTPUT; kind <= OXP_REC_INFO; kind++) {
        for (uint32_t i = first; i != OXP_NONE; i = r->l->values[i].next) {
            const oxp_pending_value *p = &r->l->values[i];
            oxp_id id = p->kind == kind ? own(r, graph, p->symbol) : OXP_NONE;
            if (id == OXP_NONE)
                continue;
            const oxp_value *v = &r->m->values[id];
            if (!v->declared)
                r->m->values[id].declared = p->type;
            else if (v->src.len && v->producer != OXP_NONE && p->type &&
                     !oxp_types_agree(v->declared, p->type)) /* two entries of value_info */
                note_oddity(r, OXP_ODD_TWO_TYPES, v->producer, id);
            if (kind == OXP_REC_INFO)
                r->m->values[id].src = p->src;
        }
    }
}

static void resolve_outputs(resolver *r, oxp_id graph) {
    oxp_graph *g = &r->m->graphs[graph];
    oxp_id *out = (oxp_id *)g->outputs;
    for (uint32_t i = 0; i < g->n_outputs; i++) {
        /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): n_outputs elements */
        uint32_t symbol = out[i];
        oxp_id id = symbol == r->l->empty ? OXP_NONE : r->bound[symbol];
        if (id == OXP_NONE)
            fail_graph(r, graph, symbol, "is an output that nothing defines");
        if (r->m->values[id].graph != graph && !in_order(r, id))
            fail_graph(r, graph, symbol,
                       "is an output made by the node that holds the graph, or "
                       "by a later one");
        if (r->m->values[id].graph != graph)
            note_oddity(r, OXP_ODD_OUTER_OUTPUT, g->owner, id);
        out[i] = id;
        r->m->values[id].outputs++;
    }
}

static void open_graph(resolver *r, oxp_id graph) {
    if (r->depth == OXP_DEPTH_MAX)
        fail_graph(r, graph, OXP_NONE, "graphs nested more than 100 deep");
    oxp_graph *g = &r->m->graphs[graph];
    r->stack[r->depth] = (frame){.graph = graph, .node = OXP_NONE, .undo_mark = r->n_log};
    r->l->graphs[graph].depth = r->depth++;
    if (g->kind == OXP_GRAPH_FUNCTION) {
        oxp_id *in = (oxp_id *)g->inputs;
        for (uint32_t i = 0; i < g->n_inputs; i++)
            in[i] = define_input(r, graph, in[i]);
    } else {
        collect_lists(r, graph);
    }
    define_inits(r, graph);
    define_outputs(r, graph);
    declare(r, graph);
    resolve_outputs(r, graph);
    r->stack[r->depth - 1].node = r->m->graphs[graph].first;
}

static void close_graph(resolver *r) {
    const frame *f = &r->stack[--r->depth];
    while (r->n_log > f->undo_mark) {
        const undo *u = &r->log[--r->n_log];
        r->bound[u->symbol] = u->before;
    }
}

static void resolve_inputs(resolver *r, oxp_id node) {
    oxp_node *n = &r->m->nodes[node];
    oxp_id *in = (oxp_id *)n->in;
    for (uint32_t i = 0; i < n->n_in; i++) {
        uint32_t symbol = in[i];
        in[i] = OXP_NONE;
        if (symbol == r->l->empty)
            continue;
        oxp_id id = r->bound[symbol];
        if (id == OXP_NONE)
            fail_node(r, node, symbol, "it reads a name that nothing defines:");
        if (!in_order(r, id))
            r->l->graphs[r->m->values[id].graph].unsorted = true;
        in[i] = id;
        oxp_model_add_use(r->m, id, node, i);
    }
}

/* The next graph inside the node's attributes, or OXP_NONE. */
static oxp_id next_subgraph(const resolver *r, frame *f) {
    const oxp_node *n = &r->m->nodes[f->node];
    for (; f->attr < n->n_attr; f->attr++, f->element = 0) {
        const oxp_attr *a = &n->attrs[f->attr];
        if (a->type == OXP_ATTR_GRAPH && !f->element && a->u.id != OXP_NONE) {
            f->element = 1;
            return a->u.id;
        }
        if (a->type == OXP_ATTR_GRAPHS && f->element < a->n)
            return a->u.ids[f->element++];
    }
    return OXP_NONE;
}

static void resolve_scope(resolver *r, oxp_id root) {
    open_graph(r, root);
    while (r->depth) {
        frame *f = &r->stack[r->depth - 1];
        if (f->node == OXP_NONE) {
            close_graph(r);
            continue;
        }
        if (!f->entered) {
            resolve_inputs(r, f->node);
            f->entered = true;
            f->attr = 0;
            f->element = 0;
        }
        oxp_id sub = next_subgraph(r, f);
        if (sub != OXP_NONE) {
            open_graph(r, sub);
        } else {
            f->node = r->m->nodes[f->node].next;
            f->entered = false;
        }
    }
}

void oxp_load_resolve(oxp_loader *l) {
    resolver *r = OXP_NEW(l->scratch, resolver);
    oxp_model *m = l->m;
    size_t values = l->n_values + l->n_inits + l->n_outputs;
    r->l = l;
    r->m = m;
    r->bound = OXP_NEWS(l->scratch, l->n_symbols, oxp_id);
    memset(r->bound, 0xff, l->n_symbols * sizeof *r->bound); /* OXP_NONE */
    oxp_model_reserve(m, 0, 0, values + values / 8, 0, l->n_uses + l->n_uses / 8, 0);
    /* Functions first: the main graph never undoes what it binds. */
    for (size_t i = 0; i < m->n_functions; i++)
        resolve_scope(r, m->functions[i].graph);
    resolve_scope(r, OXP_MAIN_GRAPH);
    for (size_t i = 0; i < m->n_graphs; i++)
        if (l->graphs[i].unsorted)
            oxp_load_sort(l, (oxp_id)i);
}
