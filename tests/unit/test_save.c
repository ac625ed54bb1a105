/* Saving: untouched bytes stay, what changed comes back, external data, failures leave no trace. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <glob.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/leave.h"
#include "model/model_impl.h"
#include "support/scratch.h"
#include "support/wire_builder.h"

/* ---- files ---- */
static uint8_t *read_file(const char *path, size_t *n) {
    struct stat st;
    int fd = open(path, O_RDONLY);
    if (fd < 0)
        fail_msg("%s cannot be opened", path);
    assert_int_equal(fstat(fd, &st), 0);
    uint8_t *p = malloc((size_t)st.st_size + 1);
    assert_int_equal(read(fd, p, (size_t)st.st_size), st.st_size);
    close(fd);
    *n = (size_t)st.st_size;
    return p;
}

static void same_bytes(const char *a, const char *b) {
    size_t n, k;
    uint8_t *p = read_file(a, &n), *q = read_file(b, &k);
    if (n != k || memcmp(p, q, n) != 0)
        fail_msg("%s and %s differ", a, b);
    free(p);
    free(q);
}

static bool contains(const char *path, const char *text) {
    size_t n;
    uint8_t *p = read_file(path, &n);
    bool found = memmem(p, n, text, strlen(text)) != NULL;
    free(p);
    return found;
}

static int files_scratch_path(void) {
    int n = 0;
    DIR *d = opendir(scratch_folder());
    for (struct dirent *e; (e = readdir(d));)
        n += e->d_name[0] != '.' || strlen(e->d_name) > 2;
    closedir(d);
    return n;
}

static int tear_down(void **state) {
    (void)state;
    scratch_empty();
    return 0;
}

static oxp_model *open_model(oxp_ctx *ctx, const char *path) {
    oxp_model *m;
    if (oxp_open(&m, ctx, path) != OXP_OK)
        fail_msg("%s", oxp_error_text(ctx));
    return m;
}

static void save_model(oxp_model *m, const char *path, const oxp_save_opts *opts,
                       oxp_saved *saved) {
    if (oxp_save(m, path, opts, saved) != OXP_OK)
        fail_msg("%s", oxp_error_text(m->ctx));
}

/* ---- identity and round trips ---- */
/* Everything that can be encoded anew is. */
static void make_all_dirty(oxp_model *m) {
    m->changed = m->opsets_dirty = true;
    for (size_t i = 0; i < m->n_graphs; i++)
        m->graphs[i].dirty = true;
    for (size_t i = 0; i < m->n_nodes; i++)
        m->nodes[i].dirty = true;
    for (size_t i = 0; i < m->n_tensors; i++)
        m->tensors[i].dirty = m->tensors[i].dtype != OXP_STRING && !m->tensors[i].sparse;
    for (size_t i = 0; i < m->n_values; i++)
        m->values[i].type_dirty = m->values[i].declared != NULL;
}

static void same_names(const oxp_model *a, const oxp_id *x, const oxp_model *b, const oxp_id *y,
                       uint32_t n) {
    for (uint32_t i = 0; i < n; i++)
        if (x[i] == OXP_NONE || y[i] == OXP_NONE)
            assert_int_equal(x[i], y[i]);
        else
            assert_string_equal(a->values[x[i]].name, b->values[y[i]].name);
}

static void same_tensor(const oxp_model *a, oxp_id x, const oxp_model *b, oxp_id y) {
    const oxp_tensor *t = &a->tensors[x], *u = &b->tensors[y];
    uint8_t p[4096], q[4096];
    assert_int_equal(t->dtype, u->dtype);
    assert_int_equal(t->rank, u->rank);
    assert_int_equal(t->count, u->count);
    for (uint64_t off = 0; off < t->bytes && oxp_tensor_readable(a, x); off += sizeof p) {
        size_t n = t->bytes - off < sizeof p ? (size_t)(t->bytes - off) : sizeof p;
        oxp_tensor_raw(a, x, off, n, p);
        oxp_tensor_raw(b, y, off, n, q);
        assert_memory_equal(p, q, n);
    }
}

