/* needs.h - what an operator asks of its inputs and attributes, in a line.
 *
 * Clauses, separated by ';'.  "13+ CLAUSE" holds from opset 13 on, "12- CLAUSE" up to 12.
 *
 *   0:N,C,*         shape of input 0; ? any size, * any number of sizes, a letter the same size
 *                   wherever it stands, 4h and hs products, b+1 a sum, ^C: 1 or C, () a scalar
 *   1-4:C           the same for inputs 1 to 4
 *   1:()|1          one of several shapes
 *   h=hidden_size   a letter is an integer attribute; h=hidden_size|1 has a default
 *   mode{a,b}       a string, or an integer, is one of these; mode?{a,b}: only a warning else
 *   2=0             input 2 has the shape of input 0; 3=o: of output 0
 *   1~0             input 1 broadcasts to the shape of input 0, which keeps it; 1~o: of output 0
 *   size>=1         a number, each of a list, is at least this (>, <=, <); "1>=1" the elements of
 *                   a constant input 1
 *   axis@0+1        an axis, or axes without repetition, of input 0 with one more; "1@0": input 1
 *                   holds them
 *   steps#0-2       as many values as input 0 has axes, less 2; "2#0": input 2
 *
 * Only what is known for sure is wrong: unknown and symbolic sizes fit everything. */
#ifndef OXP_OPS_NEEDS_H
#define OXP_OPS_NEEDS_H

#include "ops/op.h"

/* Reports the first clause that the node does not meet; true when there is none. */
bool oxp_needs_check(oxp_call *c, const char *needs);

#endif
