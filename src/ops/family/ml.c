/* ml.c - ai.onnx.ml: trees, linear models, support vectors, encoders, maps. */
#include "ops/util.h"

#include <string.h>

#define ML "ai.onnx.ml"

/* Rows of the input: [N, C] or [C], which is one row. */
static oxp_dim rows(const oxp_fact *x) {
    int rank = oxp_rank(x);
    if (rank < 0)
        return OXP_DIM_UNKNOWN;
    return rank < 2 ? 1 : x->type.dims[0];
}

static oxp_dtype label_type(oxp_call *c) {
    return oxp_call_length(c, "classlabels_strings") ? OXP_STRING : OXP_INT64;
}

static size_t classes(oxp_call *c, const char *ints) {
    size_t n = oxp_call_length(c, "classlabels_strings");
    return n ? n : oxp_call_length(c, ints);
}

/* Labels [N], scores [N, E]; E = 0: not said. */
static void set_classes(oxp_call *c, size_t e) {
    oxp_dim n = rows(oxp_input(c, 0));
    oxp_dim d[2] = {n, e && e <= INT32_MAX ? (oxp_dim)e : OXP_DIM_UNKNOWN};
    if (c->n_out > 0)
        oxp_set(c, 0, label_type(c), 1, &n);
    if (c->n_out > 1)
        oxp_set(c, 1, OXP_FLOAT, 2, d);
}

/* ---- lists that belong together ---- */

/* Lists of the same length: names up to a NULL; those that are absent do not count. */
static bool same_lengths(oxp_call *c, const char *const *names) {
    const char *first = NULL;
    for (; *names; names++) {
        if (!oxp_call_attr(c, *names))
            continue;
        if (first && oxp_call_length(c, *names) != oxp_call_length(c, first)) {
            oxp_op_invalid(c, "%s has %zu values, %s has %zu", first, oxp_call_length(c, first),
                           *names, oxp_call_length(c, *names));
            return false;
        }
        first = first ? first : *names;
    }
    return true;
}

/* Exactly one of the lists is given. */
static bool one_of(oxp_call *c, const char *const *names, const char *what) {
    int n = 0;
    for (; *names; names++) {
        const oxp_attr *a = oxp_call_attr(c, *names);
        n += a && (a->type == OXP_ATTR_TENSOR || a->n > 0);
    }
    if (n != 1)
        oxp_op_invalid(c, "%d lists of %s, one is wanted", n, what);
    return n == 1;
}

/* As many features in a row of the input as the attributes say; 0: they do not.  Coefficients may
 * be more than are used. */
static void check_features(oxp_call *c, size_t wanted, bool exact) {
    const oxp_fact *x = oxp_input(c, 0);
    oxp_dim d = oxp_rank(x) == 1 || oxp_rank(x) == 2 ? oxp_dim_of(x, -1) : OXP_DIM_UNKNOWN;
    if (wanted && oxp_dim_is_literal(d) && !oxp_dim_is_unknown(d) &&
        (exact ? d != (oxp_dim)wanted : d > (oxp_dim)wanted))
        oxp_op_error(c, "rows of %lld features, the attributes are for %zu", (long long)d, wanted);
}

/* A branch asks for a column of the input; a leaf's feature is not looked at. */
static void check_branches(oxp_call *c, const oxp_attr *modes) {
    oxp_dim columns = oxp_dim_of(oxp_input(c, 0), -1);
    size_t n;
    const int64_t *feature = oxp_call_ints(c, "nodes_featureids", &n);
    if (!feature || !modes || modes->n != n || oxp_rank(oxp_input(c, 0)) != 2 ||
        !oxp_dim_is_literal(columns) || oxp_dim_is_unknown(columns))
        return;
    for (size_t i = 0; i < n; i++)
        if (strcmp(modes->u.strings[i].data, "LEAF") != 0 &&
            (feature[i] < 0 || feature[i] >= columns)) {
            oxp_op_error(c, "feature %lld of a row of %lld", (long long)feature[i],
                         (long long)columns);
            return;
        }
}

