/* html.c - documents as one self-contained page: no network, light and dark, readable on a phone,
 * printable; charts are inline SVG; tables can be sorted and searched, everything is there without
 * script.  Style and script are src/report/page/page.css and page.js; the page's security policy
 * allows these two by their hashes and nothing else. */
#include <string.h>

#include "page.inc"
#include "report/markup.h"
#include "report/page/chart.h"
#include "report/page/stages.h"
#include "report/picture.h"

enum { HALF_COLUMNS = 3, HALF_ROWS = 14, SORT_ROWS = 30, TALL_ROWS = 8 };

typedef struct page {
    oxp_sink *o;
    oxp_arena *a;
    unsigned part; /* as in oxp_report */
    unsigned sections;
    bool in_section, in_part;
    bool left;       /* the last part was narrow and has nothing on its right yet */
    unsigned beside; /* parts that still fit beside a tall one */
} page;

/* ---- blocks ---- */

/* Sentences: what is between `backquotes` is code. */
static void prose(oxp_sink *o, const char *s, size_t most) {
    const char *open, *close;
    while ((open = strchr(s, '`')) != NULL && (close = strchr(open + 1, '`')) != NULL) {
        oxp_markup_part(o, s, (size_t)(open - s), most);
        oxp_puts(o, "<code>");
        oxp_markup_part(o, open + 1, (size_t)(close - open - 1), most);
        oxp_puts(o, "</code>");
        s = close + 1;
    }
    oxp_markup(o, s, most);
}

/* "1.22 ms, bound by compute": the figure large, the rest small. */
static void tile(oxp_sink *o, const char *s) {
    const char *comma = strstr(s, ", ");
    if (!comma) {
        oxp_markup(o, s, 200);
        return;
    }
    oxp_markup_part(o, s, (size_t)(comma - s), 200);
    oxp_puts(o, " <small>");
    oxp_markup(o, comma + 2, 200);
    oxp_puts(o, "</small>");
}

static void facts(oxp_sink *o, const oxp_block *b) {
    oxp_printf(o, "<dl class=%s>", b->level & OXP_TILES ? "tiles" : "facts");
    for (size_t r = 0; r < b->rows; r++) {
        oxp_puts(o, "<div><dt>");
        oxp_markup(o, b->cells[2 * r], 120);
        oxp_puts(o, "</dt><dd>");
        if (b->level & OXP_TILES)
            tile(o, b->cells[2 * r + 1]);
        else
            prose(o, b->cells[2 * r + 1], 600);
        oxp_puts(o, "</dd></div>");
    }
    oxp_puts(o, "</dl>\n");
}

/* Cells that are a verdict are coloured as one. */
static const char *verdict_class(const char *cell) {
    if (!strcmp(cell, "yes") || !strcmp(cell, "met"))
        return " class=yes";
    return !strcmp(cell, "no") || !strncmp(cell, "missed by ", 10) ? " class=no" : "";
}

static void row(oxp_sink *o, const oxp_block *b, const char *const *cells, bool head) {
    oxp_puts(o, "<tr>");
    for (size_t c = 0; c < b->columns; c++) {
        bool right = b->align && b->align[c] == OXP_ALIGN_RIGHT;
        const char *class = right ? " class=r" : head ? "" : verdict_class(cells[c]);
        oxp_printf(o, head ? "<th scope=col%s>" : "<td%s>", class);
        oxp_markup(o, cells[c], 300);
        oxp_puts(o, head ? "</th>" : "</td>");
    }
    oxp_puts(o, "</tr>\n");
}

static void table(oxp_sink *o, const oxp_block *b) {
    bool folded = (b->level & OXP_FOLDED) != 0;
    if (folded) {
        oxp_puts(o, "<details class=long><summary>");
        if (b->text)
            oxp_markup(o, b->text, 200);
        else
            oxp_printf(o, "All %zu", b->rows);
        oxp_puts(o, "</summary>");
    }
    oxp_printf(o, "<div class=wide tabindex=0><table%s>",
               b->header && (folded || b->rows > SORT_ROWS) ? " class=sort" : "");
    if (b->header) {
        oxp_puts(o, "<thead>");
        row(o, b, b->header, true);
        oxp_puts(o, "</thead>");
    }
    oxp_puts(o, "<tbody>");
    for (size_t r = 0; r < b->rows; r++)
        row(o, b, b->cells + r * b->columns, false);
    oxp_puts(o, "</tbody></table></div>");
    oxp_puts(o, folded ? "</details>\n" : "\n");
}

static void list(oxp_sink *o, const oxp_block *b) {
    oxp_puts(o, "<ul>");
    for (size_t r = 0; r < b->rows; r++) {
        oxp_puts(o, "<li>");
        prose(o, b->cells[r], 1000);
        oxp_puts(o, "</li>");
    }
    oxp_puts(o, "</ul>\n");
}

