/* test_testdata.c - ONNX's own models with recorded outputs (Debian's libonnx-testdata).
 *
 * Each model is walked three times, its declared output types taken away: with the types of the
 * recorded inputs, with their values too, and with names for the sizes.  The first walk must
 * contradict nothing; the second must give exactly the recorded types and shapes, and where it
 * propagated elements, their values; the expressions of the third, evaluated for the recorded
 * sizes, must contradict nothing. The environment variable ONNXPERT_TESTDATA names another folder
 * of such models (those of a newer release come from `backend-test-tools generate-data`). The same
 * is done with the models of fixtures/runtime. Exempt are outputs whose shape depends on what the
 * values are computed to, listed by name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "analysis/infer.h"
#include "model/model_impl.h"
#include "onnx.pb-c.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_IO 64

/* What is recorded of a value. */
typedef struct record {
    oxp_kind kind;
    oxp_dtype elem;
    int rank;
    oxp_dim *dims;
    oxp_elem *elems; /* NULL: too long or of a type that is not decoded */
    uint32_t n_elems;
    uint64_t given; /* elements of the odd type it was replaced by */
    bool empty;     /* an optional without a value, a sequence without items */
    oxp_type type, of;
    oxp_type symbolic; /* the same with a name for each size but 0 and 1, equal sizes alike */
} record;

typedef struct job {
    const char *dir, *name;
    oxp_ctx *ctx;
    oxp_arena *arena;
    oxp_model *model;
    record in[MAX_IO], out[MAX_IO];
    uint32_t n_in, n_out;
    bool values, symbolic, hostile;
    uint64_t seed;
    int bad, unknown, unnamed;
    const oxp_inferred *got;
} job;

/* Outputs whose shape follows from values that are not propagated; the rank must be right. */
static const char *const exempt[][2] = {
#include "unit/testdata_exempt.inc"
};

/* ---- files ---- */
static uint8_t *read_all(const char *path, size_t *n) {
    FILE *f = fopen(path, "rb");
    if (!f)
        return NULL;
    fseek(f, 0, SEEK_END);
    long size = ftell(f);
    rewind(f);
    uint8_t *p = malloc((size_t)size + 1);
    *n = p ? fread(p, 1, (size_t)size, f) : 0;
    fclose(f);
    return p;
}

static double half(uint16_t h) {
    int e = h >> 10 & 31, m = h & 1023;
    double v = e == 31 ? (m ? NAN : INFINITY) : e ? ldexp(1024 + m, e - 25) : ldexp(m, -24);
    return h >> 15 ? -v : v;
}

static bool raw_elem(oxp_dtype t, const uint8_t *p, size_t i, oxp_elem *e) {
    uint64_t u = 0;
    unsigned bytes = oxp_dtype_bits(t) / 8;
    if (bytes == 0 || bytes > 8)
        return false;
    memcpy(&u, p + i * bytes, bytes);
    if (t == OXP_FLOAT) {
        float f;
        memcpy(&f, &u, 4);
        *e = oxp_elem_float((double)f, t);
    } else if (t == OXP_BFLOAT16) {
        float f;
        u <<= 16;
        memcpy(&f, &u, 4);
        *e = oxp_elem_float((double)f, t);
    } else if (t == OXP_DOUBLE) {
        double d;
        memcpy(&d, &u, 8);
        *e = oxp_elem_float(d, t);
    } else if (t == OXP_FLOAT16) {
        *e = oxp_elem_float(half((uint16_t)u), t);
    } else if (oxp_dtype_is_integer(t) || t == OXP_BOOL) {
        bool sign = t == OXP_INT8 || t == OXP_INT16 || t == OXP_INT32;
        int64_t v = (int64_t)u;
        if (sign && (u >> (bytes * 8 - 1)))
            v = (int64_t)(u | ~(uint64_t)0 << (bytes * 8));
        *e = t == OXP_UINT64 && v < 0 ? oxp_elem_unknown() : oxp_elem_int(oxp_dim_literal(v));
    } else {
        return false;
    }
    return true;
}

