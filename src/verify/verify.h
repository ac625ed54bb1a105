/* verify.h - do two models still compute the same, and is one really faster?
 *
 * Both run in ONNX Runtime, in child processes with a memory and a time limit. */
#ifndef OXP_VERIFY_VERIFY_H
#define OXP_VERIFY_VERIFY_H

#include "onnxpert/pass.h"
#include "onnxpert/report.h"

/* One choice of sizes for the dynamic dimensions of BEFORE; what is not bound is 1. */
typedef struct oxp_size_choice {
    const oxp_binding *bindings;
    size_t n_bindings;
    const char *text; /* "N=4, L=16"; "": nothing is bound */
} oxp_size_choice;

typedef struct oxp_verify_opts {
    const char *library;  /* --ort, or NULL: looked for */
    const char *provider; /* NULL: CPU */
    const char *inputs;   /* folder of given inputs (inputs.h), or NULL: random ones */
    const char *labels;   /* file with a label a line, or NULL */
    const oxp_size_choice *sizes;
    size_t n_sizes; /* 0: one choice that binds nothing */
    uint64_t seed;
    unsigned sets;    /* random input sets to compare; 0: 2 */
    unsigned runs;    /* timed runs of each model; 0: no timing */
    unsigned threads; /* 0: the runtime's choice */
    bool level_given;
    int level;       /* oxp_ort_level of the timed runs, when given; else all of it */
    double seconds;  /* limit of each child process; 0: 300 */
    uint64_t memory; /* bytes that a child process may hold; 0: three quarters of the machine's */
    oxp_fidelity fidelity;  /* tolerance: 1e-4 exact and rounding, 2e-2 lossy */
    double tolerance;       /* in place of that; 0: by fidelity and types */
    const char *after_name; /* what messages call AFTER; NULL: its path */
    bool numbers_only;      /* nothing about time and memory (healing) */
} oxp_verify_opts;

/* Difference of one output over all inputs.  relative: largest |a - b| over the largest |a|. */
typedef struct oxp_output_check {
    const char *name, *problem; /* NULL, or "NaN", "shape [1,2] became [2,1]", ... */
    double max_abs, mean_abs, relative, cosine;
    double largest; /* finite magnitude before: 0 says that the comparison proves little */
    uint64_t n_elements, n_nan, n_infinite; /* before, over all inputs */
    bool argmax_checked, argmax_agrees;     /* along the last axis, for outputs with 2+ columns */
    bool compared;                          /* false: strings, sequences, maps are not */
    bool nothing; /* no finite number before nor after: equal, but that proves nothing; not ok */
    bool ok;
} oxp_output_check;

/* Where the error starts: a node whose output differs although nothing that it reads does. */
typedef struct oxp_damage {
    const char *node, *tensor; /* labels */
    const char *what;          /* "3 of 64 values became infinite (largest before: 1.2e+05)" */
    double relative;           /* largest error over the largest value before */
} oxp_damage;

/* One comparison over all inputs. */
typedef struct oxp_check {
    bool done; /* false: not asked for, or not possible (problem says why) */
    bool ok;
    const char *problem; /* it does not load, crashes, ...; NULL: it ran */
    const char *worst;   /* inputs with the largest error: "input set 2, N=4" */
    const oxp_output_check *outputs;
    size_t n_outputs;
    const oxp_damage *damage;    /* in the order of the graph; at most a few; only when not ok */
    size_t n_damage, n_compared; /* inner tensors that were compared to find it */
} oxp_check;

typedef struct oxp_timing {
    const char *problem;            /* NULL, or why there are no figures */
    unsigned runs;                  /* timed runs of each model */
    double before, after;           /* median seconds of a run */
    double best_before, best_after; /* of the fastest */
    double ratio_low, ratio_high;   /* 95 % interval of after / before */
    double load_before, load_after; /* median seconds to make the session */
} oxp_timing;

/* What the interval allows to say. */
typedef enum oxp_verdict { OXP_NO_DIFFERENCE, OXP_FASTER, OXP_SLOWER } oxp_verdict;
oxp_verdict oxp_timing_verdict(const oxp_timing *t);

/* The task's own metric, of one model. */
typedef struct oxp_score {
    double accuracy, sensitivity, specificity;
} oxp_score;

typedef struct oxp_task {
    const char *output;      /* the output that was read */
    size_t samples, classes; /* two classes: 1 is the positive one */
    oxp_score before, after;
    size_t became_wrong, became_right, changed;
} oxp_task;

typedef struct oxp_verification {
    const char *runtime; /* "ONNX Runtime 1.30.0" */
    double tolerance;
    unsigned sets;     /* input sets of each choice of sizes */
    const char *sizes; /* "N=1; N=4", or "" */
    bool ok;
    oxp_check plain;      /* the files as they are, without the runtime's own optimization */
    oxp_check optimized;  /* with all of it */
    oxp_check emulated;   /* each half-precision tensor rounded (passes/emulate_half.c) */
    bool holds_half;      /* AFTER has float16 or bfloat16 tensors */
    const oxp_task *task; /* NULL: no labels */
    bool timed;
    oxp_timing with, without;                 /* the runtime's own graph optimization */
    const char *level;                        /* of `with`: "all", ... */
    uint64_t peak_before, peak_after;         /* bytes above the idle runtime; 0: unknown */
    double projected_before, projected_after; /* `host` roofline, seconds; 0: not projected */
} oxp_verification;

/* Runs both models.  `after` is the rewritten model as opened from its file.  Raises OXP_E_RUNTIME
 * when there is no usable library; OXP_E_UNSUPPORTED when BEFORE does not run or the two have other
 * inputs.  A difference, and an AFTER that does not run, is a result (ok = false), not a failure.
 */
const oxp_verification *oxp_verify(oxp_arena *arena, const oxp_model *before,
                                   const oxp_model *after, const oxp_verify_opts *opts);

/* The report; its view lives in `arena`. */
oxp_report oxp_report_verification(oxp_arena *arena, const oxp_verification *v, const char *before,
                                   const char *after);

/* What a runtime offers; asked in a child process, which has this many seconds (0: 60).  Raises
 * OXP_E_RUNTIME. */
typedef struct oxp_runtime_info {
    const char *path, *version;
    const char *providers; /* with commas; "": it is too old to tell */
} oxp_runtime_info;
oxp_runtime_info oxp_runtime_ask(oxp_arena *arena, const char *library, double seconds);

#endif
