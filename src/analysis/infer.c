/* infer.c - the walk: facts of every value, costs of every node. */
#include "analysis/infer.h"

#include <stdio.h>
#include <string.h>

#include "analysis/infer_impl.h"
#include "base/safe_math.h"
#include "ops/schema.h"

/* ---- equalities ---- */

void oxp_note_equality(oxp_call *c, oxp_dim a, oxp_dim b) {
    oxp_engine *e = c->engine;
    if (e->n_equalities == INFER_MAX_EQUALITIES || oxp_dim_is_opaque(c->dims, a) ||
        oxp_dim_is_opaque(c->dims, b))
        return;
    for (size_t i = 0; i < e->n_equalities; i++)
        if (e->equalities[i].a == a && e->equalities[i].b == b)
            return;
    e->equalities = oxp_grow(e->arena, e->equalities, &e->cap_equalities, e->n_equalities + 1,
                             sizeof *e->equalities);
    e->equalities[e->n_equalities++] = (oxp_equality){a, b, c->node_id};
}

/* ---- constants ---- */

/* Shape arithmetic needs whole numbers and a few scale factors, never weights. */
static bool worth_reading(const oxp_tensor *t) {
    if (t->sparse || t->count > OXP_ELEMS_MAX)
        return false;
    if (oxp_dtype_is_float(t->dtype))
        return t->rank <= 1 && t->count <= 64 && oxp_dtype_bits(t->dtype) >= 16;
    bool integer = oxp_dtype_is_integer(t->dtype) || t->dtype == OXP_BOOL;
    return integer && (t->count <= 64 || oxp_dtype_bits(t->dtype) >= 32);
}

static oxp_fact constant_fact(const oxp_model *m, oxp_id tensor) {
    const oxp_tensor *t = oxp_tensor_at(m, tensor);
    oxp_fact f = {.constant = true};
    f.type =
        (oxp_type){t->sparse ? OXP_KIND_SPARSE : OXP_KIND_TENSOR, t->dtype, t->rank, t->dims, NULL};
    if (worth_reading(t) && tensor < (1u << 30) - 1)
        f.lazy = (tensor + 1) & ((1u << 30) - 1);
    return f;
}

void oxp_set_constant(oxp_call *c, uint32_t slot, oxp_id tensor) {
    if (slot < c->n_out)
        c->out[slot] = constant_fact(c->model, tensor);
}

typedef struct load {
    oxp_engine *e;
    oxp_id tensor;
    oxp_elem *elems;
} load;

static void load_elems(void *arg) {
    load *l = arg;
    const oxp_tensor *t = oxp_tensor_at(l->e->m, l->tensor);
    if (oxp_dtype_is_float(t->dtype)) {
        double v[64];
        oxp_tensor_doubles(l->e->m, l->tensor, 0, t->count, v);
        for (uint64_t i = 0; i < t->count; i++)
            l->elems[i] = oxp_elem_float(v[i], t->dtype);
    } else {
        int64_t v[OXP_ELEMS_MAX];
        oxp_tensor_ints(l->e->m, l->tensor, 0, t->count, v);
        for (uint64_t i = 0; i < t->count; i++)
            l->elems[i] = oxp_elem_int(oxp_dim_literal(v[i]));
    }
}

const oxp_elem *oxp_input_elems(const oxp_call *c, uint32_t slot) {
    oxp_engine *e = c->engine;
    /* Facts belong to the engine; reading a constant completes one. */
    oxp_fact *f = (oxp_fact *)(uintptr_t)oxp_input(c, slot);
    if (f == NULL || f->type.kind != OXP_KIND_TENSOR)
        return NULL;
    if (f->elems != NULL || f->lazy == 0)
        return f->elems;
    load l = {e, f->lazy - 1, NULL};
    f->lazy = 0;
    uint32_t n = (uint32_t)oxp_tensor_at(e->m, l.tensor)->count;
    if (n > e->elems_left || !oxp_tensor_readable(e->m, l.tensor))
        return NULL;
    e->elems_left -= n;
    l.elems = oxp_alloc(e->arena, n + 1u, sizeof *l.elems);
    if (oxp_try(oxp_model_ctx(e->m), load_elems, &l) != OXP_OK) {
        oxp_error_clear(oxp_model_ctx(e->m)); /* unreadable: its elements are simply not known */
        return NULL;
    }
    f->elems = l.elems;
    f->n_elems = n;
    return f->elems;
}