static bool typed_elem(const Onnx__TensorProto *t, oxp_dtype d, size_t i, oxp_elem *e) {
    if (d == OXP_FLOAT && i < t->n_float_data)
        *e = oxp_elem_float((double)t->float_data[i], d);
    else if (d == OXP_DOUBLE && i < t->n_double_data)
        *e = oxp_elem_float(t->double_data[i], d);
    else if (d == OXP_INT64 && i < t->n_int64_data)
        *e = oxp_elem_int(oxp_dim_literal(t->int64_data[i]));
    else if ((d == OXP_INT32 || d == OXP_BOOL || d == OXP_INT8 || d == OXP_UINT8 ||
              d == OXP_INT16 || d == OXP_UINT16) &&
             i < t->n_int32_data)
        *e = oxp_elem_int(oxp_dim_literal(t->int32_data[i]));
    else
        return false;
    return true;
}

static void read_elems(job *j, record *r, const Onnx__TensorProto *t) {
    uint64_t n = 1;
    for (int i = 0; i < r->rank; i++)
        n *= (uint64_t)r->dims[i];
    if (n > OXP_ELEMS_MAX)
        return;
    oxp_elem *e = OXP_NEWS(j->arena, n + 1, oxp_elem);
    size_t bytes = oxp_dtype_bits(r->elem) / 8;
    bool raw = t->has_raw_data && t->raw_data.len >= n * bytes;
    for (uint64_t i = 0; i < n; i++)
        if (!(raw ? raw_elem(r->elem, t->raw_data.data, i, &e[i])
                  : typed_elem(t, r->elem, i, &e[i])))
            return;
    r->elems = e;
    r->n_elems = (uint32_t)n;
}

static bool read_tensor(job *j, record *r, const uint8_t *p, size_t n) {
    Onnx__TensorProto *t = onnx__tensor_proto__unpack(NULL, n, p);
    if (!t)
        return false;
    r->kind = OXP_KIND_TENSOR;
    r->elem = (oxp_dtype)t->data_type;
    r->rank = (int)t->n_dims;
    r->dims = OXP_NEWS(j->arena, t->n_dims + 1, oxp_dim);
    for (size_t i = 0; i < t->n_dims; i++)
        r->dims[i] = t->dims[i];
    read_elems(j, r, t);
    onnx__tensor_proto__free_unpacked(t, NULL);
    r->type = (oxp_type){OXP_KIND_TENSOR, r->elem, r->rank, r->dims, NULL};
    return true;
}

/* The n-th message with this field number in a SequenceProto or OptionalProto. */
static const uint8_t *field(const uint8_t *p, size_t n, unsigned number, size_t nth, size_t *len) {
    size_t i = 0;
    while (i < n) {
        uint64_t v[2] = {0, 0};
        for (int k = 0; k < 2; k++) {
            unsigned shift = 0;
            do
                v[k] |= (uint64_t)(p[i] & 127) << shift, shift += 7;
            while (i < n && p[i++] & 128 && shift < 64);
            if (k == 0 && (v[0] & 7) != 2)
                k = 1, v[1] = 0; /* a number: its varint is read as the next key's place */
        }
        if ((v[0] & 7) == 0) {
            while (i < n && p[i] & 128)
                i++;
            i++;
            continue;
        }
        if (v[1] > n - i)
            return NULL;
        if (v[0] >> 3 == number && nth-- == 0) {
            *len = (size_t)v[1];
            return p + i;
        }
        i += (size_t)v[1];
    }
    return NULL;
}

/* Tensors of a sequence: the first one's type, dims kept where all agree. */
static bool read_sequence(job *j, record *r, const uint8_t *p, size_t n) {
    size_t len;
    const uint8_t *item = field(p, n, 3, 0, &len);
    r->kind = OXP_KIND_SEQUENCE;
    r->empty = item == NULL;
    if (!item)
        return true;
    record first = {0};
    if (!read_tensor(j, &first, item, len))
        return false;
    for (size_t i = 1; (item = field(p, n, 3, i, &len)) != NULL; i++) {
        record next = {0};
        if (!read_tensor(j, &next, item, len))
            return false;
        if (next.rank != first.rank)
            first.rank = -1;
        for (int k = 0; k < first.rank; k++)
            if (next.dims[k] != first.dims[k])
                first.dims[k] = OXP_DIM_UNKNOWN;
    }
    r->of = first.type;
    r->of.rank = first.rank;
    r->type = (oxp_type){OXP_KIND_SEQUENCE, 0, -1, NULL, &r->of};
    return true;
}

