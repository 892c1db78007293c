/* The processor's side of checkpoints. Called on processor threads, and on threads of the user. */
#include <pthread.h>
#include <stdint.h>
#include <string.h>

#include <weir/checkpointer.h>
#include <weir/env.h>
#include <weir/error.h>
#include <weir/types.h>

#include "core/mono.h"
#include "lease/lease_store.h"
#include "worker/checkpoint_tracker.h"
#include "worker/shard_runner.h"

static struct weir_mono
now_of(const struct wi_runner *runner)
{
    const struct weir_clock *clock = &runner->shared->env->clock;

    return clock->mono(clock->context);
}

static struct wi_checkpoint_update
update_of(const struct wi_runner *runner, const struct weir_position *position)
{
    return (struct wi_checkpoint_update){.lease_key = runner->lease.lease_key,
                                         .owner = runner->lease.owner,
                                         .epoch = runner->lease.epoch,
                                         .position = *position};
}

/* Rules that need no table: the deadline (R2), and what was delivered (G4). */
static enum weir_error
may_checkpoint(struct wi_runner *runner, const struct weir_position *wish)
{
    enum weir_error error = WEIR_OK;

    if (!wi_mono_before(now_of(runner), wi_runner_deadline(runner))) {
        return WEIR_ELEASELOST;
    }
    pthread_mutex_lock(&runner->lock);
    error = wi_checkpoint_tracker_check(&runner->engine.tracker, wish);
    pthread_mutex_unlock(&runner->lock);
    return error;
}

/* What a checkpoint without a record means: inside process_records its whole batch, elsewhere what
 * was reported as done. Never all that was ever delivered: a part of that may have failed. */
static struct weir_position
reached(struct wi_runner *runner)
{
    struct weir_position position = {0};

    pthread_mutex_lock(&runner->lock);
    position = atomic_load(&runner->in_call_since_ns) != 0 ? runner->engine.batch_last
                                                           : runner->engine.tracker.processed;
    pthread_mutex_unlock(&runner->lock);
    return position;
}

static struct weir_position
wish_of(struct wi_runner *runner, const struct weir_record *record)
{
    if (record == NULL) {
        return reached(runner);
    }
    return (struct weir_position){.type = WEIR_AFTER_SEQUENCE_NUMBER,
                                  .sequence_number = record->sequence_number,
                                  .sub_sequence_number = record->sub_sequence_number};
}

static enum weir_error
checkpoint(struct wi_runner *runner, const struct weir_position *wish)
{
    const struct wi_lease_store *store = runner->shared->store;
    struct wi_checkpoint_update update = update_of(runner, wish);
    enum weir_error result = WEIR_OK;
    enum weir_error error = WEIR_OK;

    if (wish->type != WEIR_AFTER_SEQUENCE_NUMBER) {
        return WEIR_OK; /* nothing was delivered yet: the checkpoint stands where it stood */
    }
    error = may_checkpoint(runner, wish);
    if (error == WEIR_OK) {
        error = store->ops->checkpoint(store->store, &update, 1, &result);
    }
    error = error == WEIR_OK ? result : error;
    wi_runner_checkpoint_done(runner, wish, error);
    return error;
}

enum weir_error
weir_checkpoint(struct weir_checkpointer *checkpointer, const struct weir_record *record)
{
    struct weir_position wish = {0};

    if (checkpointer == NULL) {
        return WEIR_EINVAL;
    }
    wish = wish_of(checkpointer->runner, record);
    return checkpoint(checkpointer->runner, &wish);
}

enum weir_error
weir_checkpoint_at(
    struct weir_checkpointer *checkpointer,
    const struct weir_sequence_number *sequence_number,
    uint64_t sub_sequence_number)
{
    struct weir_position wish = {
        .type = WEIR_AFTER_SEQUENCE_NUMBER, .sub_sequence_number = sub_sequence_number};

    if (checkpointer == NULL || sequence_number == NULL) {
        return WEIR_EINVAL;
    }
    wish.sequence_number = *sequence_number;
    return checkpoint(checkpointer->runner, &wish);
}

enum weir_error
weir_checkpoint_prepare(
    struct weir_checkpointer *checkpointer,
    const struct weir_record *record,
    struct weir_bytes state)
{
    struct wi_runner *runner = NULL;
    struct weir_position wish = {0};
    struct wi_checkpoint_update update;
    enum weir_error error = WEIR_OK;

    if (checkpointer == NULL || state.length > WEIR_CHECKPOINT_STATE_MAX ||
        (state.data == NULL && state.length > 0)) {
        return WEIR_EINVAL;
    }
    runner = checkpointer->runner;
    wish = wish_of(runner, record);
    error = may_checkpoint(runner, &wish);
    if (error != WEIR_OK) {
        return error;
    }
    update = update_of(runner, &wish);
    error = runner->shared->store->ops->prepare(runner->shared->store->store, &update, state);
    if (error == WEIR_ELEASELOST) {
        wi_runner_tell(runner, WI_FACT_LEASE_LOST);
    }
    return error;
}

enum weir_error
weir_checkpoint_pending(
    struct weir_checkpointer *checkpointer,
    struct weir_position *ret_position,
    void *ret_state,
    size_t *ret_state_length)
{
    const struct wi_lease_store *store = NULL;

    if (checkpointer == NULL || ret_position == NULL || ret_state == NULL ||
        ret_state_length == NULL) {
        return WEIR_EINVAL;
    }
    store = checkpointer->runner->shared->store;
    return store->ops->get_pending(
        store->store,
        checkpointer->runner->lease.lease_key,
        ret_position,
        ret_state,
        ret_state_length);
}

struct weir_position
weir_checkpoint_last(const struct weir_checkpointer *checkpointer)
{
    struct wi_runner *runner = checkpointer->runner;
    struct weir_position position = {0};

    pthread_mutex_lock(&runner->lock);
    position = runner->engine.tracker.checkpoint;
    pthread_mutex_unlock(&runner->lock);
    return position;
}

int64_t
weir_lease_time_left_ms(const struct weir_checkpointer *checkpointer)
{
    const struct wi_runner *runner = checkpointer->runner;
    struct weir_mono now = now_of(runner);
    struct weir_mono deadline = wi_runner_deadline(runner);

    return wi_mono_before(now, deadline) ? wi_mono_elapsed_ms(now, deadline) : 0;
}
