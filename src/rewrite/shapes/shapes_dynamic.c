/* shapes_dynamic.c - the way back: a literal batch becomes a name.
 *
 * A Reshape whose constant target holds the batch is made to follow: by 0 where the input has the
 * batch at the same place, else by -1.  Then the model is walked with the name and with two other
 * sizes: a node that only the old size satisfied is named. */
#include <string.h>

#include "rewrite/shapes/shapes.h"

typedef struct batch {
    oxp_shape_job *j;
    const char *name;
    int64_t size;  /* as it is in the file               */
    oxp_dim value; /* what the walk puts in its place    */
} batch;

static bool batched(const batch *b, const oxp_value *x) {
    return x->tensor == OXP_NONE && x->declared && x->declared->kind == OXP_KIND_TENSOR &&
           x->declared->rank > 0 && x->declared->dims[0] == b->size;
}

static const oxp_type *input_type(const void *arg, oxp_id value) {
    const batch *b = arg;
    const oxp_value *x = oxp_value_at(b->j->m, value);
    if (!batched(b, x))
        return NULL;
    oxp_type *t = OXP_NEW(b->j->arena, oxp_type);
    oxp_dim *dims = OXP_NEWS(b->j->arena, (size_t)x->declared->rank, oxp_dim);
    *t = *x->declared;
    memcpy(dims, t->dims, (size_t)t->rank * sizeof *dims);
    dims[0] = b->value;
    t->dims = dims;
    return t;
}

static const oxp_inferred *walk(const batch *b, oxp_dim value) {
    batch *with = OXP_NEW(b->j->arena, batch);
    *with = *b;
    with->value = value;
    oxp_infer_opts o = {.input = input_type, .arg = with, .no_costs = true};
    return oxp_infer(b->j->m, &o, b->j->arena);
}

/* ---- Reshape targets ---- */
static bool depends(oxp_dim d) {
    return !oxp_dim_is_literal(d) && !oxp_dim_is_unknown(d);
}

/* Position of the target that has to follow and what it becomes; -1: nothing to do or to be done.
 */
static int follower(const batch *b, const oxp_type *x, const int64_t *v, int n, int64_t *becomes) {
    oxp_dims *pool = oxp_model_dims(b->j->m);
    oxp_dim all = 1;
    int64_t product = 1;
    int open = -1;
    for (int i = 0; i < x->rank; i++)
        all = oxp_dim_mul(pool, all, x->dims[i]);
    for (int i = 0; i < n; i++) {
        if (v[i] == 0)
            return -1; /* it copies: what else there is fits or is found below */
        if (v[i] == -1)
            open = i;
        else if (__builtin_mul_overflow(product, v[i], &product))
            return -1;
    }
    if (!depends(all))
        return -1;
    for (int i = 0; i < n && i < x->rank; i++)
        if (v[i] == b->size && x->dims[i] == b->value) {
            *becomes = 0;
            return i;
        }
    for (int i = 0; i < n && open < 0; i++)
        if (v[i] > 0 && v[i] % b->size == 0) {
            *becomes = -1;
            return i;
        }
    return -1;
}

enum { TARGET_MAX = 64 };

/* The elements of a Reshape's target: of a constant, or computed to the same for every batch; -1:
 * they are not known. */
static int target(const oxp_shape_job *j, const oxp_inferred *facts, oxp_id value, int64_t *v) {
    oxp_id tensor = oxp_constant_of(j->m, value, false);
    const oxp_fact *f = &facts->facts[value];
    if (tensor != OXP_NONE) {
        const oxp_tensor *t = oxp_tensor_at(j->m, tensor);
        if (t->dtype != OXP_INT64 || t->count > TARGET_MAX || !oxp_tensor_readable(j->m, tensor))
            return -1;
        oxp_tensor_ints(j->m, tensor, 0, t->count, v);
        return (int)t->count;
    }
    if (!f->elems || f->type.kind != OXP_KIND_TENSOR || f->type.elem != OXP_INT64 ||
        f->type.rank != 1 || f->n_elems > TARGET_MAX)
        return -1;
    for (uint32_t i = 0; i < f->n_elems; i++) {
        if (!f->elems[i].known || !oxp_dim_is_literal(f->elems[i].i))
            return -1;
        v[i] = f->elems[i].i;
    }
    return (int)f->n_elems;
}

static bool follow(const batch *b, const oxp_inferred *facts, oxp_id id) {
    oxp_shape_job *j = b->j;
    const oxp_node *n = oxp_node_at(j->m, id);
    if (!n->live || !oxp_node_is(n, "Reshape") || oxp_in(n, 0) == OXP_NONE ||
        oxp_in(n, 1) == OXP_NONE || oxp_attr_int(n, "allowzero", 0) ||
        oxp_graph_at(j->m, n->graph)->kind == OXP_GRAPH_FUNCTION)
        return false;
    const oxp_type *x = &facts->facts[n->in[0]].type;
    oxp_id value = n->in[1], graph = n->graph;
    int64_t v[TARGET_MAX], becomes, dims[1];
    int count = x->kind == OXP_KIND_TENSOR && x->rank >= 0 ? target(j, facts, value, v) : -1;
    int at = count < 0 ? -1 : follower(b, x, v, count, &becomes);
    if (at < 0)
        return false;
    dims[0] = count;
    v[at] = becomes;
    oxp_patch *p = oxp_patch_new(j->run);
    oxp_id made = oxp_patch_tensor(p, oxp_value_at(j->m, value)->name, OXP_INT64, 1, dims, v,
                                   (size_t)dims[0] * sizeof *v);
    oxp_patch_input(p, id, 1, oxp_patch_initializer(p, graph, made));
    oxp_shape_apply(j, p);
    j->repaired++;
    return true;
}

