/* Actions of a consumer, as worker/runner_actions.c: fetches from the stream, writes to the table.
 */
#include <stdint.h>
#include <string.h>

#include <weir/error.h>
#include <weir/types.h>

#include "coordinator/shard_sync.h"
#include "core/check.h"
#include "core/position.h"
#include "core/sequence_number.h"
#include "lease/lease.h"
#include "sim/history.h"
#include "sim/sim.h"
#include "sim/sim_consumer.h"
#include "sim/sim_fault.h"
#include "sim/sim_node.h"
#include "sim/sim_store.h"
#include "sim/sim_stream.h"
#include "sim/sim_user.h"
#include "sim/sim_world.h"
#include "worker/fetch_budget.h"
#include "worker/shard_consumer.h"

/* A request to the stream that is lost is given up after so long. */
#define STREAM_TIMEOUT_US INT64_C(500000)
#define STREAM_LATE_US    INT64_C(2000000)

/* --- fetch ----------------------------------------------------------------------------------- */

void
wi_sim_consumer_give_back(struct wi_sim_node *node, struct wi_sim_consumer *consumer)
{
    if (consumer->budget_held > 0) {
        wi_fetch_budget_give_back(&node->budget, consumer->budget_held);
        consumer->budget_held = 0;
    }
}

static struct weir_position
after(const struct wi_sim_record *record)
{
    return (struct weir_position){.type = WEIR_AFTER_SEQUENCE_NUMBER,
                                  .sequence_number = wi_sequence_number_from_u64(record->sequence)};
}

static bool
fault(struct wi_sim *sim, enum wi_sim_fault kind)
{
    bool happens = wi_sim_chance(&sim->world, WI_SIM_RANDOM_STREAM, sim->plan.config.rate[kind]);

    if (happens) {
        wi_sim_count_fault(sim, kind);
    }
    return happens;
}

static enum weir_error
stream_error(struct wi_sim *sim, const struct wi_sim_node *node)
{
    if (fault(sim, WI_SIM_STREAM_LOST) || (node->cuts & WI_SIM_CUT_OFF_STREAM) != 0) {
        return WEIR_ETIMEOUT;
    }
    if (fault(sim, WI_SIM_STREAM_THROTTLED)) {
        return WEIR_ETHROTTLED;
    }
    return fault(sim, WI_SIM_EXPIRED_ITERATOR) ? WEIR_EEXPIRED : WEIR_OK;
}

static struct wi_consumer_event
read_shard(struct wi_sim *sim, struct wi_sim_consumer *consumer)
{
    const struct wi_sim_shard *shard = wi_sim_shard(sim, consumer->shard);
    struct wi_sim_get get = wi_sim_stream_get(
        sim, consumer->shard, &consumer->engine.fetch_from, sim->plan.config.batch_records_max);
    struct wi_consumer_event event = {
        .type = WI_CONSUMER_FETCHED,
        .error = get.error,
        .count = get.count,
        .next = get.next,
        .at_shard_end = get.at_shard_end};

    if (event.error == WEIR_ENOTFOUND) { /* as is_out_of_retention() of the runtime */
        event.error = WEIR_ETRIMMED;
        event.at_shard_end = true;
    }
    consumer->first = get.first;
    consumer->count = get.count;
    if (get.count > 0) {
        event.first = after(&shard->records[get.first]);
        event.last = after(&shard->records[get.first + get.count - 1]);
    }
    return event;
}

/* The stream has answered. */
static void
fetched(struct wi_sim *sim, const struct wi_sim_event *at)
{
    struct wi_sim_node *node = &sim->nodes[at->node];
    struct wi_sim_consumer *consumer = wi_sim_consumer_find(node, at->argument);
    struct wi_consumer_event event = {.type = WI_CONSUMER_FETCHED};

    WEIR_ASSERT(consumer != NULL);
    consumer->count = 0;
    event.error = stream_error(sim, node);
    if (event.error == WEIR_OK) {
        event = read_shard(sim, consumer);
    }
    if (event.count == 0) {
        wi_sim_consumer_give_back(node, consumer);
    }
    wi_sim_consumer_ended(sim, node, consumer, event);
    wi_sim_node_turn(sim, node);
}

