/* patterns.c - the alphabet of the graph patterns: the only place of the analysis that knows
 * operators by name, because a decomposed LayerNorm or GELU is a pattern of named operators. */
#include "analysis/patterns.h"

#include <string.h>

#include "analysis/memory.h"
#include "analysis/weights.h"
#include "base/intern.h"

enum { BEHIND_MAX = 16 };

static const struct {
    const char *op;
    oxp_letter letter;
} alphabet[] = {
    {"Add", OXP_L_ADD},
    {"Sum", OXP_L_ADD},
    {"Sub", OXP_L_SUB},
    {"Mul", OXP_L_MUL},
    {"Div", OXP_L_DIV},
    {"Pow", OXP_L_POW},
    {"Sqrt", OXP_L_SQRT},
    {"Reciprocal", OXP_L_RECIPROCAL},
    {"Erf", OXP_L_ERF},
    {"Tanh", OXP_L_TANH},
    {"Sigmoid", OXP_L_SIGMOID},
    {"HardSigmoid", OXP_L_HARD_SIGMOID},
    {"Swish", OXP_L_SILU},
    {"QuickGelu", OXP_L_GELU},
    {"HardSwish", OXP_L_HARD_SWISH},
    {"Gelu", OXP_L_GELU},
    {"FastGelu", OXP_L_GELU},
    {"BiasGelu", OXP_L_GELU},
    {"Softmax", OXP_L_SOFTMAX},
    {"LogSoftmax", OXP_L_SOFTMAX},
    {"BiasSoftmax", OXP_L_SOFTMAX},
    {"QLinearSoftmax", OXP_L_SOFTMAX},
    {"ReduceMean", OXP_L_MEAN},
    {"GlobalAveragePool", OXP_L_MEAN},
    {"MatMul", OXP_L_MATMUL},
    {"Concat", OXP_L_CONCAT},
    {"QLinearConcat", OXP_L_CONCAT},
    {"Where", OXP_L_WHERE},
    {"Cast", OXP_L_CAST},
    {"CastLike", OXP_L_CAST},
    {"Transpose", OXP_L_TRANSPOSE},
    {"Slice", OXP_L_SLICE},
    {"Split", OXP_L_SLICE},
    {"Neg", OXP_L_NEG},
    {"Gather", OXP_L_GATHER},
    {"Expand", OXP_L_EXPAND},
    {"Tile", OXP_L_EXPAND},
    {"Range", OXP_L_RANGE},
    {"CumSum", OXP_L_RANGE},
    {"Less", OXP_L_COMPARE},
    {"LessOrEqual", OXP_L_COMPARE},
    {"Greater", OXP_L_COMPARE},
    {"GreaterOrEqual", OXP_L_COMPARE},
    {"Trilu", OXP_L_TRILU},
    {"ScatterND", OXP_L_SCATTER},
    {"ScatterElements", OXP_L_SCATTER},
    {"TensorScatter", OXP_L_SCATTER},
    {"TopK", OXP_L_TOPK},
    {"NonMaxSuppression", OXP_L_NMS},
    {"TreeEnsembleClassifier", OXP_L_TREE},
    {"TreeEnsembleRegressor", OXP_L_TREE},
    {"TreeEnsemble", OXP_L_TREE},
    {"Pad", OXP_L_PAD},
    {"QuantizeLinear", OXP_L_QUANT},
    {"DequantizeLinear", OXP_L_QUANT},
    {"DynamicQuantizeLinear", OXP_L_QUANT},
    {"LayerNormalization", OXP_L_LAYER_NORM},
    {"SkipLayerNormalization", OXP_L_LAYER_NORM},
    {"RMSNormalization", OXP_L_RMS_NORM},
    {"SimplifiedLayerNormalization", OXP_L_RMS_NORM},
    {"SkipSimplifiedLayerNormalization", OXP_L_RMS_NORM},
    {"RotaryEmbedding", OXP_L_ROTARY},
    {"MoE", OXP_L_EXPERTS},
    {"QMoE", OXP_L_EXPERTS},
    {"GroupQueryAttention", OXP_L_CAUSAL_ATTENTION},
    {"EmbedLayerNormalization", OXP_L_EMBED},
};

