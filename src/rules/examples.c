/* examples.c - the small graphs in rule files: made into real models, opened, and matched.
 *
 *   <input name="x" dtype="float32" shape="N 3 64 64"/>
 *   <const name="w" shape="64 3 7 7"/>         without values: external data that is absent
 *   <const name="s" values="1 1 3.5 3.5"/>     a vector of its values; with a shape they repeat
 *   <const name="r" shape="8 8" fill="noise"/> numbers between -1 and 1 without a pattern
 *   <node op="Conv" in="x w" out="y" kernel_shape="7 7"/>   "-" omits an input
 *   <output name="y"/> */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "onnx.pb-c.h"
#include "ops/schema.h"
#include "rules/engine.h"

#define FILE_NAME "/proc/self/fd/"
enum { RANK_MAX = 8, VALUES_MAX = 1024, NAMES_MAX = 64, ELEMENTS_MAX = 1 << 20 };

typedef struct builder {
    oxp_arena *a;
    oxp_ctx *ctx;
    const oxp_rule *rule;
    const oxp_example *x;
    Onnx__GraphProto *g;
} builder;

static _Noreturn void bad(const builder *b, int line, const char *why, const char *what) {
    oxp_raise(b->ctx, OXP_E_RULE, "%s:%d: rule %s: in an example: %s \"%.80s\"", b->rule->file,
              line, b->rule->id, why, what);
}

static const char *field(const oxp_example_item *it, const char *key, const char *otherwise) {
    for (size_t i = 0; i < it->n; i++)
        if (!strcmp(it->keys[i], key))
            return it->values[i];
    return otherwise;
}

/* What the program says of the whole model, without the name and the offsets of a file that nobody
 * has. */
static _Noreturn void bad_model(const builder *b, const char *why, const char *what) {
    const char *p = strstr(what, FILE_NAME) == what ? strstr(what, ": ") : NULL;
    char *text = oxp_strdup(b->a, p ? p + 2 : what), *at = strstr(text, " at byte ");
    if (at) {
        size_t k = strlen(" at byte ") + strspn(at + strlen(" at byte "), "0123456789");
        memmove(at, at + k, strlen(at + k) + 1);
    }
    oxp_raise(b->ctx, OXP_E_RULE, "%s:%d: rule %s: in an example: %s: %.200s", b->rule->file,
              b->x->line, b->rule->id, why, text);
}

static long long integer(const builder *b, int line, const char *text) {
    char *end;
    errno = 0;
    long long v = strtoll(text, &end, 10);
    if (end == text || *end || errno)
        bad(b, line, "an integer of 64 bits is wanted, not", text);
    return v;
}

static float number(const builder *b, int line, const char *text) {
    char *end;
    float v = strtof(text, &end);
    if (end == text || *end)
        bad(b, line, "a number is wanted, not", text);
    return v;
}

static size_t words(const builder *b, const char *text, char **out, size_t room, int line) {
    size_t n = 0;
    for (const char *p = text; *p;) {
        size_t k = strcspn(p, " ");
        if (k) {
            if (n == room)
                bad(b, line, "too long a list:", text);
            out[n++] = oxp_memdup0(b->a, p, k);
        }
        p += k + (p[k] == ' ');
    }
    return n;
}

static oxp_dtype dtype_of(const builder *b, const oxp_example_item *it, const char *otherwise) {
    oxp_dtype t = oxp_dtype_from_name(field(it, "dtype", otherwise));
    if (t == OXP_UNDEFINED)
        bad(b, it->line, "no such data type:", field(it, "dtype", otherwise));
    return t;
}

static long long dimension(const builder *b, int line, const char *text) {
    long long v = integer(b, line, text);
    if (v < 0)
        bad(b, line, "a dimension is a name or not negative, not", text);
    return v;
}

static Onnx__ValueInfoProto *value_info(const builder *b, const oxp_example_item *it) {
    char *dims[RANK_MAX];
    size_t n = words(b, field(it, "shape", ""), dims, RANK_MAX, it->line);
    Onnx__ValueInfoProto *v = OXP_NEW(b->a, Onnx__ValueInfoProto);
    Onnx__TypeProto *t = OXP_NEW(b->a, Onnx__TypeProto);
    Onnx__TypeProto__Tensor *tt = OXP_NEW(b->a, Onnx__TypeProto__Tensor);
    Onnx__TensorShapeProto *s = OXP_NEW(b->a, Onnx__TensorShapeProto);
    onnx__value_info_proto__init(v);
    onnx__type_proto__init(t);
    onnx__type_proto__tensor__init(tt);
    onnx__tensor_shape_proto__init(s);
    s->n_dim = n;
    s->dim = OXP_NEWS(b->a, n + 1, Onnx__TensorShapeProto__Dimension *);
    for (size_t i = 0; i < n; i++) {
        Onnx__TensorShapeProto__Dimension *d = OXP_NEW(b->a, Onnx__TensorShapeProto__Dimension);
        onnx__tensor_shape_proto__dimension__init(d);
        if (dims[i][strspn(dims[i], "+-0123456789")]) {
            d->value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM;
            d->dim_param = dims[i];
        } else {
            d->value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
            d->dim_value = dimension(b, it->line, dims[i]);
        }
        s->dim[i] = d;
    }
    tt->has_elem_type = 1;
    tt->elem_type = (int32_t)dtype_of(b, it, "float32");
    tt->shape = s;
    t->value_case = ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
    t->tensor_type = tt;
    v->name = oxp_strdup(b->a, field(it, "name", ""));
    v->type = t;
    return v;
}

