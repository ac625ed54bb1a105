/* svg.c - the graph by blocks as a picture, drawn by our own code (picture_svg.c). */
#include <string.h>

#include "report/picture.h"

static void render(const oxp_report *r, oxp_sink *o, oxp_arena *arena, bool color) {
    (void)color;
    oxp_picture_svg(o, r->picture(r->source, arena), false, arena);
}

const oxp_format oxp_format_svg = {.name = "svg",
                                   .summary = "the graph by blocks as a picture",
                                   .only = "analysis",
                                   .render = render};
