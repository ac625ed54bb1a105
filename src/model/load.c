/* load.c - from a file's bytes to an oxp_model: scan (wire.c), then one pass over the elements in
 * file order, then names to ids (resolve.c).  protobuf-c decodes each element by itself, without
 * its payload and without the elements inside it, into an arena that is rewound after it. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/ceiling.h"
#include "model/load.h"
#include "ops/op.h"

/* ---- for all pieces ---- */

_Noreturn void oxp_load_fail(oxp_loader *l, const char *what, uint64_t off, const char *fmt, ...) {
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    oxp_raise(l->ctx, OXP_E_FORMAT, "%s: %s at byte %llu: %s", l->path, what,
              (unsigned long long)off, text);
}

/* protobuf-c waits for these: they never raise. */
static void *proto_alloc(void *data, size_t size) {
    oxp_loader *l = data;
    void *p = oxp_try_alloc(l->temp, size, 1);
    if (!p && !l->refused)
        l->refused = size ? size : 1;
    return p;
}

static void proto_free(void *data, void *p) {
    (void)data; /* the arena is rewound */
    (void)p;
}

void *oxp_load_unpack(oxp_loader *l, const ProtobufCMessageDescriptor *d, oxp_span span,
                      uint32_t keep) {
    size_t len;
    const uint8_t *bytes = oxp_wire_prune(&l->r, l->temp, span, keep, &len);
    l->refused = 0;
    void *msg = protobuf_c_message_unpack(d, &l->allocator, len, bytes);
    if (!msg && l->refused)
        oxp_alloc_failed(l->temp, l->refused, 1);
    if (!msg)
        OXP_BAD(l, d->short_name, span.off, "cannot be decoded");
    return msg;
}

uint32_t oxp_load_symbol(oxp_loader *l, const char *s) {
    uint32_t id = l->empty;
    if (l->n_symbols && (!s || !s[0]))
        return id;
    const char *name = oxp_intern_number(l->m->names, s ? s : "", s ? strlen(s) : 0, &id);
    if (id >= l->n_symbols) {
        l->symbols =
            oxp_grow(l->scratch, l->symbols, &l->cap_symbols, (size_t)id + 1, sizeof *l->symbols);
        l->n_symbols = (size_t)id + 1;
    }
    l->symbols[id] = name;
    return id;
}

const char *oxp_load_intern(oxp_loader *l, const char *s) {
    return s && s[0] ? oxp_intern_add(l->m->names, s, strlen(s)) : l->symbols[l->empty];
}

const char *oxp_load_domain(oxp_loader *l, const char *s) {
    return oxp_load_intern(l, s && !strcmp(s, "ai.onnx") ? "" : s);
}

/* ---- the model's own fields ---- */

enum { OPSETS_MAX = 1000 };

/* Newer versions may have changed any operator: they are analysed as the newest one known. */
static void warn_of_newer(oxp_loader *l, const oxp_opset *o, const char *what) {
    static const struct {
        const char *domain, *name;
        int newest;
    } known[] = {{"", "ai.onnx", OXP_OPSET_NEWEST},
                 {"ai.onnx.ml", "ai.onnx.ml", OXP_OPSET_ML_NEWEST},
                 {"com.microsoft", "com.microsoft", 1}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(o->domain, known[i].domain) == 0 && o->version > known[i].newest)
            oxp_diagnose(l->ctx, OXP_WARNING, "opset-unknown", "",
                         "%s imports opset %lld of %s, newer than any this program knows (%d): its "
                         "operators are taken to be those of opset %d",
                         what, (long long)o->version, known[i].name, known[i].newest,
                         known[i].newest);
}

/* Copies opset imports; a domain may be imported twice, but only as one version. */
static const oxp_opset *opsets(oxp_loader *l, Onnx__OperatorSetIdProto **list, size_t n,
                               size_t *count, const char *what, uint64_t off) {
    if (n > OPSETS_MAX)
        OXP_BAD(l, what, off, "it imports more than %d operator sets", OPSETS_MAX);
    oxp_opset *o = n ? OXP_NEWS(l->m->arena, n, oxp_opset) : NULL;
    *count = 0;
    for (size_t i = 0; i < n; i++) {
        oxp_opset new = {oxp_load_domain(l, list[i]->domain), list[i]->version};
        size_t k = 0;
        if (new.version < 1)
            OXP_BAD(l, what, off, "opset %lld of domain '%.120s' is no version",
                    (long long)new.version, new.domain);
        while (k < *count && o[k].domain != new.domain)
            k++;
        if (k < *count && o[k].version != new.version)
            OXP_BAD(l, what, off, "domain '%.120s' is imported as opset %lld and as %lld",
                    new.domain, (long long)o[k].version, (long long)new.version);
        if (k < *count)
            continue;
        o[(*count)++] = new;
        warn_of_newer(l, &new, what);
    }
    return o;
}

