/* blocks.c - activations, normalizations, feed-forward, convolution blocks, residuals, heads. */
#include "analysis/patterns.h"

#include <stdio.h>
#include <string.h>

#include "analysis/latency.h"
#include "analysis/weights.h"

static const char *const type_names[OXP_BLOCK_TYPE_COUNT] = {
    [OXP_BLOCK_RESIDUAL] = "residual",
    [OXP_BLOCK_BOTTLENECK] = "bottleneck",
    [OXP_BLOCK_INVERTED_RESIDUAL] = "inverted_residual",
    [OXP_BLOCK_DEPTHWISE_SEPARABLE] = "depthwise_separable",
    [OXP_BLOCK_SQUEEZE_EXCITE] = "squeeze_excite",
    [OXP_BLOCK_CONCAT_SKIP] = "concat_skip",
    [OXP_BLOCK_CONV_NORM] = "conv_norm",
    [OXP_BLOCK_SILU] = "silu",
    [OXP_BLOCK_HARD_SWISH] = "hard_swish",
    [OXP_BLOCK_GELU] = "gelu",
    [OXP_BLOCK_LAYER_NORM] = "layer_norm",
    [OXP_BLOCK_RMS_NORM] = "rms_norm",
    [OXP_BLOCK_ATTENTION] = "attention",
    [OXP_BLOCK_ROTARY] = "rotary_embedding",
    [OXP_BLOCK_MLP] = "mlp",
    [OXP_BLOCK_GATED_MLP] = "gated_mlp",
    [OXP_BLOCK_EXPERTS] = "mixture_of_experts",
    [OXP_BLOCK_EMBEDDING] = "embedding",
    [OXP_BLOCK_RECURRENT] = "recurrent",
    [OXP_BLOCK_DETECTION_HEAD] = "detection_head",
};

const char *oxp_block_type_name(oxp_block_type t) {
    return t < OXP_BLOCK_TYPE_COUNT ? type_names[t] : "";
}

static bool in_scope(const oxp_scan *s, const oxp_node *n) {
    return n->live && s->in_main[n->graph];
}

static void set_activation(oxp_scan *s, const oxp_node *end, oxp_block_type t) {
    if (oxp_out(end, 0) != OXP_NONE)
        s->act[end->out[0]] = (uint8_t)(t + 1);
}

/* ---- activations ---- */

/* x * sigmoid(x), x * sigmoid(c x), x * hard_sigmoid(x) */
static bool gate_of_itself(oxp_scan *s, const oxp_node *mul) {
    for (uint32_t k = 0; k < 2 && mul->n_in == 2; k++) {
        const oxp_node *gate = oxp_made_by(s, mul->in[k]);
        oxp_letter l = oxp_letter_of(s, gate);
        oxp_id x = mul->in[1 - k];
        if ((l != OXP_L_SIGMOID && l != OXP_L_HARD_SIGMOID) || x == OXP_NONE)
            continue;
        const oxp_node *scale = oxp_made_by(s, oxp_in(gate, 0));
        bool quick = oxp_letter_of(s, scale) == OXP_L_MUL && oxp_main_input(s, scale) == x;
        if (oxp_in(gate, 0) != x && !quick)
            continue;
        oxp_block_type t = l == OXP_L_HARD_SIGMOID ? OXP_BLOCK_HARD_SWISH
                           : quick                 ? OXP_BLOCK_GELU
                                                   : OXP_BLOCK_SILU;
        oxp_add_block(s, t, true, (const oxp_node *[]){gate, mul}, 2);
        set_activation(s, mul, t);
        return true;
    }
    return false;
}

/* erf or tanh -> + 1 -> * x [-> * 0.5] */
static void gelu_below(oxp_scan *s, const oxp_node *core) {
    const oxp_node *add = oxp_only_reader(s, oxp_out(core, 0));
    if (oxp_letter_of(s, add) != OXP_L_ADD ||
        oxp_is_data(s, add->in[0]) == oxp_is_data(s, add->in[1]))
        return;
    const oxp_node *mul = oxp_only_reader(s, oxp_out(add, 0)), *end = mul;
    if (oxp_letter_of(s, mul) != OXP_L_MUL)
        return;
    for (int i = 0; i < 2; i++) { /* the half may come behind, alone or with x */
        const oxp_node *next = oxp_only_reader(s, oxp_out(end, 0));
        if (oxp_letter_of(s, next) != OXP_L_MUL || next->n_in != 2 ||
            oxp_is_data(s, next->in[0]) == oxp_is_data(s, next->in[1]))
            break;
        end = next;
    }
    oxp_add_block(s, OXP_BLOCK_GELU, true, (const oxp_node *[]){core, add, mul, end}, 4);
    set_activation(s, end, OXP_BLOCK_GELU);
}

