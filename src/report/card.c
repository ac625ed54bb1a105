/* card.c - collects what the report on an analysis shows (reports.h). */
#include <string.h>

#include "analysis/latency_impl.h"
#include "analysis/weights.h"
#include "model/inline.h"
#include "report/picture.h"
#include "report/reports.h"

/* The file's name without extension; "model" and the like say nothing: with its folder's name. */
static const char *short_name(const char *path, oxp_arena *arena) {
    const char *slash = strrchr(path, '/');
    char *name = oxp_strdup(arena, slash != NULL ? slash + 1 : path);
    char *dot = strrchr(name, '.');
    if (dot != NULL && dot != name)
        *dot = '\0';
    if (strcmp(name, "model") != 0 || slash == NULL)
        return name;
    const char *folder = slash;
    while (folder > path && folder[-1] != '/')
        folder--;
    const char *parent = oxp_memdup0(arena, folder, (size_t)(slash - folder));
    bool named = *parent && strcmp(parent, ".") != 0 && strcmp(parent, "..") != 0;
    return named ? oxp_sprintf(arena, "%s/%s", parent, name) : name;
}

const char *oxp_task_name(oxp_task t) {
    static const char *const names[] = {
        [OXP_TASK_CLASSIFY] = "classification",
        [OXP_TASK_DETECT] = "object detection",
        [OXP_TASK_TOKENS] = "token classification",
        [OXP_TASK_SPAN] = "span extraction (question answering)",
        [OXP_TASK_LANGUAGE] = "language modelling",
        [OXP_TASK_MASKED] = "masked language modelling",
        [OXP_TASK_DENSE] = "dense prediction",
    };
    return (size_t)t < sizeof names / sizeof *names ? names[t] : NULL;
}

const char *oxp_bottleneck(const oxp_latency_sum *l) {
    if (l->launch > l->compute_bound && l->launch > l->memory_bound)
        return "overhead";
    return l->compute_bound >= l->memory_bound ? "compute" : "memory";
}

const char *oxp_type_text(const oxp_card *c, const oxp_type *t, oxp_arena *arena) {
    const char *open = "", *close = "";
    for (int depth = 0; t != NULL && t->of != NULL && depth < 4; depth++, t = t->of) {
        const char *kind = t->kind == OXP_KIND_SEQUENCE   ? "sequence"
                           : t->kind == OXP_KIND_OPTIONAL ? "optional"
                                                          : "map";
        open = t->kind == OXP_KIND_MAP
                   ? oxp_sprintf(arena, "%smap<%s, ", open, oxp_dtype_name(t->elem))
                   : oxp_sprintf(arena, "%s%s<", open, kind);
        close = oxp_sprintf(arena, "%s>", close);
    }
    (void)c;
    const char *inner = t == NULL || t->elem == OXP_UNDEFINED ? NULL : oxp_dtype_name(t->elem);
    if (inner == NULL && *open == '\0')
        return NULL;
    return oxp_sprintf(arena, "%s%s%s", open, inner != NULL ? inner : "?", close);
}

const char *oxp_shape_text(const oxp_card *c, const oxp_type *t, oxp_arena *arena) {
    if (t->kind != OXP_KIND_TENSOR || t->rank < 0)
        return "?";
    const char *s = "[";
    for (int i = 0; i < t->rank; i++)
        s = oxp_sprintf(arena, "%s%s%s", s, i ? ", " : "",
                        oxp_dim_text(oxp_model_dims(c->a->model), t->dims[i], arena));
    return oxp_sprintf(arena, "%s]", s);
}

/* Minimum: the weakest that holds the model.  Best: the fastest that does.  Recommended: the
 * weakest that holds it twice and is within four times of the fastest. */
static void choose(oxp_card *c) {
    double fastest = 0;
    for (size_t i = 0; i < c->n_devices; i++) {
        const oxp_device_row *r = &c->devices[i];
        if (!r->fits)
            continue;
        if (c->minimum == NULL)
            c->minimum = r;
        if (c->best == NULL || r->latency.seconds < fastest) {
            c->best = r;
            fastest = r->latency.seconds;
        }
    }
    for (size_t i = 0; i < c->n_devices && c->recommended == NULL; i++) {
        const oxp_device_row *r = &c->devices[i];
        if (r->fits && c->memory <= r->device->memory / 2 && r->latency.seconds <= 4 * fastest)
            c->recommended = r;
    }
    if (c->recommended == NULL)
        c->recommended = c->best;
}

