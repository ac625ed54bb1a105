/* roles.h - what an input means, by its type, its name and what the graph does with it. */
#ifndef OXP_VERIFY_ROLES_H
#define OXP_VERIFY_ROLES_H

#include "onnxpert/analyze.h"

typedef enum oxp_role_kind {
    OXP_ROLE_NORMAL,    /* floats: normal(0, 1) */
    OXP_ROLE_UNIT,      /* images and probabilities: 0..1 */
    OXP_ROLE_INTEGER,   /* low <= v < high: token ids, indices, classes */
    OXP_ROLE_MASK,      /* ones, then zeros, along the last axis */
    OXP_ROLE_PADDING,   /* the same, the other way round */
    OXP_ROLE_POSITIONS, /* 0, 1, 2, ... along the last axis */
    OXP_ROLE_LENGTH,    /* how much of the axis that it speaks of is in use: 1..high-1 */
    OXP_ROLE_BOOLEAN
} oxp_role_kind;

typedef struct oxp_role {
    oxp_role_kind kind;
    int64_t low, high;
} oxp_role;

oxp_role oxp_role_of(const oxp_analysis *a, oxp_id input, oxp_arena *scratch);

#endif
