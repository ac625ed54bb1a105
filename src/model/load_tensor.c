/* load_tensor.c - TensorProto and SparseTensorProto: header and place of the payload, which is
 * never read.  Every tensor of a file comes through here, wherever it hides. */
#include <limits.h>
#include <string.h>

#include "base/safe_math.h"
#include "model/load.h"
#include "model/typed.h"

/* What the walk over a TensorProto's fields finds. */
typedef struct payload {
    uint64_t count[OXP_FIELD_MAX + 1]; /* elements by data field */
    uint64_t string_bytes;
    oxp_span raw;
    bool has_raw;
} payload;

static const uint32_t data_fields = OXP_FIELD(TENSOR_FLOAT_DATA) | OXP_FIELD(TENSOR_INT32_DATA) |
                                    OXP_FIELD(TENSOR_STRING_DATA) | OXP_FIELD(TENSOR_INT64_DATA) |
                                    OXP_FIELD(TENSOR_DOUBLE_DATA) | OXP_FIELD(TENSOR_UINT64_DATA);

static void find_payload(oxp_loader *l, oxp_span span, payload *p) {
    oxp_wire_field f;
    *p = (payload){0};
    for (uint64_t off = span.off; off < span.off + span.len; off = f.next) {
        oxp_wire_next(&l->r, off, &f);
        if (f.number == TENSOR_RAW_DATA) {
            p->raw = (oxp_span){f.off, f.value};
            p->has_raw = true;
        } else if (f.number > OXP_FIELD_MAX || !(data_fields & OXP_FIELD(f.number))) {
            continue;
        } else if (f.number == TENSOR_STRING_DATA) {
            p->count[f.number]++;
            p->string_bytes += f.value;
        } else if (f.wire != OXP_WIRE_LEN) {
            p->count[f.number]++;
        } else if (f.number == TENSOR_FLOAT_DATA || f.number == TENSOR_DOUBLE_DATA) {
            p->count[f.number] += f.value / (f.number == TENSOR_FLOAT_DATA ? 4 : 8);
        } else { /* the scan has seen that the varints are well-formed */
            p->count[f.number] += (uint64_t)oxp_wire_count_varints(&l->r, f.off, f.value);
        }
    }
}

/* The typed field that holds elements of t when raw_data does not (comments of onnx.proto). */
static unsigned typed_field(oxp_dtype t) {
    switch (t) {
    case OXP_FLOAT:
    case OXP_COMPLEX64:
        return TENSOR_FLOAT_DATA;
    case OXP_DOUBLE:
    case OXP_COMPLEX128:
        return TENSOR_DOUBLE_DATA;
    case OXP_INT64:
        return TENSOR_INT64_DATA;
    case OXP_UINT32:
    case OXP_UINT64:
        return TENSOR_UINT64_DATA;
    case OXP_STRING:
        return TENSOR_STRING_DATA;
    default:
        return TENSOR_INT32_DATA;
    }
}

/* Entries that the typed field must have for n elements. */
static uint64_t typed_entries(oxp_dtype t, uint64_t n) {
    if (t == OXP_COMPLEX64 || t == OXP_COMPLEX128)
        return oxp_sat_mul(n, 2);
    return oxp_dtype_bits(t) && oxp_dtype_bits(t) < 8 ? oxp_dtype_bytes(t, n) : n;
}

static const char *what(oxp_loader *l, const oxp_tensor *t) {
    return t->name[0] ? oxp_sprintf(l->temp, "tensor '%.120s'", t->name) : "tensor";
}

/* Product of the dimensions, all of which must be >= 0; a zero makes it zero whatever the others.
 */
static void set_dims(oxp_loader *l, oxp_tensor *t, const int64_t *dims, size_t n, uint64_t off) {
    uint64_t count = 1;
    bool zero = false, overflow = false;
    for (size_t i = 0; i < n; i++) {
        if (dims[i] < 0)
            OXP_BAD(l, what(l, t), off, "dimension %zu is %lld", i, (long long)dims[i]);
        zero |= dims[i] == 0;
        overflow |= !oxp_mul_u64(count, (uint64_t)dims[i], &count);
    }
    if (overflow && !zero)
        OXP_BAD(l, what(l, t), off, "the number of elements overflows 64 bits");
    t->count = zero ? 0 : count;
    t->rank = (int)n; /* the scan holds it below OXP_RANK_MAX */
    t->dims = n ? memcpy(OXP_NEWS(l->m->arena, n, int64_t), dims, n * sizeof *dims) : NULL;
}

static void set_type(oxp_loader *l, oxp_tensor *t, int32_t type, uint64_t off) {
    if (type <= 0 || type >= OXP_DTYPE_COUNT)
        OXP_BAD(l, what(l, t), off, "data type %d is unknown", (int)type);
    t->dtype = (oxp_dtype)type;
}

