/* worker.c - evaluates rules in the child and sends what it found to the parent. */
#include "rules/worker.h"
#include "rules/tokens.h"

#include <errno.h>
#include <libxml/xpathInternals.h>
#include <math.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/intern.h"
#include "base/leave.h"
#include "base/sandbox.h"
#include "base/xml_memory.h"
#include "rules/xpath.h"

typedef struct worker {
    const oxp_rules *rules;
    size_t first;
    const oxp_facts *facts;
    int fd;
    oxp_ctx *ctx;
    oxp_arena *arena; /* of one rule */
    uint32_t *op_of;  /* node -> number of its (domain, op) */
    size_t n_ops;
    const oxp_node **op_example; /* a node of each number */
    struct oxp_weight_stats *stats;
    xmlDocPtr summary;
} worker;

typedef struct result {
    oxp_rule_record head;
    oxp_id *nodes;
    double *values; /* of `each` at these nodes */
    size_t cap_nodes, cap_values;
    const char *texts[OXP_DETAILS_MAX + 1];
    xmlDocPtr doc; /* <result> for the message */
    xmlNodePtr root;
    size_t kept;
    bool *has; /* by node, for rules on tensors and blocks: in `nodes` already */
} result;

/* ---- operators of the model, numbered ---- */
static void number_ops(worker *w) {
    const oxp_model *m = w->facts->a->model;
    size_t n = oxp_node_count(m), cap = 0;
    oxp_arena *a = oxp_arena_new(w->ctx);
    oxp_map *seen = oxp_map_new(a);
    w->op_of = OXP_NEWS(a, n + 1, uint32_t);
    for (oxp_id i = 0; i < n; i++) {
        const oxp_node *node = oxp_node_at(m, i);
        uint32_t k;
        w->op_of[i] = UINT32_MAX;
        if (!node->live)
            continue;
        /* names are interned: the pointers are the names */
        uint64_t key = (uint64_t)(uintptr_t)node->op * 31 + (uint64_t)(uintptr_t)node->domain;
        if (!oxp_map_get(seen, key, &k)) {
            k = (uint32_t)w->n_ops;
            oxp_map_set(seen, key, k);
            w->op_example = oxp_grow(a, w->op_example, &cap, w->n_ops + 1, sizeof *w->op_example);
            w->op_example[w->n_ops++] = node;
        }
        w->op_of[i] = k;
    }
}

static bool named(const oxp_node *n, const char *op) {
    const char *colon = strrchr(op, ':');
    if (!colon)
        return !*n->domain && !strcmp(n->op, op);
    size_t k = (size_t)(colon - op);
    return strlen(n->domain) == k && !memcmp(n->domain, op, k) && !strcmp(n->op, colon + 1);
}

static const bool *wanted_ops(const worker *w, const oxp_rule *r) {
    bool *wanted = OXP_NEWS(w->arena, w->n_ops + 1, bool);
    for (size_t i = 0; i < w->n_ops; i++) {
        wanted[i] = !r->n_ops;
        for (size_t k = 0; k < r->n_ops && !wanted[i]; k++)
            wanted[i] = named(w->op_example[i], r->ops[k]);
    }
    return wanted;
}

/* ---- one rule ---- */
typedef struct program {
    xmlXPathCompExprPtr *steps;
    bool *bare; /* the step looks at attributes of the context element only */
    const char *const *detail;
    xmlXPathCompExprPtr *detail_exprs;
    size_t n_detail;
    const char *const *told; /* attributes that the message and the gain name; NULL: maybe any */
} program;

static _Noreturn void fail(worker *w, const char *why) {
    oxp_raise(w->ctx, OXP_E_RULE, "%s", why);
}

static _Noreturn void fail_in(worker *w, const oxp_scratch *s, int line, const char *expr) {
    oxp_raise(w->ctx, OXP_E_RULE, "line %d: %s in \"%.200s\"", line, s->error, expr);
}

static xmlXPathCompExprPtr compile(worker *w, oxp_scratch *s, const char *expr) {
    xmlXPathCompExprPtr e = xmlXPathCtxtCompile(s->xp, BAD_CAST expr);
    if (!e)
        fail(w, "an expression does not compile");
    return e;
}

static xmlXPathCompExprPtr *compile_template(worker *w, oxp_scratch *s, const char *text,
                                             const char *const **parts, size_t *n) {
    const char *why;
    *parts = oxp_template_parts(w->arena, text, n, &why);
    if (!*parts)
        fail(w, why);
    xmlXPathCompExprPtr *e = OXP_NEWS(w->arena, *n + 1, xmlXPathCompExprPtr);
    for (size_t i = 1; i < *n; i += 2)
        e[i] = compile(w, s, (*parts)[i]);
    return e;
}

