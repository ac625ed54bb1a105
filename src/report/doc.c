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
        /* callers give a cell for each column */
        /* NOLINTNEXTLINE(clang-analyzer-core.uninitialized.Branch): as many as there are */
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

bool oxp_doc_block_shown(const oxp_block *b, bool page) {
    if (b->kind == OXP_HEADING)
        return true;
    if (b->kind == OXP_DRAWING && !page)
        return false;
    if (b->rows == 0 && (b->kind == OXP_BARS || b->kind == OXP_LIST || b->kind == OXP_FACTS))
        return false;
    return !(b->level & (page ? OXP_PLAIN_ONLY : OXP_PAGE_ONLY));
}

bool oxp_doc_heading_shown(const oxp_block *heading, bool page) {
    for (const oxp_block *b = heading->next; b; b = b->next) {
        if (b->kind == OXP_HEADING && b->level <= heading->level)
            return false;
        if (b->kind != OXP_HEADING && oxp_doc_block_shown(b, page))
            return true;
    }
    return false;
}

void oxp_doc_spark(const oxp_block *chart, size_t columns, oxp_sink *o) {
    static const char *const eighth[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    const double *v = chart->values;
    double most = 0;
    for (size_t i = 0; i < chart->rows; i++)
        most = fmax(most, isfinite(v[2 * i + 1]) ? v[2 * i + 1] : 0);
    columns = chart->rows < columns ? chart->rows : columns;
    for (size_t k = 0; k < columns; k++) {
        double top = 0;
        for (size_t i = k * chart->rows / columns; i < (k + 1) * chart->rows / columns; i++)
            top = fmax(top, isfinite(v[2 * i + 1]) ? v[2 * i + 1] : 0);
        oxp_puts(o, eighth[most > 0 ? (size_t)lround(7 * top / most) : 0]);
    }
}
