/* picture_svg.c - lays the graph by blocks out in layers and draws it (picture.h).
 *
 * A box stands one layer below the lowest box that feeds it; boxes of a layer are ordered by the
 * middle of what feeds them; a group has its layers for itself.  Edges to the next layer are
 * curves; longer ones run in lanes on the right. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report/markup.h"
#include "report/picture.h"

enum {
    TITLE_MAX = 46, /* characters of a line in a box */
    BOX_H = 60,
    GAP_X = 26,
    GAP_Y = 38,
    TOP = 64, /* the legend's place */
    MARGIN = 16,
    LANE = 11,
    LANES_MAX = 24,
    ROW_MAX = 6 /* boxes in a layer */
};

typedef struct spot {
    uint32_t layer;
    double order; /* in its layer */
    double x, y;  /* upper left corner */
} spot;

typedef struct drawing {
    oxp_sink *o;
    oxp_arena *a;
    const oxp_picture *p;
    spot *at; /* by box */
    uint32_t layers;
    uint32_t *members; /* boxes by layer, then by order */
    uint32_t *row;     /* by layer: index of its first member; layers + 1 of them */
    double box_w, body_w, w, h;
    double hottest;
} drawing;

/* ---- layout ---- */

static void choose_layers(drawing *d) {
    const oxp_picture *p = d->p;
    uint32_t floor_of = 0, top = 0; /* no box above floor_of from now on; the lowest layer */
    uint32_t *feeds = OXP_NEWS(d->a, p->n_boxes + 1, uint32_t), *used;
    used = OXP_NEWS(d->a, p->n_boxes + 2, uint32_t);
    for (uint32_t b = 0; b < p->n_boxes; b++) {
        const oxp_box *box = &p->boxes[b];
        uint32_t group = box->group;
        bool first = group != UINT32_MAX && p->groups[group].first == b;
        if (first || (b > 0 && group == UINT32_MAX && p->boxes[b - 1].group != UINT32_MAX))
            floor_of = b ? top + 1 : 0;
        if (b > 0 && box->kind == OXP_BOX_OUTPUT && p->boxes[b - 1].kind != OXP_BOX_OUTPUT)
            floor_of = top + 1;
        uint32_t layer = feeds[b] > floor_of ? feeds[b] : floor_of;
        while (used[layer] == ROW_MAX)
            layer++;
        used[layer]++;
        d->at[b].layer = layer;
        top = layer > top ? layer : top;
        for (size_t e = 0; e < p->n_edges; e++)
            if (p->edges[e].from == b && feeds[p->edges[e].to] <= layer)
                feeds[p->edges[e].to] = layer + 1;
    }
    d->layers = p->n_boxes ? top + 1 : 0;
}

static void fill_rows(drawing *d) {
    d->row = OXP_NEWS(d->a, (size_t)d->layers + 2, uint32_t);
    d->members = OXP_NEWS(d->a, d->p->n_boxes + 1, uint32_t);
    uint32_t n = 0;
    for (uint32_t layer = 0; layer < d->layers; layer++) {
        d->row[layer] = n;
        for (uint32_t b = 0; b < d->p->n_boxes; b++)
            if (d->at[b].layer == layer)
                d->members[n++] = b;
    }
    d->row[d->layers] = n;
}

/* Orders a layer by the mean place of what feeds its boxes: a row is short, insertion sorts it. */
static void order_row(drawing *d, uint32_t layer) {
    uint32_t *row = d->members + d->row[layer], n = d->row[layer + 1] - d->row[layer];
    for (uint32_t i = 0; i < n; i++) {
        double sum = 0, feeders = 0;
        for (size_t e = 0; e < d->p->n_edges; e++)
            if (d->p->edges[e].to == row[i]) {
                sum += d->at[d->p->edges[e].from].x;
                feeders++;
            }
        d->at[row[i]].order = feeders > 0 ? sum / feeders : d->body_w * i / n;
        for (uint32_t k = i; k > 0 && d->at[row[k - 1]].order > d->at[row[k]].order; k--) {
            uint32_t swap = row[k];
            row[k] = row[k - 1];
            row[k - 1] = swap;
        }
    }
    double x = MARGIN + (d->body_w - n * d->box_w - (n - 1.0) * GAP_X) / 2;
    for (uint32_t i = 0; i < n; i++, x += d->box_w + GAP_X) {
        d->at[row[i]].x = x;
        d->at[row[i]].y = TOP + layer * (double)(BOX_H + GAP_Y);
    }
}

