/* precision_apply.c - the patch: types, attributes, constants, Casts.
 *
 *   x(f32) -> A -> y(f32) -> B          x -> Cast -> x'(f16) -> A -> y(f16) -> B
 *
 * A value keeps its name in the form its definition has, except an output of a graph, which keeps
 * its name in the form the outside sees.  Casts stand before the first node that needs them, in the
 * graph that defines the value, so that one serves all scopes. */
#include "rewrite/precision/precision.h"

#include <math.h>
#include <string.h>

typedef struct forms {
    oxp_id wide, narrow;                 /* of any value            */
    oxp_id narrow_clamped, wide_clamped; /* of constants      */
    uint8_t need;                        /* OXP_FORM_ bits           */
    double limit;
} forms;

typedef struct job {
    oxp_precision *p;
    oxp_patch *patch;
    forms *f; /* by value, of those that were there at the start */
    oxp_precision_counts *c;
} job;

static const oxp_type *retype(oxp_arena *a, const oxp_type *t, oxp_dtype to) {
    if (!t || t->kind == OXP_KIND_UNKNOWN)
        return NULL;
    oxp_type *r = OXP_NEW(a, oxp_type);
    *r = *t;
    if (t->of && t->kind != OXP_KIND_MAP)
        r->of = retype(a, t->of, to);
    else if (t->elem == OXP_FLOAT)
        r->elem = to;
    return r;
}

static const oxp_type *type_of(const oxp_precision *p, oxp_id v) {
    const oxp_value *x = oxp_value_at(p->m, v);
    if (x->declared)
        return x->declared;
    const oxp_type *t = &p->inferred->facts[v].type;
    return t->kind == OXP_KIND_UNKNOWN ? NULL : t;
}

static oxp_id new_value(job *j, oxp_id like, oxp_dtype t) {
    oxp_precision *p = j->p;
    const oxp_value *x = oxp_value_at(p->m, like);
    const char *hint = oxp_sprintf(p->arena, "%s_%s", x->name, oxp_dtype_name(t));
    return oxp_patch_value(j->patch, x->graph, hint, retype(p->arena, type_of(p, like), t));
}

static void narrow_in_place(job *j, oxp_id v) {
    const oxp_value *x = oxp_value_at(j->p->m, v);
    if (x->declared)
        oxp_patch_type(j->patch, v, retype(j->p->arena, x->declared, j->p->target));
}

/* Dims with leading ones, if the tensor of v is to have more of them. */
static const int64_t *lifted(const oxp_precision *p, oxp_id v, const oxp_tensor *t, int *rank) {
    *rank = t->rank;
    if (p->lift[v] <= t->rank)
        return t->dims;
    *rank = p->lift[v];
    int64_t *dims = OXP_NEWS(p->arena, (size_t)*rank, int64_t);
    for (int d = 0; d < *rank; d++)
        dims[d] = d < *rank - t->rank ? 1 : t->dims[d - (*rank - t->rank)];
    return dims;
}

static void lift_type(job *j, oxp_id v, oxp_dtype elem) {
    oxp_precision *p = j->p;
    oxp_type *t = OXP_NEW(p->arena, oxp_type);
    int rank;
    const int64_t *dims = lifted(p, v, oxp_tensor_at(p->m, oxp_precision_tensor(p, v)), &rank);
    *t = (oxp_type){.kind = OXP_KIND_TENSOR, .elem = elem, .rank = rank};
    oxp_dim *to = OXP_NEWS(p->arena, (size_t)rank, oxp_dim);
    for (int d = 0; d < rank; d++)
        to[d] = dims[d];
    t->dims = to;
    oxp_patch_type(j->patch, v, t);
}

static void set_to(job *j, oxp_id graph, oxp_id cast, oxp_dtype to) {
    if (oxp_opset_of(j->p->m, graph, "") >= 6)
        oxp_patch_attr_int(j->patch, cast, "to", to);
    else /* the name of the type, not its number */
        oxp_patch_attr_string(j->patch, cast, "to",
                              to == OXP_FLOAT     ? "FLOAT"
                              : to == OXP_FLOAT16 ? "FLOAT16"
                                                  : "BFLOAT16");
}

