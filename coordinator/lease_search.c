#include "coordinator/lease_search.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static int
compare_lease(const void *key, const void *lease)
{
    return strcmp(key, ((const struct wi_lease *)lease)->lease_key);
}

size_t
wi_lease_find(const struct wi_lease *leases, size_t count, const char *lease_key)
{
    const struct wi_lease *found =
        count == 0 ? NULL : bsearch(lease_key, leases, count, sizeof *leases, compare_lease);

    return found == NULL ? SIZE_MAX : (size_t)(found - leases);
}

static int
compare_worker(const void *key, const void *worker)
{
    return strcmp(key, ((const struct wi_worker *)worker)->owner);
}

size_t
wi_worker_find(const struct wi_worker *workers, size_t count, const char *owner)
{
    const struct wi_worker *found =
        count == 0 ? NULL : bsearch(owner, workers, count, sizeof *workers, compare_worker);

    return found == NULL ? SIZE_MAX : (size_t)(found - workers);
}
