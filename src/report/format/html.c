/* html.c - documents as one self-contained page: no network, light and dark, readable on a phone,
 * printable; charts are inline SVG; tables can be sorted and searched, everything is there without
 * script. */
#include <math.h>
#include <string.h>

#include "base/utf8.h"
#include "onnxpert/report.h"

static const char head[] =
    "<meta charset=\"utf-8\"><meta name=\"viewport\" "
    "content=\"width=device-width,initial-scale=1\">"
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
    "'unsafe-inline'; script-src 'unsafe-inline'\">"
    "<style>:root{color-scheme:light dark;--bg:#fcfcfb;--fg:#1c1e21;--soft:#5d6570;--line:#dfe2e6;"
    "--card:#fff;--accent:#2563a8;--bar:#4b87c5;--mark:#c2410c}@media(prefers-color-scheme:dark){"
    ":root{--bg:#14171a;--fg:#e6e8ea;--soft:#9aa3ad;--line:#2c3238;--card:#1b1f23;--accent:#7db4ec;"
    "--bar:#3f7ab8;--mark:#f59e5b}}*{box-sizing:border-box}body{margin:0 auto;max-width:72rem;"
    "padding:1.2rem 1rem 4rem;background:var(--bg);color:var(--fg);font:15px/1.5 "
    "system-ui,sans-serif}h1{font-size:1.5rem;margin:.2rem 0 1rem;overflow-wrap:anywhere}"
    "h2{font-size:1.15rem;margin:2rem 0 .6rem;padding-bottom:.2rem;border-bottom:1px solid "
    "var(--line)}h3{font-size:1rem;margin:1.2rem 0 .4rem}p{max-width:60rem;margin:.4rem 0}"
    "dl{display:grid;grid-template-columns:repeat(auto-fill,minmax(15rem,1fr));gap:.6rem;margin:."
    "6rem "
    "0}dl div{background:var(--card);border:1px solid var(--line);border-radius:6px;padding:.5rem "
    ".7rem}dt{color:var(--soft);font-size:.8rem}dd{margin:0;font-weight:600;overflow-wrap:anywhere}"
    ".wide{overflow-x:auto}table{border-collapse:collapse;width:100%;font-size:.9rem;"
    "font-variant-numeric:tabular-nums}th{text-align:left;color:var(--soft);font-weight:600;"
    "cursor:pointer}th,td{padding:.28rem .6rem;border-bottom:1px solid "
    "var(--line);vertical-align:top;"
    "overflow-wrap:anywhere}.r{text-align:right;white-space:nowrap}article{background:var(--card);"
    "border:1px solid var(--line);border-left:4px solid "
    "var(--accent);border-radius:6px;padding:.6rem "
    "1rem;margin:.7rem 0}article h4{margin:0;font-size:1rem}article "
    ".b{color:var(--accent);font-size:"
    ".82rem;margin:.1rem 0 .4rem}.bars{display:grid;grid-template-columns:max-content max-content "
    "1fr;gap:.15rem .7rem;align-items:center;font-size:.9rem}.bars span{overflow-wrap:anywhere;"
    "max-width:22rem}.bars i{display:block;height:.85rem;background:var(--bar);border-radius:2px}"
    "svg{width:100%;height:auto;max-width:46rem}svg text{fill:var(--soft);font:12px system-ui}"
    "input{width:100%;max-width:24rem;padding:.35rem .5rem;margin:.4rem 0;border:1px solid "
    "var(--line);"
    "border-radius:4px;background:var(--card);color:var(--fg)}@media print{input{display:none}"
    "article,dl div{break-inside:avoid}}</style>";

/* Sorts a table by the clicked column and filters long tables by a word. */
static const char script[] =
    "<script async>for(const t of document.querySelectorAll('table')){const b=t.tBodies[0];const "
    "num=s=>parseFloat(s.replace(/[, ]/g,''));t.querySelectorAll('th').forEach((h,i)=>{let d=1;"
    "h.onclick=()=>{const r=[...b.rows];r.sort((x,y)=>{const p=x.cells[i].dataset.v||"
    "x.cells[i].textContent,q=y.cells[i].dataset.v||y.cells[i].textContent,m=num(p),n=num(q);"
    "return "
    "d*(isNaN(m)||isNaN(n)?p.localeCompare(q):m-n)});d=-d;b.append(...r)}});if(b.rows.length>15){"
    "const "
    "f=document.createElement('input');f.placeholder='search '+b.rows.length+' rows';"
    "f.setAttribute('aria-label','search the table');f.oninput=()=>{for(const r of b.rows)r.hidden="
    "!r.textContent.toLowerCase().includes(f.value.toLowerCase())};t.parentNode.before(f)}}</"
    "script>";

