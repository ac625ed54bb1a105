/* functions.c - the ox: functions of rules.  They return values or copies in the scratch document.
 * To add one: a row in the table and a function; docs/rules.md lists them. */
#include <libxml/xpathInternals.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "onnxpert/report.h"
#include "ops/op.h"
#include "ops/schema.h"
#include "rules/functions.h"
#include "rules/weight_stats.h"

/* The scratch of the evaluation that runs: the worker runs one at a time. */
oxp_scratch *oxp_fn_scratch(xmlXPathParserContextPtr c) {
    return c->context->funcLookupData;
}

double oxp_fn_pop_number(xmlXPathParserContextPtr c) {
    return xmlXPathPopNumber(c);
}

const char *oxp_fn_pop_string(xmlXPathParserContextPtr c) {
    xmlChar *s = xmlXPathPopString(c);
    const char *copy = s ? oxp_strdup(oxp_fn_scratch(c)->arena, (const char *)s) : "";
    xmlFree(s);
    return copy;
}

/* The arguments as a set: none stands for the context element. */
xmlNodeSetPtr oxp_fn_pop_set(xmlXPathParserContextPtr c, int nargs) {
    if (!nargs)
        return xmlXPathNodeSetCreate(c->context->node);
    if (c->value && c->value->type != XPATH_NODESET) {
        xmlXPathErr(c, XPATH_INVALID_TYPE);
        return NULL;
    }
    return xmlXPathPopNodeSet(c);
}

void oxp_fn_push_set(xmlXPathParserContextPtr c, xmlNodeSetPtr s) {
    valuePush(c, xmlXPathWrapNodeSet(s ? s : xmlXPathNodeSetCreate(NULL)));
}

void oxp_fn_push_number(xmlXPathParserContextPtr c, double v) {
    valuePush(c, xmlXPathNewFloat(v));
}

void oxp_fn_push_text(xmlXPathParserContextPtr c, const char *s) {
    valuePush(c, xmlXPathNewCString(s));
}

static bool is_element(const xmlNode *e, const char *name) {
    return e->type == XML_ELEMENT_NODE && !strcmp((const char *)e->name, name);
}

static bool is_value(const xmlNode *e) {
    return e->type == XML_ELEMENT_NODE && oxp_facts_id(e) != OXP_NONE && !is_element(e, "node");
}

const oxp_model *oxp_fn_model_of(xmlXPathParserContextPtr c) {
    return oxp_fn_scratch(c)->facts->a->model;
}

static void add_node(xmlXPathParserContextPtr c, xmlNodeSetPtr out, oxp_id node) {
    xmlNodePtr e = node == OXP_NONE ? NULL : oxp_scratch_node(oxp_fn_scratch(c), node);
    if (e)
        xmlXPathNodeSetAdd(out, e);
}

/* ---- the graph ---- */
static void fn_producer(xmlXPathParserContextPtr c, int nargs) {
    xmlNodeSetPtr in = oxp_fn_pop_set(c, nargs), out = xmlXPathNodeSetCreate(NULL);
    for (int i = 0; in && i < in->nodeNr; i++) {
        const xmlNode *e = in->nodeTab[i];
        if (is_value(e))
            add_node(c, out, oxp_value_at(oxp_fn_model_of(c), oxp_facts_id(e))->producer);
        else if (is_element(e, "node") && oxp_facts_id(e) != OXP_NONE) {
            oxp_id v = oxp_in(oxp_node_at(oxp_fn_model_of(c), oxp_facts_id(e)), 0);
            if (v != OXP_NONE)
                add_node(c, out, oxp_value_at(oxp_fn_model_of(c), v)->producer);
        }
    }
    xmlXPathFreeNodeSet(in);
    oxp_fn_push_set(c, out);
}

