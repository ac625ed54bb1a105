/* parallel.c - a loop on a few threads that live as long as it does. */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>

#include "base/parallel.h"

typedef struct loop {
    atomic_uint_fast64_t next;
    atomic_bool failed;
    uint64_t n;
    bool (*fn)(void *, uint64_t, unsigned);
    void *arg;
} loop;

typedef struct worker {
    loop *l;
    unsigned number;
    pthread_t thread;
} worker;

unsigned oxp_workers(uint64_t n) {
    cpu_set_t set;
    unsigned cpus = 1;
    if (sched_getaffinity(0, sizeof set, &set) == 0)
        cpus = (unsigned)CPU_COUNT(&set);
    if (cpus > OXP_WORKERS_MAX)
        cpus = OXP_WORKERS_MAX;
    if (cpus > n)
        cpus = (unsigned)n;
    return cpus ? cpus : 1;
}

static void work(loop *l, unsigned number) {
    while (!atomic_load(&l->failed)) {
        uint64_t task = atomic_fetch_add(&l->next, 1);
        if (task >= l->n)
            return;
        if (!l->fn(l->arg, task, number))
            atomic_store(&l->failed, true);
    }
}

static void *start(void *arg) {
    worker *w = arg;
    work(w->l, w->number);
    return NULL;
}

bool oxp_parallel(uint64_t n, unsigned workers, bool (*fn)(void *, uint64_t, unsigned), void *arg) {
    worker w[OXP_WORKERS_MAX];
    loop l = {.n = n, .fn = fn, .arg = arg};
    unsigned started = 1;
    sigset_t all, old;
    if (workers > OXP_WORKERS_MAX)
        workers = OXP_WORKERS_MAX;
    /* Signals are for the caller's thread: its handlers clean up what it was writing. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    for (; started < workers; started++) {
        w[started].l = &l;
        w[started].number = started;
        if (pthread_create(&w[started].thread, NULL, start, &w[started]) != 0)
            break;
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    work(&l, 0);
    for (unsigned i = 1; i < started; i++)
        pthread_join(w[i].thread, NULL);
    return !atomic_load(&l.failed);
}