static void free_template(xmlXPathCompExprPtr *exprs, size_t n) {
    for (size_t i = 1; i < n; i += 2)
        xmlXPathFreeCompExpr(exprs[i]);
}

static const char *fill_template(worker *w, oxp_scratch *s, const char *const *parts,
                                 xmlXPathCompExprPtr *exprs, size_t n, int line) {
    char *out = oxp_alloc(w->arena, OXP_TEXT_MAX + 1, 1);
    size_t len = 0;
    for (size_t i = 0; i < n; i++) {
        const char *text = parts[i];
        if (i & 1) {
            xmlXPathObjectPtr o = oxp_scratch_eval(s, exprs[i]);
            if (!o)
                fail_in(w, s, line, parts[i]);
            text = oxp_xpath_text(w->arena, o);
            xmlXPathFreeObject(o);
        }
        size_t k = strlen(text);
        if (k > OXP_TEXT_MAX - len)
            k = OXP_TEXT_MAX - len;
        memcpy(out + len, text, k);
        len += k;
    }
    out[len] = 0;
    return oxp_strdup(w->arena, out);
}

/* Conditions and variables in the order of the file; true when all hold. */
static bool conditions_hold(worker *w, oxp_scratch *s, const oxp_rule *r, const program *p) {
    for (size_t i = 0; i < r->n_steps; i++) {
        if (!p->bare[i])
            oxp_scratch_complete(s);
        xmlXPathObjectPtr o = oxp_scratch_eval(s, p->steps[i]);
        if (!o)
            fail_in(w, s, r->steps[i].line, r->steps[i].expr);
        if (r->steps[i].name) {
            xmlXPathRegisterVariable(s->xp, BAD_CAST r->steps[i].name, o);
            continue;
        }
        bool holds = xmlXPathCastToBoolean(o);
        xmlXPathFreeObject(o);
        if (!holds)
            return false;
    }
    return true;
}

/* The match as the message sees it: the element's attributes and the variables. */
static void keep_match(worker *w, oxp_scratch *s, const oxp_rule *r, result *out) {
    if (out->kept++ >= OXP_RESULT_ELEMENTS)
        return;
    xmlNodePtr e = xmlNewDocNode(out->doc, NULL, BAD_CAST "match", NULL);
    if (!e)
        fail(w, "no memory");
    xmlAddChild(out->root, e);
    for (xmlAttrPtr a = s->xp->node->properties; a; a = a->next) {
        xmlChar *v = xmlNodeListGetString(s->doc, a->children, 1);
        xmlNewProp(e, a->name, v);
        xmlFree(v);
    }
    for (size_t i = 0; i < r->n_steps; i++) {
        if (!r->steps[i].name)
            continue;
        xmlXPathObjectPtr v = xmlXPathVariableLookup(s->xp, BAD_CAST r->steps[i].name);
        if (v)
            xmlSetProp(e, BAD_CAST r->steps[i].name, BAD_CAST oxp_xpath_text(w->arena, v));
        xmlXPathFreeObject(v);
    }
}

static void keep_node(worker *w, result *out, oxp_id node) {
    if (node == OXP_NONE || (out->has && out->has[node]))
        return;
    if (out->has)
        out->has[node] = true;
    out->nodes =
        oxp_grow(w->arena, out->nodes, &out->cap_nodes, out->head.n_nodes + 1, sizeof *out->nodes);
    out->nodes[out->head.n_nodes++] = node;
}

/* The evidence: the node, the readers of the tensor, the members of the block. */
static void keep_evidence(worker *w, const oxp_rule *r, oxp_id id, result *out) {
    const oxp_model *m = w->facts->a->model;
    if (r->on == OXP_ON_NODE)
        keep_node(w, out, id);
    if (r->on == OXP_ON_TENSOR)
        for (oxp_id u = oxp_value_at(m, id)->first_use; u != OXP_NONE; u = oxp_use_at(m, u)->next)
            keep_node(w, out, oxp_use_at(m, u)->node);
    if (r->on == OXP_ON_BLOCK)
        for (uint32_t i = 0; i < w->facts->insight->blocks[id].n_nodes; i++)
            keep_node(w, out, w->facts->insight->blocks[id].nodes[i]);
}

static void keep_value(worker *w, oxp_scratch *s, const oxp_rule *r, result *out) {
    if (!r->projection.each || r->on != OXP_ON_NODE)
        return;
    xmlXPathObjectPtr v = xmlXPathVariableLookup(s->xp, BAD_CAST(r->projection.each + 1));
    out->values = oxp_grow(w->arena, out->values, &out->cap_values, out->head.n_values + 1,
                           sizeof *out->values);
    out->values[out->head.n_values++] = v ? xmlXPathCastToNumber(v) : NAN;
    xmlXPathFreeObject(v);
}

