/* xpath.c - how expressions are compiled and evaluated. */
#include "rules/xpath.h"

#include <libxml/xpathInternals.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"
#include "base/xml_memory.h"
#include "rules/tokens.h"

static void clean(char *out, size_t room, const char *text) {
    size_t n = 0, len = strlen(text);
    for (size_t i = 0; i < len && n + 8 < room;) {
        size_t k = oxp_utf8_printable(text + i, len - i);
        if (k)
            memcpy(out + n, text + i, k);
        else
            out[n] = ' ';
        n += k ? k : 1;
        i += k ? k : 1;
    }
    while (n && out[n - 1] == ' ')
        n--;
    out[n] = 0;
}

/* libxml2 gives XPath errors as codes only (xmlXPathError, from XML_XPATH_EXPRESSION_OK on). */
static const char *what_failed(const xmlError *e) {
    static const char *const texts[] = {"it failed",
                                        "a number that cannot be read",
                                        "an unfinished literal",
                                        "a literal is wanted",
                                        "a variable is wanted",
                                        "an undefined variable",
                                        "a malformed predicate",
                                        "a malformed expression",
                                        "a brace is not closed",
                                        "an unknown function",
                                        "an invalid operand",
                                        "an argument of the wrong type",
                                        "a wrong number of arguments",
                                        "an invalid context size",
                                        "an invalid context position",
                                        "out of memory",
                                        "a syntax error",
                                        "a resource error",
                                        "a resource error",
                                        "an undefined prefix",
                                        "an encoding error",
                                        "a character outside of XML",
                                        "an incomplete context",
                                        "the stack is used up",
                                        "a forbidden variable",
                                        "more steps than an expression may take",
                                        "nested too deep"};
    size_t at = (size_t)(e->code - XML_XPATH_EXPRESSION_OK);
    return e->message ? e->message : at < sizeof texts / sizeof *texts ? texts[at] : texts[0];
}

static void keep_error(void *arg, xmlErrorPtr e) {
    char *text = arg;
    if (!*text && e)
        clean(text, 256, what_failed(e));
}

/* What an expression of a rule may name, and where it stands. */
typedef struct place {
    oxp_arena *arena;
    const oxp_rule *rule;
    int line;
    const oxp_rule_var *vars, *of_matches;
} place;

static oxp_gives check_expr(const place *at, const char *expr) {
    oxp_arena *arena = at->arena;
    oxp_ctx *ctx = oxp_arena_ctx(arena);
    const char *why = NULL;
    char error[256] = "";
    oxp_gives gives = OXP_GIVES_ANY;
    if (strlen(expr) > OXP_EXPR_MAX)
        why = "an expression of more than 4,096 characters";
    else if (!expr[strspn(expr, " \t\r\n")])
        why = "an empty expression";
    else if (!(why = oxp_tokens_problem(arena, expr, at->rule->on, at->vars, at->of_matches,
                                        &gives))) {
        oxp_xml_begin(ctx, 0);
        xmlSetStructuredErrorFunc(error, keep_error);
        xmlXPathContextPtr c = xmlXPathNewContext(NULL);
        xmlXPathCompExprPtr e = c ? xmlXPathCtxtCompile(c, BAD_CAST expr) : NULL;
        xmlSetStructuredErrorFunc(NULL, NULL);
        xmlXPathFreeContext(c);
        if (!e)
            why = oxp_sprintf(arena, "%s", *error ? error : "not an XPath expression");
        xmlXPathFreeCompExpr(e);
        oxp_xml_check(ctx);
    }
    if (why)
        oxp_raise(ctx, OXP_E_RULE, "%s:%d: rule %s: %s in \"%.100s\"", at->rule->file, at->line,
                  at->rule->id, why, expr);
    return gives;
}

/* ---- templates ---- */
const char *const *oxp_template_parts(oxp_arena *arena, const char *text, size_t *n,
                                      const char **why) {
    size_t cap = 0, len = strlen(text), k = 0;
    const char **parts = NULL;
    char *part = oxp_alloc(arena, len + 1, 1);
    bool inside = false;
    char quote = 0;
    *n = 0;
    for (const char *p = text;; p++) {
        bool doubled = !inside && (*p == '{' || *p == '}') && p[1] == *p;
        bool turn = !doubled && !quote && (inside ? *p == '}' : *p == '{');
        if (!*p || turn) {
            part[k] = 0;
            parts = oxp_grow(arena, parts, &cap, *n + 1, sizeof *parts);
            parts[(*n)++] = oxp_strdup(arena, part);
            k = 0;
            if (!*p)
                break;
            inside = !inside;
            continue;
        }
        if (!inside && !doubled && *p == '}') {
            *why = "a } without its {";
            return NULL;
        }
        if (inside && (*p == '"' || *p == '\''))
            quote = quote == *p ? 0 : quote ? quote : *p;
        part[k++] = *p;
        p += doubled;
    }
    *why = inside ? "a { without its }" : NULL;
    return inside ? NULL : parts;
}

