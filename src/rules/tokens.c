/* tokens.c - what an expression may hold: its tokens are walked here, because evaluation may never
 * reach a call, and libxml2's compiler looks neither at what a function takes nor, at the end of
 * the text, at a bracket that is still open. */
#include "rules/tokens.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "rules/names.h"

enum { NESTING_MAX = 64, ANY_NUMBER = 1000 };

/* XPath 1.0, section 4 (functions) and 2.3 (node tests). */
static const struct {
    const char *name;
    oxp_xpath_call call;
} core_functions[] = {{"last", {0, 0, OXP_GIVES_NUMBER, false}},
                      {"position", {0, 0, OXP_GIVES_NUMBER, false}},
                      {"count", {1, 1, OXP_GIVES_NUMBER, true}},
                      {"id", {1, 1, OXP_GIVES_SET, false}},
                      {"local-name", {0, 1, OXP_GIVES_TEXT, true}},
                      {"namespace-uri", {0, 1, OXP_GIVES_TEXT, true}},
                      {"name", {0, 1, OXP_GIVES_TEXT, true}},
                      {"string", {0, 1, OXP_GIVES_TEXT, false}},
                      {"concat", {2, ANY_NUMBER, OXP_GIVES_TEXT, false}},
                      {"starts-with", {2, 2, OXP_GIVES_BOOL, false}},
                      {"contains", {2, 2, OXP_GIVES_BOOL, false}},
                      {"substring-before", {2, 2, OXP_GIVES_TEXT, false}},
                      {"substring-after", {2, 2, OXP_GIVES_TEXT, false}},
                      {"substring", {2, 3, OXP_GIVES_TEXT, false}},
                      {"string-length", {0, 1, OXP_GIVES_NUMBER, false}},
                      {"normalize-space", {0, 1, OXP_GIVES_TEXT, false}},
                      {"translate", {3, 3, OXP_GIVES_TEXT, false}},
                      {"boolean", {1, 1, OXP_GIVES_BOOL, false}},
                      {"not", {1, 1, OXP_GIVES_BOOL, false}},
                      {"true", {0, 0, OXP_GIVES_BOOL, false}},
                      {"false", {0, 0, OXP_GIVES_BOOL, false}},
                      {"lang", {1, 1, OXP_GIVES_BOOL, false}},
                      {"number", {0, 1, OXP_GIVES_NUMBER, false}},
                      {"sum", {1, 1, OXP_GIVES_NUMBER, true}},
                      {"floor", {1, 1, OXP_GIVES_NUMBER, false}},
                      {"ceiling", {1, 1, OXP_GIVES_NUMBER, false}},
                      {"round", {1, 1, OXP_GIVES_NUMBER, false}},
                      {"node", {0, 0, OXP_GIVES_SET, false}},
                      {"text", {0, 0, OXP_GIVES_SET, false}},
                      {"comment", {0, 0, OXP_GIVES_SET, false}},
                      {"processing-instruction", {0, 1, OXP_GIVES_SET, false}}};

static const char *const word_operators[] = {"and", "or", "div", "mod", NULL};

static bool in_list(const char *const *list, const char *s, size_t n) {
    for (; *list; list++)
        if (strlen(*list) == n && !memcmp(*list, s, n))
            return true;
    return false;
}

static bool name_char(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.' || (unsigned char)c >= 0x80;
}

static bool name_start(char c) {
    return name_char(c) && c != '-' && c != '.' && !(c >= '0' && c <= '9');
}

static size_t name_length(const char *p) {
    size_t n = 0;
    while (name_char(p[n]))
        n++;
    return n;
}

/* Digits with a point, and an exponent, which libxml2 reads though XPath 1.0 has none. */
static size_t number_length(const char *p) {
    size_t n = strspn(p, "0123456789.");
    if (n && (p[n] == 'e' || p[n] == 'E')) {
        size_t sign = p[n + 1] == '+' || p[n + 1] == '-';
        size_t k = strspn(p + n + 1 + sign, "0123456789");
        n += k ? 1 + sign + k : 0;
    }
    return n;
}

/* An open bracket. */
typedef struct bracket {
    char closing;
    const char *function; /* its full name; NULL: none, as before [ */
    bool ours;
    oxp_xpath_call call;
    int commas;
    size_t tokens;    /* in this argument, */
    const char *text; /* which is this string, when it is the only one */
    double number;    /* or this number, perhaps behind a '-'; NAN: it is none */
    bool minus;
    bool of_element; /* what stands before a [ ends at an element */
} bracket;

