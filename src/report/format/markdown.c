/* markdown.c - documents as GitHub-flavoured Markdown, ready for a pull request. */
#include <math.h>
#include <string.h>

#include "base/utf8.h"
#include "onnxpert/report.h"

/* Everything that Markdown or HTML could take for markup is escaped; names are cut. */
static void part(oxp_sink *o, const char *s, size_t len, size_t most) {
    size_t shown = 0;
    for (size_t i = 0, n; i < len; i += n) {
        n = oxp_utf8_printable(s + i, len - i);
        if (shown++ >= most) {
            oxp_puts(o, "...");
            return;
        }
        if (!n) {
            oxp_printf(o, "\\\\x%02x", (unsigned)(unsigned char)s[i]);
            n = 1;
        } else if (s[i] == '<') {
            oxp_puts(o, "&lt;");
        } else if (s[i] == '&') {
            oxp_puts(o, "&amp;");
        } else {
            /* a > quotes at the start only, and every < is an entity */
            if (strchr("\\`*_{}[]#|~!", s[i]) || (s[i] == '>' && i == 0))
                oxp_puts(o, "\\");
            oxp_write(o, s + i, n);
        }
    }
}

static void text(oxp_sink *o, const char *s, size_t most) {
    part(o, s, strlen(s), most);
}

/* Sentences: what is between `backquotes` stays code, where nothing else is markup. */
static void prose(oxp_sink *o, const char *s, size_t most) {
    const char *open, *close;
    while ((open = strchr(s, '`')) != NULL && (close = strchr(open + 1, '`')) != NULL) {
        part(o, s, (size_t)(open - s), most);
        oxp_puts(o, "`");
        for (const char *c = open + 1; c < close;) {
            size_t n = oxp_utf8_printable(c, (size_t)(close - c));
            oxp_write(o, n ? c : "?", n ? n : 1);
            c += n ? n : 1;
        }
        oxp_puts(o, "`");
        s = close + 1;
    }
    part(o, s, strlen(s), most);
}

static void row(oxp_sink *o, const char *const *cells, size_t columns) {
    oxp_puts(o, "|");
    for (size_t c = 0; c < columns; c++) {
        oxp_puts(o, " ");
        text(o, cells[c], 300);
        oxp_puts(o, " |");
    }
    oxp_puts(o, "\n");
}

static void table(oxp_sink *o, const oxp_block *b) {
    static const char *const pair[] = {"Property", "Value"};
    static const char *const bar[] = {"Part", "Amount"};
    const char *const *header = b->header ? b->header : b->kind == OXP_FACTS ? pair : bar;
    if (!b->header && b->columns != 2)
        header = b->cells;
    row(o, header, b->columns);
    oxp_puts(o, "|");
    for (size_t c = 0; c < b->columns; c++)
        oxp_puts(o, b->align && b->align[c] == OXP_ALIGN_RIGHT ? "---:|" : "---|");
    oxp_puts(o, "\n");
    for (size_t r = 0; r < b->rows; r++)
        row(o, b->cells + r * b->columns, b->columns);
}

static void lines(oxp_sink *o, const oxp_block *b) {
    for (size_t r = 0; r < b->rows; r++) {
        bool title = b->kind == OXP_ITEM && r == 0;
        bool badge = b->kind == OXP_ITEM && r == 1;
        if (!*b->cells[r])
            continue;
        oxp_puts(o, title ? "#### " : badge ? "*" : b->kind == OXP_ITEM ? "\n" : "- ");
        prose(o, b->cells[r], 2000);
        oxp_puts(o, badge ? "*\n" : "\n");
    }
}

static void chart(oxp_sink *o, const oxp_block *b) {
    text(o, b->text, 200);
    oxp_puts(o, ":\n\n`");
    oxp_doc_spark(b, 64, o);
    oxp_puts(o, "`\n");
}

/* A fenced block: its fence is longer than any run of backquotes in the text. */
static void code(oxp_sink *o, const char *s) {
    size_t fence = 3;
    for (const char *p = s; (p = strchr(p, '`')) != NULL;) {
        size_t n = strspn(p, "`");
        fence = n >= fence ? n + 1 : fence;
        p += n;
    }
    for (size_t i = 0; i < fence; i++)
        oxp_puts(o, "`");
    oxp_puts(o, "sh\n");
    for (size_t len = strlen(s), n; len; s += n, len -= n) {
        n = oxp_utf8_printable(s, len);
        if (n)
            oxp_write(o, s, n);
        else
            oxp_printf(o, "\\x%02x", (unsigned)(unsigned char)*s);
        n = n ? n : 1;
    }
    oxp_puts(o, "\n");
    for (size_t i = 0; i < fence; i++)
        oxp_puts(o, "`");
    oxp_puts(o, "\n");
}

static void render(const oxp_report *r, oxp_sink *o, oxp_arena *arena, bool color) {
    (void)color;
    const oxp_doc *d = r->doc(r->source, arena);
    oxp_puts(o, r->part > 1 ? "\n---\n\n# " : "# ");
    text(o, d->title, 300);
    oxp_puts(o, "\n");
    for (const oxp_block *b = d->first; b; b = b->next) {
        if (!(b->kind == OXP_HEADING ? oxp_doc_heading_shown(b, false)
                                     : oxp_doc_block_shown(b, false)))
            continue;
        oxp_puts(o, "\n");
        switch (b->kind) {
        case OXP_HEADING:
            for (int i = -1; i < b->level && i < 5; i++)
                oxp_puts(o, "#");
            oxp_puts(o, " ");
            text(o, b->text, 300);
            oxp_puts(o, "\n");
            break;
        case OXP_PARAGRAPH:
            prose(o, b->text, 5000);
            oxp_puts(o, "\n");
            break;
        case OXP_FACTS:
        case OXP_TABLE:
        case OXP_BARS:
            table(o, b);
            break;
        case OXP_LIST:
        case OXP_ITEM:
            lines(o, b);
            break;
        case OXP_CHART:
            chart(o, b);
            break;
        case OXP_CODE:
            code(o, b->text);
            break;
        case OXP_DRAWING:
        case OXP_STAGES:
            break;
        }
    }
}

const oxp_format oxp_format_markdown = {.name = "markdown",
                                        .summary = "for a pull request or a wiki",
                                        .render = render,
                                        .parts = OXP_PARTS_FOLLOW};
