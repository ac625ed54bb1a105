/* options.c - tables of shared options and the parser that reads all tables. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/values.h"

#define AT(field) offsetof(oxp_cli, field)

const oxp_option oxp_opts_common[] = {
    {"--quiet", NULL, "no notes and warnings on stderr", OXP_OPT_FLAG, AT(quiet)},
    {"--color", "auto|always|never", "colours in the report (default auto; NO_COLOR is honoured)",
     OXP_OPT_TEXT, AT(color)},
    {NULL, NULL, NULL, OXP_OPT_FLAG, 0}};

const oxp_option oxp_opts_report[] = {
    {"--format", "FORMAT", "how the report is written; `onnxpert --help` lists the formats",
     OXP_OPT_TEXT, AT(format)},
    {"--output,-o", "FILE", "where the report goes (default: standard output)", OXP_OPT_TEXT,
     AT(output)},
    {NULL, NULL, NULL, OXP_OPT_FLAG, 0}};

const oxp_option oxp_opts_dims[] = {
    {"--dim", "NAME=VALUE", "bind a named dimension of the inputs (repeatable)", OXP_OPT_LIST,
     AT(dims)},
    {"--input-shape", "INPUT=D,D,...", "bind the dimensions of one input (repeatable)",
     OXP_OPT_LIST, AT(input_shapes)},
    {NULL, NULL, NULL, OXP_OPT_FLAG, 0}};

const oxp_option oxp_opts_device[] = {
    {"--device", "DEVICE", "device to project for; `onnxpert devices` lists them", OXP_OPT_TEXT,
     AT(device)},
    {"--batch", "N,N,...", "batch sizes to look at", OXP_OPT_LIST, AT(batches)},
    {NULL, NULL, NULL, OXP_OPT_FLAG, 0}};

const oxp_option oxp_opts_redact[] = {
    {"--redact-names", NULL, "neutral names for all that the model names, but standard operators",
     OXP_OPT_FLAG, AT(redact)},
    {NULL, NULL, NULL, OXP_OPT_FLAG, 0}};

/* Does `given` (without "=value") name this option? */
static bool names(const oxp_option *o, const char *given, size_t len) {
    const char *comma = strchr(o->name, ',');
    size_t first = comma ? (size_t)(comma - o->name) : strlen(o->name);
    if (first == len && !strncmp(o->name, given, len))
        return true;
    return comma && strlen(comma + 1) == len && !strncmp(comma + 1, given, len);
}

static const oxp_option *find_option(const oxp_command *c, const char *given, size_t len) {
    for (const oxp_option *const *g = c->groups; *g; g++)
        for (const oxp_option *o = *g; o->name; o++)
            if (names(o, given, len))
                return o;
    return NULL;
}

/* One of the words that the option knows? */
static void check_word(oxp_cli *cli, const oxp_option *o, const char *words, const char *value) {
    size_t len = strlen(value);
    for (const char *p = words; *p; p += strcspn(p, " "), p += *p == ' ')
        if (strcspn(p, " ") == len && !strncmp(p, value, len))
            return;
    const char *name = oxp_cli_long_name(cli->arena, o);
    const char *suggestion = oxp_cli_suggest(cli->arena, value, words);
    if (*suggestion)
        oxp_raise(cli->ctx, OXP_E_USAGE, "--%s: there is no '%s'%s", name, value, suggestion);
    oxp_raise(cli->ctx, OXP_E_USAGE, "--%s: '%s' is none of: %s", name, value, words);
}

static void check_words(oxp_cli *cli, const oxp_option *o, const char *value) {
    oxp_values v = oxp_cli_values(cli->arena, o);
    if (v.kind != OXP_VALUE_WORDS)
        return;
    if (!v.many) {
        check_word(cli, o, v.words, value);
        return;
    }
    const char **parts;
    size_t n = oxp_cli_split(cli, value, o->name, &parts);
    for (size_t i = 0; i < n; i++)
        check_word(cli, o, v.words, parts[i]);
}

static void store(oxp_cli *cli, const oxp_option *o, const char *value) {
    char *base = (char *)cli + o->offset;
    switch (o->kind) {
    case OXP_OPT_FLAG:
        *(bool *)base = true;
        return;
    case OXP_OPT_TEXT:
        *(const char **)base = value;
        return;
    case OXP_OPT_LIST: {
        oxp_list *l = (oxp_list *)base;
        l->items = oxp_grow(cli->arena, l->items, &l->cap, l->n + 1, sizeof *l->items);
        l->items[l->n++] = value;
        return;
    }
    case OXP_OPT_NUMBER: {
        char *end;
        errno = 0;
        long long v = strtoll(value, &end, 10);
        if (errno || *end || end == value || v < 0)
            oxp_raise(cli->ctx, OXP_E_USAGE, "%s: '%s' is not a number", o->name, value);
        *(int64_t *)base = v;
        return;
    }
    }
}

