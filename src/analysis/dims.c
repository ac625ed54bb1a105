/* dims.c - symbolic sizes: hash-consed sums of products in a canonical form. */
#include "onnxpert/dims.h"

#include <string.h>

#include "analysis/dims_impl.h"
#include "base/intern.h"
#include "base/safe_math.h"

struct oxp_dims {
    oxp_arena *arena;
    oxp_intern *names;
    atom *atoms;
    size_t n_atoms, cap_atoms;
    expr *exprs;
    size_t n_exprs, cap_exprs;
    oxp_map *expr_of, *atom_of; /* hash -> index */
    uint32_t n_fresh;
};

oxp_dims *oxp_dims_new(oxp_arena *arena) {
    oxp_dims *p = OXP_NEW(arena, oxp_dims);
    p->arena = arena;
    p->names = oxp_intern_new(arena);
    p->expr_of = oxp_map_new(arena);
    p->atom_of = oxp_map_new(arena);
    return p;
}

oxp_dim oxp_dim_literal(int64_t v) {
    return v < OXP_DIM_LITERAL_MIN ? OXP_DIM_LITERAL_MIN : v;
}

const expr *oxp_dims_expr(const oxp_dims *p, oxp_dim d) {
    if (oxp_dim_is_literal(d) || d == OXP_DIM_UNKNOWN)
        return NULL;
    size_t index = (size_t)(d - INT64_MIN) - 1;
    return index < p->n_exprs ? &p->exprs[index] : NULL;
}

const atom *oxp_dims_atom(const oxp_dims *p, uint32_t id) {
    return &p->atoms[id];
}

/* ---- polynomials ---- */

/* Graded lexical order: higher degree first, then the smaller atom first.  It is compatible with
 * multiplication, which division needs. */
static int compare_monos(const mono *x, const mono *y) {
    if (x->n != y->n)
        return x->n > y->n ? -1 : 1;
    for (uint32_t i = 0; i < x->n; i++)
        if (x->atoms[i] != y->atoms[i])
            return x->atoms[i] < y->atoms[i] ? -1 : 1;
    return 0;
}

static void poly_add_mono(poly *r, const mono *m) {
    if (m->coef == 0 || !r->ok)
        return;
    uint32_t at = 0;
    while (at < r->n) {
        int d = compare_monos(&r->t[at], m);
        if (d > 0)
            break;
        if (d == 0) {
            r->ok = oxp_add_i64(r->t[at].coef, m->coef, &r->t[at].coef);
            if (r->t[at].coef == 0) {
                memmove(&r->t[at], &r->t[at + 1], (r->n - at - 1) * sizeof *m);
                r->n--;
            }
            return;
        }
        at++;
    }
    if (r->n == DIM_MAX_TERMS) {
        r->ok = false;
        return;
    }
    memmove(&r->t[at + 1], &r->t[at], (r->n - at) * sizeof *m);
    r->t[at] = *m;
    r->n++;
}

static void poly_init(poly *r) {
    r->ok = true;
    r->n = 0;
}

static bool mono_mul(mono *r, const mono *x, const mono *y) {
    if (x->n + y->n > DIM_MAX_DEGREE || !oxp_mul_i64(x->coef, y->coef, &r->coef))
        return false;
    uint32_t i = 0, j = 0;
    r->n = x->n + y->n;
    for (uint32_t k = 0; k < r->n; k++)
        r->atoms[k] =
            j == y->n || (i < x->n && x->atoms[i] <= y->atoms[j]) ? x->atoms[i++] : y->atoms[j++];
    return true;
}

/* r += k * d * m; d is any dimension but UNKNOWN */
static void poly_add_scaled(const oxp_dims *p, poly *r, oxp_dim d, const mono *m) {
    mono constant = {.coef = d};
    const expr *e = oxp_dims_expr(p, d);
    const mono *t = e != NULL ? e->t : &constant;
    uint32_t n = e != NULL ? e->n : 1;
    for (uint32_t i = 0; i < n && r->ok; i++) {
        mono product;
        r->ok = mono_mul(&product, &t[i], m);
        if (r->ok)
            poly_add_mono(r, &product);
    }
}

