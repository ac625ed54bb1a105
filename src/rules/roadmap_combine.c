/* roadmap_combine.c - sets of items applied to a copy, in order, analysed, measured. */
#include <stdlib.h>
#include <string.h>

#include "rewrite/project.h"
#include "rules/roadmap_impl.h"

enum { STAGES = 4, EXACT = 1 };

/* Changes of the function first, then of its form, then of its precision: a pass finds what it
 * looks for as long as the ones that rename and retype have not run. */
static int stage(const oxp_item *it) {
    const oxp_pass *pass =
        it->rule->projection.pass ? oxp_pass_find(it->rule->projection.pass) : NULL;
    if (!pass)
        return 3;
    return pass->fidelity == OXP_RETRAINING ? 0 : pass->fidelity == OXP_LOSSY ? 2 : EXACT;
}

bool oxp_is_exact_item(const oxp_item *it) {
    return stage(it) == EXACT;
}

bool oxp_narrows(const oxp_item *it) {
    return stage(it) >= 2;
}

/* Does it narrow stored weights only, and leave the arithmetic as it is? */
static bool stores_only(const oxp_item *it) {
    const oxp_rule_projection *p = &it->rule->projection;
    return !p->pass && p->weights && !p->precision && !p->products;
}

static int by_id(const void *x, const void *y) {
    oxp_id a = *(const oxp_id *)x, b = *(const oxp_id *)y;
    return a < b ? -1 : a > b;
}

/* The layers whose function an item changes, in the order of their ids. */
void oxp_note_layers(const oxp_advice *a, oxp_item *it) {
    if (stage(it) != 0)
        return;
    it->n_layers = it->result->n_nodes;
    oxp_id *layers = OXP_NEWS(a->arena, it->n_layers + 1, oxp_id);
    if (it->n_layers)
        memcpy(layers, it->result->nodes, it->n_layers * sizeof *layers);
    qsort(layers, it->n_layers, sizeof *layers, by_id);
    it->layers = layers;
}

/* Do they change half of the layers or more of the one that changes fewer? */
static bool share_layers(const oxp_item *x, const oxp_item *y) {
    size_t shared = 0, fewer = x->n_layers < y->n_layers ? x->n_layers : y->n_layers;
    for (size_t i = 0, k = 0; i < x->n_layers && k < y->n_layers;) {
        shared += x->layers[i] == y->layers[k];
        if (x->layers[i] < y->layers[k])
            i++;
        else
            k++;
    }
    return shared > 0 && 2 * shared >= fewer;
}

oxp_exclusive oxp_exclude(const oxp_item *x, const oxp_item *y) {
    if (x == y)
        return OXP_COMPATIBLE;
    if (stage(x) == 0 && stage(y) == 0)
        return share_layers(x, y) ? OXP_SAME_LAYERS : OXP_COMPATIBLE;
    if (!oxp_narrows(x) || !oxp_narrows(y))
        return OXP_COMPATIBLE;
    /* a float type for the arithmetic, and fewer bits for the weights at rest, go together */
    bool together = stage(x) != stage(y) && (stores_only(x) || stores_only(y));
    return together ? OXP_COMPATIBLE : OXP_SAME_NUMBERS;
}

/* ---- a set, applied and analysed ---- */
/* The model with the passes of a set's items, analysed, for as long as the next set has the same:
 * items without a pass change only the types that are imagined. */
struct oxp_company {
    bool *set;       /* its items, those with a pass */
    oxp_model *copy; /* NULL: none yet */
    oxp_arena *scratch;
    const oxp_analysis *analysis;
    oxp_imagined types;
    struct tried { /* sets that were measured */
        bool *set;
        oxp_metrics metrics;
    } * tried;
    size_t n_tried, cap;
};

oxp_company *oxp_company_new(const oxp_advice *a) {
    oxp_company *c = OXP_NEW(a->arena, oxp_company);
    c->set = OXP_NEWS(a->arena, a->n_items + 1, bool);
    return c;
}

void oxp_company_dismiss(oxp_company *c) {
    oxp_close(c->copy);
    oxp_arena_free(c->scratch);
    c->copy = NULL;
    c->scratch = NULL;
    c->analysis = NULL;
}

static bool has_pass(const oxp_item *it) {
    return it->rule->projection.pass != NULL;
}

/* The items in the order of their stages: passes to the copy (NULL: none of them), the rest to the
 * types. */
static void apply(const oxp_advice *a, const bool *set, oxp_model *copy, oxp_imagined *types) {
    oxp_whatif_done done;
    for (int k = 0; k < STAGES; k++)
        for (size_t i = 0; i < a->n_items; i++) {
            const oxp_rule_projection *p = &a->items[i].rule->projection;
            if (!set[i] || stage(&a->items[i]) != k)
                continue;
            if (copy)
                oxp_whatif_apply(&a->w, copy, a->items[i].result, types, &done);
            else
                oxp_imagine(p, types);
        }
}

const oxp_analysis *oxp_company_analysis(const oxp_advice *a, const bool *set, oxp_company *c,
                                         oxp_imagined *types) {
    bool as_before = c->analysis != NULL, any = false;
    for (size_t i = 0; i < a->n_items; i++) {
        bool wanted = set[i] && has_pass(&a->items[i]);
        as_before = as_before && c->set[i] == wanted;
        any = any || wanted;
        c->set[i] = wanted;
    }
    c->types = (oxp_imagined){OXP_UNDEFINED, OXP_UNDEFINED, OXP_UNDEFINED};
    if (!as_before) {
        oxp_company_dismiss(c);
        c->copy = any ? oxp_model_clone(a->m) : NULL;
        c->analysis = any ? NULL : a->r->analysis;
    }
    apply(a, set, as_before ? NULL : c->copy, &c->types);
    if (!c->analysis) {
        c->scratch = oxp_arena_new(a->ctx);
        c->analysis =
            oxp_analyze_remaining(c->copy, a->base.bindings, a->base.n_bindings, c->scratch);
    }
    *types = c->types;
    return c->analysis;
}

bool oxp_equal_sets(const oxp_advice *a, const bool *x, const bool *y) {
    return a->n_items == 0 || memcmp(x, y, a->n_items * sizeof *x) == 0;
}

/* Is this the only item of the set? */
static bool only(const oxp_advice *a, const bool *set, size_t at) {
    for (size_t i = 0; i < a->n_items; i++)
        if (set[i] != (i == at))
            return false;
    return true;
}

oxp_metrics oxp_together(const oxp_advice *a, const bool *set, oxp_company *c) {
    for (size_t i = 0; i < a->n_items; i++)
        if (set[i] && only(a, set, i))
            return a->items[i].after;
    for (size_t i = 0; i < c->n_tried; i++)
        if (oxp_equal_sets(a, c->tried[i].set, set))
            return c->tried[i].metrics;
    oxp_imagined types;
    const oxp_analysis *an = oxp_company_analysis(a, set, c, &types);
    c->tried = oxp_grow(a->arena, c->tried, &c->cap, c->n_tried + 1, sizeof *c->tried);
    struct tried *t = &c->tried[c->n_tried++];
    t->set = OXP_NEWS(a->arena, a->n_items + 1, bool);
    memcpy(t->set, set, a->n_items * sizeof *set);
    t->metrics = oxp_measure(&a->w, an, types, c->scratch ? c->scratch : a->arena);
    return t->metrics;
}
