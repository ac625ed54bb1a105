/* load.c - rule files into rules. */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/embed.h"
#include "base/intern.h"
#include "onnxpert/model.h"
#include "onnxpert/pass.h"
#include "rules/profile.h"
#include "rules/rule.h"
#include "rules/sense.h"
#include "rules/xml.h"
#include "rules/xpath.h"

const char *oxp_level_name(oxp_level l) {
    static const char *const names[] = {"low", "medium", "high"};
    return names[l];
}

typedef struct load {
    oxp_rule_list *list;
    oxp_arena *a;
    oxp_ctx *ctx;
    const char *name;
    bool builtin, check;
    xmlDocPtr doc;
} load;

static _Noreturn void bad(const load *l, xmlNodePtr e, const char *fmt, const char *what) {
    const char *text = oxp_sprintf(l->a, "%s:%ld: ", l->name, xmlGetLineNo(e));
    const char *why = oxp_sprintf(l->a, "%s \"%s\"", fmt, what);
    oxp_raise(l->ctx, OXP_E_RULE, "%s%s", text, why);
}

static const char *attr(const load *l, xmlNodePtr e, const char *name, const char *otherwise) {
    const char *v = oxp_xml_attr(l->a, e, name);
    return v ? v : otherwise;
}

static size_t words(oxp_arena *a, const char *text, const char *const **out) {
    size_t n = 0, cap = 0;
    const char **list = NULL;
    for (const char *p = text; *p;) {
        size_t k = strcspn(p, " ");
        if (k) {
            list = oxp_grow(a, list, &cap, n + 1, sizeof *list);
            list[n++] = oxp_memdup0(a, p, k);
        }
        p += k + (p[k] == ' ');
    }
    *out = list;
    return n;
}

static oxp_level level(const load *l, xmlNodePtr e, const char *name) {
    const char *v = attr(l, e, name, "medium");
    for (oxp_level i = OXP_LOW; i <= OXP_HIGH; i++)
        if (!strcmp(v, oxp_level_name(i)))
            return i;
    bad(l, e, "neither low nor medium nor high:", v);
}

static bool id_ok(const char *id) {
    size_t n = strlen(id);
    return n && n <= 80 && strspn(id, "abcdefghijklmnopqrstuvwxyz0123456789-_.") == n && *id != '-';
}

static size_t count_elements(xmlNodePtr parent, const char *name) {
    size_t n = 0;
    for (xmlNodePtr e = parent->children; e; e = e->next)
        n += oxp_xml_is(e, name);
    return n;
}

static void read_steps(const load *l, oxp_rule *r, xmlNodePtr rule) {
    size_t n = count_elements(rule, "let") + count_elements(rule, "when");
    oxp_rule_step *steps = OXP_NEWS(l->a, n + 1, oxp_rule_step);
    for (xmlNodePtr e = rule->children; e; e = e->next) {
        bool let = oxp_xml_is(e, "let");
        if (!let && !oxp_xml_is(e, "when"))
            continue;
        oxp_rule_step *s = &steps[r->n_steps++];
        s->name = let ? attr(l, e, "name", "") : NULL;
        s->expr = let && oxp_xml_attr(l->a, e, "select") ? oxp_xml_attr(l->a, e, "select")
                                                         : oxp_xml_text(l->a, e);
        s->line = (int)xmlGetLineNo(e);
    }
    r->steps = steps;
}

/* UNDEFINED: there is no such attribute. */
static oxp_dtype type_attr(const load *l, xmlNodePtr e, const char *name) {
    const char *text = oxp_xml_attr(l->a, e, name);
    oxp_dtype t = text ? oxp_dtype_from_name(text) : OXP_UNDEFINED;
    if (text && !t)
        bad(l, e, "no such data type:", text);
    return t;
}

static void read_projection(const load *l, oxp_rule *r, xmlNodePtr e) {
    size_t n = count_elements(e, "param");
    const char **params = OXP_NEWS(l->a, n + 1, const char *);
    r->projection.pass = oxp_xml_attr(l->a, e, "pass");
    r->projection.precision = type_attr(l, e, "precision");
    r->projection.weights = type_attr(l, e, "weights");
    r->projection.products = type_attr(l, e, "products");
    if (r->projection.pass && !oxp_pass_find(r->projection.pass))
        bad(l, e, "no such pass:", r->projection.pass);
    for (xmlNodePtr p = e->children; p; p = p->next)
        if (oxp_xml_is(p, "each"))
            r->projection.each = attr(l, p, "select", "");
        else if (oxp_xml_is(p, "param"))
            params[r->projection.n_params++] =
                oxp_sprintf(l->a, "%s=%s", attr(l, p, "name", ""), attr(l, p, "value", ""));
    r->projection.params = params;
}

