/* profile.c - which rules a profile selects. */
#include "rules/profile.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/embed.h"
#include "rules/xml.h"

#define FOLDER "profiles/"

typedef struct profile {
    oxp_arena *a;
    oxp_ctx *ctx;
    const char *file;
    const oxp_rule **items;
    bool *taken;
    size_t n;
} profile;

static bool same(const profile *p, xmlNodePtr e, const char *name, const char *value) {
    const char *wanted = oxp_xml_attr(p->a, e, name);
    return !wanted || !strcmp(wanted, value);
}

static bool fits(const profile *p, xmlNodePtr e, const oxp_rule *r) {
    const char *needs = oxp_xml_attr(p->a, e, "needs");
    bool found = !needs;
    for (size_t i = 0; i < r->n_needs && !found; i++)
        found = !strcmp(r->needs[i], needs);
    return found && same(p, e, "rule", r->id) && same(p, e, "category", r->category) &&
           same(p, e, "phase", r->phase) && same(p, e, "effort", oxp_level_name(r->effort)) &&
           same(p, e, "risk", oxp_level_name(r->risk)) && (r->fix || !oxp_xml_attr(p->a, e, "fix"));
}

static oxp_level level_of(const profile *p, xmlNodePtr set, const char *name, oxp_level otherwise) {
    const char *v = oxp_xml_attr(p->a, set, name);
    for (oxp_level i = OXP_LOW; v && i <= OXP_HIGH; i++)
        if (!strcmp(v, oxp_level_name(i)))
            return i;
    return otherwise;
}

static const oxp_rule *changed(const profile *p, xmlNodePtr set, const oxp_rule *r) {
    oxp_rule *copy = OXP_NEW(p->a, oxp_rule);
    const char *phase = oxp_xml_attr(p->a, set, "phase");
    const char *confidence = oxp_xml_attr(p->a, set, "confidence");
    *copy = *r;
    copy->phase = phase ? phase : r->phase;
    copy->effort = level_of(p, set, "effort", r->effort);
    copy->risk = level_of(p, set, "risk", r->risk);
    copy->confidence = confidence ? strtod(confidence, NULL) : r->confidence;
    if (!(copy->confidence > 0 && copy->confidence <= 1))
        oxp_raise(p->ctx, OXP_E_RULE, "%s:%ld: a confidence is above 0 and at most 1, not \"%s\"",
                  p->file, xmlGetLineNo(set), confidence);
    return copy;
}

static xmlNodePtr set_of(xmlNodePtr e) {
    for (xmlNodePtr c = e->children; c; c = c->next)
        if (oxp_xml_is(c, "set"))
            return c;
    return NULL;
}

static void apply(profile *p, xmlNodePtr e) {
    bool use = oxp_xml_is(e, "use"), any = false;
    xmlNodePtr set = set_of(e);
    if (!use && !oxp_xml_is(e, "skip"))
        return;
    for (size_t i = 0; i < p->n; i++) {
        if (!fits(p, e, p->items[i]))
            continue;
        any = true;
        p->taken[i] = use;
        if (set)
            p->items[i] = changed(p, set, p->items[i]);
    }
    if (set && !set->properties)
        oxp_raise(p->ctx, OXP_E_RULE,
                  "%s:%ld: <set> sets nothing: it takes phase, effort, risk, confidence", p->file,
                  xmlGetLineNo(set));
    const char *id = oxp_xml_attr(p->a, e, "rule");
    if (!any && id)
        oxp_raise(p->ctx, OXP_E_RULE, "%s:%ld: no rule is called \"%s\"", p->file, xmlGetLineNo(e),
                  id);
    /* the user's rules may be given or not */
    const char *category = oxp_xml_attr(p->a, e, "category");
    if (!any && p->n &&
        (oxp_xml_attr(p->a, e, "needs") || (category && strcmp(category, "user") != 0)))
        oxp_raise(p->ctx, OXP_E_RULE, "%s:%ld: no rule fits this <%s>", p->file, xmlGetLineNo(e),
                  (const char *)e->name);
}

/* The text of a built-in profile or of a file. */
static const char *text_of(profile *p, const char *name, size_t *size) {
    const char *built_in = oxp_sprintf(p->a, FOLDER "%s.xml", name), *all = "";
    const char *text = oxp_embedded_find(built_in, size);
    p->file = text ? built_in : name;
    if (text || strchr(name, '/') || strchr(name, '.') || !access(name, F_OK))
        return text ? text : oxp_xml_file(p->a, name, size);
    for (size_t i = 0; i < oxp_embedded_count; i++)
        if (!strncmp(oxp_embedded[i].name, FOLDER, strlen(FOLDER)))
            all = oxp_sprintf(p->a, "%s%s%.*s", all, *all ? ", " : "",
                              (int)(strlen(oxp_embedded[i].name) - strlen(FOLDER) - 4),
                              oxp_embedded[i].name + strlen(FOLDER));
    oxp_raise(p->ctx, OXP_E_USAGE, "no profile is called \"%s\", and no file: there are %s", name,
              all);
}

static void free_doc(void *doc) {
    xmlFreeDoc(doc);
}

size_t oxp_profile_apply(oxp_arena *arena, const char *name, const oxp_rule **items, size_t n) {
    profile p = {arena, oxp_arena_ctx(arena), name, items, OXP_NEWS(arena, n + 1, bool), n};
    size_t size, kept = 0;
    const char *text = text_of(&p, name, &size);
    xmlDocPtr doc = oxp_xml_parse(arena, p.file, text, size);
    size_t token = oxp_defer(p.ctx, free_doc, doc);
    xmlNodePtr root = xmlDocGetRootElement(doc);
    if (!oxp_xml_is(root, "profile"))
        oxp_raise(p.ctx, OXP_E_RULE, "%s:%ld: the root element is to be <profile>", p.file,
                  xmlGetLineNo(root));
    oxp_xml_validate(arena, p.file, doc, "profile.rng");
    long root_line = xmlGetLineNo(root);
    for (xmlNodePtr e = root->children; e; e = e->next)
        apply(&p, e);
    oxp_undefer(p.ctx, token, true);
    for (size_t i = 0; i < n; i++)
        if (p.taken[i])
            items[kept++] = items[i];
    if (!kept)
        oxp_raise(p.ctx, OXP_E_RULE, "%s:%ld: the profile selects no rule", p.file, root_line);
    return kept;
}
