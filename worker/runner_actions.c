#include "worker/runner_actions.h"

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <weir/env.h>
#include <weir/error.h>
#include <weir/processor.h>
#include <weir/stream.h>
#include <weir/types.h>

#include "coordinator/shard_sync.h"
#include "core/check.h"
#include "core/log.h"
#include "core/log_limit.h"
#include "core/metrics.h"
#include "core/position.h"
#include "core/shard_key.h"
#include "core/str.h"
#include "lease/lease_store.h"
#include "stream/batch.h"
#include "stream/stream_source.h"
#include "worker/fetch_budget.h"
#include "worker/processor_pool.h"
#include "worker/shard_consumer.h"
#include "worker/shard_runner.h"

static struct weir_str
shard_id(const struct wi_runner *runner)
{
    return wi_str(runner->shard.shard_id);
}

/* Of several streams the one that the shard belongs to. */
static struct weir_str
stream_name(const struct wi_runner *runner)
{
    const struct weir_str name = wi_shard_key_stream_name(shard_id(runner));

    return name.length > 0 ? name : wi_str(weir_stream_name(runner->shared->stream));
}

static struct weir_token
token_of(const struct wi_runner *runner, uint32_t attempt)
{
    return (struct weir_token){.stream = stream_name(runner),
                               .shard_id = shard_id(runner),
                               .lease_epoch = runner->lease.epoch,
                               .attempt = attempt};
}

static void
log_shard(const struct wi_runner *runner, enum weir_log_level level, const char *what)
{
    wi_log(
        runner->shared->env,
        level,
        "worker",
        "%s epoch %llu: %s",
        runner->shard.shard_id,
        (unsigned long long)runner->lease.epoch,
        what);
}

/* What will be tried again, and may fail as often. */
static void
complain(const struct wi_runner *runner, enum weir_log_level level, const char *what)
{
    char kind[WI_LOG_LIMIT_KIND_SIZE] = "";

    (void)snprintf(kind, sizeof kind, "%s %s", runner->shard.shard_id, what);
    wi_log_limited(
        &runner->shared->complaints,
        level,
        kind,
        "%s epoch %llu: %s",
        runner->shard.shard_id,
        (unsigned long long)runner->lease.epoch,
        what);
}

/* --- fetch ---------------------------------------------------------------------------------- */

static void
budget_give_back(struct wi_runner *runner)
{
    struct wi_runner_shared *shared = runner->shared;

    if (runner->budget_held > 0) {
        pthread_mutex_lock(&shared->budget_lock);
        wi_fetch_budget_give_back(&shared->budget, runner->budget_held);
        pthread_mutex_unlock(&shared->budget_lock);
        runner->budget_held = 0;
    }
}

static bool
budget_reserve(struct wi_runner *runner)
{
    struct wi_runner_shared *shared = runner->shared;

    pthread_mutex_lock(&shared->budget_lock);
    runner->budget_held = wi_fetch_budget_reserve(&shared->budget);
    pthread_mutex_unlock(&shared->budget_lock);
    return runner->budget_held > 0;
}

static struct weir_position
after(const struct weir_record *record)
{
    return (struct weir_position){.type = WEIR_AFTER_SEQUENCE_NUMBER,
                                  .sequence_number = record->sequence_number,
                                  .sub_sequence_number = record->sub_sequence_number};
}

/* Whether everything may have been handed to an earlier owner, as far as is known. */
static bool
replays_to_tip(const struct wi_runner *runner)
{
    return runner->replay_through.type == WEIR_SHARD_END;
}

/* A stream that cannot tell its newest number tells when there is no more: what came until then may
 * have been delivered before, what comes later was not there when this worker took the shard. */
static void
note_tip(struct wi_runner *runner, size_t count)
{
    const struct weir_get_result *fetched = &runner->fetched;

    if (replays_to_tip(runner) && fetched->millis_behind_latest == 0 &&
        count < runner->shared->batch_records_max &&
        fetched->next.type == WEIR_AFTER_SEQUENCE_NUMBER) {
        runner->replay_through = fetched->next;
        runner->replay_known = true;
    }
}