/* The given values, again and again; or noise between -1 and 1 (xorshift, always the same). */
static void fill_values(const builder *b, Onnx__TensorProto *t, const oxp_example_item *it,
                        char **v, size_t n, size_t count) {
    uint32_t state = 2463534242u;
    if (t->data_type == OXP_FLOAT) {
        float *given = OXP_NEWS(b->a, n + 1, float);
        for (size_t i = 0; i < n; i++)
            given[i] = number(b, it->line, v[i]);
        t->n_float_data = count;
        t->float_data = OXP_NEWS(b->a, count + 1, float);
        for (size_t i = 0; i < count; i++) {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            t->float_data[i] = n ? given[i % n] : (float)state / 2147483648.0f - 1;
        }
    } else if (t->data_type == OXP_INT64 && n) {
        t->n_int64_data = count;
        t->int64_data = OXP_NEWS(b->a, count + 1, int64_t);
        for (size_t i = 0; i < count; i++)
            t->int64_data[i] = i < n ? integer(b, it->line, v[i]) : t->int64_data[i - n];
    } else
        bad(b, it->line, "values are float32 or int64, not", field(it, "dtype", ""));
}

static void absent(const builder *b, Onnx__TensorProto *t) {
    Onnx__StringStringEntryProto *e = OXP_NEW(b->a, Onnx__StringStringEntryProto);
    onnx__string_string_entry_proto__init(e);
    e->key = oxp_strdup(b->a, "location");
    e->value = oxp_strdup(b->a, "absent.data");
    t->n_external_data = 1;
    t->external_data = OXP_NEWS(b->a, 1, Onnx__StringStringEntryProto *);
    t->external_data[0] = e;
    t->has_data_location = 1;
    t->data_location = ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL;
}

static Onnx__TensorProto *constant(const builder *b, const oxp_example_item *it) {
    char *dims[RANK_MAX], *values[VALUES_MAX];
    const char *given = field(it, "values", NULL), *shape = field(it, "shape", NULL);
    const char *fill = field(it, "fill", NULL);
    uint64_t count = 1;
    size_t n_values = given ? words(b, given, values, VALUES_MAX, it->line) : 0;
    Onnx__TensorProto *t = OXP_NEW(b->a, Onnx__TensorProto);
    onnx__tensor_proto__init(t);
    t->name = oxp_strdup(b->a, field(it, "name", ""));
    t->has_data_type = 1;
    t->data_type = (int32_t)dtype_of(b, it, "float32");
    t->dims = OXP_NEWS(b->a, RANK_MAX, int64_t);
    if (shape) {
        t->n_dims = words(b, shape, dims, RANK_MAX, it->line);
        for (size_t i = 0; i < t->n_dims; i++)
            t->dims[i] = dimension(b, it->line, dims[i]);
    } else if (given) {
        t->n_dims = 1;
        t->dims[0] = (int64_t)n_values;
    }
    for (size_t i = 0; i < t->n_dims; i++)
        if (__builtin_mul_overflow(count, (uint64_t)t->dims[i], &count) || count > ELEMENTS_MAX)
            count = ELEMENTS_MAX + 1;
    if ((given || fill) && count > ELEMENTS_MAX)
        bad(b, it->line, "an example's constant has at most a million elements, not", shape);
    if (n_values > count)
        bad(b, it->line, "more values than the shape holds:", given);
    if (given || fill)
        fill_values(b, t, it, values, n_values, (size_t)count);
    else
        absent(b, t);
    return t;
}

