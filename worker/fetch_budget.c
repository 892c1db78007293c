#include "worker/fetch_budget.h"

#include <stdint.h>

#include "core/check.h"

void
wi_fetch_budget_init(struct wi_fetch_budget *budget, uint64_t bytes_max, uint64_t fetch_bytes_max)
{
    WEIR_ASSERT(bytes_max > 0);
    WEIR_ASSERT(fetch_bytes_max > 0);
    *budget = (struct wi_fetch_budget){.bytes_max = bytes_max, .fetch_bytes_max = fetch_bytes_max};
}

uint64_t
wi_fetch_budget_reserve(struct wi_fetch_budget *budget)
{
    WEIR_ASSERT(budget->bytes_reserved <= budget->bytes_max);
    uint64_t left = budget->bytes_max - budget->bytes_reserved;
    uint64_t granted = left < budget->fetch_bytes_max ? left : budget->fetch_bytes_max;

    /* A sliver would make a batch of one record; better to wait for a whole one (H8). */
    if (budget->bytes_reserved > 0 && (granted == 0 || granted < budget->fetch_bytes_max / 4)) {
        return 0;
    }
    budget->bytes_reserved += granted;
    WEIR_ASSERT(granted > 0);
    return granted;
}

void
wi_fetch_budget_give_back(struct wi_fetch_budget *budget, uint64_t bytes)
{
    WEIR_ASSERT(bytes <= budget->bytes_reserved);
    budget->bytes_reserved -= bytes;
}
