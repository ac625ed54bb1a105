/* fold_bn.c - folds BatchNormalization, and affine tails of layers, into the layers' weights.
 *
 *   before   c = Conv(x, W, b)                        after   y = Conv(x, W', b')
 *            y = BatchNormalization(c, scale, B, mean, var)
 *
 *   a = scale / sqrt(var + epsilon)    W'[m] = a[m] W[m]    b'[m] = a[m] (b[m] - mean[m]) + B[m]
 *
 * Backwards into Conv, ConvTranspose, Gemm, MatMul and other normalizations, through what commutes
 * with a scale per channel (Identity, Dropout, Reshape, Transpose, pooling, resizing, Concat, sums,
 * added constants; Relu where there is no shift); else forwards into layers that alone read the
 * result (b'[m] = b[m] + sum W[m,c] s[c]), which must not see padding unless the shift is zero.
 * Mul, Add, Sub, Div by constants fold forwards only where they prepare a graph input (x / 255 in
 * front of a Conv).
 *
 * Conditions: inference mode; constant parameters; nobody else reads what changes.  Weights that
 * others read are duplicated, layers never.  A lone BatchNormalization stays one.
 * Computed in double and rounded once; large weights through recipes (see src/rewrite/fold). */
#include "rewrite/fold/fold.h"
#include "rewrite/select.h"

typedef struct tally {
    size_t norms, tails, left;
} tally;

static void reset(oxp_fold *l) {
    l->n_targets = 0;
    l->shift_stays = l->imagined = l->needs_call = false;
    l->call = OXP_NONE;
    l->why = NULL;
}

/* What replaces the node: nothing, or an Add of the shift where the layers cannot take it. */
static bool leave_shift(oxp_fold *l, oxp_id node, oxp_id x, const oxp_affine *f) {
    const oxp_node n = *oxp_node_at(l->m, node);
    const oxp_type *t = oxp_fold_type(l, x);
    int behind = f->n == 1 ? 0 : t ? t->rank - f->axis : -1;
    if (behind < 0)
        return oxp_fold_fail(l, "rank of %s is not known", oxp_fold_name(l, x));
    int64_t *dims = OXP_NEWS(l->arena, (size_t)behind + 1, int64_t);
    for (int i = 0; i < behind; i++)
        dims[i] = i == 0 ? (int64_t)f->n : 1;
    const char *hint = oxp_sprintf(l->arena, "%s_shift", oxp_fold_name(l, n.out[0]));
    oxp_dtype type = oxp_fold_dtype(l, x);
    if (type == OXP_UNDEFINED)
        return oxp_fold_fail(l, "type of %s is not known", oxp_fold_name(l, x));
    oxp_id in[2] = {x, oxp_fold_constant(l, n.graph, node, hint, type, behind, dims, f->s)};
    oxp_patch_node(l->p, n.graph, node, "Add", "", n.name, in, 2, n.out, 1);
    oxp_patch_drop(l->p, node);
    return true;
}

/* Backwards: the producer of x takes over the node's output. */
static bool finish_up(oxp_fold *l, oxp_id node, uint32_t slot, const oxp_affine *f) {
    const oxp_node n = *oxp_node_at(l->m, node);
    oxp_id x = n.in[slot];
    if (l->shift_stays && oxp_affine_has_shift(f))
        return leave_shift(l, node, x, f);
    const oxp_value *v = oxp_value_at(l->m, x);
    oxp_patch_output(l->p, v->producer, v->slot, n.out[0]);
    oxp_patch_drop(l->p, node);
    return true;
}

static void release_parameters(oxp_fold *l, oxp_id node, uint32_t slot) {
    const oxp_node n = *oxp_node_at(l->m, node);
    for (uint32_t i = 0; i < n.n_in; i++) {
        bool repeated = false;
        for (uint32_t j = 0; j < i; j++)
            repeated |= n.in[j] == n.in[i];
        if (i != slot && n.in[i] != OXP_NONE && !repeated)
            oxp_fold_release(l, n.in[i], node);
    }
}

