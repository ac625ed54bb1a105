/* Bindings, totals and their errors, on real models. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "analysis/latency.h"
#include "onnxpert/analyze.h"
#include "support/world.h"

static void load(world *w, const char *path) {
    assert_int_equal(oxp_open(&w->m, w->ctx, path), OXP_OK);
}

static oxp_status analyze(world *w, const oxp_binding *b, size_t n) {
    oxp_analyze_opts o = OXP_ANALYZE_OPTS_INIT;
    o.bindings = b;
    o.n_bindings = n;
    oxp_error_clear(w->ctx);
    return oxp_analyze(&w->a, w->m, &o, w->arena);
}

static uint64_t flops_of(const oxp_analysis *a, const char *op) {
    for (size_t i = 0; i < a->n_by_op; i++) {
        if (strcmp(a->by_op[i].op, op) == 0)
            return a->by_op[i].flops;
    }
    return 0;
}

static void resnet18_is_what_it_is(void **state) {
    world *w = *state;
    load(w, "fixtures/skeletons/resnet18/model.onnx");
    assert_int_equal(analyze(w, NULL, 0), OXP_OK);
    const oxp_totals *t = &w->a->totals;
    assert_int_equal(t->params, 11699112);
    assert_int_equal(t->trainable_params, 11699112 - 2 * 4800); /* without BN's mean and variance */
    assert_int_equal(t->peak_activation_bytes, 6422528);
    assert_int_equal(t->weight_bytes, 4 * 11699112);
    assert_int_equal(t->unknown_nodes, 0);
    assert_false(t->partial);
    assert_int_equal(w->a->n_assumed, 1);
    assert_string_equal(w->a->assumed[0].name, "N");
    assert_int_equal(w->a->assumed[0].value, 1);
    assert_false(w->a->assumed[0].bound);
    uint64_t params = 0, bytes = 0;
    for (size_t i = 0; i < w->a->n_by_op; i++) {
        params += w->a->by_op[i].params;
        bytes += w->a->by_op[i].weight_bytes;
    }
    assert_int_equal(params, t->params);
    assert_int_equal(bytes, t->weight_bytes);
    assert_true(w->a->peak_node != OXP_NONE);
    assert_int_equal(w->a->nodes[w->a->peak_node].live_bytes, t->peak_activation_bytes);
}

static void the_batch_multiplies(void **state) {
    world *w = *state;
    load(w, "fixtures/skeletons/resnet18/model.onnx");
    assert_int_equal(analyze(w, NULL, 0), OXP_OK);
    uint64_t flops = w->a->totals.flops, peak = w->a->totals.peak_activation_bytes;
    oxp_binding n = {.name = "N", .value = 8, .rank = -1};
    assert_int_equal(analyze(w, &n, 1), OXP_OK);
    assert_int_equal(w->a->totals.flops, 8 * flops);
    assert_int_equal(w->a->totals.peak_activation_bytes, 8 * peak);
    assert_true(w->a->assumed[0].bound);
    const int64_t shape[] = {8, 3, 224, 224}, leave[] = {-1, 3, 224, 224};
    oxp_binding s = {.name = "input", .rank = 4, .dims = shape};
    assert_int_equal(analyze(w, &s, 1), OXP_OK);
    assert_int_equal(w->a->totals.flops, 8 * flops);
    s.dims = leave;
    assert_int_equal(analyze(w, &s, 1), OXP_OK);
    assert_int_equal(w->a->totals.flops, flops);
}

static void says(world *w, const char *text) {
    if (strstr(oxp_error_text(w->ctx), text) == NULL)
        fail_msg("'%s' does not name '%s'", oxp_error_text(w->ctx), text);
}

static void bad_bindings_are_named(void **state) {
    world *w = *state;
    load(w, "fixtures/skeletons/resnet18/model.onnx");
    oxp_binding b = {.name = "M", .value = 8, .rank = -1};
    assert_int_equal(analyze(w, &b, 1), OXP_E_USAGE);
    says(w, "M");
    const int64_t other[] = {1, 4, 224, 224};
    oxp_binding s = {.name = "nowhere", .rank = 4, .dims = other};
    assert_int_equal(analyze(w, &s, 1), OXP_E_USAGE);
    says(w, "nowhere");
    s.name = "input";
    assert_int_equal(analyze(w, &s, 1), OXP_E_UNSUPPORTED);
    says(w, "axis 1");
    s.rank = 3;
    assert_int_equal(analyze(w, &s, 1), OXP_E_UNSUPPORTED);
    says(w, "dimensions");
    oxp_binding twice[] = {{.name = "N", .value = 2, .rank = -1},
                           {.name = "N", .value = 3, .rank = -1}};
    assert_int_equal(analyze(w, twice, 2), OXP_E_UNSUPPORTED);
    says(w, "N");
    b = (oxp_binding){.name = "N", .value = -4, .rank = -1};
    assert_int_equal(analyze(w, &b, 1), OXP_E_UNSUPPORTED);
    says(w, "-4");
}

