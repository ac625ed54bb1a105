/* xml.c - reading XML that nobody vouches for. */
#include "rules/xml.h"

#include <libxml/parser.h>
#include <libxml/relaxng.h>
#include <libxml/xmlerror.h>
#include <pthread.h>
#include <string.h>
#include <strings.h>

#include "base/ceiling.h"
#include "base/embed.h"
#include "base/source.h"
#include "base/utf8.h"
#include "base/xml_memory.h"

enum { TAG_BYTES_MAX = 65536, TAG_ATTRS_MAX = 64, DEPTH_MAX = 32 };

const char *oxp_embedded_find(const char *name, size_t *size) {
    for (size_t i = 0; i < oxp_embedded_count; i++)
        if (!strcmp(oxp_embedded[i].name, name)) {
            *size = oxp_embedded[i].size;
            return oxp_embedded[i].data;
        }
    return NULL;
}

const char *oxp_xml_file(oxp_arena *arena, const char *path, size_t *size) {
    oxp_ctx *ctx = oxp_arena_ctx(arena);
    oxp_source *s = oxp_source_open(ctx, path);
    uint64_t n = oxp_source_size(s);
    if (n > OXP_XML_BYTES_MAX) {
        oxp_source_close(s);
        oxp_raise(ctx, OXP_E_LIMIT, "%s: %llu bytes: a rule file has at most %u", path,
                  (unsigned long long)n, OXP_XML_BYTES_MAX);
    }
    char *text = oxp_alloc(arena, (size_t)n + 1, 1);
    oxp_source_read(s, 0, text, (size_t)n);
    oxp_source_close(s);
    *size = (size_t)n;
    return text;
}

/* ---- to UTF-8 ---- */
typedef struct utf8_out {
    char *p;
    size_t n;
} utf8_out;

static void put_code(utf8_out *o, unsigned c) {
    if (c < 0x80)
        o->p[o->n++] = (char)c;
    else if (c < 0x800) {
        o->p[o->n++] = (char)(0xC0 | c >> 6);
        o->p[o->n++] = (char)(0x80 | (c & 63));
    } else if (c < 0x10000) {
        o->p[o->n++] = (char)(0xE0 | c >> 12);
        o->p[o->n++] = (char)(0x80 | (c >> 6 & 63));
        o->p[o->n++] = (char)(0x80 | (c & 63));
    } else {
        o->p[o->n++] = (char)(0xF0 | c >> 18);
        o->p[o->n++] = (char)(0x80 | (c >> 12 & 63));
        o->p[o->n++] = (char)(0x80 | (c >> 6 & 63));
        o->p[o->n++] = (char)(0x80 | (c & 63));
    }
}

static unsigned unit16(const unsigned char *b, bool big) {
    return big ? (unsigned)b[0] << 8 | b[1] : (unsigned)b[1] << 8 | b[0];
}

static void from_utf16(oxp_ctx *ctx, const char *name, utf8_out *o, const unsigned char *b,
                       size_t n, bool big) {
    for (size_t i = 2; i + 1 < n; i += 2) {
        unsigned c = unit16(b + i, big);
        if (c >= 0xD800 && c < 0xE000) {
            unsigned low = i + 3 < n && c < 0xDC00 ? unit16(b + i + 2, big) : 0;
            if (low < 0xDC00 || low > 0xDFFF)
                oxp_raise(ctx, OXP_E_RULE, "%s: byte %zu: half a UTF-16 pair", name, i);
            c = 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
            i += 2;
        }
        put_code(o, c);
    }
}

/* The encoding that the XML declaration names, "" when it names none. */
static void declared_encoding(const char *b, size_t n, char *out, size_t room) {
    const char *end = memchr(b, '>', n < 256 ? n : 256);
    *out = 0;
    if (n < 6 || strncmp(b, "<?xml", 5) != 0 || !end)
        return;
    const char *e = memmem(b, (size_t)(end - b), "encoding", 8);
    if (!e)
        return;
    e += 8;
    while (e < end && (*e == ' ' || *e == '=' || *e == '"' || *e == '\''))
        e++;
    size_t k = 0;
    while (e < end && *e != '"' && *e != '\'' && k + 1 < room)
        out[k++] = *e++;
    out[k] = 0;
}

