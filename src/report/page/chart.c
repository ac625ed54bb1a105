/* chart.c - charts of HTML reports as inline SVG: bars, lines with a marked point, scatter plots
 * under a roof.  Text alternatives: a title, a caption, and the numbers of short charts as a table.
 */
#include "report/page/chart.h"

#include <math.h>

#include "report/markup.h"

enum { W = 520, H = 280, LEFT = 64, RIGHT = 18, TOP = 24, BOTTOM = 46, DATA_ROWS = 24 };

/* ---- bars ---- */

void oxp_page_bars(oxp_sink *o, const oxp_block *b) {
    double most = 0;
    for (size_t r = 0; r < b->rows; r++)
        if (isfinite(b->values[r]))
            most = fmax(most, b->values[r]);
    oxp_puts(o, "<dl class=bars>");
    for (size_t r = 0; r < b->rows; r++) {
        double share = most > 0 && isfinite(b->values[r]) ? 100 * b->values[r] / most : 0;
        oxp_puts(o, "<div><dt>");
        oxp_markup(o, b->cells[2 * r], 120);
        oxp_puts(o, "</dt><dd>");
        oxp_markup(o, b->cells[2 * r + 1], 120);
        oxp_printf(o,
                   "</dd><dd><svg viewBox=\"0 0 100 8\" preserveAspectRatio=none aria-hidden=true>"
                   "<rect width=\"%.2f\" height=8 /></svg></dd></div>",
                   b->values[r] > 0 ? fmax(share, 0.4) : 0);
    }
    oxp_puts(o, "</dl>\n");
}

/* ---- axes ---- */

typedef struct scale {
    double lo, hi; /* of the values, or of their logarithms */
    bool log;
    double from, to; /* where they lie in the picture */
} scale;

typedef struct plot {
    oxp_sink *o;
    oxp_arena *a;
    const oxp_block *b;
    scale x, y;
    bool points_x; /* x is the number of the point */
} plot;

static double place(const scale *s, double v) {
    double t = s->log ? log10(v) : v;
    return s->from + (s->to - s->from) * (t - s->lo) / (s->hi - s->lo);
}

static bool usable(const scale *s, double v) {
    return isfinite(v) && (!s->log || v > 0);
}

static void include(scale *s, double v) {
    if (!usable(s, v))
        return;
    double t = s->log ? log10(v) : v;
    s->lo = fmin(s->lo, t);
    s->hi = fmax(s->hi, t);
}

static const char *value_text(oxp_arena *a, double v, oxp_unit unit) {
    if (unit == OXP_UNIT_SECONDS)
        return oxp_human_seconds(a, v);
    if (unit == OXP_UNIT_RATE)
        return oxp_human_rate(a, v);
    if (v < 0 || v >= 1e19)
        return oxp_sprintf(a, "%.3g", v);
    if (unit == OXP_UNIT_BYTES)
        return oxp_human_bytes(a, (uint64_t)v);
    return v < 10 && v != floor(v) ? oxp_sprintf(a, "%.3g", v) : oxp_human_count(a, (uint64_t)v);
}

/* Short texts for marks: "2 MB", not "2.00 MB". */
static const char *mark_text(oxp_arena *a, double v, oxp_unit unit) {
    static const char *const big[] = {"", "k", "M", "G", "T", "P", "E"};
    if (unit == OXP_UNIT_SECONDS) {
        const char *const small[] = {" s", " ms", " us", " ns"};
        int i = 0;
        while (v != 0 && v < 0.9999 && i < 3) {
            v *= 1000;
            i++;
        }
        return oxp_sprintf(a, "%.4g%s", v, small[i]);
    }
    int i = 0;
    while (v >= 999.99 && i < 6) {
        v /= 1000;
        i++;
    }
    const char *suffix = unit == OXP_UNIT_BYTES ? "B" : "";
    return oxp_sprintf(a, "%.4g%s%s%s", v, i || *suffix ? " " : "", big[i], suffix);
}

/* 1, 2 or 5 times a power of ten, so that about `marks` of them fill the range. */
static double nice_step(double range, int marks) {
    double raw = range / marks, power = pow(10, floor(log10(raw)));
    double m = raw / power;
    return power * (m < 1.5 ? 1 : m < 3.5 ? 2 : m < 7.5 ? 5 : 10);
}

static void x_mark(plot *p, double x, const char *text) {
    oxp_printf(p->o,
               "<path class=ax d=\"M%.1f %dv4\"/><text x=\"%.1f\" y=\"%d\" text-anchor=middle>", x,
               H - BOTTOM, x, H - BOTTOM + 17);
    oxp_markup(p->o, text, 20);
    oxp_puts(p->o, "</text>");
}

