#include "worker/shard_runner.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include <weir/env.h>
#include <weir/error.h>
#include <weir/stream.h>
#include <weir/types.h>

#include "core/check.h"
#include "core/memory.h"
#include "core/metrics.h"
#include "core/str.h"
#include "lease/lease.h"
#include "worker/checkpoint_tracker.h"
#include "worker/checkpointer.h"
#include "worker/lease_renewer.h"
#include "worker/processor_pool.h"
#include "worker/runner_actions.h"
#include "worker/shard_consumer.h"
#include "worker/throughput.h"

/* A runner gives up its thread after this many batches if others wait for one. */
#define BATCHES_PER_TURN 16U

static struct weir_mono
now_of(const struct wi_runner *runner)
{
    const struct weir_clock *clock = &runner->shared->env->clock;

    return clock->mono(clock->context);
}

struct weir_mono
wi_runner_deadline(const struct wi_runner *runner)
{
    struct weir_mono session = {
        atomic_load_explicit(&runner->shared->session_deadline_ns, memory_order_acquire)};
    struct weir_mono verified = {atomic_load_explicit(&runner->verified_ns, memory_order_acquire)};

    return wi_lease_deadline(session, atomic_load(&runner->shared->hold_ms), verified);
}

/* The row names the shard, its parents and its range; that is what callbacks are told. */
static void
describe_shard(const struct wi_lease *lease, struct weir_shard *ret)
{
    memcpy(ret->shard_id, lease->shard_id, sizeof ret->shard_id);
    memcpy(ret->parent_shard_ids, lease->parent_shard_ids, sizeof ret->parent_shard_ids);
    ret->range = lease->range;
}

enum weir_error
wi_runner_new(
    struct wi_runner_shared *shared,
    const struct wi_lease *lease,
    struct weir_mono verified,
    struct wi_runner **ret)
{
    struct wi_runner *runner = wi_alloc(shared->env, sizeof *runner);
    const struct weir_rng *rng = &shared->env->rng;

    if (runner == NULL) {
        return WEIR_ENOMEM;
    }
    runner->shared = shared;
    runner->lease = *lease;
    describe_shard(lease, &runner->shard);
    runner->checkpointer = (struct weir_checkpointer){wi_runner_checkpointer_ops(), runner};
    runner->replay_through = lease->replay_through;
    runner->replay_known = lease->replay_exact;
    pthread_mutex_init(&runner->lock, NULL);
    wi_consumer_init(
        &runner->engine, &shared->settings, &lease->checkpoint, rng->next(rng->context));
    atomic_store(&runner->verified_ns, verified.ns);
    wi_throughput_note(&runner->throughput, 0, verified);
    *ret = runner;
    return WEIR_OK;
}

void
wi_runner_free(struct wi_runner *runner)
{
    if (runner == NULL) {
        return;
    }
    pthread_mutex_destroy(&runner->lock);
    wi_free(runner->shared->env, runner);
}

void
wi_runner_tell(struct wi_runner *runner, enum wi_runner_fact fact)
{
    atomic_fetch_or_explicit(&runner->facts, (unsigned)fact, memory_order_release);
    wi_processor_pool_ready(runner->shared->pool, &runner->runnable);
}

void
wi_runner_stop(struct wi_runner *runner, const char *to)
{
    pthread_mutex_lock(&runner->lock);
    (void)wi_str_copy(runner->release_to, sizeof runner->release_to, wi_str(to));
    pthread_mutex_unlock(&runner->lock);
    wi_runner_tell(runner, WI_FACT_STOP);
}

/* Enough records have been processed since the last checkpoint. */
static bool
is_flush_due(const struct wi_runner *runner)
{
    const struct wi_runner_shared *shared = runner->shared;

    return shared->settings.automatic_checkpoints && shared->checkpoint_records > 0 &&
           runner->engine.tracker.processed_count >= shared->checkpoint_records;
}

/* One step of the engine, with the time and the deadline that hold now. */
static struct wi_consumer_action
step(struct wi_runner *runner, struct wi_consumer_event *event)
{
    struct wi_consumer_action action;
    bool flush = false;

    event->now = now_of(runner);
    event->deadline = wi_runner_deadline(runner);
    pthread_mutex_lock(&runner->lock);
    action = wi_consumer_step(&runner->engine, event);
    flush = event->type == WI_CONSUMER_PROCESSED && event->processed > 0 && is_flush_due(runner);
    pthread_mutex_unlock(&runner->lock);
    if (flush) { /* not sooner: the flush has to find the records in the tracker */
        runner->shared->request_flush(runner->shared->context);
    }
    return action;
}

