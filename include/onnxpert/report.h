/* report.h - reports: one document model, many formats.
 *
 * To add a format: src/report/<name>.c that ends with `const oxp_format oxp_format_<name>`.  Human
 * formats render the document (`doc`: headings, paragraphs, tables, charts) and never look at the
 * analysis; data formats stream `emit`.  To add a section: src/report/doc_*.c. */
#ifndef ONNXPERT_REPORT_H
#define ONNXPERT_REPORT_H

#include "onnxpert/status.h"

/* ---- output: where rendered bytes go ---- */
typedef struct oxp_sink oxp_sink;
OXP_API void oxp_puts(oxp_sink *o, const char *s);
OXP_API void oxp_write(oxp_sink *o, const void *p, size_t n);
OXP_API void oxp_printf(oxp_sink *o, const char *fmt, ...) OXP_PRINTF(2, 3);
OXP_API oxp_sink *oxp_sink_new(oxp_arena *arena); /* collects in memory */
OXP_API const char *oxp_sink_text(oxp_sink *o,
                                  size_t *len); /* what was collected, NUL-terminated */
/* From now on every few megabytes go to `drain`, which may raise, and are forgotten, so that a
 * report takes no memory that grows with it; what is left at the end is still in oxp_sink_text. */
OXP_API void oxp_sink_drain(oxp_sink *o, void (*drain)(void *arg, const char *text, size_t len),
                            void *arg);

/* ---- data: a JSON-like stream ---- */
typedef struct oxp_json oxp_json;
OXP_API oxp_json *oxp_json_new(oxp_sink *o, oxp_arena *arena);
OXP_API void oxp_json_compact(oxp_json *j); /* from now on without line breaks and blanks */
OXP_API void oxp_json_object(oxp_json *j,
                             const char *key); /* key NULL inside arrays and at the top */
OXP_API void oxp_json_array(oxp_json *j, const char *key);
OXP_API void oxp_json_end(oxp_json *j); /* closes the innermost object or array */
OXP_API void oxp_json_string(oxp_json *j, const char *key, const char *v); /* NULL: null */
OXP_API void oxp_json_int(oxp_json *j, const char *key, int64_t v);
/* Saturated (UINT64_MAX) prints null; beyond 2^63-1 a decimal string. */
OXP_API void oxp_json_uint(oxp_json *j, const char *key, uint64_t v);
OXP_API void oxp_json_double(oxp_json *j, const char *key, double v); /* non-finite: null */
OXP_API void oxp_json_bool(oxp_json *j, const char *key, bool v);
OXP_API void oxp_json_null(oxp_json *j, const char *key);

/* ---- rows: one long table as CSV (RFC 4180) ---- */
/* Unknown is an empty cell.  Text that a spreadsheet could take for a formula gets an apostrophe in
 * front; control characters and bytes that are no UTF-8 become \\xNN, so that a row is a line. */
typedef struct oxp_csv oxp_csv;
OXP_API oxp_csv *oxp_csv_new(oxp_sink *o, oxp_arena *arena);
OXP_API void oxp_csv_text(oxp_csv *w, const char *v); /* NULL: empty */
OXP_API void oxp_csv_uint(oxp_csv *w, uint64_t v);    /* UINT64_MAX: empty */
OXP_API void oxp_csv_double(oxp_csv *w, double v);    /* non-finite: empty */
OXP_API void oxp_csv_end(oxp_csv *w);                 /* of a row */

/* ---- documents ---- */
typedef enum oxp_block_kind {
    OXP_HEADING,   /* text, level 1.. */
    OXP_PARAGRAPH, /* text */
    OXP_FACTS,     /* key / value pairs: cells, 2 columns, no header */
    OXP_TABLE,     /* header + cells */
    OXP_LIST,      /* one cell a line */
    OXP_ITEM,      /* a roadmap item: cells[0] title, cells[1] badges, then lines */
    OXP_BARS,      /* horizontal bars: cells label, value text; `values` the lengths */
    OXP_CHART,     /* line or scatter: values as x, y pairs; text the title */
    OXP_DRAWING,   /* `picture`; on pages only */
    OXP_STAGES,    /* `stages`; on pages only */
    OXP_CODE       /* text: a command to copy, never broken over lines */
} oxp_block_kind;