/* Text with all markup, control and direction characters defused; cut at `most` characters. */
static void text(oxp_sink *o, const char *s, size_t most) {
    size_t len = strlen(s), shown = 0;
    for (size_t i = 0, n; i < len; i += n) {
        if (shown++ >= most) {
            oxp_puts(o, "...");
            return;
        }
        n = oxp_utf8_printable(s + i, len - i);
        if (!n) {
            oxp_printf(o, "\\x%02x", (unsigned)(unsigned char)s[i]);
            n = 1;
        } else if (strchr("<>&\"'`()", s[i])) {
            oxp_printf(o, "&#%d;", s[i]);
        } else {
            oxp_write(o, s + i, n);
        }
    }
}

static void facts(oxp_sink *o, const oxp_block *b) {
    oxp_puts(o, "<dl>");
    for (size_t r = 0; r < b->rows; r++) {
        oxp_puts(o, "<div><dt>");
        text(o, b->cells[2 * r], 120);
        oxp_puts(o, "</dt><dd>");
        text(o, b->cells[2 * r + 1], 600);
        oxp_puts(o, "</dd></div>");
    }
    oxp_puts(o, "</dl>\n");
}

static void row(oxp_sink *o, const oxp_block *b, const char *const *cells, const char *tag) {
    oxp_puts(o, "<tr>");
    for (size_t c = 0; c < b->columns; c++) {
        bool right = b->align && b->align[c] == OXP_ALIGN_RIGHT;
        oxp_printf(o, "<%s%s>", tag, right ? " class=r" : "");
        text(o, cells[c], 300);
        oxp_printf(o, "</%s>", tag);
    }
    oxp_puts(o, "</tr>\n");
}

static void table(oxp_sink *o, const oxp_block *b) {
    oxp_puts(o, "<div class=wide><table>");
    if (b->header) {
        oxp_puts(o, "<thead>");
        row(o, b, b->header, "th");
        oxp_puts(o, "</thead>");
    }
    oxp_puts(o, "<tbody>");
    for (size_t r = 0; r < b->rows; r++)
        row(o, b, b->cells + r * b->columns, "td");
    oxp_puts(o, "</tbody></table></div>\n");
}

static void list(oxp_sink *o, const oxp_block *b) {
    oxp_puts(o, "<ul>");
    for (size_t r = 0; r < b->rows; r++) {
        oxp_puts(o, "<li>");
        text(o, b->cells[r], 1000);
        oxp_puts(o, "</li>");
    }
    oxp_puts(o, "</ul>\n");
}

static void item(oxp_sink *o, const oxp_block *b) {
    oxp_puts(o, "<article>");
    for (size_t r = 0; r < b->rows; r++) {
        if (!*b->cells[r])
            continue;
        oxp_puts(o, r == 0 ? "<h4>" : r == 1 ? "<div class=b>" : "<p>");
        text(o, b->cells[r], 2000);
        oxp_puts(o, r == 0 ? "</h4>" : r == 1 ? "</div>" : "</p>");
    }
    oxp_puts(o, "</article>\n");
}

static void bars(oxp_sink *o, const oxp_block *b) {
    double most = 0;
    for (size_t r = 0; r < b->rows; r++)
        if (isfinite(b->values[r]))
            most = fmax(most, b->values[r]);
    oxp_puts(o, "<div class=bars>");
    for (size_t r = 0; r < b->rows; r++) {
        double share = most > 0 && isfinite(b->values[r]) ? 100 * b->values[r] / most : 0;
        oxp_puts(o, "<span>");
        text(o, b->cells[2 * r], 120);
        oxp_puts(o, "</span><span class=r>");
        text(o, b->cells[2 * r + 1], 120);
        oxp_printf(o, "</span><i style=\"width:%.1f%%\"></i>", fmax(share, 0.2));
    }
    oxp_puts(o, "</div>\n");
}

