/* atomic_file.h - a file that appears whole or not at all: written beside the target under a
 * temporary name, synced, renamed.  The temporary is removed when the work is left by a raise and
 * when the process is ended by SIGINT, SIGTERM or SIGHUP. */
#ifndef OXP_BASE_ATOMIC_FILE_H
#define OXP_BASE_ATOMIC_FILE_H

#include "onnxpert/status.h"

typedef struct oxp_atomic_file oxp_atomic_file;

/* Opens a temporary beside `path` (O_CREAT | O_EXCL | O_NOFOLLOW in the folder's descriptor);
 * raises OXP_E_IO naming the path.  A target that exists and is not a regular file is refused. */
oxp_atomic_file *oxp_atomic_open(oxp_ctx *ctx, const char *path);
int oxp_atomic_fd(const oxp_atomic_file *f);
/* Writes all n bytes or raises. */
void oxp_atomic_write(oxp_atomic_file *f, const void *p, size_t n);
/* fsync, mode of the old file or the umask's, rename, fsync of the folder; raises on any failure.
 */
void oxp_atomic_commit(oxp_atomic_file *f);
void oxp_atomic_abort(oxp_atomic_file *f);

/* A whole small file (reports). */
void oxp_write_file(oxp_ctx *ctx, const char *path, const char *text, size_t len);

#endif
