/** The schedule: when which fault is made. A pure function of the seed. */
#ifndef WI_CHAOS_SCHEDULE_H
#define WI_CHAOS_SCHEDULE_H

#include <stddef.h>
#include <stdint.h>

#include "chaos/fault.h"

/** One fault to come. */
struct chaos_plan {
    int64_t at_ms; /**< since the faults began */
    enum chaos_fault_kind kind;
    uint64_t random; /**< chooses target, duration, strength */
};

/** On average one fault in this time. */
#define CHAOS_FAULT_EVERY_MS 1000

/**
 * Plan `seconds` of faults of the kinds in `faults`: first each kind once, in random order, then by
 * weight. Free the result with free().
 * @param ret_count how many; 0 without kinds
 * @return NULL if there are none
 */
struct chaos_plan *chaos_schedule(
    uint64_t seed, uint32_t seconds, uint32_t faults, size_t *ret_count);

#endif