/* The lines of a box. */
static const char *line_of(drawing *d, const oxp_box *b, int line) {
    if (line == 0)
        return b->title;
    if (b->kind != OXP_BOX_WORK)
        return line == 1 ? b->shape : "";
    if (line == 1) {
        const char *both =
            oxp_sprintf(d->a, "%s%s\xe2\x86\x92 %s", b->detail, *b->detail ? " " : "", b->shape);
        bool fits = oxp_markup_width(both, TITLE_MAX + 1) <= TITLE_MAX;
        return *b->shape && (fits || !*b->detail) ? both : b->detail;
    }
    return oxp_sprintf(d->a, "%s%s \xc2\xb7 %.1f %% of the time",
                       b->work == UINT64_MAX ? "unknown" : oxp_human_count(d->a, b->work),
                       b->work == UINT64_MAX ? " work" : " operations", 100 * b->share);
}

static void lay_out(drawing *d) {
    size_t widest = 20, longest = 1;
    for (size_t i = 0; i < d->p->n_boxes; i++) {
        for (int line = 0; line < 3; line++) {
            size_t w = oxp_markup_width(line_of(d, &d->p->boxes[i], line), TITLE_MAX);
            if (line == 0 && d->p->boxes[i].times > 1)
                w += 6;
            widest = w > widest ? w : widest;
        }
        d->hottest = fmax(d->hottest, d->p->boxes[i].share);
    }
    d->box_w = 6.9 * (double)widest + 24;
    choose_layers(d);
    fill_rows(d);
    for (uint32_t layer = 0; layer < d->layers; layer++) {
        size_t n = d->row[layer + 1] - d->row[layer];
        longest = n > longest ? n : longest;
    }
    d->body_w = (double)longest * d->box_w + (double)(longest - 1) * GAP_X;
    for (uint32_t layer = 0; layer < d->layers; layer++)
        order_row(d, layer);
    d->h = TOP + d->layers * (double)(BOX_H + GAP_Y) - GAP_Y + MARGIN;
}

/* ---- edges ---- */

static void short_edge(drawing *d, const spot *from, const spot *to) {
    double x0 = from->x + d->box_w / 2, x1 = to->x + d->box_w / 2, y0 = from->y + BOX_H, y1 = to->y;
    double bend = (y1 - y0) / 2;
    oxp_printf(d->o, "<path class=\"ed\" d=\"M%.1f %.1fC%.1f %.1f %.1f %.1f %.1f %.1f\"/>\n", x0,
               y0, x0, y0 + bend, x1, y1 - bend, x1, y1 - 5);
}

/* Down into the gap, out to the lane, along it, back in the gap above the target. */
static void long_edge(drawing *d, const spot *from, const spot *to, int lane) {
    double x0 = from->x + d->box_w * 0.62, x1 = to->x + d->box_w * 0.62;
    double lane_x = MARGIN + d->body_w + 18 + lane * (double)LANE;
    double y0 = from->y + BOX_H, out = y0 + 8, in = to->y - 12;
    oxp_printf(d->o,
               "<path class=\"ed far\" d=\"M%.1f %.1fV%.1fQ%.1f %.1f %.1f %.1fH%.1fQ%.1f %.1f %.1f "
               "%.1fV%.1fQ%.1f %.1f %.1f %.1fH%.1fQ%.1f %.1f %.1f %.1fV%.1f\"/>\n",
               x0, y0, out - 6, x0, out, x0 + 6, out, lane_x - 6, lane_x, out, lane_x, out + 6,
               in - 6, lane_x, in, lane_x - 6, in, x1 + 6, x1, in, x1, in + 4, to->y - 5);
}

/* Lanes are taken from the left; edges from one box share theirs.  Returns how many there are. */
static int choose_lanes(const drawing *d, int *lane) {
    struct {
        uint32_t free_from, owner;
    } lanes[LANES_MAX] = {{0, 0}};
    int used = 0;
    for (size_t e = 0; e < d->p->n_edges; e++) { /* edges come by their first box */
        uint32_t from = d->p->edges[e].from, to = d->p->edges[e].to;
        uint32_t begin = d->at[from].layer, end = d->at[to].layer;
        lane[e] = -1;
        if (end <= begin + 1)
            continue;
        int k = 0;
        while (k < LANES_MAX - 1 && lanes[k].free_from > begin && lanes[k].owner != from)
            k++;
        lanes[k].owner = from;
        lanes[k].free_from = end > lanes[k].free_from ? end : lanes[k].free_from;
        lane[e] = k;
        used = k + 1 > used ? k + 1 : used;
    }
    return used;
}

