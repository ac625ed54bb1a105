/* sequence.c - sequences and optionals.  The facts of a sequence's items are kept when their number
 * is known; its element type is what all items have in common. */
#include "ops/propagate.h"
#include "ops/util.h"

#include <string.h>

/* What two types have in common: differing dims become fresh, differing ranks unknown. */
static oxp_type common_type(oxp_call *c, const oxp_type *a, const oxp_type *b) {
    oxp_type t = *a;
    if (a->kind != b->kind || a->kind != OXP_KIND_TENSOR || a->elem != b->elem)
        return a->kind == OXP_KIND_UNKNOWN ? *b : t;
    if (a->rank != b->rank) {
        t.rank = -1;
        t.dims = NULL;
        return t;
    }
    oxp_dim *dims = oxp_alloc(c->arena, (size_t)(a->rank < 0 ? 0 : a->rank) + 1, sizeof *dims);
    for (int k = 0; k < a->rank; k++)
        dims[k] = a->dims[k] == b->dims[k] ? a->dims[k] : oxp_dim_fresh(c->dims);
    t.dims = dims;
    return t;
}

static void set_container(oxp_call *c, oxp_kind kind, const oxp_type *of) {
    oxp_type *copy = oxp_alloc(c->arena, 1, sizeof *copy);
    *copy = *of;
    c->out[0].type = (oxp_type){kind, OXP_UNDEFINED, -1, NULL, copy};
}

/* A sequence of these items; NULL items: their number is not known. */
static void set_sequence(oxp_call *c, const oxp_fact *items, uint32_t n, const oxp_type *of) {
    if (!oxp_has_out(c, 0))
        return;
    oxp_type t = *of;
    for (uint32_t i = 0; items && i < n; i++)
        t = common_type(c, i ? &t : &items[0].type, &items[i].type);
    set_container(c, OXP_KIND_SEQUENCE, &t);
    c->out[0].items = items;
    c->out[0].n_elems = items ? n : 0;
}

static const oxp_type *item_type(const oxp_fact *seq) {
    static const oxp_type unknown = {OXP_KIND_UNKNOWN, OXP_UNDEFINED, -1, NULL, NULL};
    return seq && seq->type.of ? seq->type.of : &unknown;
}

static bool is_sequence(const oxp_fact *f) {
    return f && f->type.kind == OXP_KIND_SEQUENCE;
}

static void infer_empty(oxp_call *c) {
    int64_t dtype = oxp_call_int(c, "dtype", OXP_FLOAT);
    oxp_type t = {OXP_KIND_TENSOR, dtype > 0 && dtype < OXP_DTYPE_COUNT ? (oxp_dtype)dtype : 0, -1,
                  NULL, NULL};
    set_sequence(c, oxp_alloc(c->arena, 1, sizeof(oxp_fact)), 0, &t);
}

static void infer_construct(oxp_call *c) {
    oxp_fact *items = oxp_alloc(c->arena, c->n_in + 1u, sizeof *items);
    for (uint32_t i = 0; i < c->n_in; i++)
        if (c->in[i])
            items[i] = *c->in[i];
    set_sequence(c, items, c->n_in, &items[0].type);
}

/* A literal position in [0, n) or [0, n] of a sequence with n items; -1: not known. */
static int64_t position(oxp_call *c, uint32_t slot, uint32_t n, bool may_be_end) {
    const oxp_elem *e = oxp_input_elems(c, slot);
    if (!e || !e[0].known || !oxp_dim_is_literal(e[0].i))
        return -1;
    int64_t at = e[0].i < 0 ? e[0].i + (int64_t)n : e[0].i;
    if (at < 0 || at > (int64_t)n || (at == (int64_t)n && !may_be_end)) {
        oxp_op_error(c, "position %lld of a sequence of %u", (long long)e[0].i, n);
        return -1;
    }
    return at;
}

