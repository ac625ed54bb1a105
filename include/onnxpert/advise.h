/* advise.h - rules, targets and the roadmap made of them.
 *
 * Rules are XML files (rules/rules.rng, docs/rules.md): those built into the library, and users'
 * files or folders, which override by id.  A rule never runs code of its own: its XPath sees facts
 * (rules/facts.rng) in a forked worker that is killed at its deadline; a rule that fails is a
 * diagnostic that names it, and the others still run. */
#ifndef ONNXPERT_ADVISE_H
#define ONNXPERT_ADVISE_H

#include "onnxpert/analyze.h"
#include "onnxpert/report.h"

/* ---- rule sets ---- */
typedef struct oxp_rules oxp_rules;

typedef struct oxp_rules_opts {
    int version;              /* OXP_RULES_OPTS_VERSION */
    const char *const *files; /* files or folders (every *.xml in them); later ones override */
    size_t n_files;
    const char *const *disable; /* ids */
    size_t n_disable;
    const char *profile; /* a built-in selection ("no-retraining") or a file; NULL: all rules */
} oxp_rules_opts;
#define OXP_RULES_OPTS_VERSION 1
#define OXP_RULES_OPTS_INIT                                                                        \
    { OXP_RULES_OPTS_VERSION, NULL, 0, NULL, 0, NULL }

/* Loads the built-in rules and the files.  *out lives in `arena`.  OXP_E_RULE or OXP_E_IO with file
 * and line for a bad file; OXP_E_USAGE for an id to disable that no rule has. */
OXP_API OXP_MUST_USE oxp_status oxp_rules_load(const oxp_rules **out, oxp_ctx *ctx,
                                               const oxp_rules_opts *opts, oxp_arena *arena);
OXP_API size_t oxp_rules_count(const oxp_rules *r);
OXP_API const char *oxp_rules_id(const oxp_rules *r, size_t i);

/* The list of rules as a report (kind "rules"); the rules must outlive it. */
OXP_API oxp_report oxp_report_rules(const oxp_rules *r);
/* What one rule means, why it matters, how it is computed, its sources (kind "rule").  OXP_E_USAGE
 * when no rule has this id. */
OXP_API OXP_MUST_USE oxp_status oxp_rules_explain(oxp_report *out, oxp_ctx *ctx, const oxp_rules *r,
                                                  const char *id, oxp_arena *arena);

typedef struct oxp_rules_checked {
    const char *path; /* NULL: the built-in rules */
    size_t rules, examples;
} oxp_rules_checked;
/* What was checked as a report (kind "check"); it must outlive the report. */
OXP_API oxp_report oxp_report_rules_checked(const oxp_rules_checked *c);
/* Checks one rule file, or the files of a folder: well-formed, schema, XPath, ids, and runs its
 * examples.  OXP_E_RULE or OXP_E_IO, with file and line, on the first failure. */
OXP_API OXP_MUST_USE oxp_status oxp_rules_check(oxp_rules_checked *out, oxp_ctx *ctx,
                                                const char *path, oxp_arena *arena);
/* The same for all built-in rules. */
OXP_API OXP_MUST_USE oxp_status oxp_rules_check_builtin(oxp_rules_checked *out, oxp_ctx *ctx,
                                                        oxp_arena *arena);

/* ---- facts ---- */
/* Streams what rules see of a model, as XML. */
OXP_API OXP_MUST_USE oxp_status oxp_facts_dump(const oxp_analysis *a, oxp_sink *out);

/* ---- advice ---- */
typedef struct oxp_roadmap oxp_roadmap;

typedef struct oxp_advise_opts {
    int version; /* OXP_ADVISE_OPTS_VERSION */
    const oxp_binding *bindings;
    size_t n_bindings;
    const char *device; /* id, NULL: "t4" */
    int64_t batch;      /* for throughput and memory; 0 = 1 */
    const char *const *targets;
    size_t n_targets; /* "latency=3ms", "throughput=2000", "memory=100MB", "size=20MB" */
    const char *const *target_files; /* <targets><target name="latency" goal="3ms"/></targets> */
    size_t n_target_files;
    const oxp_rules *rules; /* NULL: the built-in ones */
} oxp_advise_opts;
#define OXP_ADVISE_OPTS_VERSION 1
#define OXP_ADVISE_OPTS_INIT                                                                       \
    { OXP_ADVISE_OPTS_VERSION, NULL, 0, NULL, 0, NULL, 0, NULL, 0, NULL }

/* Makes the roadmap.  *out lives in `arena` (and needs the model).  OXP_E_USAGE: unknown device, a
 * target that makes no sense, a binding that binds nothing. */
OXP_API OXP_MUST_USE oxp_status oxp_advise(const oxp_roadmap **out, const oxp_model *m,
                                           const oxp_advise_opts *opts, oxp_arena *arena);
/* Is there an item whose impact is at least "high", "medium" or "low"; or, for "targets", a target
 * that the model as it is misses?  OXP_E_USAGE for another word. */
OXP_API OXP_MUST_USE oxp_status oxp_roadmap_reaches(bool *out, const oxp_roadmap *r,
                                                    const char *impact);
/* A report (kind "roadmap") over it, which must outlive it. */
OXP_API oxp_report oxp_report_roadmap(const oxp_roadmap *r);

#endif
