/* needs.c - reads and checks the clauses of needs.h. */
#include "ops/needs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/safe_math.h"
#include "ops/eval.h"
#include "ops/schema.h"

enum { LETTERS = 64, NAME_MAX_ = 64, TEXT_MAX = 120 };

/* What letters stand for; those of an alternative that does not fit are forgotten by their bits. */
typedef struct bindings {
    uint64_t known;
    oxp_dim sizes[LETTERS]; /* by the lower six bits of the character */
} bindings;

typedef struct needs {
    oxp_call *c;
    const char *at; /* the rest of the clauses */
    bindings letters;
} needs;

static bool is_digit(char ch) {
    return ch >= '0' && ch <= '9';
}

static bool is_letter(char ch) {
    return (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z');
}

static bool literal(oxp_dim d) {
    return oxp_dim_is_literal(d) && !oxp_dim_is_unknown(d);
}

static void bind(bindings *b, char letter, oxp_dim size) {
    if (!literal(size))
        return;
    b->known |= UINT64_C(1) << (letter & 63);
    b->sizes[letter & 63] = size;
}

static oxp_dim bound(const bindings *b, char letter) {
    return b->known >> (letter & 63) & 1 ? b->sizes[letter & 63] : OXP_DIM_UNKNOWN;
}

/* The number that *s begins with; digits that no 64 bits hold give the largest. */
static int64_t read_number(const char **s) {
    int64_t n = 0;
    for (; is_digit(**s); ++*s)
        if (!oxp_mul_i64(n, 10, &n) || !oxp_add_i64(n, **s - '0', &n))
            n = INT64_MAX;
    return n;
}

/* ---- shapes ---- */

/* One size of a pattern: factor (sum of letters' product) plus. */
typedef struct item {
    int64_t factor, plus;
    char free; /* the letter that is not bound yet, 0 = none */
    bool any, or_one, unknown;
} item;

/* Reads an item up to ',' or the end of the pattern. */
static const char *read_item(const bindings *letters, const char *s, item *it) {
    *it = (item){.factor = 1};
    for (; *s && *s != ',' && *s != '|' && *s != ';'; s++) {
        if (*s == '?')
            it->any = true;
        else if (*s == '^')
            it->or_one = true;
        else if (*s == '+') {
            s++;
            it->plus = read_number(&s);
            s--;
        } else if (is_digit(*s)) {
            it->factor =
                oxp_mul_i64(it->factor, read_number(&s), &it->factor) ? it->factor : INT64_MAX;
            s--;
        } else if (is_letter(*s)) {
            oxp_dim v = bound(letters, *s);
            if (!literal(v)) {
                it->unknown = it->free != 0;
                it->free = *s;
            } else if (!oxp_mul_i64(it->factor, v, &it->factor))
                it->unknown = true;
        }
    }
    return s;
}

static bool item_fits(bindings *letters, const item *it, oxp_dim d) {
    int64_t rest;
    if (it->any || it->unknown || !literal(d) || (it->or_one && d == 1))
        return true;
    if (!it->free)
        return oxp_add_i64(it->factor, it->plus, &rest) ? rest == d : true;
    rest = d - it->plus;
    if (rest < 0 || it->factor < 0 || (it->factor == 0 ? rest != 0 : rest % it->factor != 0))
        return false;
    if (it->factor > 0)
        bind(letters, it->free, rest / it->factor);
    return true;
}

static const char *pattern_end(const char *s) {
    while (*s && *s != '|' && *s != ';')
        s++;
    return s;
}

/* Number of sizes of a pattern without its *, whose position goes to *star (-1: it has none). */
static int pattern_length(const char *s, int *star) {
    int n = 0;
    *star = -1;
    if (*s == '(')
        return 0;
    for (const char *end = pattern_end(s); s < end; s++) {
        const char *first = s;
        while (s < end && *s != ',')
            s++;
        if (*first == '*')
            *star = n;
        else
            n++;
    }
    return n;
}

static bool shape_fits(bindings *letters, const char *s, const oxp_fact *f) {
    int star, n = pattern_length(s, &star), rank = oxp_rank(f), axis = 0;
    if (star < 0 ? rank != n : rank < n)
        return false;
    for (int k = 0; k < n; k++, axis++) {
        item it;
        if (k == star) {
            s += 2;
            axis += rank - n;
        }
        s = read_item(letters, s, &it);
        s += *s == ',';
        if (!item_fits(letters, &it, f->type.dims[axis]))
            return false;
    }
    return true;
}

static void append(char *text, const char *more) {
    size_t used = strlen(text);
    snprintf(text + used, TEXT_MAX - used, "%s", more);
}

static void append_size(char *text, oxp_dim d) {
    char number[24] = "?";
    if (literal(d))
        snprintf(number, sizeof number, "%lld", (long long)d);
    append(text, number);
}

static void shape_text(const oxp_fact *f, char *text) {
    append(text, "[");
    for (int i = 0; i < oxp_rank(f); i++) {
        append(text, i ? "," : "");
        append_size(text, f->type.dims[i]);
    }
    append(text, "]");
}

static void pattern_text(const bindings *letters, const char *s, char *text) {
    const char *end = pattern_end(s);
    append(text, "[");
    while (s < end && *s != '(') {
        item it;
        int64_t d;
        bool star = *s == '*';
        s = read_item(letters, s, &it);
        bool known = !it.any && !it.unknown && !it.free && oxp_add_i64(it.factor, it.plus, &d);
        if (star)
            append(text, "...");
        else {
            if (it.free && it.factor > 1 && !it.unknown) {
                const char letter[2] = {it.free, '\0'};
                append_size(text, it.factor);
                append(text, letter);
            } else
                append_size(text, known ? d : OXP_DIM_UNKNOWN);
        }
        append(text, s < end ? "," : "");
        s += *s == ',';
    }
    append(text, "]");
}

static bool check_shape(needs *q, uint32_t slot, const char *s) {
    const oxp_fact *f = oxp_input(q->c, slot);
    if (!f || oxp_rank(f) < 0)
        return true;
    char wanted[TEXT_MAX], have[TEXT_MAX];
    uint64_t known = q->letters.known;
    *wanted = *have = 0;
    for (const char *p = s;; p++) {
        if (shape_fits(&q->letters, p, f))
            return true;
        q->letters.known = known;
        append(wanted, *wanted ? " or " : "");
        pattern_text(&q->letters, p, wanted);
        p = pattern_end(p);
        if (*p != '|')
            break;
    }
    shape_text(f, have);
    oxp_op_error(q->c, "input %u (%s) has shape %s, not %s", slot, oxp_input_name(q->c, slot), have,
                 wanted);
    return false;
}

/* ---- values: of an attribute, or of a constant input ---- */

typedef struct values {
    const char *name; /* of the attribute or input */
    int slot;         /* -1: an attribute */
    const int64_t *ints;
    const float *floats;
    const oxp_elem *elems;
    size_t n;
    bool list;
} values;

/* For messages only. */
static const char *what(const values *v, char text[TEXT_MAX]) {
    if (v->slot < 0)
        snprintf(text, TEXT_MAX, "attribute %s", v->name);
    else
        snprintf(text, TEXT_MAX, "input %d (%.60s)", v->slot, v->name);
    return text;
}

/* False when nothing is known. */
static bool attr_values(const oxp_call *c, const char *name, values *v) {
    const oxp_attr *a = oxp_call_attr(c, name);
    if (!a)
        return false;
    v->slot = -1;
    v->name = name;
    v->n = 1;
    if (a->type == OXP_ATTR_INT)
        v->ints = &a->u.i;
    else if (a->type == OXP_ATTR_FLOAT)
        v->floats = &a->u.f;
    else if (a->type == OXP_ATTR_INTS || a->type == OXP_ATTR_FLOATS) {
        v->n = a->n;
        v->list = true;
        v->ints = a->type == OXP_ATTR_INTS ? a->u.ints : NULL;
        v->floats = a->type == OXP_ATTR_FLOATS ? a->u.floats : NULL;
    } else
        return false;
    return true;
}

static bool input_values(const oxp_call *c, uint32_t slot, values *v) {
    v->elems = oxp_input_elems(c, slot);
    if (!v->elems)
        return false;
    v->slot = (int)slot;
    v->name = oxp_input_name(c, slot);
    v->n = oxp_input(c, slot)->n_elems;
    v->list = oxp_rank(oxp_input(c, slot)) > 0;
    return true;
}

static bool number_of(const values *v, size_t i, double *d) {
    if (v->ints)
        *d = (double)v->ints[i];
    else if (v->floats)
        *d = (double)v->floats[i];
    else
        return oxp_elem_number(v->elems[i], d);
    return true;
}

/* ">=1", "<0.5" */
static bool check_bound(needs *q, const values *v, const char *s) {
    char text[TEXT_MAX];
    bool least = *s == '>', strict = s[1] != '=';
    double bound = strtod(s + (strict ? 1 : 2), NULL);
    for (size_t i = 0; i < v->n; i++) {
        double d;
        if (!number_of(v, i, &d) || (least ? d > bound : d < bound) || (d == bound && !strict))
            continue;
        oxp_op_error(
            q->c, "%s %s %.9g, it must be %s %.9g", what(v, text), v->list ? "holds" : "is", d,
            !strict ? (least ? "at least" : "at most") : (least ? "above" : "below"), bound);
        return false;
    }
    return true;
}

static bool check_axes(needs *q, const values *v, int rank) {
    if (rank < 0)
        return true;
    char text[TEXT_MAX];
    bool *seen = OXP_NEWS(q->c->scratch, (size_t)rank + 1, bool);
    for (size_t i = 0; i < v->n; i++) {
        double d;
        if (!number_of(v, i, &d))
            continue;
        if (d < -rank || d >= rank) {
            oxp_op_error(q->c, "%s %s %.9g, which is outside of rank %d", what(v, text),
                         v->list ? "holds" : "is", d, rank);
            return false;
        }
        int axis = (int)d < 0 ? (int)d + rank : (int)d;
        if (seen[axis]) {
            oxp_op_error(q->c, "%s lists axis %d twice", what(v, text), axis);
            return false;
        }
        seen[axis] = true;
    }
    return true;
}

static bool check_length(needs *q, const values *v, uint64_t have, int wanted) {
    if (wanted < 0 || have == (uint64_t)wanted)
        return true;
    char text[TEXT_MAX];
    oxp_op_error(q->c, "%s has %llu values, not %d", what(v, text), (unsigned long long)have,
                 wanted);
    return false;
}

/* "{a,b}"; behind a '?' what is no word of the list is taken for the default by runtimes. */
static bool check_words(needs *q, const char *name, const char *s, bool soft) {
    char own[24];
    const oxp_attr *a = oxp_call_attr(q->c, name);
    const char *word = own;
    if (a && a->type == OXP_ATTR_STRING && a->u.s.data)
        word = a->u.s.data;
    else if (a && a->type == OXP_ATTR_INT)
        snprintf(own, sizeof own, "%lld", (long long)a->u.i);
    else
        return true;
    const char *end = strchr(s, '}');
    for (const char *p = s; end && p < end; p++) {
        size_t n = strcspn(p, ",}");
        if (strlen(word) == n && memcmp(word, p, n) == 0)
            return true;
        p += n;
    }
    int n = end ? (int)(end - s) : 0;
    n = n < 200 ? n : 200;
    if (soft)
        oxp_op_warn(q->c, "attribute %s is '%.40s', none of %.*s", name, word, n, s);
    else
        oxp_op_invalid(q->c, "attribute %s is '%.40s', none of %.*s", name, word, n, s);
    return soft;
}

/* ---- clauses ---- */

/* Rank of input "N", changed by what follows: "0-2".  -1: not known. */
static int rank_of(const needs *q, const char *s) {
    char *end;
    int rank = oxp_rank(oxp_input(q->c, (uint32_t)strtoul(s, &end, 10)));
    return rank < 0 ? -1 : rank + (int)strtol(end, NULL, 10);
}

static bool check_values(needs *q, const values *v, const char *s) {
    if (*s == '@')
        return check_axes(q, v, rank_of(q, s + 1));
    if (*s == '#')
        return check_length(q, v, v->n, rank_of(q, s + 1));
    return check_bound(q, v, s);
}

static bool check_count(needs *q, uint32_t slot, int wanted) {
    const values v = {.slot = (int)slot, .name = oxp_input_name(q->c, slot)};
    uint64_t n;
    return !oxp_elements_literal(oxp_input(q->c, slot), &n) || check_length(q, &v, n, wanted);
}

/* Of the same shape; or, where it may broadcast, of one that leaves the other as it is. */
static bool check_like(needs *q, uint32_t slot, const char *s) {
    const oxp_fact *f = oxp_input(q->c, slot), *to;
    bool exact = *s == '=', output = s[1] == 'o';
    char have[TEXT_MAX], wanted[TEXT_MAX];
    *have = *wanted = 0;
    to = output ? (q->c->n_out ? q->c->out : NULL)
                : oxp_input(q->c, (uint32_t)strtoul(s + 1, NULL, 10));
    int rank = oxp_rank(f), more = oxp_rank(to) - rank;
    if (rank < 0 || oxp_rank(to) < 0)
        return true;
    bool fits =
        exact ? more == 0 : more >= 0 || !output; /* sizes of 1 in front: runtimes take them */
    for (int i = 0; i < rank && fits; i++) {
        oxp_dim a = f->type.dims[i], b = i + more < 0 ? 1 : to->type.dims[i + more];
        fits = !literal(a) || !literal(b) || a == b || (a == 1 && !exact);
    }
    if (fits)
        return true;
    shape_text(f, have);
    shape_text(to, wanted);
    oxp_op_error(q->c, "input %u (%s) has shape %s, it does not %s %s of %s", slot,
                 oxp_input_name(q->c, slot), have, exact ? "match" : "broadcast to", wanted,
                 output ? "the output" : oxp_input_name(q->c, (uint32_t)strtoul(s + 1, NULL, 10)));
    return false;
}

static bool check_input(needs *q, const char *s) {
    uint32_t first = (uint32_t)read_number(&s), last = first;
    if (*s == '-') {
        s++;
        last = (uint32_t)read_number(&s);
    }
    for (uint32_t slot = first; slot <= last && slot < q->c->n_in; slot++) {
        values v = {.n = 0};
        if (*s == '#' && !check_count(q, slot, rank_of(q, s + 1)))
            return false;
        if (*s == '#')
            continue;
        bool fits = *s == ':' ? check_shape(q, slot, s + 1)
                    : *s == '=' || *s == '~'
                        ? check_like(q, slot, s)
                        : !input_values(q->c, slot, &v) || check_values(q, &v, s);
        if (!fits)
            return false;
    }
    return true;
}

static void copy_name(char name[NAME_MAX_], const char *s, size_t n) {
    n = n < NAME_MAX_ ? n : NAME_MAX_ - 1;
    memcpy(name, s, n);
    name[n] = 0;
}

static bool check_attr(needs *q, const char *s) {
    char name[NAME_MAX_];
    size_t n = strcspn(s, "=<>@#{?");
    values v = {.n = 0};
    if (n == 1 && s[n] == '=') { /* a letter for an attribute */
        size_t length = strcspn(s + 2, "|;");
        copy_name(name, s + 2, length);
        const oxp_attr *a = oxp_call_attr(q->c, name);
        if (a && a->type == OXP_ATTR_INT)
            bind(&q->letters, *s, oxp_dim_literal(a->u.i));
        else if (s[2 + length] == '|')
            bind(&q->letters, *s, strtoll(s + 3 + length, NULL, 10));
        return true;
    }
    copy_name(name, s, n);
    bool soft = s[n] == '?';
    if (soft || s[n] == '{')
        return check_words(q, name, s + n + 1 + soft, soft);
    return !attr_values(q->c, name, &v) || check_values(q, &v, s + n);
}

/* Skips "13+ " and "12- "; false when the clause does not hold in this opset. */
static bool of_opset(const oxp_call *c, const char **s) {
    const char *end = *s;
    if (!is_digit(**s))
        return true;
    int64_t version = read_number(&end);
    if ((*end != '+' && *end != '-') || end[1] != ' ')
        return true;
    *s = end + 2;
    return *end == '+' ? c->opset >= version : c->opset <= version;
}

bool oxp_needs_check(oxp_call *c, const char *s) {
    needs q;
    q.c = c;
    q.letters.known = 0;
    for (; *s; s += *s == ';') {
        while (*s == ' ')
            s++;
        if (of_opset(c, &s) && !(is_digit(*s) ? check_input(&q, s) : check_attr(&q, s)))
            return false;
        s += strcspn(s, ";");
    }
    return true;
}
