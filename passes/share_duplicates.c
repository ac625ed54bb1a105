/* share_duplicates.c - one copy of equal initializers, one evaluation of equal expressions.
 *
 *   before   W1 = [..] W2 = [..] the same bytes; a = Relu(x)  b = Relu(x)
 *   after    W1 for both;                        a for both
 *
 * Initializers: same type, dimensions and bytes; of one graph; not overridable, not graph outputs.
 * Expressions: same operator, attributes and inputs in one graph; operators that are known, without
 * random numbers, subgraphs or calls; the later one is no graph output.  Exact: the same operator
 * on the same values gives the same result, bit for bit. */
#include <string.h>

#include "base/intern.h"
#include "onnxpert/pass.h"
#include "ops/op.h"

#define WINDOW   65536 /* bytes looked at a time */
#define HEAD     4096  /* bytes that are compared first */
#define ATTR_MAX 65536 /* bytes of an attribute's tensor that are compared */

typedef struct work {
    oxp_run *run;
    oxp_model *m;
    uint8_t *a, *b; /* windows */
} work;

static uint64_t mix(uint64_t h, uint64_t v) {
    uint64_t pair[2] = {h, v};
    return oxp_hash_bytes(pair, sizeof pair);
}

static uint64_t hash_tensor(const work *w, oxp_id id, uint64_t max) {
    const oxp_tensor *t = oxp_tensor_at(w->m, id);
    uint64_t h = mix(mix((uint64_t)t->dtype, t->count), t->bytes);
    uint64_t end = t->bytes < max ? t->bytes : max;
    for (uint64_t at = 0; at < end; at += WINDOW) {
        size_t n = end - at < WINDOW ? (size_t)(end - at) : WINDOW;
        oxp_tensor_raw(w->m, id, at, n, w->a);
        h = mix(h, oxp_hash_bytes(w->a, n));
    }
    return h;
}

static bool same_header(const oxp_tensor *s, const oxp_tensor *t) {
    return s->dtype == t->dtype && s->rank == t->rank && s->bytes == t->bytes &&
           s->sparse == t->sparse &&
           (s->rank == 0 || memcmp(s->dims, t->dims, (size_t)s->rank * sizeof *s->dims) == 0);
}

static bool same_bytes(const work *w, oxp_id s, oxp_id t) {
    uint64_t bytes = oxp_tensor_at(w->m, s)->bytes;
    for (uint64_t at = 0; at < bytes; at += WINDOW) {
        size_t n = bytes - at < WINDOW ? (size_t)(bytes - at) : WINDOW;
        oxp_tensor_raw(w->m, s, at, n, w->a);
        oxp_tensor_raw(w->m, t, at, n, w->b);
        if (memcmp(w->a, w->b, n) != 0)
            return false;
    }
    return true;
}

static bool same_tensor(const work *w, oxp_id s, oxp_id t) {
    return same_header(oxp_tensor_at(w->m, s), oxp_tensor_at(w->m, t)) && same_bytes(w, s, t);
}

static bool comparable(const work *w, oxp_id tensor) {
    const oxp_tensor *t = oxp_tensor_at(w->m, tensor);
    return t->dtype != OXP_STRING && oxp_dtype_bits(t->dtype) >= 8 && !t->sparse &&
           oxp_tensor_readable(w->m, tensor);
}

static bool apply(const work *w, oxp_id node, oxp_id from, oxp_id to, oxp_id drop) {
    const char *why = NULL;
    oxp_patch *p = oxp_patch_new(w->run);
    oxp_patch_replace_uses(p, from, to);
    if (drop != OXP_NONE) {
        const oxp_node n = *oxp_node_at(w->m, drop);
        for (uint32_t i = 1; i < n.n_out; i++)
            if (n.out[i] != OXP_NONE)
                oxp_patch_replace_uses(p, n.out[i],
                                       oxp_node_at(w->m, oxp_value_at(w->m, to)->producer)->out[i]);
        oxp_patch_drop(p, drop);
    }
    if (oxp_patch_apply(p, &why))
        return true;
    oxp_run_skip(w->run, node, "%s", why);
    return false;
}

/* ---- initializers ---- */

static bool may_share(const work *w, oxp_id value) {
    const oxp_value *v = oxp_value_at(w->m, value);
    return v->live && v->tensor != OXP_NONE && !v->overridable && v->outputs == 0 &&
           v->n_uses > 0 && comparable(w, v->tensor);
}

/* Only tensors that have a likely twin are read: same type, dimensions and size. */
static uint64_t shape_key(const oxp_tensor *t) {
    uint64_t h = mix((uint64_t)t->dtype, t->bytes);
    for (int i = 0; i < t->rank; i++)
        h = mix(h, (uint64_t)t->dims[i]);
    return h;
}

static size_t share_initializers(work *w, oxp_id graph) {
    oxp_arena *scratch = oxp_run_arena(w->run);
    oxp_map *shapes = oxp_map_new(scratch), *contents = oxp_map_new(scratch);
    uint32_t n = oxp_graph_at(w->m, graph)->n_inits, seen = 0;
    oxp_id *ids = OXP_NEWS(scratch, n ? n : 1, oxp_id);
    size_t shared = 0;
    if (n)
        memcpy(ids, oxp_graph_at(w->m, graph)->inits, n * sizeof *ids);
    for (uint32_t i = 0; i < n; i++)
        if (may_share(w, ids[i])) {
            uint64_t key = shape_key(oxp_tensor_at(w->m, oxp_value_at(w->m, ids[i])->tensor));
            oxp_map_get(shapes, key, &seen) ? oxp_map_set(shapes, key, seen + 1)
                                            : oxp_map_set(shapes, key, 1);
        }
    for (uint32_t i = 0; i < n; i++) {
        if (!may_share(w, ids[i]))
            continue;
        oxp_id tensor = oxp_value_at(w->m, ids[i])->tensor, first;
        if (!oxp_map_get(shapes, shape_key(oxp_tensor_at(w->m, tensor)), &seen) || seen < 2)
            continue;
        /* By the first bytes, which nearly always tell; by all of them where those were the same.
         */
        for (uint64_t max = HEAD; max; max = max == HEAD ? UINT64_MAX : 0) {
            uint64_t key = mix(hash_tensor(w, tensor, max), max);
            if (!oxp_map_get(contents, key, &first)) {
                oxp_map_set(contents, key, ids[i]);
                break;
            }
            if (same_tensor(w, tensor, oxp_value_at(w->m, first)->tensor)) {
                shared += apply(w, OXP_NONE, ids[i], first, OXP_NONE);
                break;
            }
        }
    }
    return shared;
}