typedef struct lexer {
    oxp_arena *arena;
    const char *expr;
    oxp_rule_on on;
    const oxp_rule_var *vars, *of_matches;
    const char *why;
    bracket open[NESTING_MAX];
    int depth;
    size_t tokens;      /* outside of all brackets */
    bracket called;     /* the function whose ( follows */
    bool after_operand; /* so that a name is an operator, and * is a product */
    oxp_gives operand;  /* what the last operand gives */
    bool of_element;    /* and is it elements, not attributes? */
    bool any_attribute;
} lexer;

static bool refuse(lexer *x, const char *why) {
    x->why = why;
    return false;
}

/* A token of the innermost bracket; `operand`: may an operator follow it? */
static void count_token(lexer *x, bool operand, const char *text) {
    x->after_operand = operand;
    x->operand = OXP_GIVES_ANY;
    x->of_element = false;
    if (!x->depth)
        x->tokens++;
    if (!x->depth)
        return;
    x->open[x->depth - 1].tokens++;
    x->open[x->depth - 1].text = text;
    x->open[x->depth - 1].number = NAN;
}

static bool find_function(lexer *x, const char *name, bool ours) {
    bracket *b = &x->called;
    b->ours = ours;
    b->function = oxp_sprintf(x->arena, "%s%s", ours ? "ox:" : "", name);
    if (ours && oxp_xpath_known(name, &b->call))
        return true;
    for (size_t i = 0; !ours && i < sizeof core_functions / sizeof *core_functions; i++)
        if (!strcmp(core_functions[i].name, name)) {
            b->call = core_functions[i].call;
            return true;
        }
    return refuse(x, oxp_sprintf(x->arena, "unknown function \"%s\"", b->function));
}

static bool in_vars(const oxp_rule_var *list, const char *s, size_t n, oxp_gives *gives) {
    for (; list && list->name; list++)
        if (strlen(list->name) == n && !memcmp(list->name, s, n)) {
            *gives = list->gives;
            return true;
        }
    return false;
}

/* The sign before p: '@' before an attribute, '/' and ':' within a path; 0: none. */
static char sign_before(const lexer *x, const char *p) {
    while (p > x->expr && strchr(" \t\r\n", p[-1]))
        p--;
    return p > x->expr ? p[-1] : 0;
}

/* May the expression come to an <attr>, whose attributes are the operator's business? */
static bool reaches_attr(const lexer *x) {
    const char *p = x->expr;
    for (const oxp_rule_var *v = x->vars; v->name; v++)
        if (v->of_attr && strchr(p, '$'))
            return true;
    if (strstr(p, "//") || strchr(p, '*') || strstr(p, "node()"))
        return true;
    for (const char *q = p; (q = strstr(q, "attr")) != NULL; q += 4)
        if (!name_char(q[4]) && (q == p || (!name_char(q[-1]) && q[-1] != '@')))
            return true;
    return false;
}

static bool inside_predicate(const lexer *x) {
    for (int i = 0; i < x->depth; i++)
        if (x->open[i].closing == ']')
            return true;
    return false;
}

/* Is the attribute with its sign at p one of the element that the rule is about? */
static bool is_own(const lexer *x, const char *p) {
    static const char match[] = "match/";
    size_t n = strlen(match);
    if (x->of_matches)
        return (size_t)(p - x->expr) >= n && !memcmp(p - n, match, n) &&
               ((size_t)(p - x->expr) == n || !strchr("/:", p[-(ptrdiff_t)n - 1]));
    return !inside_predicate(x) && !strchr("/:", sign_before(x, p) ? sign_before(x, p) : '.');
}

static bool check_attribute(lexer *x, const char *p, const char *name) {
    oxp_gives gives;
    if (in_vars(x->of_matches, name, strlen(name), &gives))
        return true;
    if (!is_own(x, p) && x->any_attribute)
        return true;
    if (!oxp_names_any(x->arena, "attribute", name))
        return refuse(x, oxp_sprintf(x->arena, "facts have no attribute \"%.60s\"", name));
    if (is_own(x, p) && !oxp_names_own(x->arena, x->on, "attribute", name))
        return refuse(x, oxp_sprintf(x->arena,
                                     "%s, which the rule is about, has no attribute \"%.60s\"",
                                     oxp_names_context(x->on), name));
    return true;
}

