/* fuse_transposes.c - two Transposes in a row become one or none, also around elementwise nodes.
 *
 *   before   b = Transpose(a, p)   y = Transpose(b, q)          after   y = Transpose(a, p[q])
 *   before   b = Transpose(a, p)   c = Relu(b)   y = Transpose(c, inverse of p)
 *   after    y = Relu(a)
 *
 * perm: y's axis i is b's axis q[i], which is a's axis p[q[i]].  Exact: elements only move, and an
 * operator that works element by element does not care where they are.  Between the two there may
 * be only such operators with one data input (others constant scalars), read by nobody else. */
#include "onnxpert/pass.h"
#include "ops/op.h"
#include "rewrite/select.h"

#define MAX_RANK  16
#define MAX_CHAIN 32

/* perm of a Transpose with its default (reversed) filled in; rank 0: not known. */
static int perm_of(const oxp_model *m, const oxp_node *n, int64_t *perm) {
    size_t rank = 0;
    const int64_t *given = oxp_attr_ints(n, "perm", &rank);
    if (!given || rank > MAX_RANK || rank == 0) {
        const oxp_type *t = oxp_value_at(m, n->in[0])->declared;
        if (oxp_attr_find(n, "perm") || !t || t->kind != OXP_KIND_TENSOR || t->rank < 1 ||
            t->rank > MAX_RANK)
            return 0;
        for (int i = 0; i < t->rank; i++)
            perm[i] = t->rank - 1 - i;
        return t->rank;
    }
    for (size_t i = 0; i < rank; i++) {
        if (given[i] < 0 || given[i] >= (int64_t)rank)
            return 0;
        perm[i] = given[i];
    }
    return (int)rank;
}

static bool is_identity(const int64_t *perm, int rank) {
    for (int i = 0; i < rank; i++)
        if (perm[i] != i)
            return false;
    return true;
}

static bool read_once(const oxp_model *m, oxp_id value, oxp_id graph) {
    const oxp_value *v = oxp_value_at(m, value);
    return v->n_uses == 1 && v->outputs == 0 && v->graph == graph;
}

/* Elementwise with one data input; what else it reads is constant and a scalar. */
static bool passes_through(const oxp_model *m, const oxp_node *n) {
    if (!n->def || !(n->def->flags & OXP_OP_UNARY) || (n->def->flags & OXP_OP_RANDOM) ||
        n->n_out != 1 || n->n_in < 1 || n->in[0] == OXP_NONE)
        return false;
    for (uint32_t i = 1; i < n->n_in; i++) {
        oxp_id t = n->in[i] == OXP_NONE ? OXP_NONE : oxp_constant_of(m, n->in[i], true);
        if (n->in[i] != OXP_NONE &&
            (t == OXP_NONE || oxp_tensor_at(m, t)->count != 1 || oxp_tensor_at(m, t)->rank > 0))
            return false;
    }
    return true;
}

/* The recorded type of a value as it is in front of the Transpose; NULL: none recorded. */
static const oxp_type *type_before(oxp_run *r, oxp_id value, const int64_t *perm, int rank) {
    const oxp_type *t = oxp_value_at(oxp_run_model(r), value)->declared;
    if (!t || t->kind != OXP_KIND_TENSOR || t->rank != rank)
        return NULL;
    oxp_type *u = OXP_NEW(oxp_run_arena(r), oxp_type);
    oxp_dim *dims = OXP_NEWS(oxp_run_arena(r), (size_t)rank, oxp_dim);
    for (int i = 0; i < rank; i++)
        dims[perm[i]] = t->dims[i];
    *u = *t;
    u->dims = dims;
    return u;
}

/* The elementwise nodes again, on x and in its order; chain[0] is the last of them. */
static void move_chain(oxp_run *r, oxp_patch *p, oxp_id second, const oxp_id *chain, size_t n_chain,
                       oxp_id x, const int64_t *perm, int rank) {
    oxp_model *m = oxp_run_model(r);
    oxp_id y = oxp_node_at(m, second)->out[0];
    for (size_t i = n_chain; i-- > 0;) {
        const oxp_node n = *oxp_node_at(m, chain[i]);
        oxp_id *in = OXP_NEWS(oxp_run_arena(r), n.n_in, oxp_id), out = y;
        for (uint32_t k = 0; k < n.n_in; k++)
            in[k] = k ? n.in[k] : x;
        if (i > 0)
            out = oxp_patch_value(p, n.graph, oxp_value_at(m, n.out[0])->name,
                                  type_before(r, n.out[0], perm, rank));
        oxp_id copy =
            oxp_patch_node(p, n.graph, second, n.op, n.domain, n.name, in, n.n_in, &out, 1);
        for (uint32_t k = 0; k < n.n_attr; k++)
            oxp_patch_attr_copy(p, copy, &n.attrs[k]);
        oxp_patch_drop(p, chain[i]);
        x = out;
    }
    oxp_patch_drop(p, second);
}

