/* Memory of a listing: one block that holds the lease array and the worker array. */
#ifndef WI_LEASE_LEASE_TABLE_H
#define WI_LEASE_LEASE_TABLE_H

#include <stddef.h>

#include <weir/env.h>
#include <weir/error.h>

#include "lease/lease.h"

/* An empty table with room for that many rows; wi_lease_table_free() frees it. */
WEIR_MUST_CHECK enum weir_error wi_lease_table_new(
    const struct weir_env *env,
    size_t lease_capacity,
    size_t worker_capacity,
    struct wi_lease_table *ret);

/* The worker with this owner, or NULL. Workers must be sorted. */
const struct wi_worker *wi_lease_table_find_worker(
    const struct wi_lease_table *table, const char *owner);

#endif
