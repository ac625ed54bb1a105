/* model_text.c - see model_text.h. */
#include <ctype.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/half.h"
#include "model/proto.h"
#include "onnxpert/model.h"
#include "support/model_text.h"

enum { NAME = 256, DIMS = 16, DEPTH = 20 };

typedef struct parser {
    const char *p, *text;
    int depth;
} parser;

/* A type as it is read: what the TypeProto says, and what a tensor literal needs of it. */
typedef struct type {
    wb proto;
    int elem, rank; /* rank -1: unknown */
    int64_t dims[DIMS];
} type;

static void fail(const parser *s, const char *what) {
    fprintf(stderr, "model_text: %s at: %.80s\nof: %s\n", what, s->p, s->text);
    exit(1);
}

/* ---- words ---- */
static void blanks(parser *s) {
    while (isspace((unsigned char)*s->p))
        s->p++;
}

static bool take(parser *s, const char *what) {
    blanks(s);
    if (strncmp(s->p, what, strlen(what)) != 0)
        return false;
    s->p += strlen(what);
    return true;
}

static void expect(parser *s, const char *what) {
    if (!take(s, what))
        fail(s, what);
}

static bool is_word(char c) {
    return isalnum((unsigned char)c) || c == '_';
}

static bool next_is(parser *s, const char *chars) {
    blanks(s);
    return *s->p && strchr(chars, *s->p);
}

/* A name, or a quoted one; "" when there is none. */
static void word(parser *s, char *out) {
    size_t n = 0;
    blanks(s);
    bool quoted = *s->p == '"';
    s->p += quoted;
    while (*s->p && (quoted ? *s->p != '"' : is_word(*s->p)) && n + 1 < NAME) {
        if (quoted && *s->p == '\\')
            s->p++;
        out[n++] = *s->p++;
    }
    out[n] = 0;
    if (quoted)
        expect(s, "\"");
}

static void name(parser *s, char *out) {
    word(s, out);
    if (!out[0])
        fail(s, "a name is wanted");
}

static double number(parser *s) {
    char *end;
    blanks(s);
    double v = strtod(s->p, &end);
    if (end == s->p)
        fail(s, "a number is wanted");
    s->p = end;
    return v;
}

static int64_t integer(parser *s) {
    char *end;
    blanks(s);
    int64_t v = *s->p == '-' ? strtoll(s->p, &end, 0)
                             : (int64_t)strtoull(s->p, &end, 0); /* all of uint64 */
    if (end == s->p)
        fail(s, "an integer is wanted");
    s->p = end;
    return v;
}

/* Does the number that follows have a point, an exponent, or is it inf or nan? */
static bool is_float(parser *s) {
    blanks(s);
    const char *p = s->p + (*s->p == '-' || *s->p == '+');
    if (isalpha((unsigned char)*p))
        return true;
    while (isdigit((unsigned char)*p))
        p++;
    return *p == '.' || *p == 'e';
}

/* ---- types ---- */
static const char *const elem_names[OXP_DTYPE_COUNT] = {
    "undefined",      "float",    "uint8",        "int8",           "uint16",
    "int16",          "int32",    "int64",        "string",         "bool",
    "float16",        "double",   "uint32",       "uint64",         "complex64",
    "complex128",     "bfloat16", "float8e4m3fn", "float8e4m3fnuz", "float8e5m2",
    "float8e5m2fnuz", "uint4",    "int4",         "float4e2m1",     "float8e8m0",
    "uint2",          "int2"};

static int elem_of(const char *w) {
    for (int i = 0; i < OXP_DTYPE_COUNT; i++)
        if (strcmp(w, elem_names[i]) == 0)
            return i;
    return -1;
}

static wb read_shape(parser *s, type *t) {
    char w[NAME];
    wb shape = {0};
    for (t->rank = 0; !take(s, "]"); t->rank++) {
        wb dim = {0};
        if (t->rank == DIMS)
            fail(s, "too many dimensions");
        t->dims[t->rank] = -1;
        if (next_is(s, "-0123456789"))
            wb_int(&dim, 1, t->dims[t->rank] = integer(s));
        else if (!take(s, "?")) {
            name(s, w);
            wb_text(&dim, 2, w);
        }
        wb_msg(&shape, 1, dim);
        take(s, ",");
    }
    return shape;
}

