/* rows_analysis.c - the analysis as rows: one for each node (docs/formats.md has the columns). */
#include <math.h>

#include "base/safe_math.h"
#include "report/reports.h"

static const char *const columns[] = {"model",     "index",        "name",         "op_type",
                                      "domain",    "output_dtype", "output_shape", "times",
                                      "macs",      "flops",        "int_ops",      "elements_moved",
                                      "params",    "weight_bytes", "bytes_moved",  "live_bytes",
                                      "intensity", "bound",        "latency_us",   "latency_share"};

/* "1x64x56x56": no commas, which make a cell hard to read for simple programs. */
static const char *shape_of(const oxp_card *c, const oxp_type *t) {
    if (t->kind != OXP_KIND_TENSOR || t->rank < 0)
        return NULL;
    const char *s = t->rank == 0 ? "scalar" : "";
    for (int i = 0; i < t->rank; i++)
        s = oxp_sprintf(c->scratch, "%s%s%s", s, i ? "x" : "",
                        oxp_dim_text(oxp_model_dims(c->a->model), t->dims[i], c->scratch));
    return s;
}

static void row(const oxp_card *c, oxp_csv *w, oxp_id id, uint64_t index) {
    const oxp_node *n = oxp_node_at(c->a->model, id);
    const oxp_node_info *info = &c->a->nodes[id];
    const oxp_node_latency *l = &c->nodes[id];
    oxp_mark mark = oxp_arena_mark(c->scratch);
    oxp_id out = oxp_out(n, 0);
    const oxp_type *type = out == OXP_NONE ? NULL : &c->a->values[out].type;
    uint64_t none = UINT64_MAX;
    uint64_t work = info->known ? oxp_sat_add(info->flops, info->int_ops) : none;
    bool ratio = work != none && info->bytes_moved != none && info->bytes_moved > 0;
    oxp_csv_text(w, oxp_model_path(c->a->model));
    oxp_csv_uint(w, index);
    oxp_csv_text(w, oxp_node_label(c->a->model, id, c->scratch));
    oxp_csv_text(w, n->op);
    oxp_csv_text(w, *n->domain ? n->domain : "ai.onnx");
    oxp_csv_text(w, type ? oxp_type_text(c, type, c->scratch) : NULL);
    oxp_csv_text(w, type ? shape_of(c, type) : NULL);
    oxp_csv_uint(w, info->times);
    oxp_csv_uint(w, info->known ? info->macs : none);
    oxp_csv_uint(w, info->known ? info->flops : none);
    oxp_csv_uint(w, info->known ? info->int_ops : none);
    oxp_csv_uint(w, info->known ? info->moved : none);
    oxp_csv_uint(w, info->params);
    oxp_csv_uint(w, info->weight_bytes);
    oxp_csv_uint(w, info->bytes_moved);
    oxp_csv_uint(w, n->graph == OXP_MAIN_GRAPH ? info->live_bytes : none);
    oxp_csv_double(w, ratio ? (double)work / (double)info->bytes_moved : (double)NAN);
    oxp_csv_text(w, !info->known ? NULL : l->compute_bound && work > 0 ? "compute" : "memory");
    oxp_csv_double(w, info->known ? 1e6 * l->seconds : (double)NAN);
    oxp_csv_double(w, info->known && c->latency.seconds > 0 ? l->seconds / c->latency.seconds
                                                            : (double)NAN);
    oxp_csv_end(w);
    oxp_arena_rewind(c->scratch, mark);
}

/* The main graph in its order, then the subgraphs: as in the JSON. */
void oxp_rows_analysis(const void *card, oxp_csv *w) {
    const oxp_card *c = card;
    uint64_t index = 0;
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++)
        oxp_csv_text(w, columns[i]);
    oxp_csv_end(w);
    for (oxp_id g = 0; g < oxp_graph_count(c->a->model); g++) {
        if (!c->in_main[g])
            continue;
        oxp_id i = oxp_graph_at(c->a->model, g)->first;
        for (; i != OXP_NONE; i = oxp_node_at(c->a->model, i)->next)
            row(c, w, i, index++);
    }
}
