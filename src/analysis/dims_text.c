/* dims_text.c - dimensions as text, both ways. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/dims_impl.h"
#include "base/digits.h"

/* ---- printing ---- */

static const char *text_of(const oxp_dims *p, oxp_dim a, oxp_arena *arena);
static const char *sum_text(const oxp_dims *p, const mono *t, uint32_t n_terms, oxp_arena *arena);

/* floor((x + b - 1) / b) reads better as ceil(x / b). */
static const char *ceil_text(const oxp_dims *p, const atom *a, oxp_arena *arena) {
    const expr *e = oxp_dims_expr(p, a->a);
    if (e == NULL || e->n < 2 || e->t[e->n - 1].n != 0 || !oxp_dim_is_literal(a->b) ||
        e->t[e->n - 1].coef != a->b - 1)
        return NULL;
    const char *x = sum_text(p, e->t, e->n - 1, arena);
    bool paren = e->n > 2;
    return oxp_sprintf(arena, "ceil(%s%s%s/%lld)", paren ? "(" : "", x, paren ? ")" : "",
                       (long long)a->b);
}

static const char *atom_text(const oxp_dims *p, const atom *a, oxp_arena *arena) {
    if (a->kind == ATOM_SYMBOL)
        return a->name;
    if (a->kind == ATOM_FRESH)
        return "?";
    const char *x = text_of(p, a->a, arena), *y = text_of(p, a->b, arena);
    if (a->kind != ATOM_FLOOR)
        return oxp_sprintf(arena, "%s(%s,%s)", a->kind == ATOM_MIN ? "min" : "max", x, y);
    const char *up = ceil_text(p, a, arena);
    if (up != NULL)
        return up;
    const expr *ex = oxp_dims_expr(p, a->a), *ey = oxp_dims_expr(p, a->b);
    bool paren_x = ex != NULL && ex->n > 1;
    bool paren_y = ey != NULL && (ey->n > 1 || ey->weight > 1);
    return oxp_sprintf(arena, "floor(%s%s%s/%s%s%s)", paren_x ? "(" : "", x, paren_x ? ")" : "",
                       paren_y ? "(" : "", y, paren_y ? ")" : "");
}

