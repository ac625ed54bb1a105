/* half_plan.c - which nodes of a float16 model a CPU computes in float32, and the Casts between
 * (half_plan.h). */
#include "analysis/half_plan.h"

#include "analysis/weights.h"
#include "ops/half_cpu.h"
#include "ops/op.h"

typedef enum kind {
    NONE,    /* no float16 tensor, folded, or a call: is replaced by its body */
    WIDE,    /* no float16 kernel */
    HALF,    /* float16 kernel */
    TO_HALF, /* a Cast of the model that makes float16 of another type */
    FROM_HALF
} kind;

typedef struct plan {
    const oxp_analysis *a;
    const oxp_model *m;
    oxp_dtype precision;
    uint8_t *kinds; /* by node id */
    oxp_half_node *nodes;
} plan;

bool oxp_half_is_emulated(const oxp_device *d) {
    return d->kind == OXP_DEVICE_CPU && !oxp_device_supports(d, OXP_FLOAT16);
}

bool oxp_half_value(const oxp_analysis *a, oxp_id value, oxp_dtype precision) {
    if (value == OXP_NONE)
        return false;
    const oxp_type *t = &a->values[value].type;
    return t->kind == OXP_KIND_TENSOR &&
           (precision != OXP_UNDEFINED && oxp_dtype_is_float(t->elem) ? precision : t->elem) ==
               OXP_FLOAT16;
}

/* A tensor that is passed on in float16 while it runs: no constant. */
static bool flows(const plan *p, oxp_id value) {
    return oxp_half_value(p->a, value, p->precision) && !p->a->values[value].constant;
}

static bool any(const plan *p, const oxp_id *values, uint32_t n) {
    for (uint32_t i = 0; i < n; i++)
        if (flows(p, values[i]))
            return true;
    return false;
}

static kind kind_of(const plan *p, const oxp_node *n) {
    bool in = any(p, n->in, n->n_in), out = any(p, n->out, n->n_out);
    if (!n->live || n->function != OXP_NONE || (!in && !out) || oxp_is_folded(p->a->values, n))
        return NONE;
    if (oxp_half_is_cast(n))
        return in && out ? HALF : in ? FROM_HALF : TO_HALF;
    return oxp_half_on_cpu(n) ? HALF : WIDE;
}

static kind producer_kind(const plan *p, oxp_id value) {
    oxp_id from = oxp_value_at(p->m, value)->producer;
    return from == OXP_NONE ? HALF : (kind)p->kinds[from];
}

/* Does anything that computes in this kind read the value? */
static bool read_by(const plan *p, oxp_id value, kind k) {
    for (oxp_id u = oxp_value_at(p->m, value)->first_use; u != OXP_NONE;) {
        const oxp_use *use = oxp_use_at(p->m, u);
        if (p->kinds[use->node] == k)
            return true;
        u = use->next;
    }
    return false;
}

/* Only between nodes without float16 kernels: the runtime then computes it in float32, too. */
static bool is_isolated(const plan *p, const oxp_node *n) {
    bool fed = false;
    if (n->def != NULL && (n->def->flags & OXP_OP_CONTROL))
        return false;
    for (uint32_t i = 0; i < n->n_in; i++) {
        if (!flows(p, n->in[i]))
            continue;
        if (oxp_value_at(p->m, n->in[i])->producer == OXP_NONE ||
            producer_kind(p, n->in[i]) != WIDE)
            return false;
        fed = true;
    }
    for (uint32_t i = 0; fed && i < n->n_out; i++) {
        if (n->out[i] == OXP_NONE)
            continue;
        if (oxp_value_at(p->m, n->out[i])->outputs || read_by(p, n->out[i], HALF) ||
            read_by(p, n->out[i], FROM_HALF))
            return false;
    }
    return fed;
}

static void charge(plan *p, oxp_id node, oxp_id value) {
    const oxp_value_info *v = &p->a->values[value];
    oxp_half_node *n = &p->nodes[node];
    n->casts = n->casts == UINT8_MAX ? UINT8_MAX : (uint8_t)(n->casts + 1);
    if (v->bytes != UINT64_MAX)
        n->elements += 8.0 * (double)v->bytes / oxp_dtype_bits(v->type.elem);
}

/* The Casts on one node's inputs from outside and on its outputs: each is charged once, to the
 * producer or, for inputs of the graph, to the first reader. */
static void add_casts(plan *p, oxp_id id, const oxp_node *n) {
    for (uint32_t i = 0; i < n->n_out; i++) {
        oxp_id v = n->out[i];
        if (v == OXP_NONE || !flows(p, v))
            continue;
        kind k = (kind)p->kinds[id];
        bool as_half = oxp_value_at(p->m, v)->outputs || read_by(p, v, HALF);
        if ((k == WIDE && as_half) || (k == HALF && read_by(p, v, WIDE)))
            charge(p, id, v);
    }
    for (uint32_t i = 0; i < n->n_in && p->kinds[id] == WIDE; i++) {
        oxp_id v = n->in[i];
        if (v != OXP_NONE && flows(p, v) && oxp_value_at(p->m, v)->producer == OXP_NONE &&
            oxp_use_at(p->m, oxp_value_at(p->m, v)->first_use)->node == id)
            charge(p, id, v);
    }
}

/* A Cast of the model next to one of the runtime's own: both go; that to an output of the graph
 * stays, for its name. */
static bool cancels_out(const plan *p, oxp_id id, const oxp_node *n) {
    oxp_id to = oxp_out(n, 0);
    if (to == OXP_NONE || oxp_value_at(p->m, to)->outputs)
        return false;
    return p->kinds[id] == TO_HALF     ? !read_by(p, to, HALF)
           : p->kinds[id] == FROM_HALF ? producer_kind(p, n->in[0]) == WIDE
                                       : false;
}

const oxp_half_node *oxp_half_plan(const oxp_analysis *a, oxp_dtype precision, oxp_arena *arena) {
    size_t n = oxp_node_count(a->model), found = 0;
    plan p = {a, a->model, precision, OXP_NEWS(arena, n + 1, uint8_t), NULL};
    for (oxp_id i = 0; i < n; i++)
        found += (p.kinds[i] = (uint8_t)kind_of(&p, oxp_node_at(a->model, i))) != NONE;
    if (found == 0)
        return NULL;
    p.nodes = OXP_NEWS(arena, n + 1, oxp_half_node);
    for (oxp_id i = 0; i < n; i++) /* judged by what has kernels, before any is moved */
        p.nodes[i].wide =
            p.kinds[i] == WIDE || (p.kinds[i] == HALF && is_isolated(&p, oxp_node_at(a->model, i)));
    for (oxp_id i = 0; i < n; i++)
        if (p.nodes[i].wide)
            p.kinds[i] = WIDE;
    for (oxp_id i = 0; i < n; i++) {
        const oxp_node *node = oxp_node_at(a->model, i);
        p.nodes[i].kernels = 1;
        if (p.kinds[i] == NONE)
            continue;
        if (p.kinds[i] == WIDE && !oxp_half_on_cpu(node)) {
            unsigned kernels =
                oxp_half_kernels(node, oxp_opset_of(a->model, node->graph, node->domain));
            p.nodes[i].replaced = kernels != 0;
            p.nodes[i].kernels = (uint8_t)(kernels ? kernels : 1);
        }
        p.nodes[i].gone = cancels_out(&p, i, node);
        add_casts(&p, i, node);
    }
    return p.nodes;
}
