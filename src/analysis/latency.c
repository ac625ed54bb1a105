/* latency.c - the roofline of a node, and the sum over the graph (latency.h has the formula). */
#include "analysis/latency.h"

#include <math.h>

#include "analysis/latency_impl.h"
#include "analysis/memory.h"
#include "analysis/weights.h"
#include "base/safe_math.h"
#include "ops/half_cpu.h"
#include "ops/op.h"

/* A node without a kernel still passes through the runtime's loop: about a microsecond. */
static const double bookkeeping = 1e-6;

/* Fewer input channels than this in a group of a convolution: no matrix product to speak of. */
enum { DEPTHWISE_CHANNELS = 8 };

enum { SHAPE_BYTES = 4096 };

static bool is_depthwise(const oxp_value_info *values, const oxp_node *n) {
    if (oxp_attr_int(n, "group", 1) < 2)
        return false;
    oxp_id w = oxp_in(n, 1);
    const oxp_type *t = w == OXP_NONE ? NULL : &values[w].type;
    return t != NULL && t->kind == OXP_KIND_TENSOR && t->rank >= 3 &&
           oxp_dim_is_literal(t->dims[1]) && t->dims[1] < DEPTHWISE_CHANNELS;
}

oxp_op_class oxp_class_of(const oxp_analysis *a, oxp_id node) {
    const oxp_node *n = oxp_node_at(a->model, node);
    uint32_t f = n->def != NULL ? n->def->flags : 0;
    if (f & OXP_OP_CONV)
        return is_depthwise(a->values, n) ? OXP_CLASS_DEPTHWISE : OXP_CLASS_CONV;
    if (f & (OXP_OP_MATMUL | OXP_OP_ATTENTION))
        return OXP_CLASS_MATMUL;
    if (f & OXP_OP_RECURRENT)
        return OXP_CLASS_RECURRENT;
    if (f & (OXP_OP_NORM | OXP_OP_REDUCE | OXP_OP_POOL))
        return OXP_CLASS_NORM;
    if (f & (OXP_OP_MOVE | OXP_OP_VIEW))
        return OXP_CLASS_MOVE;
    return OXP_CLASS_SIMPLE;
}

/* Type of the node's arithmetic: its first float input's or output's, else float32. */
static oxp_dtype float_type(const oxp_value_info *values, const oxp_node *n) {
    for (uint32_t i = 0; i < n->n_in; i++) {
        if (n->in[i] != OXP_NONE && oxp_dtype_is_float(values[n->in[i]].type.elem))
            return values[n->in[i]].type.elem;
    }
    for (uint32_t i = 0; i < n->n_out; i++) {
        if (n->out[i] != OXP_NONE && oxp_dtype_is_float(values[n->out[i]].type.elem))
            return values[n->out[i]].type.elem;
    }
    return OXP_UNDEFINED;
}

/* The input that carries the data of what may be merged into a convolution: a normalization, an
 * activation, arithmetic with a constant; OXP_NONE: it is none of these. */
static oxp_id merged_input(const oxp_analysis *a, const oxp_node *n, uint32_t flags) {
    if (flags & (OXP_OP_RUNNING_STATS | OXP_OP_ACTIVATION))
        return oxp_in(n, 0);
    if (!(flags & OXP_OP_ELEMENTWISE) || n->n_in != 2 || oxp_in(n, 0) == OXP_NONE ||
        oxp_in(n, 1) == OXP_NONE)
        return OXP_NONE;
    bool constant[2] = {a->values[n->in[0]].constant, a->values[n->in[1]].constant};
    return constant[0] == constant[1] ? OXP_NONE : n->in[constant[0] ? 1 : 0];
}

/* What is behind a Cast of the runtime's own is no constant to it yet when it merges: limits of a
 * Clip, statistics of another type than the data. */
static bool is_apart(const oxp_analysis *a, const oxp_node *n, oxp_dtype precision) {
    uint32_t f = n->def->flags;
    if (f & OXP_OP_RUNNING_STATS) {
        for (uint32_t i = 1; i < n->n_in; i++)
            if (n->in[i] != OXP_NONE && !oxp_half_value(a, n->in[i], precision))
                return true;
        return false;
    }
    if (oxp_half_kernels(n, oxp_opset_of(a->model, n->graph, n->domain)) != 0)
        return true;
    return (f & OXP_OP_ACTIVATION) && n->n_in > 1;
}

