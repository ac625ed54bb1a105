/* sense.c - what a rule says that the schema lets pass and that means nothing. */
#include "rules/sense.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "onnxpert/pass.h"
#include "ops/op.h"
#include "ops/schema.h"
#include "rules/xml.h"

typedef struct sense {
    oxp_arena *a;
    const oxp_rule *r;
    xmlNodePtr e; /* the element in question */
} sense;

static _Noreturn void bad(const sense *s, const char *why, const char *what) {
    oxp_raise(oxp_arena_ctx(s->a), OXP_E_RULE, "%s:%ld: rule %s: %s \"%.80s\"", s->r->file,
              xmlGetLineNo(s->e), s->r->id, why, what);
}

static bool one_of(const char *const *list, const char *word) {
    while (*list && strcmp(*list, word) != 0)
        list++;
    return *list;
}

/* Next word of a list with blanks; NULL at its end. */
static const char *next_word(const sense *s, const char **p) {
    *p += strspn(*p, " ");
    size_t n = strcspn(*p, " ");
    const char *word = n ? oxp_memdup0(s->a, *p, n) : NULL;
    *p += n;
    return word;
}

/* ---- texts ---- */

/* Is there a character that can be seen?  Blanks of Unicode (U+00A0, U+2000 to U+200B, U+202F,
 * U+205F, U+3000) are none. */
static bool visible(const char *text) {
    for (size_t len = strlen(text); len;) {
        size_t k = oxp_utf8_printable(text, len);
        const unsigned char *c = (const unsigned char *)text;
        bool blank = !k || *c == ' ' || (k == 2 && c[0] == 0xC2 && c[1] == 0xA0) ||
                     (k == 3 && c[0] == 0xE2 &&
                      ((c[1] == 0x80 && (c[2] <= 0x8B || c[2] == 0xAF)) ||
                       (c[1] == 0x81 && c[2] == 0x9F))) ||
                     (k == 3 && c[0] == 0xE3 && c[1] == 0x80 && c[2] == 0x80);
        if (!blank)
            return true;
        text += k ? k : 1;
        len -= k ? k : 1;
    }
    return false;
}

static void check_text(const sense *s) {
    if (!visible(oxp_xml_text(s->a, s->e)))
        bad(s, "there is no text in this element:", (const char *)s->e->name);
}

/* What auto.c and profiles look for is spelled as here. */
static void check_needs(const sense *s) {
    static const char *const words[] = {"retraining", "calibration", "validation", "re-export",
                                        NULL};
    const char *p = oxp_xml_text(s->a, s->e), *word;
    check_text(s);
    while ((word = next_word(s, &p)))
        if (!one_of(words, word))
            bad(s, "needs knows retraining, calibration, validation and re-export, not", word);
}