static void model_versions(oxp_loader *l, const Onnx__ModelProto *msg) {
    static const oxp_opset first = {"", 1};
    enum { IR_WITH_OPSETS = 3, IR_NEWEST = 14 }; /* onnx.proto of onnx 1.23 */
    oxp_model *m = l->m;
    if (!msg->has_ir_version || msg->ir_version < 1)
        OXP_BAD(l, "model", 0, "%s",
                msg->has_ir_version ? "its IR version is below 1" : "it has no IR version");
    m->ir_version = msg->ir_version;
    if (m->ir_version > IR_NEWEST)
        oxp_diagnose(l->ctx, OXP_WARNING, "ir-version-unknown", "",
                     "IR version %lld is newer than any this program knows (%d)",
                     (long long)m->ir_version, IR_NEWEST);
    m->opsets =
        (oxp_opset *)opsets(l, msg->opset_import, msg->n_opset_import, &m->n_opsets, "model", 0);
    if (!m->n_opsets && m->ir_version < IR_WITH_OPSETS) {
        m->opsets = OXP_NEW(m->arena, oxp_opset);
        *m->opsets = (oxp_opset){oxp_load_intern(l, first.domain), first.version};
        m->n_opsets = 1;
    }
    if (!m->n_opsets)
        OXP_BAD(l, "model", 0, "it imports no operator set");
}

static void model_fields(oxp_loader *l) {
    oxp_model *m = l->m;
    oxp_mark mark = oxp_arena_mark(l->temp);
    const Onnx__ModelProto *msg =
        oxp_load_unpack(l, &onnx__model_proto__descriptor, (oxp_span){0, l->r.size},
                        OXP_FIELD(MODEL_IR_VERSION) | OXP_FIELD(MODEL_PRODUCER_NAME) |
                            OXP_FIELD(MODEL_PRODUCER_VERSION) | OXP_FIELD(MODEL_DOMAIN) |
                            OXP_FIELD(MODEL_MODEL_VERSION) | OXP_FIELD(MODEL_OPSET_IMPORT) |
                            OXP_FIELD(MODEL_METADATA_PROPS));
    model_versions(l, msg);
    m->model_version = msg->model_version;
    m->producer = oxp_load_intern(l, msg->producer_name);
    m->producer_version = oxp_load_intern(l, msg->producer_version);
    m->domain = oxp_load_intern(l, msg->domain);
    m->n_metas = msg->n_metadata_props;
    m->metas = m->n_metas ? OXP_NEWS(m->arena, m->n_metas, oxp_meta) : NULL;
    for (size_t i = 0; i < m->n_metas; i++) {
        const Onnx__StringStringEntryProto *e = msg->metadata_props[i];
        m->metas[i] = (oxp_meta){oxp_load_intern(l, e->key), oxp_load_intern(l, e->value)};
    }
    oxp_arena_rewind(l->temp, mark);
}

/* ---- elements ---- */

static const oxp_rec *parent_of(const oxp_loader *l, const oxp_rec *rec) {
    return rec->parent == OXP_NONE ? NULL : oxp_index_at(&l->x, rec->parent);
}

/* Graph that an element of the lists of a GraphProto or FunctionProto belongs to; OXP_NONE: one of
 * training_info, which is checked but not part of the model. */
static oxp_id graph_of(const oxp_loader *l, const oxp_rec *rec) {
    const oxp_rec *p = parent_of(l, rec);
    if (p->kind == OXP_REC_FUNCTION)
        return p->id == OXP_NONE ? OXP_NONE : l->m->functions[p->id].graph;
    return p->id;
}

/* The attribute that a record of kind ATTR or DEFAULT stands for; NULL in training_info. */
static oxp_attr *attr_of(const oxp_loader *l, const oxp_rec *rec) {
    const oxp_rec *p = parent_of(l, rec);
    if (rec->id == OXP_NONE)
        return NULL;
    return (oxp_attr *)(p->kind == OXP_REC_NODE ? &l->m->nodes[p->id].attrs[rec->id]
                                                : &l->m->functions[p->id].defaults[rec->id]);
}