bool oxp_elems_ready(const oxp_call *c) {
    for (uint32_t i = 0; i < c->n_in; i++) {
        const oxp_fact *f = c->in[i];
        if (f != NULL && (f->type.kind != OXP_KIND_TENSOR || (f->elems == NULL && f->lazy == 0)))
            return false;
    }
    return true;
}

void oxp_set_elems(oxp_call *c, uint32_t slot, const oxp_elem *v, uint32_t n) {
    if (slot >= c->n_out)
        return;
    oxp_fact *f = &c->out[slot];
    uint64_t count;
    if (n > OXP_ELEMS_MAX || n > c->engine->elems_left || !oxp_elements_literal(f, &count) ||
        count != n)
        return;
    c->engine->elems_left -= n;
    oxp_elem *copy = oxp_alloc(c->arena, n + 1u, sizeof *copy);
    memcpy(copy, v, n * sizeof *copy);
    f->elems = copy;
    f->n_elems = n;
    f->lazy = 0;
}

/* ---- declared types ---- */

static const oxp_type *bound_type(oxp_engine *e, const oxp_type *t) {
    if (t == NULL || (t->kind != OXP_KIND_TENSOR && t->kind != OXP_KIND_SPARSE) || t->rank <= 0)
        return t;
    oxp_type *r = OXP_NEW(e->arena, oxp_type);
    oxp_dim *dims = OXP_NEWS(e->arena, (size_t)t->rank, oxp_dim);
    for (int i = 0; i < t->rank; i++) {
        oxp_dim d = t->dims[i];
        if (!oxp_dim_is_literal(d) && e->opts->bind != NULL)
            d = e->opts->bind(e->opts->arg, d);
        if (oxp_dim_is_literal(d) && (d < 0 || e->rebound))
            d = OXP_DIM_UNKNOWN;
        dims[i] = oxp_dim_is_unknown(d) ? oxp_dim_fresh(oxp_model_dims(e->m)) : d;
    }
    *r = *t;
    r->dims = dims;
    return r;
}

const oxp_type *oxp_declared_type(const oxp_call *c, oxp_id value) {
    return bound_type(c->engine, oxp_value_at(c->model, value)->declared);
}

/* What the file says and what was found exclude each other. */
static void report_conflict(oxp_engine *e, oxp_id node, const char *name, const char *what,
                            long long declared, long long found) {
    char text[300];
    snprintf(text, sizeof text, "%.120s is declared with %s %lld, inference finds %lld", name, what,
             declared, found);
    oxp_infer_report(e, OXP_WARNING, "shape-conflict", node, text);
}

static void check_declared(oxp_engine *e, oxp_id node, const oxp_value *v, const oxp_type *found) {
    const oxp_type *d = v->declared;
    if (!oxp_types_agree(d, found)) {
        char text[400], a[OXP_TYPE_TEXT], b[OXP_TYPE_TEXT];
        snprintf(text, sizeof text, "%.120s is declared %s, inference finds %s", v->name,
                 oxp_type_brief(d, a), oxp_type_brief(found, b));
        oxp_infer_accuse(e, "type-conflict", node, text);
    }
    if (d->kind != OXP_KIND_TENSOR || found->kind != OXP_KIND_TENSOR || d->rank < 0 ||
        found->rank < 0)
        return;
    if (d->rank != found->rank) {
        report_conflict(e, node, v->name, "rank", d->rank, found->rank);
        return;
    }
    for (int i = 0; i < d->rank && !e->rebound; i++)
        if (oxp_dim_is_literal(d->dims[i]) && oxp_dim_is_literal(found->dims[i]) &&
            d->dims[i] != found->dims[i]) {
            report_conflict(e, node, v->name, "dimension", d->dims[i], found->dims[i]);
            return;
        }
}

/* Opaque dimensions for which the file has a number take it, unless that makes more elements than
 * can be counted: then the number is wrong. */
