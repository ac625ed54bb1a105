/* csv.c - a row a thing, for spreadsheets and data frames (csv_writer.c). */
#include <string.h>

#include "onnxpert/report.h"

static void render(const oxp_report *r, oxp_sink *o, oxp_arena *arena, bool color) {
    (void)color;
    r->rows(r->source, oxp_csv_new(o, arena));
}

const oxp_format oxp_format_csv = {.name = "csv",
                                   .summary = "a row a node, for spreadsheets and data frames",
                                   .only = "analysis",
                                   .render = render,
                                   .parts = OXP_PARTS_HEADER};
