/* json_writer.c - a stream of JSON (RFC 8259), indented by one space a level, or on one line. */
#include <math.h>
#include <string.h>

#include "base/digits.h"
#include "base/utf8.h"
#include "onnxpert/report.h"

enum { DEPTH_MAX = 64 };

struct oxp_json {
    oxp_sink *out;
    oxp_ctx *ctx;
    int depth;
    bool compact;
    char closer[DEPTH_MAX];
    bool empty[DEPTH_MAX];
};

oxp_json *oxp_json_new(oxp_sink *out, oxp_arena *arena) {
    oxp_json *j = OXP_NEW(arena, oxp_json);
    j->out = out;
    j->ctx = oxp_arena_ctx(arena);
    j->empty[0] = true;
    return j;
}

void oxp_json_compact(oxp_json *j) {
    j->compact = true;
}

static bool is_plain(unsigned c) {
    return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

/* Nearly all strings are short and plain: `lead`, the string in quotes and `tail` in one piece.
 * False: it is not of that kind, nothing was written. */
static bool write_short(oxp_sink *o, const char *lead, size_t n_lead, const char *s,
                        const char *tail) {
    enum { SHORT = 128 };
    char piece[DEPTH_MAX + 8 + SHORT], *p = piece + n_lead;
    const char *end = p + SHORT;
    memcpy(piece, lead, n_lead);
    for (*p++ = '"'; is_plain((unsigned char)*s); s++) {
        if (p == end)
            return false;
        *p++ = *s;
    }
    if (*s)
        return false;
    for (*p++ = '"'; *tail; tail++)
        *p++ = *tail;
    oxp_write(o, piece, (size_t)(p - piece));
    return true;
}

/* A string with everything escaped that JSON demands, and what could fool a terminal; bytes that
 * are no UTF-8 become U+FFFD. */
static void write_string(oxp_sink *o, const char *s) {
    if (write_short(o, "", 0, s, ""))
        return;
    size_t len = strlen(s), plain = 0; /* bytes before i that go out as they are */
    oxp_write(o, "\"", 1);
    for (size_t i = 0, n; i < len; i += n) {
        unsigned c = (unsigned char)s[i];
        if (is_plain(c)) {
            n = 1;
            plain++;
            continue;
        }
        n = oxp_utf8_decode(s + i, len - i, &c);
        oxp_write(o, s + i - plain, plain);
        plain = 0;
        if (!n) {
            oxp_puts(o, "\\ufffd");
            n = 1;
        } else if (c == '"' || c == '\\') {
            oxp_printf(o, "\\%c", (int)c);
        } else if (c == '\n') {
            oxp_puts(o, "\\n");
        } else if (oxp_utf8_printable(s + i, n)) {
            oxp_write(o, s + i, n);
        } else if (c > 0xffff) {
            oxp_printf(o, "\\u%04x\\u%04x", 0xd800 + ((c - 0x10000) >> 10),
                       0xdc00 + ((c - 0x10000) & 0x3ff));
        } else {
            oxp_printf(o, "\\u%04x", c);
        }
    }
    oxp_write(o, s + len - plain, plain);
    oxp_write(o, "\"", 1);
}

/* A new line, indented. */
static void new_line(oxp_json *j) {
    static const char spaces[DEPTH_MAX + 1] =
        "\n                                                               ";
    if (!j->compact)
        oxp_write(j->out, spaces, (size_t)j->depth + 1);
}

static void lead(oxp_json *j, const char *key) {
    const char *colon = j->compact ? ":" : ": ";
    char text[DEPTH_MAX + 8];
    size_t n = 0;
    if (j->depth) {
        if (!j->empty[j->depth])
            text[n++] = ',';
        if (!j->compact) {
            text[n++] = '\n';
            memset(text + n, ' ', (size_t)j->depth);
            n += (size_t)j->depth;
        }
    }
    j->empty[j->depth] = false;
    if (key && write_short(j->out, text, n, key, colon))
        return;
    oxp_write(j->out, text, n);
    if (key) {
        write_string(j->out, key);
        oxp_puts(j->out, colon);
    }
}

static void open_level(oxp_json *j, const char *key, const char *opener, char closer) {
    lead(j, key);
    oxp_puts(j->out, opener);
    if (++j->depth == DEPTH_MAX)
        oxp_raise(j->ctx, OXP_E_INTERNAL, "a report is nested too deep");
    j->closer[j->depth] = closer;
    j->empty[j->depth] = true;
}

void oxp_json_object(oxp_json *j, const char *key) {
    open_level(j, key, "{", '}');
}

void oxp_json_array(oxp_json *j, const char *key) {
    open_level(j, key, "[", ']');
}

void oxp_json_end(oxp_json *j) {
    char closer = j->closer[j->depth];
    bool was_empty = j->empty[j->depth];
    j->depth--;
    if (!was_empty)
        new_line(j);
    oxp_write(j->out, &closer, 1);
    if (!j->depth)
        oxp_puts(j->out, "\n");
}

void oxp_json_string(oxp_json *j, const char *key, const char *v) {
    lead(j, key);
    if (v)
        write_string(j->out, v);
    else
        oxp_puts(j->out, "null");
}

void oxp_json_int(oxp_json *j, const char *key, int64_t v) {
    char text[OXP_DIGITS_MAX];
    lead(j, key);
    oxp_write(j->out, text, oxp_digits_i64(text, v));
}

void oxp_json_uint(oxp_json *j, const char *key, uint64_t v) {
    char text[OXP_DIGITS_MAX];
    lead(j, key);
    if (v == UINT64_MAX)
        oxp_puts(j->out, "null");
    else if (v > INT64_MAX)
        oxp_printf(j->out, "\"%llu\"", (unsigned long long)v);
    else
        oxp_write(j->out, text, oxp_digits_u64(text, v));
}

void oxp_json_double(oxp_json *j, const char *key, double v) {
    lead(j, key);
    if (!isfinite(v)) {
        oxp_puts(j->out, "null");
        return;
    }
    oxp_printf(j->out, "%.9g", v);
}

void oxp_json_bool(oxp_json *j, const char *key, bool v) {
    lead(j, key);
    oxp_puts(j->out, v ? "true" : "false");
}

void oxp_json_null(oxp_json *j, const char *key) {
    lead(j, key);
    oxp_puts(j->out, "null");
}
