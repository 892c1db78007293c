/* One shard at one process, as worker/shard_runner.c. */
#include "sim/sim_consumer.h"

#include <stdint.h>
#include <string.h>

#include <weir/env.h>

#include "core/check.h"
#include "core/memory.h"
#include "core/str.h"
#include "lease/lease.h"
#include "sim/history.h"
#include "sim/sim.h"
#include "sim/sim_node.h"
#include "sim/sim_stream.h"
#include "sim/sim_transition.h"
#include "sim/sim_world.h"
#include "worker/lease_renewer.h"
#include "worker/shard_consumer.h"

/* As in worker/shard_runner.c. */
#define BATCHES_PER_TURN 16U

struct wi_sim_consumer *
wi_sim_consumer_new(
    struct wi_sim *sim,
    struct wi_sim_node *node,
    const struct wi_lease *lease,
    struct weir_mono verified)
{
    struct wi_sim_consumer *consumer = wi_sim_alloc(&sim->world, 1, sizeof *consumer);

    consumer->id = ++node->consumers_made;
    consumer->shard = wi_sim_shard_number(lease->shard_id);
    consumer->lease = *lease;
    consumer->verified = verified;
    consumer->replay_through = lease->replay_through;
    consumer->replay_known = lease->replay_exact;
    wi_consumer_init(
        &consumer->engine,
        &node->settings,
        &lease->checkpoint,
        wi_sim_below(&sim->world, WI_SIM_RANDOM_NODES, UINT64_MAX));
    return consumer;
}

void
wi_sim_consumer_free(struct wi_sim *sim, struct wi_sim_consumer *consumer)
{
    wi_free(&sim->world.env, consumer);
}

struct wi_sim_consumer *
wi_sim_consumer_find(const struct wi_sim_node *node, uint64_t id)
{
    for (size_t i = 0; i < node->consumer_count; i++) {
        if (node->consumers[i]->id == id) {
            return node->consumers[i];
        }
    }
    return NULL;
}

struct weir_mono
wi_sim_consumer_deadline(const struct wi_sim_node *node, const struct wi_sim_consumer *consumer)
{
    return wi_lease_renewer_deadline(&node->renewer, consumer->verified);
}

/* --- belief, as the history is told of it ---------------------------------------------------- */

struct wi_history_event
wi_sim_consumer_event(const struct wi_sim_node *node, const struct wi_sim_consumer *consumer)
{
    (void)node;
    return (struct wi_history_event){.shard = consumer->shard,
                                     .worker = wi_sim_owner_number(consumer->lease.owner),
                                     .epoch = consumer->lease.epoch};
}

void
wi_sim_consumer_note_belief(
    struct wi_sim *sim, const struct wi_sim_node *node, struct wi_sim_consumer *consumer)
{
    struct wi_history_event event = wi_sim_consumer_event(node, consumer);
    bool is_new = !consumer->believes && consumer->believes_until_ns == 0;

    if (consumer->engine.lease_lost || (!consumer->believes && !is_new)) {
        return;
    }
    event.kind = WI_HISTORY_HOLD;
    event.until_ns = wi_sim_node_true_ns(node, wi_sim_consumer_deadline(node, consumer));
    if (event.until_ns == consumer->believes_until_ns) {
        return;
    }
    consumer->believes = true;
    consumer->believes_until_ns = event.until_ns;
    wi_sim_tell(sim, &event);
}

void
wi_sim_consumer_drop_belief(
    struct wi_sim *sim, const struct wi_sim_node *node, struct wi_sim_consumer *consumer)
{
    struct wi_history_event event = wi_sim_consumer_event(node, consumer);

    if (consumer->believes) {
        consumer->believes = false;
        event.kind = WI_HISTORY_DROP;
        wi_sim_tell(sim, &event);
    }
}

/* --- facts and steps ------------------------------------------------------------------------- */

void
wi_sim_consumer_tell(struct wi_sim_consumer *consumer, enum wi_sim_fact fact)
{
    consumer->facts |= (unsigned)fact;
}

void
wi_sim_consumer_stop(struct wi_sim_consumer *consumer, const char *to)
{
    (void)wi_str_copy(consumer->release_to, sizeof consumer->release_to, wi_str(to));
    wi_sim_consumer_tell(consumer, WI_SIM_FACT_STOP);
}

static struct wi_consumer_action
step(
    struct wi_sim *sim,
    struct wi_sim_node *node,
    struct wi_sim_consumer *consumer,
    struct wi_consumer_event *event)
{
    struct wi_consumer_action action;

    event->now = wi_sim_node_now(sim, node);
    event->deadline = wi_sim_consumer_deadline(node, consumer);
    action = wi_consumer_step(&consumer->engine, event);
    if (consumer->engine.state != consumer->was) {
        wi_sim_move(sim, WI_SIM_MACHINE_CONSUMER, consumer->was, consumer->engine.state);
        consumer->was = consumer->engine.state;
    }
    if (consumer->engine.lease_lost || action.type == WI_CONSUMER_RELEASE ||
        action.type == WI_CONSUMER_DONE) { /* R6: before the release is sent */
        wi_sim_consumer_drop_belief(sim, node, consumer);
    }
    return action;
}

static bool
take_fact(struct wi_sim_consumer *consumer, enum wi_consumer_event_type *ret)
{
    static const struct {
        enum wi_sim_fact fact;
        enum wi_consumer_event_type event;
    } ranked[] = {
        {WI_SIM_FACT_LEASE_LOST, WI_CONSUMER_LEASE_LOST},
        {WI_SIM_FACT_STOP, WI_CONSUMER_STOP},
        {WI_SIM_FACT_PARENTS_FINISHED, WI_CONSUMER_PARENTS_FINISHED},
        {WI_SIM_FACT_WAKE, WI_CONSUMER_WAKE},
    };

    for (size_t i = 0; i < WI_ARRAY_LENGTH(ranked); i++) {
        if ((consumer->facts & (unsigned)ranked[i].fact) != 0) {
            consumer->facts &= ~(unsigned)ranked[i].fact;
            *ret = ranked[i].event;
            return true;
        }
    }
    return false;
}