static void add_consumers(xmlXPathParserContextPtr c, xmlNodeSetPtr out, oxp_id value, int most) {
    const oxp_model *m = oxp_fn_model_of(c);
    if (value == OXP_NONE)
        return;
    for (oxp_id u = oxp_value_at(m, value)->first_use; u != OXP_NONE; u = oxp_use_at(m, u)->next) {
        if (*oxp_fn_scratch(c)->error || out->nodeNr >= most)
            return;
        add_node(c, out, oxp_use_at(m, u)->node);
    }
}

/* With a second argument: at most so many of them. */
static void fn_consumers(xmlXPathParserContextPtr c, int nargs) {
    double limit = nargs > 1 ? oxp_fn_pop_number(c) : INFINITY;
    int most = limit >= INT_MAX ? INT_MAX : limit >= 0 ? (int)limit : 0; /* NaN: none */
    xmlNodeSetPtr in = oxp_fn_pop_set(c, nargs > 0), out = xmlXPathNodeSetCreate(NULL);
    for (int i = 0; in && i < in->nodeNr; i++) {
        const xmlNode *e = in->nodeTab[i];
        if (is_value(e))
            add_consumers(c, out, oxp_facts_id(e), most);
        else if (is_element(e, "node") && oxp_facts_id(e) != OXP_NONE) {
            const oxp_node *n = oxp_node_at(oxp_fn_model_of(c), oxp_facts_id(e));
            for (uint32_t k = 0; k < n->n_out; k++)
                add_consumers(c, out, n->out[k], most);
        }
    }
    xmlXPathFreeNodeSet(in);
    oxp_fn_push_set(c, out);
}

/* The only consumer of a node's first output, when nothing else sees it. */
static oxp_id sole_consumer(const oxp_model *m, oxp_id node) {
    oxp_id v = oxp_out(oxp_node_at(m, node), 0);
    if (v == OXP_NONE || oxp_value_at(m, v)->n_uses != 1 || oxp_value_at(m, v)->outputs)
        return OXP_NONE;
    return oxp_use_at(m, oxp_value_at(m, v)->first_use)->node;
}

static void fn_chain(xmlXPathParserContextPtr c, int nargs) {
    const char *ops[16];
    const oxp_model *m = oxp_fn_model_of(c);
    int n = nargs < 16 ? nargs : 16;
    for (int i = nargs - 1; i >= 0; i--) {
        const char *op = oxp_fn_pop_string(c);
        if (i < n)
            ops[i] = op;
    }
    oxp_id node = is_element(c->context->node, "node") ? oxp_facts_id(c->context->node) : OXP_NONE;
    bool good = n > 0;
    for (int i = 0; i < n && good; i++) {
        if (i)
            node = sole_consumer(m, node);
        good =
            /* NOLINTNEXTLINE(clang-analyzer-core.CallAndMessage): n of them were popped */
            node != OXP_NONE && (!strcmp(ops[i], "*") || oxp_node_is(oxp_node_at(m, node), ops[i]));
    }
    valuePush(c, xmlXPathNewBoolean(good));
}

/* Back through what only moves or rescales single elements, at most eight steps. */
static oxp_id source_value(const oxp_facts *f, oxp_id v) {
    const oxp_model *m = f->a->model;
    for (int step = 0; step < 8 && v != OXP_NONE; step++) {
        oxp_id p = oxp_value_at(m, v)->producer;
        if (p == OXP_NONE)
            return v;
        const oxp_node *n = oxp_node_at(m, p);
        uint32_t easy =
            OXP_OP_VIEW | OXP_OP_MOVE | OXP_OP_ELEMENTWISE | OXP_OP_UNARY | OXP_OP_QUANT;
        oxp_id next = OXP_NONE;
        if (!n->def || !(n->def->flags & easy))
            return v;
        for (uint32_t i = 0; i < n->n_in; i++) {
            if (n->in[i] == OXP_NONE || f->a->values[n->in[i]].constant ||
                f->a->values[n->in[i]].shape_role || oxp_value_at(m, n->in[i])->tensor != OXP_NONE)
                continue;
            if (next != OXP_NONE && next != n->in[i])
                return v; /* two sources */
            next = n->in[i];
        }
        if (next == OXP_NONE)
            return v;
        v = next;
    }
    return v;
}