/* ---- expressions ---- */

static bool same_attr(const work *w, const oxp_attr *a, const oxp_attr *b) {
    if (a->ref || b->ref)
        return false;
    if (a->type != OXP_ATTR_TENSOR || b->type != OXP_ATTR_TENSOR)
        return oxp_attr_same(a, b);
    return strcmp(a->name, b->name) == 0 && comparable(w, a->u.id) && comparable(w, b->u.id) &&
           oxp_tensor_at(w->m, a->u.id)->bytes <= ATTR_MAX && same_tensor(w, a->u.id, b->u.id);
}

static bool same_node(const work *w, const oxp_node *a, const oxp_node *b) {
    if (a->def != b->def || a->n_in != b->n_in || a->n_out != b->n_out || a->n_attr != b->n_attr)
        return false;
    for (uint32_t i = 0; i < a->n_in; i++)
        if (a->in[i] != b->in[i])
            return false;
    for (uint32_t i = 0; i < a->n_out; i++)
        if ((a->out[i] == OXP_NONE) != (b->out[i] == OXP_NONE))
            return false;
    for (uint32_t i = 0; i < a->n_attr; i++) {
        const oxp_attr *other = oxp_attr_find(b, a->attrs[i].name);
        if (!other || !same_attr(w, &a->attrs[i], other))
            return false;
    }
    return true;
}

static bool deterministic(const work *w, const oxp_node *n) {
    if (!n->def || n->function != OXP_NONE || (n->def->flags & (OXP_OP_RANDOM | OXP_OP_CONTROL)) ||
        n->n_out == 0 || n->out[0] == OXP_NONE || (n->n_in == 0 && !oxp_node_is(n, "Constant")))
        return false;
    for (uint32_t i = 0; i < n->n_out; i++)
        if (n->out[i] != OXP_NONE && oxp_value_at(w->m, n->out[i])->outputs)
            return false;
    return true;
}

static uint64_t hash_node(const work *w, const oxp_node *n) {
    uint64_t h = mix((uint64_t)(uintptr_t)n->def, mix(n->n_in, mix(n->n_out, n->n_attr)));
    for (uint32_t i = 0; i < n->n_in; i++)
        h = mix(h, n->in[i]);
    for (uint32_t i = 0; i < n->n_attr; i++)
        if (n->attrs[i].type == OXP_ATTR_TENSOR && comparable(w, n->attrs[i].u.id))
            h = mix(h, hash_tensor(w, n->attrs[i].u.id, ATTR_MAX));
        else if (n->attrs[i].type == OXP_ATTR_INTS && n->attrs[i].n)
            h = mix(h,
                    oxp_hash_bytes(n->attrs[i].u.ints, n->attrs[i].n * sizeof *n->attrs[i].u.ints));
        else if (n->attrs[i].type == OXP_ATTR_INT)
            h += (uint64_t)n->attrs[i].u.i;
    return h;
}

static size_t share_expressions(work *w, oxp_id graph) {
    oxp_map *seen = oxp_map_new(oxp_run_arena(w->run));
    size_t shared = 0;
    for (oxp_id next, id = oxp_graph_at(w->m, graph)->first; id != OXP_NONE; id = next) {
        const oxp_node n = *oxp_node_at(w->m, id);
        oxp_id first;
        next = n.next;
        if (!deterministic(w, &n))
            continue;
        uint64_t key = hash_node(w, &n);
        if (!oxp_map_get(seen, key, &first))
            oxp_map_set(seen, key, id);
        else if (oxp_node_at(w->m, first)->live && same_node(w, &n, oxp_node_at(w->m, first)))
            shared += apply(w, id, n.out[0], oxp_node_at(w->m, first)->out[0], id);
    }
    return shared;
}

static void run(oxp_run *r) {
    work w = {r, oxp_run_model(r), OXP_NEWS(oxp_run_arena(r), WINDOW, uint8_t),
              OXP_NEWS(oxp_run_arena(r), WINDOW, uint8_t)};
    size_t weights = 0, nodes = 0;
    for (oxp_id g = 0; g < oxp_graph_count(w.m); g++) {
        if (!oxp_graph_at(w.m, g)->live)
            continue;
        weights += share_initializers(&w, g);
        nodes += share_expressions(&w, g);
    }
    oxp_run_changed(r, weights + nodes);
    oxp_run_summary(r, "%zu initializers and %zu nodes shared", weights, nodes);
}

static const char *const after[] = {"fold-constants",   "fold-bn",        "fuse-transposes",
                                    "eliminate-no-ops", "eliminate-dead", NULL};

const oxp_pass oxp_pass_share_duplicates = {
    .name = "share-duplicates",
    .summary = "keep one copy of equal initializers and of equal expressions",
    .fidelity = OXP_EXACT,
    .after = after,
    .run = run,
};
