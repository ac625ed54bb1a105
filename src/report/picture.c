/* picture.c - the graph by blocks (picture.h): parts, what repeats, what leads where. */
#include "report/picture.h"

#include <math.h>
#include <string.h>

#include "base/safe_math.h"
#include "report/parts_of_graph.h"

enum {
    PERIOD_MAX = 24, /* parts of one repetition */
    PORTS_MAX = 5,   /* inputs, outputs that have a box each; the rest share one */
    TITLE_OPS = 3
};

/* A part of the graph. */
typedef struct part {
    uint32_t first, last; /* indices of its nodes */
    uint64_t nodes, work, params, weight_bytes;
    double seconds;
    uint32_t heavy;            /* how many of them are */
    uint64_t signature, every; /* of heavy nodes, of all; equal parts have equal signatures */
    uint32_t box;              /* where it is drawn */
    const char *detail;        /* of the block that gives its title */
    uint32_t blocks;           /* how many such blocks it holds */
    uint8_t title, also;       /* 1 + index in block_titles; 0: by its operators */
} part;

typedef struct builder {
    const oxp_card *c;
    const oxp_model *m;
    oxp_arena *a;
    oxp_cuts cuts;
    uint8_t *small; /* by index: number of the small block it ends, HIDDEN inside one */
    part *parts;
    size_t n_parts;
    oxp_picture *p;
    oxp_box *boxes;
    oxp_box_group *groups;
    oxp_box_edge *edges;
    uint8_t *linked; /* boxes x boxes */
} builder;

static uint64_t mix(uint64_t h, uint64_t v) {
    h = (h ^ v) * 0x9e3779b97f4a7c15u;
    return h ^ (h >> 29);
}

/* Names are interned: the pointer of an operator's name tells which it is. */
static uint64_t signature_of(const builder *b, uint64_t h, oxp_id id) {
    const oxp_node *n = oxp_node_at(b->m, id);
    const oxp_node_info *info = &b->c->a->nodes[id];
    h = mix(h, (uint64_t)(uintptr_t)n->op);
    h = mix(h, info->flops);
    h = mix(h, info->params);
    oxp_id out = oxp_out(n, 0);
    const oxp_type *t = out == OXP_NONE ? NULL : &b->c->a->values[out].type;
    for (int i = 0; t != NULL && i < t->rank; i++)
        h = mix(h, (uint64_t)t->dims[i]);
    return h;
}

/* What a part is called by the block it holds; the first that is there wins. */
static const struct {
    oxp_block_type type;
    const char *one, *several;
} block_titles[] = {
    {OXP_BLOCK_ATTENTION, "attention", "attentions"},
    {OXP_BLOCK_EXPERTS, "mixture of experts", "mixtures of experts"},
    {OXP_BLOCK_GATED_MLP, "gated MLP", "gated MLPs"},
    {OXP_BLOCK_MLP, "MLP", "MLPs"},
    {OXP_BLOCK_DETECTION_HEAD, "detection head", "detection heads"},
    {OXP_BLOCK_RECURRENT, "recurrent layer", "recurrent layers"},
    {OXP_BLOCK_INVERTED_RESIDUAL, "inverted residual", "inverted residuals"},
    {OXP_BLOCK_BOTTLENECK, "bottleneck", "bottlenecks"},
    {OXP_BLOCK_RESIDUAL, "residual block", "residual blocks"},
    {OXP_BLOCK_DEPTHWISE_SEPARABLE, "depthwise separable", "depthwise separable convolutions"},
    {OXP_BLOCK_EMBEDDING, "embedding", "embeddings"}};

enum { SIDE_BY_SIDE = 5 }; /* of these, two in one part are both named: attention + MLP */

/* Counts a block for the part that it ends in. */
static void note_block(part *p, const oxp_found *f) {
    uint8_t t = 1;
    while (t <= sizeof block_titles / sizeof *block_titles && block_titles[t - 1].type != f->type)
        t++;
    if (t > sizeof block_titles / sizeof *block_titles)
        return;
    if (p->title == 0 || t < p->title) {
        p->also = p->title != 0 && p->title <= SIDE_BY_SIDE ? p->title : p->also;
        p->title = t;
        p->detail = f->detail;
        p->blocks = 1;
    } else if (t == p->title) {
        p->blocks++;
    } else if (t <= SIDE_BY_SIDE) {
        p->also = t;
    }
}

