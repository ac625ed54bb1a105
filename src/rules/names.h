/* names.h - the elements and attributes that facts have, as rules/facts.rng lists them. */
#ifndef OXP_RULES_NAMES_H
#define OXP_RULES_NAMES_H

#include "rules/rule.h"

/* Is there such an element or attribute (`kind`) anywhere in facts? */
bool oxp_names_any(oxp_arena *arena, const char *kind, const char *name);
/* May the element that a rule is about have it, as its own attribute or as a child? */
bool oxp_names_own(oxp_arena *arena, oxp_rule_on on, const char *kind, const char *name);
/* "a model", as the element that a rule is about is called in messages. */
const char *oxp_names_context(oxp_rule_on on);

#endif