enum { OXP_ALIGN_RIGHT = 1 };
/* `level` of everything but headings.  A heading with nothing below it is not shown. */
enum {
    OXP_PAGE_ONLY = 1,  /* too long for a terminal or a comment: browsers only  */
    OXP_SCATTER = 2,    /* chart: points instead of a line                      */
    OXP_PLAIN_ONLY = 4, /* not on pages, which show the same elsewhere          */
    OXP_LOG_X = 8,      /* chart: powers of ten                                 */
    OXP_LOG_Y = 16,
    OXP_POINTS_X = 32, /* chart: the points' own x values as marks, equally far apart */
    OXP_TILES = 64,    /* facts: figures that one looks for first               */
    OXP_NARROW = 256,  /* table, drawing: may stand beside another part of a page */
    OXP_FOLDED = 128   /* table: folded away until asked for; can be sorted and searched */
};

typedef enum oxp_unit { OXP_UNIT_COUNT, OXP_UNIT_BYTES, OXP_UNIT_SECONDS, OXP_UNIT_RATE } oxp_unit;

/* What only charts have. */
typedef struct oxp_axes {
    const char *x, *y; /* what is along the axes */
    oxp_unit x_unit, y_unit;
    const char *marker;        /* says what the marked point is */
    const double *roof;        /* further x, y pairs: a dashed line */
    size_t n_roof;             /* pairs */
    const char *roof_text;     /* says what it is */
    const uint8_t *classes;    /* per point: 0 or 1, in different colours; or NULL */
    const char *class_name[2]; /* for the legend */
} oxp_axes;

/* The same measures before, between and after: a column a stage, what is done in it, bars. */
typedef enum oxp_goal_state { OXP_NO_GOAL, OXP_GOAL_MET, OXP_GOAL_MISSED } oxp_goal_state;

typedef struct oxp_stage_value {
    const char *text;
    double value; /* length of the bar; NaN: unknown */
    oxp_goal_state verdict;
} oxp_stage_value;

typedef struct oxp_stage_row {
    const char *name, *goal_text; /* goal_text NULL: there is no goal */
    double goal;
    const oxp_stage_value *values; /* one a stage */
} oxp_stage_row;

typedef struct oxp_stage_item {
    size_t stage;
    const char *title, *effect; /* effect: "2.71x less"; "" = none */
    int weight;                 /* 0 low, 1 medium, 2 high */
} oxp_stage_item;

typedef struct oxp_stages {
    const char *title;
    const char *const *names;
    size_t n_stages;
    const oxp_stage_row *measures;
    size_t n_measures;
    const oxp_stage_item *items; /* in the order of the stages */
    size_t n_items;
} oxp_stages;

typedef struct oxp_block {
    oxp_block_kind kind;
    int level;
    const char *text;
    size_t columns, rows;
    const char *const *header; /* columns of them, or NULL */
    const char *const *cells;  /* rows * columns; plain text, unescaped */
    const uint8_t *align;      /* per column, or NULL */
    const double *values;      /* rows of them (bars), or 2 * rows (charts) */
    double marker_x, marker_y; /* chart: a marked point; NaN = none */
    oxp_axes axes;             /* chart; its cells are what each point is, or NULL */
    const struct oxp_picture *picture;
    const oxp_stages *stages;
    struct oxp_block *next;
} oxp_block;

typedef struct oxp_doc {
    const char *title;
    const char *lead; /* the verdict in one line, or NULL */
    oxp_block *first, *last;
    oxp_arena *arena;
} oxp_doc;

