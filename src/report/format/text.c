/* text.c - documents for a terminal: aligned, coloured where that is wanted. */
#include <math.h>
#include <string.h>

#include "base/utf8.h"
#include "onnxpert/report.h"

enum { WIDTH = 100, NAME_MAX_SHOWN = 120 };

typedef struct pen {
    oxp_sink *o;
    bool color;
} pen;

static void style(pen *p, const char *code) {
    if (p->color)
        oxp_printf(p->o, "\033[%sm", code);
}

/* Display columns of the text as it will be shown, cut at NAME_MAX_SHOWN characters. */
static size_t show(oxp_sink *o, const char *s, size_t most) {
    size_t len = strlen(s), columns = 0;
    for (size_t i = 0, n; i < len; i += n) {
        if (columns >= most) {
            if (o)
                oxp_puts(o, "...");
            return columns + 3;
        }
        n = oxp_utf8_printable(s + i, len - i);
        if (n) {
            if (o)
                oxp_write(o, s + i, n);
            columns++;
        } else {
            n = 1;
            if (o)
                oxp_printf(o, "\\x%02x", (unsigned)(unsigned char)s[i]);
            columns += 4;
        }
    }
    return columns;
}

static size_t width_of(const char *s) {
    return show(NULL, s, NAME_MAX_SHOWN);
}

static void pad(oxp_sink *o, size_t n) {
    while (n--)
        oxp_puts(o, " ");
}

/* Words wrapped at WIDTH, following lines indented as the first, which `bullet` (or "") begins. */
static void wrap(pen *p, const char *text, size_t indent, const char *bullet) {
    size_t at = indent;
    pad(p->o, indent - strlen(bullet));
    oxp_puts(p->o, bullet);
    while (*text) {
        size_t n = strcspn(text, " ");
        char word[512];
        size_t take = n < sizeof word - 1 ? n : sizeof word - 1;
        memcpy(word, text, take);
        word[take] = 0;
        size_t w = width_of(word);
        if (at > indent && at + 1 + w > WIDTH) {
            oxp_puts(p->o, "\n");
            pad(p->o, indent);
            at = indent;
        } else if (at > indent) {
            oxp_puts(p->o, " ");
            at++;
        }
        at += show(p->o, word, sizeof word);
        text += take;
        text += strspn(text, " ");
    }
    oxp_puts(p->o, "\n");
}

static void heading(pen *p, const oxp_block *b) {
    oxp_puts(p->o, "\n");
    style(p, b->level <= 1 ? "1;36" : "1");
    size_t w = show(p->o, b->text, 400);
    style(p, "0");
    oxp_puts(p->o, "\n");
    if (b->level <= 1) {
        while (w--)
            oxp_puts(p->o, "-");
        oxp_puts(p->o, "\n");
    }
}

static void cell(pen *p, const char *s, size_t width, bool right, bool last) {
    size_t w = width_of(s);
    if (right)
        pad(p->o, width > w ? width - w : 0);
    show(p->o, s, NAME_MAX_SHOWN);
    if (!right && !last)
        pad(p->o, width > w ? width - w : 0);
}

static void table(pen *p, const oxp_block *b, oxp_arena *arena) {
    size_t *width = OXP_NEWS(arena, b->columns, size_t);
    for (size_t r = 0; r < b->rows + (b->header != NULL); r++)
        for (size_t c = 0; c < b->columns; c++) {
            const char *s = r < b->rows ? b->cells[r * b->columns + c] : b->header[c];
            size_t w = width_of(s);
            if (w > width[c])
                width[c] = w;
        }
    for (size_t r = b->header ? 0 : 1; r <= b->rows; r++) {
        const char *const *row = r ? b->cells + (r - 1) * b->columns : b->header;
        oxp_puts(p->o, "  ");
        style(p, r ? "0" : "2");
        for (size_t c = 0; c < b->columns; c++) {
            bool right = b->align && b->align[c] == OXP_ALIGN_RIGHT;
            cell(p, row[c], width[c], right, c + 1 == b->columns);
            if (c + 1 < b->columns)
                oxp_puts(p->o, "  ");
        }
        style(p, "0");
        oxp_puts(p->o, "\n");
    }
}