static void same_type(const oxp_model *a, const oxp_type *t, const oxp_type *u) {
    oxp_arena *arena = oxp_arena_new(a->ctx);
    for (; t && u; t = t->of, u = u->of) {
        assert_int_equal(t->kind, u->kind);
        assert_int_equal(t->elem, u->elem);
        if (t->kind == OXP_KIND_TENSOR)
            assert_int_equal(t->rank, u->rank);
        for (int i = 0; t->kind == OXP_KIND_TENSOR && i < t->rank; i++)
            assert_true(oxp_dim_is_literal(t->dims[i]) == oxp_dim_is_literal(u->dims[i]));
    }
    assert_true(!t && !u);
    oxp_arena_free(arena);
}

/* Ids follow the file's order, so the two models must agree one by one. */
static void same_models(const oxp_model *a, const oxp_model *b) {
    assert_int_equal(a->n_nodes, b->n_nodes);
    assert_int_equal(a->n_graphs, b->n_graphs);
    assert_int_equal(a->n_tensors, b->n_tensors);
    assert_int_equal(a->n_opsets, b->n_opsets);
    for (size_t i = 0; i < a->n_nodes; i++) {
        const oxp_node *n = &a->nodes[i], *o = &b->nodes[i];
        assert_string_equal(n->op, o->op);
        assert_string_equal(n->name, o->name);
        assert_string_equal(n->domain, o->domain);
        assert_int_equal(n->n_in, o->n_in);
        assert_int_equal(n->n_out, o->n_out);
        assert_int_equal(n->n_attr, o->n_attr);
        same_names(a, n->in, b, o->in, n->n_in);
        same_names(a, n->out, b, o->out, n->n_out);
    }
    for (size_t i = 0; i < a->n_graphs; i++) {
        const oxp_graph *g = &a->graphs[i], *h = &b->graphs[i];
        assert_int_equal(g->n_inputs, h->n_inputs);
        assert_int_equal(g->n_outputs, h->n_outputs);
        assert_int_equal(g->n_inits, h->n_inits);
        same_names(a, g->inputs, b, h->inputs, g->n_inputs);
        same_names(a, g->outputs, b, h->outputs, g->n_outputs);
        for (uint32_t k = 0; k < g->n_inputs; k++)
            if (a->values[g->inputs[k]].declared)
                same_type(a, a->values[g->inputs[k]].declared, b->values[h->inputs[k]].declared);
    }
    for (size_t i = 0; i < a->n_tensors; i++)
        same_tensor(a, (oxp_id)i, b, (oxp_id)i);
}

static void round_trip(const char *path) {
    oxp_ctx *ctx = oxp_ctx_new(0);
    oxp_model *m = open_model(ctx, path);
    const char *out = scratch_path("out.onnx"), *again = scratch_path("again.onnx");
    save_model(m, out, NULL, NULL);
    same_bytes(path, out);
    make_all_dirty(m);
    save_model(m, again, NULL, NULL);
    same_models(m, open_model(ctx, again));
    oxp_ctx_free(ctx);
    assert_int_equal(files_scratch_path(), 2);
}

static void every_fixture_comes_back(void **state) {
    glob_t g;
    (void)state;
    glob("fixtures/models/*/model.onnx", 0, NULL, &g);
    glob("fixtures/battery/bn/*/model.onnx", GLOB_APPEND, NULL, &g);
    assert_true(g.gl_pathc > 20);
    for (size_t i = 0; i < g.gl_pathc; i++)
        round_trip(g.gl_pathv[i]);
    globfree(&g);
}