static oxp_id new_graph(oxp_loader *l, oxp_graph_kind kind, oxp_span src) {
    oxp_id id = oxp_model_add_graph(l->m);
    oxp_graph *g = &l->m->graphs[id];
    g->kind = kind;
    g->name = g->attr = oxp_load_intern(l, "");
    g->src = src;
    g->live = true;
    l->graphs[id] = (oxp_graph_load){OXP_NONE, OXP_NONE, OXP_NONE, OXP_NONE, id, 0, false};
    return id;
}

static void load_graph(oxp_loader *l, oxp_rec *rec) {
    const oxp_rec *p = parent_of(l, rec);
    oxp_span src = {rec->off, rec->len};
    if (!p) {
        rec->id = new_graph(l, OXP_GRAPH_MAIN, src);
        if (rec->id != OXP_MAIN_GRAPH)
            OXP_BAD(l, "model", 0, "its main graph does not come first");
        return;
    }
    oxp_attr *a = p->kind == OXP_REC_TRAINING ? NULL : attr_of(l, p);
    if (!a)
        return;
    const oxp_rec *holder = parent_of(l, p);
    if (holder->kind != OXP_REC_NODE)
        OXP_BAD(l, "attribute", p->off, "a function's attribute has a graph as its default");
    rec->id = new_graph(l, OXP_GRAPH_SUB, src);
    oxp_graph *g = &l->m->graphs[rec->id];
    g->owner = holder->id;
    g->attr = a->name;
    l->graphs[rec->id].root = l->graphs[l->m->nodes[holder->id].graph].root;
    oxp_load_attr_child(a, rec->id);
}

/* Finds an attribute of a node or function by where it lies: they were decoded with all of theirs.
 */
static void load_attr(oxp_loader *l, oxp_rec *rec) {
    const oxp_rec *p = parent_of(l, rec);
    if (p->id == OXP_NONE)
        return;
    bool node = p->kind == OXP_REC_NODE;
    const oxp_attr *attrs = node ? l->m->nodes[p->id].attrs : l->m->functions[p->id].defaults;
    uint32_t low = 0, high = node ? l->m->nodes[p->id].n_attr : l->m->functions[p->id].n_defaults;
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        if (attrs[mid].src.off < rec->off)
            low = mid + 1;
        else
            high = mid;
    }
    rec->id = low;
}

static void load_initializer(oxp_loader *l, oxp_id graph, oxp_id tensor) {
    oxp_graph_load *g = &l->graphs[graph];
    const oxp_tensor *t = &l->m->tensors[tensor];
    uint32_t at = (uint32_t)l->n_inits++;
    if (!t->name[0])
        OXP_BAD(l, "initializer", t->src.off, "it has no name");
    l->inits[at] = (oxp_pending_init){oxp_load_symbol(l, t->name), OXP_NONE, tensor};
    if (g->last_init == OXP_NONE)
        g->first_init = at;
    else
        l->inits[g->last_init].next = at;
    g->last_init = at;
    l->m->graphs[graph].n_inits++;
}

static void load_tensor(oxp_loader *l, oxp_rec *rec) {
    const oxp_rec *p = parent_of(l, rec);
    bool sparse = rec->kind == OXP_REC_SPARSE;
    bool in_graph = p->kind == OXP_REC_GRAPH;
    oxp_attr *a = in_graph ? NULL : attr_of(l, p);
    oxp_id graph = in_graph ? p->id : OXP_NONE;
    bool keep = a || graph != OXP_NONE;
    oxp_span span = {rec->off, rec->len};
    oxp_id id = sparse ? oxp_load_sparse(l, span, keep) : oxp_load_tensor(l, span, keep);
    if (a)
        oxp_load_attr_child(a, id);
    else if (keep)
        load_initializer(l, graph, id);
}

static void load_name(oxp_loader *l, const oxp_rec *rec) {
    const oxp_rec *p = parent_of(l, rec);
    if (p->id == OXP_NONE)
        return;
    oxp_mark mark = oxp_arena_mark(l->temp);
    char *text = oxp_alloc(l->temp, rec->len + 1, 1);
    oxp_source_read(l->r.src, rec->off, text, rec->len);
    l->m->graphs[p->id].name = oxp_load_intern(l, text);
    oxp_arena_rewind(l->temp, mark);
}

