/* suggest.c - what somebody may have meant: the known word with the fewest typing errors. */
#include <ctype.h>
#include <string.h>

#include "cli/values.h"

enum { WORD_MAX = 40 };

/* Case and dashes are easily got wrong, so they cost nothing. */
static size_t normalized(const char *word, size_t len, char *out) {
    size_t n = 0;
    for (size_t i = 0; i < len && n < WORD_MAX; i++)
        if (word[i] != '-' && word[i] != '_')
            out[n++] = (char)tolower((unsigned char)word[i]);
    return n;
}

/* Insertions, deletions and replacements between two words (Levenshtein 1966), row by row. */
static size_t distance(const char *a, size_t n, const char *b, size_t m) {
    size_t row[WORD_MAX + 1];
    for (size_t j = 0; j <= m; j++)
        row[j] = j;
    for (size_t i = 1; i <= n; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            size_t best = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            row[j] = best;
        }
    }
    return row[m];
}

const char *oxp_cli_suggest(oxp_arena *arena, const char *word, const char *words) {
    char wanted[WORD_MAX], known[WORD_MAX];
    size_t n = normalized(word, strlen(word), wanted), best = n / 3 + 1, len;
    const char *nearest = NULL;
    for (const char *p = words; *p; p += len + (p[len] == ' ')) {
        len = strcspn(p, " ");
        size_t d = distance(wanted, n, known, normalized(p, len, known));
        if (d < best) {
            best = d;
            nearest = oxp_memdup0(arena, p, len);
        }
    }
    return nearest ? oxp_sprintf(arena, "; did you mean '%s'?", nearest) : "";
}
