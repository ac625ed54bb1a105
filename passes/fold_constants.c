/* fold_constants.c - what does not depend on the inputs is computed once, here.
 *
 *   before   s = Shape(x)  n = Gather(s, 1)  r = Concat(-1, n)  y = Reshape(x, r)     x: [1,3,8,8]
 *   after    y = Reshape(x, [-1, 3])
 *
 * Short results (up to 1024 elements) come from the inference engine, which computes in the
 * precision of the tensors' own types, whatever the sizes of free dimensions.  Initializers of any
 * size go through Reshape, Squeeze, Unsqueeze, Flatten and float Casts lazily, small ones through
 * Transpose. Exact: integers are integers, floats are rounded as the node would.  Random operators,
 * bodies of loops and functions (where a value has many values), and results that are graph outputs
 * stay. Budget: together the new constants may add at most 1 MiB, or as much as --fold-budget says.
 */
#include "analysis/infer.h"
#include "base/safe_math.h"
#include "onnxpert/pass.h"

#include <stdlib.h>
#include <string.h>

#define BUDGET        (UINT64_C(1) << 20) /* bytes, unless the param "budget" says otherwise */
#define TRANSPOSE_MAX (UINT64_C(1) << 20) /* bytes */
#define MAX_RANK      8

typedef struct work {
    oxp_run *run;
    oxp_model *m;
    const oxp_inferred *known;
    size_t n_known, n_nodes;
    bool *open;     /* by value: depends on an initializer that a caller may override; or NULL */
    bool *was_used; /* by node: somebody read it when the pass began */
    uint64_t added, budget;
    size_t folded, dropped;
} work;

static bool used(const work *w, const oxp_node *n) {
    for (uint32_t i = 0; i < n->n_out; i++)
        if (n->out[i] != OXP_NONE &&
            (oxp_value_at(w->m, n->out[i])->n_uses || oxp_value_at(w->m, n->out[i])->outputs))
            return true;
    return false;
}

/* Literal dims of a fact; false when there is another. */
static bool literal_dims(const oxp_type *t, int64_t *dims) {
    if (t->kind != OXP_KIND_TENSOR || t->rank < 0 || t->rank > MAX_RANK)
        return false;
    for (int i = 0; i < t->rank; i++) {
        if (!oxp_dim_is_literal(t->dims[i]) || t->dims[i] < 0)
            return false;
        dims[i] = t->dims[i];
    }
    return true;
}

/* The elements in the byte layout of their type; OXP_NONE when one is not a number. */
static oxp_id encode(const work *w, oxp_patch *p, const char *name, const oxp_fact *f,
                     const int64_t *dims) {
    oxp_dtype t = f->type.elem;
    size_t size = oxp_dtype_bits(t) / 8;
    bool real = t == OXP_FLOAT || t == OXP_DOUBLE || t == OXP_FLOAT16 || t == OXP_BFLOAT16;
    double *v = OXP_NEWS(oxp_run_arena(w->run), f->n_elems + 1, double);
    uint8_t *bytes = OXP_NEWS(oxp_run_arena(w->run), (f->n_elems + (size_t)1) * 8, uint8_t);
    for (uint32_t i = 0; i < f->n_elems; i++) {
        if (real) {
            v[i] = f->elems[i].f;
        } else {
            int64_t e = f->elems[i].i; /* little-endian, low bytes first */
            memcpy(bytes + i * size, &e, size);
        }
    }
    return real ? oxp_patch_tensor_doubles(p, name, t, f->type.rank, dims, v, false)
                : oxp_patch_tensor(p, name, t, f->type.rank, dims, bytes, f->n_elems * size);
}

static bool all_known(const oxp_fact *f) {
    oxp_dtype t = f->type.elem;
    bool real = t == OXP_FLOAT || t == OXP_DOUBLE || t == OXP_FLOAT16 || t == OXP_BFLOAT16;
    bool whole = t == OXP_BOOL || (oxp_dtype_is_integer(t) && oxp_dtype_bits(t) >= 8);
    if (f->type.kind != OXP_KIND_TENSOR || !f->elems || (!real && !whole))
        return false;
    for (uint32_t i = 0; i < f->n_elems; i++) {
        const oxp_elem *e = &f->elems[i];
        if (!e->known || (whole && (!oxp_dim_is_literal(e->i) || oxp_dim_is_unknown(e->i))) ||
            (real && e->exact))
            return false;
    }
    return true;
}

