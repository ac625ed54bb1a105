/* doc_roadmap_picture.c - the roadmap at a glance: today and after each phase. */
#include <math.h>
#include <string.h>

#include "report/roadmap_page.h"

/* One bar: a target, or a figure that is worth seeing without one. */
typedef struct figure {
    const char *name;
    const oxp_target *target; /* NULL: `kind` without a goal */
    oxp_target_kind kind;
    bool work; /* the arithmetic */
} figure;

static double value_of(const figure *f, const oxp_metrics *m) {
    const oxp_target plain = {.kind = f->kind};
    if (f->work)
        return m->flops == UINT64_MAX ? NAN : (double)m->flops;
    return oxp_target_value(f->target ? f->target : &plain, m);
}

static const char *text_of(const oxp_page *p, const figure *f, double v) {
    const oxp_target plain = {.kind = f->kind};
    if (f->work)
        return isnan(v) ? "unknown" : oxp_human_unit(p->a, (uint64_t)v, "FLOPs");
    return oxp_target_show(p->a, f->target ? f->target : &plain, v);
}

static oxp_stage_row measure_of(const oxp_page *p, const figure *f, size_t n_stages) {
    const oxp_roadmap *r = p->r;
    oxp_stage_value *v = OXP_NEWS(p->a, n_stages, oxp_stage_value);
    for (size_t k = 0; k < n_stages; k++) {
        v[k].value = value_of(f, k ? &r->phases[k - 1].combined : &r->baseline);
        v[k].text = text_of(p, f, v[k].value);
        if (f->target && !isnan(v[k].value))
            v[k].verdict = oxp_target_met(f->target, v[k].value) ? OXP_GOAL_MET : OXP_GOAL_MISSED;
    }
    return (oxp_stage_row){f->name, f->target ? f->target->text : NULL,
                           f->target ? f->target->goal : NAN, v};
}

static size_t figures(const oxp_page *p, figure *f) {
    const oxp_roadmap *r = p->r;
    bool seen[OXP_WEIGHTS] = {false};
    size_t n = 0;
    for (size_t i = 0; i < r->n_targets && i < 8; i++) {
        const oxp_target *t = &r->targets[i];
        if (t->kind == OXP_TARGET_ACCURACY)
            continue;
        seen[t->kind] |= !t->batch;
        f[n++] = (figure){oxp_sprintf(p->a, "%s (goal %s)", t->name, t->text), t, t->kind, false};
    }
    static const oxp_target_kind always[] = {OXP_TARGET_LATENCY, OXP_TARGET_THROUGHPUT,
                                             OXP_TARGET_MEMORY};
    for (size_t i = 0; i < sizeof always / sizeof *always; i++)
        if (!seen[always[i]] && (always[i] != OXP_TARGET_THROUGHPUT || r->batch > 1))
            f[n++] = (figure){oxp_target_kind_name(always[i]), NULL, always[i], false};
    f[n++] = (figure){"arithmetic", NULL, OXP_TARGET_LATENCY, true};
    return n;
}

static const char *effect_of(const oxp_page *p, const oxp_item *it) {
    if (it->effect != OXP_EFFECT_GAIN)
        return it->effect == OXP_EFFECT_LOSS ? "worse here" : "";
    if (!it->projected)
        return oxp_sprintf(p->a, "%.3gx", it->result->gain);
    double gain = oxp_target_kind_factor(p->r->focus, &it->before, &it->after);
    return oxp_sprintf(p->a, gain >= 100 ? "%.0fx" : "%.3gx", gain);
}

static size_t items(const oxp_page *p, oxp_stage_item *list) {
    size_t n = 0;
    for (size_t k = 0; k < p->r->n_phases; k++)
        for (size_t i = 0; i < p->r->phases[k].n_items; i++) {
            const oxp_item *it = &p->r->phases[k].items[i];
            list[n++] = (oxp_stage_item){k + 1, it->rule->title, effect_of(p, it),
                                         !strcmp(it->impact, "high")     ? 2
                                         : !strcmp(it->impact, "medium") ? 1
                                                                         : 0};
        }
    return n;
}

