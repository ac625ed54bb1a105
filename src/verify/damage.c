/* damage.c - where the numbers go wrong: compares the inner tensors that two models share by name.
 *
 * A tensor is damaged when it differs by more than the tolerance, relative to its own largest
 * value. Damage starts at a node whose output is damaged and none of whose inputs is; only damage
 * from which a path of damaged tensors leads to a wrong output counts, as a mask of -1e9 that
 * became -65504 does no harm.
 *
 * Inner tensors become outputs of both models by bytes behind the files: protocol buffers merge a
 * field that comes twice, so {graph: {output: {name}}} adds an output.  They are looked at in
 * portions of bounded size, as a runtime keeps all outputs of a run. */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/intern.h"
#include "base/safe_math.h"
#include "model/proto.h"
#include "verify/compare.h"
#include "verify/verify_impl.h"

enum { DAMAGE_MAX = 5, TENSORS_MAX = 20000 };
static const uint64_t portion_bytes = (uint64_t)256 << 20;

/* What was seen of one tensor. */
typedef struct seen {
    bool compared, other_shape;
    uint64_t count, n_inf, n_nan, n_flushed; /* finite -> infinite, number -> NaN, not 0 -> 0 */
    double largest, worst;                   /* of the first model; largest difference */
} seen;

typedef struct shared {
    oxp_child_note note;
    seen at[];
} shared;

typedef struct probe {
    oxp_verify_job *j;
    oxp_files files;
    size_t at_case;
    const oxp_model *m; /* AFTER: its graph is what the report speaks of */
    const oxp_id *ids;  /* values of AFTER to compare */
    size_t n, first, end;
    off_t length[2]; /* of the copies, without what was added */
    shared *out;
} probe;

/* ---- in the child ---- */

static void compare(const oxp_array *x, const oxp_array *y, seen *s) {
    s->other_shape = x->rank != y->rank || x->count != y->count;
    if (s->other_shape || x->dtype == OXP_UNDEFINED || y->dtype == OXP_UNDEFINED)
        return;
    s->compared = true;
    s->count = x->count;
    for (uint64_t i = 0; i < x->count; i++) {
        double a = oxp_element(x, i), b = oxp_element(y, i);
        s->n_nan += isnan(b) && !isnan(a);
        s->n_inf += isinf(b) && isfinite(a);
        s->n_flushed += b == 0 && a != 0;
        if (!isfinite(a))
            continue;
        s->largest = fmax(s->largest, fabs(a));
        if (isfinite(b))
            s->worst = fmax(s->worst, fabs(a - b));
    }
}

static const oxp_array *by_name(const oxp_session *s, const oxp_array *all, const char *name,
                                oxp_map *index) {
    uint32_t at;
    (void)s;
    return oxp_map_get(index, oxp_hash_bytes(name, strlen(name)), &at) &&
                   !strcmp(all[at].name, name)
               ? &all[at]
               : NULL;
}

static oxp_array *run_one(const probe *p, oxp_session *s, bool second, oxp_arena *arena,
                          oxp_map **index) {
    size_t n;
    const oxp_array *in = oxp_case_inputs(&p->j->cases, p->at_case, &n, arena);
    oxp_array *out = OXP_NEWS(arena, oxp_session_outputs(s) + 1, oxp_array);
    oxp_array *ordered = oxp_order_inputs(s, in, n, &p->files, second, &p->out->note, arena);
    oxp_child_stage(&p->out->note, second ? 2 : 1, "running %s with all tensors as outputs",
                    second ? p->files.name_b : p->files.name_a);
    oxp_session_run(s, ordered, out, arena);
    *index = oxp_map_new(arena);
    for (size_t i = 0; i < oxp_session_outputs(s); i++)
        oxp_map_put(*index, oxp_hash_bytes(out[i].name, strlen(out[i].name)), (uint32_t)i);
    return out;
}

