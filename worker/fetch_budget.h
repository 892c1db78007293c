/*
 * ONE byte budget for all batches that are in memory (G7). Pure, embedded by value; the caller
 * serialises. A fetch reserves before it reads and gives back when the batch is done with.
 */
#ifndef WI_WORKER_FETCH_BUDGET_H
#define WI_WORKER_FETCH_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

struct wi_fetch_budget {
    uint64_t bytes_max;
    uint64_t bytes_reserved;
    uint64_t fetch_bytes_max; /* of one fetch */
};

void wi_fetch_budget_init(
    struct wi_fetch_budget *budget, uint64_t bytes_max, uint64_t fetch_bytes_max);

/* Reserve up to fetch_bytes_max; returns what was granted, 0 if less than a quarter of that is left
 * and somebody else holds a reservation: wait for a give-back. One fetch is always granted. */
uint64_t wi_fetch_budget_reserve(struct wi_fetch_budget *budget);

/* Give back what reserve() granted, possibly in parts. */
void wi_fetch_budget_give_back(struct wi_fetch_budget *budget, uint64_t bytes);

#endif
