/* doc.c - builds documents: headings, paragraphs, tables, items, charts. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "onnxpert/report.h"

/* Blocks hold growing arrays; their capacities are kept behind the public part. */
typedef struct growing {
    oxp_block block;
    size_t cap_cells, cap_values;
} growing;

oxp_doc *oxp_doc_new(oxp_arena *arena, const char *title) {
    oxp_doc *d = OXP_NEW(arena, oxp_doc);
    d->arena = arena;
    d->title = oxp_strdup(arena, title);
    return d;
}

oxp_block *oxp_doc_block(oxp_doc *d, oxp_block_kind kind, size_t columns) {
    growing *g = OXP_NEW(d->arena, growing);
    oxp_block *b = &g->block;
    b->kind = kind;
    b->columns = columns;
    b->marker_x = b->marker_y = NAN;
    if (d->last)
        d->last->next = b;
    else
        d->first = b;
    d->last = b;
    return b;
}

void oxp_doc_heading(oxp_doc *d, int level, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    const char *text = oxp_vsprintf(d->arena, fmt, ap);
    va_end(ap);
    oxp_block *b = oxp_doc_block(d, OXP_HEADING, 0);
    b->level = level;
    b->text = text;
}

void oxp_doc_para(oxp_doc *d, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    const char *text = oxp_vsprintf(d->arena, fmt, ap);
    va_end(ap);
    oxp_doc_block(d, OXP_PARAGRAPH, 0)->text = text;
}

void oxp_doc_row(oxp_doc *d, const char *const *cells) {
    growing *g = (growing *)d->last;
    oxp_block *b = &g->block;
    size_t have = b->rows * b->columns;
    const char **all = oxp_grow(d->arena, (void *)(uintptr_t)b->cells, &g->cap_cells,
                                have + b->columns, sizeof *all);
    for (size_t i = 0; i < b->columns; i++)
        all[have + i] = cells[i] ? oxp_strdup(d->arena, cells[i]) : "";
    b->cells = all;
    b->rows++;
}

void oxp_doc_bar(oxp_doc *d, const char *label, const char *text, double value) {
    growing *g = (growing *)d->last;
    const char *cells[] = {label, text};
    double *values = oxp_grow(d->arena, (void *)(uintptr_t)g->block.values, &g->cap_values,
                              g->block.rows + 1, sizeof *values);
    values[g->block.rows] = value;
    g->block.values = values;
    oxp_doc_row(d, cells);
}

void oxp_doc_fact(oxp_doc *d, const char *key, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    const char *cells[] = {key, oxp_vsprintf(d->arena, fmt, ap)};
    va_end(ap);
    if (!d->last || d->last->kind != OXP_FACTS)
        oxp_doc_block(d, OXP_FACTS, 2);
    oxp_doc_row(d, cells);
}