static void fn_source(xmlXPathParserContextPtr c, int nargs) {
    xmlNodeSetPtr in = oxp_fn_pop_set(c, nargs), out = xmlXPathNodeSetCreate(NULL);
    for (int i = 0; in && i < in->nodeNr; i++) {
        if (!is_value(in->nodeTab[i]))
            continue;
        oxp_id v = source_value(oxp_fn_scratch(c)->facts, oxp_facts_id(in->nodeTab[i]));
        xmlNodePtr e = oxp_scratch_value(oxp_fn_scratch(c), v);
        if (e)
            xmlXPathNodeSetAdd(out, e);
    }
    xmlXPathFreeNodeSet(in);
    oxp_fn_push_set(c, out);
}

/* The nodes behind a node's outputs where a walk through what is elementwise (activations,
 * normalizations with running statistics) ends: the layers that read it.  A node that joins in
 * something from elsewhere (a residual addition) or makes a graph output is in the set itself, so
 * that "exactly one node, a Conv" means that nothing else sees the channels in between. */
enum { BEHIND_MAX = 64 };

typedef struct behind {
    oxp_id start, seen[BEHIND_MAX], found[BEHIND_MAX];
    size_t n_seen, n_found;
} behind;

static bool add_once(oxp_id *list, size_t *n, oxp_id id) {
    for (size_t i = 0; i < *n; i++)
        if (list[i] == id)
            return false;
    if (*n == BEHIND_MAX)
        return false;
    list[(*n)++] = id;
    return true;
}

static void look_behind(const oxp_model *m, behind *b, oxp_id value) {
    const uint32_t through = OXP_OP_UNARY | OXP_OP_ELEMENTWISE | OXP_OP_ACTIVATION;
    if (value == OXP_NONE)
        return;
    for (oxp_id u = oxp_value_at(m, value)->first_use; u != OXP_NONE; u = oxp_use_at(m, u)->next) {
        oxp_id id = oxp_use_at(m, u)->node;
        const oxp_node *n = oxp_node_at(m, id);
        uint32_t flags = n->def ? n->def->flags : 0;
        if (flags & through || ((flags & OXP_OP_NORM) && n->n_in == 5))
            add_once(b->seen, &b->n_seen, id);
        else
            add_once(b->found, &b->n_found, id);
        if (b->n_seen == BEHIND_MAX || b->n_found == BEHIND_MAX)
            return;
    }
}

/* Does a node read nothing but constants and what was passed through, and is no output? */
static bool closed(const oxp_facts *f, const behind *b, oxp_id id) {
    const oxp_model *m = f->a->model;
    const oxp_node *n = oxp_node_at(m, id);
    for (uint32_t i = 0; i < n->n_in; i++) {
        if (n->in[i] == OXP_NONE || f->a->values[n->in[i]].constant ||
            oxp_value_at(m, n->in[i])->tensor != OXP_NONE)
            continue;
        oxp_id p = oxp_value_at(m, n->in[i])->producer;
        bool inside = p == b->start;
        for (size_t k = 0; k < b->n_seen && !inside; k++)
            inside = b->seen[k] == p;
        if (!inside)
            return false;
    }
    return oxp_out(n, 0) != OXP_NONE && !oxp_value_at(m, oxp_out(n, 0))->outputs;
}

