/* types.c - what a patch may and may not do to types. */
#include "rewrite/patch_impl.h"

static bool same_dims(const oxp_type *a, const oxp_type *b) {
    if (a->rank < 0 || b->rank < 0)
        return true;
    if (a->rank != b->rank)
        return false;
    for (int i = 0; i < a->rank; i++)
        if (oxp_dim_is_literal(a->dims[i]) && oxp_dim_is_literal(b->dims[i]) &&
            a->dims[i] != b->dims[i])
            return false;
    return true;
}

/* The best that is known of a value's type: analysis, initializer, declaration; kind UNKNOWN: none.
 */
static oxp_type type_of(const oxp_patch *p, oxp_id value) {
    const oxp_value *v = &p->m->values[value];
    const oxp_analysis *a = p->run->analysis;
    if (value < p->n_values && a && a->model == p->m && value < p->run->analysed_values) {
        if (a->values[value].symbolic.kind != OXP_KIND_UNKNOWN)
            return a->values[value].symbolic;
        if (a->values[value].type.kind != OXP_KIND_UNKNOWN)
            return a->values[value].type;
    }
    if (v->tensor != OXP_NONE) {
        const oxp_tensor *t = &p->m->tensors[v->tensor];
        /* Sizes of tensors are literal dims: never as negative as a handle. */
        return (oxp_type){OXP_KIND_TENSOR, t->dtype, t->rank, t->dims, NULL};
    }
    return v->declared ? *v->declared : (oxp_type){.kind = OXP_KIND_UNKNOWN};
}

static const char *compare(oxp_patch *p, oxp_id from, oxp_id to) {
    oxp_type a = type_of(p, from), b = type_of(p, to);
    unsigned flags = p->run->pass->flags;
    oxp_arena *arena = p->run->arena;
    const char *names[] = {p->m->values[from].name, p->m->values[to].name};
    if (a.kind == OXP_KIND_UNKNOWN || b.kind == OXP_KIND_UNKNOWN)
        return NULL;
    if (a.kind != b.kind)
        return oxp_sprintf(arena, "'%.80s' and '%.80s' are of different kinds", names[0], names[1]);
    if (a.kind != OXP_KIND_TENSOR)
        return NULL;
    if (a.elem && b.elem && a.elem != b.elem && !(flags & OXP_PASS_MAY_RETYPE))
        return oxp_sprintf(arena, "'%.80s' is %s, '%.80s' in its place is %s", names[0],
                           oxp_dtype_name(a.elem), names[1], oxp_dtype_name(b.elem));
    if (!same_dims(&a, &b) && !(flags & OXP_PASS_RETRAINING))
        return oxp_sprintf(arena, "'%.80s' and '%.80s' in its place differ in shape", names[0],
                           names[1]);
    return NULL;
}

static bool is_interface(const oxp_patch *p, const oxp_value *v) {
    if (v->graph != OXP_MAIN_GRAPH || (v->tensor != OXP_NONE && p->m->ir_version < 4))
        return false;
    return v->is_input || v->outputs;
}

static const char *check_retype(oxp_patch *p, const oxp_retype *r) {
    const oxp_value *v = &p->m->values[r->value];
    const oxp_type *old = v->declared, *new = r->type;
    unsigned flags = p->run->pass->flags;
    if (!is_interface(p, v) || !old)
        return NULL;
    if (!new || new->kind != old->kind)
        return oxp_sprintf(p->run->arena, "graph input or output '%.80s' would lose its type",
                           v->name);
    if (new->elem != old->elem && !(flags & OXP_PASS_MAY_RETYPE_IO))
        return oxp_sprintf(p->run->arena, "graph input or output '%.80s' would become %s", v->name,
                           oxp_dtype_name(new->elem));
    bool same = new->rank == old->rank;
    for (int i = 0; same && i < new->rank; i++)
        same = new->dims[i] == old->dims[i];
    if (!same && !(flags & OXP_PASS_MAY_RESHAPE_IO))
        return oxp_sprintf(p->run->arena, "graph input or output '%.80s' would change its shape",
                           v->name);
    return NULL;
}

static const char *check_tensor(oxp_patch *p, const oxp_pair *pair) {
    const oxp_value *v = &p->m->values[pair->value];
    const oxp_tensor *old = &p->m->tensors[v->tensor], *new = &p->m->tensors[pair->other];
    unsigned flags = p->run->pass->flags;
    /* Leading axes of 1 may come: a product broadcasts them away. */
    int more = is_interface(p, v) || new->rank < old->rank ? 0 : new->rank - old->rank;
    bool same = old->rank + more == new->rank;
    for (int i = 0; same && i < new->rank; i++)
        same = new->dims[i] == (i < more ? 1 : old->dims[i - more]);
    if (!same && !(flags & OXP_PASS_RETRAINING))
        return oxp_sprintf(p->run->arena, "initializer '%.80s' would change its shape", v->name);
    unsigned need = is_interface(p, v) ? OXP_PASS_MAY_RETYPE_IO : OXP_PASS_MAY_RETYPE;
    if (old->dtype != new->dtype && !(flags & need))
        return oxp_sprintf(p->run->arena, "initializer '%.80s' would become %s", v->name,
                           oxp_dtype_name(new->dtype));
    return NULL;
}

const char *oxp_patch_check_types(oxp_patch *p) {
    const char *why = NULL;
    for (size_t i = 0; i < p->n_replaced && !why; i++)
        why = compare(p, p->replaced[i].value, p->replaced[i].other);
    for (size_t i = 0; i < p->n_outputs && !why; i++)
        why = compare(p, p->outputs[i].value, p->outputs[i].other);
    for (size_t i = 0; i < p->n_types && !why; i++)
        why = check_retype(p, &p->types[i]);
    for (size_t i = 0; i < p->n_tensor_edits && !why; i++)
        why = check_tensor(p, &p->tensors[i]);
    return why;
}
