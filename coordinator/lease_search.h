/* Look-ups in the sorted arrays of a lease table. Pure. */
#ifndef WI_COORDINATOR_LEASE_SEARCH_H
#define WI_COORDINATOR_LEASE_SEARCH_H

#include <stdbool.h>
#include <stddef.h>

#include <weir/types.h>

#include "lease/lease.h"

/* Index of the lease with this key in `leases`, sorted by key, or SIZE_MAX. */
size_t wi_lease_find(const struct wi_lease *leases, size_t count, const char *lease_key);

/* Whether there is any lease of this stream, by wi_shard_key_stream(): with the empty name, that is
 * with one stream, any lease at all. */
bool wi_lease_of_stream(const struct wi_lease *leases, size_t count, struct weir_str stream);

/* Index of the worker with this owner in `workers`, sorted by owner, or SIZE_MAX. */
size_t wi_worker_find(const struct wi_worker *workers, size_t count, const char *owner);

#endif
