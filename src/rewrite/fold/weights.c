/* weights.c - new contents for weights and biases: in place where nobody else reads them, else in a
 * copy.  Large weights are never read into memory: they get a recipe. */
#include "rewrite/fold/fold.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "base/safe_math.h"

#define CHAIN  16
#define WINDOW 8192 /* elements looked at a time */

static double largest_of(oxp_dtype t) {
    switch (t) {
    case OXP_FLOAT16:
        return 65504.0;
    case OXP_BFLOAT16:
        return 3.3895313892515355e38;
    case OXP_FLOAT:
        return (double)FLT_MAX;
    default:
        return DBL_MAX;
    }
}

/* Does nobody read the value but `reader`, which reads it once? */
static bool private_to(oxp_fold *l, oxp_id value, oxp_id reader) {
    const oxp_value *v = oxp_value_at(l->m, value);
    return v->n_uses == 1 && v->outputs == 0 && oxp_use_at(l->m, v->first_use)->node == reader;
}

/* Only initializers that nobody can override and that keep type and shape are changed in place. */
static bool in_place(oxp_fold *l, oxp_id value, oxp_id reader, oxp_dtype t, int rank,
                     const int64_t *dims) {
    const oxp_value *v = oxp_value_at(l->m, value);
    if (v->tensor == OXP_NONE || v->overridable || !private_to(l, value, reader))
        return false;
    const oxp_tensor *old = oxp_tensor_at(l->m, v->tensor);
    return old->dtype == t && old->rank == rank &&
           (rank == 0 || memcmp(old->dims, dims, (size_t)rank * sizeof *dims) == 0);
}

static oxp_id publish(oxp_fold *l, oxp_id graph, oxp_id before, const char *hint, oxp_id tensor) {
    if (oxp_graph_at(l->m, graph)->kind != OXP_GRAPH_FUNCTION)
        return oxp_patch_initializer(l->p, graph, tensor);
    oxp_id out = oxp_patch_value(l->p, graph, hint, NULL);
    oxp_id node = oxp_patch_node(l->p, graph, before, "Constant", "", hint, NULL, 0, &out, 1);
    oxp_patch_attr_tensor(l->p, node, "value", tensor);
    return out;
}

static oxp_id small_tensor(oxp_fold *l, const char *hint, oxp_dtype t, int rank,
                           const int64_t *dims, const double *v) {
    if (l->imagined)
        return oxp_patch_tensor_imagined(l->p, hint, t, rank, dims);
    return oxp_patch_tensor_doubles(l->p, hint, t, rank, dims, v, false);
}

oxp_id oxp_fold_constant(oxp_fold *l, oxp_id graph, oxp_id before, const char *hint, oxp_dtype t,
                         int rank, const int64_t *dims, const double *v) {
    return publish(l, graph, before, hint, small_tensor(l, hint, t, rank, dims, v));
}

void oxp_fold_release(oxp_fold *l, oxp_id value, oxp_id reader) {
    for (int depth = 0; depth < CHAIN && value != OXP_NONE; depth++) {
        const oxp_value *v = oxp_value_at(l->m, value);
        if (v->producer == OXP_NONE || v->outputs)
            return;
        for (oxp_id u = v->first_use; u != OXP_NONE; u = oxp_use_at(l->m, u)->next)
            if (oxp_use_at(l->m, u)->node != reader)
                return;
        reader = v->producer;
        const oxp_node *n = oxp_node_at(l->m, reader);
        if (n->n_out != 1 || oxp_node_is(n, "Constant"))
            return; /* constants go by themselves */
        value = oxp_in(n, 0);
        oxp_patch_drop(l->p, reader);
    }
}

static bool fits(oxp_fold *l, const char *name, oxp_dtype t, uint64_t n, const double *v) {
    double limit = largest_of(t);
    for (uint64_t i = 0; i < n && !l->imagined; i++)
        if (!(fabs(v[i]) <= limit))
            return oxp_fold_fail(l, "%s would not fit %s: %g", name, oxp_dtype_name(t), v[i]);
    return true;
}

