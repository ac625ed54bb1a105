/* check.c - is a node what its operator's schema allows: number of inputs and outputs, attributes,
 * types.  What only shapes or values can tell is left to the operator's own hook. */
#include <stdio.h>
#include <string.h>

#include "ops/needs.h"
#include "ops/op.h"
#include "ops/schema.h"

/* Inputs without the omitted ones at the end: also what a function's caller left out is omitted. */
static uint32_t given_inputs(const oxp_call *c) {
    uint32_t n = c->n_in;
    while (n && !c->in[n - 1])
        n--;
    return n;
}

static uint32_t given_outputs(const oxp_call *c) {
    uint32_t n = c->n_out;
    while (n && c->node->out[n - 1] == OXP_NONE)
        n--;
    return n;
}

static bool check_inputs(oxp_call *c, const oxp_schema *s) {
    uint32_t in = given_inputs(c);
    if (in < s->min_in || c->n_in > s->max_in) {
        oxp_op_invalid(c, "%u inputs, the operator takes %s %u", in < s->min_in ? in : c->n_in,
                       in < s->min_in ? "at least" : "at most",
                       in < s->min_in ? s->min_in : s->max_in);
        return false;
    }
    for (uint32_t i = 0; i < c->n_in; i++) {
        const oxp_schema_param *p = oxp_schema_input(s, i);
        if (!c->in[i] && p && p->option != OXP_PARAM_OPTIONAL) {
            oxp_op_invalid(c, "its input %u (%s) is missing", i, p->name);
            return false;
        }
    }
    return true;
}

