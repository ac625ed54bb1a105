/* functions.c - the ox: functions of rules.  They return values or copies in the scratch document.
 * To add one: a row in the table and a function; docs/rules.md lists them. */
#include <libxml/xpathInternals.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "onnxpert/report.h"
#include "ops/op.h"
#include "rules/xpath.h"

/* The scratch of the evaluation that runs: the worker runs one at a time. */
static oxp_scratch *scratch_of(xmlXPathParserContextPtr c) {
    return c->context->funcLookupData;
}

static double pop_number(xmlXPathParserContextPtr c) {
    return xmlXPathPopNumber(c);
}

static const char *pop_string(xmlXPathParserContextPtr c) {
    xmlChar *s = xmlXPathPopString(c);
    const char *copy = s ? oxp_strdup(scratch_of(c)->arena, (const char *)s) : "";
    xmlFree(s);
    return copy;
}

/* The arguments as a set: none stands for the context element. */
static xmlNodeSetPtr pop_set(xmlXPathParserContextPtr c, int nargs) {
    if (!nargs)
        return xmlXPathNodeSetCreate(c->context->node);
    if (c->value && c->value->type != XPATH_NODESET) {
        xmlXPathErr(c, XPATH_INVALID_TYPE);
        return NULL;
    }
    return xmlXPathPopNodeSet(c);
}

static void push_set(xmlXPathParserContextPtr c, xmlNodeSetPtr s) {
    valuePush(c, xmlXPathWrapNodeSet(s ? s : xmlXPathNodeSetCreate(NULL)));
}

static void push_number(xmlXPathParserContextPtr c, double v) {
    valuePush(c, xmlXPathNewFloat(v));
}

static void push_text(xmlXPathParserContextPtr c, const char *s) {
    valuePush(c, xmlXPathNewCString(s));
}

static bool is_element(const xmlNode *e, const char *name) {
    return e->type == XML_ELEMENT_NODE && !strcmp((const char *)e->name, name);
}

static bool is_value(const xmlNode *e) {
    return e->type == XML_ELEMENT_NODE && oxp_facts_id(e) != OXP_NONE && !is_element(e, "node");
}

static const oxp_model *model_of(xmlXPathParserContextPtr c) {
    return scratch_of(c)->facts->a->model;
}

static void add_node(xmlXPathParserContextPtr c, xmlNodeSetPtr out, oxp_id node) {
    xmlNodePtr e = node == OXP_NONE ? NULL : oxp_scratch_node(scratch_of(c), node);
    if (e)
        xmlXPathNodeSetAdd(out, e);
}

/* ---- the graph ---- */
static void fn_producer(xmlXPathParserContextPtr c, int nargs) {
    xmlNodeSetPtr in = pop_set(c, nargs), out = xmlXPathNodeSetCreate(NULL);
    for (int i = 0; in && i < in->nodeNr; i++) {
        const xmlNode *e = in->nodeTab[i];
        if (is_value(e))
            add_node(c, out, oxp_value_at(model_of(c), oxp_facts_id(e))->producer);
        else if (is_element(e, "node") && oxp_facts_id(e) != OXP_NONE) {
            oxp_id v = oxp_in(oxp_node_at(model_of(c), oxp_facts_id(e)), 0);
            if (v != OXP_NONE)
                add_node(c, out, oxp_value_at(model_of(c), v)->producer);
        }
    }
    xmlXPathFreeNodeSet(in);
    push_set(c, out);
}

static void add_consumers(xmlXPathParserContextPtr c, xmlNodeSetPtr out, oxp_id value) {
    const oxp_model *m = model_of(c);
    if (value == OXP_NONE)
        return;
    for (oxp_id u = oxp_value_at(m, value)->first_use; u != OXP_NONE; u = oxp_use_at(m, u)->next) {
        if (*scratch_of(c)->error)
            return;
        add_node(c, out, oxp_use_at(m, u)->node);
    }
}