/* No memory is free in the budget (G7). */
static void
not_fetched(struct wi_sim *sim, const struct wi_sim_event *at)
{
    struct wi_sim_node *node = &sim->nodes[at->node];
    struct wi_sim_consumer *consumer = wi_sim_consumer_find(node, at->argument);
    struct wi_consumer_event busy = {.type = WI_CONSUMER_FETCHED, .error = WEIR_EBUSY};

    WEIR_ASSERT(consumer != NULL);
    wi_sim_consumer_ended(sim, node, consumer, busy);
    wi_sim_node_turn(sim, node);
}

static void
fetch(struct wi_sim *sim, struct wi_sim_node *node, struct wi_sim_consumer *consumer)
{
    bool is_late = fault(sim, WI_SIM_STREAM_LATE);
    int64_t after_us =
        is_late ? wi_sim_log_between(&sim->world, WI_SIM_RANDOM_STREAM, 1000, STREAM_LATE_US)
                : wi_sim_log_between(&sim->world, WI_SIM_RANDOM_STREAM, 10, 1000);

    wi_sim_consumer_give_back(node, consumer);
    consumer->budget_held = wi_fetch_budget_reserve(&node->budget);
    if (consumer->budget_held == 0) {
        wi_sim_node_post(sim, node, WI_SIM_NS_PER_US, not_fetched, consumer->id);
        return;
    }
    if ((node->cuts & WI_SIM_CUT_OFF_STREAM) != 0) {
        after_us = STREAM_TIMEOUT_US;
    }
    wi_sim_node_post(sim, node, after_us * WI_SIM_NS_PER_US, fetched, consumer->id);
}

/* --- writes ---------------------------------------------------------------------------------- */

static struct wi_sim_request *
request_about(
    struct wi_sim *sim,
    const struct wi_sim_node *node,
    const struct wi_sim_consumer *consumer,
    enum wi_sim_operation operation)
{
    struct wi_sim_request *request = wi_sim_request_new(sim, node->slot, operation, 1);
    struct wi_sim_item *item = &request->items[0];

    memcpy(item->lease_key, consumer->lease.lease_key, sizeof item->lease_key);
    memcpy(item->owner, consumer->lease.owner, sizeof item->owner);
    item->epoch = consumer->lease.epoch;
    request->consumer = consumer->id;
    return request;
}

static void
end_write(
    struct wi_sim *sim,
    struct wi_sim_node *node,
    const struct wi_sim_request *request,
    enum wi_consumer_event_type type)
{
    struct wi_sim_consumer *consumer = wi_sim_consumer_find(node, request->consumer);
    struct wi_consumer_event event = {.type = type, .error = request->error};

    WEIR_ASSERT(consumer != NULL);
    if (event.error == WEIR_OK && request->operation != WI_SIM_FINISH) {
        event.error = request->items[0].result;
    }
    wi_sim_consumer_ended(sim, node, consumer, event);
}

static void
anchored(struct wi_sim *sim, struct wi_sim_node *node, struct wi_sim_request *request)
{
    end_write(sim, node, request, WI_CONSUMER_ANCHORED);
}

static void
finished(struct wi_sim *sim, struct wi_sim_node *node, struct wi_sim_request *request)
{
    end_write(sim, node, request, WI_CONSUMER_FINISHED);
}

static void
released(struct wi_sim *sim, struct wi_sim_node *node, struct wi_sim_request *request)
{
    end_write(sim, node, request, WI_CONSUMER_RELEASED);
}

static void
write_anchor(
    struct wi_sim *sim,
    struct wi_sim_node *node,
    struct wi_sim_consumer *consumer,
    const struct wi_consumer_action *action)
{
    struct wi_sim_request *request = request_about(sim, node, consumer, WI_SIM_CHECKPOINT);

    request->items[0].position = action->position;
    request->answered = anchored;
    wi_sim_request_send(sim, request);
}

static void
write_release(
    struct wi_sim *sim,
    struct wi_sim_node *node,
    struct wi_sim_consumer *consumer,
    const struct wi_consumer_action *action)
{
    struct wi_sim_request *request = request_about(sim, node, consumer, WI_SIM_RELEASE);
    struct wi_sim_item *item = &request->items[0];

    memcpy(item->to, consumer->release_to, sizeof item->to);
    item->has_checkpoint = action->has_checkpoint;
    item->position = action->checkpoint;
    item->handed_through = action->handed_through;
    item->covers_earlier = consumer->replay_known;
    if (wi_checkpoint_compare(&item->handed_through, &consumer->replay_through) < 0) {
        item->handed_through = consumer->replay_through;
    }
    consumer->releasing = true;
    request->answered = released;
    wi_sim_request_send(sim, request);
}

