/* flops.c - the C API in one page: opens a model, prints what one run of it costs.
 *
 * cc flops.c $(pkg-config --cflags --libs onnxpert) -o flops && ./flops model.onnx */
#include <onnxpert/onnxpert.h>
#include <stdio.h>

int main(int argc, char **argv) {
    oxp_ctx *ctx = oxp_ctx_new(0); /* everything below belongs to it */
    oxp_model *m;
    const oxp_analysis *a;
    oxp_analyze_opts opts = OXP_ANALYZE_OPTS_INIT;
    if (argc < 2 || !ctx)
        return 2;
    if (oxp_open(&m, ctx, argv[1]) != OXP_OK ||
        oxp_analyze(&a, m, &opts, oxp_model_arena(m)) != OXP_OK) {
        fprintf(stderr, "%s\n", oxp_error_text(ctx));
        oxp_ctx_free(ctx);
        return 1;
    }
    printf("%llu FLOPs\n", (unsigned long long)a->totals.flops);
    oxp_ctx_free(ctx);
    return 0;
}
