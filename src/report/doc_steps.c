/* doc_steps.c - what --auto applies and leaves, and each pass's projected figures next to the
 * achieved ones. */
#include <string.h>

#include "report/comparison.h"
#include "report/parts.h"

static void plan(oxp_doc *d, const oxp_comparison *c, bool left) {
    bool any = false;
    for (size_t i = 0; i < c->n_plan; i++) {
        const oxp_planned *p = &c->plan[i];
        if (left != (p->left != NULL))
            continue;
        if (!any) {
            oxp_doc_para(d, left ? "On the roadmap, but left to you:"
                                 : "Applied: what is exact, safe and needs nothing.");
            oxp_doc_block(d, OXP_LIST, 1);
        }
        any = true;
        const char *line = left ? oxp_sprintf(d->arena, "%s (%s): %s", p->title, p->pass, p->left)
                                : oxp_sprintf(d->arena, "%s (%s)", p->title, p->pass);
        oxp_doc_row(d, &line);
    }
    if (!any && !left)
        oxp_doc_para(d, "Nothing on the roadmap is exact, safe and needs nothing.");
}

/* "58", or "58 / 59" where the two differ. */
static const char *both(oxp_doc *d, const oxp_step *s, const char *(*human)(oxp_arena *, uint64_t),
                        size_t offset) {
    const oxp_side *sides[] = {s->projected, s->achieved};
    const char *text[2] = {"-", "-"};
    for (int i = 0; i < 2; i++) {
        uint64_t v = 0;
        if (!sides[i])
            continue;
        memcpy(&v, (const char *)&sides[i]->totals + offset, sizeof v);
        text[i] = human(d->arena, v);
    }
    return s->achieved ? oxp_sprintf(d->arena, "%s / %s", text[0], text[1]) : text[0];
}

static void steps(oxp_doc *d, const oxp_comparison *c) {
    static const char *const header[] = {"after",  "nodes", "FLOPs", "weights", "peak activations",
                                         "latency"};
    static const uint8_t align[] = {0, 1, 1, 1, 1, 1};
    size_t columns = c->device ? 6 : 5;
    oxp_doc_para(d, c->steps[0].achieved ? "Step by step, projected / achieved:"
                                         : "Step by step, projected:");
    oxp_block *b = oxp_doc_block(d, OXP_TABLE, columns);
    b->header = header;
    b->align = align;
    for (size_t i = 0; i < c->n_steps; i++) {
        const oxp_step *s = &c->steps[i];
        if (!s->projected)
            continue;
        const char *cells[6] = {
            s->title ? oxp_sprintf(d->arena, "%s (%s)", s->title, s->pass) : s->pass,
            both(d, s, oxp_thousands, offsetof(oxp_totals, nodes)),
            both(d, s, oxp_human_count, offsetof(oxp_totals, flops)),
            both(d, s, oxp_human_bytes, offsetof(oxp_totals, weight_bytes)),
            both(d, s, oxp_human_bytes, offsetof(oxp_totals, peak_activation_bytes)),
            NULL};
        if (c->device)
            cells[5] = s->achieved ? oxp_sprintf(d->arena, "%s / %s",
                                                 oxp_human_seconds(d->arena, s->projected->latency),
                                                 oxp_human_seconds(d->arena, s->achieved->latency))
                                   : oxp_human_seconds(d->arena, s->projected->latency);
        oxp_doc_row(d, cells);
    }
}

void oxp_doc_add_steps(oxp_doc *d, const oxp_comparison *c) {
    if (!c->plan && !c->n_steps)
        return;
    oxp_doc_heading(d, 1, c->plan ? "From the roadmap" : "Each pass");
    if (c->plan) {
        plan(d, c, false);
        plan(d, c, true);
    }
    if (c->n_steps && c->steps[0].projected)
        steps(d, c);
}

/* ---- data ---- */
static void side(oxp_json *j, const char *key, const oxp_comparison *c, const oxp_side *s) {
    if (!s) {
        oxp_json_null(j, key);
        return;
    }
    oxp_json_object(j, key);
    oxp_json_uint(j, "nodes", s->totals.nodes);
    oxp_json_uint(j, "params", s->totals.params);
    oxp_json_uint(j, "flops", s->totals.flops);
    oxp_json_uint(j, "weight_bytes", s->totals.weight_bytes);
    oxp_json_uint(j, "peak_activation_bytes", s->totals.peak_activation_bytes);
    if (c->device)
        oxp_json_double(j, "latency_ms", 1e3 * s->latency);
    oxp_json_end(j);
}

void oxp_emit_steps(oxp_json *j, const oxp_comparison *c) {
    oxp_json_array(j, "plan");
    for (size_t i = 0; i < c->n_plan; i++) {
        oxp_json_object(j, NULL);
        oxp_json_string(j, "rule", c->plan[i].rule);
        oxp_json_string(j, "title", c->plan[i].title);
        oxp_json_string(j, "pass", c->plan[i].pass);
        oxp_json_bool(j, "applied", !c->plan[i].left);
        oxp_json_string(j, "reason", c->plan[i].left);
        oxp_json_end(j);
    }
    oxp_json_end(j);
    oxp_json_array(j, "steps");
    for (size_t i = 0; i < c->n_steps && c->steps[i].projected; i++) {
        oxp_json_object(j, NULL);
        oxp_json_string(j, "pass", c->steps[i].pass);
        side(j, "projected", c, c->steps[i].projected);
        side(j, "achieved", c, c->steps[i].achieved);
        oxp_json_end(j);
    }
    oxp_json_end(j);
}
