/* status.h - status codes, the context that every call works in, diagnostics, arenas.
 *
 * Errors: a public function that can fail returns oxp_status; the text of the first failure is
 * kept in the context (oxp_error_text).  Inside the library errors are raised (oxp_raise) and
 * caught at the public boundary (oxp_try): memory is arena-owned and everything else that must be
 * undone is registered with oxp_defer, so nothing leaks on the way.  Never raise from a callback
 * that a foreign library (libxml2, protobuf-c) is waiting for, nor from a worker thread: use
 * oxp_try_alloc there and hand the failure back in that library's own way. */
#ifndef ONNXPERT_STATUS_H
#define ONNXPERT_STATUS_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define OXP_API             __attribute__((visibility("default")))
#define OXP_MUST_USE        __attribute__((warn_unused_result))
#define OXP_PRINTF(f, a)    __attribute__((format(printf, f, a)))
#define OXP_RETURNS_NONNULL __attribute__((returns_nonnull))
#else
#define OXP_API
#define OXP_MUST_USE
#define OXP_PRINTF(f, a)
#define OXP_RETURNS_NONNULL
#endif

/* What went wrong, by kind.  0 is success, everything else negative. */
typedef enum oxp_status {
    OXP_OK = 0,
    OXP_E_NOMEM = -1,       /* the system had no memory                                   */
    OXP_E_IO = -2,          /* the file system or the environment failed (exit code 5)    */
    OXP_E_FORMAT = -3,      /* the input is no valid ONNX / XML / ... (exit code 3)       */
    OXP_E_LIMIT = -4,       /* a ceiling was hit (exit code 3)                            */
    OXP_E_UNSUPPORTED = -5, /* valid, but the request cannot be met (exit code 3)         */
    OXP_E_RULE = -6,        /* a rule file is bad (exit code 3)                           */
    OXP_E_USAGE = -7,       /* the caller asked for something that does not exist (2)     */
    OXP_E_VERIFY = -8,      /* verification found a difference (exit code 4)              */
    OXP_E_INTERNAL = -9,    /* our own bug                                                */
    OXP_E_RUNTIME = -10     /* no usable ONNX Runtime where one was asked for (5)         */
} oxp_status;

/* The exit code of the program for a status: 0, 2, 3, 4 or 5. */
OXP_API int oxp_exit_code(oxp_status status);

typedef struct oxp_ctx oxp_ctx;
typedef struct oxp_arena oxp_arena;

/* A new context.  memory_cap bounds the bytes of all its arenas together; 0: 256 MiB, and 12 bytes
 * for each byte of the models that are opened in it (48 for those that are rewritten).  NULL when
 * there is no memory.  Everything made in it is freed by oxp_ctx_free. */
OXP_API oxp_ctx *oxp_ctx_new(size_t memory_cap);
OXP_API void oxp_ctx_free(oxp_ctx *ctx);
/* Another ceiling from now on (never below what is in use). */
OXP_API void oxp_ctx_set_cap(oxp_ctx *ctx, size_t memory_cap);

/* Text of the first failure since the last oxp_error_clear, "" when there was none: one line. */
OXP_API const char *oxp_error_text(const oxp_ctx *ctx);
OXP_API oxp_status oxp_error_status(const oxp_ctx *ctx);
OXP_API void oxp_error_clear(oxp_ctx *ctx);

/* ---- diagnostics: findings about the input that do not stop the work ---- */
typedef enum oxp_severity { OXP_NOTE, OXP_WARNING, OXP_ERROR } oxp_severity;

typedef struct oxp_diag {
    oxp_severity severity;
    const char *code;  /* stable, lower-case-with-dashes: "shape-conflict"           */
    const char *where; /* node or tensor name, already unambiguous; may be ""        */
    const char *text;  /* one line, names the reason and the numbers                 */
} oxp_diag;

