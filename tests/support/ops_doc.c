/* ops_doc.c - writes docs/ops.md: every operator record beside the versions in the schema table.
 *
 *     ops_doc > docs/ops.md
 *
 * The test docs.ops compares its output with the file. */
#include <stdio.h>
#include <string.h>

#include "ops/op.h"
#include "ops/schema.h"

static const struct {
    const char *domain, *title, *text;
} domains[] = {
    {"", "ai.onnx",
     "All operators of ai.onnx through opset 28, the experimental ones of the first "
     "opsets that ONNX Runtime still runs, its plugins without a domain, and what tf2onnx leaves "
     "of TensorFlow's."},
    {"ai.onnx.ml", "ai.onnx.ml", "Trees, linear models, encoders."},
    {"ai.onnx.preview", "ai.onnx.preview", ""},
    {"ai.onnx.preview.training", "ai.onnx.preview.training", ""},
    {"com.microsoft", "com.microsoft",
     "What exporters and the optimizer of ONNX Runtime 1.31 emit."},
    {"com.microsoft.nchwc", "com.microsoft.nchwc",
     "The blocked layout of the CPU optimizer; the number of channels behind ReorderInput is known "
     "only where it is a multiple of every block."},
    {"ai.onnx.converters.tensorflow", "ai.onnx.converters.tensorflow",
     "What tf2onnx cannot express in ONNX keeps TensorFlow's name (also in ai.onnx); no runtime "
     "has "
     "it."},
    {"onnx.brevitas", "onnx.brevitas", "Fake quantization of Brevitas and QONNX."},
    {"qonnx.custom_op.general", "qonnx.custom_op.general", "The same under its later name."},
    {"TRT", "TRT", "Plugins of TensorRT that exporters of detectors emit."},
};

static const char *shape_of(const oxp_op *op) {
    if (op->infer == NULL)
        return "as declared";
    return op->flags & OXP_OP_DATA_SHAPE ? "depends on data" : "exact";
}

static const char *cost_of(const oxp_op *op) {
    if (op->flags & OXP_OP_CONTROL)
        return "of the graphs inside";
    if (op->cost != NULL)
        return "own formula";
    if (op->flags & OXP_OP_VIEW)
        return "none (a view)";
    return op->flags & OXP_OP_MOVE ? "elements moved" : "1 FLOP an output element";
}

/* First versions in the schema table, "1, 6, 13". */
static void print_versions(const oxp_op *op) {
    size_t n = 0;
    for (size_t i = 0; i < oxp_schema_count; i++) {
        const oxp_schema *s = &oxp_schemas[i];
        if (strcmp(s->domain, op->domain) == 0 && strcmp(s->name, op->name) == 0)
            printf("%s%d%s", n++ ? ", " : "", (int)s->since, s->deprecated ? " (deprecated)" : "");
    }
    if (n == 0)
        printf("-");
}

static void print_domain(size_t d) {
    size_t n = 0;
    for (size_t i = 0; i < oxp_op_count(); i++)
        n += strcmp(oxp_op_at(i)->domain, domains[d].domain) == 0;
    if (n == 0)
        return;
    printf("\n## %s (%zu)\n\n", domains[d].title, n);
    if (*domains[d].text)
        printf("%s\n\n", domains[d].text);
    printf("| operator | versions | shapes | cost | interval |\n|---|---|---|---|---|\n");
    for (size_t i = 0; i < oxp_op_count(); i++) {
        const oxp_op *op = oxp_op_at(i);
        if (strcmp(op->domain, domains[d].domain) != 0)
            continue;
        printf("| %s | ", op->name);
        print_versions(op);
        printf(" | %s | %s | %s |\n", shape_of(op), cost_of(op), op->range != NULL ? "yes" : "-");
    }
}

/* Every domain of a record must have its heading above. */
static int lacks_domain(void) {
    for (size_t i = 0; i < oxp_op_count(); i++) {
        size_t d = 0, n = sizeof domains / sizeof *domains;
        while (d < n && strcmp(domains[d].domain, oxp_op_at(i)->domain) != 0)
            d++;
        if (d == n) {
            fprintf(stderr, "ops_doc: domain '%s' has no heading\n", oxp_op_at(i)->domain);
            return 1;
        }
    }
    return 0;
}

int main(void) {
    printf(
        "# Operators\n\n"
        "Written by `tests/support/ops_doc.c` from the operator records (`src/ops/family`) and the "
        "schema table;\nthe test `docs.ops` fails when this file is behind.\n\n"
        "* versions: the opsets with a schema of their own; an older file gets the version in "
        "force.\n"
        "* shapes: exact - types and shapes follow from the inputs, also with symbolic dimensions; "
        "an input that is\n  no constant and no shape arithmetic (an axis, a size) leaves what it "
        "decides unknown. Depends on data -\n  known only where the elements are.\n"
        "* cost: conventions in [flops.md](flops.md). An operator whose work depends on data has "
        "an "
        "own formula that\n  says unknown.\n"
        "* interval: bounds of the output follow from those of the inputs (for `--passes "
        "fp16`).\n\n"
        "Operators of other domains stay unknown, and the report says so.\n");
    for (size_t d = 0; d < sizeof domains / sizeof *domains; d++)
        print_domain(d);
    return lacks_domain();
}
