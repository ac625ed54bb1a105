/* json_check.c - see json_check.h. */
#include "support/json_check.h"

#include <ctype.h>
#include <math.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef enum kind { NUL, BOOLEAN, NUMBER, STRING, ARRAY, OBJECT } kind;

struct json {
    kind kind;
    bool truth;
    double number;
    char *text;
    char **keys; /* objects */
    json **items;
    size_t n;
    json *next; /* all of them, so that leak checkers see them reachable to the end */
};

static json *everything;

typedef struct reader {
    const char *at, *end, *begin;
    char *why;
    int depth;
} reader;

static json *fail(reader *r, const char *what) {
    if (r->why[0] == '\0')
        snprintf(r->why, 256, "byte %zu: %s", (size_t)(r->at - r->begin), what);
    return NULL;
}

static void space(reader *r) {
    while (r->at < r->end && strchr(" \t\r\n", *r->at) != NULL)
        r->at++;
}

static json *make(kind k) {
    json *j = calloc(1, sizeof *j);
    j->kind = k;
    j->next = everything;
    everything = j;
    return j;
}

static char *string(reader *r) {
    const char *close = r->at + 1;
    while (close < r->end && *close != '"')
        close += *close == '\\' ? 2 : 1;
    char *out = malloc((size_t)(close - r->at) + 1);
    size_t n = 0;
    for (r->at++; r->at < r->end && *r->at != '"'; r->at++) {
        if ((unsigned char)*r->at < 0x20) {
            free(out);
            fail(r, "a control character in a string");
            return NULL;
        }
        if (*r->at != '\\') {
            out[n++] = *r->at;
            continue;
        }
        if (++r->at >= r->end || strchr("\"\\/bfnrtu", *r->at) == NULL) {
            free(out);
            fail(r, "a bad escape");
            return NULL;
        }
        if (*r->at == 'u') {
            for (int i = 1; i <= 4; i++) {
                if (r->at + i >= r->end || !isxdigit((unsigned char)r->at[i])) {
                    free(out);
                    fail(r, "a bad \\u");
                    return NULL;
                }
            }
            out[n++] = '?'; /* the tests compare ASCII only */
            r->at += 4;
        } else {
            out[n++] = *r->at == 'n' ? '\n' : *r->at == 't' ? '\t' : *r->at;
        }
    }
    if (r->at >= r->end) {
        free(out);
        fail(r, "an open string");
        return NULL;
    }
    r->at++;
    out[n] = '\0';
    return out;
}

static json *value(reader *r);

static json *container(reader *r, bool object) {
    json *j = make(object ? OBJECT : ARRAY);
    char close = object ? '}' : ']';
    size_t cap = 0;
    for (r->at++, space(r); r->at < r->end && *r->at != close; space(r)) {
        if (j->n > 0 && *r->at++ != ',')
            return fail(r, "a comma is missing");
        space(r);
        if (j->n == cap) {
            cap = cap ? 2 * cap : 8;
            j->items = realloc(j->items, cap * sizeof *j->items);
            j->keys = realloc(j->keys, cap * sizeof *j->keys);
        }
        if (object) {
            if (r->at >= r->end || *r->at != '"' || (j->keys[j->n] = string(r)) == NULL)
                return fail(r, "a key is missing");
            space(r);
            if (r->at >= r->end || *r->at++ != ':')
                return fail(r, "a colon is missing");
        }
        if ((j->items[j->n] = value(r)) == NULL)
            return NULL;
        j->n++;
    }
    if (r->at >= r->end)
        return fail(r, "an open object or array");
    r->at++;
    return j;
}

static json *word(reader *r, const char *w, json *j) {
    if ((size_t)(r->end - r->at) < strlen(w) || strncmp(r->at, w, strlen(w)) != 0)
        return fail(r, "an unknown word");
    r->at += strlen(w);
    return j;
}

static json *value(reader *r) {
    space(r);
    if (r->at >= r->end || r->depth > 60)
        return fail(r, "too deep, or no value");
    json *j = NULL;
    r->depth++;
    if (*r->at == '{' || *r->at == '[') {
        j = container(r, *r->at == '{');
    } else if (*r->at == '"') {
        j = make(STRING);
        if ((j->text = string(r)) == NULL)
            j = NULL;
    } else if (*r->at == 't' || *r->at == 'f') {
        j = make(BOOLEAN);
        j->truth = *r->at == 't';
        j = word(r, j->truth ? "true" : "false", j);
    } else if (*r->at == 'n') {
        j = word(r, "null", make(NUL));
    } else {
        char *end;
        j = make(NUMBER);
        j->number = strtod(r->at, &end);
        if (end == r->at || !(isdigit((unsigned char)*r->at) || *r->at == '-'))
            j = fail(r, "no number");
        r->at = end;
    }
    r->depth--;
    return j;
}

