/* engine.h - runs rules over facts in a worker process that may be killed. */
#ifndef OXP_RULES_ENGINE_H
#define OXP_RULES_ENGINE_H

#include "analysis/facts.h"
#include "rules/rule.h"

typedef struct oxp_rule_result {
    const oxp_rule *rule;
    bool matched;
    const char *failed; /* why the rule could not be evaluated; NULL: it was */
    const oxp_id *nodes;
    size_t n_nodes; /* matched nodes; of tensors the readers, of blocks the members */
    size_t n_matches;
    const double *values; /* for each node what its projection is to do there; NULL: nothing said */
    double gain;          /* the rule's own factor on the latency; 0: none */
    const char
        *odd_gain; /* what it gave where that is no factor; NULL: it is one, or there is none */
    const char *message;
    const char *const *details; /* one a match, the first 64 */
    size_t n_details;
} oxp_rule_result;

typedef struct oxp_evaluation oxp_evaluation;

/* Starts a worker on the rules; the caller goes on with its own work meanwhile. */
oxp_evaluation *oxp_rules_start(const oxp_rules *rules, const oxp_facts *facts, oxp_arena *arena);
/* The result of the next rule, in the order of the rules and in the arena of the start; NULL: that
 * was all, and there is no worker any more.  Each rule has its deadline; one that runs past it (or
 * takes the worker down) has `failed` set, and the rest go on in a new worker. */
const oxp_rule_result *oxp_rules_next(oxp_evaluation *e);
/* All of them, one after the other. */
const oxp_rule_result *oxp_rules_run(const oxp_rules *rules, const oxp_facts *facts,
                                     oxp_arena *arena);

/* Runs the examples of the rules of a set; raises OXP_E_RULE with file and line for one that does
 * not behave.  Returns how many there were. */
size_t oxp_rules_run_examples(const oxp_rules *rules, oxp_arena *arena);

#endif