static void work(void *arg) {
    const probe *p = arg;
    oxp_arena *arena = p->j->arena;
    oxp_map *index[2];
    oxp_ctx_set_cap(oxp_arena_ctx(arena), SIZE_MAX);
    oxp_child_stage(&p->out->note, 0, "loading ONNX Runtime");
    oxp_ort *ort = oxp_ort_open(arena, p->j->candidates);
    oxp_session *a = oxp_open_session(ort, p->j, &p->files, OXP_ORT_NONE, 1, &p->out->note);
    const oxp_array *x = run_one(p, a, false, arena, &index[0]);
    oxp_session_close(a);
    oxp_session *b = oxp_open_session(ort, p->j, &p->files, OXP_ORT_NONE, 2, &p->out->note);
    const oxp_array *y = run_one(p, b, true, arena, &index[1]);
    for (size_t i = p->first; i < p->end; i++) {
        const char *name = oxp_value_at(p->m, p->ids[i])->name;
        const oxp_array *before = by_name(a, x, name, index[0]);
        const oxp_array *now = by_name(b, y, name, index[1]);
        if (before && now)
            compare(before, now, &p->out->at[i]);
    }
}

/* ---- files with more outputs ---- */

static size_t put_varint(char *to, uint64_t v) {
    size_t n = 0;
    for (; v >= 0x80; v >>= 7)
        to[n++] = (char)(v | 0x80);
    to[n++] = (char)v;
    return n;
}

static size_t put_head(char *to, uint32_t field, uint64_t len) {
    size_t n = put_varint(to, (uint64_t)field << 3 | 2);
    return n + put_varint(to + n, len);
}

/* {graph: {output: {name}}} for each value of the portion that is not an output already. */
static const char *more_outputs(const probe *p, size_t *len) {
    size_t room = 1;
    for (size_t i = p->first; i < p->end; i++)
        room += strlen(oxp_value_at(p->m, p->ids[i])->name) + 60;
    char *text = oxp_alloc(p->j->arena, room, 1);
    *len = 0;
    for (size_t i = p->first; i < p->end; i++) {
        const oxp_value *v = oxp_value_at(p->m, p->ids[i]);
        size_t n = strlen(v->name);
        char name[20], output[20], graph[20];
        size_t a = put_head(name, VALUE_NAME, n), b = put_head(output, GRAPH_OUTPUT, a + n);
        size_t c = put_head(graph, MODEL_GRAPH, b + a + n);
        if (v->outputs)
            continue;
        memcpy(text + *len, graph, c);
        memcpy(text + *len + c, output, b);
        memcpy(text + *len + c + b, name, a);
        memcpy(text + *len + c + b + a, v->name, n);
        *len += a + b + c + n;
    }
    return text;
}

static void append(const probe *p, const char *path, off_t *length, const char *text, size_t len) {
    oxp_ctx *ctx = oxp_arena_ctx(p->j->arena);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        oxp_raise(ctx, OXP_E_IO, "%s: %s", path, strerror(errno));
    if (*length < 0)
        *length = lseek(fd, 0, SEEK_END);
    bool ok = ftruncate(fd, *length) == 0 && pwrite(fd, text, len, *length) == (ssize_t)len;
    int why = errno;
    close(fd);
    if (!ok)
        oxp_raise(ctx, OXP_E_IO, "%s: %s", path, strerror(why));
}

/* A copy whose data files, if any, are beside it. */
static const char *copy_of(oxp_verify_job *j, const char *path, const char *name) {
    oxp_ctx *ctx = oxp_arena_ctx(j->arena);
    size_t told = oxp_diag_count(ctx);
    oxp_save_opts how = OXP_SAVE_OPTS_INIT;
    oxp_saved saved;
    oxp_model *m;
    const char *to = oxp_sprintf(j->arena, "%s/%s", oxp_work_folder(j), name);
    how.external = OXP_EXTERNAL_FILE;
    how.external_file = oxp_sprintf(j->arena, "%s.data", name);
    oxp_status s = oxp_open(&m, ctx, path);
    if (s == OXP_OK)
        s = oxp_save(m, to, &how, &saved);
    if (s != OXP_OK)
        oxp_reraise(ctx, s);
    oxp_close(m);
    oxp_diag_truncate(ctx, told);
    return to;
}

/* ---- in the parent ---- */