static void refine(oxp_engine *e, oxp_fact *f, const oxp_type *declared) {
    oxp_dims *p = oxp_model_dims(e->m);
    oxp_dim *copy = NULL;
    for (int i = 0; i < f->type.rank && !e->rebound; i++) {
        oxp_dim d = declared->dims[i];
        if (!oxp_dim_is_literal(d) || d < 0 || !oxp_dim_is_opaque(p, f->type.dims[i]))
            continue;
        if (copy == NULL) {
            copy = OXP_NEWS(e->arena, (size_t)f->type.rank, oxp_dim);
            memcpy(copy, f->type.dims, (size_t)f->type.rank * sizeof *copy);
        }
        copy[i] = d;
    }
    if (copy != NULL && oxp_countable(f->type.rank, copy))
        f->type.dims = copy;
}

/* A declared shape with more elements than can be counted is none. */
static oxp_type fallback(oxp_engine *e, const oxp_type *declared) {
    oxp_type t = *bound_type(e, declared);
    if (t.kind == OXP_KIND_TENSOR && t.rank > 0 && !oxp_countable(t.rank, t.dims)) {
        t.rank = -1;
        t.dims = NULL;
    }
    return t;
}

/* The declaration is a fallback: it fills what inference left open and never overrides. */
static void use_declared(oxp_engine *e, oxp_id node, oxp_id value, oxp_fact *f) {
    const oxp_value *v = oxp_value_at(e->m, value);
    if (v->declared == NULL)
        return;
    if (f->type.kind == OXP_KIND_UNKNOWN) {
        f->type = fallback(e, v->declared);
        return;
    }
    check_declared(e, node, v, &f->type);
    if (f->type.kind != v->declared->kind || f->type.kind != OXP_KIND_TENSOR)
        return;
    oxp_dtype elem = f->type.elem != OXP_UNDEFINED ? f->type.elem : v->declared->elem;
    if (f->type.rank < 0)
        f->type = fallback(e, v->declared);
    else if (f->type.rank == v->declared->rank)
        refine(e, f, v->declared);
    f->type.elem = elem;
}

/* ---- one node ---- */

static int64_t opset_of(oxp_engine *e, const oxp_node *n) {
    if (e->opset_graph != n->graph || e->opset_domain != n->domain) {
        e->opset_graph = n->graph;
        e->opset_domain = n->domain;
        e->opset = oxp_opset_of(e->m, n->graph, n->domain);
    }
    return e->opset;
}

static const oxp_schema *schema_of(oxp_engine *e, const oxp_node *n, int64_t opset) {
    uintptr_t hash = (uintptr_t)n->op >> 4;
    looked_up *s = &e->schemas[(hash ^ hash >> 6) % INFER_SCHEMAS];
    if (s->op != n->op || s->domain != n->domain || s->opset != opset)
        *s = (looked_up){n->op, n->domain, opset, oxp_schema_find(n->domain, n->op, opset)};
    return s->schema;
}

static void default_cost(const oxp_call *c, uint32_t flags, oxp_cost *cost) {
    uint64_t n = 0;
    for (uint32_t i = 0; i < c->n_out; i++) {
        uint64_t count;
        if (oxp_out(c->node, i) == OXP_NONE)
            continue;
        if (!oxp_elements_literal(&c->out[i], &count))
            return;
        n = oxp_sat_add(n, count);
    }
    cost->known = true;
    if (flags & OXP_OP_VIEW)
        return;
    *(flags & OXP_OP_MOVE ? &cost->moved : &cost->flops) = n;
}

static oxp_cost node_cost(oxp_engine *e, const oxp_call *c, const oxp_op *op) {
    oxp_cost cost = {0};
    if (op == NULL || e->costs == NULL)
        return cost;
    if (op->flags & OXP_OP_CONTROL)
        cost.known = true;
    else if (op->cost != NULL)
        op->cost(c, &cost);
    else
        default_cost(c, op->flags, &cost);
    return cost;
}

static void book_cost(oxp_engine *e, oxp_id node, oxp_cost *cost, oxp_cost *total) {
    if (!cost->known)
        *cost = (oxp_cost){0};
    cost->macs = oxp_sat_mul(cost->macs, e->times);
    cost->flops = oxp_sat_mul(cost->flops, e->times);
    cost->int_ops = oxp_sat_mul(cost->int_ops, e->times);
    cost->moved = oxp_sat_mul(cost->moved, e->times);
    cost->at_least |= e->times_unknown;
    oxp_cost_add(total, cost);
    if (e->frame == NULL)
        e->costs[node] = (oxp_node_cost){*cost, e->times};
}

