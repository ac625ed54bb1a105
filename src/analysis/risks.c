/* risks.c - what may surprise whoever deploys the model, each with its evidence. */
#include "analysis/latency.h"
#include "analysis/patterns.h"

enum { RISKS_MAX = 16, NODES_MAX = 32 };

typedef struct risk_list {
    oxp_risk *risks;
    size_t n;
} risk_list;

static oxp_risk *add(risk_list *l, const char *id, const char *severity, const char *message,
                     const char *advice) {
    oxp_risk *r = &l->risks[l->n++];
    *r = (oxp_risk){id, severity, message, advice, NULL, 0};
    return r;
}

static const char *plural(size_t n) {
    return n == 1 ? "" : "s";
}

/* Up to NODES_MAX live nodes for which `test` holds; the count of all of them. */
static size_t collect(oxp_scan *s, bool (*test)(const oxp_scan *, oxp_id), const oxp_id **nodes,
                      size_t *n_nodes) {
    oxp_id *found = OXP_NEWS(s->arena, NODES_MAX, oxp_id);
    size_t all = 0, kept = 0, n = oxp_node_count(s->m);
    for (oxp_id i = 0; i < n; i++) {
        const oxp_node *node = oxp_node_at(s->m, i);
        if (!node->live || !s->in_main[node->graph] || !test(s, i))
            continue;
        if (kept < NODES_MAX)
            found[kept++] = i;
        all++;
    }
    *nodes = found;
    *n_nodes = kept;
    return all;
}

static bool is_unknown(const oxp_scan *s, oxp_id i) {
    return !s->a->nodes[i].known;
}

static bool depends_on_data(const oxp_scan *s, oxp_id i) {
    return (oxp_flags(oxp_node_at(s->m, i)) & OXP_OP_DATA_SHAPE) != 0;
}

static bool is_layer(const oxp_scan *s, oxp_id i) {
    return oxp_is_layer(s, oxp_node_at(s->m, i));
}

/* A layer without a bias of its own and without an addition behind it. */
static bool is_bare(const oxp_scan *s, oxp_id i) {
    const oxp_node *n = oxp_node_at(s->m, i);
    if (!oxp_is_layer(s, n) || oxp_in(n, 2) != OXP_NONE)
        return false;
    const oxp_node *next = oxp_only_reader(s, oxp_out(n, 0));
    return oxp_letter_of(s, next) != OXP_L_ADD;
}

/* ---- were the weights ever trained? ---- */

enum { SAMPLED_LAYERS = 8, SAMPLED_ROWS = 24, SAMPLED_ROW = 512, LEAST_ROW = 24 };

/* Rows of independent random numbers have mean squares that differ by chance only: their relative
 * variance is (kurtosis - 1) / length, 2 / length for normal ones and less for uniform ones (the
 * variance of a mean of n squares).  Training makes rows differ by far more.  Rows that are all one
 * number are neither. */
static bool looks_initial(oxp_scan *s, oxp_id tensor) {
    const oxp_tensor *t = oxp_tensor_at(s->m, tensor);
    uint64_t rows = (uint64_t)t->dims[0], length = t->count / rows, read = length;
    rows = rows > SAMPLED_ROWS ? SAMPLED_ROWS : rows;
    read = read > SAMPLED_ROW ? SAMPLED_ROW : read;
    double row[SAMPLED_ROW], mean[SAMPLED_ROWS], all = 0, spread = 0;
    bool varies = false;
    for (uint64_t r = 0; r < rows; r++) {
        oxp_tensor_doubles(s->m, tensor, r * length, read, row);
        mean[r] = 0;
        for (uint64_t i = 0; i < read; i++) {
            mean[r] += row[i] * row[i] / (double)read;
            varies = varies || row[i] != row[0];
        }
        all += mean[r] / (double)rows;
    }
    for (uint64_t r = 0; r < rows; r++)
        spread += (mean[r] - all) * (mean[r] - all) / (double)rows;
    return varies && spread <= 4.0 / (double)read * all * all;
}

/* Do most of the layers that can be judged have weights as they were initialised?  A normalization
 * that was folded then leaves a bias of zeros, which exporters drop. */
static bool is_untrained(oxp_scan *s, const oxp_id *layers, size_t n) {
    size_t judged = 0, initial = 0;
    for (size_t i = 0; i < n && judged < SAMPLED_LAYERS; i++) {
        oxp_id v = oxp_in(oxp_node_at(s->m, layers[i]), 1);
        oxp_id t = v == OXP_NONE ? OXP_NONE : oxp_value_at(s->m, v)->tensor;
        if (t == OXP_NONE || !oxp_tensor_readable(s->m, t))
            continue;
        const oxp_tensor *x = oxp_tensor_at(s->m, t);
        if (x->sparse || !oxp_dtype_is_float(x->dtype) || oxp_dtype_bits(x->dtype) < 16 ||
            x->rank < 2 || x->dims[0] < 8 || x->count / (uint64_t)x->dims[0] < LEAST_ROW)
            continue;
        judged++;
        initial += looks_initial(s, t);
    }
    return judged > 0 && initial * 4 >= judged * 3;
}