static void poly_add_dim(const oxp_dims *p, poly *r, oxp_dim d, int64_t k) {
    mono m = {.coef = k};
    poly_add_scaled(p, r, d, &m);
}

/* ---- interning ---- */

static uint64_t mix(uint64_t h, uint64_t v) {
    h = (h ^ v) * UINT64_C(0x9e3779b97f4a7c15);
    return h ^ (h >> 29);
}

static uint64_t hash_poly(const poly *r) {
    uint64_t h = 1;
    for (uint32_t i = 0; i < r->n; i++) {
        h = mix(mix(h, (uint64_t)r->t[i].coef), r->t[i].n);
        for (uint32_t k = 0; k < r->t[i].n; k++)
            h = mix(h, r->t[i].atoms[k]);
    }
    return h;
}

static bool same_expr(const expr *e, const poly *r) {
    if (e->n != r->n)
        return false;
    for (uint32_t i = 0; i < e->n; i++)
        if (e->t[i].coef != r->t[i].coef || compare_monos(&e->t[i], &r->t[i]) != 0)
            return false;
    return true;
}

static oxp_dim intern_poly(oxp_dims *p, const poly *r) {
    if (!r->ok)
        return OXP_DIM_UNKNOWN;
    if (r->n == 0)
        return 0;
    if (r->n == 1 && r->t[0].n == 0)
        return oxp_dim_is_literal(r->t[0].coef) ? r->t[0].coef : OXP_DIM_UNKNOWN;
    uint64_t hash = hash_poly(r);
    uint32_t found;
    while (oxp_map_get(p->expr_of, hash, &found)) { /* an equal hash of another one: next hash */
        if (same_expr(&p->exprs[found], r))
            return INT64_MIN + 1 + (int64_t)found;
        hash = mix(hash, 7);
    }
    expr e = {.n = r->n, .hash = hash};
    for (uint32_t i = 0; i < r->n; i++) {
        e.weight += r->t[i].n == 0 || (r->t[i].coef != 1 && r->t[i].coef != -1);
        for (uint32_t k = 0; k < r->t[i].n; k++) {
            const atom *a = &p->atoms[r->t[i].atoms[k]];
            e.weight += a->weight;
            e.depth = a->depth > e.depth ? a->depth : e.depth;
            e.opaque |= a->opaque;
        }
    }
    if (e.weight > DIM_MAX_WEIGHT || e.depth > DIM_MAX_DEPTH || p->n_exprs >= UINT32_MAX - 1)
        return OXP_DIM_UNKNOWN;
    mono *t = OXP_NEWS(p->arena, r->n, mono);
    memcpy(t, r->t, r->n * sizeof *t);
    e.t = t;
    p->exprs = oxp_grow(p->arena, p->exprs, &p->cap_exprs, p->n_exprs + 1, sizeof *p->exprs);
    p->exprs[p->n_exprs] = e;
    oxp_map_set(p->expr_of, hash, (uint32_t)p->n_exprs);
    return INT64_MIN + 1 + (int64_t)p->n_exprs++;
}

static oxp_dim new_atom(oxp_dims *p, const atom *a) {
    p->atoms = oxp_grow(p->arena, p->atoms, &p->cap_atoms, p->n_atoms + 1, sizeof *p->atoms);
    p->atoms[p->n_atoms] = *a;
    poly r;
    poly_init(&r);
    mono m = {.coef = 1, .n = 1, .atoms = {(uint32_t)p->n_atoms}};
    poly_add_mono(&r, &m);
    p->n_atoms++;
    oxp_dim d = intern_poly(p, &r);
    p->atoms[p->n_atoms - 1].self = d;
    return d;
}

static uint64_t hash_atom(atom_kind kind, uint64_t a, uint64_t b) {
    return mix(mix(mix(3, (uint64_t)kind), a), b);
}

