/* functions.h - what the files of ox: functions share. */
#ifndef OXP_RULES_FUNCTIONS_H
#define OXP_RULES_FUNCTIONS_H

#include "rules/xpath.h"

/* The scratch of the evaluation that runs. */
oxp_scratch *oxp_fn_scratch(xmlXPathParserContextPtr c);
const oxp_model *oxp_fn_model_of(xmlXPathParserContextPtr c);

/* Arguments, from the last to the first; a set with nargs 0 is the context element. */
double oxp_fn_pop_number(xmlXPathParserContextPtr c);
const char *oxp_fn_pop_string(xmlXPathParserContextPtr c);
xmlNodeSetPtr oxp_fn_pop_set(xmlXPathParserContextPtr c, int nargs);
/* The value that the first fitting element of a set stands for, or OXP_NONE. */
oxp_id oxp_fn_first_value(xmlNodeSetPtr s);

void oxp_fn_push_set(xmlXPathParserContextPtr c, xmlNodeSetPtr s);
void oxp_fn_push_number(xmlXPathParserContextPtr c, double v);
void oxp_fn_push_text(xmlXPathParserContextPtr c, const char *s);

/* functions_weights.c */
void oxp_fn_value(xmlXPathParserContextPtr c, int nargs);
void oxp_fn_stat(xmlXPathParserContextPtr c, int nargs);
void oxp_fn_readable(xmlXPathParserContextPtr c, int nargs);
void oxp_fn_twin(xmlXPathParserContextPtr c, int nargs);

#endif
