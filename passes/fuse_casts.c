/* fuse_casts.c - Casts that change nothing.
 *
 *   before   b = Cast(a: float16 -> float32)  c = Cast(b -> T)     after   c = Cast(a -> T)
 *                                                                          c = a where T is float16
 *            b = Cast(a: T -> T)                                           b = a
 *
 * Only where the first Cast loses nothing (a wider type of the same kind), so the result is the
 * same bit for bit.  A Cast that narrows rounds, and stays.  A Cast that makes a graph output
 * stays. */
#include "onnxpert/pass.h"
#include "rewrite/select.h"

/* Does every number of type `from` exist in type `to`? */
static bool widens(oxp_dtype from, oxp_dtype to) {
    static const oxp_dtype pairs[][2] = {
        {OXP_FLOAT16, OXP_FLOAT},   {OXP_FLOAT16, OXP_DOUBLE}, {OXP_BFLOAT16, OXP_FLOAT},
        {OXP_BFLOAT16, OXP_DOUBLE}, {OXP_FLOAT, OXP_DOUBLE},   {OXP_BOOL, OXP_INT32},
        {OXP_BOOL, OXP_INT64},      {OXP_UINT8, OXP_INT32},    {OXP_UINT8, OXP_INT64},
        {OXP_INT8, OXP_INT32},      {OXP_INT8, OXP_INT64},     {OXP_INT32, OXP_INT64}};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        if (pairs[i][0] == from && pairs[i][1] == to)
            return true;
    return false;
}

static oxp_dtype type_of(oxp_run *run, oxp_id value) {
    const oxp_type *t = &oxp_run_analysis(run)->values[value].type;
    return t->kind == OXP_KIND_TENSOR ? t->elem : OXP_UNDEFINED;
}

static bool fuse(oxp_run *run, oxp_id id, void *arg, const char **why) {
    (void)arg;
    const oxp_model *m = oxp_run_model(run);
    const oxp_node *n = oxp_node_at(m, id);
    oxp_id x = oxp_in(n, 0), out = oxp_out(n, 0);
    if (x == OXP_NONE || out == OXP_NONE)
        return false;
    oxp_dtype to = type_of(run, out), source = type_of(run, x);
    oxp_id producer = oxp_value_at(m, x)->producer, from = x;
    const oxp_node *first = producer == OXP_NONE ? NULL : oxp_node_at(m, producer);
    if (first && oxp_node_is(first, "Cast") && first->graph == n->graph &&
        oxp_in(first, 0) != OXP_NONE && widens(type_of(run, oxp_in(first, 0)), source)) {
        from = oxp_in(first, 0);
        source = type_of(run, from);
    }
    bool gone = source == to && to != OXP_UNDEFINED;
    if (from == x && !gone)
        return false;
    *why = "its result is an output of the graph";
    if (gone && oxp_value_at(m, out)->outputs)
        return false;
    oxp_patch *p = oxp_patch_new(run);
    if (gone) {
        oxp_patch_replace_uses(p, out, from);
        oxp_patch_drop(p, id);
    } else
        oxp_patch_input(p, id, 0, from);
    if (from != x && oxp_value_at(m, x)->n_uses == 1 && !oxp_value_at(m, x)->outputs)
        oxp_patch_drop(p, producer);
    return oxp_patch_apply(p, why);
}

static void run_pass(oxp_run *run) {
    static const char *const ops[] = {"Cast", NULL};
    size_t changed = oxp_run_each(run, ops, fuse, NULL);
    if (changed)
        oxp_run_summary(run, "%zu Cast%s merged or removed", changed, changed == 1 ? "" : "s");
}

const oxp_pass oxp_pass_fuse_casts = {.name = "fuse-casts",
                                      .summary = "merges Casts behind a Cast that only widens",
                                      .fidelity = OXP_EXACT,
                                      .flags = OXP_PASS_BY_NODE | OXP_PASS_NEEDS_ANALYSIS,
                                      .run = run_pass};