/* A name that is no function's and no operator's: is there anything that it may stand for? */
static bool check_step(lexer *x, const char *p, const char *name) {
    static const char axis[] = "attribute::";
    char before = sign_before(x, p);
    size_t n = strlen(axis);
    bool by_axis = (size_t)(p - x->expr) >= n && !memcmp(p - n, axis, n);
    if (before == '@' || by_axis) {
        while (!by_axis && *p != '@')
            p--;
        return check_attribute(x, by_axis ? p - n : p, name);
    }
    x->of_element = true;
    bool match = x->of_matches && !strcmp(name, "match");
    bool first = before != '/' && before != ':' && !inside_predicate(x);
    if (x->of_matches && !match && first)
        return refuse(x,
                      oxp_sprintf(x->arena,
                                  "\"%.60s\" means nothing here: the context has a match for each "
                                  "match, whose attributes are those of the element and the "
                                  "variables",
                                  name));
    if (match || (x->of_matches && !strcmp(name, "result")) || !strcmp(name, "value"))
        return true;
    if (!oxp_names_any(x->arena, "element", name))
        return refuse(x, oxp_sprintf(x->arena, "facts have no element \"%.60s\"", name));
    if (first && !x->of_matches && !oxp_names_own(x->arena, x->on, "element", name))
        return refuse(x,
                      oxp_sprintf(x->arena, "%s, which the rule is about, has no element \"%.60s\"",
                                  oxp_names_context(x->on), name));
    return true;
}

/* A name, perhaps with a prefix, at p: returns what follows it, NULL when it is refused. */
static const char *check_name(lexer *x, const char *p) {
    size_t n = name_length(p), prefix = 0;
    const char *name = p, *q = p + n;
    if (x->after_operand && in_list(word_operators, p, n)) {
        count_token(x, false, NULL);
        return q;
    }
    if (*q == ':' && q[1] != ':') {
        prefix = n;
        name = q + 1;
        n = *name == '*' ? 1 : name_length(name);
        q = name + n;
    }
    const char *after = q + strspn(q, " \t\r\n");
    bool ours = prefix == 2 && !memcmp(p, "ox", 2);
    if (prefix && !ours) {
        x->why = oxp_sprintf(x->arena, "unknown prefix \"%s\"", oxp_memdup0(x->arena, p, prefix));
        return NULL;
    }
    bool axis = *after == ':' && after[1] == ':', called = *after == '(';
    count_token(x, true, NULL);
    x->operand = OXP_GIVES_SET;
    if (called ? !find_function(x, oxp_memdup0(x->arena, name, n), ours)
               : !axis && *name != '*' && !check_step(x, p, oxp_memdup0(x->arena, name, n)))
        return NULL;
    return q;
}

static const char *check_variable(lexer *x, const char *p) {
    size_t n = name_length(p);
    oxp_gives gives;
    count_token(x, true, NULL);
    if (in_vars(x->vars, p, n, &gives)) {
        x->operand = gives;
        return p + n;
    }
    x->why = oxp_sprintf(x->arena, "unknown variable \"$%s\"", oxp_memdup0(x->arena, p, n));
    return NULL;
}

static const char *check_string(lexer *x, const char *p) {
    const char *end = strchr(p + 1, *p);
    if (!end) {
        x->why = "a string without its closing quote";
        return NULL;
    }
    count_token(x, true, oxp_memdup0(x->arena, p + 1, (size_t)(end - p - 1)));
    x->operand = OXP_GIVES_TEXT;
    return end + 1;
}

static bool is_no_set(oxp_gives gives) {
    return gives == OXP_GIVES_NUMBER || gives == OXP_GIVES_TEXT || gives == OXP_GIVES_BOOL;
}

static const char *kind_of(oxp_gives gives) {
    return gives == OXP_GIVES_NUMBER ? "a number"
           : gives == OXP_GIVES_TEXT ? "a text"
                                     : "a truth value";
}

/* Elements of facts have no text, and are no numbers. */
static bool wants_attributes(const bracket *b) {
    static const char *const names[] = {"ox:names", "ox:lowest", "ox:highest", "sum", NULL};
    return b->function && in_list(names, b->function, strlen(b->function));
}

/* Places in lists and sets are counted from 1; a negative one, where it is allowed, from the end.
 */
