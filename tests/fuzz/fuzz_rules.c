/* fuzz_rules.c - any bytes as a rule file: read, checked against the schema, compiled; the
 * expressions of what passes are evaluated on every node of a small model. */
#include <libxml/xpathInternals.h>
#include <string.h>

#include "analysis/facts.h"
#include "base/xml_memory.h"
#include "fuzz/fuzz.h"
#include "onnxpert/onnxpert.h"
#include "rules/rule.h"
#include "rules/tokens.h"
#include "rules/xpath.h"

#define SUBJECT "fixtures/models/resnet_mini/model.onnx"

enum { THINGS = 3, OPERATIONS = 20000 }; /* enough of each for an expression to go wrong */

/* The model that expressions are asked about: made once. */
static const oxp_facts *subject(void) {
    static const oxp_facts *facts;
    if (facts)
        return facts;
    oxp_ctx *ctx = oxp_ctx_new(0);
    oxp_arena *arena = oxp_arena_new(ctx);
    oxp_model *m;
    const oxp_analysis *a;
    oxp_analyze_opts opts = OXP_ANALYZE_OPTS_INIT;
    FUZZ_CHECK(oxp_open(&m, ctx, SUBJECT) == OXP_OK);
    FUZZ_CHECK(oxp_analyze(&a, m, &opts, arena) == OXP_OK);
    oxp_facts *f = oxp_facts_new(a, oxp_device_find(arena, "t4"), arena);
    f->insight = oxp_insight_of(a, arena);
    return facts = f;
}

static void evaluate(oxp_scratch *s, const oxp_rule *r) {
    for (size_t i = 0; i < r->n_steps; i++) {
        xmlXPathCompExprPtr e = xmlXPathCtxtCompile(s->xp, BAD_CAST r->steps[i].expr);
        FUZZ_CHECK(e != NULL); /* it was checked */
        s->xp->opLimit = OPERATIONS;
        if (!oxp_expr_is_bare(r->steps[i].expr))
            oxp_scratch_complete(s);
        xmlXPathObjectPtr o = oxp_scratch_eval(s, e);
        FUZZ_CHECK(o || s->error[0]);
        if (o && r->steps[i].name)
            xmlXPathRegisterVariable(s->xp, BAD_CAST r->steps[i].name, o);
        else if (o)
            xmlXPathFreeObject(o);
        xmlXPathFreeCompExpr(e);
        if (!o)
            return;
    }
}

/* The i-th thing of the kind that a rule is about; false: there is none. */
static bool context_of(const oxp_rule *r, oxp_id i, oxp_id *id) {
    const oxp_facts *f = subject();
    const oxp_graph *g = oxp_graph_at(f->a->model, OXP_MAIN_GRAPH);
    *id = r->on == OXP_ON_MODEL ? OXP_NONE : i;
    if (r->on == OXP_ON_TENSOR && i < g->n_inits)
        *id = g->inits[i];
    return r->on == OXP_ON_MODEL    ? i == 0
           : r->on == OXP_ON_NODE   ? i < oxp_node_count(f->a->model)
           : r->on == OXP_ON_TENSOR ? i < g->n_inits
                                    : i < f->insight->n_blocks;
}

static void run_rule(const oxp_rule *r, oxp_arena *arena) {
    struct oxp_weight_stats *stats = NULL; /* in the context of this run */
    xmlDocPtr summary = NULL;
    oxp_id id;
    for (oxp_id i = 0; i < THINGS && context_of(r, i, &id); i++) {
        oxp_scratch s;
        FUZZ_CHECK(oxp_scratch_init(&s, subject(), arena));
        s.stats = &stats;
        s.summary = &summary;
        if (oxp_scratch_begin(&s, r->on, id))
            evaluate(&s, r);
        oxp_scratch_free(&s);
    }
    xmlFreeDoc(summary);
}

typedef struct job {
    oxp_ctx *ctx;
    const char *text;
    size_t size;
} job;

static void work(void *arg) {
    job *j = arg;
    oxp_rule_list list = {oxp_arena_new(j->ctx), NULL, 0, 0};
    oxp_rules_parse(&list, "fuzz.xml", j->text, j->size, false, true);
    oxp_xml_begin(j->ctx, 0);
    for (size_t i = 0; i < list.n; i++)
        run_rule(list.items[i], list.arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    subject();
    oxp_ctx *ctx = fuzz_ctx();
    job j = {ctx, (const char *)data, size};
    if (oxp_try(ctx, work, &j) != OXP_OK)
        fuzz_failed(ctx);
    oxp_ctx_free(ctx);
    xmlResetLastError(); /* its text is kept: a leak in the eyes of libFuzzer */
    return 0;
}