/* A chain that starts at a convolution and goes on with what runtimes merge into it.  half: that
 * is in float16 and computed in float32. */
static bool is_fused(const oxp_analysis *a, const oxp_node *n, oxp_dtype precision, bool half) {
    const oxp_model *m = a->model;
    for (int hop = 0; hop < 3; hop++) {
        uint32_t f = n->def != NULL ? n->def->flags : 0;
        if (f & OXP_OP_CONV)
            return hop > 0;
        oxp_id in = merged_input(a, n, f);
        const oxp_value *v = in == OXP_NONE ? NULL : oxp_value_at(m, in);
        if (!v || v->n_uses != 1 || v->outputs != 0 || v->producer == OXP_NONE)
            return false;
        if (half && is_apart(a, n, precision))
            return false;
        n = oxp_node_at(m, v->producer);
    }
    return n->def != NULL && (n->def->flags & OXP_OP_CONV);
}

/* Arithmetic on sizes; masks and positions made of them are tensors like others once they are
 * large. */
static bool only_shapes(const oxp_analysis *a, const oxp_node *n) {
    bool any = false;
    for (uint32_t i = 0; i < n->n_out; i++) {
        if (n->out[i] == OXP_NONE)
            continue;
        any = true;
        const oxp_value_info *v = &a->values[n->out[i]];
        if (!v->shape_role || v->bytes > SHAPE_BYTES)
            return false;
    }
    return any;
}

/* A recurrent layer goes through its sequence step by step: each launches its kernels and reads the
 * recurrence weights again (the products with the inputs are one product over all steps). */
static void add_steps(const oxp_analysis *a, const oxp_node *n, oxp_work *w) {
    const oxp_type *x = oxp_in(n, 0) == OXP_NONE ? NULL : &a->values[n->in[0]].type;
    int axis = oxp_attr_int(n, "layout", 0) != 0 ? 1 : 0;
    if (x == NULL || x->rank != 3 || !oxp_dim_is_literal(x->dims[axis]) || x->dims[axis] < 2)
        return;
    w->steps = (double)x->dims[axis];
    oxp_id r = oxp_in(n, 2);
    if (r != OXP_NONE && a->values[r].bytes != UINT64_MAX)
        w->again = (double)a->values[r].bytes * w->times;
}

/* Elements of the first output, in all repetitions; 0: unknown. */
static double output_elements(const oxp_analysis *a, const oxp_node *n, double times) {
    const oxp_value_info *v = oxp_out(n, 0) == OXP_NONE ? NULL : &a->values[n->out[0]];
    unsigned bits = v ? oxp_dtype_bits(v->type.elem) : 0;
    return bits && v->bytes != UINT64_MAX ? 8.0 * (double)v->bytes / bits * times : 0;
}

/* A float16 model without such arithmetic: tensors of float32, Casts, and kernels of its own for
 * what else is merged into a convolution. */
static void add_half(const oxp_analysis *a, const oxp_node *n, oxp_dtype precision,
                     const oxp_half_node *half, oxp_work *w) {
    w->stored = half->wide ? 32 : 16;
    w->casts = half->casts * w->times;
    w->converted = half->elements * w->times;
    double kernels = half->kernels;
    /* What a convolution is not merged with stands between blocked layouts: two reorders more. */
    if (half->wide && !(n->def->flags & OXP_OP_RUNNING_STATS) && is_fused(a, n, precision, false))
        kernels += 2;
    w->times *= kernels;
    w->tensors *= kernels;
}

