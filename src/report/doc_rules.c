/* doc_rules.c - the list of rules, and one rule explained. */
#include <string.h>

#include "rules/rule.h"

static oxp_doc *list_doc(const void *source, oxp_arena *arena) {
    static const char *const header[] = {"rule", "category", "phase", "effort", "risk", "title"};
    const oxp_rules *r = source;
    oxp_doc *d = oxp_doc_new(arena, "Rules");
    oxp_block *b = oxp_doc_block(d, OXP_TABLE, 6);
    b->header = header;
    for (size_t i = 0; i < r->n; i++) {
        const oxp_rule *x = r->items[i];
        const char *cells[] = {
            x->id,   x->category, x->phase, oxp_level_name(x->effort), oxp_level_name(x->risk),
            x->title};
        oxp_doc_row(d, cells);
    }
    return d;
}

static void emit_head(oxp_json *j, const oxp_rule *x) {
    oxp_json_string(j, "id", x->id);
    oxp_json_string(j, "title", x->title);
    oxp_json_string(j, "category", x->category);
    oxp_json_string(j, "phase", x->phase);
    oxp_json_string(j, "effort", oxp_level_name(x->effort));
    oxp_json_string(j, "risk", oxp_level_name(x->risk));
    oxp_json_double(j, "confidence", x->confidence);
    oxp_json_string(j, "file", x->file);
    oxp_json_int(j, "line", x->line);
    oxp_json_string(j, "fix", x->fix);
    oxp_json_array(j, "needs");
    for (size_t i = 0; i < x->n_needs; i++)
        oxp_json_string(j, NULL, x->needs[i]);
    oxp_json_end(j);
}

static void list_emit(const void *source, oxp_json *j) {
    const oxp_rules *r = source;
    oxp_json_object(j, NULL);
    oxp_json_string(j, "schema", "onnxpert.rules/1");
    oxp_json_array(j, "rules");
    for (size_t i = 0; i < r->n; i++) {
        oxp_json_object(j, NULL);
        emit_head(j, r->items[i]);
        oxp_json_end(j);
    }
    oxp_json_end(j);
    oxp_json_end(j);
}

oxp_report oxp_report_rules(const oxp_rules *r) {
    oxp_report report = {.kind = "rules", .source = r, .doc = list_doc, .emit = list_emit};
    return report;
}

/* ---- what was checked ---- */
static oxp_doc *check_doc(const void *source, oxp_arena *arena) {
    const oxp_rules_checked *c = source;
    oxp_doc *d = oxp_doc_new(arena, c->path ? c->path : "Built-in rules");
    oxp_doc_para(d, "%zu rule%s, %zu example%s: all as they should be.", c->rules,
                 c->rules == 1 ? "" : "s", c->examples, c->examples == 1 ? "" : "s");
    return d;
}

static void check_emit(const void *source, oxp_json *j) {
    const oxp_rules_checked *c = source;
    oxp_json_object(j, NULL);
    oxp_json_string(j, "schema", "onnxpert.rules-check/1");
    oxp_json_string(j, "file", c->path);
    oxp_json_int(j, "rules", (int64_t)c->rules);
    oxp_json_int(j, "examples", (int64_t)c->examples);
    oxp_json_end(j);
}

oxp_report oxp_report_rules_checked(const oxp_rules_checked *c) {
    oxp_report report = {.kind = "check", .source = c, .doc = check_doc, .emit = check_emit};
    return report;
}

/* ---- one rule ---- */
static const char *params_text(const oxp_rule *x, oxp_arena *arena) {
    const char *text = "";
    for (size_t i = 0; i < x->projection.n_params; i++)
        text = oxp_sprintf(arena, "%s%s%s", text, i ? ", " : " (", x->projection.params[i]);
    if (x->projection.each)
        text = oxp_sprintf(arena, "%s%sat each node %s", text, *text ? ", " : " (",
                           x->projection.each);
    return *text ? oxp_sprintf(arena, "%s)", text) : "";
}

