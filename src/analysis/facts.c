/* facts.c - the model as XML, element by element. */
#include "analysis/facts.h"

#include <libxml/xmlstring.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "analysis/memory.h"
#include "analysis/weights.h"
#include "base/digits.h"
#include "base/safe_math.h"
#include "base/utf8.h"
#include "base/xml_memory.h"
#include "onnxpert/advise.h"
#include "ops/op.h"
#include "ops/schema.h"

enum { LIST_MAX = 64, TEXT_MAX = 512, OPS_MAX = 1000 };

oxp_facts *oxp_facts_new(const oxp_analysis *a, const oxp_device *d, oxp_arena *arena) {
    oxp_facts *f = OXP_NEW(arena, oxp_facts);
    f->a = a;
    f->device = d;
    f->scratch = oxp_arena_new(oxp_arena_ctx(arena));
    if (d) {
        oxp_node_latency *l = OXP_NEWS(arena, oxp_node_count(a->model) + 1, oxp_node_latency);
        f->seconds = oxp_latency(a, d, OXP_UNDEFINED, NULL, l);
        f->latency = l;
    }
    return f;
}

/* ---- attributes ---- */
/* XML takes no control characters and no bad UTF-8: they are shown as "?". */
static void put_text(xmlNodePtr e, const char *name, const char *text) {
    char clean[TEXT_MAX];
    size_t n = 0, len = strnlen(text, (size_t)4 * TEXT_MAX);
    for (size_t i = 0; i < len && n + 8 < sizeof clean;) {
        if (text[i] >= ' ' && text[i] <= '~') {
            clean[n++] = text[i++];
            continue;
        }
        size_t k = oxp_utf8_printable(text + i, len - i);
        if (k)
            memcpy(clean + n, text + i, k);
        else
            clean[n] = '?';
        n += k ? k : 1;
        i += k ? k : 1;
    }
    clean[n] = 0;
    xmlNewProp(e, BAD_CAST name, BAD_CAST clean);
}

static void put_u64(xmlNodePtr e, const char *name, uint64_t v) {
    char text[OXP_DIGITS_MAX];
    if (v == UINT64_MAX)
        return; /* unknown: the attribute is absent */
    oxp_digits_u64(text, v);
    xmlNewProp(e, BAD_CAST name, BAD_CAST text);
}

static void put_i64(xmlNodePtr e, const char *name, int64_t v) {
    char text[OXP_DIGITS_MAX];
    oxp_digits_i64(text, v);
    xmlNewProp(e, BAD_CAST name, BAD_CAST text);
}

static void put_double(xmlNodePtr e, const char *name, double v) {
    char text[48];
    snprintf(text, sizeof text, "%.9g", v);
    if (!isfinite(v))
        return;
    xmlNewProp(e, BAD_CAST name, BAD_CAST text);
}

static void put_flag(xmlNodePtr e, const char *name, bool v) {
    if (v)
        xmlNewProp(e, BAD_CAST name, BAD_CAST "1");
}

oxp_id oxp_facts_id(const xmlNode *e) {
    uintptr_t v = (uintptr_t)e->_private;
    return v ? (oxp_id)(v - 1) : OXP_NONE;
}

static void put_dims(const oxp_facts *f, xmlNodePtr e, const char *name, const oxp_type *t) {
    char text[TEXT_MAX];
    size_t n = 0;
    *text = 0;
    for (int i = 0; i < t->rank && i < LIST_MAX; i++) {
        char digits[OXP_DIGITS_MAX];
        const char *d = digits;
        if (oxp_dim_is_literal(t->dims[i]) && t->dims[i] >= 0)
            oxp_digits_i64(digits, t->dims[i]);
        else
            d = oxp_dim_text(oxp_model_dims(f->a->model), t->dims[i], f->scratch);
        size_t k = strlen(d) + (i > 0);
        if (k >= sizeof text - n)
            return;
        if (i)
            text[n] = ' ';
        memcpy(text + n + (i > 0), d, k + 1 - (i > 0));
        n += k;
    }
    put_text(e, name, text);
}

