/* test_external.c - external data: where it may lie, how it is found, what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/source.h"
#include "model/model_impl.h"
#include "model/proto.h"
#include "support/scratch.h"
#include "support/wire_builder.h"

enum { DATA_BYTES = 4096 };

static char text[4096];

/* A path in the folder of the test's files. */
static const char *at(const char *name) {
    snprintf(text, sizeof text, "%s/%s", scratch_folder(), name);
    return text;
}

static void put(const char *name, size_t bytes) {
    wb b = {0};
    for (size_t i = 0; i < bytes; i++) {
        uint8_t byte = (uint8_t)i;
        wb_raw(&b, &byte, 1);
    }
    wb_save(&b, name);
    wb_free(&b);
}

/* -- a place with good data and traps -- */
static int set_up(void **state) {
    (void)state;
    mkdir(at("models"), 0700);
    mkdir(at("models/sub"), 0700);
    mkdir(at("outside"), 0700);
    put("models/data.bin", DATA_BYTES);
    put("models/sub/data.bin", DATA_BYTES);
    put("models/empty.bin", 0);
    put("outside/secret.bin", DATA_BYTES);
    char outside[256];
    snprintf(outside, sizeof outside, "%s/outside/secret.bin", scratch_folder());
    return symlink("../outside/secret.bin", at("models/link.bin")) ||
           symlink(outside, at("models/absolute-link.bin")) ||
           symlink("loop.bin", at("models/loop.bin")) ||
           symlink("../outside", at("models/linked")) ||
           symlink("data.bin", at("models/inside.bin")) ||
           symlink("nowhere.bin", at("models/dangling.bin")) ||
           link(outside, at("models/hard.bin")) || mkfifo(at("models/fifo"), 0600);
}

static void entry(wb *t, const char *key, const char *value) {
    wb e = {0};
    wb_text(&e, ENTRY_KEY, key);
    wb_text(&e, ENTRY_VALUE, value);
    wb_msg(t, TENSOR_EXTERNAL_DATA, e);
}

/* An external float tensor "w" of [4]; NULL leaves an entry out. */
static wb tensor(const char *location, const char *offset, const char *length) {
    wb t = wb_tensor("w", OXP_FLOAT, "4");
    if (location)
        entry(&t, "location", location);
    if (offset)
        entry(&t, "offset", offset);
    if (length)
        entry(&t, "length", length);
    wb_int(&t, TENSOR_DATA_LOCATION, 1);
    return t;
}

static wb model_of(wb t) {
    wb g = wb_relu_graph();
    wb_msg(&g, GRAPH_INITIALIZER, t);
    return wb_model(g);
}

static oxp_status open_it(oxp_ctx *ctx, oxp_model **m, wb b) {
    oxp_status s = oxp_open(m, ctx, wb_save(&b, "models/model.onnx"));
    wb_free(&b);
    return s;
}

/* The bytes that the tensor would have; the file holds 0, 1, 2, ... */
static void expect_bytes(const char *location, const char *offset, const char *length,
                         uint8_t first) {
    oxp_ctx *ctx = oxp_ctx_new(0);
    oxp_model *m;
    uint8_t got[16];
    if (open_it(ctx, &m, model_of(tensor(location, offset, length))) != OXP_OK)
        fail_msg("%s", oxp_error_text(ctx));
    const oxp_tensor *t = oxp_tensor_at(m, 0);
    assert_int_equal(t->storage, OXP_STORE_EXTERNAL);
    assert_int_equal(t->data.len, 16);
    assert_true(oxp_model_has_weights(m));
    assert_int_equal(oxp_model_external_bytes(m), DATA_BYTES);
    oxp_source_read(oxp_model_external(m, t->file), t->data.off, got, sizeof got);
    assert_int_equal(got[0], first);
    oxp_close(m);
    oxp_ctx_free(ctx);
}

static void test_good(void **state) {
    (void)state;
    expect_bytes("data.bin", "16", "16", 16);
    expect_bytes("data.bin", NULL, NULL, 0);
    expect_bytes("./data.bin", "3", NULL, 3);
    expect_bytes("sub/data.bin", "4080", "16", 240);
    expect_bytes("inside.bin", "1", "16", 1); /* a link to a file beside the model */
}

