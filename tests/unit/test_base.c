/* What src/base and the plumbing of reports do at their limits. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <math.h>

#include "base/atomic_file.h"
#include "base/intern.h"
#include "base/parallel.h"
#include "base/source.h"
#include "base/utf8.h"
#include "base/xml_memory.h"
#include "onnxpert/report.h"
#include "rules/roadmap.h"
#include "support/scratch.h"
#include "support/world.h"

/* ---- contexts ---- */

static void count(void *arg) {
    ++*(int *)arg;
}

static int runs;

static void defer_many(void *arg) {
    for (;;)
        (void)oxp_defer(arg, count, &runs);
}

static void test_deferred(void **state) {
    world *w = *state;
    int once = 0;
    runs = 0;
    assert_int_equal(oxp_try(w->ctx, defer_many, w->ctx), OXP_E_INTERNAL);
    assert_string_equal(oxp_error_text(w->ctx), "too many deferred actions");
    assert_true(runs > 200); /* each of them ran, the one that was one too many as well */
    size_t a = oxp_defer(w->ctx, count, &once), b = oxp_defer(w->ctx, count, &once);
    oxp_undefer(w->ctx, a, false); /* not the last one: the other stays */
    assert_int_equal(once, 0);
    oxp_undefer(w->ctx, b, true);
    assert_int_equal(once, 1);
    oxp_ctx_free(NULL);
}

static void test_many_diagnostics(void **state) {
    world *w = *state;
    for (int i = 0; i < 1500; i++)
        oxp_diagnose(w->ctx, i % 2 ? OXP_ERROR : OXP_NOTE, "code", i ? "here" : NULL, "number %d",
                     i);
    assert_int_equal(oxp_diag_count(w->ctx), 1000);
    assert_int_equal(oxp_diag_errors(w->ctx), 750); /* counted beyond those that are kept */
    assert_string_equal(oxp_diag_at(w->ctx, 0)->where, "");
    assert_string_equal(oxp_diag_at(w->ctx, 999)->text, "number 999");
    assert_null(oxp_diag_at(w->ctx, 1000));
    oxp_diag_truncate(w->ctx, 1000);
    assert_int_equal(oxp_diag_errors(w->ctx), 750);
    oxp_diag_truncate(w->ctx, 10);
    assert_int_equal(oxp_diag_count(w->ctx), 10);
    assert_int_equal(oxp_diag_errors(w->ctx), 5);
}

static void test_codes(void **state) {
    static const struct {
        oxp_status status;
        int code;
    } all[] = {{OXP_OK, 0},      {OXP_E_USAGE, 2},  {OXP_E_FORMAT, 3}, {OXP_E_UNSUPPORTED, 3},
               {OXP_E_LIMIT, 3}, {OXP_E_RULE, 3},   {OXP_E_VERIFY, 4}, {OXP_E_IO, 5},
               {OXP_E_NOMEM, 5}, {OXP_E_RUNTIME, 5}};
    (void)state;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        assert_int_equal(oxp_exit_code(all[i].status), all[i].code);
    assert_true(oxp_exit_code(OXP_E_INTERNAL) > 1);
}

/* ---- memory ---- */

typedef struct wish {
    world *w;
    size_t n, size;
} wish;

static void allocate(void *arg) {
    wish *x = arg;
    (void)oxp_alloc(x->w->arena, x->n, x->size);
}

static void test_allocation(void **state) {
    wish x = {*state, SIZE_MAX / 2, 4};
    assert_int_equal(oxp_try(x.w->ctx, allocate, &x), OXP_E_LIMIT);
    assert_null(oxp_try_alloc(x.w->arena, SIZE_MAX / 2, 4));
    x.size = 1;
    x.n = SIZE_MAX - 8;
    assert_int_equal(oxp_try(x.w->ctx, allocate, &x), OXP_E_LIMIT);
    x.n = (size_t)1 << 40; /* above the ceiling */
    assert_int_equal(oxp_try(x.w->ctx, allocate, &x), OXP_E_LIMIT);
    /* What was given back is used again, and is zero. */
    for (int i = 0; i < 20; i++) {
        oxp_arena *a = oxp_arena_new(x.w->ctx);
        unsigned char *p = oxp_alloc(a, (size_t)100000 + (size_t)i * 5000, 1);
        for (size_t k = 0; k < 100000; k += 1000)
            assert_int_equal(p[k], 0);
        memset(p, 255, 100000);
        oxp_mark m = oxp_arena_mark(a);
        memset(oxp_alloc(a, 50, 1), 255, 50);
        oxp_arena_rewind(a, m);
        assert_int_equal(*(unsigned char *)oxp_alloc(a, 50, 1), 0);
        oxp_arena_free(a);
    }
}

