/* scratch.h - files that a test makes. */
#ifndef OXP_TEST_SCRATCH_H
#define OXP_TEST_SCRATCH_H

#include <stddef.h>

/* A folder of this process, made by the first call where TMPDIR or the system has such folders, and
 * removed with all that is in it when the process that made it exits (not by children of it). */
const char *scratch_folder(void);
/* Path of a file in it: one of eight static buffers in turn. */
const char *scratch_path(const char *name);
/* Writes a file of that name, and returns its path. */
const char *scratch_file(const char *name, const void *bytes, size_t n);
/* Removes all files in it. */
void scratch_empty(void);

#endif
