/* latency.c - the roofline of a node, and the sum over the graph (latency.h has the formula). */
#include "analysis/latency.h"

#include "analysis/latency_impl.h"
#include "analysis/memory.h"
#include "analysis/weights.h"
#include "base/safe_math.h"
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

/* A chain that starts at a convolution and goes on with what runtimes merge into it. */
static bool is_fused(const oxp_analysis *a, const oxp_node *n) {
    const oxp_model *m = a->model;
    for (int hop = 0; hop < 2; hop++) {
        uint32_t f = n->def != NULL ? n->def->flags : 0;
        if (f & OXP_OP_CONV)
            return hop > 0;
        if (!(f & (OXP_OP_RUNNING_STATS | OXP_OP_ACTIVATION)) || oxp_in(n, 0) == OXP_NONE)
            return false;
        const oxp_value *v = oxp_value_at(m, n->in[0]);
        if (v->n_uses != 1 || v->outputs != 0 || v->producer == OXP_NONE)
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

typedef struct roofline {
    double compute, memory, launch, ops;
} roofline;

static roofline node_roofline(const oxp_analysis *a, const oxp_device *d, oxp_dtype precision,
                              double scale, oxp_id id, const oxp_node *n) {
    const oxp_node_info *info = &a->nodes[id];
    roofline r = {0};
    uint32_t f = n->def != NULL ? n->def->flags : 0;
    if (info->times == 0 || oxp_is_folded(a->values, n) || oxp_is_constant_node(n) ||
        (f & OXP_OP_CONTROL) || is_fused(a, n))
        return r;
    double times = (double)info->times;
    if ((f & OXP_OP_VIEW) || only_shapes(a, n)) {
        r.launch = a->n_assumed > 0 || (f & OXP_OP_VIEW) ? bookkeeping * times : 0;
        return r;
    }
    oxp_dtype own = float_type(a->values, n);
    oxp_dtype type = own == OXP_UNDEFINED         ? OXP_FLOAT
                     : precision != OXP_UNDEFINED ? precision
                                                  : own;
    double bytes_factor =
        own == OXP_UNDEFINED ? 1 : (double)oxp_dtype_bits(type) / (double)oxp_dtype_bits(own);
    if (!oxp_device_supports(d, type)) { /* computed in float32; tensors are converted each time */
        if (own != OXP_UNDEFINED)
            bytes_factor = (32.0 + oxp_dtype_bits(type)) / (double)oxp_dtype_bits(own);
        type = OXP_FLOAT;
    }
    double efficiency = d->efficiency[oxp_class_of(a, id)];
    double int_rate = d->peak[OXP_INT8] > 0 ? d->peak[OXP_INT8] : d->peak[OXP_FLOAT];
    r.ops = ((double)info->flops + (double)info->int_ops) * scale;
    r.compute = (double)info->flops * scale / (d->peak[type] * efficiency) +
                (double)info->int_ops * scale / (int_rate * efficiency);
    if (info->bytes_moved != UINT64_MAX) {
        double weights = (double)info->weight_bytes, all = (double)info->bytes_moved;
        weights = weights * times > all ? all : weights * times; /* a Gather reads its rows only */
        r.memory = ((all - weights) * scale + weights) * bytes_factor /
                   (d->bandwidth * d->bandwidth_efficiency);
    }
    r.launch = d->launch * times;
    return r;
}

/* The float type that does most of the arithmetic, as asked for or as the model has it. */
static oxp_dtype main_type(const oxp_analysis *a, const oxp_device *d, oxp_dtype precision) {
    double best = 0, flops[OXP_DTYPE_COUNT] = {0};
    oxp_dtype type = OXP_FLOAT;
    size_t n = oxp_node_count(a->model);
    for (oxp_id i = 0; i < n; i++) {
        const oxp_node *node = oxp_node_at(a->model, i);
        if (!node->live || a->nodes[i].flops == 0)
            continue;
        oxp_dtype t = float_type(a->values, node);
        flops[t] += (double)a->nodes[i].flops;
        if (t != OXP_UNDEFINED && flops[t] > best) {
            best = flops[t];
            type = t;
        }
    }
    type = precision != OXP_UNDEFINED ? precision : type;
    return oxp_device_supports(d, type) ? type : OXP_FLOAT;
}

double oxp_latency_scaled(const oxp_analysis *a, const oxp_device *d, oxp_dtype precision,
                          double scale, oxp_latency_sum *sum, oxp_node_latency *nodes) {
    oxp_latency_sum s = {0};
    double ops = 0;
    size_t n = oxp_node_count(a->model);
    for (oxp_id i = 0; i < n; i++) {
        const oxp_node *node = oxp_node_at(a->model, i);
        if (nodes != NULL)
            nodes[i] = (oxp_node_latency){0};
        if (!node->live || a->nodes[i].times == 0)
            continue;
        if (!a->nodes[i].known)
            s.unknown++;
        roofline r = node_roofline(a, d, precision, scale, i, node);
        bool compute_bound = r.compute >= r.memory;
        double body = compute_bound ? r.compute : r.memory;
        if (nodes != NULL)
            nodes[i] = (oxp_node_latency){body + r.launch, r.compute, r.memory, compute_bound};
        s.launch += r.launch;
        s.compute_bound += compute_bound ? body : 0;
        s.memory_bound += compute_bound ? 0 : body;
        s.seconds += body + r.launch;
        ops += r.ops;
    }
    s.peak_ops = d->peak[main_type(a, d, precision)];
    s.utilization = s.seconds > 0 ? ops / (s.peak_ops * s.seconds) : 0;
    if (sum != NULL)
        *sum = s;
    return s.seconds;
}

double oxp_latency(const oxp_analysis *a, const oxp_device *d, oxp_dtype precision,
                   oxp_latency_sum *sum, oxp_node_latency *nodes) {
    return oxp_latency_scaled(a, d, precision, 1, sum, nodes);
}

static uint64_t scaled(uint64_t v, double factor) {
    double x = (double)v * factor;
    return x >= 18446744073709549568.0 ? UINT64_MAX : (uint64_t)(x + 0.5);
}

uint64_t oxp_memory_scaled(const oxp_analysis *a, oxp_dtype precision, double scale) {
    uint64_t weights = a->totals.weight_bytes, peak = a->totals.peak_activation_bytes;
    if (precision != OXP_UNDEFINED) {
        double activation = 1;
        uint64_t most = 0;
        for (int t = 0; t < OXP_DTYPE_COUNT; t++) {
            uint64_t count = a->totals.params_by_dtype[t];
            unsigned bits = oxp_dtype_bits((oxp_dtype)t), to = oxp_dtype_bits(precision);
            if (!oxp_dtype_is_float((oxp_dtype)t) || count == 0 || bits <= to)
                continue;
            weights -= (uint64_t)((double)count * (bits - to) / 8.0);
            if (count > most) { /* activations have the type of most weights */
                most = count;
                activation = (double)to / bits;
            }
        }
        peak = scaled(peak, activation);
    }
    return oxp_sat_add(weights, scaled(peak, scale));
}

uint64_t oxp_memory_needed(const oxp_analysis *a, oxp_dtype precision) {
    return oxp_memory_scaled(a, precision, 1);
}
