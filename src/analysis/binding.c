/* binding.c - see binding.h.  Only inputs that are no initializers have dimensions to bind. */
#include "analysis/binding.h"

#include <string.h>

#include "base/intern.h"

typedef struct fixed { /* a whole expression that an input shape gave a number */
    oxp_dim dim;
    int64_t value;
} fixed;

struct oxp_bound {
    const oxp_model *m;
    oxp_ctx *ctx;
    oxp_arena *arena;
    oxp_dims *dims;
    bool keep_unbound;
    oxp_assumed *names;
    size_t n_names, cap_names;
    oxp_intern *strings;
    oxp_map *by_name; /* interned name -> index */
    fixed *fixed;
    size_t n_fixed, cap_fixed;
    oxp_map *types;            /* input value -> index into symbolic, literal */
    const oxp_type **symbolic; /* of each input, with names for unnamed dims */
    const oxp_type **literal;  /* made on first demand */
    const oxp_type **whole;    /* shape that the user gave to an input without one */
    size_t n_inputs;
    oxp_map *seen[2]; /* memo of oxp_bound_dim: dim handle -> index into results */
    oxp_dim *results[2];
    size_t n_results[2], cap_results[2];
};

static oxp_assumed *find_name(const oxp_bound *b, const char *name) {
    uint32_t i;
    const char *s = oxp_intern_find(b->strings, name, strlen(name));
    return s != NULL && oxp_map_get(b->by_name, (uintptr_t)s, &i) ? &b->names[i] : NULL;
}

/* Called by oxp_dim_eval for each symbol: a way to list them. */
static int64_t note_name(const void *arg, const char *name) {
    oxp_bound *b = *(oxp_bound *const *)arg;
    if (find_name(b, name) == NULL) {
        const char *s = oxp_intern_add(b->strings, name, strlen(name));
        b->names = oxp_grow(b->arena, b->names, &b->cap_names, b->n_names + 1, sizeof *b->names);
        b->names[b->n_names] = (oxp_assumed){s, 1, false};
        oxp_map_set(b->by_name, (uintptr_t)s, (uint32_t)b->n_names++);
    }
    return 1;
}

static int64_t value_of(const void *arg, const char *name) {
    const oxp_assumed *a = find_name(arg, name);
    const oxp_bound *b = arg;
    return a == NULL || (b->keep_unbound && !a->bound) ? -1 : a->value;
}

static int64_t is_input_name(const void *arg, const char *name) {
    return find_name(arg, name) != NULL ? 1 : -1;
}

static const oxp_type *name_dims(oxp_bound *b, oxp_id value, const oxp_type *declared) {
    if (declared == NULL || declared->kind != OXP_KIND_TENSOR || declared->rank <= 0)
        return declared;
    oxp_type *t = OXP_NEW(b->arena, oxp_type);
    oxp_dim *dims = OXP_NEWS(b->arena, (size_t)declared->rank, oxp_dim);
    *t = *declared;
    t->dims = dims;
    for (int i = 0; i < t->rank; i++) {
        dims[i] = declared->dims[i];
        if (oxp_dim_is_unknown(dims[i]))
            dims[i] = oxp_dim_symbol(
                b->dims, oxp_sprintf(b->arena, "%s_dim_%d", oxp_value_at(b->m, value)->name, i));
        if (!oxp_dim_is_literal(dims[i]))
            (void)oxp_dim_eval(b->dims, dims[i], note_name, &(oxp_bound *){b});
    }
    return t;
}

static void bind_name(oxp_bound *b, oxp_assumed *a, int64_t value) {
    if (a->bound && a->value != value)
        oxp_raise(b->ctx, OXP_E_UNSUPPORTED, "%s: dimension %s: bound to %lld and to %lld",
                  oxp_model_path(b->m), a->name, (long long)a->value, (long long)value);
    a->bound = true;
    a->value = value;
}

static void check_size(const oxp_bound *b, const char *name, int64_t value) {
    if (value < 0)
        oxp_raise(b->ctx, OXP_E_UNSUPPORTED, "%s: dimension %s: %lld is no size",
                  oxp_model_path(b->m), name, (long long)value);
}

static void fix(oxp_bound *b, oxp_dim dim, int64_t value) {
    b->fixed = oxp_grow(b->arena, b->fixed, &b->cap_fixed, b->n_fixed + 1, sizeof *b->fixed);
    b->fixed[b->n_fixed++] = (fixed){dim, value};
}

