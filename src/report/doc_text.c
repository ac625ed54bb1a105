/* doc_text.c - figures and words that the sections of the analysis share. */
#include <string.h>

#include "report/analysis_doc.h"

const char *oxp_plural(uint64_t n) {
    return n == 1 ? "" : "s";
}

const char *oxp_at_least(const oxp_totals *t, uint64_t total) {
    return total == UINT64_MAX ? "" : oxp_totals_at_least(t) ? "at least " : "";
}

const char *oxp_share_text(oxp_arena *a, uint64_t part, uint64_t whole) {
    if (whole == 0 || part == UINT64_MAX || whole == UINT64_MAX)
        return "-";
    double p = 100.0 * (double)part / (double)whole;
    bool whole_number = p == 0 || (p >= 9.95 && p < 99) || p >= 99.95;
    return oxp_sprintf(a, whole_number ? "%.0f %%" : p >= 0.1 ? "%.1f %%" : "< 0.1 %%", p);
}

const char *oxp_params_text(oxp_arena *a, uint64_t n) {
    enum { EXACT = 100000 };
    if (n >= 1000000000 && n != UINT64_MAX)
        return oxp_sprintf(a, "%s billion", oxp_human_rate(a, (double)n / 1e9));
    return n < EXACT ? oxp_thousands(a, n) : oxp_human_count(a, n);
}

const char *oxp_fits_text(const oxp_card *c, uint64_t needed, uint64_t there) {
    if (needed == UINT64_MAX || (c->memory_at_least && needed <= there))
        return "unknown";
    return needed <= there ? "yes" : "no";
}

const char *oxp_runs_text(oxp_arena *a, double seconds) {
    return seconds > 0 ? oxp_human_rate(a, 1 / seconds) : "-";
}

const char *oxp_family_title(const char *family) {
    static const char *const names[][2] = {
        {"cnn", "Convolutional network"},  {"transformer", "Transformer"},
        {"rnn", "Recurrent network"},      {"hybrid", "Convolutions and attention"},
        {"mlp", "Multi-layer perceptron"}, {"tree", "Tree ensemble"}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(names[i][0], family) == 0)
            return names[i][1];
    return "Graph of no common family";
}
