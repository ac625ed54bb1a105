/* shapes_check.c - is there a node that makes the requested sizes impossible? */
#include <string.h>

#include "rewrite/shapes/shapes.h"

static const oxp_inferred *walk_model(oxp_shape_job *j, bool literal) {
    oxp_bound_view *w = OXP_NEW(j->arena, oxp_bound_view);
    *w = (oxp_bound_view){j->bound, literal};
    oxp_infer_opts o = {
        .input = oxp_bound_view_input, .bind = oxp_bound_view_dim, .arg = w, .no_costs = true};
    return oxp_infer(j->m, &o, j->arena);
}

static oxp_id node_of_label(const oxp_shape_job *j, const char *label) {
    for (oxp_id id = 0; id < oxp_node_count(j->m); id++)
        if (oxp_node_at(j->m, id)->live && !strcmp(oxp_node_label(j->m, id, j->arena), label))
            return id;
    return OXP_NONE;
}

/* "N = 2, H = 224" */
static const char *bindings_text(const oxp_shape_job *j) {
    size_t n;
    const oxp_assumed *a = oxp_bound_dims(j->bound, &n);
    const char *s = "";
    for (size_t i = 0; i < n; i++)
        if (a[i].bound)
            s = oxp_sprintf(j->arena, "%s%s%s = %lld", s, s[0] ? ", " : "", a[i].name,
                            (long long)a[i].value);
    return s[0] ? s : "the given sizes";
}

static const char *dims_text(const oxp_shape_job *j, const oxp_dim *d, int rank) {
    const char *s = "[";
    for (int i = 0; i < rank; i++)
        s = oxp_sprintf(j->arena, "%s%s%s", s, i ? ", " : "",
                        oxp_dim_text(oxp_model_dims(j->m), d[i], j->arena));
    return oxp_sprintf(j->arena, "%s]", s);
}

/* ---- a Reshape whose constant target does not fit ---- */
typedef struct target {
    oxp_id node, tensor, value;
    int n;
    int64_t v[64];
    int64_t have;    /* elements of the input                  */
    int64_t product; /* of the target's known sizes             */
    int open;        /* position of -1, or -1                   */
} target;

static bool read_target(const oxp_shape_job *j, const oxp_inferred *facts, oxp_id id, target *t) {
    const oxp_node *n = oxp_node_at(j->m, id);
    if (!oxp_node_is(n, "Reshape") || n->n_in < 2 || oxp_in(n, 0) == OXP_NONE ||
        oxp_in(n, 1) == OXP_NONE)
        return false;
    const oxp_type *x = &facts->facts[n->in[0]].type;
    t->tensor = oxp_constant_of(j->m, n->in[1], false);
    t->node = id;
    t->value = n->in[1];
    if (t->tensor == OXP_NONE || oxp_tensor_at(j->m, t->tensor)->count > 64 ||
        oxp_tensor_at(j->m, t->tensor)->dtype != OXP_INT64 || x->kind != OXP_KIND_TENSOR ||
        x->rank < 0)
        return false;
    oxp_dim have = 1;
    for (int i = 0; i < x->rank; i++)
        have = oxp_dim_mul(oxp_model_dims(j->m), have, x->dims[i]);
    if (!oxp_dim_is_literal(have) || have < 0)
        return false;
    t->have = have;
    t->n = (int)oxp_tensor_at(j->m, t->tensor)->count;
    oxp_tensor_ints(j->m, t->tensor, 0, (uint64_t)t->n, t->v);
    t->product = 1;
    t->open = -1;
    bool copy = oxp_attr_int(n, "allowzero", 0) == 0;
    for (int i = 0; i < t->n; i++) {
        int64_t v = t->v[i];
        if (v == 0 && copy && i < x->rank && oxp_dim_is_literal(x->dims[i]))
            v = x->dims[i];
        if (v == -1)
            t->open = i;
        else if (__builtin_mul_overflow(t->product, v, &t->product))
            return false;
    }
    return true;
}

static bool misfits(const target *t) {
    if (t->open >= 0)
        return t->product <= 0 ? t->have != 0 : t->have % t->product != 0;
    return t->product != t->have;
}

static int64_t value_or(const void *arg, const char *name) {
    const oxp_assumed *a = arg;
    return !strcmp(a->name, name) ? a->value : -1;
}