/* Is every used output a short constant? */
static bool computed(const work *w, const oxp_node *n) {
    int64_t dims[MAX_RANK];
    for (uint32_t i = 0; i < n->n_out; i++) {
        if (n->out[i] == OXP_NONE || !oxp_value_at(w->m, n->out[i])->n_uses)
            continue;
        if (n->out[i] >= w->n_known || (w->open && w->open[n->out[i]]))
            return false;
        const oxp_fact *f = &w->known->facts[n->out[i]];
        uint64_t count = 1;
        if (!all_known(f) || !literal_dims(&f->type, dims))
            return false;
        for (int k = 0; k < f->type.rank; k++)
            count = oxp_sat_mul(count, (uint64_t)dims[k]);
        if (count != f->n_elems)
            return false;
    }
    return true;
}

static bool is_output(const work *w, const oxp_node *n) {
    for (uint32_t i = 0; i < n->n_out; i++)
        if (n->out[i] != OXP_NONE && oxp_value_at(w->m, n->out[i])->outputs)
            return true;
    return false;
}

/* ---- initializers through nodes that rearrange or convert them ---- */

static bool is_view(const oxp_node *n) {
    return oxp_node_is(n, "Reshape") || oxp_node_is(n, "Squeeze") || oxp_node_is(n, "Unsqueeze") ||
           oxp_node_is(n, "Flatten");
}

static bool plain_float(oxp_dtype t) {
    return t == OXP_FLOAT || t == OXP_DOUBLE || t == OXP_FLOAT16 || t == OXP_BFLOAT16;
}

/* Only the source's last reader may take it along: a copy of a big shared weight is growth. */
static uint64_t growth(const work *w, oxp_id source, uint64_t bytes) {
    const oxp_value *v = oxp_value_at(w->m, source);
    uint64_t freed = v->n_uses == 1 && !v->outputs && v->tensor != OXP_NONE
                         ? oxp_tensor_at(w->m, v->tensor)->bytes
                         : 0;
    return bytes > freed ? bytes - freed : 0;
}

static oxp_id transposed(const work *w, oxp_patch *p, const oxp_node *n, const oxp_tensor *t,
                         oxp_id id) {
    size_t rank = 0, size = oxp_dtype_bits(t->dtype) / 8;
    const int64_t *perm = oxp_attr_ints(n, "perm", &rank);
    oxp_arena *a = oxp_run_arena(w->run);
    uint8_t *in = OXP_NEWS(a, t->bytes + 1, uint8_t), *out = OXP_NEWS(a, t->bytes + 1, uint8_t);
    int64_t dims[MAX_RANK] = {0}, step[MAX_RANK] = {0}, stride = 1, from[MAX_RANK] = {0};
    oxp_tensor_raw(w->m, id, 0, (size_t)t->bytes, in);
    for (int i = t->rank - 1; i >= 0; i--) {
        step[i] = stride;
        stride *= t->dims[i];
    }
    for (int i = 0; i < t->rank; i++) {
        int k = perm ? (int)perm[i] : t->rank - 1 - i;
        dims[i] = t->dims[k];
        from[i] = step[k];
    }
    for (uint64_t i = 0; i < t->count; i++) {
        uint64_t rest = i, at = 0;
        for (int d = t->rank - 1; d >= 0; d--) {
            at += rest % (uint64_t)dims[d] * (uint64_t)from[d];
            rest /= (uint64_t)dims[d];
        }
        memcpy(out + i * size, in + at * size, size);
    }
    return oxp_patch_tensor(p, oxp_value_at(w->m, n->out[0])->name, t->dtype, t->rank, dims, out,
                            (size_t)t->bytes);
}

static bool can_transpose(const oxp_node *n, const oxp_tensor *t) {
    size_t rank = 0;
    const int64_t *perm = oxp_attr_ints(n, "perm", &rank);
    unsigned seen = 0;
    if (t->rank > MAX_RANK || t->bytes > TRANSPOSE_MAX || oxp_dtype_bits(t->dtype) < 8 ||
        t->dtype == OXP_STRING ||
        (perm ? rank != (size_t)t->rank : oxp_attr_find(n, "perm") != NULL))
        return false;
    for (size_t i = 0; perm && i < rank; i++) {
        if (perm[i] < 0 || perm[i] >= t->rank)
            return false;
        seen |= 1u << perm[i];
    }
    return !perm || seen == (1u << rank) - 1;
}

