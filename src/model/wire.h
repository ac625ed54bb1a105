/* wire.h - the bytes of a model file: a windowed reader, and the scan that comes before everything
 * else.  The scan checks nesting, lengths, wire types, counts and mandatory fields without
 * recursion, skips payloads by their length, and notes where each element lies.  Only bytes that it
 * accepted are given to protobuf-c, which has neither a depth limit nor a memory budget of its own.
 */
#ifndef OXP_MODEL_WIRE_H
#define OXP_MODEL_WIRE_H

#include "base/source.h"
#include "model/proto.h"
#include "onnxpert/model.h"

#define OXP_DEPTH_MAX 100 /* nested messages; protobuf's own default */

/* ---- reading ---- */
typedef struct oxp_reader {
    oxp_source *src;
    oxp_ctx *ctx;
    oxp_arena *arena; /* the window lives here */
    uint64_t size;    /* of the file */
    uint8_t *win;
    uint64_t at; /* file offset of the window */
    size_t held; /* bytes in it */
} oxp_reader;

void oxp_reader_init(oxp_reader *r, oxp_source *src, oxp_arena *arena);
/* Pointer to [off, off + n), n <= 64 KiB, valid until the next call. */
const uint8_t *oxp_reader_view(oxp_reader *r, uint64_t off, size_t n);

/* A field of a message that the scan has accepted. */
typedef struct oxp_wire_field {
    uint32_t number;
    uint8_t wire;
    uint64_t start; /* of its tag */
    uint64_t value; /* varint or fixed value; length of a length-delimited field */
    uint64_t off;   /* of the content (length-delimited and fixed fields) */
    uint64_t next;  /* behind it */
} oxp_wire_field;
/* Reads the field at `off`; the caller stays below the end of the message. */
void oxp_wire_next(oxp_reader *r, uint64_t off, oxp_wire_field *f);
/* Number of varints in [off, off + len); -1 when they are malformed. */
int64_t oxp_wire_count_varints(oxp_reader *r, uint64_t off, uint64_t len);
/* The fields of `keep` of the message content `span`, concatenated: a valid message without the
 * rest. In the reader's window when everything is kept and it fits, else in `arena`. */
const uint8_t *oxp_wire_prune(oxp_reader *r, oxp_arena *arena, oxp_span span, uint32_t keep,
                              size_t *len);

/* ---- the scan ---- */
typedef enum oxp_rec_kind {
    OXP_REC_NONE = 0,
    OXP_REC_GRAPH,
    OXP_REC_NODE,
    OXP_REC_ATTR, /* only when it holds a graph or tensor */
    OXP_REC_TENSOR,
    OXP_REC_SPARSE,
    OXP_REC_SPARSE_VALUES,
    OXP_REC_SPARSE_INDICES,
    OXP_REC_INPUT, /* ValueInfoProto by the list it is in */
    OXP_REC_OUTPUT,
    OXP_REC_INFO,
    OXP_REC_NAME, /* GraphProto.name */
    OXP_REC_FUNCTION,
    OXP_REC_DEFAULT, /* FunctionProto.attribute_proto */
    OXP_REC_TRAINING,
    OXP_REC_COUNT
} oxp_rec_kind;

/* The largest offset that a record can hold; oxp_wire_scan refuses a longer file. */
#define OXP_REC_OFF_MAX (((uint64_t)1 << 56) - 1)

/* An element, in file order (parents before their children). */
typedef struct oxp_rec {
    uint64_t off : 56, kind : 8; /* content */
    uint64_t len;
    uint32_t parent; /* record, OXP_NONE: the model */
    uint32_t id;     /* for the loader */
} oxp_rec;

typedef struct oxp_index {
    oxp_rec **chunks; /* of OXP_REC_CHUNK records */
    size_t n, n_chunks, cap_chunks;
    size_t count[OXP_REC_COUNT]; /* records by kind */
} oxp_index;
#if defined OXP_ARENA_DEBUG || defined OXP_ARENA_POISON
#define OXP_REC_CHUNK 64u /* so that small models have several */
#else
#define OXP_REC_CHUNK 4096u
#endif

static inline oxp_rec *oxp_index_at(const oxp_index *x, size_t i) {
    return &x->chunks[i / OXP_REC_CHUNK][i % OXP_REC_CHUNK];
}

/* Scans the whole file; the index is in r->arena.  Raises OXP_E_FORMAT or OXP_E_LIMIT. */
void oxp_wire_scan(oxp_reader *r, oxp_index *x);
/* What a file is that is no model ("a ZIP archive"), by its first bytes; NULL when unknown. */
const char *oxp_wire_magic(const uint8_t *p, size_t n);

#endif