static const char *const on_names[] = {[OXP_ON_NODE] = "node",
                                       [OXP_ON_MODEL] = "model",
                                       [OXP_ON_TENSOR] = "tensor",
                                       [OXP_ON_BLOCK] = "block"};

static const char *subject(const oxp_rule *x, oxp_arena *arena) {
    static const char *const names[] = {[OXP_ON_NODE] = "every node",
                                        [OXP_ON_MODEL] = "the model as a whole",
                                        [OXP_ON_TENSOR] = "every stored tensor that a node reads",
                                        [OXP_ON_BLOCK] =
                                            "every block that pattern detection found"};
    const char *text = x->n_ops ? "" : names[x->on];
    for (size_t i = 0; i < x->n_ops; i++)
        text = oxp_sprintf(arena, "%s%s%s", text, i ? ", " : "", x->ops[i]);
    return text;
}

static void rule_facts(oxp_doc *d, const oxp_rule *x, oxp_arena *arena) {
    const char *needs = "";
    for (size_t i = 0; i < x->n_needs; i++)
        needs = oxp_sprintf(arena, "%s%s%s", needs, i ? ", " : "", x->needs[i]);
    oxp_doc_block(d, OXP_FACTS, 2);
    oxp_doc_fact(d, "Category", "%s", x->category);
    oxp_doc_fact(d, "Phase", "%s", strcmp(x->phase, "quick") ? "Extra Impact" : "Quick Wins");
    oxp_doc_fact(d, "Effort", "%s", oxp_level_name(x->effort));
    oxp_doc_fact(d, "Risk", "%s", oxp_level_name(x->risk));
    oxp_doc_fact(d, "Confidence", "%g", x->confidence);
    if (*needs)
        oxp_doc_fact(d, "Needs", "%s", needs);
    if (x->projection.pass)
        oxp_doc_fact(d, "Projected by", "the what-if pass %s%s on a copy, analysed again",
                     x->projection.pass, params_text(x, arena));
    else if (x->projection.precision)
        oxp_doc_fact(d, "Projected by", "the analysis at %s",
                     oxp_dtype_name(x->projection.precision));
    else if (x->projection.products)
        oxp_doc_fact(d, "Projected by", "the analysis with products in %s, tensors as they are",
                     oxp_dtype_name(x->projection.products));
    else if (x->projection.weights)
        oxp_doc_fact(d, "Projected by", "the analysis with weights of products in %s",
                     oxp_dtype_name(x->projection.weights));
    else if (x->gain)
        oxp_doc_fact(d, "Projected by", "a formula: %s", x->gain);
    else
        oxp_doc_fact(d, "Projected by", "nothing: it depends on what the graph does not show");
    if (x->fix)
        oxp_doc_fact(d, "Applied by", "optimize --passes %s%s%s", x->fix, x->fix_options ? " " : "",
                     !x->fix_options                     ? ""
                     : !strcmp(x->fix_options, "{dims}") ? "--dim NAME=VALUE"
                                                         : x->fix_options);
    else
        oxp_doc_fact(d, "Applied by", "hand");
    oxp_doc_fact(d, "File", "%s:%d", x->file, x->line);
}

static oxp_doc *rule_doc(const void *source, oxp_arena *arena) {
    const oxp_rule *x = source;
    oxp_doc *d = oxp_doc_new(arena, x->id);
    oxp_doc_para(d, "%s.", x->title);
    rule_facts(d, x, arena);
    if (*x->why) {
        oxp_doc_heading(d, 1, "Why it matters");
        oxp_doc_para(d, "%s", x->why);
    }
    if (*x->how) {
        oxp_doc_heading(d, 1, "How it is computed");
        oxp_doc_para(d, "%s", x->how);
    }
    oxp_doc_heading(d, 1, "Conditions");
    oxp_doc_para(d, "On %s; all of these must hold, and $names are kept for the message.",
                 subject(x, arena));
    oxp_doc_block(d, OXP_LIST, 1);
    for (size_t i = 0; i < x->n_steps; i++) {
        const char *line = x->steps[i].name
                               ? oxp_sprintf(arena, "$%s = %s", x->steps[i].name, x->steps[i].expr)
                               : x->steps[i].expr;
        oxp_doc_row(d, &line);
    }
    oxp_doc_heading(d, 1, "What it says");
    oxp_doc_para(d, "%s", x->message);
    if (x->detail)
        oxp_doc_para(d, "For each match: %s", x->detail);
    if (x->n_references) {
        oxp_doc_heading(d, 1, "Sources");
        oxp_doc_block(d, OXP_LIST, 1);
        for (size_t i = 0; i < x->n_references; i++) {
            const oxp_rule_reference *r = &x->references[i];
            const char *line = r->href ? oxp_sprintf(arena, "%s: %s", r->text, r->href) : r->text;
            oxp_doc_row(d, &line);
        }
    }
    return d;
}

