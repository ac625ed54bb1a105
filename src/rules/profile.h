/* profile.h - named selections of rules: rules/profiles/NAME.xml and users' files
 * (rules/profile.rng). */
#ifndef OXP_RULES_PROFILE_H
#define OXP_RULES_PROFILE_H

#include "rules/rule.h"

/* Leaves in `items` the rules that the profile selects, in their order, and returns how many; those
 * with a <set> are changed copies.  `name`: a built-in profile, else a file.  Raises OXP_E_RULE
 * with file and line; OXP_E_USAGE when there is neither. */
size_t oxp_profile_apply(oxp_arena *arena, const char *name, const oxp_rule **items, size_t n);

#endif
