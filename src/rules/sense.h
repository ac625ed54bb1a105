/* sense.h - does what a rule says make sense?  What the schema cannot tell. */
#ifndef OXP_RULES_SENSE_H
#define OXP_RULES_SENSE_H

#include <libxml/tree.h>

#include "rules/rule.h"

/* Raises OXP_E_RULE with file and line: nothing in a text, unknown operators, needs, parameters of
 * passes, options, references that are no addresses.  `e` is the element that the rule was read
 * from. */
void oxp_rule_sense(oxp_arena *arena, const oxp_rule *r, xmlNodePtr e);
/* The attributes of a <rule> that are one of some words, and its id: before the schema looks at
 * them, whose messages do not say what is wanted. */
void oxp_rule_words(oxp_arena *arena, const char *file, xmlNodePtr e);

#endif
