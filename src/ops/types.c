/* types.c - types without their shapes: do two agree, and how are they written. */
#include <stdio.h>

#include "ops/op.h"

static bool is_tensor(const oxp_type *t) {
    return t->kind == OXP_KIND_TENSOR || t->kind == OXP_KIND_SPARSE;
}

bool oxp_types_agree(const oxp_type *a, const oxp_type *b) {
    for (int depth = 0; depth < 20 && a && b; depth++, a = a->of, b = b->of) {
        if (a->kind == OXP_KIND_UNKNOWN || b->kind == OXP_KIND_UNKNOWN)
            return true;
        /* a sparse tensor is expanded where a dense one is wanted */
        if (a->kind != b->kind && !(is_tensor(a) && is_tensor(b)))
            return false;
        if (a->elem != b->elem && a->elem != OXP_UNDEFINED && b->elem != OXP_UNDEFINED)
            return false;
    }
    return true;
}

const char *oxp_type_brief(const oxp_type *t, char text[OXP_TYPE_TEXT]) {
    static const char *const names[] = {
        [OXP_KIND_SEQUENCE] = "sequence", [OXP_KIND_OPTIONAL] = "optional", [OXP_KIND_MAP] = "map"};
    size_t used = 0;
    int depth = 0;
    text[0] = 0;
    for (; t && depth < 4; depth++, t = t->of) {
        bool leaf = is_tensor(t), named = t->kind == OXP_KIND_SEQUENCE ||
                                          t->kind == OXP_KIND_OPTIONAL || t->kind == OXP_KIND_MAP;
        const char *name = leaf    ? t->elem == OXP_UNDEFINED ? "a tensor" : oxp_dtype_name(t->elem)
                              : named ? names[t->kind]
                                   : "unknown";
        int n = snprintf(text + used, OXP_TYPE_TEXT - used, "%s%.16s", depth ? " of " : "", name);
        used += n > 0 ? (size_t)n : 0;
        if (!named)
            break;
    }
    return text;
}