static void check_trees(oxp_call *c) {
    static const char *const nodes[] = {
        "nodes_treeids",     "nodes_nodeids",      "nodes_featureids", "nodes_modes",
        "nodes_truenodeids", "nodes_falsenodeids", "nodes_values",     NULL};
    static const char *const votes[] = {"class_treeids", "class_nodeids", "class_ids",
                                        "class_weights", NULL};
    static const char *const targets[] = {"target_treeids", "target_nodeids", "target_ids",
                                          "target_weights", NULL};
    static const char *const modes[] = {"BRANCH_LEQ", "BRANCH_LT",  "BRANCH_GTE",    "BRANCH_GT",
                                        "BRANCH_EQ",  "BRANCH_NEQ", "BRANCH_MEMBER", "LEAF"};
    const oxp_attr *a = oxp_call_attr(c, "nodes_modes");
    if (!same_lengths(c, nodes) || !same_lengths(c, votes) || !same_lengths(c, targets))
        return;
    for (size_t i = 0; a && a->type == OXP_ATTR_STRINGS && i < a->n; i++) {
        bool known = false;
        for (size_t k = 0; k < OXP_COUNT(modes); k++)
            known = known || (a->u.strings[i].data && strcmp(a->u.strings[i].data, modes[k]) == 0);
        if (!known) {
            oxp_op_invalid(c, "nodes_modes has a value that is no mode");
            return;
        }
    }
    check_branches(c, a && a->type == OXP_ATTR_STRINGS ? a : NULL);
    size_t n;
    const int64_t *ids = oxp_call_ints(c, "target_ids", &n);
    int64_t most = oxp_call_int(c, "n_targets", 1);
    for (size_t i = 0; ids && i < n; i++)
        if (ids[i] < 0 || ids[i] >= most) {
            oxp_op_invalid(c, "target %lld of %lld", (long long)ids[i], (long long)most);
            return;
        }
}

/* Vectors of an equal number of features; three parameters of the kernel or none. */
static void check_vectors(oxp_call *c, uint64_t vectors) {
    size_t n = oxp_call_length(c, "support_vectors"), k = oxp_call_length(c, "kernel_params");
    if (n == 0 && vectors)
        oxp_op_invalid(c, "support_vectors is missing");
    else if (k != 0 && k != 3)
        oxp_op_invalid(c, "kernel_params has %zu values, not 3", k);
    else if (vectors && n % vectors != 0)
        oxp_op_invalid(c, "%zu values of %llu support vectors", n, (unsigned long long)vectors);
    else if (vectors)
        check_features(c, n / vectors, true);
}

static void infer_tree_classifier(oxp_call *c) {
    check_trees(c);
    set_classes(c, classes(c, "classlabels_int64s"));
}

static void infer_linear_classifier(oxp_call *c) {
    size_t e = classes(c, "classlabels_ints");
    size_t scores = oxp_call_length(c, "intercepts");
    if (scores == 0)
        oxp_op_invalid(c, "intercepts is missing");
    else if (oxp_call_length(c, "coefficients") % scores != 0)
        oxp_op_invalid(c, "%zu coefficients for %zu intercepts", oxp_call_length(c, "coefficients"),
                       scores);
    else
        check_features(c, oxp_call_length(c, "coefficients") / scores, false);
    set_classes(c, e >= 2 ? e : scores > e ? scores : e);
}

/* Pairwise decisions unless there are probabilities. */
static void infer_svm_classifier(oxp_call *c) {
    size_t n_per;
    uint64_t vectors = 0;
    const int64_t *per = oxp_call_ints(c, "vectors_per_class", &n_per);
    for (size_t i = 0; per && i < n_per; i++)
        vectors = oxp_sat_add(vectors, per[i] > 0 ? (uint64_t)per[i] : 0);
    check_vectors(c, vectors);
    size_t e = classes(c, "classlabels_ints");
    bool plain = oxp_call_length(c, "prob_a") != 0 || oxp_call_length(c, "vectors_per_class") == 0;
    set_classes(c, plain ? e : e == 2 ? 2 : e < 65536 ? e * (e - (e > 0)) / 2 : 0);
}

static void set_columns(oxp_call *c, oxp_dtype t, oxp_dim columns) {
    oxp_dim d[2] = {rows(oxp_input(c, 0)), columns};
    if (c->n_out)
        oxp_set(c, 0, t, 2, d);
}

static void infer_tree_regressor(oxp_call *c) {
    check_trees(c);
    set_columns(c, OXP_FLOAT, oxp_dim_literal(oxp_call_int(c, "n_targets", 1)));
}

static void infer_tree_ensemble(oxp_call *c) {
    set_columns(c, oxp_elem_type(oxp_input(c, 0)),
                oxp_dim_literal(oxp_call_int(c, "n_targets", 1)));
}