static bool is_place(const bracket *b, bool negative) {
    return isnan(b->number) ||
           (floor(b->number) == b->number && b->number >= 1 && (negative || !b->minus));
}

/* The end of an argument: is it a set where one is wanted, a word that the function knows, if it is
 * a word? */
static bool end_argument(lexer *x, const bracket *b) {
    if (wants_attributes(b) && x->of_element)
        return refuse(x, oxp_sprintf(x->arena,
                                     "%s takes attributes, as in match/@name: elements have no "
                                     "text",
                                     b->function));
    if (b->ours && b->commas == 1 &&
        (!strcmp(b->function, "ox:nth") || !strcmp(b->function, "ox:words-from")) &&
        !is_place(b, !strcmp(b->function, "ox:nth")))
        return refuse(
            x, oxp_sprintf(x->arena, "%s counts from 1: there is no such place", b->function));
    if (b->call.of_set && !b->commas && b->tokens == 1 && is_no_set(x->operand))
        return refuse(x, oxp_sprintf(x->arena, "%s takes a set of elements or attributes, not %s",
                                     b->function, kind_of(x->operand)));
    if (b->ours && b->tokens == 1 && b->text &&
        !oxp_xpath_takes(b->function + strlen("ox:"), b->commas + 1, b->text))
        return refuse(x, oxp_sprintf(x->arena, "%s does not know \"%.60s\"", b->function, b->text));
    return true;
}

static bool open_bracket(lexer *x, char c) {
    if (x->depth == NESTING_MAX)
        return refuse(x, "brackets nested more than 64 deep");
    bracket b = {.closing = ']', .of_element = x->of_element, .number = NAN};
    if (c == '(') {
        b = x->called;
        b.closing = ')';
        b.number = NAN;
        if (!b.function)
            count_token(x, false, NULL);
    }
    x->called = (bracket){.function = NULL};
    x->open[x->depth++] = b;
    x->after_operand = false;
    return true;
}

static bool close_bracket(lexer *x, char c) {
    if (!x->depth || x->open[x->depth - 1].closing != c)
        return refuse(x, oxp_sprintf(x->arena, "a %c that closes nothing", c));
    const bracket *b = &x->open[--x->depth];
    int n = b->commas || b->tokens ? b->commas + 1 : 0, least = b->call.least, most = b->call.most;
    x->after_operand = true;
    if (c == ']' && !is_place(b, false))
        return refuse(x, "elements are counted from 1: no element has the place in []");
    if (!b->function) {
        if (c == ']' || b->tokens != 1)
            x->operand = c == ']' ? OXP_GIVES_SET : OXP_GIVES_ANY;
        if (c == ']')
            x->of_element = b->of_element;
        return true;
    }
    if (n >= least && n <= most) {
        bool good = end_argument(x, b);
        x->operand = b->call.gives;
        x->of_element = b->ours && b->call.gives == OXP_GIVES_SET;
        return good;
    }
    const char *wanted = most == ANY_NUMBER ? oxp_sprintf(x->arena, "%d or more", least)
                         : least == most    ? oxp_sprintf(x->arena, "%d", least)
                                            : oxp_sprintf(x->arena, "%d to %d", least, most);
    return refuse(x, oxp_sprintf(x->arena, "%s takes %s argument%s, not %d", b->function, wanted,
                                 least == 1 && most == 1 ? "" : "s", n));
}

static bool check_sign(lexer *x, char c) {
    bracket *b = x->depth ? &x->open[x->depth - 1] : NULL;
    if (strchr("/[|", c) && x->after_operand && is_no_set(x->operand))
        return refuse(x, oxp_sprintf(x->arena, "a %c behind %s: it follows a set of elements", c,
                                     kind_of(x->operand)));
    if (c == '(' || c == '[')
        return open_bracket(x, c);
    if (c == ')' || c == ']')
        return close_bracket(x, c);
    if (c == ',' && b && b->function) {
        x->after_operand = false;
        if (!end_argument(x, b))
            return false;
        b->commas++;
        b->tokens = 0;
        b->text = NULL;
        b->number = NAN;
        b->minus = x->of_element = false;
        return true;
    }
    if (!strchr(" \t\r\n", c)) /* a lone * is a name when no operand is before it */
        count_token(x, c == '.' || (c == '*' && !x->after_operand), NULL);
    if (c == '-' && b && b->tokens == 1)
        b->minus = true;
    return true;
}

