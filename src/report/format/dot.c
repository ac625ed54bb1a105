/* dot.c - the graph by blocks in Graphviz's language: `dot -Tpdf` and the like draw it. */
#include <math.h>
#include <string.h>

#include "base/utf8.h"
#include "report/picture.h"

/* Inside a quoted string: quotes and backslashes escaped, nothing that is not printable. */
static void text(oxp_sink *o, const char *s, size_t most) {
    size_t len = strlen(s), shown = 0;
    for (size_t i = 0, n; i < len; i += n) {
        if (shown++ >= most) {
            oxp_puts(o, "...");
            return;
        }
        n = oxp_utf8_printable(s + i, len - i);
        if (!n) {
            oxp_printf(o, "\\\\x%02x", (unsigned)(unsigned char)s[i]);
            n = 1;
        } else if (s[i] == '&') { /* Graphviz reads HTML entities in plain strings */
            oxp_puts(o, "&amp;");
        } else {
            if (s[i] == '"' || s[i] == '\\')
                oxp_puts(o, "\\");
            oxp_write(o, s + i, n);
        }
    }
}

static void box(oxp_sink *o, const oxp_picture *p, size_t i, double hottest, oxp_arena *arena) {
    const oxp_box *b = &p->boxes[i];
    oxp_printf(o, "  b%zu [label=\"", i);
    text(o, b->title, 80);
    if (b->kind == OXP_BOX_WORK && b->times > 1 && b->group == UINT32_MAX)
        oxp_printf(o, " (\xc3\x97 %llu)", (unsigned long long)b->times);
    if (*b->detail) {
        oxp_puts(o, "\\n");
        text(o, b->detail, 80);
    }
    if (*b->shape) {
        oxp_puts(o, "\\n");
        text(o, b->shape, 80);
    }
    if (b->kind != OXP_BOX_WORK) {
        oxp_puts(o, "\", shape=ellipse, fillcolor=\"#e8eef5\"];\n");
        return;
    }
    oxp_printf(o, "\\n%s operations, %.1f %% of the time", oxp_human_count(arena, b->work),
               100 * b->share);
    /* From white to a warm red by the share of the hottest box. */
    double heat = hottest > 0 ? sqrt(b->share / hottest) : 0;
    oxp_printf(o, "\", fillcolor=\"#%02x%02x%02x\"];\n", 255 - (int)(12 * heat),
               255 - (int)(125 * heat), 255 - (int)(160 * heat));
}

static void render(const oxp_report *r, oxp_sink *o, oxp_arena *arena, bool color) {
    (void)color;
    const oxp_picture *p = r->picture(r->source, arena);
    double hottest = 0;
    for (size_t i = 0; i < p->n_boxes; i++)
        hottest = fmax(hottest, p->boxes[i].share);
    oxp_puts(o, "digraph model {\n  label=\"");
    text(o, p->title, 120);
    oxp_puts(o, ": shares of the estimated time on ");
    text(o, p->device, 120);
    oxp_puts(o, "\";\n  labelloc=t;\n  fontname=\"Helvetica\";\n  node [shape=box, "
                "style=\"rounded,filled\", fontname=\"Helvetica\", fontsize=11];\n"
                "  edge [color=\"#77808a\"];\n");
    for (size_t i = 0; i < p->n_boxes; i++)
        if (p->boxes[i].group == UINT32_MAX)
            box(o, p, i, hottest, arena);
    for (size_t g = 0; g < p->n_groups; g++) {
        oxp_printf(o,
                   "  subgraph cluster_%zu {\n  label=\"\xc3\x97 %llu\";\n  labeljust=r;\n"
                   "  color=\"#77808a\";\n",
                   g, (unsigned long long)p->groups[g].times);
        for (uint32_t i = 0; i < p->groups[g].count; i++)
            box(o, p, p->groups[g].first + i, hottest, arena);
        oxp_puts(o, "  }\n");
    }
    for (size_t e = 0; e < p->n_edges; e++)
        oxp_printf(o, "  b%u -> b%u;\n", p->edges[e].from, p->edges[e].to);
    oxp_puts(o, "}\n");
}

const oxp_format oxp_format_dot = {.name = "dot",
                                   .summary = "the graph by blocks, for Graphviz",
                                   .only = "analysis",
                                   .render = render};
