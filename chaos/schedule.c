#include "chaos/schedule.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "chaos/base.h"
#include "chaos/fault.h"

/* All kinds once, in random order. Returns how many. */
static size_t
shuffle(uint64_t *state, uint32_t faults, enum chaos_fault_kind *ret)
{
    size_t count = 0;

    for (uint32_t kind = 0; kind < CHAOS_FAULT_KINDS; kind++) {
        if ((faults & (1U << kind)) != 0) {
            const size_t place = chaos_random_below(state, count + 1);

            ret[count] = ret[place];
            ret[place] = (enum chaos_fault_kind)kind;
            count++;
        }
    }
    return count;
}

static enum chaos_fault_kind
by_weight(uint64_t *state, uint32_t faults)
{
    uint64_t sum = 0;
    uint64_t dice;
    uint32_t last = 0;

    for (uint32_t kind = 0; kind < CHAOS_FAULT_KINDS; kind++) {
        sum += (faults & (1U << kind)) != 0 ? chaos_fault_info(kind)->weight : 0;
    }
    dice = chaos_random_below(state, sum);
    for (uint32_t kind = 0; kind < CHAOS_FAULT_KINDS; kind++) {
        const uint32_t weight = (faults & (1U << kind)) != 0 ? chaos_fault_info(kind)->weight : 0;

        if (dice < weight) {
            return (enum chaos_fault_kind)kind;
        }
        dice -= weight;
        last = weight > 0 ? kind : last;
    }
    return (enum chaos_fault_kind)last;
}

struct chaos_plan *
chaos_schedule(uint64_t seed, uint32_t seconds, uint32_t faults, size_t *ret_count)
{
    const size_t count = (size_t)seconds * 1000 / CHAOS_FAULT_EVERY_MS;
    enum chaos_fault_kind first[CHAOS_FAULT_KINDS] = {0};
    uint64_t state = seed;
    size_t firsts = 0;
    struct chaos_plan *plans;

    *ret_count = 0;
    faults &= CHAOS_FAULTS_ALL;
    if (faults == 0 || count == 0) {
        return NULL;
    }
    plans = chaos_zeroed(count, sizeof *plans);
    firsts = shuffle(&state, faults, first);
    for (size_t i = 0; i < count; i++) {
        plans[i].at_ms = (int64_t)(i * CHAOS_FAULT_EVERY_MS) +
                         (int64_t)chaos_random_below(&state, CHAOS_FAULT_EVERY_MS);
        plans[i].kind = i < firsts ? first[i] : by_weight(&state, faults);
        plans[i].random = chaos_random(&state);
    }
    *ret_count = count;
    return plans;
}
