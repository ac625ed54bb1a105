/* parts_of_graph.c - cuts the main graph into parts (parts_of_graph.h).
 *
 * Behind node i is a cut when nothing but its own output is needed soon: a residual's shortcut or
 * the other branch of a split forbids one.  No obstacles are values that are next read far away (a
 * mask, the position table), or that skip to a place of another resolution (the lateral connections
 * of U-Nets and feature pyramids), and graph inputs. */
#include "report/parts_of_graph.h"

#include "analysis/memory.h"
#include "ops/op.h"

enum {
    FAR = 24,          /* heavy nodes: what is read this much later does not bind */
    LATERAL = 4,       /* the same when the resolution differs */
    WALK_MAX = 512,    /* nodes looked at for one use: keeps it linear */
    USES_MAX = 64,     /* read by more nodes: available everywhere, binds nothing */
    SPREAD_USES = 4,   /* read so often over more than FAR: the same */
    PART_HEAVY = 16,   /* a part with more heavy nodes is looked at more closely ... */
    CLOSER_MAX = 64,   /* ... unless it has more than these */
    HEAVY_TOGETHER = 3 /* heavy nodes of a chain that stay in one part there */
};

bool oxp_is_heavy(const oxp_node *n) {
    return n->def == NULL || (n->def->flags & (OXP_OP_CONV | OXP_OP_MATMUL | OXP_OP_RECURRENT |
                                               OXP_OP_ATTENTION | OXP_OP_CONTROL)) != 0;
}

static bool is_quiet(const oxp_card *c, const oxp_node *n) {
    if (oxp_is_constant_node(n))
        return true;
    for (uint32_t i = 0; i < n->n_out; i++) {
        if (n->out[i] == OXP_NONE)
            continue;
        const oxp_value_info *v = &c->a->values[n->out[i]];
        if (!v->shape_role && !v->constant)
            return false;
    }
    return true;
}

uint32_t oxp_cut_position(const oxp_model *m, const oxp_cuts *k, oxp_id node) {
    for (int depth = 0; depth < 100; depth++) {
        const oxp_node *n = oxp_node_at(m, node);
        const oxp_graph *g = oxp_graph_at(m, n->graph);
        if (g->kind != OXP_GRAPH_SUB)
            return n->graph == OXP_MAIN_GRAPH ? k->pos[node] : UINT32_MAX;
        node = g->owner;
    }
    return UINT32_MAX;
}

typedef struct work {
    const oxp_card *c;
    const oxp_model *m;
    oxp_cuts *k;
    const uint32_t *heavy; /* by index: heavy nodes up to and with it */
    bool *blocked;         /* by index: no cut behind it */
} work;

/* Width and height differ: the value belongs to another level of the network. */
static bool other_level(const work *w, oxp_id value, uint32_t at) {
    oxp_id out = oxp_out(oxp_node_at(w->m, w->k->node[at]), 0);
    if (out == OXP_NONE)
        return false;
    const oxp_type *a = &w->c->a->values[value].type, *b = &w->c->a->values[out].type;
    return a->rank >= 4 && a->rank == b->rank &&
           (a->dims[a->rank - 1] != b->dims[b->rank - 1] ||
            a->dims[a->rank - 2] != b->dims[b->rank - 2]);
}

/* No cut where this use will need the value soon. */
static void block_use(work *w, oxp_id value, uint32_t from, uint32_t to) {
    for (uint32_t i = to - 1, steps = 0; i > from && i < to && steps < WALK_MAX; i--, steps++) {
        uint32_t distance = w->heavy[to] - w->heavy[i];
        if (distance > FAR)
            return;
        if (distance < LATERAL || !other_level(w, value, i))
            w->blocked[i] = true;
    }
}

static void block_value(work *w, oxp_id value, uint32_t from) {
    const oxp_value *v = oxp_value_at(w->m, value);
    uint32_t last = from, uses = 0;
    if (v->n_uses > USES_MAX || w->c->a->values[value].shape_role ||
        w->c->a->values[value].constant)
        return;
    for (oxp_id u = v->first_use; u != OXP_NONE; u = oxp_use_at(w->m, u)->next) {
        uint32_t at = oxp_cut_position(w->m, w->k, oxp_use_at(w->m, u)->node);
        if (at == UINT32_MAX || at <= from)
            continue;
        uses++;
        last = at > last ? at : last;
    }
    if (uses >= SPREAD_USES && w->heavy[last] - w->heavy[from] > FAR)
        return;
    for (oxp_id u = v->first_use; u != OXP_NONE; u = oxp_use_at(w->m, u)->next) {
        uint32_t at = oxp_cut_position(w->m, w->k, oxp_use_at(w->m, u)->node);
        if (at != UINT32_MAX && at > from)
            block_use(w, value, from, at);
    }
}

/* Parts of light nodes only go with the part before them, but for pooling, which is a step of its
 * own.  Renumbers. */
static void join_light(work *w) {
    oxp_cuts *k = w->k;
    uint32_t fresh = 0;
    bool before_heavy = false;
    for (size_t i = 0, end; i < k->n; i = end) {
        bool heavy = false, pool = false;
        for (end = i; end < k->n && k->part[end] == k->part[i]; end++) {
            const oxp_node *n = oxp_node_at(w->m, k->node[end]);
            heavy = heavy || oxp_is_heavy(n) || w->c->a->nodes[k->node[end]].params > 4096;
            pool = pool || (n->def != NULL && (n->def->flags & OXP_OP_POOL) != 0);
        }
        bool join = i > 0 && !heavy && (!pool || !before_heavy);
        if (i > 0 && !join)
            fresh++;
        before_heavy = join ? before_heavy : heavy;
        for (size_t q = i; q < end; q++)
            k->part[q] = fresh | (1u << 31); /* the test above must not meet new numbers */
    }
    for (size_t i = 0; i < k->n; i++)
        k->part[i] &= ~(1u << 31);
    k->n_parts = k->n > 0 ? fresh + 1 : 0;
}

