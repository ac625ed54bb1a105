/* tokens.h - expressions of rules, token by token. */
#ifndef OXP_RULES_TOKENS_H
#define OXP_RULES_TOKENS_H

#include "onnxpert/status.h"

/* What is wrong with an expression, or NULL: quotes, brackets, names of functions, how many
 * arguments they take, words that they do not know, variables other than `vars` (which ends with
 * NULL), prefixes.  The grammar is libxml2's to check. */
const char *oxp_tokens_problem(oxp_arena *arena, const char *expr, const char *const *vars);

/* Does the expression look at nothing but attributes of the context element? */
bool oxp_expr_is_bare(const char *expr);
/* Is every attribute that the expression looks at named behind an '@'? */
bool oxp_expr_names_attributes(const char *expr);
/* Appends the names behind '@' in an expression to a list. */
void oxp_expr_attributes(oxp_arena *arena, const char *expr, const char ***list, size_t *n,
                         size_t *cap);

#endif