static void cast_attr(job *j, oxp_id graph, oxp_id cast, oxp_dtype to) {
    set_to(j, graph, cast, to);
    j->c->casts++;
}

static void cast_after(job *j, oxp_id node, oxp_id from, oxp_id to, oxp_dtype t) {
    oxp_precision *p = j->p;
    const char *hint = oxp_sprintf(p->arena, "%s_cast", oxp_value_at(p->m, to)->name);
    oxp_id graph = oxp_node_at(p->m, node)->graph;
    cast_attr(j, graph,
              oxp_patch_node_after(j->patch, graph, node, "Cast", "", hint, &from, 1, &to, 1), t);
}

/* Whom a Cast is for: the node in float32, else the one that its graph belongs to. */
static void count_cast(oxp_precision *p, oxp_id node, oxp_id graph) {
    const oxp_graph *g = oxp_graph_at(p->m, graph);
    if (node == OXP_NONE && g->kind == OXP_GRAPH_SUB)
        node = g->owner;
    if (node != OXP_NONE && node < p->n_nodes)
        p->n_casts[node]++;
}

/* ---- definitions ---- */
static void define_output(job *j, oxp_id node, uint32_t slot, oxp_id v) {
    oxp_precision *p = j->p;
    bool narrow = oxp_precision_is_narrow(p, p->def[v]);
    bool fixed = oxp_value_at(p->m, v)->outputs && p->out_use[v] != OXP_ATOM_NONE;
    bool outside = fixed ? oxp_precision_is_narrow(p, p->out_use[v]) : narrow;
    forms *f = &j->f[v];
    if (narrow == outside) {
        *(narrow ? &f->narrow : &f->wide) = v;
        if (narrow)
            narrow_in_place(j, v);
        return;
    }
    oxp_id made = new_value(j, v, narrow ? p->target : OXP_FLOAT);
    oxp_patch_output(j->patch, node, slot, made);
    f->narrow = narrow ? made : v;
    f->wide = narrow ? v : made;
    if (!narrow)
        narrow_in_place(j, v);
    cast_after(j, node, made, v, narrow ? OXP_FLOAT : p->target);
    bool leaves = oxp_value_at(p->m, v)->graph == OXP_MAIN_GRAPH;
    j->c->casts_out += leaves;
    j->c->casts_inner += !leaves;
    if (!leaves)
        count_cast(p, narrow ? OXP_NONE : node, oxp_value_at(p->m, v)->graph);
}

static void define_values(job *j) {
    oxp_precision *p = j->p;
    for (oxp_id v = 0; v < p->n_values; v++) {
        const oxp_value *x = oxp_value_at(p->m, v);
        j->f[v] = (forms){OXP_NONE, OXP_NONE, OXP_NONE, OXP_NONE, 0, HUGE_VAL};
        if (!x->live || !oxp_precision_float32(p, v) || p->is_const[v] || x->producer != OXP_NONE)
            continue;
        bool narrow = oxp_precision_is_narrow(p, p->def[v]);
        *(narrow ? &j->f[v].narrow : &j->f[v].wide) = v;
        if (narrow)
            narrow_in_place(j, v);
    }
    for (size_t k = 0; k < p->n_order; k++) {
        oxp_id id = p->order[k];
        for (uint32_t i = 0; i < oxp_node_at(p->m, id)->n_out; i++) {
            oxp_id v = oxp_node_at(p->m, id)->out[i];
            if (oxp_precision_float32(p, v) && !p->is_const[v])
                define_output(j, id, i, v);
        }
    }
}