void oxp_find_activations(oxp_scan *s) {
    static const oxp_letter cubic[] = {OXP_L_TANH, OXP_L_MUL, OXP_L_ADD, OXP_L_MUL};
    size_t n = oxp_node_count(s->m);
    for (oxp_id i = 0; i < n; i++) {
        const oxp_node *node = oxp_node_at(s->m, i), *found[4];
        if (!in_scope(s, node))
            continue;
        if (oxp_flags(node) & OXP_OP_ACTIVATION)
            s->out->activations++;
        oxp_block_type fused = OXP_BLOCK_TYPE_COUNT;
        switch (oxp_letter_of(s, node)) {
        case OXP_L_MUL:
            gate_of_itself(s, node);
            break;
        case OXP_L_ERF:
            gelu_below(s, node);
            break;
        case OXP_L_TANH:
            if (oxp_chain_up(s, node, cubic, 4, found))
                gelu_below(s, node);
            break;
        case OXP_L_SILU:
            fused = OXP_BLOCK_SILU;
            break;
        case OXP_L_HARD_SWISH:
            fused = OXP_BLOCK_HARD_SWISH;
            break;
        case OXP_L_GELU:
            fused = OXP_BLOCK_GELU;
            break;
        default:
            break;
        }
        if (fused != OXP_BLOCK_TYPE_COUNT) {
            oxp_add_block(s, fused, false, &node, 1);
            set_activation(s, node, fused);
        }
    }
}

/* ---- normalizations ---- */

/* sqrt(mean(square(d)) + eps), d = x - mean(x): LayerNorm; d = x: RMSNorm */
static void norm_above(oxp_scan *s, const oxp_node *root) {
    const oxp_letter head[] = {oxp_letter_of(s, root), OXP_L_ADD, OXP_L_MEAN};
    const oxp_node *f[3];
    if (!oxp_chain_up(s, root, head, 3, f))
        return;
    const oxp_node *square = oxp_behind(s, oxp_in(f[2], 0));
    oxp_letter l = oxp_letter_of(s, square);
    bool same = l == OXP_L_MUL && square->n_in == 2 && square->in[0] == square->in[1];
    if (!same && l != OXP_L_POW)
        return;
    const oxp_node *sub = oxp_behind(s, oxp_in(square, 0));
    bool centred = false;
    if (oxp_letter_of(s, sub) == OXP_L_SUB && sub->n_in == 2)
        centred = oxp_letter_of(s, oxp_behind(s, sub->in[1])) == OXP_L_MEAN;
    oxp_block_type t = centred ? OXP_BLOCK_LAYER_NORM : OXP_BLOCK_RMS_NORM;
    oxp_found *b = oxp_add_block(
        s, t, true, (const oxp_node *[]){centred ? sub : NULL, square, f[2], f[1], root}, 5);
    b->a = oxp_size(s, oxp_in(square, 0), -1);
    s->out->norms++;
}

void oxp_find_norms(oxp_scan *s) {
    size_t n = oxp_node_count(s->m);
    for (oxp_id i = 0; i < n; i++) {
        const oxp_node *node = oxp_node_at(s->m, i);
        if (!in_scope(s, node))
            continue;
        oxp_letter l = oxp_letter_of(s, node);
        if (l == OXP_L_SQRT || l == OXP_L_POW)
            norm_above(s, node);
        if (!(oxp_flags(node) & OXP_OP_NORM) || l == OXP_L_SOFTMAX)
            continue;
        if (l == OXP_L_LAYER_NORM || l == OXP_L_RMS_NORM || l == OXP_L_EMBED) {
            oxp_found *b =
                oxp_add_block(s, l == OXP_L_RMS_NORM ? OXP_BLOCK_RMS_NORM : OXP_BLOCK_LAYER_NORM,
                              false, &node, 1);
            b->a = oxp_size(s, oxp_in(node, 0), -1);
        }
        s->out->norms++;
    }
}

