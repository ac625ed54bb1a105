/* check_schema.c - does a JSON file meet a schema?  usage: check_schema SCHEMA FILE */
#include <stdio.h>

#include "support/json_check.h"

int main(int argc, char **argv) {
    char why[256];
    if (argc != 3)
        return 2;
    const json *schema = json_read_file(argv[1], why);
    const json *document = schema ? json_read_file(argv[2], why) : NULL;
    if (document && json_meets(document, schema, why))
        return 0;
    fprintf(stderr, "%s against %s: %s\n", argv[2], argv[1], why);
    return 1;
}
