/* csv_writer.c - rows of comma-separated values (RFC 4180). */
#include <math.h>
#include <string.h>

#include "base/utf8.h"
#include "onnxpert/report.h"

struct oxp_csv {
    oxp_sink *out;
    bool begun; /* the row has a cell */
};

oxp_csv *oxp_csv_new(oxp_sink *o, oxp_arena *arena) {
    oxp_csv *w = OXP_NEW(arena, oxp_csv);
    w->out = o;
    return w;
}

static void lead(oxp_csv *w) {
    if (w->begun)
        oxp_write(w->out, ",", 1);
    w->begun = true;
}

/* What makes a spreadsheet compute (OWASP, "CSV injection"): = + - @ in front, their full-width
 * forms as well, also behind blanks. */
static bool formula(const char *s) {
    static const char *const wide[] = {"\xef\xbc\x9d", "\xef\xbc\x8b", "\xef\xbc\x8d",
                                       "\xef\xbc\xa0"};
    s += strspn(s, " \t\r\n");
    if (*s && strchr("=+-@", *s))
        return true;
    for (size_t i = 0; i < sizeof wide / sizeof *wide; i++)
        if (!strncmp(s, wide[i], strlen(wide[i])))
            return true;
    return false;
}

void oxp_csv_text(oxp_csv *w, const char *v) {
    lead(w);
    if (!v || !*v)
        return;
    size_t len = strlen(v);
    bool quoted = strpbrk(v, ",;\"'") || formula(v) || v[0] == ' ' || v[len - 1] == ' ';
    if (quoted)
        oxp_write(w->out, "\"", 1);
    if (formula(v))
        oxp_write(w->out, "'", 1);
    for (size_t i = 0, n; i < len; i += n) {
        n = oxp_utf8_printable(v + i, len - i);
        if (!n) {
            oxp_printf(w->out, "\\x%02x", (unsigned)(unsigned char)v[i]);
            n = 1;
            continue;
        }
        if (v[i] == '"')
            oxp_write(w->out, "\"", 1);
        oxp_write(w->out, v + i, n);
    }
    if (quoted)
        oxp_write(w->out, "\"", 1);
}

void oxp_csv_uint(oxp_csv *w, uint64_t v) {
    lead(w);
    if (v != UINT64_MAX)
        oxp_printf(w->out, "%llu", (unsigned long long)v);
}

void oxp_csv_double(oxp_csv *w, double v) {
    lead(w);
    if (isfinite(v))
        oxp_printf(w->out, "%.9g", v);
}

void oxp_csv_end(oxp_csv *w) {
    oxp_write(w->out, "\r\n", 2);
    w->begun = false;
}