bool oxp_fold_set_input(oxp_fold *l, oxp_id node, uint32_t slot, const char *hint, oxp_dtype t,
                        int rank, const int64_t *dims, const double *v) {
    uint64_t n = 1;
    for (int i = 0; i < rank; i++)
        n = oxp_sat_mul(n, (uint64_t)dims[i]);
    oxp_id old = oxp_in(oxp_node_at(l->m, node), slot);
    if (old != OXP_NONE)
        hint = oxp_fold_name(l, old);
    if (!fits(l, hint, t, n, v))
        return false;
    oxp_id tensor = small_tensor(l, hint, t, rank, dims, v);
    if (old != OXP_NONE && in_place(l, old, node, t, rank, dims)) {
        oxp_patch_set_tensor(l->p, old, tensor);
        return true;
    }
    oxp_id graph =
        old != OXP_NONE ? oxp_value_at(l->m, old)->graph : oxp_node_at(l->m, node)->graph;
    oxp_id before = oxp_graph_at(l->m, graph)->kind == OXP_GRAPH_FUNCTION
                        ? oxp_graph_at(l->m, graph)->first
                        : OXP_NONE;
    oxp_patch_input(l->p, node, slot, publish(l, graph, before, hint, tensor));
    if (old != OXP_NONE)
        oxp_fold_release(l, old, node);
    return true;
}

/* ---- scaling of large weights ---- */

static size_t index_of(const oxp_recipe *r, uint64_t i) {
    uint64_t k = 0;
    for (int t = 0; t < 2; t++)
        if (r->mod[t])
            k += i / r->div[t] % r->mod[t] * r->mul[t];
    return (size_t)k;
}

/* Every scaled element must be finite in the target type.  Only half needs looking at each element,
 * others when the scale is out of the ordinary. */
static bool range_holds(oxp_fold *l, oxp_id tensor, oxp_dtype t, const oxp_recipe *r,
                        const char *name) {
    double most = 0, limit = largest_of(t);
    for (size_t i = 0; i < r->n_scale; i++)
        most = fmax(most, fabs(r->scale[i]));
    if (!oxp_tensor_readable(l->m, tensor))
        return oxp_run_opts(l->run)->assume_weights ||
               oxp_fold_fail(l, "values of %s cannot be read", name);
    if (t != OXP_FLOAT16 && most <= OXP_FOLD_HAZARD)
        return true;
    uint64_t count = oxp_tensor_at(l->m, tensor)->count;
    double *x = OXP_NEWS(l->arena, WINDOW, double);
    for (uint64_t at = 0; at < count; at += WINDOW) {
        uint64_t n = count - at < WINDOW ? count - at : WINDOW;
        oxp_tensor_doubles(l->m, tensor, at, n, x);
        for (uint64_t i = 0; i < n; i++) {
            double y = x[i] * r->scale[r->n_scale == 1 ? 0 : index_of(r, at + i)];
            if (isfinite(x[i]) && !(fabs(y) <= limit))
                return oxp_fold_fail(l, "an element of %s would become %g, too large for %s", name,
                                     y, oxp_dtype_name(t));
        }
    }
    return true;
}

/* The recipe of a scaling of a tensor with these dims. */
static bool recipe_of(oxp_fold *l, const oxp_scaling *s, int rank, const int64_t *dims,
                      oxp_recipe *r) {
    memset(r, 0, sizeof *r);
    r->scale = s->v;
    r->n_scale = s->n;
    if (s->n == 1)
        return true;
    if (s->axis < 0) {
        memcpy(r->div, s->div, sizeof r->div);
        memcpy(r->mod, s->mod, sizeof r->mod);
        memcpy(r->mul, s->mul, sizeof r->mul);
        return true;
    }
    if (s->axis >= rank || dims[s->axis] != (int64_t)s->n)
        return oxp_fold_fail(l, "a weight has another number of channels than the scale");
    r->div[0] = 1;
    for (int i = s->axis + 1; i < rank; i++)
        r->div[0] = oxp_sat_mul(r->div[0], (uint64_t)dims[i]);
    r->mod[0] = s->n;
    r->mul[0] = 1;
    return r->div[0] > 0;
}

/* One level of what lies between a weight's tensor and its reader. */
typedef struct link {
    oxp_id reader; /* and its input slot, through which `value` is read */
    uint32_t slot;
} link;

static void rewire(oxp_fold *l, link at, oxp_id old, oxp_id value) {
    oxp_patch_input(l->p, at.reader, at.slot, value);
    oxp_fold_release(l, old, at.reader);
}

/* value := tensor scaled, with the dims (and type) in which the reader sees it. */
static bool scale_tensor(oxp_fold *l, link at, oxp_id seen, oxp_id holder, oxp_id tensor,
                         oxp_dtype t, int rank, const int64_t *dims, const oxp_scaling *s) {
    oxp_recipe r;
    const char *name = oxp_fold_name(l, holder);
    if (!recipe_of(l, s, rank, dims, &r) || !range_holds(l, tensor, t, &r, name))
        return false;
    r.base = tensor;
    oxp_id lazy = oxp_patch_tensor_lazy(l->p, name, t, rank, dims, &r);
    if (seen == holder && in_place(l, holder, at.reader, t, rank, dims)) {
        oxp_patch_set_tensor(l->p, holder, lazy);
        return true;
    }
    oxp_id graph = oxp_value_at(l->m, holder)->graph;
    oxp_id before = oxp_graph_at(l->m, graph)->kind == OXP_GRAPH_FUNCTION
                        ? oxp_graph_at(l->m, graph)->first
                        : OXP_NONE;
    rewire(l, at, seen, publish(l, graph, before, name, lazy));
    return true;
}