static type read_type(parser *s);

/* An element type with its shape, as `field` of the TypeProto (1 Tensor, 8 SparseTensor). */
static void tensor_type(parser *s, type *t, unsigned field, const char *elem) {
    wb tensor = {0}, shape = {0};
    t->elem = elem_of(elem);
    wb_int(&tensor, 1, t->elem);
    if (take(s, "[")) {
        if (take(s, "]"))
            t->rank = -1;
        else
            shape = read_shape(s, t);
    }
    if (t->rank >= 0)
        wb_msg(&tensor, 2, shape);
    wb_msg(&t->proto, field, tensor);
}

static type read_type(parser *s) {
    type t = {.rank = 0};
    char w[NAME], inner_name[NAME];
    wb inner = {0};
    name(s, w);
    if (elem_of(w) >= 0) {
        tensor_type(s, &t, 1, w);
        return t;
    }
    expect(s, "(");
    if (strcmp(w, "sparse_tensor") == 0) {
        name(s, inner_name);
        tensor_type(s, &t, 8, inner_name);
        expect(s, ")");
        return t;
    }
    if (strcmp(w, "map") == 0) {
        name(s, inner_name);
        expect(s, ",");
        wb_int(&inner, 1, elem_of(inner_name));
    }
    wb_msg(&inner, *w == 'm' ? 2 : 1, read_type(s).proto);
    expect(s, ")");
    wb_msg(&t.proto, *w == 'm' ? 5 : *w == 's' ? 4 : 9, inner);
    return t;
}

/* Is there a type ahead, not a name?  Then another word or '[' or '(' follows. */
static bool type_ahead(parser *s) {
    static const char *const containers[] = {"seq", "optional", "sparse_tensor", "map"};
    char w[NAME];
    blanks(s);
    const char *start = s->p;
    word(s, w);
    bool found = elem_of(w) >= 0 && !next_is(s, ",)>=;");
    for (size_t i = 0; i < sizeof containers / sizeof *containers; i++)
        found |= strcmp(w, containers[i]) == 0 && next_is(s, "(");
    s->p = start;
    return found;
}

/* ---- tensors ---- */
static void put_number(parser *s, wb *raw, int elem) {
    double v = 0;
    int64_t i = 0;
    bool floats = elem == OXP_FLOAT || elem == OXP_DOUBLE || elem == OXP_FLOAT16 ||
                  elem == OXP_BFLOAT16 || elem == OXP_COMPLEX64 || elem == OXP_COMPLEX128;
    if (floats)
        v = number(s);
    else
        i = integer(s);
    float f = (float)v;
    uint16_t h = elem == OXP_FLOAT16 ? oxp_half_from_double(v) : oxp_bfloat16_from_double(v);
    if (elem == OXP_FLOAT || elem == OXP_COMPLEX64)
        wb_raw(raw, &f, 4);
    else if (elem == OXP_DOUBLE || elem == OXP_COMPLEX128)
        wb_raw(raw, &v, 8);
    else if (floats)
        wb_raw(raw, &h, 2);
    else
        wb_raw(raw, &i,
               oxp_dtype_bits((oxp_dtype)elem) < 8 ? 1 : oxp_dtype_bits((oxp_dtype)elem) / 8);
}

/* 4-bit and 2-bit elements share bytes, the first one in the low bits. */
static void pack(wb *raw, unsigned bits) {
    wb packed = {0};
    unsigned each = 8 / bits;
    for (size_t i = 0; i < raw->n; i += each) {
        uint8_t byte = 0;
        for (unsigned k = 0; k < each && i + k < raw->n; k++)
            byte |= (uint8_t)((raw->p[i + k] & ((1u << bits) - 1)) << (k * bits));
        wb_raw(&packed, &byte, 1);
    }
    wb_free(raw);
    *raw = packed;
}