static void check_template(const place *at, const char *text) {
    const char *why;
    size_t n;
    const char *const *parts = oxp_template_parts(at->arena, text, &n, &why);
    if (!parts)
        oxp_raise(oxp_arena_ctx(at->arena), OXP_E_RULE, "%s:%d: rule %s: %s", at->rule->file,
                  at->line, at->rule->id, why);
    for (size_t i = 1; i < n; i += 2)
        check_expr(at, parts[i]);
}

static bool in_names(const oxp_rule_var *vars, const char *name) {
    while (vars->name && strcmp(vars->name, name) != 0)
        vars++;
    return vars->name;
}

static _Noreturn void bad_rule(oxp_arena *arena, const oxp_rule *r, int line, const char *why) {
    oxp_raise(oxp_arena_ctx(arena), OXP_E_RULE, "%s:%d: rule %s: %s", r->file, line, r->id, why);
}

static void check_gain(const place *at, const char *gain) {
    double v = NAN;
    oxp_gives gives = check_expr(at, gain);
    bool number = oxp_expr_is_literal(gain) && sscanf(gain, "%lf", &v) == 1;
    if (gives == OXP_GIVES_TEXT || gives == OXP_GIVES_BOOL || (number && !(v > 1)))
        bad_rule(at->arena, at->rule, at->line,
                 oxp_sprintf(at->arena, "a gain is a factor above 1, not \"%.60s\"", gain));
}

void oxp_rule_compile_check(oxp_arena *arena, const oxp_rule *r) {
    oxp_mark mark = oxp_arena_mark(arena);
    static const oxp_rule_var none[] = {{NULL, OXP_GIVES_ANY, false}};
    oxp_rule_var *vars = OXP_NEWS(arena, r->n_steps + 1, oxp_rule_var);
    size_t n = 0;
    for (size_t i = 0; i < r->n_steps; i++) {
        const oxp_rule_step *s = &r->steps[i];
        place at = {arena, r, s->line, vars, NULL};
        oxp_gives gives = check_expr(&at, s->expr);
        if (s->name && in_names(vars, s->name))
            bad_rule(arena, r, s->line,
                     oxp_sprintf(arena, "the variable \"%.60s\" is there already", s->name));
        if (s->name)
            vars[n++] = (oxp_rule_var){s->name, gives, oxp_expr_reaches_attr(s->expr, vars)};
        else if (gives == OXP_GIVES_TEXT && oxp_expr_is_literal(s->expr))
            bad_rule(arena, r, s->line,
                     oxp_sprintf(arena, "%.60s is a text, which is no condition", s->expr));
    }
    place message = {arena, r, r->message_line, none, vars};
    check_template(&message, r->message);
    if (r->gain)
        check_gain(&(place){arena, r, r->gain_line, none, vars}, r->gain);
    if (r->detail)
        check_template(&(place){arena, r, r->detail_line, vars, NULL}, r->detail);
    const char *each = r->projection.each;
    if (each && (*each != '$' || !in_names(vars, each + 1) || r->on != OXP_ON_NODE))
        bad_rule(arena, r, r->line, "each takes a variable of a rule on operators, as in $rank");
    oxp_arena_rewind(arena, mark);
}

/* ---- scratch documents ---- */
bool oxp_scratch_init(oxp_scratch *s, const oxp_facts *f, oxp_arena *arena) {
    memset(s, 0, sizeof *s);
    s->facts = f;
    s->arena = arena;
    s->xp = xmlXPathNewContext(NULL);
    if (!s->xp)
        return false;
    xmlXPathContextSetCache(s->xp, 1, -1, 0);
    xmlXPathRegisterNs(s->xp, BAD_CAST "ox", BAD_CAST OXP_XPATH_NS);
    oxp_xpath_register(s->xp);
    s->xp->opLimit = OXP_OPS_MAX;
    s->xp->funcLookupData = s; /* how the functions find their scratch */
    return true;
}

void oxp_scratch_free(oxp_scratch *s) {
    oxp_scratch_end(s);
    xmlXPathFreeContext(s->xp);
    s->xp = NULL;
}

static xmlNodePtr adopt(oxp_scratch *s, xmlNodePtr e) {
    if (!e || ++s->n_nodes > OXP_SCRATCH_NODES) {
        if (!*s->error)
            snprintf(s->error, sizeof s->error,
                     e ? "it asks for more than %d elements" : "no memory", OXP_SCRATCH_NODES);
        xmlFreeNode(e);
        return NULL;
    }
    return xmlAddChild(s->root, e);
}

