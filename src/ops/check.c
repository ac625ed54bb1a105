/* check.c - is a node what its operator's schema allows: number of inputs and outputs, attributes,
 * element types.  What only shapes or values can tell is left to the operator's own hook. */
#include <string.h>

#include "ops/op.h"
#include "ops/schema.h"

/* Inputs or outputs without the omitted ones at the end. */
static uint32_t given(const oxp_id *ids, uint32_t n) {
    while (n && ids[n - 1] == OXP_NONE)
        n--;
    return n;
}

static bool check_counts(oxp_call *c, const oxp_schema *s) {
    uint32_t in = given(c->node->in, c->n_in), out = given(c->node->out, c->n_out);
    if (in < s->min_in || in > s->max_in) {
        oxp_op_invalid(c, "%u inputs, the operator takes %s %u", in,
                       in < s->min_in ? "at least" : "at most",
                       in < s->min_in ? s->min_in : s->max_in);
        return false;
    }
    if (out > s->max_out) {
        oxp_op_invalid(c, "%u outputs, the operator has at most %u", out, s->max_out);
        return false;
    }
    for (uint32_t i = 0; i < in; i++) {
        const oxp_schema_param *p = oxp_schema_input(s, i);
        if (c->node->in[i] == OXP_NONE && p && p->option == OXP_PARAM_SINGLE) {
            oxp_op_invalid(c, "its input %u (%s) is missing", i, p->name);
            return false;
        }
    }
    return true;
}

static const char *type_name(oxp_attr_type t) {
    static const char *const names[] = {
        "undefined", "a float",         "an integer",     "a string", "a tensor",
        "a graph",   "floats",          "integers",       "strings",  "tensors",
        "graphs",    "a sparse tensor", "sparse tensors", "a type",   "types"};
    return (size_t)t < sizeof names / sizeof *names ? names[t] : names[0];
}

static bool check_attrs(oxp_call *c, const oxp_schema *s) {
    for (uint32_t i = 0; i < c->n_attrs; i++) {
        const oxp_attr *a = &c->attrs[i];
        const oxp_schema_attr *formal = oxp_schema_attr_find(s, a->name);
        /* An empty list says nothing about its type: exporters write what they like. */
        bool empty_list = a->type >= OXP_ATTR_FLOATS && a->type <= OXP_ATTR_GRAPHS && !a->n;
        if (formal && !a->ref && !empty_list && a->type != (oxp_attr_type)formal->type) {
            oxp_op_invalid(c, "attribute %s is %s, not %s", a->name, type_name(a->type),
                           type_name((oxp_attr_type)formal->type));
            return false;
        }
    }
    for (uint32_t i = 0; i < s->n_attr; i++) {
        const oxp_schema_attr *formal = &oxp_schema_attrs[s->first_attr + i];
        if (formal->required && !oxp_call_attr(c, formal->name)) {
            oxp_op_invalid(c, "attribute %s is missing", formal->name);
            return false;
        }
    }
    return true;
}

static bool check_types(oxp_call *c, const oxp_schema *s) {
    for (uint32_t i = 0; i < c->n_in; i++) {
        const oxp_fact *f = c->in[i];
        if (!f || f->type.kind != OXP_KIND_TENSOR || f->type.elem == OXP_UNDEFINED)
            continue;
        const oxp_schema_param *p = oxp_schema_input(s, i);
        if (p && !oxp_schema_param_allows(p, f->type.elem)) {
            oxp_op_invalid(c, "input %u (%s) is %s, which the operator does not take", i, p->name,
                           oxp_dtype_name(f->type.elem));
            return false;
        }
    }
    return true;
}

/* A tensor given as an attribute has the type it has: files of the first opsets hold integers where
 * the schema of the time knows floats only, and every runtime takes them. */
static bool holds_tensor(const oxp_call *c) {
    for (uint32_t i = 0; i < c->n_attrs; i++)
        if (c->attrs[i].type == OXP_ATTR_TENSOR)
            return true;
    return false;
}

/* Attributes such as `dtype` may ask for what the operator cannot give. */
void oxp_op_check_outputs(oxp_call *c) {
    const oxp_node *n = c->node;
    if (holds_tensor(c))
        return;
    const oxp_schema *s = n->domain[0] || c->opset <= OXP_OPSET_NEWEST ? c->schema : NULL;
    for (uint32_t i = 0; s && !s->deprecated && i < c->n_out; i++) {
        oxp_type *t = &c->out[i].type;
        const oxp_schema_param *p = oxp_schema_output(s, i);
        if (!p || t->kind != OXP_KIND_TENSOR || !t->elem || oxp_schema_param_allows(p, t->elem))
            continue;
        oxp_op_error(c, "output %u (%s) would be %s, which the operator does not give", i, p->name,
                     oxp_dtype_name(t->elem));
        oxp_set_unknown_rank(c, i, OXP_UNDEFINED);
        c->out[i].n_elems = c->out[i].lazy = 0;
        c->out[i].elems = NULL;
    }
}

bool oxp_op_check(oxp_call *c) {
    const oxp_node *n = c->node;
    if (!n->domain[0] && c->opset > OXP_OPSET_NEWEST)
        return true;
    const oxp_schema *s = c->schema;
    int64_t first = s || n->domain[0] ? 0 : oxp_schema_first_version(n->domain, n->op);
    if (first > c->opset && c->opset > 0)
        oxp_op_warn(c, "the operator is of opset %lld, the model imports %lld", (long long)first,
                    (long long)c->opset);
    if (s && s->deprecated)
        oxp_op_warn(c, "the operator was removed in opset %d", (int)s->since);
    return !s || s->deprecated || (check_counts(c, s) && check_attrs(c, s) && check_types(c, s));
}

/* The element type of an input with the same type variable ("T"). */
static oxp_dtype type_of_variable(const oxp_call *c, const oxp_schema *s, const char *variable) {
    for (uint32_t i = 0; i < c->n_in; i++) {
        const char *type = oxp_schema_input_type(s, i);
        if (type && strcmp(type, variable) == 0 && oxp_elem_type(c->in[i]) != OXP_UNDEFINED)
            return oxp_elem_type(c->in[i]);
    }
    return OXP_UNDEFINED;
}

void oxp_op_fill_types(oxp_call *c) {
    const oxp_schema *s = c->schema;
    for (uint32_t i = 0; i < c->n_out; i++) {
        oxp_type *t = &c->out[i].type;
        if (t->elem != OXP_UNDEFINED || (t->kind != OXP_KIND_UNKNOWN && t->kind != OXP_KIND_TENSOR))
            continue;
        const oxp_schema_param *p = s ? oxp_schema_output(s, i) : NULL;
        const oxp_schema_types *may = p ? &oxp_schema_typesets[p->types] : NULL;
        if (!may || !may->tensor || may->sequence || may->optional || may->optional_seq || may->map)
            continue;
        oxp_dtype elem = type_of_variable(c, s, p->type);
        for (int d = 1; d < OXP_DTYPE_COUNT && elem == OXP_UNDEFINED; d++)
            if (may->tensor == OXP_DTYPE_BIT(d)) /* the only one it can be */
                elem = (oxp_dtype)d;
        if (elem != OXP_UNDEFINED && t->kind == OXP_KIND_UNKNOWN)
            oxp_set_unknown_rank(c, i, elem);
        else if (elem != OXP_UNDEFINED)
            t->elem = elem;
    }
}
