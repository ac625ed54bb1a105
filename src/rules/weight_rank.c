/* weight_rank.c - how many singular values hold most of a matrix' energy.
 *
 * The eigenvalues of A A^T (the squares of the singular values) by Householder's reduction to
 * tridiagonal form and the implicit QL algorithm (Golub and Van Loan, Matrix Computations, 8.3). */
#include <math.h>
#include <stdlib.h>

#include "rules/weight_stats.h"

enum { QL_STEPS_MAX = 60 };

/* Symmetric a (n x n, lower half used, destroyed) to diagonal d and subdiagonal e[1..n). */
static void tridiagonal(double *a, size_t n, double *d, double *e) {
    for (size_t i = n; i-- > 1;) {
        double *u = a + i * n, h = 0, f;
        for (size_t k = 0; k < i; k++)
            h += u[k] * u[k];
        if (h == 0) {
            e[i] = 0;
            continue;
        }
        double g = u[i - 1] >= 0 ? -sqrt(h) : sqrt(h);
        e[i] = g;
        h -= u[i - 1] * g;
        u[i - 1] -= g;
        f = 0;
        for (size_t j = 0; j < i; j++)
            d[j] = 0;
        for (size_t j = 0; j < i; j++) { /* d = A u, by the lower half */
            const double *row = a + j * n;
            double sum = row[j] * u[j];
            for (size_t k = 0; k < j; k++) {
                sum += row[k] * u[k];
                d[k] += row[k] * u[j];
            }
            d[j] += sum;
        }
        for (size_t j = 0; j < i; j++) {
            d[j] /= h;
            f += d[j] * u[j];
        }
        double half = f / (2 * h);
        for (size_t j = 0; j < i; j++)
            d[j] -= half * u[j];
        for (size_t j = 0; j < i; j++) {
            double *row = a + j * n;
            for (size_t k = 0; k <= j; k++)
                row[k] -= u[j] * d[k] + d[j] * u[k];
        }
    }
    for (size_t i = 0; i < n; i++)
        d[i] = a[i * n + i];
    e[0] = 0;
}

/* One implicit QL sweep over [l, m]. */
static void ql_sweep(double *d, double *e, size_t l, size_t m) {
    double g = (d[l + 1] - d[l]) / (2 * e[l]), r = hypot(g, 1), s = 1, c = 1, p = 0;
    g = d[m] - d[l] + e[l] / (g + copysign(r, g));
    for (size_t i = m; i-- > l;) {
        double f = s * e[i], b = c * e[i];
        e[i + 1] = r = hypot(f, g);
        if (r == 0) {
            d[i + 1] -= p;
            e[m] = 0;
            return;
        }
        s = f / r;
        c = g / r;
        g = d[i + 1] - p;
        r = (d[i] - g) * s + 2 * c * b;
        p = s * r;
        d[i + 1] = g + p;
        g = c * r - b;
    }
    d[l] -= p;
    e[l] = g;
    e[m] = 0;
}

/* Eigenvalues of the tridiagonal matrix into d; false when it does not converge. */
static bool ql(double *d, double *e, size_t n) {
    for (size_t i = 1; i < n; i++)
        e[i - 1] = e[i];
    e[n - 1] = 0;
    for (size_t l = 0; l < n; l++)
        for (int step = 0;; step++) {
            size_t m = l;
            for (; m + 1 < n; m++) {
                double size = fabs(d[m]) + fabs(d[m + 1]);
                if (fabs(e[m]) <= 1e-15 * size)
                    break;
            }
            if (m == l)
                break;
            if (step == QL_STEPS_MAX)
                return false;
            ql_sweep(d, e, l, m);
        }
    return true;
}

static int falling(const void *x, const void *y) {
    double a = *(const double *)x, b = *(const double *)y;
    return (a < b) - (a > b);
}

/* The Gram matrix of the shorter side. */
static double *gram(const float *a, size_t rows, size_t cols, oxp_arena *arena) {
    size_t n = rows < cols ? rows : cols;
    double *g = OXP_NEWS(arena, n * n, double);
    if (rows <= cols) {
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j <= i; j++) {
                double part[4] = {0};
                const float *x = a + i * cols, *y = a + j * cols;
                size_t k = 0;
                for (; k + 4 <= cols; k += 4)
                    for (size_t t = 0; t < 4; t++)
                        part[t] += (double)x[k + t] * (double)y[k + t];
                for (; k < cols; k++)
                    part[0] += (double)x[k] * (double)y[k];
                g[i * n + j] = part[0] + part[1] + part[2] + part[3];
            }
        return g;
    }
    for (size_t k = 0; k < rows; k++)
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j <= i; j++)
                g[i * n + j] += (double)a[k * cols + i] * (double)a[k * cols + j];
    return g;
}

size_t oxp_energy_rank(const float *matrix, size_t rows, size_t cols, double part,
                       oxp_arena *arena) {
    size_t n = rows < cols ? rows : cols, r = 0;
    oxp_mark mark = oxp_arena_mark(arena);
    double *g = gram(matrix, rows, cols, arena), *d = OXP_NEWS(arena, n + 1, double),
           *e = OXP_NEWS(arena, n + 1, double), sum = 0, held = 0;
    tridiagonal(g, n, d, e);
    if (n && ql(d, e, n)) {
        for (size_t i = 0; i < n; i++)
            sum += d[i] = fmax(d[i], 0);
        qsort(d, n, sizeof *d, falling);
        while (r < n && held < part * sum)
            held += d[r++];
    } else
        r = n;
    oxp_arena_rewind(arena, mark);
    return r;
}
