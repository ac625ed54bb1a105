/* call.c - a BatchNormalization in a function whose weights are arguments of the calls.
 *
 *   f(x, w, scale, B, mean, var) { c = Conv(x, w); y = BatchNormalization(c, scale, B, mean, var) }
 *   f(x, w', , b', , )           { y = Conv(x, w, B) }
 *
 * The signature stays; each call passes folded weights, and the bias in the place of B (or of the
 * layer's own bias).  Every call must pass constants, and the body must use each of them only here.
 */
#include "rewrite/fold/fold.h"

typedef struct body {
    oxp_id norm, layer, graph, function;
    uint32_t weight_slot; /* of the layer */
    int weight, bias;     /* formal inputs: the weight, and what will carry the bias */
    bool own_bias;        /* the carrier is the layer's own bias */
} body;

static bool used_once(oxp_fold *l, oxp_id value) {
    const oxp_value *v = oxp_value_at(l->m, value);
    return v->n_uses == 1 && v->outputs == 0;
}

static bool find_body(oxp_fold *l, oxp_id node, body *b) {
    const oxp_node n = *oxp_node_at(l->m, node);
    const oxp_value *x = oxp_value_at(l->m, oxp_in(&n, 0));
    if (x->producer == OXP_NONE)
        return oxp_fold_fail(l, "nothing before it but %s", x->name);
    const oxp_node p = *oxp_node_at(l->m, x->producer);
    if (!oxp_fold_is_layer(&p) || !oxp_fold_takes_shift(l, &p))
        return oxp_fold_fail(l, "%s is before it", oxp_fold_label(l, x->producer));
    if (!used_once(l, n.in[0]))
        return oxp_fold_fail(l, "output of %s is also read elsewhere",
                             oxp_fold_label(l, x->producer));
    *b = (body){node, x->producer, n.graph, oxp_graph_at(l->m, n.graph)->owner, 1, -1, -1, false};
    b->weight = oxp_fold_formal(l, oxp_in(&p, 1));
    oxp_id bias = oxp_in(&p, 2);
    b->own_bias = bias != OXP_NONE;
    oxp_id carrier = b->own_bias ? bias : oxp_in(&n, 2);
    b->bias = carrier == OXP_NONE ? -1 : oxp_fold_formal(l, carrier);
    if (b->weight < 0 || b->bias < 0 || !used_once(l, p.in[1]) || !used_once(l, carrier))
        return oxp_fold_fail(l, "weights of %s are not arguments of their own",
                             oxp_fold_label(l, x->producer));
    if (oxp_attr_float(&p, "beta", 1.0f) != 1.0f)
        return oxp_fold_fail(l, "%s scales its bias", oxp_fold_label(l, x->producer));
    return true;
}

/* New arguments of one call. */
static bool fold_call(oxp_fold *l, const body *b, oxp_id call) {
    oxp_affine f;
    oxp_scaling s;
    oxp_const bias = {.n = 0};
    uint32_t slot;
    l->call = call;
    const oxp_node c = *oxp_node_at(l->m, call);
    if (!oxp_affine_of(l, b->norm, &f, &slot) ||
        !oxp_fold_output_scaling(l, b->layer, &f, &slot, &s))
        return false;
    oxp_id argument = oxp_in(&c, (uint32_t)b->bias);
    if (b->own_bias && !oxp_fold_read(l, argument, &bias))
        return false;
    if (b->own_bias && bias.n != f.n)
        return oxp_fold_fail(l, "bias of %s has another length", oxp_fold_label(l, b->layer));
    for (size_t i = 0; b->own_bias && i < f.n; i++)
        f.s[i] += bias.v[i] * f.a[i];
    oxp_dtype t = oxp_fold_dtype(l, b->own_bias ? argument : oxp_in(&c, (uint32_t)b->weight));
    int64_t dims = (int64_t)f.n;
    l->call = OXP_NONE;
    return oxp_fold_scale_input(l, call, (uint32_t)b->weight, &s) &&
           oxp_fold_set_input(l, call, (uint32_t)b->bias, "", t, 1, &dims, f.s);
}

/* Arguments that the body no longer reads are passed no more. */
static void forget_arguments(oxp_fold *l, const body *b, oxp_id call) {
    const oxp_node n = *oxp_node_at(l->m, b->norm);
    for (uint32_t i = 1; i < 5; i++) {
        int k = oxp_fold_formal(l, n.in[i]);
        if (k < 0 || k == b->bias)
            continue;
        bool only_here = oxp_value_at(l->m, n.in[i])->outputs == 0;
        for (oxp_id u = oxp_value_at(l->m, n.in[i])->first_use; u != OXP_NONE;
             u = oxp_use_at(l->m, u)->next)
            only_here &= oxp_use_at(l->m, u)->node == b->norm;
        if (only_here)
            oxp_patch_input(l->p, call, (uint32_t)k, OXP_NONE);
    }
}

bool oxp_fold_in_function(oxp_fold *l, oxp_id node) {
    body b = {0};
    size_t calls = 0;
    if (!find_body(l, node, &b))
        return false;
    const oxp_node norm = *oxp_node_at(l->m, node);
    l->reached = true;
    l->p = oxp_patch_new(l->run);
    for (oxp_id c = 0; c < oxp_node_count(l->m); c++) {
        if (!oxp_node_at(l->m, c)->live || oxp_node_at(l->m, c)->function != b.function)
            continue;
        calls++;
        if (!fold_call(l, &b, c)) {
            oxp_patch_discard(l->p);
            return false;
        }
        forget_arguments(l, &b, c);
    }
    oxp_patch_input(l->p, b.layer, 2, oxp_graph_at(l->m, b.graph)->inputs[b.bias]);
    oxp_patch_output(l->p, b.layer, 0, norm.out[0]);
    oxp_patch_drop(l->p, node);
    if (calls == 0) {
        oxp_patch_discard(l->p);
        return oxp_fold_fail(l, "nothing calls its function");
    }
    return oxp_patch_apply(l->p, &l->why);
}
