/* auto.c - see auto.h. */
#include "cli/auto.h"

#include <string.h>

#include "rewrite/project.h"
#include "rules/roadmap.h"

/* NULL: --auto applies it. */
static const char *why_not(oxp_cli *cli, const oxp_item *it) {
    const oxp_rule *r = it->rule;
    const oxp_pass *pass = oxp_pass_find(r->fix);
    const unsigned decides = OXP_PASS_RETRAINING | OXP_PASS_MAY_RETYPE | OXP_PASS_MAY_RETYPE_IO |
                             OXP_PASS_MAY_RESHAPE_IO | OXP_PASS_WHAT_IF;
    const char *needs = "";
    for (size_t i = 0; i < r->n_needs; i++)
        needs = oxp_sprintf(cli->arena, "%s%s%s", needs, i ? ", " : "needs ", r->needs[i]);
    if (*needs)
        return needs;
    if (!pass || pass->fidelity > OXP_ROUNDING)
        return "the numbers change";
    if (pass->flags & decides)
        return "it changes the interface or the types, which is for you to decide";
    if (r->fix_options)
        return "its options are for you to choose";
    if (r->risk != OXP_LOW)
        return oxp_sprintf(cli->arena, "%s risk", oxp_level_name(r->risk));
    if (it->effect == OXP_EFFECT_LOSS)
        return "on this device it makes things worse";
    return NULL;
}

static void add(const char **names, size_t *n, const char *name) {
    for (size_t i = 0; i < *n; i++)
        if (!strcmp(names[i], name))
            return;
    names[(*n)++] = name;
}

size_t oxp_cli_auto(oxp_cli *cli, const oxp_model *m, const char ***names, oxp_comparison *c) {
    oxp_advise_opts o = OXP_ADVISE_OPTS_INIT;
    const oxp_roadmap *r;
    size_t told = oxp_diag_count(cli->ctx), n = 0;
    o.bindings = oxp_cli_bindings(cli, &o.n_bindings);
    o.device = cli->device;
    oxp_status s = oxp_advise_items(&r, m, &o, cli->arena);
    if (s != OXP_OK)
        oxp_reraise(cli->ctx, s);
    oxp_diag_truncate(cli->ctx, told); /* of the model: told already */
    const oxp_phase *all = &r->phases[0];
    oxp_planned *plan = OXP_NEWS(cli->arena, all->n_items + 1, oxp_planned);
    *names = OXP_NEWS(cli->arena, all->n_items + 1, const char *);
    for (size_t i = 0; i < all->n_items; i++) {
        const oxp_item *it = &all->items[i];
        if (!it->rule->fix)
            continue;
        oxp_planned *p = &plan[c->n_plan++];
        *p = (oxp_planned){it->rule->id, it->rule->title, it->rule->fix, why_not(cli, it)};
        if (!p->left)
            add(*names, &n, it->rule->fix);
    }
    c->plan = plan;
    return n;
}

/* ---- steps ---- */
static void after(void *arg, oxp_model *m, size_t index, const oxp_pass_result *result) {
    oxp_recorder *rec = arg;
    oxp_step *s = &rec->steps[index];
    size_t told = oxp_diag_count(rec->cli->ctx), n;
    oxp_arena *scratch = oxp_arena_new(rec->cli->ctx);
    const oxp_binding *b = oxp_cli_bindings(rec->cli, &n);
    const oxp_side *side =
        oxp_side_of(oxp_analyze_remaining(m, b, n, scratch), rec->c->device, rec->cli->arena);
    oxp_arena_free(scratch);
    oxp_diag_truncate(rec->cli->ctx, told);
    s->pass = result->name;
    *(rec->achieved ? &s->achieved : &s->projected) = side;
    for (size_t i = 0; i < rec->c->n_plan && !rec->achieved; i++)
        if (!rec->c->plan[i].left && !strcmp(rec->c->plan[i].pass, result->name))
            s->title = s->title
                           ? oxp_sprintf(rec->cli->arena, "%s; %s", s->title, rec->c->plan[i].title)
                           : rec->c->plan[i].title;
}

void oxp_cli_record(oxp_recorder *rec, oxp_cli *cli, oxp_comparison *c, size_t n,
                    oxp_pass_opts *opts) {
    oxp_step *steps = OXP_NEWS(cli->arena, n + 1, oxp_step);
    *rec = (oxp_recorder){cli, c, steps, false};
    c->steps = steps;
    c->n_steps = n;
    opts->after = after;
    opts->after_arg = rec;
}
