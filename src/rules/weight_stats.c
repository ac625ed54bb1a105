/* weight_stats.c - statistics of constants for rules. */
#include "rules/weight_stats.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/intern.h"
#include "base/safe_math.h"
#include "model/convert.h"
#include "model/payload.h"

enum { RAW_WINDOW = 1 << 16 };

/* Of a tensor; by channel of one axis. */
typedef struct known {
    oxp_id tensor;
    int axis; /* -1: of the whole */
    oxp_tensor_stats range;
    double sum, energy; /* of finite elements */
    uint64_t finite;
    size_t channels;
    double *peak;    /* largest magnitude by channel */
    double *squares; /* sum of squares by channel */
} known;

struct oxp_weight_stats {
    const oxp_model *m;
    oxp_arena *arena;
    uint64_t left;  /* bytes that may still be read */
    oxp_map *index; /* (tensor, axis) -> position in items */
    known **items;
    size_t n, cap;
    oxp_map *ranks; /* tensor -> rank + 1; 0: unknown */
    oxp_map *twins; /* content hash -> initializer's tensor */
    oxp_map *twin_of;
};

oxp_weight_stats *oxp_weight_stats_new(const oxp_model *m, oxp_arena *arena) {
    oxp_weight_stats *s = OXP_NEW(arena, oxp_weight_stats);
    s->m = m;
    s->arena = arena;
    s->left = OXP_STATS_BYTES_MAX;
    s->index = oxp_map_new(arena);
    s->ranks = oxp_map_new(arena);
    return s;
}

static bool readable(const oxp_weight_stats *s, oxp_id tensor) {
    if (tensor == OXP_NONE)
        return false;
    const oxp_tensor *t = oxp_tensor_at(s->m, tensor);
    return t->count && t->dtype != OXP_STRING && oxp_tensor_readable(s->m, tensor);
}

/* Takes the tensor's bytes from what may be read. */
static bool afford(oxp_weight_stats *s, oxp_id tensor) {
    uint64_t bytes = oxp_tensor_at(s->m, tensor)->bytes;
    if (bytes > s->left)
        return false;
    s->left -= bytes;
    return true;
}

/* ---- streaming ---- */
typedef struct stream {
    oxp_payload p;
    oxp_eval *eval;
    const oxp_tensor *t;
    double *v;
    uint64_t at;
    size_t n;
} stream;

static void stream_open(stream *r, const oxp_weight_stats *s, oxp_id tensor, oxp_arena *scratch) {
    memset(r, 0, sizeof *r);
    r->t = oxp_tensor_at(s->m, tensor);
    size_t n = r->t->count < OXP_WINDOW_ELEMS ? (size_t)r->t->count : OXP_WINDOW_ELEMS;
    oxp_payload_open(&r->p, s->m, tensor);
    r->eval = oxp_eval_new(scratch, n);
    oxp_eval_start(r->eval, &r->p);
    r->v = OXP_NEWS(scratch, n + 8, double);
}

/* The next elements in r->v[0..r->n), the first of them is number r->at; false at the end. */
static bool stream_next(stream *r, const oxp_weight_stats *s, oxp_id tensor) {
    r->at += r->n;
    uint64_t left = r->t->count - r->at;
    r->n = left < OXP_WINDOW_ELEMS ? (size_t)left : OXP_WINDOW_ELEMS;
    if (!r->n)
        return false;
    const uint8_t *bytes = oxp_payload_eval(&r->p, r->eval, r->at, r->n);
    if (!bytes)
        oxp_payload_fail(s->m, tensor);
    oxp_decode(r->t->dtype, bytes, r->n, r->v);
    return true;
}

/* ---- whole and by channel ---- */
static void add_run(known *k, size_t channel, const double *v, size_t n) {
    double peak = 0, sum = 0, energy = 0;
    for (size_t i = 0; i < n; i++) {
        double x = v[i], a = fabs(x);
        if (!(a <= 1.7976931348623157e308)) /* NaN and infinity */
            continue;
        k->finite++;
        peak = a > peak ? a : peak;
        sum += x;
        energy += x * x;
    }
    k->sum += sum;
    k->energy += energy;
    if (!k->channels)
        return;
    if (peak > k->peak[channel])
        k->peak[channel] = peak;
    k->squares[channel] += energy;
}

