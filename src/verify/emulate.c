/* emulate.c - the files that emulation and the search for damage need, in a folder of our own. */
#include <string.h>

#include "verify/verify_impl.h"

const char *oxp_work_folder(oxp_verify_job *j) {
    if (!j->folder)
        j->folder = oxp_temporary_new(j->arena);
    return j->folder->path;
}

bool oxp_holds(const oxp_model *m, oxp_dtype t) {
    for (oxp_id v = 0; v < oxp_value_count(m); v++) {
        const oxp_value *x = oxp_value_at(m, v);
        if (!x->live)
            continue;
        if (x->declared && x->declared->elem == t)
            return true;
        if (x->tensor != OXP_NONE && oxp_tensor_at(m, x->tensor)->dtype == t)
            return true;
    }
    for (oxp_id i = 0; i < oxp_node_count(m); i++) {
        const oxp_node *n = oxp_node_at(m, i);
        for (uint32_t k = 0; n->live && k < n->n_attr; k++) {
            const oxp_attr *a = &n->attrs[k];
            if ((a->type == OXP_ATTR_INT && a->u.i == (int64_t)t && !strcmp(a->name, "to")) ||
                (a->type == OXP_ATTR_TENSOR && oxp_tensor_at(m, a->u.id)->dtype == t))
                return true;
        }
    }
    return false;
}

typedef struct emulation {
    oxp_model *copy;
    const char *path;
} emulation;

static void write_emulated(void *arg) {
    static const char *const pass = "emulate-half";
    emulation *e = arg;
    oxp_ctx *ctx = oxp_model_ctx(e->copy);
    oxp_pass_opts how = OXP_PASS_OPTS_INIT;
    oxp_save_opts inside = OXP_SAVE_OPTS_INIT;
    const oxp_pass_result *results;
    size_t n;
    oxp_saved saved;
    oxp_status s = oxp_run_passes(e->copy, &pass, 1, &how, &results, &n);
    if (s == OXP_OK)
        s = oxp_save(e->copy, e->path, &inside, &saved);
    if (s != OXP_OK)
        oxp_reraise(ctx, s);
}

const char *oxp_emulated_file(oxp_verify_job *j, const oxp_model *m, const char *name,
                              const char **problem) {
    oxp_ctx *ctx = oxp_arena_ctx(j->arena);
    size_t told = oxp_diag_count(ctx);
    emulation e = {oxp_model_clone(m), oxp_sprintf(j->arena, "%s/%s", oxp_work_folder(j), name)};
    oxp_status s = oxp_try(ctx, write_emulated, &e);
    oxp_close(e.copy);
    oxp_diag_truncate(ctx, told);
    *problem = NULL;
    if (s == OXP_OK)
        return e.path;
    if (s != OXP_E_UNSUPPORTED)
        oxp_reraise(ctx, s);
    *problem = oxp_strdup(j->arena, oxp_error_text(ctx));
    oxp_error_clear(ctx);
    return NULL;
}
