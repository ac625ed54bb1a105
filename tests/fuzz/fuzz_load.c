/* fuzz_load.c - any bytes as a model: load it and walk it.  What loads must hold together. */
#include "fuzz/fuzz.h"

static void check_nodes(const oxp_model *m, oxp_arena *arena) {
    for (oxp_id i = 0; i < oxp_node_count(m); i++) {
        const oxp_node *n = oxp_node_at(m, i);
        oxp_node_label(m, i, arena);
        for (uint32_t k = 0; k < n->n_in; k++)
            if (n->in[k] != OXP_NONE) {
                FUZZ_CHECK(n->in[k] < oxp_value_count(m));
                oxp_constant_of(m, n->in[k], true);
            }
        for (uint32_t k = 0; k < n->n_out; k++)
            FUZZ_CHECK(n->out[k] == OXP_NONE || oxp_value_at(m, n->out[k])->producer == i);
    }
}

static void check_graphs(const oxp_model *m) {
    for (oxp_id i = 0; i < oxp_graph_count(m); i++) {
        const oxp_graph *g = oxp_graph_at(m, i);
        uint32_t n = 0;
        for (oxp_id id = g->first; id != OXP_NONE; id = oxp_node_at(m, id)->next)
            n++;
        FUZZ_CHECK(n == g->n_nodes);
        for (uint32_t k = 0; k < g->n_outputs; k++)
            FUZZ_CHECK(oxp_value_at(m, g->outputs[k])->outputs > 0);
    }
}

static void check_values(const oxp_model *m, uint64_t file_bytes, oxp_arena *arena) {
    for (oxp_id i = 0; i < oxp_value_count(m); i++) {
        const oxp_value *v = oxp_value_at(m, i);
        uint32_t n = 0;
        oxp_value_label(m, i, arena);
        for (oxp_id u = v->first_use; u != OXP_NONE; u = oxp_use_at(m, u)->next) {
            const oxp_use *use = oxp_use_at(m, u);
            FUZZ_CHECK(oxp_in(oxp_node_at(m, use->node), use->slot) == i);
            n++;
        }
        FUZZ_CHECK(n == v->n_uses);
    }
    for (oxp_id i = 0; i < oxp_tensor_count(m); i++) {
        const oxp_tensor *t = oxp_tensor_at(m, i);
        FUZZ_CHECK(t->storage == OXP_STORE_EXTERNAL || t->storage == OXP_STORE_NONE ||
                   (t->data.off <= file_bytes && t->data.len <= file_bytes - t->data.off));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    oxp_model *m;
    oxp_ctx *ctx = fuzz_ctx();
    if (oxp_open(&m, ctx, fuzz_file(data, size)) == OXP_OK) {
        oxp_arena *arena = oxp_arena_new(ctx);
        check_nodes(m, arena);
        check_graphs(m);
        check_values(m, size, arena);
        oxp_close(m);
    } else {
        fuzz_failed(ctx);
    }
    oxp_ctx_free(ctx);
    return 0;
}