static void collect_parts(builder *b) {
    b->n_parts = b->cuts.n_parts;
    b->parts = OXP_NEWS(b->a, b->n_parts + 1, part);
    for (uint32_t i = 0; i < b->cuts.n; i++) {
        oxp_id id = b->cuts.node[i];
        const oxp_node_info *info = &b->c->a->nodes[id];
        part *p = &b->parts[b->cuts.part[i]];
        if (p->nodes++ == 0)
            p->first = i;
        p->last = i;
        p->work = info->known ? oxp_sat_add(p->work, oxp_sat_add(info->flops, info->int_ops))
                              : UINT64_MAX;
        p->params = oxp_sat_add(p->params, info->params);
        p->weight_bytes = oxp_sat_add(p->weight_bytes, info->weight_bytes);
        p->seconds += b->c->nodes[id].seconds;
        bool heavy = oxp_is_heavy(oxp_node_at(b->m, id));
        p->heavy += heavy;
        p->every = signature_of(b, p->every, id);
        if (heavy)
            p->signature = signature_of(b, p->signature, id);
    }
    /* What is done once beside the first of several equal layers (a mask, positions) makes it no
     * different from the others. */
    for (size_t i = 0; i < b->n_parts; i++)
        if (b->parts[i].heavy < 2)
            b->parts[i].signature = b->parts[i].every;
    for (size_t i = 0; i < b->c->insight->n_blocks; i++) {
        const oxp_found *f = &b->c->insight->blocks[i];
        if (f->n_nodes == 0)
            continue;
        uint32_t at = oxp_cut_position(b->m, &b->cuts, f->nodes[f->n_nodes - 1]);
        if (at == UINT32_MAX)
            continue;
        note_block(&b->parts[b->cuts.part[at]], f);
    }
}

/* ---- titles ---- */

/* Small blocks that read better by their name than by their operators. */
static const struct {
    oxp_block_type type;
    const char *name;
} small_blocks[] = {{OXP_BLOCK_SILU, "SiLU"},
                    {OXP_BLOCK_HARD_SWISH, "HardSwish"},
                    {OXP_BLOCK_GELU, "GELU"},
                    {OXP_BLOCK_LAYER_NORM, "LayerNorm"},
                    {OXP_BLOCK_RMS_NORM, "RMSNorm"}};
enum { HIDDEN = 255 }; /* within a small block, which its last node stands for */

static void find_small_blocks(builder *b) {
    b->small = OXP_NEWS(b->a, b->cuts.n + 1, uint8_t);
    for (size_t i = 0; i < b->c->insight->n_blocks; i++) {
        const oxp_found *f = &b->c->insight->blocks[i];
        size_t t = 0;
        while (t < sizeof small_blocks / sizeof *small_blocks && small_blocks[t].type != f->type)
            t++;
        if (t == sizeof small_blocks / sizeof *small_blocks)
            continue;
        for (uint32_t k = 0; k < f->n_nodes; k++) {
            uint32_t at = b->cuts.pos[f->nodes[k]];
            if (at != UINT32_MAX)
                b->small[at] = k + 1 < f->n_nodes ? HIDDEN : (uint8_t)(t + 1);
        }
    }
}

typedef struct op_count {
    const char *name;
    uint64_t count;
    int rank; /* 0: does most of the work, 1: computes, 2: moves data */
} op_count;

/* Operators of parts [first, first + n), or the small blocks they make up. */
static size_t count_ops(const builder *b, uint32_t first, uint32_t n, op_count *ops, size_t most) {
    enum { LOOK = 4000 };
    size_t kinds = 0, looked = 0;
    for (uint32_t i = b->parts[first].first; i <= b->parts[first + n - 1].last; i++) {
        if (b->cuts.part[i] < first || b->cuts.part[i] >= first + n || b->small[i] == HIDDEN)
            continue;
        if (looked++ == LOOK)
            break;
        oxp_id id = b->cuts.node[i];
        const oxp_node *node = oxp_node_at(b->m, id);
        const oxp_node_info *info = &b->c->a->nodes[id];
        const char *name = b->small[i] ? small_blocks[b->small[i] - 1].name : node->op;
        bool moves = !b->small[i] && info->known && info->flops == 0 && info->int_ops == 0;
        size_t k = 0;
        while (k < kinds && strcmp(ops[k].name, name))
            k++;
        if (k == most)
            continue;
        if (k == kinds)
            ops[kinds++] = (op_count){name, 0, oxp_is_heavy(node) ? 0 : moves ? 2 : 1};
        ops[k].count++;
    }
    return kinds;
}

