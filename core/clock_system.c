#include "core/clock_system.h"

#include <stdint.h>
#include <time.h>

#include <weir/env.h>

#include "core/check.h"

#define NS_PER_SECOND 1000000000

struct weir_mono
wi_clock_system_mono(void *context)
{
    struct timespec now;
    (void)context;
    /* Fails only where the kernel has no such clock: nothing about leases could be promised. */
    int failed = clock_gettime(CLOCK_BOOTTIME, &now);
    WEIR_ASSERT(failed == 0);
    return (struct weir_mono){(int64_t)now.tv_sec * NS_PER_SECOND + now.tv_nsec};
}

struct weir_wall
wi_clock_system_wall(void *context)
{
    struct timespec now;
    (void)context;
    int failed = clock_gettime(CLOCK_REALTIME, &now);
    WEIR_ASSERT(failed == 0);
    return (struct weir_wall){(int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000};
}
