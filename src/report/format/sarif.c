/* sarif.c - the roadmap as SARIF 2.1.0, for code scanning: a result for each item.
 *
 * What GitHub wants beyond the standard is there: help text, severity and precision of each rule, a
 * region (a model has no lines: the first), a fingerprint that survives other commits.  A result
 * has a location for each of its nodes: the advice is followed by changing all of them.
 * https://docs.oasis-open.org/sarif/sarif/v2.1.0/ (section numbers below are its) */
#include <string.h>
#include <unistd.h>

#include "rules/roadmap.h"

enum { LOCATIONS_MAX = 100 }; /* GitHub shows the first and refuses more than 1000 */

typedef struct log {
    const oxp_roadmap *r;
    oxp_json *j;
    oxp_arena *a;
    const char *uri;
} log;

/* ---- text ---- */
static void put(char *out, size_t *n, const char *s) {
    size_t len = strlen(s);
    /* NOLINTNEXTLINE(bugprone-not-null-terminated-result): the memory is zero */
    memcpy(out + *n, s, len);
    *n += len;
}

/* 3.11.5: braces are doubled, they could be placeholders; 3.11.6: brackets that would make a link
 * are escaped. */
static const char *message_text(oxp_arena *a, const char *s) {
    bool link = strstr(s, "](") != NULL;
    char *out = oxp_alloc(a, 2 * strlen(s) + 1, 1);
    size_t n = 0;
    for (; *s; s++) {
        if (*s == '{' || *s == '}')
            out[n++] = *s;
        else if (link && (*s == '[' || *s == ']'))
            out[n++] = '\\';
        out[n++] = *s;
    }
    out[n] = 0;
    return out;
}

/* Relative to the folder we run in where the file lies below it; else a file: URI.  RFC 3986:
 * everything but unreserved characters and the slash is escaped. */
