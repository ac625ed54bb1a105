/* descriptor.h - paths that are another name of an open file of this process. */
#ifndef OXP_BASE_DESCRIPTOR_H
#define OXP_BASE_DESCRIPTOR_H

/* The number behind /dev/stdout, /dev/fd/3, /proc/self/fd/3 and links to these; -1 when the path is
 * something else.  Such a path is to be written to, never replaced: it may look like a regular file
 * when standard output is one, and its folder is a place for links of the system. */
int oxp_descriptor_of(const char *path);

#endif
