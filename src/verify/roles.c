/* roles.c - what an input means.  Indices are recognised by what reads them, in inner graphs and
 * functions, too; the rest by name, as exporters give it. */
#include <string.h>
#include <strings.h>

#include "base/intern.h"
#include "ops/op.h"
#include "verify/roles.h"

/* Values that hold the elements of the input, found by walking forward. */
typedef struct walk {
    const oxp_analysis *a;
    const oxp_model *m;
    oxp_arena *arena;
    oxp_id *queue;
    size_t n, cap;
    oxp_map *seen;
    int64_t rows; /* smallest axis that the elements index; 0: none */
} walk;

enum { WALK_MAX = 1 << 16 };

static void push(walk *w, oxp_id v) {
    if (v == OXP_NONE || w->n == WALK_MAX || !oxp_map_put(w->seen, v, 1))
        return;
    w->queue = oxp_grow(w->arena, w->queue, &w->cap, w->n + 1, sizeof *w->queue);
    w->queue[w->n++] = v;
}

/* Slot 1 of an operator that moves elements is its indices when slot 0 is what it moves. */
static void note_index(walk *w, const oxp_node *n) {
    const oxp_type *t = oxp_in(n, 0) == OXP_NONE ? NULL : &w->a->values[n->in[0]].type;
    int64_t axis = oxp_attr_int(n, "axis", 0);
    if (!t || t->kind != OXP_KIND_TENSOR || t->rank < 1)
        return;
    axis += axis < 0 ? t->rank : 0;
    if (axis < 0 || axis >= t->rank || !oxp_dim_is_literal(t->dims[axis]) || t->dims[axis] < 1)
        return;
    if (!w->rows || t->dims[axis] < w->rows)
        w->rows = t->dims[axis];
}

static void enter_function(walk *w, const oxp_node *n, uint32_t slot) {
    const oxp_graph *g = oxp_graph_at(w->m, oxp_function_at(w->m, n->function)->graph);
    if (slot < g->n_inputs)
        push(w, g->inputs[slot]);
}

/* Inner graphs take the last inputs of their node (Loop and Scan; If takes none). */
static void enter_graphs(walk *w, const oxp_node *n, uint32_t slot) {
    for (uint32_t i = 0; i < n->n_attr; i++) {
        if (n->attrs[i].type != OXP_ATTR_GRAPH)
            continue;
        const oxp_graph *g = oxp_graph_at(w->m, n->attrs[i].u.id);
        uint32_t from_end = n->n_in - slot;
        if (from_end <= g->n_inputs)
            push(w, g->inputs[g->n_inputs - from_end]);
    }
}

static void follow(walk *w, const oxp_use *use) {
    const oxp_node *n = oxp_node_at(w->m, use->node);
    uint32_t flags = n->def ? n->def->flags : 0;
    if (n->function != OXP_NONE)
        enter_function(w, n, use->slot);
    else if (flags & OXP_OP_CONTROL)
        enter_graphs(w, n, use->slot);
    else if (use->slot == 1 && (flags & OXP_OP_MOVE) && !(flags & OXP_OP_VIEW))
        note_index(w, n);
    else if (use->slot == 0 && ((flags & OXP_OP_VIEW) || ((flags & OXP_OP_MOVE) && n->n_in == 1)))
        push(w, oxp_out(n, 0));
}

static int64_t indexed_rows(const oxp_analysis *a, oxp_id input, oxp_arena *scratch) {
    walk w = {.a = a, .m = a->model, .arena = scratch, .seen = oxp_map_new(scratch)};
    push(&w, input);
    for (size_t i = 0; i < w.n; i++) {
        oxp_id u = oxp_value_at(w.m, w.queue[i])->first_use;
        for (; u != OXP_NONE; u = oxp_use_at(w.m, u)->next)
            follow(&w, oxp_use_at(w.m, u));
    }
    return w.rows;
}

/* Is the word in the name, whatever its case? */
static bool has(const char *name, const char *word) {
    size_t len = strlen(word);
    for (; *name; name++)
        if (!strncasecmp(name, word, len))
            return true;
    return false;
}

/* Largest second axis among the inputs: what a length most likely counts. */
static int64_t longest_axis(const oxp_analysis *a) {
    const oxp_graph *g = oxp_graph_at(a->model, OXP_MAIN_GRAPH);
    int64_t most = 1;
    for (uint32_t i = 0; i < g->n_inputs; i++) {
        const oxp_type *t = &a->values[g->inputs[i]].type;
        int axis = t->rank >= 2 ? 1 : 0;
        if (oxp_value_at(a->model, g->inputs[i])->tensor == OXP_NONE && t->rank >= 1 &&
            oxp_dim_is_literal(t->dims[axis]) && t->dims[axis] > most)
            most = t->dims[axis];
    }
    return most;
}

/* Four axes with one or three channels in front of or behind a plane. */
static bool is_image(const oxp_type *t) {
    enum { SMALLEST = 8 };
    if (t->rank != 4)
        return false;
    bool first = t->dims[1] == 1 || t->dims[1] == 3, last = t->dims[3] == 1 || t->dims[3] == 3;
    int plane = first ? 2 : 1;
    return (first || last) && t->dims[plane] >= SMALLEST && t->dims[plane + 1] >= SMALLEST;
}

static oxp_role float_role(const char *name, const oxp_type *t) {
    if (has(name, "mask"))
        return (oxp_role){.kind = OXP_ROLE_MASK};
    if (has(name, "image") || has(name, "pixel") || has(name, "prob") || is_image(t))
        return (oxp_role){.kind = OXP_ROLE_UNIT};
    return (oxp_role){.kind = OXP_ROLE_NORMAL};
}

oxp_role oxp_role_of(const oxp_analysis *a, oxp_id input, oxp_arena *scratch) {
    const char *name = oxp_value_at(a->model, input)->name;
    const oxp_type *t = &a->values[input].type;
    if (oxp_dtype_is_float(t->elem))
        return float_role(name, t);
    if (has(name, "mask"))
        return (oxp_role){.kind = has(name, "padding") ? OXP_ROLE_PADDING : OXP_ROLE_MASK};
    if (t->elem == OXP_BOOL)
        return (oxp_role){.kind = OXP_ROLE_BOOLEAN};
    int64_t rows = indexed_rows(a, input, scratch);
    if (has(name, "position"))
        return (oxp_role){OXP_ROLE_POSITIONS, 0, rows ? rows : INT32_MAX};
    if (has(name, "type_id") || has(name, "segment"))
        return (oxp_role){OXP_ROLE_INTEGER, 0, rows == 1 ? 1 : 2};
    if (rows)
        return (oxp_role){OXP_ROLE_INTEGER, 0, rows};
    if (has(name, "length") || has(name, "seq_len") || has(name, "_len"))
        return (oxp_role){OXP_ROLE_LENGTH, 1, longest_axis(a) + 1};
    return (oxp_role){OXP_ROLE_INTEGER, 0, 4};
}
