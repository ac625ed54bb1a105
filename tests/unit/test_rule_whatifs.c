/* What the what-ifs of rules give on ResNet-18, against figures from its definition: stages of 64,
 * 128, 256, 512 channels at 56, 28, 14, 7 pixels, two blocks of two 3x3 convolutions each; 2
 * operations a multiply-add, 3 an element for BatchNormalization and ReLU. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "onnxpert/onnxpert.h"
#include "rules/roadmap.h"

static const struct {
    const char *rule;
    uint64_t flops, params;
} wanted[] = {
    /* 3/4 of what the 16 dense 3x3 convolutions have, less */
    {"grouped-convolution", 1123587560, 3460008},
    /* 7 layers with 5 % of the parameters and more; r = floor(m n / 2 (m + n)) */
    {"low-rank", 2885241832, 6676648},
    /* the first convolution of each block with 48, 96, 192, 384 channels */
    {"channel-pruning", 2799302888, 8950824},
    /* 1x1 to 4 Ci, 3x3 depthwise, 1x1 to Co, for each of the 8 blocks */
    {"inverted-residual", 1829062120, 4632744},
};

static const oxp_item *item(const oxp_roadmap *r, const char *id) {
    for (size_t p = 0; p < r->n_phases; p++)
        for (size_t i = 0; i < r->phases[p].n_items; i++)
            if (!strcmp(r->phases[p].items[i].rule->id, id))
                return &r->phases[p].items[i];
    fail_msg("no item %s", id);
    return NULL;
}

static void test_against_definition(void **state) {
    oxp_ctx *c = oxp_ctx_new(0);
    oxp_model *m;
    const oxp_roadmap *r;
    oxp_advise_opts o = OXP_ADVISE_OPTS_INIT;
    (void)state;
    assert_int_equal(oxp_open(&m, c, "fixtures/skeletons/resnet18/model.onnx"), OXP_OK);
    assert_int_equal(oxp_advise(&r, m, &o, oxp_arena_new(c)), OXP_OK);
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        const oxp_item *it = item(r, wanted[i].rule);
        assert_true(it->projected);
        assert_int_equal(it->before.flops, 3638007272);
        assert_int_equal(it->before.params, 11699112);
        assert_int_equal(it->after.flops, wanted[i].flops);
        assert_int_equal(it->after.params, wanted[i].params);
    }
    oxp_ctx_free(c);
}

/* Rules on tensors and blocks name the nodes that are concerned. */
static void test_evidence(void **state) {
    oxp_ctx *c = oxp_ctx_new(0);
    oxp_model *m;
    const oxp_roadmap *r;
    oxp_advise_opts o = OXP_ADVISE_OPTS_INIT;
    (void)state;
    assert_int_equal(oxp_open(&m, c, "fixtures/blocks/squeeze_excite/model.onnx"), OXP_OK);
    assert_int_equal(oxp_advise(&r, m, &o, oxp_arena_new(c)), OXP_OK);
    const oxp_item *twins = item(r, "duplicate-initializers");
    assert_true(twins->result->n_nodes > 0);
    for (size_t i = 0; i < twins->result->n_nodes; i++)
        assert_true(oxp_node_at(m, twins->result->nodes[i])->live);
    assert_true(twins->after.weight_bytes < twins->before.weight_bytes);
    oxp_ctx_free(c);
}

/* With another image size the records behind an unknown operator hold no more, and the costs there
 * are lost: that is no saving. */
static void test_lost_costs(void **state) {
    oxp_ctx *c = oxp_ctx_new(0);
    oxp_model *m;
    const oxp_roadmap *r;
    oxp_advise_opts o = OXP_ADVISE_OPTS_INIT;
    (void)state;
    assert_int_equal(oxp_open(&m, c, "fixtures/rewrites/shapes/image_behind_unknown/model.onnx"),
                     OXP_OK);
    assert_int_equal(oxp_advise(&r, m, &o, oxp_arena_new(c)), OXP_OK);
    assert_true(r->baseline.flops > 1000000);
    assert_false(r->baseline.lost);
    assert_false(r->final.lost);
    for (size_t i = 0; i < r->n_resolutions; i++)
        assert_true(!r->resolutions[i].runs || r->resolutions[i].metrics.flops > 0);
    oxp_ctx_free(c);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_against_definition),
                                       cmocka_unit_test(test_evidence),
                                       cmocka_unit_test(test_lost_costs)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
