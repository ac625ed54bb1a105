/* wire_builder.c - see wire_builder.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/proto.h"
#include "support/scratch.h"
#include "support/wire_builder.h"

static void need(const void *p) {
    if (!p) {
        perror("wire_builder");
        abort();
    }
}

void wb_free(wb *b) {
    free(b->p);
    *b = (wb){0};
}

void wb_raw(wb *b, const void *p, size_t n) {
    if (b->cap - b->n < n) {
        b->cap = (b->n + n) * 2 + 64;
        b->p = realloc(b->p, b->cap);
        need(b->p);
    }
    if (n)
        memcpy(b->p + b->n, p, n);
    b->n += n;
}

void wb_varint(wb *b, uint64_t v) {
    do {
        uint8_t byte = (uint8_t)((v & 0x7f) | (v > 0x7f ? 0x80 : 0));
        wb_raw(b, &byte, 1);
        v >>= 7;
    } while (v);
}

static void tag(wb *b, unsigned field, unsigned wire) {
    wb_varint(b, (uint64_t)field << 3 | wire);
}

void wb_int(wb *b, unsigned field, int64_t v) {
    tag(b, field, OXP_WIRE_VARINT);
    wb_varint(b, (uint64_t)v);
}

void wb_float(wb *b, unsigned field, float v) {
    tag(b, field, OXP_WIRE_I32);
    wb_raw(b, &v, sizeof v);
}

void wb_bytes(wb *b, unsigned field, const void *p, size_t n) {
    tag(b, field, OXP_WIRE_LEN);
    wb_varint(b, n);
    wb_raw(b, p, n);
}

void wb_text(wb *b, unsigned field, const char *s) {
    wb_bytes(b, field, s, strlen(s));
}

void wb_msg(wb *b, unsigned field, wb inner) {
    wb_bytes(b, field, inner.p, inner.n);
    wb_free(&inner);
}

/* Calls add(b, field, word) for each word of `words`. */
static void each_word(wb *b, unsigned field, const char *words,
                      void (*add)(wb *, unsigned, char *)) {
    char *copy = strdup(words), *rest = copy, *word;
    need(copy);
    while ((word = strsep(&rest, " ")))
        if (*word)
            add(b, field, word);
    free(copy);
}

static void add_name(wb *b, unsigned field, char *word) {
    wb_text(b, field, strcmp(word, "-") ? word : "");
}

static void add_number(wb *b, unsigned field, char *word) {
    wb_int(b, field, strtoll(word, NULL, 0));
}

static void add_dim(wb *b, unsigned field, char *word) {
    wb dim = {0};
    if ((*word >= '0' && *word <= '9') || *word == '-')
        wb_int(&dim, 1, strtoll(word, NULL, 0));
    else if (strcmp(word, "?"))
        wb_text(&dim, 2, word);
    wb_msg(b, field, dim);
}

wb wb_node(const char *op, const char *in, const char *out) {
    wb b = {0};
    each_word(&b, NODE_INPUT, in, add_name);
    each_word(&b, NODE_OUTPUT, out, add_name);
    wb_text(&b, NODE_OP_TYPE, op);
    return b;
}

wb wb_value(const char *name, const char *dims) {
    wb b = {0}, type = {0}, tensor = {0}, shape = {0};
    wb_text(&b, VALUE_NAME, name);
    wb_int(&tensor, 1, 1);
    if (dims) {
        each_word(&shape, 1, dims, add_dim);
        wb_msg(&tensor, 2, shape);
    }
    wb_msg(&type, 1, tensor);
    wb_msg(&b, VALUE_TYPE, type);
    return b;
}

wb wb_tensor(const char *name, int type, const char *dims) {
    wb b = {0};
    each_word(&b, TENSOR_DIMS, dims, add_number);
    wb_int(&b, TENSOR_DATA_TYPE, type);
    wb_text(&b, TENSOR_NAME, name);
    return b;
}

wb wb_ones(const char *name, const char *dims, size_t n) {
    wb b = wb_tensor(name, 1, dims), data = {0};
    const float one = 1;
    for (size_t i = 0; i < n; i++)
        wb_raw(&data, &one, sizeof one);
    wb_msg(&b, TENSOR_RAW_DATA, data);
    return b;
}

wb wb_attr(const char *name, int type) {
    wb b = {0};
    wb_text(&b, ATTR_NAME, name);
    wb_int(&b, ATTR_TYPE, type);
    return b;
}

wb wb_model(wb graph) {
    wb b = {0}, opset = {0};
    wb_int(&b, MODEL_IR_VERSION, 8);
    wb_int(&opset, OPSET_VERSION, 17);
    wb_msg(&b, MODEL_OPSET_IMPORT, opset);
    wb_msg(&b, MODEL_GRAPH, graph);
    return b;
}

wb wb_relu_graph(void) {
    wb g = {0};
    wb_msg(&g, GRAPH_NODE, wb_node("Relu", "x", "y"));
    wb_text(&g, GRAPH_NAME, "g");
    wb_msg(&g, GRAPH_INPUT, wb_value("x", "N 4"));
    wb_msg(&g, GRAPH_OUTPUT, wb_value("y", "N 4"));
    return g;
}

/* ---- files ---- */

const char *wb_save(const wb *b, const char *name) {
    return scratch_file(name, b->p, b->n);
}