/* ---- nodes ---- */
static Onnx__AttributeProto *attribute(const builder *b, const oxp_example_item *it,
                                       const oxp_schema *s, const char *key, const char *value) {
    const oxp_schema_attr *d = s ? oxp_schema_attr_find(s, key) : NULL;
    if (s && !d)
        bad(b, it->line, oxp_sprintf(b->a, "%s has no attribute", s->name), key);
    Onnx__AttributeProto *p = OXP_NEW(b->a, Onnx__AttributeProto);
    char *list[NAMES_MAX];
    onnx__attribute_proto__init(p);
    p->name = oxp_strdup(b->a, key);
    p->has_type = 1;
    p->type = d ? (Onnx__AttributeProto__AttributeType)d->type
                : ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING;
    if (p->type == ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT) {
        p->has_i = 1;
        p->i = integer(b, it->line, value);
    } else if (p->type == ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT) {
        p->has_f = 1;
        p->f = number(b, it->line, value);
    } else if (p->type == ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING) {
        p->has_s = 1;
        p->s.data = (uint8_t *)oxp_strdup(b->a, value);
        p->s.len = strlen(value);
    } else if (p->type == ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS) {
        p->n_ints = words(b, value, list, NAMES_MAX, it->line);
        p->ints = OXP_NEWS(b->a, p->n_ints + 1, int64_t);
        for (size_t i = 0; i < p->n_ints; i++)
            p->ints[i] = integer(b, it->line, list[i]);
    } else
        bad(b, it->line, "no attribute of this kind can be given:", key);
    return p;
}

static char **names(const builder *b, const char *text, size_t *n, int line) {
    char **list = OXP_NEWS(b->a, NAMES_MAX + 1, char *);
    *n = words(b, text, list, NAMES_MAX, line);
    for (size_t i = 0; i < *n; i++)
        if (!strcmp(list[i], "-"))
            list[i] = oxp_strdup(b->a, "");
    return list;
}

static Onnx__NodeProto *node(const builder *b, const oxp_example_item *it, size_t number) {
    Onnx__NodeProto *p = OXP_NEW(b->a, Onnx__NodeProto);
    onnx__node_proto__init(p);
    const char *op = field(it, "op", ""), *colon = strrchr(op, ':');
    p->op_type = oxp_strdup(b->a, colon ? colon + 1 : op);
    if (colon)
        p->domain = oxp_memdup0(b->a, op, (size_t)(colon - op));
    p->name =
        oxp_sprintf(b->a, "%s", field(it, "name", oxp_sprintf(b->a, "%s_%zu", p->op_type, number)));
    p->input = names(b, field(it, "in", ""), &p->n_input, it->line);
    p->output = names(b, field(it, "out", ""), &p->n_output, it->line);
    const oxp_schema *s = oxp_schema_find(colon ? p->domain : "", p->op_type, b->x->opset);
    p->attribute = OXP_NEWS(b->a, it->n + 1, Onnx__AttributeProto *);
    for (size_t i = 0; i < it->n; i++) {
        const char *k = it->keys[i];
        if (strcmp(k, "op") && strcmp(k, "in") && strcmp(k, "out") && strcmp(k, "name"))
            p->attribute[p->n_attribute++] = attribute(b, it, s, k, it->values[i]);
    }
    return p;
}

/* An input may have a default, which is a constant of the same name: of its type and shape. */
static void check_default(const builder *b, const oxp_example_item *it,
                          const Onnx__TensorProto *t) {
    const Onnx__TypeProto__Tensor *in = NULL;
    for (size_t i = 0; i < b->g->n_input && !in; i++)
        if (!strcmp(b->g->input[i]->name, t->name))
            in = b->g->input[i]->type->tensor_type;
    bool same = !in || (in->elem_type == t->data_type && in->shape->n_dim == t->n_dims);
    for (size_t i = 0; in && same && i < t->n_dims; i++)
        same =
            in->shape->dim[i]->value_case != ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE ||
            in->shape->dim[i]->dim_value == t->dims[i];
    if (!same)
        bad(b, it->line,
            "a constant of another type or shape than the input of this name:", t->name);
}

static void add_item(const builder *b, const oxp_example_item *it) {
    Onnx__GraphProto *g = b->g;
    if (!strcmp(it->kind, "input"))
        g->input[g->n_input++] = value_info(b, it);
    else if (!strcmp(it->kind, "const"))
        check_default(b, it, g->initializer[g->n_initializer++] = constant(b, it));
    else if (!strcmp(it->kind, "node")) {
        g->node[g->n_node] = node(b, it, g->n_node);
        g->n_node++;
    } else {
        Onnx__ValueInfoProto *v = OXP_NEW(b->a, Onnx__ValueInfoProto);
        onnx__value_info_proto__init(v);
        v->name = oxp_strdup(b->a, field(it, "name", ""));
        g->output[g->n_output++] = v;
    }
}

