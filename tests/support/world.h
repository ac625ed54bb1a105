/* world.h - what most tests of the library start from: a context, an arena, a model, its analysis.
 */
#ifndef OXP_TEST_WORLD_H
#define OXP_TEST_WORLD_H

#include "onnxpert/onnxpert.h"

typedef struct world {
    oxp_ctx *ctx;
    oxp_arena *arena;
    oxp_model *m;          /* NULL: opened by the test */
    const oxp_analysis *a; /* NULL: made by the test */
} world;

/* For cmocka: *state is a world with a new context and arena; the second ends it. */
int world_setup(void **state);
int world_teardown(void **state);

#endif
