/* picture.h - the graph by blocks: what the dot and svg formats and the HTML page draw.
 *
 * The nodes of the main graph are cut where a single tensor passes from one part to the next; equal
 * parts that follow each other are drawn once.  Never more than OXP_PICTURE_BOXES boxes, whatever
 * the graph's size. */
#ifndef OXP_REPORT_PICTURE_H
#define OXP_REPORT_PICTURE_H

#include "onnxpert/report.h"

enum { OXP_PICTURE_BOXES = 160, OXP_PICTURE_EDGES = 600 };

typedef enum oxp_box_kind { OXP_BOX_INPUT, OXP_BOX_WORK, OXP_BOX_OUTPUT } oxp_box_kind;

typedef struct oxp_box {
    oxp_box_kind kind;
    const char *title;  /* "attention", "Conv + Relu"; the name of an input or output */
    const char *detail; /* "12 heads of 64"; "" = none */
    const char *shape;  /* of what leaves it; "" = unknown */
    uint64_t nodes;     /* of one copy */
    uint64_t times;     /* copies; the figures below are of all of them */
    uint64_t work;      /* FLOPs and integer operations; UINT64_MAX: unknown */
    uint64_t params, weight_bytes;
    double seconds, share; /* share of the model's estimated time, 0..1 */
    uint32_t group;        /* index of its group, or UINT32_MAX */
} oxp_box;

/* Boxes that repeat together: `count` of them from `first`. */
typedef struct oxp_box_group {
    uint32_t first, count;
    uint64_t times;
} oxp_box_group;

typedef struct oxp_box_edge {
    uint32_t from, to; /* from < to */
} oxp_box_edge;

typedef struct oxp_picture {
    const char *title;
    const char *device; /* what the shares of time are for */
    const oxp_box *boxes;
    size_t n_boxes;
    const oxp_box_group *groups;
    size_t n_groups;
    const oxp_box_edge *edges;
    size_t n_edges;
    bool merged;        /* neighbours were put together to keep it readable */
    bool edges_dropped; /* there were more edges than are shown */
} oxp_picture;

const oxp_picture *oxp_picture_of(const void *card, oxp_arena *arena);

/* How wide it will be, in pixels of its own scale. */
double oxp_picture_width(const oxp_picture *p, oxp_arena *arena);
/* As an <svg> element, names escaped.  page: inside an HTML page, which brings the colours. */
void oxp_picture_svg(oxp_sink *o, const oxp_picture *p, bool page, oxp_arena *arena);

#endif
