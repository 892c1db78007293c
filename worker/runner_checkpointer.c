/* What a shard's runner gives the user's checkpointer. */
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/env.h>
#include <weir/error.h>
#include <weir/types.h>

#include "lease/lease_store.h"
#include "worker/checkpointer.h"
#include "worker/shard_runner.h"

/* A checkpoint without a record: inside process_records its whole batch, elsewhere what was
 * reported as done. Never all that was ever delivered: a part of that may have failed. */
static void
look(void *context, struct wi_checkpointer_view *ret)
{
    struct wi_runner *runner = context;
    const struct weir_clock *clock = &runner->shared->env->clock;

    ret->deadline = wi_runner_deadline(runner);
    pthread_mutex_lock(&runner->lock);
    ret->tracker = runner->engine.tracker;
    ret->reached = atomic_load(&runner->in_call_since_ns) != 0 ? runner->engine.batch_last
                                                               : runner->engine.tracker.processed;
    pthread_mutex_unlock(&runner->lock);
    ret->now = clock->mono(clock->context);
}

static struct wi_checkpoint_update
update_of(const struct wi_runner *runner, const struct weir_position *position)
{
    return (struct wi_checkpoint_update){.lease_key = runner->lease.lease_key,
                                         .owner = runner->lease.owner,
                                         .epoch = runner->lease.epoch,
                                         .position = *position};
}

static enum weir_error
checkpoint(void *context, const struct weir_position *wish)
{
    const struct wi_runner *runner = context;
    const struct wi_lease_store *store = runner->shared->store;
    struct wi_checkpoint_update update = update_of(runner, wish);
    enum weir_error result = WEIR_OK;
    enum weir_error error = store->ops->checkpoint(store->store, &update, 1, &result);

    return error == WEIR_OK ? result : error;
}

static void
done(void *context, const struct weir_position *wish, enum weir_error error)
{
    wi_runner_checkpoint_done(context, wish, error);
}

static enum weir_error
prepare(void *context, const struct weir_position *wish, struct weir_bytes state)
{
    struct wi_runner *runner = context;
    const struct wi_lease_store *store = runner->shared->store;
    struct wi_checkpoint_update update = update_of(runner, wish);
    enum weir_error error = store->ops->prepare(store->store, &update, state);

    if (error == WEIR_ELEASELOST) {
        wi_runner_tell(runner, WI_FACT_LEASE_LOST);
    }
    return error;
}

static enum weir_error
get_pending(void *context, struct weir_position *ret, void *ret_state, size_t *ret_length)
{
    const struct wi_runner *runner = context;
    const struct wi_lease_store *store = runner->shared->store;

    return store->ops->get_pending(
        store->store, runner->lease.lease_key, ret, ret_state, ret_length);
}

static const struct wi_checkpointer_ops ops = {
    .look = look,
    .checkpoint = checkpoint,
    .done = done,
    .prepare = prepare,
    .get_pending = get_pending,
};

const struct wi_checkpointer_ops *
wi_runner_checkpointer_ops(void)
{
    return &ops;
}
