/* pool.c - pooling: windows, whole planes, regions. */
#include "ops/util.h"
#include "ops/window.h"

/* A window that lies in the padding alone has nothing to pool. */
static bool pads_fit(oxp_call *c, const oxp_window *w) {
    for (int i = 0; i < w->spatial && w->mode == OXP_PAD_EXPLICIT; i++) {
        int64_t reach = w->kernel[i], pad = w->pad_begin[i];
        if (w->pad_end[i] > pad)
            pad = w->pad_end[i];
        if (!oxp_dim_is_literal(reach) || reach < 1) {
            oxp_op_error(c, "kernel_shape holds %lld", (long long)reach);
            return false;
        }
        if (pad >= reach) {
            oxp_op_error(c, "padding %lld of axis %d is not smaller than the kernel, %lld",
                         (long long)pad, i + 2, (long long)reach);
            return false;
        }
    }
    return true;
}

/* Shape of a pool over windows; `first` is the first spatial axis. */
static void infer_window(oxp_call *c, oxp_dtype t, bool channels_last) {
    const oxp_fact *x = oxp_input(c, 0);
    int rank = oxp_rank(x);
    size_t n;
    const int64_t *k = oxp_call_ints(c, "kernel_shape", &n);
    if (rank < 0) {
        rank = k && n && n < 64 ? (int)n + 2 : -1;
        x = NULL;
    }
    if (rank < 2 || !k || n != (size_t)(rank - 2)) {
        if (rank >= 0)
            oxp_op_error(c, "kernel_shape has %zu values for an input of rank %d", n, rank);
        for (uint32_t i = 0; i < c->n_out; i++)
            oxp_set_unknown_rank(c, i, i ? OXP_INT64 : t);
        return;
    }
    oxp_window w;
    oxp_dim *kernel = OXP_NEWS(c->scratch, n + 1, oxp_dim);
    for (size_t i = 0; i < n; i++)
        kernel[i] = oxp_dim_literal(k[i]);
    if (!oxp_window_read(c, &w, rank - 2, kernel))
        return;
    w.pool = true;
    if (!pads_fit(c, &w))
        return;
    int first = channels_last ? 1 : 2;
    oxp_dim *d = OXP_NEWS(c->scratch, (size_t)rank, oxp_dim);
    d[0] = oxp_dim_of(x, 0);
    d[channels_last ? rank - 1 : 1] = oxp_dim_of(x, channels_last ? rank - 1 : 1);
    for (int i = 0; i < rank - 2; i++)
        d[first + i] = oxp_window_out(c, &w, i, oxp_dim_of(x, first + i));
    for (uint32_t i = 0; i < c->n_out; i++)
        oxp_set(c, i, i ? OXP_INT64 : t, rank, d); /* MaxPool's second output: indices */
}

static void infer_pool(oxp_call *c) {
    infer_window(c, oxp_elem_type(oxp_input(c, 0)), false);
}

static void infer_nhwc_pool(oxp_call *c) {
    infer_window(c, oxp_elem_type(oxp_input(c, 0)), true);
}

static void infer_qlinear_pool(oxp_call *c) {
    infer_window(c, oxp_elem_type(oxp_input(c, 0)), oxp_call_int(c, "channels_last", 0) != 0);
}

static void global(oxp_call *c, bool channels_last) {
    const oxp_fact *x = oxp_input(c, 0);
    int rank = oxp_rank(x);
    if (rank < 0) {
        oxp_infer_rankless(c);
        return;
    }
    oxp_dim *d = oxp_dims_dup(c, x, 0);
    for (int i = channels_last ? 1 : 2; i < rank - (channels_last ? 1 : 0); i++)
        d[i] = 1;
    oxp_set(c, 0, oxp_elem_type(x), rank, d);
}

static void infer_global(oxp_call *c) {
    global(c, false);
}

static void infer_qlinear_global(oxp_call *c) {
    global(c, oxp_call_int(c, "channels_last", 0) != 0);
}

