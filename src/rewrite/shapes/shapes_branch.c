/* shapes_branch.c - an If whose condition the sizes decide becomes the branch that it takes.
 *
 *   Shape -> Gather -> Equal -> If {then: Squeeze; else: Identity} -> y      Squeeze -> y */
#include "rewrite/shapes/shapes.h"

static bool copyable(const oxp_model *m, oxp_id graph) {
    for (oxp_id id = oxp_graph_at(m, graph)->first; id != OXP_NONE; id = oxp_node_at(m, id)->next) {
        const oxp_node *n = oxp_node_at(m, id);
        for (uint32_t i = 0; i < n->n_attr; i++)
            if (n->attrs[i].type == OXP_ATTR_GRAPH || n->attrs[i].type == OXP_ATTR_GRAPHS)
                return false;
    }
    return oxp_graph_at(m, graph)->n_inputs == 0;
}

static oxp_id branch_taken(const oxp_shape_job *j, oxp_id id) {
    const oxp_node *n = oxp_node_at(j->m, id);
    oxp_id cond = oxp_in(n, 0);
    if (!oxp_node_is(n, "If") || cond == OXP_NONE)
        return OXP_NONE;
    const oxp_fact *f = &j->facts->facts[cond];
    if (!f->elems || f->n_elems != 1 || !f->elems[0].known || !oxp_dim_is_literal(f->elems[0].i))
        return OXP_NONE;
    const oxp_attr *a = oxp_attr_find(n, f->elems[0].i ? "then_branch" : "else_branch");
    return a && a->type == OXP_ATTR_GRAPH ? a->u.id : OXP_NONE;
}

/* Values of the branch -> their copies outside; others are themselves. */
typedef struct copies {
    oxp_id *of; /* by value */
    size_t n;
} copies;

static oxp_id copy_of(const copies *c, oxp_id v) {
    return v == OXP_NONE || v >= c->n || c->of[v] == OXP_NONE ? v : c->of[v];
}

static void copy_inits(oxp_shape_job *j, oxp_patch *p, oxp_id branch, oxp_id graph, copies *c) {
    uint32_t n = oxp_graph_at(j->m, branch)->n_inits;
    for (uint32_t i = 0; i < n; i++) {
        oxp_id v = oxp_graph_at(j->m, branch)->inits[i];
        const oxp_value *x = oxp_value_at(j->m, v);
        if (!x->live || x->tensor == OXP_NONE)
            continue;
        const oxp_tensor *t = oxp_tensor_at(j->m, x->tensor);
        oxp_recipe *r = OXP_NEW(oxp_model_arena(j->m), oxp_recipe);
        r->base = x->tensor;
        oxp_id tensor = oxp_patch_tensor_lazy(p, x->name, t->dtype, t->rank, t->dims, r);
        c->of[v] = oxp_patch_initializer(p, graph, tensor);
    }
}

static void copy_node(oxp_shape_job *j, oxp_patch *p, oxp_id id, oxp_id before, copies *c) {
    oxp_node n = *oxp_node_at(j->m, id);
    oxp_id graph = oxp_node_at(j->m, before)->graph;
    oxp_id *in = OXP_NEWS(j->arena, n.n_in ? n.n_in : 1, oxp_id);
    oxp_id *out = OXP_NEWS(j->arena, n.n_out ? n.n_out : 1, oxp_id);
    for (uint32_t i = 0; i < n.n_in; i++)
        in[i] = copy_of(c, n.in[i]);
    for (uint32_t i = 0; i < n.n_out; i++) {
        out[i] = n.out[i];
        if (n.out[i] == OXP_NONE)
            continue;
        if (c->of[n.out[i]] == OXP_NONE) {
            const oxp_fact *f = &j->facts->facts[n.out[i]];
            c->of[n.out[i]] = oxp_patch_value(p, graph, oxp_value_at(j->m, n.out[i])->name,
                                              f->type.kind == OXP_KIND_UNKNOWN ? NULL : &f->type);
        }
        out[i] = c->of[n.out[i]];
    }
    oxp_id made =
        oxp_patch_node(p, graph, before, n.op, n.domain, n.name, in, n.n_in, out, n.n_out);
    for (uint32_t i = 0; i < n.n_attr; i++)
        oxp_patch_attr_copy(p, made, &n.attrs[i]);
}

static void inline_branch(oxp_shape_job *j, oxp_id id, oxp_id branch) {
    oxp_patch *p = oxp_patch_new(j->run);
    size_t n_values = oxp_value_count(j->m);
    copies c = {OXP_NEWS(j->arena, n_values + 1, oxp_id), n_values};
    for (size_t i = 0; i <= n_values; i++)
        c.of[i] = OXP_NONE;
    oxp_id graph = oxp_node_at(j->m, id)->graph;
    copy_inits(j, p, branch, graph, &c);
    for (oxp_id n = oxp_graph_at(j->m, branch)->first; n != OXP_NONE;) {
        oxp_id next = oxp_node_at(j->m, n)->next;
        copy_node(j, p, n, id, &c);
        n = next;
    }
    uint32_t n_out = oxp_node_at(j->m, id)->n_out;
    for (uint32_t i = 0; i < n_out; i++) {
        oxp_id from = copy_of(&c, oxp_graph_at(j->m, branch)->outputs[i]);
        oxp_id to = oxp_node_at(j->m, id)->out[i];
        if (to == OXP_NONE)
            continue;
        if (!oxp_value_at(j->m, to)->outputs) {
            oxp_patch_replace_uses(p, to, from);
            continue;
        }
        (void)oxp_patch_node(p, graph, id, "Identity", "", "branch_output", &from, 1, &to, 1);
    }
    oxp_patch_drop(p, id);
    oxp_shape_apply(j, p);
    j->inlined++;
}

bool oxp_shape_inline(oxp_shape_job *j) {
    size_t n = oxp_node_count(j->m);
    bool any = false;
    for (oxp_id id = 0; id < n; id++) {
        const oxp_node *x = oxp_node_at(j->m, id);
        if (!x->live || oxp_graph_at(j->m, x->graph)->kind == OXP_GRAPH_FUNCTION ||
            !oxp_graph_at(j->m, x->graph)->live)
            continue;
        oxp_id branch = branch_taken(j, id);
        if (branch == OXP_NONE)
            continue;
        if (!copyable(j->m, branch)) {
            oxp_run_note(j->run, id,
                         "its condition is known, but the branch holds subgraphs: left as it is");
            continue;
        }
        inline_branch(j, id, branch);
        oxp_shape_infer(j);
        any = true;
    }
    return any;
}