static void positional(oxp_cli *cli, const char *arg) {
    size_t most = cli->command->max_args;
    if (cli->n_args == most)
        oxp_raise(cli->ctx, OXP_E_USAGE, "%s: unexpected argument '%s'", cli->command->name, arg);
    cli->args = oxp_grow(cli->arena, cli->args, &cli->cap_args, cli->n_args + 1, sizeof *cli->args);
    cli->args[cli->n_args++] = arg;
}

typedef struct option_words {
    oxp_arena *arena;
    const char *words;
} option_words;

static void add_option_word(void *arg, const oxp_option *o) {
    option_words *w = arg;
    w->words = oxp_sprintf(w->arena, "--%s %s", oxp_cli_long_name(w->arena, o), w->words);
}

static void unknown_option(oxp_cli *cli, const char *given) {
    option_words w = {cli->arena, ""};
    oxp_cli_each_option(cli->command, add_option_word, &w);
    oxp_raise(cli->ctx, OXP_E_USAGE, "%s: unknown option '%s'%s", cli->command->name, given,
              oxp_cli_suggest(cli->arena, given, w.words));
}

void oxp_cli_parse(oxp_cli *cli, int argc, char **argv, int first) {
    bool only_args = false;
    for (int i = first; i < argc; i++) {
        const char *a = argv[i];
        if (only_args || a[0] != '-' || !a[1]) {
            positional(cli, a);
            continue;
        }
        if (!strcmp(a, "--")) {
            only_args = true;
            continue;
        }
        const char *equals = !strncmp(a, "--", 2) ? strchr(a, '=') : NULL;
        size_t len = equals ? (size_t)(equals - a) : strlen(a);
        const oxp_option *o = find_option(cli->command, a, len);
        if (!o)
            unknown_option(cli, a);
        if (o->kind == OXP_OPT_FLAG) {
            if (equals)
                oxp_raise(cli->ctx, OXP_E_USAGE, "%.*s takes no value", (int)len, a);
            store(cli, o, NULL);
            continue;
        }
        const char *value = equals ? equals + 1 : i + 1 < argc ? argv[++i] : NULL;
        if (!value)
            oxp_raise(cli->ctx, OXP_E_USAGE, "%s needs a value: %s", a, o->metavar);
        check_words(cli, o, value);
        store(cli, o, value);
    }
    if (cli->n_args < cli->command->min_args)
        oxp_raise(cli->ctx, OXP_E_USAGE, "usage: onnxpert %s %s", cli->command->name,
                  cli->command->synopsis);
}

void oxp_cli_help(const oxp_command *c, FILE *f) {
    fprintf(f, "usage: onnxpert %s %s\n\n%s\n", c->name, c->synopsis, c->summary);
    fputs("\noptions:\n", f);
    for (const oxp_option *const *g = c->groups; *g; g++)
        for (const oxp_option *o = *g; o->name; o++) {
            char left[80];
            const char *comma = strchr(o->name, ',');
            int n = comma ? (int)(comma - o->name) : (int)strlen(o->name);
            snprintf(left, sizeof left, "%s%s%.*s%s%s", comma ? comma + 1 : "", comma ? ", " : "",
                     n, o->name, o->metavar ? " " : "", o->metavar ? o->metavar : "");
            fprintf(f, "  %-30s %s\n", left, o->help);
        }
    fprintf(f, "  %-30s %s\n", "--help", "this text");
    if (c->epilog)
        fprintf(f, "\n%s\n", c->epilog);
}

size_t oxp_cli_split(oxp_cli *cli, const char *text, const char *what, const char ***out) {
    size_t n = 1;
    for (const char *s = text; *s; s++)
        n += *s == ',';
    const char **parts = OXP_NEWS(cli->arena, n, const char *);
    char *copy = oxp_strdup(cli->arena, text);
    for (size_t i = 0; i < n; i++) {
        parts[i] = copy;
        char *comma = strchr(copy, ',');
        if (comma) {
            *comma = 0;
            copy = comma + 1;
        }
        if (!*parts[i])
            oxp_raise(cli->ctx, OXP_E_USAGE, "%s: empty entry in '%s'", what, text);
    }
    *out = parts;
    return n;
}

