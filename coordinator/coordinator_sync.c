#include "coordinator/coordinator_sync.h"

#include <stdint.h>
#include <string.h>

#include <weir/env.h>
#include <weir/error.h>
#include <weir/types.h>

#include "coordinator/coordinator_facts.h"
#include "coordinator/coordinator_plan.h"
#include "coordinator/lease_cleanup.h"
#include "coordinator/lease_search.h"
#include "coordinator/shard_sync.h"
#include "core/check.h"
#include "core/memory.h"
#include "core/mono.h"
#include "lease/lease.h"

void
wi_coordinator_sync_init(
    struct wi_coordinator_sync *sync, const struct weir_env *env, int64_t interval_ms)
{
    *sync = (struct wi_coordinator_sync){.env = env, .interval_ms = interval_ms};
}

void
wi_coordinator_sync_reset(struct wi_coordinator_sync *sync)
{
    wi_shard_sync_plan_free(sync->env, &sync->plan);
    wi_free(sync->env, sync->shards);
    wi_coordinator_sync_init(sync, sync->env, sync->interval_ms);
}

/* Does the table have a lease for every child that the finished lease names, and does it name any?
 */
static bool
children_have_leases(const struct wi_lease_table *table, const struct wi_lease *lease)
{
    size_t named = 0;

    for (size_t c = 0; c < WEIR_CHILDREN_MAX; c++) {
        const char *child_id = lease->child_shard_ids[c];

        if (child_id[0] == '\0') {
            continue;
        }
        named++;
        if (wi_lease_find(table->leases, table->lease_count, child_id) == SIZE_MAX) {
            return false;
        }
    }
    return named > 0;
}

/* C15: a shard that was finished after the last list was asked for, and whose children have no
 * leases, may have children that the list did not show. */
static bool
misses_children(
    const struct wi_coordinator_sync *sync,
    const struct wi_lease_table *table,
    const struct wi_coordinator_facts *facts)
{
    for (size_t i = 0; i < table->lease_count; i++) {
        const struct wi_lease *lease = &table->leases[i];

        if (lease->checkpoint.type == WEIR_SHARD_END &&
            !wi_coordinator_facts_was_finished(facts, lease, sync->asked_at) &&
            !children_have_leases(table, lease)) {
            return true;
        }
    }
    return false;
}

bool
wi_coordinator_sync_is_due(
    const struct wi_coordinator_sync *sync,
    const struct wi_lease_table *table,
    const struct wi_coordinator_facts *facts)
{
    struct weir_mono resync_at = wi_mono_add_ms(sync->asked_at, WI_RESYNC_MS);

    if (!wi_mono_before(facts->now, sync->next_at)) {
        return true;
    }
    if (sync->failures > 0) {
        return false;
    }
    return (table->lease_count == 0 && !wi_mono_before(facts->now, resync_at)) ||
           misses_children(sync, table, facts);
}

void
wi_coordinator_sync_asked(struct wi_coordinator_sync *sync, struct weir_mono now)
{
    sync->asked_at = now;
    sync->next_at = wi_mono_add_ms(now, sync->interval_ms);
}

enum weir_error
wi_coordinator_sync_take(
    struct wi_coordinator_sync *sync, const struct weir_shard *shards, size_t count)
{
    struct weir_shard *copy = wi_alloc_array(sync->env, count + 1, sizeof *copy);

    if (copy == NULL) {
        return WEIR_ENOMEM;
    }
    if (count > 0) {
        memcpy(copy, shards, count * sizeof *copy);
    }
    wi_free(sync->env, sync->shards);
    wi_shard_sync_plan_free(sync->env, &sync->plan);
    sync->shards = copy;
    sync->shard_count = count;
    sync->is_new = true;
    sync->may_clean = false;
    sync->created = 0;
    return WEIR_OK;
}

void
wi_coordinator_sync_failed(struct wi_coordinator_sync *sync, struct weir_mono retry_at)
{
    sync->is_new = false;
    sync->may_clean = false;
    sync->next_at = retry_at;
    if (sync->failures < UINT32_MAX) {
        sync->failures++;
    }
}

/* C43: a row that cannot be read may be that of an ancestor. Without it a shard would begin at
 * LATEST or at a time, behind records that the application has not read; at TRIM_HORIZON the
 * ancestor is planned as well, and its row, which is there, is left alone. */
