/* architecture.c - family, repeated blocks, KV cache, task: conclusions from the blocks. */
#include "analysis/patterns.h"

#include <string.h>

#include "analysis/weights.h"
#include "base/intern.h"
#include "base/safe_math.h"

enum { UP_MAX = 12 };

/* Convolutions along channels only, as in state-space models: not what makes a network an MLP. */
static bool all_depthwise(const oxp_scan *s) {
    size_t depthwise = 0, n = oxp_node_count(s->m);
    for (oxp_id i = 0; i < n; i++) {
        const oxp_node *node = oxp_node_at(s->m, i);
        if (node->live && s->in_main[node->graph] && (oxp_flags(node) & OXP_OP_CONV))
            depthwise += oxp_attr_int(node, "group", 1) > 1;
    }
    return depthwise > 0 && depthwise == s->out->convolutions;
}

typedef struct counted {
    size_t n;
    const char *one, *many;
} counted;

/* "20 convolutions and 1 matrix product with weights": those that there are. */
static const char *listed(oxp_arena *arena, const counted *parts, size_t n) {
    const char *text = "";
    size_t left = 0;
    for (size_t i = 0; i < n; i++)
        left += parts[i].n > 0;
    for (size_t i = 0; i < n; i++) {
        if (!parts[i].n)
            continue;
        const char *between = !*text ? "" : left == 1 ? " and " : ", ";
        text = oxp_sprintf(arena, "%s%s%zu %s", text, between, parts[i].n,
                           parts[i].n == 1 ? parts[i].one : parts[i].many);
        left--;
    }
    return *text ? text : "no convolution, attention, recurrent layer or product with weights";
}

static void find_family(oxp_scan *s) {
    oxp_insight *o = s->out;
    uint64_t conv = 0, product = 0;
    size_t trees = 0, n = oxp_node_count(s->m);
    for (oxp_id i = 0; i < n; i++) {
        const oxp_node *node = oxp_node_at(s->m, i);
        if (!node->live || !s->in_main[node->graph])
            continue;
        uint64_t work = oxp_sat_add(s->a->nodes[i].flops, s->a->nodes[i].int_ops);
        if (oxp_flags(node) & OXP_OP_CONV)
            conv = oxp_sat_add(conv, work);
        if (oxp_flags(node) & (OXP_OP_MATMUL | OXP_OP_ATTENTION))
            product = oxp_sat_add(product, work);
        trees += oxp_letter_of(s, node) == OXP_L_TREE;
    }
    size_t attention = o->counts[OXP_BLOCK_ATTENTION];
    double share = conv + product > 0 ? (double)conv / ((double)conv + (double)product) : 0;
    bool convolutional = o->convolutions >= 5 && share > 0.3;
    if (attention > 0 && (convolutional || o->recurrent > 0))
        o->family = "hybrid";
    else if (attention > 0)
        o->family = "transformer";
    else if (o->recurrent > 0)
        o->family = convolutional ? "hybrid" : "rnn";
    else if (o->convolutions > 0 && (share >= 0.3 || o->products < 4 * o->convolutions) &&
             (o->products == 0 || !all_depthwise(s)))
        o->family = "cnn";
    else if (trees > 0)
        o->family = "tree";
    else
        o->family = o->products > 0 && !all_depthwise(s) ? "mlp" : "other";
    const counted parts[] = {
        {o->convolutions, "convolution", "convolutions"},
        {attention, "attention block", "attention blocks"},
        {o->recurrent, "recurrent layer", "recurrent layers"},
        {o->products, "matrix product with weights", "matrix products with weights"},
        {trees, "node of decision trees", "nodes of decision trees"}};
    o->why = listed(s->arena, parts, sizeof parts / sizeof *parts);
}

/* Blocks of the same type and the same figures, in the order in which they first occur. */
static void find_repeats(oxp_scan *s) {
    size_t n = s->n_blocks;
    oxp_repeat *r = OXP_NEWS(s->arena, n + 1, oxp_repeat);
    oxp_intern *strings = oxp_intern_new(s->arena);
    oxp_map *known = oxp_map_new(s->arena);
    size_t n_repeats = 0, kept = 0;
    for (size_t i = 0; i < n; i++) {
        const oxp_found *b = &s->blocks[i];
        char key[256];
        size_t len = strlen(b->detail) < sizeof key - 2 ? strlen(b->detail) : sizeof key - 2;
        key[0] = (char)('A' + b->type);
        memcpy(key + 1, b->detail, len);
        uint64_t k = (uintptr_t)oxp_intern_add(strings, key, len + 1);
        uint32_t at;
        if (len == 0)
            continue;
        if (!oxp_map_get(known, k, &at)) {
            at = (uint32_t)n_repeats++;
            oxp_map_set(known, k, at);
            r[at] = (oxp_repeat){b->type, b->detail, 0};
        }
        r[at].count++;
    }
    for (size_t i = 0; i < n_repeats; i++) {
        if (r[i].count > 1)
            r[kept++] = r[i];
    }
    s->out->repeats = r;
    s->out->n_repeats = kept;
}

