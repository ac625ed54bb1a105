/* propagate.c - elements that are picked, placed, ordered or counted. */
#include "ops/propagate.h"

#include <string.h>

#include "ops/elems.h"
#include "ops/util.h"

/* Elements of an input, all of them there and its shape literal; else NULL. */
static const oxp_elem *whole(oxp_call *c, uint32_t slot) {
    const oxp_fact *f = oxp_input(c, slot);
    const oxp_elem *e = f ? oxp_input_elems(c, slot) : NULL;
    uint64_t n;
    return e && oxp_elements_literal(f, &n) && n == f->n_elems ? e : NULL;
}

/* A position along an axis of size d, from the end when negative; -1: not known or outside. */
static int64_t position(oxp_elem e, int64_t d) {
    if (!e.known || !oxp_dim_is_literal(e.i) || oxp_dim_is_unknown(e.i))
        return -1;
    int64_t at = e.i < 0 ? e.i + d : e.i;
    return at >= 0 && at < d ? at : -1;
}

/* ---- Concat ---- */

typedef struct joined {
    const oxp_call *c;
    const oxp_elem **e;
    int axis;
    int64_t *at;
} joined;

static oxp_elem joined_elem(const int64_t *at, const void *arg) {
    const joined *j = arg;
    int64_t along = at[j->axis];
    for (uint32_t i = 0; i < j->c->n_in; i++) {
        const oxp_fact *f = j->c->in[i];
        int64_t d = f->type.dims[j->axis];
        if (along >= d) {
            along -= d;
            continue;
        }
        if (j->e[i] == NULL)
            break;
        memcpy(j->at, at, (size_t)f->type.rank * sizeof *at);
        j->at[j->axis] = along;
        return j->e[i][oxp_linear(f, j->at)];
    }
    return oxp_elem_unknown();
}

void oxp_elems_concat(oxp_call *c, int axis) {
    uint64_t n;
    bool any = false;
    if (!oxp_out_count(c, 0, &n) || n > OXP_ELEMS_MAX)
        return;
    joined j = {c, OXP_NEWS(c->scratch, c->n_in + 1u, const oxp_elem *), axis,
                OXP_NEWS(c->scratch, (size_t)oxp_rank(&c->out[0]) + 1, int64_t)};
    for (uint32_t i = 0; i < c->n_in; i++) {
        if (!c->in[i] || !oxp_elements_literal(c->in[i], &n))
            return;
        j.e[i] = whole(c, i);
        any = any || (j.e[i] && n);
    }
    if (any)
        oxp_fill_elems(c, joined_elem, &j);
}

/* ---- GatherElements, GatherND, OneHot, Pad ---- */

typedef struct picked {
    const oxp_fact *x, *index;
    const oxp_elem *e, *i;
    int axis;      /* or the number of batch axes */
    int64_t depth; /* length of an index tuple */
    int64_t *at, *where;
    const int64_t *before;
    oxp_elem fill;
} picked;

static bool pick_start(oxp_call *c, picked *p) {
    p->x = oxp_input(c, 0);
    p->index = oxp_input(c, 1);
    p->e = whole(c, 0);
    p->i = whole(c, 1);
    if (!p->e || !p->i)
        return false;
    p->at = OXP_NEWS(c->scratch, (size_t)p->x->type.rank + 1, int64_t);
    p->where = OXP_NEWS(c->scratch, (size_t)p->index->type.rank + 1, int64_t);
    return true;
}

static oxp_elem at_index(const int64_t *at, const void *arg) {
    const picked *p = arg;
    int64_t to = position(p->i[oxp_linear(p->index, at)], p->x->type.dims[p->axis]);
    if (to < 0)
        return oxp_elem_unknown();
    memcpy(p->at, at, (size_t)p->x->type.rank * sizeof *at);
    p->at[p->axis] = to;
    return p->e[oxp_linear(p->x, p->at)];
}

void oxp_elems_gather_at(oxp_call *c, int axis) {
    picked p = {.axis = axis};
    if (pick_start(c, &p) && p.x->type.rank == p.index->type.rank)
        oxp_fill_elems(c, at_index, &p);
}

