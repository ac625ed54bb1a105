/* machine.h - what this machine is, without measuring anything. */
#ifndef OXP_ANALYSIS_MACHINE_H
#define OXP_ANALYSIS_MACHINE_H

#include "onnxpert/status.h"

typedef struct oxp_machine {
    const char *cpu; /* model name, or "unknown" */
    unsigned threads;
    uint64_t memory; /* bytes; 0: unknown */
    const char *gpu; /* the first NVIDIA GPU that its driver lists, or NULL */
} oxp_machine;

oxp_machine oxp_machine_of(oxp_arena *arena);

#endif