const json *json_parse(const char *text, size_t len, char *why) {
    reader r = {text, text + len, text, why, 0};
    why[0] = '\0';
    json *j = value(&r);
    space(&r);
    return j != NULL && r.at != r.end ? fail(&r, "something behind the document") : j;
}

const json *json_read_file(const char *path, char *why) {
    FILE *f = fopen(path, "rb");
    snprintf(why, 256, "%s: cannot be read", path);
    if (f == NULL)
        return NULL;
    size_t cap = 1u << 20, n = 0, got;
    char *text = malloc(cap);
    while ((got = fread(text + n, 1, cap - n, f)) > 0) {
        n += got;
        if (n == cap)
            text = realloc(text, cap *= 2);
    }
    fclose(f);
    const json *j = json_parse(text, n, why);
    free(text);
    return j;
}

const json *json_get(const json *j, const char *key) {
    for (size_t i = 0; j != NULL && j->kind == OBJECT && i < j->n; i++) {
        if (strcmp(j->keys[i], key) == 0)
            return j->items[i];
    }
    return NULL;
}

const json *json_at(const json *j, size_t i) {
    return j != NULL && j->kind >= ARRAY && i < j->n ? j->items[i] : NULL;
}

size_t json_count(const json *j) {
    return j != NULL ? j->n : 0;
}

const char *json_text(const json *j) {
    return j != NULL && j->kind == STRING ? j->text : NULL;
}

double json_number(const json *j) {
    return j != NULL && j->kind == NUMBER ? j->number : NAN;
}

bool json_is_null(const json *j) {
    return j != NULL && j->kind == NUL;
}

/* ---- schema ---- */

static bool wrong(char *why, const char *at, const char *reason) {
    snprintf(why, 256, "%s: %s", *at ? at : "document", reason);
    return false;
}

static bool same(const json *a, const json *b) {
    if (a->kind != b->kind || (a->kind >= ARRAY && a->n != b->n))
        return false;
    for (size_t i = 0; a->kind >= ARRAY && i < a->n; i++) {
        const json *other = a->kind == ARRAY ? b->items[i] : json_get(b, a->keys[i]);
        if (other == NULL || !same(a->items[i], other))
            return false;
    }
    return a->kind == STRING    ? strcmp(a->text, b->text) == 0
           : a->kind == NUMBER  ? a->number == b->number
           : a->kind == BOOLEAN ? a->truth == b->truth
                                : true;
}

static bool is_of(const json *d, const char *type) {
    static const char *const names[] = {"null", "boolean", "number", "string", "array", "object"};
    if (strcmp(type, "integer") == 0)
        return d->kind == NUMBER && d->number == floor(d->number);
    return strcmp(type, names[d->kind]) == 0;
}

static bool meets(const json *d, const json *s, const json *root, const char *at, char *why);

static bool meets_object(const json *d, const json *s, const json *root, const char *at,
                         char *why) {
    const json *properties = json_get(s, "properties"), *rest = json_get(s, "additionalProperties"),
               *required = json_get(s, "required");
    char place[200];
    for (size_t i = 0; i < json_count(required); i++) {
        if (json_get(d, required->items[i]->text) == NULL) {
            snprintf(place, sizeof place, "%.80s lacks %.80s", at, required->items[i]->text);
            return wrong(why, place, "required");
        }
    }
    for (size_t i = 0; i < d->n; i++) {
        const json *p = json_get(properties, d->keys[i]);
        snprintf(place, sizeof place, "%.100s.%.60s", at, d->keys[i]);
        if (p == NULL && rest != NULL && rest->kind == BOOLEAN && !rest->truth)
            return wrong(why, place, "not in the schema");
        p = p != NULL ? p : rest;
        if (p != NULL && p->kind == OBJECT && !meets(d->items[i], p, root, place, why))
            return false;
        for (size_t k = 0; k < i && d->n < 100; k++) {
            if (strcmp(d->keys[k], d->keys[i]) == 0)
                return wrong(why, place, "twice");
        }
    }
    return true;
}

/* "#/definitions/run" in the document that holds it. */
static const json *pointed(const json *root, const char *ref) {
    char key[100];
    if (strncmp(ref, "#/", 2) != 0)
        return NULL;
    for (ref += 2; root != NULL; ref += *ref == '/') {
        size_t n = strcspn(ref, "/");
        snprintf(key, sizeof key, "%.*s", (int)n, ref);
        root = json_get(root, key);
        if (*(ref += n) == '\0')
            break;
    }
    return root;
}

/* A keyword that is not checked would make the check worthless: it is an error. */
static const char *unknown_keyword(const json *s) {
    static const char *const known[] = {"type",        "const",
                                        "enum",        "anyOf",
                                        "oneOf",       "$ref",
                                        "properties",  "required",
                                        "items",       "minItems",
                                        "maxItems",    "uniqueItems",
                                        "minimum",     "maximum",
                                        "pattern",     "format",
                                        "$schema",     "$id",
                                        "id",          "title",
                                        "description", "default",
                                        "$defs",       "$comment",
                                        "definitions", "additionalProperties"};
    for (size_t i = 0; i < s->n; i++) {
        bool found = false;
        for (size_t k = 0; k < sizeof known / sizeof *known; k++)
            found = found || strcmp(known[k], s->keys[i]) == 0;
        if (!found)
            return s->keys[i];
    }
    return NULL;
}

