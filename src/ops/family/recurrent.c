/* recurrent.c - RNN, GRU, LSTM.
 *
 * MACs: sequence * batch * directions * gates * hidden * (input + hidden); beside 2 flops for each,
 * per step and hidden unit: the biases (2 per gate), the gates' activations and the state's update.
 */
#include "ops/util.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "ops/needs.h"

typedef struct sizes {
    oxp_dim seq, batch, dirs, hidden;
    bool batch_first;
} sizes;

static sizes read_sizes(oxp_call *c, uint64_t gates) {
    const oxp_fact *x = oxp_input(c, 0), *w = oxp_input(c, 1), *r = oxp_input(c, 2);
    sizes s = {.batch_first = oxp_call_int(c, "layout", 0) != 0};
    if (oxp_rank(x) >= 0 && oxp_rank(x) != 3)
        oxp_op_error(c, "input of rank %d", oxp_rank(x));
    s.seq = oxp_dim_of(x, s.batch_first ? 1 : 0);
    s.batch = oxp_dim_of(x, s.batch_first ? 0 : 1);
    s.dirs = strcmp(oxp_call_string(c, "direction", "forward"), "bidirectional") == 0 ? 2 : 1;
    int64_t hidden = oxp_call_int(c, "hidden_size", 0);
    s.hidden = hidden > 0 ? oxp_dim_literal(hidden) : oxp_dim_of(r, 2);
    if (hidden <= 0 && oxp_dim_is_unknown(s.hidden) && oxp_rank(w) == 3)
        s.hidden = oxp_dim_floordiv(c->dims, oxp_dim_of(w, 1), (oxp_dim)gates);
    return s;
}

/* W [directions, gates * hidden, input], R [directions, gates * hidden, hidden]; the quantized
 * form has them transposed. */
static void check_weights(oxp_call *c, const sizes *s, uint64_t gates) {
    static const char *const directions[] = {"forward", "reverse", "bidirectional"};
    const char *direction = oxp_call_string(c, "direction", "forward");
    bool known = false;
    for (size_t i = 0; i < OXP_COUNT(directions); i++)
        known = known || strcmp(direction, directions[i]) == 0;
    if (!known)
        oxp_op_error(c, "direction '%.40s' is none of forward, reverse, bidirectional", direction);
    const oxp_fact *x = oxp_input(c, 0), *w = oxp_input(c, 1), *r = oxp_input(c, 2);
    if (*c->node->domain || oxp_rank(w) != 3 || oxp_rank(r) != 3)
        return;
    oxp_dim rows = oxp_dim_mul(c->dims, s->hidden, (oxp_dim)gates);
    (void)oxp_unify(c, oxp_dim_of(w, 1), rows, "rows of W and gates times hidden_size");
    (void)oxp_unify(c, oxp_dim_of(r, 1), rows, "rows of R and gates times hidden_size");
    (void)oxp_unify(c, oxp_dim_of(x, 2), oxp_dim_of(w, 2), "width of the input and of W");
    (void)oxp_unify(c, oxp_dim_of(w, 0), s->dirs, "directions of W and of the node");
}

/* Biases, lengths, states and peepholes. */
static void check_shapes(oxp_call *c, const sizes *s, uint64_t gates) {
    char needs[240];
    if (*c->node->domain)
        return;
    snprintf(needs, sizeof needs,
             "h=hidden_size; hidden_size>=1; layout{0,1}; clip>0; 0:%s,i; "
             "1:d,%dh,i; 2:d,%dh,h; 3:d,%dh; 4:b; 5-6:%s,h; 7:d,3h",
             s->batch_first ? "b,s" : "s,b", (int)gates, (int)gates, (int)gates * 2,
             s->batch_first ? "b,d" : "d,b");
    (void)oxp_needs_check(c, needs);
    size_t per = gates == 4 ? 3 : gates == 3 ? 2 : 1, n = oxp_call_length(c, "activations");
    if (n && oxp_dim_is_literal(s->dirs) && n != per * (size_t)s->dirs)
        oxp_op_error(c, "%zu activations, not %zu for each of %d directions", n, per, (int)s->dirs);
}

/* The names of the standard, which are read in any case. */
static void check_activations(oxp_call *c) {
    static const char *const names[] = {
        "Relu",       "Tanh",        "Sigmoid", "Affine",   "LeakyRelu", "ThresholdedRelu",
        "ScaledTanh", "HardSigmoid", "Elu",     "Softsign", "Softplus"};
    const oxp_attr *a = oxp_call_attr(c, "activations");
    for (size_t i = 0; a && a->type == OXP_ATTR_STRINGS && i < a->n; i++) {
        bool known = false;
        for (size_t k = 0; k < OXP_COUNT(names); k++)
            known = known || strcasecmp(a->u.strings[i].data, names[k]) == 0;
        if (!known)
            oxp_op_error(c, "activation '%.40s' is unknown", a->u.strings[i].data);
    }
}

