/* schema.c - lookups in the table of operator schemas. */
#include "ops/schema.h"

#include <string.h>

static int compare(const oxp_schema *s, const char *domain, const char *op) {
    int c = strcmp(s->domain, domain);
    return c ? c : strcmp(s->name, op);
}

/* Index of the first schema that is not before (domain, op). */
static size_t lower_bound(const char *domain, const char *op) {
    size_t lo = 0, hi = oxp_schema_count;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (compare(&oxp_schemas[mid], domain, op) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

/* What was found for a name last, by a hash of it: names repeat, a million times in a model of a
 * million nodes.  Every hit is compared, so a collision only costs the search. */
typedef struct found {
    const oxp_schema *schema; /* NULL: nothing yet */
    int64_t until;            /* first opset of the operator's next version */
} found;

const oxp_schema *oxp_schema_find(const char *domain, const char *op, int64_t opset) {
    enum { SLOTS = 256 };
    static _Thread_local found cache[SLOTS];
    uint32_t hash = 5381;
    for (const char *c = op; *c; c++)
        hash = hash * 33 + (unsigned char)*c;
    found *slot = &cache[(hash ^ hash >> 8) % SLOTS];
    if (slot->schema && slot->schema->since <= opset && opset < slot->until &&
        compare(slot->schema, domain, op) == 0)
        return slot->schema;
    found best = {NULL, INT64_MAX};
    for (size_t i = lower_bound(domain, op); i < oxp_schema_count; i++) {
        const oxp_schema *s = &oxp_schemas[i];
        if (compare(s, domain, op) != 0)
            break;
        if (s->since > opset) {
            best.until = s->since;
            break;
        }
        best.schema = s;
    }
    if (best.schema)
        *slot = best;
    return best.schema;
}

int64_t oxp_schema_first_version(const char *domain, const char *op) {
    size_t i = lower_bound(domain, op);
    if (i == oxp_schema_count || compare(&oxp_schemas[i], domain, op) != 0)
        return 0;
    return oxp_schemas[i].since;
}

static const oxp_schema_param *param(uint32_t first, uint32_t n, uint32_t slot) {
    if (n == 0)
        return NULL;
    if (slot < n)
        return &oxp_schema_params[first + slot];
    const oxp_schema_param *last = &oxp_schema_params[first + n - 1];
    return last->option == OXP_PARAM_VARIADIC ? last : NULL;
}

const oxp_schema_param *oxp_schema_input(const oxp_schema *s, uint32_t slot) {
    return param(s->first_in, s->n_in, slot);
}

const oxp_schema_param *oxp_schema_output(const oxp_schema *s, uint32_t slot) {
    return param(s->first_out, s->n_out, slot);
}

const oxp_schema_attr *oxp_schema_attr_find(const oxp_schema *s, const char *name) {
    for (uint32_t i = 0; i < s->n_attr; i++) {
        const oxp_schema_attr *a = &oxp_schema_attrs[s->first_attr + i];
        if (strcmp(a->name, name) == 0)
            return a;
    }
    return NULL;
}

const char *oxp_schema_input_type(const oxp_schema *s, uint32_t slot) {
    const oxp_schema_param *p = oxp_schema_input(s, slot);
    return p ? p->type : NULL;
}

const char *oxp_schema_output_type(const oxp_schema *s, uint32_t slot) {
    const oxp_schema_param *p = oxp_schema_output(s, slot);
    return p ? p->type : NULL;
}

bool oxp_schema_param_allows(const oxp_schema_param *p, oxp_dtype t) {
    return p && (unsigned)t < 32 && (oxp_schema_typesets[p->types].tensor & OXP_DTYPE_BIT(t)) != 0;
}

bool oxp_schema_input_allows(const oxp_schema *s, uint32_t slot, oxp_dtype t) {
    return oxp_schema_param_allows(oxp_schema_input(s, slot), t);
}

bool oxp_schema_output_allows(const oxp_schema *s, uint32_t slot, oxp_dtype t) {
    return oxp_schema_param_allows(oxp_schema_output(s, slot), t);
}

bool oxp_schema_type_allows(const oxp_schema *s, const char *type, oxp_dtype t) {
    for (uint32_t i = 0; i < s->n_in; i++) {
        const oxp_schema_param *p = oxp_schema_input(s, i);
        if (strcmp(p->type, type) == 0)
            return oxp_schema_param_allows(p, t);
    }
    for (uint32_t i = 0; i < s->n_out; i++) {
        const oxp_schema_param *p = oxp_schema_output(s, i);
        if (strcmp(p->type, type) == 0)
            return oxp_schema_param_allows(p, t);
    }
    return false;
}