static void infer_insert(oxp_call *c) {
    const oxp_fact *s = oxp_input(c, 0), *x = oxp_input(c, 1);
    if (!s || !x)
        return;
    int64_t at =
        s->items ? (oxp_input(c, 2) ? position(c, 2, s->n_elems, true) : (int64_t)s->n_elems) : -1;
    char a[OXP_TYPE_TEXT], b[OXP_TYPE_TEXT];
    if (!oxp_types_agree(item_type(s), &x->type))
        oxp_op_invalid(c, "the sequence holds %s, what is inserted is %s",
                       oxp_type_brief(item_type(s), a), oxp_type_brief(&x->type, b));
    oxp_type t = common_type(c, item_type(s), &x->type);
    if (at < 0 || s->n_elems >= OXP_ELEMS_MAX) {
        set_sequence(c, NULL, 0, &t);
        return;
    }
    oxp_fact *items = oxp_alloc(c->arena, s->n_elems + 1u, sizeof *items);
    for (uint32_t i = 0, from = 0; i <= s->n_elems; i++)
        items[i] = (int64_t)i == at ? *x : s->items[from++];
    set_sequence(c, items, s->n_elems + 1, &t);
}

static void infer_erase(oxp_call *c) {
    const oxp_fact *s = oxp_input(c, 0);
    if (!is_sequence(s))
        return;
    int64_t at = -1;
    if (s->items && s->n_elems)
        at = oxp_input(c, 1) ? position(c, 1, s->n_elems, false) : (int64_t)s->n_elems - 1;
    if (at < 0) {
        set_sequence(c, NULL, 0, item_type(s));
        return;
    }
    oxp_fact *items = oxp_alloc(c->arena, s->n_elems, sizeof *items);
    for (uint32_t i = 0, to = 0; i < s->n_elems; i++)
        if ((int64_t)i != at)
            items[to++] = s->items[i];
    set_sequence(c, items, s->n_elems - 1, item_type(s));
}

static void infer_at(oxp_call *c) {
    const oxp_fact *s = oxp_input(c, 0);
    if (!is_sequence(s) || !oxp_has_out(c, 0))
        return;
    int64_t at = s->items ? position(c, 1, s->n_elems, false) : -1;
    if (at >= 0)
        c->out[0] = s->items[at];
    else
        c->out[0].type = *item_type(s);
}

static void infer_length(oxp_call *c) {
    const oxp_fact *s = oxp_input(c, 0);
    oxp_set(c, 0, OXP_INT64, 0, NULL);
    if (is_sequence(s) && s->items) {
        oxp_elem e = oxp_elem_int(s->n_elems);
        oxp_set_elems(c, 0, &e, 1);
    }
}

/* ---- between tensors and sequences ---- */

/* A list adds up to the axis; a single size is repeated. */
static bool check_parts(oxp_call *c, oxp_dim whole, const oxp_elem *e, const oxp_fact *s) {
    bool listed = oxp_rank(s) == 1;
    oxp_dim sum = 0;
    for (uint32_t i = 0; i < s->n_elems; i++) {
        oxp_dim v = e[i].known ? e[i].i : OXP_DIM_UNKNOWN;
        if (!oxp_dim_is_unknown(v) && oxp_dim_is_literal(v) && v < (listed ? 0 : 1)) {
            oxp_op_error(c, "a part of size %lld", (long long)v);
            return false;
        }
        sum = oxp_dim_add(c->dims, sum, v);
    }
    if (listed)
        (void)oxp_unify(c, whole, sum, "the sizes do not add up to the axis");
    return true;
}

