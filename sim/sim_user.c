#include "sim/sim_user.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <weir/checkpointer.h>
#include <weir/error.h>
#include <weir/processor.h>
#include <weir/sim.h>
#include <weir/types.h>

#include "core/check.h"
#include "core/memory.h"
#include "core/position.h"
#include "core/str.h"
#include "lease/lease.h"
#include "sim/history.h"
#include "sim/sim.h"
#include "sim/sim_consumer.h"
#include "sim/sim_fault.h"
#include "sim/sim_fiber.h"
#include "sim/sim_node.h"
#include "sim/sim_processor.h"
#include "sim/sim_sink.h"
#include "sim/sim_store.h"
#include "sim/sim_stream.h"
#include "sim/sim_user_record.h"
#include "sim/sim_world.h"
#include "worker/checkpoint_tracker.h"
#include "worker/checkpointer.h"
#include "worker/shard_consumer.h"

#define STREAM_NAME "simulated"

struct wi_sim_user_call {
    struct wi_sim *sim;
    struct wi_sim_node *node;
    struct wi_sim_consumer *consumer;
    enum wi_consumer_action_type type;
    struct wi_sim_fiber *fiber;
    bool is_dead; /* its process is over: nothing has an effect any more */
    struct weir_checkpointer checkpointer;
    struct weir_record *records;
    struct wi_sim_record_text *texts;

    enum weir_error answer; /* of the request that it waits for */
    int64_t began_ns;       /* of the checkpoint under way */
    struct weir_position pending;
    size_t pending_length;
    uint8_t pending_state[WEIR_CHECKPOINT_STATE_MAX];

    enum weir_error error; /* what the callback returned */
    size_t processed;
};

bool
wi_sim_has_user(const struct wi_sim *sim)
{
    return sim->options->application != NULL;
}

static struct wi_sim_user_process *
process_of(struct wi_sim *sim, const struct wi_sim_node *node)
{
    return &sim->users.processes[node->slot];
}

bool
wi_sim_user_is_in_call(const struct wi_sim *sim)
{
    return sim->users.running != NULL;
}

bool
wi_sim_user_fault(struct wi_sim *sim, enum wi_sim_fault kind)
{
    bool happens = wi_sim_chance(&sim->world, WI_SIM_RANDOM_SINK, sim->plan.config.rate[kind]);

    if (happens) {
        wi_sim_count_fault(sim, kind);
    }
    return happens;
}

bool
wi_sim_user_is_poisoned(struct wi_sim *sim)
{
    const struct wi_sim_user_call *call = sim->users.running;

    return call != NULL && call->type == WI_CONSUMER_CALL_PROCESS_RECORDS &&
           wi_sim_processor_find_bad(
               sim, call->consumer, sim->processors.poison, sim->processors.poison_count) <
               call->consumer->count;
}

/* --- the fiber ------------------------------------------------------------------------------- */

static void call_has_ended(struct wi_sim *sim, struct wi_sim_user_call *call);

/* From the loop: on with the call, until it waits again or has returned. */
static void
go_on(struct wi_sim *sim, struct wi_sim_user_call *call)
{
    bool has_ended = false;

    WEIR_ASSERT(sim->users.running == NULL);
    sim->users.running = call;
    has_ended = wi_sim_fiber_resume(call->fiber);
    sim->users.running = NULL;
    WEIR_ASSERT(has_ended || !call->is_dead);
    if (has_ended && !call->is_dead) {
        call_has_ended(sim, call);
    }
}

static void
resume(struct wi_sim *sim, const struct wi_sim_event *at)
{
    struct wi_sim_node *node = &sim->nodes[at->node];
    struct wi_sim_consumer *consumer = wi_sim_consumer_find(node, at->argument);

    WEIR_ASSERT(consumer != NULL && consumer->call != NULL);
    go_on(sim, consumer->call);
    wi_sim_node_turn(sim, node);
}

bool
wi_sim_user_wait(struct wi_sim *sim, int64_t after_ns)
{
    struct wi_sim_user_call *call = sim->users.running;

    if (call == NULL) {
        return true;
    }
    if (!call->is_dead) {
        wi_sim_node_post(sim, call->node, after_ns, resume, call->consumer->id);
        wi_sim_fiber_yield(call->fiber);
    }
    return !call->is_dead;
}

