/* targets.c - goals: "latency=3ms", "latency@8=5ms", "throughput=2000", "memory=100MB",
 * "size=20MB", "accuracy=0.98". */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "rules/roadmap.h"
#include "rules/xml.h"

typedef struct unit {
    const char *name;
    double factor;
} unit;

static const unit times[] = {
    {"ns", 1e-9}, {"us", 1e-6}, {"\xC2\xB5s", 1e-6}, {"\xCE\xBCs", 1e-6}, {"ms", 1e-3},
    {"s", 1},     {NULL, 0}};
static const unit sizes[] = {{"B", 1},
                             {"kB", 1e3},
                             {"KB", 1e3},
                             {"MB", 1e6},
                             {"GB", 1e9},
                             {"TB", 1e12},
                             {"KiB", 1024.0},
                             {"MiB", 1048576.0},
                             {"GiB", 1073741824},
                             {"TiB", 1099511627776.0},
                             {NULL, 0}};
static const unit rates[] = {{"", 1},    {"/s", 1},  {"samples/s", 1}, {"sps", 1},
                             {"fps", 1}, {"qps", 1}, {NULL, 0}};
static const unit shares[] = {{"", 1}, {"%", 0.01}, {NULL, 0}};

static const struct {
    const char *name;
    oxp_target_kind kind;
    const unit *units;
    const char *example;
    double least, most; /* beyond these nothing is meant */
    const char *range;
} kinds[] = {{"latency", OXP_TARGET_LATENCY, times, "3ms", 1e-9, 1e9, "from 1ns to 1e9s"},
             {"throughput", OXP_TARGET_THROUGHPUT, rates, "2000", 1e-9, 1e15, "from 1e-9 to 1e15"},
             {"memory", OXP_TARGET_MEMORY, sizes, "100MB", 1, 1e18, "from 1B to 1e6TB"},
             {"size", OXP_TARGET_SIZE, sizes, "20MB", 1, 1e18, "from 1B to 1e6TB"},
             {"accuracy", OXP_TARGET_ACCURACY, shares, "0.98", 0, 1, "of at most 1"}};

const char *oxp_target_kind_name(oxp_target_kind k) {
    return kinds[k].name;
}

/* The number and its unit; false when they make no sense. */
static bool read_goal(const char *text, const unit *units, double *goal) {
    char *end;
    if (strspn(text, "0123456789.") == 0) /* no sign, no hexadecimal, no "inf" */
        return false;
    *goal = strtod(text, &end);
    if (memchr(text, 'x', (size_t)(end - text)) || memchr(text, 'X', (size_t)(end - text)))
        return false;
    while (*end == ' ')
        end++;
    while (units->name && strcmp(units->name, end) != 0)
        units++;
    if (!units->name)
        return false;
    *goal *= units->factor;
    return *goal > 0;
}

/* "ns, us, ms, s" */
static const char *unit_names(oxp_arena *arena, const unit *units) {
    const char *list = "";
    for (; units->name; units++)
        if (!((unsigned char)units->name[0] & 0x80)) /* other ways to write "us" */
            list = oxp_sprintf(arena, "%s%s%s", list, *list ? ", " : "",
                               *units->name ? units->name : "none");
    return list;
}

/* `where`: "FILE:LINE: " or "", in front of every complaint. */
static oxp_target parse(oxp_arena *arena, const char *where, const char *text) {
    oxp_ctx *ctx = oxp_arena_ctx(arena);
    const char *eq = strchr(text, '='), *at = strchr(text, '@');
    if (!eq)
        oxp_raise(ctx, OXP_E_USAGE, "%starget \"%s\": NAME=VALUE is wanted, such as latency=3ms",
                  where, text);
    size_t n = at && at < eq ? (size_t)(at - text) : (size_t)(eq - text);
    oxp_target t = {.name = oxp_memdup0(arena, text, (size_t)(eq - text)),
                    .text = oxp_strdup(arena, eq + 1)};
    size_t k = 0;
    while (k < sizeof kinds / sizeof *kinds &&
           (strlen(kinds[k].name) != n || memcmp(kinds[k].name, text, n) != 0))
        k++;
    if (k == sizeof kinds / sizeof *kinds)
        oxp_raise(ctx, OXP_E_USAGE,
                  "%starget \"%s\": only latency, throughput, memory, size and accuracy are known",
                  where, text);
    t.kind = kinds[k].kind;
    if (at && at < eq) {
        char *stop;
        t.batch = strtoll(at + 1, &stop, 10);
        if (t.kind == OXP_TARGET_LATENCY && (stop != eq || t.batch < 1 || t.batch > OXP_BATCH_MAX))
            oxp_raise(ctx, OXP_E_USAGE,
                      "%starget \"%s\": a batch from 1 to %d is wanted, such as latency@8=5ms",
                      where, text, OXP_BATCH_MAX);
        if (t.kind != OXP_TARGET_LATENCY)
            oxp_raise(ctx, OXP_E_USAGE,
                      "%starget \"%s\": only latency takes a batch, such as latency@8=5ms", where,
                      text);
    }
    if (!read_goal(eq + 1, kinds[k].units, &t.goal))
        oxp_raise(ctx, OXP_E_USAGE,
                  "%starget \"%s\": a number above 0 with its unit (%s) is wanted, such as %s=%s",
                  where, text, unit_names(arena, kinds[k].units), kinds[k].name, kinds[k].example);
    if (!(t.goal >= kinds[k].least && t.goal <= kinds[k].most))
        oxp_raise(ctx, OXP_E_USAGE, "%starget \"%s\": a goal %s is wanted", where, text,
                  kinds[k].range);
    return t;
}

