/* json_check.h - a JSON reader and the part of JSON Schema that the schemas in docs/ and SARIF's
 * use: type, const, enum, anyOf, oneOf, $ref within the schema, properties, required,
 * additionalProperties, items, minItems, maxItems, uniqueItems, minimum, maximum, pattern, format
 * of URIs.  A keyword that it does not know fails the check. */
#ifndef OXP_TESTS_JSON_CHECK_H
#define OXP_TESTS_JSON_CHECK_H

#include <stdbool.h>
#include <stddef.h>

typedef struct json json; /* freed with the process */

/* NULL when `text` is no JSON; `why` (256 bytes) says where. */
const json *json_parse(const char *text, size_t len, char *why);
const json *json_read_file(const char *path, char *why);
/* Member of an object, element of an array; NULL when absent. */
const json *json_get(const json *j, const char *key);
const json *json_at(const json *j, size_t i);
size_t json_count(const json *j);
const char *json_text(const json *j); /* of a string, else NULL */
double json_number(const json *j);    /* NaN when it is none */
bool json_is_null(const json *j);
/* Does the document meet the schema?  `why` names the place and the reason. */
bool json_meets(const json *document, const json *schema, char *why);

#endif