static void fn_layers_behind(xmlXPathParserContextPtr c, int nargs) {
    xmlNodeSetPtr in = oxp_fn_pop_set(c, nargs), out = xmlXPathNodeSetCreate(NULL);
    const oxp_model *m = oxp_fn_model_of(c);
    behind b = {.start = OXP_NONE};
    for (int i = 0; in && i < in->nodeNr; i++)
        if (is_element(in->nodeTab[i], "node") && oxp_facts_id(in->nodeTab[i]) != OXP_NONE)
            b.start = oxp_facts_id(in->nodeTab[i]);
    if (b.start != OXP_NONE)
        look_behind(m, &b, oxp_out(oxp_node_at(m, b.start), 0));
    for (size_t i = 0; i < b.n_seen; i++)
        look_behind(m, &b, oxp_out(oxp_node_at(m, b.seen[i]), 0));
    for (size_t i = 0; i < b.n_seen; i++)
        if (!closed(oxp_fn_scratch(c)->facts, &b, b.seen[i]))
            add_once(b.found, &b.n_found, b.seen[i]);
    for (size_t i = 0; i < b.n_found; i++)
        add_node(c, out, b.found[i]);
    xmlXPathFreeNodeSet(in);
    oxp_fn_push_set(c, out);
}

/* The nodes that identify a block. */
static void fn_members(xmlXPathParserContextPtr c, int nargs) {
    (void)nargs;
    xmlNodeSetPtr out = xmlXPathNodeSetCreate(NULL);
    const oxp_facts *f = oxp_fn_scratch(c)->facts;
    oxp_id at = oxp_fn_scratch(c)->block;
    if (f->insight && at < f->insight->n_blocks)
        for (uint32_t i = 0; i < f->insight->blocks[at].n_nodes; i++)
            add_node(c, out, f->insight->blocks[at].nodes[i]);
    oxp_fn_push_set(c, out);
}

static void fn_model(xmlXPathParserContextPtr c, int nargs) {
    (void)nargs;
    xmlNodeSetPtr out = xmlXPathNodeSetCreate(NULL);
    xmlNodePtr e = oxp_scratch_summary(oxp_fn_scratch(c));
    if (e)
        xmlXPathNodeSetAdd(out, e);
    oxp_fn_push_set(c, out);
}

oxp_id oxp_fn_first_value(xmlNodeSetPtr s) {
    for (int i = 0; s && i < s->nodeNr; i++)
        if (is_value(s->nodeTab[i]))
            return oxp_facts_id(s->nodeTab[i]);
    return OXP_NONE;
}

static void fn_const(xmlXPathParserContextPtr c, int nargs) {
    xmlNodeSetPtr in = oxp_fn_pop_set(c, nargs);
    oxp_id v = oxp_fn_first_value(in);
    bool is = v != OXP_NONE && (oxp_fn_scratch(c)->facts->a->values[v].constant ||
                                oxp_constant_of(oxp_fn_model_of(c), v, false) != OXP_NONE);
    xmlXPathFreeNodeSet(in);
    valuePush(c, xmlXPathNewBoolean(is));
}

/* ---- lists: "1 64 56 56" ---- */
static size_t split(const char *text, double *out, size_t room) {
    size_t n = 0;
    for (const char *p = text; *p && n < room;) {
        size_t k = strcspn(p, " ");
        if (k) {
            char *end;
            out[n] = strtod(p, &end);
            if (end != p + k)
                out[n] = NAN; /* a name: the size is not known */
            n++;
        }
        p += k + (p[k] == ' ');
    }
    return n;
}

static void fn_nth(xmlXPathParserContextPtr c, int nargs) {
    double v[64], at = nargs > 1 ? oxp_fn_pop_number(c) : 1;
    size_t n = split(oxp_fn_pop_string(c), v, 64);
    if (at < 0)
        at += (double)n + 1;
    oxp_fn_push_number(c, at >= 1 && at <= (double)n ? v[(size_t)at - 1] : NAN);
}

static void fn_product(xmlXPathParserContextPtr c, int nargs) {
    double v[64], p = 1;
    (void)nargs;
    size_t n = split(oxp_fn_pop_string(c), v, 64);
    for (size_t i = 0; i < n; i++)
        p *= v[i];
    oxp_fn_push_number(c, p);
}