/* ---- functions ---- */

static oxp_span field_span(oxp_loader *l, oxp_span span, uint32_t number) {
    oxp_span found = {0, 0};
    oxp_wire_field f;
    for (uint64_t off = span.off; off < span.off + span.len; off = f.next) {
        oxp_wire_next(&l->r, off, &f);
        if (f.number == number)
            found = (oxp_span){f.off, f.value};
    }
    return found;
}

/* The key under which a call finds its function. */
static const char *call_key(oxp_loader *l, const char *domain, const char *name,
                            const char *overload) {
    return oxp_load_intern(l, oxp_sprintf(l->temp, "%s\n%s\n%s", domain, name, overload));
}

static const oxp_id *function_values(oxp_loader *l, char **names, size_t n) {
    oxp_id *ids = n ? OXP_NEWS(l->m->arena, n, oxp_id) : NULL;
    for (size_t i = 0; i < n; i++)
        ids[i] = oxp_load_symbol(l, names[i]);
    l->n_outputs += n;
    return ids;
}

static void function_attrs(oxp_loader *l, oxp_function *f, const Onnx__FunctionProto *msg) {
    const char **names = OXP_NEWS(l->m->arena, msg->n_attribute + 1, const char *);
    for (size_t i = 0; i < msg->n_attribute; i++)
        names[i] = oxp_load_intern(l, msg->attribute[i]);
    if (msg->n_attribute >= OXP_NONE)
        OXP_BAD(l, "function", 0, "too many attributes");
    f->attrs = names;
    f->n_attrs = (uint32_t)msg->n_attribute;
}

/* attribute_proto, in a field that older protos do not know. */
static void function_defaults(oxp_loader *l, oxp_function *fn, oxp_span span, const char *what) {
    oxp_wire_field f;
    size_t n = 0, i = 0;
    for (uint64_t off = span.off; off < span.off + span.len; off = f.next) {
        oxp_wire_next(&l->r, off, &f);
        n += f.number == FUNCTION_ATTRIBUTE_PROTO;
    }
    oxp_attr *attrs = n ? OXP_NEWS(l->m->arena, n, oxp_attr) : NULL;
    for (uint64_t off = span.off; i < n; off = f.next) {
        oxp_wire_next(&l->r, off, &f);
        if (f.number == FUNCTION_ATTRIBUTE_PROTO)
            oxp_load_attr(l, &attrs[i++], (oxp_span){f.off, f.value}, false);
    }
    oxp_load_check_attrs(l, attrs, n, what, span.off);
    fn->defaults = attrs;
    fn->n_defaults = (uint32_t)n;
}

static void load_function(oxp_loader *l, oxp_rec *rec) {
    oxp_span span = {rec->off, rec->len}, overload = field_span(l, span, FUNCTION_OVERLOAD);
    oxp_mark mark = oxp_arena_mark(l->temp);
    const Onnx__FunctionProto *msg =
        oxp_load_unpack(l, &onnx__function_proto__descriptor, span,
                        OXP_FIELD(FUNCTION_NAME) | OXP_FIELD(FUNCTION_INPUT) |
                            OXP_FIELD(FUNCTION_OUTPUT) | OXP_FIELD(FUNCTION_ATTRIBUTE) |
                            OXP_FIELD(FUNCTION_OPSET_IMPORT) | OXP_FIELD(FUNCTION_DOMAIN));
    char *text = oxp_alloc(l->temp, overload.len + 1, 1);
    oxp_source_read(l->r.src, overload.off, text, overload.len);
    const char *what = oxp_sprintf(l->temp, "function '%.120s'", msg->name ? msg->name : "");
    if (!msg->name || !msg->name[0])
        OXP_BAD(l, what, span.off, "it has no name");
    size_t n_opsets;
    oxp_id graph = new_graph(l, OXP_GRAPH_FUNCTION, span);
    oxp_id id = rec->id = oxp_model_add_function(l->m);
    oxp_function *f = &l->m->functions[id];
    f->name = oxp_load_intern(l, msg->name);
    f->domain = oxp_load_domain(l, msg->domain);
    f->overload = oxp_load_intern(l, text);
    f->graph = graph;
    f->opsets = opsets(l, msg->opset_import, msg->n_opset_import, &n_opsets, what, span.off);
    f->n_opsets = (uint32_t)n_opsets;
    function_attrs(l, f, msg);
    function_defaults(l, f, span, what);
    oxp_graph *g = &l->m->graphs[graph];
    g->name = f->name;
    g->owner = id;
    g->inputs = function_values(l, msg->input, msg->n_input);
    g->n_inputs = (uint32_t)msg->n_input;
    g->outputs = function_values(l, msg->output, msg->n_output);
    g->n_outputs = (uint32_t)msg->n_output;
    const char *key = call_key(l, f->domain, f->name, f->overload);
    if (!oxp_map_put(l->calls, (uintptr_t)key, id))
        OXP_BAD(l, what, span.off, "it is defined twice");
    oxp_arena_rewind(l->temp, mark);
}