/* A node between weight and reader that only this reader needs is changed in place, else copied. */
static oxp_id own_copy(oxp_fold *l, link at, oxp_id value, bool *copied) {
    oxp_id id = oxp_value_at(l->m, value)->producer;
    *copied = !private_to(l, value, at.reader);
    if (!*copied)
        return id;
    const oxp_node n = *oxp_node_at(l->m, id);
    oxp_id out = oxp_patch_value(l->p, n.graph, oxp_fold_name(l, value),
                                 oxp_value_at(l->m, value)->declared);
    oxp_id copy =
        oxp_patch_node_after(l->p, n.graph, id, n.op, n.domain, n.name, n.in, n.n_in, &out, 1);
    for (uint32_t i = 0; i < n.n_attr; i++)
        oxp_patch_attr_copy(l->p, copy, &n.attrs[i]);
    oxp_patch_input(l->p, at.reader, at.slot, out);
    return copy;
}

/* Scale along `axis` of y = (x - zero) * scale: the scale is scaled. */
static bool scale_quantized(oxp_fold *l, link at, oxp_id value, int rank, const int64_t *dims,
                            const oxp_scaling *s) {
    oxp_id id = oxp_value_at(l->m, value)->producer;
    const oxp_node n = *oxp_node_at(l->m, id);
    oxp_const scale, zero = {0};
    if (!oxp_fold_read(l, oxp_in(&n, 1), &scale))
        return false;
    bool has_zero = oxp_in(&n, 2) != OXP_NONE;
    if (has_zero && !oxp_fold_read(l, n.in[2], &zero))
        return false;
    int64_t axis = oxp_attr_int(&n, "axis", 1);
    axis += axis < 0 ? rank : 0;
    bool by_axis = scale.rank == 1 && (scale.n > 1 || (axis < rank && dims[axis] == 1));
    if (scale.rank > 1 || oxp_attr_int(&n, "block_size", 0) != 0 || (s->n > 1 && s->axis < 0) ||
        (by_axis && s->n > 1 && axis != s->axis) ||
        (s->n > 1 && oxp_opset_of(l->m, n.graph, "") < 13))
        return oxp_fold_fail(l, "%s has no scale along the axis of the channels",
                             oxp_fold_label(l, id));
    size_t count = by_axis ? scale.n : s->n;
    if ((by_axis && s->n > 1 && s->n != scale.n) || (s->n > 1 && dims[s->axis] != (int64_t)s->n))
        return oxp_fold_fail(l, "%s has a scale of another length", oxp_fold_label(l, id));
    double *v = OXP_NEWS(l->arena, count, double), *z = OXP_NEWS(l->arena, count, double);
    for (size_t i = 0; i < count; i++) {
        v[i] = scale.v[scale.n > 1 ? i : 0] * s->v[s->n > 1 ? i : 0];
        z[i] = has_zero ? zero.v[zero.n > 1 ? i : 0] : 0;
    }
    bool copied;
    oxp_id dq = own_copy(l, at, value, &copied);
    int64_t length = (int64_t)count;
    int new_rank = count > 1 || by_axis ? 1 : scale.rank;
    if (count > 1 && !by_axis)
        oxp_patch_attr_int(l->p, dq, "axis", s->axis);
    if (!fits(l, "a scale", scale.dtype, count, v))
        return false;
    oxp_id before = OXP_NONE, graph = n.graph;
    if (oxp_graph_at(l->m, graph)->kind == OXP_GRAPH_FUNCTION)
        before = oxp_graph_at(l->m, graph)->first;
    oxp_patch_input(l->p, dq, 1,
                    oxp_fold_constant(l, graph, before, oxp_fold_name(l, n.in[1]), scale.dtype,
                                      new_rank, &length, v));
    if (has_zero && zero.n != count)
        oxp_patch_input(l->p, dq, 2,
                        oxp_fold_constant(l, graph, before, oxp_fold_name(l, n.in[2]), zero.dtype,
                                          1, &length, z));
    return true;
}

/* The scaling as it is in front of a node that only rearranges; false when it cannot be said. */
static bool scaling_before(oxp_fold *l, oxp_id id, oxp_scaling *s) {
    if (s->n == 1)
        return true;
    if (s->axis < 0)
        return oxp_fold_fail(l, "%s rearranges the weights of a grouped layer",
                             oxp_fold_label(l, id));
    oxp_affine f = {s->axis, s->n, (double *)s->v, OXP_NEWS(l->arena, s->n, double)};
    if (!oxp_fold_step(l, id, &f, true))
        return false;
    *s = (oxp_scaling){.axis = f.axis, .n = f.n, .v = f.a};
    return true;
}