/* Behind http://: does it begin with the name of a host, and is there no blank in it? */
static bool host_ok(const char *address) {
    size_t n = strcspn(address, "/?#:");
    bool good = n && !address[strcspn(address, " \t\r\n")];
    for (size_t i = 0; i < n && good; i++) {
        unsigned char c = (unsigned char)address[i];
        bool word =
            (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c >= 0x80;
        good = word || ((c == '.' || c == '-') && i && i + 1 < n);
    }
    return good;
}

static void check_reference(const sense *s) {
    const char *href = oxp_xml_attr(s->a, s->e, "href");
    if (!href)
        check_text(s);
    else if (strncmp(href, "https://", 8) != 0 && strncmp(href, "http://", 7) != 0)
        bad(s, "a reference's address begins with https:// or http://, not", href);
    else if (!host_ok(strchr(href, ':') + 3))
        bad(s, "a reference's address names no host:", href);
}

/* ---- what it is about ---- */
static void check_on(const sense *s) {
    static const char *const kinds[] = {"node", "model", "tensor", "block", NULL};
    const char *on = oxp_xml_attr(s->a, s->e, "on"), *p = on, *op;
    if (!on || one_of(kinds, on))
        return;
    if (!next_word(s, &p))
        bad(s, "on names operators, or is node, model, tensor or block, not", on);
    for (p = on; (op = next_word(s, &p));) {
        if (one_of(kinds, op))
            bad(s, "on is one of node, model, tensor and block, or names operators:", on);
        if (!strncmp(op, "ai.onnx:", 8))
            bad(s, "operators of ONNX are written without their domain:", op);
        if (!strchr(op, ':') && !oxp_schema_first_version("", op) && !oxp_op_find("", op))
            bad(s, "ONNX has no operator of this name (others are written domain:Name):", op);
    }
}

/* ---- projection and fix ---- */
static const oxp_pass_param *param_of(const oxp_pass *pass, const char *name) {
    for (const oxp_pass_param *p = pass->params; p && p->name; p++)
        if (!strcmp(p->name, name))
            return p;
    return NULL;
}

static void check_param(const sense *s, const oxp_pass *pass) {
    const char *name = oxp_xml_attr(s->a, s->e, "name"), *value = oxp_xml_attr(s->a, s->e, "value");
    const oxp_pass_param *p = param_of(pass, name);
    if (!p)
        bad(s, oxp_sprintf(s->a, "%s has no parameter", pass->name), name);
    if (p->word && strcmp(p->word, value) != 0)
        bad(s, oxp_sprintf(s->a, "%s is \"%s\", not", name, p->word), value);
    if (p->word)
        return;
    char *end;
    double v = strtod(value, &end);
    if (end == value || *end || !(v >= p->least && v <= p->most))
        bad(s, oxp_sprintf(s->a, "%s is a number from %g to %g, not", name, p->least, p->most),
            value);
    if (p->whole && floor(v) != v)
        bad(s, oxp_sprintf(s->a, "%s is a whole number, not", name), value);
}

/* Types that a device could multiply in; a what-if narrows, and nothing is wider than float64. */
static void check_type(const sense *s, const char *name, oxp_dtype t) {
    if (t == OXP_DOUBLE)
        bad(s, oxp_sprintf(s->a, "%s names a type narrower than the model's, not", name),
            oxp_dtype_name(t));
    if (t != OXP_UNDEFINED && !oxp_dtype_is_float(t) &&
        (!oxp_dtype_bits(t) || oxp_dtype_bits(t) > 8 || t == OXP_BOOL))
        bad(s,
            oxp_sprintf(s->a, "%s is a floating type or an integer of at most 8 bits, not", name),
            oxp_dtype_name(t));
}

static void check_projection(const sense *s) {
    const oxp_rule_projection *p = &s->r->projection;
    const oxp_pass *pass = p->pass ? oxp_pass_find(p->pass) : NULL;
    if (!pass && !p->precision && !p->weights && !p->products)
        bad(s, "a what-if is a pass, a precision, weights or products; there is none in",
            "projection");
    check_type(s, "precision", p->precision);
    check_type(s, "weights", p->weights);
    check_type(s, "products", p->products);
    if (s->r->gain)
        bad(s, "a gain by formula is for rules without a", "projection");
    for (xmlNodePtr c = s->e->children; c; c = c->next) {
        bool each = oxp_xml_is(c, "each");
        sense at = {s->a, s->r, c};
        if (!each && !oxp_xml_is(c, "param"))
            continue;
        if (!pass)
            bad(&at, "without a pass nothing looks at this:", (const char *)c->name);
        if (!each)
            check_param(&at, pass);
        else if (!pass->of_each)
            bad(&at, "takes no value for each node:", pass->name);
    }
}

/* Options of `optimize` that belong to passes; true: a value follows. */
static const struct {
    const char *name;
    bool value;
} pass_options[] = {
    {"--fp16-block-op", true}, {"--fp16-block-node", true},   {"--fp16-include-op", true},
    {"--calibrate", true},     {"--keep-io", false},          {"--change-io", false},
    {"--external-data", true}, {"--fold-budget", true},       {"--allow-overridable", false},
    {"--repair", false},       {"--allow-retraining", false}, {"--dim", true},
    {"--input-shape", true}};

static void check_fix(const sense *s) {
    const char *p = s->r->fix_options, *word, *projected = s->r->projection.pass;
    if (projected && strcmp(projected, s->r->fix) != 0)
        bad(s, oxp_sprintf(s->a, "the projection is of the pass %s, the fix of", projected),
            s->r->fix);
    if (oxp_pass_find(s->r->fix)->flags & OXP_PASS_WHAT_IF)
        bad(s, "a what-if, which optimize cannot apply:", s->r->fix);
    if (!p || !strcmp(p, "{dims}"))
        return;
    if (!visible(p))
        bad(s, "there is nothing in options", p);
    while ((word = next_word(s, &p))) {
        size_t i = 0, n = sizeof pass_options / sizeof *pass_options, k = strcspn(word, "=");
        while (i < n &&
               (strlen(pass_options[i].name) != k || strncmp(pass_options[i].name, word, k) != 0))
            i++;
        if (i == n)
            bad(s, "no option of a pass of optimize:", word);
        if (word[k] ? !pass_options[i].value : pass_options[i].value && !next_word(s, &p))
            bad(s, word[k] ? "this option takes no value:" : "this option needs a value:", word);
    }
}

void oxp_rule_sense(oxp_arena *arena, const oxp_rule *r, xmlNodePtr e) {
    static const char *const texts[] = {"title", "message", "detail", "why", "how", NULL};
    check_on(&(sense){arena, r, e});
    for (xmlNodePtr c = e->children; c; c = c->next) {
        sense s = {arena, r, c};
        if (c->type == XML_ELEMENT_NODE && one_of(texts, (const char *)c->name))
            check_text(&s);
        else if (oxp_xml_is(c, "needs"))
            check_needs(&s);
        else if (oxp_xml_is(c, "reference"))
            check_reference(&s);
        else if (oxp_xml_is(c, "projection"))
            check_projection(&s);
        else if (oxp_xml_is(c, "fix"))
            check_fix(&s);
    }
}

static void check_word(oxp_arena *arena, const char *file, xmlNodePtr e, const char *name,
                       const char *const *words, const char *wanted) {
    const char *v = oxp_xml_attr(arena, e, name);
    if (v && !one_of(words, v))
        oxp_raise(oxp_arena_ctx(arena), OXP_E_RULE, "%s:%ld: %s is %s, not \"%.80s\"", file,
                  xmlGetLineNo(e), name, wanted, v);
}

/* The children of a rule in their order; more than one element of a place: a choice. */
static const struct {
    const char *name, *other;
    bool needed, many;
} children[] = {{"title", "title", true, false},
                {"needs", "needs", false, false},
                {"when", "let", true, true},
                {"message", "message", true, false},
                {"detail", "detail", false, false},
                {"why", "why", false, false},
                {"how", "how", false, false},
                {"gain", "gain", false, false},
                {"projection", "projection", false, false},
                {"fix", "fix", false, false},
                {"reference", "reference", false, true},
                {"example", "example", false, true}};
enum { CHILDREN = sizeof children / sizeof *children };

/* CHILDREN: the schema names what is none of them. */
static size_t place_of(xmlNodePtr c) {
    size_t i = 0;
    while (i < CHILDREN && !oxp_xml_is(c, children[i].name) && !oxp_xml_is(c, children[i].other))
        i++;
    return i;
}

/* The schema's validator says only which element it did not expect: what a rule lacks and what is
 * in the wrong place is found here. */
static void check_children(oxp_arena *arena, const char *file, xmlNodePtr e) {
    oxp_ctx *ctx = oxp_arena_ctx(arena);
    bool there[CHILDREN] = {false};
    size_t last = 0;
    for (xmlNodePtr c = e->children; c; c = c->next) {
        size_t at = place_of(c);
        if (c->type != XML_ELEMENT_NODE || at == CHILDREN)
            continue;
        if (at < last)
            oxp_raise(ctx, OXP_E_RULE,
                      "%s:%ld: <%s> comes before <%s>: the order is title, needs, let and when, "
                      "message, detail, why, how, gain, projection, fix, reference, example",
                      file, xmlGetLineNo(c), (const char *)c->name, children[last].name);
        if (there[at] && !children[at].many)
            oxp_raise(ctx, OXP_E_RULE, "%s:%ld: a second <%s> in a rule", file, xmlGetLineNo(c),
                      children[at].name);
        there[at] = there[at] || oxp_xml_is(c, children[at].name);
        last = at;
    }
    for (size_t i = 0; i < CHILDREN; i++)
        if (children[i].needed && !there[i])
            oxp_raise(ctx, OXP_E_RULE,
                      "%s:%ld: a rule without <%s>: title, when and message are mandatory", file,
                      xmlGetLineNo(e), children[i].name);
}

void oxp_rule_words(oxp_arena *arena, const char *file, xmlNodePtr e) {
    static const char *const phases[] = {"quick", "extra", NULL};
    static const char *const levels[] = {"low", "medium", "high", NULL};
    static const char *const answers[] = {"yes", "no", NULL};
    if (!xmlHasProp(e, BAD_CAST "id"))
        oxp_raise(oxp_arena_ctx(arena), OXP_E_RULE, "%s:%ld: a rule without an id", file,
                  xmlGetLineNo(e));
    check_word(arena, file, e, "phase", phases, "quick or extra");
    check_word(arena, file, e, "effort", levels, "low, medium or high");
    check_word(arena, file, e, "risk", levels, "low, medium or high");
    if (!e->ns) /* the schema refuses namespaces */
        check_children(arena, file, e);
    for (xmlNodePtr c = e->children; c; c = c->next)
        if (oxp_xml_is(c, "example"))
            check_word(arena, file, c, "triggers", answers, "yes or no");
}