/* --- the checkpointer ------------------------------------------------------------------------ */

/* As worker/runner_checkpointer.c. */
static void
look(void *context, struct wi_checkpointer_view *ret)
{
    struct wi_sim_user_call *call = context;
    const struct wi_consumer *engine = NULL;

    if (call->is_dead) {
        return; /* a deadline that has passed */
    }
    call->began_ns = call->sim->world.now_ns;
    engine = &call->consumer->engine;
    ret->now = wi_sim_node_now(call->sim, call->node);
    ret->deadline = wi_sim_consumer_deadline(call->node, call->consumer);
    ret->tracker = engine->tracker;
    ret->reached = call->type == WI_CONSUMER_CALL_PROCESS_RECORDS ? engine->batch_last
                                                                  : engine->tracker.processed;
}

static void
answered(struct wi_sim *sim, struct wi_sim_node *node, struct wi_sim_request *request)
{
    struct wi_sim_consumer *consumer = wi_sim_consumer_find(node, request->consumer);
    struct wi_sim_user_call *call = NULL;

    WEIR_ASSERT(consumer != NULL && consumer->call != NULL);
    call = consumer->call;
    call->answer = request->error == WEIR_OK ? request->items[0].result : request->error;
    call->pending = request->items[0].position;
    if (request->operation == WI_SIM_GET_PENDING && call->answer == WEIR_OK) {
        call->pending_length = request->state_length;
        memcpy(call->pending_state, request->state, request->state_length);
    }
    go_on(sim, call);
}

/* Send, and wait for the answer. */
static enum weir_error
ask(struct wi_sim_user_call *call,
    enum wi_sim_operation operation,
    const struct weir_position *wish,
    struct weir_bytes state)
{
    const struct wi_lease *lease = &call->consumer->lease;
    struct wi_sim_request *request = wi_sim_request_new(call->sim, call->node->slot, operation, 1);
    struct wi_sim_item *item = &request->items[0];

    memcpy(item->lease_key, lease->lease_key, sizeof item->lease_key);
    memcpy(item->owner, lease->owner, sizeof item->owner);
    item->epoch = lease->epoch;
    item->position = *wish;
    wi_sim_request_set_state(call->sim, request, state);
    request->consumer = call->consumer->id;
    request->answered = answered;
    wi_sim_request_send(call->sim, request);
    wi_sim_fiber_yield(call->fiber);
    return call->is_dead ? WEIR_ELEASELOST : call->answer;
}

/* A checkpoint inside a batch says that what it covers is processed. */
static void
tell_processed(struct wi_sim_user_call *call, const struct weir_position *wish)
{
    struct wi_sim_consumer *consumer = call->consumer;
    struct wi_history_event event = wi_sim_consumer_event(call->node, consumer);

    event.kind = WI_HISTORY_PROCESSED;
    event.last = wi_sim_position(call->sim, consumer->shard, wish);
    wi_sim_processor_note_done(call->sim, consumer, event.last);
    wi_sim_tell(call->sim, &event);
}

static enum weir_error
checkpoint(void *context, const struct weir_position *wish)
{
    struct wi_sim_user_call *call = context;

    if (call->type == WI_CONSUMER_CALL_PROCESS_RECORDS) {
        tell_processed(call, wish);
    }
    return ask(call, WI_SIM_CHECKPOINT, wish, (struct weir_bytes){NULL, 0});
}

/* As wi_runner_checkpoint_done(); the history has it where the call returns. */
static void
done(void *context, const struct weir_position *wish, enum weir_error error)
{
    struct wi_sim_user_call *call = context;
    struct wi_history_event event;

    if (call->is_dead) {
        return;
    }
    event = wi_sim_consumer_event(call->node, call->consumer);
    event.kind = WI_HISTORY_CHECKPOINT;
    event.last = wi_sim_position(call->sim, call->consumer->shard, wish);
    event.error = error;
    event.until_ns = call->began_ns;
    wi_sim_tell(call->sim, &event);
    if (error == WEIR_OK) {
        wi_checkpoint_tracker_written(&call->consumer->engine.tracker, wish);
    } else if (error == WEIR_ELEASELOST && !call->consumer->releasing) {
        wi_sim_consumer_tell(call->consumer, WI_SIM_FACT_LEASE_LOST);
    }
}

