/* calibrate.c - measures ranges; the nodes that do it stand in bytes behind the model's file:
 * protocol buffers merge a field that comes twice, so {graph: {node: .., output: ..}} adds both. */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/intern.h"
#include "model/proto.h"
#include "verify/calibrate.h"
#include "verify/child.h"
#include "verify/inputs.h"

enum { TENSORS_MAX = 50000 };

typedef struct shared {
    oxp_child_note note;
    oxp_measured at[];
} shared;

typedef struct job {
    oxp_calibration *c;
    oxp_arena *arena;
    const oxp_model *m;
    oxp_cases cases;
    const char *const *candidates;
    const char *path;
    oxp_id *ids; /* what is measured; k has outputs 'oxp_low_<k>' and 'oxp_high_<k>' */
    size_t n;
    shared *out;
} job;

/* ---- in the child ---- */
static oxp_array *in_order(const job *j, const oxp_session *s, const oxp_array *in, size_t n,
                           oxp_arena *arena) {
    oxp_array *ordered = OXP_NEWS(arena, n + 1, oxp_array);
    for (size_t i = 0; i < oxp_session_inputs(s); i++) {
        oxp_array want = oxp_session_input(s, i);
        size_t k = 0;
        while (k < n && strcmp(in[k].name, want.name) != 0)
            k++;
        if (k == n)
            oxp_raise(oxp_arena_ctx(arena), OXP_E_UNSUPPORTED, "%s: nothing is given for '%s'",
                      oxp_model_path(j->m), want.name);
        ordered[i] = in[k];
    }
    return ordered;
}

static void note_number(oxp_measured *r, bool high, const oxp_array *a) {
    if (a->dtype != OXP_FLOAT || a->count != 1)
        return;
    double x = (double)*(const float *)a->data;
    if (isnan(x))
        r->nan = true;
    else if (high)
        r->high = fmax(r->high, x);
    else
        r->low = fmin(r->low, x);
}

static void run_set(const job *j, oxp_session *s, size_t at, oxp_arena *arena) {
    size_t n;
    oxp_child_stage(&j->out->note, 1, "running %s on %s", oxp_model_path(j->m),
                    oxp_case_text(&j->cases, at, arena));
    const oxp_array *in = oxp_case_inputs(&j->cases, at, &n, arena);
    oxp_array *out = OXP_NEWS(arena, oxp_session_outputs(s) + 1, oxp_array);
    oxp_session_run(s, in_order(j, s, in, n, arena), out, arena);
    for (size_t i = 0; i < oxp_session_outputs(s); i++) {
        unsigned long long k;
        char kind[8], end;
        if (sscanf(out[i].name, "oxp_range_%7[a-z]_%llu%c", kind, &k, &end) == 2 && k < j->n)
            note_number(&j->out->at[k], kind[0] == 'h', &out[i]);
    }
}

static void work(void *arg) {
    const job *j = arg;
    oxp_ctx *ctx = oxp_arena_ctx(j->arena);
    oxp_ctx_set_cap(ctx, SIZE_MAX); /* the parent watches */
    oxp_child_stage(&j->out->note, 0, "loading ONNX Runtime");
    oxp_ort *ort = oxp_ort_open(j->arena, j->candidates);
    oxp_session_opts how = {OXP_ORT_NONE, 0, NULL, oxp_model_path(j->m)};
    oxp_child_stage(&j->out->note, 1, "loading %s", oxp_model_path(j->m));
    oxp_session *s = oxp_ort_session(ort, j->path, &how);
    for (size_t at = 0; at < oxp_case_count(&j->cases); at++) {
        oxp_arena *scratch = oxp_arena_new(ctx);
        run_set(j, s, at, scratch);
        oxp_arena_free(scratch);
    }
}

/* ---- the file ---- */
typedef struct bytes {
    oxp_arena *arena;
    char *v;
    size_t n, cap;
} bytes;

static void put(bytes *b, const void *v, size_t n) {
    b->v = oxp_grow(b->arena, b->v, &b->cap, b->n + n + 1, 1);
    memcpy(b->v + b->n, v, n);
    b->n += n;
}

static void put_varint(bytes *b, uint64_t v) {
    for (; v >= 0x80; v >>= 7)
        put(b, &(char){(char)(v | 0x80)}, 1);
    put(b, &(char){(char)v}, 1);
}

