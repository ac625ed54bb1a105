/* infer_call.c - calls of local functions: attribute references, remembered results. */
#include <string.h>

#include "analysis/infer_impl.h"

/* ---- attributes ---- */

/* The attribute of the call that a reference in the body means, or its default. */
static const oxp_attr *referenced(const frame *f, const char *name) {
    for (uint32_t i = 0; i < f->n_attrs; i++)
        if (strcmp(f->attrs[i].name, name) == 0)
            return &f->attrs[i];
    for (uint32_t i = 0; i < f->function->n_defaults; i++)
        if (strcmp(f->function->defaults[i].name, name) == 0)
            return &f->function->defaults[i];
    return NULL;
}

void oxp_infer_attrs(oxp_engine *e, const oxp_node *n, const oxp_attr **attrs, uint32_t *count) {
    *attrs = n->attrs;
    *count = n->n_attr;
    uint32_t refs = 0;
    for (uint32_t i = 0; i < n->n_attr; i++)
        refs += n->attrs[i].ref != NULL;
    if (refs == 0)
        return;
    oxp_attr *r = OXP_NEWS(e->arena, n->n_attr, oxp_attr);
    *count = 0;
    for (uint32_t i = 0; i < n->n_attr; i++) {
        const oxp_attr *a = &n->attrs[i];
        if (a->ref != NULL) {
            const oxp_attr *value = e->frame != NULL ? referenced(e->frame, a->ref) : NULL;
            if (value == NULL)
                continue; /* not given by the caller: as if it were not there */
            r[*count] = *value;
            r[*count].name = a->name;
        } else {
            r[*count] = *a;
        }
        ++*count;
    }
    *attrs = r;
}

/* ---- facts as keys ---- */

static bool same_type(const oxp_type *a, const oxp_type *b) {
    for (int depth = 0; depth < 20; depth++) {
        if (a->kind != b->kind || a->elem != b->elem || a->rank != b->rank)
            return false;
        if (a->rank > 0 && memcmp(a->dims, b->dims, (size_t)a->rank * sizeof *a->dims) != 0)
            return false;
        if (a->of == NULL || b->of == NULL)
            return a->of == b->of;
        a = a->of;
        b = b->of;
    }
    return false;
}

static bool same_fact(const oxp_fact *a, const oxp_fact *b) {
    if (!same_type(&a->type, &b->type) || a->n_elems != b->n_elems || a->lazy != b->lazy ||
        a->constant != b->constant || a->shape_derived != b->shape_derived)
        return false;
    if (a->elems == b->elems)
        return true;
    if (a->elems == NULL || b->elems == NULL || a->type.kind != OXP_KIND_TENSOR)
        return false;
    for (uint32_t i = 0; i < a->n_elems; i++) {
        const oxp_elem *x = &a->elems[i], *y = &b->elems[i];
        /* the bits: NaN is itself, and 0 is not -0 */
        if (x->known != y->known || x->exact != y->exact || x->i != y->i || x->den != y->den ||
            /* NOLINTNEXTLINE(bugprone-suspicious-memory-comparison): so that is meant */
            memcmp(&x->f, &y->f, sizeof x->f) != 0)
            return false;
    }
    return true;
}

static uint64_t hash_call(const oxp_call *c, oxp_id function) {
    uint64_t h = oxp_hash_bytes(&function, sizeof function);
    for (uint32_t i = 0; i < c->n_in; i++) {
        const oxp_fact *f = c->in[i];
        uint64_t k[4] = {h, 0, 0, 0};
        if (f != NULL) {
            k[1] = (uint64_t)f->type.elem << 32 | (uint32_t)f->type.rank;
            k[2] = f->n_elems;
            if (f->type.rank > 0)
                k[3] = oxp_hash_bytes(f->type.dims, (size_t)f->type.rank * sizeof(oxp_dim));
        }
        h = oxp_hash_bytes(k, sizeof k);
    }
    return h;
}

static bool same_call(const memo *m, const oxp_call *c, oxp_id function) {
    static const oxp_fact nothing;
    if (m->function != function || m->n_in != c->n_in || m->n_attrs != c->n_attrs ||
        m->n_out < c->n_out || (c->engine->costs != NULL && !m->costed))
        return false;
    for (uint32_t i = 0; i < c->n_attrs; i++)
        if (!oxp_attr_same(&m->attrs[i], &c->attrs[i]))
            return false;
    for (uint32_t i = 0; i < c->n_in; i++)
        if (m->given[i] != (c->in[i] != NULL) ||
            !same_fact(&m->in[i], c->in[i] != NULL ? c->in[i] : &nothing))
            return false;
    return true;
}

static const memo *recall(const oxp_engine *e, const oxp_call *c, oxp_id function, uint64_t *hash) {
    uint32_t found;
    *hash = hash_call(c, function);
    for (int tries = 0; tries < 64 && oxp_map_get(e->memo_of, *hash, &found); tries++) {
        if (same_call(&e->memos[found], c, function))
            return &e->memos[found];
        ++*hash;
    }
    return NULL;
}

