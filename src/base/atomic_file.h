/* atomic_file.h - a file that appears whole or not at all.
 *
 * The bytes go to a temporary file in the target's folder, without a name where the file system
 * can (O_TMPFILE), which is synced and then given the target's name.  Leaving by a raise, and
 * SIGINT, SIGTERM or SIGHUP, remove it; without a name SIGKILL does too.  A target that is a device
 * or a pipe (and "-", standard output) is written straight. */
#ifndef OXP_BASE_ATOMIC_FILE_H
#define OXP_BASE_ATOMIC_FILE_H

#include "onnxpert/status.h"

typedef struct oxp_atomic oxp_atomic;

/* Raises OXP_E_IO.  fresh: the target must not exist, now or when it is published. */
oxp_atomic *oxp_atomic_open(oxp_ctx *ctx, oxp_arena *arena, const char *path, bool fresh);
int oxp_atomic_fd(const oxp_atomic *f);
const char *oxp_atomic_path(const oxp_atomic *f);
/* Can be written at any offset (pwrite); false for pipes, devices, standard output. */
bool oxp_atomic_seekable(const oxp_atomic *f);
/* Raises for the last error of the system: "<path>: cannot write: No space left on device". */
_Noreturn void oxp_atomic_fail(const oxp_atomic *f);
/* Appends; raises like the others. */
void oxp_atomic_write(oxp_atomic *f, const char *text, size_t len);
/* Data are on the disk, under the temporary name. */
void oxp_atomic_sync(oxp_atomic *f);
/* Under its own name now; still removed (a fresh one) if the try is left by a raise ... */
void oxp_atomic_publish(oxp_atomic *f);
/* The name is on the disk, too. */
void oxp_atomic_sync_folder(oxp_atomic *f);
/* ... until this. */
void oxp_atomic_done(oxp_atomic *f);

/* Synced, published and done: the end of a single file. */
void oxp_atomic_finish(oxp_atomic *f);

/* Drafts: files that exist and must not outlive this try.  They are removed by oxp_undefer(ctx,
 * token, true), by leaving through a raise, and by SIGINT, SIGTERM or SIGHUP. */
size_t oxp_doom(oxp_ctx *ctx, oxp_arena *arena, const char *const *paths, size_t n);

/* A whole small file. */
void oxp_write_file(oxp_ctx *ctx, const char *path, const char *text, size_t len);

#endif
