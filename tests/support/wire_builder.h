/* wire_builder.h - small ONNX files, byte by byte: for tests of what is right and of what is not.
 */
#ifndef OXP_TEST_WIRE_BUILDER_H
#define OXP_TEST_WIRE_BUILDER_H

#include <stddef.h>
#include <stdint.h>

/* Bytes of a message under construction.  Starts as {0}; wb_msg takes the inner one over. */
typedef struct wb {
    uint8_t *p;
    size_t n, cap;
} wb;

void wb_free(wb *b);
void wb_raw(wb *b, const void *p, size_t n);
void wb_varint(wb *b, uint64_t v);
void wb_int(wb *b, unsigned field, int64_t v);
void wb_float(wb *b, unsigned field, float v);
void wb_bytes(wb *b, unsigned field, const void *p, size_t n);
void wb_text(wb *b, unsigned field, const char *s);
void wb_msg(wb *b, unsigned field, wb inner);

/* A NodeProto; names separated by blanks, "-" for an omitted one. */
wb wb_node(const char *op, const char *in, const char *out);
/* A ValueInfoProto: a float tensor; dims as "N 3 -1 ?", NULL: no shape; "?" is an unset dimension.
 */
wb wb_value(const char *name, const char *dims);
/* A TensorProto header: data type, dims as "2 3"; the payload is the caller's to add. */
wb wb_tensor(const char *name, int type, const char *dims);
/* A float tensor of n ones as raw data. */
wb wb_ones(const char *name, const char *dims, size_t n);
/* An AttributeProto of a type with its value still to come. */
wb wb_attr(const char *name, int type);
/* A ModelProto of IR 8 and opset 17 around a GraphProto. */
wb wb_model(wb graph);
/* GraphProto: Relu from x to y, to which things can be added. */
wb wb_relu_graph(void);

/* Writes to a file of that name in the scratch folder, and returns its path (scratch.h). */
const char *wb_save(const wb *b, const char *name);

#endif