/* Tensors of AFTER that nodes of its main graph make and that BEFORE has, too. */
static oxp_id *shared_tensors(const oxp_verify_job *j, size_t *n) {
    const oxp_model *m = j->after, *b = j->before;
    const oxp_graph *g = oxp_graph_at(m, OXP_MAIN_GRAPH);
    oxp_map *names = oxp_map_new(j->arena);
    oxp_id *ids = OXP_NEWS(j->arena, TENSORS_MAX, oxp_id);
    *n = 0;
    for (oxp_id v = 0; v < oxp_value_count(b); v++) {
        const oxp_value *x = oxp_value_at(b, v);
        if (x->live && x->graph == OXP_MAIN_GRAPH && x->producer != OXP_NONE)
            oxp_map_put(names, oxp_hash_bytes(x->name, strlen(x->name)), v);
    }
    for (oxp_id node = g->first; node != OXP_NONE; node = oxp_node_at(m, node)->next) {
        const oxp_node *x = oxp_node_at(m, node);
        for (uint32_t k = 0; k < x->n_out; k++) {
            uint32_t other;
            const char *name = x->out[k] == OXP_NONE ? "" : oxp_value_at(m, x->out[k])->name;
            if (*name && *n < TENSORS_MAX &&
                oxp_map_get(names, oxp_hash_bytes(name, strlen(name)), &other) &&
                !strcmp(oxp_value_at(b, other)->name, name))
                ids[(*n)++] = x->out[k];
        }
    }
    return ids;
}

/* Bytes of the tensor in one of the two models, as BEFORE's analysis has them. */
static uint64_t bytes_of(const oxp_analysis *a, const oxp_map *sizes, const char *name) {
    uint32_t at;
    if (!oxp_map_get(sizes, oxp_hash_bytes(name, strlen(name)), &at))
        return 0;
    return a->values[at].bytes == UINT64_MAX ? 0 : a->values[at].bytes;
}

static oxp_map *values_by_name(const oxp_model *m, oxp_arena *arena) {
    oxp_map *map = oxp_map_new(arena);
    for (oxp_id v = 0; v < oxp_value_count(m); v++)
        if (oxp_value_at(m, v)->live && oxp_value_at(m, v)->graph == OXP_MAIN_GRAPH)
            oxp_map_put(
                map, oxp_hash_bytes(oxp_value_at(m, v)->name, strlen(oxp_value_at(m, v)->name)), v);
    return map;
}

/* Runs portion after portion; false when a model does not run this way. */
static bool look(probe *p) {
    oxp_verify_job *j = p->j;
    oxp_ctx *ctx = oxp_arena_ctx(j->arena);
    const oxp_analysis *a = oxp_case_analysis(&j->cases, p->at_case);
    const oxp_map *sizes = values_by_name(a->model, j->arena);
    for (p->first = 0; p->first < p->n; p->first = p->end) {
        uint64_t bytes = 0;
        size_t len;
        for (p->end = p->first; p->end < p->n; p->end++) {
            bytes = oxp_sat_add(bytes,
                                2 * bytes_of(a, sizes, oxp_value_at(p->m, p->ids[p->end])->name));
            if (bytes > portion_bytes && p->end > p->first)
                break;
        }
        const char *text = more_outputs(p, &len);
        append(p, p->files.a, &p->length[0], text, len);
        append(p, p->files.b, &p->length[1], text, len);
        if (oxp_child_run(ctx, work, p, &p->out->note, &j->limits) != OXP_CHILD_DONE)
            return false;
    }
    return true;
}

static bool is_damaged(const oxp_verify_job *j, const seen *s) {
    if (!s->compared)
        return s->other_shape;
    return s->n_inf || s->n_nan || s->worst > j->v->tolerance * s->largest;
}

static const char *describe(oxp_arena *a, const seen *s) {
    unsigned long long n = s->count;
    if (s->other_shape)
        return "its type or shape differs";
    if (s->n_inf)
        return oxp_sprintf(a,
                           "overflow: %llu of %llu values became infinite (largest before: %.3g)",
                           (unsigned long long)s->n_inf, n, s->largest);
    if (s->n_nan)
        return oxp_sprintf(a, "%llu of %llu values became NaN", (unsigned long long)s->n_nan, n);
    if (2 * s->n_flushed > s->count)
        return oxp_sprintf(a, "underflow: %llu of %llu values became 0 (largest before: %.3g)",
                           (unsigned long long)s->n_flushed, n, s->largest);
    return oxp_sprintf(a, "relative error %.2g (largest before: %.3g)", s->worst / s->largest,
                       s->largest);
}

