/* half_cpu.h - which operators ONNX Runtime's CPU provider computes in float16 where the processor
 * has no such arithmetic: the rest is computed in float32, between conversions. */
#ifndef OXP_OPS_HALF_CPU_H
#define OXP_OPS_HALF_CPU_H

#include "onnxpert/model.h"

/* Has it a kernel for float16? */
bool oxp_half_on_cpu(const oxp_node *n);
/* Kernels that run in its place: an operator without such a kernel that ONNX defines by others is
 * replaced by those before the conversions are put in.  0: it runs itself. */
unsigned oxp_half_kernels(const oxp_node *n, int64_t opset);
/* Is it a conversion between types? */
bool oxp_half_is_cast(const oxp_node *n);

#endif
