/*
 * Where a leader's shard sync stands: the last list of shards, the leases that are still to be
 * created for it, and the finished leases that may go (docs/state-machines.md C15 to C17, C25).
 * Pure.
 */
#ifndef WI_COORDINATOR_COORDINATOR_SYNC_H
#define WI_COORDINATOR_COORDINATOR_SYNC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/env.h>
#include <weir/error.h>
#include <weir/types.h>

#include "coordinator/coordinator_facts.h"
#include "coordinator/coordinator_plan.h"
#include "coordinator/shard_sync.h"

/* Leases that one write creates. */
#define WI_CREATE_MAX 1000U
/* List again this soon if the open shards do not cover all hash keys, or the table stays empty. */
#define WI_RESYNC_MS 5000

struct wi_coordinator_sync {
    const struct weir_env *env;
    int64_t interval_ms;
    struct weir_shard *shards; /* the last list */
    size_t shard_count;
    struct weir_mono asked_at; /* when the last list was asked for */
    struct weir_mono next_at;  /* when to ask again at the latest; 0: at once */
    bool is_new;               /* the list was not compared with the table yet */
    bool may_clean;            /* finished leases may be deleted by this list */
    uint32_t failures;         /* lists in a row that could not be had or used */
    struct wi_shard_sync_plan plan;
    size_t created; /* leases of the plan that were written */
};

void wi_coordinator_sync_init(
    struct wi_coordinator_sync *sync, const struct weir_env *env, int64_t interval_ms);

/* Forget everything: the next leader starts anew. */
void wi_coordinator_sync_reset(struct wi_coordinator_sync *sync);

/* C15: is it time to list the shards? */
bool wi_coordinator_sync_is_due(
    const struct wi_coordinator_sync *sync,
    const struct wi_lease_table *table,
    const struct wi_coordinator_facts *facts);

/* LIST_SHARDS is sent. */
void wi_coordinator_sync_asked(struct wi_coordinator_sync *sync, struct weir_mono now);

/* It was answered; the list is copied. WEIR_ENOMEM: as if it had failed. */
enum weir_error wi_coordinator_sync_take(
    struct wi_coordinator_sync *sync, const struct weir_shard *shards, size_t count);

/* It failed, or its answer was of no use: not again before `retry_at`. */
void wi_coordinator_sync_failed(struct wi_coordinator_sync *sync, struct weir_mono retry_at);

/* C16: compare a new list with the table. WEIR_ECORRUPT: the list is of no use. */
enum weir_error wi_coordinator_sync_apply(
    struct wi_coordinator_sync *sync, const struct wi_lease_table *table);

/* C16: the next leases to create; 0 if there are none. */
size_t wi_coordinator_sync_batch(
    const struct wi_coordinator_sync *sync, const struct wi_lease **ret_leases);
void wi_coordinator_sync_created(struct wi_coordinator_sync *sync, size_t count);

/* C25: finished leases that may go now. `ret` comes in empty; release its items with wi_free(). */
enum weir_error wi_coordinator_sync_clean(
    struct wi_coordinator_sync *sync,
    const struct wi_lease_table *table,
    const struct wi_coordinator_facts *facts,
    struct wi_plan_singles *ret);

#endif
