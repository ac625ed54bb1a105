/* only_nodes.c - --only-nodes: which nodes of the model the passes may look at. */
#include <stdlib.h>
#include <string.h>

#include "base/source.h"
#include "cli/command.h"

enum { LIST_BYTES_MAX = 1 << 24 };

typedef struct choice {
    oxp_cli *cli;
    const oxp_model *m;
    const char **labels; /* by node; made when a name asks */
    oxp_id *main;        /* the nodes of the main graph in their order */
    size_t n_main;
    bool *chosen;
} choice;

/* '*' stands for any characters, '?' for one, and what follows a backslash for itself. */
static bool matches(const char *pattern, const char *text) {
    const char *star = NULL, *from = NULL;
    for (;;) {
        if (*pattern == '*') {
            star = ++pattern;
            from = text;
            continue;
        }
        const char *plain = *pattern == '\\' && pattern[1] ? pattern + 1 : pattern;
        if (*text && ((*pattern == '?' && plain == pattern) || *plain == *text)) {
            pattern = plain + 1;
            text++;
        } else if (!*text && !*pattern)
            return true;
        else if (star && *from) {
            pattern = star;
            text = ++from;
        } else
            return false;
    }
}

static void choose_named(choice *c, const char *pattern) {
    size_t n = oxp_node_count(c->m), found = 0;
    if (!c->labels) {
        c->labels = OXP_NEWS(c->cli->arena, n + 1, const char *);
        for (oxp_id i = 0; i < n; i++)
            c->labels[i] = oxp_node_label(c->m, i, c->cli->arena);
    }
    for (oxp_id i = 0; i < n; i++) {
        const char *name = oxp_node_at(c->m, i)->name;
        bool hit = matches(pattern, c->labels[i]) || (name && *name && matches(pattern, name));
        c->chosen[i] = c->chosen[i] || hit;
        found += hit;
    }
    if (!found)
        oxp_raise(c->cli->ctx, OXP_E_USAGE, "%s: --only-nodes: no node is called '%.200s'",
                  c->cli->args[0], pattern);
}

static bool number(const char **at, size_t *out) {
    char *end;
    if (**at < '0' || **at > '9')
        return false;
    unsigned long long v = strtoull(*at, &end, 10);
    *out = v > SIZE_MAX / 2 ? SIZE_MAX / 2 : (size_t)v;
    *at = end;
    return true;
}

/* "3,7,10-14": places in the main graph, from 0. */
static void choose_numbered(choice *c, const char *list) {
    for (const char *at = list;; at++) {
        size_t first, last;
        bool good = number(&at, &first);
        last = first;
        if (good && *at == '-') {
            at++;
            good = number(&at, &last) && last >= first;
        }
        if (!good || (*at && *at != ','))
            oxp_raise(c->cli->ctx, OXP_E_USAGE,
                      "--only-nodes: '#%.200s' is no list of node numbers such as #3,7,10-14",
                      list);
        if (last >= c->n_main)
            oxp_raise(c->cli->ctx, OXP_E_USAGE,
                      "%s: --only-nodes: there is no node #%zu: the main graph has %zu, from #0",
                      c->cli->args[0], last, c->n_main);
        for (size_t i = first; i <= last; i++)
            c->chosen[c->main[i]] = true;
        if (!*at)
            return;
    }
}

static void choose(choice *c, const char *text) {
    if (!*text)
        oxp_raise(c->cli->ctx, OXP_E_USAGE, "--only-nodes: it is empty");
    if (*text == '#')
        choose_numbered(c, text + 1);
    else
        choose_named(c, text);
}

/* A name, a pattern or a list of numbers on each line. */
static void choose_listed(choice *c, const char *path) {
    oxp_ctx *ctx = c->cli->ctx;
    oxp_source *s = oxp_source_open(ctx, path);
    uint64_t n = oxp_source_size(s);
    if (n > LIST_BYTES_MAX) {
        oxp_source_close(s);
        oxp_raise(ctx, OXP_E_LIMIT, "%s: %llu bytes: a list of nodes has at most %d", path,
                  (unsigned long long)n, LIST_BYTES_MAX);
    }
    char *text = oxp_alloc(c->cli->arena, (size_t)n + 1, 1);
    oxp_source_read(s, 0, text, (size_t)n);
    oxp_source_close(s);
    size_t lines = 0;
    for (char *line = text; *line;) {
        size_t len = strcspn(line, "\r\n");
        char *next = line + len + (line[len] != 0);
        line[len] = 0;
        if (len) {
            choose(c, line);
            lines++;
        }
        line = next;
    }
    if (!lines)
        oxp_raise(ctx, OXP_E_USAGE, "%s: --only-nodes: it names no node", path);
}

static void check_passes(oxp_cli *cli, const char *const *names, size_t n) {
    for (size_t i = 0; i < n; i++) {
        const oxp_pass *p = oxp_pass_find(names[i]);
        if (p && !(p->flags & OXP_PASS_BY_NODE))
            oxp_raise(cli->ctx, OXP_E_USAGE,
                      "--only-nodes: %s works on the whole model and cannot be limited%s", p->name,
                      p->flags & OXP_PASS_PER_NODE
                          ? " (--fp16-block-node and --fp16-block-op leave nodes out)"
                          : "");
    }
}

void oxp_cli_only_nodes(oxp_cli *cli, const oxp_model *m, const char *const *names, size_t n,
                        oxp_pass_opts *opts) {
    if (!cli->only_nodes.n)
        return;
    if (cli->automatic)
        oxp_raise(cli->ctx, OXP_E_USAGE, "--only-nodes and --auto exclude each other");
    check_passes(cli, names, n);
    size_t nodes = oxp_node_count(m);
    choice c = {.cli = cli, .m = m};
    c.chosen = OXP_NEWS(cli->arena, nodes + 1, bool);
    c.main = OXP_NEWS(cli->arena, nodes + 1, oxp_id);
    for (oxp_id i = oxp_graph_at(m, OXP_MAIN_GRAPH)->first; i != OXP_NONE;
         i = oxp_node_at(m, i)->next)
        c.main[c.n_main++] = i;
    for (size_t i = 0; i < cli->only_nodes.n; i++) {
        const char *text = cli->only_nodes.items[i];
        if (*text == '@')
            choose_listed(&c, text + 1);
        else
            choose(&c, text);
    }
    oxp_id *ids = OXP_NEWS(cli->arena, nodes + 1, oxp_id);
    size_t chosen = 0;
    for (oxp_id i = 0; i < nodes; i++)
        if (c.chosen[i])
            ids[chosen++] = i;
    opts->only_nodes = ids;
    opts->n_only_nodes = chosen;
}
