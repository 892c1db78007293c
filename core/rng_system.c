#include "core/rng_system.h"

#include <errno.h>
#include <stdint.h>
#include <sys/random.h>
#include <sys/types.h>

#include "core/check.h"

uint64_t
wi_rng_system_next(void *context)
{
    uint64_t value = 0;
    ssize_t length;
    (void)context;
    do {
        length = getrandom(&value, sizeof value, 0);
    } while (length < 0 && errno == EINTR);
    /* A weak identity could let two workers hold one lease: rather no process than that one. */
    WEIR_ASSERT(length == (ssize_t)sizeof value);
    return value;
}
