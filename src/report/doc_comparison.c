/* doc_comparison.c - the before/after report for people. */
#include <math.h>
#include <string.h>

#include "base/intern.h"
#include "report/analysis_doc.h"
#include "report/comparison.h"
#include "report/parts.h"

typedef struct page {
    const oxp_comparison *c;
    oxp_doc *d;
    oxp_arena *a;
} page;

/* A change in per cent; one that is not nothing does not read like nothing, and what is left does
 * not read like all gone. */
static const char *per_cent(oxp_arena *a, double percent) {
    if (percent < 0.05 && percent > -0.05)
        return percent == 0 ? "same" : percent < 0 ? "> -0.1 %" : "< +0.1 %";
    if (percent < -99.95 && percent > -100)
        return "< -99.9 %";
    bool fine = fabs(percent) < 9.95 || (percent <= -99.5 && percent > -100);
    return oxp_sprintf(a, "%+.*f %%", fine ? 1 : 0, percent);
}

static const char *change(oxp_arena *a, uint64_t before, uint64_t now) {
    if (before == UINT64_MAX || now == UINT64_MAX)
        return "unknown";
    if (before == now)
        return "same";
    if (!before)
        return "new";
    double percent = 100.0 * ((double)now - (double)before) / (double)before;
    return per_cent(a, percent);
}

/* One metric: before, projected, achieved and what was achieved in per cent.  open: what cannot be
 * known of a graph is missing from it. */
static void metric(page *p, const char *name, const char *(*human)(oxp_arena *, uint64_t),
                   size_t offset, bool open) {
    const oxp_comparison *c = p->c;
    const oxp_side *sides[] = {c->before, c->projected, c->after};
    const char *cells[5] = {name, "-", "-", "-", "-"};
    uint64_t v[3] = {0, 0, 0};
    for (int i = 0; i < 3; i++)
        if (sides[i]) {
            memcpy(&v[i], (const char *)&sides[i]->totals + offset, sizeof v[i]);
            const char *bound = open ? oxp_at_least(&sides[i]->totals, v[i]) : "";
            cells[i + 1] = oxp_sprintf(p->a, "%s%s", bound, human(p->a, v[i]));
        }
    const oxp_side *now = c->after ? c->after : c->projected;
    if (now) {
        uint64_t n = c->after ? v[2] : v[1];
        bool bound =
            open && (*oxp_at_least(&c->before->totals, v[0]) || *oxp_at_least(&now->totals, n));
        cells[4] = change(p->a, v[0], bound && n != v[0] ? UINT64_MAX : n);
    }
    oxp_doc_row(p->d, cells);
}

static void latency_row(page *p) {
    const oxp_comparison *c = p->c;
    const oxp_side *sides[] = {c->before, c->projected, c->after};
    const char *cells[5] = {"", "-", "-", "-", "-"};
    double v[3] = {0, 0, 0};
    if (!c->device)
        return;
    cells[0] = oxp_sprintf(p->a, "latency on %s", c->device->name);
    for (int i = 0; i < 3; i++)
        if (sides[i]) {
            v[i] = sides[i]->latency;
            cells[i + 1] = oxp_human_seconds(p->a, v[i]);
        }
    double now = c->after ? v[2] : v[1];
    if (v[0] > 0 && (c->after || c->projected))
        cells[4] = per_cent(p->a, 100 * (now - v[0]) / v[0]);
    oxp_doc_row(p->d, cells);
}

static void summary_table(page *p) {
    static const char *const header[] = {"", "before", "projected", "achieved", "change"};
    static const uint8_t align[] = {0, 1, 1, 1, 1};
    oxp_doc_heading(p->d, 1, "Before and after");
    oxp_block *b = oxp_doc_block(p->d, OXP_TABLE, 5);
    b->header = header;
    b->align = align;
    metric(p, "nodes", oxp_thousands, offsetof(oxp_totals, nodes), false);
    metric(p, "parameters", oxp_thousands, offsetof(oxp_totals, params), false);
    metric(p, "weights", oxp_human_bytes, offsetof(oxp_totals, weight_bytes), false);
    metric(p, "FLOPs", oxp_human_count, offsetof(oxp_totals, flops), true);
    if (p->c->before->totals.int_ops || (p->c->after && p->c->after->totals.int_ops))
        metric(p, "integer operations", oxp_human_count, offsetof(oxp_totals, int_ops), true);
    metric(p, "peak activations", oxp_human_bytes, offsetof(oxp_totals, peak_activation_bytes),
           true);
    metric(p, "all activations", oxp_human_bytes, offsetof(oxp_totals, total_activation_bytes),
           true);
    metric(p, "bytes moved in a run", oxp_human_bytes, offsetof(oxp_totals, bytes_moved), true);
    latency_row(p);
    if (p->c->after) {
        const char *cells[5] = {
            "file", oxp_human_bytes(p->a, p->c->before->totals.file_bytes), "-",
            oxp_human_bytes(p->a, p->c->after->totals.file_bytes),
            change(p->a, p->c->before->totals.file_bytes, p->c->after->totals.file_bytes)};
        oxp_doc_row(p->d, cells);
    }
}

