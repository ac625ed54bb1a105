/* resize.c - Resize and Upsample of all opsets, sampling on grids, centred cropping. */
#include "ops/needs.h"
#include "ops/util.h"

#include <math.h>
#include <string.h>

/* Scales and sizes of a call: elements, or floats of an attribute; one for each axis of `axes`. */
typedef struct request {
    const oxp_elem *scales;
    const float *attr_scales;
    const oxp_dim *sizes;
    int n; /* length of the one that is there, -1: none is known */
} request;

/* True when an input is there and is not the empty tensor that stands for "not given". */
static bool given(const oxp_call *c, uint32_t slot) {
    const oxp_fact *f = oxp_input(c, slot);
    return f && !(oxp_rank(f) == 1 && f->type.dims[0] == 0);
}

static request read_request(oxp_call *c, uint32_t scale_slot, uint32_t size_slot) {
    request q = {.n = -1};
    const oxp_attr *a = oxp_call_attr(c, "scales");
    bool sizes = given(c, size_slot), scales = given(c, scale_slot);
    if (size_slot != UINT32_MAX && scales == sizes)
        oxp_op_error(c, "%s scales %s sizes, one of them is wanted", sizes ? "both" : "neither",
                     sizes ? "and" : "nor");
    if (a && a->type == OXP_ATTR_FLOATS) {
        q.attr_scales = a->u.floats;
        q.n = (int)a->n;
    } else if (given(c, size_slot)) {
        q.n = oxp_input_ints(c, size_slot, &q.sizes);
    } else if (given(c, scale_slot)) {
        q.scales = oxp_input_elems(c, scale_slot);
        q.n = q.scales ? (int)oxp_input(c, scale_slot)->n_elems : -1;
    }
    return q;
}

#define HUGE_SIZE 1e15f /* a petabyte or more of any type */

/* floor(x * scale) as the runtime computes it, in float32; exactly for symbolic sizes. */
static oxp_dim scaled(oxp_call *c, oxp_dim x, double scale) {
    if (oxp_dim_is_literal(x)) {
        float v = floorf((float)x * (float)scale);
        if (v >= HUGE_SIZE)
            oxp_op_error(c, "scale %g makes a size of %g, which no memory holds", scale, (double)v);
        return v >= 0 && v < HUGE_SIZE ? (oxp_dim)v : OXP_DIM_UNKNOWN;
    }
    for (int64_t den = 1; den <= 4096; den *= 2) {
        double num = scale * (double)den;
        if (num == floor(num) && num >= 0 && num < 1e9)
            return oxp_dim_floordiv(c->dims, oxp_dim_mul(c->dims, x, (oxp_dim)num), den);
    }
    return scale == 1 ? x : OXP_DIM_UNKNOWN;
}

static oxp_dim scaled_by(oxp_call *c, oxp_dim x, const request *q, int i) {
    if (q->attr_scales)
        return scaled(c, x, (double)q->attr_scales[i]);
    /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): a request has scales of either kind */
    oxp_elem e = q->scales[i];
    if (!e.known)
        return OXP_DIM_UNKNOWN;
    int64_t den = e.den > 1 ? e.den : 1;
    bool literal = oxp_dim_is_literal(x) && oxp_dim_is_literal(e.i);
    if (!e.exact || (literal && (double)x * (double)e.i / (double)den >= (double)HUGE_SIZE))
        return scaled(c, x, e.exact ? (double)e.i / (double)den : e.f);
    return oxp_dim_floordiv(c->dims, oxp_dim_mul(c->dims, x, e.i), den);
}

