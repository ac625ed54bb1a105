/* sizes.c - the sizes that a verification is to try: every combination of what --dim gives several
 * values to, and of --batch. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/sizes.h"

enum { CHOICES_MAX = 64, NAMES_MAX = 64 };

/* One name with all the values it is given. */
typedef struct axis {
    const char *name;
    int64_t values[CHOICES_MAX];
    size_t n;
} axis;

typedef struct axes {
    oxp_cli *cli;
    axis *at;
    size_t n;
} axes;

static void add(axes *x, const char *name, int64_t value) {
    size_t i = 0;
    while (i < x->n && strcmp(x->at[i].name, name) != 0)
        i++;
    if (i == NAMES_MAX || x->at[i].n == CHOICES_MAX)
        oxp_raise(x->cli->ctx, OXP_E_USAGE, "--dim: too many names or values");
    x->at[i].name = name;
    for (size_t k = 0; k < x->at[i].n; k++)
        if (x->at[i].values[k] == value)
            return;
    x->at[i].values[x->at[i].n++] = value;
    x->n += i == x->n;
}

/* The names of the first axes of the inputs. */
static void add_batch(axes *x, const oxp_model *m, int64_t value) {
    const oxp_graph *g = oxp_graph_at(m, OXP_MAIN_GRAPH);
    bool any = false;
    for (uint32_t i = 0; i < g->n_inputs; i++) {
        const oxp_value *v = oxp_value_at(m, g->inputs[i]);
        const oxp_type *t = v->declared;
        if (v->tensor != OXP_NONE || !t || t->rank < 1 || oxp_dim_is_literal(t->dims[0]))
            continue;
        add(x, oxp_dim_text(oxp_model_dims(m), t->dims[0], x->cli->arena), value);
        any = true;
    }
    if (!any)
        oxp_raise(x->cli->ctx, OXP_E_USAGE, "--batch: the first axis of each input of %s is fixed",
                  oxp_model_path(m));
}

static void add_batches(axes *x, const oxp_model *m) {
    for (size_t i = 0; i < x->cli->batches.n; i++) {
        const char **parts;
        size_t n = oxp_cli_split(x->cli, x->cli->batches.items[i], "--batch", &parts);
        for (size_t k = 0; k < n; k++) {
            char *end;
            errno = 0;
            long long v = strtoll(parts[k], &end, 10);
            if (errno || *end || v < 1)
                oxp_raise(x->cli->ctx, OXP_E_USAGE, "--batch: '%s' is not a batch size", parts[k]);
            add_batch(x, m, v);
        }
    }
}

/* The axes that --batch binds together take the same value: they are counted as one. */
static size_t combinations(const axes *x, const bool *follows) {
    size_t n = 1;
    for (size_t i = 0; i < x->n; i++)
        n = follows[i] || n > CHOICES_MAX ? n : n * x->at[i].n;
    if (n > CHOICES_MAX)
        oxp_raise(x->cli->ctx, OXP_E_USAGE, "--dim: more than %d combinations of sizes",
                  CHOICES_MAX);
    return n;
}

const oxp_size_choice *oxp_cli_sizes(oxp_cli *cli, const oxp_model *m, size_t *n) {
    size_t given, shapes = 0;
    const oxp_binding *b = oxp_cli_bindings(cli, &given);
    axes x = {cli, OXP_NEWS(cli->arena, NAMES_MAX + 1, axis), 0};
    oxp_binding *fixed = OXP_NEWS(cli->arena, given + 1, oxp_binding);
    bool follows[NAMES_MAX] = {false};
    for (size_t i = 0; i < given; i++)
        if (b[i].rank >= 0)
            fixed[shapes++] = b[i];
        else
            add(&x, b[i].name, b[i].value);
    size_t first = x.n;
    add_batches(&x, m);
    for (size_t i = first + 1; i < x.n; i++)
        follows[i] = true;
    *n = combinations(&x, follows);
    oxp_size_choice *all = OXP_NEWS(cli->arena, *n, oxp_size_choice);
    for (size_t k = 0; k < *n; k++) {
        oxp_binding *to = OXP_NEWS(cli->arena, x.n + shapes + 1, oxp_binding);
        const char *text = "";
        size_t rest = k, turn = 0;
        for (size_t i = 0; i < x.n; i++) {
            turn = follows[i] ? turn : rest % x.at[i].n;
            rest = follows[i] ? rest : rest / x.at[i].n;
            to[i] = (oxp_binding){.name = x.at[i].name, .value = x.at[i].values[turn], .rank = -1};
            text = oxp_sprintf(cli->arena, "%s%s%s=%lld", text, *text ? ", " : "", x.at[i].name,
                               (long long)to[i].value);
        }
        memcpy(to + x.n, fixed, shapes * sizeof *fixed);
        all[k] = (oxp_size_choice){to, x.n + shapes, text};
    }
    return all;
}