oxp_work oxp_work_of(const oxp_analysis *a, oxp_id id, oxp_dtype precision,
                     const oxp_half_node *half) {
    const oxp_node *n = oxp_node_at(a->model, id);
    const oxp_node_info *info = &a->nodes[id];
    oxp_work w = {.own = OXP_UNDEFINED, .steps = 1};
    uint32_t f = n->def != NULL ? n->def->flags : 0;
    bool wide = half != NULL && half->wide;
    if (oxp_is_folded(a->values, n) || (f & OXP_OP_CONTROL) || (half != NULL && half->gone) ||
        is_fused(a, n, precision, wide))
        return w;
    double times = (double)info->times;
    w.own = float_type(a->values, n);
    if ((f & OXP_OP_VIEW) || only_shapes(a, n)) {
        w.bookkeeping = a->n_assumed > 0 || (f & OXP_OP_VIEW) ? bookkeeping * times : 0;
        if (half != NULL) {
            w.casts = half->casts * times;
            w.converted = half->elements * times;
        }
        return w;
    }
    w.times = times;
    w.class = oxp_class_of(a, id);
    w.ops = (double)info->flops;
    w.int_ops = (double)info->int_ops;
    if (info->macs && w.class <= OXP_CLASS_MATMUL) {
        w.products = output_elements(a, n, times);
        /* the accumulators start with the bias */
        w.ops = fmin(w.ops, 2 * (double)info->macs);
    }
    if (f & OXP_OP_RECURRENT)
        add_steps(a, n, &w);
    if (info->bytes_moved != UINT64_MAX) {
        double all = (double)info->bytes_moved, weights = (double)info->weight_bytes * times;
        w.weights = weights > all ? all : weights; /* a Gather reads its rows only */
        w.tensors = all - w.weights;
    }
    if (half != NULL && n->def != NULL && w.own != OXP_UNDEFINED)
        add_half(a, n, precision, half, &w);
    return w;
}

typedef struct roofline {
    double compute, memory, launch, casts;
} roofline;

/* Bytes a second for a node that touches so many. */
static double bandwidth(const oxp_device *d, double bytes) {
    return bytes < (double)d->cache ? d->cache_bandwidth : d->bandwidth * d->bandwidth_efficiency;
}

/* Conversions between float16 and float32 of `w`: each reads one and writes the other. */
static double cast_seconds(const oxp_work *w, const oxp_device *d, double scale) {
    enum { BYTES = 2 + 4 };
    if (w->casts == 0)
        return 0;
    double bytes = BYTES * w->converted * scale;
    return w->casts * (d->launch + d->start[OXP_CLASS_MOVE]) +
           bytes / bandwidth(d, bytes / w->casts);
}

/* What becomes of the bytes of a float tensor, and of its type, on this device. */
static double stored_factor(const oxp_work *w, const oxp_device *d, oxp_dtype *type) {
    if (w->own == OXP_UNDEFINED)
        return 1;
    double own = oxp_dtype_bits(w->own), wanted = oxp_dtype_bits(*type);
    if (w->stored > 0) { /* float16 as a CPU runs it */
        *type = OXP_FLOAT;
        return w->stored / own;
    }
    if (oxp_device_supports(d, *type))
        return wanted / own;
    *type = OXP_FLOAT; /* tensors are converted each time */
    return (32.0 + wanted) / own;
}

static roofline roofline_of(const oxp_work *w, const oxp_device *d, oxp_dtype precision,
                            double scale) {
    /* A node without a kernel costs no more than one with. */
    double idle =
        d->kind == OXP_DEVICE_CPU && d->launch < bookkeeping ? d->launch / bookkeeping : 1;
    roofline r = {.launch = w->bookkeeping * idle, .casts = cast_seconds(w, d, scale)};
    if (w->times == 0)
        return r;
    r.launch += (d->launch * w->steps + d->start[w->class]) * w->times;
    oxp_dtype type = w->own == OXP_UNDEFINED      ? OXP_FLOAT
                     : precision != OXP_UNDEFINED ? precision
                                                  : w->own;
    double bytes_factor = stored_factor(w, d, &type);
    double efficiency = d->efficiency[w->class];
    double int_rate = d->peak[OXP_INT8] > 0 ? d->peak[OXP_INT8] : d->peak[OXP_FLOAT];
    double around = 2 * d->per_output * w->products;
    bool integers = w->int_ops > w->ops;
    double ops = w->ops + (integers ? 0 : around), int_ops = w->int_ops + (integers ? around : 0);
    r.compute = scale / efficiency * (ops / d->peak[type] + int_ops / int_rate);
    double bytes = (w->tensors * scale + w->weights + w->again * (w->steps - 1)) * bytes_factor;
    r.memory = bytes / bandwidth(d, bytes / (w->times * w->steps));
    return r;
}