/* keep_aspect_ratio_policy: the smallest or largest scale of the axes is used for all of them. */
static bool common_scale(oxp_call *c, const oxp_fact *x, const request *q, const int *axes,
                         double *scale) {
    const char *policy = oxp_call_string(c, "keep_aspect_ratio_policy", "stretch");
    bool larger = strcmp(policy, "not_smaller") == 0;
    if (!q->sizes || (!larger && strcmp(policy, "not_larger") != 0))
        return false;
    *scale = larger ? 0 : INFINITY;
    for (int i = 0; i < q->n; i++) {
        oxp_dim d = x->type.dims[axes[i]];
        double s = (double)q->sizes[i] / (double)d;
        if (!oxp_dim_is_literal(d) || d <= 0 || !oxp_dim_is_literal(q->sizes[i]))
            s = NAN;
        *scale = isnan(s) ? s : larger ? fmax(*scale, s) : fmin(*scale, s);
        if (isnan(*scale))
            break;
    }
    return true;
}

/* Half up; UNKNOWN for what is no size. */
static oxp_dim rounded(double v) {
    return v >= 0 && v < 1e15 ? (oxp_dim)floor(v + 0.5) : OXP_DIM_UNKNOWN;
}

static void resize(oxp_call *c, uint32_t scale_slot, uint32_t size_slot) {
    const oxp_fact *x = oxp_input(c, 0);
    int rank = oxp_rank(x);
    if (rank < 0 || c->n_out == 0) {
        oxp_infer_rankless(c);
        return;
    }
    request q = read_request(c, scale_slot, size_slot);
    size_t n_axes;
    const int64_t *listed = oxp_call_ints(c, "axes", &n_axes);
    oxp_dim *d = oxp_dims_dup(c, x, 0);
    int n = listed && n_axes ? (int)n_axes : rank;
    int *axes = OXP_NEWS(c->scratch, (size_t)n + 1, int);
    for (int i = 0; i < n; i++) {
        axes[i] = listed && n_axes ? oxp_axis(c, listed[i], rank) : i;
        if (axes[i] < 0) {
            oxp_infer_rankless(c);
            return;
        }
    }
    double common = 1;
    if (q.n >= 0 && q.n != n) {
        oxp_op_error(c, "%d scales or sizes for %d axes", q.n, n);
        q.n = -1;
    }
    uint32_t slot = given(c, size_slot) ? size_slot : scale_slot;
    uint64_t count;
    if (q.n < 0 && !q.attr_scales && given(c, slot) && oxp_in_count(c, slot, &count) &&
        count != (uint64_t)n)
        oxp_op_error(c, "%llu scales or sizes for %d axes", (unsigned long long)count, n);
    bool keep = q.n >= 0 && common_scale(c, x, &q, axes, &common);
    for (int i = 0; i < n; i++) {
        oxp_dim *at = &d[axes[i]];
        if (q.n < 0)
            *at = OXP_DIM_UNKNOWN;
        else if (keep)
            *at = rounded((double)*at * common);
        else
            *at = q.sizes ? q.sizes[i] : scaled_by(c, *at, &q, i);
    }
    oxp_set(c, 0, oxp_elem_type(x), rank, d);
}

static void infer_resize(oxp_call *c) {
    const char *mode = oxp_call_string(c, "mode", "nearest");
    if (strcmp(mode, "nearest") == 0) /* else nobody looks at it */
        (void)oxp_needs_check(c, "nearest_mode{round_prefer_floor,round_prefer_ceil,floor,ceil}");
    if (strcmp(mode, "cubic") != 0 && oxp_call_int(c, "exclude_outside", 0) != 0)
        oxp_op_error(c, "exclude_outside is for cubic interpolation only");
    if (c->opset < 11)
        resize(c, 1, UINT32_MAX);
    else
        resize(c, 2, 3);
}

/* Opset 1 had two scales as attributes, for the last two axes. */
static void infer_upsample(oxp_call *c) {
    const oxp_fact *x = oxp_input(c, 0);
    if (!oxp_call_attr(c, "height_scale") || oxp_rank(x) != 4) {
        resize(c, 1, UINT32_MAX);
        return;
    }
    oxp_dim *d = oxp_dims_dup(c, x, 0);
    d[2] = scaled(c, d[2], (double)oxp_call_float(c, "height_scale", 1));
    d[3] = scaled(c, d[3], (double)oxp_call_float(c, "width_scale", 1));
    oxp_set(c, 0, oxp_elem_type(x), 4, d);
}

