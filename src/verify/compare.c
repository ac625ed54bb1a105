/* compare.c - differences between arrays: absolute, relative, cosine, arg-max. */
#include <math.h>
#include <string.h>

#include "base/half.h"
#include "verify/compare.h"

double oxp_tolerance(oxp_fidelity f) {
    return f >= OXP_LOSSY ? 2e-2 : 1e-4;
}

double oxp_element(const oxp_array *a, uint64_t i) {
    const char *p = a->data;
    int64_t v = 0;
    uint16_t h;
    switch (a->dtype) {
    case OXP_FLOAT:
        return ((const float *)a->data)[i];
    case OXP_DOUBLE:
        return ((const double *)a->data)[i];
    case OXP_FLOAT16:
        memcpy(&h, p + 2 * i, 2);
        return oxp_half_to_double(h);
    case OXP_BFLOAT16:
        memcpy(&h, p + 2 * i, 2);
        return oxp_bfloat16_to_double(h);
    default:
        break;
    }
    unsigned bytes = oxp_dtype_bits(a->dtype) / 8;
    if (!bytes || bytes > 8)
        return NAN;
    memcpy(&v, p + i * bytes, bytes);
    bool is_signed = a->dtype == OXP_INT8 || a->dtype == OXP_INT16 || a->dtype == OXP_INT32;
    if (is_signed)
        v = (int64_t)((uint64_t)v << (64 - 8 * bytes)) >> (64 - 8 * bytes);
    return (double)v;
}

static bool same_shape(const oxp_array *a, const oxp_array *b) {
    return a->rank == b->rank &&
           (!a->rank || !memcmp(a->dims, b->dims, (size_t)a->rank * sizeof *a->dims));
}

static const char *shape_text(const oxp_array *a, oxp_arena *arena) {
    const char *s = "[";
    for (int k = 0; k < a->rank; k++)
        s = oxp_sprintf(arena, "%s%s%lld", s, k ? "," : "", (long long)a->dims[k]);
    return oxp_sprintf(arena, "%s]", s);
}

/* NULL, or what a pair says that can never be a rounding.  Where the model gave NaN or infinity
 * before, the same is wanted after. */
static const char *special_problem(double x, double y) {
    if (isnan(x) || isnan(y))
        return isnan(x) && isnan(y) ? NULL
               : isnan(y)           ? "NaN where there was none"
                                    : "a number where there was NaN";
    if (isinf(x) && isinf(y))
        return x == y ? NULL : "infinity of the other sign";
    return isinf(y)   ? "infinity where there was none"
           : isinf(x) ? "a finite number where there was infinity"
                      : NULL;
}

/* Rows of scores must have their largest element at the same place. */
static bool same_argmax(const oxp_array *a, const oxp_array *b, uint64_t row, uint64_t columns) {
    uint64_t at[2] = {0, 0};
    for (uint64_t k = 1; k < columns; k++) {
        if (oxp_element(a, row * columns + k) > oxp_element(a, row * columns + at[0]))
            at[0] = k;
        if (oxp_element(b, row * columns + k) > oxp_element(b, row * columns + at[1]))
            at[1] = k;
    }
    return at[0] == at[1];
}

static void check_argmax(const oxp_array *a, const oxp_array *b, oxp_output_check *c) {
    if (a->rank != 2 || a->dims[1] < 2 || !oxp_dtype_is_float(a->dtype))
        return; /* scores are one row a sample */
    bool agrees = true;
    for (int64_t r = 0; r < a->dims[0] && agrees; r++)
        agrees = same_argmax(a, b, (uint64_t)r, (uint64_t)a->dims[1]);
    c->argmax_agrees = agrees && (c->argmax_agrees || !c->argmax_checked);
    c->argmax_checked = true;
}

void oxp_compare_arrays(const oxp_array *a, const oxp_array *b, oxp_output_check *c,
                        oxp_arena *arena) {
    if (a->dtype == OXP_UNDEFINED && b->dtype == OXP_UNDEFINED)
        return; /* sequences, maps and strings: not compared */
    if (a->dtype != b->dtype)
        c->problem =
            oxp_sprintf(arena, "%s became %s", oxp_dtype_name(a->dtype), oxp_dtype_name(b->dtype));
    else if (!same_shape(a, b))
        c->problem =
            oxp_sprintf(arena, "shape %s became %s", shape_text(a, arena), shape_text(b, arena));
    if (c->problem)
        return;
    c->compared = true;
    double largest = 0, worst = 0, sum = 0, dot = 0, aa = 0, bb = 0;
    for (uint64_t i = 0; i < a->count; i++) {
        double x = oxp_element(a, i), y = oxp_element(b, i);
        if (!c->problem)
            c->problem = special_problem(x, y);
        c->n_nan += isnan(x) != 0;
        c->n_infinite += isinf(x) != 0;
        if (!isfinite(x) || !isfinite(y))
            continue;
        double d = fabs(x - y);
        largest = fmax(largest, fabs(x));
        worst = fmax(worst, d);
        sum += d;
        dot += x * y;
        aa += x * x;
        bb += y * y;
    }
    c->n_elements += a->count;
    c->largest = fmax(c->largest, largest);
    c->max_abs = fmax(c->max_abs, worst);
    c->mean_abs += a->count ? sum / (double)a->count : 0;
    /* 1e-3: outputs that are nearly zero are compared absolutely. */
    c->relative = fmax(c->relative, worst / (largest + 1e-3));
    double cosine = aa > 0 && bb > 0 ? dot / sqrt(aa * bb) : aa == bb ? 1 : 0;
    c->cosine = fmin(c->cosine, cosine);
    check_argmax(a, b, c);
}
