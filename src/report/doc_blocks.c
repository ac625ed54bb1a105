/* doc_blocks.c - the analysis for people: the graph by blocks and what they cost. */
#include <stdlib.h>
#include <string.h>

#include "base/safe_math.h"
#include "report/analysis_doc.h"
#include "report/picture.h"

enum { KINDS_MAX = OXP_PICTURE_BOXES, BARS_MAX = 8 };

/* Boxes of the same title together. */
typedef struct block_kind {
    const char *title;
    uint64_t count, work, params;
    double seconds;
} block_kind;

static int by_work(const void *pa, const void *pb) {
    const block_kind *a = pa, *b = pb;
    return (a->work < b->work) - (a->work > b->work);
}

static int by_params(const void *pa, const void *pb) {
    const block_kind *a = pa, *b = pb;
    return (a->params < b->params) - (a->params > b->params);
}

static size_t collect(const oxp_picture *p, block_kind *kinds) {
    size_t n = 0;
    for (size_t i = 0; i < p->n_boxes; i++) {
        const oxp_box *box = &p->boxes[i];
        if (box->kind != OXP_BOX_WORK)
            continue;
        size_t k = 0;
        while (k < n && strcmp(kinds[k].title, box->title) != 0)
            k++;
        if (k == n)
            kinds[n++] = (block_kind){.title = box->title};
        kinds[k].count += box->times;
        kinds[k].work = oxp_sat_add(kinds[k].work, box->work);
        kinds[k].params = oxp_sat_add(kinds[k].params, box->params);
        kinds[k].seconds += box->seconds;
    }
    return n;
}

static const char *label(oxp_arena *a, const block_kind *k) {
    return k->count > 1 ? oxp_sprintf(a, "%s \xc3\x97 %llu", k->title, (unsigned long long)k->count)
                        : k->title;
}

static void drawing(oxp_doc *d, const oxp_picture *p, int level) {
    oxp_doc_heading(d, 2, "The graph by blocks");
    oxp_block *b = oxp_doc_block(d, OXP_DRAWING, 0);
    b->picture = p;
    b->level = level;
}

static void bars(oxp_doc *d, block_kind *kinds, size_t n, bool params) {
    qsort(kinds, n, sizeof *kinds, params ? by_params : by_work);
    oxp_doc_heading(d, 2, params ? "Parameters by block" : "Operations by block");
    oxp_doc_block(d, OXP_BARS, 2);
    for (size_t i = 0; i < n && i < BARS_MAX; i++) {
        uint64_t v = params ? kinds[i].params : kinds[i].work;
        if (v > 0)
            oxp_doc_bar(d, label(d->arena, &kinds[i]), oxp_human_count(d->arena, v),
                        v == UINT64_MAX ? 0 : (double)v);
    }
}

void oxp_doc_blocks(oxp_doc *d, const oxp_card *c) {
    oxp_arena *a = d->arena;
    const oxp_picture *p = oxp_picture_of(c, a);
    block_kind *kinds = OXP_NEWS(a, KINDS_MAX + 1, block_kind);
    size_t n = collect(p, kinds);
    if (n == 0)
        return;
    enum { HALF_PAGE = 560 };
    oxp_doc_heading(d, 1, "Blocks");
    bool slim = oxp_picture_width(p, a) <= HALF_PAGE;
    if (slim)
        drawing(d, p, OXP_PAGE_ONLY | OXP_NARROW);
    bars(d, kinds, n, false);
    bars(d, kinds, n, true);
    if (!slim)
        drawing(d, p, OXP_PAGE_ONLY);
}