/* Output axes: those of the indices but the last, then what the tuples leave of x. */
static oxp_elem at_tuple(const int64_t *at, const void *arg) {
    const picked *p = arg;
    int lead = p->index->type.rank - 1, rank = p->x->type.rank;
    memcpy(p->where, at, (size_t)lead * sizeof *at);
    for (int k = 0; k < p->axis; k++)
        p->at[k] = at[k];
    for (int64_t k = 0; k < p->depth; k++) {
        int axis = p->axis + (int)k;
        p->where[lead] = k;
        p->at[axis] = position(p->i[oxp_linear(p->index, p->where)], p->x->type.dims[axis]);
        if (p->at[axis] < 0)
            return oxp_elem_unknown();
    }
    int from = p->axis + (int)p->depth;
    for (int k = from; k < rank; k++)
        p->at[k] = at[lead + k - from];
    return p->e[oxp_linear(p->x, p->at)];
}

void oxp_elems_gather_nd(oxp_call *c, int64_t batch) {
    picked p = {.axis = (int)batch};
    if (!pick_start(c, &p))
        return;
    p.depth = oxp_dim_of(p.index, -1);
    oxp_fill_elems(c, at_tuple, &p);
}

/* Input 2 holds what is elsewhere and what is at the index. */
static oxp_elem hot(const int64_t *at, const void *arg) {
    const picked *p = arg;
    for (int k = 0, to = 0; k <= p->x->type.rank; k++)
        if (k != p->axis)
            p->at[to++] = at[k];
    const oxp_elem *i = &p->e[oxp_linear(p->x, p->at)];
    if (!i->known || !oxp_dim_is_literal(i->i) || oxp_dim_is_unknown(i->i))
        return oxp_elem_unknown();
    int64_t depth = p->depth, index = i->i < 0 ? i->i + depth : i->i;
    return p->i[index == at[p->axis]];
}

void oxp_elems_one_hot(oxp_call *c, int axis) {
    picked p = {.axis = axis, .x = oxp_input(c, 0), .e = whole(c, 0), .i = whole(c, 2)};
    if (!p.e || !p.i || oxp_input(c, 2)->n_elems != 2)
        return;
    p.depth = oxp_dim_of(&c->out[0], axis);
    p.at = OXP_NEWS(c->scratch, (size_t)p.x->type.rank + 1, int64_t);
    oxp_fill_elems(c, hot, &p);
}

static oxp_elem padded(const int64_t *at, const void *arg) {
    const picked *p = arg;
    for (int k = 0; k < p->x->type.rank; k++) {
        p->at[k] = at[k] - p->before[k];
        if (p->at[k] < 0 || p->at[k] >= p->x->type.dims[k])
            return p->fill;
    }
    return p->e[oxp_linear(p->x, p->at)];
}

void oxp_elems_pad(oxp_call *c, const int64_t *before, oxp_elem fill) {
    picked p = {.x = oxp_input(c, 0), .e = whole(c, 0), .before = before, .fill = fill};
    if (!p.e)
        return;
    p.at = OXP_NEWS(c->scratch, (size_t)p.x->type.rank + 1, int64_t);
    oxp_fill_elems(c, padded, &p);
}

/* ---- Scatter ---- */

static oxp_elem *copied(oxp_call *c, const oxp_fact *x, const oxp_elem *e) {
    oxp_elem *r = OXP_NEWS(c->scratch, x->n_elems + 1u, oxp_elem);
    memcpy(r, e, x->n_elems * sizeof *r);
    return r;
}

