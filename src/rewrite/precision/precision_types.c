/* precision_types.c - which places of a model must have one type: the atoms. */
#include "rewrite/precision/precision.h"

#include <string.h>

uint32_t oxp_atom_root(oxp_precision *p, uint32_t a) {
    while (p->atoms[a].parent != a) {
        p->atoms[a].parent = p->atoms[p->atoms[a].parent].parent;
        a = p->atoms[a].parent;
    }
    return a;
}

static uint32_t new_atom(oxp_precision *p) {
    p->atoms = oxp_grow(p->arena, p->atoms, &p->cap_atoms, p->n_atoms + 1, sizeof *p->atoms);
    uint32_t a = (uint32_t)p->n_atoms++;
    p->atoms[a] = (oxp_atom){.parent = a, .node = OXP_NONE};
    return a;
}

static void join(oxp_precision *p, uint32_t a, uint32_t b) {
    if (a == OXP_ATOM_NONE || b == OXP_ATOM_NONE)
        return;
    a = oxp_atom_root(p, a);
    b = oxp_atom_root(p, b);
    if (a == b)
        return;
    oxp_atom *x = &p->atoms[a], *y = &p->atoms[b];
    y->parent = a;
    if (y->forced && !x->forced) {
        x->forced = true;
        x->reason = y->reason;
        x->node = y->node;
    }
    /* An atom that several nodes share is decided like any other. */
    if (x->kind != y->kind)
        x->kind = OXP_ATOM_PLAIN;
    x->all_users |= y->all_users;
}

void oxp_atom_force(oxp_precision *p, uint32_t a, oxp_id node, const char *reason) {
    if (a == OXP_ATOM_NONE)
        return;
    oxp_atom *x = &p->atoms[oxp_atom_root(p, a)];
    if (x->forced && (x->reason || !reason))
        return;
    x->forced = true;
    x->reason = reason;
    x->node = node;
}

void oxp_precision_keep(oxp_precision *p, oxp_id node, const char *reason) {
    const oxp_node *n = oxp_node_at(p->m, node);
    if (!p->reason[node])
        p->reason[node] = reason;
    for (uint32_t i = 0; i < n->n_in; i++) {
        uint32_t a = p->in_atom[node][i];
        if (a != OXP_ATOM_NONE && p->atoms[oxp_atom_root(p, a)].kind != OXP_ATOM_FOLLOW)
            oxp_atom_force(p, a, node, reason);
    }
    for (uint32_t i = 0; i < n->n_out; i++)
        oxp_atom_force(p, p->out_atom[node][i], node, reason);
}

bool oxp_precision_is_narrow(oxp_precision *p, uint32_t atom) {
    return atom != OXP_ATOM_NONE && p->atoms[oxp_atom_root(p, atom)].narrow;
}

bool oxp_precision_float32(const oxp_precision *p, oxp_id v) {
    return v != OXP_NONE && p->dtype[v] == OXP_FLOAT;
}

/* ---- types of values ---- */
static void note_type(oxp_precision *p, oxp_id v, const oxp_type *t) {
    if (!t || t->kind == OXP_KIND_UNKNOWN)
        return;
    p->kind[v] = (uint8_t)t->kind;
    const oxp_type *e = t;
    for (int depth = 0; e->of && depth < 8 && e->kind != OXP_KIND_MAP; depth++)
        e = e->of;
    p->dtype[v] = (uint8_t)e->elem;
}

static void types_known(oxp_precision *p) {
    for (oxp_id v = 0; v < p->n_values; v++) {
        const oxp_value *x = oxp_value_at(p->m, v);
        if (!x->live)
            continue;
        note_type(p, v, x->declared);
        note_type(p, v, &p->inferred->facts[v].type);
        if (x->tensor != OXP_NONE) {
            const oxp_tensor *t = oxp_tensor_at(p->m, x->tensor);
            p->kind[v] = OXP_KIND_TENSOR;
            p->dtype[v] = (uint8_t)t->dtype;
            p->is_const[v] = !x->overridable && !t->sparse;
        } else if (x->producer != OXP_NONE) {
            const oxp_node *n = oxp_node_at(p->m, x->producer);
            if (!oxp_node_is(n, "Constant") || n->n_attr != 1)
                continue;
            bool number = n->attrs[0].type == OXP_ATTR_FLOAT || n->attrs[0].type == OXP_ATTR_FLOATS;
            if (number) { /* also where a function's attribute gives the value */
                p->kind[v] = OXP_KIND_TENSOR;
                p->dtype[v] = OXP_FLOAT;
            }
            p->is_const[v] = !n->attrs[0].ref && (number || n->attrs[0].type == OXP_ATTR_TENSOR);
        }
    }
}