/* The symbol of this interned name, or false and the free place for it. */
static bool find_symbol(const oxp_dims *p, const char *name, uint32_t *found, uint64_t *hash) {
    *hash = hash_atom(ATOM_SYMBOL, (uint64_t)(uintptr_t)name, 0);
    while (oxp_map_get(p->atom_of, *hash, found)) {
        if (p->atoms[*found].kind == ATOM_SYMBOL && p->atoms[*found].name == name)
            return true;
        *hash = mix(*hash, 7);
    }
    return false;
}

void oxp_dims_rename(oxp_dims *p, const char *(*rename)(void *, const char *), void *arg) {
    for (size_t i = 0; i < p->n_atoms; i++) {
        uint32_t found;
        uint64_t hash;
        if (p->atoms[i].kind != ATOM_SYMBOL)
            continue;
        const char *name = rename(arg, p->atoms[i].name);
        p->atoms[i].name = oxp_intern_add(p->names, name, strlen(name));
        if (!find_symbol(p, p->atoms[i].name, &found, &hash)) /* the old entry finds nobody now */
            oxp_map_set(p->atom_of, hash, (uint32_t)i);
    }
}

oxp_dim oxp_dim_symbol(oxp_dims *p, const char *name) {
    uint32_t found;
    uint64_t hash;
    name = oxp_intern_add(p->names, name, strlen(name));
    if (find_symbol(p, name, &found, &hash))
        return p->atoms[found].self;
    oxp_map_set(p->atom_of, hash, (uint32_t)p->n_atoms);
    return new_atom(p, &(atom){.kind = ATOM_SYMBOL, .weight = 1, .name = name});
}

oxp_dim oxp_dim_fresh(oxp_dims *p) {
    if (p->n_fresh >= DIM_MAX_FRESH)
        return OXP_DIM_UNKNOWN;
    p->n_fresh++;
    return new_atom(p, &(atom){.kind = ATOM_FRESH, .weight = 1, .opaque = true});
}

static oxp_dim function_atom(oxp_dims *p, atom_kind kind, oxp_dim a, oxp_dim b) {
    if (oxp_dim_is_unknown(a) || oxp_dim_is_unknown(b))
        return OXP_DIM_UNKNOWN;
    uint64_t hash = hash_atom(kind, (uint64_t)a, (uint64_t)b);
    uint32_t found;
    while (oxp_map_get(p->atom_of, hash, &found)) {
        const atom *x = &p->atoms[found];
        if (x->kind == kind && x->a == a && x->b == b)
            return x->self;
        hash = mix(hash, 7);
    }
    const expr *ea = oxp_dims_expr(p, a), *eb = oxp_dims_expr(p, b);
    uint32_t da = ea != NULL ? ea->depth : 0, db = eb != NULL ? eb->depth : 0;
    atom x = {.kind = kind, .a = a, .b = b};
    x.weight = 1 + oxp_dim_weight(p, a) + oxp_dim_weight(p, b);
    x.depth = 1 + (da > db ? da : db);
    x.opaque = (ea != NULL && ea->opaque) || (eb != NULL && eb->opaque);
    if (x.weight > DIM_MAX_WEIGHT || x.depth > DIM_MAX_DEPTH)
        return OXP_DIM_UNKNOWN;
    oxp_map_set(p->atom_of, hash, (uint32_t)p->n_atoms);
    return new_atom(p, &x);
}

/* ---- arithmetic ---- */

static bool any_unknown(oxp_dim a, oxp_dim b) {
    return oxp_dim_is_unknown(a) || oxp_dim_is_unknown(b);
}

static oxp_dim checked_literal(bool ok, int64_t v) {
    return ok && oxp_dim_is_literal(v) ? v : OXP_DIM_UNKNOWN;
}

static oxp_dim linear(oxp_dims *p, oxp_dim a, oxp_dim b, int64_t k) {
    if (any_unknown(a, b))
        return OXP_DIM_UNKNOWN;
    poly r;
    poly_init(&r);
    poly_add_dim(p, &r, a, 1);
    poly_add_dim(p, &r, b, k);
    return intern_poly(p, &r);
}