static void fn_length(xmlXPathParserContextPtr c, int nargs) {
    double v[64];
    (void)nargs;
    oxp_fn_push_number(c, (double)split(oxp_fn_pop_string(c), v, 64));
}

/* The words from the n-th on. */
static void fn_words_from(xmlXPathParserContextPtr c, int nargs) {
    double at = nargs > 1 ? oxp_fn_pop_number(c) : 1;
    const char *p = oxp_fn_pop_string(c);
    for (double i = 1; i + 1 <= at && *p; i++) { /* NaN: all of them */
        p += strcspn(p, " ");
        p += *p == ' ';
    }
    oxp_fn_push_text(c, p);
}

/* Smallest and largest number of a set. */
static double extreme(xmlXPathParserContextPtr c, bool largest) {
    xmlNodeSetPtr s = oxp_fn_pop_set(c, 1);
    double r = NAN;
    for (int i = 0; s && i < s->nodeNr; i++) {
        double v = xmlXPathCastNodeToNumber(s->nodeTab[i]);
        r = isnan(r) || (largest ? v > r : v < r) ? v : r;
    }
    xmlXPathFreeNodeSet(s);
    return r;
}

static void fn_lowest(xmlXPathParserContextPtr c, int nargs) {
    (void)nargs;
    oxp_fn_push_number(c, extreme(c, false));
}

static void fn_highest(xmlXPathParserContextPtr c, int nargs) {
    (void)nargs;
    oxp_fn_push_number(c, extreme(c, true));
}

/* The texts of a set with commas between them, at most eight; those that are empty are left out. */
static void fn_names(xmlXPathParserContextPtr c, int nargs) {
    xmlNodeSetPtr s = oxp_fn_pop_set(c, nargs);
    const char *text = "";
    int n = 0;
    for (int i = 0; s && i < s->nodeNr; i++) {
        xmlChar *v = xmlXPathCastNodeToString(s->nodeTab[i]);
        bool named = v && *v;
        if (named && n < 8)
            text = oxp_sprintf(oxp_fn_scratch(c)->arena, "%s%s%.80s", text, n ? ", " : "",
                               (const char *)v);
        n += named;
        xmlFree(v);
    }
    if (n > 8)
        text = oxp_sprintf(oxp_fn_scratch(c)->arena, "%s and %d more", text, n - 8);
    xmlXPathFreeNodeSet(s);
    oxp_fn_push_text(c, text);
}

static void fn_has(xmlXPathParserContextPtr c, int nargs) {
    const char *word = nargs > 1 ? oxp_fn_pop_string(c) : "";
    const char *text = oxp_fn_pop_string(c);
    size_t n = strlen(word);
    bool found = false;
    for (const char *p = text; n && (p = strstr(p, word)) && !found; p++)
        found = (p == text || p[-1] == ' ') && (p[n] == ' ' || !p[n]);
    valuePush(c, xmlXPathNewBoolean(found));
}

/* ---- numbers ---- */
/* Of a number and one that is unknown the smaller and the larger one are unknown. */
static double pick(double a, double b, bool larger) {
    if (isnan(a) || isnan(b))
        return NAN;
    return larger ? fmax(a, b) : fmin(a, b);
}

static void fn_min(xmlXPathParserContextPtr c, int nargs) {
    double r = INFINITY;
    for (int i = 0; i < nargs; i++)
        r = pick(r, oxp_fn_pop_number(c), false);
    oxp_fn_push_number(c, r);
}

static void fn_max(xmlXPathParserContextPtr c, int nargs) {
    double r = -INFINITY;
    for (int i = 0; i < nargs; i++)
        r = pick(r, oxp_fn_pop_number(c), true);
    oxp_fn_push_number(c, r);
}

static uint64_t whole(double v) {
    return v >= 0 && v < 1.8e19 ? (uint64_t)v : UINT64_MAX;
}

static void fn_human(xmlXPathParserContextPtr c, int nargs) {
    (void)nargs;
    oxp_fn_push_text(c, oxp_human_count(oxp_fn_scratch(c)->arena, whole(oxp_fn_pop_number(c))));
}