/* stride (x - 1) - pads + kernel, or what the third input says. */
static void infer_unpool(oxp_call *c) {
    const oxp_fact *x = oxp_input(c, 0);
    int rank = oxp_rank(x);
    const oxp_dim *shape;
    int n_shape = oxp_input_ints(c, 2, &shape);
    oxp_dtype t = oxp_elem_type(x);
    if (n_shape >= 0) {
        oxp_set(c, 0, t, n_shape, shape);
        return;
    }
    size_t n;
    const int64_t *k = oxp_call_ints(c, "kernel_shape", &n);
    oxp_window w;
    if (rank < 2 || !k || n != (size_t)(rank - 2)) {
        oxp_set_unknown_rank(c, 0, t);
        return;
    }
    oxp_dim *kernel = OXP_NEWS(c->scratch, n + 1, oxp_dim), *d = oxp_dims_dup(c, x, 0);
    for (size_t i = 0; i < n; i++)
        kernel[i] = oxp_dim_literal(k[i]);
    if (!oxp_window_read(c, &w, rank - 2, kernel))
        return;
    for (int i = 2; i < rank; i++) {
        oxp_dim out = oxp_dim_mul(c->dims, oxp_dim_sub(c->dims, d[i], 1), w.stride[i - 2]);
        out = oxp_dim_sub(c->dims, out, w.pad_begin[i - 2] + w.pad_end[i - 2]);
        d[i] = oxp_input(c, 2) ? OXP_DIM_UNKNOWN : oxp_dim_add(c->dims, out, kernel[i - 2]);
    }
    oxp_set(c, 0, t, rank, d);
}

static void infer_roi(oxp_call *c, oxp_dim height, oxp_dim width) {
    const oxp_fact *x = oxp_input(c, 0);
    oxp_dim d[4] = {oxp_dim_of(oxp_input(c, 1), 0), oxp_dim_of(x, 1), height, width};
    if (x && oxp_rank(x) >= 0 && oxp_rank(x) != 4)
        oxp_op_error(c, "input of rank %d", oxp_rank(x));
    else if (c->n_in > 2) /* of which image each region is */
        (void)oxp_indices_within(c, 2, 0, 1, oxp_dim_of(x, 0));
    oxp_set(c, 0, oxp_elem_type(x), 4, d);
}

static void infer_roi_pool(oxp_call *c) {
    size_t n;
    const int64_t *v = oxp_call_ints(c, "pooled_shape", &n);
    bool ok = v && n == 2;
    infer_roi(c, ok ? oxp_dim_literal(v[0]) : OXP_DIM_UNKNOWN,
              ok ? oxp_dim_literal(v[1]) : OXP_DIM_UNKNOWN);
}

static void infer_roi_align(oxp_call *c) {
    infer_roi(c, oxp_dim_literal(oxp_call_int(c, "output_height", 1)),
              oxp_dim_literal(oxp_call_int(c, "output_width", 1)));
}

static void infer_crop_resize(oxp_call *c) {
    const oxp_dim *size;
    bool ok = oxp_input_ints(c, 3, &size) == 2;
    infer_roi(c, ok ? size[0] : OXP_DIM_UNKNOWN, ok ? size[1] : OXP_DIM_UNKNOWN);
}

/* Kernel elements times outputs are read. */
static void cost_pool(const oxp_call *c, oxp_cost *cost) {
    uint64_t n;
    size_t rank;
    const int64_t *k = oxp_call_ints(c, "kernel_shape", &rank);
    if (!oxp_out_count(c, 0, &n) || !k)
        return;
    for (size_t i = 0; i < rank; i++)
        n = oxp_sat_mul(n, k[i] > 0 ? (uint64_t)k[i] : 1);
    if (oxp_is_quantized(c, 0))
        oxp_cost_int(cost, n);
    else
        oxp_cost_flops(cost, n);
}