static void fn_consumers(xmlXPathParserContextPtr c, int nargs) {
    xmlNodeSetPtr in = pop_set(c, nargs), out = xmlXPathNodeSetCreate(NULL);
    for (int i = 0; in && i < in->nodeNr; i++) {
        const xmlNode *e = in->nodeTab[i];
        if (is_value(e))
            add_consumers(c, out, oxp_facts_id(e));
        else if (is_element(e, "node") && oxp_facts_id(e) != OXP_NONE) {
            const oxp_node *n = oxp_node_at(model_of(c), oxp_facts_id(e));
            for (uint32_t k = 0; k < n->n_out; k++)
                add_consumers(c, out, n->out[k]);
        }
    }
    xmlXPathFreeNodeSet(in);
    push_set(c, out);
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
    const oxp_model *m = model_of(c);
    int n = nargs < 16 ? nargs : 16;
    for (int i = nargs - 1; i >= 0; i--) {
        const char *op = pop_string(c);
        if (i < n)
            ops[i] = op;
    }
    oxp_id node = is_element(c->context->node, "node") ? oxp_facts_id(c->context->node) : OXP_NONE;
    bool good = n > 0;
    for (int i = 0; i < n && good; i++) {
        if (i)
            node = sole_consumer(m, node);
        good =
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
    xmlNodeSetPtr in = pop_set(c, nargs), out = xmlXPathNodeSetCreate(NULL);
    for (int i = 0; in && i < in->nodeNr; i++) {
        if (!is_value(in->nodeTab[i]))
            continue;
        oxp_id v = source_value(scratch_of(c)->facts, oxp_facts_id(in->nodeTab[i]));
        xmlNodePtr e = oxp_scratch_value(scratch_of(c), v);
        if (e)
            xmlXPathNodeSetAdd(out, e);
    }
    xmlXPathFreeNodeSet(in);
    push_set(c, out);
}

static void fn_model(xmlXPathParserContextPtr c, int nargs) {
    (void)nargs;
    xmlNodeSetPtr out = xmlXPathNodeSetCreate(NULL);
    xmlNodePtr e = oxp_scratch_model(scratch_of(c));
    if (e)
        xmlXPathNodeSetAdd(out, e);
    push_set(c, out);
}

static oxp_id first_value(xmlNodeSetPtr s) {
    for (int i = 0; s && i < s->nodeNr; i++)
        if (is_value(s->nodeTab[i]))
            return oxp_facts_id(s->nodeTab[i]);
    return OXP_NONE;
}

static void fn_const(xmlXPathParserContextPtr c, int nargs) {
    xmlNodeSetPtr in = pop_set(c, nargs);
    oxp_id v = first_value(in);
    bool is = v != OXP_NONE && (scratch_of(c)->facts->a->values[v].constant ||
                                oxp_constant_of(model_of(c), v, false) != OXP_NONE);
    xmlXPathFreeNodeSet(in);
    valuePush(c, xmlXPathNewBoolean(is));
}

/* ---- elements and statistics of constants ---- */
typedef struct read_args {
    const oxp_model *m;
    oxp_id tensor;
    uint64_t first;
    double v;
    oxp_tensor_stats stats;
} read_args;

static void read_one(void *p) {
    read_args *r = p;
    oxp_tensor_doubles(r->m, r->tensor, r->first, 1, &r->v);
}

static void read_stats(void *p) {
    read_args *r = p;
    oxp_tensor_scan(r->m, r->tensor, &r->stats);
}

static bool readable(const oxp_model *m, oxp_id tensor) {
    return tensor != OXP_NONE && oxp_tensor_at(m, tensor)->dtype != OXP_STRING &&
           oxp_tensor_readable(m, tensor);
}

static void fn_value(xmlXPathParserContextPtr c, int nargs) {
    double at = nargs > 1 ? pop_number(c) : 1;
    xmlNodeSetPtr in = pop_set(c, nargs > 0);
    oxp_id v = first_value(in);
    xmlXPathFreeNodeSet(in);
    read_args r = {.m = model_of(c), .tensor = OXP_NONE, .v = NAN};
    if (v != OXP_NONE)
        r.tensor = oxp_constant_of(r.m, v, false);
    if (!readable(r.m, r.tensor) || !(at >= 1) || at > 1024 ||
        (uint64_t)at > oxp_tensor_at(r.m, r.tensor)->count) {
        push_number(c, NAN);
        return;
    }
    r.first = (uint64_t)at - 1;
    push_number(c, oxp_try(oxp_model_ctx(r.m), read_one, &r) == OXP_OK ? r.v : NAN);
}

static double stat_of(const oxp_tensor_stats *s, const char *what, uint64_t count) {
    if (!strcmp(what, "min"))
        return s->min;
    if (!strcmp(what, "max"))
        return s->max;
    if (!strcmp(what, "abs_max"))
        return s->abs_max;
    if (!strcmp(what, "over_half"))
        return (double)s->n_over_half;
    if (!strcmp(what, "not_finite"))
        return (double)s->n_nan + (double)s->n_inf;
    if (!strcmp(what, "zeros"))
        return count ? (double)s->n_zero / (double)count : NAN;
    return NAN;
}

static void fn_stat(xmlXPathParserContextPtr c, int nargs) {
    const char *what = nargs > 1 ? pop_string(c) : "abs_max";
    xmlNodeSetPtr in = pop_set(c, nargs > 0);
    oxp_id v = first_value(in);
    xmlXPathFreeNodeSet(in);
    read_args r = {.m = model_of(c), .tensor = OXP_NONE, .v = NAN};
    if (v != OXP_NONE)
        r.tensor = oxp_constant_of(r.m, v, false);
    bool good = readable(r.m, r.tensor) &&
                oxp_dtype_is_float(oxp_tensor_at(r.m, r.tensor)->dtype) &&
                oxp_try(oxp_model_ctx(r.m), read_stats, &r) == OXP_OK;
    push_number(c, good ? stat_of(&r.stats, what, oxp_tensor_at(r.m, r.tensor)->count) : NAN);
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
    double v[64], at = nargs > 1 ? pop_number(c) : 1;
    size_t n = split(pop_string(c), v, 64);
    if (at < 0)
        at += (double)n + 1;
    push_number(c, at >= 1 && at <= (double)n ? v[(size_t)at - 1] : NAN);
}

static void fn_product(xmlXPathParserContextPtr c, int nargs) {
    double v[64], p = 1;
    (void)nargs;
    size_t n = split(pop_string(c), v, 64);
    for (size_t i = 0; i < n; i++)
        p *= v[i];
    push_number(c, p);
}

static void fn_length(xmlXPathParserContextPtr c, int nargs) {
    double v[64];
    (void)nargs;
    push_number(c, (double)split(pop_string(c), v, 64));
}

/* The words from the n-th on. */
static void fn_words_from(xmlXPathParserContextPtr c, int nargs) {
    double at = nargs > 1 ? pop_number(c) : 1;
    const char *p = pop_string(c);
    for (int i = 1; i < (int)at && *p; i++) {
        p += strcspn(p, " ");
        p += *p == ' ';
    }
    push_text(c, p);
}

/* Smallest and largest number of a set. */
static double extreme(xmlXPathParserContextPtr c, bool largest) {
    xmlNodeSetPtr s = pop_set(c, 1);
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
    push_number(c, extreme(c, false));
}

static void fn_highest(xmlXPathParserContextPtr c, int nargs) {
    (void)nargs;
    push_number(c, extreme(c, true));
}

/* The texts of a set with commas between them, at most eight. */
static void fn_names(xmlXPathParserContextPtr c, int nargs) {
    xmlNodeSetPtr s = pop_set(c, nargs);
    const char *text = "";
    for (int i = 0; s && i < s->nodeNr && i < 8; i++) {
        xmlChar *v = xmlXPathCastNodeToString(s->nodeTab[i]);
        text = oxp_sprintf(scratch_of(c)->arena, "%s%s%.80s", text, i ? ", " : "",
                           v ? (const char *)v : "");
        xmlFree(v);
    }
    if (s && s->nodeNr > 8)
        text = oxp_sprintf(scratch_of(c)->arena, "%s and %d more", text, s->nodeNr - 8);
    xmlXPathFreeNodeSet(s);
    push_text(c, text);
}

static void fn_has(xmlXPathParserContextPtr c, int nargs) {
    const char *word = nargs > 1 ? pop_string(c) : "";
    const char *text = pop_string(c);
    size_t n = strlen(word);
    bool found = false;
    for (const char *p = text; n && (p = strstr(p, word)) && !found; p++)
        found = (p == text || p[-1] == ' ') && (p[n] == ' ' || !p[n]);
    valuePush(c, xmlXPathNewBoolean(found));
}

/* ---- numbers ---- */
static void fn_min(xmlXPathParserContextPtr c, int nargs) {
    double r = INFINITY;
    for (int i = 0; i < nargs; i++)
        r = fmin(r, pop_number(c));
    push_number(c, r);
}

static void fn_max(xmlXPathParserContextPtr c, int nargs) {
    double r = -INFINITY;
    for (int i = 0; i < nargs; i++)
        r = fmax(r, pop_number(c));
    push_number(c, r);
}

static uint64_t whole(double v) {
    return v >= 0 && v < 1.8e19 ? (uint64_t)v : UINT64_MAX;
}

static void fn_human(xmlXPathParserContextPtr c, int nargs) {
    (void)nargs;
    push_text(c, oxp_human_count(scratch_of(c)->arena, whole(pop_number(c))));
}

static void fn_bytes(xmlXPathParserContextPtr c, int nargs) {
    (void)nargs;
    push_text(c, oxp_human_bytes(scratch_of(c)->arena, whole(pop_number(c))));
}

static void fn_seconds(xmlXPathParserContextPtr c, int nargs) {
    (void)nargs;
    push_text(c, oxp_human_seconds(scratch_of(c)->arena, pop_number(c)));
}

static void fn_percent(xmlXPathParserContextPtr c, int nargs) {
    (void)nargs;
    double v = 100 * pop_number(c);
    push_text(c, isfinite(v)
                     ? oxp_sprintf(scratch_of(c)->arena, v < 9.95 ? "%.1f %%" : "%.0f %%", v)
                     : "unknown");
}

/* ---- the device ---- */
static void fn_device(xmlXPathParserContextPtr c, int nargs) {
    const char *key = nargs ? pop_string(c) : "name";
    const oxp_device *d = scratch_of(c)->facts->device;
    if (!d)
        push_text(c, "");
    else if (!strcmp(key, "kind"))
        push_text(c, d->kind == OXP_DEVICE_GPU ? "gpu" : "cpu");
    else if (!strcmp(key, "id"))
        push_text(c, d->id);
    else if (!strcmp(key, "memory"))
        push_number(c, (double)d->memory);
    else if (!strcmp(key, "bandwidth"))
        push_number(c, d->bandwidth);
    else
        push_text(c, d->name);
}

static void fn_peak(xmlXPathParserContextPtr c, int nargs) {
    oxp_dtype t = oxp_dtype_from_name(nargs ? pop_string(c) : "float32");
    const oxp_device *d = scratch_of(c)->facts->device;
    push_number(c, d && t != OXP_UNDEFINED ? d->peak[t] : NAN);
}

static void fn_supports(xmlXPathParserContextPtr c, int nargs) {
    oxp_dtype t = oxp_dtype_from_name(nargs ? pop_string(c) : "float32");
    const oxp_device *d = scratch_of(c)->facts->device;
    valuePush(c, xmlXPathNewBoolean(d && t != OXP_UNDEFINED && oxp_device_supports(d, t)));
}

/* ---- the table ---- */
static const struct {
    const char *name;
    int min_args, max_args;
    xmlXPathFunction fn;
} table[] = {{"producer", 0, 1, fn_producer},
             {"consumers", 0, 1, fn_consumers},
             {"source", 0, 1, fn_source},
             {"chain", 1, 16, fn_chain},
             {"model", 0, 0, fn_model},
             {"const", 0, 1, fn_const},
             {"value", 1, 2, fn_value},
             {"stat", 2, 2, fn_stat},
             {"nth", 2, 2, fn_nth},
             {"product", 1, 1, fn_product},
             {"length", 1, 1, fn_length},
             {"has", 2, 2, fn_has},
             {"words-from", 2, 2, fn_words_from},
             {"lowest", 1, 1, fn_lowest},
             {"highest", 1, 1, fn_highest},
             {"names", 1, 1, fn_names},
             {"min", 1, 16, fn_min},
             {"max", 1, 16, fn_max},
             {"human", 1, 1, fn_human},
             {"bytes", 1, 1, fn_bytes},
             {"seconds", 1, 1, fn_seconds},
             {"percent", 1, 1, fn_percent},
             {"device", 1, 1, fn_device},
             {"peak", 1, 1, fn_peak},
             {"supports", 1, 1, fn_supports}};

enum { TABLE_SIZE = sizeof table / sizeof *table };

static void call(xmlXPathParserContextPtr c, int nargs) {
    const char *name = (const char *)c->context->function;
    for (size_t i = 0; i < TABLE_SIZE; i++)
        if (!strcmp(table[i].name, name)) {
            if (nargs < table[i].min_args || nargs > table[i].max_args) {
                xmlXPathErr(c, XPATH_INVALID_ARITY);
                return;
            }
            table[i].fn(c, nargs);
            return;
        }
    xmlXPathErr(c, XPATH_UNKNOWN_FUNC_ERROR);
}

bool oxp_xpath_known(const char *name) {
    for (size_t i = 0; i < TABLE_SIZE; i++)
        if (!strcmp(table[i].name, name))
            return true;
    return false;
}

void oxp_xpath_register(xmlXPathContextPtr c) {
    for (size_t i = 0; i < TABLE_SIZE; i++)
        xmlXPathRegisterFuncNS(c, BAD_CAST table[i].name, BAD_CAST OXP_XPATH_NS, call);
}