static void refuse(wb t, const char *message) {
    oxp_ctx *ctx = oxp_ctx_new(0);
    oxp_model *m;
    oxp_status status = open_it(ctx, &m, model_of(t));
    if (status != OXP_E_FORMAT || !strstr(oxp_error_text(ctx), message))
        fail_msg("status %d: '%s' is not in '%s'", status, message, oxp_error_text(ctx));
    oxp_ctx_free(ctx);
}

static void test_locations(void **state) {
    (void)state;
    refuse(tensor("/etc/passwd", NULL, NULL), "absolute");
    refuse(tensor("../outside/secret.bin", NULL, NULL), "'..'");
    refuse(tensor("sub/../../outside/secret.bin", NULL, NULL), "'..'");
    refuse(tensor("..\\outside\\secret.bin", NULL, NULL), "backslash");
    refuse(tensor("https://example.org/w.bin", NULL, NULL), "URL");
    refuse(tensor("", NULL, NULL), "empty");
    refuse(tensor(".", NULL, NULL), "names a folder");
    refuse(tensor("data.bin/", NULL, NULL), "names a folder");
    refuse(tensor("sub", NULL, NULL), "not a regular file");
    refuse(tensor("fifo", NULL, NULL), "not a regular file");
    refuse(tensor("link.bin", NULL, NULL), "symbolic link");
    refuse(tensor("absolute-link.bin", NULL, NULL), "symbolic link");
    refuse(tensor("linked/secret.bin", NULL, NULL), "symbolic link");
    refuse(tensor("loop.bin", NULL, NULL), "symbolic link");
    refuse(tensor(NULL, "0", "16"), "without a location");
    char name[5000];
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = 0;
    refuse(tensor(name, NULL, NULL), "it is too long for a path");
    name[300] = 0; /* longer than a file name can be, as a path short enough */
    refuse(tensor(name, NULL, NULL), "name too long");
    wb t = tensor("data.bin", NULL, NULL);
    entry(&t, "location", "sub/data.bin");
    refuse(t, "given twice");
}

static void test_ranges(void **state) {
    (void)state;
    refuse(tensor("data.bin", "4081", "16"), "ends beyond");
    refuse(tensor("data.bin", "4096", NULL), "ends beyond");
    refuse(tensor("empty.bin", NULL, NULL), "ends beyond");
    refuse(tensor("data.bin", "18446744073709551600", "16"), "ends beyond");
    refuse(tensor("data.bin", "18446744073709551616", "16"), "beyond 64 bits");
    refuse(tensor("data.bin", "0", "17"), "length is 17, the dimensions need 16");
    static const char *const bad[] = {"-16", "+16", " 16", "0x10", "16abc", "1e2", "", "twelve"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        refuse(tensor("data.bin", bad[i], NULL), "is no number");
        refuse(tensor("data.bin", "0", bad[i]), "is no number");
    }
    wb t = tensor("data.bin", NULL, NULL);
    wb_bytes(&t, TENSOR_RAW_DATA, "0123456789abcdef", 16);
    refuse(t, "two places");
    t = wb_tensor("w", OXP_STRING, "1");
    entry(&t, "location", "data.bin");
    wb_int(&t, TENSOR_DATA_LOCATION, 1);
    refuse(t, "cannot hold strings");
}

static void test_missing(void **state) {
    (void)state;
    static const char *const names[] = {"gone.bin", "data.bin/x", "no/such/folder.bin"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        oxp_ctx *ctx = oxp_ctx_new(0);
        oxp_model *m;
        assert_int_equal(open_it(ctx, &m, model_of(tensor(names[i], NULL, NULL))), OXP_OK);
        assert_false(oxp_model_has_weights(m));
        assert_string_equal(oxp_diag_at(ctx, 0)->code, "external-data-missing");
        assert_int_equal(oxp_diag_at(ctx, 0)->severity, OXP_WARNING);
        oxp_close(m);
        oxp_ctx_free(ctx);
    }
}

static void test_hard_link(void **state) {
    (void)state;
    oxp_ctx *ctx = oxp_ctx_new(0);
    oxp_model *m;
    assert_int_equal(open_it(ctx, &m, model_of(tensor("hard.bin", NULL, NULL))), OXP_OK);
    assert_int_equal(oxp_diag_at(ctx, 0)->severity, OXP_NOTE);
    oxp_close(m);
    oxp_ctx_free(ctx);
}

