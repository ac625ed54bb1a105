/* engine.c - the parent's side: workers, deadlines, results. */
#include "rules/engine.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "rules/weight_stats.h"
#include "rules/worker.h"

/* Of processor time a rule has a second, 10 microseconds for each node of the model, and 10 ns for
 * each byte of the weights that it may read; all together have three times that.  By the clock both
 * may take twice as long.  Builds that are made to be watched (sanitizers, gcov) are slower by far:
 * they have ten times that. */
#if defined(OXP_FAULTS) || defined(OXP_COVERAGE)
enum { RULE_MS = 10000 };
#else
enum { RULE_MS = 1000 };
#endif
static const double GAIN_MAX = 1e6;
enum { NODES_PER_MS = 100, BYTES_PER_MS = 100000, ALL_RULES = 3, PATIENCE = 2 };

static int64_t time_of_a_rule(const oxp_analysis *a) {
    uint64_t bytes = oxp_model_has_weights(a->model) ? a->totals.weight_bytes : 0;
    if (bytes > OXP_STATS_BYTES_MAX)
        bytes = OXP_STATS_BYTES_MAX;
    return RULE_MS + (int64_t)(oxp_node_count(a->model) / NODES_PER_MS + bytes / BYTES_PER_MS);
}

struct oxp_evaluation {
    const oxp_rules *rules;
    const oxp_facts *facts;
    oxp_arena *arena;
    oxp_ctx *ctx;
    oxp_rule_result *results;
    int fd;
    pid_t pid;
    int status;   /* how the last one ended */
    size_t token; /* of the deferred stop */
    size_t next;  /* rule to be told of */
    /* in milliseconds */
    int64_t rule_ms;    /* of processor time for a rule */
    int64_t left;       /* of processor time for all rules that are to come */
    int64_t patience;   /* by the clock: to wait for all rules that are to come */
    int64_t deadline;   /* by the clock: when to look at what the rule that runs has used */
    int64_t last;       /* by the clock: when to give it up in any case */
    int64_t cpu_before; /* of the worker when the rule before was heard of */
};

static int64_t now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Processor time of the worker: on a busy machine a rule is not late because others run.  0 when it
 * is gone. */