oxp_dim oxp_dim_add(oxp_dims *p, oxp_dim a, oxp_dim b) {
    if (oxp_dim_is_literal(a) && oxp_dim_is_literal(b)) {
        int64_t v;
        bool ok =
            oxp_add_i64(a, b, &v); /* before v is read: the order of arguments is not defined */
        return checked_literal(ok, v);
    }
    return linear(p, a, b, 1);
}

oxp_dim oxp_dim_sub(oxp_dims *p, oxp_dim a, oxp_dim b) {
    if (oxp_dim_is_literal(a) && oxp_dim_is_literal(b)) {
        int64_t v;
        bool ok =
            oxp_sub_i64(a, b, &v); /* before v is read: the order of arguments is not defined */
        return checked_literal(ok, v);
    }
    return linear(p, a, b, -1);
}

oxp_dim oxp_dim_mul(oxp_dims *p, oxp_dim a, oxp_dim b) {
    if (oxp_dim_is_literal(a) && oxp_dim_is_literal(b)) {
        int64_t v;
        bool ok =
            oxp_mul_i64(a, b, &v); /* before v is read: the order of arguments is not defined */
        return checked_literal(ok, v);
    }
    if (a == 0 || b == 0)
        return 0;
    if (any_unknown(a, b))
        return OXP_DIM_UNKNOWN;
    if (oxp_dim_is_literal(b)) {
        oxp_dim t = a;
        a = b;
        b = t;
    }
    poly r;
    poly_init(&r);
    const expr *e = oxp_dims_expr(p, a);
    if (e == NULL)
        poly_add_dim(p, &r, b, a);
    else
        for (uint32_t i = 0; i < e->n && r.ok; i++)
            poly_add_scaled(p, &r, b, &e->t[i]);
    return intern_poly(p, &r);
}

static int64_t floor_div(int64_t a, int64_t b) {
    int64_t q = a / b;
    return q * b != a && (a < 0) != (b < 0) ? q - 1 : q;
}

static int64_t gcd(int64_t a, int64_t b) {
    while (b != 0) {
        int64_t t = a % b;
        a = b;
        b = t;
    }
    return a < 0 ? -a : a;
}

/* floor(r / b) for a remainder whose coefficients all lie in [0, b): common factors taken out, and
 * floor((floor(x / d) + k) / b) = floor((x + k d) / (b d)). */
static oxp_dim floor_of_remainder(oxp_dims *p, poly *r, int64_t b) {
    int64_t g = b, k = 0;
    for (uint32_t i = 0; i < r->n; i++)
        if (r->t[i].n != 0)
            g = gcd(g, r->t[i].coef);
    for (uint32_t i = r->n; i-- > 0;) {
        r->t[i].coef /= g; /* exact but for the constant, which rounds down */
        if (r->t[i].n == 0) {
            k = r->t[i].coef;
            if (k == 0)
                r->n--; /* the constant is the last term */
        }
    }
    b /= g;
    const atom *inner = r->t[0].n == 1 ? &p->atoms[r->t[0].atoms[0]] : NULL;
    if (inner != NULL && r->t[0].coef == 1 && r->n == 1u + (k != 0) && inner->kind == ATOM_FLOOR &&
        oxp_dim_is_literal(inner->b)) {
        int64_t d = inner->b, kd, bd;
        if (oxp_mul_i64(k, d, &kd) && oxp_mul_i64(b, d, &bd))
            return function_atom(p, ATOM_FLOOR, oxp_dim_add(p, inner->a, kd), bd);
    }
    return function_atom(p, ATOM_FLOOR, intern_poly(p, r), b);
}

