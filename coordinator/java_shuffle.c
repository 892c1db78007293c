#include "coordinator/java_shuffle.h"

#include <stddef.h>
#include <stdint.h>

#include "core/check.h"

/* java.util.Random, as its documentation states it: a linear congruential generator of 48 bits. */
#define MULTIPLIER UINT64_C(0x5DEECE66D)
#define ADDEND     UINT64_C(0xB)
#define MASK       ((UINT64_C(1) << 48U) - 1U)
#define BITS       31U
#define STATE_BITS 48U

/* Random.next(31). */
static uint32_t
next31(uint64_t *state)
{
    *state = (*state * MULTIPLIER + ADDEND) & MASK;
    return (uint32_t)(*state >> (STATE_BITS - BITS));
}

/* Random.nextInt(bound): draws in the last, incomplete range of `bound` numbers are thrown away. */
static uint32_t
next_below(uint64_t *state, uint32_t bound)
{
    uint32_t drawn = next31(state);

    if ((bound & (bound - 1U)) == 0) {
        return (uint32_t)((uint64_t)bound * drawn >> BITS);
    }
    while ((uint64_t)(drawn - drawn % bound) + (bound - 1U) > INT32_MAX) {
        drawn = next31(state);
    }
    return drawn % bound;
}

void
wi_java_shuffle(size_t *items, size_t count, int64_t seed)
{
    uint64_t state = ((uint64_t)seed ^ MULTIPLIER) & MASK;

    WEIR_ASSERT(count <= WI_JAVA_SHUFFLE_MAX);
    for (size_t i = count; i > 1; i--) {
        size_t other = next_below(&state, (uint32_t)i);
        size_t moved = items[i - 1];

        items[i - 1] = items[other];
        items[other] = moved;
    }
}