static void skeletons_are_copied(void **state) {
    glob_t g;
    (void)state;
    glob("fixtures/skeletons/*/model.onnx", 0, NULL, &g);
    for (size_t i = 0; i < g.gl_pathc; i++) {
        oxp_ctx *ctx = oxp_ctx_new(0);
        save_model(open_model(ctx, g.gl_pathv[i]), scratch_path("s.onnx"), NULL, NULL);
        same_bytes(g.gl_pathv[i], scratch_path("s.onnx"));
        oxp_ctx_free(ctx);
    }
    globfree(&g);
}

/* ---- made models ---- */
static void finish(wb graph, const char *name) {
    wb m = wb_model(graph);
    wb_text(&m, 100, "unknown-in-model");
    const char *from = wb_save(&m, name);
    size_t n;
    uint8_t *p = read_file(from, &n);
    int fd = open(scratch_path(name), O_WRONLY | O_CREAT | O_TRUNC, 0644);
    assert_int_equal(write(fd, p, n), n);
    close(fd);
    free(p);
    wb_free(&m);
}

static wb named_entry(const char *key, const char *text) {
    wb e = {0};
    wb_text(&e, 1, key);
    wb_text(&e, 2, text);
    return e;
}

static void what_is_not_ours_is_kept(void **state) {
    wb g = {0}, node = wb_node("Add", "x w", "y"), value = wb_value("x", "3");
    wb tensor = wb_ones("w", "3", 3);
    (void)state;
    wb_text(&node, 6, "node-doc");
    wb_text(&node, 99, "unknown-in-node");
    wb_msg(&node, 9, named_entry("node-key", "node-meta"));
    wb_text(&value, 3, "value-doc");
    wb_text(&value, 77, "unknown-in-value");
    wb_text(&tensor, 12, "tensor-doc");
    wb_text(&tensor, 88, "unknown-in-tensor");
    wb_msg(&g, 1, node);
    wb_text(&g, 2, "g");
    wb_msg(&g, 5, tensor);
    wb_msg(&g, 11, value);
    wb_msg(&g, 12, wb_value("y", "3"));
    wb_msg(&g, 13, wb_value("type-of-nothing", "3"));
    wb_text(&g, 66, "unknown-in-graph");
    finish(g, "kept.onnx");
    oxp_ctx *ctx = oxp_ctx_new(0);
    oxp_model *m = open_model(ctx, scratch_path("kept.onnx"));
    make_all_dirty(m);
    const char *out = scratch_path("out.onnx");
    save_model(m, out, NULL, NULL);
    const char *kept[] = {"unknown-in-model", "unknown-in-graph",  "unknown-in-node",
                          "unknown-in-value", "unknown-in-tensor", "node-doc",
                          "node-meta",        "value-doc",         "tensor-doc",
                          "type-of-nothing"};
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
        if (!contains(out, kept[i]))
            fail_msg("%s is lost", kept[i]);
    same_models(m, open_model(ctx, out));
    oxp_ctx_free(ctx);
}

/* x + w (external, with a gap) + v (external, same bytes) + small inline one. */
static void make_external(const char *name) {
    wb g = {0};
    const char *names[] = {"w", "v"};
    wb_msg(&g, 1, wb_node("Add", "x w", "a"));
    wb_msg(&g, 1, wb_node("Add", "a v", "b"));
    wb_msg(&g, 1, wb_node("Add", "b i", "y"));
    wb_text(&g, 2, "g");
    for (int i = 0; i < 2; i++) {
        wb t = wb_tensor(names[i], 1, "600");
        wb_msg(&t, 13, named_entry("location", "weights.bin"));
        wb_msg(&t, 13, named_entry("offset", "128"));
        wb_msg(&t, 13, named_entry("length", "2400"));
        wb_int(&t, 14, 1);
        wb_msg(&g, 5, t);
    }
    wb_msg(&g, 5, wb_ones("i", "600", 600));
    wb_msg(&g, 11, wb_value("x", "600"));
    wb_msg(&g, 12, wb_value("y", "600"));
    finish(g, name);
    float v[632];
    for (int i = 0; i < 632; i++)
        v[i] = (float)i;
    int fd = open(scratch_path("weights.bin"), O_WRONLY | O_CREAT | O_TRUNC, 0644);
    assert_int_equal(write(fd, v, sizeof v), sizeof v);
    close(fd);
}