static void visit(worker *w, oxp_scratch *s, const oxp_rule *r, const program *p, oxp_id id,
                  result *out) {
    oxp_mark mark = oxp_arena_mark(s->arena);
    if (!oxp_scratch_begin(s, r->on, id))
        fail(w, *s->error ? s->error : "no memory");
    if (conditions_hold(w, s, r, p)) {
        bool detail = p->n_detail && out->head.n_texts <= OXP_DETAILS_MAX;
        if (detail || !p->told)
            oxp_scratch_complete(s);
        else
            oxp_scratch_add(s, p->told);
        out->head.matched = 1;
        out->head.n_matches++;
        keep_evidence(w, r, id, out);
        keep_value(w, s, r, out);
        keep_match(w, s, r, out);
        if (detail)
            out->texts[out->head.n_texts++] =
                fill_template(w, s, p->detail, p->detail_exprs, p->n_detail, r->detail_line);
    }
    oxp_scratch_end(s);
    oxp_arena_rewind(s->arena, mark);
}

static void visit_tensors(worker *w, oxp_scratch *s, const oxp_rule *r, const program *p,
                          result *out) {
    for (oxp_id i = 0; i < oxp_value_count(w->facts->a->model); i++)
        if (oxp_facts_stored(w->facts, i))
            visit(w, s, r, p, i, out);
}

static void visit_all(worker *w, oxp_scratch *s, const oxp_rule *r, const program *p, result *out) {
    const oxp_model *m = w->facts->a->model;
    size_t n = oxp_node_count(m);
    if (r->on == OXP_ON_MODEL) {
        visit(w, s, r, p, OXP_NONE, out);
        return;
    }
    if (r->on == OXP_ON_NODE) {
        const bool *wanted = wanted_ops(w, r);
        for (oxp_id i = 0; i < n; i++)
            if (w->op_of[i] != UINT32_MAX && wanted[w->op_of[i]])
                visit(w, s, r, p, i, out);
        return;
    }
    out->has = OXP_NEWS(w->arena, n + 1, bool);
    if (r->on == OXP_ON_TENSOR)
        visit_tensors(w, s, r, p, out);
    for (size_t i = 0;
         r->on == OXP_ON_BLOCK && w->facts->insight && i < w->facts->insight->n_blocks; i++)
        visit(w, s, r, p, (oxp_id)i, out);
}

static void write_message(worker *w, oxp_scratch *s, const oxp_rule *r, result *out) {
    const char *const *parts;
    size_t n;
    xmlXPathCompExprPtr *exprs = compile_template(w, s, r->message, &parts, &n);
    /* the functions look for the model in the scratch's own document */
    s->n_nodes = 0;
    s->doc = out->doc;
    s->root = out->root;
    s->xp->doc = out->doc;
    s->xp->node = out->root;
    out->texts[0] = fill_template(w, s, parts, exprs, n, r->message_line);
    free_template(exprs, n);
    if (!out->texts[0][strspn(out->texts[0], " ")])
        fail(w, "its message is empty");
    if (!r->gain)
        return;
    xmlXPathCompExprPtr gain = compile(w, s, r->gain);
    xmlXPathObjectPtr o = oxp_scratch_eval(s, gain);
    if (!o)
        fail_in(w, s, r->gain_line, r->gain);
    out->head.gain = xmlXPathCastToNumber(o);
    xmlXPathFreeObject(o);
    xmlXPathFreeCompExpr(gain);
}

/* The attributes that the conditions and variables in front look at, up to the first that looks at
 * more. */
static const char *const *attributes_in_front(worker *w, const oxp_rule *r, const program *p) {
    const char **list = NULL;
    size_t n = 0, cap = 0;
    for (size_t i = 0; i < r->n_steps && p->bare[i]; i++)
        oxp_expr_attributes(w->arena, r->steps[i].expr, &list, &n, &cap);
    list = oxp_grow(w->arena, list, &cap, n + 1, sizeof *list);
    list[n] = NULL;
    return list;
}

/* What the message and the gain can know of a match. */
static const char *const *attributes_told(worker *w, const oxp_rule *r) {
    const char **list = NULL, *why;
    size_t n = 0, cap = 0, n_parts;
    const char *const *parts = oxp_template_parts(w->arena, r->message, &n_parts, &why);
    for (size_t i = 1; parts && i < n_parts; i += 2) {
        if (!oxp_expr_names_attributes(parts[i]))
            return NULL;
        oxp_expr_attributes(w->arena, parts[i], &list, &n, &cap);
    }
    if (r->gain && !oxp_expr_names_attributes(r->gain))
        return NULL;
    oxp_expr_attributes(w->arena, r->gain, &list, &n, &cap);
    list = oxp_grow(w->arena, list, &cap, n + 1, sizeof *list);
    list[n] = NULL;
    return list;
}

