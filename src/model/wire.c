/* wire.c - see wire.h.  The wire format: protobuf.dev/programming-guides/encoding. */
#include <string.h>

#include "model/wire.h"

enum { WINDOW = 64 << 10, FIRST_READ = 4 << 10, VARINT_MAX = 10 };

/* ---- reading ---- */

void oxp_reader_init(oxp_reader *r, oxp_source *src, oxp_arena *arena) {
    *r = (oxp_reader){.src = src, .ctx = oxp_arena_ctx(arena), .arena = arena};
    r->size = oxp_source_size(src);
    r->win = oxp_alloc(arena, 1, r->size < WINDOW ? (size_t)r->size + 1 : WINDOW);
}

const uint8_t *oxp_reader_view(oxp_reader *r, uint64_t off, size_t n) {
    if (off >= r->at && off - r->at <= r->held && r->held - (size_t)(off - r->at) >= n)
        return r->win + (off - r->at);
    if (n > WINDOW || off > r->size || n > r->size - off)
        oxp_raise(r->ctx, OXP_E_FORMAT, "%s: the file ends inside a field at byte %llu",
                  oxp_source_name(r->src), (unsigned long long)off);
    /* After a jump over a payload only a little is read: more payload may follow soon. */
    bool sequential = off >= r->at && off - r->at <= r->held;
    uint64_t want = r->size - off;
    if (want > (sequential ? WINDOW : FIRST_READ))
        want = sequential ? WINDOW : FIRST_READ;
    if (want < n)
        want = n;
    r->held = 0;
    oxp_source_read(r->src, off, r->win, (size_t)want);
    r->at = off;
    r->held = (size_t)want;
    return r->win;
}

/* Decodes a varint from [p, p + n): bytes used, 0 when it does not end within n or 10 bytes. */
static inline unsigned varint(const uint8_t *p, size_t n, uint64_t *v) {
    uint64_t r = 0;
    if (n && p[0] < 0x80) { /* nearly every tag, and most lengths */
        *v = p[0];
        return 1;
    }
    for (unsigned i = 0; i < n && i < VARINT_MAX; i++) {
        r |= (uint64_t)(p[i] & 0x7f)
             << (7 * i); /* the 10th byte's upper bits drop, as in protobuf */
        if (!(p[i] & 0x80)) {
            *v = r;
            return i + 1;
        }
    }
    return 0;
}

/* A varint at `off`, below `end`; 0 when malformed. */
static inline unsigned read_varint(oxp_reader *r, uint64_t off, uint64_t end, uint64_t *v) {
    size_t n = end - off < VARINT_MAX ? (size_t)(end - off) : VARINT_MAX;
    if (!n)
        return 0;
    bool held = off >= r->at && off - r->at <= r->held && r->held - (size_t)(off - r->at) >= n;
    return varint(held ? r->win + (off - r->at) : oxp_reader_view(r, off, n), n, v);
}

static uint64_t little_endian(const uint8_t *p, unsigned n) {
    uint64_t v = 0;
    for (unsigned i = 0; i < n; i++)
        v |= (uint64_t)p[i] << (8 * i);
    return v;
}

/* One field in [off, end); returns NULL or what is wrong with it. */
static const char *parse_field(oxp_reader *r, uint64_t off, uint64_t end, oxp_wire_field *f) {
    uint64_t tag;
    unsigned n = read_varint(r, off, end, &tag);
    if (!n || tag > UINT32_MAX)
        return n ? "a tag above 32 bits" : "a malformed tag";
    f->start = off;
    f->number = (uint32_t)(tag >> 3);
    f->wire = tag & 7;
    f->off = off += n;
    if (!f->number)
        return "field number 0";
    switch (f->wire) {
    case OXP_WIRE_VARINT:
        n = read_varint(r, off, end, &f->value);
        if (!n)
            return "a malformed varint";
        f->next = off + n;
        return NULL;
    case OXP_WIRE_LEN:
        n = read_varint(r, off, end, &f->value);
        if (!n)
            return "a malformed length";
        f->off = off + n;
        if (f->value > end - f->off)
            return "a length that reaches past the end of what holds it (truncated?)";
        f->next = f->off + f->value;
        return NULL;
    case OXP_WIRE_I32:
    case OXP_WIRE_I64:
        n = f->wire == OXP_WIRE_I32 ? 4 : 8;
        if (end - off < n)
            return "a fixed-size value that reaches past the end of what holds it (truncated?)";
        f->value = little_endian(oxp_reader_view(r, off, n), n);
        f->next = off + n;
        return NULL;
    default:
        return f->wire == 3 || f->wire == 4 ? "a group, which ONNX does not have"
                                            : "an unknown wire type";
    }
}