/* What could have been meant: "; the open ones are N, H" (some, where they are many). */
static const char *known_names(const oxp_bound *b) {
    enum { SHOWN = 12 };
    if (b->n_names == 0)
        return "; all its inputs have fixed dimensions";
    const char *text = "; the open ones are ";
    for (size_t i = 0; i < b->n_names && i < SHOWN; i++)
        /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): there are n_names of them */
        text = oxp_sprintf(b->arena, "%s%s%s", text, i > 0 ? ", " : "", b->names[i].name);
    return b->n_names > SHOWN ? oxp_sprintf(b->arena, "%s, ...", text) : text;
}

static void bind_dim(oxp_bound *b, const oxp_binding *in) {
    check_size(b, in->name, in->value);
    oxp_assumed *a = find_name(b, in->name);
    if (a != NULL) {
        bind_name(b, a, in->value);
        return;
    }
    oxp_dim d = oxp_dim_parse(b->dims, in->name); /* "past + seq" as the exporter wrote it */
    for (size_t i = 0; i < b->n_inputs; i++) {
        const oxp_type *t = b->symbolic[i];
        for (int k = 0; t != NULL && t->kind == OXP_KIND_TENSOR && k < t->rank; k++) {
            if (t->dims[k] == d && !oxp_dim_is_literal(d)) {
                fix(b, d, in->value);
                return;
            }
        }
    }
    oxp_raise(b->ctx, OXP_E_USAGE, "%s: no input has a dimension named %s%s", oxp_model_path(b->m),
              in->name, known_names(b));
}

static void bind_one_dim(oxp_bound *b, const oxp_binding *in, int axis, oxp_dim d) {
    int64_t v = in->dims[axis];
    if (v == -1)
        return;
    check_size(b, in->name, v);
    if (oxp_dim_is_literal(d)) {
        if (d != v)
            oxp_raise(b->ctx, OXP_E_UNSUPPORTED,
                      "%s: input %s: axis %d is fixed at %lld, cannot be %lld",
                      oxp_model_path(b->m), in->name, axis, (long long)d, (long long)v);
        return;
    }
    const char *name = oxp_dim_text(b->dims, d, b->arena);
    oxp_assumed *a = find_name(b, name);
    if (a != NULL)
        bind_name(b, a, v);
    else
        fix(b, d, v);
}

static void bind_shape(oxp_bound *b, const oxp_binding *in) {
    const oxp_graph *g = oxp_graph_at(b->m, OXP_MAIN_GRAPH);
    for (uint32_t i = 0; i < g->n_inputs; i++) {
        const oxp_value *v = oxp_value_at(b->m, g->inputs[i]);
        if (v->tensor != OXP_NONE || strcmp(v->name, in->name) != 0)
            continue;
        const oxp_type *t = b->symbolic[i];
        if (t != NULL && t->kind == OXP_KIND_TENSOR && t->rank >= 0) {
            if (t->rank != in->rank)
                oxp_raise(b->ctx, OXP_E_UNSUPPORTED, "%s: input %s: has %d dimensions, not %d",
                          oxp_model_path(b->m), in->name, t->rank, in->rank);
            for (int k = 0; k < in->rank; k++)
                bind_one_dim(b, in, k, t->dims[k]);
            return;
        }
        oxp_type *w = OXP_NEW(b->arena, oxp_type);
        oxp_dim *dims = OXP_NEWS(b->arena, in->rank > 0 ? (size_t)in->rank : 1, oxp_dim);
        for (int k = 0; k < in->rank; k++)
            dims[k] = in->dims[k] < 0 ? OXP_DIM_UNKNOWN : oxp_dim_literal(in->dims[k]);
        *w = (oxp_type){.kind = OXP_KIND_TENSOR,
                        .elem = t ? t->elem : OXP_UNDEFINED,
                        .rank = in->rank,
                        .dims = dims};
        b->whole[i] = w;
        return;
    }
    oxp_raise(b->ctx, OXP_E_USAGE, "%s: no input is named %s", oxp_model_path(b->m), in->name);
}

/* ---- sizes that are given as expressions only ---- */

typedef struct unbound { /* the names of an expression that nothing bound */
    const oxp_bound *b;
    oxp_assumed *names[8];
    size_t n;
} unbound;

static int64_t taken(const void *arg, const char *name) {
    const oxp_assumed *a = find_name(arg, name);
    return a != NULL ? a->value : -1;
}

static int64_t note_unbound(const void *arg, const char *name) {
    unbound *u = *(unbound *const *)arg;
    oxp_assumed *a = find_name(u->b, name);
    bool known = a == NULL || a->bound;
    for (size_t i = 0; i < u->n && !known; i++)
        known = u->names[i] == a;
    if (!known && u->n < sizeof u->names / sizeof *u->names)
        u->names[u->n++] = a;
    return a != NULL ? a->value : -1;
}