static void begin_xml(void *arg) {
    wish *x = arg;
    oxp_xml_begin(x->w->ctx, x->n);
}

static void test_reserve(void **state) {
    wish x = {*state, SIZE_MAX / 2, 0};
    assert_int_equal(oxp_try(x.w->ctx, begin_xml, &x), OXP_E_LIMIT);
    x.n = 1000;
    assert_int_equal(oxp_try(x.w->ctx, begin_xml, &x), OXP_OK);
    assert_false(oxp_xml_starved());
}

/* ---- files ---- */

typedef struct file_job {
    world *w;
    const char *path;
    oxp_source *s;
    uint64_t at;
    size_t n;
    bool fresh;
} file_job;

static void open_source(void *arg) {
    file_job *j = arg;
    j->s = oxp_source_open(j->w->ctx, j->path);
}

static void read_source(void *arg) {
    file_job *j = arg;
    char out[64];
    oxp_source_read(j->s, j->at, out, j->n);
}

static void peek_source(void *arg) {
    file_job *j = arg;
    (void)oxp_source_peek(j->s, j->at, j->n);
}

static void test_source(void **state) {
    file_job j = {.w = *state};
    char out[8] = "";
    j.path = scratch_file("ten", "0123456789", 10);
    assert_int_equal(oxp_try(j.w->ctx, open_source, &j), OXP_OK);
    assert_int_equal(oxp_source_size(j.s), 10);
    assert_true(oxp_source_try_read(j.s, 7, out, 3));
    assert_string_equal(out, "789");
    assert_false(oxp_source_try_read(j.s, 8, out, 3));
    assert_false(oxp_source_try_read(j.s, UINT64_MAX, out, 1));
    j.at = 8;
    j.n = 3;
    assert_int_equal(oxp_try(j.w->ctx, read_source, &j), OXP_E_IO);
    assert_int_equal(oxp_try(j.w->ctx, peek_source, &j), OXP_E_IO);
    j.n = (size_t)1 << 30;
    assert_int_equal(oxp_try(j.w->ctx, peek_source, &j), OXP_E_INTERNAL);
    assert_int_equal(truncate(j.path, 5), 0); /* it shrinks while it is open */
    j.at = 3;
    j.n = 4;
    assert_int_equal(oxp_try(j.w->ctx, read_source, &j), OXP_E_IO);
    assert_non_null(strstr(oxp_error_text(j.w->ctx), "ten"));
    oxp_source_close(j.s);
    oxp_source_close(NULL);
}

static void test_no_source(void **state) {
    file_job j = {.w = *state, .path = scratch_path("none")};
    assert_int_equal(oxp_try(j.w->ctx, open_source, &j), OXP_E_FORMAT);
    j.path = scratch_folder();
    assert_int_equal(oxp_try(j.w->ctx, open_source, &j), OXP_E_FORMAT);
    j.path = "/dev/null";
    assert_int_equal(oxp_try(j.w->ctx, open_source, &j), OXP_E_FORMAT);
    j.path = scratch_path("fifo");
    assert_int_equal(mkfifo(j.path, 0600), 0);
    assert_int_equal(oxp_try(j.w->ctx, open_source, &j), OXP_E_FORMAT); /* and does not wait */
    unlink(j.path);
}

static void write_it(void *arg) {
    file_job *j = arg;
    oxp_write_file(j->w->ctx, j->path, "text", 4);
}

static void open_atomic(void *arg) {
    file_job *j = arg;
    oxp_atomic *f = oxp_atomic_open(j->w->ctx, j->w->arena, j->path, j->fresh);
    assert_string_equal(oxp_atomic_path(f), j->path);
    oxp_atomic_write(f, "new", 3);
    oxp_atomic_finish(f);
    oxp_atomic_finish(f); /* nothing is left to be done */
}