/* ---- parts that are large: branch by branch ---- */

/* The last part among the producers of a node's inputs inside [first, i); UINT32_MAX: none.
 * *several: there are different ones. */
static uint32_t producer_part(const work *w, uint32_t i, uint32_t first, const uint32_t *sub,
                              bool *several) {
    const oxp_node *n = oxp_node_at(w->m, w->k->node[i]);
    uint32_t found = UINT32_MAX;
    *several = false;
    for (uint32_t s = 0; s < n->n_in; s++) {
        if (n->in[s] == OXP_NONE)
            continue;
        oxp_id producer = oxp_value_at(w->m, n->in[s])->producer;
        uint32_t at = producer == OXP_NONE ? UINT32_MAX : oxp_cut_position(w->m, w->k, producer);
        if (at == UINT32_MAX || at < first || at >= i)
            continue;
        uint32_t part = sub[at - first];
        if (found != UINT32_MAX && part != found)
            *several = true;
        if (found == UINT32_MAX || part > found)
            found = part;
    }
    return found;
}

/* How often the outputs of a node are read by nodes that are shown. */
static uint32_t readers(const work *w, uint32_t i) {
    const oxp_node *n = oxp_node_at(w->m, w->k->node[i]);
    uint32_t count = 0;
    for (uint32_t s = 0; s < n->n_out; s++)
        count += n->out[s] == OXP_NONE ? 0 : oxp_value_at(w->m, n->out[s])->n_uses;
    return count;
}

/* Sub-parts of [first, end): a heavy node begins one unless it continues a chain; a light node goes
 * where its last input is from.  Returns how many. */
static uint32_t split_part(const work *w, uint32_t first, uint32_t end, uint32_t *sub,
                           uint32_t *load, uint32_t *tail) {
    uint32_t n = 0;
    for (uint32_t i = first; i < end; i++) {
        bool several;
        uint32_t from = producer_part(w, i, first, sub, &several);
        bool heavy = oxp_is_heavy(oxp_node_at(w->m, w->k->node[i]));
        bool chain = from != UINT32_MAX && !several && load[from] < HEAVY_TOGETHER &&
                     readers(w, tail[from]) <= 1;
        if (from == UINT32_MAX || (heavy && !chain) || (several && !chain && readers(w, i) > 1)) {
            from = n++;
            load[from] = 0;
        }
        sub[i - first] = from;
        load[from] += heavy;
        tail[from] = i;
    }
    return n;
}

static void look_closer(work *w, oxp_arena *arena) {
    oxp_cuts *k = w->k;
    uint32_t added = 0;
    for (uint32_t i = 0, end; i < k->n; i = end) {
        uint32_t part = k->part[i];
        for (end = i; end < k->n && k->part[end] == part; end++) {
        }
        uint32_t heavy = w->heavy[end - 1] - (i ? w->heavy[i - 1] : 0);
        uint32_t n = 1;
        uint32_t *sub = NULL;
        if (heavy > PART_HEAVY && heavy <= CLOSER_MAX) {
            sub = OXP_NEWS(arena, end - i, uint32_t);
            uint32_t *load = OXP_NEWS(arena, end - i, uint32_t);
            uint32_t *tail = OXP_NEWS(arena, end - i, uint32_t);
            n = split_part(w, i, end, sub, load, tail);
        }
        for (uint32_t q = i; q < end; q++)
            k->part[q] = (part + added + (sub ? sub[q - i] : 0)) | (1u << 31);
        added += n - 1;
    }
    for (size_t i = 0; i < k->n; i++)
        k->part[i] &= ~(1u << 31);
    k->n_parts += added;
}

oxp_cuts oxp_cut_graph(const oxp_card *c, oxp_arena *arena) {
    const oxp_model *m = c->a->model;
    const oxp_graph *g = oxp_graph_at(m, OXP_MAIN_GRAPH);
    oxp_cuts k = {0};
    oxp_id *node = OXP_NEWS(arena, (size_t)g->n_nodes + 1, oxp_id);
    uint32_t *pos = OXP_NEWS(arena, oxp_node_count(m) + 1, uint32_t);
    uint32_t *heavy = OXP_NEWS(arena, (size_t)g->n_nodes + 1, uint32_t);
    for (size_t i = 0; i < oxp_node_count(m); i++)
        pos[i] = UINT32_MAX;
    for (oxp_id id = g->first; id != OXP_NONE; id = oxp_node_at(m, id)->next) {
        const oxp_node *n = oxp_node_at(m, id);
        if (is_quiet(c, n))
            continue;
        heavy[k.n] = (k.n ? heavy[k.n - 1] : 0) + oxp_is_heavy(n);
        pos[id] = (uint32_t)k.n;
        node[k.n++] = id;
    }
    k.node = node;
    k.pos = pos;
    k.part = OXP_NEWS(arena, k.n + 1, uint32_t);
    work w = {c, m, &k, heavy, OXP_NEWS(arena, k.n + 1, bool)};
    for (uint32_t i = 0; i < k.n; i++) {
        const oxp_node *n = oxp_node_at(m, node[i]);
        for (uint32_t s = 0; s < n->n_out; s++)
            if (n->out[s] != OXP_NONE)
                block_value(&w, n->out[s], i);
    }
    uint32_t part = 0;
    for (uint32_t i = 0; i < k.n; i++) {
        k.part[i] = part;
        part += !w.blocked[i];
    }
    join_light(&w);
    look_closer(&w, arena);
    return k;
}
