/* sink.c - rendered bytes, collected in an arena or handed on by the megabyte. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "onnxpert/report.h"

struct oxp_sink {
    oxp_arena *arena;
    char *text;
    size_t len, cap;
    void (*drain)(void *arg, const char *text, size_t len); /* NULL: all is collected */
    void *drain_arg;
};

/* Large enough that reports of usual models are written whole or not at all. */
enum { DRAINED = 4 << 20 };

oxp_sink *oxp_sink_new(oxp_arena *arena) {
    oxp_sink *o = OXP_NEW(arena, oxp_sink);
    /* An arena of its own: each doubling frees what it leaves behind. */
    o->arena = oxp_arena_new(oxp_arena_ctx(arena));
    return o;
}

static void reserve(oxp_sink *o, size_t more) {
    size_t need;
    if (o->drain != NULL && o->len >= DRAINED) {
        o->drain(o->drain_arg, o->text, o->len);
        o->len = 0;
    }
    if (o->cap - o->len > more) /* room for it and the NUL */
        return;
    if (__builtin_add_overflow(o->len, more, &need) || need == SIZE_MAX)
        oxp_raise(oxp_arena_ctx(o->arena), OXP_E_LIMIT, "the report is too long");
    if (++need <= o->cap)
        return;
    enum { FIRST = 4096, LARGE = 1 << 20 };
    size_t cap = o->cap ? o->cap : FIRST;
    while (cap < need) /* what is not filled is never touched, what is copied is touched twice */
        cap = cap > SIZE_MAX / 4 ? need : cap < LARGE ? 4 * cap : 2 * cap;
    oxp_arena *fresh = oxp_arena_new(oxp_arena_ctx(o->arena));
    char *text = oxp_alloc(fresh, cap, 1);
    if (o->len)
        memcpy(text, o->text, o->len);
    oxp_arena_free(o->arena);
    o->arena = fresh;
    o->text = text;
    o->cap = cap;
}

void oxp_write(oxp_sink *o, const void *p, size_t n) {
    if (!n)
        return;
    if (o->cap - o->len <= n || o->len >= DRAINED)
        reserve(o, n);
    memcpy(o->text + o->len, p, n);
    o->len += n;
}

void oxp_puts(oxp_sink *o, const char *s) {
    oxp_write(o, s, strlen(s));
}

void oxp_printf(oxp_sink *o, const char *fmt, ...) {
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    reserve(o, 64); /* most pieces are short: they are formatted once */
    size_t room = o->cap - o->len;
    int n = vsnprintf(o->text + o->len, room, fmt, ap);
    va_end(ap);
    if (n > 0 && (size_t)n < room) {
        o->len += (size_t)n;
    } else if (n > 0) {
        reserve(o, (size_t)n);
        vsnprintf(o->text + o->len, (size_t)n + 1, fmt, again);
        o->len += (size_t)n;
    }
    va_end(again);
}

void oxp_sink_drain(oxp_sink *o, void (*drain)(void *arg, const char *text, size_t len),
                    void *arg) {
    o->drain = drain;
    o->drain_arg = arg;
}

const char *oxp_sink_text(oxp_sink *o, size_t *len) {
    reserve(o, 0);
    o->text[o->len] = 0;
    if (len)
        *len = o->len;
    return o->text;
}
