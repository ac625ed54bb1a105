/* device.h - what a machine can do: peaks, bandwidth, memory, overhead.
 *
 * Devices are rules/devices/<id>.xml, embedded at build time, each number with its source; `host`
 * is this machine, measured on the spot.  To add a device: one file there. */
#ifndef OXP_ANALYSIS_DEVICE_H
#define OXP_ANALYSIS_DEVICE_H

#include "onnxpert/model.h"

/* Classes of operators that reach different fractions of a device's peak. */
typedef enum oxp_op_class {
    OXP_CLASS_CONV,
    OXP_CLASS_DEPTHWISE, /* grouped convolutions with few channels a group */
    OXP_CLASS_MATMUL,
    OXP_CLASS_RECURRENT,
    OXP_CLASS_NORM, /* normalizations, softmax, reductions, pooling: several passes over the data */
    OXP_CLASS_SIMPLE, /* elementwise */
    OXP_CLASS_MOVE,   /* copies */
    OXP_CLASS_COUNT
} oxp_op_class;
const char *oxp_op_class_name(oxp_op_class c); /* "conv", "depthwise", ... */

typedef enum oxp_device_kind { OXP_DEVICE_GPU, OXP_DEVICE_CPU } oxp_device_kind;

typedef struct oxp_device_source {
    const char *what; /* "peak float16", "bandwidth", ... */
    const char *text; /* where the number is from */
} oxp_device_source;

typedef struct oxp_device {
    const char *id, *name;
    oxp_device_kind kind;
    const char *arch; /* of a processor: "x86_64", "arm64"; "" = not said */
    double
        peak[OXP_DTYPE_COUNT]; /* operations a second, 2 per multiply-add; 0: no native support */
    double bandwidth;          /* bytes a second of the main memory */
    uint64_t memory;           /* bytes of it */
    double launch;             /* seconds of overhead for each node that runs */
    double efficiency[OXP_CLASS_COUNT]; /* fraction of the peak that kernels of the class reach */
    double bandwidth_efficiency;        /* fraction of `bandwidth` that kernels reach */
    /* What only `host` has; 0 elsewhere. */
    double cache_bandwidth; /* bytes a second that kernels reach on data in the last cache */
    double cached_share;    /* of a copy's rate there: kernels compute, too */
    uint64_t cache;         /* a node that touches less than this finds its data there */
    double per_output; /* multiply-adds' worth of work around each output of a matrix product */
    double start[OXP_CLASS_COUNT]; /* seconds to spread a kernel of the class over threads */
    unsigned threads;              /* threads used in the measurement */
    const oxp_device_source *sources;
    size_t n_sources;
} oxp_device;

/* The device with this id ("t4", "rtx4090", ..., "host"), or NULL.  In `arena`.  "host" takes about
 * a second the first time: measure once, pass it around.  Raises OXP_E_INTERNAL for a bad file. */
const oxp_device *oxp_device_find(oxp_arena *arena, const char *id);
/* All devices but `host`, from the weakest to the strongest (by float16-or-float32 peak). */
size_t oxp_device_list(oxp_arena *arena, const oxp_device *const **out);
/* Parses a device file's text; raises OXP_E_RULE naming `name` and the element. */
const oxp_device *oxp_device_parse(oxp_arena *arena, const char *name, const char *xml,
                                   size_t size);
/* This machine, measured: multiply-add rate, copy bandwidth, threads, memory. */
const oxp_device *oxp_device_host(oxp_arena *arena);
/* Its part that is fitted to a runtime, not measured (docs/accuracy.md). */
void oxp_device_host_constants(oxp_device *d);
/* Does arithmetic in this type run natively? */
bool oxp_device_supports(const oxp_device *d, oxp_dtype t);

#endif
