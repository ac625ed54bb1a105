/* Files that are read: what is no file, and files that change after they were opened. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/source.h"
#include "support/scratch.h"
#include "support/world.h"

typedef struct call {
    oxp_ctx *ctx;
    const char *path;
    oxp_source *got;
} call;

static void open_it(void *arg) {
    call *c = arg;
    c->got = oxp_source_open(c->ctx, c->path);
}

/* A pipe that nobody writes to: it is refused at once (the alarm would end the test). */
static void test_pipe(void **state) {
    world *w = *state;
    call c = {w->ctx, scratch_path("pipe"), NULL};
    assert_int_equal(mkfifo(c.path, 0600), 0);
    alarm(30);
    assert_int_equal(oxp_try(w->ctx, open_it, &c), OXP_E_FORMAT);
    alarm(0);
    assert_non_null(strstr(oxp_error_text(w->ctx), "not a regular file"));
}

/* What was appended later was not seen by the pre-scan: it cannot be read. */
static void test_grown(void **state) {
    world *w = *state;
    uint8_t got[8];
    const char *path = scratch_file("grows", "1234", 4);
    oxp_source *s = oxp_source_open(w->ctx, path);
    scratch_file("grows", "12345678", 8);
    assert_int_equal(oxp_source_size(s), 4);
    assert_true(oxp_source_try_read(s, 1, got, 3));
    assert_memory_equal(got, "234", 3);
    assert_false(oxp_source_try_read(s, 2, got, 3));
    assert_false(oxp_source_try_read(s, 5, got, 1));
    assert_false(oxp_source_try_read(s, UINT64_MAX, got, 1));
    assert_false(oxp_source_try_read(s, 1, got, SIZE_MAX));
    oxp_source_close(s);
}

static void test_shrunk(void **state) {
    world *w = *state;
    uint8_t got[8];
    const char *path = scratch_file("shrinks", "12345678", 8);
    oxp_source *s = oxp_source_open(w->ctx, path);
    assert_int_equal(truncate(path, 4), 0);
    alarm(30); /* it must not wait for the rest */
    assert_false(oxp_source_try_read(s, 2, got, 4));
    alarm(0);
    assert_true(oxp_source_try_read(s, 2, got, 2));
    oxp_source_close(s);
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, world_setup, world_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {TEST(pipe), TEST(grown), TEST(shrunk)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
