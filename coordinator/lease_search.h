/* Look-ups in the sorted arrays of a lease table. Pure. */
#ifndef WI_COORDINATOR_LEASE_SEARCH_H
#define WI_COORDINATOR_LEASE_SEARCH_H

#include <stddef.h>

#include "lease/lease.h"

/* Index of the lease with this key in `leases`, sorted by key, or SIZE_MAX. */
size_t wi_lease_find(const struct wi_lease *leases, size_t count, const char *lease_key);

/* Index of the worker with this owner in `workers`, sorted by owner, or SIZE_MAX. */
size_t wi_worker_find(const struct wi_worker *workers, size_t count, const char *owner);

#endif
