/* rule.h - a rule in memory, and a set of them. */
#ifndef OXP_RULES_RULE_H
#define OXP_RULES_RULE_H

#include "onnxpert/advise.h"

typedef enum oxp_rule_on { OXP_ON_NODE, OXP_ON_MODEL, OXP_ON_TENSOR, OXP_ON_BLOCK } oxp_rule_on;
typedef enum oxp_level { OXP_LOW, OXP_MEDIUM, OXP_HIGH } oxp_level;
const char *oxp_level_name(oxp_level l);

/* A <let> (name set) or a <when> (name NULL), in the order of the file. */
typedef struct oxp_rule_step {
    const char *name, *expr;
    int line;
} oxp_rule_step;

typedef struct oxp_rule_projection {
    const char *pass;          /* NULL: none */
    const char *const *params; /* "key=value" */
    size_t n_params;
    const char *each;  /* a variable of the rule: its value at each matched node goes to the pass */
    oxp_dtype weights; /* of stored weights of products only; OXP_UNDEFINED: as they are */
    oxp_dtype precision; /* OXP_UNDEFINED: the types of the patched model */
    oxp_dtype products;  /* of the arithmetic of products with stored weights; as precision */
} oxp_rule_projection;

typedef struct oxp_rule_reference {
    const char *href, *text;
} oxp_rule_reference;

/* An example graph: its elements as they are in the file. */
typedef struct oxp_example_item {
    const char *kind; /* "input", "const", "node", "output" */
    int line;
    size_t n;
    const char *const *keys, *const *values;
} oxp_example_item;

typedef struct oxp_example {
    bool triggers;
    int line;
    long opset;
    const char *device;
    const oxp_example_item *items;
    size_t n_items;
} oxp_example;

/* What a shell takes as it stands in a command that is pasted: of options a rule may hold nothing
 * else but blanks, names of models and dimensions are quoted for more. */
#define OXP_SHELL_PLAIN "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_=,.:+/"

typedef struct oxp_rule {
    const char *id, *title, *file, *category;
    int line;
    bool builtin;
    oxp_rule_on on;
    const char *const *ops; /* "Conv" or "com.microsoft:Gelu"; n_ops 0: any node */
    size_t n_ops;
    const char *phase; /* "quick" or "extra" */
    oxp_level effort, risk;
    double confidence;
    const char *const *needs; /* "retraining", "calibration", ... */
    size_t n_needs;
    const oxp_rule_step *steps;
    size_t n_steps;
    const char *message, *detail; /* templates; detail NULL = none */
    const char *gain; /* expression: a factor on the latency where no what-if can tell; or NULL */
    int message_line, detail_line, gain_line;
    const char *why, *how;
    oxp_rule_projection projection;
    const char *fix, *fix_options; /* pass and further options for the command, or NULL */
    const oxp_rule_reference *references;
    size_t n_references;
    const oxp_example *examples;
    size_t n_examples;
} oxp_rule;

struct oxp_rules {
    const oxp_rule *const *items;
    size_t n;
};

/* Loads what is in one XML text; rules are appended.  `check`: against the schema, with every
 * expression compiled (built-in files are checked by the tests).  Raises with file and line. */
typedef struct oxp_rule_list {
    oxp_arena *arena;
    const oxp_rule **items;
    size_t n, cap;
} oxp_rule_list;
void oxp_rules_parse(oxp_rule_list *list, const char *name, const char *text, size_t size,
                     bool builtin, bool check);
/* Every built-in rule, in the order of the files' names. */
const oxp_rules *oxp_rules_builtin(oxp_arena *arena, bool check);
/* A file, or every *.xml of a folder, checked. */
void oxp_rules_load_path(oxp_rule_list *list, const char *path);
/* An id given twice within rules [from, n) is an error that names the second one's line. */
void oxp_rules_unique(const oxp_rule_list *list, size_t from);

#endif
