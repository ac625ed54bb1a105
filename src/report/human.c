/* human.c - figures as people read them; decimal units throughout (1 MB = 10^6 bytes). */
#include <math.h>
#include <stdlib.h>

#include "onnxpert/report.h"

static const char *scaled(oxp_arena *a, double v, const char *unit, const char *const *prefix) {
    int i = 0;
    while (v >= 999.5 && prefix[i + 1]) {
        v /= 1000;
        i++;
    }
    int digits = i == 0 ? 0 : v < 9.995 ? 2 : v < 99.95 ? 1 : 0;
    return oxp_sprintf(a, "%.*f%s%s%s", digits, v, *prefix[i] || *unit ? " " : "", prefix[i], unit);
}

const char *oxp_human_count(oxp_arena *a, uint64_t n) {
    static const char *const prefix[] = {"", "K", "M", "G", "T", "P", "E", NULL};
    if (n == UINT64_MAX)
        return "unknown";
    return scaled(a, (double)n, "", prefix);
}

const char *oxp_human_unit(oxp_arena *a, uint64_t n, const char *unit) {
    const char *number = oxp_human_count(a, n);
    bool prefixed = n != UINT64_MAX && n >= 1000; /* 999.5 and up would round to it */
    return oxp_sprintf(a, "%s%s%s", number, prefixed ? "" : " ", unit);
}

const char *oxp_human_rate(oxp_arena *a, double per_second) {
    if (!isfinite(per_second) || per_second < 0)
        return "unknown";
    double unit = 1; /* four digits are more than an estimate has */
    while (per_second / unit >= 9999.5)
        unit *= 10;
    if (per_second >= 999.5 && per_second < 1e18)
        return oxp_thousands(a, (uint64_t)(round(per_second / unit) * unit));
    /* as facts have it, which rules show: a half that is none but for the tenth digit rounds alike
     */
    double v = strtod(oxp_sprintf(a, "%.9g", per_second), NULL);
    return v < 9.995 ? oxp_sprintf(a, "%.2f", v) : oxp_sprintf(a, v < 99.95 ? "%.1f" : "%.0f", v);
}

const char *oxp_human_bytes(oxp_arena *a, uint64_t n) {
    static const char *const prefix[] = {"", "k", "M", "G", "T", "P", "E", NULL};
    if (n == UINT64_MAX)
        return "unknown";
    return scaled(a, (double)n, "B", prefix);
}

const char *oxp_human_seconds(oxp_arena *a, double s) {
    if (!isfinite(s))
        return "unknown";
    double v = fabs(s);
    const char *unit = v >= 1 ? "s" : v >= 1e-3 ? "ms" : v >= 1e-6 ? "us" : "ns";
    double by = v >= 1 ? 1 : v >= 1e-3 ? 1e3 : v >= 1e-6 ? 1e6 : 1e9;
    v = s * by;
    int digits = fabs(v) < 9.995 ? 2 : fabs(v) < 99.95 ? 1 : 0;
    return oxp_sprintf(a, "%.*f %s", digits, v, unit);
}

const char *oxp_thousands(oxp_arena *a, uint64_t n) {
    if (n == UINT64_MAX)
        return "unknown";
    char *digits = oxp_sprintf(a, "%llu", (unsigned long long)n);
    size_t len = 0;
    while (digits[len])
        len++;
    char *out = oxp_alloc(a, len + len / 3 + 1, 1), *p = out;
    for (size_t i = 0; i < len; i++) {
        if (i && (len - i) % 3 == 0)
            *p++ = ',';
        *p++ = digits[i];
    }
    return out;
}
