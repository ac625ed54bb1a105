/* residuals.c - convolution blocks and skip connections. */
#include "analysis/latency.h"
#include "analysis/patterns.h"
#include "analysis/weights.h"

enum { UP_MAX = 12, CLIMB_MAX = 64, LAYERS_MAX = 8 };

static bool in_scope(const oxp_scan *s, const oxp_node *n) {
    return n->live && s->in_main[n->graph];
}

/* The convolution that feeds a value through normalization, activation and gates. */
static const oxp_node *conv_above(const oxp_scan *s, oxp_id value) {
    for (int hop = 0; hop < UP_MAX && value != OXP_NONE; hop++) {
        const oxp_node *n = oxp_made_by(s, value);
        uint32_t f = oxp_flags(n);
        if (n == NULL || (f & OXP_OP_CONV))
            return n;
        if (!(f & (OXP_OP_RUNNING_STATS | OXP_OP_ACTIVATION | OXP_OP_VIEW)) &&
            oxp_letter_of(s, n) != OXP_L_MUL && oxp_letter_of(s, n) != OXP_L_PAD)
            return NULL;
        value = oxp_trunk_input(s, n);
    }
    return NULL;
}

static bool is_pointwise(const oxp_scan *s, const oxp_node *conv) {
    oxp_id w = oxp_in(conv, 1);
    int rank = oxp_value_rank(s, w);
    for (int i = 2; i < rank; i++) {
        if (oxp_size(s, w, i) != 1)
            return false;
    }
    return rank > 2 && oxp_attr_int(conv, "group", 1) == 1;
}

static int64_t channels(const oxp_scan *s, const oxp_node *conv) {
    return oxp_size(s, oxp_out(conv, 0), 1);
}

/* [1x1 expand] -> depthwise -> 1x1 project */
static void separable(oxp_scan *s, const oxp_node *project) {
    if (!is_pointwise(s, project))
        return;
    const oxp_node *depthwise = conv_above(s, oxp_main_input(s, project));
    if (depthwise == NULL || oxp_class_of(s->a, oxp_id_of(s, depthwise)) != OXP_CLASS_DEPTHWISE)
        return;
    const oxp_node *expand = conv_above(s, oxp_main_input(s, depthwise));
    int64_t mid = channels(s, depthwise), out = channels(s, project);
    bool inverted = expand != NULL && is_pointwise(s, expand) && mid > out &&
                    mid > oxp_size(s, oxp_main_input(s, expand), 1);
    oxp_found *b =
        oxp_add_block(s, inverted ? OXP_BLOCK_INVERTED_RESIDUAL : OXP_BLOCK_DEPTHWISE_SEPARABLE,
                      true, (const oxp_node *[]){inverted ? expand : NULL, depthwise, project}, 3);
    b->a = oxp_size(s, oxp_main_input(s, inverted ? expand : depthwise), 1);
    b->b = out;
    b->c = mid;
    b->detail = oxp_sprintf(s->arena, "%lld -> %lld -> %lld channels", (long long)b->a,
                            (long long)b->c, (long long)b->b);
}

/* x * sigmoid(layer(act(layer(pool(x))))) */
static void squeeze_excite(oxp_scan *s, const oxp_node *mul) {
    for (uint32_t k = 0; k < 2 && mul->n_in == 2; k++) {
        oxp_id x = mul->in[1 - k], v = mul->in[k];
        const oxp_node *gate = oxp_behind(s, v), *nodes[4] = {NULL, NULL, gate, mul};
        oxp_letter l = oxp_letter_of(s, gate);
        if (l != OXP_L_SIGMOID && l != OXP_L_HARD_SIGMOID && !(oxp_flags(gate) & OXP_OP_ACTIVATION))
            continue;
        v = oxp_main_input(s, gate);
        for (int hop = 0, layers = 0; hop < UP_MAX && v != OXP_NONE; hop++) {
            const oxp_node *n = oxp_behind(s, v);
            if (n == NULL)
                break;
            if (oxp_is_layer(s, n)) {
                nodes[1] = n;
                layers++;
            }
            if ((oxp_flags(n) & (OXP_OP_POOL | OXP_OP_REDUCE)) ||
                oxp_letter_of(s, n) == OXP_L_MEAN) {
                nodes[0] = n;
                if (layers > 0 && oxp_behind(s, oxp_in(n, 0)) == oxp_behind(s, x)) {
                    oxp_add_block(s, OXP_BLOCK_SQUEEZE_EXCITE, true, nodes, 4);
                    return;
                }
                break;
            }
            v = oxp_main_input(s, n);
        }
    }
}

/* A tensor joined along the channels that something else goes on with, too. */
static void concat_skip(oxp_scan *s, const oxp_node *concat) {
    oxp_id out = oxp_out(concat, 0);
    if (concat->n_in < 2 || oxp_value_rank(s, out) < 4 || oxp_attr_int(concat, "axis", 0) != 1 ||
        s->a->values[out].shape_role)
        return;
    for (uint32_t i = 0; i < concat->n_in; i++) {
        if (!oxp_is_data(s, concat->in[i]))
            return;
    }
    for (uint32_t i = 0; i < concat->n_in; i++) {
        if (oxp_only_reader(s, concat->in[i]) == NULL) {
            oxp_add_block(s, OXP_BLOCK_CONCAT_SKIP, true, &concat, 1);
            return;
        }
    }
}

