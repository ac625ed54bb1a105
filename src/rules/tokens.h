/* tokens.h - expressions of rules, token by token. */
#ifndef OXP_RULES_TOKENS_H
#define OXP_RULES_TOKENS_H

#include "rules/xpath.h"

/* A variable, and what its expression gives. */
typedef struct oxp_rule_var {
    const char *name; /* NULL ends a list */
    oxp_gives gives;
    bool of_attr; /* it may be an <attr>, which may have any attribute */
} oxp_rule_var;

/* What is wrong with an expression, or NULL: quotes, brackets, names of functions, how many
 * arguments they take, words that they do not know, a number or a text where a set is wanted,
 * elements and attributes that facts, or the element that the rule is about (`on`), do not have,
 * places counted from 0, variables other than `vars`, prefixes.
 * `of_matches`: not NULL in a message, whose context has a <match> with these variables as
 * attributes.  The grammar is libxml2's to check.  *gives: what the expression gives. */
const char *oxp_tokens_problem(oxp_arena *arena, const char *expr, oxp_rule_on on,
                               const oxp_rule_var *vars, const oxp_rule_var *of_matches,
                               oxp_gives *gives);
/* May what it gives be an <attr>, or come from one? */
bool oxp_expr_reaches_attr(const char *expr, const oxp_rule_var *vars);
/* Is the expression one text in quotes, or one number, perhaps negative? */
bool oxp_expr_is_literal(const char *expr);

/* Does the expression look at nothing but attributes of the context element? */
bool oxp_expr_is_bare(const char *expr);
/* Is every attribute that the expression looks at named behind an '@'? */
bool oxp_expr_names_attributes(const char *expr);
/* Appends the names behind '@' in an expression to a list. */
void oxp_expr_attributes(oxp_arena *arena, const char *expr, const char ***list, size_t *n,
                         size_t *cap);

#endif