static void infer_linear_regressor(oxp_call *c) {
    int64_t targets = oxp_call_int(c, "targets", 1);
    size_t n = oxp_call_length(c, "coefficients");
    if (n == 0)
        oxp_op_invalid(c, "coefficients is missing");
    else if (targets > 0 && n % (size_t)targets != 0)
        oxp_op_invalid(c, "%zu coefficients for %lld targets", n, (long long)targets);
    else if (targets > 0)
        check_features(c, n / (size_t)targets, false);
    set_columns(c, OXP_FLOAT, oxp_dim_literal(oxp_call_int(c, "targets", 1)));
}

static void infer_svm_regressor(oxp_call *c) {
    int64_t n = oxp_call_int(c, "n_supports", 0);
    check_vectors(c, n > 0 ? (uint64_t)n : 0);
    set_columns(c, OXP_FLOAT, 1);
}

static void infer_float_like(oxp_call *c) {
    if (c->n_out)
        oxp_set_shape_of(c, 0, OXP_FLOAT, oxp_input(c, 0));
}

static void infer_features(oxp_call *c) {
    size_t n;
    const int64_t *v = oxp_call_ints(c, "inputdimensions", &n);
    oxp_dim sum = v ? 0 : OXP_DIM_UNKNOWN;
    if (n != c->n_in)
        oxp_op_invalid(c, "inputdimensions has %zu values for %u inputs", n, c->n_in);
    for (uint32_t i = 1; i < c->n_in; i++)
        if (oxp_rank(oxp_input(c, 0)) == 2 && oxp_rank(oxp_input(c, i)) == 2 &&
            !oxp_same_size(c, i, 0, oxp_dim_of(oxp_input(c, 0), 0)))
            return;
    for (size_t i = 0; v && i < n; i++)
        sum = oxp_dim_add(c->dims, sum, oxp_dim_literal(v[i]));
    set_columns(c, OXP_FLOAT, sum);
}

/* X[..., Y]; a vector counts as one row. */
static void infer_extract(oxp_call *c) {
    const oxp_fact *x = oxp_input(c, 0);
    int rank = oxp_rank(x);
    oxp_dim n = oxp_elements(c->dims, oxp_input(c, 1));
    if (rank < 1) {
        oxp_infer_rankless(c);
        return;
    }
    (void)oxp_indices_within(c, 1, 0, 1, oxp_dim_of(x, -1));
    oxp_dim *d = oxp_dims_dup(c, x, 1);
    if (rank == 1)
        d[rank++] = 1;
    d[0] = oxp_rank(x) == 1 ? 1 : d[0];
    d[rank - 1] = n;
    oxp_set(c, 0, oxp_elem_type(x), rank, d);
}

static oxp_dtype encoded_type(oxp_call *c) {
    const oxp_attr *t = oxp_call_attr(c, "values_tensor");
    if (t && t->type == OXP_ATTR_TENSOR && t->u.id < oxp_tensor_count(c->model))
        return oxp_tensor_at(c->model, t->u.id)->dtype;
    if (oxp_call_length(c, "values_strings"))
        return OXP_STRING;
    if (oxp_call_length(c, "values_floats"))
        return OXP_FLOAT;
    if (oxp_call_length(c, "values_int64s"))
        return OXP_INT64;
    return oxp_elem_type(oxp_input(c, 0)) == OXP_STRING ? OXP_INT64 : OXP_STRING;
}

/* Keys and values of a version from 2 on: pairs. */
static void check_pairs(oxp_call *c) {
    static const char *const keys[] = {"keys_strings", "keys_int64s", "keys_floats", "keys_tensor",
                                       NULL};
    static const char *const values[] = {"values_strings", "values_int64s", "values_floats",
                                         "values_tensor", NULL};
    static const char *const lists[] = {
        "keys_strings",  "keys_int64s",   "keys_floats", "values_strings",
        "values_int64s", "values_floats", NULL};
    static const oxp_dtype types[] = {OXP_STRING, OXP_INT64, OXP_FLOAT};
    if (c->opset < 2 || !one_of(c, keys, "keys") || !one_of(c, values, "values"))
        return;
    if (!oxp_call_attr(c, keys[3]) && !oxp_call_attr(c, values[3]) && !same_lengths(c, lists))
        return;
    oxp_dtype t = oxp_elem_type(oxp_input(c, 0));
    for (int i = 0; i < 3; i++)
        if (oxp_call_length(c, keys[i]) && t != OXP_UNDEFINED && t != types[i])
            oxp_op_error(c, "%s are keys for an input of %s", keys[i], oxp_dtype_name(t));
}

