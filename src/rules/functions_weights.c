/* functions_weights.c - elements and statistics of constants, for rules. */
#include <libxml/xpathInternals.h>
#include <math.h>

#include "ops/op.h"
#include "rules/functions.h"
#include "rules/weight_stats.h"

enum { HOPS_MAX = 8 };

typedef struct read_args {
    oxp_scratch *s;
    const oxp_model *m;
    oxp_id tensor, twin;
    uint64_t first;
    double v;
    const char *what;
    int axis;
} read_args;

/* The tensor whose elements the first value of the set has: a constant, or one behind nodes that
 * are folded at load and only move its elements (`*moved`: their order is another). */
static oxp_id tensor_of(xmlXPathParserContextPtr c, int nargs, bool *moved) {
    const oxp_model *m = oxp_fn_model_of(c);
    xmlNodeSetPtr in = oxp_fn_pop_set(c, nargs);
    oxp_id v = oxp_fn_first_value(in);
    xmlXPathFreeNodeSet(in);
    *moved = false;
    for (int hop = 0; hop < HOPS_MAX && v != OXP_NONE; hop++) {
        oxp_id tensor = oxp_constant_of(m, v, true), p = oxp_value_at(m, v)->producer;
        if (tensor != OXP_NONE)
            return tensor;
        const oxp_node *n = p == OXP_NONE ? NULL : oxp_node_at(m, p);
        if (!n || n->n_in != 1 || !n->def || !(n->def->flags & (OXP_OP_VIEW | OXP_OP_MOVE)))
            return OXP_NONE;
        *moved ^= (n->def->flags & OXP_OP_MOVE) != 0;
        v = n->in[0];
    }
    return OXP_NONE;
}

static bool readable(const oxp_model *m, oxp_id tensor) {
    return tensor != OXP_NONE && oxp_tensor_at(m, tensor)->dtype != OXP_STRING &&
           oxp_tensor_readable(m, tensor);
}

static oxp_weight_stats *stats_of(oxp_scratch *s) {
    if (!*s->stats)
        *s->stats =
            oxp_weight_stats_new(s->facts->a->model, oxp_arena_new(oxp_arena_ctx(s->arena)));
    return *s->stats;
}

static void read_one(void *p) {
    read_args *r = p;
    oxp_tensor_doubles(r->m, r->tensor, r->first, 1, &r->v);
}

static void read_stat(void *p) {
    read_args *r = p;
    r->v = oxp_weight_stat(stats_of(r->s), r->tensor, r->what, r->axis);
}

static void read_twin(void *p) {
    read_args *r = p;
    r->twin = oxp_weight_twin(stats_of(r->s), r->tensor);
}

void oxp_fn_value(xmlXPathParserContextPtr c, int nargs) {
    double at = nargs > 1 ? oxp_fn_pop_number(c) : 1;
    read_args r = {.m = oxp_fn_model_of(c), .v = NAN};
    bool moved;
    r.tensor = tensor_of(c, nargs > 0, &moved);
    if (!readable(r.m, r.tensor) || moved || !(at >= 1) || at > 1024 ||
        (uint64_t)at > oxp_tensor_at(r.m, r.tensor)->count) {
        oxp_fn_push_number(c, NAN);
        return;
    }
    r.first = (uint64_t)at - 1;
    oxp_fn_push_number(c, oxp_try(oxp_model_ctx(r.m), read_one, &r) == OXP_OK ? r.v : NAN);
}

void oxp_fn_stat(xmlXPathParserContextPtr c, int nargs) {
    double axis = nargs > 2 ? oxp_fn_pop_number(c) : 0;
    read_args r = {.s = oxp_fn_scratch(c), .m = oxp_fn_model_of(c), .v = NAN};
    r.axis = axis >= -64 && axis < 64 ? (int)axis : 64;
    r.what = nargs > 1 ? oxp_fn_pop_string(c) : "abs_max";
    bool moved;
    r.tensor = tensor_of(c, nargs > 0, &moved);
    if (moved && r.tensor != OXP_NONE) /* a matrix on its side: the other axis */
        r.axis = oxp_tensor_at(r.m, r.tensor)->rank != 2 ? 64 : (r.axis & 1) ^ 1;
    bool good = r.tensor != OXP_NONE && oxp_try(oxp_model_ctx(r.m), read_stat, &r) == OXP_OK;
    oxp_fn_push_number(c, good ? r.v : NAN);
}

void oxp_fn_readable(xmlXPathParserContextPtr c, int nargs) {
    bool moved;
    oxp_id tensor = tensor_of(c, nargs, &moved);
    valuePush(c, xmlXPathNewBoolean(readable(oxp_fn_model_of(c), tensor)));
}

/* The value of the first initializer with the same content; nothing when the bytes are absent. */
void oxp_fn_twin(xmlXPathParserContextPtr c, int nargs) {
    read_args r = {.s = oxp_fn_scratch(c), .m = oxp_fn_model_of(c), .twin = OXP_NONE};
    xmlNodeSetPtr out = xmlXPathNodeSetCreate(NULL);
    bool moved;
    r.tensor = tensor_of(c, nargs, &moved);
    const oxp_graph *g = oxp_graph_at(r.m, OXP_MAIN_GRAPH);
    if (r.tensor != OXP_NONE && oxp_try(oxp_model_ctx(r.m), read_twin, &r) == OXP_OK &&
        r.twin != OXP_NONE && r.twin != r.tensor)
        for (uint32_t i = 0; i < g->n_inits; i++)
            if (oxp_value_at(r.m, g->inits[i])->tensor == r.twin) {
                xmlNodePtr e = oxp_scratch_value(r.s, g->inits[i]);
                if (e)
                    xmlXPathNodeSetAdd(out, e);
                break;
            }
    oxp_fn_push_set(c, out);
}