static void names_of_outputs_cannot_be_bound(void **state) {
    world *w = *state;
    load(w, "fixtures/models/gpt2_kv_mini/model.onnx");
    oxp_binding b = {.name = "MatMullogits_dim_0", .value = 2, .rank = -1};
    assert_int_equal(analyze(w, &b, 1), OXP_E_USAGE);
}

static void bert_and_llama_multiply(void **state) {
    world *w = *state;
    oxp_binding b[] = {{.name = "batch", .value = 1, .rank = -1},
                       {.name = "seq", .value = 256, .rank = -1}};
    load(w, "fixtures/skeletons/bert_qa/model.onnx");
    assert_int_equal(analyze(w, b, 2), OXP_OK);
    assert_int_equal(flops_of(w->a, "MatMul"), 45903249408);
    oxp_binding l[] = {{.name = "s23", .value = 1, .rank = -1},
                       {.name = "s27", .value = 128, .rank = -1}};
    load(w, "fixtures/skeletons/llama3_8b/model.onnx");
    assert_int_equal(analyze(w, l, 2), OXP_OK);
    assert_int_equal(flops_of(w->a, "MatMul"), 1929782493184);
    assert_int_equal(w->a->totals.params, 8030261312);
    assert_int_equal(w->a->totals.params_by_dtype[OXP_FLOAT16], 8030261312 - 64);
}

static void latency_adds_up(void **state) {
    world *w = *state;
    load(w, "fixtures/skeletons/resnet18/model.onnx");
    assert_int_equal(analyze(w, NULL, 0), OXP_OK);
    const oxp_device *t4 = oxp_device_find(w->arena, "t4");
    oxp_node_latency *nodes = oxp_alloc(w->arena, oxp_node_count(w->m), sizeof *nodes);
    oxp_latency_sum sum, half;
    double seconds = oxp_latency(w->a, t4, OXP_UNDEFINED, &sum, nodes), total = 0;
    for (size_t i = 0; i < oxp_node_count(w->m); i++)
        total += nodes[i].seconds;
    assert_true(seconds > 1e-4 && seconds < 1e-2);
    assert_float_equal(total, seconds, 1e-9);
    assert_float_equal(sum.compute_bound + sum.memory_bound + sum.launch, seconds, 1e-9);
    assert_true(sum.utilization > 0 && sum.utilization < 1);
    assert_true(oxp_latency(w->a, t4, OXP_FLOAT16, &half, NULL) < seconds);
    assert_true(oxp_memory_needed(w->a, OXP_FLOAT16) < oxp_memory_needed(w->a, OXP_UNDEFINED));
    const oxp_device *server = oxp_device_find(w->arena, "x86-server");
    assert_true(oxp_latency(w->a, server, OXP_FLOAT16, NULL, NULL) >=
                oxp_latency(w->a, server, OXP_UNDEFINED, NULL, NULL));
}

static void the_sweep_analyses_again(void **state) {
    world *w = *state;
    load(w, "fixtures/skeletons/resnet18/model.onnx");
    assert_int_equal(analyze(w, NULL, 0), OXP_OK);
    const oxp_device *t4 = oxp_device_find(w->arena, "t4");
    const oxp_batch_sweep *s = oxp_sweep_batch(w->a, NULL, t4, OXP_UNDEFINED, NULL, 0, w->arena);
    assert_false(s->scaled);
    assert_string_equal(s->dim, "N");
    assert_int_equal(s->n_points, 7);
    for (size_t i = 0; i < s->n_points; i++) {
        const oxp_batch_point *p = &s->points[i];
        assert_true(p->valid && p->fits);
        assert_int_equal(p->flops, (uint64_t)p->batch * w->a->totals.flops);
        assert_int_equal(p->peak_activation_bytes,
                         (uint64_t)p->batch * w->a->totals.peak_activation_bytes);
        assert_true(i == 0 || p->memory_bytes > s->points[i - 1].memory_bytes);
        assert_true(i == 0 || p->throughput >= s->points[i - 1].throughput);
    }
    load(w, "fixtures/skeletons/yolov8l/model.onnx");
    assert_int_equal(analyze(w, NULL, 0), OXP_OK);
    s = oxp_sweep_batch(w->a, NULL, t4, OXP_UNDEFINED, (const int64_t[]){1, 4}, 2, w->arena);
    assert_true(s->scaled);
    assert_int_equal(s->points[1].flops, 4 * w->a->totals.flops);
    assert_int_equal(oxp_error_status(w->ctx), OXP_OK);
}

static void views_share(void **state) {
    world *w = *state;
    load(w, "fixtures/skeletons/bert_qa/model.onnx");
    assert_int_equal(analyze(w, NULL, 0), OXP_OK);
    assert_true(w->a->totals.peak_with_views_bytes <= w->a->totals.peak_activation_bytes);
    assert_true(w->a->totals.peak_with_views_bytes > 0);
    assert_true(w->a->totals.total_activation_bytes > w->a->totals.peak_activation_bytes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(resnet18_is_what_it_is, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(the_batch_multiplies, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(bad_bindings_are_named, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(names_of_outputs_cannot_be_bound, world_setup,
                                        world_teardown),
        cmocka_unit_test_setup_teardown(bert_and_llama_multiply, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(latency_adds_up, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(the_sweep_analyses_again, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(views_share, world_setup, world_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