/* ---- operators and functions that nodes call ---- */

/* oxp_op_find for names that repeat: interned names are equal when their pointers are. */
typedef struct op_cache {
    const char *domain, *name;
    const oxp_op *op;
} op_cache;
enum { CACHE = 256 };

static const oxp_op *find_op(op_cache *cache, const oxp_node *n) {
    op_cache *c = &cache[((uintptr_t)n->op >> 4 ^ (uintptr_t)n->domain >> 3) % CACHE];
    if (c->name != n->op || c->domain != n->domain)
        *c = (op_cache){n->domain, n->op, oxp_op_find(n->domain, n->op)};
    return c->op;
}

/* Without the default operator set nothing has a meaning; consistency.c looks at the others. */
static void check_import(oxp_loader *l, const oxp_node *n) {
    /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): load_node.c gives every node a domain */
    if (!n->domain[0] && !oxp_opset_of(l->m, n->graph, n->domain))
        OXP_BAD(l, oxp_load_what(l, n), n->src.off, "the default operator set is not imported");
}

static void find_definitions(oxp_loader *l) {
    op_cache *cache = OXP_NEWS(l->scratch, CACHE, op_cache);
    const char *checked = NULL; /* domain and function or main graph of the last check */
    oxp_id checked_root = OXP_NONE;
    for (size_t i = 0; i < l->m->n_nodes; i++) {
        oxp_node *n = &l->m->nodes[i];
        if (l->m->n_functions) {
            oxp_mark mark = oxp_arena_mark(l->temp);
            const char *key = call_key(l, n->domain, n->op, n->overload);
            oxp_arena_rewind(l->temp, mark);
            if (oxp_map_get(l->calls, (uintptr_t)key, &n->function))
                continue;
        }
        n->def = find_op(cache, n);
        oxp_id root = l->graphs[n->graph].root;
        if (n->domain == checked && root == checked_root)
            continue;
        check_import(l, n);
        checked = n->domain;
        checked_root = root;
    }
}

/* ---- opening ---- */

static void load_record(oxp_loader *l, oxp_rec *rec) {
    switch (rec->kind) {
    case OXP_REC_GRAPH:
        load_graph(l, rec);
        break;
    case OXP_REC_NODE:
        if (graph_of(l, rec) != OXP_NONE)
            oxp_load_node(l, rec, graph_of(l, rec));
        break;
    case OXP_REC_ATTR:
    case OXP_REC_DEFAULT:
        load_attr(l, rec);
        break;
    case OXP_REC_TENSOR:
    case OXP_REC_SPARSE:
        load_tensor(l, rec);
        break;
    case OXP_REC_INPUT:
    case OXP_REC_OUTPUT:
    case OXP_REC_INFO:
        if (graph_of(l, rec) != OXP_NONE)
            oxp_load_value(l, rec, graph_of(l, rec));
        break;
    case OXP_REC_NAME:
        load_name(l, rec);
        break;
    case OXP_REC_FUNCTION:
        load_function(l, rec);
        break;
    default: /* training_info, and the parts of sparse tensors, which are decoded with them */
        break;
    }
}

static void refuse_other_formats(oxp_loader *l) {
    uint8_t head[32];
    size_t n = l->r.size < sizeof head ? (size_t)l->r.size : sizeof head;
    if (!n)
        oxp_raise(l->ctx, OXP_E_FORMAT, "%s: the file is empty", l->path);
    oxp_source_read(l->r.src, 0, head, n);
    const char *magic = head[0] == (MODEL_IR_VERSION << 3) ? NULL : oxp_wire_magic(head, n);
    if (magic)
        oxp_raise(l->ctx, OXP_E_FORMAT, "%s: this is %s, no ONNX model", l->path, magic);
}