static bool is_fixed(const oxp_bound *b, oxp_dim d) {
    for (size_t i = 0; i < b->n_fixed; i++)
        if (b->fixed[i].dim == d)
            return true;
    return false;
}

/* By name: is it the whole of some dimension, too? */
static const bool *whole_names(const oxp_bound *b) {
    bool *whole = OXP_NEWS(b->arena, b->n_names + 1, bool);
    for (size_t i = 0; i < b->n_inputs; i++) {
        const oxp_type *t = b->symbolic[i];
        for (int k = 0; t != NULL && t->kind == OXP_KIND_TENSOR && k < t->rank; k++) {
            unbound u = {.b = b};
            (void)oxp_dim_eval(b->dims, t->dims[k], note_unbound, &(unbound *){&u});
            for (size_t n = 0; n < u.n; n++)
                if (oxp_dim_symbol(b->dims, u.names[n]->name) == t->dims[k])
                    whole[u.names[n] - b->names] = true;
        }
    }
    return whole;
}

static bool is_empty(const oxp_bound *b, oxp_dim d) {
    oxp_dim v = oxp_dim_eval(b->dims, d, taken, b);
    return oxp_dim_is_literal(v) && !oxp_dim_is_unknown(v) && v < 1;
}

/* An input of floor(h/2) or h-1 rows has none with an h of 1.  Where h is no size by itself and
 * nobody bound it, the smallest h counts that gives a row; with none, the expression is taken as 1.
 * A past of total-1 tokens beside a mask of `total` stays empty: that is what the first turn has.
 */
static bool raise_dim(oxp_bound *b, oxp_dim d, const bool *whole, bool search) {
    enum { LARGEST = 1024 };
    unbound u = {.b = b};
    (void)oxp_dim_eval(b->dims, d, note_unbound, &(unbound *){&u});
    for (size_t i = 0; i < u.n; i++)
        if (whole[u.names[i] - b->names])
            return false;
    for (size_t i = 0; i < u.n && search; i++) {
        int64_t was = u.names[i]->value;
        for (int64_t v = was + 1; v <= LARGEST; v++) {
            u.names[i]->value = v;
            if (!is_empty(b, d))
                return true;
        }
        u.names[i]->value = was;
    }
    if (u.n > 0)
        fix(b, d, 1);
    return u.n > 0;
}

/* `search` for a size; else what is empty is taken as 1. */
static void raise_dims(oxp_bound *b, bool search) {
    enum { MOST = 64 }; /* a generated file may have a million */
    const bool *whole = NULL;
    int raised = 0;
    for (size_t i = 0; i < b->n_inputs; i++) {
        const oxp_type *t = b->symbolic[i];
        for (int k = 0; t != NULL && t->kind == OXP_KIND_TENSOR && k < t->rank; k++) {
            if (oxp_dim_is_literal(t->dims[k]) || raised == MOST || is_fixed(b, t->dims[k]) ||
                !is_empty(b, t->dims[k]))
                continue;
            whole = whole != NULL ? whole : whole_names(b);
            raised += raise_dim(b, t->dims[k], whole, search);
        }
    }
}

oxp_bound *oxp_bind(const oxp_model *m, const oxp_analyze_opts *opts, oxp_arena *arena) {
    oxp_bound *b = OXP_NEW(arena, oxp_bound);
    const oxp_graph *g = oxp_graph_at(m, OXP_MAIN_GRAPH);
    b->m = m;
    b->arena = arena;
    b->ctx = oxp_arena_ctx(arena);
    b->dims = oxp_model_dims(m);
    b->keep_unbound = opts->keep_unbound;
    b->strings = oxp_intern_new(arena);
    b->by_name = oxp_map_new(arena);
    b->types = oxp_map_new(arena);
    b->seen[0] = oxp_map_new(arena);
    b->seen[1] = oxp_map_new(arena);
    b->n_inputs = g->n_inputs;
    b->symbolic = OXP_NEWS(arena, b->n_inputs + 1, const oxp_type *);
    b->literal = OXP_NEWS(arena, b->n_inputs + 1, const oxp_type *);
    b->whole = OXP_NEWS(arena, b->n_inputs + 1, const oxp_type *);
    for (uint32_t i = 0; i < g->n_inputs; i++) {
        const oxp_value *v = oxp_value_at(m, g->inputs[i]);
        oxp_map_set(b->types, g->inputs[i], i);
        b->symbolic[i] =
            v->tensor == OXP_NONE ? name_dims(b, g->inputs[i], v->declared) : v->declared;
    }
    for (size_t i = 0; i < opts->n_bindings; i++) {
        if (opts->bindings[i].rank < 0)
            bind_dim(b, &opts->bindings[i]);
        else
            bind_shape(b, &opts->bindings[i]);
    }
    raise_dims(b, true);
    raise_dims(b, false); /* those of 3-h rows, once floor(h/4) made an h of 4 */
    return b;
}