static void put_field(bytes *b, uint32_t field, const void *v, size_t n) {
    put_varint(b, (uint64_t)field << 3 | 2);
    put_varint(b, n);
    put(b, v, n);
}

static void put_text(bytes *b, uint32_t field, const char *text) {
    put_field(b, field, text, strlen(text));
}

/* One number of one tensor: the node and the output. */
static void put_probe(bytes *graph, const char *tensor, const char *op, const char *name) {
    bytes node = {graph->arena, NULL, 0, 0}, output = {graph->arena, NULL, 0, 0};
    put_text(&node, NODE_INPUT, tensor);
    put_text(&node, NODE_OUTPUT, name);
    put_text(&node, NODE_OP_TYPE, op);
    put_field(graph, GRAPH_NODE, node.v, node.n);
    put_text(&output, VALUE_NAME, name);
    put_field(graph, GRAPH_OUTPUT, output.v, output.n);
}

static void append(const job *j, const bytes *b) {
    oxp_ctx *ctx = oxp_arena_ctx(j->arena);
    int fd = open(j->path, O_WRONLY | O_APPEND | O_CLOEXEC);
    if (fd < 0)
        oxp_raise(ctx, OXP_E_IO, "%s: %s", j->path, strerror(errno));
    bool ok = true;
    for (size_t at = 0; ok && at < b->n;) {
        ssize_t got = write(fd, b->v + at, b->n - at);
        ok = got > 0;
        at += ok ? (size_t)got : 0;
    }
    int why = errno;
    close(fd);
    if (!ok)
        oxp_raise(ctx, OXP_E_IO, "%s: %s", j->path, strerror(why));
}

static void write_probed(job *j, const char *folder) {
    oxp_ctx *ctx = oxp_arena_ctx(j->arena);
    size_t told = oxp_diag_count(ctx);
    oxp_save_opts how = OXP_SAVE_OPTS_INIT;
    oxp_saved saved;
    oxp_model *copy = oxp_model_clone(j->m);
    j->path = oxp_sprintf(j->arena, "%s/calibrate.onnx", folder);
    how.external = OXP_EXTERNAL_FILE;
    how.external_file = "calibrate.data";
    oxp_status s = oxp_save(copy, j->path, &how, &saved);
    oxp_close(copy);
    oxp_diag_truncate(ctx, told);
    if (s != OXP_OK)
        oxp_reraise(ctx, s);
    bytes graph = {j->arena, NULL, 0, 0}, model = {j->arena, NULL, 0, 0};
    for (size_t k = 0; k < j->n; k++) {
        const char *tensor = oxp_value_at(j->m, j->ids[k])->name;
        put_probe(&graph, tensor, "ReduceMin", oxp_sprintf(j->arena, "oxp_range_low_%zu", k));
        put_probe(&graph, tensor, "ReduceMax", oxp_sprintf(j->arena, "oxp_range_high_%zu", k));
    }
    put_field(&model, MODEL_GRAPH, graph.v, graph.n);
    append(j, &model);
}

/* ---- in the parent ---- */

/* Sizes as the first set has them. */
static const oxp_analysis *analyze(job *j, const oxp_binding *b, size_t n) {
    const oxp_analysis *a;
    oxp_analyze_opts how = OXP_ANALYZE_OPTS_INIT;
    how.bindings = b;
    how.n_bindings = n;
    how.symbolic = false;
    how.quiet = true;
    oxp_status s = oxp_analyze(&a, j->m, &how, j->arena);
    if (s != OXP_OK)
        oxp_reraise(oxp_arena_ctx(j->arena), s);
    return a;
}

/* A float32 tensor of the main graph with elements: runtimes have no minimum of nothing. */
static bool measurable(const oxp_analysis *a, oxp_id v) {
    if (v == OXP_NONE || v >= oxp_value_count(a->model))
        return false;
    const oxp_value *x = oxp_value_at(a->model, v);
    const oxp_type *t = &a->values[v].type;
    if (!x->live || x->tensor != OXP_NONE || t->kind != OXP_KIND_TENSOR || t->elem != OXP_FLOAT)
        return false;
    for (int d = 0; d < t->rank; d++)
        if (t->dims[d] == 0)
            return false;
    return true;
}