/* Elements r->v in runs of the same channel: `inner` elements each. */
static void add_window(known *k, const stream *r, uint64_t inner) {
    size_t i = 0;
    while (i < r->n) {
        uint64_t at = r->at + i, left = k->channels ? inner - at % inner : r->n;
        size_t run = left < r->n - i ? (size_t)left : r->n - i;
        add_run(k, k->channels ? (size_t)(at / inner % k->channels) : 0, r->v + i, run);
        i += run;
    }
}

static known *compute(oxp_weight_stats *s, oxp_id tensor, int axis) {
    const oxp_tensor *t = oxp_tensor_at(s->m, tensor);
    known *k = OXP_NEW(s->arena, known);
    uint64_t inner = 1;
    stream r;
    k->tensor = tensor;
    k->axis = axis;
    if (axis >= 0) {
        for (int i = axis + 1; i < t->rank; i++)
            inner *= (uint64_t)t->dims[i];
        k->channels = (size_t)t->dims[axis]; /* at most t->count, whose bytes are there */
        k->peak = OXP_NEWS(s->arena, k->channels, double);
        k->squares = OXP_NEWS(s->arena, k->channels, double);
    } else
        oxp_tensor_scan(s->m, tensor, &k->range);
    oxp_arena *scratch = oxp_arena_new(oxp_arena_ctx(s->arena));
    stream_open(&r, s, tensor, scratch);
    while (stream_next(&r, s, tensor))
        add_window(k, &r, inner);
    oxp_arena_free(scratch);
    return k;
}

static const known *known_of(oxp_weight_stats *s, oxp_id tensor, int axis) {
    uint64_t key = (uint64_t)tensor << 8 | (uint64_t)(axis + 1);
    uint32_t at;
    if (oxp_map_get(s->index, key, &at))
        return s->items[at];
    known *k = afford(s, tensor) ? compute(s, tensor, axis) : NULL;
    s->items = oxp_grow(s->arena, s->items, &s->cap, s->n + 1, sizeof *s->items);
    s->items[s->n] = k;
    oxp_map_set(s->index, key, (uint32_t)s->n++);
    return k;
}

/* ---- effective rank ---- */
static uint64_t scramble(uint64_t x) { /* splitmix64 (Steele et al. 2014) */
    x += 0x9E3779B97F4A7C15u;
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9u;
    x = (x ^ x >> 27) * 0x94D049BB133111EBu;
    return x ^ x >> 31;
}

typedef struct side {
    uint64_t size;
    size_t kept;
    uint64_t seed;
} side;

static side side_of(uint64_t size, bool is_long, bool exact, uint64_t seed) {
    size_t max = is_long ? OXP_RANK_SKETCH_LONG : OXP_RANK_SKETCH_SHORT;
    return (side){size, exact || size < max ? (size_t)size : max, seed};
}

/* Where an index of a side goes in the sketch, and with which sign: a sum of rows (columns) with
 * random signs each (Charikar et al. 2002, CountSketch), which keeps the energy of the spectrum in
 * expectation. */
static size_t bucket(const side *d, uint64_t i, double *sign) {
    if (d->kept == d->size)
        return (size_t)i;
    uint64_t h = scramble(i ^ d->seed);
    *sign = h & 1 ? -*sign : *sign;
    return (size_t)((h >> 1) % d->kept);
}

/* The rank + 1, or 0 when it cannot be told. */
static uint32_t rank_of(oxp_weight_stats *s, oxp_id tensor) {
    const oxp_tensor *t = oxp_tensor_at(s->m, tensor);
    if (t->rank < 2 || !afford(s, tensor))
        return 0;
    uint64_t rows = (uint64_t)t->dims[0], cols = t->count / rows;
    uint64_t least = rows < cols ? rows : cols, most = rows < cols ? cols : rows;
    bool exact = least <= OXP_RANK_EXACT_SHORT && most <= OXP_RANK_EXACT_LONG;
    side down = side_of(rows, rows > cols, exact, 1),
         across = side_of(cols, rows <= cols, exact, 2);
    oxp_arena *scratch = oxp_arena_new(oxp_arena_ctx(s->arena));
    float *m = OXP_NEWS(scratch, down.kept * across.kept, float);
    stream r;
    bool finite = true;
    stream_open(&r, s, tensor, scratch);
    while (stream_next(&r, s, tensor))
        for (size_t i = 0; i < r.n; i++) {
            double sign = 1;
            size_t y = bucket(&down, (r.at + i) / cols, &sign),
                   x = bucket(&across, (r.at + i) % cols, &sign);
            finite &= fabs(r.v[i]) < 1e18;
            m[y * across.kept + x] += (float)(sign * r.v[i]);
        }
    size_t rank = oxp_energy_rank(m, down.kept, across.kept, 0.9, scratch);
    size_t shorter = down.kept < across.kept ? down.kept : across.kept;
    oxp_arena_free(scratch);
    if (!finite)
        return 0;
    /* A sketch tells ranks well below its size: near it, every matrix looks the same. */
    bool whole = down.kept == rows && across.kept == cols;
    return whole || rank <= shorter / 4 ? (uint32_t)rank + 1 : 0;
}