/* "{1, 2, ...}" with as many elements as the type has. */
static void read_data(parser *s, wb *tensor, const type *t) {
    wb raw = {0};
    char w[NAME];
    size_t count = 1;
    unsigned bits = oxp_dtype_bits((oxp_dtype)t->elem);
    for (int i = 0; i < t->rank; i++)
        count *= (size_t)t->dims[i];
    expect(s, "{");
    while (!take(s, "}")) {
        if (take(s, "...")) {
            size_t want = count * (bits < 8 ? 1 : bits / 8), have = raw.n;
            for (size_t i = 0; have && raw.n < want; i++) {
                uint8_t byte = raw.p[i % have];
                wb_raw(&raw, &byte, 1);
            }
        } else if (t->elem == OXP_STRING) {
            word(s, w);
            wb_text(tensor, TENSOR_STRING_DATA, w);
        } else
            put_number(s, &raw, t->elem);
        take(s, ",");
    }
    if (bits && bits < 8)
        pack(&raw, bits);
    if (t->elem != OXP_STRING)
        wb_msg(tensor, TENSOR_RAW_DATA, raw);
}

static wb read_tensor(parser *s, const type *t, const char *called) {
    wb b = {0};
    for (int i = 0; i < t->rank; i++)
        wb_int(&b, TENSOR_DIMS, t->dims[i]);
    wb_int(&b, TENSOR_DATA_TYPE, t->elem);
    if (called && called[0])
        wb_text(&b, TENSOR_NAME, called);
    read_data(s, &b, t);
    return b;
}

/* ---- attributes ---- */
static wb read_graph(parser *s);

/* Is it the graph of an attribute: a name and "(", or "(" at once? */
static bool graph_ahead(parser *s) {
    char w[NAME];
    blanks(s);
    const char *start = s->p;
    word(s, w);
    bool found = next_is(s, "(") && elem_of(w) < 0;
    s->p = start;
    return found;
}

static void read_list(parser *s, wb *a) {
    char w[NAME];
    int kind = 0;
    for (bool first = true; !take(s, "]"); first = false) {
        if (first)
            kind = next_is(s, "\"") ? OXP_ATTR_STRINGS
                   : graph_ahead(s) ? OXP_ATTR_GRAPHS
                   : type_ahead(s)  ? OXP_ATTR_TENSORS
                   : is_float(s)    ? OXP_ATTR_FLOATS
                                    : OXP_ATTR_INTS;
        if (kind == OXP_ATTR_STRINGS) {
            word(s, w);
            wb_text(a, ATTR_STRINGS, w);
        } else if (kind == OXP_ATTR_GRAPHS)
            wb_msg(a, ATTR_GRAPHS, read_graph(s));
        else if (kind == OXP_ATTR_TENSORS) {
            type t = read_type(s);
            wb_msg(a, ATTR_TENSORS, read_tensor(s, &t, NULL));
            wb_free(&t.proto);
        } else if (kind == OXP_ATTR_FLOATS)
            wb_float(a, ATTR_FLOATS, (float)number(s));
        else
            wb_int(a, ATTR_INTS, integer(s));
        take(s, ",");
    }
    wb_int(a, ATTR_TYPE, kind ? kind : OXP_ATTR_INTS);
}

/* A tensor, or a type when no data follow. */
static void read_typed(parser *s, wb *a) {
    type t = read_type(s);
    if (next_is(s, "{")) {
        wb_msg(a, ATTR_T, read_tensor(s, &t, NULL));
        wb_free(&t.proto);
        wb_int(a, ATTR_TYPE, OXP_ATTR_TENSOR);
    } else {
        wb_msg(a, ATTR_TP, t.proto);
        wb_int(a, ATTR_TYPE, OXP_ATTR_TYPE_PROTO);
    }
}

static void read_value(parser *s, wb *a) {
    char w[NAME];
    if (take(s, "[")) {
        read_list(s, a);
    } else if (next_is(s, "\"")) {
        word(s, w);
        wb_text(a, ATTR_S, w);
        wb_int(a, ATTR_TYPE, OXP_ATTR_STRING);
    } else if (graph_ahead(s)) {
        wb_msg(a, ATTR_G, read_graph(s));
        wb_int(a, ATTR_TYPE, OXP_ATTR_GRAPH);
    } else if (type_ahead(s))
        read_typed(s, a);
    else if (is_float(s)) {
        wb_float(a, ATTR_F, (float)number(s));
        wb_int(a, ATTR_TYPE, OXP_ATTR_FLOAT);
    } else {
        wb_int(a, ATTR_I, integer(s));
        wb_int(a, ATTR_TYPE, OXP_ATTR_INT);
    }
}

