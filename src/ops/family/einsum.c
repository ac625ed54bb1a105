/* einsum.c - Einsum: labels of the equation to dimensions. */
#include "ops/util.h"

#include <string.h>

#define LABELS 52

typedef struct equation {
    const char *text;
    oxp_dim size[LABELS];
    uint8_t uses[LABELS];
    oxp_dim *dots; /* dims of the ellipsis, right-aligned: n_dots of them */
    int n_dots;
    bool has_dots, open; /* open: some rank is unknown, so are sizes */
} equation;

static int label_of(char ch) {
    if (ch >= 'A' && ch <= 'Z')
        return ch - 'A';
    return ch >= 'a' && ch <= 'z' ? ch - 'a' + 26 : -1;
}

/* Sizes broadcast: 1 gives way. */
static oxp_dim merge(oxp_call *c, oxp_dim a, oxp_dim b) {
    if (a == 1)
        return b;
    return b == 1 ? a : oxp_unify(c, a, b, "label");
}

/* Length of a term up to `,`, `-` or the end; labels in *n, ellipsis in *dots. */
static size_t term(const char *s, int *n, bool *dots) {
    size_t i = 0;
    *n = 0;
    *dots = false;
    for (; s[i] && s[i] != ',' && s[i] != '-'; i++) {
        if (label_of(s[i]) >= 0)
            ++*n;
        else if (s[i] == '.')
            *dots = true;
    }
    return i;
}

static void read_dots(oxp_call *c, equation *q, const oxp_dim *d, int n) {
    if (n > q->n_dots) {
        oxp_dim *wide = OXP_NEWS(c->scratch, (size_t)n + 1, oxp_dim);
        for (int i = 0; i < n; i++)
            wide[i] = i < n - q->n_dots ? 1 : q->dots[i - (n - q->n_dots)];
        q->dots = wide;
        q->n_dots = n;
    }
    for (int i = 0; i < n; i++) {
        oxp_dim *at = &q->dots[q->n_dots - n + i];
        *at = merge(c, *at, d[i]);
    }
}

static bool read_operand(oxp_call *c, equation *q, const char *s, size_t len, uint32_t slot) {
    const oxp_fact *f = oxp_input(c, slot);
    int n, rank = oxp_rank(f), axis = 0;
    bool dots;
    (void)term(s, &n, &dots);
    q->has_dots |= dots;
    if (rank >= 0 && (dots ? rank < n : rank != n)) {
        oxp_op_error(c, "input %u has rank %d, its term %d labels", slot, rank, n);
        return false;
    }
    q->open |= rank < 0 && dots;
    for (size_t i = 0; i < len; i++) {
        int k = label_of(s[i]);
        if (k >= 0) {
            oxp_dim d = rank < 0 ? OXP_DIM_UNKNOWN : f->type.dims[axis++];
            q->size[k] = q->uses[k] ? merge(c, q->size[k], d) : d;
            if (q->uses[k] < 255)
                q->uses[k]++;
        } else if (s[i] == '.') {
            if (rank >= 0) {
                read_dots(c, q, f->type.dims + axis, rank - n);
                axis += rank - n;
            }
            while (i + 1 < len && s[i + 1] == '.')
                i++;
        }
    }
    return true;
}

/* The right side when there is an arrow, else the labels used once in alphabetical order. */
static const char *right_side(oxp_call *c, const equation *q) {
    const char *arrow = strstr(q->text, "->");
    if (arrow)
        return arrow + 2;
    char *out = OXP_NEWS(c->scratch, LABELS + 4, char);
    size_t n = 0;
    if (q->has_dots) {
        /* NOLINTNEXTLINE(bugprone-not-null-terminated-result): the memory is zero */
        memcpy(out, "...", 3);
        n = 3;
    }
    for (int k = 0; k < LABELS; k++)
        if (q->uses[k] == 1)
            out[n++] = (char)(k < 26 ? 'A' + k : 'a' + k - 26);
    return out;
}

