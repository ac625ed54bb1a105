/* device.c - device files (rules/devices/<id>.xml) into oxp_device. */
#include "analysis/device.h"

#include <libxml/parser.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/embed.h"
#include "base/xml_memory.h"

static const char *const class_names[OXP_CLASS_COUNT] = {"conv", "depthwise", "matmul", "recurrent",
                                                         "norm", "simple",    "move"};

static const char folder[] = "devices/", suffix[] = ".xml";

const char *oxp_op_class_name(oxp_op_class c) {
    return c < OXP_CLASS_COUNT ? class_names[c] : "";
}

bool oxp_device_supports(const oxp_device *d, oxp_dtype t) {
    return t < OXP_DTYPE_COUNT && d->peak[t] > 0;
}

typedef struct parse {
    oxp_arena *arena;
    oxp_ctx *ctx;
    const char *name;
    xmlNode *root;
    oxp_device *d;
    oxp_device_source *sources;
    size_t n_sources, cap_sources;
} parse;

static void quiet(void *arg, xmlErrorPtr e) {
    (void)arg, (void)e;
}

static void free_doc(void *doc) {
    xmlFreeDoc(doc);
}

static const char *optional(const parse *p, xmlNode *e, const char *name) {
    for (xmlAttr *a = e->properties; a != NULL; a = a->next) {
        if (strcmp((const char *)a->name, name) == 0 && a->children != NULL &&
            a->children->content != NULL)
            return oxp_strdup(p->arena, (const char *)a->children->content);
    }
    return NULL;
}

static const char *attribute(const parse *p, xmlNode *e, const char *name) {
    const char *text = optional(p, e, name);
    if (text != NULL)
        return text;
    oxp_raise(p->ctx, OXP_E_RULE, "%s:%ld: %s: attribute %s is missing", p->name, xmlGetLineNo(e),
              (const char *)e->name, name);
}

static double number(const parse *p, xmlNode *e, const char *name, double most) {
    const char *s = attribute(p, e, name);
    char *end;
    double v = strtod(s, &end);
    if (end == s || *end != '\0' || !isfinite(v) || v < 0 || v > most)
        oxp_raise(p->ctx, OXP_E_RULE, "%s:%ld: %s: %s=\"%s\" is no number from 0 to %g", p->name,
                  xmlGetLineNo(e), (const char *)e->name, name, s, most);
    return v;
}

/* Text of the <source id=...> that an element names. */
static void cite(parse *p, xmlNode *e, const char *what) {
    const char *id = attribute(p, e, "source");
    for (xmlNode *s = p->root->children; s != NULL; s = s->next) {
        if (s->type != XML_ELEMENT_NODE || strcmp((const char *)s->name, "source") != 0 ||
            strcmp(attribute(p, s, "id"), id) != 0)
            continue;
        const char *text = s->children != NULL && s->children->content != NULL
                               ? (const char *)s->children->content
                               : "";
        p->sources =
            oxp_grow(p->arena, p->sources, &p->cap_sources, p->n_sources + 1, sizeof *p->sources);
        p->sources[p->n_sources++] =
            (oxp_device_source){oxp_strdup(p->arena, what), oxp_strdup(p->arena, text)};
        return;
    }
    oxp_raise(p->ctx, OXP_E_RULE, "%s:%ld: %s: no source is named %s", p->name, xmlGetLineNo(e),
              (const char *)e->name, id);
}

static void read_peak(parse *p, xmlNode *e) {
    const char *name = attribute(p, e, "dtype");
    oxp_dtype t = oxp_dtype_from_name(name);
    if (t == OXP_UNDEFINED)
        oxp_raise(p->ctx, OXP_E_RULE, "%s:%ld: peak: unknown dtype %s", p->name, xmlGetLineNo(e),
                  name);
    p->d->peak[t] = number(p, e, "ops", 1e21);
    cite(p, e, oxp_sprintf(p->arena, "peak %s", name));
}

static void read_efficiency(parse *p, xmlNode *e) {
    const char *name = attribute(p, e, "class");
    for (int c = 0; c < OXP_CLASS_COUNT; c++) {
        if (strcmp(name, class_names[c]) == 0) {
            p->d->efficiency[c] = number(p, e, "compute", 1);
            cite(p, e, oxp_sprintf(p->arena, "efficiency %s", name));
            return;
        }
    }
    oxp_raise(p->ctx, OXP_E_RULE, "%s:%ld: efficiency: unknown class %s", p->name, xmlGetLineNo(e),
              name);
}

static void read_element(parse *p, xmlNode *e) {
    const char *name = (const char *)e->name;
    if (strcmp(name, "peak") == 0) {
        read_peak(p, e);
    } else if (strcmp(name, "bandwidth") == 0) {
        p->d->bandwidth = number(p, e, "bytes", 1e18);
        p->d->bandwidth_efficiency = number(p, e, "efficiency", 1);
        cite(p, e, "bandwidth");
    } else if (strcmp(name, "memory") == 0) {
        p->d->memory = (uint64_t)number(p, e, "bytes", 1e18);
        cite(p, e, "memory");
    } else if (strcmp(name, "launch") == 0) {
        p->d->launch = number(p, e, "seconds", 1);
        cite(p, e, "launch");
    } else if (strcmp(name, "efficiency") == 0) {
        read_efficiency(p, e);
    } else if (strcmp(name, "source") != 0) {
        oxp_raise(p->ctx, OXP_E_RULE, "%s:%ld: unknown element %s", p->name, xmlGetLineNo(e), name);
    }
}

