/* op.c - registry of operators and the helpers that infer hooks are written with. */
#include "ops/op.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/half.h"
#include "base/safe_math.h"
#include "ops/schema.h"

#include "ops.inc"

/* ---- registry ---- */

enum { OPS_CAP = 2048, OPS_SLOTS = 8192 };
static const oxp_op *all_ops[OPS_CAP];
static const char *all_needs[OPS_CAP]; /* of the same index */
static size_t n_all_ops;
static uint16_t op_slots[OPS_SLOTS];    /* 1 + index, 0 = free */
static uint16_t needs_slots[OPS_SLOTS]; /* the same by the record's address; of those with needs */
static pthread_once_t ops_once = PTHREAD_ONCE_INIT;

static uint32_t op_hash(const char *domain, const char *name) {
    uint32_t h = 2166136261u; /* FNV-1a; keys are our own, so no seed is needed */
    for (const char *s = domain; *s; s++)
        h = (h ^ (uint8_t)*s) * 16777619u;
    h = (h ^ 0xffu) * 16777619u;
    for (const char *s = name; *s; s++)
        h = (h ^ (uint8_t)*s) * 16777619u;
    return h ^ (h >> 15);
}

static int compare_ops(const void *a, const void *b) {
    const oxp_op *x = *(const oxp_op *const *)a, *y = *(const oxp_op *const *)b;
    int d = strcmp(x->domain, y->domain);
    return d != 0 ? d : strcmp(x->name, y->name);
}

/* Is the name one of a list separated by blanks? */
static bool is_listed(const char *list, const char *name) {
    size_t n = strlen(name);
    for (const char *at = list; (at = strstr(at, name)); at += n)
        if ((at == list || at[-1] == ' ') && (at[n] == ' ' || at[n] == '\0'))
            return true;
    return false;
}

static const char *needs_in(const oxp_op_family *f, const oxp_op *op) {
    for (size_t i = 0; i < f->n_needs; i++)
        if (is_listed(f->needs[i].names, op->name))
            return f->needs[i].needs;
    return NULL;
}

static uint32_t address_hash(const oxp_op *op) {
    return (uint32_t)((uint64_t)(uintptr_t)op * 0x9e3779b97f4a7c15u >> 40);
}

static void put_needs(size_t i) {
    uint32_t h = address_hash(all_ops[i]) % OPS_SLOTS;
    for (const oxp_op_family *const *f = oxp_ops_list; *f != NULL; f++)
        if (all_ops[i] >= (*f)->ops && all_ops[i] < (*f)->ops + (*f)->count)
            all_needs[i] = needs_in(*f, all_ops[i]);
    while (all_needs[i] && needs_slots[h] != 0)
        h = (h + 1) % OPS_SLOTS;
    if (all_needs[i])
        needs_slots[h] = (uint16_t)(i + 1);
}

static void build_registry(void) {
    for (const oxp_op_family *const *f = oxp_ops_list; *f != NULL; f++)
        for (size_t i = 0; i < (*f)->count && n_all_ops < OPS_CAP; i++)
            all_ops[n_all_ops++] = &(*f)->ops[i];
    qsort(all_ops, n_all_ops, sizeof *all_ops, compare_ops);
    for (size_t i = 0; i < n_all_ops; i++) {
        uint32_t h = op_hash(all_ops[i]->domain, all_ops[i]->name) % OPS_SLOTS;
        while (op_slots[h] != 0)
            h = (h + 1) % OPS_SLOTS;
        op_slots[h] = (uint16_t)(i + 1);
        put_needs(i);
    }
}

const oxp_op *oxp_op_find(const char *domain, const char *name) {
    pthread_once(&ops_once, build_registry);
    if (strcmp(domain, "ai.onnx") == 0)
        domain = "";
    for (uint32_t h = op_hash(domain, name) % OPS_SLOTS; op_slots[h] != 0;
         h = (h + 1) % OPS_SLOTS) {
        const oxp_op *op = all_ops[op_slots[h] - 1];
        if (strcmp(op->name, name) == 0 && strcmp(op->domain, domain) == 0)
            return op;
    }
    return NULL;
}

const char *oxp_op_needs(const oxp_op *op) {
    pthread_once(&ops_once, build_registry);
    for (uint32_t h = address_hash(op) % OPS_SLOTS; needs_slots[h] != 0; h = (h + 1) % OPS_SLOTS)
        if (all_ops[needs_slots[h] - 1] == op)
            return all_needs[needs_slots[h] - 1];
    return NULL;
}

size_t oxp_op_count(void) {
    pthread_once(&ops_once, build_registry);
    return n_all_ops;
}