static void run_rule(worker *w, const oxp_rule *r, result *out) {
    oxp_scratch s;
    program p = {.n_detail = 0};
    if (!oxp_scratch_init(&s, w->facts, oxp_arena_new(w->ctx)))
        fail(w, "no memory");
    s.stats = &w->stats;
    s.summary = &w->summary;
    p.steps = OXP_NEWS(w->arena, r->n_steps + 1, xmlXPathCompExprPtr);
    p.bare = OXP_NEWS(w->arena, r->n_steps + 1, bool);
    for (size_t i = 0; i < r->n_steps; i++) {
        p.steps[i] = compile(w, &s, r->steps[i].expr);
        p.bare[i] = oxp_expr_is_bare(r->steps[i].expr);
    }
    s.only = attributes_in_front(w, r, &p);
    p.told = attributes_told(w, r);
    if (r->detail)
        p.detail_exprs = compile_template(w, &s, r->detail, &p.detail, &p.n_detail);
    out->doc = xmlNewDoc(BAD_CAST "1.0");
    out->root = xmlNewDocNode(out->doc, NULL, BAD_CAST "result", NULL);
    xmlDocSetRootElement(out->doc, out->root);
    out->head.n_texts = 1;
    visit_all(w, &s, r, &p, out);
    if (out->head.matched)
        write_message(w, &s, r, out);
    else
        out->texts[0] = "";
    for (size_t i = 0; i < r->n_steps; i++)
        xmlXPathFreeCompExpr(p.steps[i]);
    free_template(p.detail_exprs, p.n_detail);
    oxp_scratch_free(&s); /* the result document with it, when there was a message */
    if (!out->head.matched)
        xmlFreeDoc(out->doc);
    oxp_arena_free(s.arena);
}

/* ---- sending ---- */
static void send_all(worker *w, const void *p, size_t n) {
    for (const char *b = p; n;) {
        ssize_t k = write(w->fd, b, n);
        if (k < 0 && errno == EINTR) /* GCOVR_EXCL_BR_LINE: no test can time a signal */
            continue;                /* GCOVR_EXCL_LINE */
        if (k <= 0)
            oxp_leave(1); /* the parent is gone */
        b += k;
        n -= (size_t)k;
    }
}

static void send_result(worker *w, const result *r) {
    send_all(w, &r->head, sizeof r->head);
    send_all(w, r->nodes, r->head.n_nodes * sizeof *r->nodes);
    send_all(w, r->values, r->head.n_values * sizeof *r->values);
    for (uint32_t i = 0; i < r->head.n_texts; i++) {
        uint32_t n = (uint32_t)strlen(r->texts[i]);
        send_all(w, &n, sizeof n);
        send_all(w, r->texts[i], n);
    }
}

typedef struct rule_call {
    worker *w;
    const oxp_rule *rule;
    result *out;
} rule_call;

static void call_rule(void *p) {
    rule_call *c = p;
    run_rule(c->w, c->rule, c->out);
}

static void quiet(void *arg, xmlErrorPtr e) {
    (void)arg, (void)e;
}

static void work(void *p) {
    worker *w = p;
    number_ops(w);
    for (size_t i = w->first; i < w->rules->n; i++) {
        w->arena = oxp_arena_new(w->ctx);
        result out = {.head = {.rule = (uint32_t)i}};
        rule_call c = {w, w->rules->items[i], &out};
        oxp_error_clear(w->ctx);
        oxp_status status = oxp_try(w->ctx, call_rule, &c);
        if (status == OXP_E_NOMEM)
            oxp_leave(OXP_WORKER_STARVED);
        if (status != OXP_OK) {
            oxp_rule_record failed = {.rule = (uint32_t)i, .failed = 1, .n_texts = 1};
            out.head = failed;
            out.texts[0] = oxp_error_text(w->ctx);
        }
        send_result(w, &out);
        oxp_arena_free(w->arena);
    }
}

_Noreturn void oxp_rules_worker(const oxp_rules *rules, size_t first, const oxp_facts *facts,
                                int fd) {
    worker w = {.rules = rules, .first = first, .facts = facts, .fd = fd};
    w.ctx = oxp_model_ctx(facts->a->model);
    struct rlimit no_core = {0, 0}, cpu = {20, 20};
    setrlimit(RLIMIT_CORE, &no_core);
    setrlimit(RLIMIT_CPU, &cpu); /* should the parent die without a word */
    xmlSetStructuredErrorFunc(NULL, quiet);
    oxp_xml_exit_when_starved(OXP_WORKER_STARVED);
    oxp_xml_pool();
    oxp_xml_limit(OXP_WORKER_BYTES, OXP_WORKER_GREEDY);
    oxp_sandbox_reader();
    oxp_status s = oxp_try(w.ctx, work, &w);
    oxp_leave(s == OXP_OK ? 0 : s == OXP_E_NOMEM ? OXP_WORKER_STARVED : 1);
}
