/* sandbox.h - what the process gives up before it reads files of others.  Best effort: a kernel
 * that knows none of it is no error, the checks of our own come first. */
#ifndef OXP_BASE_SANDBOX_H
#define OXP_BASE_SANDBOX_H

#include <stddef.h>

/* No network and no other program, for this process and its children (no_new_privs and a seccomp
 * filter: socket of any family but AF_UNIX, execve and execveat fail with EPERM). */
void oxp_sandbox_alone(void);
/* Besides, files can only be created, changed, renamed or removed in the folders of the n targets
 * and below them; a target that is a device or a pipe can be written to (landlock).  For this
 * process, its children, and threads that it starts later. */
void oxp_sandbox_writer(const char *const *targets, size_t n);
/* Besides, nothing in the file system can be created, changed, renamed or removed any more, but for
 * files that are open already (landlock), and no other process be looked into. */
void oxp_sandbox_reader(void);

#endif