static void read_example(const load *l, oxp_example *x, xmlNodePtr e) {
    x->line = (int)xmlGetLineNo(e);
    x->triggers = !strcmp(attr(l, e, "triggers", "yes"), "yes");
    x->opset = strtol(attr(l, e, "opset", "17"), NULL, 10);
    if (x->opset < 1 || x->opset > OXP_OPSET_NEWEST)
        bad(l, e, oxp_sprintf(l->a, "an example's opset is from 1 to %d, not", OXP_OPSET_NEWEST),
            attr(l, e, "opset", ""));
    x->device = attr(l, e, "device", "t4");
    size_t n = 0;
    for (xmlNodePtr c = e->children; c; c = c->next)
        n += c->type == XML_ELEMENT_NODE;
    oxp_example_item *items = OXP_NEWS(l->a, n + 1, oxp_example_item);
    for (xmlNodePtr c = e->children; c; c = c->next) {
        if (c->type != XML_ELEMENT_NODE)
            continue;
        oxp_example_item *it = &items[x->n_items++];
        it->kind = oxp_strdup(l->a, (const char *)c->name);
        it->line = (int)xmlGetLineNo(c);
        size_t k = 0;
        for (xmlAttrPtr p = c->properties; p; p = p->next)
            k++;
        const char **keys = OXP_NEWS(l->a, k + 1, const char *);
        const char **values = OXP_NEWS(l->a, k + 1, const char *);
        for (xmlAttrPtr p = c->properties; p; p = p->next) {
            keys[it->n] = oxp_strdup(l->a, (const char *)p->name);
            values[it->n++] = attr(l, c, (const char *)p->name, "");
        }
        it->keys = keys;
        it->values = values;
    }
    x->items = items;
}

static void read_lists(const load *l, oxp_rule *r, xmlNodePtr rule) {
    oxp_rule_reference *refs =
        OXP_NEWS(l->a, count_elements(rule, "reference") + 1, oxp_rule_reference);
    oxp_example *examples = OXP_NEWS(l->a, count_elements(rule, "example") + 1, oxp_example);
    for (xmlNodePtr e = rule->children; e; e = e->next) {
        if (oxp_xml_is(e, "reference")) {
            refs[r->n_references].href = oxp_xml_attr(l->a, e, "href");
            refs[r->n_references++].text = oxp_xml_text(l->a, e);
        } else if (oxp_xml_is(e, "example") && l->check)
            read_example(l, &examples[r->n_examples++], e);
    }
    r->references = refs;
    r->examples = examples;
}

static void read_children(const load *l, oxp_rule *r, xmlNodePtr rule) {
    for (xmlNodePtr e = rule->children; e; e = e->next) {
        if (oxp_xml_is(e, "title"))
            r->title = oxp_xml_text(l->a, e);
        else if (oxp_xml_is(e, "message")) {
            r->message = oxp_xml_text(l->a, e);
            r->message_line = (int)xmlGetLineNo(e);
        } else if (oxp_xml_is(e, "detail")) {
            r->detail = oxp_xml_text(l->a, e);
            r->detail_line = (int)xmlGetLineNo(e);
        } else if (oxp_xml_is(e, "why"))
            r->why = oxp_xml_text(l->a, e);
        else if (oxp_xml_is(e, "how"))
            r->how = oxp_xml_text(l->a, e);
        else if (oxp_xml_is(e, "needs"))
            r->n_needs = words(l->a, oxp_xml_text(l->a, e), &r->needs);
        else if (oxp_xml_is(e, "gain")) {
            r->gain = attr(l, e, "select", "");
            r->gain_line = (int)xmlGetLineNo(e);
        } else if (oxp_xml_is(e, "projection"))
            read_projection(l, r, e);
        else if (oxp_xml_is(e, "fix")) {
            r->fix = oxp_xml_attr(l->a, e, "pass");
            r->fix_options = oxp_xml_attr(l->a, e, "options");
            if (r->fix_options && strcmp(r->fix_options, "{dims}") != 0 &&
                r->fix_options[strspn(r->fix_options, OXP_SHELL_PLAIN " ")])
                bad(l, e, "a character that a shell may act upon in the options", r->fix_options);
            if (r->fix && !oxp_pass_find(r->fix))
                bad(l, e, "no such pass:", r->fix);
        }
    }
}

/* "architecture" of "architecture/heavy-stem.xml"; users' rules are "user". */
static const char *category_of(const load *l) {
    const char *slash = strchr(l->name, '/');
    return l->builtin && slash ? oxp_memdup0(l->a, l->name, (size_t)(slash - l->name)) : "user";
}