/* Letters, commas, blanks, three dots and one arrow. */
static bool is_equation(const char *s) {
    int arrows = 0;
    for (; *s; s++) {
        if (*s == '-') {
            if (*++s != '>' || arrows++)
                return false;
        } else if (*s == '.') {
            if (s[1] != '.' || s[2] != '.')
                return false;
            s += 2;
        } else if (label_of(*s) < 0 && *s != ' ' && (*s != ',' || arrows))
            return false;
    }
    return true;
}

static bool read_equation(oxp_call *c, equation *q) {
    memset(q, 0, sizeof *q);
    q->text = oxp_call_string(c, "equation", "");
    const char *s = q->text;
    if (!is_equation(s)) {
        oxp_op_invalid(c, "'%.80s' is no equation", s);
        return false;
    }
    for (uint32_t slot = 0; slot < c->n_in; slot++) {
        int n;
        bool dots;
        size_t len = term(s, &n, &dots);
        if (!read_operand(c, q, s, len, slot))
            return false;
        s += len;
        if (slot + 1 < c->n_in && *s++ != ',') {
            oxp_op_error(c, "the equation has fewer terms than there are inputs");
            return false;
        }
    }
    if (*s == ',') {
        oxp_op_error(c, "the equation has more terms than there are inputs");
        return false;
    }
    return true;
}

static void infer_einsum(oxp_call *c) {
    equation q;
    oxp_dtype t = oxp_first_type(c, c->n_in);
    if (c->n_out == 0)
        return;
    if (!read_equation(c, &q) || q.open) {
        oxp_set_unknown_rank(c, 0, t);
        return;
    }
    const char *s = right_side(c, &q);
    oxp_dim *d = OXP_NEWS(c->scratch, strlen(s) + (size_t)q.n_dots + 1, oxp_dim);
    int rank = 0;
    bool seen[LABELS] = {false};
    for (; *s; s++) {
        int k = label_of(*s);
        if (k >= 0) {
            if (seen[k]) {
                oxp_op_error(c, "label %c is twice in the result", *s);
                return;
            }
            seen[k] = true;
            if (!q.uses[k]) {
                oxp_op_error(c, "label %c of the result is in no term", *s);
                return;
            }
            d[rank++] = q.size[k];
        } else if (*s == '.') {
            for (int i = 0; i < q.n_dots; i++)
                d[rank++] = q.dots[i];
            while (s[1] == '.')
                s++;
        }
    }
    oxp_set(c, 0, t, rank, d);
}

/* One multiply-accumulate per point of the space of all labels and further factor; a single operand
 * is summed (one flop per element read) or only rearranged. */
static void cost_einsum(const oxp_call *c, oxp_cost *cost) {
    equation q;
    oxp_call copy = *c; /* reading reports conflicts; infer has done so already */
    uint64_t points = 1, n;
    if (!oxp_out_count(c, 0, &n) || !read_equation(&copy, &q) || q.open)
        return;
    for (int k = 0; k < LABELS; k++) {
        uint64_t d;
        if (q.uses[k] && !oxp_dim_count(q.size[k], &d))
            return;
        points = q.uses[k] ? oxp_sat_mul(points, d) : points;
    }
    for (int i = 0; i < q.n_dots; i++) {
        uint64_t d;
        if (!oxp_dim_count(q.dots[i], &d))
            return;
        points = oxp_sat_mul(points, d);
    }
    if (c->n_in > 1)
        oxp_cost_macs(cost, oxp_sat_mul(points, c->n_in - 1), 0);
    else if (points == n)
        oxp_cost_moved(cost, n);
    else
        oxp_cost_flops(cost, points);
}

static const oxp_op table[] = {
    {"Einsum", "", OXP_OP_MATMUL | OXP_OP_ACCUMULATES, 0xff, infer_einsum, cost_einsum, NULL},
};
const oxp_op_family oxp_ops_einsum = {table, OXP_COUNT(table), NULL, 0};