/* The first badge of an item is a severity, where it is one of these. */
static const char *severity(const oxp_block *b) {
    static const char *const known[] = {"high", "medium", "low", "info"};
    for (size_t i = 0; b->rows > 1 && i < sizeof known / sizeof *known; i++)
        if (!strcmp(b->cells[1], known[i]))
            return known[i];
    return "plain-item";
}

static void item(oxp_sink *o, const oxp_block *b) {
    oxp_printf(o, "<article class=%s>", severity(b));
    for (size_t r = 0; r < b->rows; r++) {
        if (!*b->cells[r])
            continue;
        oxp_puts(o, r == 0 ? "<h4>" : r == 1 ? "<p class=b>" : "<p>");
        prose(o, b->cells[r], 2000);
        oxp_puts(o, r == 0 ? "</h4>" : "</p>");
    }
    oxp_puts(o, "</article>\n");
}

/* ---- sections and their parts ---- */

static void close_part(page *p) {
    if (p->in_part)
        oxp_puts(p->o, "</div>\n");
    p->in_part = false;
}

static void close_section(page *p) {
    close_part(p);
    if (p->in_section)
        oxp_puts(p->o, "</section>\n");
    p->in_section = p->left = false;
    p->beside = 0;
}

/* Two parts stand side by side where all that is in them is narrow. */
static bool narrow(const oxp_block *b) {
    for (; b && !(b->kind == OXP_HEADING && b->level <= 2); b = b->next) {
        bool wide = b->kind == OXP_DRAWING || b->kind == OXP_STAGES || b->kind == OXP_ITEM ||
                    b->kind == OXP_HEADING ||
                    (b->kind == OXP_TABLE &&
                     (b->columns > HALF_COLUMNS || b->rows > HALF_ROWS || (b->level & OXP_FOLDED)));
        if (wide && oxp_doc_block_shown(b, true) && !(b->level & OXP_NARROW))
            return false;
    }
    return true;
}

/* Without a frame: articles, which have their own; and, where no heading begins the part, text and
 * tiles. */
static bool frameless(const oxp_block *b, bool headed) {
    for (; b && b->kind != OXP_HEADING; b = b->next) {
        bool bare = b->kind == OXP_ITEM || b->kind == OXP_PARAGRAPH ||
                    (b->kind == OXP_FACTS && (b->level & OXP_TILES));
        if (oxp_doc_block_shown(b, true) && (!bare || (headed && b->kind != OXP_ITEM)))
            return false;
    }
    return true;
}

/* The next part of the section, by its heading; NULL: there is none. */
static const oxp_block *next_part(const oxp_block *b) {
    for (; b && !(b->kind == OXP_HEADING && b->level <= 1); b = b->next)
        if (b->kind == OXP_HEADING && b->level == 2 && oxp_doc_heading_shown(b, true))
            return b->next;
    return NULL;
}

/* Where a narrow part goes; one that would stand alone takes the whole width. */
static const char *width_class(page *p, const oxp_block *b) {
    if (!b || !narrow(b)) {
        p->left = false;
        p->beside = 0;
        return "";
    }
    if (p->beside > 0) {
        p->beside--;
        return " half";
    }
    if (p->left) {
        p->left = false;
        return " half";
    }
    const oxp_block *next = next_part(b);
    if (!next || !narrow(next))
        return "";
    if (b->level & OXP_NARROW && (b->kind == OXP_DRAWING || b->rows > TALL_ROWS)) {
        p->beside = 2;
        return b->kind == OXP_DRAWING ? " half tall" : " half high";
    }
    p->left = true;
    return " half";
}

static void open_part(page *p, const oxp_block *b, bool headed) {
    const char *width = headed ? width_class(p, b) : "";
    oxp_printf(p->o, "<div class=\"part%s%s\">", width, frameless(b, headed) ? " plain" : "");
    p->in_part = true;
}

static void heading(page *p, const oxp_block *b) {
    if (b->level <= 1) {
        close_section(p);
        p->sections++;
        oxp_printf(p->o, "<section id=s%u-%u>\n<h2>", p->part, p->sections);
        p->in_section = true;
    } else if (b->level == 2) {
        close_part(p);
        open_part(p, b->next, true);
        oxp_puts(p->o, "<h3>");
    } else {
        if (!p->in_part)
            open_part(p, b, false);
        oxp_puts(p->o, "<h4>");
    }
    oxp_markup(p->o, b->text, 300);
    oxp_printf(p->o, "</h%d>\n", b->level <= 1 ? 2 : b->level == 2 ? 3 : 4);
}

