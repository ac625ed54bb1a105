/* emulate_half.c - what float16 and bfloat16 really do to the numbers, on a runtime that hides it.
 *
 *   before:  x(f16) -> A -> y(f16) -> B
 *   after:   x(f32) -> A -> y/exact(f32) -> Cast f16 -> Identity -> Cast f32 -> y(f32) -> B
 *
 * CPU kernels compute most float16 in float32 and round seldom; the rewritten model computes every
 * operator in float32 and rounds each of its half-precision outputs, as a device with native
 * arithmetic does.  (Old runtimes drop a Cast right behind the one that it undoes; hence the
 * Identity.)  Constants become float32 of the same value.  Inputs and outputs of the main
 * graph keep their types: Casts stand beside them.  Every inner value keeps its name, so that it
 * can be compared with the tensor of that name in the original.
 *
 * Only for `verify`; never run by `optimize`. */
#include <string.h>

#include "onnxpert/pass.h"

typedef struct job {
    oxp_run *run;
    oxp_model *m;
    const oxp_analysis *a;
    oxp_arena *arena;
    oxp_patch *patch;
    size_t n_values, rounded;
} job;

static bool is_half(oxp_dtype t) {
    return t == OXP_FLOAT16 || t == OXP_BFLOAT16;
}

static oxp_dtype element_of(const oxp_type *t) {
    for (int depth = 0; t && t->of && t->kind != OXP_KIND_MAP && depth < 100; depth++)
        t = t->of;
    return t && t->kind != OXP_KIND_MAP ? t->elem : OXP_UNDEFINED;
}

static const oxp_type *type_of(const job *j, oxp_id v) {
    const oxp_value *x = oxp_value_at(j->m, v);
    const oxp_type *t = &j->a->values[v].type;
    return t->kind != OXP_KIND_UNKNOWN ? t : x->declared;
}

/* The type with float32 in place of its half elements. */
static const oxp_type *widened(oxp_arena *arena, const oxp_type *t) {
    oxp_type *first = NULL, **link = &first;
    for (int depth = 0; t && depth < 100; t = t->of, depth++) {
        oxp_type *c = OXP_NEW(arena, oxp_type);
        *c = *t;
        c->elem = is_half(t->elem) ? OXP_FLOAT : t->elem;
        *link = c;
        link = (oxp_type **)&c->of;
    }
    return first;
}

static void retype(job *j, oxp_id v) {
    const oxp_type *t = oxp_value_at(j->m, v)->declared;
    if (t)
        oxp_patch_type(j->patch, v, widened(j->arena, t));
}

static oxp_id new_value(job *j, oxp_id like, const char *suffix, oxp_dtype elem) {
    const oxp_value *x = oxp_value_at(j->m, like);
    oxp_type t = *type_of(j, like);
    t.elem = elem;
    return oxp_patch_value(j->patch, x->graph, oxp_sprintf(j->arena, "%s/%s", x->name, suffix), &t);
}

static void set_type_attr(job *j, oxp_id node, oxp_id graph, const char *name, oxp_dtype t) {
    if (oxp_opset_of(j->m, graph, "") >= 6)
        oxp_patch_attr_int(j->patch, node, name, t);
    else
        oxp_patch_attr_string(j->patch, node, name, t == OXP_FLOAT ? "FLOAT" : "FLOAT16");
}

/* A Cast right behind `after` (OXP_NONE: at the start of the graph). */
static void cast(job *j, oxp_id after, oxp_id from, oxp_id to, oxp_id graph, oxp_dtype t) {
    oxp_id n = oxp_patch_node_after(j->patch, graph, after, "Cast", "", NULL, &from, 1, &to, 1);
    set_type_attr(j, n, graph, "to", t);
}

/* exact -> Cast -> Identity -> rounded, right behind `after`. */
static void round_to(job *j, oxp_id after, oxp_id like, oxp_id exact, oxp_id rounded, oxp_id graph,
                     oxp_dtype half) {
    oxp_id bits = new_value(j, like, "bits", half);
    oxp_patch_node_after(j->patch, graph, after, "Identity", "", NULL, &bits, 1, &rounded, 1);
    cast(j, after, exact, bits, graph, half); /* in front of the one made before */
}

static oxp_id wide_tensor(job *j, oxp_id tensor) {
    const oxp_tensor *t = oxp_tensor_at(j->m, tensor);
    oxp_recipe r = {.base = tensor};
    return oxp_patch_tensor_lazy(j->patch, t->name, OXP_FLOAT, t->rank, t->dims, &r);
}

/* The value stays as it is; those who read it read a float32 copy. */
static void copy_for_users(job *j, oxp_id v) {
    const oxp_value *x = oxp_value_at(j->m, v);
    oxp_id producer = x->producer, graph = x->graph;
    oxp_id wide = new_value(j, v, "float", OXP_FLOAT);
    oxp_patch_replace_uses(j->patch, v, wide);
    cast(j, producer, v, wide, graph, OXP_FLOAT);
}

static bool is_main_output(const job *j, oxp_id v) {
    const oxp_value *x = oxp_value_at(j->m, v);
    const oxp_graph *g = oxp_graph_at(j->m, OXP_MAIN_GRAPH);
    for (uint32_t i = 0; x->outputs && i < g->n_outputs; i++)
        if (g->outputs[i] == v)
            return true;
    return false;
}

