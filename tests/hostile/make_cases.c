/* make_cases.c - writes the files of the .cases beside it.
 *
 * usage: make_cases CASES FOLDER SUFFIX        lists "name<TAB>verdict<TAB>verdict<TAB>checks"
 *
 * A case is one line, after comments (#):
 *   NAME ANALYZE OPTIMIZE CHECKS : BYTES
 * with accept, reject or any as verdicts, and checks as in run.c.  BYTES in a small language:
 *   7{ ... }       field 7: a message (or any bytes), its length in front
 *   7"text"        field 7 with a text;  "text" alone: these bytes.  \n \t \" \\ \xHH, and \# for
 * the number of the innermost repetition, \+ for that plus one 1:8            field 1: a varint
 * (negative ones in ten bytes) 2=1.5          field 2: a float x0aff          bytes *9( ... ) nine
 * times ^9( a )( b )   b inside nine layers of a, each like 5{6{@}} with @ for what is inside $name
 * what `= name BYTES` on a line of its own stands for
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/wire_builder.h"

enum { MACROS = 64, DEPTH = 100 };

typedef struct macro {
    char *name, *text;
} macro;

typedef struct parser {
    const char *p, *start;
    long number;     /* of the innermost repetition */
    const wb *layer; /* what @ stands for */
    int depth;
} parser;

static macro macros[MACROS];
static size_t n_macros;

static void fail(const parser *s, const char *what) {
    fprintf(stderr, "make_cases: %s: %.60s\n", what, s->p);
    exit(1);
}

static void blanks(parser *s) {
    while (*s->p == ' ')
        s->p++;
}

static void expect(parser *s, char c) {
    blanks(s);
    if (*s->p != c)
        fail(s, "something else is wanted");
    s->p++;
}

static wb items(parser *s, char end);

static wb group(parser *s) {
    expect(s, '(');
    wb b = items(s, ')');
    expect(s, ')');
    return b;
}

static unsigned hex_byte(parser *s) {
    unsigned v;
    if (!isxdigit((unsigned char)s->p[0]) || !isxdigit((unsigned char)s->p[1]) ||
        sscanf(s->p, "%2x", &v) != 1)
        fail(s, "no hexadecimal byte");
    s->p += 2;
    return v;
}

static void escape(parser *s, wb *b) {
    char number[32];
    char c = *s->p++;
    uint8_t byte = (uint8_t)c;
    switch (c) {
    case 'n':
        byte = '\n';
        break;
    case 't':
        byte = '\t';
        break;
    case 'x':
        byte = (uint8_t)hex_byte(s);
        break;
    case '#':
    case '+':
        wb_raw(b, number, (size_t)snprintf(number, sizeof number, "%ld", s->number + (c == '+')));
        return;
    default:
        break;
    }
    wb_raw(b, &byte, 1);
}

static wb text(parser *s) {
    wb b = {0};
    expect(s, '"');
    while (*s->p && *s->p != '"') {
        if (*s->p != '\\') {
            wb_raw(&b, s->p++, 1);
            continue;
        }
        s->p++;
        escape(s, &b);
    }
    expect(s, '"');
    return b;
}

static void repetition(parser *s, wb *out) {
    long n = strtol(s->p + 1, (char **)&s->p, 10), outer = s->number;
    const char *body = s->p;
    for (long i = 0; i < n; i++) {
        s->p = body;
        s->number = i;
        wb b = group(s);
        wb_raw(out, b.p, b.n);
        wb_free(&b);
    }
    s->number = outer;
}

static void nesting(parser *s, wb *out) {
    long n = strtol(s->p + 1, (char **)&s->p, 10);
    const char *layer = s->p;
    int depth = 0;
    do { /* over the layer, which is read again for each level */
        depth += *s->p == '(' ? 1 : *s->p == ')' ? -1 : 0;
        s->p++;
    } while (depth && *s->p);
    wb inner = group(s);
    const char *end = s->p;
    const wb *outer = s->layer;
    for (long i = 0; i < n; i++) {
        s->p = layer;
        s->layer = &inner;
        wb b = group(s);
        wb_free(&inner);
        inner = b;
    }
    s->p = end;
    s->layer = outer;
    wb_raw(out, inner.p, inner.n);
    wb_free(&inner);
}