/* ---- constants ---- */
static uint8_t form_of_use(oxp_precision *p, oxp_id node, uint32_t slot, double *limit) {
    const oxp_sentinel *s = oxp_precision_sentinel(p, node, slot);
    bool narrow = oxp_precision_is_narrow(p, p->in_atom[node][slot]);
    /* A bound may stay as it is in float32; a mask must fit the Cast behind it. */
    if (s && (narrow || !(oxp_precision_rule(oxp_node_at(p->m, node), NULL) & OXP_RULE_BOUND))) {
        *limit = fmin(*limit, s->limit);
        return narrow ? OXP_FORM_NARROW_CLAMPED : OXP_FORM_WIDE_CLAMPED;
    }
    return narrow ? OXP_FORM_NARROW : OXP_FORM_WIDE;
}

bool oxp_precision_clamps(oxp_precision *p, const oxp_sentinel *s) {
    double limit = HUGE_VAL;
    if (!s->clamps)
        return false;
    if (s->slot == UINT32_MAX)
        return oxp_precision_is_narrow(p, p->out_atom[s->node][0]);
    return form_of_use(p, s->node, s->slot, &limit) &
           (OXP_FORM_NARROW_CLAMPED | OXP_FORM_WIDE_CLAMPED);
}

static void collect_needs(job *j) {
    oxp_precision *p = j->p;
    for (oxp_id v = 0; v < p->n_values; v++)
        if (p->is_const[v] && oxp_precision_float32(p, v) && oxp_value_at(p->m, v)->outputs)
            j->f[v].need |=
                p->out_use[v] != OXP_ATOM_NONE && oxp_precision_is_narrow(p, p->out_use[v])
                    ? OXP_FORM_NARROW
                    : OXP_FORM_WIDE;
    for (size_t k = 0; k < p->n_order; k++) {
        oxp_id id = p->order[k];
        const oxp_node *n = oxp_node_at(p->m, id);
        for (uint32_t i = 0; i < n->n_in; i++) {
            oxp_id v = n->in[i];
            if (v != OXP_NONE && p->is_const[v] && oxp_precision_float32(p, v))
                j->f[v].need |= form_of_use(p, id, i, &j->f[v].limit);
        }
    }
}

/* A single number or a short list, clamped. */
static oxp_id small_tensor(job *j, oxp_id v, oxp_dtype t, double limit, int rank,
                           const int64_t *dims) {
    oxp_precision *p = j->p;
    uint64_t n = oxp_precision_count(p, v);
    double *x = OXP_NEWS(p->arena, n ? n : 1, double);
    if (!oxp_precision_elements(p, v, x, n, &n))
        oxp_raise(oxp_model_ctx(p->m), OXP_E_IO, "%s: its elements cannot be read",
                  oxp_value_label(p->m, v, p->arena));
    for (uint64_t i = 0; i < n; i++)
        if (isfinite(x[i]))
            x[i] = fmax(-limit, fmin(limit, x[i]));
    return oxp_patch_tensor_doubles(j->patch, oxp_value_at(p->m, v)->name, t, rank, dims, x, true);
}

static oxp_id const_tensor(job *j, oxp_id v, uint8_t form) {
    oxp_precision *p = j->p;
    const oxp_value *x = oxp_value_at(p->m, v);
    oxp_id base = oxp_precision_tensor(p, v);
    bool clamp = form & (OXP_FORM_NARROW_CLAMPED | OXP_FORM_WIDE_CLAMPED);
    oxp_dtype t = form & (OXP_FORM_WIDE | OXP_FORM_WIDE_CLAMPED) ? OXP_FLOAT : p->target;
    double limit = clamp ? j->f[v].limit : HUGE_VAL;
    if (base == OXP_NONE) {
        int64_t n = (int64_t)oxp_precision_count(p, v);
        bool list = oxp_node_at(p->m, x->producer)->attrs[0].type == OXP_ATTR_FLOATS;
        return small_tensor(j, v, t, limit, list, &n);
    }
    const oxp_tensor *b = oxp_tensor_at(p->m, base);
    p->narrowed[base] |= t == p->target;
    int rank;
    const int64_t *dims = lifted(p, v, b, &rank);
    if (clamp && b->count <= 65536)
        return small_tensor(j, v, t, limit, rank, dims);
    oxp_recipe *r = OXP_NEW(oxp_model_arena(p->m), oxp_recipe);
    r->base = base;
    r->saturate = true;
    return oxp_patch_tensor_lazy(j->patch, x->name, t, rank, dims, r);
}

