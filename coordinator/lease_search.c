#include "coordinator/lease_search.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <weir/types.h>

#include "core/shard_key.h"
#include "core/str.h"
#include "lease/lease.h"

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

bool
wi_lease_of_stream(const struct wi_lease *leases, size_t count, struct weir_str stream)
{
    size_t low = 0;
    size_t high = count;

    if (stream.length == 0) {
        return count > 0;
    }
    /* The first key that is not below "stream:". */
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const char *key = leases[middle].lease_key;
        int order = strncmp(key, stream.data, stream.length);

        if (order == 0) {
            order = (unsigned char)key[stream.length] < ':' ? -1 : 1;
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < count && wi_str_equal(wi_shard_key_stream(wi_str(leases[low].lease_key)), stream);
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
