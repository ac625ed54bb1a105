/* window.h - sizes of sliding windows: what convolutions and pools share. */
#ifndef OXP_OPS_WINDOW_H
#define OXP_OPS_WINDOW_H

#include "ops/op.h"

/* The attributes of one node, with defaults, for `spatial` axes; all arrays in the call's scratch
 * arena. */
typedef struct oxp_window {
    int spatial;
    const oxp_dim *kernel;
    int64_t *stride, *dilation, *pad_begin, *pad_end;
    enum { OXP_PAD_EXPLICIT, OXP_PAD_VALID, OXP_PAD_SAME } mode;
    bool ceil_mode;
    bool pool; /* a pool, not a convolution: SAME does not look at dilations */
} oxp_window;

/* Reads strides, dilations, pads, auto_pad and ceil_mode; false (and an error on the node) when
 * their lengths or values cannot be. */
bool oxp_window_read(oxp_call *c, oxp_window *w, int spatial, const oxp_dim *kernel);
/* Output size of axis i for an input of size x:
 *   SAME: ceil(x / stride); the padding of a dilated pool is that of the undilated kernel in ONNX
 * Runtime, so its result is shorter by (dilation - 1) (k - 1) / stride; otherwise floor or ceil((x
 * + pads - dilation (k - 1) - 1) / stride) + 1, where with ceil_mode a window that would start in
 * the padding behind the end is dropped. A window that sticks out by less than a stride leaves 0 or
 * 1, as integer division in C does. */
oxp_dim oxp_window_out(oxp_call *c, const oxp_window *w, int i, oxp_dim x);

#endif