void oxp_wire_next(oxp_reader *r, uint64_t off, oxp_wire_field *f) {
    const char *bad = parse_field(r, off, r->size, f);
    if (bad)
        oxp_raise(r->ctx, OXP_E_FORMAT, "%s: %s at byte %llu", oxp_source_name(r->src), bad,
                  (unsigned long long)off);
}

int64_t oxp_wire_count_varints(oxp_reader *r, uint64_t off, uint64_t len) {
    int64_t count = 0;
    unsigned run = 0; /* bytes of the varint so far */
    while (len) {
        size_t n = len < FIRST_READ ? (size_t)len : FIRST_READ;
        const uint8_t *p = oxp_reader_view(r, off, n);
        for (size_t i = 0; i < n; i++) {
            run++;
            if (!(p[i] & 0x80)) {
                count++;
                run = 0;
            } else if (run == VARINT_MAX) {
                return -1;
            }
        }
        off += n;
        len -= n;
    }
    return run ? -1 : count;
}

static void copy_out(oxp_reader *r, uint64_t off, uint8_t *out, size_t n) {
    if (n <= FIRST_READ)
        memcpy(out, oxp_reader_view(r, off, n), n);
    else
        oxp_source_read(r->src, off, out, n);
}

/* Walks the runs of kept fields: sums their lengths, and copies them when `out` is given. */
static size_t gather(oxp_reader *r, oxp_span span, uint32_t keep, uint8_t *out) {
    uint64_t end = span.off + span.len, run = span.off;
    size_t total = 0;
    for (uint64_t off = span.off; off < end;) {
        oxp_wire_field f;
        oxp_wire_next(r, off, &f);
        off = f.next;
        bool kept = f.number < 32 && (keep & OXP_FIELD(f.number));
        uint64_t stop = kept ? f.next : f.start;
        if (kept && off < end)
            continue; /* the run goes on */
        if (stop > run) {
            if (out)
                copy_out(r, run, out + total, (size_t)(stop - run));
            total += (size_t)(stop - run);
        }
        run = f.next;
    }
    return total;
}

const uint8_t *oxp_wire_prune(oxp_reader *r, oxp_arena *arena, oxp_span span, uint32_t keep,
                              size_t *len) {
    if (span.len <= FIRST_READ) { /* once: what is left out takes no more than a page for a while */
        uint8_t *all = oxp_alloc(arena, (size_t)span.len + 1, 1);
        *len = gather(r, span, keep, all);
        return all;
    }
    *len = gather(r, span, keep, NULL);
    uint8_t *out = oxp_alloc(arena, *len + 1, 1);
    gather(r, span, keep, out);
    return out;
}

/* ---- the scan ---- */

typedef struct frame {
    uint64_t start, end;
    uint32_t rec;    /* record of this message, or of the nearest one that has a record */
    uint32_t seen;   /* fields met */
    uint32_t rank;   /* dimensions met */
    uint8_t msg;     /* oxp_msg */
    uint8_t pending; /* an attribute whose record is made when it turns out to be needed */
} frame;

typedef struct scan {
    oxp_reader *r;
    oxp_index *x;
    uint64_t budget; /* of memory that decoding may take; see charge */
    unsigned depth;
    frame stack[OXP_DEPTH_MAX];
} scan;

static _Noreturn void fail(scan *s, oxp_status status, const char *what, uint64_t off) {
    const frame *f = &s->stack[s->depth - 1];
    oxp_raise(s->r->ctx, status, "%s: %s at byte %llu: %s at byte %llu", oxp_source_name(s->r->src),
              oxp_proto[f->msg].name, (unsigned long long)f->start, what, (unsigned long long)off);
}

/* About what an element costs in memory once it is loaded, or while it is decoded: a file of tiny
 * empty messages would otherwise be amplified a hundredfold.  Messages that are not listed pass by.
 */
enum { OTHER_COST = 16, TEXT_COST = 24, SCALAR_COST = 12, BASE_BUDGET = 64 << 20 };
static const uint16_t message_cost[OXP_MSG_COUNT] = {
    [OXP_MSG_GRAPH] = 256,  [OXP_MSG_NODE] = 128,     [OXP_MSG_ATTR] = 64,  [OXP_MSG_TENSOR] = 128,
    [OXP_MSG_SPARSE] = 128, [OXP_MSG_FUNCTION] = 256, [OXP_MSG_VALUE] = 80, [OXP_MSG_TYPE] = 48,
    [OXP_MSG_OPSET] = 64,   [OXP_MSG_ENTRY] = 64,
};