/* y = second(chain(first(a))): perm is that of both Transposes together. */
static void fuse(oxp_run *r, oxp_patch *p, oxp_id second, const oxp_id *chain, size_t n_chain,
                 oxp_id first, const int64_t *first_perm, const int64_t *perm, int rank) {
    oxp_model *m = oxp_run_model(r);
    const oxp_node last = *oxp_node_at(m, second);
    const oxp_node start = *oxp_node_at(m, first);
    if (n_chain > 0) {
        move_chain(r, p, second, chain, n_chain, start.in[0], first_perm, rank);
    } else if (is_identity(perm, rank)) {
        oxp_patch_replace_uses(p, last.out[0], start.in[0]);
        oxp_patch_drop(p, second);
    } else {
        oxp_patch_input(p, second, 0, start.in[0]);
        oxp_patch_attr_ints(p, second, "perm", perm, (size_t)rank);
    }
    const oxp_value *mid = oxp_value_at(m, start.out[0]);
    if (mid->n_uses == 1 && mid->outputs == 0)
        oxp_patch_drop(p, first);
}

static bool try_node(oxp_run *r, oxp_id id, void *arg, const char **why) {
    (void)arg;
    oxp_model *m = oxp_run_model(r);
    const oxp_node n = *oxp_node_at(m, id);
    if (n.n_in != 1 || n.in[0] == OXP_NONE || n.out[0] == OXP_NONE)
        return false;
    oxp_id chain[MAX_CHAIN], at = n.in[0];
    size_t n_chain = 0;
    int64_t p[MAX_RANK], q[MAX_RANK], both[MAX_RANK];
    int rank = perm_of(m, &n, q);
    const oxp_node *b = NULL;
    for (;; at = b->in[0]) {
        oxp_id producer = oxp_value_at(m, at)->producer;
        if (producer == OXP_NONE || oxp_node_at(m, producer)->graph != n.graph)
            return false;
        b = oxp_node_at(m, producer);
        if (oxp_node_is(b, "Transpose"))
            break;
        if (n_chain == MAX_CHAIN || !passes_through(m, b) || !read_once(m, at, n.graph))
            return false;
        chain[n_chain++] = producer;
    }
    oxp_id first = oxp_value_at(m, at)->producer;
    if (rank == 0 || oxp_node_at(m, first)->in[0] == OXP_NONE ||
        perm_of(m, oxp_node_at(m, first), p) != rank)
        return false;
    for (int i = 0; i < rank; i++)
        both[i] = p[q[i]];
    bool output = oxp_value_at(m, n.out[0])->outputs > 0;
    if (n_chain ? !is_identity(both, rank) || !read_once(m, at, n.graph)
                : output && is_identity(both, rank)) {
        if (n_chain == 0)
            *why = oxp_sprintf(oxp_run_arena(r), "its result is graph output %s",
                               oxp_value_at(m, n.out[0])->name);
        return false;
    }
    oxp_patch *patch = oxp_patch_new(r);
    fuse(r, patch, id, chain, n_chain, first, p, both, rank);
    return oxp_patch_apply(patch, why);
}

static void run(oxp_run *r) {
    static const char *const ops[] = {"Transpose", NULL};
    size_t fused = oxp_run_each(r, ops, try_node, NULL);
    oxp_run_summary(r, "%zu pairs of Transposes fused", fused);
}

static const char *const after[] = {"fold-constants", "eliminate-no-ops", NULL};

const oxp_pass oxp_pass_fuse_transposes = {
    .name = "fuse-transposes",
    .summary = "join or cancel Transposes that follow each other, also across elementwise nodes",
    .fidelity = OXP_EXACT,
    .flags = OXP_PASS_BY_NODE,
    .after = after,
    .run = run,
};