/* Mark what an earlier owner may have been handed already. */
static void
mark_replays(struct wi_runner *runner, struct weir_batch *batch)
{
    for (size_t i = 0; i < batch->record_count; i++) {
        struct weir_position position = after(&batch->records[i]);

        if (wi_checkpoint_compare(&position, &runner->replay_through) > 0) {
            return; /* in order, so none of the rest either */
        }
        batch->records[i].replay_possible = true;
    }
}

/* A closed shard that retention has taken as a whole is listed no more; without the stream itself
 * nothing can be said. */
static bool
is_out_of_retention(struct wi_runner *runner)
{
    struct weir_stream_description description = {0};
    enum weir_error error =
        wi_stream_describe_of(runner->shared->stream, shard_id(runner), &description, NULL);
    bool is_listed = false;

    for (size_t i = 0; i < description.shard_count && error == WEIR_OK; i++) {
        is_listed |= strcmp(description.shards[i].shard_id, runner->shard.shard_id) == 0;
    }
    weir_stream_description_free(runner->shared->stream, &description);
    return error == WEIR_OK && !is_listed;
}

/* A fetch over a network waits like a commit does: others may run meanwhile. */
static enum weir_error
get_records(struct wi_runner *runner, const struct weir_position *from, struct weir_batch *batch)
{
    struct wi_runner_shared *shared = runner->shared;
    const bool is_local = wi_stream_fetch_is_local(shared->stream);
    enum weir_error error = WEIR_OK;

    if (!is_local) {
        wi_processor_pool_wait_begins(shared->pool);
    }
    error = weir_stream_get(
        shared->stream,
        &(struct weir_get_request){.shard_id = shard_id(runner),
                                   .from = *from,
                                   .records_max = shared->batch_records_max,
                                   .bytes_max = runner->budget_held},
        batch,
        &runner->fetched);
    if (!is_local) {
        wi_processor_pool_wait_ends(shared->pool);
    }
    /* Too early for a stream that says when to come back is no failure of the shard. */
    return error == WEIR_ETHROTTLED && runner->fetched.retry_after_ms > 0 ? WEIR_EBUSY : error;
}

static void
perform_fetch(
    struct wi_runner *runner,
    const struct wi_consumer_action *action,
    struct weir_batch *batch,
    struct wi_consumer_event *event)
{
    struct wi_runner_shared *shared = runner->shared;

    event->type = WI_CONSUMER_FETCHED;
    budget_give_back(runner); /* of a batch that was fetched and then not wanted any more */
    if (!budget_reserve(runner)) {
        event->error = WEIR_EBUSY; /* the engine backs off: memory is at its bound (G7) */
        return;
    }
    atomic_store(&runner->slot_seen, wi_stream_slot_word(shared->stream, shard_id(runner)));
    memset(&runner->fetched, 0, sizeof runner->fetched);
    event->error = get_records(runner, &action->position, batch);
    wi_counter_add(&shared->metrics.fetches, 1);
    if (event->error == WEIR_ENOTFOUND && is_out_of_retention(runner)) {
        event->error = WEIR_ETRIMMED;
        runner->fetched.at_shard_end = true;
    }
    if (event->error == WEIR_ETRIMMED) {
        complain(runner, WEIR_LOG_ERROR, "records were trimmed before they were read");
    } else if (event->error != WEIR_OK && event->error != WEIR_EBUSY) {
        complain(runner, WEIR_LOG_WARN, weir_error_text(event->error));
    }
    runner->batch_count =
        event->error == WEIR_OK || event->error == WEIR_ECORRUPT ? weir_batch_count(batch) : 0;
    event->count = runner->batch_count;
    event->next = runner->fetched.next;
    event->at_shard_end = runner->fetched.at_shard_end;
    event->retry_after_ms = runner->fetched.retry_after_ms;
    if (event->error == WEIR_OK) {
        note_tip(runner, event->count);
    }
    if (event->count > 0) {
        const struct weir_record *records = weir_batch_records(batch);

        event->first = after(&records[0]);
        event->last = after(&records[event->count - 1]);
        mark_replays(runner, batch);
    } else {
        budget_give_back(runner);
    }
}