static void fn_bytes(xmlXPathParserContextPtr c, int nargs) {
    (void)nargs;
    oxp_fn_push_text(c, oxp_human_bytes(oxp_fn_scratch(c)->arena, whole(oxp_fn_pop_number(c))));
}

static void fn_seconds(xmlXPathParserContextPtr c, int nargs) {
    (void)nargs;
    oxp_fn_push_text(c, oxp_human_seconds(oxp_fn_scratch(c)->arena, oxp_fn_pop_number(c)));
}

/* Of a second, as the reports' tables write rates. */
static void fn_rate(xmlXPathParserContextPtr c, int nargs) {
    (void)nargs;
    oxp_fn_push_text(c, oxp_human_rate(oxp_fn_scratch(c)->arena, oxp_fn_pop_number(c)));
}

static void fn_percent(xmlXPathParserContextPtr c, int nargs) {
    (void)nargs;
    double v = 100 * oxp_fn_pop_number(c);
    oxp_fn_push_text(
        c, isfinite(v) ? oxp_sprintf(oxp_fn_scratch(c)->arena, v < 9.95 ? "%.1f %%" : "%.0f %%", v)
                       : "unknown");
}

/* At most two decimals, without zeros at the end. */
static void fn_short(xmlXPathParserContextPtr c, int nargs) {
    char text[40];
    (void)nargs;
    double v = oxp_fn_pop_number(c);
    int n = snprintf(text, sizeof text, fabs(v) < 100 ? "%.2f" : "%.0f", v);
    if (!isfinite(v) || n < 0 || n >= (int)sizeof text) {
        oxp_fn_push_text(c, "unknown");
        return;
    }
    while (strchr(text, '.') && (text[n - 1] == '0' || text[n - 1] == '.'))
        text[--n] = 0;
    oxp_fn_push_text(c, strcmp(text, "-0") != 0 ? text : "0");
}

/* ox:plural(n, 'node') is "1 node" or "3 nodes"; a third argument is the plural's word. */
static void fn_plural(xmlXPathParserContextPtr c, int nargs) {
    const char *many = nargs > 2 ? oxp_fn_pop_string(c) : NULL;
    const char *one = oxp_fn_pop_string(c);
    double n = oxp_fn_pop_number(c);
    oxp_arena *a = oxp_fn_scratch(c)->arena;
    if (!isfinite(n)) {
        oxp_fn_push_text(
            c, oxp_sprintf(a, "an unknown number of %s%s", many ? many : one, many ? "" : "s"));
        return;
    }
    const char *word = n == 1 ? one : many ? many : oxp_sprintf(a, "%s%s", one, "s");
    oxp_fn_push_text(c, oxp_sprintf(a, "%.0f %s", n, word));
}

/* ox:if(condition, 'then', 'else'); without the third argument the empty text. */
static void fn_if(xmlXPathParserContextPtr c, int nargs) {
    const char *otherwise = nargs > 2 ? oxp_fn_pop_string(c) : "";
    const char *then = oxp_fn_pop_string(c);
    oxp_fn_push_text(c, xmlXPathPopBoolean(c) ? then : otherwise);
}

/* ---- the device ---- */
static void fn_device(xmlXPathParserContextPtr c, int nargs) {
    const char *key = nargs ? oxp_fn_pop_string(c) : "name";
    const oxp_device *d = oxp_fn_scratch(c)->facts->device;
    if (!d)
        oxp_fn_push_text(c, "");
    else if (!strcmp(key, "kind"))
        oxp_fn_push_text(c, d->kind == OXP_DEVICE_GPU ? "gpu" : "cpu");
    else if (!strcmp(key, "id"))
        oxp_fn_push_text(c, d->id);
    else if (!strcmp(key, "arch"))
        oxp_fn_push_text(c, d->arch);
    else if (!strcmp(key, "memory"))
        oxp_fn_push_number(c, (double)d->memory);
    else if (!strcmp(key, "bandwidth"))
        oxp_fn_push_number(c, d->bandwidth);
    else
        oxp_fn_push_text(c, d->name);
}