/* constant and shape_derived follow from the inputs. */
static void derive_flags(const oxp_call *c, const oxp_op *op) {
    bool constant = op != NULL && !(op->flags & (OXP_OP_RANDOM | OXP_OP_CONTROL));
    bool derived = constant, any = false;
    for (uint32_t i = 0; i < c->n_in; i++) {
        const oxp_fact *f = c->in[i];
        if (f == NULL)
            continue;
        constant &= f->constant;
        derived &= f->constant || f->shape_derived;
        any |= f->shape_derived;
    }
    for (uint32_t i = 0; i < c->n_out; i++) {
        c->out[i].constant |= constant;
        c->out[i].shape_derived |= derived && any;
    }
}

/* The fact of an input; NULL when it is omitted, by the node or by the caller of its function. */
static const oxp_fact *input_fact(const oxp_engine *e, oxp_id value) {
    if (value == OXP_NONE)
        return NULL;
    for (uint32_t i = 0; e->frame != NULL && i < e->frame->n_absent; i++)
        if (e->frame->absent[i] == value)
            return NULL;
    return &e->facts[value];
}

/* What an earlier visit found need not hold for this one. */
static void give_up(oxp_engine *e, oxp_id id, const oxp_node *n, oxp_cost *total) {
    oxp_infer_give_up(e, id, OXP_TOO_DEEP);
    for (uint32_t i = 0; i < n->n_out; i++)
        if (n->out[i] != OXP_NONE)
            e->facts[n->out[i]] = (oxp_fact){0};
    if (e->costs != NULL && e->frame == NULL)
        e->costs[id] = (oxp_node_cost){.times = 1};
    oxp_cost_add(total, &(oxp_cost){0});
}

static void run_node(oxp_engine *e, oxp_id id, oxp_cost *total) {
    const oxp_node *n = oxp_node_at(e->m, id);
    if (e->budget == 0) {
        give_up(e, id, n, total);
        return;
    }
    e->budget--;
    oxp_mark mark = oxp_arena_mark(e->scratch);
    enum { FEW = 4 }; /* most nodes' inputs and outputs: not worth an allocation */
    const oxp_fact *few_in[FEW], **in = few_in;
    oxp_fact few_out[FEW], *out = few_out;
    if (n->n_in > FEW)
        in = oxp_alloc(e->scratch, n->n_in, sizeof *in);
    if (n->n_out > FEW)
        out = oxp_alloc(e->scratch, n->n_out, sizeof *out);
    else
        memset(few_out, 0, n->n_out * sizeof *out);
    for (uint32_t i = 0; i < n->n_in; i++)
        in[i] = input_fact(e, n->in[i]);
    oxp_call c = {.engine = e,
                  .model = e->m,
                  .dims = oxp_model_dims(e->m),
                  .arena = e->arena,
                  .scratch = e->scratch,
                  .node_id = id,
                  .node = n,
                  .opset = opset_of(e, n),
                  .n_in = n->n_in,
                  .n_out = n->n_out,
                  .in = in,
                  .out = out};
    c.schema = schema_of(e, n, c.opset);
    oxp_infer_attrs(e, n, &c.attrs, &c.n_attrs);
    oxp_cost saved = e->inner, cost = {0};
    e->inner = (oxp_cost){.known = true};
    const oxp_op *op = n->function == OXP_NONE ? n->def : NULL;
    if (n->function != OXP_NONE)
        cost.known = oxp_infer_call(e, &c, n->function, &cost);
    else if (oxp_op_check(&c) && op != NULL && op->infer != NULL) {
        op->infer(&c);
        oxp_op_check_outputs(&c);
        oxp_op_check_needs(&c, op);
    }
    if (n->function == OXP_NONE)
        oxp_op_fill_types(&c);
    if (op != NULL)
        cost = node_cost(e, &c, op);
    derive_flags(&c, op);
    for (uint32_t i = 0; i < n->n_out; i++) {
        if (n->out[i] == OXP_NONE)
            continue;
        use_declared(e, id, n->out[i], &out[i]);
        e->facts[n->out[i]] = out[i];
    }
    if (e->costs != NULL) {
        book_cost(e, id, &cost, total);
        oxp_cost_add(total, &e->inner);
    }
    e->inner = saved;
    oxp_arena_rewind(e->scratch, mark);
}