/* The tensor behind Identities, Casts and reshapes; OXP_NONE when something else is there. */
static oxp_id plain_tensor(oxp_fold *l, oxp_id value, oxp_id *holder) {
    for (int depth = 0; depth < CHAIN && value != OXP_NONE; depth++) {
        const oxp_value *v = oxp_value_at(l->m, value);
        *holder = value;
        if (v->tensor != OXP_NONE)
            return v->tensor;
        if (v->producer == OXP_NONE)
            return OXP_NONE;
        const oxp_node *n = oxp_node_at(l->m, v->producer);
        if (oxp_node_is(n, "Constant")) {
            const oxp_attr *a = oxp_attr_find(n, "value");
            return a && !a->ref && a->type == OXP_ATTR_TENSOR ? a->u.id : OXP_NONE;
        }
        if (!oxp_node_is(n, "Identity") && !oxp_node_is(n, "Reshape") &&
            !oxp_node_is(n, "Squeeze") && !oxp_node_is(n, "Unsqueeze") &&
            !oxp_node_is(n, "Flatten"))
            return OXP_NONE;
        value = oxp_in(n, 0);
    }
    return OXP_NONE;
}

/* May this weight be changed at all?  Raises the reason where it is no constant. */
static bool usable(oxp_fold *l, oxp_id holder) {
    const oxp_value *v = oxp_value_at(l->m, holder);
    return !v->overridable || oxp_run_opts(l->run)->allow_overridable ||
           oxp_fold_fail(l,
                         "%s is also a graph input, which a caller may set (--allow-overridable)",
                         v->name);
}

static bool scale_at(oxp_fold *l, link at, oxp_scaling s) {
    for (int depth = 0; depth < CHAIN; depth++) {
        oxp_id value = oxp_in(oxp_node_at(l->m, at.reader), at.slot), holder = OXP_NONE;
        oxp_id tensor = value == OXP_NONE ? OXP_NONE : plain_tensor(l, value, &holder);
        int rank;
        const int64_t *dims;
        if (tensor != OXP_NONE)
            return usable(l, holder) && oxp_fold_dims(l, value, &rank, &dims) &&
                   scale_tensor(l, at, value, holder, tensor, oxp_tensor_at(l->m, tensor)->dtype,
                                rank, dims, &s);
        if (value == OXP_NONE || oxp_value_at(l->m, value)->producer == OXP_NONE) {
            if (value != OXP_NONE)
                oxp_fold_actual(l, value);
            return oxp_fold_fail(l, "weight %s is not constant",
                                 value == OXP_NONE ? "" : oxp_fold_name(l, value));
        }
        oxp_id id = oxp_value_at(l->m, value)->producer;
        const oxp_node n = *oxp_node_at(l->m, id);
        if (oxp_node_is(&n, "DequantizeLinear"))
            return oxp_fold_dims(l, value, &rank, &dims) &&
                   scale_quantized(l, at, value, rank, dims, &s);
        if (oxp_node_is(&n, "Cast")) {
            tensor = plain_tensor(l, oxp_in(&n, 0), &holder);
            oxp_dtype to = (oxp_dtype)oxp_attr_int(&n, "to", 0);
            if (tensor == OXP_NONE || !oxp_dtype_is_float(to))
                return oxp_fold_fail(l, "weight %s is computed at run time",
                                     oxp_fold_name(l, value));
            return usable(l, holder) && oxp_fold_dims(l, value, &rank, &dims) &&
                   scale_tensor(l, at, value, holder, tensor, to, rank, dims, &s);
        }
        bool moves = oxp_node_is(&n, "Transpose") || oxp_node_is(&n, "Reshape") ||
                     oxp_node_is(&n, "Squeeze") || oxp_node_is(&n, "Unsqueeze") ||
                     oxp_node_is(&n, "Flatten") || oxp_node_is(&n, "Identity");
        if (!moves)
            return oxp_fold_fail(l, "weight %s is computed at run time by %s",
                                 oxp_fold_name(l, value), oxp_fold_label(l, id));
        bool copied;
        if (!scaling_before(l, id, &s))
            return false;
        at = (link){own_copy(l, at, value, &copied), 0};
    }
    return oxp_fold_fail(l, "a weight is computed by too many nodes");
}

bool oxp_fold_scale_input(oxp_fold *l, oxp_id node, uint32_t slot, const oxp_scaling *s) {
    return scale_at(l, (link){node, slot}, *s);
}