static void fn_peak(xmlXPathParserContextPtr c, int nargs) {
    oxp_dtype t = oxp_dtype_from_name(nargs ? oxp_fn_pop_string(c) : "float32");
    const oxp_device *d = oxp_fn_scratch(c)->facts->device;
    oxp_fn_push_number(c, d && t != OXP_UNDEFINED ? d->peak[t] : NAN);
}

static void fn_supports(xmlXPathParserContextPtr c, int nargs) {
    oxp_dtype t = oxp_dtype_from_name(nargs ? oxp_fn_pop_string(c) : "float32");
    const oxp_device *d = oxp_fn_scratch(c)->facts->device;
    valuePush(c, xmlXPathNewBoolean(d && t != OXP_UNDEFINED && oxp_device_supports(d, t)));
}

/* The first opset in which an operator of ONNX takes the type as its first input. */
static void fn_opset_for(xmlXPathParserContextPtr c, int nargs) {
    oxp_dtype t = oxp_dtype_from_name(nargs > 1 ? oxp_fn_pop_string(c) : "float32");
    const char *op = oxp_fn_pop_string(c);
    for (int64_t v = 1; t != OXP_UNDEFINED && v <= OXP_OPSET_NEWEST; v++) {
        const oxp_schema *s = oxp_schema_find("", op, v);
        if (s && oxp_schema_input_allows(s, 0, t)) {
            oxp_fn_push_number(c, (double)v);
            return;
        }
    }
    oxp_fn_push_number(c, NAN);
}