static void add_node(const oxp_work *w, const oxp_device *d, oxp_dtype precision, double scale,
                     oxp_latency_sum *s, oxp_node_latency *node) {
    roofline r = roofline_of(w, d, precision, scale);
    bool compute_bound = r.compute >= r.memory;
    double body = compute_bound ? r.compute : r.memory;
    s->launch += r.launch;
    s->compute_bound += compute_bound ? body : 0;
    s->memory_bound += (compute_bound ? 0 : body) + r.casts;
    s->seconds += body + r.launch + r.casts;
    if (node != NULL)
        *node = (oxp_node_latency){body + r.launch + r.casts, r.compute, r.memory, compute_bound};
}

bool oxp_is_countable(const oxp_totals *t) {
    return t->flops != UINT64_MAX && t->int_ops != UINT64_MAX && t->bytes_moved != UINT64_MAX;
}

void oxp_latency_each(const oxp_analysis *a, oxp_id node, const oxp_device *const *devices,
                      size_t n_devices, oxp_dtype precision, const oxp_half_node *half,
                      double scale, oxp_node_latency *out) {
    oxp_work w = oxp_work_of(a, node, precision, NULL);
    oxp_work h = half != NULL ? oxp_work_of(a, node, precision, half) : w;
    for (size_t k = 0; k < n_devices; k++) {
        oxp_latency_sum ignored = {0};
        add_node(oxp_half_is_emulated(devices[k]) ? &h : &w, devices[k], precision, scale, &ignored,
                 &out[k]);
    }
}

/* The plan for the first of the devices that needs one; NULL: none does. */
const oxp_half_node *oxp_half_plan_for(const oxp_analysis *a, const oxp_device *const *devices,
                                       size_t n_devices, oxp_dtype precision, oxp_arena *arena) {
    for (size_t k = 0; k < n_devices; k++)
        if (oxp_half_is_emulated(devices[k]))
            return oxp_half_plan(a, precision, arena);
    return NULL;
}

/* The sums for several devices in one pass; `nodes` is for the first. */
void oxp_latency_all(const oxp_analysis *a, const oxp_device *const *devices, size_t n_devices,
                     oxp_dtype precision, double scale, oxp_latency_sum *sums,
                     oxp_node_latency *nodes) {
    double ops = 0, by_type[OXP_DTYPE_COUNT] = {0};
    size_t unknown = 0, n = oxp_node_count(a->model);
    oxp_arena *scratch = oxp_arena_new(oxp_arena_ctx(a->arena));
    const oxp_half_node *half = oxp_half_plan_for(a, devices, n_devices, precision, scratch);
    for (size_t k = 0; k < n_devices; k++)
        sums[k] = (oxp_latency_sum){0};
    for (oxp_id i = 0; i < n; i++) {
        const oxp_node *node = oxp_node_at(a->model, i);
        if (nodes != NULL)
            nodes[i] = (oxp_node_latency){0};
        if (!node->live || a->nodes[i].times == 0)
            continue;
        unknown += !a->nodes[i].known;
        oxp_work w = oxp_work_of(a, i, precision, NULL);
        oxp_work h = half != NULL ? oxp_work_of(a, i, precision, &half[i]) : w;
        by_type[w.own] += w.ops;
        ops += (w.ops + w.int_ops) * scale;
        for (size_t k = 0; k < n_devices; k++)
            add_node(oxp_half_is_emulated(devices[k]) ? &h : &w, devices[k], precision, scale,
                     &sums[k], k == 0 && nodes != NULL ? &nodes[i] : NULL);
    }
    oxp_arena_free(scratch);
    oxp_dtype most = precision != OXP_UNDEFINED ? precision : OXP_FLOAT;
    for (int t = 1; t < OXP_DTYPE_COUNT && precision == OXP_UNDEFINED; t++)
        most = by_type[t] > by_type[most] ? (oxp_dtype)t : most;
    for (size_t k = 0; k < n_devices; k++) {
        oxp_latency_sum *s = &sums[k];
        s->unknown = unknown;
        s->peak_ops = devices[k]->peak[oxp_device_supports(devices[k], most) ? most : OXP_FLOAT];
        if (!oxp_is_countable(&a->totals))
            s->seconds = s->utilization = NAN; /* more than can be counted: so is the time */
        else
            s->utilization = s->seconds > 0 ? ops / (s->peak_ops * s->seconds) : 0;
    }
}

