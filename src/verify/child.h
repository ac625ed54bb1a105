/* child.h - work in a process of its own, with limits: what happens to it is a result, not our end.
 */
#ifndef OXP_VERIFY_CHILD_H
#define OXP_VERIFY_CHILD_H

#include <sys/types.h>

#include "onnxpert/status.h"

typedef enum oxp_child_end {
    OXP_CHILD_DONE,    /* the work returned */
    OXP_CHILD_RAISED,  /* it raised: status and text */
    OXP_CHILD_CRASHED, /* a signal, or the process ended by itself */
    OXP_CHILD_TIME,    /* killed: it took longer than `seconds` */
    OXP_CHILD_MEMORY   /* killed: it held more than `memory` bytes */
} oxp_child_end;

/* What parent and child share: in memory of both. */
typedef struct oxp_child_note {
    bool done;
    oxp_status status;
    char text[1024]; /* of what was raised */
    char stage[512]; /* what it was doing: "running model.onnx" */
    int model;       /* which model that concerned: 1 the first, 2 the second, 0 none */
} oxp_child_note;

typedef struct oxp_limits {
    double seconds;  /* 0: none */
    uint64_t memory; /* bytes resident; 0: none */
} oxp_limits;

/* Shared memory, zeroed; it is unmapped when the current oxp_try is left by a raise, and by
 * oxp_shared_free. */
typedef struct oxp_shared {
    void *at;
    size_t bytes, token;
} oxp_shared;
oxp_shared *oxp_shared_new(oxp_arena *arena, size_t bytes);
void oxp_shared_free(oxp_arena *arena, oxp_shared *s);

/* A folder of our own among the temporary files; removed with the files in it when the current
 * oxp_try is left by a raise, by oxp_temporary_remove, and when a signal ends the process: a small
 * process of its own waits for that.  Raises OXP_E_IO. */
typedef struct oxp_temporary {
    const char *path;
    size_t token;
    pid_t cleaner; /* 0 and less: there is none */
    int alive;     /* pipe that is closed when we are gone */
} oxp_temporary;
oxp_temporary *oxp_temporary_new(oxp_arena *arena);
void oxp_temporary_remove(oxp_arena *arena, oxp_temporary *t);

/* Runs work(arg) in a child and waits for its end.  `note` must be in shared memory. */
oxp_child_end oxp_child_run(oxp_ctx *ctx, void (*work)(void *arg), void *arg, oxp_child_note *note,
                            const oxp_limits *limits);
/* In the child: says what it does from now on. */
void oxp_child_stage(oxp_child_note *note, int model, const char *fmt, ...) OXP_PRINTF(3, 4);
/* "crashed while running model.onnx", in `arena`. */
const char *oxp_child_story(oxp_arena *arena, oxp_child_end end, const oxp_child_note *note,
                            const oxp_limits *limits);
/* Bytes: resident now, and at most so far, of this process; 0 when the system does not tell. */
uint64_t oxp_resident_now(void);
uint64_t oxp_resident_peak(void);

#endif