static bool only(uint8_t need, uint8_t form) {
    return need == form;
}

static void const_in_place(job *j, oxp_id v, uint8_t form) {
    oxp_precision *p = j->p;
    oxp_id t = const_tensor(j, v, form), producer = oxp_value_at(p->m, v)->producer;
    if (oxp_value_at(p->m, v)->tensor != OXP_NONE) {
        oxp_patch_set_tensor(j->patch, v, t);
    } else {
        const char *name = oxp_node_at(p->m, producer)->attrs[0].name;
        if (strcmp(name, "value") != 0)
            oxp_patch_attr_remove(j->patch, producer, name);
        oxp_patch_attr_tensor(j->patch, producer, "value", t);
    }
    bool narrow = form & (OXP_FORM_NARROW | OXP_FORM_NARROW_CLAMPED);
    if (p->lift[v] && oxp_value_at(p->m, v)->declared)
        lift_type(j, v, narrow ? p->target : OXP_FLOAT);
    else if (narrow)
        narrow_in_place(j, v);
}

static oxp_id const_copy(job *j, oxp_id v, uint8_t form) {
    oxp_precision *p = j->p;
    oxp_id t = const_tensor(j, v, form), graph = oxp_value_at(p->m, v)->graph;
    if (oxp_value_at(p->m, v)->tensor != OXP_NONE)
        return oxp_patch_initializer(j->patch, graph, t);
    oxp_dtype type = form & (OXP_FORM_WIDE | OXP_FORM_WIDE_CLAMPED) ? OXP_FLOAT : p->target;
    oxp_id out = new_value(j, v, type), after = oxp_value_at(p->m, v)->producer;
    oxp_id node = oxp_patch_node_after(
        j->patch, graph, after, "Constant", "",
        oxp_sprintf(p->arena, "%s_node", oxp_value_at(p->m, v)->name), NULL, 0, &out, 1);
    oxp_patch_attr_tensor(j->patch, node, "value", t);
    return out;
}

static oxp_id const_form(job *j, oxp_id v, uint8_t form) {
    oxp_precision *p = j->p;
    forms *f = &j->f[v];
    oxp_id *at = form == OXP_FORM_NARROW           ? &f->narrow
                 : form == OXP_FORM_NARROW_CLAMPED ? &f->narrow_clamped
                 : form == OXP_FORM_WIDE_CLAMPED   ? &f->wide_clamped
                                                   : &f->wide;
    if (*at != OXP_NONE)
        return *at;
    bool narrow_outside = oxp_value_at(p->m, v)->outputs && p->out_use[v] != OXP_ATOM_NONE &&
                          oxp_precision_is_narrow(p, p->out_use[v]);
    if ((only(f->need, form) && form != OXP_FORM_WIDE) ||
        (narrow_outside && form == OXP_FORM_NARROW)) {
        const_in_place(j, v, form);
        *at = v;
    } else if (form == OXP_FORM_WIDE && !narrow_outside) {
        if (p->lift[v])
            const_in_place(j, v, form);
        *at = v;
    } else {
        oxp_id made = const_copy(j, v, form);
        *(form == OXP_FORM_NARROW           ? &j->f[v].narrow
          : form == OXP_FORM_NARROW_CLAMPED ? &j->f[v].narrow_clamped
          : form == OXP_FORM_WIDE_CLAMPED   ? &j->f[v].wide_clamped
                                            : &j->f[v].wide) = made;
        return made;
    }
    return *at;
}