const oxp_op *oxp_op_at(size_t i) {
    pthread_once(&ops_once, build_registry);
    return i < n_all_ops ? all_ops[i] : NULL;
}

/* ---- attributes ---- */

const oxp_attr *oxp_call_attr(const oxp_call *c, const char *name) {
    for (uint32_t i = 0; i < c->n_attrs; i++)
        if (strcmp(c->attrs[i].name, name) == 0)
            return &c->attrs[i];
    return NULL;
}

int64_t oxp_call_int(const oxp_call *c, const char *name, int64_t otherwise) {
    const oxp_attr *a = oxp_call_attr(c, name);
    return a != NULL && a->type == OXP_ATTR_INT ? a->u.i : otherwise;
}

float oxp_call_float(const oxp_call *c, const char *name, float otherwise) {
    const oxp_attr *a = oxp_call_attr(c, name);
    return a != NULL && a->type == OXP_ATTR_FLOAT ? a->u.f : otherwise;
}

const char *oxp_call_string(const oxp_call *c, const char *name, const char *otherwise) {
    const oxp_attr *a = oxp_call_attr(c, name);
    return a != NULL && a->type == OXP_ATTR_STRING && a->u.s.data != NULL ? a->u.s.data : otherwise;
}

const int64_t *oxp_call_ints(const oxp_call *c, const char *name, size_t *count) {
    const oxp_attr *a = oxp_call_attr(c, name);
    bool found = a != NULL && a->type == OXP_ATTR_INTS;
    *count = found ? a->n : 0;
    return found ? a->u.ints : NULL;
}

/* ---- inputs ---- */

const oxp_fact *oxp_input(const oxp_call *c, uint32_t slot) {
    return slot < c->n_in ? c->in[slot] : NULL;
}

int oxp_rank(const oxp_fact *f) {
    if (f == NULL || (f->type.kind != OXP_KIND_TENSOR && f->type.kind != OXP_KIND_SPARSE))
        return -1;
    return f->type.rank;
}

oxp_dim oxp_dim_of(const oxp_fact *f, int axis) {
    int rank = oxp_rank(f);
    if (axis < 0)
        axis += rank;
    return axis >= 0 && axis < rank ? f->type.dims[axis] : OXP_DIM_UNKNOWN;
}

oxp_dtype oxp_elem_type(const oxp_fact *f) {
    if (f == NULL || (f->type.kind != OXP_KIND_TENSOR && f->type.kind != OXP_KIND_SPARSE))
        return OXP_UNDEFINED;
    return f->type.elem;
}

oxp_dim oxp_elements(oxp_dims *p, const oxp_fact *f) {
    int rank = oxp_rank(f);
    if (rank < 0)
        return OXP_DIM_UNKNOWN;
    oxp_dim n = 1;
    for (int i = 0; i < rank; i++) {
        if (f->type.dims[i] == 0)
            return 0;
        n = oxp_dim_mul(p, n, f->type.dims[i]);
    }
    return n;
}

bool oxp_elements_literal(const oxp_fact *f, uint64_t *n) {
    int rank = oxp_rank(f);
    *n = 1;
    if (rank < 0)
        return false;
    for (int i = 0; i < rank; i++) {
        if (!oxp_dim_is_literal(f->type.dims[i]) || f->type.dims[i] < 0)
            return false;
        *n = oxp_sat_mul(*n, (uint64_t)f->type.dims[i]);
    }
    for (int i = 0; i < rank; i++) /* a zero behind an overflow still makes it empty */
        if (f->type.dims[i] == 0)
            *n = 0;
    return true;
}

int oxp_input_ints(const oxp_call *c, uint32_t slot, const oxp_dim **v) {
    const oxp_fact *f = oxp_input(c, slot);
    const oxp_elem *e = oxp_input_elems(c, slot);
    if (e == NULL)
        return -1;
    oxp_dim *r = oxp_alloc(c->scratch, f->n_elems + 1u, sizeof *r);
    for (uint32_t i = 0; i < f->n_elems; i++) {
        if (!e[i].known || oxp_dim_is_unknown(e[i].i))
            return -1;
        r[i] = e[i].i;
    }
    *v = r;
    return (int)f->n_elems;
}

const char *oxp_input_name(const oxp_call *c, uint32_t slot) {
    const oxp_schema_param *p = c->schema ? oxp_schema_input(c->schema, slot) : NULL;
    return p ? p->name : "?";
}