static double rank_stat(oxp_weight_stats *s, oxp_id tensor) {
    uint32_t rank;
    if (!oxp_map_get(s->ranks, tensor, &rank)) {
        rank = rank_of(s, tensor);
        oxp_map_set(s->ranks, tensor, rank);
    }
    return rank ? (double)rank - 1 : NAN;
}

/* ---- the statistics by name ---- */
static const char *const of_all[] = {"min",        "max",   "abs_max",  "over_half",
                                     "not_finite", "zeros", "sub_half", "vanish",
                                     "mean",       "rms",   "outliers"};
static const char *const by_channel[] = {"spread", "weak_channels", "int8_error",
                                         "int8_channel_error"};
enum {
    N_OF_ALL = sizeof of_all / sizeof *of_all,
    N_BY_CHANNEL = sizeof by_channel / sizeof *by_channel
};

static bool in_list(const char *const *list, size_t n, const char *what) {
    for (size_t i = 0; i < n; i++)
        if (!strcmp(list[i], what))
            return true;
    return false;
}

bool oxp_weight_stat_known(const char *what) {
    return !strcmp(what, "rank") || in_list(of_all, N_OF_ALL, what) ||
           in_list(by_channel, N_BY_CHANNEL, what);
}

static double whole_stat(const known *k, uint64_t count, const char *what) {
    const oxp_tensor_stats *r = &k->range;
    double n = (double)count, rms = k->finite ? sqrt(k->energy / (double)k->finite) : NAN;
    const double values[N_OF_ALL] = {r->min,
                                     r->max,
                                     r->abs_max,
                                     (double)r->n_over_half,
                                     (double)r->n_nan + (double)r->n_inf,
                                     (double)r->n_zero / n,
                                     (double)r->n_sub_half / n,
                                     (double)r->n_zero_half / n,
                                     k->finite ? k->sum / (double)k->finite : NAN,
                                     rms,
                                     rms > 0 ? r->abs_max / rms : NAN};
    for (size_t i = 0; i < N_OF_ALL; i++)
        if (!strcmp(of_all[i], what))
            return values[i];
    return NAN;
}

static int rising(const void *x, const void *y) {
    double a = *(const double *)x, b = *(const double *)y;
    return (a > b) - (a < b);
}

static double median_energy(oxp_weight_stats *s, const known *k) {
    oxp_mark mark = oxp_arena_mark(s->arena);
    double *sorted = OXP_NEWS(s->arena, k->channels + 1, double);
    memcpy(sorted, k->squares, k->channels * sizeof *sorted);
    qsort(sorted, k->channels, sizeof *sorted, rising);
    double median = sorted[k->channels / 2];
    oxp_arena_rewind(s->arena, mark);
    return median;
}

/* Error of symmetric rounding to 255 steps: a step of peak / 127 has the variance step^2 / 12;
 * against the root mean square of each channel, at most 1; their quadratic mean.  Channels below a
 * thousandth of the median's norm are dead, and nobody misses them.  `one` peak for all, or (0)
 * each its own. */
static double int8_error(const known *k, double median, double one) {
    double sum = 0, n = 0, each = (double)k->finite / (double)k->channels;
    for (size_t i = 0; i < k->channels; i++) {
        if (k->squares[i] <= 1e-6 * median)
            continue;
        double step = (one > 0 ? one : k->peak[i]) / 127;
        sum += fmin(1, step * step / 12 * each / k->squares[i]);
        n++;
    }
    return n > 0 ? sqrt(sum / n) : 0;
}