/* Longest axis-1 extent of an integer input of rank 2: the sequence as it was assumed; else what
 * the attention saw. */
static int64_t sequence_length(const oxp_scan *s) {
    const oxp_graph *g = oxp_graph_at(s->m, OXP_MAIN_GRAPH);
    int64_t longest = 0;
    for (uint32_t i = 0; i < g->n_inputs; i++) {
        oxp_id v = g->inputs[i];
        if (oxp_value_at(s->m, v)->tensor == OXP_NONE && oxp_value_rank(s, v) == 2 &&
            oxp_dtype_is_integer(s->a->values[v].type.elem) && oxp_size(s, v, 1) > longest)
            longest = oxp_size(s, v, 1);
    }
    return longest > 0 ? longest : s->out->attended;
}

static bool has_token_table(const oxp_scan *s, int64_t rows) {
    for (size_t i = 0; i < s->n_blocks; i++) {
        const oxp_found *b = &s->blocks[i];
        if (b->type == OXP_BLOCK_EMBEDDING && !b->c && (rows == 0 || b->a == rows))
            return true;
    }
    return false;
}

/* What generates gives something for each token, or scores over the vocabulary; a causal encoder
 * that ends in one vector (a text tower, a classifier) has no use for a cache. */
static bool generates(const oxp_scan *s) {
    const oxp_graph *g = oxp_graph_at(s->m, OXP_MAIN_GRAPH);
    for (uint32_t i = 0; i < g->n_outputs; i++) {
        oxp_id v = g->outputs[i];
        int64_t width = oxp_size(s, v, -1);
        if (oxp_value_rank(s, v) >= 3 || (width > 0 && has_token_table(s, width)))
            return true;
    }
    return false;
}

static void find_cache(oxp_scan *s) {
    oxp_kv_cache *kv = &s->out->kv;
    s->out->decoder = s->out->decoder && (kv->in_graph || generates(s));
    if (!s->out->decoder)
        return;
    kv->kv_heads = s->out->kv_heads;
    kv->head_dim = s->out->head_dim;
    unsigned bits = oxp_dtype_bits(kv->dtype);
    kv->bytes_per_token = kv->elements > 0 && kv->elements != UINT64_MAX && bits > 0
                              ? oxp_dtype_bytes(kv->dtype, kv->elements)
                              : UINT64_MAX;
    for (size_t i = 0; i < s->n_blocks; i++) {
        const oxp_found *b = &s->blocks[i];
        if (b->type == OXP_BLOCK_EMBEDDING && b->c && b->a > 0 &&
            (s->out->hidden == 0 || (uint64_t)b->b == s->out->hidden)) {
            kv->context = (uint64_t)b->a;
            kv->context_from_table = true;
        }
    }
    if (kv->context == 0)
        kv->context = (uint64_t)sequence_length(s);
    kv->bytes_at_context = kv->bytes_per_token == UINT64_MAX
                               ? UINT64_MAX
                               : oxp_sat_mul(kv->bytes_per_token, kv->context);
}

/* ---- task ---- */

/* What lies between the last layer and an output. */
typedef struct tail {
    const oxp_node *layer; /* NULL: something that is no head */
    bool split;            /* the layer's columns are parted */
    bool scores;           /* bias, softmax, sigmoid or the like: not just a projection */
    bool softmax, sigmoid; /* behind the layer */
    bool other;            /* a function that makes no scores: tanh, relu, exp */
} tail;

/* The last layer in front of an output, through bias, softmax and what moves nothing around; not
 * through a normalization or a residual addition: what ends in these are features. */