/* 0 not known, 1 intact, 2 damaged, by value of AFTER. */
static uint8_t *states(const probe *p) {
    uint8_t *state = OXP_NEWS(p->j->arena, oxp_value_count(p->m) + 1, uint8_t);
    for (size_t i = 0; i < p->n; i++) {
        const seen *s = &p->out->at[i];
        if (s->compared || s->other_shape)
            state[p->ids[i]] = is_damaged(p->j, s) ? 2 : 1;
    }
    return state;
}

/* Values from which damage reaches an output: backwards from the damaged outputs, through damaged
 * values and those of which nothing is known. */
static bool *guilty_paths(const probe *p, const uint8_t *state) {
    const oxp_model *m = p->m;
    const oxp_graph *g = oxp_graph_at(m, OXP_MAIN_GRAPH);
    bool *on = OXP_NEWS(p->j->arena, oxp_value_count(m) + 1, bool);
    for (uint32_t i = 0; i < g->n_outputs; i++)
        on[g->outputs[i]] = state[g->outputs[i]] == 2;
    for (oxp_id n = g->last; n != OXP_NONE; n = oxp_node_at(m, n)->prev) {
        const oxp_node *x = oxp_node_at(m, n);
        bool leads = false;
        for (uint32_t k = 0; k < x->n_out; k++)
            leads |= x->out[k] != OXP_NONE && on[x->out[k]];
        for (uint32_t k = 0; leads && k < x->n_in; k++)
            if (x->in[k] != OXP_NONE)
                on[x->in[k]] |= state[x->in[k]] != 1;
    }
    return on;
}

/* Damaged outputs of nodes that read nothing damaged, in the order of the graph. */
static void find_origins(const probe *p, oxp_check *check) {
    const oxp_model *m = p->m;
    oxp_arena *arena = p->j->arena;
    uint8_t *state = states(p);
    const bool *on = guilty_paths(p, state);
    oxp_damage *found = OXP_NEWS(arena, DAMAGE_MAX, oxp_damage);
    bool *tainted = OXP_NEWS(arena, oxp_value_count(m) + 1, bool);
    oxp_map *index = oxp_map_new(arena);
    for (size_t i = 0; i < p->n; i++)
        oxp_map_put(index, p->ids[i], (uint32_t)i);
    for (oxp_id n = oxp_graph_at(m, OXP_MAIN_GRAPH)->first; n != OXP_NONE;
         n = oxp_node_at(m, n)->next) {
        const oxp_node *x = oxp_node_at(m, n);
        bool bad_input = false;
        for (uint32_t k = 0; k < x->n_in; k++)
            bad_input |= x->in[k] != OXP_NONE && tainted[x->in[k]];
        for (uint32_t k = 0; k < x->n_out; k++) {
            oxp_id v = x->out[k];
            uint32_t at;
            if (v == OXP_NONE || !on[v])
                continue;
            tainted[v] = state[v] == 2 || (state[v] == 0 && bad_input);
            if (state[v] != 2 || bad_input || check->n_damage == DAMAGE_MAX ||
                !oxp_map_get(index, v, &at))
                continue;
            const seen *s = &p->out->at[at];
            found[check->n_damage++] =
                (oxp_damage){oxp_node_label(m, n, arena), oxp_value_label(m, v, arena),
                             describe(arena, s), s->largest > 0 ? s->worst / s->largest : 0};
        }
    }
    check->damage = found;
}

void oxp_find_damage(oxp_verify_job *j, const oxp_files *f, size_t at_case, oxp_check *check) {
    probe p = {.j = j, .files = *f, .at_case = at_case, .m = j->after, .length = {-1, -1}};
    p.ids = shared_tensors(j, &p.n);
    oxp_shared *s = oxp_shared_new(j->arena, sizeof(shared) + p.n * sizeof(seen));
    p.out = s->at;
    p.files.a = copy_of(j, f->a, "before-probe.onnx");
    p.files.b = copy_of(j, f->b, "after-probe.onnx");
    if (look(&p))
        find_origins(&p, check);
    for (size_t i = 0; i < p.n; i++)
        check->n_compared += p.out->at[i].compared;
    oxp_shared_free(j->arena, s);
}
