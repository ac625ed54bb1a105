/* convert.h - conversion of packed elements from and to double. */
#ifndef OXP_MODEL_CONVERT_H
#define OXP_MODEL_CONVERT_H

#include "onnxpert/model.h"

/* n elements, packed from bit 0 of `bytes`, as doubles.  Complex and string types are not elements
 * in this sense: oxp_dtype_convertible tells. */
void oxp_decode(oxp_dtype t, const void *bytes, size_t n, double *out);
/* Integer and bool types only; uint64 beyond int64 becomes INT64_MAX. */
void oxp_decode_ints(oxp_dtype t, const void *bytes, size_t n, int64_t *out);
/* Rounds to nearest, ties to even.  Beyond the range: infinity (or NaN where the type has none);
 * the largest finite value when `saturate`, and always for integers, where NaN becomes 0. */
void oxp_encode(oxp_dtype t, const double *v, size_t n, bool saturate, void *bytes);
bool oxp_dtype_convertible(oxp_dtype t);

/* float32 arrays: x = (float)(x * s) in double; float16 and bfloat16 of x.  Vectorised where the
 * CPU can. */
void oxp_scale_f32(float *x, double s, size_t n);
void oxp_half_from_f32(const float *x, size_t n, bool saturate, uint16_t *y);
void oxp_bfloat16_from_f32(const float *x, size_t n, bool saturate, uint16_t *y);
float oxp_half_to_f32(uint16_t h);

/* Adds n elements of packed type t to the statistics (see oxp_stats_start). */
void oxp_stats_start(oxp_tensor_stats *s);
void oxp_stats_f32(oxp_tensor_stats *s, const float *x, size_t n);
void oxp_stats_doubles(oxp_tensor_stats *s, const double *x, size_t n);
void oxp_stats_merge(oxp_tensor_stats *into, const oxp_tensor_stats *from);
void oxp_stats_finish(oxp_tensor_stats *s);

#endif
