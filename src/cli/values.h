/* values.h - what an option's value may be, read from its metavar.
 *
 * Help, the manual and the shell completions all follow from the option tables.  A metavar tells
 * what to offer: a choice ("auto|always|never", in lower case), one of the program's own lists
 * (FORMAT, DEVICE, PASS), a path (FILE, DIR, OUT), or anything else, for which nothing is offered.
 */
#ifndef OXP_CLI_VALUES_H
#define OXP_CLI_VALUES_H

#include "cli/command.h"

typedef enum oxp_value_kind {
    OXP_VALUE_NONE,
    OXP_VALUE_FREE,
    OXP_VALUE_PATH,
    OXP_VALUE_WORDS
} oxp_value_kind;

typedef struct oxp_values {
    oxp_value_kind kind; /* OXP_VALUE_NONE: the option takes no value */
    const char *words;   /* OXP_VALUE_WORDS: separated by spaces, in the arena */
    bool many;           /* several, separated by commas */
} oxp_values;

oxp_values oxp_cli_values(oxp_arena *arena, const oxp_option *o);
/* "; did you mean 'x'?" for the nearest of `words` (separated by spaces), or "" when none is near.
 */
const char *oxp_cli_suggest(oxp_arena *arena, const char *word, const char *words);
/* The words that the first argument may be, from the synopsis ("list | explain ID"), separated by
 * spaces; "" where it is a file or nothing. */
const char *oxp_cli_actions(oxp_arena *arena, const oxp_command *c);
/* The long form without its dashes, and the short letter or 0, of "--output,-o". */
const char *oxp_cli_long_name(oxp_arena *arena, const oxp_option *o);
char oxp_cli_short_name(const oxp_option *o);
/* Calls `each` for every option of the command. */
void oxp_cli_each_option(const oxp_command *c, void (*each)(void *arg, const oxp_option *o),
                         void *arg);

#endif