static void external_data_moves_where_it_is_told(void **state) {
    oxp_save_opts opts = OXP_SAVE_OPTS_INIT;
    oxp_saved saved;
    (void)state;
    make_external("ext.onnx");
    oxp_ctx *ctx = oxp_ctx_new(0);
    oxp_model *m = open_model(ctx, scratch_path("ext.onnx"));
    save_model(m, scratch_path("same.onnx"), &opts, &saved); /* unchanged, in the same folder */
    same_bytes(scratch_path("ext.onnx"), scratch_path("same.onnx"));
    assert_int_equal(saved.n_files, 1);
    m->changed = m->graphs[0].dirty = true;
    save_model(m, scratch_path("auto.onnx"), &opts, &saved);
    assert_int_equal(saved.n_files, 2);
    assert_string_equal(strrchr(saved.files[1], '/'), "/auto.onnx.data");
    assert_int_equal(saved.data_bytes, 2400); /* shared bytes stay shared */
    oxp_model *n = open_model(ctx, scratch_path("auto.onnx"));
    same_models(m, n);
    assert_int_equal(n->n_files, 1);
    assert_string_equal(n->files[0].location, "auto.onnx.data");
    opts.external = OXP_EXTERNAL_INLINE;
    save_model(m, scratch_path("inline.onnx"), &opts, &saved);
    assert_int_equal(saved.n_files, 1);
    n = open_model(ctx, scratch_path("inline.onnx"));
    same_models(m, n);
    assert_int_equal(n->n_files, 0);
    opts.external = OXP_EXTERNAL_FILE;
    opts.external_file = "all.bin";
    save_model(n, scratch_path("file.onnx"), &opts, &saved);
    assert_int_equal(saved.n_files, 2);
    m = open_model(ctx, scratch_path("file.onnx"));
    same_models(n, m);
    assert_int_equal(m->n_files, 1);
    for (size_t i = 0; i < m->n_tensors; i++)
        assert_int_equal(m->tensors[i].data.off % 64, 0);
    oxp_ctx_free(ctx);
}

static void save_refused(oxp_model *m, const char *path, const char *file, const char *reason) {
    oxp_save_opts opts = OXP_SAVE_OPTS_INIT;
    oxp_saved saved;
    int files = files_scratch_path();
    opts.external = file ? OXP_EXTERNAL_FILE : OXP_EXTERNAL_AUTO;
    opts.external_file = file;
    assert_int_not_equal(oxp_save(m, path, &opts, &saved), OXP_OK);
    if (!strstr(oxp_error_text(m->ctx), reason))
        fail_msg("'%s' does not say '%s'", oxp_error_text(m->ctx), reason);
    oxp_error_clear(m->ctx);
    assert_int_equal(files_scratch_path(), files);
}