static void content(page *p, const oxp_block *b) {
    oxp_sink *o = p->o;
    switch (b->kind) {
    case OXP_HEADING:
        break;
    case OXP_PARAGRAPH:
        oxp_puts(o, "<p>");
        prose(o, b->text, 5000);
        oxp_puts(o, "</p>\n");
        break;
    case OXP_FACTS:
        facts(o, b);
        break;
    case OXP_TABLE:
        table(o, b);
        break;
    case OXP_LIST:
        list(o, b);
        break;
    case OXP_ITEM:
        item(o, b);
        break;
    case OXP_BARS:
        oxp_page_bars(o, b);
        break;
    case OXP_CHART:
        oxp_page_chart(o, b, p->a);
        break;
    case OXP_DRAWING:
        oxp_puts(o, "<div class=scroll tabindex=0>");
        oxp_picture_svg(o, b->picture, true, p->a);
        oxp_puts(o, "</div>\n");
        break;
    case OXP_STAGES:
        oxp_page_stages(o, b->stages);
        break;
    case OXP_CODE:
        oxp_puts(o, "<pre><code>");
        oxp_markup(o, b->text, 5000);
        oxp_puts(o, "</code></pre>\n");
        break;
    }
}

static void body(page *p, const oxp_doc *d) {
    for (const oxp_block *b = d->first; b; b = b->next) {
        if (b->kind == OXP_HEADING) {
            if (oxp_doc_heading_shown(b, true))
                heading(p, b);
            continue;
        }
        if (!oxp_doc_block_shown(b, true))
            continue;
        if (!p->in_part)
            open_part(p, b, false);
        content(p, b);
    }
    close_section(p);
}

/* ---- the page ---- */

static void navigation(page *p, const oxp_doc *d) {
    unsigned n = 0;
    oxp_puts(p->o, "<nav aria-label=Sections><ul>");
    for (const oxp_block *b = d->first; b; b = b->next) {
        if (b->kind != OXP_HEADING || b->level > 1 || !oxp_doc_heading_shown(b, true))
            continue;
        oxp_printf(p->o, "<li><a href=\"#s0-%u\">", ++n);
        oxp_markup(p->o, b->text, 60);
        oxp_puts(p->o, "</a></li>");
    }
    oxp_puts(p->o, "</ul></nav>\n");
}

static void page_begin(oxp_sink *o, const char *title) {
    oxp_puts(o, "<!doctype html>\n<html lang=en><head><meta charset=\"utf-8\"><title>");
    oxp_markup(o, title, 300);
    oxp_printf(o,
               "</title><meta name=viewport content=\"width=device-width,initial-scale=1\">"
               "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
               "style-src '%s'; script-src '%s'; base-uri 'none'; form-action 'none'\">\n<style>",
               page_css_hash, page_js_hash);
    oxp_write(o, page_css, sizeof page_css - 1);
    oxp_puts(o, "</style></head>\n<body>");
}

/* The script has an attribute: a bare <script> in a page could only be a model's. */
static void page_end(oxp_sink *o) {
    oxp_puts(o, "</main><footer>Made by onnxpert " OXP_VERSION
                ". Estimates are computed from the graph; nothing was run unless it says so."
                "</footer>\n<script async>");
    oxp_write(o, page_js, sizeof page_js - 1);
    oxp_puts(o, "</script></body></html>\n");
}

static void begin_several(oxp_sink *o, size_t n) {
    page_begin(o, "onnxpert reports");
    oxp_printf(o,
               "<header class=top><h1>%zu models</h1><p class=lead>Each opens to its whole "
               "report.</p></header>\n<main>",
               n);
}

static void render(const oxp_report *r, oxp_sink *o, oxp_arena *arena, bool color) {
    (void)color;
    const oxp_doc *d = (r->page ? r->page : r->doc)(r->source, arena);
    page p = {.o = o, .a = arena, .part = r->part};
    if (r->part == 0)
        page_begin(o, d->title);
    oxp_puts(o, r->part ? "<details class=model><summary><b>" : "<header class=top><h1>");
    oxp_markup(o, d->title, 300);
    oxp_puts(o, r->part ? "</b> " : "</h1>");
    if (d->lead) {
        oxp_puts(o, r->part ? "" : "<p class=lead>");
        oxp_markup(o, d->lead, 400);
        oxp_puts(o, r->part ? "" : "</p>");
    }
    oxp_puts(o, r->part ? "</summary>\n" : "</header>\n");
    if (r->part == 0) {
        navigation(&p, d);
        oxp_puts(o, "<main>\n");
    }
    body(&p, d);
    if (r->part)
        oxp_puts(o, "</details>\n");
    else
        page_end(o);
}

const oxp_format oxp_format_html = {.name = "html",
                                    .summary = "one page for a browser, no network needed",
                                    .render = render,
                                    .parts = OXP_PARTS_FOLLOW,
                                    .begin = begin_several,
                                    .end = page_end};