static void read_rule(const load *l, xmlNodePtr e) {
    oxp_rule *r = OXP_NEW(l->a, oxp_rule);
    r->id = attr(l, e, "id", "");
    r->file = l->name;
    r->line = (int)xmlGetLineNo(e);
    r->builtin = l->builtin;
    if (!id_ok(r->id))
        bad(l, e, "an id is made of a-z, 0-9, '-', '_' and '.', not", r->id);
    r->category = category_of(l);
    r->phase = attr(l, e, "phase", "extra");
    r->effort = level(l, e, "effort");
    r->risk = level(l, e, "risk");
    r->confidence = strtod(attr(l, e, "confidence", "0.8"), NULL);
    if (!(r->confidence > 0 && r->confidence <= 1))
        bad(l, e, "a confidence is above 0 and at most 1, not", attr(l, e, "confidence", ""));
    const char *on = attr(l, e, "on", "node");
    r->on = !strcmp(on, "model")    ? OXP_ON_MODEL
            : !strcmp(on, "tensor") ? OXP_ON_TENSOR
            : !strcmp(on, "block")  ? OXP_ON_BLOCK
                                    : OXP_ON_NODE;
    if (r->on == OXP_ON_NODE && strcmp(on, "node") != 0)
        r->n_ops = words(l->a, on, &r->ops);
    r->title = r->message = r->why = r->how = "";
    read_steps(l, r, e);
    read_children(l, r, e);
    read_lists(l, r, e);
    if (l->check) {
        oxp_rule_sense(l->a, r, e);
        oxp_rule_compile_check(l->a, r);
    }
    l->list->items =
        oxp_grow(l->a, l->list->items, &l->list->cap, l->list->n + 1, sizeof *l->list->items);
    l->list->items[l->list->n++] = r;
}

static void free_doc(void *doc) {
    xmlFreeDoc(doc);
}

void oxp_rules_parse(oxp_rule_list *list, const char *name, const char *text, size_t size,
                     bool builtin, bool check) {
    load l = {list, list->arena, oxp_arena_ctx(list->arena), name, builtin, check, NULL};
    size_t from = list->n;
    l.doc = oxp_xml_parse(l.a, name, text, size);
    size_t token = oxp_defer(l.ctx, free_doc, l.doc);
    xmlNodePtr root = xmlDocGetRootElement(l.doc);
    if (!oxp_xml_is(root, "rules"))
        bad(&l, root, "the root element is to be <rules>, not", (const char *)root->name);
    for (xmlNodePtr e = root->children; check && e; e = e->next)
        if (oxp_xml_is(e, "rule"))
            oxp_rule_words(l.a, name, e);
    if (check)
        oxp_xml_validate(l.a, name, l.doc, "rules.rng");
    for (xmlNodePtr e = root->children; e; e = e->next)
        if (oxp_xml_is(e, "rule"))
            read_rule(&l, e);
    if (check && list->n == from)
        oxp_raise(l.ctx, OXP_E_RULE, "%s:%ld: there is no rule in it", name, xmlGetLineNo(root));
    oxp_undefer(l.ctx, token, true);
    oxp_rules_unique(list, from);
}

void oxp_rules_unique(const oxp_rule_list *list, size_t from) {
    oxp_ctx *ctx = oxp_arena_ctx(list->arena);
    oxp_arena *scratch = oxp_arena_new(ctx);
    oxp_intern *ids = oxp_intern_new(scratch);
    for (size_t i = from; i < list->n; i++) {
        const oxp_rule *r = list->items[i], *first = list->items[from];
        if (!oxp_intern_find(ids, r->id, strlen(r->id))) {
            oxp_intern_add(ids, r->id, strlen(r->id));
            continue;
        }
        for (size_t k = from; k < i && strcmp(first->id, r->id) != 0;)
            first = list->items[++k];
        oxp_raise(ctx, OXP_E_RULE, "%s:%d: the id \"%s\" is used twice, first in %s:%d", r->file,
                  r->line, r->id, first->file, first->line);
    }
    oxp_arena_free(scratch);
}

const oxp_rules *oxp_rules_builtin(oxp_arena *arena, bool check) {
    oxp_rule_list list = {arena, NULL, 0, 0};
    for (size_t i = 0; i < oxp_embedded_count; i++) {
        const oxp_embedded_file *f = &oxp_embedded[i];
        size_t n = strlen(f->name);
        bool other = !strncmp(f->name, "devices/", 8) || !strncmp(f->name, "profiles/", 9);
        if (n > 4 && !strcmp(f->name + n - 4, ".xml") && !other)
            oxp_rules_parse(&list, f->name, f->data, f->size, true, check);
    }
    oxp_rules_unique(&list, 0);
    oxp_rules *set = OXP_NEW(arena, oxp_rules);
    set->items = list.items;
    set->n = list.n;
    return set;
}

/* ---- users' files ---- */
static void load_file(oxp_rule_list *list, const char *path) {
    size_t size;
    const char *text = oxp_xml_file(list->arena, path, &size);
    oxp_rules_parse(list, path, text, size, false, true);
}

