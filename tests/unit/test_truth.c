/* Every tensor of real models, against what a real run produced: dtype, shape, MACs, FLOPs,
 * parameters, peak memory; and symbolic shapes, which must say the same at the same dimensions. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "onnxpert/analyze.h"
#include "support/json_check.h"

enum { MAX_BINDINGS = 32 };

typedef struct check {
    const oxp_model *m;
    const oxp_analysis *a;
    const json *truth;
    const char *name;
    size_t wrong, matched;
    oxp_binding bindings[MAX_BINDINGS];
    size_t n_bindings;
} check;

static void complain(check *k, const char *what, const char *expected, const char *found) {
    if (k->wrong++ < 8)
        print_error("%s: %s: expected %s, found %s\n", k->name, what, expected, found);
}

static void check_number(check *k, const char *what, double expected, uint64_t found) {
    char a[32], b[32];
    if (expected == (double)found)
        return;
    snprintf(a, sizeof a, "%.0f", expected);
    snprintf(b, sizeof b, "%llu", (unsigned long long)found);
    complain(k, what, a, b);
}

static int64_t value_of(const void *arg, const char *name) {
    const check *k = arg;
    for (size_t i = 0; i < k->n_bindings; i++)
        if (strcmp(k->bindings[i].name, name) == 0)
            return k->bindings[i].value;
    return -1;
}

static void shape_text(char *out, size_t room, const oxp_type *t) {
    size_t n = (size_t)snprintf(out, room, "%s[", oxp_dtype_name(t->elem));
    for (int i = 0; i < t->rank && n + 24 < room; i++) {
        if (oxp_dim_is_literal(t->dims[i]))
            n += (size_t)snprintf(out + n, room - n, "%lld,", (long long)t->dims[i]);
        else
            n += (size_t)snprintf(out + n, room - n, "?,");
    }
    snprintf(out + n, room - n, t->rank < 0 ? "*]" : "]");
}

static bool same_shape(const oxp_type *t, const json *shape) {
    if (t->kind != OXP_KIND_TENSOR || t->rank != (int)json_count(shape))
        return false;
    for (int i = 0; i < t->rank; i++)
        if ((double)t->dims[i] != json_number(json_at(shape, (size_t)i)))
            return false;
    return true;
}

/* The symbolic shape at the recorded dimensions, where it has names only. */
static bool same_symbolic(const check *k, const oxp_type *t, const json *shape) {
    oxp_dims *p = oxp_model_dims(k->m);
    if (t->kind != OXP_KIND_TENSOR || t->rank != (int)json_count(shape))
        return t->kind == OXP_KIND_UNKNOWN || t->rank < 0;
    for (int i = 0; i < t->rank; i++) {
        oxp_dim d = oxp_dim_eval(p, t->dims[i], value_of, k);
        if (!oxp_dim_is_unknown(d) && (double)d != json_number(json_at(shape, (size_t)i)))
            return false;
    }
    return true;
}

static void check_tensor(check *k, oxp_id value, const json *expected) {
    const oxp_value_info *info = &k->a->values[value];
    const char *dtype = json_text(json_get(expected, "dtype")), *name;
    const json *shape = json_get(expected, "shape");
    char want[300], found[300];
    name = oxp_value_at(k->m, value)->name;
    k->matched++;
    if (info->type.kind != OXP_KIND_TENSOR)
        return; /* sequences have no shape in a truth */
    size_t n = (size_t)snprintf(want, sizeof want, "%s[", dtype);
    for (size_t i = 0; i < json_count(shape) && n + 24 < sizeof want; i++)
        n += (size_t)snprintf(want + n, sizeof want - n, "%.0f,", json_number(json_at(shape, i)));
    snprintf(want + n, sizeof want - n, "]");
    shape_text(found, sizeof found, &info->type);
    if (strcmp(oxp_dtype_name(info->type.elem), dtype) != 0 || !same_shape(&info->type, shape))
        complain(k, name, want, found);
    shape_text(found, sizeof found, &info->symbolic);
    if (!same_symbolic(k, &info->symbolic, shape))
        complain(k, name, want, found);
}

static void check_tensors(check *k) {
    const json *tensors = json_get(k->truth, "tensors");
    for (oxp_id i = 0; i < oxp_value_count(k->m); i++) {
        const oxp_value *v = oxp_value_at(k->m, i);
        const json *expected = json_get(tensors, v->name);
        if (v->live && v->graph == OXP_MAIN_GRAPH && expected != NULL)
            check_tensor(k, i, expected);
        else if (v->live && v->graph == OXP_MAIN_GRAPH && json_count(tensors) == 0 &&
                 (k->a->values[i].type.rank < 0 ||
                  (k->a->values[i].bytes == UINT64_MAX && v->n_uses + v->outputs > 0)))
            complain(k, v->name, "a shape", "none");
    }
    check_number(k, "tensors found", (double)json_count(tensors), k->matched);
}