static enum weir_error
prepare(void *context, const struct weir_position *wish, struct weir_bytes state)
{
    struct wi_sim_user_call *call = context;
    enum weir_error error = ask(call, WI_SIM_PREPARE, wish, state);

    if (error == WEIR_ELEASELOST && !call->is_dead) {
        wi_sim_consumer_tell(call->consumer, WI_SIM_FACT_LEASE_LOST);
    }
    return error;
}

static enum weir_error
get_pending(void *context, struct weir_position *ret, void *ret_state, size_t *ret_length)
{
    struct wi_sim_user_call *call = context;
    const struct weir_position none = {.type = WEIR_TRIM_HORIZON};
    enum weir_error error = WEIR_ELEASELOST;

    if (!call->is_dead) {
        error = ask(call, WI_SIM_GET_PENDING, &none, (struct weir_bytes){NULL, 0});
    }
    if (error == WEIR_OK) {
        *ret = call->pending;
        *ret_length = call->pending_length;
        memcpy(ret_state, call->pending_state, call->pending_length);
    }
    return error;
}

static const struct wi_checkpointer_ops checkpointer_ops = {
    .look = look,
    .checkpoint = checkpoint,
    .done = done,
    .prepare = prepare,
    .get_pending = get_pending,
};

/* --- callbacks, in the fiber ----------------------------------------------------------------- */

static struct weir_token
token_of(const struct wi_sim_user_call *call, uint32_t attempt)
{
    return (struct weir_token){.stream = wi_str(STREAM_NAME),
                               .shard_id = wi_str(call->consumer->lease.shard_id),
                               .lease_epoch = call->consumer->lease.epoch,
                               .attempt = attempt};
}

static void
call_initialize(struct wi_sim_user_call *call, const struct weir_processor *processor)
{
    const struct wi_lease *lease = &call->consumer->lease;
    const struct weir_shard *listed = &wi_sim_shard(call->sim, call->consumer->shard)->shard;
    struct weir_shard shard = {.range = listed->range};
    char worker_id[WEIR_NAME_SIZE];
    const struct weir_shard_context context = {
        .worker_id = worker_id,
        .token = token_of(call, 1),
        .shard = &shard,
        .checkpoint = lease->checkpoint,
        .stream = wi_str(STREAM_NAME),
        .shard_id = wi_str(lease->shard_id)};

    (void)snprintf(worker_id, sizeof worker_id, "w%u", (unsigned)call->node->slot);
    memcpy(shard.shard_id, lease->shard_id, sizeof shard.shard_id);
    memcpy(shard.parent_shard_ids, lease->parent_shard_ids, sizeof shard.parent_shard_ids);
    if (processor->initialize != NULL) {
        call->consumer->user_state = NULL; /* of a call that failed */
        call->error = processor->initialize(
            processor->context, &context, &call->checkpointer, &call->consumer->user_state);
    }
    call->consumer->has_user_state = call->error == WEIR_OK;
}

static void
call_process(struct wi_sim_user_call *call, const struct weir_processor *processor)
{
    const struct wi_sim_consumer *consumer = call->consumer;
    const struct wi_sim_shard *shard = wi_sim_shard(call->sim, consumer->shard);
    const struct weir_process_input input = {
        .records = call->records,
        .count = consumer->count,
        .millis_behind_latest =
            consumer->first + consumer->count < shard->count
                ? (call->sim->world.now_ns - shard->records[consumer->first].arrival_ns) /
                      WI_SIM_NS_PER_MS
                : 0,
        .at_shard_end = consumer->engine.batch_at_shard_end,
        .token = token_of(call, consumer->attempt)};
    size_t processed = 0;

    call->error = processor->process_records(
        processor->context, consumer->user_state, &input, &call->checkpointer, &processed);
    call->processed = processed < consumer->count ? processed : consumer->count - 1U;
}

