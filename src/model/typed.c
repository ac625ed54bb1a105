/* typed.c - reads the typed data fields of a TensorProto: packed or not, in any chunking. */
#include <string.h>

#include "model/proto.h"
#include "model/typed.h"

void oxp_typed_open(oxp_typed *c, const oxp_source *src, oxp_span span, oxp_dtype t) {
    unsigned bits = oxp_dtype_bits(t);
    memset(c, 0, sizeof *c);
    c->src = src;
    c->span = span;
    c->pos = span.off;
    c->unit = bits < 8 ? 1 : bits / 8; /* types of 4 bits and less: an entry is a packed byte */
    switch (t) {
    case OXP_FLOAT:
    case OXP_COMPLEX64:
        c->field = TENSOR_FLOAT_DATA;
        c->fixed = c->unit = 4;
        break;
    case OXP_DOUBLE:
    case OXP_COMPLEX128:
        c->field = TENSOR_DOUBLE_DATA;
        c->fixed = c->unit = 8;
        break;
    case OXP_INT64:
        c->field = TENSOR_INT64_DATA;
        break;
    case OXP_UINT32:
    case OXP_UINT64:
        c->field = TENSOR_UINT64_DATA;
        break;
    default:
        c->field = TENSOR_INT32_DATA;
    }
}

/* n <= 16 bytes at pos, or what is left of the message; NULL on failure.  *got: how many. */
static const uint8_t *view(oxp_typed *c, size_t n, size_t *got) {
    uint64_t end = c->span.off + c->span.len, left = end - c->pos;
    if (n > left)
        n = (size_t)left;
    if (c->pos < c->at || c->pos - c->at > c->held || c->held - (c->pos - c->at) < n) {
        size_t want = left < sizeof c->window ? (size_t)left : sizeof c->window;
        c->held = 0;
        if (!oxp_source_try_read(c->src, c->pos, c->window, want))
            return NULL;
        c->at = c->pos;
        c->held = want;
    }
    *got = n;
    return c->window + (c->pos - c->at);
}

static bool varint(oxp_typed *c, uint64_t *v) {
    size_t got;
    const uint8_t *p = view(c, 10, &got);
    *v = 0;
    for (size_t i = 0; p && i < got; i++) {
        *v |= (uint64_t)(p[i] & 0x7f) << (7 * i);
        if (!(p[i] & 0x80)) {
            c->pos += i + 1;
            return true;
        }
    }
    return false;
}

static bool skip(oxp_typed *c, uint64_t n) {
    if (n > c->span.off + c->span.len - c->pos)
        return false;
    c->pos += n;
    return true;
}

/* Moves to the next entry's bytes: into a chunk, or behind the tag of a single entry. */
static bool find_entry(oxp_typed *c, bool *single) {
    uint64_t tag, v;
    *single = false;
    if (c->chunk_end && c->pos < c->chunk_end)
        return true;
    c->chunk_end = 0;
    while (c->pos < c->span.off + c->span.len) {
        if (!varint(c, &tag))
            return false;
        bool ours = tag >> 3 == c->field;
        switch (tag & 7) {
        case OXP_WIRE_LEN:
            if (!varint(c, &v) || v > c->span.off + c->span.len - c->pos)
                return false;
            if (ours && v) {
                c->chunk_end = c->pos + v;
                return true;
            }
            c->pos += v;
            break;
        case OXP_WIRE_VARINT:
            if (ours && !c->fixed) {
                *single = true;
                return true;
            }
            if (!varint(c, &v))
                return false;
            break;
        case OXP_WIRE_I32:
        case OXP_WIRE_I64:
            if (ours && c->fixed == ((tag & 7) == OXP_WIRE_I32 ? 4 : 8)) {
                *single = true;
                return true;
            }
            if (!skip(c, (tag & 7) == OXP_WIRE_I32 ? 4 : 8))
                return false;
            break;
        default:
            return false;
        }
    }
    return false;
}

/* Up to n entries; copies them unless out is NULL.  0 on failure. */
static uint64_t take(oxp_typed *c, uint64_t n, uint8_t *out) {
    bool single;
    uint64_t v;
    if (!find_entry(c, &single))
        return 0;
    if (!c->fixed) {
        if (!varint(c, &v))
            return 0;
        if (out)
            memcpy(out, &v, c->unit); /* little-endian: the low bytes */
        return 1;
    }
    uint64_t have = single ? 1 : (c->chunk_end - c->pos) / c->fixed;
    if (!have)
        return 0;
    if (have > n)
        have = n;
    if (have * c->fixed > c->span.off + c->span.len - c->pos)
        return 0;
    if (out && !oxp_source_try_read(c->src, c->pos, out, (size_t)(have * c->fixed)))
        return 0;
    c->pos += have * c->fixed;
    return have;
}

bool oxp_typed_read(oxp_typed *c, uint64_t first, uint64_t n, uint8_t *out) {
    if (first < c->index) {
        c->index = 0;
        c->pos = c->span.off;
        c->chunk_end = 0;
    }
    while (c->index < first) {
        uint64_t k = take(c, first - c->index, NULL);
        if (!k)
            return false;
        c->index += k;
    }
    while (n) {
        uint64_t k = take(c, n, out);
        if (!k)
            return false;
        c->index += k;
        out += k * c->unit;
        n -= k;
    }
    return true;
}
