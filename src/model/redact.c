/* redact.c - a model without its names: for reports that leave the house.
 *
 * Names of nodes, tensors, inputs, dimensions, graphs, custom operators and domains, metadata, the
 * producer and the path become neutral ones, the same everywhere.  Standard operators and domains
 * stay.  Diagnostics that were made before still have the old names. */
#include <string.h>

#include "base/intern.h"
#include "model/model_impl.h"

/* One kind of names: the new one of each old one, numbered by first appearance. */
typedef struct naming {
    const char *stem;
    oxp_map *number; /* by interned old name */
    const char **fresh;
    size_t n, cap;
} naming;

typedef struct pair {
    const char *old, *fresh;
} pair;

struct oxp_redaction {
    pair *pairs; /* names that a user may give: dimensions and inputs */
    size_t n, cap;
};

typedef struct redactor {
    oxp_model *m;
    naming nodes, values, inputs, outputs, dims, graphs, ops, domains, attrs;
    struct oxp_redaction *kept;
} redactor;

static const char *rename_as(redactor *r, naming *k, const char *old) {
    uint32_t i;
    if (old == NULL || *old == '\0')
        return old;
    old = oxp_model_name(r->m, old, strlen(old));
    if (k->number == NULL)
        k->number = oxp_map_new(r->m->arena);
    if (oxp_map_get(k->number, (uintptr_t)old, &i))
        /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): the map's are in fresh */
        return k->fresh[i];
    k->fresh = oxp_grow(r->m->arena, k->fresh, &k->cap, k->n + 1, sizeof *k->fresh);
    const char *text = oxp_sprintf(r->m->arena, "%s_%zu", k->stem, k->n + 1);
    oxp_map_set(k->number, (uintptr_t)old, (uint32_t)k->n);
    return k->fresh[k->n++] = oxp_model_name(r->m, text, strlen(text));
}

static void keep(redactor *r, const char *old, const char *fresh) {
    struct oxp_redaction *k = r->kept;
    k->pairs = oxp_grow(r->m->arena, k->pairs, &k->cap, k->n + 1, sizeof *k->pairs);
    k->pairs[k->n++] = (pair){old, fresh};
}

static bool is_standard(const char *domain) {
    static const char *const known[] = {"", "ai.onnx", "com.ms.internal.nhwc"};
    static const char *const families[] = {"ai.onnx.", "com.microsoft"};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(domain, known[i]) == 0)
            return true;
    for (size_t i = 0; i < sizeof families / sizeof *families; i++)
        if (strncmp(domain, families[i], strlen(families[i])) == 0)
            return true;
    return false;
}

static const char *new_domain(redactor *r, const char *old) {
    return is_standard(old) ? old : rename_as(r, &r->domains, old);
}

/* ---- values ---- */

/* The kind of name that a value has already got, or gets. */
static const char *new_value_name(redactor *r, const char *old) {
    naming *const first[] = {&r->inputs, &r->outputs};
    uint32_t i;
    for (size_t k = 0; k < 2; k++)
        if (first[k]->number != NULL && oxp_map_get(first[k]->number, (uintptr_t)old, &i))
            return first[k]->fresh[i];
    return rename_as(r, &r->values, old);
}

static void redact_interface(redactor *r) {
    const oxp_model *m = r->m;
    const oxp_graph *g = &m->graphs[OXP_MAIN_GRAPH];
    for (uint32_t i = 0; i < g->n_inputs; i++) {
        const oxp_value *v = &m->values[g->inputs[i]];
        if (v->tensor == OXP_NONE)
            keep(r, v->name, rename_as(r, &r->inputs, v->name));
    }
    for (uint32_t i = 0; i < g->n_outputs; i++) {
        const oxp_value *v = &m->values[g->outputs[i]];
        uint32_t known;
        if (r->inputs.number == NULL || !oxp_map_get(r->inputs.number, (uintptr_t)v->name, &known))
            (void)rename_as(r, &r->outputs, v->name);
    }
}

static const char *new_dim(void *arg, const char *old) {
    redactor *r = arg;
    const char *fresh = rename_as(r, &r->dims, old);
    keep(r, oxp_strdup(r->m->arena, old), fresh);
    return fresh;
}

