/* nchwc.c - the blocked layout into which ONNX Runtime's CPU optimizer puts convolutions
 * (com.microsoft.nchwc): [N, C, H, W] with C rounded up to a block of 4, 8 or 16 channels, which
 * depends on the machine that wrote the file.  The weights have the rounded sizes. */
#include "ops/util.h"
#include "ops/window.h"

#define NCHWC "com.microsoft.nchwc"

enum { LARGEST_BLOCK = 16 };

/* Shape of a window over x; `channels` UNKNOWN: those of x. */
static void windowed(oxp_call *c, const oxp_dim *kernel, oxp_dim channels, bool pool) {
    const oxp_fact *x = oxp_input(c, 0);
    oxp_window w;
    if (oxp_rank(x) != 4) {
        oxp_infer_rankless(c);
        return;
    }
    if (!oxp_window_read(c, &w, 2, kernel))
        return;
    w.pool = pool;
    oxp_dim *d = oxp_dims_dup(c, x, 0);
    d[1] = oxp_dim_is_unknown(channels) ? d[1] : channels;
    for (int i = 0; i < 2; i++)
        d[2 + i] = oxp_window_out(c, &w, i, d[2 + i]);
    oxp_set(c, 0, oxp_elem_type(x), 4, d);
}

static void infer_conv(oxp_call *c) {
    const oxp_fact *w = oxp_input(c, 1);
    oxp_dim kernel[2] = {oxp_dim_of(w, 2), oxp_dim_of(w, 3)};
    windowed(c, kernel, oxp_dim_of(w, 0), false);
}

static void infer_pool(oxp_call *c) {
    size_t n;
    const int64_t *k = oxp_call_ints(c, "kernel_shape", &n);
    if (!k || n != 2) {
        oxp_infer_rankless(c);
        return;
    }
    oxp_dim kernel[2] = {oxp_dim_literal(k[0]), oxp_dim_literal(k[1])};
    windowed(c, kernel, OXP_DIM_UNKNOWN, true);
}

static void infer_global(oxp_call *c) {
    const oxp_fact *x = oxp_input(c, 0);
    if (oxp_rank(x) != 4) {
        oxp_infer_rankless(c);
        return;
    }
    oxp_dim *d = oxp_dims_dup(c, x, 0);
    d[2] = d[3] = 1;
    oxp_set(c, 0, oxp_elem_type(x), 4, d);
}

static void infer_upsample(oxp_call *c) {
    const oxp_fact *x = oxp_input(c, 0);
    size_t n;
    const int64_t *scale = oxp_call_ints(c, "scales", &n);
    if (oxp_rank(x) != 4 || !scale || n != 4) {
        oxp_infer_rankless(c);
        return;
    }
    oxp_dim *d = oxp_dims_dup(c, x, 0);
    for (int i = 0; i < 4; i++)
        d[i] = oxp_dim_mul(c->dims, d[i], oxp_dim_literal(scale[i]));
    oxp_set(c, 0, oxp_elem_type(x), 4, d);
}

/* A multiple of the largest block is one of every block; other sizes depend on the machine. */
static void infer_to_blocks(oxp_call *c) {
    const oxp_fact *x = oxp_input(c, 0);
    if (oxp_rank(x) != 4) {
        oxp_infer_rankless(c);
        return;
    }
    bool last = oxp_call_int(c, "channels_last", 0) != 0;
    oxp_dim channels = oxp_dim_of(x, last ? 3 : 1);
    bool whole = oxp_dim_is_literal(channels) && channels % LARGEST_BLOCK == 0;
    oxp_dim d[4] = {oxp_dim_of(x, 0), whole ? channels : OXP_DIM_UNKNOWN,
                    oxp_dim_of(x, last ? 1 : 2), oxp_dim_of(x, last ? 2 : 3)};
    oxp_set(c, 0, oxp_elem_type(x), 4, d);
}

static void infer_from_blocks(oxp_call *c) {
    const oxp_fact *x = oxp_input(c, 0);
    bool last = oxp_call_int(c, "channels_last", 0) != 0;
    oxp_dim channels = oxp_dim_literal(oxp_call_int(c, "channels", 0));
    if (oxp_rank(x) != 4) {
        oxp_infer_rankless(c);
        return;
    }
    oxp_dim d[4] = {oxp_dim_of(x, 0), channels, oxp_dim_of(x, 2), oxp_dim_of(x, 3)};
    if (last) {
        d[1] = oxp_dim_of(x, 2);
        d[2] = oxp_dim_of(x, 3);
        d[3] = channels;
    }
    oxp_set(c, 0, oxp_elem_type(x), 4, d);
}

/* As it is computed: with the channels that fill up the blocks. */
static void cost_conv(const oxp_call *c, oxp_cost *cost) {
    const oxp_fact *w = oxp_input(c, 1);
    uint64_t n, per;
    if (!oxp_out_count(c, 0, &n) || oxp_rank(w) != 4 ||
        !oxp_dims_product(w->type.dims + 1, 3, &per))
        return;
    oxp_cost_macs(cost, oxp_sat_mul(n, per), oxp_input(c, 2) ? n : 0);
}

static void cost_pool(const oxp_call *c, oxp_cost *cost) {
    size_t n;
    const int64_t *k = oxp_call_ints(c, "kernel_shape", &n);
    if (k && n == 2 && k[0] > 0 && k[1] > 0)
        oxp_cost_per_out(c, cost, oxp_sat_mul((uint64_t)k[0], (uint64_t)k[1]));
}

#define P OXP_OP_POOL
static const oxp_op table[] = {
    {"Conv", NCHWC, OXP_OP_CONV | OXP_OP_ACCUMULATES, 6, infer_conv, cost_conv, NULL},
    {"MaxPool", NCHWC, P, 0, infer_pool, cost_pool, NULL},
    {"AveragePool", NCHWC, P, 0, infer_pool, cost_pool, NULL},
    {"GlobalMaxPool", NCHWC, P, 0, infer_global, oxp_cost_read_in, NULL},
    {"GlobalAveragePool", NCHWC, P, 0, infer_global, oxp_cost_read_in, NULL},
    {"Upsample", NCHWC, OXP_OP_MOVE, 0, infer_upsample, oxp_cost_move_out, NULL},
    {"ReorderInput", NCHWC, OXP_OP_MOVE, 0, infer_to_blocks, oxp_cost_move_out, NULL},
    {"ReorderOutput", NCHWC, OXP_OP_MOVE, 0, infer_from_blocks, oxp_cost_move_out, NULL},
};
const oxp_op_family oxp_ops_nchwc = {table, OXP_COUNT(table), NULL, 0};
