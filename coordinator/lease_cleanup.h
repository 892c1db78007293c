/*
 * Which finished leases may go: SHARD_END is written, all children have leases that have begun
 * (their checkpoint is a sequence number or SHARD_END), no parent of it still has a lease, and the
 * shard is out of the stream's list, that is out of retention (DESIGN 4.7, reliability I15). Leases
 * of streams that the list does not show at all stay. Pure.
 */
#ifndef WI_COORDINATOR_LEASE_CLEANUP_H
#define WI_COORDINATOR_LEASE_CLEANUP_H

#include <weir/env.h>
#include <weir/error.h>
#include <weir/types.h>

#include "lease/lease.h"

/* Indices into `leases` of the rows that may be deleted; room for table->lease_count. */
enum weir_error wi_lease_cleanup(
    const struct weir_env *env,
    const struct wi_lease_table *table,
    const struct weir_shard *shards,
    size_t shard_count,
    size_t *ret_indices,
    size_t *ret_count);

#endif