/* Facts as they were before the call: reading a constant inside completes them. */
static const oxp_fact *copy_inputs(oxp_engine *e, const oxp_call *c) {
    oxp_fact *in = OXP_NEWS(e->arena, c->n_in + 1u, oxp_fact);
    for (uint32_t i = 0; i < c->n_in; i++)
        if (c->in[i] != NULL)
            in[i] = *c->in[i];
    return in;
}

static const bool *copy_given(oxp_engine *e, const oxp_call *c) {
    bool *given = OXP_NEWS(e->arena, c->n_in + 1u, bool);
    for (uint32_t i = 0; i < c->n_in; i++)
        given[i] = c->in[i] != NULL;
    return given;
}

static void remember(oxp_engine *e, const oxp_call *c, const memo *m, uint64_t hash) {
    if (e->n_memos >= INFER_MAX_MEMO)
        return;
    e->memos = oxp_grow(e->arena, e->memos, &e->cap_memos, e->n_memos + 1, sizeof *e->memos);
    oxp_fact *out = OXP_NEWS(e->arena, c->n_out + 1u, oxp_fact);
    memcpy(out, c->out, c->n_out * sizeof *out);
    e->memos[e->n_memos] = *m;
    e->memos[e->n_memos].out = out;
    oxp_map_set(e->memo_of, hash, (uint32_t)e->n_memos++);
}

/* ---- the call ---- */

static void walk_body(oxp_engine *e, oxp_call *c, const oxp_function *f, const oxp_fact *in,
                      oxp_cost *total) {
    const oxp_graph *g = oxp_graph_at(e->m, f->graph);
    oxp_id *absent = OXP_NEWS(e->arena, g->n_inputs + 1u, oxp_id);
    frame body = {f, c->attrs, c->n_attrs, absent, 0};
    const frame *saved_frame = e->frame;
    uint64_t saved_times = e->times;
    bool saved_unknown = e->times_unknown;
    e->frame = &body;
    e->times = 1; /* the node that calls multiplies */
    e->times_unknown = false;
    e->depth++;
    for (uint32_t i = 0; i < g->n_inputs; i++) {
        bool given = i < c->n_in && c->in[i] != NULL;
        if (g->inputs[i] == OXP_NONE)
            continue;
        e->facts[g->inputs[i]] = given ? in[i] : (oxp_fact){0};
        if (!given)
            absent[body.n_absent++] = g->inputs[i];
    }
    oxp_infer_walk(e, f->graph, total);
    for (uint32_t i = 0; i < c->n_out && i < g->n_outputs; i++)
        if (g->outputs[i] != OXP_NONE)
            c->out[i] = e->facts[g->outputs[i]];
    e->depth--;
    e->frame = saved_frame;
    e->times = saved_times;
    e->times_unknown = saved_unknown;
}

static bool is_declared(const oxp_function *f, const char *attr) {
    for (uint32_t i = 0; i < f->n_attrs; i++)
        if (strcmp(f->attrs[i], attr) == 0)
            return true;
    for (uint32_t i = 0; i < f->n_defaults; i++)
        if (strcmp(f->defaults[i].name, attr) == 0)
            return true;
    return false;
}

/* Does the call fit the function's signature?  What is missing of the inputs matters to the nodes
 * that read it only. */
static bool fits(oxp_engine *e, oxp_call *c, const oxp_function *f) {
    const oxp_graph *g = oxp_graph_at(e->m, f->graph);
    if (c->n_in > g->n_inputs) {
        oxp_op_invalid(c, "%u inputs, the function takes %u", c->n_in, g->n_inputs);
        return false;
    }
    if (c->n_out != g->n_outputs) {
        oxp_op_invalid(c, "%u outputs, the function has %u", c->n_out, g->n_outputs);
        return false;
    }
    for (uint32_t i = 0; i < c->n_attrs; i++)
        if (!is_declared(f, c->attrs[i].name))
            oxp_op_warn(c, "the function has no attribute %.80s", c->attrs[i].name);
    return true;
}

bool oxp_infer_call(oxp_engine *e, oxp_call *c, oxp_id function, oxp_cost *total) {
    const oxp_function *f = oxp_function_at(e->m, function);
    if (!fits(e, c, f))
        return false;
    if (e->active[function]) {
        oxp_op_invalid(c, "the function calls itself");
        return false;
    }
    if (e->depth >= INFER_MAX_DEPTH) {
        oxp_infer_give_up(e, c->node_id, OXP_TOO_DEEP);
        return false;
    }
    uint64_t hash;
    const memo *known = recall(e, c, function, &hash);
    if (known != NULL) {
        memcpy(c->out, known->out, c->n_out * sizeof *c->out);
        *total = known->cost;
        if (known->failed && (e->trial != NULL || !e->partial))
            oxp_op_error(c, "the function cannot run with these inputs");
        return true;
    }
    memo m = {.function = function,
              .n_attrs = c->n_attrs,
              .n_in = c->n_in,
              .n_out = c->n_out,
              .attrs = c->attrs,
              .in = copy_inputs(e, c),
              .given = copy_given(e, c),
              .costed = e->costs != NULL};
    uint64_t errors = e->n_errors;
    e->active[function] = 1;
    walk_body(e, c, f, m.in, total);
    e->active[function] = 0;
    m.failed = e->n_errors != errors;
    m.cost = *total;
    remember(e, c, &m, hash);
    return true;
}
