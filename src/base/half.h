/* half.h - float16 and bfloat16 to and from double, rounded once to nearest, ties to even. */
#ifndef OXP_BASE_HALF_H
#define OXP_BASE_HALF_H

#include <stdint.h>

uint16_t oxp_half_from_double(double v);
uint16_t oxp_bfloat16_from_double(double v);
double oxp_half_to_double(uint16_t h);
double oxp_bfloat16_to_double(uint16_t h);

#endif