/* A bar of eight cells; what is more than nothing has one. */
static const char *bar(const oxp_page *p, double value, double most) {
    enum { CELLS = 8 };
    char text[CELLS * 3 + 1] = "";
    if (isnan(value) || !(most > 0))
        return "";
    int n = (int)lround(CELLS * value / most);
    n = n < 1 && value > 0 ? 1 : n;
    for (int i = 0; i < CELLS; i++) /* U+2588, U+2591 */
        memcpy(text + (size_t)i * 3, i < n ? "\xE2\x96\x88" : "\xE2\x96\x91", 3);
    return oxp_sprintf(p->a, "%s ", text);
}

/* The same for a terminal and a pull request: a row a measure, a column a stage. */
static void as_table(oxp_page *p, const oxp_stages *s) {
    const char **cells = OXP_NEWS(p->a, s->n_stages + 1, const char *);
    oxp_doc_para(p->d, "Today and after each phase%s:",
                 p->r->batch > 1 ? oxp_sprintf(p->a, " (throughput and memory at batch %lld)",
                                               (long long)p->r->batch)
                                 : "");
    p->d->last->level = OXP_PLAIN_ONLY;
    cells[0] = "measure";
    for (size_t k = 0; k < s->n_stages; k++)
        cells[k + 1] = k ? oxp_sprintf(p->a, "after phase %zu", k) : "today";
    oxp_block *b = oxp_doc_block(p->d, OXP_TABLE, s->n_stages + 1);
    b->header = cells;
    b->level = OXP_PLAIN_ONLY;
    for (size_t i = 0; i < s->n_measures; i++) {
        const oxp_stage_row *m = &s->measures[i];
        const char **row = OXP_NEWS(p->a, s->n_stages + 1, const char *);
        double most = isnan(m->goal) ? 0 : m->goal;
        for (size_t k = 0; k < s->n_stages; k++)
            most = fmax(most, m->values[k].value);
        row[0] = m->name;
        for (size_t k = 0; k < s->n_stages; k++)
            row[k + 1] =
                oxp_sprintf(p->a, "%s%s%s", bar(p, m->values[k].value, most), m->values[k].text,
                            m->values[k].verdict == OXP_GOAL_MET      ? ", met"
                            : m->values[k].verdict == OXP_GOAL_MISSED ? ", missed"
                                                                      : "");
        oxp_doc_row(p->d, row);
    }
}

void oxp_page_picture(oxp_page *p) {
    const oxp_roadmap *r = p->r;
    size_t n_stages = r->n_phases + 1, n_items = 0;
    oxp_stages *s = OXP_NEW(p->a, oxp_stages);
    const char **names = OXP_NEWS(p->a, n_stages, const char *);
    figure f[16];
    size_t n = figures(p, f);
    oxp_stage_row *m = OXP_NEWS(p->a, n, oxp_stage_row);
    names[0] = "Today";
    for (size_t k = 0; k < r->n_phases; k++) {
        names[k + 1] = oxp_sprintf(p->a, "After phase %zu: %s", k + 1, r->phases[k].name);
        n_items += r->phases[k].n_items;
    }
    for (size_t i = 0; i < n; i++)
        m[i] = measure_of(p, &f[i], n_stages);
    oxp_stage_item *list = OXP_NEWS(p->a, n_items + 1, oxp_stage_item);
    *s = (oxp_stages){
        "The roadmap: today and after each phase", names, n_stages, m, n, list, items(p, list)};
    if (r->n_phases)
        as_table(p, s);
    oxp_block *b = oxp_doc_block(p->d, OXP_STAGES, 0);
    b->level = OXP_PAGE_ONLY;
    b->stages = s;
    b = oxp_doc_block(p->d, OXP_PARAGRAPH, 0);
    b->level = OXP_PAGE_ONLY;
    b->text = oxp_sprintf(
        p->a, "Beside an item: its own factor on %s. Bars: everything up to there together%s%s.",
        oxp_page_metric(p, r->focus),
        r->batch > 1
            ? oxp_sprintf(p->a, ", throughput and memory at batch %lld", (long long)r->batch)
            : "",
        r->n_targets ? "; dashes: the goals" : "");
}
