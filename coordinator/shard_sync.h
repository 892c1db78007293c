/*
 * Shard sync: shards minus leases = leases to create (DESIGN 4.7; the rules of Java KCL's
 * HierarchicalShardSyncer, reference/kcl.md 2.7). Pure. Missing ancestors come first, so that a
 * crash half-way leaves a consistent prefix; a child whose parent still has an unfinished lease
 * gets none now: the parent's owner creates it at the shard's end.
 *
 * The shards of several streams stand in one list, told apart by what stands before the last ':' of
 * their ids (core/shard_key.h): none has a parent in another stream, whether a stream is new is
 * asked of its own leases, and each is audited by itself.
 */
#ifndef WI_COORDINATOR_SHARD_SYNC_H
#define WI_COORDINATOR_SHARD_SYNC_H

#include <weir/env.h>
#include <weir/error.h>
#include <weir/types.h>

#include "lease/lease.h"

struct wi_shard_sync_input {
    const struct weir_shard *shards;
    size_t shard_count;
    const struct wi_lease *leases; /* sorted by lease_key */
    size_t lease_count;
    struct weir_position initial_position; /* TRIM_HORIZON, LATEST or AT_TIMESTAMP */
};

struct wi_shard_sync_plan {
    struct wi_lease *create; /* parents before children; unowned, with their first checkpoint */
    size_t create_count;
    bool has_hole; /* the open shards of a stream leave hash keys that none of them covers */
    struct weir_hash_range hole;
};

/*
 * @return WEIR_ECORRUPT for a shard list with a cycle; the plan is empty then
 * Release the plan with wi_shard_sync_plan_free().
 */
enum weir_error wi_shard_sync(
    const struct weir_env *env,
    const struct wi_shard_sync_input *input,
    struct wi_shard_sync_plan *ret);
void wi_shard_sync_plan_free(const struct weir_env *env, struct wi_shard_sync_plan *plan);

/*
 * C42: a merged shard's lease must not exist before those of both parents: a missing lease means a
 * parent that is long finished. Which other parent than `parent_id` has to have one before the
 * owner of `parent_id` creates the lease of `child`? NULL: none, it is the only parent, or the
 * stream lists the other one no more.
 */
const char *wi_shard_other_parent(
    const struct weir_shard *shards,
    size_t shard_count,
    const struct weir_shard *child,
    const char *parent_id);

/* C54: an open shard whose lease is finished: another shard than the one that was read to its end,
 * in a stream that was deleted and made anew. NULL if there is none. The list must have been asked
 * for after the leases were read, else the shard may have been closed meanwhile. */
const struct weir_shard *wi_shard_of_another_stream(
    const struct weir_shard *shards,
    size_t shard_count,
    const struct wi_lease *leases,
    size_t lease_count);

/* The lease row of a shard: key, ids, range, parents; unowned; `checkpoint` as given. */
void wi_lease_for_shard(
    const struct weir_shard *shard, const struct weir_position *checkpoint, struct wi_lease *ret);

#endif
