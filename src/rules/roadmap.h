/* roadmap.h - the inside of a roadmap: for src/rules and the reports. */
#ifndef OXP_RULES_ROADMAP_H
#define OXP_RULES_ROADMAP_H

#include "analysis/insight.h"
#include "analysis/latency.h"
#include "onnxpert/pass.h"
#include "rules/engine.h"

enum { OXP_BATCH_MAX = 1000000 }; /* of --batch and latency@B */
enum { OXP_LATENCY_BATCHES = 4 }; /* different batches of latency@B targets */
enum { OXP_SCENARIOS = 10 };      /* the device as stated, and with one assumption moved each */

/* What a model costs on the device. */
typedef struct oxp_metrics {
    uint64_t flops, int_ops, peak_activation_bytes, weight_bytes, params, nodes;
    double latency;                         /* seconds, batch as bound (1 when it is not) */
    double latency_at[OXP_LATENCY_BATCHES]; /* of the batches of latency@B; 0: unknown */
    double throughput;                      /* samples a second at the batch */
    double latency_in[OXP_SCENARIOS], throughput_in[OXP_SCENARIOS]; /* [0]: as above */
    uint64_t memory; /* weights + peak activations at the batch; UINT64_MAX unknown */
    uint64_t size;   /* of the file, with external data */
    bool batch_runs; /* false: it does not run at the batch; throughput and memory are of one run */
    bool partial;    /* sizes contradict each other: it does not run */
    bool known;
    bool lost; /* a node of known cost in the original has an unknown one here: totals that leave
                  it out are no less work, and there is nothing to compare */
} oxp_metrics;

/* From low to high, and the assumption that moves it most ("" when none does); NaN: unknown. */
typedef struct oxp_spread {
    double low, high;
    const char *cause;
} oxp_spread;
/* Seconds; and before over after as a factor, of latencies or of throughputs (whatif_range.c). */
oxp_spread oxp_spread_latency(const oxp_metrics *m);
oxp_spread oxp_spread_gain(const oxp_metrics *before, const oxp_metrics *after, bool throughput);
/* The device under each deviation; the first is as stated. */
void oxp_scenarios(const oxp_device *d, oxp_arena *arena, const oxp_device *out[OXP_SCENARIOS]);

typedef enum oxp_target_kind {
    OXP_TARGET_LATENCY,
    OXP_TARGET_THROUGHPUT,
    OXP_TARGET_MEMORY,
    OXP_TARGET_SIZE,
    OXP_TARGET_ACCURACY
} oxp_target_kind;
enum { OXP_WEIGHTS = OXP_TARGET_ACCURACY }; /* kinds that a projection can decide */

typedef struct oxp_target {
    const char *name; /* "latency", "latency@8", ... */
    oxp_target_kind kind;
    int64_t batch; /* latency@B; 0: as bound */
    size_t slot;   /* latency@B: index into latency_at */
    double goal;   /* seconds, samples a second, bytes */
    const char *text;
} oxp_target;

const char *oxp_target_kind_name(oxp_target_kind k);
/* How many times better a metric is after than before: above 1 is better, 1 unknown. */
double oxp_target_kind_factor(oxp_target_kind k, const oxp_metrics *before,
                              const oxp_metrics *after);
/* Parses "latency=3ms"; raises OXP_E_USAGE for what makes no sense. */
oxp_target oxp_target_parse(oxp_arena *arena, const char *text);
/* All of the options' targets, files included. */
size_t oxp_targets_read(oxp_arena *arena, const oxp_advise_opts *opts, const oxp_target **out);
/* The value of a target's metric; NaN when it is not known. */
double oxp_target_value(const oxp_target *t, const oxp_metrics *m);
bool oxp_target_met(const oxp_target *t, double value);
/* How far the value is from the goal, as a factor: above 1 it is missed. */
double oxp_target_miss(const oxp_target *t, double value);
const char *oxp_target_show(oxp_arena *arena, const oxp_target *t, double value);

/* What an item does to the metric that matters most. */
typedef enum oxp_effect {
    OXP_EFFECT_UNKNOWN, /* nothing was projected */
    OXP_EFFECT_LOSS,
    OXP_EFFECT_NONE,
    OXP_EFFECT_GAIN
} oxp_effect;

/* What a pass did to a copy. */
typedef struct oxp_whatif_done {
    size_t changed, passed_over; /* places, and those of its kind outside of the matched nodes */
    const char *why;             /* in words, what it did or why nothing */
} oxp_whatif_done;

typedef struct oxp_item {
    const oxp_rule_result *result;
    const oxp_rule *rule;
    bool projected; /* `before` and `after` hold */
    bool lost;      /* what-ifs lose costs: its own when not projected, else those of its phase */
    oxp_metrics before, after;
    const char *summary;   /* what the what-if did, in words, or NULL */
    double gain, gain_low; /* weighted logarithms of the metrics' factors, and their low end */
    double priority;       /* roadmap_rank.c has the formula */
    oxp_effect effect;
    const oxp_id *layers; /* those whose function it changes, by id */
    size_t n_layers;
    unsigned phases_in;  /* bit k: phase k combines it */
    bool alone;          /* not part of its phase's combination */
    const char *why;     /* one sentence: why it is alone */
    const char *impact;  /* "high", "medium", "low" */
    const char *command; /* or NULL */
    bool lacks_weights;  /* the command needs weights that are not there */
    oxp_whatif_done done;
    const char *open;    /* dimensions that the command leaves to the user; "" = none */
    const char *batched; /* its " --dim N=B" for the batch of the roadmap; "" = binds none */
} oxp_item;

