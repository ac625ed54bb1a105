/* roadmap_command.c - the command that applies an item: what was projected, no more. */
#include <string.h>

#include "onnxpert/pass.h"
#include "rules/roadmap_impl.h"

/* A word of a command that is there to be pasted: names come from the model, and a shell would act
 * upon what they hold. */
static const char *shell_word(oxp_arena *arena, const char *text) {
    if (*text && !text[strspn(text, OXP_SHELL_PLAIN "@%")])
        return text;
    char *out = OXP_NEWS(arena, 4 * strlen(text) + 3, char), *at = out;
    *at++ = '\'';
    for (; *text; text++) {
        if (*text == '\'') { /* ends the word, gives one, begins it again */
            memcpy(at, "'\\'", 3);
            at += 3;
        }
        *at++ = *text;
    }
    *at = '\'';
    return out;
}

static const char *dim_word(oxp_arena *arena, const char *name, const char *value) {
    return shell_word(arena, oxp_sprintf(arena, "%s=%s", name, value));
}

/* " --dim N=1" for what nobody bound: the batch, at what was assumed.  A length or an image size is
 * not guessed: SIZE, which is left to the user (*open). */
static const char *open_dims(const oxp_advice *a, oxp_item *it) {
    const oxp_analysis *an = a->r->analysis;
    const char *words = "";
    for (size_t i = 0; i < an->n_assumed; i++) {
        const oxp_assumed *d = &an->assumed[i];
        const char *size = "SIZE";
        if (d->bound)
            continue;
        if (oxp_is_batch_name(an, d->name, a->arena)) {
            size = oxp_sprintf(a->arena, "%lld", (long long)d->value);
            it->batched = oxp_sprintf(
                a->arena, "%s --dim %s", it->batched,
                dim_word(a->arena, d->name, oxp_sprintf(a->arena, "%lld", (long long)a->r->batch)));
        } else
            it->open = oxp_sprintf(a->arena, "%s%s%s", it->open, *it->open ? ", " : "", d->name);
        words = oxp_sprintf(a->arena, "%s --dim %s", words, dim_word(a->arena, d->name, size));
    }
    return words;
}

static bool needs_weights(const char *pass) {
    const oxp_pass *p = oxp_pass_find(pass);
    return p && (p->flags & OXP_PASS_NEEDS_WEIGHTS);
}

/* ---- limited to nodes ---- */
/* A name as a pattern that only it matches. */
static const char *literal(oxp_arena *arena, const char *name) {
    char *out = OXP_NEWS(arena, 2 * strlen(name) + 1, char), *at = out;
    for (const char *p = name; *p; p++) {
        if (strchr("*?\\", *p) || (p == name && strchr("#@", *p)))
            *at++ = '\\';
        *at++ = *p;
    }
    return out;
}

/* "#3,7,10-14": the nodes of the main graph that are marked. */
static const char *numbers(const oxp_advice *a, const bool *marked) {
    const char *list = "#";
    size_t at = 0, since = 0;
    bool open = false;
    for (oxp_id i = oxp_graph_at(a->m, OXP_MAIN_GRAPH)->first;; at++) {
        bool is = i != OXP_NONE && marked[i];
        if (is && !open)
            since = at;
        if (!is && open)
            list =
                at - since > 1
                    ? oxp_sprintf(a->arena, "%s%s%zu-%zu", list, list[1] ? "," : "", since, at - 1)
                    : oxp_sprintf(a->arena, "%s%s%zu", list, list[1] ? "," : "", since);
        open = is;
        if (i == OXP_NONE)
            return list;
        i = oxp_node_at(a->m, i)->next;
    }
}

/* " --only-nodes ..." for the nodes that the rule matched: names while they are few, else places
 * in the main graph. */
static const char *only_nodes(const oxp_advice *a, const oxp_rule_result *r) {
    enum { NAMED = 2 };
    const char *words = "";
    bool all_main = true;
    for (size_t i = 0; i < r->n_nodes; i++)
        all_main = all_main && oxp_node_at(a->m, r->nodes[i])->graph == OXP_MAIN_GRAPH;
    if (all_main && r->n_nodes > NAMED) {
        bool *marked = OXP_NEWS(a->arena, oxp_node_count(a->m) + 1, bool);
        for (size_t i = 0; i < r->n_nodes; i++)
            marked[r->nodes[i]] = true;
        return oxp_sprintf(a->arena, " --only-nodes %s", shell_word(a->arena, numbers(a, marked)));
    }
    for (size_t i = 0; i < r->n_nodes; i++)
        words = oxp_sprintf(
            a->arena, "%s --only-nodes %s", words,
            shell_word(a->arena, literal(a->arena, oxp_node_label(a->m, r->nodes[i], a->arena))));
    return words;
}

/* Would the pass, let loose on the whole model, change more than the projection has? */
static bool would_change_more(const oxp_advice *a, const oxp_item *it) {
    const oxp_rule_projection *p = &it->rule->projection;
    if (!p->pass || strcmp(p->pass, it->rule->fix) != 0 || !it->done.passed_over)
        return false;
    oxp_rule_result all = *it->result;
    all.n_nodes = 0;
    oxp_whatif_done done;
    oxp_imagined types = {OXP_UNDEFINED, OXP_UNDEFINED, OXP_UNDEFINED};
    oxp_model *copy = oxp_model_clone(a->m);
    oxp_whatif_apply(&a->w, copy, &all, &types, &done);
    oxp_close(copy);
    return done.changed != it->done.changed;
}

void oxp_command_for(const oxp_advice *a, oxp_item *it) {
    const oxp_rule *r = it->rule;
    const char *dims = "", *limit = "";
    it->open = it->batched = "";
    if (!r->fix)
        return;
    for (size_t i = 0; i < a->base.n_bindings; i++)
        if (a->base.bindings[i].rank < 0)
            dims = oxp_sprintf(
                a->arena, "%s --dim %s", dims,
                dim_word(a->arena, a->base.bindings[i].name,
                         oxp_sprintf(a->arena, "%lld", (long long)a->base.bindings[i].value)));
    bool all = r->fix_options && !strcmp(r->fix_options, "{dims}");
    if (all)
        dims = oxp_sprintf(a->arena, "%s%s", dims, open_dims(a, it));
    if (it->projected && would_change_more(a, it))
        limit = only_nodes(a, it->result);
    const char *more = r->fix_options && !all ? r->fix_options : "";
    it->command = oxp_sprintf(
        a->arena, "onnxpert optimize %s -o optimized.onnx --passes %s%s%s%s%s",
        shell_word(a->arena, oxp_model_path(a->m)), r->fix, dims, *more ? " " : "", more, limit);
    it->lacks_weights = !oxp_model_has_weights(a->m) && needs_weights(r->fix);
}
