/* model_text.h - models written in ONNX's own textual syntax (onnx/docs/Syntax.md), for tests:
 *
 *   <ir_version: 10, opset_import: ["": 21]>
 *   g (float[N,4] x) => (float[N,4] y) <float[4] b = {1, 2, ...}> {
 *      [first] t = Relu (x)
 *      y = com.microsoft.BiasGelu (t, b)
 *   }
 *   <domain: "local", opset_import: ["": 21]> twice <alpha> (x) => (y) { y = Add (x, x) }
 *
 * As there: float is a scalar, float[] of unknown rank, ? an unknown dimension, @alpha a reference
 * to an attribute of the function.  More than there: types and names of graphs may be left out,
 * data that end in "..." repeat themselves, and types without numbers of C (float8, 4 bits) take
 * bit patterns.  Without a header: IR version 10 and the opsets given. */
#ifndef OXP_TEST_MODEL_TEXT_H
#define OXP_TEST_MODEL_TEXT_H

#include "support/wire_builder.h"

/* The bytes of a model.  `opset`: of ai.onnx, where there is no header.  What cannot be read ends
 * the program with a message. */
wb mt_model(const char *text, int opset);
/* A tensor literal such as "float[2] {1, 2}" as TensorProto. */
wb mt_tensor(const char *text);

#endif
