/* tokens.c - what an expression may hold: its tokens are walked here, because evaluation may never
 * reach a call, and libxml2's compiler looks neither at what a function takes nor, at the end of
 * the text, at a bracket that is still open. */
#include "rules/tokens.h"

#include <string.h>

#include "rules/xpath.h"

enum { NESTING_MAX = 64, ANY_NUMBER = 1000 };

/* XPath 1.0, section 4 (functions) and 2.3 (node tests). */
static const struct {
    const char *name;
    int least, most;
} core_functions[] = {{"last", 0, 0},
                      {"position", 0, 0},
                      {"count", 1, 1},
                      {"id", 1, 1},
                      {"local-name", 0, 1},
                      {"namespace-uri", 0, 1},
                      {"name", 0, 1},
                      {"string", 0, 1},
                      {"concat", 2, ANY_NUMBER},
                      {"starts-with", 2, 2},
                      {"contains", 2, 2},
                      {"substring-before", 2, 2},
                      {"substring-after", 2, 2},
                      {"substring", 2, 3},
                      {"string-length", 0, 1},
                      {"normalize-space", 0, 1},
                      {"translate", 3, 3},
                      {"boolean", 1, 1},
                      {"not", 1, 1},
                      {"true", 0, 0},
                      {"false", 0, 0},
                      {"lang", 1, 1},
                      {"number", 0, 1},
                      {"sum", 1, 1},
                      {"floor", 1, 1},
                      {"ceiling", 1, 1},
                      {"round", 1, 1},
                      {"node", 0, 0},
                      {"text", 0, 0},
                      {"comment", 0, 0},
                      {"processing-instruction", 0, 1}};

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

/* An open bracket. */
typedef struct bracket {
    char closing;
    const char *function; /* its full name; NULL: none, as before [ */
    bool ours;
    int least, most, commas;
    size_t tokens;    /* in this argument, */
    const char *text; /* which is this string, when it is the only one */
} bracket;

typedef struct lexer {
    oxp_arena *arena;
    const char *const *vars; /* NULL-terminated */
    const char *why;
    bracket open[NESTING_MAX];
    int depth;
    bracket called;     /* the function whose ( follows */
    bool after_operand; /* so that a name is an operator, and * is a product */
} lexer;

static bool refuse(lexer *x, const char *why) {
    x->why = why;
    return false;
}

/* A token of the innermost bracket; `operand`: may an operator follow it? */
static void count_token(lexer *x, bool operand, const char *text) {
    x->after_operand = operand;
    if (!x->depth)
        return;
    x->open[x->depth - 1].tokens++;
    x->open[x->depth - 1].text = text;
}

static bool find_function(lexer *x, const char *name, bool ours) {
    bracket *b = &x->called;
    b->ours = ours;
    b->function = oxp_sprintf(x->arena, "%s%s", ours ? "ox:" : "", name);
    if (ours && oxp_xpath_known(name, &b->least, &b->most))
        return true;
    for (size_t i = 0; !ours && i < sizeof core_functions / sizeof *core_functions; i++)
        if (!strcmp(core_functions[i].name, name)) {
            b->least = core_functions[i].least;
            b->most = core_functions[i].most;
            return true;
        }
    return refuse(x, oxp_sprintf(x->arena, "unknown function \"%s\"", b->function));
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
    count_token(x, true, NULL);
    if (*after == '(' && !find_function(x, oxp_memdup0(x->arena, name, n), ours))
        return NULL;
    return q;
}

static const char *check_variable(lexer *x, const char *p) {
    size_t n = name_length(p);
    count_token(x, true, NULL);
    if (in_list(x->vars, p, n))
        return p + n;
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
    return end + 1;
}

/* The end of an argument: is it a word that the function knows, if it is a word? */
static bool end_argument(lexer *x, const bracket *b) {
    if (b->ours && b->tokens == 1 && b->text &&
        !oxp_xpath_takes(b->function + strlen("ox:"), b->commas + 1, b->text))
        return refuse(x, oxp_sprintf(x->arena, "%s does not know \"%.60s\"", b->function, b->text));
    return true;
}

static bool open_bracket(lexer *x, char c) {
    if (x->depth == NESTING_MAX)
        return refuse(x, "brackets nested more than 64 deep");
    bracket b = {.closing = ']'};
    if (c == '(') {
        b = x->called;
        b.closing = ')';
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
    int n = b->commas || b->tokens ? b->commas + 1 : 0;
    x->after_operand = true;
    if (!b->function)
        return true;
    if (n >= b->least && n <= b->most)
        return end_argument(x, b);
    const char *wanted = b->most == ANY_NUMBER ? oxp_sprintf(x->arena, "%d or more", b->least)
                         : b->least == b->most
                             ? oxp_sprintf(x->arena, "%d", b->least)
                             : oxp_sprintf(x->arena, "%d to %d", b->least, b->most);
    return refuse(x, oxp_sprintf(x->arena, "%s takes %s argument%s, not %d", b->function, wanted,
                                 b->least == 1 && b->most == 1 ? "" : "s", n));
}

static bool check_sign(lexer *x, char c) {
    bracket *b = x->depth ? &x->open[x->depth - 1] : NULL;
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
        return true;
    }
    if (!strchr(" \t\r\n", c)) /* a lone * is a name when no operand is before it */
        count_token(x, c == '.' || (c == '*' && !x->after_operand), NULL);
    return true;
}

const char *oxp_tokens_problem(oxp_arena *arena, const char *expr, const char *const *vars) {
    lexer *x = OXP_NEW(arena, lexer);
    x->arena = arena;
    x->vars = vars;
    for (const char *p = expr; p && *p;) {
        if (*p == '"' || *p == '\'')
            p = check_string(x, p);
        else if (*p == '$')
            p = check_variable(x, p + 1);
        else if (name_start(*p))
            p = check_name(x, p);
        else if (*p >= '0' && *p <= '9') {
            count_token(x, true, NULL);
            p += strspn(p, "0123456789.");
        } else
            p = check_sign(x, *p) ? p + 1 : NULL;
    }
    if (!x->why && x->depth)
        x->why = oxp_sprintf(arena, "a %c is missing at the end", x->open[x->depth - 1].closing);
    return x->why;
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
            p += strspn(p, "0123456789.");
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
