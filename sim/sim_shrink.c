/* What a failure needs: leave out what can be left out. */
#include <stddef.h>
#include <stdint.h>

#include <weir/sim.h>

#include "sim/checker.h"
#include "sim/sim_fault.h"

/* How often everything is tried at most. */
#define ROUNDS_MAX 4U
/* The time is shortened in steps of this part of it at least. */
#define FINEST_PARTS 32

struct shrinker {
    bool (*fails)(void *context, const struct weir_sim_limits *limits);
    void *context;
    uint32_t asked;
};

static bool
still_fails(struct shrinker *shrinker, const struct weir_sim_limits *limits)
{
    shrinker->asked++;
    return shrinker->fails(shrinker->context, limits);
}

/* `width` bits of *bits at a time, from the widest groups to single bits. */
static void
shrink_bits(
    struct shrinker *shrinker, struct weir_sim_limits *limits, uint64_t *bits, unsigned count)
{
    for (unsigned width = 64; width > 0; width /= 2) {
        uint64_t group = width == 64 ? UINT64_MAX : (UINT64_C(1) << width) - 1;

        for (unsigned at = 0; at < count; at += width) {
            uint64_t before = *bits;

            *bits |= group << at;
            if (*bits != before && !still_fails(shrinker, limits)) {
                *bits = before;
            }
        }
    }
}

static bool
fails_with(
    struct shrinker *shrinker, struct weir_sim_limits *limits, int64_t *number, int64_t value)
{
    int64_t before = *number;

    *number = value;
    if (!still_fails(shrinker, limits)) {
        *number = before;
    }
    return *number == value;
}

/* The smallest value from 1 on with which it still fails, as far as steps that halve lead. A run
 * that is smaller in one way may hold although one that is smaller still fails; so be it. */
static void
shrink_number(
    struct shrinker *shrinker, struct weir_sim_limits *limits, int64_t *number, int64_t finest)
{
    int64_t step = *number / 2;

    while (step >= finest) {
        if (*number - step < 1 || !fails_with(shrinker, limits, number, *number - step)) {
            step /= 2;
        }
    }
}

/* 0 is left alone: the caller does not want it shrunk. */
static void
shrink_count(struct shrinker *shrinker, struct weir_sim_limits *limits, uint32_t *count)
{
    uint32_t smallest = *count;

    for (*count = 1; *count < smallest && !still_fails(shrinker, limits); ++*count) {
    }
    *count = smallest == 0 ? 0 : *count;
}

static void
shrink_once(struct shrinker *shrinker, struct weir_sim_limits *limits)
{
    shrink_bits(shrinker, limits, &limits->without, WI_SIM_FAULTS);
    shrink_bits(shrinker, limits, &limits->skip, WI_SIM_INCIDENTS_MAX);
    shrink_count(shrinker, limits, &limits->workers);
    shrink_count(shrinker, limits, &limits->shards);
    shrink_number(shrinker, limits, &limits->chaos_ms, 1 + limits->chaos_ms / FINEST_PARTS);
}

/* Until nothing more can go: with fewer workers other faults may do. */
uint32_t
weir_sim_shrink(
    bool (*fails)(void *context, const struct weir_sim_limits *limits),
    void *context,
    struct weir_sim_limits *limits)
{
    struct shrinker shrinker = {fails, context, 0};
    struct weir_sim_limits before;

    for (unsigned round = 0; round < ROUNDS_MAX; round++) {
        before = *limits;
        shrink_once(&shrinker, limits);
        if (before.without == limits->without && before.skip == limits->skip &&
            before.workers == limits->workers && before.shards == limits->shards &&
            before.chaos_ms == limits->chaos_ms) {
            break;
        }
    }
    return shrinker.asked;
}

const char *
weir_sim_fault_name(size_t index)
{
    return index < WI_SIM_FAULTS ? wi_sim_fault_name((enum wi_sim_fault)index) : NULL;
}

bool
weir_sim_property(size_t index, struct weir_sim_property *ret)
{
    const struct wi_property *properties = wi_checker_properties();

    for (size_t i = 0; properties[i].property != NULL; i++) {
        if (i == index) {
            *ret = (struct weir_sim_property){
                properties[i].property, properties[i].name, properties[i].formula};
            return true;
        }
    }
    return false;
}
