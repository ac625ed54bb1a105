/* formats.c - the list of report formats, made from the files of src/report/format. */
#include <string.h>

#include "onnxpert/report.h"

#include "formats.inc"

size_t oxp_format_count(void) {
    return sizeof oxp_format_list / sizeof *oxp_format_list - 1;
}

const oxp_format *oxp_format_at(size_t i) {
    return i < oxp_format_count() ? oxp_format_list[i] : NULL;
}

bool oxp_format_shows(const oxp_format *f, const char *kind) {
    return !f->only || !strcmp(f->only, kind);
}

const oxp_format *oxp_format_find(const char *name) {
    for (size_t i = 0; i < oxp_format_count(); i++)
        if (!strcmp(oxp_format_list[i]->name, name))
            return oxp_format_list[i];
    return NULL;
}