static uint8_t *model_bytes(builder *b, size_t *size) {
    size_t n = b->x->n_items + 1;
    Onnx__ModelProto m = ONNX__MODEL_PROTO__INIT;
    Onnx__GraphProto g = ONNX__GRAPH_PROTO__INIT;
    Onnx__OperatorSetIdProto main_set = ONNX__OPERATOR_SET_ID_PROTO__INIT,
                             ms = ONNX__OPERATOR_SET_ID_PROTO__INIT;
    Onnx__OperatorSetIdProto *sets[] = {&main_set, &ms};
    b->g = &g;
    g.name = oxp_strdup(b->a, "example");
    g.input = OXP_NEWS(b->a, n, Onnx__ValueInfoProto *);
    g.output = OXP_NEWS(b->a, n, Onnx__ValueInfoProto *);
    g.initializer = OXP_NEWS(b->a, n, Onnx__TensorProto *);
    g.node = OXP_NEWS(b->a, n, Onnx__NodeProto *);
    for (size_t i = 0; i < b->x->n_items; i++)
        add_item(b, &b->x->items[i]);
    main_set.domain = oxp_strdup(b->a, "");
    main_set.has_version = ms.has_version = 1;
    main_set.version = b->x->opset;
    ms.domain = oxp_strdup(b->a, "com.microsoft");
    ms.version = 1;
    m.has_ir_version = 1;
    m.ir_version = 8;
    m.n_opset_import = 2;
    m.opset_import = sets;
    m.graph = &g;
    *size = onnx__model_proto__get_packed_size(&m);
    uint8_t *bytes = oxp_alloc(b->a, *size + 1, 1);
    onnx__model_proto__pack(&m, bytes);
    /* NOLINTNEXTLINE(clang-analyzer-core.StackAddressEscape): the builder ends with its caller */
    return bytes;
}

static void close_fd(void *p) {
    close(*(int *)p);
}

/* ---- running ---- */
static void run_example(const oxp_rule *r, const oxp_example *x, oxp_arena *parent) {
    oxp_ctx *ctx = oxp_arena_ctx(parent);
    oxp_arena *a = oxp_arena_new(ctx);
    builder b = {a, ctx, r, x, NULL};
    size_t size, told = oxp_diag_count(ctx);
    uint8_t *bytes = model_bytes(&b, &size);
    int fd = memfd_create("example", MFD_CLOEXEC);
    if (fd < 0)
        oxp_raise(ctx, OXP_E_IO, "no memory file for an example: %s", strerror(errno));
    size_t token = oxp_defer(ctx, close_fd, &fd);
    if (write(fd, bytes, size) != (ssize_t)size)
        oxp_raise(ctx, OXP_E_IO, "an example cannot be written: %s", strerror(errno));
    oxp_model *m;
    const oxp_analysis *an;
    oxp_analyze_opts opts = OXP_ANALYZE_OPTS_INIT;
    if (oxp_open(&m, ctx, oxp_sprintf(a, FILE_NAME "%d", fd)) != OXP_OK)
        bad_model(&b, "no valid model", oxp_error_text(ctx));
    if (oxp_analyze(&an, m, &opts, a) != OXP_OK)
        bad_model(&b, "no analysis", oxp_error_text(ctx));
    if (an->totals.partial)
        bad_model(&b, "inconsistent",
                  oxp_diag_count(ctx) > told ? oxp_diag_at(ctx, oxp_diag_count(ctx) - 1)->text
                                             : "");
    if (!oxp_device_find(a, x->device))
        bad(&b, x->line, "no such device:", x->device);
    oxp_facts *f = oxp_facts_new(an, oxp_device_find(a, x->device), a);
    f->insight = oxp_insight_of(an, a);
    f->sweep = oxp_sweep_batch(an, &opts, f->device, OXP_UNDEFINED, NULL, 0, a);
    f->generation = oxp_generation_of(an, &opts, f->insight, f->device, a);
    const oxp_rule *one[] = {r};
    oxp_rules set = {one, 1};
    const oxp_rule_result *result = oxp_rules_run(&set, f, a);
    if (result->failed)
        oxp_raise(ctx, OXP_E_RULE, "%s:%d: rule %s: %s", r->file, r->line, r->id, result->failed);
    if (result->matched != x->triggers)
        oxp_raise(ctx, OXP_E_RULE, "%s:%d: rule %s: this example must%s trigger it and does%s",
                  r->file, x->line, r->id, x->triggers ? "" : " not", x->triggers ? " not" : "");
    oxp_diag_truncate(ctx, told);
    oxp_close(m);
    oxp_undefer(ctx, token, true);
    oxp_arena_free(a);
}

size_t oxp_rules_run_examples(const oxp_rules *rules, oxp_arena *arena) {
    size_t n = 0;
    for (size_t i = 0; i < rules->n; i++)
        for (size_t k = 0; k < rules->items[i]->n_examples; k++, n++)
            run_example(rules->items[i], &rules->items[i]->examples[k], arena);
    return n;
}