static tail last_layer(const oxp_scan *s, oxp_id value) {
    tail t = {.layer = NULL};
    for (int hop = 0; hop < UP_MAX && value != OXP_NONE; hop++) {
        const oxp_node *n = oxp_made_by(s, value);
        if (n == NULL || oxp_is_layer(s, n)) {
            t.layer = n;
            t.scores = t.scores || (n != NULL && n->n_in > 2 && n->in[2] != OXP_NONE);
            return t;
        }
        oxp_letter l = oxp_letter_of(s, n);
        bool passes = (oxp_flags(n) &
                       (OXP_OP_ELEMENTWISE | OXP_OP_UNARY | OXP_OP_VIEW | OXP_OP_ACTIVATION)) ||
                      l == OXP_L_SOFTMAX || l == OXP_L_CAST || l == OXP_L_SLICE ||
                      l == OXP_L_TRANSPOSE || (l == OXP_L_MEAN && t.scores);
        if (!passes || oxp_data_inputs(s, n) > 1)
            return t;
        t.split = t.split || l == OXP_L_SLICE;
        t.softmax = t.softmax || l == OXP_L_SOFTMAX;
        t.sigmoid = t.sigmoid || l == OXP_L_SIGMOID;
        t.other = t.other || (!t.softmax && !t.sigmoid &&
                              (oxp_flags(n) & (OXP_OP_UNARY | OXP_OP_ACTIVATION)) &&
                              l != OXP_L_CAST && !(oxp_flags(n) & OXP_OP_VIEW));
        t.scores = t.scores || l == OXP_L_SOFTMAX || l == OXP_L_SIGMOID || l == OXP_L_ADD;
        value = oxp_main_input(s, n);
    }
    return t;
}

/* By what was found, or as the file declares it (found under sizes that do not fit, perhaps). */
static bool same_size(const oxp_scan *s, oxp_id a, oxp_id b, int axis) {
    int64_t size = oxp_size(s, a, axis);
    const oxp_type *x = oxp_value_at(s->m, a)->declared, *y = oxp_value_at(s->m, b)->declared;
    if (size >= 0 && size == oxp_size(s, b, axis))
        return true;
    return x != NULL && y != NULL && x->rank > axis && y->rank > axis &&
           !oxp_dim_is_unknown(x->dims[axis]) && x->dims[axis] == y->dims[axis];
}

static bool is_image(const oxp_scan *s, oxp_id v) {
    int64_t first = oxp_size(s, v, 1), last = oxp_size(s, v, 3);
    return oxp_value_rank(s, v) == 4 && (first == 1 || first == 3 || last == 1 || last == 3);
}

/* [batch, 4 + classes, cells] where the cells are those of the head's maps */
static void detection_classes(oxp_scan *s, const oxp_found *head, oxp_id out) {
    int64_t cells = 0;
    for (uint32_t i = 0; i + 1 < head->n_nodes; i++) {
        oxp_id map = oxp_out(oxp_node_at(s->m, head->nodes[i]), 0);
        cells += oxp_size(s, map, 2) * oxp_size(s, map, 3);
    }
    if (oxp_value_rank(s, out) == 3 && oxp_size(s, out, 2) == cells && oxp_size(s, out, 1) > 4)
        s->out->classes = (uint64_t)(oxp_size(s, out, 1) - 4);
}

/* Scores of an image or a text: softmax says so; sigmoids (unless the values are as many as the
 * input's, which are a reconstruction) and bare values of a number that no feature has may be. */
static bool classifies(const oxp_scan *s, const oxp_graph *g, const tail *t, int64_t width) {
    oxp_id in = g->n_inputs > 0 ? g->inputs[0] : OXP_NONE;
    if (t->other || width < 2)
        return false;
    if (t->softmax)
        return true;
    return (is_image(s, in) || has_token_table(s, 0)) && width % 32 != 0 &&
           !(t->sigmoid && oxp_size(s, in, -1) == width);
}

