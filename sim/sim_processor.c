#include "sim/sim_processor.h"

#include <stdint.h>
#include <string.h>

#include <weir/error.h>
#include <weir/types.h>

#include "core/check.h"
#include "core/mono.h"
#include "core/sequence_number.h"
#include "sim/history.h"
#include "sim/sim.h"
#include "sim/sim_consumer.h"
#include "sim/sim_fault.h"
#include "sim/sim_node.h"
#include "sim/sim_store.h"
#include "sim/sim_stream.h"
#include "sim/sim_user.h"
#include "sim/sim_world.h"
#include "worker/checkpoint_tracker.h"
#include "worker/shard_consumer.h"

void
wi_sim_processors_heal(struct wi_sim *sim)
{
    sim->processors.poison_count = 0;
    sim->processors.killer_count = 0;
    sim->processors.hang_until_ns = 0;
}

static bool
fault(struct wi_sim *sim, enum wi_sim_fault kind)
{
    bool happens = wi_sim_chance(&sim->world, WI_SIM_RANDOM_PROCESSOR, sim->plan.config.rate[kind]);

    if (happens) {
        wi_sim_count_fault(sim, kind);
    }
    return happens;
}

static const struct wi_sim_record *
record_at(struct wi_sim *sim, const struct wi_sim_consumer *consumer, size_t index)
{
    return &wi_sim_shard(sim, consumer->shard)->records[consumer->first + index];
}

/* --- the sink -------------------------------------------------------------------------------- */

/* Whether the sink takes the effect; an exactly-once sink keeps the position with it. */
static bool
accepts(struct wi_sim *sim, const struct wi_sim_consumer *consumer, uint64_t sequence)
{
    uint64_t *fence = &sim->processors.fence[consumer->shard - 1];
    uint64_t *position = &sim->processors.position[consumer->shard - 1];

    if (sim->plan.config.sink == WI_SIM_SINK_PLAIN) {
        return true;
    }
    if (consumer->lease.epoch < *fence) {
        return false;
    }
    *fence = consumer->lease.epoch;
    if (sim->plan.config.sink == WI_SIM_SINK_EXACTLY_ONCE) {
        if (sequence <= *position) {
            return false;
        }
        *position = sequence;
    }
    return true;
}

static void
apply_effects(
    struct wi_sim *sim,
    const struct wi_sim_node *node,
    struct wi_sim_consumer *consumer,
    uint32_t count)
{
    for (; consumer->applied < count; consumer->applied++) {
        const struct wi_sim_record *record = record_at(sim, consumer, consumer->applied);
        struct wi_history_event event = wi_sim_consumer_event(node, consumer);

        if (accepts(sim, consumer, record->sequence)) {
            event.kind = WI_HISTORY_EFFECT;
            event.first = record->sequence;
            event.key = record->key;
            event.fenced = sim->plan.config.sink != WI_SIM_SINK_PLAIN;
            wi_sim_tell(sim, &event);
        }
    }
}

int64_t
wi_sim_processor_duration_ns(struct wi_sim *sim)
{
    int64_t slow_ms = wi_sim_log_between(
        &sim->world, WI_SIM_RANDOM_PROCESSOR, 1, 3 * sim->plan.config.lease_duration_ms);
    int64_t quick_us = wi_sim_log_between(&sim->world, WI_SIM_RANDOM_PROCESSOR, 2, 1000);

    if (sim->processors.hang_until_ns > sim->world.now_ns) {
        int64_t left_ns = sim->processors.hang_until_ns - sim->world.now_ns;

        sim->processors.hang_until_ns = 0; /* one call hangs */
        return left_ns;
    }
    return fault(sim, WI_SIM_SLOW_PROCESSOR) ? slow_ms * WI_SIM_NS_PER_MS
                                             : quick_us * WI_SIM_NS_PER_US;
}

/* --- how a call ends ------------------------------------------------------------------------- */

static void
tell_end(struct wi_sim *sim, const struct wi_sim_node *node, const struct wi_sim_consumer *consumer)
{
    const struct wi_consumer_event *result = &consumer->result;
    struct wi_history_event event = wi_sim_consumer_event(node, consumer);

    event.kind = WI_HISTORY_END;
    event.error = result->error;
    event.attempt = consumer->attempt;
    event.count = result->error == WEIR_OK ? consumer->count : (uint32_t)result->processed;
    if (event.count > 0) {
        event.first = record_at(sim, consumer, 0)->sequence;
        event.last = record_at(sim, consumer, event.count - 1)->sequence;
    }
    wi_sim_tell(sim, &event);
}

