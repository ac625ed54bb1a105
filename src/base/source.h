/* source.h - random access to a file's bytes through pread; never mapped, so resident memory is the
 * window's, and a file that shrinks is an error instead of a signal. */
#ifndef OXP_BASE_SOURCE_H
#define OXP_BASE_SOURCE_H

#include "onnxpert/status.h"

typedef struct oxp_source oxp_source;

/* Opens a regular file (O_CLOEXEC | O_NONBLOCK, fstat S_ISREG); "-" reads standard input into an
 * unlinked temporary file or memory.  Raises OXP_E_IO naming the file.  Closed with the context. */
oxp_source *oxp_source_open(oxp_ctx *ctx, const char *path);
/* The same for a descriptor that is already open and checked; takes it over. */
oxp_source *oxp_source_fd(oxp_ctx *ctx, int fd, const char *name);
void oxp_source_close(oxp_source *s);
uint64_t oxp_source_size(const oxp_source *s);
const char *oxp_source_name(const oxp_source *s);
int oxp_source_fileno(const oxp_source *s);
void oxp_source_identity(const oxp_source *s, uint64_t *dev, uint64_t *ino);
/* Copies [off, off + n); raises OXP_E_IO on a short read ("file changed while being read"). */
void oxp_source_read(oxp_source *s, uint64_t off, void *out, size_t n);
/* The same without raising, for threads: false on failure. */
bool oxp_source_try_read(const oxp_source *s, uint64_t off, void *out, size_t n);
/* A pointer to [off, off + n) in the source's window, valid until the next call; n <= 64 KiB. */
const uint8_t *oxp_source_peek(oxp_source *s, uint64_t off, size_t n);

#endif