static void y_mark(plot *p, double y, const char *text) {
    oxp_printf(p->o, "<path class=ax d=\"M%d %.1fH%d\"/><text x=\"%d\" y=\"%.1f\" text-anchor=end>",
               LEFT, y, W - RIGHT, LEFT - 6, y + 4);
    oxp_markup(p->o, text, 20);
    oxp_puts(p->o, "</text>");
}

enum { MARKS_MAX = 32 };

static void marks(plot *p, const scale *s, oxp_unit unit, int count,
                  void (*mark)(plot *, double, const char *)) {
    double step = s->log ? ceil((s->hi - s->lo) / 7) : nice_step(s->hi - s->lo, count);
    double first = ceil(s->lo / step - 1e-9);
    /* Counted: where the range is narrow beside its numbers, adding a step changes nothing. */
    for (int k = 0; k <= MARKS_MAX; k++) {
        double t = (first + k) * step;
        if (!(t <= s->hi + step * 1e-9))
            break;
        double v = s->log ? pow(10, t) : fabs(t) < step / 2 ? 0 : t;
        mark(p, place(s, v), mark_text(p->a, v, unit));
    }
}

static void axes(plot *p) {
    const oxp_axes *a = &p->b->axes;
    marks(p, &p->y, a->y_unit, 5, y_mark);
    if (p->points_x) {
        for (size_t i = 0; i < p->b->rows; i++)
            x_mark(p, place(&p->x, (double)i), mark_text(p->a, p->b->values[2 * i], a->x_unit));
    } else {
        marks(p, &p->x, a->x_unit, 6, x_mark);
    }
    oxp_printf(p->o, "<path class=ax d=\"M%d %dH%d\"/><text x=\"%d\" y=\"%d\" text-anchor=end>",
               LEFT, H - BOTTOM, W - RIGHT, W - RIGHT, H - 10);
    oxp_markup(p->o, a->x ? a->x : "", 80);
    oxp_puts(p->o, "</text><text x=\"2\" y=\"12\">");
    oxp_markup(p->o, a->y ? a->y : "", 80);
    oxp_puts(p->o, "</text>");
}

/* ---- content ---- */

static double x_of(const plot *p, size_t i) {
    return place(&p->x, p->points_x ? (double)i : p->b->values[2 * i]);
}

static void line(plot *p) {
    const double *v = p->b->values;
    size_t n = p->b->rows;
    oxp_puts(p->o, "<path class=ar d=\"");
    oxp_printf(p->o, "M%.1f %d", x_of(p, 0), H - BOTTOM);
    for (size_t i = 0; i < n; i++)
        oxp_printf(p->o, "L%.1f %.1f", x_of(p, i), place(&p->y, v[2 * i + 1]));
    oxp_printf(p->o, "L%.1f %dz\"/><path class=ln d=\"", x_of(p, n - 1), H - BOTTOM);
    for (size_t i = 0; i < n; i++)
        oxp_printf(p->o, "%c%.1f %.1f", i ? 'L' : 'M', x_of(p, i), place(&p->y, v[2 * i + 1]));
    oxp_puts(p->o, "\"/>");
}

static void points(plot *p) {
    const double *v = p->b->values;
    for (size_t i = 0; i < p->b->rows; i++) {
        if (!usable(&p->x, v[2 * i]) || !usable(&p->y, v[2 * i + 1]))
            continue;
        bool second = p->b->axes.classes && p->b->axes.classes[i];
        oxp_printf(p->o, "<circle class=\"pt%s\" cx=\"%.1f\" cy=\"%.1f\" r=4>", second ? " p1" : "",
                   x_of(p, i), place(&p->y, v[2 * i + 1]));
        if (p->b->cells) {
            oxp_puts(p->o, "<title>");
            oxp_markup(p->o, p->b->cells[i], 120);
            oxp_puts(p->o, "</title>");
        }
        oxp_puts(p->o, "</circle>");
    }
}

static void roof(plot *p) {
    const oxp_axes *a = &p->b->axes;
    for (size_t i = 0; i < a->n_roof; i++)
        oxp_printf(p->o, "%s%.1f %.1f", i ? "L" : "<path class=rf d=\"M",
                   place(&p->x, a->roof[2 * i]), place(&p->y, a->roof[2 * i + 1]));
    if (a->n_roof)
        oxp_puts(p->o, "\"/>");
}