static const char *to_utf8(oxp_arena *arena, const char *name, const char *bytes, size_t *size) {
    oxp_ctx *ctx = oxp_arena_ctx(arena);
    const unsigned char *b = (const unsigned char *)bytes;
    size_t n = *size;
    char encoding[32];
    utf8_out o = {NULL, 0};
    if (n >= 2 && ((b[0] == 0xFE && b[1] == 0xFF) || (b[0] == 0xFF && b[1] == 0xFE))) {
        o.p = oxp_alloc(arena, n * 2 + 1, 1);
        from_utf16(ctx, name, &o, b, n, b[0] == 0xFE);
        *size = o.n;
        return o.p;
    }
    if (n >= 3 && !memcmp(b, "\xEF\xBB\xBF", 3)) {
        bytes += 3;
        b += 3;
        n -= 3;
    }
    declared_encoding(bytes, n, encoding, sizeof encoding);
    if (!strcasecmp(encoding, "ISO-8859-1")) {
        o.p = oxp_alloc(arena, n * 2 + 1, 1);
        for (size_t i = 0; i < n; i++)
            put_code(&o, b[i]);
        *size = o.n;
        return o.p;
    }
    if (*encoding && strcasecmp(encoding, "UTF-8") != 0 && strcasecmp(encoding, "US-ASCII") != 0)
        oxp_raise(ctx, OXP_E_RULE,
                  "%s:1: encoding \"%s\" is not read (UTF-8, UTF-16 with a byte-order mark, "
                  "ISO-8859-1 and US-ASCII are)",
                  name, encoding);
    *size = n;
    return bytes;
}

/* ---- the scan before the parser ---- */
typedef struct scan {
    oxp_ctx *ctx;
    const char *name, *p, *end;
    unsigned line, depth;
} scan;

static _Noreturn void bad(const scan *s, const char *why) {
    oxp_raise(s->ctx, OXP_E_RULE, "%s:%u: %s", s->name, s->line, why);
}

static bool at(const scan *s, const char *text) {
    size_t n = strlen(text);
    return (size_t)(s->end - s->p) >= n && !memcmp(s->p, text, n);
}

static void skip_past(scan *s, const char *text, const char *why) {
    const char *e = memmem(s->p, (size_t)(s->end - s->p), text, strlen(text));
    if (!e)
        bad(s, why);
    for (; s->p < e + strlen(text); s->p++)
        s->line += *s->p == '\n';
}

static void scan_tag(scan *s) {
    const char *start = s->p;
    bool closing = s->end - s->p > 1 && s->p[1] == '/';
    unsigned attrs = 0;
    char quote = 0;
    for (; s->p < s->end; s->p++) {
        char c = *s->p;
        s->line += c == '\n';
        if (s->p - start > TAG_BYTES_MAX)
            bad(s, "a tag of more than 64 kB");
        if (quote)
            quote = c == quote ? 0 : quote;
        else if (c == '"' || c == '\'') {
            quote = c;
            if (++attrs > TAG_ATTRS_MAX)
                bad(s, "an element with more than 64 attributes");
        } else if (c == '>')
            break;
    }
    if (s->p >= s->end)
        bad(s, "the file ends inside a tag");
    if (closing)
        s->depth -= s->depth > 0;
    else if (s->p[-1] != '/' && ++s->depth > DEPTH_MAX)
        bad(s, "elements nested more than 32 deep");
    s->p++;
}

