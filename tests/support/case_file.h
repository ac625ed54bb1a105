/* case_file.h - files of test cases: paragraphs of a name, a model and what is wanted. */
#ifndef OXP_TEST_CASE_FILE_H
#define OXP_TEST_CASE_FILE_H

#include <stddef.h>

typedef struct case_want {
    const char *word;
    char *rest; /* of its line; may be written to */
} case_want;

typedef struct case_text {
    const char *file, *name;
    int opset; /* "case NAME opset N", else 21 */
    const char *model;
    size_t n;
    case_want wants[64];
} case_text;

/* Runs all cases of the files that match: lines starting with one of the words (a NULL ends them)
 * are wants, other lines the model.  Lines starting with # are comments; "= name text" lets $name
 * stand for the text in the lines below.  ONNXPERT_CASE runs those whose name holds it.  Returns
 * the sum of what `run` returned, or -1 when there was no case. */
int case_files(const char *pattern, const char *const *words, int (*run)(const case_text *c));

#endif
