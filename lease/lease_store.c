#include "lease/lease_store.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <weir/env.h>
#include <weir/error.h>

#include "core/memory.h"
#include "lease/lease.h"
#include "lease/lease_table.h"

_Static_assert(
    _Alignof(struct wi_worker) <= _Alignof(struct wi_lease), "workers follow leases in one block");

enum weir_error
wi_lease_table_new(
    const struct weir_env *env,
    size_t lease_capacity,
    size_t worker_capacity,
    struct wi_lease_table *ret)
{
    size_t lease_bytes = lease_capacity * sizeof(struct wi_lease);
    size_t worker_bytes = worker_capacity * sizeof(struct wi_worker);
    unsigned char *block;

    if (lease_capacity > SIZE_MAX / 2 / sizeof(struct wi_lease) ||
        worker_capacity > SIZE_MAX / 2 / sizeof(struct wi_worker)) {
        return WEIR_ENOMEM;
    }
    /* Rows are written whole before they are read: zeroing a large table would be wasted. */
    block = wi_resize(env, NULL, lease_bytes + worker_bytes + 1);
    if (block == NULL) {
        return WEIR_ENOMEM;
    }
    *ret =
        (struct wi_lease_table){.leases = (void *)block, .workers = (void *)(block + lease_bytes)};
    return WEIR_OK;
}

void
wi_lease_table_free(const struct weir_env *env, struct wi_lease_table *table)
{
    if (table != NULL) {
        wi_free(env, table->leases);
        *table = (struct wi_lease_table){0};
    }
}

static int
compare_owner(const void *key, const void *element)
{
    const struct wi_worker *worker = element;

    return strcmp(key, worker->owner);
}

const struct wi_worker *
wi_lease_table_find_worker(const struct wi_lease_table *table, const char *owner)
{
    return bsearch(
        owner, table->workers, table->worker_count, sizeof *table->workers, compare_owner);
}

void
wi_lease_store_close(struct wi_lease_store *store)
{
    if (store != NULL) {
        store->ops->close(store->store);
    }
}