static bool read_record(job *j, record *r, const char *kind, uint32_t i, const oxp_type *declared) {
    char path[600];
    size_t n;
    snprintf(path, sizeof path, "%s/test_data_set_0/%s_%u.pb", j->dir, kind, i);
    uint8_t *p = read_all(path, &n);
    if (!p)
        return false;
    bool ok = false;
    if (!declared || declared->kind == OXP_KIND_TENSOR)
        ok = read_tensor(j, r, p, n);
    if (ok && declared && declared->elem == OXP_BFLOAT16 && r->elem == OXP_UINT16) {
        /* older releases recorded bfloat16 as the bits in uint16 */
        r->elem = r->type.elem = OXP_BFLOAT16;
        r->elems = NULL;
    } else if (declared && declared->kind == OXP_KIND_SEQUENCE)
        ok = read_sequence(j, r, p, n);
    free(p);
    return ok;
}

/* ---- the walk ---- */
static const record *record_of(const job *j, oxp_id value) {
    const oxp_graph *g = oxp_graph_at(j->model, OXP_MAIN_GRAPH);
    uint32_t at = 0;
    for (uint32_t i = 0; i < g->n_inputs && at < j->n_in; i++)
        if (g->inputs[i] == value)
            return j->in[i].kind ? &j->in[i] : NULL;
    return NULL;
}

static uint64_t next(job *j) {
    j->seed = j->seed * 6364136223846793005u + 1442695040888963407u;
    return j->seed >> 33;
}

/* Numbers that no sane file holds beside some that it may. */
static int64_t odd(job *j) {
    static const int64_t v[] = {0, 1,         -1,        2,         3,    -2,        64,
                                7, INT64_MAX, INT64_MIN, INT32_MAX, 4096, INT32_MIN, 1LL << 40};
    return v[next(j) % (sizeof v / sizeof *v)];
}

/* A type of any rank with any sizes, sometimes of another kind. */
static const oxp_type *odd_type(job *j, const record *r) {
    oxp_type *t = OXP_NEW(j->arena, oxp_type);
    oxp_dim *d = OXP_NEWS(j->arena, 10, oxp_dim);
    *t = (oxp_type){OXP_KIND_TENSOR, r ? r->elem : OXP_FLOAT, (int)(next(j) % 8) - 1, d, NULL};
    if (next(j) % 4 == 0)
        t->elem = (oxp_dtype)(next(j) % OXP_DTYPE_COUNT);
    if (next(j) % 2 && r && r->kind == OXP_KIND_TENSOR && r->rank < 9)
        t->rank = r->rank;
    for (int i = 0; i < t->rank; i++) {
        int64_t v = odd(j);
        d[i] = v < 0 ? OXP_DIM_UNKNOWN : v;
        if (r && t->rank == r->rank && next(j) % 2)
            d[i] = r->dims[i];
        if (next(j) % 8 == 0)
            d[i] = oxp_dim_symbol(oxp_model_dims(j->model), "N");
    }
    if (next(j) % 16 == 0)
        t->kind = (oxp_kind)(next(j) % (OXP_KIND_OPAQUE + 1));
    return t;
}

/* Some attributes of integers get odd values. */
static void spoil(job *j) {
    for (oxp_id n = 0; n < j->model->n_nodes; n++) {
        oxp_node *node = &j->model->nodes[n];
        oxp_attr *a = OXP_NEWS(j->arena, node->n_attr + 1, oxp_attr);
        for (uint32_t i = 0; i < node->n_attr; i++) {
            a[i] = node->attrs[i];
            if (next(j) % 2)
                continue;
            if (a[i].type == OXP_ATTR_INT)
                a[i].u.i = odd(j);
            else if (a[i].type == OXP_ATTR_FLOAT)
                a[i].u.f = (float)odd(j);
            else if (a[i].type == OXP_ATTR_INTS) {
                int64_t *v = OXP_NEWS(j->arena, a[i].n + 2, int64_t);
                a[i].n = next(j) % 3 ? a[i].n : a[i].n + 1;
                for (size_t k = 0; k < a[i].n; k++)
                    v[k] = odd(j);
                a[i].u.ints = v;
            }
        }
        node->attrs = a;
    }
}