/* The highest-ranking fact that was posted; false if there is none. */
static bool
take_fact(struct wi_runner *runner, enum wi_consumer_event_type *ret)
{
    static const struct {
        enum wi_runner_fact fact;
        enum wi_consumer_event_type event;
    } ranked[] = {
        {WI_FACT_LEASE_LOST, WI_CONSUMER_LEASE_LOST},
        {WI_FACT_STOP, WI_CONSUMER_STOP},
        {WI_FACT_PARENTS_FINISHED, WI_CONSUMER_PARENTS_FINISHED},
        {WI_FACT_WAKE, WI_CONSUMER_WAKE},
    };
    unsigned facts = atomic_load_explicit(&runner->facts, memory_order_acquire);

    for (size_t i = 0; i < WI_ARRAY_LENGTH(ranked); i++) {
        if ((facts & (unsigned)ranked[i].fact) != 0) {
            atomic_fetch_and(&runner->facts, ~(unsigned)ranked[i].fact);
            *ret = ranked[i].event;
            return true;
        }
    }
    return false;
}

/* While an action is in flight the engine only notes facts, and answers WAIT. */
static void
note_facts(struct wi_runner *runner)
{
    struct wi_consumer_event event = {.type = WI_CONSUMER_STEP};

    while (take_fact(runner, &event.type)) {
        struct wi_consumer_action action = step(runner, &event);

        WEIR_ASSERT(action.type == WI_CONSUMER_WAIT);
    }
}

/* Nothing is in flight: facts one by one until one of them asks for something. */
static struct wi_consumer_action
next_action(struct wi_runner *runner)
{
    struct wi_consumer_event event = {.type = WI_CONSUMER_STEP};

    while (take_fact(runner, &event.type)) {
        struct wi_consumer_action action = step(runner, &event);

        if (action.type != WI_CONSUMER_WAIT) {
            return action;
        }
    }
    event.type = WI_CONSUMER_STEP;
    return step(runner, &event);
}

/* The pool ends, or another runner waits for a thread and this one has had its turn. */
static bool
should_yield(struct wi_runner *runner, const struct wi_consumer_action *action, unsigned *batches)
{
    if (action->type != WI_CONSUMER_FETCH) {
        return false;
    }
    if (wi_processor_pool_is_stopping(runner->shared->pool)) {
        return true;
    }
    if (++*batches < BATCHES_PER_TURN) {
        return false;
    }
    *batches = 0;
    return wi_processor_pool_is_crowded(runner->shared->pool);
}

enum wi_run_result
wi_runner_run(struct wi_runnable *runnable, struct weir_batch *batch, struct weir_mono *ret_wake_at)
{
    struct wi_runner *runner = (struct wi_runner *)runnable;
    struct wi_consumer_action action = runner->held;
    unsigned batches = 0;

    if (!runner->has_held) {
        action = next_action(runner);
    }
    runner->has_held = false;
    while (action.type != WI_CONSUMER_WAIT) {
        struct wi_consumer_event event = {.type = WI_CONSUMER_STEP};

        if (action.type == WI_CONSUMER_DONE) {
            wi_runner_finish(runner);
            return WI_RUN_FINISH;
        }
        if (should_yield(runner, &action, &batches)) {
            runner->held = action;
            runner->has_held = true;
            return WI_RUN_YIELD;
        }
        wi_runner_perform(runner, &action, batch, &event);
        note_facts(runner);
        action = step(runner, &event);
        if (action.type == WI_CONSUMER_WAIT) {
            action = next_action(runner);
        }
    }
    atomic_store(&runner->blocked, wi_consumer_is_blocked(&runner->engine));
    *ret_wake_at = action.until;
    return WI_RUN_PARK;
}

bool
wi_runner_checkpoint_due(struct wi_runner *runner, struct weir_position *ret)
{
    bool due = false;

    if (!runner->shared->settings.automatic_checkpoints || atomic_load(&runner->releasing)) {
        return false;
    }
    pthread_mutex_lock(&runner->lock);
    due = wi_checkpoint_tracker_is_dirty(&runner->engine.tracker) &&
          runner->engine.tracker.processed.type == WEIR_AFTER_SEQUENCE_NUMBER;
    if (due) {
        *ret = runner->engine.tracker.processed;
    }
    pthread_mutex_unlock(&runner->lock);
    return due;
}

void
wi_runner_checkpoint_done(
    struct wi_runner *runner, const struct weir_position *position, enum weir_error error)
{
    if (error == WEIR_OK) {
        pthread_mutex_lock(&runner->lock);
        wi_checkpoint_tracker_written(&runner->engine.tracker, position);
        pthread_mutex_unlock(&runner->lock);
        wi_counter_add(&runner->shared->metrics.checkpoints_written, 1);
    } else if (error == WEIR_ELEASELOST && !atomic_load(&runner->releasing)) {
        wi_counter_add(&runner->shared->metrics.checkpoints_refused, 1);
        wi_runner_tell(runner, WI_FACT_LEASE_LOST);
    } else if (error == WEIR_EINVAL) {
        wi_counter_add(&runner->shared->metrics.checkpoints_refused, 1);
    }
}
