/* json.c - the data of a report as JSON; the keys are part of the interface (docs/). */
#include "onnxpert/report.h"

static void render(const oxp_report *r, oxp_sink *o, oxp_arena *arena, bool color) {
    (void)color;
    oxp_json *j = oxp_json_new(o, arena);
    if (r->part > 0) /* JSON lines */
        oxp_json_compact(j);
    r->emit(r->source, j);
}

const oxp_format oxp_format_json = {.name = "json",
                                    .summary = "data for programs; keys are documented in docs/",
                                    .render = render,
                                    .parts = OXP_PARTS_FOLLOW};