static const oxp_type *input_type(const void *arg, oxp_id value) {
    const job *j = arg;
    const record *r = record_of(j, value);
    if (j->hostile) {
        const oxp_type *t = odd_type((job *)(uintptr_t)arg, r);
        oxp_fact f = {.type = *t};
        uint64_t n;
        if (r)
            ((record *)(uintptr_t)r)->given = oxp_elements_literal(&f, &n) ? n : UINT64_MAX;
        return t;
    }
    if (j->symbolic && r && r->symbolic.kind)
        return &r->symbolic;
    return r && r->type.kind && !r->empty ? &r->type : NULL;
}

static void name_dims(job *j, record *r) {
    oxp_dim *d = OXP_NEWS(j->arena, (size_t)r->rank + 1, oxp_dim);
    for (int i = 0; i < r->rank; i++) {
        d[i] = r->dims[i];
        if (d[i] > 1)
            d[i] = oxp_dim_symbol(oxp_model_dims(j->model),
                                  oxp_sprintf(j->arena, "s%lld", (long long)d[i]));
    }
    r->symbolic = r->type;
    r->symbolic.dims = d;
}

static int64_t size_of_name(const void *arg, const char *name) {
    (void)arg;
    return name[0] == 's' ? strtoll(name + 1, NULL, 10) : -1;
}

/* The type under the sizes that the names stand for. */
static oxp_type evaluated(job *j, const oxp_type *t) {
    oxp_type out = *t;
    oxp_dim *d = OXP_NEWS(j->arena, (size_t)(t->rank > 0 ? t->rank : 0) + 1, oxp_dim);
    for (int i = 0; i < t->rank; i++)
        d[i] = oxp_dim_eval(oxp_model_dims(j->model), t->dims[i], size_of_name, NULL);
    out.dims = d;
    return out;
}

static const oxp_elem *input_elems(const void *arg, oxp_id value, uint32_t *n) {
    const job *j = arg;
    const record *r = record_of(j, value);
    if (j->hostile && r && r->elems && r->given == r->n_elems && next((job *)(uintptr_t)arg) % 2) {
        oxp_elem *e = OXP_NEWS(j->arena, r->n_elems + 1, oxp_elem);
        for (uint32_t i = 0; i < r->n_elems; i++)
            e[i] = oxp_elem_int(oxp_dim_literal(odd((job *)(uintptr_t)arg)));
        *n = r->n_elems;
        return e;
    }
    if (!j->values || !r || !r->elems)
        return NULL;
    *n = r->n_elems;
    return r->elems;
}

static void infer(void *arg) {
    job *j = arg;
    oxp_infer_opts *o = OXP_NEW(j->arena, oxp_infer_opts);
    *o = (oxp_infer_opts){.input = input_type, .elems = input_elems, .arg = j};
    j->got = oxp_infer(j->model, o, j->arena);
}

/* ---- the comparison ---- */
static bool is_exempt(const char *name) {
    for (size_t i = 0; i < sizeof exempt / sizeof *exempt; i++)
        if (exempt[i][0] && strcmp(exempt[i][0], name) == 0)
            return true;
    return false;
}

static void complain(job *j, const char *what, const oxp_type *t, const oxp_type *want) {
    char line[512];
    int n = snprintf(line, sizeof line, "%s%s: %s: %s rank %d [", j->name,
                     j->values     ? " (values)"
                     : j->symbolic ? " (symbolic)"
                                   : "",
                     what, oxp_dtype_name(t->elem), t->rank);
    for (int i = 0; i < t->rank && n < 300; i++)
        n += snprintf(line + n, 512 - (size_t)n, " %s",
                      oxp_dim_text(oxp_model_dims(j->model), t->dims[i], j->arena));
    n += snprintf(line + n, 512 - (size_t)n, " ], recorded %s rank %d [",
                  oxp_dtype_name(want->elem), want->rank);
    for (int i = 0; i < want->rank && n < 480; i++)
        n += snprintf(line + n, 512 - (size_t)n, " %lld", (long long)want->dims[i]);
    print_error("%s ]\n", line);
}