static oxp_dim floor_by_literal(oxp_dims *p, oxp_dim a, int64_t b) {
    const expr *e = oxp_dims_expr(p, a);
    poly q, r;
    poly_init(&q);
    poly_init(&r);
    bool symbolic = false;
    for (uint32_t i = 0; i < e->n; i++) {
        mono m = e->t[i];
        int64_t c = m.coef;
        m.coef = floor_div(c, b);
        poly_add_mono(&q, &m);
        m.coef = c - m.coef * b;
        symbolic |= m.coef != 0 && m.n != 0;
        poly_add_mono(&r, &m);
    }
    oxp_dim whole = intern_poly(p, &q);
    return symbolic ? oxp_dim_add(p, whole, floor_of_remainder(p, &r, b)) : whole;
}

static bool mono_div(mono *r, const mono *x, const mono *y) {
    if (y->coef == 0 || x->coef % y->coef != 0 || x->n < y->n)
        return false;
    *r = (mono){.coef = x->coef / y->coef};
    uint32_t j = 0;
    for (uint32_t i = 0; i < x->n; i++) {
        if (j < y->n && x->atoms[i] == y->atoms[j])
            j++;
        else
            r->atoms[r->n++] = x->atoms[i];
    }
    return j == y->n;
}

/* a / b when it is a polynomial, else UNKNOWN. */
static oxp_dim divide_exactly(oxp_dims *p, oxp_dim a, const expr *b) {
    poly rest, q;
    poly_init(&rest);
    poly_init(&q);
    poly_add_dim(p, &rest, a, 1);
    oxp_dim divisor = INT64_MIN + 1 + (int64_t)(b - p->exprs);
    for (int step = 0; rest.ok && rest.n > 0; step++) {
        mono m;
        if (step > 2 * DIM_MAX_TERMS || !mono_div(&m, &rest.t[0], &b->t[0]))
            return OXP_DIM_UNKNOWN;
        poly_add_mono(&q, &m);
        m.coef = -m.coef;
        poly_add_scaled(p, &rest, divisor, &m);
    }
    return rest.ok ? intern_poly(p, &q) : OXP_DIM_UNKNOWN;
}

/* The monomial that divides every term of both. */
static mono common_factor(const expr *a, const expr *b) {
    mono f = a->t[0];
    f.coef = 0;
    for (uint32_t i = 0; i < a->n + b->n; i++) {
        const mono *m = i < a->n ? &a->t[i] : &b->t[i - a->n];
        f.coef = gcd(f.coef, m->coef);
        mono left = {.coef = f.coef};
        uint32_t j = 0;
        for (uint32_t k = 0; k < f.n; k++) {
            while (j < m->n && m->atoms[j] < f.atoms[k])
                j++;
            if (j < m->n && m->atoms[j] == f.atoms[k]) {
                left.atoms[left.n++] = f.atoms[k];
                j++;
            }
        }
        f = left;
    }
    return f;
}

static oxp_dim divide_by_mono(oxp_dims *p, oxp_dim a, const mono *m) {
    const expr *e = oxp_dims_expr(p, a);
    poly r;
    poly_init(&r);
    for (uint32_t i = 0; i < e->n; i++) {
        mono q;
        if (mono_div(&q, &e->t[i], m))
            poly_add_mono(&r, &q);
    }
    return intern_poly(p, &r);
}

oxp_dim oxp_dim_floordiv(oxp_dims *p, oxp_dim a, oxp_dim b) {
    if (b == 0 || any_unknown(a, b))
        return OXP_DIM_UNKNOWN;
    if (a == b)
        return 1;
    if (oxp_dim_is_literal(b)) {
        if (b < 0)
            return oxp_dim_floordiv(p, oxp_dim_mul(p, a, -1), -b);
        if (oxp_dim_is_literal(a))
            return checked_literal(true, floor_div(a, b));
        return floor_by_literal(p, a, b);
    }
    if (a == 0)
        return 0;
    oxp_dim exact = divide_exactly(p, a, oxp_dims_expr(p, b));
    if (!oxp_dim_is_unknown(exact))
        return exact;
    if (!oxp_dim_is_literal(a)) {
        mono f = common_factor(oxp_dims_expr(p, a), oxp_dims_expr(p, b));
        if (f.n > 0 || f.coef > 1) {
            oxp_dim x = divide_by_mono(p, a, &f), y = divide_by_mono(p, b, &f);
            return oxp_dim_is_literal(y) ? oxp_dim_floordiv(p, x, y)
                                         : function_atom(p, ATOM_FLOOR, x, y);
        }
    }
    return function_atom(p, ATOM_FLOOR, a, b);
}