void
wi_sim_processor_note_done(
    struct wi_sim *sim, const struct wi_sim_consumer *consumer, uint64_t through)
{
    const struct wi_sim_shard *shard = wi_sim_shard(sim, consumer->shard);

    for (uint32_t i = 0; i < consumer->count; i++) {
        struct wi_sim_record *record = &shard->records[consumer->first + i];

        record->done = record->done || record->sequence <= through;
    }
}

static void
flush_by_count(
    const struct wi_sim *sim, struct wi_sim_node *node, const struct wi_sim_consumer *consumer)
{
    uint64_t bound = sim->plan.config.checkpoint_records;
    uint64_t count =
        consumer->engine.tracker.processed_count +
        (consumer->result.error == WEIR_OK ? consumer->count : consumer->result.processed);

    if (bound > 0 && node->settings.automatic_checkpoints && count >= bound) {
        node->flush_hint = true;
    }
}

static void
call_ended(struct wi_sim *sim, const struct wi_sim_event *at)
{
    struct wi_sim_node *node = &sim->nodes[at->node];
    struct wi_sim_consumer *consumer = wi_sim_consumer_find(node, at->argument);

    WEIR_ASSERT(consumer != NULL);
    if (consumer->result.type == WI_CONSUMER_PROCESSED) {
        uint32_t done = consumer->result.error == WEIR_OK ? consumer->count
                                                          : (uint32_t)consumer->result.processed;

        if (!wi_sim_has_user(sim)) {
            apply_effects(sim, node, consumer, done);
        } else if (done > 0) {
            wi_sim_processor_note_done(sim, consumer, record_at(sim, consumer, done - 1)->sequence);
        }
        consumer->in_call = false;
        tell_end(sim, node, consumer);
        wi_sim_consumer_give_back(node, consumer);
        flush_by_count(sim, node, consumer);
    }
    wi_sim_consumer_ended(sim, node, consumer, consumer->result);
    wi_sim_node_turn(sim, node);
}

void
wi_sim_processor_end_after(
    struct wi_sim *sim,
    const struct wi_sim_node *node,
    const struct wi_sim_consumer *consumer,
    int64_t after_ns)
{
    wi_sim_node_post(sim, node, after_ns, call_ended, consumer->id);
}

/* --- process_records ------------------------------------------------------------------------- */

uint32_t
wi_sim_processor_find_bad(
    struct wi_sim *sim,
    const struct wi_sim_consumer *consumer,
    const uint64_t *bad,
    uint32_t bad_count)
{
    for (uint32_t i = 0; i < consumer->count; i++) {
        for (uint32_t b = 0; b < bad_count; b++) {
            if (record_at(sim, consumer, i)->sequence == bad[b]) {
                return i;
            }
        }
    }
    return consumer->count;
}

void
wi_sim_processor_die_of_record(struct wi_sim *sim, const struct wi_sim_event *at)
{
    wi_sim_node_crash(sim, &sim->nodes[at->node]);
}

/* In the middle of the call a part of the effects is in the sink, whatever comes of it. */
static void
halfway(struct wi_sim *sim, const struct wi_sim_event *at)
{
    const struct wi_sim_node *node = &sim->nodes[at->node];
    struct wi_sim_consumer *consumer = wi_sim_consumer_find(node, at->argument);
    uint32_t reach = 0;

    WEIR_ASSERT(consumer != NULL);
    reach =
        consumer->result.error == WEIR_OK ? consumer->count : (uint32_t)consumer->result.processed;
    apply_effects(
        sim,
        node,
        consumer,
        (uint32_t)wi_sim_below(&sim->world, WI_SIM_RANDOM_PROCESSOR, (uint64_t)reach + 1));
}

