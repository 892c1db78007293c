/*
 * What stands behind the user's checkpointer: the runtime's shard runner, or the simulator's
 * consumer. The rules are the same for both and stand in checkpointer.c.
 */
#ifndef WI_WORKER_CHECKPOINTER_H
#define WI_WORKER_CHECKPOINTER_H

#include <stddef.h>

#include <weir/env.h>
#include <weir/error.h>
#include <weir/types.h>

#include "worker/checkpoint_tracker.h"

/* One consistent look at the shard. */
struct wi_checkpointer_view {
    struct weir_mono now;
    struct weir_mono deadline; /* of the lease (R1) */
    struct wi_checkpoint_tracker tracker;
    struct weir_position reached; /* what a checkpoint without a record means */
};

/* Slots are called on the thread of the user's call; the writes block. */
struct wi_checkpointer_ops {
    void (*look)(void *context, struct wi_checkpointer_view *ret);
    enum weir_error (*checkpoint)(void *context, const struct weir_position *wish);
    /* What became of a checkpoint, also if it was refused without a write. */
    void (*done)(void *context, const struct weir_position *wish, enum weir_error error);
    enum weir_error (*prepare)(
        void *context, const struct weir_position *wish, struct weir_bytes state);
    enum weir_error (*get_pending)(
        void *context, struct weir_position *ret, void *ret_state, size_t *ret_length);
};

struct weir_checkpointer {
    const struct wi_checkpointer_ops *ops;
    void *context;
};

#endif
