/* doc_nodes.c - the analysis for people: the costliest nodes, all nodes, the roofline. */
#include <math.h>
#include <stdlib.h>

#include "base/safe_math.h"
#include "report/analysis_doc.h"

enum { ROWS_MAX = 15, NODES_MAX = 1000 };

static const uint8_t node_align[] = {0, 0, 0, 1, 1, 1, 1, 0};

typedef struct ranked {
    oxp_id node;
    double seconds;
} ranked;

static int by_seconds(const void *pa, const void *pb) {
    const ranked *a = pa, *b = pb;
    if (a->seconds != b->seconds)
        return a->seconds < b->seconds ? 1 : -1;
    return (a->node > b->node) - (a->node < b->node);
}

/* The `max` costliest nodes: a buffer of twice as many is sorted and halved whenever it is full. */
static size_t costliest(const oxp_card *c, ranked *top, size_t max) {
    size_t n = 0;
    for (oxp_id i = 0; i < oxp_node_count(c->a->model); i++) {
        if (c->nodes[i].seconds <= 0)
            continue;
        top[n++] = (ranked){i, c->nodes[i].seconds};
        if (n == 2 * max) {
            qsort(top, n, sizeof *top, by_seconds);
            n = max;
        }
    }
    if (n > 1)
        qsort(top, n, sizeof *top, by_seconds);
    return n < max ? n : max;
}

/* What most of a node's time goes to. */
static const char *bound_of(const oxp_node_latency *l, const oxp_node_info *info, uint64_t work) {
    if (!info->known)
        return "unknown";
    if (fmax(l->compute, l->memory) < l->seconds / 2)
        return "overhead";
    return l->compute_bound && work > 0 ? "compute" : "memory";
}

static void node_row(oxp_doc *d, const oxp_card *c, oxp_id id, bool exact) {
    oxp_arena *a = d->arena;
    const oxp_node *node = oxp_node_at(c->a->model, id);
    const oxp_node_info *info = &c->a->nodes[id];
    oxp_id out = oxp_out(node, 0);
    uint64_t work = info->known ? oxp_sat_add(info->flops, info->int_ops) : UINT64_MAX;
    bool ratio = work != UINT64_MAX && info->bytes_moved != UINT64_MAX && info->bytes_moved > 0;
    double seconds = c->nodes[id].seconds;
    oxp_doc_row(
        d, (const char *[]){
               oxp_node_label(c->a->model, id, a), node->op,
               out == OXP_NONE ? "" : oxp_shape_text(c, &c->a->values[out].type, a),
               exact ? oxp_thousands(a, work) : oxp_human_count(a, work),
               exact ? oxp_thousands(a, info->bytes_moved) : oxp_human_bytes(a, info->bytes_moved),
               ratio ? oxp_sprintf(a, "%.3g", (double)work / (double)info->bytes_moved) : "-",
               exact ? oxp_sprintf(a, "%.3f", 1e6 * seconds) : oxp_human_seconds(a, seconds),
               bound_of(&c->nodes[id], info, work)});
}

/* Work against intensity: where each node stands under the device's roof. */
static void roofline(oxp_doc *d, const oxp_card *c, const ranked *top, size_t n) {
    double *xy = OXP_NEWS(d->arena, 2 * n + 1, double), least = INFINITY, most = 0;
    uint8_t *classes = OXP_NEWS(d->arena, n + 1, uint8_t);
    const char **names = OXP_NEWS(d->arena, n + 1, const char *);
    size_t points = 0;
    for (size_t i = 0; i < n; i++) {
        const oxp_node_info *info = &c->a->nodes[top[i].node];
        double work = (double)info->flops + (double)info->int_ops;
        if (!info->known || work <= 0 || info->bytes_moved == UINT64_MAX || info->bytes_moved == 0)
            continue;
        double x = work / (double)info->bytes_moved;
        xy[2 * points] = x;
        xy[2 * points + 1] = work / top[i].seconds;
        classes[points] = !c->nodes[top[i].node].compute_bound;
        names[points++] = oxp_sprintf(
            d->arena, "%s: %s, %s", oxp_node_label(c->a->model, top[i].node, d->arena),
            oxp_node_at(c->a->model, top[i].node)->op, oxp_human_seconds(d->arena, top[i].seconds));
        least = fmin(least, x);
        most = fmax(most, x);
    }
    if (points < 2)
        return;
    oxp_doc_heading(d, 2, "Nodes under the roof of %s", c->device->name);
    oxp_block *b = oxp_doc_block(d, OXP_CHART, 1);
    b->level = OXP_PAGE_ONLY | OXP_SCATTER | OXP_LOG_X | OXP_LOG_Y;
    b->text =
        "Each point is a node: operations a second, starting it included, against operations a "
        "byte.";
    b->values = xy;
    b->rows = points;
    b->cells = names;
    b->axes.x = "operations a byte";
    b->axes.y = "operations a second";
    b->axes.classes = classes;
    b->axes.class_name[0] = "bound by compute";
    b->axes.class_name[1] = "bound by memory";
    double peak = c->latency.peak_ops, bandwidth = c->device->bandwidth;
    if (peak <= 0 || bandwidth <= 0)
        return;
    double *roof = OXP_NEWS(d->arena, 6, double), ridge = peak / bandwidth;
    roof[0] = least;
    roof[1] = fmin(peak, least * bandwidth);
    roof[2] = fmin(fmax(ridge, least), fmax(most, least));
    roof[3] = fmin(peak, roof[2] * bandwidth);
    roof[4] = fmax(most, least);
    roof[5] = fmin(peak, roof[4] * bandwidth);
    b->axes.roof = roof;
    b->axes.n_roof = 3;
    b->axes.roof_text = oxp_sprintf(d->arena, "the device's roof: %sFLOP/s, %s/s",
                                    oxp_human_count(d->arena, (uint64_t)peak),
                                    oxp_human_bytes(d->arena, (uint64_t)bandwidth));
}