/* Those that do the arithmetic before those that move data: "3 Conv + 3 SiLU". */
static const char *ops_title(const builder *b, uint32_t first, uint32_t n) {
    enum { KINDS = 24 };
    op_count ops[KINDS];
    size_t kinds = count_ops(b, first, n, ops, KINDS), shown = 0, rest = 0;
    const char *s = "";
    for (int rank = 0; rank < 3; rank++)
        for (size_t k = 0; k < kinds; k++) {
            if (ops[k].rank != rank || (rank == 2 && shown > 0))
                continue;
            if (shown == TITLE_OPS) {
                rest++;
                continue;
            }
            s = oxp_sprintf(b->a, "%s%s", s, shown++ ? " + " : "");
            if (ops[k].count > 1)
                s = oxp_sprintf(b->a, "%s%llu ", s, (unsigned long long)ops[k].count);
            s = oxp_sprintf(b->a, "%s%.40s", s, ops[k].name);
        }
    return rest > 0 ? oxp_sprintf(b->a, "%s + \xe2\x80\xa6", s) : s;
}

static void name_box(builder *b, oxp_box *box, uint32_t first, uint32_t n) {
    const part *p = &b->parts[first];
    box->detail = "";
    if (n > 1 || p->title == 0) {
        box->title = ops_title(b, first, n);
        return;
    }
    box->title = p->blocks == 1
                     ? block_titles[p->title - 1].one
                     : oxp_sprintf(b->a, "%u %s", p->blocks, block_titles[p->title - 1].several);
    if (p->also != 0)
        box->title = oxp_sprintf(b->a, "%s + %s", box->title, block_titles[p->also - 1].one);
    box->detail = p->detail != NULL ? p->detail : "";
}

/* ---- boxes ---- */

static const char *shape_of_value(const builder *b, oxp_id value) {
    const oxp_type *t = &b->c->a->values[value].type;
    if (t->kind != OXP_KIND_TENSOR || t->rank < 0 || t->rank > 8)
        return "";
    const char *s = "";
    for (int i = 0; i < t->rank; i++) {
        bool known = oxp_dim_is_literal(t->dims[i]);
        s = known ? oxp_sprintf(b->a, "%s%s%lld", s, i ? "\xc3\x97" : "", (long long)t->dims[i])
                  : oxp_sprintf(b->a, "%s%s?", s, i ? "\xc3\x97" : "");
    }
    return t->rank == 0 ? "scalar" : s;
}

/* Draws parts [first, first + n) as one box that stands for `times` copies. */
static void add_box(builder *b, uint32_t first, uint32_t n, uint64_t times, uint32_t group) {
    uint32_t index = (uint32_t)b->p->n_boxes++;
    oxp_box *box = &b->boxes[index];
    box->kind = OXP_BOX_WORK;
    box->times = times;
    box->group = group;
    name_box(b, box, first, n);
    for (uint32_t i = first; i < first + n; i++) {
        const part *p = &b->parts[i];
        box->nodes += p->nodes;
        b->parts[i].box = index;
    }
    oxp_id out = oxp_out(oxp_node_at(b->m, b->cuts.node[b->parts[first + n - 1].last]), 0);
    box->shape = out == OXP_NONE ? "" : shape_of_value(b, out);
}

/* Costs of every part go to its box, wherever it is drawn. */
static void add_costs(builder *b) {
    double all = b->c->latency.seconds;
    for (size_t i = 0; i < b->n_parts; i++) {
        const part *p = &b->parts[i];
        oxp_box *box = &b->boxes[p->box];
        box->work = oxp_sat_add(box->work, p->work);
        box->params = oxp_sat_add(box->params, p->params);
        box->weight_bytes = oxp_sat_add(box->weight_bytes, p->weight_bytes);
        box->seconds += p->seconds;
    }
    for (size_t i = 0; i < b->p->n_boxes; i++)
        b->boxes[i].share = all > 0 ? b->boxes[i].seconds / all : 0;
}

