/* search.c - ONNX Runtime's decoding loops: they run graphs of their own until the text ends.
 *
 * The decoder runs at most max_length times; how often is known only when it ends, so its cost is
 * that of one turn, marked as a lower bound.  Sizes are as the operators' documentation in ONNX
 * Runtime 1.31 has them. */
#include "ops/util.h"

#define MS "com.microsoft"

/* One of the graphs the operator holds; what goes in is what the graph declares. */
static void walk(oxp_call *c, const char *name, uint64_t times) {
    const oxp_attr *a = oxp_call_attr(c, name);
    if (a == NULL || a->type != OXP_ATTR_GRAPH)
        return;
    const oxp_graph *g = oxp_graph_at(c->model, a->u.id);
    const oxp_fact **in = OXP_NEWS(c->scratch, g->n_inputs + 1u, const oxp_fact *);
    oxp_fact *given = OXP_NEWS(c->arena, g->n_inputs + 1u, oxp_fact);
    oxp_fact *out = OXP_NEWS(c->scratch, g->n_outputs + 1u, oxp_fact);
    for (uint32_t i = 0; i < g->n_inputs; i++) {
        const oxp_type *t = oxp_declared_type(c, g->inputs[i]);
        given[i] = t != NULL ? (oxp_fact){.type = *t} : (oxp_fact){.n_elems = 0};
        in[i] = t != NULL ? &given[i] : NULL;
    }
    oxp_cost total = {.known = true};
    oxp_infer_subgraph(c, a->u.id, in, g->n_inputs, out, g->n_outputs, times, &total);
    oxp_count_cost(c, &total);
}

static void walk_all(oxp_call *c) {
    walk(c, "encoder", 1);
    walk(c, "init_decoder", 1);
    walk(c, "decoder", UINT64_MAX);
}

static oxp_dim vocabulary(const oxp_call *c) {
    int64_t n = oxp_call_int(c, "vocab_size", -1);
    return n > 0 ? oxp_dim_literal(n) : OXP_DIM_UNKNOWN;
}

/* The documentation's "max_length - sequence_length". */
static oxp_dim generated(oxp_call *c, oxp_dim max) {
    oxp_dim given = oxp_dim_of(oxp_input(c, 0), 1);
    if (oxp_dim_is_unknown(max) || oxp_dim_is_unknown(given))
        return OXP_DIM_UNKNOWN;
    return oxp_dim_sub(c->dims, max, given);
}

static void infer_beams(oxp_call *c) {
    oxp_dim batch = oxp_dim_of(oxp_input(c, 0), 0), max = oxp_input_scalar(c, 1);
    oxp_dim beams = oxp_input_scalar(c, 3), returned = oxp_input_scalar(c, 4);
    oxp_dtype t = oxp_elem_type(oxp_input(c, 5));
    oxp_dim text[3] = {batch, returned, max};
    oxp_dim scores[4] = {generated(c, max), batch, beams, vocabulary(c)};
    t = t != OXP_UNDEFINED ? t : OXP_FLOAT;
    walk_all(c);
    if (oxp_has_out(c, 0))
        oxp_set(c, 0, OXP_INT32, 3, text);
    if (oxp_has_out(c, 1))
        oxp_set(c, 1, t, 2, text);
    if (oxp_has_out(c, 2))
        oxp_set(c, 2, t, 4, scores);
    if (oxp_has_out(c, 3)) /* cross_qk */
        oxp_set_unknown_rank(c, 3, t);
    if (oxp_has_out(c, 4)) /* non_speech_probs */
        oxp_set(c, 4, t, 1, &batch);
}

static void infer_greedy(oxp_call *c) {
    oxp_dim batch = oxp_dim_of(oxp_input(c, 0), 0);
    oxp_dim text[2] = {batch, oxp_input_scalar(c, 1)}, logits[2] = {batch, vocabulary(c)};
    oxp_dtype t = oxp_elem_type(oxp_input(c, 3));
    walk_all(c);
    if (oxp_has_out(c, 0))
        oxp_set(c, 0, OXP_INT32, 2, text);
    if (oxp_has_out(c, 1))
        oxp_set(c, 1, t != OXP_UNDEFINED ? t : OXP_FLOAT, 2, logits);
}