int oxp_axis(oxp_call *c, int64_t axis, int rank) {
    if (rank < 0 || axis < -(int64_t)rank || axis >= rank) {
        oxp_op_error(c, "axis %lld is outside of rank %d", (long long)axis, rank);
        return -1;
    }
    return (int)(axis < 0 ? axis + rank : axis);
}

/* ---- outputs ---- */

/* The same dims at an input need no copy: most operators keep a shape. */
static const oxp_dim *shared_dims(oxp_call *c, int rank, const oxp_dim *dims) {
    for (uint32_t i = 0; i < c->n_in && i < 3; i++) {
        const oxp_fact *f = c->in[i];
        if (f != NULL && f->type.rank == rank && f->type.dims != NULL &&
            memcmp(f->type.dims, dims, (size_t)rank * sizeof *dims) == 0)
            return f->type.dims;
    }
    return NULL;
}

bool oxp_countable(int rank, const oxp_dim *dims) {
    int64_t n = 1;
    bool fits = true;
    for (int i = 0; i < rank; i++) {
        if (dims[i] == 0)
            return true;
        fits = fits && (!oxp_dim_is_literal(dims[i]) || oxp_mul_i64(n, dims[i], &n));
    }
    return fits;
}

void oxp_set(oxp_call *c, uint32_t slot, oxp_dtype t, int rank, const oxp_dim *dims) {
    if (slot >= c->n_out)
        return;
    oxp_fact *f = &c->out[slot];
    f->type = (oxp_type){OXP_KIND_TENSOR, t, rank < 0 ? -1 : rank, NULL, NULL};
    f->elems = NULL;
    f->n_elems = 0;
    f->lazy = 0;
    if (rank <= 0)
        return;
    bool blank = false;
    for (int i = 0; i < rank; i++) {
        if (oxp_dim_is_literal(dims[i]) && dims[i] < 0) {
            f->type.rank = -1;
            oxp_op_error(c, "dimension %d of output %u would be %lld", i, slot, (long long)dims[i]);
            return;
        }
        blank |= oxp_dim_is_unknown(dims[i]);
    }
    if (!oxp_countable(rank, dims)) {
        f->type.rank = -1;
        oxp_op_overflow(c, slot);
        return;
    }
    const oxp_dim *shared = blank ? NULL : shared_dims(c, rank, dims);
    if (shared == NULL) {
        oxp_dim *copy = oxp_alloc(c->arena, (size_t)rank, sizeof *copy);
        for (int i = 0; i < rank; i++)
            copy[i] = oxp_dim_is_unknown(dims[i]) ? oxp_dim_fresh(c->dims) : dims[i];
        shared = copy;
    }
    f->type.dims = shared;
}

/* An input of the model may be declared with more elements than can be counted. */
static void refuse_uncountable(oxp_call *c, uint32_t slot) {
    oxp_type *t = &c->out[slot].type;
    if (t->kind != OXP_KIND_TENSOR || t->rank < 2 || oxp_countable(t->rank, t->dims))
        return;
    t->rank = -1;
    t->dims = NULL;
    oxp_op_overflow(c, slot);
}

void oxp_set_like(oxp_call *c, uint32_t slot, const oxp_fact *f) {
    if (slot >= c->n_out || f == NULL)
        return;
    c->out[slot].type = f->type;
    refuse_uncountable(c, slot);
}

void oxp_set_shape_of(oxp_call *c, uint32_t slot, oxp_dtype t, const oxp_fact *f) {
    if (slot >= c->n_out)
        return;
    int rank = oxp_rank(f);
    c->out[slot].type = (oxp_type){OXP_KIND_TENSOR, t, rank, rank > 0 ? f->type.dims : NULL, NULL};
    refuse_uncountable(c, slot);
}

void oxp_set_unknown_rank(oxp_call *c, uint32_t slot, oxp_dtype t) {
    if (slot < c->n_out)
        c->out[slot].type = (oxp_type){OXP_KIND_TENSOR, t, -1, NULL, NULL};
}

/* ---- broadcasting ---- */

/* Which of two unequal symbolic dims says more: fewer operations, and a name rather than a fresh
 * one. */
static oxp_dim simpler_dim(const oxp_call *c, oxp_dim a, oxp_dim b) {
    bool opaque_a = oxp_dim_is_opaque(c->dims, a), opaque_b = oxp_dim_is_opaque(c->dims, b);
    if (opaque_a != opaque_b)
        return opaque_a ? b : a;
    return oxp_dim_weight(c->dims, b) < oxp_dim_weight(c->dims, a) ? b : a;
}