/* How often the `period` parts from `at` follow each other. */
static size_t repeats(const builder *b, size_t at, size_t period) {
    size_t i = at + period;
    while (i < b->n_parts && b->parts[i].signature == b->parts[i - period].signature)
        i++;
    return (i - at) / period;
}

/* The repetition from `at` that covers most parts; among equals the shortest. */
static size_t best_period(const builder *b, size_t at, size_t *times) {
    size_t best = 1, covered = 1;
    *times = 1;
    for (size_t period = 1; period <= PERIOD_MAX && at + 2 * period <= b->n_parts; period++) {
        size_t n = repeats(b, at, period);
        if (n > 1 && n * period > covered) {
            best = period;
            covered = n * period;
            *times = n;
        }
        if (covered > (size_t)PERIOD_MAX * 4)
            break; /* long enough: keeps a chain of equal parts linear */
    }
    return best;
}

/* Walks the parts: single ones and repetitions; with b->boxes NULL it only counts boxes. */
static size_t place(builder *b, bool draw) {
    size_t boxes = 0, times;
    for (size_t at = 0; at < b->n_parts; at += 0) {
        size_t period = best_period(b, at, &times);
        boxes += period;
        if (!draw) {
            at += period * times;
            continue;
        }
        uint32_t group = UINT32_MAX;
        if (times > 1 && period > 1) {
            group = (uint32_t)b->p->n_groups++;
            b->groups[group] = (oxp_box_group){(uint32_t)b->p->n_boxes, (uint32_t)period, times};
        }
        uint32_t base = (uint32_t)b->p->n_boxes;
        for (size_t i = 0; i < period; i++)
            add_box(b, (uint32_t)(at + i), 1, times, group);
        for (size_t i = period; i < period * times; i++)
            b->parts[at + i].box = base + (uint32_t)(i % period);
        at += period * times;
    }
    return boxes;
}

/* Too many parts: neighbours share a box. */
static void place_merged(builder *b) {
    size_t step = (b->n_parts + OXP_PICTURE_BOXES / 2 - 1) / (OXP_PICTURE_BOXES / 2);
    b->p->merged = true;
    for (size_t at = 0; at < b->n_parts; at += step) {
        size_t n = b->n_parts - at < step ? b->n_parts - at : step;
        add_box(b, (uint32_t)at, (uint32_t)n, 1, UINT32_MAX);
    }
}

/* ---- edges ---- */

static void link_boxes(builder *b, uint32_t from, uint32_t to) {
    if (from >= to)
        return;
    uint8_t *seen = &b->linked[(size_t)from * b->p->n_boxes + to];
    if (*seen)
        return;
    *seen = 1;
    if (b->p->n_edges == OXP_PICTURE_EDGES) {
        b->p->edges_dropped = true;
        return;
    }
    b->edges[b->p->n_edges++] = (oxp_box_edge){from, to};
}

/* The box of the part that computes a value, UINT32_MAX: none is shown. */
static uint32_t box_of_value(const builder *b, oxp_id value) {
    oxp_id producer = oxp_value_at(b->m, value)->producer;
    uint32_t at = producer == OXP_NONE ? UINT32_MAX : oxp_cut_position(b->m, &b->cuts, producer);
    return at == UINT32_MAX ? UINT32_MAX : b->parts[b->cuts.part[at]].box;
}

static void link_parts(builder *b) {
    for (uint32_t i = 0; i < b->cuts.n; i++) {
        const oxp_node *n = oxp_node_at(b->m, b->cuts.node[i]);
        uint32_t from = b->parts[b->cuts.part[i]].box;
        for (uint32_t s = 0; s < n->n_out; s++) {
            oxp_id u = n->out[s] == OXP_NONE ? OXP_NONE : oxp_value_at(b->m, n->out[s])->first_use;
            for (; u != OXP_NONE; u = oxp_use_at(b->m, u)->next) {
                uint32_t at = oxp_cut_position(b->m, &b->cuts, oxp_use_at(b->m, u)->node);
                if (at != UINT32_MAX)
                    link_boxes(b, from, b->parts[b->cuts.part[at]].box);
            }
        }
    }
}

/* ---- inputs and outputs ---- */

