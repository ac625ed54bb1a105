/* ctx.c - contexts: errors, deferred actions, diagnostics. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/ceiling.h"
#include "base/ctx_impl.h"
#include "base/xml_memory.h"

oxp_arena *oxp_arena_try_new(oxp_ctx *ctx);

/* Without a ceiling of the caller's: this, and so much more for each byte of the models that
 * were opened.  What a file claims never counts, only what it is. */
#define BASE_CAP   ((size_t)256 << 20)
#define CAP_A_BYTE ((size_t)12)

int oxp_exit_code(oxp_status status) {
    switch (status) {
    case OXP_OK:
        return 0;
    case OXP_E_USAGE:
        return 2;
    case OXP_E_FORMAT:
    case OXP_E_LIMIT:
    case OXP_E_UNSUPPORTED:
    case OXP_E_RULE:
        return 3;
    case OXP_E_VERIFY:
        return 4;
    case OXP_E_NOMEM:
    case OXP_E_IO:
    case OXP_E_INTERNAL:
    case OXP_E_RUNTIME:
        break;
    }
    return 5;
}

oxp_ctx *oxp_ctx_new(size_t memory_cap) {
    oxp_ctx *ctx = calloc(1, sizeof *ctx);
    if (!ctx)
        return NULL;
    ctx->follows_files = memory_cap == 0;
    ctx->cap = memory_cap ? memory_cap : BASE_CAP;
    ctx->own = oxp_arena_try_new(ctx);
    if (!ctx->own) {
        free(ctx);
        return NULL;
    }
    return ctx;
}

static void run_deferred(oxp_ctx *ctx, size_t down_to) {
    while (ctx->n_deferred > down_to) {
        oxp_deferred d = ctx->deferred[--ctx->n_deferred];
        if (d.fn)
            d.fn(d.arg);
    }
}

void oxp_ctx_free(oxp_ctx *ctx) {
    if (!ctx)
        return;
    run_deferred(ctx, 0);
    while (ctx->arenas)
        oxp_arena_free(ctx->arenas);
    oxp_arena_drop_spares(ctx);
    free(ctx);
}

void oxp_ctx_set_cap(oxp_ctx *ctx, size_t memory_cap) {
    ctx->cap = memory_cap > ctx->used ? memory_cap : ctx->used;
    ctx->follows_files = false;
}

static void follow_files(oxp_ctx *ctx) {
    const uint64_t most = (SIZE_MAX / 2 - BASE_CAP) / CAP_A_BYTE;
    uint64_t bytes = ctx->file_bytes < most ? ctx->file_bytes : most;
    if (ctx->follows_files)
        ctx->cap = BASE_CAP + (size_t)bytes * CAP_A_BYTE;
}

void oxp_ctx_add_file(oxp_ctx *ctx, uint64_t bytes) {
    ctx->file_bytes += bytes;
    follow_files(ctx);
}

const char *oxp_error_text(const oxp_ctx *ctx) {
    return ctx->text;
}

oxp_status oxp_error_status(const oxp_ctx *ctx) {
    return ctx->status;
}

void oxp_error_clear(oxp_ctx *ctx) {
    ctx->status = OXP_OK;
    ctx->text[0] = 0;
}

/* ---- raising ---- */

oxp_status oxp_try(oxp_ctx *ctx, void (*fn)(void *arg), void *arg) {
    oxp_frame frame;
    frame.outer = ctx->frame;
    frame.n_deferred = ctx->n_deferred;
    if (setjmp(frame.env)) {
        ctx->frame = frame.outer;
        return ctx->status;
    }
    ctx->frame = &frame;
    fn(arg);
    ctx->frame = frame.outer;
    return OXP_OK;
}

static _Noreturn void unwind(oxp_ctx *ctx) {
    oxp_frame *frame = ctx->frame;
    if (!frame) { /* our own bug: an internal function called outside oxp_try */
        fprintf(stderr, "onnxpert: %s\n", ctx->text);
        exit(oxp_exit_code(ctx->status));
    }
    run_deferred(ctx, frame->n_deferred);
    longjmp(frame->env, 1);
}

void oxp_raise(oxp_ctx *ctx, oxp_status status, const char *fmt, ...) {
    va_list ap;
    ctx->status = status;
    va_start(ap, fmt);
    vsnprintf(ctx->text, sizeof ctx->text, fmt, ap);
    va_end(ap);
    if (oxp_xml_starved()) { /* what seems wrong with a document is not its fault */
        ctx->status = OXP_E_NOMEM;
        snprintf(ctx->text, sizeof ctx->text, "out of memory");
        oxp_xml_forget();
    }
    unwind(ctx);
}

void oxp_reraise(oxp_ctx *ctx, oxp_status status) {
    ctx->status = status;
    unwind(ctx);
}

size_t oxp_defer(oxp_ctx *ctx, void (*fn)(void *), void *arg) {
    if (ctx->n_deferred == OXP_DEFER_MAX) {
        fn(arg);
        oxp_raise(ctx, OXP_E_INTERNAL, "too many deferred actions");
    }
    ctx->deferred[ctx->n_deferred] = (oxp_deferred){fn, arg};
    return ctx->n_deferred++;
}

void oxp_undefer(oxp_ctx *ctx, size_t token, bool run) {
    oxp_deferred d = ctx->deferred[token];
    ctx->deferred[token].fn = NULL;
    while (ctx->n_deferred && !ctx->deferred[ctx->n_deferred - 1].fn)
        ctx->n_deferred--;
    if (run && d.fn)
        d.fn(d.arg);
}

/* ---- diagnostics ---- */

void oxp_diagnose(oxp_ctx *ctx, oxp_severity severity, const char *code, const char *where,
                  const char *fmt, ...) {
    char text[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    ctx->n_diag_errors += severity == OXP_ERROR;
    if (ctx->n_diags == OXP_DIAG_MAX) {
        ctx->n_dropped++;
        ctx->n_dropped_errors += severity == OXP_ERROR;
        return;
    }
    ctx->diags =
        oxp_grow(ctx->own, ctx->diags, &ctx->cap_diags, ctx->n_diags + 1, sizeof *ctx->diags);
    ctx->diags[ctx->n_diags++] =
        (oxp_diag){severity, oxp_strdup(ctx->own, code), oxp_strdup(ctx->own, where ? where : ""),
                   oxp_strdup(ctx->own, text)};
}

size_t oxp_diag_count(const oxp_ctx *ctx) {
    return ctx->n_diags;
}

const oxp_diag *oxp_diag_at(const oxp_ctx *ctx, size_t i) {
    return i < ctx->n_diags ? &ctx->diags[i] : NULL;
}

size_t oxp_diag_errors(const oxp_ctx *ctx) {
    return ctx->n_diag_errors;
}

void oxp_diag_truncate(oxp_ctx *ctx, size_t keep) {
    if (keep < ctx->n_diags) { /* what was not kept came after all that was */
        ctx->n_diag_errors -= ctx->n_dropped_errors;
        ctx->n_dropped = ctx->n_dropped_errors = 0;
    }
    while (ctx->n_diags > keep)
        ctx->n_diag_errors -= ctx->diags[--ctx->n_diags].severity == OXP_ERROR;
}