/* "axis = 1", "axis : int = @axis". */
static wb read_attr(parser *s) {
    static const char *const kinds[] = {"undefined", "float",  "int",  "string", "tensor",
                                        "graph",     "floats", "ints", "strings"};
    char w[NAME], kind[NAME] = "";
    wb a = {0};
    name(s, w);
    wb_text(&a, ATTR_NAME, w);
    if (take(s, ":"))
        name(s, kind);
    expect(s, "=");
    if (!take(s, "@")) {
        read_value(s, &a);
        return a;
    }
    name(s, w);
    wb_text(&a, ATTR_REF_ATTR_NAME, w);
    for (int i = 0; i < 9; i++)
        if (strcmp(kind, kinds[i]) == 0)
            wb_int(&a, ATTR_TYPE, i);
    return a;
}

static void read_attrs(parser *s, wb *node, unsigned field) {
    while (!take(s, ">")) {
        wb_msg(node, field, read_attr(s));
        take(s, ",");
    }
}

/* ---- nodes and graphs ---- */
/* Names with commas between them up to `end`; an empty one is omitted. */
static void read_names(parser *s, wb *b, unsigned field, const char *end) {
    char w[NAME];
    if (take(s, end))
        return;
    do {
        word(s, w);
        wb_text(b, field, w);
    } while (take(s, ","));
    expect(s, end);
}

/* "domain.sub.Op:overload" */
static void read_operator(parser *s, wb *node) {
    char w[NAME], whole[NAME];
    size_t n = 0;
    for (blanks(s); (is_word(*s->p) || *s->p == '.') && n + 1 < NAME; s->p++)
        whole[n++] = *s->p;
    whole[n] = 0;
    char *dot = strrchr(whole, '.');
    if (dot)
        *dot = 0;
    wb_text(node, NODE_OP_TYPE, dot ? dot + 1 : whole);
    if (dot)
        wb_text(node, NODE_DOMAIN, whole);
    if (*s->p == ':') {
        s->p++;
        name(s, w);
        wb_text(node, NODE_OVERLOAD, w);
    }
}

static wb read_node(parser *s) {
    char w[NAME];
    wb node = {0};
    if (take(s, "[")) {
        name(s, w);
        wb_text(&node, NODE_NAME, w);
        expect(s, "]");
    }
    read_names(s, &node, NODE_OUTPUT, "=");
    read_operator(s, &node);
    if (take(s, "<"))
        read_attrs(s, &node, NODE_ATTRIBUTE);
    expect(s, "(");
    read_names(s, &node, NODE_INPUT, ")");
    if (take(s, "<"))
        read_attrs(s, &node, NODE_ATTRIBUTE);
    take(s, ";");
    return node;
}

/* "(float[N] x, y)" as inputs or outputs; or "<float[2] w = {1, 2}, float z>" as initializers and
 * value_info. */
static void read_values(parser *s, wb *graph, unsigned field, const char *end) {
    char w[NAME];
    while (!take(s, end)) {
        wb value = {0};
        type t = {.elem = 0};
        if (type_ahead(s))
            t = read_type(s);
        name(s, w);
        if (take(s, "=")) {
            wb_msg(graph, GRAPH_INITIALIZER, read_tensor(s, &t, w));
            if (field == GRAPH_VALUE_INFO) {
                wb_free(&t.proto);
                take(s, ",");
                continue;
            }
        }
        wb_text(&value, VALUE_NAME, w);
        if (t.proto.n)
            wb_msg(&value, VALUE_TYPE, t.proto);
        wb_msg(graph, field, value);
        take(s, ",");
    }
}