/* Adds a diagnostic; at most 1,000 are kept, the rest are only counted.  Strings are copied. */
OXP_API void oxp_diagnose(oxp_ctx *ctx, oxp_severity severity, const char *code, const char *where,
                          const char *fmt, ...) OXP_PRINTF(5, 6);
OXP_API size_t oxp_diag_count(const oxp_ctx *ctx); /* kept ones */
OXP_API const oxp_diag *oxp_diag_at(const oxp_ctx *ctx, size_t i);
OXP_API size_t oxp_diag_errors(const oxp_ctx *ctx); /* number with OXP_ERROR, kept or not */
/* Forgets the diagnostics added after the first `keep` ones (what-ifs must leave no trace). */
OXP_API void oxp_diag_truncate(oxp_ctx *ctx, size_t keep);

/* ---- raising and catching ---- */
/* Runs fn(arg); catches what it raises.  Deferred actions registered inside and not yet undone run
 * in reverse order when it raises.  Calls may nest. */
OXP_API OXP_MUST_USE oxp_status oxp_try(oxp_ctx *ctx, void (*fn)(void *arg), void *arg);
/* Ends the innermost oxp_try with this status and message (one line, names file and thing). */
OXP_API _Noreturn void oxp_raise(oxp_ctx *ctx, oxp_status status, const char *fmt, ...)
    OXP_PRINTF(3, 4);
/* Raises again what an oxp_try returned (status != OXP_OK), keeping its text. */
OXP_API _Noreturn void oxp_reraise(oxp_ctx *ctx, oxp_status status);
/* Registers an action that must happen if the current oxp_try is left by a raise; the token undoes
 * the registration (run = true runs the action now). */
OXP_API size_t oxp_defer(oxp_ctx *ctx, void (*fn)(void *), void *arg);
OXP_API void oxp_undefer(oxp_ctx *ctx, size_t token, bool run);

/* ---- arenas: zero-filled memory that is freed as a whole ---- */
OXP_API oxp_arena *oxp_arena_new(oxp_ctx *ctx) OXP_RETURNS_NONNULL;
OXP_API void oxp_arena_free(oxp_arena *arena);
OXP_API oxp_ctx *oxp_arena_ctx(const oxp_arena *arena);
/* n * size bytes, zeroed, aligned for any type; raises OXP_E_NOMEM or OXP_E_LIMIT, never NULL. */
OXP_API void *oxp_alloc(oxp_arena *arena, size_t n, size_t size) OXP_RETURNS_NONNULL;
/* The same, NULL instead of a raise: for callbacks of other libraries and for threads' setup. */
OXP_API void *oxp_try_alloc(oxp_arena *arena, size_t n, size_t size);
/* Grows an array that lives in the arena: returns `old` or a copy with room for `need` elements,
 * doubling *cap; the old block stays in the arena. */
OXP_API void *oxp_grow(oxp_arena *arena, void *old, size_t *cap, size_t need, size_t size);
OXP_API char *oxp_strdup(oxp_arena *arena, const char *s);
OXP_API char *oxp_memdup0(oxp_arena *arena, const void *p, size_t n); /* NUL added behind */
OXP_API char *oxp_sprintf(oxp_arena *arena, const char *fmt, ...) OXP_PRINTF(2, 3);
OXP_API char *oxp_vsprintf(oxp_arena *arena, const char *fmt, va_list ap) OXP_PRINTF(2, 0);
/* Rewinds: everything allocated after the mark is gone (its memory is reused, zeroed again). */
typedef struct oxp_mark {
    void *block;
    size_t used;
} oxp_mark;
OXP_API oxp_mark oxp_arena_mark(const oxp_arena *arena);
OXP_API void oxp_arena_rewind(oxp_arena *arena, oxp_mark mark);
OXP_API size_t oxp_arena_bytes(const oxp_arena *arena);

#define OXP_NEW(arena, type)     ((type *)oxp_alloc((arena), 1, sizeof(type)))
#define OXP_NEWS(arena, n, type) ((type *)oxp_alloc((arena), (n), sizeof(type)))

#endif
