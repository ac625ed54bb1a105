/* reports.h - the report on an analysis: every section of the card, as a document and as data. */
#ifndef OXP_REPORT_REPORTS_H
#define OXP_REPORT_REPORTS_H

#include "analysis/insight.h"
#include "analysis/latency.h"
#include "analysis/machine.h"
#include "onnxpert/report.h"

/* One device in the comparison of devices. */
typedef struct oxp_device_row {
    const oxp_device *device;
    bool fits;
    oxp_latency_sum latency;
} oxp_device_row;

/* All that the sections show, computed once. */
typedef struct oxp_card {
    const oxp_analysis *a; /* of the model with bodies of local functions in place of their calls */
    const oxp_model *source; /* the model as it is in the file */
    const oxp_insight *insight;
    const oxp_device *device; /* what latencies are for */
    bool device_asked;        /* chosen by the user; else a T4 stands for 'some device' */
    oxp_latency_sum latency;
    const oxp_node_latency *nodes; /* by node id */
    uint64_t memory;               /* weights and peak activations */
    bool memory_at_least;          /* some activation has no known size: memory is a lower bound */
    oxp_machine machine;
    const oxp_device_row *devices; /* from the weakest to the strongest */
    size_t n_devices;
    const oxp_device_row *minimum, *recommended, *best; /* NULL: none of them fits */
    const oxp_batch_sweep *sweep;
    const char *name; /* the file's name without folders and extension */
    const bool *in_main;
    oxp_arena *arena, *scratch;
} oxp_card;

/* The report on `a`, in `arena`; both must outlive it.  opts: what it was analysed with, or NULL.
 * device NULL: the report uses a T4 and says so.  n_batches 0: 1, 2, 4, ... 64. */
const oxp_report *oxp_report_analysis(oxp_arena *arena, const oxp_analysis *a,
                                      const oxp_analyze_opts *opts, const oxp_device *device,
                                      const int64_t *batches, size_t n_batches);

oxp_doc *oxp_doc_analysis(const void *card, oxp_arena *arena);
oxp_doc *oxp_page_analysis(const void *card, oxp_arena *arena); /* all nodes, too */
void oxp_doc_hardware(oxp_doc *d, const oxp_card *c); /* devices, requirements, batch scaling */
void oxp_emit_analysis(const void *card, oxp_json *json);
void oxp_rows_analysis(const void *card, oxp_csv *csv);

/* Texts that both share. */
const char *oxp_task_name(oxp_task t);                /* "classification", ...; NULL: unknown */
const char *oxp_bottleneck(const oxp_latency_sum *l); /* "compute", "memory", "overhead" */
const char *oxp_type_text(const oxp_card *c, const oxp_type *t, oxp_arena *arena);  /* "float32" */
const char *oxp_shape_text(const oxp_card *c, const oxp_type *t, oxp_arena *arena); /* "[N, 3]" */

#endif
