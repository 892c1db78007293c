/*
 * What of a shard has been delivered, processed and checkpointed: the rules of G4 in one place.
 * Pure, embedded by value; the caller serialises calls for one shard.
 */
#ifndef WI_WORKER_CHECKPOINT_TRACKER_H
#define WI_WORKER_CHECKPOINT_TRACKER_H

#include <stdbool.h>
#include <stdint.h>

#include <weir/error.h>
#include <weir/types.h>

struct wi_checkpoint_tracker {
    struct weir_position checkpoint; /* in the table, as far as is known */
    struct weir_position delivered;  /* last position handed to the processor */
    struct weir_position processed;  /* everything up to here was reported as done */
    uint64_t processed_count;        /* records processed since the last checkpoint was written */
};

void wi_checkpoint_tracker_init(
    struct wi_checkpoint_tracker *tracker, const struct weir_position *checkpoint);

/* A batch that ends at `last` was handed to the processor. Never goes down on a redelivery. */
void wi_checkpoint_tracker_delivered(
    struct wi_checkpoint_tracker *tracker, const struct weir_position *last);

/* `count` more records, up to `last`, are done. */
void wi_checkpoint_tracker_processed(
    struct wi_checkpoint_tracker *tracker, const struct weir_position *last, uint64_t count);

/*
 * May the caller checkpoint at `wish`?
 * @return WEIR_OK; WEIR_EINVAL below the last checkpoint, beyond what was delivered, or a sentinel
 */
enum weir_error wi_checkpoint_tracker_check(
    const struct wi_checkpoint_tracker *tracker, const struct weir_position *wish);

/* The table has accepted `written`. */
void wi_checkpoint_tracker_written(
    struct wi_checkpoint_tracker *tracker, const struct weir_position *written);

/* True if processed is past checkpoint: an automatic checkpoint would move it. */
bool wi_checkpoint_tracker_is_dirty(const struct wi_checkpoint_tracker *tracker);

#endif