static void cost_global(const oxp_call *c, oxp_cost *cost) {
    uint64_t n;
    if (!oxp_in_count(c, 0, &n))
        return;
    if (oxp_is_quantized(c, 0))
        oxp_cost_int(cost, n);
    else
        oxp_cost_flops(cost, n);
}

/* Four neighbours per sampling point, sampling_ratio^2 points per output; the ratio 0 adapts to the
 * region: then at least one point. */
static void cost_roi_align(const oxp_call *c, oxp_cost *cost) {
    int64_t ratio = oxp_call_int(c, "sampling_ratio", 0);
    uint64_t per = ratio > 0 && ratio < 65536 ? (uint64_t)(ratio * ratio) * 4 : 4;
    oxp_cost_per_out(c, cost, per);
    cost->at_least = cost->known && ratio == 0;
}

/* Padding counts as zeros. */
static oxp_range range_average(const oxp_call *c, const oxp_range *in, uint32_t slot) {
    oxp_range x = oxp_range_same(c, in, slot);
    return oxp_range_of(x.lo < 0 ? x.lo : 0, x.hi > 0 ? x.hi : 0);
}

#define P  OXP_OP_POOL
#define PA (OXP_OP_POOL | OXP_OP_ACCUMULATES)
static const oxp_op table[] = {
    {"MaxPool", "", P, 0, infer_pool, cost_pool, oxp_range_same},
    {"AveragePool", "", P, 0, infer_pool, cost_pool, range_average},
    {"LpPool", "", PA, 0, infer_pool, cost_pool, NULL},
    {"GlobalMaxPool", "", P, 0, infer_global, cost_global, oxp_range_same},
    {"GlobalAveragePool", "", PA, 0, infer_global, cost_global, oxp_range_same},
    {"GlobalLpPool", "", PA, 0, infer_global, cost_global, NULL},
    {"MaxUnpool", "", P | OXP_OP_MOVE, 0, infer_unpool, oxp_cost_move_out, NULL},
    {"MaxRoiPool", "", P, 0, infer_roi_pool, NULL, range_average},
    {"RoiAlign", "", P, 0, infer_roi_align, cost_roi_align, NULL},
    {"CropAndResize", "com.microsoft", P, 0, infer_crop_resize, NULL, NULL},
    {"NhwcMaxPool", "com.microsoft", P | OXP_OP_QUANT, 0, infer_nhwc_pool, cost_pool, NULL},
    {"MaxpoolWithMask", "com.microsoft", P, 0, infer_pool, cost_pool, NULL},
    {"QLinearAveragePool", "com.microsoft", P | OXP_OP_QUANT, 0, infer_qlinear_pool, cost_pool,
     NULL},
    {"QLinearGlobalAveragePool", "com.microsoft", P | OXP_OP_QUANT, 0, infer_qlinear_global,
     cost_global, NULL},
};

static const oxp_op_need needs[] = {
    {"MaxPool", "storage_order{0,1}"},
    {"LpPool", "p>=1"},
    {"GlobalLpPool", "p>=1; 0:?,?,?,*"},
    {"MaxUnpool", "1=0; 2:?; 2#0; kernel_shape#0-2; kernel_shape>=1"},
    {"GlobalMaxPool GlobalAveragePool", "0:?,?,?,*"},
    {"MaxRoiPool", "0:?,?,?,?; 1:?,5; pooled_shape>=1; pooled_shape#0-2; spatial_scale>0"},
    {"RoiAlign",
     "0:?,?,?,?; 1:r,4; 2:r; 2>=0; output_height>=1; output_width>=1; sampling_ratio>=0; "
     "mode{avg,max}; coordinate_transformation_mode?{half_pixel,output_half_pixel}"},
    {"CropAndResize", "0:?,?,?,?; 1:r,4; 2:r; 3:2; mode{bilinear,nearest}"},
    {"QLinearAveragePool", "1-4:()"},
    {"QLinearGlobalAveragePool", "1-4:()|1"},
};
const oxp_op_family oxp_ops_pool = {table, OXP_COUNT(table), needs, OXP_COUNT(needs)};
