/* rope.h - a message that is to be written, as a list of pieces: bytes in memory, ranges of files,
 * tensors to be computed.  Its length is known before a byte of it is written. */
#ifndef OXP_MODEL_ROPE_H
#define OXP_MODEL_ROPE_H

#include <protobuf-c/protobuf-c.h>

#include "onnxpert/model.h"

typedef enum oxp_piece_kind {
    OXP_PIECE_BYTES,  /* bytes, len                                             */
    OXP_PIECE_COPY,   /* range of a file: `id` is an external file or OXP_NONE: the model's */
    OXP_PIECE_TENSOR, /* payload of tensor `id`                                 */
    OXP_PIECE_ZERO    /* padding                                                */
} oxp_piece_kind;

typedef struct oxp_piece {
    uint64_t len;
    union {
        const uint8_t *bytes;
        uint64_t off;
    } u;
    oxp_id id;
    uint8_t kind;
} oxp_piece;

typedef struct oxp_rope {
    oxp_arena *arena;
    oxp_piece *pieces;
    size_t n, cap;
    uint64_t len;  /* of all pieces */
    uint8_t *free; /* rest of the current block of bytes */
    size_t left;
} oxp_rope;

/* An open message: its header is written when its length is known. */
typedef struct oxp_open_message {
    size_t piece;
    uint64_t start;
    uint32_t field;
} oxp_open_message;

void oxp_rope_bytes(oxp_rope *r, const void *p, size_t n);
void oxp_rope_copy(oxp_rope *r, oxp_id file, uint64_t off, uint64_t len);
void oxp_rope_tensor(oxp_rope *r, oxp_id tensor, uint64_t bytes);
void oxp_rope_zeros(oxp_rope *r, uint64_t n);
oxp_open_message oxp_rope_begin(oxp_rope *r, uint32_t field);
void oxp_rope_end(oxp_rope *r, oxp_open_message m);
/* The packed message without, or with, tag and length in front. */
void oxp_rope_pack(oxp_rope *r, const ProtobufCMessage *m);
void oxp_rope_message(oxp_rope *r, uint32_t field, const ProtobufCMessage *m);

#endif