static void
run_call(void *argument)
{
    struct wi_sim_user_call *call = argument;
    const struct weir_processor *processor = &process_of(call->sim, call->node)->processor;
    void *state = call->consumer->user_state;

    if (call->is_dead) {
        return; /* it died before the callback had begun */
    }
    if (call->type == WI_CONSUMER_CALL_INITIALIZE) {
        call_initialize(call, processor);
    } else if (call->type == WI_CONSUMER_CALL_PROCESS_RECORDS) {
        call_process(call, processor);
    } else if (call->type == WI_CONSUMER_CALL_LEASE_LOST && processor->lease_lost != NULL) {
        processor->lease_lost(processor->context, state);
    } else if (call->type == WI_CONSUMER_CALL_SHARD_ENDED && processor->shard_ended != NULL) {
        call->error = processor->shard_ended(processor->context, state, &call->checkpointer);
    } else if (
        call->type == WI_CONSUMER_CALL_SHUTDOWN_REQUESTED &&
        processor->shutdown_requested != NULL) {
        (void)processor->shutdown_requested(processor->context, state, &call->checkpointer);
    }
}

/* --- calls, from the loop -------------------------------------------------------------------- */

static void
free_call(struct wi_sim *sim, struct wi_sim_user_call *call)
{
    call->consumer->call = NULL;
    wi_sim_fiber_free(&sim->users.fibers, call->fiber);
    wi_free(&sim->world.env, call->records);
    wi_free(&sim->world.env, call->texts);
    wi_free(&sim->world.env, call);
}

/* The history was told at the begin that it succeeds; now it is known that it does not. */
static void
tell_failure(struct wi_sim *sim, const struct wi_sim_user_call *call)
{
    struct wi_history_event event = wi_sim_consumer_event(call->node, call->consumer);

    event.kind =
        call->type == WI_CONSUMER_CALL_INITIALIZE ? WI_HISTORY_INITIALIZE : WI_HISTORY_SHARD_ENDED;
    event.error = call->error;
    wi_sim_tell(sim, &event);
}

static void
note_result(struct wi_sim *sim, const struct wi_sim_user_call *call)
{
    struct wi_consumer_event *result = &call->consumer->result;

    result->error = call->error;
    if (call->error == WEIR_OK) {
        return;
    }
    if (call->type != WI_CONSUMER_CALL_PROCESS_RECORDS) {
        tell_failure(sim, call);
        return;
    }
    result->processed = call->processed;
    if (call->processed > 0) {
        const struct weir_record *last = &call->records[call->processed - 1];

        result->processed_through = (struct weir_position){
            .type = WEIR_AFTER_SEQUENCE_NUMBER, .sequence_number = last->sequence_number};
    }
}

static void
call_has_ended(struct wi_sim *sim, struct wi_sim_user_call *call)
{
    struct wi_sim_node *node = call->node;
    struct wi_sim_consumer *consumer = call->consumer;

    note_result(sim, call);
    free_call(sim, call);
    wi_sim_processor_end_after(
        sim,
        node,
        consumer,
        wi_sim_log_between(&sim->world, WI_SIM_RANDOM_SINK, 1, 500) * WI_SIM_NS_PER_US);
}

/* A record that ends the process does so while it is worked on. */
static void
plant_death(struct wi_sim *sim, const struct wi_sim_user_call *call, int64_t after_ns)
{
    const struct wi_sim_processors *processors = &sim->processors;
    uint32_t killer = wi_sim_processor_find_bad(
        sim, call->consumer, processors->killer, processors->killer_count);

    if (call->type == WI_CONSUMER_CALL_PROCESS_RECORDS && killer < call->consumer->count) {
        int64_t later_us = wi_sim_log_between(&sim->world, WI_SIM_RANDOM_SINK, 1, 10000);

        wi_sim_count_fault(sim, WI_SIM_KILLER);
        wi_sim_node_post(
            sim,
            call->node,
            after_ns + later_us * WI_SIM_NS_PER_US,
            wi_sim_processor_die_of_record,
            0);
    }
}

