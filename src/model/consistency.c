/* consistency.c - what is wrong with a model that can be read all the same: a diagnostic each, and
 * the work goes on.  Runtimes refuse to load such a model. */
#include <stdio.h>
#include <string.h>

#include "model/load.h"
#include "ops/op.h"

enum {
    SAID_MAX = 32
}; /* diagnostics of a kind: a generated file may repeat its fault a million times */

/* ---- names ---- */

/* Two nodes of one graph with the same name.  Constants do not count: runtimes make initializers of
 * them first.  Graph by graph, so that `seen` needs one entry a
 * name. */
static void check_node_names(oxp_loader *l) {
    const oxp_model *m = l->m;
    size_t cap = 0, said = 0;
    uint32_t *seen = NULL; /* by number of the name: 1 + the graph that had it last */
    for (uint32_t g = 0; g < m->n_graphs; g++) {
        for (oxp_id id = m->graphs[g].first; id != OXP_NONE; id = m->nodes[id].next) {
            const oxp_node *n = &m->nodes[id];
            uint32_t number;
            if (!n->name[0] || oxp_model_is_constant(n))
                continue;
            oxp_intern_number(m->names, n->name, strlen(n->name), &number);
            if (number >= cap)
                seen = oxp_grow(l->scratch, seen, &cap, (size_t)number + 1, sizeof *seen);
            if (seen[number] == g + 1 && said++ < SAID_MAX)
                oxp_diagnose(l->ctx, OXP_ERROR, "duplicate-name", n->name,
                             "%.80s: another node of its graph has the same name", n->op);
            seen[number] = g + 1;
        }
    }
}

/* ---- operator sets ---- */

static bool imports(const oxp_opset *o, size_t n, const char *domain) {
    for (size_t i = 0; i < n; i++)
        if (o[i].domain == domain || !strcmp(o[i].domain, domain))
            return true;
    return false;
}

/* Domains that a runtime brings along, whether they are imported or not. */
static bool is_built_in(const char *domain) {
    static const char *const known[] = {"ai.onnx.ml", "ai.onnx.training",
                                        "ai.onnx.preview.training"};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (!strcmp(domain, known[i]))
            return true;
    return !strncmp(domain, "com.microsoft", 13);
}

/* Every domain that a node uses is imported by the model, or by the function it stands in.  Custom
 * operators that are registered with a runtime work without. */
static void check_imports(oxp_loader *l) {
    const oxp_model *m = l->m;
    const char *last = NULL;
    uint32_t last_root = OXP_NONE;
    size_t said = 0;
    for (oxp_id id = 0; id < m->n_nodes && said < SAID_MAX; id++) {
        const oxp_node *n = &m->nodes[id];
        uint32_t root = l->graphs[n->graph].root;
        if (n->domain == last && root == last_root && !m->n_functions)
            continue;
        last = n->domain;
        last_root = root;
        bool inside = m->graphs[root].kind == OXP_GRAPH_FUNCTION;
        const oxp_function *f = inside ? &m->functions[m->graphs[root].owner] : NULL;
        if (inside ? imports(f->opsets, f->n_opsets, n->domain)
                   : imports(m->opsets, m->n_opsets, n->domain) || is_built_in(n->domain))
            continue;
        said++;
        oxp_severity severity = inside || n->function != OXP_NONE ? OXP_ERROR : OXP_WARNING;
        oxp_diagnose(l->ctx, severity, "opset-missing", oxp_node_label(m, id, l->temp),
                     "%.80s: its domain '%.120s' is not imported by %s%.120s%s", n->op,
                     n->domain[0] ? n->domain : "ai.onnx", inside ? "its function '" : "the model",
                     inside ? f->name : "", inside ? "'" : "");
    }
}

/* A node of a domain whose functions the model brings, but not this one: nothing to run, unless it
 * is of a domain in which runtimes have operators of their own. */
static void check_missing_functions(oxp_loader *l) {
    const oxp_model *m = l->m;
    size_t said = 0;
    for (oxp_id id = 0; m->n_functions && id < m->n_nodes && said < SAID_MAX; id++) {
        const oxp_node *n = &m->nodes[id];
        bool same_domain = false;
        for (size_t i = 0; n->function == OXP_NONE && !n->def && i < m->n_functions && !same_domain;
             i++)
            same_domain = m->functions[i].domain == n->domain;
        if (!same_domain)
            continue;
        said++;
        bool open = !n->domain[0] || !strcmp(n->domain, "ai.onnx") || is_built_in(n->domain);
        oxp_diagnose(l->ctx, open ? OXP_WARNING : OXP_ERROR, "function-missing",
                     oxp_node_label(m, id, l->temp),
                     "the model has functions of domain '%.120s', but none named '%.80s'%s%.80s%s",
                     n->domain, n->op, n->overload[0] ? " with overload '" : "", n->overload,
                     n->overload[0] ? "'" : "");
    }
}

