/* parallel.h - a loop whose iterations run on several threads. */
#ifndef OXP_BASE_PARALLEL_H
#define OXP_BASE_PARALLEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OXP_WORKERS_MAX 4u

/* Number of workers for n tasks: at most one per processor that we may use, and OXP_WORKERS_MAX. */
unsigned oxp_workers(uint64_t n);
/* Runs fn(arg, task, worker) for all tasks below n, in any order; worker < `workers` tells which of
 * the caller's buffers to use.  fn must not raise: it returns false to stop the loop.  False when
 * one did.  The caller's thread takes part; a thread that cannot be started is done without. */
bool oxp_parallel(uint64_t n, unsigned workers,
                  bool (*fn)(void *arg, uint64_t task, unsigned worker), void *arg);

#endif
