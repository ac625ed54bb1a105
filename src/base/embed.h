/* embed.h - files of rules/ that are built into the library. */
#ifndef OXP_BASE_EMBED_H
#define OXP_BASE_EMBED_H

#include <stddef.h>

typedef struct oxp_embedded_file {
    const char *name; /* path below rules/: "devices/t4.xml" */
    const char *data; /* NUL-terminated behind size */
    size_t size;
} oxp_embedded_file;

extern const oxp_embedded_file oxp_embedded[]; /* by name */
extern const size_t oxp_embedded_count;

#endif