static void check_lengths(oxp_call *c, oxp_dim steps) {
    const oxp_elem *e = oxp_input_elems(c, 4);
    for (uint32_t i = 0; e && oxp_dim_is_literal(steps) && i < c->in[4]->n_elems; i++)
        if (e[i].known && oxp_dim_is_literal(e[i].i) && (e[i].i < 0 || e[i].i > steps)) {
            oxp_op_error(c, "sequence_lens holds %lld, there are %lld steps", (long long)e[i].i,
                         (long long)steps);
            return;
        }
}

static void infer_gates(oxp_call *c, uint64_t gates) {
    sizes s = read_sizes(c, gates);
    check_activations(c);
    check_lengths(c, s.seq);
    check_weights(c, &s, gates);
    check_shapes(c, &s, gates);
    oxp_dtype t = oxp_elem_type(oxp_input(c, 0));
    oxp_dim all[4] = {s.seq, s.dirs, s.batch, s.hidden}, last[3] = {s.dirs, s.batch, s.hidden};
    oxp_dim all1[4] = {s.batch, s.seq, s.dirs, s.hidden}, last1[3] = {s.batch, s.dirs, s.hidden};
    for (uint32_t i = 5; i < 7; i++) /* initial_h, initial_c */
        if (oxp_rank(oxp_input(c, i)) == 3)
            (void)oxp_unify(c, s.batch, oxp_dim_of(oxp_input(c, i), s.batch_first ? 0 : 1),
                            "batch of the input and of the initial state");
    if (c->n_out)
        oxp_set(c, 0, t, 4, s.batch_first ? all1 : all);
    for (uint32_t i = 1; i < c->n_out && i < 3; i++)
        oxp_set(c, i, t, 3, s.batch_first ? last1 : last);
}

static void infer_rnn(oxp_call *c) {
    infer_gates(c, 1);
}

static void infer_gru(oxp_call *c) {
    infer_gates(c, 3);
}

static void infer_lstm(oxp_call *c) {
    infer_gates(c, 4);
}

/* `update`: operations per hidden unit and step beside products and biases. */
static void cost_gates(const oxp_call *c, oxp_cost *cost, uint64_t gates, uint64_t update) {
    oxp_call copy = *c;
    sizes s = read_sizes(&copy, gates);
    uint64_t seq, batch, dirs, hidden, in;
    if (!oxp_dim_count(s.seq, &seq) || !oxp_dim_count(s.batch, &batch) ||
        !oxp_dim_count(s.dirs, &dirs) || !oxp_dim_count(s.hidden, &hidden) ||
        !oxp_dim_count(oxp_dim_of(oxp_input(c, 0), 2), &in))
        return;
    uint64_t units = oxp_sat_mul(oxp_sat_mul(seq, batch), oxp_sat_mul(dirs, hidden));
    uint64_t macs = oxp_sat_mul(oxp_sat_mul(units, gates), oxp_sat_add(in, hidden));
    uint64_t extra = oxp_sat_mul(units, update + (oxp_input(c, 3) ? 2 * gates : 0));
    oxp_cost_macs(cost, macs, extra);
}

/* one activation */
static void cost_rnn(const oxp_call *c, oxp_cost *cost) {
    cost_gates(c, cost, 1, 1);
}

/* three activations; reset * state; (1 - z) * h + z * state */
static void cost_gru(const oxp_call *c, oxp_cost *cost) {
    cost_gates(c, cost, 3, 8);
}

/* four activations; f * C + i * c; tanh; o * that; three peephole products and sums if there */
static void cost_lstm(const oxp_call *c, oxp_cost *cost) {
    cost_gates(c, cost, 4, oxp_input(c, 7) ? 15 : 9);
}

/* The attention over the memory is not counted: no figure rather than half of one. */
static void cost_unknown(const oxp_call *c, oxp_cost *cost) {
    (void)c;
    cost->known = false;
}

static oxp_range range_state(const oxp_call *c, const oxp_range *in, uint32_t slot) {
    (void)in;
    /* default activations end in tanh, times a sigmoid; the LSTM's cell state is a sum */
    if (slot == 2 || oxp_call_attr(c, "activations") || oxp_input(c, 5))
        return oxp_range_all();
    return oxp_range_of(-1, 1);
}

#define R (OXP_OP_RECURRENT | OXP_OP_ACCUMULATES)
static const oxp_op table[] = {
    {"RNN", "", R, 0xe, infer_rnn, cost_rnn, range_state},
    {"GRU", "", R, 0xe, infer_gru, cost_gru, range_state},
    {"LSTM", "", R, 0x8e, infer_lstm, cost_lstm, range_state},
    {"AttnLSTM", "com.microsoft", R, 0x278e, infer_lstm, cost_unknown, range_state},
    {"DynamicQuantizeLSTM", "com.microsoft", R | OXP_OP_QUANT, 0xf8e, infer_lstm, cost_lstm,
     range_state},
};
const oxp_op_family oxp_ops_recurrent = {table, OXP_COUNT(table), NULL, 0};