/* For which size of the bound dimensions the target was made: "N = 1", or NULL. */
static const char *made_for(const oxp_shape_job *j, const oxp_inferred *free_facts,
                            const target *t) {
    oxp_dims *pool = oxp_model_dims(j->m);
    const oxp_type *x = &free_facts->facts[oxp_node_at(j->m, t->node)->in[0]].type;
    size_t n;
    const oxp_assumed *a = oxp_bound_dims(j->bound, &n);
    if (x->kind != OXP_KIND_TENSOR || x->rank < 0 || t->open >= 0)
        return NULL;
    oxp_dim e = 1;
    for (int i = 0; i < x->rank; i++)
        e = oxp_dim_mul(pool, e, x->dims[i]);
    for (size_t i = 0; i < n; i++) {
        for (int64_t v = 1; v <= 1024 && a[i].bound; v++) {
            oxp_assumed try = {a[i].name, v, true};
            if (oxp_dim_eval(pool, e, value_or, &try) == t->product)
                return oxp_sprintf(j->arena, "%s = %lld", a[i].name, (long long)v);
        }
    }
    return NULL;
}

/* Which size of the target has to follow: the first whose change makes it fit, preferring one that
 * differs from the input's axis at the same place. */
static int follower(const oxp_shape_job *j, const oxp_inferred *facts, const target *t) {
    const oxp_type *x = &facts->facts[oxp_node_at(j->m, t->node)->in[0]].type;
    int found = -1;
    for (int i = 0; i < t->n; i++) {
        if (t->v[i] <= 0 || t->product == 0)
            continue;
        int64_t others = t->product / t->v[i];
        if (others <= 0 || t->have % others)
            continue;
        int64_t now = t->have / others;
        if (i < x->rank && oxp_dim_is_literal(x->dims[i]) && x->dims[i] == now)
            return i;
        if (found < 0)
            found = i;
    }
    return found;
}

static void repair(oxp_shape_job *j, const oxp_inferred *facts, const target *t, int axis) {
    int64_t v[64], dims[1] = {t->n};
    memcpy(v, t->v, sizeof v);
    v[axis] = -1;
    oxp_patch *p = oxp_patch_new(j->run);
    oxp_id tensor = oxp_patch_tensor(p, oxp_value_at(j->m, t->value)->name, OXP_INT64, 1, dims, v,
                                     (size_t)t->n * sizeof *v);
    oxp_id graph = oxp_node_at(j->m, t->node)->graph;
    oxp_id made;
    if (oxp_graph_at(j->m, graph)->kind == OXP_GRAPH_FUNCTION) {
        made = oxp_patch_value(p, graph, oxp_value_at(j->m, t->value)->name, NULL);
        oxp_id c = oxp_patch_node(p, graph, t->node, "Constant", "", "target", NULL, 0, &made, 1);
        oxp_patch_attr_tensor(p, c, "value", tensor);
    } else
        made = oxp_patch_initializer(p, graph, tensor);
    oxp_patch_input(p, t->node, 1, made);
    oxp_shape_apply(j, p);
    j->repaired++;
    (void)facts;
    oxp_run_note(j->run, t->node, "its constant target %s now follows at axis %d",
                 oxp_value_at(j->m, t->value)->name, axis);
}

static void check_target(oxp_shape_job *j, const oxp_inferred *now, const oxp_inferred *before,
                         oxp_id id, bool *again) {
    target t;
    if (!read_target(j, now, id, &t) || !misfits(&t))
        return;
    int axis = t.open < 0 ? follower(j, now, &t) : -1;
    if (oxp_run_opts(j->run)->repair && axis >= 0) {
        repair(j, now, &t, axis);
        *again = true;
        return;
    }
    const oxp_type *x = &now->facts[oxp_node_at(j->m, id)->in[0]].type;
    oxp_dim shape[64];
    for (int i = 0; i < t.n; i++)
        shape[i] = oxp_dim_literal(t.v[i]);
    const char *baked = made_for(j, before, &t);
    oxp_run_impossible(
        j->run, id,
        "the constant target %s = %s%s%s does not hold the %lld elements of %s, which is %s with "
        "%s%s",
        oxp_value_at(j->m, t.value)->name, dims_text(j, shape, t.n), baked ? ", baked for " : "",
        baked ? baked : "", (long long)t.have,
        oxp_value_at(j->m, oxp_node_at(j->m, id)->in[0])->name, dims_text(j, x->dims, x->rank),
        bindings_text(j), axis >= 0 ? "; --repair makes the target follow" : "");
}

