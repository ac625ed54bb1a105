/* stages.c - see stages.h: inline SVG; every figure is also in the text of the picture. */
#include "report/page/stages.h"

#include <math.h>

#include "report/markup.h"

enum { WIDTH = 1000, GAP = 34, PAD = 12, HEAD = 34, LINE = 21, ROW = 46, BAR = 9 };
enum { ITEMS_MAX = 8, TITLE_MAX = 38, TITLE_SHORT = 31 };

typedef struct canvas {
    oxp_sink *o;
    const oxp_stages *s;
    double column;
    size_t lines; /* of items, in the fullest stage */
    int top, height;
} canvas;

static double left_of(const canvas *c, size_t stage) {
    return (double)stage * (c->column + GAP);
}

static void words(const canvas *c, const char *class, double x, double y, bool end,
                  const char *text, size_t most) {
    oxp_printf(c->o, "<text class=%s x=\"%.1f\" y=\"%.1f\"%s>", class, x, y,
               end ? " text-anchor=end" : "");
    oxp_markup(c->o, text, most);
    oxp_puts(c->o, "</text>");
}

static size_t items_of(const oxp_stages *s, size_t stage) {
    size_t n = 0;
    for (size_t i = 0; i < s->n_items; i++)
        n += s->items[i].stage == stage;
    return n;
}

static void frame(const canvas *c, size_t stage) {
    double x = left_of(c, stage);
    oxp_printf(c->o, "<rect class=box x=\"%.1f\" y=1 width=\"%.1f\" height=%d rx=8 />", x + 1,
               c->column - 2, c->height - 2);
    words(c, "name", x + PAD, 23, false, c->s->names[stage], 40);
    if (stage > 0)
        oxp_printf(c->o, "<path class=arrow d=\"M%.1f 18h%d m-7 -5l7 5l-7 5\"/>", x - GAP + 6,
                   GAP - 12);
}

static void items(const canvas *c, size_t stage) {
    size_t shown = 0, all = items_of(c->s, stage);
    double x = left_of(c, stage) + PAD;
    for (size_t i = 0; i < c->s->n_items; i++) {
        const oxp_stage_item *it = &c->s->items[i];
        if (it->stage != stage)
            continue;
        double y = HEAD + (double)shown * LINE + 15;
        if (shown == ITEMS_MAX - 1 && all > ITEMS_MAX) {
            oxp_printf(c->o, "<text class=soft x=\"%.1f\" y=\"%.1f\">and %zu more</text>", x + 14,
                       y, all - shown);
            return;
        }
        oxp_printf(c->o, "<rect class=w%d x=\"%.1f\" y=\"%.1f\" width=8 height=8 rx=2 />",
                   it->weight, x, y - 9);
        words(c, "item", x + 14, y, false, it->title, *it->effect ? TITLE_SHORT : TITLE_MAX);
        if (*it->effect)
            words(c, "soft", x + c->column - 2 * PAD, y, true, it->effect, 14);
        shown++;
    }
}

/* Bars of one measure share a scale: the longest is the largest value, or the goal. */
static void measure(const canvas *c, const oxp_stage_row *m, double y) {
    double most = isfinite(m->goal) ? m->goal : 0, width = c->column - 2 * PAD;
    for (size_t k = 0; k < c->s->n_stages; k++)
        most = isfinite(m->values[k].value) ? fmax(most, m->values[k].value) : most;
    for (size_t k = 0; k < c->s->n_stages; k++) {
        static const char *const classes[] = {"bar", "met", "missed"};
        const oxp_stage_value *v = &m->values[k];
        double x = left_of(c, k) + PAD;
        words(c, "soft", x, y + 14, false, m->name, 40);
        words(c, "value", x + width, y + 14, true, v->text, 24);
        oxp_printf(c->o, "<rect class=rail x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=%d rx=2 />",
                   x, y + 20, width, BAR);
        if (isfinite(v->value) && most > 0)
            oxp_printf(c->o,
                       "<rect class=%s x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=%d rx=2 />",
                       classes[v->verdict], x, y + 20, fmax(1.5, width * v->value / most), BAR);
        if (isfinite(m->goal) && most > 0) {
            oxp_printf(c->o, "<path class=goal d=\"M%.1f %.1fv%d\"><title>goal ",
                       x + width * m->goal / most, y + 17, BAR + 6);
            oxp_markup(c->o, m->goal_text ? m->goal_text : "", 40);
            oxp_puts(c->o, "</title></path>");
        }
    }
}

void oxp_page_stages(oxp_sink *o, const oxp_stages *s) {
    canvas c = {.o = o, .s = s};
    if (!s->n_stages)
        return;
    c.column = (WIDTH - GAP * (double)(s->n_stages - 1)) / (double)s->n_stages;
    for (size_t k = 0; k < s->n_stages; k++) {
        size_t n = items_of(s, k);
        n = n > ITEMS_MAX ? ITEMS_MAX : n;
        c.lines = n > c.lines ? n : c.lines;
    }
    c.top = HEAD + (int)c.lines * LINE + (c.lines ? 6 : 0);
    c.height = c.top + (int)s->n_measures * ROW + 4;
    oxp_printf(o, "<div class=scroll tabindex=0><svg class=stages viewBox=\"0 0 %d %d\" role=img>",
               WIDTH, c.height);
    oxp_puts(o, "<title>");
    oxp_markup(o, s->title, 200);
    oxp_puts(o, "</title>");
    for (size_t k = 0; k < s->n_stages; k++) {
        frame(&c, k);
        items(&c, k);
    }
    for (size_t i = 0; i < s->n_measures; i++)
        measure(&c, &s->measures[i], c.top + (double)i * ROW);
    oxp_puts(o, "</svg></div>\n");
}