static double channel_stat(oxp_weight_stats *s, const known *k, const char *what) {
    double least = INFINITY, most = 0, weak = 0, median = median_energy(s, k);
    for (size_t i = 0; i < k->channels; i++) {
        if (k->peak[i] > 0 && k->peak[i] < least)
            least = k->peak[i];
        most = fmax(most, k->peak[i]);
        weak += k->squares[i] < 1e-4 * median || k->squares[i] == 0;
    }
    if (!strcmp(what, "spread"))
        return most > 0 ? most / least : NAN;
    if (!strcmp(what, "weak_channels"))
        return weak;
    return int8_error(k, median, !strcmp(what, "int8_error") ? most : 0);
}

double oxp_weight_stat(oxp_weight_stats *s, oxp_id tensor, const char *what, int axis) {
    if (!readable(s, tensor) || !oxp_dtype_is_float(oxp_tensor_at(s->m, tensor)->dtype))
        return NAN;
    const oxp_tensor *t = oxp_tensor_at(s->m, tensor);
    if (!strcmp(what, "rank"))
        return rank_stat(s, tensor);
    if (in_list(by_channel, N_BY_CHANNEL, what)) {
        axis = axis < 0 ? axis + t->rank : axis;
        const known *c = axis >= 0 && axis < t->rank ? known_of(s, tensor, axis) : NULL;
        return c ? channel_stat(s, c, what) : NAN;
    }
    const known *k = known_of(s, tensor, -1);
    return k ? whole_stat(k, t->count, what) : NAN;
}

/* ---- equal initializers ---- */
static uint64_t mix(uint64_t h, uint64_t v) {
    uint64_t pair[2] = {h, v};
    return oxp_hash_bytes(pair, sizeof pair);
}

static uint64_t header_hash(const oxp_tensor *t) {
    uint64_t h = mix((uint64_t)t->dtype, t->bytes);
    for (int i = 0; i < t->rank; i++)
        h = mix(h, (uint64_t)t->dims[i]);
    return h;
}

static uint64_t content_hash(const oxp_weight_stats *s, oxp_id tensor, uint8_t *window) {
    const oxp_tensor *t = oxp_tensor_at(s->m, tensor);
    uint64_t h = header_hash(t);
    for (uint64_t at = 0; at < t->bytes; at += RAW_WINDOW) {
        size_t n = t->bytes - at < RAW_WINDOW ? (size_t)(t->bytes - at) : RAW_WINDOW;
        oxp_tensor_raw(s->m, tensor, at, n, window);
        h = mix(h, oxp_hash_bytes(window, n));
    }
    return h;
}

/* Initializers of the main graph that share type and dimensions with another one are hashed. */
static void find_twins(oxp_weight_stats *s) {
    oxp_arena *scratch = oxp_arena_new(oxp_arena_ctx(s->arena));
    oxp_map *shapes = oxp_map_new(scratch);
    uint8_t *window = oxp_alloc(scratch, RAW_WINDOW, 8);
    const oxp_graph *g = oxp_graph_at(s->m, OXP_MAIN_GRAPH);
    s->twins = oxp_map_new(s->arena);
    s->twin_of = oxp_map_new(s->arena);
    for (int round = 0; round < 2; round++)
        for (uint32_t i = 0; i < g->n_inits; i++) {
            const oxp_value *v = oxp_value_at(s->m, g->inits[i]);
            uint32_t seen = 0, first;
            if (!v->live || !readable(s, v->tensor))
                continue;
            uint64_t key = header_hash(oxp_tensor_at(s->m, v->tensor));
            oxp_map_get(shapes, key, &seen);
            if (!round) {
                oxp_map_set(shapes, key, seen + 1);
                continue;
            }
            if (seen < 2 || !afford(s, v->tensor))
                continue;
            uint64_t content = content_hash(s, v->tensor, window);
            if (!oxp_map_get(s->twins, content, &first))
                oxp_map_set(s->twins, content, first = v->tensor);
            oxp_map_set(s->twin_of, v->tensor, first);
        }
    oxp_arena_free(scratch);
}

oxp_id oxp_weight_twin(oxp_weight_stats *s, oxp_id tensor) {
    uint32_t first;
    if (!readable(s, tensor))
        return OXP_NONE;
    if (!s->twins)
        find_twins(s);
    return oxp_map_get(s->twin_of, tensor, &first) ? first : tensor;
}