void oxp_find_convolution_blocks(oxp_scan *s) {
    size_t n = oxp_node_count(s->m);
    for (oxp_id i = 0; i < n; i++) {
        const oxp_node *node = oxp_node_at(s->m, i);
        if (!in_scope(s, node))
            continue;
        uint32_t f = oxp_flags(node);
        if (f & OXP_OP_CONV) {
            s->out->convolutions++;
            separable(s, node);
        }
        if (f & OXP_OP_RUNNING_STATS) {
            const oxp_node *conv = oxp_made_by(s, oxp_in(node, 0));
            if (oxp_flags(conv) & OXP_OP_CONV)
                oxp_add_block(s, OXP_BLOCK_CONV_NORM, true, (const oxp_node *[]){conv, node}, 2);
        }
        if (oxp_letter_of(s, node) == OXP_L_MUL && oxp_out(node, 0) != OXP_NONE &&
            s->act[node->out[0]] == 0)
            squeeze_excite(s, node);
        if (oxp_letter_of(s, node) == OXP_L_CONCAT)
            concat_skip(s, node);
    }
}

/* ---- residual additions ---- */

typedef struct branch {
    const oxp_node *layers[LAYERS_MAX]; /* nearest the addition first */
    size_t n_layers;
    bool plain; /* nothing but views, casts, normalization, pooling and at most one layer */
    int length;
} branch;

/* A product with one number: what integer arithmetic is scaled back with. */
static bool is_rescaling(const oxp_scan *s, const oxp_node *n) {
    if (oxp_letter_of(s, n) != OXP_L_MUL || n->n_in != 2)
        return false;
    for (int k = 0; k < 2; k++) {
        int rank = oxp_value_rank(s, n->in[k]);
        if (rank == 0 || (rank == 1 && oxp_size(s, n->in[k], 0) == 1))
            return true;
    }
    return false;
}

static bool is_plain(const oxp_scan *s, const oxp_node *n) {
    oxp_letter l = oxp_letter_of(s, n);
    return (oxp_flags(n) & (OXP_OP_VIEW | OXP_OP_NORM | OXP_OP_POOL)) || l == OXP_L_CAST ||
           l == OXP_L_TRANSPOSE || l == OXP_L_QUANT || is_rescaling(s, n) ||
           (l == OXP_L_ADD && oxp_data_inputs(s, n) == 1) || oxp_is_layer(s, n);
}

/* Follows the main path from `value` to `stop` (OXP_NONE: as far as it goes, stamping). */
static branch climb(oxp_scan *s, oxp_id value, oxp_id stop, uint32_t stamp) {
    branch b = {.plain = true};
    for (; b.length < CLIMB_MAX && value != OXP_NONE && value != stop; b.length++) {
        if (stamp != 0)
            s->stamp[value] = stamp;
        const oxp_node *n = oxp_made_by(s, value);
        if (n == NULL)
            break;
        bool attention = oxp_flags(n) & OXP_OP_ATTENTION;
        bool product = (oxp_flags(n) & OXP_OP_MATMUL) && !oxp_is_layer(s, n);
        if ((oxp_is_layer(s, n) || attention || product) && b.n_layers < LAYERS_MAX)
            b.layers[b.n_layers++] = n;
        b.plain = b.plain && is_plain(s, n);
        value = oxp_trunk_input(s, n);
    }
    b.plain = b.plain && b.n_layers <= 1;
    return b;
}

static oxp_id first_stamped(const oxp_scan *s, oxp_id value, uint32_t stamp) {
    for (int i = 0; i < CLIMB_MAX && value != OXP_NONE; i++) {
        if (s->stamp[value] == stamp)
            return value;
        const oxp_node *n = oxp_made_by(s, value);
        value = n == NULL ? OXP_NONE : oxp_trunk_input(s, n);
    }
    return OXP_NONE;
}

static const char *describe(const oxp_scan *s, oxp_id from, oxp_id to) {
    if (oxp_value_rank(s, to) == 4)
        return oxp_sprintf(s->arena, "%lld -> %lld channels at %lldx%lld",
                           (long long)oxp_size(s, from, 1), (long long)oxp_size(s, to, 1),
                           (long long)oxp_size(s, to, 2), (long long)oxp_size(s, to, 3));
    const oxp_node *add = oxp_made_by(s, to);
    bool convolved = false;
    for (uint32_t i = 0; add != NULL && i < add->n_in && oxp_value_rank(s, to) == 3; i++)
        convolved = convolved || (add->in[i] != OXP_NONE &&
                                  (oxp_flags(oxp_made_by(s, add->in[i])) & OXP_OP_CONV));
    if (convolved)
        return oxp_sprintf(s->arena, "%lld -> %lld channels at length %lld",
                           (long long)oxp_size(s, from, 1), (long long)oxp_size(s, to, 1),
                           (long long)oxp_size(s, to, 2));
    return oxp_sprintf(s->arena, "width %lld", (long long)oxp_size(s, to, -1));
}