static void check_complete(const parse *p) {
    const oxp_device *d = p->d;
    const char *lacks = d->bandwidth <= 0 || d->bandwidth_efficiency <= 0 ? "bandwidth"
                        : d->memory == 0                                  ? "memory"
                        : d->peak[OXP_FLOAT] <= 0                         ? "peak of float32"
                                                                          : NULL;
    for (int c = 0; c < OXP_CLASS_COUNT && lacks == NULL; c++)
        lacks = d->efficiency[c] <= 0 ? class_names[c] : NULL;
    if (lacks != NULL)
        oxp_raise(p->ctx, OXP_E_RULE, "%s: device %s: lacks %s", p->name, d->id, lacks);
}

const oxp_device *oxp_device_parse(oxp_arena *arena, const char *name, const char *xml,
                                   size_t size) {
    oxp_ctx *ctx = oxp_arena_ctx(arena);
    if (size > 1u << 20)
        oxp_raise(ctx, OXP_E_LIMIT, "%s: a device file of %zu bytes", name, size);
    oxp_xml_begin(ctx, size);
    xmlSetStructuredErrorFunc(NULL, quiet);
    xmlDoc *doc = xmlReadMemory(xml, (int)size, name, NULL,
                                XML_PARSE_NONET | XML_PARSE_NOBLANKS | XML_PARSE_NOERROR |
                                    XML_PARSE_NOWARNING | XML_PARSE_NOCDATA);
    xmlSetStructuredErrorFunc(NULL, NULL);
    if (doc == NULL)
        oxp_raise(ctx, OXP_E_RULE, "%s: no well-formed XML", name);
    size_t token = oxp_defer(ctx, free_doc, doc);
    oxp_xml_check(ctx);
    xmlNode *root = xmlDocGetRootElement(doc);
    if (doc->intSubset != NULL || root == NULL || strcmp((const char *)root->name, "device") != 0)
        oxp_raise(ctx, OXP_E_RULE, "%s: no <device> without a DTD", name);
    oxp_device *d = OXP_NEW(arena, oxp_device);
    parse p = {.arena = arena, .ctx = ctx, .name = name, .root = root, .d = d};
    d->id = attribute(&p, root, "id");
    d->name = attribute(&p, root, "name");
    d->kind = strcmp(attribute(&p, root, "kind"), "gpu") == 0 ? OXP_DEVICE_GPU : OXP_DEVICE_CPU;
    const char *arch = optional(&p, root, "arch");
    d->arch = arch != NULL ? arch : "";
    for (xmlNode *e = root->children; e != NULL; e = e->next) {
        if (e->type == XML_ELEMENT_NODE)
            read_element(&p, e);
    }
    check_complete(&p);
    d->sources = p.sources;
    d->n_sources = p.n_sources;
    oxp_undefer(ctx, token, true);
    return d;
}

static bool is_device_file(const oxp_embedded_file *f) {
    size_t n = strlen(f->name);
    return strncmp(f->name, folder, sizeof folder - 1) == 0 && n > sizeof suffix &&
           strcmp(f->name + n - (sizeof suffix - 1), suffix) == 0;
}

static double strength(const oxp_device *d) {
    return d->peak[OXP_FLOAT16] > d->peak[OXP_FLOAT] ? d->peak[OXP_FLOAT16] : d->peak[OXP_FLOAT];
}

static int by_strength(const void *a, const void *b) {
    double x = strength(*(const oxp_device *const *)a), y = strength(*(const oxp_device *const *)b);
    return (x > y) - (x < y);
}

size_t oxp_device_list(oxp_arena *arena, const oxp_device *const **out) {
    const oxp_device **list = OXP_NEWS(arena, oxp_embedded_count + 1, const oxp_device *);
    size_t n = 0;
    for (size_t i = 0; i < oxp_embedded_count; i++) {
        const oxp_embedded_file *f = &oxp_embedded[i];
        if (is_device_file(f))
            list[n++] = oxp_device_parse(arena, f->name, f->data, f->size);
    }
    if (n > 1)
        qsort(list, n, sizeof *list, by_strength);
    *out = list;
    return n;
}

const oxp_device *oxp_device_find(oxp_arena *arena, const char *id) {
    if (strcmp(id, "host") == 0)
        return oxp_device_host(arena);
    const oxp_device *const *list;
    size_t n = oxp_device_list(arena, &list);
    for (size_t i = 0; i < n; i++) {
        if (strcmp(list[i]->id, id) == 0)
            return list[i];
    }
    return NULL;
}