/* Digits only: what strtoull takes beside them (sign, blanks, 0x) is refused. */
static uint64_t parse_number(oxp_loader *l, const oxp_tensor *t, const char *key, const char *text,
                             uint64_t off) {
    uint64_t v = 0;
    const char *p = text;
    for (; *p >= '0' && *p <= '9'; p++)
        if (!oxp_mul_u64(v, 10, &v) || !oxp_add_u64(v, (uint64_t)(*p - '0'), &v))
            OXP_BAD(l, what(l, t), off, "external data: %s is beyond 64 bits", key);
    if (*p || p == text)
        OXP_BAD(l, what(l, t), off, "external data: %s '%.40s' is no number", key, text);
    return v;
}

static void set_external(oxp_loader *l, oxp_tensor *t, const Onnx__TensorProto *msg, uint64_t off) {
    const char *location = NULL, *offset = NULL, *length = NULL;
    if (t->dtype == OXP_STRING)
        OXP_BAD(l, what(l, t), off, "external data cannot hold strings");
    for (size_t i = 0; i < msg->n_external_data; i++) {
        const char *key = msg->external_data[i]->key, *value = msg->external_data[i]->value;
        const char **slot = !key                       ? NULL
                            : !strcmp(key, "location") ? &location
                            : !strcmp(key, "offset")   ? &offset
                            : !strcmp(key, "length")   ? &length
                                                       : NULL;
        if (slot && *slot)
            OXP_BAD(l, what(l, t), off, "external data: %s is given twice", key);
        if (slot)
            *slot = value ? value : "";
    }
    if (!location)
        OXP_BAD(l, what(l, t), off, "external data without a location");
    t->storage = OXP_STORE_EXTERNAL;
    t->data.off = offset ? parse_number(l, t, "offset", offset, off) : 0;
    t->data.len = length ? parse_number(l, t, "length", length, off) : t->bytes;
    if (t->data.len != t->bytes)
        OXP_BAD(l, what(l, t), off, "external data: length is %llu, the dimensions need %llu bytes",
                (unsigned long long)t->data.len, (unsigned long long)t->bytes);
    t->file = oxp_external_add(l->m, oxp_load_intern(l, location));
    const oxp_external_file *file = &l->m->files[t->file];
    if (file->found && t->bytes &&
        (t->data.off > file->bytes || t->data.len > file->bytes - t->data.off))
        OXP_BAD(l, what(l, t), off,
                "external data: '%.120s' has %llu bytes, the tensor ends beyond them",
                file->location, (unsigned long long)file->bytes);
}

/* Storage and byte count; exactly one of raw, typed and external data may be there. */
static void set_payload(oxp_loader *l, oxp_tensor *t, const Onnx__TensorProto *msg,
                        const payload *p, oxp_span span) {
    uint64_t off = span.off;
    unsigned own = typed_field(t->dtype);
    for (unsigned f = 0; f <= OXP_FIELD_MAX; f++)
        if (p->count[f] && f != own)
            OXP_BAD(l, what(l, t), off, "%s elements in the data field of another type",
                    oxp_dtype_name(t->dtype));
    t->bytes = t->dtype == OXP_STRING ? p->string_bytes : oxp_dtype_bytes(t->dtype, t->count);
    if (t->bytes == UINT64_MAX)
        OXP_BAD(l, what(l, t), off, "the number of bytes overflows 64 bits");
    if (msg->has_data_location && (unsigned)msg->data_location > 1)
        OXP_BAD(l, what(l, t), off, "data location %d is unknown", (int)msg->data_location);
    bool external = msg->has_data_location && msg->data_location == 1;
    if ((external && (p->has_raw || p->count[own])) || (p->has_raw && p->count[own]))
        OXP_BAD(l, what(l, t), off, "its data is given in two places");
    if (external) {
        set_external(l, t, msg, off);
    } else if (p->has_raw) {
        if (t->dtype == OXP_STRING)
            OXP_BAD(l, what(l, t), off, "strings in raw_data");
        if (p->raw.len != t->bytes)
            OXP_BAD(l, what(l, t), off, "raw_data has %llu bytes, the dimensions need %llu",
                    (unsigned long long)p->raw.len, (unsigned long long)t->bytes);
        t->storage = t->bytes ? OXP_STORE_RAW : OXP_STORE_NONE;
        t->data = p->raw;
    } else {
        if (p->count[own] != typed_entries(t->dtype, t->count))
            OXP_BAD(l, what(l, t), off, "it holds %llu values, the dimensions need %llu",
                    (unsigned long long)p->count[own],
                    (unsigned long long)typed_entries(t->dtype, t->count));
        t->storage = t->count ? OXP_STORE_TYPED : OXP_STORE_NONE;
        t->data = t->count ? span : (oxp_span){0, 0};
    }
}