static int64_t cpu_ms(const oxp_evaluation *e) {
    struct timespec t;
    clockid_t clock;
    if (e->pid <= 0 || clock_getcpuclockid(e->pid, &clock) || clock_gettime(clock, &t))
        return 0;
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Is the rule that runs out of time?  If not, the deadline moves to when it may be. */
static bool out_of_time(oxp_evaluation *e) {
    int64_t now = now_ms(), used = cpu_ms(e) - e->cpu_before;
    if (now >= e->last || used >= e->rule_ms)
        return true;
    e->deadline = now + e->rule_ms - used;
    if (e->deadline > e->last)
        e->deadline = e->last;
    return false;
}

static void stop(void *arg) {
    oxp_evaluation *e = arg;
    if (e->pid > 0) {
        kill(e->pid, SIGKILL);
        while (waitpid(e->pid, &e->status, 0) < 0 && errno == EINTR)
            ;
    }
    if (e->fd >= 0)
        close(e->fd);
    e->pid = 0;
    e->fd = -1;
}

static void start(oxp_evaluation *e, size_t first) {
    int ends[2];
    if (pipe(ends))
        oxp_raise(e->ctx, OXP_E_IO, "rules: no pipe: %s", strerror(errno));
    pid_t pid = fork();
    if (pid < 0) {
        close(ends[0]);
        close(ends[1]);
        oxp_raise(e->ctx, OXP_E_IO, "rules: no worker process: %s", strerror(errno));
    }
    if (!pid) {
        close(ends[0]);
        oxp_rules_worker(e->rules, first, e->facts, ends[1]);
    }
    close(ends[1]);
    e->fd = ends[0];
    e->pid = pid;
    e->cpu_before = 0;
}

/* All n bytes before the deadline; false: too late (*late) or the worker is gone. */
static bool receive(oxp_evaluation *e, void *out, size_t n, bool *late) {
    for (char *p = out; n;) {
        int64_t left = e->deadline - now_ms();
        struct pollfd f = {e->fd, POLLIN, 0};
        int ready = left > 0 ? poll(&f, 1, (int)left) : 0;
        if (ready < 0 && errno == EINTR) /* GCOVR_EXCL_BR_LINE: no test can time a signal */
            continue;                    /* GCOVR_EXCL_LINE */
        if (ready <= 0) {
            if (!out_of_time(e))
                continue;
            *late = true;
            return false;
        }
        ssize_t k = read(e->fd, p, n);
        if (k < 0 && errno == EINTR) /* GCOVR_EXCL_BR_LINE: no test can time a signal */
            continue;                /* GCOVR_EXCL_LINE */
        if (k <= 0)
            return false;
        p += k;
        n -= (size_t)k;
    }
    return true;
}

static bool receive_result(oxp_evaluation *e, size_t expected, bool *late) {
    oxp_rule_record head;
    oxp_rule_result *r = &e->results[expected];
    size_t n_values = oxp_node_count(e->facts->a->model);
    if (!receive(e, &head, sizeof head, late) || head.rule != expected || head.n_nodes > n_values ||
        head.n_texts > OXP_DETAILS_MAX + 1 || !head.n_texts ||
        (head.n_values && head.n_values != head.n_nodes))
        return false;
    oxp_id *nodes = OXP_NEWS(e->arena, head.n_nodes + 1, oxp_id);
    const char **texts = OXP_NEWS(e->arena, head.n_texts, const char *);
    double *values = OXP_NEWS(e->arena, head.n_values + 1, double);
    if (!receive(e, nodes, head.n_nodes * sizeof *nodes, late) ||
        !receive(e, values, head.n_values * sizeof *values, late))
        return false;
    for (uint32_t i = 0; i < head.n_texts; i++) {
        uint32_t n;
        if (!receive(e, &n, sizeof n, late) || n > OXP_TEXT_MAX)
            return false;
        char *text = oxp_alloc(e->arena, n + 1, 1);
        if (!receive(e, text, n, late))
            return false;
        texts[i] = text;
    }
    r->matched = head.matched && !head.failed;
    r->failed = head.failed ? texts[0] : NULL;
    r->message = texts[0];
    r->gain = head.gain > 1 && head.gain < GAIN_MAX ? head.gain : 0;
    if (r->matched && r->rule->gain && !(head.gain > 0 && head.gain < GAIN_MAX)) /* NaN included */
        r->odd_gain = isnan(head.gain) ? "not a number" : oxp_sprintf(e->arena, "%g", head.gain);
    r->values = head.n_values ? values : NULL;
    r->nodes = nodes;
    r->n_nodes = head.n_nodes;
    r->n_matches = head.n_matches;
    r->details = texts + 1;
    r->n_details = head.n_texts - 1;
    return true;
}

oxp_evaluation *oxp_rules_start(const oxp_rules *rules, const oxp_facts *facts, oxp_arena *arena) {
    oxp_evaluation *e = OXP_NEW(arena, oxp_evaluation);
    e->rules = rules;
    e->facts = facts;
    e->arena = arena;
    e->ctx = oxp_arena_ctx(arena);
    e->fd = -1;
    e->results = OXP_NEWS(arena, rules->n + 1, oxp_rule_result);
    e->rule_ms = time_of_a_rule(facts->a);
    e->left = ALL_RULES * e->rule_ms;
    e->patience = PATIENCE * e->left;
    e->token = oxp_defer(e->ctx, stop, e);
    if (rules->n)
        start(e, 0);
    return e;
}

/* The worker may be ahead, its results in the pipe: then nothing is waited for. */
static void evaluate(oxp_evaluation *e, size_t i) {
    oxp_rule_result *r = &e->results[i];
    bool late = false;
    if (e->left <= 0 || e->patience <= 0) {
        r->failed = "not evaluated: the rules before it took all the time there is";
        return;
    }
    if (e->fd < 0)
        start(e, i);
    int64_t before = now_ms();
    e->deadline = before + e->rule_ms;
    e->last = before + PATIENCE * e->rule_ms;
    bool good = receive_result(e, i, &late);
    e->patience -= now_ms() - before;
    int64_t cpu = cpu_ms(e);
    e->left -= cpu > e->cpu_before ? cpu - e->cpu_before : 0;
    e->cpu_before = cpu;
    if (good)
        return;
    stop(e);
    if (WIFEXITED(e->status) && WEXITSTATUS(e->status) == OXP_WORKER_STARVED)
        oxp_raise(e->ctx, OXP_E_NOMEM, "out of memory while rules were evaluated");
    if (WIFEXITED(e->status) && WEXITSTATUS(e->status) == OXP_WORKER_GREEDY) {
        r->failed = oxp_sprintf(e->arena, "stopped: its evaluation takes more than %d MB",
                                OXP_WORKER_BYTES >> 20);
        return;
    }
    r->failed = late ? oxp_sprintf(e->arena, "stopped after %lld ms: it takes too long",
                                   (long long)e->rule_ms)
                     : "its evaluation ended the worker process";
}

const oxp_rule_result *oxp_rules_next(oxp_evaluation *e) {
    if (e->next == e->rules->n) {
        if (e->token != SIZE_MAX)
            oxp_undefer(e->ctx, e->token, true);
        e->token = SIZE_MAX;
        return NULL;
    }
    oxp_rule_result *r = &e->results[e->next];
    r->rule = e->rules->items[e->next];
    evaluate(e, e->next++);
    return r;
}

const oxp_rule_result *oxp_rules_run(const oxp_rules *rules, const oxp_facts *facts,
                                     oxp_arena *arena) {
    oxp_evaluation *e = oxp_rules_start(rules, facts, arena);
    while (oxp_rules_next(e))
        ;
    return e->results;
}