static bool device_key(const char *word) {
    static const char *const keys[] = {"name", "kind", "id", "arch", "memory", "bandwidth"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (!strcmp(keys[i], word))
            return true;
    return false;
}

static bool type_name(const char *word) {
    return oxp_dtype_from_name(word) != OXP_UNDEFINED;
}

/* ---- the table ---- */
static const struct {
    const char *name;
    oxp_xpath_call call;
    xmlXPathFunction fn;
    bool pure;   /* looks at its arguments and the device only */
    int word_at; /* the argument that is one of some words; 0: none */
    bool (*takes)(const char *word);
} table[] = {{"producer", {0, 1, OXP_GIVES_SET, true}, fn_producer, false, 0, NULL},
             {"consumers", {0, 2, OXP_GIVES_SET, true}, fn_consumers, false, 0, NULL},
             {"source", {0, 1, OXP_GIVES_SET, true}, fn_source, false, 0, NULL},
             {"chain", {1, 16, OXP_GIVES_BOOL, false}, fn_chain, false, 0, NULL},
             {"model", {0, 0, OXP_GIVES_SET, false}, fn_model, false, 0, NULL},
             {"const", {0, 1, OXP_GIVES_BOOL, true}, fn_const, false, 0, NULL},
             {"layers-behind", {0, 1, OXP_GIVES_SET, true}, fn_layers_behind, false, 0, NULL},
             {"members", {0, 0, OXP_GIVES_SET, false}, fn_members, false, 0, NULL},
             {"value", {1, 2, OXP_GIVES_NUMBER, true}, oxp_fn_value, false, 0, NULL},
             {"stat", {2, 3, OXP_GIVES_NUMBER, true}, oxp_fn_stat, false, 2, oxp_weight_stat_known},
             {"readable", {0, 1, OXP_GIVES_BOOL, true}, oxp_fn_readable, false, 0, NULL},
             {"twin", {0, 1, OXP_GIVES_SET, true}, oxp_fn_twin, false, 0, NULL},
             {"nth", {2, 2, OXP_GIVES_NUMBER, false}, fn_nth, true, 0, NULL},
             {"product", {1, 1, OXP_GIVES_NUMBER, false}, fn_product, true, 0, NULL},
             {"length", {1, 1, OXP_GIVES_NUMBER, false}, fn_length, true, 0, NULL},
             {"has", {2, 2, OXP_GIVES_BOOL, false}, fn_has, true, 0, NULL},
             {"words-from", {2, 2, OXP_GIVES_TEXT, false}, fn_words_from, true, 0, NULL},
             {"lowest", {1, 1, OXP_GIVES_NUMBER, true}, fn_lowest, false, 0, NULL},
             {"highest", {1, 1, OXP_GIVES_NUMBER, true}, fn_highest, false, 0, NULL},
             {"names", {1, 1, OXP_GIVES_TEXT, true}, fn_names, false, 0, NULL},
             {"min", {1, 16, OXP_GIVES_NUMBER, false}, fn_min, true, 0, NULL},
             {"max", {1, 16, OXP_GIVES_NUMBER, false}, fn_max, true, 0, NULL},
             {"human", {1, 1, OXP_GIVES_TEXT, false}, fn_human, true, 0, NULL},
             {"bytes", {1, 1, OXP_GIVES_TEXT, false}, fn_bytes, true, 0, NULL},
             {"seconds", {1, 1, OXP_GIVES_TEXT, false}, fn_seconds, true, 0, NULL},
             {"rate", {1, 1, OXP_GIVES_TEXT, false}, fn_rate, true, 0, NULL},
             {"percent", {1, 1, OXP_GIVES_TEXT, false}, fn_percent, true, 0, NULL},
             {"short", {1, 1, OXP_GIVES_TEXT, false}, fn_short, true, 0, NULL},
             {"plural", {2, 3, OXP_GIVES_TEXT, false}, fn_plural, true, 0, NULL},
             {"if", {2, 3, OXP_GIVES_TEXT, false}, fn_if, true, 0, NULL},
             {"device", {1, 1, OXP_GIVES_ANY, false}, fn_device, true, 1, device_key},
             {"peak", {1, 1, OXP_GIVES_NUMBER, false}, fn_peak, true, 1, type_name},
             {"opset-for", {2, 2, OXP_GIVES_NUMBER, false}, fn_opset_for, true, 2, type_name},
             {"supports", {1, 1, OXP_GIVES_BOOL, false}, fn_supports, true, 1, type_name}};

enum { TABLE_SIZE = sizeof table / sizeof *table };

static void call(xmlXPathParserContextPtr c, int nargs) {
    const char *name = (const char *)c->context->function;
    for (size_t i = 0; i < TABLE_SIZE; i++)
        if (!strcmp(table[i].name, name)) {
            if (nargs < table[i].call.least || nargs > table[i].call.most) {
                xmlXPathErr(c, XPATH_INVALID_ARITY);
                return;
            }
            table[i].fn(c, nargs);
            return;
        }
    xmlXPathErr(c, XPATH_UNKNOWN_FUNC_ERROR);
}

bool oxp_xpath_known(const char *name, oxp_xpath_call *out) {
    for (size_t i = 0; i < TABLE_SIZE; i++)
        if (!strcmp(table[i].name, name)) {
            *out = table[i].call;
            return true;
        }
    return false;
}

bool oxp_xpath_takes(const char *name, int n, const char *word) {
    for (size_t i = 0; i < TABLE_SIZE; i++)
        if (!strcmp(table[i].name, name))
            return n != table[i].word_at || table[i].takes(word);
    return true;
}

bool oxp_xpath_pure(const char *name) {
    for (size_t i = 0; i < TABLE_SIZE; i++)
        if (!strcmp(table[i].name, name))
            return table[i].pure;
    return false;
}

void oxp_xpath_register(xmlXPathContextPtr c) {
    for (size_t i = 0; i < TABLE_SIZE; i++)
        xmlXPathRegisterFuncNS(c, BAD_CAST table[i].name, BAD_CAST OXP_XPATH_NS, call);
}
