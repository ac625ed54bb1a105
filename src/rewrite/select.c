/* select.c - the "nodes" param. */
#include "rewrite/select.h"

#include <stdlib.h>

bool oxp_selected(oxp_run *run, oxp_id node) {
    const char *p = oxp_run_param(run, "nodes", NULL);
    if (!p)
        return true;
    while (*p) {
        char *end;
        unsigned long long v = strtoull(p, &end, 10);
        if (end == p)
            return false;
        if (v == node)
            return true;
        p = end + (*end == ',');
    }
    return false;
}
