/* xml.h - XML from strangers: read whole, checked before the parser sees it, no entities, no
 * network, no other file. */
#ifndef OXP_RULES_XML_H
#define OXP_RULES_XML_H

#include <libxml/tree.h>

#include "onnxpert/status.h"

#define OXP_XML_BYTES_MAX (8u << 20)

/* The bytes of a regular file of at most 8 MB, NUL-terminated, in `arena`; raises naming it. */
const char *oxp_xml_file(oxp_arena *arena, const char *path, size_t *size);

/* Parses; raises OXP_E_RULE with `name` and the line: DOCTYPE, deep nesting, huge tags, encodings
 * other than UTF-8, UTF-16, ISO-8859-1 and ASCII, and whatever is not well-formed.  The caller
 * frees the document (xmlFreeDoc): register it with oxp_defer. */
xmlDocPtr oxp_xml_parse(oxp_arena *arena, const char *name, const char *bytes, size_t size);

/* Validates against an embedded RelaxNG schema ("rules.rng"); raises with name and line. */
void oxp_xml_validate(oxp_arena *arena, const char *name, xmlDocPtr doc, const char *schema);

/* An attribute's value copied into the arena, or NULL. */
const char *oxp_xml_attr(oxp_arena *arena, xmlNodePtr e, const char *name);
/* The text inside, with runs of white space made one blank, in the arena. */
const char *oxp_xml_text(oxp_arena *arena, xmlNodePtr e);
bool oxp_xml_is(xmlNodePtr e, const char *name);

/* An embedded file below rules/, or NULL. */
const char *oxp_embedded_find(const char *name, size_t *size);

#endif
