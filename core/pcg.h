/* Seeded random numbers (PCG XSH RR 64/32) for tests and the simulator: the same seed gives the
 * same sequence on every machine. Not for identities, not for secrets, not thread-safe. */
#ifndef WI_CORE_PCG_H
#define WI_CORE_PCG_H

#include <stdint.h>

#include <weir/env.h>

struct wi_pcg {
    uint64_t state;
    uint64_t increment; /* odd; selects the sequence */
};

/* Start sequence number `sequence` at `seed`; different sequences are independent. */
void wi_pcg_seed(struct wi_pcg *pcg, uint64_t seed, uint64_t sequence);

uint32_t wi_pcg_next32(struct wi_pcg *pcg);
uint64_t wi_pcg_next64(struct wi_pcg *pcg);

/* Uniform in [0, bound); bound >= 1. */
uint64_t wi_pcg_below(struct wi_pcg *pcg, uint64_t bound);

/* For struct weir_env; borrows `pcg`. */
struct weir_rng wi_pcg_rng(struct wi_pcg *pcg);

#endif
