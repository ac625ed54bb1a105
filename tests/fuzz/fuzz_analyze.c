/* fuzz_analyze.c - any bytes as a model: what loads is analysed, with the sizes assumed and with
 * free dimensions, and one in four reported in a format (which, the bytes decide; all of them in a
 * replay).
 * Reports are text that is safe to show. */
#include <string.h>

#include "base/utf8.h"
#include "fuzz/fuzz.h"
#include "onnxpert/onnxpert.h"
#include "report/reports.h"

static void check_values(const oxp_analysis *a) {
    for (oxp_id i = 0; i < oxp_value_count(a->model); i++) {
        const oxp_value *v = oxp_value_at(a->model, i);
        FUZZ_CHECK(!v->live || v->producer == OXP_NONE || v->producer < oxp_node_count(a->model));
        const oxp_type *t = &a->values[i].type;
        for (int k = 0; t->kind == OXP_KIND_TENSOR && k < t->rank; k++)
            FUZZ_CHECK(!oxp_dim_is_literal(t->dims[k]) || t->dims[k] >= 0);
    }
}

static void check_text(const char *text, size_t len) {
    for (size_t i = 0; i < len;) {
        size_t n = oxp_utf8_printable(text + i, len - i);
        if (text[i] == '\n' || text[i] == '\t')
            n = 1;
        if (text[i] == '\r' && i + 1 < len && text[i + 1] == '\n') /* lines of CSV, RFC 4180 */
            n = 2;
        if (!n)
            fprintf(stderr, "byte %02x after: %.*s\n", (unsigned char)text[i], i < 60 ? (int)i : 60,
                    text + (i < 60 ? 0 : i - 60));
        FUZZ_CHECK(n > 0);
        i += n;
    }
}

typedef struct job {
    oxp_ctx *ctx;
    const oxp_model *m;
    uint32_t hash; /* what the input chooses */
} job;

/* The same analysis again gives the same. */
static void check_again(const job *j, const oxp_analysis *a, const oxp_analyze_opts *opts,
                        oxp_arena *arena) {
    const oxp_analysis *again;
    oxp_status s = oxp_analyze(&again, j->m, opts, arena);
    FUZZ_CHECK(s == OXP_OK && again->totals.macs == a->totals.macs &&
               again->totals.peak_activation_bytes == a->totals.peak_activation_bytes);
}

static void check_reports(const job *j, const oxp_analysis *a, const oxp_analyze_opts *opts,
                          oxp_arena *arena) {
    const oxp_report *r = oxp_report_analysis(arena, a, opts, NULL, NULL, 0);
    size_t n = oxp_format_count(), chosen = j->hash / 16 % n;
    for (size_t i = 0; i < n; i++) {
        const oxp_format *f = oxp_format_at(i);
        size_t len;
        if (!oxp_format_shows(f, r->kind) || (!fuzz_is_thorough() && i != chosen))
            continue;
        oxp_sink *out = oxp_sink_new(arena);
        f->render(r, out, arena, false);
        const char *text = oxp_sink_text(out, &len);
        check_text(text, len);
    }
}

static void work(void *arg) {
    job *j = arg;
    oxp_arena *arena = oxp_arena_new(j->ctx);
    oxp_analyze_opts opts = OXP_ANALYZE_OPTS_INIT;
    const oxp_analysis *a;
    opts.symbolic = true;
    oxp_status s = oxp_analyze(&a, j->m, &opts, arena);
    if (s != OXP_OK)
        oxp_reraise(j->ctx, s);
    check_values(a);
    if (fuzz_is_thorough() || j->hash % 16 == 0)
        check_again(j, a, &opts, arena);
    if (fuzz_is_thorough() || j->hash % 4 == 0)
        check_reports(j, a, &opts, arena);
    oxp_arena_free(arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    oxp_model *m;
    oxp_ctx *ctx = fuzz_ctx();
    if (oxp_open(&m, ctx, fuzz_file(data, size)) == OXP_OK) {
        job j = {ctx, m, fuzz_hash(data, size)};
        if (oxp_try(ctx, work, &j) != OXP_OK)
            fuzz_failed(ctx);
        oxp_close(m);
    }
    oxp_ctx_free(ctx);
    return 0;
}