/* ---- functions ---- */

static void check_signatures(oxp_loader *l) {
    const oxp_model *m = l->m;
    for (size_t i = 0; i < m->n_functions; i++) {
        const oxp_graph *g = &m->graphs[m->functions[i].graph];
        for (uint32_t k = 0; k < g->n_outputs; k++) {
            const oxp_value *v = &m->values[g->outputs[k]];
            const char *why = v->is_input      ? "is one of its inputs"
                              : v->outputs > 1 ? "is named more than once"
                                               : NULL;
            if (why)
                oxp_diagnose(l->ctx, OXP_ERROR, "function-output", m->functions[i].name,
                             "output '%.120s' of the function %s", v->name, why);
        }
    }
}

/* ---- declared types ---- */

/* An initializer that is listed as an input too has the type and shape declared there. */
static void check_initializer(oxp_loader *l, const oxp_value *v) {
    const oxp_tensor *t = &l->m->tensors[v->tensor];
    const oxp_type *d = v->declared, own = {OXP_KIND_TENSOR, t->dtype, t->rank, t->dims, NULL};
    char declared[OXP_TYPE_TEXT];
    if (!v->is_input || !d)
        return;
    if (!oxp_types_agree(d, &own)) {
        oxp_diagnose(l->ctx, OXP_ERROR, "type-conflict", v->name,
                     "the initializer is %s, as an input it is declared %s",
                     oxp_dtype_name(t->dtype), oxp_type_brief(d, declared));
    } else if (d->kind == OXP_KIND_TENSOR && d->rank >= 0 && d->rank != t->rank) {
        oxp_diagnose(l->ctx, OXP_ERROR, "shape-conflict", v->name,
                     "the initializer has rank %d, as an input it is declared with %d", t->rank,
                     d->rank);
    } else {
        for (int k = 0; d->kind == OXP_KIND_TENSOR && k < d->rank; k++)
            if (oxp_dim_is_literal(d->dims[k]) && d->dims[k] != t->dims[k]) {
                oxp_diagnose(l->ctx, OXP_ERROR, "shape-conflict", v->name,
                             "dimension %d of the initializer is %lld, as an input it is declared "
                             "with %lld",
                             k, (long long)t->dims[k], (long long)d->dims[k]);
                return;
            }
    }
}

static void check_main_interface(oxp_loader *l) {
    const oxp_model *m = l->m;
    const oxp_graph *g = &m->graphs[OXP_MAIN_GRAPH];
    for (uint32_t i = 0; i < g->n_inputs; i++) {
        const oxp_value *v = &m->values[g->inputs[i]];
        const oxp_type *d = v->declared;
        if (v->tensor == OXP_NONE && (!d || d->kind == OXP_KIND_UNKNOWN))
            oxp_diagnose(l->ctx, OXP_ERROR, "type-missing", v->name, "the input has no type");
    }
    if (!g->n_outputs)
        oxp_diagnose(l->ctx, OXP_WARNING, "no-outputs", g->name, "the graph has no outputs");
}

static bool lacks_element(const oxp_type *t) {
    while (t && t->of)
        t = t->of;
    return t && (t->kind == OXP_KIND_TENSOR || t->kind == OXP_KIND_SPARSE) &&
           t->elem == OXP_UNDEFINED;
}

static void check_types(oxp_loader *l) {
    const oxp_model *m = l->m;
    size_t said = 0;
    for (oxp_id i = 0; i < m->n_values && said < SAID_MAX; i++) {
        const oxp_value *v = &m->values[i];
        if (v->tensor != OXP_NONE)
            check_initializer(l, v);
        if (v->graph != OXP_MAIN_GRAPH || !lacks_element(v->declared))
            continue;
        said++;
        oxp_diagnose(l->ctx, OXP_ERROR, "type-missing", v->name,
                     "it is declared as a tensor without an element type");
    }
}

void oxp_load_check(oxp_loader *l) {
    oxp_mark mark = oxp_arena_mark(l->temp);
    check_node_names(l);
    check_imports(l);
    check_missing_functions(l);
    check_signatures(l);
    check_main_interface(l);
    check_types(l);
    oxp_arena_rewind(l->temp, mark);
}