static bool broadcast_dim(oxp_call *c, oxp_dim *r, oxp_dim d) {
    oxp_dim a = *r;
    if (a == d || d == 1)
        return true;
    if (a == 1) {
        *r = d;
        return true;
    }
    bool lit_a = oxp_dim_is_literal(a), lit_d = oxp_dim_is_literal(d);
    if (lit_a && lit_d) {
        oxp_op_error(c, "dimensions %lld and %lld do not broadcast", (long long)a, (long long)d);
        return false;
    }
    if (lit_a || lit_d)
        *r = lit_a ? a : d; /* the other one is this or 1 */
    else if (oxp_dim_is_unknown(a) || oxp_dim_is_unknown(d))
        *r = OXP_DIM_UNKNOWN;
    else {
        /* equal, or one of them is 1: the larger one in either case */
        bool opaque = oxp_dim_is_opaque(c->dims, a) || oxp_dim_is_opaque(c->dims, d);
        *r = opaque ? simpler_dim(c, a, d) : oxp_dim_max(c->dims, a, d);
        oxp_note_equality(c, a, d);
    }
    return true;
}

bool oxp_broadcast(oxp_call *c, const oxp_fact *const *f, uint32_t n, int *rank,
                   const oxp_dim **dims) {
    int r = 0;
    for (uint32_t i = 0; i < n; i++) {
        int ri = oxp_rank(f[i]);
        if (ri < 0)
            return false;
        r = ri > r ? ri : r;
    }
    oxp_dim *d = oxp_alloc(c->scratch, (size_t)r + 1, sizeof *d);
    for (int k = 0; k < r; k++) {
        d[k] = 1;
        for (uint32_t i = 0; i < n; i++) {
            int at = k - (r - f[i]->type.rank);
            if (at >= 0 && !broadcast_dim(c, &d[k], f[i]->type.dims[at]))
                return false;
        }
    }
    *rank = r;
    *dims = d;
    return true;
}

oxp_dim oxp_unify(oxp_call *c, oxp_dim a, oxp_dim b, const char *what) {
    if (a == b || oxp_dim_is_unknown(b))
        return a;
    if (oxp_dim_is_unknown(a))
        return b;
    bool lit_a = oxp_dim_is_literal(a), lit_b = oxp_dim_is_literal(b);
    if (lit_a && lit_b) {
        oxp_op_error(c, "%s: %lld is not %lld", what, (long long)a, (long long)b);
        return a;
    }
    oxp_note_equality(c, a, b);
    if (lit_a || lit_b)
        return lit_a ? a : b;
    return simpler_dim(c, a, b);
}

/* ---- elements ---- */

static double round_to(double v, oxp_dtype t) {
    switch (t) {
    case OXP_FLOAT:
        return (double)(float)v;
    case OXP_FLOAT16:
        return oxp_half_to_double(oxp_half_from_double(v));
    case OXP_BFLOAT16:
        return oxp_bfloat16_to_double(oxp_bfloat16_from_double(v));
    default:
        return v;
    }
}

oxp_elem oxp_elem_int(oxp_dim v) {
    return (oxp_elem){.i = v,
                      .f = oxp_dim_is_literal(v) ? (double)v : 0.0,
                      .den = 1,
                      .known = !oxp_dim_is_unknown(v),
                      .exact = !oxp_dim_is_unknown(v)};
}

oxp_elem oxp_elem_float(double v, oxp_dtype t) {
    return (oxp_elem){.i = OXP_DIM_UNKNOWN, .f = round_to(v, t), .den = 0, .known = true};
}

oxp_elem oxp_elem_unknown(void) {
    return (oxp_elem){.i = OXP_DIM_UNKNOWN};
}

uint32_t oxp_broadcast_index(uint32_t i, int rank, const oxp_dim *dims, const oxp_fact *f) {
    uint64_t index = 0, stride = 1, rest = i;
    int fr = oxp_rank(f);
    for (int k = rank - 1, a = fr - 1; a >= 0 && k >= 0; k--, a--) {
        uint64_t size = (uint64_t)dims[k], own = (uint64_t)f->type.dims[a];
        if (size == 0)
            return 0;
        if (own != 1)
            index += (rest % size) * stride;
        rest /= size;
        stride *= own;
    }
    return (uint32_t)index;
}

/* ---- costs ---- */

void oxp_cost_add(oxp_cost *a, const oxp_cost *b) {
    a->at_least |= b->at_least || !b->known;
    a->hides |= b->hides || !b->known;
    a->macs = oxp_sat_add(a->macs, b->macs);
    a->flops = oxp_sat_add(a->flops, b->flops);
    a->int_ops = oxp_sat_add(a->int_ops, b->int_ops);
    a->moved = oxp_sat_add(a->moved, b->moved);
}