/* ---- the rest ---- */

static void redact_node(redactor *r, oxp_node *n) {
    n->name = rename_as(r, &r->nodes, n->name);
    bool known =
        n->def != NULL || (n->function == OXP_NONE && *n->domain && is_standard(n->domain));
    if (!known)
        n->op = rename_as(r, &r->ops, n->op);
    n->domain = new_domain(r, n->domain);
    n->overload = rename_as(r, &r->attrs, n->overload);
}

static void redact_functions(redactor *r) {
    for (size_t i = 0; i < r->m->n_functions; i++) {
        oxp_function *f = &r->m->functions[i];
        f->name = rename_as(r, &r->ops, f->name);
        f->domain = new_domain(r, f->domain);
        f->overload = rename_as(r, &r->attrs, f->overload);
        oxp_opset *opsets = OXP_NEWS(r->m->arena, f->n_opsets + 1, oxp_opset);
        for (uint32_t k = 0; k < f->n_opsets; k++)
            opsets[k] = (oxp_opset){new_domain(r, f->opsets[k].domain), f->opsets[k].version};
        f->opsets = opsets;
    }
}

static void redact_graphs(redactor *r) {
    for (size_t i = 0; i < r->m->n_graphs; i++) {
        oxp_graph *g = &r->m->graphs[i];
        g->name = rename_as(r, &r->graphs, g->name);
        if (g->kind == OXP_GRAPH_SUB && r->m->nodes[g->owner].def == NULL)
            g->attr = rename_as(r, &r->attrs, g->attr);
    }
}

static void redact_header(redactor *r, const char *path) {
    oxp_model *m = r->m;
    m->path = oxp_strdup(m->arena, path);
    m->producer = m->producer && *m->producer ? "redacted" : m->producer;
    m->producer_version = m->producer_version ? "" : NULL;
    m->domain = m->domain && *m->domain ? "redacted" : m->domain;
    for (size_t i = 0; i < m->n_opsets; i++)
        m->opsets[i].domain = new_domain(r, m->opsets[i].domain);
    for (size_t i = 0; i < m->n_metas; i++)
        m->metas[i] = (oxp_meta){oxp_sprintf(m->arena, "metadata_%zu", i + 1), "redacted"};
}

void oxp_model_redact(oxp_model *m, const char *path) {
    redactor r = {.m = m,
                  .nodes = {.stem = "node"},
                  .values = {.stem = "tensor"},
                  .inputs = {.stem = "input"},
                  .outputs = {.stem = "output"},
                  .dims = {.stem = "dim"},
                  .graphs = {.stem = "graph"},
                  .ops = {.stem = "custom_op"},
                  .domains = {.stem = "custom_domain"},
                  .attrs = {.stem = "attr"},
                  .kept = OXP_NEW(m->arena, struct oxp_redaction)};
    redact_graphs(&r); /* before the nodes' operators are gone */
    redact_interface(&r);
    for (size_t i = 0; i < m->n_values; i++)
        m->values[i].name = new_value_name(&r, m->values[i].name);
    for (size_t i = 0; i < m->n_tensors; i++)
        m->tensors[i].name = new_value_name(&r, m->tensors[i].name);
    for (size_t i = 0; i < m->n_nodes; i++)
        redact_node(&r, &m->nodes[i]);
    redact_functions(&r);
    oxp_dims_rename(m->dims, new_dim, &r);
    redact_header(&r, path);
    m->redaction = r.kept;
}

const char *oxp_model_redacted(const oxp_model *m, const char *name) {
    const struct oxp_redaction *k = m->redaction;
    if (k == NULL)
        return name;
    for (size_t i = 0; i < k->n; i++)
        if (strcmp(k->pairs[i].old, name) == 0)
            return k->pairs[i].fresh;
    for (size_t i = 0; i < k->n; i++) { /* an unnamed dimension is called by its input: "x_dim_0" */
        size_t len = strlen(k->pairs[i].old);
        if (strncmp(k->pairs[i].old, name, len) == 0 && strncmp(name + len, "_dim_", 5) == 0)
            return oxp_sprintf(m->arena, "%s%s", k->pairs[i].fresh, name + len);
    }
    return name;
}
