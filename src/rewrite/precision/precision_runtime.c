/* precision_runtime.c - what known runtimes make of a float16 graph before they run it.
 *
 * Transpose -> Cast -> MatMul.  ONNX Runtime (1.24 to 1.31 seen, x86 CPU, default optimization)
 * puts a Cast behind a float16 Transpose whose MatMul it computes in float32, swaps the two to
 * merge the Transpose into the MatMul, and gives up when both operands are not of one rank.  It
 * then leaves nodes without a schema behind and crashes on them (microsoft/onnxruntime issue
 * 28392).  Only permutations that move the first axis next to or to the last count:
 *
 *     x -> Transpose[1,0,2] -> MatMul(w [K,N])      x -> Transpose[1,0,2] -> MatMul(w [1,K,N])
 *
 * A weight of the same rank costs nothing and is the same product; where there is none to lift, the
 * Transpose stays float32. */
#include "rewrite/precision/precision.h"

enum { CHAIN_MAX = 8, RANK_MAX = 16 };

#define CRASH  "ONNX Runtime's x86 CPU build crashes on it in float16 in front of a MatMul"
#define MERGED "ONNX Runtime fails on it behind a float16 product; fold-bn removes it"

static unsigned flags_of(const oxp_node *n) {
    return n->def ? n->def->flags : 0;
}

/* A normalization with statistics right behind a matrix product: ONNX Runtime (1.30, 1.31) merges
 * the two at its default level and fails on the mix of float16 data and float32 statistics. */
static bool merged_at_load(const oxp_precision *p, const oxp_node *n) {
    oxp_id x = oxp_in(n, 0);
    if (!(flags_of(n) & OXP_OP_RUNNING_STATS) || x == OXP_NONE)
        return false;
    oxp_id producer = oxp_value_at(p->m, x)->producer;
    return producer != OXP_NONE && flags_of(oxp_node_at(p->m, producer)) & OXP_OP_MATMUL;
}

/* [1, .., r-2, 0, r-1] or [1, .., r-1, 0] with r >= 3; the rank, or 0. */
static int batch_rank(const oxp_node *n) {
    size_t r;
    const int64_t *perm = oxp_node_is(n, "Transpose") ? oxp_attr_ints(n, "perm", &r) : NULL;
    if (!perm || r < 3 || r > RANK_MAX)
        return 0;
    for (size_t i = 0; i + 2 < r; i++)
        if (perm[i] != (int64_t)i + 1)
            return 0;
    int64_t last = (int64_t)r - 1;
    bool ok =
        (perm[r - 2] == 0 && perm[r - 1] == last) || (perm[r - 2] == last && perm[r - 1] == 0);
    return ok ? (int)r : 0;
}

static int rank_of(const oxp_precision *p, oxp_id v) {
    const oxp_type *t = &p->inferred->facts[v].type;
    return t->kind == OXP_KIND_TENSOR ? t->rank : -1;
}

typedef void product_fn(oxp_precision *p, oxp_id matmul, uint32_t slot, int rank, void *arg);

/* Calls fn for each MatMul operand that is `v` or a Cast or copy of it; what runtimes remove from
 * between is looked through. */
static void each_product(oxp_precision *p, oxp_id v, int rank, int depth, product_fn *fn,
                         void *arg) {
    for (oxp_id u = oxp_value_at(p->m, v)->first_use; u != OXP_NONE;) {
        const oxp_use *use = oxp_use_at(p->m, u);
        const oxp_node *n = oxp_node_at(p->m, use->node);
        u = use->next;
        if (oxp_node_is(n, "MatMul") && n->n_in == 2)
            fn(p, use->node, use->slot, rank, arg);
        else if (depth && use->slot == 0 && n->n_out && n->out[0] != OXP_NONE &&
                 (oxp_node_is(n, "Cast") || oxp_node_is(n, "Identity") ||
                  oxp_node_is(n, "Dropout")))
            each_product(p, n->out[0], rank, depth - 1, fn, arg);
    }
}

/* May constant v get leading axes of 1: is every use of it a MatMul that broadcasts them away?
 */
static bool liftable(const oxp_precision *p, oxp_id v, int rank) {
    const oxp_value *x = oxp_value_at(p->m, v);
    oxp_id t = p->is_const[v] ? oxp_precision_tensor(p, v) : OXP_NONE;
    if (t == OXP_NONE || x->outputs || x->is_input || oxp_tensor_at(p->m, t)->rank < 2 ||
        oxp_tensor_at(p->m, t)->rank > rank)
        return false;
    for (oxp_id u = x->first_use; u != OXP_NONE; u = oxp_use_at(p->m, u)->next) {
        const oxp_use *use = oxp_use_at(p->m, u);
        const oxp_node *n = oxp_node_at(p->m, use->node);
        if (!oxp_node_is(n, "MatMul") || n->n_in != 2 || n->in[1 - use->slot] == OXP_NONE ||
            rank_of(p, n->in[1 - use->slot]) < rank)
            return false;
    }
    return true;
}

/* ---- before the types are decided ---- */
static void look(oxp_precision *p, oxp_id matmul, uint32_t slot, int rank, void *crash) {
    const oxp_node *n = oxp_node_at(p->m, matmul);
    oxp_id other = n->in[1 - slot];
    uint32_t a = p->in_atom[matmul][slot];
    bool narrow = a != OXP_ATOM_NONE && !p->atoms[oxp_atom_root(p, a)].forced;
    if (other == OXP_NONE || rank_of(p, other) == rank)
        return;
    bool fixed = oxp_value_at(p->m, other)->tensor != OXP_NONE || p->is_const[other];
    /* Two float16 operands that are both computed get a Cast each; these have not been seen to
     * fail. */
    if ((!fixed && narrow) || liftable(p, other, rank))
        return;
    *(bool *)crash = true;
}

static const char *crashes(oxp_precision *p, const oxp_node *n) {
    int rank = batch_rank(n);
    bool crash = false;
    if (!rank || oxp_in(n, 0) == OXP_NONE || !n->n_out || n->out[0] == OXP_NONE)
        return NULL;
    each_product(p, n->out[0], rank, CHAIN_MAX, look, &crash);
    return crash ? CRASH : NULL;
}

void oxp_precision_runtime(oxp_precision *p) {
    if (p->target != OXP_FLOAT16)
        return;
    for (size_t k = 0; k < p->n_order; k++) {
        oxp_id id = p->order[k];
        const oxp_node *n = oxp_node_at(p->m, id);
        if (oxp_precision_included(p, n) || !oxp_precision_candidate(p, id))
            continue;
        const char *why = merged_at_load(p, n) ? MERGED : crashes(p, n);
        if (why)
            oxp_precision_keep(p, id, why);
    }
}

/* ---- once they are ---- */
static void lift(oxp_precision *p, oxp_id matmul, uint32_t slot, int rank, void *unused) {
    oxp_id other = oxp_node_at(p->m, matmul)->in[1 - slot];
    (void)unused;
    if (other != OXP_NONE && rank_of(p, other) != rank && liftable(p, other, rank))
        p->lift[other] = (uint8_t)rank;
}

void oxp_precision_lifts(oxp_precision *p) {
    if (p->target != OXP_FLOAT16)
        return;
    for (size_t k = 0; k < p->n_order; k++) {
        const oxp_node *n = oxp_node_at(p->m, p->order[k]);
        int rank = batch_rank(n);
        if (rank && oxp_precision_is_narrow(p, p->out_atom[p->order[k]][0]))
            each_product(p, n->out[0], rank, CHAIN_MAX, lift, NULL);
    }
}
