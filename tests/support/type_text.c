/* type_text.c - see type_text.h. */
#include "support/type_text.h"

const char *type_text(const oxp_model *m, const oxp_type *t, oxp_arena *arena) {
    const char *text = "";
    switch (t->kind) {
    case OXP_KIND_UNKNOWN:
        return "?";
    case OXP_KIND_SEQUENCE:
    case OXP_KIND_OPTIONAL:
        return oxp_sprintf(arena, "%s<%s>", t->kind == OXP_KIND_SEQUENCE ? "sequence" : "optional",
                           t->of ? type_text(m, t->of, arena) : "?");
    case OXP_KIND_MAP:
        return oxp_sprintf(arena, "map<%s,%s>", oxp_dtype_name(t->elem),
                           t->of ? type_text(m, t->of, arena) : "?");
    case OXP_KIND_OPAQUE:
        return "opaque";
    case OXP_KIND_TENSOR:
    case OXP_KIND_SPARSE:
        break;
    }
    if (t->rank < 0)
        text = "*";
    for (int k = 0; k < t->rank; k++)
        text = oxp_sprintf(arena, "%s%s%s", text, k ? "," : "",
                           oxp_dim_text(oxp_model_dims(m), t->dims[k], arena));
    return oxp_sprintf(arena, "%s%s[%s]", t->kind == OXP_KIND_SPARSE ? "sparse " : "",
                       t->elem ? oxp_dtype_name(t->elem) : "?", text);
}
