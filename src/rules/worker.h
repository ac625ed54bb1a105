/* worker.h - the part of the engine that runs in the child process. */
#ifndef OXP_RULES_WORKER_H
#define OXP_RULES_WORKER_H

#include "rules/engine.h"

/* What the child writes for each rule; then n_nodes ids, n_values numbers (of a projection's
 * "each": none, or one for each node), then n_texts texts of (length, bytes): the
 * message (or the reason of the failure) first, then details. */
typedef struct oxp_rule_record {
    double gain; /* factor; 0: none */
    uint32_t rule, failed, matched, n_nodes, n_texts, n_matches, n_values;
} oxp_rule_record;

/* How the child ends when there is no memory: not the rule's fault. */
enum { OXP_WORKER_STARVED = 5, OXP_WORKER_GREEDY = 6 };
/* What XPath may hold for a rule: a facts document of 4,096 elements takes a few megabytes. */
enum { OXP_WORKER_BYTES = 64 << 20 };
enum { OXP_TEXT_MAX = 16384, OXP_DETAILS_MAX = 64, OXP_RESULT_ELEMENTS = 4096 };

/* Runs rules [first, n) and writes their records to fd; never returns. */
_Noreturn void oxp_rules_worker(const oxp_rules *rules, size_t first, const oxp_facts *facts,
                                int fd);

#endif