/* A tensor type against the recorded one: counts contradictions and unknowns. */
static void compare(job *j, const oxp_type *t, const oxp_type *want) {
    bool bad = t->elem != OXP_UNDEFINED && t->elem != want->elem,
         unknown = t->elem == OXP_UNDEFINED;
    if (t->rank < 0 || want->rank < 0)
        unknown |= t->rank < 0 && want->rank >= 0;
    else if (t->rank != want->rank)
        bad = true;
    for (int i = 0; !bad && t->rank >= 0 && i < want->rank; i++) {
        if (!oxp_dim_is_literal(t->dims[i]))
            unknown |= want->dims[i] != OXP_DIM_UNKNOWN;
        else
            bad |= want->dims[i] != t->dims[i];
    }
    if (bad) {
        complain(j, "contradicts", t, want);
        j->bad++;
    } else if (unknown && j->values && !is_exempt(j->name)) {
        complain(j, "unknown", t, want);
        j->bad++;
    } else if (unknown && !j->symbolic) {
        j->unknown++;
    } else if (unknown) {
        j->unnamed++;
    }
}

static void compare_elems(job *j, const oxp_fact *f, const record *r) {
    if (!f->elems || !r->elems || f->n_elems != r->n_elems)
        return;
    for (uint32_t i = 0; i < f->n_elems; i++) {
        oxp_elem a = f->elems[i], b = r->elems[i];
        if (!a.known || !b.known || !oxp_dim_is_literal(b.i) != !oxp_dim_is_literal(a.i))
            continue;
        bool same = oxp_dim_is_literal(b.i) ? a.i == b.i
                                            : (isnan(a.f) && isnan(b.f)) || a.f == b.f ||
                                                  fabs(a.f - b.f) <= 2e-3 * fabs(b.f) + 1e-6;
        if (!same) {
            print_error("%s: element %u is %lld / %g, recorded %lld / %g\n", j->name, i,
                        (long long)a.i, a.f, (long long)b.i, b.f);
            j->bad++;
            return;
        }
    }
}

static void check_outputs(job *j) {
    const oxp_graph *g = oxp_graph_at(j->model, OXP_MAIN_GRAPH);
    for (uint32_t i = 0; i < g->n_outputs && i < MAX_IO; i++) {
        const record *r = &j->out[i];
        if (!r->kind || r->empty)
            continue;
        const oxp_fact *f = &j->got->facts[g->outputs[i]];
        static const oxp_type nothing = {.rank = -1};
        const oxp_type *t = &f->type;
        if (t->kind != OXP_KIND_UNKNOWN && t->kind != r->kind) {
            complain(j, "another kind", t, &r->type);
            j->bad++;
        } else if (r->kind == OXP_KIND_SEQUENCE) {
            compare(j, t->of ? t->of : &nothing, &r->of);
        } else {
            oxp_type now = evaluated(j, t->kind ? t : &nothing);
            compare(j, &now, &r->type);
            if (!j->symbolic)
                compare_elems(j, f, r);
        }
    }
}

static void read_records(job *j) {
    const oxp_graph *g = oxp_graph_at(j->model, OXP_MAIN_GRAPH);
    uint32_t file = 0;
    for (uint32_t i = 0; i < g->n_inputs && i < MAX_IO; i++) {
        const oxp_value *v = oxp_value_at(j->model, g->inputs[i]);
        if (v->tensor == OXP_NONE && read_record(j, &j->in[i], "input", file++, v->declared))
            j->n_in = i + 1;
        if (j->in[i].kind == OXP_KIND_TENSOR)
            name_dims(j, &j->in[i]);
    }
    for (uint32_t i = 0; i < g->n_outputs && i < MAX_IO; i++)
        (void)read_record(j, &j->out[i], "output", i,
                          oxp_value_at(j->model, g->outputs[i])->declared);
    for (oxp_id i = 0; i < j->model->n_values; i++)
        if (!j->model->values[i].is_input)
            j->model->values[i].declared = NULL;
}

