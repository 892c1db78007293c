/* Rules H1 to H7, H13, H14 of docs/state-machines-consumer.md, "Scheduler". */
#include "worker/scheduler.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <weir/env.h>
#include <weir/types.h>

#include "core/check.h"
#include "core/mono.h"
#include "lease/lease.h"

/* Reads of the table take at most one part in so many of the time ... */
#define TABLE_READ_SHARE 5
/* ... but a slow one keeps the worker from the table for no longer than this part of the lease
 * duration: it may have been slow for another reason than its size. */
#define LONGEST_PAUSES_PER_DURATION 8

/* --- parents --- */

static const struct wi_lease *
find_lease(const struct wi_lease_table *table, const char *lease_key)
{
    size_t low = 0;
    size_t high = table->lease_count;

    WEIR_ASSERT(table->leases != NULL || table->lease_count == 0);
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(table->leases[middle].lease_key, lease_key);
        if (order == 0) {
            return &table->leases[middle];
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return NULL;
}

/* A lease key is the shard id, or ends in it after the stream: the parent's key begins the same. */
static void
parent_key(const struct wi_lease *lease, const char *parent_id, char ret[WEIR_LEASE_KEY_SIZE])
{
    size_t key_length = strlen(lease->lease_key);
    size_t id_length = strlen(lease->shard_id);
    size_t prefix = key_length >= id_length ? key_length - id_length : 0;
    size_t parent_length = strlen(parent_id);

    WEIR_ASSERT(key_length < WEIR_LEASE_KEY_SIZE);
    WEIR_ASSERT(prefix + parent_length < WEIR_LEASE_KEY_SIZE);
    memcpy(ret, lease->lease_key, prefix);
    memcpy(ret + prefix, parent_id, parent_length + 1);
}

/* Whether a row that is not in the picture may be one that could not be read. */
static bool
may_be_damaged(const struct wi_lease_table *table, const char *lease_key)
{
    WEIR_ASSERT(find_lease(table, lease_key) == NULL);
    return table->damaged_count > 1 ||
           (table->damaged_count == 1 && strcmp(table->first_damaged, lease_key) == 0);
}

/* No row means finished and cleaned up (H6). */
static bool
parent_is_finished(const struct wi_lease_table *table, const char *lease_key)
{
    const struct wi_lease *parent = find_lease(table, lease_key);

    if (parent != NULL) {
        return parent->checkpoint.type == WEIR_SHARD_END;
    }
    return !may_be_damaged(table, lease_key);
}

bool
wi_parents_are_finished(const struct wi_lease_table *table, const struct wi_lease *lease)
{
    char key[WEIR_LEASE_KEY_SIZE];

    WEIR_ASSERT(lease->lease_key[0] != '\0');
    for (size_t i = 0; i < WEIR_PARENTS_MAX; i++) {
        if (lease->parent_shard_ids[i][0] == '\0') {
            continue;
        }
        parent_key(lease, lease->parent_shard_ids[i], key);
        if (!parent_is_finished(table, key)) {
            return false;
        }
    }
    return true;
}

/* --- reads ---------------------------------------------------------------------------------- */

/* A row that is mended raises no hint. */
bool
wi_table_is_current(const struct wi_lease_table *table, uint32_t version)
{
    WEIR_ASSERT(table->leases != NULL || table->lease_count == 0);
    return table->version == version && table->damaged_count == 0;
}

struct weir_mono
wi_next_table_read(struct weir_mono started, struct weir_mono ended, int64_t lease_duration_ms)
{
    int64_t pause_ms = wi_mono_elapsed_ms(started, ended);
    int64_t longest_ms = lease_duration_ms / LONGEST_PAUSES_PER_DURATION;

    WEIR_ASSERT(lease_duration_ms > 0);
    pause_ms = pause_ms < longest_ms / (TABLE_READ_SHARE - 1) ? pause_ms * (TABLE_READ_SHARE - 1)
                                                              : longest_ms;
    return wi_mono_add_ms(ended, pause_ms);
}

/* --- the comparison --- */

/* Whether somebody else is there to take what this worker gives up (H5). */
static bool
others_can_take_over(const struct wi_schedule_input *input)
{
    const struct wi_lease_table *table = input->table;

    WEIR_ASSERT(table->workers != NULL || table->worker_count == 0);
    for (size_t i = 0; i < table->worker_count; i++) {
        const struct wi_worker *worker = &table->workers[i];
        if (worker->state == WI_OWNER_ALIVE && !worker->draining &&
            strcmp(worker->owner, input->owner) != 0) {
            return true;
        }
    }
    return false;
}

/* A fenced owner has nothing any more, whatever the row still says. */
static bool
is_mine(const struct wi_schedule_input *input, const struct wi_lease *lease)
{
    return strcmp(lease->owner, input->owner) == 0 && lease->owner_state != WI_OWNER_GONE;
}

struct plan {
    const struct wi_schedule_input *input;
    struct wi_schedule_item *items;
    size_t count;
    bool stop_all;
};

static void
add(struct plan *plan, enum wi_schedule_type type, size_t lease, size_t consumer)
{
    const struct wi_schedule_input *input = plan->input;

    WEIR_ASSERT(lease != SIZE_MAX || consumer != SIZE_MAX);
    WEIR_ASSERT(plan->count < input->table->lease_count + input->running_count);
    plan->items[plan->count++] = (struct wi_schedule_item){type, lease, consumer};
}

/* A lease without a consumer. */
static void
plan_idle(struct plan *plan, size_t i)
{
    const struct wi_lease *lease = &plan->input->table->leases[i];

    WEIR_ASSERT(lease->owner[0] == '\0' || lease->epoch > 0);
    if (!is_mine(plan->input, lease) || lease->revoked) {
        return;
    }
    if (lease->checkpoint.type == WEIR_SHARD_END || plan->input->draining || /* H4, H5 */
        lease->handoff.reason != WI_HANDOFF_NONE) {                          /* H3 */
        add(plan, WI_SCHEDULE_RELEASE, i, SIZE_MAX);
    } else { /* H1 */
        add(plan, WI_SCHEDULE_START, i, SIZE_MAX);
    }
}

/* A lease and the consumer that runs for it. */
static void
plan_running(struct plan *plan, size_t i, size_t j)
{
    const struct wi_lease *lease = &plan->input->table->leases[i];
    const struct wi_running_consumer *consumer = &plan->input->running[j];

    WEIR_ASSERT(strcmp(lease->lease_key, consumer->lease_key) == 0);
    if (consumer->stopping) { /* H7 */
        return;
    }
    if (!is_mine(plan->input, lease) || lease->epoch != consumer->epoch || lease->revoked) {
        add(plan, WI_SCHEDULE_LOST, i, j); /* H2 */
    } else if (lease->handoff.reason != WI_HANDOFF_NONE || plan->stop_all) {
        add(plan, WI_SCHEDULE_STOP, i, j); /* H3 */
    } else if (!consumer->parents_finished && wi_parents_are_finished(plan->input->table, lease)) {
        add(plan, WI_SCHEDULE_PARENTS_FINISHED, i, j); /* H6 */
    }
}

/* A consumer without a row. While the row may only be unreadable, the renewals decide (H2). */
static void
plan_without_row(struct plan *plan, size_t j)
{
    const struct wi_running_consumer *consumer = &plan->input->running[j];

    WEIR_ASSERT(consumer->lease_key[0] != '\0');
    if (!consumer->stopping && !may_be_damaged(plan->input->table, consumer->lease_key)) {
        add(plan, WI_SCHEDULE_LOST, SIZE_MAX, j);
    }
}

/* Which comes next: below 0 the lease i, above 0 the consumer j, 0 both. */
static int
compare_next(const struct wi_schedule_input *input, size_t i, size_t j)
{
    const struct wi_lease_table *table = input->table;

    WEIR_ASSERT(i < table->lease_count || j < input->running_count);
    if (i == table->lease_count) {
        return 1;
    }
    if (j == input->running_count) {
        return -1;
    }
    return strcmp(table->leases[i].lease_key, input->running[j].lease_key);
}

/* Both lists are sorted by key: walk along them side by side. */
void
wi_schedule(
    const struct wi_schedule_input *input, struct wi_schedule_item *ret_items, size_t *ret_count)
{
    const struct wi_lease_table *table = input->table;
    struct plan plan = {.input = input, .items = ret_items};
    size_t i = 0;
    size_t j = 0;

    WEIR_ASSERT(input->owner[0] != '\0');
    plan.stop_all = input->draining && (table->leader.passive || !others_can_take_over(input));
    while (i < table->lease_count || j < input->running_count) {
        int order = compare_next(input, i, j);
        if (order < 0) {
            plan_idle(&plan, i++);
        } else if (order > 0) {
            plan_without_row(&plan, j++);
        } else {
            plan_running(&plan, i++, j++);
        }
    }
    WEIR_ASSERT(plan.count <= table->lease_count + input->running_count);
    *ret_count = plan.count;
}