static void
copy_records(struct wi_sim *sim, struct wi_sim_user_call *call)
{
    const struct wi_sim_consumer *consumer = call->consumer;
    struct wi_sim_shard *shard = wi_sim_shard(sim, consumer->shard);

    call->records = wi_sim_alloc(&sim->world, consumer->count, sizeof *call->records);
    call->texts = wi_sim_alloc(&sim->world, consumer->count, sizeof *call->texts);
    for (uint32_t i = 0; i < consumer->count; i++) {
        struct wi_sim_record *from = &shard->records[consumer->first + i];
        struct weir_record *record = &call->records[i];
        struct weir_position position = {.type = WEIR_AFTER_SEQUENCE_NUMBER};

        from->delivered = true;
        wi_sim_user_record(sim, from, &call->texts[i], record);
        position.sequence_number = record->sequence_number;
        record->replay_possible = wi_checkpoint_compare(&position, &consumer->replay_through) <= 0;
    }
}

void
wi_sim_user_call(
    struct wi_sim *sim,
    struct wi_sim_node *node,
    struct wi_sim_consumer *consumer,
    enum wi_consumer_action_type type)
{
    struct wi_sim_user_call *call = wi_sim_alloc(&sim->world, 1, sizeof *call);
    int64_t after_ns = wi_sim_processor_duration_ns(sim);

    WEIR_ASSERT(consumer->call == NULL);
    call->sim = sim;
    call->node = node;
    call->consumer = consumer;
    call->type = type;
    call->checkpointer = (struct weir_checkpointer){&checkpointer_ops, call};
    call->fiber = wi_sim_fiber_new(&sim->users.fibers, run_call, call);
    consumer->call = call;
    if (type == WI_CONSUMER_CALL_PROCESS_RECORDS) {
        copy_records(sim, call);
    }
    plant_death(sim, call, after_ns);
    wi_sim_node_post(sim, node, after_ns, resume, consumer->id);
}

void
wi_sim_user_destroy(
    struct wi_sim *sim, const struct wi_sim_node *node, struct wi_sim_consumer *consumer)
{
    const struct weir_processor *processor = &process_of(sim, node)->processor;

    if (consumer->has_user_state && processor->destroy != NULL) {
        processor->destroy(processor->context, consumer->user_state);
    }
    consumer->has_user_state = false;
    consumer->user_state = NULL;
}

/* --- processes ------------------------------------------------------------------------------- */

void
wi_sim_user_start(struct wi_sim *sim, const struct wi_sim_node *node)
{
    const struct weir_sim_application *application = sim->options->application;
    struct wi_sim_user_process *process = process_of(sim, node);
    char text[WEIR_SIM_NAME_SIZE];
    enum weir_error error = WEIR_OK;

    *process = (struct wi_sim_user_process){
        .is_started = true, .sink = {.sim = sim}, .processor = WEIR_PROCESSOR_INIT};
    error = application->worker_start(application->context, &process->sink, &process->processor);
    if (error == WEIR_OK && (process->processor.struct_size != sizeof process->processor ||
                             process->processor.process_records == NULL)) {
        error = WEIR_EINVAL;
    }
    if (error == WEIR_OK) {
        return;
    }
    process->is_started = false;
    wi_sim_sink_close(&process->sink);
    (void)snprintf(text, sizeof text, "worker_start: %s", weir_error_name(error));
    wi_sim_fail(sim, "U1", "user's processor", text);
}

/* Calls under way return, and what they do has no effect. */
static void
abandon(struct wi_sim *sim, struct wi_sim_consumer *consumer)
{
    struct wi_sim_user_call *call = consumer->call;

    if (call != NULL) {
        call->is_dead = true;
        go_on(sim, call);
        free_call(sim, call);
    }
}

void
wi_sim_user_end(struct wi_sim *sim, struct wi_sim_node *node)
{
    const struct weir_sim_application *application = sim->options->application;
    struct wi_sim_user_process *process = process_of(sim, node);

    if (!process->is_started) {
        return;
    }
    process->sink.is_over = true;
    for (size_t i = 0; i < node->consumer_count; i++) {
        abandon(sim, node->consumers[i]);
        wi_sim_user_destroy(sim, node, node->consumers[i]);
    }
    if (application->worker_end != NULL) {
        application->worker_end(application->context, &process->processor);
    }
    wi_sim_sink_close(&process->sink);
    process->is_started = false;
}
