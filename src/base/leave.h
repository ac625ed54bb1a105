/* leave.h - the end of a forked process. */
#ifndef OXP_BASE_LEAVE_H
#define OXP_BASE_LEAVE_H

/* _exit: nothing of the parent's is flushed or cleaned up by its copy.  A build for coverage writes
 * its counters first. */
_Noreturn void oxp_leave(int code);

#endif