/* Nodes that a remark holds for, word by word. */
typedef struct group {
    const oxp_skip *first;
    size_t n;
} group;

static size_t group_remarks(page *p, const oxp_skip *s, size_t n, group **groups) {
    oxp_map *index = oxp_map_new(p->a);
    group *g = NULL;
    size_t n_groups = 0, cap = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t at;
        uint64_t key = oxp_hash_bytes(s[i].reason, strlen(s[i].reason));
        if (oxp_map_get(index, key, &at) && !strcmp(g[at].first->reason, s[i].reason)) {
            g[at].n++;
            continue;
        }
        g = oxp_grow(p->a, g, &cap, n_groups + 1, sizeof *g);
        g[n_groups] = (group){&s[i], 1};
        oxp_map_put(index, key, (uint32_t)n_groups++);
    }
    *groups = g;
    return n_groups;
}

/* Refusals with the same reason are one line; those that differ in names would still fill pages: at
 * most ten are listed. */
static void remarks(page *p, const char *title, const oxp_skip *s, size_t n) {
    enum { MOST = 10 };
    group *g;
    size_t n_groups = group_remarks(p, s, n, &g), listed = 0;
    if (!n)
        return;
    oxp_doc_para(p->d, "%s:", title);
    oxp_doc_block(p->d, OXP_LIST, 1);
    for (size_t i = 0; i < n_groups && i < MOST; i++) {
        const oxp_skip *first = g[i].first;
        const char *others = g[i].n > 1 ? oxp_sprintf(p->a, " and %zu more", g[i].n - 1) : "";
        const char *line = *first->node
                               ? oxp_sprintf(p->a, "%s%s: %s", first->node, others, first->reason)
                               : first->reason;
        oxp_doc_row(p->d, &line);
        listed += g[i].n;
    }
    if (n > listed) {
        const char *line =
            oxp_sprintf(p->a, "and %zu more (all of them are in --format json)", n - listed);
        oxp_doc_row(p->d, &line);
    }
}

static void passes(page *p) {
    const oxp_comparison *c = p->c;
    if (!c->n_passes)
        return;
    oxp_doc_heading(p->d, 1, "Passes");
    for (size_t i = 0; i < c->n_passes; i++) {
        const oxp_pass_result *r = &c->passes[i];
        oxp_doc_heading(p->d, 2, "%s", r->name);
        oxp_doc_para(p->d, "%s (%s; %s)",
                     r->summary && *r->summary
                         ? r->summary
                         : oxp_sprintf(p->a, "%zu changed; %zu left", r->changed, r->n_skipped),
                     oxp_fidelity_name(r->fidelity), oxp_human_seconds(p->a, r->seconds));
        remarks(p, "Left as they are", r->skipped, r->n_skipped);
        remarks(p, "Worth knowing", r->notes, r->n_notes);
    }
}

/* ---- nodes by operator type, where their number changed ---- */

static uint64_t op_key(const oxp_op_total *t) {
    return oxp_hash_bytes(t->op, strlen(t->op)) ^ 3 * oxp_hash_bytes(t->domain, strlen(t->domain));
}

/* The same operator among the totals of another analysis, by its index; NULL: there is none. */
static const oxp_op_total *counterpart(const oxp_map *index, const oxp_side *a,
                                       const oxp_op_total *t) {
    uint32_t at;
    if (!oxp_map_get(index, op_key(t), &at))
        return NULL;
    const oxp_op_total *other = &a->by_op[at];
    return !strcmp(other->op, t->op) && !strcmp(other->domain, t->domain) ? other : NULL;
}

static oxp_map *index_ops(const oxp_side *a, oxp_arena *arena) {
    oxp_map *index = oxp_map_new(arena);
    for (size_t i = 0; i < a->n_by_op; i++)
        oxp_map_put(index, op_key(&a->by_op[i]), (uint32_t)i);
    return index;
}

