/* Which faults a failure needs: leave out what can be left out. */
#include <stddef.h>
#include <stdint.h>

#include <weir/sim.h>

#include "sim/checker.h"
#include "sim/sim_fault.h"

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

uint32_t
weir_sim_shrink(
    bool (*fails)(void *context, const struct weir_sim_limits *limits),
    void *context,
    struct weir_sim_limits *limits)
{
    struct shrinker shrinker = {fails, context, 0};

    shrink_bits(&shrinker, limits, &limits->without, WI_SIM_FAULTS);
    shrink_bits(&shrinker, limits, &limits->skip, WI_SIM_INCIDENTS_MAX);
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
