/* sandbox.h - what the process gives up before it reads files of others.  Best effort: a kernel
 * that knows none of it is no error, the checks of our own come first. */
#ifndef OXP_BASE_SANDBOX_H
#define OXP_BASE_SANDBOX_H

/* No network and no other program, for this process and its children (no_new_privs and a seccomp
 * filter: socket of any family but AF_UNIX, execve and execveat fail with EPERM). */
void oxp_sandbox_alone(void);
/* Besides, nothing in the file system can be created, changed, renamed or removed any more, but for
 * files that are open already (landlock), and no other process be looked into. */
void oxp_sandbox_reader(void);

#endif