static const char *uri_of(oxp_arena *a, const char *path) {
    static const char plain[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/";
    char here[4096];
    if (*path == '/' && getcwd(here, sizeof here)) {
        size_t n = strlen(here);
        if (!strncmp(path, here, n) && path[n] == '/')
            path += n + 1;
    }
    while (!strncmp(path, "./", 2))
        path += 2;
    char *out = oxp_alloc(a, 3 * strlen(path) + sizeof "file://", 1);
    size_t n = 0;
    if (*path == '/')
        put(out, &n, "file://");
    for (; *path; path++) {
        static const char digits[] = "0123456789ABCDEF";
        unsigned char c = (unsigned char)*path;
        if (strchr(plain, c)) {
            out[n++] = (char)c;
            continue;
        }
        out[n++] = '%';
        out[n++] = digits[c >> 4];
        out[n++] = digits[c & 15];
    }
    out[n] = 0;
    return out;
}

static void text_object(log *l, const char *key, const char *text) {
    oxp_json_object(l->j, key);
    oxp_json_string(l->j, "text", message_text(l->a, text));
    oxp_json_end(l->j);
}

/* ---- rules ---- */
static const char *level_of(const char *impact) {
    return strcmp(impact, "high") ? "note" : "warning";
}

static const char *help_of(oxp_arena *a, const oxp_rule *r, bool markdown) {
    const char *s = oxp_sprintf(a, "%s%s%s", r->why ? r->why : r->title, r->how ? "\n\n" : "",
                                r->how ? r->how : "");
    for (size_t i = 0; i < r->n_references; i++) {
        const oxp_rule_reference *f = &r->references[i];
        s = oxp_sprintf(a, markdown && f->href ? "%s%s- [%s](%s)" : "%s%s- %s %s", s,
                        i ? "\n" : "\n\n", f->text ? f->text : "", f->href ? f->href : "");
    }
    return s;
}

static void rule(log *l, const oxp_item *it) {
    oxp_json *j = l->j;
    const oxp_rule *r = it->rule;
    oxp_json_object(j, NULL);
    oxp_json_string(j, "id", r->id);
    oxp_json_string(j, "name", r->title);
    for (size_t i = 0; i < r->n_references; i++)
        if (r->references[i].href) {
            oxp_json_string(j, "helpUri", r->references[i].href);
            break;
        }
    text_object(l, "shortDescription", r->title);
    text_object(l, "fullDescription", r->why ? r->why : r->title);
    oxp_json_object(j, "help");
    oxp_json_string(j, "text", message_text(l->a, help_of(l->a, r, false)));
    oxp_json_string(j, "markdown", help_of(l->a, r, true));
    oxp_json_end(j);
    oxp_json_object(j, "defaultConfiguration");
    oxp_json_string(j, "level", level_of(it->impact));
    oxp_json_end(j);
    oxp_json_object(j, "properties");
    oxp_json_array(j, "tags");
    oxp_json_string(j, NULL, "performance");
    if (r->category)
        oxp_json_string(j, NULL, r->category);
    oxp_json_end(j);
    oxp_json_string(j, "precision",
                    r->confidence >= 0.9   ? "very-high"
                    : r->confidence >= 0.7 ? "high"
                    : r->confidence >= 0.5 ? "medium"
                                           : "low");
    oxp_json_string(j, "problem.severity",
                    strcmp(it->impact, "high") ? "recommendation" : "warning");
    oxp_json_end(j);
    oxp_json_end(j);
}

static void tool(log *l) {
    oxp_json *j = l->j;
    oxp_json_object(j, "tool");
    oxp_json_object(j, "driver");
    oxp_json_string(j, "name", "onnxpert");
    oxp_json_string(j, "version", OXP_VERSION);
    oxp_json_string(j, "semanticVersion", OXP_VERSION);
    oxp_json_array(j, "rules");
    for (size_t p = 0; p < l->r->n_phases; p++)
        for (size_t i = 0; i < l->r->phases[p].n_items; i++)
            rule(l, &l->r->phases[p].items[i]);
    oxp_json_end(j);
    oxp_json_end(j);
    oxp_json_end(j);
}

/* ---- results ---- */
static void location(log *l, oxp_id node) {
    oxp_json *j = l->j;
    oxp_json_object(j, NULL);
    oxp_json_object(j, "physicalLocation");
    oxp_json_object(j, "artifactLocation");
    oxp_json_string(j, "uri", l->uri);
    oxp_json_end(j);
    oxp_json_object(j, "region");
    oxp_json_int(j, "startLine", 1);
    oxp_json_end(j);
    oxp_json_end(j);
    if (node != OXP_NONE) {
        const oxp_node *n = oxp_node_at(l->r->model, node);
        const char *label = oxp_node_label(l->r->model, node, l->a);
        oxp_json_array(j, "logicalLocations");
        oxp_json_object(j, NULL);
        oxp_json_string(j, "name", n->name && *n->name ? n->name : label);
        oxp_json_string(j, "fullyQualifiedName", label);
        oxp_json_string(j, "kind", n->op);
        oxp_json_end(j);
        oxp_json_end(j);
    }
    oxp_json_end(j);
}

static void properties(log *l, const oxp_item *it) {
    oxp_json *j = l->j;
    oxp_json_object(j, "properties");
    oxp_json_string(j, "phase", it->rule->phase);
    oxp_json_string(j, "impact", it->impact);
    oxp_json_string(j, "effort", oxp_level_name(it->rule->effort));
    oxp_json_string(j, "risk", oxp_level_name(it->rule->risk));
    oxp_json_double(j, "confidence", it->rule->confidence);
    oxp_json_double(j, "priority", it->priority);
    oxp_json_string(j, "device", l->r->device->id);
    oxp_json_uint(j, "nodes", it->result->n_nodes);
    if (it->projected)
        oxp_emit_metrics(j, "projection", &it->before, &it->after);
    if (it->command)
        oxp_json_string(j, "command", it->command);
    oxp_json_end(j);
}

/* What the item changes, in the words of the other reports: a viewer shows the message only. */
static const char *effect_of(log *l, const oxp_item *it) {
    const oxp_metrics *b = &it->before, *n = &it->after;
    const char *s = "";
    if (!it->projected)
        return it->result->gain > 1
                   ? oxp_sprintf(l->a, " Estimated by formula: %.3gx.", it->result->gain)
                   : "";
    const struct {
        const char *name, *before, *after;
    } all[] = {
        {"latency", oxp_human_seconds(l->a, b->latency), oxp_human_seconds(l->a, n->latency)},
        {"FLOPs", oxp_human_count(l->a, b->flops), oxp_human_count(l->a, n->flops)},
        {"weights", oxp_human_bytes(l->a, b->weight_bytes), oxp_human_bytes(l->a, n->weight_bytes)},
        {l->r->batch > 1 ? oxp_sprintf(l->a, "memory at batch %lld", (long long)l->r->batch)
                         : "memory",
         oxp_human_bytes(l->a, b->memory), oxp_human_bytes(l->a, n->memory)}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (strcmp(all[i].before, all[i].after) != 0)
            s = oxp_sprintf(l->a, "%s%s%s %s -> %s", s, *s ? ", " : "", all[i].name, all[i].before,
                            all[i].after);
    return *s ? oxp_sprintf(l->a, " Projected on %s: %s.", l->r->device->name, s) : "";
}

/* FNV-1a: the same in every run, of rule and file. */
static uint64_t fingerprint(const char *rule_id, const char *uri) {
    uint64_t h = 0xcbf29ce484222325u;
    for (const char *const *part = (const char *const[]){rule_id, "\n", uri, NULL}; *part; part++)
        for (const char *c = *part; *c; c++)
            h = (h ^ (unsigned char)*c) * 0x100000001b3u;
    return h;
}

static void result(log *l, const oxp_item *it, size_t index, double most) {
    oxp_json *j = l->j;
    oxp_json_object(j, NULL);
    oxp_json_string(j, "ruleId", it->rule->id);
    oxp_json_uint(j, "ruleIndex", index);
    oxp_json_string(j, "level", level_of(it->impact));
    oxp_json_double(j, "rank", most > 0 && it->priority > 0 ? 100 * it->priority / most : 0);
    text_object(l, "message",
                oxp_sprintf(l->a, "%s: %s%s%s%s", it->rule->title, it->result->message,
                            effect_of(l, it), it->command ? " Apply: " : "",
                            it->command ? it->command : ""));
    oxp_json_array(j, "locations");
    for (size_t i = 0; i < it->result->n_nodes && i < LOCATIONS_MAX; i++)
        location(l, it->result->nodes[i]);
    if (!it->result->n_nodes)
        location(l, OXP_NONE);
    oxp_json_end(j);
    oxp_json_object(j, "partialFingerprints");
    oxp_json_string(
        j, "primaryLocationLineHash",
        oxp_sprintf(l->a, "%016llx:1", (unsigned long long)fingerprint(it->rule->id, l->uri)));
    oxp_json_end(j);
    properties(l, it);
    oxp_json_end(j);
}

static void results(log *l) {
    double most = 0;
    size_t index = 0;
    for (size_t p = 0; p < l->r->n_phases; p++)
        for (size_t i = 0; i < l->r->phases[p].n_items; i++)
            if (l->r->phases[p].items[i].priority > most)
                most = l->r->phases[p].items[i].priority;
    oxp_json_array(l->j, "results");
    for (size_t p = 0; p < l->r->n_phases; p++)
        for (size_t i = 0; i < l->r->phases[p].n_items; i++)
            result(l, &l->r->phases[p].items[i], index++, most);
    oxp_json_end(l->j);
}

/* ---- the log ---- */
/* Rules that could not be evaluated are told to whoever reads the log. */
static void invocation(log *l) {
    oxp_ctx *ctx = oxp_model_ctx(l->r->model);
    oxp_json_array(l->j, "invocations");
    oxp_json_object(l->j, NULL);
    oxp_json_bool(l->j, "executionSuccessful", true);
    oxp_json_array(l->j, "toolExecutionNotifications");
    for (size_t i = 0; i < oxp_diag_count(ctx); i++) {
        static const char *const levels[] = {"note", "warning", "error"};
        const oxp_diag *d = oxp_diag_at(ctx, i);
        if (d->severity == OXP_NOTE)
            continue;
        oxp_json_object(l->j, NULL);
        oxp_json_string(l->j, "level", levels[d->severity]);
        text_object(l, "message",
                    *d->where ? oxp_sprintf(l->a, "%s: %s", d->where, d->text) : d->text);
        oxp_json_end(l->j);
    }
    oxp_json_end(l->j);
    oxp_json_end(l->j);
    oxp_json_end(l->j);
}

static void render(const oxp_report *report, oxp_sink *o, oxp_arena *arena, bool color) {
    (void)color;
    const oxp_roadmap *r = report->source;
    log l = {r, oxp_json_new(o, arena), arena, uri_of(arena, oxp_model_path(r->model))};
    oxp_json_object(l.j, NULL);
    oxp_json_string(l.j, "$schema",
                    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/"
                    "schemas/sarif-schema-2.1.0.json");
    oxp_json_string(l.j, "version", "2.1.0");
    oxp_json_array(l.j, "runs");
    oxp_json_object(l.j, NULL);
    tool(&l);
    oxp_json_object(l.j, "automationDetails"); /* several models can be uploaded side by side */
    oxp_json_string(l.j, "id", oxp_sprintf(arena, "onnxpert/%s/", l.uri));
    oxp_json_end(l.j);
    invocation(&l);
    oxp_json_array(l.j, "artifacts");
    oxp_json_object(l.j, NULL);
    oxp_json_object(l.j, "location");
    oxp_json_string(l.j, "uri", l.uri);
    oxp_json_end(l.j);
    oxp_json_uint(l.j, "length", oxp_model_file_bytes(r->model));
    oxp_json_end(l.j);
    oxp_json_end(l.j);
    results(&l);
    oxp_json_object(l.j, "properties"); /* what belongs to no single result */
    oxp_json_string(l.j, "device", r->device->id);
    oxp_emit_roadmap_summary(r, l.j);
    oxp_json_end(l.j);
    oxp_json_end(l.j);
    oxp_json_end(l.j);
    oxp_json_end(l.j);
}

const oxp_format oxp_format_sarif = {.name = "sarif",
                                     .summary = "SARIF 2.1.0 for code scanning (advise)",
                                     .only = "roadmap",
                                     .render = render};