void oxp_elems_scatter_at(oxp_call *c, int axis, oxp_eval2 how) {
    const oxp_fact *x = oxp_input(c, 0), *index = oxp_input(c, 1);
    const oxp_elem *e = whole(c, 0), *i = whole(c, 1), *u = whole(c, 2);
    oxp_walk w;
    if (!e || !i || !u || x->type.rank != index->type.rank || index->n_elems == 0 ||
        index->n_elems != oxp_input(c, 2)->n_elems || !oxp_walk_start(c, index, &w))
        return;
    oxp_elem *r = copied(c, x, e);
    for (uint32_t k = 0; k < index->n_elems; k++, oxp_walk_next(&w)) {
        int64_t along = w.at[axis], to = position(i[k], x->type.dims[axis]);
        for (int a = 0; a < x->type.rank; a++)
            if (a != axis && w.at[a] >= x->type.dims[a])
                return;
        if (to < 0)
            return;
        w.at[axis] = to;
        oxp_elem *at = &r[oxp_linear(x, w.at)];
        w.at[axis] = along;
        *at = how ? how(c->dims, *at, u[k], x->type.elem) : u[k];
    }
    oxp_set_elems(c, 0, r, x->n_elems);
}

/* Indices [.., depth]; each tuple names a run of x that the matching run of the updates goes to. */
void oxp_elems_scatter_nd(oxp_call *c, oxp_eval2 how) {
    const oxp_fact *x = oxp_input(c, 0), *index = oxp_input(c, 1), *update = oxp_input(c, 2);
    const oxp_elem *e = whole(c, 0), *i = whole(c, 1), *u = whole(c, 2);
    int64_t depth = oxp_dim_of(index, -1);
    if (!e || !i || !u || depth < 1 || depth > x->type.rank)
        return;
    uint32_t run = 1, tuples = index->n_elems / (uint32_t)depth;
    for (int k = (int)depth; k < x->type.rank; k++)
        run *= (uint32_t)x->type.dims[k];
    if ((uint64_t)tuples * run != update->n_elems)
        return;
    oxp_elem *r = copied(c, x, e);
    for (uint32_t t = 0; t < tuples; t++) {
        uint64_t at = 0;
        for (int k = 0; k < depth; k++) {
            int64_t p = position(i[t * (uint32_t)depth + (uint32_t)k], x->type.dims[k]);
            if (p < 0)
                return;
            at = at * (uint64_t)x->type.dims[k] + (uint64_t)p;
        }
        for (uint32_t k = 0; k < run; k++) {
            oxp_elem *to = &r[at * run + k];
            *to = how ? how(c->dims, *to, u[t * run + k], x->type.elem) : u[t * run + k];
        }
    }
    oxp_set_elems(c, 0, r, x->n_elems);
}

/* ---- order and counts ---- */

/* The numbers of a short list of one axis; NULL when one is not known. */
static double *numbers(oxp_call *c, uint32_t slot) {
    const oxp_elem *e = whole(c, slot);
    if (!e || oxp_rank(c->in[slot]) != 1)
        return NULL;
    double *v = OXP_NEWS(c->scratch, c->in[slot]->n_elems + 1u, double);
    for (uint32_t i = 0; i < c->in[slot]->n_elems; i++)
        if (!oxp_elem_number(e[i], &v[i]) || v[i] != v[i])
            return NULL;
    return v;
}

void oxp_elems_compress(oxp_call *c) {
    const oxp_elem *e = whole(c, 0), *keep = whole(c, 1);
    if (!e || !keep || oxp_rank(c->in[0]) != 1)
        return;
    oxp_elem *r = OXP_NEWS(c->scratch, c->in[0]->n_elems + 1u, oxp_elem);
    uint32_t n = 0;
    for (uint32_t i = 0; i < c->in[0]->n_elems && i < c->in[1]->n_elems; i++) {
        if (!keep[i].known || !oxp_dim_is_literal(keep[i].i))
            return;
        if (keep[i].i != 0)
            r[n++] = e[i];
    }
    oxp_set_elems(c, 0, r, n);
}

/* Positions of the distinct values, first occurrences; their count. */
static uint32_t distinct(const double *v, uint32_t n, bool sorted, uint32_t *first) {
    uint32_t m = 0;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t k = 0;
        while (k < m && v[first[k]] != v[i])
            k++;
        if (k == m)
            first[m++] = i;
    }
    for (uint32_t i = 1; i < m && sorted; i++) { /* at most OXP_ELEMS_MAX of them */
        uint32_t x = first[i], k = i;
        for (; k > 0 && v[first[k - 1]] > v[x]; k--)
            first[k] = first[k - 1];
        first[k] = x;
    }
    return m;
}