static bool check_outputs(oxp_call *c, const oxp_schema *s) {
    uint32_t out = given_outputs(c);
    if (out < s->min_out || out > s->max_out) {
        oxp_op_invalid(c, "%u outputs, the operator has %s %u", out,
                       out < s->min_out ? "at least" : "at most",
                       out < s->min_out ? s->min_out : s->max_out);
        return false;
    }
    for (uint32_t i = 0; i < out; i++) {
        const oxp_schema_param *p = oxp_schema_output(s, i);
        if (c->node->out[i] == OXP_NONE && p && p->option == OXP_PARAM_SINGLE) {
            oxp_op_invalid(c, "its output %u (%s) has no name, but cannot be omitted", i, p->name);
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

/* ONNX's own checker lets names pass that begin with two underscores. */
static bool is_internal(const char *name) {
    return name[0] == '_' && name[1] == '_';
}

/* An attribute that the operator does not have in this version: a runtime does not load it.  The
 * operators of com.microsoft change without a new version: those may be of a later runtime.  What
 * takes no inputs is made before a runtime looks at versions. */
static void refuse_attr(oxp_call *c, const oxp_schema *s, const char *name) {
    const oxp_schema *newest = oxp_schema_find(c->node->domain, c->node->op, INT32_MAX);
    bool source = s->max_in == 0 && newest && oxp_schema_attr_find(newest, name);
    if (strcmp(s->domain, "com.microsoft") == 0)
        oxp_op_warn(c, "attribute %.80s is not one that ONNX Runtime 1.31 knows of it", name);
    else
        (source ? oxp_op_warn : oxp_op_invalid)(c, "it has no attribute %.80s in opset %lld", name,
                                                (long long)c->opset);
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
        if (!formal && !is_internal(a->name))
            refuse_attr(c, s, a->name); /* the rest can be understood all the same */
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

/* ---- types ---- */

/* Is the type, as far as it is known, one of the set?  What may be absent may be there: a loop can
 * carry an optional value that its body turns into the value itself. */
static bool allows(const oxp_schema_types *may, const oxp_type *t) {
    const oxp_type *of = t->of;
    uint32_t tensor = may->tensor | may->optional, sequence = may->sequence | may->optional_seq;
    switch (t->kind) {
    case OXP_KIND_TENSOR:
    case OXP_KIND_SPARSE:
        return t->elem == OXP_UNDEFINED ? tensor != 0 : (tensor & OXP_DTYPE_BIT(t->elem)) != 0;
    case OXP_KIND_SEQUENCE:
        if (!of || of->kind != OXP_KIND_TENSOR)
            return sequence != 0 || may->map;
        return of->elem == OXP_UNDEFINED ? sequence != 0
                                         : (sequence & OXP_DTYPE_BIT(of->elem)) != 0;
    case OXP_KIND_OPTIONAL:
        return may->optional || may->optional_seq;
    case OXP_KIND_MAP:
        return may->map;
    default:
        return true;
    }
}

static bool allowed(oxp_call *c, uint32_t slot, const oxp_schema_param *p) {
    char text[OXP_TYPE_TEXT];
    if (allows(&oxp_schema_typesets[p->types], &c->in[slot]->type))
        return true;
    oxp_op_invalid(c, "input %u (%s) is %s, which the operator does not take", slot, p->name,
                   oxp_type_brief(&c->in[slot]->type, text));
    return false;
}

/* The first input with a type variable that was seen. */
typedef struct binding {
    const char *variable;
    uint32_t slot;
} binding;

static bool is_variable(const oxp_schema_param *p) {
    return !strchr(p->type, '(') && (p->option != OXP_PARAM_VARIADIC || p->homogeneous);
}

/* All inputs with one type variable ("T") have the same type. */
static bool check_variable(oxp_call *c, const oxp_schema *s, uint32_t slot,
                           const oxp_schema_param *p, binding *seen, uint32_t *n) {
    enum { MOST = 8 };
    char a[OXP_TYPE_TEXT], b[OXP_TYPE_TEXT];
    for (uint32_t k = 0; k < *n; k++) {
        if (strcmp(seen[k].variable, p->type) != 0)
            continue;
        const oxp_type *first = &c->in[seen[k].slot]->type, *own = &c->in[slot]->type;
        if (oxp_types_agree(first, own))
            return true;
        oxp_op_invalid(c, "input %u (%s) is %s and input %u (%s) is %s, they are to be the same",
                       seen[k].slot, oxp_schema_input(s, seen[k].slot)->name,
                       oxp_type_brief(first, a), slot, p->name, oxp_type_brief(own, b));
        return false;
    }
    if (*n < MOST)
        seen[(*n)++] = (binding){p->type, slot};
    return true;
}

static bool check_types(oxp_call *c, const oxp_schema *s) {
    binding seen[8];
    uint32_t n = 0;
    for (uint32_t i = 0; i < c->n_in; i++) {
        const oxp_schema_param *p = c->in[i] ? oxp_schema_input(s, i) : NULL;
        if (!p || c->in[i]->type.kind == OXP_KIND_UNKNOWN)
            continue;
        if (!allowed(c, i, p) ||
            (c->n_in > 1 && is_variable(p) && !check_variable(c, s, i, p, seen, &n)))
            return false;
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

/* A deprecated operator that was in no opset before has not been removed: GroupNormalization of
 * opset 18, whose function a runtime runs. */
static bool is_gone(const oxp_schema *s) {
    return s->deprecated && oxp_schema_first_version(s->domain, s->name) != s->since;
}

/* Attributes such as `dtype` may ask for what the operator cannot give. */
void oxp_op_check_outputs(oxp_call *c) {
    const oxp_node *n = c->node;
    if (holds_tensor(c))
        return;
    const oxp_schema *s = n->domain[0] || c->opset <= OXP_OPSET_NEWEST ? c->schema : NULL;
    for (uint32_t i = 0; s && !is_gone(s) && i < c->n_out; i++) {
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

/* ---- versions ---- */

static bool in_function(const oxp_call *c) {
    const oxp_graph *g = oxp_graph_at(c->model, c->node->graph);
    while (g->kind == OXP_GRAPH_SUB)
        g = oxp_graph_at(c->model, oxp_node_at(c->model, g->owner)->graph);
    return g->kind == OXP_GRAPH_FUNCTION;
}

/* The operator sets that the table has whole: what is not in them does not exist. */
static bool is_closed(const char *domain) {
    return !domain[0] || strcmp(domain, "ai.onnx.ml") == 0;
}

/* No operator of this name in the opset in force. */
static void refuse_version(oxp_call *c, const oxp_schema *s, int64_t opset) {
    const oxp_node *n = c->node;
    int64_t first = s ? 0 : oxp_schema_first_version(n->domain, n->op);
    const char *set = n->domain[0] ? n->domain : "ai.onnx";
    if (s)
        oxp_op_invalid(c, "the operator was removed in opset %d, the model imports %lld",
                       (int)s->since, (long long)opset);
    else if (first > opset)
        oxp_op_invalid(c, "the operator is of opset %lld, the model imports %lld", (long long)first,
                       (long long)opset);
    else if (is_closed(n->domain)) /* a custom operator may have been registered there */
        oxp_op_warn(c, "%s has no such operator in opset %lld", set, (long long)opset);
    else if (strcmp(n->domain, "com.microsoft") == 0)
        oxp_op_warn(c, "ONNX Runtime 1.31 has no such operator in %s", set);
}

/* In a function's body: the model's opset counts for a runtime, the function's by the standard. */
static void refuse_in_function(oxp_call *c, const oxp_schema *s) {
    const oxp_node *n = c->node;
    int64_t opset = oxp_opset_of(c->model, OXP_MAIN_GRAPH, n->domain);
    const oxp_schema *there = oxp_schema_find(n->domain, n->op, opset);
    if (there && !is_gone(there))
        oxp_op_warn(c, "the opset %lld that its function imports does not have it, the model's has",
                    (long long)c->opset);
    else
        refuse_version(c, s, c->opset);
}

/* A runtime puts a function's body into the graph that calls it, where the model's opset is in
 * force: the operator should be the same in both. */
static void check_inlined(oxp_call *c) {
    const oxp_node *n = c->node;
    if (!oxp_function_count(c->model) || !in_function(c))
        return;
    int64_t opset = oxp_opset_of(c->model, OXP_MAIN_GRAPH, n->domain);
    if (!opset || opset == c->opset || (!n->domain[0] && opset > OXP_OPSET_NEWEST))
        return;
    const oxp_schema *s = oxp_schema_find(n->domain, n->op, opset);
    if (s == c->schema)
        return;
    bool fits = s && !is_gone(s) && given_inputs(c) >= s->min_in && given_inputs(c) <= s->max_in;
    for (uint32_t i = 0; fits && i < c->n_attrs; i++)
        fits = oxp_schema_attr_find(s, c->attrs[i].name) || is_internal(c->attrs[i].name);
    if (fits)
        oxp_op_warn(c, "its function imports opset %lld, the model %lld, where it is another one",
                    (long long)c->opset, (long long)opset);
    else
        oxp_op_invalid(c,
                       "as its function imports opset %lld it cannot be in a model of opset %lld",
                       (long long)c->opset, (long long)opset);
}

void oxp_op_check_needs(oxp_call *c, const oxp_op *op) {
    const char *needs = oxp_op_needs(op);
    if (needs && (!c->schema || !is_gone(c->schema)))
        (void)oxp_needs_check(c, needs);
}

bool oxp_op_check(oxp_call *c) {
    const oxp_node *n = c->node;
    if (!n->domain[0] && c->opset > OXP_OPSET_NEWEST)
        return true;
    const oxp_schema *s = c->schema;
    if (!s || is_gone(s)) {
        if (c->opset > 0 && !in_function(c))
            refuse_version(c, s, c->opset);
        else if (c->opset > 0)
            refuse_in_function(c, s);
        return true;
    }
    if (s->deprecated)
        oxp_op_warn(c, "deprecated since opset %d", (int)s->since);
    check_inlined(c);
    return check_inputs(c, s) && check_outputs(c, s) && check_attrs(c, s) && check_types(c, s);
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