/* Interned names are equal if their pointers are, so each distinct operator is looked up once. */
const uint8_t *oxp_letters_of(const oxp_model *m, oxp_arena *arena) {
    size_t n = oxp_node_count(m);
    uint8_t *letters = OXP_NEWS(arena, n + 1, uint8_t);
    oxp_map *known = oxp_map_new(arena);
    for (oxp_id i = 0; i < n; i++) {
        const oxp_node *node = oxp_node_at(m, i);
        uint32_t letter = OXP_L_OTHER;
        if (!node->live || node->function != OXP_NONE)
            continue;
        if (!oxp_map_get(known, (uintptr_t)node->op, &letter)) {
            for (size_t k = 0; k < sizeof alphabet / sizeof *alphabet; k++) {
                if (strcmp(alphabet[k].op, node->op) == 0)
                    letter = alphabet[k].letter;
            }
            oxp_map_set(known, (uintptr_t)node->op, letter);
        }
        /* x * sigmoid(alpha x): the SiLU when alpha is 1 */
        if (strcmp(node->op, "QuickGelu") == 0 && oxp_attr_float(node, "alpha", 1.702f) == 1.0f)
            letter = OXP_L_SILU;
        if (letter == OXP_L_ADD && node->n_in != 2) /* a Sum of one or of many */
            letter = OXP_L_OTHER;
        letters[i] = (uint8_t)letter;
    }
    return letters;
}

const oxp_node *oxp_made_by(const oxp_scan *s, oxp_id value) {
    if (value == OXP_NONE)
        return NULL;
    oxp_id p = oxp_value_at(s->m, value)->producer;
    return p == OXP_NONE ? NULL : oxp_node_at(s->m, p);
}

oxp_id oxp_id_of(const oxp_scan *s, const oxp_node *n) {
    return (oxp_id)(n - oxp_node_at(s->m, 0));
}

oxp_letter oxp_letter_of(const oxp_scan *s, const oxp_node *n) {
    return n == NULL ? OXP_L_OTHER : (oxp_letter)s->letters[oxp_id_of(s, n)];
}

uint32_t oxp_flags(const oxp_node *n) {
    return n != NULL && n->def != NULL ? n->def->flags : 0;
}

bool oxp_is_data(const oxp_scan *s, oxp_id value) {
    if (value == OXP_NONE || oxp_value_at(s->m, value)->tensor != OXP_NONE)
        return false;
    const oxp_value_info *v = &s->a->values[value];
    if (v->constant || v->shape_role)
        return false;
    const oxp_node *p = oxp_made_by(s, value);
    return p == NULL || !oxp_is_constant_node(p);
}

static bool is_transparent(const oxp_scan *s, const oxp_node *n) {
    oxp_letter l = oxp_letter_of(s, n);
    return (oxp_flags(n) & OXP_OP_VIEW) || l == OXP_L_CAST || l == OXP_L_TRANSPOSE ||
           l == OXP_L_QUANT;
}

const oxp_node *oxp_behind(const oxp_scan *s, oxp_id value) {
    const oxp_node *n = oxp_made_by(s, value);
    for (int i = 0; i < BEHIND_MAX && n != NULL && is_transparent(s, n); i++)
        n = oxp_made_by(s, oxp_in(n, 0));
    return n;
}

oxp_id oxp_main_input(const oxp_scan *s, const oxp_node *n) {
    for (uint32_t i = 0; i < n->n_in; i++) {
        if (oxp_is_data(s, n->in[i]))
            return n->in[i];
    }
    return OXP_NONE;
}

oxp_id oxp_trunk_input(const oxp_scan *s, const oxp_node *n) {
    for (uint32_t k = 0; oxp_letter_of(s, n) == OXP_L_MUL && n->n_in == 2 && k < 2; k++) {
        const oxp_node *gate = n->in[k] == OXP_NONE ? NULL : oxp_behind(s, n->in[k]);
        oxp_letter l = oxp_letter_of(s, gate);
        if ((l == OXP_L_SIGMOID || l == OXP_L_HARD_SIGMOID) && oxp_is_data(s, n->in[1 - k]))
            return n->in[1 - k];
    }
    return oxp_main_input(s, n);
}

int oxp_data_inputs(const oxp_scan *s, const oxp_node *n) {
    int count = 0;
    for (uint32_t i = 0; i < n->n_in; i++)
        count += oxp_is_data(s, n->in[i]);
    return count;
}

static bool makes_shape(const oxp_scan *s, const oxp_node *n) {
    oxp_id out = oxp_out(n, 0);
    return out != OXP_NONE && s->a->values[out].shape_role;
}

/* Does nobody want more of the node than a shape?  Quantizers leave a DequantizeLinear in front of
 * each Shape. */
