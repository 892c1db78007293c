/**
 * The record processor: the user's callbacks.
 *
 * For each shard that a worker holds: initialize, then process_records again and again, then one of
 * lease_lost, shard_ended, shutdown_requested, then destroy. A shard_ended that fails is called
 * again, or followed by lease_lost or shutdown_requested if the shard is taken away meanwhile.
 * After weir_worker_abort(), or a drain that ran out of time, destroy comes alone: it must not
 * count on any of the three. Never two calls at once for one shard; different shards run at the
 * same time on different threads. Every slot may be NULL but process_records.
 */
#ifndef WEIR_PROCESSOR_H
#define WEIR_PROCESSOR_H

#include <weir/checkpointer.h>
#include <weir/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/** The shard a callback is about. Lent for the call; members may be added at the end. */
struct weir_shard_context {
    const char *worker_id;
    struct weir_token token;         /**< plant it in the sink before the first effect (fencing) */
    const struct weir_shard *shard;  /**< id, parents, hash range */
    struct weir_position checkpoint; /**< where this owner started */
    struct weir_str stream;          /**< bare name of the shard's stream, as in the token */
    struct weir_str shard_id; /**< the id that the stream itself gives the shard; with several
                               * streams shard->shard_id is "account:stream:epoch:id" */
};

/** One call's records. Lent for the call; members may be added at the end. */
struct weir_process_input {
    const struct weir_record *records; /**< in order; valid until the callback returns */
    size_t count;                      /**< >= 1 */
    int64_t millis_behind_latest;      /**< 0 at the tip of the shard */
    bool at_shard_end;                 /**< these are the last records of a closed shard */
    struct weir_token token;           /**< attempt counts redeliveries of this batch */
};

/** Start from WEIR_PROCESSOR_INIT, which sets struct_size: weir_worker_new() refuses a processor
 * without it. `context` is passed to every slot. */
struct weir_processor {
    size_t struct_size;
    void *context;

    /**
     * The shard was acquired and its parents are finished; also called when no record will come.
     * This is the place to plant shard->token in the sink and to read back the sink's position.
     * @param ret_state a pointer of the caller's, passed to the other slots; NULL by default
     * @return WEIR_OK, or an error: called again after a back-off. Free what a failed call has
     *         allocated: destroy is called only after one that succeeded.
     */
    enum weir_error (*initialize)(
        void *context,
        const struct weir_shard_context *shard,
        struct weir_checkpointer *checkpointer,
        void **ret_state);

    /**
     * Records to process.
     * @param ret_processed set it to i when records [0, i) are done and record i failed; ignored on
     *        WEIR_OK; 0 by default
     * @return WEIR_OK: all are done. Anything else: nothing is skipped; the records from
     *         `*ret_processed` on come again after a back-off with full jitter, attempt + 1, while
     *         the shard shows as blocked and other shards go on.
     */
    enum weir_error (*process_records)(
        void *context,
        void *state,
        const struct weir_process_input *input,
        struct weir_checkpointer *checkpointer,
        size_t *ret_processed);

    /** Another worker has the shard, or this one can no longer prove that it owns it. Write
     * nothing. */
    void (*lease_lost)(void *context, void *state);

    /**
     * All records of a closed shard are processed. After WEIR_OK weir itself writes SHARD_END and
     * the children start; an error: called again after a back-off, unless the lease is lost or the
     * shard is to be handed over before that.
     */
    enum weir_error (*shard_ended)(
        void *context, void *state, struct weir_checkpointer *checkpointer);

    /**
     * The shard is about to be handed over, or the worker stops: flush and checkpoint. Called once;
     * the release is written after the return, whatever it returns. With automatic checkpoints it
     * carries a final one, at the last record that process_records has reported as done. With
     * checkpoint_interval_ms 0 it carries none: what this call, or an earlier one, does not
     * checkpoint itself comes again at the next owner.
     */
    enum weir_error (*shutdown_requested)(
        void *context, void *state, struct weir_checkpointer *checkpointer);

    /** Last call for `state`: free it. */
    void (*destroy)(void *context, void *state);
};

#define WEIR_PROCESSOR_INIT                                                                        \
    {sizeof(struct weir_processor), NULL, NULL, NULL, NULL, NULL, NULL, NULL}

#ifdef __cplusplus
}
#endif

#endif
