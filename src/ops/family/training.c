/* training.c - losses, and the optimizers of ai.onnx.preview.training. */
#include "ops/util.h"

#include <string.h>

#define TRAINING "ai.onnx.preview.training"

/* The target has the scores' axes but for that of the classes. */
static void check_target(oxp_call *c) {
    const oxp_fact *x = oxp_input(c, 0), *target = oxp_input(c, 1);
    int rank = oxp_rank(x), rt = oxp_rank(target);
    if (rank >= 2 && rt >= 0 && rt != rank - 1)
        oxp_op_error(c, "target of rank %d for scores of rank %d", rt, rank);
    for (int k = 1; rank >= 2 && rt == rank - 1 && k < rt; k++)
        if (!oxp_same_size(c, 1, k, oxp_dim_of(x, k + 1)))
            return;
}

static void loss(oxp_call *c, const oxp_fact *target) {
    check_target(c);
    oxp_dtype t = oxp_elem_type(oxp_input(c, 0));
    if (c->n_out == 0)
        return;
    if (strcmp(oxp_call_string(c, "reduction", "mean"), "none") == 0)
        oxp_set_shape_of(c, 0, t, target);
    else
        oxp_set(c, 0, t, 0, NULL);
}

static void infer_nll(oxp_call *c) {
    loss(c, oxp_input(c, 1));
}

static void infer_softmax_loss(oxp_call *c) {
    loss(c, oxp_input(c, 1));
    if (c->n_out > 1 && oxp_input(c, 0))
        oxp_set_like(c, 1, oxp_input(c, 0));
}

/* Inputs: rate, step, then `groups` groups of n tensors, the second of them gradients; outputs: all
 * groups but the gradients. */
static void infer_step(oxp_call *c, uint32_t groups) {
    uint32_t n = c->n_in > 2 ? (c->n_in - 2) / groups : 0;
    for (uint32_t i = 0; n && i < c->n_out; i++) {
        uint32_t group = i / n;
        const oxp_fact *f = oxp_input(c, 2 + (group ? group + 1 : 0) * n + i % n);
        if (f)
            oxp_set_like(c, i, f);
    }
}

static void infer_adagrad(oxp_call *c) {
    infer_step(c, 3);
}

static void infer_adam(oxp_call *c) {
    infer_step(c, 4);
}

/* One gradient for each of the named inputs, which come first. */
static void infer_gradient(oxp_call *c) {
    for (uint32_t i = 0; i < c->n_out; i++)
        if (oxp_input(c, i))
            oxp_set_like(c, i, oxp_input(c, i));
}

/* Elements of the tensors that are updated, times the operations of one update. */
static void cost_step(const oxp_call *c, oxp_cost *cost, uint32_t groups, uint64_t per) {
    uint32_t n = c->n_in > 2 ? (c->n_in - 2) / groups : 0;
    uint64_t sum = 0, m;
    for (uint32_t i = 0; i < n; i++) {
        if (!oxp_in_count(c, 2 + i, &m))
            return;
        sum = oxp_sat_add(sum, m);
    }
    oxp_cost_flops(cost, oxp_sat_mul(sum, per));
}

/* G' = norm * X + G; H += G'^2; X -= rate * G' / (sqrt(H) + e) */
static void cost_adagrad(const oxp_call *c, oxp_cost *cost) {
    cost_step(c, cost, 3, 9);
}

/* G' = norm * X + G; V = a V + b G'; X -= rate * V */
static void cost_momentum(const oxp_call *c, oxp_cost *cost) {
    cost_step(c, cost, 3, 7);
}

/* G'; V = a V + (1 - a) G'; H = b H + (1 - b) G'^2; X -= rate * V / (sqrt(H) + e) */
static void cost_adam(const oxp_call *c, oxp_cost *cost) {
    cost_step(c, cost, 4, 14);
}

/* The backward pass of what the inputs came from is not in the graph. */
static void cost_unknown(const oxp_call *c, oxp_cost *cost) {
    (void)c;
    cost->known = false;
}

static void cost_softmax_loss(const oxp_call *c, oxp_cost *cost) {
    oxp_cost_per_in(c, cost, 5);
}

static void cost_nll(const oxp_call *c, oxp_cost *cost) {
    uint64_t n;
    if (oxp_in_count(c, 1, &n))
        oxp_cost_flops(cost, oxp_sat_mul(n, oxp_input(c, 2) ? 3 : 2));
}

static const oxp_op table[] = {
    {"NegativeLogLikelihoodLoss", "", OXP_OP_REDUCE | OXP_OP_ACCUMULATES, 0, infer_nll, cost_nll,
     NULL},
    {"SoftmaxCrossEntropyLoss", "", OXP_OP_REDUCE | OXP_OP_ACCUMULATES, 0, infer_softmax_loss,
     cost_softmax_loss, NULL},
    {"Adagrad", TRAINING, 0, 0, infer_adagrad, cost_adagrad, NULL},
    {"Momentum", TRAINING, 0, 0, infer_adagrad, cost_momentum, NULL},
    {"Adam", TRAINING, 0, 0, infer_adam, cost_adam, NULL},
    {"Gradient", TRAINING, 0, 0, infer_gradient, cost_unknown, NULL},
};

static const oxp_op_need needs[] = {
    {"NegativeLogLikelihoodLoss SoftmaxCrossEntropyLoss",
     "0:N,C,*; 1:N,*; 2:?; reduction?{none,sum,mean}"},
};
const oxp_op_family oxp_ops_training = {table, OXP_COUNT(table), needs, OXP_COUNT(needs)};