void oxp_infer_walk(oxp_engine *e, oxp_id graph, oxp_cost *total) {
    total->known = true;
    const oxp_graph *g = oxp_graph_at(e->m, graph);
    /* Producers come first: the loader puts the nodes in order, and patches keep it. */
    for (oxp_id n = g->first; n != OXP_NONE; n = oxp_node_at(e->m, n)->next)
        run_node(e, n, total);
}

/* ---- subgraphs ---- */

static void set_formal(oxp_engine *e, oxp_id value, const oxp_fact *f) {
    oxp_fact *to = &e->facts[value];
    const oxp_type *declared = oxp_value_at(e->m, value)->declared;
    *to = f != NULL ? *f : (oxp_fact){0};
    if (declared == NULL)
        return;
    if (to->type.kind == OXP_KIND_UNKNOWN)
        to->type = *bound_type(e, declared);
    else if (to->type.kind == OXP_KIND_TENSOR && to->type.elem == OXP_UNDEFINED)
        to->type.elem = declared->elem;
}

/* A runtime does not load a body whose input is declared with another type than it is given. */
static void check_formal(oxp_call *c, oxp_id value, const oxp_fact *f) {
    const oxp_value *v = oxp_value_at(c->model, value);
    char declared[OXP_TYPE_TEXT], given[OXP_TYPE_TEXT];
    const oxp_type *d = v->declared;
    if (f != NULL && d != NULL && d->kind == OXP_KIND_OPTIONAL && f->type.kind != d->kind)
        d = d->of; /* it is there */
    if (f != NULL && d != NULL && !oxp_types_agree(d, &f->type))
        oxp_op_invalid(c, "%.120s of its body is declared %s, it is given %s", v->name,
                       oxp_type_brief(v->declared, declared), oxp_type_brief(&f->type, given));
}

void oxp_infer_subgraph(oxp_call *c, oxp_id graph, const oxp_fact *const *in, uint32_t n_in,
                        oxp_fact *out, uint32_t n_out, uint64_t times, oxp_cost *total) {
    oxp_engine *e = c->engine;
    const oxp_graph *g = oxp_graph_at(e->m, graph);
    memset(out, 0, n_out * sizeof *out);
    *total = (oxp_cost){.known = true};
    if (e->depth >= INFER_MAX_DEPTH) {
        oxp_infer_give_up(e, c->node_id, OXP_TOO_DEEP);
        return;
    }
    uint64_t saved_times = e->times;
    bool saved_unknown = e->times_unknown;
    if (times == UINT64_MAX)
        e->times_unknown = true;
    else
        e->times = oxp_sat_mul(e->times, times);
    e->depth++;
    for (uint32_t i = 0; i < g->n_inputs; i++)
        if (g->inputs[i] != OXP_NONE) {
            check_formal(c, g->inputs[i], i < n_in ? in[i] : NULL);
            set_formal(e, g->inputs[i], i < n_in ? in[i] : NULL);
        }
    oxp_infer_walk(e, graph, total);
    for (uint32_t i = 0; i < n_out && i < g->n_outputs; i++)
        if (g->outputs[i] != OXP_NONE)
            out[i] = e->facts[g->outputs[i]];
    e->depth--;
    e->times = saved_times;
    e->times_unknown = saved_unknown;
}

void oxp_count_cost(oxp_call *c, const oxp_cost *total) {
    oxp_cost_add(&c->engine->inner, total);
}

bool oxp_play_begin(oxp_call *c) {
    bool free = !c->engine->playing;
    c->engine->playing = true;
    return free;
}

void oxp_play_end(oxp_call *c) {
    c->engine->playing = false;
}

bool oxp_counts_costs(const oxp_call *c) {
    return c->engine->costs != NULL;
}

