/* shapes.c - what the steps of fix-shapes and make-dynamic share. */
#include "rewrite/shapes/shapes.h"

void oxp_shape_apply(oxp_shape_job *j, oxp_patch *p) {
    const char *why;
    if (!oxp_patch_apply(p, &why))
        oxp_run_impossible(j->run, OXP_NONE, "%s", why);
}

void oxp_shape_infer(oxp_shape_job *j) {
    oxp_infer_opts o = {.quiet = true, .no_costs = true};
    j->facts = oxp_infer(j->m, &o, j->arena);
}
