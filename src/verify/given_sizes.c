/* given_sizes.c - given inputs have their sizes: what was asked for must be the same. */
#include <string.h>

#include "verify/verify_impl.h"

typedef struct given {
    oxp_verify_job *j;
    const char *folder, *text; /* "N=8, L=16" of the folder that is read */
    oxp_binding *names;        /* of its free axes */
    size_t n_names, cap;
    bool clash; /* one name with two sizes: the model's declaration is loose */
} given;

static void mismatch(const given *g, const char *input, const char *what, int64_t wanted,
                     int64_t found) {
    oxp_raise(oxp_arena_ctx(g->j->arena), OXP_E_UNSUPPORTED,
              "%s: input '%s' has %s=%lld, asked for is %s=%lld", g->folder, input, what,
              (long long)found, what, (long long)wanted);
}

/* A size that --dim or --batch gave to the name. */
static void check_name(const given *g, const char *input, const char *name, int64_t size) {
    const oxp_size_choice *c = &g->j->opts->sizes[0];
    for (size_t i = 0; g->j->opts->n_sizes && i < c->n_bindings; i++)
        if (c->bindings[i].rank < 0 && !strcmp(c->bindings[i].name, name) &&
            c->bindings[i].value != size)
            mismatch(g, input, name, c->bindings[i].value, size);
}

/* A shape that --input-shape gave to the input. */
static void check_shape(const given *g, const oxp_array *a) {
    const oxp_size_choice *c = &g->j->opts->sizes[0];
    for (size_t i = 0; g->j->opts->n_sizes && i < c->n_bindings; i++) {
        const oxp_binding *b = &c->bindings[i];
        if (b->rank != a->rank || strcmp(b->name, a->name) != 0)
            continue;
        for (int k = 0; k < a->rank; k++)
            if (b->dims[k] >= 0 && b->dims[k] != a->dims[k])
                mismatch(g, a->name, oxp_sprintf(g->j->arena, "axis %d", k), b->dims[k],
                         a->dims[k]);
    }
}

static void note(given *g, const char *name, int64_t size) {
    oxp_arena *arena = g->j->arena;
    for (size_t i = 0; i < g->n_names; i++)
        if (!strcmp(g->names[i].name, name)) {
            g->clash |= g->names[i].value != size;
            return;
        }
    g->names = oxp_grow(arena, g->names, &g->cap, g->n_names + 1, sizeof *g->names);
    g->names[g->n_names++] = (oxp_binding){oxp_strdup(arena, name), size, -1, NULL};
    g->text =
        oxp_sprintf(arena, "%s%s%s=%lld", g->text, *g->text ? ", " : "", name, (long long)size);
}

static void look_at(given *g, const oxp_analysis *a, oxp_arena *scratch) {
    const oxp_model *m = a->model;
    size_t n, n_ids;
    const oxp_array *in = oxp_inputs_read(a, g->folder, &n, scratch);
    const oxp_id *ids = oxp_fed_inputs(m, &n_ids, scratch);
    for (size_t i = 0; i < n; i++) {
        const oxp_type *t = oxp_value_at(m, ids[i])->declared;
        check_shape(g, &in[i]);
        for (int k = 0; t && t->rank == in[i].rank && k < t->rank; k++) {
            if (oxp_dim_is_literal(t->dims[k]) || oxp_dim_is_unknown(t->dims[k]))
                continue;
            const char *name = oxp_dim_text(oxp_model_dims(m), t->dims[k], scratch);
            check_name(g, in[i].name, name, in[i].dims[k]);
            note(g, name, in[i].dims[k]);
        }
    }
}

/* Sizes of the sets, each said once: "N=8; N=4". */
static const char *add_text(oxp_arena *arena, const char *all, const char *one) {
    size_t len = strlen(one);
    for (const char *p = all; (p = strstr(p, one)); p += len)
        if ((p == all || p[-1] == ' ') && (p == all || p[-2] == ';') && (!p[len] || p[len] == ';'))
            return all;
    return oxp_sprintf(arena, "%s%s%s", all, *all && *one ? "; " : "", one);
}

const oxp_size_choice *oxp_given_sizes(oxp_verify_job *j, const oxp_analysis *a) {
    oxp_size_choice *c = OXP_NEW(j->arena, oxp_size_choice);
    const char *texts = "";
    for (size_t k = 0; k < j->cases.n_folders; k++) {
        given g = {.j = j, .folder = j->cases.folders[k], .text = ""};
        oxp_arena *scratch = oxp_arena_new(oxp_arena_ctx(j->arena));
        look_at(&g, a, scratch);
        oxp_arena_free(scratch);
        texts = add_text(j->arena, texts, g.text);
        if (!k && !g.clash)
            *c = (oxp_size_choice){g.names, g.n_names, ""};
    }
    c->text = texts;
    return c;
}