/* The tensor of the node's result, or OXP_NONE. */
static oxp_id rearranged(work *w, oxp_patch *p, const oxp_node *n, uint64_t *cost) {
    int64_t dims[MAX_RANK];
    oxp_id id = oxp_in(n, 0) == OXP_NONE ? OXP_NONE : oxp_constant_of(w->m, n->in[0], false);
    if (id == OXP_NONE || n->out[0] >= w->n_known || !oxp_tensor_readable(w->m, id))
        return OXP_NONE;
    const oxp_tensor t = *oxp_tensor_at(w->m, id);
    const oxp_type *type = &w->known->facts[n->out[0]].type;
    if (t.sparse || t.dtype == OXP_STRING)
        return OXP_NONE;
    const char *name = oxp_value_at(w->m, n->out[0])->name;
    oxp_recipe same = {.base = id};
    *cost = growth(w, n->in[0], t.bytes);
    if (oxp_node_is(n, "Transpose") && can_transpose(n, &t))
        return w->added + *cost <= w->budget ? transposed(w, p, n, &t, id) : OXP_NONE;
    if (!literal_dims(type, dims))
        return OXP_NONE;
    uint64_t count = 1;
    for (int i = 0; i < type->rank; i++)
        count = oxp_sat_mul(count, (uint64_t)dims[i]);
    if (count != t.count)
        return OXP_NONE;
    if (oxp_node_is(n, "Cast")) {
        oxp_dtype to = (oxp_dtype)oxp_attr_int(n, "to", 0);
        if (!plain_float(t.dtype) || !plain_float(to) || oxp_attr_find(n, "saturate"))
            return OXP_NONE;
        *cost = growth(w, n->in[0], oxp_dtype_bytes(to, t.count));
        return w->added + *cost <= w->budget
                   ? oxp_patch_tensor_lazy(p, name, to, t.rank, t.dims, &same)
                   : OXP_NONE;
    }
    if (!is_view(n) || w->added + *cost > w->budget)
        return OXP_NONE;
    return oxp_patch_tensor_lazy(p, name, t.dtype, type->rank, dims, &same);
}

/* ---- the pass ---- */

static bool fold(work *w, oxp_id id) {
    const oxp_node n = *oxp_node_at(w->m, id);
    const char *why = NULL;
    uint64_t cost = 0;
    bool is_short = computed(w, &n);
    if (!is_short &&
        (n.n_in == 0 || n.in[0] == OXP_NONE || oxp_constant_of(w->m, n.in[0], false) == OXP_NONE ||
         (!is_view(&n) && !oxp_node_is(&n, "Transpose") && !oxp_node_is(&n, "Cast"))))
        return false;
    oxp_patch *p = oxp_patch_new(w->run);
    for (uint32_t i = 0; i < n.n_out; i++) {
        if (n.out[i] == OXP_NONE || !oxp_value_at(w->m, n.out[i])->n_uses)
            continue;
        oxp_id tensor = OXP_NONE;
        int64_t dims[MAX_RANK];
        const char *name = oxp_value_at(w->m, n.out[i])->name;
        if (is_short && literal_dims(&w->known->facts[n.out[i]].type, dims)) {
            tensor = encode(w, p, name, &w->known->facts[n.out[i]], dims);
            cost += oxp_dtype_bytes(w->known->facts[n.out[i]].type.elem,
                                    w->known->facts[n.out[i]].n_elems);
        } else if (!is_short) {
            tensor = rearranged(w, p, &n, &cost);
        }
        if (tensor == OXP_NONE || w->added + cost > w->budget) {
            oxp_patch_discard(p);
            if (tensor != OXP_NONE)
                oxp_run_skip(w->run, id,
                             "the new constants would add more than %llu bytes (--fold-budget)",
                             (unsigned long long)w->budget);
            return false;
        }
        oxp_patch_replace_uses(p, n.out[i], oxp_patch_initializer(p, n.graph, tensor));
    }
    oxp_patch_drop(p, id);
    if (!oxp_patch_apply(p, &why)) {
        oxp_run_skip(w->run, id, "%s", why);
        return false;
    }
    w->added += cost;
    return true;
}

static bool drop(work *w, oxp_id id) {
    const char *why = NULL;
    oxp_patch *p = oxp_patch_new(w->run);
    oxp_patch_drop(p, id);
    return oxp_patch_apply(p, &why);
}

/* Could the node be folded, so that what only it reads need not be? */
static bool foldable(const work *w, const oxp_node *n) {
    return n->def && n->function == OXP_NONE &&
           !(n->def->flags & (OXP_OP_RANDOM | OXP_OP_CONTROL)) && !oxp_node_is(n, "Constant") &&
           n->n_out > 0 && n->out[0] != OXP_NONE && !is_output(w, n);
}