/* Walks with odd types, values and attributes: whatever comes out, nothing may break. */
static void run_hostile(job *j) {
    for (int pass = 0; pass < 4; pass++) {
        j->seed = j->seed * 31 + (uint64_t)pass;
        spoil(j);
        if (oxp_try(j->ctx, infer, j) != OXP_OK) {
            print_error("%s: %s\n", j->name, oxp_error_text(j->ctx));
            j->bad++;
        }
    }
}

/* Number of disagreements of one model, -1 when the folder holds none. */
static int run(const char *dir, const char *name, bool hostile, int unknown[2]) {
    char path[600];
    snprintf(path, sizeof path, "%s/model.onnx", dir);
    FILE *f = fopen(path, "rb");
    if (!f)
        return -1;
    fclose(f);
    job *j = calloc(1, sizeof *j);
    j->dir = dir;
    j->name = name;
    j->ctx = oxp_ctx_new(0);
    j->arena = oxp_arena_new(j->ctx);
    if (oxp_open(&j->model, j->ctx, path) != OXP_OK) {
        print_error("%s: %s\n", name, oxp_error_text(j->ctx));
        j->bad++;
    } else {
        read_records(j);
        j->hostile = hostile;
        for (const char *p = name; *p; p++)
            j->seed = j->seed * 131 + (uint64_t)*p;
        if (hostile)
            run_hostile(j);
        for (int pass = 0; pass < 3 && !hostile; pass++) {
            j->values = pass == 1;
            j->symbolic = pass == 2;
            if (oxp_try(j->ctx, infer, j) != OXP_OK) {
                print_error("%s: %s\n", name, oxp_error_text(j->ctx));
                j->bad++;
                break;
            }
            check_outputs(j);
        }
        for (size_t i = 0; i < oxp_diag_count(j->ctx) && !hostile; i++) {
            const oxp_diag *d = oxp_diag_at(j->ctx, i);
            if (d->severity == OXP_ERROR) {
                print_error("%s: %s: %s: %s\n", name, d->code, d->where, d->text);
                j->bad++;
            }
        }
    }
    int bad = j->bad;
    unknown[0] += j->unknown;
    unknown[1] += j->unnamed;
    oxp_ctx_free(j->ctx);
    free(j);
    return bad;
}

/* All models below a folder; number of them. */
static int run_all(const char *from, bool hostile, int *bad) {
    static const char *const folders[] = {"node", "simple", "pytorch-converted",
                                          "pytorch-operator"};
    int models = 0, unknown[2] = {0, 0};
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        char top[400], dir[520];
        snprintf(top, sizeof top, "%.200s/%s", from, folders[i]);
        DIR *d = opendir(top);
        for (struct dirent *e; d && (e = readdir(d)) != NULL;) {
            if (e->d_name[0] == '.')
                continue;
            snprintf(dir, sizeof dir, "%s/%.100s", top, e->d_name);
            int n = run(dir, e->d_name, hostile, unknown);
            models += n >= 0;
            *bad += n > 0;
        }
        if (d)
            closedir(d);
    }
    print_message("%s: %d models, %d wrong; unknown without values %d, with names %d\n", from,
                  models, *bad, unknown[0], unknown[1]);
    return models;
}

static void test_installed(void **state) {
    const char *other = getenv("ONNXPERT_TESTDATA"), *from = other ? other : ONNXPERT_TESTDATA;
    int bad = 0;
    (void)state;
    if (run_all(from, false, &bad) == 0) {
        print_message("libonnx-testdata is not installed: nothing to compare with\n");
        skip();
    }
    assert_int_equal(bad, 0);
}

/* com.microsoft, ai.onnx.ml and old opsets, recorded in ONNX Runtime. */
static void test_runtime(void **state) {
    int bad = 0;
    (void)state;
    assert_true(run_all("fixtures/runtime", false, &bad) > 100);
    assert_int_equal(bad, 0);
}

static void test_odd(void **state) {
    int bad = 0;
    (void)state;
    assert_true(run_all("fixtures/runtime", true, &bad) > 100);
    run_all(ONNXPERT_TESTDATA, true, &bad);
    if (getenv("ONNXPERT_TESTDATA"))
        run_all(getenv("ONNXPERT_TESTDATA"), true, &bad);
    assert_int_equal(bad, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_installed),
                                       cmocka_unit_test(test_runtime), cmocka_unit_test(test_odd)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