static void edges(drawing *d, const int *lane) {
    for (size_t e = 0; e < d->p->n_edges; e++) {
        const spot *from = &d->at[d->p->edges[e].from], *to = &d->at[d->p->edges[e].to];
        if (from->layer >= to->layer)
            continue;
        if (lane[e] < 0)
            short_edge(d, from, to);
        else
            long_edge(d, from, to, lane[e]);
    }
}

/* ---- boxes ---- */

static void text_line(drawing *d, const char *class, double x, double y, const char *s) {
    oxp_printf(d->o, "<text class=\"%s\" x=\"%.1f\" y=\"%.1f\">", class, x, y);
    oxp_markup(d->o, s, TITLE_MAX);
    oxp_puts(d->o, "</text>");
}

static void box(drawing *d, size_t i) {
    const oxp_box *b = &d->p->boxes[i];
    const spot *s = &d->at[i];
    bool work = b->kind == OXP_BOX_WORK;
    oxp_puts(d->o, "<g><title>");
    oxp_markup(d->o, b->title, 300);
    if (work)
        oxp_printf(d->o, ": %llu node%s", (unsigned long long)b->nodes, b->nodes == 1 ? "" : "s");
    if (work && b->times > 1)
        oxp_printf(d->o, " each, %llu times", (unsigned long long)b->times);
    if (b->params > 0)
        oxp_printf(d->o, ", %s parameters", oxp_human_count(d->a, b->params));
    oxp_printf(d->o,
               "</title><rect class=\"%s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%d\" "
               "rx=\"%d\"/>",
               work ? "bx" : "io", s->x, s->y, d->box_w, BOX_H, work ? 7 : BOX_H / 2);
    double heat = d->hottest > 0 ? sqrt(b->share / d->hottest) : 0;
    if (work)
        oxp_printf(d->o,
                   "<rect class=\"ht\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%d\" rx=\"7\" "
                   "fill-opacity=\"%.3f\"/>",
                   s->x, s->y, d->box_w, BOX_H, 0.62 * heat);
    double x = s->x + d->box_w / 2;
    text_line(d, "tt", x, s->y + (work ? 20 : 26), line_of(d, b, 0));
    text_line(d, "sb", x, s->y + (work ? 36 : 42), line_of(d, b, 1));
    if (work)
        text_line(d, "sb", x, s->y + 51, line_of(d, b, 2));
    if (b->times > 1 && b->group == UINT32_MAX)
        oxp_printf(d->o, "<text class=\"nx\" x=\"%.1f\" y=\"%.1f\">\xc3\x97 %llu</text>",
                   s->x + d->box_w - 8, s->y + 18, (unsigned long long)b->times);
    oxp_puts(d->o, "</g>\n");
}

/* The frame around boxes that repeat together. */
static void group(drawing *d, const oxp_box_group *g) {
    double x0 = INFINITY, x1 = 0, y0 = INFINITY, y1 = 0;
    for (uint32_t i = g->first; i < g->first + g->count; i++) {
        x0 = fmin(x0, d->at[i].x);
        x1 = fmax(x1, d->at[i].x + d->box_w);
        y0 = fmin(y0, d->at[i].y);
        y1 = fmax(y1, d->at[i].y + BOX_H);
    }
    oxp_printf(d->o,
               "<rect class=\"gr\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" rx=\"10\"/>"
               "<text class=\"gn\" x=\"%.1f\" y=\"%.1f\">\xc3\x97 %llu</text>\n",
               x0 - 10, y0 - 18, x1 - x0 + 20, y1 - y0 + 28, x0, y0 - 4,
               (unsigned long long)g->times);
}