static void charge(scan *s, uint64_t bytes, uint64_t off) {
    if (bytes > s->budget)
        fail(s, OXP_E_LIMIT, "more elements than a file of this size can sensibly hold", off);
    s->budget -= bytes;
}

static uint32_t add_record(scan *s, uint8_t kind, uint64_t off, uint64_t len, uint32_t parent) {
    oxp_index *x = s->x;
    if (x->n >= OXP_NONE)
        fail(s, OXP_E_LIMIT, "more than 2^32 elements", off);
    if (x->n == x->n_chunks * OXP_REC_CHUNK) {
        x->chunks =
            oxp_grow(s->r->arena, x->chunks, &x->cap_chunks, x->n_chunks + 1, sizeof *x->chunks);
        x->chunks[x->n_chunks++] = OXP_NEWS(s->r->arena, OXP_REC_CHUNK, oxp_rec);
    }
    x->count[kind]++;
    *oxp_index_at(x, x->n) = (oxp_rec){off & OXP_REC_OFF_MAX, kind, len, parent, OXP_NONE};
    return (uint32_t)x->n++;
}

/* Record of the current message for a child's `parent`; makes the one that an attribute put off. */
static uint32_t current_record(scan *s) {
    frame *f = &s->stack[s->depth - 1];
    if (f->pending) {
        f->pending = 0;
        f->rec = add_record(s, OXP_REC_ATTR, f->start, f->end - f->start, f->rec);
    }
    return f->rec;
}

static void enter(scan *s, const oxp_field *field, const oxp_wire_field *f) {
    frame *top = &s->stack[s->depth - 1];
    uint32_t rec = top->rec;
    bool pending = false;
    if (s->depth == OXP_DEPTH_MAX)
        fail(s, OXP_E_LIMIT, "messages nested more than 100 deep", f->start);
    charge(s, message_cost[field->msg] ? message_cost[field->msg] : OTHER_COST, f->start);
    if (field->rec == OXP_REC_ATTR)
        pending = true;
    else if (field->rec)
        rec = add_record(s, field->rec, f->off, f->value, current_record(s));
    s->stack[s->depth++] =
        (frame){.start = f->off, .end = f->next, .rec = rec, .msg = field->msg, .pending = pending};
}

static void leave(scan *s) {
    const frame *f = &s->stack[s->depth - 1];
    if ((f->seen & oxp_proto[f->msg].required) != oxp_proto[f->msg].required)
        fail(s, OXP_E_FORMAT,
             f->msg == OXP_MSG_MODEL ? "no graph in the model, which ends"
                                     : "a mandatory field is missing, message ends",
             f->end);
    s->depth--;
}

static bool has_nul(oxp_reader *r, uint64_t off, uint64_t len) {
    while (len) {
        size_t n = len < FIRST_READ ? (size_t)len : FIRST_READ;
        if (memchr(oxp_reader_view(r, off, n), 0, n))
            return true;
        off += n;
        len -= n;
    }
    return false;
}

/* Content of a repeated number field in packed form: returns how many there are. */
static uint64_t packed(scan *s, const oxp_field *field, const oxp_wire_field *f) {
    unsigned width = field->wire == OXP_WIRE_I32 ? 4 : field->wire == OXP_WIRE_I64 ? 8 : 0;
    if (width) {
        if (f->value % width)
            fail(s, OXP_E_FORMAT, "packed values that end inside a value", f->start);
        return f->value / width;
    }
    int64_t n = oxp_wire_count_varints(s->r, f->off, f->value);
    if (n < 0)
        fail(s, OXP_E_FORMAT, "packed values that end inside a varint", f->start);
    return (uint64_t)n;
}

static void count_rank(scan *s, uint64_t n, uint64_t off) {
    frame *top = &s->stack[s->depth - 1];
    if (n > OXP_RANK_MAX - top->rank)
        fail(s, OXP_E_LIMIT, "more than 1024 dimensions", off);
    top->rank += (uint32_t)n;
}