oxp_dim oxp_dim_ceildiv(oxp_dims *p, oxp_dim a, oxp_dim b) {
    if (oxp_dim_is_literal(b) && b > 0 && !oxp_dim_is_literal(a))
        return oxp_dim_floordiv(p, oxp_dim_add(p, a, b - 1), b);
    return oxp_dim_mul(p, oxp_dim_floordiv(p, oxp_dim_mul(p, a, -1), b), -1);
}

oxp_dim oxp_dim_mod(oxp_dims *p, oxp_dim a, oxp_dim b) {
    return oxp_dim_sub(p, a, oxp_dim_mul(p, b, oxp_dim_floordiv(p, a, b)));
}

/* ---- bounds ---- */

static int64_t bound_of(const oxp_dims *p, const poly *r, int depth);

static int64_t operand_bound(const oxp_dims *p, oxp_dim d, int depth) {
    poly r;
    poly_init(&r);
    poly_add_dim(p, &r, d, 1);
    return bound_of(p, &r, depth - 1);
}

static int64_t atom_bound(const oxp_dims *p, const atom *a, int depth) {
    if (a->kind == ATOM_SYMBOL || a->kind == ATOM_FRESH)
        return 0;
    int64_t la = operand_bound(p, a->a, depth);
    if (a->kind == ATOM_FLOOR) {
        if (!oxp_dim_is_literal(a->b))
            return la >= 0 && operand_bound(p, a->b, depth) >= 0 ? 0 : INT64_MIN;
        return la == INT64_MIN ? la : floor_div(la, a->b);
    }
    int64_t lb = operand_bound(p, a->b, depth);
    return (a->kind == ATOM_MIN) == (la < lb) ? la : lb;
}

/* Replaces term i of r, whose only atom is bounded by operand x from the side that matters. */
static int64_t bound_with(const oxp_dims *p, const poly *r, uint32_t i, oxp_dim x, int64_t coef,
                          int depth) {
    poly s = *r;
    memmove(&s.t[i], &s.t[i + 1], (s.n - i - 1) * sizeof *s.t);
    s.n--;
    poly_add_dim(p, &s, x, coef);
    return bound_of(p, &s, depth - 1);
}

static int64_t bound_through(const oxp_dims *p, const poly *r, uint32_t i, int depth) {
    const mono *m = &r->t[i];
    if (m->n != 1)
        return INT64_MIN;
    const atom *a = &p->atoms[m->atoms[0]];
    if ((a->kind == ATOM_MIN && m->coef < 0) || (a->kind == ATOM_MAX && m->coef > 0)) {
        int64_t x = bound_with(p, r, i, a->a, m->coef, depth);
        int64_t y = bound_with(p, r, i, a->b, m->coef, depth);
        return x > y ? x : y;
    }
    if (a->kind == ATOM_FLOOR && m->coef < 0 && oxp_dim_is_literal(a->b) && a->b > 0) {
        if (m->coef % a->b == 0) /* k b floor(a / b) <= k a */
            return bound_with(p, r, i, a->a, m->coef / a->b, depth);
        if (operand_bound(p, a->a, depth) >= 0) /* floor(a / b) <= a */
            return bound_with(p, r, i, a->a, m->coef, depth);
    }
    return INT64_MIN;
}