static void legend(drawing *d) {
    enum { STEPS = 6, STEP_W = 22 };
    double y = 34;
    oxp_printf(d->o, "<text class=\"hd\" x=\"%d\" y=\"18\">", MARGIN);
    oxp_markup(d->o, d->p->title, 40);
    oxp_puts(d->o, "</text>\n");
    for (int i = 0; i < STEPS; i++)
        oxp_printf(d->o,
                   "<rect class=\"bx\" x=\"%d\" y=\"%.0f\" width=\"%d\" height=\"10\"/><rect "
                   "class=\"ht\" x=\"%d\" y=\"%.0f\" width=\"%d\" height=\"10\" "
                   "fill-opacity=\"%.3f\"/>",
                   MARGIN + i * STEP_W, y, STEP_W, MARGIN + i * STEP_W, y, STEP_W,
                   0.62 * i / (STEPS - 1));
    oxp_printf(d->o, "<text class=\"lg\" x=\"%d\" y=\"%.0f\">0 to %.3g %% of the time on ",
               MARGIN + STEPS * STEP_W + 8, y + 9, 100 * d->hottest);
    oxp_markup(d->o, d->p->device, 60);
    oxp_puts(d->o, "</text>\n");
}

/* Plain classes, as not every viewer knows variables; the page brings its own. */
static const char style[] =
    "<style>svg{background:#fff;font-family:system-ui,-apple-system,'Segoe UI','DejaVu "
    "Sans',sans-serif}.bx{fill:#fff;stroke:#b9c0c8}.io{fill:#edf2f8;stroke:#b9c0c8}"
    ".ht{fill:#e8590c}.gr{fill:none;stroke:#5d6570;stroke-dasharray:5 4}.ed{fill:none;"
    "stroke:#8a939d;stroke-width:1.3;marker-end:url(#arrow)}.far{stroke:#b3a06b}"
    ".gn{font-size:12.5px;font-weight:700;fill:#1c4f8a}.tt{font-size:12.5px;font-weight:600;fill:#"
    "1c1e21;text-anchor:middle}.sb{font-size:11px;"
    "fill:#3c434b;text-anchor:middle}.nx{font-size:12.5px;font-weight:700;fill:#1c4f8a;"
    "text-anchor:end}.hd{font-size:14px;font-weight:700;fill:#1c1e21}.lg{font-size:11px;"
    "fill:#3c434b}.ah{fill:#8a939d}@media(prefers-color-scheme:dark){svg{background:#14171a}"
    ".bx{fill:#1b1f23;stroke:#4a525b}.io{fill:#22303f;stroke:#4a525b}.gr{stroke:#9aa3ad}"
    ".tt,.hd{fill:#eef0f2}.sb,.lg{fill:#c8ced5}.nx,.gn{fill:#8cc0f3}}</style>\n";

/* Lays out everything; lanes by edge. */
static int *arrange(drawing *d) {
    d->at = OXP_NEWS(d->a, d->p->n_boxes + 1, spot);
    lay_out(d);
    int *lane = OXP_NEWS(d->a, d->p->n_edges + 1, int);
    int lanes = choose_lanes(d, lane);
    d->w = fmax(MARGIN + d->body_w + (lanes ? 18 + lanes * (double)LANE : 0) + MARGIN, 420);
    return lane;
}

double oxp_picture_width(const oxp_picture *p, oxp_arena *arena) {
    drawing d = {.a = arena, .p = p};
    arrange(&d);
    return d.w;
}

void oxp_picture_svg(oxp_sink *o, const oxp_picture *p, bool page, oxp_arena *arena) {
    drawing d = {.o = o, .a = arena, .p = p};
    const int *lane = arrange(&d);
    oxp_printf(o,
               "<svg%s class=\"picture\" viewBox=\"0 0 %.0f "
               "%.0f\" width=\"%.0f\" height=\"%.0f\" role=\"img\"><title>",
               page ? "" : " xmlns=\"http://www.w3.org/2000/svg\"", d.w, d.h, d.w, d.h);
    oxp_puts(o, "The graph by blocks: ");
    oxp_markup(o, p->title, 200);
    oxp_puts(o, "</title>\n");
    if (!page)
        oxp_puts(o, style);
    oxp_puts(o, "<defs><marker id=\"arrow\" viewBox=\"0 0 8 8\" refX=\"3\" refY=\"4\" "
                "markerWidth=\"7\" markerHeight=\"7\" orient=\"auto\"><path class=\"ah\" "
                "d=\"M0 0L8 4L0 8z\"/></marker></defs>\n");
    legend(&d);
    for (size_t g = 0; g < p->n_groups; g++)
        group(&d, &p->groups[g]);
    edges(&d, lane);
    for (size_t i = 0; i < p->n_boxes; i++)
        box(&d, i);
    oxp_puts(o, "</svg>\n");
}
