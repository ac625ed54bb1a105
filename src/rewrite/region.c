/* region.c - the elementwise nodes between two layers. */
#include "rewrite/region.h"

#include "ops/op.h"

static bool passes_channels(const oxp_node *n) {
    uint32_t flags = n->def ? n->def->flags : 0;
    bool statistics = (flags & OXP_OP_NORM) && n->n_in == 5; /* scale, shift, mean, variance */
    return statistics || (flags & (OXP_OP_UNARY | OXP_OP_ELEMENTWISE | OXP_OP_ACTIVATION)) != 0;
}

static bool inside(const oxp_region *r, oxp_id node) {
    bool found = node == r->first;
    for (size_t i = 0; i < r->n && !found; i++)
        found = r->nodes[i] == node;
    return found;
}

/* Adds the readers of a value; false when the channels get out. */
static bool spread(oxp_run *run, oxp_region *r, oxp_id value, const char **why) {
    const oxp_model *m = oxp_run_model(run);
    const oxp_value *v = oxp_value_at(m, value);
    *why = "its result is an output of the graph";
    if (v->outputs)
        return false;
    for (oxp_id u = v->first_use; u != OXP_NONE; u = oxp_use_at(m, u)->next) {
        oxp_id id = oxp_use_at(m, u)->node;
        const oxp_node *n = oxp_node_at(m, id);
        if (inside(r, id) || id == r->last)
            continue;
        if (passes_channels(n)) {
            *why = "too many nodes lie between it and the next layer";
            if (r->n == OXP_REGION_MAX)
                return false;
            r->nodes[r->n++] = id;
            continue;
        }
        *why = "more than one layer, or no layer, reads its result";
        if (r->last != OXP_NONE || n->graph != oxp_node_at(m, r->first)->graph)
            return false;
        r->last = id;
    }
    return true;
}

bool oxp_region_find(oxp_run *run, oxp_id first, oxp_region *out, const char **why) {
    const oxp_model *m = oxp_run_model(run);
    const oxp_analysis *a = oxp_run_analysis(run);
    *out = (oxp_region){.first = first, .last = OXP_NONE};
    oxp_id start = oxp_out(oxp_node_at(m, first), 0);
    if (start == OXP_NONE || !spread(run, out, start, why))
        return false;
    for (size_t i = 0; i < out->n; i++) {
        oxp_id v = oxp_out(oxp_node_at(m, out->nodes[i]), 0);
        if (v == OXP_NONE || !spread(run, out, v, why))
            return false;
    }
    *why = "its result is added to that of another layer";
    for (size_t i = 0; i < out->n; i++) {
        const oxp_node *n = oxp_node_at(m, out->nodes[i]);
        for (uint32_t k = 0; k < n->n_in; k++)
            if (n->in[k] != OXP_NONE && oxp_value_at(m, n->in[k])->tensor == OXP_NONE &&
                !a->values[n->in[k]].constant && !inside(out, oxp_value_at(m, n->in[k])->producer))
                return false;
    }
    *why = "no layer reads its result";
    return out->last != OXP_NONE;
}

void oxp_region_resize(oxp_patch *p, oxp_run *run, const oxp_region *r, int64_t from, int64_t to) {
    const oxp_model *m = oxp_run_model(run);
    for (size_t i = 0; i < r->n; i++) {
        const oxp_node *n = oxp_node_at(m, r->nodes[i]);
        for (uint32_t k = 0; k < n->n_in; k++) {
            int64_t dims[8];
            oxp_id v = n->in[k];
            if (v == OXP_NONE || oxp_value_at(m, v)->tensor == OXP_NONE)
                continue;
            const oxp_tensor *t = oxp_tensor_at(m, oxp_value_at(m, v)->tensor);
            int wide = -1;
            for (int d = 0; d < t->rank && d < 8; d++) {
                dims[d] = t->dims[d];
                wide = dims[d] == from ? d : wide;
            }
            if (wide < 0 || t->count != (uint64_t)from || t->rank > 8)
                continue; /* a scalar, or no constant by channel */
            dims[wide] = to;
            oxp_id tensor = oxp_patch_tensor_imagined(p, "channels", t->dtype, t->rank, dims);
            oxp_patch_input(p, r->nodes[i], k, oxp_patch_initializer(p, n->graph, tensor));
            n = oxp_node_at(m, r->nodes[i]);
        }
    }
}

/* Of a tensor itself, which a patch of this run may have made; else as analysed. */
int oxp_weight_dims(oxp_run *run, const oxp_node *n, int64_t *dims, oxp_dtype *type) {
    const oxp_model *m = oxp_run_model(run);
    oxp_id w = oxp_in(n, 1);
    if (w == OXP_NONE)
        return 0;
    oxp_id tensor = oxp_value_at(m, w)->tensor;
    const oxp_value_info *info = tensor == OXP_NONE ? &oxp_run_analysis(run)->values[w] : NULL;
    const oxp_type *t = info ? &info->type : NULL;
    if (info && !info->constant) /* the product of two activations has no weight */
        return 0;
    int rank = t ? t->rank : oxp_tensor_at(m, tensor)->rank;
    if ((t && t->kind != OXP_KIND_TENSOR) || rank < 2 || rank > 6)
        return 0;
    *type = t ? t->elem : oxp_tensor_at(m, tensor)->dtype;
    for (int i = 0; i < rank; i++) {
        dims[i] = t ? t->dims[i] : oxp_tensor_at(m, tensor)->dims[i];
        if (!oxp_dim_is_literal(dims[i]) || dims[i] < 1)
            return 0;
    }
    return rank;
}
