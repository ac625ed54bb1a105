/* rope.c - pieces of a file to be. */
#include <string.h>

#include "model/proto.h"
#include "model/rope.h"

enum { BLOCK = 16 << 10, HEADER_MAX = 20 };

static oxp_piece *add(oxp_rope *r, oxp_piece_kind kind, uint64_t len) {
    r->pieces = oxp_grow(r->arena, r->pieces, &r->cap, r->n + 1, sizeof *r->pieces);
    oxp_piece *p = &r->pieces[r->n++];
    *p = (oxp_piece){.len = len, .id = OXP_NONE, .kind = (uint8_t)kind};
    r->len += len;
    return p;
}

/* n bytes at the end of the rope, to be filled in. */
static uint8_t *room(oxp_rope *r, size_t n) {
    if (n > r->left) {
        r->left = n > BLOCK ? n : BLOCK;
        r->free = oxp_alloc(r->arena, 1, r->left);
    }
    uint8_t *at = r->free;
    oxp_piece *last = r->n ? &r->pieces[r->n - 1] : NULL;
    if (last && last->kind == OXP_PIECE_BYTES && last->u.bytes + last->len == at) {
        last->len += n;
        r->len += n;
    } else {
        add(r, OXP_PIECE_BYTES, n)->u.bytes = at;
    }
    r->free += n;
    r->left -= n;
    return at;
}

void oxp_rope_bytes(oxp_rope *r, const void *p, size_t n) {
    if (n)
        memcpy(room(r, n), p, n);
}

void oxp_rope_copy(oxp_rope *r, oxp_id file, uint64_t off, uint64_t len) {
    oxp_piece *last = r->n ? &r->pieces[r->n - 1] : NULL;
    if (!len)
        return;
    if (last && last->kind == OXP_PIECE_COPY && last->id == file &&
        last->u.off + last->len == off) {
        last->len += len;
        r->len += len;
        return;
    }
    oxp_piece *p = add(r, OXP_PIECE_COPY, len);
    p->u.off = off;
    p->id = file;
}

void oxp_rope_tensor(oxp_rope *r, oxp_id tensor, uint64_t bytes) {
    if (bytes)
        add(r, OXP_PIECE_TENSOR, bytes)->id = tensor;
}

void oxp_rope_zeros(oxp_rope *r, uint64_t n) {
    if (n)
        add(r, OXP_PIECE_ZERO, n);
}

static size_t put_varint(uint8_t *to, uint64_t v) {
    size_t n = 0;
    for (; v > 0x7f; v >>= 7)
        to[n++] = (uint8_t)(v | 0x80);
    to[n++] = (uint8_t)v;
    return n;
}

static size_t put_header(uint8_t *to, uint32_t field, uint64_t len) {
    size_t n = put_varint(to, (uint64_t)field << 3 | OXP_WIRE_LEN);
    return n + put_varint(to + n, len);
}

oxp_open_message oxp_rope_begin(oxp_rope *r, uint32_t field) {
    add(r, OXP_PIECE_BYTES, 0)->u.bytes = oxp_alloc(r->arena, 1, HEADER_MAX);
    return (oxp_open_message){r->n - 1, r->len, field};
}

void oxp_rope_end(oxp_rope *r, oxp_open_message m) {
    oxp_piece *p = &r->pieces[m.piece];
    p->len = put_header((uint8_t *)p->u.bytes, m.field, r->len - m.start);
    r->len += p->len;
}

void oxp_rope_pack(oxp_rope *r, const ProtobufCMessage *m) {
    size_t n = protobuf_c_message_get_packed_size(m);
    if (n)
        protobuf_c_message_pack(m, room(r, n));
}

void oxp_rope_message(oxp_rope *r, uint32_t field, const ProtobufCMessage *m) {
    uint8_t header[HEADER_MAX];
    size_t n = protobuf_c_message_get_packed_size(m);
    oxp_rope_bytes(r, header, put_header(header, field, n));
    if (n)
        protobuf_c_message_pack(m, room(r, n));
}