static void use_macro(parser *s, wb *out) {
    size_t n = strspn(++s->p, "abcdefghijklmnopqrstuvwxyz_0123456789");
    for (size_t i = 0; i < n_macros; i++) {
        if (strlen(macros[i].name) != n || memcmp(macros[i].name, s->p, n) != 0)
            continue;
        parser inner = {macros[i].text, macros[i].text, s->number, s->layer, s->depth};
        wb b = items(&inner, 0);
        wb_raw(out, b.p, b.n);
        wb_free(&b);
        s->p += n;
        return;
    }
    fail(s, "no such macro");
}

static void field(parser *s, wb *out) {
    unsigned number = (unsigned)strtoul(s->p, (char **)&s->p, 10);
    switch (*s->p++) {
    case '{': {
        wb b = items(s, '}');
        expect(s, '}');
        wb_msg(out, number, b);
        return;
    }
    case '"': {
        s->p--;
        wb b = text(s);
        wb_bytes(out, number, b.p, b.n);
        wb_free(&b);
        return;
    }
    case ':':
        wb_int(out, number,
               *s->p == '-' ? strtoll(s->p, (char **)&s->p, 10)
                            : (int64_t)strtoull(s->p, (char **)&s->p, 10));
        return;
    case '=':
        wb_float(out, number, strtof(s->p, (char **)&s->p));
        return;
    default:
        s->p--;
        fail(s, "no value of a field");
    }
}

static wb items(parser *s, char end) {
    wb out = {0}, b;
    if (++s->depth > DEPTH)
        fail(s, "too deep");
    for (blanks(s); *s->p && *s->p != '\n' && *s->p != end; blanks(s)) {
        switch (*s->p) {
        case '"':
            b = text(s);
            wb_raw(&out, b.p, b.n);
            wb_free(&b);
            break;
        case 'x':
            s->p++;
            while (isxdigit((unsigned char)*s->p)) {
                uint8_t byte = (uint8_t)hex_byte(s);
                wb_raw(&out, &byte, 1);
            }
            break;
        case '*':
            repetition(s, &out);
            break;
        case '^':
            nesting(s, &out);
            break;
        case '$':
            use_macro(s, &out);
            break;
        case '@':
            s->p++;
            wb_raw(&out, s->layer->p, s->layer->n);
            break;
        default:
            field(s, &out);
        }
    }
    s->depth--;
    return out;
}

static void define(char *line) {
    char *name = strtok(line + 1, " "), *rest = strtok(NULL, "");
    if (!name || !rest || n_macros == MACROS)
        exit(1);
    macros[n_macros++] = (macro){strdup(name), strdup(rest)};
}

static void write_case(char *line, const char *folder, const char *suffix) {
    char path[4096], *bytes = strstr(line, " : ");
    parser s = {bytes ? bytes + 3 : line, line, 0, NULL, 0};
    if (!bytes)
        fail(&s, "no ' : '");
    *bytes = 0;
    const char *name = strtok(line, " "), *analyze = strtok(NULL, " "),
               *optimize = strtok(NULL, " "), *checks = strtok(NULL, "");
    if (!optimize)
        fail(&s, "no verdicts");
    snprintf(path, sizeof path, "%s/%s.%s", folder, name, suffix);
    wb b = items(&s, 0);
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(b.p ? b.p : (const uint8_t *)"", 1, b.n, f) != b.n || fclose(f) != 0) {
        perror(path);
        exit(1);
    }
    wb_free(&b);
    printf("%s.%s\t%s\t%s\t%s\n", name, suffix, analyze, optimize, checks ? checks : "-");
}

int main(int argc, char **argv) {
    char *line = NULL;
    size_t cap = 0;
    FILE *f = argc == 4 ? fopen(argv[1], "r") : NULL;
    if (!f) {
        fputs("usage: make_cases CASES FOLDER SUFFIX\n", stderr);
        return 2;
    }
    while (getline(&line, &cap, f) > 0) {
        line[strcspn(line, "\n")] = 0;
        if (*line == '=')
            define(line);
        else if (*line && *line != '#')
            write_case(line, argv[2], argv[3]);
    }
    free(line);
    fclose(f);
    return 0;
}