static bool
may_hide_ancestors(const struct wi_lease_table *table)
{
    return table->damaged_count > 0 &&
           table->application.initial_position.type != WEIR_TRIM_HORIZON;
}

enum weir_error
wi_coordinator_sync_apply(struct wi_coordinator_sync *sync, const struct wi_lease_table *table)
{
    struct wi_shard_sync_input input = {
        .shards = sync->shards,
        .shard_count = sync->shard_count,
        .leases = table->leases,
        .lease_count = table->lease_count,
        .initial_position = table->application.initial_position,
    };
    enum weir_error error;

    if (!sync->is_new) {
        return WEIR_OK;
    }
    WEIR_ASSERT(sync->plan.create == NULL);
    if (may_hide_ancestors(table)) {
        return WEIR_ECORRUPT;
    }
    error = wi_shard_sync(sync->env, &input, &sync->plan);
    if (error != WEIR_OK) {
        return error;
    }
    sync->is_new = false;
    sync->may_clean = true;
    sync->created = 0;
    sync->failures = 0;
    if (sync->plan.has_hole && WI_RESYNC_MS < sync->interval_ms) {
        sync->next_at = wi_mono_add_ms(sync->asked_at, WI_RESYNC_MS);
    }
    return WEIR_OK;
}

size_t
wi_coordinator_sync_batch(
    const struct wi_coordinator_sync *sync, const struct wi_lease **ret_leases)
{
    size_t left = sync->plan.create_count - sync->created;

    WEIR_ASSERT(sync->created <= sync->plan.create_count);
    if (left == 0) {
        return 0;
    }
    *ret_leases = &sync->plan.create[sync->created];
    return left < WI_CREATE_MAX ? left : WI_CREATE_MAX;
}

void
wi_coordinator_sync_created(struct wi_coordinator_sync *sync, size_t count)
{
    WEIR_ASSERT(count <= sync->plan.create_count - sync->created);
    sync->created += count;
    if (sync->created == sync->plan.create_count) {
        wi_shard_sync_plan_free(sync->env, &sync->plan);
        sync->created = 0;
    }
}

/* A lease that was finished after the list was asked for may belong to a shard younger than the
 * list. */
static void
drop_finished_later(
    const struct wi_coordinator_sync *sync,
    const struct wi_lease_table *table,
    const struct wi_coordinator_facts *facts,
    size_t *indices,
    size_t *count)
{
    size_t kept = 0;

    for (size_t i = 0; i < *count; i++) {
        const struct wi_lease *lease = &table->leases[indices[i]];

        if (wi_coordinator_facts_was_finished(facts, lease, sync->asked_at)) {
            indices[kept++] = indices[i];
        }
    }
    *count = kept;
}

static enum weir_error
write_singles(
    const struct weir_env *env,
    const struct wi_lease_table *table,
    const size_t *indices,
    size_t count,
    struct wi_plan_singles *ret)
{
    size_t bounded = count < WI_SINGLES_MAX ? count : WI_SINGLES_MAX;

    ret->items = wi_alloc_array(env, bounded + 1, sizeof *ret->items);
    if (ret->items == NULL) {
        return WEIR_ENOMEM;
    }
    for (; ret->count < bounded; ret->count++) {
        const struct wi_lease *lease = &table->leases[indices[ret->count]];

        memcpy(ret->items[ret->count].key, lease->lease_key, sizeof lease->lease_key);
        ret->items[ret->count].epoch = lease->epoch;
    }
    return WEIR_OK;
}

enum weir_error
wi_coordinator_sync_clean(
    struct wi_coordinator_sync *sync,
    const struct wi_lease_table *table,
    const struct wi_coordinator_facts *facts,
    struct wi_plan_singles *ret)
{
    size_t *indices;
    size_t count = 0;
    enum weir_error error;

    WEIR_ASSERT(ret->items == NULL && ret->count == 0);
    if (!sync->may_clean) {
        return WEIR_OK;
    }
    indices = wi_alloc_array(sync->env, table->lease_count + 1, sizeof *indices);
    if (indices == NULL) {
        return WEIR_ENOMEM;
    }
    error = wi_lease_cleanup(sync->env, table, sync->shards, sync->shard_count, indices, &count);
    if (error == WEIR_OK) {
        drop_finished_later(sync, table, facts, indices, &count);
        sync->may_clean = count > 0;
        error = write_singles(sync->env, table, indices, count, ret);
    }
    wi_free(sync->env, indices);
    return error;
}
