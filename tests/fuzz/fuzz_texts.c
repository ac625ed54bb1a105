/* fuzz_texts.c - any bytes as the smaller inputs: a device, a file of targets, a profile of rules,
 * a target of the command line, labels.  The first byte says which; in the seeds it is the kind's
 * letter. */
#include <string.h>

#include "analysis/device.h"
#include "fuzz/fuzz.h"
#include "onnxpert/onnxpert.h"
#include "rules/profile.h"
#include "rules/roadmap.h"
#include "rules/rule.h"

#include <libxml/xmlerror.h>

typedef struct job {
    oxp_ctx *ctx;
    oxp_arena *arena;
    char kind;
    const uint8_t *data;
    const char *text, *path; /* the same bytes, ended by a NUL, and as a file */
    size_t size;
} job;

static void device(job *j) {
    const oxp_device *d = oxp_device_parse(j->arena, "fuzz.xml", j->text, j->size);
    for (int i = 0; i < OXP_DTYPE_COUNT; i++)
        FUZZ_CHECK(d->peak[i] >= 0);
    FUZZ_CHECK(d->bandwidth > 0);
}

static void targets(job *j) {
    oxp_advise_opts opts = OXP_ADVISE_OPTS_INIT;
    const oxp_target *all;
    opts.target_files = &j->path;
    opts.n_target_files = 1;
    size_t n = oxp_targets_read(j->arena, &opts, &all);
    for (size_t i = 0; i < n; i++)
        FUZZ_CHECK(all[i].goal > 0 && all[i].name[0]);
}

static void target(job *j) {
    FUZZ_CHECK(oxp_target_parse(j->arena, j->text).goal > 0);
}

static void profile(job *j) {
    static const oxp_rules *rules;
    static oxp_ctx *volatile kept; /* read by the leak checker only */
    if (!rules)
        rules = oxp_rules_builtin(oxp_arena_new(kept = oxp_ctx_new(0)), false);
    const oxp_rule **items = OXP_NEWS(j->arena, rules->n + 1, const oxp_rule *);
    memcpy(items, rules->items, rules->n * sizeof *items);
    FUZZ_CHECK(oxp_profile_apply(j->arena, j->path, items, rules->n) <= rules->n);
}

static void work(void *arg) {
    static const struct {
        char letter;
        void (*read)(job *j);
    } kinds[] = {{'d', device}, {'t', targets}, {'g', target}, {'p', profile}};
    job *j = arg;
    j->arena = oxp_arena_new(j->ctx);
    j->text = oxp_memdup0(j->arena, j->data, j->size);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (kinds[i].letter == j->kind)
            kinds[i].read(j);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (!size)
        return 0;
    oxp_ctx *ctx = fuzz_ctx();
    const char *path = fuzz_file(data + 1, size - 1);
    job j = {ctx, NULL, (char)data[0], data + 1, NULL, path, size - 1};
    if (oxp_try(ctx, work, &j) != OXP_OK)
        fuzz_failed(ctx);
    oxp_ctx_free(ctx);
    xmlResetLastError();
    return 0;
}