/* A line through x, y pairs in a box of 640 by 240 units. */
static void chart(oxp_sink *o, const oxp_block *b) {
    enum { W = 640, H = 240, LEFT = 70, BOTTOM = 34, TOP = 12 };
    bool powers = b->level & OXP_SCATTER;
    double x0 = INFINITY, x1 = -INFINITY, y0 = powers ? INFINITY : 0, y1 = powers ? -INFINITY : 0;
    for (size_t i = 0; i < b->rows; i++) {
        x0 = fmin(x0, b->values[2 * i]);
        x1 = fmax(x1, b->values[2 * i]);
        y0 = fmin(y0, b->values[2 * i + 1]);
        y1 = fmax(y1, b->values[2 * i + 1]);
    }
    if (!b->rows || !isfinite(x0) || !isfinite(x1) || !isfinite(y1))
        return;
    double sx = (W - LEFT - 20) / fmax(x1 - x0, 1e-12),
           sy = (H - TOP - BOTTOM) / fmax(y1 - y0, 1e-12);
    oxp_printf(o, "<svg viewBox=\"0 0 %d %d\" role=img><title>", W, H);
    text(o, b->text, 200);
    oxp_printf(o, "</title><path d=\"M%d %dV%dH%d\" fill=none stroke=\"var(--line)\"/>", LEFT, TOP,
               H - BOTTOM, W - 20);
    if (!powers)
        oxp_puts(o, "<polyline fill=none stroke=\"var(--bar)\" stroke-width=2 points=\"");
    for (size_t i = 0; i < b->rows; i++)
        oxp_printf(o, powers ? "<circle cx=%.1f cy=%.1f r=3 fill=\"var(--bar)\"/>" : "%.1f,%.1f ",
                   LEFT + sx * (b->values[2 * i] - x0),
                   H - BOTTOM - sy * (b->values[2 * i + 1] - y0));
    if (!powers)
        oxp_puts(o, "\"/>");
    if (isfinite(b->marker_x) && isfinite(b->marker_y))
        oxp_printf(o, "<circle cx=%.1f cy=%.1f r=5 fill=\"var(--mark)\"/>",
                   LEFT + sx * (b->marker_x - x0), H - BOTTOM - sy * (b->marker_y - y0));
    oxp_printf(o,
               "<text x=%d y=%d>%.4g</text><text x=%d y=%d text-anchor=end>%.4g</text><text x=%d "
               "y=%d text-anchor=end>%.4g</text><text x=%d y=%d>",
               LEFT, H - 18, powers ? pow(10, x0) : x0, W - 20, H - 18, powers ? pow(10, x1) : x1,
               LEFT - 6, TOP + 10, powers ? pow(10, y1) : y1, LEFT, H - 3);
    text(o, b->text, 200);
    oxp_puts(o, "</text></svg>\n");
}

static void block(oxp_sink *o, const oxp_block *b) {
    switch (b->kind) {
    case OXP_HEADING:
        oxp_printf(o, "<h%d>", b->level <= 1 ? 2 : 3);
        text(o, b->text, 300);
        oxp_printf(o, "</h%d>\n", b->level <= 1 ? 2 : 3);
        break;
    case OXP_PARAGRAPH:
        oxp_puts(o, "<p>");
        text(o, b->text, 5000);
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
        bars(o, b);
        break;
    case OXP_CHART:
        chart(o, b);
        break;
    }
}

static bool accepts(const char *kind) {
    (void)kind;
    return true;
}

static void render(const oxp_report *r, oxp_sink *o, oxp_arena *arena, bool color) {
    (void)color;
    const oxp_doc *d = r->doc(r->source, arena);
    oxp_puts(o, "<!doctype html>\n<html lang=en><head><title>");
    text(o, d->title, 300);
    oxp_puts(o, "</title>");
    oxp_puts(o, head);
    oxp_puts(o, "</head><body><h1>");
    text(o, d->title, 300);
    oxp_puts(o, "</h1>\n");
    for (const oxp_block *b = d->first; b; b = b->next)
        block(o, b);
    oxp_puts(o, script);
    oxp_puts(o, "</body></html>\n");
}

const oxp_format oxp_format_html = {.name = "html",
                                    .summary = "one page for a browser, no network needed",
                                    .accepts = accepts,
                                    .render = render,
                                    .parts = OXP_PARTS_FOLLOW};
