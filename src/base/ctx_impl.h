/* ctx_impl.h - the inside of a context: for src/base only. */
#ifndef OXP_BASE_CTX_IMPL_H
#define OXP_BASE_CTX_IMPL_H

#include <setjmp.h>

#include "onnxpert/status.h"

typedef struct oxp_deferred {
    void (*fn)(void *);
    void *arg;
} oxp_deferred;

typedef struct oxp_frame {
    jmp_buf env;
    struct oxp_frame *outer;
    size_t n_deferred;
} oxp_frame;

#define OXP_DEFER_MAX 256
#define OXP_DIAG_MAX  1000

struct oxp_ctx {
    size_t cap, used; /* bytes of all arenas together */
    size_t spare;     /* and of the blocks that wait for the next arena (arena.c) */
    struct block *spares;
    bool follows_files;  /* the ceiling is the default: it grows with every model opened */
    uint64_t file_bytes; /* of these models */
    oxp_arena *arenas;   /* list of all, newest first */
    oxp_arena *own;      /* diagnostics and messages */
    oxp_frame *frame;
    oxp_deferred deferred[OXP_DEFER_MAX];
    size_t n_deferred;
    oxp_status status;
    char text[1024];
    oxp_diag *diags;
    size_t n_diags, cap_diags, n_diag_errors, n_dropped, n_dropped_errors;
};

/* An arena that goes with its parent, if not before. */
oxp_arena *oxp_arena_child(oxp_arena *parent) OXP_RETURNS_NONNULL;

/* Gives the blocks that no arena holds back to the system. */
void oxp_arena_drop_spares(oxp_ctx *ctx);

#endif