/* ---- bindings ---- */

/* One size: a number > 0 (>= 0 where a tensor may be empty), or -1 / ? for "leave as it is" where
 * that is allowed. */
static int64_t parse_size(oxp_cli *cli, const char *option, const char *text, bool may_skip,
                          bool may_be_empty) {
    if (may_skip && (!strcmp(text, "?") || !strcmp(text, "-1")))
        return -1;
    char *end;
    errno = 0;
    long long v = strtoll(text, &end, 10);
    if (errno || *end || end == text)
        oxp_raise(cli->ctx, OXP_E_USAGE, "%s: '%s' is not a size", option, text);
    if (v < 0 || (v == 0 && !may_be_empty))
        oxp_raise(cli->ctx, OXP_E_USAGE, "%s: size %lld is not possible: sizes start at 1", option,
                  v);
    return v;
}

/* Is this the first axis of an input?  Then it counts samples or steps, and none is no run. */
static bool leads(const oxp_model *m, const oxp_binding *b) {
    const oxp_graph *g = oxp_graph_at(m, OXP_MAIN_GRAPH);
    if (b->rank >= 0)
        return b->rank > 0 && b->dims[0] == 0;
    oxp_dim d = oxp_dim_parse(oxp_model_dims(m), b->name);
    for (uint32_t i = 0; i < g->n_inputs; i++) {
        const oxp_type *t = oxp_value_at(m, g->inputs[i])->declared;
        if (t != NULL && t->kind == OXP_KIND_TENSOR && t->rank > 0 && t->dims[0] == d)
            return true;
    }
    return false;
}

static bool has_zero(const oxp_binding *b) {
    bool zero = b->rank < 0 && b->value == 0;
    for (int k = 0; k < b->rank; k++)
        zero = zero || b->dims[k] == 0;
    return zero;
}

const oxp_binding *oxp_cli_bindings_of(oxp_cli *cli, const oxp_model *m, size_t *n) {
    const oxp_binding *given = oxp_cli_bindings_or_empty(cli, n);
    oxp_binding *b = OXP_NEWS(cli->arena, *n + 1, oxp_binding);
    for (size_t i = 0; i < *n; i++) {
        b[i] = given[i];
        b[i].name = oxp_model_redacted(m, given[i].name);
        if (has_zero(&b[i]) && leads(m, &b[i]))
            oxp_raise(cli->ctx, OXP_E_USAGE,
                      "%s: size 0 is not possible: it is the first axis of an input, which starts "
                      "at 1",
                      given[i].name);
    }
    return b;
}

static const oxp_binding *bindings(oxp_cli *cli, bool may_be_empty, size_t *n) {
    *n = cli->dims.n + cli->input_shapes.n;
    oxp_binding *b = OXP_NEWS(cli->arena, *n + 1, oxp_binding);
    for (size_t i = 0; i < *n; i++) {
        bool shape = i >= cli->dims.n;
        const char *option = shape ? "--input-shape" : "--dim";
        const char *text = shape ? cli->input_shapes.items[i - cli->dims.n] : cli->dims.items[i];
        const char *equals = strrchr(text, '=');
        if (!equals || equals == text || (!equals[1] && !shape))
            oxp_raise(cli->ctx, OXP_E_USAGE, "%s: '%s' should be %s", option, text,
                      shape ? "INPUT=D,D,..." : "NAME=VALUE");
        b[i].name = oxp_memdup0(cli->arena, text, (size_t)(equals - text));
        if (!shape) {
            b[i].rank = -1;
            b[i].value = parse_size(cli, option, equals + 1, false, may_be_empty);
            continue;
        }
        if (!equals[1])
            continue; /* "x=": a scalar */
        const char **parts;
        size_t rank = oxp_cli_split(cli, equals + 1, option, &parts);
        int64_t *dims = OXP_NEWS(cli->arena, rank, int64_t);
        for (size_t k = 0; k < rank; k++)
            dims[k] = parse_size(cli, option, parts[k], true, may_be_empty);
        b[i].rank = (int)rank;
        b[i].dims = dims;
    }
    return b;
}

const oxp_binding *oxp_cli_bindings(oxp_cli *cli, size_t *n) {
    return bindings(cli, false, n);
}

const oxp_binding *oxp_cli_bindings_or_empty(oxp_cli *cli, size_t *n) {
    return bindings(cli, true, n);
}