/* Plain numbers, so that the browser can sort them. */
static void all_nodes(oxp_doc *d, const oxp_card *c, const ranked *top, size_t n) {
    static const char *const header[] = {
        "Node",      "Operator", "Output", "Operations", "Bytes of traffic",
        "Intensity", "Time, us", "Bound"};
    if (n == 0)
        return;
    oxp_block *b = oxp_doc_block(d, OXP_TABLE, 8);
    b->header = header;
    b->align = node_align;
    b->level = OXP_PAGE_ONLY | OXP_FOLDED;
    b->text = n == NODES_MAX
                  ? oxp_sprintf(d->arena, "The %zu costliest nodes of %s, to sort and search", n,
                                oxp_thousands(d->arena, c->a->totals.nodes))
                  : oxp_sprintf(d->arena, "All %zu nodes that cost time, to sort and search", n);
    for (size_t i = 0; i < n; i++)
        node_row(d, c, top[i].node, true);
}

typedef struct op_time {
    const char *op;
    double seconds;
} op_time;

static int by_time(const void *pa, const void *pb) {
    const op_time *a = pa, *b = pb;
    return (a->seconds < b->seconds) - (a->seconds > b->seconds);
}

/* Operators are few: a node's is found by looking through them. */
static void time_by_operator(oxp_doc *d, const oxp_card *c) {
    enum { BARS = 12 };
    size_t n = c->a->n_by_op;
    op_time *ops = OXP_NEWS(d->arena, n + 1, op_time);
    for (size_t k = 0; k < n; k++)
        ops[k].op = c->a->by_op[k].op;
    for (oxp_id i = 0; i < oxp_node_count(c->a->model); i++) {
        if (c->nodes[i].seconds <= 0)
            continue;
        const char *op = oxp_node_at(c->a->model, i)->op;
        size_t k = 0;
        while (k < n && ops[k].op != op)
            k++;
        if (k < n)
            ops[k].seconds += c->nodes[i].seconds;
    }
    qsort(ops, n, sizeof *ops, by_time);
    oxp_doc_heading(d, 2, "Time by operator");
    oxp_doc_block(d, OXP_BARS, 2);
    for (size_t k = 0; k < n && k < BARS && ops[k].seconds > 0; k++)
        oxp_doc_bar(d, ops[k].op, oxp_human_seconds(d->arena, ops[k].seconds), ops[k].seconds);
}

void oxp_doc_nodes(oxp_doc *d, const oxp_card *c, bool page) {
    static const char *const header[] = {"Node",    "Operator",  "Output", "FLOPs",
                                         "Traffic", "Intensity", "Time",   "Bound"};
    size_t most = page ? NODES_MAX : ROWS_MAX;
    ranked *top = OXP_NEWS(d->arena, 2 * most, ranked);
    size_t n = costliest(c, top, most);
    if (n == 0)
        return;
    oxp_doc_heading(d, 1, "Costliest nodes on %s", c->device->name);
    oxp_block *b = oxp_doc_block(d, OXP_TABLE, 8);
    b->header = header;
    b->align = node_align;
    for (size_t i = 0; i < n && i < ROWS_MAX; i++)
        node_row(d, c, top[i].node, false);
    if (page) {
        all_nodes(d, c, top, n);
        roofline(d, c, top, n);
    }
    time_by_operator(d, c);
}
