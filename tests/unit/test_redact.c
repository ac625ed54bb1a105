/* A model without its names: nothing of what its author called things is left, wherever it stands.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "onnxpert/analyze.h"
#include "onnxpert/model.h"
#include "support/model_text.h"
#include "support/scratch.h"
#include "support/world.h"

static const char *const text =
    "<ir_version: 10, producer_name: \"secretive\", opset_import: [\"\": 21, \"secret.ops\": 1]>"
    "secret_graph (float[secret_dim,4] secret_in, float[?,4] secret_free, bool secret_flag) => "
    "(secret_out, secret_two) "
    "<float[4] secret_w = {1, 2, 3, 4}> {"
    "  [secret_node] secret_mid = Add (secret_in, secret_w)"
    "  secret_call = secret.ops.Secret <secret_attr = 3> (secret_mid)"
    "  secret_custom = secret.ops.SecretKernel (secret_call)"
    "  secret_two = Relu (secret_free)"
    "  secret_out = If <then_branch = secret_then () => (secret_o) { secret_o = Relu (secret_mid) "
    "},"
    "                   else_branch = secret_else () => (secret_p) { secret_p = Neg (secret_mid) "
    "}> (secret_flag)"
    "}"
    "<domain: \"secret.ops\", opset_import: [\"\": 21, \"secret.ops\": 1]>"
    "Secret <secret_attr> (secret_x) => (secret_y) { [secret_inner] secret_y = Relu (secret_x) }";

static void is_clean(const char *what, const char *s) {
    if (s && strstr(s, "ecret"))
        fail_msg("%s is still called %s", what, s);
}

static void type_is_clean(const oxp_model *m, const oxp_type *t, oxp_arena *arena) {
    for (int i = 0; t && t->kind == OXP_KIND_TENSOR && i < t->rank; i++)
        is_clean("a dimension", oxp_dim_text(oxp_model_dims(m), t->dims[i], arena));
}

static void nothing_is_left(world *w) {
    for (oxp_id i = 0; i < oxp_value_count(w->m); i++) {
        const oxp_value *v = oxp_value_at(w->m, i);
        is_clean("a value", v->name);
        is_clean("a value's label", oxp_value_label(w->m, i, w->arena));
        type_is_clean(w->m, v->declared, w->arena);
    }
    for (oxp_id i = 0; i < oxp_node_count(w->m); i++) {
        const oxp_node *n = oxp_node_at(w->m, i);
        is_clean("a node", n->name);
        is_clean("an operator", n->op);
        is_clean("a domain", n->domain);
        is_clean("a node's label", oxp_node_label(w->m, i, w->arena));
    }
    for (oxp_id i = 0; i < oxp_graph_count(w->m); i++)
        is_clean("a graph", oxp_graph_at(w->m, i)->name);
    for (oxp_id i = 0; i < oxp_tensor_count(w->m); i++)
        is_clean("a tensor", oxp_tensor_at(w->m, i)->name);
    for (oxp_id i = 0; i < oxp_function_count(w->m); i++) {
        const oxp_function *f = oxp_function_at(w->m, i);
        is_clean("a function", f->name);
        is_clean("a function's domain", f->domain);
        for (uint32_t k = 0; k < f->n_opsets; k++)
            is_clean("a function's import", f->opsets[k].domain);
    }
    for (size_t i = 0; i < oxp_model_opset_count(w->m); i++)
        is_clean("an import", oxp_model_opset_at(w->m, i).domain);
    is_clean("the producer", oxp_model_producer(w->m));
    is_clean("the path", oxp_model_path(w->m));
}

static void no_name_is_left(void **state) {
    world *w = *state;
    oxp_analyze_opts o = OXP_ANALYZE_OPTS_INIT;
    wb bytes = mt_model(text, 21);
    assert_int_equal(oxp_open(&w->m, w->ctx, wb_save(&bytes, "secret.onnx")), OXP_OK);
    wb_free(&bytes);
    size_t on_reading = oxp_diag_count(w->ctx); /* these are not shown */
    oxp_model_redact(w->m, "model.onnx");
    nothing_is_left(w);
    assert_string_equal(oxp_model_path(w->m), "model.onnx");
    assert_string_equal(oxp_node_at(w->m, oxp_graph_at(w->m, OXP_MAIN_GRAPH)->first)->op, "Add");
    /* what the user calls things is still understood */
    is_clean("a dimension", oxp_model_redacted(w->m, "secret_dim"));
    assert_string_not_equal(oxp_model_redacted(w->m, "secret_in"), "secret_in");
    assert_string_equal(oxp_model_redacted(w->m, "nothing of the kind"), "nothing of the kind");
    assert_int_equal(oxp_analyze(&w->a, w->m, &o, w->arena), OXP_OK);
    for (size_t i = on_reading; i < oxp_diag_count(w->ctx); i++) {
        is_clean("a place", oxp_diag_at(w->ctx, i)->where);
        is_clean("a finding", oxp_diag_at(w->ctx, i)->text);
    }
    for (size_t i = 0; i < w->a->n_assumed; i++)
        is_clean("an assumed dimension", w->a->assumed[i].name);
    oxp_save_opts save = OXP_SAVE_OPTS_INIT; /* its file still has them: it is not written */
    oxp_saved saved;
    assert_int_equal(oxp_save(w->m, scratch_path("out.onnx"), &save, &saved), OXP_E_UNSUPPORTED);
    assert_non_null(strstr(oxp_error_text(w->ctx), "a model without its names is not saved"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(no_name_is_left, world_setup, world_teardown)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