bool oxp_costs_off(oxp_call *c) {
    oxp_engine *e = c->engine;
    if (e->costs == NULL || e->depth == 0)
        return false;
    e->costs_held = e->costs;
    e->costs = NULL;
    return true;
}

void oxp_costs_on(oxp_call *c) {
    c->engine->costs = c->engine->costs_held;
}

static void discard(oxp_engine *e, oxp_id graph, int depth) {
    const oxp_graph *g = oxp_graph_at(e->m, graph);
    for (oxp_id n = g->first; n != OXP_NONE; n = oxp_node_at(e->m, n)->next) {
        const oxp_node *node = oxp_node_at(e->m, n);
        e->costs[n] = (oxp_node_cost){.cost = {.known = true}};
        for (uint32_t i = 0; i < node->n_attr && depth < INFER_MAX_DEPTH; i++) {
            const oxp_attr *a = &node->attrs[i];
            if (a->type == OXP_ATTR_GRAPH && a->ref == NULL)
                discard(e, a->u.id, depth + 1);
        }
    }
}

void oxp_discard_costs(oxp_call *c, oxp_id g) {
    if (c->engine->costs != NULL && c->engine->frame == NULL)
        discard(c->engine, g, 0);
}

/* ---- the whole model ---- */

static void set_constants(oxp_engine *e) {
    size_t n = oxp_value_count(e->m);
    for (oxp_id i = 0; i < n; i++) {
        const oxp_value *v = oxp_value_at(e->m, i);
        if (!v->live || v->tensor == OXP_NONE)
            continue;
        e->facts[i] = constant_fact(e->m, v->tensor);
        e->facts[i].constant = !v->overridable;
    }
}

static void set_inputs(oxp_engine *e) {
    const oxp_graph *g = oxp_graph_at(e->m, OXP_MAIN_GRAPH);
    for (uint32_t i = 0; i < g->n_inputs; i++) {
        const oxp_value *v = oxp_value_at(e->m, g->inputs[i]);
        const oxp_type *t = NULL, *d = v->declared;
        if (v->tensor != OXP_NONE)
            continue;
        if (e->opts->input != NULL)
            t = e->opts->input(e->opts->arg, g->inputs[i]);
        if (t != NULL && d != NULL && t->kind == OXP_KIND_TENSOR && d->kind == OXP_KIND_TENSOR)
            for (int k = 0; k < t->rank && k < d->rank; k++)
                e->rebound |= oxp_dim_is_literal(d->dims[k]) && d->dims[k] != t->dims[k];
        t = t != NULL ? t : bound_type(e, d);
        if (t != NULL)
            e->facts[g->inputs[i]].type = *t;
        if (t != NULL && e->opts->elems != NULL) {
            oxp_fact *f = &e->facts[g->inputs[i]];
            f->elems = e->opts->elems(e->opts->arg, g->inputs[i], &f->n_elems);
        }
    }
}

const oxp_inferred *oxp_infer(const oxp_model *m, const oxp_infer_opts *opts, oxp_arena *arena) {
    size_t nodes = oxp_node_count(m);
    oxp_engine *e = OXP_NEW(arena, oxp_engine);
    e->m = m;
    e->opts = opts;
    e->arena = arena;
    e->scratch = oxp_arena_new(oxp_model_ctx(m));
    e->facts = OXP_NEWS(arena, oxp_value_count(m) + 1, oxp_fact);
    e->costs = opts->no_costs ? NULL : OXP_NEWS(arena, nodes + 1, oxp_node_cost);
    e->reported = OXP_NEWS(arena, nodes + 1, uint8_t);
    e->active = OXP_NEWS(arena, oxp_function_count(m) + 1, uint8_t);
    e->memo_of = oxp_map_new(arena);
    e->times = 1;
    e->budget = 500000 + 64 * (uint64_t)nodes;
    e->elems_left = INFER_MAX_ELEMS;
    e->opset_graph = OXP_NONE;
    set_constants(e);
    set_inputs(e);
    oxp_cost total = {0};
    oxp_infer_walk(e, OXP_MAIN_GRAPH, &total);
    oxp_arena_free(e->scratch);
    oxp_inferred *r = OXP_NEW(arena, oxp_inferred);
    *r = (oxp_inferred){e->facts, e->costs, e->equalities, e->n_equalities, e->partial};
    return r;
}
