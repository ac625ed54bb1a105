/* markup.c - text inside HTML and SVG (markup.h). */
#include "report/markup.h"

#include <string.h>

#include "base/utf8.h"

void oxp_markup(oxp_sink *o, const char *s, size_t most) {
    oxp_markup_part(o, s, strlen(s), most);
}

void oxp_markup_part(oxp_sink *o, const char *s, size_t len, size_t most) {
    size_t shown = 0;
    for (size_t i = 0, n; i < len; i += n) {
        if (shown++ >= most) {
            oxp_puts(o, "\xe2\x80\xa6");
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

size_t oxp_markup_width(const char *s, size_t most) {
    size_t len = strlen(s), columns = 0;
    for (size_t i = 0, n; i < len && columns < most; i += n) {
        n = oxp_utf8_printable(s + i, len - i);
        columns += n ? 1 : 4;
        n = n ? n : 1;
    }
    return columns < most ? columns : most;
}