static void check_totals(check *k) {
    const oxp_totals *t = &k->a->totals;
    const json *ops = json_get(k->truth, "mac_ops"), *peak;
    size_t seen = 0;
    for (size_t i = 0; i < k->a->n_by_op; i++) {
        const oxp_op_total *o = &k->a->by_op[i];
        const json *e = json_get(ops, o->op);
        if (e == NULL)
            continue;
        seen++;
        check_number(k, o->op, json_number(json_get(e, "macs")), o->macs);
        check_number(k, o->op, json_number(json_get(e, "flops")), o->flops);
        check_number(k, o->op, json_number(json_get(e, "count")), o->count);
    }
    check_number(k, "operators with MACs", (double)json_count(ops), seen);
    check_number(k, "params", json_number(json_get(k->truth, "params")), t->params);
    peak = json_get(k->truth, "peak_activation_bytes");
    if (peak != NULL)
        check_number(k, "peak_activation_bytes", json_number(peak), t->peak_activation_bytes);
    if (t->unknown_nodes != 0 || t->partial)
        complain(k, "analysis", "complete", "unknown nodes or errors");
}

static void bind_recorded(check *k) {
    const json *dims = json_get(k->truth, "dims");
    for (size_t i = 0; i < k->a->n_assumed && k->n_bindings < MAX_BINDINGS; i++) {
        const json *d = json_get(dims, k->a->assumed[i].name);
        if (d != NULL)
            k->bindings[k->n_bindings++] =
                (oxp_binding){k->a->assumed[i].name, (int64_t)json_number(d), -1, NULL};
    }
}

static size_t check_model(const char *folder, const char *name) {
    char path[512], why[256] = "";
    check k = {.name = name};
    snprintf(path, sizeof path, "%s/%s/truth.json", folder, name);
    k.truth = json_read_file(path, why);
    if (k.truth == NULL) {
        print_error("%s: %s\n", path, why);
        return 1;
    }
    oxp_ctx *ctx = oxp_ctx_new(0);
    oxp_arena *arena = oxp_arena_new(ctx);
    oxp_model *m;
    oxp_analyze_opts opts = OXP_ANALYZE_OPTS_INIT;
    snprintf(path, sizeof path, "%s/%s/model.onnx", folder, name);
    assert_int_equal(oxp_open(&m, ctx, path), OXP_OK);
    k.m = m;
    opts.quiet = true;
    assert_int_equal(oxp_analyze(&k.a, m, &opts, arena), OXP_OK);
    bind_recorded(&k);
    opts.quiet = false;
    opts.bindings = k.bindings;
    opts.n_bindings = k.n_bindings;
    if (oxp_analyze(&k.a, m, &opts, arena) != OXP_OK)
        fail_msg("%s: %s", name, oxp_error_text(ctx));
    check_tensors(&k);
    check_totals(&k);
    for (size_t i = 0; i < oxp_diag_count(ctx); i++) {
        const oxp_diag *d = oxp_diag_at(ctx, i);
        if (d->severity == OXP_ERROR || strstr(d->code, "conflict") != NULL)
            complain(&k, d->where, "no diagnostic", d->text);
    }
    if (k.wrong > 8)
        print_error("%s: %zu differences\n", name, k.wrong);
    oxp_ctx_free(ctx);
    return k.wrong;
}

static void check_folder(const char *folder) {
    size_t wrong = 0, models = 0;
    DIR *d = opendir(folder);
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        if (e->d_name[0] == '.')
            continue;
        models++;
        wrong += check_model(folder, e->d_name);
    }
    closedir(d);
    assert_int_equal(wrong, 0);
    assert_true(models >= 6);
}

static void small_models_are_as_they_ran(void **state) {
    (void)state;
    check_folder("fixtures/models");
}

static void full_size_models_are_as_they_ran(void **state) {
    (void)state;
    check_folder("fixtures/skeletons");
}

/* Exports of PyTorch's two exporters without their weights: what other people's models look like.
 */
static void networks_are_as_they_ran(void **state) {
    (void)state;
    check_folder("fixtures/networks");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_models_are_as_they_ran),
        cmocka_unit_test(full_size_models_are_as_they_ran),
        cmocka_unit_test(networks_are_as_they_ran),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