static void
process(struct wi_sim *sim, const struct wi_sim_node *node, struct wi_sim_consumer *consumer)
{
    const struct wi_sim_processors *processors = &sim->processors;
    uint32_t killer =
        wi_sim_processor_find_bad(sim, consumer, processors->killer, processors->killer_count);
    uint32_t failed =
        wi_sim_processor_find_bad(sim, consumer, processors->poison, processors->poison_count);
    int64_t after_ns = wi_sim_processor_duration_ns(sim);

    (void)wi_sim_calm_sticks(sim, node, &after_ns);
    if (fault(sim, WI_SIM_FAILING_PROCESSOR)) {
        uint32_t at = (uint32_t)wi_sim_below(&sim->world, WI_SIM_RANDOM_PROCESSOR, consumer->count);

        failed = at < failed ? at : failed;
    }
    if (failed < consumer->count) {
        consumer->result.error = WEIR_EPROCESSOR;
        consumer->result.processed = failed;
        if (failed > 0) {
            consumer->result.processed_through =
                (struct weir_position){.type = WEIR_AFTER_SEQUENCE_NUMBER,
                                       .sequence_number = wi_sequence_number_from_u64(
                                           record_at(sim, consumer, failed - 1)->sequence)};
        }
    }
    if (killer < consumer->count && killer <= failed) {
        wi_sim_count_fault(sim, WI_SIM_KILLER);
        wi_sim_node_post(sim, node, after_ns, wi_sim_processor_die_of_record, 0);
        return;
    }
    wi_sim_node_post(sim, node, after_ns / 2, halfway, consumer->id);
    wi_sim_processor_end_after(sim, node, consumer, after_ns);
}

static void
tell_begin(
    struct wi_sim *sim, const struct wi_sim_node *node, const struct wi_sim_consumer *consumer)
{
    struct wi_history_event event = wi_sim_consumer_event(node, consumer);

    event.kind = WI_HISTORY_BEGIN;
    event.first = record_at(sim, consumer, 0)->sequence;
    event.last = record_at(sim, consumer, consumer->count - 1)->sequence;
    event.count = consumer->count;
    event.attempt = consumer->attempt;
    wi_sim_tell(sim, &event);
}

/* --- initialize ------------------------------------------------------------------------------ */

/* As find_replay_end() of the runtime. */
static enum weir_error
find_replay_end(struct wi_sim *sim, struct wi_sim_consumer *consumer)
{
    const struct wi_sim_shard *shard = wi_sim_shard(sim, consumer->shard);

    if (consumer->replay_known) {
        return WEIR_OK;
    }
    if (fault(sim, WI_SIM_STREAM_LOST)) {
        return WEIR_ETIMEOUT;
    }
    consumer->replay_through = (struct weir_position){.type = WEIR_TRIM_HORIZON};
    if (!shard->removed && shard->count > shard->trimmed) {
        consumer->replay_through.type = WEIR_AFTER_SEQUENCE_NUMBER;
        consumer->replay_through.sequence_number =
            wi_sequence_number_from_u64(shard->records[shard->count - 1].sequence);
    }
    consumer->replay_known = true;
    return WEIR_OK;
}

/* R7: before the first record, and if none will come. */
static void
plant_fence(struct wi_sim *sim, const struct wi_sim_node *node, struct wi_sim_consumer *consumer)
{
    uint64_t *fence = &sim->processors.fence[consumer->shard - 1];
    struct wi_history_event event = wi_sim_consumer_event(node, consumer);

    if (sim->plan.config.sink != WI_SIM_SINK_PLAIN && *fence <= consumer->lease.epoch) {
        *fence = consumer->lease.epoch;
        event.kind = WI_HISTORY_EFFECT;
        event.fenced = true;
        wi_sim_tell(sim, &event);
    }
}

/* The new owner has looked at what is pending; the table has compared it (T1). */
static void
looked_at_pending(struct wi_sim *sim, struct wi_sim_node *node, struct wi_sim_request *request)
{
    struct wi_sim_consumer *consumer = wi_sim_consumer_find(node, request->consumer);

    WEIR_ASSERT(consumer != NULL);
    wi_sim_processor_end_after(sim, node, consumer, wi_sim_processor_duration_ns(sim));
}

/* As weir_checkpoint_pending(). */
static void
look_at_pending(
    struct wi_sim *sim, const struct wi_sim_node *node, const struct wi_sim_consumer *consumer)
{
    struct wi_sim_request *request = wi_sim_request_new(sim, node->slot, WI_SIM_GET_PENDING, 1);

    memcpy(
        request->items[0].lease_key, consumer->lease.lease_key, sizeof request->items[0].lease_key);
    wi_sim_request_set_state(sim, request, (struct weir_bytes){NULL, 0});
    request->consumer = consumer->id;
    request->answered = looked_at_pending;
    wi_sim_request_send(sim, request);
}