/* ---- proof ---- */
static void check_size(const batch *b, int64_t size) {
    oxp_shape_job *j = b->j;
    oxp_ctx *ctx = oxp_model_ctx(j->m);
    size_t start = oxp_diag_count(ctx);
    (void)walk(b, b->size);
    size_t mid = oxp_diag_count(ctx);
    (void)walk(b, oxp_dim_literal(size));
    for (size_t i = mid; i < oxp_diag_count(ctx); i++) {
        const oxp_diag *d = oxp_diag_at(ctx, i);
        bool before = !strcmp(d->code, "shape-conflict") || !strcmp(d->code, "type-conflict");
        for (size_t k = start; k < mid; k++)
            before |= !strcmp(oxp_diag_at(ctx, k)->where, d->where);
        if (d->severity == OXP_NOTE || before)
            continue;
        oxp_run_impossible(j->run, OXP_NONE,
                           "%s forbids another batch than %lld: %s (with %s = %lld)", d->where,
                           (long long)b->size, d->text, b->name, (long long)size);
    }
    oxp_diag_truncate(ctx, start);
}

static bool follows(const oxp_inferred *facts, oxp_id v) {
    const oxp_type *t = &facts->facts[v].type;
    if (t->kind != OXP_KIND_TENSOR || t->rank < 0)
        return true;
    for (int k = 0; k < t->rank; k++)
        if (!oxp_dim_is_literal(t->dims[k]))
            return true;
    return false;
}

/* The node above a value where the batch gets lost. */
static oxp_id loses(const batch *b, const oxp_inferred *facts, oxp_id v) {
    oxp_id id = oxp_value_at(b->j->m, v)->producer;
    for (size_t step = 0; id != OXP_NONE && step < oxp_node_count(b->j->m); step++) {
        const oxp_node *n = oxp_node_at(b->j->m, id);
        oxp_id next = OXP_NONE;
        for (uint32_t i = 0; i < n->n_in; i++) {
            if (n->in[i] == OXP_NONE || facts->facts[n->in[i]].constant)
                continue;
            if (follows(facts, n->in[i]))
                return id;
            if (next == OXP_NONE)
                next = oxp_value_at(b->j->m, n->in[i])->producer;
        }
        id = next;
    }
    return OXP_NONE;
}

static void check_outputs(const batch *b, const oxp_inferred *facts) {
    const oxp_graph *g = oxp_graph_at(b->j->m, OXP_MAIN_GRAPH);
    for (uint32_t i = 0; i < g->n_outputs; i++) {
        oxp_id v = g->outputs[i];
        const oxp_type *t = &facts->facts[v].type;
        if (follows(facts, v) || facts->facts[v].constant)
            continue;
        oxp_id at = loses(b, facts, v);
        if (t->rank > 0 && t->dims[0] == b->size && at != OXP_NONE)
            oxp_run_impossible(b->j->run, at,
                               "its constant sizes were made for a batch of %lld: output %s would "
                               "not follow %s",
                               (long long)b->size, oxp_value_at(b->j->m, v)->name, b->name);
        oxp_run_note(b->j->run, OXP_NONE, "output %s has the same shape for every %s",
                     oxp_value_at(b->j->m, v)->name, b->name);
    }
}

static int64_t batch_size(const oxp_model *m) {
    const oxp_graph *g = oxp_graph_at(m, OXP_MAIN_GRAPH);
    for (uint32_t i = 0; i < g->n_inputs; i++) {
        const oxp_value *x = oxp_value_at(m, g->inputs[i]);
        if (x->tensor == OXP_NONE && x->declared && x->declared->kind == OXP_KIND_TENSOR &&
            x->declared->rank > 0 && oxp_dim_is_literal(x->declared->dims[0]) &&
            x->declared->dims[0] > 0)
            return x->declared->dims[0];
    }
    return 0;
}

static void retype_inputs(const batch *b) {
    oxp_shape_job *j = b->j;
    oxp_patch *p = oxp_patch_new(j->run);
    uint32_t n = oxp_graph_at(j->m, OXP_MAIN_GRAPH)->n_inputs;
    oxp_patch_clear_types(p);
    for (uint32_t i = 0; i < n; i++) {
        oxp_id v = oxp_graph_at(j->m, OXP_MAIN_GRAPH)->inputs[i];
        const oxp_type *t = input_type(b, v);
        if (t)
            oxp_patch_type(p, v, t);
    }
    oxp_shape_apply(j, p);
}

bool oxp_shape_free_batch(oxp_shape_job *j, const char *name, int64_t *size) {
    batch b = {j, name, batch_size(j->m), oxp_dim_symbol(oxp_model_dims(j->m), name)};
    *size = b.size;
    if (!b.size)
        return false;
    oxp_ctx *ctx = oxp_model_ctx(j->m);
    bool again = true;
    while (again && j->repaired < 10000) {
        size_t mark = oxp_diag_count(ctx);
        const oxp_inferred *facts = walk(&b, b.value);
        oxp_diag_truncate(ctx, mark);
        again = false;
        for (oxp_id id = 0; id < oxp_node_count(j->m) && !again; id++)
            again = follow(&b, facts, id);
    }
    check_size(&b, b.size + 1);
    check_size(&b, 2 * b.size + 5);
    size_t mark = oxp_diag_count(ctx);
    j->facts = walk(&b, b.value);
    oxp_diag_truncate(ctx, mark);
    check_outputs(&b, j->facts);
    retype_inputs(&b);
    oxp_infer_opts o = {.input = input_type, .arg = &b, .quiet = true, .no_costs = true};
    j->facts = oxp_infer(j->m, &o, j->arena);
    oxp_shape_types(j);
    return true;
}