/* Of a matrix product at the end. */
static void task_of_scores(oxp_scan *s, const oxp_graph *g, const tail *tails) {
    oxp_insight *o = s->out;
    const tail *t = &tails[0];
    oxp_id out = g->outputs[0];
    int rank = oxp_value_rank(s, out);
    int64_t width = oxp_size(s, oxp_out(t->layer, 0), -1);
    if (width < 1)
        return;
    bool vocabulary = has_token_table(s, width) && oxp_size(s, out, -1) == width;
    /* as wide as the features: more features; without bias or softmax and as wide as embeddings
     * are: an embedding */
    bool classes = (uint64_t)width != o->hidden && (t->scores || width % 32 != 0);
    if (width == 2 && t->split && g->n_outputs > 1 && tails[1].layer == t->layer &&
        has_token_table(s, 0)) {
        o->task = OXP_TASK_SPAN;
    } else if (vocabulary && o->decoder) {
        o->task = OXP_TASK_LANGUAGE;
    } else if (vocabulary && rank == 3 && o->counts[OXP_BLOCK_ATTENTION] > 0) {
        o->task = OXP_TASK_MASKED;
    } else if (rank == 3 && oxp_size(s, out, 2) == width && has_token_table(s, 0) && classes &&
               !vocabulary) {
        o->task = OXP_TASK_TOKENS;
        o->classes = (uint64_t)width;
    } else if (rank == 2 && g->n_outputs == 1 && !t->split && oxp_size(s, out, 1) == width &&
               (classes || t->softmax) && classifies(s, g, t, width)) {
        o->task = OXP_TASK_CLASSIFY;
        o->task_likely = !t->softmax;
        o->classes = (uint64_t)width;
    }
}

/* [N, C], or a map of one pixel */
static bool is_flat(const oxp_scan *s, oxp_id v) {
    int rank = oxp_value_rank(s, v);
    return rank == 2 || (rank == 4 && oxp_size(s, v, 2) == 1 && oxp_size(s, v, 3) == 1);
}

/* Four coordinates between 0 and 1 for each of many queries, and beside them as many rows of
 * scores: detection by set prediction.  How many classes there are is open: one of the scores may
 * stand for "no object". */
static bool predicts_boxes(const oxp_scan *s, const oxp_graph *g, const tail *tails, uint32_t n) {
    if (g->n_inputs == 0 || !is_image(s, g->inputs[0]))
        return false;
    for (uint32_t b = 0; b < n; b++) {
        oxp_id boxes = g->outputs[b];
        if (tails[b].layer == NULL || !tails[b].sigmoid || tails[b].split || tails[b].other ||
            oxp_value_rank(s, boxes) != 3 || oxp_size(s, boxes, 2) != 4 ||
            oxp_size(s, boxes, 1) < 2)
            continue;
        for (uint32_t c = 0; c < n; c++) {
            oxp_id scores = g->outputs[c];
            if (c != b && tails[c].layer != NULL && tails[c].layer != tails[b].layer &&
                tails[c].scores && !tails[c].other && !tails[c].split &&
                oxp_value_rank(s, scores) == 3 && same_size(s, boxes, scores, 1) &&
                oxp_size(s, scores, 2) > 0)
                return true;
        }
    }
    return false;
}

static void find_task(oxp_scan *s) {
    oxp_insight *o = s->out;
    const oxp_graph *g = oxp_graph_at(s->m, OXP_MAIN_GRAPH);
    if (g->n_outputs == 0)
        return;
    for (size_t i = 0; i < s->n_blocks; i++) {
        if (s->blocks[i].type == OXP_BLOCK_DETECTION_HEAD) {
            o->task = OXP_TASK_DETECT;
            detection_classes(s, &s->blocks[i], g->outputs[0]);
            return;
        }
    }
    tail tails[8] = {{.layer = NULL}};
    for (uint32_t i = 0; i < g->n_outputs && i < 8; i++)
        tails[i] = last_layer(s, g->outputs[i]);
    if (predicts_boxes(s, g, tails, g->n_outputs < 8 ? g->n_outputs : 8)) {
        o->task = OXP_TASK_DETECT;
        return;
    }
    if (tails[0].layer == NULL)
        return;
    if (oxp_flags(tails[0].layer) & OXP_OP_CONV) {
        oxp_id in = g->n_inputs > 0 ? g->inputs[0] : OXP_NONE, out = g->outputs[0];
        if (oxp_value_rank(s, out) == 4 && is_image(s, in) && same_size(s, in, out, 2) &&
            same_size(s, in, out, 3))
            o->task = OXP_TASK_DENSE;
        else if (tails[0].softmax && !tails[0].other && oxp_size(s, out, 1) > 1 &&
                 is_flat(s, out)) {
            o->task = OXP_TASK_CLASSIFY;
            o->classes = (uint64_t)oxp_size(s, out, 1);
        }
        return;
    }
    task_of_scores(s, g, tails);
}

void oxp_find_architecture(oxp_scan *s) {
    find_family(s);
    find_cache(s);
    find_task(s);
    find_repeats(s);
}
