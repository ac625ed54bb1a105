/* markup.h - text inside HTML and SVG. */
#ifndef OXP_REPORT_MARKUP_H
#define OXP_REPORT_MARKUP_H

#include "onnxpert/report.h"

/* Text with all markup, control and direction characters defused; cut at `most` characters. */
void oxp_markup(oxp_sink *o, const char *s, size_t most);
/* The same for s[0, len). */
void oxp_markup_part(oxp_sink *o, const char *s, size_t len, size_t most);
/* Columns that the text takes, at most `most`. */
size_t oxp_markup_width(const char *s, size_t most);

#endif
