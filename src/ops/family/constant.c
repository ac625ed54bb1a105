/* constant.c - Constant: a tensor, or numbers and strings, in an attribute. */
#include "ops/util.h"

static void set_vector(oxp_call *c, oxp_dtype t, size_t n) {
    oxp_dim dims[1] = {oxp_dim_literal((int64_t)n)};
    oxp_set(c, 0, t, 1, dims);
}

static void set_ints(oxp_call *c, const int64_t *v, size_t n) {
    if (n > OXP_ELEMS_MAX)
        return;
    oxp_elem *e = oxp_alloc(c->scratch, n + 1, sizeof *e);
    for (size_t i = 0; i < n; i++)
        e[i] = oxp_elem_int(oxp_dim_literal(v[i]));
    oxp_set_elems(c, 0, e, (uint32_t)n);
}

static void set_floats(oxp_call *c, const float *v, size_t n) {
    if (n > OXP_ELEMS_MAX)
        return;
    oxp_elem *e = oxp_alloc(c->scratch, n + 1, sizeof *e);
    for (size_t i = 0; i < n; i++)
        e[i] = oxp_elem_float((double)v[i], OXP_FLOAT);
    oxp_set_elems(c, 0, e, (uint32_t)n);
}

static void infer_constant(oxp_call *c) {
    if (c->n_attrs > 1) {
        oxp_op_error(c, "has %u values, one is wanted", c->n_attrs);
        return;
    }
    for (uint32_t i = 0; i < c->n_attrs; i++) {
        const oxp_attr *a = &c->attrs[i];
        switch (a->type) {
        case OXP_ATTR_TENSOR:
        case OXP_ATTR_SPARSE_TENSOR:
            oxp_set_constant(c, 0, a->u.id);
            return;
        case OXP_ATTR_FLOAT:
            oxp_set(c, 0, OXP_FLOAT, 0, NULL);
            set_floats(c, &a->u.f, 1);
            return;
        case OXP_ATTR_INT:
            oxp_set(c, 0, OXP_INT64, 0, NULL);
            set_ints(c, &a->u.i, 1);
            return;
        case OXP_ATTR_STRING:
            oxp_set(c, 0, OXP_STRING, 0, NULL);
            return;
        case OXP_ATTR_FLOATS:
            set_vector(c, OXP_FLOAT, a->n);
            set_floats(c, a->u.floats, a->n);
            return;
        case OXP_ATTR_INTS:
            set_vector(c, OXP_INT64, a->n);
            set_ints(c, a->u.ints, a->n);
            return;
        case OXP_ATTR_STRINGS:
            set_vector(c, OXP_STRING, a->n);
            return;
        default:
            break;
        }
    }
    oxp_op_invalid(c, "no value attribute");
}

static const oxp_op table[] = {
    {"Constant", "", 0, 0, infer_constant, oxp_cost_none, NULL},
};

const oxp_op_family oxp_ops_constant = {table, OXP_COUNT(table), NULL, 0};