/* --- callbacks ------------------------------------------------------------------------------ */

/* After a crash of an earlier owner nobody knows how far it got: all that was in the shard when
 * this worker took it may have been delivered before. */
static enum weir_error
find_replay_end(struct wi_runner *runner)
{
    bool any = false;
    enum weir_error error = WEIR_OK;

    if (runner->replay_known || replays_to_tip(runner)) {
        return WEIR_OK;
    }
    runner->replay_through = (struct weir_position){.type = WEIR_TRIM_HORIZON};
    error = wi_stream_tail(
        runner->shared->stream, shard_id(runner), &runner->replay_through.sequence_number, &any);
    if (error == WEIR_OK && any) {
        runner->replay_through.type = WEIR_AFTER_SEQUENCE_NUMBER;
    }
    if (error == WEIR_ENOTFOUND) {
        error = WEIR_OK; /* out of retention: nothing of it is left to be delivered again */
    }
    if (error == WEIR_EUNSUPPORTED) {
        runner->replay_through.type = WEIR_SHARD_END;
        return WEIR_OK;
    }
    runner->replay_known = error == WEIR_OK;
    return error;
}

static void
perform_initialize(struct wi_runner *runner, struct wi_consumer_event *event)
{
    const struct weir_processor *processor = &runner->shared->processor;
    struct weir_shard_context context = {
        .worker_id = runner->shared->worker_id,
        .token = token_of(runner, 1),
        .shard = &runner->shard,
        .checkpoint = runner->lease.checkpoint,
        .stream = stream_name(runner),
        .shard_id = wi_shard_key_shard(shard_id(runner))};

    event->type = WI_CONSUMER_INITIALIZED;
    event->error = find_replay_end(runner);
    if (event->error == WEIR_OK && processor->initialize != NULL) {
        runner->state = NULL; /* of a call that failed */
        event->error = processor->initialize(
            processor->context, &context, &runner->checkpointer, &runner->state);
    }
    if (event->error != WEIR_OK) {
        complain(runner, WEIR_LOG_WARN, "initialize failed; it will be called again");
    }
}

static void
perform_process(
    struct wi_runner *runner,
    const struct wi_consumer_action *action,
    struct weir_batch *batch,
    struct wi_consumer_event *event)
{
    struct wi_runner_shared *shared = runner->shared;
    const struct weir_processor *processor = &shared->processor;
    struct weir_process_input input = {
        .records = weir_batch_records(batch),
        .count = runner->batch_count,
        .millis_behind_latest = runner->fetched.millis_behind_latest,
        .at_shard_end = runner->fetched.at_shard_end,
        .token = token_of(runner, action->attempt)};
    size_t processed = 0;

    WEIR_ASSERT(input.count > 0);
    atomic_store(&runner->in_call_since_ns, shared->env->clock.mono(shared->env->clock.context).ns);
    event->type = WI_CONSUMER_PROCESSED;
    event->error = processor->process_records(
        processor->context, runner->state, &input, &runner->checkpointer, &processed);
    atomic_store(&runner->in_call_since_ns, 0);
    wi_counter_add(&shared->metrics.records_delivered, input.count);
    if (event->error == WEIR_OK) {
        processed = input.count;
        runner->bytes_processed += batch->byte_count;
    } else {
        processed = processed < input.count ? processed : input.count - 1;
        wi_counter_add(&shared->metrics.batches_failed, 1);
        complain(runner, WEIR_LOG_WARN, "process_records failed; the rest will be retried");
    }
    wi_counter_add(&shared->metrics.records_processed, processed);
    event->processed = processed;
    if (processed > 0) {
        event->processed_through = after(&input.records[processed - 1]);
    }
    budget_give_back(runner);
}