/* [N, C, in...] sampled at [N, out..., r] */
static void infer_grid_sample(oxp_call *c) {
    const oxp_fact *x = oxp_input(c, 0), *grid = oxp_input(c, 1);
    if (oxp_rank(x) >= 0 && oxp_rank(grid) >= 0 && oxp_rank(x) != oxp_rank(grid))
        oxp_op_error(c, "input of rank %d, grid of rank %d", oxp_rank(x), oxp_rank(grid));
    else if (oxp_rank(grid) > 2)
        (void)oxp_same_size(c, 1, oxp_rank(grid) - 1, oxp_rank(grid) - 2);
    int rank = oxp_rank(x) >= 0 ? oxp_rank(x) : oxp_rank(grid);
    if (rank < 3) {
        oxp_infer_rankless(c);
        return;
    }
    oxp_dim *d = OXP_NEWS(c->scratch, (size_t)rank, oxp_dim);
    d[0] = oxp_dim_of(x, 0);
    d[1] = oxp_dim_of(x, 1);
    for (int i = 2; i < rank; i++)
        d[i] = oxp_dim_of(grid, i - 1);
    oxp_set(c, 0, oxp_elem_type(x), rank, d);
}

static void infer_affine_grid(oxp_call *c) {
    const oxp_fact *theta = oxp_input(c, 0);
    const oxp_dim *size;
    int n = oxp_input_ints(c, 1, &size);
    oxp_dim rows = oxp_dim_of(theta, 1);
    int spatial = n >= 3 ? n - 2 : rows == 2 || rows == 3 ? (int)rows : -1;
    if (spatial < 0) {
        oxp_infer_rankless(c);
        return;
    }
    oxp_dim *d = OXP_NEWS(c->scratch, (size_t)spatial + 2, oxp_dim);
    d[0] = n >= 3 ? size[0] : oxp_dim_of(theta, 0);
    for (int i = 0; i < spatial; i++)
        d[i + 1] = n >= 3 ? size[i + 2] : OXP_DIM_UNKNOWN;
    d[spatial + 1] = spatial;
    oxp_set(c, 0, oxp_elem_type(theta), spatial + 2, d);
}

static void infer_center(oxp_call *c) {
    const oxp_fact *x = oxp_input(c, 0);
    int rank = oxp_rank(x);
    size_t n_axes;
    const int64_t *axes = oxp_call_ints(c, "axes", &n_axes);
    const oxp_dim *shape;
    int n = oxp_input_ints(c, 1, &shape);
    if (rank < 0) {
        oxp_infer_rankless(c);
        return;
    }
    oxp_dim *d = oxp_dims_dup(c, x, 0);
    int count = axes ? (int)n_axes : rank;
    if (n >= 0 && n != count)
        oxp_op_error(c, "shape has %d values for %d axes", n, count);
    for (int i = 0; i < count; i++) {
        int a = axes ? oxp_axis(c, axes[i], rank) : i;
        if (a >= 0)
            d[a] = n == count ? shape[i] : OXP_DIM_UNKNOWN;
    }
    oxp_set(c, 0, oxp_elem_type(x), rank, d);
}

/* Nearest neighbours move; linear takes 2, cubic 4 taps on each axis that changes, a multiplication
 * and an addition each. */
static void cost_taps(const oxp_call *c, oxp_cost *cost, int axes) {
    const char *mode = oxp_call_string(c, "mode", "nearest");
    uint64_t n, taps = 1, each = strstr(mode, "cubic") ? 4 : strstr(mode, "linear") ? 2 : 1;
    if (!oxp_out_count(c, 0, &n))
        return;
    for (int i = 0; i < axes; i++)
        taps = oxp_sat_mul(taps, each);
    if (each == 1)
        oxp_cost_moved(cost, n);
    else
        oxp_cost_flops(cost, oxp_sat_mul(n, oxp_sat_mul(taps, 2)));
}