static void test_whole_files(void **state) {
    file_job j = {.w = *state, .path = scratch_path("whole")};
    struct stat st;
    assert_int_equal(oxp_try(j.w->ctx, write_it, &j), OXP_OK);
    assert_int_equal(stat(j.path, &st), 0);
    assert_int_equal(st.st_size, 4);
    assert_int_equal(oxp_try(j.w->ctx, open_atomic, &j), OXP_OK); /* in its place */
    assert_int_equal(stat(j.path, &st), 0);
    assert_int_equal(st.st_size, 3);
    j.fresh = true;
    assert_int_equal(oxp_try(j.w->ctx, open_atomic, &j), OXP_E_IO); /* there already */
    unlink(j.path);
    assert_int_equal(oxp_try(j.w->ctx, open_atomic, &j), OXP_OK);
    unlink(j.path);
    j.fresh = false;
    j.path = "/dev/null";
    assert_int_equal(oxp_try(j.w->ctx, open_atomic, &j), OXP_OK);
    j.path = scratch_folder();
    assert_int_equal(oxp_try(j.w->ctx, write_it, &j), OXP_E_IO);
    j.path = scratch_path("none/file");
    assert_int_equal(oxp_try(j.w->ctx, write_it, &j), OXP_E_IO);
    j.path = scratch_path("");
    assert_int_equal(oxp_try(j.w->ctx, write_it, &j), OXP_E_IO);
}

static void leave_draft(void *arg) {
    file_job *j = arg;
    (void)oxp_doom(j->w->ctx, j->w->arena, &j->path, 1);
    oxp_raise(j->w->ctx, OXP_E_FORMAT, "on purpose");
}

static void test_drafts(void **state) {
    file_job j = {.w = *state, .path = scratch_file("draft", "x", 1)};
    assert_int_equal(oxp_try(j.w->ctx, leave_draft, &j), OXP_E_FORMAT);
    assert_int_not_equal(access(j.path, F_OK), 0);
}

/* ---- threads, names, characters ---- */

static atomic_uint tasks_done;

static bool task(void *arg, uint64_t i, unsigned worker) {
    unsigned *most = arg;
    atomic_fetch_add(&tasks_done, 1);
    return worker < *most && i != 700;
}

static void test_threads(void **state) {
    unsigned most = 1000;
    (void)state;
    atomic_store(&tasks_done, 0);
    assert_true(oxp_parallel(500, 1000, task, &most)); /* more workers than there may be */
    assert_int_equal(atomic_load(&tasks_done), 500);
    assert_false(oxp_parallel(100000, 4, task, &most));
    assert_true(atomic_load(&tasks_done) < 100000);
    assert_true(oxp_parallel(0, 1, task, &most));
    assert_int_equal(oxp_workers(0), 1);
    assert_int_equal(oxp_workers(1), 1);
}

static void test_names(void **state) {
    world *w = *state;
    oxp_intern *t = oxp_intern_new(w->arena);
    uint32_t id;
    const char *first = oxp_intern_number(t, "one", 3, &id);
    char name[16];
    assert_int_equal(id, 0);
    for (int i = 0; i < 5000; i++) {
        int n = snprintf(name, sizeof name, "n%d", i);
        (void)oxp_intern_add(t, name, (size_t)n);
    }
    assert_ptr_equal(oxp_intern_number(t, "onely", 3, &id), first);
    assert_int_equal(id, 0);
    assert_null(oxp_intern_find(t, "never", 5));
    assert_ptr_equal(oxp_intern_find(t, "one", 3), first);
    oxp_map *m = oxp_map_new(w->arena);
    assert_true(oxp_map_put(m, 7, 1));
    assert_false(oxp_map_put(m, 7, 2));
    assert_true(oxp_map_get(m, 7, &id) && id == 1);
    oxp_map_set(m, 7, 3);
    assert_true(oxp_map_get(m, 7, &id) && id == 3);
    assert_false(oxp_map_get(m, 8, &id));
}

