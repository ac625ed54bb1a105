/* fix_shapes.c - the pass 'fix-shapes': dimensions of inputs become numbers.
 *
 * Before:  x [N,3,4] -> Shape -> Gather -> Concat(., 12) -> Reshape(x, .) -> y [?,12]
 * After:   x [2,3,4] -> Reshape(x, [2,12]) -> y [2,12]                          with --dim N=2
 *
 * Only what was bound is fixed.  Before anything is changed the sizes are tried on the whole model:
 * a node that makes them impossible ends the pass with its name; with --repair a Reshape's constant
 * target is made to follow.  Shapes that depend on the data stay open. */
#include "rewrite/shapes/shapes.h"

static void open_shapes(oxp_shape_job *j) {
    size_t n = oxp_node_count(j->m);
    for (oxp_id id = 0; id < n; id++) {
        const oxp_node *x = oxp_node_at(j->m, id);
        if (x->live && x->def && x->def->flags & OXP_OP_DATA_SHAPE)
            oxp_run_note(j->run, id, "the shape of its result depends on the data: left open");
    }
}

static void run(oxp_run *r) {
    oxp_shape_job j = {.run = r, .m = oxp_run_model(r), .arena = oxp_run_arena(r)};
    oxp_shape_bind(&j);
    oxp_shape_inputs(&j);
    oxp_shape_infer(&j);
    bool again = true;
    for (int round = 0; round < 16 && again; round++) {
        again = oxp_shape_inline(&j);
        again |= oxp_shape_fold(&j);
        if (again)
            oxp_shape_infer(&j);
    }
    oxp_shape_types(&j);
    open_shapes(&j);
    oxp_run_changed(r, j.folded + j.inlined + j.repaired + (j.retyped > 0));
    oxp_run_summary(
        r,
        "%zu of %zu tensors have a fixed shape; %zu shape computations folded, %zu nodes "
        "dropped, %zu If resolved, %zu Reshape targets repaired",
        j.typed, j.typed + j.open, j.folded, j.dropped, j.inlined, j.repaired);
}

/* The sizes that the analysis assumed are bound, too (whatif.c). */
static const oxp_pass_param params[] = {{.name = "bindings", .word = "assumed"}, {.name = NULL}};

const oxp_pass oxp_pass_fix_shapes = {
    .name = "fix-shapes",
    .summary = "gives dimensions of the inputs fixed sizes and folds what follows from them",
    .fidelity = OXP_EXACT,
    .flags = OXP_PASS_MAY_RESHAPE_IO,
    .run = run,
    .params = params,
};