/* A number: remembered where it is, perhaps with its sign, all of an argument. */
static const char *take_number(lexer *x, const char *p) {
    bracket *b = x->depth ? &x->open[x->depth - 1] : NULL;
    count_token(x, true, NULL);
    x->operand = OXP_GIVES_NUMBER;
    if (b && b->tokens == 1 + (size_t)b->minus)
        b->number = strtod(p, NULL);
    return p + number_length(p);
}

const char *oxp_tokens_problem(oxp_arena *arena, const char *expr, oxp_rule_on on,
                               const oxp_rule_var *vars, const oxp_rule_var *of_matches,
                               oxp_gives *gives) {
    lexer *x = OXP_NEW(arena, lexer);
    x->arena = arena;
    x->expr = expr;
    x->on = on;
    x->vars = vars;
    x->of_matches = of_matches;
    x->any_attribute = reaches_attr(x);
    for (const char *p = expr; p && *p;) {
        if (*p == '"' || *p == '\'')
            p = check_string(x, p);
        else if (*p == '$')
            p = check_variable(x, p + 1);
        else if (name_start(*p))
            p = check_name(x, p);
        else if (*p >= '0' && *p <= '9')
            p = take_number(x, p);
        else
            p = check_sign(x, *p) ? p + 1 : NULL;
    }
    if (!x->why && x->depth)
        x->why = oxp_sprintf(arena, "a %c is missing at the end", x->open[x->depth - 1].closing);
    *gives = x->tokens == 1 ? x->operand : OXP_GIVES_ANY;
    return x->why;
}

bool oxp_expr_reaches_attr(const char *expr, const oxp_rule_var *vars) {
    lexer x = {.expr = expr, .vars = vars};
    return reaches_attr(&x);
}

bool oxp_expr_is_literal(const char *expr) {
    const char *p = expr + strspn(expr, " \t\r\n"), *end;
    if (*p == '"' || *p == '\'') {
        end = strchr(p + 1, *p);
        end = end ? end + 1 : p;
    } else
        end = p + (*p == '-');
    end += number_length(end);
    return end > p && !end[strspn(end, " \t\r\n")];
}

/* ---- what an expression looks at ---- */

/* Names behind '@', operators and pure functions; no step into an element, no '.', '..' or '*'. */
bool oxp_expr_is_bare(const char *expr) {
    static const char *const operators[] = {
        "and",     "or",     "div",    "mod",      "not",         "true",  "false", "number",
        "boolean", "concat", "string", "contains", "starts-with", "floor", NULL};
    for (const char *p = expr; *p;) {
        size_t n = name_length(p);
        if (*p == '"' || *p == '\'') {
            p = strchr(p + 1, *p);
            if (!p)
                return false;
            p++;
        } else if (*p == '@' || *p == '$') {
            p += 1 + name_length(p + 1);
        } else if (*p >= '0' && *p <= '9') {
            p += number_length(p);
        } else if (name_start(*p)) {
            if (n == 2 && !memcmp(p, "ox:", 3)) {
                char name[32];
                size_t k = name_length(p + 3);
                if (k >= sizeof name)
                    return false;
                memcpy(name, p + 3, k);
                name[k] = 0;
                if (!oxp_xpath_pure(name))
                    return false;
                p += 3 + k;
            } else if (in_list(operators, p, n)) {
                p += n;
            } else
                return false;
        } else if (*p == '.' || *p == '*' || *p == '/' || *p == '[') {
            return false;
        } else
            p++;
    }
    return true;
}

void oxp_expr_attributes(oxp_arena *arena, const char *expr, const char ***list, size_t *n,
                         size_t *cap) {
    for (const char *p = expr; p && *p; p++) {
        if (*p == '"' || *p == '\'')
            p = strchr(p + 1, *p);
        else if (*p == '@') {
            *list = oxp_grow(arena, *list, cap, *n + 1, sizeof **list);
            (*list)[(*n)++] = oxp_memdup0(arena, p + 1, name_length(p + 1));
        }
        if (!p)
            return;
    }
}

bool oxp_expr_names_attributes(const char *expr) {
    for (const char *p = expr; *p; p++) {
        if (*p == '"' || *p == '\'') {
            p = strchr(p + 1, *p);
            if (!p)
                return false;
        } else if ((*p == '@' && !name_length(p + 1)) || !strncmp(p, "attribute", 9) ||
                   !strncmp(p, "node()", 6)) {
            return false;
        }
    }
    return true;
}