/* Builders; all text is copied and formatted plain (escaping is the renderer's). */
OXP_API oxp_doc *oxp_doc_new(oxp_arena *arena, const char *title);
OXP_API void oxp_doc_heading(oxp_doc *d, int level, const char *fmt, ...) OXP_PRINTF(3, 4);
OXP_API void oxp_doc_para(oxp_doc *d, const char *fmt, ...) OXP_PRINTF(2, 3);
OXP_API oxp_block *oxp_doc_block(oxp_doc *d, oxp_block_kind kind, size_t columns);
/* Adds a row of `columns` strings (NULL: empty) to the block made last. */
OXP_API void oxp_doc_row(oxp_doc *d, const char *const *cells);
OXP_API void oxp_doc_bar(oxp_doc *d, const char *label, const char *text, double value);
/* Is there something below this heading that a page (or else plain text) shows? */
OXP_API bool oxp_doc_heading_shown(const oxp_block *heading, bool page);
/* Does it belong on a page, or else into plain text? */
OXP_API bool oxp_doc_block_shown(const oxp_block *b, bool page);
/* A chart as a line of at most `columns` blocks: "▁▃█", the largest value of each stretch. */
OXP_API void oxp_doc_spark(const oxp_block *chart, size_t columns, oxp_sink *o);
OXP_API void oxp_doc_fact(oxp_doc *d, const char *key, const char *fmt, ...) OXP_PRINTF(3, 4);

/* Human figures: "3.63 G", "42.6 MB" (decimal units), "12.25x"; in `arena`. */
OXP_API const char *oxp_human_count(oxp_arena *a, uint64_t n);
OXP_API const char *oxp_human_bytes(oxp_arena *a, uint64_t n);
OXP_API const char *oxp_human_unit(oxp_arena *a, uint64_t n, const char *unit); /* "3.63 GFLOPs" */
OXP_API const char *oxp_human_rate(oxp_arena *a, double per_second); /* "16,070", "24.4" */
OXP_API const char *oxp_human_seconds(oxp_arena *a, double s);
OXP_API const char *oxp_thousands(oxp_arena *a, uint64_t n); /* "3,627,122,688" */

/* ---- a report: what a format is given ---- */
typedef struct oxp_report {
    const char *kind; /* "analysis", "roadmap", "comparison", "verification" */
    const void *source;
    oxp_doc *(*doc)(const void *source, oxp_arena *arena); /* for human formats */
    /* The same with what is on pages only; NULL: there is nothing, or doc has that, too. */
    oxp_doc *(*page)(const void *source, oxp_arena *arena);
    void (*emit)(const void *source, oxp_json *json); /* for data formats  */
    /* Where they make sense, else NULL: a row a thing, the first with the names of the columns; the
     * graph as a picture (src/report/picture.h). */
    void (*rows)(const void *source, oxp_csv *csv);
    const struct oxp_picture *(*picture)(const void *source, oxp_arena *arena);
    unsigned part; /* 0: the only report of this output; else its number among several */
} oxp_report;

typedef enum oxp_parts {
    OXP_PARTS_NONE,
    OXP_PARTS_FOLLOW, /* they simply follow each other */
    OXP_PARTS_HEADER  /* so, but the first line is a header that is wanted once */
} oxp_parts;

typedef struct oxp_format {
    const char *name; /* "text", "json", "markdown", "html", "sarif", "csv", "dot" */
    const char *summary;
    const char *only; /* the kind of report that it makes sense for; NULL: every kind */
    void (*render)(const oxp_report *r, oxp_sink *o, oxp_arena *arena, bool color);
    /* Several reports in one output.  OXP_PARTS_NONE: a file of this format holds one. */
    oxp_parts parts;
    void (*begin)(oxp_sink *o, size_t n), (*end)(oxp_sink *o); /* around several; or NULL */
} oxp_format;

/* Does it make sense for that kind of report? */
OXP_API bool oxp_format_shows(const oxp_format *f, const char *kind);
OXP_API size_t oxp_format_count(void);
OXP_API const oxp_format *oxp_format_at(size_t i);
OXP_API const oxp_format *oxp_format_find(const char *name);

#endif