/* Rounds what the node makes. */
static void round_output(job *j, oxp_id v, oxp_dtype half) {
    const oxp_value *x = oxp_value_at(j->m, v);
    oxp_id node = x->producer, graph = x->graph;
    uint32_t slot = x->slot;
    oxp_id exact = new_value(j, v, "exact", OXP_FLOAT);
    j->rounded++;
    if (is_main_output(j, v)) {
        oxp_id wide = new_value(j, v, "float", OXP_FLOAT);
        oxp_patch_replace_uses(j->patch, v, wide);
        oxp_patch_output(j->patch, node, slot, exact);
        cast(j, node, v, wide, graph, OXP_FLOAT);
        round_to(j, node, v, exact, v, graph, half);
        return;
    }
    oxp_id narrow = new_value(j, v, "half", half);
    oxp_patch_output(j->patch, node, slot, exact);
    retype(j, v);
    cast(j, node, narrow, v, graph, OXP_FLOAT);
    round_to(j, node, v, exact, narrow, graph, half);
}

/* Is the value's node a Constant that holds a half tensor? */
static const oxp_attr *constant_tensor(const job *j, oxp_id v) {
    const oxp_value *x = oxp_value_at(j->m, v);
    const oxp_node *n = x->producer == OXP_NONE ? NULL : oxp_node_at(j->m, x->producer);
    const oxp_attr *a = n && oxp_node_is(n, "Constant") ? oxp_attr_find(n, "value") : NULL;
    return a && a->type == OXP_ATTR_TENSOR ? a : NULL;
}

static void widen_value(job *j, oxp_id v) {
    const oxp_value *x = oxp_value_at(j->m, v);
    const oxp_type *t = type_of(j, v);
    oxp_dtype half = element_of(t);
    bool main_graph = x->graph == OXP_MAIN_GRAPH, constant = constant_tensor(j, v) != NULL;
    if (!x->live || !is_half(half))
        return;
    if (t->kind != OXP_KIND_TENSOR) {
        if (main_graph && (x->is_input || is_main_output(j, v)))
            oxp_run_impossible(j->run, OXP_NONE, "'%s' holds more than one half-precision tensor",
                               x->name);
        retype(j, v);
    } else if (x->tensor != OXP_NONE && !x->is_input && !is_main_output(j, v)) {
        oxp_patch_set_tensor(j->patch, v, wide_tensor(j, x->tensor));
        retype(j, v);
    } else if (x->producer != OXP_NONE && !constant) {
        round_output(j, v, half);
    } else if (constant ? is_main_output(j, v) : main_graph || x->tensor != OXP_NONE) {
        copy_for_users(j, v);
    } else {
        /* a Constant, of which widen_attrs does the rest; or the input of an inner graph: what is
         * handed in is float32 now */
        retype(j, v);
    }
}

static void widen_attrs(job *j, oxp_id id) {
    static const char *const names[] = {"to", "dtype", "output_dtype", "output_datatype"};
    const oxp_node *n = oxp_node_at(j->m, id);
    bool stays = n->n_out && n->out[0] != OXP_NONE && constant_tensor(j, n->out[0]) &&
                 is_main_output(j, n->out[0]);
    for (uint32_t i = 0; i < n->n_attr && !stays; i++) {
        const oxp_attr *a = &n->attrs[i];
        if (a->type == OXP_ATTR_TENSOR && is_half(oxp_tensor_at(j->m, a->u.id)->dtype))
            oxp_patch_attr_tensor(j->patch, id, a->name, wide_tensor(j, a->u.id));
        bool names_type = false;
        for (size_t k = 0; k < sizeof names / sizeof *names; k++)
            names_type |= !strcmp(a->name, names[k]);
        if (names_type && a->type == OXP_ATTR_INT && is_half((oxp_dtype)a->u.i))
            oxp_patch_attr_int(j->patch, id, a->name, OXP_FLOAT);
        else if (names_type && a->type == OXP_ATTR_STRING && !strcmp(a->u.s.data, "FLOAT16"))
            oxp_patch_attr_string(j->patch, id, a->name, "FLOAT");
    }
}

static void run_pass(oxp_run *run) {
    oxp_model *m = oxp_run_model(run);
    job j = {.run = run,
             .m = m,
             .a = oxp_run_analysis(run),
             .arena = oxp_run_arena(run),
             .n_values = oxp_value_count(m)};
    size_t n_nodes = oxp_node_count(m);
    const char *why;
    j.patch = oxp_patch_new(run);
    for (oxp_id i = 0; i < n_nodes; i++)
        if (oxp_node_at(m, i)->live)
            widen_attrs(&j, i);
    for (oxp_id v = 0; v < j.n_values; v++)
        widen_value(&j, v);
    if (!oxp_patch_apply(j.patch, &why))
        oxp_run_impossible(run, OXP_NONE, "%s", why);
    oxp_run_changed(run, j.rounded);
    oxp_run_summary(run, "%zu tensors are rounded", j.rounded);
}

const oxp_pass oxp_pass_emulate_half = {
    .name = "emulate-half",
    .summary = "what-if: float32 arithmetic that rounds where the model is float16 or bfloat16",
    .fidelity = OXP_LOSSY,
    .flags =
        OXP_PASS_NEEDS_ANALYSIS | OXP_PASS_NEEDS_WEIGHTS | OXP_PASS_MAY_RETYPE | OXP_PASS_WHAT_IF,
    .run = run_pass};