/* Constants that leave a subgraph in the narrow type. */
static void narrow_outputs(job *j) {
    oxp_precision *p = j->p;
    for (oxp_id v = 0; v < p->n_values; v++)
        if (p->is_const[v] && oxp_precision_float32(p, v) && oxp_value_at(p->m, v)->outputs &&
            oxp_precision_is_narrow(p, p->out_use[v]))
            (void)const_form(j, v, OXP_FORM_NARROW);
}

/* ---- uses ---- */
/* The node of `graph` that holds `node`, or is it. */
static oxp_id holder(const oxp_precision *p, oxp_id node, oxp_id graph) {
    for (int depth = 0; depth < 1000; depth++) {
        const oxp_node *n = oxp_node_at(p->m, node);
        if (n->graph == graph)
            return node;
        const oxp_graph *g = oxp_graph_at(p->m, n->graph);
        if (g->kind != OXP_GRAPH_SUB)
            break;
        node = g->owner;
    }
    return node;
}

static oxp_id value_form(job *j, oxp_id v, oxp_id user, bool narrow) {
    oxp_precision *p = j->p;
    oxp_id have = narrow ? j->f[v].narrow : j->f[v].wide;
    if (have != OXP_NONE)
        return have;
    oxp_id from = narrow ? j->f[v].wide : j->f[v].narrow;
    oxp_dtype t = narrow ? p->target : OXP_FLOAT;
    oxp_id made = new_value(j, v, t), graph = oxp_value_at(p->m, v)->graph;
    const char *hint = oxp_sprintf(p->arena, "%s_cast", oxp_value_at(p->m, v)->name);
    bool from_outside = oxp_value_at(p->m, v)->producer == OXP_NONE && graph == OXP_MAIN_GRAPH;
    cast_attr(j, graph,
              oxp_patch_node(j->patch, graph, holder(p, user, graph), "Cast", "", hint, &from, 1,
                             &made, 1),
              t);
    j->c->casts_in += from_outside;
    j->c->casts_inner += !from_outside;
    if (!from_outside)
        count_cast(p, narrow ? oxp_value_at(p->m, v)->producer : user, graph);
    *(narrow ? &j->f[v].narrow : &j->f[v].wide) = made;
    return made;
}

/* A Cast that has become one from a type to itself goes away: its users take its input. */
static bool remove_cast(job *j, oxp_id id) {
    oxp_precision *p = j->p;
    const oxp_node *n = oxp_node_at(p->m, id);
    if (!oxp_node_is(n, "Cast") || n->n_in != 1 || n->n_out != 1 || n->out[0] == OXP_NONE ||
        oxp_value_at(p->m, n->out[0])->outputs || oxp_value_at(p->m, n->in[0])->graph != n->graph)
        return false;
    oxp_id in = n->in[0], out = n->out[0];
    if (p->dtype[out] == p->target && oxp_precision_float32(p, in) && !p->is_const[in] &&
        oxp_precision_is_narrow(p, p->def[in])) {
        oxp_patch_replace_uses(j->patch, out, j->f[in].narrow);
    } else if (p->dtype[in] == p->target && oxp_precision_float32(p, out) &&
               oxp_precision_is_narrow(p, p->def[out])) {
        /* Its wide users, if any, get a Cast of the input instead. */
        j->f[out].narrow = in;
    } else if (oxp_precision_float32(p, in) && oxp_precision_float32(p, out) && !p->is_const[in] &&
               oxp_precision_is_narrow(p, p->def[in]) && oxp_precision_is_narrow(p, p->def[out])) {
        /* From float to float before: from half to half now, which some runtimes cannot load. */
        j->f[out].narrow = j->f[in].narrow;
    } else
        return false;
    oxp_patch_drop(j->patch, id);
    j->c->removed++;
    return true;
}

