/* utf8.c - decoding per RFC 3629; which characters are safe on a terminal and in a page. */
#include <stdbool.h>

#include "base/utf8.h"

size_t oxp_utf8_decode(const char *text, size_t len, unsigned *code) {
    const unsigned char *s = (const unsigned char *)text;
    if (!len)
        return 0;
    if (s[0] < 0x80) {
        *code = s[0];
        return 1;
    }
    size_t n = s[0] >= 0xf0 && s[0] < 0xf5 ? 4 : s[0] >= 0xe0 ? 3 : s[0] >= 0xc2 ? 2 : 0;
    if (!n || s[0] >= 0xf5 || len < n)
        return 0;
    unsigned c = s[0] & (0x7fu >> n);
    for (size_t i = 1; i < n; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return 0;
        c = c << 6 | (s[i] & 0x3fu);
    }
    static const unsigned least[] = {0, 0, 0x80, 0x800, 0x10000};
    if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
        return 0;
    *code = c;
    return n;
}

/* Controls, and the format characters that reorder or hide text (Unicode categories Cc, Cf, Zl, Zp;
 * the "Trojan Source" set of Boucher and Anderson 2021). */
static bool hides(unsigned c) {
    return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0xad || (c >= 0x200b && c <= 0x200f) ||
           (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) || c == 0x61c ||
           c == 0x180e || c == 0xfeff || (c >= 0xfff0 && c <= 0xffff) || c >= 0xe0000;
}

size_t oxp_utf8_printable(const char *s, size_t len) {
    unsigned c;
    size_t n = oxp_utf8_decode(s, len, &c);
    return n && !hides(c) ? n : 0;
}