static void input_risks(oxp_scan *s, risk_list *l) {
    const oxp_graph *g = oxp_graph_at(s->m, OXP_MAIN_GRAPH);
    size_t dynamic = 0, overridable = 0;
    for (uint32_t i = 0; i < g->n_inputs; i++) {
        overridable += oxp_value_at(s->m, g->inputs[i])->overridable;
        const oxp_type *t = &s->a->values[g->inputs[i]].symbolic;
        bool free = false;
        for (int k = 0; t->kind == OXP_KIND_TENSOR && k < t->rank; k++)
            free = free || !oxp_dim_is_literal(t->dims[k]);
        dynamic += free;
    }
    if (dynamic > 0)
        add(l, "dynamic-input-shapes", "info",
            oxp_sprintf(s->arena, "%zu input%s ha%s dimensions without a number.", dynamic,
                        plural(dynamic), dynamic == 1 ? "s" : "ve"),
            "Figures here hold for the assumed numbers; bind others with --dim. Accelerators that "
            "compile for fixed shapes want them fixed (optimize --passes fix-shapes).");
    if (overridable > 0)
        add(l, "overridable-initializers", "info",
            oxp_sprintf(s->arena,
                        "%zu initializer%s %s listed as input%s, too: a caller may give "
                        "other values.",
                        overridable, plural(overridable), overridable == 1 ? "is" : "are",
                        plural(overridable)),
            "Shapes and figures here hold for the values in the file. Runtimes fold no constant "
            "that "
            "a caller may replace; take the initializers off the inputs unless that is wanted.");
    if (!oxp_model_has_weights(s->m))
        add(l, "missing-weights", "medium", "An external data file of this model is not there.",
            "Costs are exact without it; passes that compute with weights refuse to run.");
}

/* " Unknown here: Foo of com.example." or "". */
static const char *unknown_operators(const oxp_scan *s) {
    enum { SHOWN = 4 };
    const oxp_node *seen[SHOWN];
    const char *text = "";
    size_t n = 0, n_nodes = oxp_node_count(s->m);
    for (oxp_id i = 0; i < n_nodes; i++) {
        const oxp_node *node = oxp_node_at(s->m, i);
        bool known = node->def != NULL || node->function != OXP_NONE;
        for (size_t k = 0; k < n && !known; k++)
            known = node->op == seen[k]->op && node->domain == seen[k]->domain;
        if (known || !node->live || !s->in_main[node->graph])
            continue;
        if (n == SHOWN)
            return oxp_sprintf(s->arena, " Unknown here: %s, ...", text);
        seen[n] = node;
        text = oxp_sprintf(s->arena, "%s%s%s of %s", text, n++ > 0 ? ", " : "", node->op,
                           node->domain[0] ? node->domain : "ai.onnx");
    }
    return n == 0 ? "" : oxp_sprintf(s->arena, " Unknown here: %s.", text);
}

static void shape_risks(oxp_scan *s, risk_list *l) {
    const oxp_id *nodes;
    size_t n, all = collect(s, is_unknown, &nodes, &n);
    if (all > 0) {
        oxp_risk *r =
            add(l, "unknown-cost", "medium",
                oxp_sprintf(s->arena, "The cost of %zu node%s is unknown; totals are 'at least'.%s",
                            all, plural(all), unknown_operators(s)),
                "Unknown operators and shapes that depend on data cannot be counted.");
        r->nodes = nodes;
        r->n_nodes = n;
    }
    all = collect(s, depends_on_data, &nodes, &n);
    if (all > 0) {
        oxp_risk *r = add(l, "data-dependent-shapes", "low",
                          oxp_sprintf(s->arena, "%zu node%s give%s shapes that depend on the data.",
                                      all, plural(all), all == 1 ? "s" : ""),
                          "Compilers for fixed shapes will not take these nodes.");
        r->nodes = nodes;
        r->n_nodes = n;
    }
    bool assumed = false;
    for (size_t i = 0; i < s->a->n_assumed; i++)
        assumed = assumed || !s->a->assumed[i].bound;
    if (s->a->totals.partial)
        add(l, "inconsistent-model", "high",
            assumed ? "With the dimensions assumed here parts of the graph contradict each other."
                    : "Parts of the graph contradict each other.",
            assumed ? "Bind real sizes with --dim first; then see the diagnostics."
                    : "See the diagnostics; totals are 'at least'.");
}

/* Does the node only add and scale what it is given?  False where that is not sure: other domains'
 * operators may hold an activation, integers saturate. */
