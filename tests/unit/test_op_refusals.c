/* Single nodes that are wrong in one way, and what must be said of them: tests/ops/refusals.list.
 *
 * A line is a model (support/model_text.h) and, behind "=>>", words of the error, or "fits" when
 * there must be none; "13: " in front is the opset, else 21.  The inputs are written as model
 * inputs, so one line says it all.  Empty lines and those that begin with # are skipped. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "onnxpert/analyze.h"
#include "ops/op.h"
#include "support/model_text.h"
#include "support/scratch.h"

#define LIST "tests/ops/refusals.list"

static const oxp_diag *first_error(const oxp_ctx *ctx) {
    for (size_t i = 0; i < oxp_diag_count(ctx); i++)
        if (oxp_diag_at(ctx, i)->severity == OXP_ERROR)
            return oxp_diag_at(ctx, i);
    return NULL;
}

/* One line; true when what is said of it is what is wanted. */
static bool line_holds(int number, const char *model, int opset, const char *wanted) {
    oxp_ctx *ctx = oxp_ctx_new(0);
    oxp_arena *arena = oxp_arena_new(ctx);
    oxp_analyze_opts o = OXP_ANALYZE_OPTS_INIT;
    const oxp_analysis *a = NULL;
    oxp_model *m = NULL;
    wb bytes = mt_model(model, opset);
    const char *path = wb_save(&bytes, "refusal.onnx");
    wb_free(&bytes);
    bool ran = oxp_open(&m, ctx, path) == OXP_OK && oxp_analyze(&a, m, &o, arena) == OXP_OK;
    const oxp_diag *d = first_error(ctx);
    bool holds = strcmp(wanted, "fits") == 0 ? ran && !d
                                             : ran && d && d->where && *d->where &&
                                                   strstr(d->text, wanted) && a->totals.partial;
    if (!holds)
        print_error("%s:%d: %s\n  wanted: %s\n  got: %s\n", LIST, number, model, wanted,
                    d     ? d->text
                    : ran ? "fits"
                          : oxp_error_text(ctx));
    oxp_ctx_free(ctx);
    return holds;
}

static void lines_hold(void **state) {
    static char line[4096];
    int number = 0, bad = 0, run = 0;
    (void)state;
    FILE *f = fopen(LIST, "r");
    assert_non_null(f);
    while (fgets(line, sizeof line, f)) {
        char *model = line, *wanted = strstr(line, "=>>");
        int opset = 21;
        number++;
        if (!wanted)
            continue;
        *wanted = '\0';
        wanted += 3 + strspn(wanted + 3, " ");
        wanted[strcspn(wanted, "\n")] = '\0';
        if (*model == '#')
            continue;
        if (*model >= '0' && *model <= '9') {
            opset = (int)strtol(model, &model, 10);
            model++;
        }
        bad += !line_holds(number, model, opset, wanted);
        run++;
    }
    (void)fclose(f);
    assert_int_equal(bad, 0);
    assert_true(run > 100);
}

/* Each name in a family's list of needs is an operator of that family, so none is a misspelling. */
static void needs_have_operators(void **state) {
    size_t n = 0;
    (void)state;
    for (size_t i = 0; i < oxp_op_count(); i++)
        n += oxp_op_needs(oxp_op_at(i)) != NULL;
    assert_true(n > 100);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(lines_hold),
                                       cmocka_unit_test(needs_have_operators)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