static void
initialize(struct wi_sim *sim, struct wi_sim_node *node, struct wi_sim_consumer *consumer)
{
    struct wi_history_event event = wi_sim_consumer_event(node, consumer);
    bool is_users = wi_sim_has_user(sim);

    consumer->result = (struct wi_consumer_event){.type = WI_CONSUMER_INITIALIZED,
                                                  .error = find_replay_end(sim, consumer)};
    if (consumer->result.error == WEIR_OK) {
        if (!is_users && fault(sim, WI_SIM_FAILING_PROCESSOR)) {
            consumer->result.error = WEIR_EPROCESSOR;
        }
        event.kind = WI_HISTORY_INITIALIZE;
        event.last = wi_sim_position(sim, consumer->shard, &consumer->lease.checkpoint);
        event.error = consumer->result.error;
        wi_sim_tell(sim, &event);
        plant_fence(sim, node, consumer);
        if (is_users) {
            wi_sim_user_call(sim, node, consumer, WI_CONSUMER_CALL_INITIALIZE);
            return;
        }
        if (sim->plan.config.prepares) {
            look_at_pending(sim, node, consumer);
            return;
        }
    }
    wi_sim_processor_end_after(sim, node, consumer, wi_sim_processor_duration_ns(sim));
}

/* --- the processor's own checkpoint ---------------------------------------------------------- */

/* What the call does after the checkpoint, or without one. */
static void
go_on(struct wi_sim *sim, const struct wi_sim_node *node, struct wi_sim_consumer *consumer)
{
    if (consumer->result.type == WI_CONSUMER_PROCESSED) {
        process(sim, node, consumer);
    } else {
        wi_sim_processor_end_after(sim, node, consumer, wi_sim_processor_duration_ns(sim));
    }
}

static void
checkpointed(struct wi_sim *sim, struct wi_sim_node *node, struct wi_sim_request *request)
{
    struct wi_sim_consumer *consumer = wi_sim_consumer_find(node, request->consumer);
    const struct wi_sim_item *item = &request->items[0];
    enum weir_error error = request->error == WEIR_OK ? item->result : request->error;
    struct wi_history_event event;

    WEIR_ASSERT(consumer != NULL);
    event = wi_sim_consumer_event(node, consumer);
    event.kind = WI_HISTORY_CHECKPOINT;
    event.last = wi_sim_position(sim, consumer->shard, &item->position);
    event.error = error;
    event.until_ns = wi_sim_node_true_ns(node, request->sent);
    wi_sim_tell(sim, &event);
    if (error == WEIR_OK) {
        wi_checkpoint_tracker_written(&consumer->engine.tracker, &item->position);
    } else if (error == WEIR_ELEASELOST) {
        wi_sim_consumer_tell(consumer, WI_SIM_FACT_LEASE_LOST);
    }
    go_on(sim, node, consumer);
}

/* NULL if there is nothing to write, or it may not be written any more. */
static struct wi_sim_request *
checkpoint_request(
    struct wi_sim *sim,
    const struct wi_sim_node *node,
    const struct wi_sim_consumer *consumer,
    enum wi_sim_operation operation)
{
    const struct weir_position *wish = &consumer->engine.tracker.processed;
    struct wi_sim_request *request = NULL;
    struct wi_sim_item *item = NULL;

    if (!wi_checkpoint_tracker_is_dirty(&consumer->engine.tracker) ||
        wi_checkpoint_tracker_check(&consumer->engine.tracker, wish) != WEIR_OK ||
        !wi_mono_before(wi_sim_node_now(sim, node), wi_sim_consumer_deadline(node, consumer))) {
        return NULL;
    }
    request = wi_sim_request_new(sim, node->slot, operation, 1);
    item = &request->items[0];
    memcpy(item->lease_key, consumer->lease.lease_key, sizeof item->lease_key);
    memcpy(item->owner, consumer->lease.owner, sizeof item->owner);
    item->epoch = consumer->lease.epoch;
    item->position = *wish;
    request->consumer = consumer->id;
    return request;
}

/* As weir_checkpoint_at() of all that was processed; false if there is nothing to write. */
static bool
checkpoint(struct wi_sim *sim, const struct wi_sim_node *node, struct wi_sim_consumer *consumer)
{
    struct wi_sim_request *request = checkpoint_request(sim, node, consumer, WI_SIM_CHECKPOINT);

    if (request == NULL) {
        return false;
    }
    request->answered = checkpointed;
    wi_sim_request_send(sim, request);
    return true;
}

