/* latency_terms - what the latency of a model is made of, for tests/bench/fit_latency.py.
 *
 *     latency_terms MODEL [NAME=VALUE...]
 *     latency_terms --host
 *
 * A line for each node that costs time on a CPU: class, times, steps, operations, integer
 * operations, elements of products, bytes that do not and do grow with the batch, those read again
 * at each step, share of the bytes that are moved, Casts, elements that they convert, seconds of
 * bookkeeping.  The last line is the projection for a made-up host, so that the script can check
 * that its formula is ours.  --host: this machine as it is measured, in JSON. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/latency_impl.h"

enum { DIMS_MAX = 32 };

typedef struct request {
    const char *path;
    oxp_binding dims[DIMS_MAX];
    size_t n_dims;
    oxp_ctx *ctx;
} request;

/* The host but for what is measured: these are round figures of two server cores. */
static const oxp_device *made_up(oxp_arena *arena) {
    oxp_device *d = OXP_NEW(arena, oxp_device);
    oxp_device_host_constants(d);
    d->threads = 2;
    d->peak[OXP_FLOAT] = 2e11;
    d->peak[OXP_INT8] = 8e11;
    d->bandwidth = 4e10;
    d->cache_bandwidth = d->cached_share * 1e11;
    d->cache = d->threads * ((uint64_t)8 << 20);
    return d;
}

static void print_node(const oxp_analysis *a, oxp_id id, const oxp_half_node *half) {
    oxp_work w = oxp_work_of(a, id, OXP_UNDEFINED, half ? &half[id] : NULL);
    if (w.times == 0 && w.bookkeeping == 0 && w.casts == 0)
        return;
    double share = w.own == OXP_UNDEFINED || w.stored == 0 ? 1 : w.stored / oxp_dtype_bits(w.own);
    printf("%s %.17g %.17g %.17g %.17g %.17g %.17g %.17g %.17g %.17g %.17g %.17g %.17g\n",
           oxp_op_class_name(w.class), w.times, w.steps, w.ops, w.int_ops, w.products, w.weights,
           w.tensors, w.again, share, w.casts, w.converted, w.bookkeeping);
}

static void terms(void *arg) {
    request *r = arg;
    oxp_arena *arena = oxp_arena_new(r->ctx);
    oxp_model *m;
    const oxp_analysis *a;
    oxp_analyze_opts opts = OXP_ANALYZE_OPTS_INIT;
    opts.bindings = r->dims;
    opts.n_bindings = r->n_dims;
    if (oxp_open(&m, r->ctx, r->path) != OXP_OK || oxp_analyze(&a, m, &opts, arena) != OXP_OK)
        return;
    const oxp_half_node *half = oxp_half_plan(a, OXP_UNDEFINED, arena);
    for (oxp_id i = 0; i < oxp_node_count(m); i++)
        if (oxp_node_at(m, i)->live && a->nodes[i].times != 0)
            print_node(a, i, half);
    printf("projected %.17g\n", oxp_latency(a, made_up(arena), OXP_UNDEFINED, NULL, NULL));
}

static void host(void *arg) {
    request *r = arg;
    const oxp_device *d = oxp_device_host(oxp_arena_new(r->ctx));
    printf("{\"threads\": %u, \"peak\": %.6g, \"peak_int8\": %.6g, \"copy\": %.6g, "
           "\"copy_cached\": %.6g}\n",
           d->threads, d->peak[OXP_FLOAT], d->peak[OXP_INT8], d->bandwidth,
           d->cache_bandwidth / d->cached_share);
}

int main(int argc, char **argv) {
    request r = {.path = argc > 1 ? argv[1] : NULL};
    bool profile = r.path != NULL && !strcmp(r.path, "--host");
    for (int i = 2; i < argc; i++) {
        char *equals = strchr(argv[i], '=');
        if (equals == NULL || r.n_dims == DIMS_MAX)
            r.path = NULL;
        else {
            *equals = '\0';
            r.dims[r.n_dims++] = (oxp_binding){argv[i], strtoll(equals + 1, NULL, 10), -1, NULL};
        }
    }
    if (r.path == NULL) {
        fprintf(stderr, "usage: latency_terms MODEL [NAME=VALUE...]\n");
        return 2;
    }
    r.ctx = oxp_ctx_new(0);
    if (oxp_try(r.ctx, profile ? host : terms, &r) != OXP_OK || *oxp_error_text(r.ctx) != '\0') {
        fprintf(stderr, "latency_terms: %s\n", oxp_error_text(r.ctx));
        return 1;
    }
    oxp_ctx_free(r.ctx);
    return 0;
}