static void facts(pen *p, const oxp_block *b) {
    size_t width = 0;
    for (size_t r = 0; r < b->rows; r++) {
        size_t w = width_of(b->cells[2 * r]);
        width = w > width ? w : width;
    }
    for (size_t r = 0; r < b->rows; r++) {
        oxp_puts(p->o, "  ");
        style(p, "2");
        cell(p, b->cells[2 * r], width, false, false);
        style(p, "0");
        oxp_puts(p->o, "  ");
        show(p->o, b->cells[2 * r + 1], 600);
        oxp_puts(p->o, "\n");
    }
}

static void bars(pen *p, const oxp_block *b) {
    double most = 0;
    size_t label = 0, text = 0;
    for (size_t r = 0; r < b->rows; r++) {
        most = fmax(most, b->values[r]);
        size_t w = width_of(b->cells[2 * r]), t = width_of(b->cells[2 * r + 1]);
        label = w > label ? w : label;
        text = t > text ? t : text;
    }
    for (size_t r = 0; r < b->rows; r++) {
        oxp_puts(p->o, "  ");
        cell(p, b->cells[2 * r], label, false, false);
        oxp_puts(p->o, "  ");
        cell(p, b->cells[2 * r + 1], text, true, false);
        oxp_puts(p->o, "  ");
        style(p, "36");
        int n = most > 0 && isfinite(b->values[r]) ? (int)lround(40 * b->values[r] / most) : 0;
        if (n == 0 && b->values[r] > 0)
            oxp_puts(p->o, ".");
        while (n-- > 0)
            oxp_puts(p->o, "#");
        style(p, "0");
        oxp_puts(p->o, "\n");
    }
}

static void item(pen *p, const oxp_block *b) {
    oxp_puts(p->o, "\n  ");
    style(p, "1");
    show(p->o, b->cells[0], 400);
    style(p, "0");
    if (b->rows > 1 && *b->cells[1]) {
        oxp_puts(p->o, "  ");
        style(p, "33");
        oxp_puts(p->o, "[");
        show(p->o, b->cells[1], 400);
        oxp_puts(p->o, "]");
        style(p, "0");
    }
    oxp_puts(p->o, "\n");
    for (size_t r = 2; r < b->rows; r++)
        if (*b->cells[r])
            wrap(p, b->cells[r], 6, "");
}

static void list(pen *p, const oxp_block *b) {
    for (size_t r = 0; r < b->rows; r++)
        wrap(p, b->cells[r], 4, "- ");
}

static void chart(pen *p, const oxp_block *b) {
    oxp_puts(p->o, "  ");
    show(p->o, b->text, 200);
    oxp_puts(p->o, "\n  ");
    style(p, "36");
    oxp_doc_spark(b, 64, p->o);
    style(p, "0");
    oxp_puts(p->o, "\n");
}

static void render(const oxp_report *r, oxp_sink *o, oxp_arena *arena, bool color) {
    pen p = {o, color};
    const oxp_doc *d = r->doc(r->source, arena);
    if (r->part > 1)
        oxp_puts(o, "\n\n");
    style(&p, "1");
    show(o, d->title, 400);
    style(&p, "0");
    oxp_puts(o, "\n");
    for (const oxp_block *b = d->first; b; b = b->next) {
        if (!(b->kind == OXP_HEADING ? oxp_doc_heading_shown(b, false)
                                     : oxp_doc_block_shown(b, false)))
            continue;
        switch (b->kind) {
        case OXP_HEADING:
            heading(&p, b);
            break;
        case OXP_PARAGRAPH:
            wrap(&p, b->text, 2, "");
            break;
        case OXP_FACTS:
            facts(&p, b);
            break;
        case OXP_TABLE:
            table(&p, b, arena);
            break;
        case OXP_LIST:
            list(&p, b);
            break;
        case OXP_ITEM:
            item(&p, b);
            break;
        case OXP_BARS:
            bars(&p, b);
            break;
        case OXP_CHART:
            chart(&p, b);
            break;
        case OXP_CODE:
            oxp_puts(o, "    ");
            show(o, b->text, 5000);
            oxp_puts(o, "\n");
            break;
        case OXP_DRAWING:
        case OXP_STAGES:
            break;
        }
    }
}

const oxp_format oxp_format_text = {.name = "text",
                                    .summary = "for a terminal (the default)",
                                    .render = render,
                                    .parts = OXP_PARTS_FOLLOW};
