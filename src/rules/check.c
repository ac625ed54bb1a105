/* check.c - rule files checked as a whole: form, schema, expressions, examples. */
#include <string.h>

#include "rules/engine.h"
#include "rules/xml.h"

typedef struct check_args {
    oxp_rules_checked *out;
    oxp_ctx *ctx;
    const char *path;
    oxp_arena *arena;
} check_args;

static void do_check(void *p) {
    check_args *c = p;
    oxp_rule_list list = {c->arena, NULL, 0, 0};
    oxp_rules_load_path(&list, c->path);
    oxp_rules set = {list.items, list.n};
    c->out->path = c->path;
    c->out->rules = list.n;
    c->out->examples = oxp_rules_run_examples(&set, c->arena);
}

oxp_status oxp_rules_check(oxp_rules_checked *out, oxp_ctx *ctx, const char *path,
                           oxp_arena *arena) {
    check_args c = {out, ctx, path, arena};
    return oxp_try(ctx, do_check, &c);
}

static void do_check_builtin(void *p) {
    check_args *c = p;
    const oxp_rules *set = oxp_rules_builtin(c->arena, true);
    for (size_t i = 0; i < set->n; i++) {
        const oxp_rule *r = set->items[i];
        bool yes = false, no = false;
        for (size_t k = 0; k < r->n_examples; k++) {
            yes |= r->examples[k].triggers;
            no |= !r->examples[k].triggers;
        }
        if (!yes || !no)
            oxp_raise(c->ctx, OXP_E_RULE,
                      "%s:%d: rule %s: a shipped rule has examples that trigger it and that do not",
                      r->file, r->line, r->id);
    }
    c->out->path = NULL;
    c->out->rules = set->n;
    c->out->examples = oxp_rules_run_examples(set, c->arena);
}

oxp_status oxp_rules_check_builtin(oxp_rules_checked *out, oxp_ctx *ctx, oxp_arena *arena) {
    check_args c = {out, ctx, NULL, arena};
    return oxp_try(ctx, do_check_builtin, &c);
}