static int by_name(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void close_dir(void *d) {
    closedir(d);
}

enum { FILES_MAX = 10000 };

static void load_folder(oxp_rule_list *list, const char *path) {
    oxp_ctx *ctx = oxp_arena_ctx(list->arena);
    DIR *d = opendir(path);
    if (!d)
        oxp_raise(ctx, OXP_E_IO, "%s: %s", path, strerror(errno));
    size_t token = oxp_defer(ctx, close_dir, d);
    const char **names = NULL;
    size_t n = 0, cap = 0;
    for (struct dirent *e; (e = readdir(d));) {
        size_t k = strlen(e->d_name);
        if (k < 5 || strcmp(e->d_name + k - 4, ".xml") != 0 || *e->d_name == '.')
            continue;
        if (n == FILES_MAX)
            oxp_raise(ctx, OXP_E_LIMIT, "%s: more than %d rule files in this folder", path,
                      FILES_MAX);
        names = oxp_grow(list->arena, names, &cap, n + 1, sizeof *names);
        names[n++] = oxp_sprintf(list->arena, "%s/%s", path, e->d_name);
    }
    oxp_undefer(ctx, token, true);
    if (!n)
        oxp_raise(ctx, OXP_E_RULE, "%s: no *.xml in this folder", path);
    qsort(names, n, sizeof *names, by_name);
    for (size_t i = 0; i < n; i++)
        load_file(list, names[i]);
}

void oxp_rules_load_path(oxp_rule_list *list, const char *path) {
    struct stat st;
    size_t from = list->n;
    if (!stat(path, &st) && S_ISDIR(st.st_mode))
        load_folder(list, path);
    else
        load_file(list, path);
    oxp_rules_unique(list, from);
}

/* Later rules replace earlier ones with the same id, in the earlier one's place. */
static size_t override(const oxp_rule **items, size_t n, oxp_arena *arena) {
    oxp_intern *ids = oxp_intern_new(arena);
    oxp_map *place = oxp_map_new(arena);
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        uint64_t key = (uintptr_t)oxp_intern_add(ids, items[i]->id, strlen(items[i]->id));
        uint32_t at;
        if (oxp_map_get(place, key, &at))
            items[at] = items[i];
        else {
            oxp_map_set(place, key, (uint32_t)kept);
            items[kept++] = items[i];
        }
    }
    return kept;
}

static bool listed(const char *id, const char *const *list, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (!strcmp(id, list[i]))
            return true;
    return false;
}

typedef struct load_args {
    const oxp_rules **out;
    oxp_ctx *ctx;
    const oxp_rules_opts *opts;
    oxp_arena *arena;
} load_args;

static void known(oxp_ctx *ctx, const oxp_rule *const *items, size_t n, const char *const *ids,
                  size_t n_ids) {
    for (size_t k = 0; k < n_ids; k++) {
        bool found = false;
        for (size_t i = 0; i < n && !found; i++)
            found = !strcmp(items[i]->id, ids[k]);
        if (!found)
            oxp_raise(ctx, OXP_E_USAGE, "no rule is called \"%s\"", ids[k]);
    }
}

static void do_load(void *p) {
    load_args *l = p;
    oxp_rule_list list = {l->arena, NULL, 0, 0};
    const oxp_rules *builtin = oxp_rules_builtin(l->arena, false);
    size_t kept = 0;
    for (size_t i = 0; i < builtin->n; i++) {
        list.items = oxp_grow(l->arena, list.items, &list.cap, list.n + 1, sizeof *list.items);
        list.items[list.n++] = builtin->items[i];
    }
    for (size_t i = 0; i < l->opts->n_files; i++)
        oxp_rules_load_path(&list, l->opts->files[i]);
    list.n = override(list.items, list.n, l->arena);
    known(l->ctx, list.items, list.n, l->opts->disable, l->opts->n_disable);
    if (l->opts->profile)
        list.n = oxp_profile_apply(l->arena, l->opts->profile, list.items, list.n);
    for (size_t i = 0; i < list.n; i++)
        if (!listed(list.items[i]->id, l->opts->disable, l->opts->n_disable))
            /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): n above 0 has items */
            list.items[kept++] = list.items[i];
    oxp_rules *set = OXP_NEW(l->arena, oxp_rules);
    set->items = list.items;
    set->n = kept;
    *l->out = set;
}

oxp_status oxp_rules_load(const oxp_rules **out, oxp_ctx *ctx, const oxp_rules_opts *opts,
                          oxp_arena *arena) {
    load_args l = {out, ctx, opts, arena};
    return oxp_try(ctx, do_load, &l);
}

size_t oxp_rules_count(const oxp_rules *r) {
    return r->n;
}

const char *oxp_rules_id(const oxp_rules *r, size_t i) {
    return r->items[i]->id;
}