/* A field that the schema knows. */
static void known_field(scan *s, const oxp_field *field, const oxp_wire_field *f) {
    frame *top = &s->stack[s->depth - 1];
    uint64_t n = 1;
    if (f->wire != field->wire) {
        if (f->wire != OXP_WIRE_LEN || !(field->flags & OXP_FIELD_REPEATED))
            fail(s, OXP_E_FORMAT, "a field of the wrong wire type", f->start);
        n = packed(s, field, f);
    } else if (field->wire == OXP_WIRE_LEN) {
        if (!field->msg)
            charge(s, TEXT_COST, f->start);
        if ((field->flags & OXP_FIELD_TEXT) && has_nul(s->r, f->off, f->value))
            fail(s, OXP_E_FORMAT, "a NUL character in a text", f->start);
        if (field->rec && !field->msg)
            add_record(s, field->rec, f->off, f->value, current_record(s));
    } else {
        charge(s, SCALAR_COST, f->start);
    }
    if (field->flags & OXP_FIELD_RANK)
        count_rank(s, n, f->start);
    if ((field->flags & OXP_FIELD_SINGLE) && (top->seen & OXP_FIELD(f->number)))
        fail(s, OXP_E_FORMAT, "a field given twice that may be given once", f->start);
    top->seen |= OXP_FIELD(f->number);
    if (field->msg)
        enter(s, field, f);
}

void oxp_wire_scan(oxp_reader *r, oxp_index *x) {
    scan *s = OXP_NEW(r->arena, scan);
    uint64_t pos = 0;
    *x = (oxp_index){0};
    s->r = r;
    s->x = x;
    s->budget = BASE_BUDGET + (r->size > UINT64_MAX / 32 ? UINT64_MAX / 2 : 10 * r->size);
    if (r->size > OXP_REC_OFF_MAX)
        oxp_raise(r->ctx, OXP_E_LIMIT, "%s: more than 2^56 bytes", oxp_source_name(r->src));
    s->depth = 1;
    s->stack[0] = (frame){.end = r->size, .rec = OXP_NONE, .msg = OXP_MSG_MODEL};
    while (s->depth) {
        frame *top = &s->stack[s->depth - 1];
        oxp_wire_field f;
        if (pos == top->end) {
            leave(s);
            continue;
        }
        const char *bad = parse_field(r, pos, top->end, &f);
        if (bad)
            fail(s, OXP_E_FORMAT, bad, pos);
        const oxp_field *field =
            f.number <= OXP_FIELD_MAX ? &oxp_proto[top->msg].fields[f.number] : NULL;
        unsigned depth = s->depth;
        if (field && field->known)
            known_field(s, field, &f);
        pos = s->depth > depth ? f.off : f.next; /* unknown fields are not entered */
    }
}

const char *oxp_wire_magic(const uint8_t *p, size_t n) {
    static const struct {
        const char *what;
        uint8_t at, len;
        const char *bytes;
    } known[] = {
        {"a ZIP archive (a PyTorch checkpoint?)", 0, 4, "PK\3\4"},
        {"a gzip stream", 0, 2, "\x1f\x8b"},
        {"a Zstandard stream", 0, 4, "\x28\xb5\x2f\xfd"},
        {"an xz stream", 0, 6, "\xfd\x37zXZ\0"},
        {"an HDF5 file (Keras?)", 0, 8, "\x89HDF\r\n\x1a\n"},
        {"a NumPy array", 0, 6, "\x93NUMPY"},
        {"a GGUF file", 0, 4, "GGUF"},
        {"a TensorFlow Lite model", 4, 4, "TFL3"},
        {"an ORT-format model", 4, 4, "ORTM"},
        {"a Git LFS pointer: the model itself was not downloaded", 0, 24,
         "version https://git-lfs."},
        {"an HTML page (a failed download?)", 0, 5, "<html"},
        {"an HTML page (a failed download?)", 0, 5, "<HTML"},
        {"an HTML page (a failed download?)", 0, 9, "<!doctype"},
        {"an HTML page (a failed download?)", 0, 9, "<!DOCTYPE"},
        {"an XML document", 0, 5, "<?xml"},
        {"a text with a UTF-8 byte-order mark", 0, 3, "\xef\xbb\xbf"},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (n >= (size_t)known[i].at + known[i].len &&
            !memcmp(p + known[i].at, known[i].bytes, known[i].len))
            return known[i].what;
    /* NOLINTNEXTLINE(bugprone-not-null-terminated-result): eight opcodes, no text */
    if (n >= 3 && p[0] == 0x80 && p[1] >= 2 && p[1] <= 5 && memchr("\x95}](cXKq", p[2], 8))
        return "a Python pickle";
    if (n >= 10 && p[8] == '{' && p[9] == '"')
        return "a safetensors file";
    return NULL;
}