/* Arrays of the size that the scan has counted, with room for a few rewrites. */
static void reserve(oxp_loader *l) {
    const size_t *n = l->x.count;
    size_t graphs = n[OXP_REC_GRAPH] + n[OXP_REC_FUNCTION];
    size_t values = n[OXP_REC_INPUT] + n[OXP_REC_OUTPUT] + n[OXP_REC_INFO];
    size_t inits = n[OXP_REC_TENSOR] + n[OXP_REC_SPARSE];
    oxp_model_reserve(l->m, graphs, n[OXP_REC_NODE] + n[OXP_REC_NODE] / 8, 0, inits, 0,
                      n[OXP_REC_FUNCTION]);
    l->graphs = OXP_NEWS(l->scratch, graphs + 1, oxp_graph_load);
    l->values = OXP_NEWS(l->scratch, values + 1, oxp_pending_value);
    l->inits = OXP_NEWS(l->scratch, inits + 1, oxp_pending_init);
}

/* Other elements may come before the main graph in the file; the main graph is to be number 0. */
static void load_records(oxp_loader *l) {
    size_t main_graph = 0;
    while (oxp_index_at(&l->x, main_graph)->kind != OXP_REC_GRAPH ||
           oxp_index_at(&l->x, main_graph)->parent != OXP_NONE)
        main_graph++; /* the scan has seen that there is one */
    load_graph(l, oxp_index_at(&l->x, main_graph));
    for (size_t i = 0; i < l->x.n; i++)
        if (i != main_graph)
            load_record(l, oxp_index_at(&l->x, i));
}

typedef struct open_args {
    oxp_ctx *ctx;
    const char *path;
    oxp_arena *arena, *scratch, *temp, *index;
    oxp_model *m;
} open_args;

static void open_model(void *arg) {
    open_args *a = arg;
    a->arena = oxp_arena_new(a->ctx);
    a->scratch = oxp_arena_new(a->ctx);
    a->temp = oxp_arena_new(a->ctx);
    a->index = oxp_arena_new(a->ctx);
    oxp_alloc(a->temp, 1, 1); /* a block that stays when the arena is rewound */
    oxp_model *m = a->m = OXP_NEW(a->arena, oxp_model);
    oxp_loader *l = OXP_NEW(a->scratch, oxp_loader);
    size_t errors = oxp_diag_errors(a->ctx);
    *l = (oxp_loader){.ctx = a->ctx, .m = m, .scratch = a->scratch, .temp = a->temp};
    l->allocator = (ProtobufCAllocator){proto_alloc, proto_free, l};
    m->ctx = a->ctx;
    m->arena = a->arena;
    m->path = l->path = oxp_strdup(a->arena, a->path);
    m->source = oxp_source_open(a->ctx, a->path);
    m->file_bytes = oxp_source_size(m->source);
    oxp_ctx_add_file(m->ctx, m->file_bytes);
    m->names = oxp_intern_new(a->arena);
    m->dims = oxp_dims_new(a->arena);
    oxp_reader_init(&l->r, m->source, a->index);
    refuse_other_formats(l);
    oxp_wire_scan(&l->r, &l->x);
    l->calls = oxp_map_new(l->scratch);
    l->empty = oxp_load_symbol(l, "");
    reserve(l);
    model_fields(l);
    load_records(l);
    oxp_arena_free(a->index);
    a->index = NULL;
    find_definitions(l);
    oxp_load_resolve(l);
    oxp_load_check_calls(l);
    oxp_load_tell(l);
    oxp_load_check(l);
    m->faulty = oxp_diag_errors(a->ctx) > errors;
}

oxp_status oxp_open(oxp_model **out, oxp_ctx *ctx, const char *path) {
    open_args a = {.ctx = ctx, .path = path};
    oxp_status status = oxp_try(ctx, open_model, &a);
    *out = NULL;
    oxp_arena_free(a.index);
    oxp_arena_free(a.temp);
    oxp_arena_free(a.scratch);
    if (status == OXP_OK)
        *out = a.m;
    else if (a.m)
        oxp_close(a.m);
    else
        oxp_arena_free(a.arena);
    return status;
}

void oxp_close(oxp_model *m) {
    if (!m)
        return;
    if (!m->is_clone) {
        oxp_external_close(m);
        if (m->source)
            oxp_source_close(m->source);
    }
    oxp_arena_free(m->arena);
}
