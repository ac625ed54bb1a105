/* names.c - facts.rng as a list of names: what of facts an expression may look at.  The schema is
 * ours and is built in: its text is searched, not parsed. */
#include "rules/names.h"

#include <string.h>

#include "rules/xml.h"

bool oxp_names_any(oxp_arena *arena, const char *kind, const char *name) {
    size_t size;
    const char *schema = oxp_embedded_find("facts.rng", &size);
    const char *wanted = oxp_sprintf(arena, "<%s name=\"%s\"", kind, name);
    return !schema || memmem(schema, size, wanted, strlen(wanted));
}

/* The pattern of a value stands inside of elements of several names, those of the others hold their
 * element. */
static const char *define_of(oxp_rule_on on, int *depth) {
    *depth = on != OXP_ON_TENSOR;
    return on == OXP_ON_MODEL    ? "model"
           : on == OXP_ON_TENSOR ? "value"
           : on == OXP_ON_BLOCK  ? "block"
                                 : "node";
}

bool oxp_names_own(oxp_arena *arena, oxp_rule_on on, const char *kind, const char *name) {
    size_t size;
    int own, depth = 0;
    const char *schema = oxp_embedded_find("facts.rng", &size);
    const char *define = oxp_sprintf(arena, "<define name=\"%s\">", define_of(on, &own));
    const char *wanted = oxp_sprintf(arena, "<%s name=\"%s\"", kind, name);
    const char *p = schema ? memmem(schema, size, define, strlen(define)) : NULL;
    if (!p)
        return true;
    const char *end = memmem(p, size - (size_t)(p - schema), "</define>", strlen("</define>"));
    for (; p < end; p++) {
        if (*p != '<')
            continue;
        if (depth == own && !strncmp(p, wanted, strlen(wanted)))
            return true;
        depth += !strncmp(p, "<element ", 9);
        depth -= !strncmp(p, "</element>", 10);
    }
    return false;
}

const char *oxp_names_context(oxp_rule_on on) {
    return on == OXP_ON_MODEL    ? "the model"
           : on == OXP_ON_TENSOR ? "a tensor"
           : on == OXP_ON_BLOCK  ? "a block"
                                 : "a node";
}