bool oxp_elems_unique(oxp_call *c, bool sorted) {
    const double *v = numbers(c, 0);
    if (!v)
        return false;
    const oxp_elem *e = oxp_input_elems(c, 0);
    uint32_t n = c->in[0]->n_elems, *first = OXP_NEWS(c->scratch, n + 1u, uint32_t);
    uint32_t m = distinct(v, n, sorted, first);
    oxp_elem *r[4];
    for (int k = 0; k < 4; k++)
        r[k] = OXP_NEWS(c->scratch, n + 1u, oxp_elem);
    for (uint32_t k = 0; k < m; k++) {
        int64_t count = 0;
        for (uint32_t i = 0; i < n; i++) {
            if (v[i] != v[first[k]])
                continue;
            r[2][i] = oxp_elem_int(k);
            count++;
        }
        r[0][k] = e[first[k]];
        r[1][k] = oxp_elem_int(first[k]);
        r[3][k] = oxp_elem_int(count);
    }
    oxp_dim size[4] = {m, m, n, m};
    for (uint32_t k = 0; k < 4 && k < c->n_out; k++) {
        oxp_set(c, k, k ? OXP_INT64 : oxp_elem_type(c->in[0]), 1, &size[k]);
        oxp_set_elems(c, k, r[k], (uint32_t)size[k]);
    }
    return true;
}

void oxp_elems_arg(oxp_call *c, bool most, bool last) {
    const double *v = numbers(c, 0);
    uint32_t best = 0;
    if (!v || c->in[0]->n_elems == 0)
        return;
    for (uint32_t i = 1; i < c->in[0]->n_elems; i++) {
        bool better = most ? v[i] > v[best] : v[i] < v[best];
        if (better || (last && v[i] == v[best]))
            best = i;
    }
    oxp_elem e = oxp_elem_int(best);
    oxp_set_elems(c, 0, &e, 1);
}

/* Equal values keep the order of their positions. */
void oxp_elems_top_k(oxp_call *c, bool largest) {
    const double *v = numbers(c, 0);
    uint64_t k;
    if (!v || !oxp_out_count(c, 0, &k) || k > c->in[0]->n_elems)
        return;
    const oxp_elem *e = oxp_input_elems(c, 0);
    oxp_elem *value = OXP_NEWS(c->scratch, k + 1, oxp_elem);
    oxp_elem *index = OXP_NEWS(c->scratch, k + 1, oxp_elem);
    bool *used = OXP_NEWS(c->scratch, c->in[0]->n_elems + 1u, bool);
    for (uint64_t r = 0; r < k; r++) {
        uint32_t best = UINT32_MAX;
        for (uint32_t i = 0; i < c->in[0]->n_elems; i++)
            if (!used[i] && (best == UINT32_MAX || (largest ? v[i] > v[best] : v[i] < v[best])))
                best = i;
        used[best] = true;
        value[r] = e[best];
        index[r] = oxp_elem_int(best);
    }
    oxp_set_elems(c, 0, value, (uint32_t)k);
    oxp_set_elems(c, 1, index, (uint32_t)k);
}

void oxp_elems_cumsum(oxp_call *c, bool reverse, bool exclusive) {
    const oxp_elem *v = whole(c, 0);
    if (!v || oxp_rank(c->in[0]) != 1)
        return;
    oxp_dtype t = oxp_elem_type(c->in[0]);
    uint32_t n = c->in[0]->n_elems;
    oxp_elem *e = OXP_NEWS(c->scratch, n + 1u, oxp_elem);
    oxp_elem sum = oxp_dtype_is_float(t) ? oxp_elem_float(0, t) : oxp_elem_int(0);
    for (uint32_t k = 0; k < n; k++) {
        uint32_t i = reverse ? n - 1 - k : k;
        oxp_elem next = k ? oxp_eval_add(c->dims, sum, v[i], t) : v[i];
        e[i] = exclusive ? sum : next;
        sum = next;
    }
    oxp_set_elems(c, 0, e, n);
}