static bool meets_string(const json *d, const json *s, const char *at, char *why) {
    const json *pattern = json_get(s, "pattern"), *format = json_get(s, "format");
    if (pattern != NULL) {
        regex_t re;
        if (regcomp(&re, pattern->text, REG_EXTENDED | REG_NOSUB) != 0)
            return wrong(why, at, "a pattern that the checker cannot read");
        bool fits = regexec(&re, d->text, 0, NULL, 0) == 0;
        regfree(&re);
        if (!fits)
            return wrong(why, at, "does not match the pattern");
    }
    bool uri = format != NULL && strncmp(format->text, "uri", 3) == 0;
    for (const char *c = d->text; uri && *c != '\0'; c++) { /* RFC 3986, appendix A */
        if (strchr("-._~:/?#[]@!$&'()*+,;=", *c) == NULL && !isalnum((unsigned char)*c) &&
            !(*c == '%' && isxdigit((unsigned char)c[1]) && isxdigit((unsigned char)c[2])))
            return wrong(why, at, "not a URI");
    }
    if (uri && strcmp(format->text, "uri") == 0 && strchr(d->text, ':') == NULL)
        return wrong(why, at, "not an absolute URI");
    return true;
}

static bool meets_array(const json *d, const json *s, const json *root, const char *at, char *why) {
    const json *items = json_get(s, "items"), *least = json_get(s, "minItems"),
               *most = json_get(s, "maxItems"), *unique = json_get(s, "uniqueItems");
    if (least != NULL && (double)d->n < least->number)
        return wrong(why, at, "too few elements");
    if (most != NULL && (double)d->n > most->number)
        return wrong(why, at, "too many elements");
    for (size_t i = 0; i < d->n; i++) {
        char place[200];
        snprintf(place, sizeof place, "%.150s[%zu]", at, i);
        if (items != NULL && !meets(d->items[i], items, root, place, why))
            return false;
        for (size_t k = 0; unique != NULL && unique->truth && k < i; k++) {
            if (same(d->items[i], d->items[k]))
                return wrong(why, place, "twice");
        }
    }
    return true;
}

/* anyOf, oneOf, enum, const */
static bool meets_one(const json *d, const json *s, const json *root, const char *at, char *why) {
    const json *any = json_get(s, "anyOf"), *one = json_get(s, "oneOf"),
               *values = json_get(s, "enum"), *constant = json_get(s, "const");
    size_t met = 0;
    for (size_t i = 0; i < json_count(any); i++)
        met += meets(d, any->items[i], root, at, why);
    if (any != NULL && met == 0)
        return false;
    met = 0;
    for (size_t i = 0; i < json_count(one); i++)
        met += meets(d, one->items[i], root, at, why);
    if (one != NULL && met != 1)
        return wrong(why, at, "not exactly one of the forms allowed");
    bool ok = values == NULL;
    for (size_t i = 0; i < json_count(values) && !ok; i++)
        ok = same(d, values->items[i]);
    if (!ok || (constant != NULL && !same(d, constant)))
        return wrong(why, at, "not one of the values allowed");
    return true;
}

static bool meets(const json *d, const json *s, const json *root, const char *at, char *why) {
    if (s == NULL || unknown_keyword(s) != NULL)
        return wrong(why, at, s == NULL ? "a $ref that leads nowhere" : unknown_keyword(s));
    const json *ref = json_get(s, "$ref"), *type = json_get(s, "type"),
               *least = json_get(s, "minimum"), *most = json_get(s, "maximum");
    if (ref != NULL)
        return meets(d, pointed(root, ref->text), root, at, why);
    bool ok = type == NULL || (type->kind == STRING && is_of(d, type->text));
    for (size_t i = 0; type != NULL && type->kind == ARRAY && i < type->n; i++)
        ok = ok || is_of(d, type->items[i]->text);
    if (!ok)
        return wrong(why, at, "wrong type");
    if (!meets_one(d, s, root, at, why))
        return false;
    if (d->kind == NUMBER && ((least != NULL && d->number < least->number) ||
                              (most != NULL && d->number > most->number)))
        return wrong(why, at, "out of range");
    return d->kind == STRING  ? meets_string(d, s, at, why)
           : d->kind == ARRAY ? meets_array(d, s, root, at, why)
                              : d->kind != OBJECT || meets_object(d, s, root, at, why);
}

bool json_meets(const json *document, const json *schema, char *why) {
    why[0] = '\0';
    return meets(document, schema, schema, "", why);
}