static const char *role(const oxp_facts *f, oxp_id id) {
    const oxp_value *v = oxp_value_at(f->a->model, id);
    if (v->tensor != OXP_NONE)
        return "initializer";
    if (v->is_input)
        return "input";
    if (f->a->values[id].shape_role)
        return "shape";
    return v->outputs ? "output" : "activation";
}

static void put_elements(xmlNodePtr e, const oxp_type *t) {
    uint64_t n = 1;
    for (int i = 0; i < t->rank; i++) {
        if (!oxp_dim_is_literal(t->dims[i]) || t->dims[i] < 0)
            return;
        if (__builtin_mul_overflow(n, (uint64_t)t->dims[i], &n))
            return;
    }
    put_u64(e, "elements", n);
}

/* An element under construction is freed when a raise leaves it. */
static void free_element(void *e) {
    xmlFreeNode(e);
}

static size_t hold(const oxp_facts *f, xmlNodePtr e) {
    return oxp_defer(oxp_model_ctx(f->a->model), free_element, e);
}

static xmlNodePtr let_go(const oxp_facts *f, xmlNodePtr e, size_t token) {
    oxp_undefer(oxp_model_ctx(f->a->model), token, false);
    return e;
}

xmlNodePtr oxp_facts_value(const oxp_facts *f, xmlDocPtr doc, const char *name, oxp_id id) {
    xmlNodePtr e = xmlNewDocNode(doc, NULL, BAD_CAST name, NULL);
    if (!e)
        return NULL;
    size_t token = hold(f, e);
    if (id == OXP_NONE) {
        put_flag(e, "omitted", true);
        return let_go(f, e, token);
    }
    const oxp_value *v = oxp_value_at(f->a->model, id);
    const oxp_value_info *i = &f->a->values[id];
    e->_private = (void *)((uintptr_t)id + 1);
    put_text(e, "name", v->name);
    put_text(e, "role", role(f, id));
    put_flag(e, "const", v->tensor != OXP_NONE || i->constant);
    put_u64(e, "uses", (uint64_t)v->n_uses + v->outputs);
    if (i->type.kind == OXP_KIND_TENSOR) {
        put_text(e, "dtype", oxp_dtype_name(i->type.elem));
        if (i->type.rank >= 0) {
            put_i64(e, "rank", i->type.rank);
            put_dims(f, e, "dims", &i->type);
            put_elements(e, &i->type);
        }
        if (i->symbolic.kind == OXP_KIND_TENSOR && i->symbolic.rank >= 0)
            put_dims(f, e, "symbolic", &i->symbolic);
    }
    put_u64(e, "bytes", i->bytes);
    return let_go(f, e, token);
}