static int64_t bound_of(const oxp_dims *p, const poly *r, int depth) {
    int64_t sum = 0;
    bool known = r->ok && depth > 0;
    for (uint32_t i = 0; known && i < r->n; i++) {
        int64_t product = r->t[i].coef;
        known = product > 0 || r->t[i].n == 0;
        for (uint32_t k = 0; known && k < r->t[i].n; k++) {
            int64_t b = atom_bound(p, &p->atoms[r->t[i].atoms[k]], depth);
            known = b >= 0 ? oxp_mul_i64(product, b, &product)
                           : b != INT64_MIN && r->t[i].n == 1 && oxp_mul_i64(product, b, &product);
        }
        known = known && oxp_add_i64(sum, product, &sum);
    }
    if (known)
        return sum;
    int64_t best = INT64_MIN;
    for (uint32_t i = 0; r->ok && depth > 0 && i < r->n; i++) {
        int64_t b = bound_through(p, r, i, depth);
        best = b > best ? b : best;
    }
    return best;
}

int64_t oxp_dim_lower_bound(const oxp_dims *p, oxp_dim a) {
    if (oxp_dim_is_literal(a) || oxp_dim_is_unknown(a))
        return a;
    poly r;
    poly_init(&r);
    poly_add_dim(p, &r, a, 1);
    return bound_of(p, &r, 3);
}

static oxp_dim extreme(oxp_dims *p, oxp_dim a, oxp_dim b, atom_kind kind) {
    if (a == b)
        return a;
    if (any_unknown(a, b))
        return OXP_DIM_UNKNOWN;
    if (oxp_dim_is_literal(a) && oxp_dim_is_literal(b))
        return (kind == ATOM_MIN) == (a < b) ? a : b;
    if (oxp_dim_lower_bound(p, oxp_dim_sub(p, a, b)) >= 0)
        return kind == ATOM_MIN ? b : a;
    if (oxp_dim_lower_bound(p, oxp_dim_sub(p, b, a)) >= 0)
        return kind == ATOM_MIN ? a : b;
    return function_atom(p, kind, a < b ? a : b, a < b ? b : a);
}

oxp_dim oxp_dim_min(oxp_dims *p, oxp_dim a, oxp_dim b) {
    return extreme(p, a, b, ATOM_MIN);
}

oxp_dim oxp_dim_max(oxp_dims *p, oxp_dim a, oxp_dim b) {
    return extreme(p, a, b, ATOM_MAX);
}

/* ---- questions ---- */

bool oxp_dim_is_opaque(const oxp_dims *p, oxp_dim a) {
    const expr *e = oxp_dims_expr(p, a);
    return e != NULL ? e->opaque : oxp_dim_is_unknown(a);
}

uint32_t oxp_dim_weight(const oxp_dims *p, oxp_dim a) {
    const expr *e = oxp_dims_expr(p, a);
    return e != NULL ? e->weight : 1;
}

static oxp_dim eval_atom(oxp_dims *p, const atom *a, oxp_binding_fn value_of, const void *arg) {
    if (a->kind == ATOM_FRESH)
        return OXP_DIM_UNKNOWN;
    if (a->kind == ATOM_SYMBOL) {
        int64_t v = value_of(arg, a->name);
        return v < 0 ? OXP_DIM_UNKNOWN : v;
    }
    atom_kind kind = a->kind;
    oxp_dim right = a->b, x = oxp_dim_eval(p, a->a, value_of, arg);
    oxp_dim y = oxp_dim_eval(p, right, value_of, arg);
    if (kind == ATOM_FLOOR)
        return oxp_dim_floordiv(p, x, y);
    return extreme(p, x, y, kind);
}

oxp_dim oxp_dim_eval(oxp_dims *p, oxp_dim a, oxp_binding_fn value_of, const void *arg) {
    const expr *e = oxp_dims_expr(p, a);
    if (e == NULL)
        return a;
    if (e->opaque)
        return OXP_DIM_UNKNOWN;
    oxp_dim sum = 0;
    uint32_t n = e->n;
    const mono *t = e->t; /* stays where it is; e may move */
    for (uint32_t i = 0; i < n; i++) {
        oxp_dim product = t[i].coef;
        for (uint32_t k = 0; k < t[i].n; k++) /* the depth of atoms is bounded when they are made */
            product =
                oxp_dim_mul(p, product, eval_atom(p, &p->atoms[t[i].atoms[k]], value_of, arg));
        sum = oxp_dim_add(p, sum, product);
    }
    return sum;
}
