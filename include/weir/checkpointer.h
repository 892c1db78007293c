/**
 * Checkpoints: how far a shard has been processed. A checkpoint never goes down, never passes what
 * was delivered, and is refused once the lease is lost (WEIR_ELEASELOST): then drop the effects.
 *
 * A checkpointer is lent to a callback; use it only until the callback returns, on any thread.
 */
#ifndef WEIR_CHECKPOINTER_H
#define WEIR_CHECKPOINTER_H

#include <weir/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct weir_checkpointer;

/**
 * Checkpoint at `record`: it and all before it have been processed. NULL means, inside
 * process_records, the whole batch; in other callbacks everything that was reported as done.
 * Durable on return; blocks for one commit, shared with other shards (about 1 to 5 ms). NULL before
 * this owner was handed a record leaves the checkpoint where it is; WEIR_OK does not prove then
 * that the lease is still held.
 * @return WEIR_ELEASELOST: another worker has the shard, stop; WEIR_EINVAL: below the last
 *         checkpoint or not delivered; WEIR_EBUSY, WEIR_EFULL, WEIR_EIO, WEIR_ETIMEOUT: try again,
 *         writing the same checkpoint twice is harmless
 */
WEIR_API WEIR_MUST_CHECK enum weir_error weir_checkpoint(
    struct weir_checkpointer *checkpointer, const struct weir_record *record);

/** The same for a position that the caller kept. */
WEIR_API WEIR_MUST_CHECK enum weir_error weir_checkpoint_at(
    struct weir_checkpointer *checkpointer,
    const struct weir_sequence_number *sequence_number,
    uint64_t sub_sequence_number);

/** Most application bytes of a prepared checkpoint. */
#define WEIR_CHECKPOINT_STATE_MAX 1024

/**
 * First phase of a two-phase checkpoint: store the position and up to WEIR_CHECKPOINT_STATE_MAX
 * bytes beside the checkpoint, without moving it. A later weir_checkpoint() at or past the position
 * commits and clears it. The next owner finds an uncommitted one with weir_checkpoint_pending().
 * A later call replaces it. `record` and errors as for weir_checkpoint(); besides, WEIR_EINVAL: the
 * state is too long, or `record` is NULL and there is no record yet that a checkpoint could name.
 */
WEIR_API WEIR_MUST_CHECK enum weir_error weir_checkpoint_prepare(
    struct weir_checkpointer *checkpointer,
    const struct weir_record *record,
    struct weir_bytes state);

/**
 * The prepared checkpoint that was not committed, if any.
 * @param ret_state at least WEIR_CHECKPOINT_STATE_MAX bytes
 * @return WEIR_ENOTFOUND if nothing is pending; any other error says nothing about that: return it
 */
WEIR_API WEIR_MUST_CHECK enum weir_error weir_checkpoint_pending(
    struct weir_checkpointer *checkpointer,
    struct weir_position *ret_position,
    void *ret_state,
    size_t *ret_state_length);

/** The last checkpoint that was accepted. */
WEIR_API struct weir_position weir_checkpoint_last(const struct weir_checkpointer *checkpointer);

/**
 * Milliseconds until this worker stops believing that it owns the shard unless a renewal succeeds;
 * 0 when it has stopped. Long callbacks ask now and then. Does not block.
 */
WEIR_API int64_t weir_lease_time_left_ms(const struct weir_checkpointer *checkpointer);

#ifdef __cplusplus
}
#endif

#endif