const oxp_assumed *oxp_bound_dims(const oxp_bound *b, size_t *n) {
    *n = b->n_names;
    return b->names;
}

static oxp_dim number(oxp_bound *b, oxp_dim d) {
    if (oxp_dim_is_literal(d) || oxp_dim_is_unknown(d))
        return d;
    for (size_t i = 0; i < b->n_fixed; i++) {
        if (b->fixed[i].dim == d)
            return oxp_dim_literal(b->fixed[i].value);
    }
    return oxp_dim_eval(b->dims, d, value_of, b);
}

const oxp_type *oxp_bound_input(oxp_bound *b, oxp_id value, bool literal) {
    uint32_t i;
    if (!oxp_map_get(b->types, value, &i))
        return NULL;
    if (b->whole[i] != NULL)
        return b->whole[i];
    const oxp_type *t = b->symbolic[i];
    if (!literal || t == NULL || t->kind != OXP_KIND_TENSOR || t->rank <= 0)
        return t;
    if (b->literal[i] == NULL) {
        oxp_type *l = OXP_NEW(b->arena, oxp_type);
        oxp_dim *dims = OXP_NEWS(b->arena, (size_t)t->rank, oxp_dim);
        *l = *t;
        l->dims = dims;
        for (int k = 0; k < t->rank; k++) {
            dims[k] = number(b, t->dims[k]);
            if (oxp_dim_is_unknown(dims[k]) && b->keep_unbound)
                dims[k] = t->dims[k];
        }
        b->literal[i] = l;
    }
    return b->literal[i];
}

oxp_dim oxp_bound_dim(oxp_bound *b, oxp_dim d, bool literal) {
    if (oxp_dim_is_literal(d) || oxp_dim_is_unknown(d))
        return d;
    uint32_t i;
    int which = literal ? 1 : 0;
    if (oxp_map_get(b->seen[which], (uint64_t)d, &i))
        return b->results[which][i];
    oxp_dim r =
        oxp_dim_is_unknown(oxp_dim_eval(b->dims, d, is_input_name, b)) ? OXP_DIM_UNKNOWN : d;
    if (literal && !oxp_dim_is_unknown(r)) {
        r = number(b, d);
        if (oxp_dim_is_unknown(r) && b->keep_unbound)
            r = d;
    }
    b->results[which] = oxp_grow(b->arena, b->results[which], &b->cap_results[which],
                                 b->n_results[which] + 1, sizeof(oxp_dim));
    b->results[which][b->n_results[which]] = r;
    oxp_map_set(b->seen[which], (uint64_t)d, (uint32_t)b->n_results[which]++);
    return r;
}

/* Does some input of the main graph still have what this binding binds? */
static bool binds(const oxp_model *m, const oxp_binding *b) {
    const oxp_graph *g = oxp_graph_at(m, OXP_MAIN_GRAPH);
    oxp_dim symbol = b->rank < 0 ? oxp_dim_symbol(oxp_model_dims(m), b->name) : OXP_DIM_UNKNOWN;
    for (uint32_t i = 0; i < g->n_inputs; i++) {
        const oxp_value *v = oxp_value_at(m, g->inputs[i]);
        if (b->rank >= 0) {
            if (!strcmp(v->name, b->name))
                return true;
            continue;
        }
        for (int k = 0; v->declared && k < v->declared->rank; k++)
            if (v->declared->dims[k] == symbol)
                return true;
    }
    return false;
}

const oxp_binding *oxp_bindings_left(const oxp_model *m, const oxp_binding *bindings, size_t n,
                                     size_t *n_left, oxp_arena *arena) {
    oxp_binding *left = OXP_NEWS(arena, n + 1, oxp_binding);
    *n_left = 0;
    for (size_t i = 0; i < n; i++)
        if (binds(m, &bindings[i]))
            left[(*n_left)++] = bindings[i];
    return left;
}

const oxp_type *oxp_bound_view_input(const void *view, oxp_id value) {
    const oxp_bound_view *w = view;
    return oxp_bound_input(w->bound, value, w->literal);
}

oxp_dim oxp_bound_view_dim(const void *view, oxp_dim d) {
    const oxp_bound_view *w = view;
    return oxp_bound_dim(w->bound, d, w->literal);
}