static void test_characters(void **state) {
    static const char *const hidden[] = {
        "\x1b",         "\x7f",         "\xc2\x85",        "\xc2\xad",
        "\xe2\x80\x8b", "\xe2\x80\x8f", "\xe2\x80\xa8",    "\xe2\x80\xae",
        "\xe2\x81\xa0", "\xe2\x81\xaf", "\xd8\x9c",        "\xe1\xa0\x8e",
        "\xef\xbb\xbf", "\xef\xbf\xb0", "\xef\xbf\xbf",    "\xf3\xa0\x80\x81",
        "\xed\xa0\x80", "\xc0\xaf",     "\xf5\x80\x80\x80"};
    static const char *const shown[] = {"a",
                                        "\xc3\xa9",
                                        "\xe2\x82\xac",
                                        "\xf0\x9f\x98\x80",
                                        "\xe2\x80\x90",
                                        "\xe2\x80\xaf",
                                        "\xe2\x81\xb0"};
    unsigned code;
    (void)state;
    for (size_t i = 0; i < sizeof hidden / sizeof *hidden; i++)
        if (oxp_utf8_printable(hidden[i], strlen(hidden[i])))
            fail_msg("hidden character %zu is shown", i);
    for (size_t i = 0; i < sizeof shown / sizeof *shown; i++) {
        assert_int_equal(oxp_utf8_printable(shown[i], strlen(shown[i])), strlen(shown[i]));
        assert_int_equal(oxp_utf8_printable(shown[i], strlen(shown[i]) - 1), 0); /* cut off */
    }
    assert_int_equal(oxp_utf8_decode("\xe2\x82\xac", 3, &code), 3);
    assert_int_equal(code, 0x20ac);
    assert_int_equal(oxp_utf8_decode("", 0, &code), 0);
}

/* ---- reports ---- */

static size_t drained;

static void drain(void *arg, const char *text, size_t len) {
    (void)arg;
    assert_true(text[0] == 'x' && text[len - 1] == 'x');
    drained += len;
}

static void test_sink(void **state) {
    world *w = *state;
    oxp_sink *o = oxp_sink_new(w->arena);
    char piece[4096];
    size_t len, total = 0;
    memset(piece, 'x', sizeof piece);
    drained = 0;
    oxp_sink_drain(o, drain, NULL);
    for (; total < (size_t)20 << 20; total += sizeof piece)
        oxp_write(o, piece, sizeof piece);
    oxp_sink_text(o, &len);
    assert_int_equal(drained + len, total);
    assert_true(len < total / 2 && oxp_arena_bytes(w->arena) < total);
    assert_null(oxp_format_find("pictures"));
    assert_null(oxp_format_at(oxp_format_count()));
}

static void test_targets(void **state) {
    static const oxp_metrics unknown = {.memory = UINT64_MAX, .size = UINT64_MAX};
    static const oxp_metrics known = {.latency = 0.002,
                                      .throughput = 500,
                                      .memory = 4000000,
                                      .size = 2000000,
                                      .latency_at = {0.5},
                                      .batch_runs = true};
    static const struct {
        const char *text, *show;
        double value;
        bool met;
    } all[] = {{"latency=3ms", "2.00 ms", 0.002, true},
               {"latency=1ms", "2.00 ms", 0.002, false},
               {"throughput=400", "500 samples/s", 500, true},
               {"throughput=2000", "500 samples/s", 500, false},
               {"memory=5MB", "4.00 MB", 4000000, true},
               {"size=1MB", "2.00 MB", 2000000, false}};
    world *w = *state;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        oxp_target t = oxp_target_parse(w->arena, all[i].text);
        double v = oxp_target_value(&t, &known);
        assert_true(fabs(v - all[i].value) <= 1e-12 * v);
        assert_int_equal(oxp_target_met(&t, v), all[i].met);
        assert_int_equal(oxp_target_miss(&t, v) > 1, !all[i].met);
        assert_string_equal(oxp_target_show(w->arena, &t, v), all[i].show);
        assert_true(isnan(oxp_target_value(&t, &unknown)));
        assert_false(oxp_target_met(&t, NAN));
    }
    oxp_target at = oxp_target_parse(w->arena, "latency@8=1s");
    assert_int_equal(at.batch, 8);
    assert_true(oxp_target_value(&at, &known) == 0.5);
    assert_true(isnan(oxp_target_value(&at, &unknown)));
}

int main(void) {
#define IN_WORLD(test) cmocka_unit_test_setup_teardown(test, world_setup, world_teardown)
    const struct CMUnitTest tests[] = {IN_WORLD(test_deferred),  IN_WORLD(test_many_diagnostics),
                                       IN_WORLD(test_codes),     IN_WORLD(test_allocation),
                                       IN_WORLD(test_reserve),   IN_WORLD(test_source),
                                       IN_WORLD(test_no_source), IN_WORLD(test_whole_files),
                                       IN_WORLD(test_drafts),    IN_WORLD(test_threads),
                                       IN_WORLD(test_names),     IN_WORLD(test_characters),
                                       IN_WORLD(test_sink),      IN_WORLD(test_targets)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
