/* Risks that are only stated where the graph and its weights show them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "analysis/insight.h"
#include "support/wire_builder.h"
#include "support/world.h"

enum { LAYERS = 8, SIZE = 32 };

/* Products and activations without biases.  Rows of the weights are random numbers; `trained` makes
 * some rows larger than others. */
static wb network(bool trained) {
    static float w[SIZE * SIZE];
    static const char *const x[] = {"x", "b0", "b1", "b2", "b3", "b4", "b5", "b6", "y"};
    uint32_t seed = 1;
    wb g = {0};
    wb_text(&g, 2, "g");
    for (int i = 0; i < LAYERS; i++) {
        char in[8] = {0}, weight[3] = {'w', (char)('0' + i), 0}, a[3] = {'a', (char)('0' + i), 0};
        strcpy(in, x[i]);
        strcat(in, " ");
        strcat(in, weight);
        wb_msg(&g, 1, wb_node("MatMul", in, a));
        wb_msg(&g, 1, wb_node("Relu", a, x[i + 1]));
        for (int k = 0; k < SIZE * SIZE; k++) {
            seed = seed * 1664525u + 1013904223u;
            w[k] = (float)(seed >> 8) / (1 << 24) - 0.5f;
            w[k] *= trained ? 1.0f + (float)(k / SIZE % 4) : 1.0f;
        }
        wb t = wb_tensor(weight, OXP_FLOAT, "32 32");
        wb_bytes(&t, 9, w, sizeof w);
        wb_msg(&g, 5, t);
    }
    wb_msg(&g, 11, wb_value("x", "N 32"));
    wb_msg(&g, 12, wb_value("y", NULL));
    return wb_model(g);
}

static bool has_risk(world *w, wb model, const char *id) {
    oxp_analyze_opts o = OXP_ANALYZE_OPTS_INIT;
    if (oxp_open(&w->m, w->ctx, wb_save(&model, "risks.onnx")) != OXP_OK)
        fail_msg("%s", oxp_error_text(w->ctx));
    wb_free(&model);
    assert_int_equal(oxp_analyze(&w->a, w->m, &o, w->arena), OXP_OK);
    const oxp_insight *in = oxp_insight_of(w->a, w->arena);
    bool found = false;
    for (size_t i = 0; i < in->n_risks; i++)
        found = found || strcmp(in->risks[i].id, id) == 0;
    return found;
}

/* What an exporter folded into such weights may have left zeros, which it dropped. */
static void random_weights_show_no_missing_normalization(void **state) {
    assert_false(has_risk(*state, network(false), "missing-normalization"));
}

static void trained_ones_without_biases_do(void **state) {
    assert_true(has_risk(*state, network(true), "missing-normalization"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(random_weights_show_no_missing_normalization, world_setup,
                                        world_teardown),
        cmocka_unit_test_setup_teardown(trained_ones_without_biases_do, world_setup,
                                        world_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