static bool open_sizes(const oxp_analysis *a) {
    bool open = a->totals.partial;
    size_t n = oxp_value_count(a->model);
    for (oxp_id v = 0; v < n && !open; v++)
        open = a->values[v].activation && a->values[v].bytes == UINT64_MAX &&
               oxp_value_at(a->model, v)->live &&
               oxp_value_at(a->model, v)->graph == OXP_MAIN_GRAPH;
    return open;
}

static void compare_devices(oxp_card *c) {
    const oxp_device *const *list;
    c->n_devices = oxp_device_list(c->arena, &list);
    oxp_device_row *rows = OXP_NEWS(c->arena, c->n_devices + 1, oxp_device_row);
    for (size_t i = 0; i < c->n_devices; i++) {
        rows[i].device = list[i];
        rows[i].fits =
            c->memory != UINT64_MAX && !c->memory_at_least && c->memory <= list[i]->memory;
        if (c->device == NULL && strcmp(list[i]->id, "t4") == 0)
            c->device = list[i];
    }
    const oxp_device **all = OXP_NEWS(c->arena, c->n_devices + 1, const oxp_device *);
    oxp_latency_sum *sums = OXP_NEWS(c->arena, c->n_devices + 1, oxp_latency_sum);
    oxp_node_latency *nodes = OXP_NEWS(c->arena, oxp_node_count(c->a->model) + 1, oxp_node_latency);
    all[0] = c->device;
    for (size_t i = 0; i < c->n_devices; i++)
        all[i + 1] = list[i];
    oxp_latency_all(c->a, all, c->n_devices + 1, OXP_UNDEFINED, 1, sums, nodes);
    c->latency = sums[0];
    c->nodes = nodes;
    for (size_t i = 0; i < c->n_devices; i++)
        rows[i].latency = sums[i + 1];
    c->devices = rows;
    choose(c);
}

enum { MAX_INLINED = 65536 };

/* A network made of local functions is shown with their bodies in place of the calls, as a runtime
 * runs it.  `a` itself where there are none, or too many.  What is wrong with a call goes with the
 * call: the totals stay partial where they were. */
static const oxp_analysis *without_calls(const oxp_analysis *a, const oxp_analyze_opts *opts,
                                         oxp_arena *arena) {
    oxp_ctx *ctx = oxp_arena_ctx(arena);
    oxp_inlined inlined; /* its arena goes with the context */
    if (!oxp_model_inline(a->model, MAX_INLINED, &inlined, arena))
        return a;
    const oxp_analyze_opts init = OXP_ANALYZE_OPTS_INIT;
    oxp_analyze_opts quiet = opts != NULL ? *opts : init;
    quiet.quiet = true;
    size_t told = oxp_diag_count(ctx);
    const oxp_analysis *b = NULL;
    if (oxp_analyze(&b, inlined.model, &quiet, arena) != OXP_OK) {
        oxp_error_clear(ctx);
        b = a;
    }
    oxp_diag_truncate(ctx, told);
    oxp_analysis *shown = OXP_NEW(arena, oxp_analysis);
    *shown = *b;
    shown->totals.partial |= a->totals.partial;
    return shown;
}

const oxp_report *oxp_report_analysis(oxp_arena *arena, const oxp_analysis *a,
                                      const oxp_analyze_opts *opts, const oxp_device *device,
                                      const int64_t *batches, size_t n_batches) {
    oxp_card *c = OXP_NEW(arena, oxp_card);
    c->source = a->model;
    c->a = a = without_calls(a, opts, arena);
    c->arena = arena;
    c->scratch = oxp_arena_new(oxp_arena_ctx(arena));
    c->device = device;
    c->device_asked = device != NULL;
    c->name = short_name(oxp_model_path(a->model), arena);
    c->insight = oxp_insight_of(a, arena);
    c->in_main = oxp_graphs_of_main(a->model, arena);
    c->memory = oxp_memory_needed(a, OXP_UNDEFINED);
    c->memory_at_least = c->memory != UINT64_MAX && open_sizes(a);
    c->machine = oxp_machine_of(arena);
    compare_devices(c);
    c->sweep = oxp_sweep_batch(a, opts, c->device, OXP_UNDEFINED, batches, n_batches, arena);
    oxp_report *r = OXP_NEW(arena, oxp_report);
    *r = (oxp_report){.kind = "analysis",
                      .source = c,
                      .doc = oxp_doc_analysis,
                      .page = oxp_page_analysis,
                      .emit = oxp_emit_analysis,
                      .rows = oxp_rows_analysis,
                      .picture = oxp_picture_of};
    return r;
}