static void infer_split_to(oxp_call *c) {
    const oxp_fact *x = oxp_input(c, 0), *s = oxp_input(c, 1);
    int rank = oxp_rank(x);
    oxp_type t = {OXP_KIND_TENSOR, oxp_elem_type(x), -1, NULL, NULL};
    int axis = rank < 0 ? -1 : oxp_axis(c, oxp_call_int(c, "axis", 0), rank);
    if (axis < 0) {
        set_sequence(c, NULL, 0, &t);
        return;
    }
    oxp_dim whole = x->type.dims[axis], part = 1;
    bool keep = s || oxp_call_int(c, "keepdims", 1);
    const oxp_elem *e = s ? oxp_input_elems(c, 1) : NULL;
    bool listed = e && oxp_rank(s) == 1;
    if (e && !check_parts(c, whole, e, s)) {
        set_sequence(c, NULL, 0, &t);
        return;
    }
    if (s)
        part = e && e[0].known ? e[0].i : OXP_DIM_UNKNOWN;
    oxp_dim n = listed ? (oxp_dim)s->n_elems : oxp_dim_ceildiv(c->dims, whole, part);
    bool known = oxp_dim_is_literal(n) && n >= 0 && n <= OXP_ELEMS_MAX &&
                 (listed || (oxp_dim_is_literal(part) && part > 0));
    uint32_t count = known ? (uint32_t)n : 1;
    oxp_fact *items = oxp_alloc(c->arena, count + 1u, sizeof *items);
    const oxp_elem *all = rank == 1 ? oxp_input_elems(c, 0) : NULL;
    int64_t start = 0;
    for (uint32_t i = 0; i < count; i++) {
        oxp_dim *dims = oxp_alloc(c->arena, (size_t)rank + 1, sizeof *dims);
        memcpy(dims, x->type.dims, (size_t)rank * sizeof *dims);
        oxp_dim left = oxp_dim_sub(c->dims, whole, oxp_dim_mul(c->dims, part, i));
        oxp_dim size = listed   ? (e[i].known ? e[i].i : OXP_DIM_UNKNOWN)
                       : !known ? OXP_DIM_UNKNOWN
                                : oxp_dim_min(c->dims, part, left);
        dims[axis] = oxp_dim_is_unknown(size) ? oxp_dim_fresh(c->dims) : size;
        int r = rank;
        if (!keep) {
            for (int k = axis; k + 1 < rank; k++)
                dims[k] = dims[k + 1];
            r--;
        }
        items[i].type = (oxp_type){OXP_KIND_TENSOR, oxp_elem_type(x), r, dims, NULL};
        if (all && known && oxp_dim_is_literal(size) && size >= 0 && start + size <= x->n_elems) {
            items[i].elems = all + start;
            items[i].n_elems = (uint32_t)size;
            start += size;
        }
    }
    set_sequence(c, known ? items : NULL, known ? count : 0, &items[0].type);
}

enum { JOINED_MAX = 256 };

/* The items' elements, as Concat joins those of its inputs. */
static void joined_elems(oxp_call *c, const oxp_fact *s, int axis) {
    oxp_call as_concat = *c;
    const oxp_fact **in = OXP_NEWS(c->scratch, s->n_elems + 1u, const oxp_fact *);
    for (uint32_t i = 0; i < s->n_elems; i++)
        in[i] = &s->items[i];
    as_concat.in = in;
    as_concat.n_in = s->n_elems;
    oxp_elems_concat(&as_concat, axis);
}

/* Items that are stacked have one shape; items that are joined differ along the axis only. */
static void check_items(oxp_call *c, const oxp_fact *s, int axis, bool fresh) {
    const oxp_type *first = &s->items[0].type;
    for (uint32_t i = 1; i < s->n_elems && first->rank >= 0; i++) {
        const oxp_type *t = &s->items[i].type;
        if (t->rank >= 0 && t->rank != first->rank) {
            oxp_op_error(c, "item 0 has rank %d and item %u has rank %d", first->rank, i, t->rank);
            return;
        }
        for (int k = 0; k < t->rank; k++)
            if (fresh || k != axis)
                oxp_unify(c, first->dims[k], t->dims[k], "size of the items");
    }
}