static void rewire(job *j, oxp_id id) {
    oxp_precision *p = j->p;
    uint32_t n_in = oxp_node_at(p->m, id)->n_in;
    for (uint32_t i = 0; i < n_in; i++) {
        oxp_id v = oxp_node_at(p->m, id)->in[i];
        if (v == OXP_NONE || !oxp_precision_float32(p, v) || p->in_atom[id][i] == OXP_ATOM_NONE)
            continue;
        double limit = HUGE_VAL;
        oxp_id form = p->is_const[v]
                          ? const_form(j, v, form_of_use(p, id, i, &limit))
                          : value_form(j, v, id, oxp_precision_is_narrow(p, p->in_atom[id][i]));
        if (form != v)
            oxp_patch_input(j->patch, id, i, form);
    }
}

/* ---- attributes that name a type ---- */
static bool typed_by_input(const oxp_node *n, const oxp_schema *s, const char *type) {
    for (uint32_t i = 0; i < n->n_in; i++) {
        const char *t = oxp_schema_input_type(s, i);
        if (n->in[i] != OXP_NONE && t && !strcmp(t, type))
            return true;
    }
    return false;
}

static void fill_value(job *j, oxp_id id) {
    oxp_precision *p = j->p;
    const oxp_attr *a = oxp_attr_find(oxp_node_at(p->m, id), "value");
    const oxp_sentinel *s = oxp_precision_sentinel(p, id, UINT32_MAX);
    int64_t one = 1;
    double x = 0;
    if (a && a->type == OXP_ATTR_TENSOR && oxp_tensor_at(p->m, a->u.id)->count == 1)
        oxp_tensor_doubles(p->m, a->u.id, 0, 1, &x);
    if (s && isfinite(x))
        x = fmax(-s->limit, fmin(s->limit, x));
    oxp_patch_attr_tensor(
        j->patch, id, "value",
        oxp_patch_tensor_doubles(j->patch, "value", p->target, 1, &one, &x, true));
}

static void set_type_attr(job *j, oxp_id id) {
    static const char *const names[] = {"to", "dtype", "output_datatype", "output_dtype"};
    oxp_precision *p = j->p;
    const oxp_node *n = oxp_node_at(p->m, id);
    const oxp_schema *s = p->schema[id];
    if (!s || !n->n_out || n->out[0] == OXP_NONE || p->is_const[n->out[0]])
        return;
    const char *type = oxp_schema_output_type(s, 0);
    if (!oxp_precision_is_narrow(p, p->out_atom[id][0]) || !type || typed_by_input(n, s, type))
        return;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (oxp_schema_attr_find(s, names[i])) {
            if (oxp_schema_attr_find(s, names[i])->type == OXP_ATTR_STRING)
                set_to(j, n->graph, id, p->target);
            else
                oxp_patch_attr_int(j->patch, id, names[i], p->target);
            return;
        }
    if (oxp_schema_attr_find(s, "value"))
        fill_value(j, id);
}

bool oxp_precision_converted(oxp_precision *p, oxp_id id) {
    const oxp_node *n = oxp_node_at(p->m, id);
    for (uint32_t i = 0; i < n->n_in + n->n_out; i++) {
        uint32_t a = i < n->n_in ? p->in_atom[id][i] : p->out_atom[id][i - n->n_in];
        if (oxp_precision_is_narrow(p, a) && p->atoms[oxp_atom_root(p, a)].kind != OXP_ATOM_FOLLOW)
            return true;
    }
    return false;
}

bool oxp_precision_apply(oxp_precision *p, oxp_precision_counts *c, const char **why) {
    memset(c, 0, sizeof *c);
    for (size_t k = 0; k < p->n_order; k++) {
        if (!oxp_precision_converted(p, p->order[k]))
            continue;
        c->nodes++;
        oxp_run_decided(p->run, p->order[k]);
    }
    if (!c->nodes)
        return true;
    job j = {p, oxp_patch_new(p->run), OXP_NEWS(p->arena, p->n_values + 1, forms), c};
    define_values(&j);
    collect_needs(&j);
    narrow_outputs(&j);
    for (size_t k = 0; k < p->n_order; k++) {
        if (remove_cast(&j, p->order[k]))
            continue;
        set_type_attr(&j, p->order[k]);
        rewire(&j, p->order[k]);
    }
    return oxp_patch_apply(j.patch, why);
}