/* ---- everything else: what inference finds wrong with the sizes and not without ---- */
static bool was_there(const oxp_ctx *ctx, size_t first, size_t end, const oxp_diag *d) {
    for (size_t i = first; i < end; i++)
        if (!strcmp(oxp_diag_at(ctx, i)->where, d->where))
            return true;
    return false;
}

static int64_t bound_value(const void *arg, const char *name) {
    size_t n;
    const oxp_assumed *a = oxp_bound_dims(arg, &n);
    for (size_t i = 0; i < n; i++)
        if (a[i].bound && !strcmp(a[i].name, name))
            return a[i].value;
    return -1;
}

static void check_equalities(oxp_shape_job *j, const oxp_inferred *free_facts) {
    oxp_dims *pool = oxp_model_dims(j->m);
    for (size_t i = 0; i < free_facts->n_equalities; i++) {
        const oxp_equality *e = &free_facts->equalities[i];
        oxp_dim a = oxp_dim_eval(pool, e->a, bound_value, j->bound);
        oxp_dim b = oxp_dim_eval(pool, e->b, bound_value, j->bound);
        /* A size of 1 may broadcast; where it may not, inference with the sizes says so. */
        if (oxp_dim_is_unknown(a) || oxp_dim_is_unknown(b) || a == b || a == 1 || b == 1)
            continue;
        oxp_run_impossible(j->run, e->node,
                           "needs %s and %s to be equal, but with %s they are %lld "
                           "and %lld",
                           oxp_dim_text(pool, e->a, j->arena), oxp_dim_text(pool, e->b, j->arena),
                           bindings_text(j), (long long)a, (long long)b);
    }
}

static void check_diagnostics(oxp_shape_job *j, size_t start, size_t mid) {
    oxp_ctx *ctx = oxp_model_ctx(j->m);
    for (size_t i = mid; i < oxp_diag_count(ctx); i++) {
        const oxp_diag *d = oxp_diag_at(ctx, i);
        /* A stale value_info is no obstacle: it is written anew. */
        bool stale = !strcmp(d->code, "shape-conflict") || !strcmp(d->code, "type-conflict");
        if (d->severity == OXP_NOTE || stale || was_there(ctx, start, mid, d))
            continue;
        oxp_id id = node_of_label(j, d->where);
        const char *text = oxp_sprintf(j->arena, "%s", d->text);
        if (id == OXP_NONE)
            oxp_run_impossible(j->run, id, "%s: %s (with %s)", d->where, text, bindings_text(j));
        oxp_run_impossible(j->run, id, "%s (with %s)", text, bindings_text(j));
    }
}

static void check_sizes(oxp_shape_job *j) {
    size_t n;
    const oxp_assumed *a = oxp_bound_dims(j->bound, &n);
    for (size_t i = 0; i < n; i++)
        if (a[i].bound && a[i].value <= 0)
            oxp_raise(oxp_model_ctx(j->m), OXP_E_UNSUPPORTED,
                      "%s: dimension %s: cannot be fixed at %lld", oxp_model_path(j->m), a[i].name,
                      (long long)a[i].value);
}

void oxp_shape_bind(oxp_shape_job *j) {
    const oxp_pass_opts *o = oxp_run_opts(j->run);
    oxp_ctx *ctx = oxp_model_ctx(j->m);
    oxp_analyze_opts a = OXP_ANALYZE_OPTS_INIT;
    a.bindings = o->bindings;
    a.n_bindings = o->n_bindings;
    a.keep_unbound = true;
    j->bound = oxp_bind(j->m, &a, j->arena);
    check_sizes(j);
    for (int round = 0; round < 1000; round++) {
        size_t start = oxp_diag_count(ctx);
        const oxp_inferred *before = walk_model(j, false);
        size_t mid = oxp_diag_count(ctx);
        j->facts = walk_model(j, true);
        bool again = false;
        for (oxp_id id = 0; id < oxp_node_count(j->m) && !again; id++)
            if (oxp_node_at(j->m, id)->live)
                check_target(j, j->facts, before, id, &again);
        if (!again) {
            check_equalities(j, before);
            check_diagnostics(j, start, mid);
        }
        oxp_diag_truncate(ctx, start);
        if (!again)
            return;
    }
}
