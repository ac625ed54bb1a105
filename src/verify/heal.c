/* heal.c - leaves out the decisions of a rewrite that fail the check. */
#include "verify/heal.h"

#include <string.h>
#include <time.h>

#include "base/atomic_file.h"
#include "base/intern.h"

enum { HINTS_MAX = 24, ATTEMPTS_MAX = 120, DEPTH_MAX = 64, GROUND_ROUNDS = 8, TAKE_BACK_MAX = 8 };
static const double search_seconds = 600;

typedef enum state { PENDING, ACCEPTED, GUILTY } state;

typedef struct candidate {
    const char *pass, *node;
    const char *const *touched;
    size_t n_touched;
    state state;
    const char *why;
} candidate;

typedef struct healer {
    oxp_arena *arena;
    oxp_ctx *ctx;
    const oxp_model *original;
    const oxp_heal_opts *opts;
    candidate *all;
    size_t n, cap;
    oxp_map *known;
    double until;
    oxp_healed last; /* the latest attempt */
} healer;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- one attempt ---- */

typedef struct attempt {
    healer *h;
    bool full;
    oxp_exclusion *excluded;
    size_t n_excluded;
} attempt;

static void run_attempt(void *arg) {
    attempt *t = arg;
    healer *h = t->h;
    oxp_healed *r = &h->last;
    oxp_pass_opts how = *h->opts->how;
    oxp_save_opts inside = OXP_SAVE_OPTS_INIT;
    oxp_saved *saved = OXP_NEW(h->arena, oxp_saved);
    oxp_model *draft;
    how.excluded = t->excluded;
    how.n_excluded = t->n_excluded;
    how.keep_decisions = true;
    r->model = oxp_model_clone(h->original);
    oxp_status s = oxp_run_passes(r->model, h->opts->passes, h->opts->n_passes, &how, &r->results,
                                  &r->n_results);
    if (s == OXP_OK)
        s = oxp_save(r->model, h->opts->draft, &inside, saved);
    if (s != OXP_OK)
        oxp_reraise(h->ctx, s);
    size_t token = oxp_doom(h->ctx, h->arena, (const char *const *)saved->files, saved->n_files);
    size_t told = oxp_diag_count(h->ctx);
    s = oxp_open(&draft, h->ctx, h->opts->draft);
    if (s != OXP_OK)
        oxp_reraise(h->ctx, s);
    oxp_verify_opts verify = *h->opts->verify;
    verify.numbers_only = !t->full;
    r->verified = oxp_verify(h->arena, h->original, draft, &verify);
    oxp_close(draft);
    oxp_diag_truncate(h->ctx, told);
    oxp_undefer(h->ctx, token, true);
}

static void drop_last(healer *h) {
    if (h->last.model)
        oxp_close(h->last.model);
    h->last = (oxp_healed){.attempts = h->last.attempts};
}

/* Rewrites without the candidates that are not accepted and checks.  First: failures are raised. */
static bool try_it(healer *h, bool first, bool full) {
    attempt t = {h, full, OXP_NEWS(h->arena, h->n + 1, oxp_exclusion), 0};
    for (size_t i = 0; i < h->n; i++)
        if (h->all[i].state != ACCEPTED)
            t.excluded[t.n_excluded++] =
                (oxp_exclusion){h->all[i].pass, h->all[i].node, h->all[i].why};
    drop_last(h);
    h->last.attempts++;
    oxp_status s = oxp_try(h->ctx, run_attempt, &t);
    if (s == OXP_OK)
        return h->last.verified->ok;
    if (first || s != OXP_E_UNSUPPORTED)
        oxp_reraise(h->ctx, s);
    oxp_error_clear(h->ctx);
    h->last.verified = NULL;
    return false;
}

/* ---- candidates ---- */

/* Takes over the decisions of the latest attempt that are not known yet. */
static size_t learn(healer *h, state as) {
    size_t before = h->n;
    for (size_t i = 0; i < h->last.n_results; i++) {
        const oxp_pass_result *r = &h->last.results[i];
        for (size_t k = 0; k < r->n_decisions; k++) {
            const oxp_decision *d = &r->decisions[k];
            uint64_t key = oxp_hash_bytes(r->name, strlen(r->name)) * 31 +
                           oxp_hash_bytes(d->node, strlen(d->node));
            if (!oxp_map_put(h->known, key, (uint32_t)h->n))
                continue;
            h->all = oxp_grow(h->arena, h->all, &h->cap, h->n + 1, sizeof *h->all);
            const char **touched = OXP_NEWS(h->arena, d->n_touched + 1, const char *);
            for (size_t t = 0; t < d->n_touched; t++)
                touched[t] = oxp_strdup(h->arena, d->touched[t]);
            h->all[h->n++] = (candidate){r->name, oxp_strdup(h->arena, d->node),
                                         touched, d->n_touched,
                                         as,      "left out while the check looks for what fails"};
        }
    }
    return h->n - before;
}

static void set_states(healer *h, size_t from, size_t to, state s) {
    for (size_t i = from; i < to; i++)
        h->all[i].state = s;
}