static void choose(job *j, const oxp_analysis *a) {
    const oxp_graph *g = oxp_graph_at(j->m, OXP_MAIN_GRAPH);
    j->ids = OXP_NEWS(j->arena, TENSORS_MAX, oxp_id);
    for (uint32_t i = 0; i < g->n_inputs && j->n < TENSORS_MAX; i++)
        if (measurable(a, g->inputs[i]))
            j->ids[j->n++] = g->inputs[i];
    for (oxp_id id = g->first; id != OXP_NONE; id = oxp_node_at(j->m, id)->next) {
        const oxp_node *n = oxp_node_at(j->m, id);
        for (uint32_t k = 0; k < n->n_out && j->n < TENSORS_MAX; k++)
            if (measurable(a, n->out[k]))
                j->ids[j->n++] = n->out[k];
    }
}

static void measure(job *j) {
    oxp_ctx *ctx = oxp_arena_ctx(j->arena);
    oxp_calibration *c = j->c;
    oxp_shared *s = oxp_shared_new(j->arena, sizeof(shared) + j->n * sizeof(oxp_measured));
    oxp_temporary *folder = oxp_temporary_new(j->arena);
    oxp_limits limits = {c->seconds > 0 ? c->seconds : 300, c->memory};
    j->out = s->at;
    for (size_t k = 0; k < j->n; k++)
        j->out->at[k] = (oxp_measured){HUGE_VAL, -HUGE_VAL, false};
    write_probed(j, folder->path);
    oxp_child_end end = oxp_child_run(ctx, work, j, &j->out->note, &limits);
    if (end == OXP_CHILD_RAISED)
        oxp_raise(ctx, j->out->note.status, "--calibrate: %s", j->out->note.text);
    if (end != OXP_CHILD_DONE)
        oxp_raise(ctx, OXP_E_UNSUPPORTED, "--calibrate: ONNX Runtime %s",
                  oxp_child_story(j->arena, end, &j->out->note, &limits));
    for (size_t k = 0; k < j->n; k++)
        c->kept[j->ids[k]] = j->out->at[k];
    oxp_temporary_remove(j->arena, folder);
    oxp_shared_free(j->arena, s);
}

/* Two models with the same sum have the same nodes on the same values. */
static uint64_t sum_of(const oxp_model *m) {
    uint64_t h = 0xcbf29ce484222325u; /* FNV-1a */
    for (oxp_id id = 0; id < oxp_node_count(m); id++) {
        const oxp_node *n = oxp_node_at(m, id);
        if (!n->live)
            continue;
        h = (h ^ oxp_hash_bytes(n->op, strlen(n->op))) * 0x100000001b3u;
        h = (h ^ oxp_hash_bytes(n->in, n->n_in * sizeof *n->in)) * 0x100000001b3u;
        h = (h ^ oxp_hash_bytes(n->out, n->n_out * sizeof *n->out)) * 0x100000001b3u;
    }
    return h;
}

size_t oxp_calibrate(void *calibration, const oxp_model *m, oxp_measured *by_value) {
    oxp_calibration *c = calibration;
    uint64_t sum = sum_of(m);
    size_t n_values = oxp_value_count(m);
    if (!c->kept || c->n_kept != n_values || c->seen != sum) {
        job j = {.c = c, .arena = c->arena, .m = m};
        static const oxp_size_choice nothing_bound = {NULL, 0, ""};
        const oxp_analysis *a = analyze(&j, NULL, 0);
        j.candidates = oxp_ort_candidates(j.arena, c->library);
        j.cases = (oxp_cases){.sizes = &a, .choices = &nothing_bound, .n_sizes = 1};
        j.cases.folders = oxp_input_folders(j.arena, c->inputs, &j.cases.n_folders);
        c->kept = OXP_NEWS(c->arena, n_values + 1, oxp_measured);
        for (size_t v = 0; v < n_values; v++)
            c->kept[v] = (oxp_measured){HUGE_VAL, -HUGE_VAL, false};
        choose(&j, a);
        measure(&j);
        c->n_kept = n_values;
        c->seen = sum;
        c->sets = j.cases.n_folders;
    }
    memcpy(by_value, c->kept, n_values * sizeof *by_value);
    return c->sets;
}