static int compare_texts(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* A term without its sign: factors by name, the number behind them. */
static const char *term_text(const oxp_dims *p, const mono *m, oxp_arena *arena) {
    const char *factors[DIM_MAX_DEGREE];
    for (uint32_t i = 0; i < m->n; i++)
        factors[i] = atom_text(p, oxp_dims_atom(p, m->atoms[i]), arena);
    qsort(factors, m->n, sizeof *factors, compare_texts);
    const char *s = "";
    for (uint32_t i = 0; i < m->n; i++)
        s = i == 0 ? factors[i] : oxp_sprintf(arena, "%s*%s", s, factors[i]);
    uint64_t size = m->coef < 0 ? 0 - (uint64_t)m->coef : (uint64_t)m->coef;
    if (m->n == 0)
        return oxp_sprintf(arena, "%llu", (unsigned long long)size);
    return size == 1 ? s : oxp_sprintf(arena, "%s*%llu", s, (unsigned long long)size);
}

static const char *number_text(oxp_dim a, oxp_arena *arena) {
    char digits[OXP_DIGITS_MAX];
    return oxp_memdup0(arena, digits, oxp_digits_i64(digits, a));
}

/* Positive terms first, each group by name, the constant last. */
static const char *sum_text(const oxp_dims *p, const mono *t, uint32_t n_terms, oxp_arena *arena) {
    const char *s = "";
    for (int negative = 0; negative < 2; negative++) {
        const char *terms[DIM_MAX_TERMS];
        size_t n = 0;
        for (uint32_t i = 0; i < n_terms; i++)
            if (t[i].n != 0 && (t[i].coef < 0) == (negative == 1))
                terms[n++] = term_text(p, &t[i], arena);
        qsort(terms, n, sizeof *terms, compare_texts);
        for (size_t i = 0; i < n; i++)
            s = oxp_sprintf(arena, "%s%s%s", s, negative ? "-" : (*s != '\0' ? "+" : ""), terms[i]);
    }
    const mono *last = &t[n_terms - 1];
    if (last->n == 0)
        s = oxp_sprintf(arena, "%s%s%s", s, last->coef < 0 ? "-" : "+", term_text(p, last, arena));
    return s;
}

static const char *text_of(const oxp_dims *p, oxp_dim a, oxp_arena *arena) {
    const expr *e = oxp_dims_expr(p, a);
    if (e == NULL)
        return oxp_dim_is_literal(a) ? number_text(a, arena) : "?";
    return sum_text(p, e->t, e->n, arena);
}

const char *oxp_dim_text(const oxp_dims *p, oxp_dim a, oxp_arena *arena) {
    return oxp_dim_is_opaque(p, a) ? "?" : text_of(p, a, arena);
}

/* ---- parsing ---- */

/* num / den: sizes are written as floor(H/2 + 1), so fractions live until the floor around them. */
typedef struct fraction {
    oxp_dim num;
    int64_t den;
} fraction;

typedef struct reader {
    oxp_dims *pool;
    const char *at;
    int depth;
    bool ok;
} reader;

static fraction parse_sum(reader *r);

static void skip_space(reader *r) {
    while (*r->at == ' ')
        r->at++;
}

static bool take(reader *r, const char *token) {
    skip_space(r);
    size_t n = strlen(token);
    if (strncmp(r->at, token, n) != 0)
        return false;
    r->at += n;
    return true;
}

static fraction whole(oxp_dim d) {
    return (fraction){d, 1};
}

static oxp_dim scaled(reader *r, fraction f, int64_t k) {
    return oxp_dim_mul(r->pool, f.num, oxp_dim_literal(k));
}

static oxp_dim integer(reader *r, fraction f) {
    if (f.den != 1)
        r->ok = false;
    return f.num;
}

/* floor(x), ceil(x), min(x, y, ...), max, mod(x, y); "Min", "ceiling", ... as SymPy writes them */
static fraction parse_function(reader *r, const char *name, size_t n) {
    oxp_dims *p = r->pool;
    fraction x = parse_sum(r);
    oxp_dim d = OXP_DIM_UNKNOWN;
    bool rounding = true;
    if (n == 5 && strncasecmp(name, "floor", n) == 0)
        d = oxp_dim_floordiv(p, x.num, x.den);
    else if ((n == 4 || n == 7) && strncasecmp(name, "ceiling", n) == 0)
        d = oxp_dim_ceildiv(p, x.num, x.den);
    else
        rounding = false;
    if (!rounding) {
        d = integer(r, x);
        bool is_min = strncasecmp(name, "min", n) == 0, is_max = strncasecmp(name, "max", n) == 0;
        r->ok &= n == 3 && (is_min || is_max || strncasecmp(name, "mod", n) == 0);
        while (r->ok && take(r, ",")) {
            oxp_dim y = integer(r, parse_sum(r));
            d = is_min   ? oxp_dim_min(p, d, y)
                : is_max ? oxp_dim_max(p, d, y)
                         : oxp_dim_mod(p, d, y);
        }
    }
    r->ok &= take(r, ")");
    return whole(d);
}

static fraction parse_factor(reader *r) {
    fraction f = whole(OXP_DIM_UNKNOWN);
    skip_space(r);
    const char *start = r->at;
    /* NOLINTNEXTLINE(bugprone-branch-clone): too deep and no number are two things */
    if (++r->depth > 40 || !r->ok) {
        r->ok = false;
    } else if (take(r, "-")) {
        f = parse_factor(r);
        f.num = scaled(r, f, -1);
    } else if (take(r, "(")) {
        f = parse_sum(r);
        r->ok &= take(r, ")");
    } else if (isdigit((unsigned char)*start)) {
        char *end;
        f.num = oxp_dim_literal(strtoll(start, &end, 10));
        r->at = end;
        r->ok &= end - start < 19 && !isalpha((unsigned char)*end) && *end != '_';
    } else if (isalpha((unsigned char)*start) || *start == '_') {
        while (isalnum((unsigned char)*r->at) || *r->at == '_' || *r->at == '.')
            r->at++;
        size_t n = (size_t)(r->at - start);
        char name[128];
        if (*r->at == '(') {
            r->at++;
            f = parse_function(r, start, n);
        } else if (n < sizeof name) {
            memcpy(name, start, n);
            name[n] = '\0';
            f.num = oxp_dim_symbol(r->pool, name);
        } else {
            r->ok = false;
        }
    } else {
        r->ok = false;
    }
    r->depth--;
    return f;
}

static fraction parse_product(reader *r) {
    fraction f = parse_factor(r);
    while (r->ok) {
        if (take(r, "//")) {
            fraction g = parse_factor(r);
            f = whole(oxp_dim_floordiv(r->pool, integer(r, f), integer(r, g)));
        } else if (take(r, "*")) {
            fraction g = parse_factor(r);
            f.num = oxp_dim_mul(r->pool, f.num, g.num);
            r->ok &= !__builtin_mul_overflow(f.den, g.den, &f.den);
        } else if (take(r, "/")) {
            oxp_dim d = integer(r, parse_factor(r));
            if (f.den == 1 && !oxp_dim_is_literal(d) &&
                r->ok) /* only the floor around can follow */
                f = whole(oxp_dim_floordiv(r->pool, f.num, d));
            else
                r->ok &= d > 0 && !__builtin_mul_overflow(f.den, d, &f.den);
        } else if (take(r, "%")) {
            fraction g = parse_factor(r);
            f = whole(oxp_dim_mod(r->pool, integer(r, f), integer(r, g)));
        } else {
            break;
        }
    }
    return f;
}

static fraction parse_sum(reader *r) {
    fraction f = parse_product(r);
    while (r->ok) {
        bool plus = take(r, "+");
        if (!plus && !take(r, "-"))
            break;
        fraction g = parse_product(r);
        oxp_dim x = scaled(r, f, g.den), y = scaled(r, g, f.den);
        f.num = plus ? oxp_dim_add(r->pool, x, y) : oxp_dim_sub(r->pool, x, y);
        r->ok &= !__builtin_mul_overflow(f.den, g.den, &f.den);
    }
    return f;
}

oxp_dim oxp_dim_parse(oxp_dims *p, const char *text) {
    if (strcmp(text, "?") == 0)
        return oxp_dim_fresh(p);
    if (strlen(text) > 1000 || strpbrk(text, "+-*/%(0123456789") == NULL)
        return oxp_dim_symbol(p, text);
    reader r = {.pool = p, .at = text, .ok = true};
    fraction f = parse_sum(&r);
    skip_space(&r);
    bool good = r.ok && *r.at == '\0' && f.den == 1 && !oxp_dim_is_unknown(f.num) &&
                !(oxp_dim_is_literal(f.num) && f.num < 0);
    return good ? f.num : oxp_dim_symbol(p, text);
}
