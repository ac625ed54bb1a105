/* facts.h - what rules see of a model: XML elements, built when asked for (rules/facts.rng,
 * docs/facts.md).  They are copies: an element lives in the document it was built in and knows the
 * node or value it stands for by `_private`. */
#ifndef OXP_ANALYSIS_FACTS_H
#define OXP_ANALYSIS_FACTS_H

#include <libxml/tree.h>

#include "analysis/generation.h"
#include "analysis/insight.h"
#include "analysis/latency.h"
#include "onnxpert/analyze.h"

typedef struct oxp_facts {
    const oxp_analysis *a;
    const oxp_device *device;         /* NULL: no times */
    const oxp_node_latency *latency;  /* by node; NULL without a device */
    double seconds;                   /* their sum */
    const oxp_batch_sweep *sweep;     /* NULL: none */
    const oxp_insight *insight;       /* NULL: none */
    const oxp_generation *generation; /* NULL: none */
    oxp_arena *scratch;               /* labels; the caller rewinds it */
} oxp_facts;

/* With a device: latencies per node. */
oxp_facts *oxp_facts_new(const oxp_analysis *a, const oxp_device *d, oxp_arena *arena);

/* Elements without a parent, in `doc`; NULL when libxml2 has no memory. */
xmlNodePtr oxp_facts_node(const oxp_facts *f, xmlDocPtr doc, oxp_id node);
/* The same in two steps: with the named attributes only (NULL-terminated), then with everything. */
xmlNodePtr oxp_facts_bare_node(const oxp_facts *f, xmlDocPtr doc, oxp_id node,
                               const char *const *only);
void oxp_facts_complete(const oxp_facts *f, xmlNodePtr e);
/* Adds those of the named attributes (NULL-terminated) that a bare node lacks. */
void oxp_facts_add(const oxp_facts *f, xmlNodePtr e, const char *const *names);
/* A block of f->insight, by its index; also in two steps: all its attributes, then its members. */
xmlNodePtr oxp_facts_bare_block(const oxp_facts *f, xmlDocPtr doc, oxp_id block);
void oxp_facts_add_members(const oxp_facts *f, xmlNodePtr e, oxp_id block);
xmlNodePtr oxp_facts_block(const oxp_facts *f, xmlDocPtr doc, oxp_id block);
xmlNodePtr oxp_facts_model(const oxp_facts *f, xmlDocPtr doc);
/* A value as `name` ("in", "out", "input", "output"). */
xmlNodePtr oxp_facts_value(const oxp_facts *f, xmlDocPtr doc, const char *name, oxp_id value);

/* Is the value a stored tensor (an initializer, or what a Constant node holds) that a node reads?
 */
bool oxp_facts_stored(const oxp_facts *f, oxp_id value);

/* What an element stands for: a node's or a value's id, OXP_NONE for others. */
oxp_id oxp_facts_id(const xmlNode *e);

#endif