double oxp_latency(const oxp_analysis *a, const oxp_device *d, oxp_dtype precision,
                   oxp_latency_sum *sum, oxp_node_latency *nodes) {
    oxp_latency_sum s;
    oxp_latency_all(a, &d, 1, precision, 1, &s, nodes);
    if (sum != NULL)
        *sum = s;
    return s.seconds;
}

uint64_t oxp_scaled(uint64_t v, double factor) {
    double x = (double)v * factor;
    return v == UINT64_MAX || x >= 18446744073709549568.0 ? UINT64_MAX : (uint64_t)(x + 0.5);
}

/* Quantizers leave what normalizations and softmax put out in floating point, unless a convolution
 * takes the normalization in. */
static bool stays_float(const oxp_analysis *a, oxp_id value) {
    oxp_id producer = oxp_value_at(a->model, value)->producer;
    const oxp_node *n = producer == OXP_NONE ? NULL : oxp_node_at(a->model, producer);
    uint32_t flags = n != NULL && n->def != NULL ? n->def->flags : 0;
    return (flags & OXP_OP_NORM) && !(flags & OXP_OP_RUNNING_STATS);
}

/* What is left of the activations' bytes when floats take `precision`: they have the type that most
 * of them have, which need not be that of the weights in the file; of integers what quantizers
 * leave alone keeps its bytes. */
static double narrowed(const oxp_analysis *a, oxp_dtype precision) {
    double bytes[OXP_DTYPE_COUNT] = {0}, kept[OXP_DTYPE_COUNT] = {0};
    int most = OXP_UNDEFINED;
    for (oxp_id i = 0; i < oxp_value_count(a->model); i++) {
        const oxp_value_info *v = &a->values[i];
        if (!v->activation || v->bytes == UINT64_MAX || !oxp_dtype_is_float(v->type.elem))
            continue;
        bytes[v->type.elem] += (double)v->bytes;
        if (!oxp_dtype_is_float(precision) && stays_float(a, i))
            kept[v->type.elem] += (double)v->bytes;
        if (bytes[v->type.elem] > bytes[most])
            most = (int)v->type.elem;
    }
    unsigned bits = oxp_dtype_bits((oxp_dtype)most), to = oxp_dtype_bits(precision);
    if (most == OXP_UNDEFINED || bits <= to)
        return 1;
    double narrow = bytes[most] - kept[most];
    return (narrow * to / bits + kept[most]) / bytes[most];
}

uint64_t oxp_peak_in(const oxp_analysis *a, oxp_dtype precision) {
    uint64_t peak = a->totals.peak_activation_bytes;
    return precision == OXP_UNDEFINED ? peak : oxp_scaled(peak, narrowed(a, precision));
}

uint64_t oxp_memory_scaled(const oxp_analysis *a, oxp_dtype precision, double scale) {
    uint64_t weights = a->totals.weight_bytes, peak = a->totals.run_peak_bytes,
             folded = a->totals.folded_bytes;
    if (precision != OXP_UNDEFINED) {
        for (int t = 0; t < OXP_DTYPE_COUNT; t++) {
            uint64_t count = a->totals.params_by_dtype[t];
            unsigned bits = oxp_dtype_bits((oxp_dtype)t), to = oxp_dtype_bits(precision);
            if (oxp_dtype_is_float((oxp_dtype)t) && count > 0 && bits > to)
                weights -= (uint64_t)((double)count * (bits - to) / 8.0);
        }
        peak = oxp_scaled(peak, narrowed(a, precision));
        folded = oxp_scaled(folded, narrowed(a, precision));
    }
    return oxp_sat_add(oxp_sat_add(weights, folded), oxp_scaled(peak, scale));
}

uint64_t oxp_memory_needed(const oxp_analysis *a, oxp_dtype precision) {
    return oxp_memory_scaled(a, precision, 1);
}