static void types_of_call(oxp_precision *p, const oxp_node *n) {
    const oxp_graph *g = oxp_graph_at(p->m, oxp_function_at(p->m, n->function)->graph);
    for (uint32_t i = 0; i < n->n_out && i < g->n_outputs; i++)
        if (n->out[i] != OXP_NONE && !p->kind[n->out[i]]) {
            p->kind[n->out[i]] = p->kind[g->outputs[i]];
            p->dtype[n->out[i]] = p->dtype[g->outputs[i]];
        }
}

/* Types of outputs that inference does not know, from the schema. */
static void types_by_schema(oxp_precision *p) {
    for (size_t k = 0; k < p->n_order; k++) {
        const oxp_node *n = oxp_node_at(p->m, p->order[k]);
        const oxp_schema *s = p->schema[p->order[k]];
        if (n->function != OXP_NONE)
            types_of_call(p, n);
        for (uint32_t i = 0; s && i < n->n_out; i++) {
            oxp_id v = n->out[i];
            const oxp_schema_param *o = oxp_schema_output(s, i);
            if (v == OXP_NONE || p->kind[v] != OXP_KIND_UNKNOWN || !o)
                continue;
            const oxp_schema_types *set = &oxp_schema_typesets[o->types];
            if (set->tensor && !(set->tensor & (set->tensor - 1)) && !set->sequence) {
                p->kind[v] = OXP_KIND_TENSOR;
                p->dtype[v] = (uint8_t)__builtin_ctz(set->tensor);
                continue;
            }
            for (uint32_t j = 0; j < n->n_in; j++) {
                const char *t = oxp_schema_input_type(s, j);
                if (t && !strcmp(t, o->type) && n->in[j] != OXP_NONE && p->kind[n->in[j]]) {
                    p->kind[v] = p->kind[n->in[j]];
                    p->dtype[v] = p->dtype[n->in[j]];
                    break;
                }
            }
        }
    }
}

/* ---- atoms of one node ---- */
typedef struct variable {
    const char *name;
    uint32_t atom;
    uint32_t values, in_slots, out_slots;
    bool first_input, allowed, known;
    bool lists; /* a constant that is no single number */
} variable;

static bool allows(const oxp_precision *p, const oxp_schema_param *f, uint8_t kind) {
    const oxp_schema_types *set = &oxp_schema_typesets[f->types];
    uint32_t bit = OXP_DTYPE_BIT(p->target);
    switch (kind) {
    case OXP_KIND_SEQUENCE:
        return set->sequence & bit;
    case OXP_KIND_OPTIONAL:
        return (set->optional | set->optional_seq) & bit;
    default:
        return set->tensor & bit;
    }
}

enum { VARIABLES_MAX = 16 };

static variable *variable_of(oxp_precision *p, variable *vars, uint32_t *n, const char *name) {
    for (uint32_t i = 0; i < *n; i++)
        if (!strcmp(vars[i].name, name))
            return &vars[i];
    if (*n == VARIABLES_MAX)
        return NULL;
    vars[*n] = (variable){name, new_atom(p), 0, 0, 0, false, true, true, false};
    return &vars[(*n)++];
}