static wb read_graph(parser *s) {
    char w[NAME];
    wb g = {0};
    if (++s->depth > DEPTH)
        fail(s, "too deep");
    word(s, w);
    wb_text(&g, GRAPH_NAME, w[0] ? w : "g");
    expect(s, "(");
    read_values(s, &g, GRAPH_INPUT, ")");
    expect(s, "=>");
    expect(s, "(");
    read_values(s, &g, GRAPH_OUTPUT, ")");
    if (take(s, "<"))
        read_values(s, &g, GRAPH_VALUE_INFO, ">");
    expect(s, "{");
    while (!take(s, "}"))
        wb_msg(&g, GRAPH_NODE, read_node(s));
    s->depth--;
    return g;
}

/* ---- models ---- */
static void add_opset(wb *b, unsigned field, const char *domain, int64_t version) {
    wb opset = {0};
    if (domain[0])
        wb_text(&opset, OPSET_DOMAIN, domain);
    wb_int(&opset, OPSET_VERSION, version);
    wb_msg(b, field, opset);
}

/* `["": 21, "local": 1]` */
static void read_opsets(parser *s, wb *b, unsigned field) {
    char w[NAME];
    expect(s, "[");
    while (!take(s, "]")) {
        word(s, w);
        expect(s, ":");
        add_opset(b, field, w, integer(s));
        take(s, ",");
    }
}

static wb read_function(parser *s) {
    char w[NAME];
    wb f = {0};
    expect(s, "<");
    while (!take(s, ">")) {
        bool domain = take(s, "domain"), overload = !domain && take(s, "overload");
        if (!domain && !overload)
            expect(s, "opset_import");
        expect(s, ":");
        if (domain || overload) {
            word(s, w);
            wb_text(&f, domain ? FUNCTION_DOMAIN : FUNCTION_OVERLOAD, w);
        } else
            read_opsets(s, &f, FUNCTION_OPSET_IMPORT);
        take(s, ",");
    }
    name(s, w);
    wb_text(&f, FUNCTION_NAME, w);
    while (take(s, "<") || take(s, ",")) { /* "<alpha, beta: float = 1.0>" */
        const char *start = s->p;
        name(s, w);
        if (next_is(s, ":=")) {
            s->p = start;
            wb_msg(&f, FUNCTION_ATTRIBUTE_PROTO, read_attr(s));
        } else
            wb_text(&f, FUNCTION_ATTRIBUTE, w);
        if (take(s, ">"))
            break;
    }
    expect(s, "(");
    read_names(s, &f, FUNCTION_INPUT, ")");
    expect(s, "=>");
    expect(s, "(");
    read_names(s, &f, FUNCTION_OUTPUT, ")");
    expect(s, "{");
    while (!take(s, "}"))
        wb_msg(&f, FUNCTION_NODE, read_node(s));
    return f;
}

static void read_header(parser *s, wb *b) {
    char w[NAME];
    while (!take(s, ">")) {
        if (take(s, "ir_version")) {
            expect(s, ":");
            wb_int(b, MODEL_IR_VERSION, integer(s));
        } else if (take(s, "producer_name")) {
            expect(s, ":");
            word(s, w);
            wb_text(b, MODEL_PRODUCER_NAME, w);
        } else {
            expect(s, "opset_import");
            expect(s, ":");
            read_opsets(s, b, MODEL_OPSET_IMPORT);
        }
        take(s, ",");
    }
}

wb mt_model(const char *text, int opset) {
    parser s = {text, text, 0};
    wb b = {0};
    if (take(&s, "<"))
        read_header(&s, &b);
    else {
        wb_int(&b, MODEL_IR_VERSION, 10);
        add_opset(&b, MODEL_OPSET_IMPORT, "", opset);
        add_opset(&b, MODEL_OPSET_IMPORT, "com.microsoft", 1);
        add_opset(&b, MODEL_OPSET_IMPORT, "ai.onnx.ml", 5);
        add_opset(&b, MODEL_OPSET_IMPORT, "local", 1);
    }
    wb_msg(&b, MODEL_GRAPH, read_graph(&s));
    for (blanks(&s); *s.p; blanks(&s))
        wb_msg(&b, MODEL_FUNCTIONS, read_function(&s));
    return b;
}

wb mt_tensor(const char *text) {
    parser s = {text, text, 0};
    type t = read_type(&s);
    wb_free(&t.proto);
    return read_tensor(&s, &t, "");
}