/* ---- feed-forward ---- */

enum { UP_MAX = 14 };

/* The layer (matrix product with a weight) that a value comes from, through anything elementwise.
 */
static const oxp_node *product_above(const oxp_scan *s, oxp_id value) {
    for (int hop = 0; hop < UP_MAX && value != OXP_NONE; hop++) {
        const oxp_node *n = oxp_behind(s, value);
        if (n == NULL)
            return NULL;
        if (oxp_flags(n) & OXP_OP_MATMUL)
            return oxp_is_layer(s, n) ? n : NULL;
        if (!(oxp_flags(n) &
              (OXP_OP_ELEMENTWISE | OXP_OP_UNARY | OXP_OP_ACTIVATION | OXP_OP_RUNNING_STATS)))
            return NULL;
        value = oxp_main_input(s, n);
    }
    return NULL;
}

static bool is_activated(const oxp_scan *s, oxp_id value) {
    for (int hop = 0; hop < 3 && value != OXP_NONE; hop++) {
        if (s->act[value] != 0)
            return true;
        const oxp_node *n = oxp_made_by(s, value);
        if (n == NULL || (oxp_flags(n) & OXP_OP_ACTIVATION))
            return n != NULL;
        if (!(oxp_flags(n) & OXP_OP_VIEW))
            return false;
        value = oxp_in(n, 0);
    }
    return false;
}

/* act(x W1) * (x W2), also with W1 and W2 in one matrix and a Split behind it */
static bool gated(oxp_scan *s, const oxp_node *mul, const oxp_node *down) {
    for (uint32_t k = 0; k < 2 && mul->n_in == 2; k++) {
        if (!is_activated(s, mul->in[k]))
            continue;
        const oxp_node *gate = product_above(s, mul->in[k]), *up = product_above(s, mul->in[1 - k]);
        const oxp_node *split = oxp_behind(s, mul->in[1 - k]);
        bool halves = oxp_letter_of(s, split) == OXP_L_SLICE;
        if (!halves && (gate == NULL || up == NULL || gate == up ||
                        oxp_main_input(s, gate) != oxp_main_input(s, up)))
            continue;
        oxp_found *b = oxp_add_block(s, OXP_BLOCK_GATED_MLP, true,
                                     (const oxp_node *[]){gate, up, mul, down}, 4);
        b->a = oxp_size(s, oxp_main_input(s, gate != NULL ? gate : down), -1);
        b->c = oxp_size(s, oxp_out(mul, 0), -1);
        b->b = oxp_size(s, oxp_out(down, 0), -1);
        return true;
    }
    return false;
}

static void feed_forward(oxp_scan *s, const oxp_node *down) {
    oxp_id in = oxp_main_input(s, down);
    const oxp_node *p = in == OXP_NONE ? NULL : oxp_behind(s, in);
    if (p == NULL)
        return;
    if (oxp_letter_of(s, p) == OXP_L_MUL && s->act[p->out[0]] == 0 && gated(s, p, down))
        return;
    if (!is_activated(s, in) && !(p->n_out > 0 && is_activated(s, p->out[0])))
        return;
    const oxp_node *up = product_above(s, in);
    if (up == NULL)
        return;
    oxp_found *b = oxp_add_block(s, OXP_BLOCK_MLP, true, (const oxp_node *[]){up, p, down}, 3);
    b->a = oxp_size(s, oxp_main_input(s, up), -1);
    b->c = oxp_size(s, oxp_out(up, 0), -1);
    b->b = oxp_size(s, oxp_out(down, 0), -1);
}

void oxp_find_feed_forward(oxp_scan *s) {
    size_t n = oxp_node_count(s->m);
    for (oxp_id i = 0; i < n; i++) {
        const oxp_node *node = oxp_node_at(s->m, i);
        if (!in_scope(s, node))
            continue;
        if (oxp_letter_of(s, node) == OXP_L_EXPERTS)
            oxp_add_block(s, OXP_BLOCK_EXPERTS, false, &node, 1);
        if ((oxp_flags(node) & OXP_OP_MATMUL) && oxp_is_layer(s, node)) {
            s->out->products++;
            feed_forward(s, node);
        }
    }
}

/* ---- embeddings, recurrent layers, experts, detection heads, rotary embeddings ---- */

/* Are the rows added to the activations?  A table of distances between positions is looked up the
 * same way, but goes into the scores of an attention. */