static void cost_resize(const oxp_call *c, oxp_cost *cost) {
    const oxp_fact *x = oxp_input(c, 0);
    int changed = 0;
    if (oxp_rank(x) < 0 || oxp_rank(&c->out[0]) != oxp_rank(x))
        return;
    for (int i = 0; i < x->type.rank; i++)
        changed += x->type.dims[i] != c->out[0].type.dims[i];
    cost_taps(c, cost, changed);
}

static void cost_grid(const oxp_call *c, oxp_cost *cost) {
    const char *mode = oxp_call_string(c, "mode", "linear");
    uint64_t n;
    if (strcmp(mode, "nearest") != 0 && oxp_rank(oxp_input(c, 0)) >= 0 && oxp_out_count(c, 0, &n)) {
        uint64_t taps = 1, each = strstr(mode, "cubic") ? 4 : 2;
        for (int i = 2; i < oxp_rank(oxp_input(c, 0)); i++)
            taps = oxp_sat_mul(taps, each);
        oxp_cost_flops(cost, oxp_sat_mul(n, oxp_sat_mul(taps, 2)));
    } else if (oxp_out_count(c, 0, &n)) {
        oxp_cost_moved(cost, n);
    }
}

/* Each coordinate is a row of theta times a point. */
static void cost_affine_grid(const oxp_call *c, oxp_cost *cost) {
    uint64_t n;
    if (oxp_out_count(c, 0, &n) && c->out[0].type.rank > 1)
        oxp_cost_macs(cost, oxp_sat_mul(n, (uint64_t)c->out[0].type.rank - 1), 0);
}

static oxp_range range_linear(const oxp_call *c, const oxp_range *in, uint32_t slot) {
    const char *mode = oxp_call_string(c, "mode", "nearest");
    const char *how = oxp_call_string(c, "coordinate_transformation_mode", "");
    if (strstr(mode, "cubic") || strcmp(how, "tf_crop_and_resize") == 0)
        return oxp_range_all();
    return oxp_range_same(c, in, slot);
}

#define M OXP_OP_MOVE
static const oxp_op table[] = {
    {"Resize", "", M, 0, infer_resize, cost_resize, range_linear},
    {"Upsample", "", M, 0, infer_upsample, cost_resize, range_linear},
    {"GridSample", "", M, 0, infer_grid_sample, cost_grid, NULL},
    {"GridSample", "com.microsoft", M, 0, infer_grid_sample, cost_grid, NULL},
    {"AffineGrid", "", 0, 0, infer_affine_grid, cost_affine_grid, NULL},
    {"CenterCropPad", "", M, 0, infer_center, NULL, NULL},
};

static const oxp_op_need needs[] = {
    {"Resize",
     "mode{nearest,linear,cubic}; "
     "coordinate_transformation_mode{half_pixel,half_pixel_symmetric,pytorch_half_pixel,align_"
     "corners,asymmetric,tf_half_pixel_for_nn,tf_crop_and_resize}; "
     "keep_aspect_ratio_policy{stretch,not_larger,not_smaller}; axes@0; 10- 1:?,*; 11+ 1-3:?,*; "
     "10- "
     "1>0; 11+ 2>0; 3>0"},
    {"Upsample", "mode{nearest,linear,bilinear}; scales>=1; 9+ 1:?,*; 9+ 1>=1; scales#0; 9+ 1#0; "
                 "height_scale>=1; width_scale>=1"},
    {"GridSample", "0:N,?,*; 1:N,*; mode{bilinear,nearest,bicubic,linear,cubic}; "
                   "padding_mode{zeros,border,reflection}"},
    {"AffineGrid", "0:N,2,3|N,3,4; 1:4|5; 1>=1"},
    {"CenterCropPad", "1:?; axes@0; 1>=0"},
};
const oxp_op_family oxp_ops_resize = {table, OXP_COUNT(table), needs, OXP_COUNT(needs)};