/* Nothing is in flight: facts one by one until one of them asks for something. */
static struct wi_consumer_action
next_action(struct wi_sim *sim, struct wi_sim_node *node, struct wi_sim_consumer *consumer)
{
    struct wi_consumer_event event = {.type = WI_CONSUMER_STEP};

    while (take_fact(consumer, &event.type)) {
        struct wi_consumer_action action = step(sim, node, consumer, &event);

        if (action.type != WI_CONSUMER_WAIT) {
            return action;
        }
    }
    event.type = WI_CONSUMER_STEP;
    return step(sim, node, consumer, &event);
}

/* --- threads, as worker/processor_pool.c ----------------------------------------------------- */

/* A thread is free, and nobody waits for it. */
static bool
take_thread(const struct wi_sim *sim, struct wi_sim_node *node, struct wi_sim_consumer *consumer)
{
    uint32_t most = sim->plan.config.threads;

    if (!consumer->has_thread) {
        if (most > 0 && node->threads_busy >= most) {
            return false;
        }
        consumer->has_thread = true;
        consumer->batches = 0;
        node->threads_busy++;
    }
    return true;
}

static void
give_up_thread(struct wi_sim_node *node, struct wi_sim_consumer *consumer)
{
    WEIR_ASSERT(consumer->has_thread && node->threads_busy > 0);
    consumer->has_thread = false;
    node->threads_busy--;
}

static void
queue_up(struct wi_sim *sim, struct wi_sim_node *node, struct wi_sim_consumer *consumer)
{
    WEIR_ASSERT(!consumer->is_queued && node->waiting_count < WI_SIM_SHARDS_MAX);
    consumer->is_queued = true;
    node->waiting[node->waiting_count++] = consumer->id;
    wi_sim_count_scenario(sim, WI_SIM_WAITED_FOR_THREAD);
}

struct wi_sim_consumer *
wi_sim_consumer_next_waiting(const struct wi_sim *sim, struct wi_sim_node *node)
{
    struct wi_sim_consumer *consumer = NULL;

    if (node->waiting_count == 0 || node->threads_busy >= sim->plan.config.threads) {
        return NULL;
    }
    consumer = wi_sim_consumer_find(node, node->waiting[0]);
    node->waiting_count--;
    memmove(node->waiting, node->waiting + 1, node->waiting_count * sizeof *node->waiting);
    WEIR_ASSERT(consumer != NULL && consumer->is_queued);
    consumer->is_queued = false;
    return consumer;
}

/* Another one waits for a thread, and this one has had its turn. */
static bool
should_yield(
    const struct wi_sim_node *node,
    struct wi_sim_consumer *consumer,
    const struct wi_consumer_action *action)
{
    return action->type == WI_CONSUMER_FETCH && ++consumer->batches >= BATCHES_PER_TURN &&
           node->waiting_count > 0;
}

/* Begin the action, or sleep, or be done. */
static void
carry_out(
    struct wi_sim *sim,
    struct wi_sim_node *node,
    struct wi_sim_consumer *consumer,
    const struct wi_consumer_action *action)
{
    if (action->type == WI_CONSUMER_WAIT) {
        wi_sim_count_action(sim, action->type);
        consumer->wake_at = action->until;
        give_up_thread(node, consumer);
    } else if (action->type == WI_CONSUMER_DONE) {
        wi_sim_count_action(sim, action->type);
        consumer->is_done = true;
        give_up_thread(node, consumer);
        wi_sim_consumer_finish(sim, node, consumer);
    } else if (should_yield(node, consumer, action)) {
        consumer->has_held = true;
        consumer->held = *action;
        give_up_thread(node, consumer);
        queue_up(sim, node, consumer);
        wi_sim_count_scenario(sim, WI_SIM_YIELDED);
    } else {
        wi_sim_count_action(sim, action->type);
        consumer->in_flight = true;
        wi_sim_consumer_perform(sim, node, consumer, action);
    }
}

void
wi_sim_consumer_run(struct wi_sim *sim, struct wi_sim_node *node, struct wi_sim_consumer *consumer)
{
    struct wi_consumer_action action;

    WEIR_ASSERT(!consumer->in_flight && !consumer->is_queued);
    if (!take_thread(sim, node, consumer)) {
        queue_up(sim, node, consumer);
        return;
    }
    if (consumer->has_held) {
        consumer->has_held = false;
        action = consumer->held;
    } else {
        action = next_action(sim, node, consumer);
    }
    carry_out(sim, node, consumer, &action);
}

/* As wi_runner_run() after wi_runner_perform(): facts that came meanwhile are noted first. */
void
wi_sim_consumer_ended(
    struct wi_sim *sim,
    struct wi_sim_node *node,
    struct wi_sim_consumer *consumer,
    struct wi_consumer_event event)
{
    struct wi_consumer_event fact = {.type = WI_CONSUMER_STEP};
    struct wi_consumer_action action;

    WEIR_ASSERT(consumer->in_flight);
    while (take_fact(consumer, &fact.type)) {
        action = step(sim, node, consumer, &fact);
        WEIR_ASSERT(action.type == WI_CONSUMER_WAIT);
    }
    consumer->in_flight = false;
    action = step(sim, node, consumer, &event);
    if (action.type == WI_CONSUMER_WAIT) {
        action = next_action(sim, node, consumer);
    }
    carry_out(sim, node, consumer, &action);
}