static void
perform_call(
    struct wi_runner *runner, enum wi_consumer_action_type call, struct wi_consumer_event *event)
{
    const struct weir_processor *processor = &runner->shared->processor;

    event->type = WI_CONSUMER_CALL_RETURNED;
    if (call == WI_CONSUMER_CALL_LEASE_LOST) {
        log_shard(runner, WEIR_LOG_WARN, "the lease is lost");
        wi_counter_add(&runner->shared->metrics.leases_lost, 1);
        if (processor->lease_lost != NULL) {
            processor->lease_lost(processor->context, runner->state);
        }
    } else if (call == WI_CONSUMER_CALL_SHARD_ENDED && processor->shard_ended != NULL) {
        event->error =
            processor->shard_ended(processor->context, runner->state, &runner->checkpointer);
    } else if (
        call == WI_CONSUMER_CALL_SHUTDOWN_REQUESTED && processor->shutdown_requested != NULL) {
        event->error =
            processor->shutdown_requested(processor->context, runner->state, &runner->checkpointer);
    }
}

/* --- writes --------------------------------------------------------------------------------- */

static void
perform_anchor(
    struct wi_runner *runner,
    const struct wi_consumer_action *action,
    struct wi_consumer_event *event)
{
    const struct wi_lease_store *store = runner->shared->store;
    struct wi_checkpoint_update update = {
        .lease_key = runner->lease.lease_key,
        .owner = runner->lease.owner,
        .epoch = runner->lease.epoch,
        .position = action->position};
    enum weir_error result = WEIR_OK;

    budget_give_back(runner); /* the batch that showed where the shard begins comes again */
    event->type = WI_CONSUMER_ANCHORED;
    event->error = store->ops->checkpoint(store->store, &update, 1, &result);
    if (event->error == WEIR_OK) {
        event->error = result;
    }
}

/* C42: whether the child's lease may be created here; if its other parent has none yet, that one's
 * owner creates it at the end of that shard. */
static enum weir_error
may_create(
    struct wi_runner *runner,
    const struct weir_stream_description *description,
    const struct weir_shard *child,
    bool *ret_may)
{
    const struct wi_lease_store *store = runner->shared->store;
    const char *other = wi_shard_other_parent(
        description->shards, description->shard_count, child, runner->shard.shard_id);
    struct wi_lease lease;
    enum weir_error error = other == NULL ? WEIR_OK : store->ops->get(store->store, other, &lease);

    *ret_may = error != WEIR_ENOTFOUND;
    /* A row that cannot be read is a row. */
    return error == WEIR_ENOTFOUND || weir_error_class(error) == WEIR_CLASS_DATA ? WEIR_OK : error;
}

/* The rows of the children that the stream named at the shard's end. */
static enum weir_error
children_of(struct wi_runner *runner, struct wi_lease *ret_children, size_t *ret_count)
{
    struct weir_stream_description description = {0};
    const struct weir_position horizon = {.type = WEIR_TRIM_HORIZON};
    enum weir_error error =
        wi_stream_describe_of(runner->shared->stream, shard_id(runner), &description, NULL);

    *ret_count = 0;
    if (error != WEIR_OK) {
        return error;
    }
    for (size_t i = 0; i < description.shard_count && error == WEIR_OK; i++) {
        const struct weir_shard *shard = &description.shards[i];
        bool is_child = strcmp(shard->parent_shard_ids[0], runner->shard.shard_id) == 0 ||
                        strcmp(shard->parent_shard_ids[1], runner->shard.shard_id) == 0;

        if (is_child && *ret_count < WEIR_CHILDREN_MAX) {
            error = may_create(runner, &description, shard, &is_child);
        }
        if (error == WEIR_OK && is_child && *ret_count < WEIR_CHILDREN_MAX) {
            wi_lease_for_shard(shard, &horizon, &ret_children[(*ret_count)++]);
        }
    }
    weir_stream_description_free(runner->shared->stream, &description);
    return error;
}

