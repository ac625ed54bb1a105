/* whatif_range.c - how sure a projected time is: the roofline again with each of its assumptions
 * moved, one at a time.
 *
 * A device file states efficiencies and overheads that no data sheet has; each is moved as far as
 * measurements of such kernels differ.  Before and after are taken under the same deviation, so
 * what both share cancels: work that is no longer done is saved whatever the kernels reach, while a
 * faster data type depends on how well kernels feed it.  The range is from the lowest to the
 * highest factor, its cause the deviation that moves it most.  docs/roadmap.md explains the
 * deviations. */
#include <math.h>

#include "rules/roadmap.h"

typedef enum deviation {
    AS_STATED,
    NARROW_SLOW, /* narrow types: half of the stated rate, or that of vector units */
    LAUNCH_LESS,
    LAUNCH_MORE,
    DEPTHWISE_LESS,
    DEPTHWISE_MORE,
    BANDWIDTH_LESS,
    BANDWIDTH_MORE,
    COMPUTE_LESS,
    COMPUTE_MORE
} deviation;

static const char *const causes[OXP_SCENARIOS] = {
    "",
    "how well kernels feed the device's units for narrow types",
    "the overhead of launching each kernel",
    "the overhead of launching each kernel",
    "the speed of depthwise kernels",
    "the speed of depthwise kernels",
    "the share of the memory bandwidth that kernels reach",
    "the share of the memory bandwidth that kernels reach",
    "the share of the peak that convolutions and products reach",
    "the share of the peak that convolutions and products reach"};

/* Vector units do as many bits a cycle whatever the type: twice the rate in 16 bits, four times in
 * 8.  Matrix units and dot products are faster where layouts and channel counts suit them. */
static void slow_narrow(oxp_device *d) {
    double full = d->peak[OXP_FLOAT];
    for (int t = 1; t < OXP_DTYPE_COUNT; t++) {
        unsigned bits = oxp_dtype_bits((oxp_dtype)t);
        if (!bits || bits >= 32 || d->peak[t] <= full)
            continue;
        double low = fmin(d->peak[t] / 2, full * 32 / bits);
        d->peak[t] = fmax(low, full);
    }
}

static void deviate(oxp_device *d, deviation how) {
    double f;
    switch (how) {
    case AS_STATED:
        break;
    case NARROW_SLOW:
        slow_narrow(d);
        break;
    case LAUNCH_LESS:
    case LAUNCH_MORE:
        d->launch *= how == LAUNCH_LESS ? 0.5 : 2;
        break;
    case DEPTHWISE_LESS:
    case DEPTHWISE_MORE:
        d->efficiency[OXP_CLASS_DEPTHWISE] *= how == DEPTHWISE_LESS ? 0.5 : 2;
        break;
    case BANDWIDTH_LESS:
    case BANDWIDTH_MORE:
        f = d->bandwidth_efficiency * (how == BANDWIDTH_LESS ? 0.75 : 1.2);
        d->bandwidth_efficiency = fmin(f, 1);
        break;
    case COMPUTE_LESS:
    case COMPUTE_MORE:
        f = how == COMPUTE_LESS ? 2.0 / 3 : 4.0 / 3;
        d->efficiency[OXP_CLASS_CONV] = fmin(1, f * d->efficiency[OXP_CLASS_CONV]);
        d->efficiency[OXP_CLASS_MATMUL] = fmin(1, f * d->efficiency[OXP_CLASS_MATMUL]);
        break;
    }
}

void oxp_scenarios(const oxp_device *d, oxp_arena *arena, const oxp_device *out[OXP_SCENARIOS]) {
    oxp_device *all = OXP_NEWS(arena, OXP_SCENARIOS, oxp_device);
    for (int i = 0; i < OXP_SCENARIOS; i++) {
        all[i] = *d;
        deviate(&all[i], (deviation)i);
        out[i] = &all[i];
    }
}

static oxp_spread span_of(const double v[OXP_SCENARIOS]) {
    oxp_spread s = {v[0], v[0], ""};
    double most = 0;
    for (int i = 0; i < OXP_SCENARIOS; i++) {
        if (!(v[i] > 0) || !isfinite(v[i]))
            return (oxp_spread){NAN, NAN, ""};
        s.low = fmin(s.low, v[i]);
        s.high = fmax(s.high, v[i]);
        if (fabs(log(v[i] / v[0])) > most) {
            most = fabs(log(v[i] / v[0]));
            s.cause = causes[i];
        }
    }
    return s;
}

oxp_spread oxp_spread_latency(const oxp_metrics *m) {
    return span_of(m->latency_in);
}

oxp_spread oxp_spread_gain(const oxp_metrics *before, const oxp_metrics *after, bool throughput) {
    double f[OXP_SCENARIOS];
    for (int i = 0; i < OXP_SCENARIOS; i++)
        f[i] = throughput ? after->throughput_in[i] / before->throughput_in[i]
                          : before->latency_in[i] / after->latency_in[i];
    return span_of(f);
}