typedef struct oxp_phase {
    const char *name;
    const oxp_item *items;
    size_t n_items;
    oxp_metrics combined; /* with all of its items and those of the phases before */
    bool has_combined;
    const char *left; /* titles of items of the phases before that are out of it; "" = none */
} oxp_phase;

/* One setting of a sweep. */
typedef struct oxp_sweep_point {
    const char *label;
    bool runs;   /* false: the graph does not take it */
    bool native; /* precision: the device computes in it */
    uint64_t
        convolutions; /* resolution: their FLOPs, also where the graph does not take the size */
    const char *why;  /* resolution: what does not take it; "" or NULL = not known */
    oxp_metrics metrics;
} oxp_sweep_point;

/* The best that a combination of items does for a target. */
typedef struct oxp_nearest {
    double value;      /* NaN: not looked for, the roadmap reaches it (or it is unknown) */
    const char *items; /* titles; "" = all that the phases combine */
} oxp_nearest;

struct oxp_roadmap {
    const oxp_model *model;
    const oxp_analysis *analysis;
    const oxp_device *device;
    int64_t batch;
    oxp_metrics baseline;
    oxp_latency_sum latency;
    const oxp_node_latency *nodes;
    const oxp_batch_sweep *sweep;
    const oxp_target *targets;
    size_t n_targets;
    double weight[OXP_WEIGHTS]; /* of latency, throughput, memory, size: they add up to 1 */
    double work_weight;         /* of the arithmetic, where no target is missed */
    oxp_target_kind focus;      /* the one with the largest weight */
    bool missed;                /* weights are how far targets are missed; else the default */
    const oxp_sweep_point *precisions, *resolutions;
    size_t n_precisions, n_resolutions;
    bool tied;             /* of the resolutions none runs but that of the file */
    const oxp_item *freed; /* applied for the resolutions: the network is tied to one without it */
    const oxp_insight *insight;
    const oxp_phase *phases;
    size_t n_phases;
    const oxp_batch_sweep *final_sweep; /* of the model with all of it; NULL: none was made */
    oxp_metrics final;                  /* with all that is combined */
    const oxp_nearest *nearest; /* for each target: the best combination, where none reaches it */
    const oxp_skip *dropped;    /* ids of rules that matched, whose what-if found nothing to do */
    size_t n_dropped;
};

/* ---- what-ifs (whatif.c) ---- */
typedef struct oxp_whatif {
    const oxp_model *model; /* the original */
    const oxp_analysis *analysis;
    const oxp_analyze_opts *base;
    const oxp_device *device;
    const oxp_device *scenarios[OXP_SCENARIOS]; /* the first is `device` as stated */
    int64_t batch;
    int64_t latency_batches[OXP_LATENCY_BATCHES]; /* 0: none */
    /* The analysis at the batch and at latency@B, made once; NULL: not needed or does not run. */
    const oxp_analysis *at[OXP_LATENCY_BATCHES + 1];
    double at_scale[OXP_LATENCY_BATCHES + 1];
    const oxp_analysis **fresh; /* where oxp_whatif_fresh keeps it */
    uint64_t overhead;          /* bytes of the files that are not weights */
    oxp_arena *arena;
} oxp_whatif;

/* Types that are imagined without a patch. */
typedef struct oxp_imagined {
    oxp_dtype precision; /* of all floats */
    oxp_dtype weights;   /* of stored weights of matrix products */
    oxp_dtype products;  /* of the arithmetic of these products, tensors between them as they are */
} oxp_imagined;
void oxp_imagine(const oxp_rule_projection *p, oxp_imagined *types);
/* Batches of the analysis in these types, as oxp_measure would have each. */
const oxp_batch_sweep *oxp_measure_batches(const oxp_whatif *w, const oxp_analysis *a,
                                           oxp_imagined types, oxp_arena *arena);

/* Analysis of the original with its open sizes: what this pass sees of its copies; NULL: none. */
const oxp_analysis *oxp_whatif_fresh(const oxp_whatif *w, const char *pass);
/* Fills `at`, so that every measure of the original finds it. */
void oxp_whatif_prepare(oxp_whatif *w);
/* `arena`: scratch. */
oxp_metrics oxp_measure(const oxp_whatif *w, const oxp_analysis *a, oxp_imagined types,
                        oxp_arena *arena);
/* Applies an item's projection to `copy` (a clone, patched so far; NULL will do for one without a
 * pass), limited to the nodes that the rule matched unless it is exact; false: it changed nothing.
 * *types is changed where the projection sets one. */
bool oxp_whatif_apply(const oxp_whatif *w, oxp_model *copy, const oxp_rule_result *r,
                      oxp_imagined *types, oxp_whatif_done *done);
/* The copy (NULL: the original) measured under the bindings that still hold. */
oxp_metrics oxp_whatif_measure(const oxp_whatif *w, oxp_model *copy, oxp_imagined types);

/* The items alone, all in one phase that is not combined: for `optimize --auto`. */
oxp_status oxp_advise_items(const oxp_roadmap **out, const oxp_model *m,
                            const oxp_advise_opts *opts, oxp_arena *arena);

oxp_doc *oxp_doc_roadmap(const void *roadmap, oxp_arena *arena);
void oxp_emit_roadmap(const void *roadmap, oxp_json *json);
/* Each figure as [before, after]. */
void oxp_emit_metrics(oxp_json *j, const char *key, const oxp_metrics *b, const oxp_metrics *n);
/* Batch, targets, and what each phase does as a whole: members of an object that is open. */
void oxp_emit_roadmap_summary(const oxp_roadmap *r, oxp_json *j);

#endif