/* The second phase follows at once, or never: then a later checkpoint covers it. */
static void
prepared(struct wi_sim *sim, struct wi_sim_node *node, struct wi_sim_request *request)
{
    struct wi_sim_consumer *consumer = wi_sim_consumer_find(node, request->consumer);
    enum weir_error error = request->error == WEIR_OK ? request->items[0].result : request->error;
    bool commits = wi_sim_below(&sim->world, WI_SIM_RANDOM_PROCESSOR, 2) == 0;

    WEIR_ASSERT(consumer != NULL);
    if (error == WEIR_ELEASELOST) {
        wi_sim_consumer_tell(consumer, WI_SIM_FACT_LEASE_LOST);
    }
    if (error != WEIR_OK || !commits || !checkpoint(sim, node, consumer)) {
        go_on(sim, node, consumer);
    }
}

/* As weir_checkpoint_prepare(); the application's bytes say who wrote them. */
static bool
prepare(struct wi_sim *sim, const struct wi_sim_node *node, struct wi_sim_consumer *consumer)
{
    struct wi_sim_request *request = checkpoint_request(sim, node, consumer, WI_SIM_PREPARE);
    uint64_t number = sim->world.steps;
    unsigned char state[2 * sizeof number];

    if (request == NULL) {
        return false;
    }
    memcpy(state, &consumer->lease.epoch, sizeof number);
    memcpy(state + sizeof number, &number, sizeof number);
    wi_sim_request_set_state(sim, request, (struct weir_bytes){state, sizeof state});
    request->answered = prepared;
    wi_sim_request_send(sim, request);
    return true;
}

/* --- calls ----------------------------------------------------------------------------------- */

static enum wi_history_kind
told_as(enum wi_consumer_action_type call)
{
    if (call == WI_CONSUMER_CALL_LEASE_LOST) {
        return WI_HISTORY_LEASE_LOST;
    }
    return call == WI_CONSUMER_CALL_SHARD_ENDED ? WI_HISTORY_SHARD_ENDED : WI_HISTORY_SHUTDOWN;
}

/* The model's checkpoint of its own, if it makes one now. */
static bool
makes_checkpoint(
    struct wi_sim *sim, const struct wi_sim_node *node, struct wi_sim_consumer *consumer)
{
    if (node->settings.automatic_checkpoints ||
        wi_sim_below(&sim->world, WI_SIM_RANDOM_PROCESSOR, 2) != 0) {
        return false;
    }
    return sim->plan.config.prepares ? prepare(sim, node, consumer)
                                     : checkpoint(sim, node, consumer);
}

static void
tell_final(
    struct wi_sim *sim,
    const struct wi_sim_node *node,
    struct wi_sim_consumer *consumer,
    enum wi_consumer_action_type call)
{
    struct wi_history_event event = wi_sim_consumer_event(node, consumer);

    if (call == WI_CONSUMER_CALL_SHARD_ENDED && !wi_sim_has_user(sim) &&
        fault(sim, WI_SIM_FAILING_PROCESSOR)) {
        consumer->result.error = WEIR_EPROCESSOR;
    }
    event.kind = told_as(call);
    event.error = consumer->result.error;
    wi_sim_tell(sim, &event);
}

void
wi_sim_processor_call(
    struct wi_sim *sim,
    struct wi_sim_node *node,
    struct wi_sim_consumer *consumer,
    enum wi_consumer_action_type call)
{
    if (call == WI_CONSUMER_CALL_INITIALIZE) {
        initialize(sim, node, consumer);
        return;
    }
    consumer->result = (struct wi_consumer_event){.type = WI_CONSUMER_CALL_RETURNED};
    if (call == WI_CONSUMER_CALL_PROCESS_RECORDS) {
        consumer->result.type = WI_CONSUMER_PROCESSED;
        consumer->applied = 0;
        consumer->in_call = true;
        tell_begin(sim, node, consumer);
    } else {
        tell_final(sim, node, consumer, call);
    }
    if (wi_sim_has_user(sim)) {
        wi_sim_user_call(sim, node, consumer, call);
    } else if (call == WI_CONSUMER_CALL_LEASE_LOST || !makes_checkpoint(sim, node, consumer)) {
        go_on(sim, node, consumer);
    }
}