static bool apply(oxp_fold *l, oxp_id node, uint32_t slot, const oxp_affine *f, bool up) {
    bool good = true;
    l->p = oxp_patch_new(l->run);
    for (size_t i = 0; good && i < l->n_targets; i++) {
        oxp_fold_target *t = &l->targets[i];
        if (l->shift_stays)
            for (size_t k = 0; k < t->f.n; k++)
                t->f.s[k] = 0;
        good = up ? oxp_fold_absorb_output(l, t) : oxp_fold_absorb_input(l, t);
    }
    if (good && up) {
        good = finish_up(l, node, slot, f);
    } else if (good) {
        const oxp_node n = *oxp_node_at(l->m, node);
        oxp_patch_replace_uses(l->p, n.out[0], n.in[slot]);
        oxp_patch_drop(l->p, node);
    }
    if (good)
        release_parameters(l, node, slot);
    if (!good) {
        oxp_patch_discard(l->p);
        return false;
    }
    return oxp_patch_apply(l->p, &l->why);
}

static bool fold_up(oxp_fold *l, oxp_id node, uint32_t slot, const oxp_affine *f, bool norm) {
    const oxp_node n = *oxp_node_at(l->m, node);
    oxp_affine own = oxp_affine_slice(l, f, 0, f->n);
    if (!oxp_fold_up(l, node, n.in[slot], &own))
        return false;
    if (l->shift_stays && !norm && oxp_affine_has_shift(f))
        return oxp_fold_fail(l, "the layer before it has no bias");
    /* shared arrays: the targets' maps may be cut down, the node's own must not */
    for (size_t i = 0; i < l->n_targets; i++)
        l->targets[i].f = oxp_affine_slice(l, &l->targets[i].f, 0, l->targets[i].f.n);
    return apply(l, node, slot, f, true);
}

static void remark(oxp_fold *l, oxp_id node, const oxp_affine *f) {
    double most = oxp_affine_largest(f);
    if (most > OXP_FOLD_HAZARD)
        oxp_run_note(
            l->run, node,
            "largest folded scale is %.3g (a variance near zero): hazard for float16 and int8",
            most);
}

static bool candidate(const oxp_node *n) {
    return n->live && n->n_in >= 2 && n->n_out >= 1 && n->out[0] != OXP_NONE &&
           (oxp_node_is(n, "BatchNormalization") || oxp_node_is(n, "Mul") ||
            oxp_node_is(n, "Add") || oxp_node_is(n, "Sub") || oxp_node_is(n, "Div"));
}

/* Is the value a graph input, prepared by nothing but casts, moves and constants?  There,
 * arithmetic is a normalization of pictures or signals and may go forwards; elsewhere it may be
 * part of a pattern that runtimes know (LayerNormalization) and is better left whole. */
static bool is_prepared_input(oxp_fold *l, oxp_id value) {
    static const char *const moves[] = {"Cast",    "Transpose", "Identity",
                                        "Reshape", "Squeeze",   "Unsqueeze"};
    for (int depth = 0; depth < OXP_FOLD_DEPTH && value != OXP_NONE; depth++) {
        const oxp_value *v = oxp_value_at(l->m, value);
        oxp_affine f;
        uint32_t slot = 0;
        if (v->producer == OXP_NONE)
            return v->is_input && v->graph == OXP_MAIN_GRAPH && v->tensor == OXP_NONE;
        const oxp_node n = *oxp_node_at(l->m, v->producer);
        bool passes = false;
        for (size_t i = 0; i < sizeof moves / sizeof *moves; i++)
            passes |= oxp_node_is(&n, moves[i]);
        if (!passes && (!candidate(&n) || !oxp_affine_of(l, v->producer, &f, &slot)))
            return false;
        value = oxp_in(&n, slot);
    }
    return false;
}

