#include "core/pcg.h"

#include <stdint.h>

#include <weir/env.h>

#include "core/check.h"

void
wi_pcg_seed(struct wi_pcg *pcg, uint64_t seed, uint64_t sequence)
{
    *pcg = (struct wi_pcg){0, sequence << 1 | 1};
    (void)wi_pcg_next32(pcg);
    pcg->state += seed;
    (void)wi_pcg_next32(pcg);
}

uint32_t
wi_pcg_next32(struct wi_pcg *pcg)
{
    uint64_t state = pcg->state;
    WEIR_ASSERT((pcg->increment & 1) != 0); /* it was seeded */
    pcg->state = state * UINT64_C(6364136223846793005) + pcg->increment;
    uint32_t shifted = (uint32_t)((state >> 18 ^ state) >> 27);
    uint32_t rotation = (uint32_t)(state >> 59);
    return shifted >> rotation | shifted << (-rotation & 31);
}

uint64_t
wi_pcg_next64(struct wi_pcg *pcg)
{
    uint64_t high = wi_pcg_next32(pcg);
    return high << 32 | wi_pcg_next32(pcg);
}

uint64_t
wi_pcg_below(struct wi_pcg *pcg, uint64_t bound)
{
    WEIR_ASSERT(bound > 0);
    /* Of the 2^64 values the first 2^64 mod bound would make small results likelier. */
    uint64_t rejected = (0 - bound) % bound;
    uint64_t value;
    do {
        value = wi_pcg_next64(pcg);
    } while (value < rejected); /* less than two rounds on average */
    return value % bound;
}

static uint64_t
rng_next(void *context)
{
    return wi_pcg_next64(context);
}

struct weir_rng
wi_pcg_rng(struct wi_pcg *pcg)
{
    return (struct weir_rng){pcg, rng_next};
}