/* Results first: what only they needed is unused by the time it is looked at. */
static void sweep(work *w, oxp_id graph) {
    const oxp_graph *g = oxp_graph_at(w->m, graph);
    oxp_id *nodes = OXP_NEWS(oxp_run_arena(w->run), g->n_nodes + (size_t)1, oxp_id);
    size_t n = 0;
    for (oxp_id id = g->first; id != OXP_NONE; id = oxp_node_at(w->m, id)->next)
        nodes[n++] = id;
    while (n-- > 0) {
        const oxp_node node = *oxp_node_at(w->m, nodes[n]);
        if (!node.live || !foldable(w, &node))
            continue;
        if (used(w, &node))
            w->folded += fold(w, nodes[n]);
        else if (w->was_used[nodes[n]])
            w->dropped += drop(w, nodes[n]);
    }
}

/* Values inside loops and functions differ from run to run: only the main graph and branches of If.
 */
static bool runs_once(const oxp_model *m, oxp_id graph) {
    for (int depth = 0; depth < 100; depth++) {
        const oxp_graph *g = oxp_graph_at(m, graph);
        if (g->kind == OXP_GRAPH_MAIN)
            return true;
        if (g->kind != OXP_GRAPH_SUB || !oxp_node_is(oxp_node_at(m, g->owner), "If"))
            return false;
        graph = oxp_node_at(m, g->owner)->graph;
    }
    return false;
}

/* The engine computes with the default of an input that a caller may override: whatever follows
 * from it (but for its shape, which is fixed) must not be frozen. */
static void find_open(work *w) {
    bool any = false;
    for (oxp_id v = 0; v < w->n_known; v++)
        any |= oxp_value_at(w->m, v)->live && oxp_value_at(w->m, v)->overridable;
    if (!any || oxp_run_opts(w->run)->allow_overridable)
        return;
    w->open = OXP_NEWS(oxp_run_arena(w->run), w->n_known, bool);
    for (oxp_id v = 0; v < w->n_known; v++)
        w->open[v] = oxp_value_at(w->m, v)->overridable;
    for (oxp_id g = 0; g < oxp_graph_count(w->m); g++)
        for (oxp_id id = oxp_graph_at(w->m, g)->live ? oxp_graph_at(w->m, g)->first : OXP_NONE;
             id != OXP_NONE; id = oxp_node_at(w->m, id)->next) {
            const oxp_node *n = oxp_node_at(w->m, id);
            bool open = !n->def || (n->def->flags & OXP_OP_CONTROL);
            for (uint32_t i = 0; i < n->n_in; i++)
                open |= n->in[i] != OXP_NONE && w->open[n->in[i]];
            if (oxp_node_is(n, "Shape") || oxp_node_is(n, "Size"))
                open = false;
            for (uint32_t i = 0; i < n->n_out; i++)
                if (n->out[i] != OXP_NONE)
                    w->open[n->out[i]] |= open;
        }
}

static void run(oxp_run *r) {
    work w = {.run = r, .m = oxp_run_model(r), .n_known = oxp_value_count(oxp_run_model(r))};
    oxp_infer_opts opts = {.quiet = true, .no_costs = true};
    const char *budget = oxp_run_param(r, "budget", NULL);
    w.budget = budget ? strtoull(budget, NULL, 10) : BUDGET;
    w.known = oxp_infer(w.m, &opts, oxp_run_arena(r));
    find_open(&w);
    w.n_nodes = oxp_node_count(w.m);
    w.was_used = OXP_NEWS(oxp_run_arena(r), w.n_nodes + 1, bool);
    for (oxp_id n = 0; n < w.n_nodes; n++)
        w.was_used[n] = oxp_node_at(w.m, n)->live && used(&w, oxp_node_at(w.m, n));
    for (oxp_id g = 0; g < oxp_graph_count(w.m); g++)
        if (oxp_graph_at(w.m, g)->live && runs_once(w.m, g))
            sweep(&w, g);
    oxp_run_changed(r, w.folded + w.dropped);
    oxp_run_summary(r, "%zu results folded, %zu nodes in front of them dropped", w.folded,
                    w.dropped);
}

static const char *const after[] = {"fix-shapes", NULL};

static const oxp_pass_param params[] = {{.name = "budget", .least = 0, .most = 1e15, .whole = true},
                                        {.name = NULL}};

const oxp_pass oxp_pass_fold_constants = {
    .name = "fold-constants",
    .summary = "compute once what does not depend on the inputs",
    .fidelity = OXP_EXACT,
    .after = after,
    .run = run,
    .params = params,
};
