/* case_file.c - see case_file.h. */
#include <glob.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/case_file.h"
#include "support/wire_builder.h"

enum { MACROS = 64 };

typedef struct reader {
    const char *const *words;
    int (*run)(const case_text *c);
    case_text c;
    wb model;
    char *lines[128];
    size_t n_lines;
    char *macros[MACROS]; /* "name text" */
    size_t n_macros;
    int problems, cases;
} reader;

static void finish(reader *r) {
    const char *only = getenv("ONNXPERT_CASE");
    if (r->c.name && (!only || strstr(r->c.name, only))) {
        wb_raw(&r->model, "", 1);
        r->c.model = (const char *)r->model.p;
        r->problems += r->run(&r->c);
        r->cases++;
    }
    wb_free(&r->model);
    for (size_t i = 0; i < r->n_lines; i++)
        free(r->lines[i]);
    r->n_lines = 0;
    r->c = (case_text){.file = r->c.file};
}

static void bad(const reader *r, const char *line) {
    fprintf(stderr, "%s: %s\n", r->c.file, line);
    exit(1);
}

static bool is_want(const reader *r, const char *line) {
    size_t n = strcspn(line, " ");
    for (const char *const *w = r->words; *w; w++)
        if (strlen(*w) == n && strncmp(*w, line, n) == 0)
            return true;
    return false;
}

/* The text with $name replaced; macros may use those before them. */
static char *expand(const reader *r, const char *text) {
    wb b = {0};
    for (const char *p = text; *p;) {
        size_t n = *p == '$' ? 1 + strspn(p + 1, "abcdefghijklmnopqrstuvwxyz_0123456789") : 0,
               i = 0;
        while (n && i < r->n_macros &&
               (strcspn(r->macros[i], " ") != n - 1 || strncmp(r->macros[i], p + 1, n - 1) != 0))
            i++;
        if (!n) {
            wb_raw(&b, p++, 1);
            continue;
        }
        if (i == r->n_macros)
            bad(r, p);
        wb_raw(&b, r->macros[i] + n, strlen(r->macros[i] + n)); /* behind "name " */
        p += n;
    }
    wb_raw(&b, "", 1);
    return (char *)b.p;
}

static void take_line(reader *r, const char *text) {
    if (r->n_lines == sizeof r->lines / sizeof *r->lines || r->n_macros == MACROS)
        bad(r, "too many lines");
    if (strncmp(text, "= ", 2) == 0) {
        r->macros[r->n_macros++] = expand(r, text + 2);
        return;
    }
    char *line = r->lines[r->n_lines++] = expand(r, text), *rest = line;
    if (strncmp(line, "case ", 5) == 0) {
        if (r->c.name)
            bad(r, line);
        char *opset = strstr(line, " opset ");
        r->c.opset = opset ? atoi(opset + 7) : 21;
        if (opset)
            *opset = 0;
        r->c.name = line + 5;
    } else if (is_want(r, line)) {
        if (r->c.n == sizeof r->c.wants / sizeof *r->c.wants)
            bad(r, line);
        case_want *w = &r->c.wants[r->c.n++];
        w->word = strsep(&rest, " ");
        w->rest = rest ? rest : line + strlen(line);
    } else {
        wb_raw(&r->model, line, strlen(line));
        wb_raw(&r->model, "\n", 1);
    }
}

static void read_file(reader *r, const char *path) {
    char *line = NULL;
    size_t cap = 0;
    FILE *f = fopen(path, "r");
    r->c.file = path;
    if (!f)
        bad(r, "cannot be opened");
    while (getline(&line, &cap, f) > 0) {
        line[strcspn(line, "\n")] = 0;
        if (!line[0])
            finish(r);
        else if (line[0] != '#')
            take_line(r, line);
    }
    finish(r);
    while (r->n_macros)
        free(r->macros[--r->n_macros]);
    free(line);
    fclose(f);
}

int case_files(const char *pattern, const char *const *words, int (*run)(const case_text *c)) {
    reader r = {.words = words, .run = run};
    glob_t files;
    if (glob(pattern, 0, NULL, &files) != 0)
        return -1;
    for (size_t i = 0; i < files.gl_pathc; i++)
        read_file(&r, files.gl_pathv[i]);
    globfree(&files);
    return r.cases ? r.problems : -1;
}