static void infer_labels(oxp_call *c) {
    check_pairs(c);
    if (c->n_out)
        oxp_set_shape_of(c, 0, encoded_type(c), oxp_input(c, 0));
}

static void infer_category(oxp_call *c) {
    bool text = oxp_elem_type(oxp_input(c, 0)) == OXP_STRING;
    if (c->n_out)
        oxp_set_shape_of(c, 0, text ? OXP_INT64 : OXP_STRING, oxp_input(c, 0));
}

static void infer_imputer(oxp_call *c) {
    static const char *const lists[] = {"imputed_value_floats", "imputed_value_int64s", NULL};
    oxp_infer_like(c);
    (void)one_of(c, lists, "values");
}

/* One offset and scale, or one for each feature. */
static void infer_scaler(oxp_call *c) {
    infer_float_like(c);
    size_t offsets = oxp_call_length(c, "offset"), scales = oxp_call_length(c, "scale");
    check_features(c, offsets > 1 ? offsets : 0, true);
    check_features(c, scales > 1 ? scales : 0, true);
    if (scales == 0)
        oxp_op_invalid(c, "scale is missing");
}

static void infer_one_hot(oxp_call *c) {
    static const char *const lists[] = {"cats_int64s", "cats_strings", NULL};
    (void)one_of(c, lists, "categories");
    const oxp_fact *x = oxp_input(c, 0);
    int rank = oxp_rank(x);
    size_t e = oxp_call_length(c, "cats_int64s") + oxp_call_length(c, "cats_strings");
    if (rank < 0) {
        oxp_set_unknown_rank(c, 0, OXP_FLOAT);
        return;
    }
    oxp_dim *d = oxp_dims_dup(c, x, 1);
    d[rank] = e <= INT32_MAX ? (oxp_dim)e : OXP_DIM_UNKNOWN;
    oxp_set(c, 0, OXP_FLOAT, rank + 1, d);
}

/* A sequence of maps from label to score. */
static void infer_zipmap(oxp_call *c) {
    oxp_type *value = OXP_NEW(c->arena, oxp_type), *map = OXP_NEW(c->arena, oxp_type);
    *value = (oxp_type){.kind = OXP_KIND_TENSOR, .elem = OXP_FLOAT, .rank = 0};
    *map = (oxp_type){.kind = OXP_KIND_MAP, .elem = label_type(c), .rank = -1, .of = value};
    if (c->n_out)
        c->out[0].type = (oxp_type){.kind = OXP_KIND_SEQUENCE, .rank = -1, .of = map};
}

static oxp_dtype map_value(const oxp_fact *x) {
    if (x && x->type.kind == OXP_KIND_MAP && x->type.of)
        return x->type.of->elem;
    return OXP_UNDEFINED;
}

static void infer_cast_map(oxp_call *c) {
    const char *to = oxp_call_string(c, "cast_to", "TO_FLOAT");
    oxp_dtype t = strcmp(to, "TO_STRING") == 0  ? OXP_STRING
                  : strcmp(to, "TO_INT64") == 0 ? OXP_INT64
                                                : OXP_FLOAT;
    oxp_dim d[2] = {1, oxp_dim_literal(oxp_call_int(c, "max_map", 1))};
    if (oxp_call_string(c, "map_form", "DENSE")[0] != 'S')
        d[1] = oxp_dim_fresh(c->dims);
    if (c->n_out)
        oxp_set(c, 0, t, 2, d);
}

static void infer_dict(oxp_call *c) {
    size_t n = oxp_call_length(c, "string_vocabulary") + oxp_call_length(c, "int64_vocabulary");
    oxp_dim d[2] = {1, n <= INT32_MAX ? (oxp_dim)n : OXP_DIM_UNKNOWN};
    if (c->n_out)
        oxp_set(c, 0, map_value(oxp_input(c, 0)), 2, d);
}

static bool row_count(const oxp_call *c, uint64_t *n) {
    return oxp_dim_count(rows(oxp_input(c, 0)), n);
}

/* One comparison for each tree is sure; how deep a row goes depends on it. */
static void cost_trees(const oxp_call *c, oxp_cost *cost) {
    size_t n;
    uint64_t r, trees = oxp_call_length(c, "tree_roots");
    const int64_t *ids = oxp_call_ints(c, "nodes_treeids", &n);
    for (size_t i = 0; ids && i < n; i++)
        trees += i == 0 || ids[i] != ids[i - 1];
    if (!row_count(c, &r))
        return;
    oxp_cost_flops(cost, oxp_sat_mul(r, trees));
    cost->at_least = true;
}