static bool joins_stream(const oxp_scan *s, const oxp_node *gather, int64_t width) {
    if (s->out->hidden == 0 || (uint64_t)width == s->out->hidden)
        return true;
    const oxp_node *n = oxp_only_reader(s, oxp_out(gather, 0));
    return oxp_letter_of(s, n) == OXP_L_ADD && oxp_size(s, oxp_out(n, 0), -1) == width;
}

static const oxp_node *reader_of(const oxp_scan *s, oxp_id value) {
    oxp_id use = value == OXP_NONE ? OXP_NONE : oxp_value_at(s->m, value)->first_use;
    return use == OXP_NONE ? NULL : oxp_node_at(s->m, oxp_use_at(s->m, use)->node);
}

static void embedding(oxp_scan *s, const oxp_node *n) {
    oxp_id t = oxp_weight_of(s->m, s->a->values, n, 0), index = oxp_in(n, 1);
    if (t == OXP_NONE || index == OXP_NONE || oxp_tensor_at(s->m, t)->rank != 2 ||
        oxp_tensor_at(s->m, t)->dims[1] < 2) /* single values: the leaves of compiled trees */
        return;
    const oxp_tensor *table = oxp_tensor_at(s->m, t);
    bool position = s->marks[index] & OXP_MARK_POSITION;
    /* a quantized table is scaled before it is looked up, or the rows are after */
    bool scaled = oxp_letter_of(s, oxp_made_by(s, oxp_in(n, 0))) == OXP_L_QUANT ||
                  oxp_letter_of(s, reader_of(s, oxp_out(n, 0))) == OXP_L_QUANT;
    if ((!oxp_dtype_is_float(table->dtype) && !scaled) ||
        (!oxp_is_data(s, index) && !position && !s->a->values[index].shape_role))
        return;
    if (!oxp_is_data(s, index) && !joins_stream(s, n, table->dims[1]))
        return;
    oxp_found *b = oxp_add_block(s, OXP_BLOCK_EMBEDDING, false, &n, 1);
    b->a = table->dims[0];
    b->b = table->dims[1];
    b->c = position || !oxp_is_data(s, index); /* positions, not tokens */
    b->detail = oxp_sprintf(s->arena, "%lld rows of %lld%s", (long long)b->a, (long long)b->b,
                            b->c ? ", by position" : "");
}

/* A router: scores over experts by a layer, softmax or sigmoid, the best few, and layers after. */
static void experts(oxp_scan *s, const oxp_node *topk) {
    const oxp_node *p = oxp_behind(s, oxp_in(topk, 0));
    oxp_letter l = oxp_letter_of(s, p);
    if (l == OXP_L_SOFTMAX || l == OXP_L_SIGMOID)
        p = oxp_behind(s, oxp_in(p, 0));
    if (p == NULL || !(oxp_flags(p) & OXP_OP_MATMUL) || !oxp_is_layer(s, p) ||
        oxp_value_rank(s, oxp_out(p, 0)) > 3 || s->out->products < 4)
        return;
    const oxp_node *next = topk;
    for (int i = 0; i < 512 && next->next != OXP_NONE; i++) {
        next = oxp_node_at(s->m, next->next);
        if ((oxp_flags(next) & OXP_OP_MATMUL) && oxp_is_layer(s, next)) {
            oxp_found *b =
                oxp_add_block(s, OXP_BLOCK_EXPERTS, true, (const oxp_node *[]){p, topk}, 2);
            b->a = oxp_size(s, oxp_out(p, 0), -1);
            b->detail = oxp_sprintf(s->arena, "%lld experts", (long long)b->a);
            return;
        }
    }
}

/* The last convolution that a flattened tensor comes from. */
static const oxp_node *map_above(const oxp_scan *s, oxp_id value) {
    for (int hop = 0; hop < 24 && value != OXP_NONE; hop++) {
        const oxp_node *n = oxp_made_by(s, value);
        if (n == NULL || (oxp_flags(n) & OXP_OP_CONV))
            return n;
        if (oxp_letter_of(s, n) == OXP_L_CONCAT && oxp_value_rank(s, oxp_out(n, 0)) < 4)
            return NULL;
        if (oxp_flags(n) & (OXP_OP_MATMUL | OXP_OP_POOL | OXP_OP_NORM))
            return NULL;
        value = oxp_main_input(s, n);
    }
    return NULL;
}