/* ---- nodes ---- */
static bool ncname(const char *s) {
    if (!((*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') || *s == '_'))
        return false;
    for (; *s; s++)
        if (!((*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') || (*s >= '0' && *s <= '9') ||
              *s == '_' || *s == '-' || *s == '.'))
            return false;
    return true;
}

static void put_list(xmlNodePtr e, const oxp_attr *a) {
    char text[TEXT_MAX];
    size_t n = 0;
    *text = 0;
    for (size_t i = 0; i < a->n && i < LIST_MAX; i++) {
        int k = a->type == OXP_ATTR_INTS ? snprintf(text + n, sizeof text - n, "%s%lld",
                                                    i ? " " : "", (long long)a->u.ints[i])
                                         : snprintf(text + n, sizeof text - n, "%s%.9g",
                                                    i ? " " : "", (double)a->u.floats[i]);
        if (k < 0 || (size_t)k >= sizeof text - n)
            break;
        n += (size_t)k;
    }
    put_text(e, a->name, text);
}

static void put_attr(xmlNodePtr e, const oxp_attr *a) {
    if (!ncname(a->name) || a->ref)
        return;
    if (a->type == OXP_ATTR_INT)
        put_i64(e, a->name, a->u.i);
    else if (a->type == OXP_ATTR_FLOAT)
        put_double(e, a->name, (double)a->u.f);
    else if (a->type == OXP_ATTR_STRING)
        put_text(e, a->name, a->u.s.data);
    else if (a->type == OXP_ATTR_INTS || a->type == OXP_ATTR_FLOATS)
        put_list(e, a);
}

static xmlNodePtr attributes(const oxp_facts *f, xmlDocPtr doc, const oxp_node *n) {
    xmlNodePtr e = xmlNewDocNode(doc, NULL, BAD_CAST "attr", NULL);
    size_t token = hold(f, e);
    for (uint32_t i = 0; e && i < n->n_attr && i < LIST_MAX; i++)
        put_attr(e, &n->attrs[i]);
    const oxp_schema *s =
        oxp_schema_find(n->domain, n->op, oxp_opset_of(f->a->model, n->graph, n->domain));
    for (uint32_t i = 0; e && s && i < s->n_attr; i++) {
        const oxp_schema_attr *d = &oxp_schema_attrs[s->first_attr + i];
        if (!d->has_default || oxp_attr_find(n, d->name))
            continue;
        if (d->type == OXP_ATTR_INT)
            put_i64(e, d->name, d->i);
        else if (d->type == OXP_ATTR_FLOAT)
            put_double(e, d->name, (double)d->f);
        else if (d->type == OXP_ATTR_STRING && d->s)
            put_text(e, d->name, d->s);
    }
    return let_go(f, e, token);
}

static void put_kinds(xmlNodePtr e, uint32_t flags) {
    static const struct {
        uint32_t flag;
        const char *name;
    } kinds[] = {{OXP_OP_VIEW, "view"},
                 {OXP_OP_MOVE, "move"},
                 {OXP_OP_ELEMENTWISE, "elementwise"},
                 {OXP_OP_UNARY, "unary"},
                 {OXP_OP_RANDOM, "random"},
                 {OXP_OP_ACTIVATION, "activation"},
                 {OXP_OP_NORM, "norm"},
                 {OXP_OP_POOL, "pool"},
                 {OXP_OP_REDUCE, "reduce"},
                 {OXP_OP_MATMUL, "matmul"},
                 {OXP_OP_CONV, "conv"},
                 {OXP_OP_RECURRENT, "recurrent"},
                 {OXP_OP_CONTROL, "control"},
                 {OXP_OP_QUANT, "quant"},
                 {OXP_OP_ATTENTION, "attention"},
                 {OXP_OP_ACCUMULATES, "accumulates"}};
    char text[256];
    size_t n = 0;
    *text = 0;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (flags & kinds[i].flag)
            n += (size_t)snprintf(text + n, sizeof text - n, "%s%s", n ? " " : "", kinds[i].name);
    if (n)
        put_text(e, "kinds", text);
}

static bool all_shapes(const oxp_facts *f, const oxp_node *n) {
    for (uint32_t i = 0; i < n->n_out; i++)
        if (n->out[i] != OXP_NONE && !f->a->values[n->out[i]].shape_role)
            return false;
    return n->n_out > 0;
}

static uint64_t constant_inputs(const oxp_facts *f, const oxp_node *n) {
    uint64_t count = 0;
    for (uint32_t i = 0; i < n->n_in; i++)
        count += n->in[i] != OXP_NONE && (f->a->values[n->in[i]].constant ||
                                          oxp_value_at(f->a->model, n->in[i])->tensor != OXP_NONE);
    return count;
}

/* The attributes of a node: `only` these (NULL-terminated; NULL: all of them), and, to add to an
 * element (`rest`), none of those that it has. */
typedef struct node_writer {
    xmlNodePtr e;
    const char *const *only;
    bool rest;
} node_writer;

static bool wants(const node_writer *w, const char *name) {
    bool listed = !w->only;
    for (const char *const *p = w->only; p && *p && !listed; p++)
        listed = !strcmp(*p, name);
    return listed && !(w->rest && xmlHasProp(w->e, BAD_CAST name));
}

static void node_u64(const node_writer *w, const char *name, uint64_t v) {
    if (wants(w, name))
        put_u64(w->e, name, v);
}

static void node_flag(const node_writer *w, const char *name, bool v) {
    if (v && wants(w, name))
        put_flag(w->e, name, v);
}

static void node_double(const node_writer *w, const char *name, double v) {
    if (wants(w, name))
        put_double(w->e, name, v);
}

static void put_costs(const oxp_facts *f, const node_writer *w, oxp_id id) {
    const oxp_node_info *i = &f->a->nodes[id];
    const oxp_totals *t = &f->a->totals;
    if (i->known) {
        node_u64(w, "macs", i->macs);
        node_u64(w, "flops", i->flops);
        node_u64(w, "moved", i->moved);
        if (t->flops && t->flops != UINT64_MAX)
            node_double(w, "share", (double)i->flops / (double)t->flops);
    } else
        node_flag(w, "unknown", true);
    node_u64(w, "params", i->params);
    node_u64(w, "weight_bytes", i->weight_bytes);
    node_u64(w, "bytes_moved", i->bytes_moved);
    node_u64(w, "live_bytes", i->live_bytes);
    if (!f->latency)
        return;
    const oxp_node_latency *l = &f->latency[id];
    double body = l->compute > l->memory ? l->compute : l->memory;
    node_double(w, "seconds", l->seconds);
    if (f->seconds > 0) { /* of the whole run: the node, and the parts of it */
        node_double(w, "time_share", l->seconds / f->seconds);
        node_double(w, "body_share", body / f->seconds);
        node_double(w, "launch_share", (l->seconds - body) / f->seconds);
    }
    if (l->seconds > 0 && wants(w, "bound"))
        put_text(w->e, "bound", l->compute_bound ? "compute" : "memory");
}

/* The operator in front: of the first input that is not constant. */
static const char *op_in_front(const oxp_facts *f, const oxp_node *n) {
    for (uint32_t i = 0; i < n->n_in; i++) {
        oxp_id v = n->in[i];
        if (v == OXP_NONE || f->a->values[v].constant ||
            oxp_value_at(f->a->model, v)->tensor != OXP_NONE)
            continue;
        oxp_id p = oxp_value_at(f->a->model, v)->producer;
        return p == OXP_NONE ? NULL : oxp_node_at(f->a->model, p)->op;
    }
    return NULL;
}

static void put_node(const oxp_facts *f, const node_writer *w, oxp_id id) {
    const oxp_node *n = oxp_node_at(f->a->model, id);
    if (wants(w, "op"))
        put_text(w->e, "op", n->op);
    if (*n->domain && wants(w, "domain"))
        put_text(w->e, "domain", n->domain);
    if (wants(w, "name"))
        put_text(w->e, "name", oxp_node_label(f->a->model, id, f->scratch));
    node_u64(w, "index", id);
    node_flag(w, "inner", n->graph != OXP_MAIN_GRAPH);
    if (wants(w, "kinds"))
        put_kinds(w->e, n->def ? n->def->flags : 0);
    node_u64(w, "constants", constant_inputs(f, n));
    const char *after = wants(w, "after") ? op_in_front(f, n) : NULL;
    if (after)
        put_text(w->e, "after", after);
    node_flag(w, "repeated", n->n_in == 2 && n->in[0] == n->in[1] && n->in[0] != OXP_NONE);
    node_flag(w, "folded", oxp_is_folded(f->a->values, n));
    node_flag(w, "shape", all_shapes(f, n));
    node_flag(w, "local", n->function != OXP_NONE);
    node_flag(w, "undefined", !n->def && n->function == OXP_NONE);
    put_costs(f, w, id);
}

xmlNodePtr oxp_facts_bare_node(const oxp_facts *f, xmlDocPtr doc, oxp_id id,
                               const char *const *only) {
    xmlNodePtr e = xmlNewDocNode(doc, NULL, BAD_CAST "node", NULL);
    if (!e)
        return NULL;
    size_t token = hold(f, e);
    oxp_mark mark = oxp_arena_mark(f->scratch);
    node_writer w = {e, only, false};
    e->_private = (void *)((uintptr_t)id + 1);
    put_node(f, &w, id);
    oxp_arena_rewind(f->scratch, mark);
    return let_go(f, e, token);
}

void oxp_facts_add(const oxp_facts *f, xmlNodePtr e, const char *const *names) {
    oxp_mark mark = oxp_arena_mark(f->scratch);
    node_writer w = {e, names, true};
    put_node(f, &w, oxp_facts_id(e));
    oxp_arena_rewind(f->scratch, mark);
}

void oxp_facts_complete(const oxp_facts *f, xmlNodePtr e) {
    const oxp_node *n = oxp_node_at(f->a->model, oxp_facts_id(e));
    xmlDocPtr doc = e->doc;
    oxp_mark mark = oxp_arena_mark(f->scratch);
    node_writer rest = {e, NULL, true};
    put_node(f, &rest, oxp_facts_id(e));
    xmlAddChild(e, attributes(f, doc, n));
    for (uint32_t i = 0; i < n->n_in && i < LIST_MAX; i++)
        xmlAddChild(e, oxp_facts_value(f, doc, "in", n->in[i]));
    for (uint32_t i = 0; i < n->n_out && i < LIST_MAX; i++)
        xmlAddChild(e, oxp_facts_value(f, doc, "out", n->out[i]));
    oxp_arena_rewind(f->scratch, mark);
}

xmlNodePtr oxp_facts_node(const oxp_facts *f, xmlDocPtr doc, oxp_id id) {
    static const char *const none[] = {NULL};
    xmlNodePtr e = oxp_facts_bare_node(f, doc, id, none);
    if (!e)
        return NULL;
    size_t token = hold(f, e);
    oxp_facts_complete(f, e);
    return let_go(f, e, token);
}

/* ---- tensors ---- */
bool oxp_facts_stored(const oxp_facts *f, oxp_id id) {
    const oxp_value *v = oxp_value_at(f->a->model, id);
    if (!v->live || !v->n_uses)
        return false;
    return v->tensor != OXP_NONE ||
           (v->producer != OXP_NONE && oxp_node_at(f->a->model, v->producer)->live &&
            oxp_is_constant_node(oxp_node_at(f->a->model, v->producer)) &&
            oxp_constant_of(f->a->model, id, false) != OXP_NONE);
}

/* ---- blocks ---- */
/* What the numbers of a block stand for. */
static void put_sizes(xmlNodePtr e, const oxp_found *b) {
    static const char *const channels[] = {"in_channels", "out_channels", "middle_channels"},
                             *const table[] = {"rows", "width", "extra"},
                             *const heads[] = {"heads", "kv_heads", "head_size"};
    const char *const *names = b->type == OXP_BLOCK_ATTENTION   ? heads
                               : b->type == OXP_BLOCK_EMBEDDING ? table
                                                                : channels;
    const int64_t v[] = {b->a, b->b, b->c};
    for (int i = 0; i < 3; i++)
        if (v[i] > 0)
            put_i64(e, names[i], v[i]);
}

xmlNodePtr oxp_facts_bare_block(const oxp_facts *f, xmlDocPtr doc, oxp_id id) {
    const oxp_found *b = &f->insight->blocks[id];
    xmlNodePtr e = xmlNewDocNode(doc, NULL, BAD_CAST "block", NULL);
    if (!e)
        return NULL;
    size_t token = hold(f, e);
    put_text(e, "kind", oxp_block_type_name(b->type));
    put_text(e, "detail", b->detail ? b->detail : "");
    put_flag(e, "decomposed", b->decomposed);
    put_sizes(e, b);
    return let_go(f, e, token);
}

void oxp_facts_add_members(const oxp_facts *f, xmlNodePtr e, oxp_id id) {
    const oxp_found *b = &f->insight->blocks[id];
    for (uint32_t i = 0; i < b->n_nodes; i++) {
        xmlNodePtr member = xmlNewDocNode(e->doc, NULL, BAD_CAST "member", NULL);
        if (!member)
            break;
        xmlAddChild(e, member);
        oxp_mark mark = oxp_arena_mark(f->scratch);
        put_u64(member, "index", b->nodes[i]);
        put_text(member, "op", oxp_node_at(f->a->model, b->nodes[i])->op);
        put_text(member, "name", oxp_node_label(f->a->model, b->nodes[i], f->scratch));
        oxp_arena_rewind(f->scratch, mark);
    }
}

xmlNodePtr oxp_facts_block(const oxp_facts *f, xmlDocPtr doc, oxp_id id) {
    xmlNodePtr e = oxp_facts_bare_block(f, doc, id);
    if (!e)
        return NULL;
    size_t token = hold(f, e);
    oxp_facts_add_members(f, e, id);
    return let_go(f, e, token);
}

/* ---- the model ---- */
static void put_totals(const oxp_facts *f, xmlNodePtr e) {
    const oxp_totals *t = &f->a->totals;
    put_u64(e, "nodes", t->nodes);
    put_u64(e, "unknown_nodes", t->unknown_nodes);
    put_u64(e, "params", t->params);
    put_u64(e, "trainable_params", t->trainable_params);
    put_u64(e, "weight_bytes", t->weight_bytes);
    put_u64(e, "file_bytes", t->file_bytes);
    put_u64(e, "macs", t->macs);
    put_u64(e, "flops", t->flops);
    put_u64(e, "int_ops", t->int_ops);
    put_u64(e, "bytes_moved", t->bytes_moved);
    put_u64(e, "peak_activation_bytes", t->peak_activation_bytes);
    put_u64(e, "total_activation_bytes", t->total_activation_bytes);
    put_flag(e, "partial", oxp_totals_at_least(t));
}

static void add_sweep(const oxp_facts *f, xmlDocPtr doc, xmlNodePtr e) {
    const oxp_batch_sweep *s = f->sweep;
    if (!s || !s->dim)
        return;
    xmlNodePtr sweep = xmlNewDocNode(doc, NULL, BAD_CAST "sweep", NULL);
    xmlAddChild(e, sweep);
    put_text(sweep, "dim", s->dim);
    if (s->knee < s->n_points)
        put_i64(sweep, "knee", s->points[s->knee].batch);
    if (s->best < s->n_points)
        put_i64(sweep, "best", s->points[s->best].batch);
    put_flag(sweep, "grows", s->grows);
    for (size_t i = 0; i < s->n_points; i++) {
        const oxp_batch_point *p = &s->points[i];
        xmlNodePtr x = xmlNewDocNode(doc, NULL, BAD_CAST "point", NULL);
        xmlAddChild(sweep, x);
        put_i64(x, "batch", p->batch);
        if (!p->valid)
            continue;
        put_double(x, "seconds", p->seconds);
        put_double(x, "throughput", p->throughput);
        put_u64(x, "memory_bytes", p->memory_bytes);
        put_flag(x, "fits", p->fits);
    }
}

static void add_blocks(const oxp_facts *f, xmlDocPtr doc, xmlNodePtr e) {
    const oxp_insight *in = f->insight;
    size_t decomposed[OXP_BLOCK_TYPE_COUNT] = {0};
    if (!in)
        return;
    put_text(e, "family", in->family);
    if (in->layers)
        put_u64(e, "layers", in->layers);
    if (in->heads)
        put_u64(e, "heads", in->heads);
    put_flag(e, "decoder", in->decoder);
    put_u64(e, "weight_layers", in->weight_layers);
    put_u64(e, "bare_layers", in->bare_layers);
    put_u64(e, "norms", in->norms);
    put_u64(e, "shortest_path", in->shortest_path);
    for (size_t i = 0; i < in->n_blocks; i++)
        decomposed[in->blocks[i].type] += in->blocks[i].decomposed;
    for (int t = 0; t < OXP_BLOCK_TYPE_COUNT; t++) {
        if (!in->counts[t])
            continue;
        xmlNodePtr x = xmlNewDocNode(doc, NULL, BAD_CAST "block", NULL);
        xmlAddChild(e, x);
        put_text(x, "kind", oxp_block_type_name((oxp_block_type)t));
        put_u64(x, "count", in->counts[t]);
        put_u64(x, "decomposed", decomposed[t]);
    }
    if (!in->decoder)
        return;
    xmlNodePtr kv = xmlNewDocNode(doc, NULL, BAD_CAST "kv_cache", NULL);
    xmlAddChild(e, kv);
    put_flag(kv, "in_graph", in->kv.in_graph);
    put_u64(kv, "layers", in->kv.layers);
    put_u64(kv, "kv_heads", in->kv.kv_heads);
    put_u64(kv, "head_dim", in->kv.head_dim);
    put_u64(kv, "bytes_per_token", in->kv.bytes_per_token);
    if (!f->generation)
        return;
    put_u64(kv, "tokens", f->generation->tokens);
    put_double(kv, "seconds_without", f->generation->seconds);
    put_double(kv, "seconds_with", f->generation->seconds_cache);
    put_u64(kv, "flops_without", f->generation->flops);
    put_u64(kv, "flops_with", f->generation->flops_cache);
}

/* Arithmetic of an operator's nodes that read stored weights. */
static uint64_t flops_with_weights(const oxp_analysis *a, const char *op) {
    uint64_t sum = 0;
    for (oxp_id i = 0; i < oxp_node_count(a->model); i++)
        if (a->nodes[i].params && oxp_node_at(a->model, i)->live &&
            !strcmp(oxp_node_at(a->model, i)->op, op))
            sum = oxp_sat_add(sum, a->nodes[i].flops);
    return sum;
}

static void add_ops(const oxp_facts *f, xmlDocPtr doc, xmlNodePtr e) {
    for (size_t i = 0; i < f->a->n_by_op && i < OPS_MAX; i++) {
        const oxp_op_total *o = &f->a->by_op[i];
        xmlNodePtr x = xmlNewDocNode(doc, NULL, BAD_CAST "op", NULL);
        xmlAddChild(e, x);
        put_text(x, "name", o->op);
        if (*o->domain)
            put_text(x, "domain", o->domain);
        put_u64(x, "count", o->count);
        put_u64(x, "macs", o->macs);
        put_u64(x, "flops", o->flops);
        if (o->params)
            put_u64(x, "weight_flops", flops_with_weights(f->a, o->op));
        put_u64(x, "params", o->params);
        put_u64(x, "weight_bytes", o->weight_bytes);
        put_u64(x, "activation_bytes", o->activation_bytes);
    }
}

static void add_io(const oxp_facts *f, xmlDocPtr doc, xmlNodePtr e) {
    const oxp_graph *g = oxp_graph_at(f->a->model, OXP_MAIN_GRAPH);
    for (uint32_t i = 0; i < g->n_inputs && i < OPS_MAX; i++)
        if (oxp_value_at(f->a->model, g->inputs[i])->tensor == OXP_NONE)
            xmlAddChild(e, oxp_facts_value(f, doc, "input", g->inputs[i]));
    for (uint32_t i = 0; i < g->n_outputs && i < OPS_MAX; i++)
        xmlAddChild(e, oxp_facts_value(f, doc, "output", g->outputs[i]));
    for (size_t i = 0; i < f->a->n_assumed && i < OPS_MAX; i++) {
        xmlNodePtr x = xmlNewDocNode(doc, NULL, BAD_CAST "dim", NULL);
        xmlAddChild(e, x);
        put_text(x, "name", f->a->assumed[i].name);
        put_i64(x, "value", f->a->assumed[i].value);
        put_flag(x, "bound", f->a->assumed[i].bound);
    }
}

static void add_dtypes(const oxp_facts *f, xmlDocPtr doc, xmlNodePtr e) {
    for (int t = 1; t < OXP_DTYPE_COUNT; t++) {
        uint64_t n = f->a->totals.params_by_dtype[t];
        if (!n)
            continue;
        xmlNodePtr x = xmlNewDocNode(doc, NULL, BAD_CAST "dtype", NULL);
        xmlAddChild(e, x);
        put_text(x, "name", oxp_dtype_name((oxp_dtype)t));
        put_u64(x, "params", n);
    }
}

/* Weights that are graph inputs, too: a caller may replace them. */
static void put_overridable(const oxp_model *m, xmlNodePtr e) {
    const oxp_graph *g = oxp_graph_at(m, OXP_MAIN_GRAPH);
    uint64_t n = 0;
    for (uint32_t i = 0; i < g->n_inputs; i++)
        n += oxp_value_at(m, g->inputs[i])->overridable;
    if (n)
        put_u64(e, "overridable", n);
}

/* Part of the run's time in which nodes wait for memory; their launches are not counted. */
static double memory_share(const oxp_facts *f) {
    double sum = 0;
    for (oxp_id i = 0; i < oxp_node_count(f->a->model); i++)
        if (oxp_node_at(f->a->model, i)->live && f->latency[i].seconds > 0 &&
            !f->latency[i].compute_bound)
            sum += f->latency[i].memory;
    return sum / f->seconds;
}

xmlNodePtr oxp_facts_model(const oxp_facts *f, xmlDocPtr doc) {
    const oxp_model *m = f->a->model;
    xmlNodePtr e = xmlNewDocNode(doc, NULL, BAD_CAST "model", NULL);
    if (!e)
        return NULL;
    size_t token = hold(f, e);
    oxp_mark mark = oxp_arena_mark(f->scratch);
    put_totals(f, e);
    put_i64(e, "ir_version", oxp_model_ir_version(m));
    put_i64(e, "opset", oxp_opset_of(m, OXP_MAIN_GRAPH, ""));
    put_text(e, "producer", oxp_model_producer(m));
    put_u64(e, "external_bytes", oxp_model_external_bytes(m));
    put_flag(e, "has_weights", oxp_model_has_weights(m));
    put_overridable(m, e);
    if (f->device)
        put_double(e, "seconds", f->seconds);
    if (f->seconds > 0)
        put_double(e, "memory_share", memory_share(f));
    add_io(f, doc, e);
    add_dtypes(f, doc, e);
    add_ops(f, doc, e);
    add_blocks(f, doc, e);
    add_sweep(f, doc, e);
    oxp_arena_rewind(f->scratch, mark);
    return let_go(f, e, token);
}

/* ---- dump ---- */
typedef struct dump_args {
    const oxp_analysis *a;
    oxp_sink *out;
} dump_args;

static void free_buffer(void *b) {
    xmlBufferFree(b);
}

static void dump_element(oxp_ctx *ctx, oxp_sink *out, xmlDocPtr doc, xmlNodePtr e) {
    size_t element = oxp_defer(ctx, free_element, e);
    xmlBufferPtr b = xmlBufferCreate();
    size_t buffer = oxp_defer(ctx, free_buffer, b);
    int n = e && b ? xmlNodeDump(b, doc, e, 1, 1) : -1;
    if (n < 0)
        oxp_raise(ctx, OXP_E_NOMEM, "no memory to write the facts");
    oxp_xml_check(ctx);
    oxp_puts(out, "  ");
    oxp_write(out, xmlBufferContent(b), (size_t)n);
    oxp_puts(out, "\n");
    oxp_undefer(ctx, buffer, true);
    oxp_undefer(ctx, element, true);
}

static void free_doc(void *doc) {
    xmlFreeDoc(doc);
}

static void do_dump(void *p) {
    dump_args *d = p;
    oxp_ctx *ctx = oxp_model_ctx(d->a->model);
    oxp_arena *arena = oxp_arena_new(ctx);
    oxp_facts *f = oxp_facts_new(d->a, NULL, arena);
    f->insight = oxp_insight_of(d->a, arena);
    oxp_xml_begin(ctx, 0);
    xmlDocPtr doc = xmlNewDoc(BAD_CAST "1.0");
    size_t token = oxp_defer(ctx, free_doc, doc);
    oxp_puts(d->out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<facts version=\"1\">\n");
    dump_element(ctx, d->out, doc, oxp_facts_model(f, doc));
    for (size_t i = 0; i < f->insight->n_blocks; i++)
        dump_element(ctx, d->out, doc, oxp_facts_block(f, doc, (oxp_id)i));
    for (oxp_id i = 0; i < oxp_node_count(d->a->model); i++)
        if (oxp_node_at(d->a->model, i)->live)
            dump_element(ctx, d->out, doc, oxp_facts_node(f, doc, i));
    for (oxp_id i = 0; i < oxp_value_count(d->a->model); i++)
        if (oxp_facts_stored(f, i))
            dump_element(ctx, d->out, doc, oxp_facts_value(f, doc, "tensor", i));
    oxp_puts(d->out, "</facts>\n");
    oxp_undefer(ctx, token, true);
    oxp_arena_free(f->scratch);
    oxp_arena_free(arena);
}

oxp_status oxp_facts_dump(const oxp_analysis *a, oxp_sink *out) {
    dump_args d = {a, out};
    return oxp_try(oxp_model_ctx(a->model), do_dump, &d);
}