static void data_files_are_not_written_over(void **state) {
    (void)state;
    make_external("ext.onnx");
    oxp_ctx *ctx = oxp_ctx_new(0);
    oxp_model *m = open_model(ctx, scratch_path("ext.onnx"));
    m->changed = m->graphs[0].dirty = true;
    save_refused(m, scratch_path("weights.bin"), NULL, "is a data file of the model");
    save_refused(m, scratch_path("o.onnx"), "weights.bin", "is a data file of the model");
    save_refused(m, scratch_path("o.onnx"), "ext.onnx", "exists already");
    save_refused(m, scratch_path("o.onnx"), "../o.bin", "plain file name");
    save_refused(m, scratch_path("o.onnx"), "..", "plain file name");
    save_refused(m, scratch_path("o.onnx"), ".", "plain file name");
    save_refused(m, scratch_path("o.onnx"), "", "plain file name");
    save_refused(m, scratch_path("o.onnx"), "a\\b", "plain file name");
    save_refused(m, scratch_path("o.onnx"), "o.onnx", "cannot be one file");
    save_refused(m, scratch_path("none/o.onnx"), NULL, "No such file");
    save_refused(m, "/dev/full", "x", "");
    /* The model itself may be written over: its data then get a fresh name. */
    save_model(m, scratch_path("ext.onnx"), NULL, NULL);
    save_model(open_model(ctx, scratch_path("ext.onnx")), scratch_path("b.onnx"), NULL, NULL);
    unlink(scratch_path("weights.bin"));
    oxp_model *n = open_model(ctx, scratch_path("ext.onnx"));
    assert_true(oxp_model_has_weights(n));
    oxp_ctx_free(ctx);
}

/* ---- failures ---- */
/* In a child whose files may have `limit` bytes: 0 when the save was refused cleanly. */
static int limited_save(const char *from, const char *to, rlim_t limit) {
    int status = 0;
    pid_t child = fork();
    if (!child) {
        struct rlimit r;
        oxp_ctx *ctx = oxp_ctx_new(0);
        oxp_model *m;
        oxp_saved saved;
        if (oxp_open(&m, ctx, from) != OXP_OK)
            oxp_leave(2);
        make_all_dirty(m);
        getrlimit(RLIMIT_FSIZE, &r);
        r.rlim_cur = limit;
        setrlimit(RLIMIT_FSIZE, &r);
        oxp_leave(oxp_save(m, to, NULL, &saved) == OXP_E_IO ? 0 : 3);
    }
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 100 + WTERMSIG(status);
}

static void a_full_disk_leaves_the_old_file(void **state) {
    const char *from = "fixtures/models/mnist8/model.onnx", *to = scratch_path("out.onnx");
    (void)state;
    int fd = open(to, O_WRONLY | O_CREAT, 0640);
    assert_int_equal(write(fd, "old", 3), 3);
    close(fd);
    for (rlim_t limit = 0; limit < 24000; limit += 1777) {
        assert_int_equal(limited_save(from, to, limit), 0);
        assert_int_equal(files_scratch_path(), 1);
        assert_true(contains(to, "old"));
    }
    struct stat st;
    oxp_ctx *ctx = oxp_ctx_new(0);
    save_model(open_model(ctx, from), to, NULL, NULL);
    assert_int_equal(stat(to, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0640);
    same_bytes(from, to);
    oxp_ctx_free(ctx);
}

/* Killed by SIGTERM while it writes into a pipe-fed model: the temporary file goes. */
static void a_signal_removes_the_temporary_file(void **state) {
    (void)state;
    for (int turn = 0; turn < 20; turn++) {
        int status;
        pid_t child = fork();
        if (!child) {
            oxp_ctx *ctx = oxp_ctx_new(0);
            oxp_model *m;
            oxp_saved saved;
            if (oxp_open(&m, ctx, "fixtures/models/mnist8/model.onnx") != OXP_OK)
                oxp_leave(2);
            for (;;)
                if (oxp_save(m, scratch_path("out.onnx"), NULL, &saved) != OXP_OK)
                    oxp_leave(3);
        }
        usleep(3000 + (useconds_t)turn * 731);
        kill(child, SIGTERM);
        waitpid(child, &status, 0);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
        assert_true(files_scratch_path() <= 1);
    }
}

int main(void) {
#define TEST(f) cmocka_unit_test_teardown(f, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(every_fixture_comes_back),
        TEST(skeletons_are_copied),
        TEST(what_is_not_ours_is_kept),
        TEST(external_data_moves_where_it_is_told),
        TEST(data_files_are_not_written_over),
        TEST(a_full_disk_leaves_the_old_file),
        TEST(a_signal_removes_the_temporary_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