static void add_port(builder *b, oxp_box_kind kind, const char *name, const char *shape,
                     uint64_t n) {
    oxp_box *box = &b->boxes[b->p->n_boxes++];
    *box = (oxp_box){.kind = kind,
                     .title = name,
                     .detail = "",
                     .shape = shape,
                     .nodes = n,
                     .times = 1,
                     .group = UINT32_MAX};
}

/* The graph's real inputs. */
static size_t list_inputs(const builder *b, oxp_id *out) {
    const oxp_graph *g = oxp_graph_at(b->m, OXP_MAIN_GRAPH);
    size_t n = 0;
    for (uint32_t i = 0; i < g->n_inputs; i++)
        if (oxp_value_at(b->m, g->inputs[i])->tensor == OXP_NONE)
            out[n++] = g->inputs[i];
    return n;
}

static void add_ports(builder *b, oxp_box_kind kind, const oxp_id *values, size_t n) {
    size_t single = n <= PORTS_MAX ? n : PORTS_MAX - 1;
    for (size_t i = 0; i < single; i++)
        add_port(b, kind, oxp_value_at(b->m, values[i])->name, shape_of_value(b, values[i]), 1);
    if (n > single)
        add_port(b, kind,
                 oxp_sprintf(b->a, "%zu further %s", n - single,
                             kind == OXP_BOX_INPUT ? "inputs" : "outputs"),
                 "", n - single);
}

static void link_inputs(builder *b, const oxp_id *values, size_t n) {
    for (size_t i = 0; i < n; i++) {
        uint32_t from = (uint32_t)(n <= PORTS_MAX || i < PORTS_MAX - 1 ? i : PORTS_MAX - 1);
        oxp_id u = oxp_value_at(b->m, values[i])->first_use;
        for (; u != OXP_NONE; u = oxp_use_at(b->m, u)->next) {
            uint32_t at = oxp_cut_position(b->m, &b->cuts, oxp_use_at(b->m, u)->node);
            if (at != UINT32_MAX)
                link_boxes(b, from, b->parts[b->cuts.part[at]].box);
        }
    }
}

static void link_outputs(builder *b, uint32_t first) {
    const oxp_graph *g = oxp_graph_at(b->m, OXP_MAIN_GRAPH);
    for (uint32_t i = 0; i < g->n_outputs; i++) {
        uint32_t to = first + (g->n_outputs <= PORTS_MAX || i < PORTS_MAX - 1 ? i : PORTS_MAX - 1);
        uint32_t from = box_of_value(b, g->outputs[i]);
        if (from != UINT32_MAX)
            link_boxes(b, from, to);
    }
}

const oxp_picture *oxp_picture_of(const void *card, oxp_arena *arena) {
    const oxp_card *c = card;
    const oxp_graph *g = oxp_graph_at(c->a->model, OXP_MAIN_GRAPH);
    enum { ALL = OXP_PICTURE_BOXES + 2 * PORTS_MAX };
    builder b = {.c = c, .m = c->a->model, .a = arena, .p = OXP_NEW(arena, oxp_picture)};
    b.boxes = OXP_NEWS(arena, ALL, oxp_box);
    b.groups = OXP_NEWS(arena, OXP_PICTURE_BOXES, oxp_box_group);
    b.edges = OXP_NEWS(arena, OXP_PICTURE_EDGES, oxp_box_edge);
    b.cuts = oxp_cut_graph(c, arena);
    collect_parts(&b);
    find_small_blocks(&b);
    oxp_id *inputs = OXP_NEWS(arena, (size_t)g->n_inputs + 1, oxp_id);
    size_t n_inputs = list_inputs(&b, inputs);
    add_ports(&b, OXP_BOX_INPUT, inputs, n_inputs);
    if (place(&b, false) <= OXP_PICTURE_BOXES)
        place(&b, true);
    else
        place_merged(&b);
    add_costs(&b);
    uint32_t first_output = (uint32_t)b.p->n_boxes;
    add_ports(&b, OXP_BOX_OUTPUT, g->outputs, g->n_outputs);
    b.linked = OXP_NEWS(arena, b.p->n_boxes * b.p->n_boxes + 1, uint8_t);
    link_inputs(&b, inputs, n_inputs);
    link_parts(&b);
    link_outputs(&b, first_output);
    b.p->title = c->name;
    b.p->device = c->device->name;
    b.p->boxes = b.boxes;
    b.p->groups = b.groups;
    b.p->edges = b.edges;
    return b.p;
}