static void
perform_finish(struct wi_runner *runner, struct wi_consumer_event *event)
{
    const struct wi_lease_store *store = runner->shared->store;
    struct wi_lease children[WEIR_CHILDREN_MAX];
    struct wi_shard_finish finish = {
        .lease_key = runner->lease.lease_key,
        .owner = runner->lease.owner,
        .epoch = runner->lease.epoch,
        .children = children};

    event->type = WI_CONSUMER_FINISHED;
    atomic_store(&runner->releasing, true);
    event->error = children_of(runner, children, &finish.child_count);
    if (event->error == WEIR_OK) {
        event->error = store->ops->finish_shard(store->store, &finish);
    }
}

static void
perform_release(
    struct wi_runner *runner,
    const struct wi_consumer_action *action,
    struct wi_consumer_event *event)
{
    const struct wi_lease_store *store = runner->shared->store;
    char to[WEIR_OWNER_SIZE];
    struct wi_release release = {
        .lease_key = runner->lease.lease_key,
        .owner = runner->lease.owner,
        .epoch = runner->lease.epoch,
        .to = to,
        .has_checkpoint = action->has_checkpoint,
        .checkpoint = action->checkpoint,
        .handed_through = action->handed_through,
        .covers_earlier = runner->replay_known};
    enum weir_error result = WEIR_OK;

    budget_give_back(runner); /* of a batch that the stop came before */
    pthread_mutex_lock(&runner->lock);
    memcpy(to, runner->release_to, sizeof to);
    pthread_mutex_unlock(&runner->lock);
    /* Records up to the end of the earlier owners' reach stay suspect until this owner passed it.
     */
    if (runner->replay_known &&
        wi_checkpoint_compare(&release.handed_through, &runner->replay_through) < 0) {
        release.handed_through = runner->replay_through;
    }
    atomic_store(&runner->releasing, true);
    event->type = WI_CONSUMER_RELEASED;
    event->error = store->ops->release(store->store, &release, 1, &result);
    if (event->error == WEIR_OK) {
        event->error = result;
    }
    if (event->error == WEIR_OK) {
        wi_counter_add(&runner->shared->metrics.leases_handed_over, 1);
    }
}

void
wi_runner_perform(
    struct wi_runner *runner,
    const struct wi_consumer_action *action,
    struct weir_batch *batch,
    struct wi_consumer_event *ret_event)
{
    switch (action->type) {
    case WI_CONSUMER_CALL_INITIALIZE:
        perform_initialize(runner, ret_event);
        break;
    case WI_CONSUMER_FETCH:
        perform_fetch(runner, action, batch, ret_event);
        break;
    case WI_CONSUMER_CALL_PROCESS_RECORDS:
        perform_process(runner, action, batch, ret_event);
        break;
    case WI_CONSUMER_CALL_LEASE_LOST:
    case WI_CONSUMER_CALL_SHARD_ENDED:
    case WI_CONSUMER_CALL_SHUTDOWN_REQUESTED:
        perform_call(runner, action->type, ret_event);
        break;
    case WI_CONSUMER_ANCHOR:
        wi_processor_pool_wait_begins(runner->shared->pool);
        perform_anchor(runner, action, ret_event);
        wi_processor_pool_wait_ends(runner->shared->pool);
        break;
    case WI_CONSUMER_FINISH_SHARD:
        wi_processor_pool_wait_begins(runner->shared->pool);
        perform_finish(runner, ret_event);
        wi_processor_pool_wait_ends(runner->shared->pool);
        break;
    case WI_CONSUMER_RELEASE:
        wi_processor_pool_wait_begins(runner->shared->pool);
        perform_release(runner, action, ret_event);
        wi_processor_pool_wait_ends(runner->shared->pool);
        break;
    case WI_CONSUMER_WAIT:
    case WI_CONSUMER_DONE:
        WEIR_ASSERT(false);
        break;
    }
}

void
wi_runner_finish(struct wi_runner *runner)
{
    const struct weir_processor *processor = &runner->shared->processor;

    budget_give_back(runner);
    if (processor->destroy != NULL && runner->engine.initialized) {
        processor->destroy(processor->context, runner->state);
    }
}