static const char *type_name(oxp_dtype t) {
    return t == OXP_UNDEFINED ? NULL : oxp_dtype_name(t);
}

static void emit_projection(oxp_json *j, const oxp_rule *x) {
    oxp_json_object(j, "projection");
    oxp_json_string(j, "pass", x->projection.pass);
    oxp_json_array(j, "params");
    for (size_t i = 0; i < x->projection.n_params; i++)
        oxp_json_string(j, NULL, x->projection.params[i]);
    oxp_json_end(j);
    oxp_json_string(j, "precision", type_name(x->projection.precision));
    oxp_json_string(j, "weights", type_name(x->projection.weights));
    oxp_json_string(j, "products", type_name(x->projection.products));
    oxp_json_string(j, "each", x->projection.each);
    oxp_json_string(j, "gain", x->gain);
    oxp_json_end(j);
}

static void rule_emit(const void *source, oxp_json *j) {
    const oxp_rule *x = source;
    oxp_json_object(j, NULL);
    oxp_json_string(j, "schema", "onnxpert.rule/1");
    emit_head(j, x);
    oxp_json_string(j, "why", x->why);
    oxp_json_string(j, "how", x->how);
    oxp_json_string(j, "on", on_names[x->on]);
    oxp_json_array(j, "operators");
    for (size_t i = 0; i < x->n_ops; i++)
        oxp_json_string(j, NULL, x->ops[i]);
    oxp_json_end(j);
    oxp_json_array(j, "conditions");
    for (size_t i = 0; i < x->n_steps; i++) {
        oxp_json_object(j, NULL);
        oxp_json_string(j, "name", x->steps[i].name);
        oxp_json_string(j, "expression", x->steps[i].expr);
        oxp_json_end(j);
    }
    oxp_json_end(j);
    oxp_json_string(j, "message", x->message);
    oxp_json_string(j, "detail", x->detail);
    emit_projection(j, x);
    oxp_json_array(j, "references");
    for (size_t i = 0; i < x->n_references; i++) {
        oxp_json_object(j, NULL);
        oxp_json_string(j, "text", x->references[i].text);
        oxp_json_string(j, "href", x->references[i].href);
        oxp_json_end(j);
    }
    oxp_json_end(j);
    oxp_json_end(j);
}

typedef struct find_args {
    oxp_ctx *ctx;
    const oxp_rules *r;
    const char *id;
    const oxp_rule *found;
} find_args;

static void do_find(void *p) {
    find_args *f = p;
    for (size_t i = 0; i < f->r->n; i++)
        if (!strcmp(f->r->items[i]->id, f->id))
            f->found = f->r->items[i];
    if (!f->found)
        oxp_raise(f->ctx, OXP_E_USAGE, "no rule is called \"%s\" (onnxpert rules list)", f->id);
}

oxp_status oxp_rules_explain(oxp_report *out, oxp_ctx *ctx, const oxp_rules *r, const char *id,
                             oxp_arena *arena) {
    (void)arena;
    find_args f = {ctx, r, id, NULL};
    oxp_status s = oxp_try(ctx, do_find, &f);
    oxp_report report = {.kind = "rule", .source = f.found, .doc = rule_doc, .emit = rule_emit};
    *out = report;
    return s;
}