/* Three convolutions, 1x1, wider, 1x1, the middle one narrower than what comes out: a bottleneck.
 * Two, the first one wider than what goes in and comes out: an inverted residual whose expansion
 * and depthwise convolution are one. */
static void convolution_body(oxp_scan *s, const branch *body, const oxp_node *add,
                             const char *detail) {
    const oxp_node *const *l = body->layers; /* the last one first */
    for (size_t i = 0; i < body->n_layers; i++) {
        if (!(oxp_flags(l[i]) & OXP_OP_CONV))
            return;
    }
    if (body->n_layers == 3 && is_pointwise(s, l[0]) && is_pointwise(s, l[2]) &&
        !is_pointwise(s, l[1]) && channels(s, l[1]) < channels(s, l[0])) {
        oxp_found *k = oxp_add_block(s, OXP_BLOCK_BOTTLENECK, true,
                                     (const oxp_node *[]){l[2], l[1], l[0], add}, 4);
        k->c = channels(s, l[1]);
        k->detail = detail;
    }
    if (body->n_layers == 2 && is_pointwise(s, l[0]) && !is_pointwise(s, l[1]) &&
        oxp_attr_int(l[1], "group", 1) == 1 && channels(s, l[1]) >= 2 * channels(s, l[0]) &&
        oxp_size(s, oxp_main_input(s, l[0]), 1) == channels(s, l[1])) {
        oxp_found *k = oxp_add_block(s, OXP_BLOCK_INVERTED_RESIDUAL, true,
                                     (const oxp_node *[]){l[1], l[0], add}, 3);
        k->a = oxp_size(s, oxp_main_input(s, l[1]), 1);
        k->b = channels(s, l[0]);
        k->c = channels(s, l[1]);
        k->detail = oxp_sprintf(s->arena, "%lld -> %lld -> %lld channels, expansion fused",
                                (long long)k->a, (long long)k->c, (long long)k->b);
    }
}

static void residual(oxp_scan *s, const oxp_node *add, uint32_t stamp) {
    if (add->n_in != 2 || add->in[0] == add->in[1] || !oxp_is_data(s, add->in[0]) ||
        !oxp_is_data(s, add->in[1]))
        return;
    const oxp_value_info *v = s->a->values;
    oxp_id out = oxp_out(add, 0);
    if (out == OXP_NONE || v[add->in[0]].bytes != v[out].bytes ||
        v[add->in[1]].bytes != v[out].bytes || !oxp_dtype_is_float(v[out].type.elem))
        return;
    climb(s, add->in[0], OXP_NONE, stamp);
    oxp_id meet = first_stamped(s, add->in[1], stamp);
    if (meet == OXP_NONE)
        return;
    branch a = climb(s, add->in[0], meet, 0), b = climb(s, add->in[1], meet, 0);
    const branch *skip = a.n_layers < b.n_layers ? &a : &b, *body = skip == &a ? &b : &a;
    if (!skip->plain || body->n_layers == 0 || body->n_layers == skip->n_layers)
        return;
    oxp_found *r = oxp_add_block(
        s, OXP_BLOCK_RESIDUAL, true,
        (const oxp_node *[]){body->layers[body->n_layers - 1], body->layers[0], add}, 3);
    r->a = oxp_size(s, meet, 1);
    r->b = oxp_size(s, out, 1);
    r->detail = describe(s, meet, out);
    convolution_body(s, body, add, r->detail);
}

/* A normalization with the addition in front of it: two inputs of the same size. */
static void fused_residual(oxp_scan *s, const oxp_node *norm) {
    const oxp_value_info *v = s->a->values;
    oxp_id a = oxp_in(norm, 0), b = oxp_in(norm, 1), out = oxp_out(norm, 0);
    if (a == OXP_NONE || b == OXP_NONE || out == OXP_NONE || a == b || !oxp_is_data(s, a) ||
        !oxp_is_data(s, b) || v[a].bytes != v[out].bytes || v[b].bytes != v[out].bytes)
        return;
    oxp_found *r = oxp_add_block(s, OXP_BLOCK_RESIDUAL, false, &norm, 1);
    r->a = r->b = oxp_size(s, out, 1);
    r->detail = describe(s, a, out);
}

void oxp_find_residuals(oxp_scan *s) {
    size_t n = oxp_node_count(s->m);
    s->stamp = OXP_NEWS(s->arena, oxp_value_count(s->m) + 1, uint32_t);
    for (oxp_id i = 0; i < n; i++) {
        const oxp_node *node = oxp_node_at(s->m, i);
        if (!in_scope(s, node))
            continue;
        if (oxp_letter_of(s, node) == OXP_L_ADD)
            residual(s, node, i + 1);
        else if (oxp_flags(node) & OXP_OP_NORM)
            fused_residual(s, node);
    }
}