static void operators(page *p) {
    static const char *const header[] = {"operator", "before", "after"};
    static const uint8_t align[] = {0, 1, 1};
    enum { MOST = 60 };
    const oxp_side *side[] = {p->c->before, p->c->after ? p->c->after : p->c->projected};
    size_t changed = 0;
    if (!side[1])
        return;
    for (int k = 0; k < 2; k++) {
        oxp_map *index = index_ops(side[!k], p->a);
        for (size_t i = 0; i < side[k]->n_by_op; i++) {
            const oxp_op_total *t = &side[k]->by_op[i], *o = counterpart(index, side[!k], t);
            if (o ? k == 1 || o->count == t->count : false)
                continue; /* unchanged, or seen from the other side */
            if (changed++ == 0) {
                oxp_doc_heading(p->d, 1, "Nodes that changed in number");
                oxp_block *b = oxp_doc_block(p->d, OXP_TABLE, 3);
                b->header = header;
                b->align = align;
            }
            if (changed > MOST)
                continue;
            const char *mine = oxp_thousands(p->a, t->count);
            const char *other = oxp_thousands(p->a, o ? o->count : 0);
            const char *cells[] = {t->op, k ? other : mine, k ? mine : other};
            oxp_doc_row(p->d, cells);
        }
    }
    if (changed > MOST)
        oxp_doc_para(p->d, "and %zu more operators.", changed - MOST);
}

static void honesty(page *p) {
    const oxp_comparison *c = p->c;
    if (c->weights_assumed)
        oxp_doc_para(p->d, "The weights are not there: their values were assumed harmless. The "
                           "rewrite itself needs them.");
    if (!c->after_path)
        oxp_doc_para(p->d, "Dry run: nothing was written.");
    if (!c->verified && c->after_path && c->n_passes)
        oxp_doc_para(p->d, "Not measured: nothing was run. Latencies are projected from a roofline "
                           "model; `onnxpert verify` compares numbers and speed in ONNX Runtime.");
    for (size_t i = 0; i < c->n_passes; i++) {
        const oxp_pass *pass = oxp_pass_find(c->passes[i].name);
        if (c->passes[i].changed && pass && pass->caveat)
            oxp_doc_para(p->d, "%s", pass->caveat);
    }
}

/* Decisions that the check refused. */
static void left_out(page *p) {
    enum { MOST = 20 };
    const oxp_comparison *c = p->c;
    if (!c->n_left_out)
        return;
    oxp_doc_para(p->d,
                 "The whole rewrite failed the check; %zu of its decisions were left out (%u "
                 "rewrites were tried):",
                 c->n_left_out, c->attempts);
    oxp_doc_block(p->d, OXP_LIST, 1);
    for (size_t i = 0; i < c->n_left_out && i < MOST; i++) {
        const char *line = oxp_sprintf(p->a, "%s, %s: %s", c->left_out[i].pass, c->left_out[i].node,
                                       c->left_out[i].why);
        oxp_doc_row(p->d, &line);
    }
    if (c->n_left_out > MOST) {
        const char *line = oxp_sprintf(p->a, "and %zu more (all of them are in --format json)",
                                       c->n_left_out - MOST);
        oxp_doc_row(p->d, &line);
    }
}

oxp_doc *oxp_doc_comparison(const void *source, oxp_arena *arena) {
    const oxp_comparison *c = source;
    page p = {c, NULL, arena};
    p.d = oxp_doc_new(arena, oxp_sprintf(arena, "%s -> %s", c->before_path,
                                         c->after_path ? c->after_path : "(dry run)"));
    summary_table(&p);
    honesty(&p);
    if (c->verified)
        oxp_doc_add_verification(p.d, c->verified);
    left_out(&p);
    oxp_doc_add_steps(p.d, c);
    passes(&p);
    operators(&p);
    oxp_doc_add_tensors(p.d, c);
    if (c->saved) {
        oxp_doc_heading(p.d, 1, "Written");
        oxp_doc_block(p.d, OXP_LIST, 1);
        for (size_t i = 0; i < c->saved->n_files; i++) {
            const char *line = oxp_sprintf(
                arena, "%s (%s)", c->saved->files[i],
                oxp_human_bytes(arena, i ? c->saved->data_bytes : c->saved->model_bytes));
            oxp_doc_row(p.d, &line);
        }
    }
    return p.d;
}
