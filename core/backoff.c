#include "core/backoff.h"

#include <stdint.h>

#include "core/check.h"

int64_t
wi_backoff_ceiling_ms(uint32_t attempt, int64_t base_ms, int64_t cap_ms)
{
    WEIR_ASSERT(base_ms >= 0);
    WEIR_ASSERT(cap_ms >= 0);
    const uint32_t doublings = attempt == 0 ? 0 : attempt - 1;

    if (base_ms == 0) {
        return 0;
    }
    return doublings < 63 && base_ms <= cap_ms >> doublings ? base_ms << doublings : cap_ms;
}

int64_t
wi_backoff_ms(uint32_t attempt, int64_t base_ms, int64_t cap_ms, uint64_t random)
{
    const int64_t ceiling_ms = wi_backoff_ceiling_ms(attempt, base_ms, cap_ms);

    /* The remainder's bias is below ceiling / 2^64: no one can see it. */
    return (int64_t)(random % ((uint64_t)ceiling_ms + 1));
}