static void scan_markup(oxp_ctx *ctx, const char *name, const char *text, size_t size) {
    scan s = {ctx, name, text, text + size, 1, 0};
    if (memchr(text, 0, size))
        oxp_raise(ctx, OXP_E_RULE, "%s: holds a NUL byte: this is no XML text", name);
    while (s.p < s.end) {
        if (*s.p != '<') {
            s.line += *s.p++ == '\n';
        } else if (at(&s, "<!--"))
            skip_past(&s, "-->", "a comment without an end");
        else if (at(&s, "<![CDATA["))
            skip_past(&s, "]]>", "a CDATA section without an end");
        else if (at(&s, "<?"))
            skip_past(&s, "?>", "an instruction without an end");
        else if (at(&s, "<!"))
            bad(&s, "a document type (<!DOCTYPE) is refused: it can define entities");
        else
            scan_tag(&s);
    }
}

/* ---- libxml2's messages ---- */
typedef struct first_error {
    int line;
    char text[256];
} first_error;

static void keep_first(void *arg, xmlErrorPtr e) {
    first_error *f = arg;
    if (f->text[0] || !e || e->level < XML_ERR_ERROR)
        return;
    f->line = e->line;
    size_t n = 0;
    for (const char *p = e->message ? e->message : "not well-formed";
         *p && n + 5 < sizeof f->text;) {
        size_t k = oxp_utf8_printable(p, strlen(p));
        if (!k || n + k + 1 >= sizeof f->text) {
            p++;
            if (n && f->text[n - 1] != ' ')
                f->text[n++] = ' ';
            continue;
        }
        memcpy(f->text + n, p, k);
        n += k;
        p += k;
    }
    while (n && f->text[n - 1] == ' ')
        n--;
    f->text[n] = 0;
}

static xmlParserInputPtr no_entities(const char *url, const char *id, xmlParserCtxtPtr c) {
    (void)url, (void)id, (void)c;
    return NULL;
}

xmlDocPtr oxp_xml_parse(oxp_arena *arena, const char *name, const char *bytes, size_t size) {
    oxp_ctx *ctx = oxp_arena_ctx(arena);
    first_error error = {0, ""};
    if (!size)
        oxp_raise(ctx, OXP_E_RULE, "%s: the file is empty", name);
    const char *text = to_utf8(arena, name, bytes, &size);
    if (size > (size_t)2 * OXP_XML_BYTES_MAX)
        oxp_raise(ctx, OXP_E_LIMIT, "%s: more than 8 MB", name);
    scan_markup(ctx, name, text, size);
    oxp_xml_begin(ctx, size);
    xmlSetExternalEntityLoader(no_entities);
    xmlSetStructuredErrorFunc(&error, keep_first);
    xmlParserCtxtPtr p = xmlNewParserCtxt();
    xmlDocPtr doc = NULL;
    if (p)
        doc = xmlCtxtReadMemory(p, text, (int)size, NULL, "UTF-8",
                                XML_PARSE_NONET | XML_PARSE_NOBLANKS | XML_PARSE_NOCDATA |
                                    XML_PARSE_BIG_LINES);
    xmlSetStructuredErrorFunc(NULL, NULL);
    bool good = doc && p->wellFormed && !error.text[0] && !oxp_xml_starved();
    xmlFreeParserCtxt(p);
    if (!good) {
        xmlFreeDoc(doc);
        oxp_raise(ctx, OXP_E_RULE, "%s:%d: %s", name, error.line,
                  error.text[0] ? error.text : "not well-formed XML");
    }
    return doc;
}

/* Schemas are compiled once and kept to the end: a folder may hold hundreds of rule files. */
static struct schema {
    const char *name; /* of an embedded file */
    xmlRelaxNGPtr rng;
} schemas[8];
static pthread_mutex_t schemas_lock = PTHREAD_MUTEX_INITIALIZER;