/* Model and data are links into one store, as download caches keep them. */
static void test_cache(void **state) {
    (void)state;
    mkdir(at("blobs"), 0700);
    mkdir(at("snapshot"), 0700);
    put("blobs/d41d8c", DATA_BYTES);
    wb b = model_of(tensor("model.onnx_data", "32", NULL));
    wb_save(&b, "blobs/0a1b2c");
    wb_free(&b);
    b = model_of(tensor("evil.bin", NULL, NULL));
    wb_save(&b, "blobs/3d4e5f");
    wb_free(&b);
    assert_int_equal(symlink("../blobs/0a1b2c", at("snapshot/model.onnx")), 0);
    assert_int_equal(symlink("../blobs/3d4e5f", at("snapshot/evil.onnx")), 0);
    assert_int_equal(symlink("../blobs/d41d8c", at("snapshot/model.onnx_data")), 0);
    assert_int_equal(symlink("../outside/secret.bin", at("snapshot/evil.bin")), 0);
    oxp_ctx *ctx = oxp_ctx_new(0);
    oxp_model *m;
    uint8_t byte;
    if (oxp_open(&m, ctx, at("snapshot/model.onnx")) != OXP_OK)
        fail_msg("%s", oxp_error_text(ctx));
    oxp_source_read(oxp_model_external(m, 0), oxp_tensor_at(m, 0)->data.off, &byte, 1);
    assert_int_equal(byte, 32);
    oxp_close(m);
    assert_int_equal(oxp_open(&m, ctx, at("snapshot/evil.onnx")), OXP_E_FORMAT);
    oxp_ctx_free(ctx);
}

static int open_descriptors(void) {
    int n = 0;
    for (int fd = 0; fd < 256; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

/* More files than descriptors: they are opened as they are needed. */
static void test_many_files(void **state) {
    (void)state;
    enum { MANY = 100 };
    struct rlimit before, few;
    wb g = wb_relu_graph();
    char name[32];
    for (int i = 0; i < MANY; i++) {
        snprintf(name, sizeof name, "models/part%d", i);
        put(name, 16);
        wb t = tensor(name + 7, NULL, NULL);
        snprintf(name, sizeof name, "w%d", i);
        wb_text(&t, TENSOR_NAME, name); /* the last one counts */
        wb_msg(&g, GRAPH_INITIALIZER, t);
    }
    getrlimit(RLIMIT_NOFILE, &before);
    few = before;
    few.rlim_cur = 40;
    int open_before = open_descriptors();
    setrlimit(RLIMIT_NOFILE, &few);
    oxp_ctx *ctx = oxp_ctx_new(0);
    oxp_model *m;
    assert_int_equal(open_it(ctx, &m, wb_model(g)), OXP_OK);
    assert_int_equal(m->n_files, MANY);
    for (int round = 0; round < 2; round++)
        for (uint32_t i = 0; i < MANY; i++) {
            uint8_t byte;
            oxp_source_read(oxp_model_external(m, i), 5, &byte, 1);
            assert_int_equal(byte, 5);
        }
    oxp_close(m);
    oxp_ctx_free(ctx);
    setrlimit(RLIMIT_NOFILE, &before);
    assert_int_equal(open_descriptors(), open_before);
}

typedef struct read_args {
    oxp_model *m;
} read_args;

static void read_first(void *arg) {
    read_args *a = arg;
    uint8_t byte;
    oxp_source_read(oxp_model_external(a->m, 0), 0, &byte, 1);
}

static void test_changed_file(void **state) {
    (void)state;
    oxp_ctx *ctx = oxp_ctx_new(0);
    read_args a;
    put("models/changing.bin", 64);
    assert_int_equal(open_it(ctx, &a.m, model_of(tensor("changing.bin", NULL, NULL))), OXP_OK);
    put("models/changing.bin", 32);
    assert_int_equal(oxp_try(ctx, read_first, &a), OXP_E_IO);
    assert_non_null(strstr(oxp_error_text(ctx), "changed"));
    oxp_close(a.m);
    oxp_ctx_free(ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),       cmocka_unit_test(test_locations),
        cmocka_unit_test(test_ranges),     cmocka_unit_test(test_missing),
        cmocka_unit_test(test_hard_link),  cmocka_unit_test(test_cache),
        cmocka_unit_test(test_many_files), cmocka_unit_test(test_changed_file),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