/* ---- small company of text generation ---- */

static void infer_bifurcation(oxp_call *c) {
    oxp_dim n = oxp_dim_fresh(c->dims);
    if (oxp_has_out(c, 0))
        oxp_set(c, 0, OXP_INT64, 1, &n);
    if (oxp_has_out(c, 1))
        oxp_set(c, 1, OXP_INT64, 0, NULL);
}

static void infer_warping(oxp_call *c) {
    oxp_dim d[2] = {2, oxp_dim_fresh(c->dims)};
    oxp_set(c, 0, OXP_INT32, 2, d);
}

/* [.., tokens] -> [.., tokens, (orders - 1) * heads]; the history holds orders - 1 ids */
static void infer_hash(oxp_call *c) {
    const oxp_fact *ids = oxp_input(c, 0);
    int rank = oxp_rank(ids);
    int64_t orders = oxp_call_int(c, "max_ngram_size", 0),
            heads = oxp_call_int(c, "n_head_per_ngram", 0);
    oxp_dtype t = oxp_elem_type(ids);
    if (rank < 1 || orders < 2 || heads < 1 || orders > INT32_MAX || heads > INT32_MAX) {
        oxp_infer_rankless(c);
        return;
    }
    oxp_dim *d = oxp_dims_dup(c, ids, 1);
    d[rank] = oxp_dim_literal((orders - 1) * heads);
    oxp_set(c, 0, t, rank + 1, d);
    oxp_dim history[2] = {rank == 2 ? d[0] : oxp_dim_of(oxp_input(c, 4), 0),
                          oxp_dim_literal(orders - 1)};
    if (oxp_has_out(c, 1))
        oxp_set(c, 1, t, 2, history);
}

/* TensorRT's plugin, as exporters of detectors emit it: a fixed number of boxes, padded. */
static void infer_efficient_nms(oxp_call *c) {
    int64_t most = oxp_call_int(c, "max_output_boxes", 100);
    oxp_dim batch = oxp_dim_of(oxp_input(c, 0), 0), boxes = oxp_dim_literal(most);
    oxp_dim count[2] = {batch, 1}, box[3] = {batch, boxes, 4}, score[2] = {batch, boxes};
    oxp_dtype t = oxp_elem_type(oxp_input(c, 0));
    if (oxp_has_out(c, 0))
        oxp_set(c, 0, OXP_INT32, 2, count);
    if (oxp_has_out(c, 1))
        oxp_set(c, 1, t, 3, box);
    if (oxp_has_out(c, 2))
        oxp_set(c, 2, t, 2, score);
    if (oxp_has_out(c, 3))
        oxp_set(c, 3, OXP_INT32, 2, score);
}

#define S (OXP_OP_CONTROL | OXP_OP_DATA_SHAPE)
static const oxp_op table[] = {
    {"BeamSearch", MS, S, 0, infer_beams, NULL, NULL},
    {"WhisperBeamSearch", MS, S, 0, infer_beams, NULL, NULL},
    {"GreedySearch", MS, S, 0, infer_greedy, NULL, NULL},
    {"Sampling", MS, S | OXP_OP_RANDOM, 0, infer_greedy, NULL, NULL},
    {"EfficientNMS_TRT", "", 0, 0, infer_efficient_nms, oxp_cost_read_in, NULL},
    {"EfficientNMS_TRT", "TRT", 0, 0, infer_efficient_nms, oxp_cost_read_in, NULL},
    {"BifurcationDetector", MS, OXP_OP_DATA_SHAPE, 0, infer_bifurcation, oxp_cost_read_in, NULL},
    {"DynamicTimeWarping", MS, OXP_OP_DATA_SHAPE, 0, infer_warping, oxp_cost_read_in, NULL},
    {"NGramHashMapping", MS, OXP_OP_ELEMENTWISE, 0, infer_hash, NULL, NULL},
    {"VarlenNGramHashMapping", MS, OXP_OP_ELEMENTWISE, 0, infer_hash, NULL, NULL},
};
const oxp_op_family oxp_ops_search = {table, OXP_COUNT(table), NULL, 0};