static xmlRelaxNGPtr compile(const char *text, size_t size) {
    xmlRelaxNGParserCtxtPtr pc = xmlRelaxNGNewMemParserCtxt(text, (int)size);
    xmlRelaxNGPtr rng = pc ? xmlRelaxNGParse(pc) : NULL;
    xmlRelaxNGFreeParserCtxt(pc);
    if (rng && oxp_xml_starved()) { /* parts of it lie in the reserve */
        xmlRelaxNGFree(rng);
        rng = NULL;
    }
    return rng;
}

/* NULL: it does not work, or there is no memory.  Raises nothing: a lock is held. */
static xmlRelaxNGPtr schema_of(const char *name) {
    size_t i = 0, n = sizeof schemas / sizeof *schemas, size;
    pthread_mutex_lock(&schemas_lock);
    while (i < n && schemas[i].name && strcmp(schemas[i].name, name) != 0)
        i++;
    if (i < n && !schemas[i].name) {
        const char *text = oxp_embedded_find(name, &size);
        schemas[i].rng = text ? compile(text, size) : NULL;
        schemas[i].name = schemas[i].rng ? name : NULL;
    }
    xmlRelaxNGPtr rng = i < n ? schemas[i].rng : NULL;
    pthread_mutex_unlock(&schemas_lock);
    return rng;
}

void oxp_xml_validate(oxp_arena *arena, const char *name, xmlDocPtr doc, const char *schema) {
    oxp_ctx *ctx = oxp_arena_ctx(arena);
    first_error error = {0, ""};
    oxp_xml_begin(ctx, OXP_XML_BYTES_MAX / 256);
    xmlSetStructuredErrorFunc(&error, keep_first);
    xmlRelaxNGPtr rng = schema_of(schema);
    xmlRelaxNGValidCtxtPtr vc = rng ? xmlRelaxNGNewValidCtxt(rng) : NULL;
    int bad_doc = vc ? xmlRelaxNGValidateDoc(vc, doc) : -1;
    xmlRelaxNGFreeValidCtxt(vc);
    xmlSetStructuredErrorFunc(NULL, NULL);
    oxp_xml_check(ctx);
    if (bad_doc < 0 || !rng)
        oxp_raise(ctx, OXP_E_INTERNAL, "the schema %s:%d does not work: %s", schema, error.line,
                  error.text);
    if (bad_doc)
        oxp_raise(ctx, OXP_E_RULE, "%s:%d: not as the schema of rule files says: %s", name,
                  error.line, error.text[0] ? error.text : "invalid");
}

/* ---- access ---- */
bool oxp_xml_is(xmlNodePtr e, const char *name) {
    return e->type == XML_ELEMENT_NODE && !strcmp((const char *)e->name, name);
}

/* libxml2's string as one of the arena's; it is freed even where there is no memory for the copy.
 */
static char *take(oxp_arena *arena, xmlChar *v) {
    size_t n = strlen((const char *)v) + 1;
    char *copy = oxp_try_alloc(arena, n, 1);
    if (copy)
        memcpy(copy, v, n);
    xmlFree(v);
    if (!copy)
        oxp_alloc_failed(arena, n, 1);
    return copy;
}

const char *oxp_xml_attr(oxp_arena *arena, xmlNodePtr e, const char *name) {
    xmlChar *v = xmlGetNoNsProp(e, BAD_CAST name);
    return v ? take(arena, v) : NULL;
}

const char *oxp_xml_text(oxp_arena *arena, xmlNodePtr e) {
    xmlChar *v = xmlNodeGetContent(e);
    if (!v)
        return "";
    char *copy = take(arena, v);
    size_t n = 0;
    for (const char *p = copy; *p; p++) {
        bool blank = *p == ' ' || *p == '\n' || *p == '\t' || *p == '\r';
        if (!blank)
            copy[n++] = *p;
        else if (n && copy[n - 1] != ' ')
            copy[n++] = ' ';
    }
    while (n && copy[n - 1] == ' ')
        n--;
    copy[n] = 0;
    return copy;
}
