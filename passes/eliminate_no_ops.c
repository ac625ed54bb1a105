/* eliminate_no_ops.c - drops nodes that hand on their input unchanged.
 *
 *   before   b = Identity(a)   y = Relu(b)                      after   y = Relu(a)
 *
 * Identity; Dropout in inference mode; Cast and CastLike to the type it has; Reshape, Flatten,
 * Squeeze, Unsqueeze, Expand, Tile to the shape it has; Resize and Upsample by 1, DepthToSpace in
 * blocks of 1; Transpose in the order it has; Pad by nothing; Slice of everything; Concat, Sum,
 * Min, Max, Mean of one; Split in one; Mul and Div by 1, Sub of 0.  Exact, bit for bit: Add of 0 is
 * left, because -0 + 0 is +0.
 *
 * Where the result is a graph output, its producer takes over the output's name; a graph input or
 * an initializer that goes straight to an output needs its node. */
#include <string.h>

#include "onnxpert/pass.h"
#include "rewrite/select.h"

typedef struct view {
    oxp_run *run;
    oxp_model *m;
    size_t n_typed;
    bool shapes_may_change; /* by an integer initializer that a caller may override */
    oxp_id id;
    const oxp_node *n;
} view;

static const oxp_type *type_of(const view *v, oxp_id value) {
    if (value == OXP_NONE || value >= v->n_typed)
        return NULL;
    oxp_id graph = oxp_value_at(v->m, value)->graph;
    while (oxp_graph_at(v->m, graph)->kind == OXP_GRAPH_SUB)
        graph = oxp_node_at(v->m, oxp_graph_at(v->m, graph)->owner)->graph;
    if (oxp_graph_at(v->m, graph)->kind == OXP_GRAPH_FUNCTION)
        return NULL; /* each call may have other types */
    const oxp_type *t = &oxp_run_analysis(v->run)->values[value].symbolic;
    return t->kind == OXP_KIND_TENSOR ? t : NULL;
}

/* Same element type, rank and dimensions, all of them known. */
static bool same_type(const view *v, oxp_id a, oxp_id b) {
    const oxp_type *s = type_of(v, a), *t = type_of(v, b);
    if (v->shapes_may_change)
        return false;
    if (!s || !t || s->elem != t->elem || s->elem == OXP_UNDEFINED || s->rank < 0 ||
        s->rank != t->rank)
        return false;
    for (int i = 0; i < s->rank; i++)
        if (oxp_dim_is_unknown(s->dims[i]) || s->dims[i] != t->dims[i])
            return false;
    return true;
}

/* Elements of a short integer or float constant, or false. */
static bool short_constant(const view *v, oxp_id value, double *e, size_t max, size_t *n) {
    oxp_id t = value == OXP_NONE ? OXP_NONE : oxp_constant_of(v->m, value, false);
    if (t == OXP_NONE || !oxp_tensor_readable(v->m, t) ||
        oxp_tensor_at(v->m, t)->dtype == OXP_STRING)
        return false;
    *n = (size_t)oxp_tensor_at(v->m, t)->count;
    if (oxp_tensor_at(v->m, t)->count > max)
        return false;
    oxp_tensor_doubles(v->m, t, 0, *n, e);
    return true;
}

static bool all_are(const view *v, oxp_id value, double what) {
    double e[32];
    size_t n;
    if (!short_constant(v, value, e, 32, &n) || n == 0)
        return false;
    for (size_t i = 0; i < n; i++)
        if (e[i] != what)
            return false;
    return true;
}

static bool always(const view *v) {
    (void)v;
    return true;
}

static bool is_dropout(const view *v) {
    int64_t opset = oxp_opset_of(v->m, v->n->graph, "");
    if (opset < 7 && oxp_attr_int(v->n, "is_test", 0) == 0)
        return false;
    return opset < 12 || oxp_in(v->n, 2) == OXP_NONE || all_are(v, v->n->in[2], 0);
}

static bool is_cast(const view *v) {
    const oxp_type *t = type_of(v, v->n->in[0]);
    return t && t->elem != OXP_UNDEFINED && oxp_attr_int(v->n, "to", 0) == (int64_t)t->elem;
}

static bool keeps_shape(const view *v) {
    return same_type(v, v->n->in[0], v->n->out[0]);
}

static bool is_transpose(const view *v) {
    size_t n = 0;
    const int64_t *perm = oxp_attr_ints(v->n, "perm", &n);
    const oxp_type *t = type_of(v, v->n->in[0]);
    for (size_t i = 0; i < n; i++)
        if (perm[i] != (int64_t)i)
            return false;
    return perm ? n > 0 : t && (t->rank == 0 || t->rank == 1) && !oxp_attr_find(v->n, "perm");
}

static bool is_pad(const view *v) {
    size_t n = 0;
    const int64_t *pads = oxp_attr_ints(v->n, "pads", &n);
    for (size_t i = 0; i < n; i++)
        if (pads[i] != 0)
            return false;
    return n > 0 || all_are(v, oxp_in(v->n, 1), 0);
}

/* A shape that stays means everything, unless a negative step turns it round. */
static bool is_slice(const view *v) {
    return (oxp_in(v->n, 4) == OXP_NONE || all_are(v, v->n->in[4], 1)) && keeps_shape(v);
}