/* One node; true when it was folded. */
static bool fold_node(oxp_fold *l, oxp_id node, tally *sum, bool report) {
    oxp_affine f;
    uint32_t slot;
    bool norm = oxp_node_is(oxp_node_at(l->m, node), "BatchNormalization");
    reset(l);
    l->reached = false;
    l->may_retool = norm;
    bool done = false;
    if (!oxp_affine_of(l, node, &f, &slot)) {
        if (norm && l->needs_call) {
            reset(l);
            done = oxp_fold_in_function(l, node);
            l->call = OXP_NONE;
        }
    } else if (oxp_node_at(l->m, node)->in[slot] != OXP_NONE) {
        done = fold_up(l, node, slot, &f, norm);
        const char *why = l->why;
        bool reached = l->reached;
        if (!done && (norm || is_prepared_input(l, oxp_node_at(l->m, node)->in[slot]))) {
            l->reached = false;
            reset(l);
            done = oxp_fold_down(l, oxp_node_at(l->m, node)->out[0], &f) &&
                   apply(l, node, slot, &f, false);
            if (!done && (reached || !l->reached))
                l->why = why;
        }
        if (done)
            remark(l, node, &f);
    }
    if (done) {
        oxp_run_changed(l->run, 1);
        sum->norms += norm;
        sum->tails += !norm;
    } else if (report && (norm || oxp_run_excluded(l->run, node))) {
        oxp_run_skip(l->run, node, "%s", l->why ? l->why : "no layer before or after it takes it");
        sum->left += norm;
    }
    return done;
}

static size_t sweep(oxp_fold *l, tally *sum, bool report) {
    size_t folded = 0;
    for (oxp_id g = 0; g < oxp_graph_count(l->m); g++) {
        if (!oxp_graph_at(l->m, g)->live)
            continue;
        for (oxp_id n = oxp_graph_at(l->m, g)->first, next; n != OXP_NONE; n = next) {
            next = oxp_node_at(l->m, n)->next;
            if (!candidate(oxp_node_at(l->m, n)) || !oxp_run_selected(l->run, n))
                continue;
            oxp_mark mark = oxp_arena_mark(l->arena);
            folded += fold_node(l, n, sum, report);
            oxp_arena_rewind(l->arena, mark);
        }
    }
    return folded;
}

static void run(oxp_run *r) {
    oxp_model *m = oxp_run_model(r);
    oxp_arena *scratch = oxp_arena_new(oxp_model_ctx(m));
    oxp_fold *l = OXP_NEW(oxp_run_arena(r), oxp_fold);
    *l = (oxp_fold){.run = r, .m = m, .arena = scratch, .call = OXP_NONE};
    l->n_typed = oxp_run_analysis(r) ? oxp_value_count(m) : 0;
    tally sum = {0};
    for (int i = 0; i < 4 && sweep(l, &sum, false) > 0; i++)
        ;
    sweep(l, &sum, true);
    if (sum.norms || sum.left || !sum.tails)
        oxp_run_summary(r, "%zu folded; %zu left%s", sum.norms, sum.left,
                        sum.tails ? "; affine arithmetic folded too" : "");
    else
        oxp_run_summary(r, "%zu affine operations folded", sum.tails);
    oxp_arena_free(scratch);
}

static const char *const after[] = {"fix-shapes", "fold-constants", "eliminate-dead",
                                    "eliminate-no-ops", NULL};

const oxp_pass oxp_pass_fold_bn = {
    .name = "fold-bn",
    .summary = "fold BatchNormalization and affine arithmetic into convolutions and dense layers",
    .fidelity = OXP_ROUNDING,
    .flags = OXP_PASS_BY_NODE | OXP_PASS_NEEDS_ANALYSIS | OXP_PASS_NEEDS_WEIGHTS,
    .after = after,
    .run = run,
};