/* One line on how an attempt failed. */
static const char *failure(const healer *h) {
    const oxp_verification *v = h->last.verified;
    if (!v)
        return "left out: without the rest of the rewrite it cannot be done";
    const oxp_check *checks[] = {&v->plain, &v->emulated, &v->optimized};
    static const char *const where[] = {"", " with half precision emulated",
                                        " under the runtime's own optimization"};
    for (int k = 0; k < 3; k++) {
        const oxp_check *c = checks[k];
        if (c->problem && k != 1)
            return oxp_sprintf(h->arena, "left out: with it %s", c->problem);
        for (size_t i = 0; c->done && i < c->n_outputs; i++)
            if (!c->outputs[i].ok && c->outputs[i].problem)
                return oxp_sprintf(h->arena, "left out: with it output '%.80s' has %s%s",
                                   c->outputs[i].name, c->outputs[i].problem, where[k]);
            else if (!c->outputs[i].ok)
                return oxp_sprintf(h->arena, "left out: with it output '%.80s' is off by %.2g%s",
                                   c->outputs[i].name, c->outputs[i].relative, where[k]);
    }
    return "left out: it fails the check";
}

/* ---- by what the check names ---- */

static bool touches(const candidate *c, const char *node) {
    for (size_t i = 0; i < c->n_touched; i++)
        if (!strcmp(c->touched[i], node))
            return true;
    return false;
}

/* Leaves out the decisions at which the damage starts; how many were new. */
static size_t take_hints(healer *h) {
    const oxp_verification *v = h->last.verified;
    size_t found = 0;
    const oxp_check *checks[] = {&v->plain, &v->emulated};
    for (int k = 0; k < 2; k++)
        for (size_t d = 0; d < checks[k]->n_damage; d++)
            for (size_t i = 0; i < h->n; i++) {
                const oxp_damage *damage = &checks[k]->damage[d];
                if (h->all[i].state != ACCEPTED || !touches(&h->all[i], damage->node))
                    continue;
                h->all[i].state = GUILTY;
                h->all[i].why = oxp_sprintf(h->arena, "left out: tensor '%.80s' behind it: %s",
                                            damage->tensor, damage->what);
                found++;
            }
    return found;
}

static bool heal_by_hints(healer *h) {
    for (int round = 0; round < HINTS_MAX && h->last.verified && now() < h->until; round++) {
        if (!take_hints(h))
            return false;
        bool ok = try_it(h, false, false);
        if (learn(h, ACCEPTED) == 0 && ok)
            return true;
        if (ok)
            return true;
    }
    return false;
}

/* ---- by halves ---- */

typedef struct range {
    size_t from, to;
} range;

/* With nothing of it the model must pass; decisions that only then come up are left out, too. */
static bool find_ground(healer *h) {
    set_states(h, 0, h->n, PENDING);
    for (int round = 0; round < GROUND_ROUNDS; round++) {
        bool ok = try_it(h, false, false);
        if (learn(h, PENDING) == 0)
            return ok;
    }
    return false;
}

static bool heal_by_halves(healer *h) {
    range stack[DEPTH_MAX];
    size_t depth = 0;
    if (!find_ground(h))
        return false;
    if (h->n)
        stack[depth++] = (range){0, h->n};
    while (depth) {
        range r = stack[--depth];
        if (h->last.attempts >= ATTEMPTS_MAX || now() > h->until) {
            for (size_t i = r.from; i < r.to; i++)
                h->all[i].why = "left out: not tested any more, the search took too long";
            continue;
        }
        set_states(h, r.from, r.to, ACCEPTED);
        if (try_it(h, false, false))
            continue;
        set_states(h, r.from, r.to, PENDING);
        if (r.to - r.from == 1) {
            h->all[r.from].state = GUILTY;
            h->all[r.from].why = failure(h);
        } else if (depth + 2 <= DEPTH_MAX) { /* the first half is tried first */
            size_t middle = r.from + (r.to - r.from) / 2;
            stack[depth++] = (range){middle, r.to};
            stack[depth++] = (range){r.from, middle};
        }
    }
    return true;
}

/* Of several that were left out some may be innocent by now: each is taken back if that passes. */
static void take_back(healer *h) {
    size_t guilty = 0;
    for (size_t i = 0; i < h->n; i++)
        guilty += h->all[i].state != ACCEPTED;
    if (guilty < 2 || guilty > TAKE_BACK_MAX)
        return;
    for (size_t i = 0; i < h->n && now() < h->until; i++) {
        if (h->all[i].state == ACCEPTED)
            continue;
        h->all[i].state = ACCEPTED;
        if (!try_it(h, false, false))
            h->all[i].state = GUILTY;
    }
}

/* ---- all of it ---- */

static void list_left_out(healer *h) {
    oxp_exclusion *left = OXP_NEWS(h->arena, h->n + 1, oxp_exclusion);
    h->last.n_left_out = 0;
    for (size_t i = 0; i < h->n; i++)
        if (h->all[i].state != ACCEPTED)
            left[h->last.n_left_out++] =
                (oxp_exclusion){h->all[i].pass, h->all[i].node, h->all[i].why};
    h->last.left_out = left;
}

oxp_healed oxp_heal(oxp_arena *arena, const oxp_model *original, const oxp_heal_opts *opts) {
    healer h = {.arena = arena,
                .ctx = oxp_arena_ctx(arena),
                .original = original,
                .opts = opts,
                .known = oxp_map_new(arena)};
    if (try_it(&h, true, true))
        return h.last;
    const oxp_verification *failed = h.last.verified;
    h.until = now() + search_seconds;
    learn(&h, ACCEPTED);
    bool ok = heal_by_hints(&h) || heal_by_halves(&h);
    if (ok)
        take_back(&h);
    if (!ok || !try_it(&h, false, true)) {
        h.last.verified = failed; /* the whole rewrite's is the one to tell of */
        h.last.n_left_out = 0;
        return h.last;
    }
    list_left_out(&h);
    return h.last;
}