static bool is_single(const view *v) {
    return v->n->n_in == 1;
}

static bool is_split(const view *v) {
    return v->n->n_out == 1 && keeps_shape(v);
}

static bool is_times_one(const view *v) {
    return all_are(v, oxp_in(v->n, 1), 1) && keeps_shape(v);
}

static bool is_minus_zero(const view *v) {
    return all_are(v, oxp_in(v->n, 1), 0) && keeps_shape(v);
}

static bool is_cast_like(const view *v) {
    const oxp_type *x = type_of(v, v->n->in[0]), *like = type_of(v, oxp_in(v->n, 1));
    return x && like && x->elem != OXP_UNDEFINED && x->elem == like->elem;
}

/* By factors of 1 every position falls on itself. */
static bool is_resize(const view *v) {
    uint32_t slot = oxp_opset_of(v->m, v->n->graph, "") < 11 ? 1 : 2;
    return strcmp(oxp_attr_string(v->n, "coordinate_transformation_mode", ""),
                  "tf_crop_and_resize") != 0 &&
           all_are(v, oxp_in(v->n, slot), 1) && keeps_shape(v);
}

static bool is_upsample(const view *v) {
    return all_are(v, oxp_in(v->n, 1), 1) && keeps_shape(v);
}

static const struct {
    const char *op;
    bool (*no_op)(const view *v);
} table[] = {
    {"Identity", always},
    {"Dropout", is_dropout},
    {"Cast", is_cast},
    {"Reshape", keeps_shape},
    {"Flatten", keeps_shape},
    {"Squeeze", keeps_shape},
    {"Unsqueeze", keeps_shape},
    {"Expand", keeps_shape},
    {"Transpose", is_transpose},
    {"Pad", is_pad},
    {"Slice", is_slice},
    {"Concat", is_single},
    {"Sum", is_single},
    {"Min", is_single},
    {"Max", is_single},
    {"Mean", is_single},
    {"Split", is_split},
    {"Mul", is_times_one},
    {"Div", is_times_one},
    {"Sub", is_minus_zero},
    {"Tile", keeps_shape},
    {"CastLike", is_cast_like},
    {"Resize", is_resize},
    {"Upsample", is_upsample},
    {"DepthToSpace", keeps_shape},
    {"SpaceToDepth", keeps_shape},
};

static bool is_no_op(const view *v) {
    if (v->n->n_in < 1 || v->n->in[0] == OXP_NONE || v->n->n_out < 1 || v->n->out[0] == OXP_NONE)
        return false;
    for (uint32_t i = 1; i < v->n->n_out; i++)
        if (v->n->out[i] != OXP_NONE &&
            (oxp_value_at(v->m, v->n->out[i])->n_uses || oxp_value_at(v->m, v->n->out[i])->outputs))
            return false;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (oxp_node_is(v->n, table[i].op))
            return table[i].no_op(v);
    return false;
}

static bool remove_node(const view *v, const char **why) {
    oxp_id x = v->n->in[0], y = v->n->out[0], graph = v->n->graph;
    const oxp_value *from = oxp_value_at(v->m, x), *to = oxp_value_at(v->m, y);
    bool output = to->outputs > 0;
    if (output && (from->producer == OXP_NONE || from->graph != graph || from->outputs)) {
        *why = oxp_sprintf(oxp_run_arena(v->run), "%s goes straight to output %s", from->name,
                           to->name);
        return false;
    }
    oxp_id producer = from->producer;
    uint32_t slot = from->slot;
    oxp_patch *p = oxp_patch_new(v->run);
    if (output) {
        oxp_patch_output(p, producer, slot, y);
        oxp_patch_replace_uses(p, x, y);
    } else {
        oxp_patch_replace_uses(p, y, x);
    }
    oxp_patch_drop(p, v->id);
    return oxp_patch_apply(p, why);
}

static bool try_node(oxp_run *run, oxp_id id, void *arg, const char **why) {
    view *v = arg;
    const oxp_node node = *oxp_node_at(v->m, id);
    (void)run;
    v->id = id;
    v->n = &node;
    return is_no_op(v) && remove_node(v, why);
}

static void run(oxp_run *r) {
    view v = {.run = r, .m = oxp_run_model(r)};
    v.n_typed = oxp_run_analysis(r) ? oxp_value_count(v.m) : 0;
    for (oxp_id i = 0; i < oxp_value_count(v.m) && !oxp_run_opts(r)->allow_overridable; i++) {
        const oxp_value *value = oxp_value_at(v.m, i);
        v.shapes_may_change |= value->live && value->overridable && value->tensor != OXP_NONE &&
                               oxp_dtype_is_integer(oxp_tensor_at(v.m, value->tensor)->dtype);
    }
    size_t removed = oxp_run_each(r, NULL, try_node, &v);
    oxp_run_summary(r, "%zu nodes that change nothing removed", removed);
}

static const char *const after[] = {"fold-constants", NULL};

const oxp_pass oxp_pass_eliminate_no_ops = {
    .name = "eliminate-no-ops",
    .summary = "remove nodes that hand on their input unchanged",
    .fidelity = OXP_EXACT,
    .flags = OXP_PASS_BY_NODE | OXP_PASS_NEEDS_ANALYSIS,
    .after = after,
    .run = run,
};