/* The attribute that decides the type of an output that no input shares, or NULL. */
static const char *deciding_attr(const oxp_schema *s) {
    static const char *const names[] = {"to", "dtype", "output_datatype", "output_dtype", "value"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (oxp_schema_attr_find(s, names[i]))
            return names[i];
    return NULL;
}

static void slot_atom(oxp_precision *p, variable *vars, uint32_t *n_vars, uint32_t *atom, oxp_id v,
                      const oxp_schema_param *f, bool input, uint32_t slot) {
    if (v == OXP_NONE)
        return;
    if (!p->kind[v] && f && strchr(f->type, '(') == NULL) {
        /* Type unknown: whoever shares the variable stays as it is. */
        variable *u = variable_of(p, vars, n_vars, f->type);
        if (u)
            u->allowed = u->known = false;
        return;
    }
    if (!oxp_precision_float32(p, v))
        return;
    if (!f || strchr(f->type, '(')) {
        *atom = p->wide;
        return;
    }
    if (f->option == OXP_PARAM_VARIADIC && !f->homogeneous) {
        *atom = new_atom(p);
        return;
    }
    variable *u = variable_of(p, vars, n_vars, f->type);
    if (!u) {
        *atom = p->wide;
        return;
    }
    *atom = u->atom;
    u->allowed &= allows(p, f, p->kind[v]);
    if (input) {
        u->in_slots++;
        u->values += !p->is_const[v];
        u->lists |= p->is_const[v] && oxp_precision_count(p, v) != 1;
        u->first_input |= slot == 0;
    } else
        u->out_slots++;
}

/* Normalizations and attention name the types of their inputs apart, but compute in one: only lists
 * of constants (statistics) may stay wide.  The variable of the result, or NULL. */
static variable *result_of(oxp_precision *p, oxp_id id, const oxp_schema *s, variable *vars,
                           uint32_t n) {
    const oxp_node *node = oxp_node_at(p->m, id);
    const char *type = oxp_schema_output_type(s, 0);
    if (!node->def || !(node->def->flags & (OXP_OP_NORM | OXP_OP_ATTENTION)))
        return NULL;
    for (uint32_t i = 0; i < n; i++)
        if (type && !strcmp(vars[i].name, type))
            return &vars[i];
    return NULL;
}

/* What kind of decision each type variable of the node gets. */
static void classify(oxp_precision *p, oxp_id id, const oxp_schema *s, variable *vars, uint32_t n) {
    const oxp_node *node = oxp_node_at(p->m, id);
    unsigned rule = oxp_precision_rule(node, NULL);
    variable *result = result_of(p, id, s, vars, n);
    for (uint32_t i = 0; i < n; i++) {
        variable *u = &vars[i];
        oxp_atom *a = &p->atoms[oxp_atom_root(p, u->atom)];
        if (!u->in_slots && !u->out_slots)
            continue;
        if (!u->allowed) {
            const char *why = u->known
                                  ? oxp_sprintf(p->arena, "its schema of opset %d has no %s for %s",
                                                s->since, p->target_name, u->name)
                                  : "the type of one of its inputs is not known";
            oxp_atom_force(p, u->atom, id, u->out_slots || u->first_input ? why : NULL);
            if (u->out_slots && !p->reason[id])
                p->reason[id] = why;
        } else if (!u->out_slots && result && (u->first_input || u->values)) {
            join(p, result->atom, u->atom);
        } else if (!u->out_slots) {
            if (u->first_input)
                a->kind = OXP_ATOM_FOLLOW;
            else if (u->values || u->lists)
                oxp_atom_force(p, u->atom, id, NULL);
        } else if (!u->in_slots) {
            const char *attr = deciding_attr(s);
            const oxp_attr *x = attr ? oxp_attr_find(node, attr) : NULL;
            a->kind = OXP_ATOM_WANT;
            a->all_users = node->n_in == 0 || !oxp_node_is(node, "Cast");
            if (!attr || (x && x->ref) || oxp_node_is(node, "Constant"))
                oxp_atom_force(p, u->atom, id, NULL);
        } else if (rule & OXP_RULE_ORDER)
            a->kind = OXP_ATOM_FOLLOW;
        else if (oxp_node_is(node, "CastLike"))
            a->kind = OXP_ATOM_WANT, a->all_users = true;
    }
}

static bool holds_container(const oxp_precision *p, const oxp_node *n) {
    for (uint32_t i = 0; i < n->n_in + n->n_out; i++) {
        oxp_id v = i < n->n_in ? n->in[i] : n->out[i - n->n_in];
        if (v != OXP_NONE && p->kind[v] > OXP_KIND_SPARSE)
            return true;
    }
    return false;
}

static void wide_node(oxp_precision *p, oxp_id id) {
    const oxp_node *n = oxp_node_at(p->m, id);
    for (uint32_t i = 0; i < n->n_in; i++)
        if (oxp_precision_float32(p, n->in[i]))
            p->in_atom[id][i] = p->wide;
    for (uint32_t i = 0; i < n->n_out; i++)
        if (oxp_precision_float32(p, n->out[i]))
            p->out_atom[id][i] = p->wide;
}

static void schema_node(oxp_precision *p, oxp_id id, const oxp_schema *s) {
    const oxp_node *n = oxp_node_at(p->m, id);
    variable vars[VARIABLES_MAX];
    uint32_t n_vars = 0;
    for (uint32_t i = 0; i < n->n_in; i++)
        slot_atom(p, vars, &n_vars, &p->in_atom[id][i], n->in[i], oxp_schema_input(s, i), true, i);
    for (uint32_t i = 0; i < n->n_out; i++)
        slot_atom(p, vars, &n_vars, &p->out_atom[id][i], n->out[i], oxp_schema_output(s, i), false,
                  i);
    if (holds_container(p, n)) {
        /* Sequences and optionals: the variables of the schema do not say that a sequence's
         * elements have the type of what was put in, so all of the node is one atom. */
        uint32_t all = OXP_ATOM_NONE;
        for (uint32_t i = 0; i < n_vars; i++) {
            if (!vars[i].allowed)
                oxp_atom_force(p, vars[i].atom, id, NULL);
            if (all == OXP_ATOM_NONE)
                all = vars[i].atom;
            join(p, all, vars[i].atom);
        }
        if (!n->n_in && !deciding_attr(s))
            oxp_precision_keep(p, id, "its type cannot be changed");
        return;
    }
    classify(p, id, s, vars, n_vars);
}

/* ---- control flow and calls ---- */
typedef struct control {
    const char *op;
    int in_shift, out_shift; /* body input i is node input i + in_shift; same for outputs */
    int first_in, first_out; /* first body input / output that is data                     */
    bool states;
} control;

static const control controls[] = {
    {"If", 0, 0, 0, 0, false},
    {"Loop", 0, -1, 2, 1, true},
    {"Scan", 0, 0, 0, 0, true},
    {"SequenceMap", 0, 0, 0, 0, false},
};

static const control *control_of(const oxp_node *n) {
    for (size_t i = 0; i < sizeof controls / sizeof *controls; i++)
        if (oxp_node_is(n, controls[i].op))
            return &controls[i];
    return NULL;
}

/* What leaves a subgraph through output k has the type of atom a. */
static void leaves(oxp_precision *p, oxp_id graph, uint32_t k, uint32_t a) {
    oxp_id v = oxp_graph_at(p->m, graph)->outputs[k];
    if (v == OXP_NONE || a == OXP_ATOM_NONE)
        return;
    if (p->out_use[v] == OXP_ATOM_NONE)
        p->out_use[v] = a;
    else
        join(p, p->out_use[v], a);
    /* Nothing in between could hold a Cast: the value comes straight from outside. */
    const oxp_value *x = oxp_value_at(p->m, v);
    if (x->producer == OXP_NONE && !p->is_const[v])
        join(p, p->def[v], a);
    else if (x->graph != graph)
        oxp_atom_force(p, a, OXP_NONE, NULL), join(p, p->def[v], a);
}

static void control_body(oxp_precision *p, oxp_id id, oxp_id body, const control *c) {
    const oxp_node *n = oxp_node_at(p->m, id);
    const oxp_graph *g = oxp_graph_at(p->m, body);
    int shift = c->in_shift + (oxp_node_is(n, "Scan") && oxp_opset_of(p->m, n->graph, "") < 9);
    for (int i = c->first_in; i < (int)g->n_inputs && i + shift < (int)n->n_in; i++) {
        uint32_t a = p->in_atom[id][i + shift];
        p->def[g->inputs[i]] = a;
    }
    for (int i = c->first_out; i < (int)g->n_outputs; i++)
        if (i + c->out_shift < (int)n->n_out)
            leaves(p, body, (uint32_t)i, p->out_atom[id][i + c->out_shift]);
    if (!c->states)
        return;
    int states =
        (int)g->n_inputs -
        (oxp_node_is(n, "Loop") ? 2 : (int)oxp_attr_int(n, "num_scan_inputs", g->n_inputs));
    for (int k = 0; k < states; k++) {
        int in = c->first_in + k + shift, out = c->first_out + k + c->out_shift;
        if (in < (int)n->n_in && out < (int)n->n_out)
            join(p, p->in_atom[id][in], p->out_atom[id][out]);
        if (in < (int)n->n_in && c->first_out + k < (int)g->n_outputs)
            leaves(p, body, (uint32_t)(c->first_out + k), p->in_atom[id][in]);
    }
}

/* Does the node's schema take the target type wherever it has a float32 tensor? */
static bool control_allows(const oxp_precision *p, oxp_id id) {
    const oxp_node *n = oxp_node_at(p->m, id);
    const oxp_schema *s = p->schema[id];
    for (uint32_t i = 0; s && i < n->n_in + n->n_out; i++) {
        bool in = i < n->n_in;
        uint32_t slot = in ? i : i - n->n_in;
        oxp_id v = in ? n->in[slot] : n->out[slot];
        const oxp_schema_param *f = in ? oxp_schema_input(s, slot) : oxp_schema_output(s, slot);
        if (f && v != OXP_NONE && oxp_precision_float32(p, v) && !allows(p, f, p->kind[v]))
            return false;
    }
    return true;
}

static void control_node(oxp_precision *p, oxp_id id) {
    const oxp_node *n = oxp_node_at(p->m, id);
    const control *c = control_of(n);
    for (uint32_t i = 0; i < n->n_in; i++)
        if (oxp_precision_float32(p, n->in[i]))
            p->in_atom[id][i] = new_atom(p);
    for (uint32_t i = 0; i < n->n_out; i++)
        if (oxp_precision_float32(p, n->out[i]))
            p->out_atom[id][i] = new_atom(p);
    for (uint32_t i = 0; i < n->n_attr; i++)
        if (n->attrs[i].type == OXP_ATTR_GRAPH && c)
            control_body(p, id, n->attrs[i].u.id, c);
    if (!c)
        oxp_precision_keep(p, id, "holds a subgraph whose types are not known");
    else if (!control_allows(p, id))
        oxp_precision_keep(p, id,
                           oxp_sprintf(p->arena, "its schema of opset %d has no %s",
                                       p->schema[id]->since, p->target_name));
}

static void call_node(oxp_precision *p, oxp_id id, uint32_t **fn_in, uint32_t **fn_out) {
    const oxp_node *n = oxp_node_at(p->m, id);
    const oxp_graph *g = oxp_graph_at(p->m, oxp_function_at(p->m, n->function)->graph);
    uint32_t *in = fn_in[n->function], *out = fn_out[n->function];
    for (uint32_t i = 0; i < n->n_in; i++) {
        oxp_id v = n->in[i];
        if (i >= g->n_inputs || v == OXP_NONE)
            continue;
        bool same = p->dtype[v] == p->dtype[g->inputs[i]];
        if (oxp_precision_float32(p, v))
            p->in_atom[id][i] = in[i] != OXP_ATOM_NONE ? in[i] : p->wide;
        if (!same) /* another call has other types: the body serves both as it is */
            for (uint32_t k = 0; k < g->n_inputs + g->n_outputs; k++)
                oxp_atom_force(p, k < g->n_inputs ? in[k] : out[k - g->n_inputs], id, NULL);
    }
    for (uint32_t i = 0; i < n->n_out; i++)
        if (oxp_precision_float32(p, n->out[i]))
            p->out_atom[id][i] = i < g->n_outputs && out[i] != OXP_ATOM_NONE ? out[i] : p->wide;
}

/* ---- all of it ---- */
static bool has_graph(const oxp_node *n) {
    for (uint32_t i = 0; i < n->n_attr; i++)
        if (n->attrs[i].type == OXP_ATTR_GRAPH || n->attrs[i].type == OXP_ATTR_GRAPHS)
            return true;
    return false;
}

static uint32_t *atoms_none(oxp_precision *p, uint32_t n) {
    uint32_t *a = OXP_NEWS(p->arena, n ? n : 1, uint32_t);
    memset(a, 0xff, (n ? n : 1) * sizeof *a);
    return a;
}

static void function_atoms(oxp_precision *p, uint32_t **fn_in, uint32_t **fn_out) {
    for (oxp_id f = 0; f < oxp_function_count(p->m); f++) {
        const oxp_graph *g = oxp_graph_at(p->m, oxp_function_at(p->m, f)->graph);
        fn_in[f] = atoms_none(p, g->n_inputs);
        fn_out[f] = atoms_none(p, g->n_outputs);
        for (uint32_t i = 0; i < g->n_inputs; i++)
            if (oxp_precision_float32(p, g->inputs[i]))
                p->def[g->inputs[i]] = fn_in[f][i] = new_atom(p);
        for (uint32_t i = 0; i < g->n_outputs; i++)
            if (oxp_precision_float32(p, g->outputs[i]))
                fn_out[f][i] = new_atom(p);
    }
}

/* Values that no node defines, and outputs. */
static void interface_atoms(oxp_precision *p, uint32_t **fn_out) {
    const oxp_graph *main = oxp_graph_at(p->m, OXP_MAIN_GRAPH);
    for (uint32_t i = 0; i < main->n_inputs; i++) {
        oxp_id v = main->inputs[i];
        if (oxp_precision_float32(p, v) && !p->is_const[v])
            p->def[v] = p->opts->keep_io ? p->wide : new_atom(p);
    }
    for (uint32_t i = 0; i < main->n_outputs; i++) {
        oxp_id v = main->outputs[i];
        if (!oxp_precision_float32(p, v))
            continue;
        if (p->opts->keep_io || p->is_const[v])
            p->out_use[v] = p->wide;
        if (p->kind[v] != OXP_KIND_TENSOR && p->opts->keep_io)
            join(p, p->wide, p->def[v]);
    }
    for (oxp_id f = 0; f < oxp_function_count(p->m); f++) {
        oxp_id g = oxp_function_at(p->m, f)->graph;
        for (uint32_t i = 0; i < oxp_graph_at(p->m, g)->n_outputs; i++)
            leaves(p, g, i, fn_out[f][i]);
    }
}

/* A container cannot be cast: what uses it has the type of what defines it. */
static void join_containers(oxp_precision *p) {
    for (size_t k = 0; k < p->n_order; k++) {
        oxp_id id = p->order[k];
        const oxp_node *n = oxp_node_at(p->m, id);
        for (uint32_t i = 0; i < n->n_in; i++)
            if (n->in[i] != OXP_NONE && p->kind[n->in[i]] > OXP_KIND_SPARSE)
                join(p, p->def[n->in[i]], p->in_atom[id][i]);
        for (uint32_t i = 0; i < n->n_out; i++) {
            oxp_id v = n->out[i];
            if (v != OXP_NONE && p->kind[v] > OXP_KIND_SPARSE && p->out_use[v] != OXP_ATOM_NONE)
                join(p, p->def[v], p->out_use[v]);
        }
    }
}

void oxp_precision_types(oxp_precision *p) {
    types_known(p);
    types_by_schema(p);
    p->wide = new_atom(p);
    p->atoms[p->wide].forced = true;
    size_t n_fn = oxp_function_count(p->m);
    uint32_t **fn_in = OXP_NEWS(p->arena, n_fn + 1, uint32_t *);
    uint32_t **fn_out = OXP_NEWS(p->arena, n_fn + 1, uint32_t *);
    function_atoms(p, fn_in, fn_out);
    /* Outputs of nodes first, so that a body's captures find them; then the joints. */
    for (size_t k = 0; k < p->n_order; k++) {
        oxp_id id = p->order[k];
        const oxp_node *n = oxp_node_at(p->m, id);
        p->in_atom[id] = atoms_none(p, n->n_in);
        p->out_atom[id] = atoms_none(p, n->n_out);
        if (n->function != OXP_NONE)
            call_node(p, id, fn_in, fn_out);
        else if (has_graph(n))
            control_node(p, id);
        else if (p->schema[id])
            schema_node(p, id, p->schema[id]);
        else
            wide_node(p, id);
        for (uint32_t i = 0; i < n->n_out; i++)
            if (n->out[i] != OXP_NONE)
                p->def[n->out[i]] = p->out_atom[id][i];
    }
    interface_atoms(p, fn_out);
    join_containers(p);
    for (oxp_id v = 0; v < p->n_values; v++) {
        const oxp_value *x = oxp_value_at(p->m, v);
        if (x->live && oxp_precision_float32(p, v) &&
            (p->is_const[v] || p->def[v] == OXP_ATOM_NONE))
            p->def[v] = p->is_const[v] ? OXP_ATOM_NONE : p->wide;
    }
}
