/* sweep_reports.c - every model that is named, analysed and advised on in turn for each device,
 * with targets, and reported in every format.
 *
 * usage: sweep_reports FILE...
 *
 * Wanted: text that is safe to show and holds no "nan", "inf" or "(null)", JSON that is JSON, and
 * the same analysis twice.  A model that does not load has a message.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/device.h"
#include "base/utf8.h"
#include "onnxpert/onnxpert.h"
#include "report/reports.h"
#include "support/json_check.h"

typedef struct sweep {
    oxp_ctx *ctx;
    const char *path;
    size_t turn; /* which device, targets and batch sizes */
    unsigned bad;
} sweep;

static void complain(sweep *s, const char *what, const char *text, size_t at) {
    size_t from = at < 60 ? 0 : at - 60;
    fprintf(stderr, "%s: %s: ...%.*s\n", s->path, what, (int)(at - from) + 20, text + from);
    s->bad++;
}

/* Is the word there with neither letters nor digits around it? */
static bool has_word(const char *text, const char *word, size_t *at) {
    size_t n = strlen(word);
    for (const char *p = text; (p = strstr(p, word)); p += n)
        if ((p == text || !(isalnum((unsigned char)p[-1]) || strchr("_/.$@", p[-1]))) &&
            !isalnum((unsigned char)p[n]) && p[n] != '_' && p[n] != '\\') {
            *at = (size_t)(p - text);
            return true;
        }
    return false;
}

static void check_text(sweep *s, const oxp_format *f, const char *text, size_t len) {
    static const char *const never[] = {"nan", "-nan", "inf", "-inf", "(null)"};
    size_t at;
    char why[256];
    for (size_t i = 0; i < len;) {
        size_t n = oxp_utf8_printable(text + i, len - i);
        n = n ? n : strchr("\n\t\r", text[i]) != NULL;
        if (!n) {
            complain(s, "an unsafe byte", text, i);
            return;
        }
        i += n;
    }
    for (size_t k = 0; k < sizeof never / sizeof *never; k++)
        if (strcmp(f->name, "html") != 0 && has_word(text, never[k], &at))
            complain(s, "no number", text, at);
    if ((!strcmp(f->name, "json") || !strcmp(f->name, "sarif")) && !json_parse(text, len, why))
        complain(s, why, text, 0);
}

static void check_report(sweep *s, const oxp_report *r, oxp_arena *arena) {
    for (size_t i = 0; i < oxp_format_count(); i++) {
        const oxp_format *f = oxp_format_at(i);
        size_t len;
        if (!oxp_format_shows(f, r->kind))
            continue;
        oxp_sink *out = oxp_sink_new(arena);
        f->render(r, out, arena, s->turn % 2);
        const char *text = oxp_sink_text(out, &len);
        if (!(s->turn % 2)) /* else with colours */
            check_text(s, f, text, len);
    }
}

static void work(void *arg) {
    static const char *const goals[][3] = {
        {"latency=1us", "memory=1GB", "latency@8=1ms"},
        {"throughput=1000000", "size=1kB", "accuracy=0.9"},
        {"latency=1s", "memory=1kB", "throughput=1"},
    };
    static const int64_t batches[][2] = {{1, 2}, {7, 64}, {1, 1000}};
    sweep *s = arg;
    oxp_arena *arena = oxp_arena_new(s->ctx);
    const oxp_device *const *devices;
    size_t n = oxp_device_list(arena, &devices);
    const oxp_device *device = devices[s->turn % n];
    oxp_model *m;
    const oxp_analysis *a, *again;
    const oxp_roadmap *roadmap;
    oxp_analyze_opts how = OXP_ANALYZE_OPTS_INIT;
    oxp_advise_opts advice = OXP_ADVISE_OPTS_INIT;
    how.symbolic = true;
    if (oxp_open(&m, s->ctx, s->path) != OXP_OK || oxp_analyze(&a, m, &how, arena) != OXP_OK) {
        if (!*oxp_error_text(s->ctx))
            complain(s, "refused without a reason", "", 0);
        return;
    }
    if (oxp_analyze(&again, m, &how, arena) != OXP_OK || again->totals.flops != a->totals.flops ||
        again->totals.peak_activation_bytes != a->totals.peak_activation_bytes)
        complain(s, "another analysis the second time", "", 0);
    check_report(s,
                 oxp_report_analysis(arena, a, &how, s->turn % 3 ? device : NULL,
                                     batches[s->turn % 3], s->turn % 4 ? 2 : 0),
                 arena);
    advice.device = device->id;
    advice.batch = s->turn % 5 ? 1 : 4;
    advice.targets = goals[s->turn % 3];
    advice.n_targets = 3;
    if (oxp_advise(&roadmap, m, &advice, arena) != OXP_OK) {
        complain(s, oxp_error_text(s->ctx), "", 0);
        return;
    }
    oxp_report r = oxp_report_roadmap(roadmap);
    check_report(s, &r, arena);
}

int main(int argc, char **argv) {
    unsigned bad = 0;
    for (int i = 1; i < argc; i++) {
        sweep s = {oxp_ctx_new(0), argv[i], (size_t)i, 0};
        if (oxp_try(s.ctx, work, &s) != OXP_OK)
            complain(&s, oxp_error_text(s.ctx), "", 0);
        bad += s.bad;
        oxp_ctx_free(s.ctx);
    }
    printf("%d models, %u findings\n", argc - 1, bad);
    return bad || argc < 2;
}
