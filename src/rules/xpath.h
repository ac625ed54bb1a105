/* xpath.h - rules' expressions: checked before they run, and run in a scratch document. */
#ifndef OXP_RULES_XPATH_H
#define OXP_RULES_XPATH_H

#include <libxml/xpath.h>

#include "analysis/facts.h"
#include "rules/rule.h"

#define OXP_EXPR_MAX      4096     /* characters of an expression */
#define OXP_OPS_MAX       10000000 /* steps of one evaluation (libxml2's opLimit) */
#define OXP_SCRATCH_NODES 4096     /* elements that functions may add to a scratch document */

/* Compiles every expression of the rule: syntax, functions with the number and the words of their
 * arguments, variables and prefixes.  Raises
 * OXP_E_RULE with file and line. */
void oxp_rule_compile_check(oxp_arena *arena, const oxp_rule *r);

/* A template "text {expression} text", "{{" and "}}" for braces, in parts: odd ones are
 * expressions.  NULL and *why when it is malformed. */
const char *const *oxp_template_parts(oxp_arena *arena, const char *text, size_t *n,
                                      const char **why);

/* ---- evaluation; only in a worker: nothing here raises from inside libxml2 ---- */
typedef struct oxp_scratch {
    const oxp_facts *facts;
    oxp_arena *arena;
    xmlXPathContextPtr xp;
    xmlDocPtr doc;
    xmlNodePtr root;
    size_t n_nodes;
    bool bare;               /* the context element is not complete: of a block the members lack, */
    const char *const *only; /* and of a node all but these attributes */
    xmlDocPtr *summary;      /* of the worker: the model's element for ox:model(), made once */
    oxp_id block;            /* of the context element, for rules on blocks */
    struct oxp_weight_stats **stats; /* of the worker; made when first asked for */
    char error[256];                 /* the first one, "" = none */
} oxp_scratch;

bool oxp_scratch_init(oxp_scratch *s, const oxp_facts *f, oxp_arena *arena);
void oxp_scratch_free(oxp_scratch *s);
/* A new document whose context is the model, a node, a tensor (a value's id) or a block.  A node
 * has only the attributes s->only at first, a block no members: oxp_scratch_complete adds the rest
 * and what is inside. */
bool oxp_scratch_begin(oxp_scratch *s, oxp_rule_on on, oxp_id id);
void oxp_scratch_complete(oxp_scratch *s);
/* Adds these attributes (NULL-terminated) to a node that has only some. */
void oxp_scratch_add(oxp_scratch *s, const char *const *names);
void oxp_scratch_end(oxp_scratch *s);
/* A scratch copy of a node, a value or the model; the same one when it is there already. */
xmlNodePtr oxp_scratch_node(oxp_scratch *s, oxp_id node);
xmlNodePtr oxp_scratch_value(oxp_scratch *s, oxp_id value);
/* The model's element, in a document of its own that lives as long as the worker. */
xmlNodePtr oxp_scratch_summary(oxp_scratch *s);
xmlXPathObjectPtr oxp_scratch_eval(oxp_scratch *s, xmlXPathCompExprPtr e); /* NULL: s->error */
/* Text of a result for people: integers plain, other numbers with four digits. */
const char *oxp_xpath_text(oxp_arena *arena, xmlXPathObjectPtr o);

/* The ox: functions (functions.c). */
#define OXP_XPATH_NS "urn:onnxpert"
/* What an expression gives, where it can be told before it is evaluated. */
typedef enum oxp_gives {
    OXP_GIVES_ANY,
    OXP_GIVES_SET,
    OXP_GIVES_NUMBER,
    OXP_GIVES_TEXT,
    OXP_GIVES_BOOL
} oxp_gives;

typedef struct oxp_xpath_call {
    int least, most; /* arguments */
    oxp_gives gives;
    bool of_set; /* the first argument is a set of elements */
} oxp_xpath_call;

/* Is there such a function (without prefix)? */
bool oxp_xpath_known(const char *name, oxp_xpath_call *out);
/* May the n-th argument of it be this word?  True where any may. */
bool oxp_xpath_takes(const char *name, int n, const char *word);
bool oxp_xpath_pure(const char *name); /* looks at its arguments and the device only */
void oxp_xpath_register(xmlXPathContextPtr c);

#endif