/* Boxes and scores of the same maps are one head; NULL: is there any? */
static bool has_head(const oxp_scan *s, const char *maps) {
    for (size_t i = 0; i < s->n_blocks; i++) {
        if (s->blocks[i].type == OXP_BLOCK_DETECTION_HEAD &&
            (maps == NULL || strcmp(s->blocks[i].detail, maps) == 0))
            return true;
    }
    return false;
}

/* Predictions of maps of different sizes, flattened and joined. */
static void detection_head(oxp_scan *s, const oxp_node *concat) {
    if (concat->n_in < 2 || concat->n_in > 8 || oxp_value_rank(s, oxp_out(concat, 0)) > 3)
        return;
    const oxp_node *nodes[9];
    int64_t sizes[8];
    char text[160] = "maps of ";
    for (uint32_t i = 0; i < concat->n_in; i++) {
        const oxp_node *map = map_above(s, concat->in[i]);
        if (map == NULL || oxp_value_rank(s, oxp_out(map, 0)) != 4)
            return;
        int64_t h = oxp_size(s, map->out[0], 2), w = oxp_size(s, map->out[0], 3);
        sizes[i] = h;
        for (uint32_t k = 0; k < i; k++) {
            if (sizes[k] == h || h < 0)
                return;
        }
        size_t used = strlen(text);
        snprintf(text + used, sizeof text - used, "%s%lldx%lld", i ? ", " : "", (long long)h,
                 (long long)w);
        nodes[i] = map;
    }
    if (has_head(s, text))
        return;
    nodes[concat->n_in] = concat;
    oxp_found *b =
        oxp_add_block(s, OXP_BLOCK_DETECTION_HEAD, true, nodes, (size_t)concat->n_in + 1);
    b->a = concat->n_in;
    b->detail = oxp_strdup(s->arena, text);
}

static bool is_rotation(const oxp_scan *s, const oxp_node *concat) {
    if (concat->n_in != 2)
        return false;
    if (concat->in[0] == OXP_NONE || concat->in[1] == OXP_NONE)
        return false;
    /* halves beside each other, or every other element, stacked */
    const oxp_node *neg = oxp_behind(s, concat->in[0]), *half = oxp_behind(s, concat->in[1]);
    return oxp_letter_of(s, neg) == OXP_L_NEG && oxp_letter_of(s, half) == OXP_L_SLICE &&
           oxp_letter_of(s, oxp_made_by(s, oxp_in(neg, 0))) == OXP_L_SLICE;
}

void oxp_find_heads(oxp_scan *s) {
    size_t n = oxp_node_count(s->m);
    for (oxp_id i = 0; i < n; i++) {
        const oxp_node *node = oxp_node_at(s->m, i);
        if (!in_scope(s, node))
            continue;
        if (oxp_flags(node) & OXP_OP_RECURRENT) {
            s->out->recurrent++;
            oxp_found *b = oxp_add_block(s, OXP_BLOCK_RECURRENT, false, &node, 1);
            b->a = oxp_attr_int(node, "hidden_size", 0);
            b->detail = oxp_sprintf(s->arena, "%s%s, %lld units",
                                    strcmp(oxp_attr_string(node, "direction", ""), "bidirectional")
                                        ? ""
                                        : "bidirectional ",
                                    node->op, (long long)b->a);
        }
        switch (oxp_letter_of(s, node)) {
        case OXP_L_GATHER:
            embedding(s, node);
            break;
        case OXP_L_EMBED:
            oxp_add_block(s, OXP_BLOCK_EMBEDDING, false, &node, 1);
            break;
        case OXP_L_TOPK:
            experts(s, node);
            break;
        case OXP_L_NMS:
            if (!has_head(s, NULL))
                oxp_add_block(s, OXP_BLOCK_DETECTION_HEAD, false, &node, 1)->detail =
                    "non-maximum suppression";
            break;
        case OXP_L_CONCAT:
            if (is_rotation(s, node))
                oxp_add_block(s, OXP_BLOCK_ROTARY, true, &node, 1);
            else
                detection_head(s, node);
            break;
        case OXP_L_ROTARY:
            oxp_add_block(s, OXP_BLOCK_ROTARY, false, &node, 1);
            break;
        default:
            break;
        }
    }
}