static void infer_concat_from(oxp_call *c) {
    const oxp_fact *s = oxp_input(c, 0);
    const oxp_type *t = item_type(s);
    bool fresh = oxp_call_int(c, "new_axis", 0) != 0;
    int first = s && s->items && s->n_elems ? oxp_rank(&s->items[0]) : -1;
    if (first >= 0) {
        int64_t at = oxp_call_int(c, "axis", 0);
        check_items(c, s, (int)(at < 0 ? at + first : at), fresh);
    }
    if (t->kind != OXP_KIND_TENSOR || t->rank < 0) {
        oxp_set_unknown_rank(c, 0, t->elem);
        return;
    }
    int rank = t->rank + fresh;
    int axis = oxp_axis(c, oxp_call_int(c, "axis", 0), rank);
    if (axis < 0)
        return;
    oxp_dim *out = oxp_alloc(c->arena, (size_t)rank + 1, sizeof *out);
    for (int k = 0, from = 0; k < rank; k++)
        out[k] = fresh && k == axis ? OXP_DIM_UNKNOWN : t->dims[from++];
    if (!fresh)
        out[axis] = OXP_DIM_UNKNOWN;
    if (s->items) {
        out[axis] = fresh ? (oxp_dim)s->n_elems : 0;
        for (uint32_t i = 0; i < s->n_elems && !fresh; i++)
            out[axis] = s->items[i].type.rank == t->rank
                            ? oxp_dim_add(c->dims, out[axis], s->items[i].type.dims[axis])
                            : OXP_DIM_UNKNOWN;
    }
    oxp_set(c, 0, t->elem, rank, out);
    if (s->items && !fresh && s->n_elems > 0 && s->n_elems <= JOINED_MAX)
        joined_elems(c, s, axis);
}

/* ---- optionals ---- */

static void infer_optional(oxp_call *c) {
    const oxp_fact *x = oxp_input(c, 0);
    const oxp_attr *a = oxp_call_attr(c, "type");
    if (!oxp_has_out(c, 0))
        return;
    if (x)
        set_container(c, OXP_KIND_OPTIONAL, &x->type);
    else if (a && a->type == OXP_ATTR_TYPE_PROTO)
        set_container(c, OXP_KIND_OPTIONAL, a->u.type);
    else
        oxp_op_invalid(c, "neither an input nor the attribute type says what it may hold");
}

static void infer_has(oxp_call *c) {
    oxp_set(c, 0, OXP_BOOL, 0, NULL);
    const oxp_fact *x = oxp_input(c, 0);
    if (x && x->type.kind == OXP_KIND_OPTIONAL)
        return; /* decided at run time */
    /* what a Loop carries is known as what it holds */
    if (c->opset < 18 && x && x->type.kind == OXP_KIND_TENSOR && c->node->graph == OXP_MAIN_GRAPH)
        oxp_op_invalid(c, "the input is no optional, which opset %lld needs", (long long)c->opset);
    oxp_elem e = oxp_elem_int(x != NULL);
    oxp_set_elems(c, 0, &e, 1);
}

static void infer_get(oxp_call *c) {
    const oxp_fact *x = oxp_input(c, 0);
    if (x && oxp_has_out(c, 0))
        c->out[0].type = x->type.kind == OXP_KIND_OPTIONAL && x->type.of ? *x->type.of : x->type;
}

#define MOVE OXP_OP_MOVE
static const oxp_op table[] = {
    {"SequenceEmpty", "", MOVE, 0, infer_empty, oxp_cost_none, NULL},
    {"SequenceConstruct", "", MOVE, 0, infer_construct, oxp_cost_none, NULL},
    {"SequenceInsert", "", MOVE, 0, infer_insert, oxp_cost_none, NULL},
    {"SequenceErase", "", MOVE, 0, infer_erase, oxp_cost_none, NULL},
    {"SequenceAt", "", MOVE, 0, infer_at, oxp_cost_none, NULL},
    {"SequenceLength", "", MOVE, 0, infer_length, oxp_cost_none, NULL},
    {"SplitToSequence", "", MOVE, 0, infer_split_to, oxp_cost_none, NULL},
    {"ConcatFromSequence", "", MOVE, 0, infer_concat_from, oxp_cost_move_out, NULL},
    {"Optional", "", MOVE, 0, infer_optional, oxp_cost_none, NULL},
    {"OptionalHasElement", "", MOVE, 0, infer_has, oxp_cost_none, NULL},
    {"OptionalGetElement", "", MOVE, 0, infer_get, oxp_cost_none, NULL},
};
const oxp_op_family oxp_ops_sequence = {table, OXP_COUNT(table), NULL, 0};