oxp_target oxp_target_parse(oxp_arena *arena, const char *text) {
    return parse(arena, "", text);
}

static void free_doc(void *doc) {
    xmlFreeDoc(doc);
}

typedef struct target_list {
    oxp_target *items;
    size_t n, cap;
} target_list;

/* A goal given twice in one place is a mistake; the command line overrides a file. */
static void append(oxp_arena *arena, target_list *l, size_t from, const char *where, oxp_target t) {
    for (size_t i = 0; i < l->n; i++) {
        if (strcmp(l->items[i].name, t.name) != 0)
            continue;
        if (i >= from)
            oxp_raise(oxp_arena_ctx(arena), OXP_E_USAGE, "%starget \"%s\": it is given twice",
                      where, t.name);
        l->items[i] = t;
        return;
    }
    l->items = oxp_grow(arena, l->items, &l->cap, l->n + 1, sizeof *l->items);
    l->items[l->n++] = t;
}

static void read_file(oxp_arena *arena, target_list *l, const char *path) {
    oxp_ctx *ctx = oxp_arena_ctx(arena);
    size_t size, from = l->n;
    const char *text = oxp_xml_file(arena, path, &size);
    xmlDocPtr doc = oxp_xml_parse(arena, path, text, size);
    size_t token = oxp_defer(ctx, free_doc, doc);
    xmlNodePtr root = xmlDocGetRootElement(doc);
    if (!oxp_xml_is(root, "targets"))
        oxp_raise(ctx, OXP_E_RULE, "%s:%ld: the root element is to be <targets>", path,
                  xmlGetLineNo(root));
    for (xmlNodePtr e = root->children; e; e = e->next) {
        if (e->type != XML_ELEMENT_NODE)
            continue;
        const char *name = oxp_xml_attr(arena, e, "name"), *goal = oxp_xml_attr(arena, e, "goal");
        const char *where = oxp_sprintf(arena, "%s:%ld: ", path, xmlGetLineNo(e));
        if (!oxp_xml_is(e, "target") || !name || !goal || e->properties->next->next || e->children)
            oxp_raise(ctx, OXP_E_RULE, "%s<target name=\"latency\" goal=\"3ms\"/> is wanted",
                      where);
        append(arena, l, from, where, parse(arena, where, oxp_sprintf(arena, "%s=%s", name, goal)));
    }
    oxp_undefer(ctx, token, true);
}

size_t oxp_targets_read(oxp_arena *arena, const oxp_advise_opts *opts, const oxp_target **out) {
    target_list l = {NULL, 0, 0};
    for (size_t i = 0; i < opts->n_target_files; i++)
        read_file(arena, &l, opts->target_files[i]);
    target_list given = {NULL, 0, 0};
    for (size_t i = 0; i < opts->n_targets; i++)
        append(arena, &given, 0, "", parse(arena, "", opts->targets[i]));
    for (size_t i = 0; i < given.n; i++)
        append(arena, &l, SIZE_MAX, "", given.items[i]);
    size_t slots = 0;
    for (size_t i = 0; i < l.n; i++) {
        if (l.items[i].batch < 1)
            continue;
        if (slots == OXP_LATENCY_BATCHES)
            oxp_raise(oxp_arena_ctx(arena), OXP_E_USAGE, "more than %d targets latency@B",
                      OXP_LATENCY_BATCHES);
        l.items[i].slot = slots++;
    }
    *out = l.items;
    return l.n;
}

double oxp_target_value(const oxp_target *t, const oxp_metrics *m) {
    switch (t->kind) {
    case OXP_TARGET_LATENCY:
        if (t->batch > 0)
            return m->latency_at[t->slot] > 0 ? m->latency_at[t->slot] : NAN;
        return m->latency > 0 ? m->latency : NAN;
    case OXP_TARGET_THROUGHPUT:
        return m->throughput > 0 ? m->throughput : NAN;
    case OXP_TARGET_MEMORY:
        return m->memory == UINT64_MAX ? NAN : (double)m->memory;
    case OXP_TARGET_SIZE:
        return m->size == UINT64_MAX ? NAN : (double)m->size;
    case OXP_TARGET_ACCURACY:
        break;
    }
    return NAN;
}

bool oxp_target_met(const oxp_target *t, double value) {
    return t->kind == OXP_TARGET_THROUGHPUT ? value >= t->goal : value <= t->goal;
}

double oxp_target_miss(const oxp_target *t, double value) {
    if (!(value > 0))
        return NAN;
    return t->kind == OXP_TARGET_THROUGHPUT ? t->goal / value : value / t->goal;
}

const char *oxp_target_show(oxp_arena *arena, const oxp_target *t, double value) {
    if (isnan(value))
        return "unknown";
    switch (t->kind) {
    case OXP_TARGET_LATENCY:
        return oxp_human_seconds(arena, value);
    case OXP_TARGET_THROUGHPUT:
        return oxp_sprintf(arena, "%s samples/s", oxp_human_rate(arena, value));
    case OXP_TARGET_MEMORY:
    case OXP_TARGET_SIZE:
        return oxp_human_bytes(arena, (uint64_t)value);
    case OXP_TARGET_ACCURACY:
        break;
    }
    return oxp_sprintf(arena, "%g", value);
}
