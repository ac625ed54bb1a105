/* Liveness: the peak of real runs, and what is alive there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "analysis/memory.h"
#include "support/json_check.h"

static const char *const models[] = {
    "models/bert_mini_op12",
    "models/bert_tf2onnx_mini",
    "models/cxr_upsample_mini",
    "models/gpt2_kv_mini",
    "models/loop_if",
    "models/lstm_tagger",
    "models/mnist8",
    "models/mobilenetv2_mini",
    "models/tf2onnx_cnn",
    "models/unet_mini",
    "models/vit_mini",
    "models/yolov8_mini",
    "skeletons/bert_qa",
    "skeletons/mobilenet_v2",
    "skeletons/resnet18",
    "skeletons/yolov8l",
    "models/cxr_upsample_dynamo",
    "models/preact_mini",
};

enum { DIMS_MAX = 8, ALIVE_MAX = 4096 };

/* The bindings of the recorded run. */
static size_t bindings_of(const json *truth, const oxp_model *m, oxp_binding *b) {
    const json *dims = json_get(truth, "dims");
    const oxp_graph *g = oxp_graph_at(m, OXP_MAIN_GRAPH);
    size_t n = 0;
    for (uint32_t i = 0; i < g->n_inputs; i++) {
        const oxp_type *t = oxp_value_at(m, g->inputs[i])->declared;
        for (int k = 0; t != NULL && k < t->rank && n < DIMS_MAX; k++) {
            if (oxp_dim_is_literal(t->dims[k]))
                continue;
            const char *name = oxp_dim_text(oxp_model_dims(m), t->dims[k], oxp_model_arena(m));
            if (json_get(dims, name) != NULL)
                b[n++] = (oxp_binding){
                    .name = name, .value = (int64_t)json_number(json_get(dims, name)), .rank = -1};
        }
    }
    return n;
}

static void check(const char *model) {
    char path[256], why[256];
    oxp_ctx *ctx = oxp_ctx_new(0);
    oxp_arena *arena = oxp_arena_new(ctx);
    oxp_model *m;
    const oxp_analysis *a;
    oxp_binding b[DIMS_MAX];
    snprintf(path, sizeof path, "fixtures/%s/model.onnx", model);
    assert_int_equal(oxp_open(&m, ctx, path), OXP_OK);
    snprintf(path, sizeof path, "fixtures/%s/truth.json", model);
    const json *truth = json_read_file(path, why);
    assert_non_null(truth);
    oxp_analyze_opts o = OXP_ANALYZE_OPTS_INIT;
    o.bindings = b;
    o.n_bindings = bindings_of(truth, m, b);
    assert_int_equal(oxp_analyze(&a, m, &o, arena), OXP_OK);
    uint64_t peak = a->totals.peak_activation_bytes;
    if ((double)peak != json_number(json_get(truth, "peak_activation_bytes")))
        fail_msg("%s: peak %llu", model, (unsigned long long)peak);
    oxp_id *alive = oxp_alloc(arena, ALIVE_MAX, sizeof *alive);
    size_t n = oxp_memory_alive(m, a->values, a->peak_node, alive, ALIVE_MAX, arena);
    uint64_t sum = 0;
    for (size_t i = 0; i < n; i++) {
        assert_true(i == 0 || a->values[alive[i - 1]].bytes >= a->values[alive[i]].bytes);
        sum += a->values[alive[i]].bytes;
    }
    assert_int_equal(sum, peak);
    assert_int_equal(a->nodes[a->peak_node].live_bytes, peak);
    assert_true(a->totals.peak_with_views_bytes <= peak);
    assert_true(a->totals.total_activation_bytes >= peak);
    assert_int_equal(oxp_memory_alive(m, a->values, a->peak_node, alive, 1, arena), n > 0);
    oxp_ctx_free(ctx);
}

static void peaks_of_real_runs(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof models / sizeof *models; i++)
        check(models[i]);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(peaks_of_real_runs)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
