/* How long to wait before the next attempt. */
#ifndef WI_CORE_BACKOFF_H
#define WI_CORE_BACKOFF_H

#include <stdint.h>

/* min(cap_ms, base_ms * 2^(attempt - 1)). `attempt` is 1 after the first failure (0 counts as 1);
 * base_ms and cap_ms are not negative. Never overflows. */
int64_t wi_backoff_ceiling_ms(uint32_t attempt, int64_t base_ms, int64_t cap_ms);

/* Exponential back-off with full jitter: uniform from 0 to that ceiling. `random` has 64 uniform
 * bits. */
int64_t wi_backoff_ms(uint32_t attempt, int64_t base_ms, int64_t cap_ms, uint64_t random);

#endif
