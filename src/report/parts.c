/* parts.c - pieces that several reports share. */
#include "report/parts.h"

void oxp_emit_totals(oxp_json *j, const oxp_totals *t) {
    oxp_json_uint(j, "nodes", t->nodes);
    oxp_json_uint(j, "params", t->params);
    oxp_json_object(j, "params_by_dtype");
    for (int d = 0; d < OXP_DTYPE_COUNT; d++)
        if (t->params_by_dtype[d])
            oxp_json_uint(j, oxp_dtype_name((oxp_dtype)d), t->params_by_dtype[d]);
    oxp_json_end(j);
    oxp_json_uint(j, "trainable_params", t->trainable_params);
    oxp_json_uint(j, "weight_bytes", t->weight_bytes);
    oxp_json_uint(j, "file_bytes", t->file_bytes);
    oxp_json_uint(j, "macs", t->macs);
    oxp_json_uint(j, "flops", t->flops);
    oxp_json_uint(j, "int_ops", t->int_ops);
    oxp_json_uint(j, "elements_moved", t->moved);
    oxp_json_uint(j, "peak_activation_bytes", t->peak_activation_bytes);
    oxp_json_uint(j, "peak_with_views_bytes", t->peak_with_views_bytes);
    oxp_json_uint(j, "total_activation_bytes", t->total_activation_bytes);
    oxp_json_uint(j, "bytes_moved", t->bytes_moved);
    oxp_json_uint(j, "unknown_nodes", t->unknown_nodes);
    oxp_json_bool(j, "partial", oxp_totals_at_least(t));
}

const char *oxp_fidelity_name(oxp_fidelity f) {
    static const char *const names[] = {"exact", "rounding", "lossy", "retraining"};
    return names[f];
}