/* C42. */
static bool
may_create(struct wi_sim *sim, uint32_t child, const struct wi_sim_consumer *consumer)
{
    struct weir_shard shards[WI_SIM_SHARDS_MAX];
    size_t count = wi_sim_stream_list(sim, sim->world.now_ns, shards);
    const char *other = wi_shard_other_parent(
        shards, count, &wi_sim_shard(sim, child)->shard, consumer->lease.shard_id);

    return !wi_sim_shard(sim, child)->removed &&
           (other == NULL || wi_sim_store_has_row(sim, other));
}

/* The children come from a list of shards; without one the write is tried again later. */
static void
write_finish(struct wi_sim *sim, const struct wi_sim_event *at)
{
    const struct weir_position horizon = {.type = WEIR_TRIM_HORIZON};
    struct wi_sim_node *node = &sim->nodes[at->node];
    struct wi_sim_consumer *consumer = wi_sim_consumer_find(node, at->argument);
    struct wi_consumer_event failed = {
        .type = WI_CONSUMER_FINISHED, .error = stream_error(sim, node)};
    struct wi_sim_request *request = NULL;
    const struct wi_sim_shard *shard = NULL;

    WEIR_ASSERT(consumer != NULL);
    if (failed.error != WEIR_OK) {
        wi_sim_consumer_ended(sim, node, consumer, failed);
        wi_sim_node_turn(sim, node);
        return;
    }
    request = request_about(sim, node, consumer, WI_SIM_FINISH);
    request->leases = wi_sim_alloc(&sim->world, WEIR_CHILDREN_MAX, sizeof *request->leases);
    shard = wi_sim_shard(sim, consumer->shard);
    for (size_t i = 0; i < WEIR_CHILDREN_MAX; i++) {
        if (shard->children[i] != 0 && may_create(sim, shard->children[i], consumer)) {
            wi_lease_for_shard(
                &wi_sim_shard(sim, shard->children[i])->shard,
                &horizon,
                &request->leases[request->lease_count++]);
        }
    }
    request->answered = finished;
    wi_sim_request_send(sim, request);
}

static void
finish_shard(struct wi_sim *sim, struct wi_sim_node *node, struct wi_sim_consumer *consumer)
{
    int64_t after_us = wi_sim_log_between(&sim->world, WI_SIM_RANDOM_STREAM, 20, 1000);

    consumer->releasing = true; /* as worker/runner_actions.c: no more automatic checkpoints */
    wi_sim_node_post(sim, node, after_us * WI_SIM_NS_PER_US, write_finish, consumer->id);
}

void
wi_sim_consumer_perform(
    struct wi_sim *sim,
    struct wi_sim_node *node,
    struct wi_sim_consumer *consumer,
    const struct wi_consumer_action *action)
{
    switch (action->type) {
    case WI_CONSUMER_FETCH:
        fetch(sim, node, consumer);
        break;
    case WI_CONSUMER_CALL_PROCESS_RECORDS:
        consumer->attempt = action->attempt;
        wi_sim_processor_call(sim, node, consumer, action->type);
        break;
    case WI_CONSUMER_CALL_INITIALIZE:
    case WI_CONSUMER_CALL_LEASE_LOST:
    case WI_CONSUMER_CALL_SHARD_ENDED:
    case WI_CONSUMER_CALL_SHUTDOWN_REQUESTED:
        wi_sim_processor_call(sim, node, consumer, action->type);
        break;
    case WI_CONSUMER_ANCHOR:
        write_anchor(sim, node, consumer, action);
        break;
    case WI_CONSUMER_FINISH_SHARD:
        finish_shard(sim, node, consumer);
        break;
    case WI_CONSUMER_RELEASE:
        write_release(sim, node, consumer, action);
        break;
    case WI_CONSUMER_WAIT:
    case WI_CONSUMER_DONE:
        WEIR_ASSERT(false);
        break;
    }
}

void
wi_sim_consumer_finish(
    struct wi_sim *sim, struct wi_sim_node *node, struct wi_sim_consumer *consumer)
{
    struct wi_history_event event = wi_sim_consumer_event(node, consumer);

    wi_sim_consumer_give_back(node, consumer);
    if (consumer->engine.initialized) {
        event.kind = WI_HISTORY_DESTROY;
        wi_sim_tell(sim, &event);
        wi_sim_user_destroy(sim, node, consumer);
    }
}