/* Axes, shapes and scalars are read by every analysis: they are in the window now. */
static void keep_small(oxp_loader *l, oxp_tensor *t) {
    enum { SMALL = 32 };
    if (t->storage == OXP_STORE_RAW && t->bytes <= SMALL)
        t->mem = oxp_memdup0(l->m->arena, oxp_reader_view(&l->r, t->data.off, (size_t)t->bytes),
                             (size_t)t->bytes);
}

static void decode(oxp_loader *l, oxp_span span, oxp_tensor *t) {
    payload p;
    const Onnx__TensorProto *msg = oxp_load_unpack(
        l, &onnx__tensor_proto__descriptor, span,
        OXP_FIELD(TENSOR_DIMS) | OXP_FIELD(TENSOR_DATA_TYPE) | OXP_FIELD(TENSOR_NAME) |
            OXP_FIELD(TENSOR_EXTERNAL_DATA) | OXP_FIELD(TENSOR_DATA_LOCATION));
    find_payload(l, span, &p);
    *t = (oxp_tensor){.name = oxp_load_intern(l, msg->name), .src = span};
    set_type(l, t, msg->data_type, span.off);
    set_dims(l, t, msg->dims, msg->n_dims, span.off);
    set_payload(l, t, msg, &p, span);
    keep_small(l, t);
}

static oxp_id publish(oxp_loader *l, const oxp_tensor *t, bool keep) {
    if (!keep)
        return OXP_NONE;
    oxp_id id = oxp_model_add_tensor(l->m);
    l->m->tensors[id] = *t;
    return id;
}

oxp_id oxp_load_tensor(oxp_loader *l, oxp_span span, bool keep) {
    oxp_mark mark = oxp_arena_mark(l->temp);
    oxp_tensor t;
    decode(l, span, &t);
    oxp_arena_rewind(l->temp, mark);
    return publish(l, &t, keep);
}

/* ---- sparse tensors ---- */

static void check_index(oxp_loader *l, const oxp_tensor *t, const oxp_tensor *indices, uint64_t i,
                        const uint8_t *p) {
    uint64_t v = 0;
    for (unsigned b = 0; b < 8; b++)
        v |= (uint64_t)p[b] << (8 * b);
    uint64_t limit = indices->rank == 2 ? (uint64_t)t->dims[i % (uint64_t)t->rank] : t->count;
    if (v >= limit) /* negative ones are huge */
        OXP_BAD(l, what(l, t), t->src.off, "sparse index %lld lies outside its dimensions",
                (long long)v);
}

/* Indices lie inside the dense shape: [nnz] linear ones or [nnz, rank] coordinates.  External ones
 * are checked when they are read. */
static void check_indices(oxp_loader *l, const oxp_tensor *t, const oxp_tensor *indices) {
    if (indices->storage == OXP_STORE_RAW) {
        for (uint64_t i = 0; i < indices->count; i++)
            check_index(l, t, indices, i, oxp_reader_view(&l->r, indices->data.off + 8 * i, 8));
    } else if (indices->storage == OXP_STORE_TYPED) {
        oxp_typed *c = OXP_NEW(l->temp, oxp_typed);
        uint8_t entry[8];
        oxp_typed_open(c, l->r.src, indices->data, OXP_INT64);
        for (uint64_t i = 0; i < indices->count && oxp_typed_read(c, i, 1, entry); i++)
            check_index(l, t, indices, i, entry);
    }
}

oxp_id oxp_load_sparse(oxp_loader *l, oxp_span span, bool keep) {
    oxp_mark mark = oxp_arena_mark(l->temp);
    oxp_tensor values = {.name = ""}, indices = {.name = ""}, t = {.src = span, .sparse = true};
    oxp_wire_field f;
    for (uint64_t off = span.off; off < span.off + span.len; off = f.next) {
        oxp_wire_next(&l->r, off, &f);
        if (f.number == SPARSE_VALUES)
            decode(l, (oxp_span){f.off, f.value}, &values);
        else if (f.number == SPARSE_INDICES)
            decode(l, (oxp_span){f.off, f.value}, &indices);
    }
    const Onnx__SparseTensorProto *msg =
        oxp_load_unpack(l, &onnx__sparse_tensor_proto__descriptor, span, OXP_FIELD(SPARSE_DIMS));
    t.name = values.name;
    t.dtype = values.dtype;
    set_dims(l, &t, msg->dims, msg->n_dims, span.off);
    t.bytes = oxp_dtype_bytes(t.dtype, t.count); /* UINT64_MAX: too many to count */
    bool linear = indices.rank == 1 && (uint64_t)indices.dims[0] == values.count;
    bool coordinates =
        indices.rank == 2 && (uint64_t)indices.dims[0] == values.count && indices.dims[1] == t.rank;
    if (values.rank != 1 || indices.dtype != OXP_INT64 || !(linear || coordinates))
        OXP_BAD(l, what(l, &t), span.off, "sparse values and indices do not belong together");
    check_indices(l, &t, &indices);
    oxp_arena_rewind(l->temp, mark);
    return publish(l, &t, keep);
}