static void marker(plot *p) {
    const oxp_block *b = p->b;
    double mx = b->marker_x;
    for (size_t i = 0; p->points_x && i < b->rows; i++)
        if (b->values[2 * i] == b->marker_x)
            mx = (double)i;
    if (!usable(&p->x, mx) || !usable(&p->y, b->marker_y))
        return;
    double x = place(&p->x, mx), y = place(&p->y, b->marker_y);
    const char *anchor = x < LEFT + 110 ? "start" : x > W - RIGHT - 110 ? "end" : "middle";
    oxp_printf(
        p->o,
        "<circle class=mk cx=\"%.1f\" cy=\"%.1f\" r=5 /><text class=ml x=\"%.1f\" y=\"%.1f\" "
        "text-anchor=%s>",
        x, y, x, y - 9 < TOP - 2 ? y + 19 : y - 9, anchor);
    oxp_markup(p->o, b->axes.marker ? b->axes.marker : "", 60);
    oxp_puts(p->o, "</text>");
}

static void caption(plot *p) {
    const oxp_axes *a = &p->b->axes;
    oxp_puts(p->o, "<figcaption>");
    oxp_markup(p->o, p->b->text, 300);
    for (int k = 0; a->classes && k < 2; k++) {
        oxp_printf(p->o, " <span class=k%d aria-hidden=true>\xe2\x97\x8f</span> ", k);
        oxp_markup(p->o, a->class_name[k], 60);
    }
    if (a->n_roof && a->roof_text) {
        oxp_puts(p->o, " <span class=k2 aria-hidden=true>- -</span> ");
        oxp_markup(p->o, a->roof_text, 120);
    }
    oxp_puts(p->o, "</figcaption>");
}

/* The numbers, where they are few. */
static void data(plot *p) {
    const oxp_block *b = p->b;
    if (b->rows > DATA_ROWS || (b->level & OXP_SCATTER))
        return;
    oxp_puts(p->o,
             "<details class=data><summary>Numbers</summary><table><thead><tr><th scope=col>");
    oxp_markup(p->o, b->axes.x ? b->axes.x : "x", 80);
    oxp_puts(p->o, "</th><th scope=col>");
    oxp_markup(p->o, b->axes.y ? b->axes.y : "y", 80);
    oxp_puts(p->o, "</th></tr></thead><tbody>");
    for (size_t i = 0; i < b->rows; i++) {
        oxp_puts(p->o, "<tr><td>");
        oxp_markup(p->o, value_text(p->a, b->values[2 * i], b->axes.x_unit), 40);
        oxp_puts(p->o, "</td><td>");
        oxp_markup(p->o, value_text(p->a, b->values[2 * i + 1], b->axes.y_unit), 40);
        oxp_puts(p->o, "</td></tr>");
    }
    oxp_puts(p->o, "</tbody></table></details>");
}

/* The range of an axis: never empty; a linear one begins at zero, a logarithmic one has some air.
 */
static void settle(scale *s) {
    if (!s->log) {
        s->lo = fmin(s->lo, 0);
        s->hi += (s->hi - s->lo) * 0.06;
    } else {
        s->lo = floor(s->lo * 2 - 0.2) / 2;
        s->hi = ceil(s->hi * 2 + 0.2) / 2;
    }
    if (!(s->hi - s->lo > 1e-12))
        s->hi = s->lo + 1;
}

void oxp_page_chart(oxp_sink *o, const oxp_block *b, oxp_arena *arena) {
    plot p = {.o = o, .a = arena, .b = b};
    p.points_x = (b->level & OXP_POINTS_X) != 0;
    p.x = (scale){INFINITY, -INFINITY, (b->level & OXP_LOG_X) != 0, LEFT, W - RIGHT};
    p.y = (scale){INFINITY, -INFINITY, (b->level & OXP_LOG_Y) != 0, H - BOTTOM, TOP};
    for (size_t i = 0; i < b->rows; i++) {
        include(&p.x, p.points_x ? (double)i : b->values[2 * i]);
        include(&p.y, b->values[2 * i + 1]);
    }
    for (size_t i = 0; i < b->axes.n_roof; i++)
        include(&p.y, b->axes.roof[2 * i + 1]);
    if (!b->rows || !isfinite(p.x.lo) || !isfinite(p.y.lo))
        return;
    settle(&p.y);
    if (p.x.log)
        settle(&p.x);
    else if (p.x.hi - p.x.lo < 1e-12)
        p.x.hi = p.x.lo + 1;
    oxp_printf(o, "<figure><svg class=chart viewBox=\"0 0 %d %d\" role=img><title>", W, H);
    oxp_markup(o, b->text, 300);
    oxp_puts(o, "</title>");
    axes(&p);
    roof(&p);
    if (b->level & OXP_SCATTER)
        points(&p);
    else
        line(&p);
    marker(&p);
    oxp_puts(o, "</svg>");
    caption(&p);
    data(&p);
    oxp_puts(o, "</figure>\n");
}