static xmlNodePtr find_child(const oxp_scratch *s, const char *name, oxp_id id) {
    for (xmlNodePtr e = s->root->children; e; e = e->next)
        if (oxp_facts_id(e) == id && !strcmp((const char *)e->name, name))
            return e;
    return NULL;
}

xmlNodePtr oxp_scratch_node(oxp_scratch *s, oxp_id node) {
    xmlNodePtr e = find_child(s, "node", node);
    if (e == s->xp->node)
        oxp_scratch_complete(s);
    return e ? e : adopt(s, oxp_facts_node(s->facts, s->doc, node));
}

xmlNodePtr oxp_scratch_value(oxp_scratch *s, oxp_id value) {
    xmlNodePtr e = find_child(s, "value", value);
    return e ? e : adopt(s, oxp_facts_value(s->facts, s->doc, "value", value));
}

xmlNodePtr oxp_scratch_summary(oxp_scratch *s) {
    if (!*s->summary) {
        xmlDocPtr doc = xmlNewDoc(BAD_CAST "1.0");
        xmlNodePtr e = doc ? oxp_facts_model(s->facts, doc) : NULL;
        if (!e) {
            xmlFreeDoc(doc);
            return NULL;
        }
        xmlDocSetRootElement(doc, e);
        *s->summary = doc;
    }
    return xmlDocGetRootElement(*s->summary);
}

static xmlNodePtr context_element(oxp_scratch *s, oxp_rule_on on, oxp_id id) {
    switch (on) {
    case OXP_ON_NODE:
        s->bare = true;
        return adopt(s, oxp_facts_bare_node(s->facts, s->doc, id, s->only));
    case OXP_ON_TENSOR:
        return adopt(s, oxp_facts_value(s->facts, s->doc, "tensor", id));
    case OXP_ON_BLOCK:
        s->block = id;
        s->bare = true;
        return adopt(s, oxp_facts_bare_block(s->facts, s->doc, id));
    case OXP_ON_MODEL:
        break;
    }
    return adopt(s, oxp_facts_model(s->facts, s->doc));
}

void oxp_scratch_complete(oxp_scratch *s) {
    if (s->bare && s->block != OXP_NONE)
        oxp_facts_add_members(s->facts, s->xp->node, s->block);
    else if (s->bare)
        oxp_facts_complete(s->facts, s->xp->node);
    s->bare = false;
}

void oxp_scratch_add(oxp_scratch *s, const char *const *names) {
    if (s->bare && s->block == OXP_NONE)
        oxp_facts_add(s->facts, s->xp->node, names);
}

bool oxp_scratch_begin(oxp_scratch *s, oxp_rule_on on, oxp_id id) {
    s->n_nodes = 0;
    s->bare = false;
    s->block = OXP_NONE;
    s->doc = xmlNewDoc(BAD_CAST "1.0");
    s->root = s->doc ? xmlNewDocNode(s->doc, NULL, BAD_CAST "facts", NULL) : NULL;
    if (!s->root)
        return false;
    xmlDocSetRootElement(s->doc, s->root);
    xmlNodePtr e = context_element(s, on, id);
    s->xp->doc = s->doc;
    s->xp->node = e;
    return e != NULL;
}

void oxp_scratch_end(oxp_scratch *s) {
    if (!s->doc)
        return;
    xmlXPathRegisteredVariablesCleanup(s->xp);
    s->xp->doc = NULL;
    s->xp->node = NULL;
    xmlFreeDoc(s->doc);
    s->doc = NULL;
}

xmlXPathObjectPtr oxp_scratch_eval(oxp_scratch *s, xmlXPathCompExprPtr e) {
    char error[256] = "";
    s->xp->opCount = 0;
    s->xp->error = keep_error;
    s->xp->userData = error;
    xmlXPathObjectPtr o = xmlXPathCompiledEval(e, s->xp);
    if (!*s->error && *error)
        memcpy(s->error, error, sizeof error);
    if (*s->error) {
        xmlXPathFreeObject(o);
        return NULL;
    }
    if (!o)
        snprintf(s->error, sizeof s->error, "its evaluation failed");
    return o;
}

const char *oxp_xpath_text(oxp_arena *arena, xmlXPathObjectPtr o) {
    if (o->type == XPATH_NUMBER) {
        double v = o->floatval;
        if (!isfinite(v))
            return "unknown";
        if (floor(v) == v && fabs(v) < 1e15)
            return oxp_sprintf(arena, "%.0f", v);
        return oxp_sprintf(arena, "%.4g", v);
    }
    xmlChar *t = xmlXPathCastToString(o);
    if (!t)
        return "";
    size_t n = strlen((const char *)t);
    const char *copy = oxp_memdup0(arena, t, n < 4000 ? n : 4000);
    xmlFree(t);
    return copy;
}