/* Every coefficient is used once per row. */
static void cost_linear(const oxp_call *c, oxp_cost *cost) {
    uint64_t r;
    size_t k = oxp_call_length(c, "coefficients");
    if (row_count(c, &r))
        oxp_cost_macs(cost, oxp_sat_mul(r, k), oxp_sat_mul(r, oxp_call_length(c, "intercepts")));
}

/* Products with all support vectors, then with their coefficients. */
static void cost_svm(const oxp_call *c, oxp_cost *cost) {
    uint64_t r;
    uint64_t k =
        oxp_sat_add(oxp_call_length(c, "support_vectors"), oxp_call_length(c, "coefficients"));
    if (row_count(c, &r))
        oxp_cost_macs(cost, oxp_sat_mul(r, k), 0);
}

/* Difference and product. */
static void cost_scaler(const oxp_call *c, oxp_cost *cost) {
    oxp_cost_per_in(c, cost, 2);
}

static void cost_normalizer(const oxp_call *c, oxp_cost *cost) {
    oxp_cost_per_in(c, cost, 3);
}

#define M OXP_OP_MOVE
#define E OXP_OP_ELEMENTWISE
static const oxp_op table[] = {
    {"TreeEnsembleClassifier", ML, 0, 0, infer_tree_classifier, cost_trees, NULL},
    {"TreeEnsembleRegressor", ML, 0, 0, infer_tree_regressor, cost_trees, NULL},
    {"TreeEnsemble", ML, 0, 0, infer_tree_ensemble, cost_trees, NULL},
    {"LinearClassifier", ML, 0, 0, infer_linear_classifier, cost_linear, NULL},
    {"LinearRegressor", ML, 0, 0, infer_linear_regressor, cost_linear, NULL},
    {"SVMClassifier", ML, 0, 0, infer_svm_classifier, cost_svm, NULL},
    {"SVMRegressor", ML, 0, 0, infer_svm_regressor, cost_svm, NULL},
    {"Scaler", ML, E, 0, infer_scaler, cost_scaler, NULL},
    {"Normalizer", ML, OXP_OP_NORM, 0, infer_float_like, cost_normalizer, NULL},
    {"Imputer", ML, E, 0, infer_imputer, NULL, NULL},
    {"Binarizer", ML, E, 0, oxp_infer_like, NULL, NULL},
    {"FeatureVectorizer", ML, M, 0, infer_features, NULL, NULL},
    {"ArrayFeatureExtractor", ML, M, 0, infer_extract, NULL, NULL},
    {"LabelEncoder", ML, M, 0, infer_labels, NULL, NULL},
    {"CategoryMapper", ML, M, 0, infer_category, NULL, NULL},
    {"OneHotEncoder", ML, M, 0, infer_one_hot, NULL, NULL},
    {"ZipMap", ML, M, 0, infer_zipmap, oxp_cost_none, NULL},
    {"CastMap", ML, M, 0, infer_cast_map, oxp_cost_none, NULL},
    {"DictVectorizer", ML, M, 0, infer_dict, oxp_cost_none, NULL},
};

static const oxp_op_need needs[] = {
    {"TreeEnsembleClassifier TreeEnsembleRegressor",
     "post_transform{NONE,SOFTMAX,LOGISTIC,SOFTMAX_ZERO,PROBIT}; n_targets>=1; "
     "aggregate_function{AVERAGE,SUM,MIN,MAX}; 0:?,?"},
    {"LinearClassifier SVMClassifier LinearRegressor "
     "SVMRegressor",
     "post_transform{NONE,SOFTMAX,LOGISTIC,SOFTMAX_ZERO,PROBIT}; targets>=1; "
     "kernel_type{LINEAR,POLY,RBF,SIGMOID}; 0:?|?,?"},
    {"Normalizer", "norm{MAX,L1,L2}; 0:?|?,?"},
    {"CastMap", "cast_to{TO_FLOAT,TO_STRING,TO_INT64}; map_form{DENSE,SPARSE}"},
    {"ArrayFeatureExtractor", "0:?,*; 1>=0"},
};
const oxp_op_family oxp_ops_ml = {table, OXP_COUNT(table), needs, OXP_COUNT(needs)};
