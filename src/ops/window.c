/* window.c - sizes of sliding windows. */
#include "ops/window.h"

#include "ops/util.h"

#include <string.h>

#define SIZE_MAX_SANE                                                                              \
    ((int64_t)1 << 40) /* no stride, dilation or padding of a real model is near */

/* A list attribute of `n` values, `otherwise` where it is absent; NULL on an error. */
static int64_t *list(oxp_call *c, const char *name, size_t n, int64_t otherwise, int64_t least) {
    size_t have;
    const int64_t *v = oxp_call_ints(c, name, &have);
    int64_t *out = OXP_NEWS(c->scratch, n + 1, int64_t);
    if (v && have && have != n) {
        oxp_op_error(c, "%s has %zu values, not %zu", name, have, n);
        return NULL;
    }
    for (size_t i = 0; i < n; i++) {
        out[i] = v && have ? v[i] : otherwise;
        if (out[i] < least || out[i] > SIZE_MAX_SANE) {
            oxp_op_error(c, "%s holds %lld", name, (long long)out[i]);
            return NULL;
        }
    }
    return out;
}

bool oxp_window_read(oxp_call *c, oxp_window *w, int spatial, const oxp_dim *kernel) {
    size_t n = spatial < 0 ? 0 : (size_t)spatial;
    const char *mode = oxp_call_string(c, "auto_pad", "NOTSET");
    w->spatial = spatial;
    w->pool = false;
    w->kernel = kernel;
    w->ceil_mode = oxp_call_int(c, "ceil_mode", 0) != 0;
    w->stride = list(c, "strides", n, 1, 1);
    w->dilation = list(c, "dilations", n, 1, 1);
    int64_t *pads = list(c, "pads", 2 * n, 0, 0);
    if (!w->stride || !w->dilation || !pads)
        return false;
    w->pad_begin = pads;
    w->pad_end = pads + n;
    if (strcmp(mode, "SAME_UPPER") == 0 || strcmp(mode, "SAME_LOWER") == 0)
        w->mode = OXP_PAD_SAME;
    else if (strcmp(mode, "VALID") == 0)
        w->mode = OXP_PAD_VALID;
    else if (strcmp(mode, "NOTSET") == 0 || *mode == '\0')
        w->mode = OXP_PAD_EXPLICIT;
    else {
        oxp_op_error(c, "auto_pad '%.40s' is none of NOTSET, SAME_UPPER, SAME_LOWER, VALID", mode);
        return false;
    }
    return true;
}

static oxp_dim too_large(oxp_call *c, int i) {
    oxp_op_error(c, "window of axis %d is larger than its input", i + 2);
    return OXP_DIM_UNKNOWN;
}

static oxp_dim same_size(oxp_call *c, const oxp_window *w, int i, oxp_dim x) {
    oxp_dim out = oxp_dim_ceildiv(c->dims, x, w->stride[i]), k = w->kernel[i];
    if (!w->pool || w->dilation[i] == 1 || !oxp_dim_is_literal(k) || k < 1 || k > SIZE_MAX_SANE ||
        w->dilation[i] > ((int64_t)1 << 20))
        return out;
    int64_t lost = (w->dilation[i] - 1) * (k - 1);
    lost = (lost + (w->ceil_mode ? 0 : w->stride[i] - 1)) / w->stride[i];
    out = oxp_dim_sub(c->dims, out, oxp_dim_literal(lost));
    return oxp_dim_is_literal(out) && !oxp_dim_is_unknown(out) && out < 0 ? too_large(c, i) : out;
}

/* The dilated kernel is longer than what it slides over. */
static oxp_dim sticks_out(oxp_call *c, const oxp_window *w, int i, int64_t span) {
    int64_t out = span / w->stride[i] + 1;
    return out < 0 || !w->pool ? too_large(c, i) : oxp_dim_literal(out);
}

oxp_dim oxp_window_out(oxp_call *c, const oxp_window *w, int i, oxp_dim x) {
    oxp_dims *p = c->dims;
    if (w->mode == OXP_PAD_SAME)
        return same_size(c, w, i, x);
    int64_t begin = w->mode == OXP_PAD_VALID ? 0 : w->pad_begin[i];
    int64_t end = w->mode == OXP_PAD_VALID ? 0 : w->pad_end[i];
    oxp_dim reach = oxp_dim_mul(p, oxp_dim_sub(p, w->kernel[i], 1), w->dilation[i]);
    oxp_dim span = oxp_dim_sub(p, oxp_dim_add(p, x, begin + end), oxp_dim_add(p, reach, 1));
    if (oxp_dim_is_literal(span) && span < 0 && !oxp_dim_is_unknown(span))
        return sticks_out(c, w, i, span);
    oxp_dim steps = w->ceil_mode ? oxp_dim_ceildiv(p, span, w->stride[i])
                                 : oxp_dim_floordiv(p, span, w->stride[i]);
    oxp_dim out = oxp_dim_add(p, steps, 1);
    if (w->ceil_mode && w->stride[i] > 1) {
        /* the last window must start inside the input or its front padding:
         * (out - 1) * stride < x + begin, so out <= ceil((x + begin) / stride) */
        oxp_dim most = oxp_dim_ceildiv(p, oxp_dim_add(p, x, begin), w->stride[i]);
        out = oxp_dim_min(p, out, most);
    }
    return out;
}