static bool serves_shapes(const oxp_scan *s, const oxp_node *n) {
    oxp_id out = oxp_out(n, 0);
    if (out == OXP_NONE || makes_shape(s, n))
        return out != OXP_NONE;
    const oxp_value *v = oxp_value_at(s->m, out);
    int seen = 0;
    if (oxp_letter_of(s, n) != OXP_L_QUANT || v->outputs || v->first_use == OXP_NONE)
        return false;
    for (oxp_id u = v->first_use; u != OXP_NONE; u = oxp_use_at(s->m, u)->next)
        if (++seen > BEHIND_MAX || !makes_shape(s, oxp_node_at(s->m, oxp_use_at(s->m, u)->node)))
            return false;
    return true;
}

const oxp_node *oxp_only_reader(const oxp_scan *s, oxp_id value) {
    for (int hop = 0; hop < BEHIND_MAX && value != OXP_NONE; hop++) {
        const oxp_node *reader = NULL;
        const oxp_value *v = oxp_value_at(s->m, value);
        int seen = 0;
        for (oxp_id u = v->first_use; u != OXP_NONE && seen < BEHIND_MAX; seen++) {
            const oxp_use *use = oxp_use_at(s->m, u);
            const oxp_node *n = oxp_node_at(s->m, use->node);
            if (n != reader && !serves_shapes(s, n)) {
                if (reader != NULL)
                    return NULL;
                reader = n;
            }
            u = use->next;
        }
        if (reader == NULL || !is_transparent(s, reader))
            return reader;
        value = oxp_out(reader, 0);
    }
    return NULL;
}

bool oxp_is_layer(const oxp_scan *s, const oxp_node *n) {
    if (!(oxp_flags(n) & (OXP_OP_CONV | OXP_OP_MATMUL | OXP_OP_RECURRENT)))
        return false;
    bool quantized = oxp_flags(n) & OXP_OP_QUANT; /* scales and zero points are no weights */
    for (uint32_t i = 0; i < n->n_in; i++) {
        if (n->in[i] != OXP_NONE && !oxp_is_data(s, n->in[i]) &&
            (!quantized || oxp_value_rank(s, n->in[i]) >= 2) &&
            (oxp_weight_of(s->m, s->a->values, n, i) != OXP_NONE ||
             s->a->values[n->in[i]].constant))
            return true;
    }
    return false;
}

int oxp_value_rank(const oxp_scan *s, oxp_id value) {
    const oxp_type *t = value == OXP_NONE ? NULL : &s->a->values[value].type;
    return t != NULL && t->kind == OXP_KIND_TENSOR ? t->rank : -1;
}

int64_t oxp_size(const oxp_scan *s, oxp_id value, int axis) {
    int rank = oxp_value_rank(s, value);
    axis = axis < 0 ? axis + rank : axis;
    if (axis < 0 || axis >= rank)
        return -1;
    oxp_dim d = s->a->values[value].type.dims[axis];
    return oxp_dim_is_literal(d) && d >= 0 ? d : -1;
}

oxp_found *oxp_add_block(oxp_scan *s, oxp_block_type t, bool decomposed,
                         const oxp_node *const *nodes, size_t n) {
    s->blocks = oxp_grow(s->arena, s->blocks, &s->cap_blocks, s->n_blocks + 1, sizeof *s->blocks);
    oxp_found *b = &s->blocks[s->n_blocks++];
    *b = (oxp_found){.type = t, .decomposed = decomposed, .detail = ""};
    for (size_t i = 0; i < n; i++) {
        if (nodes[i] != NULL && b->n_nodes < OXP_BLOCK_NODES)
            b->nodes[b->n_nodes++] = oxp_id_of(s, nodes[i]);
    }
    s->out->counts[t]++;
    return b;
}

bool oxp_chain_up(const oxp_scan *s, const oxp_node *n, const oxp_letter *letters, size_t n_letters,
                  const oxp_node **found) {
    if (n_letters == 0 || oxp_letter_of(s, n) != letters[0])
        return false;
    found[0] = n;
    for (size_t i = 1; i < n_letters; i++) {
        const oxp_node *next = NULL;
        for (uint32_t k = 0; k < n->n_in && k < 3 && next == NULL; k++) {
            const oxp_node *p = oxp_behind(s, n->in[k]);
            if (p != NULL && oxp_letter_of(s, p) == letters[i])
                next = p;
        }
        if (next == NULL)
            return false;
        found[i] = n = next;
    }
    return true;
}
