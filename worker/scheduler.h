/*
 * From a picture of the lease table to what this worker has to do about its consumers. Pure:
 * compares what the table says with what runs, and lists the differences. Idempotent: applied twice
 * to the same picture it asks for nothing new.
 */
#ifndef WI_WORKER_SCHEDULER_H
#define WI_WORKER_SCHEDULER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/env.h>
#include <weir/error.h>

#include "lease/lease.h"

/* A consumer that runs, as the runtime knows it; sorted by lease_key. */
struct wi_running_consumer {
    const char *lease_key;
    uint64_t epoch;
    bool parents_finished; /* told already */
    bool stopping;         /* told to stop or that the lease is lost */
};

enum wi_schedule_type {
    WI_SCHEDULE_START,            /* lease: owned by this worker, nothing runs for it */
    WI_SCHEDULE_PARENTS_FINISHED, /* consumer: its parents are through */
    WI_SCHEDULE_STOP,   /* consumer: the row has a hand-off wish, or this worker drains alone */
    WI_SCHEDULE_LOST,   /* consumer: the row has another owner, epoch, is gone or revoked */
    WI_SCHEDULE_RELEASE /* lease: owned, with nothing running, and finished or not to stay */
};

struct wi_schedule_item {
    enum wi_schedule_type type;
    size_t lease;    /* index into the table; SIZE_MAX for a LOST whose row is gone */
    size_t consumer; /* index into the running ones; SIZE_MAX for START and RELEASE */
};

struct wi_schedule_input {
    const struct wi_lease_table *table;
    const char *owner; /* this worker */
    const struct wi_running_consumer *running;
    size_t running_count;
    bool draining;
};

/*
 * At most one item per consumer and one per lease. A draining worker starts nothing; if no other
 * live worker that is not draining exists, it stops everything itself (release to nobody).
 * @param ret_items room for lease_count + running_count
 */
void wi_schedule(
    const struct wi_schedule_input *input, struct wi_schedule_item *ret_items, size_t *ret_count);

/* Whether the leader's row alone tells what is new: H14. `version` of the hint, as it is now. */
bool wi_table_is_current(const struct wi_lease_table *table, uint32_t version);

/* When the table may be read again after a read from `started` to `ended`: H13. */
struct weir_mono wi_next_table_read(
    struct weir_mono started, struct weir_mono ended, int64_t lease_duration_ms);

/* True if every parent of `lease` is finished: SHARD_END, or no lease in the table. */
bool wi_parents_are_finished(const struct wi_lease_table *table, const struct wi_lease *lease);

#endif
