/* Statistics of weights against numpy (float64, numpy.linalg.svd) on fixtures/rules/weights. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "rules/weight_stats.h"

static const struct {
    const char *tensor, *what;
    int axis;
    double value; /* NaN: none */
} cases[] = {{"conv", "mean", 0, -2.893941630796718},
             {"conv", "rms", 0, 30.49537781890135},
             {"conv", "min", 0, -176.10194396972656},
             {"conv", "max", 0, 165.40576171875},
             {"conv", "zeros", 0, 0.125},
             {"conv", "sub_half", 0, 0.010416666666666666},
             {"conv", "spread", 0, 54161.24101775161},
             {"conv", "weak_channels", 0, 2},
             {"conv", "int8_error", 0, 0.5929913577545654},
             {"conv", "int8_channel_error", 0, 0.005582994313867273},
             {"conv", "rank", 0, 1},
             {"low", "outliers", 0, 4.29719015108366},
             {"low", "spread", 1, 5.357787180629806},
             {"low", "spread", -1, 5.357787180629806},
             {"low", "int8_error", 1, 0.01187092461289335},
             {"low", "int8_channel_error", 1, 0.005458771449739647},
             {"low", "rank", 0, 4},
             {"full", "rank", 0, 28},
             {"half", "rms", 0, 21.30116395036196},
             {"half", "int8_error", 0, 0.17147943708483127},
             {"half", "int8_channel_error", 0, 0.004703693019581369},
             {"half", "rank", 0, 1},
             {"odd", "mean", 0, -9999.285712857}, /* of what is finite */
             {"odd", "over_half", 0, 1},
             {"odd", "not_finite", 0, 1},
             {"odd", "vanish", 0, 0.125},
             {"odd", "rank", 0, NAN},
             {"odd", "no such thing", 0, NAN},
             {"low", "spread", 2, NAN}};

static oxp_id tensor_named(const oxp_model *m, const char *name) {
    for (oxp_id i = 0; i < oxp_tensor_count(m); i++)
        if (!strcmp(oxp_tensor_at(m, i)->name, name))
            return i;
    fail_msg("no tensor %s", name);
    return OXP_NONE;
}

static void test_against_numpy(void **state) {
    oxp_ctx *c = oxp_ctx_new(0);
    oxp_model *m;
    (void)state;
    assert_int_equal(oxp_open(&m, c, "fixtures/rules/weights/model.onnx"), OXP_OK);
    oxp_weight_stats *s = oxp_weight_stats_new(m, oxp_arena_new(c));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        double v =
            oxp_weight_stat(s, tensor_named(m, cases[i].tensor), cases[i].what, cases[i].axis);
        double wanted = cases[i].value;
        if (isnan(wanted) ? !isnan(v) : !(fabs(v - wanted) <= 1e-9 * fabs(wanted)))
            fail_msg("%s of %s: %.17g, not %.17g", cases[i].what, cases[i].tensor, v, wanted);
    }
    oxp_ctx_free(c);
}

static void test_absent(void **state) {
    oxp_ctx *c = oxp_ctx_new(0);
    oxp_model *m;
    (void)state;
    assert_int_equal(oxp_open(&m, c, "fixtures/skeletons/resnet18/model.onnx"), OXP_OK);
    oxp_weight_stats *s = oxp_weight_stats_new(m, oxp_arena_new(c));
    oxp_id t = tensor_named(m, "conv1.weight");
    assert_true(isnan(oxp_weight_stat(s, t, "abs_max", 0)));
    assert_true(isnan(oxp_weight_stat(s, t, "rank", 0)));
    assert_int_equal(oxp_weight_twin(s, t), OXP_NONE);
    oxp_ctx_free(c);
}

/* A diagonal matrix tells its spectrum; sums of squares 16, 9, 4, 1: 25 of 30 is less than 0.9. */
static void test_energy_rank(void **state) {
    oxp_ctx *c = oxp_ctx_new(0);
    oxp_arena *a = oxp_arena_new(c);
    float m[4 * 6] = {0}, t[6 * 4] = {0}, zero[9] = {0};
    (void)state;
    for (int i = 0; i < 4; i++)
        m[i * 6 + i + 1] = t[(i + 1) * 4 + i] = (float)(4 - i);
    assert_int_equal(oxp_energy_rank(m, 4, 6, 0.9, a), 3);
    assert_int_equal(oxp_energy_rank(t, 6, 4, 0.9, a), 3);
    assert_int_equal(oxp_energy_rank(m, 4, 6, 0.5, a), 1);
    assert_int_equal(oxp_energy_rank(m, 4, 6, 1, a), 4);
    assert_int_equal(oxp_energy_rank(zero, 3, 3, 0.9, a), 0);
    oxp_ctx_free(c);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_against_numpy),
                                       cmocka_unit_test(test_absent),
                                       cmocka_unit_test(test_energy_rank)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
