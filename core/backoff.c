#include "core/backoff.h"

#include <stdint.h>

#include "core/check.h"

int64_t
wi_backoff_ms(uint32_t attempt, int64_t base_ms, int64_t cap_ms, uint64_t random)
{
    WEIR_ASSERT(base_ms >= 0);
    WEIR_ASSERT(cap_ms >= 0);
    uint32_t doublings = attempt == 0 ? 0 : attempt - 1;
    int64_t ceiling_ms = cap_ms;
    if (doublings < 63 && base_ms <= cap_ms >> doublings) {
        ceiling_ms = base_ms << doublings;
    }
    if (base_ms == 0) {
        ceiling_ms = 0;
    }
    /* The remainder's bias is below ceiling / 2^64: no one can see it. */
    return (int64_t)(random % ((uint64_t)ceiling_ms + 1));
}