static bool is_linear(const oxp_scan *s, const oxp_node *n) {
    oxp_id out = oxp_out(n, 0);
    if (out == OXP_NONE || *n->domain || (oxp_flags(n) & (OXP_OP_RECURRENT | OXP_OP_QUANT)) ||
        oxp_dtype_is_integer(s->a->values[out].type.elem))
        return false;
    if (oxp_is_layer(s, n) || (oxp_flags(n) & (OXP_OP_VIEW | OXP_OP_RUNNING_STATS)))
        return true;
    switch (oxp_letter_of(s, n)) {
    case OXP_L_ADD:
    case OXP_L_SUB:
    case OXP_L_NEG:
    case OXP_L_MEAN:
    case OXP_L_CONCAT:
    case OXP_L_CAST:
    case OXP_L_TRANSPOSE:
    case OXP_L_SLICE:
    case OXP_L_PAD:
    case OXP_L_EXPAND:
        return true;
    case OXP_L_MUL:
        return oxp_data_inputs(s, n) < 2;
    case OXP_L_DIV:
        return oxp_data_inputs(s, n) < 2 && !oxp_is_data(s, oxp_in(n, 1));
    default:
        return false;
    }
}

/* Layers, and nothing that is not linear between the inputs and the outputs. */
static bool all_linear(const oxp_scan *s) {
    size_t n = oxp_node_count(s->m);
    for (oxp_id i = 0; i < n; i++) {
        const oxp_node *node = oxp_node_at(s->m, i);
        bool data = false;
        for (uint32_t k = 0; k < node->n_out; k++)
            data = data || (node->out[k] != OXP_NONE && oxp_is_data(s, node->out[k]));
        if (node->live && s->in_main[node->graph] && data && !is_linear(s, node))
            return false;
    }
    return true;
}

static void training_risks(oxp_scan *s, risk_list *l) {
    const oxp_insight *o = s->out;
    const oxp_id *nodes;
    size_t n, layers = collect(s, is_layer, &nodes, &n), n_bare;
    const oxp_id *bare_nodes;
    size_t bare = collect(s, is_bare, &bare_nodes, &n_bare);
    /* A normalization that was folded at export leaves a bias on every layer. */
    bool unnormalized = layers >= 8 && o->norms == 0 && bare * 2 > layers;
    if (unnormalized && is_untrained(s, bare_nodes, n_bare)) {
        unnormalized = false;
        bare = 0;
    }
    s->out->weight_layers = layers;
    s->out->bare_layers = bare;
    if (unnormalized)
        add(l, "missing-normalization", "info",
            oxp_sprintf(s->arena,
                        "%zu layers, %zu of them without a bias, and no normalization, decomposed "
                        "or folded.",
                        layers, bare),
            "Harmless for inference; training it further may be unstable.");
    if (layers >= 3 && o->activations == 0 && all_linear(s))
        add(l, "no-activation", "medium",
            oxp_sprintf(s->arena, "%zu layers and no nonlinearity between them.", layers),
            "Layers without an activation between them are one linear layer.");
    size_t skips = o->counts[OXP_BLOCK_CONCAT_SKIP];
    if (skips > 0)
        add(l, "nonstandard-skips", "info",
            oxp_sprintf(s->arena,
                        "%zu skip connection%s join%s by concatenation, beside %zu residual "
                        "addition%s.",
                        skips, plural(skips), skips == 1 ? "s" : "", o->counts[OXP_BLOCK_RESIDUAL],
                        plural(o->counts[OXP_BLOCK_RESIDUAL])),
            "Concatenated skips keep early tensors alive and widen the layers behind them.");
}

static void version_risks(oxp_scan *s, risk_list *l) {
    int64_t opset = oxp_opset_of(s->m, OXP_MAIN_GRAPH, "");
    if (opset > 0 && opset < 11)
        add(l, "old-opset", "low",
            oxp_sprintf(s->arena, "Opset %lld of ai.onnx.", (long long)opset),
            "Runtimes keep old opsets working but optimize newer ones first.");
}

/* Layers on the shortest way from an input to the first output.  Skips make it short, however deep
 * the network is. */
static size_t shortest_path(oxp_scan *s) {
    const oxp_graph *g = oxp_graph_at(s->m, OXP_MAIN_GRAPH);
    uint32_t *depth = OXP_NEWS(s->arena, oxp_value_count(s->m) + 1, uint32_t);
    for (oxp_id i = g->first; i != OXP_NONE; i = oxp_node_at(s->m, i)->next) {
        const oxp_node *n = oxp_node_at(s->m, i);
        uint32_t least = UINT32_MAX;
        for (uint32_t k = 0; k < n->n_in; k++)
            if (n->in[k] != OXP_NONE && oxp_is_data(s, n->in[k]) && depth[n->in[k]] < least)
                least = depth[n->in[k]];
        least = least == UINT32_MAX ? 0 : least;
        least += oxp_is_layer(s, n) && oxp_class_of(s->a, i) != OXP_CLASS_DEPTHWISE;
        for (uint32_t k = 0; k < n->n_out; k++)
            if (n->out[k] != OXP_NONE)
                depth[n->out[k]] = least;
    }
    return g->n_outputs ? depth[g->outputs[0]] : 0;
}

void oxp_find_risks(oxp_scan *s) {
    risk_list l = {.risks = OXP_NEWS(s->arena, RISKS_MAX, oxp_risk)};
    shape_risks(s, &l);
    input_risks(s, &l);
    training_risks(s, &l);
    s->out->shortest_path = shortest_path(s);
    version_risks(s, &l);
    s->out->risks = l.risks;
    s->out->n_risks = l.n;
}
